//! What comes back to us: mails that could not be delivered, complaints, and people who write stop.
//!
//! Whom it is about is told by a token that we signed, never by an address: anybody can write to us
//! in anybody's name. What has no such token changes nothing and is counted. Nothing here ever
//! answers (RFC 3834, section 2; RFC 5321, section 4.5.5).

pub mod incoming;
pub mod maildir;
pub mod webhook;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use crate::config::Secrets;
use crate::domain::bounce::Status;
use crate::domain::suppression::AddressKeys;
use crate::domain::token::{StopToken, TokenKeys};
use crate::returns::incoming::{Incoming, LARGEST, What, tokens};
use crate::store;
use crate::store::returns::{self, Answer, Source, Whom};

/// What is needed to know who is meant, and to remember their address.
#[derive(Debug, Clone)]
pub struct Rules {
    /// What our tokens are signed with.
    pub tokens: TokenKeys,
    /// What suppressed addresses are known by.
    pub addresses: AddressKeys,
}

impl Rules {
    /// The rules of a configuration.
    ///
    /// # Errors
    ///
    /// When a key is missing.
    pub fn new(secrets: &Secrets) -> anyhow::Result<Self> {
        let (tokens, addresses) = (secrets.keys_of_tokens()?.clone(), secrets.keys_of_addresses()?.clone());
        Ok(Self { tokens, addresses })
    }
}

/// What became of something that reached us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// A mail came back for good.
    Bounce(Answer),
    /// A mail server is still trying.
    Delayed(Answer),
    /// Somebody marked a mail as spam.
    Complaint(Answer),
    /// Somebody said stop.
    Stop(Answer),
    /// It reports what is no news: that a mail arrived, or is no spam.
    Fine,
    /// A program answered in somebody's place.
    Automatic,
    /// It has no token of ours where there must be one. It changes nothing.
    Forged,
    /// It is not for a program: a person has to read it.
    ForAPerson,
}

impl Taken {
    /// Whether the same has to be taken in again later.
    #[must_use]
    pub fn has_to_come_again(self) -> bool {
        self == Self::Bounce(Answer::TooEarly)
    }

    /// What it is counted as, unless it will be looked at again.
    fn counted_as(self) -> Option<&'static str> {
        Some(match self {
            Self::Bounce(Answer::Unknown)
            | Self::Delayed(Answer::Unknown)
            | Self::Complaint(Answer::Unknown)
            | Self::Stop(Answer::Unknown) => "about-nobody",
            Self::Bounce(Answer::Again) | Self::Delayed(Answer::Again) | Self::Complaint(Answer::Again) => {
                "known-before"
            }
            Self::Bounce(Answer::Taken) => "bounce",
            Self::Delayed(Answer::Taken) => "delayed",
            Self::Complaint(Answer::Taken) => "complaint",
            Self::Stop(_) => "stop",
            Self::Fine => "no-news",
            Self::Automatic => "automatic",
            Self::Forged => "forged",
            Self::ForAPerson
            | Self::Bounce(Answer::TooEarly)
            | Self::Delayed(Answer::TooEarly)
            | Self::Complaint(Answer::TooEarly) => return None,
        })
    }
}

/// Takes in one mail, and does all that follows from it in one transaction. `recipient` is the
/// address that it was delivered to, if that is known; else the mail's own headers tell it.
///
/// # Errors
///
/// When Postgres is away; nothing is done then, and the same mail can be taken in again.
pub async fn take(
    pool: &PgPool,
    rules: &Rules,
    mail: &[u8],
    recipient: Option<&str>,
    now: DateTime<Utc>,
) -> store::Result<Taken> {
    let read = (mail.len() <= LARGEST).then(|| Incoming::read(mail)).flatten();
    let addressed = match (recipient, &read) {
        (Some(recipient), _) => recipient,
        (None, Some(incoming)) => &incoming.addressed,
        (None, None) => "",
    };
    let mut transaction = pool.begin().await?;
    let taken = judge(&mut transaction, rules, read.as_ref(), addressed, now).await?;
    finish(&mut transaction, taken, now).await?;
    transaction.commit().await?;
    Ok(taken)
}

