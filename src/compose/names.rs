//! What things are called in a mail: texts from outside, cut to size, and labels of the taxonomy.

use crate::compose::Item;
use crate::compose::english::English;
use crate::compose::tongue::Tongue;
use crate::domain::facts::{Attendance, Facts};
use crate::domain::subject::Kind;
use crate::domain::taxonomy::{Dimension, Taxonomy};
use crate::domain::text::{one_line, shorten};

/// The most characters shown of a title, and of any other text from an advert.
const LONGEST_TEXT: usize = 150;
/// The most characters shown of words that explain something.
const LONGEST_EXPLANATION: usize = 600;
/// The most characters shown of the name of a search.
const LONGEST_NAME: usize = 60;
/// More than these nobody reads in a mail; the advert has them all.
const MOST_LABELS: usize = 8;

/// A text from outside, on one line and of bounded length.
pub(super) fn text(text: &str) -> String {
    shorten(&one_line(text), LONGEST_TEXT)
}

/// A text from outside, if there is anything to see in it.
pub(super) fn given(from_outside: Option<&str>) -> Option<String> {
    from_outside.map(text).filter(|text| !text.is_empty())
}

/// Words from outside that explain something, if there are any.
pub(super) fn explanation(from_outside: Option<&str>) -> Option<String> {
    from_outside.map(|words| shorten(&one_line(words), LONGEST_EXPLANATION)).filter(|text| !text.is_empty())
}

/// A reference or a slug from outside, if it can be one.
pub(super) fn code(from_outside: &str) -> Option<String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/' | '.');
    let code = from_outside.trim();
    ((1..=40).contains(&code.len()) && code.chars().all(fits)).then(|| code.to_owned())
}

/// What people read for a programme: its label, else its slug.
pub(super) fn label_of_programme(taxonomy: &Taxonomy, slug: &str) -> String {
    taxonomy.programmes().resolve(slug).map_or_else(|| text(slug), |node| node.label.clone())
}

/// The heading of an opening: its title; a route without one goes by its label.
pub(super) fn title(taxonomy: &Taxonomy, item: &Item<'_>) -> String {
    let title = text(&item.truth.facts.title);
    match item.subject.kind {
        Kind::Programme if title.is_empty() => label_of_programme(taxonomy, &item.subject.reference),
        _ => title,
    }
}

/// What an opening is called where there is little room: a route by its label, a day by what it is
/// about.
pub(super) fn short_name(taxonomy: &Taxonomy, item: &Item<'_>) -> String {
    match item.subject.kind {
        Kind::Vacancy => title(taxonomy, item),
        Kind::Programme => match taxonomy.programmes().resolve(&item.subject.reference) {
            Some(node) => node.label.clone(),
            None => title(taxonomy, item),
        },
        Kind::EventDay => {
            let topics = taxonomy.tree(Dimension::Topic);
            if let Some(node) = item.truth.facts.topic.iter().find_map(|topic| topics.resolve(topic)) {
                return node.label.clone();
            }
            let title = title(taxonomy, item);
            title.split_once(": ").map_or(title.clone(), |(topic, _)| topic.to_owned())
        }
    }
}

/// What the thing is, in a sentence.
pub(super) const fn thing(kind: Kind) -> &'static str {
    match kind {
        Kind::Vacancy => "role",
        Kind::Programme => "route",
        Kind::EventDay => "event day",
    }
}

/// How many of what there are, for a headline or a subject: `Two routes`, `Three openings`.
pub(super) fn things(items: &[&Item<'_>]) -> &'static str {
    let mut kinds = items.iter().map(|item| item.subject.kind);
    let first = kinds.next();
    match first {
        Some(kind) if kinds.all(|other| other == kind) => match kind {
            Kind::Vacancy => "roles",
            Kind::Programme => "routes",
            Kind::EventDay => "event days",
        },
        _ => "things",
    }
}

/// The names of searches, in quotes; if there are more than `most`, how many more there are.
pub(super) fn names(tongue: &dyn Tongue, searches: &[&str], most: usize) -> Vec<String> {
    let mut names: Vec<String> = searches
        .iter()
        .map(|name| shorten(&one_line(name), LONGEST_NAME))
        .filter(|name| !name.is_empty())
        .map(|name| format!("\"{name}\""))
        .collect();
    let unnamed = names.len().saturating_sub(most);
    if unnamed > 0 {
        names.truncate(most);
        names.push(tongue.more_searches(unnamed));
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

/// The labels of a dimension for people; a list that is not complete says so. Nothing if the advert
/// says nothing.
pub(super) fn said(
    tongue: &dyn Tongue,
    taxonomy: &Taxonomy,
    dimension: Dimension,
    facts: &Facts,
) -> Option<String> {
    let (mut labels, complete) = labels(taxonomy, dimension, facts);
    if !complete {
        labels.push(tongue.see_the_advert());
    }
    (!labels.is_empty()).then(|| labels.join(", "))
}

/// Where it is: the site, and the places around it.
pub(super) fn place(tongue: &dyn Tongue, taxonomy: &Taxonomy, facts: &Facts) -> Option<String> {
    let site = given(facts.site.as_deref());
    let places = said(tongue, taxonomy, Dimension::Place, facts);
    match (site, places) {
        (Some(site), Some(places)) if site != places => Some(format!("{site}, {places}")),
        (site, places) => site.or(places),
    }
}

/// Where an event day is.
pub(super) fn place_of_day(taxonomy: &Taxonomy, facts: &Facts) -> Option<String> {
    let day = facts.day.as_ref()?;
    let place = || given(day.place.as_deref()).or_else(|| place(&English, taxonomy, facts));
    match day.attendance {
        Attendance::Online => Some("Online".to_owned()),
        Attendance::Offline => place(),
        Attendance::Mixed => {
            Some(place().map_or_else(|| "Online".to_owned(), |place| format!("{place}, or online")))
        }
    }
}

/// The places, where all of them are known and can stand in a subject.
pub(super) fn place_in_subject(tongue: &dyn Tongue, taxonomy: &Taxonomy, facts: &Facts) -> Option<String> {
    let (labels, complete) = labels(taxonomy, Dimension::Place, facts);
    (complete && !labels.is_empty()).then(|| tongue.list(&labels))
}
