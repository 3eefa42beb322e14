//! People, what they agreed to, and what they asked for.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use serde_json::Value;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::domain::cadence::{Cadence, Choice};
use crate::domain::criteria::Criteria;
use crate::domain::email::{AddressError, EmailAddress};
use crate::domain::language::Language;
use crate::domain::rhythm::Rhythm;
use crate::domain::subscriber::{Person, Registration, Search};
use crate::store::preferences::{self, Chosen};
use crate::store::{self, Result, alerts, criteria, returning};

/// What an import changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Imported {
    /// People that were not there.
    pub people: u64,
    /// Searches that are new, or ask something else or at another rhythm.
    pub searches: u64,
    /// Registrations that are new or have another month.
    pub registrations: u64,
}

impl std::ops::AddAssign for Imported {
    fn add_assign(&mut self, other: Self) {
        self.people += other.people;
        self.searches += other.searches;
        self.registrations += other.registrations;
    }
}

/// Adds people and what they asked for. A person who is there already keeps
/// everything and gains what is new; a search of the same name is replaced. A
/// person who stopped, or did not answer when they were asked whether they still
/// want to hear, comes back only if they have agreed again since.
///
/// # Errors
///
/// When Postgres is away; then nothing of the batch is kept.
pub async fn import(
    connection: &mut PgConnection,
    people: &[Person],
    now: DateTime<Utc>,
) -> Result<Imported> {
    let mut people = merged(people);
    let lookups: Vec<String> = people.keys().cloned().collect();
    let each = || people.values();
    let new: Vec<i64> = sqlx::query_scalar(
        "insert into subscribers (address, lookup, created_at)
         select address, lookup, $3 from unnest($1::text[], $2::text[]) as p (address, lookup)
         on conflict (lookup) do nothing
         returning id",
    )
    .bind(each().map(|person| person.address.as_str()).collect::<Vec<_>>())
    .bind(&lookups)
    .bind(now)
    .fetch_all(&mut *connection)
    .await?;
    let ids: HashMap<String, i64> =
        sqlx::query_as("select lookup, id from subscribers where lookup = any($1)")
            .bind(&lookups)
            .fetch_all(&mut *connection)
            .await?
            .into_iter()
            .collect();
    let id_of = |person: &Person| ids.get(&person.address.lookup()).copied();
    let keys: Vec<i64> = ids.values().copied().collect();
    // Nobody else sees those who are new.
    let new: HashSet<i64> = new.into_iter().collect();
    let old: Vec<i64> = keys.iter().copied().filter(|key| !new.contains(key)).collect();
    returning::hold(&mut *connection, &old).await?;

    let known: Vec<(i64, &Person)> = each().filter_map(|person| Some((id_of(person)?, person))).collect();
    let mut changed = preferences::keep(&mut *connection, &known, now).await?;

    sqlx::query(
        "insert into consents (subscriber_id, given_at, wording_version, source, recorded_at)
         select *, $5 from unnest($1::bigint[], $2::timestamptz[], $3::text[], $4::text[])
         on conflict do nothing",
    )
    .bind(each().map(id_of).collect::<Vec<_>>())
    .bind(each().map(|person| person.consent.at).collect::<Vec<_>>())
    .bind(each().map(|person| person.consent.wording_version.as_str()).collect::<Vec<_>>())
    .bind(each().map(|person| person.consent.source.as_str()).collect::<Vec<_>>())
    .bind(now)
    .execute(&mut *connection)
    .await?;

    let away = returning::come_back(&mut *connection, &keys, now).await?;
    people.retain(|_, person| id_of(person).is_none_or(|id| !away.contains(&id)));
    let each = || people.values();
    let asked: Vec<&Criteria> = each().flat_map(|p| &p.searches).map(|search| &search.criteria).collect();
    let criteria = criteria::ensure(connection, &asked).await?;
    let known: Vec<(i64, &Person)> = each().filter_map(|person| Some((id_of(person)?, person))).collect();
    let (changed_searches, other_rhythm) = save(&mut *connection, &known, &criteria).await?;
    preferences::changed_rhythm(&mut *connection, &other_rhythm, now).await?;
    changed.extend(other_rhythm);

    let changed_registrations = register(connection, &people, &ids, now).await?;
    if changed_registrations > 0 {
        store::announce_work(&mut *connection, "matching").await?;
    }
    if !changed.is_empty() {
        let changed: Vec<i64> = changed.into_iter().collect();
        alerts::look_again(&mut *connection, Some(&changed), now).await?;
        store::announce_work(connection, "delivery").await?;
    }

    Ok(Imported {
        people: new.len() as u64,
        searches: changed_searches,
        registrations: changed_registrations,
    })
}

