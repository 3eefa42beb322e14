//! When somebody's turn comes: at once, after the night, or with a digest. Reckoned day by day, on London's clocks.

use chrono::{DateTime, Datelike, Days, Duration, NaiveDate, NaiveTime, TimeZone, Utc, Weekday};
use chrono_tz::Tz;
use jobalerts::domain::cadence::{Cadence, Choice, ScheduleName};
use jobalerts::domain::calendar::Calendar;
use jobalerts::domain::subscriber::{Person, Search};
use jobalerts::domain::truth::Truth;

const LONDON: Tz = Tz::Europe__London;
/// When digests come to people who chose no hour.
const MORNING: NaiveTime = NaiveTime::from_hms_opt(8, 0, 0).unwrap();
/// When it is night for people who chose nothing else...
const EVENING: NaiveTime = NaiveTime::from_hms_opt(21, 0, 0).unwrap();
/// ...and so much must be left after it, if that is not more than a quarter of the whole.
const USEFUL: Duration = Duration::hours(2);

/// When somebody hears, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Turn {
    /// When.
    pub(crate) at: DateTime<Utc>,
    /// How.
    pub(crate) how: How,
}

/// How somebody hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum How {
    /// In a mail of its own, as soon as it can be.
    AtOnce,
    /// The same, because the digest would come too late.
    Sooner,
    /// In a mail of its own, when the quiet hours are over.
    AfterTheNight,
    /// In a mail of its own, in the morning: it is no haste.
    Unhurried,
    /// With the digest.
    Digest,
    /// With the digest, when the alerts do not rest any more.
    AfterThePause,
}

impl How {
    /// Whether it stands in a digest.
    pub(crate) fn is_digest(self) -> bool {
        matches!(self, Self::Digest | Self::AfterThePause)
    }
}

/// When a person hears for the first time of what these searches ask for, which can be told from `settled` on.
pub(crate) fn first(
    person: &Person,
    asking: &[&Search],
    truth: &Truth,
    settled: DateTime<Utc>,
) -> Option<Turn> {
    if let Some(rested) = rests_until(person).filter(|rested| settled < *rested) {
        return Some(Turn { at: digest(person, asking, rested)?, how: How::AfterThePause });
    }
    let shuts = truth.facts.door_shuts_at();
    if asking.iter().any(|search| search.cadence == Cadence::Immediate) {
        let useful =
            truth.opened_at.zip(shuts).map_or(USEFUL, |(opens, shuts)| USEFUL.min((shuts - opens) / 4));
        return Some(by_day(person, settled, How::AtOnce, shuts.map(|shuts| shuts - useful)));
    }
    let at = digest(person, asking, settled)?;
    let too_late = shuts.is_some_and(|shuts| shuts <= at);
    Some(if too_late { by_day(person, settled, How::Sooner, shuts) } else { Turn { at, how: How::Digest } })
}

/// At this moment, or when the night is over that it lies in, unless that is later than `latest`.
pub(crate) fn by_day(person: &Person, at: DateTime<Utc>, how: How, latest: Option<DateTime<Utc>>) -> Turn {
    match night_ends(person, at) {
        Some(morning) if latest.is_none_or(|latest| morning <= latest) => {
            Turn { at: morning, how: How::AfterTheNight }
        }
        _ => Turn { at, how },
    }
}

/// When the first digest after a moment comes in which one of these searches can be told; the daily one, if none of
/// them has one.
pub(crate) fn digest(person: &Person, asking: &[&Search], after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let choice = person.digest.unwrap_or_default();
    let ticks = asking.iter().filter_map(|search| match search.cadence {
        Cadence::Scheduled(slot) => tick(slot.schedule == ScheduleName::WEEKLY, choice, after),
        Cadence::Immediate | Cadence::Paused => None,
    });
    ticks.min().or_else(|| tick(false, choice, after))
}

/// What a person chose that bears on this turn, in words.
pub(crate) fn chosen(person: &Person, turn: Turn) -> Option<String> {
    let hour = |time: NaiveTime| time.format("%H:%M");
    match turn.how {
        How::AfterThePause => {
            person.pause.map(|pause| format!("paused until {}", pause.until.format("%-d %B")))
        }
        How::Digest => person.digest.map(|choice| {
            let day = choice.day.map(|day| day.to_string());
            let time = choice.time.map(|time| hour(time).to_string());
            let working = choice.working_days.then(|| "on working days".to_owned());
            let words: Vec<String> = [day, time, working].into_iter().flatten().collect();
            format!("chose {}", words.join(", "))
        }),
        How::AtOnce => {
            let time = turn.at.with_timezone(&LONDON).time();
            let own = person.quiet_hours.filter(|_| time >= EVENING || time < MORNING);
            own.map(|(from, to)| format!("chose quiet hours from {} to {}", hour(from), hour(to)))
        }
        How::Sooner | How::AfterTheNight | How::Unhurried => None,
    }
}

/// The next morning at the usual time.
pub(crate) fn next_morning(after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    tick(false, Choice::default(), after)
}

/// Until when a person's alerts rest.
pub(crate) fn rests_until(person: &Person) -> Option<DateTime<Utc>> {
    moment(person.pause?.until, NaiveTime::MIN)
}

