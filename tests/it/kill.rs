//! OPS-2, I2: SIGKILL at any moment. Everybody is mailed; at most one mail for each connection may
//! come twice at each kill, and each of these is the same mail.

use std::collections::{BTreeMap, BTreeSet};

use rand::{Rng, SeedableRng};

use crate::harness::events::Event;
use crate::harness::people::crowd;
use crate::harness::{Road, soon};

const PEOPLE: usize = 2_000;
const CONNECTIONS: usize = 8;
const SEED: u64 = 20_231_113;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_everybody_is_mailed_and_a_repeat_is_the_same_mail() {
    let mut random = rand::rngs::StdRng::seed_from_u64(SEED);
    let road = Road::setup().set("smtp.connections", &CONNECTIONS.to_string()).build().await;
    road.import(&crowd(PEOPLE)).await;
    road.publish(&[Event::sample("03")]).await;
    let mut kills = 0;
    loop {
        // Also within the first mails, where claims and first connections are.
        let until =
            road.mails().len() + if random.random_bool(0.3) { 1 } else { random.random_range(2..=250) };
        if until >= PEOPLE {
            break;
        }
        let daemon = road.daemon().await;
        soon("more mails", road.smtp.wait_for(until)).await;
        daemon.kill().await;
        kills += 1;
    }
    let daemon = road.daemon().await;
    let told = "select count(*) from alerts where told_revision = 1 and due_at is null";
    let mut mails = road.mails();
    while mails.iter().map(|mail| &mail.rcpt_to[0]).collect::<BTreeSet<_>>().len() < PEOPLE {
        mails = soon("the rest", road.smtp.wait_for(mails.len() + 1)).await;
    }
    let (status, log) = daemon.stop().await;
    assert_eq!(status.code(), Some(0), "{log}");

    let mut ids: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for mail in road.mails() {
        ids.entry(mail.rcpt_to[0].clone()).or_default().push(mail.message_id().unwrap());
    }
    let repeats = road.mails().len() - PEOPLE;
    println!(
        "{PEOPLE} people, {kills} kills with seed {SEED}, {} mails, {repeats} repeats",
        road.mails().len()
    );
    assert_eq!(ids.len(), PEOPLE);
    assert!(repeats <= kills * CONNECTIONS, "{repeats} repeats, {kills} kills");
    for (address, ids) in ids {
        let distinct: BTreeSet<&String> = ids.iter().collect();
        assert_eq!(distinct.len(), 1, "{address}: a repeat is the same mail");
        assert!(ids.len() <= 1 + kills, "{address}");
    }
    assert_eq!(road.count(told).await, i64::try_from(PEOPLE).unwrap());
    assert_eq!(road.count("select count(*) from mails where worker is not null").await, 0);
    assert_eq!(
        road.count("select count(*) from mails where outcome = 'accepted'").await,
        i64::try_from(PEOPLE).unwrap()
    );
}
