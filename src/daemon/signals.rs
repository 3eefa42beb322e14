//! What signals ask for: SIGTERM and SIGINT to stop, SIGHUP to read again what
//! can change while the program runs.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::daemon::service_manager::ServiceManager;
use crate::delivery::pen::Pen;
use crate::domain::taxonomy::Taxonomy;

/// What is read again while the program runs.
#[derive(Clone)]
pub(super) struct Reread {
    pub(super) config: Config,
    pub(super) taxonomy: Arc<Taxonomy>,
    /// None where this process writes no mails.
    pub(super) pen: Option<Pen>,
}

impl Reread {
    /// Reads it. What is wrong is refused as a whole, and what was in effect stays so.
    fn read(&self) {
        let Self { config, taxonomy, pen } = self;
        match pen.as_ref().map(|pen| pen.read_again(config, taxonomy)) {
            None => tracing::info!("SIGHUP: this process writes no mails, so there is nothing to read again"),
            Some(Ok(())) => tracing::info!("SIGHUP: the templates were read again and are in effect"),
            Some(Err(error)) => {
                tracing::error!(%error, "SIGHUP: the templates are wrong; those before stay in effect");
            }
        }
    }
}

/// SIGHUP: read again what can change while the program runs.
pub(super) fn reread_on_signal(
    reread: Reread,
    manager: Arc<ServiceManager>,
) -> anyhow::Result<impl Future<Output = ()>> {
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        while hangup.recv().await.is_some() {
            let reread = reread.clone();
            manager.reloading();
            // Every sample is rendered: too long for the threads that send mails.
            if let Err(error) = tokio::task::spawn_blocking(move || reread.read()).await {
                tracing::error!(%error, "SIGHUP: reading again failed; what was in effect stays so");
            }
            manager.reloaded();
        }
    })
}

/// First signal: finish what was begun. Second: end at once.
pub(super) fn stop_on_signal(
    stop: CancellationToken,
    manager: Arc<ServiceManager>,
) -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        let mut signals = 0;
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            signals += 1;
            if signals == 1 {
                tracing::info!("stopping; finishes what is under way, a second signal ends at once");
                manager.stopping();
                stop.cancel();
            } else {
                tracing::warn!("ended at once; what was under way is done again after the next start");
                #[expect(clippy::exit, reason = "a second signal asks for exactly this")]
                std::process::exit(1);
            }
        }
    })
}
