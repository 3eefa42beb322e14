//! A registration of interest is a promise: programmes that are announced, scheduled, moved, opened,
//! shut, opened again, and what each person who registered hears of it.

use std::collections::BTreeSet;

use jobalerts_dev::smtp::{Rule, SmtpServer, Stage as SmtpStage};
use serde_json::{Value, json};

use crate::harness::events::Event;
use crate::harness::people::{Person, person};
use crate::harness::rows::Six;
use crate::harness::{Delivered, Road, soon};

const ANN: &str = "ann@example.org";
const BOB: &str = "bob@example.org";
const CEE: &str = "cee@example.org";
const DEE: &str = "dee@example.org";

const DHEP: &str = "programme/pc-dhep";
const PCDA: &str = "programme/pc-pcda";

/// A road on which these people registered last year.
async fn road(people: &[Person]) -> Road {
    let road = Road::setup().with_guards().at("2024-02-19T10:00:00Z").build().await;
    road.import(people).await;
    road.match_all().await;
    road
}

fn accepted(mails: u64) -> Delivered {
    Delivered { accepted: mails, ..Delivered::NOTHING }
}

/// Three who wait for the degree-holder route, and one for any.
fn four() -> Vec<Person> {
    let dhep = [ANN, BOB, CEE].map(|address| person(address).registered("pc-dhep"));
    dhep.into_iter().chain([person(DEE).registered("pc-any")]).collect()
}

async fn happens(road: &Road, at: &str, events: &[Event]) {
    road.at(at);
    road.hears(events).await;
}

/// SUB-2, SUB-3.
#[tokio::test]
async fn the_date_and_then_the_opening() {
    let road = road(&four()).await;
    happens(&road, "2024-02-19T10:00:00Z", &[Event::sample("09")]).await;
    assert_eq!(road.drain().await, accepted(4));
    for mail in road.mails() {
        for part in [mail.text().unwrap(), mail.html().unwrap()] {
            assert!(part.contains("Tuesday 5 March 2024, 10am"), "{part}");
            assert!(part.contains("Tuesday 19 March 2024, noon"), "{part}");
        }
        assert!(mail.header("In-Reply-To").is_none());
    }
    assert_eq!(road.six(DHEP).await, Six { owed: 4, ..Six::default() });
    let advance = "select count(*) from alerts where promise and advance_told_at is not null";
    assert_eq!(road.count(advance).await, 4);

    happens(&road, "2024-03-05T10:00:00Z", &[Event::sample("10")]).await;
    assert_eq!(road.drain().await, Delivered::NOTHING, "doors settle");
    assert_eq!(road.drain_at("2024-03-05T10:02:00Z").await, accepted(4));
    assert_eq!(road.six(DHEP).await, Six { kept: 4, ..Six::default() });
    for address in [ANN, BOB, CEE, DEE] {
        assert_eq!(road.kinds_to(address).await, ["opening-date", "open-now"]);
    }
    // The deadline that was told passes, and there is nothing more to say.
    happens(&road, "2024-03-19T12:05:00Z", &[]).await;
    assert_eq!(road.drain_at("2024-03-20T12:05:00Z").await, Delivered::NOTHING);
    assert_eq!(road.six(DHEP).await, Six { kept: 4, ..Six::default() });
}

/// SUB-4: the receipt and the news are one mail.
#[tokio::test]
async fn who_registers_while_it_is_open_hears_at_once() {
    let road = road(&[]).await;
    happens(&road, "2024-03-05T10:00:00Z", &[Event::sample("10")]).await;
    assert_eq!(road.drain_at("2024-03-06T09:00:00Z").await, Delivered::NOTHING);
    road.import(&[person(ANN).registered("pc-any").agreed_at("2024-03-06T09:00:00Z")]).await;
    assert_eq!(road.drain().await, accepted(1));
    let text = road.only_mail().text().unwrap();
    assert!(text.contains("You are registered for"), "{text}");
    assert_eq!(road.kinds_to(ANN).await, ["open-now"]);
    assert_eq!(road.six(DHEP).await, Six { kept: 1, ..Six::default() });
    assert_eq!(road.drain_at("2024-03-07T09:00:00Z").await, Delivered::NOTHING);
}

#[tokio::test]
async fn who_registers_while_it_is_scheduled_hears_the_date_at_once() {
    let road = road(&[]).await;
    happens(&road, "2024-02-19T10:00:00Z", &[Event::sample("09")]).await;
    road.drain().await;
    road.import(&[person(ANN).registered("pc-dhep").agreed_at("2024-02-20T09:00:00Z")]).await;
    assert_eq!(road.drain_at("2024-02-20T09:00:00Z").await, accepted(1));
    assert_eq!(road.kinds_to(ANN).await, ["opening-date"]);
    assert_eq!(road.six(DHEP).await, Six { owed: 1, ..Six::default() });
}

/// Who registers when a cycle is over is owed the next one, and not this.
#[tokio::test]
async fn who_registers_after_it_shut_is_owed_the_next_one() {
    let road = road(&[]).await;
    happens(&road, "2024-03-05T10:00:02Z", &[Event::sample("11")]).await;
    happens(&road, "2024-03-06T17:30:00Z", &[Event::sample("13")]).await;
    road.drain_at("2024-03-06T18:30:00Z").await;
    road.import(&[person(ANN).registered("pc-pcda").agreed_at("2024-03-07T09:00:00Z")]).await;
    assert_eq!(road.drain_at("2024-03-07T09:00:00Z").await, Delivered::NOTHING);
    assert_eq!(road.six(PCDA).await, Six::default());
    let next = Event::like("11").version(12).cycle(Some("2024-autumn")).at("2024-09-02T09:00:00Z");
    let next = next.with("/data/openedAt", "2024-09-02T09:00:00Z").shuts("2024-09-30T12:00:00Z");
    happens(&road, "2024-09-02T09:00:00Z", &[next]).await;
    assert_eq!(road.drain_at("2024-09-02T09:02:00Z").await, accepted(1));
    assert_eq!(road.six(PCDA).await, Six { kept: 1, ..Six::default() });
}

