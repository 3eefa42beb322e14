//! Counts, programme by programme, whether everybody who registered has been
//! told that it is open, is about to be, or has a reason not to be. Nothing
//! leaves anybody out; this is how it would be known.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::housekeeping::Rules;
use crate::store::{self, openings, reckonings};

/// Counts the next open programme after this one. Returns which it was; `None` if there is no more.
pub(super) async fn next(
    connection: &mut PgConnection,
    rules: &Rules,
    after: i64,
    now: DateTime<Utc>,
) -> store::Result<Option<i64>> {
    let Some(cycle) = openings::next_open_cycle(&mut *connection, after, now).await? else { return Ok(None) };
    let within: Vec<&str> =
        cycle.opening.answers(&cycle.subject.reference, &rules.taxonomy).into_iter().collect();
    let today = now.with_timezone(&rules.zone).date_naive();
    let reckoning = reckonings::reckon(&mut *connection, &cycle, &within, today, now).await?;
    if let Some(reckoning) = reckoning.filter(|reckoning| reckoning.missing > 0) {
        tracing::error!(
            opening = cycle.key(),
            owed = reckoning.owed,
            missing = reckoning.missing,
            "of these people who registered nothing is known; matching looks at all of them again"
        );
        openings::match_again(&mut *connection, cycle.id).await?;
        store::announce_work(connection, "matching").await?;
    }
    Ok(Some(cycle.id))
}
