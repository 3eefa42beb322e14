//! RabbitMQ: the only file that names its client.
//!
//! The client's own recovery gives up for good after a long outage and goes
//! silent after a channel error, so it is off: a [`Session`] is one connection,
//! and on any error it is dropped and a new one opened. The broker then
//! delivers again what was not acknowledged.

use std::collections::BTreeMap;

use futures_util::{FutureExt, StreamExt};
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Consumer, ExchangeKind,
};

use crate::config::Amqp;
use crate::intake::cloudevents::Message;
use crate::intake::verdict::Rejection;

/// The header of a dead letter that says why, as a code.
pub const REASON_HEADER: &str = "x-dead-letter-reason";
/// The header of a dead letter that says why, to a person.
pub const DETAIL_HEADER: &str = "x-dead-letter-detail";
const EXCHANGE_HEADER: &str = "x-original-exchange";
const ROUTING_KEY_HEADER: &str = "x-original-routing-key";

/// Seconds between signs of life on an idle connection.
const HEARTBEAT: &str = "10";
const PERSISTENT: u8 = 2;
/// Octets after which a batch is closed, however many messages it has: what is
/// read of JSON takes several times its size in memory.
const LARGEST_BATCH: usize = 8 * 1024 * 1024;

/// Something went wrong between us and the broker.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The broker, or the way to it.
    #[error("RabbitMQ: {0}; see amqp.url")]
    Client(lapin::Error),
    /// A queue or exchange is there, but not as we declare it.
    #[error(
        "RabbitMQ has {name} with other settings than this program declares ({cause}); remove it when it is \
         empty, or set its former settings again"
    )]
    Mismatch {
        /// The queue or exchange.
        name: String,
        /// What the broker said.
        cause: String,
    },
    /// A name in the configuration is longer than AMQP allows.
    #[error("{0:?} is longer than the 255 octets that AMQP allows for a name")]
    Name(String),
    /// The broker stopped delivering.
    #[error("RabbitMQ ended the consumer; the queue may have been deleted")]
    Ended,
    /// The broker did not take responsibility for a message.
    #[error("RabbitMQ did not confirm a message to exchange {exchange}: {cause}")]
    NotConfirmed {
        /// Where it was sent.
        exchange: String,
        /// What happened to it.
        cause: &'static str,
    },
}

// Written out, because the error's own text is part of ours: as a source it would be told twice.
impl From<lapin::Error> for BrokerError {
    fn from(error: lapin::Error) -> Self {
        Self::Client(error)
    }
}

type Result<T> = std::result::Result<T, BrokerError>;

/// A connection with everything declared on it.
pub struct Session {
    // Dropping it would end the connection.
    _connection: Connection,
    channel: Channel,
    consumer: Option<Consumer>,
    settings: Amqp,
}

/// Messages that were delivered together, in order.
pub struct Batch {
    deliveries: Vec<Delivery>,
    messages: Vec<Message>,
}

impl Batch {
    /// What came.
    #[must_use]
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }
}

impl Session {
    /// Connects, and declares the exchange, the queue with its delivery limit,
    /// and the dead-letter exchange and queue.
    ///
    /// # Errors
    ///
    /// When the broker is away, refuses us, or has other settings.
    pub async fn open(settings: &Amqp) -> Result<Self> {
        let connection =
            Connection::connect(&with_heartbeat(settings.url.expose()), ConnectionProperties::default())
                .await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let session = Self { _connection: connection, channel, consumer: None, settings: settings.clone() };
        session.declare().await?;
        Ok(session)
    }

