//! What others may follow: published at least once, under one id, and never lost while the broker is away.

use std::collections::BTreeSet;

use chrono::Duration;
use jobalerts::outcomes;
use jobalerts::store::outcomes::{About, OutcomeEvent, PromiseOutcome, Telling, emit};
use serde_json::{Value, json};

use crate::harness::broker::Listener;
use crate::harness::{MONDAY, Road, soon, time};

fn about(number: i32) -> About {
    About { subject: "programme/pc-dhep".to_owned(), cycle: Some("2024-03".to_owned()), number }
}

/// Two people were told; the mail of one began with this.
fn told(mail: &str) -> OutcomeEvent {
    let telling = Telling { mail, revision: 3, kind: "open-now", outcome: Some("kept"), people: 2 };
    OutcomeEvent::told(&about(1), &telling, time(MONDAY))
}

async fn happens(road: &Road, events: &[OutcomeEvent]) {
    let mut transaction = road.pool().begin().await.unwrap();
    emit(&mut transaction, events).await.unwrap();
    transaction.commit().await.unwrap();
}

async fn waiting(road: &Road) -> i64 {
    road.count("select count(*) from outcome_events").await
}

fn ids(events: &[Value]) -> Vec<String> {
    events.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

/// Somebody who listens to everything from now on.
async fn listener(road: &Road) -> Listener {
    drop(outcomes::open(&road.config().amqp).await.unwrap());
    road.broker().await.listen(&road.config().amqp.outcomes_exchange).await
}

#[tokio::test]
async fn what_came_of_it_is_published_and_forgotten() {
    let road = Road::new().await;
    road.broker().await;
    let listener = listener(&road).await;
    let outcome = PromiseOutcome {
        outcome: "kept",
        reason: None,
        door_left: Some(Duration::hours(2)),
        mail: Some("abcdef"),
    };
    happens(&road, &[told("abcdef"), OutcomeEvent::promise(&about(1), outcome, time(MONDAY))]).await;
    // The same again is the same.
    happens(&road, &[told("abcdef")]).await;
    assert_eq!(waiting(&road).await, 2);
    assert_eq!(road.program().outcomes().drain().await.unwrap(), 2);
    assert_eq!(waiting(&road).await, 0);

    let events = listener.take().await;
    assert_eq!(ids(&events), ["told/abcdef/programme/pc-dhep/1", "promise/abcdef/programme/pc-dhep/1"]);
    let told = &events[0];
    assert_eq!(
        *told,
        json!({
            "specversion": "1.0", "id": "told/abcdef/programme/pc-dhep/1", "source": "/jobalerts/prod",
            "type": "alert.told", "subject": "programme/pc-dhep", "time": MONDAY,
            "datacontenttype": "application/json", "deploymentenv": "prod",
            "data": {"subject": "programme/pc-dhep", "cycle": "2024-03", "number": 1, "revision": 3,
                     "kind": "open-now", "outcome": "kept", "people": 2},
        })
    );
    assert_eq!(events[1]["data"]["doorLeftSeconds"], 7_200);
}

/// Nobody has to listen.
#[tokio::test]
async fn without_a_listener_events_are_forgotten_all_the_same() {
    let road = Road::new().await;
    road.broker().await;
    happens(&road, &[told("abcdef")]).await;
    assert_eq!(road.program().outcomes().drain().await.unwrap(), 1);
    assert_eq!(waiting(&road).await, 0);
}

/// Killed between the confirm and the delete: the same id comes again.
#[tokio::test]
async fn what_is_published_twice_has_one_id() {
    let road = Road::new().await;
    road.broker().await;
    let listener = listener(&road).await;
    let events: Vec<OutcomeEvent> = (0..40).map(|number| told(&format!("mail{number}"))).collect();
    happens(&road, &events).await;
    // The delete fails for as long as this is there, as if the process had been killed before it.
    road.sql(
        "create function refuse() returns trigger language plpgsql as
         $$ begin raise exception 'killed'; end $$",
    )
    .await;
    road.sql("create trigger killed before delete on outcome_events execute function refuse()").await;
    road.program().outcomes().drain().await.unwrap_err();
    assert_eq!(waiting(&road).await, 40);
    road.sql("drop trigger killed on outcome_events").await;
    assert_eq!(road.program().outcomes().drain().await.unwrap(), 40);
    assert_eq!(waiting(&road).await, 0);

    let ids = ids(&listener.take().await);
    assert_eq!(ids.len(), 80);
    assert_eq!(ids[..40], ids[40..]);
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 40);
}

/// Several processes share the work: each event is published once.
#[tokio::test]
async fn processes_share_the_events() {
    let road = Road::new().await;
    road.broker().await;
    let listener = listener(&road).await;
    let events: Vec<OutcomeEvent> = (0..3_000).map(|number| told(&format!("mail{number}"))).collect();
    happens(&road, &events).await;
    let (mut one, mut two) = (road.program().outcomes(), road.program().outcomes());
    let (one, two) = tokio::join!(one.drain(), two.drain());
    assert_eq!(one.unwrap() + two.unwrap(), 3_000);
    let ids = ids(&listener.take().await);
    assert_eq!((ids.len(), ids.iter().collect::<BTreeSet<_>>().len()), (3_000, 3_000));
}

#[tokio::test]
async fn while_the_broker_is_away_events_are_kept() {
    let mut road = Road::new().await;
    road.broker().await;
    let there = road.config().amqp.url.expose().to_owned();
    happens(&road, &[told("abcdef")]).await;
    road.reconfigure("amqp.url", "amqp://guest:guest@127.0.0.1:1/nothing");
    let error = road.program().outcomes().drain().await.unwrap_err().to_string();
    assert!(error.contains("RabbitMQ"), "{error}");
    assert_eq!(waiting(&road).await, 1);
    road.reconfigure("amqp.url", &there);
    assert_eq!(road.program().outcomes().drain().await.unwrap(), 1);
}

/// The daemon publishes by itself, and a drain at its end.
#[tokio::test]
async fn the_daemon_and_a_drain_publish() {
    let road = Road::new().await;
    road.broker().await;
    let listener = listener(&road).await;
    happens(&road, &[told("one")]).await;
    let drained = road.run(&["drain", "--now", MONDAY]).await.successful();
    let said = format!("1 outcome published to {}\n", road.config().amqp.outcomes_exchange);
    assert!(drained.stdout.ends_with(&said), "{}", drained.stdout);
    assert_eq!(listener.take().await.len(), 1);

    let daemon = road.daemon().await;
    happens(&road, &[told("two")]).await;
    let events = soon("the event", listener.wait()).await;
    assert_eq!(ids(&events), ["told/two/programme/pc-dhep/1"]);
    let (status, log) = daemon.stop().await;
    assert_eq!(status.code(), Some(0), "{log}");
}

/// A drain whose broker has another exchange of that name sends its mails, and says what is wrong.
#[tokio::test]
async fn an_exchange_with_other_settings_is_named() {
    let mut road = Road::new().await;
    road.broker().await;
    let taken = road.config().amqp.dead_letter_exchange.clone();
    road.reconfigure("amqp.outcomes_exchange", &taken);
    happens(&road, &[told("abcdef")]).await;
    let output = road.run(&["drain", "--now", MONDAY]).await;
    assert_eq!(output.code, Some(1));
    assert!(output.stdout.contains("mails sent"), "{}", output.stdout);
    assert!(output.stderr.contains(&taken) && output.stderr.contains("not published"), "{}", output.stderr);
    assert_eq!(waiting(&road).await, 1);
}
