//! Plain HTTP/1.1 on one address, within limits.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::web::Limits;

/// The octets of a request's head.
const HEAD: usize = 16 * 1024;

/// Where to listen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// The setting that says so.
    pub(super) setting: &'static str,
    pub(super) address: SocketAddr,
    /// What the log says when it listens.
    pub(super) serves: &'static str,
}

/// A server.
pub(super) struct Server {
    place: Place,
    listener: Option<TcpListener>,
    router: Router,
    limits: Limits,
    places: Arc<Semaphore>,
    /// Somebody who has come and is not served yet.
    next: Option<(TcpStream, OwnedSemaphorePermit)>,
    served: TaskTracker,
    stop: CancellationToken,
}

impl Server {
    /// Listens when it runs.
    pub(super) fn new(place: Place, router: Router, limits: Limits) -> Self {
        Self {
            place,
            listener: None,
            router,
            limits,
            places: Arc::new(Semaphore::new(limits.connections)),
            next: None,
            served: TaskTracker::new(),
            stop: CancellationToken::new(),
        }
    }

    /// Begins to listen, if it does not yet; returns where.
    pub(super) async fn listen(&mut self) -> anyhow::Result<SocketAddr> {
        if self.listener.is_none() {
            let Place { setting, address, serves } = self.place;
            let listener = TcpListener::bind(address).await;
            let listener = listener.with_context(|| format!("cannot listen on {setting} {address}"))?;
            tracing::info!(address = %listener.local_addr()?, "{serves}");
            self.listener = Some(listener);
        }
        Ok(self.listener.as_ref().context("it listens")?.local_addr()?)
    }

    /// The same; whether it did not yet.
    pub(super) async fn connect(&mut self) -> anyhow::Result<bool> {
        let listened = self.listener.is_some();
        self.listen().await?;
        Ok(!listened)
    }

    /// Waits for somebody.
    pub(super) async fn ready(&mut self) -> anyhow::Result<()> {
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

    /// Begins to serve who has come.
    pub(super) fn step(&mut self) {
        if let Some((stream, place)) = self.next.take() {
            let serving = serve(stream, self.router.clone(), self.limits, self.stop.clone());
            self.served.spawn(async move {
                serving.await;
                drop(place);
            });
        }
    }

    /// Takes nobody more, and serves who is there.
    pub(super) async fn finish(&mut self) {
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
