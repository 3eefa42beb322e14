//! The mail servers that mails are handed to: whose turn it is, which one is
//! passed over, and how much each may be given.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use sqlx::PgPool;
use tokio::time::Instant;

use crate::config::{InEffect, Share, Smtp};
use crate::delivery::breakers::Breakers;
use crate::delivery::smtp::{Line, Relay, RelayError};
use crate::domain::breaker::Leave;
use crate::domain::provider::{Limits, Scope};
use crate::domain::reply::Signal;
use crate::stage::wait_after;
use crate::store;
use crate::store::allowances;
use crate::store::workers::Life;

/// The most mails that are taken out of an allowance together.
const BATCH: u32 = 20;

/// All of them.
pub(super) struct Relays {
    members: Vec<Member>,
    lanes: usize,
}

/// One of them.
struct Member {
    name: String,
    relay: Relay,
    in_effect: InEffect,
    /// Lines that this process may have open.
    lines: AtomicU32,
    going: Mutex<Going>,
}

/// How it goes with one of them.
#[derive(Default)]
struct Going {
    /// It cannot be reached.
    away: Option<Away>,
    /// Mails of its allowance that are left to this process, in this minute.
    left: u32,
    minute: Option<DateTime<Utc>>,
    /// Nothing is left of its allowance until then, if it is still the same.
    spent_until: Option<(DateTime<Utc>, Limits)>,
}

struct Away {
    again_at: Instant,
    faults: u32,
    why: RelayError,
}

/// A line to one of them.
pub(super) struct Way {
    pub(super) line: Line,
    member: usize,
    /// It finds out whether mails are taken again.
    pub(super) probe: bool,
}

impl Way {
    /// The same after a mail: what there was to find out has been.
    pub(super) fn used(self) -> Self {
        Self { probe: false, ..self }
    }
}

/// No line can be had.
#[derive(Debug)]
pub(super) enum NoWay {
    /// None of them can be reached, or takes a further line.
    Away(RelayError),
    /// They have had what they may be given, or take nothing from us now.
    Shut,
}

impl Member {
    fn new(name: &str, settings: &Smtp, in_effect: InEffect) -> Result<Self, RelayError> {
        let member = Self {
            name: name.to_owned(),
            relay: Relay::new(settings)?,
            in_effect,
            lines: AtomicU32::new(u32::MAX),
            going: Mutex::default(),
        };
        if member.limits().connections.is_some() {
            // None before a claim has asked for them.
            member.lines.store(0, Ordering::Relaxed);
        }
        Ok(member)
    }

    /// What it may be given now.
    fn share(&self) -> Share {
        self.in_effect.now().share_of(&self.name)
    }

    fn limits(&self) -> Limits {
        self.share().limits
    }

    fn scope(&self) -> Scope<'_> {
        Scope::Relay(&self.name)
    }

    fn going(&self) -> MutexGuard<'_, Going> {
        self.going.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lines(&self) -> u32 {
        self.lines.load(Ordering::Relaxed)
    }

    fn open_lines(&self) -> u32 {
        u32::try_from(self.relay.open_lines()).unwrap_or(u32::MAX)
    }

    /// Whether it may be given a mail, as far as is known here.
    fn may_be_given(&self, breakers: &Breakers, now: DateTime<Utc>) -> bool {
        let limits = self.limits();
        self.lines() > 0
            && self.going().spent_until.is_none_or(|(until, spent)| until <= now || spent != limits)
            && breakers.leave(self.scope(), now) != Leave::Refused
    }

    /// Opens a line, and notes whether it can be reached.
    async fn connect(&self) -> Result<Line, RelayError> {
        let opened = self.relay.connect().await;
        let mut going = self.going();
        match &opened {
            Ok(_) => {
                if going.away.take().is_some() {
                    tracing::info!(relay = self.name, "the mail server is back");
                }
            }
            // With a line open it is not away, but wants no more of them.
            Err(_) if self.relay.open_lines() > 0 => {}
            Err(error) => {
                let faults = going.away.as_ref().map_or(0, |away| away.faults + 1);
                if faults == 0 {
                    tracing::warn!(relay = self.name, %error, "a mail server is away");
                }
                let again_at = Instant::now() + wait_after(faults, &mut rand::rng());
                going.away = Some(Away { again_at, faults, why: error.clone() });
            }
        }
        opened
    }

    /// Takes one mail out of its allowance.
    async fn take(&self, pool: &PgPool, now: DateTime<Utc>) -> store::Result<bool> {
        let limits = self.limits();
        if limits.per_minute.is_none() && limits.per_day.is_none() {
            return Ok(true);
        }
        let minute = now.duration_trunc(TimeDelta::minutes(1)).ok();
        {
            let mut going = self.going();
            if going.minute == minute && going.left > 0 {
                going.left -= 1;
                return Ok(true);
            }
        }
        let mut transaction = pool.begin().await?;
        let taken = allowances::take(&mut transaction, self.scope(), &limits, batch(&limits), now).await?;
        transaction.commit().await?;
        let mut going = self.going();
        if taken.given == 0 {
            going.spent_until = Some((taken.renewed_at, limits));
            return Ok(false);
        }
        // Another lane may have taken some meanwhile.
        going.left = taken.given - 1 + if going.minute == minute { going.left } else { 0 };
        going.minute = minute;
        Ok(true)
    }
}

