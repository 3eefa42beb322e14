//! Which posting is which, whatever arrives late; tests apart from the truth; and openings that move.

use jobalerts_dev::smtp::{Rule, SmtpServer, Stage};
use serde_json::json;

use crate::harness::events::Event;
use crate::harness::people::{curious, person};
use crate::harness::{Delivered, Road, TESTER, time};

const ANN: &str = "ann@example.org";
const BOB: &str = "bob@example.org";
const CEE: &str = "cee@example.org";
const NEXT_MORNING: &str = "2023-11-14T08:00:00Z";

fn opened(version: i64, at: &str) -> Event {
    Event::opened("230000AA").version(version).at(at)
}

fn closed(version: i64, at: &str) -> Event {
    Event::closed("230000AA").version(version).at(at)
}

/// Ann was told of both postings before the third event showed that they are one; Bob only of the
/// second; Cee, who hears daily, of neither.
async fn two_postings_that_are_one() -> Road {
    let road = Road::setup().at("2023-11-13T09:00:00Z").build().await;
    road.import(&[curious(ANN), person(CEE).wants("All", "daily")]).await;
    road.hears(&[opened(1, "2023-11-13T09:00:00Z")]).await;
    assert_eq!(road.drain().await, Delivered::ONE_MAIL);
    road.hears(&[closed(2, "2023-11-13T10:00:00Z")]).await;
    assert_eq!(road.drain_at("2023-11-13T10:01:00Z").await.accepted, 0);
    road.import(&[curious(BOB)]).await;
    road.hears(&[opened(4, "2023-11-13T10:40:00Z")]).await;
    assert_eq!(road.drain_at("2023-11-13T10:41:00Z").await.accepted, 2);
    assert_eq!((road.mails_to(ANN).len(), road.mails_to(BOB).len()), (2, 1));

    road.hears(&[opened(3, "2023-11-13T10:20:00Z")]).await;
    road
}

#[tokio::test]
async fn two_postings_that_turn_out_to_be_one_are_not_told_again() {
    let road = two_postings_that_are_one().await;
    assert_eq!(road.drain_at("2023-11-13T10:42:00Z").await.accepted, 0);
    assert_eq!(road.mails().len(), 3);
    assert_eq!(road.count("select count(*) from openings where not absorbed").await, 1);
    assert_eq!(road.count("select count(*) from openings where absorbed and state = 'closed'").await, 1);

    // Still one posting for who was not told yet, and told once.
    assert_eq!(road.drain_at(NEXT_MORNING).await.accepted, 1);
    assert_eq!(road.mails_to(CEE).len(), 1);
    assert_eq!(road.drain_at("2023-11-15T08:00:00Z").await.accepted, 0);
    assert_eq!(road.mails().len(), 4);
}

#[tokio::test]
async fn two_postings_that_turn_out_to_be_one_close_together() {
    let road = two_postings_that_are_one().await;
    assert_eq!(road.drain_at("2023-11-13T10:42:00Z").await.accepted, 0);
    road.hears(&[closed(5, "2023-11-13T20:00:00Z")]).await;
    assert_eq!(road.drain_at(NEXT_MORNING).await.accepted, 1);
    let [to_cee] = &road.mails_to(CEE)[..] else { panic!("one line that it came and went") };
    assert!(to_cee.subject().unwrap().starts_with("Opened and closed: "));
    assert_eq!(road.mails().len(), 4);
    assert_eq!(road.count("select count(*) from alerts where due_at is not null").await, 0);
}

/// The late event and the closing come in one batch, before the next claim.
#[tokio::test]
async fn what_turns_out_to_be_one_and_closed_at_once_is_not_told() {
    let road = two_postings_that_are_one().await;
    road.hears(&[closed(5, "2023-11-13T10:50:00Z")]).await;
    // That it came and went is a line in Cee's digest.
    assert_eq!(road.drain_at(NEXT_MORNING).await.accepted, 1);
    // A new posting after that is told to everybody, once.
    road.hears(&[opened(6, "2023-11-14T08:00:00Z")]).await;
    assert_eq!(road.drain().await.accepted, 2);
    assert_eq!(road.drain_at("2023-11-15T08:00:00Z").await.accepted, 1);
    assert_eq!(road.mails().len(), 7);
}

#[tokio::test]
async fn posted_again_after_the_clock_shut_it_is_told_again() {
    let road = Road::new().await;
    road.import(&[curious(ANN)]).await;
    road.hears(&[Event::opened("230000AA").shuts("2023-11-20T12:00:00Z")]).await;
    assert_eq!(road.drain().await, Delivered::ONE_MAIL);
    let again = opened(2, "2023-12-01T09:00:00Z").shuts("2023-12-20T12:00:00Z");
    road.at("2023-12-01T09:01:00Z");
    road.hears(&[again]).await;
    assert_eq!(road.drain().await, Delivered::ONE_MAIL);
    let postings: Vec<i32> = road.alerts().await.iter().map(|alert| alert.posting).collect();
    assert_eq!(postings, [1, 2]);
    let ids: std::collections::BTreeSet<_> = road.mails().iter().map(|mail| mail.message_id()).collect();
    assert_eq!(ids.len(), 2);
}

/// What both kinds of events may say about a vacancy after it was posted.
fn later() -> [Event; 4] {
    [
        Event::opened("230000AA").version(2).titled("Corrected").at("2023-11-13T09:00:00Z"),
        Event::closes_earlier("230000AA", "2023-11-13T09:30:00Z").version(3),
        closed(4, "2023-11-13T09:40:00Z"),
        Event::withdrawn("230000AA").version(5).at("2023-11-13T09:50:00Z"),
    ]
}

