"""Holds the octets of mails against the standards. Usage: lint.py FOLDER

Needs Python only, and shares nothing with the program that wrote the mails. Each finding begins with
the number of a requirement:

  M..  the syntax of a mail: RFC 5322, 2045 to 2047
  H..  headers of lists and of what machines send: RFC 8058, 2369, 2919, 3834
"""

import base64
import binascii
import email
import email.policy
import email.utils
import re
import sys
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import mails

# Kinds of mails that are no part of a list, so that one cannot leave it by one click. A kind is what
# the name of its mails begins with.
SERVICE_KINDS = ("confirm", "manage-link", "address-change", "stopped", "erased", "data-ready", "admin-")
# After this one there is nothing left to stop: it may do either.
LAST_WORDS = ("lapsed",)

# Nobody's headers tell what somebody may be; they are read by more people than the mail.
TELLING = re.compile(
    r"positive[ -]?action|under-?represented|ethnic|\bbame\b|lgbt|disab|\bwomen\b|religio|muslim", re.I
)

HEADER_LIMIT = 16 * 1024
# Gmail cuts off what is longer than 102 kB.
HTML_LIMIT = 95_000

ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
DOT_ATOM = rf"{ATOM}(?:\.{ATOM})*"
QUOTED = r'"(?:[^"\\\x00-\x1f\x7f]|\\[\x20-\x7e])*"'
WORD = rf"(?:{ATOM}|{QUOTED})"
ADDRESS = rf"{DOT_ATOM}@{DOT_ATOM}"
MAILBOX = re.compile(rf"(?:{WORD}(?: {WORD})* <(?P<named>{ADDRESS})>|<?(?P<bare>{ADDRESS})>?)")
MESSAGE_ID = re.compile(rf"<{ADDRESS}>")
ENCODED_WORD = re.compile(r"(?<!\S)=\?(?P<charset>[^?\s]+)\?(?P<encoding>[BbQq])\?(?P<text>[^?\s]*)\?=(?!\S)")
DATE = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{1,2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4}"
    r" \d\d:\d\d(?::\d\d)? [+-]\d{4}"
)
WITH_ADDRESSES = ("from", "to", "reply-to")
WITH_MESSAGE_IDS = ("message-id", "in-reply-to", "references")


class Mail:
    """One mail, as octets and as what they mean."""

    def __init__(self, name: str, raw: bytes, folder: str):
        self.name = name
        self.raw = raw
        self.folder = Path(folder)
        self.head, _, self.body = raw.partition(b"\r\n\r\n")
        # A line that begins with a blank goes on with the header before it.
        self.fields = [field.split(b"\r\n") for field in re.split(rb"\r\n(?![ \t])", self.head)]
        self.message = email.message_from_bytes(raw, policy=email.policy.SMTP)
        self.leaves = [part for part in self.message.walk() if not part.is_multipart()]

    def headers(self) -> list[tuple[str, str]]:
        """The name in lower case and the unfolded value of each header."""
        headers = []
        for lines in self.fields:
            name, _, value = b"".join(lines).decode("utf-8", "replace").partition(":")
            headers.append((name.lower(), value.strip(" \t").replace("\t", " ")))
        return headers

    def values(self, name: str) -> list[str]:
        return [value for other, value in self.headers() if other == name]

    def value(self, name: str) -> str:
        return next(iter(self.values(name)), "")

    def address(self, name: str) -> str:
        found = MAILBOX.fullmatch(ascii_local(self.value(name)))
        return (found["named"] or found["bare"]) if found else ""

    def is_of(self, kinds: tuple[str, ...]) -> bool:
        return self.name.startswith(kinds)

    def part(self, content_type: str) -> "email.message.EmailMessage | None":
        return next((part for part in self.leaves if part.get_content_type() == content_type), None)


def ascii_local(value: str) -> str:
    """With letters in place of what is not ASCII: an address may have such before the @ (RFC 6532)."""
    return re.sub(r"[^\x00-\x7f]", "x", value)


def octets(part: email.message.Message) -> bytes:
    """A part's body as it stands in the mail."""
    return part.get_payload().encode("utf-8", "surrogateescape")


def m01(mail: Mail) -> Iterator[str]:
    """Lines end with CR LF and are not too long."""
    if re.search(rb"(?<!\r)\n", mail.raw):
        yield "a line ends with LF alone"
    if re.search(rb"\r(?!\n)", mail.raw):
        yield "CR stands alone"
    longest = max(mail.raw.split(b"\n"), key=len)
    if len(longest.rstrip(b"\r")) > 998:
        yield f"a line has {len(longest)} octets: {longest[:40]!r}"
    for lines in mail.fields:
        for line in lines:
            if len(line) > 78 and max(map(len, line.split())) <= 77:
                yield f"a header could be folded and has {len(line)} octets: {line[:40]!r}"


