//! From an event's `data` to the words of the domain.
//!
//! The vocabulary is schema.org's `JobPosting` inside `data.posting`, with own
//! plain fields beside it where schema.org has none. A posting's facts and a
//! correction's changes are read by the same code: a posting is the changes
//! that it makes to an empty page.

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use chrono_tz::Tz;
use serde_json::{Map, Value};
use url::Url;

use crate::domain::facts::{Change, Closing, Pay, PayUnit};
use crate::domain::history::{Door, Happening};
use crate::domain::local_time::is_plausible_year;
use crate::domain::taxonomy::Dimension;
use crate::domain::text::{has_placeholder, is_no_value, one_line};
use crate::domain::truth::CloseReason;
use crate::intake::verdict::{Reason, Rejection};

type Read<T> = Result<T, Rejection>;
type Object = Map<String, Value>;

/// The settings that reading depends on.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The zone of a closing that does not name its own.
    pub zone: Tz,
}

const LONGEST_LINE: usize = 300;
const MOST_VALUES: usize = 100;

/// The types of event that are understood.
pub const KINDS: [&str; 4] = ["vacancy.opened", "vacancy.corrected", "vacancy.closed", "vacancy.withdrawn"];

/// Reads what an event says happened.
///
/// # Errors
///
/// [`Reason::UnknownType`] or [`Reason::Schema`].
pub fn happening(kind: &str, data: &Value, reading: &Reading) -> Read<Happening> {
    if !KINDS.contains(&kind) {
        return Err(Reason::UnknownType.because("this program does not know the event's type"));
    }
    let data = data.as_object().ok_or_else(|| schema("data", "an object"))?;
    let vacancy = |door, changes| Happening { door, cycle: None, changes };
    match kind {
        "vacancy.opened" => Ok(vacancy(Some(Door::Open), opened(data, reading)?)),
        "vacancy.corrected" => Ok(vacancy(None, corrected(data, reading)?)),
        "vacancy.closed" => {
            Ok(vacancy(Some(Door::Shut(close_reason(data, CloseReason::Early)?)), parting(data)?))
        }
        _ => Ok(vacancy(Some(Door::Withdraw(close_reason(data, CloseReason::Withdrawn)?)), parting(data)?)),
    }
}

/// What is said when a door shuts.
fn parting(data: &Object) -> Read<Vec<Change>> {
    let mut changes = Vec::new();
    if let Some(text) = data.get("publicExplanation") {
        changes.push(Change::Explanation(line("publicExplanation", text)?));
    }
    if let Some(reference) = data.get("replacedBy") {
        changes.push(Change::ReplacedBy(line("replacedBy", reference)?));
    }
    Ok(changes)
}

/// From when it is true, if the event says.
///
/// # Errors
///
/// [`Reason::Schema`].
pub fn effective_at(data: &Value) -> Read<Option<DateTime<Utc>>> {
    match data.get("effectiveAt") {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value
            .as_str()
            .and_then(moment_of)
            .map(Some)
            .ok_or_else(|| schema("effectiveAt", "a time as in RFC 3339")),
    }
}

/// The requisition number inside `posting.identifier`, if it is given.
#[must_use]
pub fn identifier(data: &Value) -> Option<&str> {
    let identifier = data.get("posting")?.get("identifier")?;
    identifier.as_str().or_else(|| identifier.get("value")?.as_str())
}

fn opened(data: &Object, reading: &Reading) -> Read<Vec<Change>> {
    let mut changes = vec![Change::Zone(reading.zone)];
    changes.extend(changes_in(data, reading)?);
    if !changes.iter().any(|change| matches!(change, Change::Title(_))) {
        return Err(schema("posting.title", "a text that is not empty"));
    }
    Ok(changes)
}

