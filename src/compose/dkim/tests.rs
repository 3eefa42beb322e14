//! Signatures, looked at by a verifier of their own that shares no code with the signer.

use std::collections::BTreeMap;

use jobalerts_dev::secrets::{DKIM_ED25519_KEY, DKIM_RSA_KEY};
use proptest::prelude::*;
use ring::signature::{ED25519, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

use sha2::{Digest as _, Sha256};

use super::*;

fn signers() -> Vec<Signer> {
    let signer = |selector: &str, key| Signer {
        domain: "midshire.example".to_owned(),
        selector: selector.to_owned(),
        key,
    };
    vec![
        signer("rsa", SigningKey::rsa(DKIM_RSA_KEY).unwrap()),
        signer("ed", SigningKey::ed25519(DKIM_ED25519_KEY).unwrap()),
    ]
}

const MAIL: &str = "\
From: \"Midshire Police Recruitment\" <alerts@midshire.example>\r
To: zoe@example.org\r
Subject: New: Custody facility\r
 volunteer,   Birmingham\r
Date: Fri, 5 Apr 2024 10:02:40 +0100\r
List-Unsubscribe: <https://careers.midshire.example/stop/abc>,\r
 <mailto:stop+abc@alerts.midshire.example>\r
List-Unsubscribe-Post: List-Unsubscribe=One-Click\r
\r
Hello \t there, \r
\r
  indented\r
--=_x--\r
\r
\r
";

fn signed(mail: &str) -> String {
    let at = "2024-04-05T09:02:40Z".parse().unwrap();
    let headers = signers().into_iter().map(|signer| signer.header(mail.as_bytes(), at).unwrap());
    headers.collect::<String>() + mail
}

/// A field, unfolded, as RFC 6376 section 3.4.2 has it.
fn canonical(name: &str, value: &str) -> String {
    let words: Vec<&str> = value.split([' ', '\t', '\r', '\n']).filter(|word| !word.is_empty()).collect();
    format!("{}:{}", name.trim().to_lowercase(), words.join(" "))
}

/// A body as section 3.4.4 has it.
fn canonical_body(body: &str) -> String {
    let squeezed = |line: &str| {
        let indent = if line.starts_with([' ', '\t']) { " " } else { "" };
        let words: Vec<&str> = line.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
        if words.is_empty() { String::new() } else { format!("{indent}{}", words.join(" ")) }
    };
    let lines: Vec<String> = body.split("\r\n").map(squeezed).collect();
    let text = lines.join("\r\n");
    let text = text.trim_end_matches("\r\n");
    if text.is_empty() { String::new() } else { format!("{text}\r\n") }
}

/// Every field of a head as name and value, unfolded or not.
fn fields_of(head: &str) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in head.split("\r\n").filter(|line| !line.is_empty()) {
        if let (true, Some((_, value))) = (line.starts_with([' ', '\t']), fields.last_mut()) {
            value.push_str("\r\n");
            value.push_str(line);
        } else {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            fields.push((name.to_owned(), value.to_owned()));
        }
    }
    fields
}

