//! What a mail is known by.

use std::collections::BTreeSet;
use std::fmt;

use data_encoding::BASE32_NOPAD;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// A Message-ID that follows from who is told what.
///
/// A mail that is tried again carries the same one, also from another process, so a copy can be
/// recognised as a copy; a mail that tells anything else carries another. The part before the `@`
/// is a hash, from which neither the person nor what they are told can be read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MessageId {
    text: String,
}

impl MessageId {
    /// The octets of the hash that are kept: 160 bits, 32 letters.
    const KEPT: usize = 20;

    /// The Message-ID at `domain` of the mail of this `kind` that tells the subscriber of these
    /// openings (each with the revision that is told), in whatever order.
    pub fn of<'a>(
        subscriber: Uuid,
        kind: &str,
        told: impl Iterator<Item = (&'a str, i32)>,
        domain: &str,
    ) -> Self {
        let told: BTreeSet<(&str, i32)> = told.collect();
        let mut hash = Sha256::new();
        hash.update(subscriber.as_bytes());
        update_with_length(&mut hash, kind);
        for (key, revision) in told {
            update_with_length(&mut hash, key);
            hash.update(revision.to_be_bytes());
        }
        let local = BASE32_NOPAD.encode(&hash.finalize()[..Self::KEPT]).to_lowercase();
        Self { text: format!("<{local}@{domain}>") }
    }

    /// As it stands in the header: `<...@domain>`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What stands before the `@`.
    #[must_use]
    pub fn local(&self) -> &str {
        self.text.split('@').next().unwrap_or_default().trim_start_matches('<')
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// With its length in front, so that no two lists of texts run together into the same octets.
fn update_with_length(hash: &mut Sha256, text: &str) {
    hash.update((text.len() as u64).to_be_bytes());
    hash.update(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(subscriber: u128, kind: &str, told: &[(&str, i32)]) -> MessageId {
        MessageId::of(Uuid::from_u128(subscriber), kind, told.iter().copied(), "midshire.example")
    }

    #[test]
    fn is_the_same_in_every_version_of_the_program() {
        let known = id(1, "vacancy-alert", &[("vacancy/230000IR#1", 1)]);
        assert_eq!(known.as_str(), "<xelug3wkiixsgnlpvvquypngwghtecez@midshire.example>");
        assert_eq!(format!("<{}@midshire.example>", known.local()), known.to_string());
    }

    #[test]
    fn differs_when_anything_that_is_told_differs() {
        let ids = [
            id(1, "vacancy-alert", &[("a", 1)]),
            id(2, "vacancy-alert", &[("a", 1)]),
            id(1, "digest", &[("a", 1)]),
            id(1, "vacancy-alert", &[("a", 2)]),
            id(1, "vacancy-alert", &[("b", 1)]),
            id(1, "vacancy-alert", &[("a", 1), ("b", 1)]),
            id(1, "vacancy-alert", &[]),
            id(1, "vacancy-alerta", &[("", 1)]),
        ];
        let distinct: BTreeSet<&str> = ids.iter().map(MessageId::as_str).collect();
        assert_eq!(distinct.len(), ids.len());
    }

    proptest! {
        #[test]
        fn order_and_repetition_say_nothing(
            (told, shuffled) in proptest::collection::vec((".{0,5}", any::<i32>()), 0..6)
                .prop_flat_map(|told| (Just(told.clone()), Just(told).prop_shuffle())),
        ) {
            let of = |told: &[(String, i32)], times: usize| {
                let told = told.iter().map(|(key, revision)| (key.as_str(), *revision));
                let all: Vec<_> = std::iter::repeat_n(told, times).flatten().collect();
                id(7, "vacancy-alert", &all)
            };
            prop_assert_eq!(of(&told, 1), of(&shuffled, 2));
            prop_assert_eq!(of(&told, 1).local().len(), 32);
        }
    }
}
