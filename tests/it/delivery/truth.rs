//! The truth goes on while a mail waits for its retry.

use std::collections::BTreeSet;

use jobalerts_dev::smtp::{Rule, Stage};

use super::{AFTER_FIRST_WAIT, ANN, about_to_tell, scripted};
use crate::harness::events::Event;
use crate::harness::{Delivered, Road};

const DEFERRED: Delivered = Delivered { deferred: 1, ..Delivered::NOTHING };

async fn deferred_once() -> Road {
    let rule = Rule::at(Stage::Rcpt).first(1).reply(450, "4.2.0 Later");
    let road = about_to_tell(&[ANN], scripted([rule])).await;
    assert_eq!(road.deliver().await, DEFERRED);
    road
}

/// I3, OPS-6.
#[tokio::test]
async fn what_closes_while_a_mail_waits_is_not_told() {
    for (event, ended) in [(Event::closed("230000AA"), 0), (Event::withdrawn("230000AA"), 1)] {
        let road = deferred_once().await;
        road.hears(&[event.at("2023-11-13T08:40:00Z")]).await;
        assert_eq!(road.drain_at(AFTER_FIRST_WAIT).await, Delivered { ended, ..Delivered::NOTHING });
        assert_eq!(road.only_mail_row().await.outcome.as_deref(), Some("superseded"));
        assert_eq!(road.endings().await, [(ended == 1).then(|| "withdrawn".to_owned())]);
        assert_eq!(road.mails().len(), 0);
    }
}

/// I20: what tells something else is another mail.
#[tokio::test]
async fn what_is_corrected_while_a_mail_waits_is_told_as_it_is_now() {
    let road = deferred_once().await;
    let before = road.only_mail_row().await.message_id;
    road.hears(&[Event::closes_earlier("230000AA", "2023-12-04T12:00:00Z")]).await;
    assert_eq!(road.drain_at(AFTER_FIRST_WAIT).await, Delivered::ONE_MAIL);
    let mail = road.only_mail();
    assert!(
        mail.text().unwrap().contains("Closes at noon on Monday 4 December 2023"),
        "{}",
        mail.text().unwrap()
    );
    let row = road.only_mail_row().await;
    assert_ne!(row.message_id, before);
    assert_eq!(row.message_id, format!("<{}>", mail.message_id().unwrap()));
    assert_eq!(road.only_alert().await.told_revision, Some(2));
}

/// A mail that waits stays the mail it is; what comes meanwhile is another.
#[tokio::test]
async fn a_new_alert_does_not_change_a_mail_that_waits() {
    let road = deferred_once().await;
    let waiting = road.only_mail_row().await;
    road.hears(&[Event::opened("230000BB")]).await;
    assert_eq!(road.drain_at("2023-11-13T08:40:00Z").await, Delivered::ONE_MAIL);
    assert_eq!(road.drain_at(AFTER_FIRST_WAIT).await, Delivered::ONE_MAIL);
    let rows = road.mail_rows().await;
    assert_eq!(rows.len(), 2);
    assert_eq!((&rows[0].message_id, &rows[0].openings), (&waiting.message_id, &waiting.openings));
    assert!(rows.iter().all(|row| row.outcome.as_deref() == Some("accepted")));
    let arrived: BTreeSet<String> = road.mails().iter().map(|mail| mail.message_id().unwrap()).collect();
    let recorded: BTreeSet<String> =
        rows.iter().map(|row| row.message_id.trim_matches(['<', '>']).to_owned()).collect();
    assert_eq!(arrived, recorded);
}

/// Both are due at the same moment: still two mails, each with its own identity.
#[tokio::test]
async fn a_new_alert_that_is_due_with_a_waiting_mail_is_a_mail_of_its_own() {
    let road = deferred_once().await;
    let waiting = road.only_mail_row().await;
    road.hears(&[Event::opened("230000BB")]).await;
    assert_eq!(road.drain_at(AFTER_FIRST_WAIT).await, Delivered { accepted: 2, ..Delivered::NOTHING });
    let rows = road.mail_rows().await;
    assert_eq!(rows.len(), 2);
    assert_eq!((&rows[0].message_id, &rows[0].openings), (&waiting.message_id, &waiting.openings));
    assert_eq!(rows[0].attempts, 2);
    assert_eq!(rows[1].openings.len(), 1);
    assert_ne!(rows[1].openings, rows[0].openings);
}

/// I5.
#[tokio::test]
async fn who_stops_while_a_mail_waits_gets_none() {
    let road = deferred_once().await;
    road.sql("update subscribers set state = 'suppressed'").await;
    assert_eq!(road.drain_at(AFTER_FIRST_WAIT).await, Delivered { ended: 1, ..Delivered::NOTHING });
    assert_eq!(road.only_mail_row().await.outcome.as_deref(), Some("superseded"));
}

/// One of two vacancies closes while the mail about both waits: the mail tells of the other.
#[tokio::test]
async fn a_mail_about_two_goes_on_with_the_one_that_is_left() {
    let road = Road::setup()
        .smtp(scripted([Rule::at(Stage::Rcpt).first(1).reply(450, "4.2.0 Later")]))
        .build()
        .await;
    road.import(&[crate::harness::people::curious(ANN)]).await;
    road.hears(&[Event::opened("230000AA"), Event::opened("230000BB").titled("Blacksmith")]).await;
    assert_eq!(road.drain().await, DEFERRED);
    road.hears(&[Event::closed("230000AA").at("2023-11-13T08:40:00Z")]).await;
    let delivered = road.drain_at(AFTER_FIRST_WAIT).await;
    assert_eq!(delivered, Delivered { accepted: 1, ..Delivered::NOTHING });
    assert!(road.only_mail().subject().unwrap().contains("Blacksmith"));
    assert_eq!(road.only_mail_row().await.outcome.as_deref(), Some("accepted"));
}
