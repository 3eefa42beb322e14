//! Several mail servers: each has its part, and one that is away is passed over.

use jobalerts_dev::smtp::{Extension, Rule, SmtpServer, Stage};

use super::{ANN, another, people_at, scripted, tell};
use crate::harness::events::Event;
use crate::harness::{Delivered, Road, Setup, soon};

/// A road with a second mail server.
async fn two(first: Setup, second: jobalerts_dev::smtp::Builder, people: usize) -> (Road, SmtpServer) {
    let backup = second.start().await.unwrap();
    let relay = format!("{{ url = '{}' }}", backup.url());
    let road = first.set("relays.backup", &relay).build().await;
    road.import(&people_at("example.org", people)).await;
    road.hears(&[Event::opened("230000AA")]).await;
    road.match_all().await;
    (road, backup)
}

#[tokio::test]
async fn mails_go_by_the_weights_of_the_mail_servers() {
    // All lines are open at once: nobody's mail ends before the last line is there.
    let setup = Road::setup().set("smtp.connections", "8").set("relays.smtp", "{ weight = 3 }");
    let (road, backup) = two(setup, SmtpServer::builder(), 400).await;
    assert_eq!(road.deliver().await, Delivered { accepted: 400, ..Delivered::NOTHING });
    let lines = (road.smtp.tally().connections, backup.tally().connections);
    assert_eq!(road.mails().len() + backup.mails().len(), 400);
    assert!(lines.0 >= 2 * lines.1 && lines.1 >= 1, "{lines:?}");
    assert!(!backup.mails().is_empty() && road.mails().len() > backup.mails().len());
}

/// It is passed over at once, without a try or a wait of any mail, and has its part again when it is
/// back.
#[tokio::test]
async fn a_mail_server_that_is_away_is_passed_over() {
    for away in [
        None,
        Some(Rule::at(Stage::Connect).close()),
        Some(Rule::at(Stage::Greeting).reply(421, "4.3.2 Not now")),
        Some(Rule::at(Stage::Greeting).reply(554, "5.3.2 No service")),
    ] {
        let what = format!("{away:?}");
        let refuses = away.is_none();
        let (road, backup) = two(Road::setup().smtp(scripted(away)), SmtpServer::builder(), 20).await;
        if refuses {
            road.smtp.stop_listening().await.unwrap();
        }
        assert_eq!(road.deliver().await, Delivered { accepted: 20, ..Delivered::NOTHING }, "{what}");
        assert_eq!((road.mails().len(), backup.mails().len()), (0, 20), "{what}");
        assert_eq!(road.count("select count(*) from mails where attempts <> 1").await, 0);

        road.smtp.set_script([]);
        road.smtp.listen_again().await.unwrap();
        backup.stop_listening().await.unwrap();
        backup.cut_connections();
        road.hears(&[Event::opened("230000BB")]).await;
        assert_eq!(road.drain().await, Delivered { accepted: 20, ..Delivered::NOTHING }, "{what}");
        assert_eq!(road.mails().len(), 20, "{what}");
    }
}

#[tokio::test]
async fn with_all_mail_servers_away_nothing_is_lost() {
    let (road, backup) = two(Road::setup(), SmtpServer::builder(), 5).await;
    road.smtp.stop_listening().await.unwrap();
    backup.stop_listening().await.unwrap();
    assert!(road.try_deliver().await.0.is_err());
    assert_eq!(road.count("select count(*) from mails where attempts > 0 or worker is not null").await, 0);
    backup.listen_again().await.unwrap();
    assert_eq!(road.deliver().await, Delivered { accepted: 5, ..Delivered::NOTHING });
    assert_eq!(backup.mails().len(), 5);
}

/// It breaks in the middle of the day: what it has in hand waits for its next try, and the rest goes by
/// the other.
#[tokio::test]
async fn a_mail_server_that_goes_away_leaves_its_mails_to_the_other() {
    let setup = Road::setup().set("smtp.connections", "4");
    let (road, backup) = two(setup, SmtpServer::builder(), 200).await;
    let mut delivery = road.delivery();
    let goes = async {
        road.smtp.wait_for(20).await;
        road.smtp.stop_listening().await.unwrap();
        road.smtp.cut_connections();
    };
    let (drained, ()) = soon("all mails", async { tokio::join!(delivery.drain(), goes) }).await;
    drained.unwrap();
    let arrived = "select count(*) from mails where outcome = 'accepted'";
    let waiting = "select count(*) from mails where outcome is null and attempts = 0 and worker is null";
    let (arrived, waiting) = (road.count(arrived).await, road.count(waiting).await);
    // Those on the two lines that were cut; of some nobody knows whether they arrived.
    assert!(arrived >= 196, "{arrived} arrived, {waiting} wait");
    assert!(backup.mails().len() > 100);
}

