//! A way to a server that can be cut, so that an outage is one test's alone.

use std::net::{Ipv4Addr, SocketAddr};

use rand::Rng;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// Passes connections on to a server while it is up; refuses them while it is down.
pub(crate) struct Proxy {
    target: String,
    address: SocketAddr,
    passing: Option<JoinHandle<()>>,
}

impl Proxy {
    /// A proxy that is down, to `host:port`. It has a loopback address of its own, so that nobody
    /// takes its port meanwhile.
    pub(crate) fn to(target: impl Into<String>) -> Self {
        let mut random = rand::rng();
        let ip =
            Ipv4Addr::new(127, random.random_range(2..=254), random.random(), random.random_range(1..=254));
        let port = random.random_range(20_000..=30_000);
        Self { target: target.into(), address: SocketAddr::from((ip, port)), passing: None }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets connections through from now on.
    pub(crate) fn up(&mut self) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(self.address).unwrap();
        let listener = socket.listen(64).unwrap();
        self.passing = Some(tokio::spawn(pass(listener, self.target.clone())));
    }

    /// Cuts all connections and refuses new ones.
    pub(crate) async fn down(&mut self) {
        if let Some(passing) = self.passing.take() {
            passing.abort();
            // It has ended, with all its connections, when this returns.
            let _ = passing.await;
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(passing) = &self.passing {
            passing.abort();
        }
    }
}

async fn pass(listener: TcpListener, target: String) {
    // Dropped with this task, it ends all connections.
    let mut connections = JoinSet::new();
    while let Ok((mut client, _)) = listener.accept().await {
        let target = target.clone();
        connections.spawn(async move {
            if let Ok(mut server) = TcpStream::connect(target).await {
                // However it ends, both sides see it.
                let _ = copy_bidirectional(&mut client, &mut server).await;
            }
        });
        while connections.try_join_next().is_some() {}
    }
}
