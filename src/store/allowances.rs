//! What providers and relays were given in the running minute and day, where
//! that is limited: for all processes together, and over restarts.

use chrono::{DateTime, Days, Duration, DurationRound, NaiveDate, NaiveTime, Utc};
use sqlx::{FromRow, PgConnection};

use crate::domain::provider::{Limits, Scope};
use crate::store::Result;

/// What a provider or relay has been given.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Used {
    /// Its name in the tables, see [`Scope`].
    pub scope: String,
    /// Mails in the running minute.
    pub in_minute: i64,
    /// Mails today.
    pub in_day: i64,
    /// Mails that are in hand now; only of providers.
    pub in_hand: i64,
}

impl Used {
    /// How much more there is to give.
    fn left(&self, limits: &Limits) -> u32 {
        let left = |limit: Option<u32>, used: i64| {
            limit.map_or(u32::MAX, |limit| u32::try_from((i64::from(limit) - used).max(0)).unwrap_or(limit))
        };
        left(limits.connections, self.in_hand)
            .min(left(limits.per_minute, self.in_minute))
            .min(left(limits.per_day, self.in_day))
    }

    /// Whether nothing more may be given now.
    #[must_use]
    pub fn is_spent(&self, limits: &Limits) -> bool {
        self.left(limits) == 0
    }
}

/// What providers have been given that are limited, of those that ever were
/// given anything.
///
/// # Errors
///
/// When Postgres is away.
pub async fn of_providers(connection: &mut PgConnection, now: DateTime<Utc>) -> Result<Vec<Used>> {
    Ok(sqlx::query_as(
        "select a.scope,
                case when a.minute = $1 then a.in_minute else 0 end as in_minute,
                case when a.day = $2 then a.in_day else 0 end as in_day,
                (select count(*) from mails m
                 where m.worker is not null and m.provider = substr(a.scope, 10)) as in_hand
         from allowances a where a.scope like 'provider/%'",
    )
    .bind(minute_of(now))
    .bind(now.date_naive())
    .fetch_all(connection)
    .await?)
}

/// What was taken out of an allowance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// So many mails.
    pub given: u32,
    /// If there were none, when there are some again by the clock.
    pub renewed_at: DateTime<Utc>,
}

/// Takes up to so many mails of what a provider or relay may be given. Others
/// who want some wait until the transaction ends. Who takes from several takes
/// from them in the order of their names, so that nobody waits in a circle.
///
/// # Errors
///
/// When Postgres is away.
pub async fn take(
    connection: &mut PgConnection,
    scope: Scope<'_>,
    limits: &Limits,
    wanted: u32,
    now: DateTime<Utc>,
) -> Result<Taken> {
    let (name, minute, today) = (scope.to_string(), minute_of(now), now.date_naive());
    let new = sqlx::query(
        "insert into allowances (scope, minute, in_minute, day, in_day) values ($1, $2, 0, $3, 0)
         on conflict do nothing",
    )
    .bind(&name)
    .bind(minute)
    .bind(today)
    .execute(&mut *connection)
    .await?;
    if new.rows_affected() > 0 {
        forget(&mut *connection, today).await?;
    }
    sqlx::query("select from allowances where scope = $1 for update")
        .bind(&name)
        .execute(&mut *connection)
        .await?;
    // A statement of its own: it sees what the one was waiting for that held the row.
    let used: Used = sqlx::query_as(
        "select scope,
                case when minute = $2 then in_minute else 0 end as in_minute,
                case when day = $3 then in_day else 0 end as in_day,
                (select count(*) from mails m
                 where m.worker is not null and m.provider = $4) as in_hand
         from allowances where scope = $1",
    )
    .bind(&name)
    .bind(minute)
    .bind(today)
    .bind(match scope {
        Scope::Provider(provider) => Some(provider),
        Scope::Relay(_) => None,
    })
    .fetch_one(&mut *connection)
    .await?;
    let taken = wanted.min(used.left(limits));
    if taken > 0 {
        sqlx::query(
            "update allowances set minute = $2, in_minute = $3, day = $4, in_day = $5 where scope = $1",
        )
        .bind(&name)
        .bind(minute)
        .bind(used.in_minute + i64::from(taken))
        .bind(today)
        .bind(used.in_day + i64::from(taken))
        .execute(connection)
        .await?;
    }
    let of_day = limits.per_day.is_some_and(|limit| used.in_day >= i64::from(limit));
    let renewed_at = if of_day {
        (today + Days::new(1)).and_time(NaiveTime::MIN).and_utc()
    } else {
        minute + Duration::minutes(1)
    };
    Ok(Taken { given: taken, renewed_at })
}

/// Gives back so many mails that were taken at `taken_at` and did not get that far: to that minute, while it
/// runs, and to that day.
///
/// # Errors
///
/// When Postgres is away.
pub async fn give_back(
    connection: &mut PgConnection,
    scope: Scope<'_>,
    count: u32,
    taken_at: DateTime<Utc>,
) -> Result<()> {
    sqlx::query(
        "update allowances set
             in_minute = case when minute = $3 then greatest(in_minute - $2, 0) else in_minute end,
             in_day = case when day = $4 then greatest(in_day - $2, 0) else in_day end
         where scope = $1",
    )
    .bind(scope.to_string())
    .bind(i64::from(count))
    .bind(minute_of(taken_at))
    .bind(taken_at.date_naive())
    .execute(connection)
    .await?;
    Ok(())
}

/// Forgets who was given nothing for days, past those whom others hold.
async fn forget(connection: &mut PgConnection, today: NaiveDate) -> Result<()> {
    sqlx::query(
        "delete from allowances where scope in (
             select scope from allowances where day < $1 order by scope for update skip locked)",
    )
    .bind(today - Days::new(2))
    .execute(connection)
    .await?;
    Ok(())
}

/// Where the minute of the clock began.
fn minute_of(now: DateTime<Utc>) -> DateTime<Utc> {
    now.duration_trunc(Duration::minutes(1)).unwrap_or(now)
}
