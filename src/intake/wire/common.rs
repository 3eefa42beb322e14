//! What the data of all kinds of event have in common.

use crate::domain::facts::Change;
use crate::domain::taxonomy::Dimension;
use crate::intake::wire::Reading;
use crate::intake::wire::values::{Page, Read};

const DIMENSIONS: [Dimension; 6] = [
    Dimension::RoleFamily,
    Dimension::Rank,
    Dimension::Audience,
    Dimension::ContractKind,
    Dimension::Hours,
    Dimension::Place,
];

/// The plain fields beside the words of schema.org, as changes.
pub(super) fn plain_facts(data: &Page<'_>) -> Read<Vec<Change>> {
    let mut changes = Vec::new();
    for dimension in DIMENSIONS {
        let values = data.values(dimension.key())?;
        changes.extend(values.map(|values| Change::Values(dimension, values)));
    }
    changes.extend(data.line("siteText")?.map(Change::Site));
    changes.extend(data.line("gradeText")?.map(Change::GradeText));
    changes.extend(data.line("payText")?.map(Change::PayText));
    changes.extend(data.name("campaignId")?.map(Change::Campaign));
    Ok(changes)
}

/// Who may apply, in words: what the data say themselves, else what schema.org
/// has names for.
pub(super) fn eligibility(data: &Page<'_>, inner: &Page<'_>, names: &[&str]) -> Read<Option<Change>> {
    if let Some(text) = data.prose("eligibility")? {
        return Ok(Some(Change::Eligibility(text)));
    }
    let mut is_said = false;
    let mut texts = Vec::new();
    for name in names {
        let text = inner.prose(name)?;
        is_said |= text.is_some();
        texts.extend(text.flatten());
    }
    Ok(is_said.then(|| Change::Eligibility((!texts.is_empty()).then(|| texts.join("; ")))))
}

/// When the door shuts, if `name` says it.
pub(super) fn closing(data: &Page<'_>, name: &str, reading: &Reading) -> Read<Option<Vec<Change>>> {
    let closing = data.closing(name, reading.zone)?;
    Ok(closing.map(|(closing, zone)| {
        zone.map(Change::Zone).into_iter().chain([Change::Closing(closing)]).collect()
    }))
}

/// What is said when a door shuts.
pub(super) fn parting(data: &Page<'_>, successor: &str) -> Read<Vec<Change>> {
    let mut changes = Vec::new();
    changes.extend(data.line("publicExplanation")?.map(Change::Explanation));
    changes.extend(data.line(successor)?.map(Change::ReplacedBy));
    Ok(changes)
}
