//! The mails about routes: their dates, that they are open, and that they are paused or gone.

use crate::compose::lint::Writer;
use crate::compose::names::{code, explanation, short_name};
use crate::compose::particulars::{identity, named_route, rows};
use crate::compose::subject_line::SubjectLine;
use crate::compose::vacancies::when_told;
use crate::compose::view::{Head, ItemView, Setting, Wrong};
use crate::compose::{Item, words};
use crate::domain::alert::Notice;
use crate::domain::difference;
use crate::domain::facts::{Closing, When};
use crate::domain::subject::Kind;
use crate::domain::truth::Truth;

/// When a door opens or opened, as precisely as anybody has said.
pub(super) fn opening(truth: &Truth) -> Option<When> {
    truth.opened_at.map(When::Instant).or(truth.facts.opens)
}

pub(super) fn date_head(setting: Setting<'_>, items: &[&Item<'_>]) -> Head {
    let zone = |item: &Item<'_>| item.truth.facts.zone;
    let dated = items.iter().filter(|item| opening(item.truth).is_some()).count();
    let count = items.len();
    let (subject, headline) = match (items, dated) {
        ([only], _) => match opening(only.truth) {
            Some(when) => {
                let opens = format!(" opens {}", words::begins_short(when, zone(only)));
                let subject =
                    SubjectLine { after: opens, ..SubjectLine::of("", short_name(setting.taxonomy, only)) };
                (subject, format!("Applications open {}", words::begins(when, zone(only))))
            }
            None => (
                SubjectLine::of("Opening soon: ", short_name(setting.taxonomy, only)),
                "Opening soon, no date yet".to_owned(),
            ),
        },
        (_, 0) => (
            SubjectLine::fact(format!("Opening soon: {count} routes you asked about")),
            format!("{} routes will open soon, no dates yet", words::number(count)),
        ),
        _ if dated == count => (
            SubjectLine::fact(format!("Opening dates of {count} routes you asked about")),
            format!("{} routes have opening dates", words::number(count)),
        ),
        _ => (
            SubjectLine::fact(format!("When {count} routes you asked about will open")),
            format!("{} routes will open", words::number(count)),
        ),
    };
    Head { subject, headline, summary: vec![] }
}

pub(super) fn date(setting: Setting<'_>, item: &Item<'_>, view: &mut ItemView<'_>) {
    let (truth, facts) = (item.truth, &item.truth.facts);
    let intake = facts.programme.as_ref();
    if let Some(when) = opening(truth) {
        let opens = words::begins(when, facts.zone);
        let line = match words::shuts(difference::closing(truth), facts.zone) {
            Some(closes) => format!("Applications open {opens} and close {closes}."),
            None => format!("Applications open {opens}."),
        };
        view.lead.push(line);
        if intake.is_some_and(|intake| intake.first_come == Some(false)) {
            view.lead.push("Being early gives no advantage.".to_owned());
        }
        view.may_close_early = intake.is_some_and(|intake| intake.may_close_early);
        view.next.push("We will write again when it opens.".to_owned());
    } else {
        view.lead.push("This route will open again. There is no date yet.".to_owned());
        view.explanation = explanation(intake.and_then(|intake| intake.public_text.as_deref()));
        view.next.push("We will write when we know the date, and again when it opens.".to_owned());
    }
    view.rows = rows(setting, item);
}

pub(super) fn open_head(setting: Setting<'_>, items: &[&Item<'_>]) -> Head {
    let tongue = setting.tongue();
    let closing = |item: &Item<'_>| difference::closing(item.truth);
    if let [only] = items {
        let until = words::shuts_on(closing(only), only.truth.facts.zone);
        return Head {
            subject: SubjectLine {
                after: until.map(|day| tongue.now_open_until(day)).unwrap_or_default(),
                ..SubjectLine::of(tongue.now_open(), short_name(setting.taxonomy, only))
            },
            headline: tongue.route_is_open().to_owned(),
            summary: vec![],
        };
    }
    let day = |at: chrono::DateTime<chrono::Utc>| at.with_timezone(&setting.sender.zone).date_naive();
    let today = |item: &&Item<'_>| item.truth.opened_at.is_some_and(|at| day(at) == day(setting.now));
    let summary = items.iter().map(|item| {
        let until = tongue.until(closing(item), item.truth.facts.zone);
        tongue.open_until(&short_name(setting.taxonomy, item), until.as_deref())
    });
    Head {
        subject: SubjectLine::fact(tongue.routes_now_open(items.len())),
        headline: tongue.routes_are_open(items.len(), items.iter().all(today)),
        summary: summary.collect(),
    }
}

