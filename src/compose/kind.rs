//! Which kind of mail tells what.

use crate::domain::alert::Notice;
use crate::domain::subject::Kind;

/// A kind of mail: a folder in `templates/email/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MailKind {
    /// A vacancy is gone.
    Withdrawn,
    /// A route is paused, gone, or will not open.
    ProgrammeChanged,
    /// A day was moved, called off, or has places again.
    EventDayChanged,
    /// It shut before the time that was told.
    ClosedEarly,
    /// What was told is not so.
    Correction,
    /// One or several routes are open.
    OpenNow,
    /// One or several routes close soon.
    ClosingSoon,
    /// It opened and closed before we wrote.
    Missed,
    /// One or several routes have a date.
    OpeningDate,
    /// One or several vacancies are new.
    VacancyAlert,
    /// An event day can be booked.
    EventDay,
    /// What is new, has changed, or came and went since the last one.
    Digest,
}

impl MailKind {
    /// All of them, the most urgent first.
    pub const ALL: [Self; 12] = [
        Self::Withdrawn,
        Self::ProgrammeChanged,
        Self::EventDayChanged,
        Self::ClosedEarly,
        Self::Correction,
        Self::OpenNow,
        Self::ClosingSoon,
        Self::Missed,
        Self::OpeningDate,
        Self::VacancyAlert,
        Self::EventDay,
        Self::Digest,
    ];

    /// The kind that tells `notice` of something of this `kind`, if it is not told in a digest.
    #[must_use]
    pub const fn of(kind: Kind, notice: &Notice) -> Self {
        match (notice, kind) {
            (Notice::Announced | Notice::Dated, _) => Self::OpeningDate,
            (Notice::Open, Kind::Vacancy) => Self::VacancyAlert,
            (Notice::Open, Kind::Programme) => Self::OpenNow,
            (Notice::Open, Kind::EventDay) => Self::EventDay,
            (Notice::ClosingSoon, _) => Self::ClosingSoon,
            (Notice::Missed, _) => Self::Missed,
            (Notice::ClosedEarly, _) => Self::ClosedEarly,
            (Notice::CalledOff | Notice::Paused | Notice::Withdrawn, Kind::Programme) => {
                Self::ProgrammeChanged
            }
            (
                Notice::CalledOff | Notice::Paused | Notice::Withdrawn | Notice::Corrected(_),
                Kind::EventDay,
            ) => Self::EventDayChanged,
            (Notice::CalledOff | Notice::Paused | Notice::Withdrawn, Kind::Vacancy) => Self::Withdrawn,
            (Notice::Corrected(_), Kind::Vacancy | Kind::Programme) => Self::Correction,
        }
    }

    /// The name, in templates, tables and Message-IDs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Withdrawn => "withdrawn",
            Self::ProgrammeChanged => "programme-changed",
            Self::EventDayChanged => "event-day-changed",
            Self::ClosedEarly => "closed-early",
            Self::Correction => "correction",
            Self::OpenNow => "open-now",
            Self::ClosingSoon => "closing-soon",
            Self::Missed => "missed",
            Self::OpeningDate => "opening-date",
            Self::VacancyAlert => "vacancy-alert",
            Self::EventDay => "event-day",
            Self::Digest => "digest",
        }
    }

    /// Whether it says how to stop: links to people, headers to their mail programs.
    #[must_use]
    pub const fn offers_stop(self) -> bool {
        match self {
            Self::Withdrawn
            | Self::ProgrammeChanged
            | Self::EventDayChanged
            | Self::ClosedEarly
            | Self::Correction
            | Self::OpenNow
            | Self::ClosingSoon
            | Self::Missed
            | Self::OpeningDate
            | Self::VacancyAlert
            | Self::EventDay
            | Self::Digest => true,
        }
    }

    /// Whether it puts right what an earlier mail said, and so stands in that
    /// mail's thread (I25).
    #[must_use]
    pub const fn follows_up(self) -> bool {
        match self {
            Self::Withdrawn
            | Self::ProgrammeChanged
            | Self::EventDayChanged
            | Self::ClosedEarly
            | Self::Correction => true,
            Self::OpenNow
            | Self::ClosingSoon
            | Self::Missed
            | Self::OpeningDate
            | Self::VacancyAlert
            | Self::EventDay
            | Self::Digest => false,
        }
    }
}