fn corrected(data: &Object, reading: &Reading) -> Read<Vec<Change>> {
    let mut changes = changes_in(data, reading)?;
    let listed = match data.get("changes") {
        None | Some(Value::Null) => return Ok(changes),
        Some(Value::Array(listed)) if listed.len() <= MOST_VALUES => listed,
        Some(_) => return Err(schema("changes", "a list of at most 100 changes")),
    };
    for (index, change) in listed.iter().enumerate() {
        let place = format!("changes[{index}]");
        let change = change.as_object().ok_or_else(|| schema(&place, "an object"))?;
        let field = change.get("field").and_then(Value::as_str);
        let field = field.ok_or_else(|| schema(&format!("{place}.field"), "the name of a field"))?;
        let Some(to) = change.get("to") else { continue };
        if to.is_null() && change.get("from").is_none_or(Value::is_null) {
            // "It changed" without saying to what: nothing that can be kept.
            continue;
        }
        let mut page = Object::new();
        let field = field.strip_prefix("posting.").unwrap_or(field);
        if POSTING_FIELDS.contains(&field) {
            page.insert(
                "posting".into(),
                Value::Object([(field.to_owned(), to.clone())].into_iter().collect()),
            );
        } else {
            page.insert(field.to_owned(), to.clone());
        }
        let read = changes_in(&page, reading)
            .map_err(|rejection| rejection.reason.because(format!("{place}.to: {}", rejection.detail)))?;
        changes.extend(read);
    }
    Ok(changes)
}

const POSTING_FIELDS: [&str; 6] =
    ["title", "description", "url", "hiringOrganization", "baseSalary", "validThrough"];

const DIMENSIONS: [(&str, Dimension); 6] = [
    ("roleFamily", Dimension::RoleFamily),
    ("rank", Dimension::Rank),
    ("audience", Dimension::Audience),
    ("contractKind", Dimension::ContractKind),
    ("hours", Dimension::Hours),
    ("locations", Dimension::Place),
];

/// The facts that a page names, as changes. What it does not name stays.
fn changes_in(data: &Object, reading: &Reading) -> Read<Vec<Change>> {
    let mut changes = Vec::new();
    let nothing = Object::new();
    let posting = match data.get("posting") {
        None | Some(Value::Null) => &nothing,
        Some(Value::Object(posting)) => posting,
        Some(_) => return Err(schema("posting", "an object (schema.org JobPosting)")),
    };
    if let Some(title) = posting.get("title") {
        let title = line("posting.title", title)?.ok_or_else(|| schema("posting.title", "a text"))?;
        changes.push(Change::Title(title));
    }
    if let Some(organization) = posting.get("hiringOrganization") {
        let name = organization.get("name").unwrap_or(organization);
        changes.push(Change::Employer(line("posting.hiringOrganization.name", name)?));
    }
    if let Some(description) = posting.get("description") {
        changes.push(Change::Description(text("posting.description", description)?.map(ToOwned::to_owned)));
    }
    if let Some(url) = posting.get("url") {
        // As the URL standard writes it: without white space, and escaped where it must be.
        let url = text("posting.url", url)?.map(|url| {
            let absolute = Url::parse(url).ok().filter(|_| !has_placeholder(url)).map(String::from);
            absolute.ok_or_else(|| schema("posting.url", "an absolute URL without placeholders"))
        });
        changes.push(Change::Url(url.transpose()?));
    }
    for (field, dimension) in DIMENSIONS {
        if let Some(values) = data.get(field) {
            changes.push(Change::Values(dimension, values_of(field, values)?));
        }
    }
    for (field, change) in [
        ("siteText", Change::Site as fn(Option<String>) -> Change),
        ("gradeText", Change::GradeText),
        ("payText", Change::PayText),
    ] {
        if let Some(value) = data.get(field) {
            changes.push(change(line(field, value)?));
        }
    }
    if let Some(value) = data.get("pay").filter(|value| !value.is_null()) {
        changes.push(Change::Pay(Some(pay("pay", value)?)));
    } else if let Some(value) = posting.get("baseSalary").filter(|value| !value.is_null()) {
        changes.push(Change::Pay(Some(pay("posting.baseSalary", value)?)));
    } else if data.get("pay").is_some() {
        changes.push(Change::Pay(None));
    }
    if let Some(closing) = data.get("closing").filter(|value| !value.is_null()) {
        changes.extend(closing_of(closing, reading.zone)?);
    } else if let Some(value) = posting.get("validThrough").filter(|value| !value.is_null()) {
        changes.push(Change::Closing(valid_through(value)?));
    }
    Ok(changes)
}

