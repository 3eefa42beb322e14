//! Whether everybody who registered for an open programme is told: counted from the registrations, so that
//! whoever the alerts forget is found.

use jobalerts::store::ledger::{self, Which};
use jobalerts::store::reckonings::Reckoning;
use jobalerts::store::vitals;

use crate::harness::events::Event;
use crate::harness::people::person;
use crate::harness::{Road, time};

const OPENS: &str = "2024-03-05T10:00:00Z";
const PEOPLE: [&str; 4] = ["ann@example.org", "bob@example.org", "cee@example.org", "dee@example.org"];

/// A programme that was announced and is open, with people who wait for it, for all of its kind, not yet, no
/// more, or for another.
async fn opened() -> Road {
    let road = Road::setup().with_guards().at("2024-02-19T10:00:00Z").build().await;
    let [ann, bob, cee, dee] = PEOPLE.map(person);
    road.import(&[
        ann.registered("pc-dhep"),
        bob.registered("pc-any").registered("pc-dhep"),
        cee.registered("pc-any"),
        dee.registered("pc-dhep"),
        person("eve@example.org").registered_from("pc-dhep", "2024-07"),
        person("fay@example.org").registered_until("pc-dhep", "2024-02-28"),
        person("gus@example.org").registered("pc-pcda"),
    ])
    .await;
    road.hears(&[Event::sample("09")]).await;
    road.drain().await;
    road.at(OPENS);
    road.hears(&[Event::sample("10")]).await;
    road.match_all().await;
    road
}

async fn counted_at(road: &Road, at: &str) -> Reckoning {
    road.keep_house_at(at).await;
    let mut connection = road.pool().acquire().await.unwrap();
    let ledger = ledger::read(&mut connection, Which::All, road.clock.now()).await.unwrap();
    let mut counted = ledger.cycles.into_iter().filter_map(|cycle| cycle.reckoning);
    let (Some(counted), None) = (counted.next(), counted.next()) else { panic!("one was counted") };
    assert_eq!(counted.reckoned_at, time(at));
    counted
}

/// What metrics and `status` say of it.
async fn missing(road: &Road) -> i64 {
    vitals::read(&mut road.pool().acquire().await.unwrap(), road.clock.now()).await.unwrap().numbers.missing
}

fn of(owed: i64) -> Reckoning {
    Reckoning { reckoned_at: time(OPENS), owed, told: 0, pending: 0, ended: 0, missing: 0 }
}

#[tokio::test]
async fn everybody_who_is_owed_a_word_is_told_or_waits_or_has_a_reason() {
    let road = opened().await;
    road.keep_house().await;
    let at = "2024-03-05T10:10:00Z";
    // They were told the date; that it is open they were not.
    assert_eq!(counted_at(&road, at).await, Reckoning { pending: 4, reckoned_at: time(at), ..of(4) });
    road.sql(
        "delete from consents where subscriber_id = (select id from subscribers where lookup like 'dee@%')",
    )
    .await;
    assert_eq!(road.drain_at("2024-03-05T10:12:00Z").await.accepted, 3);
    let at = "2024-03-05T10:20:00Z";
    let counted = Reckoning { told: 3, ended: 1, reckoned_at: time(at), ..of(4) };
    assert_eq!(counted_at(&road, at).await, counted);
    let said = road.run(&["ledger", "pc-dhep"]).await.successful().stdout;
    assert!(
        said.contains("of 4 people who had registered 3 were told, 0 are to be, 1 are not for a reason"),
        "{said}"
    );
    let json: serde_json::Value =
        serde_json::from_str(&road.run(&["ledger", "--json"]).await.successful().stdout).unwrap();
    assert_eq!(json["cycles"][0]["reckoning"]["missing"], 0, "{json:#}");
    assert_eq!(json["cycles"][0]["reckoning"]["told"], 3, "{json:#}");
}

/// Whatever took them away: it is said, matching looks at everybody once more, and they are told.
#[tokio::test]
async fn whoever_was_forgotten_is_found_and_told() {
    let road = opened().await;
    road.keep_house().await;
    road.sql(
        "delete from alerts where subscriber_id = (select id from subscribers where lookup like 'ann@%')",
    )
    .await;
    road.sql(
        "update alerts set due_at = null, ended = null
         where subscriber_id = (select id from subscribers where lookup like 'cee@%')",
    )
    .await;
    let at = "2024-03-05T10:10:00Z";
    let counted = Reckoning { pending: 2, missing: 2, reckoned_at: time(at), ..of(4) };
    assert_eq!(counted_at(&road, at).await, counted);
    assert_eq!(missing(&road).await, 2);

    assert_eq!(road.drain_at("2024-03-05T10:12:00Z").await.accepted, 4);
    let at = "2024-03-05T10:20:00Z";
    assert_eq!(counted_at(&road, at).await, Reckoning { told: 4, reckoned_at: time(at), ..of(4) });
    assert_eq!(missing(&road).await, 0);
}

/// Those who have registered just now are matching's first, and a programme that is shut is nobody's.
#[tokio::test]
async fn what_matching_has_not_seen_is_not_missing() {
    let road = opened().await;
    road.keep_house().await;
    road.import(&[person("new@example.org").registered("pc-dhep").agreed_at(OPENS)]).await;
    let at = "2024-03-05T10:10:00Z";
    assert_eq!(counted_at(&road, at).await, Reckoning { pending: 4, reckoned_at: time(at), ..of(4) });
    road.match_all().await;
    let at = "2024-03-05T10:20:00Z";
    assert_eq!(counted_at(&road, at).await, Reckoning { pending: 5, reckoned_at: time(at), ..of(5) });
    let shut = "2024-03-05T10:25:00Z";
    let closed = Event::like("13").of("programme/pc-dhep").version(20).cycle(Some("2024-spring"));
    road.at(shut);
    road.hears(&[closed.at(shut).with("/data/closedAt", shut)]).await;
    road.match_all().await;
    road.keep_house_at("2024-03-05T10:30:00Z").await;
    assert_eq!(
        road.count("select count(*) from reckonings where reckoned_at = '2024-03-05T10:20:00Z'").await,
        1
    );
}
