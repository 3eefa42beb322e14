//! The vacancy alert: what a mail about one or several new vacancies says.

mod samples;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::compose::lint::{Slot, Writer};
use crate::compose::{Item, Sender, words};
use crate::domain::facts::Facts;
use crate::domain::taxonomy::{Dimension, Taxonomy};
use crate::domain::text::{one_line, shorten};
use crate::templates::{Parts, TemplateProblem, Templates};

/// The name of the kind, in templates and Message-IDs.
pub const KIND: &str = "vacancy-alert";

const SUBJECT: &str = "vacancy-alert/subject";
const BODY: &str = "vacancy-alert/body";

/// A subject has fewer characters than this, so that a phone shows all of it.
const SUBJECT_BELOW: usize = 60;
/// And at most so many octets.
const SUBJECT_OCTETS: usize = 78;
/// The most characters shown of a title, and of any other text from an advert.
const LONGEST_TEXT: usize = 150;
/// The most characters shown of the name of a search.
const LONGEST_NAME: usize = 60;
/// The most searches that are named for one vacancy.
const MOST_NAMES: usize = 10;

/// What the subject needs.
#[derive(Serialize)]
struct SubjectView<'a> {
    test: bool,
    discreet: bool,
    /// How many vacancies, if more than one.
    several: Option<usize>,
    /// The one vacancy, as far as there is room.
    what: &'a str,
}

/// What both parts need.
#[derive(Serialize)]
pub(super) struct View<'a> {
    page_title: String,
    test: bool,
    discreet: bool,
    /// How many vacancies, if more than one.
    several: Option<usize>,
    many_searches: bool,
    items: Vec<ItemView<'a>>,
    as_of: String,
    force: &'a str,
    team: &'a str,
    postal_address: &'a str,
    privacy_url: &'a str,
    #[serde(skip)]
    place_in_subject: Option<String>,
}

/// What they need of one vacancy.
#[derive(Serialize)]
struct ItemView<'a> {
    /// Counted from 1, if there are several.
    number: Option<usize>,
    title: String,
    closing: String,
    employer: Option<String>,
    place: Option<String>,
    contract: Option<String>,
    hours: Option<String>,
    pay: Option<String>,
    grade: Option<String>,
    audience: Option<String>,
    reference: String,
    /// The names of the searches, in quotes; none if no search has a name.
    searches: Option<String>,
    many_searches: bool,
    url: Option<String>,
    /// What tells this link from the others, if there are several.
    label: Option<String>,
    public_url: &'a str,
}

/// The three texts of a mail.
pub(super) struct Rendered {
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) html: String,
}

impl<'a> View<'a> {
    /// What `items` say, in the order in which they close; those that say no closing come last.
    pub(super) fn new(
        sender: &'a Sender,
        taxonomy: &Taxonomy,
        discreet: bool,
        items: &[Item<'_>],
        now: DateTime<Utc>,
    ) -> Self {
        let mut order: Vec<&Item<'_>> = items.iter().collect();
        order.sort_by_cached_key(|item| {
            let shuts = item.truth.facts.closing.door_shuts_at(item.truth.facts.zone);
            (shuts.is_none(), shuts, item.subject.reference.as_str())
        });
        let several = (items.len() > 1).then_some(items.len());
        let mut view = Self {
            page_title: String::new(),
            test: items.iter().any(|item| item.test),
            discreet,
            several,
            many_searches: many_searches(items),
            items: order
                .iter()
                .enumerate()
                .map(|(index, item)| ItemView::new(sender, taxonomy, item, several.map(|_| index + 1)))
                .collect(),
            as_of: words::moment(now, sender.zone),
            force: &sender.name,
            team: &sender.team,
            postal_address: &sender.postal_address,
            privacy_url: sender.privacy_url.as_str(),
            place_in_subject: match order[..] {
                [only] => place_in_subject(taxonomy, &only.truth.facts),
                _ => None,
            },
        };
        view.tell_links_apart();
        view
    }

    /// Two links with the same words must not lead to different pages.
    fn tell_links_apart(&mut self) {
        for index in 0..self.items.len() {
            let title = &self.items[index].title;
            let twins = self.items.iter().filter(|other| other.title == *title).count();
            let item = &mut self.items[index];
            if twins > 1 {
                item.label = Some(format!("{} ({})", item.title, item.reference));
            }
        }
    }

    pub(super) fn discreet(&self) -> bool {
        self.discreet
    }

    pub(super) fn render(&mut self, templates: &Templates) -> Result<Rendered, TemplateProblem> {
        self.page_title = self.subject(templates)?;
        let Parts { text, html } = templates.parts(BODY, self)?;
        Ok(Rendered { subject: self.page_title.clone(), text: without_gaps(&text), html })
    }

    /// The subject: with the place if there is room, else without, else with part of the title.
    fn subject(&self, templates: &Templates) -> Result<String, TemplateProblem> {
        let render = |what: &str| {
            let Self { test, discreet, several, .. } = *self;
            let view = SubjectView { test, discreet, several, what };
            templates.text(SUBJECT, &view).map(|subject| one_line(&subject))
        };
        let fits = |subject: &str| subject.chars().count() < SUBJECT_BELOW && subject.len() <= SUBJECT_OCTETS;
        let title = self.items.first().map_or("", |item| item.title.as_str());
        let with_place = self.place_in_subject.as_ref().map(|place| format!("{title}, {place}"));
        let mut subject = String::new();
        for what in with_place.as_deref().into_iter().chain([title]) {
            subject = render(what)?;
            if fits(&subject) {
                return Ok(subject);
            }
        }
        let mut room = title.chars().count().min(SUBJECT_BELOW);
        while room > 1 && !fits(&subject) {
            room -= 1;
            subject = render(&shorten(title, room))?;
        }
        Ok(subject)
    }

    /// Every value that stands in the mail, for the lint.
    pub(super) fn slots(&self) -> Vec<Slot<'_>> {
        let slot = |name, text, writer| Slot { name, text, writer };
        let mut slots = Vec::with_capacity(5 + 12 * self.items.len());
        slots.extend([
            slot("as-of", &*self.as_of, Writer::Us),
            slot("sender name", self.force, Writer::Source),
            slot("sender team", self.team, Writer::Source),
            slot("sender postal address", self.postal_address, Writer::Source),
            slot("sender privacy link", self.privacy_url, Writer::Source),
        ]);
        for item in &self.items {
            slots.extend([
                slot("title", &*item.title, Writer::Source),
                slot("closing", &*item.closing, Writer::Us),
                slot("reference", &*item.reference, Writer::Source),
            ]);
            let optional = [
                ("employer", &item.employer, Writer::Source),
                ("place", &item.place, Writer::Source),
                ("contract", &item.contract, Writer::Source),
                ("hours", &item.hours, Writer::Source),
                ("pay", &item.pay, Writer::Source),
                ("grade", &item.grade, Writer::Source),
                ("who may apply", &item.audience, Writer::Source),
                ("advert link", &item.url, Writer::Source),
                ("searches", &item.searches, Writer::Reader),
            ];
            slots.extend(
                optional
                    .into_iter()
                    .filter_map(|(name, text, writer)| text.as_deref().map(|text| slot(name, text, writer))),
            );
        }
        slots
    }
}

