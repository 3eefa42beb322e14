//! Addresses to which nothing is sent any more, by their hashes.
//!
//! Whoever writes here holds the table before any person, as imports hold it against writers: so an
//! import that is under way either sees a suppression, or is over when it comes. Imports, which may
//! lift some, wait for each other.

use std::collections::HashMap;

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

impl Suppression {
    fn read(reason: &str, since: DateTime<Utc>) -> Result<Self> {
        let known = Reason::named(reason).map(|reason| Self { reason, since });
        known.ok_or_else(|| StoreError::Row {
            row: "suppressions".to_owned(),
            cause: format!("reason {reason}"),
        })
    }

    /// Whether it is over when a list says at `now` that the person agreed at `agreed_at`. What is
    /// said to be still to come is no agreement.
    #[must_use]
    pub fn ends_by_consent(self, agreed_at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        self.reason.ends_by_consent() && self.since < agreed_at && agreed_at <= now
    }
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

/// Those of these hashes that are suppressed. Until the transaction ends, no others will be, and it
/// alone may lift any.
///
/// # Errors
///
/// When Postgres is away.
pub async fn among(
    connection: &mut PgConnection,
    hashes: &[AddressHash],
) -> Result<HashMap<AddressHash, Suppression>> {
    // Not the weaker share mode: two who hold that could not both write then, and would wait for ever.
    sqlx::query("lock table suppressions in share row exclusive mode").execute(&mut *connection).await?;
    let found: Vec<(AddressHash, String, DateTime<Utc>)> =
        sqlx::query_as("select address_hash, reason, since from suppressions where address_hash = any($1)")
            .bind(hashes)
            .fetch_all(connection)
            .await?;
    found.into_iter().map(|(hash, reason, since)| Ok((hash, Suppression::read(&reason, since)?))).collect()
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
    row.map(|(reason, since)| Suppression::read(&reason, since)).transpose()
}

/// Suppresses an address, since `since`. Of one that is suppressed the weightier reason stays; what is
/// as weighty moves the time on, against which what the person agrees to is held.
///
/// # Errors
///
/// When Postgres is away.
pub async fn add(
    connection: &mut PgConnection,
    keys: &AddressKeys,
    address: &EmailAddress,
    reason: Reason,
    since: DateTime<Utc>,
) -> Result<()> {
    let known = of_address(&mut *connection, keys, address).await?;
    match known {
        Some(known) if known.reason.weight() > reason.weight() => {}
        Some(known) => {
            let stays = known.reason.weight() == reason.weight();
            sqlx::query(
                "update suppressions set reason = $2, since = greatest(since, $3) where address_hash = any($1)",
            )
            .bind(keys.hashes(address))
            .bind(if stays { known.reason } else { reason }.name())
            .bind(since)
            .execute(connection)
            .await?;
        }
        None => {
            sqlx::query(
                "insert into suppressions (address_hash, reason, since) values ($1, $2, $3) on conflict do nothing",
            )
            .bind(keys.hash(address))
            .bind(reason.name())
            .bind(since)
            .execute(connection)
            .await?;
        }
    }
    Ok(())
}

async fn remove(connection: &mut PgConnection, hashes: &[AddressHash]) -> Result<bool> {
    let gone = sqlx::query("delete from suppressions where address_hash = any($1)")
        .bind(hashes)
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
    remove(&mut *connection, &keys.hashes(address)).await?;
    if let Some(person) = &known {
        speak_again(&mut *connection, &[person.id], Word::Another, now).await?;
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
    let lifted = remove(&mut *connection, &keys.hashes(address)).await?;
    if let Some(person) = known.filter(|_| lifted) {
        speak_again(&mut *connection, &[person.id], Word::Person, now).await?;
        let (action, detail) = ("suppression-lifted", json!({}));
        let entry = Entry { actor: "person", action, subject: person.public_id, detail };
        audit::write(connection, &[entry], now).await?;
    }
    Ok(lifted)
}

/// Lifts the suppressions of addresses whose people have agreed since, in the transaction that imports
/// what they agreed to, and before it does: who had stopped everything as well is `stopped` then, until
/// that finds that they came back.
///
/// # Errors
///
/// When Postgres is away.
pub async fn lift_by_consent(
    connection: &mut PgConnection,
    keys: &AddressKeys,
    addresses: &[&EmailAddress],
    now: DateTime<Utc>,
) -> Result<()> {
    if addresses.is_empty() {
        return Ok(());
    }
    let known: Vec<Known> = sqlx::query_as(
        "select id, public_id from subscribers where lookup = any($1) order by id for no key update",
    )
    .bind(addresses.iter().map(|address| address.lookup()).collect::<Vec<_>>())
    .fetch_all(&mut *connection)
    .await?;
    let hashes: Vec<AddressHash> = addresses.iter().flat_map(|address| keys.hashes(address)).collect();
    remove(&mut *connection, &hashes).await?;
    let people: Vec<i64> = known.iter().map(|person| person.id).collect();
    speak_again(&mut *connection, &people, Word::Another, now).await?;
    let (actor, action) = ("import", "suppression-lifted");
    let entry = |person: &Known| Entry { actor, action, subject: person.public_id, detail: json!({}) };
    audit::write(&mut *connection, &known.iter().map(entry).collect::<Vec<_>>(), now).await?;
    for _ in known.len()..addresses.len() {
        audit::write_of_nobody(&mut *connection, actor, action, now).await?;
    }
    Ok(())
}

/// Whose word lifts a suppression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    /// The person's: they want mail, whatever they said before.
    Person,
    /// Somebody else's: what the person said last stands, also that everything stops.
    Another,
}

/// Has people written to again, as far as the word goes. What they could not be told of is owed to them
/// again while the door has not shut, and looked at at once.
async fn speak_again(
    connection: &mut PgConnection,
    people: &[i64],
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
         where id = any($1) and state = 'suppressed'",
    )
    .bind(people)
    .bind(word == Word::Another)
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
         where o.id = a.opening_id and a.subscriber_id = any($1) and a.ended in ('unreachable', 'refused')
           and o.state not in ('closed', 'withdrawn') and (o.door_shuts_at is null or o.door_shuts_at > $2)",
    )
    .bind(people)
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
