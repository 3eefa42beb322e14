//! The comparison at the heart: what a person was last told, against what is
//! true now.

use chrono::{DateTime, Utc};

use crate::domain::posting::{Phase, Posting};

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

/// Who a person is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// May not be written to.
    Unreachable,
    /// May be written to.
    Reachable,
    /// May be written to, also about test events.
    Tester,
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
    /// Who the person is to us.
    pub standing: Standing,
    /// The moment.
    pub now: DateTime<Utc>,
}

/// Decides what to say.
#[must_use]
pub fn next_word(situation: &Situation<'_>) -> Word {
    let Situation { posting, told, wanted, standing, now } = *situation;
    match posting.phase(now) {
        _ if standing == Standing::Unreachable => Word::End(Reason::Unreachable),
        _ if posting.test && standing != Standing::Tester => Word::End(Reason::Test),
        _ if told => Word::Nothing,
        Phase::Closed | Phase::Withdrawn => Word::End(Reason::Expired),
        _ if !wanted => Word::End(Reason::NoLongerWanted),
        Phase::Scheduled => Word::Wait(posting.opens_at),
        Phase::Open => Word::Open,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::opening::{Closing, Facts};
    use crate::domain::posting::{CloseReason, Position, State};

    fn posting(state: State, closing: Closing) -> Posting {
        let opens_at = "2024-01-01T09:00:00Z".parse().unwrap();
        Posting {
            facts: Facts {
                title: "Clerk".into(),
                employer: None,
                description: None,
                url: None,
                role_family: vec![],
                rank: vec![],
                audience: vec![],
                contract_kind: vec![],
                hours: vec![],
                locations: vec![],
                site: None,
                grade_text: None,
                pay_text: None,
                pay: None,
                closing,
                zone: chrono_tz::Europe::London,
            },
            state,
            close_reason: (state != State::Posted).then_some(CloseReason::Filled),
            opens_at,
            posted: (opens_at, opens_at),
            position: Position { version: Some(1), time: opens_at },
            test: false,
            posted_by: vec![1],
        }
    }

    #[test]
    fn every_line_of_the_comparison() {
        let now = "2024-01-05T12:00:00Z".parse().unwrap();
        let before = "2024-01-01T08:59:59Z".parse().unwrap();
        let open = posting(State::Posted, Closing::OpenUntilFilled);
        let over = posting(State::Posted, Closing::Instant(now));
        let closed = posting(State::Closed, Closing::OpenUntilFilled);
        let withdrawn = posting(State::Withdrawn, Closing::OpenUntilFilled);
        let test = Posting { test: true, ..open.clone() };
        let usual =
            Situation { posting: &open, told: false, wanted: true, standing: Standing::Reachable, now };
        for (situation, expected) in [
            (usual, Word::Open),
            (Situation { now: before, ..usual }, Word::Wait(open.opens_at)),
            (Situation { posting: &over, ..usual }, Word::End(Reason::Expired)),
            (Situation { posting: &closed, ..usual }, Word::End(Reason::Expired)),
            (Situation { posting: &withdrawn, ..usual }, Word::End(Reason::Expired)),
            (Situation { told: true, ..usual }, Word::Nothing),
            (Situation { told: true, posting: &closed, ..usual }, Word::Nothing),
            (Situation { wanted: false, ..usual }, Word::End(Reason::NoLongerWanted)),
            (
                Situation { standing: Standing::Unreachable, told: true, ..usual },
                Word::End(Reason::Unreachable),
            ),
            (Situation { posting: &test, ..usual }, Word::End(Reason::Test)),
            (Situation { posting: &test, standing: Standing::Tester, ..usual }, Word::Open),
        ] {
            assert_eq!(next_word(&situation), expected, "{situation:?}");
        }
    }
}
