//! Claim and decide: in one transaction, takes people who are due, reads
//! everything about them again, and decides what to say.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Duration, NaiveDate, Utc};
use sqlx::{PgConnection, PgPool};

use crate::compose::{MOST_ITEMS, MailKind, MessageId, Recipient};
use crate::config::Config;
use crate::domain::alert::{
    Notice, Policy, Reason, Registered, Situation, Standing, Told, Wish, Word, next_word,
};
use crate::domain::cadence::Cadence;
use crate::domain::criteria::Criteria;
use crate::domain::email::EmailAddress;
use crate::domain::subject::Kind;
use crate::domain::taxonomy::Taxonomy;
use crate::domain::terms::Terms;
use crate::domain::truth::{Phase, Truth};
use crate::store::alerts::{self, Due, Ending};
use crate::store::mails::{self, Unfinished};
use crate::store::openings::{self, Kept};
use crate::store::subscribers::{self, Addressee, KeptRegistration, SavedSearch};
use crate::store::{self, value_of};

/// How long what cannot be read is left alone. The log says what it is; nobody
/// else waits for it.
const UNREADABLE: Duration = Duration::hours(1);

/// The most Message-IDs of a thread that a mail names.
const LONGEST_THREAD: usize = 20;

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
}

impl Rules {
    /// The rules of a configuration, with Message-IDs at `domain`.
    #[must_use]
    pub fn new(config: &Config, taxonomy: Arc<Taxonomy>, domain: &str) -> Self {
        Self {
            policy: config.policy(&taxonomy),
            testers: config.testing.addresses.iter().map(EmailAddress::lookup).collect(),
            domain: domain.to_owned(),
            taxonomy,
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
}

/// An opening that a mail tells of.
#[derive(Debug, Clone)]
pub struct Topic {
    /// What is so, at the claim.
    pub kept: Arc<Kept>,
    /// What is to be told of it.
    pub notice: Notice,
    /// How the door stands, as it is told.
    pub phase: Phase,
    /// What they were told before.
    pub told: Option<Before>,
    /// The names of all of the person's searches that ask for it, or for what
    /// was told.
    pub searches: Vec<String>,
    /// The registration that it answers.
    pub registration: Option<(KeptRegistration, bool)>,
    /// What they asked for matched what was told and does not match any more.
    pub no_longer_matches: bool,
}

/// What a person was told before, and in which mail.
#[derive(Debug, Clone)]
pub struct Before {
    /// What was so, by what we told.
    pub truth: Arc<Truth>,
    /// How the door stood.
    pub phase: Phase,
    /// When the mail was accepted.
    pub at: DateTime<Utc>,
    /// The mails up to the one that told it, oldest first.
    pub thread: Vec<String>,
}

impl Before {
    /// In the words of the comparison.
    #[must_use]
    pub fn told(&self) -> Told<'_> {
        Told { truth: &self.truth, phase: self.phase, at: self.at }
    }
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

/// The openings that people are due for, as they are now and as they were told.
#[derive(Default)]
pub(crate) struct Library {
    /// As they are now, by their keys.
    pub(crate) kept: HashMap<i64, (Arc<Kept>, Terms)>,
    told: HashMap<(i64, i32), (Arc<Truth>, Terms)>,
}

impl Library {
    /// What these alerts are about.
    pub(crate) async fn read(
        connection: &mut PgConnection,
        due: &[Due],
        taxonomy: &Taxonomy,
    ) -> store::Result<Self> {
        let mut ids: Vec<i64> = due.iter().map(|alert| alert.opening_id).collect();
        ids.sort_unstable();
        ids.dedup();
        let kept = openings::by_id(&mut *connection, &ids).await?;
        let mut revisions: Vec<(i64, i32)> =
            due.iter().filter_map(|alert| Some((alert.opening_id, alert.told_revision?))).collect();
        revisions.sort_unstable();
        revisions.dedup();
        let told = openings::truths(connection, &revisions).await?;
        Ok(Self {
            kept: kept
                .into_iter()
                .map(|kept| {
                    let terms = Terms::of(&kept.opening.truth.facts, taxonomy);
                    (kept.id, (Arc::new(kept), terms))
                })
                .collect(),
            told: told
                .into_iter()
                .map(|(key, truth)| {
                    let terms = Terms::of(&truth.facts, taxonomy);
                    (key, (Arc::new(truth), terms))
                })
                .collect(),
        })
    }

    /// What was told by an alert, if anything was.
    pub(crate) fn before(&self, alert: &Due) -> Option<(Before, &Terms)> {
        let (truth, terms) = self.told.get(&(alert.opening_id, alert.told_revision?))?;
        let phase = value_of(alert.told_phase.as_deref()?, || format!("alerts of {}", alert.subscriber_id));
        let mut thread = alert.told_thread.clone().unwrap_or_default();
        thread.extend(alert.told_message_id.clone());
        Some((Before { truth: Arc::clone(truth), phase: phase.ok()?, at: alert.told_at?, thread }, terms))
    }
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
    let soon = now + rules.policy.settling.settle;
    let due = alerts::due_of(&mut transaction, &people, soon).await?;
    let library = Library::read(&mut transaction, &due, &rules.taxonomy).await?;
    let programmes = library.kept.values().any(|(kept, _)| kept.opening.kind == Kind::Programme);
    let addressees = subscribers::addressees(&mut transaction, &people, programmes).await?;

    let mut decided = Decided::default();
    let unreadable = |person: &i64| !addressees.iter().any(|addressee| addressee.id == *person);
    for alert in due.iter().filter(|alert| unreadable(&alert.subscriber_id) && alert.due_at <= now) {
        decided.waits.push((alert.subscriber_id, alert.opening_id, now + UNREADABLE));
    }
    for addressee in addressees {
        let alerts: Vec<&Due> = due.iter().filter(|alert| alert.subscriber_id == addressee.id).collect();
        let begun = unfinished.remove(&addressee.id).unwrap_or_default();
        decided.person(rules, &addressee, &alerts, &begun, &library, now);
    }
    alerts::end(&mut transaction, &decided.endings, now).await?;
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
                    kind: plan.kind,
                    message_id: plan.message_id,
                    thread: plan.thread,
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
    kind: MailKind,
    message_id: MessageId,
    thread: Vec<String>,
    topics: Vec<Topic>,
}

impl Plan {
    fn claim(&self) -> mails::Claim<'_> {
        mails::Claim {
            unfinished: self.begun.as_ref().map(|begun| begun.id),
            subscriber_id: self.subscriber_id,
            kind: self.kind.name(),
            message_id: self.message_id.as_str(),
            openings: self.topics.iter().map(|topic| topic.kept.id).collect(),
            revisions: self.topics.iter().map(|topic| topic.kept.revision).collect(),
            thread: &self.thread,
        }
    }
}

/// A person, and what they ask for, as they are now.
pub(crate) struct Asker<'a> {
    addressee: &'a Addressee,
    standing: Standing,
    /// The searches that can be read.
    pub(crate) searches: Vec<(&'a SavedSearch, Criteria)>,
    /// The local day.
    pub(crate) today: NaiveDate,
}

/// What a person asks of one opening.
pub(crate) struct Asked<'a> {
    /// The searches that ask for it, or for what was told.
    pub(crate) wanting: Vec<&'a SavedSearch>,
    /// Whether a search asks for it as it is now.
    pub(crate) still: bool,
    /// The registration that it answers.
    pub(crate) registration: Option<&'a KeptRegistration>,
    /// The same in the words of the comparison.
    pub(crate) wish: Wish,
}

