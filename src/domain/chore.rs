//! What is done by the clock, and when.

use chrono::{DateTime, Duration, Utc};
use chrono_tz::Tz;
use cron::Schedule;

use crate::domain::rhythm::next_tick;

/// Something that is done by the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Chore {
    /// Forgets what is kept no longer.
    Retention,
    /// Settles promises that nothing else would, and counts that nobody who is
    /// owed a word is forgotten.
    Outcomes,
    /// Asks people whether they still want to hear.
    StillInterested,
}

impl Chore {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Retention, Self::Outcomes, Self::StillInterested];

    /// The name in the tables and in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Retention => "retention",
            Self::Outcomes => "outcomes",
            Self::StillInterested => "still-interested",
        }
    }
}

/// The latest tick after `since` that has come by `now`: one run then makes up
/// for all that were missed. `None` if none has come.
#[must_use]
pub fn latest_tick(
    schedule: &Schedule,
    zone: Tz,
    since: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    // Back from now in growing strides, so that a year of missed minutes costs no more than an hour.
    let mut stride = Duration::minutes(1);
    loop {
        let from = now.checked_sub_signed(stride).map_or(since, |from| from.max(since));
        let after = |tick: &DateTime<Utc>| next_tick(schedule, zone, *tick).filter(|tick| *tick <= now);
        if let Some(latest) = std::iter::successors(after(&from), after).last() {
            return Some(latest);
        }
        if from <= since {
            return None;
        }
        stride = stride.checked_mul(16).unwrap_or(Duration::MAX);
    }
}

#[cfg(test)]
mod tests {
    use chrono_tz::Europe::London;
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn one_tick_stands_for_all_that_were_missed() {
        for (schedule, since, now, latest) in [
            ("0 30 3 * * *", "2024-01-10T03:30:00Z", "2024-01-11T03:29:59Z", None),
            ("0 30 3 * * *", "2024-01-10T03:30:00Z", "2024-01-11T03:30:00Z", Some("2024-01-11T03:30:00Z")),
            ("0 30 3 * * *", "2024-01-10T03:30:00Z", "2024-02-01T12:00:00Z", Some("2024-02-01T03:30:00Z")),
            ("0 */10 * * * *", "2020-01-01T00:00:00Z", "2024-02-01T12:34:00Z", Some("2024-02-01T12:30:00Z")),
            ("* * * * * *", "2000-01-01T00:00:00Z", "2024-02-01T12:34:00Z", Some("2024-02-01T12:34:00Z")),
            // 01:30 does not exist on 31 March, and comes twice on 27 October.
            ("0 30 1 * * *", "2024-03-30T12:00:00Z", "2024-03-31T01:29:00Z", Some("2024-03-31T01:00:00Z")),
            ("0 30 1 * * *", "2024-10-27T00:30:00Z", "2024-10-27T01:45:00Z", None),
            ("0 30 1 * * *", "2024-10-26T00:30:00Z", "2024-10-27T01:45:00Z", Some("2024-10-27T00:30:00Z")),
            // The clock was put back.
            ("0 30 3 * * *", "2024-02-01T00:00:00Z", "2024-01-01T00:00:00Z", None),
        ] {
            let found = latest_tick(&schedule.parse().unwrap(), London, at(since), at(now));
            assert_eq!(found, latest.map(at), "{schedule} after {since} by {now}");
        }
    }

    proptest! {
        #[test]
        fn it_is_the_last_of_all_ticks(
            schedule in prop_oneof![
                Just("0 */7 * * * *"), Just("0 15 1,2 * * *"), Just("0 0 8 * * Mon"), Just("0 59 23 31 * *"),
            ],
            // About both changes of the clocks.
            begins in prop_oneof![Just("2024-03-29T00:00:00Z"), Just("2024-10-25T00:00:00Z")],
            offset in 0_i64..4 * 86_400,
            length in 0_i64..3 * 86_400,
        ) {
            let schedule: Schedule = schedule.parse().unwrap();
            let since = at(begins) + Duration::seconds(offset);
            let now = since + Duration::seconds(length);
            let all = std::iter::successors(Some(since), |tick| next_tick(&schedule, London, *tick));
            let last = all.skip(1).take_while(|tick| *tick <= now).last();
            prop_assert_eq!(latest_tick(&schedule, London, since, now), last);
        }
    }
}