/// Keeps searches, at the cadences that their people have chosen. Returns how
/// many are new or changed, and who has one at another cadence than before.
async fn save(
    connection: &mut PgConnection,
    people: &[(i64, &Person)],
    criteria: &HashMap<Uuid, i64>,
) -> Result<(u64, Vec<i64>)> {
    let ids: Vec<i64> = people.iter().map(|(id, _)| *id).collect();
    let choices = preferences::choices(&mut *connection, &ids).await?;
    let choice = |id: &i64| choices.get(id).copied().unwrap_or_default();
    let searches: Vec<(i64, &Search, String)> = people
        .iter()
        .flat_map(|(id, person)| person.searches.iter().map(move |search| (id, search)))
        .map(|(id, search)| (*id, search, search.cadence.chosen(choice(id)).to_string()))
        .collect();
    preferences::know(&mut *connection, searches.iter().map(|(_, _, cadence)| cadence.clone()).collect())
        .await?;
    let subscribers: Vec<i64> = searches.iter().map(|(id, _, _)| *id).collect();
    let names: Vec<&str> = searches.iter().map(|(_, search, _)| search.name.as_str()).collect();
    let cadences: Vec<&str> = searches.iter().map(|(_, _, cadence)| cadence.as_str()).collect();
    let other_rhythm = sqlx::query_scalar(
        "select distinct s.subscriber_id from searches s
         join unnest($1::bigint[], $2::text[], $3::text[]) as n (subscriber_id, name, cadence)
             on n.subscriber_id = s.subscriber_id and n.name = s.name
         where s.cadence <> n.cadence",
    )
    .bind(&subscribers)
    .bind(&names)
    .bind(&cadences)
    .fetch_all(&mut *connection)
    .await?;
    let changed = sqlx::query(
        "insert into searches as s (subscriber_id, name, cadence, criteria_id)
         select * from unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[])
         on conflict (subscriber_id, name) do update
             set cadence = excluded.cadence, criteria_id = excluded.criteria_id
         where (s.cadence, s.criteria_id) is distinct from (excluded.cadence, excluded.criteria_id)",
    )
    .bind(&subscribers)
    .bind(&names)
    .bind(&cadences)
    .bind(
        searches
            .iter()
            .map(|(_, search, _)| criteria.get(&search.criteria.fingerprint()).copied())
            .collect::<Vec<_>>(),
    )
    .execute(connection)
    .await?;
    Ok((changed.rows_affected(), other_rhythm))
}

/// Adds registrations, or changes from when and until when they hold. Returns
/// how many are new or changed.
async fn register(
    connection: &mut PgConnection,
    people: &BTreeMap<String, Person>,
    ids: &HashMap<String, i64>,
    now: DateTime<Utc>,
) -> Result<u64> {
    let id_of = |person: &Person| ids.get(&person.address.lookup()).copied();
    let registrations: Vec<(Option<i64>, &Registration, DateTime<Utc>)> = people
        .values()
        .flat_map(|person| person.registrations.iter().map(move |r| (id_of(person), r, person.consent.at)))
        .collect();
    let changed: Vec<Option<i64>> = sqlx::query_scalar(
        "insert into registrations as r
             (subscriber_id, programme, not_before, valid_until, reminder, registered_at, created_at)
         select *, $7 from unnest($1::bigint[], $2::text[], $3::date[], $4::date[], $5::bool[], $6::timestamptz[])
         on conflict (subscriber_id, programme) do update
             set not_before = excluded.not_before, valid_until = excluded.valid_until,
                 reminder = excluded.reminder, matched = false
         where (r.not_before, r.valid_until, r.reminder)
               is distinct from (excluded.not_before, excluded.valid_until, excluded.reminder)
         returning case when r.reminder then r.subscriber_id end",
    )
    .bind(registrations.iter().map(|(id, _, _)| *id).collect::<Vec<_>>())
    .bind(registrations.iter().map(|(_, r, _)| r.programme.as_str()).collect::<Vec<_>>())
    .bind(registrations.iter().map(|(_, r, _)| r.not_before).collect::<Vec<_>>())
    .bind(registrations.iter().map(|(_, r, _)| r.valid_until).collect::<Vec<_>>())
    .bind(registrations.iter().map(|(_, r, _)| r.reminder).collect::<Vec<_>>())
    .bind(registrations.iter().map(|(_, _, at)| *at).collect::<Vec<_>>())
    .bind(now)
    .fetch_all(&mut *connection)
    .await?;
    let to_be_reminded: Vec<i64> = changed.iter().flatten().copied().collect();
    alerts::look_at_open(connection, &to_be_reminded, now).await?;
    Ok(changed.len() as u64)
}

