//! What an advert, a programme's cycle or an event day says, and how that changes.

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

/// A moment as precisely as anybody has said it, and no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "precision", content = "value")]
pub enum When {
    /// At a moment.
    Instant(DateTime<Utc>),
    /// On a day; no time was given.
    Date(NaiveDate),
}

impl When {
    /// The first moment that it can mean.
    #[must_use]
    pub fn first_moment(self, zone: Tz) -> DateTime<Utc> {
        match self {
            Self::Instant(at) => at,
            Self::Date(day) => first_moment(zone, day.and_time(NaiveTime::MIN)),
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

/// What the events of a programme say about one cycle beyond what every
/// opening has (schema.org `WorkBasedProgram`, and the intake).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Programme {
    /// How long it takes (`timeToComplete`, an ISO 8601 duration such as `P2Y`).
    pub length: Option<String>,
    /// What it ends in (`educationalCredentialAwarded`).
    pub award: Option<String>,
    /// Who teaches (`provider`).
    pub provider: Option<String>,
    /// How many applications are taken.
    pub cap: Option<u32>,
    /// Whether whoever applies first is looked at first, if they say.
    pub first_come: Option<bool>,
    /// It may close before its date.
    pub may_close_early: bool,
    /// The programmes that an announcement is about, when it speaks of several.
    pub members: Vec<String>,
    /// What the announcement says to everybody.
    pub public_text: Option<String>,
    /// Whether an announcement without a date is to be told to who registered.
    pub notify_registered: bool,
}

/// How an event day is attended (schema.org `eventAttendanceMode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attendance {
    /// In a place.
    #[default]
    Offline,
    /// On the internet.
    Online,
    /// Either.
    Mixed,
}

/// What an event day says beyond what every opening has (schema.org
/// `EducationEvent`). Its closing is that of the bookings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Day {
    /// When it begins.
    pub starts_at: DateTime<Utc>,
    /// When it ends.
    pub ends_at: Option<DateTime<Utc>>,
    /// How it is attended.
    pub attendance: Attendance,
    /// Where, as text for people: "Wolverhampton".
    pub place: Option<String>,
    /// Whether it costs nothing, if they say.
    pub free: Option<bool>,
    /// How many can come.
    pub capacity: Option<u32>,
    /// Whether every place is taken.
    pub full: bool,
    /// Step-free access and the like, as given.
    pub access: Option<String>,
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
    /// When the door opens, where that is said beforehand.
    #[serde(default)]
    pub opens: Option<When>,
    /// Who may apply, in words: licence, residency, what one must have done.
    #[serde(default)]
    pub eligibility: Option<String>,
    /// What an event day is about.
    #[serde(default)]
    pub topic: Vec<String>,
    /// The campaign it belongs to; openings of one campaign are told together.
    #[serde(default)]
    pub campaign: Option<String>,
    /// What only a programme's cycle has.
    #[serde(default)]
    pub programme: Option<Programme>,
    /// What only an event day has.
    #[serde(default)]
    pub day: Option<Day>,
}

/// Changes to what only a programme's cycle has; `None` leaves it as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProgrammeChange {
    /// See [`Programme::length`].
    pub length: Option<Option<String>>,
    /// See [`Programme::award`].
    pub award: Option<Option<String>>,
    /// See [`Programme::provider`].
    pub provider: Option<Option<String>>,
    /// See [`Programme::cap`].
    pub cap: Option<Option<u32>>,
    /// See [`Programme::first_come`].
    pub first_come: Option<Option<bool>>,
    /// See [`Programme::may_close_early`].
    pub may_close_early: Option<bool>,
    /// See [`Programme::members`].
    pub members: Option<Vec<String>>,
    /// See [`Programme::public_text`].
    pub public_text: Option<Option<String>>,
    /// See [`Programme::notify_registered`].
    pub notify_registered: Option<bool>,
}

/// Changes to what only an event day has; `None` leaves it as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DayChange {
    /// See [`Day::starts_at`]. Without an end of its own, the end moves along.
    pub starts_at: Option<DateTime<Utc>>,
    /// See [`Day::ends_at`].
    pub ends_at: Option<Option<DateTime<Utc>>>,
    /// See [`Day::attendance`].
    pub attendance: Option<Attendance>,
    /// See [`Day::place`].
    pub place: Option<Option<String>>,
    /// See [`Day::free`].
    pub free: Option<Option<bool>>,
    /// See [`Day::capacity`].
    pub capacity: Option<Option<u32>>,
    /// See [`Day::full`].
    pub full: Option<bool>,
    /// See [`Day::access`].
    pub access: Option<Option<String>>,
}

