//! The comparison at the heart: what a person was last told, against what is
//! true now.

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::cadence::{Cadence, Choice};
use crate::domain::difference::{self, Field, TellingWords, differences};
use crate::domain::facts::Closing;
use crate::domain::local_time::first_moment;
use crate::domain::opening::{Opening, Settling};
use crate::domain::quiet::QuietHours;
use crate::domain::rhythm::Rhythm;
use crate::domain::subject::Kind;
use crate::domain::truth::{CloseReason, Phase, State, Truth};

mod guards;

pub use guards::{Guard, Manner, guards, manner};

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
    /// They were reminded that it closes soon.
    pub reminded: bool,
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
    /// The registration asks to be reminded before the door shuts.
    pub reminder: bool,
}

/// A registration of interest that an opening answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registered {
    /// For this programme by name.
    Exactly,
    /// For one that it is part of.
    Within,
}

/// What a person has chosen of when they are written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Preferences {
    /// When nothing that can wait may arrive.
    pub quiet_hours: Option<QuietHours>,
    /// Their alerts rest.
    pub pause: Option<Pause>,
    /// When their digests come.
    pub digests: Choice,
    /// When they last chose another rhythm: digests go by it from the next
    /// tick after this.
    pub rhythm_since: Option<DateTime<Utc>>,
}

impl Preferences {
    /// From when on the ticks count with which something goes that is ready
    /// then: a pause, or another rhythm, moves them.
    #[must_use]
    pub fn ticks_from(&self, pause_ends: Option<DateTime<Utc>>, ready: DateTime<Utc>) -> DateTime<Utc> {
        [pause_ends, self.rhythm_since].into_iter().flatten().fold(ready, DateTime::max)
    }
}

/// A person's alerts rest until a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// The first moment at which they do not rest any more.
    pub ends: DateTime<Utc>,
    /// Whether registrations rest, too, and not only searches.
    pub registrations: bool,
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
    /// When the person wants to be written to.
    pub preferences: Preferences,
    /// The moment.
    pub now: DateTime<Utc>,
}

impl Situation<'_> {
    /// The end of the pause in which the wishes that this is about rest, or
    /// have rested.
    fn pause_ends(&self) -> Option<DateTime<Utc>> {
        let rests = |pause: &Pause| pause.registrations || self.wish.registration.is_none();
        self.preferences.pause.filter(rests).map(|pause| pause.ends)
    }
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
    /// How long before a door shuts people are reminded who asked for it.
    pub reminder: Duration,
    /// When digests leave.
    pub rhythm: Rhythm,
    /// The words that make a change of title material.
    pub words: TellingWords,
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
    let rested = situation.pause_ends().zip(truth.door_shuts_at()).is_some_and(|(ends, shut)| shut <= ends);
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
        // Nobody is told that they missed what opened and shut while they wanted to hear nothing.
        Phase::Closed if rested => Word::End(if registered { Reason::NotBefore } else { Reason::Expired }),
        Phase::Closed if was_open && !old && (registered || is_worth_a_line(opening)) => {
            Word::Say(Notice::Missed)
        }
        Phase::Withdrawn if wish.registration == Some(Registered::Exactly) && !old => {
            Word::Say(Notice::Withdrawn)
        }
        Phase::Withdrawn => Word::End(Reason::Withdrawn),
        Phase::Closed => Word::End(Reason::Expired),
    }
}

/// Whether somebody who only searches hears that it opened and shut before they
/// were told: not of days that are over, nor of what was put up by mistake, has
/// vanished, or rests.
fn is_worth_a_line(opening: &Opening) -> bool {
    let quietly = matches!(
        opening.truth.close_reason,
        Some(CloseReason::OnHold | CloseReason::PostedInError | CloseReason::Withdrawn | CloseReason::Error)
    );
    opening.kind != Kind::EventDay && !quietly
}

/// When somebody is to be reminded that the door shuts, who was told at
/// `told_at` that it is open. `None` if they were told so late that they know,
/// or if nobody says when it shuts. Where no time is given, it is at noon of
/// the day before.
#[must_use]
pub fn reminder_at(truth: &Truth, told_at: DateTime<Utc>, policy: &Policy) -> Option<DateTime<Utc>> {
    let shuts = truth.door_shuts_at()?;
    let zone = truth.facts.zone;
    let at = match difference::closing(truth) {
        Closing::Instant(_) | Closing::OpenUntilFilled => shuts - policy.reminder,
        Closing::Date(day) | Closing::CloseOfBusiness(day) => {
            first_moment(zone, day.pred_opt()?.and_hms_opt(12, 0, 0)?)
        }
    };
    (at - told_at >= policy.reminder).then_some(at)
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
        (Phase::Open, Phase::Open) => {
            let reminder = changes().is_none() && wish.reminder && !told.reminded;
            match reminder_at(told.truth, told.at, policy).filter(|_| reminder) {
                Some(at) if now < at => return Word::Wait(at),
                Some(_) => Some(Notice::ClosingSoon),
                None => changes(),
            }
        }
        (Phase::Scheduled | Phase::Open, Phase::Scheduled | Phase::Announced) => changes(),
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
        Some(notice @ (Notice::Open | Notice::ClosingSoon)) => Word::Say(notice),
        Some(notice) if !opening.news.is_old_news(policy.max_age) => Word::Say(notice),
        // It has been said beforehand that it opens, and that is told when it does.
        _ if phase == Phase::Scheduled && truth.state == State::Open => {
            truth.opened_at.filter(|opens| now < *opens).map_or(Word::Nothing, Word::Wait)
        }
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

/// How a promise was kept by a mail that was accepted at `now`, while the door
/// was open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
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
