//! Each time is taken by one process, and what is missed is made up for once.

use std::collections::BTreeSet;

use jobalerts::daemon::Program;
use jobalerts::domain::chore::Chore;
use jobalerts::housekeeping::{self, Step};
use jobalerts::store::chores;
use serde_json::Value;

use super::ticks;
use crate::harness::people::person;
use crate::harness::{Road, soon, time};

/// What would have been before the first start is not made up for.
#[tokio::test]
async fn the_first_start_begins_from_now() {
    let road = Road::setup().at("2024-01-10T12:05:00Z").build().await;
    road.keep_house().await;
    for at in ["2024-01-10T12:05:00Z", "2024-01-10T12:09:59Z"] {
        road.keep_house_at(at).await;
        assert_eq!(road.count("select count(*) from chore_ticks").await, 0, "{at}");
    }
    road.keep_house_at("2024-01-10T12:10:03Z").await;
    road.keep_house_at("2024-01-10T12:10:04Z").await;
    assert_eq!(ticks(&road, "outcomes").await, [time("2024-01-10T12:10:00Z")]);
    assert_eq!(road.count("select count(*) from chore_ticks").await, 1);
    assert_eq!(
        road.count("select count(*) from chore_ticks where finished_at = '2024-01-10T12:10:03Z'").await,
        1
    );
}

/// After an outage of weeks one run makes up for all that was missed, at the latest of these times.
#[tokio::test]
async fn an_outage_of_weeks_is_made_up_for_once() {
    let road = Road::setup().at("2024-01-10T12:00:00Z").build().await;
    road.keep_house().await;
    road.keep_house_at("2024-02-15T12:34:00Z").await;
    for (chore, at) in [
        ("outcomes", "2024-02-15T12:30:00Z"),
        ("retention", "2024-02-15T03:30:00Z"),
        ("still-interested", "2024-02-15T10:00:00Z"),
    ] {
        assert_eq!(ticks(&road, chore).await, [time(at)], "{chore}");
    }
    // The clock is put back: nothing runs twice.
    road.keep_house_at("2024-02-01T12:34:00Z").await;
    assert_eq!(road.count("select count(*) from chore_ticks").await, 3);
}

#[tokio::test]
async fn a_time_that_the_clocks_skip_or_repeat_runs_once() {
    let road =
        Road::setup().set("housekeeping.retention", "0 30 1 * * *").at("2024-03-30T12:00:00Z").build().await;
    for now in
        ["2024-03-30T12:00:00Z", "2024-03-31T00:59:59Z", "2024-03-31T01:00:00Z", "2024-03-31T01:30:00Z"]
    {
        road.keep_house_at(now).await;
    }
    assert_eq!(ticks(&road, "retention").await, [time("2024-03-31T01:00:00Z")]);
    for now in
        ["2024-10-26T12:00:00Z", "2024-10-27T00:30:00Z", "2024-10-27T01:30:00Z", "2024-10-27T02:00:00Z"]
    {
        road.keep_house_at(now).await;
    }
    let last = ["2024-10-26T00:30:00Z", "2024-10-27T00:30:00Z"].map(time);
    assert_eq!(ticks(&road, "retention").await[1..], last);
}

#[tokio::test]
async fn a_changed_schedule_counts_from_the_last_run() {
    let mut road = Road::setup().at("2024-01-10T12:00:00Z").build().await;
    road.keep_house().await;
    road.keep_house_at("2024-01-11T12:00:00Z").await;
    road.reconfigure("housekeeping.retention", "0 0 18 * * *");
    road.keep_house_at("2024-01-11T17:59:59Z").await;
    assert_eq!(ticks(&road, "retention").await, [time("2024-01-11T03:30:00Z")]);
    road.keep_house_at("2024-01-12T04:00:00Z").await;
    assert_eq!(ticks(&road, "retention").await[1..], [time("2024-01-11T18:00:00Z")]);
}

/// Two processes on one table: each time is taken and done once, from the first start on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_one_process_takes_each_time() {
    let road = Road::setup()
        .set("housekeeping.retention", "0 * * * * *")
        .set("housekeeping.outcomes", "0 * * * * *")
        .set("housekeeping.still_interested", "0 * * * * *")
        .at("2024-01-10T12:00:00Z")
        .build()
        .await;
    let programs = [0, 1].map(|_| Program::new(road.config().clone(), road.clock.clone()).unwrap());
    let work = async |program: &Program| {
        let rules = program.housekeeping_rules();
        let mut finished = 0;
        while let Step::Part { finished: done, .. } =
            housekeeping::step(program.pool(), &rules, program.clock().now()).await.unwrap()
        {
            finished += u32::from(done);
        }
        finished
    };
    let (mut one, mut two) = (0, 0);
    for minute in 0..30 {
        road.clock.set(time("2024-01-10T12:00:00Z") + chrono::Duration::minutes(minute));
        let (first, second) =
            soon("both", async { tokio::join!(work(&programs[0]), work(&programs[1])) }).await;
        (one, two) = (one + first, two + second);
        // Idle may mean that the other one holds the last.
        one += work(&programs[0]).await;
    }
    println!("one did {one}, the other {two}");
    assert_eq!(one + two, 3 * 29, "each is finished by one");
    assert_eq!(road.count("select count(*) from chore_ticks where finished_at is not null").await, 3 * 29);
    assert_eq!(road.count("select count(*) from chores").await, 3);
}

