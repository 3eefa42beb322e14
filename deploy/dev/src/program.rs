//! Running `jobalerts`, as anybody would from a shell.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

/// The program with a configuration.
#[derive(Debug)]
pub struct Program {
    binary: PathBuf,
    config: PathBuf,
    log: PathBuf,
}

/// The program's daemon. Killed when this is dropped.
pub struct Daemon(Child);

/// Where a daemon's log goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Log {
    /// Into the file.
    File,
    /// Where this program's own errors go.
    Here,
}

impl Program {
    /// The program that was built together with this one; what it logs goes into the file.
    ///
    /// # Errors
    ///
    /// When it is not there.
    pub fn new(config: &Path, log: &Path) -> anyhow::Result<Self> {
        let binary = std::env::current_exe()?.with_file_name("jobalerts");
        ensure!(binary.is_file(), "there is no {}; `make demo` builds it", binary.display());
        // As short as it can be for people to type.
        let binary = match binary.strip_prefix(std::env::current_dir()?) {
            Ok(below) => Path::new(".").join(below),
            Err(_) => binary,
        };
        Ok(Self { binary, config: config.to_owned(), log: log.to_owned() })
    }

    /// Where it is.
    #[must_use]
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// Runs a command to its end and returns what it printed.
    ///
    /// # Errors
    ///
    /// When it fails.
    pub async fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        self.run_to(arguments, &[0]).await
    }

    /// The same of a command that says by its exit code whether all is well.
    ///
    /// # Errors
    ///
    /// When it fails.
    pub async fn look(&self, arguments: &[&str]) -> anyhow::Result<String> {
        self.run_to(arguments, &[0, 1]).await
    }

    async fn run_to(&self, arguments: &[&str], codes: &[i32]) -> anyhow::Result<String> {
        let output = self
            .command(arguments)
            .env("NO_COLOR", "1")
            .stderr(self.open_log()?)
            .output()
            .await
            .with_context(|| format!("cannot run {}", self.binary.display()))?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.code().is_some_and(|code| codes.contains(&code)) {
            bail!(
                "`jobalerts {}` ended with {}; its log is in {}. It printed: {printed}",
                arguments.join(" "),
                output.status,
                self.log.display()
            );
        }
        Ok(printed)
    }

    /// Starts the daemon, with these arguments after `run`.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn start_daemon(&self, arguments: &[&str], log: Log) -> anyhow::Result<Daemon> {
        let mut command = self.command(&["run"]);
        command.args(arguments);
        if log == Log::File {
            command.env("NO_COLOR", "1").stderr(self.open_log()?);
        }
        // A process group of its own, so that Ctrl-C reaches it once, from us.
        Ok(Daemon(command.process_group(0).spawn()?))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        // The environment wins over the file, and is meant for other uses of these servers.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text == "DATABASE_URL" || text == "AMQP_URL" || text.starts_with("JOBALERTS_") {
                command.env_remove(&name);
            }
        }
        command.arg("--config").arg(&self.config).args(arguments).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    fn open_log(&self) -> anyhow::Result<Stdio> {
        let file: File = OpenOptions::new().create(true).append(true).open(&self.log)?;
        Ok(file.into())
    }
}

impl Daemon {
    /// Asks it to stop (SIGTERM), and returns how it ended.
    ///
    /// # Errors
    ///
    /// When it has ended before.
    pub async fn stop(mut self) -> anyhow::Result<ExitStatus> {
        let pid = self.0.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        kill_process(pid.context("the daemon has ended by itself")?, Signal::TERM)?;
        Ok(self.0.wait().await?)
    }

    /// Ends it at once (SIGKILL).
    ///
    /// # Errors
    ///
    /// When it has ended before.
    pub async fn kill(mut self) -> anyhow::Result<()> {
        if let Some(status) = self.0.try_wait()? {
            bail!("the daemon has ended by itself: {status}");
        }
        Ok(self.0.kill().await?)
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    ///
    /// When the system does not tell.
    pub async fn ended(&mut self) -> anyhow::Result<ExitStatus> {
        Ok(self.0.wait().await?)
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    ///
    /// When the system does not tell.
    pub fn has_ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.0.try_wait()?)
    }
}
