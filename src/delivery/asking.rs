//! What a person asks for and what they were told, as the comparison takes it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::PgConnection;

use crate::delivery::claim::Rules;
use crate::domain::alert::{Preferences, Registered, Situation, Standing, Told, Wish};
use crate::domain::cadence::Cadence;
use crate::domain::criteria::Criteria;
use crate::domain::subject::Kind;
use crate::domain::taxonomy::Taxonomy;
use crate::domain::terms::Terms;
use crate::domain::truth::{Phase, Truth};
use crate::store::alerts::Due;
use crate::store::openings::{self, Kept};
use crate::store::subscribers::{Addressee, KeptRegistration, SavedSearch};
use crate::store::{self, value_of};

/// What a person was told before, and in which mail.
#[derive(Debug, Clone)]
pub struct Before {
    /// What was so, by what we told.
    pub truth: Arc<Truth>,
    /// How the door stood.
    pub phase: Phase,
    /// When the mail was accepted.
    pub at: DateTime<Utc>,
    /// They were reminded that it closes soon.
    pub reminded: bool,
    /// The mails up to the one that told it, oldest first.
    pub thread: Vec<String>,
}

impl Before {
    /// In the words of the comparison.
    #[must_use]
    pub fn told(&self) -> Told<'_> {
        Told { truth: &self.truth, phase: self.phase, at: self.at, reminded: self.reminded }
    }
}

/// A truth, and what it answers to.
type Known = (Arc<Truth>, Arc<Terms>);

/// Truths that were read before, by opening and revision: what was so at a
/// revision never changes. Which revision is the present one is read anew each
/// time.
#[derive(Debug, Default)]
pub(crate) struct Shelf(Mutex<HashMap<(i64, i32), Known>>);

/// The most truths that are kept at hand: with the longest descriptions some
/// 20 MB.
const AT_HAND: usize = 500;

impl Shelf {
    /// All of these openings that are at hand, at whatever revision.
    fn of_openings(&self, ids: &[i64]) -> HashMap<(i64, i32), Known> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = known.iter().filter(|((id, _), _)| ids.binary_search(id).is_ok());
        wanted.map(|(key, known)| (*key, known.clone())).collect()
    }

    fn keep(&self, new: impl IntoIterator<Item = ((i64, i32), Known)>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, truth) in new {
            if known.len() >= AT_HAND {
                known.clear();
            }
            known.insert(key, truth);
        }
    }
}

/// The openings that people are due for, as they are now and as they were told.
#[derive(Default)]
pub(crate) struct Library {
    /// As they are now, by their keys.
    pub(crate) kept: HashMap<i64, (Arc<Kept>, Arc<Terms>)>,
    told: HashMap<(i64, i32), Known>,
}

impl Library {
    /// What these alerts are about.
    pub(crate) async fn read(
        connection: &mut PgConnection,
        due: &[Due],
        taxonomy: &Taxonomy,
        shelf: &Shelf,
    ) -> store::Result<Self> {
        let mut ids: Vec<i64> = due.iter().map(|alert| alert.opening_id).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut known = shelf.of_openings(&ids);
        let truths = known.iter().map(|(key, (truth, _))| (*key, Arc::clone(truth))).collect();
        let mut new: HashMap<(i64, i32), Known> = HashMap::new();
        let mut kept = HashMap::new();
        for opening in openings::by_id_knowing(&mut *connection, &ids, &truths).await? {
            let key = (opening.id, opening.revision);
            let (_, terms) = known.entry(key).or_insert_with(|| {
                let truth = opening.opening.truth.clone();
                let terms = Arc::new(Terms::of(&truth.facts, taxonomy));
                new.entry(key).or_insert((Arc::new(truth), terms)).clone()
            });
            kept.insert(opening.id, (Arc::new(opening), Arc::clone(terms)));
        }
        let mut told: Vec<(i64, i32)> =
            due.iter().filter_map(|alert| Some((alert.opening_id, alert.told_revision?))).collect();
        told.sort_unstable();
        told.dedup();
        let unknown: Vec<(i64, i32)> = told.iter().copied().filter(|key| !known.contains_key(key)).collect();
        for (key, truth) in openings::truths(connection, &unknown).await? {
            let terms = Arc::new(Terms::of(&truth.facts, taxonomy));
            new.insert(key, (Arc::new(truth), terms));
        }
        known.extend(new.iter().map(|(key, known)| (*key, known.clone())));
        shelf.keep(new);
        let told = told.into_iter().filter_map(|key| Some((key, known.get(&key)?.clone()))).collect();
        Ok(Self { kept, told })
    }

