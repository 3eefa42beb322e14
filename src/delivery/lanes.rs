//! Compose, send, record: the hands that mails are in after they were claimed.
//!
//! A lane owns one line to the mail server. While a lane announces its next
//! mail, the recorder writes down how the last one ended and that this one is
//! leaving, if it may; the lane hands the content over only when that is
//! durable. So at any moment each lane has at most one mail that the server may
//! have and the tables do not, and the tables know which.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::compose::Email;
use crate::config::{Delays, Reach};
use crate::delivery::Tally;
use crate::delivery::in_hand::{Errand, InHand};
use crate::delivery::pen::Pen;
use crate::delivery::pile::Pile;
use crate::delivery::recorder::{Gone, Recorder};
use crate::delivery::smtp::{After, Line, Relay, RelayError, Verdict};
use crate::delivery::told::told;
use crate::delivery::writing::written;
use crate::domain::alert::Policy;
use crate::stage::{jittered, wait_after};
use crate::store::leaving::Departure;
use crate::store::tries::{Outcome, Told, Try};

/// When to try again, and how long.
#[derive(Debug, Clone)]
pub(super) struct Retries {
    /// How long to wait after each try.
    pub delays: Delays,
    /// How long after the first claim to give up.
    pub give_up_after: chrono::Duration,
}

