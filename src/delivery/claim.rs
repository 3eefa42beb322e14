//! Claim: in one transaction, takes people who are due, reads everything about
//! them again, decides what to say, and puts the mails into a worker's hands.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use crate::compose::MailKind;
use crate::config::{Config, InEffect};
use crate::delivery::asking::{Library, Shelf};
use crate::delivery::deciding::{Candidate, Decided, Plan, UNREADABLE};
use crate::delivery::gate::Gate;
use crate::delivery::in_hand::Errand;
use crate::delivery::topic::Topic;
use crate::domain::alert::{Pause, Policy, Preferences, Standing};
use crate::domain::cadence::{Cadence, ScheduleName};
use crate::domain::email::EmailAddress;
use crate::domain::quiet::QuietHours;
use crate::domain::subject::Kind;
use crate::domain::taxonomy::Taxonomy;
use crate::store;
use crate::store::alerts::{self, Due, Wait};
use crate::store::digests::{self, DayDigest, Had};
use crate::store::due::{self, Marks};
use crate::store::mails::{self, Unfinished};
use crate::store::openings::Kept;
use crate::store::subscribers::{self, Addressee};

/// What deciding goes by.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The taxonomy as it is now.
    pub taxonomy: Arc<Taxonomy>,
    /// The folded addresses of the testers.
    pub testers: HashSet<String>,
    /// The domain of the Message-IDs.
    pub domain: String,
    /// What the comparison goes by.
    pub policy: Policy,
    /// The quiet hours of those who have not chosen any.
    pub quiet_hours: Option<QuietHours>,
    /// How many mails a day a person gets that are no haste.
    pub unhurried_a_day: usize,
    /// What was read before and stays as it is.
    pub(crate) shelf: Arc<Shelf>,
    /// What holds mails back that are due.
    pub(crate) gate: Arc<Gate>,
    /// From where to look for who is due.
    marks: Marks,
}

impl Rules {
    /// The rules of a configuration, with Message-IDs at `domain`.
    #[must_use]
    pub fn new(config: &Config, taxonomy: Arc<Taxonomy>, domain: &str) -> Self {
        Self::of(&InEffect::new(config.clone()), taxonomy, domain)
    }

    /// The rules of the configuration in effect. What they limit follows it at once, and what they
    /// decide by when they are told to.
    pub(super) fn of(in_effect: &InEffect, taxonomy: Arc<Taxonomy>, domain: &str) -> Self {
        let config = in_effect.now();
        Self {
            policy: config.policy(&taxonomy),
            quiet_hours: config.guards.quiet_hours,
            unhurried_a_day: usize::from(config.guards.unhurried_a_day),
            testers: config.testing.addresses.iter().map(EmailAddress::lookup).collect(),
            domain: domain.to_owned(),
            taxonomy,
            shelf: Arc::default(),
            gate: Arc::new(Gate::new(in_effect)),
            marks: Marks::default(),
        }
    }

    /// Decides by another configuration from now on.
    pub(super) fn follow(&mut self, config: &Config) {
        self.policy = config.policy(&self.taxonomy);
        self.quiet_hours = config.guards.quiet_hours;
    }

    /// Who a person is to us.
    #[must_use]
    pub fn standing(&self, addressee: &Addressee) -> Standing {
        match addressee.reachable {
            false => Standing::Unreachable,
            true if self.testers.contains(&addressee.address.lookup()) => Standing::Tester,
            true => Standing::Reachable,
        }
    }

    /// The first daily tick of a later day.
    #[must_use]
    pub fn daily_after_today(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let rhythm = &self.policy.rhythm;
        let ends = rhythm.end_of(rhythm.day_of(now));
        rhythm.due(Cadence::scheduled(ScheduleName::DAILY), ends).unwrap_or(ends)
    }

    /// When a person wants to be written to.
    #[must_use]
    pub fn preferences(&self, addressee: &Addressee) -> Preferences {
        let pause = addressee.paused_until.map(|day| Pause {
            ends: self.policy.rhythm.begin_of(day),
            registrations: addressee.pause_registrations,
        });
        let quiet_hours = match addressee.quiet_hours {
            Some((from, to)) => QuietHours::between(from, to),
            None => self.quiet_hours,
        };
        Preferences { quiet_hours, pause, digests: addressee.digests, rhythm_since: addressee.rhythm_since }
    }
}

/// A mail that has been claimed and is to be written and sent.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// What every mail has.
    pub errand: Errand,
    /// Which kind of mail it is.
    pub kind: MailKind,
    /// What it tells of, and why.
    pub topics: Vec<Topic>,
    /// What more there is to it, if it is a digest.
    pub digest: Option<Digested>,
}

/// What there is to a digest besides what it tells of.
#[derive(Debug, Clone)]
pub struct Digested {
    /// What shuts before this moment closes soon.
    pub soon: DateTime<Utc>,
    /// What there was no room for...
    pub rest: Vec<Arc<Kept>>,
    /// ...and how many of these are open, which people find on our pages.
    pub live: usize,
}

