//! The mails that tell only of vacancies: that they are new, and that they are gone.

use crate::compose::names::{code, explanation, place_in_subject, text, things, title};
use crate::compose::particulars::{identity, rows};
use crate::compose::subject_line::SubjectLine;
use crate::compose::view::{Head, ItemView, Setting};
use crate::compose::{Item, words};
use crate::domain::alert::Told;
use crate::domain::difference;
use crate::domain::truth::CloseReason;

pub(super) fn alert_head(setting: Setting<'_>, items: &[&Item<'_>]) -> Head {
    let mut searches = items.iter().flat_map(|item| &item.searches);
    let first = searches.next();
    let one_search = searches.all(|name| Some(name) == first);
    let tongue = setting.tongue();
    let subject = match items {
        [only] => SubjectLine {
            detail: place_in_subject(tongue, setting.taxonomy, &only.truth.facts)
                .map(|place| format!(", {place}"))
                .unwrap_or_default(),
            ..SubjectLine::of(tongue.new_role(), title(setting.taxonomy, only))
        },
        several => SubjectLine::fact(tongue.new_roles(several.len())),
    };
    Head { subject, headline: tongue.roles_match(items.len(), one_search), summary: vec![] }
}

pub(super) fn alert(setting: Setting<'_>, item: &Item<'_>, view: &mut ItemView<'_>) {
    let (closing, zone) = (difference::closing(item.truth), item.truth.facts.zone);
    view.closing = Some(setting.tongue().closing(closing, zone));
    view.rows = rows(setting, item);
}

pub(super) fn withdrawn_head(items: &[&Item<'_>]) -> Head {
    match items {
        [only] => Head {
            subject: SubjectLine::of("Withdrawn: ", text(&only.truth.facts.title)),
            headline: "This role has been withdrawn".to_owned(),
            summary: vec![],
        },
        several => {
            let headline = format!(
                "{} {} you asked about have been withdrawn",
                words::number(several.len()),
                things(several)
            );
            Head {
                subject: SubjectLine::fact(format!(
                    "Withdrawn: {} {} you asked about",
                    several.len(),
                    things(several)
                )),
                headline,
                summary: vec![],
            }
        }
    }
}

pub(super) fn withdrawn(setting: Setting<'_>, item: &Item<'_>, view: &mut ItemView<'_>) {
    let truth = item.truth;
    if let Some(told) = &item.told {
        view.lead.push(format!("We told you about this role {}.", when_told(setting, told)));
    }
    let gone = match truth.close_reason {
        Some(CloseReason::PostedInError) => "It was put up by mistake and has been taken down.",
        Some(CloseReason::Cancelled) => "It has been cancelled.",
        Some(CloseReason::Filled) => "It has been filled.",
        _ => "It has been taken down.",
    };
    view.lead.push(gone.to_owned());
    view.explanation = explanation(truth.explanation.as_deref());
    view.rows = identity(setting.taxonomy, item);
    if let Some(replacement) = truth.replaced_by.as_deref().and_then(code) {
        view.next.push(format!("Another role takes its place: reference {replacement}."));
    }
    view.next.push("There is nothing you need to do.".to_owned());
}

/// When somebody was told, by the clocks of the force: `earlier today`, or on which day.
pub(super) fn when_told(setting: Setting<'_>, told: &Told<'_>) -> String {
    let zone = setting.sender.zone;
    let day = |at: chrono::DateTime<chrono::Utc>| at.with_timezone(&zone).date_naive();
    if day(told.at) == day(setting.now) {
        "earlier today".to_owned()
    } else {
        format!("on {}", words::day(day(told.at)))
    }
}
