//! How and when people want to be written to: language, quiet hours, pauses, and
//! the hour and the day of their digests.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, NaiveTime, Utc, Weekday};
use sqlx::{FromRow, PgConnection};

use crate::domain::cadence::{Cadence, Choice};
use crate::domain::language::Language;
use crate::domain::subscriber::Person;
use crate::store::Result;

/// What a person has chosen of their digests, as it is kept.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Chosen {
    #[sqlx(rename = "digest_time")]
    time: Option<NaiveTime>,
    #[sqlx(rename = "digest_day")]
    day: Option<String>,
    #[sqlx(rename = "digest_working_days")]
    working_days: bool,
}

impl Chosen {
    pub(super) fn choice(self) -> Choice {
        let day = self.day.and_then(|day| day.parse::<Weekday>().ok());
        Choice { time: self.time, day, working_days: self.working_days }
    }
}

/// Keeps what people have said of it; who said nothing keeps what they have.
/// Returns who has something else now than before.
///
/// # Errors
///
/// When Postgres is away.
pub async fn keep(
    connection: &mut PgConnection,
    people: &[(i64, &Person)],
    now: DateTime<Utc>,
) -> Result<BTreeSet<i64>> {
    let digests = || people.iter().map(|(_, person)| person.digest);
    let changed: Vec<(i64, bool)> = sqlx::query_as(
        "update subscribers s set
             discreet = n.discreet, quiet_from = n.quiet_from, quiet_to = n.quiet_to,
             paused_until = n.paused_until, pause_registrations = n.pause_registrations,
             digest_time = n.digest_time, digest_day = n.digest_day,
             digest_working_days = n.digest_working_days, language = n.language
         from (
             select p.id,
                 coalesce(p.discreet, s.discreet) as discreet,
                 coalesce(p.quiet_from, s.quiet_from) as quiet_from,
                 coalesce(p.quiet_to, s.quiet_to) as quiet_to,
                 coalesce(p.paused_until, s.paused_until) as paused_until,
                 coalesce(p.pause_registrations, s.pause_registrations) as pause_registrations,
                 coalesce(p.language, s.language) as language,
                 case when p.digest then p.digest_time else s.digest_time end as digest_time,
                 case when p.digest then p.digest_day else s.digest_day end as digest_day,
                 case when p.digest then p.working_days else s.digest_working_days end as digest_working_days,
                 (s.paused_until, s.digest_time, s.digest_day, s.digest_working_days) as rhythm
             from unnest($1::bigint[], $2::bool[], $3::time[], $4::time[], $5::date[], $6::bool[],
                         $7::bool[], $8::time[], $9::text[], $10::bool[], $11::text[])
                 as p (id, discreet, quiet_from, quiet_to, paused_until, pause_registrations,
                       digest, digest_time, digest_day, working_days, language)
             join subscribers s on s.id = p.id
         ) n
         where s.id = n.id
           and (s.discreet, s.quiet_from, s.quiet_to, s.paused_until, s.pause_registrations,
                s.digest_time, s.digest_day, s.digest_working_days, s.language)
               is distinct from
               (n.discreet, n.quiet_from, n.quiet_to, n.paused_until, n.pause_registrations,
                n.digest_time, n.digest_day, n.digest_working_days, n.language)
         returning s.id,
             n.rhythm is distinct from (s.paused_until, s.digest_time, s.digest_day, s.digest_working_days)",
    )
    .bind(people.iter().map(|(id, _)| *id).collect::<Vec<_>>())
    .bind(people.iter().map(|(_, person)| person.discreet).collect::<Vec<_>>())
    .bind(people.iter().map(|(_, person)| person.quiet_hours.map(|(from, _)| from)).collect::<Vec<_>>())
    .bind(people.iter().map(|(_, person)| person.quiet_hours.map(|(_, to)| to)).collect::<Vec<_>>())
    .bind(people.iter().map(|(_, person)| person.pause.map(|pause| pause.until)).collect::<Vec<_>>())
    .bind(people.iter().map(|(_, person)| person.pause.map(|pause| pause.registrations)).collect::<Vec<_>>())
    .bind(digests().map(|digest| digest.is_some()).collect::<Vec<_>>())
    .bind(digests().map(|digest| digest?.time).collect::<Vec<_>>())
    .bind(digests().map(|digest| Some(digest?.day?.to_string())).collect::<Vec<_>>())
    .bind(digests().map(|digest| digest.is_some_and(|digest| digest.working_days)).collect::<Vec<_>>())
    .bind(people.iter().map(|(_, person)| person.language.map(Language::tag)).collect::<Vec<_>>())
    .fetch_all(&mut *connection)
    .await?;
    let rhythm: Vec<i64> = changed.iter().filter(|(_, rhythm)| *rhythm).map(|(id, _)| *id).collect();
    choose_again(&mut *connection, &rhythm).await?;
    changed_rhythm(connection, &rhythm, now).await?;
    Ok(changed.into_iter().map(|(id, _)| id).collect())
}

