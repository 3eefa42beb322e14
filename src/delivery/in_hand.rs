//! A mail that has been claimed: about openings, or a letter.

use chrono::{DateTime, Utc};

use crate::delivery::claim::Claimed;
use crate::delivery::letters::ClaimedLetter;

/// A mail in a worker's hands, whatever it tells.
#[derive(Debug)]
pub(super) enum InHand {
    /// It tells of openings.
    Alert(Claimed),
    /// It tells of none.
    Letter(ClaimedLetter),
}

impl InHand {
    /// Its key in the tables.
    pub(super) fn mail_id(&self) -> i64 {
        match self {
            Self::Alert(mail) => mail.mail_id,
            Self::Letter(letter) => letter.mail_id,
        }
    }

    /// In whose hands it is.
    pub(super) fn worker(&self) -> i32 {
        match self {
            Self::Alert(mail) => mail.worker,
            Self::Letter(letter) => letter.worker,
        }
    }

    /// How often it was tried before.
    pub(super) fn attempts(&self) -> i16 {
        match self {
            Self::Alert(mail) => mail.attempts,
            Self::Letter(letter) => letter.attempts,
        }
    }

    /// When it was first claimed.
    pub(super) fn claimed_at(&self) -> DateTime<Utc> {
        match self {
            Self::Alert(mail) => mail.claimed_at,
            Self::Letter(letter) => letter.claimed_at,
        }
    }

    /// The domain that it goes to.
    pub(super) fn domain(&self) -> &str {
        match self {
            Self::Alert(mail) => mail.recipient.address.domain(),
            Self::Letter(letter) => letter.recipient.address.domain(),
        }
    }

    /// The key of the person.
    pub(super) fn subscriber_id(&self) -> i64 {
        match self {
            Self::Alert(mail) => mail.subscriber_id,
            Self::Letter(letter) => letter.subscriber_id,
        }
    }
}
