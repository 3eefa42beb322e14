//! How soon a person wants to hear: at once, or at the next tick of a schedule.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use chrono::{DateTime, Duration, NaiveDateTime, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;
use cron::Schedule;

use crate::domain::calendar::Calendar;
use crate::domain::local_time::first_moment;
use crate::domain::suggest::nearest;

/// The rhythm of a saved search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cadence {
    /// At once.
    Immediate,
    /// At the next tick of the schedule of this name.
    Scheduled(ScheduleName),
    /// Not now.
    Paused,
}

const IMMEDIATE: &str = "immediate";
const PAUSED: &str = "paused";

impl Cadence {
    /// The name in an import and in the tables.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Immediate => IMMEDIATE,
            Self::Scheduled(schedule) => schedule.as_str(),
            Self::Paused => PAUSED,
        }
    }
}

/// As the tables keep it: the schedule of that name may be gone.
impl FromStr for Cadence {
    type Err = NotAName;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            IMMEDIATE => Ok(Self::Immediate),
            PAUSED => Ok(Self::Paused),
            _ => name.parse().map(Self::Scheduled),
        }
    }
}

/// The name of a schedule: lower-case letters, digits and `-`, at most 40, and
/// none of the cadences that follow no schedule.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScheduleName {
    /// The name, and zeros after it.
    octets: [u8; ScheduleName::LONGEST],
}

impl ScheduleName {
    const LONGEST: usize = 40;

    /// The schedule that there always is: of digests, and of whoever asked for
    /// one that is gone.
    pub const DAILY: Self = Self::of(b"daily");

    /// The other one that is shipped.
    pub const WEEKLY: Self = Self::of(b"weekly");

    const fn of(name: &[u8]) -> Self {
        let mut octets = [0; Self::LONGEST];
        let mut at = 0;
        while at < name.len() {
            octets[at] = name[at];
            at += 1;
        }
        Self { octets }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let length = self.octets.iter().position(|octet| *octet == 0).unwrap_or(Self::LONGEST);
        std::str::from_utf8(&self.octets[..length]).unwrap_or_default()
    }
}

impl FromStr for ScheduleName {
    type Err = NotAName;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let good = (1..=Self::LONGEST).contains(&name.len())
            && name.bytes().all(|octet| matches!(octet, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        match name {
            IMMEDIATE | PAUSED => Err(NotAName::Taken),
            _ if good => Ok(Self::of(name.as_bytes())),
            _ => Err(NotAName::Malformed),
        }
    }
}

impl fmt::Display for ScheduleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ScheduleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// No schedule can have that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAName {
    /// It is the name of a cadence that follows no schedule.
    #[error("immediate and paused are no schedules; choose another name")]
    Taken,
    /// It is not written as a name.
    #[error("expected a name of lower-case letters, digits and -, at most 40")]
    Malformed,
}

/// There is no cadence of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown; {0}")]
pub struct UnknownCadence(String);

/// The schedules, on the clocks of one zone.
#[derive(Debug, Clone)]
pub struct Rhythm {
    /// Whose clocks they are on.
    pub zone: Tz,
    daily: Schedule,
    /// All but `daily`.
    others: BTreeMap<ScheduleName, Schedule>,
    /// Those that run on working days only, and whose.
    working_days: BTreeMap<ScheduleName, Arc<Calendar>>,
}

impl Rhythm {
    /// With the schedule that there always is, [`ScheduleName::DAILY`].
    #[must_use]
    pub fn new(zone: Tz, daily: Schedule) -> Self {
        Self { zone, daily, others: BTreeMap::new(), working_days: BTreeMap::new() }
    }

    /// With one more schedule, or with another one of that name.
    #[must_use]
    pub fn with(mut self, name: ScheduleName, schedule: Schedule) -> Self {
        if name == ScheduleName::DAILY {
            self.daily = schedule;
        } else {
            self.others.insert(name, schedule);
        }
        self
    }

