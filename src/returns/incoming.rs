//! What a mail that came to us is: a report that one of ours could not be delivered (RFC 3464) or was
//! marked as spam (RFC 5965), an answer of a program (RFC 3834), somebody who writes stop, or
//! something for a person to read.
//!
//! Anybody can send anything here, so its size and depth are bounded, and nothing in it is believed
//! but the tokens that we signed.

use std::borrow::Cow;

use mail_parser::{Message, MessageParser, MessagePart, MimeHeaders, PartType};

use crate::domain::bounce::Status;
use crate::domain::email::EmailAddress;

#[cfg(test)]
mod tests;

/// The longest mail that is looked at, in octets.
pub const LARGEST: usize = 1024 * 1024;
/// The most parts of a mail. Parts lie in each other, and each names its type.
const MOST_PARTS: usize = 50;
/// The shortest and the longest token.
const TOKEN: std::ops::RangeInclusive<usize> = 40..=80;
/// The most tokens that are tried.
const MOST_TOKENS: usize = 100;
/// The most Message-IDs that a mail may answer.
const MOST_ANSWERED: usize = 50;

/// A mail that came to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// Which addresses it was sent to, by its own headers.
    pub addressed: String,
    /// What it is.
    pub what: What,
}

/// What a mail that came to us is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A mail was given up, for this reason.
    Bounce(Status),
    /// A mail is still being tried.
    Delayed(Status),
    /// A mail was marked as spam.
    Complaint {
        /// What the report says of that mail.
        shown: String,
    },
    /// A mail arrived, or is no spam.
    NoNews,
    /// A program wrote it in somebody's place.
    Automatic,
    /// Somebody answers a mail, and the first thing they say is stop.
    SaysStop {
        /// Who they say they are.
        from: EmailAddress,
        /// The Message-IDs of what they answer.
        answers: Vec<String>,
    },
    /// Something else.
    Other,
}

impl Incoming {
    /// Reads a mail. None if it is none, or not one that a program should read: too large, say.
    #[must_use]
    pub fn read(mail: &[u8]) -> Option<Self> {
        if mail.len() > LARGEST || occurrences(mail, b"content-type") > MOST_PARTS {
            return None;
        }
        let message = MessageParser::default().parse(mail)?;
        let to = ["delivered-to", "x-original-to", "to"];
        let addressed: Vec<&str> = message
            .headers_raw()
            .filter(|(name, _)| to.iter().any(|to| name.eq_ignore_ascii_case(to)))
            .map(|(_, value)| value.trim())
            .collect();
        Some(Self { addressed: addressed.join(" "), what: what(&message) })
    }
}

/// Whatever in a text may be one of our tokens.
pub fn tokens(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| TOKEN.contains(&word.len()))
        .take(MOST_TOKENS)
}

/// How often a text of lower-case letters stands in a mail, in whatever case.
fn occurrences(mail: &[u8], text: &[u8]) -> usize {
    mail.windows(text.len()).filter(|window| window.eq_ignore_ascii_case(text)).count()
}

fn what(message: &Message<'_>) -> What {
    let content_type = message.content_type();
    let is_report = content_type.is_some_and(|it| {
        it.ctype().eq_ignore_ascii_case("multipart")
            && it.subtype().is_some_and(|it| it.eq_ignore_ascii_case("report"))
    });
    let report = content_type.filter(|_| is_report).and_then(|it| it.attribute("report-type"));
    match report.map(str::to_ascii_lowercase).as_deref() {
        Some("delivery-status") => return delivery_status(message),
        Some("feedback-report") => return feedback(message),
        // A receipt (RFC 8098), or another report that nobody wrote by hand.
        Some(_) => return What::Automatic,
        None => {}
    }
    if message.header_raw("X-Failed-Recipients").is_some() {
        // Exim's own report, without parts.
        let said = message.body_text(0).and_then(|text| Status::in_text(&text));
        return What::Bounce(said.unwrap_or(Status::FAILED));
    }
    if let Some(shown) = junk_mail_report(message) {
        return What::Complaint { shown };
    }
    if is_automatic(message) {
        return What::Automatic;
    }
    says_stop(message).unwrap_or(What::Other)
}

/// The parts of this type, such as `message/delivery-status`, as text.
fn parts<'m>(message: &'m Message<'_>, types: &'m [&'m str]) -> impl Iterator<Item = Cow<'m, str>> {
    let is_it = |part: &MessagePart<'_>| {
        part.content_type().is_some_and(|it| {
            let name = format!("{}/{}", it.ctype(), it.subtype().unwrap_or_default());
            types.iter().any(|wanted| name.eq_ignore_ascii_case(wanted))
        })
    };
    message.parts.iter().filter(move |part| is_it(part)).map(|part| match &part.body {
        PartType::Message(inner) if !inner.parts.is_empty() => Cow::Owned(headers(inner)),
        _ => String::from_utf8_lossy(part.contents()),
    })
}

/// The headers of a mail, as they stand.
fn headers(message: &Message<'_>) -> String {
    let lines: Vec<String> = message.headers_raw().map(|(name, value)| format!("{name}:{value}")).collect();
    lines.join("\n")
}

