//! RabbitMQ: the only room that names its client.
//!
//! The client's own recovery gives up for good after a long outage and goes
//! silent after a channel error, so it is off: a [`Line`] is one connection,
//! and on any error it is dropped and a new one opened. The broker then
//! delivers again what was not acknowledged.
//!
//! What is declared and what goes where is for the stages to say.

mod held;

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::tcp::OwnedTLSConfig;
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ExchangeKind, PublisherConfirm,
};
use rand::seq::SliceRandom;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

use crate::config::Amqp;
use crate::hosts::each_host;

pub use held::Held;

/// Seconds between signs of life on an idle connection.
const HEARTBEAT: &str = "10";
const PERSISTENT: u8 = 2;
/// How long it may take to connect: whoever accepts and then says nothing is no broker.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Octets after which a batch is closed, however many messages it has: what is
/// read of JSON takes several times its size in memory.
const LARGEST_BATCH: usize = 8 * 1024 * 1024;

/// Something went wrong between us and the broker.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The broker, or the way to it.
    #[error("RabbitMQ: {0}; see amqp.url")]
    Client(lapin::Error),
    /// Nobody answered.
    #[error(
        "RabbitMQ did not answer within {} s; see amqp.url, and whether a proxy or firewall stands in between",
        CONNECT_LIMIT.as_secs()
    )]
    Silent,
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
    /// The authority that is to be trusted cannot be read.
    #[error("amqp.ca_file {path}: {cause}; it has to be a PEM file of certificates")]
    Authority {
        /// The file.
        path: String,
        /// What is wrong with it.
        cause: String,
    },
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

/// The result of what is asked of the broker.
pub type Result<T> = std::result::Result<T, BrokerError>;

/// A message as the broker hands it over.
#[derive(Debug, Clone, Default)]
pub struct Message {
    /// AMQP `content_type`.
    pub content_type: Option<String>,
    /// AMQP headers; numbers and truth values in their canonical text form.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
}

/// To whom an exchange passes messages on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passing {
    /// To the queues whose binding fits the routing key.
    ByKey,
    /// To every queue that is bound.
    ToAll,
}

/// A setting of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting<'a> {
    /// A text.
    Text(&'a str),
    /// A number.
    Number(u32),
}

/// Whether a message needs somebody to take it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takers {
    /// It is not confirmed unless a queue takes it.
    Needed,
    /// Nobody may be listening, and then it is gone.
    Optional,
}

/// An event to be published: its routing key, and its octets as structured
/// JSON.
pub type Published = (String, Vec<u8>);

/// A connection to the broker, on which every message that is sent is
/// confirmed.
pub struct Line {
    // Dropping it would end the connection.
    connection: Connection,
    channel: Channel,
}

impl Line {
    /// Connects to the broker, or to any node of it that lets us in. `amqps://` is
    /// encrypted from the first octet, or there is no connection.
    ///
    /// # Errors
    ///
    /// When the broker is away or refuses us, or is not who it should be: of the
    /// node that was tried last.
    pub async fn open(settings: &Amqp) -> Result<Self> {
        let tls = OwnedTLSConfig { cert_chain: authority(settings)?, identity: None };
        let mut nodes = each_host(settings.url.expose());
        // Not all processes on one node, and not all of them first at one that is gone.
        nodes.shuffle(&mut rand::rng());
        let mut result = Err(BrokerError::Silent);
        for node in nodes {
            let opened = tokio::time::timeout(CONNECT_LIMIT, Self::opened(&node, tls.clone()));
            result = opened.await.unwrap_or(Err(BrokerError::Silent));
            if result.is_ok() {
                break;
            }
        }
        result
    }

    async fn opened(url: &str, tls: OwnedTLSConfig) -> Result<Self> {
        let url = with_heartbeat(url);
        let runtime = lapin::runtime::default_runtime()?;
        let connection =
            Connection::connect_with_config(&url, ConnectionProperties::default(), tls, runtime).await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(Self { connection, channel })
    }

