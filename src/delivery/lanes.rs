//! Compose, send, record: the hands that mails are in after they were claimed.
//!
//! A lane owns one line to the mail server. While a lane announces its next
//! mail, the recorder writes down how the last one ended and that this one is
//! leaving, if it may; the lane hands the content over only when that is
//! durable. So at any moment each lane has at most one mail that the server may
//! have and the tables do not, and the tables know which.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::compose::Email;
use crate::config::{Delays, Reach};
use crate::delivery::gate::Gate;
use crate::delivery::in_hand::{Errand, InHand};
use crate::delivery::pen::Pen;
use crate::delivery::pile::{Pile, Turn};
use crate::delivery::recorder::{Gone, Recorder};
use crate::delivery::relays::{NoWay, Relays, Way};
use crate::delivery::smtp::{After, Refusal, Verdict};
use crate::delivery::tally::Counters;
use crate::delivery::told::told;
use crate::delivery::writing::written;
use crate::domain::alert::Policy;
use crate::domain::provider::Scope;
use crate::domain::reply::{Judgement, Point, Sequel, Signal};
use crate::metrics::Metrics;
use crate::stage::{Bell, jittered, wait_after};
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

/// What all lanes share.
pub(super) struct Shared {
    /// The database.
    pub pool: PgPool,
    /// Writes the mails.
    pub pen: Pen,
    /// The mail servers.
    pub relays: Relays,
    /// What holds mails back.
    pub gate: Arc<Gate>,
    /// Rung when what was held back may be claimed.
    pub bell: Bell,
    /// The time.
    pub clock: Clock,
    /// When to try again.
    pub retries: Retries,
    /// Set when no mail server could be reached at all. That is no try of
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
    /// How long a line waits for its next mail.
    pub idle: Duration,
    /// Set when a mail server has refused a mail for good; what follows from it
    /// for the person follows before the next claim.
    pub refused: AtomicBool,
    /// Cancelled when nothing new is to be begun.
    pub stopping: CancellationToken,
    /// The number that mails are claimed under; 0 while there is none.
    pub worker: AtomicI32,
    /// What became of mails.
    pub tally: Counters,
    /// The same by kind and provider.
    pub metrics: Metrics,
    /// What promises and reminders go by, which does not change while the program runs.
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
    for _ in 0..shared.relays.lanes() {
        tasks.spawn(lane(Arc::clone(shared), recorder.clone()));
    }
    tasks.spawn(recording);
    tasks
}

async fn lane(shared: Arc<Shared>, recorder: Recorder) {
    let mut lane = Lane { shared: &shared, recorder: &recorder, way: None, last: None };
    let mut refused = 0;
    while let Some((Parcel { mail, place }, turn)) = lane.next().await {
        let mut rests = false;
        let done = if shared.must_give_back(&mail) {
            Done::returned("")
        } else {
            match lane.one_mail(&mail).await {
                Ok(done) => {
                    refused = 0;
                    done
                }
                Err(NoWay::Shut) => {
                    // The others have all the lines there may be.
                    rests = shared.relays.open_lines() > 0;
                    Done::returned("")
                }
                Err(NoWay::Away(error)) => {
                    rests = true;
                    Done::returned(error.to_string())
                }
            }
        };
        drop(turn);
        shared.heed_of_provider(mail.errand(), &done).await;
        let Done { outcome, reply, verdict, sign } = done;
        let refund = if sign.is_none() { shared.gate.refund(mail.errand()) } else { None };
        shared.count(&mail, &outcome);
        let &Errand { mail_id, worker, subscriber_id, .. } = mail.errand();
        let told = shared.tells(&mail);
        let outcome = Try { mail_id, worker, subscriber_id, told, outcome, reply, verdict };
        match recorder.ended(outcome, refund, place) {
            Ok(done) => lane.last = Some(done),
            Err(Gone) => break,
        }
        if rests {
            shared.no_line(&mut refused).await;
        }
    }
    lane.hang_up().await;
}

/// A lane with what it has at hand.
struct Lane<'a> {
    shared: &'a Shared,
    recorder: &'a Recorder,
    /// The line, if one is open.
    way: Option<Way>,
    /// Resolves when the end of the last mail is written down.
    last: Option<oneshot::Receiver<()>>,
}

/// What became of a mail in a lane.
struct Done {
    outcome: Outcome,
    reply: String,
    verdict: Option<Judgement>,
    /// What it says of the provider of the mailbox, and why; none if that was not asked.
    sign: Option<(Signal, String)>,
}

