//! The demo's account: what the commands said, and when it was.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use jobalerts::store::openings::Kept;
pub(crate) use jobalerts_dev::account::{WIDTH, counted, paragraph, part, row, say, title};

const LONDON: Tz = Tz::Europe__London;

/// The name of a step: what time it is, and what happens.
pub(crate) fn step(at: DateTime<Utc>, text: &str) {
    println!("\n[{}] {text}", moment(at));
}

/// What a command was asked, and what it said.
pub(crate) fn command(what: &str, arguments: &[&str], output: &str) {
    println!("\n{what}: jobalerts {}", arguments.join(" "));
    for line in output.lines() {
        if line.chars().count() + 4 <= WIDTH {
            println!("    {line}");
        } else {
            paragraph(4, line);
        }
    }
}

/// What a command was asked, and what it printed, as wide as it is.
pub(crate) fn printed(what: &str, arguments: &[&str], output: &str) {
    println!("\n{what}: jobalerts {}\n", arguments.join(" "));
    for line in output.lines() {
        println!("{}", format!("    {line}").trim_end());
    }
}

/// `Tue 14 Nov 2023 08:00`, by London's clocks.
pub(crate) fn moment(at: DateTime<Utc>) -> String {
    at.with_timezone(&LONDON).format("%a %-d %b %Y %H:%M").to_string()
}

/// Names in quotes: `"one", "two"`.
pub(crate) fn quoted<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}

/// A vacancy by reference and title.
pub(crate) fn named(kept: &Kept) -> String {
    format!("{} \"{}\"", kept.subject.reference, kept.opening.truth.facts.title)
}
