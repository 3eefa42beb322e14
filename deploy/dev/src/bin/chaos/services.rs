//! Servers of a scene's own, which it may break: `deploy/dev/services` starts and ends them.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use url::Url;

const PROGRAM: &str = "deploy/dev/services";
/// What the script would take for servers of somebody else.
const GIVEN: [&str; 4] = ["DATABASE_URL", "AMQP_URL", "RABBITMQ_MANAGEMENT_URL", "JOBALERTS_DEV_DIR"];

/// Servers in a directory. They are ended, and the directory is deleted, when this is dropped.
pub(crate) struct Services {
    directory: PathBuf,
    /// What the script is told in its environment.
    environment: Vec<(&'static str, String)>,
}

impl Services {
    /// Those of a new directory; none runs yet.
    pub(crate) fn of(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), environment: vec![] }
    }

    /// With this in the script's environment: `DATABASE_URL`, say, for no PostgreSQL of its own.
    pub(crate) fn with(mut self, variable: &'static str, value: &str) -> Self {
        self.environment.push((variable, value.to_owned()));
        self
    }

    /// The directory.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Runs a command on them: `start`, `kill-rabbitmq`. Further arguments come after the directory.
    pub(crate) async fn run(&self, command: &str, arguments: &[&OsStr]) -> anyhow::Result<()> {
        let mut script = tokio::process::Command::from(self.script(command));
        let output = script.arg(&self.directory).args(arguments).output().await;
        let output = output.with_context(|| format!("cannot run {PROGRAM}"))?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`{PROGRAM} {command}` ended with {}: {said}", output.status);
        Ok(())
    }

    /// Where PostgreSQL is.
    pub(crate) fn database(&self) -> anyhow::Result<Url> {
        self.url("DATABASE_URL")
    }

    /// Where RabbitMQ is.
    pub(crate) fn broker(&self) -> anyhow::Result<Url> {
        self.url("AMQP_URL")
    }

    /// The port of a PostgreSQL server that only follows another.
    pub(crate) fn postgres_port(&self) -> anyhow::Result<u16> {
        self.first_number("postgres.port")
    }

    /// The port of a RabbitMQ node that only joined another.
    pub(crate) fn amqp_port(&self) -> anyhow::Result<u16> {
        self.first_number("rabbitmq.ports")
    }

    /// What `rabbitmqctl` prints, asked of this node.
    pub(crate) async fn rabbitmqctl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut script = tokio::process::Command::from(self.script("rabbitmqctl"));
        let output = script.env("JOBALERTS_DEV_DIR", &self.directory).args(arguments).output().await?;
        ensure!(output.status.success(), "rabbitmqctl: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    }

    /// What a file of the directory begins with.
    fn first_number(&self, name: &str) -> anyhow::Result<u16> {
        let path = self.directory.join(name);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let first = text.split_whitespace().next().unwrap_or_default();
        first.parse().with_context(|| format!("{} has no port", path.display()))
    }

    /// A URL of the file that the script writes for shells.
    fn url(&self, variable: &str) -> anyhow::Result<Url> {
        let path = self.directory.join("env");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let exports: HashMap<&str, &str> =
            text.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('=')).collect();
        let value = exports.get(variable).with_context(|| format!("{} has no {variable}", path.display()))?;
        Url::parse(value.trim_matches('\'')).with_context(|| format!("{variable} in {}", path.display()))
    }

    /// A call of the script that Ctrl-C at the terminal does not reach: what it has begun it brings to an end, and then
    /// waits for no other.
    fn script(&self, command: &str) -> Command {
        use std::os::unix::process::CommandExt as _;
        let mut script = Command::new(PROGRAM);
        for variable in GIVEN {
            script.env_remove(variable);
        }
        script.envs(self.environment.iter().map(|(name, value)| (name, value)));
        script.arg(command).stdin(Stdio::null()).process_group(0);
        script
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        let ended = self.script("reset").arg(&self.directory).stderr(Stdio::null()).status();
        if !ended.is_ok_and(|status| status.success()) {
            eprintln!("chaos: `{PROGRAM} reset {}` has to be run by hand", self.directory.display());
        }
    }
}

/// The URL of a server at another port.
pub(crate) fn at_port(url: &Url, port: u16) -> anyhow::Result<Url> {
    let mut url = url.clone();
    url.set_port(Some(port)).ok().context("a URL without a host")?;
    Ok(url)
}
