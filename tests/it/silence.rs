//! When nobody is told, and that the row says why.

use serde_json::json;

use crate::harness::events::Event;
use crate::harness::people::{Person, curious, person};
use crate::harness::{Delivered, Road};

const ANN: &str = "ann@example.org";
const NEXT_MORNING: &str = "2023-11-14T08:00:00Z";
const SILENCE: Delivered = Delivered { ended: 1, ..Delivered::NOTHING };

/// A road on which one person would hear of one vacancy the next morning.
async fn about_to_tell(who: Person, event: Event) -> Road {
    let road = Road::new().await;
    road.import(&[who]).await;
    road.hears(&[event]).await;
    assert_eq!(road.drain().await, Delivered::NOTHING);
    assert!(road.only_alert().await.due_at.is_some());
    road
}

/// Nothing leaves the next morning or later, for this reason.
async fn stays_silent(road: &Road, reason: &str) {
    assert_eq!(road.drain_at(NEXT_MORNING).await, SILENCE);
    let alert = road.only_alert().await;
    assert_eq!((alert.ended.as_deref(), alert.due_at, alert.told_revision), (Some(reason), None, None));
    assert_eq!(road.mail_rows().await, []);
    assert_eq!(road.drain_at("2023-11-20T08:00:00Z").await, Delivered::NOTHING);
}

fn daily() -> Person {
    person(ANN).wants("All", "daily")
}

/// What rests quietly, or was a mistake, is no line in a digest.
#[tokio::test]
async fn what_closed_quietly_before_the_word_was_due_is_not_told() {
    for reason in ["on-hold", "posted-in-error", "error"] {
        let road = about_to_tell(daily(), Event::opened("230000AA")).await;
        let closed = Event::closed("230000AA").at("2023-11-13T20:00:00Z").with("/data/reason", reason);
        road.hears(&[closed]).await;
        stays_silent(&road, "expired").await;
    }
}

/// N5: those who were not told yet hear nothing.
#[tokio::test]
async fn what_was_withdrawn_before_the_word_was_due_is_not_told() {
    let road = about_to_tell(daily(), Event::opened("230000AA")).await;
    road.hears(&[Event::withdrawn("230000AA").at("2023-11-13T11:45:00Z")]).await;
    stays_silent(&road, "withdrawn").await;
}

#[tokio::test]
async fn a_search_that_was_changed_meanwhile_is_honoured() {
    let road = about_to_tell(daily(), Event::opened("230000AA")).await;
    road.import(&[person(ANN).search("All", "daily", json!({"locations": {"any": ["coventry"]}}))]).await;
    stays_silent(&road, "no-longer-wanted").await;
}

#[tokio::test]
async fn a_search_that_was_paused_meanwhile_is_silent() {
    let road = about_to_tell(daily(), Event::opened("230000AA")).await;
    road.import(&[person(ANN).wants("All", "paused")]).await;
    stays_silent(&road, "no-longer-wanted").await;
}

#[tokio::test]
async fn a_search_that_was_deleted_meanwhile_is_silent() {
    let road = about_to_tell(daily(), Event::opened("230000AA")).await;
    road.sql("delete from searches").await;
    stays_silent(&road, "no-longer-wanted").await;
}

#[tokio::test]
async fn a_correction_after_which_nobody_asks_for_it_is_honoured() {
    let who = person(ANN).search("Birmingham", "daily", json!({"locations": {"any": ["birmingham"]}}));
    let road = about_to_tell(who, Event::opened("230000AA")).await;
    let moved = Event::opened("230000AA").version(2).with("/data/locations", json!(["coventry"]));
    road.hears(&[moved.at("2023-11-13T12:00:00Z")]).await;
    stays_silent(&road, "no-longer-wanted").await;
}

/// I5, I21.
#[tokio::test]
async fn who_is_not_active_is_not_written_to() {
    let road = about_to_tell(daily(), Event::opened("230000AA")).await;
    for state in [
        "update subscribers set state = 'unconfirmed'",
        "update subscribers set state = 'suppressed'",
        "update subscribers set state = 'lapsed'",
    ] {
        road.sql(state).await;
        road.sql("update alerts set due_at = '2023-11-14T08:00:00Z', ended = null").await;
        stays_silent(&road, "unreachable").await;
    }
}

#[tokio::test]
async fn who_has_not_consented_is_not_written_to() {
    let road = about_to_tell(daily(), Event::opened("230000AA")).await;
    road.sql("delete from consents").await;
    stays_silent(&road, "unreachable").await;
}

/// I1: also what shut before anybody could be told has its row and its reason.
#[tokio::test]
async fn what_was_shut_before_it_was_matched_leaves_a_row_that_says_so() {
    let road = Road::new().await;
    road.import(&[curious(ANN)]).await;
    let closed = Event::closed("230000AA").with("/data/reason", "on-hold").at("2023-11-13T08:31:00Z");
    road.hears(&[Event::opened("230000AA"), closed]).await;
    assert_eq!(road.drain().await, Delivered::NOTHING);
    assert_eq!(road.endings().await, [Some("expired".to_owned())]);
}

/// A person who is gone takes the waiting word along.
#[tokio::test]
async fn an_erased_person_is_not_written_to() {
    let road = about_to_tell(daily(), Event::opened("230000AA")).await;
    road.sql("delete from subscribers").await;
    assert_eq!(road.drain_at(NEXT_MORNING).await, Delivered::NOTHING);
    assert_eq!(road.mails().len(), 0);
}

/// I4: told once, a closing that was never told of or a posting again within half an hour make no
/// second mail; a withdrawal does, once.
#[tokio::test]
async fn who_was_told_hears_of_the_opening_only_once() {
    let road = Road::new().await;
    road.import(&[curious(ANN)]).await;
    road.hears(&[Event::opened("230000AA")]).await;
    assert_eq!(road.drain().await, Delivered::ONE_MAIL);
    for event in [
        Event::closed("230000AA").version(2).at("2023-11-13T09:00:00Z"),
        Event::opened("230000AA").version(3).at("2023-11-13T09:29:59Z"),
        Event::opened("230000AA").version(4).at("2023-11-13T10:00:00Z").titled("Facility volunteer, custody"),
    ] {
        road.hears(&[event]).await;
        assert_eq!(road.drain_at("2023-11-13T11:00:00Z").await.accepted, 0);
    }
    assert_eq!(road.only_alert().await.told_revision, Some(1));
    road.hears(&[Event::withdrawn("230000AA").version(5).at("2023-11-13T10:15:00Z")]).await;
    assert_eq!(road.drain().await, Delivered::ONE_MAIL);
    assert_eq!(road.drain_at("2023-11-14T11:00:00Z").await, Delivered::NOTHING);
}