impl<'a> Asker<'a> {
    pub(crate) fn new(addressee: &'a Addressee, rules: &Rules, now: DateTime<Utc>) -> Self {
        let searches = addressee.searches.iter();
        Self {
            addressee,
            standing: rules.standing(addressee),
            searches: searches.filter_map(|search| Some((search, readable(search, rules)?))).collect(),
            today: now.with_timezone(&rules.policy.rhythm.zone).date_naive(),
        }
    }

    /// What the person asks of an opening, of which they were told what has
    /// these terms.
    pub(crate) fn asks(
        &self,
        kept: &Kept,
        terms: &Terms,
        told_terms: Option<&Terms>,
        rules: &Rules,
        now: DateTime<Utc>,
    ) -> Asked<'a> {
        let wants = |criteria: &Criteria| {
            criteria.matches(terms) || told_terms.is_some_and(|terms| criteria.matches(terms))
        };
        let wanting: Vec<&SavedSearch> =
            self.searches.iter().filter(|(_, criteria)| wants(criteria)).map(|(search, _)| *search).collect();
        let (registration, registered) = self.registration(kept, &rules.taxonomy);
        let soonest = |cadence: &Cadence| rules.policy.rhythm.due(*cadence, now);
        let wish = Wish {
            registration: registration.map(|registration| {
                if registration.programme == kept.subject.reference {
                    Registered::Exactly
                } else {
                    Registered::Within
                }
            }),
            search: wanting.iter().map(|search| search.cadence).min_by_key(soonest),
            not_before: registered && registration.is_none(),
        };
        let still = self.searches.iter().any(|(_, criteria)| criteria.matches(terms));
        Asked { wanting, still, registration, wish }
    }

    /// Everything that bears on what to say to them.
    pub(crate) fn situation<'s>(
        &self,
        kept: &'s Kept,
        before: Option<&'s Before>,
        wish: Wish,
        now: DateTime<Utc>,
    ) -> Situation<'s> {
        let told = before.map(Before::told);
        Situation { opening: &kept.opening, told, wish, standing: self.standing, now }
    }

    /// The registration that a programme answers: the one for it by name, else
    /// the oldest; and whether there is one that wants to hear nothing yet.
    fn registration(&self, kept: &Kept, taxonomy: &Taxonomy) -> (Option<&'a KeptRegistration>, bool) {
        if kept.opening.kind != Kind::Programme {
            return (None, false);
        }
        let owed = kept.opening.answers(&kept.subject.reference, taxonomy);
        let mine = || {
            self.addressee.registrations.iter().filter(|registration| {
                owed.contains(registration.programme.as_str())
                    && registration.valid_until.is_none_or(|last| self.today <= last)
            })
        };
        let holds =
            |registration: &&KeptRegistration| registration.not_before.is_none_or(|from| from <= self.today);
        let found =
            mine().filter(holds).min_by_key(|r| (r.programme != kept.subject.reference, r.registered_at));
        (found, mine().next().is_some())
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
        library: &Library,
        now: DateTime<Utc>,
    ) {
        let asker = Asker::new(addressee, rules, now);
        let mut topics: Vec<Topic> = Vec::new();
        for alert in alerts.iter().filter(|alert| alert.due_at <= now) {
            let goes_on = begun.iter().any(|mail| mail.openings.contains(&alert.opening_id));
            topics.extend(self.alert(rules, &asker, alert, goes_on, library, now));
        }
        self.wait_for_siblings(addressee.id, &mut topics, alerts, library, now);
        self.gone_once(addressee.id, &mut topics);
        // A mail that was begun goes on with what it tells of, alone, so that
        // it stays the same mail; whatever else is due follows in the next.
        let kind_of = |topic: &Topic| MailKind::of(topic.kept.opening.kind, &topic.notice);
        let continues = |mail: &Unfinished, topic: &Topic| {
            mail.openings.contains(&topic.kept.id) && mail.kind == kind_of(topic).name()
        };
        let goes_on = begun.iter().find(|mail| topics.iter().any(|topic| continues(mail, topic))).cloned();
        let stays_due = |mail: &&Unfinished| {
            mail.openings
                .iter()
                .all(|id| !alerts.iter().any(|alert| alert.opening_id == *id && alert.due_at <= now))
        };
        let done =
            begun.iter().filter(|mail| goes_on.as_ref() != Some(*mail)).filter(|mail| !stays_due(mail));
        self.superseded.extend(done.map(|mail| mail.id));
        if let Some(mail) = &goes_on {
            topics.retain(|topic| continues(mail, topic));
        }
        // One kind of news at a time, the most urgent first; a follow-up stands in one thread.
        let group = |topic: &Topic| {
            let kind = kind_of(topic);
            let parent = topic.told.as_ref().and_then(|told| told.thread.last().cloned());
            (kind, parent.filter(|_| kind.follows_up()))
        };
        let Some((kind, parent)) = topics.iter().map(group).min() else { return };
        topics.retain(|topic| group(topic) == (kind, parent.clone()));
        topics.sort_by_key(|topic| {
            let shuts = topic.kept.opening.truth.door_shuts_at();
            (shuts.is_none(), shuts, topic.kept.id)
        });
        topics.truncate(MOST_ITEMS);
        let mut thread = match (&parent, topics.first().and_then(|topic| topic.told.as_ref())) {
            (Some(_), Some(told)) => told.thread.clone(),
            _ => vec![],
        };
        if thread.len() > LONGEST_THREAD {
            // The first, by which programs find the thread, and the latest.
            thread.drain(1..=thread.len() - LONGEST_THREAD);
        }
        let told: Vec<(String, i32)> =
            topics.iter().map(|topic| (topic.kept.key(), topic.kept.revision)).collect();
        self.plans.push(Plan {
            subscriber_id: addressee.id,
            begun: goes_on,
            recipient: Recipient { address: addressee.address.clone(), discreet: addressee.discreet },
            kind,
            message_id: MessageId::of(
                addressee.public_id,
                kind.name(),
                told.iter().map(|(key, revision)| (key.as_str(), *revision)),
                &rules.domain,
            ),
            thread,
            topics,
        });
    }

    /// What is to be done about one alert that is due; `goes_on` if a mail
    /// about it was begun.
    fn alert(
        &mut self,
        rules: &Rules,
        asker: &Asker<'_>,
        alert: &Due,
        goes_on: bool,
        library: &Library,
        now: DateTime<Utc>,
    ) -> Option<Topic> {
        let person = asker.addressee.id;
        let end = |reason| Ending { subscriber_id: person, opening_id: alert.opening_id, reason };
        let before = library.before(alert);
        let (Some((kept, terms)), true) =
            (library.kept.get(&alert.opening_id), alert.told_revision.is_none() || before.is_some())
        else {
            self.waits.push((person, alert.opening_id, now + UNREADABLE));
            return None;
        };
        let told_terms = before.as_ref().map(|(_, terms)| *terms);
        let Asked { wanting, still, registration, wish } = asker.asks(kept, terms, told_terms, rules, now);
        let ticks =
            |from| wanting.iter().filter_map(move |search| rules.policy.rhythm.due(search.cadence, from));
        let situation = asker.situation(kept, before.as_ref().map(|(before, _)| before), wish, now);
        let first = before.is_none() && registration.is_none();
        let word = match next_word(&situation, &rules.policy) {
            Word::Wait(until) if first => Word::Wait(ticks(until).min().unwrap_or(until)),
            // It was made due by another schedule or cadence than there is now.
            Word::Say(notice) if first && !goes_on => {
                let tick = ticks(kept.opening.tellable_from(rules.policy.settling)).min();
                tick.filter(|tick| *tick > now).map_or(Word::Say(notice), Word::Wait)
            }
            word => word,
        };
        match word {
            Word::Say(notice) => Some(Topic {
                phase: kept.opening.truth.phase(now),
                notice,
                searches: wanting.iter().map(|search| search.name.clone()).collect(),
                registration: registration.map(|registration| {
                    let known_since = kept.opening.begun.seen.min(kept.opening.begun.time);
                    (registration.clone(), registration.registered_at >= known_since && before.is_none())
                }),
                no_longer_matches: registration.is_none() && !still,
                told: before.map(|(before, _)| before),
                kept: Arc::clone(kept),
            }),
            Word::Wait(until) => {
                self.waits.push((person, alert.opening_id, until));
                None
            }
            Word::Nothing => {
                self.endings.push(end(None));
                None
            }
            Word::End(reason) => {
                self.endings.push(end(Some(reason.name())));
                None
            }
        }
    }

    /// That a programme is gone is told once, whichever of its cycles it was
    /// told of: the others end with that.
    fn gone_once(&mut self, person: i64, topics: &mut Vec<Topic>) {
        let gone: Vec<(String, i32)> = topics
            .iter()
            .filter(|topic| topic.notice == Notice::Withdrawn)
            .map(|topic| (topic.kept.subject.to_string(), topic.kept.number))
            .collect();
        topics.retain(|topic| {
            let subject = topic.kept.subject.to_string();
            let later = gone.iter().any(|(other, number)| *other == subject && *number > topic.kept.number);
            let told = topic.notice == Notice::Withdrawn && later;
            if told {
                let reason = Some(Reason::Withdrawn.name());
                self.endings.push(Ending { subscriber_id: person, opening_id: topic.kept.id, reason });
            }
            !told
        });
    }

    /// Openings of one campaign are told together: what is due waits for a
    /// sibling that is due in a moment.
    fn wait_for_siblings(
        &mut self,
        person: i64,
        topics: &mut Vec<Topic>,
        alerts: &[&Due],
        library: &Library,
        now: DateTime<Utc>,
    ) {
        let campaign = |id: &i64| {
            library.kept.get(id).and_then(|(kept, _)| kept.opening.truth.facts.campaign.as_deref())
        };
        let mut waits = Vec::new();
        topics.retain(|topic| {
            if topic.told.is_some() && topic.notice != Notice::Open {
                return true;
            }
            let mine = campaign(&topic.kept.id);
            let sibling = alerts
                .iter()
                .filter(|alert| alert.due_at > now && mine.is_some() && campaign(&alert.opening_id) == mine)
                .filter(|alert| {
                    library.kept.get(&alert.opening_id).is_some_and(|(kept, _)| {
                        kept.opening.kind == topic.kept.opening.kind
                            && kept.opening.truth.phase(alert.due_at) == topic.phase
                    })
                })
                .map(|alert| alert.due_at)
                .max();
            waits.extend(sibling.map(|until| (person, topic.kept.id, until)));
            sibling.is_none()
        });
        self.waits.extend(waits);
    }
}

/// What a kept search asks for. One that cannot be read asks for nothing,
/// loudly.
fn readable(search: &SavedSearch, rules: &Rules) -> Option<Criteria> {
    Criteria::read(&search.written, &rules.taxonomy)
        .inspect_err(|error| tracing::error!(search = search.id, %error, "a kept search cannot be read"))
        .ok()
}
