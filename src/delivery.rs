//! From alerts that are due to mails that left: claim, decide, compose, send,
//! record.
//!
//! A claim is a row in `mails` with a worker's number; the number is good as
//! long as the worker's session of Postgres lasts. Nothing is sent inside a
//! transaction. Killed at any moment, a mail is either not handed over (and is
//! claimed again), or on record as leaving (and nobody knows whether it arrived:
//! it is left alone for a day, unless an operator knows): at most one of these
//! for each line to the mail server.

pub(crate) mod asking;
mod breakers;
pub mod claim;
mod deciding;
mod directory;
mod gate;
mod in_hand;
mod lanes;
pub mod letters;
mod mx;
pub mod outlook;
pub mod pen;
mod pile;
pub mod preview;
mod recorder;
mod relays;
mod schedules;
pub mod smtp;
mod tally;
mod told;
mod topic;
mod writing;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::{Config, InEffect};
use crate::delivery::claim::Rules;
use crate::delivery::in_hand::InHand;
use crate::delivery::lanes::{Parcel, Retries, Shared};
use crate::delivery::pen::Pen;
use crate::delivery::pile::Pile;
use crate::delivery::relays::Relays;
use crate::delivery::schedules::Look;
use crate::delivery::tally::Counters;
use crate::domain::letter::Patience;
use crate::domain::suppression::AddressKeys;
use crate::domain::taxonomy::Taxonomy;
use crate::health::Pulse;
use crate::metrics::Metrics;
use crate::stage::{Bell, Stage};
use crate::store::returns::{self, Source};
use crate::store::settings;
use crate::store::workers::{self, Life};

pub use in_hand::Errand;
pub use tally::Tally;
pub use told::told;

/// How long to wait for the bell before looking anyway: what is due by the
/// clock rings no bell.
const LOOK_ANYWAY: Duration = Duration::from_secs(1);

/// How long to wait until a good number of mails can be claimed together,
/// before claiming fewer.
const GATHER: Duration = Duration::from_millis(20);

/// What a claim may have to wait for, for as long as mail servers may take, or Postgres is away.
const UNDER_WAY: &str = "mails that are under way";

/// Claimed mails for each line: one being sent, and the next ones at hand.
const IN_HAND: u32 = 4;

/// The stage.
pub struct Delivery {
    shared: Arc<Shared>,
    in_effect: InEffect,
    /// What the rules follow.
    config: Arc<Config>,
    rules: Rules,
    /// Whether what waits is to be looked at by the schedules.
    look: Look,
    patience: Patience,
    database_url: String,
    /// By which it is known to which addresses nothing is sent.
    address_keys: Option<AddressKeys>,
    bell: Bell,
    life: Option<Life>,
    places: Arc<Semaphore>,
    /// Places for mails to other providers than those that are slow.
    reserve: Arc<Semaphore>,
    tasks: JoinSet<()>,
    /// Whether the last claim found anybody.
    busy: bool,
    /// A mail server was looked for at the start, so that it is known now and not with the first mail
    /// whether there is one.
    looked: bool,
    pulse: Pulse,
}

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Step {
    /// People who were due.
    pub people: usize,
    /// Mails that were claimed and are on their way.
    pub mails: usize,
    /// Alerts that ended without a word, and letters that were not to be sent
    /// any more.
    pub ended: usize,
}

impl std::ops::AddAssign for Step {
    fn add_assign(&mut self, other: Self) {
        self.people += other.people;
        self.mails += other.mails;
        self.ended += other.ended;
    }
}

