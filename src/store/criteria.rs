//! The questions that searches ask, and finding those that an advert answers.
//!
//! The statement in [`matching`] says in SQL what
//! [`Criteria::matches`](crate::domain::criteria::Criteria::matches) says in
//! Rust; a property test holds the two together.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;
use sqlx::PgConnection;
use sqlx::postgres::{PgArguments, Postgres};
use sqlx::query::Query;
use uuid::Uuid;

use crate::domain::criteria::Criteria;
use crate::domain::keywords::Phrase;
use crate::domain::taxonomy::{Dimension, Taxonomy};
use crate::domain::terms::Terms;
use crate::store::Result;

/// Dimensions from the most telling to the least: an index entry should stand
/// for few criteria.
const TELLING: [Dimension; 7] = [
    Dimension::Topic,
    Dimension::RoleFamily,
    Dimension::Rank,
    Dimension::ContractKind,
    Dimension::Place,
    Dimension::Hours,
    Dimension::Audience,
];

/// Keeps these criteria if they are not there yet; returns their keys by
/// fingerprint.
///
/// # Errors
///
/// When Postgres is away.
pub async fn ensure(connection: &mut PgConnection, criteria: &[&Criteria]) -> Result<HashMap<Uuid, i64>> {
    let mut wanted: HashMap<Uuid, &Criteria> =
        criteria.iter().map(|criteria| (criteria.fingerprint(), *criteria)).collect();
    let fingerprints: Vec<Uuid> = wanted.keys().copied().collect();
    let find = "select fingerprint, id from criteria where fingerprint = any($1)";
    let mut known: HashMap<Uuid, i64> =
        sqlx::query_as(find).bind(&fingerprints).fetch_all(&mut *connection).await?.into_iter().collect();
    wanted.retain(|fingerprint, _| !known.contains_key(fingerprint));
    if wanted.is_empty() {
        return Ok(known);
    }
    let mut missing: Vec<(Uuid, &Criteria)> = wanted.into_iter().collect();
    // One order for everybody, so that two importers never wait in a circle.
    missing.sort_by_key(|(fingerprint, _)| *fingerprint);
    for (fingerprint, criteria) in missing {
        let insert = sqlx::query(
            "insert into criteria (fingerprint, written, unknown, anchors,
                 families_any, families_all, families_not, ranks_any, ranks_all, ranks_not,
                 places_any, places_all, places_not, contracts_any, contracts_all, contracts_not,
                 hours_any, hours_all, hours_not, audiences_any, audiences_all, audiences_not,
                 topics_any, topics_all, topics_not,
                 keywords_any, keywords_all, keywords_not, pay_at_least, wants_senior)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,
                 $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30)
             on conflict (fingerprint) do nothing",
        );
        bind(insert.bind(fingerprint), criteria).execute(&mut *connection).await?;
    }
    let all: Vec<(Uuid, i64)> = sqlx::query_as(find).bind(&fingerprints).fetch_all(connection).await?;
    known.extend(all);
    Ok(known)
}

/// Reads again the criteria that named slugs the taxonomy did not know, which
/// it may know by now. Returns how many it knows fully by now.
///
/// # Errors
///
/// When Postgres is away.
pub async fn learn(connection: &mut PgConnection, taxonomy: &Taxonomy) -> Result<usize> {
    let rows: Vec<(i64, Value)> =
        sqlx::query_as("select id, written from criteria where unknown order by id")
            .fetch_all(&mut *connection)
            .await?;
    let mut learned = 0;
    for (id, written) in rows {
        let criteria = match Criteria::read(&written, taxonomy) {
            Ok(criteria) => criteria,
            Err(error) => {
                tracing::error!(criteria = id, %error, "a search that is kept cannot be read and stays as it is");
                continue;
            }
        };
        let update = sqlx::query(
            "update criteria set written = $2, unknown = $3, anchors = $4,
                 families_any = $5, families_all = $6, families_not = $7,
                 ranks_any = $8, ranks_all = $9, ranks_not = $10,
                 places_any = $11, places_all = $12, places_not = $13,
                 contracts_any = $14, contracts_all = $15, contracts_not = $16,
                 hours_any = $17, hours_all = $18, hours_not = $19,
                 audiences_any = $20, audiences_all = $21, audiences_not = $22,
                 topics_any = $23, topics_all = $24, topics_not = $25,
                 keywords_any = $26, keywords_all = $27, keywords_not = $28,
                 pay_at_least = $29, wants_senior = $30
             where id = $1",
        );
        bind(update.bind(id), &criteria).execute(&mut *connection).await?;
        learned += usize::from(criteria.unknown().is_empty());
    }
    Ok(learned)
}

/// Binds `written` to `wants_senior`, in the order of the statements above.
fn bind<'q>(
    mut query: Query<'q, Postgres, PgArguments>,
    criteria: &Criteria,
) -> Query<'q, Postgres, PgArguments> {
    query =
        query.bind(criteria.written().clone()).bind(!criteria.unknown().is_empty()).bind(anchors(criteria));
    for dimension in Dimension::ALL {
        let rule = criteria.rule(dimension);
        let lists = rule.map(|rule| [&rule.any, &rule.all, &rule.not]);
        for index in 0..3 {
            query = query.bind(lists.map(|lists| lists[index]).filter(|list| !list.is_empty()).map(to_vec));
        }
    }
    let keywords = criteria.keywords();
    for list in [&keywords.any, &keywords.all, &keywords.not] {
        let phrases: Vec<String> = list.iter().map(|phrase| phrase.as_str().to_owned()).collect();
        query = query.bind((!phrases.is_empty()).then_some(phrases));
    }
    query.bind(criteria.pay_at_least()).bind(criteria.names_a_rank() || criteria.names_serving_officers())
}

