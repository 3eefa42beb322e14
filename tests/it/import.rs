//! The command `import`: people, from lines of JSON.

use serde_json::json;

use crate::harness::Road;
use crate::harness::events::Event;
use crate::harness::people::{crowd, curious, person};
use crate::harness::program::Output;

const ANN: &str = "ann@example.org";
const EX_DATAERR: i32 = 65;

async fn import(road: &Road, lines: &str) -> Output {
    road.run_with_input(&["import", "-"], lines).await
}

fn lines(people: &[crate::harness::people::Person]) -> String {
    people.iter().map(|person| person.line() + "\n").collect()
}

/// More than one transaction's worth, with a file's usual oddities.
#[tokio::test]
async fn a_file_is_imported_line_by_line() {
    let road = Road::new().await;
    let people = lines(&crowd(2_500));
    let odd = format!("\u{feff}{}\r\n\n  \n{people}", curious(ANN).line());
    let output = import(&road, odd.trim_end()).await.successful();
    assert_eq!(
        output.stdout,
        "2503 lines: 2501 people read, 0 lines refused; new or changed: 2501 people, 2501 searches, 0 registrations\n"
    );
    assert_eq!(road.count("select count(*) from subscribers").await, 2_501);
    assert_eq!(road.count("select count(*) from criteria").await, 1, "one question, asked by all");
    assert_eq!(
        road.count("select count(distinct xmin::text) from subscribers").await,
        3,
        "in bounded batches"
    );
}

#[tokio::test]
async fn importing_twice_changes_nothing() {
    let road = Road::new().await;
    let file = lines(&[
        curious(ANN).registered("pc-any").discreet(),
        person("bob@example.org").search("Dogs", "weekly", json!({"keywords": {"any": ["Dog handler"]}})),
    ]);
    import(&road, &file).await.successful();
    let before = road.state().await;
    let output = import(&road, &file).await.successful();
    assert!(
        output.stdout.ends_with("new or changed: 0 people, 0 searches, 0 registrations\n"),
        "{}",
        output.stdout
    );
    assert_eq!(road.state().await, before);
}

