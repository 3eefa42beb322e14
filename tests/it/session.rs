//! The session of Postgres that a worker's claims hang on ends, and the worker does not: what it has in
//! hand is told, and nobody is told twice.

use std::collections::BTreeSet;

use jobalerts_dev::smtp::{Rule, SmtpServer, Stage};

use crate::harness::events::Event;
use crate::harness::people::crowd;
use crate::harness::{Road, soon};

const PEOPLE: usize = 400;
const CONNECTIONS: usize = 4;

/// Ends the sessions of all workers on this road's database; returns how many there were.
async fn end_sessions(road: &Road) -> usize {
    let ended = road
        .count(
            "select count(*) filter (where pg_terminate_backend(pid)) from pg_stat_activity
             where application_name = 'jobalerts worker' and datname = current_database()",
        )
        .await;
    usize::try_from(ended).unwrap()
}

async fn lost_sessions(workers: usize) {
    // Each reply takes many packets, so that mails are in hand at any moment.
    let slow = Rule::at(Stage::EndOfData).storing().reply(250, "2.0.0 taken in, at leisure").dripping();
    let road = Road::setup()
        .smtp(SmtpServer::builder().script([slow]))
        .set("smtp.connections", &CONNECTIONS.to_string())
        .build()
        .await;
    road.import(&crowd(PEOPLE)).await;
    road.publish(&[Event::opened("230000AA")]).await;
    let mut daemons = Vec::new();
    for _ in 0..workers {
        daemons.push(road.daemon().await);
    }
    let mut ended = 0;
    for until in (40..PEOPLE - 40).step_by(40) {
        soon("more mails", road.smtp.wait_for(until)).await;
        ended += end_sessions(&road).await;
    }
    soon("the rest", road.smtp.wait_for(PEOPLE)).await;
    for daemon in daemons {
        let (status, log) = daemon.stop().await;
        assert_eq!(status.code(), Some(0), "{log}");
    }

    let addresses: BTreeSet<String> = road.mails().iter().map(|mail| mail.rcpt_to[0].clone()).collect();
    println!("{workers} workers, {ended} sessions ended");
    assert!(ended > 0);
    assert_eq!((addresses.len(), road.mails().len()), (PEOPLE, PEOPLE), "everybody, and nobody twice");
    assert_eq!(road.unknown().await, [], "who lives knows what became of its mails");
    let people = i64::try_from(PEOPLE).unwrap();
    let told = "select count(*) from alerts where told_revision = 1 and due_at is null";
    assert_eq!(road.count(told).await, people);
    assert_eq!(road.count("select count(*) from mails where worker is not null").await, 0);
    assert_eq!(road.count("select count(*) from mails where outcome = 'accepted'").await, people);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_loses_its_session_tells_everybody_once() {
    lost_sessions(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_that_lose_their_sessions_tell_everybody_once() {
    lost_sessions(2).await;
}
