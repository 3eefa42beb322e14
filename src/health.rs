//! How it goes with this process: what each of its parts does, since when, and
//! what is wrong. The log tells it as it happens; here it stands as it is now,
//! for whoever asks: the service manager, a load balancer, an operator.
//!
//! Two questions have different answers. *Is it ready?* Not while something it
//! needs is away; it waits and goes on by itself, and to restart it helps nobody.
//! *Does it live?* Not if a part has been in one step for longer than it may: that
//! part hangs, and only a restart helps.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// What a part of the program does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    /// It has not begun.
    Nothing,
    /// It waits, and may for ever: for work, for the tables, for a mail server.
    Waits(&'static str),
    /// It is in a step, since then. This ends, or it hangs.
    Works(Instant),
    /// A fault is waited out; then it tries again.
    Rests,
    /// It has ended, because the program stops.
    Stopped,
}

/// How it goes with one part.
#[derive(Debug, Clone)]
struct Record {
    doing: Doing,
    /// When it last got something done, or got what it needs.
    progress: Option<Instant>,
    /// What is wrong, since its last progress.
    fault: Option<String>,
    /// How often in a row.
    faults: u32,
}

/// How it goes with one part, for whoever asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its name.
    pub name: &'static str,
    /// What it does, in words.
    pub does: String,
    /// What is wrong, in words. No secret and no mail address is in it.
    pub fault: Option<String>,
    /// How many times in a row something was wrong.
    pub faults: u32,
    /// How long ago it last got something done, or got what it needs.
    pub progress: Option<Duration>,
    /// It has what it needs.
    pub is_well: bool,
    /// It has been in one step for longer than it may.
    pub hangs: bool,
}

/// How it goes with all parts at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Part by part, by name.
    pub parts: Vec<Part>,
}

impl Report {
    /// Whether no part hangs.
    #[must_use]
    pub fn is_live(&self) -> bool {
        !self.parts.iter().any(|part| part.hangs)
    }

    /// Whether every part has what it needs.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.is_ready_but_for(&[])
    }

    /// The same, whatever is with these parts.
    #[must_use]
    pub fn is_ready_but_for(&self, names: &[&str]) -> bool {
        let mut counted = self.parts.iter().filter(|part| !names.contains(&part.name));
        !self.parts.is_empty() && counted.all(|part| part.is_well && !part.hangs)
    }
}

/// On one line: what is wrong, or else what runs.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wrong: Vec<String> = self
            .parts
            .iter()
            .filter(|part| part.hangs || !part.is_well)
            .map(|part| {
                let what = part.fault.as_deref().filter(|_| !part.hangs).unwrap_or(&part.does);
                format!("{}: {what}", part.name)
            })
            .collect();
        let names: Vec<&str> = self.parts.iter().map(|part| part.name).collect();
        let line = match (self.is_live(), self.is_ready()) {
            (false, _) => format!("hangs: {}", wrong.join("; ")),
            (true, false) => format!("not ready: {}", wrong.join("; ")),
            (true, true) => format!("running: {}", names.join(", ")),
        };
        f.write_str(&line.replace(['\r', '\n'], " "))
    }
}

/// How it goes with this process.
#[derive(Debug, Clone)]
pub struct Health {
    parts: Arc<Mutex<BTreeMap<&'static str, Record>>>,
    /// A part that is in one step for longer than this hangs.
    step_limit: Duration,
    changed: watch::Sender<()>,
    tables: watch::Sender<bool>,
}

impl Health {
    /// Of a process that has not begun.
    #[must_use]
    pub fn new(step_limit: Duration) -> Self {
        Self {
            parts: Arc::default(),
            step_limit,
            changed: watch::Sender::new(()),
            tables: watch::Sender::new(false),
        }
    }

    /// The pulse of a part. From now on it counts, also before it begins.
    #[must_use]
    pub fn pulse(&self, name: &'static str) -> Pulse {
        let record = Record { doing: Doing::Nothing, progress: None, fault: None, faults: 0 };
        self.parts().insert(name, record);
        Pulse { health: self.clone(), name }
    }

    /// The tables are there and ours.
    pub fn tables_are_there(&self) {
        self.tables.send_replace(true);
    }

    /// Tells of every change from now on.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// How it goes.
    #[must_use]
    pub fn report(&self, now: Instant) -> Report {
        let parts = self.parts();
        Report { parts: parts.iter().map(|(name, record)| record.part(name, self.step_limit, now)).collect() }
    }

    fn parts(&self) -> MutexGuard<'_, BTreeMap<&'static str, Record>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record {
    fn part(&self, name: &'static str, limit: Duration, now: Instant) -> Part {
        let seconds = |since: Instant| now.duration_since(since).as_secs();
        let hangs = matches!(self.doing, Doing::Works(since) if now.duration_since(since) > limit);
        let does = match self.doing {
            Doing::Nothing => "has not begun".to_owned(),
            Doing::Waits(what) => format!("waits for {what}"),
            Doing::Works(since) if hangs => format!("has been in one step for {} s", seconds(since)),
            Doing::Works(_) => "works".to_owned(),
            Doing::Rests => "waits out a fault".to_owned(),
            Doing::Stopped => "has stopped".to_owned(),
        };
        Part {
            name,
            does,
            fault: self.fault.clone(),
            faults: self.faults,
            progress: self.progress.map(|at| now.duration_since(at)),
            is_well: self.fault.is_none() && self.progress.is_some() && self.doing != Doing::Stopped,
            hangs,
        }
    }
}

/// Where one part says how it goes.
#[derive(Debug, Clone)]
pub struct Pulse {
    health: Health,
    name: &'static str,
}

impl Pulse {
    /// The pulse of something that runs by itself, on tables that are there.
    #[must_use]
    pub fn alone() -> Self {
        let health = Health::new(Duration::MAX);
        health.tables_are_there();
        health.pulse("alone")
    }

