//! OPS-2, I2: SIGKILL at any moment. Nobody is mailed twice. Of at most one mail for each connection
//! nobody knows at a kill whether it arrived; each of these is listed, and when a day later nobody has
//! said what became of it, it is sent again as the same mail.

use std::collections::BTreeSet;

use rand::{Rng, SeedableRng};

use crate::harness::events::Event;
use crate::harness::people::crowd;
use crate::harness::{Road, soon};

/// A day after all of it, with nobody having said anything.
const THE_NEXT_DAY: &str = "2023-11-14T09:00:00Z";

const PEOPLE: usize = 2_000;
const CONNECTIONS: usize = 8;
const SEED: u64 = 20_231_113;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_everybody_is_mailed_once_or_it_is_listed() {
    let mut random = rand::rngs::StdRng::seed_from_u64(SEED);
    let road = Road::setup().set("smtp.connections", &CONNECTIONS.to_string()).build().await;
    road.import(&crowd(PEOPLE)).await;
    road.publish(&[Event::sample("03")]).await;
    let mut kills = 0;
    loop {
        // Also within the first mails, where claims and first connections are.
        let until =
            road.mails().len() + if random.random_bool(0.3) { 1 } else { random.random_range(2..=250) };
        // Those of whom nobody knows do not come again today.
        if until + kills * CONNECTIONS >= PEOPLE {
            break;
        }
        let daemon = road.daemon().await;
        soon("more mails", road.smtp.wait_for(until)).await;
        daemon.kill().await;
        kills += 1;
    }
    // The daemons' clocks have gone on.
    road.at("2023-11-13T08:50:00Z");
    road.free_orphans().await;
    assert_eq!(road.deliver().await.unknown, 0);
    let (mails, unknown) = (road.mails().len(), road.unknown().await);
    println!("{PEOPLE} people, {kills} kills with seed {SEED}, {mails} mails, {} unknown", unknown.len());
    assert_eq!(distinct(&road).len(), mails, "nobody is mailed twice");
    assert!(unknown.len() <= kills * CONNECTIONS, "{} unknown, {kills} kills", unknown.len());
    let told = "select count(*) from alerts where told_revision = 1 and due_at is null";
    assert_eq!(road.count(told).await, i64::try_from(PEOPLE - unknown.len()).unwrap());

    road.at(THE_NEXT_DAY);
    assert_eq!(road.deliver().await.accepted, u64::try_from(unknown.len()).unwrap());
    assert_eq!(distinct(&road).len(), PEOPLE, "everybody is mailed, and a repeat is the same mail");
    assert_eq!(road.count(told).await, i64::try_from(PEOPLE).unwrap());
    assert_eq!(road.count("select count(*) from mails where worker is not null").await, 0);
    assert_eq!(
        road.count("select count(*) from mails where outcome = 'accepted'").await,
        i64::try_from(PEOPLE).unwrap()
    );
}

/// The different mails that arrived, each to one person.
fn distinct(road: &Road) -> BTreeSet<(String, String)> {
    road.mails().iter().map(|mail| (mail.rcpt_to[0].clone(), mail.message_id().unwrap())).collect()
}
