//! What a mail server's refusal means: whose fault it is, and whether the same
//! mail may be taken later.
//!
//! It is read from the three digits of the reply (RFC 5321, section 4.2) and the
//! enhanced status code at the head of its text (RFC 3463; registry of RFC 5248).
//! Where the two disagree, the first digit of the reply wins.

/// The point of a conversation at which a reply came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// Before anybody was named: the answer to MAIL.
    Sender,
    /// Once the recipient was named: the answer to RCPT, DATA, or the content.
    Recipient,
}

/// Whose fault it is that a mail was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// This mailbox, or a server that does not know us yet (greylisting, RFC
    /// 6647), takes it later.
    Later,
    /// The mailbox is full.
    Full,
    /// The server cannot take mail now, whoever it is for.
    Busy,
    /// The server ended the conversation, or it broke: nobody's try (RFC 5321,
    /// section 3.8).
    Away,
    /// There is no such mailbox or domain.
    NoMailbox,
    /// The mailbox is shut, for now or for ever.
    Shut,
    /// The mail is too large: a mistake of ours.
    TooLarge,
    /// The address needs SMTPUTF8, and the way to it does not have that (RFC 6531).
    NotInternational,
    /// The server has something against the sender. It is never the person's fault.
    Policy,
    /// Refused for good, and the reply does not say whose fault it is.
    Refused,
}

/// What is to become of a mail that was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sequel {
    /// It is tried again.
    Waits,
    /// It is tried again, and this was none of its tries.
    WaitsUncounted,
    /// It has ended.
    Ends,
}

/// What it says of the way to a mailbox: its provider, and the relay before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// A mail was taken.
    Taken,
    /// It answers, about one mailbox or one mail.
    Answers,
    /// It takes nothing just now.
    Strained,
    /// It takes nothing from us.
    Rejects,
    /// It says so of the mailbox of the person with this key, who may have a rule of their own.
    RejectsFor(i64),
}

impl Signal {
    /// What it says once somebody's mailbox was named.
    #[must_use]
    pub const fn about(self, person: i64) -> Self {
        match self {
            Self::Rejects => Self::RejectsFor(person),
            signal => signal,
        }
    }
}

impl Judgement {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Later,
        Self::Full,
        Self::Busy,
        Self::Away,
        Self::NoMailbox,
        Self::Shut,
        Self::TooLarge,
        Self::NotInternational,
        Self::Policy,
        Self::Refused,
    ];

    /// What a refusal means. `text` is what follows the three digits.
    #[must_use]
    pub fn of(point: Point, code: u16, text: &str) -> Self {
        let status = Status::read(text);
        let says = |words: &[&str]| {
            let text = text.to_ascii_lowercase();
            words.iter().any(|word| text.contains(word))
        };
        let permanent = code >= 500;
        match (status.map(|status| (status.subject, status.detail)), permanent) {
            (Some((7, detail)), false) if (20..40).contains(&detail) => Self::Policy,
            _ if code == 421 => Self::Away,
            (Some((2, 2)), _) => Self::Full,
            // RFC 5321 section 4.5.3.1.10: too many recipients is not for ever. Or it greylists, or has
            // something against this mailbox only.
            (Some((5, 3)), _) | (Some((1 | 2, _) | (7, 1)), false) => Self::Later,
            (None, true) if code == 552 && says(&["too many recipients"]) => Self::Later,
            (_, false) if says(&["greylist", "graylist", "grey-list", "gray-list"]) => Self::Later,
            (_, false) => Self::Busy,
            (Some((7, detail)), true) if AGAINST_THE_MAILBOX.contains(&detail) => Self::Refused,
            (Some((7, _)), true) => Self::Policy,
            (Some((6, 7)), true) => Self::NotInternational,
            (Some((3, 4) | (2, 3)), true) => Self::TooLarge,
            (None, true) if code == 552 => Self::TooLarge,
            // RFC 5321 section 4.5.4.1: what is said of the sender is no recipient's fault.
            _ if point == Point::Sender => Self::Policy,
            (Some((1, 1 | 2 | 3 | 6 | 10)), true) => Self::NoMailbox,
            (Some((2, 1)), true) => Self::Shut,
            (None | Some((0 | 5, 0)), true) if says(&WORDS_AGAINST_THE_SENDER) => Self::Policy,
            // Without a status code the words may be about anything: in doubt it is shut, not gone.
            (None | Some((0 | 5, 0)), true) if says(&WORDS_AGAINST_THE_MAILBOX) => Self::Shut,
            (_, true) => Self::Refused,
        }
    }

    /// Its name in the tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Later => "later",
            Self::Full => "full",
            Self::Busy => "busy",
            Self::Away => "away",
            Self::NoMailbox => "no-mailbox",
            Self::Shut => "shut",
            Self::TooLarge => "too-large",
            Self::NotInternational => "not-international",
            Self::Policy => "policy",
            Self::Refused => "refused",
        }
    }

    /// What becomes of the mail after a reply with this first digit (RFC 5321,
    /// section 4.2.1).
    #[must_use]
    pub const fn sequel(self, code: u16) -> Sequel {
        match self {
            Self::Away => Sequel::WaitsUncounted,
            Self::Later | Self::Busy | Self::Policy => Sequel::Waits,
            Self::Full if code < 500 => Sequel::Waits,
            Self::Full
            | Self::NoMailbox
            | Self::Shut
            | Self::TooLarge
            | Self::NotInternational
            | Self::Refused => Sequel::Ends,
        }
    }

    /// What it says of the way.
    #[must_use]
    pub const fn signal(self) -> Signal {
        match self {
            Self::Busy | Self::Away => Signal::Strained,
            Self::Policy => Signal::Rejects,
            Self::Later
            | Self::Full
            | Self::NoMailbox
            | Self::Shut
            | Self::TooLarge
            | Self::NotInternational
            | Self::Refused => Signal::Answers,
        }
    }
}

