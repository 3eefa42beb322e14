//! Several workers on one database (I20, OPS-3).

use std::collections::BTreeSet;

use jobalerts::daemon::Program;
use jobalerts::health::Pulse;
use jobalerts::matching;
use jobalerts::stage::{Bell, Stage, drive};
use jobalerts::store::WORK_CHANNEL;
use jobalerts_dev::smtp::{Rule, SmtpServer, Stage as SmtpStage};
use sqlx::postgres::PgListener;
use tokio_util::sync::CancellationToken;

use crate::harness::events::Event;
use crate::harness::people::{Person, crowd, curious};
use crate::harness::{Road, soon};

fn another(road: &Road) -> Program {
    Program::new(road.config().clone(), road.clock.clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_deliveries_mail_nobody_twice() {
    let road = Road::setup().set("smtp.connections", "4").build().await;
    road.import(&crowd(500)).await;
    road.hears(&[Event::opened("230000AA"), Event::opened("230000BB")]).await;
    assert_eq!(road.match_all().await, 1_000);
    let programs = [another(&road), another(&road)];
    let [mut one, mut two] = programs.each_ref().map(|program| program.delivery(Bell::default()).unwrap());
    let (first, second) =
        soon("both deliveries", Box::pin(async { tokio::join!(one.drain(), two.drain()) })).await;
    first.unwrap();
    second.unwrap();
    soon("the ends", async { tokio::join!(one.finish(), two.finish()) }).await;

    println!("one sent {}, the other {}", one.tally().accepted, two.tally().accepted);
    assert!(
        one.tally().accepted > 100 && two.tally().accepted > 100,
        "neither keeps the other from its work"
    );
    let told: BTreeSet<String> = road.mails().iter().map(|mail| mail.rcpt_to[0].clone()).collect();
    assert_eq!((road.mails().len(), told.len()), (500, 500));
    assert_eq!(
        road.count("select count(*) from alerts where told_revision = 1 and due_at is null").await,
        1_000
    );
    assert_eq!(
        road.count("select count(*) from mails where outcome = 'accepted' and worker is null").await,
        500
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_matchings_make_each_alert_once() {
    let road = Road::new().await;
    road.import(&crowd(50)).await;
    let events: Vec<Event> = (0..40).map(|number| Event::opened(&format!("23{number:04}"))).collect();
    road.hears(&events).await;
    let work = async |program: Program| {
        let rules = program.matching_rules();
        let mut made = 0;
        // Idle may mean that the other one holds the last.
        while road.count("select count(*) from openings where matched_revision < revision").await > 0 {
            if let matching::Step::Page { alerts } =
                matching::step(program.pool(), &rules, program.clock().now()).await.unwrap()
            {
                made += alerts;
            }
        }
        made
    };
    let (one, two) =
        soon("both", Box::pin(async { tokio::join!(work(another(&road)), work(another(&road))) })).await;
    assert_eq!(one + two, 2_000);
    assert_eq!(road.count("select count(*) from alerts").await, 2_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_intakes_take_each_event_once() {
    let road = Road::setup().set("amqp.prefetch", "10").build().await;
    road.import(&[curious("ann@example.org")]).await;
    let events: Vec<Event> = (0..100)
        .flat_map(|number| {
            let reference = format!("23{number:04}");
            [
                Event::opened(&reference),
                Event::closes_earlier(&reference, "2023-12-04T12:00:00Z"),
                Event::closed(&reference).at("2023-11-13T08:31:00Z"),
            ]
        })
        .collect();
    let mut listener = PgListener::connect_with(road.pool()).await.unwrap();
    listener.listen(WORK_CHANNEL).await.unwrap();
    road.publish(&events).await;
    road.publish(&events).await;

    let stop = CancellationToken::new();
    let programs = [another(&road), another(&road)];
    let running = programs
        .each_ref()
        .map(|program| tokio::spawn(drive(program.intake(), Pulse::alone(), stop.clone())));
    let closed = "select count(*) from openings where state = 'closed'";
    soon("every vacancy is closed", async {
        while road.count(closed).await < 100 {
            listener.recv().await.unwrap();
        }
    })
    .await;
    stop.cancel();
    for stage in running {
        soon("the stage's end", stage).await.unwrap();
    }
    // What they left is a repetition.
    road.intake().await;
    assert_eq!(road.count("select count(*) from events").await, 300);
    assert_eq!(road.count("select count(*) from openings").await, 100);
    let truths =
        "select count(*) from (select distinct truth #- '{facts,url}', door_shuts_at from openings) o";
    assert_eq!(road.count(truths).await, 1);
}

/// Nobody waits behind one slow provider: with all its mails hanging, and first in line, the others
/// are served.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_provider_holds_nobody_else_up() {
    let hang = Rule::at(SmtpStage::Rcpt).matching(|said| !said.contains("@example.org")).hang();
    let road = Road::setup()
        .smtp(SmtpServer::builder().script([hang]))
        .set("smtp.connections", "4")
        .set("smtp.slow_after", "1ms")
        .build()
        .await;
    // Those at the slow provider are due first, and are more than there is room for.
    let people = |domain: &str, count| -> Vec<Person> {
        (0..count).map(|number| curious(&format!("p{number}@{domain}"))).collect()
    };
    for domain in ["hotmail.com", "outlook.com", "live.co.uk"] {
        road.import(&people(domain, 70)).await;
    }
    road.import(&people("example.org", 40)).await;
    road.hears(&[Event::opened("230000AA")]).await;
    road.match_all().await;
    let mut delivery = road.delivery();
    let claims = async {
        loop {
            delivery.step().await.unwrap();
        }
    };
    tokio::select! {
        () = claims => {}
        mails = soon("the mails to the others", road.smtp.wait_for(40)) => {
            assert!(mails.iter().all(|mail| mail.rcpt_to[0].ends_with("@example.org")));
        }
    }
}
