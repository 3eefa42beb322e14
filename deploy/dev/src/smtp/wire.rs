//! Octets to and from a client: buffering, lines, mail data, TLS.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::command::MAX_AUTH_LINE;

/// Octets asked of the socket at a time.
const CHUNK: usize = 16 * 1024;

/// Octets of a line of mail data with its CRLF (RFC 5321, section 4.5.3.1.6).
const MAX_TEXT_LINE: usize = 1000;

/// A line a client sent where a command was due.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// The line without its CRLF.
    Text(Vec<u8>),
    /// More than any command may have; it has been skipped.
    TooLong,
    /// Ended by a lone LF, which ends no line (section 2.3.8).
    BareLineFeed,
}

/// What stood between DATA and the final dot.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Body {
    /// The content, dots unstuffed; empty if it was too large.
    pub(super) data: Vec<u8>,
    /// Whether it was larger than allowed.
    pub(super) too_large: bool,
    /// Whether a line was longer than 998 octets.
    pub(super) long_line: bool,
    /// Whether a CR or an LF stood alone.
    pub(super) bare_line_end: bool,
}

enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// The server's end of one connection. Replies are held back while a complete line is still waiting to be read, so
/// pipelined commands are answered in one packet (RFC 2920).
pub(super) struct Wire {
    transport: Transport,
    input: Vec<u8>,
    consumed: usize,
    output: Vec<u8>,
}

impl Wire {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { transport: Transport::Plain(stream), input: Vec::new(), consumed: 0, output: Vec::new() }
    }

    pub(super) fn is_tls(&self) -> bool {
        matches!(self.transport, Transport::Tls(_))
    }

    /// Does the server's side of a TLS handshake. What the client had sent ahead of it is dropped (RFC 3207,
    /// section 4.2).
    pub(super) async fn start_tls(self, acceptor: &TlsAcceptor) -> io::Result<Self> {
        let Transport::Plain(stream) = self.transport else {
            return Err(io::Error::other("the connection has TLS already"));
        };
        let stream = acceptor.accept(stream).await?;
        Ok(Self {
            transport: Transport::Tls(Box::new(stream)),
            input: Vec::new(),
            consumed: 0,
            output: self.output,
        })
    }

    /// Queues octets for the client.
    pub(super) fn queue(&mut self, octets: &[u8]) {
        self.output.extend_from_slice(octets);
    }

    /// Sends what is queued.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        if self.output.is_empty() {
            return Ok(());
        }
        let output = std::mem::take(&mut self.output);
        self.transport.write(&output).await?;
        self.output = output;
        self.output.clear();
        Ok(())
    }

    /// Sends `octets` one per packet, after what is queued.
    pub(super) async fn drip(&mut self, octets: &[u8]) -> io::Result<()> {
        self.flush().await?;
        for octet in octets {
            self.transport.write(&[*octet]).await?;
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// The next line, waiting for it; an error of kind `UnexpectedEof` when the client has closed.
    pub(super) async fn line(&mut self) -> io::Result<Line> {
        let mut scanned = 0;
        let mut too_long = false;
        loop {
            let pending = &self.input[self.consumed..];
            if let Some(position) = memchr::memchr(b'\n', &pending[scanned..]) {
                let end = scanned + position;
                let line = match pending[..end].strip_suffix(b"\r") {
                    _ if too_long || end > MAX_AUTH_LINE => Line::TooLong,
                    Some(text) => Line::Text(text.to_vec()),
                    None => Line::BareLineFeed,
                };
                self.consumed += end + 1;
                return Ok(line);
            }
            scanned = pending.len();
            if scanned > MAX_AUTH_LINE {
                too_long = true;
                self.consumed = self.input.len();
                scanned = 0;
            }
            self.fill().await?;
        }
    }

    /// Waits until something has come in that was not read yet.
    pub(super) async fn readable(&mut self) -> io::Result<()> {
        if self.consumed == self.input.len() { self.fill().await } else { Ok(()) }
    }

    /// Mail data up to the final dot. Only CRLF, dot, CRLF ends it (section 4.1.1.4).
    pub(super) async fn body(&mut self, max_size: usize) -> io::Result<Body> {
        let mut scanned = 0;
        let mut too_large = false;
        loop {
            let pending = &self.input[self.consumed..];
            if let Some(end) = end_of_data(pending, scanned) {
                too_large |= end > max_size;
                let body = if too_large {
                    Body { too_large, ..Body::default() }
                } else {
                    Body::read(&pending[..end])
                };
                self.consumed += end + 3;
                return Ok(body);
            }
            // The terminator may have begun in the last four octets.
            scanned = pending.len().saturating_sub(4);
            if pending.len() > max_size + 5 {
                too_large = true;
                self.consumed += scanned;
                scanned = 0;
            }
            self.fill().await?;
        }
    }

    /// Reads and drops what the client sends, until it closes; the error that ended it.
    pub(super) async fn drain(&mut self) -> io::Error {
        loop {
            self.consumed = self.input.len();
            if let Err(error) = self.fill().await {
                return error;
            }
        }
    }

    /// Closes the server's half of the connection.
    pub(super) async fn shutdown(&mut self) -> io::Result<()> {
        self.flush().await?;
        match &mut self.transport {
            Transport::Plain(stream) => stream.shutdown().await,
            Transport::Tls(stream) => stream.shutdown().await,
        }
    }

    /// Makes the close that follows a reset.
    pub(super) fn reset_on_close(&self) -> io::Result<()> {
        match &self.transport {
            Transport::Plain(stream) => stream.set_zero_linger(),
            Transport::Tls(stream) => stream.get_ref().0.set_zero_linger(),
        }
    }

    /// Sends what is queued and reads on.
    async fn fill(&mut self) -> io::Result<()> {
        self.flush().await?;
        if self.consumed == self.input.len() {
            self.input.clear();
        } else {
            self.input.drain(..self.consumed);
        }
        self.consumed = 0;
        self.input.reserve(CHUNK);
        let count = match &mut self.transport {
            Transport::Plain(stream) => stream.read_buf(&mut self.input).await?,
            Transport::Tls(stream) => stream.read_buf(&mut self.input).await?,
        };
        if count == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }
}

impl Transport {
    async fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        async fn all(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), octets: &[u8]) -> io::Result<()> {
            stream.write_all(octets).await?;
            stream.flush().await
        }
        match self {
            Self::Plain(stream) => all(stream, octets).await,
            Self::Tls(stream) => all(stream.as_mut(), octets).await,
        }
    }
}

