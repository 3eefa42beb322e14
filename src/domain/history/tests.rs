use chrono_tz::Europe::London;
use proptest::prelude::*;

use super::*;
use crate::domain::facts::{Closing, DayChange, When};
use crate::domain::opening::Settling;
use crate::domain::truth::Phase;

const FLAP: Duration = Duration::minutes(30);

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn event(version: i64, time: &str, door: impl Into<Option<Door>>, changes: Vec<Change>) -> Event {
    Event {
        id: version,
        position: Position { version: Some(version), time: at(time) },
        effective_at: at(time),
        seen_at: at(time),
        test: false,
        zone: London,
        happening: Happening { door: door.into(), cycle: None, changes },
    }
}

fn without_version(event: Event) -> Event {
    Event { position: Position { version: None, ..event.position }, ..event }
}

fn of_cycle(name: &str, event: Event) -> Event {
    let happening = Happening { cycle: Some(name.to_owned()), ..event.happening };
    Event { happening, ..event }
}

fn title(text: &str) -> Change {
    Change::Title(text.to_owned())
}

fn opens(text: &str) -> Change {
    Change::Opens(Some(When::Instant(at(text))))
}

fn closes(text: &str) -> Change {
    Change::Closing(Closing::Instant(at(text)))
}

fn opened(version: i64, time: &str) -> Event {
    event(version, time, Door::Open, vec![title("t")])
}

fn shut(version: i64, time: &str) -> Event {
    event(version, time, Door::Shut(CloseReason::Filled), vec![])
}

fn vacancy(events: &[Event]) -> Vec<Opening> {
    openings(Kind::Vacancy, events, FLAP)
}

fn programme(events: &[Event]) -> Vec<Opening> {
    openings(Kind::Programme, events, FLAP)
}

fn event_day(events: &[Event]) -> Vec<Opening> {
    openings(Kind::EventDay, events, FLAP)
}

fn states(openings: &[Opening]) -> Vec<State> {
    openings.iter().map(|opening| opening.truth.state).collect()
}

/// The names and states of cycles.
fn cycles(events: &[Event]) -> Vec<(String, State)> {
    programme(events)
        .into_iter()
        .map(|opening| (opening.cycle.unwrap_or_default(), opening.truth.state))
        .collect()
}

fn cycle(name: &str, state: State) -> (String, State) {
    (name.to_owned(), state)
}

#[test]
fn a_date_counts_to_its_last_second() {
    let closing = Change::Closing(Closing::Date("2023-12-08".parse().unwrap()));
    let posting = &vacancy(&[event(1, "2023-11-24T09:05:12Z", Door::Open, vec![closing])])[0];
    for (now, phase) in [
        ("2023-11-24T09:00:00Z", Phase::Scheduled),
        ("2023-12-08T20:00:00Z", Phase::Open),
        ("2023-12-08T23:59:59Z", Phase::Open),
        ("2023-12-09T00:00:00Z", Phase::Closed),
    ] {
        assert_eq!(posting.truth.phase(at(now)), phase, "{now}");
    }
}

#[test]
fn a_lower_or_equal_version_overrides_nothing() {
    let posted = |version, time, text: &str| event(version, time, Door::Open, vec![title(text)]);
    let first = posted(3, "2024-01-03T00:00:00Z", "third");
    let lower = posted(2, "2024-01-09T00:00:00Z", "second");
    let equal = posted(3, "2024-01-09T00:00:00Z", "another third");
    assert_eq!(vacancy(&[first, lower, equal])[0].truth.facts.title, "third");
}

#[test]
fn a_late_opening_fills_in_what_later_events_changed() {
    let site = Change::Site(Some("Perry Barr".into()));
    let corrected = event(2, "2024-01-02T00:00:00Z", None, vec![site]);
    assert_eq!(vacancy(std::slice::from_ref(&corrected)), []);
    let postings = vacancy(&[corrected, opened(1, "2024-01-01T00:00:00Z")]);
    assert_eq!(postings[0].truth.facts.site.as_deref(), Some("Perry Barr"));
}

#[test]
fn what_is_posted_again_is_said_anew() {
    let site = Change::Site(Some("Perry Barr".into()));
    let first = event(1, "2024-01-01T00:00:00Z", Door::Open, vec![title("t"), site]);
    let postings = vacancy(&[first, opened(2, "2024-01-02T00:00:00Z")]);
    assert_eq!(postings.len(), 1);
    assert_eq!(postings[0].truth.facts.site, None);
    assert_eq!(postings[0].truth.opened_at, Some(at("2024-01-01T00:00:00Z")), "open all the time");
}

