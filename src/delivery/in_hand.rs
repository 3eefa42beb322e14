//! A mail that has been claimed: about openings, or a letter.

use chrono::{DateTime, Utc};

use crate::compose::{Identity, MessageId, Recipient};
use crate::delivery::claim::Claimed;
use crate::delivery::letters::ClaimedLetter;
use crate::store::mails::Unfinished;
use crate::store::subscribers::Addressee;

/// What every mail has that is to be sent, whatever it tells.
#[derive(Debug, Clone)]
pub struct Errand {
    /// Its key in the tables; 0 until it is claimed.
    pub mail_id: i64,
    /// In whose hands it is; 0 until it is claimed.
    pub worker: i32,
    /// How often it was tried before.
    pub attempts: i16,
    /// When it was first claimed.
    pub claimed_at: DateTime<Utc>,
    /// The key of the person.
    pub subscriber_id: i64,
    /// To whom.
    pub recipient: Recipient,
    /// What it is known by outside.
    pub message_id: MessageId,
    /// The Message-IDs of the thread that it continues, oldest first.
    pub thread: Vec<String>,
    /// Who runs the mailbox; empty until the mail is admitted.
    pub provider: String,
    /// When it was admitted, and so counted as given to the provider.
    pub admitted_at: DateTime<Utc>,
    /// It finds out whether they take mails again.
    pub probe: bool,
}

impl Errand {
    /// A mail to a person that is to be claimed: a new one, or one that was
    /// begun and goes on.
    pub(super) fn to(
        addressee: &Addressee,
        message_id: MessageId,
        thread: Vec<String>,
        begun: Option<&Unfinished>,
        now: DateTime<Utc>,
    ) -> Self {
        let (attempts, claimed_at) = begun.map_or((0, now), |begun| (begun.attempts, begun.claimed_at));
        Self {
            mail_id: 0,
            worker: 0,
            attempts,
            claimed_at,
            subscriber_id: addressee.id,
            recipient: Recipient {
                person: addressee.public_id,
                address: addressee.address.clone(),
                discreet: addressee.discreet,
                language: addressee.language,
            },
            message_id,
            thread,
            provider: String::new(),
            admitted_at: now,
            probe: false,
        }
    }

    /// The same in a worker's hands.
    pub(super) fn claimed(self, mail_id: i64, worker: i32) -> Self {
        Self { mail_id, worker, ..self }
    }

    /// What tells it from all others.
    pub(super) fn identity(&self) -> Identity<'_> {
        Identity { key: self.mail_id, message_id: &self.message_id, thread: &self.thread }
    }

    /// The domain that it goes to.
    pub(super) fn domain(&self) -> &str {
        self.recipient.address.domain()
    }
}

/// A mail in a worker's hands, whatever it tells.
#[derive(Debug)]
pub(super) enum InHand {
    /// It tells of openings.
    Alert(Claimed),
    /// It tells of none.
    Letter(ClaimedLetter),
}

impl InHand {
    /// The name of its kind.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Alert(mail) => mail.kind.name(),
            Self::Letter(letter) => letter.letter.name(),
        }
    }

    /// What it has in common with all others.
    pub(super) fn errand(&self) -> &Errand {
        match self {
            Self::Alert(mail) => &mail.errand,
            Self::Letter(letter) => &letter.errand,
        }
    }
}
