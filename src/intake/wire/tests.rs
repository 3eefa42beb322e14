use serde_json::{Value, json};

use super::*;
use crate::domain::facts::Facts;

fn reading() -> Reading {
    Reading { zone: chrono_tz::Europe::London }
}

fn sample(name: &str) -> (String, Value) {
    let path = format!("{}/tests/golden/events/{name}", env!("CARGO_MANIFEST_DIR"));
    let event: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    (event["type"].as_str().unwrap().to_owned(), event["data"].clone())
}

fn facts(data: &Value) -> Facts {
    let mut facts = Facts::blank(chrono_tz::Tz::UTC);
    for change in happening("vacancy.opened", data, &reading()).unwrap().changes {
        facts.apply(change);
    }
    facts
}

fn with(name: &str, value: impl Into<Value>) -> Value {
    let value = value.into();
    json!({"posting": {"title": "Clerk"}, name: value})
}

#[test]
fn the_samples_say_what_they_say() {
    let (_, opened) = sample("01-vacancy-opened-230000P0.json");
    let opened = facts(&opened);
    assert_eq!(opened.title, "Chief Superintendent Promotion and Transfer at Rank");
    assert_eq!(opened.employer.as_deref(), Some("West Midlands Police"));
    assert_eq!(opened.closing, Closing::Date("2023-12-08".parse().unwrap()));
    assert_eq!(opened.contract_kind, ["permanent", "transfer-at-rank", "promotion"]);
    assert_eq!(opened.rank, ["chief-superintendent"]);
    let (_, volunteer) = sample("03-vacancy-opened-230000IR.json");
    assert_eq!(facts(&volunteer).site.as_deref(), Some("Perry Barr"));
    assert_eq!(facts(&volunteer).closing, Closing::OpenUntilFilled);

    let read = |name: &str| {
        let (kind, data) = sample(name);
        happening(&kind, &data, &reading()).unwrap()
    };
    let changes = read("04-vacancy-corrected-closing-earlier.json").changes;
    let noon = Closing::Instant("2023-12-04T12:00:00Z".parse().unwrap());
    assert_eq!(changes.last(), Some(&Change::Closing(noon)));
    let typo = read("05-vacancy-corrected-typo.json");
    assert_eq!((typo.door, typo.changes), (None, vec![]));
    assert_eq!(read("06-vacancy-closed-deadline.json").door, Some(Door::Shut(CloseReason::Deadline)));
    let withdrawn = read("07-vacancy-withdrawn.json");
    assert_eq!(withdrawn.door, Some(Door::Withdraw(CloseReason::PostedInError)));
    let words = "This volunteer role was put on the site by mistake.".to_owned();
    assert_eq!(withdrawn.changes, [Change::Explanation(Some(words)), Change::ReplacedBy(None)]);
}

#[test]
fn a_closing_is_as_precise_as_it_is_written() {
    let day = |text: &str| text.parse::<NaiveDate>().unwrap();
    for (closing, expected) in [
        (json!(null), Closing::OpenUntilFilled),
        (json!({"value": null, "precision": "open-until-filled"}), Closing::OpenUntilFilled),
        (json!({"value": "2024-03-19", "precision": "date"}), Closing::Date(day("2024-03-19"))),
        (json!({"value": "2024-03-31T23:30:00Z", "precision": "date"}), Closing::Date(day("2024-04-01"))),
        (
            json!({"value": "2024-03-19", "precision": "close-of-business"}),
            Closing::CloseOfBusiness(day("2024-03-19")),
        ),
        (
            json!({"value": "2024-03-19T13:00:00+01:00", "precision": "instant"}),
            Closing::Instant("2024-03-19T12:00:00Z".parse().unwrap()),
        ),
    ] {
        assert_eq!(facts(&with("closing", closing.clone())).closing, expected, "{closing}");
    }
    let through = json!({"posting": {"title": "Clerk", "validThrough": "2024-03-19"}});
    assert_eq!(facts(&through).closing, Closing::Date(day("2024-03-19")));
}

