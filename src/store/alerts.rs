//! Who is to be told of what, and what they were last told.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{FromRow, PgConnection};

use crate::domain::cadence::Cadence;
use crate::store::Result;
use crate::store::outcomes::{self, About, OutcomeEvent, PromiseOutcome};

/// Which part of the subscribers one statement of matching takes.
#[derive(Debug, Clone, Copy)]
pub struct Page<'a> {
    /// The opening that they may want.
    pub opening_id: i64,
    /// Subscribers after this key...
    pub after: i64,
    /// ...up to this one.
    pub up_to: i64,
    /// Only these people, by their folded address; for test events.
    pub only: Option<&'a [String]>,
}

/// What the people of a page get who have a search that asks for the opening.
#[derive(Debug, Clone, Copy)]
pub struct Searched<'a> {
    /// The keys of the criteria that it answers.
    pub criteria: &'a [i64],
    /// For each cadence when its next word is due; who has several searches
    /// gets the soonest.
    pub due: &'a [(Cadence, DateTime<Utc>)],
    /// When the next word is due at a cadence whose schedule is gone.
    pub otherwise: DateTime<Utc>,
    /// Why there is nothing to tell any more, if so.
    pub ended: Option<&'a str>,
}

/// Makes the alerts of one page: one for each person, due at the soonest of
/// their searches' cadences, also if it was due later until now (but a retry
/// keeps its time). Who has been told is left alone; who was not told,
/// and was not to be any more, is due again, unless the mail server refused
/// that mail for good. Returns how many were made.
///
/// # Errors
///
/// When Postgres is away.
pub async fn make(connection: &mut PgConnection, page: &Page<'_>, searched: &Searched<'_>) -> Result<u64> {
    let made = sqlx::query(
        "insert into alerts as a (subscriber_id, opening_id, due_at, ended)
         select wanted.subscriber_id, $1, case when $2::text is null then wanted.due_at end, $2
         from (
             select s.subscriber_id, min(coalesce(c.due_at, $9)) as due_at
             from searches s
             left join unnest($3::text[], $4::timestamptz[]) as c (cadence, due_at) on c.cadence = s.cadence
             where s.criteria_id = any($5) and s.subscriber_id > $6 and s.subscriber_id <= $7
               and s.cadence <> 'paused'
             group by s.subscriber_id
             order by s.subscriber_id
         ) wanted
         where $8::text[] is null or exists (
             select from subscribers p where p.id = wanted.subscriber_id and p.lookup = any($8))
         on conflict (subscriber_id, opening_id) do update set due_at = excluded.due_at, ended = excluded.ended
         where a.told_revision is null and a.ended is distinct from 'refused'
           and (a.due_at is null and excluded.due_at is not null
                or excluded.due_at < a.due_at and not exists (
                    select from mails m
                    where m.subscriber_id = a.subscriber_id and m.outcome is null and $1 = any(m.openings)))",
    )
    .bind(page.opening_id)
    .bind(searched.ended)
    .bind(searched.due.iter().map(|(cadence, _)| cadence.name()).collect::<Vec<_>>())
    .bind(searched.due.iter().map(|(_, due)| *due).collect::<Vec<_>>())
    .bind(searched.criteria)
    .bind(page.after)
    .bind(page.up_to)
    .bind(page.only)
    .bind(searched.otherwise)
    .execute(connection)
    .await?;
    Ok(made.rows_affected())
}

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
#[derive(Debug, Clone, Copy)]
pub struct Registrants<'a> {
    /// The cycle.
    pub about: &'a About,
    /// The slug of the programme that opens.
    pub programme: &'a str,
    /// What it is part of; who registered for one of these is owed it, too.
    pub within: &'a [String],
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
             select r.subscriber_id,
                    bool_and(coalesce(r.not_before > $13, false)) as waits,
                    case when bool_and(coalesce(r.not_before > $13, false)) then null
                         when bool_or(r.programme = $5) then $7 else $8 end as due_at,
                    case when bool_and(coalesce(r.not_before > $13, false)) then 'not-before'
                         when bool_or(r.programme = $5) then $9 else $10 end as ended,
                    $11 and ($12::timestamptz is null or min(r.registered_at) < $12) as promise
             from registrations r
             where r.programme = any($6) and r.subscriber_id > $2 and r.subscriber_id <= $3
               and (r.valid_until is null or r.valid_until >= $13)
               and ($14::bigint[] is null or r.subscriber_id = any($14))
             group by r.subscriber_id
             order by r.subscriber_id
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
    .bind(registrants.within)
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

