//! Signatures of mails (DKIM, RFC 6376), in the canonical form relaxed/relaxed.
//!
//! A signature is made over a mail as it leaves, when nothing about it changes any more. The client
//! library could sign, too; it would use another RSA, and leave out the headers that RFC 8058 wants
//! signed.

use chrono::{DateTime, Utc};
use data_encoding::BASE64;
use ring::digest::{SHA256, digest};

use crate::domain::dkim::{KeyError, SigningKey};

/// The headers that are signed, if a mail has them.
const SIGNED: [&str; 17] = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "Reply-To",
    "In-Reply-To",
    "References",
    "MIME-Version",
    "Content-Type",
    "Auto-Submitted",
    "X-Auto-Response-Suppress",
    "List-Id",
    "List-Help",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "Feedback-ID",
];
/// Those of which nobody may add one on the way: they are named once more than they stand there
/// (RFC 6376, 8.15).
const SEALED: [&str; 13] = [
    "From",
    "Sender",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Message-ID",
    "Reply-To",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
];
/// The longest line of the header of a signature.
const LONGEST_LINE: usize = 76;

/// Signs mails in the name of a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// The domain.
    pub domain: String,
    /// Below which name the public key is published.
    pub selector: String,
    /// The private key.
    pub key: SigningKey,
}

impl Signer {
    /// The header `DKIM-Signature` of a mail, to be put in front of it.
    ///
    /// # Errors
    ///
    /// When the key is damaged.
    pub(super) fn header(&self, mail: &[u8], at: DateTime<Utc>) -> Result<String, KeyError> {
        let (head, body) = parts(mail);
        let fields: Vec<&[u8]> = fields(head).collect();
        let names = names(&fields);
        let mut said = Vec::new();
        for (index, name) in names.iter().enumerate() {
            // A name that comes again means the next field of that name, from the last up.
            let nth = names[..index].iter().filter(|other| *other == name).count();
            if let Some(field) = fields.iter().rev().filter(|field| is_named(field, name)).nth(nth) {
                said.extend(relaxed_field(field));
            }
        }
        let mut header = Folded::new("DKIM-Signature:");
        for tag in [
            "v=1;".to_owned(),
            format!("a={};", self.key.algorithm().name()),
            "c=relaxed/relaxed;".to_owned(),
            format!("d={};", self.domain),
            format!("s={};", self.selector),
            format!("t={};", at.timestamp()),
            format!("bh={};", BASE64.encode(digest(&SHA256, &relaxed_body(body)).as_ref())),
        ] {
            header.add(" ", &tag);
        }
        for (index, name) in names.iter().enumerate() {
            let end = if index + 1 == names.len() { ";" } else { ":" };
            let (before, h) = if index == 0 { (" ", "h=") } else { ("", "") };
            header.add(before, &format!("{h}{}{end}", name.to_ascii_lowercase()));
        }
        header.new_line("b=");
        let unsigned = relaxed_field(header.text.as_bytes());
        // The field itself is signed without its value and without the end of its line (3.7).
        said.extend(unsigned.strip_suffix(b"\r\n").unwrap_or(&unsigned));
        header.add_broken(&BASE64.encode(&self.key.sign(&said)?));
        Ok(header.text + "\r\n")
    }
}

/// The head of a mail and its body, without the empty line between them.
fn parts(mail: &[u8]) -> (&[u8], &[u8]) {
    let end = mail.windows(4).position(|octets| octets == b"\r\n\r\n");
    end.map_or((mail, &[]), |end| (&mail[..end + 2], &mail[end + 4..]))
}

/// The fields of a head, each with the lines that it goes on in.
fn fields(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = head;
    std::iter::from_fn(move || {
        let begins = |at: usize| rest.get(at + 2).is_none_or(|octet| !is_space(*octet));
        let ends = (0..rest.len()).find(|&at| rest[at..].starts_with(b"\r\n") && begins(at))?;
        let (field, after) = rest.split_at(ends + 2);
        rest = after;
        Some(field)
    })
}

