//! What happened at a step of the second act, as people read it.

use std::collections::BTreeMap;

use crate::account::{self, counted, paragraph, row};
use crate::letters::Letter;
use jobalerts_dev::promises::{Ledger, OUTCOMES};

/// What time it is, and what happens.
pub(super) fn step(at: &str, text: &str) -> anyhow::Result<()> {
    account::step(at.parse()?, text);
    Ok(())
}

/// How many mails left of which kind, with examples of each: one to anybody, and the one to the person who asked for
/// discretion.
pub(super) fn tell_letters(letters: &[Letter], discreet: &str) {
    let mut kinds: BTreeMap<&str, Vec<&Letter>> = BTreeMap::new();
    for letter in letters {
        kinds.entry(&letter.kind).or_default().push(letter);
    }
    if kinds.is_empty() {
        paragraph(4, "No mail left.");
    }
    for (kind, letters) in kinds {
        let both = |letter: &&&Letter| letter.routes.len() > 1;
        let of_both = match (letters.iter().filter(both).count(), letters.len()) {
            (0, _) => String::new(),
            (several, all) if several == all => ", about both routes".to_owned(),
            (several, _) => format!(", {several} of them about both routes"),
        };
        paragraph(4, &format!("{} left: {kind}{of_both}. For example:", counted(letters.len(), "mail")));
        let one = letters.iter().find(both).or(letters.first());
        let other = letters.iter().find(|letter| letter.to == discreet);
        for Letter { number, to, subject, answers, .. } in one.into_iter().chain(other) {
            let answers =
                if answers.is_some() { " (in the thread of the mail that it puts right)" } else { "" };
            row(6, &[&format!("{number:04}"), to, &format!("{subject}{answers}")], &[4, 24]);
        }
    }
}

/// The promises of those cycles of which some have another outcome than before.
pub(super) fn tell_ledger(before: &Ledger, now: &Ledger) {
    for (cycle, entry) in now.iter().filter(|(cycle, entry)| before.get(*cycle) != Some(*entry)) {
        let outcomes = entry.outcomes.iter().zip(OUTCOMES).filter(|(count, _)| **count > 0);
        let outcomes: Vec<String> = outcomes.map(|(count, (_, name))| format!("{count} {name}")).collect();
        row(4, &[cycle, &format!("{} promises: {}", entry.promises, outcomes.join(", "))], &[20]);
    }
}
