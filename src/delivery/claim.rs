//! Claim and decide: in one transaction, takes people who are due, reads
//! everything about them again, and decides what to say.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use sqlx::PgPool;

use crate::compose::{MOST_ITEMS, MessageId, Recipient, VACANCY_ALERT};
use crate::domain::alert::{Situation, Standing, Word, next_word};
use crate::domain::cadence::Rhythm;
use crate::domain::criteria::Criteria;
use crate::domain::taxonomy::Taxonomy;
use crate::domain::terms::Terms;
use crate::store::alerts::{self, Due, Ending};
use crate::store::mails::{self, Unfinished};
use crate::store::openings::{self, Opening};
use crate::store::subscribers::{self, Addressee, SavedSearch};
use crate::store::{self};

/// How long what cannot be read is left alone. The log says what it is; nobody
/// else waits for it.
const UNREADABLE: Duration = Duration::hours(1);

/// What deciding goes by.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The taxonomy as it is now.
    pub taxonomy: Arc<Taxonomy>,
    /// The folded addresses of the testers.
    pub testers: HashSet<String>,
    /// The domain of the Message-IDs.
    pub domain: String,
    /// When mails at each cadence leave.
    pub rhythm: Rhythm,
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
    /// Its identity.
    pub message_id: MessageId,
    /// What it tells of, and because of which searches.
    pub topics: Vec<Topic>,
}

/// An opening that a mail tells of.
#[derive(Debug, Clone)]
pub struct Topic {
    /// The truth at the claim.
    pub opening: Arc<Opening>,
    /// The names of all of the person's searches that ask for it.
    pub searches: Vec<String>,
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

/// Claims up to `limit` people.
///
/// # Errors
///
/// When Postgres is away; nothing is claimed then.
pub async fn claim(
    pool: &PgPool,
    rules: &Rules,
    worker: i32,
    limit: i64,
    now: DateTime<Utc>,
) -> store::Result<Claim> {
    let mut transaction = pool.begin().await?;
    let people = alerts::people_due(&mut transaction, now, limit).await?;
    if people.is_empty() {
        return Ok(Claim::default());
    }
    let mut unfinished: HashMap<i64, Vec<Unfinished>> = HashMap::new();
    for mail in mails::unfinished(&mut transaction, &people).await? {
        unfinished.entry(mail.subscriber_id).or_default().push(mail);
    }
    // After the mails: one that a worker whose session was lost records as sent meanwhile is then
    // either not due any more, or known here and not claimed again.
    let due = alerts::due_of(&mut transaction, &people, now).await?;
    let mut opening_ids: Vec<i64> = due.iter().map(|alert| alert.opening_id).collect();
    opening_ids.sort_unstable();
    opening_ids.dedup();
    let openings: HashMap<i64, (Arc<Opening>, Terms)> = openings::by_id(&mut transaction, &opening_ids)
        .await?
        .into_iter()
        .map(|opening| {
            let terms = Terms::of(&opening.posting.facts, &rules.taxonomy);
            (opening.id, (Arc::new(opening), terms))
        })
        .collect();
    let addressees = subscribers::addressees(&mut transaction, &people).await?;

    let mut decided = Decided::default();
    let unreadable = |person: &i64| !addressees.iter().any(|addressee| addressee.id == *person);
    for alert in due.iter().filter(|alert| unreadable(&alert.subscriber_id)) {
        decided.waits.push((alert.subscriber_id, alert.opening_id, now + UNREADABLE));
    }
    for addressee in addressees {
        let alerts: Vec<&Due> = due.iter().filter(|alert| alert.subscriber_id == addressee.id).collect();
        let begun = unfinished.remove(&addressee.id).unwrap_or_default();
        decided.person(rules, &addressee, &alerts, &begun, &openings, now);
    }
    alerts::end(&mut transaction, &decided.endings).await?;
    alerts::postpone(&mut transaction, &decided.waits).await?;
    mails::supersede(&mut transaction, &decided.superseded, now).await?;
    let claims: Vec<mails::Claim<'_>> = decided.plans.iter().map(Plan::claim).collect();
    let keys = mails::claim(&mut transaction, worker, &claims, now).await?;
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
                    message_id: plan.message_id,
                    topics: plan.topics,
                })
            })
            .collect(),
    })
}

/// A mail as it was decided.
struct Plan {
    subscriber_id: i64,
    begun: Option<Unfinished>,
    recipient: Recipient,
    message_id: MessageId,
    topics: Vec<Topic>,
}

