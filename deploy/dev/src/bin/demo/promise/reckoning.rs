//! Who must hear what, and what becomes of each promise: worked out from people and events alone.

use std::collections::{BTreeMap, BTreeSet};

use super::registrants::{Gone, Registrant};
use crate::letters::Letter;
use jobalerts_dev::promises::Ledger;

/// What the subject of a discreet mail must not say.
const TELLING: [&str; 7] = ["police", "constable", "officer", "recruit", "vacanc", "route", "apprentice"];

/// One opening of a route.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cycle {
    /// The route.
    pub(super) programme: &'static str,
    /// Which opening of it.
    pub(super) number: u64,
    /// The day on which it is to close, as a mail says it.
    pub(super) closes: &'static str,
}

/// What a person knows of a cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Knows {
    Nothing,
    Date,
    Open,
    Shut,
}

/// What became of a promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nothing yet.
    Owed,
    Kept,
    KeptLate,
    /// The door shut first, and they have heard so.
    Explained,
    Released,
}

/// One person and one cycle.
#[derive(Debug)]
struct Promise {
    knows: Knows,
    /// They heard the date before it opened.
    date_told: bool,
    /// The mail in which they heard last.
    mail: String,
    outcome: Outcome,
}

/// What those hear at a moment who know so much.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word {
    /// The kind of mail.
    pub(super) kind: &'static str,
    /// The cycles that it is about: those that open together are told together.
    pub(super) cycles: &'static [usize],
    /// Who is meant.
    pub(super) knew: Knows,
    /// What they know after it.
    pub(super) knows: Knows,
    /// What becomes of the promise by it, if anything does.
    pub(super) outcome: Option<Outcome>,
    /// It stands in the thread of the mail that it puts right.
    pub(super) follows_up: bool,
    /// Only those hear it who asked to be reminded.
    pub(super) asked: bool,
    /// What it must say.
    pub(super) says: &'static [&'static str],
}

/// A mail that must come.
#[derive(Debug)]
struct Owed {
    person: usize,
    word: Word,
    cycles: BTreeSet<usize>,
    answers: Option<String>,
}

/// All people, and what is owed to them.
pub(super) struct Reckoning {
    people: Vec<Registrant>,
    gone: BTreeSet<usize>,
    cycles: &'static [Cycle],
    shut: BTreeSet<usize>,
    promises: BTreeMap<(usize, usize), Promise>,
    /// The domain whose mail server takes nothing.
    outage: Option<&'static str>,
    problems: Vec<String>,
}

impl Reckoning {
    pub(super) fn new(people: Vec<Registrant>, cycles: &'static [Cycle]) -> Self {
        Self {
            people,
            gone: BTreeSet::new(),
            cycles,
            shut: BTreeSet::new(),
            promises: BTreeMap::new(),
            outage: None,
            problems: Vec::new(),
        }
    }

    pub(super) fn people(&self) -> &[Registrant] {
        &self.people
    }

    /// Who asked that nothing at first sight tells what a mail is about.
    pub(super) fn discreet(&self) -> &str {
        self.people.iter().find(|person| person.discreet).map_or("", |person| &person.address)
    }

    /// Somebody else registers.
    pub(super) fn joins(&mut self, person: Registrant) {
        self.people.push(person);
    }

    /// Those who were to go are gone.
    pub(super) fn they_go(&mut self) {
        self.gone = (0..self.people.len()).filter(|index| self.people[*index].goes.is_some()).collect();
    }

    /// The mail server of a domain takes nothing; or all take mails again.
    pub(super) fn outage(&mut self, domain: Option<&'static str>) {
        self.outage = domain;
    }

    /// A cycle has a date or is open: something is owed to everybody who is registered for it.
    pub(super) fn is_known(&mut self, cycle: usize) {
        for (index, person) in self.people.iter().enumerate() {
            let unregistered = self.gone.contains(&index) && person.goes == Some(Gone::Unregistered);
            if person.waits_for(self.cycles[cycle].programme) && !unregistered {
                let outcome = if person.from_july { Outcome::Released } else { Outcome::Owed };
                self.promises.entry((index, cycle)).or_insert(Promise {
                    knows: Knows::Nothing,
                    date_told: false,
                    mail: String::new(),
                    outcome,
                });
            }
        }
    }

    /// The door of a cycle is shut.
    pub(super) fn shuts(&mut self, cycle: usize) {
        self.shut.insert(cycle);
    }

