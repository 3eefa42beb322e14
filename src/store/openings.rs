//! The truth about what people can be told of, and its history.

use chrono::{DateTime, Utc};
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection};

use crate::domain::opening::Facts;
use crate::domain::posting::{Position, Posting};
use crate::store::{Result, name_of, value_of};

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
    /// The truth.
    pub posting: &'a Posting,
}

#[derive(FromRow)]
struct Row {
    id: i64,
    subject: String,
    posting: i32,
    state: String,
    close_reason: Option<String>,
    opens_at: DateTime<Utc>,
    facts: Json<Facts>,
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
            facts: self.facts.0,
            opens_at: self.opens_at,
            posted: (self.posted_at, self.seen_at),
            position: Position { version: self.version, time: self.event_time },
            test: self.test,
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
                  test, version, event_time, revision)
             select *, 1 from unnest($1::text[], $2::int[], $3::text[], $4::text[], $5::timestamptz[],
                 $6::timestamptz[], $7::jsonb[], $8::timestamptz[], $9::timestamptz[], $10::bool[],
                 $11::bigint[], $12::timestamptz[])
             on conflict (subject, posting) do update set
                 state = excluded.state, close_reason = excluded.close_reason, opens_at = excluded.opens_at,
                 door_shuts_at = excluded.door_shuts_at, facts = excluded.facts,
                 posted_at = excluded.posted_at, seen_at = excluded.seen_at, test = excluded.test,
                 version = excluded.version, event_time = excluded.event_time,
                 revision = o.revision + 1, match_cursor = 0
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
    .execute(connection)
    .await?;
    Ok(changed.rows_affected())
}

/// The openings with these keys.
///
/// # Errors
///
/// When Postgres is away or a row cannot be read.
pub async fn by_id(connection: &mut PgConnection, ids: &[i64]) -> Result<Vec<Opening>> {
    let rows: Vec<Row> =
        sqlx::query_as(sqlx::AssertSqlSafe(format!("select {COLUMNS} from openings where id = any($1)")))
            .bind(ids)
            .fetch_all(connection)
            .await?;
    rows.into_iter().map(Row::read).collect()
}

/// The next opening that has changed since it was matched, and the subscriber
/// up to whom its present revision is done. Held until the transaction ends;
/// others take the one after it.
///
/// # Errors
///
/// When Postgres is away or the row cannot be read.
pub async fn next_to_match(connection: &mut PgConnection) -> Result<Option<(Opening, i64)>> {
    #[derive(FromRow)]
    struct ToMatch {
        #[sqlx(flatten)]
        opening: Row,
        match_cursor: i64,
    }
    let row: Option<ToMatch> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select {COLUMNS}, match_cursor from openings where matched_revision < revision
         order by id limit 1 for update skip locked"
    )))
    .fetch_optional(connection)
    .await?;
    row.map(|row| Ok((row.opening.read()?, row.match_cursor))).transpose()
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
