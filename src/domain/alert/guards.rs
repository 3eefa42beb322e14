//! What holds a notice back, and how it goes out when nothing does.

use chrono::{DateTime, Duration, Utc};

use crate::domain::alert::{Notice, Policy, Situation};
use crate::domain::cadence::{Cadence, ScheduleName, Slot};
use crate::domain::difference::{self, Difference, Field, differences};
use crate::domain::subject::Kind;
use crate::domain::truth::Truth;

/// Why nothing is said at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Guard {
    /// The door moved just now; it may be a blink.
    Settle,
    /// The person had a mail about it just now.
    MinimumGap,
    /// It is no haste, and goes with the next digest, or at its time.
    Digest,
    /// The person's alerts rest.
    Pause,
    /// It is night, and it can wait.
    QuietHours,
    /// It is not true yet.
    NotYet,
}

impl Guard {
    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Settle => "settle time",
            Self::MinimumGap => "minimum gap",
            Self::Digest => "waits for the digest",
            Self::Pause => "pause",
            Self::QuietHours => "quiet hours",
            Self::NotYet => "not true yet",
        }
    }
}

/// How a notice goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// In a mail of its own, as soon as it may.
    AtOnce,
    /// In a mail of its own, at the daily time: it is no haste.
    Unhurried(DateTime<Utc>),
    /// With the digest of this slot, from this tick on.
    Digest(Slot, DateTime<Utc>),
}

impl Manner {
    /// The tick that it waits for.
    #[must_use]
    pub const fn tick(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::AtOnce => None,
            Self::Unhurried(tick) | Self::Digest(_, tick) => Some(*tick),
        }
    }
}

/// How a notice goes out to this person.
#[must_use]
pub fn manner(notice: &Notice, situation: &Situation<'_>, policy: &Policy) -> Manner {
    let Situation { opening, told, wish, preferences, .. } = *situation;
    let registered = wish.registration.is_some();
    let own = match wish.search {
        Some(Cadence::Scheduled(slot)) if !registered => Some(slot),
        _ => None,
    };
    let ready = match told {
        Some(_) => opening.news.seen,
        None => opening.tellable_from(policy.settling),
    };
    let rested = situation.pause_ends();
    let waits = match notice {
        Notice::Corrected(_) => !at_once(&changed(notice, situation, policy)),
        Notice::Missed => !registered,
        // What came while alerts rested comes together, with a digest.
        Notice::Open => own.is_some() || !registered && rested.is_some_and(|ends| ready < ends),
        _ => false,
    };
    if !waits {
        return Manner::AtOnce;
    }
    let slot = own.unwrap_or(Slot::chosen(ScheduleName::DAILY, preferences.digests));
    let from = preferences.ticks_from(rested, ready);
    let Some(tick) = policy.rhythm.due(Cadence::Scheduled(slot), from) else { return Manner::AtOnce };
    match notice {
        // It would shut before the digest.
        Notice::Open if opening.truth.door_shuts_at().is_some_and(|shuts| shuts <= tick) => Manner::AtOnce,
        Notice::Corrected(_) if own.is_none() => Manner::Unhurried(tick),
        _ => Manner::Digest(slot, tick),
    }
}

