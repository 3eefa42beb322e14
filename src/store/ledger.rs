//! The ledger of promises: what we owe, and what became of it. Numbers only.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection};

use crate::domain::truth::Truth;
use crate::store::reckonings::Reckoning;
use crate::store::{Result, StoreError};

/// Which cycles are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which<'a> {
    /// All but those of test events.
    All,
    /// Those with these keys.
    These(&'a [i64]),
}

/// Promises, and what became of them. The six add up to the promises.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Promises {
    /// All of them.
    pub promises: i64,
    /// Without an outcome, while the door has not shut.
    pub owed: i64,
    /// Told in good time that the door was open.
    pub kept: i64,
    /// Told while it was open, with too little time left.
    pub kept_late: i64,
    /// Without an outcome, and the door has shut.
    pub broken: i64,
    /// The door shut first, and they were told so.
    pub explained: i64,
    /// No longer owed.
    pub released: i64,
    /// The same by why.
    pub released_because: BTreeMap<String, i64>,
    /// Told the date before the door opened.
    pub advance_told: i64,
    /// Of these only the outcome is known any more: it is so long ago.
    pub past: i64,
    /// How long the door was still open when they were told, in seconds, those
    /// aside of whom only the outcome is known: only one in twenty had less...
    pub door_left_p5: Option<i64>,
    /// ...and half of them had less.
    pub door_left_p50: Option<i64>,
}

impl Promises {
    /// Whether the six outcomes add up to the promises, and the reasons to the
    /// released.
    #[must_use]
    pub fn add_up(&self) -> bool {
        let six = [self.owed, self.kept, self.kept_late, self.broken, self.explained, self.released];
        six.iter().sum::<i64>() == self.promises
            && self.released_because.values().sum::<i64>() == self.released
    }
}

/// One cycle of one programme.
#[derive(Debug, Clone)]
pub struct Cycle {
    /// What it is about: `programme/pc-dhep`.
    pub subject: String,
    /// Its name.
    pub cycle: Option<String>,
    /// Which of the programme's, from 1.
    pub number: i32,
    /// What is so.
    pub truth: Truth,
    /// What was promised.
    pub promises: Promises,
    /// What became of those who had registered, while it was open, as last counted from there.
    pub reckoning: Option<Reckoning>,
}

/// The ledger.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// Cycle by cycle, by programme and number.
    pub cycles: Vec<Cycle>,
    /// All of them together.
    pub total: Promises,
}

#[derive(FromRow)]
struct Row {
    of_all: bool,
    of_a_reason: bool,
    opening_id: Option<i64>,
    reason: Option<String>,
    promises: i64,
    owed: i64,
    kept: i64,
    kept_late: i64,
    broken: i64,
    explained: i64,
    released: i64,
    advance_told: i64,
    past: i64,
    seconds_left: Option<Vec<i64>>,
    subject: Option<String>,
    cycle: Option<String>,
    posting: Option<i32>,
    truth: Option<serde_json::Value>,
    reckoning: Option<Json<Reckoning>>,
}

