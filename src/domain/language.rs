//! The languages that mails are written in.

use std::fmt;
use std::str::FromStr;

use crate::domain::suggest::nearest;

/// A language. Who has not chosen one reads English.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Language {
    /// English.
    #[default]
    EnGb,
    /// Welsh.
    CyGb,
}

/// A language that the program does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown; {0}")]
pub struct UnknownLanguage(String);

impl Language {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::EnGb, Self::CyGb];

    /// Its tag (BCP 47), as in `lang` and in the names of templates.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::EnGb => "en-GB",
            Self::CyGb => "cy-GB",
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.tag())
    }
}

impl FromStr for Language {
    type Err = UnknownLanguage;

    fn from_str(tag: &str) -> Result<Self, UnknownLanguage> {
        Self::ALL
            .into_iter()
            .find(|language| language.tag().eq_ignore_ascii_case(tag.trim()))
            .ok_or_else(|| UnknownLanguage(nearest(tag, Self::ALL.map(Self::tag))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_known_by_its_tag() {
        assert_eq!("cy-gb".parse(), Ok(Language::CyGb));
        for language in Language::ALL {
            assert_eq!(language.to_string().parse(), Ok(language));
        }
        let unknown = |tag: &str| tag.parse::<Language>().unwrap_err().to_string();
        assert_eq!(unknown("cy-BG"), "unknown; did you mean cy-GB?");
        assert_eq!(unknown("deutsch"), "unknown; known are en-GB, cy-GB");
    }
}
