//! URLs that carry passwords: how they are judged, and how they are shown without them.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use url::Url;

use crate::hosts::each_host;

/// A value that must not be seen: its `Debug` is `***`, and only [`expose`](Self::expose) gives it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Hides a value.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself, for the one place that needs it. Never log it.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Why a text is not a URL of the kind wanted, and what to do. Never repeats the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UrlError(String);

impl From<url::ParseError> for UrlError {
    fn from(error: url::ParseError) -> Self {
        Self(format!(
            "not a valid URL ({error}); in the user and password write %40 for @, %2F for /, \
             %3A for :, %23 for # and %3F for ?"
        ))
    }
}

fn refuse<T>(message: impl Into<String>) -> Result<T, UrlError> {
    Err(UrlError(message.into()))
}

/// The URL of a server with the user and password in it. `Debug` shows it without them.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretUrl(Secret<String>);

impl SecretUrl {
    /// A `postgres://` or `postgresql://` URL, of one host or several, see [`each_host`].
    ///
    /// # Errors
    /// When the scheme is another, the rest is not a URL, or it leaves open whether what crosses a
    /// network is encrypted.
    pub fn postgres(text: &str) -> Result<Self, UrlError> {
        if scheme(text, &["postgres", "postgresql"])?.is_none() {
            return refuse("expected a URL that begins with postgres:// or postgresql://");
        }
        for one in each_host(text) {
            Url::parse(&one)?;
        }
        let url = Self(Secret::new(text.to_owned()));
        for name in ["host", "hostaddr", "port"] {
            if url.parameter(name).is_some_and(|hosts| hosts.contains([',', '%'])) && !url.is_local() {
                return refuse("several hosts stand before the path: postgres://user@a:5432,b:5432/database");
            }
        }
        if !url.is_local() && matches!(url.parameter("sslmode"), None | Some("prefer" | "allow")) {
            return refuse(
                "whether this connection is encrypted would be for anybody on its way to say; add \
                 ?sslmode=verify-full (and &sslrootcert=FILE for an authority of your own), or \
                 ?sslmode=disable if nobody can listen",
            );
        }
        Ok(url)
    }

    /// An `amqp://` or `amqps://` URL, of one host or several, see [`each_host`].
    ///
    /// # Errors
    /// When the scheme is another, the rest is not a URL, or it names no host.
    pub fn amqp(text: &str) -> Result<Self, UrlError> {
        if scheme(text, &["amqp", "amqps"])?.is_none() {
            return refuse("expected a URL that begins with amqp:// or amqps://");
        }
        for one in each_host(text) {
            if Url::parse(&one)?.host_str().is_none_or(str::is_empty) {
                return refuse("the URL names no host; write amqp://user:password@host:5672/vhost");
            }
        }
        Ok(Self(Secret::new(text.to_owned())))
    }

