//! What was set aside, for a person to look at: listed, shown, taken in once
//! more, or thrown away.
//!
//! To look at a letter is to hold it; it goes back to its place when the look
//! ends. Brokers may throw away what went back too often, so a letter that did
//! is put at the end of its queue as a new one.

use std::fmt::Write as _;

use data_encoding::HEXLOWER;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::broker::{Held, Line, Message, Result};
use crate::config::Amqp;
use crate::intake::cloudevents;
use crate::intake::queue::{
    DETAIL_HEADER, EXCHANGE_HEADER, REASON_HEADER, ROUTING_KEY_HEADER, SINCE_HEADER, Session,
};

/// RabbitMQ 4 throws away what went back 20 times, unless a policy says otherwise.
const RENEWED_AFTER: u32 = 10;
/// The letters of a key; that many make two different messages with one key a
/// matter of millions of dead letters.
const KEY_LETTERS: usize = 12;
/// What the broker itself writes on a message that it sets aside.
const BROKERS_REASON: &str = "x-first-death-reason";
const BROKERS_EXCHANGE: &str = "x-first-death-exchange";

/// A dead letter, without its body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    /// By what it is named: a hash of the message. Two of the same message have
    /// the same.
    pub key: String,
    /// Why it was set aside, as a code; `delivery_limit` if the broker did it
    /// because it was handed over too often.
    pub reason: String,
    /// The same, to a person.
    pub detail: Option<String>,
    /// Since when it is here, if that is known (RFC 3339).
    pub since: Option<String>,
    /// On which exchange it was published.
    pub exchange: String,
    /// Under which routing key.
    pub routing_key: String,
    /// The octets of its body.
    pub octets: usize,
    /// Which event it is, if that can be read.
    pub event: Option<Named>,
}

/// What names an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Named {
    /// Its type: `vacancy.opened`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its id, unique within its source.
    pub id: String,
    /// What it is about: `vacancy/230000P0`.
    pub subject: Option<String>,
}

/// What to do with a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It stays where it is.
    Stays,
    /// It goes to our queue once more, and is read as if it had just come.
    Replayed,
    /// It is thrown away.
    Discarded,
}

/// The dead letters of a queue.
pub struct DeadLetters {
    line: Line,
    settings: Amqp,
}

impl DeadLetters {
    /// Connects, and declares all that intake does.
    ///
    /// # Errors
    ///
    /// When the broker is away, refuses us, or has other settings.
    pub async fn open(settings: &Amqp) -> Result<Self> {
        Ok(Self { line: Session::open(settings).await?.into_line(), settings: settings.clone() })
    }

    /// Goes through all that are there now, oldest first, and does with each what
    /// `decide` says, which also sees the whole message. Returns how many did not
    /// stay. Those that stay are nobody else's until this ends.
    ///
    /// A letter is taken off only when the broker has it elsewhere: killed in
    /// between, it is replayed, and still here; intake knows an event that it has
    /// read.
    ///
    /// # Errors
    ///
    /// When the connection is over: what was not decided by then stays.
    pub async fn each(self, mut decide: impl FnMut(&DeadLetter, &Message) -> Fate) -> Result<usize> {
        let queue = &self.settings.dead_letter_queue;
        let mut staying = Vec::new();
        let mut gone = 0;
        for _ in 0..self.line.waiting(queue).await? {
            let Some(mut held) = self.line.hold(queue).await? else { break };
            let letter = DeadLetter::of(&held);
            match decide(&letter, &held.message) {
                Fate::Stays if held.returned() >= RENEWED_AFTER => {
                    self.line.move_to(queue, held, &[]).await?;
                }
                Fate::Stays => {
                    held.message.body = Vec::new();
                    staying.push(held);
                }
                Fate::Replayed => {
                    let without = [REASON_HEADER, DETAIL_HEADER, SINCE_HEADER];
                    self.line.move_to(&self.settings.queue, held, &without).await?;
                    gone += 1;
                }
                Fate::Discarded => {
                    held.done().await?;
                    gone += 1;
                }
            }
        }
        for held in staying {
            held.back().await?;
        }
        self.line.close().await?;
        Ok(gone)
    }
}

impl DeadLetter {
    fn of(held: &Held) -> Self {
        let Message { headers, body, .. } = &held.message;
        let noted = |name: &str| headers.get(name).cloned();
        let (exchange, routing_key) = held.origin();
        let event = cloudevents::read(&held.message).ok();
        Self {
            key: key(&held.message),
            reason: noted(REASON_HEADER)
                .or_else(|| noted(BROKERS_REASON))
                .unwrap_or_else(|| "unknown".into()),
            detail: noted(DETAIL_HEADER),
            since: noted(SINCE_HEADER),
            exchange: noted(EXCHANGE_HEADER)
                .or_else(|| noted(BROKERS_EXCHANGE))
                .unwrap_or_else(|| exchange.to_owned()),
            routing_key: noted(ROUTING_KEY_HEADER).unwrap_or_else(|| routing_key.to_owned()),
            octets: body.len(),
            event: event.map(|event| Named { kind: event.kind, id: event.id, subject: event.subject }),
        }
    }
}

/// By what a message is named, whoever set it aside and however often.
fn key(message: &Message) -> String {
    let mut said = String::new();
    for (name, value) in message.headers.iter().filter(|(name, _)| !name.starts_with("x-")) {
        // Writing to a text cannot fail.
        let _ = write!(said, "{}:{name}{}:{value}", name.len(), value.len());
    }
    let mut hash = Sha256::new();
    hash.update(message.content_type.as_deref().unwrap_or_default());
    hash.update([0]);
    hash.update(said);
    hash.update([0]);
    hash.update(&message.body);
    let mut key = HEXLOWER.encode(&hash.finalize());
    key.truncate(KEY_LETTERS);
    key
}