/// SUB-9, N39.
#[tokio::test]
async fn who_wants_to_hear_nothing_before_a_month_hears_nothing() {
    let road = road(&[person(ANN).registered_from("pc-dhep", "2024-07")]).await;
    happens(&road, "2024-02-19T10:00:00Z", &[Event::sample("09")]).await;
    road.drain().await;
    happens(&road, "2024-03-05T10:00:00Z", &[Event::sample("10")]).await;
    road.drain_at("2024-03-05T10:02:00Z").await;
    assert_eq!(road.mails().len(), 0);
    assert_eq!(road.six(DHEP).await, Six { released: 1, ..Six::default() });
    let reason: Option<String> = road.value("select outcome_reason from alerts").await;
    assert_eq!(reason.as_deref(), Some("not-before"));

    let july = Event::like("10").version(20).cycle(Some("2024-summer")).at("2024-07-01T09:00:00Z");
    let july = july.with("/data/openedAt", "2024-07-01T09:00:00Z").shuts("2024-07-15T12:00:00Z");
    happens(&road, "2024-07-01T09:00:00Z", &[july]).await;
    assert_eq!(road.drain_at("2024-07-01T09:02:00Z").await, accepted(1));
}

#[tokio::test]
async fn a_registration_that_has_ended_is_owed_nothing() {
    let road = road(&[
        person(ANN).registered_until("pc-dhep", "2024-02-18"),
        person(BOB).registered_until("pc-dhep", "2024-03-01"),
    ])
    .await;
    happens(&road, "2024-02-19T10:00:00Z", &[Event::sample("09")]).await;
    assert_eq!(road.drain().await, accepted(1));
    assert_eq!(road.mails_to(BOB).len(), 1);
    happens(&road, "2024-03-05T10:00:00Z", &[Event::sample("10")]).await;
    // Bob's ended before it opened.
    assert_eq!(road.drain_at("2024-03-05T10:02:00Z").await.accepted, 0);
}

/// N2, S7: who was not told in time hears so, and why.
#[tokio::test]
async fn a_door_that_shut_before_anybody_was_told_is_explained() {
    let later = Rule::at(SmtpStage::Rcpt).first(2).reply(450, "4.2.0 Later");
    let road = Road::setup()
        .with_guards()
        .at("2024-03-05T10:00:02Z")
        .smtp(SmtpServer::builder().script([later]))
        .build()
        .await;
    road.import(&[ANN, BOB].map(|address| person(address).registered("pc-pcda"))).await;
    road.hears(&[Event::sample("11")]).await;
    assert_eq!(road.drain_at("2024-03-05T10:02:02Z").await.deferred, 2);
    assert_eq!(road.six(PCDA).await, Six { owed: 2, ..Six::default() });
    let shut = Event::sample("13").at("2024-03-05T10:20:00Z").with("/data/closedAt", "2024-03-05T10:20:00Z");
    happens(&road, "2024-03-05T10:20:00Z", &[shut]).await;
    road.match_all().await;
    assert_eq!(road.six(PCDA).await, Six { broken: 2, ..Six::default() });
    let delivered = road.drain_at("2024-03-05T12:00:00Z").await;
    assert_eq!(delivered, accepted(2));
    for address in [ANN, BOB] {
        assert_eq!(road.kinds_to(address).await, ["missed"]);
    }
    let text = road.mails()[0].text().unwrap();
    assert!(text.contains("10:20am"), "{text}");
    assert!(!text.contains("https://careers.force.example/routes/pcda"), "no link to apply: {text}");
    assert_eq!(road.six(PCDA).await, Six { explained: 2, ..Six::default() });
}

/// The clock shuts doors too, also those that nobody speaks of any more.
#[tokio::test]
async fn outcomes_settle_by_themselves_when_the_clock_shuts_a_door() {
    let road = road(&four()).await;
    happens(&road, "2024-02-19T10:00:00Z", &[Event::sample("09")]).await;
    assert_eq!(road.drain().await, accepted(4));
    // It was scheduled and never opened: told so, and nothing is owed any more.
    assert_eq!(road.drain_at("2024-03-18T12:00:00Z").await, Delivered::NOTHING);
    assert_eq!(road.six(DHEP).await, Six { owed: 4, ..Six::default() });
    assert_eq!(road.drain_at("2024-03-19T12:00:00Z").await, accepted(4));
    assert_eq!(road.kinds_to(ANN).await, ["opening-date", "programme-changed"]);
    assert_eq!(road.six(DHEP).await, Six { released: 4, ..Six::default() });
}

