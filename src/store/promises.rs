//! Promises: who is owed what, and what becomes of it when no mail decides it.
//! What a mail does to a promise is in [`tries`](crate::store::tries).

use chrono::{DateTime, Duration, NaiveDate, Utc};
use sqlx::{FromRow, PgConnection};

use crate::store::Result;
use crate::store::alerts::Page;
use crate::store::outcomes::{self, About, OutcomeEvent, PromiseOutcome};

/// What happens with people who registered, before they are looked at one by
/// one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prospect {
    /// Their next word is due then.
    Due(DateTime<Utc>),
    /// There is nothing to say as things are.
    Quiet,
    /// There is nothing to say any more, for this reason.
    Ended(&'static str),
}

impl Prospect {
    fn due(self) -> Option<DateTime<Utc>> {
        match self {
            Self::Due(at) => Some(at),
            Self::Quiet | Self::Ended(_) => None,
        }
    }

    fn ended(self) -> Option<&'static str> {
        match self {
            Self::Ended(reason) => Some(reason),
            Self::Due(_) | Self::Quiet => None,
        }
    }
}

/// A promise that ended without a word, if it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Released<'a>(Option<&'a str>);

impl<'a> Released<'a> {
    pub(super) fn because(reason: Option<&'a str>) -> Self {
        Self(reason)
    }

    /// What others may follow of it.
    pub(super) fn event(self, about: &About, at: DateTime<Utc>) -> Option<OutcomeEvent> {
        let outcome =
            PromiseOutcome { outcome: "released", reason: Some(self.0?), door_left: None, mail: None };
        Some(OutcomeEvent::promise(about, outcome, at))
    }
}

/// What the people of a page get who registered for a programme.
#[derive(Debug, Clone)]
pub struct Registrants<'a> {
    /// The cycle.
    pub about: &'a About,
    /// The slug of the programme that opens.
    pub programme: &'a str,
    /// It and what it is part of; who registered for one of these is owed it,
    /// too.
    pub within: Vec<String>,
    /// Only these registrants, if only these are new.
    pub people: Option<&'a [i64]>,
    /// What happens with who registered for this programme by name...
    pub exactly: Prospect,
    /// ...and with who registered for what it is part of.
    pub part_of: Prospect,
    /// Whether something is owed to them: the cycle has a date, or has opened.
    pub promise: bool,
    /// Who registered later than this is owed nothing of it...
    pub registered_before: Option<DateTime<Utc>>,
    /// ...and, if so, hears nothing of it.
    pub only_promises: bool,
    /// The local day, for registrations that begin later or have ended.
    pub today: NaiveDate,
    /// The moment, for what is settled at once.
    pub now: DateTime<Utc>,
}

/// Makes the alerts of the registrants of one page, and says which of them are
/// promises. Returns how many were made or made due again.
///
/// # Errors
///
/// When Postgres is away.
pub async fn promise(
    connection: &mut PgConnection,
    page: &Page<'_>,
    registrants: &Registrants<'_>,
) -> Result<u64> {
    let made: Vec<(Option<String>, i64)> = sqlx::query_as(
        "with made as (insert into alerts as a
             (subscriber_id, opening_id, due_at, ended, promise, outcome, outcome_reason, outcome_at)
         select owed.subscriber_id, $1, owed.due_at, owed.ended, owed.promise,
                case when owed.promise and owed.ended is not null then 'released' end,
                case when owed.promise then owed.ended end,
                case when owed.promise and owed.ended is not null then $16::timestamptz end
         from (
             select asked.subscriber_id, asked.promise,
                    case when asked.waits then null when asked.exactly then $7 else $8 end as due_at,
                    case when asked.waits then 'not-before' when asked.exactly then $9 else $10 end as ended
             from (
                 select r.subscriber_id, bool_or(r.programme = $5) as exactly,
                        bool_and(coalesce(r.not_before > $13, false)) as waits,
                        $11 and ($12::timestamptz is null or min(r.registered_at) < $12) as promise
                 from registrations r
                 where r.programme = any($6) and r.subscriber_id > $2 and r.subscriber_id <= $3
                   and (r.valid_until is null or r.valid_until >= $13)
                   and ($14::bigint[] is null or r.subscriber_id = any($14))
                 group by r.subscriber_id
             ) asked
             order by asked.subscriber_id
         ) owed
         where (owed.promise or owed.due_at is not null and not $15)
           and ($4::text[] is null or exists (
               select from subscribers p where p.id = owed.subscriber_id and p.lookup = any($4)))
         on conflict (subscriber_id, opening_id) do update set
             promise = a.promise or excluded.promise,
             -- Who was told, stopped asking and asks again is compared again.
             due_at = case when a.told_revision is null or a.ended is not null
                 then coalesce(excluded.due_at, a.due_at) else a.due_at end,
             ended = case when a.told_revision is null or excluded.due_at is not null
                 then excluded.ended else a.ended end,
             outcome = case when a.outcome is null or a.outcome = 'released' and a.told_revision is null
                 then excluded.outcome else a.outcome end,
             outcome_reason = case when a.outcome is null or a.outcome = 'released' and a.told_revision is null
                 then excluded.outcome_reason else a.outcome_reason end,
             outcome_at = case when a.outcome is null or a.outcome = 'released' and a.told_revision is null
                 then excluded.outcome_at else a.outcome_at end
         where excluded.promise and not a.promise
            or a.told_revision is not null and a.ended in ('no-longer-wanted', 'not-before')
               and excluded.due_at is not null
            or a.told_revision is null and a.ended is distinct from 'refused'
               -- Who cannot be written to stays as they are until they can.
               and (a.ended is distinct from 'unreachable' or exists (
                   select from subscribers p join consents c on c.subscriber_id = p.id
                   where p.id = a.subscriber_id and p.state = 'active'))
               and (a.due_at is null and excluded.due_at is not null
                    or a.due_at is null and excluded.ended is distinct from a.ended
                    or excluded.due_at < a.due_at and not exists (
                        select from mails m
                        where m.subscriber_id = a.subscriber_id and m.outcome is null
                          and $1 = any(m.openings)))
         returning case when outcome = 'released' and outcome_at = $16 then outcome_reason end as released)
         select released, count(*) from made group by released",
    )
    .bind(page.opening_id)
    .bind(page.after)
    .bind(page.up_to)
    .bind(page.only)
    .bind(registrants.programme)
    .bind(&registrants.within)
    .bind(registrants.exactly.due())
    .bind(registrants.part_of.due())
    .bind(registrants.exactly.ended())
    .bind(registrants.part_of.ended())
    .bind(registrants.promise)
    .bind(registrants.registered_before)
    .bind(registrants.today)
    .bind(registrants.people)
    .bind(registrants.only_promises)
    .bind(registrants.now)
    .fetch_all(&mut *connection)
    .await?;
    let mut events = Vec::new();
    for (released, count) in &made {
        let released = Released::because(released.as_deref());
        events.extend((0..*count).filter_map(|_| released.event(registrants.about, registrants.now)));
    }
    outcomes::emit(connection, &events).await?;
    Ok(made.iter().map(|(_, count)| count.unsigned_abs()).sum())
}

