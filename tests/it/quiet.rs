//! Quiet hours: what can wait waits until they end.

use serde_json::json;

use crate::harness::events::Event;
use crate::harness::people::{curious, person};
use crate::harness::{Delivered, Road};

const ANN: &str = "ann@example.org";
const NIGHT: &str = "2023-11-13T22:00:00Z";
const MORNING: &str = "2023-11-14T08:00:00Z";

async fn road() -> Road {
    Road::setup().set("guards.quiet_hours", "21:00-08:00").at("2023-11-13T12:00:00Z").build().await
}

fn opened_at_night(reference: &str, shuts: &str) -> Event {
    Event::opened(reference).titled(reference).shuts(shuts).at(NIGHT)
}

/// 2.2.5: held, unless waiting would leave less than the useful minimum.
#[tokio::test]
async fn what_can_wait_waits_for_the_morning() {
    for (shuts, at_night) in [
        ("2023-12-08T12:00:00Z", false),
        // Two hours are left at 8 o'clock; then less than that.
        ("2023-11-14T10:00:00Z", false),
        ("2023-11-14T09:59:59Z", true),
        ("2023-11-13T23:30:00Z", true),
    ] {
        let road = road().await;
        road.import(&[curious(ANN)]).await;
        road.at(NIGHT);
        road.hears(&[opened_at_night("230000AA", shuts)]).await;
        let due = if at_night { Delivered::ONE_MAIL } else { Delivered::NOTHING };
        assert_eq!(road.drain().await, due, "{shuts}");
        assert_eq!(road.drain_at("2023-11-14T07:59:59Z").await.accepted, 0, "{shuts}");
        assert_eq!(road.drain_at(MORNING).await.accepted, u64::from(!at_night), "{shuts}");
    }
}

/// Everybody's own hours, or none; a change of mind counts at once.
#[tokio::test]
async fn people_have_quiet_hours_of_their_own() {
    let road = road().await;
    road.import(&[
        curious("usual@example.org"),
        curious("owl@example.org").quiet("03:00", "12:00"),
        curious("never@example.org").quiet("00:00", "00:00"),
        curious("changes@example.org"),
    ])
    .await;
    road.at(NIGHT);
    road.hears(&[opened_at_night("230000AA", "2023-12-08T12:00:00Z")]).await;
    assert_eq!(road.drain().await.accepted, 2);
    road.import(&[person("changes@example.org").quiet("01:00", "02:00")]).await;
    assert_eq!(road.drain().await.accepted, 1);
    assert_eq!(road.drain_at(MORNING).await.accepted, 1);
    road.hears(&[Event::opened("230000BB").at(MORNING)]).await;
    assert_eq!(road.drain().await.accepted, 3);
    assert_eq!(road.drain_at("2023-11-14T11:59:59Z").await.accepted, 0);
    assert_eq!(road.drain_at("2023-11-14T12:00:00Z").await.accepted, 1);
}

/// A digest comes at the hour that was chosen for it, also if that lies in quiet hours; one that is
/// late waits for the morning.
#[tokio::test]
async fn a_digest_comes_at_its_hour() {
    let road = road().await;
    road.import(&[
        person("early@example.org").wants("All", "daily").digests(json!({"time": "06:30"})),
        person("usual@example.org").wants("All", "daily").digests(json!({"time": "18:00"})),
    ])
    .await;
    road.hears(&[Event::opened("230000AA").at("2023-11-13T12:00:00Z")]).await;
    // There was no claim at 18:00.
    assert_eq!(road.drain_at(NIGHT).await.accepted, 0);
    assert_eq!(road.drain_at("2023-11-14T06:30:00Z").await, Delivered::ONE_MAIL);
    assert_eq!(road.only_mail().rcpt_to, ["early@example.org"]);
    assert_eq!(road.drain_at(MORNING).await, Delivered::ONE_MAIL);
}

/// What would shut before the digest goes in quiet hours only if it would shut in them.
#[tokio::test]
async fn what_shuts_before_the_digest_comes_at_night_only_if_it_shuts_by_morning() {
    for (shuts, at_night) in [("2023-11-14T09:00:00Z", false), ("2023-11-14T08:00:00Z", true)] {
        let road = road().await;
        road.import(&[person(ANN).wants("All", "weekly")]).await;
        road.at(NIGHT);
        road.hears(&[opened_at_night("230000AA", shuts)]).await;
        assert_eq!(road.drain().await.accepted, u64::from(at_night), "{shuts}");
        assert_eq!(road.drain_at(MORNING).await.accepted, u64::from(!at_night), "{shuts}");
        assert_eq!(road.kinds_to(ANN).await, ["vacancy-alert"]);
    }
}

/// N7: an earlier closing breaks them if less than the useful minimum would be left; that it has
/// closed can wait.
#[tokio::test]
async fn corrections_break_them_only_where_something_can_be_done() {
    for (earlier, at_night) in [("2023-11-14T09:00:00Z", true), ("2023-11-20T12:00:00Z", false)] {
        let road = road().await;
        road.import(&[curious(ANN)]).await;
        road.hears(&[Event::opened("230000AA").shuts("2023-12-08T12:00:00Z").at("2023-11-13T12:00:00Z")])
            .await;
        assert_eq!(road.drain().await, Delivered::ONE_MAIL);
        road.at(NIGHT);
        road.hears(&[Event::closes_earlier("230000AA", earlier).at(NIGHT)]).await;
        assert_eq!(road.drain().await.accepted, u64::from(at_night), "{earlier}");
        assert_eq!(road.drain_at(MORNING).await.accepted, u64::from(!at_night), "{earlier}");
    }
    let road = road().await;
    road.import(&[curious(ANN)]).await;
    road.hears(&[Event::opened("230000AA").shuts("2023-12-08T12:00:00Z").at("2023-11-13T12:00:00Z")]).await;
    assert_eq!(road.drain().await, Delivered::ONE_MAIL);
    road.at(NIGHT);
    road.hears(&[Event::closed("230000AA").version(2).at(NIGHT)]).await;
    assert_eq!(road.drain().await.accepted, 0);
    assert_eq!(road.drain_at(MORNING).await, Delivered::ONE_MAIL);
    assert_eq!(road.kinds_to(ANN).await, ["vacancy-alert", "closed-early"]);
}

/// The nights in which the clocks are moved are an hour shorter, and longer.
#[tokio::test]
async fn they_end_by_the_clock_on_the_wall() {
    for (night, before, morning) in [
        ("2024-03-30T23:00:00Z", "2024-03-31T06:59:59Z", "2024-03-31T07:00:00Z"),
        ("2024-10-26T23:00:00Z", "2024-10-27T07:59:59Z", "2024-10-27T08:00:00Z"),
    ] {
        let road = Road::setup().set("guards.quiet_hours", "21:00-08:00").at(night).build().await;
        road.import(&[curious(ANN)]).await;
        road.hears(&[Event::opened("240000AA").at(night)]).await;
        assert_eq!(road.drain().await.accepted, 0);
        assert_eq!(road.drain_at(before).await.accepted, 0);
        assert_eq!(road.drain_at(morning).await, Delivered::ONE_MAIL);
    }
}
