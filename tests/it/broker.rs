//! The queue: both content modes, batches, and what a crash leaves behind.

use jobalerts::intake::queue::Session;
use jobalerts::intake::step;
use lapin::types::AMQPValue;
use serde_json::Value;

use crate::harness::broker::Raw;
use crate::harness::events::Event;
use crate::harness::people::curious;
use crate::harness::{Delivered, Road, soon};

/// An event with its attributes as headers, in the types that publishers use for them.
fn in_binary_mode(event: &Event, prefix: &str) -> Raw {
    let attributes = event.value().as_object().unwrap();
    let value = |value: &Value| match value {
        Value::Bool(truth) => AMQPValue::Boolean(*truth),
        Value::Number(number) => AMQPValue::LongLongInt(number.as_i64().unwrap()),
        other => AMQPValue::LongString(other.as_str().unwrap().into()),
    };
    Raw {
        content_type: Some("application/json"),
        headers: attributes
            .iter()
            .filter(|(name, _)| !["data", "datacontenttype"].contains(&name.as_str()))
            .map(|(name, attribute)| (format!("{prefix}{name}"), value(attribute)))
            .collect(),
        body: serde_json::to_vec(&attributes["data"]).unwrap(),
    }
}

/// 2.8.
#[tokio::test]
async fn both_content_modes_say_the_same() {
    let road = Road::new().await;
    let [colon, underscore, structured, bare] =
        ["AA", "BB", "CC", "DD"].map(|end| Event::opened(&format!("2300{end}")));
    let messages = [
        in_binary_mode(&colon, "cloudEvents:"),
        in_binary_mode(&underscore, "cloudEvents_"),
        Raw {
            content_type: Some("application/cloudevents+json; charset=utf-8"),
            ..Raw { body: structured.body(), ..Raw::default() }
        },
        Raw { body: bare.body(), ..Raw::default() },
    ];
    road.broker().await.publish_raw(&messages).await;
    let taken = road.intake().await;
    assert_eq!((taken.new, taken.openings, taken.rejected), (4, 4, vec![]));
    let different = "select count(*) from (
         select distinct type, version, time, test, data #- '{posting,url}' #- '{posting,identifier}' from events) e";
    assert_eq!(road.count(different).await, 1);
    assert_eq!(road.count("select count(distinct truth #- '{facts,url}') from openings").await, 1);
}

/// What is there is taken in together: a thousand events cost some commits, not a thousand.
#[tokio::test]
async fn a_thousand_events_cost_a_few_commits() {
    let road = Road::new().await;
    let events: Vec<Event> = (0..1_000).map(|number| Event::opened(&format!("23{number:04}"))).collect();
    road.publish(&events).await;
    let taken = road.intake().await;
    assert_eq!((taken.new, taken.openings), (1_000, 1_000));
    let transactions = road.count("select count(distinct xmin::text) from events").await;
    println!("1000 events in {transactions} transactions");
    assert!(transactions <= 50, "{transactions} transactions");
}

/// The arrow from the queue to the openings: killed between commit and acknowledgement, the batch
/// comes again and changes nothing.
#[tokio::test]
async fn a_batch_that_comes_again_after_a_crash_changes_nothing() {
    let road = Road::new().await;
    road.import(&[curious("ann@example.org")]).await;
    let events = ["AA", "BB", "CC"].map(|end| Event::opened(&format!("230000{end}")));
    road.publish(&events).await;
    let policy = road.program().intake_policy();
    let take = async |session: &mut Session| {
        let mut taken = step::Taken::default();
        let mut batches = Vec::new();
        while taken.new + taken.repeated < events.len() {
            let batch = soon("the events", session.next_batch()).await.unwrap();
            let step = step::take(road.pool(), batch.messages(), &policy, road.clock.now()).await.unwrap();
            taken.new += step.new;
            taken.repeated += step.repeated;
            taken.openings += step.openings;
            batches.push(batch);
        }
        (taken, batches)
    };
    let mut first = Session::open(&road.config().amqp).await.unwrap();
    let (taken, _) = take(&mut first).await;
    assert_eq!((taken.new, taken.openings), (3, 3));
    drop(first);
    assert_eq!(road.drain().await, Delivered::ONE_MAIL);
    let before = road.state().await;

    let mut second = Session::open(&road.config().amqp).await.unwrap();
    let (taken, batches) = take(&mut second).await;
    assert_eq!((taken.new, taken.repeated, taken.openings), (0, 3, 0));
    for batch in batches {
        second.settle(batch, &[], road.program().clock().now()).await.unwrap();
    }
    assert_eq!(road.broker().await.waiting().await, (0, 0));
    assert_eq!(road.drain().await, Delivered::NOTHING);
    assert_eq!(road.state().await, before);
}

/// A queue that was declared otherwise is named, with what to do.
#[tokio::test]
async fn a_queue_with_other_settings_is_named() {
    let mut road = Road::new().await;
    road.broker().await;
    road.reconfigure("amqp.delivery_limit", "7");
    let error = Session::open(&road.config().amqp).await.err().expect("the limit differs").to_string();
    assert!(error.contains(&road.config().amqp.queue) && error.contains("remove it"), "{error}");
}