    /// With a schedule running on working days only, see [`next_working_tick`].
    #[must_use]
    pub fn on_working_days(mut self, name: ScheduleName, calendar: Arc<Calendar>) -> Self {
        self.working_days.insert(name, calendar);
        self
    }

    /// The names of all schedules, `daily` first.
    pub fn names(&self) -> impl Iterator<Item = ScheduleName> {
        std::iter::once(ScheduleName::DAILY).chain(self.others.keys().copied())
    }

    /// The cadences that people can hear at.
    pub fn cadences(&self) -> impl Iterator<Item = Cadence> {
        std::iter::once(Cadence::Immediate).chain(self.names().map(Cadence::Scheduled))
    }

    /// The cadence of a name, as people ask for it.
    ///
    /// # Errors
    ///
    /// When there is none; with the nearest one that there is.
    pub fn cadence(&self, name: &str) -> Result<Cadence, UnknownCadence> {
        let known = || self.cadences().chain([Cadence::Paused]);
        known().find(|cadence| cadence.name() == name).ok_or_else(|| {
            let known: Vec<Cadence> = known().collect();
            UnknownCadence(nearest(name, known.iter().map(Cadence::name)))
        })
    }

    /// The schedule that counts: who asked for one that is gone is told by the
    /// daily one, and not lost.
    #[must_use]
    pub fn in_effect(&self, name: ScheduleName) -> ScheduleName {
        if self.others.contains_key(&name) { name } else { ScheduleName::DAILY }
    }

    /// All schedules, their zone and their working days, in short: differs
    /// whenever one does.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut parts = vec![self.zone.name().to_owned(), format!("daily = {}", self.daily)];
        parts.extend(self.others.iter().map(|(name, schedule)| format!("{name} = {schedule}")));
        for (name, calendar) in &self.working_days {
            let holidays: Vec<String> = calendar.holidays().map(|day| day.to_string()).collect();
            parts.push(format!("{name} not on {}", holidays.join(" ")));
        }
        parts.join("; ")
    }

    /// When the next word at this cadence is due, if one is ever.
    #[must_use]
    pub fn due(&self, cadence: Cadence, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match cadence {
            Cadence::Immediate => Some(now),
            Cadence::Scheduled(name) => {
                let name = self.in_effect(name);
                let schedule = self.others.get(&name).unwrap_or(&self.daily);
                match self.working_days.get(&name) {
                    Some(calendar) => next_working_tick(schedule, calendar, self.zone, now),
                    None => next_tick(schedule, self.zone, now),
                }
            }
            Cadence::Paused => None,
        }
    }
}

/// The first tick after `now`. The schedule is read on a calendar without
/// zones, and each of its local times is then turned into a moment: the crate's
/// own arithmetic on zoned times skips a spring day and doubles an autumn hour.
/// Local times that do not exist run, together, at the first moment that does;
/// one that comes twice runs the first time.
#[must_use]
pub fn next_tick(schedule: &Schedule, zone: Tz, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    // What the clocks show has begun, whether they showed it or jumped over it; what they are yet
    // to show may have begun before they were put back.
    schedule
        .after(&Utc.from_utc_datetime(&now.with_timezone(&zone).naive_local()))
        .map(|tick| first_moment(zone, tick.naive_utc()))
        .find(|&tick| tick > now)
}

/// As [`next_tick`], where a tick on a day on which nobody works runs at the
/// same time of the next day on which people do.
#[must_use]
pub fn next_working_tick(
    schedule: &Schedule,
    calendar: &Calendar,
    zone: Tz,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let today = now.with_timezone(&zone).date_naive();
    // Ticks of the days off before today may run today, or later still.
    let days_off = today.pred_opt()?.iter_days().rev().take_while(|day| !calendar.is_working_day(*day));
    let from = days_off.last().unwrap_or(today).and_time(NaiveTime::MIN) - Duration::seconds(1);
    let mut next: Option<NaiveDateTime> = None;
    for tick in schedule.after(&Utc.from_utc_datetime(&from)).map(|tick| tick.naive_utc()) {
        let moved = calendar.working_day_from(tick.date()).and_time(tick.time());
        if next.is_some_and(|next| next.date() < moved.date()) {
            break;
        }
        if first_moment(zone, moved) > now {
            next = Some(next.map_or(moved, |next| next.min(moved)));
            // Those that are moved to a day come before the day's own, and these in their order.
            if moved == tick {
                break;
            }
        }
    }
    next.map(|next| first_moment(zone, next))
}

