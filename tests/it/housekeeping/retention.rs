//! What is as old as the limit is kept, what is a second older is gone.

use serde_json::Value;

use jobalerts::housekeeping::{self, Step};

use super::audit;
use crate::harness::events::Event;
use crate::harness::people::{crowd, curious, person};
use crate::harness::{Delivered, Road, soon};

const ANN: &str = "ann@example.org";
const DHEP: &str = "programme/pc-dhep";

/// A road on which what is kept no longer is forgotten every second.
async fn road(at: &str) -> Road {
    let road = Road::setup()
        .set("housekeeping.retention", "* * * * * *")
        .set("housekeeping.ask_after", "100 years")
        .at(at)
        .build()
        .await;
    road.keep_house().await;
    road
}

async fn left(road: &Road) -> (i64, i64) {
    (road.count("select count(*) from alerts").await, road.count("select count(*) from mails").await)
}

/// Thirteen months after the door has shut, and not before, what was told of it goes, and the mail
/// with it.
#[tokio::test]
async fn alerts_go_when_they_have_been_over_for_so_long() {
    let road = road("2023-11-13T08:31:00Z").await;
    road.import(&[curious(ANN)]).await;
    road.hears(&[Event::opened("230000AA").shuts("2023-11-20T23:59:00Z"), Event::opened("230000BB")]).await;
    assert_eq!(road.drain().await, Delivered::ONE_MAIL);
    // One more is over, and the mail about both is the older one; it stays with the other alert.
    assert_eq!(road.keep_house_at("2024-12-20T23:59:00Z").await, 0);
    assert_eq!(left(&road).await, (2, 1));
    assert_eq!(road.keep_house_at("2024-12-20T23:59:01Z").await, 1);
    assert_eq!(left(&road).await, (1, 1));
    let said =
        road.run(&["explain", ANN, "230000AA", "--now", "2024-12-20T23:59:01Z"]).await.successful().stdout;
    assert!(
        said.contains(
            "It is over for longer than 13 months, so whether they were told is not known any more."
        ),
        "{said}"
    );
    // What is open is not over, however old it is.
    road.keep_house_at("2029-12-20T23:59:01Z").await;
    assert_eq!(left(&road).await, (1, 1));
}

/// What was told late goes late, what is due stays, and a mail that nothing refers to goes by itself.
#[tokio::test]
async fn the_last_word_counts_and_what_is_due_stays() {
    let road = road("2023-11-13T08:31:00Z").await;
    road.import(&[curious(ANN), curious("bob@example.org"), curious("cee@example.org")]).await;
    road.hears(&[Event::opened("230000AA").shuts("2023-11-20T23:59:00Z")]).await;
    assert_eq!(road.drain().await.accepted, 3);
    road.sql("update alerts set told_at = '2023-12-24T10:00:00Z' where subscriber_id = 1").await;
    road.sql("update alerts set due_at = '2030-01-01' where subscriber_id = 2").await;
    road.sql("update mails set finished_at = '2023-11-25T10:00:00Z' where subscriber_id = 3").await;
    assert_eq!(road.keep_house_at("2024-12-21T00:00:00Z").await, 1);
    assert_eq!(left(&road).await, (2, 3));
    assert_eq!(road.keep_house_at("2024-12-25T10:00:00Z").await, 0);
    assert_eq!(road.keep_house_at("2024-12-25T10:00:01Z").await, 1);
    assert_eq!(left(&road).await, (2, 2));
    assert_eq!(road.keep_house_at("2025-01-24T10:00:00Z").await, 0);
    assert_eq!(road.keep_house_at("2025-01-24T10:00:01Z").await, 2);
    assert_eq!(left(&road).await, (1, 1));
    road.keep_house_at("2029-01-01T00:00:00Z").await;
    assert_eq!(left(&road).await, (1, 1));
}

