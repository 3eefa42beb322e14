//! Every line of SQL, as plain functions on a connection. Rows are private to
//! their file; what comes out are the words of [`crate::domain`].

pub mod alerts;
pub mod allowances;
pub mod audit;
pub mod breakers;
pub mod chores;
pub mod criteria;
pub mod digests;
pub mod due;
pub mod events;
pub mod explain;
pub mod interest;
pub mod leaving;
pub mod ledger;
pub mod letters;
pub mod mail_domains;
pub mod mails;
pub mod openings;
pub mod outcomes;
pub mod preferences;
pub mod promises;
pub mod reckonings;
pub mod retention;
mod returning;
pub mod returns;
pub mod servers;
pub mod settings;
pub mod status;
pub mod stops;
pub mod subscribers;
pub mod suppressions;
pub mod tries;
pub mod vitals;
pub mod workers;

use std::time::Duration;

use sqlx::migrate::{Migrate, Migrator};
use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection, PgConnection, PgPool};

use crate::store::servers::Servers;

static MIGRATIONS: Migrator = sqlx::migrate!();

/// The channel on which stages tell each other that there is work.
pub const WORK_CHANNEL: &str = "jobalerts_work";

/// Something went wrong between us and Postgres.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Postgres, or the way to it.
    #[error("{}", describe(.0))]
    Database(sqlx::Error),
    /// A migration failed.
    #[error("migrating the database: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// The tables are not those of this program.
    #[error(
        "the database's tables are at version {found}, this program needs {needed}; run `jobalerts migrate`"
    )]
    Schema {
        /// The newest migration that was run; 0 for none.
        found: i64,
        /// The newest migration this program knows.
        needed: i64,
    },
    /// None of several servers takes what is written.
    #[error(
        "none of the {servers} servers takes what is written ({faults}); if the one that did is lost, promote \
         another, see database.url"
    )]
    NoPrimary {
        /// How many there are.
        servers: usize,
        /// What is wrong with each.
        faults: String,
    },
    /// More than one server takes what is written.
    #[error(
        "{0} both take what is written, and what one knows the other does not; stop the one that was lost, and make \
         it follow the other before it is started again"
    )]
    SeveralPrimaries(String),
    /// A row holds something this program cannot read.
    #[error("{row} cannot be read: {cause}")]
    Row {
        /// The table and key.
        row: String,
        /// What is wrong with it.
        cause: String,
    },
}

// Written out, because the error's own text is part of ours: as a source it would be told twice.
impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

/// The result of a store function.
pub type Result<T> = std::result::Result<T, StoreError>;

impl StoreError {
    /// Whether the same work will fail again in the same way: a row that cannot
    /// be read, data that Postgres objects to, a statement that takes too long.
    #[must_use]
    pub fn will_come_again(&self) -> bool {
        match self {
            Self::Row { .. } => true,
            Self::Database(sqlx::Error::Database(error)) => {
                is_about_the_data(&**error) || error.code().is_some_and(|code| code == "57014")
            }
            _ => false,
        }
    }
}

fn describe(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::PoolTimedOut => {
            "no connection to Postgres within the time allowed: it is down, unreachable or busy; see database.url"
                .to_owned()
        }
        sqlx::Error::Database(database) => {
            let code = database.code().unwrap_or_default();
            format!("Postgres refused with {code}: {}", database.message())
        }
        sqlx::Error::Io(cause) => format!("Postgres cannot be reached ({cause}); see database.url"),
        other => format!("Postgres: {other}"),
    }
}

/// Whether Postgres objects to what is in the data (class 22) or to how much it
/// is (class 54), so that it will object again.
#[must_use]
pub fn is_about_the_data(error: &dyn sqlx::error::DatabaseError) -> bool {
    error.code().is_some_and(|code| code.starts_with("22") || code.starts_with("54"))
}

/// A pool of connections that are made when they are needed, so that a
/// database that is down at start is no reason to stop. Of several servers it
/// goes to the first until it is pointed to another, see [`Servers::point`].
#[must_use]
pub fn pool(servers: &Servers, connections: u32) -> PgPool {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(10))
        .connect_lazy_with(servers.first())
}

/// A connection of its own, whose failure says what is wrong; a pool only says
/// that its time was up.
///
/// # Errors
///
/// When Postgres is away or refuses us.
pub async fn connect(url: &str) -> Result<PgConnection> {
    Servers::of(url)?.connect().await
}

/// Brings the tables to this program's version, on a connection of its own: a
/// failed run keeps its lock until the connection ends.
///
/// # Errors
///
/// When Postgres is away or a migration fails; the failed one is undone.
pub async fn migrate(url: &str) -> Result<()> {
    let mut connection = connect(url).await?;
    let done = MIGRATIONS.run(&mut connection).await;
    connection.close().await?;
    Ok(done?)
}

/// Checks that the tables are those of this program.
///
/// # Errors
///
/// [`StoreError::Schema`] when they are older or newer.
pub async fn check_schema(connection: &mut PgConnection) -> Result<()> {
    let needed = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0);
    let present: Option<String> = sqlx::query_scalar("select to_regclass('_sqlx_migrations')::text")
        .fetch_one(&mut *connection)
        .await?;
    let found = match present {
        None => 0,
        Some(_) => connection
            .list_applied_migrations(&MIGRATIONS.table_name)
            .await?
            .iter()
            .map(|migration| migration.version)
            .max()
            .unwrap_or(0),
    };
    if found == needed { Ok(()) } else { Err(StoreError::Schema { found, needed }) }
}

/// From here on to the end of the transaction, a statement that takes longer is
/// given up.
///
/// # Errors
///
/// When Postgres is away.
pub async fn hurry(connection: &mut PgConnection, at_most: Duration) -> Result<()> {
    sqlx::query("select set_config('statement_timeout', $1, true)")
        .bind(at_most.as_millis().to_string())
        .execute(connection)
        .await?;
    Ok(())
}

/// From here on to the end of the transaction, a statement may take as long as it
/// takes.
///
/// # Errors
///
/// When Postgres is away.
pub async fn take_time(connection: &mut PgConnection) -> Result<()> {
    hurry(connection, Duration::ZERO).await
}

/// Tells every process that a stage has work. Heard when the transaction
/// commits, if it is in one.
///
/// # Errors
///
/// When Postgres is away.
pub async fn announce_work(connection: &mut PgConnection, stage: &str) -> Result<()> {
    sqlx::query("select pg_notify($1, $2)").bind(WORK_CHANNEL).bind(stage).execute(connection).await?;
    Ok(())
}

/// The name that serde gives a value without fields, as the tables keep it.
pub(crate) fn name_of(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    }
}

/// The value whose name a table keeps.
pub(crate) fn value_of<T: serde::de::DeserializeOwned>(name: &str, row: impl Fn() -> String) -> Result<T> {
    serde_json::from_value(serde_json::Value::String(name.to_owned()))
        .map_err(|error| StoreError::Row { row: row(), cause: error.to_string() })
}