/// A person in 3 states: told the date, told of the moved date in its thread, told of the opening.
#[tokio::test]
async fn a_moved_date_is_told_to_those_who_were_told_the_old_one() {
    let road = road(&four()).await;
    happens(&road, "2024-02-19T10:00:00Z", &[Event::sample("09")]).await;
    assert_eq!(road.drain().await, accepted(4));
    let first = road.mails_to(ANN)[0].message_id().unwrap();
    let moved = Event::like("14").of(DHEP).version(16).cycle(Some("2024-spring")).at("2024-02-27T14:00:00Z");
    let moved = moved.with("/data/to", json!({"opensAt": "2024-03-07T10:00:00Z"}));
    happens(&road, "2024-02-27T14:00:00Z", std::slice::from_ref(&moved)).await;
    assert_eq!(road.drain().await, accepted(4));
    let mail = &road.mails_to(ANN)[1];
    assert!(mail.subject().unwrap().starts_with("Correction:"), "{:?}", mail.subject());
    assert_eq!(mail.header("In-Reply-To").unwrap().trim(), format!("<{first}>"));
    assert_eq!(mail.header("References").unwrap().trim(), format!("<{first}>"));
    let text = mail.text().unwrap();
    assert!(text.contains("5 March 2024") && text.contains("Thursday 7 March 2024"), "{text}");
    // Moved again: the thread grows.
    let again = moved.version(17).at("2024-02-28T14:00:00Z");
    let again = again.with("/data/to", json!({"opensAt": "2024-03-06T10:00:00Z"}));
    happens(&road, "2024-02-28T14:00:00Z", &[again]).await;
    assert_eq!(road.drain().await, accepted(4));
    let (second, third) = (mail.message_id().unwrap(), &road.mails_to(ANN)[2]);
    assert_eq!(third.header("In-Reply-To").unwrap().trim(), format!("<{second}>"));
    let references: Vec<String> =
        third.header("References").unwrap().split_whitespace().map(ToOwned::to_owned).collect();
    assert_eq!(references, [format!("<{first}>"), format!("<{second}>")]);
    let opened = Event::like("10").version(18).at("2024-03-06T10:00:00Z");
    let opened = opened.with("/data/openedAt", "2024-03-06T10:00:00Z");
    happens(&road, "2024-03-06T10:00:00Z", &[opened]).await;
    assert_eq!(road.drain_at("2024-03-06T10:02:00Z").await, accepted(4));
    assert_eq!(road.six(DHEP).await, Six { kept: 4, ..Six::default() });
}

/// Siblings that open together make one mail, the earliest closing first.
#[tokio::test]
async fn siblings_that_open_together_are_one_mail() {
    let road = road(&[
        person(ANN).registered("pc-any"),
        person(BOB).registered("pc-dhep").registered("pc-pcda"),
        person(CEE).registered("pc-dhep"),
    ])
    .await;
    happens(&road, "2024-03-05T10:00:00Z", &[Event::sample("10")]).await;
    road.match_all().await;
    happens(&road, "2024-03-05T10:00:02Z", &[Event::sample("11")]).await;
    assert_eq!(road.drain_at("2024-03-05T10:02:02Z").await, accepted(3));
    for address in [ANN, BOB] {
        let mails = road.mails_to(address);
        assert_eq!(mails.len(), 1);
        let text = mails[0].text().unwrap();
        let first = text.find("Tuesday 12 March 2024").expect("the apprenticeship");
        assert!(first < text.find("Tuesday 19 March 2024").expect("the degree-holders"), "{text}");
        assert!(mails[0].subject().unwrap().contains('2'), "{:?}", mails[0].subject());
    }
    assert_eq!(road.six(DHEP).await, Six { kept: 3, ..Six::default() });
    assert_eq!(road.six(PCDA).await, Six { kept: 2, ..Six::default() });
}

/// One whose door moved a moment later is waited for.
#[tokio::test]
async fn a_sibling_that_opens_a_moment_later_is_waited_for() {
    let road = road(&[person(ANN).registered("pc-any")]).await;
    let later = Event::like("11").at("2024-03-05T10:01:00Z").with("/data/openedAt", "2024-03-05T10:01:00Z");
    happens(&road, "2024-03-05T10:01:00Z", &[Event::sample("10"), later]).await;
    assert_eq!(road.drain_at("2024-03-05T10:02:00Z").await, Delivered::NOTHING);
    assert_eq!(road.drain_at("2024-03-05T10:03:00Z").await, accepted(1));
    assert_eq!(road.kinds_to(ANN).await, ["open-now"]);
}

/// 2.2.1: shut early, those who were told a later time hear it, in the thread; opened again in another
/// cycle, everybody hears it, once.
#[tokio::test]
async fn shut_early_and_opened_again() {
    let road = road(&[person(ANN).registered("pc-pcda"), person(BOB).registered("pc-any")]).await;
    happens(&road, "2024-03-05T10:00:02Z", &[Event::sample("11")]).await;
    assert_eq!(road.drain_at("2024-03-05T10:02:02Z").await, accepted(2));
    let told = road.mails_to(ANN)[0].message_id().unwrap();
    happens(&road, "2024-03-06T08:00:00Z", &[Event::sample("12")]).await;
    assert_eq!(road.drain().await, Delivered::NOTHING, "nobody is written to for a figure");
    let full: f64 = road.value("select percent_full from openings").await;
    assert!((full - 85.0).abs() < 0.01);
    happens(&road, "2024-03-06T17:30:00Z", &[Event::sample("13")]).await;
    assert_eq!(road.drain().await, Delivered::NOTHING);
    assert_eq!(road.drain_at("2024-03-06T17:32:00Z").await, accepted(2));
    let mail = &road.mails_to(ANN)[1];
    assert_eq!(mail.header("In-Reply-To").unwrap().trim(), format!("<{told}>"));
    let text = mail.text().unwrap();
    assert!(text.contains("5:30pm") && text.contains("12 March"), "{text}");
    assert!(!text.contains("https://careers.force.example/routes/pcda"), "{text}");
    assert_eq!(road.six(PCDA).await, Six { kept: 2, ..Six::default() });

    let again = Event::like("11").version(12).cycle(Some("2024-spring-2")).at("2024-03-08T09:00:00Z");
    let again = again.with("/data/openedAt", "2024-03-08T09:00:00Z").shuts("2024-03-15T12:00:00Z");
    happens(&road, "2024-03-08T09:00:00Z", &[again]).await;
    assert_eq!(road.drain_at("2024-03-08T09:02:00Z").await, accepted(2));
    assert_eq!(road.kinds_to(BOB).await, ["open-now", "closed-early", "open-now"]);
    assert_eq!(road.six(PCDA).await, Six { kept: 4, ..Six::default() });
}