#[test]
fn posted_again_after_closing_is_a_new_posting_unless_the_feed_blinked() {
    let begin = [opened(1, "2024-01-01T09:00:00Z"), shut(2, "2024-01-01T10:00:00Z")];
    for (again, expected) in [
        ("2024-01-01T10:29:59Z", &[State::Open][..]),
        ("2024-01-01T10:30:00Z", &[State::Closed, State::Open]),
    ] {
        let events = [begin[0].clone(), begin[1].clone(), opened(3, again)];
        assert_eq!(states(&vacancy(&events)), expected, "{again}");
    }
}

#[test]
fn posted_again_after_the_clock_shut_it_is_a_new_posting() {
    let first = event(1, "2024-01-01T09:00:00Z", Door::Open, vec![closes("2024-01-20T12:00:00Z")]);
    for (again, postings) in [("2024-01-20T11:59:00Z", 1), ("2024-06-01T09:00:00Z", 2)] {
        assert_eq!(vacancy(&[first.clone(), opened(2, again)]).len(), postings, "{again}");
    }
}

#[test]
fn one_event_without_a_version_does_not_undo_the_order_of_the_others() {
    let old = opened(1, "2024-01-01T00:00:00Z");
    // The clocks of the two sources disagree; the versions do not.
    let shut = shut(2, "2023-12-31T23:59:00Z");
    let note = without_version(event(0, "2024-01-03T00:00:00Z", None, vec![]));
    assert_eq!(states(&vacancy(&[shut, note, old])), [State::Closed]);
}

#[test]
fn without_versions_time_decides() {
    let posted = |id, time, text: &str| without_version(event(id, time, Door::Open, vec![title(text)]));
    let late = posted(1, "2024-01-02T00:00:00Z", "new");
    let early = posted(2, "2024-01-01T00:00:00Z", "old");
    assert_eq!(vacancy(&[late, early])[0].truth.facts.title, "new");
}

#[test]
fn dates_are_in_the_zone_of_the_event_unless_it_names_another() {
    let day = Change::Opens(Some(When::Date("2024-07-01".parse().unwrap())));
    let scheduled = event(1, "2024-01-01T00:00:00Z", Door::Schedule, vec![day]);
    assert_eq!(programme(&[scheduled])[0].truth.door_opens_at(), Some(at("2024-06-30T23:00:00Z")));
}

#[test]
fn a_cycle_has_the_name_that_it_was_given_or_that_of_its_first_event() {
    let scheduled = |version, time, on: &str| event(version, time, Door::Schedule, vec![opens(on)]);
    let spring = of_cycle("2024-spring", scheduled(1, "2024-01-01T00:00:00Z", "2024-03-05T10:00:00Z"));
    let autumn = of_cycle("2024-autumn", scheduled(2, "2024-01-02T00:00:00Z", "2024-09-05T10:00:00Z"));
    let opened_spring = of_cycle("2024-spring", opened(3, "2024-03-05T10:00:00Z"));
    assert_eq!(
        cycles(&[spring, autumn, opened_spring]),
        [cycle("2024-spring", State::Open), cycle("2024-autumn", State::Scheduled)]
    );
    let unnamed = opened(7, "2024-03-05T10:00:00Z");
    assert_eq!(cycles(std::slice::from_ref(&unnamed)), [cycle("v7", State::Open)]);
    assert_eq!(cycles(&[without_version(unnamed)]), [cycle("t20240305T100000Z", State::Open)]);
}

