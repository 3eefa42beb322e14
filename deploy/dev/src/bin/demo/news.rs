//! What people were told, held against what is so: what they must hear, and when.

use chrono::{DateTime, Duration, Utc};
use jobalerts::domain::cadence::{Cadence, ScheduleName};
use jobalerts::domain::rhythm::Rhythm;
use jobalerts::domain::subscriber::{Person, Search};
use jobalerts::domain::taxonomy::Taxonomy;
use jobalerts::domain::terms::Terms;
use jobalerts::domain::truth::{State, Truth};

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
    rhythm: &Rhythm,
    asking: &[&Search],
    said: &Said,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    if asking.is_empty() {
        return None;
    }
    match news {
        News::Withdrawn(settled) | News::ClosedEarly(settled) => Some(now.max(*settled)),
        News::MovedAtOnce => Some(now),
        News::MovedLater => {
            let weekly = Cadence::scheduled(ScheduleName::WEEKLY);
            let only_weekly = asking.iter().all(|search| search.cadence == weekly);
            let cadence = if only_weekly { weekly } else { Cadence::scheduled(ScheduleName::DAILY) };
            Some(rhythm.due(cadence, now)?.max(said.at + GAP))
        }
    }
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
    }
}
