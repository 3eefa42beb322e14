//! What nobody else may know.

use std::path::PathBuf;

use crate::config::meaning::secret_file;
use crate::config::reader::Section;
use crate::config::urls::Secret;
use crate::domain::signature::SigningKeys;
use crate::domain::suppression::AddressKeys;
use crate::domain::token::TokenKeys;

/// `[secrets]`: what nobody else may know. Each is a file that others cannot read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secrets {
    /// What the tokens in links and return paths are signed with.
    pub token_keys: Option<SecretFile<TokenKeys>>,
    /// What suppressed addresses are known by.
    pub address_keys: Option<SecretFile<AddressKeys>>,
    /// What calls of the webhook are signed with.
    pub webhook_keys: Option<SecretFile<SigningKeys>>,
}

impl Secrets {
    pub(in crate::config) fn read(mut s: Section<'_, '_>) -> Self {
        let keys = secret_file(s.paths(), TokenKeys::parse);
        let of_addresses = secret_file(s.paths(), AddressKeys::parse);
        let of_webhook = secret_file(s.paths(), SigningKeys::parse);
        Self {
            token_keys: s.optional("token_keys_file", keys),
            address_keys: s.optional("address_key_file", of_addresses),
            webhook_keys: s.optional("webhook_key_file", of_webhook),
        }
    }
}

impl Secrets {
    /// What tokens are signed with.
    ///
    /// # Errors
    ///
    /// When no key is configured.
    pub fn keys_of_tokens(&self) -> Result<&TokenKeys, NoTokenKeys> {
        self.token_keys.as_ref().map(|file| file.secret.expose()).ok_or(NoTokenKeys)
    }

    /// What suppressed addresses are known by.
    ///
    /// # Errors
    ///
    /// When no key is configured.
    pub fn keys_of_addresses(&self) -> Result<&AddressKeys, NoAddressKey> {
        self.address_keys.as_ref().map(|file| file.secret.expose()).ok_or(NoAddressKey)
    }
}

/// There is no key for tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "secrets.token_keys_file is not set, and no mail leaves without it, because each says how to stop; make the \
     file with: (umask 077; openssl rand -hex 32 > token_keys)"
)]
pub struct NoTokenKeys;

/// There is no key for addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "secrets.address_key_file is not set; by it is known to which addresses nothing is sent. Make the file with: \
     (umask 077; openssl rand -hex 32 > address_key), or take the one that was in use"
)]
pub struct NoAddressKey;

/// What a file that others cannot read holds, and which file that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretFile<T> {
    /// Where it was read.
    pub path: PathBuf,
    /// What it holds.
    pub secret: Secret<T>,
}
