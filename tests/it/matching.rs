//! From the truth to who wants to know.

use jobalerts::matching::{self, Step};
use serde_json::json;

use crate::harness::events::Event;
use crate::harness::people::{crowd, curious, person};
use crate::harness::{Delivered, Road, time};

async fn step(road: &Road) -> Step {
    matching::step(road.pool(), &road.program().matching_rules(), road.clock.now()).await.unwrap()
}

/// The arrow from openings to alerts: killed between two pages, it goes on with the second.
#[tokio::test]
async fn matching_goes_on_where_it_was_killed() {
    let road = Road::new().await;
    road.import(&crowd(3)).await;
    // A page covers so many keys; these people are on the second and third.
    road.sql("alter sequence subscribers_id_seq restart 300000").await;
    road.import(&[curious("second@example.org")]).await;
    road.sql("alter sequence subscribers_id_seq restart 600000").await;
    road.import(&[curious("third@example.org")]).await;
    road.hears(&[Event::opened("230000AA")]).await;

    assert_eq!(step(&road).await, Step::Page { alerts: 3 });
    assert_eq!(road.deliver().await.accepted, 3, "nobody waits for the other pages");
    // Whoever goes on is another process, perhaps days later.
    assert_eq!(step(&road).await, Step::Page { alerts: 1 });
    assert_eq!(step(&road).await, Step::Page { alerts: 1 });
    assert_eq!(step(&road).await, Step::Idle);
    assert_eq!(road.deliver().await.accepted, 2);
    assert_eq!(road.count("select count(*) from alerts where told_revision = 1").await, 5);
}

/// A new revision between two pages begins anew, and still makes each alert once.
#[tokio::test]
async fn a_change_between_two_pages_begins_anew() {
    let road = Road::new().await;
    road.import(&crowd(3)).await;
    road.sql("alter sequence subscribers_id_seq restart 300000").await;
    road.import(&[curious("second@example.org")]).await;
    road.hears(&[Event::opened("230000AA")]).await;
    assert_eq!(step(&road).await, Step::Page { alerts: 3 });
    road.hears(&[Event::closes_earlier("230000AA", "2023-12-04T12:00:00Z")]).await;
    assert_eq!(step(&road).await, Step::Page { alerts: 0 });
    assert_eq!(step(&road).await, Step::Page { alerts: 1 });
    assert_eq!(step(&road).await, Step::Idle);
    assert_eq!(road.deliver().await.accepted, 4);
    assert_eq!(road.count("select count(*) from alerts where told_revision = 2").await, 4);
}

/// A correction after which more people ask for it tells these, and nobody twice.
#[tokio::test]
async fn a_correction_tells_those_it_newly_matches() {
    let road = Road::new().await;
    let near = |address: &str, place: &str| {
        person(address).search("Near me", "immediate", json!({"locations": {"any": [place]}}))
    };
    road.import(&[near("ann@example.org", "birmingham"), near("bob@example.org", "coventry")]).await;
    road.hears(&[Event::opened("230000AA")]).await;
    assert_eq!(road.drain().await, Delivered::ONE_MAIL);
    let also =
        Event::opened("230000AA").version(2).with("/data/locations", json!(["birmingham", "coventry"]));
    road.hears(&[also]).await;
    assert_eq!(road.drain().await, Delivered::ONE_MAIL);
    assert_eq!(road.mails_to("ann@example.org").len(), 1);
    assert_eq!(road.mails_to("bob@example.org").len(), 1);
}

