//! The way back from a stop.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::{FromRow, PgConnection};

use crate::domain::stop::undone_if_after;
use crate::store::stops::{Held, Person, note};
use crate::store::{self, Result, StoreError, alerts};

/// What came of taking back a stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undone {
    /// It is taken back, by this or before.
    Undone,
    /// What was asked for is back, but nothing may be sent to them: a mail came back or was complained
    /// about, say, or they had lapsed before.
    InVain,
    /// They have stopped everything since: that stands.
    StoppedSince,
    /// What it ended is not known any more.
    TooLate,
}

/// A stop that is to be taken back, and its person, who is held until the transaction ends.
#[derive(FromRow)]
struct Standing {
    #[sqlx(flatten)]
    person: Person,
    at: DateTime<Utc>,
    scope: String,
    held: Option<Value>,
    undone: bool,
    /// There is a later stop of everything.
    stopped_since: bool,
}

/// Takes back a stop, in a transaction of the caller: searches and registrations come back, unless
/// there are others in their place, and what they ended is looked at again. Done again, it changes
/// nothing.
///
/// # Errors
///
/// When Postgres is away; nothing is taken back then.
pub async fn undo(connection: &mut PgConnection, stop: i64, now: DateTime<Utc>) -> Result<Undone> {
    let found: Option<Standing> = sqlx::query_as(
        "select p.id, p.public_id, p.state, s.at, s.scope, s.held, s.undone_at is not null as undone,
                exists (select from stops l
                        where l.subscriber_id = p.id and l.id > s.id and l.scope = 'all' and l.undone_at is null)
                    as stopped_since
         from stops s join subscribers p on p.id = s.subscriber_id
         where s.id = $1 for no key update of p, s",
    )
    .bind(stop)
    .fetch_optional(&mut *connection)
    .await?;
    let Some(Standing { person, at, scope, held, undone, stopped_since }) = found else {
        return Ok(Undone::TooLate);
    };
    if stopped_since && person.state == "stopped" {
        return Ok(Undone::StoppedSince);
    }
    let answer = |state: &str| if state == "active" { Undone::Undone } else { Undone::InVain };
    if undone {
        return Ok(answer(&person.state));
    }
    let Some(held) = held.filter(|_| at > undone_if_after(now)) else { return Ok(Undone::TooLate) };
    let held = Held::deserialize(held)
        .map_err(|error| StoreError::Row { row: format!("stops {stop}"), cause: error.to_string() })?;
    bring_back(&mut *connection, &person, &held).await?;
    revive(&mut *connection, &person, &held.openings, now).await?;
    sqlx::query("update stops set undone_at = $2, held = null where id = $1")
        .bind(stop)
        .bind(now)
        .execute(&mut *connection)
        .await?;
    note(&mut *connection, &person, "undid-stop", json!({ "stop": stop, "scope": scope }), now).await?;
    store::announce_work(&mut *connection, "matching").await?;
    store::announce_work(connection, "delivery").await?;
    Ok(answer(if person.state == "stopped" { &held.state } else { &person.state }))
}

/// Brings back what was asked for; registrations are matched again.
async fn bring_back(connection: &mut PgConnection, person: &Person, held: &Held) -> Result<()> {
    sqlx::query("update subscribers set state = $2 where id = $1 and state = 'stopped'")
        .bind(person.id)
        .bind(&held.state)
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "insert into searches (id, subscriber_id, name, cadence, criteria_id)
         -- With their keys, by which mails know what they were about.
         overriding system value
         select h.id, $1, h.name, h.cadence, h.criteria_id
         from jsonb_to_recordset($2) as h (id bigint, name text, cadence text, criteria_id bigint)
         on conflict do nothing",
    )
    .bind(person.id)
    .bind(&held.searches)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "insert into registrations
             (subscriber_id, programme, not_before, valid_until, reminder, registered_at, created_at)
         select $1, h.programme, h.not_before, h.valid_until, h.reminder, h.registered_at, h.created_at
         from jsonb_to_recordset($2) as h (programme text, not_before date, valid_until date, reminder bool,
                                           registered_at timestamptz, created_at timestamptz)
         on conflict do nothing",
    )
    .bind(person.id)
    .bind(&held.registrations)
    .execute(connection)
    .await?;
    Ok(())
}

/// Has everything looked at again that the stop ended, and owes again what can still be kept.
async fn revive(
    connection: &mut PgConnection,
    person: &Person,
    openings: &[i64],
    now: DateTime<Utc>,
) -> Result<()> {
    sqlx::query(
        "update alerts a set outcome = null, outcome_reason = null, outcome_at = null
         from openings o
         where o.id = a.opening_id and a.subscriber_id = $1 and a.opening_id = any($2) and a.promise
           and a.outcome_reason in ('unsubscribed', 'unregistered')
           and o.state not in ('closed', 'withdrawn') and (o.door_shuts_at is null or o.door_shuts_at > $3)",
    )
    .bind(person.id)
    .bind(openings)
    .bind(now)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "update alerts set due_at = $3, ended = null
         where subscriber_id = $1 and opening_id = any($2) and due_at is null
           and ended in ('unreachable', 'stopped', 'no-longer-wanted')",
    )
    .bind(person.id)
    .bind(openings)
    .bind(now)
    .execute(&mut *connection)
    .await?;
    alerts::look_again(connection, Some(&[person.id]), now).await?;
    Ok(())
}