#[test]
fn a_cycle_without_a_name_lives_from_its_date_to_its_closing() {
    let life = [
        event(1, "2024-01-01T00:00:00Z", Door::Announce, vec![]),
        event(2, "2024-02-01T00:00:00Z", Door::Schedule, vec![opens("2024-03-05T10:00:00Z")]),
        opened(3, "2024-03-05T10:00:00Z"),
        shut(4, "2024-03-06T17:30:00Z"),
        opened(5, "2024-03-06T17:50:00Z"),
        shut(6, "2024-03-06T18:00:00Z"),
        opened(7, "2024-03-06T18:30:00Z"),
        event(8, "2024-03-07T00:00:00Z", Door::Schedule, vec![opens("2024-09-05T10:00:00Z")]),
    ];
    for (until, expected) in [
        (1, vec![cycle("v1", State::Announced)]),
        (2, vec![cycle("v1", State::Scheduled)]),
        (3, vec![cycle("v1", State::Open)]),
        (4, vec![cycle("v1", State::Closed)]),
        // Within the flap window it was not shut.
        (5, vec![cycle("v1", State::Open)]),
        (6, vec![cycle("v1", State::Closed)]),
        (7, vec![cycle("v1", State::Closed), cycle("v7", State::Open)]),
        (8, vec![cycle("v1", State::Closed), cycle("v7", State::Open), cycle("v8", State::Scheduled)]),
    ] {
        assert_eq!(cycles(&life[..until]), expected, "{until} events");
    }
    let mut begun_by: Vec<_> = programme(&life).into_iter().map(|opening| opening.begun_by).collect();
    assert_eq!(begun_by.remove(0), [1, 2, 3, 5]);
}

#[test]
fn a_named_cycle_is_opened_again_whenever_that_is() {
    let events = [
        opened(1, "2024-03-05T10:00:00Z"),
        shut(2, "2024-03-06T10:00:00Z"),
        opened(3, "2024-03-20T10:00:00Z"),
    ]
    .map(|event| of_cycle("spring", event));
    let found = programme(&events);
    assert_eq!(states(&found), [State::Open]);
    assert_eq!(found[0].truth.opened_at, Some(at("2024-03-20T10:00:00Z")));
    assert_eq!(found[0].truth.shut_at, None);
}

#[test]
fn other_dates_are_those_of_what_is_ahead_or_running() {
    let scheduled = event(
        1,
        "2024-01-01T00:00:00Z",
        Door::Schedule,
        vec![opens("2024-03-05T10:00:00Z"), closes("2024-03-19T12:00:00Z")],
    );
    let later = event(2, "2024-01-02T00:00:00Z", Door::Reschedule, vec![opens("2024-03-06T10:00:00Z")]);
    let found = programme(&[scheduled.clone(), later.clone()]);
    assert_eq!(states(&found), [State::Scheduled]);
    assert_eq!(found[0].truth.door_opens_at(), Some(at("2024-03-06T10:00:00Z")));
    assert_eq!(found[0].truth.door_shuts_at(), Some(at("2024-03-19T12:00:00Z")));

    let off = event(2, "2024-01-02T00:00:00Z", Door::Reschedule, vec![Change::Opens(None)]);
    let found = programme(&[scheduled, off.clone()]);
    assert_eq!(states(&found), [State::Announced]);
    assert_eq!(found[0].truth.door_opens_at(), None);

    let longer = event(2, "2024-03-06T00:00:00Z", Door::Reschedule, vec![closes("2024-03-26T12:00:00Z")]);
    let found = programme(&[opened(1, "2024-03-05T10:00:00Z"), longer.clone()]);
    assert_eq!(states(&found), [State::Open]);
    assert_eq!(found[0].truth.door_shuts_at(), Some(at("2024-03-26T12:00:00Z")));

    // Of a programme never heard of, a date begins a cycle, and nothing else does.
    assert_eq!(cycles(&[later]), [cycle("v2", State::Scheduled)]);
    assert_eq!(cycles(&[off]), []);
    assert_eq!(cycles(&[longer]), []);
}

#[test]
fn a_paused_cycle_goes_on() {
    let paused = [
        opened(1, "2024-03-05T10:00:00Z"),
        event(
            2,
            "2024-03-06T10:00:00Z",
            Door::Pause,
            vec![Change::Earliest(Some(When::Date("2024-04-01".parse().unwrap())))],
        ),
    ];
    let found = programme(&paused);
    assert_eq!(found[0].truth.phase(at("2024-03-07T00:00:00Z")), Phase::Paused);
    assert!(found[0].truth.earliest.is_some());
    for (door, state) in [
        (Door::Open, State::Open),
        (Door::Schedule, State::Scheduled),
        (Door::Shut(CloseReason::Cancelled), State::Closed),
        (Door::Withdraw(CloseReason::Withdrawn), State::Withdrawn),
    ] {
        let mut events = paused.to_vec();
        events.push(event(3, "2024-04-10T10:00:00Z", door, vec![]));
        let found = programme(&events);
        assert_eq!(states(&found), [state], "{door:?}");
        assert_eq!(found[0].truth.earliest.is_some(), state != State::Open, "{door:?}");
    }
}