/// Withdrawn and put back before anybody was told: they are told then.
#[tokio::test]
async fn who_was_not_told_before_it_shut_is_told_when_it_is_open_again() {
    let road = Road::new().await;
    road.import(&[person("ann@example.org").wants("All", "daily")]).await;
    road.hears(&[Event::opened("230000AA")]).await;
    road.match_all().await;
    road.hears(&[Event::withdrawn("230000AA").at("2023-11-14T07:50:00Z")]).await;
    assert_eq!(road.drain_at("2023-11-14T08:00:00Z").await, Delivered { ended: 1, ..Delivered::NOTHING });
    road.hears(&[Event::opened("230000AA").version(3).at("2023-11-14T08:10:00Z")]).await;
    assert_eq!(road.drain_at("2023-11-14T08:10:00Z").await, Delivered::NOTHING);
    assert_eq!(road.only_alert().await.due_at, Some(time("2023-11-15T08:00:00Z")));
    assert_eq!(road.drain_at("2023-11-15T08:00:00Z").await, Delivered::ONE_MAIL);
}

/// 2.6: ranks above sergeant only for searches that name them, their band, or serving officers.
#[tokio::test]
async fn a_senior_rank_is_only_for_those_who_name_it() {
    let road = Road::setup().at("2023-11-24T09:06:00Z").build().await;
    let wants = |address: &str, criteria| person(address).search("Mine", "immediate", criteria);
    road.import(&[
        curious("anything@example.org"),
        wants("place@example.org", json!({"locations": {"any": ["coventry"]}})),
        wants("family@example.org", json!({"roleFamily": {"any": ["police-officer"]}})),
        wants("public@example.org", json!({"audience": {"any": ["public"]}})),
        wants("rank@example.org", json!({"rank": {"any": ["chief-superintendent"]}})),
        wants("band@example.org", json!({"rank": {"any": ["senior"]}})),
        wants("other@example.org", json!({"rank": {"any": ["sergeant"]}})),
        wants("serving@example.org", json!({"audience": {"any": ["serving-officer"]}})),
    ])
    .await;
    road.hears(&[Event::sample("01")]).await;
    road.drain().await;
    let mut told: Vec<String> = road.mails().iter().map(|mail| mail.rcpt_to[0].clone()).collect();
    told.sort_unstable();
    assert_eq!(told, ["band@example.org", "rank@example.org", "serving@example.org"]);
}

/// 2.6: places match up and down the tree, keywords whole words, never "police" alone.
#[tokio::test]
async fn searches_find_what_they_ask_for() {
    let road = Road::new().await;
    let wants = |address: &str, criteria| person(address).search("Mine", "immediate", criteria);
    road.import(&[
        wants("above@example.org", json!({"locations": {"any": ["west-midlands"]}})),
        wants("alias@example.org", json!({"locations": {"any": ["Birmingham"]}, "roleFamily": {"any": ["Police support volunteer"]}})),
        wants("word@example.org", json!({"keywords": {"any": ["custody"]}})),
        wants("plural@example.org", json!({"keywords": {"all": ["Volunteers", "facilities"]}})),
        wants("phrase@example.org", json!({"keywords": {"any": ["custody facility"]}})),
        wants("no-beside@example.org", json!({"locations": {"any": ["coventry"]}})),
        wants("no-part@example.org", json!({"keywords": {"any": ["custo"]}})),
        wants("no-police@example.org", json!({"keywords": {"any": ["police"]}})),
        wants("no-not@example.org", json!({"keywords": {"not": ["volunteer"]}})),
        wants("no-not-above@example.org", json!({"locations": {"not": ["west-midlands"]}})),
        wants("no-all@example.org", json!({"hours": {"all": ["part-time", "job-share"]}})),
        wants("pay@example.org", json!({"pay": {"atLeast": 30_000}})),
    ])
    .await;
    road.hears(&[
        Event::sample("03").with("/data/posting/description", "West Midlands Police and its facilities")
    ])
    .await;
    road.drain().await;
    let mut told: Vec<String> = road.mails().iter().map(|mail| mail.rcpt_to[0].clone()).collect();
    told.sort_unstable();
    let expected =
        ["above", "alias", "pay", "phrase", "plural", "word"].map(|name| format!("{name}@example.org"));
    assert_eq!(told, expected);
}
