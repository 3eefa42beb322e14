//! A mail of which nobody knew whether it arrived comes back, is sent again, and comes back again.

use jobalerts::returns::Taken;
use jobalerts::store::returns::Answer;
use jobalerts_dev::smtp::{Rule, SmtpServer, Stage};

use super::{ANN, NEW};
use crate::harness::events::Event;
use crate::harness::people::curious;
use crate::harness::{Delivered, Road};

/// S07: each time that it was sent is a fact of its own, and each report of it counts once.
#[tokio::test]
async fn a_mail_that_was_sent_again_comes_back_again() {
    let lost = Rule::at(Stage::EndOfData).first(1).storing().close();
    let road = Road::setup().smtp(SmtpServer::builder().script([lost])).build().await;
    road.import(&[curious(ANN)]).await;
    road.hears(&[Event::opened("230000AA")]).await;
    road.match_all().await;
    assert_eq!(road.deliver().await, Delivered { unknown: 1, ..Delivered::NOTHING });
    assert_eq!(road.comes_back("postfix-mailbox-full", ANN).await, NEW);
    assert_eq!(road.comes_back("postfix-mailbox-full", ANN).await, Taken::Bounce(Answer::Again));

    assert_eq!(road.drain_at("2023-11-15T09:00:00Z").await, Delivered::ONE_MAIL);
    assert_eq!(road.count("select count(*) from mails").await, 1, "the same mail");
    assert_eq!(road.comes_back("postfix-mailbox-full", ANN).await, NEW);
    assert_eq!(road.comes_back("postfix-mailbox-full", ANN).await, Taken::Bounce(Answer::Again));
    let days = "select count(distinct at::date) from returns where weight = 'soft'";
    assert_eq!(road.count(days).await, 2);
    let untold =
        "select count(*) from alerts where told_revision is null and due_at = '2023-11-16T09:00:00Z'";
    assert_eq!(road.count(untold).await, 1, "it is told again a day later");
}

/// So it is when the mail server itself says so the second time.
#[tokio::test]
async fn a_mail_that_was_sent_again_is_refused() {
    let lost = Rule::at(Stage::EndOfData).first(1).storing().close();
    let road = Road::setup().smtp(SmtpServer::builder().script([lost])).build().await;
    road.import(&[curious(ANN)]).await;
    road.hears(&[Event::opened("230000AA")]).await;
    road.match_all().await;
    road.deliver().await;
    assert_eq!(road.comes_back("postfix-mailbox-full", ANN).await, NEW);
    road.smtp.set_script([Rule::at(Stage::Rcpt).reply(550, "5.1.1 No such user")]);
    assert_eq!(road.drain_at("2023-11-15T09:00:00Z").await, Delivered { failed: 1, ..Delivered::NOTHING });
    assert_eq!(road.suppressed().await, ["hard-bounce"]);
    assert_eq!(road.state_of(ANN).await, "suppressed");
}
