//! Mails as files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::mail::ReceivedMail;

/// Characters of a subject that go into a file's name.
const SLUG_LENGTH: usize = 40;

/// A mail that has become files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filed {
    /// The number its files' names begin with.
    pub number: usize,
    /// The path of the `.eml` file; the parts have the same name with another extension.
    pub path: PathBuf,
}

/// A directory that takes mails: `NNNN-subject.eml`, and beside it the decoded HTML part as `.html` and the text
/// part as `.txt`.
#[derive(Debug)]
pub struct Folder {
    directory: PathBuf,
    next: AtomicUsize,
}

impl Folder {
    /// Opens the directory, making it if there is none. Numbers go on after the highest that is there.
    ///
    /// # Errors
    ///
    /// When the directory cannot be made or listed.
    pub fn open(directory: impl Into<PathBuf>) -> io::Result<Self> {
        let directory = directory.into();
        fs::create_dir_all(&directory)?;
        let mut highest = 0;
        for entry in fs::read_dir(&directory)? {
            let name = entry?.file_name();
            let number = name
                .to_str()
                .and_then(|name| name.split_once('-'))
                .and_then(|(number, _)| number.parse().ok());
            highest = highest.max(number.unwrap_or(0));
        }
        Ok(Self { directory, next: AtomicUsize::new(highest + 1) })
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.directory
    }

    /// Writes a mail.
    ///
    /// # Errors
    ///
    /// When a file cannot be written.
    pub fn write(&self, mail: &ReceivedMail) -> io::Result<Filed> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let stem = format!("{number:04}-{}", slug(&mail.subject().unwrap_or_default()));
        let path = |extension: &str| self.directory.join(format!("{stem}.{extension}"));
        if let Some(html) = mail.html() {
            fs::write(path("html"), html)?;
        }
        if let Some(text) = mail.text() {
            fs::write(path("txt"), text)?;
        }
        let path = path("eml");
        fs::write(&path, &mail.data)?;
        Ok(Filed { number, path })
    }

    /// Removes the files of a mail.
    ///
    /// # Errors
    ///
    /// When a file is there and cannot be removed.
    pub fn remove(&self, filed: &Filed) -> io::Result<()> {
        for extension in ["eml", "html", "txt"] {
            match fs::remove_file(filed.path.with_extension(extension)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Letters and digits of a subject in lower case, everything else as single hyphens.
fn slug(subject: &str) -> String {
    let mut slug = String::new();
    for character in subject.chars().flat_map(char::to_lowercase) {
        if slug.chars().count() == SLUG_LENGTH {
            break;
        }
        if character.is_alphanumeric() {
            slug.push(character);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "mail".to_owned() } else { slug.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::slug;

    #[test]
    fn subjects_become_harmless_names() {
        assert_eq!(slug("3 neue Stellen: Ärztin / Köln"), "3-neue-stellen-ärztin-köln");
        assert_eq!(slug("../../etc/passwd"), "etc-passwd");
        assert_eq!(slug("!?"), "mail");
        assert_eq!(slug(&"ab ".repeat(40)).chars().count(), 40);
    }
}