    /// The URL with everything in it, to connect with. Never log it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// What others could see or do who are on the way to the server, if anything.
    #[must_use]
    pub fn in_the_open(&self) -> Option<&'static str> {
        if self.is_local() {
            return None;
        }
        match (self.expose().split_once("://")?.0, self.parameter("sslmode")) {
            ("amqps", _) | (_, Some("verify-full")) => None,
            ("amqp", _) => Some("the password crosses the network unencrypted; use amqps://"),
            (_, Some("require" | "verify-ca")) => {
                Some("the server could be anybody: its name is not verified; use sslmode=verify-full")
            }
            _ => Some("what is known of people crosses the network unencrypted; use sslmode=verify-full"),
        }
    }

    /// Whether nothing crosses a network: every host is this machine, or a socket.
    fn is_local(&self) -> bool {
        let (_, rest) = self.expose().split_once("://").unwrap_or_default();
        let place = rest.split(['/', '?']).next().unwrap_or_default();
        let hosts = place.rsplit('@').next().unwrap_or_default().split(',').map(without_port);
        let named = ["host", "hostaddr"].into_iter().filter_map(|name| self.parameter(name));
        let is_local = |host: &str| {
            host.is_empty() || host.starts_with('/') || starts_with_slash(host) || is_loopback(host)
        };
        hosts.chain(named).all(is_local)
    }

    /// A parameter of the URL, as it is written there; the last counts.
    fn parameter(&self, name: &str) -> Option<&str> {
        let (_, query) = self.expose().split_once('?')?;
        let mut pairs = query.split('&').filter_map(|one| one.split_once('='));
        let is_it = |known: &str| known == name || (name == "sslmode" && known == "ssl-mode");
        pairs.rfind(|(known, _)| is_it(known)).map(|(_, value)| value)
    }

    /// The URL for messages: without user and password, and with only those parameters that are
    /// known to be harmless.
    #[must_use]
    pub fn redacted(&self) -> String {
        const HARMLESS: [&str; 9] = [
            "sslmode",
            "sslrootcert",
            "target_session_attrs",
            "host",
            "port",
            "dbname",
            "application_name",
            "heartbeat",
            "connection_timeout",
        ];
        let (scheme, rest) = self.expose().split_once("://").unwrap_or_default();
        let (user, rest) = match rest.rsplit_once('@') {
            None => ("", rest),
            // A password that was not encoded, or an @ further on: better to show nothing.
            Some((user, _)) if user.contains(['/', '?', '#']) => return format!("{scheme}://***"),
            Some((_, rest)) => ("***@", rest),
        };
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut shown = format!("{scheme}://{user}{place}");
        for (index, parameter) in query.split('&').filter(|one| !one.is_empty()).enumerate() {
            shown.push(if index == 0 { '?' } else { '&' });
            let (name, _) = parameter.split_once('=').unwrap_or((parameter, ""));
            if HARMLESS.contains(&name) {
                shown.push_str(parameter);
            } else {
                shown.push_str("***");
            }
        }
        shown
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redacted())
    }
}

/// Splits off one of the schemes; none when it is another.
fn scheme<'a>(text: &'a str, known: &[&str]) -> Result<Option<(&'a str, &'a str)>, UrlError> {
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return refuse("the URL contains a space or a control character; write it as %20 and so on");
    }
    Ok(text.split_once("://").filter(|(scheme, _)| known.contains(scheme)))
}

/// The mail server that everything is handed to, from `smtp.url`.
#[derive(Clone, PartialEq, Eq)]
pub struct SmtpUrl {
    /// Name or IP address (without brackets).
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// How the connection is encrypted.
    pub tls: SmtpTls,
    /// What to log in with, if anything.
    pub credentials: Option<SmtpCredentials>,
}

/// How a connection to the mail server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpTls {
    /// Not at all: `smtp://host`.
    None,
    /// STARTTLS where the server offers it: `?tls=opportunistic`.
    Opportunistic,
    /// STARTTLS, or no mail is sent: `?tls=required`.
    Required,
    /// From the first byte: `smtps://host`.
    Implicit,
}

/// A user and password for the mail server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmtpCredentials {
    /// The user's name.
    pub user: Secret<String>,
    /// The password.
    pub password: Secret<String>,
}

impl SmtpUrl {
    /// What others could see who are on the way to the server, if anything.
    #[must_use]
    pub fn in_the_open(&self) -> Option<&'static str> {
        let may_be_open = matches!(self.tls, SmtpTls::None | SmtpTls::Opportunistic);
        (may_be_open && !is_loopback(&self.host))
            .then_some("mails may cross the network unencrypted; use ?tls=required or smtps://")
    }

    /// The URL for messages, without user and password.
    #[must_use]
    pub fn redacted(&self) -> String {
        let scheme = if self.tls == SmtpTls::Implicit { "smtps" } else { "smtp" };
        let user = if self.credentials.is_some() { "***@" } else { "" };
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        let tls = match self.tls {
            SmtpTls::None | SmtpTls::Implicit => "",
            SmtpTls::Opportunistic => "?tls=opportunistic",
            SmtpTls::Required => "?tls=required",
        };
        format!("{scheme}://{user}{open}{}{close}:{}{tls}", self.host, self.port)
    }
}

impl fmt::Debug for SmtpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redacted())
    }
}

