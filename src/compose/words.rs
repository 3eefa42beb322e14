//! Times, dates, money and lists, as a mail says them in English; and what of it is the same in every
//! language.
//!
//! Nothing is said more precisely than it was given: a closing without a time gets none, and a
//! moment is rounded towards the past. People read "midnight" and "12am" both ways, so where
//! something ends or was, the hour 0 of a day is said as the last minute of the day before; where
//! something begins, as the first minute after it: whoever comes then, comes to an open door.

use chrono::{DateTime, Duration, NaiveDate, NaiveDateTime, NaiveTime, Timelike as _, Utc};
use chrono_tz::Tz;

use crate::domain::facts::{Closing, Pay, PayUnit, When};

/// What the clocks of `zone` say at the end of something, or when something was.
pub(super) fn end(at: DateTime<Utc>, zone: Tz) -> NaiveDateTime {
    let local = at.with_timezone(&zone).naive_local();
    if is_hour_0(local) { local - Duration::minutes(1) } else { local }
}

/// What they say at the beginning of something.
pub(super) fn start(at: DateTime<Utc>, zone: Tz) -> NaiveDateTime {
    let local = at.with_timezone(&zone).naive_local();
    if is_hour_0(local) { local + Duration::minutes(1) } else { local }
}

fn is_hour_0(local: NaiveDateTime) -> bool {
    (local.hour(), local.minute()) == (0, 0)
}

/// `10:02am on Tuesday 5 March 2024`.
pub(super) fn clock_and_day(local: NaiveDateTime) -> String {
    format!("{} on {}", time(local.time()), day(local.date()))
}

/// `Tuesday 5 March 2024, 10:02am`.
fn day_and_clock(local: NaiveDateTime) -> String {
    format!("{}, {}", day(local.date()), time(local.time()))
}

/// `10:02am on Tuesday 5 March 2024`, by the clocks of `zone`.
pub(super) fn moment(at: DateTime<Utc>, zone: Tz) -> String {
    clock_and_day(end(at, zone))
}

/// When something begins, as part of a sentence: `at 10am on Tuesday 5 March 2024`, or `on` a day.
pub(super) fn begins(when: When, zone: Tz) -> String {
    match when {
        When::Instant(at) => format!("at {}", clock_and_day(start(at, zone))),
        When::Date(date) => format!("on {}", day(date)),
    }
}

/// When something begins, as a fact on its own: `Tuesday 5 March 2024, 10am, UK time`.
pub(super) fn begins_fact(when: When, zone: Tz) -> String {
    match when {
        When::Instant(at) => format!("{}, {}", day_and_clock(start(at, zone)), clocks(zone)),
        When::Date(date) => format!("{}; no time is given", day(date)),
    }
}

/// The time of day at which something begins, if one is given.
pub(super) fn begins_at(when: When, zone: Tz) -> Option<String> {
    match when {
        When::Instant(at) => Some(time(start(at, zone).time())),
        When::Date(_) => None,
    }
}

/// Before what something does not begin: `10am on Tuesday 5 March 2024`, or a day.
pub(super) fn not_before(when: When, zone: Tz) -> String {
    match when {
        When::Instant(at) => clock_and_day(start(at, zone)),
        When::Date(date) => day(date),
    }
}

/// The local day on which something begins.
pub(super) fn begins_on(when: When, zone: Tz) -> NaiveDate {
    match when {
        When::Instant(at) => start(at, zone).date(),
        When::Date(date) => date,
    }
}

/// When something begins, in a subject: `Tuesday 5 March, 10am`.
pub(super) fn begins_short(when: When, zone: Tz) -> String {
    match when {
        When::Instant(at) => {
            let local = start(at, zone);
            format!("{}, {}", short_day(local.date()), time(local.time()))
        }
        When::Date(date) => short_day(date),
    }
}

/// From when to when on a day: `Saturday 17 February 2024, 10:30am to 12:30pm`.
pub(super) fn span(starts: DateTime<Utc>, ends: Option<DateTime<Utc>>, zone: Tz) -> String {
    let from = start(starts, zone);
    match ends.filter(|ends| *ends > starts).map(|ends| end(ends, zone)) {
        None => day_and_clock(from),
        Some(to) if to.date() == from.date() => format!("{} to {}", day_and_clock(from), time(to.time())),
        Some(to) => format!("{} to {}", day_and_clock(from), day_and_clock(to)),
    }
}

