//! Who asks for what: people as a force's list of them looks, the same in
//! every run.

use std::collections::{BTreeSet, HashSet};
use std::io::Write;
use std::ops::Range;

use jobalerts::domain::criteria::Criteria;
use jobalerts::domain::taxonomy::Taxonomy;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Map, Value, json};

/// Of five searches four are somebody's first, and one is somebody's second.
const PEOPLE_OF_FIVE: u32 = 4;

/// Role families by how many ask for them.
const FAMILIES: [(&str, u32); 19] = [
    ("police-officer", 18),
    ("contact-control", 15),
    ("detective", 6),
    ("special-constable", 4),
    ("pcso", 10),
    ("custody-detention", 7),
    ("investigation-staff", 8),
    ("intelligence-analysis", 6),
    ("forensics-digital", 6),
    ("operational-support", 5),
    ("justice-safeguarding", 4),
    ("technology-data", 6),
    ("people-finance-legal", 5),
    ("estates-fleet", 3),
    ("communications-engagement", 3),
    ("leadership-staff", 2),
    ("apprentice-early-career", 5),
    ("volunteer", 5),
    ("business-support", 9),
];
const PLACES: [(&str, u32); 9] = [
    ("birmingham", 34),
    ("west-midlands", 30),
    ("coventry", 9),
    ("dudley", 5),
    ("sandwell", 5),
    ("solihull", 6),
    ("walsall", 5),
    ("wolverhampton", 7),
    ("black-country", 8),
];
const CONTRACTS: [(&str, u32); 8] = [
    ("permanent", 60),
    ("fixed-term", 25),
    ("temporary", 8),
    ("secondment", 5),
    ("apprenticeship", 6),
    ("volunteer", 5),
    ("casual", 4),
    ("rejoiner", 2),
];
const HOURS: [(&str, u32); 5] =
    [("full-time", 45), ("part-time", 30), ("flexible", 20), ("term-time", 5), ("job-share", 5)];
const RANKS: [(&str, u32); 5] =
    [("constable", 50), ("sergeant", 20), ("inspector", 15), ("chief-inspector", 10), ("senior", 5)];
const KEYWORDS: [(&str, u32); 40] = [
    ("contact handler", 10),
    ("call handler", 10),
    ("control room", 10),
    ("999", 4),
    ("dispatcher", 4),
    ("custody", 6),
    ("detention officer", 5),
    ("investigator", 6),
    ("safeguarding", 4),
    ("analyst", 6),
    ("intelligence", 4),
    ("data", 5),
    ("software developer", 3),
    ("digital forensics", 4),
    ("crime scene", 4),
    ("fingerprint", 2),
    ("dog handler", 3),
    ("firearms licensing", 2),
    ("vetting", 4),
    ("human resources", 3),
    ("payroll", 2),
    ("solicitor", 2),
    ("finance", 3),
    ("mechanic", 2),
    ("driver", 3),
    ("facilities", 2),
    ("press officer", 2),
    ("social media", 3),
    ("apprentice", 5),
    ("graduate", 4),
    ("volunteer", 3),
    ("cadet", 2),
    ("administrator", 6),
    ("receptionist", 3),
    ("project manager", 3),
    ("trainer", 3),
    ("neighbourhood", 4),
    ("response", 3),
    ("nights", 2),
    ("driving licence", 2),
];
const NAMES: [&str; 6] = [
    "My search",
    "Jobs near home",
    "Control room",
    "Something with people",
    "Evenings & weekends",
    "New start",
];
const CADENCES: [(&str, u32); 4] = [("immediate", 30), ("daily", 50), ("weekly", 18), ("paused", 2)];

/// The questions that people ask, the most frequent first.
pub(crate) struct Population {
    criteria: Vec<Value>,
}

impl Population {
    /// A population with this many different questions.
    pub(crate) fn new(distinct: usize, taxonomy: &Taxonomy) -> Self {
        let mut random = StdRng::seed_from_u64(1829);
        let mut seen = HashSet::new();
        let mut criteria = Vec::with_capacity(distinct);
        while criteria.len() < distinct {
            let written = question(&mut random);
            let read = Criteria::read(&written, taxonomy);
            if read.is_ok_and(|read| read.unknown().is_empty() && seen.insert(read.fingerprint())) {
                criteria.push(written);
            }
        }
        Self { criteria }
    }

