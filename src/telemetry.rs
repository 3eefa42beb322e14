//! The log: for people at a terminal, as JSON elsewhere. It goes to standard
//! error, so that standard output stays the result of a command. No address, name
//! or subject line is ever in it.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Starts the log.
///
/// The libraries below us are kept to warnings: some would log what passes
/// through them.
///
/// # Errors
///
/// When the levels cannot be read, or a log was started before.
pub fn start(settings: &Log) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(format!(
        "{},lapin=error,sqlx=warn,lettre=off,handlebars=warn,hyper=warn,axum=warn,multer=off,rustls=warn",
        settings.level
    ))?;
    let human = match settings.format {
        LogFormat::Human => true,
        LogFormat::Json => false,
        LogFormat::Auto => std::io::stderr().is_terminal(),
    };
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started =
        if human { log.with_target(false).try_init() } else { log.json().flatten_event(true).try_init() };
    started.map_err(|error| anyhow::anyhow!("starting the log: {error}"))
}
