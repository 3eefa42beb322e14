//! The sections of the configuration: what each setting is, and how it is read.
//!
//! What a setting is *for*, and when to change it, stands in `config/jobalerts.toml`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use chrono_tz::Tz;
use cron::Schedule;
use url::Url;

use super::meaning::{
    age, age_while_undone, base_url, broker_name, calendar, cron, discreet, duration, duration_or_none,
    email, host_name, list, listed, log_format, log_level, mailbox, providers, quiet_hours, relay,
    relay_name, return_path, scope, secret_file, selector, share, socket_address, some, switch, text, timing,
    web_url, within, zone,
};
use super::reader::Section;
use super::urls::{Secret, SecretUrl, SmtpUrl};
use super::written::{Written, Wrong};
use crate::domain::age::Age;
use crate::domain::alignment;
use crate::domain::breaker;
use crate::domain::cadence::ScheduleName;
use crate::domain::calendar::Calendar;
use crate::domain::chore::Chore;
use crate::domain::dkim::SigningKey;
use crate::domain::email::{EmailAddress, Mailbox};
use crate::domain::opening::Settling;
use crate::domain::provider::{Limits, Providers};
use crate::domain::quiet::QuietHours;
use crate::domain::return_path::ReturnPath;
use crate::domain::signature::SigningKeys;
use crate::domain::stop::Scope;
use crate::domain::suppression::AddressKeys;
use crate::domain::token::TokenKeys;

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
        Self {
            url: s.secret("url", Some("AMQP_URL"), URL, SecretUrl::amqp),
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

/// `[smtp]`: the mail server, and how mails are handed to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Smtp {
    /// Where it is, how it is encrypted, and what to log in with.
    pub url: SmtpUrl,
    /// A PEM file of certificate authorities to trust besides those of the system.
    pub ca_file: Option<PathBuf>,
    /// Connections at once, in this process.
    pub connections: u16,
    /// The name given in EHLO; none means the machine's own.
    pub hello_name: Option<String>,
    /// Who mails are from.
    pub from: Mailbox,
    /// Who answers are for.
    pub reply_to: Mailbox,
    /// Where mails come back to.
    pub return_path: ReturnPath,
    /// The name shown in From, with the address of `from`, to people who asked for discreet mails.
    pub discreet_name: String,
    /// Mails sent over a connection before it is closed and made anew.
    pub mails_per_connection: u32,
    /// How long a connection waits for its next mail before it is closed.
    pub idle: Duration,
    /// How long to wait after each refusal for now.
    pub retry: Delays,
    /// How long after its first attempt a mail is given up.
    pub give_up_after: Duration,
    /// A provider that has had its whole share of the connections for so long
    /// is slow.
    pub slow_after: Duration,
    /// How long a mail is left alone of which nobody knows whether it arrived.
    pub hold_unknown: Duration,
    /// Who gets mail.
    pub only_to: Reach,
    /// How long to wait for the server.
    pub timeouts: SmtpTimeouts,
}

/// How long to wait for the mail server, at each point of the conversation (RFC 5321, 4.5.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SmtpTimeouts {
    /// For the TCP connection and the TLS handshake.
    pub connect: Duration,
    /// For the greeting.
    pub greeting: Duration,
    /// For the reply to EHLO, MAIL, RCPT and the like.
    pub command: Duration,
    /// For the reply to DATA.
    pub data: Duration,
    /// For the server to take each piece of the mail.
    pub body: Duration,
    /// For the reply after the last dot: the server may be storing the mail.
    pub final_reply: Duration,
}

impl SmtpTimeouts {
    /// The longest that one mail may take, with a connection of its own.
    #[must_use]
    pub fn one_mail(&self) -> Duration {
        // STARTTLS, AUTH, MAIL and RCPT have a command's time each.
        self.connect + self.greeting + self.command * 4 + self.data + self.body + self.final_reply
    }
}

