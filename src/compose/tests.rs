//! Whole mails, as people read them.

mod accessible;
mod digests;
mod headers;
mod international;
mod kinds;
mod languages;
mod letters_to_people;
mod octets;
mod templates;

use std::sync::LazyLock;

use chrono_tz::Europe::London;
use uuid::Uuid;

use super::*;
use crate::domain::facts::{Closing, Facts, Pay, PayUnit};
use crate::domain::subject::Kind;
use crate::domain::truth::State;

fn sender() -> Sender {
    Sender {
        from: "Midshire Police Recruitment <alerts@midshire.example>".parse().unwrap(),
        reply_to: "Recruitment <recruitment@midshire.example>".parse().unwrap(),
        return_path: ReturnPath::new("bounce@alerts.midshire.example".parse().unwrap()).unwrap(),
        signers: vec![],
        token_keys: TokenKeys::parse(&"0f".repeat(32)).unwrap(),
        discreet_name: "Alerts".to_owned(),
        name: "Midshire Police".to_owned(),
        team: "Recruitment Team".to_owned(),
        postal_address: "1 Example Square, Midtown MX1 1AA".to_owned(),
        privacy_url: "https://careers.midshire.example/privacy".parse().unwrap(),
        public_url: "https://careers.midshire.example".parse().unwrap(),
        allowed_hosts: vec!["careers.force.example".to_owned()],
        zone: London,
    }
}

fn composer() -> &'static Composer {
    static COMPOSER: LazyLock<Composer> =
        LazyLock::new(|| Composer::new(sender(), Arc::new(Taxonomy::shipped()), None).unwrap());
    &COMPOSER
}

fn reader(discreet: bool) -> Recipient {
    let address = "zoe@example.org".parse().unwrap();
    Recipient { person: Uuid::from_u128(1), address, discreet, language: Language::EnGb }
}

fn now() -> DateTime<Utc> {
    "2024-04-05T09:02:40Z".parse().unwrap()
}

fn message_id() -> MessageId {
    MessageId::of(
        Uuid::from_u128(1),
        MailKind::VacancyAlert.name(),
        [("vacancy/1#1", 1)].into_iter(),
        "midshire.example",
    )
}

fn identity<'a>(message_id: &'a MessageId, thread: &'a [String]) -> Identity<'a> {
    Identity { key: 7, message_id, thread }
}

/// How long a line of a mail may be. A link in a header is not broken: RFC 5322, 2.1.1 lets a line
/// have 998 octets.
fn longest(line: &str) -> usize {
    if line.starts_with("List-Unsubscribe: <") || line.starts_with(" <mailto:") { 998 } else { 78 }
}

fn slugs(slugs: &[&str]) -> Vec<String> {
    slugs.iter().map(|&slug| slug.to_owned()).collect()
}

/// An advert that says nothing but its title.
fn bare(title: &str) -> Facts {
    Facts { title: title.to_owned(), ..Facts::blank(London) }
}

fn volunteer() -> Facts {
    Facts {
        employer: Some("Midshire Police".to_owned()),
        url: Some("https://careers.force.example/jobs/230000IR?a=1&b=2".to_owned()),
        contract_kind: slugs(&["volunteer"]),
        hours: slugs(&["part-time"]),
        locations: slugs(&["birmingham"]),
        site: Some("Perry Barr".to_owned()),
        ..bare("Custody facility volunteer")
    }
}

fn promotion() -> Facts {
    Facts {
        audience: slugs(&["serving-officer"]),
        contract_kind: slugs(&["permanent", "transfer-at-rank", "by-lottery"]),
        locations: slugs(&["west-midlands"]),
        grade_text: Some("Chief Superintendent".to_owned()),
        pay_text: Some("Chief Superintendent".to_owned()),
        closing: Closing::Date("2024-04-19".parse().unwrap()),
        ..bare("Chief Superintendent Promotion and Transfer at Rank")
    }
}

