//! What must happen, worked out from people and events without the program's tables: matching and delivery find their
//! people by SQL, this goes from person to person.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use jobalerts::domain::cadence::{Cadence, Rhythm};
use jobalerts::domain::subscriber::{Person, Search};
use jobalerts::domain::taxonomy::Taxonomy;
use jobalerts::domain::terms::Terms;
use jobalerts::domain::truth::Phase;
use jobalerts::store::openings::Opening;

use crate::letters::Letter;
use crate::reasons::{Advert, Obstacle, obstacles};

/// The people, and what is owed to them.
pub(crate) struct Expected<'a> {
    people: &'a [Person],
    taxonomy: &'a Taxonomy,
    rhythm: Rhythm,
    /// By person and opening: when they are to hear of it; none if they have, or never will.
    alerts: BTreeMap<(usize, i64), Option<DateTime<Utc>>>,
    /// Who was told, and of what.
    told: BTreeSet<(usize, i64)>,
    letters: Vec<Letter>,
    problems: Vec<String>,
}

/// Who asks for an opening.
pub(crate) struct Matched {
    /// Those who do: address, when they are due, the names of all their searches that do.
    pub(crate) asking: Vec<(String, DateTime<Utc>, Vec<String>)>,
    /// Those who nearly do: address, the name of the search, what stands between.
    pub(crate) near: Vec<(String, String, Obstacle)>,
    /// Who asks because their search names a place or the like that the taxonomy does not know.
    pub(crate) unknown: Vec<(String, String)>,
}

/// A mail that must come.
#[derive(Debug)]
pub(crate) struct Owed {
    person: usize,
    /// The reference, and the names of all searches that ask for it.
    topics: BTreeMap<String, Vec<String>>,
}

/// What a moment brings.
#[derive(Default)]
pub(crate) struct Due {
    /// Mails that must come.
    pub(crate) owed: Vec<Owed>,
    /// Who is told nothing of what, because it is over.
    pub(crate) over: Vec<(String, i64)>,
}

impl<'a> Expected<'a> {
    /// Nothing happened yet.
    pub(crate) fn new(people: &'a [Person], taxonomy: &'a Taxonomy) -> anyhow::Result<Self> {
        Ok(Self {
            people,
            taxonomy,
            rhythm: crate::people::rhythm()?,
            alerts: BTreeMap::new(),
            told: BTreeSet::new(),
            letters: Vec::new(),
            problems: Vec::new(),
        })
    }

    /// How many people there are.
    pub(crate) fn people(&self) -> usize {
        self.people.len()
    }

    /// An opening is new: who asks for it, and who does not.
    pub(crate) fn matched(&mut self, opening: &Opening, now: DateTime<Utc>) -> Matched {
        let facts = &opening.posting.facts;
        let terms = Terms::of(facts, self.taxonomy);
        let advert = Advert { facts, terms: &terms, taxonomy: self.taxonomy };
        let mut matched = Matched { asking: Vec::new(), near: Vec::new(), unknown: Vec::new() };
        for (index, person) in self.people.iter().enumerate() {
            let address = person.address.as_str().to_owned();
            let mut names = Vec::new();
            let mut due = None;
            for search in &person.searches {
                let between = obstacles(search, &advert);
                let paused = search.cadence == Cadence::Paused;
                if between.is_empty() != (search.criteria.matches(&terms) && !paused) {
                    let name = &search.name;
                    self.problems
                        .push(format!("\"{name}\" of {address}: the demo and the program differ on why"));
                }
                if let [only] = &between[..] {
                    matched.near.push((address.clone(), search.name.clone(), only.clone()));
                }
                if between.is_empty() {
                    names.push(search.name.clone());
                    let then = self.rhythm.due(search.cadence, now.max(opening.posting.opens_at));
                    due = [due, then].into_iter().flatten().min();
                    matched.unknown.extend(unknown(search).map(|slug| (address.clone(), slug)));
                }
            }
            if let Some(due) = due {
                self.alerts.entry((index, opening.id)).or_insert(Some(due));
                matched.asking.push((address, due, names));
            }
        }
        matched.near.retain(|(near, _, _)| matched.asking.iter().all(|(asking, _, _)| asking != near));
        matched
    }

    /// How many people would hear of an opening like this at once.
    pub(crate) fn asking_at_once(&self, opening: &Opening) -> usize {
        let terms = Terms::of(&opening.posting.facts, self.taxonomy);
        let asks = |search: &Search| search.cadence == Cadence::Immediate && search.criteria.matches(&terms);
        self.people.iter().filter(|person| person.searches.iter().any(asks)).count()
    }

