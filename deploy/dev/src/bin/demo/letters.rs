//! The mails that came, read the way their reader does.

use std::collections::{BTreeMap, BTreeSet};

use jobalerts_dev::inbox::Entry;

/// After it, `matches` or, if it is over, `matched`.
const WHY: &str = "Why you got this: it match";
const ROUTE: &str = "Route: ";
const REFERENCE: &str = "Reference: ";
/// The kind that has parts.
pub(crate) const DIGEST: &str = "digest";
/// The parts of a digest, in the order in which they stand.
pub(crate) const PARTS: [&str; 4] = ["Closing soon", "New", "Changed", "Opened and closed"];

/// What a mail says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Letter {
    /// The number its files begin with.
    pub(crate) number: usize,
    /// To whom.
    pub(crate) to: String,
    /// The subject.
    pub(crate) subject: String,
    /// The kind that the program has on record.
    pub(crate) kind: String,
    /// Its Message-ID.
    pub(crate) id: String,
    /// The Message-ID of the mail that it answers, if it answers one.
    pub(crate) answers: Option<String>,
    /// Per reference of a vacancy, the sentence that says why the reader got it.
    pub(crate) reasons: BTreeMap<String, String>,
    /// All references of vacancies in their order, each with the part of the digest that it stands in.
    pub(crate) places: Vec<(String, &'static str)>,
    /// The slugs of the routes that it tells of.
    pub(crate) routes: BTreeSet<String>,
    /// Its text, in single spaces.
    pub(crate) text: String,
}

impl Letter {
    /// Reads one; `kinds` are those on record, by Message-ID.
    pub(crate) fn read(entry: &Entry, kinds: &BTreeMap<String, String>) -> Self {
        let written = entry.mail.text().unwrap_or_default();
        let text = written.split_whitespace().collect::<Vec<_>>().join(" ");
        let id = entry.message_id.clone().unwrap_or_default();
        let answers = entry.mail.header("In-Reply-To");
        let kind = kinds.get(&id).cloned().unwrap_or_default();
        Self {
            number: entry.number,
            to: entry.to.join(", "),
            subject: entry.subject.clone(),
            answers: answers.map(|id| id.trim().trim_matches(['<', '>']).to_owned()),
            reasons: reasons(&text),
            places: places(&written, kind == DIGEST),
            kind,
            routes: routes(&written),
            id,
            text,
        }
    }
}

/// Each vacancy says its reference, and after it why the reader is told.
fn reasons(text: &str) -> BTreeMap<String, String> {
    let mut reasons = BTreeMap::new();
    for part in text.split(REFERENCE).skip(1) {
        let reference = reference(part);
        let why = part.split_once(WHY).and_then(|(_, why)| why.split_once(' ')).map_or("", |(_, why)| why);
        let end = why.find("\".").map_or(why.len(), |quote| quote + 1);
        reasons.insert(reference.to_owned(), why[..end].to_owned());
    }
    reasons
}

/// Where each vacancy stands; mails that are no digests have no parts.
fn places(text: &str, has_parts: bool) -> Vec<(String, &'static str)> {
    let mut part = "";
    let mut places = Vec::new();
    for line in text.lines() {
        let heading = PARTS.into_iter().find(|heading| has_parts && *heading == line);
        part = heading.unwrap_or(part);
        places.extend(line.split(REFERENCE).skip(1).map(|after| (reference(after).to_owned(), part)));
    }
    places
}

/// The reference that a text begins with.
fn reference(text: &str) -> &str {
    text.split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default()
}

/// Each route says its slug in brackets.
fn routes(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| line.starts_with(ROUTE));
    let slugs = lines.filter_map(|line| line.trim_end().strip_suffix(')')?.rsplit_once('('));
    slugs.map(|(_, slug)| slug.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::{places, reasons, routes};

    #[test]
    fn each_vacancy_has_its_own_reasons() {
        let text = "1. Clerk Reference: A1 Why you got this: it matches your search \"a. b\". Read it \
                    2. Cook Reference: B2 Why you got this: it matched your searches \"c\" and \"d\".";
        let reasons = reasons(text);
        assert_eq!(reasons["A1"], "your search \"a. b\"");
        assert_eq!(reasons["B2"], "your searches \"c\" and \"d\"");
    }

    #[test]
    fn each_vacancy_stands_in_a_part() {
        let text = "Two roles\n\nNew\n\nClerk\nPlace: Here; Reference: A1; Not given: pay\n\nOpened and closed\n\nCook\nReference: B2\n";
        let is = |part: usize, reference: &str| (reference.to_owned(), super::PARTS[part]);
        assert_eq!(places(text, true), [is(1, "A1"), is(3, "B2")]);
        assert_eq!(places(text, false), [("A1".to_owned(), ""), ("B2".to_owned(), "")]);
    }

    #[test]
    fn each_route_has_its_slug() {
        let text = "Two routes\nRoute: Degree-holder entry (pc-dhep)\nRoute: A (b) c (pc-pcda)\nSlug (d)\n";
        assert!(routes(text).iter().eq(["pc-dhep", "pc-pcda"]));
    }
}