/// Reads the ledger as it stands at `now`.
///
/// # Errors
///
/// When Postgres is away, or a cycle cannot be read.
pub async fn read(connection: &mut PgConnection, which: Which<'_>, now: DateTime<Utc>) -> Result<Ledger> {
    let keys = match which {
        Which::All => None,
        Which::These(keys) => Some(keys),
    };
    let rows: Vec<Row> = sqlx::query_as(
        "with cycles as (
             select id, subject, posting, cycle, truth,
                    -- What has never opened cannot have been missed: that is owed until it is released.
                    coalesce(opened_at <= $1 and (state = 'withdrawn' or door_shuts_at <= $1), false) as has_shut
             from openings
             where not absorbed and case when $2::bigint[] is null then subject ~ '^programme/' else id = any($2) end),
         each as (
             select c.id as opening_id, c.has_shut, a.outcome, a.outcome_reason as reason, 1 as promises,
                    (a.advance_told_at is not null)::int as advance_told, a.door_left, 0 as past
             from cycles c join alerts a on a.opening_id = c.id and a.promise
             union all
             select c.id, c.has_shut, p.outcome, nullif(p.reason, ''), p.promises, p.advance_told, null, p.promises
             from cycles c join past_promises p on p.opening_id = c.id
             union all
             -- A cycle that nobody registered for is one, too.
             select c.id, c.has_shut, null, null, 0, 0, null, 0 from cycles c),
         counted as (
             select grouping(opening_id) = 1 as of_all, grouping(reason) = 0 as of_a_reason, opening_id, reason,
                    coalesce(sum(promises), 0)::bigint as promises,
                    coalesce(sum(promises) filter (where outcome is null and not has_shut), 0)::bigint as owed,
                    coalesce(sum(promises) filter (where outcome = 'kept'), 0)::bigint as kept,
                    coalesce(sum(promises) filter (where outcome = 'kept-late'), 0)::bigint as kept_late,
                    coalesce(sum(promises) filter (
                        where outcome is null and has_shut or outcome = 'broken'), 0)::bigint as broken,
                    coalesce(sum(promises) filter (where outcome = 'explained'), 0)::bigint as explained,
                    coalesce(sum(promises) filter (where outcome = 'released'), 0)::bigint as released,
                    coalesce(sum(advance_told), 0)::bigint as advance_told,
                    coalesce(sum(past), 0)::bigint as past,
                    percentile_disc(array[0.05, 0.5]) within group (order by door_left) as door_left
             from each
             group by grouping sets ((opening_id), (), (opening_id, reason), (reason)))
         select counted.*,
                (select array_agg(extract(epoch from p.door_left)::bigint order by p.place)
                 from unnest(counted.door_left) with ordinality as p (door_left, place)) as seconds_left,
                cycles.subject, cycles.cycle, cycles.posting, cycles.truth,
                (select to_jsonb(r) from reckonings r where r.opening_id = cycles.id) as reckoning
         from counted left join cycles on cycles.id = counted.opening_id and not counted.of_a_reason
         order by cycles.subject, cycles.posting",
    )
    .bind(now)
    .bind(keys)
    .fetch_all(connection)
    .await?;
    let mut ledger = Ledger::default();
    let mut because: BTreeMap<Option<i64>, BTreeMap<String, i64>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.of_a_reason && row.released > 0) {
        let reason = row.reason.clone().unwrap_or_else(|| "unknown".to_owned());
        because.entry(row.opening_id).or_default().insert(reason, row.released);
    }
    for row in rows.into_iter().filter(|row| !row.of_a_reason) {
        let promises = row.promises(because.remove(&row.opening_id).unwrap_or_default());
        if row.of_all {
            ledger.total = promises;
        } else {
            ledger.cycles.push(row.cycle(promises)?);
        }
    }
    Ok(ledger)
}

impl Row {
    fn promises(&self, released_because: BTreeMap<String, i64>) -> Promises {
        let left = |index: usize| self.seconds_left.as_ref()?.get(index).copied();
        Promises {
            promises: self.promises,
            owed: self.owed,
            kept: self.kept,
            kept_late: self.kept_late,
            broken: self.broken,
            explained: self.explained,
            released: self.released,
            released_because,
            advance_told: self.advance_told,
            past: self.past,
            door_left_p5: left(0),
            door_left_p50: left(1),
        }
    }

    fn cycle(self, promises: Promises) -> Result<Cycle> {
        let id = self.opening_id.unwrap_or_default();
        let truth = serde_json::from_value(self.truth.unwrap_or_default())
            .map_err(|error| StoreError::Row { row: format!("openings {id}"), cause: error.to_string() })?;
        Ok(Cycle {
            subject: self.subject.unwrap_or_default(),
            cycle: self.cycle,
            number: self.posting.unwrap_or_default(),
            truth,
            promises,
            reckoning: self.reckoning.map(|Json(reckoning)| reckoning),
        })
    }
}

/// An opening by the names under which somebody may ask for it.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Named {
    /// The key in the tables.
    pub id: i64,
    /// What it is about.
    pub subject: String,
    /// Which opening of the subject, from 1.
    #[sqlx(rename = "posting")]
    pub number: i32,
    /// The name of a programme's cycle.
    pub cycle: Option<String>,
}

/// The openings that somebody means who writes `programme/pc-dhep`, `pc-dhep`,
/// `pc-dhep/2`, `pc-dhep/2024-03` or `2024-03`, in any case, in order. Those of
/// test events only by their whole name.
///
/// # Errors
///
/// When Postgres is away.
pub async fn named(connection: &mut PgConnection, name: &str) -> Result<Vec<Named>> {
    Ok(sqlx::query_as(
        "select o.id, o.subject, o.posting, o.cycle
         from openings o
         cross join lateral (values (o.subject), (case when o.test then null
             else substr(o.subject, strpos(o.subject, '/') + 1) end)) as form (subject)
         where not o.absorbed and lower($1) in (
                 lower(form.subject), lower(form.subject || '/' || o.posting), lower(form.subject || '/' || o.cycle))
            or not o.absorbed and not o.test and lower($1) = lower(o.cycle)
         group by o.id
         order by o.subject, o.posting",
    )
    .bind(name)
    .fetch_all(connection)
    .await?)
}

/// What there are openings about, for a hint; the newest 5,000.
///
/// # Errors
///
/// When Postgres is away.
pub async fn subjects(connection: &mut PgConnection) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar(
        "select subject from openings where not absorbed and not test
         group by subject order by max(id) desc limit 5000",
    )
    .fetch_all(connection)
    .await?)
}
