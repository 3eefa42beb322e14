//! What came back to us, and what follows from it, each in one transaction of the caller: so a
//! report that is taken in twice, or half, does no harm.

use chrono::{DateTime, Duration, NaiveDate, Utc};
use serde_json::json;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::domain::bounce::{APART, COUNTED_FOR, Consequence, Lately, Status, Weight};
use crate::domain::email::EmailAddress;
use crate::domain::reply::Judgement;
use crate::domain::stop::{Route, Scope};
use crate::domain::suppression::{AddressKeys, Reason};
use crate::store::audit::{self, Entry};
use crate::store::outcomes::{self, About, OutcomeEvent, PromiseOutcome};
use crate::store::{Result, stops, suppressions};

/// Refusals older than this are left alone.
const REFUSED_LATELY: Duration = Duration::days(7);

/// By which way it reached us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// By a mail to us.
    Mail,
    /// By a call of our webhook, which may say when it was.
    Webhook(Option<DateTime<Utc>>),
    /// By the answer of a mail server to which we sent.
    Smtp,
}

impl Source {
    /// The name in the tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Webhook(_) => "webhook",
            Self::Smtp => "smtp",
        }
    }

    /// When it was, as far as can be: not before the mail ended, and not later than `now`, when we hear
    /// of it. Without the mail nothing holds what is said, and it counts as of now.
    fn when(self, mail_ended_at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> DateTime<Utc> {
        match (self, mail_ended_at) {
            (Self::Webhook(Some(said)), Some(ended)) => said.max(ended).min(now),
            _ => now,
        }
    }
}

/// What came of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It is kept, and what follows from it is done.
    Taken,
    /// The same was here before.
    Again,
    /// Nobody knows any more what it is about.
    Unknown,
    /// The mail is still in a worker's hands: that the mail server took it is not on record yet.
    /// Nothing is kept, and it has to come again.
    TooEarly,
}

/// Whom a report is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom {
    /// Who got this mail.
    Mail(i64),
    /// This person, by their public id.
    Person(Uuid),
}

/// A person who is held until the transaction ends.
#[derive(FromRow)]
struct Person {
    id: i64,
    public_id: Uuid,
    address: String,
    /// The mail that it is about, if it is known which...
    mail_id: Option<i64>,
    /// ...and when it was accepted, or ended otherwise; none while nobody knows whether it was.
    accepted_at: Option<DateTime<Utc>>,
    /// It is still in a worker's hands.
    in_hand: bool,
    /// They have agreed to something since then: their mailbox is there.
    agreed_since: bool,
}

/// Holds whom a report is about, as claims hold people.
async fn hold(connection: &mut PgConnection, whom: Whom) -> Result<Option<Person>> {
    suppressions::about_to_write(&mut *connection).await?;
    let (mail, person) = match whom {
        Whom::Mail(mail) => (Some(mail), None),
        Whom::Person(person) => (None, Some(person)),
    };
    Ok(sqlx::query_as(
        "select p.id, p.public_id, p.address, m.id as mail_id, m.finished_at as accepted_at,
                coalesce(m.worker is not null, false) as in_hand,
                exists (select from consents c
                        where c.subscriber_id = p.id and c.given_at > m.finished_at) as agreed_since
         from subscribers p left join mails m on m.id = $1 and m.subscriber_id = p.id
         where p.public_id = $2 or p.id = (select subscriber_id from mails where id = $1)
         for no key update of p",
    )
    .bind(mail)
    .bind(person)
    .fetch_optional(connection)
    .await?)
}

