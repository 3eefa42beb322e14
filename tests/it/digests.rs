//! The digest: one for a person, a schedule and a local day, with all there is since the last.

use jobalerts::store::due::{Marks, people_due};
use jobalerts_dev::smtp::{Rule, SmtpServer, Stage};
use serde_json::json;

use crate::harness::events::Event;
use crate::harness::people::{Person, curious, person};
use crate::harness::{Delivered, Road, time};

const ANN: &str = "ann@example.org";
const BOB: &str = "bob@example.org";
const TUESDAY: &str = "2023-11-14T08:00:00Z";
const WEDNESDAY: &str = "2023-11-15T08:00:00Z";

fn daily(address: &str) -> Person {
    person(address).wants("All", "daily")
}

fn opened(reference: &str, title: &str) -> Event {
    Event::opened(reference).titled(title)
}

/// The text of the last mail to somebody, with each line end a space.
fn last_text(road: &Road, address: &str) -> String {
    let mails = road.mails_to(address);
    mails.last().expect("there is a mail").text().unwrap().replace("\r\n", "\n").replace('\n', " ")
}

/// That these stand in the text, in this order.
fn stand_in_order(text: &str, parts: &[&str]) {
    let mut rest = text;
    for part in parts {
        let at = rest.find(part).unwrap_or_else(|| panic!("{part} is missing, or stands too early: {text}"));
        rest = &rest[at + part.len()..];
    }
}

/// SUB-5: one mail with all sections, closing soon first; what was told is not told again, and with
/// nothing new there is none (SUB-7).
#[tokio::test]
async fn a_digest_tells_what_there_is_since_the_last_and_nothing_twice() {
    let road = Road::new().await;
    road.import(&[daily(ANN)]).await;
    road.hears(&[opened("230000AA", "Archivist").shuts("2023-12-08T12:00:00Z")]).await;
    assert_eq!(road.drain_at(TUESDAY).await, Delivered::ONE_MAIL);
    assert_eq!(road.kinds_to(ANN).await, ["digest"]);

    road.at("2023-11-14T10:00:00Z");
    road.hears(&[
        opened("230000BB", "Blacksmith").shuts("2023-11-16T12:00:00Z").at("2023-11-14T10:00:00Z"),
        opened("230000CC", "Cook").at("2023-11-14T10:00:00Z"),
        opened("230000DD", "Driver").at("2023-11-14T10:00:00Z"),
        // Later than was told, and in no haste.
        Event::closes_earlier("230000AA", "2023-12-20T12:00:00Z").at("2023-11-14T10:00:00Z"),
    ])
    .await;
    road.hears(&[Event::closed("230000DD").version(2).at("2023-11-14T15:00:00Z")]).await;
    assert_eq!(road.drain_at("2023-11-15T07:59:59Z").await.accepted, 0);
    assert_eq!(road.drain_at(WEDNESDAY).await, Delivered::ONE_MAIL);
    let text = last_text(&road, ANN);
    stand_in_order(
        &text,
        &[
            "Closing soon",
            "Blacksmith",
            "New",
            "Cook",
            "Changed",
            "Archivist",
            "It now closes at noon on Wednesday 20 December 2023",
            "Opened and closed",
            "Driver",
        ],
    );
    assert_eq!(road.kinds_to(ANN).await, ["digest", "digest"]);
    for day in ["2023-11-16T08:00:00Z", "2023-11-17T08:00:00Z", "2023-12-13T08:00:00Z"] {
        assert_eq!(road.drain_at(day).await.accepted, 0, "{day}");
    }
}

/// SUB-6: the fastest of three searches tells it, with all reasons; the digests leave it out.
#[tokio::test]
async fn what_was_told_at_once_is_in_no_digest() {
    let road = Road::new().await;
    road.import(&[person(ANN).wants("Now", "immediate").wants("Days", "daily").wants("Weeks", "weekly")])
        .await;
    road.hears(&[opened("230000AA", "Archivist")]).await;
    assert_eq!(road.drain().await, Delivered::ONE_MAIL);
    assert!(
        road.only_mail().text().unwrap().replace("\r\n", " ").contains("\"Now\", \"Days\" and \"Weeks\"")
    );
    for day in [TUESDAY, WEDNESDAY, "2023-11-20T08:00:00Z", "2023-11-27T08:00:00Z"] {
        assert_eq!(road.drain_at(day).await.accepted, 0, "{day}");
    }
}

