//! The words that searches and adverts share: families, ranks, places, kinds
//! of contract, hours, audiences and programmes, each a small tree.
//!
//! A search names a node; an advert answers to its own nodes and to those
//! above, so a child added to the tree widens every search on its parent
//! without a subscriber's row being touched. Aliases catch old and public
//! names. What no node or alias knows is *unmapped*: it never excludes
//! anybody, see [`crate::domain::terms`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chrono::NaiveDate;
use data_encoding::HEXLOWER;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

/// A dimension whose values are nodes of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dimension {
    /// What kind of work it is: `detective` under `police-officer`.
    RoleFamily,
    /// Rank of an officer, under its band: `inspector` under `supervisor`.
    Rank,
    /// Where the work is: `birmingham` under `west-midlands`.
    Place,
    /// The kind of contract: `permanent`, `volunteer`.
    ContractKind,
    /// The pattern of hours: `part-time`, `job-share`.
    Hours,
    /// Who may apply: `public`, `serving-officer`.
    Audience,
    /// What an event day is about: `discovery-day`.
    Topic,
}

impl Dimension {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 7] = [
        Self::RoleFamily,
        Self::Rank,
        Self::Place,
        Self::ContractKind,
        Self::Hours,
        Self::Audience,
        Self::Topic,
    ];

    /// The name in a saved search and in an event's `data`.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::RoleFamily => "roleFamily",
            Self::Rank => "rank",
            Self::Place => "locations",
            Self::ContractKind => "contractKind",
            Self::Hours => "hours",
            Self::Audience => "audience",
            Self::Topic => "topic",
        }
    }
}

/// One node of a tree.
#[derive(Debug, Clone)]
pub struct Node {
    /// The name that searches and events use; never reused, never renamed.
    pub slug: String,
    /// What people read.
    pub label: String,
    /// Old and public names.
    pub aliases: Vec<String>,
    /// Matched only by searches that name it (ranks above sergeant).
    pub named_only: bool,
    /// The first day on which it is offered, if that is known.
    pub valid_from: Option<NaiveDate>,
    /// The last day on which it is offered, if there is one.
    pub valid_to: Option<NaiveDate>,
    /// The slug of what takes its place.
    pub successor: Option<String>,
    /// Whether people can register for it (programmes).
    pub enabled: bool,
    defaults: BTreeMap<Dimension, String>,
    parents: Vec<usize>,
    children: Vec<usize>,
}

impl Node {
    /// What a programme is in a dimension, unless an event says otherwise.
    #[must_use]
    pub fn default_of(&self, dimension: Dimension) -> Option<&str> {
        self.defaults.get(&dimension).map(String::as_str)
    }
}

/// The nodes of one dimension, or of the programmes.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    nodes: Vec<Node>,
    by_name: BTreeMap<String, usize>,
}

impl Tree {
    /// The node with this slug, or with this alias in any case.
    #[must_use]
    pub fn resolve(&self, name: &str) -> Option<&Node> {
        self.by_name.get(&fold(name)).map(|&index| &self.nodes[index])
    }

    /// The slugs that an advert at `slug` lies within: itself and all above.
    #[must_use]
    pub fn within(&self, slug: &str) -> BTreeSet<&str> {
        self.walk(slug, |node| &node.parents)
    }

    /// The slugs below `slug`, itself included.
    #[must_use]
    pub fn below(&self, slug: &str) -> BTreeSet<&str> {
        self.walk(slug, |node| &node.children)
    }

    /// Every label and alias.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().flat_map(|node| {
            std::iter::once(node.label.as_str()).chain(node.aliases.iter().map(String::as_str))
        })
    }

    /// Every node, in the order of the file.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter()
    }

    fn walk(&self, slug: &str, next: impl Fn(&Node) -> &Vec<usize>) -> BTreeSet<&str> {
        let mut open: Vec<usize> = self.by_name.get(&fold(slug)).copied().into_iter().collect();
        let mut seen = BTreeSet::new();
        while let Some(index) = open.pop() {
            if seen.insert(self.nodes[index].slug.as_str()) {
                open.extend(next(&self.nodes[index]));
            }
        }
        seen
    }
}

/// All trees together.
#[derive(Debug, Clone, Default)]
pub struct Taxonomy {
    trees: BTreeMap<Dimension, Tree>,
    programmes: Tree,
}

