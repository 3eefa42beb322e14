//! What is leaving, and what left.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection};

use crate::store::Result;

/// A mail that was begun and has not ended: deferred, or orphaned.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Unfinished {
    /// The key in the tables.
    pub id: i64,
    /// Whose it is.
    pub subscriber_id: i64,
    /// Which kind of mail it is.
    pub kind: String,
    /// What it tells of.
    pub openings: Vec<i64>,
    /// How often it was tried.
    pub attempts: i16,
    /// When it was first claimed.
    pub claimed_at: DateTime<Utc>,
    /// Until when it is or was left alone because nobody knows whether it
    /// arrived.
    pub unknown_until: Option<DateTime<Utc>>,
    /// It has left for all we know, and has not been begun again.
    pub left: bool,
}

impl Unfinished {
    /// Until when it is left alone, if nobody knows whether it arrived.
    #[must_use]
    pub fn is_held(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.unknown_until.filter(|until| *until > now)
    }
}

/// The mails of these people that have not ended, oldest first.
///
/// # Errors
///
/// When Postgres is away.
pub async fn unfinished(connection: &mut PgConnection, people: &[i64]) -> Result<Vec<Unfinished>> {
    Ok(sqlx::query_as(
        "select id, subscriber_id, kind, openings, attempts, claimed_at, unknown_until,
                leaving is not null as left
         from mails
         where subscriber_id = any($1) and outcome is null and worker is null
         order by id",
    )
    .bind(people)
    .fetch_all(connection)
    .await?)
}

/// A mail that a worker wants to send.
#[derive(Debug, Clone)]
pub struct Claim<'a> {
    /// The unfinished mail that goes on, if it is one.
    pub unfinished: Option<i64>,
    /// To whom.
    pub subscriber_id: i64,
    /// Which kind of mail.
    pub kind: &'static str,
    /// Its Message-ID.
    pub message_id: &'a str,
    /// What it tells of.
    pub openings: Vec<i64>,
    /// By which revisions of their facts.
    pub revisions: Vec<i32>,
    /// The Message-IDs of the thread that it continues, oldest first.
    pub thread: &'a [String],
    /// The searches that it answers, by their keys...
    pub searches: BTreeSet<i64>,
    /// ...and what the registrations are for that it answers.
    pub programmes: BTreeSet<&'a str>,
    /// It is no haste.
    pub unhurried: bool,
    /// Who runs the mailbox.
    pub provider: &'a str,
}

/// Puts mails into a worker's hands; the people are held by this transaction.
/// Returns the mails' keys by subscriber.
///
/// # Errors
///
/// When Postgres is away.
pub async fn claim(
    connection: &mut PgConnection,
    worker: i32,
    claims: &[Claim<'_>],
    now: DateTime<Utc>,
) -> Result<HashMap<i64, i64>> {
    let (going_on, new): (Vec<&Claim<'_>>, Vec<&Claim<'_>>) =
        claims.iter().partition(|claim| claim.unfinished.is_some());
    let mut claimed = HashMap::new();
    if !new.is_empty() {
        let rows: Vec<(i64, i64)> = sqlx::query_as(
            "insert into mails
                 (subscriber_id, kind, message_id, openings, revisions, thread, searches, programmes, unhurried,
                  provider, worker, claimed_at)
             select subscriber_id, kind, message_id,
                    string_to_array(openings, ',')::bigint[], string_to_array(revisions, ',')::int[],
                    string_to_array(thread, ' '), string_to_array(searches, ',')::bigint[],
                    string_to_array(programmes, ','), unhurried, provider, $7, $8
             from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $9::bool[],
                         $10::text[], $11::text[], $12::text[])
                  as c (subscriber_id, kind, message_id, openings, revisions, thread, unhurried, searches,
                        programmes, provider)
             returning subscriber_id, id",
        )
        .bind(new.iter().map(|claim| claim.subscriber_id).collect::<Vec<_>>())
        .bind(new.iter().map(|claim| claim.kind).collect::<Vec<_>>())
        .bind(new.iter().map(|claim| claim.message_id).collect::<Vec<_>>())
        .bind(new.iter().map(|claim| joined(&claim.openings)).collect::<Vec<_>>())
        .bind(new.iter().map(|claim| joined(&claim.revisions)).collect::<Vec<_>>())
        .bind(new.iter().map(|claim| claim.thread.join(" ")).collect::<Vec<_>>())
        .bind(worker)
        .bind(now)
        .bind(new.iter().map(|claim| claim.unhurried).collect::<Vec<_>>())
        .bind(new.iter().map(|claim| joined(&claim.searches)).collect::<Vec<_>>())
        .bind(new.iter().map(|claim| joined(&claim.programmes)).collect::<Vec<_>>())
        .bind(new.iter().map(|claim| claim.provider).collect::<Vec<_>>())
        .fetch_all(&mut *connection)
        .await?;
        claimed.extend(rows);
    }
    for claim in going_on {
        let row: Option<(i64, i64)> = sqlx::query_as(
            "update mails set worker = $2, message_id = $3, openings = $4, revisions = $5, thread = $6,
                    searches = $7, programmes = $8, leaving = null, provider = $9
             where id = $1 and outcome is null and worker is null
             returning subscriber_id, id",
        )
        .bind(claim.unfinished)
        .bind(worker)
        .bind(claim.message_id)
        .bind(&claim.openings)
        .bind(&claim.revisions)
        .bind(claim.thread)
        .bind(claim.searches.iter().copied().collect::<Vec<_>>())
        .bind(claim.programmes.iter().copied().collect::<Vec<_>>())
        .bind(claim.provider)
        .fetch_optional(&mut *connection)
        .await?;
        claimed.extend(row);
    }
    Ok(claimed)
}

/// Arrays of arrays are rectangular in Postgres, so a ragged one travels as text.
fn joined<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(",")
}

/// Ends unfinished mails that have nothing left to tell.
///
/// # Errors
///
/// When Postgres is away.
pub async fn supersede(connection: &mut PgConnection, ids: &[i64], now: DateTime<Utc>) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    // A digest that is not sent has not been.
    sqlx::query(
        "with superseded as (
             update mails set outcome = 'superseded', finished_at = $2
             where id = any($1) and outcome is null and worker is null
             returning id)
         delete from digests where mail_id in (select id from superseded)",
    )
    .bind(ids)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}
