//! The ground the demo stands on: a folder, a catcher, and databases and queues of its own on servers that may be
//! anybody's.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use jobalerts_dev::broker::Names;
use jobalerts_dev::inbox::Inbox;
use jobalerts_dev::program::Program;
use jobalerts_dev::secrets;
use jobalerts_dev::smtp::{Folder, SmtpServer, Storage};
use sqlx::{Connection as _, PgConnection, PgPool};
use url::Url;

use crate::outage::Outage;
use crate::scene::Scene;

/// Everything that the demo uses.
pub(crate) struct Ground {
    /// What the catcher caught.
    pub(crate) inbox: Arc<Inbox>,
    /// When the catcher takes nothing, and for whom.
    pub(crate) outage: Outage,
    smtp: Arc<SmtpServer>,
    kind: &'static str,
    folder: PathBuf,
    amqp_url: String,
    server_url: String,
    scenes: Vec<Scene>,
    // Held for as long as the folder is used.
    _lock: File,
}

impl Ground {
    /// Makes all of it, with a scene of each of these names; `kind` is the folder's name.
    pub(crate) async fn prepare(kind: &'static str, scenes: &[&'static str]) -> anyhow::Result<Self> {
        ensure!(
            Path::new("config/jobalerts.toml").is_file(),
            "run it in the checkout, as `make demo` and `make dev` do"
        );
        let server_url = given("DATABASE_URL")?;
        let amqp_url = given("AMQP_URL")?;
        let (folder, lock) = own_folder(kind)?;
        let inbox = Arc::new(Inbox::new(Folder::open(folder.join("mails"))?));
        let outage = Outage::default();
        let smtp = SmtpServer::builder().storage(Storage::Sink(inbox.clone())).script([outage.rule()]);
        let smtp = Arc::new(smtp.start().await?);
        let mut ground =
            Self { inbox, outage, smtp, kind, folder, amqp_url, server_url, scenes: vec![], _lock: lock };
        for name in scenes {
            match ground.make(name).await {
                Ok(scene) => ground.scenes.push(scene),
                Err(error) => {
                    ground.clear().await?;
                    return Err(error);
                }
            }
        }
        Ok(ground)
    }

    /// The scene of this name.
    pub(crate) fn scene(&self, name: &str) -> anyhow::Result<&Scene> {
        self.scenes.iter().find(|scene| scene.name == name).context("there is no such scene")
    }

    /// Where the mails are.
    pub(crate) fn mails(&self) -> PathBuf {
        self.folder.join("mails")
    }

    /// Removes the databases and the queues; the folder with the mails stays.
    pub(crate) async fn clear(self) -> anyhow::Result<()> {
        let mut server = PgConnection::connect(&self.server_url).await?;
        for scene in self.scenes {
            scene.clear(&mut server).await?;
        }
        Ok(server.close().await?)
    }

    async fn make(&self, name: &'static str) -> anyhow::Result<Scene> {
        let database = format!("jobalerts_{}_{}_{name}", self.kind, std::process::id());
        let mut url = Url::parse(&self.server_url).context("DATABASE_URL is not a URL")?;
        url.set_path(&database);
        let config = self.folder.join(format!("{name}.toml"));
        let names = Names::below(&database);
        write_config(&config, self.kind == "demo", url.as_str(), &self.amqp_url, &names, &self.smtp.url())?;
        let scene = Scene {
            smtp: Arc::clone(&self.smtp),
            inbox: Arc::clone(&self.inbox),
            program: Program::new(&config, &self.folder.join("jobalerts.log"))?,
            pool: PgPool::connect_lazy(url.as_str())?,
            config,
            name,
            folder: self.folder.clone(),
            names,
            amqp_url: self.amqp_url.clone(),
            database,
        };
        let mut server = PgConnection::connect(&self.server_url)
            .await
            .context("cannot connect to the PostgreSQL server of DATABASE_URL")?;
        scene.make_database(&mut server).await?;
        server.close().await?;
        Ok(scene)
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
        secrets::token_keys(&folder)?;
        secrets::address_key(&folder)?;
        secrets::dkim_keys(&folder)?;
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
    let Names { exchange, queue, dead_letters, outcomes, .. } = names;
    let text = format!(
        "# What differs from the defaults, which config/jobalerts.toml explains.\n\
         rehearsal = {rehearsal}\n\n\
         [database]\nurl = {database:?}\n\n\
         [amqp]\nurl = {amqp:?}\nexchange = {exchange:?}\nqueue = {queue:?}\n\
         dead_letter_exchange = {dead_letters:?}\ndead_letter_queue = {dead_letters:?}\n\
         outcomes_exchange = {outcomes:?}\n\n\
         [smtp]\nurl = {smtp:?}\n\n\
         [dkim]\nkey_file = \"dkim-rsa.pem\"\ned25519_key_file = \"dkim-ed25519.pem\"\n\n\
         # The invented people agreed in 2023, and the daemon runs today: nobody is asked again or forgotten.\n\
         [housekeeping]\nask_after = \"100 years\"\nkeep_alerts = \"100 years\"\n\n\
         [secrets]\ntoken_keys_file = \"token_keys\"\naddress_key_file = \"address_key\"\n\n\
         [web]\nlisten = \"127.0.0.1:0\"\n\n\
         [log]\nformat = \"human\"\n"
    );
    // There may be passwords in it.
    secrets::write(path, &text).with_context(|| format!("cannot write {}", path.display()))
}