/// What would shut before the next digest goes at once, and the digest leaves it out.
#[tokio::test]
async fn what_would_shut_before_the_digest_goes_at_once() {
    let road = Road::new().await;
    road.import(&[daily(ANN), person(BOB).wants("All", "weekly")]).await;
    road.hears(&[
        opened("230000AA", "Archivist").shuts("2023-11-14T08:00:00Z"),
        opened("230000BB", "Blacksmith").shuts("2023-11-14T08:00:01Z"),
    ])
    .await;
    // For Bob, who hears weekly, both.
    assert_eq!(road.drain().await.accepted, 2);
    assert_eq!(road.kinds_to(ANN).await, ["vacancy-alert"]);
    assert!(road.mails_to(ANN)[0].subject().unwrap().contains("Archivist"));
    assert!(road.mails_to(BOB)[0].text().unwrap().contains("Blacksmith"));
    assert_eq!(road.drain_at(TUESDAY).await, Delivered::ONE_MAIL);
    let text = last_text(&road, ANN);
    assert!(text.contains("Blacksmith") && !text.contains("Archivist"), "{text}");
    assert_eq!(road.drain_at("2023-11-20T08:00:00Z").await.accepted, 0);
}

/// Moved to before the digest by a correction, it goes then.
#[tokio::test]
async fn what_comes_to_shut_before_the_digest_goes_then() {
    let road = Road::new().await;
    road.import(&[person(ANN).wants("All", "weekly")]).await;
    road.hears(&[opened("230000AA", "Archivist").shuts("2023-12-08T12:00:00Z")]).await;
    assert_eq!(road.drain().await.accepted, 0);
    let earlier = Event::closes_earlier("230000AA", "2023-11-17T12:00:00Z").at("2023-11-15T10:00:00Z");
    road.at("2023-11-15T10:00:00Z");
    road.hears(&[earlier]).await;
    assert_eq!(road.drain().await, Delivered::ONE_MAIL);
    assert_eq!(road.kinds_to(ANN).await, ["vacancy-alert"]);
    assert!(last_text(&road, ANN).contains("Friday 17 November 2023"));
    assert_eq!(road.drain_at("2023-11-20T08:00:00Z").await.accepted, 0);
}

/// Twenty are told, by closing; the rest is counted and linked, and not told again.
#[tokio::test]
async fn more_than_twenty_are_counted_and_linked() {
    let road = Road::new().await;
    road.import(&[daily(ANN)]).await;
    let events: Vec<Event> = (0..23)
        .map(|n| {
            let shuts = format!("2023-12-{:02}T12:00:00Z", 1 + n);
            opened(&format!("2300{n:02}ZZ"), &format!("Post{n:02}")).shuts(&shuts)
        })
        .collect();
    road.hears(&events).await;
    assert_eq!(road.drain_at(TUESDAY).await, Delivered::ONE_MAIL);
    let text = last_text(&road, ANN);
    assert!(text.contains("Post00") && text.contains("Post19") && !text.contains("Post20"), "{text}");
    assert!(text.contains("3 more roles"), "{text}");
    assert!(road.only_mail().subject().unwrap().starts_with("23 roles for you"));
    assert_eq!(road.count("select count(*) from alerts where ended = 'summarised'").await, 3);
    // Also when something changes about one of these.
    road.at("2023-11-14T09:00:00Z");
    road.hears(&[Event::closes_earlier("230021ZZ", "2023-12-05T12:00:00Z").at("2023-11-14T09:00:00Z")]).await;
    assert_eq!(road.drain_at(WEDNESDAY).await.accepted, 0);
    assert_eq!(road.drain_at("2023-12-06T08:00:00Z").await.accepted, 0);
}

/// Deferred by the mail server, it is the same digest with the same identity; and a second one does
/// not leave on the same day.
#[tokio::test]
async fn a_deferred_digest_is_one_digest() {
    let later = Rule::at(Stage::EndOfData).first(1).reply(451, "4.7.1 Later");
    let road = Road::setup().smtp(SmtpServer::builder().script([later])).build().await;
    road.import(&[daily(ANN)]).await;
    let events: Vec<Event> =
        (0..22).map(|n| opened(&format!("2300{n:02}ZZ"), &format!("Post{n:02}"))).collect();
    road.hears(&events).await;
    assert_eq!(road.drain_at(TUESDAY).await.deferred, 1);
    let first = road.only_mail_row().await;
    assert_eq!(first.openings.len(), 22);
    road.hears(&[opened("230000AA", "Archivist").at("2023-11-14T08:10:00Z")]).await;
    assert_eq!(road.drain_at("2023-11-14T09:00:00Z").await, Delivered::ONE_MAIL);
    let sent = road.only_mail_row().await;
    assert_eq!((sent.message_id, sent.attempts), (first.message_id, 2));
    assert_eq!(road.count("select count(*) from alerts where ended = 'summarised'").await, 2);
    assert_eq!(road.drain_at("2023-11-14T23:00:00Z").await.accepted, 0);
    assert_eq!(road.drain_at(WEDNESDAY).await, Delivered::ONE_MAIL);
    assert!(last_text(&road, ANN).contains("Archivist"));
    assert_eq!(road.drain_at("2023-11-16T08:00:00Z").await.accepted, 0);
}

