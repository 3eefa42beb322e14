//! A scene: a database, queues, a mail server and people of its own, and the program set up for them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use jobalerts_dev::broker::Names;
use jobalerts_dev::program::Program;
use jobalerts_dev::secrets;
use jobalerts_dev::smtp::{SmtpServer, Storage};
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool};
use url::Url;

use crate::arrivals::Arrivals;
use crate::ground::{self, Ground, Servers};
use crate::people;
use crate::rehearsal::{BEFORE, Rehearsal};

/// Connections of each process to the mail server: so many mails of it are on their way at most.
pub(crate) const LINES: usize = 4;
/// A setting for scenes in which mails are put off: the second try comes while the scene is played.
pub(crate) const RETRY_SOON: &str = "retry = [\"5s\"]\n";
/// How often the tables are asked whether all is done.
const LOOK: Duration = Duration::from_millis(200);

/// What a scene has.
pub(crate) struct Scene {
    /// The program.
    pub(crate) program: Program,
    /// Its configuration.
    pub(crate) config: PathBuf,
    /// The mail server.
    pub(crate) smtp: SmtpServer,
    /// What it took.
    pub(crate) arrivals: Arc<Arrivals>,
    /// The addresses of those who are to be told.
    pub(crate) people: Vec<String>,
    /// The clock of all daemons.
    pub(crate) clock: Rehearsal,
    /// The database, where it is now.
    pool: Mutex<PgPool>,
    limit: Duration,
}

impl Scene {
    /// Sets it up on these servers; the settings are further lines of the configuration.
    pub(crate) async fn set(
        ground: &Ground,
        name: &str,
        servers: &Servers,
        settings: &str,
    ) -> anyhow::Result<Self> {
        let database = ground::name(name);
        let names = Names::below(&database);
        ground.will_clear(servers, &names);
        make_database(&servers.databases[0], &database).await?;
        let urls: Vec<Url> = servers.databases.iter().map(|url| with_path(url, &database)).collect();
        let arrivals = Arc::new(Arrivals::default());
        let smtp = SmtpServer::builder().storage(Storage::Sink(arrivals.clone())).start().await?;
        let config = ground.folder().join(format!("{name}.toml"));
        let config_text = configuration(&urls, &servers.brokers, &names, &smtp.url()) + settings;
        secrets::write(&config, &config_text)?;
        let program = Program::new(&config, &ground.folder().join(format!("{name}.log")))?;
        program.run(&["migrate"]).await?;
        let people = people::addresses(ground.people);
        import(&program, &ground.folder().join(format!("{name}.ndjson")), &people).await?;
        Ok(Self {
            program,
            config,
            smtp,
            arrivals,
            clock: Rehearsal::begin()?,
            pool: Mutex::new(pool(&urls[0])?),
            limit: Duration::from_mins(5) + Duration::from_millis(50) * u32::try_from(people.len())?,
            people,
        })
    }

    /// Goes on with the tables as another server has them.
    pub(crate) fn looks_at(&self, server: &Url) -> anyhow::Result<()> {
        let database = self.pool().connect_options().get_database().unwrap_or_default().to_owned();
        *self.pool.lock().unwrap_or_else(PoisonError::into_inner) = pool(&with_path(server, &database))?;
        Ok(())
    }

    fn pool(&self) -> PgPool {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The programme opens.
    pub(crate) async fn release(&self) -> anyhow::Result<()> {
        self.program.run(&["publish", people::OPENED]).await.map(drop)
    }

    /// Waits until so many mails have arrived.
    pub(crate) async fn mails(&self, count: usize) -> anyhow::Result<()> {
        let arrived = self.smtp.wait_until(|tally| tally.mails >= count);
        let arrived = tokio::time::timeout(self.limit, arrived).await;
        let so_far = self.smtp.tally().mails;
        arrived.with_context(|| {
            format!("after {} s, {so_far} of {count} mails have arrived", self.limit.as_secs())
        })?;
        Ok(())
    }

    /// How many events are in the tables.
    pub(crate) async fn events(&self) -> anyhow::Result<usize> {
        self.count("select count(*) from events").await
    }

    /// Waits until so many events are in the tables.
    pub(crate) async fn has_events(&self, count: usize) -> anyhow::Result<()> {
        let come = async {
            // A database that is away has none.
            while !self.events().await.is_ok_and(|events| events >= count) {
                tokio::time::sleep(LOOK).await;
            }
        };
        if tokio::time::timeout(self.limit, come).await.is_err() {
            bail!("after {} s, {} of {count} events are there", self.limit.as_secs(), self.events().await?);
        }
        Ok(())
    }

    /// Waits until nothing is left to do, but for mails of which nobody knows whether they arrived.
    pub(crate) async fn is_done(&self) -> anyhow::Result<()> {
        self.nothing_is(
            "select count(*) from alerts a where due_at is not null and not exists (
                 select from mails m where m.subscriber_id = a.subscriber_id
                     and m.leaving is not null and m.outcome is null and m.worker is null)",
        )
        .await
    }

