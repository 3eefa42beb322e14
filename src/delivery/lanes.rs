//! Compose, send, record: the hands that mails are in after they were claimed.
//!
//! A lane owns one line to the mail server. While a lane announces its next
//! mail, the recorder writes down how the last one ended; the lane hands the
//! content over only when that is durable. So at any moment each lane has at
//! most one mail that the server may have and the tables do not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::compose::Email;
use crate::config::Delays;
use crate::delivery::in_hand::InHand;
use crate::delivery::pen::Pen;
use crate::delivery::pile::Pile;
use crate::delivery::smtp::{After, Line, Relay, RelayError, Verdict};
use crate::delivery::told::told;
use crate::delivery::writing::written;
use crate::domain::alert::Policy;
use crate::stage::{jittered, wait_after};
use crate::store;
use crate::store::tries::{self, Outcome, Try};

/// When to try again, and how long.
#[derive(Debug, Clone)]
pub(super) struct Retries {
    /// How long to wait after each try.
    pub delays: Delays,
    /// How long after the first claim to give up.
    pub give_up_after: chrono::Duration,
}

/// The most results that one transaction records.
const RECORDED_TOGETHER: usize = 256;

/// What became of mails, since the start.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Accepted by the mail server.
    pub accepted: AtomicU64,
    /// To be tried again.
    pub deferred: AtomicU64,
    /// Refused for good, given up, or held back by our own checks.
    pub failed: AtomicU64,
}

/// What all lanes share.
pub(super) struct Shared {
    /// The database.
    pub pool: PgPool,
    /// Writes the mails.
    pub pen: Pen,
    /// The mail server.
    pub relay: Relay,
    /// The time.
    pub clock: Clock,
    /// When to try again.
    pub retries: Retries,
    /// Set when the mail server could not be reached at all. That is no try of
    /// any mail's: mails in hand are given back, and nothing more is claimed
    /// until it can be reached.
    pub server_away: AtomicBool,
    /// Cancelled when nothing new is to be begun.
    pub stopping: CancellationToken,
    /// The number that mails are claimed under; 0 while there is none.
    pub worker: AtomicI32,
    /// What became of mails.
    pub tally: Tally,
    /// What the comparison goes by.
    pub policy: Policy,
    /// Mails that wait for a lane.
    pub pile: Pile,
}

/// A claimed mail on its way, with its place among those in hand.
pub(super) struct Parcel {
    /// The mail.
    pub mail: InHand,
    /// Given back when the outcome is recorded.
    pub place: OwnedSemaphorePermit,
}

struct Result {
    outcome: Try,
    place: OwnedSemaphorePermit,
    recorded: oneshot::Sender<()>,
}

/// Starts the lanes and their recorder. They end when the pile is closed and
/// everything is recorded.
pub(super) fn start(shared: &Arc<Shared>) -> JoinSet<()> {
    let (results, to_record) = mpsc::unbounded_channel();
    let mut tasks = JoinSet::new();
    for _ in 0..shared.relay.lines() {
        tasks.spawn(lane(Arc::clone(shared), results.clone()));
    }
    tasks.spawn(record(Arc::clone(shared), to_record));
    tasks
}

async fn lane(shared: Arc<Shared>, results: mpsc::UnboundedSender<Result>) {
    let mut line = None;
    let mut last: Option<oneshot::Receiver<()>> = None;
    let mut refused = 0;
    loop {
        let Some((Parcel { mail, place }, turn)) = shared.pile.take().await else { break };
        let mut rests = false;
        let (outcome, reply) = if shared.must_give_back(&mail) {
            (Outcome::Returned, String::new())
        } else {
            match one_mail(&shared, &mail, &mut line, &mut last).await {
                Ok(done) => {
                    refused = 0;
                    done
                }
                Err(error) => {
                    rests = true;
                    (Outcome::Returned, error.to_string())
                }
            }
        };
        drop(turn);
        shared.count(&outcome);
        let (recorded, done) = oneshot::channel();
        let outcome = Try {
            mail_id: mail.errand().mail_id,
            worker: mail.errand().worker,
            subscriber_id: mail.errand().subscriber_id,
            told: match &mail {
                InHand::Alert(mail) => told(mail, &shared.policy, shared.clock.now()),
                InHand::Letter(_) => vec![],
            },
            outcome,
            reply,
        };
        if results.send(Result { outcome, place, recorded }).is_err() {
            break;
        }
        last = Some(done);
        if rests {
            shared.no_line(&mut refused).await;
        }
    }
    if let Some(line) = line {
        line.quit().await;
    }
}

