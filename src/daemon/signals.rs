//! What signals ask for: SIGTERM and SIGINT to stop, SIGHUP to read again what
//! can change while the program runs.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::daemon::reading::Reading;
use crate::daemon::service_manager::ServiceManager;

/// SIGHUP: read again what can change while the program runs.
pub(super) fn read_on_signal(
    reading: Reading,
    manager: Arc<ServiceManager>,
) -> anyhow::Result<impl Future<Output = ()>> {
    let mut hangup = signal(SignalKind::hangup())?;
    let reading = Arc::new(reading);
    Ok(async move {
        while hangup.recv().await.is_some() {
            let reading = Arc::clone(&reading);
            manager.reloading();
            // Every sample is rendered: too long for the threads that send mails.
            if let Err(error) = tokio::task::spawn_blocking(move || reading.read_again()).await {
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
