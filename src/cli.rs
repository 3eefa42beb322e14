//! The commands.

mod bounce;
mod check;
mod dead_letters;
mod dns;
mod drain;
mod explain;
mod import;
mod ledger;
mod pause;
mod preview;
mod publish;
mod status;
mod suppression;
mod unknown;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use chrono::{DateTime, Utc};
use clap::{CommandFactory, Parser, Subcommand};

use crate::clock::Clock;
use crate::config::{Config, process_environment};
use crate::daemon::{Program, Source, StageName};
use crate::domain::language::Language;
use crate::{store, telemetry};

/// Watches vacancies open and close, and mails the people who asked to hear.
///
/// Events come from a RabbitMQ queue, people and what they asked for are in
/// PostgreSQL, mails leave over SMTP. A first try on a fresh machine: `make demo`.
#[derive(Debug, Parser)]
#[command(name = "jobalerts", version, max_term_width = 100, after_long_help = EXIT_CODES)]
struct Cli {
    /// The configuration file.
    #[arg(long, global = true, value_name = "FILE", long_help = CONFIG_HELP)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

const CONFIG_HELP: &str = "The configuration file. Without it: $JOBALERTS_CONFIG, ./config/jobalerts.toml, \
    /etc/jobalerts/jobalerts.toml, or the defaults. Any key can be overridden in the environment: \
    JOBALERTS_SMTP__CONNECTIONS=4";

const EXIT_CODES: &str = "Results go to standard output, and the log to standard error. Exit codes: 0 done, 2 the \
    command line is wrong, 65 lines of an import were refused or a mail is for a person to read, 75 a mail has to be \
    taken in again later, 78 the configuration is wrong (or `check` found anything else), 1 the rest.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon until SIGTERM or Ctrl-C.
    ///
    /// It comes up whatever else is down, says what it misses, and goes on by itself. The first signal
    /// lets it finish what is under way, a second one ends it at once; nothing is lost either way.
    Run {
        /// Which stages this process runs.
        #[arg(
            long,
            value_delimiter = ',',
            default_value = "intake,matching,delivery,outcomes,housekeeping,web",
            value_name = "STAGE,..."
        )]
        stages: Vec<StageName>,
        /// Begin at this time instead of the machine's (only with `rehearsal = true`).
        #[arg(long, value_name = "INSTANT", value_parser = instant)]
        now: Option<DateTime<Utc>>,
    },
    /// Bring the database's tables to this program's version.
    Migrate,
    /// Check configuration, templates and taxonomy, and name every mistake.
    Check {
        /// Also try PostgreSQL, RabbitMQ and the mail server.
        #[arg(long)]
        connect: bool,
        /// Also print the configuration in effect, and where each value comes from.
        #[arg(long)]
        show: bool,
        /// Also print the DNS records that mails need to be known as yours.
        #[arg(long)]
        dns: bool,
    },
    /// Add people and what they asked for, from lines of JSON.
    ///
    /// One person a line: {"email", "searches":[{"name","cadence","where":{...}}],
    /// "registrations":[{"programme","notBefore"}], "consent":{"wordingVersion","at","source"}}. A line
    /// that cannot be read is reported and left out (the exit code is then 65); importing the same file
    /// again changes nothing.
    Import {
        /// The file; - is standard input.
        #[arg(value_name = "FILE|-")]
        file: PathBuf,
        /// Import as if it were this time (only with `rehearsal = true`).
        #[arg(long, value_name = "INSTANT", value_parser = instant)]
        now: Option<DateTime<Utc>>,
    },
    /// Publish CloudEvents (JSON) to the exchange, and wait until the broker has them.
    Publish {
        /// Files of one event, several after each other, or a list; - is standard input.
        #[arg(required = true, value_name = "FILE|-")]
        files: Vec<PathBuf>,
        /// Send each file as one message as it is, whatever is in it (to see what becomes of garbage).
        #[arg(long)]
        unchecked: bool,
    },
    /// Say whether all is well, if not what to do, and how things stand.
    ///
    /// The exit code is 0 if all is well, and 1 if not.
    Status(status::Manner),
    /// Say what was promised to people who registered, and what became of it.
    ///
    /// For each cycle of each programme: the promises; of these owed, kept, kept late, broken, explained
    /// and released, which add up (the exit code is 1 if they do not); how many were told the date
    /// beforehand; and how long the door was still open when people were told. Numbers only.
    Ledger {
        /// A programme (pc-dhep), one of its cycles (pc-dhep/2), or a cycle by its name. Without it: all,
        /// except those of test events.
        #[arg(value_name = "SUBJECT")]
        subject: Option<String>,
        /// As JSON: durations in seconds, times as in RFC 3339.
        #[arg(long)]
        json: bool,
        /// What time it is (only with `rehearsal = true`), as in 2024-03-05T10:00:00Z.
        #[arg(long, value_name = "INSTANT", value_parser = instant)]
        now: Option<DateTime<Utc>>,
    },
    /// Say why a person was told of something, or was not.
    ///
    /// The whole chain: who they are to us, what the events said, what is so, which of their searches and
    /// registrations ask for it and which do not, what was told, what waits and until when. It names their
    /// searches; keep it to yourself. Their address is masked.
    Explain {
        /// The person's address or public id; - reads it from standard input, so that the address does not
        /// stand in the list of processes or the shell's history.
        #[arg(value_name = "PERSON|-")]
        person: String,
        /// What it is about: vacancy/230000P0, programme/pc-dhep, event/SLUG, one of its openings
        /// (pc-dhep/2), or the name of a cycle.
        #[arg(value_name = "SUBJECT")]
        subject: String,
        /// As JSON: durations in seconds, times as in RFC 3339.
        #[arg(long)]
        json: bool,
        /// What time it is (only with `rehearsal = true`), as in 2024-03-05T10:00:00Z.
        #[arg(long, value_name = "INSTANT", value_parser = instant)]
        now: Option<DateTime<Utc>>,
    },
    /// Take in mails that came back to us: what could not be delivered, complaints, and people who
    /// write stop.
    ///
    /// One mail, as a Postfix pipe hands it over, or all that are new in a maildir. Whom it is about is told
    /// by a token of ours, never by an address; nothing is ever answered. Exit codes: 0 done, 65 a person
    /// has to read it (in a maildir it stays in new/), 75 try again later.
    Bounce {
        /// The address that the mail was delivered to. Without it, the mail's own headers say so.
        #[arg(long, value_name = "ADDRESS", conflicts_with = "maildir")]
        recipient: Option<String>,
        /// Take in what is in new/ of this maildir; what is done goes to cur/.
        #[arg(long, value_name = "DIR")]
        maildir: Option<PathBuf>,
        /// The mail; - is standard input.
        #[arg(value_name = "FILE|-", default_value = "-", conflicts_with = "maildir")]
        file: PathBuf,
        /// What time it is (only with `rehearsal = true`), as in 2024-03-05T10:00:00Z.
        #[arg(long, value_name = "INSTANT", value_parser = instant)]
        now: Option<DateTime<Utc>>,
    },
    /// Say whether nothing is sent to an address, and change that.
    Suppression {
        /// What to do.
        #[arg(value_enum)]
        action: suppression::Action,
        /// The person's address or public id; - reads it from standard input, so that the address does not
        /// stand in the list of processes or the shell's history.
        #[arg(value_name = "PERSON|-")]
        person: String,
    },
    /// Show mails before anybody gets them: samples of each kind, or what one person would get next.
    ///
    /// Without --out it prints their texts; with it, each is written as a whole mail (.eml), as HTML and as
    /// text, and index.html leads to all of them. It looks at the templates as they are now, those in
    /// templates.folder included. For a person it decides as the daemon does, changes nothing, and notes in the
    /// audit that somebody looked; to read it, keep it to yourself.
    Preview {
        #[command(flatten)]
        what: preview::What,
        /// The folder to write to.
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Samples for people who read this language: en-GB or cy-GB. A kind that is not written in it comes in
        /// English.
        #[arg(long, value_name = "LANGUAGE", conflicts_with = "person")]
        lang: Option<Language>,
        /// What time it is (only with `rehearsal = true`), as in 2024-03-05T10:00:00Z.
        #[arg(long, value_name = "INSTANT", value_parser = instant, requires = "person")]
        now: Option<DateTime<Utc>>,
    },
    /// Process what is on the queue now and everything that is due, then exit.
    Drain {
        /// What time it is (only with `rehearsal = true`), as in 2024-03-05T10:00:00Z.
        #[arg(long, value_name = "INSTANT", value_parser = instant)]
        now: Option<DateTime<Utc>>,
    },
    /// Stop all mails at once, in every process.
    ///
    /// Within a second nothing more is handed to a mail server; events are taken in and matched as before,
    /// and what is due waits. Safe to repeat.
    Pause {
        /// Why, for whoever finds it stopped.
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// What time it is (only with `rehearsal = true`), as in 2024-03-05T10:00:00Z.
        #[arg(long, value_name = "INSTANT", value_parser = instant)]
        now: Option<DateTime<Utc>>,
    },
    /// Say what would leave if mails might, grouped by kind, and let them after you have confirmed it.
    ///
    /// Each person's first mail is counted: who is due for more gets that after it.
    Resume {
        /// Confirm that so many mails leave; without it, it asks at the terminal. More than that, and nothing
        /// changes.
        #[arg(long, value_name = "NUMBER")]
        mails: Option<u64>,
        /// Only say what would leave.
        #[arg(long, conflicts_with = "mails")]
        look: bool,
        /// What time it is (only with `rehearsal = true`), as in 2024-03-05T10:00:00Z.
        #[arg(long, value_name = "INSTANT", value_parser = instant)]
        now: Option<DateTime<Utc>>,
    },
    /// Mails of which nobody knows whether they arrived: the connection, or the sender, was lost between the
    /// mail and the mail server's reply.
    ///
    /// They are left alone for a day (`smtp.hold_unknown`) and then sent again with the same Message-ID. If you
    /// find them in the mail server's log, or are sure that they are not there, say so.
    Unknown {
        #[command(subcommand)]
        command: unknown::Command,
    },
    /// Messages that were set aside because they could not be read, or should not be: see what they are, and
    /// what becomes of them.
    ///
    /// They wait on the dead-letter queue (`amqp.dead_letter_queue`) until somebody decides. While one looks,
    /// nobody else sees them.
    DeadLetters {
        #[command(subcommand)]
        command: dead_letters::Command,
    },
    /// Print a completion script for a shell.
    Completions {
        /// bash, elvish, fish, powershell or zsh.
        shell: clap_complete::Shell,
    },
    /// Write the manual pages into a folder, one for each command.
    #[command(hide = true)]
    ManPages {
        /// The folder; it has to be there.
        folder: PathBuf,
    },
}