/// A mail came back for good. What it told was not told; what more follows is for
/// [`Weight::consequence`] to say.
///
/// # Errors
///
/// When Postgres is away.
pub async fn bounced(
    connection: &mut PgConnection,
    keys: &AddressKeys,
    mail: i64,
    status: Status,
    source: Source,
    now: DateTime<Utc>,
) -> Result<Answer> {
    let Some(person) = hold(&mut *connection, Whom::Mail(mail)).await? else { return Ok(Answer::Unknown) };
    if person.in_hand {
        return Ok(Answer::TooEarly);
    }
    let weight = Weight::of(status);
    if !keep(&mut *connection, &person, "bounce", Some((weight, status)), source, now).await? {
        return Ok(Answer::Again);
    }
    let consequence = if person.agreed_since && weight != Weight::Ours {
        Consequence::Again
    } else {
        weight.consequence(lately(&mut *connection, &person, now).await?)
    };
    match consequence {
        Consequence::Again => {
            let until = now.max(source.when(person.accepted_at, now) + APART);
            untell(&mut *connection, &person, Some(until), now).await?;
            sqlx::query("update subscribers set slow_until = greatest(slow_until, $2) where id = $1")
                .bind(person.id)
                .bind(until)
                .execute(connection)
                .await?;
        }
        Consequence::Undeliverable => untell(&mut *connection, &person, None, now).await?,
        Consequence::Suppress(reason) => {
            untell(&mut *connection, &person, None, now).await?;
            suppress(connection, keys, &person, reason, now).await?;
        }
    }
    Ok(Answer::Taken)
}

/// Mails that mail servers have refused, or put off until they were given up, because of the mailbox, and
/// from which nothing has followed yet; not those of long ago.
///
/// # Errors
///
/// When Postgres is away.
pub async fn refused(connection: &mut PgConnection, now: DateTime<Utc>) -> Result<Vec<(i64, Status)>> {
    let of_the_mailbox = [Judgement::NoMailbox, Judgement::Shut, Judgement::Full, Judgement::Later];
    let rows: Vec<(i64, String, Option<String>)> = sqlx::query_as(
        "select m.id, m.verdict, m.reply from mails m join subscribers p on p.id = m.subscriber_id
         where m.outcome in ('refused', 'given-up') and m.finished_at > $1 and m.verdict = any($2)
           and not exists (select from returns r
                           where r.subscriber_id = m.subscriber_id and r.kind = 'bounce' and r.mail_id = m.id
                             and r.finished_at = m.finished_at)
         order by m.finished_at limit 1000",
    )
    .bind(now - REFUSED_LATELY)
    .bind(of_the_mailbox.map(Judgement::name))
    .fetch_all(connection)
    .await?;
    let judged = |name: &str| of_the_mailbox.into_iter().find(|judgement| judgement.name() == name);
    let status = |(mail, verdict, reply): (i64, String, Option<String>)| {
        Some((mail, Status::of_refusal(judged(&verdict)?, &reply.unwrap_or_default())))
    };
    Ok(rows.into_iter().filter_map(status).collect())
}

/// A mail server has not given a mail up yet.
///
/// # Errors
///
/// When Postgres is away.
pub async fn delayed(
    connection: &mut PgConnection,
    mail: i64,
    status: Status,
    now: DateTime<Utc>,
) -> Result<Answer> {
    let Some(person) = hold(&mut *connection, Whom::Mail(mail)).await? else { return Ok(Answer::Unknown) };
    let said = Some((Weight::of(status), status));
    let kept = keep(connection, &person, "delayed", said, Source::Mail, now).await?;
    Ok(if kept { Answer::Taken } else { Answer::Again })
}

/// A person marked a mail as spam: that stops everything, and only they can take it back.
///
/// # Errors
///
/// When Postgres is away.
pub async fn complained(
    connection: &mut PgConnection,
    keys: &AddressKeys,
    whom: Whom,
    source: Source,
    now: DateTime<Utc>,
) -> Result<Answer> {
    let Some(person) = hold(&mut *connection, whom).await? else { return Ok(Answer::Unknown) };
    if !keep(&mut *connection, &person, "complaint", None, source, now).await? {
        return Ok(Answer::Again);
    }
    let request = stops::Request {
        person: person.public_id,
        mail: person.mail_id,
        scope: Scope::All,
        route: Route::Complaint,
    };
    stops::stop(&mut *connection, request, now).await?;
    suppress(connection, keys, &person, Reason::Complaint, now).await?;
    Ok(Answer::Taken)
}

