//! What was set aside is listed, shown, taken in once more, or thrown away (OPS-4).

use jobalerts::intake::dead_letters::{DeadLetters, Fate};
use serde_json::Value;

use crate::harness::Road;
use crate::harness::broker::Raw;
use crate::harness::events::Event;

const ELSEWHERE: &str = "https://careers.elsewhere.example/jobs/1";

fn structured(body: impl Into<Vec<u8>>) -> Raw {
    Raw { content_type: Some("application/cloudevents+json"), headers: vec![], body: body.into() }
}

/// A road on which two messages and one event were set aside.
async fn with_three() -> Road {
    let road = Road::new().await;
    let strange: Vec<u8> = (0..=255).collect();
    let linking = Event::opened("230000L1").with("/data/posting/url", ELSEWHERE);
    let exploded = Event::opened("230000L2").with("/type", "vacancy.exploded");
    let messages = [strange, linking.body(), exploded.body()].map(structured);
    road.broker().await.publish_raw(&messages).await;
    assert_eq!(road.intake().await.rejected.len(), 3);
    road
}

async fn listed(road: &Road) -> Vec<Value> {
    let list = road.run(&["dead-letters", "list", "--json"]).await.successful();
    let list: Value = serde_json::from_str(&list.stdout).unwrap();
    list["deadLetters"].as_array().unwrap().clone()
}

fn reasons(letters: &[Value]) -> Vec<&str> {
    letters.iter().map(|letter| letter["reason"].as_str().unwrap()).collect()
}

fn key(letter: &Value) -> &str {
    letter["key"].as_str().unwrap()
}

#[tokio::test]
async fn a_look_changes_nothing_and_shows_what_came() {
    let road = with_three().await;
    let letters = listed(&road).await;
    assert_eq!(reasons(&letters), ["not-json", "link-not-allowed", "unknown-type"]);
    let event = &letters[1]["event"];
    assert_eq!((&event["type"], &event["subject"]), (&"vacancy.opened".into(), &"vacancy/230000L1".into()));
    assert_eq!(
        (&letters[0]["event"], &letters[0]["octets"], &letters[0]["routingKey"]),
        (&Value::Null, &256.into(), &"something".into())
    );
    assert_eq!(letters[0]["exchange"], road.config().amqp.exchange);
    let since = road.program().clock().now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    assert_eq!(letters[0]["since"], since);

    let text = road.run(&["dead-letters", "list"]).await.successful().stdout;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3);
    for (line, letter) in lines.iter().zip(&letters) {
        assert!(line.starts_with(key(letter)) && line.contains(letter["reason"].as_str().unwrap()), "{line}");
    }
    let shown = road.run(&["dead-letters", "show", key(&letters[1])]).await.successful().stdout;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["body"]["data"]["posting"]["url"], ELSEWHERE);
    assert_eq!(listed(&road).await, letters, "nothing has changed, not even their order");
    assert_eq!(road.broker().await.dead_letters().await[0].body, (0..=255).collect::<Vec<u8>>());
}

/// What is still no good is set aside again, under the same key and with where it first came from.
#[tokio::test]
async fn what_was_mended_is_taken_in_by_a_replay() {
    let road = with_three().await;
    let before = listed(&road).await;
    let replayed = road.run(&["dead-letters", "replay", "--all"]).await.successful();
    assert_eq!(replayed.stdout, "3 dead letters: on the queue again.\n");
    assert_eq!(listed(&road).await, Vec::<Value>::new());
    assert_eq!(road.intake().await.rejected.len(), 3);
    assert_eq!(listed(&road).await, before);

    let replay = road.run(&["dead-letters", "replay", "--reason", "link-not-allowed"]).await.successful();
    assert_eq!(replay.stdout, "1 dead letter: on the queue again.\n");
    let mut mended = road.command(&["drain", "--now", "2024-03-04T10:00:00Z"]).await;
    mended.env("JOBALERTS_LINKS__ALLOWED_HOSTS", "[\"careers.elsewhere.example\"]");
    let drained = crate::harness::program::output(mended, None).await.successful();
    assert!(drained.stdout.starts_with("1 event taken in"), "{}", drained.stdout);
    assert_eq!(reasons(&listed(&road).await), ["not-json", "unknown-type"]);

    let gone = road.run(&["dead-letters", "replay", key(&before[1])]).await;
    assert_eq!(gone.code, Some(1));
    assert!(gone.stderr.contains("there is no dead letter"), "{}", gone.stderr);
}

#[tokio::test]
async fn only_what_was_confirmed_is_thrown_away() {
    let road = with_three().await;
    let letters = listed(&road).await;
    let first = key(&letters[0]);
    for (arguments, says) in [
        (vec!["--all"], "add --letters 3"),
        (vec!["--all", "--letters", "2"], "2 were confirmed, and these are 3 dead letters"),
        (vec![first, "0123456789ab", "--letters", "2"], "there is no dead letter 0123456789ab"),
    ] {
        let arguments = [vec!["dead-letters", "discard"], arguments].concat();
        let refused = road.run(&arguments).await;
        assert_eq!(refused.code, Some(1), "{arguments:?}");
        assert!(refused.stderr.contains(says), "{}", refused.stderr);
    }
    assert_eq!(listed(&road).await, letters);
    let done = road.run(&["dead-letters", "discard", first, "--letters", "1"]).await.successful();
    assert_eq!(done.stdout, "1 dead letter: thrown away.\n");
    assert_eq!(listed(&road).await, letters[1..]);
}

/// RabbitMQ 4 throws away what went back 20 times.
#[tokio::test]
async fn many_looks_lose_nothing() {
    let road = with_three().await;
    let mut most = 0;
    for _ in 0..25 {
        let mut seen = 0;
        let letters = DeadLetters::open(&road.config().amqp).await.unwrap();
        letters
            .each(|_, message| {
                let returned =
                    message.headers.get("x-delivery-count").map_or(0, |count| count.parse().unwrap());
                most = most.max(returned);
                seen += 1;
                Fate::Stays
            })
            .await
            .unwrap();
        assert_eq!(seen, 3);
    }
    assert_eq!(most, 10);
    assert_eq!(road.broker().await.dead_letters().await.len(), 3);
}

/// Ended anywhere, a replay loses nothing; what it did twice is known the second time.
#[tokio::test]
async fn a_replay_that_is_cut_off_loses_nothing() {
    let road = Road::new().await;
    let events: Vec<Event> = (0..40).map(|number| Event::opened(&format!("23R{number:03}"))).collect();
    road.broker().await.set_aside(&events).await;
    for until in [7, 11] {
        let settings = road.config().amqp.clone();
        let (handle, handed) = tokio::sync::oneshot::channel::<tokio::task::AbortHandle>();
        let replay = tokio::spawn(async move {
            let task = handed.await.unwrap();
            let mut so_far = 0;
            let letters = DeadLetters::open(&settings).await.unwrap();
            letters
                .each(|_, _| {
                    so_far += 1;
                    if so_far == until {
                        // Takes effect where it next waits, in the middle of this letter.
                        task.abort();
                    }
                    Fate::Replayed
                })
                .await
        });
        handle.send(replay.abort_handle()).unwrap();
        assert!(replay.await.unwrap_err().is_cancelled());
    }
    road.run(&["dead-letters", "replay", "--all"]).await.successful();
    let taken = road.intake().await;
    assert_eq!((taken.new, taken.rejected.len()), (40, 0));
    assert!(taken.repeated <= 2, "{}", taken.repeated);
    assert_eq!(road.broker().await.waiting().await, (0, 0));
}
