//! `bounce`: mails that came back to us.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::cli::{EXIT_DATA, EXIT_LATER, say};
use crate::config::Config;
use crate::returns::{self, Rules, Taken, maildir};
use crate::store;
use crate::store::servers::Servers;

/// Which mails.
pub(super) enum Mails<'a> {
    /// One, in a file or from standard input.
    One {
        /// Where it is.
        file: &'a Path,
        /// The address that it was delivered to, if that is known.
        recipient: Option<&'a str>,
    },
    /// All that are new in a maildir.
    New(&'a Path),
}

/// Takes mails in. What a person has to read is in the exit code.
///
/// # Errors
///
/// When a mail cannot be read, a key is not configured, or PostgreSQL is away; the mail can be taken
/// in again then.
pub(super) async fn bounce(
    config: &Config,
    mails: Mails<'_>,
    now: DateTime<Utc>,
) -> anyhow::Result<ExitCode> {
    let rules = Rules::new(&config.secrets)?;
    let servers = Servers::of(config.database.url.expose())?.limited(config.database.statement_timeout);
    let pool = store::pool(&servers, 2);
    // At once, where the pool would try for a while: whoever hands mails over comes again.
    servers.point(&pool).await?;
    store::check_schema(&mut servers.connect().await?).await?;
    let Left { for_a_person, for_later } = match mails {
        Mails::One { file, recipient } => {
            let mail = if file.as_os_str() == "-" {
                maildir::read(std::io::stdin())
            } else {
                maildir::read_file(file)
            };
            let mail = mail.with_context(|| format!("{} cannot be read", file.display()))?;
            let mut left = Left::default();
            left.note(returns::take(&pool, &rules, &mail, recipient, now).await?);
            left
        }
        Mails::New(folder) => sweep(&pool, &rules, folder, now).await?,
    };
    Ok(match (for_later, for_a_person) {
        (0, 0) => ExitCode::SUCCESS,
        (0, _) => ExitCode::from(EXIT_DATA),
        (_, _) => ExitCode::from(EXIT_LATER),
    })
}

/// How many were not done.
#[derive(Default)]
struct Left {
    /// A person has to read them.
    for_a_person: u64,
    /// They have to be taken in again.
    for_later: u64,
}

impl Left {
    /// Returns whether it is done.
    fn note(&mut self, taken: Taken) -> bool {
        let for_a_person = taken == Taken::ForAPerson;
        let for_later = taken.has_to_come_again();
        self.for_a_person += u64::from(for_a_person);
        self.for_later += u64::from(for_later);
        !for_a_person && !for_later
    }
}

/// Takes in what is new; what is not done stays there.
async fn sweep(pool: &PgPool, rules: &Rules, folder: &Path, now: DateTime<Utc>) -> anyhow::Result<Left> {
    let (mut done, mut left) = (0_u64, Left::default());
    let mails = maildir::new_mails(folder).with_context(|| format!("{} is no maildir", folder.display()))?;
    for mail in mails {
        let read = maildir::read_file(&mail).with_context(|| format!("{} cannot be read", mail.display()))?;
        if left.note(returns::take(pool, rules, &read, None, now).await?) {
            // Where we are killed in between, it is taken in again, and that changes nothing.
            maildir::done(folder, &mail).with_context(|| format!("{} cannot be moved", mail.display()))?;
            done += 1;
        }
    }
    let later = if left.for_later > 0 { format!(", {} for later", left.for_later) } else { String::new() };
    say(format_args!("{done} done, {} for a person to read{later}", left.for_a_person));
    Ok(left)
}
