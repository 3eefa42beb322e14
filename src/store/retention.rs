//! What is kept no longer. Each function takes a bounded part of a table; what
//! is as old as the limit is kept, what is older goes.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::{AssertSqlSafe, FromRow, PgConnection};
use uuid::Uuid;

use crate::domain::suppression::{self, AddressKeys};
use crate::store::audit::{self, Entry};
use crate::store::{Result, suppressions};

/// What was done with a part of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swept {
    /// The rows that are gone.
    pub gone: u64,
    /// After which key there is more to look at, if there is.
    pub more: Option<i64>,
}

/// Since when an opening `o` is over, by all that was ever said of its end;
/// null while it is not.
const OVER_SINCE: &str = "case
    when o.state in ('closed', 'withdrawn') or o.door_shuts_at is not null
         or o.truth #>> '{facts,day,startsAt}' is not null
    then greatest(o.event_time, o.news_time, o.opened_at, o.door_shuts_at,
                  (o.truth ->> 'goneAt')::timestamptz, (o.truth #>> '{facts,day,startsAt}')::timestamptz) end";

/// As the ledger has it: a promise without an outcome was broken if the door
/// has shut; what is taken back before is released.
const COUNT_PROMISES: &str = "insert into past_promises as p (opening_id, outcome, reason, promises, advance_told)
    select opening_id, outcome, reason, count(*), count(advance_told_at)
    from (
        select g.opening_id, g.advance_told_at,
               coalesce(g.outcome, case when o.has_shut then 'broken' else 'released' end) as outcome,
               case when g.outcome is null and not o.has_shut then 'erased'
                    else coalesce(g.outcome_reason, '') end as reason
        from gone g
        join (select id, coalesce(opened_at <= $1 and (state = 'withdrawn' or door_shuts_at <= $1), false) as has_shut
              from openings) o on o.id = g.opening_id
        where g.promise
    ) past
    group by opening_id, outcome, reason
    on conflict (opening_id, outcome, reason) do update set
        promises = p.promises + excluded.promises, advance_told = p.advance_told + excluded.advance_told";

/// Those of these openings that have been over since before `limit`: alerts
/// about them may be gone.
///
/// # Errors
///
/// When Postgres is away.
pub async fn over_before(
    connection: &mut PgConnection,
    openings: &[i64],
    limit: DateTime<Utc>,
) -> Result<Vec<i64>> {
    let sql = format!("select o.id from openings o where o.id = any($1) and {OVER_SINCE} < $2");
    Ok(sqlx::query_scalar(AssertSqlSafe(sql)).bind(openings).bind(limit).fetch_all(connection).await?)
}

/// Looks at `most` alerts after those of the person `after`, and forgets those
/// about openings that were over before `limit`, with nothing due, and last
/// told or settled before it. Of promises the outcomes are counted.
///
/// # Errors
///
/// When Postgres is away.
pub async fn alerts(
    connection: &mut PgConnection,
    after: i64,
    most: i64,
    limit: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Swept> {
    let up_to: Option<i64> = sqlx::query_scalar(
        "select max(subscriber_id) from (
             select subscriber_id from alerts where subscriber_id > $1 order by subscriber_id limit $2) page",
    )
    .bind(after)
    .bind(most)
    .fetch_one(&mut *connection)
    .await?;
    let Some(up_to) = up_to else { return Ok(Swept { gone: 0, more: None }) };
    let sql = format!(
        "with gone as (
             delete from alerts a using openings o
             where o.id = a.opening_id and a.subscriber_id > $2 and a.subscriber_id <= $3 and a.due_at is null
               and coalesce(greatest(a.told_at, a.outcome_at), '-infinity') < $4
               and {OVER_SINCE} < $4 and (o.matched_revision = o.revision or o.fault is not null)
               and not exists (
                   select from mails m
                   where m.subscriber_id = a.subscriber_id and m.outcome is null and a.opening_id = any(m.openings))
             returning a.opening_id, a.promise, a.outcome, a.outcome_reason, a.advance_told_at),
         counted as ({COUNT_PROMISES})
         select count(*) from gone"
    );
    let gone: i64 = sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(now)
        .bind(after)
        .bind(up_to)
        .bind(limit)
        .fetch_one(connection)
        .await?;
    Ok(Swept { gone: gone.unsigned_abs(), more: Some(up_to) })
}

/// Looks at `most` mails after the key `after`, and forgets those that ended
/// before `limit` and that no alert refers to. Mails are claimed in the order
/// of their keys, so what follows the first that is younger is not looked at.
///
/// # Errors
///
/// When Postgres is away.
pub async fn mails(
    connection: &mut PgConnection,
    after: i64,
    most: i64,
    limit: DateTime<Utc>,
) -> Result<Swept> {
    let (last, oldest): (Option<i64>, Option<DateTime<Utc>>) = sqlx::query_as(
        "select max(id), min(claimed_at) from (
             select id, claimed_at from mails where id > $1 order by id limit $2) page",
    )
    .bind(after)
    .bind(most)
    .fetch_one(&mut *connection)
    .await?;
    let Some(last) = last.filter(|_| oldest.is_some_and(|claimed| claimed < limit)) else {
        return Ok(Swept { gone: 0, more: None });
    };
    let gone: i64 = sqlx::query_scalar(
        "with gone as (
             delete from mails m
             where m.id > $1 and m.id <= $2 and m.finished_at < $3 and m.worker is null
               and not exists (
                   select from alerts a where a.subscriber_id = m.subscriber_id and a.told_mail_id = m.id)
             returning m.id),
         days as (delete from digests where mail_id in (select id from gone))
         select count(*) from gone",
    )
    .bind(after)
    .bind(last)
    .bind(limit)
    .fetch_one(connection)
    .await?;
    Ok(Swept { gone: gone.unsigned_abs(), more: Some(last) })
}

