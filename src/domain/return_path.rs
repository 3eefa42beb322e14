//! Our own addresses that say what they are about: where mails come back to, and where people write
//! to stop. A token stands behind a `+` in the local part (RFC 5233), so that one mailbox takes all.

use crate::domain::email::EmailAddress;

/// The longest local part (RFC 5321, 4.5.3.1.1) without a `+` and the token of
/// [`TokenKeys::bounce`](crate::domain::token::TokenKeys::bounce).
const LONGEST_LOCAL: usize = 64 - 1 - 42;
/// The longest domain that leaves room for the longest local part (RFC 5321, 4.5.3.1.3).
const LONGEST_DOMAIN: usize = 254 - 1 - 64;
/// Before the `+` in the address to stop at.
const STOP: &str = "stop";

/// The address that mails are sent from as far as mail servers go (RFC 5321, 4.5.5), without a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnPath(EmailAddress);

/// Why an address is no good for it. Never repeats the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Mail servers must be able to send to it without SMTPUTF8.
    #[error("the part before the @ must be of ASCII letters")]
    NotAscii,
    /// A token is put behind a `+` of our own.
    #[error("the part before the @ must not contain a +, because +TOKEN is put behind it")]
    Plus,
    /// It would not fit with a token.
    #[error(
        "+TOKEN is put behind the part before the @, which may be {LONGEST_LOCAL} octets long, and the domain {LONGEST_DOMAIN}"
    )]
    TooLong,
    /// Mails that come back there are not from people who want to stop.
    #[error("{STOP}@ is where people write to stop; choose another name, such as bounce@")]
    Stop,
}

impl ReturnPath {
    /// Mails come back to this address.
    ///
    /// # Errors
    ///
    /// When no token can be put into it.
    pub fn new(address: EmailAddress) -> Result<Self, Unfit> {
        let (local, domain) = (address.local(), address.domain());
        if !local.is_ascii() {
            Err(Unfit::NotAscii)
        } else if local.contains('+') {
            Err(Unfit::Plus)
        } else if local.len() > LONGEST_LOCAL || domain.len() > LONGEST_DOMAIN {
            Err(Unfit::TooLong)
        } else if local.eq_ignore_ascii_case(STOP) {
            Err(Unfit::Stop)
        } else {
            Ok(Self(address))
        }
    }

    /// Without a token.
    #[must_use]
    pub fn address(&self) -> &EmailAddress {
        &self.0
    }

    /// What stands after the `@`.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.0.domain()
    }

    /// Where one mail comes back to.
    #[must_use]
    pub fn bounce(&self, token: &str) -> String {
        format!("{}+{token}@{}", self.0.local(), self.domain())
    }

    /// Where somebody writes to stop; the same mail server takes it.
    #[must_use]
    pub fn stop(&self, token: &str) -> String {
        format!("{STOP}+{token}@{}", self.domain())
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::token::{StopToken, TokenKeys};

    fn path(address: &str) -> Result<ReturnPath, Unfit> {
        ReturnPath::new(address.parse().unwrap())
    }

    /// B01: the longest that is taken still makes addresses that mail servers take.
    #[test]
    fn addresses_with_tokens_are_addresses() {
        let keys = TokenKeys::parse(&"0f".repeat(32)).unwrap();
        let domain = format!("{0}.{0}.{1}.example", "d".repeat(63), "e".repeat(53));
        assert_eq!(domain.len(), LONGEST_DOMAIN);
        let longest = path(&format!("{}@{domain}", "b".repeat(LONGEST_LOCAL))).unwrap();
        let stop = StopToken { person: Uuid::from_u128(7), mail: None }.sign(&keys);
        for address in [longest.bounce(&keys.bounce(i64::MAX)), longest.stop(&stop)] {
            let address: EmailAddress = address.parse().unwrap();
            assert!(address.local().len() <= 64 && address.as_str().len() <= 254);
            assert_eq!(address.domain(), domain);
        }
        let usual = path("bounce@alerts.midshire.example").unwrap();
        assert_eq!(usual.bounce("a2"), "bounce+a2@alerts.midshire.example");
        assert_eq!(usual.stop("a2"), "stop+a2@alerts.midshire.example");
    }

    #[test]
    fn what_cannot_hold_a_token_is_refused() {
        for (address, expected) in [
            ("bóunce@midshire.example", Unfit::NotAscii),
            ("bounce+x@midshire.example", Unfit::Plus),
            ("bounces-of-job-alerts1@midshire.example", Unfit::TooLong),
            ("Stop@midshire.example", Unfit::Stop),
        ] {
            assert_eq!(path(address), Err(expected), "{address}");
        }
    }
}
