//! What is meant: one function for each kind of setting, from [`Written`] to a typed value.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use chrono_tz::{TZ_VARIANTS, Tz};
use cron::Schedule;
use tracing_subscriber::EnvFilter;
use url::Url;

use super::reader::nearest;
use super::urls::is_loopback;
use super::written::{Written, Wrong};
use super::{
    CalendarFile, CronExpression, Listed, LogFormat, ProvidersFile, Relay, Secret, SecretFile, Share,
    SmtpUrl, Timing,
};
use crate::domain::age::{Age, NotAnAge};
use crate::domain::calendar::Calendar;
use crate::domain::email::{EmailAddress, Mailbox, domain_name};
use crate::domain::provider::{Limits, Providers};
use crate::domain::quiet::QuietHours;
use crate::domain::return_path::ReturnPath;
use crate::domain::stop::{Scope, undone_until};

pub(super) type Meant<T> = Result<T, Wrong>;

pub(super) fn switch(written: &Written) -> Meant<bool> {
    written.switch().ok_or_else(|| "expected true or false".into())
}

/// A whole number in a range.
pub(super) fn within<N>(range: RangeInclusive<N>) -> impl Fn(&Written) -> Meant<N>
where
    N: TryFrom<i64> + PartialOrd + Display,
{
    move |written| {
        let number = written.number().and_then(|number| N::try_from(number).ok());
        number.filter(|number| range.contains(number)).ok_or_else(|| {
            format!("expected a whole number from {} to {}", range.start(), range.end()).into()
        })
    }
}

/// What a file holds that others on this machine cannot read.
pub(super) fn secret_file<T, E: Display>(
    path: impl Fn(&Written) -> Meant<PathBuf>,
    meaning: impl Fn(&str) -> Result<T, E>,
) -> impl Fn(&Written) -> Meant<SecretFile<T>> {
    move |written| {
        let path = path(written)?;
        let wrong = |cause: &dyn Display| Wrong::unquoted(format!("{}: {cause}", path.display()));
        let mode = fs::metadata(&path).map_err(|error| wrong(&error))?.permissions().mode();
        if mode & 0o007 != 0 {
            return Err(wrong(&"everybody on this machine can read or change it; run chmod o= on it"));
        }
        let text = fs::read_to_string(&path).map_err(|error| wrong(&error))?;
        let secret = Secret::new(meaning(&text).map_err(|error| wrong(&error))?);
        Ok(SecretFile { path, secret })
    }
}

/// A text on one line, not empty.
pub(super) fn text(written: &Written) -> Meant<String> {
    let text = written.text().ok_or("expected a text in quotes")?.trim();
    if text.is_empty() {
        Err("expected a text that is not empty".into())
    } else if text.contains(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
        Err("expected a text on one line, without control characters".into())
    } else {
        Ok(text.to_owned())
    }
}