impl Smtp {
    pub(super) fn read(mut s: Section<'_, '_>) -> Self {
        const FROM: &str = "Midshire Police Recruitment <alerts@midshire.example>";
        let paths = s.paths();
        let from = s.get("from", FROM, mailbox);
        // Where From's domain is too long for a token, the default is somebody else's, and is refused.
        let bounce = format!("bounce@{}", from.address().domain()).parse().map(ReturnPath::new);
        let bounce = bounce.ok().and_then(Result::ok).map(|path| path.address().as_str().to_owned());
        let bounce = bounce.as_deref().unwrap_or("bounce@midshire.example");
        let return_path = s.get("return_path", bounce, return_path);
        if !alignment::aligned(from.address().domain(), return_path.domain()) {
            s.refuse_together(
                ["return_path", "from"],
                "expected the domains of from and return_path to be of one organisation: mails with others do not \
                 pass DMARC by SPF",
            );
        }
        Self {
            url: s.secret("url", None, "smtp://127.0.0.1:25", SmtpUrl::from_str),
            ca_file: s.optional("ca_file", paths),
            connections: s.get("connections", "16", within(1..=256)),
            hello_name: s.optional("hello_name", host_name),
            from,
            reply_to: s.get("reply_to", "recruitment@midshire.example", mailbox),
            return_path,
            discreet_name: s.get("discreet_name", "Alerts", discreet),
            mails_per_connection: s.get("mails_per_connection", "100", within(1..=10_000)),
            idle: s.get("idle", "30s", duration),
            retry: Delays(s.get("retry", "20m, 40m, 2h, 2h30m, 3h", some(duration))),
            give_up_after: s.get("give_up_after", "2d", duration),
            slow_after: s.get("slow_after", "10s", duration),
            hold_unknown: s.get("hold_unknown", "24h", duration),
            only_to: Reach(s.get("only_to", "", list(listed))),
            timeouts: SmtpTimeouts {
                connect: s.get("timeout_connect", "30s", duration),
                greeting: s.get("timeout_greeting", "5m", duration),
                command: s.get("timeout_command", "5m", duration),
                data: s.get("timeout_data", "2m", duration),
                body: s.get("timeout_body", "3m", duration),
                final_reply: s.get("timeout_final", "10m", duration),
            },
        }
    }
}

/// `[relays]`: further mail servers, and what each may be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relays {
    /// Of the mail server of `smtp.url`.
    pub smtp: Share,
    /// The others, under names of the operator's own.
    pub others: BTreeMap<String, Relay>,
}

/// What a mail server may be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// How many of the connections are its own, against the weights of the others.
    pub weight: u16,
    /// How much mail it gets at most.
    pub limits: Limits,
}

impl Default for Share {
    fn default() -> Self {
        Self { weight: 1, limits: Limits::default() }
    }
}

/// A further mail server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relay {
    /// Where it is, how it is encrypted, and what to log in with.
    pub url: SmtpUrl,
    /// What it may be given.
    pub share: Share,
}

impl Relays {
    /// The name of the mail server of `smtp.url`.
    pub const FIRST: &str = "smtp";

    pub(super) fn read(mut s: Section<'_, '_>) -> Self {
        let smtp = s.optional(Self::FIRST, share).unwrap_or_default();
        let mut others = BTreeMap::new();
        for key in s.further_keys() {
            let url = relay(s.paths());
            let relay = s.optional(&key, |written| relay_name(&key).and_then(|()| url(written)));
            others.extend(relay.map(|relay| (key, relay)));
        }
        Self { smtp, others }
    }
}

/// `[providers]`: whose mailboxes are whose, and what is done when a provider takes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderSettings {
    /// The groups and their limits.
    pub providers: ProvidersFile,
    /// Whether the mail servers of domains are looked up that are in no group.
    pub mx_lookup: bool,
    /// How long it is believed what was looked up.
    pub mx_age: Duration,
    /// How long a look-up may take.
    pub mx_timeout: Duration,
    /// Look-ups at once, in this process.
    pub mx_at_once: u16,
    /// Whom to ask; none means the name servers of the system.
    pub mx_server: Option<SocketAddr>,
    /// After so many mails put off in a row a provider or relay is left alone; 0 means never.
    pub breaker_run: u16,
    /// For how long the first time; each time twice as long...
    pub breaker_first: Duration,
    /// ...up to this.
    pub breaker_longest: Duration,
}

impl ProviderSettings {
    pub(super) fn read(mut s: Section<'_, '_>) -> Self {
        let paths = s.paths();
        let file = move |written: &Written| providers(&paths(written)?);
        let read = Self {
            providers: s.optional("file", file).unwrap_or_else(ProvidersFile::shipped),
            mx_lookup: s.get("mx_lookup", "false", switch),
            mx_age: s.get("mx_age", "7d", duration),
            mx_timeout: s.get("mx_timeout", "5s", duration),
            mx_at_once: s.get("mx_at_once", "4", within(1..=64)),
            mx_server: s.optional("mx_server", socket_address),
            breaker_run: s.get("breaker_run", "20", within(0..=10_000)),
            breaker_first: s.get("breaker_first", "5m", duration),
            breaker_longest: s.get("breaker_longest", "1h", duration),
        };
        if read.breaker_longest < read.breaker_first {
            s.refuse_together(
                ["breaker_longest", "breaker_first"],
                "expected breaker_longest to be no shorter than breaker_first",
            );
        }
        read
    }

