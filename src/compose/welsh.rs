//! Welsh: what the translated kinds of mail say.
//!
//! Days of the week change their first letter where something happens on them (*ddydd Mawrth*), and
//! so do nouns behind some words and numbers; hence whole phrases, and not words to be put together.
//! Times have the part of the day in words, because *yb* and *yp* are read both ways.

use chrono::{DateTime, Datelike as _, NaiveDate, NaiveDateTime, NaiveTime, Timelike as _, Utc};
use chrono_tz::Tz;

use crate::compose::tongue::{Deed, Fact, Lexicon, Tongue};
use crate::compose::words;
use crate::domain::facts::{Closing, Pay, PayUnit, When};
use crate::domain::letter::Letter;
use crate::domain::subject::Kind;

#[derive(Debug)]
pub(super) struct Welsh;

const LEXICON: Lexicon = Lexicon {
    months: [
        "Ionawr",
        "Chwefror",
        "Mawrth",
        "Ebrill",
        "Mai",
        "Mehefin",
        "Gorffennaf",
        "Awst",
        "Medi",
        "Hydref",
        "Tachwedd",
        "Rhagfyr",
    ],
    weekdays: ["Llun", "Mawrth", "Mercher", "Iau", "Gwener", "Sadwrn", "Sul"],
    banned: &[
        "cyfle olaf",
        "gwarant",
        "gweithredwch nawr",
        "brysiwch",
        "peidiwch â cholli",
        "last chance",
        "guaranteed",
        "hurry",
    ],
    unstylish: &["!", "sylwer", "cliciwch yma", "please note", "click here"],
    ambiguous_times: &[
        "hanner nos",
        "12 y bore",
        "12 y prynhawn",
        "12yb",
        "12yp",
        "midnight",
        "12am",
        "12pm",
    ],
    empty_links: &["yma", "cliciwch yma", "here", "click here"],
    until: &["tan "],
    telling: &[
        "heddlu",
        "cwnstabl",
        "swyddog",
        "recriwt",
        "swyddi gwag",
        "swydd wag",
        "police",
        "constable",
        "officer",
        "recruit",
        "vacanc",
    ],
};

/// `5 Mawrth`.
fn date(day: NaiveDate) -> String {
    format!("{} {}", day.day(), LEXICON.months[day.month0() as usize])
}

/// `Mawrth 5 Mawrth 2024`, behind *dydd*.
fn weekday_and_date(day: NaiveDate) -> String {
    let weekday = LEXICON.weekdays[day.weekday().num_days_from_monday() as usize];
    format!("{weekday} {} {}", date(day), day.year())
}

/// `dydd Mawrth 5 Mawrth 2024`, on its own.
fn day(day: NaiveDate) -> String {
    format!("dydd {}", weekday_and_date(day))
}

/// `ddydd Mawrth 5 Mawrth 2024`: on that day.
fn on(day: NaiveDate) -> String {
    format!("ddydd {}", weekday_and_date(day))
}

/// `10 y bore`, `hanner dydd`, `5:30 y prynhawn`.
fn time(time: NaiveTime) -> String {
    if (time.hour(), time.minute()) == (12, 0) {
        return "hanner dydd".to_owned();
    }
    let part = match time.hour() {
        0..12 => "y bore",
        12..18 => "y prynhawn",
        _ => "yr hwyr",
    };
    let (_, hour) = time.hour12();
    let minutes = if time.minute() == 0 { String::new() } else { format!(":{:02}", time.minute()) };
    format!("{hour}{minutes} {part}")
}

/// `10:02 y bore ddydd Mawrth 5 Mawrth 2024`.
fn clock_and_day(local: NaiveDateTime) -> String {
    format!("{} {}", time(local.time()), on(local.date()))
}

/// `Dydd Mawrth 5 Mawrth 2024, 10:02 y bore`.
fn day_and_clock(local: NaiveDateTime) -> String {
    format!("D{}, {}", &day(local.date())[1..], time(local.time()))
}

/// Whose clocks a time is by.
fn clocks(zone: Tz) -> String {
    match words::clock_of(zone) {
        words::ClockOf::Uk => "amser y DU".to_owned(),
        words::ClockOf::Utc => "UTC".to_owned(),
        words::ClockOf::City(city) => format!("amser {city}"),
    }
}

/// `A`, `A a B`, `A, B ac C`: *ac* stands before a vowel.
fn list(items: &[&str]) -> String {
    match items {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [init @ .., last] => {
            let and = if begins_with_vowel(last) { "ac" } else { "a" };
            format!("{} {and} {last}", init.join(", "))
        }
    }
}