impl Done {
    fn of(outcome: Outcome, reply: String) -> Self {
        Self { outcome, reply, verdict: None, sign: None }
    }

    fn returned(why: impl Into<String>) -> Self {
        Self::of(Outcome::Returned, why.into())
    }
}

impl<'a> Lane<'a> {
    /// The next mail. A line that waits for one for too long is closed.
    async fn next(&mut self) -> Option<(Parcel, Turn<'a>)> {
        let pile: &'a Pile = &self.shared.pile;
        if self.way.is_some() {
            match tokio::time::timeout(self.shared.idle, pile.take()).await {
                Ok(taken) => return taken,
                Err(_) => self.hang_up().await,
            }
        }
        pile.take().await
    }

    async fn hang_up(&mut self) {
        if let Some(way) = self.way.take() {
            way.line.quit().await;
        }
    }

    async fn one_mail(&mut self, mail: &InHand) -> Result<Done, NoWay> {
        let shared = self.shared;
        let errand = mail.errand();
        let email = match shared.write(mail) {
            Ok(email) => email,
            Err(cause) => {
                tracing::error!(mail = errand.mail_id, cause, "a mail failed our own checks and is held");
                return Ok(Done::of(Outcome::Held, cause));
            }
        };
        if !shared.reach.covers(&email.headers.to) {
            return Ok(Done::of(Outcome::Withheld, String::new()));
        }
        if shared.gate.directory.takes_none(errand.domain()) {
            return Ok(shared.not_taken(mail, Refusal::of_domain()));
        }
        Ok(match self.send(mail, &email).await? {
            None => Done::returned(""),
            Some(Verdict::Sent(reply)) => {
                let sign = Some((Signal::Taken, String::new()));
                Done { sign, ..Done::of(Outcome::Accepted, reply) }
            }
            Some(Verdict::Not(refusal)) => shared.not_taken(mail, refusal),
            Some(Verdict::Unknown(reply)) => {
                tracing::warn!(
                    mail = errand.mail_id,
                    "nobody knows whether a mail arrived; `jobalerts unknown list` names it"
                );
                let sign = Some((Signal::Strained, reply.clone()));
                let until = shared.clock.now() + shared.hold_unknown;
                Done { sign, ..Done::of(Outcome::Unknown(until), reply) }
            }
        })
    }

    /// Sends one mail, over the lane's line or a new one; `None` if it may not
    /// leave. A used line that breaks before the content left is replaced once,
    /// at once: servers end connections after some mails, and that is no fault
    /// of this mail.
    async fn send(&mut self, mail: &InHand, email: &Email) -> Result<Option<Verdict>, NoWay> {
        let (shared, recorder) = (self.shared, self.recorder);
        let &Errand { mail_id, worker, .. } = mail.errand();
        let departure = Departure { mail_id, worker, told: shared.tells(mail) };
        let Ok(asked) = recorder.ask(departure) else { return Ok(None) };
        let content = email.content();
        let mut used = self.way.is_some();
        let mut way = self.take_way().await?;
        while let Err((refusal, after)) = way.line.offer(email.envelope(), content).await {
            if used && refusal.judgement == Judgement::Away && after == After::Broken {
                used = false;
                way = self.take_way().await?;
                continue;
            }
            shared.heed_of_relay(&way, &Verdict::Not(refusal.clone())).await;
            self.keep(way, after);
            return Ok(Some(Verdict::Not(refusal)));
        }
        // Only when the mail before this one is written down, and this one is on record as leaving.
        if let Some(recorded) = self.last.take()
            && recorded.await.is_err()
        {
            return Ok(None);
        }
        if asked.granted().await != Ok(true) {
            // The server waits for the content. Without the line it forgets the mail.
            shared.found_out_nothing(&way).await;
            return Ok(None);
        }
        let (verdict, after) = way.line.hand_over(content, email.headers.to.as_str()).await;
        shared.heed_of_relay(&way, &verdict).await;
        self.keep(way, after);
        Ok(Some(verdict))
    }

