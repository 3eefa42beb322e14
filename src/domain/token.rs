//! Signed tokens: what stands in links and return paths, and tells us later whom or which mail it
//! is about without a table of tokens.
//!
//! A token is base32 in lower case, because it also stands in mail addresses, and some servers
//! fold their case. Below that it is, octet by octet: version and purpose; the key that signed it;
//! for some purposes when it expires; what it is about; and the first half of an HMAC-SHA-256
//! (RFC 2104, section 5) over all of this. Nothing in it is secret, and nothing in it can be made
//! up or used for another purpose.

use chrono::{DateTime, TimeZone, Utc};
use data_encoding::BASE32_NOPAD;
use hmac::Mac;
use uuid::Uuid;

use crate::domain::keys::{Key, Keys, KeysError};

/// The octets of the HMAC that are kept.
const MAC: usize = 16;
/// The layout described above.
const VERSION: u8 = 1;

/// What a token is good for. One for one purpose is worth nothing for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// To stop mails to a person; see [`StopToken`]. Good for ever, and for nothing else.
    Stop,
    /// To take back a stop, for a while; see [`TokenKeys::undo`].
    Undo,
    /// To say which mail came back; see [`TokenKeys::bounce`].
    Bounce,
}

impl Purpose {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Stop, Self::Undo, Self::Bounce];

    const fn code(self) -> u8 {
        match self {
            Self::Stop => 1,
            Self::Undo => 2,
            Self::Bounce => 3,
        }
    }

    const fn expires(self) -> bool {
        matches!(self, Self::Undo)
    }
}

/// Why a token is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// We did not make it, or not for this, or somebody changed it.
    #[error("this is not one of our tokens for this purpose")]
    Forged,
    /// It was good once.
    #[error("this token has expired")]
    Expired,
}

/// The keys that tokens are signed with: the first signs, all are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenKeys(Keys);

impl TokenKeys {
    /// Reads keys as [`Keys::parse`] does.
    ///
    /// # Errors
    ///
    /// When there is no key, or a line that is none.
    pub fn parse(text: &str) -> Result<Self, KeysError> {
        Keys::parse(text).map(Self)
    }

    /// A key that nobody knows, good as long as it is held: to try out what needs keys.
    pub fn passing(rng: &mut impl rand::Rng) -> Self {
        Self(Keys::passing(rng))
    }

    /// A token about `subject`. It is the same whenever it is made.
    ///
    /// # Panics
    ///
    /// When a purpose that expires is given no time, or one that does not is given one.
    #[must_use]
    pub fn sign(&self, purpose: Purpose, subject: &[u8], expires: Option<DateTime<Utc>>) -> String {
        assert_eq!(purpose.expires(), expires.is_some(), "whether a token expires is up to its purpose");
        let key = self.0.first();
        let mut token = vec![VERSION << 4 | purpose.code(), key.name()];
        if let Some(expires) = expires {
            token.extend(expires.timestamp().to_be_bytes());
        }
        token.extend(subject);
        let mac = key.mac(&[&token]).finalize().into_bytes();
        token.extend(&mac[..MAC]);
        BASE32_NOPAD.encode(&token).to_ascii_lowercase()
    }

    /// What a token for this purpose is about.
    ///
    /// # Errors
    ///
    /// When it is not ours, for something else, or too old.
    pub fn verify(&self, purpose: Purpose, token: &str, now: DateTime<Utc>) -> Result<Vec<u8>, TokenError> {
        let octets =
            BASE32_NOPAD.decode(token.to_ascii_uppercase().as_bytes()).map_err(|_| TokenError::Forged)?;
        let length = octets.len().checked_sub(MAC).ok_or(TokenError::Forged)?;
        let (said, tag) = octets.split_at(length);
        let [head, signer, rest @ ..] = said else { return Err(TokenError::Forged) };
        let ours = |key: &Key| key.name() == *signer && key.mac(&[said]).verify_truncated_left(tag).is_ok();
        if *head != VERSION << 4 | purpose.code() || !self.0.iter().any(ours) {
            return Err(TokenError::Forged);
        }
        if !purpose.expires() {
            return Ok(rest.to_vec());
        }
        let (expires, subject) = rest.split_first_chunk().ok_or(TokenError::Forged)?;
        let expires =
            Utc.timestamp_opt(i64::from_be_bytes(*expires), 0).single().ok_or(TokenError::Forged)?;
        if now < expires { Ok(subject.to_vec()) } else { Err(TokenError::Expired) }
    }