def m02(mail: Mail) -> Iterator[str]:
    """Each of these headers is there once, and the date is one."""
    counts = Counter(name for name, _ in mail.headers())
    for name in ("date", "from", "to", "subject", "message-id", "reply-to", "mime-version", "content-type"):
        if counts[name] != 1:
            yield f"{name} is there {counts[name]} times"
    date = mail.value("date")
    if not DATE.fullmatch(date):
        yield f"this is no date with a numeric zone: {date}"
    elif email.utils.parsedate_to_datetime(date).strftime("%a, ") != date[:5]:
        yield f"that day is another day of the week: {date}"


def m05(mail: Mail) -> Iterator[str]:
    """Nothing obsolete, no comments, and no header that is not ours to write."""
    for name in ("bcc", "return-path"):
        if mail.values(name):
            yield f"there is a header {name}"
    for lines in mail.fields:
        if not re.match(rb"[!-9;-~]+:[ \t]?", lines[0]):
            yield f"this is no header: {lines[0][:40]!r}"
        if any(not line.strip() for line in lines[1:]):
            yield f"a folded header has an empty line: {lines[0][:40]!r}"
    for name, value in mail.headers():
        if re.search(r"[\x00-\x1f\x7f]", value):
            yield f"{name} has a control character: {value!r}"
        if name in WITH_ADDRESSES and not MAILBOX.fullmatch(ascii_local(value)):
            yield f"{name} is not one plain mailbox: {value}"
        if name in WITH_MESSAGE_IDS and not all(MESSAGE_ID.fullmatch(word) for word in value.split()):
            yield f"{name} has what is no Message-ID: {value}"


def m06(mail: Mail) -> Iterator[str]:
    """Headers are ASCII; anything else is in encoded words, where such may be."""
    for lines in mail.fields:
        name = lines[0].partition(b":")[0].decode("ascii", "replace").lower()
        for line in lines:
            if not line.isascii() and not non_ascii_local(name, line):
                yield f"{name} is not ASCII: {line!r}"
            if b"=?" in line and len(line) > 76:
                yield f"{name} has a line with an encoded word and {len(line)} octets"
    for name, value in mail.headers():
        words = list(ENCODED_WORD.finditer(value))
        if "=?" in ENCODED_WORD.sub("", value):
            yield f"{name} has what looks like an encoded word and is none: {value}"
        for word in words:
            yield from (f"{name}: {problem}: {word[0]}" for problem in problems_of(word, name))
        if any("=?" in inside for inside in re.findall(rf"{QUOTED}|<[^>]*>", value)):
            yield f"{name} has an encoded word in quotes or in an address: {value}"


def non_ascii_local(name: str, line: bytes) -> bool:
    """Whether all that is not ASCII is the part before the @ of who the mail is for."""
    return name == "to" and re.sub(rb"[^\s<@]+@", b"@", line).isascii()


def problems_of(word: re.Match[str], header: str) -> Iterator[str]:
    if len(word[0]) > 75:
        yield f"it has {len(word[0])} octets"
    in_a_name = header in WITH_ADDRESSES and word["encoding"] in "Qq"
    if in_a_name and not re.fullmatch(r"[A-Za-z0-9!*+/=_-]*", word["text"]):
        yield "a name may not have that sign as itself"
    try:
        if word["encoding"] in "Bb":
            decoded = base64.b64decode(word["text"], validate=True)
        else:
            decoded = strict_quoted_printable(word["text"].replace("_", " ").encode())
        decoded.decode(word["charset"])
    except (binascii.Error, ValueError, LookupError) as error:
        yield f"it means nothing by itself ({error})"


def strict_quoted_printable(encoded: bytes) -> bytes:
    wrong = re.search(rb"=(?![0-9A-F]{2}|\r\n)", encoded)
    if wrong:
        raise ValueError(f"= stands alone before {encoded[wrong.end() :][:10]!r}")
    return binascii.a2b_qp(encoded)


