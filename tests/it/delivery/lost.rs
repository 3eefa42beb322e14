//! The connection is lost: whatever it was, a repeat is recognisable by its Message-ID.

use std::collections::BTreeSet;

use jobalerts_dev::smtp::{Rule, Stage};

use super::{AFTER_FIRST_WAIT, ANN, BOB, about_to_tell, scripted};
use crate::harness::Delivered;

const DEFERRED: Delivered = Delivered { deferred: 1, ..Delivered::NOTHING };

/// 2.2.7: before DATA nothing can have arrived.
#[tokio::test]
async fn lost_before_the_content_a_mail_is_sent_again() {
    for stage in [Stage::Mail, Stage::Rcpt, Stage::Data] {
        for rule in [Rule::at(stage).first(1).close(), Rule::at(stage).first(1).reset()] {
            let road = about_to_tell(&[ANN], scripted([rule])).await;
            assert_eq!(road.deliver().await, DEFERRED, "{stage:?}");
            let before = road.only_mail_row().await;
            assert!(!before.reply.unwrap().contains("may have arrived"));
            road.at(AFTER_FIRST_WAIT);
            assert_eq!(road.deliver().await, Delivered::ONE_MAIL, "{stage:?}");
            assert_eq!(format!("<{}>", road.only_mail().message_id().unwrap()), before.message_id);
        }
    }
}

/// 2.2.7: after the final dot nobody knows; if it arrived, the repeat carries the same Message-ID.
#[tokio::test]
async fn lost_after_the_final_dot_a_repeat_is_recognisable() {
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
        assert_eq!(road.deliver().await, Delivered { accepted: 1, ..DEFERRED }, "{what}");
        let row = road.mail_rows().await.into_iter().find(|mail| mail.address == ANN).unwrap();
        assert!(row.reply.as_ref().unwrap().contains("it may have arrived"), "{:?}", row.reply);
        road.at(AFTER_FIRST_WAIT);
        assert_eq!(road.deliver().await, Delivered::ONE_MAIL, "{what}");
        let to_ann = road.mails_to(ANN);
        let ids: BTreeSet<String> = to_ann.iter().map(|mail| mail.message_id().unwrap()).collect();
        assert_eq!((to_ann.len(), ids.len()), (copies, 1), "{what}");
        assert_eq!(road.mails_to(BOB).len(), 1);
    }
}

/// A reply that makes no sense leaves the fate of the mail open too.
#[tokio::test]
async fn a_reply_that_makes_no_sense_is_asked_again() {
    for rule in [
        Rule::at(Stage::EndOfData).first(1).raw(b"what?\r\n".as_slice()).then_close(),
        Rule::at(Stage::Rcpt).first(1).raw(b"250\xff\xfe\r\n".as_slice()).then_close(),
        Rule::at(Stage::Data).first(1).reply(250, "2.0.0 Fine"),
        Rule::at(Stage::EndOfData).first(1).reply(354, "Go on"),
    ] {
        let what = format!("{rule:?}");
        let road = about_to_tell(&[ANN], scripted([rule])).await;
        assert_eq!(road.deliver().await, DEFERRED, "{what}");
        road.at(AFTER_FIRST_WAIT);
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
