//! English: what the translated kinds of mail say. Times, money and lists are in
//! [`words`].

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;

use crate::compose::tongue::{Deed, Fact, Lexicon, Tongue};
use crate::compose::words;
use crate::domain::facts::{Closing, Pay, When};
use crate::domain::letter::Letter;
use crate::domain::subject::Kind;

#[derive(Debug)]
pub(super) struct English;

const LEXICON: Lexicon = Lexicon {
    months: [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
    weekdays: ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
    banned: &["last chance", "guaranteed", "act now", "hurry", "don't miss", "do not miss", "close of play"],
    unstylish: &["!", "please note", "click here"],
    ambiguous_times: &["midnight", "12am", "12pm"],
    empty_links: &["here", "click here"],
    until: &["until ", " close ", "book by "],
    telling: &["police", "constable", "officer", "recruit", "vacanc"],
};

impl Tongue for English {
    fn lexicon(&self) -> &'static Lexicon {
        &LEXICON
    }

    fn list(&self, items: &[&str]) -> String {
        words::list(items)
    }

    fn moment(&self, at: DateTime<Utc>, zone: Tz) -> String {
        words::moment(at, zone)
    }

    fn begins_fact(&self, when: When, zone: Tz) -> String {
        words::begins_fact(when, zone)
    }

    fn closing(&self, closing: Closing, zone: Tz) -> String {
        words::closing(closing, zone)
    }

    fn closing_fact(&self, closing: Closing, zone: Tz) -> String {
        words::closing_fact(closing, zone)
    }

    fn until(&self, closing: Closing, zone: Tz) -> Option<String> {
        words::until(closing, zone)
    }

    fn length(&self, given: &str) -> String {
        words::length(given)
    }

    fn pay(&self, pay: &Pay) -> Option<String> {
        words::pay(pay)
    }

    fn fact(&self, fact: Fact) -> &'static str {
        match fact {
            Fact::Employer => "Employer",
            Fact::Place => "Place",
            Fact::Contract => "Contract",
            Fact::Hours => "Hours",
            Fact::Pay => "Pay",
            Fact::Grade => "Grade",
            Fact::WhoMayApply => "Who may apply",
            Fact::Reference => "Reference",
            Fact::Opened => "Opened",
            Fact::Opens => "Opens",
            Fact::Closes => "Closes",
            Fact::Length => "Length",
            Fact::EndsIn => "Ends in",
            Fact::TaughtBy => "Taught by",
            Fact::Routes => "Routes",
            Fact::Route => "Route",
            Fact::When => "When",
            Fact::Where => "Where",
            Fact::Access => "Access",
            Fact::Cost => "Cost",
            Fact::Places => "Places",
            Fact::BookingCloses => "Booking closes",
            Fact::WhoMayCome => "Who may come",
            Fact::NotGiven => "Not given",
        }
    }

    fn see_the_advert(&self) -> &'static str {
        "see the advert"
    }

    fn test_mark(&self) -> &'static str {
        "[TEST] "
    }

    fn discreet_subject(&self, correction: bool) -> &'static str {
        if correction { "Correction: an update you asked for" } else { "An update you asked for" }
    }

    fn new_role(&self) -> &'static str {
        "New: "
    }

    fn new_roles(&self, count: usize) -> String {
        format!("New: {count} roles that match your searches")
    }

    fn roles_match(&self, count: usize, one_search: bool) -> String {
        let searches = if one_search { "search" } else { "searches" };
        match count {
            1 => format!("A new role matches your {searches}"),
            several => format!("{several} new roles match your {searches}"),
        }
    }

    fn now_open(&self) -> &'static str {
        "Now open: "
    }

    fn now_open_until(&self, day: NaiveDate) -> String {
        format!(", until {}", words::date(day))
    }

    fn routes_now_open(&self, count: usize) -> String {
        format!("Now open: {count} routes you asked about")
    }

    fn route_is_open(&self) -> &'static str {
        "This route is now open"
    }

    fn routes_are_open(&self, count: usize, opened_today: bool) -> String {
        let count = words::number(count);
        if opened_today { format!("{count} routes opened today") } else { format!("{count} routes are open") }
    }

    fn open_until(&self, name: &str, until: Option<&str>) -> String {
        match until {
            Some(until) => format!("{name}: until {until}."),
            None => format!("{name}: no closing date is given."),
        }
    }

    fn you_can_apply(&self, until: Option<&str>) -> String {
        match until {
            Some(until) => format!("You can apply from now until {until}."),
            None => "You can apply from now.".to_owned(),
        }
    }

    fn read_the_advert(&self) -> Deed {
        Deed { beside_title: "Read the advert", alone: "Read the advert and apply" }
    }

    fn read_about_the_route(&self) -> Deed {
        Deed::of("Read about the route and apply")
    }

    fn look_for(&self, kind: Kind, reference: &str) -> String {
        match kind {
            Kind::Vacancy => format!("reference {reference}"),
            Kind::Programme => "this route".to_owned(),
            Kind::EventDay => "this day".to_owned(),
        }
    }

    fn source(&self, vacancies_only: bool) -> &'static str {
        if vacancies_only { "advert" } else { "page" }
    }

    fn registered(&self, on: NaiveDate, label: &str, owed: bool) -> String {
        let owed = if owed { "; this is the mail we owed you" } else { "" };
        format!("you registered on {} for: {label}{owed}", words::day(on))
    }

    fn searched(&self, names: &[&str], too: bool, matched: bool) -> String {
        let it = if too { "It also" } else { "it" };
        let verb = if matched { "matched" } else { "matches" };
        match names {
            [] => format!("{it} {verb} one of your searches."),
            [only] => format!("{it} {verb} your search {only}."),
            several => format!("{it} {verb} your searches {}.", words::list(several)),
        }
    }

    fn more_searches(&self, count: usize) -> String {
        format!("{count} more")
    }

    fn asked_to_be_reminded(&self) -> &'static str {
        "You asked to be reminded before it closes."
    }

    fn no_longer_matches(&self) -> &'static str {
        "As it is now, it no longer matches what you asked for."
    }

    fn letter_subject(&self, letter: Letter, registrations: usize) -> String {
        match letter {
            Letter::StillInterested | Letter::Lapsed => self.letter_headline(letter, registrations),
            Letter::Reminder => format!("Reminder: do you still {}?", this(registrations)),
        }
    }

    fn letter_headline(&self, letter: Letter, registrations: usize) -> String {
        match letter {
            Letter::StillInterested | Letter::Reminder => format!("Do you still {}?", this(registrations)),
            Letter::Lapsed => "We have stopped your alerts".to_owned(),
        }
    }

    fn discreet_letter_subject(&self, letter: Letter) -> &'static str {
        match letter {
            Letter::StillInterested => "A question about the updates you asked for",
            Letter::Reminder => "Reminder: a question about the updates you asked for",
            Letter::Lapsed => "An update you asked for",
        }
    }

    fn held_registration(&self, on: NaiveDate, label: &str, letter: Letter) -> String {
        let month = on.format("%B %Y");
        match letter {
            Letter::Lapsed => format!("Your registration of {month} for: {label}."),
            Letter::StillInterested | Letter::Reminder => format!("You registered in {month} for: {label}."),
        }
    }

    fn more_registrations(&self, count: usize) -> String {
        format!("{count} more registrations.")
    }

    fn saved_searches(&self, count: usize, names: &[&str]) -> String {
        match (count, names) {
            (1, []) => "A saved search.".to_owned(),
            (_, []) => "Saved searches.".to_owned(),
            (_, [only]) => format!("Your saved search {only}."),
            (_, several) => format!("Your saved searches {}.", words::list(several)),
        }
    }

    fn silence(&self, letter: Letter, day: NaiveDate) -> String {
        let day = words::day(day);
        match letter {
            Letter::StillInterested | Letter::Reminder => {
                format!("If we hear nothing by {day}, we will stop and delete it.")
            }
            Letter::Lapsed => format!("We asked you on {day}, and have heard nothing since."),
        }
    }
}

/// What people are asked whether they still do.
fn this(registrations: usize) -> &'static str {
    match registrations {
        0 => "want these job alerts",
        1 => "want to hear when this opens",
        _ => "want to hear when these open",
    }
}
