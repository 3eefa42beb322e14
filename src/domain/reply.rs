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
mod tests {
    use super::*;

    /// As they were seen of Gmail, Outlook.com and Exchange Online, Yahoo,
    /// Apple, Postfix, and Exim.
    const SEEN: [(Judgement, &str); 53] = [
        (
            Judgement::NoMailbox,
            "550 5.1.1 The email account that you tried to reach does not exist. Please try double-checking the recipient's email address for typos",
        ),
        (Judgement::Shut, "550 5.2.1 The email account that you tried to reach is inactive."),
        (Judgement::Shut, "550 5.2.1 The email account that you tried to reach is disabled."),
        (
            Judgement::Full,
            "552 5.2.2 The recipient's inbox is out of storage space and inactive. Please direct the recipient to",
        ),
        (
            Judgement::Full,
            "452 4.2.2 The recipient's inbox is out of storage space. Please direct the recipient to",
        ),
        (
            Judgement::Later,
            "450 4.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages from being delivered.",
        ),
        (Judgement::Busy, "451 4.3.0 Mail server temporarily rejected message. gsmtp"),
        (
            Judgement::Away,
            "421 4.7.0 Try again later, closing connection. (EHLO) a1-20020a170906d60100b009be - gsmtp",
        ),
        (
            Judgement::Policy,
            "421 4.7.28 Gmail has detected an unusual rate of unsolicited mail originating from your IP address.",
        ),
        (
            Judgement::Policy,
            "421 4.7.26 This mail has been rate limited because it is unauthenticated. Gmail requires all senders to authenticate with either SPF or DKIM.",
        ),
        (Judgement::Policy, "451 4.7.23 The sending IP address for this message doesn't have a PTR record"),
        (Judgement::Policy, "550 5.7.26 This mail has been blocked because the sender is unauthenticated."),
        (
            Judgement::Policy,
            "550 5.7.25 The IP address sending this message does not have a PTR record setup",
        ),
        (
            Judgement::Policy,
            "550 5.7.1 [192.0.2.1 19] Gmail has detected that this message is likely suspicious due to the very low reputation of the sending domain.",
        ),
        (Judgement::Policy, "550 5.7.30 This message was rejected because it failed DKIM verification"),
        (Judgement::TooLarge, "552 5.3.4 Your message exceeded Google's message size limits."),
        (Judgement::TooLarge, "552 5.2.3 Your message exceeded Google's message size limits."),
        (
            Judgement::Busy,
            "452 4.5.0 Domain policy size per transaction exceeded, please try this recipient in a separate transaction.",
        ),
        (
            Judgement::Later,
            "452 4.5.3 Your message has too many recipients. For more information regarding Google's sending limits",
        ),
        (
            Judgement::Policy,
            "550 5.7.515 Access denied, sending domain midshire.example does not meet the required authentication level.",
        ),
        (
            Judgement::Shut,
            "550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302). [VI1EUR05FT013.eop-eur05.prod.protection.outlook.com]",
        ),
        (
            Judgement::Policy,
            "550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. Please contact your Internet service provider since part of their network is on our block list (S3140).",
        ),
        (
            Judgement::Busy,
            "451 4.7.650 The mail server [192.0.2.1] has been temporarily rate limited due to IP reputation.",
        ),
        (Judgement::Busy, "451 4.7.500 Server busy. Please try again later from [192.0.2.1]. (S77719)"),
        (
            Judgement::NoMailbox,
            "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup",
        ),
        (
            Judgement::Refused,
            "550 5.4.1 Recipient address rejected: Access denied. [AM6EUR05FT064.eop-eur05.prod.protection.outlook.com]",
        ),
        (
            Judgement::Refused,
            "550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required; Delivery restriction check failed",
        ),
        (
            Judgement::Policy,
            "550 5.7.509 Access denied, sending domain midshire.example does not pass DMARC verification and has a DMARC policy of reject.",
        ),
        (
            Judgement::Full,
            "554 5.2.2 mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException.MapiExceptionShutoffQuotaExceeded",
        ),
        (Judgement::Later, "432 4.2.0 STOREDRV.Deliver; recipient thread limit exceeded"),
        (
            Judgement::Shut,
            "554 delivery error: dd This user doesn't have a yahoo.com account (p@yahoo.com) [0] - mta1234.mail.bf1.yahoo.com",
        ),
        (
            Judgement::Shut,
            "554 30 Sorry, your message to p@yahoo.com cannot be delivered. This mailbox is disabled (554.30).",
        ),
        (
            Judgement::Away,
            "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints - 4.16.55.1; see https://postmaster.yahooinc.com/error-codes",
        ),
        (
            Judgement::Policy,
            "553 5.7.1 [BL21] Connections will not be accepted from 192.0.2.1, because the ip is in Spamhaus's list",
        ),
        (
            Judgement::Policy,
            "554 5.7.9 Message not accepted for policy reasons. See https://postmaster.yahooinc.com/error-codes",
        ),
        (
            Judgement::Busy,
            "451 4.3.2 Please try again later. See https://postmaster.yahooinc.com/error-codes",
        ),
        (Judgement::NoMailbox, "550 5.1.6 recipient no longer on server: p@icloud.com"),
        (Judgement::NoMailbox, "550 5.1.1 <p@icloud.com>: inactive email address"),
        (
            Judgement::Policy,
            "554 5.7.1 [CS01] Message rejected due to local policy. Please visit https://support.apple.com/en-us/HT204137",
        ),
        (Judgement::Full, "552 5.2.2 <p@icloud.com>: user is over quota"),
        (
            Judgement::NoMailbox,
            "550 5.1.1 <p@example.org>: Recipient address rejected: User unknown in local recipient table",
        ),
        (Judgement::NoMailbox, "550 5.1.2 <p@example.org>: Recipient address rejected: Domain not found"),
        (Judgement::Later, "450 4.1.2 <p@example.org>: Recipient address rejected: Domain not found"),
        (
            Judgement::Later,
            "450 4.2.0 <p@example.org>: Recipient address rejected: Greylisted, see http://postgrey.schweikert.ch/help/example.org.html",
        ),
        (Judgement::Later, "450 4.7.1 Client host rejected: cannot find your hostname, [192.0.2.1]"),
        (Judgement::Policy, "554 5.7.1 <p@example.org>: Relay access denied"),
        (
            Judgement::Policy,
            "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org",
        ),
        (Judgement::Busy, "452 4.3.1 Insufficient system storage"),
        (Judgement::Shut, "550 Unrouteable address"),
        (Judgement::Later, "451 Greylisted, please try again in 300 seconds"),
        (Judgement::Policy, "550 rejected because 192.0.2.1 is in a black list at zen.spamhaus.org"),
        (Judgement::TooLarge, "552 Message size exceeds maximum permitted"),
        (Judgement::Refused, "550 Administrative prohibition"),
    ];

