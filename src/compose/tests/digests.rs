//! Digests: what they count, the order in which they tell, and what they never tell.

use chrono::Duration;

use super::*;
use crate::compose::samples;
use crate::domain::difference::Field;
use crate::domain::facts::{Attendance, Day, Programme};

/// Something that a digest may tell of.
#[derive(Clone)]
struct Piece {
    subject: Subject,
    truth: Truth,
    told: Option<Truth>,
    notice: Notice,
    searches: Vec<String>,
}

impl Piece {
    fn new(kind: Kind, reference: &str, facts: Facts) -> Self {
        let truth = Truth { opened_at: Some(at("2024-04-04T09:00:00Z")), ..Truth::new(State::Open, facts) };
        let subject = Subject { kind, reference: reference.to_owned(), test: false };
        Self { subject, truth, told: None, notice: Notice::Open, searches: slugs(&["Near me"]) }
    }

    fn item(&self) -> Item<'_> {
        let at = at("2024-04-02T07:00:00Z");
        Item {
            subject: &self.subject,
            truth: &self.truth,
            told: self.told.as_ref().map(|truth| Told { truth, phase: truth.phase(at), at, reminded: false }),
            notice: &self.notice,
            searches: self.searches.iter().map(String::as_str).collect(),
            registration: None,
            no_longer_matches: false,
            perhaps_told: false,
            test: false,
        }
    }

    /// Its pay is not what was told.
    fn changed(mut self) -> Self {
        let mut told = self.truth.clone();
        told.facts.pay_text = Some("Scale 2".to_owned());
        self.truth.facts.pay_text = Some("Scale 3".to_owned());
        Self { told: Some(told), notice: Notice::Corrected(vec![Field::Pay]), ..self }
    }

    /// It shut before anybody was told.
    fn gone(mut self) -> Self {
        self.truth.state = State::Closed;
        self.truth.shut_at = Some(at("2024-04-04T16:00:00Z"));
        Self { notice: Notice::Missed, ..self }
    }
}

fn at(moment: &str) -> DateTime<Utc> {
    moment.parse().unwrap()
}

fn role(reference: &str, closing: Closing) -> Piece {
    let title = format!("Clerk {reference}");
    Piece::new(Kind::Vacancy, reference, Facts { closing, ..bare(&title) })
}

/// A role that closes within two days.
fn urgent(reference: &str) -> Piece {
    role(reference, Closing::Instant(at("2024-04-06T11:00:00Z")))
}

fn lasting(reference: &str) -> Piece {
    role(reference, Closing::Instant(at("2024-04-19T11:00:00Z")))
}

fn route() -> Piece {
    let facts = Facts {
        closing: Closing::Date("2024-04-19".parse().unwrap()),
        programme: Some(Programme::default()),
        ..bare("Police constable: degree-holder entry programme")
    };
    Piece::new(Kind::Programme, "pc-dhep", facts)
}

/// A day whose bookings end within two days.
fn event_day(reference: &str) -> Piece {
    let day = Day {
        starts_at: at("2024-04-13T09:30:00Z"),
        ends_at: None,
        attendance: Attendance::Offline,
        place: Some("Wolverhampton".to_owned()),
        free: None,
        capacity: None,
        full: false,
        access: None,
    };
    let title = format!("Taster evening {reference}");
    let closing = Closing::Instant(at("2024-04-06T16:00:00Z"));
    Piece::new(Kind::EventDay, reference, Facts { closing, day: Some(day), ..bare(&title) })
}

fn try_digest(pieces: &[Piece], rest: usize) -> Result<Email, ComposeError> {
    let items = pieces.iter().map(Piece::item).collect();
    let digest = Digest { items, soon: now() + Duration::days(2), rest };
    composer().digest(&reader(false), identity(&message_id(), &[]), &digest, now())
}

fn digest(pieces: &[Piece], rest: usize) -> Email {
    try_digest(pieces, rest).unwrap()
}

