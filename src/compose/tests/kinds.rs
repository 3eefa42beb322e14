//! Every kind of mail, from the samples.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::compose::samples::{self, Sample};
use crate::domain::difference::Field;
use crate::domain::facts::When;

fn written(sample: &Sample, discreet: bool) -> Email {
    with_items(sample, discreet, sample.items())
}

/// The mail of a sample that tells of something else.
fn with_items(sample: &Sample, discreet: bool, items: Vec<Item<'_>>) -> Email {
    let told = items.iter().map(|item| (item.subject.reference.as_str(), 1));
    let id = MessageId::of(Uuid::from_u128(1), sample.kind.name(), told, "midshire.example");
    let thread = ["<first@midshire.example>".to_owned(), "<second@midshire.example>".to_owned()];
    let mail = match sample.kind {
        MailKind::Digest => {
            let digest = Digest { items, soon: sample.soon, rest: sample.rest };
            composer().digest(&reader(discreet), identity(&id, &[]), &digest, sample.now)
        }
        kind => composer().mail(kind, &reader(discreet), identity(&id, &thread), &items, sample.now),
    };
    mail.unwrap_or_else(|error| panic!("{} {}: {error}", sample.kind.name(), sample.name))
}

fn named() -> Vec<Sample> {
    samples::all().into_iter().filter(|sample| !sample.name.is_empty()).collect()
}

/// `UPDATE_GOLDEN=1` writes the files anew; read the difference before you keep it.
#[test]
fn whole_mails_are_golden() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/mails");
    let mut differences = Vec::new();
    for sample in named() {
        let mail = written(&sample, false);
        let octets = mail.content().replace("\r\n", "\n");
        let headers = octets.split_once("\n\n").unwrap().0.to_owned() + "\n";
        let mut parts = vec![("headers.txt", headers), ("txt", mail.text), ("html", mail.html)];
        if let Some(file) = octets.find("Content-Type: text/calendar") {
            parts.push(("ics.txt", octets[file..].to_owned()));
        }
        for (ending, found) in parts {
            let path = folder.join(format!("{}.{ending}", sample.name));
            if std::env::var_os("UPDATE_GOLDEN").is_some() {
                std::fs::write(&path, found).unwrap();
            } else if std::fs::read_to_string(&path).unwrap_or_default() != found {
                differences.push(format!("{}:\n{found}", path.display()));
            }
        }
    }
    assert!(differences.is_empty(), "differs: {}", differences.join("\n"));
}

/// A mail as a person sees it who reads all of it.
fn whole(mail: &Email) -> String {
    format!("{}\n{}\n{}", mail.subject, mail.text, mail.html)
}

/// I12, and the *never* list of each kind.
#[test]
fn each_kind_says_its_blocks_and_never_what_it_must_not() {
    const APPLY: &[&str] = &["apply</a>", "and apply\n", "Read the advert"];
    const RECEIPT: &str = "Registering does not start an application.";
    for sample in samples::all() {
        let text = whole(&written(&sample, sample.discreet));
        let (must, never): (&[&str], &[&str]) = match sample.kind {
            MailKind::OpeningDate => (&[RECEIPT, "We will write"], &["apply</a>"]),
            MailKind::OpenNow => (
                &[RECEIPT, "If you have applied already, you need do nothing", "You can apply from now"],
                &["We recommend", "Pay"],
            ),
            MailKind::ClosingSoon => {
                (&["Allow an hour", "ignore this email"], &["last chance", "You can apply"])
            }
            MailKind::Digest => (&["Correct when sent"], &["null", "sorry", "apply</a>", "Pay not given"]),
            MailKind::Missed => (
                &["We are sorry", "opened", "To complain", "recruitment@midshire.example"],
                &[APPLY[0], APPLY[1], APPLY[2], "careers.force.example", "high demand"],
            ),
            MailKind::ClosedEarly => {
                (&["It closed at"], &[APPLY[0], APPLY[1], APPLY[2], "careers.force.example", "sorry"])
            }
            MailKind::Withdrawn => (
                &["There is nothing you need to do"],
                &[APPLY[0], APPLY[1], APPLY[2], "careers.force.example"],
            ),
            MailKind::Correction => (&["we wrote that", "Nothing else has changed."], &["sorry"]),
            MailKind::ProgrammeChanged => (&["This route"], &["careers.force.example", "will open again"]),
            MailKind::EventDay => (&["When"], &["because you are", "helps your application", "who you are"]),
            MailKind::EventDayChanged => (&["When", "If you booked"], &["because you are"]),
            MailKind::VacancyAlert => (&["Reference"], &["null"]),
        };
        let called_off = text.contains("It has been called off.");
        for block in must.iter().chain(&[
            "Stop receiving these emails: https://",
            ">Stop receiving these emails</a>",
            "Why you got this: ",
        ]) {
            let spared = (called_off && *block == "When")
                || (*block == "If you booked" && text.contains("There are places again"));
            assert!(
                text.contains(block) || spared,
                "{} {}: {block}\n{text}",
                sample.kind.name(),
                sample.name
            );
        }
        for word in never.iter().chain(&["hurry", "Hurry", "last chance", "midnight", "12pm,", "click here"])
        {
            assert!(!text.contains(word), "{} {}: {word}\n{text}", sample.kind.name(), sample.name);
        }
    }
}