/// A field of a report (RFC 3464, section 2.1; RFC 5965, section 3): its name in any case, and its
/// value, which may be folded.
fn fields(text: &str) -> impl Iterator<Item = (String, String)> {
    let unfolded = text.replace("\r\n", "\n").replace("\n ", " ").replace("\n\t", " ");
    let lines: Vec<String> = unfolded.lines().map(str::to_owned).collect();
    lines.into_iter().filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        Some((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
    })
}

/// What a report says of its one recipient; of several, the worst.
fn delivery_status(message: &Message<'_>) -> What {
    let text: String = parts(message, &["message/delivery-status", "message/global-delivery-status"])
        .collect::<Vec<_>>()
        .join("\n\n");
    let (mut failed, mut delayed) = (None, None);
    let text = text.replace("\r\n", "\n");
    for recipient in text.split("\n\n") {
        let fields: Vec<(String, String)> = fields(recipient).collect();
        let field = |name: &str| fields.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str());
        let Some(action) = field("action") else { continue };
        let status = status(field("status"), field("diagnostic-code"));
        // A comment may follow (RFC 3464, section 2.3.3).
        match action.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default() {
            it if it.eq_ignore_ascii_case("failed") => failed = failed.or(Some(status)),
            it if it.eq_ignore_ascii_case("delayed") => delayed = delayed.or(Some(status)),
            _ => {}
        }
    }
    match (failed, delayed) {
        (Some(status), _) => What::Bounce(status),
        (None, Some(status)) => What::Delayed(status),
        (None, None) => What::NoNews,
    }
}

/// What was said of why. Exim says 5.0.0 of whatever it is; then what the server said tells more.
fn status(status: Option<&str>, diagnostic: Option<&str>) -> Status {
    let status = status.and_then(Status::in_text);
    let diagnostic = diagnostic.and_then(Status::in_text);
    match (status, diagnostic) {
        (Some(status), _) if status.says_why() => status,
        (_, Some(diagnostic)) if diagnostic.says_why() => diagnostic,
        (status, _) => status.unwrap_or(Status::FAILED),
    }
}

/// What somebody thinks of a mail (RFC 5965, section 3.1).
fn feedback(message: &Message<'_>) -> What {
    let Some(report) = parts(message, &["message/feedback-report"]).next() else { return What::Other };
    let kind = fields(&report).find(|(name, _)| name == "feedback-type").map(|(_, value)| value);
    match kind.unwrap_or_default().to_ascii_lowercase().as_str() {
        // Other kinds are an abuse report for who does not know them (section 7.3).
        "not-spam" => What::NoNews,
        // Of how mails are signed (RFC 6591): nobody complains.
        "auth-failure" | "virus" => What::Automatic,
        _ => {
            let types =
                ["message/feedback-report", "message/rfc822", "message/global", "text/rfc822-headers"];
            let shown: Vec<_> = parts(message, &types).collect();
            What::Complaint { shown: shown.join("\n") }
        }
    }
}

/// What Outlook.com sends in place of such a report: the mail itself, attached.
fn junk_mail_report(message: &Message<'_>) -> Option<String> {
    let attached = parts(message, &["message/rfc822"]).next()?;
    let marked =
        attached.lines().any(|line| line.to_ascii_lowercase().starts_with("x-hmxmroriginalrecipient:"));
    marked.then(|| attached.into_owned())
}

/// Whether a program wrote it (RFC 3834, section 5, and what was in use before).
fn is_automatic(message: &Message<'_>) -> bool {
    let says = |name: &str| message.header_raw(name).map(|value| value.trim().to_ascii_lowercase());
    let submitted = says("Auto-Submitted").is_some_and(|value| !value.starts_with("no"));
    let precedence = says("Precedence")
        .is_some_and(|it| ["auto_reply", "auto-reply", "bulk", "junk", "list"].contains(&&*it));
    let others = ["X-Autoreply", "X-Autorespond", "X-Autogenerated"];
    submitted || precedence || others.iter().any(|name| message.header_raw(*name).is_some())
}

/// Somebody who answers a mail with one word.
fn says_stop(message: &Message<'_>) -> Option<What> {
    let text = message.body_text(0)?;
    let first = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    if first.starts_with('>') {
        // What somebody else said.
        return None;
    }
    let word = first.trim_matches(|c: char| c.is_ascii_punctuation() || c.is_whitespace());
    if !["stop", "unsubscribe", "remove me"].iter().any(|stop| word.eq_ignore_ascii_case(stop)) {
        return None;
    }
    let from = message.from()?.first()?.address()?.parse().ok()?;
    let answered = ["In-Reply-To", "References"].into_iter().filter_map(|name| message.header_raw(name));
    let answers: Vec<String> = answered.flat_map(message_ids).take(MOST_ANSWERED).collect();
    (!answers.is_empty()).then_some(What::SaysStop { from, answers })
}

/// The Message-IDs in a header, with their brackets.
fn message_ids(header: &str) -> impl Iterator<Item = String> {
    header.split('<').skip(1).filter_map(|rest| Some(format!("<{}>", rest.split_once('>')?.0)))
}