/// How many signatures there are, if all of them verify (section 6.1.3).
fn verified(mail: &str, keys: &[Signer]) -> Option<usize> {
    let (head, body) = mail.split_once("\r\n\r\n")?;
    let fields = fields_of(head);
    let signatures: Vec<_> = fields.iter().filter(|(name, _)| name == "DKIM-Signature").collect();
    for (name, value) in &signatures {
        let tags: BTreeMap<String, String> = value
            .split(';')
            .filter_map(|tag| tag.split_once('='))
            .map(|(tag, value)| (tag.trim().to_owned(), value.split_ascii_whitespace().collect()))
            .collect();
        let tag = |name: &str| tags.get(name).map(String::as_str);
        if (tag("v"), tag("c")) != (Some("1"), Some("relaxed/relaxed")) || tag("l").is_some() {
            return None;
        }
        let hash = BASE64.encode(&Sha256::digest(canonical_body(body)));
        if tag("bh") != Some(hash.as_str()) {
            return None;
        }
        let mut left = fields.clone();
        let mut said = String::new();
        for wanted in tag("h")?.split(':') {
            let Some(last) = left.iter().rposition(|(name, _)| name.trim().eq_ignore_ascii_case(wanted))
            else {
                continue;
            };
            let (name, value) = left.remove(last);
            said += &(canonical(&name, &value) + "\r\n");
        }
        let b = value.rfind("b=")?;
        said += &canonical(name, &value[..b + 2]);
        let signature = BASE64.decode(tag("b")?.as_bytes()).ok()?;
        let signer = keys.iter().find(|signer| {
            Some(signer.selector.as_str()) == tag("s") && Some(signer.domain.as_str()) == tag("d")
        })?;
        if tag("a") != Some(signer.key.algorithm().name()) {
            return None;
        }
        let record = signer.key.record();
        let key = BASE64.decode(record.split("p=").nth(1)?.as_bytes()).ok()?;
        match signer.selector.as_str() {
            // The key alone: without the 24 octets that say that it is one of 2048 bits for RSA.
            "rsa" => UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &key[24..])
                .verify(said.as_bytes(), &signature),
            _ => UnparsedPublicKey::new(&ED25519, &key).verify(&Sha256::digest(&said), &signature),
        }
        .ok()?;
    }
    Some(signatures.len())
}

/// A01, H04.
#[test]
fn both_signatures_verify() {
    assert_eq!(verified(&signed(MAIL), &signers()), Some(2));
}

/// A03: no header of any mail of ours is left out.
#[test]
fn every_header_that_a_mail_has_is_signed() {
    let mail = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/mails");
    for entry in std::fs::read_dir(mail).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().ends_with(".headers.txt") {
            let head = std::fs::read_to_string(&path).unwrap().replace('\n', "\r\n");
            for (name, _) in fields_of(&head) {
                let signed = SIGNED.iter().any(|signed| signed.eq_ignore_ascii_case(&name));
                assert!(signed, "{name} of {} is not signed", path.display());
            }
            assert_eq!(verified(&signed(&format!("{head}\r\nHello\r\n")), &signers()), Some(2));
        }
    }
}

/// A02, A03: `From` and what decides how a mail looks are named once more than they stand there.
#[test]
fn signatures_cover_all_that_is_there_and_seal_it() {
    let mail = signed(MAIL);
    let value = mail.split("DKIM-Signature:").nth(1).unwrap();
    let tags: String = value.split("\r\n b=").next().unwrap().split_ascii_whitespace().collect();
    assert!(tags.starts_with("v=1;a=rsa-sha256;c=relaxed/relaxed;d=midshire.example;s=rsa;t=1712307760;bh="));
    let names: Vec<&str> = tags.split("h=").nth(2).unwrap().trim_end_matches(';').split(':').collect();
    let times = |name: &str| names.iter().filter(|other| **other == name).count();
    for name in ["from", "to", "subject", "date", "list-unsubscribe", "list-unsubscribe-post"] {
        assert_eq!(times(name), 2, "{names:?}");
    }
    assert_eq!((times("reply-to"), times("cc"), times("list-id")), (1, 1, 0), "{names:?}");
    assert!(mail.split("\r\n").all(|line| line.len() <= LONGEST_LINE), "{mail}");
}

/// Nobody adds a header that people or programs would go by.
#[test]
fn an_added_header_breaks_the_signature() {
    let mail = signed(MAIL);
    for name in SEALED {
        let line = format!("{name}: other\r\n");
        for added in [line.clone() + &mail, mail.replacen("\r\n\r\n", &format!("\r\n{line}\r\n"), 1)] {
            assert_eq!(verified(&added, &signers()), None, "{name}");
        }
    }
    assert_eq!(verified(&format!("Received: by relay\r\n{mail}"), &signers()), Some(2));
}

