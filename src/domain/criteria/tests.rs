use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::domain::facts::{Change, DayChange, Facts, Pay, PayUnit};

/// An advert in which everything is said.
fn advert() -> Facts {
    Facts {
        title: "Detention officers".into(),
        description: Some("Work in our custody suite in Perry Barr.".into()),
        role_family: vec!["detective".into()],
        rank: vec!["constable".into()],
        audience: vec!["public".into()],
        contract_kind: vec!["permanent".into(), "promotion".into()],
        hours: vec!["full-time".into()],
        locations: vec!["dudley".into()],
        pay: Some(Pay { currency: "GBP".into(), min: 2_990_700, max: 3_500_000, unit: PayUnit::Year }),
        ..Facts::blank(chrono_tz::Europe::London)
    }
}

/// An event day in Dudley.
fn event_day(topics: &[&str]) -> Facts {
    let mut facts = Facts {
        title: "Come and see".into(),
        locations: vec!["dudley".into()],
        topic: topics.iter().map(ToString::to_string).collect(),
        ..Facts::blank(chrono_tz::Europe::London)
    };
    let starts_at = "2024-02-17T10:30:00Z".parse().ok();
    facts.apply(Change::Day(Box::new(DayChange { starts_at, ..DayChange::default() })));
    facts
}

fn read(written: &Value) -> Criteria {
    Criteria::read(written, &Taxonomy::shipped()).unwrap()
}

fn matches(written: &Value, advert: &Facts) -> bool {
    read(written).matches(&Terms::of(advert, &Taxonomy::shipped()))
}

fn check(advert: &Facts, cases: &[(Value, bool)]) {
    for (written, expected) in cases {
        assert_eq!(matches(written, advert), *expected, "{written}");
    }
}

#[test]
fn each_dimension_limits_and_an_absent_one_does_not() {
    check(
        &advert(),
        &[
            (json!({}), true),
            (json!({"roleFamily": {"any": ["detective"]}}), true),
            (json!({"roleFamily": {"any": ["police-officer"]}}), true),
            (json!({"roleFamily": {"any": ["pcso"]}}), false),
            (json!({"roleFamily": {"any": ["pcso", "DC"]}}), true),
            (json!({"rank": {"any": ["entry"]}}), true),
            (json!({"rank": {"any": ["senior"]}}), false),
            (json!({"contractKind": {"all": ["permanent", "promotion"]}}), true),
            (json!({"contractKind": {"all": ["permanent", "volunteer"]}}), false),
            (json!({"contractKind": {"any": ["permanent"], "not": ["promotion"]}}), false),
            (json!({"hours": {"not": ["part-time"]}}), true),
            (json!({"audience": {"any": ["serving-officer"]}}), false),
            (json!({"pay": {"atLeast": 35000}}), true),
            (json!({"pay": {"atLeast": 35000.01}}), false),
            (json!({"keywords": {"any": ["custody"]}}), true),
            (json!({"keywords": {"all": ["custody", "detention officer"]}}), true),
            (json!({"keywords": {"any": ["officer custody"]}}), false),
            (json!({"keywords": {"not": ["suite"]}}), false),
            (json!({"keywords": {"any": ["police"]}}), false),
            (json!({"keywords": {"not": ["police"]}}), true),
            (json!({"locations": {"any": ["dudley"]}, "hours": {"any": ["part-time"]}}), false),
        ],
    );
}

#[test]
fn places_match_up_and_down_and_are_excluded_only_within() {
    let at = |place: &str| Facts { locations: vec![place.into()], ..advert() };
    for (advert_at, search, any, excluded) in [
        ("dudley", "dudley", true, true),
        ("dudley", "west-midlands", true, true),
        ("dudley", "black-country", true, true),
        ("dudley", "birmingham", false, false),
        ("west-midlands", "dudley", true, false),
        ("west-midlands", "black-country", true, false),
        ("black-country", "dudley", true, false),
        ("black-country", "birmingham", false, false),
        ("black-country", "west-midlands", true, true),
    ] {
        let wanted = json!({"locations": {"any": [search]}});
        assert_eq!(matches(&wanted, &at(advert_at)), any, "{search} wants {advert_at}");
        let unwanted = json!({"locations": {"not": [search]}});
        assert_eq!(matches(&unwanted, &at(advert_at)), !excluded, "{search} excludes {advert_at}");
    }
}

#[test]
fn what_an_advert_does_not_say_excludes_nobody() {
    let silent = Facts {
        role_family: vec![],
        rank: vec![],
        audience: vec![],
        contract_kind: vec![],
        hours: vec![],
        locations: vec![],
        pay: None,
        ..advert()
    };
    check(
        &silent,
        &[
            (
                json!({"roleFamily": {"any": ["pcso"]}, "locations": {"all": ["coventry"], "not": ["dudley"]}}),
                true,
            ),
            (json!({"pay": {"atLeast": 90000}, "hours": {"not": ["full-time"]}}), true),
            // The audience is the exception: who says nothing means the public.
            (json!({"audience": {"any": ["public"]}}), true),
            (json!({"audience": {"any": ["serving-officer"]}}), false),
        ],
    );
}

