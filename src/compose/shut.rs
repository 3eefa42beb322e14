//! The mails about a door that shut too soon: before the time that we told, or before we wrote.

use crate::compose::lint::Writer;
use crate::compose::names::{explanation, short_name, thing, things};
use crate::compose::particulars::identity;
use crate::compose::routes::{expected, opening, stays};
use crate::compose::subject_line::SubjectLine;
use crate::compose::vacancies::when_told;
use crate::compose::view::{Head, ItemView, Setting, Wrong};
use crate::compose::{Item, words};
use crate::domain::difference;
use crate::domain::truth::{CloseReason, State, Truth};

pub(super) fn early_head(setting: Setting<'_>, items: &[&Item<'_>]) -> Head {
    let (subject, headline) = match items {
        [only] => (
            SubjectLine::of("Closed early: ", short_name(setting.taxonomy, only)),
            format!("This {} closed early", thing(only.subject.kind)),
        ),
        several => (
            SubjectLine::fact(format!("Closed early: {} {} you asked about", several.len(), things(several))),
            format!("{} {} closed early", words::number(several.len()), things(several)),
        ),
    };
    Head { subject, headline, summary: vec![] }
}

pub(super) fn early(setting: Setting<'_>, item: &Item<'_>, view: &mut ItemView<'_>) {
    let (truth, zone) = (item.truth, item.truth.facts.zone);
    let is = format!("It closed{}{}.", shut_when(truth), because(truth));
    let was = item.told.as_ref().map(|told| {
        let (on, thing) = (when_told(setting, told), thing(item.subject.kind));
        match words::until(difference::closing(told.truth), zone) {
            Some(until) => format!("We told you {on} that this {thing} was open until {until}."),
            None => format!("We told you {on} that this {thing} was open."),
        }
    });
    match was {
        Some(was) => view.wrong.push(Wrong { was, is, writer: Writer::Us }),
        None => view.lead.push(is),
    }
    view.explanation = explanation(truth.explanation.as_deref());
    view.rows = identity(setting.taxonomy, item);
    view.next.push(
        "If you had started an application, check the application site for what happens to it.".to_owned(),
    );
    expected(truth, view);
    stays(item, view, "You stay registered. We will write when it next opens.");
}

pub(super) fn missed_head(items: &[&Item<'_>]) -> Head {
    let fact = match items {
        [only] if only.perhaps_told => {
            format!("This {} has closed, and our email may not have reached you", thing(only.subject.kind))
        }
        [only] => format!("This {} opened and closed before we wrote", thing(only.subject.kind)),
        several => {
            format!("{} {} opened and closed before we wrote", words::number(several.len()), things(several))
        }
    };
    Head { subject: SubjectLine::fact(fact.clone()), headline: fact, summary: vec![] }
}

pub(super) fn missed(setting: Setting<'_>, item: &Item<'_>, view: &mut ItemView<'_>) {
    let truth = item.truth;
    view.lead.push(opened_and_closed(item));
    let apology = if item.perhaps_told {
        "We sent you an email while it was open. It may have been lost on the way, and we could not tell in time. \
         We are sorry."
    } else {
        "You asked us to tell you and we did not manage it in time. We are sorry."
    };
    view.lead.push(apology.to_owned());
    view.rows = identity(setting.taxonomy, item);
    expected(truth, view);
    stays(
        item,
        view,
        // Who was told the date beforehand is not promised it as if that were something new.
        if item.told.is_some() {
            "You are still registered. We will write when it next opens."
        } else {
            "You are still registered. Next time you will get the date beforehand, if the force gives us one."
        },
    );
}

/// When a door opened and when it shut, as one sentence.
pub(super) fn opened_and_closed(item: &Item<'_>) -> String {
    let truth = item.truth;
    let thing = thing(item.subject.kind);
    let (shut, because) = (shut_when(truth), because(truth));
    let over = |opened| truth.door_shuts_at().is_some_and(|shut| shut <= opened);
    match opening(truth) {
        _ if truth.opened_at.is_some_and(over) => format!("The {thing} was put up after its closing time."),
        Some(opened) => {
            let (begins, zone) = (words::begins(opened, truth.facts.zone), truth.facts.zone);
            // A day is said once.
            let on = format!(" on {}", words::day(words::begins_on(opened, zone)));
            let opened = begins.strip_suffix(&on).filter(|_| shut.ends_with(&on)).unwrap_or(&begins);
            format!("The {thing} opened {opened} and closed{shut}{because}.")
        }
        None => format!("The {thing} opened, and closed{shut}{because}."),
    }
}

/// When a door shut, to be put behind a verb: ` at noon on Tuesday 19 March 2024`.
fn shut_when(truth: &Truth) -> String {
    let zone = truth.facts.zone;
    let by_event = truth.shut_at.filter(|_| matches!(truth.state, State::Closed | State::Withdrawn));
    let by_clock = words::shuts(truth.facts.closing, zone);
    let clock = truth.facts.door_shuts_at();
    match (by_event.filter(|at| clock.is_none_or(|clock| *at < clock)), by_clock) {
        (Some(at), _) => format!(" at {}", words::moment(at, zone)),
        (None, Some(clock)) => format!(" {clock}"),
        (None, None) => String::new(),
    }
}

/// Why a door shut, if a reason is recorded.
fn because(truth: &Truth) -> &'static str {
    match truth.close_reason {
        Some(CloseReason::Oversubscribed) => " because enough people applied",
        Some(CloseReason::Capacity) => " because the limit on applications was reached",
        Some(CloseReason::Filled) => " because it was filled",
        Some(CloseReason::Cancelled) => " because it was cancelled",
        _ => "",
    }
}
