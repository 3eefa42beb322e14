//! The connection is lost. Before the content nothing has arrived, and the mail is sent again soon; after it
//! nobody knows, and it is left alone for a day, unless an operator knows.

use std::collections::BTreeSet;

use jobalerts_dev::smtp::{Rule, Stage};

use super::{AFTER_FIRST_WAIT, ANN, BOB, about_to_tell, scripted};
use crate::harness::events::Event;
use crate::harness::people::person;
use crate::harness::rows::Six;
use crate::harness::{Delivered, Road};

const DEFERRED: Delivered = Delivered { deferred: 1, ..Delivered::NOTHING };
const UNKNOWN: Delivered = Delivered { unknown: 1, ..Delivered::NOTHING };

/// The tests begin at 8:31.
const JUST_BEFORE_A_DAY: &str = "2023-11-14T08:30:59Z";
const AFTER_A_DAY: &str = "2023-11-14T08:31:00Z";

/// 2.2.7: before DATA nothing can have arrived.
#[tokio::test]
async fn lost_before_the_content_a_mail_is_sent_again() {
    for stage in [Stage::Mail, Stage::Rcpt, Stage::Data] {
        for rule in [Rule::at(stage).first(1).close(), Rule::at(stage).first(1).reset()] {
            let road = about_to_tell(&[ANN], scripted([rule])).await;
            assert_eq!(road.deliver().await, DEFERRED, "{stage:?}");
            let before = road.only_mail_row().await;
            assert_eq!(road.unknown().await, []);
            road.at(AFTER_FIRST_WAIT);
            assert_eq!(road.deliver().await, Delivered::ONE_MAIL, "{stage:?}");
            assert_eq!(format!("<{}>", road.only_mail().message_id().unwrap()), before.message_id);
        }
    }
}

/// 2.2.7, S08: after the final dot nobody knows. Two mails are worse than one late; if it had arrived, the
/// repeat a day later carries the same Message-ID.
#[tokio::test]
async fn lost_after_the_final_dot_a_mail_is_left_alone_for_a_day() {
    let lost = || Rule::at(Stage::EndOfData).to_local_prefix("ann").first(1);
    for (rule, copies) in [
        (lost().close(), 1),
        (lost().reset(), 1),
        (lost().storing().close(), 2),
        (lost().storing().reset(), 2),
        (lost().storing().half_close(), 2),
    ] {
        let what = format!("{rule:?}");
        let road = about_to_tell(&[ANN, BOB], scripted([rule])).await;
        assert_eq!(road.deliver().await, Delivered { accepted: 1, ..UNKNOWN }, "{what}");
        let row = road.mail_rows().await.into_iter().find(|mail| mail.address == ANN).unwrap();
        assert!(row.reply.as_ref().unwrap().contains("after the content was sent"), "{:?}", row.reply);
        let unknown = road.unknown().await;
        assert_eq!(unknown.iter().map(|mail| &mail.message_id).collect::<Vec<_>>(), [&row.message_id]);
        road.at(JUST_BEFORE_A_DAY);
        assert_eq!(road.deliver().await, Delivered::NOTHING, "{what}");
        road.at(AFTER_A_DAY);
        assert_eq!(road.deliver().await, Delivered::ONE_MAIL, "{what}");
        let to_ann = road.mails_to(ANN);
        let ids: BTreeSet<String> = to_ann.iter().map(|mail| mail.message_id().unwrap()).collect();
        assert_eq!((to_ann.len(), ids.len()), (copies, 1), "{what}");
        assert_eq!(road.mails_to(BOB).len(), 1);
        assert_eq!(road.unknown().await, []);
    }
}

/// Nothing else is said of it meanwhile, whatever happens: it might be the second mail, or speak of a first
/// that never came.
#[tokio::test]
async fn while_nobody_knows_nothing_more_is_said_of_it() {
    let lost = Rule::at(Stage::EndOfData).first(1).storing().close();
    let road = about_to_tell(&[ANN], scripted([lost])).await;
    assert_eq!(road.deliver().await, UNKNOWN);
    road.hears(&[Event::opened("230000BB"), Event::withdrawn("230000AA")]).await;
    // Of something else it is.
    assert_eq!(road.drain().await, Delivered::ONE_MAIL);
    assert_eq!(road.mails_to(ANN).len(), 2);
    assert_eq!(road.drain_at(JUST_BEFORE_A_DAY).await, Delivered::NOTHING);
    let ended = Delivered { ended: 1, ..Delivered::NOTHING };
    assert_eq!(road.drain_at(AFTER_A_DAY).await, ended, "it is gone, and nobody knows that they were told");
    assert_eq!(road.unknown().await, []);
}