/// The subject, the headline and the summary of a digest of these.
fn first_words(pieces: &[&Piece], rest: usize) -> [String; 3] {
    let pieces: Vec<Piece> = pieces.iter().map(|&piece| piece.clone()).collect();
    let mail = digest(&pieces, rest);
    let (headline, rest) = mail.text.split_once("\n\n").unwrap();
    let next = rest.lines().next().unwrap();
    let begins = ["Closing soon", "New", "Changed", "Opened and closed"].contains(&next);
    [mail.subject, headline.to_owned(), if begins { String::new() } else { next.to_owned() }]
}

#[test]
fn first_words_count_what_there_is() {
    let (soon, new) = (urgent("1"), lasting("2"));
    let (changed, gone) = (lasting("3").changed(), lasting("4").gone());
    for (words, expected) in [
        (
            first_words(&[&soon, &soon, &new, &new, &new, &new], 0),
            ["6 roles for you, 2 close soon", "Six roles for you", "Two close soon. Four are new."],
        ),
        (
            first_words(&[&soon, &new, &changed, &gone], 8),
            [
                "11 roles for you, 1 closes soon, 1 has changed",
                "11 roles for you",
                "One closes soon. One is new. One has changed since we wrote. One opened and closed before this email. Eight more are on our pages.",
            ],
        ),
        (
            first_words(&[&new, &new, &changed], 0),
            [
                "3 roles for you, 1 has changed",
                "Three roles for you",
                "Two are new. One has changed since we wrote.",
            ],
        ),
        (
            first_words(&[&soon, &soon], 0),
            ["2 roles for you, both close soon", "Two roles for you, both close soon", ""],
        ),
        (first_words(&[&new, &new, &new], 0), ["3 roles for you", "Three roles for you, all new", ""]),
        (first_words(&[&new], 0), ["1 role for you: Clerk 2", "One new role for you", ""]),
        (
            first_words(&[&soon], 0),
            ["1 role for you closes soon: Clerk 1", "One role for you closes soon", ""],
        ),
        (
            first_words(&[&soon], 1),
            [
                "2 roles for you, 1 closes soon",
                "Two roles for you",
                "One closes soon. One more is on our pages.",
            ],
        ),
        (
            first_words(&[&gone], 1),
            [
                "1 role for you",
                "One role for you",
                "One opened and closed before this email. One more is on our pages.",
            ],
        ),
        (first_words(&[&changed], 0), ["Changed: Clerk 3", "One role you asked about has changed", ""]),
        (
            first_words(&[&changed, &changed, &gone], 0),
            [
                "Changes to 2 roles you asked about",
                "Two roles you asked about have changed",
                "Two have changed since we wrote. One opened and closed before this email.",
            ],
        ),
        (
            first_words(&[&gone], 0),
            ["Opened and closed: Clerk 4", "One role opened and closed before this email", ""],
        ),
        (
            first_words(&[&gone, &gone], 0),
            ["2 roles opened and closed", "Two roles opened and closed before this email", ""],
        ),
    ] {
        assert_eq!(words, expected);
    }
}

#[test]
fn first_words_say_what_it_is_that_is_counted() {
    let (soon, route, day) = (urgent("1"), route(), event_day("5"));
    let mut later = day.clone();
    later.truth.facts.closing = Closing::OpenUntilFilled;
    for (words, expected) in [
        (
            first_words(&[&route], 0),
            ["1 route for you: Police constable: degree-holder entry…", "One new route for you", ""],
        ),
        (
            first_words(&[&route, &soon], 0),
            [
                "2 things you asked about, 1 closes soon",
                "Two things you asked about",
                "One closes soon. One is new.",
            ],
        ),
        (
            first_words(&[&day], 0),
            [
                "1 event day for you, bookings end soon: Taster evening 5",
                "Bookings for one event day end soon",
                "",
            ],
        ),
        (
            first_words(&[&day, &later], 0),
            [
                "2 event days for you, bookings for 1 end soon",
                "Two event days for you",
                "Bookings for one end soon. One is new.",
            ],
        ),
    ] {
        assert_eq!(words, expected);
    }
}

