"""Writes mails that the checks must refuse, and a good one of each. Usage: self-test.py OUT

OUT/TOOL has the mails for one tool, as `run` wants them, and OUT/TOOL/expected: the name of each bad mail
and, as a regular expression, what the tool has to say of it.
"""

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import dkim

DOMAIN = "alerts.midshire.example"
STRANGER = "stranger.example"
# A domain that sends no mail.
NOBODY = "nobody.example"
BOUNDARY = "=_with-care"
IP = "192.0.2.25"

TEXT = """\
A new role matches your search

Archive assistant in Birmingham: £24,000 a year.
Read the advert: https://careers.midshire.example/230000P0

To stop receiving these alerts: https://careers.midshire.example/stop/k3v9
"""
HTML = """\
<!DOCTYPE html>
<html lang="en-GB" dir="ltr">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>New: Archive assistant, Birmingham</title>
<style>
@media (prefers-color-scheme: dark) {
.page { background: #14191f !important; color: #e8ebee !important; }
.link { color: #8fc7ff !important; }
}
</style>
</head>
<body class="page" style="margin:0;padding:16px;background:#fdfdfd;color:#14191f">
<h1>A new role matches your search</h1>
<p>Archive assistant in Birmingham: £24,000 a year.</p>
<p><a class="link" href="https://careers.midshire.example/230000P0" style="color:#0b4f8a">Read it</a></p>
<p><a class="link" href="https://careers.midshire.example/stop/k3v9" style="color:#0b4f8a">Stop</a></p>
</body>
</html>
"""
HEADERS = {
    "From": f'"Midshire Police Recruitment" <jobs@{DOMAIN}>',
    "Reply-To": "recruitment@midshire.example",
    "To": "zoe@example.org",
    "Subject": "New: Archive assistant, Birmingham",
    "Date": "Mon, 19 Feb 2024 10:02:00 +0000",
    "Message-ID": f"<ap3mkt3r6ebrnj7bih2euht5xfep7cyo@{DOMAIN}>",
    "Auto-Submitted": "auto-generated",
    "List-Id": f"Vacancy alerts <vacancies.{DOMAIN}>",
    "List-Help": "<https://careers.midshire.example/help>",
    "List-Unsubscribe": f"<https://careers.midshire.example/stop/k3v9>,\r\n <mailto:stop+k3v9@{DOMAIN}>",
    "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    "Feedback-ID": "vacancy-alert:at-once:alerts:midshire",
    "MIME-Version": "1.0",
    "Content-Type": f'multipart/alternative;\r\n boundary="{BOUNDARY}"',
}
OVERSIGNED = ["From", "To", "Subject", "Date", "List-Unsubscribe", "List-Unsubscribe-Post"]
COVERED = [*HEADERS, *OVERSIGNED]


def part(content_type: str, body: str) -> bytes:
    encoded = base64.encodebytes(body.encode()).replace(b"\n", b"\r\n")
    head = f"Content-Type: {content_type}; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    return f"--{BOUNDARY}\r\n{head}".encode() + encoded