fn handler() -> Facts {
    Facts {
        url: Some("https://careers.force.example/jobs/240000CH".to_owned()),
        grade_text: Some("Band C".to_owned()),
        pay: Some(Pay { currency: "GBP".to_owned(), min: 2_990_700, max: 4_500_000, unit: PayUnit::Year }),
        closing: Closing::Instant("2024-04-12T11:00:00Z".parse().unwrap()),
        ..bare("Contact handler")
    }
}

/// A vacancy that somebody is told of.
#[derive(Clone)]
struct Vacancy {
    subject: Subject,
    truth: Truth,
    searches: Vec<String>,
    test: bool,
}

fn item(reference: &str, facts: &Facts, searches: &[&str]) -> Vacancy {
    let truth = Truth::new(State::Open, facts.clone());
    let subject = Subject { kind: Kind::Vacancy, reference: reference.to_owned(), test: false };
    Vacancy { subject, truth, searches: slugs(searches), test: false }
}

fn try_compose(to: &Recipient, vacancies: &[Vacancy]) -> Result<Email, ComposeError> {
    let items: Vec<Item<'_>> = vacancies
        .iter()
        .map(|vacancy| Item {
            subject: &vacancy.subject,
            truth: &vacancy.truth,
            told: None,
            notice: &Notice::Open,
            searches: vacancy.searches.iter().map(String::as_str).collect(),
            registration: None,
            no_longer_matches: false,
            perhaps_told: false,
            test: vacancy.test,
        })
        .collect();
    composer().mail(MailKind::VacancyAlert, to, identity(&message_id(), &[]), &items, now())
}

fn compose(to: &Recipient, vacancies: &[Vacancy]) -> Email {
    try_compose(to, vacancies).unwrap()
}

fn subject_of(facts: &Facts) -> String {
    compose(&reader(false), &[item("1", facts, &["s"])]).subject
}

/// How every mail of this file ends.
fn foot() -> String {
    let stop = Stop::new(&sender(), Uuid::from_u128(1), Some(7)).page;
    FOOT.replace("STOP", stop.as_str())
}

const FOOT: &str = "\
Correct when sent, 10:02am on Friday 5 April 2024. Check the advert for any change.

Stop receiving these emails: STOP
To change what you asked for, reply to this email and say so; a person reads it.

Midshire Police, Recruitment Team
1 Example Square, Midtown MX1 1AA
Privacy notice: https://careers.midshire.example/privacy
We never ask for money, bank details or documents by email.
";

const ONE: &str = "\
A new role matches your searches

Custody facility volunteer

No closing date is given; it can close at any time.

Employer: Midshire Police
Place: Perry Barr, Birmingham
Contract: Volunteer
Hours: Part-time
Pay not given
Reference: 230000IR

Why you got this: it matches your searches \"Volunteering near me\", \"Custody\" and \"Birmingham\".

Read the advert and apply
https://careers.force.example/jobs/230000IR?a=1&b=2

";

#[test]
fn one_vacancy() {
    let facts = volunteer();
    let mail = compose(
        &reader(false),
        &[item("230000IR", &facts, &["Volunteering near me", "Custody", "Birmingham"])],
    );
    assert_eq!(mail.subject, "New: Custody facility volunteer, Birmingham");
    assert_eq!(mail.text, format!("{ONE}{}", foot()));
    for expected in [
        "<title>New: Custody facility volunteer, Birmingham</title>",
        "<h1 style=\"margin:0;font-size:24px;line-height:30px\">\nA new role matches your searches\n</h1>",
        "<strong>No closing date is given; it can close at any time.</strong>",
        ">Perry Barr, Birmingham</td>",
        ">Not given</td>",
        "&quot;Volunteering near me&quot;, &quot;Custody&quot; and &quot;Birmingham&quot;",
        "href=\"https://careers.force.example/jobs/230000IR?a=1&amp;b=2\"",
        ">Read the advert and apply</a>",
    ] {
        assert!(mail.html.contains(expected), "{expected}\n{}", mail.html);
    }
    assert!(!mail.html.contains("\n\n"), "{}", mail.html);
}

