//! The keys that mails are signed with, and what is published of them (DKIM, RFC 6376 and 8463).

use std::fmt;
use std::sync::Arc;

use data_encoding::BASE64;
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{
    ED25519, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair,
    UnparsedPublicKey,
};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;

/// How a key signs (RFC 6376, 3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// What everybody verifies.
    Rsa,
    /// Shorter and faster, and not verified by everybody (RFC 8463).
    Ed25519,
}

impl Algorithm {
    /// As it stands in a signature.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rsa => "rsa-sha256",
            Self::Ed25519 => "ed25519-sha256",
        }
    }
}

/// A private key for signatures of mails.
#[derive(Clone)]
pub struct SigningKey(Arc<Pair>);

enum Pair {
    Rsa(Box<RsaKeyPair>),
    Ed25519(Ed25519KeyPair),
}

/// Why a text is not a key. Never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No PEM, or something else in it.
    #[error("there is no private key in PEM in it; an encrypted one cannot be used")]
    NoKey,
    /// RFC 8301, 3.2 wants 2048 bits, and more than 4096 are slow and too long for the DNS.
    #[error("it is not an RSA key of 2048 to 4096 bits; make one with: openssl genrsa 2048")]
    NotRsa,
    /// Another kind of key.
    #[error("it is not an Ed25519 key; make one with: openssl genpkey -algorithm ed25519")]
    NotEd25519,
    /// The two halves of the key do not belong together.
    #[error("what it signs does not verify; the key is damaged")]
    Damaged,
}

impl SigningKey {
    /// Reads an RSA key in PEM, PKCS#8 or PKCS#1, and tries it.
    ///
    /// # Errors
    ///
    /// When it is none, too short, or does not work.
    pub fn rsa(pem: &str) -> Result<Self, KeyError> {
        let pair = match PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| KeyError::NoKey)? {
            PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
            _ => return Err(KeyError::NotRsa),
        };
        Self(Arc::new(Pair::Rsa(Box::new(pair.map_err(|_| KeyError::NotRsa)?)))).tried()
    }

    /// Reads an Ed25519 key in PEM, PKCS#8, and tries it.
    ///
    /// # Errors
    ///
    /// When it is none, or does not work.
    pub fn ed25519(pem: &str) -> Result<Self, KeyError> {
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| KeyError::NoKey)?;
        let PrivateKeyDer::Pkcs8(der) = der else { return Err(KeyError::NotEd25519) };
        // Those of OpenSSL lack the public half, which is then worked out.
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der());
        Self(Arc::new(Pair::Ed25519(pair.map_err(|_| KeyError::NotEd25519)?))).tried()
    }

    fn tried(self) -> Result<Self, KeyError> {
        let said = b"jobalerts";
        let signature = self.sign(said)?;
        let verified = match &*self.0 {
            Pair::Rsa(pair) => {
                let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public().as_ref());
                public.verify(said, &signature)
            }
            Pair::Ed25519(pair) => {
                let public = UnparsedPublicKey::new(&ED25519, pair.public_key().as_ref());
                public.verify(digest(&SHA256, said).as_ref(), &signature)
            }
        };
        verified.map(|()| self).map_err(|_| KeyError::Damaged)
    }

    /// How it signs.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        match &*self.0 {
            Pair::Rsa(_) => Algorithm::Rsa,
            Pair::Ed25519(_) => Algorithm::Ed25519,
        }
    }

    /// The signature of what is said: of itself with RSA, of its SHA-256 with Ed25519 (RFC 8463, 3).
    ///
    /// # Errors
    ///
    /// When the key is damaged, which is found when it is read.
    pub fn sign(&self, said: &[u8]) -> Result<Vec<u8>, KeyError> {
        match &*self.0 {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), said, &mut signature)
                    .map_err(|_| KeyError::Damaged)?;
                Ok(signature)
            }
            Pair::Ed25519(pair) => Ok(pair.sign(digest(&SHA256, said).as_ref()).as_ref().to_vec()),
        }
    }

    /// What is to be published of it, as the text of a TXT record (RFC 6376, 3.6.1).
    #[must_use]
    pub fn record(&self) -> String {
        match &*self.0 {
            Pair::Rsa(pair) => {
                let key = subject_public_key_info(pair.public().as_ref());
                format!("v=DKIM1; k=rsa; p={}", BASE64.encode(&key))
            }
            Pair::Ed25519(pair) => {
                format!("v=DKIM1; k=ed25519; p={}", BASE64.encode(pair.public_key().as_ref()))
            }
        }
    }
}

/// By what is public of it.
impl PartialEq for SigningKey {
    fn eq(&self, other: &Self) -> bool {
        self.record() == other.record()
    }
}

impl Eq for SigningKey {}

/// Without the key.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.algorithm().name())
    }
}