def m08(mail: Mail) -> Iterator[str]:
    """Text first, then HTML, then perhaps a file for calendars."""
    message = mail.message
    if mail.value("mime-version") != "1.0":
        yield "MIME-Version is not 1.0"
    for part in message.walk():
        defects = [*part.defects, *(defect for header in part.values() for defect in header.defects)]
        yield from (f"Python's parser finds: {defect!r}" for defect in defects)
        if part.is_multipart():
            yield from problems_of_boundary(mail, part)
    both = message
    if message.get_content_type() == "multipart/mixed":
        both, *files = message.get_payload()
        if [file.get_content_type() for file in files] != ["text/calendar"]:
            yield "besides text and HTML there is something else than one file for calendars"
    if both.get_content_type() != "multipart/alternative":
        yield f"the mail is {both.get_content_type()}"
        return
    if [part.get_content_type() for part in both.get_payload()] != ["text/plain", "text/html"]:
        yield "the parts are not text/plain, then text/html"
    for part in mail.leaves:
        if (part.get_content_charset() or "") != "utf-8":
            yield f"{part.get_content_type()} is not in UTF-8"


def problems_of_boundary(mail: Mail, part: email.message.Message) -> Iterator[str]:
    boundary = part.get_boundary() or ""
    if not 1 <= len(boundary) <= 70:
        yield f"a boundary has {len(boundary)} characters"
    delimiter = b"--" + boundary.encode()
    lines = [line.rstrip() for line in mail.body.split(b"\r\n")]
    if lines.count(delimiter) != len(part.get_payload()) or lines.count(delimiter + b"--") != 1:
        yield "a boundary does not stand once before each part and once after them"
    if any(boundary.encode() in (leaf.get_payload(decode=True) or b"") for leaf in mail.leaves):
        yield "a boundary stands in a part"


def m09(mail: Mail) -> Iterator[str]:
    """Bodies are encoded, so that no server changes them on the way."""
    for part in mail.leaves:
        kind, body = part.get_content_type(), octets(part)
        encoding = str(part["content-transfer-encoding"]).lower()
        lines = body.split(b"\r\n")
        if not body.isascii():
            yield f"{kind} has octets above 127"
        if encoding not in ("quoted-printable", "base64"):
            yield f"{kind} is sent as {encoding}"
            continue
        if max(map(len, lines)) > 76:
            yield f"{kind} has an encoded line of {max(map(len, lines))} octets"
        if any(line.endswith((b" ", b"\t")) for line in lines):
            yield f"{kind} has a blank at the end of an encoded line"
        if any(line.startswith((b".", b"From ")) for line in lines):
            yield f'{kind} has an encoded line that begins with a dot or "From "'
        try:
            if encoding == "quoted-printable":
                strict_quoted_printable(body).decode("utf-8")
            else:
                base64.b64decode(b"".join(lines), validate=True).decode("utf-8")
        except ValueError as error:
            yield f"{kind} cannot be decoded: {error}"


def m11(mail: Mail) -> Iterator[str]:
    """Nobody cuts it off."""
    if len(mail.head) >= HEADER_LIMIT:
        yield f"the headers have {len(mail.head)} octets"
    html = mail.part("text/html")
    if html is not None:
        size = max(len(octets(html)), len(html.get_payload(decode=True)))
        if size >= HTML_LIMIT:
            yield f"the HTML part has {size} octets"


def files(mail: Mail) -> Iterator[str]:
    """What the other tools see in the files NAME.html and NAME.txt is what is in the mail."""
    for suffix, content_type in ((".html", "text/html"), (".txt", "text/plain")):
        path, part = mail.folder / (mail.name + suffix), mail.part(content_type)
        sent = part.get_payload(decode=True).decode("utf-8", "replace") if part is not None else ""
        if not path.exists() or path.read_text(encoding="utf-8").splitlines() != sent.splitlines():
            yield f"{path.name} is not what is in the mail"


def has_one_click(mail: Mail) -> bool:
    return bool(mail.values("list-unsubscribe") or mail.values("list-unsubscribe-post"))


def needs_one_click(mail: Mail) -> bool:
    return not mail.is_of(SERVICE_KINDS) and (has_one_click(mail) or not mail.is_of(LAST_WORDS))


def h01(mail: Mail) -> Iterator[str]:
    """One header to unsubscribe, with one https address first and one mail address second."""
    values = mail.values("list-unsubscribe")
    if len(values) > 1 or needs_one_click(mail) and not values:
        yield f"List-Unsubscribe is there {len(values)} times"
    if values and not re.fullmatch(rf"<https://[^\s<>,]+>, ?<mailto:{ADDRESS}(?:\?[^\s<>,]*)?>", values[0]):
        yield f"List-Unsubscribe is not an https address and a mail address: {values[0]}"


def h02(mail: Mail) -> Iterator[str]:
    """The header that says that one click is enough."""
    values = mail.values("list-unsubscribe-post")
    if needs_one_click(mail) and values != ["List-Unsubscribe=One-Click"]:
        yield f"List-Unsubscribe-Post is {values or 'not there'}"


