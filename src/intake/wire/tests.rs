use chrono::NaiveDate;
use serde_json::{Value, json};

use super::*;
use crate::domain::facts::{
    Attendance, Change, Closing, DayChange, Facts, Pay, PayUnit, ProgrammeChange, When,
};
use crate::domain::history::Door;
use crate::domain::taxonomy::Dimension;
use crate::domain::truth::CloseReason;

fn reading() -> Reading {
    Reading { zone: chrono_tz::Europe::London }
}

fn sample(name: &str) -> (String, Value) {
    let path = format!("{}/tests/golden/events/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let event: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    (event["type"].as_str().unwrap().to_owned(), event["data"].clone())
}

fn read(kind: &str, data: &Value) -> Happening {
    happening(kind, data, &reading()).unwrap_or_else(|rejection| panic!("{rejection}: {kind} {data}"))
}

fn changes(kind: &str, data: &Value) -> Vec<Change> {
    read(kind, data).changes
}

fn applied(changes: Vec<Change>) -> Facts {
    let mut facts = Facts::blank(chrono_tz::Tz::UTC);
    for change in changes {
        facts.apply(change);
    }
    facts
}

fn facts(data: &Value) -> Facts {
    applied(changes("vacancy.opened", data))
}

fn with(name: &str, value: impl Into<Value>) -> Value {
    let value = value.into();
    json!({"posting": {"title": "Clerk"}, name: value})
}

fn moment(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn own(change: ProgrammeChange) -> Change {
    Change::Programme(Box::new(change))
}

fn of_day(change: DayChange) -> Change {
    Change::Day(Box::new(change))
}

#[test]
fn the_samples_of_vacancies_say_what_they_say() {
    let (_, opened) = sample("01-vacancy-opened-230000P0");
    let opened = facts(&opened);
    assert_eq!(opened.title, "Chief Superintendent Promotion and Transfer at Rank");
    assert_eq!(opened.employer.as_deref(), Some("West Midlands Police"));
    assert_eq!(opened.closing, Closing::Date(day("2023-12-08")));
    assert_eq!(opened.contract_kind, ["permanent", "transfer-at-rank", "promotion"]);
    assert_eq!(opened.rank, ["chief-superintendent"]);
    let (_, volunteer) = sample("03-vacancy-opened-230000IR");
    assert_eq!(facts(&volunteer).site.as_deref(), Some("Perry Barr"));
    assert_eq!(facts(&volunteer).closing, Closing::OpenUntilFilled);

    let read = |name: &str| {
        let (kind, data) = sample(name);
        read(&kind, &data)
    };
    let changes = read("04-vacancy-corrected-closing-earlier").changes;
    assert_eq!(changes.last(), Some(&Change::Closing(Closing::Instant(moment("2023-12-04T12:00:00Z")))));
    let typo = read("05-vacancy-corrected-typo");
    assert_eq!((typo.door, typo.changes), (None, vec![]));
    assert_eq!(read("06-vacancy-closed-deadline").door, Some(Door::Shut(CloseReason::Deadline)));
    let withdrawn = read("07-vacancy-withdrawn");
    assert_eq!(withdrawn.door, Some(Door::Withdraw(CloseReason::PostedInError)));
    let words = "This volunteer role was put on the site by mistake.".to_owned();
    assert_eq!(withdrawn.changes, [Change::Explanation(Some(words)), Change::ReplacedBy(None)]);
}

fn degree_holders() -> ProgrammeChange {
    ProgrammeChange {
        length: Some(Some("P2Y".into())),
        award: Some(Some("Graduate diploma in professional policing practice".into())),
        provider: Some(Some("Staffordshire University".into())),
        cap: Some(None),
        first_come: Some(Some(false)),
        may_close_early: Some(true),
        ..ProgrammeChange::default()
    }
}

fn campaign() -> Change {
    Change::Campaign(Some("cmp-2024-spring-pc".into()))
}

fn values(dimension: Dimension, value: &str) -> Change {
    Change::Values(dimension, vec![value.into()])
}

fn link(path: &str) -> Change {
    Change::Url(Some(format!("https://careers.force.example/{path}")))
}

fn opens(at: &str) -> Change {
    Change::Opens(Some(When::Instant(moment(at))))
}

/// The happening that a sample says, without its cycle.
fn check_sample(name: &str, door: Option<Door>, expected: &[Change]) -> Option<String> {
    let (kind, data) = sample(name);
    let happening = read(&kind, &data);
    assert_eq!(happening.door, door, "{name}");
    assert_eq!(happening.changes, expected, "{name}");
    happening.cycle
}

#[test]
fn the_samples_of_programmes_say_what_they_say() {
    let closing = |at: &str| [Change::Zone(reading().zone), Change::Closing(Closing::Instant(moment(at)))];
    let dhep = || Change::Title("Police constable: degree-holder entry programme".into());
    let pcda = ProgrammeChange {
        length: Some(Some("P3Y".into())),
        award: Some(Some("BSc professional policing practice".into())),
        ..degree_holders()
    };
    let announced = ProgrammeChange {
        members: Some(vec!["pc-pcda".into(), "pc-dhep".into()]),
        public_text: Some(Some(
            "Constable recruitment will open again soon. We do not have a date yet.".into(),
        )),
        notify_registered: Some(false),
        ..ProgrammeChange::default()
    };
    let spring = "2024-spring";
    for (name, door, cycle, expected) in [
        (
            "08-programme-announced-no-date",
            Some(Door::Announce),
            spring,
            vec![own(announced), Change::Opens(None), Change::Closing(Closing::OpenUntilFilled)],
        ),
        (
            "09-programme-scheduled",
            Some(Door::Schedule),
            spring,
            [
                vec![
                    dhep(),
                    values(Dimension::RoleFamily, "police-officer"),
                    values(Dimension::Rank, "constable"),
                    values(Dimension::Audience, "public"),
                    values(Dimension::Place, "west-midlands"),
                    campaign(),
                    own(degree_holders()),
                    opens("2024-03-05T10:00:00Z"),
                ],
                closing("2024-03-19T12:00:00Z").to_vec(),
            ]
            .concat(),
        ),
        (
            "10-programme-opened-dhep",
            Some(Door::Open),
            spring,
            [
                vec![
                    dhep(),
                    link("routes/dhep"),
                    campaign(),
                    own(degree_holders()),
                    opens("2024-03-05T10:00:00Z"),
                ],
                closing("2024-03-19T12:00:00Z").to_vec(),
            ]
            .concat(),
        ),
        (
            "11-programme-opened-pcda",
            Some(Door::Open),
            spring,
            [
                vec![
                    Change::Title("Police constable: degree apprenticeship".into()),
                    link("routes/pcda"),
                    campaign(),
                    own(pcda),
                    opens("2024-03-05T10:00:00Z"),
                ],
                closing("2024-03-12T12:00:00Z").to_vec(),
            ]
            .concat(),
        ),
        ("12-programme-capacity", None, spring, vec![Change::PercentFull(Some(85.0))]),
        (
            "13-programme-closed-oversubscribed",
            Some(Door::Shut(CloseReason::Oversubscribed)),
            spring,
            vec![Change::NextExpected(None), Change::RegistrationStaysOpen(true)],
        ),
        (
            "14-programme-dates-changed",
            Some(Door::Reschedule),
            "2024-summer",
            vec![opens("2024-04-03T09:00:00Z")],
        ),
    ] {
        assert_eq!(check_sample(name, door, &expected).as_deref(), Some(cycle), "{name}");
    }
}

#[test]
fn the_samples_of_event_days_say_what_they_say() {
    let discovery_day = || Change::Title("Discovery day: what a police constable does".into());
    for (name, door, expected) in [
        (
            "15-event-published",
            Some(Door::Open),
            vec![
                discovery_day(),
                link("events/discovery-day-2024-02-wolverhampton"),
                values(Dimension::Topic, "discovery-day"),
                values(Dimension::Place, "wolverhampton"),
                campaign(),
                Change::Closing(Closing::Instant(moment("2024-02-14T17:00:00Z"))),
                of_day(DayChange {
                    starts_at: Some(moment("2024-02-17T10:30:00Z")),
                    ends_at: Some(Some(moment("2024-02-17T12:30:00Z"))),
                    attendance: Some(Attendance::Offline),
                    place: Some(Some("Wolverhampton".into())),
                    free: Some(Some(true)),
                    capacity: Some(Some(60)),
                    full: Some(false),
                    access: None,
                }),
            ],
        ),
        (
            "16-event-rescheduled",
            Some(Door::Reschedule),
            vec![
                discovery_day(),
                of_day(DayChange { starts_at: Some(moment("2024-02-24T10:30:00Z")), ..DayChange::default() }),
            ],
        ),
    ] {
        assert_eq!(check_sample(name, door, &expected), None, "{name}");
    }
}

#[test]
fn every_type_is_known_and_about_something() {
    for kind in KINDS {
        let rejection = happening(kind, &json!(7), &reading()).unwrap_err();
        assert!(rejection.detail.starts_with("data:"), "{kind}: {rejection}");
        assert!(subject_of(kind).is_some(), "{kind}");
        match happening(kind, &json!({}), &reading()) {
            Ok(_) => {}
            Err(rejection) => assert_eq!(rejection.reason, Reason::Schema, "{kind}: {rejection}"),
        }
    }
    for kind in ["announcement.requested", "programme.exploded", "vacancy", "person.born"] {
        assert_eq!(happening(kind, &json!({}), &reading()).unwrap_err().reason, Reason::UnknownType);
    }
}

#[test]
fn a_door_that_shuts_says_why_in_our_words_or_in_those_of_the_source() {
    for (data, reason) in [
        (json!({"reason": "filled", "atsStatus": "On Hold"}), CloseReason::Filled),
        (json!({"reason": null, "atsStatus": "On Hold"}), CloseReason::OnHold),
        (json!({"atsStatus": "Filled"}), CloseReason::Filled),
        (json!({"atsStatus": "Canceled"}), CloseReason::Cancelled),
        (json!({"atsStatus": "Inactive"}), CloseReason::Early),
        (json!({"atsStatus": "Gone fishing"}), CloseReason::Early),
        (json!({"reason": "gone-fishing", "atsStatus": "Filled"}), CloseReason::Early),
        (json!({}), CloseReason::Early),
    ] {
        assert_eq!(read("vacancy.closed", &data).door, Some(Door::Shut(reason)), "{data}");
        assert_eq!(read("programme.closed", &data).door, Some(Door::Shut(reason)), "{data}");
    }
}

#[test]
fn what_is_true_is_so_from_when_the_event_says() {
    let data = json!({"openedAt": "2024-03-05T09:00:00Z", "closedAt": "2024-03-05T10:00:00Z"});
    for (kind, from) in [
        ("programme.opened", Some("2024-03-05T09:00:00Z")),
        ("programme.closed", Some("2024-03-05T10:00:00Z")),
        ("vacancy.closed", Some("2024-03-05T10:00:00Z")),
        ("vacancy.opened", None),
    ] {
        assert_eq!(effective_at(kind, &data).unwrap(), from.map(moment), "{kind}");
        let mut both = data.clone();
        both["effectiveAt"] = json!("2024-03-05T11:00:00Z");
        assert_eq!(effective_at(kind, &both).unwrap(), Some(moment("2024-03-05T11:00:00Z")), "{kind}");
    }
    assert_eq!(effective_at("vacancy.closed", &json!({})).unwrap(), None);
    assert!(effective_at("vacancy.closed", &json!({"closedAt": "noon"})).is_err());
}

#[test]
fn who_may_apply_is_told_in_words() {
    let eligibility = |data: &Value| facts(data).eligibility;
    let posting = |name: &str, value: Value| json!({"posting": {"title": "Clerk", name: value}});
    assert_eq!(eligibility(&with("eligibility", "UK\nlicence")).as_deref(), Some("UK licence"));
    assert_eq!(
        eligibility(&posting("qualifications", json!(["A levels", "Licence"]))).as_deref(),
        Some("A levels; Licence")
    );
    let object = json!({"@type": "EducationalOccupationalCredential", "name": "Degree"});
    assert_eq!(eligibility(&posting("qualifications", object)).as_deref(), Some("Degree"));
    let months = json!({"monthsOfExperience": 24});
    assert_eq!(eligibility(&posting("experienceRequirements", months)), None);
    let both = json!({"posting": {"title": "x", "qualifications": "A", "experienceRequirements": "B"}});
    assert_eq!(eligibility(&both).as_deref(), Some("A; B"));
    let corrected = changes("vacancy.corrected", &json!({"changes": [{"field": "eligibility", "to": "UK"}]}));
    assert_eq!(corrected, [Change::Eligibility(Some("UK".into()))]);
}

#[test]
fn a_programme_opens_when_it_says_and_else_when_its_description_says() {
    let opens = |data: &Value| applied(changes("programme.scheduled", data)).opens;
    let date = Some(When::Date(day("2024-03-05")));
    for data in [
        json!({"opensAt": "2024-03-05"}),
        json!({"program": {"applicationStartDate": "2024-03-05"}}),
        json!({"opensAt": null, "program": {"applicationStartDate": "2024-03-05"}}),
        json!({"opensAt": "2024-03-05", "program": {"applicationStartDate": "2024-04-05"}}),
    ] {
        assert_eq!(opens(&data), date, "{data}");
    }
    let deadline = json!({"program": {"applicationDeadline": "2024-03-19"}});
    assert_eq!(changes("programme.opened", &deadline), [Change::Closing(Closing::Date(day("2024-03-19")))]);
    let none = json!({"program": {"name": "x"}, "closing": null});
    assert_eq!(changes("programme.opened", &none).last(), Some(&Change::Closing(Closing::OpenUntilFilled)));
    assert_eq!(changes("programme.opened", &json!({})), []);
}

#[test]
fn of_changed_dates_those_of_now_count() {
    let later = Change::Opens(Some(When::Instant(moment("2024-04-03T09:00:00Z"))));
    let longer = Change::Closing(Closing::Date(day("2024-04-20")));
    for (data, expected) in [
        (
            json!({"from": {"opensAt": "nonsense"}, "to": {"opensAt": "2024-04-03T09:00:00Z"}}),
            vec![later.clone()],
        ),
        (json!({"opensAt": "2024-04-03T09:00:00Z"}), vec![later.clone()]),
        (json!({"opensAt": "2024-04-01", "to": {"opensAt": "2024-04-03T09:00:00Z"}}), vec![later.clone()]),
        (json!({"to": {"opensAt": null}}), vec![Change::Opens(None)]),
        (json!({"to": {"closing": "2024-04-20"}}), vec![longer.clone()]),
        (json!({"to": {"closing": {"value": "2024-04-20", "precision": "date"}}}), vec![longer.clone()]),
        (json!({"to": {"closing": null}}), vec![Change::Closing(Closing::OpenUntilFilled)]),
        (json!({"to": {"opensAt": "2024-04-03T09:00:00Z"}, "closing": "2024-04-20"}), vec![later, longer]),
    ] {
        assert_eq!(changes("programme.dates_changed", &data), expected, "{data}");
    }
}

#[test]
fn a_programme_stops_for_a_while_or_for_good() {
    let paused = json!({"earliest": "2024-06-01", "publicExplanation": "We are full."});
    let read_paused = read("programme.paused", &paused);
    assert_eq!(read_paused.door, Some(Door::Pause));
    assert_eq!(
        read_paused.changes,
        [
            Change::Explanation(Some("We are full.".into())),
            Change::Earliest(Some(When::Date(day("2024-06-01")))),
        ]
    );
    assert_eq!(changes("programme.paused", &json!({})), [Change::Earliest(None)]);
    let gone = read("programme.withdrawn", &json!({"successor": "pc-pcep", "cycleId": " "}));
    assert_eq!(gone.door, Some(Door::Withdraw(CloseReason::Withdrawn)));
    assert_eq!(gone.changes, [Change::ReplacedBy(Some("pc-pcep".into()))]);
    assert_eq!(gone.cycle, None);
    let closed = changes("programme.closed", &json!({"nextExpected": "2024-09-01T09:00:00Z"}));
    assert_eq!(closed, [Change::NextExpected(Some(When::Instant(moment("2024-09-01T09:00:00Z"))))]);
}

#[test]
fn how_full_it_is_is_reported_or_worked_out() {
    for (data, percent) in [
        (json!({"percentFull": 85, "applicationsReceived": 1, "applicationCap": 2}), 85.0),
        (json!({"percentFull": null, "applicationsReceived": 1, "applicationCap": 2}), 50.0),
        (json!({"applicationsReceived": 3, "cap": 2}), 150.0),
    ] {
        assert_eq!(
            changes("programme.capacity_reported", &data),
            [Change::PercentFull(Some(percent))],
            "{data}"
        );
    }
}

fn published(more: &Value) -> Value {
    let mut event = json!({"name": "Day", "startDate": "2024-02-17T10:30:00Z"});
    event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"event": event})
}

