//! What a mail says, as its templates see it.
//!
//! The sentences that carry facts are made here and in the files of the kinds; the blocks that are
//! the same in each mail are in the templates. Every value is told to the lint with who wrote it.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::compose::digest::{Gone, Section};
use crate::compose::english::English;
use crate::compose::kind::MailKind;
use crate::compose::lint::{Slot, Writer};
use crate::compose::names::{label_of_programme, names, text, title};
use crate::compose::subject_line::SubjectLine;
use crate::compose::tongue::{Deed, Fact, Tongue, tongue};
use crate::compose::{Item, Sender, Stop, correction, days, digest, routes, shut, vacancies};
use crate::domain::alert::Notice;
use crate::domain::difference;
use crate::domain::language::Language;
use crate::domain::subject::Kind;
use crate::domain::taxonomy::Taxonomy;
use crate::domain::text::one_line;
use crate::templates::{Parts, TemplateProblem, Templates};

/// The most searches that are named for one opening.
const MOST_NAMES: usize = 10;
/// As many in a digest, which is to be short.
const MOST_NAMES_IN_A_DIGEST: usize = 5;

/// What a mail is made by, whatever its kind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting<'a> {
    pub(super) sender: &'a Sender,
    pub(super) taxonomy: &'a Taxonomy,
    /// Of every word that is ours.
    pub(super) language: Language,
    /// How the reader stops.
    pub(super) stop: &'a Stop,
    pub(super) discreet: bool,
    pub(super) now: DateTime<Utc>,
    /// What closes before this closes soon, in a digest.
    pub(super) soon: DateTime<Utc>,
    /// How many more there are than a digest tells of.
    pub(super) rest: usize,
}

impl Setting<'_> {
    /// What is said in its language.
    pub(super) fn tongue(&self) -> &'static dyn Tongue {
        tongue(self.language)
    }
}

/// What a kind of mail says of all that it tells of.
pub(super) struct Head {
    pub(super) subject: SubjectLine,
    /// The one heading of the first level.
    pub(super) headline: String,
    /// What to say before the single openings.
    pub(super) summary: Vec<String>,
}

/// What both parts need.
#[derive(Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "templates ask questions that are answered yes or no")]
pub(super) struct View<'a> {
    /// The language of the mail, as `lang` has it.
    lang: &'static str,
    page_title: String,
    test: bool,
    discreet: bool,
    headline: String,
    summary: Vec<String>,
    /// It tells of more than one.
    several: bool,
    items: Vec<ItemView<'a>>,
    /// What people registered for of whom this mail is the receipt.
    receipt: Option<String>,
    /// One of them opens at a known time, and there is a calendar file.
    calendar: bool,
    /// Which kinds of things a digest tells as opened and closed.
    gone: Gone,
    /// How many more there are than are told of.
    rest: Option<String>,
    as_of: String,
    /// What to look at for later changes: the advert, or the page.
    source: &'static str,
    force: &'a str,
    team: &'a str,
    postal_address: &'a str,
    reply_to: &'a str,
    public_url: &'a str,
    privacy_url: &'a str,
    stop_url: &'a str,
    #[serde(skip)]
    kind: MailKind,
    #[serde(skip)]
    language: Language,
}

/// What they need of one opening. Each kind fills in what it says of it.
#[derive(Serialize)]
pub(super) struct ItemView<'a> {
    /// Counted from 1, if there are several.
    number: Option<usize>,
    /// The part of a digest that begins with it.
    section: Option<&'static str>,
    pub(super) title: String,
    /// What was told and is not so, beside what is.
    pub(super) wrong: Vec<Wrong>,
    /// What happened.
    pub(super) lead: Vec<String>,
    /// Why, in the source's words.
    pub(super) explanation: Option<String>,
    /// When it shuts, as a sentence on its own.
    pub(super) closing: Option<String>,
    pub(super) rows: Vec<Row>,
    /// What follows from it for the reader.
    pub(super) next: Vec<String>,
    pub(super) may_close_early: bool,
    pub(super) link: Option<Link<'a>>,
    /// Why the reader is told.
    why: String,
}

/// A thing that was told and is not so. Without the first sentence the second says all.
#[derive(Serialize)]
pub(super) struct Wrong {
    pub(super) was: String,
    pub(super) is: String,
    /// Who wrote the values in the two sentences.
    #[serde(skip)]
    pub(super) writer: Writer,
}

/// One fact, with its name. A value that is missing is said to be missing.
#[derive(Serialize)]
pub(super) struct Row {
    #[serde(skip)]
    pub(super) fact: Fact,
    /// What it is called in the language of the mail; the view sees to that.
    name: &'static str,
    pub(super) value: Option<String>,
    #[serde(skip)]
    pub(super) writer: Writer,
}