/// A digest of which nothing is left when it is tried again has not been: the next may leave that day.
#[tokio::test]
async fn a_digest_that_was_not_sent_does_not_count() {
    let later = Rule::at(Stage::EndOfData).first(1).reply(451, "4.7.1 Later");
    let mut road = Road::setup().smtp(SmtpServer::builder().script([later])).build().await;
    road.import(&[daily(ANN)]).await;
    road.hears(&[opened("230000AA", "Archivist")]).await;
    assert_eq!(road.drain_at(TUESDAY).await.deferred, 1);
    road.hears(&[Event::withdrawn("230000AA").at("2023-11-14T08:10:00Z")]).await;
    road.hears(&[opened("230000BB", "Blacksmith").at("2023-11-14T08:10:00Z")]).await;
    assert_eq!(road.drain_at("2023-11-14T09:00:00Z").await.accepted, 0);
    assert_eq!(road.count("select count(*) from digests").await, 0);
    road.reconfigure("schedules.daily", "0 0 17 * * *");
    road.program().prepare().await.unwrap();
    assert_eq!(road.drain_at("2023-11-14T17:00:00Z").await, Delivered::ONE_MAIL);
}

/// I17: whatever is done to the schedule, there is one digest a day; and what it left waits for the next.
#[tokio::test]
async fn a_schedule_that_is_moved_on_the_day_makes_no_second_digest() {
    let mut road = Road::new().await;
    road.import(&[daily(ANN)]).await;
    road.hears(&[opened("230000AA", "Archivist")]).await;
    assert_eq!(road.drain_at(TUESDAY).await, Delivered::ONE_MAIL);
    road.at("2023-11-14T08:30:00Z");
    road.hears(&[opened("230000BB", "Blacksmith").at("2023-11-14T08:30:00Z")]).await;
    road.match_all().await;
    road.reconfigure("schedules.daily", "0 0 9 * * *");
    road.program().prepare().await.unwrap();
    assert_eq!(road.drain().await.accepted, 0);
    assert_eq!(road.drain_at("2023-11-14T09:00:00Z").await.accepted, 0);
    assert_eq!(road.drain_at("2023-11-15T08:59:59Z").await.accepted, 0);
    assert_eq!(road.drain_at("2023-11-15T09:00:00Z").await, Delivered::ONE_MAIL);
    assert!(last_text(&road, ANN).contains("Blacksmith"));
}

/// It covers everything since the last one, not a day: after an outage of four days there is one.
#[tokio::test]
async fn after_an_outage_one_digest_covers_it_all() {
    let road = Road::setup().set("guards.quiet_hours", "21:00-08:00").build().await;
    road.import(&[daily(ANN)]).await;
    for day in 14..=17 {
        let at = format!("2023-11-{day}T10:00:00Z");
        road.at(&at);
        road.hears(&[opened(&format!("2300{day}ZZ"), &format!("Post{day}")).at(&at)]).await;
        road.match_all().await;
    }
    // Back at night: it waits for the morning.
    assert_eq!(road.drain_at("2023-11-17T23:30:00Z").await.accepted, 0);
    assert_eq!(road.drain_at("2023-11-18T08:00:00Z").await, Delivered::ONE_MAIL);
    let text = last_text(&road, ANN);
    assert!((14..=17).all(|day| text.contains(&format!("Post{day}"))), "{text}");
    assert_eq!(road.drain_at("2023-11-19T08:00:00Z").await.accepted, 0);
}

