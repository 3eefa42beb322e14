//! The pages that mails link to: stop, and undo.
//!
//! Plain HTTP/1.1 on one address; TLS is for the web server in front. Everybody may send us anything,
//! so everything has a limit: the size of a request, the time that its head and its body take, the time
//! that an answer takes, the connections at once, and how long each of them lives. Who comes when all
//! places are taken waits in the queue of the system.
//!
//! It serves while the database is away, too: then it says so (503), and when to try again.

mod form;
pub mod ops;
mod pages;
mod routes;
mod server;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;

use crate::clock::Clock;
use crate::config::Config;
use crate::returns::webhook::Webhook;
use crate::stage::Stage;
use crate::web::pages::Pages;
use crate::web::routes::Site;
use crate::web::server::{Place, Server};

/// What a request may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The octets of a body: a form of two fields is a few hundred.
    pub body: usize,
    /// How long the head of a request may take to come; also the next one on a kept connection.
    pub head_within: Duration,
    /// How long a body may take to come.
    pub body_within: Duration,
    /// How long the database may take.
    pub answer_within: Duration,
    /// How long a connection is kept.
    pub connection: Duration,
    /// How long what is under way may take when a connection has to end.
    pub grace: Duration,
    /// Connections at once.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 8 * 1024,
            head_within: Duration::from_secs(10),
            body_within: Duration::from_secs(10),
            answer_within: Duration::from_secs(5),
            connection: Duration::from_mins(2),
            grace: Duration::from_secs(10),
            connections: 512,
        }
    }
}

/// The stage.
pub struct Web(Server);

impl Web {
    /// The stage of a configuration; listens when it runs.
    ///
    /// # Errors
    ///
    /// When there are no keys to read links with, or a template is wrong.
    pub fn new(config: &Config, pool: PgPool, clock: Clock, limits: Limits) -> anyhow::Result<Self> {
        let keys = config.secrets.keys_of_tokens()?;
        let base = config.web.public_url.path().trim_end_matches('/').to_owned();
        let pages = Pages::new(
            config.sender.clone(),
            config.smtp.reply_to.address().as_str().to_owned(),
            format!("{base}/style.css"),
            // Without a key nobody is forgotten, and no page says so.
            config.secrets.keys_of_addresses().ok().map(|_| config.housekeeping.keep_stopped.to_string()),
        );
        let pages = pages.map_err(|problems| {
            anyhow::anyhow!(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
        })?;
        let site = Site {
            pool,
            clock,
            keys: keys.clone(),
            one_click: config.web.one_click,
            hsts_subdomains: config.web.hsts_subdomains,
            zone: config.time.zone,
            base,
            pages,
            limits,
            webhook: Webhook::new(&config.secrets)?,
        };
        let place = Place { setting: "web.listen", address: config.web.listen, serves: "serves pages" };
        Ok(Self(Server::new(place, routes::router(Arc::new(site)), limits)))
    }

    /// Begins to listen, if it does not yet; returns where.
    ///
    /// # Errors
    ///
    /// When somebody else listens there, or the address is not this machine's.
    pub async fn listen(&mut self) -> anyhow::Result<SocketAddr> {
        self.0.listen().await
    }
}

impl Stage for Web {
    const NAME: &'static str = "web";
    // While the database is away, it says so.
    const NEEDS_TABLES: bool = false;

    async fn connect(&mut self) -> anyhow::Result<bool> {
        self.0.connect().await
    }

    async fn ready(&mut self) -> anyhow::Result<()> {
        self.0.ready().await
    }

    async fn step(&mut self) -> anyhow::Result<()> {
        self.0.step();
        Ok(())
    }

    async fn finish(&mut self) {
        self.0.finish().await;
    }
}