#[test]
fn a_day_is_in_a_place_or_on_the_internet() {
    let place = |value: &str| json!({"@type": "Place", "name": value});
    let virtual_place = json!({"@type": "VirtualLocation", "url": "https://x.example/"});
    let online = json!("https://schema.org/OnlineEventAttendanceMode");
    for (event, attendance, expected) in [
        (json!({}), Attendance::Offline, None),
        (json!({"location": "Town hall"}), Attendance::Offline, Some("Town hall")),
        (json!({"location": place("Town hall")}), Attendance::Offline, Some("Town hall")),
        (
            json!({"location": {"name": "Town hall", "address": {"addressLocality": "Dudley"}}}),
            Attendance::Offline,
            Some("Town hall, Dudley"),
        ),
        (
            json!({"location": {"name": "Dudley town hall", "address": {"addressLocality": "Dudley"}}}),
            Attendance::Offline,
            Some("Dudley town hall"),
        ),
        (
            json!({"location": {"address": "1 High St, Dudley"}}),
            Attendance::Offline,
            Some("1 High St, Dudley"),
        ),
        (json!({"location": virtual_place}), Attendance::Online, None),
        (json!({"location": [place("Hall"), virtual_place]}), Attendance::Mixed, Some("Hall")),
        (json!({"eventAttendanceMode": online}), Attendance::Online, None),
        (json!({"eventAttendanceMode": "MixedEventAttendanceMode"}), Attendance::Mixed, None),
    ] {
        let facts = applied(changes("event.published", &published(&event)));
        let day = facts.day.unwrap();
        assert_eq!((day.attendance, day.place.as_deref()), (attendance, expected), "{event}");
    }
    let moved = json!({"event": {"eventStatus": "https://schema.org/EventMovedOnline"}});
    let expected =
        DayChange { attendance: Some(Attendance::Online), place: Some(None), ..DayChange::default() };
    assert_eq!(changes("event.changed", &moved), [of_day(expected)]);
}

