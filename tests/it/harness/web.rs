//! The pages, served in this process, and a plain client for them.

use std::net::SocketAddr;
use std::path::Path;

use jobalerts::config::Config;
use jobalerts::daemon::Program;
use jobalerts::domain::token::{StopToken, TokenKeys};
use jobalerts::health::Pulse;
use jobalerts::stage::drive;
use jobalerts::web::Limits;
use sqlx::{Connection, PgConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::database::{self, Role};
use super::{Road, soon};

/// The encoding of forms.
pub(crate) const FORM: &str = "application/x-www-form-urlencoded";
/// What mail programs send.
pub(crate) const ONE_CLICK: &str = "List-Unsubscribe=One-Click";

/// The web stage, running.
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    running: JoinHandle<()>,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(known, _)| known == name);
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} is there once");
        value
    }

    /// The path that takes the stop back.
    pub(crate) fn undo(&self) -> Option<String> {
        let (_, rest) = self.body.split_once("action=\"")?;
        Some(rest.split('"').next()?.to_owned())
    }

    fn read(octets: &[u8]) -> Self {
        let text = String::from_utf8(octets.to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let header = |line: &str| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_lowercase(), value.to_owned())
        };
        Self { status, headers: lines.map(header).collect(), body: body.to_owned() }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.running.abort();
    }
}

impl Site {
    pub(crate) async fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        request(self.address, method, path, headers, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.request("GET", path, &[], "").await
    }

    /// Sends a form.
    pub(crate) async fn post(&self, path: &str, form: &str) -> Answer {
        self.request("POST", path, &[("Content-Type", FORM)], form).await
    }
}

/// One request on a connection of its own.
pub(crate) async fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let headers: String = headers.iter().map(|(name, value)| [name, ": ", value, "\r\n"].concat()).collect();
    let length = if body.is_empty() && method != "POST" {
        String::new()
    } else {
        format!("Content-Length: {}\r\n", body.len())
    };
    raw(
        address,
        &format!(
            "{method} {path} HTTP/1.1\r\nHost: pages\r\nConnection: close\r\n{headers}{length}\r\n{body}"
        ),
    )
    .await
}

/// Sends this, and reads to the end.
pub(crate) async fn raw(address: SocketAddr, text: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    soon("an answer", stream.read_to_end(&mut answer)).await.unwrap();
    Answer::read(&answer)
}

impl Road {
    /// The pages of this road, in a process that serves nothing else: under the role of the pages.
    pub(crate) async fn site(&self) -> Site {
        self.site_within(Limits::default()).await
    }

    pub(crate) async fn site_within(&self, limits: Limits) -> Site {
        let pages = self.environment_as(Role::Web);
        let config = Config::load(None, &pages).unwrap();
        if config.secrets.webhook_keys.is_some() {
            let mut owner = PgConnection::connect(&self.url_as(Role::Migrate)).await.unwrap();
            database::grant(&mut owner, true).await.unwrap();
            owner.close().await.unwrap();
        }
        let mut web = Program::new(config, self.clock.clone()).unwrap().web(limits).unwrap();
        let address = web.listen().await.unwrap();
        let running = tokio::spawn(drive(web, Pulse::alone(), CancellationToken::new()));
        Site { address, running }
    }

    pub(crate) fn keys(&self) -> TokenKeys {
        let file: &Path = &self.config().secrets.token_keys.as_ref().unwrap().path;
        TokenKeys::parse(&std::fs::read_to_string(file).unwrap()).unwrap()
    }

    pub(crate) async fn public_id(&self, address: &str) -> Uuid {
        let found = sqlx::query_scalar("select public_id from subscribers where lookup = $1");
        found.bind(address).fetch_one(self.tester()).await.unwrap()
    }

    /// The path by which a person stops; from a mail, if it is named.
    pub(crate) async fn stop_path(&self, address: &str, mail: Option<i64>) -> String {
        let person = self.public_id(address).await;
        format!("/stop/{}", StopToken { person, mail }.sign(&self.keys()))
    }
}