/// The day in London.
pub(crate) fn day_of(at: DateTime<Utc>) -> NaiveDate {
    at.with_timezone(&LONDON).date_naive()
}

/// A time of a day in London.
pub(crate) fn moment(day: NaiveDate, time: NaiveTime) -> Option<DateTime<Utc>> {
    LONDON.from_local_datetime(&day.and_time(time)).earliest().map(|at| at.with_timezone(&Utc))
}

fn tick(weekly: bool, choice: Choice, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let calendar = Calendar::shipped();
    let time = choice.time.unwrap_or(MORNING);
    let first = day_of(after) - Days::new(14);
    let days = first.iter_days().take(42).filter(|day| {
        let monday = choice.day.unwrap_or(Weekday::Mon);
        !weekly || day.weekday() == monday
    });
    let moved = days.map(|day| {
        let works = |day: &NaiveDate| !choice.working_days || calendar.is_working_day(*day);
        day.iter_days().find(works).unwrap_or(day)
    });
    moved.filter_map(|day| moment(day, time)).filter(|tick| *tick > after).min()
}

fn night_ends(person: &Person, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let (from, to) = person.quiet_hours.unwrap_or((EVENING, MORNING));
    let (day, time) = (day_of(at), at.with_timezone(&LONDON).time());
    let over_midnight = to < from;
    let is_night = if over_midnight { time >= from || time < to } else { (from..to).contains(&time) };
    let ends = if over_midnight && time >= from { day + Days::new(1) } else { day };
    moment(ends, to).filter(|_| is_night)
}

#[cfg(test)]
pub(crate) mod tests {
    use jobalerts::domain::facts::Closing;
    use jobalerts::domain::taxonomy::Taxonomy;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("is a moment")
    }

    /// Somebody with one search, who chose this.
    pub(crate) fn person(cadence: &str, chosen: &str) -> Person {
        let consent = r#""consent":{"wordingVersion":"1","at":"2023-01-01T00:00:00Z","source":"page"}"#;
        let search = format!(r#"{{"name":"all","cadence":"{cadence}","where":{{}}}}"#);
        let line = format!(r#"{{"email":"ann@example.org","searches":[{search}],{consent}{chosen}}}"#);
        let rhythm = crate::people::rhythm().expect("the schedules are good");
        Person::read(&line, &Taxonomy::shipped(), &rhythm).expect("is a person")
    }

    fn heard(person: &Person, settled: &str, shuts: Option<&str>) -> Turn {
        let mut truth = crate::news::tests::truth();
        truth.opened_at = Some(at(settled));
        truth.facts.closing = shuts.map_or(Closing::OpenUntilFilled, |shuts| Closing::Instant(at(shuts)));
        first(person, &[&person.searches[0]], &truth, at(settled)).expect("they hear")
    }

    #[test]
    fn digests_come_at_the_hour_that_was_chosen() {
        for (cadence, chosen, then) in [
            ("daily", "", "2023-11-26T08:00:00Z"),
            ("weekly", "", "2023-11-27T08:00:00Z"),
            ("daily", r#","digest":{"time":"18:00"}"#, "2023-11-25T18:00:00Z"),
            ("daily", r#","digest":{"time":"18:00","workingDaysOnly":true}"#, "2023-11-27T18:00:00Z"),
            ("weekly", r#","digest":{"day":"Fri"}"#, "2023-12-01T08:00:00Z"),
        ] {
            // A Saturday.
            let turn = heard(&person(cadence, chosen), "2023-11-25T12:00:00Z", None);
            assert_eq!(turn, Turn { at: at(then), how: How::Digest }, "{cadence}{chosen}");
        }
    }

    #[test]
    fn what_shuts_before_the_digest_comes_sooner() {
        let weekly = person("weekly", "");
        let turn = |shuts| heard(&weekly, "2023-12-01T10:00:00Z", Some(shuts));
        assert_eq!(turn("2023-12-04T08:00:00Z").how, How::Sooner);
        assert_eq!(turn("2023-12-04T08:00:00Z").at, at("2023-12-01T10:00:00Z"));
        assert_eq!(turn("2023-12-04T08:00:01Z"), Turn { at: at("2023-12-04T08:00:00Z"), how: How::Digest });
    }

    #[test]
    fn by_night_nobody_hears_of_what_can_wait() {
        let (late, morning) = ("2023-11-30T22:10:00Z", "2023-12-01T08:00:00Z");
        let turn = |chosen, shuts| heard(&person("immediate", chosen), late, shuts);
        assert_eq!(turn("", None), Turn { at: at(morning), how: How::AfterTheNight });
        assert_eq!(turn("", Some("2023-12-01T09:00:00Z")), Turn { at: at(late), how: How::AtOnce });
        assert_eq!(turn("", Some("2023-12-01T12:00:00Z")).how, How::AfterTheNight);
        let own = r#","quietHours":{"from":"23:30","to":"09:00"}"#;
        assert_eq!(turn(own, None), Turn { at: at(late), how: How::AtOnce });
        assert_eq!(turn(r#","quietHours":{"from":"00:00","to":"00:00"}"#, None).how, How::AtOnce);
        let paused = r#","pause":{"until":"2023-12-03"}"#;
        let after = Turn { at: at("2023-12-03T08:00:00Z"), how: How::AfterThePause };
        assert_eq!(turn(paused, None), after);
    }
}
