//! TLS in front of the servers that tests are given, whatever these can do themselves.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use jobalerts_dev::smtp::Certificate;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

/// PostgreSQL: "is TLS spoken here?", 8 octets with their length.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// An authority's certificate in a file, which goes with the value.
pub(crate) struct AuthorityFile(String);

impl AuthorityFile {
    pub(crate) fn of(certificate: &Certificate) -> Self {
        let path = std::env::temp_dir().join(format!("jobalerts-it-{}.pem", uuid::Uuid::new_v4().simple()));
        std::fs::write(&path, certificate.authority_pem()).unwrap();
        Self(path.to_str().unwrap().to_owned())
    }

    pub(crate) fn path(&self) -> &str {
        &self.0
    }
}

impl Drop for AuthorityFile {
    fn drop(&mut self) {
        // A file that is left in the temporary folder harms nobody.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// What is spoken before TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prelude {
    /// Nothing, as for `amqps://`.
    None,
    /// PostgreSQL's question.
    Asked,
}

/// Passes connections on to a server, without the TLS in which they come.
pub(crate) struct Front {
    address: SocketAddr,
    /// What came of those that were told that there is no TLS, beside PostgreSQL's question.
    in_the_open: Arc<Mutex<Vec<u8>>>,
    passing: JoinHandle<()>,
}

impl Front {
    /// In front of `host:port`; without a certificate it says that it speaks no TLS.
    pub(crate) async fn of(target: String, prelude: Prelude, certificate: Option<&Certificate>) -> Self {
        let acceptor = certificate.map(|certificate| certificate.acceptor().unwrap());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let in_the_open = Arc::default();
        let passing = tokio::spawn(pass(listener, target, prelude, acceptor, Arc::clone(&in_the_open)));
        Self { address, in_the_open, passing }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// What clients said to a server without TLS, beside PostgreSQL's question.
    pub(crate) fn in_the_open(&self) -> Vec<u8> {
        self.in_the_open.lock().unwrap().clone()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.passing.abort();
    }
}

async fn pass(
    listener: TcpListener,
    target: String,
    prelude: Prelude,
    acceptor: Option<TlsAcceptor>,
    in_the_open: Arc<Mutex<Vec<u8>>>,
) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let (target, acceptor, heard) = (target.clone(), acceptor.clone(), Arc::clone(&in_the_open));
        connections.spawn(async move {
            // However it ends, both sides see it.
            let _ = one(client, target, prelude, acceptor, heard).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn one(
    mut client: TcpStream,
    target: String,
    prelude: Prelude,
    acceptor: Option<TlsAcceptor>,
    heard: Arc<Mutex<Vec<u8>>>,
) -> std::io::Result<()> {
    if prelude == Prelude::Asked {
        let mut question = [0; 8];
        client.read_exact(&mut question).await?;
        assert_eq!(question, SSL_REQUEST);
        client.write_all(if acceptor.is_some() { b"S" } else { b"N" }).await?;
    }
    let Some(acceptor) = acceptor else {
        let mut said = Vec::new();
        if prelude == Prelude::None {
            // As RabbitMQ does with what is no AMQP: it says what it speaks, and hangs up.
            client.read_buf(&mut said).await?;
            client.write_all(b"AMQP\x00\x00\x09\x01").await?;
            client.shutdown().await?;
        }
        heard.lock().unwrap().extend_from_slice(&said);
        said.clear();
        client.read_to_end(&mut said).await?;
        heard.lock().unwrap().extend(said);
        return Ok(());
    };
    let mut client = acceptor.accept(client).await?;
    let mut server = TcpStream::connect(target).await?;
    copy_bidirectional(&mut client, &mut server).await.map(|_| ())
}
