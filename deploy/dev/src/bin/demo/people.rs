//! The invented people, as the program reads them.

use std::sync::Arc;

use anyhow::Context as _;
use jobalerts::domain::cadence::ScheduleName;
use jobalerts::domain::calendar::Calendar;
use jobalerts::domain::rhythm::Rhythm;
use jobalerts::domain::subscriber::Person;
use jobalerts::domain::taxonomy::Taxonomy;

/// Who they are, one a line.
pub(crate) const FILE: &str = "deploy/dev/demo/subscribers.ndjson";

/// When the story begins, and they are there.
pub(crate) const SINCE: &str = "2023-11-13T08:00:00Z";

/// The schedules as they are shipped: reading people needs their names.
pub(crate) fn rhythm() -> anyhow::Result<Rhythm> {
    let calendar = Arc::new(Calendar::shipped());
    Ok(Rhythm::new(chrono_tz::Europe::London, calendar, "0 0 8 * * *".parse()?)
        .with(ScheduleName::WEEKLY, "0 0 8 * * Mon".parse()?))
}

/// Reads them.
pub(crate) fn read(taxonomy: &Taxonomy) -> anyhow::Result<Vec<Person>> {
    let text = std::fs::read_to_string(FILE).with_context(|| format!("cannot read {FILE}"))?;
    let rhythm = rhythm()?;
    text.lines().map(|line| Ok(Person::read(line, taxonomy, &rhythm)?)).collect()
}
