//! Who said stop: what that ends, and how it is taken back.
//!
//! The person's row is held as claims hold it. So a claim comes before the stop, and its mail is
//! asked back, or after it, and finds nobody to write to: that holds for every process.

mod undo;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::domain::alert::Reason;
use crate::domain::letter::Needless;
use crate::domain::stop::{Route, Scope};
use crate::store::alerts::Ending;
use crate::store::audit::Entry;
use crate::store::{self, Result, alerts, audit, letters, mails};

pub use undo::{Undone, undo};

/// That somebody says stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Their public id.
    pub person: Uuid,
    /// The mail from which they do it, if it is known which.
    pub mail: Option<i64>,
    /// How much of it.
    pub scope: Scope,
    /// By which way.
    pub route: Route,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It is stopped, by this or before; by which stop, if one ended anything.
    Stopped(Scope, Option<Stop>),
    /// Nobody knows any more what the mail was about: only everything can be stopped.
    MailUnknown,
    /// Nobody has this id, or they were forgotten: nothing will come.
    PersonUnknown,
}

/// A stop that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct Stop {
    /// The key in the tables.
    pub id: i64,
    /// When it was said.
    pub at: DateTime<Utc>,
}

/// What is stopped, where it is not everything.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
struct About {
    searches: Vec<i64>,
    programmes: Vec<String>,
}

/// A person who says stop, held until the transaction ends.
#[derive(FromRow)]
struct Person {
    id: i64,
    public_id: Uuid,
    state: String,
}

/// What a stop ended, as long as it can be undone.
#[derive(Serialize, Deserialize)]
struct Held {
    /// What the person was to us before.
    state: String,
    searches: Value,
    registrations: Value,
    /// The openings of which they were still to hear.
    openings: Vec<i64>,
}

impl Held {
    fn anything(&self) -> bool {
        [&self.searches, &self.registrations]
            .into_iter()
            .any(|held| held.as_array().is_some_and(|held| !held.is_empty()))
    }
}

/// Whether it is known what a mail to a person was about, so that just this can be stopped. Reads
/// nothing about the person.
///
/// # Errors
///
/// When Postgres is away.
pub async fn knows_mail(connection: &mut PgConnection, person: Uuid, mail: i64) -> Result<bool> {
    Ok(about(connection, person, mail).await?.is_some())
}

async fn about(connection: &mut PgConnection, person: Uuid, mail: i64) -> Result<Option<About>> {
    Ok(sqlx::query_as(
        "select m.searches, m.programmes from mails m join subscribers p on p.id = m.subscriber_id
         where m.id = $1 and p.public_id = $2 and (m.searches <> '{}' or m.programmes <> '{}')",
    )
    .bind(mail)
    .bind(person)
    .fetch_optional(connection)
    .await?)
}

/// Stops what is asked for, in a transaction of the caller. Said again, it changes nothing.
///
/// # Errors
///
/// When Postgres is away; nothing is stopped then.
pub async fn stop(connection: &mut PgConnection, request: Request, now: DateTime<Utc>) -> Result<Answer> {
    let Some(person) = hold(&mut *connection, request.person).await? else {
        return Ok(Answer::PersonUnknown);
    };
    let about = match (request.scope, request.mail) {
        (Scope::All, _) => None,
        (Scope::These, None) => return Ok(Answer::MailUnknown),
        (Scope::These, Some(mail)) => match about(&mut *connection, person.public_id, mail).await? {
            None => return Ok(Answer::MailUnknown),
            about => about,
        },
    };
    let mut held = end_wishes(&mut *connection, &person, about.as_ref()).await?;
    if !held.anything()
        && let Some((scope, stop)) = said_before(&mut *connection, &person, request).await?
    {
        return Ok(Answer::Stopped(scope, Some(stop)));
    }
    if request.scope == Scope::These && !held.anything() {
        return Ok(Answer::Stopped(Scope::These, None));
    }
    // First, because whoever records what became of such a mail goes from mails to alerts, too.
    sqlx::query("update mails set recalled = true where subscriber_id = $1 and worker is not null")
        .bind(person.id)
        .execute(&mut *connection)
        .await?;
    held.openings = match request.scope {
        Scope::These => look_at_alerts(&mut *connection, &person, now).await?,
        Scope::All => end_everything(&mut *connection, &person, now).await?,
    };
    let stop = keep(&mut *connection, &person, request, &held, now).await?;
    store::announce_work(connection, "delivery").await?;
    Ok(Answer::Stopped(request.scope, Some(stop)))
}

/// Holds a person as claims do.
async fn hold(connection: &mut PgConnection, person: Uuid) -> Result<Option<Person>> {
    Ok(sqlx::query_as("select id, public_id, state from subscribers where public_id = $1 for no key update")
        .bind(person)
        .fetch_optional(connection)
        .await?)
}

