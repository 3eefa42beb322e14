//! The comparison, line by line, and its laws.

use std::sync::Arc;

use chrono_tz::Tz;
use proptest::prelude::*;

use super::*;
use crate::domain::calendar::Calendar;
use crate::domain::facts::{Change, Closing, DayChange, Facts, ProgrammeChange, When};
use crate::domain::history::{Door, Event, Happening, Position, openings};
use crate::domain::taxonomy::Taxonomy;
use crate::domain::truth::CloseReason;

mod hours;

const LONDON: Tz = Tz::Europe__London;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn policy() -> Policy {
    let schedule = |text: &str| text.parse().unwrap();
    Policy {
        settling: Settling { settle: Duration::minutes(2), flap_window: Duration::minutes(30) },
        minimum_gap: Duration::minutes(60),
        max_age: Duration::hours(24),
        useful_minimum: Duration::hours(2),
        reminder: Duration::hours(24),
        rhythm: Rhythm::new(LONDON, Arc::new(Calendar::shipped()), schedule("0 0 8 * * *"))
            .with("weekly".parse().unwrap(), schedule("0 0 8 * * Mon")),
        words: TellingWords::of(&Taxonomy::shipped()),
    }
}

/// One event at `time`, seen at once.
fn event(version: i64, time: &str, door: Option<Door>, changes: Vec<Change>) -> Event {
    Event {
        id: version,
        position: Position { version: Some(version), time: at(time) },
        effective_at: at(time),
        seen_at: at(time),
        test: false,
        zone: LONDON,
        happening: Happening { door, cycle: None, changes },
    }
}

fn only(kind: Kind, events: &[Event]) -> Opening {
    let mut openings = openings(kind, events, policy().settling.flap_window);
    assert_eq!(openings.len(), 1, "{openings:?}");
    openings.remove(0)
}

fn noon_of_the(day: u32) -> Change {
    Change::Closing(Closing::Instant(at(&format!("2024-03-{day:02}T12:00:00Z"))))
}

fn tenth(day: u32) -> Change {
    Change::Opens(Some(When::Instant(at(&format!("2024-03-{day:02}T10:00:00Z")))))
}

/// The life of a route in March 2024, up to so many of its events.
fn route(events: usize) -> Opening {
    let all = [
        event(
            1,
            "2024-02-19T10:00:00Z",
            Some(Door::Schedule),
            vec![Change::Zone(LONDON), tenth(5), noon_of_the(19)],
        ),
        event(2, "2024-02-26T10:00:00Z", Some(Door::Reschedule), vec![tenth(6)]),
        event(3, "2024-03-06T10:00:00Z", Some(Door::Open), vec![]),
        event(4, "2024-03-07T17:30:00Z", Some(Door::Shut(CloseReason::Oversubscribed)), vec![]),
        event(5, "2024-03-08T09:00:00Z", Some(Door::Withdraw(CloseReason::Withdrawn)), vec![]),
    ];
    only(Kind::Programme, &all[..events])
}

fn registered() -> Wish {
    Wish { registration: Some(Registered::Exactly), ..Wish::default() }
}

fn within() -> Wish {
    Wish { registration: Some(Registered::Within), ..Wish::default() }
}

fn searching() -> Wish {
    Wish { search: Some(Cadence::Immediate), ..Wish::default() }
}

fn word(opening: &Opening, told: Option<(&Opening, Phase)>, wish: Wish, now: &str) -> Word {
    let told_at = at("2024-01-01T00:00:00Z");
    let told = told.map(|(then, phase)| Told { truth: &then.truth, phase, at: told_at, reminded: false });
    let situation = Situation {
        opening,
        told,
        wish,
        standing: Standing::Reachable,
        preferences: Preferences::default(),
        now: at(now),
    };
    next_word(&situation, &policy())
}

fn say(notice: Notice) -> Word {
    Word::Say(notice)
}