#[test]
fn a_changed_day_says_each_thing_once_and_by_itself_before_by_its_list() {
    let data = json!({
        "event": {"startDate": "2024-02-24T10:30:00Z"},
        "changes": [
            {"field": "startDate", "from": "x", "to": "2024-02-25T10:30:00Z"},
            {"field": "event.endDate", "from": null, "to": "2024-02-24T14:00:00Z"},
            {"field": "location", "from": "x", "to": {"@type": "Place", "name": "Hall"}},
            {"field": "remainingAttendeeCapacity", "from": 3, "to": 0},
            {"field": "bookingClosesAt", "from": "x", "to": "2024-02-20"},
            {"field": "name", "from": "x", "to": "Open day"},
            {"field": "topic", "from": "x", "to": "careers-fair"},
            {"field": "catering", "from": "x", "to": "tea"},
            {"field": "description", "from": null, "to": null},
        ],
    });
    let happening = read("event.changed", &data);
    assert_eq!(happening.door, None);
    assert_eq!(
        happening.changes,
        [
            Change::Title("Open day".into()),
            Change::Values(Dimension::Topic, vec!["careers-fair".into()]),
            Change::Closing(Closing::Date(day("2024-02-20"))),
            of_day(DayChange {
                starts_at: Some(moment("2024-02-24T10:30:00Z")),
                ends_at: Some(Some(moment("2024-02-24T14:00:00Z"))),
                attendance: Some(Attendance::Offline),
                place: Some(Some("Hall".into())),
                full: Some(true),
                ..DayChange::default()
            }),
        ]
    );
}

