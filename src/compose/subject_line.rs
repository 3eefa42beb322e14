//! A subject that fits: the fact is kept, the title gives way.

use crate::compose::kind::MailKind;
use crate::compose::tongue::Tongue;
use crate::domain::text::{one_line, shorten};

/// A subject has fewer characters than this, so that a phone shows all of it.
const BELOW: usize = 60;
/// And at most so many octets.
const OCTETS: usize = 78;

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
    pub(super) fn fitted(&self, tongue: &dyn Tongue, test: bool, discreet: bool, kind: MailKind) -> String {
        let test = if test { tongue.test_mark() } else { "" };
        if discreet {
            return format!("{test}{}", tongue.discreet_subject(kind == MailKind::Correction));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::english::English;

    #[test]
    fn the_fact_is_kept_and_the_title_gives_way() {
        let line = |before: &str, what: &str, detail: &str, after: &str| {
            let line = SubjectLine {
                before: before.to_owned(),
                what: what.to_owned(),
                detail: detail.to_owned(),
                after: after.to_owned(),
            };
            line.fitted(&English, false, false, MailKind::OpenNow)
        };
        let long = "Degree-holder entry to the force for people of every age and place";
        for (before, what, detail, after, subject) in [
            (
                "Now open: ",
                "Degree-holder entry",
                "",
                ", until 19 March",
                "Now open: Degree-holder entry, until 19 March",
            ),
            (
                "Now open: ",
                long,
                "",
                ", until 19 March",
                "Now open: Degree-holder entry to the force…, until 19 March",
            ),
            (
                "",
                long,
                "",
                " opens Tuesday 5 March, 10am",
                "Degree-holder entry to the… opens Tuesday 5 March, 10am",
            ),
            (
                "Moved to 24 February: ",
                "Discovery day",
                " in the Old Library of Wolverhampton",
                "",
                "Moved to 24 February: Discovery day",
            ),
            ("Withdrawn: ", "a\r\nBcc: b", "", "", "Withdrawn: a Bcc: b"),
        ] {
            assert_eq!(line(before, what, detail, after), subject);
        }
        let endless = line(&"fact ".repeat(30), "title", "", "");
        assert!(endless.chars().count() < BELOW, "{endless}");
    }
}
