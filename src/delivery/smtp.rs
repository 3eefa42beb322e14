//! SMTP: the only file that names the transport of its client.
//!
//! One [`Line`] is one connection, owned by one worker. The client's pool is
//! not used: after a time-out it can take the reply to one mail for the reply
//! to the next. Here every command has its own time limit (RFC 5321 section
//! 4.5.3.2), and on any error that is not a plain reply the connection is
//! dropped. `TCP_NODELAY` is on: without it each mail waits some 40 ms for a
//! delayed acknowledgement.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use lettre::address::Envelope;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter};
use lettre::transport::smtp::response::Response;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

use crate::config::{Smtp, SmtpTimeouts, SmtpTls};
use crate::domain::text::{one_line, shorten};

/// The mail server cannot be used at all, which is no mail's fault.
#[derive(Debug, thiserror::Error)]
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
    /// It may work later: a 4xx reply, or the connection was lost.
    Later(String),
    /// The server will never take it: a 5xx reply.
    Never(String),
    /// The content was handed over, and no clear reply came: it may have
    /// arrived (RFC 5321 section 4.5.3.2.6).
    Unknown(String),
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

    /// How many lines may be open at a time.
    #[must_use]
    pub fn lines(&self) -> usize {
        self.settings.connections.into()
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
        self.open()
            .await
            .map_err(|cause| RelayError { server: self.settings.url.redacted(), cause: without(&cause, "") })
    }

    async fn open(&self) -> Result<Line, String> {
        let open = Open::count(&self.open_lines);
        let url = &self.settings.url;
        let timeouts = &self.settings.timeouts;
        let connecting = TcpStream::connect((url.host.as_str(), url.port));
        let stream = within(timeouts.connect, "connecting", connecting).await?.map_err(|e| e.to_string())?;
        stream.set_nodelay(true).map_err(|e| e.to_string())?;
        let stream: Box<dyn AsyncTokioStream> = match &self.implicit_tls {
            None => Box::new(stream),
            Some(connector) => {
                let name = ServerName::try_from(url.host.clone()).map_err(|e| e.to_string())?;
                let handshake = connector.connect(name, stream);
                let encrypted = within(timeouts.connect, "TLS", handshake).await?;
                Box::new(Encrypted(encrypted.map_err(|e| format!("TLS: {e}"))?))
            }
        };
        let greeting = AsyncSmtpConnection::connect_with_transport(stream, &self.hello);
        let mut connection = within(timeouts.greeting, "greeting", greeting).await?.map_err(|e| said(&e))?;
        let starttls = match url.tls {
            SmtpTls::Required if !connection.can_starttls() => {
                return Err("it does not offer STARTTLS, and smtp.url requires TLS".to_owned());
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
        Ok(Line {
            _open: open,
            connection,
            timeouts: *timeouts,
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
    /// Announces a mail: MAIL, RCPT and DATA, up to the server's "go ahead".
    ///
    /// # Errors
    ///
    /// The verdict if the server does not go ahead, and what is left of the
    /// line.
    pub async fn offer(&mut self, envelope: &Envelope) -> Result<(), (Verdict, After)> {
        self.mails += 1;
        let [recipient] = envelope.to() else {
            return Err((Verdict::Never("a mail has exactly one recipient".to_owned()), After::Usable));
        };
        let mut parameters = Vec::new();
        if !AsRef::<str>::as_ref(recipient).is_ascii() {
            // RFC 6531 section 3.1: only to a server that knows of it.
            if !self.connection.server_info().supports_feature(Extension::SmtpUtfEight) {
                let reply = "5.6.7 the mail server does not take internationalised addresses (SMTPUTF8)";
                return Err((Verdict::Never(reply.to_owned()), After::Usable));
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        let secret = recipient.to_string();
        let mail = Mail::new(envelope.from().cloned(), parameters);
        self.command(self.timeouts.command, "MAIL", mail, &secret).await?;
        self.command(self.timeouts.command, "RCPT", Rcpt::new(recipient.clone(), vec![]), &secret).await?;
        self.command(self.timeouts.data, "DATA", Data, &secret).await
    }

    async fn command<C: fmt::Display>(
        &mut self,
        limit: Duration,
        name: &str,
        command: C,
        secret: &str,
    ) -> Result<(), (Verdict, After)> {
        let replied = within(limit, name, self.connection.command(command)).await;
        let expected = if name == "DATA" { 354..=354 } else { 200..=299 };
        match judge(replied, secret, expected) {
            (Verdict::Sent(_), After::Usable) => Ok(()),
            // RFC 5321 section 4.5.3.1.10: too many recipients is not for ever.
            (Verdict::Never(reply), after) if name == "RCPT" && reply.starts_with("552") => {
                Err((Verdict::Later(reply), self.reset(after).await))
            }
            (verdict, after) => Err((verdict, self.reset(after).await)),
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
    pub async fn hand_over(&mut self, content: &[u8], recipient: &str) -> (Verdict, After) {
        let limit = self.timeouts.body + self.timeouts.final_reply;
        let replied = within(limit, "the final reply", self.connection.message(content)).await;
        match judge(replied, recipient, 200..=299) {
            (Verdict::Later(reply), After::Broken) if !reply.starts_with('4') => {
                (Verdict::Unknown(format!("{reply}, after the content was sent")), After::Broken)
            }
            judged => judged,
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

/// Turns a reply into a verdict; the only place that does.
fn judge(replied: Replied, secret: &str, expected: std::ops::RangeInclusive<u16>) -> (Verdict, After) {
    let text = |text: String| without(&text, secret);
    match replied {
        Err(timeout) => (Verdict::Later(text(timeout)), After::Broken),
        Ok(Ok(response)) => {
            let code = u16::from(response.code());
            let reply = text(format!("{code} {}", response.message().collect::<Vec<_>>().join(" ")));
            if expected.contains(&code) {
                (Verdict::Sent(reply), After::Usable)
            } else {
                (Verdict::Later(format!("unexpected reply {reply}")), After::Broken)
            }
        }
        Ok(Err(error)) => {
            let reply = text(said(&error));
            match error.status().map(u16::from) {
                // RFC 5321 section 3.8: the server is closing the connection.
                Some(421) => (Verdict::Later(reply), After::Broken),
                Some(400..=499) => (Verdict::Later(reply), After::Usable),
                Some(500..=599) => (Verdict::Never(reply), After::Usable),
                _ => (Verdict::Later(reply), After::Broken),
            }
        }
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

/// A stream under TLS from its first octet (RFC 8314), in the form that the
/// client takes.
#[derive(Debug)]
struct Encrypted(TlsStream<TcpStream>);

impl AsyncTokioStream for Encrypted {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().0.peer_addr()
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
