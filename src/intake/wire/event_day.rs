//! Event days: schema.org `EducationEvent` in `data.event`.

use serde_json::Value;

use crate::domain::facts::{Attendance, Change, Closing, DayChange};
use crate::domain::history::{Door, Happening};
use crate::domain::taxonomy::Dimension;
use crate::domain::truth::CloseReason;
use crate::intake::wire::vacancy::listed;
use crate::intake::wire::values::{Object, Page, Read};
use crate::intake::wire::{Reading, common};

pub(super) fn read(kind: &str, data: &Page<'_>, reading: &Reading) -> Read<Option<Happening>> {
    let (door, changes) = match kind {
        "event.published" => {
            let changes = changes_in(data, reading)?;
            let event = event(data)?;
            if !changes.iter().any(|change| matches!(change, Change::Title(_))) {
                return Err(event.wrong("name", "a text that is not empty"));
            }
            if event.given("startDate").is_none() {
                return Err(event.wrong("startDate", "a time as in RFC 3339"));
            }
            (Some(door_of(status(data)?).unwrap_or(Door::Open)), changes)
        }
        "event.changed" => {
            let now = with_listed(data)?;
            let now = Page::of(&now);
            let status = status(&now)?;
            let back = matches!(status, Some("EventScheduled" | "EventRescheduled"));
            (door_of(status).or(back.then_some(Door::Reschedule)), changes_in(&now, reading)?)
        }
        "event.cancelled" => (Some(Door::Shut(CloseReason::Cancelled)), cancelled(data)?),
        _ => return Ok(None),
    };
    Ok(Some(Happening { door, cycle: None, changes }))
}

fn event<'a>(data: &Page<'a>) -> Read<Page<'a>> {
    data.page("event", "an object (schema.org EducationEvent)")
}

/// The last part of schema.org's name, which is written with and without its
/// address.
fn term(name: &str) -> &str {
    name.rsplit(['/', '#']).next().unwrap_or(name)
}

fn status<'a>(data: &Page<'a>) -> Read<Option<&'a str>> {
    Ok(event(data)?.text("eventStatus")?.flatten().map(term))
}

/// What a status does to the door. A day that is postponed has no date that
/// can be told any more: nobody can book until it has been given a new one.
fn door_of(status: Option<&str>) -> Option<Door> {
    match status {
        Some("EventCancelled") => Some(Door::Shut(CloseReason::Cancelled)),
        Some("EventPostponed") => Some(Door::Pause),
        _ => None,
    }
}

/// In the source's words for everybody, if it has any: a reason of one word is
/// a code.
fn cancelled(data: &Page<'_>) -> Read<Vec<Change>> {
    let mut changes = common::parting(data, "replacedBy")?;
    if !changes.iter().any(|change| matches!(change, Change::Explanation(Some(_)))) {
        let reason = data.line("reason")?.flatten().filter(|reason| reason.contains(' '));
        changes.extend(reason.map(|reason| Change::Explanation(Some(reason))));
    }
    Ok(changes)
}

/// The fields of an event that stand beside it.
const OWN_FIELDS: [&str; 8] = [
    "topic",
    "bookingClosesAt",
    "locations",
    "audience",
    "campaignId",
    "accessText",
    "siteText",
    "eligibility",
];

/// The data with what the list of changes says where the data themselves do
/// not say it.
fn with_listed(data: &Page<'_>) -> Read<Object> {
    let mut members = data.members().cloned().unwrap_or_default();
    let mut event = event(data)?.members().cloned().unwrap_or_default();
    let mut said = Object::new();
    for (_, field, to) in listed(data)? {
        // The last one counts.
        said.insert(field.to_owned(), to.clone());
    }
    for (field, to) in said {
        let name = field.strip_prefix("event.").unwrap_or(&field);
        let page = if OWN_FIELDS.contains(&name) { &mut members } else { &mut event };
        page.entry(name).or_insert(to);
    }
    members.insert("event".to_owned(), Value::Object(event));
    Ok(members)
}

