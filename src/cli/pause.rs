//! `pause` and `resume`: the switch for all mails.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use crate::cli::check::counted;
use crate::cli::ledger::minute;
use crate::cli::{ask, say};
use crate::daemon::Program;
use crate::delivery::Delivery;
use crate::delivery::outlook::{Outlook, outlook};
use crate::stage::Stage as _;
use crate::store::settings::{self, Paused};
use crate::store::{self, StoreError};
use anyhow::bail;

/// Stops all mails, in every process, from now on.
///
/// # Errors
///
/// When PostgreSQL is away; mails go on leaving then.
pub(super) async fn pause(program: &Program, reason: Option<String>, by: String) -> anyhow::Result<()> {
    let mut connection = program.pool().acquire().await.map_err(StoreError::from)?;
    let wish = Paused { since: program.clock().now(), by, reason };
    let (paused, new) = settings::pause(&mut connection, &wish).await?;
    if new {
        say(
            "No further mail leaves, from any process. What was being handed over a moment ago may still arrive.",
        );
        say("Events are taken in and matched as before, and what is due waits for `jobalerts resume`.");
    } else {
        say(format_args!("No mail leaves: {}.", told(&paused)));
    }
    Ok(())
}

/// Says what would leave, and lets mails leave again if that number is
/// confirmed: as `confirmed`, else at the terminal.
///
/// # Errors
///
/// When PostgreSQL is away.
pub(super) async fn resume(
    program: &Program,
    confirmed: Option<u64>,
    look: bool,
) -> anyhow::Result<ExitCode> {
    let mut connection = program.pool().acquire().await.map_err(StoreError::from)?;
    let Some(paused) = settings::paused(&mut connection).await? else {
        say("Mails are not stopped.");
        return Ok(ExitCode::SUCCESS);
    };
    let rules = program.delivery_rules();
    let outlook = outlook(program.pool(), &rules, program.clock().now()).await?;
    say(format_args!("No mail leaves: {}.", told(&paused)));
    show(&outlook);
    let mails = outlook.mails();
    if look {
        return Ok(ExitCode::SUCCESS);
    }
    let confirmed = match confirmed {
        Some(confirmed) => confirmed,
        None if std::io::stdin().is_terminal() => {
            ask(mails, &format!("let {} leave", counted(usize::try_from(mails)?, "mail")))?
        }
        None => bail!("not confirmed: run `jobalerts resume --mails {mails}` to let them leave"),
    };
    if confirmed < mails {
        bail!("{confirmed} were confirmed, and {mails} would leave; nothing has changed");
    }
    settings::resume(&mut connection).await?;
    store::announce_work(&mut connection, Delivery::NAME).await?;
    say("Mails leave again.");
    Ok(ExitCode::SUCCESS)
}

fn show(outlook: &Outlook) {
    say("If mails might leave now, these would:");
    for (kind, lot) in &outlook.mails {
        say(format_args!("{:>10}  {kind} (the oldest due since {})", lot.mails, minute(lot.oldest_due_at)));
    }
    if outlook.letters > 0 {
        say(format_args!("{:>10}  letters", outlook.letters));
    }
    say(format_args!("{:>10}  in all", outlook.mails()));
    if outlook.stale() > 0 {
        say("These alerts have nothing to tell any more, and end without a word:");
        for (reason, alerts) in &outlook.stale {
            say(format_args!("{alerts:>10}  {reason}"));
        }
    }
}

/// Since when mails are stopped, by whom and why.
pub(super) fn told(paused: &Paused) -> String {
    let reason = paused.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    format!("stopped since {} by {}{reason}", minute(paused.since), paused.by)
}
