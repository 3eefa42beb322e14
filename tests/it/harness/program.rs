//! The program itself, as a process.

use std::net::SocketAddr;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use url::Url;

use super::database::Role;
use super::proxy::Proxy;
use super::unsaid::Unsaid;
use super::{Road, soon};

/// How a process ended.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Output {
    pub(crate) fn successful(self) -> Self {
        assert_eq!(self.code, Some(0), "{}{}", self.stdout, self.stderr);
        self
    }

    /// Of `status`, which says by its exit code whether all is well.
    pub(crate) fn looked(self) -> Self {
        let is_well = self.stdout.starts_with("WELL ") || self.stdout.contains("\"well\": true");
        assert_eq!(self.code, Some(i32::from(!is_well)), "{}{}", self.stdout, self.stderr);
        self
    }
}

/// The program with nothing in its environment, in a directory without a configuration.
pub(crate) fn bare_command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jobalerts"));
    command
        .args(arguments)
        .env_clear()
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Runs a command to its end.
pub(crate) async fn output(mut command: Command, input: Option<&[u8]>) -> Output {
    if input.is_some() {
        command.stdin(Stdio::piped());
    }
    let unsaid = Unsaid::of(&command);
    let mut child = command.spawn().unwrap();
    if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input) {
        stdin.write_all(input).await.unwrap();
    }
    let output = soon("the end of a command", child.wait_with_output()).await.unwrap();
    let output = Output {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    };
    if let Some(unsaid) = unsaid {
        unsaid.check(&output.stderr);
    }
    output
}

impl Road {
    /// The program on this road, each command under the role that needs it least.
    pub(crate) async fn command(&self, arguments: &[&str]) -> Command {
        let role = match arguments.first() {
            Some(&"migrate") => Role::Migrate,
            Some(&("status" | "ledger" | "explain")) => Role::Read,
            _ => Role::Worker,
        };
        self.command_as(role, arguments).await
    }

    /// The program under another role of the database.
    pub(crate) async fn command_as(&self, role: Role, arguments: &[&str]) -> Command {
        self.broker().await;
        self.unsaid.learn_of(arguments);
        let mut command = bare_command(arguments);
        command.envs(self.environment_as(role));
        command
    }

    /// The program on a broker on which nothing was declared for it.
    pub(crate) fn bare(&self, arguments: &[&str]) -> Command {
        let mut command = bare_command(arguments);
        command.envs(&self.environment);
        command
    }

    pub(crate) async fn run_as(&self, role: Role, arguments: &[&str]) -> Output {
        output(self.command_as(role, arguments).await, None).await
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Output {
        output(self.command(arguments).await, None).await
    }

    pub(crate) async fn run_with_input(&self, arguments: &[&str], input: impl AsRef<[u8]>) -> Output {
        let input = input.as_ref();
        if arguments.first() == Some(&"import") {
            self.unsaid.learn(&String::from_utf8_lossy(input));
        }
        output(self.command(arguments).await, Some(input)).await
    }

    /// The daemon, from the time at which this road's clock stands.
    pub(crate) async fn daemon(&self) -> Daemon {
        let now = self.clock.now().to_rfc3339();
        Daemon::start(self.command(&["run", "--now", &now]).await)
    }
}

/// The address in a URL.
fn target(url: &str) -> String {
    let url = Url::parse(url).unwrap();
    format!("{}:{}", url.host_str().unwrap(), url.port().unwrap())
}

/// The same URL by way of proxies, any of which will do.
fn by(url: &str, proxies: &[Proxy]) -> String {
    let addresses: Vec<String> = proxies.iter().map(|proxy| proxy.address().to_string()).collect();
    url.replacen(&target(url), &addresses.join(","), 1)
}

/// A daemon to be started that reaches Postgres and `RabbitMQ` by way of proxies, which are down.
pub(crate) async fn behind_proxies(road: &Road) -> (Command, Proxy, Proxy) {
    let (command, [to_database], [to_broker]) = behind_several(road).await;
    (command, to_database, to_broker)
}

/// The same with several proxies to each of the two, any of which will do.
pub(crate) async fn behind_several<const N: usize>(road: &Road) -> (Command, [Proxy; N], [Proxy; N]) {
    let now = road.clock.now().to_rfc3339();
    by_proxies(road, &["run", "--now", &now]).await
}

/// The same of any command.
pub(crate) async fn by_proxies<const N: usize>(
    road: &Road,
    arguments: &[&str],
) -> (Command, [Proxy; N], [Proxy; N]) {
    let (database, broker) = (road.config().database.url.expose(), road.config().amqp.url.expose());
    let [to_database, to_broker] = [database, broker].map(|url| [(); N].map(|()| Proxy::to(target(url))));
    let mut command = road.command(arguments).await;
    command
        .env("JOBALERTS_DATABASE__URL", by(database, &to_database))
        .env("JOBALERTS_AMQP__URL", by(broker, &to_broker));
    (command, to_database, to_broker)
}

/// Sends a process a signal.
pub(crate) fn send(child: &Child, signal: &str) {
    let id = child.id().expect("it runs").to_string();
    let command = format!("kill -{signal} \"$0\"");
    let sent = std::process::Command::new("sh").args(["-c", &command, &id]).status().unwrap();
    assert!(sent.success());
}

/// A running daemon; killed when it is dropped, and its log is searched for what it must not say.
pub(crate) struct Daemon {
    child: Child,
    log: watch::Receiver<String>,
    reader: JoinHandle<()>,
    unsaid: Option<Arc<Unsaid>>,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // A test that has failed has said why.
        if let Some(unsaid) = &self.unsaid
            && !std::thread::panicking()
        {
            unsaid.check(&self.log.borrow());
        }
    }
}

