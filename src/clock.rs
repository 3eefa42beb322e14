//! The one place that reads the time of day. Everything else is told.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Duration, Utc};

/// Where "now" comes from.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// A clock that stands still, for rehearsals and tests; it moves when it
    /// is told to.
    Standing(Arc<AtomicI64>),
    /// The machine's clock, moved: a rehearsal that runs.
    Moved(Duration),
}

impl Clock {
    /// A clock that stands at `now`.
    #[must_use]
    pub fn standing(now: DateTime<Utc>) -> Self {
        Self::Standing(Arc::new(AtomicI64::new(now.timestamp_micros())))
    }

    /// A clock that shows `now` at this moment and goes on from there.
    #[must_use]
    pub fn starting_at(now: DateTime<Utc>) -> Self {
        Self::Moved(now - Self::System.now())
    }

    /// Moves a standing clock; the others cannot be moved and stay as they are.
    pub fn set(&self, now: DateTime<Utc>) {
        if let Self::Standing(micros) = self {
            micros.store(now.timestamp_micros(), Ordering::Relaxed);
        }
    }

    /// The time it is, to the microsecond, which is what Postgres keeps.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn now(&self) -> DateTime<Utc> {
        let system = || {
            let now = Utc::now();
            DateTime::from_timestamp_micros(now.timestamp_micros()).unwrap_or(now)
        };
        match self {
            Self::System => system(),
            Self::Standing(micros) => {
                DateTime::from_timestamp_micros(micros.load(Ordering::Relaxed)).unwrap_or_else(system)
            }
            Self::Moved(by) => system() + *by,
        }
    }
}

/// So far may the clocks of the machine and of the database be apart.
pub const APART: Duration = Duration::seconds(5);

/// How far the machine's clock is ahead of the database's, as it was measured last; none if the database
/// did not answer.
#[derive(Debug, Clone, Default)]
pub struct Offset(Arc<Mutex<Option<Duration>>>);

impl Offset {
    /// Notes what was measured.
    pub fn set(&self, measured: Option<Duration>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = measured;
    }

    /// What was measured last.
    #[must_use]
    pub fn get(&self) -> Option<Duration> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