/// How many mails are taken out of an allowance together: a small part of it.
/// What is left of them when the minute is over is lost, so one by one where a
/// day has so many.
fn batch(limits: &Limits) -> u32 {
    if limits.per_day.is_some() {
        return 1;
    }
    (limits.per_minute.unwrap_or(u32::MAX) / 20).clamp(1, BATCH)
}

impl Relays {
    /// Those of the configuration in effect; does not connect.
    ///
    /// # Errors
    ///
    /// When the file of a further authority cannot be read.
    pub(super) fn new(in_effect: &InEffect) -> Result<Self, RelayError> {
        let config = in_effect.now();
        let servers = config.mail_servers().into_iter();
        let members = servers.map(|(name, settings)| Member::new(name, &settings, in_effect.clone()));
        Ok(Self { members: members.collect::<Result<_, _>>()?, lanes: config.smtp.connections.into() })
    }

    /// How many lanes there are to all of them together.
    pub(super) fn lanes(&self) -> usize {
        self.lanes
    }

    /// How many lines are open, or being opened, now.
    pub(super) fn open_lines(&self) -> usize {
        self.members.iter().map(|member| member.relay.open_lines()).sum()
    }

    /// Whether any of them may be given a mail, as far as is known here.
    pub(super) fn any_may_be_given(&self, breakers: &Breakers, now: DateTime<Utc>) -> bool {
        self.members.iter().any(|member| member.may_be_given(breakers, now))
    }

    /// Asks for lines to those that may have only so many, of all processes
    /// together. They are held as long as the worker lives, or until there may be
    /// fewer of them.
    pub(super) async fn ask_for_lines(&self, life: &mut Life) -> store::Result<()> {
        for member in &self.members {
            let limit = member.limits().connections;
            let most = limit.unwrap_or(0);
            let wanted = most.min(u32::try_from(self.lanes).unwrap_or(u32::MAX));
            let held = life.hold_lines(member.scope(), wanted, most).await?;
            member.lines.store(if limit.is_some() { held } else { u32::MAX }, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Opens a line to the one whose turn it is. Those that are away are passed
    /// over at once, and tried again later.
    pub(super) async fn connect(
        &self,
        breakers: &Breakers,
        pool: &PgPool,
        now: DateTime<Utc>,
    ) -> Result<Way, NoWay> {
        let mut passed = vec![false; self.members.len()];
        let mut failed = None;
        while let Some(index) = self.next(&passed, breakers, now) {
            passed[index] = true;
            let member = &self.members[index];
            let probe = match breakers.leave(member.scope(), now) {
                Leave::Granted => false,
                Leave::Refused => continue,
                Leave::Probe => {
                    let won =
                        async { breakers.probe(&mut *pool.acquire().await?, member.scope(), now).await };
                    match won.await {
                        Ok(true) => true,
                        Ok(false) | Err(_) => continue,
                    }
                }
            };
            match member.connect().await {
                Ok(line) => return Ok(Way { line, member: index, probe }),
                Err(error) => {
                    if probe {
                        let reason = "it could not be reached";
                        breakers.heed(pool, member.scope(), Signal::Strained, reason, now).await;
                    }
                    failed = Some(error);
                }
            }
        }
        let away = || self.members.iter().find_map(|member| Some(member.going().away.as_ref()?.why.clone()));
        Err(failed.or_else(away).map_or(NoWay::Shut, NoWay::Away))
    }

    /// The one with the fewest lines for its weight, of those that may be given
    /// mails and are not known to be away.
    fn next(&self, passed: &[bool], breakers: &Breakers, now: DateTime<Utc>) -> Option<usize> {
        let usable = self.members.iter().enumerate().filter(|(index, member)| {
            let away = |away: &Away| Instant::now() < away.again_at;
            !passed[*index]
                && member.may_be_given(breakers, now)
                && member.open_lines() < member.lines()
                && !member.going().away.as_ref().is_some_and(away)
        });
        let load = |member: &Member| f64::from(member.open_lines() + 1) / f64::from(member.share().weight);
        usable.min_by(|(_, a), (_, b)| load(a).total_cmp(&load(b))).map(|(index, _)| index)
    }

    /// Looks whether any of them can be reached. With a line open one can, and a
    /// further line might be one too many for it.
    pub(super) async fn find(&self) -> Result<(), RelayError> {
        if self.open_lines() > 0 {
            return Ok(());
        }
        let mut failed = None;
        for member in &self.members {
            match member.connect().await {
                Ok(line) => {
                    line.quit().await;
                    return Ok(());
                }
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// The same before there was any need of them. Where only so many connections
    /// may be open, one more is not opened for that.
    pub(super) async fn find_early(&self) -> Result<(), RelayError> {
        if self.members.iter().any(|member| member.limits().connections.is_some()) {
            return Ok(());
        }
        self.find().await
    }

    /// Whether a line is still to be used.
    pub(super) fn is_good(&self, way: &Way, breakers: &Breakers, now: DateTime<Utc>) -> bool {
        let member = &self.members[way.member];
        let leave = way.probe || breakers.leave(member.scope(), now) == Leave::Granted;
        leave && !way.line.is_worn() && member.open_lines() <= member.lines()
    }

    /// Takes one mail out of what the mail server at the end of a line may be
    /// given; whether there was one left.
    pub(super) async fn take(&self, way: &Way, pool: &PgPool, now: DateTime<Utc>) -> store::Result<bool> {
        self.members[way.member].take(pool, now).await
    }

    /// Whose line it is.
    pub(super) fn scope_of(&self, way: &Way) -> Scope<'_> {
        self.members[way.member].scope()
    }
}