/// Daily and weekly items that are due together come in one mail, and both days are taken.
#[tokio::test]
async fn two_schedules_that_meet_make_one_mail() {
    let road = Road::new().await;
    let who = person(ANN).search("Coventry", "weekly", json!({"locations": {"any": ["coventry"]}})).search(
        "Birmingham",
        "daily",
        json!({"locations": {"any": ["birmingham"]}}),
    );
    road.import(&[who]).await;
    road.at("2023-11-19T10:00:00Z");
    road.hears(&[
        opened("230000AA", "Archivist").at("2023-11-19T10:00:00Z"),
        opened("230000BB", "Blacksmith")
            .at("2023-11-19T10:00:00Z")
            .with("/data/locations", json!(["coventry"])),
    ])
    .await;
    assert_eq!(road.drain_at("2023-11-20T08:00:00Z").await, Delivered::ONE_MAIL);
    let text = last_text(&road, ANN);
    assert!(text.contains("Archivist") && text.contains("Blacksmith"), "{text}");
    let days: Vec<(String, String)> =
        road.rows("select schedule, local_date::text from digests order by 1").await;
    let monday = || "2023-11-20".to_owned();
    assert_eq!(days, [("daily".to_owned(), monday()), ("weekly".to_owned(), monday())]);
}

/// Daily to weekly in mid-week, weekly to daily, and to another hour: nothing is lost, nothing told twice.
#[tokio::test]
async fn another_cadence_moves_what_is_due() {
    let road = Road::new().await;
    road.import(&[daily(ANN)]).await;
    road.hears(&[opened("230000AA", "Archivist")]).await;
    assert_eq!(road.drain_at(TUESDAY).await, Delivered::ONE_MAIL);
    road.at("2023-11-15T12:00:00Z");
    road.hears(&[opened("230000BB", "Blacksmith").at("2023-11-15T12:00:00Z")]).await;
    road.match_all().await;
    road.import(&[person(ANN).wants("All", "weekly")]).await;
    for day in ["2023-11-15T12:00:00Z", "2023-11-16T08:00:00Z", "2023-11-19T08:00:00Z"] {
        assert_eq!(road.drain_at(day).await.accepted, 0, "{day}");
    }
    assert_eq!(road.drain_at("2023-11-20T08:00:00Z").await, Delivered::ONE_MAIL);

    road.at("2023-11-21T12:00:00Z");
    road.hears(&[opened("230000CC", "Cook").at("2023-11-21T12:00:00Z")]).await;
    road.match_all().await;
    // Two days later: the next daily digest, not the odd hour of the change.
    road.at("2023-11-23T15:00:00Z");
    road.import(&[daily(ANN)]).await;
    assert_eq!(road.drain().await.accepted, 0);
    assert_eq!(road.drain_at("2023-11-24T08:00:00Z").await, Delivered::ONE_MAIL);
    assert!(last_text(&road, ANN).contains("Cook"));

    // Another hour on the same day makes no second digest of that day.
    road.hears(&[opened("230000DD", "Driver").at("2023-11-24T08:00:00Z")]).await;
    road.match_all().await;
    road.import(&[person(ANN).digests(json!({"time": "18:00"}))]).await;
    assert_eq!(road.drain_at("2023-11-24T18:00:00Z").await.accepted, 0);
    assert_eq!(road.drain_at("2023-11-25T17:59:59Z").await.accepted, 0);
    assert_eq!(road.drain_at("2023-11-25T18:00:00Z").await, Delivered::ONE_MAIL);

    // And at once is at once.
    road.hears(&[opened("230000EE", "Electrician").at("2023-11-25T18:00:00Z")]).await;
    road.match_all().await;
    road.import(&[curious(ANN), person(ANN).wants("All", "immediate")]).await;
    assert_eq!(road.drain().await, Delivered::ONE_MAIL);
    assert_eq!(road.kinds_to(ANN).await.last().map(String::as_str), Some("vacancy-alert"));
    assert_eq!(road.drain_at("2023-12-11T18:00:00Z").await.accepted, 0);
}

