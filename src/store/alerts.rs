//! Who is to be told of what, and what they were last told.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection};

use crate::domain::cadence::Cadence;
use crate::store::Result;
use crate::store::outcomes::{self, About, OutcomeEvent};
use crate::store::promises::Released;

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
#[derive(Debug, Clone)]
pub struct Searched {
    /// For each cadence when its next word is due, and whether that is a tick
    /// of its schedule; who has several searches gets the soonest.
    pub due: Vec<(Cadence, DateTime<Utc>, bool)>,
    /// Why there is nothing to tell any more, if so.
    pub ended: Option<&'static str>,
}

/// Makes the alerts of one page, for the criteria with these keys: one for each person, due at the soonest of
/// their searches' cadences, also if it was due later until now (but a retry
/// keeps its time). Who has been told is left alone; who was not told,
/// and was not to be any more, is due again, unless the mail server refused
/// that mail for good. Returns how many were made.
///
/// # Errors
///
/// When Postgres is away.
pub async fn make(
    connection: &mut PgConnection,
    page: &Page<'_>,
    criteria: &[i64],
    searched: &Searched,
) -> Result<u64> {
    let made = sqlx::query(
        "insert into alerts as a (subscriber_id, opening_id, due_at, unhurried, ended)
         select wanted.subscriber_id, $1, case when $2::text is null then wanted.due_at end, wanted.unhurried, $2
         from (
             select s.subscriber_id, min(c.due_at) as due_at, bool_and(c.unhurried) as unhurried
             from searches s
             join unnest($3::text[], $4::timestamptz[], $9::bool[]) as c (cadence, due_at, unhurried)
                 on c.cadence = s.cadence
             where s.criteria_id = any($5) and s.subscriber_id > $6 and s.subscriber_id <= $7
             group by s.subscriber_id
             order by s.subscriber_id
         ) wanted
         where $8::text[] is null or exists (
             select from subscribers p where p.id = wanted.subscriber_id and p.lookup = any($8))
         on conflict (subscriber_id, opening_id) do update
             set due_at = excluded.due_at, unhurried = excluded.unhurried, ended = excluded.ended
         -- What a digest left to our pages was told in a way.
         where a.told_revision is null and (a.ended is null or a.ended not in ('refused', 'summarised'))
           and (a.due_at is null and excluded.due_at is not null
                or excluded.due_at < a.due_at and not exists (
                    select from mails m
                    where m.subscriber_id = a.subscriber_id and m.outcome is null and $1 = any(m.openings)))",
    )
    .bind(page.opening_id)
    .bind(searched.ended)
    .bind(searched.due.iter().map(|(cadence, ..)| cadence.to_string()).collect::<Vec<_>>())
    .bind(searched.due.iter().map(|(_, due, _)| *due).collect::<Vec<_>>())
    .bind(criteria)
    .bind(page.after)
    .bind(page.up_to)
    .bind(page.only)
    .bind(searched.due.iter().map(|(.., unhurried)| *unhurried).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(made.rows_affected())
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

/// Of these people and openings, those where the person was told of a later
/// opening of the same subject.
///
/// # Errors
///
/// When Postgres is away.
pub async fn told_of_later(
    connection: &mut PgConnection,
    each: &[(i64, i64)],
) -> Result<HashSet<(i64, i64)>> {
    if each.is_empty() {
        return Ok(HashSet::new());
    }
    let told: Vec<(i64, i64)> = sqlx::query_as(
        "select e.subscriber_id, e.opening_id
         from unnest($1::bigint[], $2::bigint[]) as e (subscriber_id, opening_id)
         join openings o on o.id = e.opening_id
         where exists (
             select from openings later
             join alerts a on a.opening_id = later.id and a.subscriber_id = e.subscriber_id
             where later.subject = o.subject and later.posting > o.posting and a.told_revision is not null)",
    )
    .bind(each.iter().map(|(person, _)| *person).collect::<Vec<_>>())
    .bind(each.iter().map(|(_, opening)| *opening).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    Ok(told.into_iter().collect())
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
    /// They were reminded that it closes soon.
    pub reminded: bool,
}

/// All that is due by `until` for these people.
///
/// # Errors
///
/// When Postgres is away.
pub async fn due_of(connection: &mut PgConnection, people: &[i64], until: DateTime<Utc>) -> Result<Vec<Due>> {
    Ok(sqlx::query_as(
        "select a.subscriber_id, a.opening_id, a.due_at, a.told_revision, a.told_phase, a.told_at,
                m.message_id as told_message_id, m.thread as told_thread, a.reminded_at is not null as reminded
         from alerts a
         -- One by one, never by reading the mails along: with old statistics that looks cheap, too.
         left join lateral (
             select t.message_id, t.thread from mails t where t.id = a.told_mail_id limit 1) m on true
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

/// Makes due what was to be due later, so that it is looked at by other
/// schedules or choices: of these people, or of everybody. A mail that is being
/// tried again keeps its time. Returns how many.
///
/// # Errors
///
/// When Postgres is away.
pub async fn look_again(
    connection: &mut PgConnection,
    people: Option<&[i64]>,
    now: DateTime<Utc>,
) -> Result<u64> {
    let due = sqlx::query(
        "update alerts a set due_at = $1
         where a.due_at > $1 and ($2::bigint[] is null or a.subscriber_id = any($2))
           and not exists (
               select from mails m
               where m.subscriber_id = a.subscriber_id and m.outcome is null and a.opening_id = any(m.openings))",
    )
    .bind(now)
    .bind(people)
    .execute(connection)
    .await?;
    Ok(due.rows_affected())
}

/// Has the alerts of these people looked at that were told that something is
/// open, and of which nothing more is to be said as they were.
///
/// # Errors
///
/// When Postgres is away.
pub async fn look_at_open(connection: &mut PgConnection, people: &[i64], now: DateTime<Utc>) -> Result<()> {
    if people.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "update alerts set due_at = $2
         where subscriber_id = any($1) and told_phase = 'open' and due_at is null and ended is null",
    )
    .bind(people)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// An alert that ends without a word, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// Who is not told.
    pub subscriber_id: i64,
    /// Of what.
    pub opening_id: i64,
    /// By which revision of the truth.
    pub revision: i32,
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

/// Ends alerts, or leaves them as told. A promise that ends so is released. What
/// was decided by a truth that has moved on since stays due.
///
/// # Errors
///
/// When Postgres is away.
pub async fn end(connection: &mut PgConnection, endings: &[Ending], now: DateTime<Utc>) -> Result<()> {
    if endings.is_empty() {
        return Ok(());
    }
    let ended: Vec<Ended> = sqlx::query_as(
        "update alerts a set due_at = case when e.moved_on then $5 end,
             ended = case when e.moved_on then a.ended else nullif(e.reason, 'over') end,
             outcome = case when e.released is not null then 'released' else a.outcome end,
             outcome_reason = coalesce(e.released, a.outcome_reason),
             outcome_at = case when e.released is not null then $5 else a.outcome_at end
         from (
             select e.*, o.subject, o.posting, o.cycle, o.revision > e.revision as moved_on,
                 case when a.promise and a.outcome is null and o.revision <= e.revision then case e.reason
                     when 'unreachable' then case when p.state in ('suppressed', 'lapsed') then p.state else 'unsubscribed' end
                     when 'no-longer-wanted' then 'unregistered'
                     -- What never opened was not missed.
                     when 'expired' then case when o.opened_at is null then 'withdrawn' else 'expired' end
                     when 'over' then case when o.opened_at is null then 'withdrawn' else 'expired' end
                     else e.reason end end as released
             from unnest($1::bigint[], $2::bigint[], $3::int[], $4::text[])
                 as e (subscriber_id, opening_id, revision, reason)
             join alerts a using (subscriber_id, opening_id)
             join openings o on o.id = e.opening_id
             join subscribers p on p.id = e.subscriber_id
         ) e
         where a.subscriber_id = e.subscriber_id and a.opening_id = e.opening_id
         returning e.subject, e.posting, e.cycle, e.released",
    )
    .bind(endings.iter().map(|e| e.subscriber_id).collect::<Vec<_>>())
    .bind(endings.iter().map(|e| e.opening_id).collect::<Vec<_>>())
    .bind(endings.iter().map(|e| e.revision).collect::<Vec<_>>())
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

/// An alert that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// Who is not told yet.
    pub subscriber_id: i64,
    /// Of what.
    pub opening_id: i64,
    /// Until when.
    pub until: DateTime<Utc>,
    /// Whether that is the tick of a schedule.
    pub unhurried: bool,
}

/// Lets alerts wait until a later moment.
///
/// # Errors
///
/// When Postgres is away.
pub async fn postpone(connection: &mut PgConnection, waits: &[Wait]) -> Result<()> {
    if waits.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "update alerts a set due_at = w.due_at, unhurried = w.unhurried
         from unnest($1::bigint[], $2::bigint[], $3::timestamptz[], $4::bool[])
             as w (subscriber_id, opening_id, due_at, unhurried)
         where a.subscriber_id = w.subscriber_id and a.opening_id = w.opening_id",
    )
    .bind(waits.iter().map(|wait| wait.subscriber_id).collect::<Vec<_>>())
    .bind(waits.iter().map(|wait| wait.opening_id).collect::<Vec<_>>())
    .bind(waits.iter().map(|wait| wait.until).collect::<Vec<_>>())
    .bind(waits.iter().map(|wait| wait.unhurried).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
