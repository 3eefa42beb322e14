//! What was told and is not so any more is put right: for exactly those who were told, in the thread
//! of what they were told.

use std::sync::Arc;

use jobalerts::delivery::claim;
use jobalerts::delivery::told;
use jobalerts::store::alerts::{self, Ending};
use jobalerts::store::tries::{self, Outcome, Try};
use jobalerts::store::workers::Life;
use jobalerts_dev::smtp::{Rule, SmtpServer, Stage as SmtpStage};
use serde_json::json;

use crate::harness::events::Event;
use crate::harness::people::{crowd, curious, person};
use crate::harness::{Delivered, Road};

const ANN: &str = "ann@example.org";
const BOB: &str = "bob@example.org";
const CEE: &str = "cee@example.org";
const P0: &str = "vacancy/230000P0";

fn accepted(mails: u64) -> Delivered {
    Delivered { accepted: mails, ..Delivered::NOTHING }
}

fn officer(address: &str) -> crate::harness::people::Person {
    person(address).search("Ranks", "immediate", json!({"audience": {"any": ["serving-officer"]}}))
}

fn daily_officer(address: &str) -> crate::harness::people::Person {
    person(address).search("Ranks", "daily", json!({"audience": {"any": ["serving-officer"]}}))
}

/// Two are told of sample 01; a third hears daily, after it was corrected.
async fn told_of_sample_01() -> Road {
    let road = Road::setup().with_guards().at("2023-11-24T09:05:12Z").build().await;
    road.import(&[officer(ANN), officer(BOB), daily_officer(CEE)]).await;
    road.hears(&[Event::sample("01")]).await;
    assert_eq!(road.drain().await, accepted(2));
    road
}

/// N7, I6, I25.
#[tokio::test]
async fn a_closing_that_moves_earlier() {
    let road = told_of_sample_01().await;
    let first = road.mails_to(ANN)[0].message_id().unwrap();
    // Cee was told of it the next morning, so is told of the change, too.
    assert_eq!(road.drain_at("2023-11-25T08:00:00Z").await, accepted(1));
    road.at("2023-11-28T15:20:00Z");
    road.hears(&[Event::sample("04")]).await;
    assert_eq!(road.drain().await, accepted(3));
    let mail = &road.mails_to(ANN)[1];
    let subject = mail.subject().unwrap();
    assert_eq!(subject, "Correction: closing date is 4 December, not 8 December");
    assert_eq!(mail.header("In-Reply-To").unwrap().trim(), format!("<{first}>"));
    let text = mail.text().unwrap();
    for said in ["8 December 2023", "noon", "Monday 4 December 2023", "24 November"] {
        assert!(text.contains(said), "{said}: {text}");
    }
    assert_eq!(road.drain_at("2023-11-29T15:20:00Z").await, Delivered::NOTHING);
    // It closes as was told in the end.
    road.at("2023-12-04T12:00:01Z");
    road.hears(&[Event::sample("06")]).await;
    assert_eq!(road.drain_at("2023-12-04T13:00:00Z").await, Delivered::NOTHING);
}

/// N7: who was not told yet sees the new date only.
#[tokio::test]
async fn who_was_not_told_hears_what_is_so() {
    let road = told_of_sample_01().await;
    road.at("2023-11-24T15:20:00Z");
    road.hears(&[Event::sample("04").at("2023-11-24T15:20:00Z")]).await;
    assert_eq!(road.drain().await, accepted(2));
    assert_eq!(road.drain_at("2023-11-25T08:00:00Z").await, accepted(1));
    let mail = road.mails_to(CEE)[0].clone();
    assert!(!mail.subject().unwrap().starts_with("Correction:"));
    let text = mail.text().unwrap();
    assert!(text.contains("4 December 2023") && !text.contains("8 December"), "{text}");
}

/// N9.
#[tokio::test]
async fn a_typo_is_no_correction() {
    let road = Road::new().await;
    road.import(&[curious(ANN)]).await;
    road.hears(&[Event::sample("03")]).await;
    assert_eq!(road.drain().await, accepted(1));
    road.at("2023-11-14T11:02:00Z");
    road.hears(&[
        Event::sample("05"),
        Event::opened("230000IR").version(3).titled("Custody facility volunteers"),
    ])
    .await;
    assert_eq!(road.drain_at("2023-11-15T11:02:00Z").await, Delivered::NOTHING);
}