/// What one claim brought.
#[derive(Debug, Default)]
pub struct Claim {
    /// What is to be sent.
    pub mails: Vec<Claimed>,
    /// Alerts that ended without a word.
    pub ended: usize,
    /// Whether anybody was due at all.
    pub people: usize,
}

/// Claims up to `limit` people, except those of these providers, and of those
/// who get nothing now.
///
/// # Errors
///
/// When Postgres is away; nothing is claimed then.
pub async fn claim(
    pool: &PgPool,
    rules: &Rules,
    worker: i32,
    limit: i64,
    except: &[String],
    now: DateTime<Utc>,
) -> store::Result<Claim> {
    let mut transaction = pool.begin().await?;
    let except = rules.gate.shut(&mut transaction, except, now).await?;
    let people = due::people_due(&mut transaction, now, limit, &except, &rules.marks).await?;
    if people.is_empty() {
        return Ok(Claim::default());
    }
    let mut decided = decide(&mut transaction, rules, &people, now).await?;
    rules.gate.admit(&mut transaction, &mut decided.plans, |plan| &mut plan.errand, now).await?;
    alerts::end(&mut transaction, &decided.endings, now).await?;
    alerts::postpone(&mut transaction, &decided.waits).await?;
    mails::supersede(&mut transaction, &decided.superseded, now).await?;
    let claims: Vec<mails::Claim<'_>> = decided.plans.iter().map(Plan::claim).collect();
    let keys = mails::claim(&mut transaction, worker, &claims, now).await?;
    let of_days = decided.plans.iter().filter_map(|plan| {
        let mail_id = *keys.get(&plan.errand.subscriber_id)?;
        Some(plan.day_digests(mail_id))
    });
    let of_days: Vec<DayDigest> = of_days.flatten().collect();
    digests::keep(&mut transaction, &of_days).await?;
    transaction.commit().await?;

    let claimed = decided.plans.into_iter().filter_map(|plan| {
        let mail_id = *keys.get(&plan.errand.subscriber_id)?;
        Some(plan.claimed(mail_id, worker))
    });
    Ok(Claim { mails: claimed.collect(), ended: decided.endings.len(), people: people.len() })
}

/// Decides for these people what there is to tell them and in which mails,
/// after everything about them was read again. Changes nothing.
///
/// # Errors
///
/// When Postgres is away.
pub(super) async fn decide(
    connection: &mut PgConnection,
    rules: &Rules,
    people: &[i64],
    now: DateTime<Utc>,
) -> store::Result<Decided> {
    let mut unfinished: HashMap<i64, Vec<Unfinished>> = HashMap::new();
    for mail in mails::unfinished(&mut *connection, people).await? {
        unfinished.entry(mail.subscriber_id).or_default().push(mail);
    }
    // After the mails: one that a worker whose session was lost records as sent meanwhile is then
    // either not due any more, or known here and not claimed again.
    let soon = now + rules.policy.settling.settle;
    let due = alerts::due_of(&mut *connection, people, soon).await?;
    let library = Library::read(&mut *connection, &due, &rules.taxonomy, &rules.shelf).await?;
    let programmes = library.kept.values().any(|(kept, _)| kept.opening.kind == Kind::Programme);
    let addressees = subscribers::addressees(&mut *connection, people, programmes).await?;

    let mut decided = Decided::default();
    let unreadable = |person: &i64| !addressees.iter().any(|addressee| addressee.id == *person);
    for alert in due.iter().filter(|alert| unreadable(&alert.subscriber_id) && alert.due_at <= now) {
        let Due { subscriber_id, opening_id, .. } = *alert;
        decided.waits.push(Wait { subscriber_id, opening_id, until: now + UNREADABLE, unhurried: true });
    }
    let mut candidates = Vec::with_capacity(addressees.len());
    for addressee in &addressees {
        let alerts: Vec<&Due> = due.iter().filter(|alert| alert.subscriber_id == addressee.id).collect();
        let begun = unfinished.remove(&addressee.id).unwrap_or_default();
        candidates.push(decided.candidate(rules, addressee, alerts, begun, &library, now));
    }
    let over: Vec<(i64, i64)> = candidates.iter().flat_map(Candidate::over).collect();
    let told = alerts::told_of_later(&mut *connection, &over).await?;
    decided.told_of_later(&mut candidates, &told);
    let unhurried = candidates.iter().filter(|candidate| candidate.is_unhurried());
    let unhurried: Vec<i64> = unhurried.map(|candidate| candidate.asker.addressee.id).collect();
    let today = rules.policy.rhythm.begin_of(rules.policy.rhythm.day_of(now));
    let had = digests::had(&mut *connection, &unhurried, today).await?;
    let nothing = Had::default();
    for candidate in candidates {
        let had = had.get(&candidate.asker.addressee.id).unwrap_or(&nothing);
        decided.mail(rules, candidate, had, now);
    }
    Ok(decided)
}
