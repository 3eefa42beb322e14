//! Events, made from the real ones in `tests/golden/events`.

use std::sync::atomic::{AtomicUsize, Ordering};

use jobalerts::intake::cloudevents::Message;
use serde_json::{Value, json};

/// A `CloudEvent`, not necessarily a good one.
#[derive(Debug, Clone)]
pub(crate) struct Event(Value);

fn fresh_id() -> Value {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    json!(format!("it-{}", NEXT.fetch_add(1, Ordering::Relaxed)))
}

impl Event {
    /// The sample whose file begins with this number.
    pub(crate) fn sample(number: &str) -> Self {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/events");
        let file = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap())
            .find(|entry| entry.file_name().to_string_lossy().starts_with(&format!("{number}-")))
            .unwrap_or_else(|| panic!("there is no sample {number}"));
        Self(serde_json::from_slice(&std::fs::read(file.path()).unwrap()).unwrap())
    }

    /// A vacancy in Birmingham for volunteers, open until filled: sample 03 under another reference.
    pub(crate) fn opened(reference: &str) -> Self {
        Self::about(&Self::sample("03"), reference)
            .with("/data/posting/identifier/value", reference)
            .with("/data/posting/url", format!("https://careers.force.example/jobs/{reference}"))
    }

    /// That the vacancy closes at another moment: the second event about it.
    pub(crate) fn closes_earlier(reference: &str, closing: &str) -> Self {
        Self::about(&Self::sample("04"), reference)
            .with("/data/posting", Value::Null)
            .with("/data/changes/0/to/value", closing)
    }

    /// That the door shut: the third event about a vacancy.
    pub(crate) fn closed(reference: &str) -> Self {
        Self::about(&Self::sample("06"), reference)
    }

    /// That a vacancy was taken down: the second event about it.
    pub(crate) fn withdrawn(reference: &str) -> Self {
        Self::about(&Self::sample("07"), reference)
    }

    /// The sample, as another event than before.
    pub(crate) fn like(number: &str) -> Self {
        Self(Self::sample(number).0).with("/id", fresh_id())
    }

    /// About another programme or event day: `programme/pc-pcda`.
    pub(crate) fn of(self, subject: &str) -> Self {
        self.with("/subject", subject)
    }

    /// In another cycle of the programme; without one if it has no name.
    pub(crate) fn cycle(self, name: Option<&str>) -> Self {
        self.with("/data/cycleId", name.map_or(Value::Null, Value::from))
    }

    fn about(sample: &Self, reference: &str) -> Self {
        Self(sample.0.clone()).with("/subject", format!("vacancy/{reference}")).with("/id", fresh_id())
    }

    /// The same with another value at a place; `/data/payText` need not be there yet.
    pub(crate) fn with(mut self, place: &str, value: impl Into<Value>) -> Self {
        let (parent, name) = place.rsplit_once('/').unwrap();
        let parent = self.0.pointer_mut(parent).unwrap_or_else(|| panic!("there is no {parent}"));
        match parent {
            Value::Array(items) => items[name.parse::<usize>().unwrap()] = value.into(),
            other => other[name] = value.into(),
        }
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.0.as_object_mut().unwrap().remove(name);
        self
    }

    pub(crate) fn titled(self, title: &str) -> Self {
        self.with("/data/posting/title", title)
    }

    /// Happened at this time, as another event than before.
    pub(crate) fn at(self, time: &str) -> Self {
        self.with("/time", time).with("/data/effectiveAt", time).with("/data/observedAt", time)
    }

    /// With another version, as another event than before.
    pub(crate) fn version(self, version: i64) -> Self {
        self.with("/entityversion", version).with("/id", fresh_id())
    }

    /// Shuts at a moment.
    pub(crate) fn shuts(self, moment: &str) -> Self {
        self.with("/data/closing", json!({"value": moment, "precision": "instant", "zone": "Europe/London"}))
    }

    pub(crate) fn value(&self) -> &Value {
        &self.0
    }

    pub(crate) fn kind(&self) -> &str {
        self.0["type"].as_str().unwrap()
    }

    pub(crate) fn body(&self) -> Vec<u8> {
        serde_json::to_vec(&self.0).unwrap()
    }

    /// As the broker hands it over.
    pub(crate) fn message(&self) -> Message {
        Message {
            content_type: Some("application/cloudevents+json; charset=utf-8".to_owned()),
            body: self.body(),
            ..Message::default()
        }
    }
}
