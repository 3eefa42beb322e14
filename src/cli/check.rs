//! `check`: every mistake at once.

use std::process::ExitCode;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::broker::{self, BrokerError};
use crate::cli::{EXIT_CONFIG, dns, say};
use crate::clock::Clock;
use crate::compose::{Composer, Sender};
use crate::config::{Config, Examined, Problems, Relays};
use crate::daemon;
use crate::delivery::smtp::{Relay, RelayError};
use crate::domain::cadence::Cadence;
use crate::domain::chore::Chore;
use crate::domain::rhythm::next_tick;
use crate::domain::token::TokenKeys;
use crate::intake::queue::Session;
use crate::outcomes;
use crate::store::{self, subscribers};

/// Checks everything and prints what is wrong.
///
/// # Errors
///
/// Never; what is wrong is in the exit code.
pub(super) async fn check(
    examined: Examined,
    connect: bool,
    show: bool,
    dns: bool,
) -> anyhow::Result<ExitCode> {
    let mut mistakes = Vec::new();
    let mut own_templates = Vec::new();
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
                let keys = config.secrets.keys_of_tokens().cloned().unwrap_or_else(|missing| {
                    mistakes.push(missing.to_string());
                    TokenKeys::passing(&mut rand::rng())
                });
                let folder = config.templates.folder.as_deref();
                match Composer::new(Sender::new(config, keys), Arc::new(taxonomy), folder) {
                    Ok(composer) => own_templates = composer.own_templates().to_vec(),
                    Err(problems) => mistakes.extend(problems.iter().map(ToString::to_string)),
                }
            }
        }
        match relays(config) {
            Err(error) => mistakes.push(error.to_string()),
            Ok(relays) if connect && sound => mistakes.extend(try_connections(config, &relays).await),
            Ok(_) => {}
        }
        if let Err(error) = broker::authority(&config.amqp) {
            mistakes.push(error.to_string());
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
    for line in of_templates(&own_templates) {
        say(line);
    }
    if let Some(config) = &config {
        if dns {
            dns::records(config).iter().for_each(say);
        }
        let now = Clock::System.now();
        for line in schedules(config, now) {
            say(line);
        }
        if !config.smtp.only_to.is_everybody() {
            say("Warning: smtp.only_to: only the addresses that are listed there get mail.");
        }
        if let Some(warning) = nobody_is_forgotten(config) {
            say(warning);
        }
        for (key, exposed) in config.in_the_open() {
            say(format_args!("Warning: {key}: {exposed}."));
        }
        for warning in
            config.time.calendar.calendar.warnings(now.with_timezone(&config.time.zone).date_naive())
        {
            say(format_args!("Warning: time.calendar: {warning}."));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// That who stops cannot be forgotten, if so.
fn nobody_is_forgotten(config: &Config) -> Option<String> {
    let no_key = config.secrets.keys_of_addresses().err()?;
    let kept = config.housekeeping.keep_stopped;
    Some(format!(
        "Warning: {no_key}. Without it nobody who stops or complains is forgotten after {kept} \
         (housekeeping.keep_stopped), because an old list could bring them back, and nothing follows from mails that \
         come back."
    ))
}

/// Which templates are an operator's own.
fn of_templates(own: &[String]) -> Vec<String> {
    let mut lines = Vec::new();
    if !own.is_empty() {
        lines.push(format!("templates.folder: {} in effect:", counted(own.len(), "file")));
        lines.extend(own.iter().map(|name| format!("  {name}.hbs")));
    }
    lines
}

/// When the next mails of each schedule leave and when chores run, so that a
/// wrong one is seen before it does.
fn schedules(config: &Config, now: DateTime<Utc>) -> Vec<String> {
    let rhythm = config.rhythm();
    let zone = config.time.zone;
    let line = |tick: DateTime<Utc>| {
        let local = tick.with_timezone(&zone).format("%a %d %b %Y %H:%M:%S %Z");
        format!("  {local} ({})", tick.format("%a %H:%M:%S UTC"))
    };
    let mut lines = Vec::new();
    for (name, times) in config.schedules.iter() {
        let days = if times.working_days { " on working days" } else { "" };
        lines.push(format!("schedules.{name} = {:?}{days}; the next three times:", times.cron.as_str()));
        let after = |then: &DateTime<Utc>| rhythm.due(Cadence::scheduled(name), *then);
        lines.extend(std::iter::successors(Some(now), after).skip(1).take(3).map(line));
    }
    for chore in Chore::ALL {
        let cron = config.housekeeping.schedule(chore);
        let key = chore.name().replace('-', "_");
        lines.push(format!("housekeeping.{key} = {:?}; the next three times:", cron.as_str()));
        let after = |then: &DateTime<Utc>| next_tick(cron.schedule(), zone, *then);
        lines.extend(std::iter::successors(Some(now), after).skip(1).take(3).map(line));
    }
    lines
}

/// The mail servers, each with the key of its URL.
fn relays(config: &Config) -> Result<Vec<(String, Relay)>, RelayError> {
    let servers = config.mail_servers().into_iter().map(|(name, settings)| {
        let key = if name == Relays::FIRST { "smtp.url".to_owned() } else { format!("relays.{name}") };
        Ok((key, Relay::new(&settings)?))
    });
    servers.collect()
}

/// What is wrong with each of the servers, tried one after the other.
async fn try_connections(config: &Config, relays: &[(String, Relay)]) -> Vec<String> {
    let mut mistakes = Vec::new();
    match try_database(config).await {
        Ok(strays) => {
            say(format_args!("database.url: PostgreSQL answers, and its tables are this program's."));
            if strays > 0 {
                say(format_args!(
                    "Warning: the schedule of {} is not in the configuration, and they go by schedules.daily. Put it \
                     back under [schedules], or import them with another cadence.",
                    counted(usize::try_from(strays).unwrap_or(usize::MAX), "saved search")
                ));
            }
        }
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
    for (key, relay) in relays {
        match relay.connect().await {
            Ok(line) => {
                line.quit().await;
                say(format_args!("{key}: the mail server answers."));
            }
            Err(error) => mistakes.push(format!("{key}: {error}")),
        }
    }
    mistakes
}

/// Whether the tables are this program's, and how many searches go by a
/// schedule that is gone.
async fn try_database(config: &Config) -> store::Result<i64> {
    let mut connection = store::connect(config.database.url.expose()).await?;
    store::check_schema(&mut connection).await?;
    subscribers::without_schedule(&mut connection, &config.rhythm()).await
}

/// `1 mistake`, `2 mistakes`.
pub(super) fn counted(count: usize, what: &str) -> String {
    let ending = if what.ends_with("ch") { "es" } else { "s" };
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}{ending}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_three_times_are_told_in_local_time_and_utc() {
        let environment = [("JOBALERTS_SCHEDULES__LATE".to_owned(), "0 30 0 * * Sat,Sun".to_owned())];
        let config = Config::load(None, &environment.into()).unwrap();
        let said = schedules(&config, "2024-03-29T12:00:00Z".parse().unwrap());
        assert_eq!(
            said,
            [
                "schedules.daily = \"0 0 8 * * *\"; the next three times:",
                "  Sat 30 Mar 2024 08:00:00 GMT (Sat 08:00:00 UTC)",
                "  Sun 31 Mar 2024 08:00:00 BST (Sun 07:00:00 UTC)",
                "  Mon 01 Apr 2024 08:00:00 BST (Mon 07:00:00 UTC)",
                "schedules.late = \"0 30 0 * * Sat,Sun\"; the next three times:",
                "  Sat 30 Mar 2024 00:30:00 GMT (Sat 00:30:00 UTC)",
                "  Sun 31 Mar 2024 00:30:00 GMT (Sun 00:30:00 UTC)",
                "  Sat 06 Apr 2024 00:30:00 BST (Fri 23:30:00 UTC)",
                "schedules.weekly = \"0 0 8 * * Mon\"; the next three times:",
                "  Mon 01 Apr 2024 08:00:00 BST (Mon 07:00:00 UTC)",
                "  Mon 08 Apr 2024 08:00:00 BST (Mon 07:00:00 UTC)",
                "  Mon 15 Apr 2024 08:00:00 BST (Mon 07:00:00 UTC)",
                "housekeeping.retention = \"0 30 3 * * *\"; the next three times:",
                "  Sat 30 Mar 2024 03:30:00 GMT (Sat 03:30:00 UTC)",
                "  Sun 31 Mar 2024 03:30:00 BST (Sun 02:30:00 UTC)",
                "  Mon 01 Apr 2024 03:30:00 BST (Mon 02:30:00 UTC)",
                "housekeeping.outcomes = \"0 */10 * * * *\"; the next three times:",
                "  Fri 29 Mar 2024 12:10:00 GMT (Fri 12:10:00 UTC)",
                "  Fri 29 Mar 2024 12:20:00 GMT (Fri 12:20:00 UTC)",
                "  Fri 29 Mar 2024 12:30:00 GMT (Fri 12:30:00 UTC)",
                "housekeeping.still_interested = \"0 0 10 * * Mon-Fri\"; the next three times:",
                "  Mon 01 Apr 2024 10:00:00 BST (Mon 09:00:00 UTC)",
                "  Tue 02 Apr 2024 10:00:00 BST (Tue 09:00:00 UTC)",
                "  Wed 03 Apr 2024 10:00:00 BST (Wed 09:00:00 UTC)",
            ]
        );
    }
}