/// `Tuesday 5 March`.
pub(super) fn short_day(day: NaiveDate) -> String {
    day.format("%A %-d %B").to_string()
}

/// `5 March`.
pub(super) fn date(day: NaiveDate) -> String {
    day.format("%-d %B").to_string()
}

/// `10am`, `noon`, `5:30pm`.
pub(super) fn time(time: NaiveTime) -> String {
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

/// When the door shuts, as a fact on its own.
pub(super) fn closing_fact(closing: Closing, zone: Tz) -> String {
    match closing {
        Closing::Instant(at) => format!("{}, {}", day_and_clock(end(at, zone)), clocks(zone)),
        Closing::Date(date) => {
            format!("{}. The advert gives no time, so do not leave it to the evening.", day(date))
        }
        Closing::CloseOfBusiness(date) => format!("End of the working day on {}", day(date)),
        Closing::OpenUntilFilled => "No closing date is given; it can close at any time.".to_owned(),
    }
}

/// The end of the time in which something can be done: `noon on Tuesday 19 March 2024`. `None` if
/// no end is given.
pub(super) fn until(closing: Closing, zone: Tz) -> Option<String> {
    match closing {
        Closing::Instant(at) => Some(moment(at, zone)),
        Closing::Date(date) => Some(day(date)),
        Closing::CloseOfBusiness(date) => Some(format!("the end of the working day on {}", day(date))),
        Closing::OpenUntilFilled => None,
    }
}

/// When the door shuts, as part of a sentence: `at noon on Tuesday 19 March 2024`, or `on` a day.
pub(super) fn shuts(closing: Closing, zone: Tz) -> Option<String> {
    let preposition = if matches!(closing, Closing::Date(_)) { "on" } else { "at" };
    until(closing, zone).map(|end| format!("{preposition} {end}"))
}

/// The local day on which the door shuts.
pub(super) fn shuts_on(closing: Closing, zone: Tz) -> Option<NaiveDate> {
    match closing {
        Closing::Instant(at) => Some(end(at, zone).date()),
        Closing::Date(date) | Closing::CloseOfBusiness(date) => Some(date),
        Closing::OpenUntilFilled => None,
    }
}

/// A day by its distance from now, if it is `today` or `tomorrow`.
pub(super) fn near(day: NaiveDate, now: DateTime<Utc>, zone: Tz) -> Option<&'static str> {
    match (day - now.with_timezone(&zone).date_naive()).num_days() {
        0 => Some("today"),
        1 => Some("tomorrow"),
        _ => None,
    }
}

/// The time of day at which the door shuts, if one is given.
pub(super) fn shuts_at(closing: Closing, zone: Tz) -> Option<String> {
    match closing {
        Closing::Instant(at) => Some(time(end(at, zone).time())),
        Closing::Date(_) | Closing::CloseOfBusiness(_) | Closing::OpenUntilFilled => None,
    }
}

/// A duration by ISO 8601, of years, months, weeks and days: `P1Y6M` is `1 year and 6 months`. What
/// is none stays as it was given.
pub(super) fn length(given: &str) -> String {
    let in_words = |(count, unit): (u32, Unit)| {
        let unit = match unit {
            Unit::Year => "year",
            Unit::Month => "month",
            Unit::Week => "week",
            Unit::Day => "day",
        };
        format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
    };
    let parts = parts_of_duration(given).map(|parts| parts.into_iter().map(in_words).collect::<Vec<_>>());
    parts.map_or_else(|| given.to_owned(), |parts| list(&parts))
}

/// What a length is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Year,
    Month,
    Week,
    Day,
}

/// What a duration by ISO 8601 consists of, if it is one.
pub(super) fn parts_of_duration(given: &str) -> Option<Vec<(u32, Unit)>> {
    let mut rest = given.strip_prefix('P')?;
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at(digits);
        let unit = match after.as_bytes().first()? {
            b'Y' => Unit::Year,
            b'M' => Unit::Month,
            b'W' => Unit::Week,
            b'D' => Unit::Day,
            _ => return None,
        };
        let number: u32 = number.parse().ok()?;
        if number > 0 {
            parts.push((number, unit));
        }
        rest = &after[1..];
    }
    (!parts.is_empty()).then_some(parts)
}