#[test]
fn somebody_who_knows_nothing_of_a_route() {
    let (scheduled, open, shut, gone) = (route(1), route(3), route(4), route(5));
    for (opening, wish, now, expected) in [
        (&scheduled, registered(), "2024-02-19T10:00:00Z", say(Notice::Dated)),
        (&scheduled, within(), "2024-02-19T10:00:00Z", say(Notice::Dated)),
        // Searches hear of what is open.
        (&scheduled, searching(), "2024-02-19T10:00:00Z", Word::Nothing),
        // A date that has passed without an opening is not told.
        (&scheduled, registered(), "2024-03-05T10:00:00Z", Word::Nothing),
        (&open, registered(), "2024-03-06T10:00:00Z", Word::Wait(at("2024-03-06T10:02:00Z"))),
        (&open, registered(), "2024-03-06T10:02:00Z", say(Notice::Open)),
        (&open, searching(), "2024-03-06T10:02:00Z", say(Notice::Open)),
        (&shut, registered(), "2024-03-07T17:32:00Z", say(Notice::Missed)),
        // Searches hear of it with the next digest.
        (&shut, searching(), "2024-03-07T17:32:00Z", Word::Wait(at("2024-03-08T08:00:00Z"))),
        (&shut, searching(), "2024-03-08T08:00:00Z", say(Notice::Missed)),
        // The clock shuts doors, too.
        (&open, registered(), "2024-03-19T12:00:00Z", say(Notice::Missed)),
        (&gone, registered(), "2024-03-08T09:02:00Z", say(Notice::Withdrawn)),
        (&gone, within(), "2024-03-08T09:02:00Z", Word::End(Reason::Withdrawn)),
        (&gone, searching(), "2024-03-08T09:02:00Z", Word::End(Reason::Withdrawn)),
        (&open, Wish::default(), "2024-03-06T10:02:00Z", Word::End(Reason::NoLongerWanted)),
        (
            &open,
            Wish { not_before: true, ..Wish::default() },
            "2024-03-06T10:02:00Z",
            Word::End(Reason::NotBefore),
        ),
    ] {
        assert_eq!(word(opening, None, wish, now), expected, "{:?} {wish:?} {now}", opening.truth.state);
    }
}

#[test]
fn somebody_who_was_told_of_a_route() {
    let [scheduled, moved, open, shut, gone] = [1, 2, 3, 4, 5].map(route);
    for (opening, told, now, expected) in [
        (&scheduled, (&scheduled, Phase::Scheduled), "2024-02-20T10:00:00Z", Word::Nothing),
        (
            &moved,
            (&scheduled, Phase::Scheduled),
            "2024-02-26T10:00:00Z",
            say(Notice::Corrected(vec![Field::Opens])),
        ),
        (&open, (&moved, Phase::Scheduled), "2024-03-06T10:02:00Z", say(Notice::Open)),
        (&open, (&open, Phase::Open), "2024-03-06T10:02:00Z", Word::Nothing),
        // The deadline that was told passes.
        (&open, (&open, Phase::Open), "2024-03-19T12:00:00Z", Word::End(Reason::Over)),
        (&shut, (&moved, Phase::Scheduled), "2024-03-07T17:32:00Z", say(Notice::Missed)),
        (&shut, (&open, Phase::Open), "2024-03-07T17:30:00Z", Word::Wait(at("2024-03-07T17:32:00Z"))),
        (&shut, (&open, Phase::Open), "2024-03-07T17:32:00Z", say(Notice::ClosedEarly)),
        (&shut, (&shut, Phase::Closed), "2024-03-08T00:00:00Z", Word::Nothing),
        (&gone, (&open, Phase::Open), "2024-03-08T09:02:00Z", say(Notice::Withdrawn)),
        (&gone, (&shut, Phase::Closed), "2024-03-08T09:02:00Z", say(Notice::Withdrawn)),
        (&gone, (&gone, Phase::Withdrawn), "2024-03-09T09:02:00Z", Word::Nothing),
        // Opened again in the same cycle.
        (&open, (&shut, Phase::Closed), "2024-03-08T10:02:00Z", say(Notice::Open)),
        (&moved, (&shut, Phase::Closed), "2024-03-01T10:02:00Z", say(Notice::Dated)),
    ] {
        assert_eq!(word(opening, Some(told), registered(), now), expected, "{told:?} {now}");
    }
    let told = Some((&shut, Phase::Closed));
    assert_eq!(word(&gone, told, within(), "2024-03-08T09:02:00Z"), Word::End(Reason::Over));
}