/// One entry for each person, by folded address; what a later line says of
/// the same thing counts.
fn merged(people: &[Person]) -> BTreeMap<String, Person> {
    let mut merged: BTreeMap<String, Person> = BTreeMap::new();
    for person in people {
        match merged.entry(person.address.lookup()) {
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(person.clone());
            }
            std::collections::btree_map::Entry::Occupied(mut entry) => entry.get_mut().absorb(person.clone()),
        }
    }
    merged
}

/// A person at the moment of claiming.
#[derive(Debug, Clone)]
pub struct Addressee {
    /// The key in the tables.
    pub id: i64,
    /// The id outside.
    pub public_id: Uuid,
    /// Where to write.
    pub address: EmailAddress,
    /// Whether mail may go there at all: active, and with a consent.
    pub reachable: bool,
    /// Whether subject and sender must not say what it is about.
    pub discreet: bool,
    /// What they read.
    pub language: Language,
    /// From when to when, local time, nothing may disturb them, if they have
    /// said.
    pub quiet_hours: Option<(NaiveTime, NaiveTime)>,
    /// The first day on which their alerts do not rest, if they ever did...
    pub paused_until: Option<NaiveDate>,
    /// ...and whether registrations rest, too.
    pub pause_registrations: bool,
    /// What they chose of their digests.
    pub digests: Choice,
    /// When they last chose another rhythm.
    pub rhythm_since: Option<DateTime<Utc>>,
    /// Until when nothing that can wait is sent to them: a mail came back.
    pub slow_until: Option<DateTime<Utc>>,
    /// The searches that are not paused.
    pub searches: Vec<SavedSearch>,
    /// The programmes whose opening they wait for.
    pub registrations: Vec<KeptRegistration>,
}

/// A registration as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct KeptRegistration {
    subscriber_id: i64,
    /// The slug of the programme, or of what it is part of.
    pub programme: String,
    /// The first day of the month before which they want to hear nothing.
    pub not_before: Option<NaiveDate>,
    /// The last day on which it holds.
    pub valid_until: Option<NaiveDate>,
    /// When they registered.
    pub registered_at: DateTime<Utc>,
    /// They want to be reminded before the door shuts.
    pub reminder: bool,
}

/// A search as it is kept.
#[derive(Debug, Clone)]
pub struct SavedSearch {
    /// The key in the tables.
    pub id: i64,
    /// What the person calls it.
    pub name: String,
    /// How soon to tell.
    pub cadence: Cadence,
    /// What it asks for, as written.
    pub written: Value,
}

