use serde_json::{Value, json};

use super::*;
use crate::domain::facts::{Closing, ProgrammeChange};
use crate::domain::history::Door;

fn policy() -> Policy {
    Policy {
        environment: "prod".into(),
        test_references: vec!["TEST".into()],
        allowed_hosts: vec!["careers.force.example".into()],
        flap_window: Duration::minutes(30),
        taxonomy: Arc::new(Taxonomy::shipped()),
        reading: Reading { zone: chrono_tz::Europe::London },
    }
}

fn now() -> DateTime<Utc> {
    "2024-03-05T10:00:00Z".parse().unwrap()
}

fn message(kind: &str, subject: &str, more: &Value, data: &Value) -> Message {
    let mut event = json!({"specversion": "1.0", "id": "1", "source": "/ats", "type": kind,
                           "subject": subject, "data": data});
    event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Message {
        content_type: Some("application/cloudevents+json".into()),
        body: event.to_string().into_bytes(),
        ..Message::default()
    }
}

fn data(kind: &str) -> Value {
    match kind {
        "vacancy.opened" => json!({"posting": {"title": "Clerk"}}),
        "event.published" => json!({"event": {"name": "Day", "startDate": "2024-02-17T10:30:00Z"}}),
        _ => json!({}),
    }
}

fn about(kind: &str, subject: &str, test: bool) -> Result<String, Reason> {
    let message = message(kind, subject, &json!({ "testevent": test }), &data(kind));
    read(&message, &policy(), now()).map(|event| event.subject).map_err(|rejection| rejection.reason)
}

#[test]
fn events_are_about_what_their_type_says() {
    for (kind, subject, expected) in [
        ("vacancy.opened", "vacancy/230000p0", Ok("vacancy/230000P0")),
        ("programme.opened", "programme/PC-DHEP", Ok("programme/pc-dhep")),
        ("programme.opened", "programme/dhep", Ok("programme/pc-dhep")),
        ("programme.opened", "programme/DC DHEP", Ok("programme/dc-dhep")),
        ("programme.opened", "programme/Dog-Handlers", Ok("programme/dog-handlers")),
        ("event.published", "event/Discovery-Day-2024-02", Ok("event/discovery-day-2024-02")),
        ("event.published", "event/dhep", Ok("event/dhep")),
        ("vacancy.opened", "programme/pc-dhep", Err(Reason::Envelope)),
        ("programme.opened", "vacancy/230000P0", Err(Reason::Envelope)),
        ("programme.opened", "event/pc-dhep", Err(Reason::Envelope)),
        ("programme.opened", "test-programme/pc-dhep", Err(Reason::Envelope)),
        ("programme.opened", "programme/", Err(Reason::Envelope)),
        ("programme.opened", "programme/dog handlers", Err(Reason::Envelope)),
        ("programme.opened", "programme/None", Err(Reason::Envelope)),
        ("vacancy.opened", "vacancy/null", Err(Reason::Envelope)),
        ("vacancy.opened", "vacancy/{REF}", Err(Reason::Envelope)),
        ("vacancy.opened", "230000P0", Err(Reason::Envelope)),
    ] {
        assert_eq!(about(kind, subject, false), expected.map(ToOwned::to_owned), "{kind} {subject}");
    }
    assert_eq!(about("programme.opened", "programme/dhep", true).unwrap(), "test-programme/pc-dhep");
    let rejection = read(
        &message("event.published", "programme/x", &json!({}), &data("event.published")),
        &policy(),
        now(),
    );
    assert_eq!(
        rejection.unwrap_err().detail,
        "subject: expected event/ and a slug of letters, digits and ._-, for an event of this type"
    );
}