/// I18: each item shows its own closing.
#[test]
fn several_vacancies_close_soonest_first() {
    let (volunteer, promotion, handler) = (volunteer(), promotion(), handler());
    let items = [
        item("230000IR", &volunteer, &["Near me"]),
        item("230000P0", &promotion, &["My \"best\" R&D <search>"]),
        item("240000CH", &handler, &["Near me"]),
    ];
    let mail = compose(&reader(false), &items);
    assert_eq!(mail.subject, "New: 3 roles that match your searches");
    let expected = "\
3 new roles match your searches

1. Contact handler

Closes at noon on Friday 12 April 2024, UK time.

Place not given
Pay: £29,907 to £45,000 a year
Grade: Band C
Reference: 240000CH

Why you got this: it matches your search \"Near me\".

Read the advert: Contact handler
https://careers.force.example/jobs/240000CH

2. Chief Superintendent Promotion and Transfer at Rank

Closes on Friday 19 April 2024. The advert gives no time, so do not leave it to the evening.

Place: West Midlands (force-wide)
Contract: Permanent, Transfer at rank, see the advert
Pay: Chief Superintendent
Who may apply: Serving officers of any force
Reference: 230000P0

Why you got this: it matches your search \"My \"best\" R&D <search>\".

Look for reference 230000P0 on https://careers.midshire.example/

3. Custody facility volunteer

No closing date is given; it can close at any time.

Employer: Midshire Police
Place: Perry Barr, Birmingham
Contract: Volunteer
Hours: Part-time
Pay not given
Reference: 230000IR

Why you got this: it matches your search \"Near me\".

Read the advert: Custody facility volunteer
https://careers.force.example/jobs/230000IR?a=1&b=2

";
    assert_eq!(mail.text, format!("{expected}{}", foot()));
    assert!(mail.html.contains("&quot;My &quot;best&quot; R&amp;D &lt;search&gt;&quot;"), "{}", mail.html);
}

#[test]
fn a_discreet_mail_differs_only_at_first_sight() {
    let facts = Facts { title: "Police constable".to_owned(), ..volunteer() };
    let items = [item("230000IR", &facts, &["Volunteering near me", "Custody", "Birmingham"])];
    let mail = compose(&reader(true), &items);
    let open = compose(&reader(false), &items);
    assert_eq!(mail.subject, "An update you asked for");
    assert_eq!((mail.headers.from.name(), mail.headers.reply_to.name()), (Some("Alerts"), None));
    assert_eq!(mail.headers.from.address(), open.headers.from.address());
    let (first, rest) = mail.text.split_once("\n\n").unwrap();
    assert_eq!(
        first,
        "An update you asked for. You chose emails that say little at first sight, so the details are further down."
    );
    assert_eq!(rest, open.text);
    let title = mail.html.split("<title>").nth(1).unwrap().split("</title>").next();
    assert_eq!(title, Some("An update you asked for"));
}

#[test]
fn a_test_says_so_at_top_and_bottom() {
    let facts = volunteer();
    let test = Vacancy { test: true, ..item("TEST1", &facts, &["s"]) };
    for (discreet, subject) in [
        (false, "[TEST] New: Custody facility volunteer, Birmingham"),
        (true, "[TEST] An update you asked for"),
    ] {
        let mail = compose(&reader(discreet), std::slice::from_ref(&test));
        assert_eq!(mail.subject, subject);
        let banner = "This is a test message. What it tells of is not real, so please do not act on it.";
        assert!(mail.text.starts_with(banner) && mail.text.trim_end().ends_with(banner));
        assert_eq!(mail.html.matches(banner).count(), 2);
    }
}

