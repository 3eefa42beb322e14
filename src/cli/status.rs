//! `status`: is all well, and if not, what is to be done? And how things stand.

mod findings;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::{Value, json};

use crate::cli::ledger::minute;
use crate::cli::pause::told;
use crate::cli::say;
use crate::clock::Clock;
use crate::config::Config;
use crate::daemon::clocks;
use crate::domain::bounce::COUNTED_FOR;
use crate::domain::breaker::State;
use crate::domain::cadence::{Cadence, ScheduleName};
use crate::domain::chore::Chore;
use crate::domain::rhythm::next_tick;
use crate::intake::queue::Session;
use crate::store::breakers::Kept;
use crate::store::chores::Standing;
use crate::store::vitals::{self, Vitals};
use crate::store::{self, digests, letters, returns, settings, status, stops, suppressions};
use findings::{Finding, Sight, findings};

/// How it is printed.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Manner {
    /// As JSON.
    #[arg(long)]
    json: bool,
    /// Again and again, until Ctrl-C: every 5 seconds, or as often as this says.
    #[arg(long, value_name = "TIME", num_args = 0..=1, default_missing_value = "5s", value_parser = humantime::parse_duration)]
    watch: Option<Duration>,
}

/// Prints the state of the queue, the tables and the mails, and whether all is
/// well: then the exit code is 0, else 1.
///
/// # Errors
///
/// When PostgreSQL is away, and it is not to be repeated. A broker that is away is part of the answer.
pub(super) async fn status(config: &Config, manner: Manner) -> anyhow::Result<ExitCode> {
    let Some(every) = manner.watch else {
        let seen = Seen::now(config).await?;
        manner.print(&seen, config);
        return Ok(ExitCode::from(u8::from(!seen.findings.is_empty())));
    };
    loop {
        let seen = Seen::now(config).await;
        if std::io::stdout().is_terminal() {
            // Clears the screen (ECMA-48: ED, CUP).
            say("\x1b[2J\x1b[H");
        }
        match seen {
            Ok(seen) => manner.print(&seen, config),
            Err(error) => manner.print_blind(&error),
        }
        tokio::time::sleep(every).await;
    }
}

impl Manner {
    fn print(self, seen: &Seen, config: &Config) {
        if self.json {
            say(format_args!("{:#}", seen.value()));
        } else {
            seen.lines(config).iter().for_each(say);
        }
    }

    /// What there is to be said while nothing can be seen.
    fn print_blind(self, error: &anyhow::Error) {
        let finding = Finding {
            what: format!("{error:#}"),
            remedy: "what else there is to say is seen when this is mended".to_owned(),
        };
        if self.json {
            say(format_args!("{:#}", json!({ "well": false, "findings": [finding] })));
        } else {
            finding.lines().iter().for_each(say);
        }
    }
}

/// How things stand.
struct Seen {
    now: DateTime<Utc>,
    vitals: Vitals,
    findings: Vec<Finding>,
    queue: Result<(u32, u32), String>,
    standing: status::Standing,
    endings: Vec<(String, i64)>,
    letters: letters::Standing,
    stops: stops::Counted,
    returned: Vec<(String, i64)>,
    suppressed: Vec<(String, i64)>,
    paused: Option<settings::Paused>,
    /// When each chore is to run next.
    next: Vec<(Chore, Option<DateTime<Utc>>)>,
    /// How far the machine's clock is ahead of the database's.
    ahead: TimeDelta,
    digests: Vec<Digests>,
}

