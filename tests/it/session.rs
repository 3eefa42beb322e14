//! The session of Postgres that a worker's claims hang on ends, and the worker does not: what it has in
//! hand is told, and nobody is told twice.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use jobalerts::delivery::claim::{self, Rules};
use jobalerts::delivery::told;
use jobalerts::store::leaving::{self, Departure};
use jobalerts::store::tries::{self, Outcome, Try};
use jobalerts::store::workers::Life;

use crate::harness::events::Event;
use crate::harness::people::{crowd, curious};
use crate::harness::{Delivered, Road, at_leisure, soon, time};

const ANN: &str = "ann@example.org";
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
    let road =
        Road::setup().smtp(at_leisure()).set("smtp.connections", &CONNECTIONS.to_string()).build().await;
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

/// One person's mail in the hands of a worker that loses its session, claimed again under the number of
/// its next life and handed over, with that session lost as well. The tries under both numbers.
async fn handed_over_in_the_second_life(road: &Road) -> [Try; 2] {
    road.import(&[curious(ANN)]).await;
    road.hears(&[Event::opened("230000AA")]).await;
    road.match_all().await;
    let now = road.clock.now();
    let rules = Rules::new(road.config(), Arc::clone(road.program().taxonomy()), "midshire.example");
    let mut tries = Vec::new();
    for _ in 0..2 {
        let life = Life::begin(road.config().database.url.expose()).await.unwrap();
        let claimed = claim::claim(road.pool(), &rules, life.number(), 10, &[], now).await.unwrap();
        let mail = &claimed.mails[0];
        tries.push(Try {
            mail_id: mail.errand.mail_id,
            worker: life.number(),
            subscriber_id: mail.errand.subscriber_id,
            told: told(mail, &rules.policy, now),
            outcome: Outcome::Returned,
            verdict: None,
            reply: String::new(),
        });
        if let [_, second] = &tries[..] {
            let told = second.told.clone();
            let departure = Departure { mail_id: second.mail_id, worker: second.worker, told };
            let mut connection = road.pool().acquire().await.unwrap();
            let leave = leaving::grant(&mut connection, &[departure], now).await.unwrap();
            assert_eq!(leave.granted, [second.mail_id]);
        }
        drop(life);
        road.free_orphans().await;
    }
    let [first, second] = tries.try_into().unwrap();
    assert_eq!(first.mail_id, second.mail_id, "the same mail");
    [first, second]
}

/// N1: what one knows of a mail that it handed over stands, whatever its earlier life says, in one
/// transaction or in two, in any order.
#[tokio::test]
async fn of_two_lives_with_one_mail_the_one_that_handed_it_over_is_believed() {
    let later = "2023-11-14T09:00:00Z".parse().unwrap();
    for (outcome, accepted, unknown) in [(Outcome::Accepted, 1, 0), (Outcome::Unknown(later), 0, 1)] {
        for together in [true, false] {
            for handed_over_first in [true, false] {
                let road = Road::new().await;
                let [first, second] = handed_over_in_the_second_life(&road).await;
                let mut tries = [first, Try { outcome: outcome.clone(), ..second }];
                if handed_over_first {
                    tries.reverse();
                }
                for batch in if together { vec![&tries[..]] } else { tries.chunks(1).collect() } {
                    let mut transaction = road.pool().begin().await.unwrap();
                    tries::record(&mut transaction, batch, road.clock.now()).await.unwrap();
                    transaction.commit().await.unwrap();
                }
                let what = format!("{outcome:?}, together: {together}, first: {handed_over_first}");
                let ended = "select count(*) from mails where outcome = 'accepted' and attempts = 1";
                assert_eq!(road.count(ended).await, accepted, "{what}");
                assert_eq!(road.unknown().await.len(), usize::try_from(unknown).unwrap(), "{what}");
                let told = "select count(*) from alerts where told_revision = 1 and due_at is null";
                assert_eq!(road.count(told).await, accepted, "{what}");
                let left_alone = "select count(*) from alerts where due_at >= '2023-11-14T08:00:00Z'";
                assert_eq!(road.count(left_alone).await, unknown, "{what}");
            }
        }
    }
}

/// A commit whose answer was lost is made again: the mail was sent once, and when it was.
#[tokio::test]
async fn what_is_recorded_twice_was_sent_once() {
    let road = Road::new().await;
    let [_, second] = handed_over_in_the_second_life(&road).await;
    let accepted = Try { outcome: Outcome::Accepted, ..second };
    let sent = road.clock.now();
    // A number that another server has given to somebody else's mail.
    let stray = Try { subscriber_id: accepted.subscriber_id + 1, ..accepted.clone() };
    for (number, (one, recorded)) in (0..).zip([(&stray, 0), (&accepted, 1), (&accepted, 1), (&stray, 1)]) {
        let mut transaction = road.pool().begin().await.unwrap();
        let now = sent + TimeDelta::minutes(number);
        tries::record(&mut transaction, std::slice::from_ref(one), now).await.unwrap();
        transaction.commit().await.unwrap();
        let once = "select count(*) from mails m join alerts a on a.told_mail_id = m.id
                    where m.outcome = 'accepted' and m.attempts = 1";
        assert_eq!(road.count(once).await, recorded, "{number}");
    }
    let finished: DateTime<Utc> = road.value("select finished_at from mails").await;
    assert_eq!(finished, sent + TimeDelta::minutes(1));
}

/// A mail is held as unknown because its worker's session is lost, and the worker lives and knows that it did not
/// arrive: it waits for nobody.
#[tokio::test]
async fn what_its_worker_knows_did_not_arrive_is_due_again() {
    let later = "2023-11-13T08:51:00Z";
    for outcome in [Outcome::Returned, Outcome::Deferred(time(later)), Outcome::Lost(time(later))] {
        let road = Road::new().await;
        let [_, second] = handed_over_in_the_second_life(&road).await;
        assert_eq!(road.unknown().await.len(), 1);
        let mut transaction = road.pool().begin().await.unwrap();
        let known = [Try { outcome: outcome.clone(), ..second }];
        tries::record(&mut transaction, &known, road.clock.now()).await.unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(road.unknown().await, [], "{outcome:?}");
        if outcome != Outcome::Returned {
            assert_eq!(road.deliver().await, Delivered::NOTHING, "{outcome:?}");
            road.at(later);
        }
        assert_eq!(road.deliver().await, Delivered::ONE_MAIL, "{outcome:?}");
    }
}
