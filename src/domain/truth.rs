//! What is so: the state of an opening that somebody decided, and the phase
//! that follows from it and the clock.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::facts::{Facts, When};

/// Why a door shut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CloseReason {
    /// The time was up.
    Deadline,
    /// More people applied than were wanted.
    Oversubscribed,
    /// The cap was reached.
    Capacity,
    /// Somebody was found.
    Filled,
    /// Something went wrong at the source.
    Error,
    /// For a while.
    Paused,
    /// It will not be filled.
    Cancelled,
    /// Taken down.
    Withdrawn,
    /// It should never have been put up.
    PostedInError,
    /// Waiting, quietly.
    OnHold,
    /// Before the time that was given.
    Early,
}

/// What somebody decided about the door. That a closing passes is a matter of
/// the clock, see [`Truth::phase`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It will open, nobody says when.
    Announced,
    /// It will open at a known time.
    Scheduled,
    /// It is open, or will be from [`Truth::opened_at`].
    Open,
    /// It is shut.
    Closed,
    /// No applications are taken for a while.
    Paused,
    /// It is gone.
    Withdrawn,
}

impl State {
    /// Whether it is still to open.
    #[must_use]
    pub fn is_ahead(self) -> bool {
        matches!(self, Self::Announced | Self::Scheduled)
    }

    /// Whether it has opened and nobody has shut it for good.
    #[must_use]
    pub fn is_running(self) -> bool {
        matches!(self, Self::Open | Self::Paused)
    }
}

/// What people see at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// It will open, nobody says when.
    Announced,
    /// It will open, and is not open yet.
    Scheduled,
    /// People can apply.
    Open,
    /// People cannot apply any more.
    Closed,
    /// People cannot apply for a while.
    Paused,
    /// It is gone.
    Withdrawn,
}

/// All that there is to tell about an opening. What a person was told is a
/// truth, too: the one of then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Truth {
    /// What was decided about the door.
    pub state: State,
    /// Why it is shut, if it is.
    pub close_reason: Option<CloseReason>,
    /// From when it is open, once somebody has opened it.
    pub opened_at: Option<DateTime<Utc>>,
    /// When an event shut it.
    pub shut_at: Option<DateTime<Utc>>,
    /// From when it is gone, if it is taken away.
    #[serde(default)]
    pub gone_at: Option<DateTime<Utc>>,
    /// Why, in the source's words for everybody.
    pub explanation: Option<String>,
    /// What takes its place: a requisition number, or a programme's slug.
    pub replaced_by: Option<String>,
    /// When a paused door opens again, at the earliest.
    pub earliest: Option<When>,
    /// When it is expected to open the next time.
    pub next_expected: Option<When>,
    /// Whether who registered stays registered.
    pub registration_stays_open: bool,
    /// What it says.
    pub facts: Facts,
}

impl Truth {
    /// A door in this state with these facts, of which nothing else is known.
    #[must_use]
    pub const fn new(state: State, facts: Facts) -> Self {
        Self {
            state,
            close_reason: None,
            opened_at: None,
            shut_at: None,
            gone_at: None,
            explanation: None,
            replaced_by: None,
            earliest: None,
            next_expected: None,
            registration_stays_open: true,
            facts,
        }
    }

    /// What people see at `now`.
    #[must_use]
    pub fn phase(&self, now: DateTime<Utc>) -> Phase {
        // An event day whose bookings have closed is still to come.
        let over_at = match &self.facts.day {
            Some(day) => Some(day.starts_at),
            None => self.facts.door_shuts_at(),
        };
        let shut_by_clock = || over_at.is_some_and(|over| over <= now);
        match self.state {
            State::Withdrawn => Phase::Withdrawn,
            // Said beforehand: the door is open until then.
            State::Closed if self.shut_at.is_some_and(|at| now < at) && !shut_by_clock() => Phase::Open,
            State::Closed => Phase::Closed,
            State::Announced | State::Scheduled | State::Open | State::Paused if shut_by_clock() => {
                Phase::Closed
            }
            State::Announced => Phase::Announced,
            State::Scheduled => Phase::Scheduled,
            State::Paused => Phase::Paused,
            State::Open if self.opened_at.is_some_and(|at| now < at) => Phase::Scheduled,
            State::Open => Phase::Open,
        }
    }

    /// When the door shuts, or shut: by an event, or by the clock. `None` while
    /// no end is known.
    #[must_use]
    pub fn door_shuts_at(&self) -> Option<DateTime<Utc>> {
        let by_event = self.shut_at.filter(|_| matches!(self.state, State::Closed | State::Withdrawn));
        [self.facts.door_shuts_at(), by_event].into_iter().flatten().min()
    }

    /// When the door opens, or opened, as far as that is known.
    #[must_use]
    pub fn door_opens_at(&self) -> Option<DateTime<Utc>> {
        self.opened_at.or_else(|| Some(self.facts.opens?.first_moment(self.facts.zone)))
    }
}
