//! Names and addresses of any language, as mail servers and mail programs get them.

use data_encoding::BASE64;
use mail_parser::MessageParser;
use proptest::prelude::*;

use super::*;

fn from(name: &str, address: &str) -> Sender {
    let from = Mailbox::new(Some(name), address.parse().unwrap()).unwrap();
    let reply_to = Mailbox::new(Some(name), "team@midshire.example".parse().unwrap()).unwrap();
    Sender { from, reply_to, ..sender() }
}

/// A mail from this sender with this title. The templates are not tried again for each name.
fn mail_from(sender: Sender, to: &Recipient, title: &str) -> Email {
    let composer = Composer {
        templates: Templates::load(None).unwrap(),
        taxonomy: Arc::clone(&composer().taxonomy),
        discreet_from: composer().discreet_from.clone(),
        hosts: composer().hosts.clone(),
        sender,
    };
    let vacancy = item("1", &bare(title), &["s"]);
    let item = Item {
        subject: &vacancy.subject,
        truth: &vacancy.truth,
        told: None,
        notice: &Notice::Open,
        searches: vec!["s"],
        registration: None,
        no_longer_matches: false,
        perhaps_told: false,
        test: false,
    };
    composer.mail(MailKind::VacancyAlert, to, identity(&message_id(), &[]), &[item], now()).unwrap()
}

fn head_of(mail: &Email) -> String {
    let octets = mail.content().to_owned();
    octets.split_once("\r\n\r\n").unwrap().0.to_owned()
}

/// RFC 2047, 2 and 5: no encoded word is longer than 75 characters, no line that has one longer than
/// 76, and none ends within a character or stands within quotes.
fn encoded_words_are_good(head: &str) -> Result<(), TestCaseError> {
    for line in head.split("\r\n").filter(|line| line.contains("=?")) {
        prop_assert!(line.len() <= 76, "{}", line);
        for word in line.split([' ', '<']).filter(|word| word.starts_with("=?")) {
            prop_assert!(word.len() <= 75, "{}", word);
            let text = word.strip_prefix("=?utf-8?b?").and_then(|word| word.strip_suffix("?="));
            prop_assert!(text.is_some(), "{}", word);
            let octets = BASE64.decode(text.unwrap().as_bytes()).unwrap();
            prop_assert!(String::from_utf8(octets).is_ok(), "{}", word);
        }
        prop_assert!(!line.contains("\"=?"), "{}", line);
    }
    Ok(())
}

/// What a reader's program takes the sender and the one to answer to for.
fn shown(mail: &Email) -> [(String, String); 2] {
    let message = MessageParser::new().parse(mail.content()).unwrap();
    [message.from(), message.reply_to()].map(|addresses| {
        let list = addresses.unwrap().clone().into_list();
        let [only] = &list[..] else { panic!("{list:?}") };
        (only.name().unwrap_or_default().to_owned(), only.address().unwrap().to_owned())
    })
}

/// M03, M06.
#[test]
fn names_of_any_language_arrive_as_they_were_written() {
    for name in [
        "Lee, Ann",
        "Ann \"The Chief\" Lee",
        "Police (Recruitment) \\ HR",
        "Heddlu Gogledd Cymru – Tîm Recriwtio",
        "Müller, Jürgen \"Jogi\"",
        "警察官募集チームからのお知らせ警察官募集チームからのお知らせ警察官募集チームからのお知らせ",
        "Recruitment 🚓🚓🚓🚓🚓🚓🚓🚓🚓🚓🚓🚓🚓🚓🚓🚓🚓🚓🚓🚓",
        "mallory@example.org",
        "A very long name of ASCII letters only that cannot stand on one line with its address after it",
    ] {
        let mail = mail_from(from(name, "alerts@midshire.example"), &reader(false), "Archivist");
        assert_eq!(
            shown(&mail),
            [
                (name.to_owned(), "alerts@midshire.example".to_owned()),
                (name.to_owned(), "team@midshire.example".to_owned())
            ]
        );
        let head = head_of(&mail);
        assert!(head.is_ascii());
        encoded_words_are_good(&head).unwrap();
    }
}