/// Counts what becomes of mails; see [`Tally`].
#[derive(Debug, Default)]
pub(super) struct Counters {
    accepted: AtomicU64,
    deferred: AtomicU64,
    unknown: AtomicU64,
    withheld: AtomicU64,
    failed: AtomicU64,
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
    /// Set when an operator has stopped all mails; cleared by the next claim
    /// that finds that they may leave again.
    pub paused: AtomicBool,
    /// Who gets mail.
    pub reach: Reach,
    /// How long a mail is left alone of which nobody knows whether it arrived.
    pub hold_unknown: chrono::Duration,
    /// Cancelled when nothing new is to be begun.
    pub stopping: CancellationToken,
    /// The number that mails are claimed under; 0 while there is none.
    pub worker: AtomicI32,
    /// What became of mails.
    pub tally: Counters,
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

/// Starts the lanes and their recorder. They end when the pile is closed and
/// everything is recorded.
pub(super) fn start(shared: &Arc<Shared>) -> JoinSet<()> {
    let (recorder, recording) = Recorder::new(Arc::clone(shared));
    let mut tasks = JoinSet::new();
    for _ in 0..shared.relay.lines() {
        tasks.spawn(lane(Arc::clone(shared), recorder.clone()));
    }
    tasks.spawn(recording);
    tasks
}

async fn lane(shared: Arc<Shared>, recorder: Recorder) {
    let mut lane = Lane { shared: &shared, recorder: &recorder, line: None, last: None };
    let mut refused = 0;
    while let Some((Parcel { mail, place }, turn)) = shared.pile.take().await {
        let mut rests = false;
        let (outcome, reply) = if shared.must_give_back(&mail) {
            (Outcome::Returned, String::new())
        } else {
            match lane.one_mail(&mail).await {
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
        shared.tally.count(&outcome);
        let &Errand { mail_id, worker, subscriber_id, .. } = mail.errand();
        let outcome = Try { mail_id, worker, subscriber_id, told: shared.tells(&mail), outcome, reply };
        match recorder.ended(outcome, place) {
            Ok(done) => lane.last = Some(done),
            Err(Gone) => break,
        }
        if rests {
            shared.no_line(&mut refused).await;
        }
    }
    if let Some(line) = lane.line {
        line.quit().await;
    }
}

/// A lane with what it has at hand.
struct Lane<'a> {
    shared: &'a Shared,
    recorder: &'a Recorder,
    /// The line, if one is open.
    line: Option<Line>,
    /// Resolves when the end of the last mail is written down.
    last: Option<oneshot::Receiver<()>>,
}

impl Lane<'_> {
    async fn one_mail(&mut self, mail: &InHand) -> Result<(Outcome, String), RelayError> {
        let shared = self.shared;
        let email = match shared.write(mail) {
            Ok(email) => email,
            Err(cause) => {
                tracing::error!(
                    mail = mail.errand().mail_id,
                    cause,
                    "a mail failed our own checks and is held"
                );
                return Ok((Outcome::Held, cause));
            }
        };
        if !shared.reach.covers(&email.headers.to) {
            return Ok((Outcome::Withheld, String::new()));
        }
        Ok(match self.send(mail, &email).await? {
            None => (Outcome::Returned, String::new()),
            Some(Verdict::Sent(reply)) => (Outcome::Accepted, reply),
            Some(Verdict::Never(reply)) => {
                tracing::warn!(
                    mail = mail.errand().mail_id,
                    "the mail server refused a mail for good; why is in its row"
                );
                (Outcome::Refused, reply)
            }
            Some(Verdict::Later(reply)) => (shared.retries.after(mail, shared.clock.now()), reply),
            Some(Verdict::Unknown(reply)) => {
                tracing::warn!(
                    mail = mail.errand().mail_id,
                    "nobody knows whether a mail arrived; `jobalerts unknown list` names it"
                );
                (Outcome::Unknown(shared.clock.now() + shared.hold_unknown), reply)
            }
        })
    }

    /// Sends one mail, over the lane's line or a new one; `None` if it may not
    /// leave. A used line that breaks before the content left is replaced once,
    /// at once: servers end connections after some mails, and that is no fault
    /// of this mail.
    async fn send(&mut self, mail: &InHand, email: &Email) -> Result<Option<Verdict>, RelayError> {
        let Self { shared, recorder, line, last } = self;
        let &Errand { mail_id, worker, .. } = mail.errand();
        let departure = Departure { mail_id, worker, told: shared.tells(mail) };
        let Ok(asked) = recorder.ask(departure) else { return Ok(None) };
        if line.as_ref().is_some_and(Line::is_worn)
            && let Some(worn) = line.take()
        {
            worn.quit().await;
        }
        let content = email.to_bytes();
        let mut used = line.is_some();
        let mut open = loop {
            let mut open = match line.take() {
                Some(open) => open,
                None => shared.relay.connect().await?,
            };
            match open.offer(email.envelope()).await {
                Ok(()) => break open,
                Err((Verdict::Later(_), After::Broken)) if used => used = false,
                Err((verdict, after)) => {
                    *line = (after == After::Usable).then_some(open);
                    return Ok(Some(verdict));
                }
            }
        };
        // Only when the mail before this one is written down, and this one is on record as leaving.
        if let Some(recorded) = last.take()
            && recorded.await.is_err()
        {
            return Ok(None);
        }
        if asked.granted().await != Ok(true) {
            // The server waits for the content. Without the line it forgets the mail.
            return Ok(None);
        }
        let (verdict, after) = open.hand_over(&content, email.headers.to.as_str()).await;
        *line = (after == After::Usable).then_some(open);
        Ok(Some(verdict))
    }
}

impl Shared {
    fn must_give_back(&self, mail: &InHand) -> bool {
        self.stopping.is_cancelled()
            || self.server_away.load(Ordering::Relaxed)
            || self.paused.load(Ordering::Relaxed)
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

    fn write(&self, mail: &InHand) -> Result<Email, String> {
        written(&self.pen.composer(), mail, self.clock.now())
    }

    /// What a mail tells, if it is accepted now.
    fn tells(&self, mail: &InHand) -> Vec<Told> {
        match mail {
            InHand::Alert(mail) => told(mail, &self.policy, self.clock.now()),
            InHand::Letter(_) => vec![],
        }
    }
}

impl Counters {
    /// What has become of mails so far.
    pub(super) fn so_far(&self) -> Tally {
        Tally {
            accepted: self.accepted.load(Ordering::Relaxed),
            deferred: self.deferred.load(Ordering::Relaxed),
            unknown: self.unknown.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            withheld: self.withheld.load(Ordering::Relaxed),
        }
    }

    fn count(&self, outcome: &Outcome) {
        let counter = match outcome {
            Outcome::Accepted => &self.accepted,
            Outcome::Deferred(_) => &self.deferred,
            Outcome::Unknown(_) => &self.unknown,
            Outcome::Withheld => &self.withheld,
            Outcome::Refused | Outcome::Held | Outcome::GivenUp => &self.failed,
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
