//! Vacancies: schema.org `JobPosting` in `data.posting`.
//!
//! A posting's facts and a correction's changes are read by the same code: a
//! posting is the changes that it makes to an empty page.

use serde_json::Value;

use crate::domain::facts::Change;
use crate::domain::history::{Door, Happening};
use crate::domain::truth::CloseReason;
use crate::intake::wire::values::{MOST_VALUES, Object, Page, Read, schema};
use crate::intake::wire::{Reading, common};

pub(super) fn read(kind: &str, data: &Page<'_>, reading: &Reading) -> Read<Option<Happening>> {
    let (door, changes) = match kind {
        "vacancy.opened" => (Some(Door::Open), opened(data, reading)?),
        "vacancy.corrected" => (None, corrected(data, reading)?),
        "vacancy.closed" => {
            let reason = data.close_reason(CloseReason::Early)?;
            (Some(Door::Shut(reason)), common::parting(data, "replacedBy")?)
        }
        "vacancy.withdrawn" => {
            let reason = data.close_reason(CloseReason::Withdrawn)?;
            (Some(Door::Withdraw(reason)), common::parting(data, "replacedBy")?)
        }
        _ => return Ok(None),
    };
    Ok(Some(Happening { door, cycle: None, changes }))
}

fn opened(data: &Page<'_>, reading: &Reading) -> Read<Vec<Change>> {
    let mut changes = vec![Change::Zone(reading.zone)];
    changes.extend(changes_in(data, reading)?);
    if !changes.iter().any(|change| matches!(change, Change::Title(_))) {
        return Err(schema("posting.title", "a text that is not empty"));
    }
    Ok(changes)
}

fn corrected(data: &Page<'_>, reading: &Reading) -> Read<Vec<Change>> {
    let mut changes = changes_in(data, reading)?;
    for (place, field, to) in listed(data)? {
        let mut members = Object::new();
        let field = field.strip_prefix("posting.").unwrap_or(field);
        if POSTING_FIELDS.contains(&field) {
            let posting = Object::from_iter([(field.to_owned(), to.clone())]);
            members.insert("posting".into(), Value::Object(posting));
        } else {
            members.insert(field.to_owned(), to.clone());
        }
        let read = changes_in(&Page::of(&members), reading)
            .map_err(|rejection| rejection.reason.because(format!("{place}.to: {}", rejection.detail)))?;
        changes.extend(read);
    }
    Ok(changes)
}

/// The changes that an event lists: where each stands, what it is about, and
/// what that is now. One that says "it changed" without saying to what is
/// nothing that can be kept.
pub(super) fn listed<'a>(data: &Page<'a>) -> Read<Vec<(String, &'a str, &'a Value)>> {
    let listed = match data.given("changes") {
        None => return Ok(vec![]),
        Some(Value::Array(listed)) if listed.len() <= MOST_VALUES => listed,
        Some(_) => return Err(data.wrong("changes", "a list of at most 100 changes")),
    };
    let mut changes = Vec::new();
    for (index, change) in listed.iter().enumerate() {
        let place = format!("changes[{index}]");
        let change = change.as_object().ok_or_else(|| schema(&place, "an object"))?;
        let field = change.get("field").and_then(Value::as_str);
        let field = field.ok_or_else(|| schema(&format!("{place}.field"), "the name of a field"))?;
        if let Some(to) = change.get("to")
            && !(to.is_null() && change.get("from").is_none_or(Value::is_null))
        {
            changes.push((place, field, to));
        }
    }
    Ok(changes)
}

const POSTING_FIELDS: [&str; 8] = [
    "title",
    "description",
    "url",
    "hiringOrganization",
    "baseSalary",
    "validThrough",
    "qualifications",
    "experienceRequirements",
];

/// The facts that a page names, as changes. What it does not name stays.
fn changes_in(data: &Page<'_>, reading: &Reading) -> Read<Vec<Change>> {
    let mut changes = Vec::new();
    let posting = data.page("posting", "an object (schema.org JobPosting)")?;
    if let Some(title) = posting.line("title")? {
        changes.push(Change::Title(title.ok_or_else(|| posting.wrong("title", "a text"))?));
    }
    changes.extend(posting.label("hiringOrganization")?.map(Change::Employer));
    let description = posting.text("description")?;
    changes.extend(description.map(|text| Change::Description(text.map(ToOwned::to_owned))));
    changes.extend(posting.url("url")?.map(Change::Url));
    changes.extend(common::plain_facts(data)?);
    changes.extend(common::eligibility(data, &posting, &["qualifications", "experienceRequirements"])?);
    changes.extend(match data.pay("pay")? {
        Some(Some(pay)) => Some(Change::Pay(Some(pay))),
        said => match posting.pay("baseSalary")?.flatten() {
            Some(pay) => Some(Change::Pay(Some(pay))),
            None => said.map(|_| Change::Pay(None)),
        },
    });
    if let Some(closing) = common::closing(data, "closing", reading)? {
        changes.extend(closing);
    } else if let Some((closing, _)) = posting.closing("validThrough", reading.zone)? {
        changes.push(Change::Closing(closing));
    }
    Ok(changes)
}