/// Closed things never stand among live ones; within a part, what closes first comes first.
#[test]
fn parts_stand_in_order_and_what_closes_first_stands_first() {
    let pieces = [
        lasting("1").gone(),
        lasting("2").changed(),
        role("3", Closing::OpenUntilFilled),
        lasting("4"),
        event_day("5"),
        route().gone(),
        urgent("6"),
        role("7", Closing::Date("2024-04-12".parse().unwrap())),
    ];
    let mail = digest(&pieces, 3);
    let order = [
        "Closing soon",
        "1. Clerk 6",
        "2. Taster evening 5",
        "New",
        "3. Clerk 7",
        "4. Clerk 4",
        "5. Clerk 3",
        "Changed",
        "6. Clerk 2",
        "Opened and closed",
        "7. Clerk 1",
        "8. Police constable: degree-holder entry programme",
        "To hear at once next time",
        "To hear of a route before it opens",
        "There are 3 more things that match. See them all: https://",
        "Correct when sent",
    ];
    let found: Vec<_> = order.iter().map(|line| mail.text.find(&format!("\n{line}")).expect(line)).collect();
    assert!(found.is_sorted(), "{}", mail.text);
    let tags = mail.html.match_indices("<h").map(|(index, _)| &mail.html[index..index + 3]);
    let headings: Vec<&str> = tags.filter(|tag| tag.ends_with(['1', '2', '3'])).collect();
    assert_eq!(headings[..5], ["<h1", "<h2", "<h3", "<h3", "<h2"]);
    let (_, closed) = mail.text.split_once("\nOpened and closed\n").unwrap();
    for word in ["Read ", "Look for", "Closes", "apply"] {
        assert!(!closed.contains(word), "{word} in {closed}");
    }
    assert!(
        closed.contains("The role opened at 10am and closed at 5pm on Thursday 4 April 2024.\n"),
        "{closed}"
    );
}

/// I13, I18.
#[test]
fn each_live_item_says_its_own_closing() {
    let day: chrono::NaiveDate = "2024-04-12".parse().unwrap();
    let mut full = event_day("5");
    full.truth.facts.day.as_mut().unwrap().full = true;
    let mut over = event_day("6");
    over.truth.facts.closing = Closing::Instant(at("2024-04-05T08:00:00Z"));
    let mut not_open = route();
    not_open.truth.state = State::Scheduled;
    not_open.truth.opened_at = None;
    not_open.truth.facts.closing = Closing::OpenUntilFilled;
    for (piece, said) in [
        (urgent("1"), "Closes at noon on Saturday 6 April 2024, UK time.\n"),
        (
            role("2", Closing::Date(day)),
            "Closes on Friday 12 April 2024. The advert gives no time, so do not leave it to the evening.\n",
        ),
        (
            role("3", Closing::CloseOfBusiness(day)),
            "Closes at the end of the working day on Friday 12 April 2024.\n",
        ),
        (role("4", Closing::OpenUntilFilled), "No closing date is given; it can close at any time.\n"),
        (route().changed(), "Closes on Friday 19 April 2024."),
        (event_day("5"), "Book by 5pm on Saturday 6 April 2024.\n"),
        (full, "All places are taken at the moment.\n"),
        (over, "Bookings closed at 9am on Friday 5 April 2024.\n"),
    ] {
        let mail = digest(&[piece.clone(), lasting("9")], 0);
        assert!(mail.text.contains(said), "{}", mail.text);
    }
    let text = digest(&[not_open.changed()], 0).text;
    assert!(!text.contains("clos"), "{text}");
}

#[test]
fn what_is_missing_is_said_once() {
    let text = digest(&[lasting("1")], 0).text;
    assert!(text.contains("\nReference: 1; Not given: place and pay\n"), "{text}");
}

#[test]
fn titles_that_are_links_differ() {
    let (mut one, mut other) = (lasting("1"), lasting("2"));
    for piece in [&mut one, &mut other] {
        "Clerk".clone_into(&mut piece.truth.facts.title);
        piece.truth.facts.url =
            Some(format!("https://careers.force.example/jobs/{}", piece.subject.reference));
    }
    let mail = digest(&[one, other], 0);
    for title in [">Clerk (1)</a>", ">Clerk (2)</a>"] {
        assert!(mail.html.contains(title), "{}", mail.html);
    }
    assert!(
        mail.text.contains("\n1. Clerk (1)\n")
            && mail.text.contains("\nRead the advert: Clerk (1)\nhttps://")
    );
}