def h08(mail: Mail) -> Iterator[str]:
    """What somebody asked for a moment ago is no list that they could leave."""
    if mail.is_of(SERVICE_KINDS) and has_one_click(mail):
        yield "this kind of mail is no list and has headers to leave it"


def h10(mail: Mail) -> Iterator[str]:
    """The list has a name below our domain."""
    values = mail.values("list-id")
    domain = re.escape(mail.address("from").rpartition("@")[2])
    if len(values) != 1 or len(values[0]) > 255:
        yield f"List-ID is there {len(values)} times, or is too long"
    elif not re.fullmatch(rf"{WORD}(?: {WORD})* <[a-z0-9-]+(?:\.[a-z0-9-]+)*\.{domain}>", values[0]):
        yield f"List-ID is not a name and a label below the domain of From: {values[0]}"


def h12(mail: Mail) -> Iterator[str]:
    """Other machines need not answer."""
    if mail.values("auto-submitted") != ["auto-generated"]:
        yield f"Auto-Submitted is {mail.values('auto-submitted') or 'not there'}"


def h13(mail: Mail) -> Iterator[str]:
    """Gmail counts complaints by this header."""
    values = mail.values("feedback-id")
    if len(values) != 1 and (values or needs_one_click(mail)):
        yield f"Feedback-ID is there {len(values)} times"
    if values and not re.fullmatch(r"(?:[^:\s]*:){3}[^:\s]{5,15}", values[0]):
        yield f"Feedback-ID is not a:b:c:sender, with 5 to 15 characters of sender: {values[0]}"


def h15(mail: Mail) -> Iterator[str]:
    """No header but To names the person, and none tells what they may be."""
    address = mail.address("to").lower()
    spellings = {
        address,
        address.replace("@", "="),
        base64.b64encode(address.encode()).decode().rstrip("=").lower(),
        address.encode().hex(),
    }
    for name, value in mail.headers():
        plain = urllib.parse.unquote(value).lower()
        if address and name != "to" and any(spelling in plain for spelling in spellings):
            yield f"{name} names the person: {value}"
        decoded = str(email.header.make_header(email.header.decode_header(value)))
        if TELLING.search(decoded):
            yield f"{name} tells what the person may be: {decoded}"


def same_for_all(
    everything: list[Mail], what: str, of: Callable[[Mail], tuple[str, str] | None]
) -> Iterator[tuple[str, str]]:
    """The mails whose value is another than that of most mails with the same key."""
    seen: dict[str, Counter[str]] = {}
    pairs = [(mail.name, pair) for mail in everything if (pair := of(mail))]
    for _, (key, value) in pairs:
        seen.setdefault(key, Counter())[value] += 1
    for name, (key, value) in pairs:
        usual = seen[key].most_common(1)[0][0]
        if value != usual:
            yield name, f"{what} is {value} here and {usual} in other mails"


def list_of(mail: Mail) -> tuple[str, str] | None:
    name, _, label = mail.value("list-id").rpartition(" ")
    return (label, name) if label else None


def sender_of(mail: Mail) -> tuple[str, str] | None:
    sender = mail.value("feedback-id").rpartition(":")[2]
    return ("", sender) if sender else None


def unique_fields(everything: list[Mail]) -> Iterator[tuple[str, str]]:
    """Feedback-ID counts what many mails have in common, so nothing in it may be unique to a mail."""
    ids = [mail.value("feedback-id").split(":") for mail in everything if mail.values("feedback-id")]
    if len(ids) < 10:
        return
    for place, values in enumerate(zip(*ids)):
        if len(set(values)) == len(values):
            yield everything[0].name, f"field {place + 1} of Feedback-ID is another one in each mail"


EACH = [m01, m02, m05, m06, m08, m09, m11, files, h01, h02, h08, h10, h12, h13, h15]


def main(folder: str) -> None:
    everything = [Mail(name, raw, folder) for name, raw in mails.mails(folder)]
    found: dict[str, list[str]] = {mail.name: [] for mail in everything}
    for mail in everything:
        for check in EACH:
            found[mail.name] += (f"{check.__name__.upper()}: {finding}" for finding in check(mail))
    for number, findings in (
        ("H10", same_for_all(everything, "the name of the list", list_of)),
        ("H13", same_for_all(everything, "the sender of Feedback-ID", sender_of)),
        ("H13", unique_fields(everything)),
    ):
        for name, finding in findings:
            found[name].append(f"{number}: {finding}")
    for name, findings in found.items():
        mails.tell(name, findings)


if __name__ == "__main__":
    main(sys.argv[1])
