//! The truth about one posting of one vacancy.
//!
//! It is the fold of the events about it, in the order of their versions:
//! [`Posting::all`]. Whatever order they arrive in, the same events give the
//! same posting, and a lower version never overrides what a higher one said.

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::opening::{Change, Facts};

/// What an event says happened to a vacancy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// It was posted, with all facts.
    Opened(Box<Facts>),
    /// Some facts changed.
    Corrected(Vec<Change>),
    /// The door shut.
    Closed(CloseReason),
    /// It was taken down.
    Withdrawn(CloseReason),
}

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

/// Where an event stands among the others about the same vacancy: by version
/// where the feed gives one, else by the time at which the source says it
/// happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The event's `entityversion`.
    pub version: Option<i64>,
    /// The event's `time`.
    pub time: DateTime<Utc>,
}

/// An event about a vacancy, in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// What it says.
    pub happening: Happening,
}

/// Whether the door is open, as somebody decided; the clock may shut it too,
/// see [`Posting::phase`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Up.
    Posted,
    /// Shut by an event.
    Closed,
    /// Taken down by an event.
    Withdrawn,
}

/// What people see of a posting at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// It will be true, and is not yet.
    Scheduled,
    /// People can apply.
    Open,
    /// People cannot apply any more.
    Closed,
    /// It is gone.
    Withdrawn,
}

/// The truth about one posting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posting {
    /// What the advert says now.
    pub facts: Facts,
    /// What was decided about the door.
    pub state: State,
    /// Why it is shut, if it is.
    pub close_reason: Option<CloseReason>,
    /// From when it is open.
    pub opens_at: DateTime<Utc>,
    /// When the event that posted it happened, and when it was first seen
    /// here.
    pub posted: (DateTime<Utc>, DateTime<Utc>),
    /// The event that spoke last.
    pub position: Position,
    /// Posted by a test event.
    pub test: bool,
    /// The keys of the events that posted it: by these it is the same posting
    /// whatever arrives later.
    pub posted_by: Vec<i64>,
}

impl Posting {
    /// The postings of one vacancy that its events add up to, oldest first.
    ///
    /// The slice is in order of arrival; only events of equal position depend
    /// on it (the first one counts). A vacancy posted again after it was shut
    /// begins a new posting, unless less than `flap_window` went by: feeds
    /// blink. Events from before the first posting say nothing on their own.
    #[must_use]
    pub fn all(events: &[Event], flap_window: Duration) -> Vec<Self> {
        let mut postings: Vec<Self> = Vec::new();
        let mut shut_at = None;
        for event in in_order(events) {
            match (&event.happening, postings.last_mut()) {
                (Happening::Opened(facts), Some(posting))
                    if posting
                        .shut_before(event, shut_at)
                        .is_none_or(|at| event.effective_at - at < flap_window) =>
                {
                    posting.posted_by.push(event.id);
                    posting.facts = (**facts).clone();
                    posting.state = State::Posted;
                    posting.close_reason = None;
                    posting.opens_at = event.effective_at;
                    posting.position = event.position;
                    shut_at = None;
                }
                (Happening::Opened(facts), _) => {
                    postings.push(Self {
                        facts: (**facts).clone(),
                        state: State::Posted,
                        close_reason: None,
                        opens_at: event.effective_at,
                        posted: (event.position.time, event.seen_at),
                        position: event.position,
                        test: event.test,
                        posted_by: vec![event.id],
                    });
                    shut_at = None;
                }
                (_, None) => {}
                (Happening::Corrected(changes), Some(posting)) => {
                    for change in changes {
                        posting.facts.apply(change.clone());
                    }
                    posting.position = event.position;
                }
                (Happening::Closed(reason), Some(posting)) => {
                    posting.shut(State::Closed, *reason, event.position);
                    shut_at = Some(event.effective_at);
                }
                (Happening::Withdrawn(reason), Some(posting)) => {
                    posting.shut(State::Withdrawn, *reason, event.position);
                    shut_at = Some(event.effective_at);
                }
            }
        }
        postings
    }

    /// When the door was shut before an event, by an event or by the clock.
    fn shut_before(&self, event: &Event, by_event: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
        let by_clock = self.door_shuts_at().filter(|shut| *shut <= event.effective_at);
        [by_event, by_clock].into_iter().flatten().min()
    }

    fn shut(&mut self, state: State, reason: CloseReason, position: Position) {
        self.state = state;
        self.close_reason = Some(reason);
        self.position = position;
    }

    /// The first moment at which the door is shut by the clock.
    #[must_use]
    pub fn door_shuts_at(&self) -> Option<DateTime<Utc>> {
        self.facts.closing.door_shuts_at(self.facts.zone)
    }

    /// What people see of it at `now`.
    #[must_use]
    pub fn phase(&self, now: DateTime<Utc>) -> Phase {
        match self.state {
            State::Withdrawn => Phase::Withdrawn,
            State::Closed => Phase::Closed,
            State::Posted if self.door_shuts_at().is_some_and(|shut| shut <= now) => Phase::Closed,
            State::Posted if now < self.opens_at => Phase::Scheduled,
            State::Posted => Phase::Open,
        }
    }

    /// Whether the posting was first heard of so long after it was made that,
    /// if it is shut by now, there is nothing left to tell.
    #[must_use]
    pub fn is_old_news(&self, max_age: Duration) -> bool {
        let (made, seen) = self.posted;
        seen - made > max_age
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
