//! The truth about what people can be told of, and its history.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection};

use crate::domain::history::Position;
use crate::domain::opening::{Heard, Moves, Opening};
use crate::domain::subject::{NoSubject, Subject};
use crate::domain::truth::Truth;
use crate::store::{Result, StoreError, name_of};

/// One opening as it stands in the tables.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The key in the tables.
    pub id: i64,
    /// What it is about.
    pub subject: Subject,
    /// Which opening of the subject, from 1.
    pub number: i32,
    /// Rises with each change of the truth.
    pub revision: i32,
    /// What is so.
    pub opening: Opening,
}

impl Kept {
    /// What it is called in a mail's identity: `vacancy/230000P0/1`.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}/{}", self.subject, self.number)
    }
}

/// An opening as intake has worked it out.
#[derive(Debug, Clone, Copy)]
pub struct Worked<'a> {
    /// What it is about.
    pub subject: &'a str,
    /// Which opening of the subject, from 1.
    pub number: i32,
    /// The event by which the row knows its opening.
    pub anchor: i64,
    /// What is so.
    pub opening: &'a Opening,
}

/// A row that there is already.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Known {
    /// The key in the tables.
    pub id: i64,
    /// What it is about.
    pub subject: String,
    /// Which opening of the subject, from 1.
    #[sqlx(rename = "posting")]
    pub number: i32,
    /// The event by which the row knows its opening.
    #[sqlx(rename = "anchor_event_id")]
    pub anchor: i64,
    /// The name of a programme's cycle.
    pub cycle: Option<String>,
    /// It has turned out to be the same opening as an earlier row.
    pub absorbed: bool,
}

#[derive(FromRow)]
struct Row {
    id: i64,
    subject: String,
    posting: i32,
    cycle: Option<String>,
    /// None if it is known.
    truth: Option<Value>,
    moved_at: Option<DateTime<Utc>>,
    moved_before_at: Option<DateTime<Utc>>,
    posted_at: DateTime<Utc>,
    seen_at: DateTime<Utc>,
    news_time: DateTime<Utc>,
    news_seen: DateTime<Utc>,
    percent_full: Option<f64>,
    test: bool,
    version: Option<i64>,
    event_time: DateTime<Utc>,
    revision: i32,
}

const COLUMNS: &str = "id, subject, posting, cycle, truth, moved_at, moved_before_at, posted_at, seen_at,
    news_time, news_seen, percent_full, test, version, event_time, revision";

impl Row {
    fn read(self, known: Option<Truth>) -> Result<Kept> {
        let unreadable = |cause: String| StoreError::Row { row: format!("openings {}", self.id), cause };
        let subject: Subject =
            self.subject.parse().map_err(|error: NoSubject| unreadable(error.to_string()))?;
        let truth = match known {
            Some(truth) => truth,
            None => serde_json::from_value(self.truth.unwrap_or_default())
                .map_err(|error| unreadable(error.to_string()))?,
        };
        let opening = Opening {
            kind: subject.kind,
            cycle: self.cycle,
            unnamed: false,
            truth,
            moves: Moves { last: self.moved_at, before: self.moved_before_at },
            begun: Heard { time: self.posted_at, seen: self.seen_at },
            news: Heard { time: self.news_time, seen: self.news_seen },
            position: Position { version: self.version, time: self.event_time },
            percent_full: self.percent_full,
            test: self.test,
            begun_by: vec![],
        };
        Ok(Kept { id: self.id, subject, number: self.posting, revision: self.revision, opening })
    }

