//! Keys that only we know: of tokens, of the hashes of addresses, of calls of the webhook.

use std::fmt;

use data_encoding::HEXLOWER_PERMISSIVE;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// The octets of a key.
const LENGTH: usize = 32;

/// One key.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; LENGTH]);

impl Key {
    /// The HMAC-SHA-256 (RFC 2104) under this key of all parts, one after the other.
    pub(super) fn mac(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        for part in parts {
            mac.update(part);
        }
        mac
    }

    /// What it may be called where everybody sees it. Two keys may share a name.
    pub(super) fn name(&self) -> u8 {
        Sha256::digest(self.0)[0]
    }
}

/// One key or more: the first is used for what is made, all are taken in what comes.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    first: Key,
    older: Vec<Key>,
}

/// How many there are, and nothing of them.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", 1 + self.older.len())
    }
}

/// Why a text is not a list of keys. Never repeats the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// No line holds a key.
    #[error("there is no key in it; make one with: openssl rand -hex 32")]
    Empty,
    /// A line holds something else.
    #[error("line {0}: expected a key of 64 hexadecimal digits, as openssl rand -hex 32 prints it")]
    NoKey(usize),
}

impl Keys {
    /// Reads keys, one a line, each 64 hexadecimal digits; empty lines and those that begin with
    /// `#` are passed over. A new key is put first, and the old ones stay below it as long as what
    /// was made with them is to be taken.
    ///
    /// # Errors
    ///
    /// When there is no key, or a line that is none.
    pub fn parse(text: &str) -> Result<Self, KeysError> {
        let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
        let mut keys =
            lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).map(|(number, line)| {
                let octets = HEXLOWER_PERMISSIVE.decode(line.as_bytes()).ok();
                octets.and_then(|octets| octets.try_into().ok()).map(Key).ok_or(KeysError::NoKey(number))
            });
        let first = keys.next().ok_or(KeysError::Empty)??;
        Ok(Self { first, older: keys.collect::<Result<_, _>>()? })
    }

    /// A key that nobody knows, good as long as it is held: to try out what needs keys.
    pub(super) fn passing(rng: &mut impl rand::Rng) -> Self {
        Self { first: Key(rng.random()), older: vec![] }
    }

    /// The one that is used.
    pub(super) fn first(&self) -> &Key {
        &self.first
    }

    /// All that are taken, the one that is used first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.first).chain(&self.older)
    }
}
