//! A virtual host of `RabbitMQ` for each test that needs one; where the server's HTTP API is not
//! known, exchanges and queues of their own names.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use data_encoding::BASE64;
use futures_util::future::join_all;
use jobalerts::config::Amqp;
use jobalerts::intake::queue::Session;
use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions,
    QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use serde_json::Value;
use url::Url;
use uuid::Uuid;

use super::events::Event;

/// Runs something to its end from a place that cannot wait, such as `drop`.
pub(super) fn apart(work: impl Future<Output = ()> + Send + 'static) {
    let thread = std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
    });
    if thread.join().is_err() {
        eprintln!("something of the test was left behind on a server");
    }
}

/// The place on the server; taken away at the end if it was ever used.
pub(super) struct Broker {
    name: String,
    url: Url,
    management: Option<Url>,
    used: std::sync::OnceLock<()>,
}

impl Broker {
    pub(super) fn new() -> Self {
        let url = std::env::var("AMQP_URL").unwrap_or_else(|_| {
            panic!(
                "AMQP_URL is not set; run `deploy/dev/services run -- cargo test`, which starts the servers"
            )
        });
        let mut url = Url::parse(&url).expect("AMQP_URL is a URL");
        let name = format!("jobalerts-it-{}", Uuid::new_v4().simple());
        let management = std::env::var("RABBITMQ_MANAGEMENT_URL").ok();
        let management = management.map(|url| Url::parse(&url).expect("RABBITMQ_MANAGEMENT_URL is a URL"));
        if management.is_some() {
            url.set_path(&name);
        }
        Self { name, url, management, used: std::sync::OnceLock::new() }
    }

    /// What the program must be told to find it.
    pub(super) fn settings(&self) -> BTreeMap<String, String> {
        let mut settings = BTreeMap::from([("amqp.url".to_owned(), self.url.to_string())]);
        if self.management.is_none() {
            for key in ["exchange", "queue", "dead_letter_exchange", "dead_letter_queue", "outcomes_exchange"]
            {
                settings.insert(format!("amqp.{key}"), self.own(key));
            }
        }
        settings
    }

    fn own(&self, key: &str) -> String {
        format!("{}.{key}", self.name)
    }

    fn prepare(&self) {
        self.used.get_or_init(|| {
            if let Some(management) = &self.management {
                let user = self.url.username();
                request(management, "PUT", &format!("/api/vhosts/{}", self.name), "{}");
                request(
                    management,
                    "PUT",
                    &format!("/api/permissions/{}/{user}", self.name),
                    r#"{"configure":".*","write":".*","read":".*"}"#,
                );
            }
        });
    }
}

/// A user of the server that may do what `deploy/rabbitmq/permissions` says; taken away at the end.
pub(crate) struct User {
    management: Url,
    name: String,
    /// How it reaches the place of a test.
    pub(crate) url: String,
}

