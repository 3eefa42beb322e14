//! From an event to a mail, once and in time.

use serde_json::json;

use crate::harness::events::Event;
use crate::harness::people::{curious, person, with_sample_searches};
use crate::harness::{Delivered, MONDAY, Road, time};

/// N10, SUB-6, I2.
#[tokio::test]
async fn three_searches_of_one_person_make_one_mail_with_three_reasons() {
    let road = Road::new().await;
    road.import(&[with_sample_searches("ann@example.org")]).await;
    road.publish(&[Event::sample("03")]).await;
    assert_eq!(road.intake().await.openings, 1);

    assert_eq!(road.drain().await, Delivered::ONE_MAIL);
    let mail = road.only_mail();
    assert_eq!(mail.rcpt_to, ["ann@example.org"]);
    let text = mail.text().unwrap();
    for name in ["Volunteering near me", "Anything in custody", "All Birmingham roles"] {
        assert!(text.contains(name), "{name} in {text}");
        assert!(mail.html().unwrap().contains(name), "{name}");
    }
    let row = road.only_mail_row().await;
    assert_eq!(row.outcome.as_deref(), Some("accepted"));
    assert_eq!(row.message_id, format!("<{}>", mail.message_id().unwrap()));
    let alert = road.only_alert().await;
    assert_eq!((alert.told_revision, alert.due_at, alert.ended), (Some(1), None, None));

    for tick in ["2023-11-14T08:00:00Z", "2023-11-20T08:00:00Z"] {
        assert_eq!(road.drain_at(tick).await, Delivered::NOTHING, "{tick}");
    }
}

/// SUB-5: daily at the next 08:00 of the clocks in London, weekly on the next Monday, and not before.
#[tokio::test]
async fn each_person_hears_in_their_rhythm() {
    let road = Road::new().await;
    road.import(&[
        person("daily@example.org").wants("All", "daily"),
        person("weekly@example.org").wants("All", "weekly"),
        curious("now@example.org"),
        person("paused@example.org").wants("All", "paused"),
    ])
    .await;
    road.hears(&[Event::sample("03")]).await;
    for (now, address) in [
        (MONDAY, Some("now@example.org")),
        ("2023-11-14T07:59:59Z", None),
        ("2023-11-14T08:00:00Z", Some("daily@example.org")),
        ("2023-11-20T07:59:59Z", None),
        ("2023-11-20T08:00:00Z", Some("weekly@example.org")),
        ("2024-11-20T08:00:00Z", None),
    ] {
        let before = road.mails().len();
        road.drain_at(now).await;
        let new: Vec<String> = road.mails()[before..].iter().flat_map(|mail| mail.rcpt_to.clone()).collect();
        assert_eq!(new, address.into_iter().collect::<Vec<_>>(), "{now}");
    }
}

/// SUB-5: eight o'clock is eight o'clock, also on the morning after the clocks were moved.
#[tokio::test]
async fn a_digest_leaves_at_eight_local_time_across_a_clock_change() {
    for (opened, daily, weekly) in [
        ("2024-03-30T12:00:00Z", "2024-03-31T07:00:00Z", "2024-04-01T07:00:00Z"),
        ("2024-10-26T12:00:00Z", "2024-10-27T08:00:00Z", "2024-10-28T08:00:00Z"),
    ] {
        let road = Road::setup().at(opened).build().await;
        road.import(&[
            person("daily@example.org").wants("All", "daily"),
            person("weekly@example.org").wants("All", "weekly"),
        ])
        .await;
        road.hears(&[Event::opened("230000AA").at(opened)]).await;
        road.match_all().await;
        let due: Vec<_> = road.alerts().await.into_iter().map(|alert| alert.due_at).collect();
        assert_eq!(due, [Some(time(daily)), Some(time(weekly))]);
    }
}