/// A person said stop, by a mail: to everything (RFC 2369, section 3.2).
///
/// # Errors
///
/// When Postgres is away.
pub async fn stopped(connection: &mut PgConnection, person: Uuid, now: DateTime<Utc>) -> Result<Answer> {
    let request = stops::Request { person, mail: None, scope: Scope::All, route: Route::Mail };
    Ok(match stops::stop(connection, request, now).await? {
        stops::Answer::PersonUnknown => Answer::Unknown,
        stops::Answer::Stopped(..) | stops::Answer::MailUnknown => Answer::Taken,
    })
}

/// The person with this address, if they got one of the mails with these Message-IDs, or one that
/// continues them: only they know these.
///
/// # Errors
///
/// When Postgres is away.
pub async fn answering(
    connection: &mut PgConnection,
    from: &EmailAddress,
    message_ids: &[String],
) -> Result<Option<Uuid>> {
    Ok(sqlx::query_scalar(
        "select p.public_id from subscribers p
         where p.lookup = $1 and exists (
             select from mails m
             where m.id in (select a.told_mail_id from alerts a where a.subscriber_id = p.id
                            union select l.mail_id from letters l where l.subscriber_id = p.id)
               and (m.message_id = any($2) or m.thread && $2))",
    )
    .bind(from.lookup())
    .bind(message_ids)
    .fetch_optional(connection)
    .await?)
}

/// Keeps what came back. Returns whether it is new: a mail bounces once for each time that it was sent.
async fn keep(
    connection: &mut PgConnection,
    person: &Person,
    kind: &str,
    said: Option<(Weight, Status)>,
    source: Source,
    now: DateTime<Utc>,
) -> Result<bool> {
    let kept = sqlx::query(
        "insert into returns (subscriber_id, mail_id, kind, weight, status, source, at, finished_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict on constraint returns_once do nothing",
    )
    .bind(person.id)
    .bind(person.mail_id)
    .bind(kind)
    .bind(said.map(|(weight, _)| weight.name()))
    .bind(said.map(|(_, status)| status.to_string()))
    .bind(source.name())
    .bind(source.when(person.accepted_at, now))
    .bind(person.accepted_at.filter(|_| kind == "bounce"))
    .execute(connection)
    .await?;
    Ok(kept.rows_affected() > 0)
}

/// What came back from a person lately, but not what was sent before they last agreed to something.
async fn lately(connection: &mut PgConnection, person: &Person, now: DateTime<Utc>) -> Result<Lately> {
    let (shut, soft_days, policy_days) = sqlx::query_as(
        "select count(*) filter (where weight = 'shut'),
                count(distinct (at at time zone 'UTC')::date) filter (where weight in ('shut', 'soft')),
                count(distinct (at at time zone 'UTC')::date) filter (where weight = 'policy')
         from returns
         where subscriber_id = $1 and kind = 'bounce' and at > $2
           and at > coalesce((select max(c.given_at) from consents c where c.subscriber_id = $1), '-infinity')",
    )
    .bind(person.id)
    .bind(now - COUNTED_FOR)
    .fetch_one(connection)
    .await?;
    Ok(Lately { shut, soft_days, policy_days })
}

/// Suppresses a person.
async fn suppress(
    connection: &mut PgConnection,
    keys: &AddressKeys,
    person: &Person,
    reason: Reason,
    now: DateTime<Utc>,
) -> Result<()> {
    // An address that cannot be read any more is written to no more, either.
    if let Ok(address) = person.address.parse() {
        suppressions::add(&mut *connection, keys, &address, reason, now).await?;
    }
    suppressions::silence(&mut *connection, person.id, now).await?;
    let detail = json!({ "reason": reason.name(), "mail": person.mail_id });
    let entry = Entry { actor: "returns", action: "suppressed", subject: person.public_id, detail };
    audit::write(connection, &[entry], now).await
}

