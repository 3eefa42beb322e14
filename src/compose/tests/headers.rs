//! What mailbox providers look at in the head of a mail, in every kind and every sample.

use mail_parser::{HeaderValue, MessageParser};

use super::*;
use crate::compose::samples;
use crate::domain::token::StopToken;

/// A mail, whether it says how to stop, and the mail that its link names.
struct Case {
    mail: Email,
    stops: bool,
    names: Option<i64>,
}

/// Every sample of every kind, and every letter, discreet and not.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let (id, thread) = (message_id(), ["<first@midshire.example>".to_owned()]);
    let identity = identity(&id, &thread);
    for sample in samples::all() {
        let (to, items) = (reader(sample.discreet), sample.items());
        let mail = match sample.kind {
            MailKind::Digest => {
                let digest = Digest { items, soon: sample.soon, rest: sample.rest };
                composer().digest(&to, identity, &digest, sample.now)
            }
            kind => composer().mail(kind, &to, identity, &items, sample.now),
        };
        cases.push(Case { mail: mail.unwrap(), stops: sample.kind.offers_stop(), names: Some(7) });
    }
    for sample in letters::samples() {
        let to = reader(sample.discreet);
        let mail = composer().letter(sample.letter, &to, identity, sample.told(), now());
        cases.push(Case { mail: mail.unwrap(), stops: sample.letter.offers_stop(), names: None });
    }
    cases
}

/// The lines of the head, unfolded, by name.
fn head(mail: &Email) -> Vec<(String, String)> {
    let octets = mail.content().to_owned();
    let (head, _) = octets.split_once("\r\n\r\n").unwrap();
    let field = |line: &str| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.to_owned(), value.to_owned())
    };
    head.replace("\r\n ", " ").split("\r\n").map(field).collect()
}

fn only(mail: &Email, name: &str) -> Option<String> {
    let mut values = head(mail).into_iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
    let value = values.next().map(|(_, value)| value);
    assert!(values.next().is_none(), "{name} stands twice");
    value
}

/// M02, M05, H10, H11, H12, H15.
#[test]
fn every_mail_has_each_header_once_and_no_other() {
    const ALWAYS: [&str; 14] = [
        "From",
        "Reply-To",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "Auto-Submitted",
        "X-Auto-Response-Suppress",
        "List-Id",
        "List-Help",
        "Feedback-ID",
        "In-Reply-To",
        "References",
        "MIME-Version",
    ];
    for Case { mail, stops, .. } in cases() {
        let follows = mail.headers.thread.len();
        let mut expected: Vec<&str> =
            ALWAYS.into_iter().filter(|name| follows > 0 || !is_of_threads(name)).collect();
        expected.push("Content-Type");
        if stops {
            expected.extend(["List-Unsubscribe", "List-Unsubscribe-Post"]);
        }
        let mut names: Vec<String> = head(&mail).into_iter().map(|(name, _)| name).collect();
        expected.sort_unstable();
        names.sort_unstable();
        assert_eq!(names, expected, "{}", mail.headers.kind);
        assert_eq!(only(&mail, "Auto-Submitted").as_deref(), Some("auto-generated"));
        assert_eq!(only(&mail, "List-Help").as_deref(), Some("<https://careers.midshire.example/privacy>"));
        for (name, value) in head(&mail) {
            assert!(name == "To" || !value.contains("zoe@"), "{name}: {value}");
        }
    }
}

fn is_of_threads(name: &str) -> bool {
    matches!(name, "In-Reply-To" | "References")
}