    /// A line over which one mail may go: the lane's own, or a new one to the
    /// mail server whose turn it is.
    async fn take_way(&mut self) -> Result<Way, NoWay> {
        let Shared { relays, gate, pool, clock, .. } = self.shared;
        loop {
            let now = clock.now();
            let way = match self.way.take() {
                Some(way) if relays.is_good(&way, &gate.breakers, now) => way,
                old => {
                    if let Some(old) = old {
                        old.line.quit().await;
                    }
                    relays.connect(&gate.breakers, pool, now).await?
                }
            };
            match relays.take(&way, pool, now).await {
                Ok(true) => return Ok(way),
                Ok(false) => way.line.quit().await,
                Err(error) => {
                    tracing::warn!(%error, "what a mail server may be given cannot be read");
                    way.line.quit().await;
                    return Err(NoWay::Shut);
                }
            }
        }
    }

    fn keep(&mut self, way: Way, after: After) {
        self.way = (after == After::Usable).then(|| way.used());
    }
}

impl Shared {
    fn must_give_back(&self, mail: &InHand) -> bool {
        self.stopping.is_cancelled()
            || self.server_away.load(Ordering::Relaxed)
            || self.paused.load(Ordering::Relaxed)
            || self.worker.load(Ordering::Relaxed) != mail.errand().worker
            || !self.gate.is_open_for(mail.errand(), self.clock.now())
    }

    fn count(&self, mail: &InHand, outcome: &Outcome) {
        self.tally.count(outcome);
        if let Some(name) = outcome.name() {
            let provider = self.gate.directory.group(&mail.errand().provider);
            self.metrics.mail(name, mail.kind(), provider);
        }
    }

    /// What becomes of a mail that was not taken.
    fn not_taken(&self, mail: &InHand, refusal: Refusal) -> Done {
        let now = self.clock.now();
        let &Errand { mail_id, subscriber_id, .. } = mail.errand();
        let outcome = match refusal.sequel() {
            Sequel::Waits => self.retries.after(mail, now),
            Sequel::WaitsUncounted => match self.retries.after(mail, now) {
                Outcome::Deferred(until) => Outcome::Lost(until),
                given_up => given_up,
            },
            Sequel::Ends => {
                if refusal.judgement == Judgement::TooLarge {
                    tracing::error!(
                        mail = mail_id,
                        "a mail is too large for the mail server; why is in its row"
                    );
                } else {
                    tracing::warn!(
                        mail = mail_id,
                        "the mail server refused a mail for good; why is in its row"
                    );
                }
                Outcome::Refused
            }
        };
        let sign = (refusal.point == Point::Recipient)
            .then(|| (refusal.judgement.signal().about(subscriber_id), refusal.codes().to_owned()));
        Done { outcome, verdict: Some(refusal.judgement), sign, reply: refusal.reply }
    }

    /// Heeds what a mail says of the provider of its mailbox. One that was to find
    /// out and did not get that far leaves it to another.
    async fn heed_of_provider(&self, errand: &Errand, done: &Done) {
        let unanswered = errand.probe.then(|| (Signal::Answers, String::new()));
        if let Some((signal, reason)) = done.sign.clone().or(unanswered) {
            let scope = Scope::Provider(&errand.provider);
            self.gate.breakers.heed(&self.pool, scope, signal, &reason, self.clock.now()).await;
        }
    }

    /// Heeds what a mail says of the mail server that it was handed to. What
    /// happens once the recipient was named is the provider's.
    async fn heed_of_relay(&self, way: &Way, verdict: &Verdict) {
        let (signal, reason) = match verdict {
            Verdict::Not(refusal) if refusal.point == Point::Sender => {
                (refusal.judgement.signal(), refusal.codes())
            }
            Verdict::Not(refusal) if refusal.judgement == Judgement::Away => {
                return self.found_out_nothing(way).await;
            }
            Verdict::Unknown(_) => return self.found_out_nothing(way).await,
            Verdict::Sent(_) | Verdict::Not(_) => (Signal::Taken, ""),
        };
        let scope = self.relays.scope_of(way);
        self.gate.breakers.heed(&self.pool, scope, signal, reason, self.clock.now()).await;
    }

    /// A mail that was to find out about a mail server did not get that far, and
    /// leaves it to another.
    async fn found_out_nothing(&self, way: &Way) {
        if way.probe {
            let scope = self.relays.scope_of(way);
            self.gate.breakers.heed(&self.pool, scope, Signal::Answers, "", self.clock.now()).await;
        }
    }

    /// A line could not be opened. If no other is open or being opened, the
    /// server is away; else it wants no more of them, and this lane rests.
    async fn no_line(&self, refused: &mut u32) {
        if self.relays.open_lines() == 0 {
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
