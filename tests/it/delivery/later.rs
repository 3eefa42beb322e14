//! Refused for now, or the server is away: told later, by the retry plan.

use jobalerts::delivery::Tally;
use jobalerts_dev::smtp::{Rule, SmtpServer, Stage};

use super::{AFTER_FIRST_WAIT, AFTER_SECOND_WAIT, ANN, BOB, about_to_tell, scripted, tell};
use crate::harness::events::Event;
use crate::harness::people::crowd;
use crate::harness::{Delivered, Road, soon, time};

const DEFERRED: Delivered = Delivered { deferred: 1, ..Delivered::NOTHING };

/// I2, I20: the retries of a mail are one mail.
#[tokio::test]
async fn a_deferred_mail_is_told_later_as_the_same_mail() {
    for stage in [Stage::Mail, Stage::Rcpt, Stage::Data, Stage::EndOfData] {
        let rule = Rule::at(stage).first(2).reply(450, "4.2.0 Greylisted, come again");
        let road = about_to_tell(&[ANN], scripted([rule])).await;
        assert_eq!(road.deliver().await, DEFERRED, "{stage:?}");
        let first = road.only_mail_row().await;
        assert_eq!((first.attempts, first.outcome.as_deref(), first.worker), (1, None, None));
        assert_eq!(first.reply.as_deref(), Some("450 4.2.0 Greylisted, come again"));
        let due = road.only_alert().await.due_at.unwrap();
        assert!(due >= time("2023-11-13T08:46:00Z") && due <= time(AFTER_FIRST_WAIT), "{due}");

        road.at("2023-11-13T08:45:59Z");
        assert_eq!(road.deliver().await, Delivered::NOTHING);
        road.at(AFTER_FIRST_WAIT);
        assert_eq!(road.deliver().await, DEFERRED);
        road.at(AFTER_SECOND_WAIT);
        assert_eq!(road.deliver().await, Delivered::ONE_MAIL);
        let last = road.only_mail_row().await;
        assert_eq!((last.attempts, last.outcome.as_deref()), (3, Some("accepted")));
        assert_eq!(last.message_id, first.message_id);
        assert_eq!(format!("<{}>", road.only_mail().message_id().unwrap()), first.message_id);
        assert_eq!(road.only_alert().await.told_revision, Some(1));
        // S12: whoever greylists goes by the return path, too; it names the row, which stays the same.
        let token =
            road.config().secrets.keys_of_tokens().unwrap().bounce(road.count("select id from mails").await);
        assert_eq!(road.only_mail().mail_from, format!("bounce+{token}@midshire.example"));
    }
}

#[tokio::test]
async fn a_deferred_mail_holds_nobody_else_up() {
    let rule = Rule::at(Stage::Rcpt).to_local_prefix("ann").reply(451, "4.7.1 Later");
    let road = about_to_tell(&[ANN, BOB], scripted([rule])).await;
    assert_eq!(road.deliver().await, Delivered { accepted: 1, deferred: 1, ..Delivered::NOTHING });
    assert_eq!(road.only_mail().rcpt_to, [BOB]);
}

/// RFC 5321, 3.8: the server ends the conversation, at any point of it.
#[tokio::test]
async fn a_server_that_closes_the_service_is_asked_again() {
    for stage in [Stage::Mail, Stage::Rcpt, Stage::Data, Stage::EndOfData] {
        let rule = Rule::at(stage).first(1).reply(421, "4.3.2 Shutting down");
        let road = about_to_tell(&[ANN], scripted([rule])).await;
        assert_eq!(road.deliver().await, DEFERRED, "{stage:?}");
        road.at(AFTER_FIRST_WAIT);
        assert_eq!(road.deliver().await, Delivered::ONE_MAIL, "{stage:?}");
        assert_eq!(road.mails().len(), 1);
    }
}

/// A server that cannot be used at all is no mail's fault: no attempt is counted, all is due again
/// soon, and told when it is back.
#[tokio::test]
async fn a_server_that_is_away_costs_nothing_but_time() {
    for away in [
        None,
        Some(Rule::at(Stage::Connect).close()),
        Some(Rule::at(Stage::Greeting).reply(421, "4.3.2 Not now")),
        Some(Rule::at(Stage::Greeting).reply(554, "5.3.2 No service")),
        Some(Rule::at(Stage::Ehlo).reset()),
        Some(Rule::at(Stage::Greeting).raw(b"HTTP/1.1 400 Bad Request\r\n\r\n".as_slice()).then_close()),
    ] {
        let what = format!("{away:?}");
        let refuses = away.is_none();
        let road = about_to_tell(&[ANN, BOB], scripted(away)).await;
        if refuses {
            road.smtp.stop_listening().await.unwrap();
        }
        let (step, delivered) = road.try_deliver().await;
        let error = step.expect_err(&what).to_string();
        assert!(error.starts_with("mail server smtp://127.0.0.1"), "{error}");
        assert_eq!(delivered.accepted + delivered.failed, 0, "{what}");
        for mail in road.mail_rows().await {
            assert_eq!((mail.attempts, mail.worker, mail.outcome), (0, None, None), "{what}");
        }

        road.smtp.set_script([]);
        road.smtp.listen_again().await.unwrap();
        road.at("2023-11-13T08:32:00Z");
        assert_eq!(road.deliver().await, Delivered { accepted: 2, ..Delivered::NOTHING }, "{what}");
        assert_eq!(road.mails_to(ANN).len() + road.mails_to(BOB).len(), 2);
    }
}

