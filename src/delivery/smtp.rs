//! SMTP: the only room that names the transport of its client.
//!
//! One [`Line`] is one connection, owned by one worker. The client's pool is
//! not used: after a time-out it can take the reply to one mail for the reply
//! to the next. Here every command has its own time limit (RFC 5321 section
//! 4.5.3.2), and on any error that is not a plain reply the connection is
//! dropped. `TCP_NODELAY` is on: without it each mail waits some 40 ms for a
//! delayed acknowledgement.

mod commands;
mod stream;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use lettre::address::Envelope;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Ehlo, Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter};
use lettre::transport::smtp::response::Response;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

use crate::config::{Smtp, SmtpTimeouts, SmtpTls};
use crate::delivery::smtp::commands::{Content, Group, Offered};
use crate::delivery::smtp::stream::{Octets, Stream};
use crate::domain::reply::{Judgement, Point, Sequel, codes};
use crate::domain::text::{one_line, shorten};

/// The mail server cannot be used at all, which is no mail's fault.
#[derive(Debug, Clone, thiserror::Error)]
#[error("mail server {server}: {cause}")]
pub struct RelayError {
    server: String,
    cause: String,
}

/// How far one mail came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The server has taken responsibility for it.
    Sent(String),
    /// The server does not have it.
    Not(Refusal),
    /// The content was handed over, and no clear reply came: it may have
    /// arrived (RFC 5321 section 4.5.3.2.6).
    Unknown(String),
}

/// Why the server does not have a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What it said, or how the connection ended; without addresses.
    pub reply: String,
    /// The three digits of the reply, if there was one.
    code: Option<u16>,
    /// Where the conversation was.
    pub point: Point,
    /// What that means.
    pub judgement: Judgement,
}

impl Refusal {
    /// The server said so, or would.
    fn said(point: Point, code: u16, text: &str) -> Self {
        let judgement = Judgement::of(point, code, text);
        Self { reply: format!("{code} {text}"), code: Some(code), point, judgement }
    }

    /// The connection ended, or went wrong.
    fn lost(point: Point, how: String) -> Self {
        Self { reply: how, code: None, point, judgement: Judgement::Away }
    }

    /// A domain takes no mail at all, as it says itself (RFC 7505, section 4.2).
    pub(super) fn of_domain() -> Self {
        Self::said(Point::Recipient, 556, "5.1.10 the domain takes no mail (null MX)")
    }

    /// What becomes of the mail.
    #[must_use]
    pub fn sequel(&self) -> Sequel {
        self.judgement.sequel(self.code.unwrap_or(400))
    }

    /// The codes of the reply, or how the connection ended.
    #[must_use]
    pub fn codes(&self) -> &str {
        match self.code {
            Some(_) => codes(&self.reply),
            None => &self.reply,
        }
    }
}

/// A mail server, and how to reach it.
pub struct Relay {
    settings: Smtp,
    hello: ClientId,
    /// PEM of a further authority to trust.
    authority: Option<Vec<u8>>,
    implicit_tls: Option<TlsConnector>,
    open_lines: Arc<AtomicUsize>,
}

impl Relay {
    /// Prepares for a mail server; does not connect.
    ///
    /// # Errors
    ///
    /// When the file of a further authority cannot be read.
    pub fn new(settings: &Smtp) -> Result<Self, RelayError> {
        let wrong = |path: &PathBuf, cause: &dyn fmt::Display| RelayError {
            server: settings.url.redacted(),
            cause: format!("smtp.ca_file {}: {cause}", path.display()),
        };
        let authority = match &settings.ca_file {
            None => None,
            Some(path) => Some(std::fs::read(path).map_err(|error| wrong(path, &error))?),
        };
        let implicit_tls = match settings.url.tls {
            SmtpTls::Implicit => Some(
                connector(authority.as_deref())
                    .map_err(|cause| RelayError { server: settings.url.redacted(), cause })?,
            ),
            _ => None,
        };
        let hello = settings.hello_name.clone().map_or_else(ClientId::default, ClientId::Domain);
        Ok(Self { settings: settings.clone(), hello, authority, implicit_tls, open_lines: Arc::default() })
    }

    /// How many lines are open, or being opened, now.
    #[must_use]
    pub fn open_lines(&self) -> usize {
        self.open_lines.load(Ordering::Relaxed)
    }

