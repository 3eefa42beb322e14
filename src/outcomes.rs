//! From what came of it to events that others may follow: a banner on a site,
//! a dashboard, another channel.
//!
//! They are published as CloudEvents and forgotten when the broker has
//! confirmed them. Killed in between, they are published again with the same
//! id. Whoever listens gets each at least once; with several processes, not
//! always in order.

use std::time::Duration;

use chrono::SecondsFormat;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::broker::{BrokerError, Line, Passing, Published, Takers};
use crate::config::{Amqp, Config};
use crate::domain::subject::Subject;
use crate::stage::Stage;
use crate::store::outcomes::{self, Waiting};

/// How often to look: nobody waits for these by the second.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Events that are confirmed together.
const PUBLISHED_TOGETHER: i64 = 1_000;

/// How long the broker may take to confirm them. The events stay.
const PUBLISH_LIMIT: Duration = Duration::from_secs(10);

/// The broker has taken too long.
#[derive(Debug, thiserror::Error)]
#[error(
    "RabbitMQ did not confirm events to exchange {exchange} within {} s; its log says whether it blocks \
     publishers for lack of memory or disk",
    PUBLISH_LIMIT.as_secs()
)]
struct TooSlow {
    exchange: String,
}

/// How an event is wrapped.
#[derive(Debug, Clone)]
pub struct Envelope {
    environment: String,
}

impl Envelope {
    /// For the environment of a configuration.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self { environment: config.intake.environment.clone() }
    }

    /// The routing key and the structured JSON of an event.
    fn wrap(&self, event: &Waiting) -> Published {
        let mut cloud_event = json!({
            "specversion": "1.0",
            "id": event.event_id,
            "source": format!("/jobalerts/{}", self.environment),
            "type": event.kind,
            "subject": event.subject,
            "time": event.time.to_rfc3339_opts(SecondsFormat::AutoSi, true),
            "datacontenttype": "application/json",
            "deploymentenv": self.environment,
            "data": event.data,
        });
        if event.subject.parse().is_ok_and(|subject: Subject| subject.test) {
            cloud_event["testevent"] = Value::Bool(true);
        }
        (event.kind.clone(), cloud_event.to_string().into_bytes())
    }
}

/// Connects, and declares the exchange.
///
/// # Errors
///
/// When the broker is away, refuses us, or has the exchange with other
/// settings.
pub async fn open(settings: &Amqp) -> Result<Line, BrokerError> {
    let line = Line::open(settings).await?;
    line.declare_exchange(&settings.outcomes_exchange, Passing::ByKey).await?;
    Ok(line)
}

/// The stage.
pub struct Outcomes {
    pool: PgPool,
    settings: Amqp,
    envelope: Envelope,
    line: Option<Line>,
    /// Whether the last step found something.
    busy: bool,
}

impl Outcomes {
    /// The stage on a database and a broker.
    #[must_use]
    pub fn new(pool: PgPool, config: &Config) -> Self {
        let envelope = Envelope::new(config);
        Self { pool, settings: config.amqp.clone(), envelope, line: None, busy: true }
    }

    /// Publishes all that waits; returns how many that were.
    ///
    /// # Errors
    ///
    /// When RabbitMQ or Postgres is away; what was not confirmed is kept.
    pub async fn drain(&mut self) -> anyhow::Result<usize> {
        let mut total = 0;
        loop {
            let published = self.publish().await?;
            total += published;
            if published == 0 {
                return Ok(total);
            }
        }
    }

    /// Publishes the oldest that wait, and forgets them when they are
    /// confirmed; returns how many that were.
    async fn publish(&mut self) -> anyhow::Result<usize> {
        let mut transaction = self.pool.begin().await?;
        let waiting = outcomes::next(&mut transaction, PUBLISHED_TOGETHER).await?;
        if waiting.is_empty() {
            return Ok(0);
        }
        let events: Vec<Published> = waiting.iter().map(|event| self.envelope.wrap(event)).collect();
        // Rows are held meanwhile, so it is not for ever.
        tokio::time::timeout(PUBLISH_LIMIT, self.send(&events))
            .await
            .map_err(|_| TooSlow { exchange: self.settings.outcomes_exchange.clone() })??;
        let ids: Vec<i64> = waiting.iter().map(|event| event.id).collect();
        outcomes::published(&mut transaction, &ids).await?;
        transaction.commit().await?;
        tracing::debug!(events = ids.len(), "published outcomes");
        Ok(ids.len())
    }

    /// Publishes events over the line that is open, or a new one. One that
    /// failed is not used again.
    async fn send(&mut self, events: &[Published]) -> Result<(), BrokerError> {
        let line = match self.line.take().filter(Line::is_up) {
            Some(line) => line,
            None => open(&self.settings).await?,
        };
        line.publish(&self.settings.outcomes_exchange, events, Takers::Optional).await?;
        self.line = Some(line);
        Ok(())
    }
}

impl Stage for Outcomes {
    const NAME: &'static str = "outcomes";

    async fn connect(&mut self) -> anyhow::Result<bool> {
        if self.line.as_ref().is_some_and(Line::is_up) {
            return Ok(false);
        }
        self.line = Some(open(&self.settings).await?);
        tracing::info!(
            stage = Self::NAME,
            exchange = self.settings.outcomes_exchange,
            "connected to RabbitMQ"
        );
        Ok(true)
    }

    async fn ready(&mut self) -> anyhow::Result<()> {
        if !self.busy {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    async fn step(&mut self) -> anyhow::Result<()> {
        self.busy = self.publish().await? > 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::outcomes::{About, OutcomeEvent, PromiseOutcome};

    fn wrapped(subject: &str) -> Value {
        let about = About { subject: subject.to_owned(), cycle: Some("2024-03".to_owned()), number: 2 };
        let outcome = PromiseOutcome {
            outcome: "released",
            reason: Some("not-before"),
            door_left: None,
            mail: Some("abc"),
        };
        let event = OutcomeEvent::promise(&about, outcome, "2024-03-05T10:00:00Z".parse().unwrap());
        let waiting = Waiting {
            id: 7,
            event_id: event.event_id,
            kind: event.kind.to_owned(),
            subject: event.subject,
            time: event.time,
            data: event.data,
        };
        let (routing_key, body) = Envelope { environment: "prod".to_owned() }.wrap(&waiting);
        assert_eq!(routing_key, "promise.outcome");
        serde_json::from_slice(&body).unwrap()
    }

    #[test]
    fn an_event_is_wrapped_whole() {
        let expected = json!({
            "specversion": "1.0", "id": "promise/abc/programme/pc-dhep/2", "source": "/jobalerts/prod",
            "type": "promise.outcome", "subject": "programme/pc-dhep", "time": "2024-03-05T10:00:00Z",
            "datacontenttype": "application/json", "deploymentenv": "prod",
            "data": {"subject": "programme/pc-dhep", "cycle": "2024-03", "number": 2, "outcome": "released",
                     "reason": "not-before", "doorLeftSeconds": null},
        });
        assert_eq!(wrapped("programme/pc-dhep"), expected);
    }

    #[test]
    fn what_came_of_a_test_says_so() {
        assert_eq!(wrapped("test-programme/pc-dhep")["testevent"], true);
    }
}
