//! A mail as the server received it.

use std::time::SystemTime;

use mail_parser::{HeaderName, Message, MessageParser};

/// A mail the server took, with its envelope.
#[derive(Clone, Debug)]
pub struct ReceivedMail {
    /// Place in the order of arrival, from 1, over all connections.
    pub number: usize,
    /// The envelope's sender; empty for the null reverse-path.
    pub mail_from: String,
    /// The parameters of the MAIL command, as they came (`BODY=8BITMIME`, `SIZE=1234`).
    pub mail_parameters: Vec<String>,
    /// The envelope's recipients that were accepted, in the order of their RCPT commands.
    pub rcpt_to: Vec<String>,
    /// The content, dots unstuffed (RFC 5321, section 4.5.2), without the final dot.
    pub data: Vec<u8>,
    /// When the final dot had come in.
    pub received: SystemTime,
    /// Which connection it came over, from 1.
    pub connection: usize,
    /// What the client called itself in EHLO or HELO.
    pub helo: String,
    /// Whether it came over TLS.
    pub tls: bool,
    /// The user the client had authenticated as.
    pub user: Option<String>,
    /// Whether the client was told 250; false for a mail kept by a rule's [`storing`](super::Rule::storing).
    pub confirmed: bool,
}

impl ReceivedMail {
    /// The parsed content; `None` if there is no header at all.
    #[must_use]
    pub fn parsed(&self) -> Option<Message<'_>> {
        MessageParser::default().parse(&self.data)
    }

    /// The first header field of this name as it was sent, trimmed, folds and encoded words left as they are.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let message = self.parsed()?;
        Some(message.header_raw(HeaderName::parse(name)?)?.trim().to_owned())
    }

    /// All header fields in order, names and values as they were sent, values trimmed.
    #[must_use]
    pub fn headers(&self) -> Vec<(String, String)> {
        let fields = |message: Message<'_>| {
            message.headers_raw().map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()
        };
        self.parsed().map(fields).unwrap_or_default()
    }

    /// The subject, encoded words decoded.
    #[must_use]
    pub fn subject(&self) -> Option<String> {
        self.parsed()?.subject().map(str::to_owned)
    }

    /// The first plain-text part that stands in the mail, decoded; one made from HTML does not count.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        let message = self.parsed()?;
        let part = message.text_bodies().find(|part| part.is_text() && !part.is_text_html())?;
        part.text_contents().map(str::to_owned)
    }

    /// The first HTML part that stands in the mail, decoded; one made from text does not count.
    #[must_use]
    pub fn html(&self) -> Option<String> {
        let message = self.parsed()?;
        let part = message.html_bodies().find(|part| part.is_text_html())?;
        part.text_contents().map(str::to_owned)
    }

    /// The Message-ID without its angle brackets.
    #[must_use]
    pub fn message_id(&self) -> Option<String> {
        message_id(&self.data)
    }
}

/// The Message-ID in the header of `data` without its angle brackets, found without parsing the rest.
pub(super) fn message_id(data: &[u8]) -> Option<String> {
    const NAME: &[u8] = b"message-id:";
    let end = memchr::memmem::find(data, b"\r\n\r\n").unwrap_or(data.len());
    let header = &data[..end];
    let mut start = 0;
    while start < header.len() {
        let line = &header[start..];
        if line.len() >= NAME.len() && line[..NAME.len()].eq_ignore_ascii_case(NAME) {
            let value = &line[NAME.len()..];
            let open = memchr::memchr(b'<', value)?;
            let close = memchr::memchr(b'>', value)?;
            return Some(String::from_utf8_lossy(value.get(open + 1..close)?).into_owned());
        }
        start += memchr::memchr(b'\n', line)? + 1;
    }
    None
}
