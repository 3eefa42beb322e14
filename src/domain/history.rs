//! From the events about one subject to its openings.
//!
//! An opening is the fold of the events about it, in the order of their
//! versions: [`openings`]. Whatever order they arrive in, the same events give
//! the same openings, and a lower version never overrides what a higher one
//! said.

use chrono::{DateTime, Duration, Utc};
use chrono_tz::Tz;

use crate::domain::facts::{Change, Facts};
use crate::domain::opening::{Heard, Opening};
use crate::domain::subject::Kind;
use crate::domain::truth::{CloseReason, State};

/// What an event says about the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// It will open, nobody says when.
    Announce,
    /// It will open at a known time.
    Schedule,
    /// What was scheduled has other dates, and an event day that was postponed
    /// has a date again; an open door stays open.
    Reschedule,
    /// It opens.
    Open,
    /// It shuts.
    Shut(CloseReason),
    /// It shuts for a while.
    Pause,
    /// It is taken away.
    Withdraw(CloseReason),
}

/// What an event says happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Happening {
    /// What became of the door, if anything.
    pub door: Option<Door>,
    /// The cycle of a programme that it is about, if it says.
    pub cycle: Option<String>,
    /// What it says otherwise. What it does not name stays; only a vacancy
    /// that is posted says everything anew.
    pub changes: Vec<Change>,
}

/// Where an event stands among the others about the same subject: by version
/// where the feed gives one, else by the time at which the source says it
/// happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The event's `entityversion`.
    pub version: Option<i64>,
    /// The event's `time`.
    pub time: DateTime<Utc>,
}

impl Position {
    /// What a programme's cycle is called that begins with the event at this
    /// place, if the producer gives it no name.
    fn name(self) -> String {
        match self.version {
            Some(version) => format!("v{version}"),
            None => self.time.format("t%Y%m%dT%H%M%SZ").to_string(),
        }
    }
}

/// An event, in its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its key where it is kept; rises in order of arrival.
    pub id: i64,
    /// Where it stands among the others.
    pub position: Position,
    /// From when it is true (`effectiveAt`, else `time`).
    pub effective_at: DateTime<Utc>,
    /// When it was first seen here.
    pub seen_at: DateTime<Utc>,
    /// Made only to try the road: it may reach nobody but the testers.
    pub test: bool,
    /// The zone of its dates, unless what it says names another.
    pub zone: Tz,
    /// What it says.
    pub happening: Happening,
}

impl Event {
    /// When it happened and when it was seen.
    pub(super) fn heard(&self) -> Heard {
        Heard { time: self.position.time, seen: self.seen_at }
    }
}

/// The openings that the events about one subject add up to, oldest first.
///
/// The slice is in order of arrival; only events of equal position depend on
/// it (the first one counts). What is opened again after it was shut begins a
/// new opening, unless less than `flap_window` went by or the producer says
/// that it is the same cycle. Events from before the first opening say nothing
/// on their own.
#[must_use]
pub fn openings(kind: Kind, events: &[Event], flap_window: Duration) -> Vec<Opening> {
    let mut fold = Fold { kind, flap_window, openings: Vec::new() };
    for event in in_order(events) {
        for index in fold.concerned(event) {
            fold.openings[index].hear(event);
        }
    }
    // A day of which nobody has said when it is cannot be told of.
    fold.openings.retain(|opening| kind != Kind::EventDay || opening.truth.facts.day.is_some());
    fold.openings
}

struct Fold {
    kind: Kind,
    flap_window: Duration,
    openings: Vec<Opening>,
}

impl Fold {
    /// The openings that an event is about; a new one, if it begins one.
    fn concerned(&mut self, event: &Event) -> Vec<usize> {
        let last = self.openings.len().checked_sub(1);
        match self.kind {
            Kind::Programme => self.cycles(event),
            Kind::EventDay => match (last, event.happening.door) {
                (None, Some(Door::Open)) => vec![self.begin(event)],
                (last, _) => last.into_iter().collect(),
            },
            Kind::Vacancy => match (last, event.happening.door) {
                (Some(last), Some(Door::Open)) if !self.is_over(last, event) => vec![last],
                (_, Some(Door::Open)) => vec![self.begin(event)],
                (last, _) => last.into_iter().collect(),
            },
        }
    }

