//! `status`: again and again (`--watch`), and the digests of each schedule.

use std::os::unix::process::ExitStatusExt;

use chrono::{DateTime, Timelike, Utc};
use jobalerts::clock::Clock;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::harness::events::Event;
use crate::harness::people::person;
use crate::harness::program::{by_proxies, send};
use crate::harness::{Road, soon};

/// What a running `status --watch` prints.
struct Watch {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Watch {
    fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next line that begins so.
    async fn next(&mut self, beginning: &str) -> String {
        let found = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                if line.starts_with(beginning) {
                    return line;
                }
            }
            panic!("it ended before {beginning:?}");
        };
        soon(beginning, found).await
    }
}

/// It goes on while Postgres is away, says so, and ends when it is told to.
#[tokio::test]
async fn a_watch_outlives_an_outage() {
    const QUEUE: &str = "queue        0 waiting, 0 dead letters";
    const AWAY: &str = "NOT WELL     Postgres cannot be reached";
    for (signal, number) in [("INT", 2), ("TERM", 15)] {
        let road = Road::new().await;
        let (command, [mut to_database], [mut to_broker]) =
            by_proxies(&road, &["status", "--watch", "20ms"]).await;
        let mut watch = Watch::start(command);
        watch.next(AWAY).await;
        to_database.up();
        watch.next("NOT WELL     RabbitMQ").await;
        to_broker.up();
        watch.next(QUEUE).await;
        assert_eq!(watch.next("WELL").await, "WELL         nothing is to be done");
        watch.next(QUEUE).await;
        to_database.down().await;
        watch.next(AWAY).await;
        watch.next("             -> what else there is to say").await;
        to_database.up();
        watch.next(QUEUE).await;
        send(&watch.child, signal);
        let status = soon("its end", watch.child.wait()).await.unwrap();
        assert_eq!(status.signal(), Some(number));
    }
    let road = Road::new().await;
    let (command, [_to_database], [_to_broker]) =
        by_proxies(&road, &["status", "--json", "--watch", "20ms"]).await;
    let mut watch = Watch::start(command);
    watch.next("  \"well\": false").await;
    watch.next("  \"well\": false").await;
}

/// OPS-7: when there was a digest of each schedule last, and when there is one next.
#[tokio::test]
async fn digests_are_told_by_schedule() {
    let road = Road::setup().set("schedules.lunchtime", "0 30 12 * * Mon-Fri").build().await;
    road.import(&[person("ann@example.org").wants("All", "daily")]).await;
    road.hears(&[Event::opened("230000AA")]).await;
    road.drain().await;
    assert_eq!(road.drain_at("2023-11-14T08:00:00Z").await.accepted, 1);
    let before = Clock::System.now();
    let said: Value = serde_json::from_str(&road.run(&["status", "--json"]).await.looked().stdout).unwrap();
    let digests = said["digests"].as_array().unwrap();
    let last: Vec<(&str, &Value)> =
        digests.iter().map(|digests| (digests["schedule"].as_str().unwrap(), &digests["lastAt"])).collect();
    let tuesday = Value::from("2023-11-14T08:00:00Z");
    assert_eq!(last, [("daily", &tuesday), ("lunchtime", &Value::Null), ("weekly", &Value::Null)]);
    let next: DateTime<Utc> = digests[0]["nextAt"].as_str().unwrap().parse().unwrap();
    assert!(before < next && next < before + chrono::Duration::days(2), "{next}");
    assert_eq!(next.with_timezone(&chrono_tz::Europe::London).hour(), 8);

    let lines = road.run(&["status"]).await.looked().stdout;
    assert!(lines.contains("digests      daily: last 2023-11-14 08:00Z; next "), "{lines}");
    assert!(lines.contains("\n             lunchtime: none yet; next "), "{lines}");
}

/// OPS-7: which templates mails are written by, and how far the clocks are apart.
#[tokio::test]
async fn templates_and_clocks_are_shown() {
    let road = Road::new().await;
    let said = road.run(&["status"]).await.looked().stdout;
    assert!(said.contains("\ntemplates    those that are shipped\n"), "{said}");
    let clock = said.lines().find(|line| line.starts_with("clock        ")).expect("a clock");
    assert!(clock.contains(" ms ") && clock.ends_with(" the database's"), "{clock}");
    let json = road.run(&["status", "--json"]).await.looked().stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert!(json["clockAheadMilliseconds"].as_i64().unwrap().abs() < 5_000, "{json:#}");
}
