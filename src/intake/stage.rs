//! The stage: a session with the broker, and batch after batch from it.

use std::time::Duration;

use sqlx::PgPool;

use crate::broker::Batch;
use crate::clock::Clock;
use crate::config::Amqp;
use crate::intake::queue::Session;
use crate::intake::step::{self, Policy, Taken};
use crate::metrics::Metrics;
use crate::stage::Stage;

/// How long a drain waits for messages that the queue says are there.
const DELIVERY_LIMIT: Duration = Duration::from_secs(10);

/// The stage.
pub struct Intake {
    pool: PgPool,
    clock: Clock,
    settings: Amqp,
    policy: Policy,
    metrics: Metrics,
    session: Option<Session>,
    /// Delivered and not yet settled. Kept over a fault of the database, so
    /// that an outage does not use up the broker's delivery limit.
    batch: Option<Batch>,
}

impl Intake {
    /// The stage on a queue and a database.
    #[must_use]
    pub fn new(pool: PgPool, clock: Clock, settings: Amqp, policy: Policy, metrics: Metrics) -> Self {
        Self { pool, clock, settings, policy, metrics, session: None, batch: None }
    }

    /// Takes in what is on the queue now.
    ///
    /// # Errors
    ///
    /// When RabbitMQ or Postgres is away; what was not taken in stays queued.
    pub async fn drain(&mut self) -> anyhow::Result<Taken> {
        let mut total = Taken::default();
        let session = Session::open(&self.settings).await?;
        let (waiting, _) = session.waiting().await?;
        self.session = Some(session);
        let mut open = usize::try_from(waiting)?;
        while open > 0 {
            // Another consumer may have taken them meanwhile.
            let Ok(ready) = tokio::time::timeout(DELIVERY_LIMIT, self.ready()).await else { break };
            ready?;
            let messages = self.batch.as_ref().map_or(0, |batch| batch.messages().len());
            let taken = self.take().await?;
            total += taken;
            open = open.saturating_sub(messages);
        }
        self.session = None;
        Ok(total)
    }

    async fn take(&mut self) -> anyhow::Result<Taken> {
        let Some(batch) = &self.batch else { return Ok(Taken::default()) };
        let taken = step::take(&self.pool, batch.messages(), &self.policy, self.clock.now()).await?;
        for (_, rejection) in &taken.rejected {
            self.metrics.rejected(rejection.reason.code());
            tracing::warn!(
                reason = rejection.reason.code(),
                detail = rejection.detail,
                "set a message aside"
            );
        }
        let results = [("new", taken.new), ("repeated", taken.repeated), ("late", taken.late)];
        for (result, count) in results {
            self.metrics.events(result, count);
        }
        self.metrics.events("rejected", taken.rejected.len());
        tracing::info!(
            messages = batch.messages().len(),
            new = taken.new,
            repeated = taken.repeated,
            late = taken.late,
            rejected = taken.rejected.len(),
            openings = taken.openings,
            "took in"
        );
        if let (Some(session), Some(batch)) = (&self.session, self.batch.take())
            && let Err(error) = session.settle(batch, &taken.rejected, self.clock.now()).await
        {
            self.session = None;
            return Err(error.into());
        }
        Ok(taken)
    }
}

impl Stage for Intake {
    const NAME: &'static str = "intake";

    async fn connect(&mut self) -> anyhow::Result<bool> {
        // With a batch at hand, the database comes first.
        if self.session.is_some() || self.batch.is_some() {
            return Ok(false);
        }
        self.session = Some(Session::open(&self.settings).await?);
        tracing::info!(stage = Self::NAME, queue = self.settings.queue, "connected to RabbitMQ");
        Ok(true)
    }

    async fn ready(&mut self) -> anyhow::Result<()> {
        if self.batch.is_some() {
            return Ok(());
        }
        let Some(session) = &mut self.session else { return Ok(()) };
        match session.next_batch().await {
            Ok(batch) => self.batch = Some(batch),
            Err(error) => {
                self.session = None;
                return Err(error.into());
            }
        }
        Ok(())
    }

    async fn step(&mut self) -> anyhow::Result<()> {
        self.take().await.map(drop)
    }
}
