//! A room of its own: a small file system that only the processes started in it see, and that is gone with them.
//!
//! It is a tmpfs in a mount namespace; who is not root gets a user namespace around it, and another one inside in which
//! they are themselves again.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, bail, ensure};
use rustix::process::{getegid, geteuid};

/// The line that says that a command has ended, before its exit code.
const ENDED: &str = "chaos-room-ended";
/// Run in the room when its shell ends, however that comes.
const LEAVE: &str = "trap 'deploy/dev/services reset \"$ROOM\" >&2' EXIT; trap '' INT TERM HUP";

/// A shell in the room. Servers that it started are ended when this is dropped.
pub(crate) struct Room {
    shell: Child,
    // None when it is told to end.
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    directory: PathBuf,
}

impl Room {
    /// A room of so many MiB at a new directory; the variables are set in it.
    pub(crate) fn make(directory: &Path, mib: u32, variables: &[(&str, &str)]) -> anyhow::Result<Self> {
        fs::create_dir(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let mount = format!("mount -t tmpfs -o size={mib}m,mode=755 chaos \"$ROOM\" && exec \"$@\"");
        let mut command = Command::new("unshare");
        let (user, group) = (geteuid(), getegid());
        if !user.is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        command.args(["--mount", "--propagation", "private", "bash", "-c", &mount, "bash"]);
        if !user.is_root() {
            let [user, group] = [user.as_raw(), group.as_raw()];
            command.arg("unshare").arg(format!("--map-user={user}")).arg(format!("--map-group={group}"));
        }
        command.args(["bash", "-s"]).env("ROOM", directory);
        for variable in ["DATABASE_URL", "RABBITMQ_MANAGEMENT_URL", "JOBALERTS_DEV_DIR"] {
            command.env_remove(variable);
        }
        command.envs(variables.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        {
            use std::os::unix::process::CommandExt as _;
            // Ctrl-C at the terminal is ours to handle.
            command.process_group(0);
        }
        let mut shell = command.spawn().context("cannot run unshare")?;
        let commands = shell.stdin.take();
        let answers = BufReader::new(shell.stdout.take().context("the shell has no output")?);
        let mut room = Self { shell, commands, answers, directory: directory.to_owned() };
        room.run(LEAVE).with_context(|| room.complaint())?;
        Ok(room)
    }

    /// Runs a command in the room, and returns what it printed. `$ROOM` is the directory.
    pub(crate) fn run(&mut self, command: &str) -> anyhow::Result<String> {
        let commands = self.commands.as_mut().context("the room is left")?;
        writeln!(commands, "{command}\necho \"{ENDED} $?\"")?;
        let mut printed = String::new();
        loop {
            let from = printed.len();
            ensure!(self.answers.read_line(&mut printed)? > 0, "the shell in the room has ended");
            if let Some(code) = printed[from..].strip_prefix(ENDED) {
                let code = code.trim().to_owned();
                printed.truncate(from);
                if code != "0" {
                    bail!("`{command}` ended with {code}: {printed}");
                }
                return Ok(printed);
            }
        }
    }

    /// Why there is no room.
    fn complaint(&mut self) -> String {
        let mut said = String::new();
        if let Some(mut stderr) = self.shell.stderr.take() {
            // What it said before it ended; nothing is a complaint, too.
            let _ = stderr.read_to_string(&mut said);
        }
        format!("no small file system can be had: {}", said.trim())
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        drop(self.commands.take());
        let ended = self.shell.wait();
        if ended.is_err() || fs::remove_dir(&self.directory).is_err() {
            eprintln!("chaos: {} is left over", self.directory.display());
        }
    }
}
