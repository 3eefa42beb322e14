//! Where it happens: a database and queues of its own on the servers that the
//! environment names.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use jobalerts::clock::Clock;
use jobalerts::config::Config;
use jobalerts::domain::taxonomy::Taxonomy;
use jobalerts::intake::queue::Session;
use jobalerts::store;
use jobalerts::store::servers::Servers;
use jobalerts_dev::secrets;
use lapin::options::{ExchangeDeleteOptions, QueueDeleteOptions};
use lapin::{Connection, ConnectionProperties};
use sqlx::{Connection as _, PgConnection, PgPool};
use url::Url;

/// The name of the database, and the beginning of the names at the broker.
const NAME: &str = "jobalerts_road";

/// The ground.
pub(crate) struct Ground {
    server: String,
    pool: PgPool,
    config: Config,
    environment: BTreeMap<String, String>,
    taxonomy: Taxonomy,
}

impl Ground {
    /// Makes the database and its tables; nothing is left of earlier runs.
    pub(crate) async fn prepare() -> anyhow::Result<Self> {
        let variable = |name: &str| {
            std::env::var(name).with_context(|| {
                format!("{name} is not set: run `deploy/dev/services run -- cargo bench --bench road`")
            })
        };
        let server = variable("DATABASE_URL")?;
        let mut database = Url::parse(&server).context("DATABASE_URL")?;
        database.set_path(NAME);
        let keys = secrets::token_keys(Path::new(env!("CARGO_TARGET_TMPDIR")))?;
        let environment = settings(database.as_str(), &variable("AMQP_URL")?, &keys.to_string_lossy());
        let config = Config::load(Some(Path::new("config/jobalerts.toml")), &environment)?;
        remove(&server, &config).await?;
        let mut connection = PgConnection::connect(&server).await?;
        sqlx::query(sqlx::AssertSqlSafe(format!("create database {NAME}"))).execute(&mut connection).await?;
        store::migrate(config.database.url.expose()).await?;
        let servers = Servers::of(config.database.url.expose())?.limited(config.database.statement_timeout);
        let pool = store::pool(&servers, 4);
        Ok(Self { server, pool, config, environment, taxonomy: Taxonomy::shipped() })
    }

    /// Removes what was made.
    pub(crate) async fn clear(self) -> anyhow::Result<()> {
        self.pool.close().await;
        remove(&self.server, &self.config).await
    }

    /// What it all runs on.
    pub(crate) async fn machine(&self) -> anyhow::Result<Vec<String>> {
        let mut connection = self.pool.acquire().await?;
        let mut postgres = Vec::new();
        for name in ["server_version", "fsync", "synchronous_commit", "shared_buffers", "max_wal_size"] {
            let value: String = sqlx::query_scalar("select current_setting($1)")
                .bind(name)
                .fetch_one(&mut *connection)
                .await?;
            anyhow::ensure!(
                !["fsync", "synchronous_commit"].contains(&name) || value == "on",
                "{name} is {value}: figures of what is not durable mean nothing"
            );
            postgres.push(format!("{name} {value}"));
        }
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let processor = read("/proc/cpuinfo");
        let processor =
            processor.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown");
        let memory = read("/proc/meminfo");
        let memory =
            memory.lines().next().and_then(|line| line.split_ascii_whitespace().nth(1)).unwrap_or("0");
        let load = read("/proc/loadavg");
        Ok(vec![
            format!(
                "{} cores ({}), {} GB of memory, load {} at the start",
                std::thread::available_parallelism()?,
                processor.trim_start_matches([' ', '\t', ':']),
                memory.parse::<u64>()? / 1_000_000,
                load.split(' ').next().unwrap_or("unknown"),
            ),
            format!("PostgreSQL: {}", postgres.join(", ")),
        ])
    }

    /// Connections to the database.
    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// The configuration that the program runs with.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// The same, as variables for the program.
    pub(crate) fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment
    }

    /// The taxonomy.
    pub(crate) fn taxonomy(&self) -> &Taxonomy {
        &self.taxonomy
    }

    /// Publishes events.
    pub(crate) async fn publish(&self, events: &[(String, Vec<u8>)]) -> anyhow::Result<()> {
        let session = Session::open(&self.config.amqp).await?;
        for together in events.chunks(1_000) {
            session.publish(together).await?;
        }
        Ok(())
    }

    /// Forgets vacancies and who was told of them, but not the people.
    pub(crate) async fn forget(&self) -> anyhow::Result<()> {
        let tables = "truncate events, openings, opening_revisions, past_promises, alerts, mails, digests, outcome_events restart identity";
        sqlx::query(tables).execute(&self.pool).await?;
        Ok(())
    }

    /// The number that a statement gives.
    pub(crate) async fn count(&self, statement: &'static str) -> anyhow::Result<u64> {
        let count: i64 = sqlx::query_scalar(statement).fetch_one(&self.pool).await?;
        Ok(u64::try_from(count)?)
    }

    /// Lets the tables settle, so that one part's writes are not paid by the
    /// next.
    pub(crate) async fn settle(&self) -> anyhow::Result<()> {
        sqlx::query("checkpoint").execute(&self.pool).await?;
        Ok(())
    }
}

/// The time it is.
pub(crate) fn now() -> chrono::DateTime<chrono::Utc> {
    Clock::System.now()
}

fn settings(database: &str, broker: &str, token_keys: &str) -> BTreeMap<String, String> {
    let settings = [
        ("JOBALERTS_DATABASE__URL", database),
        ("JOBALERTS_AMQP__URL", broker),
        ("JOBALERTS_AMQP__EXCHANGE", "jobalerts_road.events"),
        ("JOBALERTS_AMQP__QUEUE", "jobalerts_road.queue"),
        ("JOBALERTS_AMQP__DEAD_LETTER_EXCHANGE", "jobalerts_road.dead-letters"),
        ("JOBALERTS_AMQP__DEAD_LETTER_QUEUE", "jobalerts_road.dead-letters"),
        ("JOBALERTS_AMQP__OUTCOMES_EXCHANGE", "jobalerts_road.outcomes"),
        ("JOBALERTS_SECRETS__TOKEN_KEYS_FILE", token_keys),
        ("JOBALERTS_WEB__LISTEN", "127.0.0.1:0"),
    ];
    settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

async fn remove(server: &str, config: &Config) -> anyhow::Result<()> {
    let mut connection = PgConnection::connect(server).await.context("DATABASE_URL")?;
    let drop = format!("drop database if exists {NAME} with (force)");
    sqlx::query(sqlx::AssertSqlSafe(drop)).execute(&mut connection).await?;
    let amqp = &config.amqp;
    let broker = Connection::connect(amqp.url.expose(), ConnectionProperties::default()).await?;
    let channel = broker.create_channel().await?;
    for queue in [&amqp.queue, &amqp.dead_letter_queue] {
        channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await?;
    }
    for exchange in [&amqp.exchange, &amqp.dead_letter_exchange, &amqp.outcomes_exchange] {
        channel.exchange_delete(exchange.as_str().into(), ExchangeDeleteOptions::default()).await?;
    }
    broker.close(200, "done".into()).await?;
    Ok(())
}