/// If the door shuts meanwhile, the mail that says so does not claim that nobody wrote.
#[tokio::test]
async fn what_shut_while_nobody_knew_is_told_as_it_is() {
    let lost = Rule::at(Stage::EndOfData).first(1).close();
    let road = Road::setup().smtp(scripted([lost])).at("2024-03-05T20:00:00Z").build().await;
    road.import(&[person(ANN).registered("pc-pcda")]).await;
    road.hears(&[Event::sample("11")]).await;
    assert_eq!(road.drain().await, UNKNOWN);
    road.at("2024-03-06T17:31:00Z");
    road.hears(&[Event::sample("13")]).await;
    assert_eq!(road.drain().await, Delivered::NOTHING);
    assert_eq!(road.drain_at("2024-03-06T20:00:00Z").await, Delivered::ONE_MAIL);
    let text = road.only_mail().text().unwrap();
    assert!(text.contains("may have been lost on"), "{text}");
    assert_eq!(road.six("programme/pc-pcda").await, Six { explained: 1, ..Six::default() });
}

/// An operator finds it in the mail server's log: it is told, as of when it was handed over.
#[tokio::test]
async fn an_operator_who_knows_that_it_arrived_says_so() {
    let lost = Rule::at(Stage::EndOfData).first(1).storing().close();
    let road = Road::setup().smtp(scripted([lost])).at("2024-03-05T10:00:00Z").build().await;
    road.import(&[person(ANN).registered("pc-dhep")]).await;
    road.hears(&[Event::sample("10")]).await;
    road.match_all().await;
    assert_eq!(road.deliver().await, UNKNOWN);
    let [mail] = &road.unknown().await[..] else { panic!("one mail") };
    let listed = road.run(&["unknown", "list"]).await.successful().stdout;
    assert!(listed.contains(&mail.message_id) && !listed.contains(ANN), "{listed}");
    let owed = Six { owed: 1, ..Six::default() };
    assert_eq!(road.six("programme/pc-dhep").await, owed);
    let key = mail.mail.to_string();
    road.run(&["unknown", "settle", &key]).await.successful();
    assert_eq!(road.six("programme/pc-dhep").await, Six { kept: 1, ..Six::default() });
    assert_eq!(road.unknown().await, []);
    assert_eq!(road.drain_at("2024-03-06T10:00:01Z").await, Delivered::NOTHING);
    let again = road.run(&["unknown", "settle", &key]).await;
    assert_eq!(again.code, Some(1), "{}", again.stderr);
}

/// Or does not find it: it is sent at once.
#[tokio::test]
async fn an_operator_who_knows_that_it_did_not_arrive_has_it_sent_again() {
    let road = about_to_tell(&[ANN, BOB], scripted([Rule::at(Stage::EndOfData).first(2).close()])).await;
    assert_eq!(road.deliver().await, Delivered { unknown: 2, ..Delivered::NOTHING });
    let now = road.clock.now().to_rfc3339();
    road.run(&["unknown", "resend", "--all", "--now", &now]).await.successful();
    assert_eq!(road.deliver().await, Delivered { accepted: 2, ..Delivered::NOTHING });
    assert_eq!((road.mails_to(ANN).len(), road.mails_to(BOB).len()), (1, 1));
}

/// A reply that makes no sense after the content leaves the fate of the mail open, too; before it, it does
/// not.
#[tokio::test]
async fn a_reply_that_makes_no_sense_is_no_answer() {
    for (rule, expected) in [
        (Rule::at(Stage::EndOfData).first(1).raw(b"what?\r\n".as_slice()).then_close(), UNKNOWN),
        (Rule::at(Stage::Rcpt).first(1).raw(b"250\xff\xfe\r\n".as_slice()).then_close(), DEFERRED),
        (Rule::at(Stage::Data).first(1).reply(250, "2.0.0 Fine"), DEFERRED),
        (Rule::at(Stage::EndOfData).first(1).reply(354, "Go on"), UNKNOWN),
    ] {
        let what = format!("{rule:?}");
        let road = about_to_tell(&[ANN], scripted([rule])).await;
        assert_eq!(road.deliver().await, expected, "{what}");
        road.at(AFTER_A_DAY);
        assert_eq!(road.deliver().await, Delivered::ONE_MAIL, "{what}");
    }
}

/// The replies come octet by octet, or in many lines.
#[tokio::test]
async fn slow_and_long_replies_are_understood() {
    let road = about_to_tell(
        &[ANN],
        scripted([
            Rule::at(Stage::Greeting).reply(220, "one\ntwo\nthree").dripping(),
            Rule::at(Stage::Rcpt).reply(250, "2.1.5 fine\nreally").dripping(),
            Rule::at(Stage::EndOfData).storing().reply(250, "2.0.0 queued\nas 12345").dripping(),
        ]),
    )
    .await;
    assert_eq!(road.deliver().await, Delivered::ONE_MAIL);
    assert_eq!(road.only_mail_row().await.reply.as_deref(), Some("250 2.0.0 queued as 12345"));
}