    /// When breakers open, and for how long; one mail that finds out may take as long as `probe`.
    #[must_use]
    pub fn breakers(&self, probe: Duration) -> breaker::Plan {
        breaker::Plan {
            run: self.breaker_run,
            first: span(self.breaker_first),
            longest: span(self.breaker_longest),
            probe: span(probe),
        }
    }
}

/// Providers, and the file that was laid over those that are built in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvidersFile {
    /// None if there is none.
    pub path: Option<PathBuf>,
    /// What they are together.
    pub providers: Arc<Providers>,
}

impl ProvidersFile {
    fn shipped() -> Self {
        Self { path: None, providers: Arc::new(Providers::shipped()) }
    }
}

/// Who gets mail: everybody, or in a place where things are tried out, those who are listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach(Vec<Listed>);

impl Reach {
    /// Whether this address gets mail.
    #[must_use]
    pub fn covers(&self, address: &EmailAddress) -> bool {
        self.0.is_empty() || self.0.iter().any(|listed| listed.covers(address))
    }

    /// Whether anybody gets mail.
    #[must_use]
    pub fn is_everybody(&self) -> bool {
        self.0.is_empty()
    }
}

/// One or more who get mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listed {
    /// One address.
    Address(EmailAddress),
    /// All addresses at this domain.
    Domain(String),
}

impl Listed {
    fn covers(&self, address: &EmailAddress) -> bool {
        match self {
            Self::Address(listed) => listed.lookup() == address.lookup(),
            Self::Domain(domain) => address.domain() == domain,
        }
    }
}

/// Delays between attempts; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delays(Vec<Duration>);

impl Delays {
    /// The delay after so many failed attempts, counted from 1; the last repeats.
    #[must_use]
    pub fn after(&self, attempts: u32) -> Duration {
        let index = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
        self.0.get(index).or(self.0.last()).copied().unwrap_or_default()
    }
}

/// `[dkim]`: what mails are signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dkim {
    /// In whose name; that of From, or one above it.
    pub domain: String,
    /// Below which name the RSA key is published.
    pub selector: String,
    /// The RSA key; none means that somebody else signs, or nobody.
    pub key: Option<SecretFile<SigningKey>>,
    /// Below which name the Ed25519 key is published.
    pub ed25519_selector: String,
    /// The Ed25519 key, for a second signature.
    pub ed25519_key: Option<SecretFile<SigningKey>>,
}

impl Dkim {
    pub(super) fn read(mut s: Section<'_, '_>, from: &str) -> Self {
        let rsa = secret_file(s.paths(), SigningKey::rsa);
        let ed25519 = secret_file(s.paths(), SigningKey::ed25519);
        let read = Self {
            domain: s.get("domain", from, host_name),
            selector: s.get("selector", "jobalerts", selector),
            key: s.optional("key_file", rsa),
            ed25519_selector: s.get("ed25519_selector", "jobalerts-ed25519", selector),
            ed25519_key: s.optional("ed25519_key_file", ed25519),
        };
        if !alignment::is_or_is_above(&read.domain, from) {
            let message = "expected the domain of smtp.from, or one above it in the same organisation";
            s.refuse_together(["domain", "key_file"], message);
        }
        if read.selector == read.ed25519_selector {
            let message = "expected ed25519_selector and selector to differ: each names one key";
            s.refuse_together(["ed25519_selector", "selector"], message);
        }
        if read.ed25519_key.is_some() && read.key.is_none() {
            let message = "expected key_file, too: many providers do not verify Ed25519";
            s.refuse_together(["key_file", "ed25519_key_file"], message);
        }
        read
    }

    /// The keys that sign, each with its selector.
    pub fn keys(&self) -> impl Iterator<Item = (&str, &SigningKey)> {
        let pairs = [(&self.selector, &self.key), (&self.ed25519_selector, &self.ed25519_key)];
        pairs
            .into_iter()
            .filter_map(|(selector, file)| Some((selector.as_str(), file.as_ref()?.secret.expose())))
    }
}

