//! The comparison at the heart: what a person was last told, against what is
//! true now.

use chrono::{DateTime, Duration, Utc};

use crate::domain::cadence::{Cadence, Rhythm, ScheduleName};
use crate::domain::difference::{self, Difference, Field, TellingWords, differences};
use crate::domain::opening::{Opening, Settling};
use crate::domain::subject::Kind;
use crate::domain::truth::{Phase, State, Truth};

/// What is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// It will open; nobody says when.
    Announced,
    /// It will open then.
    Dated,
    /// It is open.
    Open,
    /// It closes soon; they asked to be reminded.
    ClosingSoon,
    /// It opened and closed before we wrote.
    Missed,
    /// It shut before the time that was told.
    ClosedEarly,
    /// It was to come and will not.
    CalledOff,
    /// No applications are taken for a while.
    Paused,
    /// It is gone.
    Withdrawn,
    /// These things are not as they were told.
    Corrected(Vec<Field>),
}

/// What is to be done about one alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// Tell the person this.
    Say(Notice),
    /// Say nothing before this moment.
    Wait(DateTime<Utc>),
    /// Say nothing, because the person knows all there is to know.
    Nothing,
    /// Say nothing ever, for this reason.
    End(Reason),
}

/// Why an alert ends without a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The door shut before the word was due.
    Expired,
    /// It is over, and they were told what there was to tell.
    Over,
    /// It was taken away before the word was due.
    Withdrawn,
    /// No search and no registration of the person asks for it any more.
    NoLongerWanted,
    /// The person wants to hear nothing before a later month.
    NotBefore,
    /// The person cannot be written to; why is in the table of people.
    Unreachable,
    /// It came of a test event, and the person is no tester.
    Test,
}

impl Reason {
    /// The name in the tables and in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Over => "over",
            Self::Withdrawn => "withdrawn",
            Self::NoLongerWanted => "no-longer-wanted",
            Self::NotBefore => "not-before",
            Self::Unreachable => "unreachable",
            Self::Test => "test",
        }
    }
}

/// Who a person is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// May not be written to.
    Unreachable,
    /// May be written to.
    Reachable,
    /// May be written to, also about test events.
    Tester,
}

/// What a person was last told.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// What was so, by what we told.
    pub truth: &'a Truth,
    /// How the door stood.
    pub phase: Phase,
    /// When the mail was accepted.
    pub at: DateTime<Utc>,
}

/// Why a person is to be told: what they ask for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wish {
    /// A registration of interest.
    pub registration: Option<Registered>,
    /// The fastest of the saved searches that ask for it, or for what was told.
    pub search: Option<Cadence>,
    /// There is a registration, and it wants to hear nothing yet.
    pub not_before: bool,
}

/// A registration of interest that an opening answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registered {
    /// For this programme by name.
    Exactly,
    /// For one that it is part of.
    Within,
}

/// What bears on an alert at the moment of claiming.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// What is so.
    pub opening: &'a Opening,
    /// What the person was last told of it, if anything.
    pub told: Option<Told<'a>>,
    /// What the person, as they are now, asks for.
    pub wish: Wish,
    /// Who the person is to us.
    pub standing: Standing,
    /// The moment.
    pub now: DateTime<Utc>,
}

/// What the comparison goes by.
#[derive(Debug, Clone)]
pub struct Policy {
    /// How long a door settles after a move.
    pub settling: Settling,
    /// The least time between two mails about one opening to one person.
    pub minimum_gap: Duration,
    /// News that was older than this when it came is no news.
    pub max_age: Duration,
    /// What is left of the door time must be this long to be of use.
    pub useful_minimum: Duration,
    /// When digests leave.
    pub rhythm: Rhythm,
    /// The words that make a change of title material.
    pub words: TellingWords,
}

/// Why nothing is said at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Guard {
    /// The door moved just now; it may be a blink.
    Settle,
    /// The person had a mail about it just now.
    MinimumGap,
    /// It is no haste, and goes with the next digest.
    Digest,
    /// It is not true yet.
    NotYet,
}

impl Guard {
    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Settle => "settle time",
            Self::MinimumGap => "minimum gap",
            Self::Digest => "waits for the digest",
            Self::NotYet => "not true yet",
        }
    }
}

/// Decides what to say.
#[must_use]
pub fn next_word(situation: &Situation<'_>, policy: &Policy) -> Word {
    let word = word_without_guards(situation, policy);
    let Word::Say(notice) = word else { return word };
    match guards(&notice, situation, policy).into_iter().map(|(_, until)| until).max() {
        Some(until) if until > situation.now => Word::Wait(until),
        _ => Word::Say(notice),
    }
}

