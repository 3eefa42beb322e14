//! SUB-15: whether people still want to hear.

use jobalerts_dev::smtp::{Rule, SmtpServer, Stage};
use serde_json::Value;

use super::audit;
use crate::golden::{is_golden, known_person};
use crate::harness::events::Event;
use crate::harness::people::{Person, person};
use crate::harness::rows::Six;
use crate::harness::{Delivered, Road};

const ANN: &str = "ann@example.org";
const DHEP: &str = "programme/pc-dhep";

/// The Friday on which who confirmed a year before is asked, and what follows by the defaults.
const ASKED: &str = "2023-12-01T10:00:00Z";
const REMINDED: &str = "2023-12-15T10:00:00Z";
const LAPSED: &str = "2024-01-01T10:00:00Z";

async fn road(people: &[Person]) -> Road {
    let road = Road::setup().at("2023-11-30T12:00:00Z").build().await;
    road.import(people).await;
    road.match_all().await;
    road.keep_house().await;
    road
}

/// Somebody who registered and confirmed at this time.
fn waiting(address: &str, confirmed: &str) -> Person {
    person(address).registered("pc-dhep").agreed_at(confirmed)
}

/// Does what is due; returns how many mails left.
async fn house_and_mails(road: &Road, now: &str) -> u64 {
    road.keep_house_at(now).await;
    road.match_all().await;
    // A delivery takes its time to start; with nothing due, nothing leaves.
    let due = "select (select count(*) from letters where due_at is not null)
                    + (select count(*) from alerts where due_at is not null)";
    if road.count(due).await == 0 { 0 } else { road.deliver().await.accepted }
}

async fn state(road: &Road) -> String {
    road.value("select state from subscribers where id = 1").await
}

/// The whole life: asked, reminded once, lapsed, told so, and nothing more ever.
#[tokio::test]
async fn silence_ends_it_after_a_question_and_one_reminder() {
    let road = road(&[waiting(ANN, "2022-12-01T09:00:00Z").wants("Near me", "daily")]).await;
    known_person(&road).await;
    assert_eq!(house_and_mails(&road, ASKED).await, 1);
    is_golden("still-interested", &road.mails()[0]);
    for now in ["2023-12-04T10:00:00Z", "2023-12-14T10:00:00Z", "2023-12-15T09:59:59Z"] {
        assert_eq!(house_and_mails(&road, now).await, 0, "{now}");
    }
    assert_eq!(house_and_mails(&road, REMINDED).await, 1);
    is_golden("still-interested-reminder", &road.mails()[1]);
    for now in ["2023-12-18T10:00:00Z", "2023-12-29T10:00:00Z", "2023-12-31T23:59:59Z"] {
        assert_eq!(house_and_mails(&road, now).await, 0, "{now}");
    }
    assert_eq!(state(&road).await, "active");
    assert_eq!(house_and_mails(&road, LAPSED).await, 1);
    is_golden("lapsed", &road.mails()[2]);
    assert_eq!(state(&road).await, "lapsed");
    assert_eq!(road.count("select count(*) from searches").await, 0);
    assert_eq!(road.count("select count(*) from registrations").await, 0);
    assert_eq!(
        road.count("select count(*) from letters where held is not null or due_at is not null").await,
        0
    );
    assert_eq!(audit(&road).await, [("housekeeping".to_owned(), "lapsed".to_owned())]);
    for now in
        ["2024-01-02T10:00:00Z", "2024-03-01T10:00:00Z", "2025-03-03T10:00:00Z", "2027-03-01T10:00:00Z"]
    {
        assert_eq!(house_and_mails(&road, now).await, 0, "{now}");
    }
    assert_eq!(road.mails().len(), 3);
}