#[test]
fn what_is_not_so_is_held_back() {
    let change = |mut piece: Piece, change: fn(&mut Piece)| {
        change(&mut piece);
        piece
    };
    let shut = change(urgent("1"), |piece| {
        piece.truth.facts.closing = Closing::Instant(at("2024-04-05T08:00:00Z"));
    });
    for (piece, findings) in [
        (shut.clone(), "times: what is told as to come is past"),
        (Piece { notice: Notice::Missed, ..lasting("1") }, "times: the door does not stand as is told"),
        (Piece { notice: Notice::Withdrawn, ..lasting("1") }, "times: the door does not stand as is told"),
        (
            change(lasting("1"), |piece| piece.truth.state = State::Scheduled),
            "times: the door does not stand as is told",
        ),
        (Piece { told: None, ..lasting("1").changed() }, "what was told: it is missing or empty"),
        (
            change(lasting("1").changed(), |piece| piece.notice = Notice::Corrected(vec![])),
            "what was told: it is missing or empty",
        ),
        (Piece { searches: vec![], ..lasting("1") }, "searches: it is missing or empty"),
    ] {
        let held = try_digest(&[lasting("2"), piece], 0).unwrap_err();
        assert_eq!(held.to_string(), format!("the mail was held back: {findings}"));
    }
    let born_shut = change(shut.clone(), |piece| piece.notice = Notice::Missed);
    let born_shut = change(born_shut, |piece| piece.truth.opened_at = Some(at("2024-04-05T08:30:00Z")));
    let text = digest(&[born_shut], 0).text;
    assert!(text.contains("The role was put up after its closing time."), "{text}");
    let just_shut = change(shut, |piece| {
        piece.truth.facts.closing = Closing::Instant(at("2024-04-05T09:00:00Z"));
    });
    assert_eq!(digest(&[just_shut], 0).subject, "1 role for you closes soon: Clerk 1");
    let none = try_digest(&[], 5).unwrap_err();
    assert_eq!(none.to_string(), "a mail tells of 1 to 20 openings, not of 0");
}

/// SUB-14.
#[test]
fn all_that_can_be_seen_stands_in_the_text() {
    for sample in samples::all().iter().filter(|sample| sample.kind == MailKind::Digest) {
        let digest = Digest { items: sample.items(), soon: sample.soon, rest: sample.rest };
        let mail = composer()
            .digest(&reader(sample.discreet), identity(&message_id(), &[]), &digest, sample.now)
            .unwrap();
        let joined = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let text = joined(&mail.text);
        let (_, body) = mail.html.split_once("<body").unwrap();
        for piece in body.split('<').filter_map(|piece| piece.split_once('>')).map(|(_, words)| joined(words))
        {
            let piece = piece.replace("&quot;", "\"");
            assert!(text.contains(piece.trim_end_matches('.')), "{piece} is not in {}", mail.text);
        }
    }
}

