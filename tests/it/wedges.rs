//! What could stop the road for everybody must stop nobody else: a mail server that wants fewer lines,
//! messages that cannot be set aside as they are, dates beyond calendars.

use std::collections::BTreeSet;

use jobalerts_dev::smtp::SmtpServer;
use lapin::BasicProperties;
use serde_json::{Value, json};
use url::Url;

use crate::harness::events::Event;
use crate::harness::people::{crowd, curious, person};
use crate::harness::{Delivered, Road, soon};

const ANN: &str = "ann@example.org";
const EX_DATAERR: i32 = 65;

fn two_of_four_lines() -> crate::harness::Setup {
    Road::setup().smtp(SmtpServer::builder().max_connections(2)).set("smtp.connections", "4")
}

/// Each of these people has one mail, and no other.
fn each_once(road: &Road, people: usize) {
    let told: BTreeSet<String> = road.mails().iter().map(|mail| mail.rcpt_to[0].clone()).collect();
    assert_eq!((road.mails().len(), told.len()), (people, people));
}

#[tokio::test]
async fn a_mail_server_that_allows_fewer_lines_gets_all_mails_over_those() {
    let road = two_of_four_lines().build().await;
    road.import(&crowd(60)).await;
    road.hears(&[Event::opened("230000AA")]).await;
    assert_eq!(road.drain().await, Delivered { accepted: 60, ..Delivered::NOTHING });
    each_once(&road, 60);
    assert!(road.mail_rows().await.iter().all(|mail| mail.attempts == 1));
}

#[tokio::test]
async fn the_daemon_gets_on_with_a_mail_server_that_allows_fewer_lines() {
    let road = two_of_four_lines().build().await;
    road.import(&crowd(60)).await;
    road.publish(&[Event::opened("230000AA")]).await;
    let daemon = road.daemon().await;
    soon("all mails", road.smtp.wait_for(60)).await;
    assert_eq!(daemon.stop().await.0.code(), Some(0));
    each_once(&road, 60);
}

/// A dead letter with the sender's `user_id` could not be published by another user; one with its
/// `expiration` would vanish.
#[tokio::test]
async fn a_dead_letter_has_neither_the_user_nor_the_expiry_of_its_message() {
    let road = Road::new().await;
    let user = Url::parse(road.config().amqp.url.expose()).unwrap().username().to_owned();
    let properties = BasicProperties::default()
        .with_user_id(user.into())
        .with_expiration("600000".into())
        .with_message_id("m-1".into())
        .with_content_type("text/plain".into());
    road.broker().await.publish_with(properties, b"garbage").await;
    assert_eq!(road.intake().await.rejected.len(), 1);
    assert_eq!(road.broker().await.waiting().await, (0, 1));
    let letters = road.broker().await.dead_letters().await;
    let [letter] = &letters[..] else { panic!("expected one: {letters:?}") };
    assert_eq!((letter.properties.user_id(), letter.properties.expiration()), (&None, &None));
    assert_eq!(letter.properties.delivery_mode(), &Some(2));
    assert_eq!(letter.properties.message_id().as_ref().map(ToString::to_string).as_deref(), Some("m-1"));
    assert_eq!(letter.content_type.as_deref(), Some("text/plain"));
    assert_eq!(letter.body, b"garbage");
}

#[tokio::test]
async fn dates_beyond_calendars_are_set_aside_and_the_others_go_on() {
    let road = Road::new().await;
    road.import(&[curious(ANN)]).await;
    let closing = |value: &str, precision: &str| {
        let closing = json!({"value": value, "precision": precision, "zone": "Pacific/Honolulu"});
        Event::opened("230000BB").with("/data/closing", closing)
    };
    let year_9999 = "9999-12-31T23:59:59Z";
    let mut unclosed = Event::opened("230000CC").with("/data/closing", Value::Null);
    unclosed = unclosed.with("/data/posting/validThrough", "+262142-12-31");
    let bad = [
        closing("+262142-12-31", "close-of-business"),
        closing("+262142-12-31", "date"),
        closing("-262143-01-01", "date"),
        closing(year_9999, "instant"),
        unclosed,
        Event::opened("230000DD").with("/data/effectiveAt", year_9999),
        Event::closed("230000EE").with("/data/effectiveAt", year_9999),
        Event::closes_earlier("230000FF", year_9999),
    ];
    let mut batch = bad.to_vec();
    batch.insert(4, Event::opened("230000AA"));
    road.publish(&batch).await;
    let taken = road.intake().await;
    assert_eq!((taken.new, taken.openings, taken.rejected.len()), (1, 1, bad.len()));
    let letters = road.broker().await.dead_letters().await;
    let reasons: Vec<&str> = letters.iter().map(crate::harness::broker::DeadLetter::reason).collect();
    assert_eq!(reasons, vec!["schema"; bad.len()]);
    assert_eq!(road.drain().await, Delivered::ONE_MAIL);
}

#[tokio::test]
async fn lines_that_the_database_could_not_keep_are_named_and_the_rest_goes_in() {
    let road = Road::new().await;
    let with_keyword =
        person("b@example.net").search("x", "daily", json!({"keywords": {"any": ["dog\0handler"]}})).line();
    let lines = [
        curious("one@example.org").line(),
        curious("a@example.net").line().replace("2023-1\"", "2023\\u0000-1\""),
        curious("two@example.org").line(),
        with_keyword,
        curious("c@example.net").line().replace("2023-01-01T", "-200000-01-01T"),
        curious("three@example.org").line(),
    ];
    let output = road.run_with_input(&["import", "-"], lines.join("\n")).await;
    assert_eq!(output.code, Some(EX_DATAERR), "{}", output.stderr);
    let said: Vec<&str> = output.stderr.lines().collect();
    assert_eq!(said.len(), 3, "{}", output.stderr);
    for (said, expected) in said.iter().zip([
        "line 2: consent.wordingVersion: ",
        "line 4: searches[0].where.keywords.any: ",
        "line 5: consent.at: ",
    ]) {
        assert!(said.starts_with(expected), "expected {expected}, found {said}");
    }
    assert_eq!(road.count("select count(*) from subscribers").await, 3);
    assert_eq!(road.count("select count(*) from subscribers where lookup like '%@example.org'").await, 3);
}
