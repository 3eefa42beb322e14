//! The one loop that all stages share.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::health::Pulse;

/// A stage of the road: waits for work, and does it step by step. Each step
/// claims on its left, writes on its right, and commits, so a stage may be
/// killed at any moment and run in any number of processes.
pub trait Stage: Send {
    /// The name in the log and on the command line.
    const NAME: &'static str;

    /// Whether it works on the tables, and so waits until they are there.
    const NEEDS_TABLES: bool = true;

    /// Where it says, within a step, that it waits for others.
    fn watched_by(&mut self, _pulse: &Pulse) {}

    /// Gets what it needs besides the tables, if it does not have it: a session
    /// with the broker, a port. Whether it did; asked before each step. Dropped
    /// half-way when the program stops.
    fn connect(&mut self) -> impl Future<Output = anyhow::Result<bool>> + Send {
        async { Ok(false) }
    }

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
pub async fn drive<S: Stage>(mut stage: S, pulse: Pulse, stop: CancellationToken) {
    let mut faults = 0;
    stage.watched_by(&pulse);
    tracing::info!(stage = S::NAME, "started");
    loop {
        let ready = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            ready = get_ready(&mut stage, &pulse) => ready,
        };
        pulse.works();
        let done = match ready {
            Ok(()) => stage.step().await,
            Err(error) => Err(error),
        };
        match done {
            Ok(()) => {
                pulse.is_well();
                if faults > 0 {
                    tracing::info!(stage = S::NAME, faults, "goes on");
                }
                faults = 0;
            }
            Err(error) => {
                let wait = wait_after(faults, &mut rand::rng());
                faults += 1;
                let error = format!("{error:#}");
                pulse.rests(&error);
                tracing::warn!(
                    stage = S::NAME,
                    faults,
                    wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
                    error,
                    "cannot go on; tries again"
                );
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = tokio::time::sleep(wait) => {}
                }
            }
        }
    }
    pulse.waits_for("the end of what is under way");
    stage.finish().await;
    pulse.has_stopped();
    tracing::info!(stage = S::NAME, "stopped");
}

/// Gets what a stage needs, and waits until there may be work.
async fn get_ready<S: Stage>(stage: &mut S, pulse: &Pulse) -> anyhow::Result<()> {
    pulse.works();
    if stage.connect().await? {
        pulse.is_well();
    }
    if S::NEEDS_TABLES {
        pulse.tables().await;
    }
    pulse.waits_for("work");
    stage.ready().await
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
