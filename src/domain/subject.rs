//! What an event is about.

use std::fmt;
use std::str::FromStr;

/// What kind of thing opens and closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// One advert with a requisition number.
    Vacancy,
    /// A way in that opens and closes again and again.
    Programme,
    /// A recruitment event, such as a discovery day.
    EventDay,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Vacancy, Self::Programme, Self::EventDay];

    /// The first part of a subject, and of an event's type.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vacancy => "vacancy",
            Self::Programme => "programme",
            Self::EventDay => "event",
        }
    }
}

/// What an event is about, as the tables know it: `vacancy/230000P0`,
/// `programme/pc-dhep`, `event/discovery-day-2024-02`. What test events are
/// about has a subject of its own, `test-vacancy/...`, and never meets the real
/// ones.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subject {
    /// What kind of thing it is.
    pub kind: Kind,
    /// A requisition number in upper case, or a slug in lower case.
    pub reference: String,
    /// Known only from test events.
    pub test: bool,
}

const TEST: &str = "test-";

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let test = if self.test { TEST } else { "" };
        write!(f, "{test}{}/{}", self.kind.name(), self.reference)
    }
}

/// It is not a subject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected vacancy/REFERENCE, programme/SLUG or event/SLUG")]
pub struct NoSubject;

impl FromStr for Subject {
    type Err = NoSubject;

    fn from_str(written: &str) -> Result<Self, NoSubject> {
        let (kind, reference) = written.split_once('/').ok_or(NoSubject)?;
        let (test, name) = kind.strip_prefix(TEST).map_or((false, kind), |name| (true, name));
        let kind = Kind::ALL.into_iter().find(|known| known.name() == name).ok_or(NoSubject)?;
        if reference.is_empty() {
            return Err(NoSubject);
        }
        let reference = match kind {
            Kind::Vacancy => reference.to_uppercase(),
            Kind::Programme | Kind::EventDay => reference.to_lowercase(),
        };
        Ok(Self { kind, reference, test })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_as_it_is_written() {
        for text in ["vacancy/230000P0", "programme/pc-dhep", "event/day-1", "test-programme/pc-dhep"] {
            assert_eq!(text.parse::<Subject>().unwrap().to_string(), text);
        }
        assert_eq!("vacancy/230000p0".parse::<Subject>().unwrap().to_string(), "vacancy/230000P0");
        for text in ["vacancy", "vacancy/", "person/1", ""] {
            assert_eq!(text.parse::<Subject>(), Err(NoSubject), "{text}");
        }
    }
}
