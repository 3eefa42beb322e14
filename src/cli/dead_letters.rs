//! `dead-letters`: what was set aside, and what becomes of it.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use anyhow::bail;
use serde_json::{Value, json};

use crate::broker::Message;
use crate::cli::check::counted;
use crate::cli::{ask, say};
use crate::config::Config;
use crate::intake::dead_letters::{DeadLetter, DeadLetters, Fate, Named};

/// What to do.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List them: key, since when, reason, and which event it is if that can be read.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show one of them with all that came.
    Show {
        /// Its key, as listed.
        #[arg(value_name = "KEY")]
        key: String,
        /// Only the body, octet by octet.
        #[arg(long)]
        raw: bool,
    },
    /// Take them in once more, after what was wrong here is mended.
    ///
    /// Each goes to our queue as it came; what is still no good is set aside again. Safe to repeat: an
    /// event that is known already changes nothing.
    Replay(Which),
    /// Throw them away for good, after you have confirmed how many.
    Discard {
        #[command(flatten)]
        which: Which,
        /// Confirm that these are so many; without it, it asks at the terminal.
        #[arg(long, value_name = "NUMBER")]
        letters: Option<u64>,
    },
}

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

/// Does it.
///
/// # Errors
///
/// When RabbitMQ is away, or a letter that is named is not there.
pub(super) async fn run(config: &Config, command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List { json } => list(config, *json).await?,
        Command::Show { key, raw } => show(config, key, *raw).await?,
        Command::Replay(which) => {
            let done = decide(config, Fate::Replayed, chosen(config, which).await?).await?;
            say(format_args!("{}: on the queue again.", counted(done, "dead letter")));
        }
        Command::Discard { which, letters } => {
            let chosen = chosen(config, which).await?;
            if !chosen.is_empty() {
                confirm(chosen.len(), *letters)?;
            }
            let done = decide(config, Fate::Discarded, chosen).await?;
            say(format_args!("{}: thrown away.", counted(done, "dead letter")));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Lists them, oldest first.
async fn list(config: &Config, as_json: bool) -> anyhow::Result<()> {
    let letters = all(config).await?;
    if as_json {
        say(format_args!("{:#}", json!({ "deadLetters": letters })));
        return Ok(());
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
    Ok(())
}

/// Shows one with all that came.
async fn show(config: &Config, key: &str, raw: bool) -> anyhow::Result<()> {
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
        return Ok(());
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
    Ok(())
}

/// The keys of those that are meant, one for each letter.
async fn chosen(config: &Config, which: &Which) -> anyhow::Result<Vec<String>> {
    let all = all(config).await?.into_iter();
    let chosen: Vec<String> = all.filter(|letter| which.names(letter)).map(|letter| letter.key).collect();
    match which.keys.iter().find(|key| !chosen.contains(key)) {
        Some(key) => Err(nobody(key)),
        None => Ok(chosen),
    }
}

/// Does that with these, and not with what came since they were chosen. Returns
/// with how many.
async fn decide(config: &Config, fate: Fate, mut chosen: Vec<String>) -> anyhow::Result<usize> {
    let letters = DeadLetters::open(&config.amqp).await?;
    let done = letters.each(|letter, _| match chosen.iter().position(|key| *key == letter.key) {
        Some(place) => {
            chosen.swap_remove(place);
            fate
        }
        None => Fate::Stays,
    });
    Ok(done.await?)
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
