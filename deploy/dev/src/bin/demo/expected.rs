//! What must happen, worked out from people and events without the program's tables: matching and delivery find their
//! people by SQL, this goes from person to person.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use jobalerts::domain::cadence::Cadence;
use jobalerts::domain::rhythm::Rhythm;
use jobalerts::domain::subscriber::{Person, Search};
use jobalerts::domain::taxonomy::Taxonomy;
use jobalerts::domain::terms::Terms;
use jobalerts::domain::truth::{Phase, Truth};
use jobalerts::store::openings::Kept;

use crate::letters::Letter;
use crate::news::{Said, again, asking, news, settled};
use crate::reasons::{Advert, Obstacle, obstacles};

/// The people, and what is owed to them.
pub(crate) struct Expected<'a> {
    people: &'a [Person],
    taxonomy: &'a Taxonomy,
    rhythm: Rhythm,
    memory: BTreeMap<(usize, i64), Memory>,
    letters: Vec<Letter>,
    problems: Vec<String>,
}

/// One person and one opening.
#[derive(Default)]
struct Memory {
    /// When the next word is due, if there is one.
    due: Option<DateTime<Utc>>,
    /// What they were told.
    said: Option<Said>,
}

/// Who asks for an opening.
pub(crate) struct Matched {
    /// Those who do.
    pub(crate) asking: Vec<Asking>,
    /// Those who nearly do: address, the name of the search, what stands between.
    pub(crate) near: Vec<(String, String, Obstacle)>,
    /// Who asks because their search names a place or the like that the taxonomy does not know.
    pub(crate) unknown: Vec<(String, String)>,
    /// From when anybody may be told.
    pub(crate) settled: DateTime<Utc>,
}

/// Somebody who asks for an opening.
pub(crate) struct Asking {
    /// The address.
    pub(crate) address: String,
    /// When they are due.
    pub(crate) due: DateTime<Utc>,
    /// The names of all their searches that ask for it.
    pub(crate) names: Vec<String>,
}

/// What a change means to people.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changed {
    /// How many were told of it before.
    pub(crate) told: usize,
    /// Of these, how many are to hear of the change, by when.
    pub(crate) again: BTreeMap<DateTime<Utc>, usize>,
    /// How many have still to hear of it for the first time.
    pub(crate) waiting: usize,
}

/// A mail that must come.
#[derive(Debug)]
pub(crate) struct Owed {
    person: usize,
    kind: &'static str,
    /// The mail whose thread it continues.
    answers: Option<String>,
    /// The reference, and what is told of it.
    topics: BTreeMap<String, Topic>,
}

