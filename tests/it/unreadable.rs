//! Rows that this program cannot read hold nobody else up, and are counted or looked at again.

use jobalerts::store::status;
use serde_json::{Value, json};

use crate::harness::events::Event;
use crate::harness::people::{curious, person};
use crate::harness::{Delivered, Road};

const ANN: &str = "ann@example.org";
const BOB: &str = "bob@example.org";

async fn set_aside(road: &Road) -> (i64, i64) {
    let mut connection = road.pool().acquire().await.unwrap();
    let standing = status::standing(&mut connection, road.clock.now()).await.unwrap();
    (standing.openings_set_aside, standing.openings_to_match)
}

#[tokio::test]
async fn a_person_whose_address_cannot_be_read_holds_up_nobody_else() {
    let road = Road::new().await;
    road.import(&[curious(ANN), curious(BOB)]).await;
    road.sql("update subscribers set address = 'broken' where lookup = 'ann@example.org'").await;
    road.hears(&[Event::opened("230000AA")]).await;
    assert_eq!(road.drain().await, Delivered::ONE_MAIL);
    assert_eq!(road.only_mail().rcpt_to, [BOB]);
    road.program().prepare().await.unwrap();

    road.sql("update subscribers set address = lookup").await;
    assert_eq!(road.deliver().await, Delivered::NOTHING);
    assert_eq!(road.drain_at("2023-11-13T09:31:00Z").await, Delivered::ONE_MAIL);
    assert_eq!(road.mails_to(ANN).len(), 1);
}

#[tokio::test]
async fn an_opening_that_cannot_be_read_is_set_aside_and_the_others_are_matched() {
    let road = Road::new().await;
    road.import(&[curious(ANN)]).await;
    road.hears(&[Event::opened("230000AA"), Event::opened("230000BB").titled("Blacksmith")]).await;
    road.sql("update openings set truth = '{}' where subject = 'vacancy/230000AA'").await;
    assert_eq!(road.drain().await, Delivered::ONE_MAIL);
    assert!(road.only_mail().subject().unwrap().contains("Blacksmith"));
    assert_eq!(set_aside(&road).await, (1, 0));

    let output = road.run(&["status", "--json"]).await.looked();
    let said: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(said["standing"]["openingsSetAside"], json!(1), "{said}");
    let output = road.run(&["status"]).await.looked();
    assert!(output.stdout.contains("1 set aside"), "{}", output.stdout);
    assert_eq!(set_aside(&road).await, (1, 0), "to look changes nothing");

    road.program().prepare().await.unwrap();
    assert_eq!(set_aside(&road).await, (0, 1), "every start tries again");
    assert_eq!(road.drain().await, Delivered::NOTHING);
    assert_eq!(set_aside(&road).await, (1, 0));
    // An event that makes it whole again takes it back to the others.
    road.hears(&[Event::opened("230000AA").version(2)]).await;
    assert_eq!(road.drain().await, Delivered::ONE_MAIL);
    assert_eq!(set_aside(&road).await, (0, 0));
}

#[tokio::test]
async fn an_opening_that_cannot_be_read_any_more_when_it_is_due_holds_up_no_other_mail() {
    let road = Road::new().await;
    road.import(&[
        curious(ANN),
        person(BOB).search("Smith", "immediate", json!({"keywords": {"any": ["smith"]}})),
    ])
    .await;
    road.hears(&[Event::opened("230000AA").titled("Clerk"), Event::opened("230000BB").titled("Smith")]).await;
    road.match_all().await;
    road.sql("update openings set truth = '{}' where subject = 'vacancy/230000AA'").await;
    assert_eq!(road.drain().await, Delivered { accepted: 2, ..Delivered::NOTHING });
    assert_eq!(road.count("select count(*) from alerts where due_at = '2023-11-13T09:31:00Z'").await, 1);
}

#[tokio::test]
async fn a_search_that_cannot_be_read_stops_neither_the_start_nor_anybody_else() {
    let road = Road::new().await;
    let strange = person(ANN).search("Odd", "immediate", json!({"locations": {"any": ["birmingham"]}}));
    road.import(&[strange, curious(BOB)]).await;
    let broken = "update criteria set unknown = true, written = '[]' where places_any is not null";
    assert_eq!(road.sql(broken).await, 1);
    road.program().prepare().await.unwrap();
    road.hears(&[Event::opened("230000AA")]).await;
    assert_eq!(road.drain().await.accepted, 1);
    assert_eq!(road.only_mail().rcpt_to, [BOB]);
}
