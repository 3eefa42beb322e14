//! What is said of a message that is no good.

use std::fmt;

/// Why a message was set aside in the dead-letter queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// Over 256 KiB.
    TooLarge,
    /// Not JSON.
    NotJson,
    /// A member occurs twice in an object.
    DuplicateKey,
    /// Not a CloudEvents 1.0 envelope.
    Envelope,
    /// A type of event that this program does not know.
    UnknownType,
    /// The data is not of the form that the type needs.
    Schema,
    /// Made for another deployment.
    ForeignEnvironment,
    /// It links to a host that is not allowed, or not by https.
    LinkNotAllowed,
    /// It looks like a test and is not marked as one; a person must decide.
    LooksLikeATest,
}

impl Reason {
    /// The code in the header of the dead letter.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooLarge => "too-large",
            Self::NotJson => "not-json",
            Self::DuplicateKey => "duplicate-key",
            Self::Envelope => "envelope",
            Self::UnknownType => "unknown-type",
            Self::Schema => "schema",
            Self::ForeignEnvironment => "foreign-environment",
            Self::LinkNotAllowed => "link-not-allowed",
            Self::LooksLikeATest => "looks-like-a-test",
        }
    }

    /// A rejection for this reason.
    #[must_use]
    pub fn because(self, detail: impl Into<String>) -> Rejection {
        Rejection { reason: self, detail: detail.into() }
    }
}

/// A message that is set aside, and why. The detail names places, not values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Rejection {
    /// The code.
    pub reason: Reason,
    /// Where and what, for a person.
    pub detail: String,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason.code(), self.detail)
    }
}
