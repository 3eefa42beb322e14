//! The digest: what closes soon, what is new, what has changed, and what came and went.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::compose::correction::{self, corrections};
use crate::compose::english::English;
use crate::compose::lint::Writer;
use crate::compose::names::{thing, things, title};
use crate::compose::particulars::{identity, rows};
use crate::compose::shut::opened_and_closed;
use crate::compose::subject_line::SubjectLine;
use crate::compose::tongue::{Fact, Tongue as _};
use crate::compose::view::{Head, ItemView, Row, Setting};
use crate::compose::{Item, days, words};
use crate::domain::alert::Notice;
use crate::domain::difference::{self, Field};
use crate::domain::facts::Closing;
use crate::domain::subject::Kind;
use crate::domain::truth::Phase;

/// What a digest tells.
#[derive(Debug, Clone)]
pub struct Digest<'a> {
    /// What is open and new, what is not as it was told, and what opened and closed untold: from 1
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
    /// The part that tells of an opening.
    pub(super) fn of(setting: Setting<'_>, item: &Item<'_>) -> Self {
        let shuts_soon = item.truth.door_shuts_at().is_some_and(|shuts| shuts < setting.soon);
        match item.notice {
            Notice::Missed => Self::OpenedAndClosed,
            Notice::Corrected(_) => Self::Changed,
            _ if shuts_soon && days::has_places(setting, item) => Self::ClosingSoon,
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

/// What a digest tells as opened and closed, by how people hear of such a thing sooner.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Gone {
    /// Something that searches find.
    searched: bool,
    /// A route, for which people can register.
    routes: bool,
}

impl Gone {
    pub(super) fn of(items: &[&Item<'_>], sections: &[Option<Section>]) -> Self {
        let told = items.iter().zip(sections);
        let (routes, searched): (Vec<_>, Vec<_>) = told
            .filter(|(_, section)| **section == Some(Section::OpenedAndClosed))
            .partition(|(item, _)| item.subject.kind == Kind::Programme);
        Self { searched: !searched.is_empty(), routes: !routes.is_empty() }
    }
}

/// How many there are of what.
struct Tally {
    soon: usize,
    new: usize,
    changed: usize,
    gone: usize,
    rest: usize,
    /// All that can still be acted on are event days.
    days: bool,
}

pub(super) fn head(setting: Setting<'_>, items: &[&Item<'_>]) -> Head {
    let within = |section| items.iter().filter(|item| Section::of(setting, item) == section).count();
    let (gone, live): (Vec<&Item<'_>>, Vec<&Item<'_>>) =
        items.iter().partition(|item| *item.notice == Notice::Missed);
    let tally = Tally {
        soon: within(Section::ClosingSoon),
        new: within(Section::New),
        changed: within(Section::Changed),
        gone: gone.len(),
        rest: setting.rest,
        days: live.iter().all(|item| item.subject.kind == Kind::EventDay),
    };
    let (subject, headline) = if tally.soon + tally.new + tally.rest > 0 {
        fresh(setting, &tally, &live, noun(tally.live(), if live.is_empty() { items } else { &live }))
    } else if let [first, ..] = live[..] {
        changed(setting, &live, first)
    } else {
        opened_and_closed_only(setting, &gone)
    };
    Head { subject, headline, summary: tally.summary() }
}

/// The subject and the headline of a digest in which something is new: `6 roles for you, 2 close
/// soon`.
fn fresh(setting: Setting<'_>, tally: &Tally, live: &[&Item<'_>], noun: &str) -> (SubjectLine, String) {
    let Tally { soon, new, changed, days, .. } = *tally;
    let count = tally.live();
    let yours = if noun.starts_with("thing") { "you asked about" } else { "for you" };
    if let (1, [only]) = (count, live) {
        let (fact, headline) = match (soon, days) {
            (0, _) => (format!("1 {noun} {yours}"), format!("One new {noun} {yours}")),
            (_, true) => {
                (format!("1 {noun} {yours}, bookings end soon"), format!("Bookings for one {noun} end soon"))
            }
            (_, false) => {
                (format!("1 {noun} {yours} closes soon"), format!("One {noun} {yours} closes soon"))
            }
        };
        return (SubjectLine::of(&format!("{fact}: "), title(setting.taxonomy, only)), headline);
    }
    let all = if count == 2 { "both" } else { "all" };
    let ending = if soon == count { all.to_owned() } else { soon.to_string() };
    let ending = match (days, soon) {
        (true, _) => format!("bookings for {ending} end soon"),
        (false, 1) => format!("{ending} closes soon"),
        (false, _) => format!("{ending} close soon"),
    };
    let fact = match soon {
        0 => format!("{count} {noun} {yours}"),
        _ => format!("{count} {noun} {yours}, {ending}"),
    };
    let detail = match changed {
        0 => String::new(),
        1 => ", 1 has changed".to_owned(),
        several => format!(", {several} have changed"),
    };
    let headline = match words::number(count) {
        number if soon == count => format!("{number} {noun} {yours}, {ending}"),
        number if new == count => format!("{number} {noun} {yours}, {all} new"),
        number => format!("{number} {noun} {yours}"),
    };
    (SubjectLine { detail, ..SubjectLine::fact(fact) }, headline)
}