/// Ends searches and registrations: those that a mail was about, or all.
async fn end_wishes(connection: &mut PgConnection, person: &Person, about: Option<&About>) -> Result<Held> {
    let searches = sqlx::query_scalar(
        "with gone as (
             delete from searches where subscriber_id = $1 and ($2::bigint[] is null or id = any($2))
             returning id, name, cadence, criteria_id)
         select coalesce(jsonb_agg(to_jsonb(gone) order by id), '[]') from gone",
    )
    .bind(person.id)
    .bind(about.map(|about| &about.searches))
    .fetch_one(&mut *connection)
    .await?;
    let registrations = sqlx::query_scalar(
        "with gone as (
             delete from registrations where subscriber_id = $1 and ($2::text[] is null or programme = any($2))
             returning programme, not_before, valid_until, reminder, registered_at, created_at)
         select coalesce(jsonb_agg(to_jsonb(gone) order by programme), '[]') from gone",
    )
    .bind(person.id)
    .bind(about.map(|about| &about.programmes))
    .fetch_one(connection)
    .await?;
    Ok(Held { state: person.state.clone(), searches, registrations, openings: vec![] })
}

/// The stop that this repeats: one of everything that still stands, or one from the same mail. What
/// a person agrees to later ends a stop of everything.
async fn said_before(
    connection: &mut PgConnection,
    person: &Person,
    request: Request,
) -> Result<Option<(Scope, Stop)>> {
    let everything: Option<Stop> = sqlx::query_as(
        "select s.id, s.at from stops s
         where s.subscriber_id = $1 and s.scope = 'all' and s.undone_at is null and $2 in ('stopped', 'suppressed')
           and not exists (select from consents c where c.subscriber_id = $1 and c.given_at > s.at)
         order by s.id desc limit 1",
    )
    .bind(person.id)
    .bind(&person.state)
    .fetch_optional(&mut *connection)
    .await?;
    if everything.is_some() || request.scope == Scope::All {
        return Ok(everything.map(|stop| (Scope::All, stop)));
    }
    let these: Option<Stop> = sqlx::query_as(
        "select id, at from stops
         where subscriber_id = $1 and scope = 'these' and mail_id = $2 and undone_at is null
         order by id desc limit 1",
    )
    .bind(person.id)
    .bind(request.mail)
    .fetch_optional(connection)
    .await?;
    Ok(these.map(|stop| (Scope::These, stop)))
}

/// An alert of which there may be more to say.
#[derive(FromRow)]
struct Pending {
    opening_id: i64,
    /// A mail about it is in a worker's hands, or nobody knows whether it arrived.
    in_hand: bool,
    /// It is a promise without an outcome whose door has shut.
    broken: bool,
}

/// What is due, now or later, and what is owed.
async fn pending(connection: &mut PgConnection, person: &Person, now: DateTime<Utc>) -> Result<Vec<Pending>> {
    Ok(sqlx::query_as(
        "select a.opening_id, a.promise and a.outcome is null and o.has_shut as broken,
                exists (select from mails m
                        where m.subscriber_id = a.subscriber_id and m.outcome is null
                          and (m.worker is not null or m.leaving is not null)
                          and a.opening_id = any(m.openings)) as in_hand
         from alerts a
         join lateral (
             -- As the ledger has it: what has never opened cannot have been missed.
             select coalesce(opened_at <= $2 and (state = 'withdrawn' or door_shuts_at <= $2), false) as has_shut
             from openings where id = a.opening_id) o on true
         where a.subscriber_id = $1
           and (a.due_at is not null or a.promise and a.outcome is null and not o.has_shut)
         order by a.opening_id",
    )
    .bind(person.id)
    .bind(now)
    .fetch_all(connection)
    .await?)
}

/// Has everything looked at of which there may be more to say: delivery knows what is still asked
/// for, and ends the rest.
async fn look_at_alerts(
    connection: &mut PgConnection,
    person: &Person,
    now: DateTime<Utc>,
) -> Result<Vec<i64>> {
    let pending = pending(&mut *connection, person, now).await?;
    let openings: Vec<i64> = pending.iter().map(|alert| alert.opening_id).collect();
    sqlx::query(
        "update alerts set due_at = $3
         where subscriber_id = $1 and opening_id = any($2) and (due_at is null or due_at > $3)",
    )
    .bind(person.id)
    .bind(&openings)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(openings)
}

