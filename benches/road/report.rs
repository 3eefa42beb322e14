//! What was measured, as a table.

use std::time::Duration;

/// The figures so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    machine: Vec<String>,
    rows: Vec<[String; 3]>,
}

impl Report {
    /// Says what it runs on.
    pub(crate) fn machine(&mut self, lines: &[String]) {
        for line in lines {
            eprintln!("{line}");
        }
        self.machine.extend_from_slice(lines);
    }

    /// Adds a figure.
    pub(crate) fn add(&mut self, what: impl Into<String>, figure: impl Into<String>) {
        self.row(what.into(), figure.into(), String::new());
    }

    /// Adds a figure with something beside it.
    pub(crate) fn note(
        &mut self,
        what: impl Into<String>,
        figure: impl Into<String>,
        beside: impl Into<String>,
    ) {
        self.row(what.into(), figure.into(), beside.into());
    }

    /// Adds a figure that we aim at something with.
    pub(crate) fn aim(
        &mut self,
        what: impl Into<String>,
        figure: impl Into<String>,
        aim: &str,
        reached: bool,
    ) {
        let reached = if reached { "reached" } else { "missed" };
        self.row(what.into(), figure.into(), format!("{aim}: {reached}"));
    }

    fn row(&mut self, what: String, figure: String, aim: String) {
        eprintln!("  {what}: {figure}{}", if aim.is_empty() { String::new() } else { format!(" ({aim})") });
        self.rows.push([what, figure, aim]);
    }

    /// Prints all of it.
    pub(crate) fn print(&self) {
        println!();
        for line in &self.machine {
            println!("{line}");
        }
        println!();
        let width =
            |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let (what, figure) = (width(0), width(1));
        for row in &self.rows {
            let line = format!("{:what$}  {:>figure$}  {}", row[0], row[1], row[2]);
            println!("{}", line.trim_end());
        }
    }
}

/// The one in the middle.
pub(crate) fn median<T: PartialOrd + Copy>(values: &[T]) -> T {
    let mut sorted = values.to_vec();
    sorted.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    sorted[sorted.len() / 2]
}

/// How many in a second.
#[expect(clippy::cast_precision_loss, reason = "counts of things that are done in minutes")]
pub(crate) fn rate(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

/// `12,345/s`.
pub(crate) fn per_second(rate: f64) -> String {
    format!("{}/s", grouped(rate))
}

/// `12,345`.
pub(crate) fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1.234 s`, or `12.3 ms` where it is short.
pub(crate) fn time(time: Duration) -> String {
    if time < Duration::from_millis(1) {
        format!("{:.1} µs", time.as_secs_f64() * 1e6)
    } else if time < Duration::from_secs(1) {
        format!("{:.1} ms", time.as_secs_f64() * 1e3)
    } else {
        format!("{:.2} s", time.as_secs_f64())
    }
}

/// `12.3 MB`.
#[expect(clippy::cast_precision_loss, reason = "memory in use is well below 2^53")]
pub(crate) fn megabytes(octets: u64) -> String {
    format!("{:.1} MB", octets as f64 / 1e6)
}
