//! What has changed since somebody was told, as far as it matters to them.
//!
//! A change is material if it makes something that was said untrue in a way
//! that costs the reader something. What was not said before was not untrue:
//! a pay that is given at last is no correction.

use std::collections::BTreeSet;

use chrono::{DateTime, Duration, Utc};
use chrono_tz::Tz;

use crate::domain::facts::{Closing, Facts, Pay, When};
use crate::domain::keywords::Stems;
use crate::domain::subject::Kind;
use crate::domain::taxonomy::{Dimension, Taxonomy};
use crate::domain::truth::{State, Truth};

/// A thing that can be said of an opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// It was said to be open, and is not open yet.
    NotOpen,
    /// When the door opens.
    Opens,
    /// When the door shuts; for an event day, when the bookings close.
    Closing,
    /// When an event day is.
    Day,
    /// The place of work, or of the day.
    Place,
    /// Whether an event day is in a place or on the internet.
    Attendance,
    /// The pay.
    Pay,
    /// The grade.
    Grade,
    /// The kind of contract.
    Contract,
    /// The hours.
    Hours,
    /// Who may apply.
    Audience,
    /// The rank.
    Rank,
    /// Licence, residency, what one must have done.
    Eligibility,
    /// The title, where words of rank, family or contract changed.
    Title,
    /// Whether an event day has places left.
    Full,
}

/// One thing that is no longer as it was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    /// What.
    pub field: Field,
    /// It cannot wait for the next digest.
    pub at_once: bool,
    /// Whoever acts on what was told may come too late.
    pub earlier: bool,
}

/// The words that make a change of title material: those of ranks, families of
/// work and kinds of contract.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TellingWords(BTreeSet<String>);

impl TellingWords {
    /// Those of a taxonomy.
    #[must_use]
    pub fn of(taxonomy: &Taxonomy) -> Self {
        let dimensions = [Dimension::RoleFamily, Dimension::Rank, Dimension::ContractKind];
        let names = dimensions.into_iter().flat_map(|dimension| taxonomy.tree(dimension).names());
        let stems = Stems::of_all(names);
        Self(stems.distinct().filter(|word| !FILLERS.contains(word)).map(ToOwned::to_owned).collect())
    }
}

/// Words in labels that say nothing by themselves.
const FILLERS: [&str; 9] = ["and", "above", "as", "at", "of", "or", "the", "to", "when"];

/// A door that shuts this much before or after what was said about the end of
/// a working day shuts at the end of that working day.
const END_OF_WORK: Duration = Duration::hours(1);

/// A later closing is told at once if the old one is this near.
const NEAR: Duration = Duration::hours(48);

/// The first moment at which a closing that was told is near.
pub(super) fn is_near_from(shuts: DateTime<Utc>) -> DateTime<Utc> {
    shuts - NEAR + Duration::microseconds(1)
}

/// What is no longer as it was told, at the moment `now`.
#[must_use]
pub fn differences(
    kind: Kind,
    told: &Truth,
    truth: &Truth,
    words: &TellingWords,
    now: DateTime<Utc>,
) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut check = |field, differs: bool| {
        if differs {
            found.push(Difference { field, at_once: true, earlier: false });
        }
    };
    let (old, new) = (&told.facts, &truth.facts);
    let is_ahead = matches!(truth.state, State::Announced | State::Scheduled);
    check(Field::NotOpen, told.state == State::Open && is_ahead);
    let was_ahead = matches!(told.state, State::Announced | State::Scheduled);
    check(Field::Opens, was_ahead && is_ahead && opens_differ(old, new));
    if let (Some(was), Some(is)) = (&old.day, &new.day) {
        check(
            Field::Day,
            was.starts_at != is.starts_at || both_differ(was.ends_at.as_ref(), is.ends_at.as_ref()),
        );
        check(
            Field::Place,
            texts_differ(was.place.as_ref(), is.place.as_ref()) || values_differ(old, new, Dimension::Place),
        );
        check(Field::Attendance, was.attendance != is.attendance);
    } else {
        check(
            Field::Place,
            values_differ(old, new, Dimension::Place) || texts_differ(old.site.as_ref(), new.site.as_ref()),
        );
    }
    check(Field::Pay, pay_differs(old, new));
    check(Field::Grade, texts_differ(old.grade_text.as_ref(), new.grade_text.as_ref()));
    check(Field::Contract, values_differ(old, new, Dimension::ContractKind));
    check(Field::Hours, values_differ(old, new, Dimension::Hours));
    check(Field::Audience, values_differ(old, new, Dimension::Audience));
    check(Field::Rank, values_differ(old, new, Dimension::Rank));
    check(Field::Eligibility, texts_differ(old.eligibility.as_ref(), new.eligibility.as_ref()));
    // A programme is known by its slug; what it is called is nothing that was promised.
    check(Field::Title, kind == Kind::Vacancy && title_differs(&old.title, &new.title, words));
    found.extend(closing_difference(told, truth, now));
    if let (Some(was), Some(is)) = (&old.day, &new.day)
        && was.full != is.full
    {
        // That there are places again is worth a mail; that there are none can wait.
        found.push(Difference { field: Field::Full, at_once: !is.full, earlier: false });
    }
    found.sort_by_key(|difference| difference.field);
    found
}

