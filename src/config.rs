//! The configuration: what was written -> what is meant.
//!
//! [`Config::load`] reads the environment over a TOML file over the defaults in the program, and
//! either gives one typed [`Config`], with every value checked, or *all* the [`Problems`] at once,
//! each with its file and line or its variable.
//!
//! * The shipped file, `config/jobalerts.toml` ([`SHIPPED`]), is the manual: it names every key with
//!   its unit, its default and when to change it. A test holds that it says what the program does.
//! * A setting in the environment is `JOBALERTS_<SECTION>__<KEY>`, such as
//!   `JOBALERTS_SMTP__CONNECTIONS`; a list is `a, b` or `["a", "b"]`; an empty variable counts as
//!   not set. `DATABASE_URL` and `AMQP_URL` are honoured between the two layers.
//! * A URL with a password may stand in a file of its own, named by `url_file`. Its `Debug` and
//!   [`Config::show`] leave the password out.
//! * Relative paths start at the directory of the configuration file;
//!   `$CREDENTIALS_DIRECTORY` at the start of one is replaced.
//!
//! To add a setting: a field in `sections.rs`, a line in its `read`, and a paragraph in the shipped
//! file. Kinds of values live in `meaning.rs` (checked) and `show.rs` (shown).

mod change;
mod in_effect;
mod meaning;
mod problem;
mod reader;
mod sections;
mod show;
#[cfg(test)]
mod tests;
mod urls;
mod written;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use reader::{Reader, variable};
use show::Shown;

use crate::domain;
use crate::domain::alert::Policy;
use crate::domain::difference::TellingWords;
use crate::domain::letter::Patience;
use crate::domain::rhythm::Rhythm;
use sections::span;

pub use change::Change;
pub use in_effect::InEffect;
pub use problem::{Place, Problem, Problems};
pub use sections::{
    Amqp, CalendarFile, CronExpression, Database, Delays, Dkim, Guards, Housekeeping, Intake, Links, Listed,
    Log, LogFormat, NoAddressKey, NoTokenKeys, Ops, ProviderSettings, ProvidersFile, Reach, Relay, Relays,
    Schedules, SecretFile, Secrets, Sender, Share, Smtp, SmtpTimeouts, Taxonomy, Templates, Testing, Time,
    Timing, Web,
};
pub use urls::{Secret, SecretUrl, SmtpCredentials, SmtpTls, SmtpUrl, UrlError};

/// What was read, and every mistake in it, as [`Config::examine`] has it; or why nothing could be read.
pub type Examined = Result<(Config, Option<Problems>), Problems>;

/// The configuration file as it is shipped.
pub const SHIPPED: &str = include_str!("../config/jobalerts.toml");

/// Where the configuration file is looked for when none is named; the first that exists.
const USUAL_FILES: [&str; 2] = ["config/jobalerts.toml", "/etc/jobalerts/jobalerts.toml"];

/// Everything that can be set. Each value is checked; nothing reads a setting from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Whether the clock may be set (`drain --now`, `run --now`). Never in production.
    pub rehearsal: bool,
    /// Where everything is kept.
    pub database: Database,
    /// The broker that events come from.
    pub amqp: Amqp,
    /// Which events are taken in.
    pub intake: Intake,
    /// What holds a notice back.
    pub guards: Guards,
    /// Who gets mail about test events.
    pub testing: Testing,
    /// The mail server, and how mails are handed to it.
    pub smtp: Smtp,
    /// Further mail servers.
    pub relays: Relays,
    /// Whose mailboxes are whose, and what is done when a provider takes nothing.
    pub providers: ProviderSettings,
    /// What mails are signed with.
    pub dkim: Dkim,
    /// Who the mails are from, in their text.
    pub sender: Sender,
    /// The pages that mails link to.
    pub web: Web,
    /// What nobody else may know.
    pub secrets: Secrets,
    /// Which links in events are let into mails.
    pub links: Links,
    /// The zone that times are meant in, and the working days.
    pub time: Time,
    /// When mails are due that are not sent at once.
    pub schedules: Schedules,
    /// What is done by the clock, and how long things are kept.
    pub housekeeping: Housekeeping,
    /// Role families, places and programmes.
    pub taxonomy: Taxonomy,
    /// The words of the mails.
    pub templates: Templates,
    /// How it is seen how the service goes.
    pub ops: Ops,
    /// The log.
    pub log: Log,
    /// Each value with its source, for [`Config::show`].
    shown: Vec<Shown>,
}

impl Config {
    /// Reads the configuration from `file`; where that is none, from `$JOBALERTS_CONFIG`,
    /// `./config/jobalerts.toml` or `/etc/jobalerts/jobalerts.toml`; where none of these exists, from
    /// the environment and the defaults alone.
    ///
    /// # Errors
    /// With every mistake at once.
    pub fn load(file: Option<&Path>, environment: &BTreeMap<String, String>) -> Result<Self, Problems> {
        match Self::examine(file, environment)? {
            (config, None) => Ok(config),
            (_, Some(problems)) => Err(problems),
        }
    }

    /// Reads the configuration as [`Config::load`] does, but where single settings are wrong gives
    /// the problems together with a configuration that has the defaults in their place: good for
    /// nothing but to check what else there is to check.
    ///
    /// # Errors
    /// When the file cannot be read, or is no TOML.
    pub fn examine(file: Option<&Path>, environment: &BTreeMap<String, String>) -> Examined {
        let mut reader = Reader::new(environment);
        if let Some((path, variable)) = locate(file, environment) {
            let text = fs::read_to_string(&path).map_err(|error| {
                let message = format!("the configuration cannot be read: {error}");
                let place = Place::File { path: path.clone(), line: None, column: None };
                Problems::new(vec![Problem { place, key: variable.map(str::to_owned), message }])
            })?;
            reader = reader.with_file(&path, &text).map_err(|problem| Problems::new(vec![problem]))?;
        }
        Ok(Self::read(reader))
    }