fn closing_of(written: &Value, default_zone: Tz) -> Read<Vec<Change>> {
    let written = written.as_object().ok_or_else(|| schema("closing", "an object"))?;
    let zone = match written.get("zone").filter(|zone| !zone.is_null()) {
        None => None,
        Some(zone) => Some(
            zone.as_str()
                .and_then(|zone| zone.parse::<Tz>().ok())
                .ok_or_else(|| schema("closing.zone", "a zone such as Europe/London"))?,
        ),
    };
    let value = match written.get("value") {
        None | Some(Value::Null) => None,
        Some(value) => Some(value.as_str().ok_or_else(|| schema("closing.value", "a date or a time"))?),
    };
    let precision = written.get("precision").and_then(Value::as_str);
    let day = || {
        let value = value.ok_or_else(|| schema("closing.value", "a date"))?;
        day_of(value, zone.unwrap_or(default_zone)).ok_or_else(|| schema("closing.value", "a date"))
    };
    let closing = match precision {
        Some("instant") => Closing::Instant(
            value.and_then(moment_of).ok_or_else(|| schema("closing.value", "a time as in RFC 3339"))?,
        ),
        Some("date") => Closing::Date(day()?),
        Some("close-of-business") => Closing::CloseOfBusiness(day()?),
        Some("open-until-filled") => Closing::OpenUntilFilled,
        None if value.is_none() => Closing::OpenUntilFilled,
        None => valid_through(&Value::from(value))?,
        Some(_) => {
            return Err(schema("closing.precision", "instant, date, close-of-business or open-until-filled"));
        }
    };
    Ok(zone.map(Change::Zone).into_iter().chain([Change::Closing(closing)]).collect())
}

/// A bare date or a time, as precise as it is written.
fn valid_through(value: &Value) -> Read<Closing> {
    let text = value.as_str().unwrap_or_default();
    text.parse::<NaiveDate>()
        .ok()
        .filter(|day| is_plausible_year(day.year()))
        .map(Closing::Date)
        .or_else(|| moment_of(text).map(Closing::Instant))
        .ok_or_else(|| schema("posting.validThrough", "a date or a time as in RFC 3339"))
}

fn moment_of(text: &str) -> Option<DateTime<Utc>> {
    let moment = DateTime::parse_from_rfc3339(text).ok()?.with_timezone(&Utc);
    is_plausible_year(moment.year()).then_some(moment)
}

fn day_of(text: &str, zone: Tz) -> Option<NaiveDate> {
    let from_time = || moment_of(text).map(|moment| moment.with_timezone(&zone).date_naive());
    text.parse().ok().filter(|day: &NaiveDate| is_plausible_year(day.year())).or_else(from_time)
}

