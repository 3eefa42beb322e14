//! Single values: texts, dates, figures, as they stand on a page of an event.

#![expect(
    clippy::option_option,
    reason = "what is not there and what is there and says nothing are two things"
)]

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use chrono_tz::Tz;
use serde_json::{Map, Value};
use url::Url;

use crate::domain::facts::{Closing, Pay, PayUnit, When};
use crate::domain::local_time::is_plausible_year;
use crate::domain::text::{has_placeholder, is_no_value, one_line};
use crate::domain::truth::CloseReason;
use crate::intake::verdict::{Reason, Rejection};

pub(super) type Read<T> = Result<T, Rejection>;
pub(super) type Object = Map<String, Value>;

const LONGEST_LINE: usize = 300;
const LONGEST_NAME: usize = 100;
pub(super) const MOST_VALUES: usize = 100;
const NO_PLACEHOLDERS: &str = "a text without unfilled placeholders such as {NAME}";
const A_MOMENT: &str = "a time as in RFC 3339";
const A_DATE_OR_MOMENT: &str = "a date or a time as in RFC 3339";

/// An object of an event's data, and how to call its members in a message.
///
/// A reader gives `None` for a member that is not there, and `Some(None)` for
/// one that is there and says nothing.
#[derive(Debug, Clone)]
pub(super) struct Page<'a> {
    prefix: String,
    members: Option<&'a Object>,
}

impl<'a> Page<'a> {
    pub(super) fn of(members: &'a Object) -> Self {
        Self { prefix: String::new(), members: Some(members) }
    }

