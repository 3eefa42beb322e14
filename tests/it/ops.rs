//! What those who run the service can ask it: /live, /ready, /metrics.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::TcpStream;

use crate::harness::broker::Raw;
use crate::harness::events::Event;
use crate::harness::people::{curious, person};
use crate::harness::program::{Daemon, behind_proxies};
use crate::harness::web::request;
use crate::harness::{Road, soon};

/// Asks over one connection until it answers so: status and body.
pub(crate) async fn until(
    address: SocketAddr,
    path: &str,
    fits: impl Fn(u16, &str) -> bool,
) -> (u16, String) {
    let mut line = BufStream::new(TcpStream::connect(address).await.unwrap());
    let answered = async {
        loop {
            let (status, body) = ask_again(&mut line, path).await;
            if fits(status, &body) {
                return (status, body);
            }
        }
    };
    soon("an answer that fits", answered).await
}

async fn ask_again(line: &mut BufStream<TcpStream>, path: &str) -> (u16, String) {
    line.write_all(format!("GET {path} HTTP/1.1\r\nHost: ops\r\n\r\n").as_bytes()).await.unwrap();
    line.flush().await.unwrap();
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(line.read_line(&mut head).await.unwrap(), 0, "it goes on: {head}");
    }
    let head = head.to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    line.read_exact(&mut body).await.unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), String::from_utf8(body).unwrap())
}

/// The metrics by their names with labels, as in `jobalerts_promises{state="owed"}`.
fn read(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').expect("a name and a value");
            (name.to_owned(), value.parse().expect("a number"))
        })
        .collect()
}

pub(crate) async fn metrics(address: SocketAddr) -> (String, BTreeMap<String, f64>) {
    let answer = request(address, "GET", "/metrics", &[], "").await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    assert!(answer.body.ends_with("# EOF\n"));
    let read = read(&answer.body);
    (answer.body, read)
}

/// OPS-1: whatever is away is named, in words and as JSON, and it becomes ready by itself.
#[tokio::test]
async fn what_is_away_is_named() {
    let road = Road::setup().set("ops.listen", "127.0.0.1:0").build().await;
    road.smtp.stop_listening().await.unwrap();
    let (command, mut to_database, mut to_broker) = behind_proxies(&road).await;
    let mut daemon = Daemon::start(command);
    let address = daemon.ops().await;
    let missing = [
        ("database: ", "Postgres cannot"),
        ("intake: ", "; RabbitMQ: "),
        ("delivery: ", "mail server smtp://"),
    ];
    let is_missing = |body: &str, (part, what): &(&str, &str)| {
        body.lines().any(|line| line.starts_with(part) && line.contains(what))
    };
    let (status, body) =
        until(address, "/ready", |_, body| missing.iter().all(|missing| is_missing(body, missing))).await;
    assert_eq!(status, 503);
    assert!(body.starts_with("not ready\n"), "{body}");
    let answer = request(address, "GET", "/ready", &[("Accept", "application/json")], "").await;
    let json: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(
        (answer.status, &json["ready"], &json["live"]),
        (503, &Value::Bool(false), &Value::Bool(true))
    );
    let intake = json["parts"].as_array().unwrap().iter().find(|part| part["name"] == "intake").unwrap();
    assert_eq!(intake["well"], false);
    assert!(intake["fault"].as_str().unwrap().starts_with("RabbitMQ"), "{json:#}");
    assert_eq!(request(address, "GET", "/live", &[], "").await.status, 200, "to wait is no hanging");
    let (_, before) = metrics(address).await;
    assert_eq!((before["jobalerts_database_up"], before["jobalerts_broker_up"]), (0.0, 0.0));
    assert!(!before.contains_key("jobalerts_unaccounted_alerts"), "what is not known is not said");

    to_database.up();
    to_broker.up();
    road.smtp.listen_again().await.unwrap();
    let (_, body) = until(address, "/ready", |status, _| status == 200).await;
    assert!(body.starts_with("ready\n"), "{body}");
    assert_eq!(request(address, "GET", "/nowhere", &[], "").await.status, 404);
    assert_eq!(request(address, "POST", "/ready", &[], "").await.status, 405);
    to_broker.down().await;
    let (_, body) = until(address, "/ready", |status, _| status == 503).await;
    assert!(body.contains("RabbitMQ"), "{body}");
    assert_eq!(daemon.stop().await.0.code(), Some(0));
}

