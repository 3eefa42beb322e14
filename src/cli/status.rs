//! `status`: how things stand.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::cli::ledger::minute;
use crate::cli::pause::told;
use crate::cli::say;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::bounce::COUNTED_FOR;
use crate::domain::breaker::State;
use crate::domain::chore::Chore;
use crate::domain::rhythm::next_tick;
use crate::intake::queue::Session;
use crate::store::breakers::{self, Kept};
use crate::store::chores::{self, Standing};
use crate::store::{self, letters, returns, settings, status, stops, suppressions};

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
    let letters = letters::standing(&mut connection, now).await?;
    let left_alone = left_alone(breakers::all(&mut connection).await?);
    let stops = stops::counted(&mut connection).await?;
    let chores = chores::standing(&mut connection).await?;
    let chores = Housekeeping::all(config, &chores, now);
    let month_ago = (now - COUNTED_FOR).date_naive();
    let returned = returns::counted(&mut connection, month_ago).await?;
    let suppressed = suppressions::counted(&mut connection).await?;
    let paused = settings::paused(&mut connection).await?;
    let queue = match Session::open(&config.amqp).await {
        Ok(session) => session.waiting().await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    if as_json {
        let queue = match &queue {
            Ok((waiting, dead)) => json!({ "waiting": waiting, "deadLetters": dead }),
            Err(error) => json!({ "error": error }),
        };
        let endings = by_name(endings);
        let chores: Vec<Value> = chores.iter().map(Housekeeping::value).collect();
        let all = json!({
            "queue": queue, "standing": standing, "endings": endings, "letters": letters, "stops": stops,
            "housekeeping": chores, "returned": by_name(returned), "suppressed": by_name(suppressed),
            "paused": paused,
            "leftAlone": left_alone.iter().map(value).collect::<Vec<_>>(),
        });
        say(format_args!("{all:#}"));
        return Ok(());
    }
    if let Some(paused) = &paused {
        say(format_args!("STOPPED      no mail leaves: {}; see `jobalerts resume --look`", told(paused)));
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
    say(format_args!(
        "stops        {} of everything, {} of what a mail was about, {} undone; {} people stay stopped",
        stops.all, stops.these, stops.undone, stops.people
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
    if standing.mails_unknown > 0 {
        let unknown = standing.mails_unknown;
        say(format_args!(
            "             {unknown} nobody knows whether they arrived, see `jobalerts unknown list`"
        ));
    }
    if standing.mails_withheld > 0 {
        say(format_args!("             {} withheld, by smtp.only_to", standing.mails_withheld));
    }
    say(format_args!(
        "letters      {} due, {} due later, {} sent, {} not to be sent",
        letters.due, letters.waiting, letters.sent, letters.ended
    ));
    say_left_alone(&left_alone);
    say(format_args!("returned     {} in 30 days", in_words(&returned)));
    say(format_args!("suppressed   {}", in_words(&suppressed)));
    for (index, chore) in chores.iter().enumerate() {
        let label = if index == 0 { "housekeeping" } else { "" };
        say(format_args!("{label:<13}{}", chore.line()));
    }
    Ok(())
}

/// The providers and relays that nothing goes to.
fn left_alone(all: Vec<Kept>) -> Vec<Kept> {
    all.into_iter().filter(|kept| kept.breaker.state != State::Closed).collect()
}

fn say_left_alone(left_alone: &[Kept]) {
    for (index, kept) in left_alone.iter().enumerate() {
        let label = if index == 0 { "left alone" } else { "" };
        say(format_args!("{label:<13}{}", line(kept)));
    }
}

fn line(kept: &Kept) -> String {
    let next = match kept.breaker.state {
        State::Closed => String::new(),
        State::Open { until } => format!("one mail finds out after {}", minute(until)),
        State::Probing { .. } => "one mail is finding out".to_owned(),
    };
    format!("{} since {}: {}; {next}", kept.scope, minute(kept.changed_at), kept.reason)
}

fn value(kept: &Kept) -> Value {
    let until = match kept.breaker.state {
        State::Closed => None,
        State::Open { until } | State::Probing { until } => Some(until),
    };
    json!({
        "scope": kept.scope,
        "state": kept.breaker.name(),
        "until": until,
        "times": kept.breaker.times,
        "reason": kept.reason,
        "since": kept.changed_at,
    })
}

fn by_name(counts: Vec<(String, i64)>) -> Value {
    counts
        .into_iter()
        .map(|(name, count)| (name, Value::from(count)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// As in `3 bounce, 1 complaint`.
fn in_words(counts: &[(String, i64)]) -> String {
    let each: Vec<String> = counts.iter().map(|(name, count)| format!("{count} {name}")).collect();
    if each.is_empty() { "none".to_owned() } else { each.join(", ") }
}

/// How a chore stands.
struct Housekeeping<'a> {
    chore: Chore,
    standing: Option<&'a Standing>,
    /// When it is to run next; a time that has passed is being caught up.
    next: Option<DateTime<Utc>>,
}

impl<'a> Housekeeping<'a> {
    fn all(config: &Config, standings: &'a [Standing], now: DateTime<Utc>) -> Vec<Self> {
        let standing = |chore: Chore| standings.iter().find(|standing| standing.chore == chore.name());
        Chore::ALL.into_iter().map(|chore| Self::of(config, chore, standing(chore), now)).collect()
    }

    fn of(config: &Config, chore: Chore, standing: Option<&'a Standing>, now: DateTime<Utc>) -> Self {
        let after = standing.map_or(now, |standing| standing.tick_at.unwrap_or(standing.since));
        let schedule = config.housekeeping.schedule(chore).schedule();
        Self { chore, standing, next: next_tick(schedule, config.time.zone, after) }
    }

    fn line(&self) -> String {
        let moment = |at: Option<DateTime<Utc>>| at.map_or_else(|| "-".to_owned(), minute);
        let run = self.standing.and_then(|standing| Some((standing, standing.tick_at?)));
        let last = match run {
            None => "has not run yet".to_owned(),
            Some((standing, tick_at)) => {
                let handled = standing.handled.unwrap_or_default();
                let done = match standing.finished_at {
                    Some(at) => format!("done {}, {handled} rows", minute(at)),
                    None => {
                        format!("unfinished since {}, {handled} rows so far", moment(standing.begun_at))
                    }
                };
                format!("last for {}: {done}", minute(tick_at))
            }
        };
        format!("{}: {last}; next {}", self.chore.name(), moment(self.next))
    }

    fn value(&self) -> Value {
        let standing = self.standing;
        let finished_at = standing.and_then(|standing| standing.finished_at);
        json!({
            "chore": self.chore.name(),
            "lastTickAt": standing.and_then(|standing| standing.tick_at),
            "begunAt": standing.and_then(|standing| standing.begun_at),
            "finishedAt": finished_at,
            "unfinishedSince": standing.filter(|_| finished_at.is_none()).and_then(|standing| standing.begun_at),
            "handled": standing.and_then(|standing| standing.handled),
            "nextTickAt": self.next,
        })
    }
}
