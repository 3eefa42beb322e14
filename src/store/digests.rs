//! Which digests people have had, and how many mails of no haste.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::PgConnection;

use crate::domain::cadence::ScheduleName;
use crate::store::Result;

/// What a person has had.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Had {
    /// The digests, by schedule and local day.
    pub digests: BTreeSet<(ScheduleName, NaiveDate)>,
    /// Mails of no haste that were begun on this local day.
    pub unhurried_today: usize,
}

/// What these people have had; `today` is the first moment of the local day.
///
/// # Errors
///
/// When Postgres is away.
pub async fn had(
    connection: &mut PgConnection,
    people: &[i64],
    today: DateTime<Utc>,
) -> Result<HashMap<i64, Had>> {
    let mut had: HashMap<i64, Had> = HashMap::new();
    if people.is_empty() {
        return Ok(had);
    }
    let digests: Vec<(i64, String, NaiveDate)> = sqlx::query_as(
        "select subscriber_id, schedule, local_date from digests where subscriber_id = any($1)",
    )
    .bind(people)
    .fetch_all(&mut *connection)
    .await?;
    for (person, schedule, day) in digests {
        if let Ok(schedule) = schedule.parse() {
            had.entry(person).or_default().digests.insert((schedule, day));
        }
    }
    let today: Vec<(i64, i64)> = sqlx::query_as(
        "select subscriber_id, count(*) from mails
         where unhurried and subscriber_id = any($1) and claimed_at >= $2
           and outcome is distinct from 'superseded'
         group by subscriber_id",
    )
    .bind(people)
    .bind(today)
    .fetch_all(connection)
    .await?;
    for (person, mails) in today {
        had.entry(person).or_default().unhurried_today = usize::try_from(mails).unwrap_or(usize::MAX);
    }
    Ok(had)
}

/// When a mail server last took a digest of each schedule that had one.
///
/// # Errors
///
/// When Postgres is away.
pub async fn last(connection: &mut PgConnection) -> Result<Vec<(String, DateTime<Utc>)>> {
    Ok(sqlx::query_as(
        "select d.schedule, max(m.finished_at)
         from digests d join mails m on m.id = d.mail_id
         where m.outcome = 'accepted' group by d.schedule order by d.schedule",
    )
    .fetch_all(connection)
    .await?)
}

/// One digest of one person: that of a schedule on a local day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayDigest {
    /// Whose.
    pub subscriber_id: i64,
    /// Of which schedule.
    pub schedule: ScheduleName,
    /// Of which local day.
    pub day: NaiveDate,
    /// In which mail.
    pub mail_id: i64,
}

/// Keeps that these digests are being sent. There is one for a person, a
/// schedule and a day.
///
/// # Errors
///
/// When Postgres is away, or there is such a digest already: then nobody may
/// send it.
pub async fn keep(connection: &mut PgConnection, digests: &[DayDigest]) -> Result<()> {
    if digests.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into digests (subscriber_id, schedule, local_date, mail_id)
         select * from unnest($1::bigint[], $2::text[], $3::date[], $4::bigint[])",
    )
    .bind(digests.iter().map(|digest| digest.subscriber_id).collect::<Vec<_>>())
    .bind(digests.iter().map(|digest| digest.schedule.as_str()).collect::<Vec<_>>())
    .bind(digests.iter().map(|digest| digest.day).collect::<Vec<_>>())
    .bind(digests.iter().map(|digest| digest.mail_id).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
