//! OPS-1: Postgres, `RabbitMQ` and the mail server are taken away under load and given back. Nothing is lost,
//! nobody is told twice, and the daemon goes on by itself; also on another server, where there are several.

use std::collections::BTreeSet;

use tokio::process::Command;

use crate::harness::database::Role;
use crate::harness::events::Event;
use crate::harness::people::crowd;
use crate::harness::program::{Daemon, behind_proxies, behind_several, output};
use crate::harness::proxy::Proxy;
use crate::harness::{Road, at_leisure, soon};

const PEOPLE: usize = 400;
const CONNECTIONS: usize = 4;
/// How often a server is taken away.
const TIMES: usize = 3;

/// A mail server that takes mails in at leisure, and a crowd that waits for a vacancy.
async fn road() -> Road {
    let road =
        Road::setup().smtp(at_leisure()).set("smtp.connections", &CONNECTIONS.to_string()).build().await;
    road.import(&crowd(PEOPLE)).await;
    road
}

/// The daemon, in the middle of a release.
async fn releasing(road: &Road, command: Command) -> Daemon {
    road.publish(&[Event::opened("230000AA")]).await;
    let daemon = Daemon::start(command);
    soon("the first mails", road.smtp.wait_for(CONNECTIONS)).await;
    daemon
}

/// The same, with its ways to Postgres and `RabbitMQ`.
async fn under_load(road: &Road) -> (Daemon, Proxy, Proxy) {
    let (command, mut to_database, mut to_broker) = behind_proxies(road).await;
    to_database.up();
    to_broker.up();
    (releasing(road, command).await, to_database, to_broker)
}

async fn some_more(road: &Road) {
    soon("more mails", road.smtp.wait_for(road.mails().len() + PEOPLE / 8)).await;
}

/// Waits until this says so much.
async fn until(road: &Road, what: &str, count: &'static str, number: usize) {
    let number = i64::try_from(number).unwrap();
    soon(what, async { while road.count(count).await < number {} }).await;
}

/// Everybody is told of the vacancy, and nobody twice, save those of whom it is not known; returns how many
/// these are.
async fn all_are_told_once(road: &Road, daemon: Daemon) -> usize {
    let told = "select count(*) from alerts
                where told_revision = 1 and due_at is null
                   or exists (select from mails m where m.subscriber_id = alerts.subscriber_id
                              and m.leaving is not null and m.outcome is null and m.worker is null)";
    until(road, "the rest", told, PEOPLE).await;
    let (status, log) = daemon.stop().await;
    assert_eq!(status.code(), Some(0), "{log}");
    let addresses: BTreeSet<String> = road.mails().iter().map(|mail| mail.rcpt_to[0].clone()).collect();
    assert_eq!(addresses.len(), road.mails().len(), "nobody twice");
    let unknown = road.unknown().await.len();
    assert!(addresses.len() + unknown >= PEOPLE, "{} and {unknown}", addresses.len());
    assert_eq!(road.count("select count(*) from mails where worker is not null").await, 0);
    unknown
}

#[tokio::test]
async fn postgres_goes_and_comes_back() {
    let road = road().await;
    let (mut daemon, mut to_database, _to_broker) = under_load(&road).await;
    for time in 1..=TIMES {
        some_more(&road).await;
        to_database.down().await;
        daemon.says_times("cannot record what was sent; tries again", time).await;
        to_database.up();
    }
    assert_eq!(all_are_told_once(&road, daemon).await, 0, "who lives knows what became of its mails");
}

#[tokio::test]
async fn rabbitmq_goes_and_comes_back() {
    let road = road().await;
    let (mut daemon, _to_database, mut to_broker) = under_load(&road).await;
    // Of what was never open nobody is told; it is taken in while the crowd gets its mails.
    let others: Vec<Event> = (0..300).map(|number| Event::closed(&format!("24{number:04}BB"))).collect();
    for (time, events) in (1..).zip(others.chunks(100)) {
        road.publish(events).await;
        to_broker.down().await;
        daemon.says_times("RabbitMQ", time).await;
        to_broker.up();
        some_more(&road).await;
    }
    until(&road, "all events", "select count(*) from events", 301).await;
    assert_eq!(all_are_told_once(&road, daemon).await, 0);
    assert_eq!(road.broker().await.waiting().await, (0, 0), "nothing is left, and nothing was set aside");
}

#[tokio::test]
async fn the_mail_server_goes_and_comes_back() {
    let road = road().await;
    let (mut daemon, _to_database, _to_broker) = under_load(&road).await;
    for time in 1..=TIMES {
        some_more(&road).await;
        road.smtp.stop_listening().await.unwrap();
        road.smtp.cut_connections();
        daemon.says_times("mail server smtp://", time).await;
        road.smtp.listen_again().await.unwrap();
    }
    let unknown = all_are_told_once(&road, daemon).await;
    assert!(unknown <= TIMES * CONNECTIONS, "{unknown}");
}

/// The first of three servers is gone from the start; the second goes in the middle.
#[tokio::test]
async fn where_there_are_several_servers_another_serves_as_well() {
    let road = road().await;
    let (command, [_, mut database, mut other_database], [_, mut broker, mut other_broker]) =
        behind_several::<3>(&road).await;
    database.up();
    broker.up();
    let daemon = releasing(&road, command).await;
    some_more(&road).await;
    broker.down().await;
    other_broker.up();
    road.publish(&[Event::closed("240000BB")]).await;
    some_more(&road).await;
    database.down().await;
    other_database.up();
    until(&road, "the event", "select count(*) from events", 2).await;
    assert_eq!(all_are_told_once(&road, daemon).await, 0);
}

/// Who is to stop all mails when the first server was lost must be able to.
#[tokio::test]
async fn commands_find_the_server_that_takes_what_is_written() {
    let road = road().await;
    let several = road.url_as(Role::Worker).replacen('@', "@127.0.0.1:1,", 1);
    for arguments in [&["pause"][..], &["resume", "--look"], &["unknown", "list"]] {
        let mut command = road.command(arguments).await;
        command.env("JOBALERTS_DATABASE__URL", &several);
        output(command, None).await.successful();
    }
}