impl Broker {
    /// A user with the permissions of a role; none where the server's HTTP API is not known.
    pub(super) fn user(&self, role: &str) -> Option<User> {
        let management = self.management.clone()?;
        self.prepare();
        let name = format!("{}-{role}", self.name);
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/rabbitmq/permissions");
        let said = Command::new(script)
            .args([role, &name])
            .env("RABBITMQCTL", "echo")
            .env("VHOST", &self.name)
            .output()
            .unwrap();
        let said = String::from_utf8(said.stdout).unwrap();
        let [_, _, vhost, user, configure, write, read] = said.split_whitespace().collect::<Vec<_>>()[..]
        else {
            panic!("{said}");
        };
        let user_path = format!("/api/users/{user}");
        request(&management, "PUT", &user_path, r#"{"password":"secret","tags":""}"#);
        let permissions = serde_json::json!({"configure": configure, "write": write, "read": read});
        let path = format!("/api/permissions/{vhost}/{user}");
        request(&management, "PUT", &path, &permissions.to_string());
        let mut url = self.url.clone();
        url.set_username(&name).unwrap();
        url.set_password(Some("secret")).unwrap();
        Some(User { management, name, url: url.into() })
    }
}

impl User {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for User {
    fn drop(&mut self) {
        request(&self.management, "DELETE", &format!("/api/users/{}", self.name), "");
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if self.used.get().is_none() {
            return;
        }
        if let Some(management) = &self.management {
            request(management, "DELETE", &format!("/api/vhosts/{}", self.name), "");
            return;
        }
        let url = self.url.to_string();
        let [exchange, queue, dead_exchange, dead_queue, outcomes] =
            ["exchange", "queue", "dead_letter_exchange", "dead_letter_queue", "outcomes_exchange"]
                .map(|key| self.own(key));
        apart(async move {
            let connection = Connection::connect(&url, ConnectionProperties::default()).await.unwrap();
            let channel = connection.create_channel().await.unwrap();
            for name in [queue, dead_queue] {
                channel.queue_delete(name.into(), QueueDeleteOptions::default()).await.unwrap();
            }
            for name in [exchange, dead_exchange, outcomes] {
                channel.exchange_delete(name.into(), ExchangeDeleteOptions::default()).await.unwrap();
            }
        });
    }
}

/// One request to the HTTP API, which must succeed.
fn request(server: &Url, method: &str, path: &str, body: &str) {
    let host = server.host_str().expect("a host");
    let port = server.port_or_known_default().expect("a port");
    let credentials = format!("{}:{}", server.username(), server.password().unwrap_or_default());
    let mut stream = TcpStream::connect((host, port)).expect("RabbitMQ's HTTP API is there");
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Basic {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        BASE64.encode(credentials.as_bytes()),
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 2"), "{method} {path}: {answer}");
}

/// A message as it is put on the exchange, good or not.
#[derive(Debug, Clone, Default)]
pub(crate) struct Raw {
    pub(crate) content_type: Option<&'static str>,
    pub(crate) headers: Vec<(String, AMQPValue)>,
    pub(crate) body: Vec<u8>,
}

/// A message in the dead-letter queue.
#[derive(Debug)]
pub(crate) struct DeadLetter {
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) content_type: Option<String>,
    pub(crate) properties: BasicProperties,
    pub(crate) routing_key: String,
    pub(crate) body: Vec<u8>,
}

impl DeadLetter {
    pub(crate) fn reason(&self) -> &str {
        &self.headers["x-dead-letter-reason"]
    }
}

fn structured_event() -> BasicProperties {
    BasicProperties::default().with_content_type("application/cloudevents+json".into()).with_delivery_mode(2)
}

/// The other side of the broker: who publishes, and who looks at dead letters.
pub(crate) struct Peer {
    session: Session,
    _connection: Connection,
    channel: Channel,
    settings: Amqp,
}

impl Peer {
    pub(super) async fn open(broker: &Broker, settings: &Amqp) -> Self {
        broker.prepare();
        let session = Session::open(settings).await.expect("the queues can be declared");
        let connection =
            Connection::connect(settings.url.expose(), ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        channel.confirm_select(lapin::options::ConfirmSelectOptions::default()).await.unwrap();
        Self { session, _connection: connection, channel, settings: settings.clone() }
    }

    /// Publishes events as the command `publish` does.
    pub(crate) async fn publish(&self, events: &[Event]) {
        let events: Vec<(String, Vec<u8>)> =
            events.iter().map(|event| (event.kind().to_owned(), event.body())).collect();
        self.session.publish(&events).await.unwrap();
    }

    pub(crate) async fn publish_raw(&self, messages: &[Raw]) {
        let mut confirms = Vec::new();
        for message in messages {
            let mut headers = FieldTable::default();
            for (name, value) in &message.headers {
                headers.insert(name.as_str().into(), value.clone());
            }
            let mut properties = BasicProperties::default().with_headers(headers).with_delivery_mode(2);
            if let Some(content_type) = message.content_type {
                properties = properties.with_content_type(content_type.into());
            }
            let publish = self.channel.basic_publish(
                self.settings.exchange.clone().into(),
                "something".into(),
                BasicPublishOptions::default(),
                &message.body,
                properties,
            );
            confirms.push(publish.await.unwrap());
        }
        for confirm in join_all(confirms).await {
            confirm.unwrap();
        }
    }

    /// Publishes one message with these properties.
    pub(crate) async fn publish_with(&self, properties: BasicProperties, body: &[u8]) {
        let exchange = self.settings.exchange.clone().into();
        let options = BasicPublishOptions::default();
        let publish = self.channel.basic_publish(exchange, "something".into(), options, body, properties);
        publish.await.unwrap().await.unwrap();
    }

    /// Puts events among the dead letters, as the broker itself does.
    pub(crate) async fn set_aside(&self, events: &[Event]) {
        for event in events {
            let exchange = self.settings.dead_letter_exchange.clone().into();
            let (options, body) = (BasicPublishOptions::default(), event.body());
            let publish =
                self.channel.basic_publish(exchange, event.kind().into(), options, &body, structured_event());
            publish.await.unwrap().await.unwrap();
        }
    }

    /// How many messages wait on the queue, and how many dead letters there are.
    pub(crate) async fn waiting(&self) -> (u32, u32) {
        self.session.waiting().await.unwrap()
    }

    /// Makes sure that the exchange is there, as the daemon does.
    pub(crate) async fn declare(&self, exchange: &str) {
        let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let kind = lapin::ExchangeKind::Topic;
        self.channel.exchange_declare(exchange.into(), kind, options, FieldTable::default()).await.unwrap();
    }

    /// Begins to hear all that is published on an exchange.
    pub(crate) async fn listen(&self, exchange: &str) -> Listener {
        let queue = format!("listener-{}", Uuid::new_v4().simple());
        let options = QueueDeclareOptions::exclusive();
        self.channel.queue_declare(queue.as_str().into(), options, FieldTable::default()).await.unwrap();
        let options = QueueBindOptions::default();
        let (name, exchange) = (queue.as_str().into(), exchange.into());
        self.channel.queue_bind(name, exchange, "#".into(), options, FieldTable::default()).await.unwrap();
        Listener { channel: self.channel.clone(), queue }
    }

    /// Takes all dead letters, in order.
    pub(crate) async fn dead_letters(&self) -> Vec<DeadLetter> {
        let mut letters = Vec::new();
        let options = BasicGetOptions { no_ack: true };
        while let Some(message) =
            self.channel.basic_get(self.settings.dead_letter_queue.clone().into(), options).await.unwrap()
        {
            let headers = message.properties.headers().clone().unwrap_or_default();
            let text = |value: &AMQPValue| match value {
                AMQPValue::LongString(text) => String::from_utf8_lossy(text.as_bytes()).into_owned(),
                other => format!("{other:?}"),
            };
            letters.push(DeadLetter {
                headers: headers
                    .inner()
                    .iter()
                    .map(|(name, value)| (name.to_string(), text(value)))
                    .collect(),
                content_type: message.properties.content_type().as_ref().map(ToString::to_string),
                properties: message.properties.clone(),
                routing_key: message.routing_key.to_string(),
                body: message.data.clone(),
            });
        }
        letters
    }
}

/// Somebody who follows what is published on an exchange.
pub(crate) struct Listener {
    channel: Channel,
    queue: String,
}

impl Listener {
    /// The events that have come, in order, each published under its type.
    pub(crate) async fn take(&self) -> Vec<Value> {
        let mut events = Vec::new();
        let options = BasicGetOptions { no_ack: true };
        while let Some(message) = self.channel.basic_get(self.queue.as_str().into(), options).await.unwrap() {
            let event: Value = serde_json::from_slice(&message.data).unwrap();
            assert_eq!(message.routing_key.as_str(), event["type"]);
            assert_eq!(*message.properties.delivery_mode(), Some(2), "it is persistent");
            let content_type = message.properties.content_type().as_ref().map(ToString::to_string);
            assert_eq!(content_type.as_deref(), Some("application/cloudevents+json; charset=utf-8"));
            events.push(event);
        }
        events
    }

    /// Waits until something comes.
    pub(crate) async fn wait(&self) -> Vec<Value> {
        loop {
            let events = self.take().await;
            if !events.is_empty() {
                return events;
            }
            tokio::task::yield_now().await;
        }
    }
}
