//! `unknown`: mails of which nobody knows whether they arrived.

use std::process::ExitCode;

use anyhow::bail;
use serde_json::json;

use crate::cli::check::counted;
use crate::cli::ledger::minute;
use crate::cli::say;
use crate::daemon::Program;
use crate::delivery::Delivery;
use crate::stage::Stage as _;
use crate::store::leaving::{self, Unknown};
use crate::store::{self, StoreError};

/// What an operator knows of mails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// They did not arrive.
    Resend,
    /// They did.
    Settle,
}

/// Lists them, oldest first.
///
/// # Errors
///
/// When PostgreSQL is away.
pub(super) async fn list(program: &Program, as_json: bool) -> anyhow::Result<ExitCode> {
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
pub(super) async fn decide(program: &Program, verdict: Verdict, mails: &[i64]) -> anyhow::Result<ExitCode> {
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