/// A number at the beginning of a sentence; from ten on in figures.
pub(super) fn number(number: usize) -> String {
    const WORDS: [&str; 10] = ["No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine"];
    WORDS.get(number).map_or_else(|| number.to_string(), |word| (*word).to_owned())
}

/// Whose clocks a time is by.
fn clocks(zone: Tz) -> String {
    match clock_of(zone) {
        ClockOf::Uk => "UK time".to_owned(),
        ClockOf::Utc => "UTC".to_owned(),
        ClockOf::City(city) => format!("{city} time"),
    }
}

/// What people call the clocks of a zone by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ClockOf {
    Uk,
    Utc,
    City(String),
}

/// By what name the clocks of a zone are known.
pub(super) fn clock_of(zone: Tz) -> ClockOf {
    match zone {
        Tz::Europe__London | Tz::Europe__Belfast | Tz::GB => ClockOf::Uk,
        Tz::UTC | Tz::Etc__UTC => ClockOf::Utc,
        zone => ClockOf::City(zone.name().rsplit('/').next().unwrap_or_default().replace('_', " ")),
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
    Some(match amounts(pay)? {
        (None, most) => format!("Up to {most} {unit}"),
        (Some(least), most) if least == most => format!("{most} {unit}"),
        (Some(least), most) => format!("{least} to {most} {unit}"),
    })
}

/// The least and the most of a pay; nothing where the figures say nothing.
pub(super) fn amounts(pay: &Pay) -> Option<(Option<String>, String)> {
    let amount = |hundredths| money(&pay.currency, hundredths);
    match (pay.min, pay.max) {
        (min, max) if min < 0 || max <= 0 || min > max => None,
        (0, max) => Some((None, amount(max))),
        (min, max) => Some((Some(amount(min)), amount(max))),
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
    fn what_begins_is_open_at_the_time_that_is_said() {
        for (begin, fact, sentence, short) in [
            (
                When::Instant(at("2024-03-05T10:00:00Z")),
                "Tuesday 5 March 2024, 10am, UK time",
                "at 10am on Tuesday 5 March 2024",
                "Tuesday 5 March, 10am",
            ),
            (
                When::Instant(at("2024-03-05T00:00:00Z")),
                "Tuesday 5 March 2024, 12:01am, UK time",
                "at 12:01am on Tuesday 5 March 2024",
                "Tuesday 5 March, 12:01am",
            ),
            (
                When::Date("2024-03-05".parse().unwrap()),
                "Tuesday 5 March 2024; no time is given",
                "on Tuesday 5 March 2024",
                "Tuesday 5 March",
            ),
        ] {
            assert_eq!(begins_fact(begin, LONDON), fact);
            assert_eq!(begins(begin, LONDON), sentence);
            assert_eq!(begins_short(begin, LONDON), short);
        }
    }

    #[test]
    fn a_day_lasts_from_to() {
        let starts = at("2024-02-17T10:30:00Z");
        for (ends, said) in [
            (None, "Saturday 17 February 2024, 10:30am"),
            (Some("2024-02-17T12:30:00Z"), "Saturday 17 February 2024, 10:30am to 12:30pm"),
            (Some("2024-02-18T00:00:00Z"), "Saturday 17 February 2024, 10:30am to 11:59pm"),
            (
                Some("2024-02-18T12:00:00Z"),
                "Saturday 17 February 2024, 10:30am to Sunday 18 February 2024, noon",
            ),
            (Some("2024-02-16T12:00:00Z"), "Saturday 17 February 2024, 10:30am"),
        ] {
            assert_eq!(span(starts, ends.map(at), LONDON), said);
        }
    }

    #[test]
    fn a_length_is_in_words() {
        for (given, said) in [
            ("P2Y", "2 years"),
            ("P1Y6M", "1 year and 6 months"),
            ("P52W", "52 weeks"),
            ("P1D", "1 day"),
            ("P0Y", "P0Y"),
            ("P", "P"),
            ("PT8H", "PT8H"),
            ("P2", "P2"),
            ("about two years", "about two years"),
        ] {
            assert_eq!(length(given), said);
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