    fn judged(point: Point, reply: &str) -> (Judgement, u16) {
        let (code, text) = reply.split_once(' ').unwrap();
        let code = code.parse().unwrap();
        (Judgement::of(point, code, text), code)
    }

    #[test]
    fn replies_as_they_were_seen() {
        for (judgement, reply) in SEEN {
            assert_eq!(judged(Point::Recipient, reply).0, judgement, "{reply}");
        }
    }

    #[test]
    fn the_first_digit_of_the_reply_wins() {
        for (judgement, sequel, reply) in [
            (Judgement::Later, Sequel::Waits, "450 5.1.1 unverified address"),
            (Judgement::NoMailbox, Sequel::Ends, "550 4.1.1 no such user"),
            (Judgement::Full, Sequel::Waits, "452 5.2.2 mailbox full"),
            (Judgement::Full, Sequel::Ends, "552 4.2.2 mailbox full"),
            (Judgement::Policy, Sequel::Waits, "550 4.7.26 unauthenticated"),
            (Judgement::Later, Sequel::Waits, "552 5.5.3 Too many recipients"),
            (Judgement::Later, Sequel::Waits, "552 Too many recipients"),
            (Judgement::Away, Sequel::WaitsUncounted, "421 5.1.1 closing"),
            (Judgement::Busy, Sequel::Waits, "400 "),
            (Judgement::Refused, Sequel::Ends, "599 "),
        ] {
            let (found, code) = judged(Point::Recipient, reply);
            assert_eq!((found, found.sequel(code)), (judgement, sequel), "{reply}");
        }
    }

    /// S05: what is said of the sender ends no mail, except what is wrong with that mail.
    #[test]
    fn a_refused_sender_is_no_recipients_fault() {
        for (judgement, reply) in [
            (Judgement::Policy, "550 5.1.8 Sender address rejected: Domain not found"),
            (Judgement::Policy, "550 5.1.1 Sender unknown"),
            (Judgement::Policy, "553 sorry, that domain isn't allowed"),
            (Judgement::Policy, "530 5.7.0 Authentication required"),
            (Judgement::TooLarge, "552 5.3.4 Message size exceeds fixed limit"),
            (Judgement::NotInternational, "550 5.6.7 SMTPUTF8 is required"),
            (Judgement::Busy, "451 4.3.0 Later"),
        ] {
            assert_eq!(judged(Point::Sender, reply).0, judgement, "{reply}");
        }
    }

    #[test]
    fn a_status_code_stands_at_the_head_and_is_whole() {
        let read = |text| Status::read(text).map(|status| (status.subject, status.detail));
        assert_eq!(read("5.7.515 Access denied"), Some((7, 515)));
        assert_eq!(read("#5.1.1 bad address"), Some((1, 1)));
        assert_eq!(read("(4.2.2) full"), Some((2, 2)));
        for text in ["", "55.1.1 x", "5.1 x", "5.1.1.1 x", "2.1.5 x", "5.x.1", "5.1.1000", "see 5.1.1"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn codes_say_nothing_of_anybody() {
        for (reply, expected) in [
            ("550 5.1.1 ann@example.org: unknown", "550 5.1.1"),
            ("550 ann@example.org: unknown", "550"),
            ("421", "421"),
        ] {
            assert_eq!(codes(reply), expected);
        }
    }

    /// Only what a mailbox is at fault for may ever be held against a person.
    #[test]
    fn a_policy_never_ends_a_mail() {
        for judgement in Judgement::ALL {
            let ends = [450, 550].map(|code| judgement.sequel(code) == Sequel::Ends);
            if matches!(judgement.signal(), Signal::Rejects | Signal::Strained) {
                assert_eq!(ends, [false, false], "{judgement:?}");
            }
        }
    }
}
