//! The sections of the configuration: what each setting is, and how it is read.
//!
//! What a setting is *for*, and when to change it, stands in `config/jobalerts.toml`.

mod mail;
mod ops;
mod secrets;
mod times;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::meaning::{
    base_url, broker_name, duration, duration_or_none, email, host_name, list, log_format, log_level,
    quiet_hours, scope, socket_address, switch, text, within,
};
use super::reader::Section;
use super::urls::SecretUrl;
use crate::domain::email::EmailAddress;
use crate::domain::opening::Settling;
use crate::domain::quiet::QuietHours;
use crate::domain::stop::Scope;

pub use mail::{
    Delays, Dkim, Listed, ProviderSettings, ProvidersFile, Reach, Relay, Relays, Sender, Share, Smtp,
    SmtpTimeouts,
};
pub use ops::Ops;
pub use secrets::{NoAddressKey, NoTokenKeys, SecretFile, Secrets};
pub use times::{CalendarFile, CronExpression, Housekeeping, Schedules, Time, Timing};

/// `[database]`: where everything is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// Where it is; one host or several.
    pub url: SecretUrl,
    /// Most connections in this process's pool.
    pub connections: u32,
    /// After how long the server gives up a statement.
    pub statement_timeout: Duration,
}

impl Database {
    pub(super) fn read(mut s: Section<'_, '_>) -> Self {
        const URL: &str = "postgres://jobalerts@127.0.0.1:5432/jobalerts";
        Self {
            url: s.secret("url", Some("DATABASE_URL"), URL, SecretUrl::postgres),
            connections: s.get("connections", "10", within(2..=100)),
            statement_timeout: s.get("statement_timeout", "60s", duration),
        }
    }
}

/// `[amqp]`: the broker that events come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amqp {
    /// Where it is.
    pub url: SecretUrl,
    /// PEM of certificate authorities to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// The topic exchange that events are published to.
    pub exchange: String,
    /// Our queue on it.
    pub queue: String,
    /// The exchange that refused events go to.
    pub dead_letter_exchange: String,
    /// The queue in which they wait for a person.
    pub dead_letter_queue: String,
    /// The topic exchange that we publish what came of alerts and promises to.
    pub outcomes_exchange: String,
    /// Most events delivered to this process and not yet acknowledged.
    pub prefetch: u16,
    /// How often the broker redelivers an event before it dead-letters it itself.
    pub delivery_limit: u32,
}

impl Amqp {
    pub(super) fn read(mut s: Section<'_, '_>) -> Self {
        const URL: &str = "amqp://guest:guest@127.0.0.1:5672/%2f";
        let paths = s.paths();
        Self {
            url: s.secret("url", Some("AMQP_URL"), URL, SecretUrl::amqp),
            ca_file: s.optional("ca_file", paths),
            exchange: s.get("exchange", "recruitment.events", broker_name),
            queue: s.get("queue", "jobalerts.events", broker_name),
            dead_letter_exchange: s.get("dead_letter_exchange", "jobalerts.dead-letters", broker_name),
            dead_letter_queue: s.get("dead_letter_queue", "jobalerts.dead-letters", broker_name),
            outcomes_exchange: s.get("outcomes_exchange", "jobalerts.outcomes", broker_name),
            prefetch: s.get("prefetch", "1000", within(1..=10_000)),
            delivery_limit: s.get("delivery_limit", "100", within(1..=100_000)),
        }
    }
}

/// `[intake]`: which events are taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intake {
    /// The `deploymentenv` that events must carry.
    pub environment: String,
    /// An event first seen longer than this after its time is old news.
    pub max_age: Duration,
    /// How the references of test vacancies begin.
    pub test_references: Vec<String>,
}

impl Intake {
    pub(super) fn read(mut s: Section<'_, '_>) -> Self {
        Self {
            environment: s.get("environment", "prod", text),
            max_age: s.get("max_age", "24h", duration),
            test_references: s.get("test_references", "TEST", list(text)),
        }
    }
}

