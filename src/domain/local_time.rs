//! From the clock on the wall to a moment, also on the days when it is moved.

use chrono::{DateTime, Duration, NaiveDateTime, TimeZone, Utc};
use chrono_tz::Tz;

/// The longest that any zone has ever skipped: a whole day (Samoa, 2011).
const LONGEST_GAP_MINUTES: i64 = 24 * 60;

/// The first moment at which the clocks of `zone` show `local` or later: a
/// local time that does not exist gives the end of the gap, one that comes
/// twice gives the first.
#[must_use]
pub fn first_moment(zone: Tz, local: NaiveDateTime) -> DateTime<Utc> {
    (0..=LONGEST_GAP_MINUTES)
        .find_map(|minute| {
            zone.from_local_datetime(&local.checked_add_signed(Duration::minutes(minute))?).earliest()
        })
        .map_or_else(|| Utc.from_utc_datetime(&local), |moment| moment.with_timezone(&Utc))
}

/// Whether anything here can be about that year. Other years are mistakes, and
/// break the arithmetic of calendars.
#[must_use]
pub fn is_plausible_year(year: i32) -> bool {
    (1970..=2200).contains(&year)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_end_and_doubled_hours_run_once() {
        for (zone, local, moment) in [
            ("Europe/London", "2024-07-01T08:00:00", "2024-07-01T07:00:00Z"),
            ("Europe/London", "2024-03-31T01:30:00", "2024-03-31T01:00:00Z"),
            ("Europe/London", "2024-10-27T01:30:00", "2024-10-27T00:30:00Z"),
            ("America/Sao_Paulo", "2018-11-04T00:00:00", "2018-11-04T03:00:00Z"),
            ("Australia/Lord_Howe", "2024-10-06T02:15:00", "2024-10-05T15:30:00Z"),
            ("Pacific/Apia", "2011-12-30T12:00:00", "2011-12-30T10:00:00Z"),
        ] {
            let found = first_moment(zone.parse().unwrap(), local.parse().unwrap());
            assert_eq!(found, moment.parse::<DateTime<Utc>>().unwrap(), "{local} in {zone}");
        }
    }
}
