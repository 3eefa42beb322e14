//! The ground the demo stands on: a folder, a catcher, and a database and queues of its own on servers that may be
//! anybody's.

use std::fs::{self, File, TryLockError};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use jobalerts_dev::inbox::Inbox;
use jobalerts_dev::smtp::{Folder, SmtpServer, Storage};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool};
use url::Url;

use crate::broker::{self, Names};
use crate::program::Program;

/// Everything that the demo uses.
pub(crate) struct Ground {
    /// The catcher.
    pub(crate) smtp: SmtpServer,
    /// What it caught.
    pub(crate) inbox: Arc<Inbox>,
    /// The program, set up for all of this.
    pub(crate) program: Program,
    /// The demo's database.
    pub(crate) pool: PgPool,
    /// The program's configuration.
    pub(crate) config: PathBuf,
    folder: PathBuf,
    names: Names,
    amqp_url: String,
    server_url: String,
    database: String,
    // Held for as long as the folder is used.
    _lock: File,
}

impl Ground {
    /// Makes all of it; `kind` is the folder's name.
    pub(crate) async fn prepare(kind: &str) -> anyhow::Result<Self> {
        ensure!(
            Path::new("config/jobalerts.toml").is_file(),
            "run it in the checkout, as `make demo` and `make dev` do"
        );
        let server_url = given("DATABASE_URL")?;
        let amqp_url = given("AMQP_URL")?;
        let (folder, lock) = own_folder(kind)?;
        let database = format!("jobalerts_{kind}_{}", std::process::id());
        let names = Names {
            exchange: format!("{database}.events"),
            queue: format!("{database}.queue"),
            dead_letters: format!("{database}.dead-letters"),
            outcomes: format!("{database}.outcomes"),
        };
        let inbox = Arc::new(Inbox::new(Folder::open(folder.join("mails"))?));
        let smtp = SmtpServer::builder().storage(Storage::Sink(inbox.clone())).start().await?;
        let mut url = Url::parse(&server_url).context("DATABASE_URL is not a URL")?;
        url.set_path(&database);
        let config = folder.join("jobalerts.toml");
        write_config(&config, kind == "demo", url.as_str(), &amqp_url, &names, &smtp.url())?;
        let program = Program::new(&config, &folder.join("jobalerts.log"))?;

        let mut server = PgConnection::connect(&server_url)
            .await
            .context("cannot connect to the PostgreSQL server of DATABASE_URL")?;
        sqlx::query(AssertSqlSafe(format!("create database {database}")))
            .execute(&mut server)
            .await
            .context("cannot make a database on the server of DATABASE_URL; its user needs CREATEDB")?;
        server.close().await?;
        let pool = PgPool::connect_lazy(url.as_str())?;
        Ok(Self {
            smtp,
            inbox,
            program,
            pool,
            config,
            folder,
            names,
            amqp_url,
            server_url,
            database,
            _lock: lock,
        })
    }

    /// Where the mails are.
    pub(crate) fn mails(&self) -> PathBuf {
        self.folder.join("mails")
    }

    /// A file of the demo's own.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// What was set aside.
    pub(crate) async fn dead_letters(&self) -> anyhow::Result<Vec<broker::DeadLetter>> {
        broker::dead_letters(&self.amqp_url, &self.names).await
    }

    /// Removes the database and the queues; the folder with the mails stays.
    pub(crate) async fn clear(self) -> anyhow::Result<()> {
        self.pool.close().await;
        let queues = broker::remove(&self.amqp_url, &self.names).await;
        let mut server = PgConnection::connect(&self.server_url).await?;
        sqlx::query(AssertSqlSafe(format!("drop database {} with (force)", self.database)))
            .execute(&mut server)
            .await
            .with_context(|| format!("cannot remove the database {}", self.database))?;
        server.close().await?;
        queues
    }
}

fn given(variable: &str) -> anyhow::Result<String> {
    match std::env::var(variable) {
        Ok(url) if !url.is_empty() => Ok(url),
        _ => bail!("{variable} is not set; `make demo` starts the servers and sets it"),
    }
}

/// `.dev/demo`, emptied; if another demo uses it, one with a number.
fn own_folder(kind: &str) -> anyhow::Result<(PathBuf, File)> {
    for name in [kind.to_owned(), format!("{kind}-{}", std::process::id())] {
        let folder = Path::new(".dev").join(name);
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let lock = File::create(folder.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => continue,
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        let mails = folder.join("mails");
        if mails.exists() {
            fs::remove_dir_all(&mails).with_context(|| format!("cannot empty {}", mails.display()))?;
        }
        File::create(folder.join("jobalerts.log"))?;
        return Ok((folder, lock));
    }
    bail!("the folder .dev/{kind} is in use")
}

fn write_config(
    path: &Path,
    rehearsal: bool,
    database: &str,
    amqp: &str,
    names: &Names,
    smtp: &str,
) -> anyhow::Result<()> {
    let Names { exchange, queue, dead_letters, outcomes } = names;
    let text = format!(
        "# What differs from the defaults, which config/jobalerts.toml explains.\n\
         rehearsal = {rehearsal}\n\n\
         [database]\nurl = {database:?}\n\n\
         [amqp]\nurl = {amqp:?}\nexchange = {exchange:?}\nqueue = {queue:?}\n\
         dead_letter_exchange = {dead_letters:?}\ndead_letter_queue = {dead_letters:?}\n\
         outcomes_exchange = {outcomes:?}\n\n\
         [smtp]\nurl = {smtp:?}\n\n\
         [log]\nformat = \"human\"\n"
    );
    // There may be passwords in it.
    let mut file = File::options().create(true).write(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
}
