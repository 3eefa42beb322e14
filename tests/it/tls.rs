//! T21: TLS to PostgreSQL and RabbitMQ with an authority of one's own, verified, and nothing without it.
//! (That to mail servers is in `delivery/secure.rs`.)

use jobalerts::config::{Amqp, Config, SecretUrl};
use jobalerts::intake::queue::Session;
use jobalerts::store;
use jobalerts_dev::smtp::Certificate;
use url::Url;

use crate::harness::events::Event;
use crate::harness::people::curious;
use crate::harness::tls::{AuthorityFile, Front, Prelude};
use crate::harness::{Delivered, Road, soon};

/// Where a server is.
fn target(url: &Url) -> String {
    format!("{}:{}", url.host_str().unwrap(), url.port().unwrap())
}

/// The database of a road, by a front that has this certificate.
async fn database(road: &Road, certificate: Option<&Certificate>, parameters: &str) -> (Front, String) {
    let mut url = Url::parse(road.config().database.url.expose()).unwrap();
    let front = Front::of(target(&url), Prelude::Asked, certificate).await;
    url.set_host(Some("localhost")).unwrap();
    url.set_port(Some(front.port())).unwrap();
    url.set_query(Some(parameters));
    (front, url.into())
}

/// The broker of a road, likewise.
async fn broker(road: &Road, certificate: &Certificate, authority: &AuthorityFile) -> (Front, Amqp) {
    let url = Url::parse(road.config().amqp.url.expose()).unwrap();
    let front = Front::of(target(&url), Prelude::None, Some(certificate)).await;
    let rest = url.as_str().split_once("://").unwrap().1;
    let secure = format!("amqps://{}", rest.replace(&target(&url), &format!("localhost:{}", front.port())));
    let mut environment = road.environment.clone();
    environment.insert("JOBALERTS_AMQP__URL".to_owned(), secure);
    environment.insert("JOBALERTS_AMQP__CA_FILE".to_owned(), authority.path().to_owned());
    (front, Config::load(None, &environment).unwrap().amqp)
}

/// A certificate that a client must not accept.
struct NotGood {
    what: &'static str,
    certificate: Certificate,
    /// Whose authority the client trusts, if not that of the certificate.
    trusted: Option<Certificate>,
}

impl NotGood {
    fn all() -> [Self; 3] {
        let loopback = || Certificate::for_loopback().unwrap();
        let misnamed = Certificate::for_names(&["db.example.org"]).unwrap();
        let expired = Certificate::expired().unwrap();
        [
            Self { what: "of another authority", certificate: loopback(), trusted: Some(loopback()) },
            Self { what: "of another name", certificate: misnamed, trusted: None },
            Self { what: "expired", certificate: expired, trusted: None },
        ]
    }

    fn authority(&self) -> AuthorityFile {
        AuthorityFile::of(self.trusted.as_ref().unwrap_or(&self.certificate))
    }
}

/// The whole road goes over TLS: the pool, the sessions of workers, the listener, and the broker.
#[tokio::test]
async fn the_road_goes_over_tls_to_both_servers() {
    let certificate = Certificate::for_loopback().unwrap();
    let authority = AuthorityFile::of(&certificate);
    let mut road = Road::new().await;
    road.publish(&[Event::sample("03")]).await;
    let verified = format!("sslmode=verify-full&sslrootcert={}", authority.path());
    let (_front, url) = database(&road, Some(&certificate), &verified).await;
    let (_broker_front, amqp) = broker(&road, &certificate, &authority).await;
    road.reconfigure("database.url", &url);
    road.reconfigure("amqp.url", amqp.url.expose());
    road.reconfigure("amqp.ca_file", authority.path());
    road.import(&[curious("ann@example.org")]).await;
    assert_eq!(road.intake().await.openings, 1);
    assert_eq!(road.drain().await, Delivered::ONE_MAIL);
    let checked = road.run(&["check", "--connect"]).await.successful().stdout;
    assert!(checked.contains("PostgreSQL answers") && checked.contains("RabbitMQ answers"), "{checked}");
}