impl Seen {
    async fn now(config: &Config) -> anyhow::Result<Self> {
        let mut connection = store::connect(config.database.url.expose()).await?;
        store::check_schema(&mut connection).await?;
        let now = Clock::System.now();
        let ahead = clocks::ahead(&mut connection).await?;
        let vitals = vitals::read(&mut connection, now).await?;
        let queue = match Session::open(&config.amqp).await {
            Ok(session) => session.waiting().await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let next = next(config, &vitals.chores, now);
        let overdue =
            next.iter().filter_map(|(chore, at)| Some((chore.name(), at.filter(|at| *at < now)?))).collect();
        let queued = queue.as_ref().copied().map_err(String::as_str);
        let sight = Sight { vitals: &vitals, queue: queued, overdue, ahead, now };
        let month_ago = (now - COUNTED_FOR).date_naive();
        Ok(Self {
            findings: findings(&sight),
            standing: status::standing(&mut connection, now).await?,
            endings: status::endings(&mut connection).await?,
            letters: letters::standing(&mut connection, now).await?,
            stops: stops::counted(&mut connection).await?,
            returned: returns::counted(&mut connection, month_ago).await?,
            suppressed: suppressions::counted(&mut connection).await?,
            paused: settings::paused(&mut connection).await?,
            digests: Digests::of_all(config, &digests::last(&mut connection).await?, now),
            now,
            vitals,
            queue,
            next,
            ahead,
        })
    }

    fn value(&self) -> Value {
        let queue = match &self.queue {
            Ok((waiting, dead)) => json!({ "waiting": waiting, "deadLetters": dead }),
            Err(error) => json!({ "error": error }),
        };
        let numbers = &self.vitals.numbers;
        let left_alone: Vec<Value> = left_alone(&self.vitals).map(value).collect();
        json!({
            "well": self.findings.is_empty(), "findings": self.findings,
            "queue": queue, "standing": self.standing, "endings": by_name(&self.endings),
            "promises": { "owed": numbers.owed, "broken": numbers.broken },
            "unaccounted": numbers.unaccounted,
            "missing": numbers.missing,
            "feed": { "lastEventAt": numbers.last_event_at, "latenessSeconds": numbers.lateness },
            "letters": self.letters, "stops": self.stops,
            "digests": self.digests,
            "housekeeping": self.chores().map(|chore| chore.value()).collect::<Vec<_>>(),
            "returned": by_name(&self.returned), "suppressed": by_name(&self.suppressed),
            "paused": self.paused, "leftAlone": left_alone,
            "clockAheadMilliseconds": self.ahead.num_milliseconds(),
        })
    }

    fn lines(&self, config: &Config) -> Vec<String> {
        let mut lines = Vec::new();
        if self.findings.is_empty() {
            lines.push("WELL         nothing is to be done".to_owned());
        }
        lines.extend(self.findings.iter().flat_map(Finding::lines));
        if let Some(paused) = &self.paused {
            lines.push(format!(
                "STOPPED      no mail leaves: {}; see `jobalerts resume --look`",
                told(paused)
            ));
        }
        lines.push(match &self.queue {
            Ok((waiting, dead)) => format!("queue        {waiting} waiting, {dead} dead letters"),
            Err(error) => format!("queue        unknown: {error}"),
        });
        self.road(&mut lines);
        lines.push(self.feed());
        let labelled = |label: &'static str, texts: Vec<String>| {
            let line = move |(index, text)| format!("{:<13}{text}", if index == 0 { label } else { "" });
            texts.into_iter().enumerate().map(line)
        };
        lines.extend(labelled("left alone", left_alone(&self.vitals).map(line).collect()));
        lines.push(format!("returned     {} in 30 days", in_words(&self.returned)));
        lines.push(format!("suppressed   {}", in_words(&self.suppressed)));
        lines.extend(labelled("digests", self.digests.iter().map(Digests::line).collect()));
        lines.extend(labelled("housekeeping", self.chores().map(|chore| chore.line()).collect()));
        let today = self.now.with_timezone(&config.time.zone).date_naive();
        lines.push(match &config.templates.folder {
            None => "templates    those that are shipped".to_owned(),
            Some(folder) => {
                format!("templates    those of {}, and else those that are shipped", folder.display())
            }
        });
        let ahead = self.ahead.num_milliseconds();
        let side = if ahead < 0 { "behind" } else { "ahead of" };
        lines.push(format!("clock        {} ms {side} the database's", ahead.abs()));
        lines.extend(labelled("calendar", config.time.calendar.calendar.warnings(today)));
        lines
    }

