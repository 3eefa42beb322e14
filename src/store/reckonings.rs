//! Whether those who are owed a word have it: counted again, from the other end
//! of the road than the one from which they are told.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, PgConnection};

use crate::store::Result;
use crate::store::openings::Kept;

/// What became of those who are owed a word of an opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, FromRow)]
pub struct Reckoning {
    /// When it was counted.
    #[serde(rename(serialize = "at"))]
    pub reckoned_at: DateTime<Utc>,
    /// People who registered. The four add up to them.
    pub owed: i64,
    /// Those who were told that it is open.
    pub told: i64,
    /// Those who are to be told.
    pub pending: i64,
    /// Those who are not, for a reason that is on record.
    pub ended: i64,
    /// Those of whom nothing is known.
    pub missing: i64,
}

/// Counts what became of those who registered for a programme that is open, or
/// for one of those that it is part of, and keeps the count. `None` if matching
/// has to look at it first, also under this taxonomy, of which this is the
/// fingerprint.
///
/// # Errors
///
/// When Postgres is away.
pub async fn reckon(
    connection: &mut PgConnection,
    cycle: &Kept,
    within: &[&str],
    taxonomy: &str,
    today: NaiveDate,
    now: DateTime<Utc>,
) -> Result<Option<Reckoning>> {
    Ok(sqlx::query_as(
        "with owed as (
             select distinct subscriber_id from registrations
             where programme = any($3) and matched and (valid_until is null or valid_until >= $4)
               and (not_before is null or not_before <= $4)),
         counted as (
             select count(*) as owed,
                    count(*) filter (where is_told) as told,
                    count(*) filter (where not is_told and a.due_at is not null) as pending,
                    count(*) filter (where not is_told and a.due_at is null
                                       and (a.ended is not null or a.outcome = 'released')) as ended
             from owed left join alerts a on a.opening_id = $1 and a.subscriber_id = owed.subscriber_id,
             -- Who was only told the date is not told that it is open.
             lateral (select a.told_phase is not distinct from 'open' as is_told) told)
         insert into reckonings as r (opening_id, reckoned_at, owed, told, pending, ended, missing)
         select $1, $5, owed, told, pending, ended, owed - told - pending - ended from counted
         -- Of the same moment as the count.
         where exists (select from openings where id = $1 and revision = $2 and matched_revision = $2
                                              and matched_under = $6)
         on conflict (opening_id) do update set
             reckoned_at = excluded.reckoned_at, owed = excluded.owed, told = excluded.told,
             pending = excluded.pending, ended = excluded.ended, missing = excluded.missing
         returning r.*",
    )
    .bind(cycle.id)
    .bind(cycle.revision)
    .bind(within)
    .bind(today)
    .bind(now)
    .bind(taxonomy)
    .fetch_optional(connection)
    .await?)
}

/// How many were missing when it was last counted; none if it never was.
///
/// # Errors
///
/// When Postgres is away.
pub async fn missing(connection: &mut PgConnection, opening_id: i64) -> Result<Option<i64>> {
    let missing = sqlx::query_scalar("select missing from reckonings where opening_id = $1");
    Ok(missing.bind(opening_id).fetch_optional(connection).await?)
}
