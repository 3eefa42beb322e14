//! Schedules under names of the operator's own.

use crate::harness::events::Event;
use crate::harness::people::person;
use crate::harness::{MONDAY, Road, time};

const ANN: &str = "ann@example.org";

/// SUB-5: a schedule of one's own is a rhythm like those that are shipped, and the fastest one wins.
#[tokio::test]
async fn a_search_follows_the_schedule_that_it_names() {
    let road = Road::setup().set("schedules.lunchtime", "0 30 12 * * Mon-Fri").build().await;
    road.import(&[
        person(ANN).wants("All", "lunchtime"),
        person("bob@example.org").wants("All", "weekly").wants("Again", "lunchtime"),
        person("eve@example.org").wants("All", "paused"),
    ])
    .await;
    road.hears(&[Event::sample("03")]).await;
    road.match_all().await;
    let due: Vec<_> = road.alerts().await.into_iter().map(|alert| alert.due_at).collect();
    assert_eq!(due, [Some(time("2023-11-13T12:30:00Z")); 2]);
    assert_eq!(road.drain_at("2023-11-13T12:29:59Z").await.accepted, 0);
    assert_eq!(road.drain_at("2023-11-13T12:30:00Z").await.accepted, 2);
}

/// A search whose schedule was taken out of the configuration goes by the daily one, and is counted.
#[tokio::test]
async fn a_search_whose_schedule_is_gone_is_not_lost() {
    let mut road = Road::setup().set("schedules.lunchtime", "0 30 12 * * Mon-Fri").build().await;
    road.import(&[person(ANN).wants("All", "lunchtime"), person("bob@example.org").wants("All", "daily")])
        .await;
    let known = road.run(&["check", "--connect"]).await.successful().stdout;
    assert!(
        known.contains("schedules.lunchtime = \"0 30 12 * * Mon-Fri\"; the next three times:"),
        "{known}"
    );
    assert!(!known.contains("Warning"), "{known}");

    road.reconfigure("schedules.lunchtime", "");
    road.hears(&[Event::sample("03")]).await;
    road.match_all().await;
    let due: Vec<_> = road.alerts().await.into_iter().map(|alert| alert.due_at).collect();
    assert_eq!(due, [Some(time("2023-11-14T08:00:00Z")); 2]);
    let said = road.run(&["check", "--connect"]).await.successful().stdout;
    assert!(said.contains("Warning: the schedule of 1 saved search is not in the configuration"), "{said}");
    let explained =
        road.run(&["explain", ANN, "vacancy/230000IR", "--now", MONDAY]).await.successful().stdout;
    assert!(explained.contains("it goes with the daily mail"), "{explained}");
    let mut daemon = road.daemon().await;
    daemon.says("they go by the daily one").await;
    daemon.stop().await;
    assert_eq!(road.drain_at("2023-11-14T08:00:00Z").await.accepted, 2);
}