/// What `h=` lists: the signed names that are there, and the sealed ones once more.
fn names(fields: &[&[u8]]) -> Vec<&'static str> {
    let times = |name: &str| fields.iter().filter(|field| is_named(field, name)).count();
    let there = SIGNED.iter().flat_map(|name| std::iter::repeat_n(*name, times(name)));
    there.chain(SEALED).collect()
}

fn is_named(field: &[u8], name: &str) -> bool {
    let end = field.iter().position(|&octet| octet == b':').unwrap_or_default();
    without_end(&field[..end]).eq_ignore_ascii_case(name.as_bytes())
}

const fn is_space(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t')
}

/// A field on one line, its name in lower case, with no more than one space anywhere (3.4.2).
fn relaxed_field(field: &[u8]) -> Vec<u8> {
    let end = field.iter().position(|&octet| octet == b':').unwrap_or(field.len());
    let (name, value) = field.split_at(end);
    let unfolded: Vec<u8> =
        value.iter().skip(1).copied().filter(|octet| !matches!(octet, b'\r' | b'\n')).collect();
    let value = unfolded.iter().position(|octet| !is_space(*octet)).map_or(&[][..], |from| &unfolded[from..]);
    let mut relaxed = without_end(name).to_ascii_lowercase();
    relaxed.push(b':');
    single_spaced(without_end(value), &mut relaxed);
    relaxed.extend(b"\r\n");
    relaxed
}

/// A body without spaces at the ends of lines and empty lines at its end, and with no more than one
/// space in a row (3.4.4).
fn relaxed_body(body: &[u8]) -> Vec<u8> {
    let mut relaxed = Vec::with_capacity(body.len());
    let mut empty = 0;
    for line in body.split(|&octet| octet == b'\n') {
        let line = without_end(line.strip_suffix(b"\r").unwrap_or(line));
        if line.is_empty() {
            empty += 1;
            continue;
        }
        for _ in 0..std::mem::take(&mut empty) {
            relaxed.extend(b"\r\n");
        }
        single_spaced(line, &mut relaxed);
        relaxed.extend(b"\r\n");
    }
    relaxed
}

/// Without the spaces at its end.
fn without_end(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|octet| !is_space(*octet)).map_or(0, |last| last + 1);
    &text[..end]
}

/// Each run of spaces as one.
fn single_spaced(mut text: &[u8], into: &mut Vec<u8>) {
    while let Some(space) = text.iter().position(|octet| is_space(*octet)) {
        let (word, rest) = text.split_at(space);
        into.extend_from_slice(word);
        into.push(b' ');
        let next = rest.iter().position(|octet| !is_space(*octet)).unwrap_or(rest.len());
        text = &rest[next..];
    }
    into.extend_from_slice(text);
}

/// A header that is broken into lines where a piece would not fit.
struct Folded {
    text: String,
    /// Where the last line begins.
    line: usize,
}

impl Folded {
    fn new(text: &str) -> Self {
        Self { text: text.to_owned(), line: 0 }
    }

    fn add(&mut self, before: &str, piece: &str) {
        if self.text.len() - self.line + before.len() + piece.len() > LONGEST_LINE {
            self.new_line(piece);
        } else {
            self.text.push_str(before);
            self.text.push_str(piece);
        }
    }

    fn new_line(&mut self, piece: &str) {
        self.text.push_str("\r\n");
        self.line = self.text.len();
        self.text.push(' ');
        self.text.push_str(piece);
    }

    /// A piece that may be broken anywhere.
    fn add_broken(&mut self, mut piece: &str) {
        while !piece.is_empty() {
            let room = LONGEST_LINE - (self.text.len() - self.line);
            let (now, later) = piece.split_at(room.min(piece.len()));
            self.text.push_str(now);
            if !later.is_empty() {
                self.new_line("");
            }
            piece = later;
        }
    }
}

#[cfg(test)]
mod tests;
