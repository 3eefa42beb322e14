//! How soon a person wants to hear: at once, or at the next tick of a schedule.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, TimeZone, Utc};
use chrono_tz::Tz;
use cron::Schedule;

use crate::domain::local_time::first_moment;
use crate::domain::suggest::nearest;

/// The rhythm of a saved search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cadence {
    /// At once.
    Immediate,
    /// At the next tick of the daily schedule.
    Daily,
    /// At the next tick of the weekly schedule.
    Weekly,
    /// Not now.
    Paused,
}

impl Cadence {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Immediate, Self::Daily, Self::Weekly, Self::Paused];

    /// The name in an import and in the tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Immediate => "immediate",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Paused => "paused",
        }
    }
}

impl FromStr for Cadence {
    type Err = UnknownCadence;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|cadence| cadence.name() == name)
            .ok_or_else(|| UnknownCadence(nearest(name, Self::ALL.map(Self::name))))
    }
}

/// There is no cadence of that name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownCadence(String);

impl fmt::Display for UnknownCadence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown; {}", self.0)
    }
}

impl std::error::Error for UnknownCadence {}

/// The schedules, on the clocks of one zone.
#[derive(Debug, Clone)]
pub struct Rhythm {
    /// Whose clocks they are on.
    pub zone: Tz,
    /// When daily mails leave.
    pub daily: Schedule,
    /// When weekly mails leave.
    pub weekly: Schedule,
}

impl Rhythm {
    /// When the next word at this cadence is due, if one is ever.
    #[must_use]
    pub fn due(&self, cadence: Cadence, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match cadence {
            Cadence::Immediate => Some(now),
            Cadence::Daily => next_tick(&self.daily, self.zone, now),
            Cadence::Weekly => next_tick(&self.weekly, self.zone, now),
            Cadence::Paused => None,
        }
    }
}

/// The first tick after `now`. The schedule is read on a calendar without
/// zones, and each of its local times is then turned into a moment: the crate's
/// own arithmetic on zoned times skips a spring day and doubles an autumn hour.
#[must_use]
pub fn next_tick(schedule: &Schedule, zone: Tz, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    // A local time shown before `now` may come again when clocks go back, so begin a day early.
    let local = now.with_timezone(&zone).naive_local() - chrono::Duration::days(1);
    schedule
        .after(&Utc.from_utc_datetime(&local))
        .map(|tick| first_moment(zone, tick.naive_utc()))
        .find(|&tick| tick > now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::Duration;

    fn tick(schedule: &str, now: &str) -> String {
        next_tick(&schedule.parse().unwrap(), chrono_tz::Europe::London, now.parse().unwrap())
            .unwrap()
            .to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
    }

    #[test]
    fn the_next_tick_is_in_local_time() {
        for (schedule, now, expected) in [
            ("0 0 8 * * *", "2024-01-10T07:59:59Z", "2024-01-10T08:00:00Z"),
            ("0 0 8 * * *", "2024-01-10T08:00:00Z", "2024-01-11T08:00:00Z"),
            ("0 0 8 * * *", "2024-07-10T08:00:00Z", "2024-07-11T07:00:00Z"),
            ("0 0 8 * * Mon", "2024-01-10T08:00:00Z", "2024-01-15T08:00:00Z"),
            // The hour from 01:00 to 02:00 does not exist on 31 March...
            ("0 30 1 * * *", "2024-03-30T12:00:00Z", "2024-03-31T01:00:00Z"),
            ("0 30 1 * * *", "2024-03-31T01:00:00Z", "2024-04-01T00:30:00Z"),
            // ...and comes twice on 27 October.
            ("0 30 1 * * *", "2024-10-26T12:00:00Z", "2024-10-27T00:30:00Z"),
            ("0 30 1 * * *", "2024-10-27T00:30:00Z", "2024-10-28T01:30:00Z"),
        ] {
            assert_eq!(tick(schedule, now), expected, "{schedule} after {now}");
        }
    }

    #[test]
    fn one_tick_each_local_day_for_thirty_years() {
        for zone in [chrono_tz::Europe::London, chrono_tz::Australia::Lord_Howe] {
            for time in ["0 0 8 * * *", "0 30 1 * * *", "0 15 2 * * *"] {
                let schedule = time.parse().unwrap();
                let mut now: DateTime<Utc> = "2000-01-01T00:00:00Z".parse().unwrap();
                let mut day = now.with_timezone(&zone).date_naive();
                for _ in 0..(30 * 365) {
                    now = next_tick(&schedule, zone, now).unwrap();
                    let local = now.with_timezone(&zone).date_naive();
                    assert!(local - day <= Duration::days(1), "{zone} {time}: from {day} to {local}");
                    assert!(local > day || now < "2000-01-02T00:00:00Z".parse::<DateTime<Utc>>().unwrap());
                    day = local;
                }
            }
        }
    }
}