    /// Waits until nothing is left to do at all.
    pub(crate) async fn is_all_done(&self) -> anyhow::Result<()> {
        self.nothing_is("select count(*) from alerts where due_at is not null").await
    }

    /// How many alerts are due, now or later.
    pub(crate) async fn left(&self) -> anyhow::Result<usize> {
        self.count("select count(*) from alerts where due_at is not null").await
    }

    /// Waits until no mail is in a worker's hands.
    pub(crate) async fn nothing_is_in_hand(&self) -> anyhow::Result<()> {
        self.nothing_is("select 0::bigint").await
    }

    /// A number that the tables have.
    pub(crate) async fn count(&self, statement: &'static str) -> anyhow::Result<usize> {
        let count: i64 = sqlx::query_scalar(statement).fetch_one(&self.pool()).await?;
        Ok(usize::try_from(count)?)
    }

    /// Waits until the release was matched, none of these are left, and no mail is in a worker's hands.
    async fn nothing_is(&self, due: &'static str) -> anyhow::Result<()> {
        let left = async || {
            anyhow::Ok([
                self.count(
                    "select (select count(*) from openings where matched_revision < revision)
                     + (select 1 - count(*) from openings where subject = 'programme/pc-dhep')",
                )
                .await?,
                self.count(due).await?,
                self.count("select count(*) from mails where worker is not null").await?,
            ])
        };
        let done = async {
            // A database that is away is not done, either.
            while !left().await.is_ok_and(|left| left == [0; 3]) {
                tokio::time::sleep(LOOK).await;
            }
        };
        if tokio::time::timeout(self.limit, done).await.is_err() {
            let [unmatched, due, in_hand] = left().await?;
            bail!(
                "after {} s, {unmatched} openings are not matched, {due} alerts are due, {in_hand} mails are in hand",
                self.limit.as_secs()
            );
        }
        Ok(())
    }
}

fn pool(url: &Url) -> anyhow::Result<PgPool> {
    Ok(PgPoolOptions::new().max_connections(2).connect_lazy(url.as_str())?)
}

async fn make_database(server: &Url, name: &str) -> anyhow::Result<()> {
    let mut server = PgConnection::connect(server.as_str()).await.context("cannot connect to PostgreSQL")?;
    sqlx::query(AssertSqlSafe(format!("create database {name}")))
        .execute(&mut server)
        .await
        .with_context(|| format!("cannot make the database {name}"))?;
    Ok(server.close().await?)
}

async fn import(program: &Program, file: &Path, people: &[String]) -> anyhow::Result<()> {
    fs::write(file, people::lines(people)).with_context(|| format!("cannot write {}", file.display()))?;
    program.run(&["import", &file.display().to_string(), "--now", BEFORE]).await.map(drop)
}

fn with_path(url: &Url, path: &str) -> Url {
    let mut url = url.clone();
    url.set_path(path);
    url
}

/// A URL of several servers: that of the first, with the others' hosts beside its own.
fn several(urls: &[Url]) -> String {
    let host = |url: &Url| match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (host, _) => host.unwrap_or_default().to_owned(),
    };
    let hosts: Vec<String> = urls.iter().map(host).collect();
    urls[0].as_str().replacen(&hosts[0], &hosts.join(","), 1)
}

fn configuration(databases: &[Url], brokers: &[Url], names: &Names, smtp: &str) -> String {
    let Names { exchange, queue, dead_letters, outcomes, .. } = names;
    let (database, amqp) = (several(databases), several(brokers));
    format!(
        "# What differs from the defaults, which config/jobalerts.toml explains.\n\
         rehearsal = true\n\n\
         [database]\nurl = {database:?}\nconnections = 6\n\n\
         [amqp]\nurl = {amqp:?}\nexchange = {exchange:?}\nqueue = {queue:?}\n\
         dead_letter_exchange = {dead_letters:?}\ndead_letter_queue = {dead_letters:?}\n\
         outcomes_exchange = {outcomes:?}\n\n\
         [secrets]\ntoken_keys_file = \"token_keys\"\naddress_key_file = \"address_key\"\n\n\
         [web]\nlisten = \"127.0.0.1:0\"\n\n\
         [log]\nformat = \"human\"\n\n\
         [smtp]\nurl = {smtp:?}\nconnections = {LINES}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::several;

    #[test]
    fn several_servers_are_one_url() {
        let urls =
            ["amqp://u:p@127.0.0.1:1/%2f", "amqp://u:p@127.0.0.1:2/%2f"].map(|url| url.parse().unwrap());
        assert_eq!(several(&urls[..1]), "amqp://u:p@127.0.0.1:1/%2f");
        assert_eq!(several(&urls), "amqp://u:p@127.0.0.1:1,127.0.0.1:2/%2f");
    }
}
