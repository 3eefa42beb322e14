//! What a saved search asks for, and whether an advert is it.
//!
//! A search matches when every dimension it names has a hit: at least one of
//! `any`, every one of `all`, none of `not`. What the search does not name does
//! not limit it; what the advert does not say does not exclude it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::domain::keywords::Phrase;
use crate::domain::suggest::nearest;
use crate::domain::taxonomy::{Dimension, Taxonomy};
use crate::domain::terms::Terms;

/// What one dimension of a search asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule<T> {
    /// At least one of these, if there are any.
    pub any: BTreeSet<T>,
    /// Every one of these.
    pub all: BTreeSet<T>,
    /// None of these.
    pub not: BTreeSet<T>,
}

impl<T> Default for Rule<T> {
    fn default() -> Self {
        Self { any: BTreeSet::new(), all: BTreeSet::new(), not: BTreeSet::new() }
    }
}

impl<T: Ord> Rule<T> {
    fn holds(&self, hits: impl Fn(&T) -> bool, excluded: impl Fn(&T) -> bool) -> bool {
        (self.any.is_empty() || self.any.iter().any(&hits))
            && self.all.iter().all(&hits)
            && !self.not.iter().any(excluded)
    }

    fn is_empty(&self) -> bool {
        self.any.is_empty() && self.all.is_empty() && self.not.is_empty()
    }

    /// `any of a, b; none of c`.
    fn in_words(&self, word: impl Fn(&T) -> &str) -> String {
        let lists = [("any of", &self.any), ("all of", &self.all), ("none of", &self.not)];
        let said = lists.into_iter().filter(|(_, values)| !values.is_empty()).map(|(how, values)| {
            format!("{how} {}", values.iter().map(&word).collect::<Vec<_>>().join(", "))
        });
        said.collect::<Vec<_>>().join("; ")
    }
}

/// A thing that a search can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Criterion {
    /// Values of a dimension.
    Of(Dimension),
    /// Words of title and description.
    Keywords,
    /// A least pay.
    Pay,
    /// That it names ranks, or serving officers, where the advert is for a
    /// rank above sergeant.
    NamesRank,
    /// That it names a topic, where the advert is an event day.
    NamesTopic,
}

impl Criterion {
    /// The name in a saved search, or that of the rule.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Of(dimension) => dimension.key(),
            Self::Keywords => "keywords",
            Self::Pay => "pay",
            Self::NamesRank => "rank rule",
            Self::NamesTopic => "topic rule",
        }
    }
}

/// What one criterion of a search says of an advert, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// Which one.
    pub criterion: Criterion,
    /// What the search asks.
    pub asked: String,
    /// What the advert says.
    pub found: String,
    /// Whether that fits.
    pub fits: bool,
}

/// An amount in pence, in pounds: `30000`, `30000.50`.
fn pounds(pence: i64) -> String {
    match pence % 100 {
        0 => (pence / 100).to_string(),
        rest => format!("{}.{rest:02}", pence / 100),
    }
}

/// What a saved search asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Criteria {
    rules: BTreeMap<Dimension, Rule<String>>,
    keywords: Rule<Phrase>,
    /// At least this much, in pence a year.
    pay_at_least: Option<i64>,
    /// Slugs that the taxonomy does not know (yet): they limit nothing.
    unknown: Vec<(Dimension, String)>,
    /// The canonical form: what was asked, sorted, aliases resolved.
    written: Value,
}

/// Why a search cannot be read. The text names the place inside `where`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CriteriaError {
    /// A name that no dimension has.
    #[error("where.{0}: unknown; {1}")]
    UnknownKey(String, String),
    /// Not of the form that the place needs.
    #[error("where{}{place}: expected {expected}", if .place.is_empty() { "" } else { "." })]
    Form {
        /// The place; empty for the whole.
        place: String,
        /// What belongs there.
        expected: &'static str,
    },
}

