//! How long something is kept, or waited for: by the calendar.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Days, Months, Utc};

/// A number of days, weeks, months or years. A month after 31 January is the
/// last day of February.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Age {
    count: u32,
    unit: Unit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Day,
    Week,
    Month,
    Year,
}

impl Unit {
    const ALL: [Self; 4] = [Self::Day, Self::Week, Self::Month, Self::Year];

    const fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    /// The most of them that an age may have: a hundred years.
    const fn most(self) -> u32 {
        match self {
            Self::Day => 36_525,
            Self::Week => 5_217,
            Self::Month => 1_200,
            Self::Year => 100,
        }
    }
}

/// It is not written as an age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a whole number of days, weeks, months or years, such as \"14 days\" or \"13 months\", at most a hundred years"
)]
pub struct NotAnAge;

impl FromStr for Age {
    type Err = NotAnAge;

    fn from_str(text: &str) -> Result<Self, NotAnAge> {
        let text = text.trim();
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (count, unit) = text.split_at(digits);
        let unit = unit.trim();
        let named = |known: &Unit| unit.strip_suffix('s').unwrap_or(unit) == known.name();
        let unit = Unit::ALL.into_iter().find(named).ok_or(NotAnAge)?;
        let count: u32 = count.parse().map_err(|_| NotAnAge)?;
        if (1..=unit.most()).contains(&count) { Ok(Self { count, unit }) } else { Err(NotAnAge) }
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ending = if self.count == 1 { "" } else { "s" };
        write!(f, "{} {}{ending}", self.count, self.unit.name())
    }
}

impl Age {
    fn parts(self) -> (Months, Days) {
        let Self { count, unit } = self;
        match unit {
            Unit::Day => (Months::new(0), Days::new(count.into())),
            Unit::Week => (Months::new(0), Days::new(u64::from(count) * 7)),
            Unit::Month => (Months::new(count), Days::new(0)),
            Unit::Year => (Months::new(count * 12), Days::new(0)),
        }
    }

    /// The moment so long before `now`: what is older than the age was before
    /// that.
    #[must_use]
    pub fn before(self, now: DateTime<Utc>) -> DateTime<Utc> {
        let (months, days) = self.parts();
        let then = now.checked_sub_months(months).and_then(|then| then.checked_sub_days(days));
        then.unwrap_or(DateTime::<Utc>::MIN_UTC)
    }

    /// The moment so long after `then`.
    #[must_use]
    pub fn after(self, then: DateTime<Utc>) -> DateTime<Utc> {
        let (months, days) = self.parts();
        let moment = then.checked_add_months(months).and_then(|then| then.checked_add_days(days));
        moment.unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn age(text: &str) -> Age {
        text.parse().unwrap()
    }

    #[test]
    fn ages_are_read_and_said() {
        for (text, said) in [
            ("14 days", "14 days"),
            ("1 day", "1 day"),
            ("1days", "1 day"),
            (" 2 weeks ", "2 weeks"),
            ("13 months", "13 months"),
            ("1 month", "1 month"),
            ("6 years", "6 years"),
        ] {
            assert_eq!(age(text).to_string(), said);
            assert_eq!(age(said), age(text));
        }
        for text in [
            "",
            "14",
            "days",
            "0 days",
            "-1 days",
            "1.5 years",
            "13 m",
            "90s",
            "101 years",
            "1 year 2 days",
            "4294967296 days",
        ] {
            assert_eq!(text.parse::<Age>(), Err(NotAnAge), "{text}");
        }
    }

    #[test]
    fn months_are_those_of_the_calendar() {
        for (text, then, now) in [
            ("13 months", "2022-12-01T08:30:00Z", "2024-01-01T08:30:00Z"),
            ("6 years", "2018-02-28T00:00:00Z", "2024-02-28T00:00:00Z"),
            ("14 days", "2024-02-20T12:00:00Z", "2024-03-05T12:00:00Z"),
            ("2 weeks", "2024-02-20T12:00:00Z", "2024-03-05T12:00:00Z"),
        ] {
            let (then, now): (DateTime<Utc>, DateTime<Utc>) = (then.parse().unwrap(), now.parse().unwrap());
            assert_eq!((age(text).before(now), age(text).after(then)), (then, now), "{text}");
        }
        let end = "2024-03-31T09:00:00Z".parse().unwrap();
        assert_eq!(age("1 month").before(end).to_rfc3339(), "2024-02-29T09:00:00+00:00");
    }
}