#[cfg(test)]
mod tests {
    use chrono::{Datelike, Offset, Timelike, Weekday};
    use proptest::prelude::*;

    use super::*;

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

    /// A schedule in plain words, to hold the expressions against.
    #[derive(Debug, Clone)]
    struct Plain {
        minutes: Vec<u32>,
        /// None means every hour.
        hours: Option<Vec<u32>>,
        /// None means every day.
        day: Option<Weekday>,
    }

    impl Plain {
        fn at(minutes: &[u32], hours: Option<&[u32]>, day: Option<Weekday>) -> Self {
            Self { minutes: minutes.to_vec(), hours: hours.map(<[u32]>::to_vec), day }
        }

        fn schedule(&self) -> Schedule {
            let list = |numbers: &[u32]| numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
            let hours = self.hours.as_deref().map_or("*".to_owned(), list);
            let day = self.day.map_or("*".to_owned(), |day| day.to_string());
            format!("0 {} {hours} * * {day}", list(&self.minutes)).parse().unwrap()
        }

        fn asks_for(&self, local: NaiveDateTime) -> bool {
            self.minutes.contains(&local.minute())
                && self.hours.as_ref().is_none_or(|hours| hours.contains(&local.hour()))
                && self.day.is_none_or(|day| day == local.weekday())
        }
    }

    const ZONES: [Tz; 2] = [chrono_tz::Europe::London, chrono_tz::Australia::Lord_Howe];

    /// All schedules here are on a grid of minutes, and so is every change of the clocks in [`ZONES`].
    const GRID: i64 = 15;

    fn local(zone: Tz, moment: DateTime<Utc>) -> NaiveDateTime {
        moment.with_timezone(&zone).naive_local()
    }

    /// The moments from `from` on, at which the clock on the wall shows a local time of a schedule, or
    /// a later one, for the first time: by watching it.
    fn watched(plain: &Plain, zone: Tz, from: DateTime<Utc>, until: DateTime<Utc>) -> Vec<DateTime<Utc>> {
        let grid = Duration::minutes(GRID);
        let mut latest = local(zone, from);
        let mut seen = Vec::new();
        let moments = std::iter::successors(Some(from + grid), |moment| Some(*moment + grid));
        for moment in moments.take_while(|moment| *moment <= until) {
            let shown = local(zone, moment);
            let new = std::iter::successors(Some(latest + grid), |time| Some(*time + grid));
            if new.take_while(|time| *time <= shown).filter(|time| plain.asks_for(*time)).count() > 0 {
                seen.push(moment);
            }
            latest = latest.max(shown);
        }
        seen
    }

    /// The same, by the program.
    fn ticked(plain: &Plain, zone: Tz, from: DateTime<Utc>, until: DateTime<Utc>) -> Vec<DateTime<Utc>> {
        let schedule = plain.schedule();
        let next = |now: &DateTime<Utc>| next_tick(&schedule, zone, *now);
        let ticks = std::iter::successors(Some(from), next).skip(1).take_while(|tick| *tick <= until);
        let ticks: Vec<_> = ticks.collect();
        assert!(ticks.is_sorted_by(|a, b| a < b), "{plain:?} in {zone}");
        ticks
    }

    fn midnight(year: i32, month: u32, day: u32) -> DateTime<Utc> {
        Utc.with_ymd_and_hms(year, month, day, 0, 0, 0).unwrap()
    }

