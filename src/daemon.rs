//! The composition root: builds the stages from the configuration, runs them
//! until the program is told to stop, and stops them in two steps.

mod bells;
pub mod clocks;
mod reading;
mod service_manager;
mod signals;

use std::collections::BTreeSet;
use std::fs;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use sqlx::{PgConnection, PgPool};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, Offset};
use crate::config::{Config, InEffect};
use crate::daemon::bells::{Bells, listen};
use crate::daemon::reading::Reading;
use crate::daemon::service_manager::ServiceManager;
use crate::daemon::signals::{read_on_signal, stop_on_signal};
use crate::delivery::{self, Delivery, schedules};
use crate::domain::suggest::nearest;
use crate::domain::taxonomy::Taxonomy;
use crate::health::{Health, Pulse};
use crate::housekeeping::{self, Housekeeping};
use crate::intake::stage::Intake;
use crate::intake::step::Policy;
use crate::matching::{self, Matching};
use crate::metrics::Metrics;
use crate::outcomes::Outcomes;
use crate::stage::{Bell, Stage, drive, wait_after};
use crate::store;
use crate::store::servers::Servers;
use crate::web::ops::{Ops, Watched};
use crate::web::{self, Web};

pub use crate::daemon::reading::Source;

/// After SIGTERM the stages finish what they have begun; what is not finished
/// by then is given up and is done again after the next start.
const TIME_TO_STOP: Duration = Duration::from_secs(25);

/// A stage that a process can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StageName {
    /// From the queue to the truth.
    Intake,
    /// From the truth to who wants to know.
    Matching,
    /// From who is due to mails that left.
    Delivery,
    /// From what came of it to events that others follow.
    Outcomes,
    /// What is done by the clock.
    Housekeeping,
    /// From who got a mail to what they want to hear no more.
    Web,
}

impl StageName {
    /// All of them, in the order of the road.
    pub const ALL: [Self; 6] =
        [Self::Intake, Self::Matching, Self::Delivery, Self::Outcomes, Self::Housekeeping, Self::Web];

    /// The name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Intake => Intake::NAME,
            Self::Matching => Matching::NAME,
            Self::Delivery => Delivery::NAME,
            Self::Outcomes => Outcomes::NAME,
            Self::Housekeeping => Housekeeping::NAME,
            Self::Web => Web::NAME,
        }
    }
}

impl FromStr for StageName {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|stage| stage.name() == name)
            .ok_or_else(|| nearest(name, Self::ALL.map(Self::name)))
    }
}

/// What all stages of a process are built from.
pub struct Program {
    /// As it was at the start.
    config: Config,
    in_effect: InEffect,
    taxonomy: Arc<Taxonomy>,
    servers: Servers,
    pool: PgPool,
    clock: Clock,
    metrics: Metrics,
}