/// SUB-11.
#[test]
fn a_discreet_mail_of_any_kind_tells_nothing_at_first_sight() {
    for sample in samples::all() {
        let mail = written(&sample, true);
        let test = if sample.items()[0].test { "[TEST] " } else { "" };
        let expected = match sample.kind {
            MailKind::Correction => format!("{test}Correction: an update you asked for"),
            _ => format!("{test}An update you asked for"),
        };
        assert_eq!(mail.subject, expected);
        let calendar = mail.content().to_owned();
        let calendar = calendar.split_once("BEGIN:VCALENDAR").map_or("", |(_, calendar)| calendar);
        let seen = format!(
            "{} {} {} {calendar}",
            mail.subject,
            mail.headers.from.name().unwrap(),
            mail.text.lines().next().unwrap()
        );
        let seen = seen.replace("@midshire.example", "").to_lowercase();
        for telling in ["police", "constable", "officer", "recruit", "vacanc", "midshire", "careers."] {
            assert!(!seen.contains(telling), "{telling} in {seen}");
        }
    }
}

/// I25, and the lists.
#[test]
fn what_follows_up_stands_in_the_thread() {
    for sample in samples::all() {
        let mail = written(&sample, false);
        let octets = mail.content().to_owned();
        let (headers, _) = octets.split_once("\r\n\r\n").unwrap();
        let thread = "In-Reply-To: <second@midshire.example>\r\n\
                      References: <first@midshire.example> <second@midshire.example>\r\n";
        assert_eq!(headers.contains(thread), sample.kind.follows_up(), "{headers}");
        let kinds: BTreeSet<_> = sample.items().iter().map(|item| item.subject.kind).collect();
        let list = match kinds.iter().next() {
            _ if kinds.len() > 1 => "List-Id: Vacancy alerts <alerts.midshire.example>\r\n",
            None | Some(Kind::Vacancy) => "List-Id: Vacancy alerts <alerts.midshire.example>\r\n",
            Some(Kind::Programme) => "List-Id: Doors <doors.midshire.example>\r\n",
            Some(Kind::EventDay) => "List-Id: Days <days.midshire.example>\r\n",
        };
        assert!(headers.contains(list), "{headers}");
        let correction = mail.subject.trim_start_matches("[TEST] ").starts_with("Correction:");
        assert_eq!(correction, sample.kind == MailKind::Correction, "{}", mail.subject);
        let dated = mail.text.contains("opens.ics");
        assert_eq!(octets.contains("Content-Type: text/calendar"), dated);
        assert!(mail.subject.chars().count() < 60, "{}", mail.subject);
        let lines: Vec<&str> = octets.split("\r\n").collect();
        assert!(lines.iter().all(|line| line.len() <= longest(line) && !line.contains(['\r', '\n'])));
    }
}

/// N41: whatever a title says, a mail has one reader and its own headers.
#[test]
fn a_hostile_title_adds_nothing() {
    for title in [
        "Constable\r\nBcc: mallory@example.org\r\n\r\nHello",
        "<script>alert(1)</script></title><img src=x>",
        &"Donaudampfschifffahrt".repeat(20),
        "hurry hurry hurry, the last chance, guaranteed by 8 December 2023",
    ] {
        for sample in samples::all() {
            let truths: Vec<Truth> = sample
                .items()
                .iter()
                .map(|item| {
                    let facts = Facts {
                        title: title.to_owned(),
                        site: Some(title.to_owned()),
                        ..item.truth.facts.clone()
                    };
                    let explanation = Some(title.to_owned());
                    Truth { facts, explanation, replaced_by: Some(title.to_owned()), ..item.truth.clone() }
                })
                .collect();
            let items: Vec<Item<'_>> =
                sample.items().into_iter().zip(&truths).map(|(item, truth)| Item { truth, ..item }).collect();
            let mail = with_items(&sample, false, items);
            let octets = mail.content().to_owned();
            assert!(!octets.contains("\nBcc"), "{octets}");
            assert!(!mail.html.contains("<script>") && !mail.html.contains("<img"));
            assert!(mail.subject.chars().count() < 60 && mail.subject.len() <= 78, "{}", mail.subject);
        }
    }
}

/// N42.
#[test]
fn a_link_to_a_foreign_host_is_held_back() {
    let facts = Facts { url: Some("https://elsewhere.example/".to_owned()), ..bare("Archivist") };
    assert_eq!(
        try_compose(&reader(false), &[item("1", &facts, &["s"])]).unwrap_err().to_string(),
        "the mail was held back: html: a link leads to a host that links.allowed_hosts does not name"
    );
}

