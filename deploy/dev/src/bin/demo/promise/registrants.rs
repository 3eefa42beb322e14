//! Three hundred invented people who registered their interest in a route.

use serde_json::{Value, json};

/// The mail server at this domain takes nothing for a while, twice.
pub(crate) const FULL: &str = "@fen.example.org";
/// The route that all others are part of.
pub(crate) const ANY: &str = "pc-any";
/// Degree-holders.
pub(crate) const DHEP: &str = "pc-dhep";
/// Apprentices.
pub(crate) const PCDA: &str = "pc-pcda";

const FIRST: [&str; 20] = [
    "ada", "ben", "cara", "dev", "ella", "finn", "gina", "hugo", "ines", "jack", "kim", "liam", "mona",
    "noah", "olga", "paul", "rosa", "sam", "tess", "will",
];
const LAST: [&str; 15] = [
    "ash", "beck", "clay", "dale", "fern", "glen", "heath", "lake", "marsh", "moor", "reed", "rook", "shaw",
    "vale", "wood",
];

/// How somebody goes who is to be written to no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gone {
    /// They want no mails of any kind.
    Stopped,
    /// They take their registration back.
    Unregistered,
}

/// One of them.
#[derive(Debug, Clone)]
pub(crate) struct Registrant {
    /// The address.
    pub(crate) address: String,
    /// What they registered for.
    pub(crate) programmes: Vec<&'static str>,
    /// They want to hear nothing before July.
    pub(crate) from_july: bool,
    /// Nothing at first sight may tell what a mail is about.
    pub(crate) discreet: bool,
    /// They want to be reminded before the door shuts.
    pub(crate) reminded: bool,
    /// How they go while the route is closed, if they do.
    pub(crate) goes: Option<Gone>,
    /// When they registered.
    registered: &'static str,
}

impl Registrant {
    /// Whether a route is what they registered for, or a part of it.
    pub(crate) fn waits_for(&self, programme: &str) -> bool {
        self.programmes.iter().any(|mine| *mine == ANY || *mine == programme)
    }

    /// The line of an import.
    fn line(&self) -> String {
        let registrations: Vec<Value> = self
            .programmes
            .iter()
            .map(|programme| {
                let mut registration = json!({ "programme": programme });
                if self.from_july {
                    registration["notBefore"] = "2024-07".into();
                }
                if self.reminded {
                    registration["reminder"] = true.into();
                }
                registration
            })
            .collect();
        let consent = json!({ "wordingVersion": "2023-06", "at": self.registered, "source": "careers-site" });
        let person = json!({
            "email": self.address,
            "registrations": registrations,
            "discreetSubject": self.discreet,
            "consent": consent,
        });
        format!("{person}\n")
    }
}

/// All of them, the same every time.
pub(crate) fn all() -> Vec<Registrant> {
    (0..FIRST.len() * LAST.len()).map(registrant).collect()
}

/// One more, who registers when the date is known already.
pub(crate) fn latecomer() -> Registrant {
    Registrant {
        address: "zoe.late@example.org".to_owned(),
        programmes: vec![ANY],
        from_july: false,
        discreet: false,
        reminded: false,
        goes: None,
        registered: "2024-03-01T09:00:00Z",
    }
}

/// What is imported.
pub(crate) fn lines(people: &[Registrant]) -> String {
    people.iter().map(Registrant::line).collect()
}

fn registrant(number: usize) -> Registrant {
    let name = format!("{}.{}", FIRST[number / LAST.len()], LAST[number % LAST.len()]);
    let programmes = match number % 5 {
        0 | 1 => vec![DHEP],
        2 if number % 30 == 7 => vec![DHEP, PCDA],
        2 | 3 => vec![PCDA],
        _ => vec![ANY],
    };
    // So that nobody of the full mail server goes, or waits for July.
    let full = number % 35 == 3 && number % 23 != 6;
    let domain = if full { FULL } else { "@example.org" };
    Registrant {
        address: format!("{name}{domain}"),
        programmes,
        from_july: number % 23 == 6,
        discreet: number == 44,
        reminded: number % 13 == 5,
        goes: match (number % 47, number % 59) {
            (20, _) => Some(Gone::Stopped),
            (_, 11) => Some(Gone::Unregistered),
            _ => None,
        },
        registered: "2023-10-02T18:30:00Z",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn they_are_as_various_as_the_story_needs() {
        let people = all();
        let addresses: BTreeSet<&str> = people.iter().map(|person| person.address.as_str()).collect();
        assert_eq!(addresses.len(), 300);
        let count = |fits: &dyn Fn(&Registrant) -> bool| people.iter().filter(|person| fits(person)).count();
        for programme in [ANY, DHEP, PCDA] {
            assert!(count(&|person| person.programmes.contains(&programme)) >= 50, "{programme}");
        }
        assert_eq!(count(&|person| person.programmes.len() == 2), 10);
        assert_eq!(count(&|person| person.discreet && person.goes.is_none() && !person.from_july), 1);
        assert!(count(&|person| person.from_july) > 5);
        for programme in [ANY, DHEP, PCDA] {
            assert!(count(&|person| person.reminded && person.programmes == [programme]) > 2, "{programme}");
        }
        for gone in [Gone::Stopped, Gone::Unregistered] {
            assert!(count(&|person| person.goes == Some(gone) && !person.from_july) > 3, "{gone:?}");
        }
        let full = |person: &Registrant| person.address.ends_with(FULL);
        assert!(count(&full) > 5);
        assert_eq!(
            count(&|person| full(person) && (person.programmes != [PCDA] || person.goes.is_some())),
            0
        );
    }

    #[test]
    fn a_part_is_waited_for_with_the_whole() {
        let zoe = latecomer();
        assert!(zoe.waits_for(DHEP) && zoe.waits_for(PCDA));
        let apprentice = Registrant { programmes: vec![PCDA], ..zoe };
        assert!(apprentice.waits_for(PCDA) && !apprentice.waits_for(DHEP));
    }
}
