//! `check --dns`: what is to be published so that mailbox providers know our mails to be ours.

use std::net::IpAddr;

use crate::config::Config;

/// The longest text in a TXT record; a longer value is several texts (RFC 6376, 3.6.2.2).
const LONGEST_TEXT: usize = 255;

/// The records that the configuration needs, as lines of a zone file. What we cannot know stands in
/// capitals.
pub(super) fn records(config: &Config) -> Vec<String> {
    let from = config.smtp.from.address().domain();
    let path = config.smtp.return_path.domain();
    let mut lines = vec![
        format!("; SPF: which servers may send mails that come back to {path}. There may be one such record"),
        "; only: if there is one already, add to it. RELAY is the name that your mail server's operator"
            .to_owned(),
        "; gives for it.".to_owned(),
        record(path, &format!("v=spf1 {} -all", servers(&config.smtp.url.host))),
        "; Bounces and mails to stop go to SERVER, which must take them.".to_owned(),
        format!("{path}. IN MX 10 SERVER."),
    ];
    let domain = &config.dkim.domain;
    let mut keys = config.dkim.keys().peekable();
    if keys.peek().is_none() {
        lines.push(
            "; DKIM: dkim.key_file is not set, so your mail server has to sign, and to say its key."
                .to_owned(),
        );
    } else {
        lines.push("; DKIM: the keys that mails are signed with.".to_owned());
    }
    lines.extend(
        keys.map(|(selector, key)| record(&format!("{selector}._domainkey.{domain}"), &key.record())),
    );
    lines.extend([
        "; DMARC (RFC 9989): what to do with mails that are not ours. When the reports show that all of ours"
            .to_owned(),
        "; pass, change p=none into p=reject. Not needed if a domain above has one and this is to go by it."
            .to_owned(),
        record(&format!("_dmarc.{from}"), &format!("v=DMARC1; p=none; rua=mailto:dmarc-reports@{from}")),
    ]);
    lines
}

/// The mechanism of SPF (RFC 7208, 5) that stands for the mail server. Its name says nothing about
/// the addresses from which it sends on.
fn servers(host: &str) -> String {
    match host.parse() {
        Ok(IpAddr::V4(address)) if !address.is_loopback() && !address.is_private() => {
            format!("ip4:{address}")
        }
        Ok(IpAddr::V6(address)) if !address.is_loopback() && !address.is_unique_local() => {
            format!("ip6:{address}")
        }
        _ => "include:RELAY".to_owned(),
    }
}

/// A TXT record, its value in texts that are not too long. All of our values are ASCII without
/// quotes.
fn record(name: &str, value: &str) -> String {
    let mut texts = Vec::new();
    let mut rest = value;
    while !rest.is_empty() {
        let (text, after) = rest.split_at(rest.len().min(LONGEST_TEXT));
        texts.push(format!("\"{text}\""));
        rest = after;
    }
    match &texts[..] {
        [only] => format!("{name}. IN TXT {only}"),
        several => format!("{name}. IN TXT ( {} )", several.join(" ")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use jobalerts_dev::secrets;

    fn said(settings: &[(&str, &str)]) -> Vec<String> {
        let environment: BTreeMap<String, String> =
            settings.iter().map(|(key, value)| (format!("JOBALERTS_{key}"), (*value).to_owned())).collect();
        records(&Config::load(None, &environment).unwrap())
            .into_iter()
            .filter(|line| !line.starts_with(';'))
            .collect()
    }

    /// A06.
    #[test]
    fn the_records_are_those_of_the_configuration() {
        let folder = std::env::temp_dir().join(format!("jobalerts-dns-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&folder).unwrap();
        let [rsa, ed25519] = secrets::dkim_keys(&folder).unwrap().map(|path| path.display().to_string());
        let found = said(&[
            ("SMTP__FROM", "Alerts <alerts@mail.midshire.example>"),
            ("SMTP__RETURN_PATH", "bounce@bounces.midshire.example"),
            ("SMTP__URL", "smtp://192.0.2.25:25"),
            ("DKIM__DOMAIN", "midshire.example"),
            ("DKIM__SELECTOR", "s2026"),
            ("DKIM__KEY_FILE", &rsa),
            ("DKIM__ED25519_KEY_FILE", &ed25519),
        ]);
        std::fs::remove_dir_all(&folder).unwrap();
        let [spf, mx, rsa, ed25519, dmarc] = &found[..] else { panic!("{found:?}") };
        assert_eq!(spf, "bounces.midshire.example. IN TXT \"v=spf1 ip4:192.0.2.25 -all\"");
        assert_eq!(mx, "bounces.midshire.example. IN MX 10 SERVER.");
        let texts = rsa.strip_prefix("s2026._domainkey.midshire.example. IN TXT ( \"").unwrap();
        let texts: Vec<&str> = texts.strip_suffix("\" )").unwrap().split("\" \"").collect();
        assert_eq!(texts.iter().map(|text| text.len()).collect::<Vec<_>>(), [255, 155]);
        assert!(texts.concat().starts_with("v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A"), "{rsa}");
        assert!(
            ed25519.starts_with(
                "jobalerts-ed25519._domainkey.midshire.example. IN TXT \"v=DKIM1; k=ed25519; p="
            ),
            "{ed25519}"
        );
        assert_eq!(
            dmarc,
            "_dmarc.mail.midshire.example. IN TXT \"v=DMARC1; p=none; \
             rua=mailto:dmarc-reports@mail.midshire.example\""
        );
    }

    #[test]
    fn what_is_not_known_stands_in_capitals() {
        for url in ["smtp://127.0.0.1:25", "smtp://10.1.2.3:25", "smtp://relay.midshire.example:25"] {
            let found = said(&[("SMTP__URL", url)]);
            assert_eq!(found[0], "midshire.example. IN TXT \"v=spf1 include:RELAY -all\"");
            assert_eq!(found.len(), 3);
        }
    }
}