/// A mistake in a taxonomy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaxonomyProblem {
    /// The file it was read from.
    pub file: String,
    /// The line, counted from 1, where it is known.
    pub line: Option<usize>,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for TaxonomyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.message),
            None => write!(f, "{}: {}", self.file, self.message),
        }
    }
}

impl Taxonomy {
    /// The taxonomy that ships with the program.
    ///
    /// # Panics
    ///
    /// When the shipped files are wrong, which a test rules out.
    #[must_use]
    pub fn shipped() -> Self {
        Self::parse(&[
            ("config/taxonomy.toml", include_str!("../../config/taxonomy.toml")),
            (
                "config/taxonomy.d/west-midlands.toml",
                include_str!("../../config/taxonomy.d/west-midlands.toml"),
            ),
        ])
        .expect("the shipped taxonomy is tested")
    }

    /// Reads taxonomy files (name and text), later ones adding to earlier ones.
    ///
    /// # Errors
    ///
    /// Every mistake found: syntax, slugs and aliases that are not unique or
    /// not well formed, parents, members, successors and defaults that do not
    /// exist, cycles, trees of more than three levels, validity that ends
    /// before it begins, and parents all of whose children are switched off.
    pub fn parse(files: &[(&str, &str)]) -> Result<Self, Vec<TaxonomyProblem>> {
        let mut problems = Vec::new();
        let mut written: Vec<(Source<'_>, TaxonomyFile)> = Vec::new();
        for &(name, text) in files {
            let source = Source { name, text };
            match toml::from_str::<TaxonomyFile>(text) {
                Ok(file) => written.push((source, file)),
                Err(error) => problems.push(source.syntax(&error)),
            }
        }
        let mut taxonomy = Self::default();
        for dimension in Dimension::ALL {
            let nodes = written
                .iter()
                .flat_map(|(source, file)| file.nodes(dimension).iter().map(move |node| (*source, node)));
            for (source, node) in nodes.clone() {
                source.check_is_no_programme(node, &mut problems);
            }
            taxonomy.trees.insert(dimension, build(nodes, &mut problems));
        }
        let programmes =
            written.iter().flat_map(|(source, file)| file.programme.iter().map(move |node| (*source, node)));
        taxonomy.programmes = build(programmes.clone(), &mut problems);
        for (index, (source, node)) in programmes.enumerate() {
            let defaults = source.defaults(node, &taxonomy.trees, &mut problems);
            taxonomy.programmes.nodes[index].defaults = defaults;
        }
        if problems.is_empty() { Ok(taxonomy) } else { Err(problems) }
    }

    /// The tree of a dimension.
    ///
    /// # Panics
    ///
    /// Never: a taxonomy is built with a tree for each dimension.
    #[must_use]
    pub fn tree(&self, dimension: Dimension) -> &Tree {
        &self.trees[&dimension]
    }

    /// The programmes, as routes that open and close.
    #[must_use]
    pub fn programmes(&self) -> &Tree {
        &self.programmes
    }

    /// Differs whenever the tree of programmes differs.
    #[must_use]
    pub fn fingerprint_of_programmes(&self) -> String {
        let mut hash = Sha256::new();
        for node in self.programmes.nodes() {
            for slug in self.programmes.within(&node.slug) {
                hash.update(node.slug.as_bytes());
                hash.update(b"<");
                hash.update(slug.as_bytes());
                hash.update(b"\n");
            }
        }
        HEXLOWER.encode(&hash.finalize()[..16])
    }

    /// What people read for a value of a dimension: its label, else itself.
    #[must_use]
    pub fn label<'a>(&'a self, dimension: Dimension, name: &'a str) -> &'a str {
        self.tree(dimension).resolve(name).map_or(name, |node| &node.label)
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct TaxonomyFile {
    role_family: Vec<NodeWritten>,
    rank: Vec<NodeWritten>,
    place: Vec<NodeWritten>,
    contract_kind: Vec<NodeWritten>,
    hours: Vec<NodeWritten>,
    audience: Vec<NodeWritten>,
    topic: Vec<NodeWritten>,
    programme: Vec<NodeWritten>,
}

impl TaxonomyFile {
    fn nodes(&self, dimension: Dimension) -> &[NodeWritten] {
        match dimension {
            Dimension::RoleFamily => &self.role_family,
            Dimension::Rank => &self.rank,
            Dimension::Place => &self.place,
            Dimension::ContractKind => &self.contract_kind,
            Dimension::Hours => &self.hours,
            Dimension::Audience => &self.audience,
            Dimension::Topic => &self.topic,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NodeWritten {
    slug: toml::Spanned<String>,
    label: String,
    #[serde(default)]
    parent: Option<String>,
    /// Nodes that also lie under this one, whatever their own parent is.
    #[serde(default)]
    members: Vec<String>,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default)]
    named_only: bool,
    #[serde(default)]
    successor: Option<String>,
    #[serde(default)]
    valid_from: Option<toml::Value>,
    #[serde(default)]
    valid_to: Option<toml::Value>,
    /// Only of a programme, like the three that follow.
    #[serde(default)]
    enabled: Option<bool>,
    #[serde(default)]
    role_family: Option<String>,
    #[serde(default)]
    rank: Option<String>,
    #[serde(default)]
    contract_kind: Option<String>,
}

impl NodeWritten {
    /// What a programme is in other dimensions, by the key in the file.
    fn defaults(&self) -> impl Iterator<Item = (Dimension, &str)> {
        [
            (Dimension::RoleFamily, &self.role_family),
            (Dimension::Rank, &self.rank),
            (Dimension::ContractKind, &self.contract_kind),
        ]
        .into_iter()
        .filter_map(|(dimension, name)| Some((dimension, name.as_deref()?)))
    }
}

#[derive(Clone, Copy)]
struct Source<'a> {
    name: &'a str,
    text: &'a str,
}

impl Source<'_> {
    fn line_of(&self, offset: usize) -> usize {
        self.text[..offset.min(self.text.len())].matches('\n').count() + 1
    }

    fn syntax(&self, error: &toml::de::Error) -> TaxonomyProblem {
        TaxonomyProblem {
            file: self.name.to_owned(),
            line: error.span().map(|span| self.line_of(span.start)),
            message: error.message().to_owned(),
        }
    }

    fn problem(&self, node: &NodeWritten, message: String) -> TaxonomyProblem {
        TaxonomyProblem {
            file: self.name.to_owned(),
            line: Some(self.line_of(node.slug.span().start)),
            message,
        }
    }

    fn check_is_no_programme(&self, node: &NodeWritten, problems: &mut Vec<TaxonomyProblem>) {
        let enabled = node.enabled.map(|_| "enabled");
        for key in node.defaults().map(|(dimension, _)| dimension.key()).chain(enabled) {
            let slug = node.slug.get_ref();
            let message = format!("{key} of {slug:?}: only a programme has it; remove it");
            problems.push(self.problem(node, message));
        }
    }

    fn defaults(
        &self,
        node: &NodeWritten,
        trees: &BTreeMap<Dimension, Tree>,
        problems: &mut Vec<TaxonomyProblem>,
    ) -> BTreeMap<Dimension, String> {
        let mut defaults = BTreeMap::new();
        for (dimension, name) in node.defaults() {
            if let Some(known) = trees.get(&dimension).and_then(|tree| tree.resolve(name)) {
                defaults.insert(dimension, known.slug.clone());
            } else {
                let (key, slug) = (dimension.key(), node.slug.get_ref());
                let message = format!(
                    "{key} {name:?} of {slug:?} does not exist; add a [[{key}]] of that slug or mend the name"
                );
                problems.push(self.problem(node, message));
            }
        }
        defaults
    }

    /// The days between which a node is offered.
    fn validity(
        &self,
        node: &NodeWritten,
        problems: &mut Vec<TaxonomyProblem>,
    ) -> (Option<NaiveDate>, Option<NaiveDate>) {
        let slug = node.slug.get_ref();
        let mut day = |key: &str, written: Option<&toml::Value>| {
            let day = match written? {
                toml::Value::String(text) => text.parse().ok(),
                toml::Value::Datetime(day) => day.to_string().parse().ok(),
                _ => None,
            };
            if day.is_none() {
                let message = format!("{key} of {slug:?}: expected a day such as \"2024-04-01\"");
                problems.push(self.problem(node, message));
            }
            day
        };
        let from = day("validFrom", node.valid_from.as_ref());
        let to = day("validTo", node.valid_to.as_ref());
        if let (Some(from), Some(to)) = (from, to)
            && to < from
        {
            let message =
                format!("{slug:?} ends (validTo {to}) before it begins (validFrom {from}); mend one");
            problems.push(self.problem(node, message));
        }
        (from, to)
    }
}

fn build<'a>(
    written: impl Iterator<Item = (Source<'a>, &'a NodeWritten)>,
    problems: &mut Vec<TaxonomyProblem>,
) -> Tree {
    let written: Vec<_> = written.collect();
    let mut tree = Tree::default();
    for (index, (source, node)) in written.iter().enumerate() {
        let slug = node.slug.get_ref();
        if !well_formed(slug) {
            problems.push(
                source
                    .problem(node, format!("slug {slug:?}: use at most 40 of the characters a-z, 0-9 and -")),
            );
        }
        for name in std::iter::once(slug).chain(&node.aliases) {
            if tree.by_name.insert(fold(name), index).is_some_and(|other| other != index) {
                problems.push(
                    source
                        .problem(node, format!("{name:?} is the slug or alias of two nodes; keep it on one")),
                );
            }
        }
        let (valid_from, valid_to) = source.validity(node, problems);
        tree.nodes.push(Node {
            slug: slug.clone(),
            label: node.label.clone(),
            aliases: node.aliases.clone(),
            named_only: node.named_only,
            valid_from,
            valid_to,
            successor: None,
            enabled: node.enabled.unwrap_or(true),
            defaults: BTreeMap::new(),
            parents: Vec::new(),
            children: Vec::new(),
        });
    }
    for (index, (source, node)) in written.iter().enumerate() {
        let mut known = |name: &str, role: &str| {
            let found = tree.by_name.get(&fold(name)).copied();
            if found.is_none() {
                problems.push(source.problem(
                    node,
                    format!(
                        "{role} {name:?} of {:?} does not exist; add it or mend the name",
                        node.slug.get_ref()
                    ),
                ));
            }
            found
        };
        let parent = node.parent.as_deref().and_then(|name| known(name, "parent"));
        let members: Vec<_> = node.members.iter().filter_map(|name| known(name, "member")).collect();
        let successor = node.successor.as_deref().and_then(|name| known(name, "successor"));
        if successor == Some(index) {
            let message = format!("{:?} is its own successor; name another", node.slug.get_ref());
            problems.push(source.problem(node, message));
        }
        tree.nodes[index].successor = successor.map(|successor| tree.nodes[successor].slug.clone());
        for (child, above) in parent
            .map(|parent| (index, parent))
            .into_iter()
            .chain(members.into_iter().map(|member| (member, index)))
        {
            tree.nodes[child].parents.push(above);
            tree.nodes[above].children.push(child);
        }
    }
    for (index, (source, node)) in written.iter().enumerate() {
        let (this, children) = (&tree.nodes[index], &tree.nodes[index].children);
        if this.enabled && !children.is_empty() && children.iter().all(|&child| !tree.nodes[child].enabled) {
            problems.push(source.problem(
                node,
                format!(
                    "everything under {:?} is switched off; switch it off, too (enabled = false)",
                    this.slug
                ),
            ));
        }
        match depth(&tree, index, 0) {
            None => {
                problems.push(source.problem(node, format!("{:?} lies under itself", node.slug.get_ref())));
            }
            Some(levels) if levels > 3 => problems.push(source.problem(
                node,
                format!("{:?} is on level {levels}; a tree has at most three", node.slug.get_ref()),
            )),
            Some(_) => {}
        }
    }
    tree
}

/// How many levels deep a node lies; `None` in a cycle.
fn depth(tree: &Tree, index: usize, walked: usize) -> Option<usize> {
    if walked > tree.nodes.len() {
        return None;
    }
    let mut deepest = 0;
    for &parent in &tree.nodes[index].parents {
        deepest = deepest.max(depth(tree, parent, walked + 1)?);
    }
    Some(deepest + 1)
}

fn well_formed(slug: &str) -> bool {
    (1..=40).contains(&slug.len())
        && slug.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn fold(name: &str) -> String {
    name.trim().to_lowercase()
}

#[cfg(test)]
mod tests;