/// The three stand in one thread, and each has an identity of its own.
#[tokio::test]
async fn the_letters_stand_in_one_thread() {
    let road = road(&[waiting(ANN, "2022-12-01T09:00:00Z")]).await;
    for now in [ASKED, REMINDED, LAPSED] {
        assert_eq!(house_and_mails(&road, now).await, 1, "{now}");
    }
    let mails = road.mails();
    let ids: Vec<String> = mails.iter().map(|mail| format!("<{}>", mail.message_id().unwrap())).collect();
    assert_eq!(mails[0].header("References"), None);
    assert_eq!(mails[1].header("In-Reply-To").as_deref(), Some(&*ids[0]));
    assert_eq!(mails[2].header("References").unwrap().replace("\r\n", ""), format!("{} {}", ids[0], ids[1]));
}

/// Exactly a year is not more than a year.
#[tokio::test]
async fn who_confirmed_a_year_ago_to_the_second_is_not_asked_yet() {
    let road =
        road(&[waiting(ANN, "2022-12-01T10:00:00Z"), waiting("bob@example.org", "2022-12-01T09:59:59Z")])
            .await;
    assert_eq!(house_and_mails(&road, ASKED).await, 1);
    assert_eq!(road.only_mail().rcpt_to, ["bob@example.org"]);
    assert_eq!(house_and_mails(&road, "2023-12-04T10:00:00Z").await, 1);
}

/// Only who is active, has agreed and asks for something is asked.
#[tokio::test]
async fn nobody_is_asked_about_nothing() {
    let old = "2020-01-01T00:00:00Z";
    let road = road(&[
        person("none@example.org").agreed_at(old),
        person("paused@example.org").agreed_at(old).wants("All", "paused"),
        person("ended@example.org").agreed_at(old).registered_until("pc-dhep", "2023-11-30"),
        waiting("suppressed@example.org", old),
        waiting("unconfirmed@example.org", old),
        waiting("away@example.org", old).paused("2024-06-01", true),
        waiting("fresh@example.org", "2023-06-01T00:00:00Z"),
        person("today@example.org").agreed_at(old).registered_until("pc-dhep", "2023-12-01"),
    ])
    .await;
    road.sql(
        "update subscribers set state = split_part(address, '@', 1)
         where address ~ '^(suppressed|unconfirmed)@'",
    )
    .await;
    assert_eq!(house_and_mails(&road, ASKED).await, 1);
    assert_eq!(road.only_mail().rcpt_to, ["today@example.org"]);
}

/// N34: a list that slept is not woken at once; who confirmed longest ago comes first.
#[tokio::test]
async fn a_sleeping_list_is_asked_little_by_little() {
    let people: Vec<Person> = (0..7)
        .map(|n| waiting(&format!("p{n}@example.org"), &format!("20{}-01-01T00:00:00Z", 20 - n)))
        .collect();
    let mut road = road(&people).await;
    road.reconfigure("housekeeping.ask_at_most", "3");
    for (now, asked) in [
        (ASKED, &["p4@example.org", "p5@example.org", "p6@example.org"][..]),
        ("2023-12-04T10:00:00Z", &["p1@example.org", "p2@example.org", "p3@example.org"]),
        ("2023-12-05T10:00:00Z", &["p0@example.org"]),
        ("2023-12-06T10:00:00Z", &[]),
    ] {
        let before = road.mails().len();
        house_and_mails(&road, now).await;
        let mut to: Vec<String> = road.mails()[before..].iter().map(|mail| mail.rcpt_to[0].clone()).collect();
        to.sort();
        assert_eq!(to, asked, "{now}");
    }
}