/// One change of one fact, from any event.
#[derive(Debug, Clone, PartialEq)]
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
    /// The door now opens then.
    Opens(Option<When>),
    /// The words about who may apply are now these.
    Eligibility(Option<String>),
    /// It now belongs to this campaign.
    Campaign(Option<String>),
    /// What only a programme's cycle has.
    Programme(Box<ProgrammeChange>),
    /// What only an event day has.
    Day(Box<DayChange>),
    /// Why, in the source's words for everybody.
    Explanation(Option<String>),
    /// What takes its place.
    ReplacedBy(Option<String>),
    /// When a paused door opens again, at the earliest.
    Earliest(Option<When>),
    /// When it is expected to open the next time.
    NextExpected(Option<When>),
    /// Whether who registered stays registered.
    RegistrationStaysOpen(bool),
    /// How full it is, in hundredths.
    PercentFull(Option<f64>),
}

impl Facts {
    /// Facts of which nothing is known yet.
    #[must_use]
    pub fn blank(zone: Tz) -> Self {
        Self {
            title: String::new(),
            employer: None,
            description: None,
            url: None,
            role_family: vec![],
            rank: vec![],
            audience: vec![],
            contract_kind: vec![],
            hours: vec![],
            locations: vec![],
            site: None,
            grade_text: None,
            pay_text: None,
            pay: None,
            closing: Closing::OpenUntilFilled,
            zone,
            opens: None,
            eligibility: None,
            topic: vec![],
            campaign: None,
            programme: None,
            day: None,
        }
    }

    /// When the clock shuts the door: at the closing, and for an event day at
    /// its beginning at the latest. `None` while no end is known.
    #[must_use]
    pub fn door_shuts_at(&self) -> Option<DateTime<Utc>> {
        let closing = self.closing.door_shuts_at(self.zone);
        let begins = self.day.as_ref().map(|day| day.starts_at);
        [closing, begins].into_iter().flatten().min()
    }

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
            Dimension::Topic => &self.topic,
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
            Change::Values(Dimension::Topic, values) => self.topic = values,
            Change::Site(site) => self.site = site,
            Change::GradeText(text) => self.grade_text = text,
            Change::PayText(text) => self.pay_text = text,
            Change::Pay(pay) => self.pay = pay,
            Change::Closing(closing) => self.closing = closing,
            Change::Zone(zone) => self.zone = zone,
            Change::Opens(when) => self.opens = when,
            Change::Eligibility(text) => self.eligibility = text,
            Change::Campaign(campaign) => self.campaign = campaign,
            Change::Programme(change) => self.programme.get_or_insert_default().apply(*change),
            Change::Day(change) => match (&mut self.day, change.starts_at) {
                (Some(day), _) => day.apply(*change),
                (None, Some(starts_at)) => self.day.insert(Day::at(starts_at)).apply(*change),
                // A day of which nobody has said when it is cannot be told of.
                (None, None) => {}
            },
            // These are not facts of the advert; `Opening` keeps them.
            Change::Explanation(_)
            | Change::ReplacedBy(_)
            | Change::Earliest(_)
            | Change::NextExpected(_)
            | Change::RegistrationStaysOpen(_)
            | Change::PercentFull(_) => {}
        }
    }
}

fn set<T>(fact: &mut T, change: Option<T>) {
    if let Some(now) = change {
        *fact = now;
    }
}

impl Programme {
    fn apply(&mut self, change: ProgrammeChange) {
        set(&mut self.length, change.length);
        set(&mut self.award, change.award);
        set(&mut self.provider, change.provider);
        set(&mut self.cap, change.cap);
        set(&mut self.first_come, change.first_come);
        set(&mut self.may_close_early, change.may_close_early);
        set(&mut self.members, change.members);
        set(&mut self.public_text, change.public_text);
        set(&mut self.notify_registered, change.notify_registered);
    }
}

impl Day {
    fn at(starts_at: DateTime<Utc>) -> Self {
        Self {
            starts_at,
            ends_at: None,
            attendance: Attendance::Offline,
            place: None,
            free: None,
            capacity: None,
            full: false,
            access: None,
        }
    }

    fn apply(&mut self, change: DayChange) {
        let moved = change.starts_at.map_or_else(chrono::Duration::zero, |starts| starts - self.starts_at);
        self.ends_at = self.ends_at.map(|ends| ends + moved);
        set(&mut self.starts_at, change.starts_at);
        set(&mut self.ends_at, change.ends_at);
        set(&mut self.attendance, change.attendance);
        set(&mut self.place, change.place);
        set(&mut self.free, change.free);
        set(&mut self.capacity, change.capacity);
        set(&mut self.full, change.full);
        set(&mut self.access, change.access);
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
