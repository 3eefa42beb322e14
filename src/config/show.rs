//! The configuration as it is in effect, for people to read: each value and where it comes from.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use chrono_tz::Tz;
use url::Url;

use super::problem::Place;
use super::{
    CalendarFile, CronExpression, Listed, LogFormat, ProvidersFile, Relay, SecretFile, SecretUrl, Share,
    SmtpUrl, Timing,
};
use crate::domain::age::Age;
use crate::domain::email::{EmailAddress, Mailbox};
use crate::domain::quiet::QuietHours;
use crate::domain::return_path::ReturnPath;
use crate::domain::stop::Scope;

/// One setting in effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) section: &'static str,
    pub(super) key: String,
    /// In TOML, with secrets masked; none when the setting is absent.
    pub(super) value: Option<String>,
    pub(super) place: Place,
}

pub(super) fn show(settings: &[Shown]) -> String {
    let mut lines = Vec::new();
    let mut section = "";
    for Shown { section: name, key, value, place } in settings {
        if *name != section {
            section = name;
            lines.push(format!("\n[{section}]"));
        }
        let setting = match value {
            Some(value) => format!("{key} = {value}"),
            None => format!("# {key} is not set"),
        };
        lines.push(format!("{setting:<50} # {place}"));
    }
    lines.join("\n") + "\n"
}

/// A value as TOML, fit to be seen by anybody.
pub(super) trait Show {
    fn show(&self) -> String;
}

fn quoted(text: impl Into<String>) -> String {
    toml::Value::String(text.into()).to_string()
}

macro_rules! show {
    ($($kind:ty: $value:ident => $text:expr;)+) => {$(
        impl Show for $kind {
            fn show(&self) -> String {
                let $value = self;
                $text
            }
        }
    )+};
}

show! {
    bool: on => on.to_string();
    u16: number => number.to_string();
    u32: number => number.to_string();
    String: text => quoted(text);
    PathBuf: path => quoted(path.display().to_string());
    Duration: duration => quoted(humantime::format_duration(*duration).to_string());
    Age: age => quoted(age.to_string());
    CronExpression: cron => quoted(cron.as_str());
    Url: url => quoted(url.as_str());
    Scope: scope => quoted(scope.name());
    CalendarFile: file => quoted(file.path.as_deref().map_or_else(String::new, |path| path.display().to_string()));
    ProvidersFile: file => quoted(file.path.as_deref().map_or_else(String::new, |path| path.display().to_string()));
    SocketAddr: address => quoted(address.to_string());
    Share: share => format!("{{ {} }}", items(share));
    Relay: relay => format!("{{ url = {}, {} }}", quoted(relay.url.redacted()), items(&relay.share));
    Tz: zone => quoted(zone.name());
    Timing: times => if times.working_days {
        format!("{{ cron = {}, working_days = true }}", quoted(times.cron.as_str()))
    } else {
        quoted(times.cron.as_str())
    };
    Option<SocketAddr>: address => quoted(address.map_or_else(|| "none".to_owned(), |address| address.to_string()));
    Option<QuietHours>: hours => quoted(hours.map_or_else(|| "none".to_owned(), |hours| hours.to_string()));
    LogFormat: format => quoted(format!("{format:?}").to_lowercase());
    SecretUrl: url => quoted(url.redacted());
    SmtpUrl: url => quoted(url.redacted());
    // Somebody's own address.
    EmailAddress: address => quoted(address.masked());
    // Ours, which stands in every mail that is sent.
    ReturnPath: path => quoted(path.address().as_str());
    Listed: listed => match listed {
        Listed::Address(address) => address.show(),
        Listed::Domain(domain) => quoted(format!("@{domain}")),
    };
}

/// What a mail server may be given, as the inside of a table.
fn items(share: &Share) -> String {
    let Share { weight, limits } = share;
    let limits =
        [("connections", limits.connections), ("per_minute", limits.per_minute), ("per_day", limits.per_day)];
    let limits = limits.into_iter().filter_map(|(key, limit)| Some(format!(", {key} = {}", limit?)));
    format!("weight = {weight}{}", limits.collect::<String>())
}

/// The file, and nothing of what it holds.
impl<T> Show for SecretFile<T> {
    fn show(&self) -> String {
        self.path.show()
    }
}

/// In full: it stands in every mail that is sent.
impl Show for Mailbox {
    fn show(&self) -> String {
        let address = self.address().as_str();
        quoted(self.name().map_or(address.to_owned(), |name| format!("{name} <{address}>")))
    }
}

impl<T: Show> Show for Vec<T> {
    fn show(&self) -> String {
        format!("[{}]", self.iter().map(Show::show).collect::<Vec<_>>().join(", "))
    }
}