#[test]
fn a_programme_that_is_withdrawn_takes_its_living_cycles_along() {
    let gone = event(
        9,
        "2024-04-01T00:00:00Z",
        Door::Withdraw(CloseReason::Withdrawn),
        vec![Change::ReplacedBy(Some("pc-pcep".into()))],
    );
    let open = of_cycle("spring", opened(1, "2024-03-05T10:00:00Z"));
    let dated = event(2, "2024-03-06T00:00:00Z", Door::Schedule, vec![opens("2024-09-05T10:00:00Z")]);
    let ahead = of_cycle("autumn", dated);
    let over = of_cycle("spring", shut(3, "2024-03-07T00:00:00Z"));
    for (events, expected) in [
        (vec![], vec![cycle("v9", State::Withdrawn)]),
        (vec![open.clone()], vec![cycle("spring", State::Withdrawn)]),
        (
            vec![open.clone(), ahead.clone()],
            vec![cycle("spring", State::Withdrawn), cycle("autumn", State::Withdrawn)],
        ),
        (
            vec![open.clone(), ahead.clone(), over.clone()],
            vec![cycle("spring", State::Closed), cycle("autumn", State::Withdrawn)],
        ),
        // Nothing lives, and who registered is to hear of it all the same.
        (vec![open.clone(), over.clone()], vec![cycle("spring", State::Withdrawn)]),
    ] {
        let events: Vec<Event> = events.into_iter().chain([gone.clone()]).collect();
        assert_eq!(cycles(&events), expected);
        let replaced = programme(&events);
        assert!(replaced.iter().any(|opening| opening.truth.replaced_by.as_deref() == Some("pc-pcep")));
    }
    let one = of_cycle("autumn", gone.clone());
    assert_eq!(
        cycles(&[open, ahead, one]),
        [cycle("spring", State::Open), cycle("autumn", State::Withdrawn)],
        "only the cycle that it names"
    );
    assert_eq!(cycles(&[of_cycle("summer", gone)]), [cycle("summer", State::Withdrawn)]);
}

#[test]
fn a_report_of_capacity_is_no_news() {
    let report = event(2, "2024-03-06T08:00:00Z", None, vec![Change::PercentFull(Some(85.0))]);
    assert_eq!(cycles(std::slice::from_ref(&report)), []);
    let before = programme(&[opened(1, "2024-03-05T10:00:00Z")]);
    let after = programme(&[opened(1, "2024-03-05T10:00:00Z"), report]);
    assert_eq!(after[0].percent_full, Some(85.0));
    assert_eq!(after[0].truth, before[0].truth);
    assert_eq!((after[0].news, after[0].moves), (before[0].news, before[0].moves));
    assert_eq!(after[0].position.version, Some(2));
}

#[test]
fn a_late_word_about_an_older_cycle_leaves_the_newer_one_alone() {
    let spring = event(1, "2024-03-05T10:00:00Z", Door::Open, vec![closes("2024-03-19T12:00:00Z")]);
    let autumn = event(2, "2024-03-20T00:00:00Z", Door::Schedule, vec![opens("2024-09-05T10:00:00Z")]);
    let over = event(3, "2024-03-19T12:00:00Z", Door::Shut(CloseReason::Deadline), vec![]);
    let expected = |first: &str, second: &str| [cycle(first, State::Closed), cycle(second, State::Scheduled)];
    let named = [
        of_cycle("spring", spring.clone()),
        of_cycle("autumn", autumn.clone()),
        of_cycle("spring", over.clone()),
    ];
    assert_eq!(cycles(&named), expected("spring", "autumn"));
    // Unnamed: the clock had shut the first one, and nobody had said so.
    assert_eq!(cycles(&[spring.clone(), autumn.clone(), over.clone()]), expected("v1", "v2"));
    let off = event(4, "2024-04-01T00:00:00Z", Door::Shut(CloseReason::Cancelled), vec![]);
    assert_eq!(
        cycles(&[spring, autumn, over, off]),
        [cycle("v1", State::Closed), cycle("v2", State::Closed)],
        "a cycle can be called off before it opens"
    );
}