/// The hour, the day, and working days, over Easter 2024 with its change of the clocks.
#[tokio::test]
async fn people_choose_when_their_digests_come() {
    let road = Road::setup().at("2024-03-28T12:00:00Z").build().await;
    let working = json!({"workingDaysOnly": true});
    road.import(&[
        daily("early@example.org").digests(json!({"time": "06:30"})),
        daily("evening@example.org").digests(json!({"time": "18:00"})),
        daily("usual@example.org"),
        daily("office@example.org").digests(working),
        person("friday@example.org").wants("All", "weekly").digests(json!({"day": "Fri", "time": "07:00"})),
        person("sunday@example.org").wants("All", "weekly").digests(json!({"day": "Sun", "time": "01:30"})),
        person("monday@example.org").wants("All", "weekly").digests(json!({"workingDaysOnly": true})),
    ])
    .await;
    road.hears(&[opened("240000AA", "Archivist").at("2024-03-28T12:00:00Z")]).await;
    let mut told: Vec<String> = Vec::new();
    for (now, who) in [
        ("2024-03-28T17:59:59Z", &[][..]),
        ("2024-03-28T18:00:00Z", &["evening"]),
        ("2024-03-29T06:29:59Z", &[]),
        ("2024-03-29T06:30:00Z", &["early"]),
        ("2024-03-29T07:00:00Z", &["friday"]),
        ("2024-03-29T08:00:00Z", &["usual"]),
        ("2024-03-31T00:59:59Z", &[]),
        // 01:30 does not exist: the first moment that does.
        ("2024-03-31T01:00:00Z", &["sunday"]),
        ("2024-04-01T12:00:00Z", &[]),
        // The Tuesday after Easter, in summer time.
        ("2024-04-02T06:59:59Z", &[]),
        ("2024-04-02T07:00:00Z", &["monday", "office"]),
    ] {
        let before = road.mails().len();
        road.drain_at(now).await;
        let mut new: Vec<String> =
            road.mails()[before..].iter().map(|mail| mail.rcpt_to[0].clone()).collect();
        new.sort();
        let expected: Vec<String> = who.iter().map(|who| format!("{who}@example.org")).collect();
        assert_eq!(new, expected, "{now}");
        told.extend(new);
    }
    assert_eq!(told.len(), 7);
    assert_eq!(road.drain_at("2024-04-08T18:00:00Z").await.accepted, 0);
}

/// Two processes at the same tick: one digest for each person.
#[tokio::test]
async fn two_processes_make_one_digest_each() {
    let road = Road::new().await;
    let people: Vec<Person> = (0..60).map(|n| daily(&format!("p{n}@example.org"))).collect();
    road.import(&people).await;
    let events: Vec<Event> =
        (0..6).map(|n| opened(&format!("2300{n:02}ZZ"), &format!("Post{n:02}"))).collect();
    road.hears(&events).await;
    road.match_all().await;
    road.at(TUESDAY);
    let (one, two) = tokio::join!(road.deliver(), road.deliver());
    assert_eq!(one.accepted + two.accepted, 60);
    assert_eq!(road.mails().len(), 60);
    assert_eq!(road.count("select count(*) from digests").await, 60);
    assert!(road.mails().iter().all(|mail| mail.subject().unwrap().starts_with("6 roles for you")));
}

/// At most three mails of no haste a day; the rest is gathered into one.
#[tokio::test]
async fn the_third_mail_of_no_haste_gathers_the_rest() {
    let road = Road::setup().set("guards.minimum_gap", "0s").build().await;
    road.import(&[curious(ANN)]).await;
    let references = ["230000AA", "230000BB", "230000CC", "230000DD", "230000EE"];
    for reference in references {
        road.hears(&[opened(reference, reference).shuts("2023-12-08T12:00:00Z")]).await;
        assert_eq!(road.drain().await, Delivered::ONE_MAIL);
    }
    // Each later than was told, so that each is a correction in its own thread, at the daily time.
    road.at("2023-11-13T10:00:00Z");
    for reference in references {
        road.hears(&[Event::closes_earlier(reference, "2023-12-20T12:00:00Z").at("2023-11-13T10:00:00Z")])
            .await;
    }
    assert_eq!(road.drain_at(TUESDAY).await.accepted, 3);
    assert_eq!(road.kinds_to(ANN).await[5..], ["correction", "correction", "digest"]);
    let text = last_text(&road, ANN);
    assert_eq!(references.iter().filter(|reference| text.contains(**reference)).count(), 3, "{text}");
    assert_eq!(road.drain_at("2023-11-14T20:00:00Z").await.accepted, 0);
}