    async fn declare(&self) -> Result<()> {
        let settings = &self.settings;
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        for (name, kind) in [
            (&settings.exchange, ExchangeKind::Topic),
            (&settings.dead_letter_exchange, ExchangeKind::Fanout),
        ] {
            self.channel
                .exchange_declare(short(name)?, kind, durable, FieldTable::default())
                .await
                .map_err(|error| mismatch(name, error))?;
        }
        let mut dead_letters = FieldTable::default();
        dead_letters.insert("x-queue-type".into(), text("quorum"));
        let mut events = dead_letters.clone();
        events.insert("x-dead-letter-exchange".into(), text(&settings.dead_letter_exchange));
        events.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(settings.delivery_limit.into()));
        for (queue, exchange, arguments) in [
            (&settings.dead_letter_queue, &settings.dead_letter_exchange, dead_letters),
            (&settings.queue, &settings.exchange, events),
        ] {
            self.channel
                .queue_declare(short(queue)?, QueueDeclareOptions::durable(), arguments)
                .await
                .map_err(|error| mismatch(queue, error))?;
            // Everything comes here, also what we do not know: it is then set aside, not lost.
            self.channel
                .queue_bind(
                    short(queue)?,
                    short(exchange)?,
                    "#".into(),
                    QueueBindOptions::default(),
                    FieldTable::default(),
                )
                .await?;
        }
        Ok(())
    }

    /// How many messages wait on the queue, and on the dead-letter queue.
    ///
    /// # Errors
    ///
    /// When the broker is away.
    pub async fn waiting(&self) -> Result<(u32, u32)> {
        let mut counts = [0; 2];
        for (count, queue) in counts.iter_mut().zip([&self.settings.queue, &self.settings.dead_letter_queue])
        {
            let options = QueueDeclareOptions::durable().passive();
            let queue = self.channel.queue_declare(short(queue)?, options, FieldTable::default()).await?;
            *count = queue.message_count();
        }
        Ok((counts[0], counts[1]))
    }

    /// Waits for a message, and takes it together with all that are there by
    /// then, up to the prefetch. May be cancelled while it waits.
    ///
    /// # Errors
    ///
    /// When the session is over.
    pub async fn next_batch(&mut self) -> Result<Batch> {
        let prefetch = self.settings.prefetch;
        if self.consumer.is_none() {
            self.channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
            let consumer = self
                .channel
                .basic_consume(
                    short(&self.settings.queue)?,
                    ShortString::default(),
                    BasicConsumeOptions::default(),
                    FieldTable::default(),
                )
                .await?;
            self.consumer = Some(consumer);
        }
        let Some(consumer) = self.consumer.as_mut() else { return Err(BrokerError::Ended) };
        let mut deliveries = vec![consumer.next().await.ok_or(BrokerError::Ended)??];
        let mut octets = deliveries[0].data.len();
        while deliveries.len() < usize::from(prefetch) && octets < LARGEST_BATCH {
            match consumer.next().now_or_never() {
                Some(delivery) => deliveries.push(delivery.ok_or(BrokerError::Ended)??),
                None => break,
            }
            octets += deliveries.last().map_or(0, |delivery| delivery.data.len());
        }
        let messages = deliveries.iter_mut().map(message).collect();
        Ok(Batch { deliveries, messages })
    }

    /// Sets aside what was rejected (by its place in the batch), then
    /// acknowledges the whole batch. Killed in between, the broker delivers it
    /// again: a dead letter may then be there twice, an event is known already.
    ///
    /// # Errors
    ///
    /// When the session is over; the broker then delivers the batch again.
    pub async fn settle(&self, batch: Batch, rejected: &[(usize, Rejection)]) -> Result<()> {
        let mut confirms = Vec::new();
        for (index, rejection) in rejected {
            let (Some(delivery), Some(message)) = (batch.deliveries.get(*index), batch.messages.get(*index))
            else {
                continue;
            };
            let mut headers = delivery.properties.headers().clone().unwrap_or_default();
            for (name, value) in [
                (REASON_HEADER, rejection.reason.code()),
                (DETAIL_HEADER, &rejection.detail),
                (EXCHANGE_HEADER, delivery.exchange.as_str()),
                (ROUTING_KEY_HEADER, delivery.routing_key.as_str()),
            ] {
                headers.insert(name.into(), text(value));
            }
            let properties = dead_letter_properties(&delivery.properties).with_headers(headers);
            let exchange = &self.settings.dead_letter_exchange;
            confirms.push(self.send(exchange, &delivery.routing_key, &message.body, properties).await?);
        }
        for confirm in confirms {
            confirmed(&self.settings.dead_letter_exchange, &confirm.await?)?;
        }
        if let Some(last) = batch.deliveries.last() {
            // `false` is a stale tag: the broker delivers again, and the events are known by then.
            last.ack(BasicAckOptions { multiple: true }).await?;
        }
        Ok(())
    }

    /// Publishes events (routing key and body, structured JSON) and waits until
    /// the broker has taken responsibility for each.
    ///
    /// # Errors
    ///
    /// When the broker does not.
    pub async fn publish(&self, events: &[(String, Vec<u8>)]) -> Result<()> {
        let properties = BasicProperties::default()
            .with_content_type("application/cloudevents+json; charset=utf-8".into())
            .with_delivery_mode(PERSISTENT);
        let exchange = &self.settings.exchange;
        let mut confirms = Vec::with_capacity(events.len());
        for (routing_key, body) in events {
            confirms.push(self.send(exchange, &short(routing_key)?, body, properties.clone()).await?);
        }
        for confirm in confirms {
            confirmed(exchange, &confirm.await?)?;
        }
        Ok(())
    }

    async fn send(
        &self,
        exchange: &str,
        routing_key: &ShortString,
        body: &[u8],
        properties: BasicProperties,
    ) -> Result<lapin::PublisherConfirm> {
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        Ok(self
            .channel
            .basic_publish(short(exchange)?, routing_key.clone(), options, body, properties)
            .await?)
    }
}

