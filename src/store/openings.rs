//! The truth about what people can be told of, and its history.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection};

use crate::domain::posting::{Position, Posting};
use crate::store::{Result, StoreError, name_of, value_of};

/// One opening as it stands.
#[derive(Debug, Clone)]
pub struct Opening {
    /// The key in the tables.
    pub id: i64,
    /// `vacancy/230000P0`.
    pub subject: String,
    /// Which posting of the subject, from 1.
    pub number: i32,
    /// Rises with each change of state or facts.
    pub revision: i32,
    /// The truth.
    pub posting: Posting,
}

impl Opening {
    /// The requisition number that people know it by: `230000P0`.
    #[must_use]
    pub fn reference(&self) -> &str {
        self.subject.split_once('/').map_or(self.subject.as_str(), |(_, reference)| reference)
    }

    /// What it is called in a mail's identity: `vacancy/230000P0/1`.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}/{}", self.subject, self.number)
    }
}

/// A posting as intake has worked it out.
#[derive(Debug, Clone, Copy)]
pub struct Worked<'a> {
    /// What it is about.
    pub subject: &'a str,
    /// Which posting of the subject, from 1.
    pub number: i32,
    /// The event by which the row knows its posting.
    pub anchor: i64,
    /// The truth.
    pub posting: &'a Posting,
}

/// A row that there is already.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Known {
    /// The key in the tables.
    pub id: i64,
    /// What it is about.
    pub subject: String,
    /// Which posting of the subject, from 1.
    #[sqlx(rename = "posting")]
    pub number: i32,
    /// The event by which the row knows its posting.
    #[sqlx(rename = "anchor_event_id")]
    pub anchor: i64,
    /// It has turned out to be the same posting as an earlier row.
    pub absorbed: bool,
}

#[derive(FromRow)]
struct Row {
    id: i64,
    subject: String,
    posting: i32,
    state: String,
    close_reason: Option<String>,
    opens_at: DateTime<Utc>,
    facts: Value,
    posted_at: DateTime<Utc>,
    seen_at: DateTime<Utc>,
    test: bool,
    version: Option<i64>,
    event_time: DateTime<Utc>,
    revision: i32,
}

const COLUMNS: &str = "id, subject, posting, state, close_reason, opens_at, facts, posted_at, seen_at, test,
    version, event_time, revision";

impl Row {
    fn read(self) -> Result<Opening> {
        let row = || format!("openings {}", self.id);
        let posting = Posting {
            state: value_of(&self.state, row)?,
            close_reason: self.close_reason.as_deref().map(|name| value_of(name, row)).transpose()?,
            facts: serde_json::from_value(self.facts)
                .map_err(|error| StoreError::Row { row: row(), cause: error.to_string() })?,
            opens_at: self.opens_at,
            posted: (self.posted_at, self.seen_at),
            position: Position { version: self.version, time: self.event_time },
            test: self.test,
            posted_by: vec![],
        };
        Ok(Opening {
            id: self.id,
            subject: self.subject,
            number: self.posting,
            revision: self.revision,
            posting,
        })
    }
}

impl Row {
    fn read_or_report(self) -> Option<Opening> {
        self.read().inspect_err(|error| tracing::error!(%error, "an opening is left out")).ok()
    }
}