#[test]
fn an_unknown_value_excludes_nobody_on_either_side() {
    let unknown = Facts { locations: vec!["birmingham".into(), "atlantis".into()], ..advert() };
    check(&unknown, &[(json!({"locations": {"any": ["coventry"]}}), true)]);
    check(
        &advert(),
        &[
            (json!({"locations": {"any": ["atlantis"]}}), true),
            (json!({"locations": {"any": ["atlantis", "coventry"]}}), false),
            (json!({"locations": {"all": ["atlantis"], "not": ["atlantis"]}}), true),
        ],
    );
    let criteria = read(&json!({"locations": {"any": ["atlantis"]}}));
    assert_eq!(criteria.unknown(), [(Dimension::Place, "atlantis".to_owned())]);
}

#[test]
fn ranks_above_sergeant_are_for_those_who_name_them_or_serving_officers() {
    let ranked = |rank: &str| Facts {
        rank: vec![rank.into()],
        audience: vec!["public".into(), "serving-officer".into()],
        ..advert()
    };
    for (rank, search, expected) in [
        ("sergeant", json!({}), true),
        ("inspector", json!({}), false),
        ("inspector", json!({"rank": {"any": ["inspector"]}}), true),
        ("inspector", json!({"rank": {"any": ["supervisor"]}}), true),
        ("inspector", json!({"rank": {"any": ["senior"]}}), false),
        ("inspector", json!({"rank": {"not": ["constable"]}}), false),
        ("chief-superintendent", json!({"audience": {"any": ["serving-officer"]}}), true),
        ("chief-superintendent", json!({"audience": {"any": ["public"]}}), false),
    ] {
        assert_eq!(matches(&search, &ranked(rank)), expected, "{search} against {rank}");
    }
}

#[test]
fn event_days_are_for_those_who_name_a_topic_and_nothing_else_is() {
    let days = json!({"topic": {"any": ["discovery-day", "careers-fair"]}});
    let (known, unknown, none) = (event_day(&["Open day"]), event_day(&["escape-room"]), event_day(&[]));
    for (search, in_advert, in_known, in_unknown) in [
        (json!({}), true, false, false),
        (json!({"locations": {"any": ["dudley"]}}), true, false, false),
        (json!({"keywords": {"any": ["come"]}}), false, false, false),
        (days, false, true, true),
        (json!({"topic": {"any": ["fitness-taster"]}}), false, false, true),
        (json!({"topic": {"all": ["discovery-day"]}, "locations": {"any": ["dudley"]}}), false, true, true),
        (
            json!({"topic": {"any": ["discovery-day"]}, "locations": {"any": ["coventry"]}}),
            false,
            false,
            false,
        ),
        // Whoever does not want one kind of day has not asked for the others.
        (json!({"topic": {"not": ["fitness-taster"]}}), true, false, false),
        (json!({"topic": {"any": ["careers-fair"], "not": ["discovery-day"]}}), false, false, true),
        // A topic that is not known yet is no search for everything.
        (json!({"topic": {"any": ["escape-room"]}}), false, false, true),
    ] {
        assert_eq!(matches(&search, &advert()), in_advert, "{search} against an advert");
        assert_eq!(matches(&search, &known), in_known, "{search} against a discovery day");
        assert_eq!(matches(&search, &unknown), in_unknown, "{search} against an unknown topic");
        assert_eq!(matches(&search, &none), in_unknown, "{search} against a day without a topic");
    }
}

#[test]
fn the_same_question_has_the_same_fingerprint() {
    let one = read(&json!({"roleFamily": {"any": ["PC", "pcso"]}, "keywords": {"any": ["Custody"]}}));
    let same = read(&json!({"keywords": {"any": ["custody"], "not": []},
                            "roleFamily": {"any": ["pcso", "police-officer", "PCSO"]}}));
    let other =
        read(&json!({"roleFamily": {"all": ["police-officer", "pcso"]}, "keywords": {"any": ["custody"]}}));
    assert_eq!(one.fingerprint(), same.fingerprint());
    assert_ne!(one.fingerprint(), other.fingerprint());
    assert_eq!(read(one.written()).fingerprint(), one.fingerprint(), "reading it again changes nothing");
}

#[test]
fn what_cannot_be_read_says_where() {
    for (written, message) in [
        (json!([]), "where: expected an object of dimensions"),
        (json!({"place": {"any": ["x"]}}), "where.place: unknown; known are"),
        (json!({"location": {"any": ["x"]}}), "where.location: unknown; did you mean locations?"),
        (json!({"hours": {"some": ["x"]}}), "where.hours.some: unknown; known are any, all, not"),
        (json!({"hours": ["x"]}), "where.hours: expected an object such as"),
        (json!({"hours": {"any": "x"}}), "where.hours.any: expected a list"),
        (json!({"hours": {"any": [7]}}), "where.hours.any: expected texts"),
        (json!({"pay": {"atleast": 7}}), "where.pay: expected"),
        (json!({"pay": {"atLeast": -7}}), "where.pay: expected"),
    ] {
        let error = Criteria::read(&written, &Taxonomy::shipped()).unwrap_err().to_string();
        assert!(error.starts_with(message), "{written}: {error}");
    }
}

