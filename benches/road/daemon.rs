//! The program, as a child process.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::ground::Ground;

/// The program as it was built with this measuring.
const PROGRAM: &str = env!("CARGO_BIN_EXE_jobalerts");

/// How long anything may take before something must be wrong.
pub(crate) const LIMIT: Duration = Duration::from_mins(5);

/// A running program. Ended when it is dropped.
pub(crate) struct Program {
    child: Child,
    log: PathBuf,
}

impl Program {
    /// Starts it with these arguments, and these settings beside the ground's.
    pub(crate) fn start(
        ground: &Ground,
        arguments: &[&str],
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join("road.log");
        let child = Command::new(PROGRAM)
            .args(arguments)
            .env_remove("JOBALERTS_CONFIG")
            .envs(ground.environment())
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()
            .with_context(|| format!("{PROGRAM} cannot be started"))?;
        Ok(Self { child, log })
    }

    /// Its process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// The most memory it has had so far, in octets.
    pub(crate) fn peak(&self) -> anyhow::Result<u64> {
        self.memory("VmHWM:")
    }

    /// The memory it has now, in octets.
    pub(crate) fn resident(&self) -> anyhow::Result<u64> {
        self.memory("VmRSS:")
    }

    fn memory(&self, which: &str) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let memory = status.lines().find_map(|line| line.strip_prefix(which));
        let kilobytes = memory.and_then(|memory| memory.split_ascii_whitespace().next());
        Ok(kilobytes.context("the program has ended; see its log")?.parse::<u64>()? * 1024)
    }

    /// Waits until it ends by itself; returns the most memory it had.
    pub(crate) async fn finished(mut self) -> anyhow::Result<u64> {
        let mut most = 0;
        loop {
            // It may end between the two, and has no figure then.
            most = self.peak().unwrap_or(0).max(most);
            if let Some(status) = self.child.try_wait()? {
                self.good(status)?;
                return Ok(most);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Stops it as an operator would; returns the most memory it had.
    pub(crate) async fn stop(mut self) -> anyhow::Result<u64> {
        let peak = self.peak()?;
        Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status()?;
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                self.good(status)?;
                return Ok(peak);
            }
            anyhow::ensure!(begun.elapsed() < LIMIT, "the program does not stop");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn good(&self, status: ExitStatus) -> anyhow::Result<()> {
        anyhow::ensure!(status.success(), "the program ended with {status}; see {}", self.log.display());
        Ok(())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until `done` says so; looks every `pause`.
pub(crate) async fn until<F>(pause: Duration, mut done: impl FnMut() -> F) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<bool>>,
{
    let begun = Instant::now();
    while !done().await? {
        anyhow::ensure!(begun.elapsed() < LIMIT, "nothing more happens; see the program's log");
        tokio::time::sleep(pause).await;
    }
    Ok(())
}
