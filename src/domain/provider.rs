//! Who runs a mailbox: which mail domains are one provider's, and how much of
//! our mail it is to get.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde::Deserialize;

use crate::domain::email::domain_name;

/// The providers that are built into the program.
const SHIPPED: &str = include_str!("../../config/providers.toml");

/// The longest name of a group.
const LONGEST_NAME: usize = 40;

/// Which mail domains are whose.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Providers {
    groups: BTreeMap<String, Group>,
    others: Limits,
    /// The groups of mail domains.
    domains: HashMap<String, String>,
    /// The groups of mail servers, by the ends of their names.
    servers: HashMap<String, String>,
}

/// How much mail a provider, or a relay, gets at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Mails on their way at once, of all processes together.
    pub connections: Option<u32>,
    /// Mails in one minute of the clock.
    pub per_minute: Option<u32>,
    /// Mails in one day, UTC.
    pub per_day: Option<u32>,
}

impl Limits {
    /// Whether there are any.
    #[must_use]
    pub fn any(&self) -> bool {
        *self != Self::default()
    }
}

/// To whom mail goes that can be limited, or left alone. Displayed as its name
/// in the tables: `provider/google`, `relay/smtp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope<'a> {
    /// A provider of mailboxes.
    Provider(&'a str),
    /// A mail server that we hand mails to.
    Relay(&'a str),
}

impl fmt::Display for Scope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Provider(name) => write!(f, "provider/{name}"),
            Self::Relay(name) => write!(f, "relay/{name}"),
        }
    }
}

/// What is known of a mail domain from the domain name system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Servers {
    /// These take its mail, in lower case and without a dot at the end. If there
    /// are none, the domain has no MX records, and its own host takes it (RFC
    /// 5321, section 5.1).
    Hosts(Vec<String>),
    /// It says that it takes no mail at all (RFC 7505).
    Nobody,
}

/// One provider, as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Group {
    domains: Vec<String>,
    mx: Vec<String>,
    connections: Option<u32>,
    per_minute: Option<u32>,
    per_day: Option<u32>,
}

impl Group {
    fn limits(&self) -> Limits {
        Limits { connections: self.connections, per_minute: self.per_minute, per_day: self.per_day }
    }
}

/// A file of providers, as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    replace: bool,
    groups: BTreeMap<String, Group>,
    others: Option<Group>,
}

/// Why providers cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ProvidersError(String);

impl Providers {
    /// Those that ship with the program.
    ///
    /// # Panics
    ///
    /// When the shipped file is wrong, which a test rules out.
    #[must_use]
    pub fn shipped() -> Self {
        Self::default().with(SHIPPED).expect("the shipped providers are tested")
    }

