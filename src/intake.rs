//! From the queue to the truth: takes messages from RabbitMQ, reads them, and
//! writes what is so.

pub mod cloudevents;
pub mod dead_letters;
pub mod json;
pub mod queue;
pub mod stage;
pub mod step;
pub mod verdict;
pub mod wire;