/// Forgets up to `most` letters that were over before `limit`.
///
/// # Errors
///
/// When Postgres is away.
pub async fn letters(connection: &mut PgConnection, most: i64, limit: DateTime<Utc>) -> Result<Swept> {
    sweep(
        connection,
        "delete from letters where id in (
             select id from letters where due_at is null and over_at < $1 order by id limit $2)",
        most,
        limit,
    )
    .await
}

/// Forgets up to `most` entries of the audit that are older than `limit`.
///
/// # Errors
///
/// When Postgres is away.
pub async fn audit(connection: &mut PgConnection, most: i64, limit: DateTime<Utc>) -> Result<Swept> {
    sweep(
        connection,
        "delete from audit where id in (select id from audit where at < $1 order by at, id limit $2)",
        most,
        limit,
    )
    .await
}

/// Forgets up to `most` of what came back to us before `limit`.
///
/// # Errors
///
/// When Postgres is away.
pub async fn returns(connection: &mut PgConnection, most: i64, limit: DateTime<Utc>) -> Result<Swept> {
    sweep(
        connection,
        "delete from returns where id in (select id from returns where at < $1 order by at, id limit $2)",
        most,
        limit,
    )
    .await
}

/// Forgets up to `most` runs of chores that were done before `limit`. The last
/// run of each is kept: from it the next is reckoned.
///
/// # Errors
///
/// When Postgres is away.
pub async fn ticks(connection: &mut PgConnection, most: i64, limit: DateTime<Utc>) -> Result<Swept> {
    sweep(
        connection,
        "delete from chore_ticks where (chore, tick_at) in (
             select t.chore, t.tick_at from chore_ticks t
             where t.finished_at < $1
               and exists (select from chore_ticks l where l.chore = t.chore and l.tick_at > t.tick_at)
             order by t.chore, t.tick_at limit $2)",
        most,
        limit,
    )
    .await
}

/// Somebody who is forgotten, and since when there was a reason to.
#[derive(FromRow)]
struct Forgotten {
    id: i64,
    public_id: Uuid,
    address: String,
    since: DateTime<Utc>,
}