/// It answers nothing: given up after the time allowed for that point, and asked again later.
#[tokio::test]
async fn a_server_that_hangs_is_given_up_in_time() {
    let unknown = Delivered { unknown: 1, ..Delivered::NOTHING };
    for (stage, timeout, expected, again) in [
        (Stage::Mail, "command", DEFERRED, AFTER_FIRST_WAIT),
        (Stage::Rcpt, "command", DEFERRED, AFTER_FIRST_WAIT),
        (Stage::Data, "data", DEFERRED, AFTER_FIRST_WAIT),
        // It may have arrived.
        (Stage::EndOfData, "final", unknown, "2023-11-14T08:31:00Z"),
    ] {
        let road = Road::setup()
            .smtp(scripted([Rule::at(stage).to_local_prefix("ann").hang(), Rule::at(stage).first(1).hang()]))
            .set("smtp.connections", "1")
            .set(&format!("smtp.timeout_{timeout}"), "300ms")
            .set("smtp.timeout_body", "300ms")
            .build()
            .await;
        tell(&road, &[BOB]).await;
        assert_eq!(road.deliver().await, expected, "{stage:?}");
        let reply = road.only_mail_row().await.reply.unwrap();
        assert!(reply.contains("no answer within"), "{reply}");
        road.at(again);
        assert_eq!(road.deliver().await, Delivered::ONE_MAIL, "{stage:?}");
    }
}

#[tokio::test]
async fn a_greeting_that_does_not_come_is_given_up_in_time() {
    let road = Road::setup()
        .smtp(scripted([Rule::at(Stage::Greeting).hang()]))
        .set("smtp.timeout_greeting", "300ms")
        .build()
        .await;
    tell(&road, &[ANN]).await;
    let error = road.try_deliver().await.0.unwrap_err().to_string();
    assert!(error.contains("no answer within") && error.contains("greeting"), "{error}");
}

/// RFC 5321, 4.5.3.1.10: too many recipients is not for ever.
#[tokio::test]
async fn too_many_recipients_is_not_for_ever() {
    let rule = Rule::at(Stage::Rcpt).first(1).reply(552, "5.5.3 Too many recipients");
    let road = about_to_tell(&[ANN], scripted([rule])).await;
    assert_eq!(road.deliver().await, DEFERRED);
}

#[tokio::test]
async fn a_mail_is_given_up_after_the_time_for_that() {
    let rule = Rule::at(Stage::Rcpt).reply(450, "4.2.2 Mailbox full");
    let road = Road::setup().smtp(scripted([rule])).set("smtp.give_up_after", "90m").build().await;
    tell(&road, &[ANN]).await;
    assert_eq!(road.deliver().await, DEFERRED);
    road.at(AFTER_FIRST_WAIT);
    assert_eq!(road.deliver().await, DEFERRED);
    road.at(AFTER_SECOND_WAIT);
    assert_eq!(road.deliver().await, Delivered { failed: 1, ..Delivered::NOTHING });
    let mail = road.only_mail_row().await;
    assert_eq!((mail.outcome.as_deref(), mail.attempts), (Some("given-up"), 3));
    assert_eq!(mail.reply.as_deref(), Some("450 4.2.2 Mailbox full"));
    assert_eq!(road.endings().await, [Some("given-up".to_owned())]);
    road.at("2023-12-13T08:31:00Z");
    assert_eq!(road.deliver().await, Delivered::NOTHING);
}

/// Each connection carries as many mails as it should, and no more.
#[tokio::test]
async fn a_connection_is_worn_after_so_many_mails() {
    let road = Road::setup().set("smtp.connections", "1").set("smtp.mails_per_connection", "3").build().await;
    road.import(&crowd(10)).await;
    road.hears(&[Event::opened("230000AA")]).await;
    assert_eq!(road.drain().await.accepted, 10);
    let mails: Vec<usize> = road.smtp.connections().iter().map(|connection| connection.mails).collect();
    assert_eq!(mails, [3, 3, 3, 1]);
}

/// A used connection that has ended between two mails is replaced at once: no mail waits for that.
#[tokio::test]
async fn a_server_that_closes_used_connections_defers_nobody() {
    for smtp in [
        SmtpServer::builder().max_mails_per_connection(3),
        // Without a word: the next command finds the connection gone.
        scripted([
            Rule::at(Stage::Mail).after(1).first(1).close(),
            Rule::at(Stage::Mail).after(4).first(1).close(),
        ]),
        scripted([
            Rule::at(Stage::Rcpt).after(1).first(1).reset(),
            Rule::at(Stage::Data).after(4).first(1).close(),
        ]),
        scripted([Rule::at(Stage::EndOfData).first(4).reply(250, "2.0.0 Taken, bye").storing().then_close()]),
    ] {
        let road = Road::setup().smtp(smtp).set("smtp.connections", "1").build().await;
        road.import(&crowd(10)).await;
        road.hears(&[Event::opened("230000AA")]).await;
        assert_eq!(road.drain().await, Delivered { accepted: 10, ..Delivered::NOTHING });
        assert_eq!(road.mails().len(), 10);
        assert!(road.smtp.connections().len() >= 3, "{:?}", road.smtp.connections());
    }
}

/// An idle connection that the server ends is no fault of the next mail.
#[tokio::test]
async fn connections_cut_between_two_mails_defer_nobody() {
    let road = Road::setup().set("smtp.connections", "1").build().await;
    tell(&road, &[ANN]).await;
    let mut delivery = road.delivery();
    soon("the first mail", delivery.drain()).await.unwrap();
    road.smtp.cut_connections();
    road.hears(&[Event::opened("230000BB")]).await;
    road.match_all().await;
    soon("the second mail", delivery.drain()).await.unwrap();
    assert_eq!(delivery.tally(), Tally { accepted: 2, ..Tally::default() });
    assert_eq!(road.smtp.connections().len(), 2);
}
