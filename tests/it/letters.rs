//! Letters leave by the road of all mails: claimed once, retried, never lost, and the same mail when
//! they are sent again.

use std::collections::BTreeSet;
use std::sync::Arc;

use jobalerts::delivery::claim;
use jobalerts::delivery::letters::{self, Rules};
use jobalerts::store::workers::Life;
use jobalerts_dev::smtp::{Rule, SmtpServer, Stage};

use crate::harness::events::Event;
use crate::harness::people::{Person, curious, person};
use crate::harness::{Delivered, Road, soon};

const ANN: &str = "ann@example.org";
const ASKED: &str = "2023-12-01T10:00:00Z";

fn old(address: &str) -> Person {
    person(address).registered("pc-dhep").agreed_at("2022-12-01T09:00:00Z")
}

/// A road on which these people are due for the question.
async fn asked(people: &[Person], smtp: impl IntoIterator<Item = Rule>) -> Road {
    let smtp = SmtpServer::builder().script(smtp);
    let road = Road::setup().smtp(smtp).at("2023-11-30T12:00:00Z").build().await;
    road.import(people).await;
    road.match_all().await;
    road.keep_house().await;
    road.keep_house_at(ASKED).await;
    road
}

/// Of the only letter: whether it is due, whether it was sent, and why it ended.
async fn letter(road: &Road) -> (bool, bool, Option<String>) {
    let mut letters: Vec<(bool, bool, Option<String>)> =
        road.rows("select due_at is not null, sent_at is not null, ended from letters").await;
    assert_eq!(letters.len(), 1);
    letters.remove(0)
}

/// I2, I20: the retries of a letter are one mail.
#[tokio::test]
async fn a_deferred_letter_is_sent_later_as_the_same_mail() {
    for stage in [Stage::Mail, Stage::Rcpt, Stage::Data, Stage::EndOfData] {
        let road = asked(&[old(ANN)], [Rule::at(stage).first(1).reply(450, "4.2.0 Later")]).await;
        assert_eq!(road.drain().await, Delivered { deferred: 1, ..Delivered::NOTHING }, "{stage:?}");
        let first = road.only_mail_row().await;
        assert_eq!((first.attempts, first.outcome, first.openings), (1, None, vec![]));
        assert_eq!(letter(&road).await, (true, false, None));
        // Housekeeping asks nobody twice meanwhile.
        road.keep_house_at("2023-12-01T10:10:00Z").await;
        assert_eq!(road.drain().await, Delivered::NOTHING);
        assert_eq!(road.drain_at("2023-12-01T10:26:00Z").await, Delivered::ONE_MAIL);
        let last = road.only_mail_row().await;
        assert_eq!((last.attempts, last.outcome.as_deref()), (2, Some("accepted")));
        assert_eq!(last.message_id, first.message_id);
        assert_eq!(format!("<{}>", road.only_mail().message_id().unwrap()), first.message_id);
        assert_eq!(letter(&road).await, (false, true, None));
        assert_eq!(road.drain_at("2023-12-02T10:26:00Z").await, Delivered::NOTHING);
    }
}

#[tokio::test]
async fn a_letter_that_is_refused_or_given_up_has_ended() {
    let road = asked(&[old(ANN)], [Rule::at(Stage::Rcpt).reply(550, "5.1.1 No such user")]).await;
    assert_eq!(road.drain().await.failed, 1);
    assert_eq!(letter(&road).await, (false, false, Some("refused".to_owned())));
    let mut road = asked(&[old(ANN)], [Rule::at(Stage::Rcpt).reply(450, "4.2.0 Later")]).await;
    road.reconfigure("smtp.give_up_after", "30m");
    assert_eq!(road.drain().await.deferred, 1);
    assert_eq!(road.drain_at("2023-12-01T10:26:00Z").await.failed, 1);
    assert_eq!(letter(&road).await, (false, false, Some("given-up".to_owned())));
}

