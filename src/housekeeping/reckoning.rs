//! Counts, programme by programme, whether everybody who registered has been
//! told that it is open, is about to be, or has a reason not to be. Nothing
//! leaves anybody out; this is how it would be known.

use chrono::{DateTime, Utc};
use sqlx::{Connection, PgConnection};

use crate::housekeeping::Rules;
use crate::store::openings::Kept;
use crate::store::{self, openings, reckonings};

/// Counts the next open programme after this one. Returns which it was; `None` if there is no more. One that
/// cannot be counted is told in the log, and does not keep the others from it.
pub(super) async fn next(
    connection: &mut PgConnection,
    rules: &Rules,
    after: i64,
    now: DateTime<Utc>,
) -> store::Result<Option<i64>> {
    let Some(cycle) = openings::next_open_cycle(&mut *connection, after, now).await? else { return Ok(None) };
    let mut counting = connection.begin().await?;
    match count(&mut counting, rules, &cycle, now).await {
        Ok(()) => counting.commit().await?,
        Err(error) if error.will_come_again() => {
            counting.rollback().await?;
            tracing::error!(opening = cycle.key(), %error, "it cannot be counted whether anybody is missing");
        }
        Err(error) => return Err(error),
    }
    Ok(Some(cycle.id))
}

async fn count(
    connection: &mut PgConnection,
    rules: &Rules,
    cycle: &Kept,
    now: DateTime<Utc>,
) -> store::Result<()> {
    let within: Vec<&str> =
        cycle.opening.answers(&cycle.subject.reference, &rules.taxonomy).into_iter().collect();
    let today = now.with_timezone(&rules.zone).date_naive();
    let taxonomy = rules.taxonomy.fingerprint_of_programmes();
    let before = reckonings::missing(&mut *connection, cycle.id).await?;
    let reckoning = reckonings::reckon(&mut *connection, cycle, &within, &taxonomy, today, now).await?;
    if let Some(reckoning) = reckoning.filter(|reckoning| reckoning.missing > 0) {
        tracing::error!(
            opening = cycle.key(),
            owed = reckoning.owed,
            missing = reckoning.missing,
            "of these people who registered nothing is known"
        );
        // Once: if the same are missing after that, it does not help them.
        if before != Some(reckoning.missing) {
            openings::match_again(&mut *connection, cycle.id).await?;
            store::announce_work(connection, "matching").await?;
        }
    }
    Ok(())
}
