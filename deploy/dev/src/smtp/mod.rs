//! An SMTP server for tests, benches and the demo: it speaks RFC 5321 strictly, never waits on a clock, and
//! misbehaves when a script of [`Rule`]s says so.
//!
//! ```
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! use jobalerts_dev::smtp::{Rule, SmtpServer, Stage};
//!
//! // Every mail to unknown-…@ is stored once, and then the connection breaks in place of the 250.
//! let lost_reply = Rule::at(Stage::EndOfData).to_local_prefix("unknown-").first(1).storing().close();
//! let server = SmtpServer::builder().script([lost_reply.clone()]).start().await?;
//!
//! // ... let the program under test send to server.addr() ...
//!
//! assert_eq!(lost_reply.fired(), 0);
//! assert_eq!(server.tally().mails, 0);
//! # anyhow::Ok(()) }).unwrap();
//! ```

mod certificate;
mod command;
mod folder;
mod ledger;
mod mail;
mod options;
mod reply;
mod rule;
mod server;
mod session;
mod wire;

#[cfg(test)]
mod tests;

pub use certificate::Certificate;
pub use folder::{Filed, Folder};
pub use ledger::{Connection, Said, Speaker, Tally};
pub use mail::ReceivedMail;
pub use options::{Builder, Extension, Sink, Storage};
pub use rule::{Rule, Stage};
pub use server::SmtpServer;