/// The closing that a truth amounts to: a door that is to be shut by a later
/// event shuts then.
#[must_use]
pub fn closing(truth: &Truth) -> Closing {
    let facts = &truth.facts;
    match truth.shut_at.filter(|_| truth.state == State::Closed) {
        Some(at) if facts.door_shuts_at().is_none_or(|shuts| at < shuts) => Closing::Instant(at),
        _ => facts.closing,
    }
}

/// Whether a door that shut at `shut` shut before the closing that was told,
/// beyond the precision in which it was told. A closing that was never told
/// cannot have been wrong.
#[must_use]
pub fn shut_early(told: &Truth, shut: DateTime<Utc>) -> bool {
    let zone = told.facts.zone;
    match closing(told) {
        Closing::OpenUntilFilled => false,
        promised => is_earlier(promised, Closing::Instant(shut), zone) == Some(true),
    }
}

fn closing_difference(told: &Truth, truth: &Truth, now: DateTime<Utc>) -> Option<Difference> {
    let zone = truth.facts.zone;
    let (was, is) = (closing(told), closing(truth));
    let earlier = is_earlier(was, is, zone)?;
    let near = was.door_shuts_at(zone).is_some_and(|shuts| shuts - now < NEAR);
    Some(Difference { field: Field::Closing, at_once: earlier || near, earlier })
}

/// Whether `is` comes before `was`; `None` if they are the same as far as
/// either is precise.
fn is_earlier(was: Closing, is: Closing, zone: Tz) -> Option<bool> {
    use Closing::{CloseOfBusiness, Date, Instant, OpenUntilFilled};
    let day = |at: DateTime<Utc>| at.with_timezone(&zone).date_naive();
    let minute = |at: DateTime<Utc>| at.timestamp().div_euclid(60);
    let same = match (was, is) {
        (OpenUntilFilled, OpenUntilFilled) => true,
        (Instant(a), Instant(b)) => minute(a) == minute(b) || (a - b).abs() < Duration::minutes(1),
        (Date(a) | CloseOfBusiness(a), Date(b) | CloseOfBusiness(b)) => a == b,
        // The first moment of the next day is how some write the end of this one.
        (Date(a), Instant(b)) | (Instant(b), Date(a)) => a == day(b) || a == day(b - Duration::seconds(1)),
        (end @ CloseOfBusiness(_), Instant(b)) | (Instant(b), end @ CloseOfBusiness(_)) => {
            end.door_shuts_at(zone).is_some_and(|end| (end - b).abs() <= END_OF_WORK)
        }
        (OpenUntilFilled, _) | (_, OpenUntilFilled) => false,
    };
    if same {
        return None;
    }
    let shuts = |closing: Closing| closing.door_shuts_at(zone);
    Some(match (shuts(was), shuts(is)) {
        (Some(was), Some(is)) => is < was,
        (None, _) => true,
        (Some(_), None) => false,
    })
}

fn opens_differ(old: &Facts, new: &Facts) -> bool {
    match (old.opens, new.opens) {
        (None, None) => false,
        (Some(_), None) | (None, Some(_)) => true,
        (Some(was), Some(is)) => {
            let day = |when: When| when.first_moment(new.zone).with_timezone(&new.zone).date_naive();
            match (was, is) {
                (When::Instant(a), When::Instant(b)) => a != b,
                _ => day(was) != day(is),
            }
        }
    }
}

/// Whether both are said and are not the same.
fn both_differ<T: PartialEq>(was: Option<&T>, is: Option<&T>) -> bool {
    matches!((was, is), (Some(was), Some(is)) if was != is)
}

fn values_differ(old: &Facts, new: &Facts, dimension: Dimension) -> bool {
    let set = |facts: &Facts| -> BTreeSet<String> {
        facts.values(dimension).iter().map(|value| value.to_lowercase()).collect()
    };
    let (was, is) = (set(old), set(new));
    !was.is_empty() && !is.is_empty() && was != is
}

/// In one case and with single spaces: what else differs is spelling.
fn texts_differ(was: Option<&String>, is: Option<&String>) -> bool {
    let folded = |text: &String| Stems::of_all([text.as_str()]);
    both_differ(was.map(folded).as_ref(), is.map(folded).as_ref())
}

fn pay_differs(old: &Facts, new: &Facts) -> bool {
    match (&old.pay, &new.pay) {
        (Some(was), Some(is)) => {
            let figures = |pay: &Pay| (pay.min, pay.max, pay.unit, pay.currency.clone());
            figures(was) != figures(is)
        }
        _ => texts_differ(old.pay_text.as_ref(), new.pay_text.as_ref()),
    }
}

fn title_differs(old: &str, new: &str, words: &TellingWords) -> bool {
    let (old, new) = (Stems::of_all([old]), Stems::of_all([new]));
    let (was, is): (BTreeSet<&str>, BTreeSet<&str>) = (old.distinct().collect(), new.distinct().collect());
    let mut gone: Vec<&str> = was.difference(&is).copied().collect();
    let mut come: Vec<&str> = is.difference(&was).copied().collect();
    // A word that was only misspelt is the same word, unless both are words of their own.
    gone.retain(|old| {
        let spelt = come.iter().position(|new| {
            strsim::osa_distance(old, new) <= MISSPELT && !(words.0.contains(*old) && words.0.contains(*new))
        });
        if let Some(index) = spelt {
            come.remove(index);
        }
        spelt.is_none()
    });
    gone.into_iter().chain(come).any(|word| words.0.contains(word))
}

/// Two words that differ by at most so many letters are one, misspelt.
const MISSPELT: usize = 2;