/// A bad line is named by its number and what is wrong with it, and takes no other down.
#[tokio::test]
async fn bad_lines_are_named_and_the_rest_goes_in() {
    let road = Road::new().await;
    let consent = r#""consent":{"wordingVersion":"1","at":"2023-01-01T00:00:00Z","source":"page"}"#;
    let with = |rest: &str| format!(r#"{{"email":"mallory@example.net",{consent}{rest}}}"#);
    let bad = [
        ("not JSON", "mallory@example.net".to_owned()),
        ("not JSON", with("").replace('}', "")),
        ("missing field `consent`", r#"{"email":"mallory@example.net"}"#.to_owned()),
        ("email: ", with("").replace("mallory@example.net", "mallory@example@net")),
        ("email: ", with("").replace("mallory@example.net", "mallory@example.net\\r\\nBcc: x@example.net")),
        ("unknown field `postcode`", with(r#","postcode":"B1 1AA""#)),
        (
            "searches[0].cadence: unknown; did you mean",
            with(r#","searches":[{"name":"x","cadence":"weakly","where":{}}]"#),
        ),
        (
            "searches[0].where.location: unknown; did you mean",
            with(r#","searches":[{"name":"x","cadence":"daily","where":{"location":{}}}]"#),
        ),
        ("searches[0].name: ", with(r#","searches":[{"name":" ","cadence":"daily","where":{}}]"#)),
        ("registrations[0].programme: ", with(r#","registrations":[{"programme":"pc-anny"}]"#)),
        (
            "registrations[0].notBefore: ",
            with(r#","registrations":[{"programme":"pc-any","notBefore":"July"}]"#),
        ),
        ("quietHours.from: ", with(r#","quietHours":{"from":"9pm","to":"8"}"#)),
        ("consent.source: ", with("").replace("\"source\":\"page\"", "\"source\":\"\"")),
        ("longer than 1048576 octets", with(&format!(r#","searches":[],"x":"{}""#, "y".repeat(1_200_000)))),
    ];
    let mut file = Vec::new();
    for (number, (_, line)) in bad.iter().enumerate() {
        file.extend(curious(&format!("good{number}@example.org")).line().into_bytes());
        file.extend(b"\n");
        file.extend(line.as_bytes());
        file.extend(b"\n");
    }
    file.extend(b"\xff\xfe\n");
    let output = road.run_with_input(&["import", "-"], &file).await;
    assert_eq!(output.code, Some(EX_DATAERR), "{}", output.stderr);
    let said: Vec<&str> = output.stderr.lines().collect();
    assert_eq!(said.len(), bad.len() + 1, "{}", output.stderr);
    for (number, ((reason, _), said)) in bad.iter().zip(&said).enumerate() {
        let expected = format!("line {}: {reason}", 2 * number + 2);
        assert!(said.starts_with(&expected), "expected {expected}, found {said}");
    }
    assert!(said[bad.len()].starts_with(&format!("line {}: not UTF-8", 2 * bad.len() + 1)));
    let all = format!("{}{}", output.stdout, output.stderr).to_lowercase();
    assert!(!all.contains("mallory") && !all.contains("example.net") && !all.contains("b1 1aa"), "{all}");
    let good = i64::try_from(bad.len()).unwrap();
    assert_eq!(road.count("select count(*) from subscribers where lookup like 'good%'").await, good);
    assert_eq!(road.count("select count(*) from subscribers").await, good);
}

/// One person, however often and in whatever case; what a later line says of the same thing counts.
#[tokio::test]
async fn a_person_who_comes_twice_is_one_person() {
    let road = Road::new().await;
    let file = lines(&[
        person("Ann@Example.org").wants("One", "daily").wants("Two", "daily").registered("pc-any").discreet(),
        person("ann@EXAMPLE.ORG").wants("Two", "immediate").registered("pcda"),
    ]);
    import(&road, &file).await.successful();
    assert_eq!(road.count("select count(*) from subscribers where discreet").await, 1);
    let searches: Vec<(String, String)> = road.rows("select name, cadence from searches order by name").await;
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(searches, [pair("One", "daily"), pair("Two", "immediate")]);
    assert_eq!(road.count("select count(*) from registrations").await, 2);

    import(&road, &lines(&[person("ANN@example.org").wants("One", "weekly")])).await.successful();
    let searches: Vec<(String, String)> = road.rows("select name, cadence from searches order by name").await;
    assert_eq!(searches, [pair("One", "weekly"), pair("Two", "immediate")]);
    assert_eq!(
        road.count("select count(*) from subscribers where discreet").await,
        1,
        "it was not taken back"
    );
    assert_eq!(road.count("select count(*) from consents").await, 1);
}

/// I5: an import brings nobody back who has stopped.
#[tokio::test]
async fn who_has_stopped_stays_stopped() {
    let road = Road::new().await;
    let file = lines(&[curious(ANN)]);
    import(&road, &file).await.successful();
    for (stop, count) in [
        (
            "update subscribers set state = 'suppressed'",
            "select count(*) from subscribers where state = 'suppressed'",
        ),
        (
            "update subscribers set state = 'lapsed'",
            "select count(*) from subscribers where state = 'lapsed'",
        ),
    ] {
        road.sql(stop).await;
        import(&road, &file).await.successful();
        assert_eq!(road.count(count).await, 1);
    }
    road.hears(&[Event::opened("230000AA")]).await;
    assert_eq!(road.drain().await.accepted, 0);
}

#[tokio::test]
async fn a_file_that_is_not_there_is_named() {
    let road = Road::new().await;
    let output = road.run(&["import", "/nowhere/people.jsonl"]).await;
    assert_eq!(output.code, Some(1));
    assert!(output.stderr.contains("/nowhere/people.jsonl cannot be read"), "{}", output.stderr);
}