    /// The token of the return path of a mail, by its key in the tables.
    #[must_use]
    pub fn bounce(&self, mail_id: i64) -> String {
        self.sign(Purpose::Bounce, &mail_id.to_be_bytes(), None)
    }

    /// Which mail a token of a return path is about.
    ///
    /// # Errors
    ///
    /// When it is not ours.
    pub fn bounced(&self, token: &str, now: DateTime<Utc>) -> Result<i64, TokenError> {
        key_in(&self.verify(Purpose::Bounce, token, now)?)
    }

    /// The token that takes back a stop, by its key in the tables, until `expires`.
    #[must_use]
    pub fn undo(&self, stop_id: i64, expires: DateTime<Utc>) -> String {
        self.sign(Purpose::Undo, &stop_id.to_be_bytes(), Some(expires))
    }

    /// Which stop a token takes back.
    ///
    /// # Errors
    ///
    /// When it is not ours, or too old.
    pub fn undone(&self, token: &str, now: DateTime<Utc>) -> Result<i64, TokenError> {
        key_in(&self.verify(Purpose::Undo, token, now)?)
    }
}

/// The key of a row, as tokens hold it.
fn key_in(octets: &[u8]) -> Result<i64, TokenError> {
    Ok(i64::from_be_bytes(octets.try_into().map_err(|_| TokenError::Forged)?))
}

/// What a [`Purpose::Stop`] token says: who may be stopped by it, and which mail it stood in. It
/// never expires, and nothing can be read by it, because mails are forwarded and kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StopToken {
    /// The public id of the person.
    pub person: Uuid,
    /// The mail's key in the tables, if what it was about can be stopped alone.
    pub mail: Option<i64>,
}

impl StopToken {
    /// Signs it. Without a mail it is 55 letters long, so that it fits into the local part of an
    /// address; with one it is 68.
    #[must_use]
    pub fn sign(self, keys: &TokenKeys) -> String {
        let mut subject = self.person.as_bytes().to_vec();
        subject.extend(self.mail.iter().flat_map(|mail| mail.to_be_bytes()));
        keys.sign(Purpose::Stop, &subject, None)
    }

