//! What mail servers get: lines, headers and parts, whatever an advert says.

use std::collections::BTreeSet;

use mail_parser::{Message, MessageParser, MimeHeaders as _};
use proptest::prelude::*;

use super::*;

fn header_names(message: &Message<'_>) -> Vec<String> {
    message.headers().iter().map(|header| header.name().to_owned()).collect()
}

/// Lines, letters and parts, as every mail must have them.
fn well_formed(mail: &Email) -> Vec<String> {
    let octets = mail.content();
    assert!(octets.is_ascii());
    assert!(octets.ends_with("\r\n"));
    for line in octets.split_inclusive('\n') {
        let content = line.strip_suffix("\r\n").expect("a line ends in CR LF");
        assert!(content.len() <= longest(content), "{content}");
        assert!(!content.contains(['\r', '\0']) && !content.ends_with(' '), "{content}");
    }
    let message = MessageParser::new().parse(octets).unwrap();
    assert_eq!(message.parts.len(), 3);
    let crlf = |text: &str| text.replace('\n', "\r\n");
    let parts: Vec<_> = message.parts[1..]
        .iter()
        .map(|part| {
            let kind = part.content_type().unwrap();
            (kind.subtype().unwrap().to_owned(), part.text_contents().unwrap().to_owned())
        })
        .collect();
    assert_eq!(parts, [("plain".to_owned(), crlf(&mail.text)), ("html".to_owned(), crlf(&mail.html))]);
    assert_eq!(message.to().unwrap().clone().into_list().len(), 1);
    assert_eq!(message.subject(), Some(mail.subject.as_str()));
    header_names(&message)
}

#[test]
fn octets_are_those_of_the_standards() {
    let facts = volunteer();
    let mail = compose(&reader(false), &[item("230000IR", &facts, &["s"])]);
    let names = well_formed(&mail);
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    assert_eq!(mail.envelope().to().iter().map(ToString::to_string).collect::<Vec<_>>(), ["zoe@example.org"]);
    let stop = Stop::new(&sender(), Uuid::from_u128(1), Some(7));
    let octets = mail.content().to_owned();
    let (header, body) = octets.split_once("\r\n\r\n").unwrap();
    assert_eq!(
        header.replace("\r\n", "\n"),
        format!(
            "\
From: \"Midshire Police Recruitment\" <alerts@midshire.example>
Reply-To: Recruitment <recruitment@midshire.example>
To: zoe@example.org
Subject: New: Custody facility volunteer, Birmingham
Date: Fri, 5 Apr 2024 10:02:40 +0100
Message-ID: {id}
Auto-Submitted: auto-generated
X-Auto-Response-Suppress: All
List-Id: Vacancy alerts <alerts.midshire.example>
List-Help: <https://careers.midshire.example/privacy>
Feedback-ID: vacancy-alert:alerts:jobalerts:midshireexample
List-Unsubscribe: <{page}>,
 <mailto:{address}>
List-Unsubscribe-Post: List-Unsubscribe=One-Click
MIME-Version: 1.0
Content-Type: multipart/alternative;
 boundary=\"=_{local}\"",
            page = stop.page,
            address = stop.address,
            id = message_id(),
            local = message_id().local(),
        )
    );
    for part in ["plain", "html"] {
        let head = format!(
            "Content-Type: text/{part}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n"
        );
        assert!(body.contains(&head), "{body}");
    }
}

#[test]
fn the_same_arguments_give_the_same_octets() {
    let facts = volunteer();
    let items = [item("230000IR", &facts, &["s"])];
    assert_eq!(compose(&reader(false), &items).content(), compose(&reader(false), &items).content());
}

#[test]
fn a_title_is_not_taken_for_an_encoded_word() {
    let mail = compose(&reader(false), &[item("1", &bare("=?utf-8?b?QmNj?= clerk"), &["s"])]);
    assert_eq!(mail.subject, "New: = ?utf-8?b?QmNj?= clerk");
    well_formed(&mail);
}

#[test]
fn nobody_is_named_in_a_log() {
    let facts = volunteer();
    let mail = compose(&reader(false), &[item("1", &facts, &["My secret search"])]);
    let logged = format!("{mail:?}");
    assert!(!logged.contains("zoe@") && !logged.contains("secret"), "{logged}");
}

/// Any text at all, and often one that is meant to do harm.
fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        ".{0,20}\r\nBcc: mallory@example\\.org\r\n\r\n.{0,20}",
        "\n[.]\r\n|=\\?utf-8\\?q\\?=0d=0aBcc:x\\?=|\u{2028}To: x@example\\.org|\0--=_a--|From here",
        "<script>alert\\(1\\)</script>|</title><h1>|\"><img src=x>|&amp;|'\"",
        Just("long ".repeat(2_000)),
        Just("x".repeat(10_000)),
        Just("警察官\u{202E}".repeat(500)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// No field of an event, and no name of a search, adds a header, a part or a reader.
    #[test]
    fn nothing_from_outside_changes_the_shape_of_a_mail(
        texts in proptest::collection::vec(hostile(), 8),
        slugs in proptest::collection::vec(hostile(), 0..3),
        discreet: bool,
    ) {
        let facts = Facts {
            title: texts[0].clone(),
            employer: Some(texts[1].clone()),
            url: Some(format!("https://careers.force.example/{}", texts[2].len())),
            site: Some(texts[3].clone()),
            pay_text: Some(texts[4].clone()),
            grade_text: Some(texts[5].clone()),
            locations: slugs.clone(),
            audience: slugs.clone(),
            contract_kind: slugs,
            ..bare("")
        };
        let items = [item(&texts[6], &facts, &[&texts[7], "s"])];
        let clean_facts = volunteer();
        let clean = compose(&reader(discreet), &[item("1", &clean_facts, &["s"])]);
        match try_compose(&reader(discreet), &items) {
            Ok(mail) => {
                prop_assert_eq!(well_formed(&mail), well_formed(&clean));
                prop_assert_eq!(mail.envelope(), clean.envelope());
                let shape = |mail: &Email| (mail.html.matches("<h").count(), mail.html.matches("<img").count());
                prop_assert_eq!(shape(&mail), shape(&clean));
            }
            // Held back, because a field is blank or looks like a placeholder.
            Err(ComposeError::Lint(findings)) => {
                let expected = [Rule::Missing, Rule::Placeholder];
                prop_assert!(findings.iter().all(|finding| expected.contains(&finding.rule)), "{:?}", findings);
            }
            Err(other) => prop_assert!(false, "{other}"),
        }
    }
}