/// Once three have left, the day is over for what can wait; what cannot goes as ever.
#[tokio::test]
async fn a_fourth_mail_of_no_haste_waits_for_the_next_day() {
    let mut setup = Road::setup();
    for hour in 9..=12 {
        setup = setup.set(&format!("schedules.at{hour}"), &format!("0 0 {hour} * * *"));
    }
    let road = setup.build().await;
    let mut who = person(ANN);
    let places = ["birmingham", "coventry", "wolverhampton", "dudley"];
    for (place, hour) in places.iter().zip(9..) {
        who = who.search(place, &format!("at{hour}"), json!({"locations": {"any": [place]}}));
    }
    road.import(&[who.clone()]).await;
    for (place, number) in places.iter().zip(0..) {
        let event = opened(&format!("2300{number:02}ZZ"), &format!("Post{number}"));
        road.hears(&[event.with("/data/locations", json!([place]))]).await;
    }
    for (now, accepted) in [
        ("2023-11-13T09:00:00Z", 1),
        ("2023-11-13T10:00:00Z", 1),
        ("2023-11-13T11:00:00Z", 1),
        ("2023-11-13T12:00:00Z", 0),
        ("2023-11-13T23:00:00Z", 0),
    ] {
        assert_eq!(road.drain_at(now).await.accepted, accepted, "{now}");
    }
    // What shuts before its digest is no such mail.
    road.hears(&[opened("230000AA", "Archivist").shuts("2023-11-14T08:30:00Z").at("2023-11-13T23:00:00Z")])
        .await;
    assert_eq!(road.drain().await.accepted, 1);
    assert_eq!(road.drain_at(TUESDAY).await.accepted, 1);
    assert!(last_text(&road, ANN).contains("Post3"));
    assert_eq!(road.alerts().await.iter().filter(|alert| alert.due_at.is_some()).count(), 0);
    assert_eq!(road.drain_at("2023-11-15T12:00:00Z").await.accepted, 0);
    assert!(road.clock.now() > time(TUESDAY));
}

/// Who asked at once comes before a crowd of digests, and the crowd goes on.
#[tokio::test]
async fn digests_hold_nobody_up() {
    let road = Road::new().await;
    let mut people: Vec<Person> = (0..40).map(|n| daily(&format!("p{n}@example.org"))).collect();
    people.push(curious(ANN));
    road.import(&people).await;
    road.hears(&[opened("230000AA", "Archivist")]).await;
    assert_eq!(road.drain().await.accepted, 1);
    road.at(TUESDAY);
    road.hears(&[opened("230000BB", "Blacksmith").at(TUESDAY)]).await;
    road.match_all().await;
    let due = async || {
        let mut connection = road.pool().acquire().await.unwrap();
        people_due(&mut connection, time(TUESDAY), 8, &[], &Marks::default()).await.unwrap()
    };
    let ann: i64 = road.value("select id from subscribers where address = 'ann@example.org'").await;
    let first = due().await;
    assert!(first.contains(&ann), "{first:?}");
    assert_eq!(first.len(), 8);
}

/// A claim looks on from where the last one was; what is due again before that is not forgotten.
#[tokio::test]
async fn a_look_that_goes_on_misses_nobody() {
    let road = Road::new().await;
    let people: Vec<Person> = (0..40).map(|n| daily(&format!("p{n:02}@example.org"))).collect();
    road.import(&people).await;
    road.hears(&[opened("230000AA", "Archivist")]).await;
    road.match_all().await;
    let marks = Marks::default();
    let due = async || {
        let mut connection = road.pool().acquire().await.unwrap();
        people_due(&mut connection, time(TUESDAY), 8, &[], &marks).await.unwrap()
    };
    let told = "update alerts set due_at = null where due_at is not null and subscriber_id = any($1)";
    let mut all: Vec<i64> = Vec::new();
    loop {
        let some = due().await;
        if some.is_empty() {
            break;
        }
        sqlx::query(told).bind(&some).execute(road.tester()).await.unwrap();
        assert!(some.iter().all(|person| !all.contains(person)), "{some:?} after {all:?}");
        all.extend(some);
        if all.len() == 24 {
            // Given back, from before the mark.
            let back = "update alerts set due_at = $2 where subscriber_id = $1";
            sqlx::query(back).bind(all.remove(0)).bind(time(TUESDAY)).execute(road.tester()).await.unwrap();
        }
    }
    assert_eq!(all.len(), 40);
}

/// An immediate alert whose door shut before it left is a line in the next digest, and not a new role.
#[tokio::test]
async fn what_came_and_went_is_a_line_for_whoever_hears_at_once_too() {
    let road = Road::new().await;
    road.import(&[curious(ANN), person(BOB).wants("All", "paused")]).await;
    road.hears(&[
        opened("230000AA", "Archivist"),
        Event::closed("230000AA").version(2).at("2023-11-13T08:31:00Z"),
    ])
    .await;
    assert_eq!(road.drain().await, Delivered::NOTHING);
    // Who asks only now did not miss it.
    road.import(&[curious("late@example.org")]).await;
    road.hears(&[Event::closed("230000AA").version(3).at("2023-11-13T09:00:00Z")]).await;
    assert_eq!(road.drain_at(TUESDAY).await, Delivered::ONE_MAIL);
    assert_eq!(road.only_mail().rcpt_to, [ANN]);
    let text = last_text(&road, ANN);
    stand_in_order(&text, &["Opened and closed", "Archivist", "To hear at once next time"]);
    assert!(!text.contains("https://careers.force.example/jobs/230000AA"), "no link to apply: {text}");
}

