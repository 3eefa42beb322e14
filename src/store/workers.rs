//! Who lives. A worker's life is a session of Postgres: as long as it lasts,
//! the mails that the worker has claimed are its own, however long the mail
//! server takes; when the session ends, by SIGKILL or a lost machine, they are
//! free at once. No clock has a say in it.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::{Connection, FromRow, PgConnection};

use crate::domain::provider::Scope;
use crate::store::Result;
use crate::store::servers::Servers;

/// First key of the advisory locks that stand for living workers.
const WORKER_LOCKS: i32 = 0x77_6f_72;

/// What a mail says of itself after its worker died.
const ORPHANED: &str = "the sender stopped while this mail was in its hands";

/// The life of one worker.
#[derive(Debug)]
pub struct Life {
    number: i32,
    session: PgConnection,
    /// Lines that it holds, by whom they go to and their numbers.
    lines: HashMap<String, Vec<i32>>,
}

impl Life {
    /// Begins a life: takes a number and its lock.
    ///
    /// # Errors
    ///
    /// When Postgres is away.
    pub async fn begin(url: &str) -> Result<Self> {
        let mut session = Servers::of(url)?.named("jobalerts worker").connect().await?;
        let number: i32 =
            sqlx::query_scalar("select nextval('worker_ids')::int").fetch_one(&mut session).await?;
        sqlx::query("select pg_advisory_lock($1, $2)")
            .bind(WORKER_LOCKS)
            .bind(number)
            .execute(&mut session)
            .await?;
        Ok(Self { number, session, lines: HashMap::new() })
    }

    /// The worker's number.
    #[must_use]
    pub fn number(&self) -> i32 {
        self.number
    }

    /// Holds as many lines to a relay as it wants, or can get of the `most` that
    /// all processes may have together, until it ends or wants fewer. Returns how
    /// many it holds.
    ///
    /// # Errors
    ///
    /// When Postgres is away.
    pub async fn hold_lines(&mut self, scope: Scope<'_>, wanted: u32, most: u32) -> Result<u32> {
        let (scope, count) = (scope.to_string(), |lines: u32| i32::try_from(lines).unwrap_or(i32::MAX));
        let held = self.lines.entry(scope.clone()).or_default();
        let mut surplus: Vec<i32> = held.extract_if(.., |line| *line > count(most)).collect();
        surplus.extend(held.drain(held.len().min(usize::try_from(wanted).unwrap_or(usize::MAX))..));
        if !surplus.is_empty() {
            sqlx::query(
                "select pg_advisory_unlock(hashtextextended($1 || '/' || line, 0)) from unnest($2) as line",
            )
            .bind(&scope)
            .bind(&surplus)
            .execute(&mut self.session)
            .await?;
        }
        let missing = wanted.saturating_sub(u32::try_from(held.len()).unwrap_or(u32::MAX));
        if missing > 0 {
            // A lock that the session has it would get again, so those are left out first.
            let more: Vec<i32> = sqlx::query_scalar(
                "select line from (select line from generate_series(1, $2) as line
                                   where line <> all($3) offset 0) free
                 where pg_try_advisory_lock(hashtextextended($1 || '/' || line, 0))
                 limit $4",
            )
            .bind(&scope)
            .bind(count(most))
            .bind(&held[..])
            .bind(count(missing))
            .fetch_all(&mut self.session)
            .await?;
            held.extend(more);
        }
        Ok(u32::try_from(held.len()).unwrap_or(u32::MAX))
    }

    /// Makes sure that the session lasts.
    ///
    /// # Errors
    ///
    /// When it does not: the worker is dead to the others and must begin a new
    /// life.
    pub async fn assure(&mut self) -> Result<()> {
        Ok(self.session.ping().await?)
    }
}

/// What was taken out of dead hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, FromRow)]
pub struct Freed {
    /// Mails.
    pub mails: i64,
    /// Of these, those that had been handed over: nobody knows whether they
    /// arrived.
    pub unknown: i64,
}

/// Takes the mails out of dead hands. What had not been handed over is due as
/// before, so the same mails, with the same ids, are claimed again; what may
/// have arrived is left alone until `hold_until`.
///
/// # Errors
///
/// When Postgres is away.
pub async fn free_orphans(connection: &mut PgConnection, hold_until: DateTime<Utc>) -> Result<Freed> {
    Ok(sqlx::query_as(
        "with freed as (
             update mails set worker = null, recalled = false, reply = $2,
                    unknown_until = case when leaving is not null then $3 else unknown_until end
             where worker is not null and worker not in (
                 select objid::bigint from pg_locks
                 where locktype = 'advisory' and classid::bigint = $1 and objsubid = 2 and granted
                   and database = (select oid from pg_database where datname = current_database()))
             returning id, subscriber_id, openings, leaving is not null as unknown),
         alerts_wait as (
             update alerts a set due_at = greatest(a.due_at, $3) from freed f
             where f.unknown and a.subscriber_id = f.subscriber_id and a.opening_id = any(f.openings)
               and a.due_at is not null),
         letters_wait as (
             update letters l set due_at = greatest(l.due_at, $3) from freed f
             where f.unknown and l.mail_id = f.id and l.due_at is not null)
         select count(*) as mails, count(*) filter (where unknown) as unknown from freed",
    )
    .bind(i64::from(WORKER_LOCKS))
    .bind(ORPHANED)
    .bind(hold_until)
    .fetch_one(connection)
    .await?)
}
