//! When the schedules run: from cron expressions to moments, on the clocks of
//! one zone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Datelike, Duration, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;
use cron::Schedule;

use crate::domain::cadence::{Cadence, Choice, ScheduleName};
use crate::domain::calendar::Calendar;
use crate::domain::local_time::first_moment;
use crate::domain::suggest::nearest;

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
    /// Which days are working days...
    calendar: Arc<Calendar>,
    /// ...and the schedules that run on these only, for everybody.
    working_days: BTreeSet<ScheduleName>,
}

impl Rhythm {
    /// With the schedule that there always is, [`ScheduleName::DAILY`].
    #[must_use]
    pub fn new(zone: Tz, calendar: Arc<Calendar>, daily: Schedule) -> Self {
        Self { zone, daily, others: BTreeMap::new(), calendar, working_days: BTreeSet::new() }
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

    /// With a schedule running on working days only: a tick on another day runs
    /// at the same time of the next working day.
    #[must_use]
    pub fn on_working_days(mut self, name: ScheduleName) -> Self {
        self.working_days.insert(name);
        self
    }

    /// The names of all schedules, `daily` first.
    pub fn names(&self) -> impl Iterator<Item = ScheduleName> {
        std::iter::once(ScheduleName::DAILY).chain(self.others.keys().copied())
    }

    /// The cadences that people can hear at.
    pub fn cadences(&self) -> impl Iterator<Item = Cadence> {
        std::iter::once(Cadence::Immediate).chain(self.names().map(Cadence::scheduled))
    }

    /// The cadence of a name, as people ask for it.
    ///
    /// # Errors
    ///
    /// When there is none; with the nearest one that there is.
    pub fn cadence(&self, name: &str) -> Result<Cadence, UnknownCadence> {
        let known = || self.cadences().chain([Cadence::Paused]);
        known().find(|cadence| cadence.to_string() == name).ok_or_else(|| {
            let known: Vec<String> = known().map(|cadence| cadence.to_string()).collect();
            UnknownCadence(nearest(name, known.iter().map(String::as_str)))
        })
    }

    /// The schedule that counts: who asked for one that is gone is told by the
    /// daily one, and not lost.
    #[must_use]
    pub fn in_effect(&self, name: ScheduleName) -> ScheduleName {
        if self.others.contains_key(&name) { name } else { ScheduleName::DAILY }
    }

    /// All schedules, their zone and the bank holidays, in short: differs
    /// whenever one does.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut parts = vec![self.zone.name().to_owned(), format!("daily = {}", self.daily)];
        parts.extend(self.others.iter().map(|(name, schedule)| format!("{name} = {schedule}")));
        parts.extend(self.working_days.iter().map(|name| format!("{name} on working days")));
        let holidays: Vec<String> = self.calendar.holidays().map(|day| day.to_string()).collect();
        parts.push(format!("not {}", holidays.join(" ")));
        parts.join("; ")
    }

    /// The moment after `after` at which the next word at this cadence is due,
    /// if one is ever; at once it is `after` itself.
    #[must_use]
    pub fn due(&self, cadence: Cadence, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let slot = match cadence {
            Cadence::Immediate => return Some(after),
            Cadence::Scheduled(slot) => slot,
            Cadence::Paused => return None,
        };
        let name = self.in_effect(slot.schedule);
        let schedule = self.others.get(&name).unwrap_or(&self.daily);
        let working = slot.choice.working_days || self.working_days.contains(&name);
        Ticks { schedule, choice: slot.choice, calendar: working.then_some(&self.calendar), zone: self.zone }
            .next_after(after)
    }

    /// The local day of a moment.
    #[must_use]
    pub fn day_of(&self, moment: DateTime<Utc>) -> NaiveDate {
        moment.with_timezone(&self.zone).date_naive()
    }

    /// The first moment of a local day.
    #[must_use]
    pub fn begin_of(&self, day: NaiveDate) -> DateTime<Utc> {
        first_moment(self.zone, day.and_time(NaiveTime::MIN))
    }

    /// The last moment of a local day, to the microsecond.
    #[must_use]
    pub fn end_of(&self, day: NaiveDate) -> DateTime<Utc> {
        self.begin_of(day.succ_opt().unwrap_or(day)) - Duration::microseconds(1)
    }
}

/// The first tick after `now`. The schedule is read on a calendar without
/// zones, and each of its local times is then turned into a moment: the crate's
/// own arithmetic on zoned times skips a spring day and doubles an autumn hour.
/// Local times that do not exist run, together, at the first moment that does;
/// one that comes twice runs the first time.
#[must_use]
pub fn next_tick(schedule: &Schedule, zone: Tz, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    Ticks { schedule, choice: Choice::default(), calendar: None, zone }.next_after(now)
}

/// The ticks of a schedule, as somebody has chosen them.
struct Ticks<'a> {
    schedule: &'a Schedule,
    choice: Choice,
    /// Ticks on a day on which nobody works run at the same time of the next
    /// day on which people do.
    calendar: Option<&'a Calendar>,
    zone: Tz,
}

impl Ticks<'_> {
    fn next_after(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        // What the clocks show has begun, whether they showed it or jumped over it; what they are yet
        // to show may have begun before they were put back.
        let local = now.with_timezone(&self.zone).naive_local();
        let Some(calendar) = self.calendar else {
            let mut moments = self.local_times(local).map(|tick| first_moment(self.zone, tick));
            return moments.find(|tick| *tick > now);
        };
        // Ticks of the days off before today may run today, or later still.
        let before = local.date().pred_opt()?.iter_days().rev();
        let days_off = before.take_while(|day| !calendar.is_working_day(*day));
        let from = days_off.last().unwrap_or(local.date()).and_time(NaiveTime::MIN) - Duration::seconds(1);
        let mut next: Option<NaiveDateTime> = None;
        for tick in self.local_times(from) {
            let moved = calendar.working_day_from(tick.date()).and_time(tick.time());
            if next.is_some_and(|next| next.date() < moved.date()) {
                break;
            }
            if first_moment(self.zone, moved) > now {
                next = Some(next.map_or(moved, |next| next.min(moved)));
                // Those that are moved to a day come before the day's own, and these in their order.
                if moved == tick {
                    break;
                }
            }
        }
        next.map(|next| first_moment(self.zone, next))
    }

    /// The local times of the ticks after `from`, in their order.
    fn local_times(&self, from: NaiveDateTime) -> Box<dyn Iterator<Item = NaiveDateTime> + '_> {
        let after = |from| self.schedule.after(&Utc.from_utc_datetime(&from)).map(|tick| tick.naive_utc());
        let Choice { time, day, .. } = self.choice;
        if time.is_none() && day.is_none() {
            return Box::new(after(from));
        }
        let midnight = from.date().and_time(NaiveTime::MIN) - Duration::seconds(1);
        let Some(time) = time.or_else(|| after(midnight).next().map(|tick| tick.time())) else {
            return Box::new(std::iter::empty());
        };
        let days: Box<dyn Iterator<Item = NaiveDate> + '_> = match day {
            Some(day) => Box::new(from.date().iter_days().filter(move |date| date.weekday() == day)),
            None => Box::new(
                after(midnight)
                    .scan(None, |last, tick| {
                        let new = last.replace(tick.date()) != Some(tick.date());
                        Some(new.then_some(tick.date()))
                    })
                    .flatten(),
            ),
        };
        Box::new(days.map(move |day| day.and_time(time)).filter(move |tick| *tick > from))
    }
}

#[cfg(test)]
mod tests;