#[test]
fn a_days_status_moves_its_door() {
    for (status, door) in [
        ("https://schema.org/EventCancelled", Some(Door::Shut(CloseReason::Cancelled))),
        ("EventPostponed", Some(Door::Pause)),
        ("http://schema.org/EventRescheduled", Some(Door::Reschedule)),
        ("EventScheduled", Some(Door::Reschedule)),
        ("EventMovedOnline", None),
        ("EventOfTheYear", None),
    ] {
        let data = json!({"event": {"eventStatus": status}});
        assert_eq!(read("event.changed", &data).door, door, "{status}");
        let listed = json!({"changes": [{"field": "eventStatus", "from": "x", "to": status}]});
        assert_eq!(read("event.changed", &listed).door, door, "{status}");
    }
    let cancelled = read("event.cancelled", &json!({"reason": "The hall is flooded."}));
    assert_eq!(cancelled.door, Some(Door::Shut(CloseReason::Cancelled)));
    assert_eq!(cancelled.changes, [Change::Explanation(Some("The hall is flooded.".into()))]);
    assert_eq!(
        changes("event.cancelled", &json!({"reason": "venue-flooded"})),
        [],
        "a code is not for people"
    );
    let both = json!({"reason": "It is off.", "publicExplanation": "The hall is flooded."});
    assert_eq!(changes("event.cancelled", &both), [Change::Explanation(Some("The hall is flooded.".into()))]);
}

