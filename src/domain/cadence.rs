//! How soon a person wants to hear: at once, or at the next tick of a schedule.
//! When that is, is for the [`rhythm`](crate::domain::rhythm) to say.

use std::fmt;
use std::str::FromStr;

use chrono::{NaiveTime, Weekday};

/// The rhythm of a saved search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cadence {
    /// At once.
    Immediate,
    /// With the digest, at the next tick of a schedule.
    Scheduled(Slot),
    /// Not now.
    Paused,
}

const IMMEDIATE: &str = "immediate";
const PAUSED: &str = "paused";

impl Cadence {
    /// At the ticks of a schedule as they are.
    #[must_use]
    pub fn scheduled(schedule: ScheduleName) -> Self {
        Self::Scheduled(Slot::from(schedule))
    }

    /// The same with what a person has chosen of their digests.
    #[must_use]
    pub fn chosen(self, choice: Choice) -> Self {
        match self {
            Self::Scheduled(slot) => Self::Scheduled(Slot::chosen(slot.schedule, choice)),
            other => other,
        }
    }
}

/// The name in an import and in the tables.
impl fmt::Display for Cadence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Immediate => f.write_str(IMMEDIATE),
            Self::Scheduled(slot) => slot.fmt(f),
            Self::Paused => f.write_str(PAUSED),
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

/// What a person has chosen of when their digests come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Choice {
    /// The local time of day, for the daily and the weekly digest.
    pub time: Option<NaiveTime>,
    /// The day, for the weekly digest.
    pub day: Option<Weekday>,
    /// On working days only: what falls on another day comes on the next
    /// working day.
    pub working_days: bool,
}

/// A schedule, with what a person has chosen of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Slot {
    /// The schedule.
    pub schedule: ScheduleName,
    /// The choice, as far as this schedule leaves one.
    pub choice: Choice,
}

const WORKING_DAYS: &str = "working-days";
const TIME: &str = "%H:%M";

impl Slot {
    /// What of a choice a schedule leaves: the daily digest has an hour to be
    /// chosen, the weekly one a day and an hour. Those that operators add have
    /// the times that their names promise.
    #[must_use]
    pub fn chosen(schedule: ScheduleName, choice: Choice) -> Self {
        let weekly = schedule == ScheduleName::WEEKLY;
        let shipped = weekly || schedule == ScheduleName::DAILY;
        let choice = Choice {
            time: choice.time.filter(|_| shipped),
            day: choice.day.filter(|_| weekly),
            working_days: choice.working_days,
        };
        Self { schedule, choice }
    }
}

impl From<ScheduleName> for Slot {
    fn from(schedule: ScheduleName) -> Self {
        Self { schedule, choice: Choice::default() }
    }
}

/// The schedule's name and what was chosen: `weekly Fri 18:00 working-days`.
impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Choice { time, day, working_days } = self.choice;
        self.schedule.fmt(f)?;
        if let Some(day) = day {
            write!(f, " {day}")?;
        }
        if let Some(time) = time {
            write!(f, " {}", time.format(TIME))?;
        }
        if working_days {
            write!(f, " {WORKING_DAYS}")?;
        }
        Ok(())
    }
}

impl FromStr for Slot {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut words = text.split(' ');
        let schedule = words.next().unwrap_or_default().parse()?;
        let mut choice = Choice::default();
        for word in words {
            if word == WORKING_DAYS {
                choice.working_days = true;
            } else if let Ok(time) = NaiveTime::parse_from_str(word, TIME) {
                choice.time = Some(time);
            } else {
                choice.day = Some(word.parse().map_err(|_| NotAName::Malformed)?);
            }
        }
        Ok(Self::chosen(schedule, choice))
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

#[cfg(test)]
mod tests {
    use super::*;

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
    fn slots_are_written_as_they_are_read() {
        for (text, canonical) in [
            ("daily", "daily"),
            ("daily 18:00", "daily 18:00"),
            ("weekly Fri", "weekly Fri"),
            ("weekly working-days 07:30 Sat", "weekly Sat 07:30 working-days"),
            // What the schedule leaves no choice of.
            ("daily Fri 18:00", "daily 18:00"),
            ("lunchtime Fri 18:00 working-days", "lunchtime working-days"),
        ] {
            assert_eq!(text.parse::<Cadence>().unwrap().to_string(), canonical, "{text}");
            assert_eq!(canonical.parse::<Cadence>().unwrap().to_string(), canonical);
        }
        for wrong in ["daily 25:00", "daily  18:00", "weekly Someday", "daily immediate"] {
            assert_eq!(wrong.parse::<Cadence>(), Err(NotAName::Malformed), "{wrong}");
        }
    }
}
