//! The inbox: every event that was understood, once.

use std::collections::{BTreeSet, HashSet};

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{FromRow, PgConnection};

use crate::store::Result;

/// How many locks all subjects share. Small batches seldom meet; a large one
/// takes a bounded number of locks.
const STRIPES: i32 = 64;
const STRIPE_LOCKS: i32 = 0x6a_6f_62;

/// An event as it is kept.
#[derive(Debug, Clone)]
pub struct Event {
    /// The key; 0 until it is kept.
    pub id: i64,
    /// CloudEvents `source`.
    pub source: String,
    /// CloudEvents `id`; unique within its source.
    pub event_id: String,
    /// CloudEvents `type`.
    pub kind: String,
    /// What it is about, normalised.
    pub subject: String,
    /// `entityversion`.
    pub version: Option<i64>,
    /// `time`, or when it was received if the source does not say.
    pub time: DateTime<Utc>,
    /// When it was first seen here.
    pub received_at: DateTime<Utc>,
    /// `testevent`.
    pub test: bool,
    /// `data`, as it came.
    pub data: Value,
}

/// Makes this transaction the only one that works on these subjects.
///
/// # Errors
///
/// When Postgres is away.
pub async fn lock_subjects(connection: &mut PgConnection, subjects: &BTreeSet<&str>) -> Result<()> {
    let stripes: BTreeSet<i32> = subjects.iter().map(|subject| stripe(subject)).collect();
    let stripes: Vec<i32> = stripes.into_iter().collect();
    // In the order of the array, the same for everybody, so nobody waits in a circle.
    sqlx::query("select pg_advisory_xact_lock($1, stripe) from unnest($2::int[]) as stripe")
        .bind(STRIPE_LOCKS)
        .bind(stripes)
        .execute(connection)
        .await?;
    Ok(())
}

fn stripe(subject: &str) -> i32 {
    let hash = subject.bytes().fold(0_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
    i32::try_from(hash % STRIPES.unsigned_abs()).unwrap_or(0)
}

/// Keeps the events that are not there yet and returns which those are, by
/// source and id.
///
/// # Errors
///
/// When Postgres is away.
pub async fn record(connection: &mut PgConnection, events: &[&Event]) -> Result<HashSet<(String, String)>> {
    let column = |get: fn(&Event) -> &str| events.iter().map(|event| get(event)).collect::<Vec<_>>();
    let new: Vec<(String, String)> = sqlx::query_as(
        "insert into events (source, event_id, type, subject, version, time, received_at, test, data)
         select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[],
                              $6::timestamptz[], $7::timestamptz[], $8::bool[], $9::jsonb[])
         on conflict (source, event_id) do nothing
         returning source, event_id",
    )
    .bind(column(|event| &event.source))
    .bind(column(|event| &event.event_id))
    .bind(column(|event| &event.kind))
    .bind(column(|event| &event.subject))
    .bind(events.iter().map(|event| event.version).collect::<Vec<_>>())
    .bind(events.iter().map(|event| event.time).collect::<Vec<_>>())
    .bind(events.iter().map(|event| event.received_at).collect::<Vec<_>>())
    .bind(events.iter().map(|event| event.test).collect::<Vec<_>>())
    .bind(events.iter().map(|event| event.data.clone()).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    Ok(new.into_iter().collect())
}

/// All events about these subjects, in order of arrival.
///
/// # Errors
///
/// When Postgres is away.
pub async fn about(connection: &mut PgConnection, subjects: &[String]) -> Result<Vec<Event>> {
    #[derive(FromRow)]
    struct Row {
        id: i64,
        source: String,
        event_id: String,
        r#type: String,
        subject: String,
        version: Option<i64>,
        time: DateTime<Utc>,
        received_at: DateTime<Utc>,
        test: bool,
        data: Value,
    }
    let rows: Vec<Row> = sqlx::query_as(
        "select id, source, event_id, type, subject, version, time, received_at, test, data
         from events where subject = any($1) order by id",
    )
    .bind(subjects)
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Event {
            id: row.id,
            source: row.source,
            event_id: row.event_id,
            kind: row.r#type,
            subject: row.subject,
            version: row.version,
            time: row.time,
            received_at: row.received_at,
            test: row.test,
            data: row.data,
        })
        .collect())
}
