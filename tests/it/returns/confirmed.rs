//! The way back from a suppression: what somebody agreed to since, as an import tells it.

use jobalerts::domain::suppression::Reason;
use jobalerts::returns::Taken;
use jobalerts::store::returns::Answer;
use jobalerts::store::suppressions;

use super::{ANN, BOB, DHEP, told};
use crate::harness::events::Event;
use crate::harness::people::{Person, curious, person};
use crate::harness::program::Output;
use crate::harness::rows::Six;
use crate::harness::{Delivered, Road, time};

const LEFT_OUT: &str = "1 of these were left out";
const LIFTED: &str = "1 of these were suppressed and have agreed since: that is lifted";

impl Road {
    /// Imports a person with the command, at the time of this road.
    async fn imports(&self, person: &Person) -> Output {
        let now = self.clock.now().to_rfc3339();
        self.run_with_input(&["import", "--now", &now, "-"], person.line() + "\n").await.successful()
    }

    /// Suppresses an address, since a time.
    async fn suppress(&self, address: &str, reason: Reason, since: &str) {
        let keys = self.return_rules().addresses;
        let mut connection = self.pool().acquire().await.unwrap();
        let address = address.parse().unwrap();
        suppressions::add(&mut connection, &keys, &address, reason, time(since)).await.unwrap();
    }
}

/// 2.2.4, B07: who complained and agrees anew is written to again, and what was promised is owed again.
#[tokio::test]
async fn who_complained_comes_back_by_a_newer_consent_only() {
    let road = Road::setup().at("2024-02-19T10:00:00Z").build().await;
    let ann = || person(ANN).registered("pc-dhep");
    road.import(&[ann()]).await;
    road.match_all().await;
    road.hears(&[Event::sample("09")]).await;
    assert_eq!(road.drain().await.accepted, 1);
    road.at("2024-02-20T10:00:00Z");
    assert_eq!(road.comes_back("yahoo-arf-abuse", ANN).await, Taken::Complaint(Answer::Taken));
    road.drain().await;
    assert_eq!(road.six(DHEP).await, Six { released: 1, ..Six::default() });

    road.at("2024-02-22T10:00:00Z");
    for (agreed_at, why) in [
        ("2024-02-20T09:59:59Z", "before they complained"),
        ("2024-02-20T10:00:00Z", "not later"),
        ("2024-02-22T10:00:01Z", "still to come"),
    ] {
        let output = road.imports(&ann().agreed_at(agreed_at)).await;
        assert!(output.stdout.contains(LEFT_OUT) && !output.stdout.contains("again"), "{why}: {output:?}");
        assert_eq!((road.state_of(ANN).await.as_str(), road.suppressed().await.len()), ("suppressed", 1));
    }
    let output = road.imports(&ann().agreed_at("2024-02-20T10:00:01Z")).await;
    assert!(output.stdout.contains(LIFTED) && !output.stdout.contains("left out"), "{output:?}");
    assert_eq!((road.state_of(ANN).await.as_str(), road.suppressed().await.len()), ("active", 0));
    let output = road.imports(&ann().agreed_at("2024-02-20T10:00:01Z")).await;
    assert!(!output.stdout.contains(LIFTED) && output.stdout.contains("0 people, 0 searches"), "{output:?}");
    let audit: Vec<(String, String)> = road.rows("select actor, action from audit order by id").await;
    let entry = |actor: &str, action: &str| (actor.to_owned(), action.to_owned());
    assert_eq!(
        audit[audit.len() - 2..],
        [entry("import", "suppression-lifted"), entry("import", "came-back")]
    );

    road.match_all().await;
    road.drain().await;
    assert_eq!(road.six(DHEP).await, Six { owed: 1, ..Six::default() });
    road.at("2024-03-05T10:00:00Z");
    road.hears(&[Event::sample("10")]).await;
    assert_eq!(road.drain().await.accepted, 1);
    assert_eq!(road.six(DHEP).await, Six { kept: 1, ..Six::default() });
}

/// Nothing but a hash may be left of them.
#[tokio::test]
async fn who_was_forgotten_comes_back_as_well() {
    let road = told(&[ANN]).await;
    road.comes_back("unsubscribe-mail", ANN).await;
    let stopped_at = road.clock.now();
    road.keep_house().await;
    road.keep_house_at("2023-12-13T10:00:00Z").await;
    assert_eq!(road.count("select count(*) from subscribers").await, 0);
    // What counts is when they stopped, not when they were forgotten.
    let later = (stopped_at + chrono::Duration::seconds(1)).to_rfc3339();
    let output = road.imports(&curious("ANN@example.org").agreed_at(&stopped_at.to_rfc3339())).await;
    assert!(output.stdout.contains(LEFT_OUT), "{output:?}");
    let output = road.imports(&curious("ANN@example.org").agreed_at(&later)).await;
    assert!(output.stdout.contains(LIFTED), "{output:?}");
    assert_eq!(road.suppressed().await, [""; 0]);
    road.hears(&[Event::opened("230000A2")]).await;
    road.drain().await;
    assert_eq!(road.mails_to("ANN@example.org").len(), 1);
    let nobody = "select count(*) from audit where action = 'suppression-lifted' and subject is null";
    assert_eq!(road.count(nobody).await, 1);
}

