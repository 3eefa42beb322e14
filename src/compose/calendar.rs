//! The calendar file of a mail that tells when something opens (RFC 5545).

use chrono::{DateTime, Days, SecondsFormat, Utc};
use url::Url;

use crate::domain::facts::When;

/// The name of the file.
pub(super) const FILE_NAME: &str = "opens.ics";
/// The most octets of a line, without its end.
const LONGEST_LINE: usize = 75;

/// Something that begins.
pub(super) struct Entry {
    pub(super) begins: When,
    pub(super) summary: String,
    /// Where to read about it.
    pub(super) url: Option<Url>,
}

/// The file with these entries, as written at `now`; their names are made from `id`, which belongs
/// to one mail, and `domain`. Lines end in a plain line feed, for the encoding of the part to make
/// CR LF of.
pub(super) fn file(entries: &[Entry], id: &str, domain: &str, now: DateTime<Utc>) -> String {
    let mut file = String::with_capacity(256 + 256 * entries.len());
    let mut line = |name: &str, value: &str| fold(&format!("{name}:{value}"), &mut file);
    line("BEGIN", "VCALENDAR");
    line("VERSION", "2.0");
    line("PRODID", "-//jobalerts//EN");
    line("METHOD", "PUBLISH");
    for (index, Entry { begins, summary, url }) in entries.iter().enumerate() {
        line("BEGIN", "VEVENT");
        line("UID", &format!("{id}-{index}@{domain}"));
        line("DTSTAMP", &instant(now));
        match begins {
            When::Instant(at) => {
                line("DTSTART", &instant(*at));
            }
            When::Date(day) => {
                let date = |day: chrono::NaiveDate| day.format("%Y%m%d").to_string();
                line("DTSTART;VALUE=DATE", &date(*day));
                if let Some(next) = day.checked_add_days(Days::new(1)) {
                    line("DTEND;VALUE=DATE", &date(next));
                }
            }
        }
        line("SUMMARY", &escape(summary));
        if let Some(url) = url {
            line("URL", url.as_str());
        }
        // It takes no time of the day that something opens.
        line("TRANSP", "TRANSPARENT");
        line("END", "VEVENT");
    }
    line("END", "VCALENDAR");
    file
}

/// A moment in UTC: `20240305T100000Z`.
fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true).replace(['-', ':'], "")
}

/// A value of the type TEXT.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\\' | ';' | ',' => escaped.extend(['\\', c]),
            '\n' => escaped.push_str("\\n"),
            c if c.is_control() => {}
            c => escaped.push(c),
        }
    }
    escaped
}

/// The line in pieces that are short enough, between characters; what goes on begins with a space.
fn fold(line: &str, file: &mut String) {
    let mut used = 0;
    for c in line.chars() {
        if used + c.len_utf8() > LONGEST_LINE {
            file.push_str("\n ");
            used = 1;
        }
        file.push(c);
        used += c.len_utf8();
    }
    file.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn one(begins: When, summary: &str, url: Option<&str>) -> String {
        let entry = Entry { begins, summary: summary.to_owned(), url: url.map(|url| url.parse().unwrap()) };
        file(&[entry], "abc", "midshire.example", moment("2024-02-19T10:02:40.5Z"))
    }

    #[test]
    fn a_moment_is_in_utc() {
        let file = one(
            When::Instant(moment("2024-03-05T10:00:00Z")),
            "Opens",
            Some("https://careers.force.example/a?b=1,2;c"),
        );
        assert_eq!(
            file,
            "\
BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//jobalerts//EN
METHOD:PUBLISH
BEGIN:VEVENT
UID:abc-0@midshire.example
DTSTAMP:20240219T100240Z
DTSTART:20240305T100000Z
SUMMARY:Opens
URL:https://careers.force.example/a?b=1,2;c
TRANSP:TRANSPARENT
END:VEVENT
END:VCALENDAR
"
        );
    }

    #[test]
    fn a_day_is_a_day() {
        let file = one(When::Date("2024-02-29".parse().unwrap()), "Opens", None);
        assert!(file.contains("\nDTSTART;VALUE=DATE:20240229\nDTEND;VALUE=DATE:20240301\n"), "{file}");
    }

    #[test]
    fn text_cannot_break_out_of_its_line() {
        let file = one(
            When::Date("2024-03-05".parse().unwrap()),
            "a, b; c\\d\nEND:VEVENT\r\nATTENDEE:mailto:x@example.org",
            None,
        );
        assert!(
            file.contains("\nSUMMARY:a\\, b\\; c\\\\d\\nEND:VEVENT\\nATTENDEE:mailto:x@example.org\n"),
            "{file}"
        );
    }

    #[test]
    fn long_lines_are_folded_between_characters() {
        let summary = "Prüfung 警察 ".repeat(30);
        let file = one(When::Date("2024-03-05".parse().unwrap()), &summary, None);
        assert!(file.lines().all(|line| line.len() <= LONGEST_LINE), "{file}");
        assert!(file.replace("\n ", "").contains(&summary));
    }
}