#[test]
fn the_longest_digest_is_small_enough() {
    let long = |text: &str| Some(text.repeat(8));
    let searches: Vec<String> = (0..10).map(|n| format!("{n} {}", "R&D near me ".repeat(5))).collect();
    let rich = |reference: usize| {
        let facts = Facts {
            employer: long("Midshire Police "),
            url: Some(format!(
                "https://careers.force.example/vacancies/{}?a=1&b=2&reference={reference}",
                "long-name-".repeat(10)
            )),
            site: long("Riverside & Park "),
            pay_text: long("Scale 3 to 5 & more "),
            hours: slugs(&["full-time", "part-time"]),
            audience: slugs(&["serving-officer", "serving-staff"]),
            closing: Closing::Date("2024-04-19".parse().unwrap()),
            ..Facts { title: "Senior archive & records assistant ".repeat(4), ..promotion() }
        };
        let piece = Piece::new(Kind::Vacancy, &format!("230000{reference}"), facts);
        Piece { searches: searches.clone(), ..piece }
    };
    let changed = |reference: usize| {
        let mut piece = rich(reference).changed();
        if let Some(told) = &mut piece.told {
            told.facts.closing = Closing::Date("2024-04-26".parse().unwrap());
            told.facts.site = long("Hillside & Lake ");
            told.facts.locations = slugs(&["birmingham", "coventry", "wolverhampton"]);
        }
        Piece { notice: Notice::Corrected(vec![Field::Closing, Field::Place, Field::Pay]), ..piece }
    };
    let new: Vec<Piece> = (0..MOST_ITEMS).map(rich).collect();
    let all_changed: Vec<Piece> = (0..MOST_ITEMS).map(changed).collect();
    for pieces in [new, all_changed] {
        let mail = digest(&pieces, 300);
        assert!(mail.html.len() < 60_000, "{}", mail.html.len());
    }
}

/// M7: the day by the clocks of the place, the time only where it was given.
#[test]
fn a_reminder_says_when_it_closes() {
    let on: chrono::NaiveDate = "2024-04-06".parse().unwrap();
    for (closing, when, subject, line) in [
        (
            Closing::Instant(at("2024-04-06T11:00:00Z")),
            "2024-04-05T09:00:00Z",
            "Closes tomorrow at noon: Degree-holder entry",
            "Applications close at noon tomorrow, Saturday 6 April 2024.",
        ),
        (
            Closing::Instant(at("2024-04-05T16:00:00Z")),
            "2024-04-05T09:00:00Z",
            "Closes today at 5pm: Degree-holder entry",
            "Applications close at 5pm today, Friday 5 April 2024.",
        ),
        (
            Closing::Instant(at("2024-04-07T23:00:00Z")),
            "2024-04-06T23:30:00Z",
            "Closes today at 11:59pm: Degree-holder entry",
            "Applications close at 11:59pm today, Sunday 7 April 2024.",
        ),
        (
            Closing::Date(on),
            "2024-04-05T09:00:00Z",
            "Closes tomorrow: Degree-holder entry",
            "Applications close tomorrow, Saturday 6 April 2024.",
        ),
        (
            Closing::CloseOfBusiness(on),
            "2024-04-06T09:00:00Z",
            "Closes today: Degree-holder entry",
            "Applications close at the end of the working day today, Saturday 6 April 2024.",
        ),
        (
            Closing::Instant(at("2024-04-12T11:00:00Z")),
            "2024-04-05T09:00:00Z",
            "Closes on Friday 12 April: Degree-holder entry",
            "Applications close at noon on Friday 12 April 2024.",
        ),
    ] {
        let mut piece = route();
        piece.truth.facts.closing = closing;
        let piece = Piece { notice: Notice::ClosingSoon, told: Some(piece.truth.clone()), ..piece };
        let mail = composer()
            .mail(
                MailKind::ClosingSoon,
                &reader(false),
                identity(&message_id(), &[]),
                &[piece.item()],
                at(when),
            )
            .unwrap();
        assert_eq!(mail.subject, subject);
        assert!(mail.text.contains(line), "{}", mail.text);
    }
}

#[test]
fn a_reminder_needs_a_closing_and_follows_what_was_told() {
    let reminded = |closing, told: bool| {
        let mut piece = route();
        piece.truth.facts.closing = closing;
        let told = told.then(|| piece.truth.clone());
        let piece = Piece { notice: Notice::ClosingSoon, told, ..piece };
        let items = [piece.item()];
        composer()
            .mail(MailKind::ClosingSoon, &reader(false), identity(&message_id(), &[]), &items, now())
            .unwrap_err()
            .to_string()
    };
    let noon = Closing::Instant(at("2024-04-06T11:00:00Z"));
    assert_eq!(reminded(noon, false), "the mail was held back: what was told: it is missing or empty");
    assert_eq!(
        reminded(Closing::OpenUntilFilled, true),
        "the mail was held back: closing: it is missing or empty"
    );
}
