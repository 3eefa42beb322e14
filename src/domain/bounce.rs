//! A mail that came back: whose fault that is, and what follows from it.
//!
//! It is told by the status code (RFC 3463; registry of RFC 5248), which means what it means in a
//! mail server's reply ([`crate::domain::reply`]). What follows depends on what else came back from
//! the same person lately.

use std::fmt;
use std::str::FromStr;

use chrono::Duration;

use crate::domain::reply::{Judgement, Point};
use crate::domain::suppression::Reason;

/// For how long mails that came back count.
pub const COUNTED_FOR: Duration = Duration::days(30);
/// How long nothing that can wait is sent to a person after a mail came back that may not come back
/// the next time.
pub const APART: Duration = Duration::days(1);
/// So often a shut mailbox is taken for shut for a while.
const SHUT_AT_MOST: i64 = 2;
/// On so many days mails may come back.
const DAYS_AT_MOST: i64 = 5;

/// A status code of three numbers, such as 5.1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    class: u8,
    subject: u16,
    detail: u16,
}

/// This is no status code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a status code such as 5.1.1")]
pub struct NotAStatus;

impl Status {
    /// It failed, and nothing is said about why.
    pub const FAILED: Self = Self { class: 5, subject: 0, detail: 0 };

    /// The first status code in a text such as `smtp; 550-5.1.1 No such user`.
    #[must_use]
    pub fn in_text(text: &str) -> Option<Self> {
        text.split(|c: char| !c.is_ascii_digit() && c != '.').find_map(|word| word.parse().ok())
    }

    /// What a mail server's refusal says, as it was judged and in its own words.
    #[must_use]
    pub fn of_refusal(judgement: Judgement, reply: &str) -> Self {
        let of_mailbox = |subject, detail| Self { class: 5, subject, detail };
        match judgement {
            Judgement::NoMailbox => of_mailbox(1, 1),
            Judgement::Shut => of_mailbox(2, 1),
            Judgement::Full => of_mailbox(2, 2),
            _ => Self::in_text(reply).unwrap_or(Self::FAILED),
        }
    }

    /// Whether it says more than that it failed.
    #[must_use]
    pub fn says_why(self) -> bool {
        (self.subject, self.detail) != (0, 0)
    }
}

impl FromStr for Status {
    type Err = NotAStatus;

    fn from_str(text: &str) -> Result<Self, NotAStatus> {
        let mut numbers = text.split('.').map(|number| {
            let fits = (1..=3).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
            if fits { number.parse::<u16>().map_err(|_| NotAStatus) } else { Err(NotAStatus) }
        });
        let mut next = || numbers.next().ok_or(NotAStatus)?;
        let (class, subject, detail) = (next()?, next()?, next()?);
        match u8::try_from(class) {
            Ok(class @ (2 | 4 | 5)) if numbers.next().is_none() => Ok(Self { class, subject, detail }),
            _ => Err(NotAStatus),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// What a mail that came back says of its mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// There is no such mailbox or domain.
    Gone,
    /// The mailbox is shut, for now or for ever.
    Shut,
    /// The next mail may arrive: it is full, say, or its server was away for days.
    Soft,
    /// Its server has something against the sender. It is never the person's fault.
    Policy,
    /// The mail was wrong: too large, or in a form that the way to it does not take.
    Ours,
}

impl Weight {
    /// What a mail says that came back with this status.
    #[must_use]
    pub fn of(status: Status) -> Self {
        let code = u16::from(status.class) * 100 + 50;
        Self::from(Judgement::of(Point::Recipient, code, &status.to_string()))
    }

    /// Its name in the tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Shut => "shut",
            Self::Soft => "soft",
            Self::Policy => "policy",
            Self::Ours => "ours",
        }
    }

    /// What follows from it.
    #[must_use]
    pub fn consequence(self, lately: Lately) -> Consequence {
        match self {
            Self::Gone => Consequence::Suppress(Reason::HardBounce),
            Self::Shut if lately.shut >= SHUT_AT_MOST => Consequence::Suppress(Reason::HardBounce),
            Self::Shut | Self::Soft if lately.soft_days >= DAYS_AT_MOST => {
                Consequence::Suppress(Reason::SoftBounces)
            }
            // Nothing that is sent to them arrives, and it is not for us to say that they want nothing.
            Self::Policy if lately.policy_days >= DAYS_AT_MOST => Consequence::Undeliverable,
            Self::Ours => Consequence::Undeliverable,
            Self::Shut | Self::Soft | Self::Policy => Consequence::Again,
        }
    }
}