    fn read_or_report(self, known: Option<Truth>) -> Option<Kept> {
        self.read(known).inspect_err(|error| tracing::error!(%error, "an opening is left out")).ok()
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
    fn each<'a, T>(worked: &[Worked<'a>], get: impl Fn(&'a Opening) -> T) -> Vec<T> {
        worked.iter().map(|w| get(w.opening)).collect()
    }
    let changed: Vec<bool> = sqlx::query_scalar(
        "with given as (
             select * from unnest($1::text[], $2::int[], $3::text[], $4::text[], $5::jsonb[],
                 $6::timestamptz[], $7::timestamptz[], $8::timestamptz[], $9::timestamptz[],
                 $10::timestamptz[], $11::timestamptz[], $12::timestamptz[], $13::timestamptz[],
                 $14::double precision[], $15::bool[], $16::bigint[], $17::timestamptz[], $18::bigint[])
                 as g (subject, posting, cycle, state, truth, opened_at, door_shuts_at, moved_at,
                       moved_before_at, posted_at, seen_at, news_time, news_seen, percent_full, test,
                       version, event_time, anchor_event_id)),
         saved as (
             insert into openings as o
                 (subject, posting, cycle, state, truth, opened_at, door_shuts_at, moved_at,
                  moved_before_at, posted_at, seen_at, news_time, news_seen, percent_full, test,
                  version, event_time, anchor_event_id, revision)
             select *, 1 from given
             on conflict (subject, posting) do update set
                 cycle = excluded.cycle, state = excluded.state, truth = excluded.truth,
                 opened_at = excluded.opened_at, door_shuts_at = excluded.door_shuts_at,
                 moved_at = excluded.moved_at, moved_before_at = excluded.moved_before_at,
                 posted_at = excluded.posted_at, seen_at = excluded.seen_at,
                 news_time = excluded.news_time, news_seen = excluded.news_seen,
                 percent_full = excluded.percent_full, test = excluded.test,
                 version = excluded.version, event_time = excluded.event_time,
                 -- What is only reported wakes nobody.
                 revision = o.revision + ((o.truth, o.test) is distinct from (excluded.truth, excluded.test))::int,
                 match_cursor = case when (o.truth, o.test) is distinct from (excluded.truth, excluded.test)
                     then 0 else o.match_cursor end,
                 settled = o.settled and (o.truth, o.test) is not distinct from (excluded.truth, excluded.test),
                 fault = null
             where (o.truth, o.test, o.cycle, o.percent_full)
                 is distinct from (excluded.truth, excluded.test, excluded.cycle, excluded.percent_full)
             returning id, revision, truth),
         recorded as (
             insert into opening_revisions (opening_id, revision, truth, recorded_at)
             select id, revision, truth, $19 from saved
             on conflict (opening_id, revision) do nothing
             returning true)
         select * from recorded",
    )
    .bind(worked.iter().map(|w| w.subject).collect::<Vec<_>>())
    .bind(worked.iter().map(|w| w.number).collect::<Vec<_>>())
    .bind(each(worked, |opening| opening.cycle.as_deref()))
    .bind(each(worked, |opening| name_of(&opening.truth.state)))
    .bind(each(worked, |opening| Json(&opening.truth)))
    .bind(each(worked, |opening| opening.truth.opened_at))
    .bind(each(worked, |opening| opening.truth.door_shuts_at()))
    .bind(each(worked, |opening| opening.moves.last))
    .bind(each(worked, |opening| opening.moves.before))
    .bind(each(worked, |opening| opening.begun.time))
    .bind(each(worked, |opening| opening.begun.seen))
    .bind(each(worked, |opening| opening.news.time))
    .bind(each(worked, |opening| opening.news.seen))
    .bind(each(worked, |opening| opening.percent_full))
    .bind(each(worked, |opening| opening.test))
    .bind(each(worked, |opening| opening.position.version))
    .bind(each(worked, |opening| opening.position.time))
    .bind(worked.iter().map(|w| w.anchor).collect::<Vec<_>>())
    .bind(now)
    .fetch_all(connection)
    .await?;
    Ok(changed.len() as u64)
}

