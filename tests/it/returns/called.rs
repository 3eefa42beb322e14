//! What the webhook says of when something was.

use chrono::{DateTime, Utc};
use jobalerts::domain::signature::SigningKeys;
use jobalerts::returns::Taken;
use jobalerts::returns::webhook::{self, Refused, Webhook};
use serde_json::json;

use super::{ANN, NEW, told};
use crate::harness::{Road, time};

impl Road {
    /// A call that the mailbox of the last mail to Ann was full.
    async fn is_called(&self, at: Option<&str>) -> Result<Taken, Refused> {
        let keys = SigningKeys::parse(&"5a".repeat(32)).unwrap();
        let called = Webhook { rules: self.return_rules(), keys: keys.clone() };
        let token = called.rules.tokens.bounce(self.sent(ANN).await.mail);
        let body = json!({"kind": "bounce", "token": token, "status": "5.2.2", "at": at}).to_string();
        let now = self.clock.now();
        webhook::take(self.pool(), &called, &keys.sign(body.as_bytes(), now), body.as_bytes(), now).await
    }
}

/// It counts when it was: not before the mail left, and not later than we hear of it. What it told is told
/// again a day after that, at the earliest now.
#[tokio::test]
async fn a_call_counts_when_it_was_within_bounds() {
    for (at, counts, again) in [
        (Some("2023-11-14T20:00:00+01:00"), "2023-11-14T19:00:00Z", "2023-11-15T19:00:00Z"),
        (Some("2023-11-13T12:00:00Z"), "2023-11-13T12:00:00Z", "2023-11-15T10:00:00Z"),
        (Some("1970-01-01T00:00:00Z"), "2023-11-13T08:31:00Z", "2023-11-15T10:00:00Z"),
        (Some("2099-01-01T00:00:00Z"), "2023-11-15T10:00:00Z", "2023-11-16T10:00:00Z"),
        (None, "2023-11-15T10:00:00Z", "2023-11-16T10:00:00Z"),
    ] {
        let road = told(&[ANN]).await;
        road.at("2023-11-15T10:00:00Z");
        assert_eq!(road.is_called(at).await.unwrap(), NEW, "{at:?}");
        let counted: DateTime<Utc> = road.value("select at from returns").await;
        assert_eq!(counted, time(counts), "{at:?}");
        assert_eq!(road.only_alert().await.due_at, Some(time(again)), "{at:?}");
        let slow: DateTime<Utc> = road.value("select slow_until from subscribers").await;
        assert_eq!(slow, time(again), "{at:?}");
    }
}

#[tokio::test]
async fn a_call_whose_time_is_none_is_no_call() {
    let road = told(&[ANN]).await;
    let refused = road.is_called(Some("yesterday")).await;
    assert!(matches!(refused, Err(Refused::NotACall)), "{refused:?}");
    assert_eq!(road.count("select count(*) from returns").await, 0);
}