pub(super) fn open(setting: Setting<'_>, item: &Item<'_>, view: &mut ItemView<'_>) {
    let (tongue, facts) = (setting.tongue(), &item.truth.facts);
    let until = tongue.until(difference::closing(item.truth), facts.zone);
    view.lead.push(tongue.you_can_apply(until.as_deref()));
    view.may_close_early = facts.programme.as_ref().is_some_and(|intake| intake.may_close_early);
    view.rows = rows(setting, item);
}

pub(super) fn closing_head(setting: Setting<'_>, items: &[&Item<'_>]) -> Head {
    let (subject, headline) = match items {
        [only] => {
            let ends = ends(setting, only, true);
            let subject = SubjectLine::of(&format!("Closes {ends}: "), short_name(setting.taxonomy, only));
            (subject, format!("This route closes {ends}"))
        }
        several => {
            let common = |with_time| {
                let mut ends = several.iter().map(|item| ends(setting, item, with_time));
                let first = ends.next()?;
                ends.all(|end| end == first).then_some(first)
            };
            let when = common(true).or_else(|| common(false)).unwrap_or_else(|| "soon".to_owned());
            let close = format!("routes you asked about close {when}");
            (
                SubjectLine::fact(format!("{} {close}", several.len())),
                format!("{} {close}", words::number(several.len())),
            )
        }
    };
    Head { subject, headline, summary: vec![] }
}

/// When a route closes, in a few words: `tomorrow at noon`, `on Friday 8 December`.
fn ends(setting: Setting<'_>, item: &Item<'_>, with_time: bool) -> String {
    let (closing, zone) = (difference::closing(item.truth), item.truth.facts.zone);
    let Some(day) = words::shuts_on(closing, zone) else { return "soon".to_owned() };
    let time = words::shuts_at(closing, zone).filter(|_| with_time);
    match (words::near(day, setting.now, zone), time) {
        (Some(near), Some(time)) => format!("{near} at {time}"),
        (Some(near), None) => near.to_owned(),
        (None, _) => format!("on {}", words::short_day(day)),
    }
}

pub(super) fn closing(setting: Setting<'_>, item: &Item<'_>, view: &mut ItemView<'_>) {
    let facts = &item.truth.facts;
    let (closing, zone) = (difference::closing(item.truth), facts.zone);
    if let Some(day) = words::shuts_on(closing, zone) {
        let on = match words::near(day, setting.now, zone) {
            Some(near) => format!("{near}, {}", words::day(day)),
            None => format!("on {}", words::day(day)),
        };
        let by = match (words::shuts_at(closing, zone), closing) {
            (Some(time), _) => format!("at {time} {on}"),
            (None, Closing::CloseOfBusiness(_)) => format!("at the end of the working day {on}"),
            (None, _) => on,
        };
        view.lead.push(format!("Applications close {by}. Allow an hour."));
    }
    view.may_close_early = facts.programme.as_ref().is_some_and(|intake| intake.may_close_early);
    view.rows = rows(setting, item);
}