#[test]
fn a_judgement_says_what_was_asked_and_what_was_found() {
    let criteria = read(&json!({
        "hours": {"any": ["part-time", "full-time"], "not": ["full-time"]},
        "keywords": {"any": ["custody", "dogs"]},
        "pay": {"atLeast": 35000.5},
    }));
    let judged = criteria.judge(&Terms::of(&advert(), &Taxonomy::shipped()));
    let said: Vec<(&str, &str, &str, bool)> = judged
        .iter()
        .map(|judged| (judged.criterion.name(), judged.asked.as_str(), judged.found.as_str(), judged.fits))
        .collect();
    assert_eq!(
        said,
        [
            ("hours", "any of full-time, part-time; none of full-time", "full-time", false),
            ("pay", "at least £35000.50 a year", "up to £35000 a year", false),
            ("keywords", "any of custodi, dog", "custodi", true),
        ]
    );
}

#[test]
fn the_rules_for_ranks_and_event_days_are_judged_where_they_apply() {
    let taxonomy = Taxonomy::shipped();
    let rules = |advert: &Facts, search: Value| -> Vec<(&'static str, bool)> {
        let judged = read(&search).judge(&Terms::of(advert, &taxonomy));
        judged.into_iter().map(|judged| (judged.criterion.name(), judged.fits)).collect()
    };
    let senior = Facts { rank: vec!["inspector".into()], ..advert() };
    assert_eq!(rules(&senior, json!({})), [("rank rule", false)]);
    assert_eq!(
        rules(&senior, json!({"rank": {"any": ["inspector"]}})),
        [("rank", true), ("rank rule", true)]
    );
    let day = Facts { topic: vec!["discovery-day".into()], ..advert() };
    assert_eq!(rules(&day, json!({})), [("topic rule", false)]);
    assert_eq!(rules(&advert(), json!({})), []);
}

/// Values of which some meet and some do not.
fn rule(values: &'static [&'static str]) -> impl Strategy<Value = Option<Value>> {
    let list = || proptest::collection::vec(proptest::sample::select(values), 0..3);
    let rule =
        (list(), list(), list()).prop_map(|(any, all, not)| json!({"any": any, "all": all, "not": not}));
    proptest::option::weighted(0.4, rule)
}

fn advert_of_any_kind() -> impl Strategy<Value = Facts> {
    let some = |values: &'static [&'static str]| {
        let list = proptest::collection::vec(proptest::sample::select(values), 0..2);
        list.prop_map(|values| values.into_iter().map(ToOwned::to_owned).collect::<Vec<String>>())
    };
    let pay = proptest::option::of(0..5_000_000_i64);
    let values = (some(&FAMILIES), some(&RANKS), some(&PLACES), some(&TOPICS));
    (values, some(&WORDS), pay).prop_map(|((role_family, rank, locations, topic), words, pay)| Facts {
        title: words.join(" "),
        role_family,
        rank,
        locations,
        topic,
        pay: pay.map(|max| Pay { currency: "GBP".into(), min: 0, max, unit: PayUnit::Year }),
        ..Facts::blank(chrono_tz::Europe::London)
    })
}

const FAMILIES: [&str; 4] = ["police-officer", "detective", "volunteer", "astronaut"];
const RANKS: [&str; 4] = ["constable", "sergeant", "inspector", "czar"];
const PLACES: [&str; 4] = ["west-midlands", "dudley", "coventry", "atlantis"];
const TOPICS: [&str; 2] = ["discovery-day", "baking"];
const WORDS: [&str; 4] = ["custody", "dogs", "police", "control room"];

proptest! {
    #[test]
    fn all_criteria_fit_if_and_only_if_it_matches(
        rules in (rule(&FAMILIES), rule(&RANKS), rule(&PLACES), rule(&TOPICS), rule(&WORDS)),
        pay in proptest::option::weighted(0.3, 0..50_000),
        advert in advert_of_any_kind(),
    ) {
        let mut search = Map::new();
        let (families, ranks, places, topics, words) = rules;
        for (key, rule) in [
            ("roleFamily", families),
            ("rank", ranks),
            ("locations", places),
            ("topic", topics),
            ("keywords", words),
        ] {
            search.extend(rule.map(|rule| (key.to_owned(), rule)));
        }
        search.extend(pay.map(|pounds| ("pay".to_owned(), json!({"atLeast": pounds}))));
        let taxonomy = Taxonomy::shipped();
        let criteria = Criteria::read(&Value::Object(search), &taxonomy).unwrap();
        let terms = Terms::of(&advert, &taxonomy);
        let judged = criteria.judge(&terms);
        prop_assert_eq!(judged.iter().all(|judged| judged.fits), criteria.matches(&terms), "{:?}", judged);
    }
}
