//! What the service manager is told, by the protocol of `sd_notify(3)`: that the
//! program has begun, what it does, that it lives, and that it stops. Without
//! `NOTIFY_SOCKET` it is told nothing. The program has no children who could
//! inherit the socket.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::daemon::clocks;
use crate::delivery::Delivery;
use crate::health::{Health, Report};
use crate::stage::Stage;

/// How often to look whether a part hangs where nobody wants to know that it lives.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// What may wait to be told. A manager that reads more slowly than that misses something.
const WAITING: usize = 64;

/// What the service manager is told. A manager that is busy keeps whoever tells it
/// something waiting, so that a thread of its own does.
pub(super) struct ServiceManager {
    health: Health,
    words: SyncSender<String>,
    /// It was told that the program has begun.
    has_begun: AtomicBool,
}

impl ServiceManager {
    pub(super) fn new(health: Health) -> Self {
        let (words, to_tell) = sync_channel(WAITING);
        thread::spawn(move || pass_on(&to_tell));
        Self { health, words, has_begun: AtomicBool::new(false) }
    }

    /// Tells it how it goes, until dropped. That the program lives is told twice in
    /// the time in which the manager wants to hear it, and not while a part hangs.
    pub(super) async fn tell(&self, stop: &CancellationToken) {
        let watchdog = sd_notify::watchdog_enabled();
        let mut changes = self.health.changes();
        let mut beat = interval(watchdog.map_or(LOOK_EVERY, |limit| limit / 2).max(Duration::from_millis(1)));
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut said = Said::default();
        loop {
            let is_beat = tokio::select! {
                _ = beat.tick() => true,
                () = changed(&mut changes) => false,
            };
            let report = self.health.report(Instant::now());
            if !stop.is_cancelled() {
                self.tell_of(&report, &mut said);
            }
            if is_beat && watchdog.is_some() && report.is_live() {
                self.send(&[NotifyState::Watchdog]);
            }
        }
    }

    /// Tells what is new.
    fn tell_of(&self, report: &Report, said: &mut Said) {
        if report.is_live() == said.hangs {
            said.hangs = !report.is_live();
            if said.hangs {
                tracing::error!(%report, "a stage hangs; the service manager is no longer told that we live");
            } else {
                tracing::warn!(%report, "the stage that hung goes on");
            }
        }
        let line = report.to_string();
        if line != said.status {
            self.send(&[NotifyState::Status(&line)]);
            said.status = line;
        }
        // A mail server that is away, or a wrong clock, is no reason not to have begun: it is waited for like
        // any later outage.
        if !self.has_begun() && report.is_ready_but_for(&[Delivery::NAME, clocks::NAME]) {
            self.has_begun.store(true, Ordering::Relaxed);
            self.send(&[NotifyState::Ready]);
            tracing::info!("ready");
        }
    }

    fn send(&self, states: &[NotifyState<'_>]) {
        let lines: Vec<String> = states.iter().map(ToString::to_string).collect();
        if self.words.try_send(lines.join("\n")).is_err() {
            tracing::debug!("the service manager does not listen");
        }
    }

    fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::Relaxed)
    }

    /// The program stops.
    pub(super) fn stopping(&self) {
        self.send(&[NotifyState::Stopping, NotifyState::Status("stopping: finishes what is under way")]);
    }

    /// Something is read again. Who has not begun yet cannot say so: the end of it
    /// is told in the same words as the beginning of the program.
    pub(super) fn reloading(&self) {
        if self.has_begun()
            && let Ok(now) = NotifyState::monotonic_usec_now()
        {
            self.send(&[NotifyState::Reloading, now]);
        }
    }

    /// It has been read.
    pub(super) fn reloaded(&self) {
        if self.has_begun() {
            self.send(&[NotifyState::Ready]);
        }
    }
}

/// What was told last.
#[derive(Debug, Default)]
struct Said {
    status: String,
    hangs: bool,
}

/// Its sender lives as long as the program.
async fn changed(changes: &mut watch::Receiver<()>) {
    if changes.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Ends when nothing more can come.
fn pass_on(words: &Receiver<String>) {
    for word in words {
        if let Err(error) = notify(&word) {
            tracing::debug!(%error, "the service manager cannot be told");
        }
    }
}

/// One datagram. The library knows no abstract sockets (`@name`), which containers have.
fn notify(word: &str) -> io::Result<()> {
    let Some(name) = std::env::var_os("NOTIFY_SOCKET") else { return Ok(()) };
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(&name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    socket.send(word.as_bytes()).map(drop)
}