/// A list of whatever `item` reads.
pub(super) fn list<T>(item: impl Fn(&Written) -> Meant<T>) -> impl Fn(&Written) -> Meant<Vec<T>> {
    move |written| {
        let items = written.list().ok_or(r#"expected a list such as ["a", "b"]"#)?;
        let mut meant = Vec::new();
        for (index, written) in items.iter().enumerate() {
            meant.push(
                item(written).map_err(|wrong| {
                    Wrong::unquoted(format!("item {}: {}", index + 1, wrong.about(written)))
                })?,
            );
        }
        Ok(meant)
    }
}

/// A list with at least one item.
pub(super) fn some<T>(item: impl Fn(&Written) -> Meant<T>) -> impl Fn(&Written) -> Meant<Vec<T>> {
    let list = list(item);
    move |written| match list(written)? {
        items if items.is_empty() => Err(Wrong::unquoted("expected at least one item")),
        items => Ok(items),
    }
}

/// A duration in words that humantime knows: more than nothing, at most a year.
pub(super) fn duration(written: &Written) -> Meant<Duration> {
    const YEAR: Duration = Duration::from_hours(365 * 24);
    let duration = written.text().and_then(|text| humantime::parse_duration(text.trim()).ok());
    duration.filter(|duration| !duration.is_zero() && *duration <= YEAR).ok_or_else(|| {
        r#"expected a duration with its unit, such as "90s", "20m", "2h30m" or "7d", at most a year"#.into()
    })
}

/// As [`duration`], or `0s`.
pub(super) fn duration_or_none(written: &Written) -> Meant<Duration> {
    let none = written
        .text()
        .is_some_and(|text| humantime::parse_duration(text.trim()).is_ok_and(|duration| duration.is_zero()));
    if none { Ok(Duration::ZERO) } else { duration(written) }
}

/// Two local times of day, or `none`.
pub(super) fn quiet_hours(written: &Written) -> Meant<Option<QuietHours>> {
    let hours = written.text().and_then(|text| match text.trim() {
        "none" => Some(None),
        hours => hours.parse().ok().map(Some),
    });
    hours.ok_or_else(|| r#"expected two times of day such as "21:00-08:00", or "none""#.into())
}

/// A number of days, weeks, months or years.
pub(super) fn age(written: &Written) -> Meant<Age> {
    text(written)?.parse().map_err(|error: NotAnAge| error.to_string().into())
}

/// As [`age`], and long enough that a stop can be undone while it can.
pub(super) fn age_while_undone(written: &Written) -> Meant<Age> {
    let age = age(written)?;
    let said = DateTime::UNIX_EPOCH;
    if age.after(said) < undone_until(said) {
        return Err("expected 14 days or more: a stop can be undone for so long".into());
    }
    Ok(age)
}

/// An address of this machine and a port.
pub(super) fn socket_address(written: &Written) -> Meant<SocketAddr> {
    text(written)?
        .parse()
        .map_err(|_| r#"expected an IP address and a port, such as "127.0.0.1:8080" or "[::1]:8080""#.into())
}

/// As [`socket_address`], or `none`.
pub(super) fn socket_address_or_none(written: &Written) -> Meant<Option<SocketAddr>> {
    let address = match written.text().map(str::trim) {
        Some("none" | "") => Ok(None),
        _ => socket_address(written).map(Some),
    };
    address.map_err(|_| {
        r#"expected an IP address and a port, such as "127.0.0.1:9464" or "[::1]:9464", or "none""#.into()
    })
}

/// How much is stopped.
pub(super) fn scope(written: &Written) -> Meant<Scope> {
    Scope::named(&text(written)?).ok_or_else(|| r#"expected "all" or "these""#.into())
}

/// An `https` URL; `http` only to this very machine.
pub(super) fn web_url(written: &Written) -> Meant<Url> {
    let url: Url = text(written)?.parse().map_err(|error| {
        Wrong::from(format!("expected a URL such as https://careers.example.org ({error})"))
    })?;
    let local = url.host_str().is_some_and(is_loopback);
    if !(url.scheme() == "https" || (url.scheme() == "http" && local)) {
        Err("expected a URL that begins with https://".into())
    } else if !url.username().is_empty() || url.password().is_some() {
        Err(Wrong::unquoted("the URL must not contain a user or password, because people see it"))
    } else {
        Ok(url)
    }
}

/// As [`web_url`], for the address that paths are put behind.
pub(super) fn base_url(written: &Written) -> Meant<Url> {
    let url = web_url(written)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err("expected a URL without ? and #, because paths are put behind it".into());
    }
    Ok(url)
}

/// A domain name in full, without scheme, port or path.
pub(super) fn host_name(written: &Written) -> Meant<String> {
    let text = text(written)?;
    domain_name(&text)
        .map_err(|error| format!("expected a host name only, such as careers.example.org ({error})").into())
}

/// The part of a name below which a DKIM key is published: labels of a domain name (RFC 6376, 3.1).
pub(super) fn selector(written: &Written) -> Meant<String> {
    let text = text(written)?;
    domain_name(&format!("{text}.example"))
        .ok()
        .filter(|name| name.is_ascii() && *name == format!("{text}.example"))
        .map(|_| text)
        .ok_or_else(|| "expected lower-case letters, digits and hyphens, such as jobalerts".into())
}

pub(super) fn zone(written: &Written) -> Meant<Tz> {
    let text = text(written)?;
    text.parse().map_err(|_| {
        let near = nearest(&text, TZ_VARIANTS.iter().map(|zone| zone.name()));
        let near = near.unwrap_or("Europe/London");
        format!("expected a time zone of the IANA list, such as {near}").into()
    })
}

/// An address, or all addresses at a domain: `@test.midshire.example`.
pub(super) fn listed(written: &Written) -> Meant<Listed> {
    match written.text().and_then(|text| text.trim().strip_prefix('@')) {
        None => Ok(Listed::Address(email(written)?)),
        Some(domain) => domain_name(domain)
            .map(Listed::Domain)
            .map_err(|_| "expected an address, or @ and a domain: @test.midshire.example".into()),
    }
}

/// An e-mail address; never repeated in a message.
pub(super) fn email(written: &Written) -> Meant<EmailAddress> {
    address(written)
}

/// `Name <address>`; never repeated in a message.
pub(super) fn mailbox(written: &Written) -> Meant<Mailbox> {
    address(written)
}

/// The address that mails come back to; never repeated in a message.
pub(super) fn return_path(written: &Written) -> Meant<ReturnPath> {
    ReturnPath::new(email(written)?).map_err(|error| Wrong::unquoted(error.to_string()))
}

fn address<T: FromStr<Err: Display>>(written: &Written) -> Meant<T> {
    let text = written.text().ok_or("expected a text in quotes")?;
    text.trim().parse().map_err(|error: T::Err| Wrong::unquoted(error.to_string()))
}

/// The From name of a discreet mail: it must not tell an onlooker what the mail is about.
pub(super) fn discreet(written: &Written) -> Meant<String> {
    const TELLING: [&str; 5] = ["police", "constable", "officer", "recruit", "vacanc"];
    let name = text(written)?;
    let lower = name.to_lowercase();
    match TELLING.into_iter().find(|word| lower.contains(word)) {
        Some(word) => {
            Err(format!("expected a name that gives nothing away to an onlooker; leave out \"{word}\"")
                .into())
        }
        None if name.contains(['<', '>']) => Err("expected a name without < and >".into()),
        None => Ok(name),
    }
}

/// The name of an exchange or queue.
pub(super) fn broker_name(written: &Written) -> Meant<String> {
    let name = text(written)?;
    if name.len() > 255 {
        Err("expected a name of at most 255 octets".into())
    } else if name.starts_with("amq.") {
        Err("expected another name; RabbitMQ keeps those that begin with amq. for itself".into())
    } else {
        Ok(name)
    }
}

pub(super) fn cron(written: &Written) -> Meant<CronExpression> {
    let text = text(written)?;
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [_, _, _, _, _, day_of_week] = fields[..] else {
        return Err("expected six fields (second minute hour day month weekday), such as \
                    \"0 0 8 * * Mon\""
            .into());
    };
    if day_of_week.contains(|c: char| c.is_ascii_digit()) {
        return Err("expected the weekday by name (Mon, or Mon-Fri): as a number, 1 is Sunday \
                    here and Monday elsewhere"
            .into());
    }
    let schedule: Schedule = text.parse().map_err(|_| {
        Wrong::from("expected six fields (second minute hour day month weekday) as cron has them")
    })?;
    if schedule.after(&DateTime::UNIX_EPOCH).next().is_none() {
        return Err("expected a schedule that comes round; there is no such day".into());
    }
    Ok(CronExpression(schedule))
}

/// A cron expression, or a table with one and what else there is to say.
pub(super) fn timing(written: &Written) -> Meant<Timing> {
    let Some(mut keys) = written.table() else {
        return cron(written).map(|cron| Timing { cron, working_days: false });
    };
    let expression = keys.remove("cron").ok_or_else(|| {
        Wrong::unquoted(r#"expected the times, as in { cron = "0 0 8 * * *", working_days = true }"#)
    })?;
    let working_days = keys.remove("working_days");
    none_left(&keys, "cron, working_days")?;
    Ok(Timing {
        cron: cron(&expression).map_err(|wrong| inside("cron", &expression, wrong))?,
        working_days: working_days
            .map(|on| switch(&on).map_err(|wrong| inside("working_days", &on, wrong)))
            .transpose()?
            .unwrap_or(false),
    })
}

/// A mistake at one key of a table.
fn inside(key: &str, written: &Written, wrong: Wrong) -> Wrong {
    Wrong::unquoted(format!("{key}: {}", wrong.about(written)))
}

/// That a table holds nothing that nobody asked for.
fn none_left(keys: &BTreeMap<String, Written>, known: &str) -> Meant<()> {
    match keys.keys().next() {
        Some(unknown) => Err(Wrong::unquoted(format!("{unknown}: there is no such key; known are {known}"))),
        None => Ok(()),
    }
}

/// The name of a relay, as it stands in the tables and in messages.
pub(super) fn relay_name(name: &str) -> Meant<()> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !name.is_empty() && name.len() <= 40 && name.chars().all(good) {
        Ok(())
    } else {
        Err(Wrong::unquoted("expected a name of lower-case letters, digits and -, at most 40"))
    }
}

/// A table with the URL of a mail server, or the file that holds it, and what else there is to say.
pub(super) fn relay(path: impl Fn(&Written) -> Meant<PathBuf>) -> impl Fn(&Written) -> Meant<Relay> {
    const KNOWN: &str = "url, url_file, weight, connections, per_minute, per_day";
    move |written| {
        let mut keys = table(written, r#"{ url = "smtp://host:25", weight = 2 }"#)?;
        let text = match (keys.remove("url"), keys.remove("url_file")) {
            (Some(url), None) => text(&url).map_err(|_| Wrong::unquoted("url: expected a text in quotes"))?,
            (None, Some(file)) => {
                let path = path(&file).map_err(|wrong| inside("url_file", &file, wrong))?;
                fs::read_to_string(&path)
                    .map_err(|error| Wrong::unquoted(format!("url_file: {}: {error}", path.display())))?
            }
            _ => return Err(Wrong::unquoted("expected either url or url_file")),
        };
        let url: SmtpUrl = text.trim().parse().map_err(|error| Wrong::unquoted(format!("url: {error}")))?;
        Ok(Relay { url, share: share_of(keys, KNOWN)? })
    }
}

/// A table with what a mail server may be given.
pub(super) fn share(written: &Written) -> Meant<Share> {
    let keys = table(written, "{ weight = 2, per_day = 50000 }")?;
    share_of(keys, "weight, connections, per_minute, per_day")
}

fn table(written: &Written, example: &str) -> Meant<BTreeMap<String, Written>> {
    written.table().ok_or_else(|| Wrong::unquoted(format!("expected a table such as {example}")))
}

fn share_of(mut keys: BTreeMap<String, Written>, known: &str) -> Meant<Share> {
    let weight = number(&mut keys, "weight", 1..=1000)?;
    let mut limit = |key| number(&mut keys, key, 1..=1_000_000_000_u32);
    let limits = Limits {
        connections: limit("connections")?,
        per_minute: limit("per_minute")?,
        per_day: limit("per_day")?,
    };
    none_left(&keys, known)?;
    Ok(Share { weight: weight.unwrap_or(1), limits })
}

/// A number of a table that may be absent.
fn number<N>(keys: &mut BTreeMap<String, Written>, key: &str, range: RangeInclusive<N>) -> Meant<Option<N>>
where
    N: TryFrom<i64> + PartialOrd + Display,
{
    let Some(written) = keys.remove(key) else { return Ok(None) };
    within(range)(&written).map(Some).map_err(|wrong| inside(key, &written, wrong))
}

/// The providers in a file, laid over those that are built in.
pub(super) fn providers(path: &Path) -> Meant<ProvidersFile> {
    let wrong = |what: String| Wrong::unquoted(format!("the providers {}: {what}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| wrong(format!("cannot be read ({error})")))?;
    let providers = Providers::shipped().with(&text).map_err(|error| wrong(error.to_string()))?;
    Ok(ProvidersFile { path: Some(path.to_owned()), providers: Arc::new(providers) })
}

/// The calendar in a file.
pub(super) fn calendar(path: &Path) -> Meant<CalendarFile> {
    let wrong = |what: String| Wrong::unquoted(format!("the calendar {}: {what}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| wrong(format!("cannot be read ({error})")))?;
    let calendar = Calendar::parse(&text).map_err(|error| wrong(error.to_string()))?;
    Ok(CalendarFile { path: Some(path.to_owned()), calendar: Arc::new(calendar) })
}

pub(super) fn log_format(written: &Written) -> Meant<LogFormat> {
    match &*text(written)? {
        "auto" => Ok(LogFormat::Auto),
        "human" => Ok(LogFormat::Human),
        "json" => Ok(LogFormat::Json),
        "journald" => Ok(LogFormat::Journald),
        _ => Err(r#"expected "auto", "human", "json" or "journald""#.into()),
    }
}

/// Directives of tracing's `EnvFilter`. A word alone must be a level: the filter itself would take
/// "inof" for the name of a module.
pub(super) fn log_level(written: &Written) -> Meant<String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let text = text(written)?;
    let directives: Vec<&str> = text.split(',').map(str::trim).collect();
    for word in directives.iter().filter(|directive| !directive.contains(['=', '['])) {
        if !LEVELS.contains(&word.to_ascii_lowercase().as_str()) {
            return Err("expected off, error, warn, info, debug or trace, also per module as in \
                        \"info,jobalerts::delivery=debug\""
                .into());
        }
    }
    let text = directives.join(",");
    EnvFilter::builder()
        .parse(&text)
        .map_err(|error| Wrong::from(format!("expected log levels as in \"info\" ({error})")))?;
    Ok(text)
}

/// Against what a path in the configuration is resolved.
#[derive(Clone)]
pub(super) struct Paths {
    /// The directory of the configuration file.
    pub(super) base: PathBuf,
    /// `$CREDENTIALS_DIRECTORY`, which systemd sets.
    pub(super) credentials: Option<String>,
}

impl Paths {
    pub(super) fn path(&self, written: &Written) -> Meant<PathBuf> {
        let text = text(written)?;
        let Some(rest) = text.strip_prefix("$CREDENTIALS_DIRECTORY") else {
            return Ok(self.base.join(text));
        };
        let directory = self
            .credentials
            .as_deref()
            .ok_or("CREDENTIALS_DIRECTORY is not set; systemd sets it where the unit has LoadCredential=")?;
        Ok(Path::new(directory).join(rest.trim_start_matches('/')))
    }
}