/// What was put off to a later digest is one of that day, however long ago its first tick was; and
/// nobody else waits for it.
#[tokio::test]
async fn a_digest_that_was_put_off_for_a_month_is_one_of_its_day() {
    let road =
        Road::setup().set("schedules.monthly", "0 0 8,17 1 * *").at("2023-12-20T10:00:00Z").build().await;
    road.import(&[person(ANN).wants("All", "monthly"), curious(BOB)]).await;
    road.hears(&[opened("230000AA", "Archivist").at("2023-12-20T10:00:00Z")]).await;
    assert_eq!(road.drain_at("2024-01-01T08:00:00Z").await.accepted, 2);
    road.at("2024-01-01T10:00:00Z");
    road.hears(&[opened("240000BB", "Blacksmith").at("2024-01-01T10:00:00Z")]).await;
    assert_eq!(road.drain_at("2024-01-01T17:00:00Z").await.accepted, 1);
    road.at("2024-02-01T09:00:00Z");
    road.hears(&[opened("240000CC", "Cook").at("2024-02-01T09:00:00Z")]).await;
    assert_eq!(road.drain().await.accepted, 2);
    assert!(last_text(&road, ANN).contains("Blacksmith"));
    assert_eq!(road.kinds_to(BOB).await, ["vacancy-alert"; 3]);
    assert_eq!(road.drain_at("2024-02-01T17:00:00Z").await.accepted, 0);
    assert_eq!(road.drain_at("2024-03-01T08:00:00Z").await, Delivered::ONE_MAIL);
}

/// What would shut before the digest that can really go, goes at once: the day has had its digest, or
/// its measure of mails.
#[tokio::test]
async fn what_would_shut_before_the_next_digest_is_not_put_off() {
    let road = Road::setup().set("schedules.twice", "0 0 8,17 * * *").build().await;
    road.import(&[person(ANN).wants("All", "twice")]).await;
    road.hears(&[opened("230000AA", "Archivist")]).await;
    assert_eq!(road.drain_at("2023-11-13T17:00:00Z").await.accepted, 1);
    assert_eq!(road.drain_at(TUESDAY).await.accepted, 0);
    road.at("2023-11-14T09:00:00Z");
    road.hears(&[opened("230000BB", "Blacksmith").at("2023-11-14T09:00:00Z")]).await;
    assert_eq!(road.drain_at("2023-11-14T17:00:00Z").await.accepted, 1);
    road.at("2023-11-15T10:00:00Z");
    road.hears(&[opened("230000CC", "Cook").at("2023-11-15T10:00:00Z")]).await;
    assert_eq!(road.drain_at("2023-11-15T17:00:00Z").await.accepted, 1);
    road.at("2023-11-16T08:00:00Z");
    road.hears(&[opened("230000DD", "Driver").at("2023-11-16T08:00:00Z")]).await;
    assert_eq!(road.drain_at("2023-11-16T17:00:00Z").await.accepted, 1);
    road.hears(&[opened("230000EE", "Cook").shuts("2023-11-17T07:00:00Z").at("2023-11-16T17:00:00Z")]).await;
    assert_eq!(road.drain().await.accepted, 1);
    assert_eq!(road.kinds_to(ANN).await.last().map(String::as_str), Some("vacancy-alert"));

    let road =
        Road::setup().set("guards.unhurried_a_day", "1").set("schedules.noon", "0 0 12 * * *").build().await;
    let who = person(ANN).search("Coventry", "noon", json!({"locations": {"any": ["coventry"]}})).search(
        "Birmingham",
        "daily",
        json!({"locations": {"any": ["birmingham"]}}),
    );
    road.import(&[who]).await;
    road.hears(&[
        opened("230000AA", "Archivist"),
        opened("230000BB", "Blacksmith")
            .shuts("2023-11-14T20:00:00Z")
            .with("/data/locations", json!(["coventry"])),
    ])
    .await;
    road.match_all().await;
    road.sql("update alerts set due_at = '2023-11-14T12:00:00Z' where due_at = '2023-11-13T12:00:00Z'").await;
    assert_eq!(road.drain_at(TUESDAY).await, Delivered::ONE_MAIL);
    assert_eq!(road.drain_at("2023-11-14T12:00:00Z").await, Delivered::ONE_MAIL);
    assert_eq!(road.kinds_to(ANN).await, ["digest", "vacancy-alert"]);
}