/// Whether what is said begins with a vowel; so do the numbers one, eight and eleven.
fn begins_with_vowel(text: &str) -> bool {
    let text = text.trim_start_matches(|c: char| !c.is_alphanumeric());
    let first_word = text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    match first_word.parse::<u32>() {
        Ok(number) => matches!(number, 1 | 8 | 11 | 18 | 80..=89),
        Err(_) => text.chars().next().is_some_and(|c| "aeiouwyâêîôûŵŷ".contains(c.to_ascii_lowercase())),
    }
}

/// `2 lwybr`, `3 llwybr`.
fn routes(count: usize) -> String {
    let noun = if count == 2 { "lwybr" } else { "llwybr" };
    format!("{count} {noun}")
}

fn years(count: u32) -> String {
    let noun = match count {
        1 => "flwyddyn",
        2 => "flynedd",
        3 | 4 | 6 => "blynedd",
        _ => "mlynedd",
    };
    format!("{count} {noun}")
}

fn length_in(unit: words::Unit, count: u32) -> String {
    match (unit, count) {
        (words::Unit::Year, count) => years(count),
        (words::Unit::Month, 2) => "2 fis".to_owned(),
        (words::Unit::Month, count) => format!("{count} mis"),
        (words::Unit::Week, count) => format!("{count} wythnos"),
        (words::Unit::Day, 2) => "2 ddiwrnod".to_owned(),
        (words::Unit::Day, count) => format!("{count} diwrnod"),
    }
}

const NO_CLOSING: &str = "Ni roddir dyddiad cau; gall gau unrhyw bryd.";
const NO_TIME: &str = "Nid yw'r hysbyseb yn rhoi amser, felly peidiwch â'i adael tan gyda'r nos.";

