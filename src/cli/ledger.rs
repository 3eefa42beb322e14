//! `ledger`: what we promised, and what became of it.

use std::process::ExitCode;

use anyhow::bail;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::cli::say;
use crate::config::Config;
use crate::daemon;
use crate::domain::suggest::nearest;
use crate::domain::taxonomy::Taxonomy;
use crate::domain::truth::Phase;
use crate::store::ledger::{self, Cycle, Ledger, Named, Promises, Which};
use crate::store::{self, name_of};

/// Prints the ledger of promises.
///
/// # Errors
///
/// When PostgreSQL is away, or there is no such programme. That the numbers do
/// not add up is in the exit code.
pub(super) async fn ledger(
    config: &Config,
    subject: Option<&str>,
    as_json: bool,
    now: DateTime<Utc>,
) -> anyhow::Result<ExitCode> {
    let mut connection = store::connect(config.database.url.expose()).await?;
    store::check_schema(&mut connection).await?;
    let ledger = match subject {
        None => ledger::read(&mut connection, Which::All, now).await?,
        Some(name) => {
            let is_programme =
                |named: &Named| named.subject.trim_start_matches("test-").starts_with("programme/");
            let found = ledger::named(&mut connection, name).await?;
            let keys: Vec<i64> =
                found.iter().filter(|named| is_programme(named)).map(|named| named.id).collect();
            if keys.is_empty() {
                let taxonomy = daemon::taxonomy(config)?;
                if !found.is_empty() {
                    bail!("{name} is no programme; promises are made for programmes only");
                }
                if !is_in(&taxonomy, name) {
                    let known = ledger::subjects(&mut connection).await?;
                    bail!(
                        "{}",
                        unknown(
                            name,
                            known.iter().filter(|known| known.starts_with("programme/")),
                            &taxonomy
                        )
                    );
                }
            }
            ledger::read(&mut connection, Which::These(&keys), now).await?
        }
    };
    if as_json {
        say(format_args!("{:#}", as_value(&ledger, now)));
    } else {
        print(&ledger, subject, now);
    }
    let astray: Vec<String> =
        ledger.cycles.iter().filter(|cycle| !cycle.promises.add_up()).map(key).collect();
    if astray.is_empty() && ledger.total.add_up() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!(
        "jobalerts: the outcomes do not add up to the promises of {}: there are rows of alerts with an outcome \
         that this program does not know; a newer version may have written them",
        if astray.is_empty() { "all cycles together".to_owned() } else { astray.join(", ") }
    );
    Ok(ExitCode::FAILURE)
}

/// Whether the taxonomy has a programme of this name, of which no cycle is
/// known yet.
fn is_in(taxonomy: &Taxonomy, name: &str) -> bool {
    taxonomy.programmes().resolve(name.strip_prefix("programme/").unwrap_or(name)).is_some()
}

/// That nothing is known by a name, and what may have been meant.
pub(super) fn unknown<'a>(
    name: &str,
    subjects: impl Iterator<Item = &'a String>,
    taxonomy: &Taxonomy,
) -> String {
    let mut known: Vec<String> = subjects.cloned().collect();
    known.extend(taxonomy.programmes().nodes().map(|node| format!("programme/{}", node.slug)));
    known.sort();
    known.dedup();
    // A name without its kind is near to names without theirs.
    let bare = |text: &str| text.split_once('/').map_or_else(|| text.to_owned(), |(_, rest)| rest.to_owned());
    let as_asked: Vec<String> =
        if name.contains('/') { known } else { known.iter().map(|known| bare(known)).collect() };
    let advice = nearest(name, as_asked.iter().map(String::as_str));
    if advice.starts_with("did you mean") {
        format!("nothing is known of {name}; {advice}")
    } else {
        format!("nothing is known of {name}; write it as programme/SLUG, vacancy/REFERENCE or event/SLUG")
    }
}

fn key(cycle: &Cycle) -> String {
    format!("{}/{}", cycle.subject, cycle.number)
}

/// When the door opened, or is to open.
fn opens(cycle: &Cycle) -> Option<DateTime<Utc>> {
    cycle.truth.door_opens_at()
}

const HEADINGS: [&str; 15] = [
    "cycle",
    "name",
    "phase",
    "opens",
    "closes",
    "promises",
    "owed",
    "kept",
    "kept late",
    "broken",
    "explained",
    "released",
    "date told",
    "left p5",
    "left p50",
];
/// The columns up to this one are texts, the others numbers.
const TEXTS: usize = 5;

