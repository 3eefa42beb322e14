//! M7: that a door closes soon, to those who were told that it is open and asked for it.

use serde_json::json;

use crate::harness::events::Event;
use crate::harness::people::{Person, person};
use crate::harness::{Delivered, Road};

const ANN: &str = "ann@example.org";
const BOB: &str = "bob@example.org";

fn registered(person: Person) -> Person {
    person.agreed_at("2023-12-29T00:00:00Z")
}

/// Ann asked to be reminded, Bob did not; both were told that it is open until noon on 19 March.
async fn told() -> Road {
    let road = Road::setup().at("2024-03-05T10:00:00Z").build().await;
    road.import(&[
        registered(person(ANN).reminded("pc-dhep")),
        registered(person(BOB).registered("pc-dhep")),
    ])
    .await;
    road.hears(&[Event::sample("10")]).await;
    assert_eq!(road.drain().await.accepted, 2);
    road
}

fn closing(moment: &str, at: &str) -> Event {
    Event::like("14")
        .of("programme/pc-dhep")
        .version(40)
        .at(at)
        .with("/data/cycleId", "2024-spring")
        .with("/data/from", json!({}))
        .with(
            "/data/to",
            json!({"closing": {"value": moment, "precision": "instant", "zone": "Europe/London"}}),
        )
}

#[tokio::test]
async fn who_asked_is_reminded_once() {
    let road = told().await;
    assert_eq!(road.drain_at("2024-03-18T11:59:59Z").await.accepted, 0);
    assert_eq!(road.drain_at("2024-03-18T12:00:00Z").await, Delivered::ONE_MAIL);
    assert_eq!(road.kinds_to(ANN).await, ["open-now", "closing-soon"]);
    let subject = road.mails().last().unwrap().subject().unwrap();
    assert!(subject.starts_with("Closes tomorrow at noon"), "{subject}");
    for now in
        ["2024-03-18T13:00:00Z", "2024-03-19T11:00:00Z", "2024-03-19T12:00:00Z", "2024-03-21T12:00:00Z"]
    {
        assert_eq!(road.drain_at(now).await.accepted, 0, "{now}");
    }
    assert_eq!(road.kinds_to(BOB).await, ["open-now"]);
    let six = road.six("programme/pc-dhep").await;
    assert_eq!((six.kept, six.owed), (2, 0), "{six:?}");
}

/// Who asks for it after they were told is reminded, too; who stops is not.
#[tokio::test]
async fn it_can_be_asked_for_later_and_stopped() {
    let road = told().await;
    road.at("2024-03-10T10:00:00Z");
    road.import(&[person(BOB).reminded("pc-dhep")]).await;
    road.sql("update subscribers set state = 'suppressed' where address = 'ann@example.org'").await;
    assert_eq!(road.drain().await.accepted, 0);
    assert_eq!(road.drain_at("2024-03-18T12:00:00Z").await.accepted, 1);
    assert_eq!(road.kinds_to(BOB).await, ["open-now", "closing-soon"]);
}

/// It follows the closing, and there is none for a door that has shut, or of which people were told
/// less than two days before.
#[tokio::test]
async fn it_follows_the_closing() {
    let road = told().await;
    road.at("2024-03-10T10:00:00Z");
    road.hears(&[closing("2024-03-15T12:00:00Z", "2024-03-10T10:00:00Z")]).await;
    assert_eq!(road.drain().await.accepted, 2);
    assert_eq!(road.drain_at("2024-03-14T11:59:59Z").await.accepted, 0);
    assert_eq!(road.drain_at("2024-03-14T12:00:00Z").await.accepted, 1);
    assert_eq!(road.kinds_to(ANN).await, ["open-now", "correction", "closing-soon"]);

    let road = told().await;
    road.at("2024-03-10T10:00:00Z");
    road.hears(&[closing("2024-03-12T09:00:00Z", "2024-03-10T10:00:00Z")]).await;
    assert_eq!(road.drain().await.accepted, 2);
    for now in ["2024-03-11T09:00:00Z", "2024-03-12T08:00:00Z", "2024-03-18T12:00:00Z"] {
        assert_eq!(road.drain_at(now).await.accepted, 0, "{now}");
    }

    let road = told().await;
    road.at("2024-03-06T17:30:00Z");
    road.hears(&[Event::like("13")
        .of("programme/pc-dhep")
        .version(41)
        .at("2024-03-06T17:30:00Z")
        .with("/data/cycleId", "2024-spring")])
        .await;
    assert_eq!(road.drain().await.accepted, 2);
    assert_eq!(road.kinds_to(ANN).await, ["open-now", "closed-early"]);
    assert_eq!(road.drain_at("2024-03-18T12:00:00Z").await.accepted, 0);
}