    /// Whether it is still good, as far as is known here.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.connection.status().connected() && self.channel.status().connected()
    }

    /// Makes sure that there is a durable exchange of this name.
    ///
    /// # Errors
    ///
    /// When the broker is away, refuses us, or has it with other settings.
    pub async fn declare_exchange(&self, name: &str, passing: Passing) -> Result<()> {
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let kind = match passing {
            Passing::ByKey => ExchangeKind::Topic,
            Passing::ToAll => ExchangeKind::Fanout,
        };
        self.channel
            .exchange_declare(short(name)?, kind, durable, FieldTable::default())
            .await
            .map_err(|error| mismatch(name, error))
    }

    /// Makes sure that there is a durable queue of this name, and that all
    /// that is published on an exchange comes to it.
    ///
    /// # Errors
    ///
    /// When the broker is away, refuses us, or has it with other settings.
    pub async fn declare_queue(
        &self,
        name: &str,
        settings: &[(&str, Setting<'_>)],
        exchange: &str,
    ) -> Result<()> {
        let mut arguments = FieldTable::default();
        for (key, setting) in settings {
            let value = match setting {
                Setting::Text(value) => text(value),
                Setting::Number(number) => AMQPValue::LongLongInt((*number).into()),
            };
            arguments.insert((*key).into(), value);
        }
        self.channel
            .queue_declare(short(name)?, QueueDeclareOptions::durable(), arguments)
            .await
            .map_err(|error| mismatch(name, error))?;
        let bind = QueueBindOptions::default();
        self.channel
            .queue_bind(short(name)?, short(exchange)?, "#".into(), bind, FieldTable::default())
            .await?;
        Ok(())
    }

    /// How many messages wait on a queue.
    ///
    /// # Errors
    ///
    /// When the broker is away or there is no such queue.
    pub async fn waiting(&self, queue: &str) -> Result<u32> {
        let options = QueueDeclareOptions::durable().passive();
        let queue = self.channel.queue_declare(short(queue)?, options, FieldTable::default()).await?;
        Ok(queue.message_count())
    }

    /// Begins to take messages from a queue, up to `prefetch` at a time that
    /// are not acknowledged.
    ///
    /// # Errors
    ///
    /// When the broker is away or there is no such queue.
    pub async fn consume(&self, queue: &str, prefetch: u16) -> Result<Consumer> {
        self.channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
        let options = BasicConsumeOptions::default();
        let consumer = self
            .channel
            .basic_consume(short(queue)?, ShortString::default(), options, FieldTable::default())
            .await?;
        Ok(Consumer { consumer, prefetch })
    }

    /// Publishes events and waits until the broker has taken responsibility
    /// for each.
    ///
    /// # Errors
    ///
    /// When the broker does not; some of them may have been published.
    pub async fn publish(&self, exchange: &str, events: &[Published], takers: Takers) -> Result<()> {
        let properties = BasicProperties::default()
            .with_content_type("application/cloudevents+json; charset=utf-8".into())
            .with_delivery_mode(PERSISTENT);
        let mut confirms = Vec::with_capacity(events.len());
        for (routing_key, body) in events {
            let routing_key = short(routing_key)?;
            confirms.push(self.send(exchange, routing_key, body, properties.clone(), takers).await?);
        }
        all_confirmed(exchange, confirms).await
    }

    /// Passes messages of a batch on to another exchange, each with these
    /// headers beside its own, and waits until the broker has taken
    /// responsibility for each.
    ///
    /// # Errors
    ///
    /// When the broker does not; some of them may have been passed on.
    pub async fn pass_on(
        &self,
        batch: &Batch,
        exchange: &str,
        chosen: &[(usize, Vec<(&str, &str)>)],
    ) -> Result<()> {
        let mut confirms = Vec::new();
        for (index, more) in chosen {
            let (Some(delivery), Some(message)) = (batch.deliveries.get(*index), batch.messages.get(*index))
            else {
                continue;
            };
            let mut headers = delivery.properties.headers().clone().unwrap_or_default();
            for (name, value) in more {
                headers.insert((*name).into(), text(value));
            }
            let properties = kept_properties(&delivery.properties).with_headers(headers);
            let routing_key = delivery.routing_key.clone();
            confirms.push(self.send(exchange, routing_key, &message.body, properties, Takers::Needed).await?);
        }
        all_confirmed(exchange, confirms).await
    }

    async fn send(
        &self,
        exchange: &str,
        routing_key: ShortString,
        body: &[u8],
        properties: BasicProperties,
        takers: Takers,
    ) -> Result<PublisherConfirm> {
        let options =
            BasicPublishOptions { mandatory: takers == Takers::Needed, ..BasicPublishOptions::default() };
        Ok(self.channel.basic_publish(short(exchange)?, routing_key, options, body, properties).await?)
    }
}

/// PEM of the authorities to trust besides the system's, if there are any.
///
/// # Errors
///
/// When the file cannot be read, or holds no certificate or a broken one.
pub fn authority(settings: &Amqp) -> Result<Option<String>> {
    let Some(path) = &settings.ca_file else { return Ok(None) };
    let wrong = |cause: String| BrokerError::Authority { path: path.display().to_string(), cause };
    let pem = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let mut certificates = CertificateDer::pem_slice_iter(pem.as_bytes()).peekable();
    if certificates.peek().is_none() {
        return Err(wrong("there is no certificate in it".to_owned()));
    }
    for certificate in certificates {
        certificate.map_err(|error| wrong(error.to_string()))?;
    }
    Ok(Some(pem))
}

/// Takes messages from a queue.
pub struct Consumer {
    consumer: lapin::Consumer,
    prefetch: u16,
}

impl Consumer {
    /// Waits for a message, and takes it together with all that are there by
    /// then, up to the prefetch. May be cancelled while it waits.
    ///
    /// # Errors
    ///
    /// When the connection is over.
    pub async fn next_batch(&mut self) -> Result<Batch> {
        let consumer = &mut self.consumer;
        let mut deliveries = vec![consumer.next().await.ok_or(BrokerError::Ended)??];
        let mut octets = deliveries[0].data.len();
        while deliveries.len() < usize::from(self.prefetch) && octets < LARGEST_BATCH {
            match consumer.next().now_or_never() {
                Some(delivery) => deliveries.push(delivery.ok_or(BrokerError::Ended)??),
                None => break,
            }
            octets += deliveries.last().map_or(0, |delivery| delivery.data.len());
        }
        let messages = deliveries.iter_mut().map(message).collect();
        Ok(Batch { deliveries, messages })
    }
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

    /// On which exchange, and under which routing key, a message was
    /// published.
    #[must_use]
    pub fn origin(&self, index: usize) -> Option<(&str, &str)> {
        let delivery = self.deliveries.get(index)?;
        Some((delivery.exchange.as_str(), delivery.routing_key.as_str()))
    }

    /// Acknowledges all of it.
    ///
    /// # Errors
    ///
    /// When the connection is over; the broker then delivers the batch again.
    pub async fn acknowledge(self) -> Result<()> {
        if let Some(last) = self.deliveries.last() {
            // `false` is a stale tag: the broker delivers again, and the events are known by then.
            last.ack(BasicAckOptions { multiple: true }).await?;
        }
        Ok(())
    }
}

/// What a message that is passed on keeps of its properties. Not its `expiration`,
/// or it would vanish; not its `user_id`, which the broker lets only that user
/// set.
fn kept_properties(original: &BasicProperties) -> BasicProperties {
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

async fn all_confirmed(exchange: &str, confirms: Vec<PublisherConfirm>) -> Result<()> {
    for confirm in confirms {
        confirmed(exchange, &confirm.await?)?;
    }
    Ok(())
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
