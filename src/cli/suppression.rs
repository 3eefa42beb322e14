//! `suppression`: addresses to which nothing is sent.

use std::process::ExitCode;

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use clap::ValueEnum;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::cli::ledger::minute;
use crate::cli::say;
use crate::config::Config;
use crate::domain::email::EmailAddress;
use crate::store::suppressions::{self, Lifted};
use crate::store::{self, subscribers};

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Action {
    /// Say whether nothing is sent there, since when and why.
    Check,
    /// Send nothing there any more.
    Add,
    /// Send there again. What a person wanted themselves only they can lift, by confirming their
    /// address anew: the exit code is then 1.
    Lift,
}

/// Looks at or changes what is sent to one address. The address is printed nowhere.
///
/// # Errors
///
/// When no key is configured, the person is not known, or PostgreSQL is away.
pub(super) async fn suppression(
    config: &Config,
    action: Action,
    person: &str,
    now: DateTime<Utc>,
) -> anyhow::Result<ExitCode> {
    let keys = config.secrets.keys_of_addresses()?;
    let mut connection = store::connect(config.database.url.expose()).await?;
    store::check_schema(&mut connection).await?;
    let person = super::explain::named(person)?;
    let address = address(&mut connection, &person).await?;
    let mut transaction = connection.begin().await?;
    let mut code = ExitCode::SUCCESS;
    match action {
        Action::Check => match suppressions::of_address(&mut transaction, keys, &address).await? {
            Some(found) => {
                let (since, why) = (minute(found.since), found.reason.name());
                say(format_args!("Nothing is sent there since {since}: {why}."));
            }
            None => say("Not suppressed."),
        },
        Action::Add => {
            suppressions::add_by_operator(&mut transaction, keys, &address, now).await?;
            say("Nothing will be sent there.");
        }
        Action::Lift => match suppressions::lift_by_operator(&mut transaction, keys, &address, now).await? {
            Lifted::Lifted => say("Lifted: mail may be sent there again."),
            Lifted::NotSuppressed => say("Not suppressed."),
            Lifted::TheirWill(theirs) => {
                let why = theirs.reason.name();
                say(format_args!(
                    "Not lifted: it is the person's own will ({why}). Only they can lift it, by confirming their \
                     address anew."
                ));
                code = ExitCode::FAILURE;
            }
        },
    }
    transaction.commit().await?;
    Ok(code)
}

/// The address that is meant.
async fn address(connection: &mut PgConnection, person: &str) -> anyhow::Result<EmailAddress> {
    let Ok(public_id) = person.parse::<Uuid>() else {
        return person.parse().context("expected an address or a public id");
    };
    match subscribers::address_of(connection, public_id).await? {
        Some(address) => Ok(address.parse()?),
        None => bail!("nobody has this public id"),
    }
}