    fn read(mut reader: Reader<'_>) -> (Self, Option<Problems>) {
        let mut config = Self::read_sections(&mut reader);
        match reader.finish() {
            Ok(shown) => {
                config.shown = shown;
                (config, None)
            }
            Err(problems) => (config, Some(Problems::new(problems))),
        }
    }

    fn read_sections(reader: &mut Reader<'_>) -> Self {
        let rehearsal = reader.section("").get("rehearsal", "false", meaning::switch);
        let database = Database::read(reader.section("database"));
        let amqp = Amqp::read(reader.section("amqp"));
        let intake = Intake::read(reader.section("intake"));
        let guards = Guards::read(reader.section("guards"));
        let testing = Testing::read(reader.section("testing"));
        let smtp = Smtp::read(reader.section("smtp"));
        Self {
            rehearsal,
            database,
            amqp,
            intake,
            guards,
            testing,
            dkim: Dkim::read(reader.section("dkim"), smtp.from.address().domain()),
            smtp,
            relays: Relays::read(reader.section("relays")),
            providers: ProviderSettings::read(reader.section("providers")),
            sender: Sender::read(reader.section("sender")),
            web: Web::read(reader.section("web")),
            secrets: Secrets::read(reader.section("secrets")),
            links: Links::read(reader.section("links")),
            time: Time::read(reader.section("time")),
            schedules: Schedules::read(reader.section("schedules")),
            housekeeping: Housekeeping::read(reader.section("housekeeping")),
            taxonomy: Taxonomy::read(reader.section("taxonomy")),
            templates: Templates::read(reader.section("templates")),
            ops: Ops::read(reader.section("ops")),
            log: Log::read(reader.section("log")),
            shown: Vec::new(),
        }
    }

    /// The schedules, on the clocks of the configured zone.
    #[must_use]
    pub fn rhythm(&self) -> Rhythm {
        let daily = self.schedules.daily.cron.schedule().clone();
        let calendar = Arc::clone(&self.time.calendar.calendar);
        self.schedules.iter().fold(Rhythm::new(self.time.zone, calendar, daily), |rhythm, (name, times)| {
            let rhythm = rhythm.with(name, times.cron.schedule().clone());
            if times.working_days { rhythm.on_working_days(name) } else { rhythm }
        })
    }

    /// What the comparison of told and true goes by.
    #[must_use]
    pub fn policy(&self, taxonomy: &domain::taxonomy::Taxonomy) -> Policy {
        Policy {
            settling: self.guards.settling(),
            minimum_gap: span(self.guards.minimum_gap),
            max_age: span(self.intake.max_age),
            useful_minimum: span(self.guards.useful_minimum),
            reminder: span(self.guards.reminder),
            rhythm: self.rhythm(),
            words: TellingWords::of(taxonomy),
        }
    }

    /// The mail servers by their names, each with all of its settings; that of `smtp.url` first.
    #[must_use]
    pub fn mail_servers(&self) -> Vec<(&str, Smtp)> {
        let first = (Relays::FIRST, self.smtp.clone());
        let others = self
            .relays
            .others
            .iter()
            .map(|(name, relay)| (name.as_str(), Smtp { url: relay.url.clone(), ..self.smtp.clone() }));
        std::iter::once(first).chain(others).collect()
    }

    /// What a mail server may be given, by its name.
    #[must_use]
    pub fn share_of(&self, relay: &str) -> Share {
        self.relays.others.get(relay).map_or(self.relays.smtp, |relay| relay.share)
    }

    /// What others could see or do who are on the way to a server, each with the key of its URL.
    #[must_use]
    pub fn in_the_open(&self) -> Vec<(String, &'static str)> {
        let mut exposed = vec![
            ("database.url".to_owned(), self.database.url.in_the_open()),
            ("amqp.url".to_owned(), self.amqp.url.in_the_open()),
            ("smtp.url".to_owned(), self.smtp.url.in_the_open()),
        ];
        let relays = self.relays.others.iter();
        exposed.extend(relays.map(|(name, relay)| (format!("relays.{name}"), relay.url.in_the_open())));
        exposed.into_iter().filter_map(|(key, what)| Some((key, what?))).collect()
    }

    /// When people are asked whether they still want to hear, and how long an answer is waited for.
    #[must_use]
    pub fn patience(&self) -> Patience {
        let Housekeeping { ask_after, remind_after, lapse_after, .. } = self.housekeeping;
        Patience { ask_after, remind_after, lapse_after, zone: self.time.zone }
    }

    /// The configuration in effect, as TOML: every value with its source, without secrets.
    #[must_use]
    pub fn show(&self) -> String {
        show::show(&self.shown)
    }
}

/// The process's environment, in the form that [`Config::load`] takes. Text that is not Unicode is
/// made so, and then refused where it is a setting's.
#[must_use]
pub fn process_environment() -> BTreeMap<String, String> {
    let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect()
}

/// The file to read, and the variable that named it, if one did.
fn locate(
    file: Option<&Path>,
    environment: &BTreeMap<String, String>,
) -> Option<(PathBuf, Option<&'static str>)> {
    const VARIABLE: &str = "JOBALERTS_CONFIG";
    if let Some(file) = file {
        return Some((file.to_owned(), None));
    }
    if let Some(file) = variable(environment, VARIABLE) {
        return Some((file.into(), Some(VARIABLE)));
    }
    let usual = USUAL_FILES.into_iter().map(PathBuf::from).find(|path| path.exists());
    usual.map(|path| (path, None))
}