impl Delivery {
    /// The stage, with its lanes running.
    ///
    /// # Errors
    ///
    /// When there is no key for tokens, the templates do not render, or the
    /// mail server's settings are wrong; all of that is found by `check`, too.
    pub fn new(
        in_effect: &InEffect,
        taxonomy: Arc<Taxonomy>,
        pool: PgPool,
        clock: Clock,
        bell: Bell,
        metrics: Metrics,
    ) -> anyhow::Result<Self> {
        let config = in_effect.now();
        let pen = Pen::new(&config, &taxonomy)?;
        let rules = Rules::of(in_effect, taxonomy, pen.composer().domain());
        let relays = Relays::new(in_effect)?;
        let lines = relays.lanes();
        let places = Arc::new(Semaphore::new(lines * usize::try_from(IN_HAND)?));
        let pile = Pile::new(lines, config.smtp.slow_after);
        let shared = Arc::new(Shared {
            pool,
            pen,
            relays,
            gate: Arc::clone(&rules.gate),
            bell: bell.clone(),
            clock,
            retries: Retries {
                delays: config.smtp.retry.clone(),
                give_up_after: chrono::Duration::from_std(config.smtp.give_up_after)
                    .unwrap_or(chrono::Duration::MAX),
            },
            server_away: AtomicBool::new(false),
            idle: config.smtp.idle,
            stopping: CancellationToken::new(),
            worker: AtomicI32::new(0),
            paused: AtomicBool::new(false),
            refused: AtomicBool::new(true),
            reach: config.smtp.only_to.clone(),
            hold_unknown: chrono::Duration::from_std(config.smtp.hold_unknown)
                .unwrap_or(chrono::Duration::MAX),
            tally: Counters::default(),
            metrics,
            policy: rules.policy.clone(),
            pile,
        });
        let mut tasks = lanes::start(&shared);
        if config.providers.mx_lookup {
            let (pool, clock) = (shared.pool.clone(), shared.clock.clone());
            tasks.spawn(mx::look_up(&config.providers, &rules, pool, clock, shared.stopping.clone())?);
        }
        Ok(Self {
            shared,
            in_effect: in_effect.clone(),
            patience: config.patience(),
            rules,
            look: Look::IfChanged,
            database_url: config.database.url.expose().to_owned(),
            address_keys: config.secrets.keys_of_addresses().ok().cloned(),
            config,
            bell,
            life: None,
            places,
            reserve: Arc::new(Semaphore::new(lines)),
            tasks,
            busy: true,
            looked: false,
            pulse: Pulse::alone(),
        })
    }

    /// What writes the mails.
    #[must_use]
    pub fn pen(&self) -> &Pen {
        &self.shared.pen
    }

