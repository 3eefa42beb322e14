//! The taxonomy grows: nobody is excluded by what it does not know, and no row is touched for what it
//! learns (I16, I27).

use serde_json::json;

use crate::harness::events::Event;
use crate::harness::people::{curious, person};
use crate::harness::{Delivered, Road};

const ANN: &str = "ann@example.org";
const TIPTON: &str = "[[place]]\nslug = \"tipton\"\nlabel = \"Tipton\"\nparent = \"birmingham\"\n";

fn in_tipton(reference: &str) -> Event {
    Event::opened(reference).with("/data/locations", json!(["tipton"]))
}

/// I27.
#[tokio::test]
async fn a_new_child_widens_searches_on_its_parent() {
    let mut road = Road::new().await;
    road.import(&[
        person(ANN).search("Birmingham", "immediate", json!({"locations": {"any": ["birmingham"]}})),
        person("bob@example.org").search(
            "Coventry",
            "immediate",
            json!({"locations": {"any": ["coventry"]}}),
        ),
    ])
    .await;
    let before = road.state().await;
    road.teach(TIPTON);
    road.program().prepare().await.unwrap();
    assert_eq!(road.state().await, before, "no row was touched");
    road.hears(&[in_tipton("230000AA")]).await;
    assert_eq!(road.drain().await, Delivered::ONE_MAIL);
    assert_eq!(road.only_mail().rcpt_to, [ANN]);
}

/// I16: an unknown value in an event excludes nobody.
#[tokio::test]
async fn a_value_that_the_taxonomy_does_not_know_excludes_nobody() {
    let road = Road::new().await;
    road.import(&[
        person(ANN).search("Birmingham", "immediate", json!({"locations": {"any": ["birmingham"]}})),
        person("bob@example.org").search(
            "Coventry, dogs",
            "immediate",
            json!({"locations": {"any": ["coventry"]}, "keywords": {"any": ["dog"]}}),
        ),
    ])
    .await;
    road.hears(&[in_tipton("230000AA")]).await;
    assert_eq!(road.drain().await, Delivered::ONE_MAIL);
    assert_eq!(road.only_mail().rcpt_to, [ANN]);
}

/// I16: an unknown name in a search limits nothing; the rest of the search does.
#[tokio::test]
async fn a_name_that_the_taxonomy_does_not_know_limits_nothing() {
    let road = Road::new().await;
    road.import(&[
        person(ANN).search("Tipton", "immediate", json!({"locations": {"any": ["tipton"]}})),
        person("bob@example.org").search(
            "Tipton, dogs",
            "immediate",
            json!({"locations": {"any": ["tipton"]}, "keywords": {"any": ["dog"]}}),
        ),
    ])
    .await;
    road.hears(&[Event::opened("230000AA")]).await;
    assert_eq!(road.drain().await, Delivered::ONE_MAIL);
    assert_eq!(road.only_mail().rcpt_to, [ANN]);
}

/// When the taxonomy knows the name at last, the search asks for that and no more.
#[tokio::test]
async fn what_the_taxonomy_learns_limits_the_searches_that_named_it() {
    let mut road = Road::new().await;
    road.import(&[person(ANN).search("Tipton", "immediate", json!({"locations": {"any": ["tipton"]}}))])
        .await;
    assert_eq!(road.count("select count(*) from criteria where unknown").await, 1);
    road.program().prepare().await.unwrap();
    assert_eq!(road.count("select count(*) from criteria where unknown").await, 1, "nothing was learned yet");

    road.teach(TIPTON);
    road.program().prepare().await.unwrap();
    assert_eq!(road.count("select count(*) from criteria where unknown").await, 0);
    road.hears(&[
        Event::opened("230000AA").with("/data/locations", json!(["coventry"])),
        in_tipton("230000BB").titled("In Tipton"),
    ])
    .await;
    assert_eq!(road.drain().await, Delivered::ONE_MAIL);
    assert!(road.only_mail().subject().unwrap().contains("In Tipton"));
}

/// A taxonomy that forgets a value says so nowhere else: it excludes nobody.
#[tokio::test]
async fn an_absent_value_excludes_nobody_but_an_absent_audience_is_the_public() {
    let road = Road::new().await;
    road.import(&[
        person(ANN).search("All named", "immediate", json!({
            "roleFamily": {"any": ["detective"]}, "contractKind": {"any": ["permanent"]},
            "hours": {"all": ["full-time"]}, "pay": {"atLeast": 90_000}, "locations": {"any": ["coventry"]},
        })),
        person("bob@example.org").search("Staff", "immediate", json!({"audience": {"any": ["serving-staff"]}})),
        curious("cat@example.org"),
    ])
    .await;
    let mut event = Event::opened("230000AA");
    for key in ["roleFamily", "contractKind", "hours", "locations", "audience", "pay"] {
        event = event.with(&format!("/data/{key}"), json!(null));
    }
    road.hears(&[event]).await;
    assert_eq!(road.drain().await.accepted, 2);
    assert_eq!(road.mails_to("bob@example.org").len(), 0);
}
