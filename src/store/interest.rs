//! Whether people still want to hear: who is to be asked, who is to be reminded,
//! and whose silence has ended it.

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::json;
use sqlx::{AssertSqlSafe, FromRow, PgConnection};
use uuid::Uuid;

use crate::store::Result;
use crate::store::audit::{self, Entry};

/// Whether a person `p` asks for anything, on the local day `$1`.
const ASKS: &str = "(
    exists (select from searches s where s.subscriber_id = p.id and s.cadence <> 'paused')
    or exists (select from registrations r
               where r.subscriber_id = p.id and (r.valid_until is null or r.valid_until >= $1)))";

/// Whether a person `p` has not confirmed since the letter `l` was written.
const UNANSWERED: &str = "not exists (
    select from consents c where c.subscriber_id = p.id and c.given_at > l.confirmed_at)";

/// What letters are written by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Round {
    /// The local day.
    pub today: NaiveDate,
    /// The most people who get one.
    pub most: i64,
    /// The time of the chore that writes them.
    pub tick_at: DateTime<Utc>,
    /// The moment.
    pub now: DateTime<Utc>,
}

/// Writes the question to active people who ask for something and last
/// confirmed before `confirmed_before`, those who confirmed longest ago first;
/// each is asked once about one confirmation. Returns how many were asked.
///
/// # Errors
///
/// When Postgres is away.
pub async fn ask(
    connection: &mut PgConnection,
    round: Round,
    confirmed_before: DateTime<Utc>,
) -> Result<u64> {
    let sql = format!(
        "insert into letters (subscriber_id, kind, confirmed_at, made_at, due_at)
         select p.id, 'still-interested', last.confirmed_at, $4, $5
         from subscribers p
         cross join lateral (
             select max(c.given_at) as confirmed_at from consents c where c.subscriber_id = p.id) last
         where p.state = 'active' and last.confirmed_at < $2 and {ASKS}
           and not exists (
               select from letters l where l.subscriber_id = p.id and l.kind = 'still-interested'
                 and l.confirmed_at = last.confirmed_at)
         order by last.confirmed_at, p.id limit $3
         on conflict do nothing"
    );
    write(connection, sql, round, confirmed_before).await
}

/// How many were asked at a time of the chore.
///
/// # Errors
///
/// When Postgres is away.
pub async fn asked_at(connection: &mut PgConnection, tick_at: DateTime<Utc>) -> Result<i64> {
    Ok(sqlx::query_scalar("select count(*) from letters where kind = 'still-interested' and made_at = $1")
        .bind(tick_at)
        .fetch_one(connection)
        .await?)
}

/// Writes the reminder to people whose question was accepted by `asked_by` and
/// is unanswered. Returns how many.
///
/// # Errors
///
/// When Postgres is away.
pub async fn remind(connection: &mut PgConnection, round: Round, asked_by: DateTime<Utc>) -> Result<u64> {
    let sql = format!(
        "insert into letters (subscriber_id, kind, confirmed_at, made_at, due_at)
         select p.id, 'still-interested-reminder', l.confirmed_at, $4, $5
         from letters l join subscribers p on p.id = l.subscriber_id
         where l.kind = 'still-interested' and l.sent_at <= $2 and p.state = 'active'
           and {UNANSWERED} and {ASKS}
           and not exists (
               select from letters r where r.subscriber_id = l.subscriber_id
                 and r.kind = 'still-interested-reminder' and r.confirmed_at = l.confirmed_at)
         order by l.id limit $3
         on conflict do nothing"
    );
    write(connection, sql, round, asked_by).await
}

/// Writes letters by a statement that goes by when something was before.
async fn write(
    connection: &mut PgConnection,
    sql: String,
    round: Round,
    before: DateTime<Utc>,
) -> Result<u64> {
    let written = sqlx::query(AssertSqlSafe(sql))
        .bind(round.today)
        .bind(before)
        .bind(round.most)
        .bind(round.tick_at)
        .bind(round.now)
        .execute(connection)
        .await?;
    Ok(written.rows_affected())
}

/// Whose silence ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence {
    /// Their question was accepted before this...
    pub asked_before: DateTime<Utc>,
    /// ...and their reminder before this, unless it could not be sent.
    pub reminded_before: DateTime<Utc>,
}

