//! What all scenes stand on: a folder, and servers that may be anybody's.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, bail, ensure};
use jobalerts_dev::broker::{self, Names};
use jobalerts_dev::secrets;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use url::Url;

/// Everything that scenes share.
pub(crate) struct Ground {
    /// How many people are told in each.
    pub(crate) people: usize,
    /// What choices are made by.
    pub(crate) seed: u64,
    database: Url,
    amqp: Url,
    folder: PathBuf,
    /// What was made on servers that are not ours.
    made: Mutex<Vec<Names>>,
}

/// Where the servers of a scene are.
#[derive(Debug, Clone)]
pub(crate) struct Servers {
    /// PostgreSQL: the one that is used, and those that may be used in its place.
    pub(crate) databases: Vec<Url>,
    /// RabbitMQ, likewise.
    pub(crate) brokers: Vec<Url>,
}

impl Ground {
    /// Makes the folder.
    pub(crate) fn prepare(people: usize, seed: u64) -> anyhow::Result<Self> {
        ensure!(Path::new("config/jobalerts.toml").is_file(), "run it in the checkout, as `make chaos` does");
        let folder = Path::new(".dev").join(format!("chaos-{}", std::process::id()));
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        secrets::token_keys(&folder)?;
        secrets::address_key(&folder)?;
        let (database, amqp) = (given("DATABASE_URL")?, given("AMQP_URL")?);
        Ok(Self { people, seed, database, amqp, folder, made: Mutex::default() })
    }

    /// The folder, which no other uses.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The servers of `DATABASE_URL` and `AMQP_URL`.
    pub(crate) fn servers(&self) -> Servers {
        Servers { databases: vec![self.database.clone()], brokers: vec![self.amqp.clone()] }
    }

    /// Choices, the same for each scene.
    pub(crate) fn random(&self) -> StdRng {
        StdRng::seed_from_u64(self.seed)
    }

    /// Remembers what is to be removed at the end, if it is on servers that are not a scene's own.
    pub(crate) fn will_clear(&self, servers: &Servers, names: &Names) {
        if servers.databases[0] == self.database || servers.brokers[0] == self.amqp {
            self.made.lock().unwrap_or_else(PoisonError::into_inner).push(names.clone());
        }
    }

    /// Removes databases and queues, and if all went well the folder.
    pub(crate) async fn clear(self, went_well: bool) -> anyhow::Result<()> {
        let mut server = PgConnection::connect(self.database.as_str()).await?;
        for names in self.made.into_inner().unwrap_or_else(PoisonError::into_inner) {
            let drop = format!("drop database if exists {} with (force)", names.beginning);
            sqlx::query(AssertSqlSafe(drop)).execute(&mut server).await?;
            broker::remove(self.amqp.as_str(), &names).await?;
        }
        server.close().await?;
        if went_well {
            fs::remove_dir_all(&self.folder)?;
        }
        Ok(())
    }
}

/// What a scene's database is called, and its queues begin with.
pub(crate) fn name(scene: &str) -> String {
    format!("jobalerts_chaos_{}_{}", std::process::id(), scene.replace('-', "_"))
}

fn given(variable: &str) -> anyhow::Result<Url> {
    match std::env::var(variable) {
        Ok(url) if !url.is_empty() => Url::parse(&url).with_context(|| format!("{variable} is not a URL")),
        _ => bail!("{variable} is not set; `make chaos` starts the servers and sets it"),
    }
}
