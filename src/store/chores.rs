//! When chores ran. The row of a time at which a chore is to run is how
//! processes agree: whoever writes it has taken that time, and whoever holds it
//! does a part of the work.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection};

use crate::domain::chore::Chore;
use crate::store::Result;

/// A time of a chore whose work is not done, held until the transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct Held {
    /// The time.
    pub tick_at: DateTime<Utc>,
    /// Which part of the chore is next, from 0...
    pub part: i16,
    /// ...and after which key.
    pub cursor: i64,
}

/// The work of a chore that is not done, if there is any that nobody holds.
///
/// # Errors
///
/// When Postgres is away.
pub async fn hold(connection: &mut PgConnection, chore: Chore) -> Result<Option<Held>> {
    Ok(sqlx::query_as(
        "select tick_at, part, cursor from chore_ticks where chore = $1 and finished_at is null
         order by tick_at limit 1 for update skip locked",
    )
    .bind(chore.name())
    .fetch_optional(connection)
    .await?)
}

/// The time after which the next time of a chore is to be looked for: that of
/// its last run, or when it was first seen. `None` while somebody is at it.
///
/// The first to see a chore makes it begin at `now`, in every process the same.
///
/// # Errors
///
/// When Postgres is away.
pub async fn begins_after(
    connection: &mut PgConnection,
    chore: Chore,
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>> {
    let known = async |connection: &mut PgConnection| -> Result<Option<(DateTime<Utc>, bool)>> {
        Ok(sqlx::query_as(
            "select coalesce((select max(t.tick_at) from chore_ticks t where t.chore = c.chore), c.since),
                    exists (select from chore_ticks t where t.chore = c.chore and t.finished_at is null)
             from chores c where c.chore = $1",
        )
        .bind(chore.name())
        .fetch_optional(connection)
        .await?)
    };
    let mut found = known(&mut *connection).await?;
    if found.is_none() {
        sqlx::query("insert into chores (chore, since) values ($1, $2) on conflict do nothing")
            .bind(chore.name())
            .bind(now)
            .execute(&mut *connection)
            .await?;
        found = known(connection).await?;
    }
    Ok(found.filter(|(_, busy)| !busy).map(|(after, _)| after))
}

/// Takes a time of a chore. False if another process has taken it.
///
/// # Errors
///
/// When Postgres is away.
pub async fn take(
    connection: &mut PgConnection,
    chore: Chore,
    tick_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<bool> {
    let taken = sqlx::query(
        "insert into chore_ticks (chore, tick_at, begun_at) values ($1, $2, $3) on conflict do nothing",
    )
    .bind(chore.name())
    .bind(tick_at)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(taken.rows_affected() > 0)
}

/// What a part of the work came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The rows that were written or removed.
    pub handled: u64,
    /// Which part is next and after which key; `None` when all is done.
    pub next: Option<(i16, i64)>,
}

/// Writes down how far a chore is, in the transaction that holds its time.
///
/// # Errors
///
/// When Postgres is away.
pub async fn advance(
    connection: &mut PgConnection,
    chore: Chore,
    tick_at: DateTime<Utc>,
    progress: Progress,
    now: DateTime<Utc>,
) -> Result<()> {
    sqlx::query(
        "update chore_ticks set handled = handled + $3, part = coalesce($4, part), cursor = coalesce($5, cursor),
             finished_at = case when $4::smallint is null then $6::timestamptz end
         where chore = $1 and tick_at = $2",
    )
    .bind(chore.name())
    .bind(tick_at)
    .bind(i64::try_from(progress.handled).unwrap_or(i64::MAX))
    .bind(progress.next.map(|(part, _)| part))
    .bind(progress.next.map(|(_, cursor)| cursor))
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// How a chore stands.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Standing {
    /// Its name.
    pub chore: String,
    /// Since when it is known here.
    pub since: DateTime<Utc>,
    /// The last time at which it was to run, if there was one...
    pub tick_at: Option<DateTime<Utc>>,
    /// ...when somebody took it up...
    pub begun_at: Option<DateTime<Utc>>,
    /// ...when it was done, if it is...
    pub finished_at: Option<DateTime<Utc>>,
    /// ...and how many rows it has written or removed.
    pub handled: Option<i64>,
}

/// How each chore stands that was ever seen; its oldest run that is not done,
/// or else its last one.
///
/// # Errors
///
/// When Postgres is away.
pub async fn standing(connection: &mut PgConnection) -> Result<Vec<Standing>> {
    Ok(sqlx::query_as(
        "select c.chore, c.since, t.tick_at, t.begun_at, t.finished_at, t.handled
         from chores c left join lateral (
             select * from chore_ticks t where t.chore = c.chore
             order by t.finished_at is null desc,
                      case when t.finished_at is null then t.tick_at end, t.tick_at desc limit 1) t on true
         order by c.chore",
    )
    .fetch_all(connection)
    .await?)
}
