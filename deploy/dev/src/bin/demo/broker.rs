//! What the demo itself asks of RabbitMQ: which messages were set aside, and to remove its queues.

use anyhow::Context as _;
use jobalerts::intake::queue::{DETAIL_HEADER, REASON_HEADER};
use lapin::options::{BasicGetOptions, ExchangeDeleteOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties};

/// What is on the broker that is the demo's own.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    /// Where events are published.
    pub(crate) exchange: String,
    /// Where the daemon takes them from.
    pub(crate) queue: String,
    /// The exchange and the queue of what was set aside.
    pub(crate) dead_letters: String,
    /// Where what came of it is published.
    pub(crate) outcomes: String,
}

impl Names {
    /// Names that begin alike.
    pub(crate) fn below(beginning: &str) -> Self {
        let name = |what: &str| format!("{beginning}.{what}");
        Self {
            exchange: name("events"),
            queue: name("queue"),
            dead_letters: name("dead-letters"),
            outcomes: name("outcomes"),
        }
    }
}

/// A message that was set aside.
#[derive(Debug)]
pub(crate) struct DeadLetter {
    /// The code.
    pub(crate) reason: String,
    /// For people.
    pub(crate) detail: String,
    /// What it is about; if it does not say, how it begins.
    pub(crate) about: String,
}

/// Takes all messages off the dead-letter queue.
pub(crate) async fn dead_letters(url: &str, names: &Names) -> anyhow::Result<Vec<DeadLetter>> {
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
pub(crate) async fn remove(url: &str, names: &Names) -> anyhow::Result<()> {
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