    /// It was the turn of those who are gone: nothing is owed to them any more.
    pub(super) fn release_the_gone(&mut self, cycles: &[usize]) {
        for ((index, cycle), promise) in &mut self.promises {
            if self.gone.contains(index) && cycles.contains(cycle) && promise.outcome == Outcome::Owed {
                promise.outcome = Outcome::Released;
            }
        }
    }

    /// Holds the mails that came against what is owed at this moment, and takes note of what people know by them.
    pub(super) fn hold_against(&mut self, words: &[Word], letters: &[Letter]) {
        let mut unread: BTreeMap<&str, Vec<&Letter>> = BTreeMap::new();
        for letter in letters {
            unread.entry(&letter.to).or_default().push(letter);
        }
        let all: Vec<Owed> = words.iter().flat_map(|word| self.owed(word)).collect();
        for owed in all {
            let address = &self.people[owed.person].address;
            let mut none = Vec::new();
            let mine = unread.get_mut(address.as_str()).unwrap_or(&mut none);
            let Some(place) = mine.iter().position(|letter| letter.kind == owed.word.kind) else {
                self.problems.push(format!("{address} got no {}", owed.word.kind));
                continue;
            };
            let letter = mine.remove(place);
            let amiss = self.amiss(&owed, letter);
            self.problems.extend(amiss.into_iter().map(|what| format!("mail {} {what}", letter.number)));
            for cycle in owed.cycles {
                let Some(promise) = self.promises.get_mut(&(owed.person, cycle)) else { continue };
                promise.knows = owed.word.knows;
                promise.date_told |= owed.word.knows == Knows::Date;
                promise.mail.clone_from(&letter.id);
                promise.outcome = owed.word.outcome.unwrap_or(promise.outcome);
            }
        }
        for Letter { number, kind, to, .. } in unread.into_values().flatten() {
            self.problems.push(format!("mail {number} ({kind}) to {to} must not have left"));
        }
    }

    /// The mails that a word makes: one for each person, or for each thread of a person.
    fn owed(&self, word: &Word) -> Vec<Owed> {
        let mut mails: BTreeMap<(usize, Option<String>), BTreeSet<usize>> = BTreeMap::new();
        for (&(index, cycle), promise) in &self.promises {
            let hears = word.cycles.contains(&cycle)
                && promise.knows == word.knew
                && (!word.asked || self.people[index].reminded)
                && promise.outcome != Outcome::Released
                && !self.gone.contains(&index)
                && self.outage.is_none_or(|domain| !self.people[index].address.ends_with(domain));
            if hears {
                let answers = word.follows_up.then(|| promise.mail.clone());
                mails.entry((index, answers)).or_default().insert(cycle);
            }
        }
        mails
            .into_iter()
            .map(|((person, answers), cycles)| Owed { person, word: *word, cycles, answers })
            .collect()
    }

    fn amiss(&self, owed: &Owed, letter: &Letter) -> Vec<String> {
        let mut found = Vec::new();
        let cycles: Vec<Cycle> = owed.cycles.iter().map(|cycle| self.cycles[*cycle]).collect();
        let routes: BTreeSet<&str> = cycles.iter().map(|cycle| cycle.programme).collect();
        if !letter.routes.iter().map(String::as_str).eq(routes) {
            found.push(format!("tells of the routes {:?}", letter.routes));
        }
        if letter.answers != owed.answers {
            found.push(format!("answers {:?} in place of {:?}", letter.answers, owed.answers));
        }
        let closings = cycles.iter().map(|cycle| cycle.closes).filter(|_| owed.word.knows != Knows::Shut);
        for text in closings.chain(owed.word.says.iter().copied()) {
            if !letter.text.contains(text) {
                found.push(format!("does not say {text:?}"));
            }
        }
        let subject = letter.subject.to_lowercase();
        if self.people[owed.person].discreet && TELLING.iter().any(|word| subject.contains(word)) {
            found.push(format!("is to be discreet, and its subject is {subject:?}"));
        }
        found
    }

    /// What must stand in the ledger.
    fn ledger(&self) -> Ledger {
        let mut ledger = Ledger::new();
        for ((_, cycle), promise) in &self.promises {
            let Cycle { programme, number, .. } = self.cycles[*cycle];
            let entry = ledger.entry(format!("programme/{programme}/{number}")).or_default();
            let place = match promise.outcome {
                Outcome::Owed if self.shut.contains(cycle) => 3,
                Outcome::Owed => 0,
                Outcome::Kept => 1,
                Outcome::KeptLate => 2,
                Outcome::Explained => 4,
                Outcome::Released => 5,
            };
            entry.promises += 1;
            entry.outcomes[place] += 1;
            entry.date_told += u64::from(promise.date_told);
        }
        ledger
    }