impl FromStr for SmtpUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let Some((scheme, _)) = scheme(text, &["smtp", "smtps"])? else {
            return refuse("expected a URL that begins with smtp:// or smtps://");
        };
        let url = Url::parse(text)?;
        let host = match url.host_str() {
            Some(host) if !host.is_empty() => url::Host::parse(host)?,
            _ => return refuse("the URL names no host; write smtp://host:25"),
        };
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return refuse("nothing may follow the port but ?tls=required or ?tls=opportunistic");
        }
        let smtp = Self {
            host: host.to_string().trim_matches(['[', ']']).to_owned(),
            port: url.port().unwrap_or(if scheme == "smtps" { 465 } else { 25 }),
            tls: smtp_tls(scheme, &url)?,
            credentials: smtp_credentials(&url)?,
        };
        let encrypted = matches!(smtp.tls, SmtpTls::Required | SmtpTls::Implicit);
        if smtp.credentials.is_some() && !encrypted && !is_loopback(&smtp.host) {
            return refuse(
                "the password could cross the network unencrypted; add ?tls=required or use smtps://",
            );
        }
        Ok(smtp)
    }
}

fn smtp_tls(scheme: &str, url: &Url) -> Result<SmtpTls, UrlError> {
    let mut tls = None;
    for (name, value) in url.query_pairs() {
        tls = match (&*name, &*value) {
            ("tls", _) if scheme == "smtps" => {
                return refuse("smtps:// is encrypted from the start; leave ?tls= out");
            }
            ("tls", "none") => Some(SmtpTls::None),
            ("tls", "opportunistic") => Some(SmtpTls::Opportunistic),
            ("tls", "required") => Some(SmtpTls::Required),
            ("tls", _) => return refuse("tls must be none, opportunistic or required"),
            _ => return refuse("the only parameter known is tls, as in ?tls=required"),
        };
    }
    let unsaid = if scheme == "smtps" { SmtpTls::Implicit } else { SmtpTls::None };
    Ok(tls.unwrap_or(unsaid))
}

fn smtp_credentials(url: &Url) -> Result<Option<SmtpCredentials>, UrlError> {
    match (url.username(), url.password()) {
        ("", None) => Ok(None),
        ("", Some(_)) => refuse("the URL has a password but no user; write smtps://user:password@host"),
        (_, None) => refuse("the URL has a user but no password; write smtps://user:password@host"),
        (user, Some(password)) => {
            let (Some(user), Some(password)) = (percent_decode(user), percent_decode(password)) else {
                return refuse(
                    "a % in the user or password is not followed by two hex digits; write % itself as %25",
                );
            };
            Ok(Some(SmtpCredentials { user: Secret::new(user), password: Secret::new(password) }))
        }
    }
}

/// None when an escape is broken or the result is not UTF-8.
fn percent_decode(text: &str) -> Option<String> {
    let (first, escaped) = match text.split_once('%') {
        Some((first, rest)) => (first, rest.split('%')),
        None => return Some(text.to_owned()),
    };
    let mut bytes = first.as_bytes().to_vec();
    for part in escaped {
        let (digits, rest) = part.split_at_checked(2)?;
        if digits.starts_with('+') {
            return None;
        }
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

/// `host` of `host:5432`, and `[::1]` of `[::1]:5432`.
fn without_port(place: &str) -> &str {
    match place.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|octet| octet.is_ascii_digit()) => host,
        _ => place,
    }
}

/// A socket's folder, encoded.
fn starts_with_slash(host: &str) -> bool {
    host.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("%2f"))
}