#[test]
fn a_subject_is_short_and_keeps_what_matters() {
    let at = |title: &str, places: &[&str]| subject_of(&Facts { locations: slugs(places), ..bare(title) });
    assert_eq!(
        at("Custody volunteer", &["birmingham", "coventry"]),
        "New: Custody volunteer, Birmingham and Coventry"
    );
    assert_eq!(at("Custody volunteer", &["birmingham", "atlantis"]), "New: Custody volunteer");
    assert_eq!(at("Custody volunteer", &[]), "New: Custody volunteer");
    assert_eq!(
        at("Reward and Benefits administration volunteer", &["wolverhampton"]),
        "New: Reward and Benefits administration volunteer"
    );
    assert_eq!(
        at("Reward and Benefits administration volunteer for the whole of the force", &["birmingham"]),
        "New: Reward and Benefits administration volunteer for the…"
    );
    let wide = at(&"警察".repeat(40), &[]);
    assert!(wide.len() <= 78 && wide.len() > 70, "{wide}");
}

#[test]
fn what_an_advert_does_not_say_is_not_said() {
    let facts = bare("Archivist");
    let text = compose(&reader(false), &[item("1", &facts, &[" \u{200B} "])]).text;
    let facts = "Place not given\nPay not given\nReference: 1\n\nWhy you got this: it matches one of your searches.\n";
    assert!(text.contains(facts), "{text}");
    let unknown =
        Facts { locations: slugs(&["atlantis"]), audience: slugs(&["mermaids"]), ..bare("Archivist") };
    let text = compose(&reader(false), &[item("1", &unknown, &["s"])]).text;
    assert!(
        text.contains("Place: see the advert\n") && text.contains("Who may apply: see the advert\n"),
        "{text}"
    );
}

#[test]
fn many_searches_are_counted_and_long_names_shortened() {
    let facts = bare("Archivist");
    let names: Vec<String> = (0..13).map(|n| format!("{n} {}", "long name ".repeat(8))).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let text = compose(&reader(false), &[item("1", &facts, &names)]).text;
    assert!(
        text.contains("\"9 long name long name long name long name long name long…\" and 3 more."),
        "{text}"
    );
    assert!(!text.contains("\"10 "), "{text}");
}

#[test]
fn links_to_different_pages_have_different_words() {
    let (one, two) = (handler(), handler());
    let text = compose(&reader(false), &[item("A", &one, &["s"]), item("B", &two, &["s"])]).text;
    for expected in ["Read the advert: Contact handler (A)\n", "Read the advert: Contact handler (B)\n"] {
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn a_mail_that_breaks_a_rule_is_held_back() {
    let refused = |items: &[Vacancy]| try_compose(&reader(false), items).unwrap_err().to_string();
    let plain = bare("Archivist");
    let unfilled = bare("Archivist {{grade}}");
    let insecure = Facts { url: Some("javascript:alert(1)".to_owned()), ..bare("Archivist") };
    let null = Facts { pay_text: Some("null".to_owned()), ..bare("Archivist") };
    for (items, expected) in [
        (vec![], "a mail tells of 1 to 20 openings, not of 0"),
        (vec![item("1", &plain, &["s"]); 21], "a mail tells of 1 to 20 openings, not of 21"),
        (vec![item("1", &plain, &[])], "the mail was held back: searches: it is missing or empty"),
        (vec![item("", &plain, &["s"])], "the mail was held back: Reference: it is missing or empty"),
        (
            vec![item("1", &unfilled, &["s"])],
            "the mail was held back: subject: a placeholder was not filled in; title: a placeholder was not filled in",
        ),
        (
            vec![item("1", &insecure, &["s"])],
            "the mail was held back: html: a link does not begin with https://",
        ),
        (
            vec![item("1", &null, &["s"])],
            "the mail was held back: Pay: a program's word for nothing stands where people expect a value",
        ),
    ] {
        assert_eq!(refused(&items), expected);
    }
}

#[test]
fn twenty_long_adverts_fit_into_one_mail() {
    let long = |text: &str| Some(text.repeat(8));
    let facts = Facts {
        employer: long("Midshire Police "),
        site: long("Riverside "),
        pay_text: long("Scale 3 to 5 "),
        ..Facts { title: "Senior archive assistant ".repeat(4), ..promotion() }
    };
    let items =
        vec![item("230000IR", &facts, &["Volunteering near me", "Custody", "Birmingham"]); MOST_ITEMS];
    assert!(compose(&reader(false), &items).html.len() < 60_000);
}
