//! The log: for people at a terminal, as JSON elsewhere. It goes to standard
//! error, so that standard output stays the result of a command. No address, name
//! or subject line is ever in it.

use std::io::IsTerminal;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use crate::config::{Log, LogFormat};

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

/// Starts the log.
///
/// # Errors
///
/// When the levels cannot be read, or a log was started before.
pub fn start(settings: &Log) -> anyhow::Result<Level> {
    let human = match settings.format {
        LogFormat::Human => true,
        LogFormat::Json => false,
        LogFormat::Auto => std::io::stderr().is_terminal(),
    };
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines =
        if human { lines.with_target(false).boxed() } else { lines.json().flatten_event(true).boxed() };
    let (filter, handle) = reload::Layer::new(filter(settings)?);
    let started = tracing_subscriber::registry().with(filter).with(lines).try_init();
    started.map_err(|error| anyhow::anyhow!("starting the log: {error}"))?;
    Ok(Level(handle))
}

/// The libraries below us are kept to warnings: some would log what passes
/// through them.
fn filter(settings: &Log) -> anyhow::Result<EnvFilter> {
    Ok(EnvFilter::try_new(format!(
        "{},lapin=error,sqlx=warn,lettre=off,handlebars=warn,hyper=warn,axum=warn,multer=off,rustls=warn",
        settings.level
    ))?)
}