    /// Holds what the program says of the ledger against what must stand there.
    pub(super) fn hold_ledger(&mut self, said: &Ledger) {
        let right = self.ledger();
        if *said != right {
            self.problems.push(format!("the ledger says {said:?} in place of {right:?}"));
        }
        for (cycle, entry) in said.iter().filter(|(_, entry)| !entry.adds_up()) {
            self.problems.push(format!("the six outcomes of {cycle} do not add up: {entry:?}"));
        }
    }

    /// What is not as it should be.
    pub(super) fn problems(self) -> Vec<String> {
        self.problems
    }
}

#[cfg(test)]
mod tests {
    use super::super::registrants::latecomer;
    use super::super::words::{CLOSED_EARLY, CYCLES, DATE, OPEN};
    use super::*;

    const ZOE: &str = "zoe.late@example.org";

    fn zoe() -> Reckoning {
        let mut reckoning = Reckoning::new(vec![latecomer()], &CYCLES);
        reckoning.is_known(0);
        reckoning.is_known(1);
        reckoning
    }

    fn letter(word: &Word, routes: &[&str]) -> Letter {
        let says = word.says.iter().copied().chain(CYCLES.iter().map(|cycle| cycle.closes));
        Letter {
            number: 1,
            to: ZOE.to_owned(),
            kind: word.kind.to_owned(),
            id: "first@midshire.example".to_owned(),
            routes: routes.iter().map(|route| (*route).to_owned()).collect(),
            text: says.collect::<Vec<_>>().join(" "),
            ..Letter::default()
        }
    }

    fn held(words: &[Word], letters: &[Letter]) -> Vec<String> {
        let mut reckoning = zoe();
        reckoning.hold_against(words, letters);
        reckoning.problems()
    }

    #[test]
    fn both_routes_are_one_mail_and_everything_else_is_wrong() {
        let right = letter(&DATE, &["pc-dhep", "pc-pcda"]);
        assert_eq!(held(&[DATE], std::slice::from_ref(&right)), [""; 0]);
        assert_eq!(held(&[DATE], &[]), [format!("{ZOE} got no opening-date")]);
        let second = format!("mail 1 (opening-date) to {ZOE} must not have left");
        assert_eq!(held(&[], std::slice::from_ref(&right)), [second.as_str()]);
        assert_eq!(held(&[DATE], &[right.clone(), right.clone()]), [second]);
        let half = letter(&DATE, &["pc-dhep"]);
        assert_eq!(held(&[DATE], &[half]), [r#"mail 1 tells of the routes {"pc-dhep"}"#]);
        let silent = Letter { text: CYCLES[0].closes.to_owned(), ..right.clone() };
        assert_eq!(held(&[DATE], &[silent]).len(), 2);
        let answer = Letter { answers: Some("other@midshire.example".to_owned()), ..right };
        assert_eq!(held(&[DATE], &[answer]).len(), 1);
    }

    #[test]
    fn what_puts_right_answers_the_mail_that_was_wrong() {
        let both = ["pc-dhep", "pc-pcda"];
        let shut = |answers: Option<&str>| {
            let mut reckoning = zoe();
            reckoning.hold_against(&[DATE], &[letter(&DATE, &both)]);
            reckoning.hold_against(&[OPEN], &[letter(&OPEN, &both)]);
            let answers = answers.map(ToOwned::to_owned);
            let closed = Letter { answers, ..letter(&CLOSED_EARLY, &["pc-pcda"]) };
            reckoning.hold_against(&[CLOSED_EARLY], &[closed]);
            reckoning
        };
        assert_eq!(shut(None).problems().len(), 1);
        let mut right = shut(Some("first@midshire.example"));
        let ledger = right.ledger();
        assert_eq!(ledger["programme/pc-pcda/1"].outcomes, [0, 1, 0, 0, 0, 0]);
        right.hold_ledger(&ledger);
        assert_eq!(right.problems(), [""; 0]);
        let mut right = zoe();
        right.hold_ledger(&ledger);
        assert_eq!(right.problems().len(), 1);
    }
}