    /// Reads it.
    ///
    /// # Errors
    ///
    /// When it is not ours.
    pub fn verify(token: &str, keys: &TokenKeys, now: DateTime<Utc>) -> Result<Self, TokenError> {
        let subject = keys.verify(Purpose::Stop, token, now)?;
        let (person, mail) = subject.split_first_chunk::<16>().ok_or(TokenError::Forged)?;
        let mail = match mail {
            [] => None,
            mail => Some(key_in(mail)?),
        };
        Ok(Self { person: Uuid::from_bytes(*person), mail })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::Duration;
    use proptest::prelude::*;

    const OLD: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    const NEW: &str = "ffeeddccbbaa99887766554433221100FFEEDDCCBBAA99887766554433221100";

    fn keys(text: &str) -> TokenKeys {
        TokenKeys::parse(text).unwrap()
    }

    fn now() -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2024, 3, 5, 10, 0, 0).unwrap()
    }

    fn signed(keys: &TokenKeys, purpose: Purpose, subject: &[u8]) -> String {
        keys.sign(purpose, subject, purpose.expires().then(|| now() + Duration::days(14)))
    }

    /// T02: for another purpose it is worth nothing.
    #[test]
    fn a_token_is_good_for_its_purpose_alone() {
        let keys = keys(OLD);
        for made_for in Purpose::ALL {
            let token = signed(&keys, made_for, b"0123456789abcdef");
            for used_for in Purpose::ALL {
                let expected = if made_for == used_for {
                    Ok(b"0123456789abcdef".to_vec())
                } else {
                    Err(TokenError::Forged)
                };
                assert_eq!(keys.verify(used_for, &token, now()), expected, "{made_for:?} {used_for:?}");
            }
        }
    }

    #[test]
    fn an_old_key_is_taken_and_signs_nothing() {
        let before = signed(&keys(OLD), Purpose::Stop, b"x");
        let both = keys(&format!("# since May\n{NEW}\n\n  {OLD}\n"));
        assert_eq!(both.verify(Purpose::Stop, &before, now()), Ok(b"x".to_vec()));
        let after = signed(&both, Purpose::Stop, b"x");
        assert_eq!(after, signed(&keys(NEW), Purpose::Stop, b"x"));
        assert_eq!(keys(OLD).verify(Purpose::Stop, &after, now()), Err(TokenError::Forged));
        assert_eq!(keys(NEW).verify(Purpose::Stop, &before, now()), Err(TokenError::Forged));
    }

    #[test]
    fn a_token_expires_if_its_purpose_does() {
        let keys = keys(OLD);
        let (ends, day) = (now() + Duration::days(14), Duration::days(1));
        let token = keys.sign(Purpose::Undo, b"x", Some(ends));
        assert_eq!(keys.verify(Purpose::Undo, &token, ends - day), Ok(b"x".to_vec()));
        assert_eq!(keys.verify(Purpose::Undo, &token, ends), Err(TokenError::Expired));
        let stop = keys.sign(Purpose::Stop, b"x", None);
        assert_eq!(keys.verify(Purpose::Stop, &stop, now() + day * 100_000), Ok(b"x".to_vec()));
        let undo = keys.undo(7, ends);
        assert_eq!(keys.undone(&undo, ends - day), Ok(7));
        assert_eq!(keys.undone(&undo, ends), Err(TokenError::Expired));
        assert_eq!(keys.undone(&keys.bounce(7), now()), Err(TokenError::Forged));
    }

    /// B01: at most 64 octets in the local part, and the case may be folded.
    #[test]
    fn tokens_fit_into_addresses() {
        let keys = keys(OLD);
        assert_eq!(keys.bounced(&keys.bounce(i64::MAX).to_ascii_uppercase(), now()), Ok(i64::MAX));
        assert_eq!(keys.bounce(7).len(), 42);
        let person = Uuid::from_u128(0x0123_4567_89ab_cdef);
        let stop = StopToken { person, mail: None };
        assert_eq!(stop.sign(&keys).len(), 55);
        for stop in [stop, StopToken { person, mail: Some(7) }] {
            assert_eq!(StopToken::verify(&stop.sign(&keys), &keys, now()), Ok(stop));
        }
        assert_eq!(StopToken::verify(&keys.bounce(7), &keys, now()), Err(TokenError::Forged));
    }

    #[test]
    fn what_is_no_list_of_keys_says_where() {
        for (text, expected) in [
            ("", KeysError::Empty),
            ("# nothing\n", KeysError::Empty),
            (&OLD[1..], KeysError::NoKey(1)),
            (&format!("{OLD}\nsecret"), KeysError::NoKey(2)),
        ] {
            assert_eq!(TokenKeys::parse(text), Err(expected));
        }
        assert_eq!(format!("{:?}", keys(OLD)), "TokenKeys(1)");
    }

    proptest! {
        #[test]
        fn a_changed_token_is_forged(subject: Vec<u8>, at: prop::sample::Index, to in "[a-z2-7]") {
            let keys = keys(OLD);
            let token = signed(&keys, Purpose::Stop, &subject);
            let at = at.index(token.len());
            let mut changed = token.clone();
            changed.replace_range(at..=at, &to);
            if changed != token {
                prop_assert_eq!(keys.verify(Purpose::Stop, &changed, now()), Err(TokenError::Forged));
            }
        }

        #[test]
        fn garbage_is_forged(garbage: String) {
            for purpose in Purpose::ALL {
                prop_assert_eq!(keys(OLD).verify(purpose, &garbage, now()), Err(TokenError::Forged));
            }
        }
    }
}