    /// What became of mails so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.shared.tally.so_far()
    }

    /// Whether an operator has stopped all mails, as of the last claim.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.shared.paused.load(Ordering::Relaxed)
    }

    /// Sends all that is due by the clock as it stands, and returns when it is
    /// recorded.
    ///
    /// # Errors
    ///
    /// When Postgres is away, or the mail server cannot be reached; what was
    /// not sent stays due.
    pub async fn drain(&mut self) -> anyhow::Result<Step> {
        let mut total = Step::default();
        loop {
            let step = self.claim().await?;
            total += step;
            if step.people == 0 {
                // Who is in hand may be due for something else when that is recorded.
                drop(self.all_places().await?);
                let last = self.claim().await?;
                total += last;
                if last.people == 0 {
                    return Ok(total);
                }
            }
        }
    }

    /// Waits until nothing is in hand.
    async fn all_places(&self) -> anyhow::Result<[OwnedSemaphorePermit; 2]> {
        let lines = u32::try_from(self.shared.relays.lanes())?;
        let all = |places: &Arc<Semaphore>, count| Arc::clone(places).acquire_many_owned(count);
        let places =
            async { Ok([all(&self.places, lines * IN_HAND).await?, all(&self.reserve, lines).await?]) };
        self.pulse.while_waiting_for(UNDER_WAY, places).await
    }

    /// Waits for room in hand: for half of it, or after a moment for any. If
    /// slow providers have taken it all, there is room for the others; then these
    /// are named.
    async fn room(&self) -> anyhow::Result<(OwnedSemaphorePermit, Vec<String>)> {
        let half = u32::try_from(self.shared.relays.lanes())? * IN_HAND / 2;
        if let Ok(permits) =
            tokio::time::timeout(GATHER, Arc::clone(&self.places).acquire_many_owned(half)).await
        {
            return Ok((permits?, vec![]));
        }
        loop {
            let slow = self.shared.pile.slow_providers();
            let reserved = async {
                if slow.is_empty() {
                    // They may become slow while one waits.
                    tokio::time::sleep(LOOK_ANYWAY).await;
                    return None;
                }
                Some(Arc::clone(&self.reserve).acquire_owned().await)
            };
            let (mut permit, places) = tokio::select! {
                biased;
                permit = Arc::clone(&self.places).acquire_owned() => (permit?, &self.places),
                permit = reserved => match permit {
                    Some(permit) => (permit?, &self.reserve),
                    None => continue,
                },
            };
            while let Ok(another) = Arc::clone(places).try_acquire_owned() {
                permit.merge(another);
            }
            let except = if Arc::ptr_eq(places, &self.reserve) { slow } else { vec![] };
            return Ok((permit, except));
        }
    }

    async fn claim(&mut self) -> anyhow::Result<Step> {
        self.fail_with_the_lanes();
        self.follow_configuration().await?;
        self.find_server().await?;
        let worker = self.worker().await?;
        if self.paused().await? {
            self.busy = false;
            return Ok(Step::default());
        }
        if !self.may_be_given().await? {
            self.busy = false;
            return Ok(Step::default());
        }
        self.heed_refusals().await?;
        let (mut room, except) = self.pulse.while_waiting_for(UNDER_WAY, Box::pin(self.room())).await?;
        if !self.busy {
            self.free_orphans().await?;
        }
        let limit = i64::try_from(room.num_permits())?;
        let now = self.shared.clock.now();
        let claimed = claim::claim(&self.shared.pool, &self.rules, worker, limit, &except, now).await?;
        let mut step = Step { people: claimed.people, mails: claimed.mails.len(), ended: claimed.ended };
        let mut mails: Vec<InHand> = claimed.mails.into_iter().map(InHand::Alert).collect();
        // Letters can wait until those who are due for something else are served.
        let left = limit - i64::try_from(step.people)?;
        if left > 0 && except.is_empty() {
            let rules = letters::Rules { patience: self.patience, mails: &self.rules };
            let claimed = letters::claim(&self.shared.pool, rules, worker, left, now).await?;
            step += Step { people: claimed.people, mails: claimed.letters.len(), ended: claimed.ended };
            mails.extend(claimed.letters.into_iter().map(InHand::Letter));
        }
        self.busy = step.people > 0;
        for mail in mails {
            let place =
                room.split(1).ok_or_else(|| anyhow::anyhow!("more mails claimed than there was room"))?;
            self.shared.pile.put(Parcel { mail, place });
        }
        if step.mails + step.ended > 0 {
            tracing::debug!(mails = step.mails, ended = step.ended, "claimed");
        }
        Ok(step)
    }

    /// A lane that panicked has a mail in hand that nobody will finish. The
    /// stage fails with it, and the next start finds everything in order.
    fn fail_with_the_lanes(&mut self) {
        while let Some(ended) = self.tasks.try_join_next() {
            if let Err(error) = ended
                && let Ok(panic) = error.try_into_panic()
            {
                std::panic::resume_unwind(panic);
            }
        }
    }

    /// Goes by the configuration in effect. What waits under other schedules is looked at again: whatever
    /// other processes have done about it, this one may have had it wait after that.
    async fn follow_configuration(&mut self) -> anyhow::Result<()> {
        if let Some(config) = self.in_effect.instead_of(&self.config) {
            if schedules::fingerprint(&config) != schedules::fingerprint(&self.config) {
                self.look = Look::Again;
            }
            self.rules.follow(&config);
            self.config = config;
        }
        if self.look != Look::No {
            let look = async {
                let now = self.shared.clock.now();
                let mut connection = self.shared.pool.acquire().await?;
                schedules::go_by(&mut connection, &self.config, self.look, now).await
            };
            self.pulse.while_waiting_for("a look at all that waits", look).await?;
            self.look = Look::No;
        }
        Ok(())
    }

    /// Looks whether a mail server is back when all of them were away.
    async fn find_server(&self) -> anyhow::Result<()> {
        if self.shared.server_away.load(Ordering::Relaxed) {
            self.pulse.while_waiting_for("the mail server", Box::pin(self.shared.relays.find())).await?;
            self.shared.server_away.store(false, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Whether any mail server may be given mails: not when all have had what they
    /// may be given, or take nothing from us now.
    async fn may_be_given(&mut self) -> anyhow::Result<bool> {
        let Shared { pool, gate, relays, clock, .. } = &*self.shared;
        gate.breakers.look(&mut *pool.acquire().await?).await?;
        if let Some(life) = &mut self.life {
            relays.ask_for_lines(life).await?;
        }
        Ok(relays.any_may_be_given(&gate.breakers, clock.now()))
    }

    /// Whether an operator has stopped all mails.
    async fn paused(&self) -> anyhow::Result<bool> {
        let paused = settings::paused(&mut *self.shared.pool.acquire().await?).await?;
        let before = self.shared.paused.swap(paused.is_some(), Ordering::Relaxed);
        match paused {
            Some(paused) if !before => {
                tracing::warn!(since = %paused.since, "an operator has stopped all mails; what is due waits");
            }
            None if before => tracing::info!("mails may leave again"),
            _ => {}
        }
        Ok(self.is_paused())
    }

    /// Has follow for people what follows when mail servers refuse mails because
    /// of their mailboxes: as from a report of the same (RFC 3464), one
    /// transaction for each. What a kill cuts off is found at the next start.
    async fn heed_refusals(&self) -> anyhow::Result<()> {
        let Some(keys) = &self.address_keys else { return Ok(()) };
        if !self.shared.refused.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        let heeded = async {
            let now = self.shared.clock.now();
            for (mail, status) in returns::refused(&mut *self.shared.pool.acquire().await?, now).await? {
                let mut transaction = self.shared.pool.begin().await?;
                returns::bounced(&mut transaction, keys, mail, status, Source::Smtp, now).await?;
                transaction.commit().await?;
            }
            anyhow::Ok(())
        };
        let heeded = heeded.await;
        if heeded.is_err() {
            self.shared.refused.store(true, Ordering::Relaxed);
        }
        heeded
    }

    /// Takes mails out of the hands of workers that died.
    async fn free_orphans(&self) -> anyhow::Result<()> {
        let hold_until = self.shared.clock.now() + self.shared.hold_unknown;
        let freed = workers::free_orphans(&mut *self.shared.pool.acquire().await?, hold_until).await?;
        if freed.mails > 0 {
            tracing::warn!(
                mails = freed.mails,
                unknown = freed.unknown,
                "freed mails of a worker that died; of those that are unknown nobody knows whether they arrived, \
                 see `jobalerts unknown list`"
            );
        }
        Ok(())
    }

    /// The number to claim under. If its session has ended, others may take
    /// over what is in hand here: lanes give back what they have not begun, and
    /// only when all is recorded does a new life begin.
    async fn worker(&mut self) -> anyhow::Result<i32> {
        if let Some(life) = &mut self.life {
            match life.assure().await {
                Ok(()) => return Ok(life.number()),
                Err(error) => {
                    tracing::warn!(%error, "the session that our claims hang on has ended");
                    self.shared.worker.store(0, Ordering::Relaxed);
                    self.life = None;
                }
            }
        }
        drop(self.all_places().await?);
        let life = Life::begin(&self.database_url).await?;
        self.free_orphans().await?;
        self.shared.worker.store(life.number(), Ordering::Relaxed);
        Ok(self.life.insert(life).number())
    }
}

impl Stage for Delivery {
    const NAME: &'static str = "delivery";

    fn watched_by(&mut self, pulse: &Pulse) {
        self.pulse = pulse.clone();
    }

    async fn connect(&mut self) -> anyhow::Result<bool> {
        if self.looked {
            return Ok(false);
        }
        self.pulse.while_waiting_for("the mail server", Box::pin(self.shared.relays.find_early())).await?;
        self.looked = true;
        Ok(true)
    }

    async fn ready(&mut self) -> anyhow::Result<()> {
        if !self.busy {
            self.bell.wait(LOOK_ANYWAY).await;
        }
        Ok(())
    }

    async fn step(&mut self) -> anyhow::Result<()> {
        self.claim().await.map(drop)
    }

    /// Finishes the mails that are being sent and gives back those that were
    /// not begun.
    async fn finish(&mut self) {
        self.shared.stopping.cancel();
        self.shared.pile.close();
        while self.tasks.join_next().await.is_some() {}
        self.life = None;
    }
}
