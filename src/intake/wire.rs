//! From an event's `data` to the words of the domain.
//!
//! The vocabulary is schema.org's: a `JobPosting` in `data.posting`, a
//! `WorkBasedProgram` in `data.program`, an `EducationEvent` in `data.event`,
//! with own plain fields beside it where schema.org has none. Fields that
//! nobody here knows are ignored.

mod common;
mod event_day;
mod programme;
mod vacancy;
mod values;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde_json::Value;
use url::Url;

use crate::domain::history::Happening;
use crate::domain::subject::Kind;
use crate::intake::verdict::Reason;
use crate::intake::wire::values::{Page, Read, schema};

/// The settings that reading depends on.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The zone of a closing that does not name its own.
    pub zone: Tz,
}

/// The types of event that are understood.
pub const KINDS: [&str; 15] = [
    "vacancy.opened",
    "vacancy.corrected",
    "vacancy.closed",
    "vacancy.withdrawn",
    "programme.announced",
    "programme.scheduled",
    "programme.dates_changed",
    "programme.opened",
    "programme.capacity_reported",
    "programme.closed",
    "programme.paused",
    "programme.withdrawn",
    "event.published",
    "event.changed",
    "event.cancelled",
];

/// Reads what an event says happened.
///
/// # Errors
///
/// [`Reason::UnknownType`] or [`Reason::Schema`].
pub fn happening(kind: &str, data: &Value, reading: &Reading) -> Read<Happening> {
    let unknown = || Reason::UnknownType.because("this program does not know the event's type");
    if !KINDS.contains(&kind) {
        return Err(unknown());
    }
    let data = Page::of(data.as_object().ok_or_else(|| schema("data", "an object"))?);
    let happening = match subject_of(kind) {
        Some(Kind::Vacancy) => vacancy::read(kind, &data, reading)?,
        Some(Kind::Programme) => programme::read(kind, &data, reading)?,
        Some(Kind::EventDay) => event_day::read(kind, &data, reading)?,
        None => None,
    };
    happening.ok_or_else(unknown)
}

/// What kind of thing events of a type are about.
#[must_use]
pub fn subject_of(kind: &str) -> Option<Kind> {
    let (about, _) = kind.split_once('.')?;
    Kind::ALL.into_iter().find(|kind| kind.name() == about)
}

/// From when it is true, if the event says: `effectiveAt`, else when the door
/// moved.
///
/// # Errors
///
/// [`Reason::Schema`].
pub fn effective_at(kind: &str, data: &Value) -> Read<Option<DateTime<Utc>>> {
    let Some(data) = data.as_object() else { return Ok(None) };
    let data = Page::of(data);
    let moved = match kind {
        "programme.opened" => data.moment("openedAt")?.flatten(),
        "vacancy.closed" | "programme.closed" => data.moment("closedAt")?.flatten(),
        _ => None,
    };
    let effective = data.moment("effectiveAt")?.flatten();
    Ok(effective.or(moved))
}

/// The requisition number inside `posting.identifier`, if it is given.
#[must_use]
pub fn identifier(data: &Value) -> Option<&str> {
    let identifier = data.get("posting")?.get("identifier")?;
    identifier.as_str().or_else(|| identifier.get("value")?.as_str())
}

/// Lets the link of a thing of this kind through: https, to a host that is
/// allowed, without user or password.
///
/// # Errors
///
/// [`Reason::LinkNotAllowed`].
pub fn allow(kind: Kind, link: &str, allowed_hosts: &[String]) -> Read<()> {
    let allowed = Url::parse(link).is_ok_and(|url| {
        let host = url.host_str().is_some_and(|host| allowed_hosts.iter().any(|allowed| allowed == host));
        host && url.scheme() == "https" && url.username().is_empty() && url.password().is_none()
    });
    let place = match kind {
        Kind::Vacancy => "posting.url",
        Kind::Programme => "program.url",
        Kind::EventDay => "event.url",
    };
    allowed.then_some(()).ok_or_else(|| {
        Reason::LinkNotAllowed.because(format!(
            "{place} must be https, on a host named in links.allowed_hosts, without user or password"
        ))
    })
}

#[cfg(test)]
mod tests;
