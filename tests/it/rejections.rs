//! What is no good is set aside with its reason, and the rest flows (OPS-4).

use serde_json::json;

use crate::harness::Road;
use crate::harness::broker::Raw;
use crate::harness::events::Event;
use lapin::types::AMQPValue;

const STRUCTURED: &str = "application/cloudevents+json";

fn raw(body: impl Into<Vec<u8>>) -> Raw {
    let header = ("x-trace".to_owned(), AMQPValue::LongString("kept".into()));
    Raw { content_type: Some(STRUCTURED), headers: vec![header], body: body.into() }
}

fn event(event: &Event) -> Raw {
    raw(event.body())
}

/// Each reason, and a message that is set aside for it.
fn bad() -> Vec<(&'static str, Raw)> {
    let opened = || Event::opened("230000XX");
    let text = String::from_utf8(opened().body()).unwrap();
    vec![
        ("not-json", raw("{\"specversion\":")),
        ("not-json", raw("")),
        ("not-json", raw(b"\xff\xfe\x00".as_slice())),
        ("not-json", raw("[".repeat(100_000))),
        ("duplicate-key", raw(text.replacen("\"specversion\"", "\"id\":\"1\",\"specversion\"", 1))),
        ("duplicate-key", raw(text.replacen("\"posting\":{", "\"posting\":{\"title\":\"Other\",", 1))),
        ("too-large", event(&opened().with("/data/posting/description", "x".repeat(256 * 1024)))),
        ("envelope", raw("[]")),
        ("envelope", raw("\"text\"")),
        ("envelope", event(&opened().without("id"))),
        ("envelope", event(&opened().with("/specversion", "0.3"))),
        ("envelope", event(&opened().with("/time", "yesterday"))),
        ("envelope", event(&opened().with("/subject", "programme/pc-any"))),
        ("envelope", event(&opened().with("/data/posting/identifier/value", "230000YY"))),
        ("envelope", Raw { content_type: Some("application/cloudevents+avro"), ..event(&opened()) }),
        ("unknown-type", event(&opened().with("/type", "vacancy.exploded"))),
        ("unknown-type", event(&opened().with("/type", "announcement.requested"))),
        ("envelope", event(&opened().with("/type", "programme.opened"))),
        ("schema", event(&Event::like("09").with("/data/opensAt", "soon"))),
        ("schema", event(&Event::like("15").with("/data/event/startDate", "in spring"))),
        ("schema", event(&opened().with("/data", json!("text")))),
        ("schema", event(&opened().with("/data/posting/title", json!(7)))),
        ("schema", event(&opened().with("/data/posting/title", ""))),
        ("schema", event(&opened().with("/data/closing/precision", "about noon"))),
        ("foreign-environment", event(&opened().with("/deploymentenv", "staging"))),
        ("foreign-environment", event(&Event::sample("23"))),
        (
            "link-not-allowed",
            event(&opened().with("/data/posting/url", "http://careers.force.example/jobs/1")),
        ),
        ("link-not-allowed", event(&opened().with("/data/posting/url", "https://evil.example/jobs/1"))),
        (
            "link-not-allowed",
            event(&opened().with("/data/posting/url", "https://u:p@careers.force.example/")),
        ),
        ("looks-like-a-test", event(&Event::opened("TEST0007"))),
    ]
}

/// OPS-4, N27, N42.
#[tokio::test]
async fn each_reason_is_written_on_the_dead_letter_and_the_rest_flows() {
    let road = Road::new().await;
    let mut messages = Vec::new();
    for (number, (_, message)) in bad().into_iter().enumerate() {
        messages.push(event(&Event::opened(&format!("23G{number:03}"))));
        messages.push(message);
    }
    road.broker().await.publish_raw(&messages).await;
    let taken = road.intake().await;
    assert_eq!(taken.new, bad().len(), "{:?}", taken.rejected);

    let letters = road.broker().await.dead_letters().await;
    assert_eq!(letters.len(), bad().len());
    for (letter, (number, (reason, message))) in letters.iter().zip(bad().into_iter().enumerate()) {
        assert_eq!(letter.reason(), reason, "{number}: {:?}", letter.headers);
        assert!(!letter.headers["x-dead-letter-detail"].is_empty());
        assert_eq!(letter.headers["x-trace"], "kept");
        assert_eq!(letter.headers["x-original-routing-key"], "something");
        assert_eq!(letter.headers["x-original-exchange"], road.config().amqp.exchange);
        assert_eq!(letter.routing_key, "something");
        assert_eq!(letter.content_type.as_deref(), message.content_type);
        // Ids of events differ from one making of the list to the next.
        assert_eq!(letter.body.len(), message.body.len(), "{number}");
    }
    assert_eq!(road.broker().await.waiting().await, (0, 0), "everything was settled");
    assert_eq!(road.count("select count(*) from events").await, i64::try_from(bad().len()).unwrap());
}

/// The body of a dead letter is the body that came, octet by octet.
#[tokio::test]
async fn a_dead_letter_is_what_came() {
    let road = Road::new().await;
    let body: Vec<u8> = (0..=255).collect();
    road.broker().await.publish_raw(&[raw(body.clone())]).await;
    assert_eq!(road.intake().await.rejected.len(), 1);
    let letters = road.broker().await.dead_letters().await;
    assert_eq!(letters.iter().map(|letter| &letter.body).collect::<Vec<_>>(), [&body]);
}
