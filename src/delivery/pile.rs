//! Mails that have been claimed and wait for a line, shared out so that a
//! provider whose mails take long leaves lines for all others.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::delivery::lanes::Parcel;

/// What waits, and what is on the lines.
pub(super) struct Pile {
    heaps: Mutex<Heaps>,
    changed: Notify,
    /// Lines that one provider may have at once.
    share: usize,
    /// A provider that has its whole share for so long is slow.
    patience: Duration,
}

#[derive(Default)]
struct Heaps {
    waiting: VecDeque<Parcel>,
    /// Since when mails to a provider are on lines.
    sending: HashMap<String, Vec<Instant>>,
    closed: bool,
}

/// A mail on a line. Dropped, the line is free for others.
pub(super) struct Turn<'a> {
    pile: &'a Pile,
    provider: String,
    since: Instant,
}

impl Pile {
    /// An empty one. A quarter of the lines, if there are so many, is kept from
    /// any single provider.
    pub(super) fn new(lines: usize, patience: Duration) -> Self {
        Self { heaps: Mutex::default(), changed: Notify::new(), share: lines - lines / 4, patience }
    }

    fn heaps(&self) -> MutexGuard<'_, Heaps> {
        self.heaps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a mail.
    pub(super) fn put(&self, parcel: Parcel) {
        self.heaps().waiting.push_back(parcel);
        self.changed.notify_one();
    }

    /// Nothing more will be added.
    pub(super) fn close(&self) {
        self.heaps().closed = true;
        self.changed.notify_waiters();
        self.changed.notify_one();
    }

    /// The first mail whose provider has a line to spare; `None` when the pile is
    /// closed and empty.
    pub(super) async fn take(&self) -> Option<(Parcel, Turn<'_>)> {
        loop {
            let changed = self.changed.notified();
            {
                let mut heaps = self.heaps();
                if let Some(taken) = self.first(&mut heaps) {
                    return Some(taken);
                }
                if heaps.closed && heaps.waiting.is_empty() {
                    // The others that wait are to see it, too.
                    self.changed.notify_one();
                    return None;
                }
            }
            changed.await;
        }
    }

    fn first(&self, heaps: &mut Heaps) -> Option<(Parcel, Turn<'_>)> {
        let spare = |parcel: &Parcel| {
            heaps.sending.get(&parcel.mail.errand().provider).is_none_or(|sending| sending.len() < self.share)
        };
        let index = heaps.waiting.iter().position(spare)?;
        let parcel = heaps.waiting.remove(index)?;
        let provider = parcel.mail.errand().provider.clone();
        let since = Instant::now();
        heaps.sending.entry(provider.clone()).or_default().push(since);
        Some((parcel, Turn { pile: self, provider, since }))
    }

    /// Providers that have had their whole share for a while: for others there
    /// may be no room in hand, though there are lines.
    pub(super) fn slow_providers(&self) -> Vec<String> {
        let heaps = self.heaps();
        let slow = heaps.sending.iter().filter(|(_, sending)| {
            sending.len() >= self.share && sending.iter().all(|since| since.elapsed() >= self.patience)
        });
        slow.map(|(provider, _)| provider.clone()).collect()
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut heaps = self.pile.heaps();
        if let Some(sending) = heaps.sending.get_mut(&self.provider) {
            if let Some(index) = sending.iter().position(|since| *since == self.since) {
                sending.swap_remove(index);
            }
            if sending.is_empty() {
                heaps.sending.remove(&self.provider);
            }
        }
        drop(heaps);
        self.pile.changed.notify_one();
    }
}