#[tokio::test]
async fn a_database_that_could_be_anybody_is_refused() {
    let road = Road::new().await;
    for not_good in NotGood::all() {
        let (what, certificate, authority) = (not_good.what, &not_good.certificate, not_good.authority());
        let verified = format!("sslmode=verify-full&sslrootcert={}", authority.path());
        let (_front, url) = database(&road, Some(certificate), &verified).await;
        let error = soon("a refusal", store::connect(&url)).await.expect_err(what).to_string();
        assert!(error.contains("certificate"), "{what}: {error}");
        // Encrypted without a look at who it is: what `check` warns of.
        let (_front, url) = database(&road, Some(certificate), "sslmode=require").await;
        soon("a connection", store::connect(&url)).await.unwrap();
    }
}

#[tokio::test]
async fn nothing_is_said_to_a_database_without_tls() {
    let road = Road::new().await;
    let authority = AuthorityFile::of(&Certificate::for_loopback().unwrap());
    for mode in ["verify-full", "verify-ca", "require"] {
        let parameters = format!("sslmode={mode}&sslrootcert={}", authority.path());
        let (front, url) = database(&road, None, &parameters).await;
        let error = soon("a refusal", store::connect(&url)).await.expect_err(mode).to_string();
        assert!(error.contains("TLS"), "{mode}: {error}");
        assert_eq!(front.in_the_open(), b"", "{mode}");
    }
}

#[tokio::test]
async fn a_broker_that_could_be_anybody_is_refused() {
    let road = Road::new().await;
    road.broker().await;
    for not_good in NotGood::all() {
        let (what, certificate, authority) = (not_good.what, &not_good.certificate, not_good.authority());
        let (_front, amqp) = broker(&road, certificate, &authority).await;
        let refused = soon("a refusal", Session::open(&amqp)).await.err();
        let error = refused.unwrap_or_else(|| panic!("{what} is accepted")).to_string();
        assert!(error.contains("certificate"), "{what}: {error}");
    }
}

/// A server that speaks AMQP in the open hears the beginning of a TLS handshake, and nothing else.
#[tokio::test]
async fn nothing_is_said_to_a_broker_without_tls() {
    let road = Road::new().await;
    let authority = AuthorityFile::of(&Certificate::for_loopback().unwrap());
    let plain = Url::parse(road.config().amqp.url.expose()).unwrap();
    let front = Front::of(target(&plain), Prelude::None, None).await;
    let secure = plain.as_str().replace("amqp://", "amqps://");
    let secure = secure.replace(&target(&plain), &format!("localhost:{}", front.port()));
    let url = SecretUrl::amqp(&secure).unwrap();
    let amqp = Amqp { url, ca_file: Some(authority.path().into()), ..road.config().amqp.clone() };
    soon("a refusal", Session::open(&amqp)).await.err().expect("it is refused");
    let heard = front.in_the_open();
    // RFC 8446, section 5.1: the type of a record is its first octet, and 22 is a handshake.
    assert_eq!(heard[..2], [22, 3], "{heard:?}");
    let text = String::from_utf8_lossy(&heard);
    assert!(!text.contains("AMQP") && !text.contains(plain.username()), "{text}");
}

#[tokio::test]
async fn an_authority_that_cannot_be_read_is_named() {
    let road = Road::new().await;
    let empty = std::env::temp_dir().join(format!("jobalerts-it-{}.pem", uuid::Uuid::new_v4().simple()));
    std::fs::write(&empty, "no certificate\n").unwrap();
    for (path, cause) in
        [(empty.to_str().unwrap(), "there is no certificate in it"), ("/nowhere/ca.pem", "No such file")]
    {
        let mut command = road.command(&["check"]).await;
        command.env("JOBALERTS_AMQP__CA_FILE", path);
        let output = crate::harness::program::output(command, None).await;
        assert_eq!(output.code, Some(78), "{}", output.stdout);
        assert!(output.stdout.contains(&format!("amqp.ca_file {path}: {cause}")), "{}", output.stdout);
    }
    std::fs::remove_file(empty).unwrap();
}