#[test]
fn what_programmes_and_days_cannot_do_without_is_named() {
    for (kind, data, place) in [
        ("programme.announced", json!({"opensAt": "2024-03-05"}), "opensAt:"),
        ("programme.announced", json!({"members": {"a": 1}}), "members:"),
        ("programme.announced", json!({"notifyRegistered": "no"}), "notifyRegistered:"),
        ("programme.scheduled", json!({}), "opensAt:"),
        ("programme.scheduled", json!({"opensAt": null}), "opensAt:"),
        ("programme.scheduled", json!({"opensAt": "soon"}), "opensAt:"),
        ("programme.scheduled", json!({"opensAt": "2024-03-05", "program": []}), "program:"),
        (
            "programme.scheduled",
            json!({"opensAt": "2024-03-05", "program": {"name": "{NAME}"}}),
            "program.name:",
        ),
        ("programme.scheduled", json!({"opensAt": "2024-03-05", "cycleId": "{CYCLE}"}), "cycleId:"),
        ("programme.scheduled", json!({"opensAt": "2024-03-05", "cycleId": "x".repeat(101)}), "cycleId:"),
        ("programme.scheduled", json!({"opensAt": "2024-03-05", "cycleId": 7}), "cycleId:"),
        ("programme.opened", json!({"intake": {"applicationCap": -1}}), "intake.applicationCap:"),
        ("programme.opened", json!({"closing": {"value": "x", "precision": "date"}}), "closing.value:"),
        ("programme.dates_changed", json!({}), "to:"),
        ("programme.dates_changed", json!({"from": {"opensAt": "2024-03-05"}, "to": {}}), "to:"),
        ("programme.dates_changed", json!({"to": {"opensAt": "soon"}}), "to.opensAt:"),
        ("programme.capacity_reported", json!({}), "percentFull:"),
        ("programme.capacity_reported", json!({"applicationsReceived": 1, "cap": 0}), "percentFull:"),
        ("programme.capacity_reported", json!({"percentFull": -1}), "percentFull:"),
        ("programme.closed", json!({"nextExpected": "soon"}), "nextExpected:"),
        ("programme.paused", json!({"earliest": 7}), "earliest:"),
        ("event.published", json!({"event": {"name": "Day"}}), "event.startDate:"),
        ("event.published", json!({"event": {"name": "Day", "startDate": "2024-02-17"}}), "event.startDate:"),
        ("event.published", json!({"event": {"startDate": "2024-02-17T10:30:00Z"}}), "event.name:"),
        ("event.published", published(&json!({"name": " "})), "event.name:"),
        ("event.published", json!({"event": "x"}), "event:"),
        ("event.published", published(&json!({"endDate": "2024-02-17T10:00:00Z"})), "event.endDate:"),
        ("event.published", published(&json!({"location": 7})), "event.location:"),
        ("event.published", published(&json!({"remainingAttendeeCapacity": "few"})), "event.remaining"),
        ("event.changed", json!({"changes": {}}), "changes:"),
        ("event.changed", json!({"changes": [{"to": 1}]}), "changes[0].field:"),
    ] {
        let rejection = happening(kind, &data, &reading()).unwrap_err();
        assert_eq!(rejection.reason, Reason::Schema);
        assert!(rejection.detail.starts_with(place), "{kind} {data}: {}", rejection.detail);
    }
}

