//! From events to the truth: each event once, in any order, at any age.

use std::collections::BTreeSet;

use serde_json::json;

use crate::harness::events::Event;
use crate::harness::people::{curious, person};
use crate::harness::{Delivered, Road, TESTER};

const ANN: &str = "ann@example.org";

fn officer(cadence: &str) -> crate::harness::people::Person {
    person(ANN).search("Senior", cadence, json!({"audience": {"any": ["serving-officer"]}}))
}

fn all_orders(events: &[Event]) -> Vec<Vec<Event>> {
    if events.is_empty() {
        return vec![vec![]];
    }
    let begin_with = |index: usize| {
        let mut rest = events.to_vec();
        let first = rest.remove(index);
        all_orders(&rest).into_iter().map(move |order| [vec![first.clone()], order].concat())
    };
    (0..events.len()).flat_map(begin_with).collect()
}

/// I7: versions go up; whatever order four events come in, one by one or all at once, the truth is one.
#[tokio::test]
async fn every_order_of_arrival_gives_the_same_truth() {
    let road = Road::new().await;
    for together in [false, true] {
        for (number, _) in all_orders(&vec![Event::sample("03"); 4]).iter().enumerate() {
            let reference = format!("{}{number:02}", if together { "A" } else { "B" });
            let closes = Event::closes_earlier(&reference, "2023-12-04T12:00:00+00:00");
            let events = [
                Event::opened(&reference).with("/data/posting/url", json!(null)),
                closes,
                Event::closed(&reference),
                Event::withdrawn(&reference).version(4).at("2023-12-05T12:00:00Z"),
            ];
            let order = all_orders(&events).swap_remove(number);
            if together {
                road.hears(&order).await;
            } else {
                for event in order {
                    road.hears(&[event]).await;
                }
            }
        }
    }
    let truths: Vec<(i32, String, Option<String>, i64)> = road
        .rows(
            "select distinct posting, state, truth->>'closeReason', version from
             (select distinct on (subject) * from openings order by subject, posting desc) o",
        )
        .await;
    assert_eq!(truths, [(1, "withdrawn".to_owned(), Some("posted-in-error".to_owned()), 4)]);
    let different = "select count(*) from (select distinct truth, door_shuts_at, event_time from openings) o";
    assert_eq!(road.count(different).await, 1);
    assert_eq!(road.count("select count(*) from openings").await, 48);
}

/// I7: an event of a version that was there already changes nothing.
#[tokio::test]
async fn the_first_of_two_events_of_one_version_counts() {
    let road = Road::new().await;
    road.hears(&[Event::opened("230000AA").titled("First")]).await;
    let taken = road.take(&[Event::opened("230000AA").titled("Second")]).await;
    assert_eq!((taken.new, taken.late, taken.openings), (1, 1, 0));
    assert_eq!(road.value::<String>("select truth->'facts'->>'title' from openings").await, "First");
}

/// N24, OPS-5, I7.
#[tokio::test]
async fn a_replay_of_everything_changes_nothing_and_mails_nobody() {
    let road = Road::new().await;
    road.import(&[curious(ANN), person("bob@example.org").wants("All", "weekly")]).await;
    let samples: Vec<Event> = ["01", "02", "03", "04", "05", "06", "07"].map(Event::sample).into();
    road.at("2023-11-20T10:01:00Z");
    road.publish(&samples[1..3]).await;
    road.intake().await;
    assert!(road.drain().await.accepted > 0);
    road.publish(&samples).await;
    assert_eq!(road.intake().await.new, 5);
    road.drain_at("2023-12-04T13:00:00Z").await;

    let before = road.state().await;
    let mails = road.mails().len();
    road.at("2023-12-11T13:00:00Z");
    road.publish(&samples).await;
    let taken = road.intake().await;
    assert_eq!((taken.new, taken.repeated, taken.openings), (0, 7, 0));
    assert_eq!(road.drain().await, Delivered::NOTHING);
    assert_eq!(road.state().await, before);
    assert_eq!(road.mails().len(), mails);
}

/// I8.
#[tokio::test]
async fn old_news_is_told_only_if_it_is_still_open() {
    let road = Road::setup().at("2023-11-17T09:00:00Z").build().await;
    road.import(&[curious(ANN)]).await;
    road.hears(&[
        Event::opened("230000AA").titled("Still open"),
        Event::opened("230000BB").shuts("2023-11-16T12:00:00Z").titled("Shut by the clock"),
        Event::opened("230000CC").titled("Shut by an event"),
        Event::closed("230000CC").version(2).at("2023-11-15T12:00:00Z"),
    ])
    .await;
    assert_eq!(road.drain().await, Delivered::ONE_MAIL);
    assert!(road.only_mail().subject().unwrap().contains("Still open"));
    assert_eq!(road.alerts().await.len(), 1, "of what was old and shut there is nothing to record");
}

/// N22, I13.
#[tokio::test]
async fn a_date_without_a_time_counts_to_the_end_of_the_day() {
    for (now, delivered) in
        [("2023-12-08T20:00:00Z", Delivered::ONE_MAIL), ("2023-12-08T23:59:59Z", Delivered::ONE_MAIL)]
    {
        let road = Road::setup().at("2023-11-24T09:06:00Z").build().await;
        road.import(&[officer("immediate")]).await;
        road.hears(&[Event::sample("01")]).await;
        assert_eq!(road.match_all().await, 1);
        // The mail server was away until now, say.
        road.at(now);
        assert_eq!(road.deliver().await, delivered, "{now}");
        for mail in road.mails() {
            let text = mail.text().unwrap().replace("\r\n", " ").replace('\n', " ");
            assert!(text.contains("Friday 8 December 2023"), "{text}");
            assert!(text.contains("The advert gives no time, so do not leave it to the evening."), "{text}");
        }
    }
    let road = Road::setup().at("2023-11-24T09:06:00Z").build().await;
    road.import(&[officer("immediate")]).await;
    road.hears(&[Event::sample("01")]).await;
    assert_eq!(road.match_all().await, 1);
    road.at("2023-12-09T00:00:00Z");
    assert_eq!(road.deliver().await, Delivered::ONE_MAIL);
    assert!(road.only_mail().subject().unwrap().starts_with("Opened and closed: "));
}

