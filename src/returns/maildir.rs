//! A maildir that a mail server delivers into: what is done goes from `new/` to `cur/`, what is for
//! a person stays where it is.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::returns::incoming::LARGEST;

/// The mails that are new, in the order of their names, which is that of their arrival.
///
/// # Errors
///
/// When the folder cannot be read.
pub fn new_mails(maildir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut mails = Vec::new();
    for entry in fs::read_dir(maildir.join("new"))? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            mails.push(entry.path());
        }
    }
    mails.sort();
    Ok(mails)
}

/// A mail, and one octet more than is looked at where it is longer. It is read to its end, because
/// who hands it over takes it for a failure if nobody listens.
///
/// # Errors
///
/// When it cannot be read.
pub fn read(mut mail: impl Read) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    mail.by_ref().take(LARGEST as u64 + 1).read_to_end(&mut octets)?;
    io::copy(&mut mail, &mut io::sink())?;
    Ok(octets)
}

/// The mail in a file.
///
/// # Errors
///
/// When it cannot be read.
pub fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    read(File::open(path)?)
}

/// Puts a mail that is done among those that were seen.
///
/// # Errors
///
/// When it cannot be moved.
pub fn done(maildir: &Path, mail: &Path) -> io::Result<()> {
    let mut name = mail.file_name().unwrap_or_default().to_owned();
    name.push(":2,S");
    fs::rename(mail, maildir.join("cur").join(name))
}
