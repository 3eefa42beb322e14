//! The correction: what we wrote, what is so, and nothing else.

use chrono::NaiveDate;

use crate::compose::english::English;
use crate::compose::lint::Writer;
use crate::compose::names::{explanation, given, place, place_of_day, said, short_name, text, thing, things};
use crate::compose::particulars::rows;
use crate::compose::routes::opening;
use crate::compose::subject_line::SubjectLine;
use crate::compose::vacancies::when_told;
use crate::compose::view::{Head, ItemView, Setting, Wrong};
use crate::compose::{Item, words};
use crate::domain::alert::Notice;
use crate::domain::difference::{self, Field};
use crate::domain::facts::{Attendance, Facts};
use crate::domain::subject::Kind;
use crate::domain::taxonomy::{Dimension, Taxonomy};
use crate::domain::truth::{State, Truth};

pub(super) fn head(setting: Setting<'_>, items: &[&Item<'_>]) -> Head {
    let (subject, headline) = match items {
        [only] => match fields(only.notice) {
            [field] => {
                let headline = match field {
                    Field::NotOpen => format!("This {} is not open yet", thing(only.subject.kind)),
                    field => format!("We have to correct the {}", name(*field)),
                };
                (subject(setting, only, *field), headline)
            }
            several => (
                SubjectLine::of(
                    &format!("Correction: {} changes to ", several.len()),
                    short_name(setting.taxonomy, only),
                ),
                format!("We have to correct what we wrote about this {}", thing(only.subject.kind)),
            ),
        },
        several => (
            SubjectLine::fact(format!("Correction: {} {} you asked about", several.len(), things(several))),
            format!("We have to correct what we wrote about {} {}", several.len(), things(several)),
        ),
    };
    Head { subject, headline, summary: vec![] }
}

pub(super) fn told(setting: Setting<'_>, item: &Item<'_>, view: &mut ItemView<'_>) {
    view.wrong = corrections(setting, item);
    view.explanation = explanation(item.truth.explanation.as_deref());
    view.next.push("Nothing else has changed.".to_owned());
    if item.subject.kind == Kind::Vacancy {
        view.closing = Some(words::closing(difference::closing(item.truth), item.truth.facts.zone));
    }
    view.rows = rows(setting, item);
}

/// The things that are not as they were told.
pub(super) fn fields(notice: &Notice) -> &[Field] {
    match notice {
        Notice::Corrected(fields) => fields,
        _ => &[],
    }
}

/// Sentence by sentence, what we wrote and what is so.
pub(super) fn corrections(setting: Setting<'_>, item: &Item<'_>) -> Vec<Wrong> {
    let Some(told) = &item.told else { return vec![] };
    let on = when_told(setting, told);
    let on = format!("{}{}", on[..1].to_uppercase(), &on[1..]);
    let wrong = |(index, field): (usize, &Field)| {
        let was = said_of(setting.taxonomy, item.subject.kind, *field, told.truth);
        let is = said_of(setting.taxonomy, item.subject.kind, *field, item.truth);
        let thing = thing(item.subject.kind);
        let writer = match field {
            Field::NotOpen | Field::Opens | Field::Closing | Field::Day | Field::Full => Writer::Us,
            _ => Writer::Source,
        };
        Wrong {
            was: if index == 0 {
                format!("{on} we wrote that {}.", was.as_written(thing))
            } else {
                format!("We also wrote that {}.", was.as_written(thing))
            },
            is: is.as_it_is(),
            writer,
        }
    };
    let found = fields(item.notice);
    // Where a day is, is said with how it is attended.
    let twice = |field: &Field| *field == Field::Place && found.contains(&Field::Attendance);
    found.iter().filter(|field| !twice(field)).enumerate().map(wrong).collect()
}