fn print(ledger: &Ledger, subject: Option<&str>, now: DateTime<Utc>) {
    if ledger.cycles.is_empty() {
        let which = subject.unwrap_or("any programme");
        say(format_args!("No cycle of {which} has been announced yet, so nothing was promised."));
        return;
    }
    let mut rows: Vec<Vec<String>> = vec![HEADINGS.map(str::to_owned).to_vec()];
    let moment = |at: Option<DateTime<Utc>>| at.map_or_else(|| "-".to_owned(), minute);
    for cycle in &ledger.cycles {
        let mut row = vec![
            key(cycle),
            cycle.cycle.clone().unwrap_or_else(|| "-".to_owned()),
            name_of(&cycle.truth.phase(now)),
            moment(opens(cycle)),
            moment(cycle.truth.door_shuts_at()),
        ];
        row.extend(numbers(&cycle.promises));
        rows.push(row);
    }
    let mut total = vec!["all".to_owned(), String::new(), String::new(), String::new(), String::new()];
    total.extend(numbers(&ledger.total));
    rows.push(total);
    for line in aligned(&rows, TEXTS) {
        say(line);
    }
    for cycle in ledger.cycles.iter().filter(|cycle| cycle.promises.released > 0) {
        let because = cycle.promises.released_because.iter();
        let reasons: Vec<String> = because.map(|(reason, count)| format!("{count} {reason}")).collect();
        say(format_args!("released of {}: {}", key(cycle), reasons.join(", ")));
    }
    for cycle in ledger.cycles.iter().filter(|cycle| cycle.promises.past > 0) {
        say(format_args!(
            "{}: of {} promises only the outcome is known any more; left p5 and p50 are those of the others",
            key(cycle),
            cycle.promises.past
        ));
    }
    for cycle in &ledger.cycles {
        let Some(counted) = cycle.reckoning else { continue };
        say(format_args!(
            "{} at {}: of {} people who had registered {} were told, {} are to be, {} are not for a reason, and of \
             {} nothing is known",
            key(cycle),
            minute(counted.reckoned_at),
            counted.owed,
            counted.told,
            counted.pending,
            counted.ended,
            counted.missing,
        ));
    }
    for cycle in ledger.cycles.iter().filter(|cycle| is_overdue(cycle, now)) {
        let without = cycle.promises.owed + cycle.promises.broken;
        say(format_args!(
            "{} shut more than a day ago, and {without} of its promises have no outcome",
            key(cycle)
        ));
    }
}

/// A day after the door shut, every promise should have an outcome.
fn is_overdue(cycle: &Cycle, now: DateTime<Utc>) -> bool {
    let is_shut = matches!(cycle.truth.phase(now), Phase::Closed | Phase::Withdrawn);
    let long_ago = cycle.truth.door_shuts_at().is_some_and(|shut| now - shut > chrono::Duration::days(1));
    is_shut && long_ago && cycle.promises.owed + cycle.promises.broken > 0
}

fn numbers(promises: &Promises) -> Vec<String> {
    let counts = [
        promises.promises,
        promises.owed,
        promises.kept,
        promises.kept_late,
        promises.broken,
        promises.explained,
        promises.released,
        promises.advance_told,
    ];
    let left = [promises.door_left_p5, promises.door_left_p50]
        .map(|left| left.map_or_else(|| "-".to_owned(), |seconds| span(chrono::Duration::seconds(seconds))));
    counts.iter().map(ToString::to_string).chain(left).collect()
}

/// The lines of a table: texts to the left, numbers to the right.
fn aligned(rows: &[Vec<String>], texts: usize) -> Vec<String> {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    rows.iter()
        .map(|row| {
            let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
                if column < texts { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        })
        .collect()
}

/// `2024-03-05 10:00Z`.
pub(super) fn minute(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%MZ").to_string()
}

/// `2d 4h`, `3h 20m`, `40s`: the two largest units.
pub(super) fn span(span: chrono::Duration) -> String {
    let seconds = span.num_seconds();
    if seconds < 0 {
        return format!("-{}", self::span(-span));
    }
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (length, unit) in units {
        if rest >= length {
            parts.push(format!("{}{unit}", rest / length));
            rest %= length;
        } else if !parts.is_empty() {
            break;
        }
        if parts.len() == 2 {
            break;
        }
    }
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

fn as_value(ledger: &Ledger, now: DateTime<Utc>) -> Value {
    let cycles: Vec<Value> = ledger
        .cycles
        .iter()
        .map(|cycle| {
            let mut value = promises_value(&cycle.promises);
            value["subject"] = json!(cycle.subject);
            value["cycle"] = json!(cycle.cycle);
            value["number"] = json!(cycle.number);
            value["state"] = json!(cycle.truth.state);
            value["phase"] = json!(cycle.truth.phase(now));
            value["opensAt"] = json!(opens(cycle));
            value["closesAt"] = json!(cycle.truth.door_shuts_at());
            value["overdue"] = json!(is_overdue(cycle, now));
            value["reckoning"] = json!(cycle.reckoning);
            value
        })
        .collect();
    json!({ "asOf": now, "cycles": cycles, "total": promises_value(&ledger.total) })
}

fn promises_value(promises: &Promises) -> Value {
    json!({
        "promises": promises.promises,
        "owed": promises.owed,
        "kept": promises.kept,
        "keptLate": promises.kept_late,
        "broken": promises.broken,
        "explained": promises.explained,
        "released": promises.released,
        "releasedBecause": promises.released_because,
        "advanceTold": promises.advance_told,
        "outcomeOnly": promises.past,
        "doorLeftSeconds": { "p5": promises.door_left_p5, "p50": promises.door_left_p50 },
        "addsUp": promises.add_up(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_six_must_add_up() {
        let promises = Promises {
            promises: 6,
            owed: 1,
            kept: 1,
            kept_late: 1,
            broken: 1,
            explained: 1,
            released: 1,
            released_because: [("withdrawn".to_owned(), 1)].into(),
            ..Promises::default()
        };
        assert!(promises.add_up());
        assert!(!Promises { owed: 0, ..promises.clone() }.add_up());
        assert!(!Promises { released_because: [].into(), ..promises }.add_up());
    }

    #[test]
    fn spans_are_said_in_their_two_largest_units() {
        for (seconds, said) in [
            (0, "0s"),
            (40, "40s"),
            (90, "1m 30s"),
            (7_200, "2h"),
            (187_200, "2d 4h"),
            (86_460, "1d"),
            (-60, "-1m"),
        ] {
            assert_eq!(span(chrono::Duration::seconds(seconds)), said);
        }
    }

    #[test]
    fn columns_are_aligned() {
        let rows = [vec!["cycle".to_owned(), "owed".to_owned()], vec!["a".to_owned(), "7".to_owned()]];
        assert_eq!(aligned(&rows, 1), ["cycle  owed", "a         7"]);
    }
}
