//! Times, dates, money and lists, as a mail says them.
//!
//! Nothing is said more precisely than it was given: a closing without a time gets none, and a
//! moment is rounded towards the past. The hour 0 of a day is said as the last minute of the day
//! before, because people read "midnight" and "12am" both ways.

use chrono::{DateTime, Duration, NaiveDate, NaiveTime, Timelike as _, Utc};
use chrono_tz::Tz;

use crate::domain::facts::{Closing, Pay, PayUnit};

/// `10:02am on Tuesday 5 March 2024`, by the clocks of `zone`.
pub(super) fn moment(at: DateTime<Utc>, zone: Tz) -> String {
    let local = at.with_timezone(&zone).naive_local();
    let said = if (local.hour(), local.minute()) == (0, 0) { local - Duration::minutes(1) } else { local };
    format!("{} on {}", time(said.time()), day(said.date()))
}

fn time(time: NaiveTime) -> String {
    match (time.hour12(), time.minute()) {
        ((true, 12), 0) => "noon".to_owned(),
        ((afternoon, hour), minute) => {
            let minutes = if minute == 0 { String::new() } else { format!(":{minute:02}") };
            format!("{hour}{minutes}{}", if afternoon { "pm" } else { "am" })
        }
    }
}

/// `Friday 8 December 2023`.
pub(super) fn day(day: NaiveDate) -> String {
    day.format("%A %-d %B %Y").to_string()
}

/// When the door shuts, as one sentence.
pub(super) fn closing(closing: Closing, zone: Tz) -> String {
    match closing {
        Closing::Instant(at) => format!("Closes at {}, {}.", moment(at, zone), clocks(zone)),
        Closing::Date(date) => {
            format!("Closes on {}. The advert gives no time, so do not leave it to the evening.", day(date))
        }
        Closing::CloseOfBusiness(date) => {
            format!("Closes at the end of the working day on {}.", day(date))
        }
        Closing::OpenUntilFilled => "No closing date is given; it can close at any time.".to_owned(),
    }
}

/// Whose clocks a time is by.
fn clocks(zone: Tz) -> String {
    match zone {
        Tz::Europe__London | Tz::Europe__Belfast | Tz::GB => "UK time".to_owned(),
        Tz::UTC | Tz::Etc__UTC => "UTC".to_owned(),
        zone => {
            let city = zone.name().rsplit('/').next().unwrap_or_default().replace('_', " ");
            format!("{city} time")
        }
    }
}

/// `£29,907 to £45,000 a year`; nothing where the figures say nothing.
pub(super) fn pay(pay: &Pay) -> Option<String> {
    let unit = match pay.unit {
        PayUnit::Year => "a year",
        PayUnit::Month => "a month",
        PayUnit::Week => "a week",
        PayUnit::Day => "a day",
        PayUnit::Hour => "an hour",
    };
    let currency = pay.currency.as_str();
    match (pay.min, pay.max) {
        (min, max) if min < 0 || max <= 0 || min > max => None,
        (0, max) => Some(format!("Up to {} {unit}", money(currency, max))),
        (min, max) if min == max => Some(format!("{} {unit}", money(currency, max))),
        (min, max) => Some(format!("{} to {} {unit}", money(currency, min), money(currency, max))),
    }
}

/// An amount in hundredths; whole amounts without the hundredths.
fn money(currency: &str, hundredths: i64) -> String {
    let sign = match currency {
        "GBP" => "£".to_owned(),
        "EUR" => "€".to_owned(),
        other => format!("{other} "),
    };
    let digits = (hundredths / 100).to_string();
    let mut amount = String::with_capacity(digits.len() + 4);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            amount.push(',');
        }
        amount.push(digit);
    }
    match hundredths % 100 {
        0 => format!("{sign}{amount}"),
        rest => format!("{sign}{amount}.{rest:02}"),
    }
}

