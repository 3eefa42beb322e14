//! Quiet hours: local times between which nothing that can wait arrives.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Days, NaiveTime, Utc};
use chrono_tz::Tz;

use crate::domain::local_time::first_moment;

/// From one local time of day to another, on the next day if that is earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuietHours {
    from: NaiveTime,
    to: NaiveTime,
}

/// These are no hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(r#"expected two times of day such as "21:00-08:00""#)]
pub struct NotHours;

impl QuietHours {
    /// Between two local times of day; none if they are the same.
    #[must_use]
    pub fn between(from: NaiveTime, to: NaiveTime) -> Option<Self> {
        (from != to).then_some(Self { from, to })
    }

    /// The quiet period that a moment lies in: when it began, and the first
    /// moment after it.
    #[must_use]
    pub fn period(self, zone: Tz, at: DateTime<Utc>) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let today = at.with_timezone(&zone).date_naive();
        let nights = u64::from(self.to < self.from);
        [today.pred_opt(), Some(today)].into_iter().flatten().find_map(|day| {
            let begins = first_moment(zone, day.and_time(self.from));
            let ends = first_moment(zone, day.checked_add_days(Days::new(nights))?.and_time(self.to));
            (begins <= at && at < ends).then_some((begins, ends))
        })
    }
}

/// As in `21:00-08:00`.
impl FromStr for QuietHours {
    type Err = NotHours;

    fn from_str(text: &str) -> Result<Self, NotHours> {
        let time = |text: &str| NaiveTime::parse_from_str(text.trim(), "%H:%M").map_err(|_| NotHours);
        let (from, to) = text.split_once('-').ok_or(NotHours)?;
        Self::between(time(from)?, time(to)?).ok_or(NotHours)
    }
}

impl fmt::Display for QuietHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.from.format("%H:%M"), self.to.format("%H:%M"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_period_is_by_the_clock_on_the_wall() {
        for (hours, at, period) in [
            ("21:00-08:00", "2024-01-10T20:59:59Z", None),
            ("21:00-08:00", "2024-01-10T21:00:00Z", Some(("2024-01-10T21:00:00Z", "2024-01-11T08:00:00Z"))),
            ("21:00-08:00", "2024-01-11T07:59:59Z", Some(("2024-01-10T21:00:00Z", "2024-01-11T08:00:00Z"))),
            ("21:00-08:00", "2024-01-11T08:00:00Z", None),
            ("21:00-08:00", "2024-07-10T20:00:00Z", Some(("2024-07-10T20:00:00Z", "2024-07-11T07:00:00Z"))),
            // The nights in which the clocks are moved: an hour less, and one more.
            ("21:00-08:00", "2024-03-31T00:30:00Z", Some(("2024-03-30T21:00:00Z", "2024-03-31T07:00:00Z"))),
            ("21:00-08:00", "2024-10-27T00:30:00Z", Some(("2024-10-26T20:00:00Z", "2024-10-27T08:00:00Z"))),
            // What does not exist begins and ends where it would.
            ("01:30-06:00", "2024-03-31T01:00:00Z", Some(("2024-03-31T01:00:00Z", "2024-03-31T05:00:00Z"))),
            ("12:00-13:00", "2024-01-10T12:30:00Z", Some(("2024-01-10T12:00:00Z", "2024-01-10T13:00:00Z"))),
            ("12:00-13:00", "2024-01-10T13:00:00Z", None),
        ] {
            let hours: QuietHours = hours.parse().unwrap();
            let at = at.parse().unwrap();
            let expected = period.map(|(from, to)| (from.parse().unwrap(), to.parse().unwrap()));
            assert_eq!(hours.period(chrono_tz::Europe::London, at), expected, "{hours} at {at}");
        }
    }

    #[test]
    fn hours_are_read_as_they_are_written() {
        let hours: QuietHours = "21:00 - 08:00".parse().unwrap();
        assert_eq!(hours.to_string(), "21:00-08:00");
        for wrong in ["", "21:00", "21-8", "08:00-08:00", "21:00-24:00"] {
            assert_eq!(wrong.parse::<QuietHours>(), Err(NotHours), "{wrong}");
        }
    }
}