/// A04: servers on the way may break lines elsewhere.
#[test]
fn a_refolded_header_verifies() {
    let mail = signed(MAIL);
    let refolded = mail
        .replace(",\r\n <mailto:", ", <mailto:")
        .replace("volunteer,   Birmingham", "volunteer,\r\n\tBirmingham")
        .replace("List-Unsubscribe: <", "list-unsubscribe:\r\n  <")
        .replace("Hello \t there, \r\n", "Hello there,\r\n");
    assert_ne!(refolded, mail);
    assert_eq!(verified(&refolded, &signers()), Some(2));
}

/// RFC 6376, 3.4.5 and 3.4.4.
#[test]
fn the_canonical_form_is_that_of_the_standard() {
    let (head, body) = parts(b"A: X\r\nB : Y\t\r\n\tZ  \r\n\r\n C \r\nD \t E\r\n\r\n\r\n");
    let fields: Vec<Vec<u8>> = fields(head).map(relaxed_field).collect();
    assert_eq!(fields.concat(), b"a:X\r\nb:Y Z\r\n");
    assert_eq!(relaxed_body(body), b" C\r\nD E\r\n");
    assert_eq!(relaxed_body(b""), b"");
    assert_eq!(
        BASE64.encode(&Sha256::digest(relaxed_body(b"\r\n\r\n"))),
        "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
    );
    assert_eq!(relaxed_body(b"no end"), b"no end\r\n");
}

/// RFC 8463, A.1 and A.3: the same key says the same about the same mail.
#[test]
fn the_mail_of_the_standard_has_the_signature_of_the_standard() {
    const HEAD: &str = "From: Joe SixPack <joe@football.example.com>\r\n\
                        To: Suzie Q <suzie@shopping.example.net>\r\n\
                        Subject: Is dinner ready?\r\n\
                        Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n\
                        Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n";
    const BODY: &str = "Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n";
    const UNSIGNED: &str = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n \
                            d=football.example.com; i=@football.example.com;\r\n \
                            q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n \
                            subject : date : message-id : from : subject : date;\r\n \
                            bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n b=";
    const SIGNATURE: &str =
        "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==";
    let seed = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";
    let der = [&b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20"[..]]
        .concat()
        .into_iter()
        .chain(BASE64.decode(seed.as_bytes()).unwrap())
        .collect::<Vec<_>>();
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----", BASE64.encode(&der));
    let key = SigningKey::ed25519(&pem).unwrap();

    let hash = BASE64.encode(&Sha256::digest(relaxed_body(BODY.as_bytes())));
    assert_eq!(hash, "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=");
    let mut said: Vec<u8> = fields(HEAD.as_bytes()).flat_map(relaxed_field).collect();
    said.extend(relaxed_field(UNSIGNED.as_bytes()).strip_suffix(b"\r\n").unwrap());
    assert_eq!(BASE64.encode(&key.sign(&said).unwrap()), SIGNATURE);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever a mail is, its signatures verify, and one other letter anywhere breaks them.
    #[test]
    fn a_changed_letter_breaks_the_signature(
        subject in "[ -~]{0,120}",
        lines in proptest::collection::vec("[ -~\t]{0,80}", 0..8),
        at: prop::sample::Index,
        to in "[a-zA-Z0-9]",
    ) {
        let mail = format!(
            "From: a@midshire.example\r\nSubject: {subject}\r\nDate: now\r\n\r\n{}\r\n",
            lines.join("\r\n")
        );
        let mail = signed(&mail);
        prop_assert_eq!(verified(&mail, &signers()), Some(2));
        let letters: Vec<usize> =
            mail.char_indices().filter(|(_, c)| c.is_ascii_alphanumeric()).map(|(at, _)| at).collect();
        let at = letters[at.index(letters.len())];
        // The case of a name counts for nothing.
        if !mail[at..=at].eq_ignore_ascii_case(&to) {
            let mut changed = mail.clone();
            changed.replace_range(at..=at, &to);
            prop_assert_ne!(verified(&changed, &signers()), Some(2), "{}", changed);
        }
    }
}
