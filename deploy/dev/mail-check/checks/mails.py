"""What the checks in Python share: the mails of a folder, the DNS, and how a verdict is told."""

import json
import sys
from pathlib import Path


def mails(folder: str) -> list[tuple[str, bytes]]:
    """The name and the octets of each mail, by name."""
    return sorted((path.stem, path.read_bytes()) for path in Path(folder).glob("*.eml"))


def txt_records(file: str) -> dict[str, str]:
    """The TXT record of each name in a file of the form that mailauth reads."""
    records = json.loads(Path(file).read_text(encoding="utf-8"))
    return {
        name.lower(): "".join(strings) for name, types in records.items() for strings in types.get("TXT", [])
    }


def tell(name: str, failures: list[str]) -> None:
    """One line for each failure of the mail, or one that it has none."""
    for failure in failures:
        print("fail", name, " ".join(failure.split()), sep="\t")
    if not failures:
        print("ok", name, sep="\t")
    sys.stdout.flush()


def note(text: str) -> None:
    """Something that is said of all mails together."""
    print("note", "", text, sep="\t")
