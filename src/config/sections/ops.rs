//! How the service is watched.

use std::net::SocketAddr;
use std::time::Duration;

use crate::config::meaning::{duration, socket_address_or_none};
use crate::config::reader::Section;

/// `[ops]`: how those who run the service see how it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ops {
    /// Where its state and its metrics are served, if anywhere.
    pub listen: Option<SocketAddr>,
    /// A stage that is in one step for longer hangs.
    pub stuck_after: Duration,
    /// What metrics say of the tables and the queues is at most so old.
    pub refresh: Duration,
}

impl Ops {
    pub(in crate::config) fn read(mut s: Section<'_, '_>) -> Self {
        Self {
            listen: s.get("listen", "none", socket_address_or_none),
            stuck_after: s.get("stuck_after", "10m", duration),
            refresh: s.get("refresh", "15s", duration),
        }
    }
}
