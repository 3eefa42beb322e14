//! Who is due, and is served next.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::store::Result;

/// Rows of alerts that are read for each place: people are due for several
/// things together, most of all with a digest.
const ROWS_EACH: i64 = 8;

/// From where all claims of a program look for who is due, by which mail
/// domains they leave out: whom a look passes over is still first for another.
#[derive(Debug, Clone, Default)]
pub struct Marks(Arc<Mutex<HashMap<Vec<String>, Mark>>>);

impl Marks {
    /// The most different looks that are remembered. Mostly there are two: of
    /// everybody, and past those who have to wait.
    const MOST: usize = 8;

    fn get(&self, except: &[String]) -> Mark {
        let marks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        marks.get(except).cloned().unwrap_or_default()
    }

    fn set(&self, except: &[String], mark: Mark) {
        let mut marks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if marks.len() >= Self::MOST && !marks.contains_key(except) {
            marks.clear();
        }
        marks.insert(except.to_vec(), mark);
    }
}

/// From where to look for who is due. What was done before it leaves dead
/// entries in the index until Postgres cleans up, and a look past those of a
/// hundred thousand digests takes longer than a claim. Where something became
/// free or due before it, the next look from the beginning finds it.
#[derive(Debug, Clone, Default)]
struct Mark {
    /// The first who was due at the last look, of those who need not wait for a
    /// tick and of those who did.
    first: [Option<(DateTime<Utc>, i64)>; 2],
    /// When the last look from the beginning was, and how long it took.
    whole: Option<(Instant, Duration)>,
}

impl Mark {
    /// Everything is looked through at least so often, or for a small part of
    /// the time.
    const WHOLE_LOOK_EVERY: Duration = Duration::from_secs(1);
    const PART_OF_THE_TIME: u32 = 10;

    fn forget_when_old(&mut self) {
        let old = |(at, took): (Instant, Duration)| {
            at.elapsed() >= Self::WHOLE_LOOK_EVERY.max(took * Self::PART_OF_THE_TIME)
        };
        if self.whole.is_none_or(old) {
            *self = Self::default();
        }
    }
}

/// People who are due at `now` and in nobody's hands, longest due first, without
/// those at some mail domains. Who is due for what was asked for at once comes
/// before who is due for what waited for the tick of a schedule, except that a
/// quarter of the places are theirs: a hundred thousand digests hold nobody up,
/// and are not held up. They are held until the transaction ends; others take
/// the people after them. If nobody is found, nobody is due.
///
/// # Errors
///
/// When Postgres is away.
pub async fn people_due(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    limit: i64,
    except: &[String],
    marks: &Marks,
) -> Result<Vec<i64>> {
    let limit = usize::try_from(limit).unwrap_or_default();
    let mut mark = marks.get(except);
    let people = look(connection, now, limit, except, &mut mark).await?;
    marks.set(except, mark);
    Ok(people)
}

/// Everybody who is due at `now`, in nobody's hands, and since when, in no order
/// that means anything. Holds nobody.
///
/// # Errors
///
/// When Postgres is away.
pub async fn everybody(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
) -> Result<Vec<(i64, DateTime<Utc>)>> {
    Ok(sqlx::query_as(
        "select a.subscriber_id, min(a.due_at) from alerts a
         where a.due_at <= $1
           and not exists (select from mails m where m.subscriber_id = a.subscriber_id and m.worker is not null)
         group by a.subscriber_id order by a.subscriber_id",
    )
    .bind(now)
    .fetch_all(connection)
    .await?)
}