fn as_test(event: Event) -> Event {
    event.with("/testevent", true)
}

const TRUTHS: &str =
    "select subject, state || ' ' || (truth->'facts'->>'title') || ' ' || revision from openings
                      order by subject";

#[tokio::test]
async fn test_events_change_nothing_about_the_real_vacancy() {
    let road = Road::new().await;
    road.import(&[curious(TESTER), person(ANN).wants("All", "daily")]).await;
    road.hears(&[Event::opened("230000AA").titled("Real")]).await;
    let real: Vec<(String, String)> = road.rows(TRUTHS).await;
    for event in later().map(as_test) {
        road.hears(&[event]).await;
    }
    let truths: Vec<(String, String)> = road.rows(TRUTHS).await;
    assert!(truths.contains(&real[0]), "{real:?} {truths:?}");
    // The test vacancy is withdrawn by now, the real one is open.
    assert_eq!(road.drain().await.accepted, 1);
    assert!(road.only_mail().subject().unwrap().contains("Real"));
    assert_eq!(road.drain_at(NEXT_MORNING).await.accepted, 1);
    assert_eq!(road.mails_to(ANN).len(), 1);
    assert!(!road.mails().iter().any(|mail| mail.subject().unwrap().contains("[TEST]")));
}

#[tokio::test]
async fn real_events_change_nothing_about_a_test() {
    let road = Road::new().await;
    road.import(&[curious(TESTER), curious(ANN)]).await;
    road.hears(&[as_test(Event::opened("230000AA").titled("Trial"))]).await;
    for event in later() {
        road.hears(&[event]).await;
    }
    assert_eq!(road.drain().await.accepted, 1);
    let mail = road.only_mail();
    assert_eq!(mail.rcpt_to, [TESTER]);
    let subject = mail.subject().unwrap();
    assert!(subject.starts_with("[TEST] ") && subject.contains("Trial"), "{subject}");
}

fn effective(event: Event, at: &str) -> Event {
    event.with("/data/effectiveAt", at)
}

#[tokio::test]
async fn what_is_moved_earlier_is_told_earlier() {
    let road = Road::new().await;
    road.import(&[curious(ANN), person(BOB).wants("All", "daily")]).await;
    road.hears(&[effective(Event::opened("230000AA"), "2023-11-20T09:00:00Z")]).await;
    assert_eq!(road.drain().await, Delivered::NOTHING);
    road.hears(&[effective(Event::opened("230000AA").version(2), "2023-11-14T07:30:00Z")]).await;
    assert_eq!(road.drain().await, Delivered::NOTHING);
    assert_eq!(road.drain_at("2023-11-14T07:29:59Z").await, Delivered::NOTHING);
    assert_eq!(road.drain_at("2023-11-14T07:30:00Z").await, Delivered::ONE_MAIL);
    assert_eq!(road.mails_to(ANN).len(), 1);
    assert_eq!(road.drain_at(NEXT_MORNING).await, Delivered::ONE_MAIL);
    assert_eq!(road.mails_to(BOB).len(), 1);
    assert_eq!(road.drain_at("2023-11-21T09:00:00Z").await, Delivered::NOTHING);
}

#[tokio::test]
async fn what_is_moved_later_is_told_later() {
    let road = Road::new().await;
    road.import(&[curious(ANN), person(BOB).wants("All", "daily")]).await;
    road.hears(&[effective(Event::opened("230000AA"), "2023-11-14T07:30:00Z")]).await;
    assert_eq!(road.drain().await, Delivered::NOTHING);
    road.hears(&[effective(Event::opened("230000AA").version(2), "2023-11-20T09:00:00Z")]).await;
    assert_eq!(road.drain_at("2023-11-15T09:00:00Z").await, Delivered::NOTHING);
    assert_eq!(road.drain_at("2023-11-20T09:00:00Z").await, Delivered::ONE_MAIL);
    assert_eq!(road.mails_to(ANN).len(), 1);
    assert_eq!(road.drain_at("2023-11-21T08:00:00Z").await, Delivered::ONE_MAIL);
    assert_eq!(road.mails_to(BOB).len(), 1);
}

#[tokio::test]
async fn a_correction_does_not_bring_a_retry_forward() {
    let rule = Rule::at(Stage::Rcpt).first(1).reply(450, "4.2.0 Later");
    let road = Road::setup().smtp(SmtpServer::builder().script([rule])).build().await;
    road.import(&[curious(ANN)]).await;
    road.hears(&[Event::opened("230000AA")]).await;
    assert_eq!(road.drain().await, Delivered { deferred: 1, ..Delivered::NOTHING });
    let due = road.only_alert().await.due_at;
    assert!(due > Some(time("2023-11-13T08:45:59Z")), "{due:?}");
    for event in [
        Event::closes_earlier("230000AA", "2023-12-04T12:00:00Z"),
        Event::opened("230000AA").version(3).with("/data/locations", json!(["coventry"])),
    ] {
        road.hears(&[event]).await;
        assert_eq!(road.drain_at("2023-11-13T08:45:59Z").await, Delivered::NOTHING);
        assert_eq!(road.only_alert().await.due_at, due);
    }
    assert_eq!(road.drain_at("2023-11-13T08:56:00Z").await, Delivered::ONE_MAIL);
}
