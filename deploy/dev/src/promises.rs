//! The ledger of promises: what the program says of it, and what must stand there.

use std::collections::BTreeMap;

use serde_json::Value;

/// By cycle, as in `programme/pc-dhep/1`.
pub type Ledger = BTreeMap<String, Entry>;

/// The six, by their names in JSON and in words.
pub const OUTCOMES: [(&str, &str); 6] = [
    ("owed", "owed"),
    ("kept", "kept"),
    ("keptLate", "kept late"),
    ("broken", "broken"),
    ("explained", "explained"),
    ("released", "released"),
];

/// What stands there of one cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Entry {
    /// How many promises.
    pub promises: u64,
    /// How many of each of [`OUTCOMES`].
    pub outcomes: [u64; 6],
    /// How many people heard the date beforehand.
    pub date_told: u64,
}

impl Entry {
    /// Whether each promise has one outcome.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        self.outcomes.iter().sum::<u64>() == self.promises
    }
}

/// Reads what `jobalerts ledger --json` says.
#[must_use]
pub fn read(said: &Value) -> Ledger {
    let entry = |cycle: &Value| {
        // What is not there is no number that can be right.
        let number = |name: &str| cycle[name].as_u64().unwrap_or(u64::MAX);
        let name = format!("{}/{}", cycle["subject"].as_str().unwrap_or_default(), cycle["number"]);
        let outcomes = OUTCOMES.map(|(name, _)| number(name));
        (name, Entry { promises: number("promises"), outcomes, date_told: number("advanceTold") })
    };
    said["cycles"].as_array().into_iter().flatten().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_is_read_by_cycle_and_must_add_up() {
        let cycle = json!({
            "subject": "programme/pc-dhep", "number": 2, "promises": 4, "owed": 0, "kept": 2, "keptLate": 1,
            "broken": 0, "explained": 0, "released": 1, "advanceTold": 3,
        });
        let ledger = read(&json!({ "cycles": [cycle] }));
        let entry = Entry { promises: 4, outcomes: [0, 2, 1, 0, 0, 1], date_told: 3 };
        assert_eq!(ledger, Ledger::from([("programme/pc-dhep/2".to_owned(), entry)]));
        assert!(entry.adds_up());
        assert!(!Entry { promises: 5, ..entry }.adds_up());
    }
}
