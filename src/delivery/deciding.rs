//! What is to be done about one person's alerts: which of them make the next
//! mail, which wait, and which end without a word.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Duration, NaiveDate, Utc};

use crate::compose::{MOST_ITEMS, MailKind, MessageId};
use crate::delivery::asking::{Asked, Asker, Library};
use crate::delivery::claim::{Claimed, Digested, Rules};
use crate::delivery::in_hand::Errand;
use crate::delivery::topic::{Topic, mail_kind};
use crate::domain::alert::{Manner, Notice, Reason, Word, manner, next_word, word_without_guards};
use crate::domain::cadence::{Cadence, ScheduleName};
use crate::store::alerts::{Due, Ending, Wait};
use crate::store::digests::{DayDigest, Had};
use crate::store::mails::{self, Unfinished};
use crate::store::openings::Kept;
use crate::store::subscribers::Addressee;

/// How long what cannot be read is left alone. The log says what it is; nobody
/// else waits for it.
pub(super) const UNREADABLE: Duration = Duration::hours(1);

/// What shuts within this time closes soon, or before the next digest.
const CLOSES_SOON: Duration = Duration::hours(72);

/// The most Message-IDs of a thread that a mail names.
const LONGEST_THREAD: usize = 20;

/// A mail as it was decided; see [`Claimed`].
pub(super) struct Plan {
    pub(super) errand: Errand,
    /// The mail that goes on, if one was begun.
    begun: Option<i64>,
    pub(super) kind: MailKind,
    topics: Vec<Topic>,
    digest: Option<Digested>,
    /// Which digests of which days it is.
    of_days: OfDays,
}

/// Digests by their schedules and local days.
type OfDays = BTreeSet<(ScheduleName, NaiveDate)>;

impl Plan {
    /// In the words of the tables.
    pub(super) fn claim(&self) -> mails::Claim<'_> {
        let rest = self.digest.iter().flat_map(|digest| &digest.rest);
        let told = self.topics.iter().map(|topic| &topic.kept).chain(rest);
        mails::Claim {
            unfinished: self.begun,
            subscriber_id: self.errand.subscriber_id,
            kind: self.kind.name(),
            message_id: self.errand.message_id.as_str(),
            openings: told.clone().map(|kept| kept.id).collect(),
            revisions: told.map(|kept| kept.revision).collect(),
            thread: &self.errand.thread,
            searches: self.topics.iter().flat_map(|topic| topic.search_keys.iter().copied()).collect(),
            programmes: self
                .topics
                .iter()
                .flat_map(|topic| topic.programmes.iter().map(String::as_str))
                .collect(),
            // People get few of these on one day.
            provider: &self.errand.provider,
            unhurried: self.topics.iter().all(|topic| topic.manner != Manner::AtOnce),
        }
    }

    /// The digests that it is, as the mail with this key.
    pub(super) fn day_digests(&self, mail_id: i64) -> impl Iterator<Item = DayDigest> {
        let subscriber_id = self.errand.subscriber_id;
        let of_days = self.of_days.iter();
        of_days.map(move |(schedule, day)| DayDigest {
            subscriber_id,
            schedule: *schedule,
            day: *day,
            mail_id,
        })
    }

    /// As the mail with this key, in a worker's hands.
    pub(super) fn claimed(self, mail_id: i64, worker: i32) -> Claimed {
        let Self { errand, kind, topics, digest, .. } = self;
        Claimed { errand: errand.claimed(mail_id, worker), kind, topics, digest }
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

    /// The mail that was begun and goes on with what it tells of, alone, so that
    /// it stays the same mail; whatever else is due follows in the next.
    fn goes_on(&self) -> Option<&Unfinished> {
        self.begun.iter().find(|mail| self.topics.iter().any(|topic| topic.continues(mail)))
    }

    /// Whether a mail that was begun has nothing left to tell: it is due, and
    /// not only held back for a while, by night, say.
    fn is_done(&self, mail: &Unfinished, now: DateTime<Utc>) -> bool {
        let due =
            self.alerts.iter().any(|alert| alert.due_at <= now && mail.openings.contains(&alert.opening_id));
        let waits =
            self.waiting.iter().any(|(id, kind)| mail.openings.contains(id) && mail.kind == kind.name());
        due && !waits && mail.is_held(now).is_none()
    }
}

/// What one mail may tell.
struct Gathered {
    topics: Vec<Topic>,
    /// Which digests of which days it would be.
    of_days: OfDays,
    /// All of it is told in one digest.
    as_digest: bool,
}

