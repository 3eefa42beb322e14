//! Schedules under names of the operator's own.

use jobalerts_dev::smtp::{Rule, SmtpServer, Stage};

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
    assert!(explained.contains("waits for the digest"), "{explained}");
    let mut daemon = road.daemon().await;
    daemon.says("they go by the daily one").await;
    daemon.stop().await;
    assert_eq!(road.drain_at("2023-11-14T08:00:00Z").await.accepted, 2);
}

/// What waits for a tick waits for the right one after the schedules were changed, and for no other.
#[tokio::test]
async fn what_waits_follows_a_changed_schedule() {
    let mut road = Road::new().await;
    road.import(&[person(ANN).wants("All", "daily"), person("bob@example.org").wants("All", "weekly")]).await;
    road.hears(&[Event::sample("03")]).await;
    assert_eq!(road.drain().await.accepted, 0);
    let due = async |road: &Road| -> Vec<_> {
        road.alerts().await.into_iter().map(|alert| alert.due_at.unwrap()).collect()
    };
    road.program().prepare().await.unwrap();
    road.deliver().await;
    assert_eq!(due(&road).await, [time("2023-11-14T08:00:00Z"), time("2023-11-20T08:00:00Z")]);

    // Today still, and in another zone not until tomorrow.
    for (key, value, daily, weekly) in [
        ("schedules.daily", "0 30 9 * * *", "2023-11-13T09:30:00Z", "2023-11-20T08:00:00Z"),
        ("schedules.weekly", "0 0 18 * * Mon", "2023-11-13T09:30:00Z", "2023-11-13T18:00:00Z"),
        ("time.zone", "Europe/Paris", "2023-11-14T08:30:00Z", "2023-11-13T17:00:00Z"),
    ] {
        road.reconfigure(key, value);
        road.program().prepare().await.unwrap();
        assert_eq!(road.deliver().await.accepted, 0, "{key}");
        assert_eq!(due(&road).await, [time(daily), time(weekly)], "{key}");
    }
    // Nothing has changed: nothing is looked at.
    road.program().prepare().await.unwrap();
    assert_eq!(due(&road).await, [time("2023-11-14T08:30:00Z"), time("2023-11-13T17:00:00Z")]);
    assert_eq!(road.drain_at("2023-11-13T17:00:00Z").await.accepted, 1);
    // What was missed by the change is made up for.
    road.at("2023-11-14T08:00:00Z");
    road.reconfigure("schedules.daily", "0 0 7 * * *");
    road.program().prepare().await.unwrap();
    assert_eq!(road.deliver().await.accepted, 1);
}

/// A mail that the server put off is tried again at its time, whatever the schedules are by then.
#[tokio::test]
async fn a_retry_keeps_its_time_under_other_schedules() {
    let later = Rule::at(Stage::EndOfData).first(1).reply(451, "4.7.1 Later");
    let smtp = SmtpServer::builder().script([later]);
    let mut road = Road::setup().smtp(smtp).build().await;
    road.import(&[person(ANN).wants("All", "daily")]).await;
    road.hears(&[Event::sample("03")]).await;
    road.match_all().await;
    assert_eq!(road.drain_at("2023-11-14T08:00:00Z").await.deferred, 1);
    let retry = road.only_alert().await.due_at.unwrap();
    road.reconfigure("schedules.daily", "0 0 20 * * *");
    road.program().prepare().await.unwrap();
    assert_eq!(road.only_alert().await.due_at, Some(retry));
    road.clock.set(retry);
    assert_eq!(road.drain().await.accepted, 1);
}