/// Input that cannot be used (sysexits `EX_DATAERR`).
const EXIT_DATA: u8 = 65;
/// It may work later (sysexits `EX_TEMPFAIL`).
const EXIT_LATER: u8 = 75;
/// The configuration is wrong (sysexits `EX_CONFIG`).
const EXIT_CONFIG: u8 = 78;

/// Runs the command that the arguments name.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    // A mail must not be lost, nor answered, because something of ours is amiss: it is kept and comes again.
    let keeps_mail = matches!(cli.command, Command::Bounce { .. });
    match cli.run() {
        Ok(code) => code,
        Err(error) if keeps_mail => {
            eprintln!("jobalerts: {error:#}");
            ExitCode::from(EXIT_LATER)
        }
        Err(error) => {
            let wrong_config = error.downcast_ref::<crate::config::Problems>().is_some();
            eprintln!("jobalerts: {error:#}");
            ExitCode::from(if wrong_config { EXIT_CONFIG } else { 1 })
        }
    }
}

impl Cli {
    fn run(self) -> anyhow::Result<ExitCode> {
        if let Command::Completions { shell } = self.command {
            clap_complete::generate(shell, &mut Self::command(), "jobalerts", &mut std::io::stdout());
            return Ok(ExitCode::SUCCESS);
        }
        if let Command::ManPages { folder } = &self.command {
            clap_mangen::generate_to(Self::command(), folder)
                .with_context(|| format!("manual pages cannot be written into {}", folder.display()))?;
            return Ok(ExitCode::SUCCESS);
        }
        let environment = process_environment();
        if let Command::Check { connect, show, dns } = self.command {
            let examined = Config::examine(self.config.as_deref(), &environment);
            return block_on(check::check(examined, connect, show, dns));
        }
        let config = Config::load(self.config.as_deref(), &environment)?;
        let level = telemetry::start(&config.log, environment.get("JOURNAL_STREAM").map(String::as_str))?;
        match self.command {
            Command::Run { stages, now } => {
                let clock = clock(&config, now.map(Clock::starting_at), "run --now")?;
                let stages: BTreeSet<StageName> = stages.into_iter().collect();
                let file = self.config;
                let read = Box::new(move || Config::examine(file.as_deref(), &environment));
                let source = Source { read, level };
                block_on(async { Program::new(config, clock)?.run(&stages, source).await })?;
            }
            Command::Migrate => {
                block_on(async { store::migrate(config.database.url.expose()).await.context("migrate") })?;
                eprintln!("The tables are at this program's version.");
            }
            Command::Import { file, now } => {
                let clock = clock(&config, now.map(Clock::standing), "import --now")?;
                return block_on(import::import(config, clock, &file));
            }
            Command::Publish { files, unchecked } => block_on(publish::publish(config, &files, unchecked))?,
            Command::Status(manner) => return block_on(status::status(&config, manner)),
            Command::Ledger { subject, json, now } => {
                let now = clock(&config, now.map(Clock::standing), "ledger --now")?.now();
                return block_on(ledger::ledger(&config, subject.as_deref(), json, now));
            }
            Command::Explain { person, subject, json, now } => {
                let now = clock(&config, now.map(Clock::standing), "explain --now")?.now();
                block_on(explain::explain(&config, &person, &subject, json, now))?;
            }
            Command::Bounce { recipient, maildir, file, now } => {
                let now = clock(&config, now.map(Clock::standing), "bounce --now")?.now();
                let mails = match &maildir {
                    Some(maildir) => bounce::Mails::New(maildir),
                    None => bounce::Mails::One { file: &file, recipient: recipient.as_deref() },
                };
                return block_on(bounce::bounce(&config, mails, now));
            }
            Command::Suppression { action, person } => {
                return block_on(suppression::suppression(&config, action, &person, Clock::System.now()));
            }
            Command::Preview { what, out, lang, now } => {
                let clock = clock(&config, now.map(Clock::standing), "preview --now")?;
                block_on(preview::preview(&config, what, out.as_deref(), lang, &clock))?;
            }
            Command::Drain { now } => {
                let clock = clock(&config, now.map(Clock::standing), "drain --now")?;
                block_on(async { drain::drain(Program::new(config, clock)?).await })?;
            }
            Command::Pause { reason, now } => {
                let clock = clock(&config, now.map(Clock::standing), "pause --now")?;
                let by = account(&environment);
                block_on(async {
                    pause::pause(&Program::at_the_tables(config, clock).await?, reason, by).await
                })?;
            }
            Command::Resume { mails, look, now } => {
                let clock = clock(&config, now.map(Clock::standing), "resume --now")?;
                return block_on(async {
                    pause::resume(&Program::at_the_tables(config, clock).await?, mails, look).await
                });
            }
            Command::Unknown { command } => return unknown::run(config, command),
            Command::DeadLetters { command } => return block_on(dead_letters::run(&config, &command)),
            Command::Check { .. } | Command::Completions { .. } | Command::ManPages { .. } => {}
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Who runs this, by the machine's accounts.
fn account(environment: &BTreeMap<String, String>) -> String {
    let named = ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(|name| environment.get(name));
    named.cloned().unwrap_or_else(|| "somebody".to_owned())
}

/// Prints a line of a command's result. A reader that has gone, as `head`
/// does, has read all it wanted.
fn say(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Asks at the terminal for this number, which means: do so.
fn ask(number: u64, purpose: &str) -> anyhow::Result<u64> {
    let mut stderr = std::io::stderr();
    write!(stderr, "Type {number} to {purpose}: ")?;
    stderr.flush()?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    match line.trim().parse() {
        Ok(typed) if typed == number => Ok(typed),
        _ => anyhow::bail!("that is not {number}; nothing has changed"),
    }
}

/// The clock to go by. To set it is refused in production.
fn clock(config: &Config, set: Option<Clock>, how: &str) -> anyhow::Result<Clock> {
    match set {
        None => Ok(Clock::System),
        Some(clock) if config.rehearsal => Ok(clock),
        Some(_) => anyhow::bail!(
            "{how} sets the clock, which only a rehearsal may: put `rehearsal = true` into the configuration of a \
             database that no real person is in, or leave --now out"
        ),
    }
}

fn instant(text: &str) -> Result<DateTime<Utc>, String> {
    DateTime::parse_from_rfc3339(text)
        .map(|instant| instant.with_timezone(&Utc))
        .map_err(|_| "expected an instant with its zone, as in 2024-03-05T10:00:00Z".to_owned())
}

fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}
