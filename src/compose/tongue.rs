//! What the program itself says in a mail, language by language.
//!
//! Templates hold the blocks that are the same in each mail; sentences that carry facts are made
//! here, because their grammar depends on the facts. A language is one implementation of [`Tongue`],
//! in a file of its own. English has all kinds of mail: those in [`TRANSLATED`] speak through their
//! [`Tongue`], the others say their English where they are made. A mail is written in one language
//! from the first word to the last: in that of the person if the kind is translated into it, else in
//! English.

use std::fmt::Debug;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;

use crate::compose::english::English;
use crate::compose::welsh::Welsh;
use crate::domain::facts::{Closing, Pay, When};
use crate::domain::language::Language;
use crate::domain::letter::Letter;
use crate::domain::subject::Kind;

/// The kinds whose sentences are there in every language, by the folders of their templates.
pub(super) const TRANSLATED: [&str; 4] = ["vacancy-alert", "open-now", "still-interested", "lapsed"];

/// What is said in a language.
pub(super) fn tongue(language: Language) -> &'static dyn Tongue {
    match language {
        Language::EnGb => &English,
        Language::CyGb => &Welsh,
    }
}

/// A fact of an opening, by what it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Fact {
    Employer,
    Place,
    Contract,
    Hours,
    Pay,
    Grade,
    WhoMayApply,
    Reference,
    Opened,
    Opens,
    Closes,
    Length,
    EndsIn,
    TaughtBy,
    Routes,
    Route,
    When,
    Where,
    Access,
    Cost,
    Places,
    BookingCloses,
    WhoMayCome,
    NotGiven,
}

/// By what the last look at a mail knows words of this language.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lexicon {
    /// From January.
    pub(super) months: [&'static str; 12],
    /// From Monday, as they stand before a date.
    pub(super) weekdays: [&'static str; 7],
    /// Words that press people or promise something, in lower case, as are all that follow.
    pub(super) banned: &'static [&'static str],
    /// Words that our style rules out.
    pub(super) unstylish: &'static [&'static str],
    /// Times that people read both ways.
    pub(super) ambiguous_times: &'static [&'static str],
    /// What a link may not say if it says nothing else.
    pub(super) empty_links: &'static [&'static str],
    /// What stands before the day on which something closes.
    pub(super) until: &'static [&'static str],
    /// What a discreet mail does not show at first sight.
    pub(super) telling: &'static [&'static str],
}

/// What a link does: beside the title of what it leads to, and alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Deed {
    pub(super) beside_title: &'static str,
    pub(super) alone: &'static str,
}

impl Deed {
    /// The same in both places.
    pub(super) const fn of(words: &'static str) -> Self {
        Self { beside_title: words, alone: words }
    }
}

/// One language.
pub(super) trait Tongue: Debug + Sync {
    fn lexicon(&self) -> &'static Lexicon;

    /// `A, B and C`.
    fn list(&self, items: &[&str]) -> String;
    /// When something was: `10:02am on Friday 5 April 2024`.
    fn moment(&self, at: DateTime<Utc>, zone: Tz) -> String;
    /// When something begins, as a fact on its own.
    fn begins_fact(&self, when: When, zone: Tz) -> String;
    /// When the door shuts, as one sentence.
    fn closing(&self, closing: Closing, zone: Tz) -> String;
    /// When the door shuts, as a fact on its own.
    fn closing_fact(&self, closing: Closing, zone: Tz) -> String;
    /// When the door shuts, behind a word for "until"; nothing if no end is given.
    fn until(&self, closing: Closing, zone: Tz) -> Option<String>;
    /// A duration by ISO 8601; what is none stays as it was given.
    fn length(&self, given: &str) -> String;
    /// Nothing where the figures say nothing.
    fn pay(&self, pay: &Pay) -> Option<String>;

    fn fact(&self, fact: Fact) -> &'static str;
    /// In place of values that we have no words for.
    fn see_the_advert(&self) -> &'static str;

    /// Before a subject that is about a test.
    fn test_mark(&self) -> &'static str;
    /// The subject of a discreet mail.
    fn discreet_subject(&self, correction: bool) -> &'static str;

    /// Before the title of one new role, in a subject.
    fn new_role(&self) -> &'static str;
    fn new_roles(&self, count: usize) -> String;
    /// How many roles match one search or several.
    fn roles_match(&self, count: usize, one_search: bool) -> String;

    /// Before the name of a route, in a subject.
    fn now_open(&self) -> &'static str;
    /// Behind it.
    fn now_open_until(&self, day: NaiveDate) -> String;
    fn routes_now_open(&self, count: usize) -> String;
    fn route_is_open(&self) -> &'static str;
    fn routes_are_open(&self, count: usize, opened_today: bool) -> String;
    /// One route of several, and until when it is open.
    fn open_until(&self, name: &str, until: Option<&str>) -> String;
    fn you_can_apply(&self, until: Option<&str>) -> String;

    fn read_the_advert(&self) -> Deed;
    fn read_about_the_route(&self) -> Deed;
    /// What to look for where there is no link.
    fn look_for(&self, kind: Kind, reference: &str) -> String;
    /// What to look at for later changes.
    fn source(&self, vacancies_only: bool) -> &'static str;

    /// Why somebody is told: they registered on this day. Without its full stop.
    fn registered(&self, on: NaiveDate, label: &str, owed: bool) -> String;
    /// Why somebody is told: their searches of these names match it (too), or did.
    fn searched(&self, names: &[&str], too: bool, matched: bool) -> String;
    /// So many searches are not named.
    fn more_searches(&self, count: usize) -> String;
    fn asked_to_be_reminded(&self) -> &'static str;
    fn no_longer_matches(&self) -> &'static str;

    /// The subject of a letter about so many registrations.
    fn letter_subject(&self, letter: Letter, registrations: usize) -> String;
    fn letter_headline(&self, letter: Letter, registrations: usize) -> String;
    fn discreet_letter_subject(&self, letter: Letter) -> &'static str;
    /// A registration of the month of this day, which we hold or have deleted.
    fn held_registration(&self, on: NaiveDate, label: &str, letter: Letter) -> String;
    fn more_registrations(&self, count: usize) -> String;
    /// So many searches, and the names of those that have one.
    fn saved_searches(&self, count: usize, names: &[&str]) -> String;
    /// What silence will mean from this day on, or has meant since.
    fn silence(&self, letter: Letter, day: NaiveDate) -> String;
}
