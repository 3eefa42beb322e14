//! The pure `Criteria::matches` and the statement in `store::criteria::matching` say the same.

use std::collections::BTreeSet;

use chrono_tz::Europe::London;
use jobalerts::domain::criteria::Criteria;
use jobalerts::domain::facts::{Change, DayChange, Facts, Pay, PayUnit};
use jobalerts::domain::taxonomy::{Dimension, Taxonomy};
use jobalerts::domain::terms::Terms;
use jobalerts::store::criteria;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::{Map, Value, json};

use crate::harness::Road;

const CASES: u32 = 300;
const WORDS: [&str; 10] = [
    "custody",
    "volunteers",
    "police",
    "dog handler",
    "control room",
    "café",
    "part-time",
    "999",
    "officer's",
    "the",
];

/// Slugs, aliases and names that nobody knows, as people write them; few, so that they meet often.
fn names(dimension: Dimension) -> &'static [&'static str] {
    match dimension {
        Dimension::RoleFamily => &["police-officer", "detective", "DC", "volunteer", "pcso", "astronaut"],
        Dimension::Rank => {
            &["entry", "constable", "sergeant", "inspector", "senior", "chief-constable", "commander", "czar"]
        }
        Dimension::Place => {
            &["west-midlands", "force-wide", "birmingham", "dudley", "black-country", "coventry", "atlantis"]
        }
        Dimension::ContractKind => &["permanent", "volunteer", "fixed-term", "zero-hours"],
        Dimension::Hours => &["full-time", "part-time", "job-share", "nights"],
        Dimension::Audience => &["public", "serving-officer", "internal", "aliens"],
        Dimension::Topic => &["discovery-day", "open day", "careers-fair", "fitness-taster", "escape-room"],
    }
}

fn some(of: &'static [&'static str], most: usize) -> impl Strategy<Value = Vec<&'static str>> {
    proptest::collection::vec(proptest::sample::select(of), 0..=most)
}

fn rule(of: &'static [&'static str]) -> impl Strategy<Value = Option<Value>> {
    let lists = (some(of, 2), some(of, 1), some(of, 1)).prop_map(|(any, all, not)| {
        let mut rule = Map::new();
        for (name, list) in [("any", any), ("all", all), ("not", not)] {
            if !list.is_empty() {
                rule.insert(name.to_owned(), json!(list));
            }
        }
        Value::Object(rule)
    });
    proptest::option::weighted(0.3, lists)
}

fn search() -> impl Strategy<Value = Value> {
    let rules = Dimension::ALL.map(|dimension| rule(names(dimension)));
    let pay = proptest::option::weighted(0.2, proptest::sample::select(&[0, 24_000, 30_000, 60_000][..]));
    (rules, rule(&WORDS), pay).prop_map(|(rules, keywords, pay)| {
        let mut written = Map::new();
        for (dimension, rule) in Dimension::ALL.into_iter().zip(rules) {
            written.extend(rule.map(|rule| (dimension.key().to_owned(), rule)));
        }
        written.extend(keywords.map(|rule| ("keywords".to_owned(), rule)));
        written.extend(pay.map(|pounds| ("pay".to_owned(), json!({"atLeast": pounds}))));
        Value::Object(written)
    })
}

fn text(most: usize) -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(&WORDS[..]), 1..=most)
        .prop_map(|words| words.join(" "))
}

fn advert() -> impl Strategy<Value = Facts> {
    let values = Dimension::ALL.map(|dimension| some(names(dimension), 2));
    let pay = (0..5_000_000_i64, proptest::sample::select(&["GBP", "EUR"][..]), any::<bool>());
    let is_day = any::<bool>();
    (text(4), proptest::option::of(text(6)), values, proptest::option::of(pay), is_day).prop_map(
        |(title, description, values, pay, is_day)| {
            let [role_family, rank, locations, contract_kind, hours, audience, topic] =
                values.map(|values| values.into_iter().map(ToOwned::to_owned).collect());
            let mut facts = Facts {
                title,
                description,
                role_family,
                rank,
                audience,
                contract_kind,
                hours,
                locations,
                pay: pay.map(|(pence, currency, yearly)| Pay {
                    currency: currency.to_owned(),
                    min: 0,
                    max: pence,
                    unit: if yearly { PayUnit::Year } else { PayUnit::Hour },
                }),
                ..Facts::blank(London)
            };
            // Only event days have a topic, and some do not say theirs.
            if is_day {
                let starts_at = "2024-02-17T10:30:00Z".parse().ok();
                facts.topic = topic;
                facts.apply(Change::Day(Box::new(DayChange { starts_at, ..DayChange::default() })));
            }
            facts
        },
    )
}

#[test]
fn the_database_and_the_program_agree_on_what_matches() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let road = runtime.block_on(Road::new());
    let taxonomy = Taxonomy::shipped();
    let strategy = (proptest::collection::vec(search(), 1..24), proptest::collection::vec(advert(), 1..8));
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let found = std::cell::Cell::new(0);
    let asked = std::cell::Cell::new(0);
    let outcome = runner.run(&strategy, |(searches, adverts)| {
        let searches: Vec<Criteria> =
            searches.iter().map(|written| Criteria::read(written, &taxonomy).unwrap()).collect();
        runtime.block_on(async {
            // Rolled back, so that each case has the tables to itself.
            let mut transaction = road.pool().begin().await.unwrap();
            let keys =
                criteria::ensure(&mut transaction, &searches.iter().collect::<Vec<_>>()).await.unwrap();
            for advert in &adverts {
                let terms = Terms::of(advert, &taxonomy);
                let of_database: BTreeSet<i64> =
                    criteria::matching(&mut transaction, &terms).await.unwrap().into_iter().collect();
                let of_program: BTreeSet<i64> = searches
                    .iter()
                    .filter(|criteria| criteria.matches(&terms))
                    .map(|criteria| keys[&criteria.fingerprint()])
                    .collect();
                found.set(found.get() + of_program.len());
                asked.set(asked.get() + searches.len());
                if of_database != of_program {
                    let differing = searches
                        .iter()
                        .find(|criteria| {
                            let key = keys[&criteria.fingerprint()];
                            of_database.contains(&key) != of_program.contains(&key)
                        })
                        .map(|criteria| (criteria.written().clone(), criteria.matches(&terms)));
                    return Err(TestCaseError::fail(format!("{advert:?}: {differing:?}")));
                }
            }
            Ok(())
        })
    });
    println!("{} of {} pairs match", found.get(), asked.get());
    assert!(found.get() * 20 > asked.get(), "matches are not rare");
    runtime.block_on(async move { drop(road) });
    outcome.unwrap();
}
