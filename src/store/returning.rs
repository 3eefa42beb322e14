//! People who come back: who lapsed and confirms again is active again. Who
//! stopped stays stopped by anything that they said before.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::store::audit::{self, Entry};
use crate::store::{self, Result};

/// Holds those of these people who were asked whether they still want to hear,
/// or have lapsed, until the transaction ends: an answer and a lapse come one
/// after the other.
///
/// # Errors
///
/// When Postgres is away.
pub(super) async fn hold(connection: &mut PgConnection, people: &[i64]) -> Result<()> {
    sqlx::query(
        "select from subscribers p
         where p.id = any($1)
           and (p.state = 'lapsed' or exists (select from letters l where l.subscriber_id = p.id))
         order by p.id for no key update",
    )
    .bind(people)
    .execute(connection)
    .await?;
    Ok(())
}

/// Makes those of these people active again who lapsed and have confirmed since
/// they were asked. Returns those who stay lapsed: what they once asked for is
/// not taken up again.
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
         where p.id = any($1) and p.state = 'lapsed' and exists (
             select from consents c where c.subscriber_id = p.id and c.given_at > p.unanswered_since)
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
    let lapsed: Vec<i64> =
        sqlx::query_scalar("select id from subscribers where id = any($1) and state = 'lapsed'")
            .bind(people)
            .fetch_all(connection)
            .await?;
    Ok(lapsed.into_iter().collect())
}

/// What was promised to people before they lapsed is owed to them again while
/// the door has not shut, and looked at at once: delivery knows whether they
/// still ask for it.
async fn owe_again(connection: &mut PgConnection, people: &[i64], now: DateTime<Utc>) -> Result<()> {
    sqlx::query(
        "update alerts a set outcome = null, outcome_reason = null, outcome_at = null, ended = null, due_at = $2
         from openings o
         where o.id = a.opening_id and a.subscriber_id = any($1) and a.promise and a.outcome_reason = 'lapsed'
           and o.state not in ('closed', 'withdrawn') and (o.door_shuts_at is null or o.door_shuts_at > $2)",
    )
    .bind(people)
    .bind(now)
    .execute(&mut *connection)
    .await?;
    store::announce_work(connection, "delivery").await
}