impl Plan {
    fn claim(&self) -> mails::Claim<'_> {
        mails::Claim {
            unfinished: self.begun.as_ref().map(|begun| begun.id),
            subscriber_id: self.subscriber_id,
            kind: VACANCY_ALERT,
            message_id: self.message_id.as_str(),
            openings: self.topics.iter().map(|topic| topic.opening.id).collect(),
            revisions: self.topics.iter().map(|topic| topic.opening.revision).collect(),
        }
    }
}

#[derive(Default)]
struct Decided {
    plans: Vec<Plan>,
    endings: Vec<Ending>,
    waits: Vec<(i64, i64, DateTime<Utc>)>,
    superseded: Vec<i64>,
}

impl Decided {
    fn person(
        &mut self,
        rules: &Rules,
        addressee: &Addressee,
        alerts: &[&Due],
        begun: &[Unfinished],
        openings: &HashMap<i64, (Arc<Opening>, Terms)>,
        now: DateTime<Utc>,
    ) {
        let standing = match addressee.reachable {
            false => Standing::Unreachable,
            true if rules.testers.contains(&addressee.address.lookup()) => Standing::Tester,
            true => Standing::Reachable,
        };
        let searches: Vec<(&SavedSearch, Criteria)> =
            addressee.searches.iter().filter_map(|search| Some((search, readable(search, rules)?))).collect();
        let mut topics: Vec<Topic> = Vec::new();
        for alert in alerts {
            let end = |reason| Ending { subscriber_id: addressee.id, opening_id: alert.opening_id, reason };
            let Some((opening, terms)) = openings.get(&alert.opening_id) else {
                self.waits.push((addressee.id, alert.opening_id, now + UNREADABLE));
                continue;
            };
            let wanting: Vec<&SavedSearch> = searches
                .iter()
                .filter(|(_, criteria)| criteria.matches(terms))
                .map(|(search, _)| *search)
                .collect();
            let word = next_word(&Situation {
                posting: &opening.posting,
                told: alert.told_revision.is_some(),
                wanted: !wanting.is_empty(),
                standing,
                now,
            });
            match word {
                Word::Open => topics.push(Topic {
                    opening: Arc::clone(opening),
                    searches: wanting.iter().map(|search| search.name.clone()).collect(),
                }),
                Word::Wait(until) => {
                    let ticks = wanting.iter().filter_map(|search| rules.rhythm.due(search.cadence, until));
                    self.waits.push((addressee.id, alert.opening_id, ticks.min().unwrap_or(until)));
                }
                Word::Nothing => self.endings.push(end(None)),
                Word::End(reason) => self.endings.push(end(Some(reason.name()))),
            }
        }
        // A mail that was begun goes on with what it tells of, alone, so that
        // it stays the same mail; whatever else is due follows in the next.
        let is_topic = |id: &i64| topics.iter().any(|topic| topic.opening.id == *id);
        let goes_on = begun.iter().find(|mail| mail.openings.iter().any(is_topic)).cloned();
        let stays_due = |mail: &&Unfinished| {
            mail.openings.iter().all(|id| !alerts.iter().any(|alert| alert.opening_id == *id))
        };
        let done =
            begun.iter().filter(|mail| goes_on.as_ref() != Some(*mail)).filter(|mail| !stays_due(mail));
        self.superseded.extend(done.map(|mail| mail.id));
        if let Some(mail) = &goes_on {
            topics.retain(|topic| mail.openings.contains(&topic.opening.id));
        }
        if topics.is_empty() {
            return;
        }
        topics.sort_by_key(|topic| {
            let shuts = topic.opening.posting.door_shuts_at();
            (shuts.is_none(), shuts, topic.opening.id)
        });
        topics.truncate(MOST_ITEMS);
        let told: Vec<(String, i32)> =
            topics.iter().map(|topic| (topic.opening.key(), topic.opening.revision)).collect();
        self.plans.push(Plan {
            subscriber_id: addressee.id,
            begun: goes_on,
            recipient: Recipient { address: addressee.address.clone(), discreet: addressee.discreet },
            message_id: MessageId::of(
                addressee.public_id,
                VACANCY_ALERT,
                told.iter().map(|(key, revision)| (key.as_str(), *revision)),
                &rules.domain,
            ),
            topics,
        });
    }
}

/// What a kept search asks for. One that cannot be read asks for nothing,
/// loudly.
fn readable(search: &SavedSearch, rules: &Rules) -> Option<Criteria> {
    Criteria::read(&search.written, &rules.taxonomy)
        .inspect_err(|error| tracing::error!(search = search.id, %error, "a kept search cannot be read"))
        .ok()
}
