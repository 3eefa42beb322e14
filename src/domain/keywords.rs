//! Whole-word matching that does not care for case, accents or English
//! endings: "Volunteers" finds "volunteer".
//!
//! A text becomes a run of stems between single spaces, ` custodi facil
//! volunt `, and a phrase becomes the same form, so that "contains the phrase"
//! is "contains the string", in Rust and in SQL alike.

use rust_stemmers::{Algorithm, Stemmer};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Stems that, alone, match nothing because they would match everything here.
const NEVER_ALONE: [&str; 1] = ["polic"];

/// A phrase that no text contains, because stems are letters and digits.
const NOWHERE: &str = "\u{1}";

/// A text as stems, ready to be searched.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stems(String);

impl Stems {
    /// The stems of several texts, such as a title and a description. No
    /// phrase reaches over the joint between two texts.
    #[must_use]
    pub fn of_all<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let stemmer = Stemmer::create(Algorithm::English);
        let mut stems = String::from(" ");
        for text in texts {
            for stem in stem_words(&stemmer, text) {
                stems.push_str(&stem);
                stems.push(' ');
            }
            stems.push_str("| ");
        }
        Self(stems)
    }

    /// Whether the phrase stands in the text, word for word.
    #[must_use]
    pub fn contain(&self, phrase: &Phrase) -> bool {
        self.0.contains(phrase.as_str())
    }

    /// The text as SQL searches it: stems between single spaces.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Each different stem, for the index.
    pub fn distinct(&self) -> impl Iterator<Item = &str> {
        self.0.split_ascii_whitespace().collect::<std::collections::BTreeSet<_>>().into_iter()
    }
}

/// One keyword of a search, of one or more words.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Phrase(String);

impl Phrase {
    /// The phrase in a keyword as a person wrote it.
    #[must_use]
    pub fn of(keyword: &str) -> Self {
        let stemmer = Stemmer::create(Algorithm::English);
        let stems: Vec<_> = stem_words(&stemmer, keyword).collect();
        let says_nothing = stems.iter().all(|stem| NEVER_ALONE.contains(&stem.as_str()));
        Self(if says_nothing { NOWHERE.to_owned() } else { format!(" {} ", stems.join(" ")) })
    }

    /// Whether the keyword says too little to be found anywhere, as "police"
    /// does.
    #[must_use]
    pub fn is_nowhere(&self) -> bool {
        self.0 == NOWHERE
    }

    /// The phrase as SQL searches for it: stems between single spaces, with a
    /// space at either end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The phrase for people: its stems.
    #[must_use]
    pub fn in_words(&self) -> &str {
        if self.is_nowhere() { "(a word that finds nothing)" } else { self.0.trim() }
    }

    /// The first stem, under which an index can know the phrase.
    #[must_use]
    pub fn first_stem(&self) -> &str {
        self.0.split_ascii_whitespace().next().unwrap_or(NOWHERE)
    }
}

fn stem_words<'a>(stemmer: &'a Stemmer, text: &'a str) -> impl Iterator<Item = String> + 'a {
    fold(text)
        .split(|c: char| !c.is_alphanumeric() && c != '\'')
        .map(|word| {
            let word = word.trim_matches('\'');
            word.strip_suffix("'s").unwrap_or(word).replace('\'', "")
        })
        .filter(|word| !word.is_empty())
        .map(|word| stemmer.stem(&word).into_owned())
        .filter(|stem| !stem.is_empty())
        .collect::<Vec<_>>()
        .into_iter()
}

/// Lower case without accents; typographic apostrophes become plain ones.
fn fold(text: &str) -> String {
    text.nfkd()
        .filter(|&c| !is_combining_mark(c))
        .map(|c| if matches!(c, '\u{2019}' | '\u{2018}') { '\'' } else { c })
        .flat_map(char::to_lowercase)
        .filter(|&c| !is_combining_mark(c))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(keyword: &str, text: &str) -> bool {
        Stems::of_all([text]).contain(&Phrase::of(keyword))
    }

    #[test]
    fn whole_words_whatever_case_accent_or_ending() {
        for (keyword, text, expected) in [
            ("custody", "Custody facility volunteer", true),
            ("volunteers", "Custody facility VOLUNTEER", true),
            ("detention", "Detention Officers", true),
            ("cafe", "Café manager", true),
            ("Café", "cafe manager", true),
            ("officer", "the officer's desk", true),
            ("officers", "the officers\u{2019} desk", true),
            ("part-time", "Part time cook", true),
            ("custody facility", "Custody facility volunteer", true),
            ("facility custody", "Custody facility volunteer", false),
            ("art", "Part time cook", false),
            ("cook", "cookery", false),
            ("police", "Police officer", false),
            ("police officer", "Detention officer", false),
            ("police officer", "Police officers", true),
            ("dog handler", "Police dog handlers", true),
            ("", "anything", false),
            ("--", "anything", false),
            ("999", "999 call handler", true),
        ] {
            assert_eq!(found(keyword, text), expected, "{keyword:?} in {text:?}");
        }
    }

    #[test]
    fn a_phrase_does_not_reach_from_title_into_description() {
        let stems = Stems::of_all(["Control", "room to grow"]);
        assert!(!stems.contain(&Phrase::of("control room")));
        assert!(stems.contain(&Phrase::of("room")));
    }

    proptest! {
        #[test]
        fn a_text_contains_each_of_its_words(text in "\\PC{0,80}") {
            let stems = Stems::of_all([text.as_str()]);
            for word in text.split_whitespace() {
                let phrase = Phrase::of(word);
                prop_assert!(phrase.is_nowhere() || stems.contain(&phrase), "{word:?}");
            }
        }
    }
}
