//! What must happen, worked out from people and events without the program's tables: matching and delivery find their
//! people by SQL, this goes from person to person.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Duration, NaiveDate, Utc};
use jobalerts::domain::cadence::Cadence;
use jobalerts::domain::subscriber::{Person, Search};
use jobalerts::domain::taxonomy::Taxonomy;
use jobalerts::domain::terms::Terms;
use jobalerts::domain::truth::{Phase, Truth};
use jobalerts::store::openings::Kept;

use crate::letters::{DIGEST, Letter};
use crate::news::{News, Said, again, asking, is_worth_a_line, news, settled};
use crate::reasons::{Advert, Obstacle, obstacles};
use crate::turn::{How, Turn, chosen, day_of, digest, first, rests_until};

/// What shuts within this time closes soon.
const SOON: Duration = Duration::hours(72);
/// The most that one mail tells of.
const MOST: usize = 20;

/// The people, and what is owed to them.
pub(crate) struct Expected<'a> {
    people: &'a [Person],
    taxonomy: &'a Taxonomy,
    memory: BTreeMap<(usize, i64), Memory>,
    /// Who got a digest on which day.
    digests: BTreeSet<(usize, NaiveDate)>,
    letters: Vec<Letter>,
    problems: Vec<String>,
}

/// One person and one opening.
#[derive(Default)]
struct Memory {
    /// When and how they hear next, if they do.
    turn: Option<Turn>,
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
    /// When and how they hear.
    pub(crate) turn: Turn,
    /// The names of all their searches that ask for it.
    pub(crate) names: Vec<String>,
    /// What they chose that bears on it.
    pub(crate) chosen: Option<String>,
}