#[test]
fn a_route_that_will_not_open_as_was_told() {
    let scheduled = route(1);
    let with = |version, time, door, changes| {
        let first = event(
            1,
            "2024-02-19T10:00:00Z",
            Some(Door::Schedule),
            vec![Change::Zone(LONDON), tenth(5), noon_of_the(19)],
        );
        only(Kind::Programme, &[first, event(version, time, door, changes)])
    };
    let cancelled = with(2, "2024-02-20T10:00:00Z", Some(Door::Shut(CloseReason::Cancelled)), vec![]);
    let paused = with(2, "2024-02-20T10:00:00Z", Some(Door::Pause), vec![]);
    let undated = with(2, "2024-02-20T10:00:00Z", Some(Door::Reschedule), vec![Change::Opens(None)]);
    let told = Some((&scheduled, Phase::Scheduled));
    let now = "2024-02-20T10:02:00Z";
    assert_eq!(word(&cancelled, told, registered(), now), say(Notice::CalledOff));
    assert_eq!(word(&cancelled, None, registered(), now), Word::End(Reason::Expired));
    assert_eq!(word(&paused, told, registered(), now), say(Notice::Paused));
    assert_eq!(word(&paused, None, registered(), now), Word::Nothing);
    assert_eq!(word(&undated, told, registered(), now), say(Notice::Corrected(vec![Field::Opens])));
}

#[test]
fn an_announcement_is_told_only_if_asked() {
    let announced = |notify| {
        let programme = ProgrammeChange { notify_registered: Some(notify), ..ProgrammeChange::default() };
        let changes = vec![Change::Zone(LONDON), Change::Programme(Box::new(programme))];
        only(Kind::Programme, &[event(1, "2024-01-15T09:00:00Z", Some(Door::Announce), changes)])
    };
    let now = "2024-01-15T09:00:00Z";
    assert_eq!(word(&announced(false), None, registered(), now), Word::Nothing);
    assert_eq!(word(&announced(true), None, registered(), now), say(Notice::Announced));
    assert_eq!(word(&announced(true), None, searching(), now), Word::Nothing);
    let told = announced(true);
    assert_eq!(word(&told, Some((&told, Phase::Announced)), registered(), now), Word::Nothing);
}

fn vacancy(closing: Closing, more: &[Event]) -> Opening {
    let changes = vec![Change::Zone(LONDON), Change::Title("Clerk".into()), Change::Closing(closing)];
    let mut events = vec![event(1, "2024-03-01T09:00:00Z", Some(Door::Open), changes)];
    events.extend_from_slice(more);
    only(Kind::Vacancy, &events)
}

#[test]
fn a_vacancy_that_shuts_before_its_time_as_precisely_as_that_was_told() {
    let day = |text: &str| text.parse().unwrap();
    let shut = |closing, time, reason| {
        let told = vacancy(closing, &[]);
        let now = vacancy(closing, &[event(2, time, Some(Door::Shut(reason)), vec![])]);
        word(&now, Some((&told, Phase::Open)), searching(), "2024-04-02T00:00:00Z")
    };
    let instant = Closing::Instant(at("2024-03-19T12:00:00Z"));
    for (closing, time, reason, told) in [
        (instant, "2024-03-19T11:58:00Z", CloseReason::Filled, true),
        (instant, "2024-03-19T11:59:30Z", CloseReason::Deadline, false),
        (instant, "2024-03-19T12:00:01Z", CloseReason::Deadline, false),
        (instant, "2024-03-10T12:00:00Z", CloseReason::Deadline, true),
        (Closing::Date(day("2024-03-19")), "2024-03-18T23:59:00Z", CloseReason::Early, true),
        (Closing::Date(day("2024-03-19")), "2024-03-19T08:00:00Z", CloseReason::Early, false),
        (Closing::CloseOfBusiness(day("2024-03-19")), "2024-03-19T12:00:00Z", CloseReason::Early, true),
        (Closing::CloseOfBusiness(day("2024-03-19")), "2024-03-19T16:30:00Z", CloseReason::Early, false),
        // No end was told, so none was untrue.
        (Closing::OpenUntilFilled, "2024-03-10T12:00:00Z", CloseReason::Filled, false),
        (Closing::OpenUntilFilled, "2024-03-10T12:00:00Z", CloseReason::OnHold, false),
    ] {
        let expected = if told { say(Notice::ClosedEarly) } else { Word::Nothing };
        assert_eq!(shut(closing, time, reason), expected, "{closing:?} {time}");
    }
}

