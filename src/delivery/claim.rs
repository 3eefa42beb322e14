//! Claim: in one transaction, takes people who are due, reads everything about
//! them again, decides what to say, and puts the mails into a worker's hands.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::compose::{MailKind, MessageId, Recipient};
use crate::config::Config;
use crate::delivery::asking::{Before, Library, Shelf};
use crate::delivery::deciding::{Decided, Plan, UNREADABLE};
use crate::domain::alert::{Manner, Notice, Pause, Policy, Preferences, Standing};
use crate::domain::cadence::{Cadence, ScheduleName};
use crate::domain::email::EmailAddress;
use crate::domain::quiet::QuietHours;
use crate::domain::subject::Kind;
use crate::domain::taxonomy::Taxonomy;
use crate::domain::truth::Phase;
use crate::store;
use crate::store::alerts::{self, Due, Marks, Wait};
use crate::store::digests::{self, DayDigest, Had};
use crate::store::mails::{self, Unfinished};
use crate::store::openings::Kept;
use crate::store::subscribers::{self, Addressee, KeptRegistration};

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
    /// From where to look for who is due.
    marks: Arc<Mutex<Marks>>,
}

impl Rules {
    /// The rules of a configuration, with Message-IDs at `domain`.
    #[must_use]
    pub fn new(config: &Config, taxonomy: Arc<Taxonomy>, domain: &str) -> Self {
        Self {
            policy: config.policy(&taxonomy),
            quiet_hours: config.guards.quiet_hours,
            unhurried_a_day: usize::from(config.guards.unhurried_a_day),
            testers: config.testing.addresses.iter().map(EmailAddress::lookup).collect(),
            domain: domain.to_owned(),
            taxonomy,
            shelf: Arc::default(),
            marks: Arc::default(),
        }
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
    /// Its key in the tables.
    pub mail_id: i64,
    /// In whose hands it is.
    pub worker: i32,
    /// How often it was tried before.
    pub attempts: i16,
    /// When it was first claimed.
    pub claimed_at: DateTime<Utc>,
    /// The key of the person.
    pub subscriber_id: i64,
    /// To whom.
    pub recipient: Recipient,
    /// Which kind of mail it is.
    pub kind: MailKind,
    /// Its identity.
    pub message_id: MessageId,
    /// The Message-IDs of the thread that it continues, oldest first.
    pub thread: Vec<String>,
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
    /// What there was no room for; people find it on our pages.
    pub rest: Vec<Arc<Kept>>,
}

/// An opening that a mail tells of.
#[derive(Debug, Clone)]
pub struct Topic {
    /// What is so, at the claim.
    pub kept: Arc<Kept>,
    /// What is to be told of it...
    pub notice: Notice,
    /// ...and how.
    pub manner: Manner,
    /// How the door stands, as it is told.
    pub phase: Phase,
    /// What they were told before.
    pub told: Option<Before>,
    /// The names of all of the person's searches that ask for it, or for what
    /// was told.
    pub searches: Vec<String>,
    /// The registration that it answers, and whether this mail is its receipt.
    pub registration: Option<(KeptRegistration, bool)>,
    /// What they asked for matched what was told and does not match any more.
    pub no_longer_matches: bool,
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

/// Claims up to `limit` people, except those at these mail domains.
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
    let people = if except.is_empty() {
        let mut marks = rules.marks.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let people = alerts::people_due_from(&mut transaction, now, limit, except, &mut marks).await?;
        *rules.marks.lock().unwrap_or_else(PoisonError::into_inner) = marks;
        people
    } else {
        // Whom it passes over is still first.
        alerts::people_due_from(&mut transaction, now, limit, except, &mut Marks::default()).await?
    };
    if people.is_empty() {
        return Ok(Claim::default());
    }
    let mut unfinished: HashMap<i64, Vec<Unfinished>> = HashMap::new();
    for mail in mails::unfinished(&mut transaction, &people).await? {
        unfinished.entry(mail.subscriber_id).or_default().push(mail);
    }
    // After the mails: one that a worker whose session was lost records as sent meanwhile is then
    // either not due any more, or known here and not claimed again.
    let soon = now + rules.policy.settling.settle;
    let due = alerts::due_of(&mut transaction, &people, soon).await?;
    let library = Library::read(&mut transaction, &due, &rules.taxonomy, &rules.shelf).await?;
    let programmes = library.kept.values().any(|(kept, _)| kept.opening.kind == Kind::Programme);
    let addressees = subscribers::addressees(&mut transaction, &people, programmes).await?;

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
    let unhurried = candidates.iter().filter(|candidate| candidate.is_unhurried());
    let unhurried: Vec<i64> = unhurried.map(|candidate| candidate.asker.addressee.id).collect();
    let today = rules.policy.rhythm.begin_of(rules.policy.rhythm.day_of(now));
    let had = digests::had(&mut transaction, &unhurried, today).await?;
    let nothing = Had::default();
    for candidate in candidates {
        let had = had.get(&candidate.asker.addressee.id).unwrap_or(&nothing);
        decided.mail(rules, candidate, had, now);
    }
    alerts::end(&mut transaction, &decided.endings, now).await?;
    alerts::postpone(&mut transaction, &decided.waits).await?;
    mails::supersede(&mut transaction, &decided.superseded, now).await?;
    let claims: Vec<mails::Claim<'_>> = decided.plans.iter().map(Plan::claim).collect();
    let keys = mails::claim(&mut transaction, worker, &claims, now).await?;
    let of_days: Vec<DayDigest> = decided
        .plans
        .iter()
        .flat_map(|plan| plan.of_days.iter().map(move |of_day| (plan.subscriber_id, of_day)))
        .filter_map(|(subscriber_id, (schedule, day))| {
            let mail_id = *keys.get(&subscriber_id)?;
            Some(DayDigest { subscriber_id, schedule: *schedule, day: *day, mail_id })
        })
        .collect();
    digests::keep(&mut transaction, &of_days).await?;
    transaction.commit().await?;

    Ok(Claim {
        people: people.len(),
        ended: decided.endings.len(),
        mails: decided
            .plans
            .into_iter()
            .filter_map(|plan| {
                let mail_id = *keys.get(&plan.subscriber_id)?;
                let (attempts, claimed_at) =
                    plan.begun.map_or((0, now), |begun| (begun.attempts, begun.claimed_at));
                Some(Claimed {
                    mail_id,
                    worker,
                    attempts,
                    claimed_at,
                    subscriber_id: plan.subscriber_id,
                    recipient: plan.recipient,
                    kind: plan.kind,
                    message_id: plan.message_id,
                    thread: plan.thread,
                    topics: plan.topics,
                    digest: plan.digest,
                })
            })
            .collect(),
    })
}
