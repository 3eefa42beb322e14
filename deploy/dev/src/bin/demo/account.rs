//! The account, as people read it: 100 columns, no colours.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use jobalerts::store::openings::Kept;

const WIDTH: usize = 100;
const LONDON: Tz = Tz::Europe__London;

/// The name of the whole.
pub(crate) fn title(text: &str) {
    println!("{text}\n{}", "=".repeat(text.chars().count()));
}

/// The name of a part.
pub(crate) fn part(text: &str) {
    println!("\n\n{text}\n{}", "-".repeat(text.chars().count()));
}

/// The name of a step: what time it is, and what happens.
pub(crate) fn step(at: DateTime<Utc>, text: &str) {
    println!("\n[{}] {text}", moment(at));
}

/// A paragraph.
pub(crate) fn say(text: &str) {
    paragraph(0, text);
}

/// A paragraph that begins further to the right.
pub(crate) fn paragraph(indent: usize, text: &str) {
    for line in wrapped(text, WIDTH - indent) {
        println!("{:indent$}{line}", "");
    }
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

/// Cells side by side; each but the last has the width given for it, the last is wrapped.
pub(crate) fn row(indent: usize, cells: &[&str], widths: &[usize]) {
    let Some((last, firsts)) = cells.split_last() else { return };
    let mut line = " ".repeat(indent);
    for (index, cell) in firsts.iter().enumerate() {
        let width = widths.get(index).copied().unwrap_or(0);
        line.push_str(cell);
        line.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.chars().count()) + 1));
    }
    let begin = line.chars().count();
    for (index, rest) in wrapped(last, WIDTH.saturating_sub(begin).max(20)).iter().enumerate() {
        if index > 0 {
            line = " ".repeat(begin);
        }
        println!("{line}{rest}");
    }
}

/// `Tue 14 Nov 2023 08:00`, by London's clocks.
pub(crate) fn moment(at: DateTime<Utc>) -> String {
    at.with_timezone(&LONDON).format("%a %-d %b %Y %H:%M").to_string()
}

/// `1 mail`, `2 mails`.
pub(crate) fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// Names in quotes: `"one", "two"`.
pub(crate) fn quoted<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}

/// A vacancy by reference and title.
pub(crate) fn named(kept: &Kept) -> String {
    format!("{} \"{}\"", kept.subject.reference, kept.opening.truth.facts.title)
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last().map_or(0, |line| line.chars().count());
        if line > 0 && line + 1 + word.chars().count() > width {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::wrapped;

    #[test]
    fn lines_are_no_longer_than_asked_unless_a_word_is() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("unbreakable x", 4), ["unbreakable", "x"]);
        assert_eq!(wrapped("", 4), [""]);
    }
}
