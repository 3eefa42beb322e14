//! One batch of messages, from the queue into the tables, in one transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use sqlx::PgPool;

use crate::config::Config;
use crate::domain::facts::Change;
use crate::domain::history::{self, Event, Happening, Position};
use crate::domain::opening::Opening;
use crate::domain::subject::{Kind, Subject};
use crate::domain::taxonomy::{Dimension, Taxonomy};
use crate::domain::text::is_no_value;
use crate::domain::truth::State;
use crate::intake::cloudevents::{self, Envelope, Message};
use crate::intake::verdict::{Reason, Rejection};
use crate::intake::wire::{self, Reading};
use crate::store::openings::{Known, Worked};
use crate::store::{self, StoreError, events, openings};

/// What intake goes by.
#[derive(Debug, Clone)]
pub struct Policy {
    /// What `deploymentenv` must be, where it is given.
    environment: String,
    /// How references begin that only tests use.
    test_references: Vec<String>,
    /// The hosts that adverts may be on.
    allowed_hosts: Vec<String>,
    /// What is opened again within this time after it was shut was not shut: feeds blink.
    flap_window: Duration,
    /// What programmes are called, and what is known of them.
    taxonomy: Arc<Taxonomy>,
    reading: Reading,
}

impl Policy {
    /// What a configuration says, with the taxonomy that it names.
    #[must_use]
    pub fn new(config: &Config, taxonomy: Arc<Taxonomy>) -> Self {
        Self {
            environment: config.intake.environment.clone(),
            test_references: config.intake.test_references.iter().map(|r| r.to_uppercase()).collect(),
            allowed_hosts: config.links.allowed_hosts.clone(),
            flap_window: config.guards.settling().flap_window,
            taxonomy,
            reading: Reading { zone: config.time.zone },
        }
    }
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Taken {
    /// Events that were new.
    pub new: usize,
    /// Events that were known already.
    pub repeated: usize,
    /// Events that came after one with the same or a higher version.
    pub late: usize,
    /// Openings that are new or changed.
    pub openings: u64,
    /// Messages that are no good, by their place in the batch.
    pub rejected: Vec<(usize, Rejection)>,
}

impl std::ops::AddAssign for Taken {
    fn add_assign(&mut self, other: Self) {
        self.new += other.new;
        self.repeated += other.repeated;
        self.late += other.late;
        self.openings += other.openings;
        self.rejected.extend(other.rejected);
    }
}

/// Takes a batch in. A message that is no good does not take the others down;
/// a fault of the database leaves everything as it was.
///
/// # Errors
///
/// When Postgres is away.
pub async fn take(
    pool: &PgPool,
    messages: &[Message],
    policy: &Policy,
    now: DateTime<Utc>,
) -> store::Result<Taken> {
    let mut taken = Taken::default();
    let mut good = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        match read(message, policy, now) {
            Ok(event) => good.push((index, event)),
            Err(rejection) => taken.rejected.push((index, rejection)),
        }
    }
    keep_each(pool, good, policy, now, &mut taken).await?;
    taken.rejected.sort_by_key(|(index, _)| *index);
    Ok(taken)
}