/// SUB-6: the fastest of the searches that ask for it says when.
#[tokio::test]
async fn the_fastest_search_wins() {
    let road = Road::new().await;
    let weekly_and_daily = person("ann@example.org")
        .wants("All", "weekly")
        .search("Near me", "daily", json!({"locations": {"any": ["birmingham"]}}))
        .search("Never mind", "immediate", json!({"locations": {"any": ["coventry"]}}));
    road.import(&[weekly_and_daily]).await;
    road.hears(&[Event::sample("03")]).await;
    road.match_all().await;
    assert_eq!(road.only_alert().await.due_at, Some(time("2023-11-14T08:00:00Z")));
}

/// SUB-6, I17: one mail tells of all that is due, those that close soonest first.
#[tokio::test]
async fn vacancies_that_are_due_at_once_come_in_one_mail() {
    let road = Road::new().await;
    road.import(&[person("ann@example.org").wants("All", "daily")]).await;
    road.hears(&[
        Event::opened("230000AA").titled("Archivist"),
        Event::opened("230000BB").titled("Blacksmith").shuts("2023-12-01T12:00:00Z"),
        Event::opened("230000CC").titled("Carpenter").shuts("2023-11-20T12:00:00Z"),
    ])
    .await;
    assert_eq!(road.drain().await, Delivered::NOTHING);
    assert_eq!(road.drain_at("2023-11-14T08:00:00Z").await, Delivered::ONE_MAIL);
    let text = road.only_mail().text().unwrap();
    let place = |title| text.find(title).unwrap_or_else(|| panic!("{title} in {text}"));
    assert!(place("Carpenter") < place("Blacksmith") && place("Blacksmith") < place("Archivist"), "{text}");
    assert!(road.alerts().await.iter().all(|alert| alert.told_revision == Some(1)));
}

/// What does not fit into one mail follows in the next.
#[tokio::test]
async fn more_vacancies_than_a_mail_holds_come_in_several() {
    let road = Road::new().await;
    road.import(&[curious("ann@example.org")]).await;
    let many: Vec<Event> =
        (0..45).map(|n| Event::opened(&format!("23{n:04}")).titled(&format!("Job {n:02}"))).collect();
    road.hears(&many).await;
    assert_eq!(road.drain().await, Delivered { accepted: 3, ..Delivered::NOTHING });
    let texts: String = road.mails().iter().map(|mail| mail.text().unwrap()).collect();
    for n in 0..45 {
        assert_eq!(texts.matches(&format!("Read the advert: Job {n:02}")).count(), 1, "{n}: {texts}");
    }
}

/// SUB-7: nobody hears of nothing.
#[tokio::test]
async fn thirty_days_without_a_match_are_thirty_days_of_silence() {
    let road = Road::new().await;
    road.import(&[person("ann@example.org").search(
        "Dogs",
        "daily",
        json!({"keywords": {"any": ["dog handler"]}}),
    )])
    .await;
    road.hears(&[Event::sample("03")]).await;
    for day in [13, 14, 20, 27] {
        assert_eq!(road.drain_at(&format!("2023-11-{day}T08:31:00Z")).await, Delivered::NOTHING);
    }
    assert_eq!(road.drain_at("2023-12-13T08:31:00Z").await, Delivered::NOTHING);
    assert_eq!(road.alerts().await, []);
}

/// It is announced before it is true: nobody hears before.
#[tokio::test]
async fn what_opens_later_is_told_when_it_opens() {
    let road = Road::new().await;
    road.import(&[curious("ann@example.org")]).await;
    road.hears(&[Event::sample("03").with("/data/effectiveAt", "2023-11-15T10:00:00Z")]).await;
    assert_eq!(road.drain().await, Delivered::NOTHING);
    assert_eq!(road.drain_at("2023-11-15T09:59:59Z").await, Delivered::NOTHING);
    assert_eq!(road.drain_at("2023-11-15T10:00:00Z").await, Delivered::ONE_MAIL);
}
