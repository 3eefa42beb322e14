//! Signed calls of our webhook: who calls us knows a key, and calls now.

use chrono::{DateTime, Duration, TimeZone, Utc};
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::domain::keys::{Key, Keys, KeysError};

/// How far the time of a call may be from ours: what is older may have been listened to.
const CLOCKS_APART: Duration = Duration::minutes(5);

/// The keys of those who may call us; all are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKeys(Keys);

/// Why a call is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotSigned {
    /// There is no signature, or not by one of our keys, or of something else.
    #[error("the signature is not right")]
    Wrong,
    /// It was signed too long ago, or is yet to be.
    #[error("the signature is not of now")]
    NotNow,
}

impl SigningKeys {
    /// Reads keys as [`Keys::parse`] does.
    ///
    /// # Errors
    ///
    /// When there is no key, or a line that is none.
    pub fn parse(text: &str) -> Result<Self, KeysError> {
        Keys::parse(text).map(Self)
    }

    /// The signature of a call: `t=<seconds since 1970>,v1=<HMAC-SHA-256 of "t.body", in hex>`.
    #[must_use]
    pub fn sign(&self, body: &[u8], at: DateTime<Utc>) -> String {
        let time = at.timestamp().to_string();
        let tag = mac(self.0.first(), &time, body).finalize().into_bytes();
        format!("t={time},v1={}", HEXLOWER.encode(&tag))
    }

    /// Whether a call is signed by one of the keys, and now. There may be several `v1`, while its
    /// sender changes the key. They are compared in constant time.
    ///
    /// # Errors
    ///
    /// When it is not.
    pub fn verify(&self, signature: &str, body: &[u8], now: DateTime<Utc>) -> Result<(), NotSigned> {
        let parts = || signature.split(',').filter_map(|part| part.trim().split_once('='));
        let time = parts().find(|(name, _)| *name == "t").map(|(_, time)| time).ok_or(NotSigned::Wrong)?;
        let tags = parts().filter(|(name, _)| *name == "v1").take(4);
        let signed = tags
            .filter_map(|(_, tag)| HEXLOWER_PERMISSIVE.decode(tag.as_bytes()).ok())
            .any(|tag| self.0.iter().any(|key| mac(key, time, body).verify_slice(&tag).is_ok()));
        if !signed {
            return Err(NotSigned::Wrong);
        }
        let time = time.parse().ok().and_then(|time| Utc.timestamp_opt(time, 0).single());
        let apart = time.map(|time| (now - time).abs());
        if apart.is_some_and(|apart| apart <= CLOCKS_APART) { Ok(()) } else { Err(NotSigned::NotNow) }
    }
}

fn mac(key: &Key, time: &str, body: &[u8]) -> Hmac<Sha256> {
    key.mac(&[time.as_bytes(), b".", body])
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY_A: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    const KEY_B: &str = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";

    #[test]
    fn a_call_is_signed_with_one_of_the_keys_and_now() {
        let now = Utc.with_ymd_and_hms(2024, 3, 5, 10, 0, 0).unwrap();
        let (a, both) =
            (SigningKeys::parse(KEY_A).unwrap(), SigningKeys::parse(&format!("{KEY_B}\n{KEY_A}")).unwrap());
        let signature = a.sign(b"{}", now);
        assert!(signature.starts_with("t=1709632800,v1="));
        assert_eq!(both.verify(&signature, b"{}", now), Ok(()));
        assert_eq!(a.verify(&both.sign(b"{}", now), b"{}", now), Err(NotSigned::Wrong));
        let second = both.sign(b"{}", now) + ", " + signature.split_once(',').unwrap().1;
        assert_eq!(a.verify(&second, b"{}", now), Ok(()));
        for (apart, expected) in
            [(300, Ok(())), (301, Err(NotSigned::NotNow)), (-301, Err(NotSigned::NotNow))]
        {
            assert_eq!(a.verify(&signature, b"{}", now + Duration::seconds(apart)), expected, "{apart}");
        }
        for (signature, body) in [
            (signature.as_str(), "{ }"),
            (&signature.replace("t=17", "t=16"), "{}"),
            (&signature[..signature.len() - 2], "{}"),
            ("t=1709632800", "{}"),
            ("v1=00", "{}"),
            ("", "{}"),
        ] {
            assert_eq!(
                a.verify(signature, body.as_bytes(), now),
                Err(NotSigned::Wrong),
                "{signature} {body}"
            );
        }
        assert_eq!(format!("{both:?}"), "SigningKeys(2)");
    }
}