/// A blink of the feed is no news; nor is the same cycle opened again for who never heard that it shut.
#[tokio::test]
async fn a_blink_is_no_news() {
    let road = road(&[person(ANN).registered("pc-pcda")]).await;
    happens(&road, "2024-03-05T10:00:02Z", &[Event::sample("11")]).await;
    assert_eq!(road.drain_at("2024-03-05T10:02:02Z").await, accepted(1));
    let shut = Event::sample("13").at("2024-03-05T12:00:00Z").with("/data/closedAt", "2024-03-05T12:00:00Z");
    let open = |version, at: &str| Event::like("11").version(version).at(at).with("/data/openedAt", at);
    happens(&road, "2024-03-05T12:00:00Z", std::slice::from_ref(&shut)).await;
    assert_eq!(road.drain_at("2024-03-05T12:01:00Z").await, Delivered::NOTHING);
    happens(&road, "2024-03-05T12:01:30Z", &[open(12, "2024-03-05T12:01:30Z")]).await;
    assert_eq!(road.drain_at("2024-03-05T13:30:00Z").await.accepted, 0);
    // Shut and open within half an hour: until the window is over nothing is said, then only what is so.
    let again = shut.version(13).at("2024-03-05T14:00:00Z").with("/data/closedAt", "2024-03-05T14:00:00Z");
    happens(&road, "2024-03-05T14:00:00Z", &[again]).await;
    assert_eq!(road.drain_at("2024-03-05T14:02:00Z").await, accepted(1));
    happens(&road, "2024-03-05T14:10:00Z", &[open(14, "2024-03-05T14:10:00Z")]).await;
    assert_eq!(road.drain_at("2024-03-05T14:29:59Z").await, Delivered::NOTHING);
    // And two mails about one thing keep their distance.
    assert_eq!(road.drain_at("2024-03-05T15:01:00Z").await, Delivered::NOTHING);
    assert_eq!(road.drain_at("2024-03-05T15:02:00Z").await, accepted(1));
    assert_eq!(road.kinds_to(ANN).await, ["open-now", "closed-early", "open-now"]);
    assert_eq!(road.six(PCDA).await, Six { kept: 1, ..Six::default() });
}

/// I27: a route that the taxonomy learns of later is owed to who registered for what it is part of.
#[tokio::test]
async fn a_route_that_the_taxonomy_learns_of_later_is_owed() {
    let mut road = road(&[person(ANN).registered("pc-any"), person(BOB).registered("dc-any")]).await;
    let opened = Event::like("10").of("programme/pc-new");
    happens(&road, "2024-03-05T10:00:00Z", &[opened]).await;
    assert_eq!(road.drain_at("2024-03-05T10:02:00Z").await, Delivered::NOTHING);
    road.teach("[[programme]]\nslug = \"pc-new\"\nlabel = \"New route\"\nparent = \"pc-any\"\n");
    road.program().prepare().await.unwrap();
    assert_eq!(road.drain_at("2024-03-06T10:02:00Z").await, accepted(1));
    assert_eq!(road.kinds_to(ANN).await, ["open-now"]);
    assert_eq!(road.six("programme/pc-new").await, Six { kept: 1, ..Six::default() });
    road.program().prepare().await.unwrap();
    assert_eq!(road.drain().await, Delivered::NOTHING);
}

/// 2.2.1: announced without a date, nobody hears unless an administrator asks for it; then once.
#[tokio::test]
async fn an_announcement_without_a_date() {
    let people = [
        person(ANN).registered("pc-any"),
        person(BOB).registered("pc-dhep"),
        person(CEE).registered("dc-dhep"),
    ];
    let road = road(&people).await;
    happens(&road, "2024-01-15T09:00:00Z", &[Event::sample("08")]).await;
    assert_eq!(road.drain().await, Delivered::NOTHING);
    let asked = Event::like("08").version(15).with("/data/notifyRegistered", true).at("2024-01-16T09:00:00Z");
    happens(&road, "2024-01-16T09:00:00Z", std::slice::from_ref(&asked)).await;
    // Who waits for a member hears it; who waits for another route does not.
    assert_eq!(road.drain().await, accepted(2));
    assert_eq!(road.mails_to(CEE).len(), 0);
    happens(&road, "2024-01-17T09:00:00Z", &[asked.version(16).at("2024-01-17T09:00:00Z")]).await;
    assert_eq!(road.drain().await, Delivered::NOTHING);
    road.promises_add_up().await;
}

/// M17: paused, and what it says is no promise; opened again, it is told.
#[tokio::test]
async fn a_route_that_pauses() {
    let road = road(&[person(ANN).registered("pc-dhep")]).await;
    happens(&road, "2024-03-05T10:00:00Z", &[Event::sample("10")]).await;
    assert_eq!(road.drain_at("2024-03-05T10:02:00Z").await, accepted(1));
    let paused = Event::like("13").of(DHEP).with("/type", "programme.paused").version(17);
    let paused = paused.at("2024-03-07T09:00:00Z").with("/data/earliest", "2024-03-11");
    happens(&road, "2024-03-07T09:00:00Z", &[paused]).await;
    assert_eq!(road.drain_at("2024-03-07T09:02:00Z").await, accepted(1));
    let text = road.mails()[1].text().unwrap();
    assert!(text.contains("Monday 11 March 2024"), "{text}");
    let open = Event::like("10")
        .version(18)
        .at("2024-03-11T09:00:00Z")
        .with("/data/openedAt", "2024-03-11T09:00:00Z");
    happens(&road, "2024-03-11T09:00:00Z", &[open]).await;
    assert_eq!(road.drain_at("2024-03-11T09:02:00Z").await, accepted(1));
    assert_eq!(road.kinds_to(ANN).await, ["open-now", "programme-changed", "open-now"]);
}