/// The producer calls it material, and it is not; and the other way round.
#[tokio::test]
async fn what_is_material_is_not_a_matter_of_belief() {
    let change = |version, field: &str, to: serde_json::Value, material| {
        Event::closes_earlier("230000AA", "2023-12-04T12:00:00Z")
            .version(version)
            .at(&format!("2023-11-13T1{version}:00:00Z"))
            .with("/data/changes", json!([{"field": field, "from": null, "to": to, "material": material}]))
    };
    let road = Road::new().await;
    road.import(&[curious(ANN)]).await;
    road.hears(&[Event::opened("230000AA").shuts("2023-12-08T12:00:00Z")]).await;
    assert_eq!(road.drain().await, accepted(1));
    road.hears(&[change(2, "description", json!("Other words"), true)]).await;
    assert_eq!(road.drain_at("2023-11-13T12:00:00Z").await, Delivered::NOTHING);
    let earlier = json!({"value": "2023-12-01T12:00:00Z", "precision": "instant"});
    road.hears(&[change(3, "closing", earlier, false)]).await;
    assert_eq!(road.drain_at("2023-11-13T13:00:00Z").await, accepted(1));
}

/// N5, I6.
#[tokio::test]
async fn who_was_told_hears_of_a_withdrawal_and_nobody_else() {
    let road = Road::setup().with_guards().at("2023-11-20T10:00:00Z").build().await;
    let immediate = ["a", "b", "c"].map(|name| curious(&format!("{name}@example.org")));
    let daily =
        ["d", "e", "f", "g", "h"].map(|name| person(&format!("{name}@example.org")).wants("All", "daily"));
    road.import(&immediate).await;
    road.import(&daily).await;
    road.hears(&[Event::sample("02").at("2023-11-20T10:00:00Z")]).await;
    assert_eq!(road.drain_at("2023-11-20T10:03:00Z").await, accepted(3));
    road.at("2023-11-20T11:45:00Z");
    road.hears(&[Event::sample("07")]).await;
    assert_eq!(road.drain_at("2023-11-20T12:00:00Z").await, accepted(3));
    assert_eq!(road.drain_at("2023-11-21T08:00:00Z").await.accepted, 0);
    for name in ["a", "b", "c"] {
        let address = format!("{name}@example.org");
        assert_eq!(road.kinds_to(&address).await, ["vacancy-alert", "withdrawn"]);
        let mails = road.mails_to(&address);
        let first = mails[0].message_id().unwrap();
        assert_eq!(mails[1].header("In-Reply-To").unwrap().trim(), format!("<{first}>"));
        let text = mails[1].text().unwrap();
        assert!(text.contains("This volunteer role was put on the site by mistake."), "{text}");
        assert!(!text.contains("https://careers.force.example/jobs/230000ME"), "{text}");
    }
}

/// After a change that takes it out of what a person asks for, the mail says so.
#[tokio::test]
async fn a_correction_reaches_who_was_told_even_if_it_no_longer_matches() {
    let road = Road::new().await;
    road.import(&[person(ANN).search("Near", "immediate", json!({"locations": {"any": ["birmingham"]}}))])
        .await;
    road.hears(&[Event::opened("230000AA")]).await;
    assert_eq!(road.drain().await, accepted(1));
    let moved = Event::opened("230000AA").version(2).at("2023-11-13T12:00:00Z");
    road.at("2023-11-13T12:00:00Z");
    road.hears(&[moved
        .with("/data/locations", json!(["coventry"]))
        .with("/data/siteText", "Little Park Street")])
        .await;
    assert_eq!(road.drain().await, accepted(1));
    assert_eq!(road.kinds_to(ANN).await, ["vacancy-alert", "correction"]);
    let text = road.mails()[1].text().unwrap();
    assert!(text.contains("Coventry") && text.contains("no longer match"), "{text}");
    // Who stopped asking altogether is left alone.
    road.sql("delete from searches").await;
    road.hears(&[Event::withdrawn("230000AA").version(3).at("2023-11-13T14:00:00Z")]).await;
    assert_eq!(road.drain_at("2023-11-13T14:10:00Z").await.accepted, 0);
}

