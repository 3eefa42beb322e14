//! When things happen: zone, working days, schedules, and what is done by the clock.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use chrono::DateTime;
use chrono_tz::Tz;
use cron::Schedule;

use crate::config::meaning::{age, age_while_undone, calendar, cron, timing, within, zone};
use crate::config::reader::Section;
use crate::config::written::{Written, Wrong};
use crate::domain::age::Age;
use crate::domain::cadence::ScheduleName;
use crate::domain::calendar::Calendar;
use crate::domain::chore::Chore;

/// A calendar, and the file that it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalendarFile {
    /// None for the one that is built into the program.
    pub path: Option<PathBuf>,
    /// What it says.
    pub calendar: Arc<Calendar>,
}

impl CalendarFile {
    fn shipped() -> Self {
        Self { path: None, calendar: Arc::new(Calendar::shipped()) }
    }
}

/// `[time]`: the zone that times are meant in, and the working days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Time {
    /// Of closings, quiet hours and schedules.
    pub zone: Tz,
    /// Which days are working days.
    pub calendar: CalendarFile,
}

impl Time {
    pub(in crate::config) fn read(mut s: Section<'_, '_>) -> Self {
        let paths = s.paths();
        let read = move |written: &Written| calendar(&paths(written)?);
        Self {
            zone: s.get("zone", "Europe/London", zone),
            calendar: s.optional("calendar", read).unwrap_or_else(CalendarFile::shipped),
        }
    }
}

/// `[schedules]`: when mails are due that are not sent at once, in `time.zone`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedules {
    /// Of digests, and of whoever asked for a schedule that is gone.
    pub daily: Timing,
    /// `weekly`, and those with names of the operator's own.
    pub others: BTreeMap<ScheduleName, Timing>,
}

impl Schedules {
    pub(in crate::config) fn read(mut s: Section<'_, '_>) -> Self {
        let daily = s.get("daily", "0 0 8 * * *", timing);
        let mut others = BTreeMap::from([(ScheduleName::WEEKLY, s.get("weekly", "0 0 8 * * Mon", timing))]);
        for key in s.further_keys() {
            let name = key.parse::<ScheduleName>();
            let times = s.optional(&key, |written| {
                name.map_err(|wrong| Wrong::unquoted(wrong.to_string()))?;
                timing(written)
            });
            others.extend(name.ok().zip(times));
        }
        Self { daily, others }
    }

    /// All of them, `daily` first.
    pub fn iter(&self) -> impl Iterator<Item = (ScheduleName, &Timing)> {
        let others = self.others.iter().map(|(name, times)| (*name, times));
        std::iter::once((ScheduleName::DAILY, &self.daily)).chain(others)
    }
}

/// When a schedule runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// At these times...
    pub cron: CronExpression,
    /// ...on working days only: those of other days run on the next working day.
    pub working_days: bool,
}

/// A cron expression of six fields, with weekdays by name, that comes round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CronExpression(pub(in crate::config) Schedule);

impl CronExpression {
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.source()
    }

    /// To be evaluated on wall time: the crate skips and repeats hours in a zone whose clocks change.
    #[must_use]
    pub fn schedule(&self) -> &Schedule {
        &self.0
    }
}

/// `[housekeeping]`: what is done by the clock, in `time.zone`, and how long things are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Housekeeping {
    /// When what is kept no longer is forgotten.
    pub retention: CronExpression,
    /// When promises are settled that nothing else would settle.
    pub outcomes: CronExpression,
    /// When people are asked whether they still want to hear.
    pub still_interested: CronExpression,
    /// How long what was told is known, after it is over.
    pub keep_alerts: Age,
    /// How long who did what to whom is known.
    pub keep_audit: Age,
    /// How long somebody may take to confirm their address.
    pub keep_unconfirmed: Age,
    /// How long who stopped everything is known.
    pub keep_stopped: Age,
    /// How old a confirmation is when it is asked about.
    pub ask_after: Age,
    /// How long after the question the reminder follows.
    pub remind_after: Age,
    /// How long after the question silence ends it.
    pub lapse_after: Age,
    /// The most people who are asked at a time.
    pub ask_at_most: u32,
}

impl Housekeeping {
    pub(in crate::config) fn read(mut s: Section<'_, '_>) -> Self {
        let read = Self {
            retention: s.get("retention", "0 30 3 * * *", cron),
            outcomes: s.get("outcomes", "0 */10 * * * *", cron),
            still_interested: s.get("still_interested", "0 0 10 * * Mon-Fri", cron),
            keep_alerts: s.get("keep_alerts", "13 months", age),
            keep_audit: s.get("keep_audit", "6 years", age),
            keep_unconfirmed: s.get("keep_unconfirmed", "14 days", age),
            keep_stopped: s.get("keep_stopped", "28 days", age_while_undone),
            ask_after: s.get("ask_after", "12 months", age),
            remind_after: s.get("remind_after", "14 days", age),
            lapse_after: s.get("lapse_after", "30 days", age),
            ask_at_most: s.get("ask_at_most", "5000", within(1..=1_000_000)),
        };
        let (remind, lapse) = (read.remind_after, read.lapse_after);
        if remind.after(DateTime::UNIX_EPOCH) >= lapse.after(DateTime::UNIX_EPOCH) {
            s.refuse_together(
                ["lapse_after", "remind_after"],
                &format!(
                    "expected lapse_after to be longer than remind_after, found {lapse} and {remind}: the reminder \
                     comes first"
                ),
            );
        }
        read
    }

    /// When a chore runs.
    #[must_use]
    pub fn schedule(&self, chore: Chore) -> &CronExpression {
        match chore {
            Chore::Retention => &self.retention,
            Chore::Outcomes => &self.outcomes,
            Chore::StillInterested => &self.still_interested,
        }
    }
}
