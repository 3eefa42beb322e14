//! Addresses to which nothing is sent any more, by their hashes.
//!
//! Whoever writes here holds the table before any person, as imports hold it against writers: so an
//! import that is under way either sees a suppression, or is over when it comes.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::domain::email::EmailAddress;
use crate::domain::suppression::{AddressHash, AddressKeys, Reason};
use crate::store::audit::{self, Entry};
use crate::store::{self, Result, StoreError};

/// That nothing is sent to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suppression {
    /// Why.
    pub reason: Reason,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// Before a person is held, in a transaction that may suppress somebody.
///
/// # Errors
///
/// When Postgres is away.
pub async fn about_to_write(connection: &mut PgConnection) -> Result<()> {
    sqlx::query("lock table suppressions in row exclusive mode").execute(connection).await?;
    Ok(())
}

/// Those of these hashes that are suppressed. Until the transaction ends, no others will be.
///
/// # Errors
///
/// When Postgres is away.
pub async fn among(connection: &mut PgConnection, hashes: &[AddressHash]) -> Result<HashSet<AddressHash>> {
    sqlx::query("lock table suppressions in share mode").execute(&mut *connection).await?;
    let found: Vec<AddressHash> =
        sqlx::query_scalar("select address_hash from suppressions where address_hash = any($1)")
            .bind(hashes)
            .fetch_all(connection)
            .await?;
    Ok(found.into_iter().collect())
}

/// Whether and why an address is suppressed.
///
/// # Errors
///
/// When Postgres is away.
pub async fn of_address(
    connection: &mut PgConnection,
    keys: &AddressKeys,
    address: &EmailAddress,
) -> Result<Option<Suppression>> {
    let row: Option<(String, DateTime<Utc>)> = sqlx::query_as(
        "select reason, since from suppressions where address_hash = any($1) order by since limit 1",
    )
    .bind(keys.hashes(address))
    .fetch_optional(connection)
    .await?;
    let Some((reason, since)) = row else { return Ok(None) };
    let reason = Reason::named(&reason).ok_or_else(|| StoreError::Row {
        row: "suppressions".to_owned(),
        cause: format!("reason {reason}"),
    })?;
    Ok(Some(Suppression { reason, since }))
}

/// Suppresses an address. One that is suppressed stays so since then; that it is the person's own
/// will counts more than that their mailbox was gone.
///
/// # Errors
///
/// When Postgres is away.
pub async fn add(
    connection: &mut PgConnection,
    keys: &AddressKeys,
    address: &EmailAddress,
    reason: Reason,
    now: DateTime<Utc>,
) -> Result<()> {
    let known = of_address(&mut *connection, keys, address).await?;
    match known {
        Some(known) if known.reason.is_their_will() || !reason.is_their_will() => return Ok(()),
        Some(_) => {
            sqlx::query("update suppressions set reason = $2 where address_hash = any($1)")
                .bind(keys.hashes(address))
                .bind(reason.name())
                .execute(connection)
                .await?;
        }
        None => {
            sqlx::query(
                "insert into suppressions (address_hash, reason, since) values ($1, $2, $3) on conflict do nothing",
            )
            .bind(keys.hash(address))
            .bind(reason.name())
            .bind(now)
            .execute(connection)
            .await?;
        }
    }
    Ok(())
}

async fn remove(connection: &mut PgConnection, keys: &AddressKeys, address: &EmailAddress) -> Result<bool> {
    let gone = sqlx::query("delete from suppressions where address_hash = any($1)")
        .bind(keys.hashes(address))
        .execute(connection)
        .await?;
    Ok(gone.rows_affected() > 0)
}

/// Ends all mail to a person, in the transaction that suppresses them: they are in the state
/// `suppressed`, mails in hand are asked back, and what is due or owed is looked at again at once, so
/// that delivery ends it. A promise that was broken before stays so.
///
/// # Errors
///
/// When Postgres is away.
pub async fn silence(connection: &mut PgConnection, person: i64, now: DateTime<Utc>) -> Result<()> {
    sqlx::query("update mails set recalled = true where subscriber_id = $1 and worker is not null")
        .bind(person)
        .execute(&mut *connection)
        .await?;
    sqlx::query("update subscribers set state = 'suppressed' where id = $1")
        .bind(person)
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "update alerts a set due_at = $2
         from openings o
         where o.id = a.opening_id and a.subscriber_id = $1
           and (a.due_at > $2 or a.due_at is null and a.promise and a.outcome is null
                and not coalesce(o.opened_at <= $2 and (o.state = 'withdrawn' or o.door_shuts_at <= $2), false))",
    )
    .bind(person)
    .bind(now)
    .execute(&mut *connection)
    .await?;
    sqlx::query("update letters set due_at = $2 where subscriber_id = $1 and due_at > $2")
        .bind(person)
        .bind(now)
        .execute(&mut *connection)
        .await?;
    store::announce_work(connection, "delivery").await
}

/// A person whom somebody who works here speaks of.
#[derive(Debug, Clone, FromRow)]
struct Known {
    id: i64,
    public_id: Uuid,
}

/// Holds the person with this address, if there is one.
async fn hold(connection: &mut PgConnection, address: &EmailAddress) -> Result<Option<Known>> {
    Ok(sqlx::query_as("select id, public_id from subscribers where lookup = $1 for no key update")
        .bind(address.lookup())
        .fetch_optional(connection)
        .await?)
}

