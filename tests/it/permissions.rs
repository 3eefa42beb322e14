//! `deploy/rabbitmq/permissions`: each user of the broker can do what it must, and nothing else.

use jobalerts::config::{Amqp, SecretUrl};
use jobalerts::intake::queue::Session;
use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeleteOptions, QueueBindOptions,
    QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};

use crate::harness::broker::User;
use crate::harness::events::Event;
use crate::harness::people::curious;
use crate::harness::program::output;
use crate::harness::{MONDAY, Road};

/// The user, unless the server's HTTP API is not known, by which users are made.
fn user(road: &Road, role: &str) -> Option<User> {
    let user = road.user_of_the_broker(role);
    if user.is_none() {
        eprintln!("RABBITMQ_MANAGEMENT_URL is not set: the permissions of the {role} were not tried");
    }
    user
}

fn settings_of(road: &Road, user: &User) -> Amqp {
    Amqp { url: SecretUrl::amqp(&user.url).unwrap(), ..road.config().amqp.clone() }
}

/// What a user tries on a connection of its own: what is refused ends a channel.
async fn tries<T>(user: &User, what: impl AsyncFnOnce(Channel) -> lapin::Result<T>) -> Result<T, String> {
    let connection = Connection::connect(&user.url, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    what(channel).await.map_err(|error| error.to_string())
}

async fn must_not<T>(user: &User, what: impl AsyncFnOnce(Channel) -> lapin::Result<T>) {
    let said = tries(user, what).await.err().expect("it is refused");
    assert!(said.contains("ACCESS_REFUSED") || said.contains("access to"), "{said}");
}

async fn publishes(channel: Channel, exchange: &str) -> lapin::Result<()> {
    let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
    let confirmed = channel.basic_publish(exchange.into(), "a".into(), options, b"{}", properties).await?;
    confirmed.await.map(|_| ())
}

async fn declares(channel: Channel, queue: &str) -> lapin::Result<()> {
    let options = QueueDeclareOptions::durable();
    channel.queue_declare(queue.into(), options, FieldTable::default()).await.map(|_| ())
}

async fn binds(channel: Channel, queue: &str, exchange: &str) -> lapin::Result<()> {
    let options = QueueBindOptions::default();
    channel.queue_bind(queue.into(), exchange.into(), "#".into(), options, FieldTable::default()).await
}

async fn gets(channel: Channel, queue: &str) -> lapin::Result<()> {
    channel.basic_get(queue.into(), BasicGetOptions::default()).await.map(|_| ())
}

/// From nothing: it declares what it needs, takes in, sets aside, publishes what came of it, and says how
/// things stand.
#[tokio::test]
async fn the_daemon_works_with_what_it_may_do() {
    let mut road = Road::new().await;
    let Some(daemon) = user(&road, "daemon") else { return };
    road.reconfigure("amqp.url", &daemon.url);
    road.import(&[curious("ann@example.org")]).await;
    let checked = output(road.bare(&["check", "--connect"]), None).await.successful();
    assert!(checked.stdout.contains("RabbitMQ answers"), "{}", checked.stdout);
    let operator = user(&road, "operator").expect("as above");
    let session = Session::open(&settings_of(&road, &operator)).await.unwrap();
    let event = Event::sample("03");
    session
        .publish(&[(event.kind().to_owned(), event.body()), ("a".to_owned(), b"no event".to_vec())])
        .await
        .unwrap();
    let drained = output(road.bare(&["drain", "--now", MONDAY]), None).await.successful().stdout;
    assert!(drained.contains("1 event taken in, 0 known already, 1 set aside"), "{drained}");
    assert!(drained.contains("1 outcome published"), "{drained}");
    let status = output(road.bare(&["status"]), None).await.looked().stdout;
    assert!(status.contains("0 waiting, 1 dead letters"), "{status}");

    let mut replay = road.bare(&["dead-letters", "replay", "--all"]);
    replay.env("JOBALERTS_AMQP__URL", &operator.url);
    output(replay, None).await.successful();
    assert_eq!(road.broker().await.waiting().await, (1, 0));

    let as_daemon = Session::open(&settings_of(&road, &daemon)).await.unwrap();
    let said = as_daemon.publish(&[("a".to_owned(), b"{}".to_vec())]).await.unwrap_err().to_string();
    assert!(said.contains("ACCESS_REFUSED"), "{said}");
    for role in [&daemon, &operator] {
        must_not(role, async |channel| declares(channel, "other").await).await;
        must_not(role, async |channel| {
            let delete = channel.exchange_delete("other".into(), ExchangeDeleteOptions::default());
            delete.await
        })
        .await;
    }
}

/// Who publishes events sees nothing of them again, and of nobody else's.
#[tokio::test]
async fn a_publisher_does_nothing_but_publish() {
    let road = Road::new().await;
    let Some(publisher) = user(&road, "publisher") else { return };
    road.broker().await;
    let Amqp { exchange, queue, dead_letter_exchange, dead_letter_queue, outcomes_exchange, .. } =
        road.config().amqp.clone();
    tries(&publisher, async |channel| publishes(channel, &exchange).await).await.unwrap();
    assert_eq!(road.broker().await.waiting().await, (1, 0));
    must_not(&publisher, async |channel| publishes(channel, &outcomes_exchange).await).await;
    must_not(&publisher, async |channel| publishes(channel, &dead_letter_exchange).await).await;
    for queue in [&queue, &dead_letter_queue] {
        must_not(&publisher, async |channel| gets(channel, queue).await).await;
        must_not(&publisher, async |channel| {
            channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await
        })
        .await;
    }
    must_not(&publisher, async |channel| declares(channel, "other").await).await;
}

/// Who follows what comes out hears that, and not what comes in.
#[tokio::test]
async fn a_follower_hears_what_comes_out() {
    let road = Road::new().await;
    let Some(follower) = user(&road, "follower") else { return };
    road.broker().await;
    let Amqp { exchange, queue, outcomes_exchange, .. } = road.config().amqp.clone();
    let peer = road.broker().await;
    peer.declare(&outcomes_exchange).await;
    let own = format!("{}.banner", follower.name());
    tries(&follower, async |channel| {
        declares(channel.clone(), &own).await?;
        binds(channel.clone(), &own, &outcomes_exchange).await?;
        gets(channel, &own).await
    })
    .await
    .unwrap();
    must_not(&follower, async |channel| binds(channel, &own, &exchange).await).await;
    must_not(&follower, async |channel| declares(channel, "other").await).await;
    must_not(&follower, async |channel| gets(channel, &queue).await).await;
    for exchange in [&exchange, &outcomes_exchange] {
        must_not(&follower, async |channel| publishes(channel, exchange).await).await;
    }
}
