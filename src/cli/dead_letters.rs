//! `dead-letters`: what was set aside, and what becomes of it.

use std::collections::BTreeSet;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use anyhow::bail;
use serde_json::{Value, json};

use crate::broker::Message;
use crate::cli::check::counted;
use crate::cli::{ask, say};
use crate::config::Config;
use crate::intake::dead_letters::{DeadLetter, DeadLetters, Fate, Named};

/// Which of them.
#[derive(Debug, clap::Args)]
#[group(id = "dead", required = true, multiple = false)]
pub(super) struct Which {
    /// Their keys, as listed.
    #[arg(value_name = "KEY", group = "dead")]
    keys: Vec<String>,
    /// All that were set aside for this reason, a code as listed.
    #[arg(long, value_name = "REASON", group = "dead")]
    reason: Option<String>,
    /// All of them.
    #[arg(long, group = "dead")]
    all: bool,
}

impl Which {
    fn names(&self, letter: &DeadLetter) -> bool {
        self.all || self.reason.as_deref() == Some(&letter.reason) || self.keys.contains(&letter.key)
    }
}

/// Lists them, oldest first.
///
/// # Errors
///
/// When RabbitMQ is away.
pub(super) async fn list(config: &Config, as_json: bool) -> anyhow::Result<ExitCode> {
    let letters = all(config).await?;
    if as_json {
        say(format_args!("{:#}", json!({ "deadLetters": letters })));
        return Ok(ExitCode::SUCCESS);
    }
    if letters.is_empty() {
        say("There are no dead letters.");
    }
    for letter in letters {
        let since = letter.since.as_deref().unwrap_or("at an unknown time");
        let event = letter.event.as_ref().map(named).unwrap_or_default();
        let detail = letter.detail.as_deref().unwrap_or("set aside by the broker itself");
        say(format_args!("{}  {since}  {}: {detail}{event}", letter.key, letter.reason));
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows one with all that came.
///
/// # Errors
///
/// When RabbitMQ is away, or it is not there.
pub(super) async fn show(config: &Config, key: &str, raw: bool) -> anyhow::Result<ExitCode> {
    let mut found: Option<(DeadLetter, Message)> = None;
    DeadLetters::open(&config.amqp)
        .await?
        .each(|letter, message| {
            if letter.key == key && found.is_none() {
                found = Some((letter.clone(), message.clone()));
            }
            Fate::Stays
        })
        .await?;
    let Some((letter, message)) = found else { return Err(nobody(key)) };
    if raw {
        // A reader that has gone has read all it wanted.
        let _ = std::io::stdout().write_all(&message.body);
        return Ok(ExitCode::SUCCESS);
    }
    let body = match serde_json::from_slice::<Value>(&message.body) {
        Ok(value) => value,
        Err(_) => Value::String(String::from_utf8_lossy(&message.body).into_owned()),
    };
    let whole = json!({
        "deadLetter": letter,
        "contentType": message.content_type,
        "headers": message.headers,
        "body": body,
    });
    say(format_args!("{whole:#}"));
    Ok(ExitCode::SUCCESS)
}

/// Has some taken in once more, or throws them away after it was confirmed.
///
/// # Errors
///
/// When RabbitMQ is away, or one of them is not there; then nothing is done.
pub(super) async fn decide(
    config: &Config,
    fate: Fate,
    which: &Which,
    confirmed: Option<u64>,
) -> anyhow::Result<ExitCode> {
    let chosen: Vec<DeadLetter> =
        all(config).await?.into_iter().filter(|letter| which.names(letter)).collect();
    let known: BTreeSet<&str> = chosen.iter().map(|letter| letter.key.as_str()).collect();
    if let Some(key) = which.keys.iter().find(|key| !known.contains(key.as_str())) {
        return Err(nobody(key));
    }
    if fate == Fate::Discarded && !chosen.is_empty() {
        confirm(chosen.len(), confirmed)?;
    }
    // Only these: what came since then was not asked about.
    let mut left: Vec<String> = chosen.into_iter().map(|letter| letter.key).collect();
    let done = DeadLetters::open(&config.amqp)
        .await?
        .each(|letter, _| match left.iter().position(|key| *key == letter.key) {
            Some(place) => {
                left.swap_remove(place);
                fate
            }
            None => Fate::Stays,
        })
        .await?;
    let what = match fate {
        Fate::Replayed => "on the queue again",
        Fate::Discarded => "thrown away",
        Fate::Stays => "left where they are",
    };
    say(format_args!("{}: {what}.", counted(done, "dead letter")));
    Ok(ExitCode::SUCCESS)
}

async fn all(config: &Config) -> anyhow::Result<Vec<DeadLetter>> {
    let mut letters = Vec::new();
    DeadLetters::open(&config.amqp)
        .await?
        .each(|letter, _| {
            letters.push(letter.clone());
            Fate::Stays
        })
        .await?;
    Ok(letters)
}

/// Has it confirmed, beforehand or at the terminal, that so many are thrown away.
fn confirm(chosen: usize, confirmed: Option<u64>) -> anyhow::Result<()> {
    let (many, chosen) = (counted(chosen, "dead letter"), u64::try_from(chosen)?);
    let confirmed = match confirmed {
        Some(confirmed) => confirmed,
        None if std::io::stdin().is_terminal() => ask(chosen, &format!("throw {many} away for good"))?,
        None => bail!("not confirmed: add --letters {chosen} to throw {many} away for good"),
    };
    anyhow::ensure!(
        confirmed == chosen,
        "{confirmed} were confirmed, and these are {many}; nothing has changed"
    );
    Ok(())
}

fn named(Named { kind, id, subject }: &Named) -> String {
    let about = subject.as_ref().map(|subject| format!(" about {subject}")).unwrap_or_default();
    format!(" ({kind}{about}, event {id})")
}

fn nobody(key: &str) -> anyhow::Error {
    anyhow::anyhow!("there is no dead letter {key}; `jobalerts dead-letters list` names those that are there")
}
