//! The mails about event days: that there is one, and what became of it.

use crate::compose::correction::{corrections, fields};
use crate::compose::lint::Writer;
use crate::compose::names::{explanation, place_of_day, short_name, title};
use crate::compose::particulars::{is_for_everybody, rows};
use crate::compose::subject_line::SubjectLine;
use crate::compose::vacancies::when_told;
use crate::compose::view::{Head, ItemView, Setting, Wrong};
use crate::compose::{Item, words};
use crate::domain::alert::Notice;
use crate::domain::difference::{self, Field};
use crate::domain::facts::{Attendance, Day, Facts};

pub(super) fn head(setting: Setting<'_>, items: &[&Item<'_>]) -> Head {
    let (subject, headline) = match items {
        [only] => {
            let facts = &only.truth.facts;
            let on = facts.day.as_ref().map(|day| words::start(day.starts_at, facts.zone).date());
            let subject = SubjectLine {
                after: on.map(|day| format!(", {}", words::short_day(day))).unwrap_or_default(),
                ..named(setting, only, "")
            };
            let headline = format!("{}{}", short_name(setting.taxonomy, only), subject.detail);
            (subject, headline)
        }
        several => (
            SubjectLine::fact(format!("{} event days you asked about", several.len())),
            format!("{} event days you asked about", words::number(several.len())),
        ),
    };
    Head { subject, headline, summary: vec![] }
}

/// `Moved to 24 February: ` and the name of the day, with where it is if there is room.
fn named(setting: Setting<'_>, item: &Item<'_>, before: &str) -> SubjectLine {
    let facts = &item.truth.facts;
    let attendance = facts.day.as_ref().map(|day| day.attendance);
    let detail = match (attendance, place_of_day(setting.taxonomy, facts)) {
        (Some(Attendance::Offline), Some(place)) => format!(" in {place}"),
        (Some(Attendance::Online), _) => " online".to_owned(),
        _ => String::new(),
    };
    SubjectLine { detail, ..SubjectLine::of(before, short_name(setting.taxonomy, item)) }
}

pub(super) fn day(setting: Setting<'_>, item: &Item<'_>, view: &mut ItemView<'_>) {
    let facts = &item.truth.facts;
    if let Some(day) = &facts.day {
        view.lead.push(summary(day, facts));
    }
    if is_for_everybody(item) {
        view.lead.push("Anyone thinking of joining may come.".to_owned());
    }
    view.rows = rows(setting, item);
}

/// What it costs, how many can come, and until when to book: `Free; 60 places; book by ...`.
fn summary(day: &Day, facts: &Facts) -> String {
    let mut parts = Vec::new();
    if day.free == Some(true) {
        parts.push("it is free".to_owned());
    }
    match day.capacity {
        _ if day.full => parts.push("all places are taken at the moment".to_owned()),
        Some(1) => parts.push("there is 1 place".to_owned()),
        Some(places) => parts.push(format!("there are {places} places")),
        None => {}
    }
    if !day.full {
        parts.push(match words::until(facts.closing, facts.zone) {
            Some(until) => format!("book by {until}"),
            None => "book on the page below".to_owned(),
        });
    }
    let line = parts.join("; ");
    format!("{}{}.", line[..1].to_uppercase(), &line[1..])
}

pub(super) fn changed_head(setting: Setting<'_>, items: &[&Item<'_>]) -> Head {
    let (subject, headline) = match items {
        [only] => {
            let fact = fact(setting, only);
            let mut subject = named(setting, only, &format!("{fact}: "));
            // Where it is now is not said twice.
            if fact.ends_with(subject.detail.trim_start_matches(" in ")) {
                subject.detail.clear();
            }
            (subject, format!("{fact}: {}", title(setting.taxonomy, only)))
        }
        several => (
            SubjectLine::fact(format!("Changes to {} event days you asked about", several.len())),
            format!("{} event days have changed", words::number(several.len())),
        ),
    };
    Head { subject, headline, summary: vec![] }
}

/// What became of a day, in a few words.
fn fact(setting: Setting<'_>, item: &Item<'_>) -> String {
    let facts = &item.truth.facts;
    match item.notice {
        Notice::Corrected(_) => {}
        Notice::Paused => return "Postponed".to_owned(),
        _ => return "Called off".to_owned(),
    }
    let found = |field: Field| fields(item.notice).contains(&field);
    let zone = facts.zone;
    match &facts.day {
        Some(day) if found(Field::Day) => {
            let (now, told) = (words::start(day.starts_at, zone), told_day(item));
            match told.map(|told| words::start(told.starts_at, zone)) {
                Some(was) if was.date() == now.date() && was != now => {
                    format!("Now at {}", words::time(now.time()))
                }
                Some(was) if was == now => "New end".to_owned(),
                _ => format!("Moved to {}", words::date(now.date())),
            }
        }
        Some(day) if found(Field::Attendance) => match day.attendance {
            Attendance::Online => "Moved online".to_owned(),
            Attendance::Mixed => "Now in a place or online".to_owned(),
            Attendance::Offline => "No longer online".to_owned(),
        },
        Some(_) if found(Field::Place) => match place_of_day(setting.taxonomy, facts) {
            Some(place) if place.chars().count() <= 20 => format!("Moved to {place}"),
            _ => "Moved".to_owned(),
        },
        Some(day) if found(Field::Full) => {
            if day.full {
                "Full".to_owned()
            } else {
                "Places again".to_owned()
            }
        }
        Some(_) if found(Field::Closing) => match words::shuts_on(difference::closing(item.truth), zone) {
            Some(closes) => format!("Book by {}", words::date(closes)),
            None => "Booking changed".to_owned(),
        },
        _ => "Changed".to_owned(),
    }
}

