//! `unknown`: mails of which nobody knows whether they arrived.

use std::process::ExitCode;

use anyhow::bail;
use chrono::{DateTime, Utc};
use serde_json::json;

use crate::cli::check::counted;
use crate::cli::ledger::minute;
use crate::cli::{block_on, clock, instant, say};
use crate::clock::Clock;
use crate::config::Config;
use crate::daemon::Program;
use crate::delivery::Delivery;
use crate::stage::Stage as _;
use crate::store::leaving::{self, Unknown};
use crate::store::{self, StoreError};

/// What to do.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List them: key, Message-ID, kind, when it was handed over, and until when it is left alone.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// They did not arrive: send them again.
    Resend(Which),
    /// They arrived: record them as accepted.
    Settle(Which),
}

/// Which of them.
#[derive(Debug, clap::Args)]
#[group(required = true)]
pub(super) struct Which {
    /// Their keys, as listed.
    #[arg(value_name = "MAIL")]
    mails: Vec<i64>,
    /// All of them.
    #[arg(long, conflicts_with = "mails")]
    all: bool,
    /// What time it is (only with `rehearsal = true`), as in 2024-03-05T10:00:00Z.
    #[arg(long, value_name = "INSTANT", value_parser = instant)]
    now: Option<DateTime<Utc>>,
}

/// What an operator knows of mails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// They did not arrive.
    Resend,
    /// They did.
    Settle,
}

/// Does it.
///
/// # Errors
///
/// When PostgreSQL is away, or one of the mails is not unknown.
pub(super) fn run(config: Config, command: Command) -> anyhow::Result<ExitCode> {
    let (verdict, Which { mails, now, .. }) = match command {
        Command::List { json } => {
            return block_on(async {
                list(&Program::at_the_tables(config, Clock::System).await?, json).await
            });
        }
        Command::Resend(which) => (Verdict::Resend, which),
        Command::Settle(which) => (Verdict::Settle, which),
    };
    let clock = clock(&config, now.map(Clock::standing), "unknown --now")?;
    block_on(async { decide(&Program::at_the_tables(config, clock).await?, verdict, &mails).await })
}

/// Lists them, oldest first.
///
/// # Errors
///
/// When PostgreSQL is away.
async fn list(program: &Program, as_json: bool) -> anyhow::Result<ExitCode> {
    let mut connection = program.pool().acquire().await.map_err(StoreError::from)?;
    let mails = leaving::unknown(&mut connection, None).await?;
    if as_json {
        say(format_args!("{:#}", json!({ "mails": mails })));
        return Ok(ExitCode::SUCCESS);
    }
    if mails.is_empty() {
        say("Of every mail it is known what became of it.");
    }
    for Unknown { mail, kind, message_id, since, until, reply } in mails {
        say(format_args!(
            "{mail}  {message_id}  {kind}, handed over {}, left alone until {}: {}",
            minute(since),
            minute(until),
            reply.unwrap_or_default()
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// Records what an operator knows of some of them, or of all.
///
/// # Errors
///
/// When PostgreSQL is away, or one of them is not unknown; nothing is recorded
/// then.
async fn decide(program: &Program, verdict: Verdict, mails: &[i64]) -> anyhow::Result<ExitCode> {
    let mut transaction = program.pool().begin().await.map_err(StoreError::from)?;
    let only = (!mails.is_empty()).then_some(mails);
    let unknown: Vec<i64> =
        leaving::unknown(&mut transaction, only).await?.into_iter().map(|one| one.mail).collect();
    if let Some(known) = mails.iter().find(|mail| !unknown.contains(mail)) {
        bail!("of mail {known} it is known what became of it; `jobalerts unknown list` names the others");
    }
    let done = match verdict {
        Verdict::Resend => leaving::resend(&mut transaction, &unknown, program.clock().now()).await?,
        Verdict::Settle => leaving::settle(&mut transaction, &unknown).await?,
    };
    store::announce_work(&mut transaction, Delivery::NAME).await?;
    transaction.commit().await.map_err(StoreError::from)?;
    let what = match verdict {
        Verdict::Resend => "is sent again, if there is still something to tell",
        Verdict::Settle => "is on record as accepted, as of when it was handed over",
    };
    say(format_args!("{}: each {what}.", counted(usize::try_from(done)?, "mail")));
    Ok(ExitCode::SUCCESS)
}