    /// Opens a line: connects, with TLS and authentication as configured.
    ///
    /// # Errors
    ///
    /// When any of it fails. Nothing falls back to plain text unless
    /// `tls=opportunistic` says so.
    pub async fn connect(&self) -> Result<Line, RelayError> {
        let opened = match self.open(false).await {
            Err(Unopened::WantsHelo) => self.open(true).await,
            opened => opened,
        };
        opened.map_err(|cause| {
            let cause = match cause {
                Unopened::WantsHelo => "it takes neither EHLO nor HELO".to_owned(),
                Unopened::Because(cause) => without(&cause, ""),
            };
            RelayError { server: self.settings.url.redacted(), cause }
        })
    }

    /// Opens a line; `plain` is with HELO, and without any extension.
    async fn open(&self, plain: bool) -> Result<Line, Unopened> {
        let open = Open::count(&self.open_lines);
        let url = &self.settings.url;
        let timeouts = &self.settings.timeouts;
        let connecting = TcpStream::connect((url.host.as_str(), url.port));
        let stream = within(timeouts.connect, "connecting", connecting).await?.map_err(|e| e.to_string())?;
        stream.set_nodelay(true).map_err(|e| e.to_string())?;
        let peer = stream.peer_addr().map_err(|e| e.to_string())?;
        let stream: Box<dyn Octets> = match &self.implicit_tls {
            None => Box::new(stream),
            Some(connector) => {
                let name = ServerName::try_from(url.host.clone()).map_err(|e| e.to_string())?;
                let handshake = connector.connect(name, stream);
                let encrypted = within(timeouts.connect, "TLS", handshake).await?;
                Box::new(encrypted.map_err(|e| format!("TLS: {e}"))?)
            }
        };
        let stream = Box::new(Stream::new(stream, peer, plain));
        let greeting = AsyncSmtpConnection::connect_with_transport(stream, &self.hello);
        let mut connection = within(timeouts.greeting, "greeting", greeting).await?.map_err(|error| {
            // RFC 5321 section 3.2: to a server that does not know EHLO one says HELO.
            match error.status().map(u16::from) {
                Some(500 | 502 | 504) if !plain => Unopened::WantsHelo,
                _ => Unopened::from(said(&error)),
            }
        })?;
        let starttls = match url.tls {
            SmtpTls::Required if !connection.can_starttls() => {
                return Err("it does not offer STARTTLS, and its URL requires TLS".to_owned().into());
            }
            SmtpTls::Required => true,
            SmtpTls::Opportunistic => connection.can_starttls(),
            SmtpTls::None | SmtpTls::Implicit => false,
        };
        if starttls {
            let parameters = self.tls_parameters().map_err(|e| said(&e))?;
            let upgrade = connection.starttls(parameters, &self.hello);
            within(timeouts.command, "STARTTLS", upgrade)
                .await?
                .map_err(|e| format!("STARTTLS: {}", said(&e)))?;
        }
        if let Some(credentials) = &url.credentials {
            let credentials =
                Credentials::new(credentials.user.expose().clone(), credentials.password.expose().to_owned());
            let auth = connection.auth(&[Mechanism::Plain, Mechanism::Login], &credentials);
            within(timeouts.command, "AUTH", auth).await?.map_err(|e| format!("AUTH: {}", said(&e)))?;
        }
        let offered = if plain {
            Offered::default()
        } else {
            // Once more, because the client keeps only some of what a server offers.
            let ehlo = connection.command(Ehlo::new(self.hello.clone()));
            let ehlo = within(timeouts.command, "EHLO", ehlo).await?.map_err(|e| said(&e))?;
            Offered::of(ehlo.message())
        };
        Ok(Line {
            _open: open,
            connection,
            timeouts: *timeouts,
            offered,
            mails: 0,
            most: self.settings.mails_per_connection,
        })
    }

    fn tls_parameters(&self) -> Result<TlsParameters, Error> {
        let mut builder = TlsParameters::builder(self.settings.url.host.clone());
        if let Some(pem) = &self.authority {
            builder = builder.add_root_certificate(Certificate::from_pem(pem)?);
        }
        builder.build_rustls()
    }
}

