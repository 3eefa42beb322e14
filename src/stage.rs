//! The one loop that all stages share.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// A stage of the road: waits for work, and does it step by step. Each step
/// claims on its left, writes on its right, and commits, so a stage may be
/// killed at any moment and run in any number of processes.
pub trait Stage: Send {
    /// The name in the log and on the command line.
    const NAME: &'static str;

    /// Waits until there may be work. Dropped half-way when the program stops.
    fn ready(&mut self) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Does one unit of work. Never dropped half-way.
    fn step(&mut self) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Finishes what is under way when the program stops.
    fn finish(&mut self) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// Rings when another stage, here or in another process, has left work.
#[derive(Debug, Clone, Default)]
pub struct Bell(Arc<Notify>);

impl Bell {
    /// Rings; whoever waits next hears it.
    pub fn ring(&self) {
        self.0.notify_one();
    }

    /// Waits until it rings, but no longer than `at_most`: a ring may be lost
    /// with a connection.
    pub async fn wait(&self, at_most: Duration) {
        // Either way it is time to look.
        let _ = tokio::time::timeout(at_most, self.0.notified()).await;
    }
}

/// The first wait after a fault.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// The longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Runs a stage until it is told to stop. A fault is told and waited out: 0.5,
/// 1, 2, 4, 8, 16 and then 30 seconds, each up to a quarter shorter or longer,
/// so that many processes do not come back at one moment.
pub async fn drive<S: Stage>(mut stage: S, stop: CancellationToken) {
    let mut faults = 0;
    tracing::info!(stage = S::NAME, "started");
    loop {
        let ready = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            ready = stage.ready() => ready,
        };
        let done = match ready {
            Ok(()) => stage.step().await,
            Err(error) => Err(error),
        };
        match done {
            Ok(()) => {
                if faults > 0 {
                    tracing::info!(stage = S::NAME, faults, "goes on");
                }
                faults = 0;
            }
            Err(error) => {
                let wait = wait_after(faults, &mut rand::rng());
                faults += 1;
                tracing::warn!(
                    stage = S::NAME,
                    faults,
                    wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
                    error = format!("{error:#}"),
                    "cannot go on; tries again"
                );
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = tokio::time::sleep(wait) => {}
                }
            }
        }
    }
    stage.finish().await;
    tracing::info!(stage = S::NAME, "stopped");
}

/// How long to wait after so many faults before this one.
pub(crate) fn wait_after(faults: u32, random: &mut impl Rng) -> Duration {
    let wait = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(faults)).min(LONGEST_WAIT);
    jittered(wait, random)
}

/// A wait up to a quarter shorter or longer.
#[must_use]
pub fn jittered(wait: Duration, random: &mut impl Rng) -> Duration {
    wait.mul_f64(random.random_range(0.75..=1.25))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn waits_grow_to_a_bound_and_are_jittered() {
        let mut random = rand::rngs::StdRng::seed_from_u64(7);
        let mut waits = Vec::new();
        for faults in 0..40 {
            let wait = wait_after(faults, &mut random);
            let middle = FIRST_WAIT.as_secs_f64() * 2_f64.powi(i32::try_from(faults).unwrap());
            let middle = middle.min(LONGEST_WAIT.as_secs_f64());
            assert!((middle * 0.75..=middle * 1.25).contains(&wait.as_secs_f64()), "{faults}: {wait:?}");
            waits.push(wait);
        }
        waits.dedup();
        assert!(waits.len() > 35, "waits differ");
    }
}