/// H01, H02, H03, H08, H09: one page first, one address second, and a token in each that is good for
/// the person; and nothing of it where there is nothing to stop.
#[test]
fn who_is_mailed_can_stop_in_one_click_unless_we_have_stopped() {
    let keys = &sender().token_keys;
    let person = Uuid::from_u128(1);
    for Case { mail, stops, names } in cases() {
        let Some(unsubscribe) = only(&mail, "List-Unsubscribe") else {
            assert!(!stops && only(&mail, "List-Unsubscribe-Post").is_none(), "{}", mail.headers.kind);
            assert!(!format!("{}{}", mail.text, mail.html).contains("/stop/"), "{}", mail.headers.kind);
            continue;
        };
        assert!(stops, "{}", mail.headers.kind);
        assert_eq!(only(&mail, "List-Unsubscribe-Post").as_deref(), Some("List-Unsubscribe=One-Click"));
        let (page, address) = unsubscribe.split_once(", ").unwrap();
        let inside = |uri: &str| uri.strip_prefix('<').unwrap().strip_suffix('>').unwrap().to_owned();
        let (page, address) = (inside(page), inside(address));
        assert!(mail.text.contains(&page) && mail.html.contains(&format!("href=\"{page}\"")));
        let token = page.strip_prefix("https://careers.midshire.example/stop/").unwrap();
        assert_eq!(StopToken::verify(token, keys, now()), Ok(StopToken { person, mail: names }));
        let address = address.strip_prefix("mailto:").unwrap().parse::<EmailAddress>().unwrap();
        assert_eq!(address.domain(), "alerts.midshire.example");
        let token = address.local().strip_prefix("stop+").unwrap();
        assert_eq!(StopToken::verify(token, keys, now()), Ok(StopToken { person, mail: None }));
    }
}

/// H13: four names; what one mail or one person differs by is in none of them.
#[test]
fn feedback_names_kinds_of_mails_and_always_the_same_sender() {
    for Case { mail, .. } in cases() {
        let feedback = only(&mail, "Feedback-ID").unwrap();
        let [kind, list, program, sender] = feedback.split(':').collect::<Vec<_>>()[..] else {
            panic!("{feedback}")
        };
        assert!(MailKind::ALL.map(MailKind::name).contains(&kind) || Letter::named(kind).is_some());
        assert!(["alerts", "doors", "days", "letters"].contains(&list));
        assert_eq!((program, sender), ("jobalerts", "midshireexample"));
    }
}

/// The sender of feedback has 5 to 15 letters whatever the domain.
#[test]
fn any_domain_makes_a_sender_of_feedback() {
    for (domain, expected) in [
        ("a.uk", "aukjobalerts"),
        ("ab.uk", "abukjobalerts"),
        ("alerts.midshire.police.uk", "alertsmidshirep"),
    ] {
        let sender = Sender { from: format!("alerts@{domain}").parse().unwrap(), ..sender() };
        let composer = Composer::new(sender, Arc::new(Taxonomy::shipped()), None).unwrap();
        let sample = &samples::all()[0];
        let mail = composer.mail(
            sample.kind,
            &reader(false),
            identity(&message_id(), &[]),
            &sample.items(),
            sample.now,
        );
        let feedback = only(&mail.unwrap(), "Feedback-ID").unwrap();
        assert_eq!(feedback.rsplit(':').next(), Some(expected));
    }
}

/// B01: where it comes back to is of this mail, the same at each try, and in no header.
#[test]
fn each_mail_comes_back_to_a_place_of_its_own() {
    let keys = &sender().token_keys;
    for Case { mail, .. } in cases() {
        let path = mail.envelope().from().unwrap().to_string();
        let path: EmailAddress = path.parse().unwrap();
        assert_eq!(path.domain(), "alerts.midshire.example");
        let token = path.local().strip_prefix("bounce+").unwrap();
        assert_eq!(keys.bounced(token, now()), Ok(7));
        assert!(path.local().len() <= 64);
        assert_eq!(
            mail.envelope().to().iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["zoe@example.org"]
        );
        assert!(!mail.content().contains("bounce+"));
    }
}

/// M11: the head is far below what providers take, and a link in it is not broken.
#[test]
fn heads_are_short() {
    for Case { mail, .. } in cases() {
        let message = MessageParser::new().parse(mail.content()).unwrap();
        let head = message.parts[0].offset_body;
        assert!(head < 4_096, "{head}");
        if mail.headers.stop.is_some() {
            let parsed = message.header("List-Unsubscribe").unwrap();
            assert!(matches!(parsed, HeaderValue::Address(_)), "{parsed:?}");
        }
    }
}