#[test]
fn a_closing_is_as_precise_as_it_is_written() {
    for (closing, expected) in [
        (json!(null), Closing::OpenUntilFilled),
        (json!({"value": null, "precision": "open-until-filled"}), Closing::OpenUntilFilled),
        (json!({"value": "2024-03-19", "precision": "date"}), Closing::Date(day("2024-03-19"))),
        (json!({"value": "2024-03-31T23:30:00Z", "precision": "date"}), Closing::Date(day("2024-04-01"))),
        (
            json!({"value": "2024-03-19", "precision": "close-of-business"}),
            Closing::CloseOfBusiness(day("2024-03-19")),
        ),
        (
            json!({"value": "2024-03-19T13:00:00+01:00", "precision": "instant"}),
            Closing::Instant("2024-03-19T12:00:00Z".parse().unwrap()),
        ),
    ] {
        assert_eq!(facts(&with("closing", closing.clone())).closing, expected, "{closing}");
    }
    let through = json!({"posting": {"title": "Clerk", "validThrough": "2024-03-19"}});
    assert_eq!(facts(&through).closing, Closing::Date(day("2024-03-19")));
}

#[test]
fn pay_is_read_in_both_forms() {
    let schema_org =
        json!({"currency": "GBP", "value": {"minValue": 29907, "maxValue": 45000.5, "unitText": "YEAR"}});
    let flat = json!({"currency": "GBP", "min": 29907, "max": 45000.5, "unit": "year"});
    let expected = Pay { currency: "GBP".into(), min: 2_990_700, max: 4_500_050, unit: PayUnit::Year };
    assert_eq!(facts(&with("pay", schema_org.clone())).pay, Some(expected.clone()));
    assert_eq!(facts(&with("pay", flat)).pay, Some(expected.clone()));
    let base_salary = json!({"pay": null, "posting": {"title": "Clerk", "baseSalary": schema_org}});
    assert_eq!(facts(&base_salary).pay, Some(expected));
    assert_eq!(facts(&with("pay", json!(null))).pay, None);
}

