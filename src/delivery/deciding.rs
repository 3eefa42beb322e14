//! What is to be done about one person's alerts: which of them make the next
//! mail, which wait, and which end without a word.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Duration, NaiveDate, Utc};

use crate::compose::{MOST_ITEMS, MailKind, MessageId, Recipient};
use crate::delivery::asking::{Asked, Asker, Library};
use crate::delivery::claim::{Digested, Rules, Topic};
use crate::domain::alert::{Manner, Notice, Reason, Word, manner, next_word, word_without_guards};
use crate::domain::cadence::{Cadence, ScheduleName};
use crate::domain::subject::Kind;
use crate::store::alerts::{Due, Ending, Wait};
use crate::store::digests::Had;
use crate::store::mails::{self, Unfinished};
use crate::store::subscribers::Addressee;

/// How long what cannot be read is left alone. The log says what it is; nobody
/// else waits for it.
pub(super) const UNREADABLE: Duration = Duration::hours(1);

/// What shuts within this time closes soon, or before the next digest.
const CLOSES_SOON: Duration = Duration::hours(72);

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
    pub(super) digest: Option<Digested>,
    /// Which digests of which days it is.
    pub(super) of_days: BTreeSet<(ScheduleName, NaiveDate)>,
    /// It is no haste: people get few of these on one day.
    pub(super) unhurried: bool,
}

impl Plan {
    /// In the words of the tables.
    pub(super) fn claim(&self) -> mails::Claim<'_> {
        let rest = self.digest.iter().flat_map(|digest| &digest.rest);
        let told = self.topics.iter().map(|topic| &topic.kept).chain(rest);
        mails::Claim {
            unfinished: self.begun.as_ref().map(|begun| begun.id),
            subscriber_id: self.subscriber_id,
            kind: self.kind.name(),
            message_id: self.message_id.as_str(),
            openings: told.clone().map(|kept| kept.id).collect(),
            revisions: told.map(|kept| kept.revision).collect(),
            thread: &self.thread,
            unhurried: self.unhurried,
        }
    }
}

/// A person of whom it is decided what there is to tell, and not yet in which
/// mail.
pub(super) struct Candidate<'a> {
    pub(super) asker: Asker<'a>,
    alerts: Vec<&'a Due>,
    begun: Vec<Unfinished>,
    topics: Vec<Topic>,
    /// What waits, and in which kind of mail it would be told.
    waiting: Vec<(i64, MailKind)>,
}

impl Candidate<'_> {
    /// What is over and would be told with a digest: person and opening.
    pub(super) fn over(&self) -> impl Iterator<Item = (i64, i64)> {
        let person = self.asker.addressee.id;
        self.topics.iter().filter(|topic| topic.is_line()).map(move |topic| (person, topic.kept.id))
    }

    /// Whether what they had on this day matters.
    pub(super) fn is_unhurried(&self) -> bool {
        self.topics.iter().any(|topic| topic.manner != Manner::AtOnce)
    }
}

/// What was decided for the people of one claim.
#[derive(Default)]
pub(super) struct Decided {
    /// At most one mail for each person.
    pub(super) plans: Vec<Plan>,
    /// Alerts that end.
    pub(super) endings: Vec<Ending>,
    /// Alerts that wait.
    pub(super) waits: Vec<Wait>,
    /// Mails that were begun and have nothing left to tell.
    pub(super) superseded: Vec<i64>,
}

