//! The facts of an opening, one by one, as the block `facts` shows them.

use chrono::{DateTime, Utc};

use crate::compose::lint::Writer;
use crate::compose::names::{given, label_of_programme, place, place_of_day, said, text};
use crate::compose::routes::opening;
use crate::compose::view::{Row, Setting};
use crate::compose::{Item, words};
use crate::domain::difference;
use crate::domain::facts::Closing;
use crate::domain::subject::Kind;
use crate::domain::taxonomy::{Dimension, Taxonomy};

/// What there is to know of an opening, whatever it is.
pub(super) fn rows(setting: Setting<'_>, item: &Item<'_>) -> Vec<Row> {
    let Setting { taxonomy, now, .. } = setting;
    match item.subject.kind {
        Kind::Vacancy => vacancy(taxonomy, item),
        Kind::Programme => route(taxonomy, item, now),
        Kind::EventDay => day(taxonomy, item),
    }
}

/// By what it is known, where there is no more to say of it.
pub(super) fn identity(taxonomy: &Taxonomy, item: &Item<'_>) -> Vec<Row> {
    let reference = &item.subject.reference;
    let row = match item.subject.kind {
        Kind::Vacancy => from_source("Reference", Some(text(reference))),
        Kind::Programme => from_source("Route", Some(named_route(taxonomy, reference))),
        Kind::EventDay => None,
    };
    row.into_iter().collect()
}

/// A route in words first, with its code in brackets.
pub(super) fn named_route(taxonomy: &Taxonomy, slug: &str) -> String {
    let (label, code) = (label_of_programme(taxonomy, slug), text(slug));
    if label == code { label } else { format!("{label} ({code})") }
}

/// From a source, if it is given.
fn from_source(name: &'static str, value: Option<String>) -> Option<Row> {
    value.is_some().then_some(Row { name, value, writer: Writer::Source })
}

/// In our words, if there is anything to say.
fn ours(name: &'static str, value: Option<String>) -> Option<Row> {
    value.is_some().then_some(Row { name, value, writer: Writer::Us })
}

fn vacancy(taxonomy: &Taxonomy, item: &Item<'_>) -> Vec<Row> {
    let facts = &item.truth.facts;
    let always = |name, value| Some(Row { name, value, writer: Writer::Source });
    let said = |dimension| said(taxonomy, dimension, facts);
    let pay = given(facts.pay_text.as_deref());
    let grade = given(facts.grade_text.as_deref()).filter(|grade| pay.as_ref() != Some(grade));
    let rows = [
        from_source("Employer", given(facts.employer.as_deref())),
        always("Place", place(taxonomy, facts)),
        from_source("Contract", said(Dimension::ContractKind)),
        from_source("Hours", said(Dimension::Hours)),
        always("Pay", pay.or_else(|| facts.pay.as_ref().and_then(words::pay))),
        from_source("Grade", grade),
        from_source("Who may apply", said(Dimension::Audience).filter(|_| !is_for_everybody(item))),
        from_source("Reference", Some(text(&item.subject.reference))),
    ];
    rows.into_iter().flatten().collect()
}

/// Whether nobody is ruled out by who they are.
pub(super) fn is_for_everybody(item: &Item<'_>) -> bool {
    item.truth.facts.audience.iter().all(|slug| slug == "public")
}

fn route(taxonomy: &Taxonomy, item: &Item<'_>, now: DateTime<Utc>) -> Vec<Row> {
    let facts = &item.truth.facts;
    let programme = facts.programme.clone().unwrap_or_default();
    let opens = opening(item.truth).map(|when| words::begins_fact(when, facts.zone));
    let is_open = item.truth.opened_at.is_some_and(|at| at <= now);
    let closing = difference::closing(item.truth);
    let no_end_known = closing == Closing::OpenUntilFilled && item.truth.opened_at.is_none();
    let closes = (!no_end_known).then(|| words::closing_fact(closing, facts.zone));
    let pay = given(facts.pay_text.as_deref()).or_else(|| facts.pay.as_ref().and_then(words::pay));
    let members: Vec<String> =
        programme.members.iter().map(|slug| label_of_programme(taxonomy, slug)).collect();
    let rows = [
        ours(if is_open { "Opened" } else { "Opens" }, opens),
        ours("Closes", closes),
        from_source("Length", given(programme.length.as_deref()).map(|length| words::length(&length))),
        from_source("Ends in", given(programme.award.as_deref())),
        from_source("Taught by", given(programme.provider.as_deref())),
        from_source("Place", place(taxonomy, facts)),
        from_source("Pay", pay),
        from_source("Who may apply", given(facts.eligibility.as_deref())),
        from_source("Routes", (!members.is_empty()).then(|| words::list(&members))),
        from_source("Route", Some(named_route(taxonomy, &item.subject.reference))),
    ];
    rows.into_iter().flatten().collect()
}

fn day(taxonomy: &Taxonomy, item: &Item<'_>) -> Vec<Row> {
    let facts = &item.truth.facts;
    let Some(day) = &facts.day else { return vec![] };
    let bookings = (facts.closing != Closing::OpenUntilFilled)
        .then(|| words::closing_fact(difference::closing(item.truth), facts.zone));
    let cost = day.free.filter(|free| *free).map(|_| "Free".to_owned());
    let rows = [
        ours("When", Some(words::span(day.starts_at, day.ends_at, facts.zone))),
        from_source("Where", place_of_day(taxonomy, facts)),
        from_source("Access", given(day.access.as_deref())),
        ours("Cost", cost),
        ours("Places", day.capacity.map(|capacity| capacity.to_string())),
        ours("Booking closes", bookings),
        from_source(
            "Who may come",
            said(taxonomy, Dimension::Audience, facts).filter(|_| !is_for_everybody(item)),
        ),
    ];
    rows.into_iter().flatten().collect()
}
