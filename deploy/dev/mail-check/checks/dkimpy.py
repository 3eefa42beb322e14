"""Verifies DKIM signatures with dkimpy, and what they cover. Usage: dkimpy.py FOLDER DNS.json

A finding that begins with A or H and a number names the requirement that it breaks.
"""

import re
import sys
from collections import Counter

import dkim

import mails

# What a signature covers if the mail has it (A03).
COVERED = (
    "from", "to", "subject", "date", "message-id", "reply-to", "mime-version", "content-type", "list-id",
    "list-help", "list-unsubscribe", "list-unsubscribe-post", "auto-submitted", "feedback-id",
)  # fmt: skip
# What nobody could add another of without breaking the signature (A02).
OVERSIGNED = ("from", "to", "subject", "date", "list-unsubscribe", "list-unsubscribe-post")
ALGORITHMS = ("rsa-sha256", "ed25519-sha256")


def findings(raw: bytes, records: dict[str, str]) -> list[str]:
    found = []
    counts = Counter(name.decode("latin-1").lower() for name, _ in dkim.rfc822_parse(raw)[0])
    algorithms = []
    for index in range(counts["dkim-signature"]):
        signature, reason = verify(raw, index, records)
        tags = {name.decode(): value.decode() for name, value in signature.signature_fields.items()}
        algorithms.append(tags.get("a", "none"))
        label = f"signature {index + 1} ({algorithms[-1]})"
        if reason:
            found.append(f"{label}: {reason}")
        found += (f"{label}: {problem}" for problem in problems_of(tags, counts, from_domain(signature)))
    found += (f"A01: there is a signature by {name}" for name in algorithms if name not in ALGORITHMS)
    if algorithms.count("rsa-sha256") != 1:
        found.append(f"A01: {algorithms.count('rsa-sha256')} signatures by rsa-sha256")
    return found


def verify(raw: bytes, index: int, records: dict[str, str]) -> tuple[dkim.DKIM, str]:
    """The signature, and why it is not valid, or nothing."""

    def dnsfunc(name: bytes, timeout: int = 0) -> bytes | None:
        record = records.get(name.decode().rstrip(".").lower())
        return record.encode() if record else None

    # dkimpy says why in exceptions, and refuses RSA keys below minkey.
    signature = dkim.DKIM(raw, minkey=2048)
    try:
        return signature, "" if signature.verify(idx=index, dnsfunc=dnsfunc) else "it is not valid"
    except dkim.DKIMException as error:
        return signature, str(error)


def from_domain(signature: dkim.DKIM) -> str:
    value = next((value for name, value in signature.headers if name.lower() == b"from"), b"")
    return value.decode("utf-8", "replace").strip().rstrip(">").rpartition("@")[2].lower()


def problems_of(tags: dict[str, str], counts: Counter[str], domain: str) -> list[str]:
    found = []
    covered = Counter(name.strip().lower() for name in tags.get("h", "").split(":"))
    for name in COVERED:
        if covered[name] < counts[name]:
            number = "H04" if name.startswith("list-unsubscribe") else "A03"
            found.append(f"{number}: {name} is not covered")
    for name in OVERSIGNED:
        if counts[name] and covered[name] <= counts[name]:
            found.append(f"A02: another {name} could be added")
    if re.sub(r"\s", "", tags.get("c", "")) != "relaxed/relaxed":
        found.append(f"A02: c={tags.get('c')}")
    if "l" in tags:
        found.append("A02: l= lets a body be added to")
    signer = tags.get("d", "").lower()
    if domain != signer and not domain.endswith(f".{signer}"):
        found.append(f"A02: {signer} signs for {domain}")
    return found


def main(folder: str, dns: str) -> None:
    records = mails.txt_records(dns)
    for name, raw in mails.mails(folder):
        mails.tell(name, findings(raw, records))


if __name__ == "__main__":
    main(*sys.argv[1:])
