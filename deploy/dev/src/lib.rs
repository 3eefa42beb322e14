//! What development and tests of jobalerts need beside it: an SMTP server that can misbehave ([`smtp`]), an inbox
//! to look at the mails it took ([`inbox`]; the program `catcher` puts the two together), secrets that protect
//! nothing ([`secrets`]), and what the demo and the faults (`make chaos`) share: to run the program ([`program`]), to
//! clear up on a broker ([`broker`]), to read the ledger ([`promises`]), and to tell of it all ([`account`]).

pub mod account;
pub mod broker;
mod clock;
pub mod inbox;
pub mod program;
pub mod promises;
pub mod secrets;
pub mod smtp;
