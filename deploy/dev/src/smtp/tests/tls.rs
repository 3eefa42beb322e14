//! TLS in both ways.

use std::sync::Arc;

use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::client::{Client, Duplex};
use crate::smtp::{Certificate, SmtpServer};

async fn handshake(
    stream: impl Duplex + 'static,
    trusted: &Certificate,
    name: &'static str,
) -> std::io::Result<TlsStream<impl Duplex + 'static>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.authority_der()).expect("an authority");
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(name).expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

async fn connect(server: &SmtpServer) -> TcpStream {
    TcpStream::connect(server.addr()).await.expect("the server listens")
}

#[tokio::test]
async fn implicit_tls_comes_before_the_greeting() {
    let certificate = Certificate::for_loopback().expect("is made");
    let server = SmtpServer::builder().implicit_tls(&certificate).start().await.expect("starts");
    assert!(server.url().starts_with("smtps://127.0.0.1:"));
    let stream = handshake(connect(&server).await, &certificate, "127.0.0.1").await.expect("is trusted");
    let mut client = Client::over(stream);
    assert_eq!(client.code().await, 220);
    let capabilities = client.ask_all("EHLO client.test").await;
    assert!(!capabilities.contains("STARTTLS"), "{capabilities}");
    assert_eq!(client.mail("b@example.org", "x").await, 250);
    assert!(server.mails()[0].tls && server.connections()[0].tls);
}

#[tokio::test]
async fn starttls_begins_a_new_session() {
    let certificate = Certificate::for_loopback().expect("is made");
    let builder = SmtpServer::builder().starttls(&certificate).require_tls().auth("user", "secret");
    let server = builder.start().await.expect("starts");
    assert!(server.url().starts_with("smtp://127.0.0.1:"));
    let mut client = Client::greeted(server.addr()).await;
    let capabilities = client.ask_all("EHLO client.test").await;
    assert!(capabilities.contains("STARTTLS") && !capabilities.contains("AUTH"), "{capabilities}");
    assert_eq!(client.ask("AUTH PLAIN AHVzZXIAc2VjcmV0").await, 538);
    assert_eq!(client.ask("MAIL FROM:<>").await, 530);
    // What is sent in the clear behind STARTTLS does not count.
    client.send("STARTTLS\r\nEHLO injected.test\r\n").await;
    assert_eq!(client.code().await, 220);
    let stream = handshake(client.stream.into_inner(), &certificate, "localhost").await.expect("is trusted");
    let mut client = Client { stream: BufReader::new(Box::new(stream)) };
    assert_eq!(client.ask("MAIL FROM:<>").await, 503);
    let capabilities = client.ask_all("EHLO client.test").await;
    assert!(!capabilities.contains("STARTTLS") && capabilities.contains("AUTH"), "{capabilities}");
    assert_eq!(client.ask("STARTTLS").await, 503);
    assert_eq!(client.ask("AUTH PLAIN AHVzZXIAc2VjcmV0").await, 235);
    assert_eq!(client.mail("b@example.org", "x").await, 250);
    assert!(server.mails()[0].tls);
}

#[tokio::test]
async fn certificates_can_be_wrong() {
    let wrong_name = Certificate::for_names(&["other.example"]).expect("is made");
    let expired = Certificate::expired().expect("is made");
    for certificate in [&wrong_name, &expired] {
        let server = SmtpServer::builder().implicit_tls(certificate).start().await.expect("starts");
        assert!(handshake(connect(&server).await, certificate, "localhost").await.is_err());
    }
    let fine = Certificate::for_loopback().expect("is made");
    let server = SmtpServer::builder().implicit_tls(&fine).start().await.expect("starts");
    let unknown = Certificate::for_loopback().expect("is made");
    assert!(handshake(connect(&server).await, &unknown, "localhost").await.is_err());
    assert!(handshake(connect(&server).await, &fine, "localhost").await.is_ok());
}
