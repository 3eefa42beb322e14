//! People, as they come in: an address, what they agreed to, and what they
//! asked for. Nothing else about anybody is held.

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use crate::domain::cadence::{Cadence, Choice};
use crate::domain::criteria::Criteria;
use crate::domain::email::EmailAddress;
use crate::domain::language::Language;
use crate::domain::local_time::is_plausible_year;
use crate::domain::rhythm::Rhythm;
use crate::domain::taxonomy::Taxonomy;
use crate::domain::text::one_line;

/// A person, as one line of an import tells of them.
#[derive(Debug, Clone)]
pub struct Person {
    /// Where to write.
    pub address: EmailAddress,
    /// What they agreed to.
    pub consent: Consent,
    /// What they want to hear of.
    pub searches: Vec<Search>,
    /// The routes whose opening they wait for.
    pub registrations: Vec<Registration>,
    /// Whether subject and sender must not say what a mail is about, if they
    /// have said.
    pub discreet: Option<bool>,
    /// From when to when, local time, nothing may disturb them, if they have
    /// said; the same time twice for no quiet hours at all.
    pub quiet_hours: Option<(NaiveTime, NaiveTime)>,
    /// When their digests are to come, if they have said.
    pub digest: Option<Choice>,
    /// Until when their alerts rest, if they have said.
    pub pause: Option<Pause>,
    /// What they read, if they have said.
    pub language: Option<Language>,
}

/// A person's alerts rest for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// The first day on which they do not rest any more.
    pub until: NaiveDate,
    /// Whether registrations rest, too, and not only searches.
    pub registrations: bool,
}

/// That somebody agreed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Consent {
    /// Which text they were shown.
    pub wording_version: String,
    /// When they agreed.
    pub at: DateTime<Utc>,
    /// Where: a page, a form.
    pub source: String,
}

impl Consent {
    fn read(self) -> Result<Self, String> {
        let said = |place: &str, text: &str| {
            // What somebody agreed to is kept as it was said, or not at all.
            let said = one_line(text);
            ((1..=LONGEST_NAME).contains(&said.chars().count()) && !text.contains(char::is_control))
                .then_some(said)
                .ok_or_else(|| format!("{place}: expected 1 to {LONGEST_NAME} characters on one line"))
        };
        if !is_plausible_year(self.at.year()) {
            return Err("at: expected a time since 1970".to_owned());
        }
        Ok(Self {
            wording_version: said("wordingVersion", &self.wording_version)?,
            source: said("source", &self.source)?,
            at: self.at,
        })
    }
}

/// A saved search.
#[derive(Debug, Clone)]
pub struct Search {
    /// What the person calls it; unique for the person.
    pub name: String,
    /// How soon to tell.
    pub cadence: Cadence,
    /// What it asks for.
    pub criteria: Criteria,
}

/// A registration of interest in a programme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// The programme's slug, or its parent's.
    pub programme: String,
    /// The first day of the month before which they want to hear nothing.
    pub not_before: Option<NaiveDate>,
    /// The last day on which it holds.
    pub valid_until: Option<NaiveDate>,
    /// They want to be reminded before the door shuts.
    pub reminder: bool,
}

/// Why a person cannot be read. The text repeats nothing that identifies them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PersonError(String);

const LONGEST_NAME: usize = 200;

