//! The daemon: it starts whatever is down, goes on by itself, and stops in good order (OPS-1, OPS-2).

use jobalerts_dev::smtp::{Rule, SmtpServer, Stage};

use crate::harness::events::Event;
use crate::harness::people::{crowd, curious};
use crate::harness::program::{Daemon, behind_proxies};
use crate::harness::{Road, soon};

/// OPS-1: everything is away at the start, and comes one after the other.
#[tokio::test]
async fn it_waits_for_what_is_away_and_goes_on_by_itself() {
    let road = Road::new().await;
    road.import(&[curious("ann@example.org")]).await;
    road.publish(&[Event::sample("03")]).await;
    road.smtp.stop_listening().await.unwrap();
    let (command, mut to_database, mut to_broker) = behind_proxies(&road).await;
    let mut daemon = Daemon::start(command);
    daemon.says("cannot start yet; tries again").await;
    to_database.up();
    daemon.says("cannot go on; tries again").await;
    assert_eq!(road.count("select count(*) from events").await, 0);
    to_broker.up();
    daemon.says("took in").await;
    daemon.says("mail server smtp://").await;
    road.smtp.listen_again().await.unwrap();
    let mails = soon("the mail", road.smtp.wait_for(1)).await;
    assert_eq!(mails[0].rcpt_to, ["ann@example.org"]);
    let (status, log) = daemon.stop().await;
    assert_eq!(status.code(), Some(0), "{log}");
    assert_eq!(road.only_mail_row().await.outcome.as_deref(), Some("accepted"));
}

/// Each server goes away while it runs, and comes back.
#[tokio::test]
async fn it_outlives_outages_of_all_its_servers() {
    let road = Road::new().await;
    road.import(&[curious("ann@example.org")]).await;
    let (command, mut to_database, mut to_broker) = behind_proxies(&road).await;
    let mut daemon = Daemon::start(command);
    to_database.up();
    to_broker.up();
    road.publish(&[Event::opened("230000AA")]).await;
    soon("the first mail", road.smtp.wait_for(1)).await;

    to_broker.down().await;
    road.publish(&[Event::opened("230000BB")]).await;
    to_broker.up();
    soon("the second mail", road.smtp.wait_for(2)).await;

    to_database.down().await;
    road.publish(&[Event::opened("230000CC")]).await;
    daemon.says("Postgres").await;
    to_database.up();
    soon("the third mail", road.smtp.wait_for(3)).await;

    road.smtp.stop_listening().await.unwrap();
    road.smtp.cut_connections();
    road.publish(&[Event::opened("230000DD")]).await;
    daemon.says("mail server smtp://").await;
    road.smtp.listen_again().await.unwrap();
    soon("the fourth mail", road.smtp.wait_for(4)).await;

    assert!(daemon.is_running());
    let (status, log) = daemon.stop().await;
    assert_eq!(status.code(), Some(0), "{log}");
    assert_eq!(road.mails().len(), 4, "nothing was told twice");
    assert_eq!(road.count("select count(*) from alerts where told_revision = 1 and due_at is null").await, 4);
}

/// OPS-2: SIGTERM in the middle: what is under way is finished, nothing is left in hand, and the next
/// run does the rest.
#[tokio::test]
async fn stopped_in_the_middle_it_leaves_nothing_in_hand() {
    let road = Road::setup().set("smtp.connections", "3").build().await;
    road.import(&crowd(300)).await;
    road.publish(&[Event::sample("03")]).await;
    let daemon = road.daemon().await;
    soon("some mails", road.smtp.wait_for(40)).await;
    let (status, log) = daemon.stop().await;
    assert_eq!(status.code(), Some(0), "{log}");
    let sent = road.mails().len();
    println!("stopped after {sent} of 300 mails");
    assert!((40..300).contains(&sent), "{sent}");
    assert_eq!(road.count("select count(*) from mails where worker is not null").await, 0);
    assert_eq!(
        road.count("select count(*) from mails where outcome = 'accepted'").await,
        i64::try_from(sent).unwrap()
    );

    let daemon = road.daemon().await;
    soon("all mails", road.smtp.wait_for(300)).await;
    assert_eq!(daemon.stop().await.0.code(), Some(0));
    let mut ids = road.smtp.message_ids();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((road.mails().len(), ids.len()), (300, 300), "nobody twice");
}

/// A mail server that hangs does not keep it from stopping for ever; a second signal is not needed.
#[tokio::test]
async fn a_mail_server_that_hangs_delays_the_end_only_for_its_time_limit() {
    let hangs = SmtpServer::builder().script([Rule::at(Stage::EndOfData).hang()]);
    let road = Road::setup()
        .smtp(hangs)
        .set("smtp.timeout_final", "500ms")
        .set("smtp.timeout_body", "500ms")
        .build()
        .await;
    road.import(&[curious("ann@example.org")]).await;
    road.publish(&[Event::sample("03")]).await;
    let daemon = road.daemon().await;
    soon("the final dot", road.smtp.wait_until(|tally| tally.rules_fired > 0)).await;
    let (status, log) = daemon.stop().await;
    assert_eq!(status.code(), Some(0), "{log}");
    let mail = road.only_mail_row().await;
    assert_eq!((mail.worker, mail.attempts, mail.outcome), (None, 1, None));
    assert!(mail.reply.unwrap().contains("after the content was sent"));
    assert_eq!(road.unknown().await.len(), 1);
}

/// It stops as readily while it waits for a database that is down.
#[tokio::test]
async fn it_stops_while_it_waits_for_the_database() {
    let road = Road::new().await;
    let (command, _to_database, _to_broker) = behind_proxies(&road).await;
    let mut daemon = Daemon::start(command);
    daemon.says("cannot start yet; tries again").await;
    let (status, log) = daemon.stop().await;
    assert_eq!(status.code(), Some(0), "{log}");
}

/// One stage a process: the stages meet only in Postgres.
#[tokio::test]
async fn the_stages_run_in_processes_of_their_own() {
    let road = Road::new().await;
    road.import(&[curious("ann@example.org")]).await;
    let now = road.clock.now().to_rfc3339();
    let mut daemons = Vec::new();
    for stage in ["delivery", "matching", "intake"] {
        let command = road.command(&["run", "--stages", stage, "--now", &now]).await;
        daemons.push(Daemon::start(command));
    }
    road.publish(&[Event::sample("03")]).await;
    soon("the mail", road.smtp.wait_for(1)).await;
    for daemon in daemons {
        assert_eq!(daemon.stop().await.0.code(), Some(0));
    }
    assert_eq!(road.only_mail_row().await.outcome.as_deref(), Some("accepted"));
}

/// A wrong configuration or template stops it at once, and not at the first mail.
#[tokio::test]
async fn what_is_wrong_with_the_configuration_stops_it_at_once() {
    let road = Road::setup().set("smtp.ca_file", "/nowhere/ca.pem").build().await;
    let output = road.run(&["run"]).await;
    assert_eq!(output.code, Some(1));
    assert!(output.stderr.contains("smtp.ca_file /nowhere/ca.pem"), "{}", output.stderr);
}
