//! A mail, ready for a mail server.

use std::fmt;
use std::time::SystemTime;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use lettre::address::{AddressError, Envelope};
use lettre::message::header::{
    self, ContentDisposition, ContentTransferEncoding, ContentType, Header, HeaderName, HeaderValue,
};
use lettre::message::{Body, Mailboxes, MultiPart, SinglePart};
use lettre::{Address, Message};
use url::Url;

use crate::compose::message_id::MessageId;
use crate::compose::quoted_printable;
use crate::compose::{ComposeError, Signer, Stop, calendar};
use crate::domain::email::{EmailAddress, Mailbox};
use crate::domain::subject::Kind;
use crate::domain::text::one_line;

/// The headers that differ from mail to mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Headers {
    /// Who it is from; the domain also names the list and the sender of feedback.
    pub from: Mailbox,
    /// Who answers are for.
    pub reply_to: Mailbox,
    /// The one person it is for.
    pub to: EmailAddress,
    /// Where it comes back to; not a header, but what the mail server is told.
    pub return_path: String,
    /// When it was written, by the clocks of the force.
    pub date: DateTime<Tz>,
    /// What it is known by.
    pub message_id: MessageId,
    /// The name of its kind.
    pub kind: &'static str,
    /// The list it belongs to.
    pub list: List,
    /// Where there is help.
    pub help: Url,
    /// How to stop, if there is anything to stop.
    pub stop: Option<Stop>,
    /// The Message-IDs of the thread that it goes on with, oldest first.
    pub thread: Vec<String>,
}

/// The lists that mails belong to, for people's programs to sort by. None of them says what a mail
/// is about more closely than by the kind of thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// Vacancies, and several kinds of things.
    Alerts,
    /// Programmes.
    Doors,
    /// Event days.
    Days,
    /// What is about no opening.
    Letters,
}

impl List {
    /// The list of what is told of these kinds of things: that of the kind, if there is only one.
    #[must_use]
    pub fn of(kinds: impl IntoIterator<Item = Kind>) -> Self {
        let mut kinds = kinds.into_iter();
        let first = kinds.next();
        match first.filter(|first| kinds.all(|kind| kind == *first)) {
            Some(Kind::Programme) => Self::Doors,
            Some(Kind::EventDay) => Self::Days,
            Some(Kind::Vacancy) | None => Self::Alerts,
        }
    }

    const fn label(self) -> &'static str {
        match self {
            Self::Alerts => "alerts",
            Self::Doors => "doors",
            Self::Days => "days",
            Self::Letters => "letters",
        }
    }

    /// `List-Id` (RFC 2919, section 3).
    fn id(self, domain: &str) -> String {
        let description = match self {
            Self::Alerts => "Vacancy alerts",
            Self::Doors => "Doors",
            Self::Days => "Days",
            Self::Letters => "Letters",
        };
        format!("{description} <{}.{domain}>", self.label())
    }
}

/// One mail to one person: what people read, the headers, and both together as they leave.
#[derive(Clone)]
pub struct Email {
    /// On one line.
    pub subject: String,
    /// The plain part.
    pub text: String,
    /// The HTML part.
    pub html: String,
    /// The headers that differ from mail to mail.
    pub headers: Headers,
    envelope: Envelope,
    content: String,
}