async fn one_mail(
    shared: &Shared,
    mail: &InHand,
    line: &mut Option<Line>,
    last: &mut Option<oneshot::Receiver<()>>,
) -> std::result::Result<(Outcome, String), RelayError> {
    let email = match shared.write(mail) {
        Ok(email) => email,
        Err(cause) => {
            tracing::error!(mail = mail.errand().mail_id, cause, "a mail failed our own checks and is held");
            return Ok((Outcome::Held, cause));
        }
    };
    Ok(match shared.send(&email, line, last).await? {
        Verdict::Sent(reply) => (Outcome::Accepted, reply),
        Verdict::Never(reply) => {
            tracing::warn!(
                mail = mail.errand().mail_id,
                "the mail server refused a mail for good; why is in its row"
            );
            (Outcome::Refused, reply)
        }
        Verdict::Later(reply) => (shared.retries.after(mail, shared.clock.now()), reply),
    })
}

impl Shared {
    fn must_give_back(&self, mail: &InHand) -> bool {
        self.stopping.is_cancelled()
            || self.server_away.load(Ordering::Relaxed)
            || self.worker.load(Ordering::Relaxed) != mail.errand().worker
    }

    /// A line could not be opened. If no other is open or being opened, the
    /// server is away; else it wants no more of them, and this lane rests.
    async fn no_line(&self, refused: &mut u32) {
        if self.relay.open_lines() == 0 {
            self.server_away.store(true, Ordering::Relaxed);
            return;
        }
        let wait = wait_after(*refused, &mut rand::rng());
        *refused += 1;
        tracing::debug!(refused, "the mail server takes no further line; one of ours rests");
        tokio::select! {
            () = self.stopping.cancelled() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }

    fn write(&self, mail: &InHand) -> std::result::Result<Email, String> {
        written(&self.pen.composer(), mail, self.clock.now())
    }

    /// Sends one mail, over the lane's line or a new one. A used line that
    /// breaks before the content left is replaced once, at once: servers end
    /// connections after some mails, and that is no fault of this mail.
    async fn send(
        &self,
        email: &Email,
        line: &mut Option<Line>,
        last: &mut Option<oneshot::Receiver<()>>,
    ) -> std::result::Result<Verdict, RelayError> {
        if line.as_ref().is_some_and(Line::is_worn)
            && let Some(worn) = line.take()
        {
            worn.quit().await;
        }
        let content = email.to_bytes();
        let mut used = line.is_some();
        loop {
            let mut open = match line.take() {
                Some(open) => open,
                None => self.relay.connect().await?,
            };
            match open.offer(email.envelope()).await {
                Ok(()) => {
                    // Only when the mail before this one is written down.
                    if let Some(recorded) = last.take()
                        && recorded.await.is_err()
                    {
                        return Ok(Verdict::Later("the recorder has ended".to_owned()));
                    }
                    let (verdict, after) = open.hand_over(&content, email.headers.to.as_str()).await;
                    *line = (after == After::Usable).then_some(open);
                    return Ok(verdict);
                }
                Err((Verdict::Later(_), After::Broken)) if used => used = false,
                Err((verdict, after)) => {
                    *line = (after == After::Usable).then_some(open);
                    return Ok(verdict);
                }
            }
        }
    }

    fn count(&self, outcome: &Outcome) {
        let counter = match outcome {
            Outcome::Accepted => &self.tally.accepted,
            Outcome::Deferred(_) => &self.tally.deferred,
            Outcome::Refused | Outcome::Held | Outcome::GivenUp => &self.tally.failed,
            Outcome::Returned => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl Retries {
    fn after(&self, mail: &InHand, now: DateTime<Utc>) -> Outcome {
        let attempt = u32::try_from(mail.errand().attempts).unwrap_or(0) + 1;
        let until = now + jittered(self.delays.after(attempt), &mut rand::rng());
        if until > mail.errand().claimed_at + self.give_up_after {
            Outcome::GivenUp
        } else {
            Outcome::Deferred(until)
        }
    }
}

/// Writes down how mails ended, as many together as there are by then. Without
/// the database it waits, and with it every lane that has a mail to record.
async fn record(shared: Arc<Shared>, mut results: mpsc::UnboundedReceiver<Result>) {
    let mut together = Vec::with_capacity(RECORDED_TOGETHER);
    while results.recv_many(&mut together, RECORDED_TOGETHER).await > 0 {
        let (tries, waiting): (Vec<Try>, Vec<(OwnedSemaphorePermit, oneshot::Sender<()>)>) =
            together.drain(..).map(|result| (result.outcome, (result.place, result.recorded))).unzip();
        let mut faults = 0;
        while let Err(error) = write_down(&shared, &tries).await {
            let wait = wait_after(faults, &mut rand::rng());
            faults += 1;
            tracing::warn!(mails = tries.len(), faults, %error, "cannot record what was sent; tries again");
            tokio::time::sleep(wait).await;
        }
        for (place, recorded) in waiting {
            // A lane that has gone does not need to know.
            let _ = recorded.send(());
            drop(place);
        }
    }
}

async fn write_down(shared: &Shared, tries: &[Try]) -> store::Result<()> {
    let mut transaction = shared.pool.begin().await?;
    let now = shared.clock.now();
    tries::record(&mut transaction, tries, now).await?;
    store::letters::record(&mut transaction, tries, now).await?;
    Ok(transaction.commit().await?)
}
