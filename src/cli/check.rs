//! `check`: every mistake at once.

use std::process::ExitCode;
use std::sync::Arc;

use crate::broker::BrokerError;
use crate::cli::{EXIT_CONFIG, say};
use crate::compose::{Composer, Sender};
use crate::config::{Config, Problems};
use crate::daemon;
use crate::delivery::smtp::Relay;
use crate::domain::cadence::next_tick;
use crate::intake::queue::Session;
use crate::outcomes;
use crate::store;

/// Checks everything and prints what is wrong.
///
/// # Errors
///
/// Never; what is wrong is in the exit code.
pub(super) async fn check(
    examined: Result<(Config, Option<Problems>), Problems>,
    connect: bool,
    show: bool,
) -> anyhow::Result<ExitCode> {
    let mut mistakes = Vec::new();
    let config = match examined {
        Ok((config, problems)) => {
            mistakes.extend(problems.iter().flat_map(Problems::iter).map(ToString::to_string));
            Some(config)
        }
        Err(problems) => {
            mistakes.extend(problems.iter().map(ToString::to_string));
            None
        }
    };
    let sound = mistakes.is_empty();
    if let Some(config) = &config {
        match daemon::taxonomy(config) {
            Err(error) => mistakes.extend(format!("{error:#}").lines().map(str::to_owned)),
            Ok(taxonomy) => {
                if let Err(problems) = Composer::new(Sender::from(config), Arc::new(taxonomy)) {
                    mistakes.extend(problems.iter().map(ToString::to_string));
                }
            }
        }
        match Relay::new(&config.smtp) {
            Err(error) => mistakes.push(error.to_string()),
            Ok(relay) if connect && sound => mistakes.extend(try_connections(config, &relay).await),
            Ok(_) => {}
        }
        if show && sound {
            say(format_args!("{}", config.show()));
        }
    }
    for mistake in &mistakes {
        say(format_args!("{mistake}"));
    }
    if !mistakes.is_empty() {
        let unproven = if connect && !sound { " The servers were not tried." } else { "" };
        say(format_args!("{} to mend.{unproven}", counted(mistakes.len(), "mistake")));
        return Ok(ExitCode::from(EXIT_CONFIG));
    }
    say(format_args!("Configuration, taxonomy and templates are good."));
    if let Some(config) = &config {
        say_schedules(config);
    }
    Ok(ExitCode::SUCCESS)
}

/// When the next digests leave, so that a wrong schedule is seen before it runs.
fn say_schedules(config: &Config) {
    let zone = config.time.zone;
    let mut now = crate::clock::Clock::System.now();
    for (name, expression) in [("daily", &config.schedules.daily), ("weekly", &config.schedules.weekly)] {
        let mut ticks = Vec::new();
        let start = now;
        while ticks.len() < 3
            && let Some(tick) = next_tick(expression.schedule(), zone, now)
        {
            ticks.push(format!(
                "{} ({})",
                tick.with_timezone(&zone).format("%a %d %b %Y %H:%M %Z"),
                tick.format("%H:%M UTC")
            ));
            now = tick;
        }
        now = start;
        say(format_args!("schedules.{name} {}: next {}", expression.as_str(), ticks.join(", ")));
    }
}

/// What is wrong with each of the three servers, tried one after the other.
async fn try_connections(config: &Config, relay: &Relay) -> Vec<String> {
    let mut mistakes = Vec::new();
    match try_database(config).await {
        Ok(()) => say(format_args!("database.url: PostgreSQL answers, and its tables are this program's.")),
        Err(error) => mistakes.push(format!("database.url ({}): {error}", config.database.url.redacted())),
    }
    match Session::open(&config.amqp).await {
        Ok(_) => say(format_args!("amqp.url: RabbitMQ answers, and its queues are as declared.")),
        Err(error) => mistakes.push(format!("amqp.url ({}): {error}", config.amqp.url.redacted())),
    }
    // What is wrong with the whole broker has been said.
    if let Err(error @ BrokerError::Mismatch { .. }) = outcomes::open(&config.amqp).await {
        mistakes.push(format!("amqp.outcomes_exchange: {error}"));
    }
    match relay.connect().await {
        Ok(line) => {
            line.quit().await;
            say(format_args!("smtp.url: the mail server answers."));
        }
        Err(error) => mistakes.push(format!("smtp.url: {error}")),
    }
    mistakes
}

async fn try_database(config: &Config) -> store::Result<()> {
    store::check_schema(&mut store::connect(config.database.url.expose()).await?).await
}

/// `1 mistake`, `2 mistakes`.
pub(super) fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