/// M17: gone, with what takes its place; who registered for more than it hears only if they were told.
#[tokio::test]
async fn a_route_that_is_withdrawn() {
    let road = road(&[person(ANN).registered("pc-ipldp"), person(BOB).registered("pc-any")]).await;
    let gone = Event::like("13").of("programme/pc-ipldp").with("/type", "programme.withdrawn").version(4);
    let gone = gone.at("2024-03-01T09:00:00Z").with("/data/successor", "pc-pcep").cycle(None);
    let gone = gone.with("/data/effectiveAt", "2024-03-31T22:59:00Z");
    happens(&road, "2024-03-01T09:00:00Z", &[gone]).await;
    road.drain().await;
    assert_eq!(road.drain_at("2024-04-01T09:00:00Z").await.failed, 0);
    assert_eq!(road.kinds_to(ANN).await, ["programme-changed"]);
    assert_eq!(road.mails_to(BOB).len(), 0);
    let text = road.only_mail().text().unwrap();
    assert!(text.contains("Constable entry programme"), "{text}");
}

/// N24, OPS-5, I7: a replay changes nothing.
#[tokio::test]
async fn a_replay_of_everything_changes_nothing() {
    let road = road(&four()).await;
    let events: Vec<Event> = ["09", "10", "11", "12", "13"].map(Event::sample).into();
    happens(&road, "2024-02-19T10:00:00Z", &events[..1]).await;
    road.drain().await;
    happens(&road, "2024-03-05T10:00:02Z", &events[1..3]).await;
    road.drain_at("2024-03-05T10:02:02Z").await;
    happens(&road, "2024-03-06T17:30:00Z", &events[3..]).await;
    road.drain_at("2024-03-06T17:32:00Z").await;
    let (before, mails) = (road.state().await, road.mails().len());
    // The same, and the same with new ids.
    let copies: Vec<Event> =
        events.iter().enumerate().map(|(n, event)| event.clone().with("/id", format!("copy-{n}"))).collect();
    road.at("2024-03-12T09:00:00Z");
    assert_eq!(road.take(&events).await.repeated, 5);
    assert_eq!(road.state().await, before);
    road.hears(&copies).await;
    assert_eq!(road.drain().await, Delivered::NOTHING);
    assert_eq!(road.mails().len(), mails);
    road.promises_add_up().await;
}

/// I20: in whatever order the events come, the same people know the same in the end.
#[tokio::test]
async fn events_in_any_order_come_to_the_same() {
    let events = ["09", "10", "13"].map(Event::sample);
    let of = |event: &Event| event.clone().of(DHEP);
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let road = road(&four()).await;
        let shut = of(&events[2]).version(17);
        let all = [events[0].clone(), events[1].clone(), shut];
        road.at("2024-03-06T17:30:00Z");
        for index in order {
            road.hears(std::slice::from_ref(&all[index])).await;
            road.match_all().await;
        }
        assert_eq!(road.drain_at("2024-03-06T17:33:00Z").await, accepted(4), "{order:?}");
        assert_eq!(road.kinds_to(ANN).await, ["missed"], "{order:?}");
        assert_eq!(road.six(DHEP).await, Six { explained: 4, ..Six::default() });
    }
}

/// N13: who stops, or registers no more, is owed nothing any more, and the ledger says why.
#[tokio::test]
async fn promises_that_end_with_the_person() {
    let road = road(&four()).await;
    happens(&road, "2024-02-19T10:00:00Z", &[Event::sample("09")]).await;
    assert_eq!(road.drain().await, accepted(4));
    road.sql("update subscribers set state = 'suppressed' where address like 'ann%'").await;
    road.sql("delete from consents using subscribers p where subscriber_id = p.id and address like 'bob%'")
        .await;
    road.sql(
        "delete from registrations using subscribers p where subscriber_id = p.id and address like 'cee%'",
    )
    .await;
    happens(&road, "2024-03-05T10:00:00Z", &[Event::sample("10")]).await;
    assert_eq!(road.drain_at("2024-03-05T10:02:00Z").await.accepted, 1);
    assert_eq!(road.six(DHEP).await, Six { kept: 1, released: 3, ..Six::default() });
    let reasons: Vec<(String,)> =
        road.rows("select outcome_reason from alerts where outcome = 'released' order by 1").await;
    let reasons: Vec<&str> = reasons.iter().map(|(reason,)| reason.as_str()).collect();
    assert_eq!(reasons, ["suppressed", "unregistered", "unsubscribed"]);
}

/// Who stops asking and asks again is owed it again.
#[tokio::test]
async fn who_registers_again_hears_of_it() {
    let road = road(&[person(ANN).registered("pc-dhep")]).await;
    happens(&road, "2024-02-19T10:00:00Z", &[Event::sample("09")]).await;
    assert_eq!(road.drain().await, accepted(1));
    road.sql("delete from registrations").await;
    happens(&road, "2024-03-05T10:00:00Z", &[Event::sample("10")]).await;
    assert_eq!(road.drain_at("2024-03-05T10:02:00Z").await.accepted, 0);
    assert_eq!(road.six(DHEP).await, Six { released: 1, ..Six::default() });
    road.import(&[person(ANN).registered("pc-dhep").agreed_at("2024-03-06T09:00:00Z")]).await;
    assert_eq!(road.drain_at("2024-03-06T09:00:00Z").await, accepted(1));
    assert_eq!(road.kinds_to(ANN).await, ["opening-date", "open-now"]);
    assert_eq!(road.six(DHEP).await, Six { kept: 1, ..Six::default() });
}

