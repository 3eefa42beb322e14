//! The handle of a running server, and its listener.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::ledger::{Connection, Ledger, Said, Speaker, Tally};
use super::mail::ReceivedMail;
use super::options::{Builder, Options, TlsMode};
use super::rule::{Rule, Stage};
use super::session;

/// Connections the system may hold for the server until it accepts them.
const BACKLOG: u32 = 1024;

/// What the handle and all sessions share.
pub(super) struct Shared {
    pub(super) options: Options,
    pub(super) ledger: Ledger,
    rules: RwLock<Arc<[Rule]>>,
    mail_numbers: AtomicUsize,
    /// Ends the sessions that are open; renewed each time.
    sessions: Mutex<CancellationToken>,
}

impl Shared {
    /// The first rule that acts at this stage.
    pub(super) fn rule(&self, stage: Stage, recipients: &[String]) -> Option<Rule> {
        let rules = Arc::clone(&self.rules.read().unwrap_or_else(PoisonError::into_inner));
        let rule = rules.iter().find(|rule| rule.fires(stage, recipients))?;
        self.ledger.count(|tally| tally.rules_fired += 1);
        Some(rule.clone())
    }

    /// A number for the next mail.
    pub(super) fn next_mail(&self) -> usize {
        self.mail_numbers.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// Whether the port is listened on, or only kept.
enum Port {
    Listening { acceptor: JoinHandle<()>, stop: CancellationToken },
    Kept(TcpSocket),
    Lost,
}

/// An SMTP server on a loopback port, for tests. Dropping it ends the listener and all sessions.
///
/// ```
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// use jobalerts_dev::smtp::{Rule, SmtpServer, Stage};
///
/// let server = SmtpServer::builder()
///     .script([Rule::at(Stage::Rcpt).to_local_prefix("gone").reply(550, "5.1.1 No such user")])
///     .start()
///     .await?;
/// println!("{}", server.url()); // smtp://127.0.0.1:40123
/// let mails = server.wait_for(0).await;
/// assert!(mails.is_empty());
/// # anyhow::Ok(()) }).unwrap();
/// ```
pub struct SmtpServer {
    shared: Arc<Shared>,
    address: SocketAddr,
    port: tokio::sync::Mutex<Port>,
    all: CancellationToken,
    _end: DropGuard,
}

impl SmtpServer {
    /// Settings for a new server.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(super) async fn start(options: Options, rules: Vec<Rule>, address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let all = CancellationToken::new();
        let shared = Arc::new(Shared {
            ledger: Ledger::new(options.keeps_mails),
            options,
            rules: RwLock::new(rules.into()),
            mail_numbers: AtomicUsize::new(0),
            sessions: Mutex::new(all.child_token()),
        });
        let port = tokio::sync::Mutex::new(accept(&shared, listener, &all));
        Ok(Self { shared, address, port, all: all.clone(), _end: all.drop_guard() })
    }

    /// The address it listens on.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// The address as a URL: `smtp://127.0.0.1:PORT`, or `smtps://` for TLS from the first octet on.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = match self.shared.options.tls {
            Some((TlsMode::Implicit, _)) => "smtps",
            _ => "smtp",
        };
        format!("{scheme}://{}", self.address)
    }

    /// Changes the misbehaviour, for what happens from now on; an empty script ends it.
    pub fn set_script(&self, rules: impl IntoIterator<Item = Rule>) {
        let rules: Arc<[Rule]> = rules.into_iter().collect();
        *self.shared.rules.write().unwrap_or_else(PoisonError::into_inner) = rules;
    }

    /// The mails that have arrived, in order; none unless they are kept in memory
    /// ([`Storage::Memory`](super::Storage::Memory)).
    #[must_use]
    pub fn mails(&self) -> Vec<Arc<ReceivedMail>> {
        self.shared.ledger.mails()
    }

    /// The Message-IDs of all mails that have arrived, without angle brackets, repeats included.
    #[must_use]
    pub fn message_ids(&self) -> Vec<String> {
        self.shared.ledger.message_ids()
    }

    /// The running totals.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.shared.ledger.tally()
    }

    /// Waits until `mails` mails have arrived, and gives what [`mails`](Self::mails) gives. It waits for ever if they
    /// do not come: put a time limit around it.
    pub async fn wait_for(&self, mails: usize) -> Vec<Arc<ReceivedMail>> {
        self.wait_until(|tally| tally.mails >= mails).await;
        self.mails()
    }

    /// Waits until the totals are such, without polling; the totals then.
    #[expect(clippy::missing_panics_doc, reason = "the sender of the totals lives in this handle")]
    pub async fn wait_until(&self, mut such: impl FnMut(&Tally) -> bool) -> Tally {
        let mut tally = self.shared.ledger.subscribe();
        let result = tally.wait_for(|tally| such(tally)).await;
        *result.expect("the sender lives in this handle")
    }

    /// All connections since the start.
    #[must_use]
    pub fn connections(&self) -> Vec<Connection> {
        self.shared.ledger.connections()
    }

    /// What was said, without mail data, over all connections; empty unless mails are kept in memory.
    #[must_use]
    pub fn transcript(&self) -> Vec<Said> {
        self.shared.ledger.transcript()
    }

    /// The lines clients have sent, from the [`transcript`](Self::transcript).
    #[must_use]
    pub fn commands(&self) -> Vec<String> {
        let lines = self.transcript().into_iter();
        lines.filter(|said| said.speaker == Speaker::Client).map(|said| said.text).collect()
    }

    /// Stops listening: new connections are refused from the moment this returns, open ones go on. The port is kept
    /// for [`listen_again`](Self::listen_again).
    ///
    /// # Errors
    ///
    /// When another program has taken the port in that moment.
    pub async fn stop_listening(&self) -> io::Result<()> {
        let mut port = self.port.lock().await;
        if let Port::Listening { acceptor, stop } = &mut *port {
            stop.cancel();
            // The only error is that the runtime is ending.
            acceptor.await.map_err(io::Error::other)?;
            *port = Port::Lost;
            *port = Port::Kept(self.bind()?);
        }
        Ok(())
    }

    /// Listens again on the same port.
    ///
    /// # Errors
    ///
    /// When another program has taken the port.
    pub async fn listen_again(&self) -> io::Result<()> {
        let mut port = self.port.lock().await;
        let socket = match std::mem::replace(&mut *port, Port::Lost) {
            listening @ Port::Listening { .. } => {
                *port = listening;
                return Ok(());
            }
            Port::Kept(socket) => socket,
            Port::Lost => self.bind()?,
        };
        *port = accept(&self.shared, socket.listen(BACKLOG)?, &self.all);
        Ok(())
    }

    /// Cuts all open connections in the middle of whatever they do.
    pub fn cut_connections(&self) {
        let mut sessions = self.shared.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.cancel();
        *sessions = self.all.child_token();
    }

    /// A socket on the server's port that does not listen.
    fn bind(&self) -> io::Result<TcpSocket> {
        let socket = if self.address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(self.address)?;
        Ok(socket)
    }
}

/// Accepts connections until stopped.
fn accept(shared: &Arc<Shared>, listener: TcpListener, all: &CancellationToken) -> Port {
    let stop = all.child_token();
    let (shared, stopped) = (Arc::clone(shared), stop.clone());
    let acceptor = tokio::spawn(async move {
        let listen = async {
            loop {
                // An error belongs to the one connection that failed before it was accepted.
                let Ok((stream, peer)) = listener.accept().await else { continue };
                let cut = shared.sessions.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let shared = Arc::clone(&shared);
                let number = shared.ledger.connected(peer);
                tokio::spawn(async move {
                    cut.run_until_cancelled(session::run(&shared, stream, number)).await;
                    shared.ledger.disconnected(number);
                });
            }
        };
        stopped.run_until_cancelled(listen).await;
    });
    Port::Listening { acceptor, stop }
}
