//! What Prometheus is told: what this process has counted, and what the tables and
//! the queues say.
//!
//! A label is the name of a kind, a stage, an outcome, a provider group of the
//! configuration or a mail server of it; mail domains in no group are `other`. So
//! there are only ever so many, and none says anything of a person.

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use chrono::{DateTime, Utc};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::domain::breaker::State;
use crate::domain::provider::Providers;
use crate::health::Report;
use crate::store::vitals::{Numbers, Vitals};

/// The format of [`Metrics::text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// In whose name all but what Prometheus itself names are.
const PREFIX: &str = "jobalerts";

type Labels = Vec<(&'static str, String)>;
type Value = Gauge<f64, AtomicU64>;

/// What is counted.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    events: Family<Labels, Counter>,
    rejected: Family<Labels, Counter>,
    mails: Family<Labels, Counter>,
}

/// What the queues say: messages that wait on ours, and dead letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queues {
    /// Events to be taken in.
    pub waiting: u32,
    /// Events that a person has to look at.
    pub dead_letters: u32,
}

/// How the connections to Postgres are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolUse {
    /// Of these...
    pub open: u32,
    /// ...so many are idle...
    pub idle: usize,
    /// ...and there may be so many.
    pub most: u32,
}

/// What there is to be said besides what is counted.
#[derive(Debug)]
pub struct View<'a> {
    /// How it goes with the parts of this process.
    pub report: &'a Report,
    /// What the tables say, if they were and could be asked.
    pub tables: Option<&'a Vitals>,
    /// Whether Postgres answers.
    pub database_up: bool,
    /// What the queues say, if they could be asked; none where nobody asks them.
    pub queues: Option<Option<Queues>>,
    /// The connections to Postgres.
    pub pool: PoolUse,
    /// How far our clock is ahead of the database's, in seconds, if that could be asked.
    pub clock_offset: Option<f64>,
    /// The next times of schedules and chores, by name: of chores also those that have passed.
    pub next: &'a [(String, DateTime<Utc>)],
    /// The provider groups of the configuration.
    pub providers: &'a Providers,
    /// Now, by the clock that mails go by.
    pub now: DateTime<Utc>,
}

impl Metrics {
    /// Counts events that were taken in, by what became of them.
    pub fn events(&self, result: &'static str, count: usize) {
        let labels = vec![("result", result.to_owned())];
        self.events.get_or_create(&labels).inc_by(u64::try_from(count).unwrap_or(u64::MAX));
    }

    /// Counts an event that was set aside.
    pub fn rejected(&self, reason: &'static str) {
        self.rejected.get_or_create(&vec![("reason", reason.to_owned())]).inc();
    }

    /// Counts one try of a mail.
    pub fn mail(&self, outcome: &'static str, kind: &'static str, provider: &str) {
        let labels = vec![
            ("outcome", outcome.to_owned()),
            ("kind", kind.to_owned()),
            ("provider", provider.to_owned()),
        ];
        self.mails.get_or_create(&labels).inc();
    }

    /// Everything in the text format of `OpenMetrics`.
    #[must_use]
    pub fn text(&self, view: &View<'_>) -> String {
        let mut registry = Registry::default();
        let ours = registry.sub_registry_with_prefix(PREFIX);
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        ours.register("build", "The program", build);
        ours.register("events", "Events taken in, by what became of them", self.events.clone());
        ours.register("rejected_events", "Events set aside, by the reason", self.rejected.clone());
        ours.register("mails", "Tries of mails, by their outcome", self.mails.clone());
        let mut page = Page(ours);
        page.parts(view.report);
        page.pool(view.pool);
        page.one("database_up", "Whether Postgres answers", truth(view.database_up));
        if let Some(queues) = view.queues {
            page.one("broker_up", "Whether the queues could be asked", truth(queues.is_some()));
        }
        if let Some(queues) = view.queues.flatten() {
            let named = [("events", queues.waiting), ("dead-letters", queues.dead_letters)];
            let named = named.map(|(name, count)| (name.to_owned(), f64::from(count)));
            page.each("queue_messages", "Messages that wait on a queue", "queue", named);
        }
        if let Some(offset) = view.clock_offset {
            page.one("clock_offset_seconds", "How far our clock is ahead of the database's", offset);
        }
        if let Some(tables) = view.tables {
            page.numbers(&tables.numbers, view.now);
            page.one("paused", "Whether an operator has stopped all mails", truth(tables.paused));
            page.breakers(tables, view.providers);
            let done = tables
                .chores
                .iter()
                .filter_map(|chore| Some((chore.chore.clone(), seconds(chore.finished_at?))));
            page.each("chore_done_timestamp_seconds", "When a chore was last done", "chore", done);
        }
        let next = view.next.iter().map(|(name, at)| (name.clone(), seconds(*at)));
        let help = "The next time of a schedule or chore; one that has passed is being made up for";
        page.each("next_tick_timestamp_seconds", help, "schedule", next);
        if let Some(octets) = resident_memory() {
            let memory = Value::default();
            memory.set(octets);
            registry.register("process_resident_memory_bytes", "Resident memory", memory);
        }
        let mut text = String::new();
        // Writing to a text cannot fail.
        let _ = encode(&mut text, &registry);
        text
    }
}

/// What is being said.
struct Page<'a>(&'a mut Registry);

