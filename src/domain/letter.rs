//! Letters: mails to a person that are about no opening. When people are asked
//! whether they still want to hear, and what comes of silence.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use chrono_tz::Tz;

use crate::domain::age::Age;
use crate::domain::local_time::first_moment;

/// A kind of letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Letter {
    /// Whether they still want to hear.
    StillInterested,
    /// The same, once more and no more than once.
    Reminder,
    /// That we have stopped.
    Lapsed,
}

impl Letter {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::StillInterested, Self::Reminder, Self::Lapsed];

    /// The name in the tables and in Message-IDs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::StillInterested => "still-interested",
            Self::Reminder => "still-interested-reminder",
            Self::Lapsed => "lapsed",
        }
    }

    /// Whether it says how to stop. What says that we have stopped does not: there is nothing left
    /// to stop.
    #[must_use]
    pub const fn offers_stop(self) -> bool {
        match self {
            Self::StillInterested | Self::Reminder => true,
            Self::Lapsed => false,
        }
    }

    /// The letter of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|letter| letter.name() == name)
    }

    /// Why the letter is not to be sent any more, as things are; `None` if it
    /// is.
    #[must_use]
    pub fn needless(self, person: Addressed) -> Option<Needless> {
        let (stands, holds) = match self {
            Self::StillInterested | Self::Reminder => (person.standing == Standing::Reachable, person.asks),
            // What they asked for is gone already, and this is about that.
            Self::Lapsed => (person.standing == Standing::Lapsed, true),
        };
        if person.answered {
            Some(Needless::Answered)
        } else if !stands {
            Some(Needless::NotActive)
        } else if !holds {
            Some(Needless::NothingAsked)
        } else {
            None
        }
    }
}

/// What bears on a letter at the moment of claiming.
#[derive(Debug, Clone, Copy)]
pub struct Addressed {
    /// Who they are to us.
    pub standing: Standing,
    /// They have confirmed since the letter was written.
    pub answered: bool,
    /// They have a registration that holds, or a search that is not paused.
    pub asks: bool,
}

/// Who a person is to us, as far as letters go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// They may be written to: active, and with a consent.
    Reachable,
    /// Their silence has ended it.
    Lapsed,
    /// Neither: they stopped, or mail to them does not arrive.
    Neither,
}

/// Why a letter is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needless {
    /// They have answered.
    Answered,
    /// They are in another state than the letter is for.
    NotActive,
    /// There is nothing left to ask about.
    NothingAsked,
}

impl Needless {
    /// The name in the tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::NotActive => "not-active",
            Self::NothingAsked => "nothing-asked",
        }
    }
}

/// Whoever is reminded has this long at least, also if the reminder comes late.
const AFTER_REMINDER: Days = Days::new(7);

/// When people are asked whether they still want to hear, and how long an
/// answer is waited for. The day that a letter names is over before anything
/// is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How old a confirmation is when it is asked about.
    pub ask_after: Age,
    /// How long after the question the reminder follows.
    pub remind_after: Age,
    /// How long after the question silence is an answer.
    pub lapse_after: Age,
    /// By whose clocks days begin.
    pub zone: Tz,
}

impl Patience {
    /// Who confirmed before this moment is asked.
    #[must_use]
    pub fn asked_if_confirmed_before(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.ask_after.before(now)
    }

    /// Whose question was accepted at this moment or before is reminded.
    #[must_use]
    pub fn reminded_if_asked_by(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.remind_after.before(now)
    }

    /// Whose question was accepted before this moment, and is unanswered, has
    /// lapsed...
    #[must_use]
    pub fn lapsed_if_asked_before(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.lapse_after.before(self.midnight(self.today(now)))
    }

    /// ...if their reminder, where one left, was accepted before this one.
    #[must_use]
    pub fn lapsed_if_reminded_before(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let today = self.today(now);
        self.midnight(today.checked_sub_days(AFTER_REMINDER).unwrap_or(today))
    }

    /// The last day on which an answer counts, for a letter that is sent at
    /// `now`; `asked_at` is when the question was accepted, if it was before.
    #[must_use]
    pub fn answer_by(&self, asked_at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> NaiveDate {
        let day = self.today(self.lapse_after.after(asked_at.unwrap_or(now)));
        let today = self.today(now);
        let reminded = asked_at.and_then(|_| today.checked_add_days(AFTER_REMINDER));
        reminded.map_or(day, |reminded| reminded.max(day))
    }

    /// The local day.
    #[must_use]
    pub fn today(&self, now: DateTime<Utc>) -> NaiveDate {
        now.with_timezone(&self.zone).date_naive()
    }

    fn midnight(&self, day: NaiveDate) -> DateTime<Utc> {
        first_moment(self.zone, day.and_time(NaiveTime::MIN))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn patience() -> Patience {
        Patience {
            ask_after: "12 months".parse().unwrap(),
            remind_after: "14 days".parse().unwrap(),
            lapse_after: "30 days".parse().unwrap(),
            zone: chrono_tz::Europe::London,
        }
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_letter_is_sent_only_while_it_is_about_something() {
        let asked = Addressed { standing: Standing::Reachable, answered: false, asks: true };
        let lapsed = Addressed { standing: Standing::Lapsed, answered: false, asks: false };
        for (letter, person, needless) in [
            (Letter::StillInterested, asked, None),
            (Letter::Reminder, asked, None),
            (Letter::Lapsed, asked, Some(Needless::NotActive)),
            (Letter::StillInterested, Addressed { answered: true, ..asked }, Some(Needless::Answered)),
            (Letter::Reminder, Addressed { standing: Standing::Neither, ..asked }, Some(Needless::NotActive)),
            (Letter::Reminder, Addressed { asks: false, ..asked }, Some(Needless::NothingAsked)),
            (Letter::StillInterested, lapsed, Some(Needless::NotActive)),
            (Letter::Lapsed, lapsed, None),
            (Letter::Lapsed, Addressed { answered: true, ..lapsed }, Some(Needless::Answered)),
        ] {
            assert_eq!(letter.needless(person), needless, "{letter:?} {person:?}");
        }
        for letter in Letter::ALL {
            assert_eq!(Letter::named(letter.name()), Some(letter));
        }
    }

    #[test]
    fn a_reminder_that_comes_late_leaves_a_week() {
        let asked = at("2023-12-31T10:00:05Z");
        let by = |now: &str, asked_at| patience().answer_by(asked_at, at(now)).to_string();
        assert_eq!(by("2023-12-31T10:00:00Z", None), "2024-01-30");
        assert_eq!(by("2024-01-14T10:01:00Z", Some(asked)), "2024-01-30");
        assert_eq!(by("2024-01-28T10:01:00Z", Some(asked)), "2024-02-04");
        // It is Tuesday until the clocks of London say so.
        assert_eq!(by("2024-05-31T23:30:00Z", None), "2024-07-01");
    }

    proptest! {
        /// Nobody lapses on the day that they were told, or before.
        #[test]
        fn the_day_that_was_told_is_over_first(
            asked in 1_704_067_200_i64..1_735_689_600,
            reminded in 0_i64..60 * 86_400,
            looked in 0_i64..120 * 86_400,
        ) {
            let moment = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
            let (asked, reminder) = (moment(asked), moment(asked + reminded));
            let now = moment(asked.timestamp() + looked);
            let patience = patience();
            let lapsed = asked < patience.lapsed_if_asked_before(now)
                && reminder < patience.lapsed_if_reminded_before(now);
            let told = patience.answer_by(Some(asked), reminder).max(patience.answer_by(None, asked));
            prop_assert_eq!(lapsed, told < patience.today(now));
        }
    }
}
