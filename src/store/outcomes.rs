//! What others may follow, on its way to the broker: ids and figures, never
//! people. Written in the transaction of what it tells of, so that it is there
//! if and only if that happened.

use chrono::{DateTime, Duration, Utc};
use serde_json::{Value, json};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::domain::terms::Unmapped;
use crate::store::Result;
use crate::store::openings::Kept;

/// The opening that something happened about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, FromRow)]
pub struct About {
    /// What it is about: `programme/pc-dhep`.
    pub subject: String,
    /// The name of a programme's cycle.
    pub cycle: Option<String>,
    /// Which opening of the subject, from 1.
    #[sqlx(rename = "posting")]
    pub number: i32,
}

impl About {
    fn key(&self) -> String {
        format!("{}/{}", self.subject, self.number)
    }
}

impl From<&Kept> for About {
    fn from(kept: &Kept) -> Self {
        Self { subject: kept.subject.to_string(), cycle: kept.opening.cycle.clone(), number: kept.number }
    }
}

/// Something that others may follow.
#[derive(Debug, Clone, PartialEq)]
pub struct OutcomeEvent {
    /// CloudEvents `id`: the same if it is published twice. No person can be
    /// found by it without our tables.
    pub event_id: String,
    /// CloudEvents `type`, and the routing key.
    pub kind: &'static str,
    /// CloudEvents `subject`.
    pub subject: String,
    /// When it happened.
    pub time: DateTime<Utc>,
    /// CloudEvents `data`.
    pub data: Value,
}

/// What people were told of an opening in the same words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Telling<'a> {
    /// What stands before the `@` of the Message-ID of one of their mails. A
    /// mail tells of an opening once, so no other event has it.
    pub mail: &'a str,
    /// By which revision of the truth.
    pub revision: i32,
    /// In which kind of mail.
    pub kind: &'a str,
    /// What became of their promises by it, if they were such.
    pub outcome: Option<&'a str>,
    /// How many people they are.
    pub people: u32,
}

/// What became of a promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PromiseOutcome<'a> {
    /// The name in the tables: `kept`, `kept-late`, `explained`, `released`.
    pub outcome: &'a str,
    /// Why it was released.
    pub reason: Option<&'a str>,
    /// How long the door was still open.
    pub door_left: Option<Duration>,
    /// What stands before the `@` of the Message-ID of the mail that did it,
    /// if a mail did.
    pub mail: Option<&'a str>,
}

impl OutcomeEvent {
    /// People were told of one opening, and that was recorded together.
    #[must_use]
    pub fn told(about: &About, telling: &Telling<'_>, at: DateTime<Utc>) -> Self {
        let Telling { mail, revision, kind, outcome, people } = *telling;
        let mut data = json!({
            "subject": about.subject, "cycle": about.cycle, "number": about.number,
            "revision": revision, "kind": kind, "people": people,
        });
        if let Some(outcome) = outcome {
            data["outcome"] = outcome.into();
        }
        Self {
            event_id: format!("told/{mail}/{}", about.key()),
            kind: "alert.told",
            subject: about.subject.clone(),
            time: at,
            data,
        }
    }

    /// One promise has an outcome. Where no mail is the cause, the event gets
    /// an id of its own, which it keeps until it is published.
    #[must_use]
    pub fn promise(about: &About, outcome: PromiseOutcome<'_>, at: DateTime<Utc>) -> Self {
        let cause = outcome.mail.map_or_else(|| Uuid::new_v4().simple().to_string(), ToOwned::to_owned);
        Self {
            event_id: format!("promise/{cause}/{}", about.key()),
            kind: "promise.outcome",
            subject: about.subject.clone(),
            time: at,
            data: json!({
                "subject": about.subject, "cycle": about.cycle, "number": about.number,
                "outcome": outcome.outcome, "reason": outcome.reason,
                "doorLeftSeconds": outcome.door_left.map(|left| left.num_seconds()),
            }),
        }
    }

    /// An opening says something that the taxonomy does not know. The same for
    /// every revision that says it.
    #[must_use]
    pub fn unmapped(about: &About, unmapped: &Unmapped, at: DateTime<Utc>) -> Self {
        let dimension = unmapped.dimension.key();
        Self {
            event_id: format!("unmapped/{}/{dimension}/{}", about.key(), unmapped.value),
            kind: "opening.unmapped",
            subject: about.subject.clone(),
            time: at,
            data: json!({
                "subject": about.subject, "number": about.number,
                "dimension": dimension, "value": unmapped.value,
            }),
        }
    }
}

/// Writes down what is to be published, all together in one statement; what is
/// written down already stays as it is. Nobody is woken: the stage looks every
/// second, and a notification would make the commits of all workers queue up.
///
/// # Errors
///
/// When Postgres is away.
pub async fn emit(connection: &mut PgConnection, events: &[OutcomeEvent]) -> Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into outcome_events (event_id, type, subject, time, data)
         select * from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::jsonb[])
         on conflict (event_id) do nothing",
    )
    .bind(events.iter().map(|event| event.event_id.as_str()).collect::<Vec<_>>())
    .bind(events.iter().map(|event| event.kind).collect::<Vec<_>>())
    .bind(events.iter().map(|event| event.subject.as_str()).collect::<Vec<_>>())
    .bind(events.iter().map(|event| event.time).collect::<Vec<_>>())
    .bind(events.iter().map(|event| &event.data).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// An event that waits to be published.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct Waiting {
    /// The key in the tables.
    pub id: i64,
    /// CloudEvents `id`.
    pub event_id: String,
    /// CloudEvents `type`.
    #[sqlx(rename = "type")]
    pub kind: String,
    /// CloudEvents `subject`.
    pub subject: String,
    /// CloudEvents `time`.
    pub time: DateTime<Utc>,
    /// CloudEvents `data`.
    pub data: Value,
}

/// The oldest events that wait. They are held until the transaction ends;
/// others take the ones after them.
///
/// # Errors
///
/// When Postgres is away.
pub async fn next(connection: &mut PgConnection, limit: i64) -> Result<Vec<Waiting>> {
    Ok(sqlx::query_as(
        "select id, event_id, type, subject, time, data from outcome_events
         order by id limit $1 for update skip locked",
    )
    .bind(limit)
    .fetch_all(connection)
    .await?)
}

/// Forgets events that the broker has.
///
/// # Errors
///
/// When Postgres is away.
pub async fn published(connection: &mut PgConnection, ids: &[i64]) -> Result<()> {
    sqlx::query("delete from outcome_events where id = any($1)").bind(ids).execute(connection).await?;
    Ok(())
}
