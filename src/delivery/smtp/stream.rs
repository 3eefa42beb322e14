//! What the client of SMTP speaks over, in the form that it takes.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Octets both ways: over TCP, or under TLS from the first octet (RFC 8314).
pub(super) trait Octets: AsyncRead + AsyncWrite + fmt::Debug + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + fmt::Debug + Send + Sync + Unpin> Octets for T {}

/// A stream to a mail server.
#[derive(Debug)]
pub(super) struct Stream {
    octets: Box<dyn Octets>,
    peer: SocketAddr,
    /// The client, which knows only EHLO, is to say HELO.
    plain: bool,
}

impl Stream {
    /// One to this peer.
    pub(super) fn new(octets: Box<dyn Octets>, peer: SocketAddr, plain: bool) -> Self {
        Self { octets, peer, plain }
    }
}

impl AsyncTokioStream for Stream {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.octets).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        // The client writes each command as a whole; no line of a mail begins a write like this.
        match buf.strip_prefix(b"EHLO ").filter(|_| self.plain) {
            Some(name) => Pin::new(&mut self.octets).poll_write(cx, &[b"HELO ", name].concat()),
            None => Pin::new(&mut self.octets).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.octets).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.octets).poll_shutdown(cx)
    }
}
