//! What we say to a mail server, and read of what it offers, beyond the client.

use std::fmt;

use lettre::transport::smtp::commands::{Data, Mail, Rcpt};

/// What a server offers that the client does not keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Offered {
    /// The largest mail that it takes, in octets, if it offers SIZE (RFC 1870);
    /// 0 if it does not say.
    pub(super) largest: Option<usize>,
    /// It reads commands that come together (RFC 2920).
    pub(super) pipelining: bool,
}

impl Offered {
    /// By the lines of its reply to EHLO.
    pub(super) fn of<'a>(lines: impl Iterator<Item = &'a str>) -> Self {
        lines.fold(Self::default(), |offered, line| Self {
            largest: offered.largest.or(largest(line)),
            pipelining: offered.pipelining || line.trim().eq_ignore_ascii_case("PIPELINING"),
        })
    }
}

/// Commands that travel together. DATA must be the last of them (RFC 2920,
/// section 3.1).
pub(super) struct Group(pub(super) Mail, pub(super) Rcpt, pub(super) Data);

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(mail, rcpt, data) = self;
        write!(f, "{mail}{rcpt}{data}")
    }
}

/// The content of a mail with what ends it: one more dot before each dot that
/// begins a line (RFC 5321, section 4.5.2), and the line of one dot. It leaves in
/// one piece; the client would send the last line by itself.
pub(super) struct Content<'a>(pub(super) &'a str);

impl fmt::Display for Content<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(content) = self;
        let mut rest = *content;
        if rest.starts_with('.') {
            f.write_str(".")?;
        }
        while let Some(line_end) = rest.find("\r\n.") {
            let (before, after) = rest.split_at(line_end + 3);
            write!(f, "{before}.")?;
            rest = after;
        }
        let line_end = if content.ends_with("\r\n") { "" } else { "\r\n" };
        write!(f, "{rest}{line_end}.\r\n")
    }
}

/// What a line of the reply to EHLO says of the size of mails (RFC 1870,
/// section 3).
fn largest(line: &str) -> Option<usize> {
    let mut words = line.split_whitespace();
    let offers = words.next()?.eq_ignore_ascii_case("SIZE");
    offers.then(|| words.next().and_then(|octets| octets.parse().ok()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_keeps_its_dots_and_ends_with_one() {
        let cases = [
            ("Hello\r\n", "Hello\r\n.\r\n"),
            ("Hello", "Hello\r\n.\r\n"),
            ("", "\r\n.\r\n"),
            (".", "..\r\n.\r\n"),
            (".\r\n", "..\r\n.\r\n"),
            (".\r\n.\r\n..\r\n", "..\r\n..\r\n...\r\n.\r\n"),
            ("a.\r\n.b\r\nc\r\n", "a.\r\n..b\r\nc\r\n.\r\n"),
            ("a\r\n\r\n.\r\n", "a\r\n\r\n..\r\n.\r\n"),
        ];
        for (content, sent) in cases {
            assert_eq!(Content(content).to_string(), sent, "{content:?}");
        }
    }

    proptest::proptest! {
        /// What a server reads (RFC 5321, section 4.5.2) is what was to be said.
        #[test]
        fn a_server_reads_what_was_written(lines in proptest::collection::vec("[.a]{0,3}", 1..9)) {
            let content = lines.join("\r\n") + "\r\n";
            let sent = Content(&content).to_string();
            let mut read = String::new();
            let mut left = sent.split_inclusive("\r\n");
            for line in left.by_ref() {
                match line.strip_prefix('.') {
                    Some("\r\n") => break,
                    Some(line) => read.push_str(line),
                    None => read.push_str(line),
                }
            }
            proptest::prop_assert_eq!(read, content);
            proptest::prop_assert_eq!(left.next(), None);
        }
    }
}
