//! A provider, or a mail server, takes nothing from us: its mails wait, one finds out, and nobody
//! else is held up.

use jobalerts::stage::{Bell, Stage as _};
use jobalerts_dev::smtp::{Rule, SmtpServer, Stage};

use super::{AFTER_FIRST_WAIT, AFTER_SECOND_WAIT, another, people_at, scripted};
use crate::harness::events::Event;
use crate::harness::rows::Mail;
use crate::harness::{Delivered, MONDAY, Road, soon, time};

/// After the first opening of a breaker, five minutes and their quarter.
const AFTER_FIRST_OPENING: &str = "2023-11-13T08:38:00Z";
/// After the second, ten minutes and theirs.
const AFTER_SECOND_OPENING: &str = "2023-11-13T08:51:00Z";

const POLICY: &str = "5.7.26 This mail has been blocked because the sender is unauthenticated.";

const BUSY: &str = "4.3.2 Please try again later";

fn google() -> Rule {
    Rule::at(Stage::Rcpt).matching(|said| said.ends_with("@gmail.com") || said.ends_with("@googlemail.com"))
}

/// A road on which four people of one provider, at two domains, and two others are about to hear.
async fn about_to_tell(rules: impl IntoIterator<Item = Rule>, settings: &[(&str, &str)]) -> Road {
    let mut setup = Road::setup().smtp(scripted(rules)).set("smtp.connections", "1");
    for (key, value) in settings {
        setup = setup.set(key, value);
    }
    let road = setup.build().await;
    let people =
        [people_at("gmail.com", 2), people_at("googlemail.com", 2), people_at("example.org", 2)].concat();
    road.import(&people).await;
    road.hears(&[Event::opened("230000AA")]).await;
    road.match_all().await;
    road
}

async fn breakers(road: &Road) -> Vec<(String, String, i32, String)> {
    road.rows("select scope, state, times, reason from breakers order by scope").await
}

fn rcpts(road: &Road, domain: &str) -> usize {
    let ending = format!("@{domain}>");
    let commands = road.smtp.commands().into_iter();
    commands.filter(|line| line.starts_with("RCPT") && line.contains(&ending)).count()
}

/// S07: what a provider has against the sender is no person's fault.
#[tokio::test]
async fn a_policy_ends_no_mail_and_opens_the_breaker_of_the_provider() {
    let road = about_to_tell([google().first(3).reply(550, POLICY)], &[]).await;
    assert_eq!(road.deliver().await, Delivered { accepted: 2, deferred: 3, ..Delivered::NOTHING });
    assert!(road.mails().iter().all(|mail| mail.rcpt_to[0].ends_with("@example.org")));
    assert_eq!(
        breakers(&road).await,
        [("provider/google".to_owned(), "open".to_owned(), 1, "550 5.7.26".to_owned())]
    );
    let deferred = "select count(*) from mails where outcome is null and verdict = 'policy' and attempts = 1";
    assert_eq!(road.count(deferred).await, 3);
    assert_eq!(road.count("select count(*) from alerts where due_at <= '2023-11-13T08:31:00Z'").await, 1);
    assert_eq!(road.deliver().await, Delivered::NOTHING, "also after a restart");

    let status = road.run(&["status"]).await.looked().stdout;
    let line = status.lines().find(|line| line.starts_with("left alone")).expect("it is told");
    assert!(line.contains("provider/google") && line.contains("550 5.7.26"), "{line}");
    assert!(!status.contains('@'), "{status}");

    // One finds out, and the others follow when their own next try has come.
    road.at(AFTER_FIRST_OPENING);
    assert_eq!(road.deliver().await, Delivered::ONE_MAIL);
    assert_eq!(breakers(&road).await, []);
    road.at(AFTER_FIRST_WAIT);
    assert_eq!(road.deliver().await, Delivered { accepted: 3, ..Delivered::NOTHING });
    assert_eq!(road.mails().len(), 6);
}

/// S07: one mailbox may have a rule of its own, and so may two.
#[tokio::test]
async fn a_mailbox_that_wants_nothing_from_us_holds_nobody_else_up() {
    let rule = Rule::at(Stage::Rcpt).matching(|said| said.contains("p0@g")).reply(550, "5.7.1 Not wanted");
    let road = about_to_tell([rule], &[]).await;
    assert_eq!(road.deliver().await, Delivered { accepted: 4, deferred: 2, ..Delivered::NOTHING });
    assert_eq!(breakers(&road).await, [], "others were taken in between");
    road.at(AFTER_FIRST_WAIT);
    assert_eq!(road.deliver().await, Delivered { deferred: 2, ..Delivered::NOTHING });
    let known = "select state, array(select unnest(people) order by 1) from breakers";
    let kept: Vec<(String, Vec<i64>)> = road.rows(known).await;
    assert_eq!(kept, [("closed".to_owned(), vec![2, 3])], "another process would know");
    road.at(AFTER_SECOND_WAIT);
    assert_eq!(road.deliver().await, Delivered { deferred: 2, ..Delivered::NOTHING });
    assert_eq!(road.rows::<(String, Vec<i64>)>(known).await, kept);
}

