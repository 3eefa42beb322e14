//! Letters that are due, and what became of them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{FromRow, PgConnection};

use crate::store::tries::{Outcome, Try};
use crate::store::{Result, StoreError};

/// What somebody had asked for when it was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Deleted {
    /// The registrations, oldest first.
    pub registrations: Vec<DeletedRegistration>,
    /// The names of the searches.
    pub searches: Vec<String>,
}

/// A registration that is gone.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct DeletedRegistration {
    /// The slug of the programme.
    pub programme: String,
    /// When they registered.
    pub on: DateTime<Utc>,
}

/// A letter that is due.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Due {
    /// The key in the tables.
    pub id: i64,
    /// To whom.
    pub subscriber_id: i64,
    /// The name of its kind.
    pub kind: String,
    /// The confirmation that it is about.
    pub confirmed_at: DateTime<Utc>,
    /// Whether they have confirmed since.
    pub answered: bool,
    /// Whether their silence has ended it.
    pub lapsed: bool,
    /// When the question was accepted, if it was.
    pub asked_at: Option<DateTime<Utc>>,
    /// The Message-IDs of the letters before it about the same, oldest first.
    pub thread: Vec<String>,
    /// The mail that was begun and has not ended, if there is one.
    pub unfinished: Option<i64>,
    held: Option<Value>,
}

impl Due {
    /// What was deleted.
    ///
    /// # Errors
    ///
    /// [`StoreError::Row`] when it cannot be read.
    pub fn deleted(&self) -> Result<Deleted> {
        let Some(held) = &self.held else { return Ok(Deleted::default()) };
        Deleted::deserialize(held).map_err(|error| StoreError::Row {
            row: format!("letters {}", self.id),
            cause: error.to_string(),
        })
    }
}

/// People to whom a letter is due and who are in nobody's hands, longest due
/// first, without those at some mail domains. They are held until the transaction ends; others take the people
/// after them.
///
/// # Errors
///
/// When Postgres is away.
pub async fn people_due(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    limit: i64,
    except: &[String],
) -> Result<Vec<i64>> {
    let mut held: Vec<i64> = sqlx::query_scalar(
        "select l.subscriber_id
         from letters l join subscribers p on p.id = l.subscriber_id
         where l.due_at <= $1 and split_part(p.lookup, '@', -1) <> all($3)
           and not exists (select from mails m where m.subscriber_id = p.id and m.worker is not null)
         order by l.due_at, l.subscriber_id limit $2
         for no key update of p skip locked",
    )
    .bind(now)
    .bind(limit)
    .bind(except)
    .fetch_all(&mut *connection)
    .await?;
    held.sort_unstable();
    held.dedup();
    // Another worker may have claimed one of them between that statement's view and its lock; who
    // is in its hands is claimed when that is recorded.
    Ok(sqlx::query_scalar(
        "select held.person from unnest($1::bigint[]) as held (person)
         where not exists (select from mails m where m.subscriber_id = held.person and m.worker is not null)",
    )
    .bind(held)
    .fetch_all(connection)
    .await?)
}

/// The letters that are due to these people, oldest first.
///
/// # Errors
///
/// When Postgres is away.
pub async fn due_of(connection: &mut PgConnection, people: &[i64], now: DateTime<Utc>) -> Result<Vec<Due>> {
    Ok(sqlx::query_as(
        "select l.id, l.subscriber_id, l.kind, l.confirmed_at, l.held,
                exists (select from consents c
                        where c.subscriber_id = p.id and c.given_at > l.confirmed_at) as answered,
                p.state = 'lapsed' as lapsed,
                (select q.sent_at from letters q
                 where q.subscriber_id = l.subscriber_id and q.confirmed_at = l.confirmed_at
                   and q.kind = 'still-interested') as asked_at,
                array(select m.message_id from letters e join mails m on m.id = e.mail_id
                      where e.subscriber_id = l.subscriber_id and e.confirmed_at = l.confirmed_at
                        and e.sent_at is not null
                      order by e.id) as thread,
                (select m.id from mails m
                 where m.id = l.mail_id and m.outcome is null and m.worker is null) as unfinished
         from letters l join subscribers p on p.id = l.subscriber_id
         where l.subscriber_id = any($1) and l.due_at <= $2
         order by l.id",
    )
    .bind(people)
    .bind(now)
    .fetch_all(connection)
    .await?)
}