/// Ends all that a person was still to hear of, and lets go of what is owed to them. A promise that
/// was broken before stays so. What is in a worker's hands ends when it comes back, and what may have
/// arrived when that is settled.
async fn end_everything(
    connection: &mut PgConnection,
    person: &Person,
    now: DateTime<Utc>,
) -> Result<Vec<i64>> {
    // Mail to a mailbox that takes none stays suppressed, whatever else is said about it.
    sqlx::query("update subscribers set state = 'stopped' where id = $1 and state <> 'suppressed'")
        .bind(person.id)
        .execute(&mut *connection)
        .await?;
    let pending = pending(&mut *connection, person, now).await?;
    let (broken, others): (Vec<&Pending>, Vec<&Pending>) =
        pending.iter().filter(|alert| !alert.in_hand).partition(|alert| alert.broken);
    let reason = Some(Reason::Unreachable.name());
    // Whatever is true by now.
    let revision = i32::MAX;
    let ending = |alert: &&Pending| Ending {
        subscriber_id: person.id,
        opening_id: alert.opening_id,
        revision,
        reason,
    };
    let endings: Vec<Ending> = others.iter().map(ending).collect();
    alerts::end(&mut *connection, &endings, now).await?;
    sqlx::query(
        "update alerts set due_at = null, ended = 'stopped' where subscriber_id = $1 and opening_id = any($2)",
    )
    .bind(person.id)
    .bind(broken.iter().map(|alert| alert.opening_id).collect::<Vec<_>>())
    .execute(&mut *connection)
    .await?;
    let unfinished = mails::unfinished(&mut *connection, &[person.id]).await?;
    let unfinished = unfinished.iter().filter(|mail| !mail.left);
    let unfinished: Vec<i64> = unfinished.map(|mail| mail.id).collect();
    mails::supersede(&mut *connection, &unfinished, now).await?;
    let due: Vec<i64> = sqlx::query_scalar(
        "select l.id from letters l
         where l.subscriber_id = $1 and l.due_at is not null
           and not exists (select from mails m
                           where m.id = l.mail_id and m.outcome is null
                             and (m.worker is not null or m.leaving is not null))",
    )
    .bind(person.id)
    .fetch_all(&mut *connection)
    .await?;
    let ends: Vec<(i64, &str)> = due.into_iter().map(|id| (id, Needless::NotActive.name())).collect();
    letters::end(connection, &ends, now).await?;
    Ok(pending.into_iter().map(|alert| alert.opening_id).collect())
}

/// Writes down that they stopped, and that they have withdrawn what they agreed to.
async fn keep(
    connection: &mut PgConnection,
    person: &Person,
    request: Request,
    held: &Held,
    now: DateTime<Utc>,
) -> Result<Stop> {
    let Request { scope, route, mail, .. } = request;
    let stop: Stop = sqlx::query_as(
        "insert into stops (subscriber_id, scope, route, at, mail_id, held) values ($1, $2, $3, $4, $5, $6)
         returning id, at",
    )
    .bind(person.id)
    .bind(scope.name())
    .bind(route.name())
    .bind(now)
    .bind(mail)
    .bind(sqlx::types::Json(held))
    .fetch_one(&mut *connection)
    .await?;
    sqlx::query(
        "insert into withdrawals (subscriber_id, withdrawn_at, scope, route) values ($1, $2, $3, $4)
         on conflict do nothing",
    )
    .bind(person.id)
    .bind(now)
    .bind(scope.name())
    .bind(route.name())
    .execute(&mut *connection)
    .await?;
    let detail = json!({ "stop": stop.id, "scope": scope, "route": route });
    note(connection, person, "stopped", detail, now).await?;
    Ok(stop)
}

async fn note(
    connection: &mut PgConnection,
    person: &Person,
    action: &'static str,
    detail: Value,
    now: DateTime<Utc>,
) -> Result<()> {
    audit::write(connection, &[Entry { actor: "stops", action, subject: person.public_id, detail }], now)
        .await
}

/// A stop, to be told of.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Told {
    /// When it was said.
    pub at: DateTime<Utc>,
    /// How much of it.
    pub scope: String,
    /// By which way.
    pub route: String,
    /// When it was taken back, if it was.
    pub undone_at: Option<DateTime<Utc>>,
}

/// The stops of a person, the latest first.
///
/// # Errors
///
/// When Postgres is away.
pub async fn of_person(connection: &mut PgConnection, person: i64) -> Result<Vec<Told>> {
    Ok(sqlx::query_as(
        "select at, scope, route, undone_at from stops where subscriber_id = $1 order by id desc",
    )
    .bind(person)
    .fetch_all(connection)
    .await?)
}

/// Stops in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow)]
pub struct Counted {
    /// Of everything.
    pub all: i64,
    /// Of what one mail was about.
    pub these: i64,
    /// Of both, those that were taken back.
    pub undone: i64,
    /// People who have stopped everything and are not forgotten yet.
    pub people: i64,
}

/// Counts stops.
///
/// # Errors
///
/// When Postgres is away.
pub async fn counted(connection: &mut PgConnection) -> Result<Counted> {
    Ok(sqlx::query_as(
        r#"select count(*) filter (where scope = 'all') as "all", count(*) filter (where scope = 'these') as these,
                  count(undone_at) as undone,
                  (select count(*) from subscribers where state = 'stopped') as people
           from stops"#,
    )
    .fetch_one(connection)
    .await?)
}
