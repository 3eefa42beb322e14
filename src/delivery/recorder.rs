//! The one hand that writes: how tries ended, and which mails may leave next.
//!
//! Lanes ask and tell; the recorder does what has come together by then in one
//! transaction. So a mail is known to be leaving, and the one before it on the
//! same line to have ended, by one commit.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::Instant;

use crate::delivery::gate::Refund;
use crate::delivery::lanes::Shared;
use crate::stage::wait_after;
use crate::store;
use crate::store::leaving::{self, Departure, Leave};
use crate::store::tries::{self, Outcome, Try};

/// The most that one transaction takes.
const TOGETHER: usize = 256;

/// For how long a leave is good. What takes longer than this before the content
/// can go asks again, so that a stop or a pause counts from then on.
const GOOD_FOR: Duration = Duration::from_secs(1);

/// What a lane has to say.
enum Note {
    /// A try has ended.
    Ended { outcome: Try, refund: Option<Refund>, place: OwnedSemaphorePermit, recorded: oneshot::Sender<()> },
    /// A mail wants to leave.
    Leaving { departure: Departure, answer: oneshot::Sender<bool> },
}

/// How lanes reach the recorder.
#[derive(Clone)]
pub(super) struct Recorder(mpsc::UnboundedSender<Note>);

/// The recorder has ended, which it does only after all lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gone;

/// A leave that was asked for.
pub(super) struct Asked<'a> {
    recorder: &'a Recorder,
    departure: Departure,
    answer: oneshot::Receiver<bool>,
    at: Instant,
}

impl Recorder {
    /// A recorder, and its work: a future that ends when all who can reach it
    /// are gone and everything is written down.
    pub(super) fn new(shared: Arc<Shared>) -> (Self, impl Future<Output = ()>) {
        let (notes, to_record) = mpsc::unbounded_channel();
        (Self(notes), record(shared, to_record))
    }

    /// Has the end of a try written down; resolves when it is durable. The place
    /// is given back then, and what its provider was not given.
    pub(super) fn ended(
        &self,
        outcome: Try,
        refund: Option<Refund>,
        place: OwnedSemaphorePermit,
    ) -> Result<oneshot::Receiver<()>, Gone> {
        let (recorded, done) = oneshot::channel();
        self.0.send(Note::Ended { outcome, refund, place, recorded }).map_err(|_| Gone)?;
        Ok(done)
    }

    /// Asks whether a mail may leave.
    pub(super) fn ask(&self, departure: Departure) -> Result<Asked<'_>, Gone> {
        let (answer, answered) = oneshot::channel();
        let at = Instant::now();
        self.0.send(Note::Leaving { departure: departure.clone(), answer }).map_err(|_| Gone)?;
        Ok(Asked { recorder: self, departure, answer: answered, at })
    }
}

impl Asked<'_> {
    /// Whether it may leave, as of now.
    pub(super) async fn granted(mut self) -> Result<bool, Gone> {
        loop {
            let granted = self.answer.await.map_err(|_| Gone)?;
            if !granted || self.at.elapsed() < GOOD_FOR {
                return Ok(granted);
            }
            self = self.recorder.ask(self.departure)?;
        }
    }
}

/// Does what has come together, until nobody is left to ask. Without the
/// database it waits, and with it every lane.
async fn record(shared: Arc<Shared>, mut notes: mpsc::UnboundedReceiver<Note>) {
    let mut together = Vec::with_capacity(TOGETHER);
    while notes.recv_many(&mut together, TOGETHER).await > 0 {
        let (mut tries, mut departures) = (Vec::new(), Vec::new());
        let (mut waiting, mut asking, mut refunds) = (Vec::new(), Vec::new(), Vec::new());
        for note in together.drain(..) {
            match note {
                Note::Ended { outcome, refund, place, recorded } => {
                    tries.push(outcome);
                    refunds.extend(refund);
                    waiting.push((place, recorded));
                }
                Note::Leaving { departure, answer } => {
                    asking.push((departure.mail_id, answer));
                    departures.push(departure);
                }
            }
        }
        let mut faults = 0;
        let leave = loop {
            match write_down(&shared, &tries, &departures).await {
                Ok(leave) => break leave,
                Err(error) => {
                    let wait = wait_after(faults, &mut rand::rng());
                    faults += 1;
                    tracing::warn!(mails = tries.len(), faults, %error, "cannot record what was sent; tries again");
                    tokio::time::sleep(wait).await;
                }
            }
        };
        if tries.iter().any(|t| matches!(t.outcome, Outcome::Refused | Outcome::GivenUp)) {
            shared.refused.store(true, Ordering::Relaxed);
        }
        if leave.paused {
            shared.paused.store(true, Ordering::Relaxed);
        }
        // By itself, so that no claim that holds an allowance is waited for with mails held.
        Refund::give_back(refunds, &shared.pool).await;
        // A lane that has gone does not need to know.
        for (mail_id, answer) in asking {
            let _ = answer.send(leave.granted.contains(&mail_id));
        }
        for (place, recorded) in waiting {
            let _ = recorded.send(());
            drop(place);
        }
        if shared.gate.was_crowded() {
            shared.bell.ring();
        }
    }
}

async fn write_down(shared: &Shared, tries: &[Try], departures: &[Departure]) -> store::Result<Leave> {
    let mut transaction = shared.pool.begin().await?;
    let now = shared.clock.now();
    if !tries.is_empty() {
        tries::record(&mut transaction, tries, now).await?;
    }
    let leave = leaving::grant(&mut transaction, departures, now).await?;
    transaction.commit().await?;
    Ok(leave)
}