    #[test]
    fn no_tick_is_skipped_or_doubled_in_thirty_years() {
        for zone in ZONES {
            for plain in [
                Plain::at(&[30], Some(&[1]), None),
                Plain::at(&[15], Some(&[2]), None),
                Plain::at(&[0], Some(&[0]), None),
                Plain::at(&[0], Some(&[2]), Some(Weekday::Sun)),
            ] {
                let (from, until) = (midnight(2000, 1, 1), midnight(2030, 1, 1));
                assert_eq!(
                    ticked(&plain, zone, from, until),
                    watched(&plain, zone, from, until),
                    "{plain:?} in {zone}"
                );
            }
        }
    }

    #[test]
    fn frequent_schedules_are_right_at_every_change_of_the_clocks_in_thirty_years() {
        for zone in ZONES {
            let offset = |day: &DateTime<Utc>| day.with_timezone(&zone).offset().fix();
            let days = (0..30 * 365).map(|day| midnight(2000, 1, 1) + Duration::days(day));
            let changes: Vec<_> =
                days.filter(|day| offset(day) != offset(&(*day + Duration::days(1)))).collect();
            assert!(changes.len() >= 58, "{zone} changed its clocks {} times", changes.len());
            for day in changes {
                let (from, until) = (day - Duration::days(1), day + Duration::days(2));
                for plain in [Plain::at(&[0, 15, 30, 45], None, None), Plain::at(&[0, 30], None, None)] {
                    let found = ticked(&plain, zone, from, until);
                    assert_eq!(found, watched(&plain, zone, from, until), "{plain:?} in {zone} about {day}");
                }
            }
        }
    }

    fn any_plain() -> impl Strategy<Value = Plain> {
        let minutes = prop::sample::subsequence(vec![0_u32, 15, 30, 45], 1..=4);
        let hours = prop::option::of(prop::sample::subsequence((0..24_u32).collect::<Vec<_>>(), 1..=4));
        let day = prop::option::of((0..7_u8).prop_map(|day| Weekday::try_from(day).unwrap()));
        (minutes, hours, day).prop_map(|(minutes, hours, day)| Plain { minutes, hours, day })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever the schedule, and wherever one begins to look.
        #[test]
        fn every_schedule_runs_as_the_clock_on_the_wall_shows(
            plain in any_plain(),
            zone in prop::sample::select(ZONES.to_vec()),
            year in 2000..2030,
            // London changes in March and October, Lord Howe in March or April and October.
            month in prop::sample::select(vec![3_u32, 4, 10, 7]),
            day in 1_u32..=28,
        ) {
            let from = midnight(year, month, day);
            let until = from + Duration::days(21);
            prop_assert_eq!(ticked(&plain, zone, from, until), watched(&plain, zone, from, until));
        }
    }

    #[test]
    fn names_are_names() {
        for (name, good) in [
            ("daily", Ok("daily")),
            ("lunch-time2", Ok("lunch-time2")),
            ("immediate", Err(NotAName::Taken)),
            ("paused", Err(NotAName::Taken)),
            ("", Err(NotAName::Malformed)),
            ("Daily", Err(NotAName::Malformed)),
            ("a b", Err(NotAName::Malformed)),
            ("\u{e9}t\u{e9}", Err(NotAName::Malformed)),
        ] {
            assert_eq!(name.parse::<ScheduleName>().map(|name| name.to_string()), good.map(str::to_owned));
        }
        let longest = "x".repeat(40);
        assert_eq!(longest.parse::<ScheduleName>().unwrap().as_str(), longest);
        assert_eq!(format!("{longest}x").parse::<ScheduleName>(), Err(NotAName::Malformed));
        assert_eq!("paused".parse::<Cadence>(), Ok(Cadence::Paused));
    }