/// The mail that is to find out may go to one of those: the next one finds out at once.
#[tokio::test]
async fn a_mailbox_that_wants_nothing_from_us_does_not_keep_its_provider_shut() {
    let road = about_to_tell([google().first(3).reply(550, POLICY)], &[]).await;
    assert_eq!(road.deliver().await, Delivered { accepted: 2, deferred: 3, ..Delivered::NOTHING });
    road.smtp.set_script([Rule::at(Stage::Rcpt)
        .matching(|said| said.contains("p1@googlemail.com"))
        .reply(550, "5.7.1 Not wanted")]);
    road.at(AFTER_FIRST_OPENING);
    assert_eq!(road.deliver().await, Delivered { deferred: 1, ..Delivered::NOTHING });
    let found = breakers(&road).await;
    assert_eq!((found[0].1.as_str(), found[0].2), ("open", 1), "for no longer than before");
    road.sql("update alerts set due_at = '2023-11-13T08:38:00Z' where due_at is not null").await;
    assert_eq!(road.deliver().await, Delivered { accepted: 3, deferred: 1, ..Delivered::NOTHING });
    assert_eq!(rcpts(&road, "gmail.com") + rcpts(&road, "googlemail.com"), 3 + 1 + 4);
}

/// One process finds out for all, and one mail is enough to find out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_process_finds_out_another_need_not() {
    let busy = google().first(2).reply(451, BUSY);
    let road = about_to_tell([busy], &[("providers.breaker_run", "1")]).await;
    assert_eq!(road.deliver().await, Delivered { accepted: 2, deferred: 1, ..Delivered::NOTHING });
    let both = async |now: &str| {
        road.at(now);
        let programs = [another(&road), another(&road)];
        let [mut one, mut two] =
            programs.each_ref().map(|program| program.delivery(Bell::default()).unwrap());
        let (first, second) = soon("both", Box::pin(async { tokio::join!(one.drain(), two.drain()) })).await;
        first.unwrap();
        second.unwrap();
        soon("the ends", async { tokio::join!(one.finish(), two.finish()) }).await;
    };
    both(MONDAY).await;
    assert_eq!(rcpts(&road, "gmail.com") + rcpts(&road, "googlemail.com"), 1);
    both(AFTER_FIRST_OPENING).await;
    assert_eq!(rcpts(&road, "gmail.com") + rcpts(&road, "googlemail.com"), 2, "one of two processes asked");
    assert_eq!(
        breakers(&road).await,
        [("provider/google".to_owned(), "open".to_owned(), 2, "451 4.3.2".to_owned())]
    );
    both(AFTER_SECOND_OPENING).await;
    assert_eq!(breakers(&road).await, []);
    both("2023-11-13T10:31:00Z").await;
    assert_eq!(road.mails().len(), 6);
}

/// Whoever was to find out is gone: another finds out when that has taken too long.
#[tokio::test]
async fn a_probe_that_is_lost_is_made_again() {
    let busy = google().first(1).reply(451, BUSY);
    let road = about_to_tell([busy], &[("providers.breaker_run", "1")]).await;
    road.deliver().await;
    road.sql("update breakers set state = 'probing', until = '2023-11-13T09:30:00Z'").await;
    road.at("2023-11-13T09:29:59Z");
    assert_eq!(road.deliver().await, Delivered::NOTHING);
    road.at("2023-11-13T09:30:00Z");
    assert_eq!(road.deliver().await, Delivered { accepted: 4, ..Delivered::NOTHING });
}

#[tokio::test]
async fn a_run_of_mails_that_the_server_puts_off_opens_the_breaker() {
    let busy = google().reply(451, BUSY);
    let road = about_to_tell([busy], &[("providers.breaker_run", "3")]).await;
    assert_eq!(road.deliver().await, Delivered { accepted: 2, deferred: 3, ..Delivered::NOTHING });
    assert_eq!(
        breakers(&road).await,
        [("provider/google".to_owned(), "open".to_owned(), 1, "451 4.3.2".to_owned())]
    );
    road.smtp.set_script([]);
    road.at(AFTER_FIRST_OPENING);
    assert_eq!(road.deliver().await, Delivered::ONE_MAIL);
    assert_eq!(breakers(&road).await, []);
}