    /// The clock shows this: who is to hear of what, as things stand.
    pub(crate) fn due(&mut self, openings: &BTreeMap<i64, Opening>, now: DateTime<Utc>) -> Due {
        let mut due = Due::default();
        let mut owed: BTreeMap<usize, BTreeMap<String, Vec<String>>> = BTreeMap::new();
        for (&(index, id), then) in &mut self.alerts {
            let Some(opening) = openings.get(&id) else { continue };
            if then.is_none_or(|then| then > now) {
                continue;
            }
            *then = None;
            let person = &self.people[index];
            if opening.posting.phase(now) == Phase::Open {
                let terms = Terms::of(&opening.posting.facts, self.taxonomy);
                let names = person
                    .searches
                    .iter()
                    .filter(|search| search.cadence != Cadence::Paused && search.criteria.matches(&terms))
                    .map(|search| search.name.clone())
                    .collect();
                owed.entry(index).or_default().insert(opening.reference().to_owned(), names);
                if !self.told.insert((index, id)) {
                    self.problems.push(format!("{} would be told twice", person.address.as_str()));
                }
            } else {
                due.over.push((person.address.as_str().to_owned(), id));
            }
        }
        due.owed = owed.into_iter().map(|(person, topics)| Owed { person, topics }).collect();
        due
    }

    /// Holds the mails that came against those that must come.
    pub(crate) fn hold_against(&mut self, owed: &[Owed], letters: &[Letter]) {
        let mut unread: Vec<&Letter> = letters.iter().collect();
        for Owed { person, topics } in owed {
            let address = self.people[*person].address.as_str();
            let Some(place) = unread.iter().position(|letter| letter.to == address) else {
                self.problems.push(format!("{address} got no mail"));
                continue;
            };
            let letter = unread.remove(place);
            if !letter.reasons.keys().eq(topics.keys()) {
                self.problems.push(format!("mail {} tells {address} of other vacancies", letter.number));
            }
            for (reference, names) in topics {
                let why = letter.reasons.get(reference).map_or("", String::as_str);
                let said = names.iter().all(|name| why.contains(&format!("\"{name}\"")));
                if !said || why.matches('"').count() != 2 * names.len() {
                    self.problems.push(format!("mail {} gives other reasons for {reference}", letter.number));
                }
            }
        }
        for letter in unread {
            self.problems.push(format!("mail {} to {} must not have left", letter.number, letter.to));
        }
        self.letters.extend(letters.iter().cloned());
    }

    /// How many people have been told of an opening, and how many are still to hear of it.
    pub(crate) fn standing(&self, id: i64) -> (usize, usize) {
        let told = self.told.iter().filter(|(_, opening)| *opening == id).count();
        let waiting =
            self.alerts.iter().filter(|((_, opening), due)| *opening == id && due.is_some()).count();
        (told, waiting)
    }

    /// How many alerts wait for their day.
    pub(crate) fn waiting(&self) -> usize {
        self.alerts.values().flatten().count()
    }

    /// Something is not as it should be.
    pub(crate) fn problem(&mut self, text: String) {
        self.problems.push(text);
    }

    /// What is not as it should be.
    pub(crate) fn problems(&self) -> &[String] {
        &self.problems
    }

    /// How many mails came.
    pub(crate) fn mails(&self) -> usize {
        self.letters.len()
    }

    /// How many people were told anything.
    pub(crate) fn people_told(&self) -> usize {
        self.told.iter().map(|(person, _)| person).collect::<BTreeSet<_>>().len()
    }

    /// How many of them got more than one mail.
    pub(crate) fn people_told_more_than_once(&self) -> usize {
        let mut mails: BTreeMap<&str, usize> = BTreeMap::new();
        for letter in &self.letters {
            *mails.entry(&letter.to).or_default() += 1;
        }
        mails.values().filter(|count| **count > 1).count()
    }
}

fn unknown(search: &Search) -> impl Iterator<Item = String> + '_ {
    search.criteria.unknown().iter().map(|(_, slug)| slug.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(letters: &[(&str, &str)]) -> Vec<String> {
        let taxonomy = Taxonomy::shipped();
        let line = |name: &str| {
            let consent = r#"{"wordingVersion":"1","at":"2024-01-01T00:00:00Z","source":"page"}"#;
            let person = format!(r#"{{"email":"{name}@example.org","consent":{consent}}}"#);
            Person::read(&person, &taxonomy).expect("is a person")
        };
        let people = [line("ann"), line("ben")];
        let mut expected = Expected::new(&people, &taxonomy).expect("the schedules are good");
        let topics = BTreeMap::from([("A1".to_owned(), vec!["one".to_owned(), "two".to_owned()])]);
        let letters: Vec<Letter> = letters
            .iter()
            .map(|(to, why)| Letter {
                number: 1,
                to: (*to).to_owned(),
                subject: String::new(),
                reasons: BTreeMap::from([("A1".to_owned(), (*why).to_owned())]),
            })
            .collect();
        expected.hold_against(&[Owed { person: 0, topics }], &letters);
        expected.problems().to_vec()
    }

    #[test]
    fn the_right_mail_is_no_problem_and_every_other_is() {
        let right = ("ann@example.org", r#"your searches "one" and "two""#);
        assert_eq!(problems(&[right]), [""; 0]);
        assert_eq!(problems(&[]), ["ann@example.org got no mail"]);
        assert_eq!(problems(&[right, right]), ["mail 1 to ann@example.org must not have left"]);
        for why in [r#"your search "one""#, r#"your searches "one", "two" and "three""#] {
            assert_eq!(problems(&[("ann@example.org", why)]), ["mail 1 gives other reasons for A1"]);
        }
        let to_another = ("ben@example.org", right.1);
        assert_eq!(
            problems(&[to_another]),
            ["ann@example.org got no mail", "mail 1 to ben@example.org must not have left"]
        );
    }
}
