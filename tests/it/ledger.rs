//! What we owe and what became of it (I26), and why somebody was told or was not.

use serde_json::Value;

use crate::harness::events::Event;
use crate::harness::people::{curious, person};
use crate::harness::{Delivered, MONDAY, Road};

/// Two cycles of a programme, the first of which has shut, and one that never opened, each with promises.
async fn with_promises() -> Road {
    let road = Road::new().await;
    road.hears(&[Event::opened("230000AA")]).await;
    road.sql(
        "insert into openings (subject, posting, cycle, state, truth, opened_at, door_shuts_at, posted_at, seen_at,
                               news_time, news_seen, event_time, test, revision, matched_revision, anchor_event_id)
         select v.subject, v.posting, v.cycle, v.state,
                o.truth || jsonb_build_object('state', v.state, 'openedAt', v.opened_at, 'shutAt', v.shuts_at),
                v.opened_at, v.shuts_at, now(), now(), now(), now(), now(), v.subject like 'test-%', 1, 1, 0
         from openings o, (values
             ('programme/pc-dhep', 1, '2023-03', 'closed', timestamptz '2023-03-05 10:00Z', timestamptz '2023-03-06 17:30Z'),
             ('programme/pc-dhep', 2, '2023-11', 'open', '2023-11-01 10:00Z', null),
             ('programme/pc-pcda', 1, 'v7', 'closed', null, '2023-04-01 00:00Z'),
             ('test-programme/pc-dhep', 1, 'v1', 'open', '2023-11-01 10:00Z', null))
             as v (subject, posting, cycle, state, opened_at, shuts_at)",
    )
    .await;
    road.sql(
        "insert into alerts (subscriber_id, opening_id, promise, outcome, outcome_reason, door_left, advance_told_at)
         select n, o.id, true,
                case when o.posting = 1 and o.cycle = '2023-03' then
                    (array['kept', 'kept', 'kept-late', 'explained', 'released', 'released', 'released'])[n] end,
                case when o.cycle = '2023-03' then (array[null, null, null, null, 'not-before', 'withdrawn', 'withdrawn'])[n] end,
                case when o.cycle = '2023-03' and n <= 3 then make_interval(hours => n) end,
                case when o.cycle = '2023-03' and n <= 4 then timestamptz '2023-03-01 10:00Z' end
         from openings o, generate_series(1, 8) n where o.subject like '%programme/%'",
    )
    .await;
    road
}

async fn ledger(road: &Road, subject: &str) -> Value {
    let output = road.run(&["ledger", subject, "--json", "--now", MONDAY]).await.successful();
    serde_json::from_str(&output.stdout).unwrap()
}

/// I26: the six add up, cycle by cycle and together.
#[tokio::test]
async fn the_six_outcomes_add_up_to_the_promises() {
    let road = with_promises().await;
    let text = road.run(&["ledger", "--now", MONDAY]).await.successful().stdout;
    assert!(!text.contains("test-programme"), "{text}");
    assert!(text.contains("released of programme/pc-dhep/1: 1 not-before, 2 withdrawn"), "{text}");

    let all = ledger(&road, "pc-dhep").await;
    let numbers = |of: &Value| {
        ["promises", "owed", "kept", "keptLate", "broken", "explained", "released", "advanceTold"]
            .map(|name| of[name].as_i64().unwrap())
    };
    assert_eq!(numbers(&all["cycles"][0]), [8, 0, 2, 1, 1, 1, 3, 4], "{all}");
    assert_eq!(numbers(&all["cycles"][1]), [8, 8, 0, 0, 0, 0, 0, 0], "{all}");
    assert_eq!(numbers(&all["total"]), [16, 8, 2, 1, 1, 1, 3, 4], "{all}");
    assert_eq!(all["cycles"][0]["doorLeftSeconds"], serde_json::json!({"p5": 3_600, "p50": 7_200}));
    assert_eq!(all["cycles"][0]["closesAt"], "2023-03-06T17:30:00Z");
    // What never opened is owed until it is released.
    assert_eq!(numbers(&ledger(&road, "v7").await["total"])[..2], [8, 8]);
}

#[tokio::test]
async fn a_cycle_is_found_by_any_of_its_names() {
    let road = with_promises().await;
    for name in ["2023-11", "pc-dhep/2", "programme/PC-DHEP/2", "pc-dhep/2023-11"] {
        let found = ledger(&road, name).await;
        assert_eq!(
            (&found["cycles"][0]["number"], found["cycles"][1].is_null()),
            (&2.into(), true),
            "{name}"
        );
    }
    assert_eq!(ledger(&road, "test-programme/pc-dhep").await["total"]["owed"], 8);
    let unknown = road.run(&["ledger", "pc-dhap"]).await;
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.stderr.contains("did you mean pc-dhep?"), "{}", unknown.stderr);
    let vacancy = road.run(&["ledger", "230000AA"]).await;
    assert!(vacancy.stderr.contains("is no programme"), "{}", vacancy.stderr);
}

