//! No mail leaves without leave: what was claimed and not handed over is held back by a stop, by the switch
//! for all mails, and by the list of those who get mail.

use jobalerts_dev::smtp::{Rule, SmtpServer, Stage as SmtpStage};

use crate::harness::events::Event;
use crate::harness::people::{crowd, curious, person};
use crate::harness::rows::Six;
use crate::harness::{Delivered, Road, soon};

const PEOPLE: usize = 20;

/// A road with one connection, whose mail server takes the first mail and then says nothing more until its
/// connections are cut.
async fn stuck_with_the_first() -> Road {
    let hangs = Rule::at(SmtpStage::EndOfData).first(1).storing().hang();
    let road =
        Road::setup().smtp(SmtpServer::builder().script([hangs])).set("smtp.connections", "1").build().await;
    road.import(&crowd(PEOPLE)).await;
    road.hears(&[Event::opened("230000AA")]).await;
    road.match_all().await;
    road
}

/// Delivers, and does something while the first mail is in flight and others are in hand.
async fn deliver_and_meanwhile(road: &Road, meanwhile: impl AsyncFnOnce()) -> Delivered {
    let meanwhile = async {
        soon("the first mail", road.smtp.wait_until(|tally| tally.rules_fired > 0)).await;
        assert!(road.count("select count(*) from mails where worker is not null").await > 1, "others wait");
        meanwhile().await;
        road.smtp.cut_connections();
    };
    tokio::join!(road.deliver(), meanwhile).0
}

/// OPS-9: one command stops all mails; only what is in flight still arrives.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_stops_what_is_in_hand_and_a_confirmed_resume_lets_it_go() {
    let road = stuck_with_the_first().await;
    let now = road.clock.now().to_rfc3339();
    let delivered = deliver_and_meanwhile(&road, async || {
        road.run(&["pause", "--reason", "wrong closing date", "--now", &now]).await.successful();
    })
    .await;
    assert_eq!((delivered, road.mails().len()), (Delivered { unknown: 1, ..Delivered::NOTHING }, 1));
    assert_eq!(road.count("select count(*) from mails where worker is not null").await, 0);
    assert_eq!(road.deliver().await, Delivered::NOTHING);
    let drained = road.run(&["drain", "--now", &now]).await.successful();
    assert!(drained.stderr.contains("jobalerts resume"), "{}", drained.stderr);
    let again = road.run(&["pause", "--now", &now]).await.successful().stdout;
    assert!(again.contains("wrong closing date"), "{again}");

    // One of the others has lost its reason by now.
    road.execute("delete from searches where subscriber_id = (select max(id) from subscribers)").await;
    let look = road.run(&["resume", "--look", "--now", &now]).await.successful().stdout;
    assert!(look.contains("18  vacancy-alert") && look.contains("1  no-longer-wanted"), "{look}");
    let refused = road.run(&["resume", "--now", &now]).await;
    assert!(refused.code == Some(1) && refused.stderr.contains("--mails 18"), "{}", refused.stderr);
    let too_few = road.run(&["resume", "--mails", "17", "--now", &now]).await;
    assert!(too_few.code == Some(1) && too_few.stderr.contains("18 would leave"), "{}", too_few.stderr);
    assert_eq!(road.deliver().await, Delivered::NOTHING);

    road.run(&["resume", "--mails", "18", "--now", &now]).await.successful();
    assert_eq!(road.deliver().await, Delivered { accepted: 18, ended: 1, ..Delivered::NOTHING });
    let again = road.run(&["resume"]).await.successful().stdout;
    assert!(again.contains("not stopped"), "{again}");
}

/// OPS-9: in the daemon, too, and in one that starts while mails are stopped.
#[tokio::test]
async fn a_daemon_holds_and_goes_on_by_itself() {
    let road = Road::new().await;
    road.import(&crowd(PEOPLE)).await;
    road.run(&["pause"]).await.successful();
    road.hears(&[Event::opened("230000AA")]).await;
    let mut daemon = road.daemon().await;
    daemon.says("an operator has stopped all mails").await;
    let now = road.clock.now().to_rfc3339();
    let due =
        async { while road.count("select count(*) from alerts where due_at is not null").await < 20 {} };
    soon("the alerts", due).await;
    assert_eq!(road.mails().len(), 0);
    road.run(&["resume", "--mails", "20", "--now", &now]).await.successful();
    soon("all mails", road.smtp.wait_for(PEOPLE)).await;
    assert_eq!(daemon.stop().await.0.code(), Some(0));
    assert_eq!(road.mails().len(), PEOPLE);
}

/// I5, H07: after a stop is committed, what was claimed does not leave.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_that_is_recalled_while_it_is_in_hand_does_not_leave() {
    let road = stuck_with_the_first().await;
    let delivered = deliver_and_meanwhile(&road, async || {
        // As a stop does it: everybody who is in hand.
        road.execute(
            "update subscribers set state = 'suppressed' where id in (select subscriber_id from mails)",
        )
        .await;
        road.execute("update mails set recalled = true where worker is not null").await;
    })
    .await;
    let stopped = road.count("select count(*) from subscribers where state = 'suppressed'").await;
    let stopped = usize::try_from(stopped).unwrap();
    assert!(delivered.unknown == 1 && delivered.ended == stopped - 1, "{delivered:?}, {stopped} stopped");
    assert_eq!(usize::try_from(delivered.accepted).unwrap(), PEOPLE - stopped);
    assert_eq!(road.mails().len(), 1 + PEOPLE - stopped, "the one in flight, and all who have not stopped");
}

/// Where things are tried out only some get mail; what others would get is written, checked and withheld.
#[tokio::test]
async fn only_those_who_are_listed_get_mail() {
    let road = Road::setup()
        .set("smtp.only_to", "ann@example.org, @test.example")
        .at("2024-03-05T10:00:00Z")
        .build()
        .await;
    let people = ["ANN@example.org", "bob@test.example", "cat@example.org", "dan@sub.test.example"];
    road.import(&people.map(|address| person(address).registered("pc-dhep"))).await;
    road.hears(&[Event::sample("10")]).await;
    assert_eq!(road.drain().await, Delivered { accepted: 2, withheld: 2, ..Delivered::NOTHING });
    let mut reached: Vec<String> = road.mails().iter().map(|mail| mail.rcpt_to[0].clone()).collect();
    reached.sort_unstable();
    assert_eq!(reached, ["ANN@example.org", "bob@test.example"]);
    assert_eq!(road.count("select count(*) from mails where outcome = 'withheld'").await, 2);
    assert_eq!(road.drain().await, Delivered::NOTHING);
    let open = Six { kept: 2, owed: 2, ..Six::default() };
    assert_eq!(road.six("programme/pc-dhep").await, open);
    let status = road.run(&["status"]).await.looked().stdout;
    assert!(status.contains("2 withheld"), "{status}");
    let check = road.run(&["check"]).await;
    assert!(check.stdout.contains("smtp.only_to"), "{}{}", check.stdout, check.stderr);
}

/// The switch does not depend on who is asked: a claim by another process finds it, too.
#[tokio::test]
async fn nothing_is_claimed_while_mails_are_stopped() {
    let road = Road::new().await;
    road.import(&[curious("ann@example.org")]).await;
    road.hears(&[Event::opened("230000AA")]).await;
    road.match_all().await;
    road.run(&["pause"]).await.successful();
    assert_eq!(road.deliver().await, Delivered::NOTHING);
    assert_eq!(road.count("select count(*) from mails").await, 0);
}