/// What holds a notice back, and until when; the longest last.
#[must_use]
pub fn guards(notice: &Notice, situation: &Situation<'_>, policy: &Policy) -> Vec<(Guard, DateTime<Utc>)> {
    let Situation { opening, told, now, .. } = *situation;
    let changed = changed(notice, situation, policy);
    let manner = manner(notice, situation, policy);
    let mut holding = Vec::new();
    let door_moved =
        !matches!(notice, Notice::Announced | Notice::Dated | Notice::Corrected(_) | Notice::ClosingSoon)
            || changed.iter().any(|change| change.field == Field::NotOpen);
    if door_moved && let Some(until) = opening.settles_at(policy.settling) {
        holding.push((Guard::Settle, until));
    }
    if let Some(told) = &told
        && !cannot_wait(notice, &changed)
    {
        let until = told.at + policy.minimum_gap;
        let left = opening.truth.door_shuts_at().map(|shuts| shuts - until);
        let useless = *notice == Notice::Open && left.is_some_and(|left| left < policy.useful_minimum);
        if !useless {
            holding.push((Guard::MinimumGap, until));
        }
    }
    holding.extend(situation.pause_ends().map(|ends| (Guard::Pause, ends)));
    // Two days before the door shuts that they were told of, a later closing is urgent.
    let told_shut = told.and_then(|told| told.truth.door_shuts_at());
    let urgent = told_shut.filter(|_| !changed.is_empty()).map(difference::is_near_from);
    let digest = manner.tick().map(|tick| urgent.map_or(tick, |urgent| tick.min(urgent)));
    holding.extend(digest.map(|until| (Guard::Digest, until)));
    holding.extend(quiet_until(notice, manner, situation, policy).map(|until| (Guard::QuietHours, until)));
    holding.retain(|(_, until)| *until > now);
    holding.sort_by_key(|(guard, until)| (*until, *guard));
    holding
}

/// The end of the quiet hours that it is now, if the notice can wait so long. A
/// digest whose own tick lies in them was asked for at that hour.
fn quiet_until(
    notice: &Notice,
    manner: Manner,
    situation: &Situation<'_>,
    policy: &Policy,
) -> Option<DateTime<Utc>> {
    let Situation { opening, told, wish, preferences, now, .. } = *situation;
    let (begun, ends) = preferences.quiet_hours?.period(policy.rhythm.zone, now)?;
    if manner.tick().is_some_and(|tick| begun <= tick && tick <= now) {
        return None;
    }
    let truth = &opening.truth;
    let starts = |truth: &Truth| truth.facts.day.as_ref().map(|day| day.starts_at);
    // Until when somebody can do something about it.
    let act_by = match (notice, opening.kind) {
        (Notice::Open | Notice::Corrected(_) | Notice::ClosingSoon, Kind::Vacancy | Kind::Programme) => {
            truth.door_shuts_at()
        }
        (Notice::Open, Kind::EventDay) => [truth.door_shuts_at(), starts(truth)].into_iter().flatten().min(),
        (Notice::Corrected(_) | Notice::CalledOff | Notice::Paused | Notice::Withdrawn, Kind::EventDay) => {
            told.and_then(|told| starts(told.truth)).into_iter().chain(starts(truth)).min()
        }
        _ => None,
    };
    let scheduled = wish.registration.is_none() && matches!(wish.search, Some(Cadence::Scheduled(_)));
    // What is only early because it shuts before the digest comes at night only if it shuts by morning.
    let needed = match truth.opened_at.zip(act_by) {
        _ if scheduled && *notice == Notice::Open => Duration::zero(),
        Some((opened, by)) => policy.useful_minimum.min((by - opened) / 4),
        None => policy.useful_minimum,
    };
    let in_time = act_by.is_none_or(|by| by <= now || by > ends && by - ends >= needed);
    in_time.then_some(ends)
}

/// What is not as it was told, if that is what there is to say.
fn changed(notice: &Notice, situation: &Situation<'_>, policy: &Policy) -> Vec<Difference> {
    match (notice, &situation.told) {
        (Notice::Corrected(_), Some(told)) => {
            let opening = situation.opening;
            differences(opening.kind, told.truth, &opening.truth, &policy.words, situation.now)
        }
        _ => vec![],
    }
}

/// Whether one of these changes cannot wait for a digest.
fn at_once(changed: &[Difference]) -> bool {
    changed.is_empty() || changed.iter().any(|change| change.at_once)
}

/// Whether somebody who acts on what they were told may come too late.
fn cannot_wait(notice: &Notice, changed: &[Difference]) -> bool {
    match notice {
        Notice::ClosedEarly
        | Notice::CalledOff
        | Notice::Paused
        | Notice::Withdrawn
        | Notice::ClosingSoon => true,
        Notice::Corrected(_) => changed.iter().any(|change| change.earlier || change.field == Field::NotOpen),
        Notice::Announced | Notice::Dated | Notice::Open | Notice::Missed => false,
    }
}