/// `[guards]`: what holds a notice back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guards {
    /// How long a door settles after it moved, before anybody is told.
    pub settle: Duration,
    /// Two moves of a door within this time are a blink of the feed.
    pub flap_window: Duration,
    /// The least time between two mails about one opening to one person.
    pub minimum_gap: Duration,
    /// A person who is told that a door is open needs this much time to use it.
    pub useful_minimum: Duration,
    /// When nothing that can wait is sent to people who have not chosen their
    /// own quiet hours.
    pub quiet_hours: Option<QuietHours>,
    /// How many mails a day a person gets that are no haste.
    pub unhurried_a_day: u16,
    /// How long before a door shuts people are reminded who asked for it.
    pub reminder: Duration,
}

impl Guards {
    pub(super) fn read(mut s: Section<'_, '_>) -> Self {
        Self {
            settle: s.get("settle", "2m", duration_or_none),
            flap_window: s.get("flap_window", "30m", duration_or_none),
            minimum_gap: s.get("minimum_gap", "60m", duration_or_none),
            useful_minimum: s.get("useful_minimum", "2h", duration_or_none),
            quiet_hours: s.get("quiet_hours", "21:00-08:00", quiet_hours),
            unhurried_a_day: s.get("unhurried_a_day", "3", within(1..=100)),
            reminder: s.get("reminder", "24h", duration),
        }
    }

    /// How long doors settle.
    #[must_use]
    pub fn settling(&self) -> Settling {
        Settling { settle: span(self.settle), flap_window: span(self.flap_window) }
    }
}

/// On the time line of the domain.
pub(super) fn span(duration: Duration) -> chrono::Duration {
    chrono::Duration::from_std(duration).unwrap_or(chrono::Duration::MAX)
}

/// `[testing]`: who gets mail about test events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Testing {
    /// The only addresses that ever get a mail about an event marked `testevent`.
    pub addresses: Vec<EmailAddress>,
}

impl Testing {
    pub(super) fn read(mut s: Section<'_, '_>) -> Self {
        Self { addresses: s.get("addresses", "", list(email)) }
    }
}

/// `[web]`: the pages that mails link to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Web {
    /// Where people reach them.
    pub public_url: Url,
    /// Where we serve them; port 0 is a free one.
    pub listen: SocketAddr,
    /// How much the unsubscribe button of a mail program stops.
    pub one_click: Scope,
    /// Whether browsers are told that the hosts below that of `public_url` are reached only over TLS, too.
    pub hsts_subdomains: bool,
}

impl Web {
    pub(super) fn read(mut s: Section<'_, '_>) -> Self {
        Self {
            public_url: s.get("public_url", "https://careers.midshire.example", base_url),
            listen: s.get("listen", "127.0.0.1:8080", socket_address),
            one_click: s.get("one_click", "all", scope),
            hsts_subdomains: s.get("hsts_subdomains", "true", switch),
        }
    }
}

/// `[links]`: which links in events are let into mails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Links {
    /// Host names, in lower case and as A-labels, as [`Url::host_str`] gives them.
    pub allowed_hosts: Vec<String>,
}

impl Links {
    pub(super) fn read(mut s: Section<'_, '_>) -> Self {
        const HOSTS: &str = "careers.force.example, careers.midshire.example";
        Self { allowed_hosts: s.get("allowed_hosts", HOSTS, list(host_name)) }
    }
}

/// `[taxonomy]`: role families, places and programmes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taxonomy {
    /// Files to read, in order; none means the taxonomy that is built into the program.
    pub files: Vec<PathBuf>,
}

impl Taxonomy {
    pub(super) fn read(mut s: Section<'_, '_>) -> Self {
        let paths = s.paths();
        Self { files: s.get("files", "", list(paths)) }
    }
}

/// `[templates]`: the words of the mails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Templates {
    /// The files that stand in place of templates that are built into the program.
    pub folder: Option<PathBuf>,
}

impl Templates {
    pub(super) fn read(mut s: Section<'_, '_>) -> Self {
        let paths = s.paths();
        Self { folder: s.optional("folder", paths) }
    }
}

/// `[log]`: the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// For whom it is written.
    pub format: LogFormat,
    /// What is logged, in the syntax of tracing's `EnvFilter`.
    pub level: String,
}

/// For whom the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people on a terminal, for the journal where that reads it, for machines elsewhere.
    Auto,
    /// For people.
    Human,
    /// For machines: one JSON object a line.
    Json,
    /// For the journal, by its own protocol.
    Journald,
}

impl Log {
    pub(super) fn read(mut s: Section<'_, '_>) -> Self {
        Self { format: s.get("format", "auto", log_format), level: s.get("level", "info", log_level) }
    }
}