    /// Waits until the tables are there.
    pub async fn tables(&self) {
        if *self.health.tables.borrow() {
            return;
        }
        self.waits_for("the database");
        // Its sender is ours, so it cannot be gone.
        let _ = self.health.tables.subscribe().wait_for(|are_there| *are_there).await;
    }

    /// It waits, and may for ever.
    pub fn waits_for(&self, what: &'static str) {
        self.set(|record| record.doing = Doing::Waits(what));
    }

    /// It is in a step, which has to end.
    pub fn works(&self) {
        let now = Instant::now();
        self.set(|record| record.doing = Doing::Works(now));
    }

    /// Within a step: waits for others, for however long they take.
    pub async fn while_waiting_for<T>(&self, what: &'static str, others: impl Future<Output = T>) -> T {
        self.waits_for(what);
        let done = others.await;
        self.works();
        done
    }

    /// It got something done, or has what it needs.
    pub fn is_well(&self) {
        let now = Instant::now();
        self.set(|record| {
            record.progress = Some(now);
            record.fault = None;
            record.faults = 0;
        });
    }

    /// Something is wrong; it waits and tries again.
    pub fn rests(&self, fault: &str) {
        self.set(|record| {
            record.doing = Doing::Rests;
            record.fault = Some(fault.to_owned());
            record.faults = record.faults.saturating_add(1);
        });
    }

    /// It has ended, because the program stops.
    pub fn has_stopped(&self) {
        self.set(|record| record.doing = Doing::Stopped);
    }

    fn set(&self, change: impl FnOnce(&mut Record)) {
        let mut parts = self.health.parts();
        let Some(record) = parts.get_mut(self.name) else { return };
        let was = (record.fault.is_some(), record.progress.is_some(), record.doing == Doing::Stopped);
        let said = record.fault.clone();
        change(record);
        let is = (record.fault.is_some(), record.progress.is_some(), record.doing == Doing::Stopped);
        // Steps come by the thousand; only what changes an answer is worth waking anybody.
        if was != is || said != record.fault {
            self.health.changed.send_replace(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_mins(1);

    fn part(health: &Health, now: Instant) -> Part {
        health.report(now).parts.remove(0)
    }

    #[tokio::test]
    async fn only_a_step_can_hang() {
        let health = Health::new(LIMIT);
        let pulse = health.pulse("matching");
        let later = || Instant::now() + LIMIT + Duration::from_secs(1);
        assert!(health.report(later()).is_live(), "it has not begun");
        pulse.waits_for("work");
        assert!(health.report(later()).is_live(), "it waits for work");
        pulse.rests("Postgres cannot be reached");
        assert!(health.report(later()).is_live(), "it waits out a fault");
        pulse.works();
        assert!(health.report(Instant::now() + LIMIT / 2).is_live());
        let hangs = health.report(later());
        assert!(!hangs.is_live());
        assert_eq!(hangs.to_string(), "hangs: matching: has been in one step for 61 s");
        pulse
            .while_waiting_for("the mail server", async {
                assert!(health.report(later()).is_live(), "within a step it waits for others");
            })
            .await;
        assert!(!health.report(later()).is_live(), "and then goes on with the step");
        pulse.has_stopped();
        assert!(health.report(later()).is_live());
    }

    #[tokio::test]
    async fn a_fault_stays_until_something_gets_done() {
        let health = Health::new(LIMIT);
        let pulse = health.pulse("intake");
        let now = Instant::now();
        assert_eq!(health.report(now).to_string(), "not ready: intake: has not begun");
        pulse.rests("RabbitMQ:\nrefused");
        pulse.rests("RabbitMQ:\nrefused");
        pulse.works();
        assert_eq!(part(&health, now).faults, 2);
        assert_eq!(health.report(now).to_string(), "not ready: intake: RabbitMQ: refused");
        pulse.is_well();
        assert!(health.report(now).is_ready());
        assert_eq!(part(&health, now).progress, Some(Duration::ZERO));
        assert_eq!(health.report(now).to_string(), "running: intake");
        pulse.rests("RabbitMQ: gone");
        assert!(!health.report(now).is_ready() && health.report(now).is_ready_but_for(&["intake"]));
    }

    #[tokio::test]
    async fn changes_of_the_answer_are_told_and_steps_are_not() {
        let health = Health::new(LIMIT);
        let pulse = health.pulse("intake");
        let mut changes = health.changes();
        let mut told = || std::mem::replace(&mut changes, health.changes()).has_changed().unwrap();
        pulse.waits_for("work");
        pulse.works();
        assert!(!told());
        pulse.is_well();
        assert!(told());
        pulse.works();
        pulse.is_well();
        assert!(!told());
        pulse.rests("one thing");
        assert!(told());
        pulse.rests("one thing");
        assert!(!told());
        pulse.rests("another");
        assert!(told());
    }
}
