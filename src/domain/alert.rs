//! The comparison at the heart: what a person was last told, against what is
//! true now.

use chrono::{DateTime, Utc};

use crate::domain::opening::{Phase, Posting};

/// What is to be done about one alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// Tell the person that it is open.
    Open,
    /// Say nothing before this moment.
    Wait(DateTime<Utc>),
    /// Say nothing, because the person knows all there is to know.
    Nothing,
    /// Say nothing ever, for this reason.
    End(Reason),
}

/// Why an alert ends without a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The door shut before the word was due.
    Expired,
    /// No search of the person asks for it any more.
    NoLongerWanted,
    /// The person cannot be written to; why is in the table of people.
    Unreachable,
    /// It came of a test event, and the person is no tester.
    Test,
}

impl Reason {
    /// The name in the tables and in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::NoLongerWanted => "no-longer-wanted",
            Self::Unreachable => "unreachable",
            Self::Test => "test",
        }
    }
}

/// What bears on an alert at the moment of claiming.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// The truth.
    pub posting: &'a Posting,
    /// Whether the person was told of it before.
    pub told: bool,
    /// Whether a search of the person, as they are now, asks for it.
    pub wanted: bool,
    /// Whether the person may be written to.
    pub reachable: bool,
    /// Whether the person is one of the testers.
    pub tester: bool,
    /// The moment.
    pub now: DateTime<Utc>,
}

/// Decides what to say.
#[must_use]
pub fn next_word(situation: &Situation<'_>) -> Word {
    let Situation { posting, told, wanted, reachable, tester, now } = *situation;
    match posting.phase(now) {
        _ if posting.test && !tester => Word::End(Reason::Test),
        _ if !reachable => Word::End(Reason::Unreachable),
        _ if told => Word::Nothing,
        Phase::Closed | Phase::Withdrawn => Word::End(Reason::Expired),
        _ if !wanted => Word::End(Reason::NoLongerWanted),
        Phase::Scheduled => Word::Wait(posting.opens_at),
        Phase::Open => Word::Open,
    }
}