impl Row {
    pub(super) const fn of(fact: Fact, value: Option<String>, writer: Writer) -> Self {
        Self { fact, name: "", value, writer }
    }
}

/// The one thing to press, or where to look if there is none.
#[derive(Serialize)]
pub(super) struct Link<'a> {
    /// What pressing does.
    #[serde(skip)]
    does: Deed,
    text: String,
    url: Option<String>,
    /// The host of `url`, for people to know where they are led.
    host: Option<String>,
    /// What to look for on the pages of the force.
    look_for: String,
    public_url: &'a str,
}

/// The three texts of a mail.
pub(super) struct Rendered {
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) html: String,
}

impl<'a> View<'a> {
    /// What the mail of this kind says of `items`: in the order in which they close, those that say
    /// no closing last.
    pub(super) fn new(setting: Setting<'a>, kind: MailKind, items: &[Item<'_>]) -> Self {
        let Setting { sender, language, discreet, now, .. } = setting;
        let tongue = setting.tongue();
        let mut order: Vec<&Item<'_>> = items.iter().collect();
        let section = |item: &Item<'_>| (kind == MailKind::Digest).then(|| Section::of(setting, item));
        order.sort_by_cached_key(|item| {
            let shuts = difference::closing(item.truth).door_shuts_at(item.truth.facts.zone);
            (section(item), shuts.is_none(), shuts, item.subject.reference.as_str())
        });
        let several = order.len() > 1;
        let (Head { subject, headline, summary }, tell): (Head, Teller) = match kind {
            MailKind::VacancyAlert => (vacancies::alert_head(setting, &order), vacancies::alert),
            MailKind::Withdrawn => (vacancies::withdrawn_head(&order), vacancies::withdrawn),
            MailKind::OpeningDate => (routes::date_head(setting, &order), routes::date),
            MailKind::OpenNow => (routes::open_head(setting, &order), routes::open),
            MailKind::ProgrammeChanged => (routes::changed_head(setting, &order), routes::changed),
            MailKind::ClosingSoon => (routes::closing_head(setting, &order), routes::closing),
            MailKind::Missed => (shut::missed_head(&order), shut::missed),
            MailKind::ClosedEarly => (shut::early_head(setting, &order), shut::early),
            MailKind::Correction => (correction::head(setting, &order), correction::told),
            MailKind::EventDay => (days::head(setting, &order), days::day),
            MailKind::EventDayChanged => (days::changed_head(setting, &order), days::changed),
            MailKind::Digest => (digest::head(setting, &order), digest::told),
        };
        let sections: Vec<Option<Section>> = order.iter().map(|item| section(item)).collect();
        let test = items.iter().any(|item| item.test);
        let vacancies_only = items.iter().all(|item| item.subject.kind == Kind::Vacancy);
        let mut view = Self {
            lang: language.tag(),
            page_title: subject.fitted(tongue, test, discreet, kind),
            test,
            discreet,
            headline,
            summary,
            several,
            items: order
                .iter()
                .enumerate()
                .map(|(index, item)| {
                    let mut view = ItemView::new(setting, kind, item);
                    view.number = several.then_some(index + 1);
                    let begins = index == 0 || sections[index] != sections[index - 1];
                    view.section = sections[index].filter(|_| begins).map(Section::heading);
                    tell(setting, item, &mut view);
                    for row in &mut view.rows {
                        row.name = tongue.fact(row.fact);
                    }
                    view
                })
                .collect(),
            receipt: receipt(setting, &order),
            gone: Gone::of(&order, &sections),
            rest: digest::rest(setting, &order),
            calendar: kind == MailKind::OpeningDate
                && items.iter().any(|item| routes::opening(item.truth).is_some()),
            as_of: tongue.moment(now, sender.zone),
            source: tongue.source(vacancies_only),
            force: &sender.name,
            team: &sender.team,
            postal_address: &sender.postal_address,
            reply_to: sender.reply_to.address().as_str(),
            public_url: sender.public_url.as_str(),
            privacy_url: sender.privacy_url.as_str(),
            stop_url: setting.stop.page.as_str(),
            kind,
            language,
        };
        view.word_links(&order);
        view
    }

    /// Says what links do; two links with the same words must not lead to different pages.
    fn word_links(&mut self, order: &[&Item<'_>]) {
        let titles: Vec<String> = self.items.iter().map(|item| item.title.clone()).collect();
        for (view, item) in self.items.iter_mut().zip(order) {
            let twins = titles.iter().filter(|title| **title == view.title).count();
            let label = match twins {
                _ if !self.several => None,
                1 => Some(view.title.clone()),
                _ => Some(format!("{} ({})", view.title, text(&item.subject.reference))),
            };
            // In a digest, titles are links themselves.
            if let (MailKind::Digest, Some(label)) = (self.kind, &label) {
                view.title.clone_from(label);
            }
            if let Some(link) = &mut view.link {
                link.text = match label {
                    Some(label) => format!("{}: {label}", link.does.beside_title),
                    None => link.does.alone.to_owned(),
                };
            }
        }
    }

    pub(super) fn discreet(&self) -> bool {
        self.discreet
    }

    pub(super) fn language(&self) -> Language {
        self.language
    }

    pub(super) fn stop_url(&self) -> &str {
        self.stop_url
    }

    pub(super) fn render(&self, templates: &Templates) -> Result<Rendered, TemplateProblem> {
        let Parts { text, html } = templates.parts(self.language, body(self.kind), self)?;
        Ok(Rendered { subject: self.page_title.clone(), text: without_gaps(&text), html })
    }

    /// Every value that stands in the mail, for the lint.
    pub(super) fn slots(&self) -> Vec<Slot<'_>> {
        let slot = |name, text, writer| Slot { name, text, writer };
        let mut slots = Vec::with_capacity(6 + 16 * self.items.len());
        slots.extend([
            slot("headline", &*self.headline, Writer::Source),
            slot("sender name", self.force, Writer::Source),
            slot("sender team", self.team, Writer::Source),
            slot("sender postal address", self.postal_address, Writer::Source),
            slot("sender privacy link", self.privacy_url, Writer::Source),
        ]);
        if says_as_of(self.kind) {
            slots.push(slot("as-of", &self.as_of, Writer::Us));
        }
        slots.extend(self.summary.iter().map(|text| slot("summary", text, Writer::Source)));
        slots.extend(self.rest.iter().map(|text| slot("rest", text, Writer::Us)));
        slots.extend(self.receipt.iter().map(|text| slot("receipt", text, Writer::Source)));
        for item in &self.items {
            slots.push(slot("title", &item.title, Writer::Source));
            slots.extend(item.wrong.iter().flat_map(|Wrong { was, is, writer }| {
                [slot("what was told", was, *writer), slot("what is so", is, *writer)]
            }));
            slots.extend(item.lead.iter().map(|text| slot("lead", text, Writer::Us)));
            slots.extend(item.explanation.iter().map(|text| slot("explanation", text, Writer::Source)));
            slots.extend(item.closing.iter().map(|text| slot("closing", text, Writer::Us)));
            slots.extend(
                item.rows
                    .iter()
                    .filter_map(|row| Some(slot(English.fact(row.fact), row.value.as_deref()?, row.writer))),
            );
            slots.extend(item.next.iter().map(|text| slot("what next", text, Writer::Us)));
            slots.push(slot("why you", &item.why, Writer::Reader));
            if let Some(link) = &item.link {
                slots.push(match &link.url {
                    Some(url) => slot("link", url, Writer::Source),
                    None => slot("what to look for", &link.look_for, Writer::Source),
                });
            }
        }
        slots
    }
}

