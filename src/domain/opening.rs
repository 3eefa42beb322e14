//! What people can be told about: the facts of an advert, and how they change.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::domain::local_time::first_moment;
use crate::domain::taxonomy::Dimension;

/// When the door shuts, as precisely as anybody has said and no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "precision", content = "value")]
pub enum Closing {
    /// At a moment.
    Instant(DateTime<Utc>),
    /// On a day; no time was given.
    Date(NaiveDate),
    /// On a day, at the end of the working day.
    CloseOfBusiness(NaiveDate),
    /// At any time, when enough people have applied.
    OpenUntilFilled,
}

impl Closing {
    /// The first moment at which the door is shut, for deciding whether to
    /// write at all: a date counts to the end of that local day, the end of a
    /// working day as 5pm. `None` while no end is known.
    #[must_use]
    pub fn door_shuts_at(self, zone: Tz) -> Option<DateTime<Utc>> {
        match self {
            Self::Instant(at) => Some(at),
            Self::Date(day) => {
                let next = day.checked_add_days(Days::new(1))?;
                Some(first_moment(zone, next.and_time(NaiveTime::MIN)))
            }
            Self::CloseOfBusiness(day) => Some(first_moment(zone, day.and_hms_opt(17, 0, 0)?)),
            Self::OpenUntilFilled => None,
        }
    }
}

/// Pay as figures. What people read is [`Facts::pay_text`] where it is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pay {
    /// ISO 4217 code.
    pub currency: String,
    /// The lower end, in hundredths (pence).
    pub min: i64,
    /// The upper end, in hundredths (pence).
    pub max: i64,
    /// What the figures are for.
    pub unit: PayUnit,
}

/// The span of time that a pay figure is for (schema.org `unitText`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PayUnit {
    /// A year.
    Year,
    /// A month.
    Month,
    /// A week.
    Week,
    /// A day.
    Day,
    /// An hour.
    Hour,
}

impl Pay {
    /// The upper end in pence a year, where it can be compared with "at least
    /// £30,000 a year" without guessing hours: pounds a year or a month.
    #[must_use]
    pub fn ceiling_a_year(&self) -> Option<i64> {
        match self.unit {
            _ if self.currency != "GBP" => None,
            PayUnit::Year => Some(self.max),
            PayUnit::Month => self.max.checked_mul(12),
            PayUnit::Week | PayUnit::Day | PayUnit::Hour => None,
        }
    }
}

/// What an advert says. Slugs are kept as they came; the taxonomy reads them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    /// The title, on one line.
    pub title: String,
    /// Who hires (schema.org `hiringOrganization`).
    pub employer: Option<String>,
    /// The text of the advert, untrusted, used for keywords only.
    pub description: Option<String>,
    /// Where to read it: https, on an allowed host.
    pub url: Option<String>,
    /// Families of work.
    pub role_family: Vec<String>,
    /// Ranks.
    pub rank: Vec<String>,
    /// Who may apply; empty means the public.
    pub audience: Vec<String>,
    /// Kinds of contract.
    pub contract_kind: Vec<String>,
    /// Patterns of hours.
    pub hours: Vec<String>,
    /// Places.
    pub locations: Vec<String>,
    /// The site, as text for people ("Perry Barr").
    pub site: Option<String>,
    /// The grade, as given.
    pub grade_text: Option<String>,
    /// The pay, as given.
    pub pay_text: Option<String>,
    /// The pay, as figures.
    pub pay: Option<Pay>,
    /// When the door shuts.
    pub closing: Closing,
    /// The zone in which the closing was given.
    pub zone: Tz,
}

/// One change of one fact, from a correction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The title is now this.
    Title(String),
    /// Who hires is now this.
    Employer(Option<String>),
    /// The text is now this.
    Description(Option<String>),
    /// The advert is now here.
    Url(Option<String>),
    /// The values of a dimension are now these.
    Values(Dimension, Vec<String>),
    /// The site is now this.
    Site(Option<String>),
    /// The grade is now this.
    GradeText(Option<String>),
    /// The words about pay are now these.
    PayText(Option<String>),
    /// The pay figures are now these.
    Pay(Option<Pay>),
    /// The door now shuts then.
    Closing(Closing),
    /// The closing is now given in this zone.
    Zone(Tz),
}

impl Facts {
    /// The values of a dimension.
    #[must_use]
    pub fn values(&self, dimension: Dimension) -> &[String] {
        match dimension {
            Dimension::RoleFamily => &self.role_family,
            Dimension::Rank => &self.rank,
            Dimension::Place => &self.locations,
            Dimension::ContractKind => &self.contract_kind,
            Dimension::Hours => &self.hours,
            Dimension::Audience => &self.audience,
        }
    }

    /// Makes one change.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Title(title) => self.title = title,
            Change::Employer(employer) => self.employer = employer,
            Change::Description(description) => self.description = description,
            Change::Url(url) => self.url = url,
            Change::Values(Dimension::RoleFamily, values) => self.role_family = values,
            Change::Values(Dimension::Rank, values) => self.rank = values,
            Change::Values(Dimension::Place, values) => self.locations = values,
            Change::Values(Dimension::ContractKind, values) => self.contract_kind = values,
            Change::Values(Dimension::Hours, values) => self.hours = values,
            Change::Values(Dimension::Audience, values) => self.audience = values,
            Change::Site(site) => self.site = site,
            Change::GradeText(text) => self.grade_text = text,
            Change::PayText(text) => self.pay_text = text,
            Change::Pay(pay) => self.pay = pay,
            Change::Closing(closing) => self.closing = closing,
            Change::Zone(zone) => self.zone = zone,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_door_shuts_as_precisely_as_was_said() {
        for (closing, shuts) in [
            (Closing::Instant(moment("2023-12-04T12:00:00Z")), Some(moment("2023-12-04T12:00:00Z"))),
            (Closing::Date(date("2023-12-08")), Some(moment("2023-12-09T00:00:00Z"))),
            (Closing::Date(date("2024-03-31")), Some(moment("2024-03-31T23:00:00Z"))),
            (Closing::Date(date("2024-03-30")), Some(moment("2024-03-31T00:00:00Z"))),
            (Closing::CloseOfBusiness(date("2024-07-01")), Some(moment("2024-07-01T16:00:00Z"))),
            (Closing::OpenUntilFilled, None),
        ] {
            assert_eq!(closing.door_shuts_at(chrono_tz::Europe::London), shuts, "{closing:?}");
        }
    }

    fn moment(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }
}
