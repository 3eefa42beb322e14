//! A scene: a database and queues of its own, and the program set up for them.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use chrono::{DateTime, SecondsFormat, Utc};
use jobalerts_dev::broker::{self, Names};
use jobalerts_dev::inbox::Inbox;
use jobalerts_dev::program::Program;
use jobalerts_dev::smtp::SmtpServer;
use sqlx::{AssertSqlSafe, PgConnection, PgPool};

use crate::letters::Letter;

/// A database and queues, and the program set up for them.
pub(crate) struct Scene {
    /// The catcher.
    pub(crate) smtp: Arc<SmtpServer>,
    /// What it caught, here and on other scenes.
    pub(crate) inbox: Arc<Inbox>,
    /// The program.
    pub(crate) program: Program,
    /// The database.
    pub(crate) pool: PgPool,
    /// The program's configuration.
    pub(crate) config: PathBuf,
    /// What the demo calls it.
    pub(crate) name: &'static str,
    /// Where the demo's files are.
    pub(crate) folder: PathBuf,
    /// Its exchanges and queues...
    pub(crate) names: Names,
    /// ...on this broker.
    pub(crate) amqp_url: String,
    /// The name of the database.
    pub(crate) database: String,
}

impl Scene {
    /// Writes a file of the demo's own, and returns its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> anyhow::Result<String> {
        let path = self.folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path.display().to_string())
    }

    /// Publishes events.
    pub(crate) async fn publish(&self, options: &[&str], files: &[String]) -> anyhow::Result<()> {
        let mut arguments = vec!["publish"];
        arguments.extend(options);
        arguments.extend(files.iter().map(String::as_str));
        self.program.run(&arguments).await.map(drop)
    }

    /// Lets the program do all it can at a moment; returns what it says of that.
    pub(crate) async fn drain(&self, now: DateTime<Utc>) -> anyhow::Result<String> {
        let printed = self.program.run(&["drain", "--now", &instant(now)]).await?;
        Ok(format!("drain: {}", printed.lines().next().unwrap_or_default()))
    }

    /// The mails that came after the first `seen`, and which kind the program says they are of.
    pub(crate) async fn letters(&self, seen: usize) -> anyhow::Result<Vec<Letter>> {
        let kinds: Vec<(String, String)> =
            sqlx::query_as("select trim(message_id, '<>'), kind from mails").fetch_all(&self.pool).await?;
        let kinds = kinds.into_iter().collect();
        Ok(self.inbox.entries().iter().skip(seen).map(|entry| Letter::read(entry, &kinds)).collect())
    }

    /// What was set aside.
    pub(crate) async fn dead_letters(&self) -> anyhow::Result<Vec<broker::DeadLetter>> {
        broker::dead_letters(&self.amqp_url, &self.names).await
    }

    /// Makes the database.
    pub(crate) async fn make_database(&self, server: &mut PgConnection) -> anyhow::Result<()> {
        sqlx::query(AssertSqlSafe(format!("create database {}", self.database)))
            .execute(server)
            .await
            .context("cannot make a database on the server of DATABASE_URL; its user needs CREATEDB")?;
        Ok(())
    }

    /// Removes the database and the queues.
    pub(crate) async fn clear(self, server: &mut PgConnection) -> anyhow::Result<()> {
        self.pool.close().await;
        let queues = broker::remove(&self.amqp_url, &self.names).await;
        sqlx::query(AssertSqlSafe(format!("drop database {} with (force)", self.database)))
            .execute(server)
            .await
            .with_context(|| format!("cannot remove the database {}", self.database))?;
        queues
    }
}

/// A moment as the program takes and prints it.
pub(crate) fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
