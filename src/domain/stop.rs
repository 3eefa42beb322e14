//! To say stop: how much of it, by which way, and for how long it can be taken back.

use chrono::{DateTime, Duration, Utc};
use serde::Serialize;

/// For how long a stop can be undone, and what it ended is known.
const UNDO: Duration = Duration::days(14);

/// Until when a stop that was said at `at` can be undone.
#[must_use]
pub fn undone_until(at: DateTime<Utc>) -> DateTime<Utc> {
    at + UNDO
}

/// Stops from before this can be undone no more.
#[must_use]
pub fn undone_if_after(now: DateTime<Utc>) -> DateTime<Utc> {
    now - UNDO
}

/// How much is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// What one mail was about: the searches and registrations that it answered.
    These,
    /// Everything.
    All,
}

impl Scope {
    /// The name in the tables, in forms and in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::These => "these",
            Self::All => "all",
        }
    }

    /// The scope of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::These, Self::All].into_iter().find(|scope| scope.name() == name)
    }
}

/// By which way somebody said stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Route {
    /// With the button of their mail program (RFC 8058).
    OneClick,
    /// On our page.
    Page,
    /// By a mail to us.
    Mail,
    /// By marking a mail as spam, which their provider told us of.
    Complaint,
    /// Not at all: their mailbox is gone.
    Bounce,
    /// Through a person who works here.
    Operator,
}

impl Route {
    /// The name in the tables and in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OneClick => "one-click",
            Self::Page => "page",
            Self::Mail => "mail",
            Self::Complaint => "complaint",
            Self::Bounce => "bounce",
            Self::Operator => "operator",
        }
    }
}