/// Writes the truth. Where it differs from what stood there, the revision
/// rises, the history grows by one, and matching looks again. Returns how many
/// openings are new or changed.
///
/// # Errors
///
/// When Postgres is away.
pub async fn save(connection: &mut PgConnection, worked: &[Worked<'_>], now: DateTime<Utc>) -> Result<u64> {
    let each = |get: fn(&Posting) -> String| worked.iter().map(|w| get(w.posting)).collect::<Vec<_>>();
    let times =
        |get: fn(&Posting) -> DateTime<Utc>| worked.iter().map(|w| get(w.posting)).collect::<Vec<_>>();
    let changed = sqlx::query(
        "with saved as (
             insert into openings as o
                 (subject, posting, state, close_reason, opens_at, door_shuts_at, facts, posted_at, seen_at,
                  test, version, event_time, anchor_event_id, revision)
             select *, 1 from unnest($1::text[], $2::int[], $3::text[], $4::text[], $5::timestamptz[],
                 $6::timestamptz[], $7::jsonb[], $8::timestamptz[], $9::timestamptz[], $10::bool[],
                 $11::bigint[], $12::timestamptz[], $14::bigint[])
             on conflict (subject, posting) do update set
                 state = excluded.state, close_reason = excluded.close_reason, opens_at = excluded.opens_at,
                 door_shuts_at = excluded.door_shuts_at, facts = excluded.facts,
                 posted_at = excluded.posted_at, seen_at = excluded.seen_at, test = excluded.test,
                 version = excluded.version, event_time = excluded.event_time,
                 revision = o.revision + 1, match_cursor = 0, fault = null
             where (o.state, o.close_reason, o.opens_at, o.facts, o.test)
                 is distinct from
                 (excluded.state, excluded.close_reason, excluded.opens_at, excluded.facts, excluded.test)
             returning id, revision, state, close_reason, facts)
         insert into opening_revisions (opening_id, revision, state, close_reason, facts, recorded_at)
         select id, revision, state, close_reason, facts, $13 from saved",
    )
    .bind(worked.iter().map(|w| w.subject).collect::<Vec<_>>())
    .bind(worked.iter().map(|w| w.number).collect::<Vec<_>>())
    .bind(each(|posting| name_of(&posting.state)))
    .bind(worked.iter().map(|w| w.posting.close_reason.map(|reason| name_of(&reason))).collect::<Vec<_>>())
    .bind(times(|posting| posting.opens_at))
    .bind(worked.iter().map(|w| w.posting.door_shuts_at()).collect::<Vec<_>>())
    .bind(worked.iter().map(|w| Json(&w.posting.facts)).collect::<Vec<_>>())
    .bind(times(|posting| posting.posted.0))
    .bind(times(|posting| posting.posted.1))
    .bind(worked.iter().map(|w| w.posting.test).collect::<Vec<_>>())
    .bind(worked.iter().map(|w| w.posting.position.version).collect::<Vec<_>>())
    .bind(times(|posting| posting.position.time))
    .bind(now)
    .bind(worked.iter().map(|w| w.anchor).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(changed.rows_affected())
}

/// The rows that there are for these subjects, oldest first.
///
/// # Errors
///
/// When Postgres is away.
pub async fn known(connection: &mut PgConnection, subjects: &[String]) -> Result<Vec<Known>> {
    Ok(sqlx::query_as(
        "select id, subject, posting, anchor_event_id, absorbed from openings
         where subject = any($1) order by subject, posting",
    )
    .bind(subjects)
    .fetch_all(connection)
    .await?)
}

/// Two rows have turned out to be one posting: what people were told by the
/// later one counts as told by the earlier, and the later is about nothing any
/// more.
///
/// # Errors
///
/// When Postgres is away.
pub async fn absorb(connection: &mut PgConnection, later: i64, earlier: i64) -> Result<()> {
    sqlx::query(
        "insert into alerts as a (subscriber_id, opening_id, told_phase, told_door_shuts_at, told_revision,
                                  told_mail_id, told_at)
         select subscriber_id, $2, told_phase, told_door_shuts_at, told_revision, told_mail_id, told_at
         from alerts where opening_id = $1 and told_revision is not null
         on conflict (subscriber_id, opening_id) do update set
             due_at = null, ended = null, told_phase = excluded.told_phase,
             told_door_shuts_at = excluded.told_door_shuts_at, told_revision = excluded.told_revision,
             told_mail_id = excluded.told_mail_id, told_at = excluded.told_at
         where a.told_revision is null",
    )
    .bind(later)
    .bind(earlier)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "update openings set absorbed = true, state = 'withdrawn', revision = revision + 1,
                             matched_revision = revision + 1
         where id = $1",
    )
    .bind(later)
    .execute(connection)
    .await?;
    Ok(())
}

/// The openings with these keys. One that cannot be read is missing, loudly.
///
/// # Errors
///
/// When Postgres is away.
pub async fn by_id(connection: &mut PgConnection, ids: &[i64]) -> Result<Vec<Opening>> {
    let rows: Vec<Row> =
        sqlx::query_as(sqlx::AssertSqlSafe(format!("select {COLUMNS} from openings where id = any($1)")))
            .bind(ids)
            .fetch_all(connection)
            .await?;
    Ok(rows.into_iter().filter_map(Row::read_or_report).collect())
}

/// An opening that is to be matched.
#[derive(Debug)]
pub struct ToMatch {
    /// Its key in the tables.
    pub id: i64,
    /// The opening, or why it cannot be read.
    pub opening: Result<Opening>,
    /// The subscriber up to whom its present revision is done.
    pub cursor: i64,
}

/// The next opening that has changed since it was matched. Held until the
/// transaction ends; others take the one after it.
///
/// # Errors
///
/// When Postgres is away.
pub async fn next_to_match(connection: &mut PgConnection) -> Result<Option<ToMatch>> {
    #[derive(FromRow)]
    struct Next {
        #[sqlx(flatten)]
        opening: Row,
        match_cursor: i64,
    }
    let next: Option<Next> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select {COLUMNS}, match_cursor from openings
         where matched_revision < revision and fault is null
         order by id limit 1 for update skip locked"
    )))
    .fetch_optional(connection)
    .await?;
    Ok(next.map(|next| ToMatch {
        id: next.opening.id,
        cursor: next.match_cursor,
        opening: next.opening.read(),
    }))
}

/// Sets an opening aside that matching cannot get past, so that the others go
/// on.
///
/// # Errors
///
/// When Postgres is away.
pub async fn set_aside(connection: &mut PgConnection, id: i64, fault: &str) -> Result<()> {
    sqlx::query("update openings set fault = $2 where id = $1")
        .bind(id)
        .bind(fault)
        .execute(connection)
        .await?;
    Ok(())
}

/// Gives the openings that were set aside another try: a newer program may get
/// past them.
///
/// # Errors
///
/// When Postgres is away.
pub async fn retry_set_aside(connection: &mut PgConnection) -> Result<()> {
    sqlx::query("update openings set fault = null where fault is not null").execute(connection).await?;
    Ok(())
}

/// Remembers up to which subscriber an opening is matched.
///
/// # Errors
///
/// When Postgres is away.
pub async fn matched_up_to(connection: &mut PgConnection, id: i64, subscriber_id: i64) -> Result<()> {
    sqlx::query("update openings set match_cursor = $2 where id = $1")
        .bind(id)
        .bind(subscriber_id)
        .execute(connection)
        .await?;
    Ok(())
}

/// Remembers that a revision of an opening is matched for everybody.
///
/// # Errors
///
/// When Postgres is away.
pub async fn matched(connection: &mut PgConnection, id: i64, revision: i32) -> Result<()> {
    sqlx::query("update openings set matched_revision = $2, match_cursor = 0 where id = $1")
        .bind(id)
        .bind(revision)
        .execute(connection)
        .await?;
    Ok(())
}