/// I26: the ledger of an old cycle adds up when nobody knows any more who was in it.
#[tokio::test]
async fn the_ledger_keeps_what_became_of_promises() {
    let road = road("2024-02-19T10:00:00Z").await;
    let people: Vec<_> = (0..5).map(|n| person(&format!("p{n}@example.org")).registered("pc-dhep")).collect();
    road.import(&people).await;
    road.match_all().await;
    road.hears(&[Event::sample("09")]).await;
    assert_eq!(road.drain().await.accepted, 5);
    road.sql("update subscribers set state = 'suppressed' where id = 5").await;
    road.at("2024-03-05T10:00:00Z");
    road.hears(&[Event::sample("10")]).await;
    assert_eq!(road.drain().await.accepted, 4);
    // One was never told, and one was told late.
    road.sql("update alerts set outcome = null, outcome_at = null, told_at = null where subscriber_id = 1")
        .await;
    road.sql("update alerts set outcome = 'kept-late' where subscriber_id = 2").await;
    road.at("2024-04-01T00:00:00Z");
    let ledger = async |now: &'static str| -> Value {
        let said = road.run(&["ledger", "--json", "--now", now]).await.successful().stdout;
        serde_json::from_str(&said).unwrap()
    };
    let numbers = |of: &Value| {
        ["promises", "owed", "kept", "keptLate", "broken", "explained", "released", "advanceTold"]
            .map(|name| of[name].as_i64().unwrap())
    };
    let (six, before) = (road.six(DHEP).await, ledger("2024-04-01T00:00:00Z").await);
    assert_eq!(numbers(&before["total"]), [5, 0, 2, 1, 1, 0, 1, 5], "{before}");
    assert_eq!(before["total"]["outcomeOnly"], 0);
    // The mails about the date, to which another was told since.
    assert_eq!(road.keep_house_at("2025-04-19T12:00:00Z").await, 4);
    assert_eq!(left(&road).await, (5, 5));
    assert_eq!(road.keep_house_at("2025-04-19T12:00:01Z").await, 5 + 5);
    assert_eq!(left(&road).await, (0, 0));
    assert_eq!(road.six(DHEP).await, six);
    let after = ledger("2025-04-19T12:00:01Z").await;
    for which in ["total", "cycles"] {
        let of =
            |ledger: &Value| if which == "total" { ledger[which].clone() } else { ledger[which][0].clone() };
        assert_eq!(numbers(&of(&after)), numbers(&of(&before)), "{which}");
        assert_eq!(of(&after)["releasedBecause"], of(&before)["releasedBecause"], "{which}");
        assert_eq!(of(&after)["outcomeOnly"], 5);
        assert!(of(&after)["doorLeftSeconds"]["p50"].is_null());
    }
    let said = road.run(&["ledger", "--now", "2025-04-19T12:00:01Z"]).await.successful().stdout;
    assert!(said.contains("programme/pc-dhep/1: of 5 promises only the outcome is known any more"), "{said}");
    // What matching looks at again promises nothing anew.
    road.sql("update openings set matched_revision = 0").await;
    road.match_all().await;
    assert_eq!(road.six(DHEP).await, six);
}

/// 2.2.4: who has not confirmed within two weeks is forgotten, with everything that hangs on them.
#[tokio::test]
async fn who_never_confirmed_is_forgotten() {
    let road = road("2024-02-19T10:00:00Z").await;
    road.import(&[
        person(ANN).wants("All", "daily").registered("pc-dhep"),
        person("bob@example.org").wants("All", "daily").registered("pc-dhep"),
    ])
    .await;
    road.sql("update subscribers set state = 'unconfirmed' where id = 1").await;
    road.hears(&[Event::sample("09")]).await;
    assert_eq!(road.drain().await.accepted, 1);
    assert_eq!(road.keep_house_at("2024-03-04T10:00:00Z").await, 0);
    let six = road.six(DHEP).await;
    assert_eq!(road.keep_house_at("2024-03-04T10:00:01Z").await, 1);
    for table in [
        "select count(*) from subscribers",
        "select count(*) from consents",
        "select count(*) from searches",
        "select count(*) from registrations",
        "select count(*) from alerts",
    ] {
        assert_eq!(road.count(table).await, 1, "{table}");
    }
    assert_eq!(road.six(DHEP).await, six);
    assert_eq!(audit(&road).await, [("housekeeping".to_owned(), "erased-unconfirmed".to_owned())]);
    let text: String = road.value("select string_agg(a::text, ' ') from audit a").await;
    assert!(!text.contains("example.org"), "{text}");
}