/// Fills in what a kind says of one opening.
type Teller = fn(Setting<'_>, &Item<'_>, &mut ItemView<'_>);

/// The template of a kind.
pub(super) const fn body(kind: MailKind) -> &'static str {
    match kind {
        MailKind::VacancyAlert => "vacancy-alert/body",
        MailKind::Withdrawn => "withdrawn/body",
        MailKind::OpeningDate => "opening-date/body",
        MailKind::OpenNow => "open-now/body",
        MailKind::ProgrammeChanged => "programme-changed/body",
        MailKind::ClosingSoon => "closing-soon/body",
        MailKind::Missed => "missed/body",
        MailKind::ClosedEarly => "closed-early/body",
        MailKind::Correction => "correction/body",
        MailKind::EventDay => "event-day/body",
        MailKind::EventDayChanged => "event-day-changed/body",
        MailKind::Digest => "digest/body",
    }
}

/// Whether a kind leads the reader to a page that may change.
const fn says_as_of(kind: MailKind) -> bool {
    match kind {
        MailKind::VacancyAlert
        | MailKind::OpeningDate
        | MailKind::OpenNow
        | MailKind::ClosingSoon
        | MailKind::Correction
        | MailKind::EventDay
        | MailKind::EventDayChanged
        | MailKind::Digest => true,
        MailKind::Withdrawn | MailKind::ProgrammeChanged | MailKind::Missed | MailKind::ClosedEarly => false,
    }
}

