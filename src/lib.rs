//! jobalerts watches vacancies open and close, matches them against what people
//! asked for, and mails them.
//!
//! The whole program is one road, and every arrow on it is a table:
//!
//! ```text
//! RabbitMQ --> intake --> openings --> matching --> alerts --> delivery --> SMTP
//!              events     (truth)                   (who wants     |
//!                                                    what, what    v
//!              import --> searches --------------->  we said,    mails
//!                            ^                       when due)   (what left)
//!                            |                                    |
//!                          stops <--------- web <---- people <----'
//! ```
//!
//! Each stage claims rows on its left, writes rows on its right, and commits.
//! Stages meet only in Postgres, never in memory, so any of them can be killed
//! at any moment, run twice, or run on another machine.
//!
//! To read it, go along the road:
//!
//! 1. [`domain`]: what we talk about, without any I/O. [`domain::history`] is
//!    how events add up to the truth, [`domain::criteria`] what a search asks
//!    for, [`domain::alert`] the comparison of what was told with what is true,
//!    [`domain::difference`] what counts as a change.
//! 2. [`store`]: every line of SQL. The tables are explained in `migrations/`.
//! 3. [`intake`]: from a message of the [`broker`] to the truth.
//! 4. [`matching`]: from the truth to who wants to know.
//! 5. [`delivery`]: from who is due to what left, through [`compose`] (what a
//!    mail says) and [`delivery::smtp`] (how it leaves).
//! 6. [`outcomes`]: from what came of it to events that others may follow.
//! 7. [`housekeeping`]: what is done by the clock, and the letters that come of
//!    it.
//! 8. [`returns`]: from mails that come back to us to what follows from them.
//! 9. [`web`]: the pages that mails link to, by which people stop.
//! 10. [`daemon`]: how the stages are put together, started and stopped, each
//!     in the loop of [`stage`], which tells [`health`] how it goes;
//!     [`web::ops`], where that and [`metrics`] can be read; and [`cli`], the
//!     commands.
//!
//! Everything that makes a mail wait is one thing: a due time in the future, in
//! `alerts.due_at` (or, for a letter that is about no opening, `letters.due_at`). Time itself is an argument; only [`clock`] reads it.

pub mod broker;
pub mod cli;
pub mod clock;
pub mod compose;
pub mod config;
pub mod daemon;
pub mod delivery;
pub mod domain;
pub mod health;
pub mod hosts;
pub mod housekeeping;
pub mod intake;
pub mod matching;
pub mod metrics;
pub mod outcomes;
pub mod returns;
pub mod stage;
pub mod store;
pub mod telemetry;
pub mod templates;
pub mod web;
