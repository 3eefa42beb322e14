//! What would leave if it might: the claim's own decisions about everybody who
//! is due, with nothing changed.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{Connection, PgPool};

use crate::delivery::claim::{self, Rules};
use crate::store::{self, due, letters};

/// How many people are decided about together.
const TOGETHER: usize = 500;

/// What would become of all that is due.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outlook {
    /// Mails by the names of their kinds. Each person's first: who is due for
    /// more gets that after it.
    pub mails: BTreeMap<&'static str, Lot>,
    /// Letters that are due, which are looked at once more before they leave.
    pub letters: i64,
    /// Alerts that would end without a word, by reason: what they were to tell
    /// is not so any more.
    pub stale: BTreeMap<&'static str, u64>,
}

/// Mails of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lot {
    /// How many.
    pub mails: u64,
    /// Since when the one that has waited longest is due.
    pub oldest_due_at: DateTime<Utc>,
}

impl Outlook {
    /// How many mails would leave.
    #[must_use]
    pub fn mails(&self) -> u64 {
        self.mails.values().map(|lot| lot.mails).sum::<u64>() + self.letters.unsigned_abs()
    }

    /// How many alerts have nothing to tell any more.
    #[must_use]
    pub fn stale(&self) -> u64 {
        self.stale.values().sum()
    }
}

/// Looks at everybody who is due.
///
/// # Errors
///
/// When Postgres is away.
pub async fn outlook(pool: &PgPool, rules: &Rules, now: DateTime<Utc>) -> store::Result<Outlook> {
    let mut connection = pool.acquire().await?;
    let mut snapshot = connection.begin_with("begin isolation level repeatable read read only").await?;
    let mut outlook =
        Outlook { letters: letters::standing(&mut snapshot, now).await?.due, ..Outlook::default() };
    let due = due::everybody(&mut snapshot, now).await?;
    for people in due.chunks(TOGETHER) {
        let since: HashMap<i64, DateTime<Utc>> = people.iter().copied().collect();
        let ids: Vec<i64> = people.iter().map(|(person, _)| *person).collect();
        let decided = claim::decide(&mut snapshot, rules, &ids, now).await?;
        for plan in &decided.plans {
            let since = since.get(&plan.errand.subscriber_id).copied().unwrap_or(now);
            let lot = outlook.mails.entry(plan.kind.name()).or_insert(Lot { mails: 0, oldest_due_at: since });
            lot.mails += 1;
            lot.oldest_due_at = lot.oldest_due_at.min(since);
        }
        for ending in &decided.endings {
            *outlook.stale.entry(ending.reason.unwrap_or("nothing-new")).or_default() += 1;
        }
    }
    Ok(outlook)
}
