//! Secrets of a world in which there is nothing to protect.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// A key for tokens. Everybody knows it.
const TOKEN_KEY: &str = "6a6f62616c657274732d6465762d6b65792d65766572796f6e652d6b6e6f7773";

/// A key for addresses. Everybody knows it.
const ADDRESS_KEY: &str = "6a6f62616c657274732d6465762d616464726573736b65792d6b6e6f776e2121";
/// An RSA key to sign mails with. Everybody knows it.
pub const DKIM_RSA_KEY: &str = include_str!("../keys/dkim-rsa.pem");
/// An Ed25519 key to sign mails with. Everybody knows it.
pub const DKIM_ED25519_KEY: &str = include_str!("../keys/dkim-ed25519.pem");

/// Writes a file that only its owner can read, all at once, so that others see all of it or nothing.
///
/// # Errors
///
/// When it cannot be written.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    let aside = PathBuf::from(name);
    let mut file = File::options().create(true).write(true).truncate(true).mode(0o600).open(&aside)?;
    file.write_all(text.as_bytes())?;
    fs::rename(aside, path)
}

/// A file `token_keys` in this folder, for `secrets.token_keys_file`.
///
/// # Errors
///
/// When it cannot be written.
pub fn token_keys(folder: &Path) -> io::Result<PathBuf> {
    let path = folder.join("token_keys");
    write(&path, TOKEN_KEY)?;
    Ok(path)
}

/// A file `address_key` in this folder, for `secrets.address_key_file`.
///
/// # Errors
///
/// When it cannot be written.
pub fn address_key(folder: &Path) -> io::Result<PathBuf> {
    let path = folder.join("address_key");
    write(&path, ADDRESS_KEY)?;
    Ok(path)
}

/// Files `dkim-rsa.pem` and `dkim-ed25519.pem` in this folder, for `[dkim]`.
///
/// # Errors
///
/// When they cannot be written.
pub fn dkim_keys(folder: &Path) -> io::Result<[PathBuf; 2]> {
    let paths = ["dkim-rsa.pem", "dkim-ed25519.pem"].map(|name| folder.join(name));
    for (path, key) in paths.iter().zip([DKIM_RSA_KEY, DKIM_ED25519_KEY]) {
        write(path, key)?;
    }
    Ok(paths)
}