async fn finish(connection: &mut PgConnection, taken: Taken, now: DateTime<Utc>) -> store::Result<()> {
    if let Some(what) = taken.counted_as() {
        returns::count(connection, what, now.date_naive()).await?;
    }
    tracing::debug!(?taken, "something came back to us");
    Ok(())
}

async fn judge(
    connection: &mut PgConnection,
    rules: &Rules,
    mail: Option<&Incoming>,
    addressed: &str,
    now: DateTime<Utc>,
) -> store::Result<Taken> {
    // Whatever is in it: who writes to this address wants to stop (RFC 2369, section 3.2).
    if let Some(stop) = tokens(addressed).find_map(|token| StopToken::verify(token, &rules.tokens, now).ok())
    {
        let answer = returns::stopped(connection, stop.person, now).await?;
        return Ok(Taken::Stop(answer));
    }
    let bounced = || tokens(addressed).find_map(|token| rules.tokens.bounced(token, now).ok());
    let Some(mail) = mail else { return Ok(Taken::ForAPerson) };
    Ok(match &mail.what {
        What::Bounce(status) => match bounced() {
            Some(mail) => bounce(connection, rules, mail, *status, Source::Mail, now).await?,
            None => Taken::Forged,
        },
        What::Delayed(status) => match bounced() {
            Some(mail) => Taken::Delayed(returns::delayed(connection, mail, *status, now).await?),
            None => Taken::Forged,
        },
        What::Complaint { shown } => {
            let mut taken = Taken::Forged;
            for whom in complained_of(rules, shown, now) {
                taken = complaint(&mut *connection, rules, whom, Source::Mail, now).await?;
                if taken != Taken::Complaint(Answer::Unknown) {
                    break;
                }
            }
            taken
        }
        What::NoNews => Taken::Fine,
        What::Automatic => Taken::Automatic,
        What::SaysStop { from, answers } => {
            match returns::answering(&mut *connection, from, answers).await? {
                Some(person) => Taken::Stop(returns::stopped(connection, person, now).await?),
                None => Taken::ForAPerson,
            }
        }
        // To an address that looks like ours with a token, and is not.
        What::Other if tokens(addressed).next().is_some() && bounced().is_none() => Taken::Forged,
        What::Other => Taken::ForAPerson,
    })
}

async fn bounce(
    connection: &mut PgConnection,
    rules: &Rules,
    mail: i64,
    status: Status,
    source: Source,
    now: DateTime<Utc>,
) -> store::Result<Taken> {
    let answer = returns::bounced(connection, &rules.addresses, mail, status, source, now).await?;
    Ok(Taken::Bounce(answer))
}

async fn complaint(
    connection: &mut PgConnection,
    rules: &Rules,
    whom: Whom,
    source: Source,
    now: DateTime<Utc>,
) -> store::Result<Taken> {
    let answer = returns::complained(connection, &rules.addresses, whom, source, now).await?;
    Ok(Taken::Complaint(answer))
}

/// Whom a complaint is about, by what it shows of our mail, its return path and where to stop: the mail,
/// or if that is forgotten by now, the person.
fn complained_of(rules: &Rules, shown: &str, now: DateTime<Utc>) -> Vec<Whom> {
    let mail = tokens(shown).find_map(|token| rules.tokens.bounced(token, now).ok());
    let stop = tokens(shown).find_map(|token| StopToken::verify(token, &rules.tokens, now).ok());
    let mail = mail.or(stop.and_then(|stop| stop.mail)).map(Whom::Mail);
    mail.into_iter().chain(stop.map(|stop| Whom::Person(stop.person))).collect()
}