impl Daemon {
    pub(crate) fn start(mut command: Command) -> Self {
        let unsaid = Unsaid::of(&command);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, log) = watch::channel(String::new());
        let reader = tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                sender.send_modify(|log| {
                    log.push_str(&line);
                    log.push('\n');
                });
            }
        });
        Self { child, log, reader, unsaid }
    }

    /// Waits until the log says something.
    pub(crate) async fn says(&mut self, text: &str) {
        self.says_times(text, 1).await;
    }

    /// Waits until the log says something so many times.
    pub(crate) async fn says_times(&mut self, text: &str, times: usize) {
        let found = soon(text, self.log.wait_for(|log| log.matches(text).count() >= times)).await.is_ok();
        assert!(found, "the daemon ended and did not say {text:?} so often: {}", *self.log.borrow());
    }

    /// Where it serves its pages.
    pub(crate) async fn pages(&mut self) -> SocketAddr {
        self.address("serves pages").await
    }

    /// Where it says how it goes.
    pub(crate) async fn ops(&mut self) -> SocketAddr {
        self.address("says how it goes").await
    }

    /// The address in the line of the log that says this.
    async fn address(&mut self, text: &str) -> SocketAddr {
        self.says(text).await;
        let log = self.log.borrow().clone();
        let line = log.lines().find(|line| line.contains(text)).expect("the log says so");
        let (_, rest) = line.split_once("\"address\":\"").expect("the log says where");
        rest.split('"').next().unwrap().parse().unwrap()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Sends it a signal.
    pub(crate) fn send(&self, signal: &str) {
        send(&self.child, signal);
    }

    /// Tells it to read again what it reads again.
    pub(crate) fn hang_up(&self) {
        self.send("HUP");
    }

    /// Ends it with SIGTERM; returns its exit and its log.
    pub(crate) async fn stop(self) -> (ExitStatus, String) {
        self.send("TERM");
        self.ended().await
    }

    /// Waits until it has ended; returns its exit and its log.
    pub(crate) async fn ended(mut self) -> (ExitStatus, String) {
        let status = soon("the daemon's end", self.child.wait()).await.unwrap();
        (&mut self.reader).await.unwrap();
        let log = self.log.borrow().clone();
        (status, log)
    }

    /// Ends it with SIGKILL.
    pub(crate) async fn kill(mut self) {
        self.child.start_kill().unwrap();
        soon("the daemon's death", self.child.wait()).await.unwrap();
        (&mut self.reader).await.unwrap();
    }
}
