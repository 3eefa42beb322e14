//! The daemons of a scene.

use std::os::unix::process::ExitStatusExt as _;

use anyhow::{bail, ensure};
use jobalerts_dev::program::{Daemon, Log};

use crate::scene::Scene;

/// The number of the signal by which daemons are stopped.
const SIGTERM: i32 = 15;

/// Daemons that run side by side.
pub(crate) struct Cast<'s> {
    scene: &'s Scene,
    parts: Vec<(&'static str, Daemon)>,
}

impl<'s> Cast<'s> {
    /// Starts a daemon for each of these lists of stages, by the scene's clock.
    pub(crate) fn start(scene: &'s Scene, stages: &[&'static str]) -> anyhow::Result<Self> {
        let start = |stages: &&'static str| anyhow::Ok((*stages, daemon(scene, stages)?));
        Ok(Self { scene, parts: stages.iter().map(start).collect::<anyhow::Result<_>>()? })
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.parts.len()
    }

    /// Kills one (SIGKILL), and starts it again at once.
    pub(crate) async fn kill(&mut self, number: usize) -> anyhow::Result<()> {
        let (stages, victim) = self.parts.remove(number);
        victim.kill().await?;
        self.parts.insert(number, (stages, daemon(self.scene, stages)?));
        Ok(())
    }

    /// Fails if one has ended that nobody ended.
    pub(crate) fn all_live(&mut self) -> anyhow::Result<()> {
        for (stages, daemon) in &mut self.parts {
            if let Some(status) = daemon.has_ended()? {
                bail!("the daemon of {stages} has ended by itself: {status}");
            }
        }
        Ok(())
    }

    /// Stops all of them (SIGTERM).
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        self.all_live()?;
        for (stages, daemon) in self.parts {
            let status = daemon.stop().await?;
            // One that has only just been started does not know yet that it may finish first.
            let stopped = status.success() || status.signal() == Some(SIGTERM);
            ensure!(stopped, "the daemon of {stages} was told to stop and ended with {status}");
        }
        Ok(())
    }
}

fn daemon(scene: &Scene, stages: &str) -> anyhow::Result<Daemon> {
    scene.program.start_daemon(&["--stages", stages, "--now", &scene.clock.text()], Log::File)
}