/// What is said of one field.
enum Saying {
    /// The thing does, or is, this: `closes at noon on ...`.
    Does(String),
    /// A fact of the thing: its name and its value.
    Has(&'static str, String),
    /// It is said nowhere.
    Nothing(&'static str),
}

impl Saying {
    fn as_written(&self, thing: &str) -> String {
        match self {
            Self::Does(what) => format!("this {thing} {what}"),
            Self::Has(name, value) => format!("the {name} is: {value}"),
            Self::Nothing(name) => format!("no {name} is given"),
        }
    }

    fn as_it_is(&self) -> String {
        match self {
            Self::Does(what) => match what.strip_prefix("is ") {
                Some(what) if what.starts_with("not ") => format!("It is {what}."),
                Some(what) => format!("It is now {what}."),
                None => format!("It now {what}."),
            },
            Self::Has(name, value) => format!("The {name} is now: {value}."),
            Self::Nothing(name) => format!("Now no {name} is given."),
        }
    }
}

fn said_of(taxonomy: &Taxonomy, kind: Kind, field: Field, truth: &Truth) -> Saying {
    let facts = &truth.facts;
    let has = |value: Option<String>| match value {
        Some(value) => Saying::Has(name(field), value.trim_end_matches('.').to_owned()),
        None => Saying::Nothing(name(field)),
    };
    let labels = |dimension| has(said(&English, taxonomy, dimension, facts));
    match field {
        Field::NotOpen => {
            let ahead = matches!(truth.state, State::Announced | State::Scheduled);
            match opening(truth).filter(|_| ahead) {
                Some(when) => {
                    Saying::Does(format!("is not open yet; it opens {}", words::begins(when, facts.zone)))
                }
                None if ahead => Saying::Does("is not open yet; no opening date is given".to_owned()),
                None => Saying::Does("is open".to_owned()),
            }
        }
        Field::Opens => match opening(truth) {
            Some(when) => Saying::Does(format!("opens {}", words::begins(when, facts.zone))),
            None => Saying::Nothing(name(field)),
        },
        Field::Closing => {
            let (closing, zone) = (difference::closing(truth), facts.zone);
            let saying = match kind {
                Kind::EventDay => {
                    words::until(closing, zone).map(|until| format!("takes bookings until {until}"))
                }
                Kind::Vacancy | Kind::Programme => {
                    words::shuts(closing, zone).map(|shuts| format!("closes {shuts}"))
                }
            };
            saying.map_or(Saying::Nothing(name(field)), Saying::Does)
        }
        Field::Day => match &facts.day {
            Some(day) => {
                Saying::Does(format!("is on {}", words::span(day.starts_at, day.ends_at, facts.zone)))
            }
            None => Saying::Nothing(name(field)),
        },
        Field::Place => has(match kind {
            Kind::EventDay => place_of_day(taxonomy, facts),
            Kind::Vacancy | Kind::Programme => place(&English, taxonomy, facts),
        }),
        Field::Attendance => match facts.day.as_ref().map(|day| day.attendance) {
            Some(Attendance::Online) => Saying::Does("is online".to_owned()),
            _ => match place_of_day(taxonomy, facts) {
                Some(place) => Saying::Does(format!("is in {place}")),
                None => Saying::Does("is in a place".to_owned()),
            },
        },
        Field::Pay => has(pay(facts)),
        Field::Grade => has(given(facts.grade_text.as_deref())),
        Field::Contract => labels(Dimension::ContractKind),
        Field::Hours => labels(Dimension::Hours),
        Field::Audience => labels(Dimension::Audience),
        Field::Rank => labels(Dimension::Rank),
        Field::Eligibility => has(given(facts.eligibility.as_deref())),
        Field::Title => has(Some(text(&facts.title))),
        Field::Full if facts.day.as_ref().is_some_and(|day| day.full) => Saying::Does("is full".to_owned()),
        Field::Full => Saying::Does("has places".to_owned()),
    }
}

fn pay(facts: &Facts) -> Option<String> {
    given(facts.pay_text.as_deref()).or_else(|| facts.pay.as_ref().and_then(words::pay))
}

/// What a field is called.
pub(super) const fn name(field: Field) -> &'static str {
    match field {
        Field::NotOpen => "state of the door",
        Field::Opens => "opening date",
        Field::Closing => "closing date",
        Field::Day => "date of the day",
        Field::Place => "place",
        Field::Attendance => "way to attend",
        Field::Pay => "pay",
        Field::Grade => "grade",
        Field::Contract => "contract",
        Field::Hours => "pattern of hours",
        Field::Audience => "list of who may apply",
        Field::Rank => "rank",
        Field::Eligibility => "rule on who may apply",
        Field::Title => "title",
        Field::Full => "number of places",
    }
}

/// The subject of a correction of one thing.
fn subject(setting: Setting<'_>, item: &Item<'_>, field: Field) -> SubjectLine {
    let (truth, told) = (item.truth, item.told.as_ref().map(|told| told.truth));
    let short = || short_name(setting.taxonomy, item);
    let dates =
        |what: &str, was: Option<(NaiveDate, Option<String>)>, is: Option<(NaiveDate, Option<String>)>| {
            let fact = match (was, is) {
                (Some((was, old)), Some((is, new))) if was == is => match (old, new) {
                    (Some(old), Some(new)) => format!("{what} time is {new}, not {old}"),
                    (_, Some(new)) => format!("{what} time is {new}"),
                    (_, None) => format!("no {what} time is given"),
                },
                (Some((was, _)), Some((is, _))) => {
                    format!("{what} date is {}, not {}", words::date(is), words::date(was))
                }
                (None, Some((is, _))) => format!("{what} date is {}", words::date(is)),
                (_, None) => format!("no {what} date is given"),
            };
            SubjectLine::fact(format!("Correction: {fact}"))
        };
    match field {
        Field::Closing => {
            let said = |truth: &Truth| {
                let (closing, zone) = (difference::closing(truth), truth.facts.zone);
                Some((words::shuts_on(closing, zone)?, words::shuts_at(closing, zone)))
            };
            dates("closing", told.and_then(said), said(truth))
        }
        Field::Opens => {
            let said = |truth: &Truth| {
                let (when, zone) = (opening(truth)?, truth.facts.zone);
                Some((words::begins_on(when, zone), words::begins_at(when, zone)))
            };
            dates("opening", told.and_then(said), said(truth))
        }
        Field::NotOpen => SubjectLine::of("Correction: not open yet: ", short()),
        field => {
            let before = format!("Correction: the {} of ", name(field));
            SubjectLine::of(&before, short())
        }
    }
}
