//! The log: for people at a terminal, as entries where the journal reads it, as
//! JSON elsewhere. It goes to standard error, so that standard output stays the
//! result of a command; to the journal by its own protocol. No address, name or
//! subject line is ever in it.

mod journal;

use std::io::{IsTerminal, stderr};
use std::os::fd::AsFd;
use std::path::Path;

use anyhow::Context;

use tracing_subscriber::layer::{Layered, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use crate::config::{Log, LogFormat};
use crate::telemetry::journal::Journal;

/// What is logged, which can change while the program runs.
#[derive(Debug, Clone)]
pub struct Level(reload::Handle<EnvFilter, Registry>);

impl Level {
    /// Logs from now on what these settings say.
    ///
    /// # Errors
    ///
    /// When the levels cannot be read; then nothing changes.
    pub fn set(&self, settings: &Log) -> anyhow::Result<()> {
        Ok(self.0.reload(filter(settings)?)?)
    }
}

/// Starts the log. `journal` is what the service manager says of its journal, in
/// the variable `JOURNAL_STREAM`.
///
/// # Errors
///
/// When the levels cannot be read, there is no journal that is asked for, or a
/// log was started before.
pub fn start(settings: &Log, journal: Option<&str>) -> anyhow::Result<Level> {
    let (filter, handle) = reload::Layer::new(filter(settings)?);
    let output = match settings.format {
        LogFormat::Human => for_people(),
        LogFormat::Journald => as_entries()
            .with_context(|| format!("log.format is \"journald\", and {} takes nothing", journal::SOCKET))?,
        LogFormat::Auto if stderr().is_terminal() => for_people(),
        LogFormat::Auto if journal.is_some_and(is_read_by) => as_entries().unwrap_or_else(|_| as_json()),
        LogFormat::Auto | LogFormat::Json => as_json(),
    };
    let started = tracing_subscriber::registry().with(filter).with(output).try_init();
    started.map_err(|error| anyhow::anyhow!("starting the log: {error}"))?;
    Ok(Level(handle))
}

/// What lines are written by.
type Output = Box<dyn Layer<Filtered> + Send + Sync>;
type Filtered = Layered<reload::Layer<EnvFilter, Registry>, Registry>;

fn for_people() -> Output {
    fmt::layer().with_writer(stderr).with_target(false).boxed()
}

fn as_json() -> Output {
    fmt::layer().with_writer(stderr).json().flatten_event(true).boxed()
}

fn as_entries() -> std::io::Result<Output> {
    Ok(Journal::at(Path::new(journal::SOCKET))?.boxed())
}

/// Whether our standard error is this journal.
fn is_read_by(journal: &str) -> bool {
    journal::is(journal, stderr().as_fd()).unwrap_or(false)
}

/// The libraries below us are kept to warnings: some would log what passes
/// through them.
fn filter(settings: &Log) -> anyhow::Result<EnvFilter> {
    Ok(EnvFilter::try_new(format!(
        "{},lapin=error,sqlx=warn,lettre=off,handlebars=warn,hyper=warn,axum=warn,multer=off,rustls=warn",
        settings.level
    ))?)
}