/// What comes to be wanted by a correction is told at the next tick, not at the hour of the correction.
#[tokio::test]
async fn what_is_new_by_a_correction_waits_for_the_next_tick() {
    let road = Road::setup().at("2023-11-01T10:00:00Z").build().await;
    road.import(&[person(ANN).search("Near", "daily", json!({"locations": {"any": ["birmingham"]}}))]).await;
    let coventry = |version: i64, place: &str, at: &str| {
        Event::opened("230000AA").version(version).with("/data/locations", json!([place])).at(at)
    };
    road.hears(&[
        coventry(1, "coventry", "2023-11-01T10:00:00Z"),
        opened("230000BB", "Baker").at("2023-11-13T12:00:00Z"),
    ])
    .await;
    assert_eq!(road.drain_at(TUESDAY).await.accepted, 1);
    road.at("2023-11-14T10:00:00Z");
    road.hears(&[coventry(2, "birmingham", "2023-11-14T10:00:00Z")]).await;
    assert_eq!(road.drain().await.accepted, 0);
    assert_eq!(road.drain_at(WEDNESDAY).await, Delivered::ONE_MAIL);
}

/// Deferred by night after night, a mail is still the same mail, and is given up in its time.
#[tokio::test]
async fn nights_do_not_begin_a_mail_anew() {
    let later = Rule::at(Stage::EndOfData).reply(452, "4.2.2 Full");
    let smtp = SmtpServer::builder().script([later]);
    let road = Road::setup().smtp(smtp).set("guards.quiet_hours", "21:00-08:00").build().await;
    road.import(&[curious(ANN)]).await;
    road.hears(&[opened("230000AA", "Archivist")]).await;
    for steps in 0..24 {
        road.clock.set(time("2023-11-13T09:00:00Z") + chrono::Duration::hours(4 * steps));
        road.drain().await;
    }
    let mail = road.only_mail_row().await;
    assert_eq!(mail.outcome.as_deref(), Some("given-up"), "after {} attempts", mail.attempts);
}

/// A later closing that can wait is told two days before the old one at the latest.
#[tokio::test]
async fn a_later_closing_is_told_before_the_old_one() {
    let road = Road::new().await;
    road.import(&[person(ANN).wants("All", "weekly")]).await;
    road.at("2023-11-12T10:00:00Z");
    road.hears(&[opened("230000AA", "Archivist").shuts("2023-11-17T12:00:00Z").at("2023-11-12T10:00:00Z")])
        .await;
    assert_eq!(road.drain_at("2023-11-13T08:00:00Z").await, Delivered::ONE_MAIL);
    road.at("2023-11-14T10:00:00Z");
    road.hears(&[Event::closes_earlier("230000AA", "2023-11-29T12:00:00Z").at("2023-11-14T10:00:00Z")]).await;
    assert_eq!(road.drain_at("2023-11-15T12:00:00Z").await.accepted, 0);
    assert_eq!(road.drain_at("2023-11-15T12:00:01Z").await, Delivered::ONE_MAIL);
    assert_eq!(road.kinds_to(ANN).await, ["digest", "correction"]);
}

/// Who was told of a posting that is open hears nothing of an older one that came and went.
#[tokio::test]
async fn what_is_open_again_and_told_is_not_told_as_over() {
    let road = Road::new().await;
    road.import(&[person(ANN).wants("All", "weekly")]).await;
    road.at("2023-11-14T10:00:00Z");
    road.hears(&[opened("230000AA", "Archivist").at("2023-11-14T10:00:00Z")]).await;
    road.match_all().await;
    road.hears(&[Event::closed("230000AA").version(2).at("2023-11-14T12:00:00Z")]).await;
    road.at("2023-11-16T10:00:00Z");
    road.hears(&[opened("230000AA", "Archivist")
        .version(3)
        .shuts("2023-11-18T12:00:00Z")
        .at("2023-11-16T10:00:00Z")])
        .await;
    assert_eq!(road.drain().await.accepted, 1);
    assert_eq!(road.drain_at("2023-11-20T08:00:00Z").await.accepted, 0);
    assert_eq!(road.kinds_to(ANN).await, ["vacancy-alert"]);
}