/// `[sender]`: who the mails are from, in their text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// The force.
    pub name: String,
    /// The people who answer.
    pub team: String,
    /// The postal address, on one line.
    pub postal_address: String,
    /// The privacy notice.
    pub privacy_url: Url,
}

impl Sender {
    pub(super) fn read(mut s: Section<'_, '_>) -> Self {
        const POSTAL_ADDRESS: &str = "Midshire Police, 1 Example Square, Midtown MX1 1AA";
        const PRIVACY_URL: &str = "https://careers.midshire.example/privacy";
        Self {
            name: s.get("name", "Midshire Police", text),
            team: s.get("team", "Recruitment Team", text),
            postal_address: s.get("postal_address", POSTAL_ADDRESS, text),
            privacy_url: s.get("privacy_url", PRIVACY_URL, web_url),
        }
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
}

impl Web {
    pub(super) fn read(mut s: Section<'_, '_>) -> Self {
        Self {
            public_url: s.get("public_url", "https://careers.midshire.example", base_url),
            listen: s.get("listen", "127.0.0.1:8080", socket_address),
            one_click: s.get("one_click", "all", scope),
        }
    }
}

/// `[secrets]`: what nobody else may know. Each is a file that others cannot read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secrets {
    /// What the tokens in links and return paths are signed with.
    pub token_keys: Option<SecretFile<TokenKeys>>,
    /// What suppressed addresses are known by.
    pub address_keys: Option<SecretFile<AddressKeys>>,
    /// What calls of the webhook are signed with.
    pub webhook_keys: Option<SecretFile<SigningKeys>>,
}

impl Secrets {
    pub(super) fn read(mut s: Section<'_, '_>) -> Self {
        let keys = secret_file(s.paths(), TokenKeys::parse);
        let of_addresses = secret_file(s.paths(), AddressKeys::parse);
        let of_webhook = secret_file(s.paths(), SigningKeys::parse);
        Self {
            token_keys: s.optional("token_keys_file", keys),
            address_keys: s.optional("address_key_file", of_addresses),
            webhook_keys: s.optional("webhook_key_file", of_webhook),
        }
    }
}

impl Secrets {
    /// What tokens are signed with.
    ///
    /// # Errors
    ///
    /// When no key is configured.
    pub fn keys_of_tokens(&self) -> Result<&TokenKeys, NoTokenKeys> {
        self.token_keys.as_ref().map(|file| file.secret.expose()).ok_or(NoTokenKeys)
    }

    /// What suppressed addresses are known by.
    ///
    /// # Errors
    ///
    /// When no key is configured.
    pub fn keys_of_addresses(&self) -> Result<&AddressKeys, NoAddressKey> {
        self.address_keys.as_ref().map(|file| file.secret.expose()).ok_or(NoAddressKey)
    }
}

/// There is no key for tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "secrets.token_keys_file is not set, and no mail leaves without it, because each says how to stop; make the \
     file with: (umask 077; openssl rand -hex 32 > token_keys)"
)]
pub struct NoTokenKeys;

/// There is no key for addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "secrets.address_key_file is not set; by it is known to which addresses nothing is sent. Make the file with: \
     (umask 077; openssl rand -hex 32 > address_key), or take the one that was in use"
)]
pub struct NoAddressKey;

/// What a file that others cannot read holds, and which file that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretFile<T> {
    /// Where it was read.
    pub path: PathBuf,
    /// What it holds.
    pub secret: Secret<T>,
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

/// A calendar, and the file that it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalendarFile {
    /// None for the one that is built into the program.
    pub path: Option<PathBuf>,
    /// What it says.
    pub calendar: Arc<Calendar>,
}

impl CalendarFile {
    fn shipped() -> Self {
        Self { path: None, calendar: Arc::new(Calendar::shipped()) }
    }
}

/// `[time]`: the zone that times are meant in, and the working days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Time {
    /// Of closings, quiet hours and schedules.
    pub zone: Tz,
    /// Which days are working days.
    pub calendar: CalendarFile,
}

impl Time {
    pub(super) fn read(mut s: Section<'_, '_>) -> Self {
        let paths = s.paths();
        let read = move |written: &Written| calendar(&paths(written)?);
        Self {
            zone: s.get("zone", "Europe/London", zone),
            calendar: s.optional("calendar", read).unwrap_or_else(CalendarFile::shipped),
        }
    }
}

/// `[schedules]`: when mails are due that are not sent at once, in `time.zone`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedules {
    /// Of digests, and of whoever asked for a schedule that is gone.
    pub daily: Timing,
    /// `weekly`, and those with names of the operator's own.
    pub others: BTreeMap<ScheduleName, Timing>,
}