/// S12: greylisting is about one mailbox and one sender; the second try, from the same sender, gets
/// through.
#[tokio::test]
async fn greylisting_opens_nothing_and_the_second_try_is_the_same() {
    let greylist =
        Rule::at(Stage::Rcpt).each_recipient().first(1).reply(450, "4.7.1 Greylisted, please wait");
    let road = about_to_tell([greylist], &[("providers.breaker_run", "1")]).await;
    assert_eq!(road.deliver().await, Delivered { deferred: 6, ..Delivered::NOTHING });
    assert_eq!(breakers(&road).await, []);
    let senders = |road: &Road| {
        let mut senders: Vec<String> =
            road.smtp.commands().into_iter().filter(|line| line.starts_with("MAIL")).collect();
        senders.sort();
        senders
    };
    let first = senders(&road);
    let ids = |rows: Vec<Mail>| rows.into_iter().map(|mail| mail.message_id).collect::<Vec<_>>();
    let written = ids(road.mail_rows().await);
    road.at(AFTER_FIRST_WAIT);
    assert_eq!(road.deliver().await, Delivered { accepted: 6, ..Delivered::NOTHING });
    assert_eq!(ids(road.mail_rows().await), written);
    let both = senders(&road);
    assert_eq!(both.len(), 12);
    assert!(both.chunks(2).all(|pair| pair[0] == pair[1]), "{both:?}");
    assert_eq!(first.len(), 6);
}

/// S04: a connection that is lost is nobody's try.
#[tokio::test]
async fn lost_connections_are_no_tries_and_open_the_breaker() {
    let lost = google().close();
    let road = about_to_tell([lost], &[("providers.breaker_run", "2")]).await;
    assert_eq!(road.deliver().await, Delivered { accepted: 2, deferred: 2, ..Delivered::NOTHING });
    let waiting = "select count(*) from mails where outcome is null and attempts = 0 and verdict = 'away'";
    assert_eq!(road.count(waiting).await, 2);
    let found = breakers(&road).await;
    assert_eq!((found.len(), found[0].0.as_str(), found[0].1.as_str()), (1, "provider/google", "open"));
}

/// S05: a refused sender is no recipient's fault; nothing ends by it.
#[tokio::test]
async fn a_refused_sender_holds_everything_and_ends_nothing() {
    let refused =
        Rule::at(Stage::Mail).first(1).reply(550, "5.1.8 Sender address rejected: Domain not found");
    let road = about_to_tell([refused], &[]).await;
    assert_eq!(road.deliver().await, Delivered { deferred: 1, ..Delivered::NOTHING });
    assert_eq!(
        breakers(&road).await,
        [("relay/smtp".to_owned(), "open".to_owned(), 1, "550 5.1.8".to_owned())]
    );
    assert_eq!(road.deliver().await, Delivered::NOTHING);
    road.at(AFTER_FIRST_OPENING);
    assert_eq!(road.deliver().await, Delivered { accepted: 5, ..Delivered::NOTHING });
    assert_eq!(breakers(&road).await, []);
    assert_eq!(road.endings().await, [None, None, None, None, None, None]);
}

/// What ends a mail is written down by whose fault it was.
#[tokio::test]
async fn verdicts_say_whose_fault_it_was() {
    for (code, reply, ends, verdict) in [
        (550, "5.1.1 No such user", true, "no-mailbox"),
        (550, "5.2.1 Mailbox disabled", true, "shut"),
        (552, "5.2.2 Mailbox full", true, "full"),
        (452, "4.2.2 Mailbox full", false, "full"),
        (552, "5.3.4 Too large", true, "too-large"),
        (552, "5.5.3 Too many recipients", false, "later"),
        (452, "4.5.3 Too many recipients", false, "later"),
        (451, "4.3.0 Try again", false, "busy"),
        (550, "5.4.1 Access denied", true, "refused"),
    ] {
        let rule = Rule::at(Stage::Rcpt).reply(code, reply);
        let road = super::about_to_tell(&[super::ANN], scripted([rule])).await;
        let delivered = road.deliver().await;
        assert_eq!((delivered.failed, delivered.deferred), (u64::from(ends), u64::from(!ends)), "{reply}");
        let found: Option<String> = road.value("select verdict from mails").await;
        assert_eq!(found.as_deref(), Some(verdict), "{reply}");
    }
}

/// S03: a mail that waits for its next try is not sent when what it tells is over by then.
#[tokio::test]
async fn a_door_that_has_shut_ends_the_tries() {
    let road = Road::setup()
        .smtp(SmtpServer::builder().script([Rule::at(Stage::Rcpt).reply(451, "4.3.0 Later")]))
        .build()
        .await;
    road.import(&people_at("example.org", 1)).await;
    road.hears(&[Event::opened("230000AA").shuts("2023-11-13T08:50:00Z")]).await;
    road.match_all().await;
    assert_eq!(road.deliver().await.deferred, 1);
    assert!(road.only_alert().await.due_at.unwrap() < time(AFTER_FIRST_WAIT));
    road.smtp.set_script([]);
    road.at(AFTER_FIRST_WAIT);
    let delivered = road.drain().await;
    assert_eq!(delivered.accepted, 0, "{delivered:?}");
    assert_eq!(road.only_mail_row().await.outcome.as_deref(), Some("superseded"));
}