/// A newer consent answers, whenever it comes: no further letter, and a year of quiet.
#[tokio::test]
async fn an_answer_ends_it_at_any_point() {
    for (answered, letters) in
        [(ASKED, 0), ("2023-12-05T09:00:00Z", 1), (REMINDED, 1), ("2023-12-20T09:00:00Z", 2), (LAPSED, 2)]
    {
        let road = road(&[waiting(ANN, "2022-12-01T09:00:00Z")]).await;
        for now in [ASKED, "2023-12-05T09:00:00Z", REMINDED, "2023-12-20T09:00:00Z", LAPSED] {
            road.keep_house_at(now).await;
            if now == answered {
                // After the letter is due and before it is claimed.
                road.import(&[waiting(ANN, now)]).await;
            }
            house_and_mails(&road, now).await;
        }
        assert_eq!(road.mails().len(), letters, "{answered}");
        assert_eq!(state(&road).await, "active", "{answered}");
        assert_eq!(road.count("select count(*) from registrations").await, 1, "{answered}");
        for now in ["2024-02-01T10:00:00Z", "2024-11-29T10:00:00Z"] {
            assert_eq!(house_and_mails(&road, now).await, 0, "{answered} {now}");
        }
        // And next year it is asked again.
        assert_eq!(house_and_mails(&road, "2025-01-02T10:00:00Z").await, 1, "{answered}");
    }
}

#[tokio::test]
async fn who_is_discreet_is_asked_discreetly() {
    let road = road(&[waiting(ANN, "2022-12-01T09:00:00Z").discreet()]).await;
    known_person(&road).await;
    for now in [ASKED, REMINDED, LAPSED] {
        assert_eq!(house_and_mails(&road, now).await, 1, "{now}");
    }
    for mail in road.mails() {
        let seen = format!("{} {}", mail.subject().unwrap(), mail.header("From").unwrap()).to_lowercase();
        let seen = seen.replace("@midshire.example", "");
        for telling in ["police", "constable", "officer", "recruit", "vacanc", "midshire", "job", "opens"] {
            assert!(!seen.contains(telling), "{telling} in {seen}");
        }
    }
    is_golden("still-interested-discreet", &road.mails()[0]);
}

/// Who is being asked is told what they asked for; who lapsed is owed nothing, and hears nothing.
#[tokio::test]
async fn promises_are_kept_until_silence_releases_them() {
    let road = Road::setup().at("2024-01-18T12:00:00Z").build().await;
    road.import(&[
        waiting(ANN, "2023-01-19T09:00:00Z").wants("All", "weekly"),
        waiting("bob@example.org", "2023-11-01T00:00:00Z"),
    ])
    .await;
    road.match_all().await;
    road.keep_house().await;
    assert_eq!(house_and_mails(&road, "2024-01-19T10:00:00Z").await, 1);
    assert_eq!(house_and_mails(&road, "2024-02-02T10:00:00Z").await, 1);
    // Asked and reminded, and still told the date.
    road.at("2024-02-19T09:59:00Z");
    road.hears(&[
        Event::sample("09").at("2024-02-19T09:59:00Z"),
        Event::opened("230000AA").at("2024-02-19T09:59:00Z"),
    ])
    .await;
    assert_eq!(road.drain().await.accepted, 2);
    assert_eq!(road.kinds_to(ANN).await.last().map(String::as_str), Some("opening-date"));
    assert_eq!(road.six(DHEP).await, Six { owed: 2, ..Six::default() });
    // The last day was Sunday: today it has lapsed.
    road.keep_house_at("2024-02-19T10:00:00Z").await;
    assert_eq!(state(&road).await, "lapsed");
    assert_eq!(road.drain().await, Delivered { accepted: 1, ended: 2, ..Delivered::NOTHING });
    assert_eq!(road.six(DHEP).await, Six { owed: 1, released: 1, ..Six::default() });
    let reason: String = road.value("select outcome_reason from alerts where outcome = 'released'").await;
    assert_eq!(reason, "lapsed");
    let events: Vec<(Value,)> =
        road.rows("select data from outcome_events where type = 'promise.outcome'").await;
    assert_eq!((events.len(), &events[0].0["reason"]), (1, &Value::from("lapsed")));
    road.at("2024-03-05T10:00:00Z");
    road.hears(&[Event::sample("10")]).await;
    assert_eq!(road.drain().await.accepted, 1);
    assert_eq!(road.mails_to(ANN).len(), 4);
    let said =
        road.run(&["explain", ANN, "pc-dhep", "--now", "2024-03-05T10:00:00Z"]).await.successful().stdout;
    assert!(
        said.contains("they did not answer when they were asked whether they still want to hear"),
        "{said}"
    );
}

