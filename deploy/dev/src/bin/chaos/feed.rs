//! A feed: vacancies that nobody asked for are published as fast as the broker confirms them, whatever happens to it.

use std::cell::Cell;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use jobalerts_dev::account::say;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::scene::Scene;

/// A vacancy like those of the feed.
const MODEL: &str = "tests/golden/events/03-vacancy-opened-230000IR.json";
/// So many are published at a time.
const BATCH: usize = 50;
/// After a batch that the broker did not confirm.
const PAUSE: Duration = Duration::from_millis(500);

/// What publishes.
pub(crate) struct Feed<'s> {
    scene: &'s Scene,
    model: Value,
    file: PathBuf,
    published: Cell<usize>,
    refused: Cell<usize>,
}

impl<'s> Feed<'s> {
    /// One that has published nothing.
    pub(crate) fn to(scene: &'s Scene, file: PathBuf) -> anyhow::Result<Self> {
        let model = fs::read(MODEL).with_context(|| format!("cannot read {MODEL}"))?;
        let model = serde_json::from_slice(&model)?;
        Ok(Self { scene, model, file, published: Cell::default(), refused: Cell::default() })
    }

    /// Publishes until it is told to stop. A batch that was not confirmed is published again as it is.
    pub(crate) async fn run(&self, stop: &CancellationToken) -> anyhow::Result<()> {
        let file = self.file.display().to_string();
        while !stop.is_cancelled() {
            let first = self.published.get();
            let events: Value = (first..first + BATCH).map(|number| self.event(number)).collect();
            fs::write(&self.file, events.to_string())?;
            while self.scene.program.run(&["publish", &file]).await.is_err() {
                self.refused.set(self.refused.get() + 1);
                tokio::time::sleep(PAUSE).await;
            }
            self.published.set(first + BATCH);
        }
        Ok(())
    }

    /// Waits until all that it has published is in the tables, with the event of the release.
    pub(crate) async fn is_taken_in(&self) -> anyhow::Result<()> {
        self.scene.has_events(self.published.get() + 1).await?;
        say(&format!(
            "All {} vacancies of the feed are in the tables. {} times the broker did not \
             confirm, and they were published again.",
            self.published.get(),
            self.refused.get()
        ));
        Ok(())
    }

    fn event(&self, number: usize) -> Value {
        let reference = format!("24{number:06}");
        let mut event = self.model.clone();
        event["id"] = json!(format!("chaos-{reference}"));
        event["subject"] = json!(format!("vacancy/{reference}"));
        event["data"]["posting"]["identifier"]["value"] = json!(reference);
        event
    }
}
