//! One thing that people can be told about: a vacancy's posting, a programme's
//! cycle, or an event day.

use std::collections::BTreeSet;

use chrono::{DateTime, Duration, Utc};

use crate::domain::facts::{Change, Facts};
use crate::domain::history::{Event, Position};
use crate::domain::subject::Kind;
use crate::domain::taxonomy::Taxonomy;
use crate::domain::truth::{CloseReason, State, Truth};

/// When something happened at the source, and when it was first seen here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// When the source says it happened.
    pub time: DateTime<Utc>,
    /// When it was first seen here.
    pub seen: DateTime<Utc>,
}

impl Heard {
    /// Whether it was old when it came.
    #[must_use]
    pub fn is_old_news(self, max_age: Duration) -> bool {
        self.seen - self.time > max_age
    }
}

/// The last moves of a door: opened, shut, paused, taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moves {
    /// The last one.
    pub last: Option<DateTime<Utc>>,
    /// The one before.
    pub before: Option<DateTime<Utc>>,
}

impl Moves {
    fn moved(&mut self, at: DateTime<Utc>) {
        self.before = self.last;
        self.last = Some(at);
    }
}

/// An opening, as its events add up to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Opening {
    /// What kind of thing it is.
    pub kind: Kind,
    /// The name of a programme's cycle, as the producer gave it or as it
    /// follows from the event that began it.
    pub cycle: Option<String>,
    /// No event has named the cycle so far.
    pub unnamed: bool,
    /// What is so.
    pub truth: Truth,
    /// The last moves of the door.
    pub moves: Moves,
    /// The event that began it.
    pub begun: Heard,
    /// The youngest of the events that changed the truth.
    pub news: Heard,
    /// The event that spoke last.
    pub position: Position,
    /// How full it is, in hundredths, as last reported. Nobody is written to
    /// because of it.
    pub percent_full: Option<f64>,
    /// Begun by a test event.
    pub test: bool,
    /// The keys of the events that began it, or began it again: by these it is
    /// the same opening whatever arrives later.
    pub begun_by: Vec<i64>,
}

/// Until when to wait after a door moved, because feeds blink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settling {
    /// After any move.
    pub settle: Duration,
    /// Two moves within this time are a blink.
    pub flap_window: Duration,
}

impl Opening {
    /// A new one, of which nothing is known but the event that begins it.
    pub(super) fn begin(kind: Kind, cycle: Option<String>, event: &Event) -> Self {
        Self {
            kind,
            cycle,
            unnamed: false,
            truth: Truth::new(State::Announced, Facts::blank(event.zone)),
            moves: Moves::default(),
            begun: event.heard(),
            news: event.heard(),
            position: event.position,
            percent_full: None,
            test: event.test,
            begun_by: vec![],
        }
    }

    /// Puts the door into a state from `at` on, by an event of the time `said`.
    pub(super) fn set(
        &mut self,
        state: State,
        reason: Option<CloseReason>,
        at: DateTime<Utc>,
        said: DateTime<Utc>,
    ) {
        let before = self.truth.state;
        if state != before && !(before.is_ahead() && state.is_ahead()) {
            // What is said beforehand has settled by the time it is true.
            let beforehand = matches!(state, State::Closed | State::Withdrawn);
            self.moves.moved(if beforehand { at.min(said) } else { at });
        }
        self.truth.state = state;
        self.truth.close_reason = reason;
        match state {
            State::Open => {
                // What is open and is said to be open has been open all the time.
                let is_open = |since: &DateTime<Utc>| before == State::Open && *since <= at.min(said);
                let opened_at = self.truth.opened_at.filter(is_open).unwrap_or(at);
                self.truth.opened_at = Some(opened_at);
                self.moves.last = Some(opened_at);
                self.truth.shut_at = None;
                self.truth.gone_at = None;
                self.truth.explanation = None;
                self.truth.replaced_by = None;
                self.truth.earliest = None;
                self.truth.next_expected = None;
            }
            State::Announced | State::Scheduled => {
                self.truth.opened_at = None;
                self.truth.shut_at = None;
                self.truth.gone_at = None;
            }
            State::Closed => self.truth.shut_at = Some(at),
            State::Withdrawn => {
                // What was shut before stays shut since then.
                let before = self.truth.shut_at.filter(|shut| before == State::Closed && *shut <= at);
                self.truth.shut_at = Some(before.unwrap_or(at));
                self.truth.gone_at = Some(at);
            }
            State::Paused => {}
        }
    }

    /// Makes changes to what it says.
    pub(super) fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            match change.clone() {
                Change::Explanation(text) => self.truth.explanation = text,
                Change::ReplacedBy(reference) => self.truth.replaced_by = reference,
                Change::Earliest(when) => self.truth.earliest = when,
                Change::NextExpected(when) => self.truth.next_expected = when,
                Change::RegistrationStaysOpen(stays) => self.truth.registration_stays_open = stays,
                Change::PercentFull(percent) => self.percent_full = percent,
                change => self.truth.facts.apply(change),
            }
        }
    }

    /// When the door was shut before a moment, by an event or by the clock.
    pub(super) fn shut_before(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let by_event =
            self.truth.shut_at.filter(|_| matches!(self.truth.state, State::Closed | State::Withdrawn));
        let by_clock = self.truth.facts.door_shuts_at().filter(|shut| *shut <= at);
        [by_event, by_clock].into_iter().flatten().min()
    }

    /// Whether the date on which it is to open is no later than a moment, or
    /// nobody has given one.
    pub(super) fn is_due(&self, by: DateTime<Utc>) -> bool {
        let facts = &self.truth.facts;
        facts.opens.is_none_or(|opens| opens.first_moment(facts.zone) <= by)
    }

    /// The programmes whose registrants a cycle of `programme` concerns: its
    /// own, and all that it is part of. An announcement may speak of several.
    #[must_use]
    pub fn answers<'a>(&'a self, programme: &'a str, taxonomy: &'a Taxonomy) -> BTreeSet<&'a str> {
        let members = self.truth.facts.programme.iter().flat_map(|facts| &facts.members);
        let announced = members.map(String::as_str).filter(|_| self.truth.state == State::Announced);
        let mut answers = BTreeSet::new();
        for slug in std::iter::once(programme).chain(announced) {
            answers.extend(taxonomy.programmes().within(slug));
            answers.insert(slug);
        }
        answers
    }

    /// Before this moment nothing is said about a move of the door: it may be
    /// a blink. After a second move within the flap window that is the rest of
    /// the window; for a vacancy that vanished from the site, all of it.
    #[must_use]
    pub fn settles_at(&self, settling: Settling) -> Option<DateTime<Utc>> {
        let last = self.moves.last?;
        let vanished =
            self.truth.state == State::Closed && self.truth.close_reason == Some(CloseReason::Withdrawn);
        let settled = last + if vanished { settling.flap_window } else { settling.settle };
        let blinked = self.moves.before.map(|before| before + settling.flap_window);
        Some(blinked.filter(|until| *until > last).map_or(settled, |until| until.max(settled)))
    }

    /// From when on somebody who knows nothing of it could be told it as it is:
    /// whoever follows a schedule is told at its next tick after this.
    #[must_use]
    pub fn tellable_from(&self, settling: Settling) -> DateTime<Utc> {
        let known = self.begun.seen.max(self.news.seen);
        self.settles_at(settling).map_or(known, |settled| settled.max(known))
    }
}