impl Page<'_> {
    fn one(&mut self, name: &str, help: &str, value: f64) {
        let gauge = Value::default();
        gauge.set(value);
        self.0.register(name, help, gauge);
    }

    fn each(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        values: impl IntoIterator<Item = (String, f64)>,
    ) {
        let family = Family::<Labels, Value>::default();
        for (named, value) in values {
            family.get_or_create(&vec![(label, named)]).set(value);
        }
        self.0.register(name, help, family);
    }

    fn parts(&mut self, report: &Report) {
        let parts = || report.parts.iter();
        let well = parts().map(|part| (part.name.to_owned(), truth(part.is_well)));
        self.each("part_well", "Whether a part of the program has what it needs", "part", well);
        let hangs = parts().map(|part| (part.name.to_owned(), truth(part.hangs)));
        self.each("part_hangs", "Whether a part is in one step for longer than it may", "part", hangs);
        let faults = parts().map(|part| (part.name.to_owned(), f64::from(part.faults)));
        self.each("part_faults_in_a_row", "Faults of a part since it last got on", "part", faults);
        let progress = parts().filter_map(|part| {
            Some((part.name.to_owned(), part.progress.as_ref().map(Duration::as_secs_f64)?))
        });
        self.each("part_progress_age_seconds", "How long ago a part last got on", "part", progress);
        self.one("ready", "Whether all parts have what they need", truth(report.is_ready()));
        self.one("live", "Whether no part hangs", truth(report.is_live()));
    }

    fn pool(&mut self, pool: PoolUse) {
        let idle = u32::try_from(pool.idle).unwrap_or(u32::MAX);
        let uses = [("idle", idle), ("busy", pool.open.saturating_sub(idle)), ("most", pool.most)];
        let uses = uses.map(|(name, count)| (name.to_owned(), f64::from(count)));
        self.each("pool_connections", "Connections to Postgres, and how many there may be", "use", uses);
    }

    fn numbers(&mut self, numbers: &Numbers, now: DateTime<Utc>) {
        let promises = [("owed", numbers.owed), ("broken", numbers.broken)].map(named);
        self.each(
            "promises",
            "Promises without an outcome, before and after the door shut",
            "state",
            promises,
        );
        let due = [("at-once", numbers.due_at_once), ("unhurried", numbers.due_unhurried)].map(named);
        self.each("alerts_due", "Alerts whose word is due, counted up to 100000", "urgency", due);
        let waited = |since: Option<DateTime<Utc>>| {
            since.map_or(0.0, |since| float((now - since).num_seconds().max(0)))
        };
        let oldest = [("at-once", numbers.oldest_at_once), ("unhurried", numbers.oldest_unhurried)];
        let oldest = oldest.map(|(name, since)| (name.to_owned(), waited(since)));
        let help = "For how long the longest waiting of the alerts has been due; 0 if none is";
        self.each("oldest_due_seconds", help, "urgency", oldest);
        let help = "Alerts about open doors that were told nothing, are not due and have not ended";
        self.one("unaccounted_alerts", help, float(numbers.unaccounted));
        let help =
            "People who registered for an open programme and of whom nothing is known, as last counted";
        self.one("missing_people", help, float(numbers.missing));
        let openings = [("to-match", numbers.to_match), ("set-aside", numbers.set_aside)].map(named);
        self.each(
            "openings",
            "Openings that matching has yet to look at, and cannot get past",
            "state",
            openings,
        );
        let waiting = [("unknown", numbers.unknown), ("deferred", numbers.deferred)].map(named);
        let help = "Mails of which nobody knows whether they arrived, and mails put off, up to 100000";
        self.each("mails_waiting", help, "state", waiting);
        self.one(
            "outcome_events_waiting",
            "Events for others, not published yet",
            float(numbers.outcome_events),
        );
        if let Some(at) = numbers.last_event_at {
            self.one("last_event_timestamp_seconds", "When the last event came", seconds(at));
        }
        if let Some(lateness) = numbers.lateness {
            self.one("feed_lateness_seconds", "How long after its own time the last event came", lateness);
        }
    }

    /// Domains that are in no group are counted together.
    fn breakers(&mut self, tables: &Vitals, providers: &Providers) {
        let mut shut = BTreeMap::from([("provider/other".to_owned(), 0.0)]);
        for kept in &tables.breakers {
            let scope = match kept.scope.strip_prefix("provider/") {
                Some(provider) if !providers.is_group(provider) => "provider/other",
                _ => &kept.scope,
            };
            *shut.entry(scope.to_owned()).or_default() += truth(kept.breaker.state != State::Closed);
        }
        let help = "Providers and mail servers that nothing goes to just now";
        self.each("breakers_open", help, "scope", shut);
    }
}

fn named((name, count): (&str, i64)) -> (String, f64) {
    (name.to_owned(), float(count))
}

fn truth(is_so: bool) -> f64 {
    if is_so { 1.0 } else { 0.0 }
}

#[expect(clippy::cast_precision_loss, reason = "no count comes near 2^53")]
fn float(count: i64) -> f64 {
    count as f64
}

fn seconds(at: DateTime<Utc>) -> f64 {
    float(at.timestamp())
}

/// As Linux says it; elsewhere, and where it is hidden, nobody knows.
fn resident_memory() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024.0)
}
