//! The invented people, as the program reads them.

use anyhow::Context as _;
use jobalerts::domain::subscriber::Person;
use jobalerts::domain::taxonomy::Taxonomy;

/// Who they are, one a line.
pub(crate) const FILE: &str = "deploy/dev/demo/subscribers.ndjson";

/// Reads them.
pub(crate) fn read(taxonomy: &Taxonomy) -> anyhow::Result<Vec<Person>> {
    let text = std::fs::read_to_string(FILE).with_context(|| format!("cannot read {FILE}"))?;
    text.lines().map(|line| Ok(Person::read(line, taxonomy)?)).collect()
}
