//! Why a search does not ask for an advert, in words.

use jobalerts::domain::cadence::Cadence;
use jobalerts::domain::criteria::{Criteria, Rule};
use jobalerts::domain::facts::Facts;
use jobalerts::domain::subscriber::Search;
use jobalerts::domain::taxonomy::{Dimension, Taxonomy};
use jobalerts::domain::terms::Terms;

/// One thing that stands between a search and an advert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Obstacle {
    /// What sort of thing it is, so that an account can show one of each.
    pub(crate) sort: &'static str,
    /// In words.
    pub(crate) text: String,
}

/// An advert, and what is needed to speak of it.
pub(crate) struct Advert<'a> {
    /// What it says.
    pub(crate) facts: &'a Facts,
    /// What it answers to.
    pub(crate) terms: &'a Terms,
    /// The words for it.
    pub(crate) taxonomy: &'a Taxonomy,
}

/// Everything that stands between them. Nothing does: the search asks for the advert.
pub(crate) fn obstacles(search: &Search, advert: &Advert<'_>) -> Vec<Obstacle> {
    let mut obstacles = Vec::new();
    for dimension in Dimension::ALL {
        if let Some(rule) = search.criteria.rule(dimension) {
            obstacles.extend(in_dimension(rule, dimension, advert));
        }
    }
    obstacles.extend(in_words(&search.criteria, advert.terms));
    if let (Some(wanted), Some(ceiling)) = (search.criteria.pay_at_least(), advert.terms.pay_ceiling)
        && ceiling < wanted
    {
        let text = format!("it asks for £{} a year; this pays up to £{}", wanted / 100, ceiling / 100);
        obstacles.push(Obstacle { sort: "pay", text });
    }
    let criteria = &search.criteria;
    if advert.terms.named_only && !criteria.names_a_rank() && !criteria.names_serving_officers() {
        let text =
            "a rank above sergeant is only for searches that name ranks or serving officers".to_owned();
        obstacles.push(Obstacle { sort: "senior rank", text });
    }
    if search.cadence == Cadence::Paused {
        obstacles.push(Obstacle { sort: "paused", text: "it is paused".to_owned() });
    }
    obstacles
}

fn in_dimension(rule: &Rule<String>, dimension: Dimension, advert: &Advert<'_>) -> Vec<Obstacle> {
    let Some(reach) = advert.terms.reach(dimension) else { return Vec::new() };
    let labels = |slugs: &mut dyn Iterator<Item = &String>, joint: &str| {
        slugs.map(|slug| advert.taxonomy.label(dimension, slug)).collect::<Vec<_>>().join(joint)
    };
    let mut values = labels(&mut advert.facts.values(dimension).iter(), ", ");
    if values.is_empty() {
        "for the public".clone_into(&mut values);
    }
    let mut obstacles = Vec::new();
    if !rule.any.is_empty() && !rule.any.iter().any(|slug| reach.hits.contains(slug)) {
        let text = format!("it asks for {}; this is: {values}", labels(&mut rule.any.iter(), " or "));
        obstacles.push(Obstacle { sort: dimension.key(), text });
    }
    if !rule.all.iter().all(|slug| reach.hits.contains(slug)) {
        let text = format!("it asks for {}; this is: {values}", labels(&mut rule.all.iter(), " and "));
        obstacles.push(Obstacle { sort: dimension.key(), text });
    }
    for slug in rule.not.iter().filter(|slug| reach.within.contains(*slug)) {
        let text = format!("it says: not {}", advert.taxonomy.label(dimension, slug));
        obstacles.push(Obstacle { sort: "not", text });
    }
    obstacles
}

fn in_words(criteria: &Criteria, terms: &Terms) -> Vec<Obstacle> {
    let rule = criteria.keywords();
    let found = |phrase| terms.words.contain(phrase);
    let list = |name: &str, joint: &str| {
        let words = criteria.written()["keywords"][name].as_array();
        words.into_iter().flatten().filter_map(|word| word.as_str()).collect::<Vec<_>>().join(joint)
    };
    let mut obstacles = Vec::new();
    if !rule.any.is_empty() && rule.any.iter().all(jobalerts::domain::keywords::Phrase::is_nowhere) {
        let text = format!("\"{}\" alone is everywhere here, so it finds nothing", list("any", ", "));
        obstacles.push(Obstacle { sort: "empty word", text });
    } else if !rule.any.is_empty() && !rule.any.iter().any(found) {
        obstacles.push(Obstacle {
            sort: "keywords",
            text: format!("its words do not say {}", list("any", " or ")),
        });
    }
    if !rule.all.iter().all(found) {
        obstacles.push(Obstacle {
            sort: "keywords",
            text: format!("its words do not say {}", list("all", " and ")),
        });
    }
    if rule.not.iter().any(found) {
        obstacles.push(Obstacle { sort: "not", text: format!("it says: not {}", list("not", ", not ")) });
    }
    obstacles
}
