//! Who lives. A worker's life is a session of Postgres: as long as it lasts,
//! the mails that the worker has claimed are its own, however long the mail
//! server takes; when the session ends, by SIGKILL or a lost machine, they are
//! free at once. No clock has a say in it.

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use std::str::FromStr;

use crate::store::Result;

/// First key of the advisory locks that stand for living workers.
const WORKER_LOCKS: i32 = 0x77_6f_72;

/// What a mail says of itself after its worker died.
const ORPHANED: &str = "the sender stopped while this mail was in its hands; it may have arrived";

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

/// Takes the mails out of dead hands. Their alerts are still due, so the same
/// mails, with the same ids, are claimed again. Returns how many there were.
///
/// # Errors
///
/// When Postgres is away.
pub async fn free_orphans(connection: &mut PgConnection) -> Result<u64> {
    let freed = sqlx::query(
        "update mails set worker = null, reply = $2
         where worker is not null and worker not in (
             select objid::bigint from pg_locks
             where locktype = 'advisory' and classid::bigint = $1 and objsubid = 2 and granted
               and database = (select oid from pg_database where datname = current_database()))",
    )
    .bind(i64::from(WORKER_LOCKS))
    .bind(ORPHANED)
    .execute(connection)
    .await?;
    Ok(freed.rows_affected())
}