/// What one has against us is not what the other has.
#[tokio::test]
async fn a_mail_server_that_refuses_the_sender_is_passed_over() {
    let refuses = Rule::at(Stage::Mail).reply(550, "5.7.1 Sender not allowed");
    let setup = Road::setup().smtp(scripted([refuses])).set("smtp.connections", "2");
    let (road, backup) = two(setup, SmtpServer::builder(), 20).await;
    assert_eq!(road.deliver().await, Delivered { accepted: 19, deferred: 1, ..Delivered::NOTHING });
    assert_eq!((road.mails().len(), backup.mails().len()), (0, 19));
    let open: Vec<(String, String)> = road.rows("select scope, state from breakers").await;
    assert_eq!(open, [("relay/smtp".to_owned(), "open".to_owned())]);
}

#[tokio::test]
async fn a_mail_server_that_has_had_its_part_leaves_the_rest_to_the_other() {
    let setup = Road::setup().set("relays.smtp", "{ weight = 9, per_day = 5 }");
    let (road, backup) = two(setup, SmtpServer::builder(), 20).await;
    assert_eq!(road.deliver().await, Delivered { accepted: 20, ..Delivered::NOTHING });
    assert_eq!((road.mails().len(), backup.mails().len()), (5, 15));
    let _ = another(&road);
}

/// RFC 5321, 3.2: an old server gets HELO.
#[tokio::test]
async fn a_server_that_does_not_know_ehlo_gets_helo() {
    let rule = Rule::at(Stage::Ehlo).first(1).reply(502, "5.5.1 Command not implemented");
    let road = Road::setup().smtp(scripted([rule])).build().await;
    tell(&road, &[ANN]).await;
    assert_eq!(road.deliver().await, Delivered::ONE_MAIL);
    let commands = road.smtp.commands();
    let greetings: Vec<&str> =
        commands.iter().map(String::as_str).filter(|line| line.contains("LO ")).collect();
    assert_eq!(greetings, ["EHLO worker.midshire.example", "HELO worker.midshire.example"]);
    assert_eq!(road.only_mail().helo, "worker.midshire.example");
}

/// RFC 1870: what is too large for the server is not tried, and is a mistake of ours.
#[tokio::test]
async fn the_size_of_a_mail_is_declared_and_checked() {
    let road = Road::setup().build().await;
    tell(&road, &[ANN]).await;
    assert_eq!(road.deliver().await, Delivered::ONE_MAIL);
    let mail = road.only_mail();
    assert_eq!(mail.mail_parameters, [format!("SIZE={}", mail.data.len())]);

    let road = Road::setup().smtp(SmtpServer::builder().max_size(1000)).build().await;
    tell(&road, &[ANN]).await;
    assert_eq!(road.deliver().await, Delivered { failed: 1, ..Delivered::NOTHING });
    assert!(!road.smtp.commands().iter().any(|line| line.starts_with("MAIL")));
    assert!(road.only_mail_row().await.reply.unwrap().starts_with("552 5.3.4 "));

    let road = Road::setup().smtp(SmtpServer::builder().without(Extension::Size)).build().await;
    tell(&road, &[ANN]).await;
    assert_eq!(road.deliver().await, Delivered::ONE_MAIL);
    assert!(road.only_mail().mail_parameters.is_empty());
}

/// S10: a line that nobody needs is closed, and opened again when somebody does.
#[tokio::test]
async fn an_idle_line_is_closed_with_a_word() {
    let road = Road::setup().set("smtp.idle", "50ms").set("smtp.connections", "1").build().await;
    tell(&road, &[ANN]).await;
    let mut delivery = road.delivery();
    soon("the first mail", delivery.drain()).await.unwrap();
    soon("the end of the line", road.smtp.wait_until(|tally| tally.open == 0)).await;
    assert_eq!(road.smtp.commands().last().map(String::as_str), Some("QUIT"));
    road.hears(&[Event::opened("230000BB")]).await;
    road.match_all().await;
    soon("the second mail", delivery.drain()).await.unwrap();
    assert_eq!(road.smtp.connections().len(), 2);
}
