//! People, what they agreed to, and what they asked for.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use serde_json::Value;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::domain::cadence::{Cadence, Rhythm};
use crate::domain::criteria::Criteria;
use crate::domain::email::{AddressError, EmailAddress};
use crate::domain::subscriber::{Person, Registration, Search};
use crate::store::{self, Result, criteria, returning};

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
/// person who stopped stays stopped, unless they only did not answer when they
/// were asked whether they still want to hear, and have agreed again since.
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
    let new = sqlx::query(
        "insert into subscribers (address, lookup, created_at)
         select address, lookup, $3 from unnest($1::text[], $2::text[]) as p (address, lookup)
         on conflict (lookup) do nothing",
    )
    .bind(each().map(|person| person.address.as_str()).collect::<Vec<_>>())
    .bind(&lookups)
    .bind(now)
    .execute(&mut *connection)
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
    returning::hold(&mut *connection, &keys).await?;

    sqlx::query(
        "update subscribers s set
             discreet = coalesce(p.discreet, s.discreet),
             quiet_from = coalesce(p.quiet_from, s.quiet_from),
             quiet_to = coalesce(p.quiet_to, s.quiet_to)
         from unnest($1::bigint[], $2::bool[], $3::time[], $4::time[]) as p (id, discreet, quiet_from, quiet_to)
         where s.id = p.id
           and (s.discreet is distinct from coalesce(p.discreet, s.discreet)
                or s.quiet_from is distinct from coalesce(p.quiet_from, s.quiet_from)
                or s.quiet_to is distinct from coalesce(p.quiet_to, s.quiet_to))",
    )
    .bind(each().map(id_of).collect::<Vec<_>>())
    .bind(each().map(|person| person.discreet).collect::<Vec<_>>())
    .bind(each().map(|person| person.quiet_hours.map(|(from, _)| from)).collect::<Vec<Option<NaiveTime>>>())
    .bind(each().map(|person| person.quiet_hours.map(|(_, to)| to)).collect::<Vec<Option<NaiveTime>>>())
    .execute(&mut *connection)
    .await?;

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

    let lapsed = returning::come_back(&mut *connection, &keys, now).await?;
    people.retain(|_, person| id_of(person).is_none_or(|id| !lapsed.contains(&id)));
    let each = || people.values();
    let asked: Vec<&Criteria> = each().flat_map(|p| &p.searches).map(|search| &search.criteria).collect();
    let criteria = criteria::ensure(connection, &asked).await?;
    let searches: Vec<(Option<i64>, &Search)> =
        each().flat_map(|person| person.searches.iter().map(move |search| (id_of(person), search))).collect();
    let changed_searches = sqlx::query(
        "insert into searches as s (subscriber_id, name, cadence, criteria_id)
         select * from unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[])
         on conflict (subscriber_id, name) do update
             set cadence = excluded.cadence, criteria_id = excluded.criteria_id
         where (s.cadence, s.criteria_id) is distinct from (excluded.cadence, excluded.criteria_id)",
    )
    .bind(searches.iter().map(|(id, _)| *id).collect::<Vec<_>>())
    .bind(searches.iter().map(|(_, search)| search.name.as_str()).collect::<Vec<_>>())
    .bind(searches.iter().map(|(_, search)| search.cadence.name()).collect::<Vec<_>>())
    .bind(
        searches
            .iter()
            .map(|(_, search)| criteria.get(&search.criteria.fingerprint()).copied())
            .collect::<Vec<_>>(),
    )
    .execute(&mut *connection)
    .await?;

    let changed_registrations = register(connection, &people, &ids, now).await?;
    if changed_registrations > 0 {
        store::announce_work(connection, "matching").await?;
    }

    Ok(Imported {
        people: new.rows_affected(),
        searches: changed_searches.rows_affected(),
        registrations: changed_registrations,
    })
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
    let changed_registrations = sqlx::query(
        "insert into registrations as r
             (subscriber_id, programme, not_before, valid_until, registered_at, created_at)
         select *, $6 from unnest($1::bigint[], $2::text[], $3::date[], $4::date[], $5::timestamptz[])
         on conflict (subscriber_id, programme) do update
             set not_before = excluded.not_before, valid_until = excluded.valid_until, matched = false
         where (r.not_before, r.valid_until) is distinct from (excluded.not_before, excluded.valid_until)",
    )
    .bind(registrations.iter().map(|(id, _, _)| *id).collect::<Vec<_>>())
    .bind(registrations.iter().map(|(_, r, _)| r.programme.as_str()).collect::<Vec<_>>())
    .bind(registrations.iter().map(|(_, r, _)| r.not_before).collect::<Vec<_>>())
    .bind(registrations.iter().map(|(_, r, _)| r.valid_until).collect::<Vec<_>>())
    .bind(registrations.iter().map(|(_, _, at)| *at).collect::<Vec<_>>())
    .bind(now)
    .execute(connection)
    .await?;
    Ok(changed_registrations.rows_affected())
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
    }
    let rows: Vec<Row> = sqlx::query_as(
        "select id, public_id, address, discreet,
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
            "select subscriber_id, programme, not_before, valid_until, registered_at from registrations
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
    let known: Vec<Cadence> = rhythm.cadences().chain([Cadence::Paused]).collect();
    Ok(sqlx::query_scalar("select count(*) from searches where cadence <> all($1)")
        .bind(known.iter().map(Cadence::name).collect::<Vec<_>>())
        .fetch_one(connection)
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