impl Decided {
    /// Decides for one person what there is to tell.
    pub(super) fn candidate<'a>(
        &mut self,
        rules: &Rules,
        addressee: &'a Addressee,
        alerts: Vec<&'a Due>,
        begun: Vec<Unfinished>,
        library: &Library,
        now: DateTime<Utc>,
    ) -> Candidate<'a> {
        let asker = Asker::new(addressee, rules, now);
        let mut topics: Vec<Topic> = Vec::new();
        let mut waiting = Vec::new();
        for alert in alerts.iter().filter(|alert| alert.due_at <= now) {
            topics.extend(self.alert(rules, &asker, alert, library, &mut waiting, now));
        }
        self.wait_for_siblings(addressee.id, &mut topics, &alerts, library, now);
        self.gone_once(addressee.id, &mut topics);
        self.open_again(addressee.id, &mut topics);
        Candidate { asker, alerts, begun, topics, waiting }
    }

    /// Decides for one person in which mail it is told, after what they had
    /// lately.
    pub(super) fn mail(&mut self, rules: &Rules, candidate: Candidate<'_>, had: &Had, now: DateTime<Utc>) {
        let Candidate { asker, alerts, begun, mut topics, waiting } = candidate;
        let addressee = asker.addressee;
        // A mail that was begun goes on with what it tells of, alone, so that
        // it stays the same mail; whatever else is due follows in the next.
        let continues = |mail: &Unfinished, topic: &Topic| {
            let digest = mail.kind == MailKind::Digest.name() && topic.manner != Manner::AtOnce;
            mail.openings.contains(&topic.kept.id) && (digest || mail.kind == topic.mail_kind().name())
        };
        let goes_on = begun.iter().find(|mail| topics.iter().any(|topic| continues(mail, topic))).cloned();
        let stays_due = |mail: &&Unfinished| {
            mail.openings
                .iter()
                .all(|id| !alerts.iter().any(|alert| alert.opening_id == *id && alert.due_at <= now))
        };
        // One that is only held back for a while, by night, say, goes on after it.
        let waits = |mail: &&Unfinished| {
            waiting.iter().any(|(id, kind)| mail.openings.contains(id) && mail.kind == kind.name())
        };
        let done = begun
            .iter()
            .filter(|mail| goes_on.as_ref() != Some(*mail))
            .filter(|mail| !stays_due(mail) && !waits(mail));
        self.superseded.extend(done.map(|mail| mail.id));
        let mut of_days = BTreeSet::new();
        let mut as_digest = false;
        if let Some(mail) = &goes_on {
            topics.retain(|topic| continues(mail, topic));
            as_digest = mail.kind == MailKind::Digest.name();
        } else {
            (topics, of_days) = self.on_its_day(rules, addressee.id, topics, had, now);
            let left = rules.unhurried_a_day.saturating_sub(had.unhurried_today);
            if left == 0 {
                topics = self.put_off(addressee.id, topics, rules.daily_after_today(now));
            }
            if topics.iter().any(|topic| topic.manner == Manner::AtOnce) {
                topics.retain(|topic| topic.manner == Manner::AtOnce);
            } else {
                let groups: BTreeSet<Group> = topics.iter().map(Group::of).collect();
                // The last mail of no haste today gathers what there is.
                as_digest = left == 1 && groups.len() > 1;
            }
        }
        let Some(group) = topics.iter().map(Group::of).min() else { return };
        let group = if as_digest { Group::digest() } else { group };
        topics.retain(|topic| as_digest || Group::of(topic) == group);
        let digest = if group.kind == MailKind::Digest {
            of_days
                .retain(|(schedule, _)| topics.iter().any(|topic| topic.schedule(rules) == Some(*schedule)));
            Some(digested(rules, &mut topics, now))
        } else {
            of_days.clear();
            topics.sort_by_key(soonest_first);
            topics.truncate(MOST_ITEMS);
            None
        };
        let mut thread = match (&group.parent, topics.first().and_then(|topic| topic.told.as_ref())) {
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
            recipient: Recipient {
                person: addressee.public_id,
                address: addressee.address.clone(),
                discreet: addressee.discreet,
            },
            kind: group.kind,
            message_id: MessageId::of(
                addressee.public_id,
                group.kind.name(),
                told.iter().map(|(key, revision)| (key.as_str(), *revision)),
                &rules.domain,
            ),
            thread,
            unhurried: topics.iter().all(|topic| topic.manner != Manner::AtOnce),
            topics,
            digest,
            of_days,
        });
    }

    /// There is one digest for a schedule and a local day. What is for one that
    /// has been waits for the next.
    fn on_its_day(
        &mut self,
        rules: &Rules,
        person: i64,
        topics: Vec<Topic>,
        had: &Had,
        now: DateTime<Utc>,
    ) -> (Vec<Topic>, BTreeSet<(ScheduleName, NaiveDate)>) {
        let rhythm = &rules.policy.rhythm;
        let mut latest: BTreeMap<ScheduleName, NaiveDate> = BTreeMap::new();
        let mut go = Vec::new();
        for topic in topics {
            let Manner::Digest(slot, mut tick) = topic.manner else {
                go.push(topic);
                continue;
            };
            let schedule = rhythm.in_effect(slot.schedule);
            while tick <= now && had.digests.contains(&(schedule, rhythm.day_of(tick))) {
                let day_ends = rhythm.end_of(rhythm.day_of(tick));
                tick = rhythm.due(Cadence::Scheduled(slot), day_ends).unwrap_or(now + UNREADABLE);
            }
            if tick > now {
                go.extend(self.put_off(person, vec![topic], tick));
                continue;
            }
            let day = latest.entry(schedule).or_insert(rhythm.day_of(tick));
            *day = rhythm.day_of(tick).max(*day);
            go.push(topic);
        }
        (go, latest.into_iter().collect())
    }

    /// Lets what can wait do so until a later moment; what would shut by then
    /// goes at once.
    fn put_off(&mut self, person: i64, topics: Vec<Topic>, until: DateTime<Utc>) -> Vec<Topic> {
        let mut go = Vec::new();
        for topic in topics {
            let shuts = topic.kept.opening.truth.door_shuts_at();
            if topic.notice == Notice::Open && shuts.is_some_and(|shuts| shuts <= until) {
                go.push(Topic { manner: Manner::AtOnce, ..topic });
            } else if topic.manner == Manner::AtOnce {
                go.push(topic);
            } else {
                self.waits.push(topic.waits(person, until));
            }
        }
        go
    }

    /// What is to be done about one alert that is due.
    fn alert(
        &mut self,
        rules: &Rules,
        asker: &Asker<'_>,
        alert: &Due,
        library: &Library,
        waiting: &mut Vec<(i64, MailKind)>,
        now: DateTime<Utc>,
    ) -> Option<Topic> {
        let person = asker.addressee.id;
        let opening_id = alert.opening_id;
        let before = library.before(alert);
        let (Some((kept, terms)), true) =
            (library.kept.get(&opening_id), alert.told_revision.is_none() || before.is_some())
        else {
            let until = now + UNREADABLE;
            self.waits.push(Wait { subscriber_id: person, opening_id, until, unhurried: true });
            return None;
        };
        let told_terms = before.as_ref().map(|(_, terms)| *terms);
        let Asked { wanting, still, registration, wish } = asker.asks(kept, terms, told_terms, rules);
        let situation = asker.situation(kept, before.as_ref().map(|(before, _)| before), wish, now);
        let manner = |notice: &Notice| manner(notice, &situation, &rules.policy);
        let end = |reason| Ending { subscriber_id: person, opening_id, reason };
        match next_word(&situation, &rules.policy) {
            Word::Say(notice) => {
                return Some(Topic {
                    phase: kept.opening.truth.phase(now),
                    manner: manner(&notice),
                    notice,
                    searches: wanting.iter().map(|search| search.name.clone()).collect(),
                    registration: registration.map(|registration| {
                        let known_since = kept.opening.begun.seen.min(kept.opening.begun.time);
                        let receipt = registration.registered_at >= known_since && before.is_none();
                        (registration.clone(), receipt)
                    }),
                    no_longer_matches: registration.is_none() && !still,
                    told: before.map(|(before, _)| before),
                    kept: Arc::clone(kept),
                });
            }
            Word::Wait(until) => {
                let unhurried = match word_without_guards(&situation, &rules.policy) {
                    Word::Say(notice) => {
                        let manner = manner(&notice);
                        waiting.push((opening_id, mail_kind(kept.opening.kind, &notice, manner)));
                        manner != Manner::AtOnce
                    }
                    _ => false,
                };
                self.waits.push(Wait { subscriber_id: person, opening_id, until, unhurried });
            }
            Word::Nothing => self.endings.push(end(None)),
            Word::End(reason) => self.endings.push(end(Some(reason.name()))),
        }
        None
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

    /// Of what has opened and shut, nothing is told to who was told that it is
    /// open again.
    pub(super) fn told_of_later(&mut self, candidates: &mut [Candidate<'_>], told: &HashSet<(i64, i64)>) {
        for candidate in candidates {
            let person = candidate.asker.addressee.id;
            candidate.topics.retain(|topic| {
                let over = topic.is_line() && told.contains(&(person, topic.kept.id));
                if over {
                    let reason = Some(Reason::Expired.name());
                    self.endings.push(Ending { subscriber_id: person, opening_id: topic.kept.id, reason });
                }
                !over
            });
        }
    }

    /// Of what has opened and shut and is open again, it is told that it is open.
    fn open_again(&mut self, person: i64, topics: &mut Vec<Topic>) {
        let open: Vec<(String, i32)> = topics
            .iter()
            .filter(|topic| topic.notice == Notice::Open)
            .map(|topic| (topic.kept.subject.to_string(), topic.kept.number))
            .collect();
        topics.retain(|topic| {
            let subject = topic.kept.subject.to_string();
            let later = open.iter().any(|(other, number)| *other == subject && *number > topic.kept.number);
            let over = later && topic.is_line();
            if over {
                let reason = Some(Reason::Expired.name());
                self.endings.push(Ending { subscriber_id: person, opening_id: topic.kept.id, reason });
            }
            !over
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
            waits.extend(sibling.map(|until| Wait {
                subscriber_id: person,
                opening_id: topic.kept.id,
                until,
                unhurried: false,
            }));
            sibling.is_none()
        });
        self.waits.extend(waits);
    }
}

/// What goes together: one kind of news at a time, the most urgent first; a
/// follow-up stands in one thread.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    kind: MailKind,
    /// The mail that it follows up.
    parent: Option<String>,
}