/// OPS-12: the clocks of the machine and of the database do not agree.
#[tokio::test]
async fn a_wrong_clock_is_named() {
    let road = Road::setup().set("ops.listen", "127.0.0.1:0").set("ops.refresh", "1ms").build().await;
    // The database's clock is ours to set only by a function in place of its own.
    road.execute(
        "do $$ begin execute format('alter database %I set search_path = public, pg_catalog', current_database()); end $$",
    )
    .await;
    road.execute(
        "create function public.clock_timestamp() returns timestamptz language sql volatile
         as $$ select pg_catalog.clock_timestamp() + interval '70 s' $$",
    )
    .await;
    let mut daemon = road.daemon().await;
    let address = daemon.ops().await;
    let (status, body) = until(address, "/ready", |_, body| body.contains("behind the database's")).await;
    assert_eq!(status, 503);
    let told = body.lines().find(|line| line.starts_with("clock: ")).unwrap();
    let seconds = ["69 s behind", "70 s behind"].into_iter().find(|text| told.contains(text));
    assert!(seconds.is_some(), "{told}");
    let (_, measured) = metrics(address).await;
    assert!((measured["jobalerts_clock_offset_seconds"] + 70.0).abs() < 2.0, "{measured:?}");
    assert_eq!(measured.get("jobalerts_part_well{part=\"clock\"}"), Some(&0.0));
    daemon.says("\"message\":\"ready\"").await;

    road.execute(
        "create or replace function public.clock_timestamp() returns timestamptz language sql volatile
         as $$ select pg_catalog.clock_timestamp() $$",
    )
    .await;
    until(address, "/ready", |status, _| status == 200).await;
    let (status, log) = daemon.stop().await;
    assert_eq!(status.code(), Some(0), "{log}");
    assert_eq!(log.matches("behind the database's").count(), 1, "{log}");
    assert!(log.contains("of the database agree again"), "{log}");
}

/// A stage that hangs in a step is named, and it is not live until that step ends.
#[tokio::test]
async fn a_stage_that_hangs_is_named() {
    let road = Road::setup().set("ops.listen", "127.0.0.1:0").set("ops.stuck_after", "200ms").build().await;
    let mut daemon = road.daemon().await;
    let address = daemon.ops().await;
    until(address, "/ready", |status, _| status == 200).await;
    let mut hold = road.pool().begin().await.unwrap();
    sqlx::query("lock table openings in access exclusive mode").execute(&mut *hold).await.unwrap();
    let (_, body) = until(address, "/live", |status, _| status == 503).await;
    assert!(body.contains("has been in one step for"), "{body}");
    hold.rollback().await.unwrap();
    until(address, "/live", |status, _| status == 200).await;
    assert_eq!(daemon.stop().await.0.code(), Some(0));
}

