//! What the tables hold about one person and one subject, to explain what was
//! told and what was not. Reads only.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::store::Result;

/// From here on, reads see the tables as they are at this moment, until the
/// connection ends; nothing can be written.
///
/// # Errors
///
/// When Postgres is away.
pub async fn stand_still(connection: &mut PgConnection) -> Result<()> {
    sqlx::query("begin isolation level repeatable read read only").execute(connection).await?;
    Ok(())
}

/// How somebody names a person.
#[derive(Clone, Copy)]
pub enum Who<'a> {
    /// By the folded address.
    Address(&'a str),
    /// By the id that is known outside.
    PublicId(Uuid),
}

/// A person, beside what is read of them at a claim.
#[derive(Debug, Clone, FromRow)]
pub struct Person {
    /// The key in the tables.
    pub id: i64,
    /// `active`, or why not.
    pub state: String,
    /// Since when they are known.
    pub created_at: DateTime<Utc>,
}

/// The person that somebody means.
///
/// # Errors
///
/// When Postgres is away.
pub async fn person(connection: &mut PgConnection, who: Who<'_>) -> Result<Option<Person>> {
    let (lookup, public_id) = match who {
        Who::Address(lookup) => (Some(lookup), None),
        Who::PublicId(id) => (None, Some(id)),
    };
    Ok(sqlx::query_as("select id, state, created_at from subscribers where lookup = $1 or public_id = $2")
        .bind(lookup)
        .bind(public_id)
        .fetch_optional(connection)
        .await?)
}

/// That a person agreed.
#[derive(Debug, Clone, FromRow)]
pub struct Consent {
    /// When.
    pub given_at: DateTime<Utc>,
    /// To which text.
    pub wording_version: String,
    /// Where.
    pub source: String,
}

/// What a person agreed to, the latest first.
///
/// # Errors
///
/// When Postgres is away.
pub async fn consents(connection: &mut PgConnection, person: i64) -> Result<Vec<Consent>> {
    Ok(sqlx::query_as(
        "select given_at, wording_version, source from consents where subscriber_id = $1 order by given_at desc",
    )
    .bind(person)
    .fetch_all(connection)
    .await?)
}

/// That something came back from a person.
#[derive(Debug, Clone, FromRow)]
pub struct Returned {
    /// When.
    pub at: DateTime<Utc>,
    /// A bounce, that a mail is delayed, or a complaint.
    pub kind: String,
    /// What a bounce says of the mailbox...
    pub weight: Option<String>,
    /// ...and the status code that says so.
    pub status: Option<String>,
    /// By which way it reached us.
    pub source: String,
}

/// What came back from a person, the latest first.
///
/// # Errors
///
/// When Postgres is away.
pub async fn returns(connection: &mut PgConnection, person: i64) -> Result<Vec<Returned>> {
    Ok(sqlx::query_as(
        "select at, kind, weight, status, source from returns where subscriber_id = $1 order by at desc, id desc",
    )
    .bind(person)
    .fetch_all(connection)
    .await?)
}

/// Who ran a person's mailbox when a mail to it was last claimed.
///
/// # Errors
///
/// When Postgres is away.
pub async fn provider(connection: &mut PgConnection, person: i64) -> Result<Option<String>> {
    Ok(sqlx::query_scalar(
        "select provider from mails where subscriber_id = $1 and provider is not null order by id desc limit 1",
    )
    .bind(person)
    .fetch_optional(connection)
    .await?)
}

/// The names of a person's searches that are paused; the others are read as at
/// a claim.
///
/// # Errors
///
/// When Postgres is away.
pub async fn paused_searches(connection: &mut PgConnection, person: i64) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar(
        "select name from searches where subscriber_id = $1 and cadence = 'paused' order by id",
    )
    .bind(person)
    .fetch_all(connection)
    .await?)
}

/// The programmes of a person's registrations that matching has not looked at
/// yet.
///
/// # Errors
///
/// When Postgres is away.
pub async fn unmatched_registrations(connection: &mut PgConnection, person: i64) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar("select programme from registrations where subscriber_id = $1 and not matched")
        .bind(person)
        .fetch_all(connection)
        .await?)
}

/// How far an opening is on the road.
#[derive(Debug, Clone, FromRow)]
pub struct Progress {
    /// The key in the tables.
    pub id: i64,
    /// It has a revision that matching has not done...
    pub to_match: bool,
    /// ...up to this subscriber.
    pub match_cursor: i64,
    /// Why matching cannot get past it.
    pub fault: Option<String>,
}