    /// Writes the people who have these searches, in the form of an import.
    pub(crate) fn write(&self, searches: &Range<u32>, to: &mut impl Write) -> anyhow::Result<u64> {
        let people = people(searches.start)..people(searches.end);
        let lines = u64::from(people.end - people.start);
        for number in people {
            serde_json::to_writer(&mut *to, &self.person(number))?;
            to.write_all(b"\n")?;
        }
        Ok(lines)
    }

    fn person(&self, number: u32) -> Value {
        let mut random = StdRng::seed_from_u64(number.into());
        let own = usize::try_from(number).ok().filter(|&number| number < self.criteria.len());
        let mut searches = vec![self.search(NAMES[0], own, &mut random)];
        if number.is_multiple_of(PEOPLE_OF_FIVE) {
            let name = NAMES[random.random_range(1..NAMES.len())];
            searches.push(self.search(name, None, &mut random));
        }
        let mut person = json!({
            "email": format!("person.{number}@mail{}.example", number % 20),
            "searches": searches,
            "consent": {
                "wordingVersion": "2026-01",
                "at": "2026-02-03T10:00:00Z",
                "source": "careers site, job alerts form",
            },
        });
        if random.random_ratio(1, 20) {
            person["discreetSubject"] = true.into();
        }
        if random.random_ratio(1, 10) {
            person["registrations"] = json!([{ "programme": "pc-any" }]);
        }
        person
    }

    /// A few questions are asked by many, and many by a few; each by somebody.
    fn search(&self, name: &str, own: Option<usize>, random: &mut StdRng) -> Value {
        let common = random.random_range(0..self.criteria.len());
        let rank = own.unwrap_or_else(|| random.random_range(0..=common));
        json!({ "name": name, "cadence": weighted(&CADENCES, random), "where": self.criteria[rank] })
    }
}

/// How many people have so many searches.
pub(crate) fn people(searches: u32) -> u32 {
    searches / (PEOPLE_OF_FIVE + 1) * PEOPLE_OF_FIVE
}

fn question(random: &mut StdRng) -> Value {
    let mut question = Map::new();
    let mut about = |key: &str, values: &[(&'static str, u32)], any: (u32, usize), not: u32| {
        let mut rule = Map::new();
        if random.random_ratio(any.0, 100) {
            let most = random.random_range(1..=any.1);
            rule.insert("any".into(), some(values, most, random));
        } else if random.random_ratio(not, 100) {
            rule.insert("not".into(), some(values, 1, random));
        }
        if !rule.is_empty() {
            question.insert(key.into(), rule.into());
        }
    };
    about("roleFamily", &FAMILIES, (82, 3), 20);
    about("locations", &PLACES, (62, 2), 8);
    about("contractKind", &CONTRACTS, (35, 2), 8);
    about("hours", &HOURS, (30, 2), 5);
    about("rank", &RANKS, (6, 2), 0);
    about("keywords", &KEYWORDS, (16, 3), 8);
    if random.random_ratio(6, 100) {
        question.insert("keywords".into(), json!({ "all": some(&KEYWORDS, 2, random) }));
    }
    if random.random_ratio(3, 100) {
        question.insert("audience".into(), json!({ "any": ["serving-officer"] }));
    }
    if random.random_ratio(20, 100) {
        question.insert("pay".into(), json!({ "atLeast": random.random_range(18..60) * 1_000 }));
    }
    question.into()
}

fn some(values: &[(&'static str, u32)], most: usize, random: &mut StdRng) -> Value {
    (0..most).map(|_| weighted(values, random)).collect::<BTreeSet<_>>().into_iter().collect()
}

fn weighted(values: &[(&'static str, u32)], random: &mut StdRng) -> &'static str {
    values.choose_weighted(random, |(_, weight)| *weight).map_or("", |(value, _)| value)
}
