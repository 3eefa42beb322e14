//! Reading again while the program runs: the configuration, with the files that it names, and the
//! templates. All of it is tried before any of it takes effect.

use std::sync::Arc;

use crate::config::{Change, Examined, InEffect, Problems};
use crate::delivery::pen::{Pen, composer};
use crate::domain::taxonomy::Taxonomy;
use crate::telemetry::Level;

/// From where the configuration is read again, and what it says of the log.
pub struct Source {
    /// Reads it as at the start, with all mistakes in it.
    pub read: Box<dyn Fn() -> Examined + Send + Sync>,
    /// What is logged.
    pub level: Level,
}

/// What is read again, and for whom.
pub(super) struct Reading {
    pub(super) source: Source,
    pub(super) in_effect: InEffect,
    pub(super) taxonomy: Arc<Taxonomy>,
    /// None where this process writes no mails.
    pub(super) pen: Option<Pen>,
}

impl Reading {
    /// Reads it. If anything is wrong, every mistake is told, and what was in effect stays so.
    pub(super) fn read_again(&self) {
        if let Err(mistakes) = self.try_to_read() {
            for mistake in mistakes {
                tracing::error!(mistake, "SIGHUP: this is wrong");
            }
            tracing::error!("SIGHUP: what was read is refused; what was in effect stays so");
        }
    }

    fn try_to_read(&self) -> Result<(), Vec<String>> {
        let (new, problems) = (self.source.read)().map_err(|problems| said(&problems))?;
        let mut mistakes = problems.as_ref().map(said).unwrap_or_default();
        let Change { config, heeded, waiting } = self.in_effect.now().heeding(&new);
        let composer = match &self.pen {
            Some(_) => composer(&config, &self.taxonomy).map(Some),
            None => Ok(None),
        };
        let composer = composer.unwrap_or_else(|error| {
            mistakes.push(error.to_string());
            None
        });
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        // The last that can fail: from here on all of it takes effect.
        self.source.level.set(&config.log).map_err(|error| vec![format!("log.level: {error}")])?;
        if let (Some(pen), Some(composer)) = (&self.pen, composer) {
            pen.exchange(composer);
        }
        self.in_effect.exchange(config);
        tracing::info!(changed = heeded.join(", "), "SIGHUP: what was read again is in effect");
        if !waiting.is_empty() {
            let settings = waiting.join(", ");
            tracing::warn!(settings, "SIGHUP: these have changed, too; restart to have them take effect");
        }
        Ok(())
    }
}

fn said(problems: &Problems) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}