/// How far these openings are.
///
/// # Errors
///
/// When Postgres is away.
pub async fn progress(connection: &mut PgConnection, openings: &[i64]) -> Result<Vec<Progress>> {
    Ok(sqlx::query_as(
        "select id, matched_revision < revision as to_match, match_cursor, fault
         from openings where id = any($1)",
    )
    .bind(openings)
    .fetch_all(connection)
    .await?)
}

/// When each revision of these openings was written down: opening, revision,
/// moment, in order.
///
/// # Errors
///
/// When Postgres is away.
pub async fn revisions(
    connection: &mut PgConnection,
    openings: &[i64],
) -> Result<Vec<(i64, i32, DateTime<Utc>)>> {
    Ok(sqlx::query_as(
        "select opening_id, revision, recorded_at from opening_revisions
         where opening_id = any($1) order by opening_id, revision",
    )
    .bind(openings)
    .fetch_all(connection)
    .await?)
}

/// An alert, whole.
#[derive(Debug, Clone, FromRow)]
pub struct Alert {
    /// Of which opening.
    pub opening_id: i64,
    /// When the next word is due.
    pub due_at: Option<DateTime<Utc>>,
    /// By which revision they were last told...
    pub told_revision: Option<i32>,
    /// ...how the door stood...
    pub told_phase: Option<String>,
    /// ...when...
    pub told_at: Option<DateTime<Utc>>,
    /// ...in which mail...
    pub told_message_id: Option<String>,
    /// ...and in which thread.
    pub told_thread: Option<Vec<String>>,
    /// They were reminded that it closes soon.
    pub reminded: bool,
    /// Why it ended without a word.
    pub ended: Option<String>,
    /// Whether it is a promise.
    pub promise: bool,
    /// When they were told the date, before the door opened.
    pub advance_told_at: Option<DateTime<Utc>>,
    /// What became of the promise.
    pub outcome: Option<String>,
    /// Why it was released.
    pub outcome_reason: Option<String>,
    /// When that was decided.
    pub outcome_at: Option<DateTime<Utc>>,
    /// How long the door was still open when they were told, in seconds.
    pub door_left_seconds: Option<i64>,
}

/// What there is between a person and these openings.
///
/// # Errors
///
/// When Postgres is away.
pub async fn alerts(connection: &mut PgConnection, person: i64, openings: &[i64]) -> Result<Vec<Alert>> {
    Ok(sqlx::query_as(
        "select a.opening_id, a.due_at, a.told_revision, a.told_phase, a.told_at,
                m.message_id as told_message_id, m.thread as told_thread,
                a.reminded_at is not null as reminded, a.ended, a.promise,
                a.advance_told_at, a.outcome, a.outcome_reason, a.outcome_at,
                extract(epoch from a.door_left)::bigint as door_left_seconds
         from alerts a left join mails m on m.id = a.told_mail_id
         where a.subscriber_id = $1 and a.opening_id = any($2)
         order by a.opening_id",
    )
    .bind(person)
    .bind(openings)
    .fetch_all(connection)
    .await?)
}

/// A mail to a person.
#[derive(Debug, Clone, FromRow)]
pub struct Mail {
    /// Which kind.
    pub kind: String,
    /// Its identity.
    pub message_id: String,
    /// What it tells of...
    pub openings: Vec<i64>,
    /// ...by which revisions.
    pub revisions: Vec<i32>,
    /// How often it was tried.
    pub attempts: i16,
    /// Whether a worker has it in hand now.
    pub in_hand: bool,
    /// When it was first claimed.
    pub claimed_at: Option<DateTime<Utc>>,
    /// How it ended; none while it waits.
    pub outcome: Option<String>,
    /// What the mail server said last, without addresses.
    pub reply: Option<String>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

/// The mails to a person that tell of these openings, oldest first.
///
/// # Errors
///
/// When Postgres is away.
pub async fn mails(connection: &mut PgConnection, person: i64, openings: &[i64]) -> Result<Vec<Mail>> {
    Ok(sqlx::query_as(
        "select kind, message_id, openings, revisions, attempts, worker is not null as in_hand, claimed_at,
                outcome, reply, finished_at
         from mails where subscriber_id = $1 and openings && $2
         order by id",
    )
    .bind(person)
    .bind(openings)
    .fetch_all(connection)
    .await?)
}