/// 2.5, for those who were told.
#[test]
fn which_changes_are_told_and_when() {
    use crate::domain::taxonomy::Dimension;
    let day = |text: &str| text.parse().unwrap();
    let instant = |text: &str| Change::Closing(Closing::Instant(at(text)));
    let place = |slug: &str| Change::Values(Dimension::Place, vec![slug.to_owned()]);
    let first = |closing| {
        vec![
            Change::Zone(LONDON),
            Change::Title("Custody clerk".into()),
            Change::Site(Some("Perry Barr".into())),
            Change::GradeText(Some("Band C".into())),
            Change::PayText(Some("£25,000".into())),
            place("birmingham"),
            Change::Closing(closing),
        ]
    };
    let next_digest = Word::Wait(at("2024-03-12T08:00:00Z"));
    let told = |field| say(Notice::Corrected(vec![field]));
    let noon = Closing::Instant(at("2024-03-19T12:00:00Z"));
    for (closing, change, expected) in [
        (noon, instant("2024-03-18T12:00:00Z"), told(Field::Closing)),
        (noon, instant("2024-03-19T12:00:30Z"), Word::Nothing),
        // Later: with the next digest, unless the old one is near.
        (noon, instant("2024-03-26T12:00:00Z"), next_digest.clone()),
        (Closing::Instant(at("2024-03-13T08:59:00Z")), instant("2024-03-26T12:00:00Z"), told(Field::Closing)),
        // The same as far as either is precise.
        (Closing::Date(day("2024-03-19")), instant("2024-03-19T12:00:00Z"), Word::Nothing),
        (Closing::Date(day("2024-03-19")), instant("2024-03-20T00:00:00Z"), Word::Nothing),
        (Closing::Date(day("2024-03-19")), instant("2024-03-18T12:00:00Z"), told(Field::Closing)),
        (Closing::OpenUntilFilled, instant("2024-03-19T12:00:00Z"), told(Field::Closing)),
        (noon, Change::Closing(Closing::OpenUntilFilled), next_digest),
        (noon, place("coventry"), told(Field::Place)),
        (noon, Change::Site(Some("Edgbaston".into())), told(Field::Place)),
        (noon, Change::Site(Some("perry  barr".into())), Word::Nothing),
        (noon, Change::PayText(Some("£24,000".into())), told(Field::Pay)),
        (noon, Change::PayText(None), Word::Nothing),
        (noon, Change::GradeText(Some("Band B".into())), told(Field::Grade)),
        (noon, Change::Values(Dimension::Hours, vec!["part-time".into()]), Word::Nothing),
        (noon, Change::Eligibility(Some("A driving licence".into())), Word::Nothing),
        (noon, Change::Title("Custody clerks".into()), Word::Nothing),
        (noon, Change::Title("The custody clerk we want".into()), Word::Nothing),
        (noon, Change::Title("Custody sergeant".into()), told(Field::Title)),
        (noon, Change::Title("Custdy clerck".into()), Word::Nothing),
        (noon, Change::Description(Some("Other words".into())), Word::Nothing),
        (noon, Change::Employer(Some("Another unit".into())), Word::Nothing),
        (noon, Change::Url(Some("https://careers.example/2".into())), Word::Nothing),
    ] {
        let events = [
            event(1, "2024-03-01T09:00:00Z", Some(Door::Open), first(closing)),
            event(2, "2024-03-11T09:00:00Z", None, vec![change.clone()]),
        ];
        let (then, now) = (only(Kind::Vacancy, &events[..1]), only(Kind::Vacancy, &events));
        let told = Some((&then, Phase::Open));
        assert_eq!(word(&now, told, searching(), "2024-03-11T09:00:00Z"), expected, "{change:?}");
    }
}

#[test]
fn a_misspelt_word_of_rank_is_no_other_rank() {
    let with = |title: &str| {
        vacancy(
            Closing::OpenUntilFilled,
            &[event(2, "2024-03-02T09:00:00Z", None, vec![Change::Title(title.into())])],
        )
    };
    let differs = |was: &str, is: &str| {
        word(&with(is), Some((&with(was), Phase::Open)), searching(), "2024-03-03T09:00:00Z") != Word::Nothing
    };
    assert!(!differs("Police sargeant", "Police sergeant"));
    assert!(!differs("Custody oficer", "Custody officer"));
    assert!(differs("Police sergeant", "Police inspector"));
    assert!(differs("Custody officer", "Custody volunteer"));
    assert!(differs("Clerk", "Clerk, volunteer"));
}

fn day_event(version: i64, time: &str, door: Option<Door>, change: DayChange) -> Event {
    event(version, time, door, vec![Change::Zone(LONDON), Change::Day(Box::new(change))])
}

