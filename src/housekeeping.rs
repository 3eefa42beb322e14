//! What is done by the clock: forgetting what is kept no longer, settling what
//! nothing else would settle, counting that nobody is forgotten, and asking people
//! whether they still want to hear.
//!
//! A chore has a schedule. Each of its times is a row, which one process writes
//! and whoever is free works off, in bounded parts: each part is one transaction
//! that holds the row and writes down how far it is. Killed at any moment, the
//! part that was under way is done again, here or elsewhere. However many times
//! were missed, one run makes up for them.

mod interest;
mod reckoning;
mod retention;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use sqlx::{PgConnection, PgPool};

use crate::clock::Clock;
use crate::config::{Config, Housekeeping as Settings};
use crate::domain::chore::{Chore, latest_tick};
use crate::domain::letter::Patience;
use crate::domain::suppression::AddressKeys;
use crate::domain::taxonomy::Taxonomy;
use crate::stage::Stage;
use crate::store;
use crate::store::chores::{self, Held, Progress};
use crate::store::promises;
use crate::store::retention::Swept;

/// How often to look whether a time has come.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The most rows that one transaction looks at: a fraction of a second.
const ROWS_TOGETHER: i64 = 5_000;

/// What housekeeping goes by.
#[derive(Debug, Clone)]
pub struct Rules {
    settings: Settings,
    taxonomy: Arc<Taxonomy>,
    patience: Patience,
    zone: Tz,
    /// What suppressed addresses are known by. Without them, who stopped is not forgotten: an old
    /// list would bring them back.
    address_keys: Option<AddressKeys>,
    /// The most rows that one transaction looks at.
    pub rows_together: i64,
}

impl Rules {
    /// The rules of a configuration.
    #[must_use]
    pub fn new(config: &Config, taxonomy: Arc<Taxonomy>) -> Self {
        Self {
            settings: config.housekeeping.clone(),
            taxonomy,
            patience: config.patience(),
            zone: config.time.zone,
            address_keys: config.secrets.keys_of_addresses().ok().cloned(),
            rows_together: ROWS_TOGETHER,
        }
    }
}

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing was to be done.
    Idle,
    /// A part of a chore is done.
    Part {
        /// Of which.
        chore: Chore,
        /// The rows that were written or removed.
        handled: u64,
        /// Whether that was the last part.
        finished: bool,
    },
}

/// Does one part of one chore whose time has come. A chore that fails does not
/// keep the others from theirs.
///
/// # Errors
///
/// When Postgres is away, or objects; that part is then done again.
pub async fn step(pool: &PgPool, rules: &Rules, now: DateTime<Utc>) -> store::Result<Step> {
    let mut failed = None;
    for chore in Chore::ALL {
        match part(pool, rules, chore, now).await {
            Ok(Step::Idle) => {}
            Ok(done) => return Ok(done),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(Step::Idle), Err)
}

/// Does one part of a chore, if its time has come.
async fn part(pool: &PgPool, rules: &Rules, chore: Chore, now: DateTime<Utc>) -> store::Result<Step> {
    let mut transaction = pool.begin().await?;
    let mut held = chores::hold(&mut transaction, chore).await?;
    if held.is_none() && take(&mut transaction, rules, chore, now).await? {
        // That it is taken is known to others before the work begins.
        transaction.commit().await?;
        transaction = pool.begin().await?;
        held = chores::hold(&mut transaction, chore).await?;
    }
    let Some(held) = held else {
        transaction.commit().await?;
        return Ok(Step::Idle);
    };
    let progress = work(&mut transaction, rules, chore, held, now).await?;
    chores::advance(&mut transaction, chore, held.tick_at, progress, now).await?;
    transaction.commit().await?;
    let Progress { handled, next } = progress;
    if handled > 0 {
        tracing::info!(chore = chore.name(), part = held.part, rows = handled, "housekeeping");
    }
    Ok(Step::Part { chore, handled, finished: next.is_none() })
}

/// Takes the time of a chore that has come, if one has and nobody else has
/// taken it.
async fn take(
    connection: &mut PgConnection,
    rules: &Rules,
    chore: Chore,
    now: DateTime<Utc>,
) -> store::Result<bool> {
    let Some(after) = chores::begins_after(&mut *connection, chore, now).await? else { return Ok(false) };
    let schedule = rules.settings.schedule(chore).schedule();
    let Some(tick_at) = latest_tick(schedule, rules.zone, after, now) else { return Ok(false) };
    chores::take(connection, chore, tick_at, now).await
}

/// Does the next part of a chore that was begun.
async fn work(
    connection: &mut PgConnection,
    rules: &Rules,
    chore: Chore,
    held: Held,
    now: DateTime<Utc>,
) -> store::Result<Progress> {
    let swept = match chore {
        Chore::Retention => retention::part(connection, rules, held, now).await?,
        Chore::Outcomes => return outcomes(connection, rules, held, now).await,
        Chore::StillInterested => interest::part(connection, rules, held, now).await?,
    };
    Ok(match swept {
        Some(Swept { gone, more }) => {
            let next = more.map_or((held.part + 1, 0), |cursor| (held.part, cursor));
            Progress { handled: gone, next: Some(next) }
        }
        None => Progress { handled: 0, next: None },
    })
}

/// First the promises that nothing else would settle, then the count of each
/// open programme, by its key.
async fn outcomes(
    connection: &mut PgConnection,
    rules: &Rules,
    held: Held,
    now: DateTime<Utc>,
) -> store::Result<Progress> {
    if held.part == 0 {
        let handled = promises::give_up(connection, now).await?;
        return Ok(Progress { handled, next: Some((1, 0)) });
    }
    let counted = reckoning::next(connection, rules, held.cursor, now).await?;
    Ok(Progress { handled: 0, next: counted.map(|opening| (held.part, opening)) })
}

/// The stage.
pub struct Housekeeping {
    pool: PgPool,
    clock: Clock,
    rules: Rules,
    /// Whether the last step found something.
    busy: bool,
}

impl Housekeeping {
    /// The stage on a database.
    #[must_use]
    pub fn new(pool: PgPool, clock: Clock, rules: Rules) -> Self {
        Self { pool, clock, rules, busy: true }
    }
}

impl Stage for Housekeeping {
    const NAME: &'static str = "housekeeping";

    async fn ready(&mut self) -> anyhow::Result<()> {
        if !self.busy {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    async fn step(&mut self) -> anyhow::Result<()> {
        self.busy = step(&self.pool, &self.rules, self.clock.now()).await? != Step::Idle;
        Ok(())
    }
}
