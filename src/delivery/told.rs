//! What a mail that was accepted told of each opening, and what that does to a
//! promise.

use chrono::{DateTime, Duration, Utc};

use crate::delivery::claim::{Claimed, Topic};
use crate::domain::alert::{Keeping, Notice};
use crate::domain::truth::{Phase, State};
use crate::store::tries::{Promise, Told};

/// What a mail told, if it was accepted at `now`.
#[must_use]
pub fn told(mail: &Claimed, useful_minimum: Duration, now: DateTime<Utc>) -> Vec<Told> {
    let told = mail.topics.iter().map(|topic| {
        let truth = &topic.kept.opening.truth;
        let opens = truth.opened_at.filter(|_| topic.phase == Phase::Scheduled && truth.state == State::Open);
        Told {
            opening_id: topic.kept.id,
            revision: topic.kept.revision,
            phase: topic.phase,
            next_due: opens.map(|opens| opens.max(now)),
            promise: promise(topic, useful_minimum, now),
        }
    });
    told.collect()
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
        Notice::CalledOff => Promise::Released("cancelled"),
        Notice::Withdrawn => Promise::Released("withdrawn"),
    }
}