/// What came back from a person within [`COUNTED_FOR`], this time included. Days are those of UTC:
/// several mails that come back on one day say no more than one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lately {
    /// How many said that the mailbox is shut.
    pub shut: i64,
    /// On how many days some said so, or that the next may arrive.
    pub soft_days: i64,
    /// On how many days some said that the sender is not wanted.
    pub policy_days: i64,
}

/// Of a mail that has ended.
impl From<Judgement> for Weight {
    fn from(judgement: Judgement) -> Self {
        match judgement {
            Judgement::NoMailbox => Self::Gone,
            Judgement::Shut => Self::Shut,
            Judgement::Later | Judgement::Full | Judgement::Busy | Judgement::Away | Judgement::Refused => {
                Self::Soft
            }
            Judgement::Policy => Self::Policy,
            Judgement::TooLarge | Judgement::NotInternational => Self::Ours,
        }
    }
}

/// What follows from a mail that came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consequence {
    /// Nothing is sent to this address any more.
    Suppress(Reason),
    /// What it told is told again after [`APART`], and until then nothing that can wait.
    Again,
    /// What it told is not told.
    Undeliverable,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(text: &str) -> Status {
        text.parse().unwrap()
    }

    /// S07.
    #[test]
    fn the_status_decides_whose_fault_it_is() {
        for (text, weight) in [
            ("5.1.1", Weight::Gone),
            ("5.1.2", Weight::Gone),
            ("5.1.3", Weight::Gone),
            ("5.1.6", Weight::Gone),
            ("5.1.10", Weight::Gone),
            ("5.1.8", Weight::Soft),
            ("5.2.1", Weight::Shut),
            ("5.2.2", Weight::Soft),
            ("4.2.2", Weight::Soft),
            ("4.4.7", Weight::Soft),
            ("4.1.1", Weight::Soft),
            ("5.0.0", Weight::Soft),
            ("5.4.1", Weight::Soft),
            ("5.3.4", Weight::Ours),
            ("5.6.7", Weight::Ours),
            ("5.7.1", Weight::Policy),
            ("5.7.26", Weight::Policy),
            ("5.7.515", Weight::Policy),
            ("4.7.26", Weight::Policy),
        ] {
            assert_eq!(Weight::of(status(text)), weight, "{text}");
            assert_eq!(status(text).to_string(), text);
        }
    }

    #[test]
    fn a_status_is_found_in_what_a_server_said() {
        for (text, found) in [
            ("smtp; 550-5.1.1 The email account that you tried to reach does not exist.", Some("5.1.1")),
            ("smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; not found", Some("5.1.10")),
            ("x; 552 (#5.2.2) mailbox full", Some("5.2.2")),
            ("smtp; 550 refused by 5.1.1.1", None),
            ("smtp; 554 delivery error: dd This user doesn't have an account", None),
            ("6.1.1 5.1.1234 5..1 3.1.1", None),
        ] {
            assert_eq!(Status::in_text(text).map(|status| status.to_string()).as_deref(), found, "{text}");
        }
    }

    #[test]
    fn what_follows_depends_on_what_came_back_lately() {
        use Consequence::{Again, Suppress, Undeliverable};
        let lately = |shut, soft_days, policy_days| Lately { shut, soft_days, policy_days };
        for (weight, lately, consequence) in [
            (Weight::Gone, lately(0, 0, 0), Suppress(Reason::HardBounce)),
            (Weight::Shut, lately(1, 1, 0), Again),
            (Weight::Shut, lately(2, 1, 0), Suppress(Reason::HardBounce)),
            (Weight::Shut, lately(1, 5, 0), Suppress(Reason::SoftBounces)),
            (Weight::Soft, lately(0, 4, 9), Again),
            (Weight::Soft, lately(0, 5, 0), Suppress(Reason::SoftBounces)),
            (Weight::Policy, lately(9, 9, 4), Again),
            (Weight::Policy, lately(9, 9, 500), Undeliverable),
            (Weight::Ours, lately(9, 9, 9), Undeliverable),
        ] {
            assert_eq!(weight.consequence(lately), consequence, "{weight:?} {lately:?}");
        }
    }
}