/// Notes in which mails letters are leaving: letter and mail.
///
/// # Errors
///
/// When Postgres is away.
pub async fn leaving(connection: &mut PgConnection, mails: &[(i64, i64)]) -> Result<()> {
    sqlx::query(
        "update letters l set mail_id = c.mail_id
         from unnest($1::bigint[], $2::bigint[]) as c (id, mail_id) where l.id = c.id",
    )
    .bind(mails.iter().map(|(letter, _)| *letter).collect::<Vec<_>>())
    .bind(mails.iter().map(|(_, mail)| *mail).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// Ends letters without sending them: letter and why.
///
/// # Errors
///
/// When Postgres is away.
pub async fn end(
    connection: &mut PgConnection,
    endings: &[(i64, &'static str)],
    now: DateTime<Utc>,
) -> Result<()> {
    if endings.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "update letters l set due_at = null, held = null, ended = e.reason, over_at = $3
         from unnest($1::bigint[], $2::text[]) as e (id, reason) where l.id = e.id",
    )
    .bind(endings.iter().map(|(letter, _)| *letter).collect::<Vec<_>>())
    .bind(endings.iter().map(|(_, reason)| *reason).collect::<Vec<_>>())
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// Lets letters wait, each until a later moment.
///
/// # Errors
///
/// When Postgres is away.
pub async fn postpone(connection: &mut PgConnection, letters: &[(i64, DateTime<Utc>)]) -> Result<()> {
    if letters.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "update letters l set due_at = w.due_at from unnest($1::bigint[], $2::timestamptz[]) as w (id, due_at)
         where l.id = w.id",
    )
    .bind(letters.iter().map(|(id, _)| *id).collect::<Vec<_>>())
    .bind(letters.iter().map(|(_, until)| *until).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// Records what the tries that count made of letters, after their mails: what
/// counts is how the mail stands. Tries of other mails change nothing.
///
/// # Errors
///
/// When Postgres is away.
pub(super) async fn record(connection: &mut PgConnection, tries: &[&Try], now: DateTime<Utc>) -> Result<()> {
    // What tells of an opening is no letter.
    let letters: Vec<&Try> =
        tries.iter().copied().filter(|t| t.told.is_empty() && t.outcome != Outcome::Returned).collect();
    if letters.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "update letters l set
             due_at = case when m.outcome is null then t.due_at end,
             held = case when m.outcome is null then l.held end,
             sent_at = case when m.outcome = 'accepted' then $1 end,
             ended = case when m.outcome <> 'accepted' then m.outcome end,
             over_at = case when m.outcome is not null then $1 end
         from unnest($2::bigint[], $3::timestamptz[]) as t (mail_id, due_at)
         join mails m on m.id = t.mail_id
         where l.mail_id = t.mail_id and l.sent_at is null
           and (m.outcome is not null or t.due_at is not null)",
    )
    .bind(now)
    .bind(letters.iter().map(|t| t.mail_id).collect::<Vec<_>>())
    .bind(letters.iter().map(|t| t.outcome.due_again()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// Letters in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow)]
pub struct Standing {
    /// Due by now.
    pub due: i64,
    /// Due later: a retry.
    pub waiting: i64,
    /// Accepted by the mail server.
    pub sent: i64,
    /// Ended without being sent.
    pub ended: i64,
}

/// Counts letters.
///
/// # Errors
///
/// When Postgres is away.
pub async fn standing(connection: &mut PgConnection, now: DateTime<Utc>) -> Result<Standing> {
    Ok(sqlx::query_as(
        "select count(*) filter (where due_at <= $1) as due, count(*) filter (where due_at > $1) as waiting,
                count(*) filter (where sent_at is not null) as sent,
                count(*) filter (where ended is not null) as ended
         from letters",
    )
    .bind(now)
    .fetch_one(connection)
    .await?)
}
