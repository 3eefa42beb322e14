//! What those who run the service watch, asked every few seconds: each question is
//! answered by an index, and none counts further than it needs to.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{Connection, FromRow, PgConnection};

use crate::store::breakers::{self, Kept};
use crate::store::chores::{self, Standing};
use crate::store::{Result, hurry, settings};

/// Counts of what waits end here: more is no news.
pub const COUNTED_UP_TO: i64 = 100_000;

/// A watch must not add to the load that it shows.
const AT_MOST: Duration = Duration::from_secs(5);

/// What the tables say of how it goes.
#[derive(Debug, Clone)]
pub struct Vitals {
    /// In numbers.
    pub numbers: Numbers,
    /// Providers and relays with which not all is well.
    pub breakers: Vec<Kept>,
    /// How each chore stands.
    pub chores: Vec<Standing>,
    /// An operator has stopped all mails.
    pub paused: bool,
}

/// The same in numbers.
#[derive(Debug, Clone, FromRow)]
pub struct Numbers {
    /// Promises without an outcome whose door has not shut; without those of test events.
    pub owed: i64,
    /// The same whose door has shut: broken, unless a mail that explains it is on its way.
    pub broken: i64,
    /// Alerts for people who asked to hear at once whose word is due, up to [`COUNTED_UP_TO`].
    pub due_at_once: i64,
    /// Since when the longest waiting of these is due.
    pub oldest_at_once: Option<DateTime<Utc>>,
    /// Alerts that wait for a digest and are due, up to [`COUNTED_UP_TO`].
    pub due_unhurried: i64,
    /// Since when the longest waiting of these is due.
    pub oldest_unhurried: Option<DateTime<Utc>>,
    /// Alerts about open doors that were told nothing, are not due, and have not ended: forgotten.
    pub unaccounted: i64,
    /// People who registered for a programme that is open, and of whom nothing is known, as of the last
    /// [reckoning](crate::store::reckonings).
    pub missing: i64,
    /// Openings that matching has yet to look at.
    pub to_match: i64,
    /// Openings that matching cannot get past.
    pub set_aside: i64,
    /// Events for others that are not published yet, up to [`COUNTED_UP_TO`].
    pub outcome_events: i64,
    /// Mails of which nobody knows whether they arrived, up to [`COUNTED_UP_TO`].
    pub unknown: i64,
    /// Mails put off by a mail server, up to [`COUNTED_UP_TO`].
    pub deferred: i64,
    /// When the last event came.
    pub last_event_at: Option<DateTime<Utc>>,
    /// How long after its own time it came, in seconds.
    pub lateness: Option<f64>,
}

/// The time by the clock of the database. Every role may ask for it.
///
/// # Errors
///
/// When Postgres is away.
pub async fn database_time(connection: &mut PgConnection) -> Result<DateTime<Utc>> {
    Ok(sqlx::query_scalar("select clock_timestamp()").fetch_one(connection).await?)
}

/// Reads them.
///
/// # Errors
///
/// When Postgres is away, or takes too long.
pub async fn read(connection: &mut PgConnection, now: DateTime<Utc>) -> Result<Vitals> {
    let mut transaction = connection.begin().await?;
    hurry(&mut transaction, AT_MOST).await?;
    let numbers = numbers(&mut transaction, now).await?;
    let breakers = breakers::all(&mut transaction).await?;
    let chores = chores::standing(&mut transaction).await?;
    let paused = settings::paused(&mut transaction).await?.is_some();
    transaction.commit().await?;
    Ok(Vitals { numbers, breakers, chores, paused })
}

async fn numbers(connection: &mut PgConnection, now: DateTime<Utc>) -> Result<Numbers> {
    Ok(sqlx::query_as(
        "with owing as (
             -- alerts_outstanding answers this by itself.
             select opening_id, count(*) as promises from alerts where promise and outcome is null
             group by opening_id),
         owed as (
             select coalesce(o.opened_at <= $1 and (o.state = 'withdrawn' or o.door_shuts_at <= $1), false)
                        as has_shut,
                    owing.promises
             from owing join openings o on o.id = owing.opening_id
             where not o.absorbed and o.subject ~ '^programme/'),
         live as (
             select id from openings
             where state = 'open' and opened_at <= $1 and (door_shuts_at is null or door_shuts_at > $1)
                 and matched_revision = revision and fault is null and not absorbed)
         select
             (select coalesce(sum(promises), 0)::bigint from owed where not has_shut) as owed,
             (select coalesce(sum(promises), 0)::bigint from owed where has_shut) as broken,
             (select count(*) from (select from alerts where not unhurried and due_at <= $1 limit $2) due)
                 as due_at_once,
             (select due_at from alerts where not unhurried and due_at <= $1 order by due_at limit 1)
                 as oldest_at_once,
             (select count(*) from (select from alerts where unhurried and due_at <= $1 limit $2) due)
                 as due_unhurried,
             (select due_at from alerts where unhurried and due_at <= $1 order by due_at limit 1)
                 as oldest_unhurried,
             (select count(*) from (
                  select from live join alerts a on a.opening_id = live.id
                  where a.due_at is null and a.told_revision is null and a.ended is null
                      and a.outcome is null limit $2) silent) as unaccounted,
             (select coalesce(sum(r.missing), 0)::bigint from reckonings r join openings o on o.id = r.opening_id
              where o.state = 'open' and (o.door_shuts_at is null or o.door_shuts_at > $1)) as missing,
             (select count(*) from openings where matched_revision < revision and fault is null) as to_match,
             (select count(*) from openings where fault is not null) as set_aside,
             (select count(*) from (select from outcome_events limit $2) waiting) as outcome_events,
             (select count(*) from (
                  select from mails where outcome is null and worker is null and leaving is not null
                  limit $2) unknown) as unknown,
             (select count(*) from (
                  select from mails where outcome is null and worker is null and leaving is null
                  limit $2) deferred) as deferred,
             last.received_at as last_event_at,
             extract(epoch from last.received_at - last.time)::float8 as lateness
         from (values (1)) one left join lateral (
             select received_at, time from events order by id desc limit 1) last on true",
    )
    .bind(now)
    .bind(COUNTED_UP_TO)
    .fetch_one(connection)
    .await?)
}