/// The codes that a reply begins with, without its words: `550 5.7.1`.
#[must_use]
pub fn codes(reply: &str) -> &str {
    let Some((digits, text)) = reply.split_once(' ') else { return reply };
    let word = text.split(' ').next().unwrap_or_default();
    if Status::read(text).is_some() { &reply[..digits.len() + 1 + word.len()] } else { digits }
}

/// Details of 5.7.x by which Exchange says that this one mailbox or list takes
/// mail from some senders only.
const AGAINST_THE_MAILBOX: [u16; 8] = [2, 120, 123, 124, 129, 133, 134, 136];

/// How servers without status codes say that they do not like the sender.
const WORDS_AGAINST_THE_SENDER: [&str; 13] = [
    "spam",
    "spf",
    "dkim",
    "dmarc",
    "policy",
    "reputation",
    "blacklist",
    "black list",
    "blocklist",
    "block list",
    "blocked",
    "relay",
    "access denied",
];

/// How servers without status codes say that nobody is there.
const WORDS_AGAINST_THE_MAILBOX: [&str; 11] = [
    "user unknown",
    "unknown user",
    "unknown recipient",
    "recipient unknown",
    "no such user",
    "no such recipient",
    "doesn't have a",
    "does not exist",
    "unrouteable address",
    "mailbox unavailable",
    "mailbox is disabled",
];

/// An enhanced status code, without its first digit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Status {
    subject: u16,
    detail: u16,
}

impl Status {
    /// The status code that a text begins with (RFC 2034, section 4), also with
    /// a bracket or a `#` around it, as some servers write it.
    fn read(text: &str) -> Option<Self> {
        let word = text.split_whitespace().next()?.trim_matches(|c: char| !c.is_ascii_digit());
        let mut parts = word.split('.');
        let mut next = |longest: usize| {
            let part = parts.next()?;
            let is_number = (1..=longest).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
            is_number.then(|| part.parse::<u16>().ok()).flatten()
        };
        let class = next(1)?;
        let status = Self { subject: next(3)?, detail: next(3)? };
        (matches!(class, 4 | 5) && parts.next().is_none()).then_some(status)
    }
}

#[cfg(test)]
mod tests;
