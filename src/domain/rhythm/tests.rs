use chrono::{Offset, Timelike, Weekday};
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
        let changes: Vec<_> = days.filter(|day| offset(day) != offset(&(*day + Duration::days(1)))).collect();
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

fn next_working_tick(schedule: &Schedule, calendar: &Calendar, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let zone = chrono_tz::Europe::London;
    Ticks { schedule, choice: Choice::default(), calendar: Some(calendar), zone }.next_after(now)
}

#[test]
fn a_tick_on_a_day_off_runs_on_the_next_working_day() {
    let calendar = Calendar::shipped();
    let next = |schedule: &str, now: &str| {
        let schedule = schedule.parse().unwrap();
        let now = now.parse().unwrap();
        let tick = next_working_tick(&schedule, &calendar, now).unwrap();
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
        let next = |now: &DateTime<Utc>| next_working_tick(&schedule, &calendar, *now);
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

fn rhythm() -> Rhythm {
    let (zone, calendar) = (chrono_tz::Europe::London, Arc::new(Calendar::shipped()));
    Rhythm::new(zone, calendar, "0 0 8 * * Mon-Sat".parse().unwrap())
        .with(ScheduleName::WEEKLY, "0 0 8 * * Mon".parse().unwrap())
        .with("lunchtime".parse().unwrap(), "0 30 12 * * *".parse().unwrap())
}

fn due(cadence: &str, after: &str) -> String {
    let due = rhythm().due(cadence.parse().unwrap(), after.parse().unwrap());
    due.unwrap().to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

#[test]
fn people_choose_the_hour_and_the_day() {
    for (cadence, after, expected) in [
        ("daily", "2024-01-10T07:59:59Z", "2024-01-10T08:00:00Z"),
        ("daily 18:00", "2024-01-10T07:59:59Z", "2024-01-10T18:00:00Z"),
        // The days are the schedule's: none on Sunday.
        ("daily 18:00", "2024-01-13T18:00:00Z", "2024-01-15T18:00:00Z"),
        ("daily 06:30", "2024-07-10T05:29:59Z", "2024-07-10T05:30:00Z"),
        ("daily 06:30", "2024-07-10T05:30:00Z", "2024-07-11T05:30:00Z"),
        ("weekly", "2024-01-10T12:00:00Z", "2024-01-15T08:00:00Z"),
        ("weekly Fri", "2024-01-10T12:00:00Z", "2024-01-12T08:00:00Z"),
        ("weekly Fri", "2024-01-12T08:00:00Z", "2024-01-19T08:00:00Z"),
        ("weekly 17:15", "2024-01-10T12:00:00Z", "2024-01-15T17:15:00Z"),
        ("weekly Sun 17:15", "2024-01-14T17:14:59Z", "2024-01-14T17:15:00Z"),
        ("lunchtime working-days", "2024-01-12T12:30:00Z", "2024-01-15T12:30:00Z"),
        // Good Friday goes to the Tuesday after Easter.
        ("weekly Fri 17:00 working-days", "2024-03-25T12:00:00Z", "2024-04-02T16:00:00Z"),
        ("weekly Fri 17:00 working-days", "2024-04-02T16:00:00Z", "2024-04-05T16:00:00Z"),
        ("daily 18:00 working-days", "2024-03-28T18:00:00Z", "2024-04-02T17:00:00Z"),
        // The hour from 01:00 to 02:00 does not exist on Sunday 31 March, and comes twice on 27 October.
        ("weekly Sun 01:30", "2024-03-30T12:00:00Z", "2024-03-31T01:00:00Z"),
        ("weekly Sun 01:30", "2024-03-31T01:00:00Z", "2024-04-07T00:30:00Z"),
        ("weekly Sun 01:30", "2024-10-26T12:00:00Z", "2024-10-27T00:30:00Z"),
        ("weekly Sun 01:30", "2024-10-27T00:30:00Z", "2024-11-03T01:30:00Z"),
    ] {
        assert_eq!(due(cadence, after), expected, "{cadence} after {after}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// A chosen hour is the same as a schedule at that hour, and a chosen day as one on that day.
    #[test]
    fn a_choice_is_a_schedule_of_ones_own(
        minute in 0_u32..24 * 4,
        day in prop::option::of((0..7_u8).prop_map(|day| Weekday::try_from(day).unwrap())),
        zone in prop::sample::select(ZONES.to_vec()),
        year in 2000..2030,
        month in prop::sample::select(vec![3_u32, 4, 10, 7]),
        from_day in 1_u32..=28,
    ) {
        let (hour, minute) = (minute / 4, minute % 4 * 15);
        let plain = Plain::at(&[minute], Some(&[hour]), day);
        let usual: Schedule = "0 0 8 * * *".parse().unwrap();
        let choice = Choice { time: NaiveTime::from_hms_opt(hour, minute, 0), day, working_days: false };
        let from = midnight(year, month, from_day);
        let until = from + Duration::days(21);
        let next = |now: &DateTime<Utc>| {
            Ticks { schedule: &usual, choice, calendar: None, zone }.next_after(*now)
        };
        let ticks = std::iter::successors(Some(from), next).skip(1).take_while(|tick| *tick <= until);
        prop_assert_eq!(ticks.collect::<Vec<_>>(), watched(&plain, zone, from, until));
    }
}

#[test]
fn a_schedule_that_is_gone_is_daily() {
    let after = "2024-01-10T12:00:00Z";
    assert_eq!(due("elevenses", after), "2024-01-11T08:00:00Z");
    assert_eq!(due("elevenses working-days", after), "2024-01-11T08:00:00Z");
    assert_eq!(due("lunchtime", after), "2024-01-10T12:30:00Z");
    assert_eq!(rhythm().in_effect("elevenses".parse().unwrap()), ScheduleName::DAILY);
    assert_eq!(rhythm().in_effect(ScheduleName::WEEKLY), ScheduleName::WEEKLY);
}
