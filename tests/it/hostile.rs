//! Values that mean harm, or are only very large.

use serde_json::{Value, json};

use crate::harness::events::Event;
use crate::harness::people::{curious, person};
use crate::harness::{Delivered, Road};

const ANN: &str = "ann@example.org";

/// N41.
#[tokio::test]
async fn a_title_with_a_line_break_adds_no_header_and_no_recipient() {
    let road = Road::new().await;
    road.import(&[curious(ANN)]).await;
    let title = "Clerk\r\nBcc: everybody@example.org\r\n\r\n<script>alert(1)</script>";
    road.hears(&[Event::opened("230000AA").titled(title)]).await;
    assert_eq!(road.drain().await, Delivered::ONE_MAIL);
    let mail = road.only_mail();
    assert_eq!(mail.rcpt_to, [ANN]);
    assert_eq!(mail.header("Bcc"), None);
    assert!(mail.subject().unwrap().contains("Clerk Bcc: everybody@example.org"), "{:?}", mail.subject());
    assert!(!mail.html().unwrap().contains("<script"), "{}", mail.html().unwrap());
    let names: Vec<String> = mail.headers().into_iter().map(|(name, _)| name.to_lowercase()).collect();
    let mut distinct = names.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(names.len(), distinct.len(), "each header once: {names:?}");
}

/// Postgres keeps no NUL, and nobody reads one.
#[tokio::test]
async fn a_nul_in_a_text_does_no_harm() {
    let road = Road::new().await;
    road.import(&[person(ANN).search("Clerks", "immediate", json!({"keywords": {"any": ["clerk"]}}))]).await;
    let event = Event::opened("230000AA").titled("Cl\0erk").with("/data/posting/description", "\0\0");
    road.hears(&[event]).await;
    assert_eq!(road.drain().await, Delivered::ONE_MAIL);
    assert!(road.only_mail().subject().unwrap().contains("Clerk"));
}

/// OPS-4: whatever is in an event, the good ones in the same batch go through, and every mail is sound.
#[tokio::test]
async fn hostile_and_huge_values_take_nobody_down() {
    let long = "x".repeat(200_000);
    let deep = (0..120).fold(json!(1), |inner, _| json!([inner]));
    let values: Vec<(&str, Value)> = vec![
        ("/data/posting/title", json!("{{constructor}} ${jndi:ldap://x} %s %n {WORD} null")),
        ("/data/posting/title", json!("\u{202e}drowssap\u{202c} \u{feff}\u{200b}Zero")),
        ("/data/posting/title", json!("😀".repeat(300))),
        ("/data/posting/title", json!("é\u{301}".repeat(100))),
        ("/data/posting/title", json!("=?utf-8?q?Bcc:_x?=")),
        ("/data/posting/title", json!("'; drop table alerts; --")),
        ("/data/posting/title", json!(long)),
        ("/data/posting/title", json!("   ")),
        ("/data/posting/title", json!(["a"])),
        ("/data/posting/description", json!(long)),
        ("/data/posting/description", deep),
        ("/data/posting/url", json!("javascript:alert(1)")),
        ("/data/posting/url", json!("https://careers.force.example@evil.example/")),
        ("/data/posting/url", json!("https://careers.force.example/\"><script>")),
        ("/data/locations", json!(vec!["birmingham"; 101])),
        ("/data/locations", json!(["birmingham", "<b>", "../../etc/passwd"])),
        ("/data/roleFamily", json!({"a": 1})),
        ("/data/payText", json!("£££\r\n.\r\nQUIT")),
        ("/data/pay", json!({"currency": "GBP", "value": {"minValue": 1e300, "maxValue": 1e301}})),
        ("/data/pay", json!({"currency": "GBP", "value": {"minValue": -5}})),
        ("/data/closing", json!({"value": "9999-12-31T23:59:59Z", "precision": "instant"})),
        ("/data/closing", json!({"value": "+262142-12-31", "precision": "date"})),
        ("/data/closing", json!({"value": "-262143-01-01", "precision": "close-of-business"})),
        ("/data/closing", json!({"value": "2023-02-30", "precision": "date"})),
        ("/data/closing", json!({"value": "2023-12-08", "precision": "date", "zone": "Mars/Olympus"})),
        ("/data/effectiveAt", json!("0001-01-01T00:00:00Z")),
        ("/data/effectiveAt", json!("9999-12-31T23:59:59.999999999Z")),
        ("/data/effectiveAt", json!("soon")),
        ("/time", json!("9999-12-31T23:59:59Z")),
        ("/time", json!("-4800-01-01T00:00:00Z")),
        ("/entityversion", json!(i64::MAX)),
        ("/entityversion", json!(u64::MAX)),
        ("/entityversion", json!(1.5)),
        ("/id", json!("x".repeat(513))),
        ("/source", json!("a\nb")),
        ("/subject", json!("vacancy/../../etc")),
        ("/subject", json!("vacancy/a b")),
        ("/subject", json!(null)),
    ];
    let road = Road::new().await;
    road.import(&[curious(ANN)]).await;
    let mut events = vec![Event::opened("230000AA").titled("The first")];
    for (number, (place, value)) in values.into_iter().enumerate() {
        events.push(Event::opened(&format!("23H{number:03}")).with(place, value));
    }
    events.push(Event::opened("230000ZZ").titled("The last"));
    let taken = road.take(&events).await;
    assert_eq!(taken.new + taken.rejected.len(), events.len());
    assert!(taken.rejected.len() > 15, "{:?}", taken.rejected);
    assert!(taken.new > 10, "{:?}", taken.rejected);

    let delivered = road.drain_at("2023-11-13T09:00:00Z").await;
    let held: Vec<Option<String>> = road
        .mail_rows()
        .await
        .into_iter()
        .filter(|m| m.outcome.as_deref() != Some("accepted"))
        .map(|m| m.reply)
        .collect();
    assert_eq!(held, Vec::<Option<String>>::new());
    assert_eq!(delivered.failed, 0);
    let texts: String = road.mails().iter().map(|mail| mail.text().unwrap()).collect();
    for title in ["The first", "The last", "drop table alerts"] {
        assert!(texts.contains(title), "{title} in {texts}");
    }
    for mail in road.mails() {
        assert_eq!(mail.rcpt_to, [ANN]);
        assert!(mail.data.split(|octet| *octet == b'\n').all(|line| line.len() <= 999), "lines are short");
    }
}
