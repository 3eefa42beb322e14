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
    /// What was scheduled has other dates; an open door stays open.
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
            Some(Door::Announce | Door::Schedule | Door::Open) => true,
            Some(Door::Reschedule) => dated,
            _ => false,
        };
        if let Some(name) = cycle {
            let known = self.openings.iter().position(|opening| opening.cycle.as_ref() == Some(name));
            return known.or_else(|| begins.then(|| self.begin(event))).into_iter().collect();
        }
        let latest = |states: &[State]| {
            self.openings.iter().rposition(|opening| {
                states.contains(&opening.truth.state) && opening.shut_before(event.effective_at).is_none()
            })
        };
        let ahead = latest(&[State::Announced, State::Scheduled]);
        let running = latest(&[State::Open, State::Paused]);
        let last = self.openings.len().checked_sub(1);
        let found = match door {
            Some(Door::Announce | Door::Schedule) => ahead.or_else(|| latest(&[State::Paused])),
            Some(Door::Open) => ahead.or(running).or_else(|| last.filter(|last| !self.is_over(*last, event))),
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
            Some(Door::Shut(_) | Door::Pause) | None => running.or(last),
        };
        found.or_else(|| begins.then(|| self.begin(event))).into_iter().collect()
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
        if matches!(door, Some(Door::Open | Door::Announce | Door::Schedule | Door::Reschedule))
            && !self.begun_by.contains(&event.id)
        {
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
                if matches!(self.truth.state, State::Announced | State::Scheduled) {
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
        if self.truth != before {
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
mod tests {
    use super::*;
    use crate::domain::opening::Closing;
    use chrono::NaiveDate;
    use chrono_tz::Tz;
    use proptest::prelude::*;

    const LONDON: Tz = chrono_tz::Europe::London;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn facts(title: &str, closing: Closing) -> Facts {
        Facts {
            title: title.to_owned(),
            employer: None,
            description: None,
            url: None,
            role_family: vec![],
            rank: vec![],
            audience: vec![],
            contract_kind: vec![],
            hours: vec![],
            locations: vec![],
            site: None,
            grade_text: None,
            pay_text: None,
            pay: None,
            closing,
            zone: LONDON,
        }
    }

    fn event(version: i64, time: &str, happening: Happening) -> Event {
        Event {
            id: version,
            position: Position { version: Some(version), time: at(time) },
            effective_at: at(time),
            seen_at: at(time),
            test: false,
            happening,
        }
    }

    fn opened(version: i64, time: &str, title: &str) -> Event {
        event(version, time, Happening::Opened(Box::new(facts(title, Closing::OpenUntilFilled))))
    }

    fn flap() -> Duration {
        Duration::minutes(30)
    }

    #[test]
    fn a_date_counts_to_its_last_second() {
        let events = [event(
            1,
            "2023-11-24T09:05:12Z",
            Happening::Opened(Box::new(facts("t", Closing::Date(day("2023-12-08"))))),
        )];
        let posting = &Posting::all(&events, flap())[0];
        assert_eq!(posting.phase(at("2023-11-24T09:00:00Z")), Phase::Scheduled);
        assert_eq!(posting.phase(at("2023-12-08T20:00:00Z")), Phase::Open);
        assert_eq!(posting.phase(at("2023-12-08T23:59:59Z")), Phase::Open);
        assert_eq!(posting.phase(at("2023-12-09T00:00:00Z")), Phase::Closed);
    }

    #[test]
    fn a_lower_or_equal_version_overrides_nothing() {
        let first = opened(3, "2024-01-03T00:00:00Z", "third");
        let lower = opened(2, "2024-01-09T00:00:00Z", "second");
        let equal = opened(3, "2024-01-09T00:00:00Z", "another third");
        let title = |events: &[Event]| Posting::all(events, flap())[0].facts.title.clone();
        assert_eq!(title(&[first.clone(), lower, equal]), "third");
        assert_eq!(title(&[first]), "third");
    }

    #[test]
    fn a_late_opening_fills_in_what_later_events_changed() {
        let corrected = event(
            2,
            "2024-01-02T00:00:00Z",
            Happening::Corrected(vec![Change::Site(Some("Perry Barr".into()))]),
        );
        assert_eq!(Posting::all(std::slice::from_ref(&corrected), flap()), []);
        let postings = Posting::all(&[corrected, opened(1, "2024-01-01T00:00:00Z", "t")], flap());
        assert_eq!(postings[0].facts.site.as_deref(), Some("Perry Barr"));
    }

    #[test]
    fn posted_again_after_closing_is_a_new_posting_unless_the_feed_blinked() {
        let shut = |version, time| event(version, time, Happening::Closed(CloseReason::Filled));
        let blink = [
            opened(1, "2024-01-01T09:00:00Z", "t"),
            shut(2, "2024-01-01T10:00:00Z"),
            opened(3, "2024-01-01T10:29:59Z", "t"),
        ];
        assert_eq!(Posting::all(&blink, flap()).len(), 1);
        assert_eq!(Posting::all(&blink, flap())[0].state, State::Posted);
        let again = [blink[0].clone(), blink[1].clone(), opened(3, "2024-01-01T10:30:00Z", "t")];
        let states: Vec<_> = Posting::all(&again, flap()).iter().map(|p| p.state).collect();
        assert_eq!(states, [State::Closed, State::Posted]);
    }

    #[test]
    fn posted_again_after_the_clock_shut_it_is_a_new_posting() {
        let mut first = opened(1, "2024-01-01T09:00:00Z", "t");
        let until = facts("t", Closing::Instant(at("2024-01-20T12:00:00Z")));
        first.happening = Happening::Opened(Box::new(until));
        let before = [first.clone(), opened(2, "2024-01-20T11:59:00Z", "t")];
        assert_eq!(Posting::all(&before, flap()).len(), 1);
        let after = [first, opened(2, "2024-06-01T09:00:00Z", "t")];
        assert_eq!(Posting::all(&after, flap()).len(), 2);
    }

    #[test]
    fn one_event_without_a_version_does_not_undo_the_order_of_the_others() {
        let old = opened(1, "2024-01-01T00:00:00Z", "old");
        // The clocks of the two sources disagree; the versions do not.
        let shut = event(2, "2023-12-31T23:59:00Z", Happening::Closed(CloseReason::Filled));
        let mut note = event(0, "2024-01-03T00:00:00Z", Happening::Corrected(vec![]));
        note.position.version = None;
        assert_eq!(Posting::all(&[shut, note, old], flap())[0].state, State::Closed);
    }

    #[test]
    fn without_versions_time_decides() {
        let mut late = opened(1, "2024-01-02T00:00:00Z", "new");
        late.position.version = None;
        let mut early = opened(2, "2024-01-01T00:00:00Z", "old");
        early.position.version = None;
        assert_eq!(Posting::all(&[late, early], flap())[0].facts.title, "new");
    }

    fn any_event(version: i64) -> impl Strategy<Value = Event> {
        let time = DateTime::from_timestamp(1_700_000_000 + version * 1_000, 0).unwrap();
        prop_oneof![
            "[a-c]".prop_map(|t| Happening::Opened(Box::new(facts(&t, Closing::OpenUntilFilled)))),
            "[a-c]".prop_map(|t| Happening::Corrected(vec![Change::Title(t)])),
            Just(Happening::Closed(CloseReason::Filled)),
            Just(Happening::Withdrawn(CloseReason::PostedInError)),
        ]
        .prop_map(move |happening| Event {
            id: version,
            position: Position { version: Some(version), time },
            effective_at: time,
            seen_at: time,
            test: false,
            happening,
        })
    }

    proptest! {
        /// Whatever order they arrive in, and however often, the truth is the same.
        #[test]
        fn any_order_gives_the_same_truth(
            (events, shuffled) in (1_i64..7)
                .prop_flat_map(|n| (0..n).map(any_event).collect::<Vec<_>>())
                .prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle())),
            again in 0_usize..7,
        ) {
            let mut arrived = shuffled.clone();
            arrived.push(shuffled[again % shuffled.len()].clone());
            prop_assert_eq!(Posting::all(&arrived, flap()), Posting::all(&events, flap()));
        }
    }
}