impl<'a> ItemView<'a> {
    fn new(setting: Setting<'a>, kind: MailKind, item: &Item<'_>) -> Self {
        Self {
            number: None,
            section: None,
            title: title(setting.taxonomy, item),
            wrong: vec![],
            lead: vec![],
            explanation: None,
            closing: None,
            rows: vec![],
            next: vec![],
            may_close_early: false,
            link: link(setting, kind, item),
            why: why(setting, kind, item),
        }
    }
}

/// The one link of an opening, in kinds that have one.
fn link<'a>(setting: Setting<'a>, kind: MailKind, item: &Item<'_>) -> Option<Link<'a>> {
    let tongue = setting.tongue();
    let does = match (kind, item.subject.kind) {
        (MailKind::Digest, _) if *item.notice == Notice::Missed => return None,
        (MailKind::VacancyAlert, _) | (MailKind::Correction | MailKind::Digest, Kind::Vacancy) => {
            tongue.read_the_advert()
        }
        (MailKind::OpeningDate, _) => Deed::of("Read what you will need"),
        (MailKind::OpenNow | MailKind::ClosingSoon, _) => tongue.read_about_the_route(),
        (MailKind::Digest, Kind::Programme) if *item.notice == Notice::Open => tongue.read_about_the_route(),
        (MailKind::Correction, _) | (MailKind::Digest, Kind::Programme) => Deed::of("Read about the route"),
        (MailKind::EventDay | MailKind::Digest, _) if days::has_places(setting, item) => {
            Deed::of("Book a place")
        }
        (MailKind::EventDay | MailKind::EventDayChanged | MailKind::Digest, _) => {
            Deed::of("Read about the day")
        }
        _ => return None,
    };
    let url = item.truth.facts.url.as_deref().map(one_line).filter(|url| !url.is_empty());
    let host = |url: &String| url::Url::parse(url).ok()?.host_str().map(ToOwned::to_owned);
    Some(Link {
        does,
        text: String::new(),
        host: url.as_ref().and_then(host),
        url,
        look_for: tongue.look_for(item.subject.kind, &text(&item.subject.reference)),
        public_url: setting.sender.public_url.as_str(),
    })
}

/// Why a person is told, after the words "Why you got this".
fn why(setting: Setting<'_>, kind: MailKind, item: &Item<'_>) -> String {
    let tongue = setting.tongue();
    let mut why = String::new();
    if let Some(registration) = &item.registration {
        let on = registration.on.with_timezone(&setting.sender.zone).date_naive();
        let label = label_of_programme(setting.taxonomy, registration.programme);
        let owed = kind == MailKind::OpenNow || *item.notice == Notice::Dated;
        why = tongue.registered(on, &label, owed && !registration.receipt) + ".";
    }
    if !item.searches.is_empty() {
        let most = if kind == MailKind::Digest { MOST_NAMES_IN_A_DIGEST } else { MOST_NAMES };
        let names = names(tongue, &item.searches, most);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let matched = item.no_longer_matches || *item.notice == Notice::Missed;
        let too = !why.is_empty();
        if too {
            why.push(' ');
        }
        why.push_str(&tongue.searched(&names, too, matched));
    }
    if *item.notice == Notice::ClosingSoon {
        why.push(' ');
        why.push_str(tongue.asked_to_be_reminded());
    }
    if item.no_longer_matches {
        why.push(' ');
        why.push_str(tongue.no_longer_matches());
    }
    why
}

/// What people registered for who get no other receipt.
fn receipt(setting: Setting<'_>, items: &[&Item<'_>]) -> Option<String> {
    let registrations = items.iter().filter_map(|item| item.registration);
    let mut labels: Vec<String> = Vec::new();
    for registration in registrations.filter(|registration| registration.receipt) {
        let label = label_of_programme(setting.taxonomy, registration.programme);
        if !labels.contains(&label) {
            labels.push(label);
        }
    }
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    (!labels.is_empty()).then(|| setting.tongue().list(&labels))
}

/// The lines without spaces at their ends and without more than one empty line in a row.
pub(super) fn without_gaps(rendered: &str) -> String {
    let mut tidy = String::with_capacity(rendered.len());
    let mut gap = false;
    for line in rendered.lines().map(str::trim_end) {
        if line.is_empty() {
            gap = !tidy.is_empty();
            continue;
        }
        if gap {
            tidy.push('\n');
        }
        gap = false;
        tidy.push_str(line);
        tidy.push('\n');
    }
    tidy
}