#[test]
fn what_looks_like_a_test_must_say_that_it_is_one() {
    for (kind, subject, looks) in [
        ("vacancy.opened", "vacancy/TEST0001", true),
        ("vacancy.opened", "vacancy/testing", true),
        ("vacancy.opened", "vacancy/230000P0", false),
        ("programme.opened", "programme/test", true),
        ("programme.opened", "programme/Test-1", true),
        ("programme.opened", "programme/testing-officers", false),
        ("event.published", "event/test_day", true),
        ("event.published", "event/fitness-test", false),
    ] {
        let expected = if looks { Err(Reason::LooksLikeATest) } else { Ok(()) };
        assert_eq!(about(kind, subject, false).map(drop), expected, "{subject}");
        assert_eq!(about(kind, subject, true).map(drop), Ok(()), "{subject}");
    }
}

#[test]
fn links_of_every_kind_are_held_against_the_allowed_hosts() {
    for (kind, subject, inner) in [
        ("vacancy.opened", "vacancy/1", "posting"),
        ("programme.opened", "programme/pc-dhep", "program"),
        ("event.published", "event/day", "event"),
    ] {
        for (host, allowed) in [("careers.force.example", true), ("evil.example", false)] {
            let mut data = data(kind);
            data[inner]["url"] = json!(format!("https://{host}/x"));
            let read = read(&message(kind, subject, &json!({}), &data), &policy(), now());
            assert_eq!(read.is_ok(), allowed, "{kind} {host}");
            if let Err(rejection) = read {
                assert_eq!(rejection.reason, Reason::LinkNotAllowed);
                assert!(rejection.detail.starts_with(&format!("{inner}.url ")), "{rejection}");
            }
        }
    }
}

#[test]
fn only_a_posting_has_an_identifier_that_must_agree() {
    let data = json!({"posting": {"title": "Clerk", "identifier": {"value": "OTHER"}}});
    let event = message("vacancy.opened", "vacancy/1", &json!({}), &data);
    assert_eq!(read(&event, &policy(), now()).unwrap_err().reason, Reason::Envelope);
    let event = message("programme.opened", "programme/pc-dhep", &json!({}), &data);
    assert!(read(&event, &policy(), now()).is_ok());
}

fn cycle(changes: Vec<Change>, door: Door) -> Vec<Opening> {
    let event = Event {
        id: 1,
        position: Position { version: Some(1), time: now() },
        effective_at: now(),
        seen_at: now(),
        test: false,
        zone: chrono_tz::Europe::London,
        happening: Happening { door: Some(door), cycle: None, changes },
    };
    history::openings(Kind::Programme, &[event], Duration::minutes(30))
}

#[test]
fn what_events_of_a_programme_do_not_say_is_as_in_the_taxonomy() {
    let taxonomy = Taxonomy::shipped();
    let filled = |slug: &str, changes, door| {
        let mut openings = cycle(changes, door);
        fill(&mut openings, slug, &taxonomy);
        openings.remove(0).truth
    };
    let silent = filled("special-intake", vec![Change::Closing(Closing::OpenUntilFilled)], Door::Open).facts;
    assert_eq!(silent.title, "Special constable intake");
    assert_eq!(silent.role_family, ["special-constable"]);
    assert_eq!(silent.contract_kind, ["volunteer"]);
    assert_eq!(silent.rank, Vec::<String>::new());

    let said = vec![
        Change::Title("Specials".into()),
        Change::Values(Dimension::RoleFamily, vec!["police-officer".into()]),
    ];
    let said = filled("special-intake", said, Door::Open).facts;
    assert_eq!((said.title.as_str(), said.role_family), ("Specials", vec!["police-officer".to_owned()]));

    let unknown = filled("dog-handlers", vec![], Door::Open).facts;
    assert_eq!((unknown.title.as_str(), unknown.role_family), ("dog-handlers", vec![]));

    let gone = filled("pc-ipldp", vec![], Door::Withdraw(crate::domain::truth::CloseReason::Withdrawn));
    assert_eq!(gone.replaced_by.as_deref(), Some("pc-pcep"));
    let members = ProgrammeChange {
        members: Some(vec!["DHEP".into(), "dog-handlers".into()]),
        ..ProgrammeChange::default()
    };
    let announced = filled("pc-any", vec![Change::Programme(Box::new(members))], Door::Announce);
    assert_eq!(announced.facts.programme.unwrap().members, ["pc-dhep", "dog-handlers"]);
}