/// The wrapping that all verifiers take around an RSA public key (RFC 5280, 4.1; RFC 8017, A.1).
fn subject_public_key_info(key: &[u8]) -> Vec<u8> {
    const RSA_ENCRYPTION: [u8; 15] =
        [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
    const SEQUENCE: u8 = 0x30;
    const BIT_STRING: u8 = 0x03;
    let bits = der(BIT_STRING, &[&[0], key].concat());
    der(SEQUENCE, &[&RSA_ENCRYPTION[..], &bits].concat())
}

/// A value in DER: tag, length, content.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let length = &length[length.iter().position(|&octet| octet > 0).unwrap_or(length.len() - 1)..];
    let mut value = vec![tag];
    if content.len() > 0x7f {
        value.push(0x80 | u8::try_from(length.len()).unwrap_or(u8::MAX));
    }
    value.extend(length);
    value.extend(content);
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use jobalerts_dev::secrets::{DKIM_ED25519_KEY, DKIM_RSA_KEY};

    /// As `openssl rsa -pubout` and `openssl pkey -pubout` print the public halves.
    #[test]
    fn what_is_published_is_the_public_half() {
        let rsa = SigningKey::rsa(DKIM_RSA_KEY).unwrap();
        assert_eq!(rsa.algorithm(), Algorithm::Rsa);
        assert_eq!(
            rsa.record(),
            "v=DKIM1; k=rsa; p=\
             MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAs7l7B4H/vUFwK222mvyQmuMcwQr4SGJSoMyN+mkLk3wH\
             gn+meRHrBwvvn+sUreifGsxA6rbMrXJexug4uDRLTzTbC+q+fMJjwCpEnp6SiMfbM1OXk8YFCS+ASAjDfmBWxN30\
             6j6wjp4fuITI9C67ZqiVnvbTv6I/9Ksfhe3TOWVxfmJ2zsV9+AZTAsQo9j4dmhNq3++G2vs+xpEptQfuEtAUnCnC\
             hxTpHjQ8kNlY7XrG5iCk93gsuPnupVD3AvuQDOVZe5WwH9lgcflF3nNuFkSN8m/t6A1KTpt7xXOjsupnA2/czyVo\
             M1ay70aiNUxQyy0paFNvYiTLthXErWIOWQIDAQAB"
        );
        let ed25519 = SigningKey::ed25519(DKIM_ED25519_KEY).unwrap();
        assert_eq!(ed25519.algorithm(), Algorithm::Ed25519);
        assert_eq!(ed25519.record(), "v=DKIM1; k=ed25519; p=KFs7HxMVYzdCgALreAxLjJTbmm6PpU9m/RE7EZBvlgw=");
        assert_eq!(format!("{rsa:?} {ed25519:?}"), "SigningKey(rsa-sha256) SigningKey(ed25519-sha256)");
    }

    /// The key of RFC 8463, A.1 and its record of A.2.
    #[test]
    fn the_key_of_the_standard_has_the_record_of_the_standard() {
        let der = [
            "302e020100300506032b657004220420",
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        ]
        .concat();
        let der = data_encoding::HEXLOWER.decode(der.as_bytes()).unwrap();
        let pem =
            format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", BASE64.encode(&der));
        let key = SigningKey::ed25519(&pem).unwrap();
        assert_eq!(key.record(), "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
    }

    /// A01.
    #[test]
    fn what_is_no_good_key_is_refused() {
        for (pem, expected) in [
            ("", KeyError::NoKey),
            (
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----",
                KeyError::NoKey,
            ),
            (DKIM_ED25519_KEY, KeyError::NotRsa),
            (SHORT, KeyError::NotRsa),
        ] {
            assert_eq!(SigningKey::rsa(pem), Err(expected));
        }
        assert_eq!(SigningKey::ed25519(DKIM_RSA_KEY), Err(KeyError::NotEd25519));
    }

    /// 1024 bits.
    const SHORT: &str = "\
-----BEGIN PRIVATE KEY-----
MIICdgIBADANBgkqhkiG9w0BAQEFAASCAmAwggJcAgEAAoGBALtHSDFD3mrLaPQJ
NOkzdII2ZC02xLI1CEtoehCa2AFOX06ioT1DB1MVZO/NMgCkbnbTYs6PikBs3qGr
8C19tSRuS8vN+EAZDvAS+h4nf0/TwR3g3oUxF6x15nbfYt7UC+nCk3w03vGoV3DP
xco3AsWqsQvF3UWc9Wvt8OBo5VC3AgMBAAECgYBXV65Ws6V2vzlKn0SbAlFzLTTZ
VXK0/kDJEofjWKQnL8sJXJXAgZNX72Fs6ZFJdWbDamDpn05GL8BBPHQ+cyNYdkaY
0P2tFr+nuiWMLKhoCMOxrNnhmUnbBQmPKIuUS+6yMkyU1C4R6vklJfIQlOfd2Dvs
1cLQlEJGrGx6unm3mQJBAO7+1ZIyY9yaoA7B24M87VJUB0b6KRx+r0jIB+hP/9AI
Y+bMd1xFDbyN+4WBb/CdVdJrJYGzpKaZW4fNx9NK6J0CQQDImnO6e61QAU/KwKVS
Nywlg7+7uYo2OMjJrdJspwlmeAsFqEEaJBhcOo+n3MraAQHbDkBfnujKcpYrB30i
PgxjAkEArNnkT0tgjEHM9z9f6uga4ItjhAMTzscVMTdy+KM7ahNXZaqFvVc4GyI5
QpKeClFQq9HQm6D4uYF7AJplJr0rxQJAJIOAlywV4t8qP/SK4wkp3vY5OxlNoAr7
+UHLcH2DB4TINNJobzKswHTkWyCkR8QxK0dPzlfldZwf21s0mrwCkwJAIh90aSej
3z90b1+vj1ZlaAXQ9HKrP8CpxvzLSTASapXwEenBiH96pEFi53FRx9jRLPh53U1d
QQvwwY6BQVDfqg==
-----END PRIVATE KEY-----
";
}