    fn cycles(&mut self, event: &Event) -> Vec<usize> {
        let Happening { door, cycle, changes } = &event.happening;
        let dated = changes.iter().any(|change| matches!(change, Change::Opens(Some(_))));
        let begins = match door {
            Some(Door::Announce | Door::Schedule | Door::Open | Door::Withdraw(_)) => true,
            Some(Door::Reschedule) => dated,
            _ => false,
        };
        if let Some(name) = cycle {
            let known = self
                .openings
                .iter()
                .position(|opening| opening.cycle.as_ref() == Some(name))
                .or_else(|| self.adopted(name, event));
            return known.or_else(|| begins.then(|| self.begin(event))).into_iter().collect();
        }
        let latest = |is: fn(State) -> bool| {
            self.openings.iter().rposition(|opening| {
                is(opening.truth.state) && opening.shut_before(event.effective_at).is_none()
            })
        };
        let ahead = latest(State::is_ahead);
        let running = latest(State::is_running);
        let last = self.openings.len().checked_sub(1);
        let begun = self.openings.iter().rposition(|opening| !opening.truth.state.is_ahead());
        let found = match door {
            Some(Door::Announce | Door::Schedule) => ahead.or_else(|| latest(|state| state == State::Paused)),
            Some(Door::Open) => {
                let due =
                    ahead.filter(|&ahead| self.openings[ahead].is_due(event.effective_at + self.flap_window));
                let blinked = begun.filter(|&begun| !self.is_over(begun, event));
                due.or(running).or(blinked).or(ahead)
            }
            Some(Door::Reschedule) => ahead.or(running),
            Some(Door::Withdraw(_)) => {
                let shut = |opening: &Opening| opening.shut_before(event.effective_at).is_some();
                let live: Vec<usize> =
                    (0..self.openings.len()).filter(|index| !shut(&self.openings[*index])).collect();
                if !live.is_empty() {
                    return live;
                }
                // Who registered is to hear of it, even if it has never opened.
                Some(last.unwrap_or_else(|| self.begin(event)))
            }
            Some(Door::Pause) => running.or(ahead).or(last),
            Some(Door::Shut(_)) | None => {
                // What is cancelled was to come; and that the clock has shut one does not make it the next
                // one that is meant.
                let unsaid = begun.filter(|&begun| self.openings[begun].truth.state.is_running());
                let cancelled =
                    matches!(door, Some(Door::Shut(CloseReason::Cancelled | CloseReason::PostedInError)));
                running.or(ahead.filter(|_| cancelled)).or(unsaid).or(last)
            }
        };
        found.or_else(|| begins.then(|| self.begin(event))).into_iter().collect()
    }

    /// The cycle without a name, still ahead or open, that a name comes for.
    fn adopted(&mut self, name: &str, event: &Event) -> Option<usize> {
        let announces = event.happening.door == Some(Door::Announce);
        let index = self.openings.iter().rposition(|opening| {
            let live = opening.shut_before(event.effective_at).is_none();
            opening.unnamed && live && (!announces || opening.truth.state == State::Announced)
        })?;
        self.openings[index].cycle = Some(name.to_owned());
        self.openings[index].unnamed = false;
        Some(index)
    }

    /// Whether an opening was shut so long before an event that it is no blink.
    fn is_over(&self, index: usize, event: &Event) -> bool {
        self.openings[index]
            .shut_before(event.effective_at)
            .is_some_and(|at| event.effective_at - at >= self.flap_window)
    }

    fn begin(&mut self, event: &Event) -> usize {
        let cycle = (self.kind == Kind::Programme)
            .then(|| event.happening.cycle.clone().unwrap_or_else(|| event.position.name()));
        let mut opening = Opening::begin(self.kind, cycle, event);
        opening.unnamed = self.kind == Kind::Programme && event.happening.cycle.is_none();
        opening.begun_by.push(event.id);
        self.openings.push(opening);
        self.openings.len() - 1
    }
}

impl Opening {
    /// Takes in what an event says.
    fn hear(&mut self, event: &Event) {
        let before = self.truth.clone();
        let door = event.happening.door;
        // A route that is gone before it was heard of begins with that.
        let may_begin = !matches!(door, None | Some(Door::Shut(_) | Door::Pause));
        if may_begin && !self.begun_by.contains(&event.id) {
            self.begun_by.push(event.id);
        }
        if self.kind == Kind::Vacancy && door == Some(Door::Open) {
            self.truth.facts = Facts::blank(self.truth.facts.zone);
        }
        self.apply(&event.happening.changes);
        let set = |opening: &mut Self, state, reason| {
            opening.set(state, reason, event.effective_at, event.position.time);
        };
        match door {
            None => {}
            Some(Door::Announce) => set(self, State::Announced, None),
            Some(Door::Schedule) => set(self, State::Scheduled, None),
            Some(Door::Reschedule) => {
                if self.kind == Kind::EventDay && self.truth.state == State::Paused {
                    // It was postponed, and has a date again.
                    set(self, State::Open, None);
                } else if self.truth.state.is_ahead() {
                    let dated = self.truth.facts.opens.is_some();
                    set(self, if dated { State::Scheduled } else { State::Announced }, None);
                }
            }
            Some(Door::Open) => set(self, State::Open, None),
            Some(Door::Shut(reason)) => set(self, State::Closed, Some(reason)),
            Some(Door::Pause) => set(self, State::Paused, None),
            Some(Door::Withdraw(reason)) => set(self, State::Withdrawn, Some(reason)),
        }
        self.position = event.position;
        // A later version of an older time does not make what is new old.
        if self.truth != before && self.news.time <= event.position.time {
            self.news = event.heard();
        }
    }
}

/// The events by version; of several with the same version the one that
/// arrived first. One without a version stands after the last one that is not
/// younger.
fn in_order(events: &[Event]) -> Vec<&Event> {
    let (mut ordered, mut unversioned): (Vec<&Event>, Vec<&Event>) =
        events.iter().partition(|event| event.position.version.is_some());
    ordered.sort_by_key(|event| event.position.version);
    ordered.dedup_by_key(|event| event.position.version);
    unversioned.sort_by_key(|event| event.position.time);
    for event in unversioned {
        let not_younger = |other: &&Event| other.position.time <= event.position.time;
        let place = ordered.iter().rposition(not_younger).map_or(0, |last| last + 1);
        ordered.insert(place, event);
    }
    ordered
}

#[cfg(test)]
mod tests;
