//! Addresses to which nothing is sent, whoever asks for it.
//!
//! What is kept of them is a keyed hash: it outlives everything else that is known of the person, so
//! that a list that is imported later cannot bring them back, and tells nothing to who has no key.

use hmac::Mac;

use crate::domain::email::EmailAddress;
use crate::domain::keys::{Key, Keys, KeysError};

/// Why nothing is sent to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// There is no such mailbox.
    HardBounce,
    /// Mails came back on too many days.
    SoftBounces,
    /// The person marked a mail as spam.
    Complaint,
    /// The person said stop.
    Stop,
    /// Somebody who works here did it.
    Operator,
    /// The person asked to be forgotten.
    Erased,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::HardBounce, Self::SoftBounces, Self::Complaint, Self::Stop, Self::Operator, Self::Erased];

    /// The name in the tables and in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HardBounce => "hard-bounce",
            Self::SoftBounces => "soft-bounces",
            Self::Complaint => "complaint",
            Self::Stop => "stop",
            Self::Operator => "operator",
            Self::Erased => "erased",
        }
    }

    /// The reason of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }

    /// Whether it was the person's own will, so that nobody else can lift it (UK GDPR, Art. 21(3)).
    #[must_use]
    pub const fn is_their_will(self) -> bool {
        matches!(self, Self::Complaint | Self::Stop | Self::Erased)
    }

    /// Which of two reasons counts: the person's own will more than what somebody who works here did,
    /// and that more than what became of their mailbox.
    #[must_use]
    pub const fn weight(self) -> u8 {
        match self {
            Self::HardBounce | Self::SoftBounces => 0,
            Self::Operator => 1,
            Self::Complaint | Self::Stop | Self::Erased => 2,
        }
    }

    /// Whether it is over when the person has agreed anew since, as a list says. What somebody who works
    /// here did is for them to take back: they may know what the list does not.
    #[must_use]
    pub const fn ends_by_consent(self) -> bool {
        !matches!(self, Self::Operator)
    }
}

/// The keys of the hashes: with the first they are made, by all they are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressKeys(Keys);

/// What an address is known by: an HMAC-SHA-256 (RFC 2104) of its folded form.
pub type AddressHash = Vec<u8>;

impl AddressKeys {
    /// Reads keys as [`Keys::parse`] does.
    ///
    /// # Errors
    ///
    /// When there is no key, or a line that is none.
    pub fn parse(text: &str) -> Result<Self, KeysError> {
        Keys::parse(text).map(Self)
    }

    /// What an address is known by from now on.
    #[must_use]
    pub fn hash(&self, address: &EmailAddress) -> AddressHash {
        hash(self.0.first(), address)
    }

    /// All that an address may be known by.
    #[must_use]
    pub fn hashes(&self, address: &EmailAddress) -> Vec<AddressHash> {
        self.0.iter().map(|key| hash(key, address)).collect()
    }
}

fn hash(key: &Key, address: &EmailAddress) -> AddressHash {
    key.mac(&[address.lookup().as_bytes()]).finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    const NEW: &str = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";

    fn address(text: &str) -> EmailAddress {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_is_known_however_it_is_written() {
        let keys = AddressKeys::parse(OLD).unwrap();
        let hash = keys.hash(&address("Ann.Case@Example.ORG"));
        assert_eq!(hash, keys.hash(&address("ann.case@example.org")));
        assert_ne!(hash, keys.hash(&address("ann.case@example.com")));
        assert_eq!(hash.len(), 32);
        assert_eq!(format!("{keys:?}"), "AddressKeys(1)");
    }

    #[test]
    fn what_an_old_key_made_is_still_found() {
        let ann = address("ann@example.org");
        let old = AddressKeys::parse(OLD).unwrap();
        let both = AddressKeys::parse(&format!("{NEW}\n{OLD}")).unwrap();
        assert_ne!(both.hash(&ann), old.hash(&ann));
        assert!(both.hashes(&ann).contains(&old.hash(&ann)));
    }

    #[test]
    fn reasons_have_names() {
        for reason in Reason::ALL {
            assert_eq!(Reason::named(reason.name()), Some(reason));
        }
        assert_eq!(Reason::named("other"), None);
    }
}
