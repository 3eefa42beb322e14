//! Mail: the servers, the providers, what signs it, and who it is from.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use crate::config::meaning::{
    discreet, duration, host_name, list, listed, mailbox, providers, relay, relay_name, return_path,
    secret_file, selector, share, socket_address, some, switch, text, web_url, within,
};
use crate::config::reader::Section;
use crate::config::sections::secrets::SecretFile;
use crate::config::sections::span;
use crate::config::urls::SmtpUrl;
use crate::config::written::Written;
use crate::domain::alignment;
use crate::domain::breaker;
use crate::domain::dkim::SigningKey;
use crate::domain::email::{EmailAddress, Mailbox};
use crate::domain::provider::{Limits, Providers};
use crate::domain::return_path::ReturnPath;

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
    pub(in crate::config) fn read(mut s: Section<'_, '_>) -> Self {
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

    pub(in crate::config) fn read(mut s: Section<'_, '_>) -> Self {
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
    pub(in crate::config) fn read(mut s: Section<'_, '_>) -> Self {
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
    pub(in crate::config) fn read(mut s: Section<'_, '_>, from: &str) -> Self {
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
    pub(in crate::config) fn read(mut s: Section<'_, '_>) -> Self {
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