    /// Another page that is called like this one.
    pub(super) fn beside<'b>(&self, members: &'b Object) -> Page<'b> {
        Page { prefix: self.prefix.clone(), members: Some(members) }
    }

    pub(super) fn members(&self) -> Option<&'a Object> {
        self.members
    }

    /// The object inside; an empty page where there is none.
    pub(super) fn page(&self, name: &str, what: &str) -> Read<Self> {
        let members = match self.get(name) {
            None | Some(Value::Null) => None,
            Some(Value::Object(members)) => Some(members),
            Some(_) => return Err(self.wrong(name, what)),
        };
        Ok(Self { prefix: format!("{}{name}.", self.prefix), members })
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.members?.get(name)
    }

    /// The member, unless it is null.
    pub(super) fn given(&self, name: &str) -> Option<&'a Value> {
        self.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn names(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(super) fn place(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    pub(super) fn wrong(&self, name: &str, expected: &str) -> Rejection {
        schema(&self.place(name), expected)
    }

    fn read<T>(&self, name: &str, read: impl FnOnce(&str, &'a Value) -> Read<T>) -> Read<Option<T>> {
        self.get(name).map(|value| read(&self.place(name), value)).transpose()
    }

    fn read_given<T>(
        &self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Read<Option<Option<T>>> {
        self.read(name, |place, value| match value {
            Value::Null => Ok(None),
            value => read(value).map(Some).ok_or_else(|| schema(place, expected)),
        })
    }

    pub(super) fn line(&self, name: &str) -> Read<Option<Option<String>>> {
        self.read(name, line)
    }

    /// A line of at most 100 characters, such as an identifier.
    pub(super) fn name(&self, name: &str) -> Read<Option<Option<String>>> {
        let line = self.line(name)?;
        match &line {
            Some(Some(text)) if text.chars().count() > LONGEST_NAME => {
                Err(self.wrong(name, "at most 100 characters"))
            }
            _ => Ok(line),
        }
    }

    pub(super) fn text(&self, name: &str) -> Read<Option<Option<&'a str>>> {
        self.read(name, text)
    }

    /// A text, or the name of an object (schema.org writes both).
    pub(super) fn label(&self, name: &str) -> Read<Option<Option<String>>> {
        match self.get(name) {
            Some(Value::Object(_)) => {
                Ok(Some(self.page(name, "an object")?.line("name")?.unwrap_or_default()))
            }
            _ => self.line(name),
        }
    }

    /// A text of any length, on one line, from a text, a list of texts, or
    /// objects with a description or a name.
    pub(super) fn prose(&self, name: &str) -> Read<Option<Option<String>>> {
        self.read(name, |place, value| {
            let values = match value {
                Value::Array(values) => values.as_slice(),
                value => std::slice::from_ref(value),
            };
            let texts = values.iter().filter_map(|value| {
                let told = ["description", "name"].into_iter().find_map(|name| value.get(name));
                told.unwrap_or(value).as_str()
            });
            let texts: Vec<String> =
                texts.map(one_line).filter(|text| !text.is_empty() && !is_no_value(text)).collect();
            let prose = texts.join("; ");
            if has_placeholder(&prose) {
                return Err(schema(place, NO_PLACEHOLDERS));
            }
            Ok((!prose.is_empty()).then_some(prose))
        })
    }

    /// A link, as the URL standard writes it: without white space, and escaped
    /// where it must be.
    pub(super) fn url(&self, name: &str) -> Read<Option<Option<String>>> {
        self.read(name, |place, value| {
            let url = text(place, value)?.map(|url| {
                let absolute = Url::parse(url).ok().filter(|_| !has_placeholder(url)).map(String::from);
                absolute.ok_or_else(|| schema(place, "an absolute URL without placeholders"))
            });
            url.transpose()
        })
    }

    pub(super) fn values(&self, name: &str) -> Read<Option<Vec<String>>> {
        self.read(name, values_of)
    }

    pub(super) fn moment(&self, name: &str) -> Read<Option<Option<DateTime<Utc>>>> {
        self.read_given(name, A_MOMENT, |value| moment_of(value.as_str()?))
    }

    /// A bare date or a time, as precise as it is written.
    pub(super) fn when(&self, name: &str) -> Read<Option<Option<When>>> {
        self.read_given(name, A_DATE_OR_MOMENT, |value| when_of(value.as_str()?))
    }

    pub(super) fn flag(&self, name: &str) -> Read<Option<Option<bool>>> {
        self.read_given(name, "true or false", Value::as_bool)
    }

    pub(super) fn count(&self, name: &str) -> Read<Option<Option<u32>>> {
        self.read_given(name, "a whole number", |value| u32::try_from(value.as_u64()?).ok())
    }

    pub(super) fn figure(&self, name: &str) -> Read<Option<Option<f64>>> {
        self.read_given(name, "a number from 0 to 100000", |value| {
            value.as_f64().filter(|figure| (0.0..=100_000.0).contains(figure))
        })
    }

    pub(super) fn pay(&self, name: &str) -> Read<Option<Option<Pay>>> {
        self.read(name, |place, value| if value.is_null() { Ok(None) } else { pay(place, value).map(Some) })
    }

    /// When the door shuts, from a date, a time, or the object that says how
    /// precise it is and in which zone; and that zone. Null is as good as
    /// nothing.
    pub(super) fn closing(&self, name: &str, zone: Tz) -> Read<Option<(Closing, Option<Tz>)>> {
        match self.given(name) {
            None => Ok(None),
            Some(Value::Object(_)) => closing_of(&self.page(name, "an object")?, zone).map(Some),
            Some(value) => {
                let closing = value.as_str().and_then(closing_as_written);
                closing
                    .map(|closing| Some((closing, None)))
                    .ok_or_else(|| self.wrong(name, "a date, a time, or an object with value and precision"))
            }
        }
    }

    /// Why the door shut: in our words, else by the state in the source's
    /// system, else `otherwise`.
    pub(super) fn close_reason(&self, otherwise: CloseReason) -> Read<CloseReason> {
        match self.given("reason") {
            None => {
                Ok(self.given("atsStatus").and_then(Value::as_str).and_then(by_status).unwrap_or(otherwise))
            }
            // That it is shut matters more than a reason we have no word for.
            Some(reason @ Value::String(_)) => {
                Ok(serde_json::from_value(reason.clone()).unwrap_or(otherwise))
            }
            Some(_) => Err(self.wrong("reason", "a text")),
        }
    }
}

/// What the states of an applicant tracking system mean (by Oracle's names).
/// One that is only inactive may be so by its date or before it; the dates tell
/// which.
fn by_status(status: &str) -> Option<CloseReason> {
    let letters: String = status.chars().filter(char::is_ascii_alphabetic).collect();
    match letters.to_ascii_lowercase().as_str() {
        "onhold" => Some(CloseReason::OnHold),
        "filled" => Some(CloseReason::Filled),
        "canceled" | "cancelled" | "closed" => Some(CloseReason::Cancelled),
        "inactive" | "nolongeraccepting" => Some(CloseReason::Early),
        "unposted" => Some(CloseReason::Withdrawn),
        _ => None,
    }
}

fn closing_of(written: &Page<'_>, default_zone: Tz) -> Read<(Closing, Option<Tz>)> {
    let zone =
        written.read_given("zone", "a zone such as Europe/London", |zone| zone.as_str()?.parse().ok())?;
    let zone = zone.flatten();
    let value = match written.given("value") {
        None => None,
        Some(value) => Some(value.as_str().ok_or_else(|| written.wrong("value", "a date or a time"))?),
    };
    let day = || {
        value
            .and_then(|value| day_of(value, zone.unwrap_or(default_zone)))
            .ok_or_else(|| written.wrong("value", "a date"))
    };
    let closing = match written.get("precision").and_then(Value::as_str) {
        Some("instant") => {
            Closing::Instant(value.and_then(moment_of).ok_or_else(|| written.wrong("value", A_MOMENT))?)
        }
        Some("date") => Closing::Date(day()?),
        Some("close-of-business") => Closing::CloseOfBusiness(day()?),
        Some("open-until-filled") => Closing::OpenUntilFilled,
        None => match value {
            None => Closing::OpenUntilFilled,
            Some(value) => {
                closing_as_written(value).ok_or_else(|| written.wrong("value", A_DATE_OR_MOMENT))?
            }
        },
        Some(_) => {
            return Err(written.wrong("precision", "instant, date, close-of-business or open-until-filled"));
        }
    };
    Ok((closing, zone))
}

fn closing_as_written(text: &str) -> Option<Closing> {
    Some(match when_of(text)? {
        When::Instant(at) => Closing::Instant(at),
        When::Date(day) => Closing::Date(day),
    })
}

fn when_of(text: &str) -> Option<When> {
    plain_day(text).map(When::Date).or_else(|| moment_of(text).map(When::Instant))
}

fn moment_of(text: &str) -> Option<DateTime<Utc>> {
    let moment = DateTime::parse_from_rfc3339(text).ok()?.with_timezone(&Utc);
    is_plausible_year(moment.year()).then_some(moment)
}

fn plain_day(text: &str) -> Option<NaiveDate> {
    text.parse().ok().filter(|day: &NaiveDate| is_plausible_year(day.year()))
}

fn day_of(text: &str, zone: Tz) -> Option<NaiveDate> {
    plain_day(text).or_else(|| moment_of(text).map(|moment| moment.with_timezone(&zone).date_naive()))
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
        return Err(schema(place, NO_PLACEHOLDERS));
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

pub(super) fn schema(place: &str, expected: &str) -> Rejection {
    Reason::Schema.because(format!("{place}: expected {expected}"))
}
