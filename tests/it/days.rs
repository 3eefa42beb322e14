//! Event days: told to those who asked for their topic, and put right when they move.

use serde_json::{Value, json};

use crate::harness::events::Event;
use crate::harness::people::{Person, curious, person};
use crate::harness::{Delivered, Road};

const ANN: &str = "ann@example.org";
const BOB: &str = "bob@example.org";

fn accepted(mails: u64) -> Delivered {
    Delivered { accepted: mails, ..Delivered::NOTHING }
}

fn asks_for(address: &str, topic: &str) -> Person {
    person(address).search("Days", "immediate", json!({"topic": {"any": [topic]}}))
}

/// Ann is told of the discovery day of sample 15; Bob wants every job and no days.
async fn told_of_the_day() -> Road {
    let road = Road::setup().with_guards().at("2024-01-22T12:00:00Z").build().await;
    road.import(&[asks_for(ANN, "discovery-day"), curious(BOB), asks_for("cee@example.org", "careers-fair")])
        .await;
    road.hears(&[Event::sample("15")]).await;
    assert_eq!(road.drain_at("2024-01-22T12:02:00Z").await, accepted(1));
    assert_eq!(road.kinds_to(ANN).await, ["event-day"]);
    road
}

fn changed(version: i64, at: &str, event: Value) -> Event {
    Event::like("16").version(version).at(at).with("/data/event", event).with("/data/changes", json!([]))
}

/// SUB-16, M15.
#[tokio::test]
async fn a_day_is_told_to_who_asked_for_its_topic() {
    let road = told_of_the_day().await;
    let mail = road.only_mail();
    let text = mail.text().unwrap();
    for said in ["Wolverhampton", "Saturday 17 February 2024", "Wednesday 14 February 2024"] {
        assert!(text.contains(said), "{said}: {text}");
    }
    assert!(!mail.header("List-Id").unwrap().contains("discovery"), "no list for each topic");
    assert_eq!(road.drain_at("2024-02-18T12:00:00Z").await, Delivered::NOTHING);
}

/// M16, I25.
#[tokio::test]
async fn a_day_that_moves() {
    let road = told_of_the_day().await;
    let first = road.only_mail().message_id().unwrap();
    road.at("2024-02-12T16:10:00Z");
    road.hears(&[Event::sample("16")]).await;
    assert_eq!(road.drain().await, accepted(1));
    let mail = &road.mails()[1];
    assert_eq!(mail.header("In-Reply-To").unwrap().trim(), format!("<{first}>"));
    let text = mail.text().unwrap();
    assert!(text.contains("17 February") && text.contains("24 February"), "{text}");
    assert_eq!(road.kinds_to(ANN).await, ["event-day", "event-day-changed"]);
}

#[tokio::test]
async fn a_day_that_is_called_off_after_the_bookings_closed() {
    let road = told_of_the_day().await;
    let off = Event::like("16").version(2).with("/type", "event.cancelled").at("2024-02-16T09:00:00Z");
    road.at("2024-02-16T09:00:00Z");
    road.hears(&[off]).await;
    assert_eq!(road.drain_at("2024-02-16T09:02:00Z").await, accepted(1));
    assert_eq!(road.kinds_to(ANN).await, ["event-day", "event-day-changed"]);
    assert_eq!(road.drain_at("2024-02-18T09:02:00Z").await, Delivered::NOTHING);
}

/// 2.2.3, N50: that it is full waits for the next digest; places again are told to who heard that.
#[tokio::test]
async fn full_and_places_again() {
    let road = told_of_the_day().await;
    let left =
        |version, at: &str, places: i64| changed(version, at, json!({"remainingAttendeeCapacity": places}));
    road.at("2024-01-25T09:00:00Z");
    road.hears(&[left(2, "2024-01-25T09:00:00Z", 12)]).await;
    assert_eq!(road.drain().await, Delivered::NOTHING);
    road.hears(&[left(3, "2024-01-25T10:00:00Z", 0)]).await;
    assert_eq!(road.drain_at("2024-01-25T20:00:00Z").await, Delivered::NOTHING);
    assert_eq!(road.drain_at("2024-01-26T08:00:00Z").await, accepted(1));
    road.hears(&[left(4, "2024-01-27T10:00:00Z", 3)]).await;
    assert_eq!(road.drain_at("2024-01-27T10:00:00Z").await, accepted(1));
    assert_eq!(road.kinds_to(ANN).await, ["event-day", "event-day-changed", "event-day-changed"]);
}

#[tokio::test]
async fn a_day_whose_bookings_have_closed_is_not_told_any_more() {
    let road = Road::setup().with_guards().at("2024-02-14T17:00:00Z").build().await;
    road.import(&[asks_for(ANN, "discovery-day")]).await;
    road.hears(&[Event::sample("15")]).await;
    assert_eq!(road.drain_at("2024-02-14T17:10:00Z").await.accepted, 0);
}

/// I28, SUB-16: anybody may ask for it, and that they did stands in their search and nowhere else.
#[tokio::test]
async fn a_topic_is_told_to_anybody_and_noted_nowhere() {
    let topic = "positive-action-support";
    let road = Road::setup().with_guards().at("2024-01-22T12:00:00Z").build().await;
    road.import(&[asks_for(ANN, topic).discreet(), asks_for(BOB, "discovery-day")]).await;
    road.hears(&[Event::like("15").with("/data/topic", topic)]).await;
    assert_eq!(road.drain_at("2024-01-22T12:02:00Z").await, accepted(1));
    assert_eq!(road.mails_to(ANN).len(), 1);
    let state: Value = serde_json::from_str(&road.state().await).unwrap();
    for table in ["people", "consents", "searches", "registrations", "alerts", "mails"] {
        assert!(!state[table].to_string().contains("positive"), "{table}");
    }
    let headers = format!("{:?}", road.only_mail().headers()).to_lowercase();
    assert!(!headers.contains("positive"), "{headers}");
}
