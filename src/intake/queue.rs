//! Our queue on the broker: what is declared, how messages are taken from it,
//! and where those go that are no good.

use chrono::{DateTime, SecondsFormat, Utc};

use crate::broker::{Batch, Consumer, Line, Passing, Published, Result, Setting, Takers};
use crate::config::Amqp;
use crate::intake::verdict::Rejection;

/// The header of a dead letter that says why, as a code.
pub const REASON_HEADER: &str = "x-dead-letter-reason";
/// The header of a dead letter that says why, to a person.
pub const DETAIL_HEADER: &str = "x-dead-letter-detail";
/// The header of a dead letter that says when it was set aside (RFC 3339).
pub const SINCE_HEADER: &str = "x-dead-letter-since";
/// The header of a dead letter that says on which exchange its message was published.
pub const EXCHANGE_HEADER: &str = "x-original-exchange";
/// And under which routing key.
pub const ROUTING_KEY_HEADER: &str = "x-original-routing-key";

/// A connection with everything declared on it.
pub struct Session {
    line: Line,
    consumer: Option<Consumer>,
    settings: Amqp,
}

impl Session {
    /// Connects, and declares the exchange, the queue with its delivery limit,
    /// and the dead-letter exchange and queue.
    ///
    /// # Errors
    ///
    /// When the broker is away, refuses us, or has other settings.
    pub async fn open(settings: &Amqp) -> Result<Self> {
        let line = Line::open(settings).await?;
        line.declare_exchange(&settings.exchange, Passing::ByKey).await?;
        line.declare_exchange(&settings.dead_letter_exchange, Passing::ToAll).await?;
        let quorum = ("x-queue-type", Setting::Text("quorum"));
        line.declare_queue(&settings.dead_letter_queue, &[quorum], &settings.dead_letter_exchange).await?;
        // Everything comes here, also what we do not know: it is then set aside, not lost.
        let limited = [
            quorum,
            ("x-dead-letter-exchange", Setting::Text(&settings.dead_letter_exchange)),
            ("x-delivery-limit", Setting::Number(settings.delivery_limit)),
        ];
        line.declare_queue(&settings.queue, &limited, &settings.exchange).await?;
        Ok(Self { line, consumer: None, settings: settings.clone() })
    }

    /// The connection, with everything declared.
    pub(super) fn into_line(self) -> Line {
        self.line
    }

    /// How many messages wait on the queue, and on the dead-letter queue.
    ///
    /// # Errors
    ///
    /// When the broker is away.
    pub async fn waiting(&self) -> Result<(u32, u32)> {
        let waiting = self.line.waiting(&self.settings.queue).await?;
        Ok((waiting, self.line.waiting(&self.settings.dead_letter_queue).await?))
    }

    /// Waits for a message, and takes it together with all that are there by
    /// then, up to the prefetch. May be cancelled while it waits.
    ///
    /// # Errors
    ///
    /// When the session is over.
    pub async fn next_batch(&mut self) -> Result<Batch> {
        let consumer = match &mut self.consumer {
            Some(consumer) => consumer,
            none => none.insert(self.line.consume(&self.settings.queue, self.settings.prefetch).await?),
        };
        consumer.next_batch().await
    }

    /// Sets aside what was rejected (by its place in the batch), then
    /// acknowledges the whole batch. Killed in between, the broker delivers it
    /// again: a dead letter may then be there twice, an event is known already.
    ///
    /// # Errors
    ///
    /// When the session is over; the broker then delivers the batch again.
    pub async fn settle(
        &self,
        batch: Batch,
        rejected: &[(usize, Rejection)],
        now: DateTime<Utc>,
    ) -> Result<()> {
        let since = now.to_rfc3339_opts(SecondsFormat::Secs, true);
        let mut dead = Vec::with_capacity(rejected.len());
        for (index, rejection) in rejected {
            let (exchange, routing_key) = origin(&batch, *index);
            let headers = vec![
                (REASON_HEADER, rejection.reason.code()),
                (DETAIL_HEADER, rejection.detail.as_str()),
                (SINCE_HEADER, since.as_str()),
                (EXCHANGE_HEADER, exchange),
                (ROUTING_KEY_HEADER, routing_key),
            ];
            dead.push((*index, headers));
        }
        self.line.pass_on(&batch, &self.settings.dead_letter_exchange, &dead).await?;
        batch.acknowledge().await
    }

    /// Publishes events and waits until the broker has taken responsibility
    /// for each.
    ///
    /// # Errors
    ///
    /// When the broker does not.
    pub async fn publish(&self, events: &[Published]) -> Result<()> {
        self.line.publish(&self.settings.exchange, events, Takers::Needed).await
    }
}

/// Where a message was published. One that was replayed came from the queue of
/// dead letters, and its headers know.
fn origin(batch: &Batch, index: usize) -> (&str, &str) {
    let headers = batch.messages().get(index).map(|message| &message.headers);
    let noted = |name| headers.and_then(|headers| headers.get(name)).map(String::as_str);
    match batch.origin(index) {
        Some(("", queue)) => {
            (noted(EXCHANGE_HEADER).unwrap_or_default(), noted(ROUTING_KEY_HEADER).unwrap_or(queue))
        }
        published => published.unwrap_or_default(),
    }
}