/// I26: an address that takes no mail keeps no promise open for ever.
#[tokio::test]
async fn who_cannot_be_reached_is_settled_when_the_door_has_shut() {
    let never = Rule::at(SmtpStage::EndOfData).to_local_prefix("ann").reply(552, "5.3.4 Too large");
    let road = Road::setup()
        .with_guards()
        .at("2024-02-19T10:00:00Z")
        .smtp(SmtpServer::builder().script([never]))
        .build()
        .await;
    road.import(&four()).await;
    road.hears(&[Event::sample("09")]).await;
    assert_eq!(road.drain().await, Delivered { accepted: 3, failed: 1, ..Delivered::NOTHING });
    happens(&road, "2024-03-05T10:00:00Z", &[Event::sample("10")]).await;
    assert_eq!(road.drain_at("2024-03-05T10:02:00Z").await, accepted(3));
    assert_eq!(road.six(DHEP).await, Six { kept: 3, owed: 1, ..Six::default() });
    road.drain_at("2024-03-19T12:00:00Z").await;
    assert_eq!(road.six(DHEP).await, Six { kept: 3, released: 1, ..Six::default() });
}

/// A promise that is kept a moment before the door shuts is kept late.
#[tokio::test]
async fn too_late_to_be_of_use_is_kept_late() {
    let road = road(&[person(ANN).registered("pc-dhep")]).await;
    happens(&road, "2024-03-05T10:00:00Z", &[Event::sample("10")]).await;
    road.match_all().await;
    assert_eq!(road.drain_at("2024-03-19T11:00:00Z").await, accepted(1));
    assert_eq!(road.six(DHEP).await, Six { kept_late: 1, ..Six::default() });
    let left: f64 = road.value("select extract(epoch from door_left)::float8 from alerts").await;
    assert!((left - 3_600.0).abs() < 1.0, "{left}");
}

/// I2, I20: two processes over the same registrants.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_deliveries_keep_each_promise_once() {
    use jobalerts::daemon::Program;
    use jobalerts::stage::{Bell, Stage};

    let people: Vec<Person> = (0..300)
        .map(|number| {
            let route = ["pc-dhep", "pc-pcda", "pc-any"][number % 3];
            person(&format!("p{number}@example.org")).registered(route)
        })
        .collect();
    let road = road(&people).await;
    happens(&road, "2024-03-05T10:00:02Z", &[Event::sample("10"), Event::sample("11")]).await;
    road.at("2024-03-05T10:02:02Z");
    road.match_all().await;
    let programs = [(); 2].map(|()| Program::new(road.config().clone(), road.clock.clone()).unwrap());
    let [mut one, mut two] = programs.each_ref().map(|program| program.delivery(Bell::default()).unwrap());
    let (first, second) = soon("both", Box::pin(async { tokio::join!(one.drain(), two.drain()) })).await;
    first.unwrap();
    second.unwrap();
    soon("the ends", async { tokio::join!(one.finish(), two.finish()) }).await;
    let told: BTreeSet<String> = road.mails().iter().map(|mail| mail.rcpt_to[0].clone()).collect();
    assert_eq!((road.mails().len(), told.len()), (300, 300));
    assert_eq!(road.six(DHEP).await, Six { kept: 200, ..Six::default() });
    assert_eq!(road.six(PCDA).await, Six { kept: 200, ..Six::default() });
}

/// What the producer says of a programme makes no difference to what the taxonomy knows: a search for
/// volunteers does not hear of constables.
#[tokio::test]
async fn searches_hear_of_routes_that_they_ask_for() {
    let search = |family: &str| json!({"roleFamily": {"any": [family]}});
    let road = road(&[
        person(ANN).search("Officers", "immediate", search("police-officer")),
        person(BOB).search("Volunteers", "immediate", search("volunteer")),
    ])
    .await;
    happens(&road, "2024-02-19T10:00:00Z", &[Event::like("09").with("/data/roleFamily", Value::Null)]).await;
    assert_eq!(road.drain().await, Delivered::NOTHING, "searches hear of what is open");
    happens(&road, "2024-03-05T10:00:00Z", &[Event::sample("10")]).await;
    assert_eq!(road.drain_at("2024-03-05T10:02:00Z").await, accepted(1));
    assert_eq!(road.kinds_to(ANN).await, ["open-now"]);
    assert_eq!(road.six(DHEP).await, Six::default(), "a search is no promise");
}

/// I8, I26: what is heard of a day late is not told, and nothing stays owed for it.
#[tokio::test]
async fn a_feed_that_was_dead_for_days_leaves_no_promise_open() {
    let road = road(&four()).await;
    happens(&road, "2024-02-19T10:00:00Z", &[Event::sample("09")]).await;
    assert_eq!(road.drain().await, accepted(4));
    let shut = Event::like("13").of(DHEP).version(17);
    happens(&road, "2024-03-08T12:00:00Z", &[Event::sample("10"), shut]).await;
    assert_eq!(road.drain_at("2024-03-08T12:05:00Z").await.accepted, 0);
    assert_eq!(road.six(DHEP).await, Six { released: 4, ..Six::default() });
}

/// I2: whatever comes first, it is one opening, told once.
#[tokio::test]
async fn a_withdrawal_that_comes_before_what_it_withdraws() {
    let road = road(&[person(ANN).registered("pc-dhep")]).await;
    let gone = Event::like("13").of(DHEP).with("/type", "programme.withdrawn").version(17);
    let gone = gone.at("2024-02-20T12:00:00Z");
    happens(&road, "2024-02-20T12:00:00Z", &[gone]).await;
    assert_eq!(road.drain_at("2024-02-20T12:02:00Z").await, accepted(1));
    happens(&road, "2024-02-20T12:20:00Z", &[Event::like("09").at("2024-02-20T10:00:00Z")]).await;
    assert_eq!(road.drain_at("2024-02-20T14:20:00Z").await.accepted, 0);
    assert_eq!(road.count("select count(*) from openings where not absorbed").await, 1);
    road.promises_add_up().await;
}

