//! How things stand, in numbers.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{FromRow, PgConnection};

use crate::store::Result;

/// The road in numbers, stage by stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    /// Events kept.
    pub events: i64,
    /// Postings known.
    pub openings: i64,
    /// Of those, postings that matching has yet to look at.
    pub openings_to_match: i64,
    /// Postings that matching cannot get past; the log says why.
    pub openings_set_aside: i64,
    /// People.
    pub subscribers: i64,
    /// Saved searches.
    pub searches: i64,
    /// Registrations of interest.
    pub registrations: i64,
    /// Alerts whose word is due by now.
    pub alerts_due: i64,
    /// Since when the longest waiting of these is due.
    pub oldest_due_at: Option<DateTime<Utc>>,
    /// Alerts whose word is due later: a digest, a retry.
    pub alerts_waiting: i64,
    /// Alerts told.
    pub alerts_told: i64,
    /// Alerts that ended without a word.
    pub alerts_ended: i64,
    /// Mails in a worker's hands.
    pub mails_in_hand: i64,
    /// Mails deferred, to be tried again.
    pub mails_deferred: i64,
    /// Mails of which nobody knows whether they arrived.
    pub mails_unknown: i64,
    /// Mails accepted by the mail server.
    pub mails_accepted: i64,
    /// Mails refused for good.
    pub mails_refused: i64,
    /// Mails that failed our own checks; a person has to look.
    pub mails_held: i64,
    /// Mails given up after many tries.
    pub mails_given_up: i64,
    /// Mails that were not sent because only listed addresses get mail.
    pub mails_withheld: i64,
}

/// Counts everything.
///
/// # Errors
///
/// When Postgres is away.
pub async fn standing(connection: &mut PgConnection, now: DateTime<Utc>) -> Result<Standing> {
    Ok(sqlx::query_as(
        "select
             (select count(*) from events) as events,
             o.openings, o.openings_to_match, o.openings_set_aside,
             (select count(*) from subscribers) as subscribers,
             (select count(*) from searches) as searches,
             (select count(*) from registrations) as registrations,
             a.alerts_due, a.oldest_due_at, a.alerts_waiting, a.alerts_told, a.alerts_ended,
             m.*
         from
             (select count(*) as openings,
                     count(*) filter (where matched_revision < revision and fault is null) as openings_to_match,
                     count(*) filter (where fault is not null) as openings_set_aside
              from openings) o,
             (select count(*) filter (where due_at <= $1) as alerts_due,
                     min(due_at) filter (where due_at <= $1) as oldest_due_at,
                     count(*) filter (where due_at > $1) as alerts_waiting,
                     count(*) filter (where told_revision is not null) as alerts_told,
                     count(*) filter (where ended is not null) as alerts_ended
              from alerts) a,
             (select count(*) filter (where worker is not null) as mails_in_hand,
                     count(*) filter (where outcome is null and worker is null and leaving is null)
                         as mails_deferred,
                     count(*) filter (where outcome is null and worker is null and leaving is not null)
                         as mails_unknown,
                     count(*) filter (where outcome = 'withheld') as mails_withheld,
                     count(*) filter (where outcome = 'accepted') as mails_accepted,
                     count(*) filter (where outcome = 'refused') as mails_refused,
                     count(*) filter (where outcome = 'held') as mails_held,
                     count(*) filter (where outcome = 'given-up') as mails_given_up
              from mails) m",
    )
    .bind(now)
    .fetch_one(connection)
    .await?)
}

/// Why alerts ended without a word, and how many for each reason.
///
/// # Errors
///
/// When Postgres is away.
pub async fn endings(connection: &mut PgConnection) -> Result<Vec<(String, i64)>> {
    Ok(sqlx::query_as(
        "select ended, count(*) from alerts where ended is not null group by ended order by ended",
    )
    .fetch_all(connection)
    .await?)
}