#[test]
fn a_blink_does_not_open_a_cycle_that_is_months_ahead() {
    let before = |until: &str| {
        [
            opened(1, "2024-03-05T10:00:00Z"),
            event(2, "2024-03-05T11:00:00Z", Door::Schedule, vec![opens(until)]),
            shut(3, "2024-03-06T10:00:00Z"),
            opened(4, "2024-03-06T10:10:00Z"),
        ]
    };
    let blinked = [cycle("v1", State::Open), cycle("v2", State::Scheduled)];
    assert_eq!(cycles(&before("2024-09-05T10:00:00Z")), blinked);
    let due = [cycle("v1", State::Closed), cycle("v2", State::Open)];
    assert_eq!(cycles(&before("2024-03-06T10:10:00Z")), due);
    let mut early = before("2024-09-05T10:00:00Z");
    early[3] = opened(4, "2024-08-01T10:00:00Z");
    assert_eq!(cycles(&early), due, "what opens before its date is still the one that was ahead");
}

#[test]
fn nothing_is_said_before_a_door_has_settled() {
    let settling = Settling { settle: Duration::minutes(2), flap_window: FLAP };
    let vanished = |version, time| event(version, time, Door::Shut(CloseReason::Withdrawn), vec![]);
    let begin = opened(1, "2024-01-01T09:00:00Z");
    for (events, settles) in [
        (vec![begin.clone()], "2024-01-01T09:02:00Z"),
        (vec![begin.clone(), shut(2, "2024-01-01T09:10:00Z")], "2024-01-01T09:30:00Z"),
        (vec![begin.clone(), shut(2, "2024-01-01T09:29:00Z")], "2024-01-01T09:31:00Z"),
        (vec![begin.clone(), shut(2, "2024-01-01T10:00:00Z")], "2024-01-01T10:02:00Z"),
        (
            vec![begin.clone(), shut(2, "2024-01-01T10:00:00Z"), opened(3, "2024-01-01T10:05:00Z")],
            "2024-01-01T10:30:00Z",
        ),
        (vec![begin.clone(), vanished(2, "2024-01-01T10:00:00Z")], "2024-01-01T10:30:00Z"),
        (vec![begin, vanished(2, "2024-01-01T09:10:00Z")], "2024-01-01T09:40:00Z"),
    ] {
        assert_eq!(vacancy(&events)[0].settles_at(settling), Some(at(settles)), "{events:?}");
    }
    let announced = event(1, "2024-01-01T00:00:00Z", Door::Announce, vec![]);
    let scheduled = event(2, "2024-01-02T00:00:00Z", Door::Schedule, vec![opens("2024-03-05T10:00:00Z")]);
    assert_eq!(programme(&[announced, scheduled])[0].settles_at(settling), None, "no door has moved");
}

fn on(starts_at: &str, ends_at: Option<&str>) -> Change {
    let ends_at = ends_at.map(|ends_at| Some(at(ends_at)));
    Change::Day(Box::new(DayChange { starts_at: Some(at(starts_at)), ends_at, ..DayChange::default() }))
}

fn published(version: i64) -> Event {
    let day = on("2024-02-17T10:30:00Z", Some("2024-02-17T12:30:00Z"));
    event(version, "2024-01-22T12:00:00Z", Door::Open, vec![title("Discovery day"), day])
}

#[test]
fn an_event_day_is_one_opening_however_often_it_changes() {
    let moved = event(2, "2024-02-12T16:10:00Z", Door::Reschedule, vec![on("2024-02-24T10:30:00Z", None)]);
    let renamed = event(3, "2024-02-13T00:00:00Z", None, vec![title("Open day")]);
    let cancelled = event(4, "2024-02-14T00:00:00Z", Door::Shut(CloseReason::Cancelled), vec![]);
    assert_eq!(event_day(std::slice::from_ref(&moved)), [], "nobody has published it");

    let found = event_day(&[renamed.clone(), moved.clone(), published(1)]);
    assert_eq!(states(&found), [State::Open]);
    assert_eq!(found[0].cycle, None);
    assert_eq!(found[0].truth.facts.title, "Open day");
    let day = found[0].truth.facts.day.as_ref().unwrap();
    assert_eq!(day.starts_at, at("2024-02-24T10:30:00Z"));
    assert_eq!(day.ends_at, Some(at("2024-02-24T12:30:00Z")), "the end moves along");

    assert_eq!(states(&event_day(&[published(1), moved, renamed, cancelled.clone()])), [State::Closed]);
    let mut again = published(5);
    again.effective_at = at("2024-02-15T00:00:00Z");
    assert_eq!(states(&event_day(&[published(1), cancelled, again])), [State::Open]);
}