/// A later closing waits for the next digest; a second thought before that is no news.
#[tokio::test]
async fn what_is_no_haste_goes_with_the_next_digest() {
    let road = told_of_sample_01().await;
    let closes = |version, day: &str, at: &str| {
        Event::sample("04")
            .version(version)
            .at(at)
            .with("/data/posting", json!(null))
            .with("/data/changes/0/to", json!({"value": day, "precision": "date"}))
    };
    road.at("2023-11-28T15:20:00Z");
    road.hears(&[closes(2, "2023-12-15", "2023-11-28T15:20:00Z")]).await;
    assert_eq!(road.drain().await, Delivered::NOTHING);
    assert_eq!(road.drain_at("2023-11-29T07:59:59Z").await, Delivered::NOTHING);
    road.hears(&[closes(3, "2023-12-08", "2023-11-29T07:59:59Z")]).await;
    assert_eq!(road.drain_at("2023-11-29T08:00:00Z").await.accepted, 1, "Cee's first digest");
    assert_eq!(road.mails_to(ANN).len(), 1);
    road.at("2023-11-30T15:20:00Z");
    road.hears(&[closes(4, "2023-12-15", "2023-11-30T15:20:00Z")]).await;
    assert_eq!(road.drain().await, Delivered::NOTHING);
    assert_eq!(road.drain_at("2023-12-01T08:00:00Z").await, accepted(3));
    assert!(road.mails_to(ANN)[1].subject().unwrap().starts_with("Correction:"));
}

/// The truth changes while a mail is in flight: what was told is compared again when it is recorded.
#[tokio::test]
async fn a_change_while_a_mail_is_in_flight_is_not_lost() {
    let road = Road::new().await;
    road.import(&[curious(ANN)]).await;
    road.hears(&[Event::opened("230000AA").shuts("2023-12-08T12:00:00Z")]).await;
    road.match_all().await;
    // Claimed by a worker...
    let life = Life::begin(road.config().database.url.expose()).await.unwrap();
    let worker = life.number();
    let rules = claim::Rules::new(road.config(), Arc::clone(road.program().taxonomy()), "midshire.example");
    let claimed = claim::claim(road.pool(), &rules, worker, 10, &[], road.clock.now()).await.unwrap();
    let mail = &claimed.mails[0];
    // ...then it changes, and matching is done with it...
    road.hears(&[Event::closes_earlier("230000AA", "2023-12-01T12:00:00Z")]).await;
    road.match_all().await;
    // ...and only then the mail server says that it has the mail.
    let mut transaction = road.pool().begin().await.unwrap();
    let outcome = Try {
        mail_id: mail.errand.mail_id,
        worker,
        subscriber_id: mail.errand.subscriber_id,
        told: told(mail, &rules.policy, road.clock.now()),
        outcome: Outcome::Accepted,
        verdict: None,
        reply: String::new(),
    };
    tries::record(&mut transaction, &[outcome], road.clock.now()).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(road.drain_at("2023-11-13T10:31:00Z").await, accepted(1));
    let text = road.only_mail().text().unwrap();
    assert!(road.only_mail().subject().unwrap().starts_with("Correction:"));
    assert!(text.contains("Friday 1 December 2023"), "{text}");
}

/// The truth changes while it is decided that there is nothing to say: that is decided again.
#[tokio::test]
async fn what_ends_by_a_truth_that_has_moved_on_stays_due() {
    let road = Road::new().await;
    road.import(&[curious(ANN)]).await;
    road.hears(&[Event::opened("230000AA").shuts("2023-12-08T12:00:00Z")]).await;
    road.match_all().await;
    road.hears(&[Event::closes_earlier("230000AA", "2023-12-01T12:00:00Z")]).await;
    let (subscriber_id, opening_id): (i64, i64) =
        road.rows("select subscriber_id, opening_id from alerts").await.remove(0);
    for (revision, ended) in [(1, 0), (2, 1)] {
        let ending = Ending { subscriber_id, opening_id, revision, reason: Some("expired") };
        let mut connection = road.pool().acquire().await.unwrap();
        alerts::end(&mut connection, &[ending], road.clock.now()).await.unwrap();
        assert_eq!(road.count("select count(*) from alerts where ended = 'expired'").await, ended);
        assert_eq!(road.count("select count(*) from alerts where due_at is null").await, ended);
    }
}