/// What is told of a vacancy.
#[derive(Debug)]
struct Topic {
    opening: i64,
    truth: Truth,
    at: DateTime<Utc>,
    /// The names of all searches that ask for it.
    names: Vec<String>,
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
        let (memory, letters, problems) = (BTreeMap::new(), Vec::new(), Vec::new());
        Ok(Self { people, taxonomy, rhythm: crate::people::rhythm()?, memory, letters, problems })
    }

    /// How many people there are.
    pub(crate) fn people(&self) -> usize {
        self.people.len()
    }

    /// An opening is new: who asks for it, and who does not.
    pub(crate) fn matched(&mut self, kept: &Kept, now: DateTime<Utc>) -> Matched {
        let facts = &kept.opening.truth.facts;
        let terms = Terms::of(facts, self.taxonomy);
        let advert = Advert { facts, terms: &terms, taxonomy: self.taxonomy };
        let settled = settled(&kept.opening.truth).max(now);
        let mut matched = Matched { asking: vec![], near: vec![], unknown: vec![], settled };
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
                    due = [due, self.rhythm.due(search.cadence, settled)].into_iter().flatten().min();
                    matched.unknown.extend(unknown(search).map(|slug| (address.clone(), slug)));
                }
            }
            if let Some(due) = due {
                self.memory.entry((index, kept.id)).or_insert(Memory { due: Some(due), said: None });
                matched.asking.push(Asking { address, due, names });
            }
        }
        matched.near.retain(|(near, _, _)| matched.asking.iter().all(|asking| asking.address != *near));
        matched
    }

    /// An opening has changed: who was told what is no longer so.
    pub(crate) fn changed(&mut self, kept: &Kept, now: DateTime<Utc>) -> Changed {
        let mut changed = Changed::default();
        for (&(index, id), memory) in &mut self.memory {
            match &memory.said {
                _ if id != kept.id => {}
                None => changed.waiting += usize::from(memory.due.is_some()),
                Some(said) => {
                    changed.told += 1;
                    let truth = &kept.opening.truth;
                    let asking = asking(&self.people[index], Some(said), truth, self.taxonomy);
                    let news = news(&said.truth, truth, now);
                    memory.due = news.and_then(|news| again(&news, &self.rhythm, &asking, said, now));
                    if let Some(due) = memory.due {
                        *changed.again.entry(due).or_default() += 1;
                    }
                }
            }
        }
        changed
    }

    /// How many people would hear of an opening like this at once.
    pub(crate) fn asking_at_once(&self, kept: &Kept) -> usize {
        let terms = Terms::of(&kept.opening.truth.facts, self.taxonomy);
        let asks = |search: &Search| search.cadence == Cadence::Immediate && search.criteria.matches(&terms);
        self.people.iter().filter(|person| person.searches.iter().any(asks)).count()
    }

    /// The next moment at which somebody is due.
    pub(crate) fn next(&self) -> Option<DateTime<Utc>> {
        self.memory.values().filter_map(|memory| memory.due).min()
    }

    /// The clock shows this: who is to hear of what, as things stand.
    pub(crate) fn due(&mut self, openings: &BTreeMap<i64, Kept>, now: DateTime<Utc>) -> Due {
        let mut due = Due::default();
        let mut owed: BTreeMap<(usize, &'static str, Option<String>), BTreeMap<String, Topic>> =
            BTreeMap::new();
        for (&(index, id), memory) in &mut self.memory {
            let Some(kept) = openings.get(&id) else { continue };
            if memory.due.is_none_or(|then| then > now) {
                continue;
            }
            memory.due = None;
            let truth = &kept.opening.truth;
            let person = &self.people[index];
            let (kind, answers) = match &memory.said {
                None if truth.phase(now) == Phase::Open => ("vacancy-alert", None),
                None => {
                    due.over.push((person.address.as_str().to_owned(), id));
                    continue;
                }
                Some(said) => match news(&said.truth, truth, now) {
                    Some(news) => (news.kind(), Some(said.mail.clone())),
                    None => continue,
                },
            };
            let asking = asking(person, memory.said.as_ref(), truth, self.taxonomy);
            let names = asking.into_iter().map(|search| search.name.clone()).collect();
            let topic = Topic { opening: id, truth: truth.clone(), at: now, names };
            owed.entry((index, kind, answers)).or_default().insert(kept.subject.reference.clone(), topic);
        }
        due.owed = owed
            .into_iter()
            .map(|((person, kind, answers), topics)| Owed { person, kind, answers, topics })
            .collect();
        due
    }

    /// Holds the mails that came against those that must come.
    pub(crate) fn hold_against(&mut self, owed: Vec<Owed>, letters: &[Letter]) {
        let mut unread: Vec<&Letter> = letters.iter().collect();
        for Owed { person, kind, answers, topics } in owed {
            let address = self.people[person].address.as_str();
            let place = unread
                .iter()
                .position(|letter| letter.to == address && letter.kind == kind && letter.answers == answers);
            let letter = place.map(|place| unread.remove(place));
            if let Some(letter) = letter {
                self.problems
                    .extend(amiss(letter, &topics).map(|what| format!("mail {} {what}", letter.number)));
            } else {
                let thread = answers.map_or(String::new(), |mail| format!(" that answers <{mail}>"));
                self.problems.push(format!("{address} got no {kind}{thread}"));
            }
            let mail = letter.map_or(String::new(), |letter| letter.id.clone());
            for Topic { opening, truth, at, .. } in topics.into_values() {
                let memory = self.memory.entry((person, opening)).or_default();
                memory.said = Some(Said { truth, at, mail: mail.clone() });
            }
        }
        for letter in unread {
            let Letter { number, kind, to, .. } = letter;
            self.problems.push(format!("mail {number} ({kind}) to {to} must not have left"));
        }
        self.letters.extend(letters.iter().cloned());
    }

    /// The mail with a Message-ID, by its number.
    pub(crate) fn number_of(&self, id: &str) -> Option<usize> {
        self.letters.iter().find(|letter| letter.id == id).map(|letter| letter.number)
    }

    /// How many alerts wait for their day.
    pub(crate) fn waiting(&self) -> usize {
        self.memory.values().filter(|memory| memory.due.is_some()).count()
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
        self.letters.iter().map(|letter| &letter.to).collect::<BTreeSet<_>>().len()
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

/// What is wrong with a mail that tells of these vacancies.
fn amiss<'l>(letter: &'l Letter, topics: &BTreeMap<String, Topic>) -> impl Iterator<Item = String> + 'l {
    let mut found = Vec::new();
    if !letter.reasons.keys().eq(topics.keys()) {
        found.push("tells of other vacancies".to_owned());
    }
    for (reference, Topic { names, .. }) in topics {
        let why = letter.reasons.get(reference).map_or("", String::as_str);
        let said = names.iter().all(|name| why.contains(&format!("\"{name}\"")));
        if !said || why.matches('"').count() != 2 * names.len() {
            found.push(format!("gives other reasons for {reference}"));
        }
    }
    found.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RIGHT: &str = r#"your searches "one" and "two""#;

    fn letter(to: &str, why: &str) -> Letter {
        Letter {
            number: 1,
            to: format!("{to}@example.org"),
            kind: "vacancy-alert".to_owned(),
            reasons: BTreeMap::from([("A1".to_owned(), why.to_owned())]),
            ..Letter::default()
        }
    }

    fn problems(letters: &[Letter]) -> Vec<String> {
        let taxonomy = Taxonomy::shipped();
        let line = |name: &str| {
            let consent = r#"{"wordingVersion":"1","at":"2024-01-01T00:00:00Z","source":"page"}"#;
            let person = format!(r#"{{"email":"{name}@example.org","consent":{consent}}}"#);
            let rhythm = crate::people::rhythm().expect("the schedules are good");
            Person::read(&person, &taxonomy, &rhythm).expect("is a person")
        };
        let people = [line("ann"), line("ben")];
        let mut expected = Expected::new(&people, &taxonomy).expect("the schedules are good");
        let names = vec!["one".to_owned(), "two".to_owned()];
        let topic = Topic { opening: 1, truth: crate::news::tests::truth(), at: DateTime::UNIX_EPOCH, names };
        let topics = BTreeMap::from([("A1".to_owned(), topic)]);
        let owed = Owed { person: 0, kind: "vacancy-alert", answers: None, topics };
        expected.hold_against(vec![owed], letters);
        expected.problems().to_vec()
    }

    #[test]
    fn the_right_mail_is_no_problem_and_every_other_is() {
        let right = letter("ann", RIGHT);
        assert_eq!(problems(std::slice::from_ref(&right)), [""; 0]);
        assert_eq!(problems(&[]), ["ann@example.org got no vacancy-alert"]);
        let twice = "mail 1 (vacancy-alert) to ann@example.org must not have left";
        assert_eq!(problems(&[right.clone(), right.clone()]), [twice]);
        for why in [r#"your search "one""#, r#"your searches "one", "two" and "three""#] {
            assert_eq!(problems(&[letter("ann", why)]), ["mail 1 gives other reasons for A1"]);
        }
        let missing = "ann@example.org got no vacancy-alert";
        let astray = |to: &str, kind: &str| format!("mail 1 ({kind}) to {to}@example.org must not have left");
        assert_eq!(problems(&[letter("ben", RIGHT)]), [missing, &astray("ben", "vacancy-alert")]);
        let correction = Letter { kind: "correction".to_owned(), ..right.clone() };
        assert_eq!(problems(&[correction]), [missing, &astray("ann", "correction")]);
        let answer = Letter { answers: Some("first@midshire.example".to_owned()), ..right };
        assert_eq!(problems(&[answer]), [missing, &astray("ann", "vacancy-alert")]);
    }
}
