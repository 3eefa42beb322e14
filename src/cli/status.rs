//! `status`: how things stand.

use serde_json::json;

use crate::cli::say;
use crate::clock::Clock;
use crate::config::Config;
use crate::intake::queue::Session;
use crate::store::{self, status};

/// Prints the state of the queue, the tables and the mails.
///
/// # Errors
///
/// When PostgreSQL is away. A broker that is away is part of the answer.
pub(super) async fn status(config: &Config, as_json: bool) -> anyhow::Result<()> {
    let mut connection = store::connect(config.database.url.expose()).await?;
    store::check_schema(&mut connection).await?;
    let now = Clock::System.now();
    let standing = status::standing(&mut connection, now).await?;
    let endings = status::endings(&mut connection).await?;
    let queue = match Session::open(&config.amqp).await {
        Ok(session) => session.waiting().await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    if as_json {
        let queue = match &queue {
            Ok((waiting, dead)) => json!({ "waiting": waiting, "deadLetters": dead }),
            Err(error) => json!({ "error": error }),
        };
        let endings: serde_json::Map<_, _> =
            endings.into_iter().map(|(reason, count)| (reason, count.into())).collect();
        say(format_args!("{:#}", json!({ "queue": queue, "standing": standing, "endings": endings })));
        return Ok(());
    }
    match &queue {
        Ok((waiting, dead)) => say(format_args!("queue        {waiting} waiting, {dead} dead letters")),
        Err(error) => say(format_args!("queue        unknown: {error}")),
    }
    say(format_args!(
        "openings     {} known, {} to match, from {} events",
        standing.openings, standing.openings_to_match, standing.events
    ));
    if standing.openings_set_aside > 0 {
        say(format_args!("             {} set aside; the log says why", standing.openings_set_aside));
    }
    say(format_args!(
        "people       {}, with {} searches and {} registrations",
        standing.subscribers, standing.searches, standing.registrations
    ));
    let oldest = standing
        .oldest_due_at
        .map_or(String::new(), |due| format!(" (the oldest for {} s)", (now - due).num_seconds().max(0)));
    say(format_args!(
        "alerts       {} due{oldest}, {} due later, {} told, {} ended without a word",
        standing.alerts_due, standing.alerts_waiting, standing.alerts_told, standing.alerts_ended
    ));
    for (reason, count) in endings {
        say(format_args!("             {count} {reason}"));
    }
    say(format_args!(
        "mails        {} accepted, {} in hand, {} deferred, {} refused, {} given up, {} held",
        standing.mails_accepted,
        standing.mails_in_hand,
        standing.mails_deferred,
        standing.mails_refused,
        standing.mails_given_up,
        standing.mails_held
    ));
    Ok(())
}