fn to_vec(list: &BTreeSet<String>) -> Vec<String> {
    list.iter().cloned().collect()
}

/// What the index knows criteria by. An advert that matches them has at least
/// one of these among its [`tokens`].
fn anchors(criteria: &Criteria) -> Vec<String> {
    let keywords = criteria.keywords();
    let words = |phrases: &mut dyn Iterator<Item = &Phrase>| {
        phrases.map(|phrase| word_token(phrase.first_stem())).collect::<Vec<_>>()
    };
    if !keywords.any.is_empty() {
        return words(&mut keywords.any.iter());
    }
    if !keywords.all.is_empty() {
        return words(&mut keywords.all.iter().take(1));
    }
    for dimension in TELLING {
        let Some(rule) = criteria.rule(dimension) else { continue };
        let slugs: Vec<&String> =
            if rule.any.is_empty() { rule.all.iter().take(1).collect() } else { rule.any.iter().collect() };
        if !slugs.is_empty() {
            let mut anchors: Vec<String> = slugs.into_iter().map(|slug| token(dimension, slug)).collect();
            anchors.push(anything(dimension));
            return anchors;
        }
    }
    vec![EVERYTHING.to_owned()]
}

/// What the index is asked for an advert.
fn tokens(terms: &Terms) -> Vec<String> {
    let mut tokens = vec![EVERYTHING.to_owned()];
    for dimension in Dimension::ALL {
        match terms.reach(dimension) {
            Some(reach) => tokens.extend(reach.hits.iter().map(|slug| token(dimension, slug))),
            None => tokens.push(anything(dimension)),
        }
    }
    tokens.extend(terms.words.distinct().map(word_token));
    tokens
}

const EVERYTHING: &str = "*";

fn token(dimension: Dimension, slug: &str) -> String {
    format!("{}:{slug}", dimension.key())
}

fn anything(dimension: Dimension) -> String {
    format!("{}:*", dimension.key())
}

fn word_token(stem: &str) -> String {
    format!("word:{stem}")
}

/// The keys of all criteria that an advert answers.
///
/// # Errors
///
/// When Postgres is away.
pub async fn matching(connection: &mut PgConnection, terms: &Terms) -> Result<Vec<i64>> {
    let mut query = sqlx::query_scalar(
        "select id from criteria
         where anchors && $1::text[]
           -- A dimension that the advert leaves open comes as null, and fits everything.
           and ($2::text[] is null or ((families_any is null or families_any && $2)
               and (families_all is null or families_all <@ $2) and (families_not is null or not families_not && $3::text[])))
           and ($4::text[] is null or ((ranks_any is null or ranks_any && $4)
               and (ranks_all is null or ranks_all <@ $4) and (ranks_not is null or not ranks_not && $5::text[])))
           and ($6::text[] is null or ((places_any is null or places_any && $6)
               and (places_all is null or places_all <@ $6) and (places_not is null or not places_not && $7::text[])))
           and ($8::text[] is null or ((contracts_any is null or contracts_any && $8)
               and (contracts_all is null or contracts_all <@ $8) and (contracts_not is null or not contracts_not && $9::text[])))
           and ($10::text[] is null or ((hours_any is null or hours_any && $10)
               and (hours_all is null or hours_all <@ $10) and (hours_not is null or not hours_not && $11::text[])))
           and ($12::text[] is null or ((audiences_any is null or audiences_any && $12)
               and (audiences_all is null or audiences_all <@ $12) and (audiences_not is null or not audiences_not && $13::text[])))
           -- Only event days have a topic, and only searches that name one want them.
           and ($14::text[] is null or ((topics_any is null or topics_any && $14)
               and (topics_all is null or topics_all <@ $14) and (topics_not is null or not topics_not && $15::text[])))
           and (cardinality($14) is not distinct from 0 or topics_any is not null or topics_all is not null)
           and (pay_at_least is null or $16::bigint is null or pay_at_least <= $16)
           and (wants_senior or not $17)
           and (keywords_any is null
               or exists (select from unnest(keywords_any) as phrase where strpos($18, phrase) > 0))
           and (keywords_all is null
               or not exists (select from unnest(keywords_all) as phrase where strpos($18, phrase) = 0))
           and (keywords_not is null
               or not exists (select from unnest(keywords_not) as phrase where strpos($18, phrase) > 0))",
    )
    .bind(tokens(terms));
    for dimension in Dimension::ALL {
        let reach = terms.reach(dimension);
        query =
            query.bind(reach.map(|reach| to_vec(&reach.hits))).bind(reach.map(|reach| to_vec(&reach.within)));
    }
    Ok(query
        .bind(terms.pay_ceiling)
        .bind(terms.named_only)
        .bind(terms.words.as_str())
        .fetch_all(connection)
        .await?)
}