impl Person {
    /// Reads one line of an import.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, and what is expected.
    pub fn read(line: &str, taxonomy: &Taxonomy, rhythm: &Rhythm) -> Result<Self, PersonError> {
        let written: PersonWritten =
            serde_json::from_str(line).map_err(|error| PersonError(without_values(&error)))?;
        let address = written.email.parse().map_err(|error| PersonError(format!("email: {error}")))?;
        let consent = written.consent.read().map_err(|cause| PersonError(format!("consent.{cause}")))?;
        let searches = written
            .searches
            .into_iter()
            .enumerate()
            .map(|(index, search)| {
                search
                    .read(taxonomy, rhythm)
                    .map_err(|cause| PersonError(format!("searches[{index}].{cause}")))
            })
            .collect::<Result<_, _>>()?;
        let registrations = written
            .registrations
            .into_iter()
            .enumerate()
            .map(|(index, registration)| {
                registration
                    .read(taxonomy)
                    .map_err(|cause| PersonError(format!("registrations[{index}].{cause}")))
            })
            .collect::<Result<_, _>>()?;
        let quiet_hours =
            written.quiet_hours.map(QuietHoursWritten::read).transpose().map_err(PersonError)?;
        let digest = written.digest.map(DigestWritten::read).transpose().map_err(PersonError)?;
        let pause = written.pause.map(PauseWritten::read).transpose().map_err(PersonError)?;
        let language = written.language.map(|tag| tag.parse()).transpose();
        let language = language.map_err(|error| PersonError(format!("language: {error}")))?;
        Ok(Self {
            address,
            consent,
            searches,
            registrations,
            discreet: written.discreet_subject,
            quiet_hours,
            digest,
            pause,
            language,
        })
    }