/// What was so at these revisions of these openings.
///
/// # Errors
///
/// When Postgres is away. A revision that cannot be read is missing, loudly.
pub async fn truths(
    connection: &mut PgConnection,
    revisions: &[(i64, i32)],
) -> Result<HashMap<(i64, i32), Truth>> {
    if revisions.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<(i64, i32, Value)> = sqlx::query_as(
        "select r.opening_id, r.revision, r.truth
         from unnest($1::bigint[], $2::int[]) as wanted (opening_id, revision)
         join opening_revisions r using (opening_id, revision)",
    )
    .bind(revisions.iter().map(|(opening, _)| *opening).collect::<Vec<_>>())
    .bind(revisions.iter().map(|(_, revision)| *revision).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    let read = |(opening, revision, truth): (i64, i32, Value)| {
        serde_json::from_value(truth)
            .inspect_err(|error| tracing::error!(opening, revision, %error, "a revision cannot be read"))
            .ok()
            .map(|truth| ((opening, revision), truth))
    };
    Ok(rows.into_iter().filter_map(read).collect())
}

/// The rows that there are for these subjects, oldest first.
///
/// # Errors
///
/// When Postgres is away.
pub async fn known(connection: &mut PgConnection, subjects: &[String]) -> Result<Vec<Known>> {
    Ok(sqlx::query_as(
        "select id, subject, posting, anchor_event_id, cycle, absorbed from openings
         where subject = any($1) order by subject, posting",
    )
    .bind(subjects)
    .fetch_all(connection)
    .await?)
}

/// Two rows have turned out to be one opening: what people were told by the
/// later one counts as told by the earlier, and the later is about nothing any
/// more. The truths that were told by the later are kept for the earlier under
/// numbers below zero.
///
/// # Errors
///
/// When Postgres is away.
pub async fn absorb(connection: &mut PgConnection, later: i64, earlier: i64) -> Result<()> {
    let below: i32 = sqlx::query_scalar(
        "select least(coalesce(min(revision), 0), 0) from opening_revisions where opening_id = $1",
    )
    .bind(earlier)
    .fetch_one(&mut *connection)
    .await?;
    sqlx::query(
        "insert into opening_revisions (opening_id, revision, truth, recorded_at)
         select $2, $3 - abs(revision), truth, recorded_at from opening_revisions where opening_id = $1
         on conflict do nothing",
    )
    .bind(later)
    .bind(earlier)
    .bind(below)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "insert into alerts as a (subscriber_id, opening_id, told_phase, told_revision,
                                  told_mail_id, told_at, promise, advance_told_at, outcome, outcome_reason,
                                  outcome_at, door_left)
         select subscriber_id, $2, told_phase, $3 - abs(told_revision),
                told_mail_id, told_at, promise, advance_told_at, outcome, outcome_reason, outcome_at, door_left
         from alerts where opening_id = $1 and told_revision is not null
         on conflict (subscriber_id, opening_id) do update set
             due_at = null, ended = null, told_phase = excluded.told_phase,
             told_revision = excluded.told_revision,
             told_mail_id = excluded.told_mail_id, told_at = excluded.told_at,
             promise = a.promise or excluded.promise,
             advance_told_at = coalesce(a.advance_told_at, excluded.advance_told_at),
             outcome = coalesce(a.outcome, excluded.outcome),
             outcome_reason = coalesce(a.outcome_reason, excluded.outcome_reason),
             outcome_at = coalesce(a.outcome_at, excluded.outcome_at),
             door_left = coalesce(a.door_left, excluded.door_left)
         where a.told_revision is null",
    )
    .bind(later)
    .bind(earlier)
    .bind(below)
    .execute(&mut *connection)
    .await?;
    // What was owed by the later is owed by the earlier, whose matching says so.
    sqlx::query("update alerts set promise = false where opening_id = $1 and promise")
        .bind(later)
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        r#"update openings set absorbed = true, settled = true, state = 'closed',
               truth = truth || '{"state": "closed", "closeReason": null, "openedAt": null}',
               revision = revision + 1, matched_revision = revision + 1
           where id = $1"#,
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
pub async fn by_id(connection: &mut PgConnection, ids: &[i64]) -> Result<Vec<Kept>> {
    by_id_knowing(connection, ids, &Truths::new()).await
}

/// What was so at revisions of openings, as far as it was read before.
pub type Truths = HashMap<(i64, i32), Arc<Truth>>;

/// The same; what was so at these revisions is known, and not read again if it
/// still is.
///
/// # Errors
///
/// When Postgres is away.
pub async fn by_id_knowing(connection: &mut PgConnection, ids: &[i64], known: &Truths) -> Result<Vec<Kept>> {
    let columns = COLUMNS.replace(
        " truth,",
        " case when (id, revision) in (select * from unnest($2::bigint[], $3::int[])) then null else truth end
              as truth,",
    );
    let rows: Vec<Row> =
        sqlx::query_as(sqlx::AssertSqlSafe(format!("select {columns} from openings where id = any($1)")))
            .bind(ids)
            .bind(known.keys().map(|(id, _)| *id).collect::<Vec<_>>())
            .bind(known.keys().map(|(_, revision)| *revision).collect::<Vec<_>>())
            .fetch_all(connection)
            .await?;
    let read = |row: Row| {
        let truth = known.get(&(row.id, row.revision)).filter(|_| row.truth.is_none());
        row.read_or_report(truth.map(|truth| Truth::clone(truth)))
    };
    Ok(rows.into_iter().filter_map(read).collect())
}