/// What a change means to people.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changed {
    /// How many were told of it before.
    pub(crate) told: usize,
    /// Of these, how many are to hear of the change, by when and how.
    pub(crate) again: BTreeMap<Turn, usize>,
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
    /// The part of the digest that it stands in.
    part: &'static str,
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
    pub(crate) fn new(people: &'a [Person], taxonomy: &'a Taxonomy) -> Self {
        let (memory, digests) = (BTreeMap::new(), BTreeSet::new());
        Self { people, taxonomy, memory, digests, letters: Vec::new(), problems: Vec::new() }
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
            let mut searches = Vec::new();
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
                    searches.push(search);
                    matched.unknown.extend(unknown(search).map(|slug| (address.clone(), slug)));
                }
            }
            if searches.is_empty() {
                continue;
            }
            if let Some(turn) = first(person, &searches, &kept.opening.truth, settled) {
                self.memory.entry((index, kept.id)).or_insert(Memory { turn: Some(turn), said: None });
                let names = searches.iter().map(|search| search.name.clone()).collect();
                matched.asking.push(Asking { address, turn, names, chosen: chosen(person, turn) });
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
                None => changed.waiting += usize::from(memory.turn.is_some()),
                Some(said) => {
                    changed.told += 1;
                    let truth = &kept.opening.truth;
                    let person = &self.people[index];
                    let asking = asking(person, Some(said), truth, self.taxonomy);
                    let news = news(&said.truth, truth, now);
                    memory.turn = news.and_then(|news| again(&news, person, &asking, said, truth, now));
                    if let Some(turn) = memory.turn {
                        *changed.again.entry(turn).or_default() += 1;
                    }
                }
            }
        }
        changed
    }

    /// How many people would hear of an opening like this at once.
    pub(crate) fn hearing_at_once(&self, kept: &Kept, now: DateTime<Utc>) -> usize {
        let truth = &kept.opening.truth;
        let at_once = |person: &&Person| {
            let asking = asking(person, None, truth, self.taxonomy);
            !asking.is_empty() && first(person, &asking, truth, now).is_some_and(|turn| turn.at == now)
        };
        self.people.iter().filter(at_once).count()
    }

    /// The next moment at which somebody is due.
    pub(crate) fn next(&self) -> Option<DateTime<Utc>> {
        self.memory.values().filter_map(|memory| Some(memory.turn?.at)).min()
    }

    /// The clock shows this: who is to hear of what, as things stand.
    pub(crate) fn due(&mut self, openings: &BTreeMap<i64, Kept>, now: DateTime<Utc>) -> Due {
        let mut due = Due::default();
        let mut owed: BTreeMap<(usize, &'static str, Option<String>), BTreeMap<String, Topic>> =
            BTreeMap::new();
        for (&(index, id), memory) in &mut self.memory {
            let Some(kept) = openings.get(&id) else { continue };
            let Some(turn) = memory.turn.filter(|turn| turn.at <= now) else { continue };
            let truth = &kept.opening.truth;
            let person = &self.people[index];
            let asking = asking(person, memory.said.as_ref(), truth, self.taxonomy);
            memory.turn = None;
            let (kind, part) = match &memory.said {
                None => match unheard(person, &asking, truth, turn, now) {
                    Unheard::Mail => ("vacancy-alert", ""),
                    Unheard::Digest(part) => (DIGEST, part),
                    Unheard::Later(turn) => {
                        memory.turn = Some(turn);
                        continue;
                    }
                    Unheard::Over => {
                        due.over.push((person.address.as_str().to_owned(), id));
                        continue;
                    }
                },
                Some(said) => match news(&said.truth, truth, now) {
                    Some(News::MovedLater) if turn.how.is_digest() => (DIGEST, "Changed"),
                    Some(news) => (news.kind(), ""),
                    None => continue,
                },
            };
            let answers = memory.said.as_ref().filter(|_| kind != DIGEST).map(|said| said.mail.clone());
            let names = asking.into_iter().map(|search| search.name.clone()).collect();
            let topic = Topic { opening: id, truth: truth.clone(), at: now, part, names };
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
            let day = topics.values().next().map(|topic| day_of(topic.at));
            if kind == DIGEST && day.is_some_and(|day| !self.digests.insert((person, day))) {
                self.problems.push(format!("{address} got a second digest on one day"));
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
        self.memory.values().filter(|memory| memory.turn.is_some()).count()
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

/// What somebody hears who has heard nothing of it, when their turn has come.
#[derive(Debug, PartialEq, Eq)]
enum Unheard {
    /// That it is open, in a mail of its own.
    Mail,
    /// A line in this part of the digest.
    Digest(&'static str),
    /// Nothing yet.
    Later(Turn),
    /// Nothing.
    Over,
}

fn unheard(person: &Person, asking: &[&Search], truth: &Truth, turn: Turn, now: DateTime<Utc>) -> Unheard {
    if truth.phase(now) == Phase::Open {
        let part = || part_of_the_new(person, asking, truth, now);
        return if turn.how.is_digest() { Unheard::Digest(part()) } else { Unheard::Mail };
    }
    if !has_missed(person, truth) {
        return Unheard::Over;
    }
    // Who was to hear at once hears of that with the next digest.
    let before_now = now - Duration::seconds(1);
    match digest(person, asking, settled(truth).max(before_now)) {
        Some(at) if at > now && !turn.how.is_digest() => Unheard::Later(Turn { at, how: How::Digest }),
        _ => Unheard::Digest("Opened and closed"),
    }
}

/// What shuts before the next digest, or within three days, closes soon.
fn part_of_the_new(person: &Person, asking: &[&Search], truth: &Truth, now: DateTime<Utc>) -> &'static str {
    let next = digest(person, asking, now).map_or(now + SOON, |next| next.max(now + SOON));
    if truth.facts.door_shuts_at().is_some_and(|shuts| shuts < next) { "Closing soon" } else { "New" }
}

/// Whether somebody who never heard that it was open hears that it is over.
fn has_missed(person: &Person, truth: &Truth) -> bool {
    let shut = [truth.shut_at, truth.facts.door_shuts_at()].into_iter().flatten().min();
    let rested = rests_until(person).zip(shut).is_some_and(|(rested, shut)| shut <= rested);
    is_worth_a_line(truth) && !rested
}

fn unknown(search: &Search) -> impl Iterator<Item = String> + '_ {
    search.criteria.unknown().iter().map(|(_, slug)| slug.clone())
}

/// What is wrong with a mail that tells of these vacancies.
fn amiss<'l>(letter: &'l Letter, topics: &BTreeMap<String, Topic>) -> impl Iterator<Item = String> + 'l {
    let mut found = Vec::new();
    let mut places: Vec<_> =
        letter.places.iter().map(|(reference, part)| (reference.as_str(), *part)).collect();
    places.sort_unstable();
    if !places.iter().map(|(reference, _)| *reference).eq(topics.keys().map(String::as_str)) {
        found.push("tells of other vacancies".to_owned());
    } else if !places.iter().map(|(_, part)| *part).eq(topics.values().map(|topic| topic.part)) {
        found.push(format!("has them in other parts: {places:?}"));
    }
    if places.len() > MOST {
        found.push(format!("tells of more than {MOST}"));
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
    use jobalerts::domain::truth::{CloseReason, State};

    use super::*;

    const RIGHT: &str = r#"your searches "one" and "two""#;

    fn letter(to: &str, why: &str) -> Letter {
        Letter {
            number: 1,
            to: format!("{to}@example.org"),
            kind: "vacancy-alert".to_owned(),
            reasons: BTreeMap::from([("A1".to_owned(), why.to_owned())]),
            places: vec![("A1".to_owned(), "")],
            ..Letter::default()
        }
    }

    fn problems(letters: &[Letter]) -> Vec<String> {
        problems_of("vacancy-alert", "", letters)
    }

    /// What is wrong if Ann is to hear of A1 in a mail of this kind, in this part of it.
    fn problems_of(kind: &'static str, part: &'static str, letters: &[Letter]) -> Vec<String> {
        let taxonomy = Taxonomy::shipped();
        let line = |name: &str| {
            let consent = r#"{"wordingVersion":"1","at":"2024-01-01T00:00:00Z","source":"page"}"#;
            let person = format!(r#"{{"email":"{name}@example.org","consent":{consent}}}"#);
            let rhythm = crate::people::rhythm().expect("the schedules are good");
            Person::read(&person, &taxonomy, &rhythm).expect("is a person")
        };
        let people = [line("ann"), line("ben")];
        let mut expected = Expected::new(&people, &taxonomy);
        let names = vec!["one".to_owned(), "two".to_owned()];
        let topic =
            Topic { opening: 1, truth: crate::news::tests::truth(), at: DateTime::UNIX_EPOCH, part, names };
        let topics = BTreeMap::from([("A1".to_owned(), topic)]);
        let owed = Owed { person: 0, kind, answers: None, topics };
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

    #[test]
    fn in_a_digest_everything_has_its_part_and_stands_there_once() {
        let digest = |parts: &[&'static str]| Letter {
            kind: DIGEST.to_owned(),
            places: parts.iter().map(|part| ("A1".to_owned(), *part)).collect(),
            ..letter("ann", RIGHT)
        };
        let problems = |letter| problems_of(DIGEST, "New", &[letter]);
        assert_eq!(problems(digest(&["New"])), [""; 0]);
        assert_eq!(
            problems(digest(&["Changed"])),
            [r#"mail 1 has them in other parts: [("A1", "Changed")]"#]
        );
        for wrong in [&["New", "New"][..], &["New", "Changed"], &[]] {
            assert_eq!(problems(digest(wrong)), ["mail 1 tells of other vacancies"]);
        }
        assert_eq!(problems(letter("ann", RIGHT)).len(), 2);
    }

    #[test]
    fn who_was_to_hear_at_once_and_did_not_finds_it_in_the_next_digest() {
        let at = |text: &str| -> DateTime<Utc> { text.parse().expect("is a moment") };
        let person = crate::turn::tests::person("immediate", r#","pause":{"until":"2024-03-04"}"#);
        let (asking, now) = ([&person.searches[0]], at("2024-03-04T10:00:00Z"));
        let shut = |shut_at, reason: Option<CloseReason>| Truth {
            state: State::Closed,
            shut_at: Some(at(shut_at)),
            close_reason: reason,
            ..crate::news::tests::truth()
        };
        let heard = |truth: &Truth, how, now| unheard(&person, &asking, truth, Turn { at: now, how }, now);
        let filled = shut("2024-03-04T09:50:00Z", Some(CloseReason::Filled));
        let tomorrow = Turn { at: at("2024-03-05T08:00:00Z"), how: How::Digest };
        assert_eq!(heard(&filled, How::AfterTheNight, now), Unheard::Later(tomorrow));
        assert_eq!(heard(&filled, How::Digest, tomorrow.at), Unheard::Digest("Opened and closed"));
        let quiet = shut("2024-03-04T09:50:00Z", Some(CloseReason::OnHold));
        assert_eq!(heard(&quiet, How::Digest, tomorrow.at), Unheard::Over);
        let while_paused = shut("2024-03-03T12:00:00Z", None);
        assert_eq!(heard(&while_paused, How::AfterThePause, now), Unheard::Over);
        assert_eq!(heard(&crate::news::tests::truth(), How::AtOnce, now), Unheard::Mail);
        assert_eq!(heard(&crate::news::tests::truth(), How::Digest, now), Unheard::Digest("New"));
    }
}
