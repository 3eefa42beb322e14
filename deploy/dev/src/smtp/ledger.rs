//! What the server has seen.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::mail::ReceivedMail;

/// Running totals; see [`SmtpServer::wait_until`](super::SmtpServer::wait_until).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Connections accepted since the start.
    pub connections: usize,
    /// Connections open now.
    pub open: usize,
    /// Greeted commands that named a sender and were accepted (MAIL).
    pub transactions: usize,
    /// Mails that arrived: those confirmed and those kept by a rule's [`storing`](super::Rule::storing).
    pub mails: usize,
    /// Mails the client was told 250 for.
    pub confirmed: usize,
    /// Times a rule acted.
    pub rules_fired: usize,
}

/// A connection the server accepted.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Place in the order of acceptance, from 1.
    pub number: usize,
    /// The client's address.
    pub peer: SocketAddr,
    /// Whether it came to TLS.
    pub tls: bool,
    /// The user who authenticated.
    pub user: Option<String>,
    /// Mails that arrived over it.
    pub mails: usize,
    /// Whether it is still open.
    pub open: bool,
}

/// Who said a line of a transcript.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// The SMTP client.
    Client,
    /// This server.
    Server,
}

/// A line of a session, mail data excepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The connection's number.
    pub connection: usize,
    /// Who said it.
    pub speaker: Speaker,
    /// The line without its CRLF.
    pub text: String,
}

#[derive(Default)]
struct Entries {
    mails: Vec<Arc<ReceivedMail>>,
    message_ids: Vec<String>,
    transcript: Vec<Said>,
    connections: Vec<Connection>,
}

/// Everything the server remembers.
pub(super) struct Ledger {
    entries: Mutex<Entries>,
    tally: watch::Sender<Tally>,
    keeps_transcript: bool,
}

impl Ledger {
    pub(super) fn new(keeps_transcript: bool) -> Self {
        Self { entries: Mutex::default(), tally: watch::Sender::new(Tally::default()), keeps_transcript }
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Tally> {
        self.tally.subscribe()
    }

    pub(super) fn tally(&self) -> Tally {
        *self.tally.borrow()
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut Tally)) {
        self.tally.send_modify(change);
    }

    pub(super) fn mails(&self) -> Vec<Arc<ReceivedMail>> {
        let mut mails = self.entries().mails.clone();
        mails.sort_by_key(|mail| mail.number);
        mails
    }

    pub(super) fn message_ids(&self) -> Vec<String> {
        self.entries().message_ids.clone()
    }

    pub(super) fn transcript(&self) -> Vec<Said> {
        self.entries().transcript.clone()
    }

    pub(super) fn connections(&self) -> Vec<Connection> {
        self.entries().connections.clone()
    }

    /// Enters a connection; its number.
    pub(super) fn connected(&self, peer: SocketAddr) -> usize {
        let number = {
            let connections = &mut self.entries().connections;
            let number = connections.len() + 1;
            connections.push(Connection { number, peer, tls: false, user: None, mails: 0, open: true });
            number
        };
        self.count(|tally| {
            tally.connections += 1;
            tally.open += 1;
        });
        number
    }

    /// Changes what is known of a connection.
    pub(super) fn note(&self, connection: usize, change: impl FnOnce(&mut Connection)) {
        change(&mut self.entries().connections[connection - 1]);
    }

    pub(super) fn disconnected(&self, connection: usize) {
        self.note(connection, |connection| connection.open = false);
        self.count(|tally| tally.open -= 1);
    }

    pub(super) fn said(&self, connection: usize, speaker: Speaker, text: &str) {
        if self.keeps_transcript {
            self.entries().transcript.push(Said { connection, speaker, text: text.to_owned() });
        }
    }

    /// Enters a mail that has arrived: its Message-ID, and the mail itself if it is to be kept.
    pub(super) fn arrived(&self, mail: &Arc<ReceivedMail>, keep: bool) {
        let message_id = mail.message_id();
        {
            let mut entries = self.entries();
            entries.connections[mail.connection - 1].mails += 1;
            entries.message_ids.extend(message_id);
            if keep {
                entries.mails.push(Arc::clone(mail));
            }
        }
        self.count(|tally| {
            tally.mails += 1;
            tally.confirmed += usize::from(mail.confirmed);
        });
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