impl Group {
    fn of(topic: &Topic) -> Self {
        let kind = topic.mail_kind();
        let parent = topic.told.as_ref().and_then(|told| told.thread.last().cloned());
        Self { kind, parent: parent.filter(|_| kind.follows_up()) }
    }

    const fn digest() -> Self {
        Self { kind: MailKind::Digest, parent: None }
    }
}

impl Topic {
    /// Whether it is over, and a line in a digest.
    fn is_line(&self) -> bool {
        self.notice == Notice::Missed && self.manner != Manner::AtOnce
    }

    fn mail_kind(&self) -> MailKind {
        mail_kind(self.kept.opening.kind, &self.notice, self.manner)
    }

    /// The schedule of the digest that it goes with.
    fn schedule(&self, rules: &Rules) -> Option<ScheduleName> {
        match self.manner {
            Manner::Digest(slot, _) => Some(rules.policy.rhythm.in_effect(slot.schedule)),
            Manner::AtOnce | Manner::Unhurried(_) => None,
        }
    }

    fn waits(&self, person: i64, until: DateTime<Utc>) -> Wait {
        Wait { subscriber_id: person, opening_id: self.kept.id, until, unhurried: true }
    }
}

fn mail_kind(kind: Kind, notice: &Notice, manner: Manner) -> MailKind {
    match manner {
        Manner::Digest(..) => MailKind::Digest,
        Manner::AtOnce | Manner::Unhurried(_) => MailKind::of(kind, notice),
    }
}