/// Looks for them from where the last look found the first.
async fn look(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    limit: usize,
    except: &[String],
    mark: &mut Mark,
) -> Result<Vec<i64>> {
    mark.forget_when_old();
    loop {
        let from = mark.first;
        let mut held = hold(&mut *connection, now, limit, except, mark).await?;
        held.sort_unstable();
        if held.is_empty() {
            if from == [None, None] {
                return Ok(held);
            }
            *mark = Mark::default();
            continue;
        }
        // Between a statement's view of the tables and its lock on a person,
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

/// Somebody who is due: who, since when, and whether for what waited for a tick.
type DueRow = (i64, DateTime<Utc>, bool);

/// Holds so many people who are due, past those that others hold.
async fn hold(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    limit: usize,
    except: &[String],
    mark: &mut Mark,
) -> Result<Vec<i64>> {
    let (mut held, mut held_of_ticks): (Vec<i64>, usize) = (Vec::new(), 0);
    let mut seen: Vec<i64> = Vec::new();
    let [at_once, of_ticks] = mark.first;
    while held.len() < limit {
        let places = limit - held.len();
        let begun = Instant::now();
        let rows: Vec<DueRow> = sqlx::query_as(
            "select first.subscriber_id, first.due_at, kinds.unhurried
             from (values (false, coalesce($4, '-infinity'), $5), (true, coalesce($6, '-infinity'), $7))
                 as kinds (unhurried, due_at, subscriber_id)
             cross join lateral (
                 select a.subscriber_id, a.due_at
                 from alerts a
                 where a.unhurried = kinds.unhurried and a.due_at <= $1
                   and (a.due_at, a.subscriber_id) >= (kinds.due_at, kinds.subscriber_id)
                   and a.subscriber_id <> all($3)
                   and exists (
                       select from subscribers p
                       where p.id = a.subscriber_id and split_part(p.lookup, '@', -1) <> all($8))
                   and not exists (
                       select from mails m where m.subscriber_id = a.subscriber_id and m.worker is not null)
                 order by a.due_at, a.subscriber_id
                 limit $2) first
             order by kinds.unhurried, first.due_at, first.subscriber_id",
        )
        .bind(now)
        .bind(i64::try_from(places).unwrap_or(i64::MAX).saturating_mul(ROWS_EACH))
        .bind(&seen)
        .bind(at_once.map(|(due_at, _)| due_at))
        .bind(at_once.map_or(0, |(_, person)| person))
        .bind(of_ticks.map(|(due_at, _)| due_at))
        .bind(of_ticks.map_or(0, |(_, person)| person))
        .bind(except)
        .fetch_all(&mut *connection)
        .await?;
        if seen.is_empty() {
            if mark.whole.is_none() {
                mark.whole = Some((begun, begun.elapsed()));
            }
            let first = |of_tick| rows.iter().find(|(.., unhurried)| *unhurried == of_tick);
            mark.first = [false, true].map(|kind| first(kind).map(|(person, due_at, _)| (*due_at, *person)));
        }
        let quarter = (limit / 4).saturating_sub(held_of_ticks);
        let people = shared_out(&rows, places, quarter);
        if people.is_empty() {
            break;
        }
        let ids: Vec<i64> = people.iter().map(|(person, _)| *person).collect();
        let ours: Vec<i64> = sqlx::query_scalar(
            "select id from subscribers where id = any($1) order by id for no key update skip locked",
        )
        .bind(&ids)
        .fetch_all(&mut *connection)
        .await?;
        let contended = ours.len() * 2 < ids.len();
        held_of_ticks += people.iter().filter(|(person, of_tick)| *of_tick && ours.contains(person)).count();
        held.extend(ours);
        if !contended {
            break;
        }
        seen.extend(ids);
    }
    Ok(held)
}

/// When a person is next due for something about an opening, if they are.
///
/// # Errors
///
/// When Postgres is away.
pub async fn next_of(connection: &mut PgConnection, person: i64) -> Result<Option<DateTime<Utc>>> {
    Ok(sqlx::query_scalar(
        "select least((select min(due_at) from alerts where subscriber_id = $1),
                      (select min(due_at) from letters where subscriber_id = $1))",
    )
    .bind(person)
    .fetch_one(connection)
    .await?)
}

/// Who gets the places, and whether for what waited for a tick: those have a
/// quarter, and what nobody else needs. `rows` are those that did not wait
/// first, and may name people several times.
fn shared_out(rows: &[DueRow], places: usize, quarter: usize) -> Vec<(i64, bool)> {
    let mut taken: HashSet<i64> = HashSet::new();
    let mut some = |of_tick: bool, most: usize| -> Vec<(i64, bool)> {
        let kind = rows.iter().filter(|(.., unhurried)| *unhurried == of_tick);
        let mut people = Vec::new();
        for (person, ..) in kind {
            if people.len() == most {
                break;
            }
            if taken.insert(*person) {
                people.push((*person, of_tick));
            }
        }
        people
    };
    let mut people = some(true, quarter.min(places));
    for of_tick in [false, true] {
        people.extend(some(of_tick, places - people.len()));
    }
    people
}
