//! What is done by the clock: its times, and what it does.

mod interest;
mod reckoning;
mod retention;
mod ticks;

use chrono::{DateTime, Utc};

use crate::harness::Road;

/// The times of a chore that have a row, in order.
async fn ticks(road: &Road, chore: &'static str) -> Vec<DateTime<Utc>> {
    let rows: Vec<(String, DateTime<Utc>)> =
        road.rows("select chore, tick_at from chore_ticks order by tick_at").await;
    rows.into_iter().filter(|(name, _)| name == chore).map(|(_, at)| at).collect()
}

/// Who did what, in order.
async fn audit(road: &Road) -> Vec<(String, String)> {
    road.rows("select actor, action from audit order by id").await
}
