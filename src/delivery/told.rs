//! What a mail that was accepted told of each opening, and what that does to a
//! promise.

use chrono::{DateTime, Duration, Utc};

use crate::delivery::claim::Claimed;
use crate::delivery::topic::Topic;
use crate::domain::alert::{Keeping, Notice, Policy, reminder_at};
use crate::domain::truth::{Phase, State};
use crate::store::tries::{Extent, Promise, Release, Told};

/// What a mail told, if it was accepted at `now`.
#[must_use]
pub fn told(mail: &Claimed, policy: &Policy, now: DateTime<Utc>) -> Vec<Told> {
    let told = mail.topics.iter().map(|topic| Told {
        opening_id: topic.kept.id,
        revision: topic.kept.revision,
        phase: topic.phase,
        next_due: next_due(topic, policy, now),
        promise: promise(topic, policy.useful_minimum, now),
        extent: match topic.notice {
            Notice::ClosingSoon => Extent::Reminder,
            _ => Extent::Whole,
        },
    });
    let rest = mail.digest.iter().flat_map(|digest| &digest.rest).map(|kept| Told {
        opening_id: kept.id,
        revision: kept.revision,
        phase: kept.opening.truth.phase(now),
        next_due: None,
        promise: Promise::AsBefore,
        extent: Extent::Summary,
    });
    told.chain(rest).collect()
}

/// When there is more to say by the clock alone: that it opens, or closes soon.
fn next_due(topic: &Topic, policy: &Policy, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let truth = &topic.kept.opening.truth;
    if topic.phase == Phase::Scheduled && truth.state == State::Open {
        return truth.opened_at.map(|opens| opens.max(now));
    }
    let reminded =
        topic.notice == Notice::ClosingSoon || topic.told.as_ref().is_some_and(|told| told.reminded);
    let asked = topic.registration.as_ref().is_some_and(|(registration, _)| registration.reminder);
    reminder_at(truth, now, policy).filter(|_| asked && !reminded && topic.phase == Phase::Open)
}

/// What a mail that was accepted at `now` did to a promise.
fn promise(topic: &Topic, useful_minimum: Duration, now: DateTime<Utc>) -> Promise {
    let truth = &topic.kept.opening.truth;
    match topic.notice {
        Notice::Dated if truth.door_opens_at().is_some_and(|opens| now < opens) => Promise::DateTold,
        Notice::Announced | Notice::Dated | Notice::ClosingSoon | Notice::Paused | Notice::Corrected(_) => {
            Promise::AsBefore
        }
        Notice::Open => match Keeping::of(truth, useful_minimum, now) {
            Some(keeping) => Promise::Kept(keeping, truth.door_shuts_at().map(|shuts| shuts - now)),
            // The mail says when it shut, and that was a moment ago.
            None => Promise::Explained,
        },
        Notice::Missed | Notice::ClosedEarly => Promise::Explained,
        Notice::CalledOff => Promise::Released(Release::Cancelled),
        Notice::Withdrawn => Promise::Released(Release::Withdrawn),
    }
}