#[test]
fn pay_is_read_in_both_forms() {
    let schema_org =
        json!({"currency": "GBP", "value": {"minValue": 29907, "maxValue": 45000.5, "unitText": "YEAR"}});
    let flat = json!({"currency": "GBP", "min": 29907, "max": 45000.5, "unit": "year"});
    let expected = Pay { currency: "GBP".into(), min: 2_990_700, max: 4_500_050, unit: PayUnit::Year };
    assert_eq!(facts(&with("pay", schema_org.clone())).pay, Some(expected.clone()));
    assert_eq!(facts(&with("pay", flat)).pay, Some(expected.clone()));
    let base_salary = json!({"pay": null, "posting": {"title": "Clerk", "baseSalary": schema_org}});
    assert_eq!(facts(&base_salary).pay, Some(expected));
    assert_eq!(facts(&with("pay", json!(null))).pay, None);
}

#[test]
fn a_feeds_word_for_nothing_is_nothing() {
    assert_eq!(facts(&with("payText", json!("null"))).pay_text, None);
    assert_eq!(facts(&with("siteText", json!(" \n "))).site, None);
}

#[test]
fn a_correction_changes_what_it_names_and_nothing_else() {
    let corrected = |data: Value| match happening("vacancy.corrected", &data, &reading()).unwrap() {
        Happening::Corrected(changes) => changes,
        other => panic!("{other:?}"),
    };
    let change =
        |field: &str, to: Value| corrected(json!({"changes": [{"field": field, "from": "x", "to": to}]}));
    assert_eq!(change("title", json!("New")), [Change::Title("New".into())]);
    assert_eq!(change("posting.title", json!("New")), [Change::Title("New".into())]);
    assert_eq!(
        change("locations", json!(["dudley"])),
        [Change::Values(Dimension::Place, vec!["dudley".into()])]
    );
    assert_eq!(change("pay", json!(null)), [Change::Pay(None)]);
    assert_eq!(change("somethingElse", json!("x")), []);
    assert_eq!(
        corrected(json!({"hours": "part-time"})),
        [Change::Values(Dimension::Hours, vec!["part-time".into()])]
    );
}

#[test]
fn a_title_cannot_smuggle_anything() {
    let data = json!({"posting": {"title": "Clerk\r\nBcc: all@example.org\u{202E}"}});
    assert_eq!(facts(&data).title, "Clerk Bcc: all@example.org");
}

#[test]
fn what_breaks_the_form_says_where() {
    for (data, place) in [
        (json!(7), "data:"),
        (json!({}), "posting.title:"),
        (json!({"posting": {"title": "\u{0}\n"}}), "posting.title:"),
        (json!({"posting": {"title": "x".repeat(301)}}), "posting.title:"),
        (json!({"posting": {"title": "Clerk {GRADE}"}}), "posting.title:"),
        (json!({"posting": {"title": "null"}}), "posting.title:"),
        (json!({"posting": "x"}), "posting:"),
        (with("locations", json!({"a": 1})), "locations:"),
        (with("locations", json!([7])), "locations:"),
        (with("closing", json!("soon")), "closing:"),
        (with("closing", json!({"value": "soon", "precision": "date"})), "closing.value:"),
        (with("closing", json!({"value": "2024-03-19", "precision": "instant"})), "closing.value:"),
        (with("closing", json!({"value": "2024-03-19", "precision": "exact"})), "closing.precision:"),
        (
            with("closing", json!({"value": "2024-03-19", "precision": "date", "zone": "Mars"})),
            "closing.zone:",
        ),
        (with("pay", json!({"min": 2, "max": 1})), "pay:"),
        (with("pay", json!({"currency": "pounds", "min": 1})), "pay:"),
        (json!({"posting": {"title": "Clerk", "url": "not a link"}}), "posting.url:"),
    ] {
        let rejection = happening("vacancy.opened", &data, &reading()).unwrap_err();
        assert_eq!(rejection.reason, Reason::Schema);
        assert!(rejection.detail.starts_with(place), "{data}: {}", rejection.detail);
    }
    let unknown = happening("vacancy.exploded", &json!({}), &reading()).unwrap_err();
    assert_eq!(unknown.reason, Reason::UnknownType);
}

#[test]
fn only_https_links_to_allowed_hosts_pass() {
    let hosts = ["careers.force.example".to_owned()];
    for (link, allowed) in [
        ("https://careers.force.example/jobs/1", true),
        ("HTTPS://CAREERS.force.example/", true),
        ("http://careers.force.example/jobs/1", false),
        ("https://careers.force.example.evil.example/", false),
        ("https://evil.example/careers.force.example", false),
        ("https://user@careers.force.example/", false),
        ("javascript:alert(1)", false),
        ("//careers.force.example/", false),
    ] {
        assert_eq!(allow(link, &hosts).is_ok(), allowed, "{link}");
    }
}