#[test]
fn a_feeds_word_for_nothing_is_nothing() {
    assert_eq!(facts(&with("payText", json!("null"))).pay_text, None);
    assert_eq!(facts(&with("siteText", json!(" \n "))).site, None);
}

#[test]
fn a_correction_changes_what_it_names_and_nothing_else() {
    let corrected = |data: Value| changes("vacancy.corrected", &data);
    let change =
        |field: &str, to: Value| corrected(json!({"changes": [{"field": field, "from": "x", "to": to}]}));
    assert_eq!(change("title", json!("New")), [Change::Title("New".into())]);
    assert_eq!(change("posting.title", json!("New")), [Change::Title("New".into())]);
    assert_eq!(
        change("locations", json!(["dudley"])),
        [Change::Values(Dimension::Place, vec!["dudley".into()])]
    );
    assert_eq!(change("pay", json!(null)), [Change::Pay(None)]);
    assert_eq!(change("somethingElse", json!("x")), []);
    assert_eq!(
        corrected(json!({"hours": "part-time"})),
        [Change::Values(Dimension::Hours, vec!["part-time".into()])]
    );
}

#[test]
fn a_title_cannot_smuggle_anything() {
    let data = json!({"posting": {"title": "Clerk\r\nBcc: all@example.org\u{202E}"}});
    assert_eq!(facts(&data).title, "Clerk Bcc: all@example.org");
}

