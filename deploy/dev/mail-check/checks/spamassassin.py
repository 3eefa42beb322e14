"""Scores mails with SpamAssassin, without the network. Usage: spamassassin.py FOLDER"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import mails

# SpamAssassin calls 5 spam.
LIMIT = 0.5
# Nothing is learnt, so that a mail scores the same whatever was scored before. The end of each mail's
# output is a line of our own.
PREFERENCES = """\
use_bayes 0
report_safe 0
clear_report_template
report mail-check: _SCORE_ _TESTSSCORES(,)_ :end
"""


def main(folder: str) -> None:
    everything = mails.mails(folder)
    with tempfile.TemporaryDirectory() as temporary:
        preferences = Path(temporary, "user_prefs")
        preferences.write_text(PREFERENCES)
        command = ["spamassassin", "--local", "--test-mode", "--prefspath", preferences]
        files = [Path(folder, f"{name}.eml") for name, _ in everything]
        done = subprocess.run(command + files, capture_output=True, check=True)
    # It goes through the mails in the order in which they are named.
    reports = re.findall(rb"^mail-check: (-?[0-9.]+) ([\s\S]*?) ?:end", done.stdout, re.M)
    if len(reports) != len(everything):
        sys.exit(f"{len(reports)} reports on {len(everything)} mails: {done.stderr.decode()}")

    scores = [float(score) for score, _ in reports]
    rules = ["".join(tests.decode().split()) for _, tests in reports]
    for (name, _), score, hit in zip(everything, scores, rules, strict=True):
        mails.tell(name, [f"{score}: {hit}"] if score >= LIMIT else [])
    hits = sorted({rule for hit in rules for rule in hit.split(",")})
    mails.note(f"highest score {max(scores)}, rules hit: {' '.join(hits)}")


if __name__ == "__main__":
    main(sys.argv[1])