#[test]
fn an_event_day() {
    let published = day_event(
        1,
        "2024-01-22T12:00:00Z",
        Some(Door::Open),
        DayChange { starts_at: Some(at("2024-02-17T10:30:00Z")), ..DayChange::default() },
    );
    let then = |event: Event| only(Kind::EventDay, &[published.clone(), event]);
    let day = only(Kind::EventDay, std::slice::from_ref(&published));
    let told = Some((&day, Phase::Open));
    let now = "2024-02-12T16:12:00Z";
    let changed = |change| day_event(2, "2024-02-12T16:10:00Z", None, change);
    let moved =
        then(changed(DayChange { starts_at: Some(at("2024-02-24T10:30:00Z")), ..DayChange::default() }));
    let full = then(changed(DayChange { full: Some(true), ..DayChange::default() }));
    let off = then(day_event(
        2,
        "2024-02-12T16:10:00Z",
        Some(Door::Shut(CloseReason::Cancelled)),
        DayChange::default(),
    ));
    assert_eq!(word(&day, None, searching(), now), say(Notice::Open));
    assert_eq!(word(&moved, told, searching(), now), say(Notice::Corrected(vec![Field::Day])));
    assert_eq!(word(&off, told, searching(), now), say(Notice::CalledOff));
    assert_eq!(word(&off, None, searching(), now), Word::End(Reason::Expired));
    // Postponed, and with another date.
    let off_for_now = day_event(2, "2024-02-12T16:10:00Z", Some(Door::Pause), DayChange::default());
    let new_date = DayChange { starts_at: Some(at("2024-03-02T10:30:00Z")), ..DayChange::default() };
    let again = day_event(3, "2024-02-13T16:10:00Z", Some(Door::Reschedule), new_date);
    let postponed = then(off_for_now.clone());
    let dated = only(Kind::EventDay, &[published.clone(), off_for_now, again]);
    assert_eq!(word(&postponed, told, searching(), now), say(Notice::Paused));
    let told_that = Some((&postponed, Phase::Paused));
    assert_eq!(
        word(&dated, told_that, searching(), "2024-02-13T16:12:00Z"),
        say(Notice::Corrected(vec![Field::Day]))
    );
    // That it is full can wait for the next digest; that there are places again cannot.
    assert_eq!(word(&full, told, searching(), now), Word::Wait(at("2024-02-13T08:00:00Z")));
    assert_eq!(
        word(&full, told, searching(), "2024-02-13T08:00:00Z"),
        say(Notice::Corrected(vec![Field::Full]))
    );
    assert_eq!(
        word(&day, Some((&full, Phase::Open)), searching(), now),
        say(Notice::Corrected(vec![Field::Full]))
    );
    // Over.
    assert_eq!(word(&off, told, searching(), "2024-02-17T10:30:00Z"), Word::Nothing);
    assert_eq!(word(&day, None, searching(), "2024-02-17T10:30:00Z"), Word::End(Reason::Expired));
}

#[test]
fn two_mails_about_one_thing_keep_their_distance() {
    let [scheduled, moved, open, shut, _] = [1, 2, 3, 4, 5].map(route);
    let just_told = |opening: &Opening, then: &Opening, phase, now: &str| {
        let told =
            Some(Told { truth: &then.truth, phase, at: at(now) - Duration::minutes(10), reminded: false });
        let standing = Standing::Reachable;
        next_word(
            &Situation {
                opening,
                told,
                wish: registered(),
                standing,
                preferences: Preferences::default(),
                now: at(now),
            },
            &policy(),
        )
    };
    let gap_over = |now: &str| Word::Wait(at(now) + Duration::minutes(50));
    let now = "2024-02-26T10:00:00Z";
    assert_eq!(just_told(&moved, &scheduled, Phase::Scheduled, now), gap_over(now));
    let now = "2024-03-06T10:02:00Z";
    assert_eq!(just_told(&open, &moved, Phase::Scheduled, now), gap_over(now));
    // Not when waiting would cost too much.
    let now = "2024-03-19T09:30:00Z";
    assert_eq!(just_told(&open, &moved, Phase::Scheduled, now), say(Notice::Open));
    let now = "2024-03-07T17:32:00Z";
    assert_eq!(just_told(&shut, &open, Phase::Open, now), say(Notice::ClosedEarly));
}