def mail(text: str = TEXT, html: str = HTML, **headers: str | None) -> bytes:
    """A mail that is good, but for what is given; a header that is None is left out."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in (HEADERS | given).items() if value is not None)
    body = part("text/plain", text) + part("text/html", html) + f"--{BOUNDARY}--\r\n".encode()
    return head.encode() + b"\r\n" + body


class Keys:
    """Keys of this run, and the DNS that has their public halves."""

    def __init__(self, folder: Path):
        self.private: dict[str, bytes] = {}
        self.records: dict[str, dict[str, list[list[str]]]] = {}
        for selector, *options in (
            ("rsa", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
            ("short", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"),
            ("ed", "ED25519"),
        ):
            file = folder / f"{selector}.pem"
            openssl("genpkey", "-out", str(file), "-algorithm", *options)
            public = openssl("pkey", "-in", str(file), "-pubout", "-outform", "DER")
            if selector == "ed":
                # Both are the last 32 octets of what openssl writes.
                seed = openssl("pkey", "-in", str(file), "-outform", "DER")[-32:]
                self.private[selector], kind, public = base64.b64encode(seed), "ed25519", public[-32:]
            else:
                self.private[selector], kind = file.read_bytes(), "rsa"
            record = f"v=DKIM1; k={kind}; p={base64.b64encode(public).decode()}"
            for domain in (DOMAIN, STRANGER):
                # A string in the DNS has at most 255 octets.
                strings = [record[start : start + 255] for start in range(0, len(record), 255)]
                self.records[f"{selector}._domainkey.{domain}"] = {"TXT": [strings]}
        for domain in (DOMAIN, STRANGER):
            self.records[domain] = {"TXT": [[f"v=spf1 ip4:{IP} -all"]]}
            self.records[f"_dmarc.{domain}"] = {"TXT": [["v=DMARC1; p=reject"]]}
        self.records[NOBODY] = {"TXT": [["v=spf1 -all"]]}
        self.records[f"_dmarc.{NOBODY}"] = {"TXT": [["v=DMARC1; p=reject"]]}

    def sign(
        self,
        raw: bytes,
        selector: str = "rsa",
        domain: str = DOMAIN,
        covered: list[str] = COVERED,
        canonical: bytes = b"relaxed",
        length: bool = False,
    ) -> bytes:
        """The mail with one more signature."""
        algorithm = b"ed25519-sha256" if selector == "ed" else b"rsa-sha256"
        signature = dkim.DKIM(raw).sign(
            selector.encode(),
            domain.encode(),
            self.private[selector],
            signature_algorithm=algorithm,
            canonicalize=(canonical, canonical),
            include_headers=[name.encode() for name in covered],
            length=length,
        )
        return signature + raw


def openssl(*arguments: str) -> bytes:
    return subprocess.run(["openssl", *arguments], check=True, capture_output=True).stdout


class Case:
    """The mails for one tool."""

    def __init__(self, out: Path, tool: str, keys: Keys):
        self.folder = out / tool
        self.folder.mkdir()
        (self.folder / "dns.json").write_text(json.dumps(keys.records))
        (self.folder / "expected").touch()

    def good(self, name: str, raw: bytes, html: str = HTML, text: str = TEXT) -> None:
        (self.folder / f"{name}.eml").write_bytes(raw)
        (self.folder / f"{name}.html").write_text(html, encoding="utf-8")
        (self.folder / f"{name}.txt").write_text(text, encoding="utf-8")

    def bad(self, name: str, expected: str, raw: bytes, html: str = HTML, text: str = TEXT) -> None:
        self.good(name, raw, html, text)
        with (self.folder / "expected").open("a") as file:
            file.write(f"{name}\t{expected}\n")


def without(name: str) -> list[str]:
    return [other for other in COVERED if other != name]


def verifiers(tool: Callable[[str], Case], keys: Keys) -> None:
    """Mails that are forged, or signed badly."""
    both = keys.sign(keys.sign(mail()), "ed")
    other = mail(Subject="Another role")
    spoilt = keys.sign(other, "ed").removesuffix(other) + keys.sign(mail())
    for name, fails in (("opendkim", "fail|policy"), ("dkimpy", "signature")):
        verifier = tool(name)
        verifier.good("both", both)
        verifier.good("rsa", keys.sign(mail()))
        verifier.bad("subject", fails, keys.sign(mail()).replace(b"Birmingham", b"Coventry", 1))
        verifier.bad("date", fails, keys.sign(mail()).replace(b"10:02:00", b"10:03:00", 1))
        verifier.bad("body", fails, keys.sign(mail()).replace(f"--{BOUNDARY}--".encode(), b"Pay us first."))
        verifier.bad("short-key", "too small", keys.sign(mail(), "short"))
        verifier.bad("ed25519-spoilt", "ed25519", spoilt)
        verifier.bad("ed25519-alone", "rsa-sha256", keys.sign(mail(), "ed"))
        verifier.bad("unsigned", "0 signatures", mail())
        verifier.bad("no-key", ".", keys.sign(mail(), domain=NOBODY))

    dkimpy = verifier
    unsigned = without("List-Unsubscribe-Post")
    dkimpy.bad("one-click-open", "H04: list-unsubscribe-post", keys.sign(mail(), covered=unsigned))
    dkimpy.bad("feedback-open", "A03: feedback-id", keys.sign(mail(), covered=without("Feedback-ID")))
    dkimpy.bad("from-once", "A02: another from", keys.sign(mail(), covered=[*without("From"), "From"]))
    dkimpy.bad("simple", "A02: c=", keys.sign(mail(), canonical=b"simple"))
    dkimpy.bad("length", "A02: l=", keys.sign(mail(), length=True))
    dkimpy.bad("stranger", "A02: stranger", keys.sign(mail(), domain=STRANGER))

    mailauth = tool("mailauth")
    mailauth.good("both", both)
    mailauth.bad("from-stranger", "DKIM by .*, aligned", keys.sign(mail(From=f"jobs@{STRANGER}")))
    mailauth.bad("from-nobody", "DMARC: fail", keys.sign(mail(From=f"jobs@{NOBODY}")))
    mailauth.bad("stranger", "DKIM by stranger.example, aligned", keys.sign(mail(), domain=STRANGER))
    mailauth.bad("other-server", "SPF: fail", keys.sign(mail(From=f"jobs@{NOBODY}")))
    mailauth.bad("subject", "DKIM by .*: fail", keys.sign(mail()).replace(b"Birmingham", b"Coventry", 1))
    mailauth.bad("short-key", "DKIM by .*: policy", keys.sign(mail(), "short"))


SHOUTING = "YOU HAVE WON $1,000,000 DOLLARS!!!\n\nCLICK HERE NOW for cheap VIAGRA 100% FREE!!!\n"


def spam(tool: Callable[[str], Case]) -> None:
    spamassassin = tool("spamassassin")
    spamassassin.good("good", mail())
    spamassassin.bad("curt", "END_FUTURE_EMAILS", mail(text="Stop these emails: https://a.example/stop\n"))
    spamassassin.bad("shouting", "^[0-9]", mail(text=SHOUTING, html=SHOUTING, Message_ID=None))


REMOTE_PICTURE = '<p><img src="https://elsewhere.example/dot" alt="" width="1" height="1"></p>'
REMOTE_FONT = "@import 'https://elsewhere.example/font';"


def pages(tool: Callable[[str], Case]) -> None:
    """HTML that is broken, that nobody can read, or that wants something from elsewhere."""
    validator = tool("html-validate")
    validator.good("good", mail())
    for name, expected, was, now in (
        ("unclosed", "close-order", "</a></p>", "</p>"),
        ("picture", "wcag/h37", "</body>", '<p><img src="crest.png"></p></body>'),
        ("tag", "element-name", "<h1>", "<headline>"),
        ("language", "element-required-attributes", ' lang="en-GB"', ""),
        ("heading", "heading-level", "h1>", "h4>"),
    ):
        validator.bad(name, expected, mail(), HTML.replace(was, now))

    chromium = tool("chromium")
    chromium.good("good", mail())
    for name, expected, was, now in (
        ("faint", "320 px, light: color-contrast", "color:#14191f", "color:#b0b4b8"),
        ("faint-by-night", "800 px, dark: color-contrast", "{ color: #8fc7ff", "{ color: #25506f"),
        ("language", "html-has-lang", ' lang="en-GB"', ""),
        ("picture", "it wants https://elsewhere.example/", "</body>", f"{REMOTE_PICTURE}</body>"),
        ("font", "it wants https://elsewhere.example/", "<style>", f"<style>{REMOTE_FONT}"),
        ("wide", "320 px, .*has to be scrolled", "<h1>", '<h1 style="width:400px">'),
        ("long", "it has [0-9]+ octets", "</body>", f"<p>{'Very long. ' * 6000}</p></body>"),
        ("script", "there is an element script", "</body>", "<script>1</script></body>"),
    ):
        chromium.bad(name, expected, mail(), HTML.replace(was, now))


def lines(tool: Callable[[str], Case]) -> None:
    """Mails whose octets are wrong."""
    lint = tool("lint")
    good = mail()
    lint.good("good", good)
    lint.good("confirm-address", mail(List_Unsubscribe=None, List_Unsubscribe_Post=None, Feedback_ID=None))
    lint.good("name", mail(From=f"=?utf-8?B?UG9sw61jaWE=?= <jobs@{DOMAIN}>"))
    lint.good("subject", mail(Subject="=?utf-8?Q?Archive,_=C2=A35?="))

    def bad(name: str, number: str, raw: bytes, **files: str) -> None:
        lint.bad(name, f"{number}: ", raw, **files)

    bad("lf", "M01", good.replace(b"\r\n", b"\n", 1))
    bad("cr", "M01", good.replace(b"Birmingham", b"Birming\rham", 1))
    bad("long-line", "M01", good.replace(b"\r\n\r\n", b"\r\n\r\n" + b"x" * 999 + b"\r\n", 1))
    bad("unfolded", "M01", mail(Subject="a role " * 12))
    bad("two-from", "M02", b"From: a@b.example\r\n" + good)
    bad("no-message-id", "M02", mail(Message_ID=None))
    bad("zone", "M02", mail(Date="Mon, 19 Feb 2024 10:02:00 GMT"))
    bad("weekday", "M02", mail(Date="Tue, 19 Feb 2024 10:02:00 +0000"))
    bad("bcc", "M05", mail(Bcc="all@example.org"))
    bad("return-path", "M05", mail(Return_Path="<a@b.example>"))
    bad("comment", "M05", mail(To="zoe@example.org (Zoe)"))
    bad("two-people", "M05", mail(To="zoe@example.org, ann@example.org"))
    bad("blank-before-colon", "M05", good.replace(b"Subject:", b"Subject :", 1))
    bad("message-id", "M05", mail(Message_ID="<no at>"))
    bad("raw", "M06", mail(Subject="Archive, £5"))
    bad("long-word", "M06", mail(Subject=f"=?utf-8?Q?{'x' * 70}?="))
    bad("split-letter", "M06", mail(Subject="=?utf-8?Q?=C2?= =?utf-8?Q?=A35?="))
    bad("quoted-word", "M06", mail(From=f'"=?utf-8?Q?Zo=C3=AB?=" <jobs@{DOMAIN}>'))
    bad("order", "M08", good.replace(b"text/plain", b"text/x", 1).replace(b"text/html", b"text/plain", 1))
    bad("charset", "M08", good.replace(b"charset=utf-8", b"charset=latin-1", 1))
    bad("boundary", "M08", mail(text=TEXT + BOUNDARY), text=TEXT + BOUNDARY)
    bad("no-end", "M08", good.replace(f"--{BOUNDARY}--\r\n".encode(), b""))
    bad("eight-bit", "M09", good.replace(b"base64\r\n\r\n", "8bit\r\n\r\n£".encode(), 1))
    bad("wide-body", "M09", good.replace(b"base64\r\n\r\n", b"base64\r\n\r\n" + b"QUJD" * 20 + b"\r\n", 1))
    bad("blank-at-end", "M09", good.replace(b"=\r\n--", b"= \r\n--", 1))
    bad("large", "M11", mail(html=HTML + "<!-- " + "large " * 16000 + "-->"))
    bad("other-file", "FILES", good, text="Something else.\n")
    bad("no-unsubscribe", "H01", mail(List_Unsubscribe=None))
    bad("mailto-alone", "H01", mail(List_Unsubscribe=f"<mailto:stop@{DOMAIN}>"))
    bad("not-https", "H01", mail(List_Unsubscribe=f"<http://a.example/k3v9>, <mailto:stop@{DOMAIN}>"))
    bad(
        "blank-in-address", "H01", mail(List_Unsubscribe=f"<https://a.example/ k>, <mailto:stop@{DOMAIN}>")
    )
    bad("no-post", "H02", mail(List_Unsubscribe_Post=None))
    bad("confirm-with-one-click", "H08", good)
    bad("list-elsewhere", "H10", mail(List_Id="Vacancies <vacancies.stranger.example>"))
    bad("list-renamed", "H10", mail(List_Id=f"Vacancies for Zoe <vacancies.{DOMAIN}>"))
    bad("may-be-answered", "H12", mail(Auto_Submitted=None))
    bad("no-feedback-id", "H13", mail(Feedback_ID=None))
    bad("sender-too-short", "H13", mail(Feedback_ID="a:b:c:mid"))
    bad("another-sender", "H13", mail(Feedback_ID="a:b:c:someone-else"))
    bad(
        "names-the-person",
        "H15",
        mail(List_Help="<https://careers.midshire.example/help?for=zoe%40example.org>"),
    )
    bad("tells-of-the-person", "H15", mail(Feedback_ID="positive-action:b:c:midshire"))


def main(out: str) -> None:
    folder = Path(out)
    keys = Keys(folder)

    def tool(name: str) -> Case:
        return Case(folder, name, keys)

    verifiers(tool, keys)
    spam(tool)
    pages(tool)
    lines(tool)


if __name__ == "__main__":
    main(*sys.argv[1:])