/// Whether a host is this very machine, so that nothing crosses a network.
pub(super) fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host.ends_with(".localhost")
        || host.trim_matches(['[', ']']).parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_crosses_a_network_is_encrypted_or_said_not_to_be() {
        for (text, refused, seen) in [
            ("postgres://a@127.0.0.1:5432/b", false, None),
            ("postgres://a:b%40@localhost/b", false, None),
            ("postgres://a@[::1]:5432/b", false, None),
            ("postgres:///b?host=/run/postgresql", false, None),
            ("postgres://%2Frun%2Fpostgresql/b", false, None),
            ("postgres://db.example/b?sslmode=verify-full", false, None),
            ("postgres://db.example/b?sslmode=verify-full&sslrootcert=/ca.pem", false, None),
            ("postgres://db.example/b", true, None),
            ("postgres://db.example/b?sslmode=prefer", true, None),
            ("postgres://db.example/b?ssl-mode=allow", true, None),
            ("postgres://127.0.0.1,db.example/b", true, None),
            ("postgres:///b?host=db.example", true, None),
            ("postgres://127.0.0.1/b?hostaddr=192.0.2.1", true, None),
            // As it is read: the last counts.
            ("postgres://db.example/b?sslmode=verify-full&sslmode=prefer", true, None),
            ("postgres://db.example/b?sslmode=disable", false, Some("unencrypted")),
            ("postgres://db.example/b?sslmode=require", false, Some("could be anybody")),
            ("postgres://db.example/b?sslmode=verify-ca", false, Some("could be anybody")),
        ] {
            match SecretUrl::postgres(text) {
                Ok(url) => {
                    assert!(!refused, "{text}");
                    let found = url.in_the_open().unwrap_or_default();
                    assert_eq!(seen.is_some(), !found.is_empty(), "{text}: {found}");
                    assert!(found.contains(seen.unwrap_or_default()), "{text}: {found}");
                }
                Err(error) => {
                    assert!(refused && error.to_string().contains("verify-full"), "{text}: {error}");
                }
            }
        }
        for (text, seen) in [
            ("amqp://guest:guest@127.0.0.1:5672/%2f", false),
            ("amqp://a:b@rabbit.example:5672/v", true),
            ("amqps://a:b@rabbit.example:5671/v", false),
        ] {
            assert_eq!(SecretUrl::amqp(text).unwrap().in_the_open().is_some(), seen, "{text}");
        }
        for (text, seen) in [
            ("smtp://127.0.0.1", false),
            ("smtp://mail.example", true),
            ("smtp://mail.example?tls=opportunistic", true),
            ("smtp://mail.example?tls=required", false),
            ("smtps://mail.example", false),
        ] {
            assert_eq!(text.parse::<SmtpUrl>().unwrap().in_the_open().is_some(), seen, "{text}");
        }
    }

    #[test]
    fn smtp_urls() {
        for (text, host, port, tls, user) in [
            ("smtp://mail.example", "mail.example", 25, SmtpTls::None, None),
            ("smtp://Mail.Example:2525/?tls=none", "mail.example", 2525, SmtpTls::None, None),
            ("smtp://mail.example?tls=opportunistic", "mail.example", 25, SmtpTls::Opportunistic, None),
            (
                "smtp://a%40b:p%25%2f@mail.example:587?tls=required",
                "mail.example",
                587,
                SmtpTls::Required,
                Some(("a@b", "p%/")),
            ),
            ("smtps://a:b@mail.example", "mail.example", 465, SmtpTls::Implicit, Some(("a", "b"))),
            ("smtp://a:b@localhost:1025", "localhost", 1025, SmtpTls::None, Some(("a", "b"))),
            ("smtp://a:b@[::1]", "::1", 25, SmtpTls::None, Some(("a", "b"))),
        ] {
            let url: SmtpUrl = text.parse().unwrap();
            let found =
                url.credentials.as_ref().map(|c| (c.user.expose().as_str(), c.password.expose().as_str()));
            assert_eq!((&*url.host, url.port, url.tls, found), (host, port, tls, user), "{text}");
            assert_eq!(url.redacted().parse::<SmtpUrl>().is_ok(), user.is_none(), "{text}");
        }
        for (text, why) in [
            ("mail.example", "begins with smtp://"),
            ("http://mail.example", "begins with smtp://"),
            ("smtp://", "names no host"),
            ("smtp://mail.example:many", "not a valid URL"),
            ("smtp://a:b@mail.example", "unencrypted"),
            ("smtp://a:b@mail.example?tls=opportunistic", "unencrypted"),
            ("smtp://a@mail.example?tls=required", "no password"),
            ("smtp://:b@mail.example?tls=required", "no user"),
            ("smtps://a:b%zz@mail.example", "two hex digits"),
            ("smtps://mail.example?tls=required", "leave ?tls= out"),
            ("smtp://mail.example?tls=yes", "none, opportunistic or required"),
            ("smtp://mail.example?ssl=yes", "only parameter known is tls"),
            ("smtp://mail.example/inbox", "nothing may follow"),
            ("smtp://mail.example\r\n", "control character"),
        ] {
            let error = text.parse::<SmtpUrl>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
