//! The last step before a mail is handed over: whether it may leave, and that
//! it does. What a mail tells is kept from then until it is known whether it
//! arrived, so that it can be recorded even if its sender is gone.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection};

use crate::store::tries::{self, Outcome, Told, Try};
use crate::store::{Result, StoreError, settings};

/// What an operator's word makes of a mail nobody knew about.
const SETTLED: &str = "an operator says that it arrived";

/// A mail that is about to be handed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Departure {
    /// Which mail.
    pub mail_id: i64,
    /// In whose hands it is.
    pub worker: i32,
    /// What it tells, if it is taken now.
    pub told: Vec<Told>,
}

/// What may leave.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Leave {
    /// These mails may.
    pub granted: Vec<i64>,
    /// No mail may, because an operator has stopped all of them.
    pub paused: bool,
}

/// What is kept of a mail that has left for all we know.
#[derive(Serialize, Deserialize)]
struct Left {
    at: DateTime<Utc>,
    /// By whom it was handed over: until somebody claims it again, he knows best what became of it.
    #[serde(default)]
    worker: i32,
    told: Vec<Told>,
}

/// Lets mails leave that are still in the hands of their worker and were not
/// recalled, and notes that they do. Whoever stops mails, of a person or all of
/// them, has committed that before or sees them as leaving.
///
/// # Errors
///
/// When Postgres is away; nothing may leave then.
pub async fn grant(
    connection: &mut PgConnection,
    departures: &[Departure],
    now: DateTime<Utc>,
) -> Result<Leave> {
    if departures.is_empty() {
        return Ok(Leave::default());
    }
    if settings::paused(&mut *connection).await?.is_some() {
        return Ok(Leave { granted: vec![], paused: true });
    }
    let left = |departure: &Departure| {
        Json(Left { at: now, worker: departure.worker, told: departure.told.clone() })
    };
    let granted = sqlx::query_scalar(
        "update mails m set leaving = d.told
         from unnest($1::bigint[], $2::int[], $3::jsonb[]) as d (mail_id, worker, told)
         where m.id = d.mail_id and m.worker = d.worker and not m.recalled
         returning m.id",
    )
    .bind(departures.iter().map(|departure| departure.mail_id).collect::<Vec<_>>())
    .bind(departures.iter().map(|departure| departure.worker).collect::<Vec<_>>())
    .bind(departures.iter().map(left).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    Ok(Leave { granted, paused: false })
}

/// A mail of which nobody knows whether it arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow)]
#[serde(rename_all = "camelCase")]
pub struct Unknown {
    /// Its key in the tables.
    #[sqlx(rename = "id")]
    pub mail: i64,
    /// The name of its kind.
    pub kind: String,
    /// What a mail server's log knows it by.
    pub message_id: String,
    /// When it was handed over.
    pub since: DateTime<Utc>,
    /// It is not sent again before this time.
    pub until: DateTime<Utc>,
    /// What happened, without addresses.
    pub reply: Option<String>,
}

/// The mails of which nobody knows whether they arrived, oldest first; of these
/// keys, if any are given.
///
/// # Errors
///
/// When Postgres is away.
pub async fn unknown(connection: &mut PgConnection, only: Option<&[i64]>) -> Result<Vec<Unknown>> {
    Ok(sqlx::query_as(
        "select id, kind, message_id, (leaving->>'at')::timestamptz as since, unknown_until as until, reply
         from mails
         where leaving is not null and outcome is null and worker is null
           and ($1::bigint[] is null or id = any($1))
         order by since, id",
    )
    .bind(only)
    .fetch_all(connection)
    .await?)
}

/// Has mails sent again that did not arrive, as far as an operator knows.
/// Returns how many are.
///
/// # Errors
///
/// When Postgres is away.
pub async fn resend(connection: &mut PgConnection, mails: &[i64], now: DateTime<Utc>) -> Result<u64> {
    let freed: i64 = sqlx::query_scalar(
        "with freed as (
             update mails set unknown_until = null, leaving = null
             where id = any($1) and leaving is not null and outcome is null and worker is null
             returning id, subscriber_id, openings),
         alerts_due as (
             update alerts a set due_at = $2 from freed f
             where a.subscriber_id = f.subscriber_id and a.opening_id = any(f.openings) and a.due_at > $2),
         letters_due as (
             update letters l set due_at = $2 from freed f where l.mail_id = f.id and l.due_at > $2)
         select count(*) from freed",
    )
    .bind(mails)
    .bind(now)
    .fetch_one(connection)
    .await?;
    Ok(freed.unsigned_abs())
}

/// Records mails as accepted at the time when they were handed over, because an
/// operator knows that they arrived. Returns how many were.
///
/// # Errors
///
/// When Postgres is away, or what they told cannot be read.
pub async fn settle(connection: &mut PgConnection, mails: &[i64]) -> Result<u64> {
    let rows: Vec<(i64, i64, Value)> = sqlx::query_as(
        "select id, subscriber_id, leaving from mails
         where id = any($1) and leaving is not null and outcome is null and worker is null
         for update",
    )
    .bind(mails)
    .fetch_all(&mut *connection)
    .await?;
    let settled = rows.len();
    for (mail_id, subscriber_id, left) in rows {
        let left = Left::deserialize(left)
            .map_err(|error| StoreError::Row { row: format!("mails {mail_id}"), cause: error.to_string() })?;
        let tries = [Try {
            mail_id,
            worker: left.worker,
            subscriber_id,
            told: left.told,
            outcome: Outcome::Accepted,
            verdict: None,
            reply: SETTLED.to_owned(),
        }];
        tries::record(connection, &tries, left.at).await?;
    }
    Ok(u64::try_from(settled).unwrap_or(u64::MAX))
}