/// A day with events, mails, refusals, dead letters and a promise: each figure is right, every metric
/// that rules and dashboards go by is there, and nobody is in them.
#[tokio::test]
async fn metrics_say_what_happened_and_name_nobody() {
    let road = Road::setup().set("ops.listen", "127.0.0.1:0").set("ops.refresh", "1ms").build().await;
    let people = ["ann@gmail.com", "bob@small.example", "cy@small.example"];
    road.import(&people.map(curious)).await;
    road.import(&[person("dee@example.org").registered("pc-dhep")]).await;
    let mut daemon = road.daemon().await;
    let address = daemon.ops().await;
    road.publish(&[Event::opened("230000AA")]).await;
    soon("the mails", road.smtp.wait_for(3)).await;
    let no_event = Raw {
        content_type: Some("application/cloudevents+json"),
        headers: vec![],
        body: b"no event".to_vec(),
    };
    road.broker().await.publish_raw(&[no_event]).await;
    let told = until(address, "/metrics", |_, body| {
        let seen = read(body);
        let outcome = |provider: &str| {
            let labels = format!(r#"outcome="accepted",kind="vacancy-alert",provider="{provider}""#);
            seen.get(&format!("jobalerts_mails_total{{{labels}}}")).copied()
        };
        outcome("google") == Some(1.0)
            && outcome("other") == Some(2.0)
            && seen.get("jobalerts_queue_messages{queue=\"dead-letters\"}") == Some(&1.0)
            && seen.get("jobalerts_alerts_due{urgency=\"at-once\"}") == Some(&0.0)
            && seen.get("jobalerts_ready") == Some(&1.0)
    });
    let (_, body) = told.await;
    let metrics = read(&body);
    for (name, value) in [
        ("jobalerts_events_total{result=\"new\"}", 1.0),
        ("jobalerts_events_total{result=\"rejected\"}", 1.0),
        ("jobalerts_rejected_events_total{reason=\"not-json\"}", 1.0),
        ("jobalerts_queue_messages{queue=\"events\"}", 0.0),
        ("jobalerts_queue_messages{queue=\"dead-letters\"}", 1.0),
        ("jobalerts_alerts_due{urgency=\"at-once\"}", 0.0),
        ("jobalerts_unaccounted_alerts", 0.0),
        ("jobalerts_missing_people", 0.0),
        ("jobalerts_promises{state=\"owed\"}", 0.0),
        ("jobalerts_promises{state=\"broken\"}", 0.0),
        ("jobalerts_openings{state=\"to-match\"}", 0.0),
        ("jobalerts_breakers_open{scope=\"provider/other\"}", 0.0),
        ("jobalerts_mails_waiting{state=\"unknown\"}", 0.0),
        ("jobalerts_part_well{part=\"intake\"}", 1.0),
        ("jobalerts_part_hangs{part=\"delivery\"}", 0.0),
        ("jobalerts_ready", 1.0),
        ("jobalerts_live", 1.0),
        ("jobalerts_paused", 0.0),
        ("jobalerts_database_up", 1.0),
        ("jobalerts_broker_up", 1.0),
    ] {
        assert_eq!(metrics.get(name), Some(&value), "{name} in {body}");
    }
    assert!(metrics["process_resident_memory_bytes"] > 1e6);
    assert!(metrics["jobalerts_clock_offset_seconds"].abs() < 5.0);
    assert_eq!(metrics.get("jobalerts_pool_connections{use=\"most\"}"), Some(&4.0));
    for somebody in ["@", "small.example", "gmail.com", "example.org", "230000AA"] {
        assert!(!body.contains(somebody), "{somebody} in {body}");
    }
    every_metric_that_is_watched_exists(&body);
    assert_eq!(daemon.stop().await.0.code(), Some(0));
}

/// What the alert rules and the dashboard go by is what the program exposes.
fn every_metric_that_is_watched_exists(exposed: &str) {
    let exposed: Vec<&str> = exposed
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(['{', ' ']).next().unwrap())
        .collect();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in ["deploy/prometheus/jobalerts.rules.yml", "deploy/grafana/jobalerts.json"] {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let named: Vec<&str> = words.filter(|word| word.starts_with("jobalerts_")).collect();
        assert!(named.len() > 10, "{file} names metrics");
        for name in named {
            assert!(exposed.contains(&name), "{file} names {name}, which the program does not expose");
        }
    }
}

/// A promise that is owed is counted, and an alert that nobody would ever tell is found.
#[tokio::test]
async fn what_is_owed_and_what_was_forgotten_are_counted() {
    let setup = Road::setup().set("ops.listen", "127.0.0.1:0").set("ops.refresh", "1ms");
    let road = setup.at("2024-03-05T10:05:00Z").build().await;
    road.import(&[person("dee@example.org").registered("pc-dhep")]).await;
    road.hears(&[Event::sample("09"), Event::sample("10")]).await;
    road.match_all().await;
    assert_eq!(road.count("select count(*) from alerts where promise and due_at is not null").await, 1);
    // As no step of ours leaves it.
    road.execute("update alerts set due_at = null").await;
    let now = road.clock.now().to_rfc3339();
    let mut daemon = Daemon::start(road.command(&["run", "--stages", "intake", "--now", &now]).await);
    let address = daemon.ops().await;
    let (_, body) = until(address, "/metrics", |_, body| body.contains("jobalerts_unaccounted_alerts")).await;
    let metrics = read(&body);
    assert_eq!(metrics.get("jobalerts_unaccounted_alerts"), Some(&1.0));
    assert_eq!(metrics.get("jobalerts_promises{state=\"owed\"}"), Some(&1.0));
    assert_eq!(daemon.stop().await.0.code(), Some(0));
}