/// What there would be to say if nothing held it back.
#[must_use]
pub fn word_without_guards(situation: &Situation<'_>, policy: &Policy) -> Word {
    let Situation { opening, wish, standing, .. } = *situation;
    match standing {
        Standing::Unreachable => return Word::End(Reason::Unreachable),
        Standing::Reachable if opening.test => return Word::End(Reason::Test),
        Standing::Reachable | Standing::Tester => {}
    }
    if wish.registration.is_none() && wish.search.is_none() {
        return Word::End(if wish.not_before { Reason::NotBefore } else { Reason::NoLongerWanted });
    }
    match &situation.told {
        None => untold(situation, policy),
        Some(told) => retold(told, situation, policy),
    }
}

/// What there is to say to somebody who knows nothing of it.
fn untold(situation: &Situation<'_>, policy: &Policy) -> Word {
    let Situation { opening, wish, now, .. } = *situation;
    let truth = &opening.truth;
    let registered = wish.registration.is_some();
    let was_open = truth.opened_at.is_some_and(|at| at <= now);
    let old = opening.news.is_old_news(policy.max_age);
    match truth.phase(now) {
        Phase::Open if truth.facts.door_shuts_at().is_some_and(|shuts| shuts <= now) => {
            Word::End(Reason::Expired)
        }
        Phase::Open => Word::Say(Notice::Open),
        Phase::Scheduled if registered && truth.door_opens_at().is_some_and(|opens| now < opens) => {
            Word::Say(Notice::Dated)
        }
        Phase::Scheduled => match truth.opened_at {
            Some(opens) if now < opens => Word::Wait(opens),
            _ => Word::Nothing,
        },
        Phase::Announced => {
            let asked = truth.facts.programme.as_ref().is_some_and(|programme| programme.notify_registered);
            if registered && asked && !old { Word::Say(Notice::Announced) } else { Word::Nothing }
        }
        Phase::Paused => Word::Nothing,
        Phase::Closed if registered && was_open && !old => Word::Say(Notice::Missed),
        Phase::Withdrawn if wish.registration == Some(Registered::Exactly) && !old => {
            Word::Say(Notice::Withdrawn)
        }
        Phase::Withdrawn => Word::End(Reason::Withdrawn),
        Phase::Closed => Word::End(Reason::Expired),
    }
}

/// What there is to say to somebody who was told.
fn retold(told: &Told<'_>, situation: &Situation<'_>, policy: &Policy) -> Word {
    let Situation { opening, wish, now, .. } = *situation;
    let truth = &opening.truth;
    let was_open = truth.opened_at.is_some_and(|at| at <= now);
    let registered = wish.registration.is_some();
    let phase = truth.phase(now);
    let changes = || -> Option<Notice> {
        let fields = differences(opening.kind, told.truth, truth, &policy.words, now);
        // A date that has passed without an opening is not told: the opening will be.
        let overdue = phase == Phase::Scheduled && truth.door_opens_at().is_some_and(|opens| opens <= now);
        (!fields.is_empty() && !overdue).then(|| Notice::Corrected(fields.iter().map(|d| d.field).collect()))
    };
    let notice = match (told.phase, phase) {
        (Phase::Announced | Phase::Closed | Phase::Paused | Phase::Withdrawn, Phase::Scheduled) => {
            let ahead = truth.door_opens_at().is_some_and(|opens| now < opens);
            (registered && ahead).then_some(Notice::Dated)
        }
        (Phase::Open, Phase::Open)
        | (Phase::Scheduled | Phase::Open, Phase::Scheduled | Phase::Announced) => changes(),
        // A day that was postponed and has a date again has moved.
        (Phase::Paused, Phase::Open) if opening.kind == Kind::EventDay => changes().or(Some(Notice::Open)),
        (_, Phase::Open) => Some(Notice::Open),
        (Phase::Announced | Phase::Scheduled, Phase::Closed) if was_open => {
            registered.then_some(Notice::Missed)
        }
        (Phase::Announced | Phase::Scheduled, Phase::Closed) => Some(Notice::CalledOff),
        (Phase::Open | Phase::Paused, Phase::Closed) => closed(told, truth, opening.kind, now),
        (Phase::Scheduled | Phase::Open, Phase::Paused) => Some(Notice::Paused),
        (Phase::Paused, Phase::Paused) if told.truth.earliest != truth.earliest => Some(Notice::Paused),
        (Phase::Announced | Phase::Scheduled | Phase::Open | Phase::Paused, Phase::Withdrawn) => {
            Some(Notice::Withdrawn)
        }
        (Phase::Closed, Phase::Withdrawn) => {
            (wish.registration == Some(Registered::Exactly)).then_some(Notice::Withdrawn)
        }
        (Phase::Withdrawn | Phase::Closed | Phase::Paused | Phase::Announced, _) => None,
    };
    match notice {
        // Old news is no news: only that a door is open is still of use.
        Some(Notice::Open) => Word::Say(Notice::Open),
        Some(notice) if !opening.news.is_old_news(policy.max_age) => Word::Say(notice),
        // Nothing more will come of it, and nothing more is owed.
        _ if registered && told.phase != phase && matches!(phase, Phase::Closed | Phase::Withdrawn) => {
            Word::End(Reason::Over)
        }
        _ => Word::Nothing,
    }
}