/// What some people of a page were last told of an opening.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct ToldGroup {
    /// The revision of its facts.
    pub told_revision: i32,
    /// How the door stood.
    pub told_phase: String,
}

/// The different things that people of a page were last told.
///
/// # Errors
///
/// When Postgres is away.
pub async fn told_groups(connection: &mut PgConnection, page: &Page<'_>) -> Result<Vec<ToldGroup>> {
    Ok(sqlx::query_as(
        "select distinct told_revision, told_phase from alerts
         where opening_id = $1 and subscriber_id > $2 and subscriber_id <= $3
           and told_revision is not null and told_phase is not null
         order by told_revision, told_phase",
    )
    .bind(page.opening_id)
    .bind(page.after)
    .bind(page.up_to)
    .fetch_all(connection)
    .await?)
}

/// Makes those people of a page due again who were told what is no longer so.
/// A mail that is being tried again keeps its time: it is compared then.
/// Returns how many.
///
/// # Errors
///
/// When Postgres is away.
pub async fn tell_again(
    connection: &mut PgConnection,
    page: &Page<'_>,
    groups: &[(ToldGroup, DateTime<Utc>)],
) -> Result<u64> {
    if groups.is_empty() {
        return Ok(0);
    }
    let due = sqlx::query(
        "update alerts a set due_at = g.due_at, ended = null
         from unnest($4::int[], $5::text[], $6::timestamptz[]) as g (told_revision, told_phase, due_at)
         where a.opening_id = $1 and a.subscriber_id > $2 and a.subscriber_id <= $3
           and a.told_revision = g.told_revision and a.told_phase = g.told_phase
           and a.ended is distinct from 'refused'
           and (a.due_at is null or a.due_at > g.due_at)
           and not exists (
               select from mails m
               where m.subscriber_id = a.subscriber_id and m.outcome is null and $1 = any(m.openings))",
    )
    .bind(page.opening_id)
    .bind(page.after)
    .bind(page.up_to)
    .bind(groups.iter().map(|(group, _)| group.told_revision).collect::<Vec<_>>())
    .bind(groups.iter().map(|(group, _)| group.told_phase.as_str()).collect::<Vec<_>>())
    .bind(groups.iter().map(|(_, due)| *due).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(due.rows_affected())
}

/// People who are due at `now` and in nobody's hands, longest due first. They
/// are held until the transaction ends; others take the people after them.
///
/// # Errors
///
/// When Postgres is away.
pub async fn people_due(connection: &mut PgConnection, now: DateTime<Utc>, limit: i64) -> Result<Vec<i64>> {
    loop {
        let mut held: Vec<i64> = sqlx::query_scalar(
            "select a.subscriber_id
             from alerts a
             join subscribers p on p.id = a.subscriber_id
             where a.due_at <= $1
               and not exists (select from mails m where m.subscriber_id = p.id and m.worker is not null)
             order by a.due_at, a.subscriber_id
             limit $2
             for no key update of p skip locked",
        )
        .bind(now)
        .bind(limit)
        .fetch_all(&mut *connection)
        .await?;
        held.sort_unstable();
        held.dedup();
        if held.is_empty() {
            return Ok(held);
        }
        // Between that statement's view of the tables and its lock on a person,
        // another worker may have claimed that person and committed.
        let free: Vec<i64> = sqlx::query_scalar(
            "select held.person from unnest($1::bigint[]) as held (person)
             where not exists (
                 select from mails m where m.subscriber_id = held.person and m.worker is not null)",
        )
        .bind(held)
        .fetch_all(&mut *connection)
        .await?;
        // All of them: then there may be others, whom the next look finds.
        if !free.is_empty() {
            return Ok(free);
        }
    }
}

/// An alert whose word is due, or will be in a moment.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Due {
    /// Whom to tell.
    pub subscriber_id: i64,
    /// Of what.
    pub opening_id: i64,
    /// When.
    pub due_at: DateTime<Utc>,
    /// What they were last told: the revision of its facts...
    pub told_revision: Option<i32>,
    /// ...how the door stood...
    pub told_phase: Option<String>,
    /// ...when...
    pub told_at: Option<DateTime<Utc>>,
    /// ...in which mail...
    pub told_message_id: Option<String>,
    /// ...and in which thread that mail stood, oldest first.
    pub told_thread: Option<Vec<String>>,
}

