//! What the domain name system says of mail domains.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection};

use crate::domain::provider::Servers;
use crate::store::Result;

/// What was found out of one mail domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The domain.
    pub domain: String,
    /// Who takes its mail; none if that could not be found out.
    pub servers: Option<Servers>,
    /// When that was.
    pub looked_up_at: DateTime<Utc>,
}

#[derive(FromRow)]
struct Row {
    domain: String,
    servers: Option<Vec<String>>,
    nobody: bool,
    looked_up_at: DateTime<Utc>,
}

/// What was looked up since a time, the newest first, and no more than so many.
///
/// # Errors
///
/// When Postgres is away.
pub async fn known(connection: &mut PgConnection, since: DateTime<Utc>, most: u32) -> Result<Vec<Known>> {
    let rows: Vec<Row> = sqlx::query_as(
        "select domain, servers, nobody, looked_up_at from mail_domains
         where looked_up_at >= $1 order by looked_up_at desc, domain limit $2",
    )
    .bind(since)
    .bind(i64::from(most))
    .fetch_all(connection)
    .await?;
    let known = rows.into_iter().map(|row| Known {
        domain: row.domain,
        servers: if row.nobody { Some(Servers::Nobody) } else { row.servers.map(Servers::Hosts) },
        looked_up_at: row.looked_up_at,
    });
    Ok(known.collect())
}

/// Keeps what was looked up, and forgets what was looked up before a time.
///
/// # Errors
///
/// When Postgres is away.
pub async fn keep(connection: &mut PgConnection, known: &Known, forget_before: DateTime<Utc>) -> Result<()> {
    let (servers, nobody) = match &known.servers {
        Some(Servers::Hosts(hosts)) => (Some(hosts), false),
        Some(Servers::Nobody) => (None, true),
        None => (None, false),
    };
    sqlx::query(
        "insert into mail_domains as d (domain, servers, nobody, looked_up_at) values ($1, $2, $3, $4)
         on conflict (domain) do update
             set servers = excluded.servers, nobody = excluded.nobody, looked_up_at = excluded.looked_up_at",
    )
    .bind(&known.domain)
    .bind(servers)
    .bind(nobody)
    .bind(known.looked_up_at)
    .execute(&mut *connection)
    .await?;
    sqlx::query("delete from mail_domains where looked_up_at < $1")
        .bind(forget_before)
        .execute(connection)
        .await?;
    Ok(())
}
