//! Providers and relays that take nothing from us just now: what one process
//! finds out holds for all, and over restarts.

use chrono::{DateTime, Utc};
use sqlx::{Connection, FromRow, PgConnection};

use crate::domain::breaker::{Breaker, Plan, State};
use crate::domain::provider::Scope;
use crate::store::{Result, StoreError};

/// A breaker of a provider or relay with which not all is well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Whose it is, by its name in the tables, see [`Scope`].
    pub scope: String,
    /// How it stands.
    pub breaker: Breaker,
    /// What was said last: codes of a reply, or how a connection ended.
    pub reason: String,
    /// When it came to stand so.
    pub changed_at: DateTime<Utc>,
}

#[derive(FromRow)]
struct Row {
    scope: String,
    state: String,
    until: Option<DateTime<Utc>>,
    run: i32,
    times: i32,
    people: Vec<i64>,
    reason: String,
    changed_at: DateTime<Utc>,
}

impl Row {
    fn kept(self) -> Result<Kept> {
        let state = match (self.state.as_str(), self.until) {
            ("closed", None) => State::Closed,
            ("open", Some(until)) => State::Open { until },
            ("probing", Some(until)) => State::Probing { until },
            (state, _) => {
                let row = format!("breakers {}", self.scope);
                return Err(StoreError::Row { row, cause: format!("no such state: {state}") });
            }
        };
        let count = |count: i32| u16::try_from(count).unwrap_or(u16::MAX);
        let people = self.people.into_iter().collect();
        let breaker = Breaker { state, run: count(self.run), times: count(self.times), people };
        Ok(Kept { scope: self.scope, breaker, reason: self.reason, changed_at: self.changed_at })
    }
}

/// All breakers but those of providers and relays with which all is well.
///
/// # Errors
///
/// When Postgres is away.
pub async fn all(connection: &mut PgConnection) -> Result<Vec<Kept>> {
    let rows: Vec<Row> =
        sqlx::query_as("select * from breakers order by scope").fetch_all(connection).await?;
    rows.into_iter().map(Row::kept).collect()
}

/// Changes a breaker, and returns how it stood before and stands now. Whoever
/// wants to change the same waits.
///
/// # Errors
///
/// When Postgres is away.
pub async fn change(
    connection: &mut PgConnection,
    scope: Scope<'_>,
    reason: &str,
    now: DateTime<Utc>,
    change: impl Fn(Breaker) -> Breaker,
) -> Result<(Breaker, Breaker)> {
    let scope = scope.to_string();
    let mut transaction = connection.begin().await?;
    let before = loop {
        sqlx::query(
            "insert into breakers (scope, state, run, times, reason, changed_at)
             values ($1, 'closed', 0, 0, $2, $3) on conflict do nothing",
        )
        .bind(&scope)
        .bind(reason)
        .bind(now)
        .execute(&mut *transaction)
        .await?;
        let row: Option<Row> = sqlx::query_as("select * from breakers where scope = $1 for update")
            .bind(&scope)
            .fetch_optional(&mut *transaction)
            .await?;
        // Somebody may have found in between that all is well again.
        if let Some(row) = row {
            break row.kept()?.breaker;
        }
    };
    let after = change(before);
    if after == Breaker::default() {
        sqlx::query("delete from breakers where scope = $1").bind(&scope).execute(&mut *transaction).await?;
    } else if after != before {
        let until = match after.state {
            State::Closed => None,
            State::Open { until } | State::Probing { until } => Some(until),
        };
        sqlx::query(
            "update breakers set state = $2, until = $3, run = $4, times = $5, people = $6, reason = $7, changed_at = $8
             where scope = $1",
        )
        .bind(&scope)
        .bind(after.name())
        .bind(until)
        .bind(i32::from(after.run))
        .bind(i32::from(after.times))
        .bind(after.people.iter().collect::<Vec<_>>())
        .bind(reason)
        .bind(now)
        .execute(&mut *transaction)
        .await?;
    }
    transaction.commit().await?;
    Ok((before, after))
}

/// Asks to be the one whose mail finds out whether a provider or relay takes
/// mails again; granted to one of all who ask.
///
/// # Errors
///
/// When Postgres is away.
pub async fn probe(
    connection: &mut PgConnection,
    scope: Scope<'_>,
    plan: &Plan,
    now: DateTime<Utc>,
) -> Result<bool> {
    let won = sqlx::query(
        "update breakers set state = 'probing', until = $2, changed_at = $3
         where scope = $1 and state <> 'closed' and until <= $3",
    )
    .bind(scope.to_string())
    .bind(now + plan.probe)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(won.rows_affected() > 0)
}