#[test]
fn what_breaks_the_form_says_where() {
    for (data, place) in [
        (json!(7), "data:"),
        (json!({}), "posting.title:"),
        (json!({"posting": {"title": "\u{0}\n"}}), "posting.title:"),
        (json!({"posting": {"title": "x".repeat(301)}}), "posting.title:"),
        (json!({"posting": {"title": "Clerk {GRADE}"}}), "posting.title:"),
        (json!({"posting": {"title": "null"}}), "posting.title:"),
        (json!({"posting": "x"}), "posting:"),
        (with("locations", json!({"a": 1})), "locations:"),
        (with("locations", json!([7])), "locations:"),
        (with("closing", json!("soon")), "closing:"),
        (with("closing", json!({"value": "soon", "precision": "date"})), "closing.value:"),
        (with("closing", json!({"value": "2024-03-19", "precision": "instant"})), "closing.value:"),
        (with("closing", json!({"value": "2024-03-19", "precision": "exact"})), "closing.precision:"),
        (
            with("closing", json!({"value": "2024-03-19", "precision": "date", "zone": "Mars"})),
            "closing.zone:",
        ),
        (with("pay", json!({"min": 2, "max": 1})), "pay:"),
        (with("pay", json!({"currency": "pounds", "min": 1})), "pay:"),
        (json!({"posting": {"title": "Clerk", "url": "not a link"}}), "posting.url:"),
    ] {
        let rejection = happening("vacancy.opened", &data, &reading()).unwrap_err();
        assert_eq!(rejection.reason, Reason::Schema);
        assert!(rejection.detail.starts_with(place), "{data}: {}", rejection.detail);
    }
    let unknown = happening("vacancy.exploded", &json!({}), &reading()).unwrap_err();
    assert_eq!(unknown.reason, Reason::UnknownType);
}

#[test]
fn only_https_links_to_allowed_hosts_pass() {
    let hosts = ["careers.force.example".to_owned()];
    for (link, allowed) in [
        ("https://careers.force.example/jobs/1", true),
        ("HTTPS://CAREERS.force.example/", true),
        ("http://careers.force.example/jobs/1", false),
        ("https://careers.force.example.evil.example/", false),
        ("https://evil.example/careers.force.example", false),
        ("https://user@careers.force.example/", false),
        ("javascript:alert(1)", false),
        ("//careers.force.example/", false),
    ] {
        assert_eq!(allow(Kind::Vacancy, link, &hosts).is_ok(), allowed, "{link}");
    }
    for (kind, place) in
        [(Kind::Vacancy, "posting.url"), (Kind::Programme, "program.url"), (Kind::EventDay, "event.url")]
    {
        let rejection = allow(kind, "https://evil.example/", &hosts).unwrap_err();
        assert!(rejection.detail.starts_with(place), "{rejection}");
    }
}