impl<'a> ItemView<'a> {
    fn new(sender: &'a Sender, taxonomy: &Taxonomy, item: &Item<'_>, number: Option<usize>) -> Self {
        let facts = &item.truth.facts;
        let title = text(&facts.title);
        let pay = given(facts.pay_text.as_deref());
        let public = facts.audience.iter().all(|slug| slug == "public");
        let site = given(facts.site.as_deref());
        let places = said(taxonomy, Dimension::Place, facts);
        let names = names(&item.searches);
        Self {
            number,
            closing: words::closing(facts.closing, facts.zone),
            employer: given(facts.employer.as_deref()),
            place: match (site, places) {
                (Some(site), Some(places)) if site != places => Some(format!("{site}, {places}")),
                (site, places) => site.or(places),
            },
            contract: said(taxonomy, Dimension::ContractKind, facts),
            hours: said(taxonomy, Dimension::Hours, facts),
            grade: given(facts.grade_text.as_deref()).filter(|grade| pay.as_ref() != Some(grade)),
            pay: pay.or_else(|| facts.pay.as_ref().and_then(words::pay)),
            audience: said(taxonomy, Dimension::Audience, facts).filter(|_| !public),
            reference: text(item.subject.reference.as_str()),
            searches: (!names.is_empty()).then(|| words::list(&names)),
            many_searches: names.len() > 1,
            url: facts.url.as_deref().map(one_line),
            label: number.map(|_| title.clone()),
            public_url: sender.public_url.as_str(),
            title,
        }
    }
}

/// The names of searches, in quotes; if there are very many, how many more there are.
fn names(searches: &[&str]) -> Vec<String> {
    let mut names: Vec<String> = searches
        .iter()
        .map(|name| shorten(&one_line(name), LONGEST_NAME))
        .filter(|name| !name.is_empty())
        .map(|name| format!("\"{name}\""))
        .collect();
    let unnamed = names.len().saturating_sub(MOST_NAMES);
    if unnamed > 0 {
        names.truncate(MOST_NAMES);
        names.push(format!("{unnamed} more"));
    }
    names
}

/// The labels of a dimension, as far as the taxonomy knows them, and whether it knows them all.
fn labels<'t>(taxonomy: &'t Taxonomy, dimension: Dimension, facts: &Facts) -> (Vec<&'t str>, bool) {
    let values = facts.values(dimension);
    let tree = taxonomy.tree(dimension);
    let mut labels: Vec<&str> = Vec::new();
    let mut complete = true;
    for value in values {
        match tree.resolve(value).map(|node| node.label.as_str()) {
            None => complete = false,
            Some(label) if labels.contains(&label) => {}
            Some(_) if labels.len() == MOST_LABELS => complete = false,
            Some(label) => labels.push(label),
        }
    }
    (labels, complete)
}

/// More than these nobody reads in a mail; the advert has them all.
const MOST_LABELS: usize = 8;

/// The labels of a dimension for people; a list that is not complete says so. Nothing if the advert
/// says nothing.
fn said(taxonomy: &Taxonomy, dimension: Dimension, facts: &Facts) -> Option<String> {
    let (mut labels, complete) = labels(taxonomy, dimension, facts);
    if !complete {
        labels.push("see the advert");
    }
    (!labels.is_empty()).then(|| labels.join(", "))
}

fn place_in_subject(taxonomy: &Taxonomy, facts: &Facts) -> Option<String> {
    let (labels, complete) = labels(taxonomy, Dimension::Place, facts);
    (complete && !labels.is_empty()).then(|| words::list(&labels))
}

fn many_searches(items: &[Item<'_>]) -> bool {
    let mut names = items.iter().flat_map(|item| &item.searches);
    let first = names.next();
    names.any(|name| Some(name) != first)
}

/// A text from outside, on one line and of bounded length.
fn text(text: &str) -> String {
    shorten(&one_line(text), LONGEST_TEXT)
}

fn given(from_outside: Option<&str>) -> Option<String> {
    from_outside.map(text).filter(|text| !text.is_empty())
}

/// The lines without spaces at their ends and without more than one empty line in a row.
fn without_gaps(rendered: &str) -> String {
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
