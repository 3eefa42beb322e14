//! The mails that came, read the way their reader does.

use std::collections::BTreeMap;

use jobalerts_dev::inbox::Entry;

const WHY: &str = "Why you got this: it matches ";

/// What a mail says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Letter {
    /// The number its files begin with.
    pub(crate) number: usize,
    /// To whom.
    pub(crate) to: String,
    /// The subject.
    pub(crate) subject: String,
    /// Per reference, the sentence that says why the reader got it.
    pub(crate) reasons: BTreeMap<String, String>,
}

impl Letter {
    /// Reads one.
    pub(crate) fn read(entry: &Entry) -> Self {
        Self {
            number: entry.number,
            to: entry.to.join(", "),
            subject: entry.subject.clone(),
            reasons: reasons(&entry.mail.text().unwrap_or_default()),
        }
    }
}

/// Each vacancy says its reference, and after it why the reader is told.
fn reasons(text: &str) -> BTreeMap<String, String> {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut reasons = BTreeMap::new();
    for part in words.split("Reference: ").skip(1) {
        let reference = part.split(' ').next().unwrap_or_default();
        let why = part.split_once(WHY).map_or("", |(_, why)| why);
        let end = why.find("\".").map_or(why.len(), |quote| quote + 1);
        reasons.insert(reference.to_owned(), why[..end].to_owned());
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::reasons;

    #[test]
    fn each_vacancy_has_its_own_reasons() {
        let text = "1. Clerk\n\nReference: A1\n\nWhy you got this: it matches your search \"a. b\".\n\nRead it\n\n\
                    2. Cook\n\nReference: B2\n\nWhy you got this: it matches your searches \"c\" and\n\"d\".\n";
        let reasons = reasons(text);
        assert_eq!(reasons["A1"], "your search \"a. b\"");
        assert_eq!(reasons["B2"], "your searches \"c\" and \"d\"");
    }
}