/// I03, M14: names of domains are in the form of the DNS wherever they stand.
#[test]
fn a_domain_of_other_letters_is_written_as_the_dns_has_it() {
    let sender = Sender {
        return_path: ReturnPath::new("bounce@polizei-münchen.example".parse().unwrap()).unwrap(),
        ..from("Polizei München", "alerts@Polizei-MÜNCHEN.example")
    };
    let domain = sender.from.address().domain().to_owned();
    assert_eq!(domain, "xn--polizei-mnchen-osb.example");
    let to = Recipient { address: "zoe@bücher.example".parse().unwrap(), ..reader(false) };
    let mail = mail_from(sender, &to, "Archivist");
    let head = head_of(&mail);
    assert!(head.is_ascii());
    for expected in [
        format!("<alerts@{domain}>\r\n"),
        "To: zoe@xn--bcher-kva.example\r\n".to_owned(),
        format!("List-Id: Vacancy alerts <alerts.{domain}>\r\n"),
        format!("@{domain}>\r\nList-Unsubscribe-Post"),
    ] {
        assert!(head.contains(&expected), "{expected} is not in {head}");
    }
    assert!(mail.envelope().from().unwrap().to_string().ends_with(&format!("@{domain}")));
    assert_eq!(mail.envelope().to()[0].to_string(), "zoe@xn--bcher-kva.example");
}

/// M07: only the address of somebody whose local part is not ASCII is written in UTF-8, and only in
/// their own mail.
#[test]
fn a_reader_whose_address_is_not_ascii_changes_nothing_but_to() {
    let to = Recipient { address: "zoë@example.org".parse().unwrap(), ..reader(false) };
    let plain = head_of(&mail_from(sender(), &reader(false), "Archivist"));
    let mail = mail_from(sender(), &to, "Archivist");
    assert_eq!(head_of(&mail), plain.replace("To: zoe@", "To: zoë@"));
    assert!(plain.is_ascii() && mail.envelope().from().unwrap().to_string().is_ascii());
    let body = mail.content().to_owned();
    assert!(body.split_once("\r\n\r\n").unwrap().1.is_ascii());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// I01: whatever a name that the configuration takes, and whatever a title, there is one sender,
    /// one reader and no other header.
    #[test]
    fn no_name_and_no_title_adds_anything(name in "\\PC{1,60}", title in "\\PC{1,80}") {
        prop_assume!(Mailbox::new(Some(&name), "a@b.example".parse().unwrap()).is_ok());
        prop_assume!(!name.trim().is_empty() && !title.trim().is_empty());
        prop_assume!(!crate::domain::text::has_placeholder(&format!("{name} {title}")));
        prop_assume!(!crate::domain::text::one_line(&title).is_empty());
        prop_assume!(!crate::domain::text::one_line(&name).is_empty());
        let mail = mail_from(from(&name, "alerts@midshire.example"), &reader(false), &title);
        let plain = compose(&reader(false), &[item("1", &bare("Archivist"), &["s"])]);
        let names = |mail: &Email| -> Vec<String> {
            let head = head_of(mail);
            let begins = head.split("\r\n").filter(|line| !line.starts_with(' '));
            begins.map(|line| line.split(':').next().unwrap().to_owned()).collect()
        };
        prop_assert_eq!(names(&mail), names(&plain));
        prop_assert_eq!(mail.envelope(), plain.envelope());
        let [(_, from), (_, reply_to)] = shown(&mail);
        prop_assert_eq!((from.as_str(), reply_to.as_str()), ("alerts@midshire.example", "team@midshire.example"));
        let head = head_of(&mail);
        prop_assert!(head.is_ascii());
        prop_assert!(head.split("\r\n").all(|line| line.len() <= longest(line)), "{}", head);
        encoded_words_are_good(&head)?;
    }
}