/// Who lapsed and agrees again is back, and owed what is still to come; what they said before the
/// question brings nothing back.
#[tokio::test]
async fn who_lapsed_comes_back_by_agreeing_again() {
    let road = Road::setup().at("2024-01-18T12:00:00Z").build().await;
    let ann = || person(ANN).registered("pc-dhep").wants("All", "weekly");
    road.import(&[ann().agreed_at("2023-01-19T09:00:00Z")]).await;
    road.match_all().await;
    road.keep_house().await;
    for now in ["2024-01-19T10:00:00Z", "2024-02-02T10:00:00Z"] {
        assert_eq!(house_and_mails(&road, now).await, 1);
    }
    road.at("2024-02-19T09:59:00Z");
    road.hears(&[Event::sample("09").at("2024-02-19T09:59:00Z")]).await;
    assert_eq!(road.drain().await.accepted, 1);
    assert_eq!(house_and_mails(&road, "2024-02-19T10:00:00Z").await, 1);
    // The file of the last year, and a form that was found late.
    for before in ["2023-01-19T09:00:00Z", "2023-06-01T00:00:00Z", "2024-01-19T10:00:00Z"] {
        let imported = road.import(&[ann().agreed_at(before)]).await;
        assert_eq!((imported.searches, imported.registrations), (0, 0), "{before}");
        assert_eq!(state(&road).await, "lapsed", "{before}");
        assert_eq!(road.count("select count(*) from searches").await, 0, "{before}");
    }
    assert_eq!(road.six(DHEP).await, Six { released: 1, ..Six::default() });
    // An answer of the last day that was read a week late.
    road.at("2024-02-26T09:00:00Z");
    let imported = road.import(&[ann().agreed_at("2024-02-18T20:00:00Z")]).await;
    assert_eq!((imported.searches, imported.registrations), (1, 1));
    assert_eq!(state(&road).await, "active");
    assert_eq!(audit(&road).await.last().unwrap(), &("import".to_owned(), "came-back".to_owned()));
    assert_eq!(road.drain().await.accepted, 0, "the date was told");
    assert_eq!(road.six(DHEP).await, Six { owed: 1, ..Six::default() });
    road.at("2024-03-05T10:00:00Z");
    road.hears(&[Event::sample("10")]).await;
    assert_eq!(road.drain().await.accepted, 1);
    assert_eq!(road.six(DHEP).await, Six { kept: 1, ..Six::default() });
    // The same once more changes nothing.
    road.import(&[ann().agreed_at("2024-02-18T20:00:00Z")]).await;
    assert_eq!(audit(&road).await.len(), 2);
}

/// Who comes back before the letter about the lapse has left does not get it.
#[tokio::test]
async fn who_is_back_is_not_told_that_we_stopped() {
    let road = road(&[waiting(ANN, "2022-12-01T09:00:00Z")]).await;
    assert_eq!(house_and_mails(&road, ASKED).await, 1);
    assert_eq!(house_and_mails(&road, REMINDED).await, 1);
    road.keep_house_at(LAPSED).await;
    assert_eq!(state(&road).await, "lapsed");
    road.import(&[waiting(ANN, LAPSED)]).await;
    assert_eq!(road.drain().await, Delivered { ended: 1, ..Delivered::NOTHING });
    assert_eq!(state(&road).await, "active");
}