/// Forgets up to `most` people who are known since before `limit` and have not
/// confirmed, and everything that hangs on them.
///
/// # Errors
///
/// When Postgres is away.
pub async fn unconfirmed(
    connection: &mut PgConnection,
    most: i64,
    limit: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Swept> {
    let people: Vec<Forgotten> = sqlx::query_as(
        "select id, public_id, address, created_at as since from subscribers p
         where state = 'unconfirmed' and created_at < $1
           and not exists (select from mails m where m.subscriber_id = p.id and m.worker is not null)
         order by id limit $2 for update skip locked",
    )
    .bind(limit)
    .bind(most)
    .fetch_all(&mut *connection)
    .await?;
    let entry = |person: &Forgotten| Entry {
        actor: "housekeeping",
        action: "erased-unconfirmed",
        subject: person.public_id,
        detail: json!({ "knownSince": person.since }),
    };
    let entries: Vec<Entry> = people.iter().map(entry).collect();
    erase(connection, &people, &entries, now).await?;
    Ok(full(people.len() as u64, most))
}

/// Forgets up to `most` people who stopped everything before `limit`, as who
/// complained did, and everything that hangs on them; also if their mailbox was
/// gone after that. That nothing is to be sent to their address stays known, so
/// that an old list does not bring them back.
///
/// # Errors
///
/// When Postgres is away.
pub async fn stopped(
    connection: &mut PgConnection,
    keys: &AddressKeys,
    most: i64,
    limit: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Swept> {
    suppressions::about_to_write(&mut *connection).await?;
    let people: Vec<Forgotten> = sqlx::query_as(
        "select p.id, p.public_id, p.address, last.at as since
         from subscribers p
         cross join lateral (
             select max(s.at) as at from stops s
             where s.subscriber_id = p.id and s.scope = 'all' and s.undone_at is null) last
         where p.id in (select subscriber_id from stops where scope = 'all' and undone_at is null and at < $1)
           and p.state in ('stopped', 'suppressed') and last.at < $1
           -- Who came back is suppressed for another reason.
           and not exists (select from consents c where c.subscriber_id = p.id and c.given_at > last.at)
           and not exists (select from mails m where m.subscriber_id = p.id and m.worker is not null)
         order by p.id limit $2 for update of p skip locked",
    )
    .bind(limit)
    .bind(most)
    .fetch_all(&mut *connection)
    .await?;
    for person in &people {
        if let Ok(address) = person.address.parse() {
            let reason = suppression::Reason::Stop;
            suppressions::add(&mut *connection, keys, &address, reason, person.since).await?;
        }
    }
    let entry = |person: &Forgotten| Entry {
        actor: "housekeeping",
        action: "erased-stopped",
        subject: person.public_id,
        detail: json!({ "stoppedAt": person.since }),
    };
    let entries: Vec<Entry> = people.iter().map(entry).collect();
    erase(connection, &people, &entries, now).await?;
    Ok(full(people.len() as u64, most))
}

/// Forgets people who are held. Of their promises the outcomes are counted; of
/// their stops, that there were some.
async fn erase(
    connection: &mut PgConnection,
    people: &[Forgotten],
    entries: &[Entry],
    now: DateTime<Utc>,
) -> Result<()> {
    if people.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = people.iter().map(|person| person.id).collect();
    let sql = format!(
        "with gone as (
             delete from alerts where subscriber_id = any($2)
             returning opening_id, promise, outcome, outcome_reason, advance_told_at)
         {COUNT_PROMISES}"
    );
    sqlx::query(AssertSqlSafe(sql)).bind(now).bind(&ids).execute(&mut *connection).await?;
    sqlx::query("delete from mails where subscriber_id = any($1)")
        .bind(&ids)
        .execute(&mut *connection)
        .await?;
    sqlx::query("update stops set held = null where subscriber_id = any($1)")
        .bind(&ids)
        .execute(&mut *connection)
        .await?;
    sqlx::query("delete from subscribers where id = any($1)").bind(&ids).execute(&mut *connection).await?;
    audit::write(connection, entries, now).await
}

/// Forgets what up to `most` stops from before `limit` ended: they can be
/// undone no more.
///
/// # Errors
///
/// When Postgres is away.
pub async fn held_by_stops(connection: &mut PgConnection, most: i64, limit: DateTime<Utc>) -> Result<Swept> {
    let sql = "update stops set held = null where id in (
             select id from stops where held is not null and at <= $1 order by at, id limit $2)";
    sweep(connection, sql, most, limit).await
}

/// Forgets up to `most` stops from before `limit`, except those by which
/// somebody stays stopped.
///
/// # Errors
///
/// When Postgres is away.
pub async fn stops(connection: &mut PgConnection, most: i64, limit: DateTime<Utc>) -> Result<Swept> {
    let sql = "delete from stops where id in (
             select s.id from stops s
             where s.at < $1
               and not exists (select from subscribers p where p.id = s.subscriber_id and p.state = 'stopped')
             order by s.at, s.id limit $2)";
    sweep(connection, sql, most, limit).await
}

/// Forgets by a statement that takes the limit and the most rows.
async fn sweep(
    connection: &mut PgConnection,
    sql: &'static str,
    most: i64,
    limit: DateTime<Utc>,
) -> Result<Swept> {
    let gone = sqlx::query(sql).bind(limit).bind(most).execute(connection).await?;
    Ok(full(gone.rows_affected(), most))
}

/// Where as many rows went as could go, there may be more.
fn full(gone: u64, most: i64) -> Swept {
    Swept { gone, more: (gone >= most.unsigned_abs()).then_some(0) }
}