fn changes_in(data: &Page<'_>, reading: &Reading) -> Read<Vec<Change>> {
    let mut changes = Vec::new();
    let event = event(data)?;
    changes.extend(event.line("name")?.flatten().map(Change::Title));
    changes.extend(event.label("organizer")?.map(Change::Employer));
    let description = event.text("description")?;
    changes.extend(description.map(|text| Change::Description(text.map(ToOwned::to_owned))));
    changes.extend(event.url("url")?.map(Change::Url));
    changes.extend(data.values("topic")?.map(|topics| Change::Values(Dimension::Topic, topics)));
    changes.extend(common::plain_facts(data)?);
    changes.extend(common::eligibility(data, &event, &[])?);
    if data.names("bookingClosesAt") {
        let closing = common::closing(data, "bookingClosesAt", reading)?;
        changes.extend(closing.unwrap_or_else(|| vec![Change::Closing(Closing::OpenUntilFilled)]));
    }
    let day = day(data, &event)?;
    if day != DayChange::default() {
        changes.push(Change::Day(Box::new(day)));
    }
    Ok(changes)
}

fn day(data: &Page<'_>, event: &Page<'_>) -> Read<DayChange> {
    let starts_at = event.moment("startDate")?.flatten();
    let ends_at = event.moment("endDate")?;
    if let (Some(starts_at), Some(Some(ends_at))) = (starts_at, ends_at)
        && ends_at < starts_at
    {
        return Err(event.wrong("endDate", "a time that is not before startDate"));
    }
    let whereabouts = whereabouts(event)?;
    let moved_online = status(data)? == Some("EventMovedOnline");
    let attendance = match event.text("eventAttendanceMode")?.flatten().map(term) {
        _ if moved_online => Some(Attendance::Online),
        Some("OnlineEventAttendanceMode") => Some(Attendance::Online),
        Some("OfflineEventAttendanceMode") => Some(Attendance::Offline),
        Some("MixedEventAttendanceMode") => Some(Attendance::Mixed),
        _ => whereabouts.as_ref().and_then(Whereabouts::attendance),
    };
    let place = match whereabouts {
        _ if moved_online => Some(None),
        Some(whereabouts) => Some(whereabouts.place),
        None => None,
    };
    let remaining = event.count("remainingAttendeeCapacity")?.flatten();
    let access = match data.line("accessText")? {
        Some(text) => Some(text),
        None => event.line("accessibilitySummary")?,
    };
    Ok(DayChange {
        starts_at,
        ends_at,
        attendance,
        place,
        free: event.flag("isAccessibleForFree")?,
        capacity: event.count("maximumAttendeeCapacity")?,
        full: remaining.map(|places| places == 0),
        access,
    })
}

/// Where a day is, from one location or several.
#[derive(Default)]
struct Whereabouts {
    place: Option<String>,
    in_a_place: bool,
    online: bool,
}

impl Whereabouts {
    fn attendance(&self) -> Option<Attendance> {
        match (self.in_a_place, self.online) {
            (true, true) => Some(Attendance::Mixed),
            (true, false) => Some(Attendance::Offline),
            (false, true) => Some(Attendance::Online),
            (false, false) => None,
        }
    }
}

fn whereabouts(event: &Page<'_>) -> Read<Option<Whereabouts>> {
    let Some(location) = event.get("location") else { return Ok(None) };
    let locations = match location {
        Value::Null => &[],
        Value::Array(locations) => locations.as_slice(),
        location => std::slice::from_ref(location),
    };
    let mut found = Whereabouts::default();
    for location in locations {
        if location.get("@type").and_then(Value::as_str).map(term) == Some("VirtualLocation") {
            found.online = true;
            continue;
        }
        let alone = Object::from_iter([("location".to_owned(), location.clone())]);
        let place = place(&event.beside(&alone))?;
        found.in_a_place = true;
        found.place = found.place.or(place);
    }
    Ok(Some(found))
}

/// A place in words: its name and its town.
fn place(event: &Page<'_>) -> Read<Option<String>> {
    if event.get("location").is_some_and(Value::is_string) {
        return Ok(event.line("location")?.flatten());
    }
    let location = event.page("location", "a text or an object (schema.org Place)")?;
    let name = location.line("name")?.flatten();
    let town = if location.get("address").is_some_and(Value::is_string) {
        location.line("address")?.flatten()
    } else {
        location
            .page("address", "a text or an object (schema.org PostalAddress)")?
            .line("addressLocality")?
            .flatten()
    };
    Ok(match (name, town) {
        (Some(name), Some(town)) if !name.to_lowercase().contains(&town.to_lowercase()) => {
            Some(format!("{name}, {town}"))
        }
        (Some(name), _) => Some(name),
        (None, town) => town,
    })
}