/// A door that shuts before it opens, and an opening that is long past, are mistakes of the source.
#[test]
fn impossible_times_are_held_back() {
    let sample = samples::all().into_iter().find(|sample| sample.name == "opening-date").unwrap();
    let [item] = &sample.items()[..] else { panic!("one item") };
    for (opens, rule) in [
        ("2024-03-20T10:00:00Z", "times: it closes before it opens"),
        ("2024-02-19T08:00:00Z", "times: what is told as to come is past"),
    ] {
        let mut truth = item.truth.clone();
        truth.facts.opens = Some(When::Instant(opens.parse().unwrap()));
        let items = [Item { truth: &truth, ..item.clone() }];
        let held = composer()
            .mail(sample.kind, &reader(false), identity(&message_id(), &[]), &items, sample.now)
            .unwrap_err();
        assert_eq!(held.to_string(), format!("the mail was held back: {rule}"));
    }
}

/// What is said of an opening follows its precision (I13).
#[test]
fn closings_are_as_precise_as_they_were_given() {
    let sample = samples::all().into_iter().find(|sample| sample.name == "open-now").unwrap();
    let [item] = &sample.items()[..] else { panic!("one item") };
    for (closing, subject, line) in [
        (
            Closing::Date("2024-03-19".parse().unwrap()),
            "Now open: Degree-holder entry, until 19 March",
            "Closes: Tuesday 19 March 2024. The advert gives no time, so do not leave it to the evening.",
        ),
        (
            Closing::CloseOfBusiness("2024-03-19".parse().unwrap()),
            "Now open: Degree-holder entry, until 19 March",
            "You can apply from now until the end of the working day on Tuesday 19 March 2024.",
        ),
        (
            Closing::OpenUntilFilled,
            "Now open: Degree-holder entry",
            "Closes: No closing date is given; it can close at any time.",
        ),
    ] {
        let mut truth = item.truth.clone();
        truth.facts.closing = closing;
        let items = [Item { truth: &truth, ..item.clone() }];
        let mail = composer()
            .mail(sample.kind, &reader(false), identity(&message_id(), &[]), &items, sample.now)
            .unwrap();
        assert_eq!(mail.subject, subject);
        assert!(mail.text.contains(line), "{}", mail.text);
    }
}

/// The subject says what became of the day.
#[test]
fn a_day_that_changed_says_how() {
    let sample = samples::all().into_iter().find(|sample| sample.name == "event-day-moved").unwrap();
    let [item] = &sample.items()[..] else { panic!("one item") };
    let told = item.told.unwrap();
    let subject = |fields: &[Field], change: fn(&mut Facts)| {
        let mut truth = told.truth.clone();
        change(&mut truth.facts);
        let notice = Notice::Corrected(fields.to_vec());
        let items = [Item { truth: &truth, notice: &notice, ..item.clone() }];
        composer()
            .mail(sample.kind, &reader(false), identity(&message_id(), &[]), &items, sample.now)
            .unwrap()
            .subject
    };
    for (said, expected) in [
        (
            subject(&[Field::Day], |facts| {
                facts.day.as_mut().unwrap().starts_at = "2024-02-17T14:00:00Z".parse().unwrap();
            }),
            "Now at 2pm: Discovery day in Wolverhampton",
        ),
        (
            subject(&[Field::Place], |facts| {
                facts.day.as_mut().unwrap().place = Some("Coventry".to_owned());
            }),
            "Moved to Coventry: Discovery day",
        ),
        (
            subject(&[Field::Closing], |facts| facts.closing = Closing::Date("2024-02-13".parse().unwrap())),
            "Book by 13 February: Discovery day in Wolverhampton",
        ),
        (
            subject(&[Field::Full], |facts| facts.day.as_mut().unwrap().full = true),
            "Full: Discovery day in Wolverhampton",
        ),
    ] {
        assert_eq!(said, expected);
    }
}

/// The subject of a correction of one thing says both values where there is room.
#[test]
fn a_correction_says_what_is_right_and_what_was_wrong() {
    let sample = samples::all().into_iter().find(|sample| sample.name == "correction").unwrap();
    let [item] = &sample.items()[..] else { panic!("one item") };
    let told = item.told.unwrap();
    let noon = Closing::Instant("2023-12-04T12:00:00Z".parse().unwrap());
    let five = Closing::Instant("2023-12-04T17:00:00Z".parse().unwrap());
    for (was, is, subject) in [
        (five, noon, "Correction: closing time is noon, not 5pm"),
        (Closing::OpenUntilFilled, noon, "Correction: closing date is 4 December"),
        (noon, Closing::OpenUntilFilled, "Correction: no closing date is given"),
    ] {
        let (mut old, mut new) = (told.truth.clone(), item.truth.clone());
        old.facts.closing = was;
        new.facts.closing = is;
        let items = [Item { truth: &new, told: Some(Told { truth: &old, ..told }), ..item.clone() }];
        let mail = composer()
            .mail(sample.kind, &reader(false), identity(&message_id(), &[]), &items, sample.now)
            .unwrap();
        assert_eq!(mail.subject, subject);
        assert!(mail.text.contains("On Friday 24 November 2023 we wrote that "), "{}", mail.text);
    }
}