/// What shuts soonest comes first, what has no end last.
fn soonest_first(topic: &Topic) -> (bool, Option<DateTime<Utc>>, i64) {
    let shuts = topic.kept.opening.truth.door_shuts_at();
    (shuts.is_none(), shuts, topic.kept.id)
}

/// Takes so much of what there is as goes into one digest: what has changed
/// before what is new, and that before what is over. What is left of the new
/// and of the over is for our pages; a change that is left waits for another
/// mail.
fn digested(rules: &Rules, topics: &mut Vec<Topic>, now: DateTime<Utc>) -> Digested {
    let rank = |topic: &Topic| match topic.notice {
        Notice::Corrected(_) => 0,
        Notice::Missed => 2,
        _ => 1,
    };
    topics.sort_by_key(|topic| (rank(topic), soonest_first(topic)));
    let rest = topics.split_off(topics.len().min(MOST_ITEMS));
    let slot = |topic: &Topic| match topic.manner {
        Manner::Digest(slot, _) => Some(slot),
        Manner::AtOnce | Manner::Unhurried(_) => None,
    };
    let next = |slot| rules.policy.rhythm.due(Cadence::Scheduled(slot), now);
    let next = topics.iter().filter_map(slot).filter_map(next).min();
    let soon = now + CLOSES_SOON;
    Digested {
        soon: next.map_or(soon, |next| next.max(soon)),
        live: rest.iter().filter(|topic| rank(topic) == 1).count(),
        rest: rest.into_iter().filter(|topic| rank(topic) > 0).map(|topic| topic.kept).collect(),
    }
}
