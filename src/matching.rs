//! From the truth to who wants to know: makes an alert for each person one of
//! whose searches asks for an opening, or who registered for it, and has those
//! told again who were told what is no longer so.
//!
//! Matching only finds candidates. Whether a person is really told, and why, is
//! decided when the mail is claimed, from what is true then.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use crate::clock::Clock;
use crate::config::{Config, InEffect};
use crate::domain::age::Age;
use crate::domain::alert::{
    self, Manner, Notice, Policy, Preferences, Registered, Situation, Standing, Told, Wish, Word,
};
use crate::domain::cadence::Cadence;
use crate::domain::email::EmailAddress;
use crate::domain::opening::Opening;
use crate::domain::subject::Kind;
use crate::domain::taxonomy::Taxonomy;
use crate::domain::terms::Terms;
use crate::domain::truth::Phase;
use crate::stage::{Bell, Stage};
use crate::store::openings::Kept;
use crate::store::outcomes::{self, About, OutcomeEvent};
use crate::store::promises::{self, Prospect, Registrants};
use crate::store::{self, alerts, criteria, openings, preferences, subscribers, value_of};

/// How many keys of subscribers one transaction covers. A page of a million
/// people holds its locks and its memory for some seconds; this one for a
/// fraction of one.
const PAGE: i64 = 250_000;

/// How long to wait for the bell before looking anyway.
const LOOK_ANYWAY: std::time::Duration = std::time::Duration::from_secs(5);

/// The stage.
pub struct Matching {
    pool: PgPool,
    clock: Clock,
    bell: Bell,
    in_effect: InEffect,
    /// What the rules were made of.
    config: Arc<Config>,
    rules: Rules,
    /// Whether the last step found something.
    busy: bool,
}

/// How many new registrations are held against what is open, together.
const NEW_REGISTRATIONS: i64 = 5_000;

/// What matching goes by.
#[derive(Debug, Clone)]
pub struct Rules {
    taxonomy: Arc<Taxonomy>,
    /// The taxonomy's programmes, in short.
    programmes: String,
    policy: Policy,
    testers: Vec<String>,
    /// How long alerts are kept that are over.
    keep_alerts: Age,
}

impl Rules {
    /// The rules of a configuration.
    #[must_use]
    pub fn new(config: &Config, taxonomy: Arc<Taxonomy>) -> Self {
        Self {
            programmes: taxonomy.fingerprint_of_programmes(),
            policy: config.policy(&taxonomy),
            testers: config.testing.addresses.iter().map(EmailAddress::lookup).collect(),
            keep_alerts: config.housekeeping.keep_alerts,
            taxonomy,
        }
    }
}

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// There was nothing to match.
    Idle,
    /// A page of an opening is matched, or some new registrations are, or doors
    /// that have shut are settled; this many alerts were made or are due again.
    Page {
        /// How many.
        alerts: u64,
    },
}

/// Matches one page of one opening, in one transaction. An opening that
/// cannot be read, or that Postgres objects to, is set aside and told in
/// `status`; the others go on. With nothing to match, holds new registrations
/// against what is announced or open already, and settles doors that have
/// shut.
///
/// # Errors
///
/// When Postgres is away; the page is then matched again.
pub async fn step(pool: &PgPool, rules: &Rules, now: DateTime<Utc>) -> store::Result<Step> {
    let mut transaction = pool.begin().await?;
    let Some(next) = openings::next_to_match(&mut transaction).await? else {
        let alerts = match newcomers(&mut transaction, rules, now).await? {
            Some(alerts) => Some(alerts),
            None => promises::settle(&mut transaction, now).await?,
        };
        if alerts.is_some_and(|alerts| alerts > 0) {
            store::announce_work(&mut transaction, "delivery").await?;
        }
        transaction.commit().await?;
        return Ok(alerts.map_or(Step::Idle, |alerts| Step::Page { alerts }));
    };
    let matched = match next.opening {
        Ok(opening) => {
            let part = Part { cursor: next.cursor, is_new: next.is_new };
            page(&mut transaction, &opening, part, rules, now).await
        }
        Err(error) => Err(error),
    };
    match matched {
        Ok(alerts) => {
            transaction.commit().await?;
            Ok(Step::Page { alerts })
        }
        Err(error) if error.will_come_again() => {
            transaction.rollback().await?;
            tracing::error!(opening = next.id, %error, "an opening cannot be matched and is set aside");
            openings::set_aside(&mut *pool.acquire().await?, next.id, &error.to_string()).await?;
            Ok(Step::Page { alerts: 0 })
        }
        Err(error) => Err(error),
    }
}

/// How far an opening is matched.
#[derive(Debug, Clone, Copy)]
struct Part {
    /// Up to whom.
    cursor: i64,
    /// It has never been matched to its end.
    is_new: bool,
}