const LISTS: [&str; 3] = ["any", "all", "not"];
const KEYS: [&str; 9] =
    ["roleFamily", "rank", "locations", "contractKind", "hours", "audience", "topic", "keywords", "pay"];
/// More than any person names; keeps one search from costing as much as many.
const MOST_VALUES: usize = 200;
const LONGEST_KEYWORD: usize = 100;

impl Criteria {
    /// Reads the `where` of a saved search.
    ///
    /// # Errors
    ///
    /// The first place that is not of the documented form. A slug that the
    /// taxonomy does not know is no error: see [`Criteria::unknown`].
    pub fn read(written: &Value, taxonomy: &Taxonomy) -> Result<Self, CriteriaError> {
        let object = written.as_object().ok_or_else(|| form("", "an object of dimensions"))?;
        let mut criteria = Self::default();
        let mut canonical = Map::new();
        for (key, value) in object {
            if let Some(dimension) = Dimension::ALL.into_iter().find(|dimension| dimension.key() == key) {
                let names = read_rule(key, value)?;
                let (rule, resolved) = criteria.resolve(dimension, &names, taxonomy);
                insert_rule(&mut canonical, key, &resolved, String::clone);
                if !rule.is_empty() {
                    criteria.rules.insert(dimension, rule);
                }
            } else if key == "keywords" {
                let words = read_rule(key, value)?;
                let phrases = |words: &BTreeSet<String>| words.iter().map(|w| Phrase::of(w)).collect();
                insert_rule(&mut canonical, key, &words, |word| word.to_lowercase());
                criteria.keywords =
                    Rule { any: phrases(&words.any), all: phrases(&words.all), not: phrases(&words.not) };
            } else if key == "pay" {
                let pounds = value
                    .get("atLeast")
                    .and_then(Value::as_f64)
                    .filter(|pounds| (0.0..=10_000_000.0).contains(pounds))
                    .ok_or_else(|| {
                        form("pay", r#"{"atLeast": pounds a year}, such as {"atLeast": 30000}"#)
                    })?;
                canonical.insert(key.clone(), json!({ "atLeast": pounds }));
                #[expect(clippy::cast_possible_truncation, reason = "bounded above to 10 million pounds")]
                let pence = (pounds * 100.0).round() as i64;
                criteria.pay_at_least = Some(pence);
            } else {
                return Err(CriteriaError::UnknownKey(named(key), nearest(key, KEYS)));
            }
        }
        criteria.written = Value::Object(canonical);
        Ok(criteria)
    }

    /// Turns names into slugs. An unknown name limits nothing: if nothing
    /// known is left of `any`, any value will do.
    fn resolve(
        &mut self,
        dimension: Dimension,
        names: &Rule<String>,
        taxonomy: &Taxonomy,
    ) -> (Rule<String>, Rule<String>) {
        let tree = taxonomy.tree(dimension);
        let (mut rule, mut resolved) = (Rule::default(), Rule::default());
        let lists: [(&BTreeSet<String>, &mut BTreeSet<String>, &mut BTreeSet<String>); 3] = [
            (&names.any, &mut rule.any, &mut resolved.any),
            (&names.all, &mut rule.all, &mut resolved.all),
            (&names.not, &mut rule.not, &mut resolved.not),
        ];
        for (names, known, written) in lists {
            for name in names {
                if let Some(node) = tree.resolve(name) {
                    known.insert(node.slug.clone());
                    written.insert(node.slug.clone());
                } else {
                    self.unknown.push((dimension, name.clone()));
                    written.insert(name.clone());
                    if dimension == Dimension::Topic {
                        // Without its topic, a search for a kind of day would be one for everything.
                        known.insert(name.clone());
                    }
                }
            }
        }
        (rule, resolved)
    }

    /// Whether the advert is what the search asks for.
    #[must_use]
    pub fn matches(&self, terms: &Terms) -> bool {
        self.verdicts(terms).all(|(_, fits)| fits)
    }

    /// Each criterion that says anything about the advert, and whether the
    /// advert fits it, in words. All fit if and only if it
    /// [matches](Self::matches).
    #[must_use]
    pub fn judge(&self, terms: &Terms) -> Vec<Judged> {
        self.verdicts(terms)
            .filter(|(criterion, _)| *criterion != Criterion::Keywords || !self.keywords.is_empty())
            .map(|(criterion, fits)| Judged {
                criterion,
                asked: self.asked(criterion),
                found: self.found(criterion, terms),
                fits,
            })
            .collect()
    }

    /// The one place that decides: criterion by criterion, none before it is
    /// needed.
    fn verdicts<'a>(&'a self, terms: &'a Terms) -> impl Iterator<Item = (Criterion, bool)> + 'a {
        let dimensions = self.rules.iter().map(|(&dimension, rule)| {
            let fits = terms.reach(dimension).is_none_or(|reach| {
                rule.holds(|slug| reach.hits.contains(slug), |slug| reach.within.contains(slug))
            });
            (Criterion::Of(dimension), fits)
        });
        let keywords = std::iter::once_with(|| {
            let contains = |phrase: &Phrase| terms.words.contain(phrase);
            (Criterion::Keywords, self.keywords.holds(contains, contains))
        });
        let pay = self
            .pay_at_least
            .map(|wanted| (Criterion::Pay, terms.pay_ceiling.is_none_or(|ceiling| ceiling >= wanted)));
        let senior = terms
            .named_only
            .then(|| (Criterion::NamesRank, self.names_a_rank() || self.names_serving_officers()));
        let day = terms.is_event_day().then(|| (Criterion::NamesTopic, self.names_a_topic()));
        dimensions.chain(pay).chain(senior).chain(day).chain(keywords)
    }

    /// What is asked by a criterion, in words.
    fn asked(&self, criterion: Criterion) -> String {
        match criterion {
            Criterion::Of(dimension) => {
                self.rule(dimension).map_or_else(String::new, |rule| rule.in_words(String::as_str))
            }
            Criterion::Keywords => self.keywords.in_words(Phrase::in_words),
            Criterion::Pay => {
                format!("at least £{} a year", pounds(self.pay_at_least.unwrap_or_default()))
            }
            Criterion::NamesRank => {
                "a rank above sergeant must be asked for by name, or by serving-officer".to_owned()
            }
            Criterion::NamesTopic => "an event day must be asked for by its topic".to_owned(),
        }
    }

    /// What an advert says about a criterion, in words.
    fn found(&self, criterion: Criterion, terms: &Terms) -> String {
        let yes_or_no = |yes: bool| if yes { "the search does" } else { "the search does not" }.to_owned();
        match criterion {
            Criterion::Of(dimension) => match terms.reach(dimension) {
                None => "does not say, or nothing that the taxonomy knows".to_owned(),
                Some(reach) if reach.within.is_empty() => "nothing".to_owned(),
                Some(reach) => reach.within.iter().map(String::as_str).collect::<Vec<_>>().join(", "),
            },
            Criterion::Keywords => {
                let lists = [&self.keywords.any, &self.keywords.all, &self.keywords.not];
                let asked = lists.into_iter().flatten();
                let found: BTreeSet<&str> =
                    asked.filter(|phrase| terms.words.contain(phrase)).map(Phrase::in_words).collect();
                if found.is_empty() {
                    "none of these".to_owned()
                } else {
                    found.into_iter().collect::<Vec<_>>().join(", ")
                }
            }
            Criterion::Pay => terms.pay_ceiling.map_or_else(
                || "no pay by the year or month in pounds".to_owned(),
                |ceiling| format!("up to £{} a year", pounds(ceiling)),
            ),
            Criterion::NamesRank => yes_or_no(self.names_a_rank() || self.names_serving_officers()),
            Criterion::NamesTopic => yes_or_no(self.names_a_topic()),
        }
    }

    /// Whether it asks for event days.
    #[must_use]
    pub fn names_a_topic(&self) -> bool {
        self.rule(Dimension::Topic).is_some_and(|rule| !rule.any.is_empty() || !rule.all.is_empty())
    }

    /// The rule for a dimension, if the search names it.
    #[must_use]
    pub fn rule(&self, dimension: Dimension) -> Option<&Rule<String>> {
        self.rules.get(&dimension)
    }

    /// What it asks of the words.
    #[must_use]
    pub fn keywords(&self) -> &Rule<Phrase> {
        &self.keywords
    }

    /// The least pay it asks for, in pence a year.
    #[must_use]
    pub fn pay_at_least(&self) -> Option<i64> {
        self.pay_at_least
    }

    /// Whether it names the ranks it wants.
    #[must_use]
    pub fn names_a_rank(&self) -> bool {
        self.rule(Dimension::Rank).is_some_and(|rule| !rule.any.is_empty() || !rule.all.is_empty())
    }

    /// Whether it asks for what is open to serving officers.
    #[must_use]
    pub fn names_serving_officers(&self) -> bool {
        self.rule(Dimension::Audience)
            .is_some_and(|rule| rule.any.contains("serving-officer") || rule.all.contains("serving-officer"))
    }

    /// What the taxonomy did not know.
    #[must_use]
    pub fn unknown(&self) -> &[(Dimension, String)] {
        &self.unknown
    }

    /// The canonical form of `where`.
    #[must_use]
    pub fn written(&self) -> &Value {
        &self.written
    }

    /// The same for all searches that ask for the same.
    #[must_use]
    pub fn fingerprint(&self) -> Uuid {
        // Sorted here, too: the order of a JSON object is its map's affair.
        let sorted: Option<BTreeMap<&String, &Value>> =
            self.written.as_object().map(|map| map.iter().collect());
        let digest = Sha256::digest(json!(sorted).to_string().as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        Uuid::from_bytes(bytes)
    }
}

fn form(place: &str, expected: &'static str) -> CriteriaError {
    CriteriaError::Form { place: place.to_owned(), expected }
}

fn read_rule(key: &str, value: &Value) -> Result<Rule<String>, CriteriaError> {
    let object = value
        .as_object()
        .ok_or_else(|| form(key, r#"an object such as {"any": ["..."]}, with any, all or not"#))?;
    let mut rule = Rule::default();
    for (list, values) in object {
        let place = format!("{key}.{list}");
        let target = match list.as_str() {
            "any" => &mut rule.any,
            "all" => &mut rule.all,
            "not" => &mut rule.not,
            _ => return Err(CriteriaError::UnknownKey(place, nearest(list, LISTS))),
        };
        let values = values
            .as_array()
            .filter(|values| values.len() <= MOST_VALUES)
            .ok_or_else(|| form(&place, "a list of at most 200 texts"))?;
        for value in values {
            let text = value
                .as_str()
                .map(str::trim)
                .filter(|text| {
                    (1..=LONGEST_KEYWORD).contains(&text.chars().count()) && !text.contains(char::is_control)
                })
                .ok_or_else(|| form(&place, "texts of 1 to 100 characters"))?;
            target.insert(text.to_owned());
        }
    }
    Ok(rule)
}

fn insert_rule(
    canonical: &mut Map<String, Value>,
    key: &str,
    rule: &Rule<String>,
    write: impl Fn(&String) -> String,
) {
    let list = |values: &BTreeSet<String>| values.iter().map(&write).collect::<BTreeSet<_>>();
    let mut lists = Map::new();
    for (name, values) in [("any", &rule.any), ("all", &rule.all), ("not", &rule.not)] {
        if !values.is_empty() {
            lists.insert(name.to_owned(), json!(list(values)));
        }
    }
    if !lists.is_empty() {
        canonical.insert(key.to_owned(), Value::Object(lists));
    }
}

/// A name as it is repeated to whoever wrote it, unless it looks like an
/// address.
fn named(key: &str) -> String {
    if key.contains('@') { "(a name with @)".to_owned() } else { key.to_owned() }
}

#[cfg(test)]
mod tests;
