//! The facts of an opening, one by one, as the block `facts` shows them.

use chrono::{DateTime, Utc};

use crate::compose::english::English;
use crate::compose::lint::Writer;
use crate::compose::names::{given, label_of_programme, place, place_of_day, said, text};
use crate::compose::routes::opening;
use crate::compose::tongue::{Fact, Tongue};
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
        Kind::Vacancy => vacancy(setting.tongue(), taxonomy, item),
        Kind::Programme => route(setting.tongue(), taxonomy, item, now),
        Kind::EventDay => day(taxonomy, item),
    }
}

/// By what it is known, where there is no more to say of it.
pub(super) fn identity(taxonomy: &Taxonomy, item: &Item<'_>) -> Vec<Row> {
    let reference = &item.subject.reference;
    let row = match item.subject.kind {
        Kind::Vacancy => from_source(Fact::Reference, Some(text(reference))),
        Kind::Programme => from_source(Fact::Route, Some(named_route(taxonomy, reference))),
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
fn from_source(fact: Fact, value: Option<String>) -> Option<Row> {
    value.is_some().then_some(Row::of(fact, value, Writer::Source))
}

/// In our words, if there is anything to say.
fn ours(fact: Fact, value: Option<String>) -> Option<Row> {
    value.is_some().then_some(Row::of(fact, value, Writer::Us))
}

fn vacancy(tongue: &dyn Tongue, taxonomy: &Taxonomy, item: &Item<'_>) -> Vec<Row> {
    let facts = &item.truth.facts;
    let always = |fact, value| Some(Row::of(fact, value, Writer::Source));
    let said = |dimension| said(tongue, taxonomy, dimension, facts);
    let pay = given(facts.pay_text.as_deref());
    let grade = given(facts.grade_text.as_deref()).filter(|grade| pay.as_ref() != Some(grade));
    let rows = [
        from_source(Fact::Employer, given(facts.employer.as_deref())),
        always(Fact::Place, place(tongue, taxonomy, facts)),
        from_source(Fact::Contract, said(Dimension::ContractKind)),
        from_source(Fact::Hours, said(Dimension::Hours)),
        always(Fact::Pay, pay.or_else(|| facts.pay.as_ref().and_then(|pay| tongue.pay(pay)))),
        from_source(Fact::Grade, grade),
        from_source(Fact::WhoMayApply, said(Dimension::Audience).filter(|_| !is_for_everybody(item))),
        from_source(Fact::Reference, Some(text(&item.subject.reference))),
    ];
    rows.into_iter().flatten().collect()
}

/// Whether nobody is ruled out by who they are.
pub(super) fn is_for_everybody(item: &Item<'_>) -> bool {
    item.truth.facts.audience.iter().all(|slug| slug == "public")
}

fn route(tongue: &dyn Tongue, taxonomy: &Taxonomy, item: &Item<'_>, now: DateTime<Utc>) -> Vec<Row> {
    let facts = &item.truth.facts;
    let programme = facts.programme.clone().unwrap_or_default();
    let opens = opening(item.truth).map(|when| tongue.begins_fact(when, facts.zone));
    let is_open = item.truth.opened_at.is_some_and(|at| at <= now);
    let closing = difference::closing(item.truth);
    let no_end_known = closing == Closing::OpenUntilFilled && item.truth.opened_at.is_none();
    let closes = (!no_end_known).then(|| tongue.closing_fact(closing, facts.zone));
    let pay = given(facts.pay_text.as_deref()).or_else(|| facts.pay.as_ref().and_then(|pay| tongue.pay(pay)));
    let members: Vec<String> =
        programme.members.iter().map(|slug| label_of_programme(taxonomy, slug)).collect();
    let members: Vec<&str> = members.iter().map(String::as_str).collect();
    let rows = [
        ours(if is_open { Fact::Opened } else { Fact::Opens }, opens),
        ours(Fact::Closes, closes),
        from_source(Fact::Length, given(programme.length.as_deref()).map(|length| tongue.length(&length))),
        from_source(Fact::EndsIn, given(programme.award.as_deref())),
        from_source(Fact::TaughtBy, given(programme.provider.as_deref())),
        from_source(Fact::Place, place(tongue, taxonomy, facts)),
        from_source(Fact::Pay, pay),
        from_source(Fact::WhoMayApply, given(facts.eligibility.as_deref())),
        from_source(Fact::Routes, (!members.is_empty()).then(|| tongue.list(&members))),
        from_source(Fact::Route, Some(named_route(taxonomy, &item.subject.reference))),
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
        ours(Fact::When, Some(words::span(day.starts_at, day.ends_at, facts.zone))),
        from_source(Fact::Where, place_of_day(taxonomy, facts)),
        from_source(Fact::Access, given(day.access.as_deref())),
        ours(Fact::Cost, cost),
        ours(Fact::Places, day.capacity.map(|capacity| capacity.to_string())),
        ours(Fact::BookingCloses, bookings),
        from_source(
            Fact::WhoMayCome,
            said(&English, taxonomy, Dimension::Audience, facts).filter(|_| !is_for_everybody(item)),
        ),
    ];
    rows.into_iter().flatten().collect()
}