    /// The road, stage by stage.
    fn road(&self, lines: &mut Vec<String>) {
        let Self { standing, stops, letters, now, .. } = self;
        lines.push(format!(
            "openings     {} known, {} to match, from {} events",
            standing.openings, standing.openings_to_match, standing.events
        ));
        if standing.openings_set_aside > 0 {
            lines.push(format!("             {} set aside; the log says why", standing.openings_set_aside));
        }
        lines.push(format!(
            "people       {}, with {} searches and {} registrations",
            standing.subscribers, standing.searches, standing.registrations
        ));
        lines.push(format!(
            "stops        {} of everything, {} of what a mail was about, {} undone; {} people stay stopped",
            stops.all, stops.these, stops.undone, stops.people
        ));
        let numbers = &self.vitals.numbers;
        lines.push(format!(
            "promises     {} owed, {} broken and not explained; see `jobalerts ledger`",
            numbers.owed, numbers.broken
        ));
        let oldest = standing.oldest_due_at.map_or(String::new(), |due| {
            format!(" (the oldest for {} s)", (*now - due).num_seconds().max(0))
        });
        lines.push(format!(
            "alerts       {} due{oldest}, {} due later, {} told, {} ended without a word",
            standing.alerts_due, standing.alerts_waiting, standing.alerts_told, standing.alerts_ended
        ));
        lines.extend(self.endings.iter().map(|(reason, count)| format!("             {count} {reason}")));
        lines.push(format!(
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
            lines.push(format!(
                "             {unknown} nobody knows whether they arrived, see `jobalerts unknown list`"
            ));
        }
        if standing.mails_withheld > 0 {
            lines.push(format!("             {} withheld, by smtp.only_to", standing.mails_withheld));
        }
        lines.push(format!(
            "letters      {} due, {} due later, {} sent, {} not to be sent",
            letters.due, letters.waiting, letters.sent, letters.ended
        ));
    }

    fn feed(&self) -> String {
        let numbers = &self.vitals.numbers;
        match (numbers.last_event_at, numbers.lateness) {
            (Some(at), Some(lateness)) => {
                format!("feed         last event {}, {lateness:.0} s after its own time", minute(at))
            }
            _ => "feed         no event yet".to_owned(),
        }
    }

    fn chores(&self) -> impl Iterator<Item = Housekeeping<'_>> {
        self.next.iter().map(|(chore, next)| Housekeeping {
            chore: *chore,
            standing: standing(&self.vitals.chores, *chore),
            next: *next,
        })
    }
}

fn standing(standings: &[Standing], chore: Chore) -> Option<&Standing> {
    standings.iter().find(|standing| standing.chore == chore.name())
}

/// When each chore is to run next.
fn next(config: &Config, standings: &[Standing], now: DateTime<Utc>) -> Vec<(Chore, Option<DateTime<Utc>>)> {
    let next = |chore: Chore| {
        let after = standing(standings, chore).map_or(now, |known| known.tick_at.unwrap_or(known.since));
        next_tick(config.housekeeping.schedule(chore).schedule(), config.time.zone, after)
    };
    Chore::ALL.into_iter().map(|chore| (chore, next(chore))).collect()
}

/// The providers and relays that nothing goes to.
fn left_alone(vitals: &Vitals) -> impl Iterator<Item = &Kept> {
    vitals.breakers.iter().filter(|kept| kept.breaker.state != State::Closed)
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

fn by_name(counts: &[(String, i64)]) -> Value {
    counts
        .iter()
        .map(|(name, count)| (name.clone(), Value::from(*count)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// As in `3 bounce, 1 complaint`.
fn in_words(counts: &[(String, i64)]) -> String {
    let each: Vec<String> = counts.iter().map(|(name, count)| format!("{count} {name}")).collect();
    if each.is_empty() { "none".to_owned() } else { each.join(", ") }
}

/// The digests of one schedule.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Digests {
    schedule: String,
    /// When a mail server last took one, as far as it is known.
    last_at: Option<DateTime<Utc>>,
    /// When the schedule runs next; people may have chosen another time of theirs.
    next_at: Option<DateTime<Utc>>,
}

impl Digests {
    fn of_all(config: &Config, last: &[(String, DateTime<Utc>)], now: DateTime<Utc>) -> Vec<Self> {
        let rhythm = config.rhythm();
        let of = |schedule: ScheduleName| Self {
            schedule: schedule.to_string(),
            last_at: last.iter().find(|(name, _)| *name == schedule.as_str()).map(|(_, at)| *at),
            next_at: rhythm.due(Cadence::scheduled(schedule), now),
        };
        rhythm.names().map(of).collect()
    }

    fn line(&self) -> String {
        let last = self.last_at.map_or_else(|| "none yet".to_owned(), |at| format!("last {}", minute(at)));
        format!("{}: {last}; next {}", self.schedule, self.next_at.map_or_else(|| "-".to_owned(), minute))
    }
}

/// How a chore stands.
struct Housekeeping<'a> {
    chore: Chore,
    standing: Option<&'a Standing>,
    /// When it is to run next; a time that has passed is being caught up.
    next: Option<DateTime<Utc>>,
}

impl Housekeeping<'_> {
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