/// schema.org `MonetaryAmount`, or the same flat: `{"currency", "min", "max", "unit"}`.
fn pay(place: &str, written: &Value) -> Read<Pay> {
    let wrong = || {
        schema(
            place,
            r#"such as {"currency":"GBP","value":{"minValue":29907,"maxValue":45000,"unitText":"YEAR"}}"#,
        )
    };
    let pence = |value: &Value| {
        value.as_f64().filter(|pounds| (0.0..=1e9).contains(pounds)).map(|pounds| {
            #[expect(clippy::cast_possible_truncation, reason = "bounded to a thousand million")]
            let pence = (pounds * 100.0).round() as i64;
            pence
        })
    };
    let figures = written.get("value").filter(|value| value.is_object()).unwrap_or(written);
    let figure = |names: [&str; 3]| names.iter().find_map(|name| figures.get(name)).and_then(pence);
    let min = figure(["minValue", "min", "value"]);
    let max = figure(["maxValue", "max", "value"]);
    let unit = ["unitText", "unit"].iter().find_map(|name| figures.get(name));
    let (min, max) = match (min, max) {
        (None, None) => return Err(wrong()),
        (min, max) => (min.or(max).unwrap_or_default(), max.or(min).unwrap_or_default()),
    };
    let unit =
        match unit.filter(|unit| !unit.is_null()).map(|unit| unit.as_str().map(str::to_ascii_uppercase)) {
            None => PayUnit::Year,
            Some(Some(unit)) => serde_json::from_value(Value::String(unit)).map_err(|_| wrong())?,
            Some(None) => return Err(wrong()),
        };
    let currency = match written.get("currency").filter(|currency| !currency.is_null()) {
        None => "GBP",
        Some(currency) => currency
            .as_str()
            .filter(|code| code.len() == 3 && code.bytes().all(|b| b.is_ascii_uppercase()))
            .ok_or_else(wrong)?,
    };
    if min > max {
        return Err(wrong());
    }
    Ok(Pay { currency: currency.to_owned(), min, max, unit })
}

fn close_reason(data: &Object, otherwise: CloseReason) -> Read<CloseReason> {
    match data.get("reason") {
        None | Some(Value::Null) => Ok(otherwise),
        // That it is shut matters more than a reason we have no word for.
        Some(Value::String(_)) => Ok(serde_json::from_value(data["reason"].clone()).unwrap_or(otherwise)),
        Some(_) => Err(schema("reason", "a text")),
    }
}

/// Lets a link through: https, to a host that is allowed, without user or
/// password.
///
/// # Errors
///
/// [`Reason::LinkNotAllowed`].
pub fn allow(link: &str, allowed_hosts: &[String]) -> Read<()> {
    let allowed = Url::parse(link).is_ok_and(|url| {
        let host = url.host_str().is_some_and(|host| allowed_hosts.iter().any(|allowed| allowed == host));
        host && url.scheme() == "https" && url.username().is_empty() && url.password().is_none()
    });
    allowed.then_some(()).ok_or_else(|| {
        Reason::LinkNotAllowed.because(
            "posting.url must be https, on a host named in links.allowed_hosts, without user or password",
        )
    })
}

fn values_of(place: &str, written: &Value) -> Read<Vec<String>> {
    let wrong = || schema(place, "a text, or a list of at most 100 texts of up to 300 characters");
    let values = match written {
        Value::Null => return Ok(vec![]),
        Value::Array(values) if values.len() <= MOST_VALUES => values.as_slice(),
        Value::String(_) => std::slice::from_ref(written),
        _ => return Err(wrong()),
    };
    let read = values.iter().map(|value| line(place, value).map_err(|_| wrong())?.ok_or_else(wrong));
    read.collect()
}

/// A text on one line; `None` where it says nothing, also in a program's words
/// for nothing. An unfilled placeholder is the source's mistake, and must not
/// become ours.
fn line(place: &str, written: &Value) -> Read<Option<String>> {
    let line = text(place, written)?.map(one_line).filter(|line| !line.is_empty() && !is_no_value(line));
    if line.as_deref().is_some_and(has_placeholder) {
        return Err(schema(place, "a text without unfilled placeholders such as {NAME}"));
    }
    if line.as_ref().is_some_and(|line| line.chars().count() > LONGEST_LINE) {
        return Err(schema(place, "at most 300 characters"));
    }
    Ok(line)
}

fn text<'a>(place: &str, written: &'a Value) -> Read<Option<&'a str>> {
    match written {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        _ => Err(schema(place, "a text")),
    }
}

fn schema(place: &str, expected: &str) -> Rejection {
    Reason::Schema.because(format!("{place}: expected {expected}"))
}

#[cfg(test)]
mod tests;