/// The subject and the headline of a digest that tells of changes, and of nothing new.
fn changed(setting: Setting<'_>, items: &[&Item<'_>], first: &Item<'_>) -> (SubjectLine, String) {
    match items.len() {
        1 => {
            let thing = thing(first.subject.kind);
            let subject = SubjectLine::of("Changed: ", title(setting.taxonomy, first));
            (subject, format!("One {thing} you asked about has changed"))
        }
        count => {
            let things = format!("{} you asked about", things(items));
            let subject = SubjectLine::fact(format!("Changes to {count} {things}"));
            (subject, format!("{} {things} have changed", words::number(count)))
        }
    }
}

/// The subject and the headline of a digest that has only missed openings to tell of.
fn opened_and_closed_only(setting: Setting<'_>, items: &[&Item<'_>]) -> (SubjectLine, String) {
    let noun = noun(items.len(), items);
    let subject = match items {
        [only] => SubjectLine::of("Opened and closed: ", title(setting.taxonomy, only)),
        several => SubjectLine::fact(format!("{} {noun} opened and closed", several.len())),
    };
    (subject, format!("{} {noun} opened and closed before this email", words::number(items.len())))
}

impl Tally {
    /// What can still be acted on.
    const fn live(&self) -> usize {
        self.soon + self.new + self.changed + self.rest
    }

    /// How much there is in each part, unless the headline says all of it.
    fn summary(&self) -> Vec<String> {
        let said = |count: usize, one: &str, several: &str| {
            let number = words::number(count);
            (count > 0).then(|| format!("{number} {}.", if count == 1 { one } else { several }))
        };
        let soon = if self.days && self.soon > 0 {
            Some(format!("Bookings for {} end soon.", words::number(self.soon).to_lowercase()))
        } else {
            said(self.soon, "closes soon", "close soon")
        };
        let sentences: Vec<String> = [
            soon,
            said(self.new, "is new", "are new"),
            said(self.changed, "has changed since we wrote", "have changed since we wrote"),
            said(self.gone, "opened and closed before this email", "opened and closed before this email"),
            said(self.rest, "more is on our pages", "more are on our pages"),
        ]
        .into_iter()
        .flatten()
        .collect();
        if sentences.len() > 1 { vec![sentences.join(" ")] } else { vec![] }
    }
}

/// What there are so many of.
fn noun(count: usize, items: &[&Item<'_>]) -> &'static str {
    match (things(items), items) {
        (things, _) if count != 1 => things,
        ("things", _) | (_, []) => "thing",
        (_, [first, ..]) => thing(first.subject.kind),
    }
}

/// How many more there are, as a sentence.
pub(super) fn rest(setting: Setting<'_>, items: &[&Item<'_>]) -> Option<String> {
    match setting.rest {
        0 => None,
        1 => Some("There is 1 more that matches.".to_owned()),
        rest => Some(format!("There are {rest} more {} that match.", things(items))),
    }
}

pub(super) fn told(setting: Setting<'_>, item: &Item<'_>, view: &mut ItemView<'_>) {
    match item.notice {
        Notice::Missed => {
            view.lead.push(opened_and_closed(item));
            view.rows = identity(setting.taxonomy, item);
        }
        Notice::Corrected(_) => {
            if item.subject.kind == Kind::EventDay {
                view.wrong = days::corrected(setting, item);
                view.next.push(days::booked(item));
            } else {
                view.wrong = corrections(setting, item);
            }
            // What has just been said is not said again.
            let moved = correction::fields(item.notice).contains(&Field::Closing);
            view.closing = closing(setting, item).filter(|_| !moved);
            view.rows = identity(setting.taxonomy, item);
        }
        _ => {
            view.closing = closing(setting, item);
            view.rows = deciding(rows(setting, item));
            let intake = item.truth.facts.programme.as_ref();
            view.may_close_early = intake.is_some_and(|intake| intake.may_close_early);
        }
    }
}

/// What decides whether people look closer. What is missing is said in one place.
fn deciding(rows: Vec<Row>) -> Vec<Row> {
    let rows = rows.into_iter().filter(|row| DECIDING.contains(&row.fact));
    let (mut given, missing): (Vec<Row>, Vec<Row>) = rows.partition(|row| row.value.is_some());
    if !missing.is_empty() {
        let names: Vec<String> = missing.iter().map(|row| English.fact(row.fact).to_lowercase()).collect();
        given.push(Row::of(Fact::NotGiven, Some(words::list(&names)), Writer::Us));
    }
    given
}

/// The facts by which people decide whether to look closer.
const DECIDING: [Fact; 11] = [
    Fact::When,
    Fact::Where,
    Fact::Length,
    Fact::Place,
    Fact::Contract,
    Fact::Hours,
    Fact::Pay,
    Fact::WhoMayApply,
    Fact::WhoMayCome,
    Fact::Route,
    Fact::Reference,
];

/// Until when something can be done, as a sentence on its own. Where nothing can be done yet, an
/// end that nobody has given is not spoken of.
fn closing(setting: Setting<'_>, item: &Item<'_>) -> Option<String> {
    let closing = difference::closing(item.truth);
    if item.subject.kind == Kind::EventDay {
        return Some(days::booking(setting, item));
    }
    let is_open = item.truth.phase(setting.now) == Phase::Open;
    (is_open || closing != Closing::OpenUntilFilled).then(|| words::closing(closing, item.truth.facts.zone))
}
