//! What one person would get next: the claim's own decision and the words of the
//! mail, with nothing changed.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::compose::{Composer, Email};
use crate::delivery::claim;
use crate::delivery::in_hand::InHand;
use crate::delivery::letters::{self, Rules};
use crate::delivery::writing;
use crate::store::{self, due};

/// What would come of a claim of one person, now.
#[derive(Debug)]
pub enum Next {
    /// This mail.
    Mail {
        /// Of which kind it is.
        kind: &'static str,
        /// Why it is held back, if it is.
        email: Result<Box<Email>, String>,
    },
    /// None, because of this.
    Nothing(Vec<Silence>),
}

/// Why nothing would come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Silence {
    /// Nothing is due now; the next thing is at this time, if there is one.
    NotDue(Option<DateTime<Utc>>),
    /// Something is due, and waits until then.
    Waits(DateTime<Utc>),
    /// Something is due, and would end without a word, for this reason.
    Ends(&'static str),
}

/// The mail that this person would get if they were claimed now: one about openings, or else a letter.
///
/// # Errors
///
/// When Postgres is away.
pub async fn next(
    connection: &mut PgConnection,
    rules: Rules<'_>,
    composer: &Composer,
    person: i64,
    now: DateTime<Utc>,
) -> store::Result<Next> {
    let decided = claim::decide(&mut *connection, rules.mails, &[person], now).await?;
    if let Some(plan) = decided.plans.into_iter().next() {
        let kind = plan.kind.name();
        let email = writing::alert(composer, &plan.claimed(0, 0), now);
        return Ok(Next::Mail { kind, email: email.map(Box::new).map_err(|error| error.to_string()) });
    }
    let letters = letters::decide_all(&mut *connection, rules, &[person], now).await?;
    if let Some(plan) = letters.plans.into_iter().next() {
        let kind = plan.letter.letter.name();
        let email = writing::written(composer, &InHand::Letter(plan.letter), now);
        return Ok(Next::Mail { kind, email: email.map(Box::new) });
    }
    let waits = decided.waits.iter().map(|wait| wait.until);
    let waits = waits.chain(letters.waits.iter().map(|(_, until)| *until)).map(Silence::Waits);
    let ends = decided.endings.iter().map(|ending| ending.reason.unwrap_or("nothing-new"));
    let ends = ends.chain(letters.endings.iter().map(|(_, reason)| *reason)).map(Silence::Ends);
    let mut silences: Vec<Silence> = waits.chain(ends).collect();
    if silences.is_empty() {
        silences.push(Silence::NotDue(due::next_of(connection, person).await?));
    }
    Ok(Next::Nothing(silences))
}
