//! The events of the second act: samples, and events made from samples.

use std::fs;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::registrants::{DHEP, PCDA};

/// The sample that opens the route for degree-holders.
pub(super) const OPENED_DHEP: &str = "tests/golden/events/10-programme-opened-dhep.json";
/// The sample that opens the apprenticeship.
pub(super) const OPENED_PCDA: &str = "tests/golden/events/11-programme-opened-pcda.json";
/// The sample that says how full the apprenticeship is.
pub(super) const CAPACITY: &str = "tests/golden/events/12-programme-capacity.json";
/// The sample that shuts the apprenticeship.
pub(super) const CLOSED: &str = "tests/golden/events/13-programme-closed-oversubscribed.json";
const SCHEDULED: &str = "tests/golden/events/09-programme-scheduled.json";
const DATES_CHANGED: &str = "tests/golden/events/14-programme-dates-changed.json";

/// The date that is told first...
const FIRST_DATE: &str = "2024-03-04T10:00:00Z";
/// ...and the one on which the routes open.
const DATE: &str = "2024-03-05T10:00:00Z";

/// An event that is made from a sample.
struct Made(Value);

impl Made {
    fn from(path: &str) -> anyhow::Result<Self> {
        let text = fs::read(path).with_context(|| format!("cannot read {path}"))?;
        Ok(Self(serde_json::from_slice(&text)?))
    }

    /// It is about this programme, as this version, at this time.
    fn of(mut self, programme: &str, version: u32, time: &str) -> Self {
        let event = &mut self.0;
        event["id"] = json!(format!("demo-{programme}-{version}"));
        event["subject"] = json!(format!("programme/{programme}"));
        event["entityversion"] = json!(version);
        event["time"] = json!(time);
        event["data"]["effectiveAt"] = json!(time);
        event["data"]["observedAt"] = json!(time);
        self
    }

    /// It says this of the programme.
    fn saying(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.0["data"][field] = value.into();
        self
    }

    /// It says this of the programme's page.
    fn on_the_page(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.0["data"]["program"][field] = value.into();
        self
    }

    fn text(&self) -> String {
        self.0.to_string()
    }
}

/// Both routes get a date.
pub(super) fn scheduled() -> anyhow::Result<[String; 2]> {
    let time = "2024-02-19T10:00:00Z";
    let like = || anyhow::Ok(Made::from(SCHEDULED)?.saying("opensAt", FIRST_DATE));
    let apprentices = Made::from(OPENED_PCDA)?.0;
    let pcda = like()?
        .of(PCDA, 7, time)
        .saying("program", apprentices["data"]["program"].clone())
        .saying("closing", apprentices["data"]["closing"].clone());
    let both = [like()?.of(DHEP, 14, time), pcda];
    Ok(both.map(|event| event.on_the_page("applicationStartDate", FIRST_DATE).text()))
}

/// Both routes get a later date.
pub(super) fn moved() -> anyhow::Result<[String; 2]> {
    let like = |programme, version| {
        let event = Made::from(DATES_CHANGED)?.of(programme, version, "2024-02-27T14:00:00Z");
        let (from, to) = (json!({ "opensAt": FIRST_DATE }), json!({ "opensAt": DATE }));
        let event = event.saying("cycleId", "2024-spring").saying("from", from).saying("to", to);
        anyhow::Ok(event.saying("reason", "site-maintenance").text())
    };
    Ok([like(DHEP, 15)?, like(PCDA, 8)?])
}

/// The apprenticeship opens once more, for a day.
pub(super) fn opened_again() -> anyhow::Result<String> {
    let (opens, shuts) = ("2024-03-08T09:00:00Z", "2024-03-09T12:00:00Z");
    let closing = json!({ "value": shuts, "precision": "instant", "policy": null, "zone": "Europe/London" });
    let event = Made::from(OPENED_PCDA)?
        .of(PCDA, 12, opens)
        .saying("cycleId", "2024-spring-2")
        .saying("campaignId", Value::Null)
        .saying("openedAt", opens)
        .saying("closing", closing)
        .on_the_page("applicationStartDate", opens)
        .on_the_page("applicationDeadline", shuts);
    Ok(event.text())
}

/// It closes when it was to close.
pub(super) fn closed_in_time() -> anyhow::Result<String> {
    let time = "2024-03-09T12:00:00Z";
    let event = Made::from(CLOSED)?
        .of(PCDA, 13, time)
        .saying("cycleId", "2024-spring-2")
        .saying("campaignId", Value::Null)
        .saying("reason", "deadline")
        .saying("closedAt", time)
        .saying("previousClosing", time);
    Ok(event.text())
}