/// Where the content in `pending` ends and the final dot stands, if it is there; octets before `scanned` have been
/// searched.
fn end_of_data(pending: &[u8], scanned: usize) -> Option<usize> {
    if pending.starts_with(b".\r\n") {
        return Some(0);
    }
    Some(scanned + memchr::memmem::find(&pending[scanned..], b"\r\n.\r\n")? + 2)
}

impl Body {
    /// Unstuffs dots (section 4.5.2) and looks at the lines.
    fn read(raw: &[u8]) -> Self {
        let mut body = Self { data: Vec::with_capacity(raw.len()), ..Self::default() };
        let mut start = 0;
        while start < raw.len() {
            let end = memchr::memmem::find(&raw[start..], b"\r\n")
                .map_or(raw.len(), |position| start + position + 2);
            let line = &raw[start..end];
            let line = line.strip_prefix(b".").unwrap_or(line);
            body.long_line |= line.len() > MAX_TEXT_LINE;
            body.bare_line_end |=
                memchr::memchr2(b'\r', b'\n', line.strip_suffix(b"\r\n").unwrap_or(line)).is_some();
            body.data.extend_from_slice(line);
            start = end;
        }
        body
    }
}

#[cfg(test)]
mod tests {
    use super::{Body, end_of_data};

    #[test]
    fn only_a_dot_between_line_ends_ends_the_data() {
        assert_eq!(end_of_data(b".\r\n", 0), Some(0));
        assert_eq!(end_of_data(b"a\r\n.\r\nQUIT\r\n", 0), Some(3));
        assert_eq!(end_of_data(b"a\n.\r\n", 0), None);
        assert_eq!(end_of_data(b"a\r\n.\n", 0), None);
        assert_eq!(end_of_data(b"a\r\n..\r\n", 0), None);
    }

    #[test]
    fn dots_are_unstuffed_at_the_beginning_of_lines_only() {
        let body = Body::read(b"..\r\n...a\r\nb.\r\n.c\r\n");
        assert_eq!(body.data, b".\r\n..a\r\nb.\r\nc\r\n");
        assert!(!body.long_line && !body.bare_line_end);
    }

    #[test]
    fn lines_are_looked_at() {
        let longest = [b".", &[b'.'; 998][..], b"\r\n"].concat();
        assert!(!Body::read(&longest).long_line, "the stuffed dot does not count");
        assert!(Body::read(&[&[b'a'; 999][..], b"\r\n"].concat()).long_line);
        assert!(Body::read(b"a\nb\r\n").bare_line_end);
        assert!(Body::read(b"a\rb\r\n").bare_line_end);
        assert!(Body::read(b"a\r\r\n").bare_line_end);
    }
}
