//! What the demo and the faults themselves ask of RabbitMQ: which messages were set aside, and to remove their queues.

use anyhow::Context as _;
use jobalerts::intake::queue::{DETAIL_HEADER, REASON_HEADER};
use lapin::options::{BasicGetOptions, ExchangeDeleteOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties};

/// What is on the broker that is one scene's own.
#[derive(Debug, Clone)]
pub struct Names {
    /// What all of them begin with.
    pub beginning: String,
    /// Where events are published.
    pub exchange: String,
    /// Where the daemon takes them from.
    pub queue: String,
    /// The exchange and the queue of what was set aside.
    pub dead_letters: String,
    /// Where what came of it is published.
    pub outcomes: String,
}

impl Names {
    /// Names that begin alike.
    #[must_use]
    pub fn below(beginning: &str) -> Self {
        let name = |what: &str| format!("{beginning}.{what}");
        Self {
            beginning: beginning.to_owned(),
            exchange: name("events"),
            queue: name("queue"),
            dead_letters: name("dead-letters"),
            outcomes: name("outcomes"),
        }
    }
}

/// A message that was set aside.
#[derive(Debug)]
pub struct DeadLetter {
    /// The code.
    pub reason: String,
    /// For people.
    pub detail: String,
    /// What it is about; if it does not say, how it begins.
    pub about: String,
}

/// Takes all messages off the dead-letter queue.
///
/// # Errors
///
/// When the broker is away, or there is no such queue.
pub async fn dead_letters(url: &str, names: &Names) -> anyhow::Result<Vec<DeadLetter>> {
    let (_connection, channel) = connect(url).await?;
    let mut letters = Vec::new();
    let options = BasicGetOptions { no_ack: true };
    while let Some(message) = channel.basic_get(names.dead_letters.as_str().into(), options).await? {
        let header = |name| text(message.properties.headers().as_ref(), name);
        letters.push(DeadLetter {
            reason: header(REASON_HEADER),
            detail: header(DETAIL_HEADER),
            about: about(&message.data),
        });
    }
    Ok(letters)
}

/// Removes queues and exchanges; those that were never made are no matter.
///
/// # Errors
///
/// When the broker is away.
pub async fn remove(url: &str, names: &Names) -> anyhow::Result<()> {
    let (_connection, channel) = connect(url).await?;
    for queue in [&names.queue, &names.dead_letters] {
        channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await?;
    }
    for exchange in [&names.exchange, &names.dead_letters, &names.outcomes] {
        channel.exchange_delete(exchange.as_str().into(), ExchangeDeleteOptions::default()).await?;
    }
    Ok(())
}

async fn connect(url: &str) -> anyhow::Result<(Connection, Channel)> {
    let connection = Connection::connect(url, ConnectionProperties::default())
        .await
        .context("cannot connect to the RabbitMQ server of AMQP_URL")?;
    let channel = connection.create_channel().await?;
    Ok((connection, channel))
}

fn about(body: &[u8]) -> String {
    let event: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let beginning = || String::from_utf8_lossy(body).chars().take(40).collect();
    event["subject"].as_str().map_or_else(beginning, str::to_owned)
}

fn text(headers: Option<&FieldTable>, name: &str) -> String {
    let value = headers.and_then(|table| table.inner().get(name)).and_then(|value| value.as_long_string());
    value.map(|text| String::from_utf8_lossy(text.as_bytes()).into_owned()).unwrap_or_default()
}
