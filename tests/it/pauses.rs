//! SUB-10: people rest until a day.

use crate::harness::events::Event;
use crate::harness::people::{curious, person};
use crate::harness::{Delivered, Road};

const ANN: &str = "ann@example.org";

fn opened(reference: &str, at: &str) -> Event {
    Event::opened(reference).titled(reference).at(at)
}

/// Searches are silent; on the return there is one digest with what is still open, and no word of what
/// came and went.
#[tokio::test]
async fn searches_rest_and_come_back_with_one_digest() {
    let road = Road::new().await;
    road.import(&[
        curious(ANN).paused("2023-11-20", false),
        person("bob@example.org").wants("All", "weekly").paused("2023-11-21", false),
    ])
    .await;
    road.hears(&[
        opened("230000AA", "2023-11-13T08:31:00Z"),
        opened("230000BB", "2023-11-13T08:31:00Z").shuts("2023-11-17T12:00:00Z"),
        opened("230000CC", "2023-11-13T08:31:00Z"),
    ])
    .await;
    road.hears(&[Event::closed("230000CC").version(2).at("2023-11-15T12:00:00Z")]).await;
    for now in
        ["2023-11-13T08:31:00Z", "2023-11-14T08:00:00Z", "2023-11-19T23:59:59Z", "2023-11-20T07:59:59Z"]
    {
        assert_eq!(road.drain_at(now).await.accepted, 0, "{now}");
    }
    assert_eq!(road.drain_at("2023-11-20T08:00:00Z").await.accepted, 1);
    assert_eq!(road.kinds_to(ANN).await, ["digest"]);
    let text = road.only_mail().text().unwrap();
    assert!(text.contains("230000AA") && !text.contains("230000BB") && !text.contains("230000CC"), "{text}");
    // From then on as before.
    road.hears(&[opened("230000DD", "2023-11-20T09:00:00Z")]).await;
    assert_eq!(road.drain_at("2023-11-20T09:00:00Z").await.accepted, 1);
    assert_eq!(road.kinds_to(ANN).await, ["digest", "vacancy-alert"]);
    // Bob's pause lasts over the Monday.
    assert_eq!(road.drain_at("2023-11-21T08:00:00Z").await.accepted, 0);
    assert_eq!(road.drain_at("2023-11-27T08:00:00Z").await.accepted, 1);
    assert_eq!(road.kinds_to("bob@example.org").await, ["digest"]);
    assert_eq!(road.drain_at("2023-12-11T08:00:00Z").await.accepted, 0);
}

/// A pause that is ended early ends.
#[tokio::test]
async fn a_pause_can_be_ended() {
    let road = Road::new().await;
    road.import(&[curious(ANN).paused("2024-06-01", false)]).await;
    road.hears(&[opened("230000AA", "2023-11-13T08:31:00Z")]).await;
    assert_eq!(road.drain_at("2023-11-15T10:00:00Z").await.accepted, 0);
    road.import(&[person(ANN).paused("2023-11-15", false)]).await;
    assert_eq!(road.drain().await.accepted, 0);
    assert_eq!(road.drain_at("2023-11-16T08:00:00Z").await.accepted, 1);
}

/// Registrations break through, unless they rest, too.
#[tokio::test]
async fn registrations_break_through_a_pause() {
    let road = Road::setup().at("2024-02-19T10:00:00Z").build().await;
    road.import(&[
        person(ANN).registered("pc-dhep").paused("2024-03-15", false).agreed_at("2023-12-29T00:00:00Z"),
        person("rests@example.org")
            .registered("pc-dhep")
            .paused("2024-03-15", true)
            .agreed_at("2023-12-29T00:00:00Z"),
        person("long@example.org")
            .registered("pc-dhep")
            .paused("2024-06-01", true)
            .agreed_at("2023-12-29T00:00:00Z"),
    ])
    .await;
    road.hears(&[Event::sample("09")]).await;
    assert_eq!(road.drain().await, Delivered::ONE_MAIL);
    road.at("2024-03-05T10:00:00Z");
    road.hears(&[Event::sample("10")]).await;
    assert_eq!(road.drain().await, Delivered::ONE_MAIL);
    assert_eq!(road.kinds_to(ANN).await, ["opening-date", "open-now"]);
    // Who rests until the door is still open hears of it then; who rests longer is owed nothing of it.
    assert_eq!(road.drain_at("2024-03-15T00:00:00Z").await, Delivered::ONE_MAIL);
    assert_eq!(road.kinds_to("rests@example.org").await, ["open-now"]);
    assert_eq!(road.drain_at("2024-03-19T12:00:00Z").await.accepted, 0);
    assert_eq!(road.drain_at("2024-06-01T00:00:00Z").await.accepted, 0);
    let six = road.six("programme/pc-dhep").await;
    assert_eq!((six.kept, six.released, six.owed, six.broken), (2, 1, 0, 0), "{six:?}");
}

/// What shuts before the first digest after it is told when the pause ends; and the soonest of several
/// searches counts.
#[tokio::test]
async fn what_shuts_soon_after_a_pause_is_told_when_it_ends() {
    let road = Road::setup().set("guards.quiet_hours", "21:00-08:00").build().await;
    road.import(&[
        person(ANN).wants("All", "weekly").paused("2023-11-21", false),
        person("bob@example.org").wants("A", "weekly").wants("B", "daily").paused("2023-11-22", false),
    ])
    .await;
    road.at("2023-11-19T10:00:00Z");
    road.hears(&[opened("230000AA", "2023-11-19T10:00:00Z").shuts("2023-11-24T12:00:00Z")]).await;
    assert_eq!(road.drain_at("2023-11-21T07:59:59Z").await.accepted, 0);
    assert_eq!(road.drain_at("2023-11-21T08:00:00Z").await.accepted, 1);
    assert_eq!(road.kinds_to(ANN).await, ["vacancy-alert"]);
    assert_eq!(road.drain_at("2023-11-22T08:00:00Z").await.accepted, 1);
    assert_eq!(road.kinds_to("bob@example.org").await, ["digest"]);
}
