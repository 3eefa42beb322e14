//! What a mail tells of.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::compose::MailKind;
use crate::delivery::asking::Before;
use crate::delivery::claim::Rules;
use crate::domain::alert::{Manner, Notice};
use crate::domain::cadence::{ScheduleName, Slot};
use crate::domain::subject::Kind;
use crate::domain::truth::Phase;
use crate::store::alerts::Wait;
use crate::store::mails::Unfinished;
use crate::store::openings::Kept;
use crate::store::subscribers::KeptRegistration;

/// An opening that a mail tells of.
#[derive(Debug, Clone)]
pub struct Topic {
    /// What is so, at the claim.
    pub kept: Arc<Kept>,
    /// What is to be told of it...
    pub notice: Notice,
    /// ...and how.
    pub manner: Manner,
    /// How the door stands, as it is told.
    pub phase: Phase,
    /// What they were told before.
    pub told: Option<Before>,
    /// The names of all of the person's searches that ask for it, or for what
    /// was told...
    pub searches: Vec<String>,
    /// ...and their keys.
    pub search_keys: Vec<i64>,
    /// The registration that it answers, and whether this mail is its receipt.
    pub registration: Option<(KeptRegistration, bool)>,
    /// What all of the person's registrations are for that reach it.
    pub programmes: Vec<String>,
    /// What they asked for matched what was told and does not match any more.
    pub no_longer_matches: bool,
    /// They may have been told of it in a mail of which nobody knows whether it
    /// arrived.
    pub perhaps_told: bool,
}

impl Topic {
    /// Whether it is over, and a line in a digest.
    pub(super) fn is_line(&self) -> bool {
        self.notice == Notice::Missed && self.manner != Manner::AtOnce
    }

    /// In which kind of mail it is told.
    pub(super) fn mail_kind(&self) -> MailKind {
        mail_kind(self.kept.opening.kind, &self.notice, self.manner)
    }

    /// Whether this mail, which was begun, tells of it.
    pub(super) fn continues(&self, mail: &Unfinished) -> bool {
        let digest = mail.kind == MailKind::Digest.name() && self.manner != Manner::AtOnce;
        mail.openings.contains(&self.kept.id) && (digest || mail.kind == self.mail_kind().name())
    }

    /// The slot of the digest that it goes with...
    pub(super) fn slot(&self) -> Option<Slot> {
        match self.manner {
            Manner::Digest(slot, _) => Some(slot),
            Manner::AtOnce | Manner::Unhurried(_) => None,
        }
    }

    /// ...and its schedule.
    pub(super) fn schedule(&self, rules: &Rules) -> Option<ScheduleName> {
        self.slot().map(|slot| rules.policy.rhythm.in_effect(slot.schedule))
    }

    /// It is no haste, and waits.
    pub(super) fn waits(&self, person: i64, until: DateTime<Utc>) -> Wait {
        Wait { subscriber_id: person, opening_id: self.kept.id, until, unhurried: true }
    }

    /// What shuts soonest comes first, what has no end last.
    pub(super) fn soonest_first(&self) -> (bool, Option<DateTime<Utc>>, i64) {
        let shuts = self.kept.opening.truth.door_shuts_at();
        (shuts.is_none(), shuts, self.kept.id)
    }
}

/// In which kind of mail a notice goes out.
pub(super) fn mail_kind(kind: Kind, notice: &Notice, manner: Manner) -> MailKind {
    match manner {
        Manner::Digest(..) => MailKind::Digest,
        Manner::AtOnce | Manner::Unhurried(_) => MailKind::of(kind, notice),
    }
}