/// The server went away after the content: the repeat is the same mail.
#[tokio::test]
async fn a_letter_whose_fate_is_unknown_is_sent_again_a_day_later_as_the_same_mail() {
    let road = asked(&[old(ANN)], [Rule::at(Stage::EndOfData).first(1).storing().close()]).await;
    assert_eq!(road.drain().await.unknown, 1);
    assert_eq!(road.drain_at("2023-12-01T12:00:00Z").await, Delivered::NOTHING);
    assert_eq!(road.drain_at("2023-12-02T10:00:00Z").await, Delivered::ONE_MAIL);
    let ids: BTreeSet<String> = road.mails().iter().map(|mail| mail.message_id().unwrap()).collect();
    assert_eq!((road.mails().len(), ids.len()), (2, 1));
}

/// Everything is looked at again at the claim.
#[tokio::test]
async fn what_has_changed_since_it_was_due_is_heeded() {
    for (change, reason) in [
        ("update subscribers set state = 'suppressed'", "not-active"),
        ("delete from consents", "not-active"),
        ("delete from registrations", "nothing-asked"),
        ("update registrations set valid_until = '2023-11-30'", "nothing-asked"),
        (
            "insert into consents select subscriber_id, '2023-12-01T09:59:00Z', 'w', 's', now() from consents",
            "answered",
        ),
    ] {
        let road = asked(&[old(ANN)], []).await;
        road.sql(change).await;
        assert_eq!(road.drain().await, Delivered { ended: 1, ..Delivered::NOTHING }, "{change}");
        assert_eq!(letter(&road).await, (false, false, Some(reason.to_owned())), "{change}");
    }
}

/// A mail that was begun ends with its letter.
#[tokio::test]
async fn a_stop_between_two_tries_ends_the_mail_too() {
    let road = asked(&[old(ANN)], [Rule::at(Stage::Rcpt).first(1).reply(450, "4.2.0 Later")]).await;
    assert_eq!(road.drain().await.deferred, 1);
    road.sql("update subscribers set state = 'suppressed'").await;
    assert_eq!(road.drain_at("2023-12-01T10:26:00Z").await, Delivered { ended: 1, ..Delivered::NOTHING });
    assert_eq!(road.only_mail_row().await.outcome.as_deref(), Some("superseded"));
}

/// One mail at a time is in hand, whatever it is about; and each is sent.
#[tokio::test]
async fn a_letter_and_an_alert_are_two_mails() {
    let road = asked(&[curious(ANN).agreed_at("2022-12-01T09:00:00Z")], []).await;
    road.hears(&[Event::opened("230000AA").at("2023-12-01T09:59:00Z")]).await;
    assert_eq!(road.drain().await.accepted, 2);
    let mut kinds = road.kinds_to(ANN).await;
    kinds.sort();
    assert_eq!(kinds, ["still-interested", "vacancy-alert"]);
}

/// A letter that is put off does not keep the alerts of that person back, nor the other way round.
#[tokio::test]
async fn a_deferred_letter_holds_no_alert_back() {
    let later = Rule::at(Stage::Rcpt).first(1).reply(450, "4.2.0 Later");
    let road = asked(&[curious(ANN).agreed_at("2022-12-01T09:00:00Z")], [later]).await;
    assert_eq!(road.drain().await.deferred, 1);
    road.hears(&[Event::opened("230000AA").at("2023-12-01T09:59:00Z")]).await;
    assert_eq!(road.drain().await, Delivered::ONE_MAIL);
    assert_eq!(road.kinds_to(ANN).await, ["vacancy-alert"]);
    assert_eq!(road.drain_at("2023-12-01T10:26:00Z").await, Delivered::ONE_MAIL);
    assert_eq!(road.kinds_to(ANN).await, ["vacancy-alert", "still-interested"]);
}

/// What a worker has in hand is nobody else's while it lives, and everybody's when it is dead.
#[tokio::test]
async fn a_worker_that_dies_leaves_the_letter_to_others() {
    let road = asked(&[old(ANN)], []).await;
    let mails = claim::Rules::new(road.config(), Arc::clone(road.program().taxonomy()), "midshire.example");
    let rules = Rules { patience: road.config().patience(), mails: &mails };
    let now = road.clock.now();
    let life = Life::begin(road.config().database.url.expose()).await.unwrap();
    let claimed = letters::claim(road.pool(), rules, life.number(), 10, now).await.unwrap();
    assert_eq!((claimed.people, claimed.letters.len()), (1, 1));
    let again = letters::claim(road.pool(), rules, life.number(), 10, now).await.unwrap();
    assert_eq!((again.people, again.letters.len()), (0, 0));
    assert_eq!(road.drain().await, Delivered::NOTHING);
    drop(life);
    road.free_orphans().await;
    assert_eq!(road.drain().await, Delivered::ONE_MAIL);
    let row = road.only_mail_row().await;
    assert_eq!(row.message_id, claimed.letters[0].errand.message_id.as_str());
    assert_eq!(letter(&road).await, (false, true, None));
}

