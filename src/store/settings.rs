//! What the tables were last worked on under, where that matters to them.

use sqlx::PgConnection;

use crate::store::Result;

/// The schedules by which alerts were made due.
pub const SCHEDULES: &str = "schedules";

/// Notes that something is so from now on, and says whether it was otherwise,
/// or not known, until now. Others wait until the transaction ends.
///
/// # Errors
///
/// When Postgres is away.
pub async fn changed(connection: &mut PgConnection, key: &str, value: &str) -> Result<bool> {
    let changed = sqlx::query(
        "insert into settings as s (key, value) values ($1, $2)
         on conflict (key) do update set value = excluded.value where s.value <> excluded.value",
    )
    .bind(key)
    .bind(value)
    .execute(connection)
    .await?;
    Ok(changed.rows_affected() > 0)
}