/// All that is due by `until` for these people.
///
/// # Errors
///
/// When Postgres is away.
pub async fn due_of(connection: &mut PgConnection, people: &[i64], until: DateTime<Utc>) -> Result<Vec<Due>> {
    Ok(sqlx::query_as(
        "select a.subscriber_id, a.opening_id, a.due_at, a.told_revision, a.told_phase, a.told_at,
                m.message_id as told_message_id, m.thread as told_thread
         from alerts a left join mails m on m.id = a.told_mail_id
         -- By person, never by due_at: while the statistics are older than a release, the planner
         -- would read all that are due instead. An `is true` takes that index away from it.
         where a.subscriber_id = any($1) and (a.due_at <= $2) is true
         order by a.subscriber_id, a.opening_id",
    )
    .bind(people)
    .bind(until)
    .fetch_all(connection)
    .await?)
}

/// Makes due what was to be due later, so that it is looked at under other
/// schedules; a mail that is being tried again keeps its time. Returns how many.
///
/// # Errors
///
/// When Postgres is away.
pub async fn look_again(connection: &mut PgConnection, now: DateTime<Utc>) -> Result<u64> {
    let due = sqlx::query(
        "update alerts a set due_at = $1
         where a.due_at > $1 and not exists (
             select from mails m
             where m.subscriber_id = a.subscriber_id and m.outcome is null and a.opening_id = any(m.openings))",
    )
    .bind(now)
    .execute(connection)
    .await?;
    Ok(due.rows_affected())
}

/// An alert that ends without a word, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// Who is not told.
    pub subscriber_id: i64,
    /// Of what.
    pub opening_id: i64,
    /// Why; none if there was nothing left to say.
    pub reason: Option<&'static str>,
}

/// An alert that has ended, and why its promise is released, if it was one.
#[derive(FromRow)]
struct Ended {
    #[sqlx(flatten)]
    about: About,
    released: Option<String>,
}

/// Ends alerts, or leaves them as told. A promise that ends so is released.
///
/// # Errors
///
/// When Postgres is away.
pub async fn end(connection: &mut PgConnection, endings: &[Ending], now: DateTime<Utc>) -> Result<()> {
    if endings.is_empty() {
        return Ok(());
    }
    let ended: Vec<Ended> = sqlx::query_as(
        "update alerts a set due_at = null, ended = nullif(e.reason, 'over'),
             outcome = case when e.released is not null then 'released' else a.outcome end,
             outcome_reason = coalesce(e.released, a.outcome_reason),
             outcome_at = case when e.released is not null then $4 else a.outcome_at end
         from (
             select e.*, o.subject, o.posting, o.cycle,
                 case when a.promise and a.outcome is null then case e.reason
                     when 'unreachable' then case p.state when 'suppressed' then 'suppressed' else 'unsubscribed' end
                     when 'no-longer-wanted' then 'unregistered'
                     -- What never opened was not missed.
                     when 'expired' then case when o.opened_at is null then 'withdrawn' else 'expired' end
                     when 'over' then case when o.opened_at is null then 'withdrawn' else 'expired' end
                     else e.reason end end as released
             from unnest($1::bigint[], $2::bigint[], $3::text[]) as e (subscriber_id, opening_id, reason)
             join alerts a using (subscriber_id, opening_id)
             join openings o on o.id = e.opening_id
             join subscribers p on p.id = e.subscriber_id
         ) e
         where a.subscriber_id = e.subscriber_id and a.opening_id = e.opening_id
         returning e.subject, e.posting, e.cycle, e.released",
    )
    .bind(endings.iter().map(|e| e.subscriber_id).collect::<Vec<_>>())
    .bind(endings.iter().map(|e| e.opening_id).collect::<Vec<_>>())
    .bind(endings.iter().map(|e| e.reason).collect::<Vec<_>>())
    .bind(now)
    .fetch_all(&mut *connection)
    .await?;
    let events: Vec<OutcomeEvent> = ended
        .iter()
        .filter_map(|row| Released::because(row.released.as_deref()).event(&row.about, now))
        .collect();
    outcomes::emit(connection, &events).await
}

/// Lets alerts wait until a later moment.
///
/// # Errors
///
/// When Postgres is away.
pub async fn postpone(connection: &mut PgConnection, waits: &[(i64, i64, DateTime<Utc>)]) -> Result<()> {
    if waits.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "update alerts a set due_at = w.due_at
         from unnest($1::bigint[], $2::bigint[], $3::timestamptz[]) as w (subscriber_id, opening_id, due_at)
         where a.subscriber_id = w.subscriber_id and a.opening_id = w.opening_id",
    )
    .bind(waits.iter().map(|(subscriber, _, _)| *subscriber).collect::<Vec<_>>())
    .bind(waits.iter().map(|(_, opening, _)| *opening).collect::<Vec<_>>())
    .bind(waits.iter().map(|(_, _, until)| *until).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
