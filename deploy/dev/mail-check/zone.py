"""Reads records as `jobalerts check --dns` prints them, and writes them as mailauth reads them."""

import json
import re
import sys

RECORD = re.compile(r'(?P<name>\S+)\. IN TXT (?P<strings>".*"|\( ".*" \))')


def main() -> None:
    records: dict[str, dict[str, list[list[str]]]] = {}
    for line in sys.stdin:
        if record := RECORD.fullmatch(line.strip()):
            strings = re.findall(r'"([^"]*)"', record["strings"])
            records.setdefault(record["name"], {"TXT": []})["TXT"].append(strings)
    json.dump(records, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
