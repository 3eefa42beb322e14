//! Who got which mails.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jobalerts_dev::smtp::{ReceivedMail, Sink};

/// By address, the Message-IDs of the mails that arrived there.
#[derive(Default)]
pub(crate) struct Arrivals(Mutex<HashMap<String, Vec<String>>>);

impl Arrivals {
    /// What arrived so far.
    pub(crate) fn so_far(&self) -> HashMap<String, Vec<String>> {
        self.all().clone()
    }

    /// Whether a mail of this Message-ID arrived, given without its brackets.
    pub(crate) fn have(&self, message_id: &str) -> bool {
        self.all().values().flatten().any(|id| id == message_id)
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Vec<String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for Arrivals {
    fn store(&self, mail: &Arc<ReceivedMail>) -> io::Result<()> {
        let id = mail.message_id().ok_or_else(|| io::Error::other("a mail has no Message-ID"))?;
        for recipient in &mail.rcpt_to {
            self.all().entry(recipient.clone()).or_default().push(id.clone());
        }
        Ok(())
    }
}