/// Notes that people have another rhythm from now on.
///
/// # Errors
///
/// When Postgres is away.
pub async fn changed_rhythm(connection: &mut PgConnection, people: &[i64], now: DateTime<Utc>) -> Result<()> {
    if people.is_empty() {
        return Ok(());
    }
    sqlx::query("update subscribers set rhythm_since = $2 where id = any($1)")
        .bind(people)
        .bind(now)
        .execute(connection)
        .await?;
    Ok(())
}

/// What people have chosen of their digests, where they have chosen anything.
///
/// # Errors
///
/// When Postgres is away.
pub async fn choices(connection: &mut PgConnection, people: &[i64]) -> Result<HashMap<i64, Choice>> {
    #[derive(FromRow)]
    struct Row {
        id: i64,
        #[sqlx(flatten)]
        chosen: Chosen,
    }
    let rows: Vec<Row> = sqlx::query_as(
        "select id, digest_time, digest_day, digest_working_days from subscribers
         where id = any($1) and (digest_time is not null or digest_day is not null or digest_working_days)",
    )
    .bind(people)
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.chosen.choice())).collect())
}

/// Writes the cadences of these people's searches anew, by what they have
/// chosen.
async fn choose_again(connection: &mut PgConnection, people: &[i64]) -> Result<()> {
    if people.is_empty() {
        return Ok(());
    }
    let choices = choices(&mut *connection, people).await?;
    let searches: Vec<(i64, i64, String)> =
        sqlx::query_as("select id, subscriber_id, cadence from searches where subscriber_id = any($1)")
            .bind(people)
            .fetch_all(&mut *connection)
            .await?;
    let chosen: Vec<(i64, String)> = searches
        .into_iter()
        .filter_map(|(id, person, cadence)| {
            let before: Cadence = cadence.parse().ok()?;
            let after = before.chosen(choices.get(&person).copied().unwrap_or_default());
            (after != before).then(|| (id, after.to_string()))
        })
        .collect();
    know(&mut *connection, chosen.iter().map(|(_, cadence)| cadence.clone()).collect()).await?;
    sqlx::query(
        "update searches s set cadence = n.cadence from unnest($1::bigint[], $2::text[]) as n (id, cadence)
         where s.id = n.id",
    )
    .bind(chosen.iter().map(|(id, _)| *id).collect::<Vec<_>>())
    .bind(chosen.iter().map(|(_, cadence)| cadence.as_str()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// Has matching know these cadences: each is one that searches have from now
/// on.
///
/// # Errors
///
/// When Postgres is away.
pub async fn know(connection: &mut PgConnection, cadences: BTreeSet<String>) -> Result<()> {
    sqlx::query("insert into cadences select unnest($1::text[]) on conflict do nothing")
        .bind(cadences.into_iter().collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}

/// The cadences that searches have, or had once; without those that cannot be
/// read.
///
/// # Errors
///
/// When Postgres is away.
pub async fn cadences(connection: &mut PgConnection) -> Result<Vec<Cadence>> {
    let names: Vec<String> =
        sqlx::query_scalar("select name from cadences order by name").fetch_all(connection).await?;
    Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
}