/// The people with these keys, with their searches as they are now and, where
/// they matter, their registrations. Who cannot be read is missing, loudly.
///
/// # Errors
///
/// When Postgres is away.
pub async fn addressees(
    connection: &mut PgConnection,
    ids: &[i64],
    with_registrations: bool,
) -> Result<Vec<Addressee>> {
    #[derive(FromRow)]
    struct Row {
        id: i64,
        public_id: Uuid,
        address: String,
        reachable: bool,
        discreet: bool,
        language: String,
        quiet_from: Option<NaiveTime>,
        quiet_to: Option<NaiveTime>,
        paused_until: Option<NaiveDate>,
        pause_registrations: bool,
        #[sqlx(flatten)]
        digests: Chosen,
        rhythm_since: Option<DateTime<Utc>>,
        slow_until: Option<DateTime<Utc>>,
    }
    let rows: Vec<Row> = sqlx::query_as(
        "select id, public_id, address, discreet, language, quiet_from, quiet_to, paused_until, pause_registrations,
                digest_time, digest_day, digest_working_days, rhythm_since, slow_until,
                state = 'active' and exists (select from consents c where c.subscriber_id = s.id) as reachable
         from subscribers s where id = any($1) order by id",
    )
    .bind(ids)
    .fetch_all(&mut *connection)
    .await?;
    let searches: Vec<(i64, i64, String, String, Value)> = sqlx::query_as(
        "select s.subscriber_id, s.id, s.name, s.cadence, c.written
         from searches s join criteria c on c.id = s.criteria_id
         where s.subscriber_id = any($1) and s.cadence <> 'paused' order by s.id",
    )
    .bind(ids)
    .fetch_all(&mut *connection)
    .await?;
    let mut registrations: HashMap<i64, Vec<KeptRegistration>> = HashMap::new();
    if with_registrations {
        let rows: Vec<KeptRegistration> = sqlx::query_as(
            "select subscriber_id, programme, not_before, valid_until, registered_at, reminder from registrations
             where subscriber_id = any($1) order by subscriber_id, registered_at, programme",
        )
        .bind(ids)
        .fetch_all(connection)
        .await?;
        for row in rows {
            registrations.entry(row.subscriber_id).or_default().push(row);
        }
    }
    let mut of_person: HashMap<i64, Vec<SavedSearch>> = HashMap::new();
    for (person, id, name, cadence, written) in searches {
        if let Ok(cadence) = cadence.parse() {
            of_person.entry(person).or_default().push(SavedSearch { id, name, cadence, written });
        }
    }
    let mut addressees = Vec::with_capacity(rows.len());
    for row in rows {
        let address = match row.address.parse() {
            Ok(address) => address,
            Err(error) => {
                let error: AddressError = error;
                tracing::error!(subscriber = row.id, %error, "a kept address cannot be read");
                continue;
            }
        };
        addressees.push(Addressee {
            id: row.id,
            public_id: row.public_id,
            address,
            reachable: row.reachable,
            discreet: row.discreet,
            // A language that only a later version knows is better read in English than not at all.
            language: row.language.parse().unwrap_or_default(),
            quiet_hours: row.quiet_from.zip(row.quiet_to),
            paused_until: row.paused_until,
            pause_registrations: row.pause_registrations,
            digests: row.digests.choice(),
            rhythm_since: row.rhythm_since,
            slow_until: row.slow_until,
            searches: of_person.remove(&row.id).unwrap_or_default(),
            registrations: registrations.remove(&row.id).unwrap_or_default(),
        });
    }
    Ok(addressees)
}

/// How many searches go by a schedule that is none of these.
///
/// # Errors
///
/// When Postgres is away.
pub async fn without_schedule(connection: &mut PgConnection, rhythm: &Rhythm) -> Result<i64> {
    let gone = |cadence: &Cadence| match cadence {
        Cadence::Scheduled(slot) => rhythm.in_effect(slot.schedule) != slot.schedule,
        Cadence::Immediate | Cadence::Paused => false,
    };
    let strays = preferences::cadences(&mut *connection).await?.into_iter().filter(gone);
    let strays: Vec<String> = strays.map(|cadence| cadence.to_string()).collect();
    if strays.is_empty() {
        return Ok(0);
    }
    Ok(sqlx::query_scalar("select count(*) from searches where cadence = any($1)")
        .bind(strays)
        .fetch_one(connection)
        .await?)
}

/// The address of the person with this public id.
///
/// # Errors
///
/// When Postgres is away.
pub async fn address_of(connection: &mut PgConnection, person: Uuid) -> Result<Option<String>> {
    Ok(sqlx::query_scalar("select address from subscribers where public_id = $1")
        .bind(person)
        .fetch_optional(connection)
        .await?)
}

/// The largest key; 0 when there is nobody.
///
/// # Errors
///
/// When Postgres is away.
pub async fn last(connection: &mut PgConnection) -> Result<i64> {
    Ok(sqlx::query_scalar("select coalesce(max(id), 0) from subscribers").fetch_one(connection).await?)
}

/// A registration that has not been held against what is announced or open.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct NewRegistration {
    /// Whose it is.
    pub subscriber_id: i64,
    /// The slug of the programme, or of what it is part of.
    pub programme: String,
}

/// Registrations that have not been held against what is announced or open
/// already. They are held until the transaction ends, and count as matched
/// then; others take the ones after them.
///
/// # Errors
///
/// When Postgres is away.
pub async fn new_registrations(connection: &mut PgConnection, limit: i64) -> Result<Vec<NewRegistration>> {
    Ok(sqlx::query_as(
        "update registrations r set matched = true
         from (
             select subscriber_id, programme from registrations where not matched
             order by subscriber_id, programme limit $1 for update skip locked
         ) new
         where r.subscriber_id = new.subscriber_id and r.programme = new.programme
         returning r.subscriber_id, r.programme",
    )
    .bind(limit)
    .fetch_all(connection)
    .await?)
}