/// What is cancelled without a name was to come.
#[tokio::test]
async fn a_cancellation_without_a_cycle_is_of_what_is_ahead() {
    let road = road(&[person(ANN).registered("pc-dhep")]).await;
    let last_year = Event::like("10").version(3).cycle(None).at("2023-03-05T10:00:00Z");
    let last_year = last_year.with("/data/openedAt", "2023-03-05T10:00:00Z").shuts("2023-03-19T12:00:00Z");
    happens(&road, "2024-02-19T10:00:00Z", &[last_year, Event::like("09").cycle(None)]).await;
    assert_eq!(road.drain().await.accepted, 1);
    let off = Event::like("13").of(DHEP).version(16).cycle(None).with("/data/reason", "cancelled");
    happens(&road, "2024-02-25T10:00:00Z", &[off.at("2024-02-25T10:00:00Z")]).await;
    assert_eq!(road.drain_at("2024-02-25T10:02:00Z").await.accepted, 1);
    assert_eq!(road.kinds_to(ANN).await, ["opening-date", "programme-changed"]);
}

/// I6: who was told that it would open hears that it will not.
#[tokio::test]
async fn an_announcement_that_comes_to_nothing() {
    let road = road(&[person(ANN).registered("pc-dhep")]).await;
    let soon = Event::like("08").of(DHEP).with("/data/notifyRegistered", true);
    happens(&road, "2024-01-15T09:00:00Z", &[soon]).await;
    assert_eq!(road.drain().await, accepted(1));
    let off = Event::like("13").of(DHEP).version(15).with("/data/reason", "cancelled");
    happens(&road, "2024-01-20T10:00:00Z", &[off.at("2024-01-20T10:00:00Z")]).await;
    assert_eq!(road.drain_at("2024-01-20T10:02:00Z").await, accepted(1));
    assert_eq!(road.kinds_to(ANN).await, ["opening-date", "programme-changed"]);
}

/// M17: that a route ends is told beforehand.
#[tokio::test]
async fn a_withdrawal_that_is_said_beforehand_is_told_beforehand() {
    let road = road(&[person(ANN).registered("pc-ipldp")]).await;
    let gone = Event::like("13").of("programme/pc-ipldp").with("/type", "programme.withdrawn").version(4);
    let gone = gone.at("2024-03-01T09:00:00Z").with("/data/effectiveAt", "2024-03-31T22:59:00Z").cycle(None);
    happens(&road, "2024-03-01T09:00:00Z", &[gone]).await;
    assert_eq!(road.drain_at("2024-03-01T09:02:00Z").await, accepted(1));
    let text = road.only_mail().text().unwrap();
    assert!(text.contains("31 March 2024"), "{text}");
}

/// I26: a day after the door has shut nothing is left open for who is deferred and deferred.
#[tokio::test]
async fn who_is_deferred_for_ever_is_settled_within_a_day() {
    let later = Rule::at(SmtpStage::Rcpt).to_local_prefix("ann").reply(450, "4.2.0 Later");
    let road = Road::setup()
        .with_guards()
        .set("housekeeping.ask_after", "100 years")
        .at("2024-03-05T10:00:02Z")
        .smtp(SmtpServer::builder().script([later.first(3)]))
        .build()
        .await;
    road.import(&[person(ANN).registered("pc-pcda")]).await;
    assert_eq!(road.keep_house().await, 0);
    road.hears(&[Event::sample("11")]).await;
    assert_eq!(road.drain_at("2024-03-05T10:02:02Z").await.deferred, 1);
    happens(&road, "2024-03-06T17:30:00Z", &[Event::sample("13")]).await;
    assert_eq!(road.drain_at("2024-03-06T17:33:00Z").await.deferred, 1);
    assert_eq!(road.six(PCDA).await, Six { broken: 1, ..Six::default() });
    assert_eq!(road.drain_at("2024-03-07T17:29:00Z").await.deferred, 1);
    assert_eq!(road.keep_house_at("2024-03-07T17:29:59Z").await, 0);
    assert_eq!(road.keep_house_at("2024-03-07T17:30:00Z").await, 1);
    assert_eq!(road.six(PCDA).await, Six { released: 1, ..Six::default() });
    // Taken after all.
    assert_eq!(road.drain_at("2024-03-08T00:31:00Z").await, accepted(1));
    assert_eq!(road.six(PCDA).await, Six { explained: 1, ..Six::default() });
}

/// SUB-4, I1: who registers before the door shuts is owed it, whenever matching looks.
#[tokio::test]
async fn who_registers_just_before_it_shuts_is_owed_it() {
    let road = road(&[]).await;
    // That it closes is said beforehand; it is open until then.
    let shut =
        Event::sample("13").at("2024-03-06T10:00:00Z").with("/data/effectiveAt", "2024-03-08T12:00:00Z");
    happens(&road, "2024-03-06T10:00:00Z", &[Event::sample("11"), shut]).await;
    road.match_all().await;
    road.at("2024-03-07T09:00:00Z");
    road.import(&[person(ANN).registered("pc-pcda").agreed_at("2024-03-07T09:00:00Z")]).await;
    assert_eq!(road.drain().await, accepted(1));
    assert_eq!(road.kinds_to(ANN).await, ["open-now"]);
    // And this one matching sees only when the door has shut.
    road.at("2024-03-08T11:00:00Z");
    road.import(&[person(BOB).registered("pc-any").agreed_at("2024-03-08T11:00:00Z")]).await;
    assert_eq!(road.drain_at("2024-03-08T12:05:00Z").await.accepted, 1);
    assert_eq!(road.kinds_to(BOB).await, ["missed"]);
    assert_eq!(road.six(PCDA).await, Six { kept: 1, explained: 1, ..Six::default() });
}

