//! How much mail a provider, or a mail server, gets: for all processes together, and over restarts.

use jobalerts::health::Pulse;
use jobalerts::stage::{Bell, Stage as _, drive};
use jobalerts_dev::smtp::{Rule, SmtpServer, Stage};
use tokio_util::sync::CancellationToken;

use super::{another, file, people_at};
use crate::harness::events::Event;
use crate::harness::{Road, Setup, soon};

async fn about_to_tell(setup: Setup, people: &[(&str, usize)]) -> Road {
    let road = setup.build().await;
    for (domain, count) in people {
        road.import(&people_at(domain, *count)).await;
    }
    road.hears(&[Event::opened("230000AA")]).await;
    road.match_all().await;
    road
}

/// What is due now, by two processes at once.
async fn both_drain(road: &Road) {
    let programs = [another(road), another(road)];
    let [mut one, mut two] = programs.each_ref().map(|program| program.delivery(Bell::default()).unwrap());
    let (first, second) = soon("both", Box::pin(async { tokio::join!(one.drain(), two.drain()) })).await;
    first.unwrap();
    second.unwrap();
    soon("the ends", async { tokio::join!(one.finish(), two.finish()) }).await;
}

fn arrived(road: &Road, domain: &str) -> usize {
    road.mails().iter().filter(|mail| mail.rcpt_to[0].ends_with(&format!("@{domain}"))).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_gets_so_many_a_minute_and_a_day_of_all_processes_together() {
    let providers = file(
        "[groups.google]\ndomains = ['gmail.com', 'googlemail.com']\nper_minute = 5\nper_day = 12\n
         [others]\nper_minute = 30",
    );
    let setup = Road::setup().set("providers.file", &providers).set("smtp.connections", "4");
    let road = about_to_tell(setup, &[("gmail.com", 10), ("googlemail.com", 10), ("example.org", 40)]).await;
    let google = |road: &Road| arrived(road, "gmail.com") + arrived(road, "googlemail.com");
    for (now, to_google, to_others) in [
        ("2023-11-13T08:31:00Z", 5, 30),
        // Two new processes in the same minute.
        ("2023-11-13T08:31:59Z", 5, 30),
        ("2023-11-13T08:32:00Z", 10, 40),
        ("2023-11-13T08:33:00Z", 12, 40),
        ("2023-11-13T23:59:59Z", 12, 40),
        ("2023-11-14T00:00:00Z", 17, 40),
        ("2023-11-14T00:01:00Z", 20, 40),
    ] {
        road.at(now);
        both_drain(&road).await;
        assert_eq!((google(&road), arrived(&road, "example.org")), (to_google, to_others), "{now}");
    }
    assert_eq!(road.count("select count(*) from mails where attempts <> 1").await, 0);
}

/// What a provider was not given after all is left for others in the same minute.
#[tokio::test]
async fn what_is_withheld_or_given_back_uses_up_no_allowance() {
    let providers = file("[groups.google]\ndomains = ['gmail.com']\nper_minute = 2\nper_day = 3");
    let listed = "p4@gmail.com, p5@gmail.com, p6@gmail.com, p7@gmail.com";
    let setup = Road::setup()
        .set("providers.file", &providers)
        .set("smtp.connections", "1")
        .set("smtp.only_to", listed);
    let road = about_to_tell(setup, &[("gmail.com", 8)]).await;
    // Nothing can be handed over: what was claimed goes back.
    road.smtp.stop_listening().await.unwrap();
    let _ = road.try_deliver().await;
    assert_eq!(road.count("select count(*) from mails where worker is not null").await, 0);
    let used = "select coalesce(sum(in_minute + in_day), 0)::bigint from allowances";
    assert_eq!(road.count(used).await, 0);
    road.smtp.listen_again().await.unwrap();
    for (now, mails) in
        [("2023-11-13T08:31:30Z", 2), ("2023-11-13T08:32:00Z", 3), ("2023-11-14T08:32:00Z", 4)]
    {
        road.at(now);
        road.deliver().await;
        assert_eq!(arrived(&road, "gmail.com"), mails, "{now}");
    }
    assert_eq!(road.count("select count(*) from mails where outcome = 'withheld'").await, 4);
    assert_eq!(road.count(used).await, 2, "one that was taken in this minute, and today");
}

/// Those that are over the limit wait where they are, and hold nobody up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_gets_so_many_at_once_of_all_processes_together() {
    let providers = file("[groups.slow]\ndomains = ['slow.example', 'slow2.example']\nconnections = 3");
    let hang = Rule::at(Stage::Rcpt).matching(|said| said.contains("@slow")).hang();
    let setup = Road::setup()
        .smtp(SmtpServer::builder().script([hang]))
        .set("providers.file", &providers)
        .set("smtp.connections", "8");
    let road =
        about_to_tell(setup, &[("slow.example", 100), ("slow2.example", 100), ("example.org", 60)]).await;
    let stop = CancellationToken::new();
    let programs = [another(&road), another(&road)];
    let running = programs.each_ref().map(|program| {
        tokio::spawn(drive(program.delivery(Bell::default()).unwrap(), Pulse::alone(), stop.clone()))
    });
    let mails = soon("the mails to the others", road.smtp.wait_for(60)).await;
    assert!(mails.iter().all(|mail| mail.rcpt_to[0].ends_with("@example.org")));
    let in_hand = "select count(*) from mails where worker is not null and provider = 'slow'";
    assert_eq!(road.count(in_hand).await, 3);
    assert_eq!(
        road.smtp.commands().iter().filter(|line| line.contains("@slow")).count(),
        3,
        "no more than three ever were"
    );
    // The three that hang are lost, and wait for their next try; the others follow, three at a time.
    road.smtp.set_script([]);
    road.smtp.cut_connections();
    soon("the others of the slow provider", road.smtp.wait_for(60 + 197)).await;
    stop.cancel();
    for stage in running {
        soon("the end", stage).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_server_gets_so_many_a_minute_of_all_processes_together() {
    let setup = Road::setup().set("relays.smtp", "{ per_minute = 7, per_day = 10 }");
    let road = about_to_tell(setup, &[("example.org", 30)]).await;
    for (now, mails) in [
        ("2023-11-13T08:31:00Z", 7),
        ("2023-11-13T08:31:30Z", 7),
        ("2023-11-13T08:32:00Z", 10),
        ("2023-11-13T08:33:00Z", 10),
        ("2023-11-14T08:00:00Z", 17),
    ] {
        road.at(now);
        both_drain(&road).await;
        assert_eq!(road.mails().len(), mails, "{now}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_server_gets_so_many_connections_of_all_processes_together() {
    let hang = Rule::at(Stage::Rcpt).hang();
    let setup = Road::setup()
        .smtp(SmtpServer::builder().script([hang]))
        .set("relays.smtp", "{ connections = 3 }")
        .set("smtp.connections", "2");
    let road = about_to_tell(setup, &[("example.org", 30)]).await;
    let stop = CancellationToken::new();
    let programs = [another(&road), another(&road), another(&road)];
    let running = programs.each_ref().map(|program| {
        tokio::spawn(drive(program.delivery(Bell::default()).unwrap(), Pulse::alone(), stop.clone()))
    });
    soon("three connections", road.smtp.wait_until(|tally| tally.transactions == 3)).await;
    assert_eq!(road.smtp.tally().connections, 3);
    road.smtp.set_script([]);
    road.smtp.cut_connections();
    // Three were lost.
    soon("the others", road.smtp.wait_for(27)).await;
    stop.cancel();
    for stage in running {
        soon("the end", stage).await.unwrap();
    }
}
