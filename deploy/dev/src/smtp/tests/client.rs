//! A client that sends octets and reads lines.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// Either kind of connection.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

pub(super) struct Client {
    pub(super) stream: BufReader<Box<dyn Duplex>>,
}

impl Client {
    /// Connects and reads no greeting.
    pub(super) async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.expect("the server listens"))
    }

    pub(super) fn over(stream: impl Duplex + 'static) -> Self {
        Self { stream: BufReader::new(Box::new(stream)) }
    }

    /// Connects, reads the greeting, and says EHLO.
    pub(super) async fn greeted(address: SocketAddr) -> Self {
        let mut client = Self::connect(address).await;
        assert_eq!(client.code().await, 220);
        assert_eq!(client.ask("EHLO client.test").await, 250);
        client
    }

    pub(super) async fn send(&mut self, octets: impl AsRef<[u8]>) {
        self.stream.write_all(octets.as_ref()).await.expect("the connection takes octets");
        self.stream.flush().await.expect("the connection takes octets");
    }

    /// The lines of one reply.
    pub(super) async fn reply(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).await.expect("a line comes");
            let text = line.strip_suffix("\r\n").expect("a line ends with CRLF").to_owned();
            let last = text.as_bytes().get(3) != Some(&b'-');
            lines.push(text);
            if last {
                return lines;
            }
        }
    }

    /// The code of one reply.
    pub(super) async fn code(&mut self) -> u16 {
        let lines = self.reply().await;
        lines[0][..3].parse().expect("a reply begins with its code")
    }

    /// Sends a line and gives the code of the reply.
    pub(super) async fn ask(&mut self, line: &str) -> u16 {
        self.send(format!("{line}\r\n")).await;
        self.code().await
    }

    /// Sends a line and gives the whole reply, its lines joined by `|`.
    pub(super) async fn ask_all(&mut self, line: &str) -> String {
        self.send(format!("{line}\r\n")).await;
        self.reply().await.join("|")
    }

    /// MAIL, RCPT and DATA, all to be accepted.
    pub(super) async fn envelope(&mut self, recipient: &str) {
        assert_eq!(self.ask("MAIL FROM:<sender@example.org>").await, 250);
        assert_eq!(self.ask(&format!("RCPT TO:<{recipient}>")).await, 250);
        assert_eq!(self.ask("DATA").await, 354);
    }

    /// A whole mail; the code of the reply to the final dot.
    pub(super) async fn mail(&mut self, recipient: &str, subject: &str) -> u16 {
        self.envelope(recipient).await;
        self.ask(&format!("Message-ID: <{subject}@client.test>\r\nSubject: {subject}\r\n\r\nHello\r\n."))
            .await
    }

    /// What comes until the server closes; `Err` if it resets the connection.
    pub(super) async fn rest(&mut self) -> std::io::Result<String> {
        let mut rest = String::new();
        self.stream.read_to_string(&mut rest).await.map(|_| rest)
    }

    /// Whether the server has closed without another octet.
    pub(super) async fn is_closed(&mut self) -> bool {
        self.rest().await.is_ok_and(|rest| rest.is_empty())
    }
}