/// Who holds a time keeps the others from it; when they are gone, others go on.
#[tokio::test]
async fn what_somebody_holds_is_left_to_them() {
    let road = Road::setup().at("2024-01-10T12:00:00Z").build().await;
    road.keep_house().await;
    road.at("2024-01-10T12:10:00Z");
    let mut connection = road.pool().begin().await.unwrap();
    let now = road.clock.now();
    assert!(chores::take(&mut connection, Chore::Outcomes, now, now).await.unwrap());
    connection.commit().await.unwrap();
    let mut holds = road.pool().begin().await.unwrap();
    assert!(chores::hold(&mut holds, Chore::Outcomes).await.unwrap().is_some());
    road.keep_house().await;
    road.keep_house_at("2024-01-10T12:20:00Z").await;
    assert_eq!(road.count("select count(*) from chore_ticks where finished_at is null").await, 1);
    // What is not done is in the status, with since when.
    let said = road.run(&["status"]).await.looked().stdout;
    assert!(said.contains("outcomes: last for 2024-01-10 12:10Z: unfinished since 2024-01-10 12:10Z, 0 rows so far; next 2024-01-10 12:20Z"), "{said}");
    holds.rollback().await.unwrap();
    road.keep_house().await;
    assert_eq!(ticks(&road, "outcomes").await, ["2024-01-10T12:10:00Z", "2024-01-10T12:20:00Z"].map(time));
    assert_eq!(road.count("select count(*) from chore_ticks where finished_at is null").await, 0);
}

#[tokio::test]
async fn the_status_says_when_each_chore_ran_and_runs_next() {
    let road = Road::setup().at("2024-01-10T12:00:00Z").build().await;
    let chores = async || -> Vec<Value> {
        let said = road.run(&["status", "--json"]).await.looked().stdout;
        let said: Value = serde_json::from_str(&said).unwrap();
        said["housekeeping"].as_array().unwrap().clone()
    };
    assert!(
        chores().await.iter().all(|chore| chore["lastTickAt"].is_null() && chore["nextTickAt"].is_string())
    );
    let said = road.run(&["status"]).await.looked().stdout;
    assert!(said.contains("housekeeping retention: has not run yet; next "), "{said}");
    road.import(&[person("ann@example.org")]).await;
    road.sql("update subscribers set state = 'unconfirmed'").await;
    road.keep_house().await;
    assert_eq!(road.keep_house_at("2024-02-01T12:34:56Z").await, 1);
    let now = chores().await;
    let names: BTreeSet<&str> = now.iter().map(|chore| chore["chore"].as_str().unwrap()).collect();
    assert_eq!(names, Chore::ALL.map(Chore::name).into());
    let retention = &now[0];
    assert_eq!(retention["lastTickAt"], "2024-02-01T03:30:00Z");
    assert_eq!(retention["finishedAt"], "2024-02-01T12:34:56Z");
    assert_eq!(retention["handled"], 1);
    assert_eq!(retention["nextTickAt"], "2024-02-02T03:30:00Z");
    assert!(retention["unfinishedSince"].is_null());
    let said = road.run(&["status"]).await.looked().stdout;
    let line = "housekeeping retention: last for 2024-02-01 03:30Z: done 2024-02-01 12:34Z, 1 rows; next 2024-02-02 03:30Z";
    assert!(said.contains(line), "{said}");
}

/// The daemon and `drain` do it, too.
#[tokio::test]
async fn the_daemon_and_the_drain_keep_house() {
    let road = Road::setup().at("2024-01-10T12:00:00Z").build().await;
    road.keep_house().await;
    road.run(&["drain", "--now", "2024-01-11T12:05:00Z"]).await.successful();
    assert_eq!(ticks(&road, "outcomes").await, [time("2024-01-11T12:00:00Z")]);
    road.import(&[person("ann@example.org")]).await;
    road.sql("update subscribers set state = 'unconfirmed'").await;
    road.at("2024-02-02T12:00:00Z");
    let mut daemon = road.daemon().await;
    daemon.says("\"chore\":\"retention\"").await;
    let (status, _) = daemon.stop().await;
    assert!(status.success());
    assert_eq!(road.count("select count(*) from subscribers").await, 0);
}
