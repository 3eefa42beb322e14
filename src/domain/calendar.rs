//! Working days: neither a weekend nor a bank holiday.

use std::collections::BTreeMap;

use chrono::{Datelike, Days, NaiveDate, Weekday};
use serde::Deserialize;

/// The calendar that is built into the program.
const SHIPPED: &str = include_str!("../../config/calendar.toml");

/// So long before a calendar ends it is time for the next one.
const ENDS_SOON: Days = Days::new(60);

/// A list of bank holidays, with the days by which it must be looked after.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calendar {
    reviewed: NaiveDate,
    review_by: NaiveDate,
    until: NaiveDate,
    holidays: BTreeMap<NaiveDate, String>,
}

/// Why a calendar cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CalendarError(String);

impl Calendar {
    /// The calendar that ships with the program: England and Wales.
    ///
    /// # Panics
    ///
    /// When the shipped file is wrong, which a test rules out.
    #[must_use]
    pub fn shipped() -> Self {
        Self::parse(SHIPPED).expect("the shipped calendar is tested")
    }

    /// Reads a calendar, as `config/calendar.toml` is written.
    ///
    /// # Errors
    ///
    /// When it is not written like that, or its days do not fit together.
    pub fn parse(text: &str) -> Result<Self, CalendarError> {
        let calendar: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| text[..span.start].matches('\n').count() + 1);
            let place = line.map_or(String::new(), |line| format!("line {line}: "));
            CalendarError(format!("{place}{}", error.message()))
        })?;
        if calendar.review_by <= calendar.reviewed {
            return Err(CalendarError("review_by: expected a day after reviewed".to_owned()));
        }
        if let Some(late) = calendar.holidays.keys().find(|day| **day > calendar.until) {
            return Err(CalendarError(format!(
                "holidays.{late}: the list is complete only until {}; move until, or leave the day out",
                calendar.until
            )));
        }
        Ok(calendar)
    }

    /// Whether people work on that day.
    #[must_use]
    pub fn is_working_day(&self, date: NaiveDate) -> bool {
        !matches!(date.weekday(), Weekday::Sat | Weekday::Sun) && !self.holidays.contains_key(&date)
    }

    /// That day if people work on it, else the next on which they do.
    #[must_use]
    pub fn working_day_from(&self, date: NaiveDate) -> NaiveDate {
        date.iter_days().find(|day| self.is_working_day(*day)).unwrap_or(date)
    }

    /// The bank holidays, in order.
    pub fn holidays(&self) -> impl Iterator<Item = NaiveDate> {
        self.holidays.keys().copied()
    }

    /// What somebody should do about the calendar, seen from a day.
    #[must_use]
    pub fn warnings(&self, today: NaiveDate) -> Vec<String> {
        let mut warnings = Vec::new();
        if today >= self.review_by {
            warnings.push(format!(
                "the bank holidays were last looked through on {} and were to be again by {}: hold them against the \
                 source and move review_by",
                self.reviewed, self.review_by
            ));
        }
        if self.until <= today + ENDS_SOON {
            let verb = if self.until < today { "ended" } else { "end" };
            warnings.push(format!(
                "the bank holidays {verb} on {}: add those after it and move until; without them only weekends are \
                 known",
                self.until
            ));
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use chrono::Duration;

    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn on(year: i32, month: u32, day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(year, month, day).unwrap()
    }

    /// Easter Sunday, after Gauss as Oudin wrote it down.
    fn easter(year: i32) -> NaiveDate {
        let century = year / 100;
        let golden = year % 19;
        let correction = (century - century / 4 - (8 * century + 13) / 25 + 19 * golden + 15) % 30;
        let moon = correction - (correction / 28) * (1 - (29 / (correction + 1)) * ((21 - golden) / 11));
        let weekday = (year + year / 4 + moon + 2 - century + century / 4) % 7;
        on(year, 3, 1) + Duration::days((moon - weekday + 27).into())
    }

    #[test]
    fn the_shipped_holidays_follow_the_rules() {
        let mut expected = vec![(on(2023, 5, 8), "Coronation of King Charles III".to_owned())];
        for year in 2023..=2028 {
            let first_monday = NaiveDate::from_weekday_of_month_opt(year, 5, Weekday::Mon, 1).unwrap();
            let last_monday = |month| {
                let last = on(year, month, 31);
                last - Duration::days(last.weekday().num_days_from_monday().into())
            };
            for (date, name) in [
                (easter(year) - Duration::days(2), "Good Friday"),
                (easter(year) + Duration::days(1), "Easter Monday"),
                (first_monday, "Early May bank holiday"),
                (last_monday(5), "Spring bank holiday"),
                (last_monday(8), "Summer bank holiday"),
            ] {
                expected.push((date, name.to_owned()));
            }
            // One that falls on a weekend moves to the next day that is free.
            let weekend = |date: NaiveDate| matches!(date.weekday(), Weekday::Sat | Weekday::Sun);
            let fixed = [
                (on(year, 1, 1), "New Year's Day"),
                (on(year, 12, 25), "Christmas Day"),
                (on(year, 12, 26), "Boxing Day"),
            ];
            for (date, name) in fixed.iter().filter(|(date, _)| !weekend(*date)) {
                expected.push((*date, (*name).to_owned()));
            }
            for (date, name) in fixed.iter().filter(|(date, _)| weekend(*date)) {
                let free = |day: &NaiveDate| !weekend(*day) && expected.iter().all(|(taken, _)| taken != day);
                let moved = date.iter_days().find(free).unwrap();
                expected.push((moved, format!("{name} (substitute day)")));
            }
        }
        expected.sort();
        let shipped = Calendar::shipped();
        assert_eq!(shipped.holidays.into_iter().collect::<Vec<_>>(), expected);
        assert_eq!(shipped.until, day("2028-12-31"));
    }

    #[test]
    fn easter_2024_has_no_working_day_before_tuesday() {
        let calendar = Calendar::shipped();
        assert!(calendar.is_working_day(day("2024-03-28")));
        assert_eq!(calendar.working_day_from(day("2024-03-28")), day("2024-03-28"));
        for date in ["2024-03-29", "2024-03-30", "2024-03-31", "2024-04-01"] {
            assert!(!calendar.is_working_day(day(date)), "{date}");
            assert_eq!(calendar.working_day_from(day(date)), day("2024-04-02"), "{date}");
        }
    }

    #[test]
    fn a_calendar_says_when_it_is_to_be_looked_after() {
        let text = "reviewed = '2024-01-01'\nreview_by = '2024-06-01'\nuntil = '2024-12-31'\n[holidays]\n";
        let calendar = Calendar::parse(text).unwrap();
        let said = |today: &str| calendar.warnings(day(today)).join("\n");
        assert_eq!(said("2024-05-31"), "");
        assert!(said("2024-06-01").contains("again by 2024-06-01"));
        assert_eq!(calendar.warnings(day("2024-10-31")).len(), 1);
        assert!(said("2024-11-01").contains("the bank holidays end on 2024-12-31"));
        assert!(said("2025-01-01").contains("the bank holidays ended on 2024-12-31"));
    }

    #[test]
    fn what_is_wrong_with_a_calendar_is_said() {
        let head = "reviewed = '2024-01-01'\nreview_by = '2024-06-01'\nuntil = '2024-12-31'\n";
        for (text, expected) in [
            (format!("{head}[holidays]\n2024-13-01 = 'x'"), "line 5: "),
            (format!("{head}[hollidays]\n"), "line 4: unknown field `hollidays`"),
            (
                format!("{head}[holidays]\n2025-01-01 = 'x'"),
                "holidays.2025-01-01: the list is complete only until",
            ),
            (head.replace("2024-06", "2023-06") + "[holidays]", "review_by: expected a day after reviewed"),
            ("reviewed = ".to_owned(), "line 1: "),
        ] {
            let said = Calendar::parse(&text).unwrap_err().to_string();
            assert!(said.starts_with(expected), "{said}");
        }
    }
}