/// I8.
#[test]
fn old_news_is_no_news_unless_the_door_is_open() {
    let late = |mut opening: Opening| {
        opening.news.seen = opening.news.time + Duration::hours(24) + Duration::seconds(1);
        opening
    };
    let [_, moved, open, shut, gone] = [1, 2, 3, 4, 5].map(route);
    for (opening, told, now, expected) in [
        (&late(open.clone()), None, "2024-03-07T10:02:00Z", say(Notice::Open)),
        (&late(shut.clone()), None, "2024-03-08T18:00:00Z", Word::End(Reason::Expired)),
        (&late(shut.clone()), Some((&open, Phase::Open)), "2024-03-08T18:00:00Z", Word::End(Reason::Over)),
        (&late(shut), Some((&moved, Phase::Scheduled)), "2024-03-08T18:00:00Z", Word::End(Reason::Over)),
        (&late(gone), Some((&open, Phase::Open)), "2024-03-09T18:00:00Z", Word::End(Reason::Over)),
        (&late(open.clone()), Some((&moved, Phase::Scheduled)), "2024-03-07T12:00:00Z", say(Notice::Open)),
    ] {
        assert_eq!(word(opening, told, registered(), now), expected, "{told:?}");
    }
}

#[test]
fn who_may_not_be_written_to_is_not() {
    let mut open = route(3);
    let with = |opening: &Opening, standing| {
        let now = at("2024-03-06T10:02:00Z");
        next_word(
            &Situation {
                opening,
                told: None,
                wish: registered(),
                standing,
                preferences: Preferences::default(),
                now,
            },
            &policy(),
        )
    };
    assert_eq!(with(&open, Standing::Unreachable), Word::End(Reason::Unreachable));
    open.test = true;
    assert_eq!(with(&open, Standing::Reachable), Word::End(Reason::Test));
    assert_eq!(with(&open, Standing::Tester), say(Notice::Open));
}

#[test]
fn a_promise_is_kept_in_time_or_late() {
    let open = route(3).truth;
    let of = |now: &str| Keeping::of(&open, Duration::hours(2), at(now));
    assert_eq!(of("2024-03-06T09:59:59Z"), None);
    assert_eq!(of("2024-03-06T10:02:00Z"), Some(Keeping::Kept));
    assert_eq!(of("2024-03-19T10:00:00Z"), Some(Keeping::Kept));
    assert_eq!(of("2024-03-19T10:00:01Z"), Some(Keeping::KeptLate));
    assert_eq!(of("2024-03-19T12:00:00Z"), None);
    // A door that is open for two hours is told of in time for an hour and a half.
    let mut short = open.clone();
    short.facts.closing = Closing::Instant(at("2024-03-06T12:00:00Z"));
    let of = |now: &str| Keeping::of(&short, Duration::hours(2), at(now));
    assert_eq!(of("2024-03-06T11:30:00Z"), Some(Keeping::Kept));
    assert_eq!(of("2024-03-06T11:30:01Z"), Some(Keeping::KeptLate));
    let endless = Truth { facts: Facts::blank(LONDON), ..open };
    assert_eq!(Keeping::of(&endless, Duration::hours(2), at("2030-01-01T00:00:00Z")), Some(Keeping::Kept));
}

fn any_door() -> impl Strategy<Value = Option<Door>> {
    prop_oneof![
        Just(None),
        Just(Some(Door::Announce)),
        Just(Some(Door::Schedule)),
        Just(Some(Door::Reschedule)),
        Just(Some(Door::Open)),
        Just(Some(Door::Shut(CloseReason::Oversubscribed))),
        Just(Some(Door::Pause)),
        Just(Some(Door::Withdraw(CloseReason::Withdrawn))),
    ]
}

fn any_changes() -> impl Strategy<Value = Vec<Change>> {
    let change = prop_oneof![
        (1_u32..29).prop_map(noon_of_the),
        (1_u32..29).prop_map(tenth),
        Just(Change::Opens(None)),
        Just(Change::Closing(Closing::OpenUntilFilled)),
        Just(Change::PayText(Some("£24,000".into()))),
        Just(Change::PayText(Some("£25,000".into()))),
    ];
    proptest::collection::vec(change, 0..3)
}