/// I2: gone with two cycles that were told, told once.
#[tokio::test]
async fn a_route_that_goes_with_two_cycles_goes_once() {
    let road = road(&[person(ANN).registered("pc-dhep")]).await;
    let autumn = Event::like("09").version(17).cycle(Some("2024-autumn")).at("2024-03-06T10:00:00Z");
    let autumn = autumn.with("/data/opensAt", "2024-09-05T10:00:00Z").shuts("2024-09-19T12:00:00Z");
    happens(&road, "2024-03-05T10:00:00Z", &[Event::sample("10")]).await;
    assert_eq!(road.drain_at("2024-03-05T10:02:00Z").await, accepted(1));
    happens(&road, "2024-03-06T10:00:00Z", &[autumn]).await;
    assert_eq!(road.drain().await, accepted(1));
    let gone = Event::like("13").of(DHEP).with("/type", "programme.withdrawn").version(18).cycle(None);
    happens(&road, "2024-03-07T10:00:00Z", &[gone.at("2024-03-07T10:00:00Z")]).await;
    assert_eq!(road.drain_at("2024-03-07T10:02:00Z").await.accepted, 1);
    assert_eq!(road.drain_at("2024-03-09T10:02:00Z").await.accepted, 0);
    assert_eq!(road.kinds_to(ANN).await, ["open-now", "opening-date", "programme-changed"]);
    assert_eq!(road.six(DHEP).await, Six { kept: 1, released: 1, ..Six::default() });
}

/// A cycle that gets its name later is the same cycle.
#[tokio::test]
async fn a_cycle_may_be_named_later() {
    let road = road(&[person(ANN).registered("pc-dhep")]).await;
    happens(&road, "2024-02-19T10:00:00Z", &[Event::like("09").cycle(None)]).await;
    assert_eq!(road.drain().await, accepted(1));
    happens(&road, "2024-03-05T10:00:00Z", &[Event::sample("10")]).await;
    assert_eq!(road.drain_at("2024-03-05T10:02:00Z").await, accepted(1));
    let shut = Event::like("13").of(DHEP).version(17).with("/data/reason", "deadline");
    happens(&road, "2024-03-19T12:00:00Z", &[shut.at("2024-03-19T12:00:00Z")]).await;
    assert_eq!(road.drain_at("2024-03-20T13:00:00Z").await.accepted, 0);
    assert_eq!(road.six(DHEP).await, Six { kept: 1, ..Six::default() });
}

/// I6: a closing that moved earlier and passed before anybody was told of it.
#[tokio::test]
async fn a_closing_that_moved_and_passed_is_told_as_closed_early() {
    let road = road(&[person(ANN).registered("pc-dhep")]).await;
    happens(&road, "2024-03-05T10:00:00Z", &[Event::sample("10")]).await;
    assert_eq!(road.drain_at("2024-03-05T10:02:00Z").await, accepted(1));
    let moved = Event::like("14").of(DHEP).version(17).cycle(Some("2024-spring")).at("2024-03-12T09:50:00Z");
    let closing = json!({"closing": {"value": "2024-03-12T12:00:00Z", "precision": "instant"}});
    happens(&road, "2024-03-12T15:00:00Z", &[moved.with("/data/to", closing)]).await;
    assert_eq!(road.drain().await, accepted(1));
    assert_eq!(road.kinds_to(ANN).await, ["open-now", "closed-early"]);
    let text = road.mails()[1].text().unwrap();
    assert!(text.contains("noon on Tuesday 12 March 2024"), "{text}");
}

/// What a programme is called is no promise: a name that comes later corrects nothing.
#[tokio::test]
async fn a_name_that_comes_later_corrects_nothing() {
    let road = road(&[person(ANN).registered("pc-dhep")]).await;
    let unnamed = Event::like("09").with("/data/program", json!({"@type": "WorkBasedProgram"}));
    happens(&road, "2024-02-19T10:00:00Z", &[unnamed]).await;
    assert_eq!(road.drain().await, accepted(1));
    happens(&road, "2024-02-20T10:00:00Z", &[Event::like("09").version(16).at("2024-02-20T10:00:00Z")]).await;
    assert_eq!(road.drain().await.accepted, 0);
}

/// SUB-3: who was told the date is told that it opens, whatever they change of their wishes meanwhile.
#[tokio::test]
async fn a_door_that_was_opened_beforehand_is_told_when_it_opens() {
    let mut road = Road::setup().at("2024-03-01T10:00:00Z").build().await;
    road.import(&[person(ANN).registered("pc-dhep").agreed_at("2023-12-29T00:00:00Z")]).await;
    road.hears(&[Event::like("10")
        .at("2024-03-01T10:00:00Z")
        .with("/data/openedAt", "2024-03-05T10:00:00Z")
        .with("/data/effectiveAt", "2024-03-05T10:00:00Z")])
        .await;
    assert_eq!(road.drain().await, accepted(1));
    road.at("2024-03-02T10:00:00Z");
    road.import(&[person(ANN).quiet("22:00", "07:00")]).await;
    road.reconfigure("schedules.daily", "0 0 9 * * *");
    road.program().prepare().await.unwrap();
    assert_eq!(road.drain().await, Delivered::NOTHING);
    assert_eq!(road.drain_at("2024-03-05T10:02:00Z").await, accepted(1));
    assert_eq!(road.kinds_to(ANN).await, ["opening-date", "open-now"]);
    assert_eq!(road.six(DHEP).await, Six { kept: 1, ..Six::default() });
}