/// What there is to say about a door that shut, to somebody who was told that
/// it was open.
fn closed(told: &Told<'_>, truth: &Truth, kind: Kind, now: DateTime<Utc>) -> Option<Notice> {
    match kind {
        Kind::EventDay => {
            truth.shut_at.filter(|_| truth.state == State::Closed)?;
            let to_come = |truth: &Truth| truth.facts.day.as_ref().is_some_and(|day| now < day.starts_at);
            (to_come(told.truth) || to_come(truth)).then_some(Notice::CalledOff)
        }
        Kind::Vacancy | Kind::Programme => {
            // By an event, or by a closing that was moved and never told.
            difference::shut_early(told.truth, truth.door_shuts_at()?).then_some(Notice::ClosedEarly)
        }
    }
}

/// What holds a notice back, and until when.
#[must_use]
pub fn guards(notice: &Notice, situation: &Situation<'_>, policy: &Policy) -> Vec<(Guard, DateTime<Utc>)> {
    let Situation { opening, told, wish, now, .. } = *situation;
    let changed: Vec<Difference> = match (notice, &told) {
        (Notice::Corrected(_), Some(told)) => {
            differences(opening.kind, told.truth, &opening.truth, &policy.words, now)
        }
        _ => vec![],
    };
    let mut holding = Vec::new();
    let door_moved = !matches!(notice, Notice::Announced | Notice::Dated | Notice::Corrected(_))
        || changed.iter().any(|change| change.field == Field::NotOpen);
    if door_moved && let Some(until) = opening.settles_at(policy.settling) {
        holding.push((Guard::Settle, until));
    }
    if let Some(told) = &told
        && !cannot_wait(notice, &changed)
    {
        let until = told.at + policy.minimum_gap;
        let left = opening.truth.door_shuts_at().map(|shuts| shuts - until);
        let useless = *notice == Notice::Open && left.is_some_and(|left| left < policy.useful_minimum);
        if !useless {
            holding.push((Guard::MinimumGap, until));
        }
    }
    if !changed.is_empty() && !changed.iter().any(|change| change.at_once) {
        let schedule = match (wish.registration, wish.search) {
            (None, Some(Cadence::Scheduled(own))) => own,
            _ => ScheduleName::DAILY,
        };
        if let Some(tick) = policy.rhythm.due(Cadence::Scheduled(schedule), opening.news.seen) {
            holding.push((Guard::Digest, tick));
        }
    }
    holding.retain(|(_, until)| *until > now);
    holding.sort_by_key(|(guard, until)| (*until, *guard));
    holding
}

/// Whether somebody who acts on what they were told may come too late.
fn cannot_wait(notice: &Notice, changed: &[Difference]) -> bool {
    match notice {
        Notice::ClosedEarly | Notice::CalledOff | Notice::Paused | Notice::Withdrawn => true,
        Notice::Corrected(_) => changed.iter().any(|change| change.earlier || change.field == Field::NotOpen),
        Notice::Announced | Notice::Dated | Notice::Open | Notice::ClosingSoon | Notice::Missed => false,
    }
}

/// How a promise was kept by a mail that was accepted at `now`, while the door
/// was open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    /// In good time.
    Kept,
    /// While the door was open, with too little time left.
    KeptLate,
}

impl Keeping {
    /// By what was left of the door time: in good time is `useful_minimum` or
    /// more, or a quarter of the door time if that is shorter. `None` if the
    /// door was not open.
    #[must_use]
    pub fn of(truth: &Truth, useful_minimum: Duration, now: DateTime<Utc>) -> Option<Self> {
        if truth.phase(now) != Phase::Open {
            return None;
        }
        let Some(shuts) = truth.door_shuts_at() else { return Some(Self::Kept) };
        let quarter = truth.opened_at.map_or(useful_minimum, |opened| (shuts - opened) / 4);
        let needed = useful_minimum.min(quarter);
        Some(if shuts - now >= needed { Self::Kept } else { Self::KeptLate })
    }

    /// The name in the tables and in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::KeptLate => "kept-late",
        }
    }
}

#[cfg(test)]
mod tests;