impl Tongue for Welsh {
    fn lexicon(&self) -> &'static Lexicon {
        &LEXICON
    }

    fn list(&self, items: &[&str]) -> String {
        list(items)
    }

    fn moment(&self, at: DateTime<Utc>, zone: Tz) -> String {
        clock_and_day(words::end(at, zone))
    }

    fn begins_fact(&self, when: When, zone: Tz) -> String {
        match when {
            When::Instant(at) => format!("{}, {}", day_and_clock(words::start(at, zone)), clocks(zone)),
            When::Date(date) => format!("D{}; ni roddir amser", &day(date)[1..]),
        }
    }

    fn closing(&self, closing: Closing, zone: Tz) -> String {
        match closing {
            Closing::Instant(at) => {
                format!("Yn cau am {}, {}.", clock_and_day(words::end(at, zone)), clocks(zone))
            }
            Closing::Date(date) => format!("Yn cau {}. {NO_TIME}", on(date)),
            Closing::CloseOfBusiness(date) => format!("Yn cau ar ddiwedd y diwrnod gwaith {}.", on(date)),
            Closing::OpenUntilFilled => NO_CLOSING.to_owned(),
        }
    }

    fn closing_fact(&self, closing: Closing, zone: Tz) -> String {
        match closing {
            Closing::Instant(at) => format!("{}, {}", day_and_clock(words::end(at, zone)), clocks(zone)),
            Closing::Date(date) => format!("D{}. {NO_TIME}", &day(date)[1..]),
            Closing::CloseOfBusiness(date) => format!("Diwedd y diwrnod gwaith {}", on(date)),
            Closing::OpenUntilFilled => NO_CLOSING.to_owned(),
        }
    }

    fn until(&self, closing: Closing, zone: Tz) -> Option<String> {
        match closing {
            Closing::Instant(at) => Some(clock_and_day(words::end(at, zone))),
            Closing::Date(date) => Some(on(date)),
            Closing::CloseOfBusiness(date) => Some(format!("ddiwedd y diwrnod gwaith {}", on(date))),
            Closing::OpenUntilFilled => None,
        }
    }

    fn length(&self, given: &str) -> String {
        let Some(parts) = words::parts_of_duration(given) else { return given.to_owned() };
        let parts: Vec<String> = parts.into_iter().map(|(count, unit)| length_in(unit, count)).collect();
        list(&parts.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn pay(&self, pay: &Pay) -> Option<String> {
        let unit = match pay.unit {
            PayUnit::Year => "y flwyddyn",
            PayUnit::Month => "y mis",
            PayUnit::Week => "yr wythnos",
            PayUnit::Day => "y dydd",
            PayUnit::Hour => "yr awr",
        };
        Some(match words::amounts(pay)? {
            (None, most) => format!("Hyd at {most} {unit}"),
            (Some(least), most) if least == most => format!("{most} {unit}"),
            (Some(least), most) => format!("{least} i {most} {unit}"),
        })
    }

    fn fact(&self, fact: Fact) -> &'static str {
        match fact {
            Fact::Employer => "Cyflogwr",
            Fact::Place => "Lleoliad",
            Fact::Contract => "Contract",
            Fact::Hours => "Oriau",
            Fact::Pay => "Cyflog",
            Fact::Grade => "Gradd",
            Fact::WhoMayApply => "Pwy all wneud cais",
            Fact::Reference => "Cyfeirnod",
            Fact::Opened => "Agorodd",
            Fact::Opens => "Yn agor",
            Fact::Closes => "Yn cau",
            Fact::Length => "Hyd",
            Fact::EndsIn => "Yn arwain at",
            Fact::TaughtBy => "Addysgir gan",
            Fact::Routes => "Llwybrau",
            Fact::Route => "Llwybr",
            Fact::When => "Pryd",
            Fact::Where => "Ble",
            Fact::Access => "Mynediad",
            Fact::Cost => "Cost",
            Fact::Places => "Lleoedd",
            Fact::BookingCloses => "Archebu'n cau",
            Fact::WhoMayCome => "Pwy all ddod",
            Fact::NotGiven => "Heb ei roi",
        }
    }

    fn see_the_advert(&self) -> &'static str {
        "gweler yr hysbyseb"
    }

    fn test_mark(&self) -> &'static str {
        "[PRAWF] "
    }

    fn discreet_subject(&self, correction: bool) -> &'static str {
        if correction {
            "Cywiriad: diweddariad y gwnaethoch ofyn amdano"
        } else {
            "Diweddariad y gwnaethoch ofyn amdano"
        }
    }

    fn new_role(&self) -> &'static str {
        "Newydd: "
    }

    fn new_roles(&self, count: usize) -> String {
        format!("Newydd: {count} swydd sy'n cyd-fynd â'ch chwiliadau")
    }

    fn roles_match(&self, count: usize, one_search: bool) -> String {
        let searches = if one_search { "chwiliad" } else { "chwiliadau" };
        match count {
            1 => format!("Mae swydd newydd yn cyd-fynd â'ch {searches}"),
            several => format!("Mae {several} swydd newydd yn cyd-fynd â'ch {searches}"),
        }
    }

    fn now_open(&self) -> &'static str {
        "Nawr ar agor: "
    }

    fn now_open_until(&self, day: NaiveDate) -> String {
        format!(", tan {}", date(day))
    }

    fn routes_now_open(&self, count: usize) -> String {
        format!("Nawr ar agor: {} o ddiddordeb i chi", routes(count))
    }

    fn route_is_open(&self) -> &'static str {
        "Mae'r llwybr hwn nawr ar agor"
    }

    fn routes_are_open(&self, count: usize, opened_today: bool) -> String {
        let routes = routes(count);
        if opened_today { format!("Agorodd {routes} heddiw") } else { format!("Mae {routes} ar agor") }
    }

    fn open_until(&self, name: &str, until: Option<&str>) -> String {
        match until {
            Some(until) => format!("{name}: tan {until}."),
            None => format!("{name}: ni roddir dyddiad cau."),
        }
    }

    fn you_can_apply(&self, until: Option<&str>) -> String {
        match until {
            Some(until) => format!("Gallwch wneud cais o nawr tan {until}."),
            None => "Gallwch wneud cais o nawr ymlaen.".to_owned(),
        }
    }

    fn read_the_advert(&self) -> Deed {
        Deed { beside_title: "Darllenwch yr hysbyseb", alone: "Darllenwch yr hysbyseb a gwnewch gais" }
    }

    fn read_about_the_route(&self) -> Deed {
        Deed::of("Darllenwch am y llwybr a gwnewch gais")
    }

    fn look_for(&self, kind: Kind, reference: &str) -> String {
        match kind {
            Kind::Vacancy => format!("gyfeirnod {reference}"),
            Kind::Programme => "y llwybr hwn".to_owned(),
            Kind::EventDay => "y diwrnod hwn".to_owned(),
        }
    }

    fn source(&self, vacancies_only: bool) -> &'static str {
        if vacancies_only { "yr hysbyseb" } else { "y dudalen" }
    }

    fn registered(&self, day: NaiveDate, label: &str, owed: bool) -> String {
        let owed = if owed { "; dyma'r e-bost yr oedd arnom i chi" } else { "" };
        format!("cofrestroch {} ar gyfer: {label}{owed}", on(day))
    }

    fn searched(&self, names: &[&str], too: bool, matched: bool) -> String {
        let it_matches = match (too, matched) {
            (false, false) => "mae'n cyd-fynd",
            (false, true) => "roedd yn cyd-fynd",
            (true, false) => "Mae hefyd yn cyd-fynd",
            (true, true) => "Roedd hefyd yn cyd-fynd",
        };
        match names {
            [] => format!("{it_matches} ag un o'ch chwiliadau."),
            [only] => format!("{it_matches} â'ch chwiliad {only}."),
            several => format!("{it_matches} â'ch chwiliadau {}.", list(several)),
        }
    }

    fn more_searches(&self, count: usize) -> String {
        format!("{count} arall")
    }

    fn asked_to_be_reminded(&self) -> &'static str {
        "Gwnaethoch ofyn am gael eich atgoffa cyn iddo gau."
    }

    fn no_longer_matches(&self) -> &'static str {
        "Fel y mae nawr, nid yw bellach yn cyd-fynd â'r hyn y gwnaethoch ofyn amdano."
    }

    fn letter_subject(&self, letter: Letter, registrations: usize) -> String {
        match (letter, registrations) {
            (Letter::StillInterested | Letter::Lapsed, _) => self.letter_headline(letter, registrations),
            (Letter::Reminder, 0) => "Atgoffa: ydych chi'n dal eisiau'r hysbysiadau swyddi hyn?".to_owned(),
            (Letter::Reminder, 1) => "Atgoffa: ydych chi'n dal eisiau clywed am hwn?".to_owned(),
            (Letter::Reminder, _) => "Atgoffa: ydych chi'n dal eisiau clywed am y rhain?".to_owned(),
        }
    }

    fn letter_headline(&self, letter: Letter, registrations: usize) -> String {
        let words = match (letter, registrations) {
            (Letter::Lapsed, _) => "Rydym wedi stopio eich hysbysiadau",
            (_, 0) => "Ydych chi'n dal eisiau'r hysbysiadau swyddi hyn?",
            (_, 1) => "Ydych chi'n dal eisiau clywed pan fydd hwn yn agor?",
            (_, _) => "Ydych chi'n dal eisiau clywed pan fydd y rhain yn agor?",
        };
        words.to_owned()
    }

    fn discreet_letter_subject(&self, letter: Letter) -> &'static str {
        match letter {
            Letter::StillInterested => "Cwestiwn am y diweddariadau y gwnaethoch ofyn amdanynt",
            Letter::Reminder => "Atgoffa: cwestiwn am eich diweddariadau",
            Letter::Lapsed => "Diweddariad y gwnaethoch ofyn amdano",
        }
    }

    fn held_registration(&self, on: NaiveDate, label: &str, letter: Letter) -> String {
        let month = format!("ym mis {} {}", LEXICON.months[on.month0() as usize], on.year());
        match letter {
            Letter::Lapsed => format!("Eich cofrestriad {month} ar gyfer: {label}."),
            Letter::StillInterested | Letter::Reminder => format!("Cofrestroch {month} ar gyfer: {label}."),
        }
    }

    fn more_registrations(&self, count: usize) -> String {
        let noun = if count == 2 { "gofrestriad" } else { "cofrestriad" };
        format!("{count} {noun} arall.")
    }

    fn saved_searches(&self, count: usize, names: &[&str]) -> String {
        match (count, names) {
            (1, []) => "Chwiliad wedi'i gadw.".to_owned(),
            (_, []) => "Chwiliadau wedi'u cadw.".to_owned(),
            (_, [only]) => format!("Eich chwiliad wedi'i gadw {only}."),
            (_, several) => format!("Eich chwiliadau wedi'u cadw {}.", list(several)),
        }
    }

    fn silence(&self, letter: Letter, by: NaiveDate) -> String {
        match letter {
            Letter::StillInterested | Letter::Reminder => {
                format!("Os na chlywn ni ddim erbyn {}, byddwn yn stopio ac yn ei ddileu.", day(by))
            }
            Letter::Lapsed => {
                format!("Gwnaethom ofyn i chi {}, ac nid ydym wedi clywed dim ers hynny.", on(by))
            }
        }
    }
}

#[cfg(test)]
mod tests;