pub(super) fn changed_head(setting: Setting<'_>, items: &[&Item<'_>]) -> Head {
    let registered = items.iter().all(|item| item.registration.is_some());
    let asked = if registered { "registered for" } else { "asked about" };
    let (subject, headline) = match items {
        [only] => {
            let headline = match only.notice {
                Notice::Paused => "This route is not taking applications",
                Notice::CalledOff if only.told.is_some_and(|told| opening(told.truth).is_none()) => {
                    "This route will not open for now"
                }
                Notice::CalledOff => "This route will not open on the date we gave",
                _ if only.truth.gone_at.is_some_and(|at| at > setting.now) => "This route is ending",
                _ => "This route is no longer offered",
            };
            (format!("Change to a route you {asked}"), headline.to_owned())
        }
        several => (
            format!("Changes to {} routes you {asked}", several.len()),
            format!("{} routes have changed", words::number(several.len())),
        ),
    };
    Head { subject: SubjectLine::fact(subject), headline, summary: vec![] }
}

pub(super) fn changed(setting: Setting<'_>, item: &Item<'_>, view: &mut ItemView<'_>) {
    let (truth, zone) = (item.truth, item.truth.facts.zone);
    view.explanation = explanation(truth.explanation.as_deref());
    view.rows = identity(setting.taxonomy, item);
    match item.notice {
        Notice::Paused => {
            view.lead.push("This route is not taking applications at present.".to_owned());
            view.lead.push(match truth.earliest {
                Some(earliest) => format!(
                    "Applications will not be taken before {}. It may be later; nobody has set a date.",
                    words::not_before(earliest, zone)
                ),
                None => "No date is given for when they will be taken again.".to_owned(),
            });
            stays(item, view, "You stay registered. We will write when we know more.");
        }
        Notice::CalledOff => {
            let was = item.told.as_ref().and_then(|told| {
                let when = opening(told.truth)?;
                let on = when_told(setting, told);
                Some(format!("We wrote {on} that this route opens {}.", words::begins(when, zone)))
            });
            let is = "It will not open then.".to_owned();
            match was {
                Some(was) => view.wrong.push(Wrong { was, is, writer: Writer::Us }),
                None => view
                    .lead
                    .push("We wrote that this route would open. It will not open for now.".to_owned()),
            }
            expected(truth, view);
            stays(item, view, "You stay registered. We will write when it has a new date.");
        }
        _ => ended(setting, item, view),
    }
}

fn ended(setting: Setting<'_>, item: &Item<'_>, view: &mut ItemView<'_>) {
    let (truth, zone) = (item.truth, item.truth.facts.zone);
    view.lead.push(match truth.gone_at {
        Some(at) if at > setting.now => format!("This route ends at {}.", words::moment(at, zone)),
        Some(at) => format!("This route ended on {}.", words::day(words::end(at, zone).date())),
        None => "This route is no longer offered.".to_owned(),
    });
    let successor = truth.replaced_by.as_deref().and_then(code);
    match successor {
        Some(slug) => {
            let name = named_route(setting.taxonomy, &slug);
            view.lead.push(
                match setting.taxonomy.programmes().resolve(&slug).and_then(|node| node.valid_from) {
                    Some(day) => {
                        format!("This one takes its place: {name}. It starts on {}.", words::day(day))
                    }
                    None => format!("This one takes its place: {name}."),
                },
            );
            view.next.push(
                "To hear about the new route, reply to this email and say so; a person reads it.".to_owned(),
            );
            view.next.push(
                "If you do nothing, we do not move you to the new route and write no more about this one."
                    .to_owned(),
            );
        }
        None => view.next.push("There is nothing you need to do. We will write no more about it.".to_owned()),
    }
}

/// Says when it is expected to open the next time, if that is said.
pub(super) fn expected(truth: &Truth, view: &mut ItemView<'_>) {
    if let Some(next) = truth.next_expected {
        let zone = truth.facts.zone;
        view.next.push(format!(
            "The next opening is expected {}. That is not certain.",
            words::begins(next, zone)
        ));
    }
}

/// Says what becomes of a registration, and what we will do.
pub(super) fn stays(item: &Item<'_>, view: &mut ItemView<'_>, promise: &str) {
    if item.registration.is_none() || item.subject.kind != Kind::Programme {
        return;
    }
    if item.truth.registration_stays_open {
        view.next.push(promise.to_owned());
    } else {
        view.next.push(
            "Registrations for this route have ended. Register again to hear of a later one.".to_owned(),
        );
    }
}
