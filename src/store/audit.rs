//! Who did what to whom. People stand in it by their public ids only, so that
//! nothing of it has to be removed with them.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::store::Result;

/// Something that was done to a person.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// By which part of the program.
    pub actor: &'static str,
    /// What.
    pub action: &'static str,
    /// To whom: their public id.
    pub subject: Uuid,
    /// What else there is to say, without addresses.
    pub detail: Value,
}

/// Writes down what was done, in the transaction that does it.
///
/// # Errors
///
/// When Postgres is away.
pub async fn write(connection: &mut PgConnection, entries: &[Entry], at: DateTime<Utc>) -> Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into audit (at, actor, action, subject, detail)
         select $1, * from unnest($2::text[], $3::text[], $4::uuid[], $5::jsonb[])",
    )
    .bind(at)
    .bind(entries.iter().map(|entry| entry.actor).collect::<Vec<_>>())
    .bind(entries.iter().map(|entry| entry.action).collect::<Vec<_>>())
    .bind(entries.iter().map(|entry| entry.subject).collect::<Vec<_>>())
    .bind(entries.iter().map(|entry| &entry.detail).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes down what was done about somebody whom we do not know.
///
/// # Errors
///
/// When Postgres is away.
pub async fn write_of_nobody(
    connection: &mut PgConnection,
    actor: &'static str,
    action: &'static str,
    at: DateTime<Utc>,
) -> Result<()> {
    sqlx::query("insert into audit (at, actor, action) values ($1, $2, $3)")
        .bind(at)
        .bind(actor)
        .bind(action)
        .execute(connection)
        .await?;
    Ok(())
}