/// Keeps events together if the database takes them together; if it objects to
/// what is in one of them, halves until that one is found.
async fn keep_each(
    pool: &PgPool,
    events: Vec<(usize, events::Event)>,
    policy: &Policy,
    now: DateTime<Utc>,
    taken: &mut Taken,
) -> store::Result<()> {
    let mut parts = vec![events];
    while let Some(mut part) = parts.pop() {
        if part.is_empty() {
            continue;
        }
        match keep(pool, &part, policy, now, taken).await {
            Ok(()) => {}
            Err(StoreError::Database(sqlx::Error::Database(error))) if store::is_about_the_data(&*error) => {
                if part.len() == 1 {
                    let detail = format!("the database cannot keep it: {}", error.message());
                    taken
                        .rejected
                        .extend(part.pop().map(|(index, _)| (index, Reason::Schema.because(detail))));
                } else {
                    let rest = part.split_off(part.len() / 2);
                    parts.extend([rest, part]);
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn keep(
    pool: &PgPool,
    events: &[(usize, events::Event)],
    policy: &Policy,
    now: DateTime<Utc>,
    taken: &mut Taken,
) -> store::Result<()> {
    let mut transaction = pool.begin().await?;
    let subjects: BTreeSet<&str> = events.iter().map(|(_, event)| event.subject.as_str()).collect();
    events::lock_subjects(&mut transaction, &subjects).await?;
    let all: Vec<&events::Event> = events.iter().map(|(_, event)| event).collect();
    let new = events::record(&mut transaction, &all).await?;

    let is_new = |event: &&events::Event| new.contains(&(event.source.clone(), event.event_id.clone()));
    let touched: BTreeSet<String> =
        all.iter().filter(|event| is_new(event)).map(|event| event.subject.clone()).collect();
    let touched: Vec<String> = touched.into_iter().collect();
    let mut histories: BTreeMap<String, Vec<events::Event>> = BTreeMap::new();
    for event in events::about(&mut transaction, &touched).await? {
        histories.entry(event.subject.clone()).or_default().push(event);
    }
    let late = histories.values().map(|history| count_late(history, &new)).sum::<usize>();
    let openings: Vec<(String, Vec<Opening>)> = histories
        .into_iter()
        .filter_map(|(subject, history)| {
            let about: Subject = subject.parse().ok()?;
            let events: Vec<Event> = history.iter().filter_map(|event| understood(event, policy)).collect();
            let mut openings = history::openings(about.kind, &events, policy.flap_window);
            if about.kind == Kind::Programme {
                fill(&mut openings, &about.reference, &policy.taxonomy);
            }
            Some((subject, openings))
        })
        .collect();
    let known = openings::known(&mut transaction, &touched).await?;
    let mut worked = Vec::new();
    for (subject, openings) in &openings {
        let rows: Vec<&Known> = known.iter().filter(|row| row.subject == *subject && !row.absorbed).collect();
        let mut next_number =
            known.iter().filter(|row| row.subject == *subject).map(|row| row.number).max().unwrap_or(0) + 1;
        let mut found: Vec<&Known> = Vec::new();
        for opening in openings {
            // Events that arrive late may show that two rows are one opening.
            let is_it = |row: &&&Known| {
                !found.iter().any(|other| other.id == row.id)
                    && (opening.begun_by.contains(&row.anchor)
                        || opening.cycle.is_some() && opening.cycle == row.cycle)
            };
            let same: Vec<&Known> = rows.iter().filter(is_it).copied().collect();
            let (number, anchor) = if let [row, later @ ..] = &same[..] {
                for later in later {
                    store::openings::absorb(&mut transaction, later.id, row.id).await?;
                }
                (row.number, row.anchor)
            } else {
                next_number += 1;
                (next_number - 1, opening.begun_by.first().copied().unwrap_or_default())
            };
            found.extend(same);
            worked.push(Worked { subject, number, anchor, opening });
        }
        // And that a row is no opening at all: what was told of it counts for the last that is one.
        if let Some(last) = found.last().copied() {
            for row in rows.iter().filter(|row| !found.iter().any(|other| other.id == row.id)) {
                store::openings::absorb(&mut transaction, row.id, last.id).await?;
            }
        }
    }
    let changed = if worked.is_empty() { 0 } else { openings::save(&mut transaction, &worked, now).await? };
    if changed > 0 {
        store::announce_work(&mut transaction, "matching").await?;
    }
    transaction.commit().await?;

    taken.new += new.len();
    taken.repeated += all.len() - new.len();
    taken.late += late;
    taken.openings += changed;
    Ok(())
}

fn count_late(history: &[events::Event], new: &std::collections::HashSet<(String, String)>) -> usize {
    let mut highest = None;
    let mut late = 0;
    for event in history {
        let is_new = new.contains(&(event.source.clone(), event.event_id.clone()));
        late += usize::from(is_new && event.version.is_some() && event.version <= highest);
        highest = highest.max(event.version);
    }
    late
}

/// Completes the cycles of a programme with what the taxonomy knows of it and
/// no event has said.
fn fill(openings: &mut [Opening], slug: &str, taxonomy: &Taxonomy) {
    let node = taxonomy.programmes().resolve(slug);
    if node.is_none() {
        tracing::warn!(
            programme = slug,
            "the taxonomy does not know this programme: only who registered for it by this name is told; \
             add it to the taxonomy, or as an alias of one that is there"
        );
    }
    for opening in openings {
        let truth = &mut opening.truth;
        if truth.facts.title.is_empty() {
            node.map_or(slug, |node| &node.label).clone_into(&mut truth.facts.title);
        }
        if let Some(programme) = &mut truth.facts.programme {
            for member in &mut programme.members {
                if let Some(node) = taxonomy.programmes().resolve(member) {
                    member.clone_from(&node.slug);
                }
            }
        }
        let Some(node) = node else { continue };
        for dimension in [Dimension::RoleFamily, Dimension::Rank, Dimension::ContractKind] {
            if truth.facts.values(dimension).is_empty()
                && let Some(value) = node.default_of(dimension)
            {
                truth.facts.apply(Change::Values(dimension, vec![value.to_owned()]));
            }
        }
        if truth.state == State::Withdrawn && truth.replaced_by.is_none() {
            truth.replaced_by.clone_from(&node.successor);
        }
    }
}

/// A kept event in the words of the domain. What was understood when it came is
/// understood now; if an older program kept what this one cannot read, that
/// event is left out, loudly.
fn understood(event: &events::Event, policy: &Policy) -> Option<Event> {
    let read = wire::happening(&event.kind, &event.data, &policy.reading)
        .and_then(|happening| Ok((happening, wire::effective_at(&event.kind, &event.data)?)));
    match read {
        Ok((happening, effective_at)) => Some(Event {
            id: event.id,
            position: Position { version: event.version, time: event.time },
            effective_at: effective_at.unwrap_or(event.time),
            seen_at: event.received_at,
            test: event.test,
            zone: policy.reading.zone,
            happening,
        }),
        Err(rejection) => {
            tracing::error!(
                event.id = event.event_id, event.source, %rejection,
                "a kept event cannot be read any more and is left out"
            );
            None
        }
    }
}

fn read(message: &Message, policy: &Policy, now: DateTime<Utc>) -> Result<events::Event, Rejection> {
    let envelope = cloudevents::read(message)?;
    if let Some(environment) = &envelope.environment
        && *environment != policy.environment
    {
        return Err(Reason::ForeignEnvironment
            .because(format!("deploymentenv is not {:?}, see intake.environment", policy.environment)));
    }
    let happening = wire::happening(&envelope.kind, &envelope.data, &policy.reading)?;
    wire::effective_at(&envelope.kind, &envelope.data)?;
    let subject = subject(&envelope, &policy.taxonomy)?;
    for url in links(&happening) {
        wire::allow(subject.kind, url, &policy.allowed_hosts)?;
    }
    if !subject.test && policy.test_references.iter().any(|start| is_for_tests(&subject, start)) {
        return Err(Reason::LooksLikeATest.because(
            "the reference is one that tests use (intake.test_references), and testevent is not true",
        ));
    }
    Ok(events::Event {
        id: 0,
        subject: subject.to_string(),
        time: envelope.time.unwrap_or(now),
        received_at: now,
        source: envelope.source,
        event_id: envelope.id,
        kind: envelope.kind,
        version: envelope.version,
        test: envelope.test,
        data: envelope.data,
    })
}

fn links(happening: &Happening) -> impl Iterator<Item = &str> {
    happening.changes.iter().filter_map(|change| match change {
        Change::Url(url) => url.as_deref(),
        _ => None,
    })
}

/// Whether a subject's reference begins as those that only tests use. A slug
/// is made of words, and `test` is not the beginning of `testing-officer`.
fn is_for_tests(subject: &Subject, start: &str) -> bool {
    let reference = subject.reference.to_uppercase();
    reference
        .strip_prefix(start)
        .is_some_and(|rest| subject.kind == Kind::Vacancy || !rest.starts_with(char::is_alphabetic))
}

/// What an event is about: a requisition number in upper case, or a slug in
/// lower case; for a programme the slug that the taxonomy has for that name.
fn subject(envelope: &Envelope, taxonomy: &Taxonomy) -> Result<Subject, Rejection> {
    const LONGEST: usize = 100;
    let wrong = |detail: &str| Reason::Envelope.because(format!("subject: {detail}"));
    let kind = wire::subject_of(&envelope.kind).ok_or_else(|| wrong("the type says nothing of its kind"))?;
    let (what, allowed) = match kind {
        Kind::Vacancy => ("a reference of letters, digits and ._-/:", "._-/:"),
        Kind::Programme | Kind::EventDay => ("a slug of letters, digits and ._-", "._-"),
    };
    let expected = || wrong(&format!("expected {}/ and {what}, for an event of this type", kind.name()));
    let written = envelope.subject.as_deref().unwrap_or_default();
    let written = written.strip_prefix(kind.name()).and_then(|rest| rest.strip_prefix('/'));
    let written = written.ok_or_else(expected)?;
    let known = taxonomy.programmes().resolve(written).filter(|_| kind == Kind::Programme);
    let reference = match (kind, known) {
        (_, Some(node)) => node.slug.clone(),
        (Kind::Vacancy, None) => written.to_uppercase(),
        (Kind::Programme | Kind::EventDay, None) => written.to_lowercase(),
    };
    if !(1..=LONGEST).contains(&reference.len())
        || !reference.chars().all(|c| c.is_ascii_alphanumeric() || allowed.contains(c))
    {
        return Err(expected());
    }
    if is_no_value(written) || is_no_value(&reference.to_lowercase()) {
        return Err(wrong("the reference is a program's word for nothing"));
    }
    match wire::identifier(&envelope.data).filter(|_| kind == Kind::Vacancy) {
        Some(identifier) if identifier.to_uppercase() != reference => {
            Err(wrong("it is not the reference in data.posting.identifier"))
        }
        _ => Ok(Subject { kind, reference, test: envelope.test }),
    }
}

#[cfg(test)]
mod tests;