/// Suppresses an address because somebody who works here says so.
///
/// # Errors
///
/// When Postgres is away.
pub async fn add_by_operator(
    connection: &mut PgConnection,
    keys: &AddressKeys,
    address: &EmailAddress,
    now: DateTime<Utc>,
) -> Result<()> {
    about_to_write(&mut *connection).await?;
    let known = hold(&mut *connection, address).await?;
    add(&mut *connection, keys, address, Reason::Operator, now).await?;
    if let Some(person) = &known {
        silence(&mut *connection, person.id, now).await?;
    }
    by_operator(connection, "suppressed", known.as_ref(), now).await
}

/// What came of lifting a suppression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifted {
    /// Mail may go there again.
    Lifted,
    /// There was none.
    NotSuppressed,
    /// Only the person can lift it, by confirming their address anew.
    TheirWill(Suppression),
}

/// Lifts a suppression because somebody who works here says that it was a mistake. What a person
/// wanted stays as it is.
///
/// # Errors
///
/// When Postgres is away.
pub async fn lift_by_operator(
    connection: &mut PgConnection,
    keys: &AddressKeys,
    address: &EmailAddress,
    now: DateTime<Utc>,
) -> Result<Lifted> {
    about_to_write(&mut *connection).await?;
    let known = hold(&mut *connection, address).await?;
    match of_address(&mut *connection, keys, address).await? {
        None => return Ok(Lifted::NotSuppressed),
        Some(theirs) if theirs.reason.is_their_will() => return Ok(Lifted::TheirWill(theirs)),
        Some(_) => {}
    }
    remove(&mut *connection, keys, address).await?;
    if let Some(person) = &known {
        speak_again(&mut *connection, person.id, Word::Operator, now).await?;
    }
    by_operator(connection, "suppression-lifted", known.as_ref(), now).await?;
    Ok(Lifted::Lifted)
}

async fn by_operator(
    connection: &mut PgConnection,
    action: &'static str,
    person: Option<&Known>,
    now: DateTime<Utc>,
) -> Result<()> {
    match person {
        Some(person) => {
            let entry = Entry { actor: "operator", action, subject: person.public_id, detail: json!({}) };
            audit::write(connection, &[entry], now).await
        }
        None => audit::write_of_nobody(connection, "operator", action, now).await,
    }
}

/// A person has confirmed their address anew, by a mail that reached them: whatever suppressed it is
/// lifted. Returns whether anything was.
///
/// # Errors
///
/// When Postgres is away.
pub async fn lift_by_confirmation(
    connection: &mut PgConnection,
    keys: &AddressKeys,
    address: &EmailAddress,
    now: DateTime<Utc>,
) -> Result<bool> {
    about_to_write(&mut *connection).await?;
    let known = hold(&mut *connection, address).await?;
    let lifted = remove(&mut *connection, keys, address).await?;
    if let Some(person) = known.filter(|_| lifted) {
        speak_again(&mut *connection, person.id, Word::Person, now).await?;
        let (action, detail) = ("suppression-lifted", json!({}));
        let entry = Entry { actor: "person", action, subject: person.public_id, detail };
        audit::write(connection, &[entry], now).await?;
    }
    Ok(lifted)
}

/// Whose word lifts a suppression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    /// The person's: they want mail, whatever they said before.
    Person,
    /// An operator's: what the person said last stands, also that everything stops.
    Operator,
}

/// Has a person written to again, as far as the word goes. What they could not be told of is owed to them
/// again while the door has not shut, and looked at at once.
async fn speak_again(
    connection: &mut PgConnection,
    person: i64,
    word: Word,
    now: DateTime<Utc>,
) -> Result<()> {
    sqlx::query(
        "update subscribers p set slow_until = null, state = case
             when $2 and exists (select from stops s
                          where s.subscriber_id = p.id and s.scope = 'all' and s.undone_at is null
                            and not exists (select from consents c
                                            where c.subscriber_id = p.id and c.given_at > s.at))
             then 'stopped' else 'active' end
         where id = $1 and state = 'suppressed'",
    )
    .bind(person)
    .bind(word == Word::Operator)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "update alerts a set due_at = $2, ended = null,
             (outcome, outcome_reason, outcome_at) = (
                 select case when not r.again then a.outcome end, case when not r.again then a.outcome_reason end,
                        case when not r.again then a.outcome_at end
                 from (select coalesce(a.outcome = 'released'
                                       and a.outcome_reason in ('suppressed', 'undeliverable'), false) as again) r)
         from openings o
         where o.id = a.opening_id and a.subscriber_id = $1 and a.ended in ('unreachable', 'refused')
           and o.state not in ('closed', 'withdrawn') and (o.door_shuts_at is null or o.door_shuts_at > $2)",
    )
    .bind(person)
    .bind(now)
    .execute(&mut *connection)
    .await?;
    store::announce_work(connection, "delivery").await
}

/// How many addresses are suppressed, by why.
///
/// # Errors
///
/// When Postgres is away.
pub async fn counted(connection: &mut PgConnection) -> Result<Vec<(String, i64)>> {
    Ok(sqlx::query_as("select reason, count(*) from suppressions group by reason order by reason")
        .fetch_all(connection)
        .await?)
}

/// Whether any address is suppressed.
///
/// # Errors
///
/// When Postgres is away.
pub async fn any(connection: &mut PgConnection) -> Result<bool> {
    Ok(sqlx::query_scalar("select exists (select from suppressions)").fetch_one(connection).await?)
}