/// `A`, `A and B`, `A, B and C`.
pub(super) fn list<S: AsRef<str>>(items: &[S]) -> String {
    match items {
        [] => String::new(),
        [only] => only.as_ref().to_owned(),
        [init @ .., last] => {
            let init: Vec<&str> = init.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", init.join(", "), last.as_ref())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONDON: Tz = Tz::Europe__London;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn moments_are_by_the_clocks_of_the_place() {
        for (moment_at, said) in [
            ("2023-12-04T12:00:00Z", "noon on Monday 4 December 2023"),
            ("2024-03-05T10:00:00Z", "10am on Tuesday 5 March 2024"),
            ("2024-03-05T10:02:59Z", "10:02am on Tuesday 5 March 2024"),
            ("2024-03-06T17:30:00Z", "5:30pm on Wednesday 6 March 2024"),
            ("2024-03-06T12:30:00Z", "12:30pm on Wednesday 6 March 2024"),
            ("2024-03-06T00:30:00Z", "12:30am on Wednesday 6 March 2024"),
            ("2024-03-06T23:59:59Z", "11:59pm on Wednesday 6 March 2024"),
            ("2024-03-07T00:00:00Z", "11:59pm on Wednesday 6 March 2024"),
            ("2024-03-07T00:00:30Z", "11:59pm on Wednesday 6 March 2024"),
            // The day on which summer time begins, before and after.
            ("2024-03-31T00:59:00Z", "12:59am on Sunday 31 March 2024"),
            ("2024-03-31T01:00:00Z", "2am on Sunday 31 March 2024"),
            ("2024-03-31T22:59:00Z", "11:59pm on Sunday 31 March 2024"),
            ("2024-03-31T23:00:00Z", "11:59pm on Sunday 31 March 2024"),
            // Summer: one hour ahead of UTC.
            ("2024-07-01T11:00:00Z", "noon on Monday 1 July 2024"),
            ("2024-07-01T23:30:00Z", "12:30am on Tuesday 2 July 2024"),
            ("2024-10-27T12:00:00Z", "noon on Sunday 27 October 2024"),
            ("2024-01-01T00:00:00Z", "11:59pm on Sunday 31 December 2023"),
        ] {
            assert_eq!(moment(at(moment_at), LONDON), said);
        }
    }

    #[test]
    fn a_closing_is_said_as_precisely_as_it_was_given() {
        let date: NaiveDate = "2023-12-08".parse().unwrap();
        let noon = Closing::Instant(at("2023-12-04T12:00:00Z"));
        for (shuts, zone, said) in [
            (noon, LONDON, "Closes at noon on Monday 4 December 2023, UK time."),
            (noon, Tz::Europe__Madrid, "Closes at 1pm on Monday 4 December 2023, Madrid time."),
            (noon, Tz::America__New_York, "Closes at 7am on Monday 4 December 2023, New York time."),
            (noon, Tz::UTC, "Closes at noon on Monday 4 December 2023, UTC."),
            (
                Closing::Instant(at("2024-06-30T23:00:00Z")),
                LONDON,
                "Closes at 11:59pm on Sunday 30 June 2024, UK time.",
            ),
            (
                Closing::Date(date),
                LONDON,
                "Closes on Friday 8 December 2023. The advert gives no time, so do not leave it to the evening.",
            ),
            (
                Closing::CloseOfBusiness(date),
                LONDON,
                "Closes at the end of the working day on Friday 8 December 2023.",
            ),
            (Closing::OpenUntilFilled, LONDON, "No closing date is given; it can close at any time."),
        ] {
            assert_eq!(closing(shuts, zone), said);
        }
    }

    #[test]
    fn pay_is_said_in_whole_pounds_unless_there_are_pence() {
        let of = |currency: &str, min, max, unit| pay(&Pay { currency: currency.to_owned(), min, max, unit });
        for (said, expected) in [
            (of("GBP", 2_990_700, 4_500_000, PayUnit::Year), Some("£29,907 to £45,000 a year")),
            (of("GBP", 2_990_700, 2_990_700, PayUnit::Year), Some("£29,907 a year")),
            (of("GBP", 1_245, 1_245, PayUnit::Hour), Some("£12.45 an hour")),
            (of("GBP", 0, 100_000_000, PayUnit::Year), Some("Up to £1,000,000 a year")),
            (of("EUR", 90_005, 100_000, PayUnit::Month), Some("€900.05 to €1,000 a month")),
            (of("SEK", 10_000, 10_000, PayUnit::Day), Some("SEK 100 a day")),
            (of("GBP", 99_900, 99_900, PayUnit::Week), Some("£999 a week")),
            (of("GBP", 0, 0, PayUnit::Year), None),
            (of("GBP", -1, 5, PayUnit::Year), None),
            (of("GBP", 6, 5, PayUnit::Year), None),
        ] {
            assert_eq!(said.as_deref(), expected);
        }
    }

    #[test]
    fn lists_end_in_and() {
        assert_eq!(list::<&str>(&[]), "");
        assert_eq!(list(&["A"]), "A");
        assert_eq!(list(&["A", "B"]), "A and B");
        assert_eq!(list(&["A", "B", "C"]), "A, B and C");
    }
}