/// N7: who was not told yet sees only the new date.
#[tokio::test]
async fn a_digest_knows_only_the_new_closing() {
    let road = Road::setup().at("2023-11-28T15:21:00Z").build().await;
    road.import(&[officer("daily")]).await;
    road.hears(&[Event::sample("01")]).await;
    assert_eq!(road.drain().await, Delivered::NOTHING);
    road.hears(&[Event::sample("04")]).await;
    assert_eq!(road.drain().await, Delivered::NOTHING);
    assert_eq!(road.drain_at("2023-11-29T08:00:00Z").await, Delivered::ONE_MAIL);
    let mail = road.only_mail();
    for part in [mail.text().unwrap(), mail.html().unwrap()] {
        assert!(part.contains("Monday 4 December 2023") && !part.contains("8 December"), "{part}");
    }
    assert_eq!(road.only_alert().await.told_revision, Some(2));
}

/// N9.
#[tokio::test]
async fn a_typo_that_is_fixed_makes_no_mail() {
    let road = Road::setup().at("2023-11-13T08:31:00Z").build().await;
    road.import(&[curious(ANN)]).await;
    road.hears(&[Event::sample("03")]).await;
    assert_eq!(road.drain().await, Delivered::ONE_MAIL);
    road.at("2023-11-14T11:03:00Z");
    road.hears(&[Event::sample("05")]).await;
    assert_eq!(road.drain().await, Delivered::NOTHING);
    assert_eq!(road.mails().len(), 1);
}

/// I9, N27.
#[tokio::test]
async fn a_test_event_reaches_only_the_testers() {
    let road = Road::new().await;
    road.import(&[curious(ANN), curious("Tester@EXAMPLE.org"), curious("bob@example.org")]).await;
    let test = Event::opened("TEST0001").with("/testevent", true);
    let unmarked = Event::opened("test0002");
    let taken = road.take(&[test, unmarked, Event::sample("23")]).await;
    let reasons: BTreeSet<&str> =
        taken.rejected.iter().map(|(_, rejection)| rejection.reason.code()).collect();
    assert_eq!(reasons, BTreeSet::from(["looks-like-a-test", "foreign-environment"]));
    assert_eq!(road.drain().await, Delivered::ONE_MAIL);
    let mail = road.only_mail();
    assert_eq!(mail.rcpt_to, ["Tester@example.org"]);
    assert!(mail.subject().unwrap().starts_with("[TEST] "), "{:?}", mail.subject());
}

/// I9: checked again at the claim.
#[tokio::test]
async fn who_is_no_tester_any_more_hears_of_no_test() {
    let mut road = Road::new().await;
    road.import(&[curious(TESTER)]).await;
    road.hears(&[Event::opened("TEST0001").with("/testevent", true)]).await;
    assert_eq!(road.match_all().await, 1);
    road.reconfigure("testing.addresses", "[]");
    assert_eq!(road.deliver().await, Delivered { ended: 1, ..Delivered::NOTHING });
    assert_eq!(road.endings().await, [Some("test".to_owned())]);
}

/// 2.2.2: posted again after it was shut, it is another posting, and told again.
#[tokio::test]
async fn what_is_posted_again_is_told_again() {
    let road = Road::new().await;
    road.import(&[curious(ANN)]).await;
    road.hears(&[Event::opened("230000AA")]).await;
    assert_eq!(road.drain().await, Delivered::ONE_MAIL);
    road.at("2023-11-14T10:00:00Z");
    road.hears(&[Event::closed("230000AA").version(2).at("2023-11-14T09:00:00Z")]).await;
    road.hears(&[Event::opened("230000AA").version(3).at("2023-11-14T09:30:00Z")]).await;
    assert_eq!(road.drain().await, Delivered::ONE_MAIL);
    let ids: BTreeSet<_> = road.mails().iter().map(|mail| mail.message_id()).collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(road.alerts().await.iter().map(|alert| alert.posting).collect::<Vec<_>>(), [1, 2]);
}

/// 2.2.2: feeds blink.
#[tokio::test]
async fn what_is_back_within_half_an_hour_is_the_same_posting() {
    let road = Road::new().await;
    road.import(&[curious(ANN)]).await;
    road.hears(&[Event::opened("230000AA")]).await;
    assert_eq!(road.drain().await, Delivered::ONE_MAIL);
    road.at("2023-11-14T10:00:00Z");
    road.hears(&[Event::withdrawn("230000AA").version(2).at("2023-11-14T09:00:00Z")]).await;
    road.hears(&[Event::opened("230000AA").version(3).at("2023-11-14T09:29:59Z")]).await;
    assert_eq!(road.drain().await.accepted, 0);
    assert_eq!(road.only_alert().await.posting, 1);
}

/// A feed that counts no versions is ordered by time.
#[tokio::test]
async fn without_versions_the_time_decides() {
    let road = Road::new().await;
    let opened = Event::opened("230000AA").without("entityversion");
    let closed = Event::closed("230000AA").at("2023-11-13T10:00:00Z").without("entityversion");
    road.hears(&[closed]).await;
    assert_eq!(road.count("select count(*) from openings").await, 0);
    road.hears(&[opened]).await;
    assert_eq!(road.value::<String>("select state from openings").await, "closed");
}
