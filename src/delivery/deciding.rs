//! What is to be done about one person's alerts: which of them make the next
//! mail, which wait, and which end without a word.

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};

use crate::compose::{MOST_ITEMS, MailKind, MessageId, Recipient};
use crate::delivery::asking::{Asked, Asker, Library};
use crate::delivery::claim::{Rules, Topic};
use crate::domain::alert::{Notice, Reason, Word, next_word};
use crate::store::alerts::{Due, Ending};
use crate::store::mails::{self, Unfinished};
use crate::store::subscribers::Addressee;

/// How long what cannot be read is left alone. The log says what it is; nobody
/// else waits for it.
pub(super) const UNREADABLE: Duration = Duration::hours(1);

/// The most Message-IDs of a thread that a mail names.
const LONGEST_THREAD: usize = 20;

/// A mail as it was decided; see [`Claimed`](super::claim::Claimed).
pub(super) struct Plan {
    pub(super) subscriber_id: i64,
    /// The mail that goes on, if one was begun.
    pub(super) begun: Option<Unfinished>,
    pub(super) recipient: Recipient,
    pub(super) kind: MailKind,
    pub(super) message_id: MessageId,
    pub(super) thread: Vec<String>,
    pub(super) topics: Vec<Topic>,
}

impl Plan {
    /// In the words of the tables.
    pub(super) fn claim(&self) -> mails::Claim<'_> {
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

/// What was decided for the people of one claim.
#[derive(Default)]
pub(super) struct Decided {
    /// At most one mail for each person.
    pub(super) plans: Vec<Plan>,
    /// Alerts that end.
    pub(super) endings: Vec<Ending>,
    /// Alerts that wait: person, opening, until when.
    pub(super) waits: Vec<(i64, i64, DateTime<Utc>)>,
    /// Mails that were begun and have nothing left to tell.
    pub(super) superseded: Vec<i64>,
}

impl Decided {
    /// Decides for one person.
    pub(super) fn person(
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
