//! What people were told, held against what is so: what they must hear, and when.

use chrono::{DateTime, Duration, Utc};
use jobalerts::domain::cadence::Cadence;
use jobalerts::domain::subscriber::{Person, Search};
use jobalerts::domain::taxonomy::Taxonomy;
use jobalerts::domain::terms::Terms;
use jobalerts::domain::truth::{CloseReason, State, Truth};

use crate::turn::{How, Turn, by_day, digest, next_morning, rests_until};

/// Nobody is told of a door that has moved before it has settled.
const SETTLE: Duration = Duration::minutes(2);
/// Between two mails about one vacancy to one person, if the second can wait.
const GAP: Duration = Duration::minutes(60);
/// A later closing is told at once if the old one is as near as this.
const NEAR: Duration = Duration::hours(48);

/// What a person was told.
pub(crate) struct Said {
    /// What was so.
    pub(crate) truth: Truth,
    /// When.
    pub(crate) at: DateTime<Utc>,
    /// In the mail with this Message-ID.
    pub(crate) mail: String,
}

/// Something that was told is no longer so.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// It is gone.
    Withdrawn(DateTime<Utc>),
    /// It shut before the time that was told.
    ClosedEarly(DateTime<Utc>),
    /// It shuts earlier, or the time that was told is near.
    MovedAtOnce,
    /// It shuts later, and there is time.
    MovedLater,
}

impl News {
    /// The kind of mail that tells it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Withdrawn(_) => "withdrawn",
            Self::ClosedEarly(_) => "closed-early",
            Self::MovedAtOnce | Self::MovedLater => "correction",
        }
    }
}

/// What is no longer so, if anything.
pub(crate) fn news(said: &Truth, truth: &Truth, now: DateTime<Utc>) -> Option<News> {
    let (was, is) = (said.facts.door_shuts_at(), truth.facts.door_shuts_at());
    match (said.state, truth.state) {
        (State::Open, State::Withdrawn) => Some(News::Withdrawn(settled(truth))),
        (State::Open, State::Closed) => {
            let early = was.zip(truth.shut_at).is_some_and(|(told, shut)| shut < told);
            early.then(|| News::ClosedEarly(settled(truth)))
        }
        (State::Open, State::Open) if said.facts.closing != truth.facts.closing => {
            let earlier = match (was, is) {
                (Some(was), Some(is)) => is < was,
                (was, _) => was.is_none(),
            };
            let near = was.is_some_and(|was| was - now < NEAR);
            Some(if earlier || near { News::MovedAtOnce } else { News::MovedLater })
        }
        _ => None,
    }
}

/// Whether a door that is shut is worth a line to somebody who never heard that it was open.
pub(crate) fn is_worth_a_line(truth: &Truth) -> bool {
    use CloseReason::{Error, OnHold, PostedInError, Withdrawn};
    let quiet = [Error, OnHold, PostedInError, Withdrawn];
    truth.state != State::Withdrawn && truth.close_reason.is_none_or(|reason| !quiet.contains(&reason))
}

/// The searches of a person that ask for what is so, or for what they were told.
pub(crate) fn asking<'p>(
    person: &'p Person,
    said: Option<&Said>,
    truth: &Truth,
    taxonomy: &Taxonomy,
) -> Vec<&'p Search> {
    let told = said.map(|said| Terms::of(&said.truth.facts, taxonomy));
    let terms = Terms::of(&truth.facts, taxonomy);
    let asks = |search: &&Search| {
        search.cadence != Cadence::Paused
            && (search.criteria.matches(&terms)
                || told.as_ref().is_some_and(|told| search.criteria.matches(told)))
    };
    person.searches.iter().filter(asks).collect()
}

/// When somebody who was told hears the news, if their searches still ask for it.
pub(crate) fn again(
    news: &News,
    person: &Person,
    asking: &[&Search],
    said: &Said,
    truth: &Truth,
    now: DateTime<Utc>,
) -> Option<Turn> {
    if asking.is_empty() {
        return None;
    }
    let from = rests_until(person).map_or(now, |rested| rested.max(now));
    let at_once = asking.iter().any(|search| search.cadence == Cadence::Immediate);
    Some(match news {
        News::Withdrawn(settled) | News::ClosedEarly(settled) => {
            by_day(person, from.max(*settled), How::AtOnce, None)
        }
        News::MovedAtOnce => {
            let shuts = truth.facts.door_shuts_at();
            by_day(person, from, How::AtOnce, shuts.map(|shuts| shuts - Duration::hours(2)))
        }
        News::MovedLater if at_once => {
            Turn { at: next_morning(from)?.max(said.at + GAP), how: How::Unhurried }
        }
        News::MovedLater => Turn { at: digest(person, asking, from)?.max(said.at + GAP), how: How::Digest },
    })
}

/// From when anybody may be told how the door stands.
pub(crate) fn settled(truth: &Truth) -> DateTime<Utc> {
    let moved = truth.shut_at.or(truth.opened_at);
    moved.map_or(DateTime::UNIX_EPOCH, |moved| moved + SETTLE)
}

#[cfg(test)]
pub(crate) mod tests {
    use jobalerts::domain::facts::{Closing, Facts};

    use super::*;

    /// An open door, of which nothing is known.
    pub(crate) fn truth() -> Truth {
        serde_json::from_value(serde_json::json!({
            "state": "open", "closeReason": null, "openedAt": "2024-03-01T09:00:00Z", "shutAt": null,
            "explanation": null, "replacedBy": null, "earliest": null, "nextExpected": null,
            "registrationStaysOpen": true, "facts": Facts::blank(chrono_tz::Europe::London),
        }))
        .expect("is a truth")
    }

    #[test]
    fn what_was_told_is_held_against_what_is_so() {
        let at = |text: &str| -> DateTime<Utc> { text.parse().expect("is a moment") };
        let shuts = |text: &str| {
            let mut truth = truth();
            truth.facts.closing = Closing::Instant(at(text));
            truth
        };
        let (said, now) = (shuts("2024-03-08T12:00:00Z"), at("2024-03-04T09:00:00Z"));
        assert_eq!(news(&said, &said, now), None);
        assert_eq!(news(&said, &shuts("2024-03-07T12:00:00Z"), now), Some(News::MovedAtOnce));
        assert_eq!(news(&said, &shuts("2024-03-09T12:00:00Z"), now), Some(News::MovedLater));
        let late = at("2024-03-07T09:00:00Z");
        assert_eq!(news(&said, &shuts("2024-03-09T12:00:00Z"), late), Some(News::MovedAtOnce));
        let gone = |state| Truth { state, shut_at: Some(now), ..said.clone() };
        assert_eq!(news(&said, &gone(State::Withdrawn), now), Some(News::Withdrawn(now + SETTLE)));
        assert_eq!(news(&said, &gone(State::Closed), now), Some(News::ClosedEarly(now + SETTLE)));
        let in_time = Truth { shut_at: Some(at("2024-03-08T12:00:01Z")), ..gone(State::Closed) };
        assert_eq!(news(&said, &in_time, now), None);
        let filled = Truth { close_reason: Some(CloseReason::Filled), ..gone(State::Closed) };
        assert!(is_worth_a_line(&filled) && !is_worth_a_line(&gone(State::Withdrawn)));
        assert!(!is_worth_a_line(&Truth { close_reason: Some(CloseReason::OnHold), ..filled }));
    }
}