impl Program {
    /// Prepares the program; connects to nothing yet.
    ///
    /// # Errors
    ///
    /// When the taxonomy cannot be read or the database's URL is wrong.
    pub fn new(config: Config, clock: Clock) -> anyhow::Result<Self> {
        let taxonomy = Arc::new(taxonomy(&config)?);
        let servers = Servers::of(config.database.url.expose())?.limited(config.database.statement_timeout);
        let pool = store::pool(&servers, config.database.connections);
        Ok(Self {
            in_effect: InEffect::new(config.clone()),
            config,
            taxonomy,
            servers,
            pool,
            clock,
            metrics: Metrics::default(),
        })
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The connections to the database.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// The taxonomy.
    #[must_use]
    pub fn taxonomy(&self) -> &Arc<Taxonomy> {
        &self.taxonomy
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The intake stage.
    #[must_use]
    pub fn intake(&self) -> Intake {
        let (pool, clock, settings) = (self.pool.clone(), self.clock.clone(), self.config.amqp.clone());
        Intake::new(pool, clock, settings, self.intake_policy(), self.metrics.clone())
    }

    /// What intake goes by.
    #[must_use]
    pub fn intake_policy(&self) -> Policy {
        Policy::new(&self.config, Arc::clone(&self.taxonomy))
    }

    /// What matching goes by.
    #[must_use]
    pub fn matching_rules(&self) -> matching::Rules {
        matching::Rules::new(&self.config, Arc::clone(&self.taxonomy))
    }

    /// What housekeeping goes by.
    #[must_use]
    pub fn housekeeping_rules(&self) -> housekeeping::Rules {
        housekeeping::Rules::new(&self.config, Arc::clone(&self.taxonomy))
    }

    /// The delivery stage, with its lanes running.
    ///
    /// # Errors
    ///
    /// When templates or the mail server's settings are wrong.
    pub fn delivery(&self, bell: Bell) -> anyhow::Result<Delivery> {
        let (taxonomy, pool, clock) = (Arc::clone(&self.taxonomy), self.pool.clone(), self.clock.clone());
        Delivery::new(&self.in_effect, taxonomy, pool, clock, bell, self.metrics.clone())
    }

    /// What deciding about mails goes by.
    #[must_use]
    pub fn delivery_rules(&self) -> delivery::claim::Rules {
        let domain = self.config.smtp.from.address().domain();
        delivery::claim::Rules::new(&self.config, Arc::clone(&self.taxonomy), domain)
    }

    /// The stage that publishes what came of alerts and promises.
    #[must_use]
    pub fn outcomes(&self) -> Outcomes {
        Outcomes::new(self.pool.clone(), &self.config)
    }

    /// The stage that serves pages.
    ///
    /// # Errors
    ///
    /// When there are no keys to read links with, or a template is wrong.
    pub fn web(&self, limits: web::Limits) -> anyhow::Result<Web> {
        Web::new(&self.config, self.pool.clone(), self.clock.clone(), limits)
    }

    /// Makes sure that the tables are ours, reads again what searches asked
    /// for that an older taxonomy did not know, has what waits looked at under
    /// changed schedules, and says how many searches go by one that is gone.
    ///
    /// # Errors
    ///
    /// When Postgres is away, or `jobalerts migrate` has to be run first.
    pub async fn prepare(&self) -> store::Result<()> {
        let mut connection = self.check_tables().await?;
        store::openings::retry_set_aside(&mut connection).await?;
        let learned = store::criteria::learn(&mut connection, &self.taxonomy).await?;
        if learned > 0 {
            tracing::info!(searches = learned, "the taxonomy has learned what these ask for");
        }
        let programmes = self.taxonomy.fingerprint_of_programmes();
        let again = store::openings::match_under(&mut connection, &programmes).await?;
        if again > 0 {
            tracing::info!(openings = again, "the taxonomy's programmes have changed; matching looks again");
        }
        let config = self.in_effect.now();
        schedules::go_by(&mut connection, &config, self.clock.now()).await?;
        let strays = store::subscribers::without_schedule(&mut connection, &config.rhythm()).await?;
        if strays > 0 {
            tracing::warn!(
                searches = strays,
                "the schedule of these is not in the configuration; they go by the daily one"
            );
        }
        Ok(())
    }

    async fn check_tables(&self) -> store::Result<PgConnection> {
        self.servers.point(&self.pool).await?;
        let mut connection = store::connect(self.config.database.url.expose()).await?;
        store::check_schema(&mut connection).await?;
        Ok(connection)
    }

    /// Runs the stages until SIGTERM or SIGINT. Whatever is away, at the start
    /// or later, is waited for. SIGHUP reads the configuration again.
    ///
    /// # Errors
    ///
    /// When the configuration is wrong, or the stages did not stop in time.
    pub async fn run(self, stages: &BTreeSet<StageName>, source: Source) -> anyhow::Result<()> {
        let stop = CancellationToken::new();
        let bells = Bells::default();
        let health = Health::new(self.config.ops.stuck_after);
        let database = health.pulse("database");
        let clocks = health.pulse(clocks::NAME);
        let offset = Offset::default();
        for (key, exposed) in self.config.in_the_open() {
            tracing::warn!(key, "{exposed}");
        }
        // Before anything else, so that a wrong template or certificate stops us now and not later.
        let delivery = stages
            .contains(&StageName::Delivery)
            .then(|| self.delivery(bells.delivery.clone()))
            .transpose()?;
        let web = stages.contains(&StageName::Web).then(|| self.web(web::Limits::default())).transpose()?;
        let manager = Arc::new(ServiceManager::new(health.clone()));
        let mut aside = JoinSet::new();
        aside.spawn(stop_on_signal(stop.clone(), Arc::clone(&manager))?);
        let reading = Reading {
            source,
            in_effect: self.in_effect.clone(),
            taxonomy: Arc::clone(&self.taxonomy),
            pen: delivery.as_ref().map(|delivery| delivery.pen().clone()),
        };
        aside.spawn(read_on_signal(reading, Arc::clone(&manager))?);

        let watched = Watched {
            health: health.clone(),
            metrics: self.metrics.clone(),
            pool: self.pool.clone(),
            clock: self.clock.clone(),
            offset: offset.clone(),
            only_pages: only_pages(stages),
        };

        let mut running = Running { health: health.clone(), stop: stop.clone(), tasks: JoinSet::new() };
        if let Some(ops) = Ops::new(self.in_effect.clone(), watched) {
            running.start(ops);
        }
        if let Some(web) = web {
            running.start(web);
        }
        if let Some(delivery) = delivery {
            running.start(delivery);
        }
        self.start_the_others(stages, &bells, &mut running);
        // All parts are known to it by now, so that it waits for each.
        let (told, stopping) = (Arc::clone(&manager), stop.clone());
        aside.spawn(async move { told.tell(&stopping).await });
        if self.wait_until_prepared(stages, &database, &stop).await {
            health.tables_are_there();
            let every = self.config.ops.refresh;
            aside.spawn(clocks::compare(self.pool.clone(), every, offset, clocks));
            aside.spawn(listen(self.servers, self.pool, bells, database));
        }
        running.end().await
    }

    /// Starts the stages that cannot be wrong from the start.
    fn start_the_others(&self, stages: &BTreeSet<StageName>, bells: &Bells, running: &mut Running) {
        let (pool, clock) = (&self.pool, &self.clock);
        for stage in stages {
            match stage {
                StageName::Intake => running.start(self.intake()),
                StageName::Matching => {
                    let (bell, taxonomy) = (bells.matching.clone(), Arc::clone(&self.taxonomy));
                    let in_effect = self.in_effect.clone();
                    running.start(Matching::new(pool.clone(), clock.clone(), bell, in_effect, taxonomy));
                }
                StageName::Outcomes => running.start(self.outcomes()),
                StageName::Housekeeping => {
                    let rules = self.housekeeping_rules();
                    running.start(Housekeeping::new(pool.clone(), clock.clone(), rules));
                }
                StageName::Delivery | StageName::Web => {}
            }
        }
    }

    /// Waits for the database. False if the program is told to stop before.
    async fn wait_until_prepared(
        &self,
        stages: &BTreeSet<StageName>,
        pulse: &Pulse,
        stop: &CancellationToken,
    ) -> bool {
        let mut faults = 0;
        loop {
            pulse.works();
            // Pages prepare nothing: their role may not, see deploy/postgres.
            let prepared =
                if only_pages(stages) { self.check_tables().await.map(drop) } else { self.prepare().await };
            let Err(error) = prepared else { return true };
            let wait = wait_after(faults, &mut rand::rng());
            faults += 1;
            pulse.rests(&error.to_string());
            tracing::warn!(faults, %error, "cannot start yet; tries again");
            tokio::select! {
                () = stop.cancelled() => return false,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }
}

fn only_pages(stages: &BTreeSet<StageName>) -> bool {
    stages.iter().all(|stage| *stage == StageName::Web)
}

/// The stages that run.
struct Running {
    health: Health,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Running {
    fn start<S: Stage + 'static>(&mut self, stage: S) {
        self.tasks.spawn(drive(stage, self.health.pulse(S::NAME), self.stop.clone()));
    }

    /// Waits until they are to stop, and have.
    async fn end(mut self) -> anyhow::Result<()> {
        let ended_early = tokio::select! {
            () = self.stop.cancelled() => None,
            ended = self.tasks.join_next() => ended,
        };
        if let Some(Err(panic)) = ended_early {
            self.stop.cancel();
            return Err(panic).context("a stage failed; this is a fault in the program");
        }
        let all_stopped = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(TIME_TO_STOP, all_stopped).await.is_err() {
            anyhow::bail!(
                "not everything stopped within {} s; what was under way is done again after the next start",
                TIME_TO_STOP.as_secs()
            );
        }
        tracing::info!("stopped");
        Ok(())
    }
}

/// The taxonomy that a configuration names.
///
/// # Errors
///
/// Every mistake in its files, by file and line.
pub fn taxonomy(config: &Config) -> anyhow::Result<Taxonomy> {
    if config.taxonomy.files.is_empty() {
        return Ok(Taxonomy::shipped());
    }
    let mut files = Vec::new();
    for path in &config.taxonomy.files {
        let text = fs::read_to_string(path)
            .with_context(|| format!("taxonomy.files: {} cannot be read", path.display()))?;
        files.push((path.display().to_string(), text));
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    Taxonomy::parse(&files).map_err(|problems| {
        anyhow::anyhow!(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    })
}
