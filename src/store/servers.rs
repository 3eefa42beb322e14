//! Where the database is: one server, or several of which one takes what is
//! written; the others follow it, and one of them takes its place when it is lost.

use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection, PgPool};

use crate::hosts::each_host;
use crate::store::{Result, StoreError};

/// How long one of several servers may take to let us in: behind it there is another.
const ONE_OF_SEVERAL: Duration = Duration::from_secs(5);

/// The servers of a URL.
#[derive(Debug, Clone)]
pub struct Servers(Vec<PgConnectOptions>);

impl Servers {
    /// The servers that a URL names: `postgres://user@a:5432,b:5432/database`.
    ///
    /// # Errors
    ///
    /// When it is not a URL of Postgres.
    pub fn of(url: &str) -> Result<Self> {
        let servers = each_host(url).into_iter().map(|url| {
            Ok(PgConnectOptions::from_str(&url)?.application_name("jobalerts").options([
                // A machine that vanished without a word is noticed within a minute,
                // and what its workers had in their hands is free again.
                ("tcp_keepalives_idle", "30"),
                ("tcp_keepalives_interval", "10"),
                ("tcp_keepalives_count", "3"),
            ]))
        });
        Ok(Self(servers.collect::<Result<_>>()?))
    }

    /// The same, where a statement that takes longer than this is given up.
    #[must_use]
    pub fn limited(self, statement_timeout: Duration) -> Self {
        let limit = [("statement_timeout", statement_timeout.as_millis())];
        Self(self.0.into_iter().map(|server| server.options(limit)).collect())
    }

    /// The same, where Postgres knows our connections by another name.
    pub(super) fn named(self, name: &str) -> Self {
        Self(self.0.into_iter().map(|server| server.application_name(name)).collect())
    }

    /// The first.
    pub(super) fn first(&self) -> PgConnectOptions {
        self.0.first().cloned().unwrap_or_default()
    }

    /// A connection to the server that takes what is written.
    ///
    /// # Errors
    ///
    /// When it is away or refuses us, or of several none or more than one is the one.
    pub async fn connect(&self) -> Result<PgConnection> {
        Ok(self.writable().await?.0)
    }

    /// Has a pool make its connections to that one of several servers that takes
    /// what is written.
    ///
    /// # Errors
    ///
    /// When none or more than one is the one; the pool goes on as before then.
    pub async fn point(&self, pool: &PgPool) -> Result<()> {
        if self.0.len() > 1 {
            let (connection, server) = self.writable().await?;
            pool.set_connect_options(server.clone());
            // Whether it hears that we are gone is its own affair.
            let _ = connection.close().await;
        }
        Ok(())
    }

    async fn writable(&self) -> Result<(PgConnection, &PgConnectOptions)> {
        if let [only] = &self.0[..] {
            return Ok((PgConnection::connect_with(only).await?, only));
        }
        // All of them: if two take what is written, what one of them knows the other does not.
        let asked =
            self.0.iter().map(|server| tokio::time::timeout(ONE_OF_SEVERAL, connect_to_primary(server)));
        let (mut found, mut faults) = (Vec::new(), Vec::new());
        for (server, answer) in self.0.iter().zip(join_all(asked).await) {
            match answer {
                Ok(Ok(Some((connection, started)))) => found.push((connection, server, started)),
                Ok(Ok(None)) => faults.push(format!("{} only follows another", place(server))),
                Ok(Err(error)) => faults.push(format!("{}: {}", place(server), StoreError::from(error))),
                Err(_) => faults.push(format!(
                    "{} let nobody in within {} s",
                    place(server),
                    ONE_OF_SEVERAL.as_secs()
                )),
            }
        }
        if found.windows(2).any(|two| two[0].2 != two[1].2) {
            let places: Vec<String> = found.iter().map(|(_, server, _)| place(server)).collect();
            return Err(StoreError::SeveralPrimaries(places.join(" and ")));
        }
        let none = StoreError::NoPrimary { servers: self.0.len(), faults: faults.join("; ") };
        found.into_iter().next().map(|(connection, server, _)| (connection, server)).ok_or(none)
    }
}

/// A connection, and when the server was started, by which it is known if there are several ways to it;
/// none if it only follows another.
async fn connect_to_primary(
    server: &PgConnectOptions,
) -> sqlx::Result<Option<(PgConnection, DateTime<Utc>)>> {
    let mut connection = PgConnection::connect_with(server).await?;
    let (follows, started) = sqlx::query_as("select pg_is_in_recovery(), pg_postmaster_start_time()")
        .fetch_one(&mut connection)
        .await?;
    Ok(if follows { None } else { Some((connection, started)) })
}

fn place(server: &PgConnectOptions) -> String {
    format!("{}:{}", server.get_host(), server.get_port())
}
