//! Looks up who takes a domain's mail (RFC 5321, section 5.1), in the
//! background: no mail waits for it. The only file that names the resolver.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use sqlx::PgPool;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::ProviderSettings;
use crate::delivery::claim::Rules;
use crate::delivery::directory::MOST;
use crate::domain::provider::Servers;
use crate::store::mail_domains::{self, Known};

/// The most domains that wait to be looked up; what is more is asked for again.
const WAITING: usize = 1000;

/// What look-ups need.
struct LookUp {
    resolver: TokioResolver,
    timeout: Duration,
    at_once: usize,
    age: chrono::Duration,
    rules: Rules,
    pool: PgPool,
    clock: Clock,
}

/// The work of looking up what claims by these rules ask for; ends when told to
/// stop.
///
/// # Errors
///
/// When the system's name servers are not known.
pub(super) fn look_up(
    settings: &ProviderSettings,
    rules: &Rules,
    pool: PgPool,
    clock: Clock,
    stopping: CancellationToken,
) -> anyhow::Result<impl Future<Output = ()> + use<>> {
    let (wanted, asked) = mpsc::channel(WAITING);
    rules.gate.directory.ask(wanted);
    let work = LookUp {
        resolver: resolver(settings.mx_server)?,
        timeout: settings.mx_timeout,
        at_once: settings.mx_at_once.into(),
        age: chrono::Duration::from_std(settings.mx_age)?,
        rules: rules.clone(),
        pool,
        clock,
    };
    Ok(async move {
        stopping.run_until_cancelled(Arc::new(work).run(asked)).await;
    })
}

fn resolver(server: Option<SocketAddr>) -> anyhow::Result<TokioResolver> {
    let builder = match server {
        None => TokioResolver::builder_tokio()?,
        Some(address) => {
            let mut server = NameServerConfig::udp_and_tcp(address.ip());
            for connection in &mut server.connections {
                connection.port = address.port();
            }
            let config = ResolverConfig::from_parts(None, vec![], vec![server]);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        }
    };
    Ok(builder.build()?)
}

impl LookUp {
    async fn run(self: Arc<Self>, mut asked: mpsc::Receiver<String>) {
        self.remember().await;
        let mut under_way = JoinSet::new();
        while let Some(domain) = asked.recv().await {
            if self.rules.gate.directory.needs_no_answer(&domain, self.clock.now()) {
                continue;
            }
            if under_way.len() >= self.at_once {
                under_way.join_next().await;
            }
            under_way.spawn(Arc::clone(&self).one(domain));
        }
    }

    /// Begins with what is known from before.
    async fn remember(&self) {
        let since = self.clock.now() - self.age;
        let known = async { mail_domains::known(&mut *self.pool.acquire().await?, since, MOST).await };
        match known.await {
            Ok(known) => known.into_iter().for_each(|known| self.rules.gate.directory.learn(known)),
            Err(error) => tracing::warn!(%error, "what was looked up of mail domains cannot be read"),
        }
    }

    async fn one(self: Arc<Self>, domain: String) {
        let found = tokio::time::timeout(self.timeout, self.servers(&domain)).await;
        let now = self.clock.now();
        let known = Known { domain, servers: found.ok().flatten(), looked_up_at: now };
        let kept =
            async { mail_domains::keep(&mut *self.pool.acquire().await?, &known, now - self.age * 2).await };
        if let Err(error) = kept.await {
            tracing::debug!(%error, "what was looked up of a mail domain cannot be written down");
        }
        self.rules.gate.directory.learn(known);
    }

    /// Who takes a domain's mail; none if that cannot be found out, or there is
    /// no such domain.
    async fn servers(&self, domain: &str) -> Option<Servers> {
        // With a dot at the end the name is whole.
        let answer = match self.resolver.mx_lookup(format!("{domain}.")).await {
            Ok(answer) => answer,
            Err(error) if error.is_no_records_found() && !error.is_nx_domain() => {
                return Some(Servers::Hosts(vec![]));
            }
            Err(_) => return None,
        };
        let mut hosts: Vec<String> = Vec::new();
        for record in answer.answers() {
            if let RData::MX(mx) = &record.data {
                hosts.push(mx.exchange.to_utf8().trim_end_matches('.').to_ascii_lowercase());
            }
        }
        // RFC 7505, section 3: one record, with the root for a name.
        if hosts.iter().all(String::is_empty) && !hosts.is_empty() {
            return Some(Servers::Nobody);
        }
        hosts.retain(|host| !host.is_empty());
        Some(Servers::Hosts(hosts))
    }
}
