//! The digest: what closes soon, what is new, what has changed, and what came and went.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::compose::correction::corrections;
use crate::compose::names::{thing, things};
use crate::compose::particulars::{identity, rows};
use crate::compose::shut::opened_and_closed;
use crate::compose::subject_line::SubjectLine;
use crate::compose::view::{Head, ItemView, Setting};
use crate::compose::{Item, days, words};
use crate::domain::alert::Notice;
use crate::domain::difference;
use crate::domain::facts::Closing;
use crate::domain::subject::Kind;

/// What a digest tells.
#[derive(Debug, Clone)]
pub struct Digest<'a> {
    /// What is new, what has changed since it was told, and what opened and closed untold: from 1
    /// to [`MOST_ITEMS`](crate::compose::MOST_ITEMS).
    pub items: Vec<Item<'a>>,
    /// What closes before this moment closes soon.
    pub soon: DateTime<Utc>,
    /// How many more there are than it tells of: people find them on our pages.
    pub rest: usize,
}

/// A part of a digest, in the order in which they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Section {
    ClosingSoon,
    New,
    Changed,
    OpenedAndClosed,
}

impl Section {
    /// The part that tells of an opening. Only what can still be acted on closes soon.
    pub(super) fn of(item: &Item<'_>, soon: DateTime<Utc>) -> Self {
        match item.notice {
            Notice::Missed => Self::OpenedAndClosed,
            Notice::Corrected(_) => Self::Changed,
            _ if item.truth.door_shuts_at().is_some_and(|shuts| shuts < soon) && !is_full(item) => {
                Self::ClosingSoon
            }
            _ => Self::New,
        }
    }

    pub(super) const fn heading(self) -> &'static str {
        match self {
            Self::ClosingSoon => "Closing soon",
            Self::New => "New",
            Self::Changed => "Changed",
            Self::OpenedAndClosed => "Opened and closed",
        }
    }
}

/// What opened and closed since the last digest, by how people hear of it sooner.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Gone {
    /// Something that a search finds.
    searched: bool,
    /// A route, for which people can register.
    routes: bool,
}

impl Gone {
    pub(super) fn of(items: &[&Item<'_>], sections: &[Option<Section>]) -> Self {
        let gone = || {
            let told = items.iter().zip(sections);
            told.filter(|(_, section)| **section == Some(Section::OpenedAndClosed)).map(|(item, _)| item)
        };
        let is_route = |item: &&&Item<'_>| item.subject.kind == Kind::Programme;
        Self { searched: gone().any(|item| !is_route(&item)), routes: gone().any(|item| is_route(&item)) }
    }
}

pub(super) fn head(setting: Setting<'_>, items: &[&Item<'_>]) -> Head {
    let within = |section| items.iter().filter(|item| Section::of(item, setting.soon) == section).count();
    let [soon, new, changed, gone] =
        [Section::ClosingSoon, Section::New, Section::Changed, Section::OpenedAndClosed].map(within);
    let live: Vec<&Item<'_>> = items.iter().filter(|item| *item.notice != Notice::Missed).copied().collect();
    let count = live.len() + setting.rest;
    let subject = format!("{count} {} for you", noun(count, &live));
    let summary = format!("{soon} {new} {changed} {gone}");
    Head { subject: SubjectLine::fact(subject.clone()), headline: subject, summary: vec![summary] }
}

/// What there are so many of.
fn noun(count: usize, items: &[&Item<'_>]) -> &'static str {
    match items {
        [first, ..] if count == 1 => thing(first.subject.kind),
        _ => things(items),
    }
}

/// How many more there are, as a sentence.
pub(super) fn rest(setting: Setting<'_>, items: &[&Item<'_>]) -> Option<String> {
    let things = noun(2, items);
    match setting.rest {
        0 => None,
        1 => Some(format!("There is 1 more {} that matches.", noun(1, items))),
        rest => Some(format!("There are {rest} more {things} that match.")),
    }
}

pub(super) fn told(setting: Setting<'_>, item: &Item<'_>, view: &mut ItemView<'_>) {
    let (facts, closing) = (&item.truth.facts, difference::closing(item.truth));
    match item.notice {
        Notice::Missed => {
            view.lead.push(opened_and_closed(item));
            view.rows = identity(setting.taxonomy, item);
            return;
        }
        Notice::Corrected(_) => {
            view.wrong = match item.subject.kind {
                Kind::EventDay => days::corrected(setting, item),
                Kind::Vacancy | Kind::Programme => corrections(setting, item),
            };
            view.rows = identity(setting.taxonomy, item);
        }
        _ => {
            view.rows = rows(setting, item);
            view.rows.retain(|row| DECIDING.contains(&row.name));
        }
    }
    view.closing = Some(words::closing(closing, facts.zone)).filter(|_| closing != Closing::OpenUntilFilled);
}

/// The facts by which people decide whether to look closer.
const DECIDING: [&str; 8] = ["When", "Where", "Length", "Place", "Hours", "Pay", "Route", "Reference"];

/// Whether it is a day on which no place is left.
fn is_full(item: &Item<'_>) -> bool {
    item.truth.facts.day.as_ref().is_some_and(|day| day.full)
}