    /// These with a file laid over them, written as `config/providers.toml`: a
    /// group in it replaces the one of the same name.
    ///
    /// # Errors
    ///
    /// When it is not written like that, or a domain is in two groups.
    pub fn with(&self, text: &str) -> Result<Self, ProvidersError> {
        let file: File = toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| text[..span.start].matches('\n').count() + 1);
            let place = line.map_or(String::new(), |line| format!("line {line}: "));
            ProvidersError(format!("{place}{}", error.message()))
        })?;
        let mut all = if file.replace { Self::default() } else { self.clone() };
        for (name, group) in file.groups {
            check(&name, &group)?;
            all.groups.insert(name, group);
        }
        if let Some(others) = file.others {
            if !(others.domains.is_empty() && others.mx.is_empty()) {
                return Err(ProvidersError(
                    "others: expected limits only; name domains in a group".to_owned(),
                ));
            }
            check_limits("others", &others)?;
            all.others = others.limits();
        }
        all.index()
    }

    /// Finds its way from domains and servers to groups.
    fn index(mut self) -> Result<Self, ProvidersError> {
        (self.domains, self.servers) = Default::default();
        for (name, group) in &self.groups {
            let named = [(&group.domains, &mut self.domains), (&group.mx, &mut self.servers)];
            for (ends, index) in named {
                for end in ends {
                    let before = index.insert(end.clone(), name.clone());
                    if let Some(other) = before {
                        let twice = if other == *name { "twice" } else { "in two groups" };
                        return Err(ProvidersError(format!("groups.{name}: {end} is there {twice}")));
                    }
                }
            }
        }
        Ok(self)
    }

    /// The provider of a mail domain: the name of a group, or the domain itself.
    #[must_use]
    pub fn of<'a>(&'a self, domain: &'a str, servers: Option<&Servers>) -> &'a str {
        let hosted = || match servers? {
            Servers::Hosts(hosts) => {
                let mut groups = hosts.iter().map(|host| self.of_server(host));
                let first = groups.next()??;
                groups.all(|group| group == Some(first)).then_some(first)
            }
            Servers::Nobody => None,
        };
        self.domains.get(domain).or_else(hosted).map_or(domain, String::as_str)
    }

    fn of_server(&self, host: &str) -> Option<&String> {
        self.servers.get(host).or_else(|| ends(host).find_map(|end| self.servers.get(&host[end..])))
    }

    /// Whether the mail domain is known without asking who its servers are.
    #[must_use]
    pub fn knows(&self, domain: &str) -> bool {
        self.of(domain, None) != domain
    }

    /// Whether this is the name of a group, and not a mail domain.
    #[must_use]
    pub fn is_group(&self, provider: &str) -> bool {
        self.groups.contains_key(provider)
    }

    /// How much mail a provider gets.
    #[must_use]
    pub fn limits(&self, provider: &str) -> Limits {
        self.groups.get(provider).map_or(self.others, Group::limits)
    }

    /// Whether any provider is limited.
    #[must_use]
    pub fn limit_any(&self) -> bool {
        self.others.any() || self.groups.values().any(|group| group.limits().any())
    }

    /// The mail domains that a provider is known by: those of a group, or the
    /// one that is a provider of its own.
    #[must_use]
    pub fn domains_of(&self, provider: &str) -> Vec<String> {
        self.groups.get(provider).map_or_else(|| vec![provider.to_owned()], |group| group.domains.clone())
    }
}

/// Where the further labels of a name begin: `a.b.c` at `b.c` and at `c`.
fn ends(name: &str) -> impl Iterator<Item = usize> + '_ {
    name.match_indices('.').map(|(dot, _)| dot + 1)
}

fn check(name: &str, group: &Group) -> Result<(), ProvidersError> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(good) {
        return Err(ProvidersError(format!(
            "groups.{name}: expected a name of lower-case letters, digits and -, at most {LONGEST_NAME}"
        )));
    }
    for domain in &group.domains {
        if domain_name(domain).ok().as_deref() != Some(domain) {
            return Err(ProvidersError(format!(
                "groups.{name}: expected a domain in lower case such as example.org, found {domain}"
            )));
        }
    }
    for server in &group.mx {
        if domain_name(server).ok().as_deref() != Some(server) {
            return Err(ProvidersError(format!(
                "groups.{name}: expected the end of a server's name such as mail.example.org, found {server}"
            )));
        }
    }
    check_limits(&format!("groups.{name}"), group)
}