async fn page(
    connection: &mut PgConnection,
    kept: &Kept,
    part: Part,
    rules: &Rules,
    now: DateTime<Utc>,
) -> store::Result<u64> {
    let cursor = part.cursor;
    let terms = Terms::of(&kept.opening.truth.facts, &rules.taxonomy);
    let about = About::from(kept);
    if cursor == 0 {
        report_unmapped(&mut *connection, kept, &about, &terms, now).await?;
    }
    let last = subscribers::last(&mut *connection).await?;
    let up_to = (cursor + PAGE).min(last);
    let page = alerts::Page {
        opening_id: kept.id,
        after: cursor,
        up_to,
        only: kept.opening.test.then_some(&rules.testers),
    };
    let cadences = preferences::cadences(&mut *connection).await?;
    let mut made = tell_again(&mut *connection, &page, &kept.opening, &cadences, rules, now).await?;
    if let Some(registrants) = rules.registrants(kept, &about, None, now) {
        made += promises::promise(&mut *connection, &page, &registrants).await?;
    }
    if let Some(searched) = rules.searched(&kept.opening, part.is_new, &cadences, now) {
        let criteria = criteria::matching(&mut *connection, &terms).await?;
        if !criteria.is_empty() {
            made += alerts::make(&mut *connection, &page, &criteria, &searched).await?;
        }
    }
    if up_to >= last {
        openings::matched(&mut *connection, kept.id, kept.revision, &rules.programmes).await?;
    } else {
        openings::matched_up_to(&mut *connection, kept.id, up_to).await?;
    }
    if made > 0 {
        store::announce_work(connection, "delivery").await?;
    }
    tracing::info!(opening = kept.key(), revision = kept.revision, up_to, alerts = made, "matched");
    Ok(made)
}

/// Makes those due again who were told what is no longer so. Who they are does
/// not matter yet: that is looked at when they are claimed.
async fn tell_again(
    connection: &mut PgConnection,
    page: &alerts::Page<'_>,
    opening: &Opening,
    cadences: &[Cadence],
    rules: &Rules,
    now: DateTime<Utc>,
) -> store::Result<u64> {
    // What can wait is looked at when the first of all digests is due, whoever it is for.
    let ticks = cadences.iter().filter(|cadence| matches!(cadence, Cadence::Scheduled(_)));
    let first = ticks.filter_map(|cadence| rules.policy.rhythm.due(*cadence, now)).min();
    let groups = alerts::told_groups(&mut *connection, page).await?;
    let revisions: Vec<(i64, i32)> =
        groups.iter().map(|group| (page.opening_id, group.told_revision)).collect();
    let truths = openings::truths(&mut *connection, &revisions).await?;
    let mut due = Vec::new();
    for group in groups {
        let Some(truth) = truths.get(&(page.opening_id, group.told_revision)) else { continue };
        let phase = value_of(&group.told_phase, || format!("alerts of opening {}", page.opening_id))?;
        let told = Told { truth, phase, at: DateTime::UNIX_EPOCH, reminded: true };
        let situation = situation(opening, Some(told), anybody(Registered::Exactly), now);
        match alert::next_word(&situation, &rules.policy) {
            Word::Say(_) => due.push((group, now)),
            Word::Wait(until) => due.push((group, first.map_or(until, |first| until.min(first)))),
            Word::Nothing | Word::End(_) => {}
        }
    }
    alerts::tell_again(connection, page, &due).await
}

/// Holds registrations that are new against what is announced or open already.
/// `None` if there were none.
async fn newcomers(
    connection: &mut PgConnection,
    rules: &Rules,
    now: DateTime<Utc>,
) -> store::Result<Option<u64>> {
    let new = subscribers::new_registrations(&mut *connection, NEW_REGISTRATIONS).await?;
    if new.is_empty() {
        return Ok(None);
    }
    let mut made = 0;
    for kept in openings::live_cycles(&mut *connection, now).await? {
        let answers = kept.opening.answers(&kept.subject.reference, &rules.taxonomy);
        let mut people: Vec<i64> = new
            .iter()
            .filter(|new| answers.contains(new.programme.as_str()))
            .map(|new| new.subscriber_id)
            .collect();
        people.sort_unstable();
        people.dedup();
        let (Some(first), Some(last)) = (people.first(), people.last()) else { continue };
        let about = About::from(&kept);
        let Some(registrants) = rules.registrants(&kept, &about, Some(&people), now) else { continue };
        let page = alerts::Page {
            opening_id: kept.id,
            after: first - 1,
            up_to: *last,
            only: kept.opening.test.then_some(&rules.testers),
        };
        made += promises::promise(&mut *connection, &page, &registrants).await?;
    }
    tracing::info!(registrations = new.len(), alerts = made, "matched new registrations");
    Ok(Some(made))
}

/// Somebody who wants to hear at once.
fn anybody(registered: Registered) -> Wish {
    Wish { registration: Some(registered), search: Some(Cadence::Immediate), ..Wish::default() }
}