/// After an outage nobody lapses who was not reminded, and a week is left to answer.
#[tokio::test]
async fn an_outage_takes_nobodys_time_to_answer() {
    let road = road(&[waiting(ANN, "2022-12-01T09:00:00Z")]).await;
    assert_eq!(house_and_mails(&road, ASKED).await, 1);
    assert_eq!(house_and_mails(&road, "2024-01-10T12:00:00Z").await, 1);
    let reminder = road.mails()[1].text().unwrap();
    assert!(reminder.contains("If we hear nothing by Wednesday 17 January 2024"), "{reminder}");
    assert_eq!(house_and_mails(&road, "2024-01-17T23:59:00Z").await, 0);
    assert_eq!(state(&road).await, "active");
    assert_eq!(house_and_mails(&road, "2024-01-18T10:00:00Z").await, 1);
    assert_eq!(state(&road).await, "lapsed");
}

/// A question that was never taken is no question, and silence no answer to it.
#[tokio::test]
async fn silence_counts_from_a_question_that_was_taken() {
    let refuses = Rule::at(Stage::EndOfData).first(1).reply(552, "5.3.4 Too large");
    let road =
        Road::setup().smtp(SmtpServer::builder().script([refuses])).at("2023-11-30T12:00:00Z").build().await;
    road.import(&[waiting(ANN, "2022-12-01T09:00:00Z")]).await;
    road.keep_house().await;
    road.keep_house_at(ASKED).await;
    assert_eq!(road.drain().await.failed, 1);
    for now in [REMINDED, LAPSED, "2024-06-03T10:00:00Z"] {
        assert_eq!(house_and_mails(&road, now).await, 0, "{now}");
    }
    assert_eq!(state(&road).await, "active");
    let ended: String = road.value("select ended from letters").await;
    assert_eq!(ended, "refused");
}

/// A reminder that is refused keeps nobody for ever.
#[tokio::test]
async fn a_reminder_that_was_not_taken_does_not_keep_them() {
    let refuses = Rule::at(Stage::EndOfData).after(1).first(1).reply(552, "5.3.4 Too large");
    let road =
        Road::setup().smtp(SmtpServer::builder().script([refuses])).at("2023-11-30T12:00:00Z").build().await;
    road.import(&[waiting(ANN, "2022-12-01T09:00:00Z")]).await;
    road.keep_house().await;
    assert_eq!(house_and_mails(&road, ASKED).await, 1);
    road.keep_house_at(REMINDED).await;
    assert_eq!(road.drain().await.failed, 1);
    assert_eq!(house_and_mails(&road, "2023-12-29T10:00:00Z").await, 0);
    assert_eq!(state(&road).await, "active");
    assert_eq!(house_and_mails(&road, LAPSED).await, 1);
    assert_eq!(state(&road).await, "lapsed");
}

/// An import and a lapse at one moment: whoever comes first, the answer counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_at_the_moment_of_the_lapse_counts() {
    let people: Vec<Person> =
        (0..40).map(|n| waiting(&format!("p{n}@example.org"), "2022-12-01T09:00:00Z")).collect();
    let road = road(&people).await;
    for now in [ASKED, REMINDED] {
        assert_eq!(house_and_mails(&road, now).await, 40);
    }
    road.at(LAPSED);
    let answers: Vec<Person> = (0..40).map(|n| waiting(&format!("p{n}@example.org"), LAPSED)).collect();
    let import = async {
        for answer in answers.chunks(4) {
            road.import(answer).await;
        }
    };
    let mut rules = road.program().housekeeping_rules();
    rules.rows_together = 5;
    let lapse = async {
        while jobalerts::housekeeping::step(road.pool(), &rules, road.clock.now()).await.unwrap()
            != jobalerts::housekeeping::Step::Idle
        {}
    };
    tokio::join!(import, lapse);
    assert_eq!(road.count("select count(*) from subscribers where state = 'active'").await, 40);
    assert_eq!(road.count("select count(*) from registrations").await, 40);
    road.drain().await;
    assert_eq!(road.mails().len(), 80);
}