/// OPS-2: SIGKILL at any moment. Everybody is asked, and a repeat is the same mail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_everybody_is_asked() {
    const PEOPLE: usize = 300;
    let people: Vec<Person> = (0..PEOPLE).map(|n| old(&format!("p{n}@example.org"))).collect();
    let road = Road::setup().at("2023-11-30T12:00:00Z").build().await;
    road.import(&people).await;
    road.match_all().await;
    road.keep_house().await;
    road.at(ASKED);
    let mut kills = 0;
    while road.mails().len() + 70 < PEOPLE {
        let daemon = road.daemon().await;
        soon("more mails", road.smtp.wait_for(road.mails().len() + 50)).await;
        daemon.kill().await;
        kills += 1;
    }
    assert!(kills > 2);
    road.free_orphans().await;
    // The daemons' clocks have gone on.
    road.drain_at("2023-12-01T10:10:00Z").await;
    let ids: BTreeSet<String> = road.mails().iter().map(|mail| mail.message_id().unwrap()).collect();
    assert_eq!(ids.len(), road.mails().len(), "nobody is asked twice");
    let unknown = road.count("select count(*) from mails where leaving is not null").await;
    assert!(
        usize::try_from(unknown).unwrap() <= kills * 2,
        "{unknown} unknown, {kills} kills of two connections"
    );
    assert_eq!(road.count("select count(*) from letters where sent_at is not null").await, 300 - unknown);
    // A day later nobody has said what became of those.
    road.drain_at("2023-12-02T10:20:00Z").await;
    let ids: BTreeSet<String> = road.mails().iter().map(|mail| mail.message_id().unwrap()).collect();
    assert_eq!(ids.len(), PEOPLE, "everybody is asked, and a repeat is the same mail");
    assert_eq!(road.count("select count(*) from letters where sent_at is not null").await, 300);
    assert_eq!(road.count("select count(*) from letters").await, 300);
}

/// A letter is no haste: it waits for the end of quiet hours, and of a pause.
#[tokio::test]
async fn letters_wait_for_the_right_hour() {
    let people = [old(ANN).quiet("09:00", "12:00"), old("bob@example.org").paused("2023-12-05", false)];
    let road = asked(&people, []).await;
    assert_eq!(road.drain().await.accepted, 0);
    assert_eq!(road.drain_at("2023-12-01T11:59:59Z").await.accepted, 0);
    assert_eq!(road.drain_at("2023-12-01T12:00:00Z").await.accepted, 1);
    assert_eq!(road.kinds_to(ANN).await, ["still-interested"]);
    assert_eq!(road.drain_at("2023-12-04T23:59:59Z").await.accepted, 0);
    assert_eq!(road.drain_at("2023-12-05T00:00:00Z").await.accepted, 1);
    assert_eq!(road.kinds_to("bob@example.org").await, ["still-interested"]);
}

/// It counts among the mails of no haste that people get on one day.
#[tokio::test]
async fn a_letter_waits_on_a_day_of_many_mails() {
    let road = Road::setup().set("guards.unhurried_a_day", "1").at("2023-11-30T12:00:00Z").build().await;
    road.import(&[old(ANN).wants("All", "daily")]).await;
    road.keep_house().await;
    road.hears(&[Event::opened("230000AA").at("2023-11-30T12:00:00Z")]).await;
    assert_eq!(road.drain_at("2023-12-01T08:00:00Z").await, Delivered::ONE_MAIL);
    road.keep_house_at(ASKED).await;
    assert_eq!(road.drain().await.accepted, 0);
    assert_eq!(road.drain_at("2023-12-02T08:00:00Z").await, Delivered::ONE_MAIL);
    assert_eq!(road.kinds_to(ANN).await, ["digest", "still-interested"]);
}
