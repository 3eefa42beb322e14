//! From the truth to who wants to know: makes an alert for each person one of
//! whose searches asks for an opening.
//!
//! Matching only finds candidates. Whether a person is really told, and why, is
//! decided when the mail is claimed, from what is true then.

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use sqlx::{PgConnection, PgPool};

use crate::clock::Clock;
use crate::config::Config;
use crate::domain::alert;
use crate::domain::cadence::{Cadence, Rhythm};
use crate::domain::email::EmailAddress;
use crate::domain::posting::{Phase, Posting};
use crate::domain::taxonomy::Taxonomy;
use crate::domain::terms::Terms;
use crate::stage::{Bell, Stage};
use crate::store::openings::Opening;
use crate::store::{self, alerts, criteria, openings, subscribers};

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
    rules: Rules,
    /// Whether the last step found something.
    busy: bool,
}

/// What matching goes by.
#[derive(Debug, Clone)]
pub struct Rules {
    taxonomy: Arc<Taxonomy>,
    rhythm: Rhythm,
    testers: Vec<String>,
    max_age: Duration,
}

impl Rules {
    /// The rules of a configuration.
    #[must_use]
    pub fn new(config: &Config, taxonomy: Arc<Taxonomy>) -> Self {
        Self {
            taxonomy,
            rhythm: config.rhythm(),
            testers: config.testing.addresses.iter().map(EmailAddress::lookup).collect(),
            max_age: Duration::from_std(config.intake.max_age).unwrap_or(Duration::MAX),
        }
    }
}

/// What alerts are made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Interest {
    /// To tell people.
    Tell,
    /// To record why people were not told: the door shut first.
    Record(alert::Reason),
    /// Nothing: it was old, and shut, before we heard of it.
    None,
}

impl Interest {
    fn ending(self) -> Option<&'static str> {
        match self {
            Self::Record(reason) => Some(reason.name()),
            Self::Tell | Self::None => None,
        }
    }
}

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// There was nothing to match.
    Idle,
    /// A page of an opening is matched; this many alerts were made.
    Page {
        /// How many.
        alerts: u64,
    },
}

/// Matches one page of one opening, in one transaction. An opening that
/// cannot be read, or that Postgres objects to, is set aside and told in
/// `status`; the others go on.
///
/// # Errors
///
/// When Postgres is away; the page is then matched again.
pub async fn step(pool: &PgPool, rules: &Rules, now: DateTime<Utc>) -> store::Result<Step> {
    let mut transaction = pool.begin().await?;
    let Some(next) = openings::next_to_match(&mut transaction).await? else {
        return Ok(Step::Idle);
    };
    let matched = match next.opening {
        Ok(opening) => page(&mut transaction, &opening, next.cursor, rules, now).await,
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

async fn page(
    connection: &mut PgConnection,
    opening: &Opening,
    cursor: i64,
    rules: &Rules,
    now: DateTime<Utc>,
) -> store::Result<u64> {
    let terms = Terms::of(&opening.posting.facts, &rules.taxonomy);
    if cursor == 0 {
        report_unmapped(opening, &terms);
    }
    let last = subscribers::last(&mut *connection).await?;
    let up_to = (cursor + PAGE).min(last);
    let mut made = 0;
    let interest = rules.interest(&opening.posting, now);
    if interest != Interest::None {
        let criteria = criteria::matching(&mut *connection, &terms).await?;
        let due = rules.due(&opening.posting, now);
        let page = alerts::Page {
            opening_id: opening.id,
            criteria: &criteria,
            after: cursor,
            up_to,
            due: &due,
            ended: interest.ending(),
            only: opening.posting.test.then_some(&rules.testers),
        };
        if !criteria.is_empty() {
            made = alerts::make(&mut *connection, &page).await?;
        }
    }
    if up_to >= last {
        openings::matched(&mut *connection, opening.id, opening.revision).await?;
    } else {
        openings::matched_up_to(&mut *connection, opening.id, up_to).await?;
    }
    if made > 0 {
        store::announce_work(connection, "delivery").await?;
    }
    tracing::info!(opening = opening.key(), revision = opening.revision, up_to, alerts = made, "matched");
    Ok(made)
}

impl Rules {
    /// Whether there is anything to tell of a posting, or to record.
    fn interest(&self, posting: &Posting, now: DateTime<Utc>) -> Interest {
        match posting.phase(now) {
            Phase::Scheduled | Phase::Open => Interest::Tell,
            Phase::Closed | Phase::Withdrawn if posting.is_old_news(self.max_age) => Interest::None,
            Phase::Closed | Phase::Withdrawn => Interest::Record(alert::Reason::Expired),
        }
    }

    /// When the next word is due at each cadence, never before it is true.
    fn due(&self, posting: &Posting, now: DateTime<Utc>) -> Vec<(&'static str, DateTime<Utc>)> {
        let from = now.max(posting.opens_at);
        Cadence::ALL
            .into_iter()
            .filter_map(|cadence| Some((cadence.name(), self.rhythm.due(cadence, from)?)))
            .collect()
    }
}

fn report_unmapped(opening: &Opening, terms: &Terms) {
    for unmapped in &terms.unmapped {
        tracing::warn!(
            opening = opening.key(),
            dimension = unmapped.dimension.key(),
            value = unmapped.value,
            "the taxonomy does not know this value; it excludes nobody until it does"
        );
    }
}

impl Matching {
    /// The stage on a database.
    #[must_use]
    pub fn new(pool: PgPool, clock: Clock, bell: Bell, rules: Rules) -> Self {
        Self { pool, clock, bell, rules, busy: true }
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
        self.busy = step(&self.pool, &self.rules, self.clock.now()).await? != Step::Idle;
        Ok(())
    }
}
