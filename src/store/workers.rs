//! Who lives. A worker's life is a session of Postgres: as long as it lasts,
//! the mails that the worker has claimed are its own, however long the mail
//! server takes; when the session ends, by SIGKILL or a lost machine, they are
//! free at once. No clock has a say in it.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, FromRow, PgConnection};

use crate::store::Result;

/// First key of the advisory locks that stand for living workers.
const WORKER_LOCKS: i32 = 0x77_6f_72;

/// What a mail says of itself after its worker died.
const ORPHANED: &str = "the sender stopped while this mail was in its hands";

/// The life of one worker.
#[derive(Debug)]
pub struct Life {
    number: i32,
    session: PgConnection,
}

impl Life {
    /// Begins a life: takes a number and its lock.
    ///
    /// # Errors
    ///
    /// When Postgres is away.
    pub async fn begin(url: &str) -> Result<Self> {
        let options = PgConnectOptions::from_str(url)?.application_name("jobalerts worker").options([
            ("tcp_keepalives_idle", "30"),
            ("tcp_keepalives_interval", "10"),
            ("tcp_keepalives_count", "3"),
        ]);
        let mut session = PgConnection::connect_with(&options).await?;
        let number: i32 =
            sqlx::query_scalar("select nextval('worker_ids')::int").fetch_one(&mut session).await?;
        sqlx::query("select pg_advisory_lock($1, $2)")
            .bind(WORKER_LOCKS)
            .bind(number)
            .execute(&mut session)
            .await?;
        Ok(Self { number, session })
    }

    /// The worker's number.
    #[must_use]
    pub fn number(&self) -> i32 {
        self.number
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
