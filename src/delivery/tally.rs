//! How many mails ended in which way.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::store::tries::Outcome;

/// What became of mails since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Accepted by the mail server.
    pub accepted: u64,
    /// To be tried again.
    pub deferred: u64,
    /// Nobody knows whether they arrived.
    pub unknown: u64,
    /// Refused for good, given up, or held back by our own checks.
    pub failed: u64,
    /// Not sent, because the address is not one that gets mail here.
    pub withheld: u64,
}

/// Counts what becomes of mails; see [`Tally`].
#[derive(Debug, Default)]
pub(super) struct Counters {
    accepted: AtomicU64,
    deferred: AtomicU64,
    unknown: AtomicU64,
    withheld: AtomicU64,
    failed: AtomicU64,
}

impl Counters {
    /// What has become of mails so far.
    pub(super) fn so_far(&self) -> Tally {
        Tally {
            accepted: self.accepted.load(Ordering::Relaxed),
            deferred: self.deferred.load(Ordering::Relaxed),
            unknown: self.unknown.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            withheld: self.withheld.load(Ordering::Relaxed),
        }
    }

    /// Counts one more.
    pub(super) fn count(&self, outcome: &Outcome) {
        let counter = match outcome {
            Outcome::Accepted => &self.accepted,
            Outcome::Deferred(_) | Outcome::Lost(_) => &self.deferred,
            Outcome::Unknown(_) => &self.unknown,
            Outcome::Withheld => &self.withheld,
            Outcome::Refused | Outcome::Held | Outcome::GivenUp => &self.failed,
            Outcome::Returned => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