/// The answer to "why did I get this", and to "why did I not".
#[tokio::test]
async fn an_explanation_ends_in_the_reason() {
    let road = Road::new().await;
    road.import(&[curious("ann@example.org")]).await;
    road.hears(&[Event::opened("230000AA")]).await;
    let answer = async |person: &str, now: &str| {
        let output =
            road.run_with_input(&["explain", "-", "230000AA", "--now", now], person).await.successful();
        assert!(
            !output.stdout.contains("ann@") && !output.stdout.contains("example.org"),
            "{}",
            output.stdout
        );
        output.stdout.lines().last().unwrap_or_default().to_owned()
    };
    let before = answer("Ann@Example.org\n", MONDAY).await;
    assert_eq!(before, "=> No mail yet, because matching has not looked at it for this person.");
    road.match_all().await;
    let now = "2023-11-13T09:00:00Z";
    assert!(answer("ann@example.org", now).await.starts_with("=> A mail is due now"));
    assert_eq!(road.drain_at(now).await, Delivered::ONE_MAIL);
    let told = answer("ann@example.org", now).await;
    assert_eq!(told, "=> They were told, and know all there is to know; no further mail is due.");

    let public_id: String = road.value("select public_id::text from subscribers").await;
    let output = road.run(&["explain", &public_id, "vacancy/230000aa", "--json"]).await.successful();
    let said: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(said["person"]["address"], "a***@e***.org");
    assert_eq!(said["openings"][0]["mails"][0]["outcome"], "accepted");
    assert_eq!(said["openings"][0]["searches"][0]["matches"], true);

    road.sql("update subscribers set state = 'suppressed'").await;
    road.hears(&[Event::withdrawn("230000AA")]).await;
    let stopped = answer("ann@example.org", now).await;
    assert!(
        stopped.starts_with("=> They were told; no further mail, because they may not be written to"),
        "{stopped}"
    );
}

/// What is about the person and not about the opening is named as well.
#[tokio::test]
async fn an_explanation_names_what_holds_a_person_up() {
    let road = Road::new().await;
    road.import(&[curious("ann@example.org")]).await;
    road.hears(&[Event::opened("230000AA")]).await;
    assert_eq!(road.drain().await, Delivered::ONE_MAIL);
    let explain = async |format: &[&str]| {
        let arguments =
            [&["explain", "ann@example.org", "230000AA", "--now", "2023-11-13T09:00:00Z"][..], format];
        road.run(&arguments.concat()).await.successful().stdout
    };
    let said = explain(&[]).await;
    assert!(said.contains("  reads en-GB\n"), "{said}");
    assert!(!said.contains("came back") && !said.contains("left alone"), "{said}");
    road.sql("update subscribers set language = 'cy-GB', slow_until = '2023-11-14T08:45:00Z'").await;
    road.sql(
        "insert into returns (subscriber_id, mail_id, kind, weight, status, source, at)
         values (1, 1, 'bounce', 'soft', '5.2.2', 'mail', '2023-11-13T08:45:00Z')",
    )
    .await;
    road.sql(
        "insert into breakers (scope, state, until, run, times, reason, changed_at)
         values ('provider/example.org', 'open', '2023-11-13T09:05:00Z', 0, 1, '550 5.7.1', '2023-11-13T09:00:00Z')",
    )
    .await;
    let said = explain(&[]).await;
    for line in [
        "  a mail came back: the mailbox was full, or not reached (5.2.2), at 2023-11-13 08:45Z, by mail\n",
        "  gets nothing that can wait before 2023-11-14 08:45Z, because a mail came back\n",
        "because their mail domain has been left alone since 2023-11-13 09:00Z: 550 5.7.1; one mail finds out after",
        "  reads cy-GB\n",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert!(!said.contains("example.org"), "{said}");
    let said: Value = serde_json::from_str(&explain(&["--json"]).await).unwrap();
    assert_eq!(said["person"]["language"], "cy-GB");
    assert_eq!(said["person"]["cameBack"][0]["weight"], "soft");
    assert_eq!(said["person"]["providerLeftAlone"]["reason"], "550 5.7.1");
}

#[tokio::test]
async fn who_or_what_is_unknown_is_said_without_repeating_an_address() {
    let road = Road::new().await;
    road.import(&[curious("ann@example.org")]).await;
    road.hears(&[Event::opened("230000AA")]).await;
    for (person, subject, said) in [
        ("bob@example.org", "230000AA", "nobody has this address"),
        ("bob", "230000AA", "neither an address nor a public id"),
        ("00000000-0000-4000-8000-000000000000", "230000AA", "nobody has this public id"),
        ("ann@example.org", "230000AB", "did you mean 230000AA?"),
    ] {
        let output = road.run(&["explain", person, subject]).await;
        assert_eq!(output.code, Some(1));
        assert!(output.stderr.contains(said) && !output.stderr.contains("bob@"), "{}", output.stderr);
    }
}

/// What holds a mail back is named, and until when.
#[tokio::test]
async fn an_explanation_names_the_guard_that_holds() {
    let road = Road::setup().with_guards().at("2024-03-05T10:00:00Z").build().await;
    road.import(&[person("ann@example.org").registered("pc-dhep")]).await;
    road.hears(&[Event::sample("10")]).await;
    road.match_all().await;
    let output = road.run(&["explain", "ann@example.org", "pc-dhep", "--now", "2024-03-05T10:01:00Z"]).await;
    let told = output.successful().stdout;
    assert!(told.contains("settle time") && told.contains("2024-03-05 10:02Z"), "{told}");
    assert!(!told.contains("ann@example.org"), "{told}");
}
