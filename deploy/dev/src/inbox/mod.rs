//! An inbox for everybody: the mails an [`SmtpServer`](crate::smtp::SmtpServer) took, in memory and as files, and web
//! pages to look at them.
//!
//! ```no_run
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! use std::sync::Arc;
//!
//! use jobalerts_dev::inbox::{Inbox, router};
//! use jobalerts_dev::smtp::{Folder, SmtpServer, Storage};
//!
//! let inbox = Arc::new(Inbox::new(Folder::open("mails")?));
//! let server = SmtpServer::builder().storage(Storage::Sink(inbox.clone())).start().await?;
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! axum::serve(listener, router(inbox)).await?;
//! # anyhow::Ok(()) }).unwrap();
//! ```

mod escape;
mod page;
mod web;

#[cfg(test)]
mod tests;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Local};
use serde::Serialize;

use crate::smtp::{Filed, Folder, ReceivedMail, Sink};

pub use web::router;

/// Characters of the text shown in the list of mails.
const EXCERPT_LENGTH: usize = 140;

/// A mail in the inbox, with what the list of mails shows of it.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// The number its file's name begins with.
    pub number: usize,
    /// When it came.
    pub received: DateTime<Local>,
    /// The From header, decoded, or else the envelope's sender.
    pub from: String,
    /// The envelope's recipients.
    pub to: Vec<String>,
    /// The subject, decoded; empty if there is none.
    pub subject: String,
    /// The beginning of the text part, white space made single.
    pub excerpt: String,
    /// The Message-ID without angle brackets.
    pub message_id: Option<String>,
    /// Octets of the mail.
    pub size: usize,
    /// Whether the sender was told that the mail was taken.
    pub confirmed: bool,
    /// The `.eml` file's name.
    pub file: String,
    /// The mail itself.
    #[serde(skip)]
    pub mail: Arc<ReceivedMail>,
    #[serde(skip)]
    filed: Filed,
}

impl Entry {
    fn new(mail: &Arc<ReceivedMail>, filed: Filed) -> Self {
        let text = mail.text().unwrap_or_default();
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        Self {
            number: filed.number,
            received: mail.received.into(),
            from: sender(mail),
            to: mail.rcpt_to.clone(),
            subject: mail.subject().unwrap_or_default(),
            excerpt: words.chars().take(EXCERPT_LENGTH).collect(),
            message_id: mail.message_id(),
            size: mail.data.len(),
            confirmed: mail.confirmed,
            file: filed.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            mail: Arc::clone(mail),
            filed,
        }
    }
}

/// Who the mail says it is from.
fn sender(mail: &ReceivedMail) -> String {
    let message = mail.parsed();
    let from = message.as_ref().and_then(|message| message.from()?.first());
    match from.map(|from| (from.name(), from.address())) {
        Some((Some(name), Some(address))) => format!("{name} <{address}>"),
        Some((Some(either), None) | (None, Some(either))) => either.to_owned(),
        Some((None, None)) | None => mail.mail_from.clone(),
    }
}

/// Mails in the order they came. It writes each into its folder and reads nothing from there.
pub struct Inbox {
    folder: Folder,
    entries: Mutex<Vec<Arc<Entry>>>,
}

impl Inbox {
    /// An empty inbox, whatever the folder has in it already.
    #[must_use]
    pub fn new(folder: Folder) -> Self {
        Self { folder, entries: Mutex::default() }
    }

    /// All mails, the oldest first.
    #[must_use]
    pub fn entries(&self) -> Vec<Arc<Entry>> {
        self.lock().clone()
    }

    /// The mail with this number.
    #[must_use]
    pub fn entry(&self, number: usize) -> Option<Arc<Entry>> {
        self.lock().iter().find(|entry| entry.number == number).cloned()
    }

    /// Forgets all mails and removes their files; others in the folder stay.
    ///
    /// # Errors
    ///
    /// When a file cannot be removed; its mail and those before it stay.
    pub fn clear(&self) -> io::Result<()> {
        let mut entries = self.lock();
        while let Some(entry) = entries.last() {
            self.folder.remove(&entry.filed)?;
            entries.pop();
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Entry>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for Inbox {
    fn store(&self, mail: &Arc<ReceivedMail>) -> io::Result<()> {
        let filed = self.folder.write(mail)?;
        let entry = Arc::new(Entry::new(mail, filed));
        let mut entries = self.lock();
        let place = entries.partition_point(|earlier| earlier.number < entry.number);
        entries.insert(place, entry);
        Ok(())
    }
}
