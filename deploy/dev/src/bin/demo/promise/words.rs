//! What is to be heard in the second act.

use super::reckoning::{Cycle, Knows, Outcome, Word};
use super::registrants::{DHEP, PCDA};

/// What people are owed, in order: the first two open together, the third is the second once more.
pub(super) const CYCLES: [Cycle; 3] = [
    Cycle { programme: DHEP, number: 1, closes: "Tuesday 19 March 2024" },
    Cycle { programme: PCDA, number: 1, closes: "Tuesday 12 March 2024" },
    Cycle { programme: PCDA, number: 2, closes: "Saturday 9 March 2024" },
];

/// The date, to everybody who waits.
pub(super) const DATE: Word = Word {
    kind: "opening-date",
    cycles: &[0, 1],
    knew: Knows::Nothing,
    knows: Knows::Date,
    outcome: None,
    follows_up: false,
    asked: false,
    says: &["10am on Monday 4 March 2024"],
};
/// It is another date.
pub(super) const OTHER_DATE: Word = Word {
    kind: "correction",
    knew: Knows::Date,
    follows_up: true,
    says: &["10am on Monday 4 March 2024", "10am on Tuesday 5 March 2024"],
    ..DATE
};
/// To who registers after that, there is only one date.
pub(super) const DATE_FOR_THE_LATECOMER: Word = Word { says: &["10am on Tuesday 5 March 2024"], ..DATE };
/// Both are open.
pub(super) const OPEN: Word = Word {
    kind: "open-now",
    cycles: &[0, 1],
    knew: Knows::Date,
    knows: Knows::Open,
    outcome: Some(Outcome::Kept),
    follows_up: false,
    asked: false,
    says: &[],
};
/// One of them shut before it was to.
pub(super) const CLOSED_EARLY: Word = Word {
    kind: "closed-early",
    cycles: &[1],
    knew: Knows::Open,
    knows: Knows::Shut,
    outcome: None,
    follows_up: true,
    asked: false,
    says: &["5:30pm on Wednesday 6 March 2024", "12 March"],
};
/// The same to who was not told that it was open.
pub(super) const MISSED: Word = Word {
    kind: "missed",
    cycles: &[1],
    knew: Knows::Date,
    knows: Knows::Shut,
    outcome: Some(Outcome::Explained),
    follows_up: false,
    asked: false,
    says: &["5:30pm on Wednesday 6 March 2024", "We are sorry"],
};
/// It is open once more.
pub(super) const OPEN_AGAIN: Word = Word { cycles: &[2], knew: Knows::Nothing, ..OPEN };
/// The same with too little time left.
pub(super) const OPEN_STILL: Word = Word { outcome: Some(Outcome::KeptLate), ..OPEN_AGAIN };
/// A route closes in a day.
pub(super) const REMINDER: Word = Word {
    kind: "closing-soon",
    cycles: &[0],
    knew: Knows::Open,
    outcome: None,
    asked: true,
    says: &["noon tomorrow, Tuesday 19 March 2024", "You asked to be reminded"],
    ..OPEN
};
