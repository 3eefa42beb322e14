//! What development and tests of jobalerts need beside it: an SMTP server that can misbehave ([`smtp`]), and an inbox
//! to look at the mails it took ([`inbox`]; the program `catcher` puts the two together), and secrets that protect
//! nothing ([`secrets`]).

mod clock;
pub mod inbox;
pub mod secrets;
pub mod smtp;
