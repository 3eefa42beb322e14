//! The events of the story, and events made from them.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

const FOLDER: &str = "tests/golden/events";
const VACANCIES: std::ops::RangeInclusive<u8> = 1..=7;
/// Some more: the samples say nothing of pay, of no closing that moves to a later day, and of nothing that comes by night
/// or is gone before most have heard of it.
const MORE: [&str; 5] = [
    "deploy/dev/demo/contact-handler.json",
    "deploy/dev/demo/contact-handler-closes-later.json",
    "deploy/dev/demo/digital-examiner.json",
    "deploy/dev/demo/intelligence-analyst.json",
    "deploy/dev/demo/intelligence-analyst-filled.json",
];

/// An event as a file holds it.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    /// The file.
    pub(crate) path: PathBuf,
    /// When its source says it happened.
    pub(crate) time: DateTime<Utc>,
    /// All of it.
    pub(crate) event: Value,
}

/// The vacancy samples and some more, in the order in which they happened.
pub(crate) fn read() -> anyhow::Result<Vec<Sample>> {
    let mut samples = Vec::new();
    for entry in std::fs::read_dir(FOLDER).with_context(|| format!("cannot read {FOLDER}"))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let number = name.split('-').next().and_then(|number| number.parse::<u8>().ok());
        if number.is_some_and(|number| VACANCIES.contains(&number)) {
            samples.push(Sample::read(&path).with_context(|| format!("cannot read {}", path.display()))?);
        }
    }
    for more in MORE {
        samples.push(Sample::read(Path::new(more)).with_context(|| format!("cannot read {more}"))?);
    }
    samples.sort_by_key(|sample| sample.time);
    Ok(samples)
}

impl Sample {
    fn read(path: &Path) -> anyhow::Result<Self> {
        let event: Value = serde_json::from_slice(&std::fs::read(path)?)?;
        let time = event["time"].as_str().context("it has no time")?.parse()?;
        Ok(Self { path: path.to_owned(), time, event })
    }

    /// An attribute that is a text.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.event[name].as_str().unwrap_or_default()
    }

    /// What it is about, without `vacancy/`.
    pub(crate) fn reference(&self) -> &str {
        self.text("subject").trim_start_matches("vacancy/")
    }

    /// The same said of another vacancy, now, under an id of its own.
    pub(crate) fn made_anew(&self, reference: &str, now: DateTime<Utc>) -> Value {
        let time = now.to_rfc3339_opts(SecondsFormat::Secs, true);
        let mut event = self.event.clone();
        event["id"] = json!(format!("demo-{reference}"));
        event["subject"] = json!(format!("vacancy/{reference}"));
        event["time"] = json!(time);
        let data = &mut event["data"];
        data["posting"]["identifier"]["value"] = json!(reference);
        data["posting"]["datePosted"] = json!(time[..10]);
        data["posting"]["url"] = json!(format!("https://careers.force.example/jobs/{reference}"));
        data["effectiveAt"] = json!(time);
        data["observedAt"] = json!(time);
        event
    }

    /// The same under another id, as a feed says it that has lost count.
    pub(crate) fn said_again(&self) -> Value {
        let mut event = self.event.clone();
        event["id"] = json!(format!("{}-again", self.text("id")));
        event
    }

    /// What it says happened, in words.
    pub(crate) fn in_words(&self) -> String {
        let data = &self.event["data"];
        let said = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        match self.text("type") {
            "vacancy.corrected" => {
                let changes: Vec<String> = data["changes"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|change| {
                        let field = said(&change["field"]);
                        let (from, to) = (&change["from"], &change["to"]);
                        if to.is_null() {
                            format!("{field} changed, to what it does not say")
                        } else {
                            format!("{field} moved from {} to {}", said(&from["value"]), said(&to["value"]))
                        }
                    })
                    .collect();
                format!("Correction ({}): {}.", said(&data["reason"]), changes.join("; "))
            }
            "vacancy.closed" => format!("Closed: {}.", said(&data["reason"])),
            "vacancy.withdrawn" => {
                format!("Withdrawn: {}. \"{}\"", said(&data["reason"]), said(&data["publicExplanation"]))
            }
            _ => format!("New vacancy: {}.", said(&data["posting"]["title"])),
        }
    }
}