impl Rules {
    /// What becomes of those who registered, if it concerns them at all.
    fn registrants<'a>(
        &self,
        kept: &'a Kept,
        about: &'a About,
        people: Option<&'a [i64]>,
        now: DateTime<Utc>,
    ) -> Option<Registrants<'a>> {
        let opening = &kept.opening;
        if opening.kind != Kind::Programme {
            return None;
        }
        let truth = &opening.truth;
        let phase = truth.phase(now);
        let is_shut = matches!(phase, Phase::Closed | Phase::Withdrawn);
        let shut = is_shut.then(|| truth.door_shuts_at().unwrap_or(opening.position.time));
        // What was promised is only a number by then, and nothing new is.
        if shut.is_some_and(|shut| shut < self.keep_alerts.before(now)) {
            return None;
        }
        let dated = truth.opened_at.is_some() || truth.facts.opens.is_some();
        Some(Registrants {
            about,
            programme: &kept.subject.reference,
            within: opening
                .answers(&kept.subject.reference, &self.taxonomy)
                .into_iter()
                .map(ToOwned::to_owned)
                .collect(),
            people,
            exactly: self.prospect(opening, Registered::Exactly, now),
            part_of: self.prospect(opening, Registered::Within, now),
            promise: dated,
            registered_before: shut,
            only_promises: phase == Phase::Closed,
            today: now.with_timezone(&self.policy.rhythm.zone).date_naive(),
            now,
        })
    }

    /// What the comparison says to somebody who registered and was told
    /// nothing.
    fn prospect(&self, opening: &Opening, registered: Registered, now: DateTime<Utc>) -> Prospect {
        let wish = Wish { search: None, ..anybody(registered) };
        match alert::next_word(&situation(opening, None, wish, now), &self.policy) {
            Word::Say(_) => Prospect::Due(now),
            Word::Wait(until) => Prospect::Due(until),
            Word::Nothing => Prospect::Quiet,
            Word::End(reason) => Prospect::Ended(reason.name()),
        }
    }

    /// For those with a search that asks for it, when the next word is due at
    /// each cadence, never before it is true; or why there is none. `None` if
    /// nothing is to be recorded.
    fn searched(
        &self,
        opening: &Opening,
        is_new: bool,
        cadences: &[Cadence],
        now: DateTime<Utc>,
    ) -> Option<alerts::Searched> {
        let mut due = Vec::new();
        let mut ended = None;
        for cadence in cadences.iter().filter(|cadence| **cadence != Cadence::Paused) {
            let wish = Wish { search: Some(*cadence), ..Wish::default() };
            let situation = situation(opening, None, wish, now);
            let word = alert::word_without_guards(&situation, &self.policy);
            let at = match alert::next_word(&situation, &self.policy) {
                Word::Say(_) => now,
                Word::Wait(until) => until,
                Word::Nothing => return None,
                Word::End(_) if opening.begun.is_old_news(self.policy.max_age) => return None,
                Word::End(reason) => {
                    ended = Some(reason.name());
                    now
                }
            };
            let unhurried = match &word {
                // Who was to be told has an alert; whoever has none did not ask while it was open.
                Word::Say(Notice::Missed) if !is_new => return None,
                Word::Say(notice) => alert::manner(notice, &situation, &self.policy) != Manner::AtOnce,
                _ => false,
            };
            due.push((*cadence, at, unhurried));
        }
        Some(alerts::Searched { due, ended })
    }
}

/// Someone who may be told anything, and has chosen nothing.
fn situation<'a>(
    opening: &'a Opening,
    told: Option<Told<'a>>,
    wish: Wish,
    now: DateTime<Utc>,
) -> Situation<'a> {
    let (standing, preferences) = (Standing::Tester, Preferences::default());
    Situation { opening, told, wish, standing, preferences, now }
}

async fn report_unmapped(
    connection: &mut PgConnection,
    kept: &Kept,
    about: &About,
    terms: &Terms,
    now: DateTime<Utc>,
) -> store::Result<()> {
    for unmapped in &terms.unmapped {
        tracing::warn!(
            opening = kept.key(),
            dimension = unmapped.dimension.key(),
            value = unmapped.value,
            "the taxonomy does not know this value; it excludes nobody until it does"
        );
    }
    let events: Vec<OutcomeEvent> =
        terms.unmapped.iter().map(|unmapped| OutcomeEvent::unmapped(about, unmapped, now)).collect();
    outcomes::emit(connection, &events).await
}

impl Matching {
    /// The stage on a database, by the configuration in effect.
    #[must_use]
    pub fn new(pool: PgPool, clock: Clock, bell: Bell, in_effect: InEffect, taxonomy: Arc<Taxonomy>) -> Self {
        let config = in_effect.now();
        let rules = Rules::new(&config, taxonomy);
        Self { pool, clock, bell, in_effect, config, rules, busy: true }
    }
}

impl Stage for Matching {
    const NAME: &'static str = "matching";

    async fn ready(&mut self) -> anyhow::Result<()> {
        if !self.busy {
            self.bell.wait(LOOK_ANYWAY).await;
        }
        Ok(())
    }

    async fn step(&mut self) -> anyhow::Result<()> {
        if let Some(config) = self.in_effect.instead_of(&self.config) {
            self.rules = Rules::new(&config, Arc::clone(&self.rules.taxonomy));
            self.config = config;
        }
        self.busy = step(&self.pool, &self.rules, self.clock.now()).await? != Step::Idle;
        Ok(())
    }
}
