//! People who come back: who lapsed or stopped and confirms again is active
//! again. Who stopped stays stopped by anything that they said before.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::store::audit::{self, Entry};
use crate::store::{self, Result};

/// Holds people until the transaction ends: what they are to us stays what it
/// is, and an answer comes before a lapse or a stop, or after it.
///
/// # Errors
///
/// When Postgres is away.
pub(super) async fn hold(connection: &mut PgConnection, people: &[i64]) -> Result<()> {
    sqlx::query("select from subscribers where id = any($1) order by id for no key update")
        .bind(people)
        .execute(connection)
        .await?;
    Ok(())
}

/// Makes those of these people active again who lapsed and have confirmed since
/// they were asked, or stopped and have agreed since. Returns those who stay as
/// they are: what they once asked for is not taken up again.
///
/// # Errors
///
/// When Postgres is away.
pub(super) async fn come_back(
    connection: &mut PgConnection,
    people: &[i64],
    now: DateTime<Utc>,
) -> Result<HashSet<i64>> {
    let back: Vec<(i64, Uuid)> = sqlx::query_as(
        "update subscribers p set state = 'active', unanswered_since = null
         where p.id = any($1) and exists (
             select from consents c
             where c.subscriber_id = p.id and c.given_at > case p.state
                 when 'lapsed' then p.unanswered_since
                 when 'stopped' then (
                     select max(s.at) from stops s
                     where s.subscriber_id = p.id and s.scope = 'all' and s.undone_at is null) end)
         returning p.id, p.public_id",
    )
    .bind(people)
    .fetch_all(&mut *connection)
    .await?;
    let entries: Vec<Entry> = back
        .iter()
        .map(|(_, subject)| Entry {
            actor: "import",
            action: "came-back",
            subject: *subject,
            detail: json!({}),
        })
        .collect();
    audit::write(&mut *connection, &entries, now).await?;
    if !back.is_empty() {
        owe_again(&mut *connection, &back.iter().map(|(id, _)| *id).collect::<Vec<_>>(), now).await?;
    }
    let away: Vec<i64> = sqlx::query_scalar(
        "select id from subscribers where id = any($1) and state in ('lapsed', 'stopped')",
    )
    .bind(people)
    .fetch_all(connection)
    .await?;
    Ok(away.into_iter().collect())
}

/// What was promised to people before they lapsed or stopped is owed to them
/// again while the door has not shut, and looked at at once: delivery knows
/// whether they still ask for it.
async fn owe_again(connection: &mut PgConnection, people: &[i64], now: DateTime<Utc>) -> Result<()> {
    sqlx::query(
        "update alerts a set outcome = null, outcome_reason = null, outcome_at = null, ended = null, due_at = $2
         from openings o
         where o.id = a.opening_id and a.subscriber_id = any($1) and a.promise and a.outcome_reason in ('lapsed', 'unsubscribed')
           and o.state not in ('closed', 'withdrawn') and (o.door_shuts_at is null or o.door_shuts_at > $2)",
    )
    .bind(people)
    .bind(now)
    .execute(&mut *connection)
    .await?;
    store::announce_work(connection, "delivery").await
}