impl Email {
    pub(super) fn new(
        headers: Headers,
        subject: &str,
        text: String,
        html: String,
        calendar: Option<&str>,
    ) -> Result<Self, ComposeError> {
        let subject = header_text(subject);
        let Headers { from, reply_to, to, date, message_id, list, thread, .. } = &headers;
        let domain = from.address().domain();
        let to = address(to)?;
        // The sign = is always encoded in a body, so this cannot stand in one.
        let boundary = format!("=_{}", message_id.local());
        let both = MultiPart::alternative()
            .boundary(boundary)
            .singlepart(part(ContentType::TEXT_PLAIN, &text))
            .singlepart(part(ContentType::TEXT_HTML, &html));
        let body = match calendar {
            None => both,
            Some(file) => MultiPart::mixed()
                .boundary(format!("=_with-{}", message_id.local()))
                .multipart(both)
                .singlepart(calendar_part(file)?),
        };
        let envelope = Envelope::new(Some(headers.return_path.parse()?), vec![to.clone()])?;
        let mut builder = Message::builder()
            .envelope(envelope.clone())
            .from(mailbox(from)?)
            .reply_to(mailbox(reply_to)?)
            .to(lettre::message::Mailbox::new(None, to))
            .subject(subject.as_str())
            .date(SystemTime::from(*date))
            .message_id(Some(message_id.to_string()))
            .raw_header(raw("Auto-Submitted", "auto-generated".to_owned()))
            .raw_header(raw("X-Auto-Response-Suppress", "All".to_owned()))
            .raw_header(raw("List-Id", list.id(domain)))
            .raw_header(raw("List-Help", format!("<{}>", headers.help)))
            .raw_header(raw("Feedback-ID", feedback_id(headers.kind, *list, domain)));
        if let Some(Stop { page, address }) = &headers.stop {
            builder = builder
                .raw_header(raw("List-Unsubscribe", format!("<{page}>, <mailto:{address}>")))
                .raw_header(raw("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned()));
        }
        if let Some(last) = thread.last() {
            builder = builder
                .raw_header(raw("In-Reply-To", one_line(last)))
                .raw_header(raw("References", one_line(&thread.join(" "))));
        }
        let mut message = builder.multipart(body)?;
        message.headers_mut().insert_raw(in_lines(header::From::from(Mailboxes::from(mailbox(from)?))));
        message
            .headers_mut()
            .insert_raw(in_lines(header::ReplyTo::from(Mailboxes::from(mailbox(reply_to)?))));
        // The builder knows the time in UTC only; people's programs show the zone of the sender.
        message.headers_mut().insert_raw(raw("Date", date.to_rfc2822()));
        Ok(Self { subject, text, html, headers, envelope, content: String::from_utf8(message.formatted())? })
    }

    /// Puts the signatures in front. Nothing about it may change after this.
    pub(super) fn signed(mut self, signers: &[Signer]) -> Result<Self, ComposeError> {
        let at = self.headers.date.with_timezone(&Utc);
        let signatures: Vec<String> = signers
            .iter()
            .map(|signer| signer.header(self.content.as_bytes(), at))
            .collect::<Result<_, _>>()?;
        self.content.insert_str(0, &signatures.concat());
        Ok(self)
    }

    /// From whom and to whom, for the conversation with the mail server.
    #[must_use]
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// The whole mail in the form of RFC 5322: lines of at most 78 characters, except where a link
    /// of a header is longer, ended by CR LF; ASCII only, except for a `To` whose local part is not.
    #[must_use]
    pub fn content(&self) -> &str {
        &self.content
    }
}

/// Without the parts and the octets: they are long and name people.
impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Email")
            .field("subject", &self.subject)
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}

/// `Feedback-ID`, by which Google counts complaints: up to three names for what a mail is, none of
/// them of one mail or one person, and at last the sender, always the same, of 5 to 15 letters.
fn feedback_id(kind: &str, list: List, domain: &str) -> String {
    let mut sender: String = domain.chars().filter(char::is_ascii_alphanumeric).take(15).collect();
    if sender.len() < 5 {
        sender.push_str("jobalerts");
    }
    format!("{kind}:{}:jobalerts:{sender}", list.label())
}

/// On one line, and not to be taken for an encoded word (RFC 2047) by who reads it.
fn header_text(text: &str) -> String {
    one_line(text).replace("=?", "= ?")
}

fn part(content_type: ContentType, text: &str) -> SinglePart {
    let octets = quoted_printable::encode(text);
    let body = Body::dangerous_pre_encoded(octets, ContentTransferEncoding::QuotedPrintable);
    SinglePart::builder().header(content_type).body(body)
}

fn calendar_part(file: &str) -> Result<SinglePart, ComposeError> {
    let content_type = ContentType::parse("text/calendar; charset=utf-8; method=PUBLISH")?;
    let body =
        Body::dangerous_pre_encoded(quoted_printable::encode(file), ContentTransferEncoding::QuotedPrintable);
    let disposition = ContentDisposition::attachment(calendar::FILE_NAME);
    Ok(SinglePart::builder().header(content_type).header(disposition).body(body))
}

fn raw(name: &'static str, value: String) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value)
}

/// A header of one mailbox in lines of at most 76 characters (RFC 2047, 2): the builder leaves the
/// address on the line of the name, however long that is.
fn in_lines<H: Header>(header: H) -> HeaderValue {
    let mut alone = header::Headers::new();
    alone.set(header);
    let text = alone.to_string();
    let field = text.trim_end();
    let last = field.rsplit("\r\n").next().unwrap_or_default();
    let value = field.split_once(": ").map_or(field, |(_, value)| value);
    let value = match value.rsplit_once(" <") {
        Some((name, address)) if last.len() > 76 => format!("{name}\r\n <{address}"),
        _ => value.to_owned(),
    };
    HeaderValue::dangerous_new_pre_encoded(H::name(), value.clone(), value)
}

fn mailbox(mailbox: &Mailbox) -> Result<lettre::message::Mailbox, AddressError> {
    let name = mailbox.name().map(header_text);
    Ok(lettre::message::Mailbox::new(name, address(mailbox.address())?))
}

fn address(address: &EmailAddress) -> Result<Address, AddressError> {
    Address::new(address.local(), address.domain())
}