fn told_day<'a>(item: &Item<'a>) -> Option<&'a Day> {
    item.told.as_ref().and_then(|told| told.truth.facts.day.as_ref())
}

pub(super) fn changed(setting: Setting<'_>, item: &Item<'_>, view: &mut ItemView<'_>) {
    view.explanation = explanation(item.truth.explanation.as_deref());
    if !matches!(item.notice, Notice::Corrected(_)) {
        let is = match item.notice {
            Notice::Paused => {
                "It has been postponed. There is no new date yet; we will write when there is one."
            }
            _ => "It has been called off.",
        };
        let is = is.to_owned();
        let was = item.told.as_ref().and_then(|told| {
            let day = told.truth.facts.day.as_ref()?;
            let on = when_told(setting, told);
            let span = words::span(day.starts_at, day.ends_at, told.truth.facts.zone);
            Some(format!("We told you {on} about this event day: {span}."))
        });
        match was {
            Some(was) => view.wrong.push(Wrong { was, is, writer: Writer::Us }),
            None => view.lead.push(is),
        }
        view.next.push("If you booked, the booking team will write about your place.".to_owned());
        view.link = None;
        return;
    }
    view.wrong = corrected(setting, item);
    view.next.push(booked(item));
    view.rows = rows(setting, item);
}

/// What follows from a change for who booked, or could not.
pub(super) fn booked(item: &Item<'_>) -> String {
    let found = |field: Field| fields(item.notice).contains(&field);
    let again = found(Field::Full) && item.truth.facts.day.as_ref().is_some_and(|day| !day.full);
    if again {
        "There are places again. Booking is on the page of the day.".to_owned()
    } else {
        "If you booked, the booking team will write about your place.".to_owned()
    }
}

/// Whether people can book: it is a day that is not full, or no day.
pub(super) fn has_places(setting: Setting<'_>, item: &Item<'_>) -> bool {
    let facts = &item.truth.facts;
    let can_be_booked =
        |day: &Day| !day.full && item.truth.door_shuts_at().is_none_or(|shuts| setting.now < shuts);
    facts.day.as_ref().is_none_or(can_be_booked)
}

/// Until when a day can be booked, as a sentence on its own.
pub(super) fn booking(setting: Setting<'_>, item: &Item<'_>) -> String {
    let (truth, zone) = (item.truth, item.truth.facts.zone);
    let closing = difference::closing(truth);
    let is_over = truth.door_shuts_at().is_some_and(|shuts| shuts <= setting.now);
    match (words::until(closing, zone), words::shuts(closing, zone)) {
        (_, Some(shut)) if is_over => format!("Bookings closed {shut}."),
        _ if truth.facts.day.as_ref().is_some_and(|day| day.full) => {
            "All places are taken at the moment.".to_owned()
        }
        (Some(until), _) => format!("Book by {until}."),
        (None, _) => "No closing date is given for bookings.".to_owned(),
    }
}

/// What we wrote of a day and what is so.
pub(super) fn corrected(setting: Setting<'_>, item: &Item<'_>) -> Vec<Wrong> {
    let mut wrong = corrections(setting, item);
    let moved = moved(setting, item);
    let of_the_day = fields(item.notice).iter().position(|field| *field == Field::Day);
    if let (Some(moved), Some(wrong)) = (moved, of_the_day.and_then(|index| wrong.get_mut(index))) {
        wrong.is = moved;
    }
    wrong
}

/// `The day has moved from Saturday 17 February 2024 to Saturday 24 February 2024, same time and
/// place.`
fn moved(setting: Setting<'_>, item: &Item<'_>) -> Option<String> {
    let (facts, day, told) = (&item.truth.facts, item.truth.facts.day.as_ref()?, told_day(item)?);
    let old_facts = &item.told.as_ref()?.truth.facts;
    let was = words::start(told.starts_at, facts.zone);
    let is = words::start(day.starts_at, facts.zone);
    if was.date() == is.date() {
        return None;
    }
    let length = |day: &Day| day.ends_at.map(|ends| ends - day.starts_at);
    let same_time = was.time() == is.time() && length(told) == length(day);
    let same_place = place_of_day(setting.taxonomy, facts) == place_of_day(setting.taxonomy, old_facts);
    let same = match (same_time, same_place) {
        (true, true) => ", same time and place",
        (true, false) => ", same time",
        (false, true) => ", same place",
        (false, false) => "",
    };
    let (from, to) = (words::day(was.date()), words::day(is.date()));
    Some(format!("The day has moved from {from} to {to}{same}."))
}