/// A person who lapses, and what they were asked about.
#[derive(FromRow)]
struct Silent {
    id: i64,
    public_id: Uuid,
    confirmed_at: DateTime<Utc>,
    asked_at: DateTime<Utc>,
}

/// Ends it for people who did not answer: their searches and registrations are
/// deleted, what was due for them is due at once, so that delivery ends it and
/// releases what was promised, and a letter says so. Returns how many.
///
/// # Errors
///
/// When Postgres is away.
pub async fn lapse(connection: &mut PgConnection, round: Round, silence: Silence) -> Result<u64> {
    let Round { tick_at, now, .. } = round;
    let held = silent(&mut *connection, round, silence, None).await?;
    let ids: Vec<i64> = held.iter().map(|person| person.id).collect();
    // An answer may have been committed between that statement's view of the tables and its lock.
    let people = silent(&mut *connection, round, silence, Some(&ids)).await?;
    if people.is_empty() {
        return Ok(0);
    }
    let ids: Vec<i64> = people.iter().map(|person| person.id).collect();
    sqlx::query(
        "insert into letters (subscriber_id, kind, confirmed_at, made_at, due_at, held)
         select l.id, 'lapsed', l.confirmed_at, $3, $4, jsonb_build_object(
             'registrations', (
                 select coalesce(jsonb_agg(jsonb_build_object('programme', r.programme, 'on', r.registered_at)
                                           order by r.registered_at, r.programme), '[]')
                 from registrations r where r.subscriber_id = l.id),
             'searches', (
                 select coalesce(jsonb_agg(s.name order by s.id), '[]')
                 from searches s where s.subscriber_id = l.id))
         from unnest($1::bigint[], $2::timestamptz[]) as l (id, confirmed_at)
         on conflict do nothing",
    )
    .bind(&ids)
    .bind(people.iter().map(|person| person.confirmed_at).collect::<Vec<_>>())
    .bind(tick_at)
    .bind(now)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "update subscribers p set state = 'lapsed', unanswered_since = l.asked_at
         from unnest($1::bigint[], $2::timestamptz[]) as l (id, asked_at) where p.id = l.id",
    )
    .bind(&ids)
    .bind(people.iter().map(|person| person.asked_at).collect::<Vec<_>>())
    .execute(&mut *connection)
    .await?;
    sqlx::query("delete from searches where subscriber_id = any($1)")
        .bind(&ids)
        .execute(&mut *connection)
        .await?;
    sqlx::query("delete from registrations where subscriber_id = any($1)")
        .bind(&ids)
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "update alerts set due_at = $2
         where subscriber_id = any($1) and (due_at > $2 or due_at is null and promise and outcome is null)",
    )
    .bind(&ids)
    .bind(now)
    .execute(&mut *connection)
    .await?;
    let entries: Vec<Entry> = people
        .iter()
        .map(|person| Entry {
            actor: "housekeeping",
            action: "lapsed",
            subject: person.public_id,
            detail: json!({ "confirmedAt": person.confirmed_at, "askedAt": person.asked_at }),
        })
        .collect();
    audit::write(connection, &entries, now).await?;
    Ok(ids.len() as u64)
}

/// Active people whose question and reminder are unanswered, held until the
/// transaction ends; only `these`, if they are named. Who has a mail in hand is
/// left to the next time.
async fn silent(
    connection: &mut PgConnection,
    round: Round,
    silence: Silence,
    these: Option<&[i64]>,
) -> Result<Vec<Silent>> {
    let sql = format!(
        "select p.id, p.public_id, l.confirmed_at, l.sent_at as asked_at
         from letters l
         join letters r on r.subscriber_id = l.subscriber_id and r.confirmed_at = l.confirmed_at
                       and r.kind = 'still-interested-reminder'
         join subscribers p on p.id = l.subscriber_id
         where l.kind = 'still-interested' and l.sent_at < $2 and p.state = 'active'
           and r.due_at is null and (r.sent_at is null or r.sent_at < $3)
           and {UNANSWERED} and {ASKS}
           and not exists (select from mails m where m.subscriber_id = p.id and m.worker is not null)
           and ($5::bigint[] is null or p.id = any($5))
         order by l.id limit $4 for no key update of p skip locked"
    );
    Ok(sqlx::query_as(AssertSqlSafe(sql))
        .bind(round.today)
        .bind(silence.asked_before)
        .bind(silence.reminded_before)
        .bind(round.most)
        .bind(these)
        .fetch_all(connection)
        .await?)
}