/// Events about one cycle, an hour or a day apart, and how they are to be
/// shuffled.
fn any_life() -> impl Strategy<Value = (Vec<Event>, Vec<Event>)> {
    proptest::collection::vec((any_door(), any_changes(), 1_i64..200), 1..8)
        .prop_map(|parts| {
            let mut time = at("2024-03-01T09:00:00Z");
            let mut events = Vec::new();
            for (index, (door, changes, hours)) in parts.into_iter().enumerate() {
                time += Duration::minutes(7 * hours);
                let id = i64::try_from(index).unwrap() + 1;
                let mut one = event(id, "2024-03-01T09:00:00Z", door, changes);
                one.position.time = time;
                one.effective_at = time;
                one.seen_at = time;
                one.happening.cycle = Some("spring".into());
                one.happening.changes.insert(0, Change::Zone(LONDON));
                events.push(one);
            }
            events
        })
        .prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle()))
}

/// Whether what a notice says is so.
fn is_true(notice: &Notice, opening: &Opening, told: Option<&Told<'_>>, now: DateTime<Utc>) -> bool {
    let truth = &opening.truth;
    let phase = truth.phase(now);
    match notice {
        Notice::Announced => phase == Phase::Announced,
        Notice::Dated => phase == Phase::Scheduled && truth.door_opens_at().is_some_and(|opens| now < opens),
        Notice::ClosingSoon => phase == Phase::Open && told.is_some(),
        Notice::Open => phase == Phase::Open && truth.door_shuts_at().is_none_or(|shuts| now < shuts),
        Notice::Missed => {
            phase == Phase::Closed
                && truth.opened_at.is_some()
                && told.is_none_or(|told| told.phase != Phase::Open)
        }
        Notice::ClosedEarly | Notice::CalledOff => phase == Phase::Closed && told.is_some(),
        Notice::Paused => phase == Phase::Paused,
        Notice::Withdrawn => phase == Phase::Withdrawn,
        Notice::Corrected(fields) => told.is_some() && !fields.is_empty(),
    }
}

proptest! {
    /// Played in time, with the mails that follow, whatever the events are and
    /// in whatever order they come: nothing that is told is untrue, nothing is
    /// told twice, and what is told last is what is so.
    #[test]
    fn what_is_told_is_true_and_told_once((events, shuffled) in any_life()) {
        let policy = policy();
        let mut told: Option<(Truth, Phase, DateTime<Utc>)> = None;
        let end = at("2024-06-01T00:00:00Z");
        for count in 1..=shuffled.len() {
            // Each event is seen when it comes, not before it happened.
            let latest = shuffled[..count].iter().map(|event| event.position.time).max().unwrap();
            let arrived: Vec<Event> =
                shuffled[..count].iter().map(|event| Event { seen_at: event.position.time, ..event.clone() }).collect();
            let Some(opening) = openings(Kind::Programme, &arrived, policy.settling.flap_window).pop() else {
                continue;
            };
            let moments = [latest, latest + Duration::minutes(2), latest + Duration::hours(30)];
            for now in moments.into_iter().chain((count == shuffled.len()).then_some(end)) {
                for again in 0..4 {
                    let before = told.clone();
                    let told_now = before.as_ref().map(|(truth, phase, at)| Told { truth, phase: *phase, at: *at, reminded: false });
                    let situation = Situation {
                        opening: &opening,
                        told: told_now,
                        wish: registered(),
                        standing: Standing::Reachable,
                        preferences: Preferences::default(),
                        now,
                    };
                    let Word::Say(notice) = next_word(&situation, &policy) else { break };
                    prop_assert_eq!(again, 0, "{:?} after {:?}", notice, before);
                    prop_assert!(is_true(&notice, &opening, told_now.as_ref(), now), "{notice:?} {opening:?}");
                    told = Some((opening.truth.clone(), opening.truth.phase(now), now));
                }
            }
        }
        prop_assert_eq!(
            openings(Kind::Programme, &events, policy.settling.flap_window),
            openings(Kind::Programme, &shuffled, policy.settling.flap_window)
        );
        if let (Some((truth, phase, _)), Some(opening)) =
            (told, openings(Kind::Programme, &events, policy.settling.flap_window).pop())
        {
            // An open door that was told of and is shut by now shut as was told, or that was told.
            let is = opening.truth.phase(end);
            if is == Phase::Open {
                prop_assert_eq!(phase, Phase::Open);
                prop_assert!(differences(Kind::Programme, &truth, &opening.truth, &policy.words, end).is_empty());
            }
        }
    }
}