    #[test]
    fn a_tick_on_a_day_off_runs_on_the_next_working_day() {
        let calendar = Calendar::shipped();
        let next = |schedule: &str, now: &str| {
            let schedule = schedule.parse().unwrap();
            let now = now.parse().unwrap();
            let tick = next_working_tick(&schedule, &calendar, chrono_tz::Europe::London, now).unwrap();
            tick.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
        };
        for (schedule, now, expected) in [
            ("0 0 8 * * *", "2024-01-10T07:59:59Z", "2024-01-10T08:00:00Z"),
            ("0 0 8 * * *", "2024-01-12T08:00:00Z", "2024-01-15T08:00:00Z"),
            // Easter 2024, with the change of the clocks in it.
            ("0 0 8 * * *", "2024-03-28T08:00:00Z", "2024-04-02T07:00:00Z"),
            ("0 0 8 * * *", "2024-03-31T12:00:00Z", "2024-04-02T07:00:00Z"),
            ("0 0 8 * * *", "2024-04-02T07:00:00Z", "2024-04-03T07:00:00Z"),
            ("0 0 8 * * Mon", "2024-03-25T08:00:00Z", "2024-04-02T07:00:00Z"),
            ("0 0 8 * * Mon", "2024-04-02T07:00:00Z", "2024-04-08T07:00:00Z"),
            ("0 0 10 * * Sat", "2024-01-13T12:00:00Z", "2024-01-15T10:00:00Z"),
            ("0 0 10 * * Sat", "2024-01-15T10:00:00Z", "2024-01-22T10:00:00Z"),
            // Moved ticks come in the order of their times, not of their days.
            ("0 0 8,18 * * *", "2024-01-13T12:00:00Z", "2024-01-15T08:00:00Z"),
            ("0 0 8,18 * * *", "2024-01-15T08:00:00Z", "2024-01-15T18:00:00Z"),
            ("0 0 8,18 * * *", "2024-01-15T18:00:00Z", "2024-01-16T08:00:00Z"),
        ] {
            assert_eq!(next(schedule, now), expected, "{schedule} after {now}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

        /// Ticks on working days are those of the schedule, with the times of the days off before; and
        /// however often one looks, the same ones come.
        #[test]
        fn working_days_have_all_ticks_and_others_have_none(plain in any_plain(), year in 2023..2029, day in 1_u32..=28) {
            let zone = chrono_tz::Europe::London;
            let calendar = Calendar::shipped();
            let schedule = plain.schedule();
            let (from, until) = (midnight(year, 12, day), midnight(year, 12, day) + Duration::days(21));
            let long_before = from - Duration::days(14);
            let next = |now: &DateTime<Utc>| next_working_tick(&schedule, &calendar, zone, *now);
            let found: Vec<_> = std::iter::successors(next(&from), next).take_while(|tick| *tick <= until).collect();
            prop_assert!(found.is_sorted_by(|a, b| a < b));
            let mut expected: Vec<_> = ticked(&plain, zone, long_before, until)
                .into_iter()
                .map(|tick| {
                    let local = local(zone, tick);
                    first_moment(zone, calendar.working_day_from(local.date()).and_time(local.time()))
                })
                .filter(|tick| *tick > from && *tick <= until)
                .collect();
            expected.sort();
            expected.dedup();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_schedule_that_is_gone_is_daily() {
        let rhythm = Rhythm::new(chrono_tz::Europe::London, "0 0 8 * * *".parse().unwrap())
            .with(ScheduleName::WEEKLY, "0 0 8 * * Mon".parse().unwrap());
        let gone = "lunchtime".parse().unwrap();
        let now = "2024-01-10T12:00:00Z".parse().unwrap();
        let due = |name| rhythm.due(Cadence::Scheduled(name), now).unwrap().to_string();
        assert_eq!(due(gone), "2024-01-11 08:00:00 UTC");
        assert_eq!(due(ScheduleName::WEEKLY), "2024-01-15 08:00:00 UTC");
        assert_eq!(rhythm.in_effect(gone), ScheduleName::DAILY);
        assert_eq!(rhythm.in_effect(ScheduleName::WEEKLY), ScheduleName::WEEKLY);
    }
}
