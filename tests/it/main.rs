//! The road as a whole, from events to mails, against real servers.
//!
//! `deploy/dev/services run -- cargo test --test it` starts servers, runs this, and stops them. The
//! letters in comments (I2, N10, SUB-6) are the invariants and cases of the domain that a test
//! proves.

mod harness;

mod agreement;
mod away;
mod broker;
mod commands;
mod concurrency;
mod corrections;
mod daemon;
mod days;
mod dead_letters;
mod delivery;
mod digests;
mod golden;
mod hostile;
mod housekeeping;
mod identity;
mod import;
mod intake;
mod kill;
mod learning;
mod leave;
mod ledger;
mod letters;
mod lives;
mod matching;
mod migrations;
mod ops;
mod outcomes;
mod pauses;
mod permissions;
mod privacy;
mod promises;
mod quiet;
mod rejections;
mod reload;
mod reminders;
mod returns;
mod road;
mod roles;
mod schedules;
mod service_manager;
mod session;
mod silence;
mod status;
mod stops;
mod templates;
mod tls;
mod unreadable;
mod web;
mod wedges;