/// An opening that is to be matched.
#[derive(Debug)]
pub struct ToMatch {
    /// Its key in the tables.
    pub id: i64,
    /// The opening, or why it cannot be read.
    pub opening: Result<Kept>,
    /// The subscriber up to whom its present revision is done.
    pub cursor: i64,
    /// It has never been matched to its end.
    pub is_new: bool,
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
        is_new: bool,
    }
    let next: Option<Next> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select {COLUMNS}, match_cursor, matched_revision = 0 as is_new from openings
         where matched_revision < revision and fault is null
         order by id limit 1 for update skip locked"
    )))
    .fetch_optional(connection)
    .await?;
    Ok(next.map(|next| ToMatch {
        id: next.opening.id,
        cursor: next.match_cursor,
        is_new: next.is_new,
        opening: next.opening.read(None),
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

/// Has programmes that are announced, scheduled or open matched again, if that
/// was done under another taxonomy: they may be part of more by now.
///
/// # Errors
///
/// When Postgres is away.
pub async fn match_under(connection: &mut PgConnection, taxonomy: &str) -> Result<u64> {
    let again = sqlx::query(
        "update openings set matched_revision = revision - 1, match_cursor = 0
         where subject ~ '^(test-)?programme/' and matched_revision = revision and not absorbed
           and state in ('announced', 'scheduled', 'open', 'paused') and matched_under is distinct from $1",
    )
    .bind(taxonomy)
    .execute(connection)
    .await?;
    Ok(again.rows_affected())
}

/// How long after a door has shut somebody who registered before may still
/// have to be told of it: matching was away.
const JUST_SHUT: Duration = Duration::days(7);

/// The programmes' cycles that somebody who has registered just now may have
/// to be told of: those that are announced, scheduled or open, and those that
/// have just shut. One that cannot be read is missing, loudly.
///
/// # Errors
///
/// When Postgres is away.
pub async fn live_cycles(connection: &mut PgConnection, now: DateTime<Utc>) -> Result<Vec<Kept>> {
    let rows: Vec<Row> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select {COLUMNS} from openings
         where subject ~ '^(test-)?programme/' and not absorbed and state <> 'withdrawn'
           and (door_shuts_at is null or door_shuts_at > $1)
         order by id"
    )))
    .bind(now - JUST_SHUT)
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().filter_map(|row| row.read_or_report(None)).collect())
}

/// The programme's cycle after this key that is open now and matched, if there
/// is one; without those of test events.
///
/// # Errors
///
/// When Postgres is away.
pub async fn next_open_cycle(
    connection: &mut PgConnection,
    after: i64,
    now: DateTime<Utc>,
) -> Result<Option<Kept>> {
    let rows: Vec<Row> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select {COLUMNS} from openings
         where subject ~ '^programme/' and id > $1 and state = 'open' and opened_at <= $2
           and (door_shuts_at is null or door_shuts_at > $2)
           and matched_revision = revision and fault is null and not absorbed
         order by id"
    )))
    .bind(after)
    .bind(now)
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().find_map(|row| row.read_or_report(None)))
}

/// Has an opening matched once more from the first subscriber on.
///
/// # Errors
///
/// When Postgres is away.
pub async fn match_again(connection: &mut PgConnection, id: i64) -> Result<()> {
    sqlx::query(
        "update openings set matched_revision = revision - 1, match_cursor = 0
         where id = $1 and matched_revision = revision",
    )
    .bind(id)
    .execute(connection)
    .await?;
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

/// Remembers that a revision of an opening is matched for everybody, under
/// this taxonomy.
///
/// # Errors
///
/// When Postgres is away.
pub async fn matched(connection: &mut PgConnection, id: i64, revision: i32, taxonomy: &str) -> Result<()> {
    sqlx::query(
        "update openings set matched_revision = $2, match_cursor = 0, matched_under = $3 where id = $1",
    )
    .bind(id)
    .bind(revision)
    .bind(taxonomy)
    .execute(connection)
    .await?;
    Ok(())
}
