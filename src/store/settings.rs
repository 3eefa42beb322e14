//! What holds for all processes together: what the tables were last worked on
//! under, where that matters to them, and whether mails may leave.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use sqlx::types::Json;

use crate::store::Result;

/// The schedules by which alerts were made due.
pub const SCHEDULES: &str = "schedules";

/// Notes that something is so from now on, and says whether it was otherwise
/// until now; what was not known was not otherwise. Others wait until the
/// transaction ends.
///
/// # Errors
///
/// When Postgres is away.
pub async fn changed(connection: &mut PgConnection, key: &str, value: &str) -> Result<bool> {
    Ok(sqlx::query_scalar(
        "with known as (insert into settings (key, value) values ($1, $2) on conflict (key) do nothing),
              changed as (update settings set value = $2 where key = $1 and value <> $2 returning key)
         select exists (select from changed)",
    )
    .bind(key)
    .bind(value)
    .fetch_one(connection)
    .await?)
}

/// That no mail may leave.
const PAUSE: &str = "pause";

/// Since when no mail may leave, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    /// Since when.
    pub since: DateTime<Utc>,
    /// Who said so: an account of the machine.
    pub by: String,
    /// Why, in their words.
    pub reason: Option<String>,
}

/// Whether an operator has stopped all mails.
///
/// # Errors
///
/// When Postgres is away; no mail may leave then.
pub async fn paused(connection: &mut PgConnection) -> Result<Option<Paused>> {
    let value: Option<String> = sqlx::query_scalar("select value from settings where key = $1")
        .bind(PAUSE)
        .fetch_optional(connection)
        .await?;
    // However it was written: stopped is stopped.
    let unreadable = || Paused {
        since: DateTime::UNIX_EPOCH,
        by: "somebody".to_owned(),
        reason: Some("the row `pause` of the table settings cannot be read".to_owned()),
    };
    Ok(value.map(|value| serde_json::from_str(&value).unwrap_or_else(|_| unreadable())))
}

/// Stops all mails, unless they are stopped already; returns since when they are,
/// and whether that is new.
///
/// # Errors
///
/// When Postgres is away.
pub async fn pause(connection: &mut PgConnection, pause: &Paused) -> Result<(Paused, bool)> {
    let made = sqlx::query("insert into settings (key, value) values ($1, $2::jsonb) on conflict do nothing")
        .bind(PAUSE)
        .bind(Json(pause))
        .execute(&mut *connection)
        .await?;
    let now = paused(connection).await?;
    Ok((now.unwrap_or_else(|| pause.clone()), made.rows_affected() > 0))
}

/// Lets mails leave again; returns whether they were stopped.
///
/// # Errors
///
/// When Postgres is away.
pub async fn resume(connection: &mut PgConnection) -> Result<bool> {
    let gone = sqlx::query("delete from settings where key = $1").bind(PAUSE).execute(connection).await?;
    Ok(gone.rows_affected() > 0)
}