/// A promise that a mail had settled that did not arrive.
#[derive(FromRow)]
struct Undone {
    #[sqlx(flatten)]
    about: About,
    released: bool,
}

/// What a mail told was not told: it is told again after `again`, or is undeliverable. The promises
/// that this very mail settled, which have its time, are owed again or released. What a later mail
/// told stays told.
async fn untell(
    connection: &mut PgConnection,
    person: &Person,
    again: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<()> {
    let undone: Vec<Undone> = sqlx::query_as(
        "with n as (
             select a.subscriber_id, a.opening_id, o.subject, o.posting, o.cycle,
                    a.told_mail_id is not distinct from $2 as latest,
                    a.promise and a.outcome in ('kept', 'kept-late', 'explained') and a.outcome_at = $3 as settled
             from alerts a
             join mails m on m.id = $2 and m.subscriber_id = a.subscriber_id and a.opening_id = any(m.openings)
             join openings o on o.id = a.opening_id
             where a.subscriber_id = $1)
         update alerts a set
             told_phase = case when n.latest then null else a.told_phase end,
             told_revision = case when n.latest then null else a.told_revision end,
             told_at = case when n.latest then null else a.told_at end,
             told_mail_id = case when n.latest then null else a.told_mail_id end,
             advance_told_at = nullif(a.advance_told_at, $3),
             reminded_at = nullif(a.reminded_at, $3),
             due_at = case when n.latest then $4 else a.due_at end,
             ended = case when not n.latest then a.ended when $4 is null then 'refused' end,
             (outcome, outcome_reason, outcome_at, door_left) = (
                 select case when not n.settled then a.outcome when $4 is null then 'released' end,
                        case when not n.settled then a.outcome_reason when $4 is null then 'undeliverable' end,
                        case when not n.settled then a.outcome_at when $4 is null then $5 end,
                        case when not n.settled then a.door_left end)
         from n
         where a.subscriber_id = n.subscriber_id and a.opening_id = n.opening_id and (n.latest or n.settled)
         returning n.subject, n.posting, n.cycle, n.settled and $4 is null as released",
    )
    .bind(person.id)
    .bind(person.mail_id)
    .bind(person.accepted_at)
    .bind(again)
    .bind(now)
    .fetch_all(&mut *connection)
    .await?;
    let events: Vec<OutcomeEvent> = undone
        .iter()
        .filter(|promise| promise.released)
        .map(|promise| {
            let reason = Some("undeliverable");
            let outcome = PromiseOutcome { outcome: "released", reason, door_left: None, mail: None };
            OutcomeEvent::promise(&promise.about, outcome, now)
        })
        .collect();
    outcomes::emit(&mut *connection, &events).await?;
    // What we stopped is not known any more when it has been told: that letter is not written again.
    sqlx::query(
        "update letters set sent_at = null,
             due_at = case when kind <> 'lapsed' then $2 end,
             ended = case when $2 is null or kind = 'lapsed' then 'refused' end,
             over_at = case when $2 is null or kind = 'lapsed' then over_at end
         where mail_id = $1 and sent_at is not null",
    )
    .bind(person.mail_id)
    .bind(again)
    .execute(connection)
    .await?;
    Ok(())
}

/// Counts something that reached us.
///
/// # Errors
///
/// When Postgres is away.
pub async fn count(connection: &mut PgConnection, what: &'static str, day: NaiveDate) -> Result<()> {
    sqlx::query(
        "insert into return_counts as c (day, what, count) values ($1, $2, 1)
         on conflict (day, what) do update set count = c.count + 1",
    )
    .bind(day)
    .bind(what)
    .execute(connection)
    .await?;
    Ok(())
}

/// What reached us since a day, by what it was.
///
/// # Errors
///
/// When Postgres is away.
pub async fn counted(connection: &mut PgConnection, since: NaiveDate) -> Result<Vec<(String, i64)>> {
    Ok(sqlx::query_as(
        "select what, sum(count)::bigint from return_counts where day >= $1 group by what order by what",
    )
    .bind(since)
    .fetch_all(connection)
    .await?)
}
