//! From a mail in hand to what is sent.

use chrono::{DateTime, Utc};

use crate::compose::{ComposeError, Composer, Digest, Email, Item, Registration, letters};
use crate::delivery::asking::Before;
use crate::delivery::claim::{Claimed, Digested};
use crate::delivery::in_hand::InHand;

/// The mail as it is at this moment, or why it is held back.
pub(super) fn written(composer: &Composer, mail: &InHand, now: DateTime<Utc>) -> Result<Email, String> {
    let written = match mail {
        InHand::Alert(mail) => alert(composer, mail, now),
        InHand::Letter(mail) => {
            let told = letters::Told { holding: &mail.holding, day: mail.day };
            composer.letter(mail.letter, &mail.errand.recipient, mail.errand.identity(), told, now)
        }
    };
    written.map_err(|error| error.to_string())
}

/// A mail about openings.
pub(super) fn alert(composer: &Composer, mail: &Claimed, now: DateTime<Utc>) -> Result<Email, ComposeError> {
    let items: Vec<Item<'_>> = mail
        .topics
        .iter()
        .map(|topic| Item {
            subject: &topic.kept.subject,
            truth: &topic.kept.opening.truth,
            told: topic.told.as_ref().map(Before::told),
            notice: &topic.notice,
            searches: topic.searches.iter().map(String::as_str).collect(),
            registration: topic.registration.as_ref().map(|(registration, receipt)| Registration {
                programme: &registration.programme,
                on: registration.registered_at,
                receipt: *receipt,
            }),
            no_longer_matches: topic.no_longer_matches,
            perhaps_told: topic.perhaps_told,
            test: topic.kept.opening.test,
        })
        .collect();
    let (to, identity) = (&mail.errand.recipient, mail.errand.identity());
    match &mail.digest {
        None => composer.mail(mail.kind, to, identity, &items, now),
        Some(Digested { soon, live, .. }) => {
            composer.digest(to, identity, &Digest { items, soon: *soon, rest: *live }, now)
        }
    }
}