#[test]
fn a_day_that_was_postponed_is_open_once_it_has_a_date_again() {
    let postponed = event(2, "2024-02-12T00:00:00Z", Door::Pause, vec![]);
    let moved = event(3, "2024-02-13T00:00:00Z", Door::Reschedule, vec![on("2024-03-24T10:30:00Z", None)]);
    assert_eq!(states(&event_day(&[published(1), postponed.clone()])), [State::Paused]);
    assert_eq!(states(&event_day(&[published(1), postponed, moved])), [State::Open]);
}

#[test]
fn a_day_of_which_nobody_has_said_when_it_is_cannot_be_told_of() {
    let undated = event(1, "2024-01-01T00:00:00Z", Door::Open, vec![title("Discovery day")]);
    assert_eq!(event_day(std::slice::from_ref(&undated)), []);
    let dated = event(2, "2024-01-02T00:00:00Z", None, vec![on("2024-02-17T10:30:00Z", None)]);
    assert_eq!(event_day(&[undated, dated]).len(), 1);
}

fn any_door() -> impl Strategy<Value = Option<Door>> {
    proptest::sample::select(vec![
        None,
        Some(Door::Announce),
        Some(Door::Schedule),
        Some(Door::Reschedule),
        Some(Door::Open),
        Some(Door::Open),
        Some(Door::Shut(CloseReason::Filled)),
        Some(Door::Shut(CloseReason::Withdrawn)),
        Some(Door::Pause),
        Some(Door::Withdraw(CloseReason::PostedInError)),
    ])
}

fn any_event(number: i64) -> impl Strategy<Value = Event> {
    // Gaps below and above the flap window.
    let time = DateTime::from_timestamp(1_700_000_000 + number * number * 400, 0).unwrap();
    let later = time + Duration::hours(1);
    let change = prop_oneof![
        "[a-c]".prop_map(Change::Title),
        Just(Change::Opens(None)),
        Just(Change::Opens(Some(When::Instant(later)))),
        Just(Change::Closing(Closing::Instant(later))),
        Just(Change::PercentFull(Some(50.0))),
        Just(Change::Day(Box::new(DayChange { starts_at: Some(later), ..DayChange::default() }))),
    ];
    let cycle = proptest::option::weighted(0.4, proptest::sample::select(vec!["a", "b"]));
    let versioned = proptest::bool::weighted(0.8);
    (any_door(), cycle, proptest::collection::vec(change, 0..3), versioned).prop_map(
        move |(door, cycle, changes, versioned)| Event {
            id: number,
            position: Position { version: versioned.then_some(number), time },
            effective_at: time,
            seen_at: time,
            test: false,
            zone: London,
            happening: Happening { door, cycle: cycle.map(ToOwned::to_owned), changes },
        },
    )
}

proptest! {
    /// Whatever order they arrive in, and however often, the openings are the same.
    #[test]
    fn any_order_gives_the_same_openings(
        kind in proptest::sample::select(&Kind::ALL[..]),
        (events, shuffled) in (1_i64..9)
            .prop_flat_map(|n| (0..n).map(any_event).collect::<Vec<_>>())
            .prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle())),
        again in 0_usize..9,
    ) {
        let mut arrived = shuffled.clone();
        let repeated = shuffled[again % shuffled.len()].clone();
        if repeated.position.version.is_some() {
            arrived.push(repeated);
        }
        prop_assert_eq!(openings(kind, &arrived, FLAP), openings(kind, &events, FLAP));
    }

    /// Every opening has been begun by an event, and no event begins two.
    #[test]
    fn every_opening_has_events_of_its_own(
        kind in proptest::sample::select(&Kind::ALL[..]),
        events in (1_i64..9).prop_flat_map(|n| (0..n).map(any_event).collect::<Vec<_>>()),
    ) {
        let found = openings(kind, &events, FLAP);
        let mut begun_by: Vec<i64> = found.iter().filter_map(|opening| opening.begun_by.first().copied()).collect();
        prop_assert_eq!(begun_by.len(), found.len());
        begun_by.sort_unstable();
        begun_by.dedup();
        prop_assert_eq!(begun_by.len(), found.len());
    }
}
