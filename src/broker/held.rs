//! Messages that one looks at before deciding what becomes of them.

use lapin::options::{BasicAckOptions, BasicGetOptions, BasicNackOptions};
use lapin::types::FieldTable;

use crate::broker::{Line, Message, Result, Takers, all_confirmed, kept_properties, message, short};

/// AMQP 0-9-1: nothing is wrong.
const REPLY_SUCCESS: u16 = 200;
/// How often the broker has handed a message over before, on a queue that counts.
const DELIVERY_COUNT_HEADER: &str = "x-delivery-count";

/// A message that is held: nobody else gets it. Unless it is done with, it goes
/// back to its place when the line ends.
pub struct Held {
    delivery: lapin::message::Delivery,
    /// What came.
    pub message: Message,
}

impl Held {
    /// On which exchange, and under which routing key, it was published.
    #[must_use]
    pub fn origin(&self) -> (&str, &str) {
        (self.delivery.exchange.as_str(), self.delivery.routing_key.as_str())
    }

    /// How often it was handed over before and went back.
    #[must_use]
    pub fn returned(&self) -> u32 {
        let count = self.message.headers.get(DELIVERY_COUNT_HEADER);
        count.and_then(|count| count.parse().ok()).unwrap_or(0)
    }

    /// Puts it back in its place.
    ///
    /// # Errors
    ///
    /// When the connection is over; it is back in its place then, too.
    pub async fn back(self) -> Result<()> {
        self.delivery.nack(BasicNackOptions { requeue: true, ..BasicNackOptions::default() }).await?;
        Ok(())
    }

    /// Takes it off the queue.
    ///
    /// # Errors
    ///
    /// When the connection is over; it is then still on the queue.
    pub async fn done(self) -> Result<()> {
        self.delivery.ack(BasicAckOptions::default()).await?;
        Ok(())
    }
}

impl Line {
    /// Ends it, after all that was said on it.
    ///
    /// # Errors
    ///
    /// When it had ended before.
    pub async fn close(self) -> Result<()> {
        self.channel.close(REPLY_SUCCESS, "done".into()).await?;
        self.connection.close(REPLY_SUCCESS, "done".into()).await?;
        Ok(())
    }

    /// Holds the next message of a queue, if there is one; waits for none.
    ///
    /// # Errors
    ///
    /// When the broker is away or there is no such queue.
    pub async fn hold(&self, queue: &str) -> Result<Option<Held>> {
        let got = self.channel.basic_get(short(queue)?, BasicGetOptions::default()).await?;
        Ok(got.map(|got| {
            let mut delivery = got.delivery;
            let message = message(&mut delivery);
            Held { delivery, message }
        }))
    }

    /// Puts what is held at the end of a queue, without these headers, and waits
    /// until the broker has taken responsibility for it; then it is done with.
    /// Killed in between, it is there twice.
    ///
    /// # Errors
    ///
    /// When the broker does not, or there is no such queue; it is then where it was.
    pub async fn move_to(&self, queue: &str, held: Held, without: &[&str]) -> Result<()> {
        let left_out = |name: &str| name == DELIVERY_COUNT_HEADER || without.contains(&name);
        let mut headers = FieldTable::default();
        let original = held.delivery.properties.headers().clone().unwrap_or_default();
        for (name, value) in original.inner() {
            if !left_out(name.as_str()) {
                headers.insert(name.clone(), value.clone());
            }
        }
        let properties = kept_properties(&held.delivery.properties).with_headers(headers);
        // The exchange without a name passes a message to the queue that the routing key names.
        let confirm = self.send("", short(queue)?, &held.message.body, properties, Takers::Needed).await?;
        all_confirmed("(default)", vec![confirm]).await?;
        held.done().await
    }
}
