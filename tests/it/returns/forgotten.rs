//! Who is forgotten though nothing can be sent to them any more.

use jobalerts::returns::Taken;
use jobalerts::store::returns::Answer;

use super::{ANN, BOB, NEW, told};
use crate::harness::Road;
use crate::harness::people::curious;

const CEE: &str = "cee@example.org";
const DAN: &str = "dan@example.org";

async fn people(road: &Road) -> Vec<String> {
    let rows: Vec<(String,)> = road.rows("select address from subscribers order by address").await;
    rows.into_iter().map(|(address,)| address).collect()
}

/// L11, L17: who said that they want nothing is forgotten in the same time, whatever their mailbox does; who
/// only has no mailbox any more said nothing.
#[tokio::test]
async fn who_complained_or_stopped_and_bounced_is_forgotten_as_who_stopped() {
    let road = told(&[ANN, BOB, CEE, DAN]).await;
    road.at("2023-11-14T10:00:00Z");
    assert_eq!(road.comes_back("yahoo-arf-abuse", ANN).await, Taken::Complaint(Answer::Taken));
    let bounced = road.returned("postfix-user-unknown", BOB).await;
    road.comes_back("unsubscribe-mail", BOB).await;
    road.comes_back("unsubscribe-mail", DAN).await;
    road.at("2023-11-15T10:00:00Z");
    assert_eq!(road.take_in(&bounced).await, NEW);
    assert_eq!(road.comes_back("postfix-user-unknown", CEE).await, NEW);
    // Came back, and then lost the mailbox.
    road.import(&[curious(DAN).agreed_at("2023-11-15T09:00:00Z")]).await;
    road.sql("update subscribers set state = 'suppressed' where address like 'dan@%'").await;
    assert_eq!(road.count("select count(*) from subscribers where state = 'suppressed'").await, 4);

    road.keep_house().await;
    road.keep_house_at("2023-12-12T03:30:00Z").await;
    assert_eq!(people(&road).await, [ANN, BOB, CEE, DAN]);
    road.keep_house_at("2023-12-13T03:30:00Z").await;
    assert_eq!(people(&road).await, [CEE, DAN]);
    assert_eq!(road.count("select count(*) from returns").await, 1, "Cee's");
    assert_eq!(road.suppressed().await, ["complaint", "hard-bounce", "stop"]);
    let since =
        "select count(*) from suppressions where reason = 'complaint' and since = '2023-11-14T10:00:00Z'";
    assert_eq!(road.count(since).await, 1, "since they said so");
    let left: String = road.value("select json_agg(a)::text from audit a").await;
    assert!(!left.contains("example.org"), "{left}");
    let lines = [ANN, BOB].map(|address| curious(address).line() + "\n").concat();
    let output = road.run_with_input(&["import", "-"], &lines).await.successful();
    assert!(output.stdout.contains("2 of these were left out"), "{}", output.stdout);
}

/// Without a key nobody is forgotten, and that is said beforehand.
#[tokio::test]
async fn without_a_key_the_check_warns_that_nobody_is_forgotten() {
    let mut road = told(&[ANN]).await;
    let with = road.run(&["check"]).await.successful();
    assert!(!with.stdout.contains("address_key_file"), "{}", with.stdout);
    road.comes_back("unsubscribe-mail", ANN).await;
    road.reconfigure("secrets.address_key_file", "");
    let without = road.run(&["check"]).await.successful();
    for said in
        ["Warning: secrets.address_key_file is not set", "openssl rand -hex 32", "forgotten after 28 days"]
    {
        assert!(without.stdout.contains(said), "{said}: {}", without.stdout);
    }
    road.keep_house().await;
    road.keep_house_at("2024-03-13T10:00:00Z").await;
    assert_eq!(people(&road).await, [ANN]);
}