#[tokio::test]
async fn the_audit_is_kept_for_six_years_and_never_changed() {
    let road = road("2024-02-19T10:00:00Z").await;
    road.sql("insert into audit (at, actor, action) values ('2018-03-01T00:00:00Z', 'import', 'came-back')")
        .await;
    let changed = sqlx::query("update audit set actor = 'nobody'").execute(road.tester()).await;
    assert!(changed.unwrap_err().to_string().contains("audit is only ever added to"));
    assert_eq!(road.keep_house_at("2024-03-01T00:00:00Z").await, 0);
    assert_eq!(road.keep_house_at("2024-03-01T00:00:01Z").await, 1);
}

/// Of runs long ago only the last of each chore is kept, from which the next is reckoned.
#[tokio::test]
async fn old_runs_are_forgotten_but_the_last() {
    let road = Road::setup().at("2024-01-10T12:00:00Z").build().await;
    road.keep_house().await;
    for now in ["2024-01-11T12:05:00Z", "2024-01-12T12:05:00Z", "2024-01-13T12:05:00Z"] {
        road.keep_house_at(now).await;
    }
    assert_eq!(road.count("select count(*) from chore_ticks").await, 8);
    road.keep_house_at("2025-02-12T12:05:00Z").await;
    let kept = "select count(*) from chore_ticks where tick_at < '2025-01-01'";
    // Those of 11 January are gone; those of the 12th are kept at this second.
    assert_eq!(road.count(kept).await, 5);
    road.keep_house_at("2025-02-14T12:05:00Z").await;
    assert_eq!(road.count(kept).await, 0);
}

/// Killed at any point of any part, nothing is lost and nothing is counted twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_the_middle_another_goes_on() {
    const PEOPLE: usize = 40;
    let road = road("2024-02-19T10:00:00Z").await;
    let people: Vec<_> =
        (0..PEOPLE).map(|n| person(&format!("p{n}@example.org")).registered("pc-dhep")).collect();
    road.import(&people).await;
    road.import(&crowd(PEOPLE)).await;
    road.hears(&[Event::sample("09"), Event::opened("230000AA").shuts("2024-03-01T12:00:00Z")]).await;
    road.match_all().await;
    road.deliver().await;
    road.at("2024-03-05T10:00:00Z");
    road.hears(&[Event::sample("10")]).await;
    road.drain().await;
    let six = road.six(DHEP).await;
    assert_eq!(six.kept, i64::try_from(PEOPLE).unwrap());
    road.at("2025-06-01T00:00:00Z");
    let mut rules = road.program().housekeeping_rules();
    rules.rows_together = 7;
    let (mut killed, mut after) = (0, 1);
    loop {
        let mut step = Box::pin(housekeeping::step(road.pool(), &rules, road.clock.now()));
        let short_life = async {
            for _ in 0..after {
                tokio::task::yield_now().await;
            }
        };
        let ended = tokio::select! {
            biased;
            done = &mut step => Some(done.unwrap()),
            () = short_life => None,
        };
        drop(step);
        match ended {
            None => killed += 1,
            Some(Step::Idle)
                if road.count("select count(*) from chore_ticks where finished_at is null").await == 0 =>
            {
                break;
            }
            Some(_) => {}
        }
        after = after * 3 % 4_099;
    }
    println!("killed {killed} times");
    assert!(killed > 10);
    assert_eq!(left(&road).await, (0, 0));
    assert_eq!(road.six(DHEP).await, six);
    assert_eq!(
        road.count("select sum(promises)::bigint from past_promises").await,
        i64::try_from(PEOPLE).unwrap()
    );
    soon("what is left", road.keep_house()).await;
}