    /// Takes over what a later line says of the same person.
    pub fn absorb(&mut self, later: Self) {
        self.searches.retain(|mine| later.searches.iter().all(|theirs| theirs.name != mine.name));
        self.searches.extend(later.searches);
        self.registrations
            .retain(|mine| later.registrations.iter().all(|theirs| theirs.programme != mine.programme));
        self.registrations.extend(later.registrations);
        self.consent = later.consent;
        self.discreet = later.discreet.or(self.discreet);
        self.quiet_hours = later.quiet_hours.or(self.quiet_hours);
        self.digest = later.digest.or(self.digest);
        self.pause = later.pause.or(self.pause);
        self.language = later.language.or(self.language);
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PersonWritten {
    email: String,
    #[serde(default)]
    searches: Vec<SearchWritten>,
    #[serde(default)]
    registrations: Vec<RegistrationWritten>,
    consent: Consent,
    #[serde(default)]
    discreet_subject: Option<bool>,
    #[serde(default)]
    quiet_hours: Option<QuietHoursWritten>,
    #[serde(default)]
    digest: Option<DigestWritten>,
    #[serde(default)]
    pause: Option<PauseWritten>,
    #[serde(default)]
    language: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QuietHoursWritten {
    from: String,
    to: String,
}

impl QuietHoursWritten {
    fn read(self) -> Result<(NaiveTime, NaiveTime), String> {
        Ok((time_of_day("quietHours.from", &self.from)?, time_of_day("quietHours.to", &self.to)?))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DigestWritten {
    #[serde(default)]
    time: Option<String>,
    #[serde(default)]
    day: Option<String>,
    #[serde(default)]
    working_days_only: bool,
}

impl DigestWritten {
    fn read(self) -> Result<Choice, String> {
        let day = |day: &str| {
            day.parse().map_err(|_| r#"digest.day: expected a day of the week such as "Fri""#.to_owned())
        };
        Ok(Choice {
            time: self.time.map(|time| time_of_day("digest.time", &time)).transpose()?,
            day: self.day.as_deref().map(day).transpose()?,
            working_days: self.working_days_only,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PauseWritten {
    until: String,
    #[serde(default)]
    registrations: bool,
}

impl PauseWritten {
    fn read(self) -> Result<Pause, String> {
        Ok(Pause { until: plausible_day("pause.until", &self.until)?, registrations: self.registrations })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SearchWritten {
    /// The id in the system it comes from; names are what we go by.
    #[serde(default, rename = "searchId")]
    _search_id: Option<String>,
    name: String,
    cadence: String,
    r#where: Value,
}

impl SearchWritten {
    fn read(self, taxonomy: &Taxonomy, rhythm: &Rhythm) -> Result<Search, String> {
        let name = one_line(&self.name);
        if name.is_empty() || name.chars().count() > LONGEST_NAME {
            return Err(format!("name: expected 1 to {LONGEST_NAME} characters"));
        }
        Ok(Search {
            name,
            cadence: rhythm.cadence(&self.cadence).map_err(|error| format!("cadence: {error}"))?,
            criteria: Criteria::read(&self.r#where, taxonomy).map_err(|error| error.to_string())?,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RegistrationWritten {
    programme: String,
    #[serde(default)]
    not_before: Option<String>,
    #[serde(default)]
    valid_until: Option<String>,
    #[serde(default)]
    reminder: bool,
}

impl RegistrationWritten {
    fn read(self, taxonomy: &Taxonomy) -> Result<Registration, String> {
        let node = taxonomy.programmes().resolve(&self.programme).ok_or_else(|| {
            let known = taxonomy.programmes().nodes().map(|node| node.slug.as_str());
            format!(
                "programme: the taxonomy has none of that name; {}",
                crate::domain::suggest::nearest(&self.programme, known)
            )
        })?;
        if !node.enabled {
            return Err(format!(
                "programme: {:?} takes no registrations (enabled = false in the taxonomy); leave it out",
                node.slug
            ));
        }
        let not_before = self
            .not_before
            .map(|month| {
                format!("{month}-01")
                    .parse()
                    .or_else(|_| month.parse())
                    .ok()
                    .filter(|day: &NaiveDate| is_plausible_year(day.year()))
                    .ok_or_else(|| r#"notBefore: expected a month such as "2024-07""#.to_owned())
            })
            .transpose()?;
        let valid_until = self.valid_until.map(|day| plausible_day("validUntil", &day)).transpose()?;
        Ok(Registration { programme: node.slug.clone(), not_before, valid_until, reminder: self.reminder })
    }
}

fn time_of_day(place: &str, text: &str) -> Result<NaiveTime, String> {
    let time = NaiveTime::parse_from_str(text, "%H:%M").ok().filter(|_| text.len() == "21:00".len());
    time.ok_or_else(|| format!(r#"{place}: expected a time of day such as "21:00""#))
}

fn plausible_day(place: &str, text: &str) -> Result<NaiveDate, String> {
    let day = text.parse().ok().filter(|day: &NaiveDate| is_plausible_year(day.year()));
    day.ok_or_else(|| format!(r#"{place}: expected a day such as "2025-12-31""#))
}

/// What serde says of a line, without the values it quotes: they may be
/// somebody's address.
fn without_values(error: &serde_json::Error) -> String {
    use serde_json::error::Category;
    let text = error.to_string();
    match error.classify() {
        Category::Data if text.starts_with("missing field") => text,
        Category::Data if text.starts_with("unknown field") && !text.contains('@') => text,
        Category::Data if text.starts_with("unknown field") => "unknown field".to_owned(),
        Category::Data => {
            let expected = text.split_once("expected ").map_or("another type", |(_, expected)| expected);
            format!("a value of the wrong type: expected {expected}")
        }
        Category::Syntax | Category::Eof | Category::Io => {
            format!("not JSON from column {}: every line is one JSON object", error.column())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::calendar::Calendar;

    const CONSENT: &str =
        r#""consent":{"wordingVersion":"2023-1","at":"2023-01-01T00:00:00Z","source":"page"}"#;

    fn read(rest: &str) -> Result<Person, String> {
        read_line(&format!(r#"{{"email":"Ann@example.org",{CONSENT}{rest}}}"#))
    }

    fn read_line(line: &str) -> Result<Person, String> {
        let (zone, calendar) = (chrono_tz::Europe::London, Arc::new(Calendar::shipped()));
        let rhythm = Rhythm::new(zone, calendar, "0 0 8 * * *".parse().unwrap())
            .with("lunchtime".parse().unwrap(), "0 30 12 * * Mon-Fri".parse().unwrap());
        Person::read(line, &Taxonomy::shipped(), &rhythm).map_err(|error| error.to_string())
    }

    #[test]
    fn a_full_line_is_read() {
        let person = read(
            r#","searches":[{"searchId":"s-1","name":" Near  me ","cadence":"immediate",
                 "where":{"locations":{"any":["Birmingham"]}}}],
               "registrations":[{"programme":"PCDA","notBefore":"2024-07"},{"programme":"pc-any"}],
               "discreetSubject":true,"quietHours":{"from":"21:00","to":"08:00"},
               "digest":{"time":"18:00","day":"Fri","workingDaysOnly":true},
               "pause":{"until":"2024-08-01"},"language":"cy-GB""#,
        )
        .unwrap();
        let choice = Choice {
            time: NaiveTime::from_hms_opt(18, 0, 0),
            day: Some(chrono::Weekday::Fri),
            working_days: true,
        };
        assert_eq!(person.digest, Some(choice));
        assert_eq!(
            person.pause.map(|pause| (pause.until.to_string(), pause.registrations)),
            Some(("2024-08-01".to_owned(), false))
        );
        assert_eq!(person.address.as_str(), "Ann@example.org");
        assert_eq!(person.searches[0].name, "Near me");
        assert_eq!(person.registrations[0].programme, "pc-pcda");
        assert_eq!(person.registrations[0].not_before, NaiveDate::from_ymd_opt(2024, 7, 1));
        assert_eq!((person.discreet, person.language), (Some(true), Some(Language::CyGb)));
    }

    #[test]
    fn what_is_wrong_is_said_without_saying_who() {
        for (rest, expected) in [
            (
                r#","searches":[{"name":"x","cadence":"hourly","where":{}}]"#,
                "searches[0].cadence: unknown; known are immediate, daily, lunchtime, paused",
            ),
            (
                r#","searches":[{"name":"x","cadence":"lunch-time","where":{}}]"#,
                "searches[0].cadence: unknown; did you mean lunchtime?",
            ),
            (r#","searches":[{"name":"","cadence":"daily","where":{}}]"#, "searches[0].name: "),
            (
                r#","searches":[{"name":"x","cadence":"daily","where":{"location":{"any":["x"]}}}]"#,
                "searches[0].where.location: unknown; did you mean locations?",
            ),
            (r#","registrations":[{"programme":"pc-pdca"}]"#, "registrations[0].programme: "),
            (r#","language":"cy-BG""#, "language: unknown; did you mean cy-GB?"),
            (
                r#","registrations":[{"programme":"cadets"}]"#,
                "registrations[0].programme: \"cadets\" takes no registrations",
            ),
            (
                r#","registrations":[{"programme":"pc-any","notBefore":"July"}]"#,
                "registrations[0].notBefore: ",
            ),
            (r#","colour":"red""#, "unknown field `colour`"),
            (r#","discreetSubject":"ann@example.org""#, "a value of the wrong type: expected a boolean"),
            (
                r#","registrations":[{"programme":"pc-any","notBefore":"-200000-01"}]"#,
                "registrations[0].notBefore: ",
            ),
            (
                r#","searches":[{"name":"x","cadence":"daily","where":{"keywords":{"any":["a\u0000b"]}}}]"#,
                "searches[0].where.keywords.any: ",
            ),
            (r#","quietHours":{"from":"9pm","to":"08:00"}"#, "quietHours.from: "),
            (r#","digest":{"time":"6"}"#, "digest.time: "),
            (r#","digest":{"day":"someday"}"#, "digest.day: "),
            (r#","pause":{"until":"tomorrow"}"#, "pause.until: "),
            (
                r#","registrations":[{"programme":"pc-any","validUntil":"soon"}]"#,
                "registrations[0].validUntil: ",
            ),
        ] {
            let said = read(rest).unwrap_err();
            assert!(said.starts_with(expected), "{said}");
            assert!(!said.to_lowercase().contains("ann@"), "{said}");
        }
        let no_consent = read_line(r#"{"email":"ann@example.org"}"#).unwrap_err();
        assert!(no_consent.starts_with("missing field `consent`"), "{no_consent}");
        let not_json = read_line("ann@example.org").unwrap_err();
        assert!(not_json.starts_with("not JSON"), "{not_json}");
    }
}