/// I6: who never got the first mail gets no correction of it.
#[tokio::test]
async fn who_was_never_told_is_not_corrected() {
    let later = Rule::at(SmtpStage::Rcpt).to_local_prefix("bob").first(1).reply(450, "4.2.0 Later");
    let road = Road::setup().smtp(SmtpServer::builder().script([later])).build().await;
    road.import(&[curious(ANN), curious(BOB)]).await;
    road.hears(&[Event::opened("230000AA").shuts("2023-12-08T12:00:00Z")]).await;
    assert_eq!(road.drain().await, Delivered { accepted: 1, deferred: 1, ..Delivered::NOTHING });
    road.hears(&[Event::closes_earlier("230000AA", "2023-12-01T12:00:00Z")]).await;
    assert_eq!(road.drain_at("2023-11-13T10:31:00Z").await, accepted(2));
    assert_eq!(road.kinds_to(ANN).await, ["vacancy-alert", "correction"]);
    assert_eq!(road.kinds_to(BOB).await, ["vacancy-alert"]);
    assert!(road.mails_to(BOB)[0].text().unwrap().contains("1 December 2023"));
    assert_eq!(road.count("select count(*) from openings where subject = 'vacancy/230000AA'").await, 1);
}

/// A vacancy that vanishes from the site is only believed to be gone after half an hour.
#[tokio::test]
async fn a_vacancy_that_vanishes_may_be_back() {
    let road = told_of_sample_01().await;
    let vanished = |version, at: &str| {
        Event::sample("06")
            .version(version)
            .at(at)
            .with("/data/reason", "withdrawn")
            .with("/data/closedAt", at)
    };
    road.hears(&[vanished(2, "2023-11-24T12:00:00Z")]).await;
    assert_eq!(road.drain_at("2023-11-24T12:29:59Z").await, Delivered::NOTHING);
    road.hears(&[Event::sample("01").version(3).at("2023-11-24T12:29:00Z")]).await;
    assert_eq!(road.drain_at("2023-11-24T14:00:00Z").await.accepted, 0);
    road.hears(&[vanished(4, "2023-11-24T15:00:00Z")]).await;
    assert_eq!(road.drain_at("2023-11-24T15:30:00Z").await, accepted(2));
    assert_eq!(road.kinds_to(ANN).await, ["vacancy-alert", "closed-early"]);
    assert_eq!(road.value::<String>("select subject from openings").await, P0);
}

/// I29: after the door has shut, no further mail that says it is open is claimed.
#[tokio::test]
async fn a_closed_door_stops_the_release() {
    let road = Road::new().await;
    road.import(&crowd(100)).await;
    road.hears(&[Event::opened("230000AA").shuts("2023-12-08T12:00:00Z")]).await;
    road.match_all().await;
    let life = Life::begin(road.config().database.url.expose()).await.unwrap();
    let rules = claim::Rules::new(road.config(), Arc::clone(road.program().taxonomy()), "midshire.example");
    let claimed = async |limit| {
        claim::claim(road.pool(), &rules, life.number(), limit, &[], road.clock.now()).await.unwrap()
    };
    assert_eq!(claimed(30).await.mails.len(), 30);
    road.hears(&[Event::closed("230000AA").version(2).at("2023-11-13T08:31:00Z")]).await;
    // Matching has not looked yet.
    let after = claimed(100).await;
    assert_eq!((after.mails.len(), after.people), (0, 70));
    // That it came and went is for the next digest.
    assert_eq!(road.count("select count(*) from alerts where due_at = '2023-11-14T08:00:00Z'").await, 70);
    road.match_all().await;
    assert_eq!(claimed(100).await.mails.len(), 0);
}

/// What waits to be told is not swallowed by a later version of an older time.
#[tokio::test]
async fn an_old_event_does_not_make_what_is_new_old() {
    let road = told_of_sample_01().await;
    let closes = |version, field: &str, to: serde_json::Value, at: &str| {
        let change = json!([{"field": field, "from": null, "to": to}]);
        Event::sample("04")
            .version(version)
            .at(at)
            .with("/data/posting", json!(null))
            .with("/data/changes", change)
    };
    let later = json!({"value": "2023-12-15", "precision": "date"});
    road.at("2023-11-28T15:20:00Z");
    road.hears(&[closes(2, "closing", later, "2023-11-28T15:20:00Z")]).await;
    assert_eq!(road.drain().await, Delivered::NOTHING);
    road.hears(&[closes(3, "description", json!("Other words"), "2023-11-26T09:00:00Z")]).await;
    assert_eq!(road.drain_at("2023-11-29T08:00:00Z").await, accepted(3), "and Cee's first digest");
    assert!(road.mails_to(ANN)[1].subject().unwrap().starts_with("Correction:"));
}
