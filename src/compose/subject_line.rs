//! A subject that fits: the fact is kept, the title gives way.

use crate::compose::kind::MailKind;
use crate::domain::text::{one_line, shorten};

/// A subject has fewer characters than this, so that a phone shows all of it.
const BELOW: usize = 60;
/// And at most so many octets.
const OCTETS: usize = 78;
/// What a discreet mail is called.
const DISCREET: &str = "An update you asked for";

/// A subject in its parts, in this order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct SubjectLine {
    /// Kept.
    pub(super) before: String,
    /// What it is about; shortened as a last resort.
    pub(super) what: String,
    /// Left out if there is no room.
    pub(super) detail: String,
    /// Kept.
    pub(super) after: String,
}

impl SubjectLine {
    /// A subject that is all fact.
    pub(super) fn fact(fact: String) -> Self {
        Self { before: fact, ..Self::default() }
    }

    /// A subject that says a fact of something: `Now open: Degree-holder entry`.
    pub(super) fn of(before: &str, what: String) -> Self {
        Self { before: before.to_owned(), what, ..Self::default() }
    }

    /// As much of the line as there is room for; nothing of it, if the mail is to be discreet.
    pub(super) fn fitted(&self, test: bool, discreet: bool, kind: MailKind) -> String {
        let test = if test { "[TEST] " } else { "" };
        if discreet {
            return match kind {
                MailKind::Correction => format!("{test}Correction: an update you asked for"),
                _ => format!("{test}{DISCREET}"),
            };
        }
        let Self { before, what, detail, after } = self;
        let with = |what: &str, detail: &str| one_line(&format!("{test}{before}{what}{detail}{after}"));
        let fits = |subject: &String| subject.chars().count() < BELOW && subject.len() <= OCTETS;
        if let Some(subject) = [with(what, detail), with(what, "")].into_iter().find(fits) {
            return subject;
        }
        let longest = what.chars().count().min(BELOW);
        let shorter = (1..longest).rev().map(|room| with(&shorten(what, room), ""));
        shorter.into_iter().find(fits).unwrap_or_else(|| shorten(&with("", ""), BELOW - 1))
    }
}