/// What a dead letter keeps of a message's properties. Not its `expiration`,
/// or it would vanish; not its `user_id`, which the broker lets only that user
/// set.
fn dead_letter_properties(original: &BasicProperties) -> BasicProperties {
    let mut kept = BasicProperties::default().with_delivery_mode(PERSISTENT);
    if let Some(content_type) = original.content_type() {
        kept = kept.with_content_type(content_type.clone());
    }
    if let Some(message_id) = original.message_id() {
        kept = kept.with_message_id(message_id.clone());
    }
    if let Some(correlation_id) = original.correlation_id() {
        kept = kept.with_correlation_id(correlation_id.clone());
    }
    if let Some(timestamp) = original.timestamp() {
        kept = kept.with_timestamp(*timestamp);
    }
    kept
}

fn confirmed(exchange: &str, confirmation: &Confirmation) -> Result<()> {
    let cause = match confirmation {
        Confirmation::Ack(None) => return Ok(()),
        Confirmation::Ack(Some(_)) => "no queue takes it",
        Confirmation::Nack(_) => "it could not be stored",
        Confirmation::NotRequested => "confirms are off",
    };
    Err(BrokerError::NotConfirmed { exchange: exchange.to_owned(), cause })
}

fn message(delivery: &mut Delivery) -> Message {
    let headers = delivery.properties.headers().as_ref().map(|table| {
        let texts =
            table.inner().iter().filter_map(|(name, value)| Some((name.to_string(), canonical(value)?)));
        texts.collect::<BTreeMap<_, _>>()
    });
    Message {
        content_type: delivery.properties.content_type().as_ref().map(ToString::to_string),
        headers: headers.unwrap_or_default(),
        body: std::mem::take(&mut delivery.data),
    }
}

/// A header's value as CloudEvents writes values of its types as text.
fn canonical(value: &AMQPValue) -> Option<String> {
    Some(match value {
        AMQPValue::Boolean(truth) => truth.to_string(),
        AMQPValue::ShortShortInt(number) => number.to_string(),
        AMQPValue::ShortShortUInt(number) => number.to_string(),
        AMQPValue::ShortInt(number) => number.to_string(),
        AMQPValue::ShortUInt(number) => number.to_string(),
        AMQPValue::LongInt(number) => number.to_string(),
        AMQPValue::LongUInt(number) => number.to_string(),
        AMQPValue::LongLongInt(number) => number.to_string(),
        AMQPValue::ShortString(text) => text.to_string(),
        AMQPValue::LongString(text) => String::from_utf8_lossy(text.as_bytes()).into_owned(),
        AMQPValue::Timestamp(seconds) => {
            chrono::DateTime::from_timestamp(i64::try_from(*seconds).ok()?, 0)?.to_rfc3339()
        }
        _ => return None,
    })
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(LongString::from(value.to_owned()))
}

fn short(name: &str) -> Result<ShortString> {
    ShortString::try_new(name).map_err(|_| BrokerError::Name(name.to_owned()))
}

fn mismatch(name: &str, error: lapin::Error) -> BrokerError {
    let cause = error.to_string();
    if cause.contains("PRECONDITION_FAILED") || cause.contains("PRECONDITION-FAILED") {
        BrokerError::Mismatch { name: name.to_owned(), cause }
    } else {
        error.into()
    }
}

/// Without a heartbeat, a broker that vanished is not missed for a long time.
fn with_heartbeat(url: &str) -> String {
    if url.contains("heartbeat=") {
        return url.to_owned();
    }
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}heartbeat={HEARTBEAT}")
}
