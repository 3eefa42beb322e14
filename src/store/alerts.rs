//! Who is to be told of what, and what they were last told.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection};

use crate::store::Result;

/// Which part of the subscribers one statement of matching takes, and what it
/// gives them.
#[derive(Debug, Clone)]
pub struct Page<'a> {
    /// The opening that they may want.
    pub opening_id: i64,
    /// The keys of the criteria that it answers.
    pub criteria: &'a [i64],
    /// Subscribers after this key...
    pub after: i64,
    /// ...up to this one.
    pub up_to: i64,
    /// For each cadence when its next word is due; who has several searches
    /// gets the soonest.
    pub due: &'a [(&'static str, DateTime<Utc>)],
    /// Why there is nothing to tell any more, if so.
    pub ended: Option<&'a str>,
    /// Only these people, by their folded address; for test events.
    pub only: Option<&'a [String]>,
}

/// Makes the alerts of one page: one for each person, due at the soonest of
/// their searches' cadences, also if it was due later until now (but a retry
/// keeps its time). Who has been told is left alone; who was not told,
/// and was not to be any more, is due again, unless the mail server refused
/// that mail for good. Returns how many were made.
///
/// # Errors
///
/// When Postgres is away.
pub async fn make(connection: &mut PgConnection, page: &Page<'_>) -> Result<u64> {
    let made = sqlx::query(
        "insert into alerts as a (subscriber_id, opening_id, due_at, ended)
         select wanted.subscriber_id, $1, case when $2::text is null then wanted.due_at end, $2
         from (
             select s.subscriber_id, min(c.due_at) as due_at
             from searches s
             join unnest($3::text[], $4::timestamptz[]) as c (cadence, due_at) on c.cadence = s.cadence
             where s.criteria_id = any($5) and s.subscriber_id > $6 and s.subscriber_id <= $7
             group by s.subscriber_id
             order by s.subscriber_id
         ) wanted
         where $8::text[] is null or exists (
             select from subscribers p where p.id = wanted.subscriber_id and p.lookup = any($8))
         on conflict (subscriber_id, opening_id) do update set due_at = excluded.due_at, ended = excluded.ended
         where a.told_revision is null and a.ended is distinct from 'refused'
           and (a.due_at is null and excluded.due_at is not null
                or excluded.due_at < a.due_at and not exists (
                    select from mails m
                    where m.subscriber_id = a.subscriber_id and m.outcome is null and $1 = any(m.openings)))",
    )
    .bind(page.opening_id)
    .bind(page.ended)
    .bind(page.due.iter().map(|(cadence, _)| *cadence).collect::<Vec<_>>())
    .bind(page.due.iter().map(|(_, due)| *due).collect::<Vec<_>>())
    .bind(page.criteria)
    .bind(page.after)
    .bind(page.up_to)
    .bind(page.only)
    .execute(connection)
    .await?;
    Ok(made.rows_affected())
}

/// People who are due at `now` and in nobody's hands, longest due first. They
/// are held until the transaction ends; others take the people after them.
///
/// # Errors
///
/// When Postgres is away.
pub async fn people_due(connection: &mut PgConnection, now: DateTime<Utc>, limit: i64) -> Result<Vec<i64>> {
    loop {
        let mut held: Vec<i64> = sqlx::query_scalar(
            "select a.subscriber_id
             from alerts a
             join subscribers p on p.id = a.subscriber_id
             where a.due_at <= $1
               and not exists (select from mails m where m.subscriber_id = p.id and m.worker is not null)
             order by a.due_at, a.subscriber_id
             limit $2
             for no key update of p skip locked",
        )
        .bind(now)
        .bind(limit)
        .fetch_all(&mut *connection)
        .await?;
        held.sort_unstable();
        held.dedup();
        if held.is_empty() {
            return Ok(held);
        }
        // Between that statement's view of the tables and its lock on a person,
        // another worker may have claimed that person and committed.
        let free: Vec<i64> = sqlx::query_scalar(
            "select held.person from unnest($1::bigint[]) as held (person)
             where not exists (
                 select from mails m where m.subscriber_id = held.person and m.worker is not null)",
        )
        .bind(held)
        .fetch_all(&mut *connection)
        .await?;
        // All of them: then there may be others, whom the next look finds.
        if !free.is_empty() {
            return Ok(free);
        }
    }
}

/// An alert whose word is due.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Due {
    /// Whom to tell.
    pub subscriber_id: i64,
    /// Of what.
    pub opening_id: i64,
    /// What they were last told: the revision of its facts.
    pub told_revision: Option<i32>,
}

/// All that is due at `now` for these people.
///
/// # Errors
///
/// When Postgres is away.
pub async fn due_of(connection: &mut PgConnection, people: &[i64], now: DateTime<Utc>) -> Result<Vec<Due>> {
    Ok(sqlx::query_as(
        "select subscriber_id, opening_id, told_revision from alerts
         -- By person, never by due_at: while the statistics are older than a release, the planner
         -- would read all that are due instead. An `is true` takes that index away from it.
         where subscriber_id = any($1) and (due_at <= $2) is true
         order by subscriber_id, opening_id",
    )
    .bind(people)
    .bind(now)
    .fetch_all(connection)
    .await?)
}

/// An alert that ends without a word, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// Who is not told.
    pub subscriber_id: i64,
    /// Of what.
    pub opening_id: i64,
    /// Why; none if there was nothing left to say.
    pub reason: Option<&'static str>,
}

/// Ends alerts, or leaves them as told.
///
/// # Errors
///
/// When Postgres is away.
pub async fn end(connection: &mut PgConnection, endings: &[Ending]) -> Result<()> {
    if endings.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "update alerts a set due_at = null, ended = e.reason
         from unnest($1::bigint[], $2::bigint[], $3::text[]) as e (subscriber_id, opening_id, reason)
         where a.subscriber_id = e.subscriber_id and a.opening_id = e.opening_id",
    )
    .bind(endings.iter().map(|e| e.subscriber_id).collect::<Vec<_>>())
    .bind(endings.iter().map(|e| e.opening_id).collect::<Vec<_>>())
    .bind(endings.iter().map(|e| e.reason).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// Lets alerts wait until a later moment.
///
/// # Errors
///
/// When Postgres is away.
pub async fn postpone(connection: &mut PgConnection, waits: &[(i64, i64, DateTime<Utc>)]) -> Result<()> {
    if waits.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "update alerts a set due_at = w.due_at
         from unnest($1::bigint[], $2::bigint[], $3::timestamptz[]) as w (subscriber_id, opening_id, due_at)
         where a.subscriber_id = w.subscriber_id and a.opening_id = w.opening_id",
    )
    .bind(waits.iter().map(|(subscriber, _, _)| *subscriber).collect::<Vec<_>>())
    .bind(waits.iter().map(|(_, opening, _)| *opening).collect::<Vec<_>>())
    .bind(waits.iter().map(|(_, _, until)| *until).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