impl Schedules {
    pub(super) fn read(mut s: Section<'_, '_>) -> Self {
        let daily = s.get("daily", "0 0 8 * * *", timing);
        let mut others = BTreeMap::from([(ScheduleName::WEEKLY, s.get("weekly", "0 0 8 * * Mon", timing))]);
        for key in s.further_keys() {
            let name = key.parse::<ScheduleName>();
            let times = s.optional(&key, |written| {
                name.map_err(|wrong| Wrong::unquoted(wrong.to_string()))?;
                timing(written)
            });
            others.extend(name.ok().zip(times));
        }
        Self { daily, others }
    }

    /// All of them, `daily` first.
    pub fn iter(&self) -> impl Iterator<Item = (ScheduleName, &Timing)> {
        let others = self.others.iter().map(|(name, times)| (*name, times));
        std::iter::once((ScheduleName::DAILY, &self.daily)).chain(others)
    }
}

/// When a schedule runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// At these times...
    pub cron: CronExpression,
    /// ...on working days only: those of other days run on the next working day.
    pub working_days: bool,
}

/// A cron expression of six fields, with weekdays by name, that comes round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CronExpression(pub(super) Schedule);

impl CronExpression {
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.source()
    }

    /// To be evaluated on wall time: the crate skips and repeats hours in a zone whose clocks change.
    #[must_use]
    pub fn schedule(&self) -> &Schedule {
        &self.0
    }
}

/// `[housekeeping]`: what is done by the clock, in `time.zone`, and how long things are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Housekeeping {
    /// When what is kept no longer is forgotten.
    pub retention: CronExpression,
    /// When promises are settled that nothing else would settle.
    pub outcomes: CronExpression,
    /// When people are asked whether they still want to hear.
    pub still_interested: CronExpression,
    /// How long what was told is known, after it is over.
    pub keep_alerts: Age,
    /// How long who did what to whom is known.
    pub keep_audit: Age,
    /// How long somebody may take to confirm their address.
    pub keep_unconfirmed: Age,
    /// How long who stopped everything is known.
    pub keep_stopped: Age,
    /// How old a confirmation is when it is asked about.
    pub ask_after: Age,
    /// How long after the question the reminder follows.
    pub remind_after: Age,
    /// How long after the question silence ends it.
    pub lapse_after: Age,
    /// The most people who are asked at a time.
    pub ask_at_most: u32,
}

impl Housekeeping {
    pub(super) fn read(mut s: Section<'_, '_>) -> Self {
        let read = Self {
            retention: s.get("retention", "0 30 3 * * *", cron),
            outcomes: s.get("outcomes", "0 */10 * * * *", cron),
            still_interested: s.get("still_interested", "0 0 10 * * Mon-Fri", cron),
            keep_alerts: s.get("keep_alerts", "13 months", age),
            keep_audit: s.get("keep_audit", "6 years", age),
            keep_unconfirmed: s.get("keep_unconfirmed", "14 days", age),
            keep_stopped: s.get("keep_stopped", "28 days", age_while_undone),
            ask_after: s.get("ask_after", "12 months", age),
            remind_after: s.get("remind_after", "14 days", age),
            lapse_after: s.get("lapse_after", "30 days", age),
            ask_at_most: s.get("ask_at_most", "5000", within(1..=1_000_000)),
        };
        let (remind, lapse) = (read.remind_after, read.lapse_after);
        if remind.after(DateTime::UNIX_EPOCH) >= lapse.after(DateTime::UNIX_EPOCH) {
            s.refuse_together(
                ["lapse_after", "remind_after"],
                &format!(
                    "expected lapse_after to be longer than remind_after, found {lapse} and {remind}: the reminder \
                     comes first"
                ),
            );
        }
        read
    }

    /// When a chore runs.
    #[must_use]
    pub fn schedule(&self, chore: Chore) -> &CronExpression {
        match chore {
            Chore::Retention => &self.retention,
            Chore::Outcomes => &self.outcomes,
            Chore::StillInterested => &self.still_interested,
        }
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
    /// For people on a terminal, for machines elsewhere.
    Auto,
    /// For people.
    Human,
    /// For machines: one JSON object a line.
    Json,
}

impl Log {
    pub(super) fn read(mut s: Section<'_, '_>) -> Self {
        Self { format: s.get("format", "auto", log_format), level: s.get("level", "info", log_level) }
    }
}