/// A promise whose door has shut, and why it is released, if nobody is to be looked at.
#[derive(FromRow)]
struct Settled {
    #[sqlx(flatten)]
    about: About,
    released: Option<String>,
}

/// Has the people looked at to whom a promise is owed whose door has shut, by
/// the clock or otherwise, and whom nothing else would wake. Returns how many
/// alerts are due for it; `None` if no door was to be settled.
///
/// # Errors
///
/// When Postgres is away.
pub async fn settle(connection: &mut PgConnection, now: DateTime<Utc>) -> Result<Option<u64>> {
    let shut: Vec<i64> = sqlx::query_scalar(
        "select id from openings
         where not settled and door_shuts_at <= $1 and matched_revision = revision
         order by door_shuts_at limit 100 for update skip locked",
    )
    .bind(now)
    .fetch_all(&mut *connection)
    .await?;
    if shut.is_empty() {
        return Ok(None);
    }
    let settled: Vec<Settled> = sqlx::query_as(
        "update alerts a set
             due_at = case when a.ended is null then $2 end,
             outcome = case when a.ended is not null then 'released' end,
             outcome_reason = case when a.ended in ('refused', 'given-up') then 'undeliverable' else a.ended end,
             outcome_at = case when a.ended is not null then $2 end
         from openings o
         where o.id = a.opening_id
           and a.opening_id = any($1) and a.promise and a.outcome is null and a.due_at is null
           -- A mail that our own checks hold back is for a person to look at; who stopped after it
           -- had shut was not told in time.
           and coalesce(a.ended, '') not in ('held', 'stopped')
           and not exists (
               select from mails m
               where m.subscriber_id = a.subscriber_id and m.outcome is null and a.opening_id = any(m.openings))
         returning o.subject, o.posting, o.cycle, a.outcome_reason as released",
    )
    .bind(&shut)
    .bind(now)
    .fetch_all(&mut *connection)
    .await?;
    outcomes::emit(&mut *connection, &released(&settled, now)).await?;
    sqlx::query("update openings set settled = true where id = any($1)")
        .bind(&shut)
        .execute(connection)
        .await?;
    Ok(Some(settled.len() as u64))
}

/// How long after its door has shut a promise may be without an outcome.
const SETTLED_WITHIN: Duration = Duration::hours(24);

/// For how long doors that have shut are looked at.
const LOOKED_AT: Duration = Duration::days(30);

/// Gives up promises whose door has shut a day ago and whose mail the mail
/// server has deferred ever since. If it takes the mail after all, they are
/// explained. Returns how many.
///
/// # Errors
///
/// When Postgres is away.
pub async fn give_up(connection: &mut PgConnection, now: DateTime<Utc>) -> Result<u64> {
    let given_up: Vec<Settled> = sqlx::query_as(
        "update alerts a set outcome = 'released', outcome_reason = 'undeliverable', outcome_at = $1
         from openings o
         where o.id = a.opening_id and o.door_shuts_at <= $2 and o.door_shuts_at > $3
           and a.promise and a.outcome is null
           and exists (
               select from mails m
               where m.subscriber_id = a.subscriber_id and m.outcome is null and m.attempts > 0
                 and a.opening_id = any(m.openings))
         returning o.subject, o.posting, o.cycle, a.outcome_reason as released",
    )
    .bind(now)
    .bind(now - SETTLED_WITHIN)
    .bind(now - LOOKED_AT)
    .fetch_all(&mut *connection)
    .await?;
    outcomes::emit(connection, &released(&given_up, now)).await?;
    Ok(given_up.len() as u64)
}

fn released(settled: &[Settled], now: DateTime<Utc>) -> Vec<OutcomeEvent> {
    let event = |row: &Settled| Released::because(row.released.as_deref()).event(&row.about, now);
    settled.iter().filter_map(event).collect()
}