/// A mailbox may be there again; what an operator did, an operator takes back.
#[tokio::test]
async fn what_is_lifted_depends_on_who_suppressed_whom() {
    for (reasons, agreed_at, lifted) in [
        (&[(Reason::HardBounce, "2023-11-13T09:00:00Z")][..], "2023-11-14T09:00:00Z", true),
        (&[(Reason::SoftBounces, "2023-11-13T09:00:00Z")], "2023-11-14T09:00:00Z", true),
        (&[(Reason::Erased, "2023-11-13T09:00:00Z")], "2023-11-14T09:00:00Z", true),
        (&[(Reason::Operator, "2023-11-13T09:00:00Z")], "2023-11-14T09:00:00Z", false),
        // The last word of the weightiest reason counts.
        (
            &[(Reason::HardBounce, "2023-11-13T09:00:00Z"), (Reason::Complaint, "2023-11-15T09:00:00Z")],
            "2023-11-14T09:00:00Z",
            false,
        ),
        (
            &[(Reason::Complaint, "2023-11-13T09:00:00Z"), (Reason::Stop, "2023-11-15T09:00:00Z")],
            "2023-11-14T09:00:00Z",
            false,
        ),
        (
            &[(Reason::Stop, "2023-11-13T09:00:00Z"), (Reason::HardBounce, "2023-11-15T09:00:00Z")],
            "2023-11-14T09:00:00Z",
            true,
        ),
        (
            &[(Reason::HardBounce, "2023-11-13T09:00:00Z"), (Reason::Operator, "2023-11-13T10:00:00Z")],
            "2023-11-14T09:00:00Z",
            false,
        ),
    ] {
        let road = Road::setup().at("2023-11-20T10:00:00Z").build().await;
        for (reason, since) in reasons {
            road.suppress(ANN, *reason, since).await;
        }
        let output = road.imports(&curious(ANN).agreed_at(agreed_at)).await;
        assert_eq!(output.stdout.contains(LIFTED), lifted, "{reasons:?}: {output:?}");
        assert_eq!(output.stdout.contains(LEFT_OUT), !lifted, "{reasons:?}: {output:?}");
        assert_eq!(road.count("select count(*) from subscribers").await == 1, lifted, "{reasons:?}");
    }
}

/// Who had stopped as well, and only then bounced, stays stopped unless they agreed after that, too.
#[tokio::test]
async fn a_stop_is_not_lifted_with_a_bounce_before_it() {
    let road = told(&[ANN]).await;
    let bounced = road.returned("postfix-user-unknown", ANN).await;
    let stop = road.returned("unsubscribe-mail", ANN).await;
    road.take_in(&bounced).await;
    road.at("2023-11-15T10:00:00Z");
    road.take_in(&stop).await;
    road.at("2023-11-16T10:00:00Z");
    road.imports(&curious(ANN).agreed_at("2023-11-14T10:00:00Z")).await;
    assert_eq!(road.state_of(ANN).await, "stopped");
    assert_eq!(road.count("select count(*) from searches").await, 0, "it is not taken up again");
    road.imports(&curious(ANN).agreed_at("2023-11-15T10:00:01Z")).await;
    assert_eq!(road.state_of(ANN).await, "active");
    assert_eq!(road.count("select count(*) from searches").await, 1);
}

/// Two imports that lift the same wait for each other, and one of them has lifted it.
#[tokio::test]
async fn two_imports_at_once_do_not_stand_in_each_others_way() {
    let road = told(&[ANN, BOB]).await;
    road.comes_back("yahoo-arf-abuse", ANN).await;
    let keys = road.return_rules().addresses;
    let hashes = keys.hashes(&ANN.parse().unwrap());
    let mut first = road.pool().begin().await.unwrap();
    let mut second = road.pool().begin().await.unwrap();
    assert_eq!(suppressions::among(&mut first, &hashes).await.unwrap().len(), 1);
    sqlx::query("set local lock_timeout = '50ms'").execute(&mut *second).await.unwrap();
    let waits = suppressions::among(&mut second, &hashes).await;
    assert!(waits.is_err_and(|error| error.to_string().contains("lock timeout")));
    first.rollback().await.unwrap();
    second.rollback().await.unwrap();

    let lines = [curious(ANN), curious(BOB)].map(|it| it.agreed_at("2023-12-01T10:00:00Z").line() + "\n");
    let command = ["import", "--now", "2023-12-02T10:00:00Z", "-"];
    let (one, other) = tokio::join!(
        road.run_with_input(&command, lines.concat()),
        road.run_with_input(&command, lines.iter().rev().cloned().collect::<String>())
    );
    let said = one.successful().stdout + &other.successful().stdout;
    assert_eq!(said.matches(LIFTED).count(), 1, "{said}");
    assert_eq!(road.state_of(ANN).await, "active");
    road.at("2023-12-02T10:00:00Z");
    assert_eq!(road.drain().await, Delivered::NOTHING);
}