    /// What was told by an alert, if anything was.
    pub(crate) fn before(&self, alert: &Due) -> Option<(Before, &Terms)> {
        let (truth, terms) = self.told.get(&(alert.opening_id, alert.told_revision?))?;
        let phase = value_of(alert.told_phase.as_deref()?, || format!("alerts of {}", alert.subscriber_id));
        let mut thread = alert.told_thread.clone().unwrap_or_default();
        thread.extend(alert.told_message_id.clone());
        let (at, reminded) = (alert.told_at?, alert.reminded);
        Some((Before { truth: Arc::clone(truth), phase: phase.ok()?, at, reminded, thread }, terms))
    }
}

/// A person, and what they ask for, as they are now.
pub(crate) struct Asker<'a> {
    /// Who they are.
    pub(crate) addressee: &'a Addressee,
    standing: Standing,
    preferences: Preferences,
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
    /// All registrations that reach it, also those that want to hear nothing yet.
    pub(crate) reaching: Vec<&'a KeptRegistration>,
    /// The same in the words of the comparison.
    pub(crate) wish: Wish,
}

impl<'a> Asker<'a> {
    pub(crate) fn new(addressee: &'a Addressee, rules: &Rules, now: DateTime<Utc>) -> Self {
        let searches = addressee.searches.iter();
        Self {
            addressee,
            standing: rules.standing(addressee),
            preferences: rules.preferences(addressee),
            searches: searches.filter_map(|search| Some((search, readable(search, rules)?))).collect(),
            today: rules.policy.rhythm.day_of(now),
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
    ) -> Asked<'a> {
        let wants = |criteria: &Criteria| {
            criteria.matches(terms) || told_terms.is_some_and(|terms| criteria.matches(terms))
        };
        let wanting: Vec<&SavedSearch> =
            self.searches.iter().filter(|(_, criteria)| wants(criteria)).map(|(search, _)| *search).collect();
        let reaching = self.reaching(kept, &rules.taxonomy);
        let registration = self.registration(kept, &reaching);
        let pause_ends = self.preferences.pause.map(|pause| pause.ends);
        let ready = kept.opening.tellable_from(rules.policy.settling);
        let from = self.preferences.ticks_from(pause_ends, ready);
        let soonest = |cadence: &Cadence| rules.policy.rhythm.due(*cadence, from);
        let wish = Wish {
            registration: registration.map(|registration| {
                if registration.programme == kept.subject.reference {
                    Registered::Exactly
                } else {
                    Registered::Within
                }
            }),
            search: wanting.iter().map(|search| search.cadence).min_by_key(soonest),
            not_before: !reaching.is_empty() && registration.is_none(),
            reminder: registration.is_some_and(|registration| registration.reminder),
        };
        let still = self.searches.iter().any(|(_, criteria)| criteria.matches(terms));
        Asked { wanting, still, registration, reaching, wish }
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
        let (standing, preferences) = (self.standing, self.preferences);
        Situation { opening: &kept.opening, told, wish, standing, preferences, now }
    }

    /// The registrations that reach a programme.
    fn reaching(&self, kept: &Kept, taxonomy: &Taxonomy) -> Vec<&'a KeptRegistration> {
        if kept.opening.kind != Kind::Programme {
            return vec![];
        }
        let owed = kept.opening.answers(&kept.subject.reference, taxonomy);
        let reaches = |registration: &&KeptRegistration| {
            owed.contains(registration.programme.as_str())
                && registration.valid_until.is_none_or(|last| self.today <= last)
        };
        self.addressee.registrations.iter().filter(reaches).collect()
    }

    /// The one of these that the programme answers: the one for it by name, else
    /// the oldest.
    fn registration(&self, kept: &Kept, reaching: &[&'a KeptRegistration]) -> Option<&'a KeptRegistration> {
        let holds =
            |registration: &&KeptRegistration| registration.not_before.is_none_or(|from| from <= self.today);
        let reaching = reaching.iter().copied().filter(holds);
        reaching.min_by_key(|r| (r.programme != kept.subject.reference, r.registered_at))
    }
}

/// What a kept search asks for. One that cannot be read asks for nothing,
/// loudly.
fn readable(search: &SavedSearch, rules: &Rules) -> Option<Criteria> {
    Criteria::read(&search.written, &rules.taxonomy)
        .inspect_err(|error| tracing::error!(search = search.id, %error, "a kept search cannot be read"))
        .ok()
}