fn check_limits(place: &str, group: &Group) -> Result<(), ProvidersError> {
    let limits = [group.connections, group.per_minute, group.per_day];
    if limits.contains(&Some(0)) || limits.into_iter().flatten().any(|limit| limit > 1_000_000_000) {
        return Err(ProvidersError(format!("{place}: expected limits from 1 to 1000000000")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(names: &[&str]) -> Servers {
        Servers::Hosts(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn the_shipped_providers_are_known_by_domain_and_by_server() {
        let shipped = Providers::shipped();
        for (domain, provider) in [
            ("gmail.com", "google"),
            ("hotmail.co.uk", "microsoft"),
            ("outlook.com", "microsoft"),
            ("aol.com", "yahoo"),
            ("icloud.com", "apple"),
            ("btinternet.com", "bt"),
            ("example.org", "example.org"),
            ("notgmail.com", "notgmail.com"),
        ] {
            assert_eq!(shipped.of(domain, None), provider);
            assert_eq!(shipped.knows(domain), provider != domain);
        }
        for (servers, provider) in [
            (hosts(&["aspmx.l.google.com", "alt1.aspmx.l.google.com"]), "google"),
            (hosts(&["midshire-example.mail.protection.outlook.com"]), "microsoft"),
            (hosts(&["eu-smtp-inbound-1.mimecast.com"]), "mimecast"),
            (hosts(&["mail.midshire.example"]), "midshire.example"),
            (hosts(&["evilgoogle.com"]), "midshire.example"),
            (hosts(&["aspmx.l.google.com", "mail.midshire.example"]), "midshire.example"),
            (hosts(&[]), "midshire.example"),
            (Servers::Nobody, "midshire.example"),
        ] {
            assert_eq!(shipped.of("midshire.example", Some(&servers)), provider, "{servers:?}");
        }
        // Its own domains are a provider's whatever their servers are called.
        assert_eq!(shipped.of("gmail.com", Some(&hosts(&["mail.midshire.example"]))), "google");
        assert!(!shipped.limit_any());
    }

    #[test]
    fn a_file_of_ones_own_is_laid_over_them() {
        let own = "
            [groups.google]\ndomains = ['gmail.com']\nper_minute = 100\n
            [groups.police]\ndomains = ['police.example', 'cops.example']\nconnections = 2\n
            [others]\nper_day = 1000";
        let providers = Providers::shipped().with(own).unwrap();
        assert_eq!(providers.of("googlemail.com", None), "googlemail.com");
        assert_eq!(providers.of("icloud.com", None), "apple");
        assert_eq!(providers.of("police.example", None), "police");
        assert_eq!(providers.of("a.police.example", None), "a.police.example");
        assert_eq!(providers.limits("google"), Limits { per_minute: Some(100), ..Limits::default() });
        assert_eq!(providers.limits("police").connections, Some(2));
        assert!(!providers.limits("apple").any());
        assert_eq!(providers.limits("example.org").per_day, Some(1000));
        assert_eq!(providers.domains_of("police"), ["police.example", "cops.example"]);
        assert_eq!(providers.domains_of("example.org"), ["example.org"]);
        assert!(providers.limit_any());

        let alone = Providers::shipped().with("replace = true\n[groups.a]\ndomains = ['a.example']").unwrap();
        assert_eq!(alone.of("gmail.com", None), "gmail.com");
        assert_eq!(alone.of("a.example", None), "a");
    }

    #[test]
    fn what_is_wrong_with_providers_is_said() {
        for (text, expected) in [
            ("[groups.A]\ndomains = ['a.example']", "groups.A: expected a name"),
            ("[groups.a]\ndomain = ['a.example']", "line 2: unknown field `domain`"),
            ("[groups.a]\ndomains = ['A.example']", "groups.a: expected a domain in lower case"),
            ("[groups.a]\ndomains = ['example']", "groups.a: expected a domain in lower case"),
            ("[groups.a]\nmx = ['*.example.org']", "groups.a: expected the end of a server's name"),
            ("[groups.a]\nper_day = 0", "groups.a: expected limits from 1"),
            ("[groups.a]\ndomains = ['gmail.com']", "groups.google: gmail.com is there in two groups"),
            ("[groups.a]\ndomains = ['a.example', 'a.example']", "groups.a: a.example is there twice"),
            ("[others]\ndomains = ['a.example']", "others: expected limits only"),
            ("[other]\nper_day = 1", "line 1: unknown field `other`"),
        ] {
            let said = Providers::shipped().with(text).unwrap_err().to_string();
            assert!(said.starts_with(expected), "{text}: {said}");
        }
    }
}