impl Gathered {
    /// What a mail that was begun tells of.
    fn before(mail: &Unfinished, mut topics: Vec<Topic>) -> Self {
        topics.retain(|topic| topic.continues(mail));
        Self { topics, of_days: BTreeSet::new(), as_digest: mail.kind == MailKind::Digest.name() }
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
            let tell = || begun.iter().filter(|mail| mail.openings.contains(&alert.opening_id));
            if let Some(until) = tell().filter_map(|mail| mail.is_held(now)).max() {
                // They may have been told of it.
                let (subscriber_id, opening_id) = (addressee.id, alert.opening_id);
                self.waits.push(Wait { subscriber_id, opening_id, until, unhurried: false });
                continue;
            }
            let perhaps_told = tell().any(|mail| mail.unknown_until.is_some());
            let topic = self.alert(rules, &asker, alert, library, &mut waiting, now);
            topics.extend(topic.map(|topic| Topic { perhaps_told, ..topic }));
        }
        self.wait_for_siblings(addressee.id, &mut topics, &alerts, library, now);
        self.told_of_once(addressee.id, &mut topics);
        Candidate { asker, alerts, begun, topics, waiting }
    }

    /// Decides for one person in which mail it is told, after what they had
    /// lately.
    pub(super) fn mail(&mut self, rules: &Rules, candidate: Candidate<'_>, had: &Had, now: DateTime<Utc>) {
        let begun = candidate.goes_on().cloned();
        let others = candidate.begun.iter().filter(|mail| begun.as_ref() != Some(*mail));
        self.superseded.extend(others.filter(|mail| candidate.is_done(mail, now)).map(|mail| mail.id));
        let Candidate { asker: Asker { addressee, .. }, topics, .. } = candidate;
        let Gathered { mut topics, mut of_days, as_digest } = match &begun {
            Some(mail) => Gathered::before(mail, topics),
            None => self.gathered(rules, addressee, topics, had, now),
        };
        let Some(first) = topics.iter().map(Group::of).min() else { return };
        let group = if as_digest { Group::digest() } else { first };
        topics.retain(|topic| as_digest || Group::of(topic) == group);
        let digest = if group.kind == MailKind::Digest {
            of_days
                .retain(|(schedule, _)| topics.iter().any(|topic| topic.schedule(rules) == Some(*schedule)));
            Some(digested(rules, &mut topics, now))
        } else {
            of_days.clear();
            topics.sort_by_key(Topic::soonest_first);
            topics.truncate(MOST_ITEMS);
            None
        };
        let message_id = message_id(rules, addressee, group.kind, &topics);
        let errand = Errand::to(addressee, message_id, group.thread(&topics), begun.as_ref(), now);
        let begun = begun.map(|mail| mail.id);
        self.plans.push(Plan { errand, begun, kind: group.kind, topics, digest, of_days });
    }

    /// What a new mail may tell: what cannot wait, alone, or else all that need
    /// not wait any longer.
    fn gathered(
        &mut self,
        rules: &Rules,
        addressee: &Addressee,
        topics: Vec<Topic>,
        had: &Had,
        now: DateTime<Utc>,
    ) -> Gathered {
        let person = addressee.id;
        let topics = match addressee.slow_until.filter(|until| *until > now) {
            Some(until) => self.slowed_down(person, topics, until),
            None => topics,
        };
        let (mut topics, of_days) = self.on_its_day(rules, person, topics, had, now);
        let left = rules.unhurried_a_day.saturating_sub(had.unhurried_today);
        if left == 0 {
            topics = self.put_off(person, topics, rules.daily_after_today(now));
        }
        if topics.iter().any(|topic| topic.manner == Manner::AtOnce) {
            topics.retain(|topic| topic.manner == Manner::AtOnce);
            return Gathered { topics, of_days, as_digest: false };
        }
        let groups: BTreeSet<Group> = topics.iter().map(Group::of).collect();
        // The last mail of no haste today gathers what there is.
        Gathered { topics, of_days, as_digest: left == 1 && groups.len() > 1 }
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
    ) -> (Vec<Topic>, OfDays) {
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

    /// The last mail to this person came back, and the next one may, too: what
    /// is open longer than that waits, also if it was asked for at once.
    fn slowed_down(&mut self, person: i64, topics: Vec<Topic>, until: DateTime<Utc>) -> Vec<Topic> {
        let waits = |topic: &Topic| match topic.notice {
            Notice::Open => topic.kept.opening.truth.door_shuts_at().is_none_or(|shuts| shuts > until),
            _ => topic.manner != Manner::AtOnce,
        };
        let (wait, go): (Vec<Topic>, Vec<Topic>) = topics.into_iter().partition(waits);
        self.waits.extend(wait.iter().map(|topic| topic.waits(person, until)));
        go
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
        let Asked { wanting, still, registration, reaching, wish } =
            asker.asks(kept, terms, told_terms, rules);
        let situation = asker.situation(kept, before.as_ref().map(|(before, _)| before), wish, now);
        let manner = |notice: &Notice| manner(notice, &situation, &rules.policy);
        let end = |reason| Ending { subscriber_id: person, opening_id, revision: kept.revision, reason };
        match next_word(&situation, &rules.policy) {
            Word::Say(notice) => {
                return Some(Topic {
                    phase: kept.opening.truth.phase(now),
                    manner: manner(&notice),
                    notice,
                    searches: wanting.iter().map(|search| search.name.clone()).collect(),
                    search_keys: wanting.iter().map(|search| search.id).collect(),
                    registration: registration.map(|registration| {
                        let known_since = kept.opening.begun.seen.min(kept.opening.begun.time);
                        let receipt = registration.registered_at >= known_since && before.is_none();
                        (registration.clone(), receipt)
                    }),
                    programmes: reaching.iter().map(|r| r.programme.clone()).collect(),
                    no_longer_matches: registration.is_none() && !still,
                    perhaps_told: false,
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
    /// told of: the others end with that. Of what has opened and shut and is
    /// open again, it is told that it is open.
    fn told_of_once(&mut self, person: i64, topics: &mut Vec<Topic>) {
        let gone = with_a_later(topics, &Notice::Withdrawn);
        self.end_where(person, topics, Reason::Withdrawn, |topic| {
            topic.notice == Notice::Withdrawn && gone.contains(&topic.kept.id)
        });
        let open = with_a_later(topics, &Notice::Open);
        self.end_where(person, topics, Reason::Expired, |topic| {
            topic.is_line() && open.contains(&topic.kept.id)
        });
    }

    /// Of what has opened and shut, nothing is told to who was told that it is
    /// open again.
    pub(super) fn told_of_later(&mut self, candidates: &mut [Candidate<'_>], told: &HashSet<(i64, i64)>) {
        for candidate in candidates {
            let person = candidate.asker.addressee.id;
            self.end_where(person, &mut candidate.topics, Reason::Expired, |topic| {
                topic.is_line() && told.contains(&(person, topic.kept.id))
            });
        }
    }

    /// Ends those of a person's topics of which this is so.
    fn end_where(
        &mut self,
        person: i64,
        topics: &mut Vec<Topic>,
        reason: Reason,
        is_so: impl Fn(&Topic) -> bool,
    ) {
        let ended = topics.extract_if(.., |topic| is_so(topic));
        self.endings.extend(ended.map(|topic| Ending {
            subscriber_id: person,
            opening_id: topic.kept.id,
            revision: topic.kept.revision,
            reason: Some(reason.name()),
        }));
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
        let sibling_due = |topic: &Topic| {
            if topic.told.is_some() && topic.notice != Notice::Open {
                return None;
            }
            let mine = campaign(&topic.kept.id)?;
            let siblings = alerts.iter().filter(|alert| {
                alert.due_at > now
                    && campaign(&alert.opening_id) == Some(mine)
                    && library.kept.get(&alert.opening_id).is_some_and(|(kept, _)| {
                        kept.opening.kind == topic.kept.opening.kind
                            && kept.opening.truth.phase(alert.due_at) == topic.phase
                    })
            });
            siblings.map(|alert| alert.due_at).max()
        };
        topics.retain(|topic| {
            let until = sibling_due(topic);
            self.waits.extend(until.map(|until| Wait { unhurried: false, ..topic.waits(person, until) }));
            until.is_none()
        });
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

    /// The Message-IDs of the thread that a mail about these continues.
    fn thread(&self, topics: &[Topic]) -> Vec<String> {
        let told = topics.first().and_then(|topic| topic.told.as_ref());
        let mut thread = match told.filter(|_| self.parent.is_some()) {
            Some(told) => told.thread.clone(),
            None => vec![],
        };
        if thread.len() > LONGEST_THREAD {
            // The first, by which programs find the thread, and the latest.
            thread.drain(1..=thread.len() - LONGEST_THREAD);
        }
        thread
    }
}

/// Of these, the openings of which a later one of the same subject is told so.
fn with_a_later(topics: &[Topic], notice: &Notice) -> HashSet<i64> {
    let told: Vec<&Kept> =
        topics.iter().filter(|topic| topic.notice == *notice).map(|topic| &*topic.kept).collect();
    let has_later =
        |kept: &Kept| told.iter().any(|other| other.subject == kept.subject && other.number > kept.number);
    topics.iter().filter(|topic| has_later(&topic.kept)).map(|topic| topic.kept.id).collect()
}

/// The identity of a mail that tells a person of this.
fn message_id(rules: &Rules, addressee: &Addressee, kind: MailKind, topics: &[Topic]) -> MessageId {
    let told: Vec<(String, i32)> =
        topics.iter().map(|topic| (topic.kept.key(), topic.kept.revision)).collect();
    let told = told.iter().map(|(key, revision)| (key.as_str(), *revision));
    MessageId::of(addressee.public_id, kind.name(), told, &rules.domain)
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
    topics.sort_by_key(|topic| (rank(topic), topic.soonest_first()));
    let rest = topics.split_off(topics.len().min(MOST_ITEMS));
    let next = |slot| rules.policy.rhythm.due(Cadence::Scheduled(slot), now);
    let next = topics.iter().filter_map(Topic::slot).filter_map(next).min();
    let soon = now + CLOSES_SOON;
    Digested {
        soon: next.map_or(soon, |next| next.max(soon)),
        live: rest.iter().filter(|topic| rank(topic) == 1).count(),
        rest: rest.into_iter().filter(|topic| rank(topic) > 0).map(|topic| topic.kept).collect(),
    }
}
