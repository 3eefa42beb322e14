//! How a server is set up.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use tokio_rustls::TlsAcceptor;

use super::certificate::Certificate;
use super::folder::Folder;
use super::mail::ReceivedMail;
use super::rule::Rule;
use super::server::SmtpServer;

/// A service extension the server can offer in its EHLO reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extension {
    /// 8BITMIME (RFC 6152).
    EightBitMime,
    /// SIZE (RFC 1870).
    Size,
    /// PIPELINING (RFC 2920).
    Pipelining,
    /// ENHANCEDSTATUSCODES (RFC 2034).
    EnhancedStatusCodes,
    /// SMTPUTF8 (RFC 6531).
    SmtpUtf8,
}

/// Something that keeps mails.
pub trait Sink: Send + Sync {
    /// Keeps a mail; the client gets its 250 only afterwards.
    ///
    /// # Errors
    ///
    /// When the mail cannot be kept; the client is then told 451.
    fn store(&self, mail: &Arc<ReceivedMail>) -> io::Result<()>;
}

impl Sink for Folder {
    fn store(&self, mail: &Arc<ReceivedMail>) -> io::Result<()> {
        self.write(mail).map(drop)
    }
}

/// What becomes of mails.
#[derive(Clone, Default)]
pub enum Storage {
    /// They are kept in memory, and a transcript of all sessions too.
    #[default]
    Memory,
    /// They are counted and their Message-IDs remembered.
    Count,
    /// They are written to this directory (see [`Folder`]), counted, and their Message-IDs remembered.
    Folder(PathBuf),
    /// They are given away, counted, and their Message-IDs remembered.
    Sink(Arc<dyn Sink>),
}

/// Settings of a server; from [`SmtpServer::builder`].
#[must_use]
pub struct Builder {
    options: Options,
    rules: Vec<Rule>,
    storage: Storage,
    tls: Option<Tls>,
    address: SocketAddr,
}

/// How a client comes to TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TlsMode {
    Implicit,
    StartTls,
}

struct Tls {
    mode: TlsMode,
    acceptor: anyhow::Result<TlsAcceptor>,
}

/// What the sessions have to know.
pub(super) struct Options {
    pub(super) host: String,
    pub(super) extensions: Vec<Extension>,
    pub(super) tls: Option<(TlsMode, TlsAcceptor)>,
    pub(super) tls_required: bool,
    pub(super) users: Vec<(String, String)>,
    pub(super) auth_required: bool,
    pub(super) max_size: usize,
    pub(super) max_recipients: usize,
    pub(super) max_mails_per_connection: usize,
    pub(super) max_connections: usize,
    pub(super) sink: Option<Arc<dyn Sink>>,
    pub(super) keeps_mails: bool,
}

impl Options {
    pub(super) fn offers(&self, extension: Extension) -> bool {
        self.extensions.contains(&extension)
    }
}

impl Default for Builder {
    fn default() -> Self {
        let extensions = vec![
            Extension::EightBitMime,
            Extension::Size,
            Extension::Pipelining,
            Extension::EnhancedStatusCodes,
            Extension::SmtpUtf8,
        ];
        Self {
            options: Options {
                host: "relay.test".to_owned(),
                extensions,
                tls: None,
                tls_required: false,
                users: Vec::new(),
                auth_required: false,
                max_size: 10 * 1024 * 1024,
                max_recipients: 100,
                max_mails_per_connection: usize::MAX,
                max_connections: usize::MAX,
                sink: None,
                keeps_mails: true,
            },
            rules: Vec::new(),
            storage: Storage::Memory,
            tls: None,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        }
    }
}

impl Builder {
    /// Listens on this loopback address instead of a free port of 127.0.0.1.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// TLS from the first octet on (RFC 8314, section 3): `smtps://`.
    pub fn implicit_tls(mut self, certificate: &Certificate) -> Self {
        self.tls = Some(Tls { mode: TlsMode::Implicit, acceptor: certificate.acceptor() });
        self
    }

    /// Offers STARTTLS (RFC 3207).
    pub fn starttls(mut self, certificate: &Certificate) -> Self {
        self.tls = Some(Tls { mode: TlsMode::StartTls, acceptor: certificate.acceptor() });
        self
    }

    /// Without TLS, neither offers nor takes AUTH, and answers MAIL with 530.
    pub fn require_tls(mut self) -> Self {
        self.options.tls_required = true;
        self
    }

    /// Offers AUTH PLAIN and LOGIN (RFC 4954) and lets this user in; may be called for several.
    pub fn auth(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.options.users.push((user.into(), password.into()));
        self
    }

    /// Answers MAIL with 530 until the client has authenticated.
    pub fn require_auth(mut self) -> Self {
        self.options.auth_required = true;
        self
    }

    /// Does not offer this extension, and treats what it allows as an error; all are offered else.
    pub fn without(mut self, extension: Extension) -> Self {
        self.options.extensions.retain(|offered| *offered != extension);
        self
    }

    /// The largest mail taken, in octets; 10 MiB at first. Larger ones get 552.
    pub fn max_size(mut self, octets: usize) -> Self {
        self.options.max_size = octets;
        self
    }

    /// The most recipients of one mail; 100 at first. Further ones get 452.
    pub fn max_recipients(mut self, recipients: usize) -> Self {
        self.options.max_recipients = recipients;
        self
    }

    /// After this many mails on a connection, MAIL gets 421 and the connection is closed.
    pub fn max_mails_per_connection(mut self, mails: usize) -> Self {
        self.options.max_mails_per_connection = mails;
        self
    }

    /// While this many connections are open, further ones get 421 for a greeting.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.options.max_connections = connections;
        self
    }

    /// What becomes of mails; [`Storage::Memory`] at first.
    pub fn storage(mut self, storage: Storage) -> Self {
        self.storage = storage;
        self
    }

    /// The misbehaviour to begin with; [`SmtpServer::set_script`] changes it.
    pub fn script(mut self, rules: impl IntoIterator<Item = Rule>) -> Self {
        self.rules.extend(rules);
        self
    }

    /// Starts the server; it ends when the handle is dropped.
    ///
    /// # Errors
    ///
    /// When the address is not a loopback address or cannot be listened on, when the certificate cannot be used, or
    /// when the directory of [`Storage::Folder`] cannot be made.
    pub async fn start(mut self) -> anyhow::Result<SmtpServer> {
        if !self.address.ip().is_loopback() {
            bail!("{} is not a loopback address", self.address);
        }
        if let Some(tls) = self.tls {
            self.options.tls = Some((tls.mode, tls.acceptor?));
        }
        self.options.keeps_mails = matches!(self.storage, Storage::Memory);
        self.options.sink = match self.storage {
            Storage::Memory | Storage::Count => None,
            Storage::Folder(directory) => {
                let folder = Folder::open(&directory)
                    .with_context(|| format!("cannot use {}", directory.display()))?;
                Some(Arc::new(folder))
            }
            Storage::Sink(sink) => Some(sink),
        };
        SmtpServer::start(self.options, self.rules, self.address)
            .await
            .with_context(|| format!("cannot listen on {}", self.address))
    }
}
