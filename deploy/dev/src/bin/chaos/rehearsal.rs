//! The clock of a scene, by which all its daemons go.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use chrono::{DateTime, Duration, SecondsFormat, Utc};

/// When the programme has been open for so long that people hear of it: its door settles for two minutes.
const BEGIN: &str = "2024-03-05T10:02:30Z";
/// When people are imported.
pub(crate) const BEFORE: &str = "2024-03-01T09:00:00Z";

/// A clock that began in the spring of 2024 and goes on, with leaps.
pub(crate) struct Rehearsal {
    begin: DateTime<Utc>,
    since: Instant,
    leapt: AtomicI64,
}

impl Rehearsal {
    /// It begins now.
    pub(crate) fn begin() -> anyhow::Result<Self> {
        Ok(Self { begin: BEGIN.parse()?, since: Instant::now(), leapt: AtomicI64::new(0) })
    }

    /// The time it is.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        let gone = Duration::from_std(self.since.elapsed()).unwrap_or_default();
        self.begin + gone + Duration::seconds(self.leapt.load(Ordering::Relaxed))
    }

    /// The time it is, as commands take it.
    pub(crate) fn text(&self) -> String {
        text(self.now())
    }

    /// It leaps ahead.
    pub(crate) fn leap(&self, by: Duration) {
        self.leapt.fetch_add(by.num_seconds(), Ordering::Relaxed);
    }
}

/// A moment as commands take it.
pub(crate) fn text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}
