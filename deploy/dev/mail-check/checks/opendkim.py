"""Verifies DKIM signatures with OpenDKIM. Usage: opendkim.py FOLDER DNS.json

OpenDKIM takes a forged mail for a success of the test, and names one signature only. What it says of
each is in the header that it would add.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import mails


def findings(mail: Path, configuration: Path) -> list[str]:
    command = ["opendkim", "-x", configuration, "-t", mail, "-vv"]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=True)
    verdicts = re.findall(r"^\s*dkim=(\w+)(.*)$", done.stdout, re.M)
    head = mail.read_bytes().partition(b"\r\n\r\n")[0]
    signatures = len(re.findall(rb"^DKIM-Signature:", head, re.M | re.I))
    said = done.stdout.strip().rpartition("\n")[2]
    found = [f"{verdict}{rest}" for verdict, rest in verdicts if verdict != "pass"]
    if len(verdicts) != signatures or not verdicts:
        found.append(f"{len(verdicts)} verdicts on {signatures} signatures: {said}")
    elif not any(verdict == "pass" and "header.a=rsa-sha256" in rest for verdict, rest in verdicts):
        found.append("no valid signature by rsa-sha256")
    return found


def main(folder: str, dns: str) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        data = Path(temporary, "dns")
        data.write_text("".join(f"{name} {text}\n" for name, text in mails.txt_records(dns).items()))
        configuration = Path(temporary, "opendkim.conf")
        configuration.write_text(f"Mode v\nMinimumKeyBits 2048\nSyslog no\nTestDNSData file:{data}\n")
        for name, _ in mails.mails(folder):
            mails.tell(name, findings(Path(folder, f"{name}.eml"), configuration))


if __name__ == "__main__":
    main(*sys.argv[1:])
