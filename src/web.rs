//! The pages that mails link to: stop, and undo.
//!
//! Plain HTTP/1.1 on one address; TLS is for the web server in front. Everybody may send us anything,
//! so everything has a limit: the size of a request, the time that its head and its body take, the time
//! that an answer takes, the connections at once, and how long each of them lives. Who comes when all
//! places are taken waits in the queue of the system.
//!
//! It serves while the database is away, too: then it says so (503), and when to try again.

mod form;
mod pages;
mod routes;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use sqlx::PgPool;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::config::Config;
use crate::returns::webhook::Webhook;
use crate::stage::Stage;
use crate::web::pages::Pages;
use crate::web::routes::Site;

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

/// The octets of a request's head.
const HEAD: usize = 16 * 1024;

/// The stage.
pub struct Web {
    address: SocketAddr,
    listener: Option<TcpListener>,
    router: Router,
    limits: Limits,
    places: Arc<Semaphore>,
    /// Somebody who has come and is not served yet.
    next: Option<(TcpStream, OwnedSemaphorePermit)>,
    served: TaskTracker,
    stop: CancellationToken,
}

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
        Ok(Self {
            address: config.web.listen,
            listener: None,
            router: routes::router(Arc::new(site)),
            limits,
            places: Arc::new(Semaphore::new(limits.connections)),
            next: None,
            served: TaskTracker::new(),
            stop: CancellationToken::new(),
        })
    }

    /// Begins to listen, if it does not yet; returns where.
    ///
    /// # Errors
    ///
    /// When somebody else listens there, or the address is not this machine's.
    pub async fn listen(&mut self) -> anyhow::Result<SocketAddr> {
        if self.listener.is_none() {
            let listener = TcpListener::bind(self.address).await;
            let listener =
                listener.with_context(|| format!("cannot listen on web.listen {}", self.address))?;
            tracing::info!(address = %listener.local_addr()?, "serves pages");
            self.listener = Some(listener);
        }
        Ok(self.listener.as_ref().context("it listens")?.local_addr()?)
    }
}

impl Stage for Web {
    const NAME: &'static str = "web";
    // While the database is away, it says so.
    const NEEDS_TABLES: bool = false;

    async fn connect(&mut self) -> anyhow::Result<bool> {
        let listened = self.listener.is_some();
        self.listen().await?;
        Ok(!listened)
    }

    async fn ready(&mut self) -> anyhow::Result<()> {
        let place = Arc::clone(&self.places).acquire_owned().await?;
        let listener = self.listener.as_ref().context("it listens")?;
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    self.next = Some((stream, place));
                    return Ok(());
                }
                // They went away before we looked.
                Err(error) if is_theirs(&error) => {}
                Err(error) => return Err(error).context("cannot take connections"),
            }
        }
    }

    async fn step(&mut self) -> anyhow::Result<()> {
        if let Some((stream, place)) = self.next.take() {
            let serving = serve(stream, self.router.clone(), self.limits, self.stop.clone());
            self.served.spawn(async move {
                serving.await;
                drop(place);
            });
        }
        Ok(())
    }

    async fn finish(&mut self) {
        self.listener = None;
        self.stop.cancel();
        self.served.close();
        self.served.wait().await;
    }
}

fn is_theirs(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Serves one connection to its end, or to that of its time. What goes wrong on it is between us and
/// them, and not worth a line: everybody could fill the log with it.
async fn serve(stream: TcpStream, router: Router, limits: Limits, stop: CancellationToken) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_within)
        .max_buf_size(HEAD)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stop.cancelled() => {}
        () = tokio::time::sleep(limits.connection) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(limits.grace, connection).await;
}
