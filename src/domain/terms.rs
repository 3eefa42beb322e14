//! What an advert answers to, as the sets that searches are held against.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::facts::Facts;
use crate::domain::keywords::Stems;
use crate::domain::taxonomy::{Dimension, Taxonomy};

/// The slugs that one dimension of an advert answers to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reach {
    /// What `any` and `all` of a search look for. For places that is up and
    /// down the tree, else up.
    pub hits: BTreeSet<String>,
    /// What `not` of a search looks for: the advert lies wholly within.
    pub within: BTreeSet<String>,
}

/// A value in an advert that neither a slug nor an alias knows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unmapped {
    /// Where it stood.
    pub dimension: Dimension,
    /// What stood there.
    pub value: String,
}

/// An advert as searches see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Per dimension what it answers to; `None` where the advert does not say,
    /// or says something that the taxonomy does not know: it may then be
    /// anything, and excludes nobody.
    reach: BTreeMap<Dimension, Option<Reach>>,
    /// The words of title and description.
    pub words: Stems,
    /// The most it pays, in pence a year, where that is known.
    pub pay_ceiling: Option<i64>,
    /// Only searches that name its rank, or serving officers, want it.
    pub named_only: bool,
    /// What the taxonomy did not know, to be told to the admins.
    pub unmapped: Vec<Unmapped>,
}

/// How much of a description is searched, in octets: some ten pages. A longer
/// one would cost every search its time.
const SEARCHED: usize = 20_000;

fn searched(facts: &Facts) -> &str {
    let description = facts.description.as_deref().unwrap_or_default();
    &description[..description.floor_char_boundary(SEARCHED)]
}

impl Terms {
    /// What `facts` answer to under `taxonomy`.
    #[must_use]
    pub fn of(facts: &Facts, taxonomy: &Taxonomy) -> Self {
        let mut unmapped = Vec::new();
        let mut named_only = false;
        let mut reach = BTreeMap::new();
        let public = [String::from("public")];
        for dimension in Dimension::ALL {
            let tree = taxonomy.tree(dimension);
            let values = match facts.values(dimension) {
                [] if dimension == Dimension::Audience => &public[..],
                values => values,
            };
            let mut reached = Reach::default();
            let mut all_known = true;
            for value in values {
                let Some(node) = tree.resolve(value) else {
                    all_known = false;
                    unmapped.push(Unmapped { dimension, value: value.clone() });
                    continue;
                };
                named_only |= node.named_only;
                let within = tree.within(&node.slug);
                reached.within.extend(within.iter().map(ToString::to_string));
                reached.hits.extend(within.into_iter().map(ToOwned::to_owned));
                if dimension == Dimension::Place {
                    reached.hits.extend(tree.below(&node.slug).into_iter().map(ToOwned::to_owned));
                }
            }
            // Only event days have topics; for anything else none is none, and not any.
            let is_no_day = dimension == Dimension::Topic && facts.day.is_none();
            let says = !values.is_empty() || is_no_day;
            reach.insert(dimension, (all_known && says).then_some(reached));
        }
        Self {
            reach,
            words: Stems::of_all([facts.title.as_str(), searched(facts)]),
            pay_ceiling: facts.pay.as_ref().and_then(crate::domain::facts::Pay::ceiling_a_year),
            named_only,
            unmapped,
        }
    }

    /// Whether it is an event day: nothing else has a topic.
    #[must_use]
    pub fn is_event_day(&self) -> bool {
        self.reach(Dimension::Topic).is_none_or(|reach| !reach.hits.is_empty())
    }

    /// What a dimension answers to; `None` if it may be anything.
    #[must_use]
    pub fn reach(&self, dimension: Dimension) -> Option<&Reach> {
        self.reach.get(&dimension).and_then(Option::as_ref)
    }
}