/// One connection to the mail server, good for one mail after the other.
pub struct Line {
    _open: Open,
    connection: AsyncSmtpConnection,
    timeouts: SmtpTimeouts,
    offered: Offered,
    mails: u32,
    most: u32,
}

/// Counts a line as long as it lives.
struct Open(Arc<AtomicUsize>);

impl Open {
    fn count(lines: &Arc<AtomicUsize>) -> Self {
        lines.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(lines))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What became of the line in the course of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// It is good for the next mail.
    Usable,
    /// It must be dropped.
    Broken,
}

impl Line {
    /// Announces a mail with this content: MAIL, RCPT and DATA, up to the
    /// server's "go ahead".
    ///
    /// # Errors
    ///
    /// If the server does not go ahead: why, and what is left of the line.
    pub async fn offer(&mut self, envelope: &Envelope, content: &str) -> Result<(), (Refusal, After)> {
        self.mails += 1;
        let octets = content.len();
        let refused = |code, text: &str| Err((Refusal::said(Point::Recipient, code, text), After::Usable));
        let [recipient] = envelope.to() else {
            return refused(554, "5.5.1 a mail has exactly one recipient");
        };
        let mut parameters = Vec::new();
        if !AsRef::<str>::as_ref(recipient).is_ascii() {
            // RFC 6531 section 3.1: only to a server that knows of it.
            if !self.connection.server_info().supports_feature(Extension::SmtpUtfEight) {
                return refused(
                    553,
                    "5.6.7 the mail server does not take internationalised addresses (SMTPUTF8)",
                );
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        if let Some(largest) = self.offered.largest {
            if largest > 0 && octets > largest {
                return refused(552, &format!("5.3.4 the mail server takes at most {largest} octets (SIZE)"));
            }
            parameters.push(MailParameter::Size(octets));
        }
        let secret = recipient.to_string();
        let mail = Mail::new(envelope.from().cloned(), parameters);
        let rcpt = Rcpt::new(recipient.clone(), vec![]);
        if self.offered.pipelining {
            return self.offer_together(mail, rcpt, &secret).await;
        }
        let (command, data) = (self.timeouts.command, self.timeouts.data);
        self.command(command, "MAIL", Point::Sender, mail, &secret).await?;
        self.command(command, "RCPT", Point::Recipient, rcpt, &secret).await?;
        self.command(data, "DATA", Point::Recipient, Data, &secret).await
    }

    /// MAIL, RCPT and DATA in one go. Each is answered, whatever became of the one
    /// before, and each answer is read; the first that says no counts.
    async fn offer_together(&mut self, mail: Mail, rcpt: Rcpt, secret: &str) -> Result<(), (Refusal, After)> {
        let (command, data) = (self.timeouts.command, self.timeouts.data);
        let mail = within(command, "MAIL", self.connection.command(Group(mail, rcpt, Data))).await;
        let mail = judge(mail, Point::Sender, secret, 200..=299);
        if let Err((refusal, After::Broken)) = mail {
            return Err((refusal, After::Broken));
        }
        let rcpt = within(command, "RCPT", self.connection.read_response()).await;
        let rcpt = judge(rcpt, Point::Recipient, secret, 200..=299);
        if let Err((refusal, After::Broken)) = rcpt {
            return Err((refusal, After::Broken));
        }
        let data = within(data, "DATA", self.connection.read_response()).await;
        let data = judge(data, Point::Recipient, secret, 354..=354);
        match (mail.and(rcpt), data) {
            (Ok(_), Ok(_)) => Ok(()),
            (Ok(_), Err((refusal, after))) | (Err((refusal, _)), Err((_, after))) => {
                Err((refusal, self.reset(after).await))
            }
            // It waits for a mail to nobody; without the line it forgets that.
            (Err((refusal, _)), Ok(_)) => Err((refusal, After::Broken)),
        }
    }

    async fn command<C: fmt::Display>(
        &mut self,
        limit: Duration,
        name: &str,
        point: Point,
        command: C,
        secret: &str,
    ) -> Result<(), (Refusal, After)> {
        let replied = within(limit, name, self.connection.command(command)).await;
        let expected = if name == "DATA" { 354..=354 } else { 200..=299 };
        match judge(replied, point, secret, expected) {
            Ok(_) => Ok(()),
            Err((refusal, after)) => Err((refusal, self.reset(after).await)),
        }
    }

    /// Clears what was announced, so that the line can be used again.
    async fn reset(&mut self, after: After) -> After {
        if after == After::Broken {
            return after;
        }
        match within(self.timeouts.command, "RSET", self.connection.command(Rset)).await {
            Ok(Ok(_)) => After::Usable,
            _ => After::Broken,
        }
    }

    /// Hands the content over and waits for the final reply. Whatever is not
    /// a clear reply leaves the mail's fate unknown: it may have arrived.
    pub async fn hand_over(&mut self, content: &str, recipient: &str) -> (Verdict, After) {
        let limit = self.timeouts.body + self.timeouts.final_reply;
        let replied = within(limit, "the final reply", self.connection.command(Content(content))).await;
        match judge(replied, Point::Recipient, recipient, 200..=299) {
            Ok(reply) => (Verdict::Sent(reply), After::Usable),
            Err((Refusal { reply, code: None, .. }, after)) => {
                (Verdict::Unknown(format!("{reply}, after the content was sent")), after)
            }
            Err((refusal, after)) => (Verdict::Not(refusal), after),
        }
    }

    /// Whether the line has carried as many mails as it should.
    #[must_use]
    pub fn is_worn(&self) -> bool {
        self.mails >= self.most
    }

    /// Says good-bye.
    pub async fn quit(mut self) {
        // The line is given up either way.
        let _ = within(self.timeouts.command, "QUIT", self.connection.quit()).await;
    }
}

type Replied = Result<Result<Response, Error>, String>;

/// Judges a reply; the only place that does.
fn judge(
    replied: Replied,
    point: Point,
    secret: &str,
    expected: std::ops::RangeInclusive<u16>,
) -> Result<String, (Refusal, After)> {
    let lost = |how: String| Err((Refusal::lost(point, without(&how, secret)), After::Broken));
    match replied {
        Err(timeout) => lost(timeout),
        Ok(Ok(response)) => {
            let code = u16::from(response.code());
            let reply = format!("{code} {}", response.message().collect::<Vec<_>>().join(" "));
            if expected.contains(&code) {
                Ok(without(&reply, secret))
            } else {
                lost(format!("unexpected reply {reply}"))
            }
        }
        Ok(Err(error)) => match error.status().map(u16::from) {
            Some(code @ 400..=599) => {
                let text = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                // RFC 5321 section 3.8: after a 421 the server closes the connection.
                let after = if code == 421 { After::Broken } else { After::Usable };
                Err((Refusal::said(point, code, &without(&text, secret)), after))
            }
            _ => lost(said(&error)),
        },
    }
}

/// Why a line could not be opened.
enum Unopened {
    /// The server does not know EHLO.
    WantsHelo,
    /// For another reason.
    Because(String),
}

impl From<String> for Unopened {
    fn from(cause: String) -> Self {
        Self::Because(cause)
    }
}

/// What the server said, or what went wrong, without the client's wording.
fn said(error: &Error) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string);
    match (error.status(), source) {
        (Some(code), Some(message)) => format!("{code} {message}"),
        (Some(code), None) => code.to_string(),
        (None, Some(cause)) => format!("connection lost: {cause}"),
        (None, None) => format!("connection lost: {error}"),
    }
}

/// On one line, at most 300 characters, and without the address that servers
/// like to repeat.
fn without(reply: &str, secret: &str) -> String {
    let mut line = one_line(reply);
    let lower = secret.to_ascii_lowercase();
    while let Some(start) = find_ignoring_case(&line, &lower) {
        line.replace_range(start..start + lower.len(), "[recipient]");
    }
    shorten(&line, 300)
}

fn find_ignoring_case(line: &str, lower: &str) -> Option<usize> {
    (!lower.is_empty()).then(|| line.to_ascii_lowercase().find(lower)).flatten()
}

async fn within<T>(limit: Duration, what: &str, work: impl Future<Output = T>) -> Result<T, String> {
    tokio::time::timeout(limit, work)
        .await
        .map_err(|_| format!("no answer within {} s: {what}", limit.as_secs()))
}

fn connector(authority: Option<&[u8]>) -> Result<TlsConnector, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(pem) = authority {
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|e| format!("smtp.ca_file: {e}"))?;
            roots.add(certificate).map_err(|e| format!("smtp.ca_file: {e}"))?;
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
