//! How a notice goes out, and what holds it back: digests, quiet hours, pauses, reminders.

use super::*;
use crate::domain::cadence::Slot;
use crate::domain::quiet::QuietHours;

/// Opened on Thursday 1 February 2024 at 10:00.
fn opened(closing: &str) -> Opening {
    let closing = match closing {
        "" => Closing::OpenUntilFilled,
        closing => Closing::Instant(at(closing)),
    };
    only(Kind::Vacancy, &[event(1, "2024-02-01T10:00:00Z", Some(Door::Open), vec![Change::Closing(closing)])])
}

fn asks(cadence: &str) -> Wish {
    Wish { search: Some(cadence.parse().unwrap()), ..Wish::default() }
}

fn situation<'a>(opening: &'a Opening, wish: Wish, preferences: Preferences, now: &str) -> Situation<'a> {
    Situation { opening, told: None, wish, standing: Standing::Reachable, preferences, now: at(now) }
}

fn slot(cadence: &str) -> Slot {
    match cadence.parse().unwrap() {
        Cadence::Scheduled(slot) => slot,
        other => panic!("{other} has no slot"),
    }
}

#[test]
fn a_search_is_told_at_once_or_with_a_digest() {
    let (early, late) = ("2024-02-02T08:00:00Z", "2024-02-02T08:00:01Z");
    let friday = |cadence| Manner::Digest(slot(cadence), at("2024-02-02T08:00:00Z"));
    for (closing, wish, manner_of_it) in [
        ("", asks("immediate"), Manner::AtOnce),
        ("", asks("daily"), friday("daily")),
        ("", asks("weekly"), Manner::Digest(slot("weekly"), at("2024-02-05T08:00:00Z"))),
        // The schedule is gone: daily.
        ("", asks("elevenses"), friday("elevenses")),
        ("", asks("daily 18:00"), Manner::Digest(slot("daily 18:00"), at("2024-02-01T18:00:00Z"))),
        // It would shut before the digest, or just after.
        (early, asks("daily"), Manner::AtOnce),
        (late, asks("daily"), friday("daily")),
        (late, asks("weekly"), Manner::AtOnce),
        ("", Wish { registration: Some(Registered::Within), ..asks("daily") }, Manner::AtOnce),
    ] {
        let opening = opened(closing);
        let situation = situation(&opening, wish, Preferences::default(), "2024-02-01T10:05:00Z");
        assert_eq!(manner(&Notice::Open, &situation, &policy()), manner_of_it, "{closing} {wish:?}");
    }
}

/// What came and went is for a digest, of the daily schedule at the person's hour if they have no other.
#[test]
fn what_was_missed_is_told_with_a_digest() {
    let shut = Some(Door::Shut(CloseReason::Filled));
    let opening = only(
        Kind::Vacancy,
        &[
            event(1, "2024-02-01T10:00:00Z", Some(Door::Open), vec![]),
            event(2, "2024-02-01T11:00:00Z", shut, vec![]),
        ],
    );
    let evening = Preferences {
        digests: Choice { time: chrono::NaiveTime::from_hms_opt(18, 0, 0), ..Choice::default() },
        ..Preferences::default()
    };
    for (wish, preferences, manner_of_it) in [
        (asks("weekly"), evening, Manner::Digest(slot("weekly"), at("2024-02-05T08:00:00Z"))),
        (
            asks("immediate"),
            Preferences::default(),
            Manner::Digest(slot("daily"), at("2024-02-02T08:00:00Z")),
        ),
        (asks("immediate"), evening, Manner::Digest(slot("daily 18:00"), at("2024-02-01T18:00:00Z"))),
        (registered(), evening, Manner::AtOnce),
    ] {
        let situation = situation(&opening, wish, preferences, "2024-02-01T11:10:00Z");
        assert_eq!(manner(&Notice::Missed, &situation, &policy()), manner_of_it, "{wish:?}");
    }
}

#[test]
fn quiet_hours_hold_what_can_wait() {
    let preferences =
        Preferences { quiet_hours: "21:00-08:00".parse::<QuietHours>().ok(), ..Preferences::default() };
    let morning = Word::Wait(at("2024-02-02T08:00:00Z"));
    let open = || say(Notice::Open);
    for (closing, wish, now, expected) in [
        ("", asks("immediate"), "2024-02-01T20:59:59Z", open()),
        ("", asks("immediate"), "2024-02-01T21:00:00Z", morning.clone()),
        ("", asks("immediate"), "2024-02-02T08:00:00Z", open()),
        ("2024-02-02T10:00:00Z", asks("immediate"), "2024-02-01T21:00:00Z", morning.clone()),
        ("2024-02-02T09:59:59Z", asks("immediate"), "2024-02-01T21:00:00Z", open()),
        // A quarter of the time that the door is open, if that is less than two hours.
        ("2024-02-01T23:00:00Z", registered(), "2024-02-01T22:00:00Z", open()),
        // Only early because it shuts before the digest: at night only if it shuts by morning.
        ("2024-02-02T09:00:00Z", asks("weekly"), "2024-02-01T21:00:00Z", morning.clone()),
        ("2024-02-02T08:00:00Z", asks("weekly"), "2024-02-01T21:00:00Z", open()),
        // A digest at an hour that lies in them, and one that is late.
        ("", asks("daily 22:00"), "2024-02-01T22:00:00Z", open()),
        ("", asks("daily 18:00"), "2024-02-01T22:00:00Z", morning),
    ] {
        let opening = opened(closing);
        let situation = situation(&opening, wish, preferences, now);
        assert_eq!(next_word(&situation, &policy()), expected, "{closing} {wish:?} {now}");
    }
}

#[test]
fn who_rests_hears_with_the_first_digest_after_it() {
    let rests = |registrations| Preferences {
        pause: Some(Pause { ends: at("2024-02-05T00:00:00Z"), registrations }),
        ..Preferences::default()
    };
    let monday = Word::Wait(at("2024-02-05T08:00:00Z"));
    for (closing, wish, preferences, now, expected) in [
        ("", asks("immediate"), rests(false), "2024-02-01T10:05:00Z", monday.clone()),
        ("", asks("daily"), rests(false), "2024-02-01T10:05:00Z", monday),
        ("", asks("immediate"), rests(false), "2024-02-05T08:00:00Z", say(Notice::Open)),
        // Nobody is told that they missed it.
        (
            "2024-02-04T12:00:00Z",
            asks("daily"),
            rests(false),
            "2024-02-05T08:00:00Z",
            Word::End(Reason::Expired),
        ),
        ("", registered(), rests(false), "2024-02-01T10:05:00Z", say(Notice::Open)),
        ("", registered(), rests(true), "2024-02-01T10:05:00Z", Word::Wait(at("2024-02-05T00:00:00Z"))),
        (
            "2024-02-04T12:00:00Z",
            registered(),
            rests(true),
            "2024-02-05T08:00:00Z",
            Word::End(Reason::NotBefore),
        ),
    ] {
        let opening = opened(closing);
        let situation = situation(&opening, wish, preferences, now);
        assert_eq!(next_word(&situation, &policy()), expected, "{closing} {wish:?} {now}");
    }
}

/// Another rhythm counts from the first tick after it was chosen.
#[test]
fn a_new_rhythm_waits_for_its_next_tick() {
    let opening = opened("");
    let changed = Preferences { rhythm_since: Some(at("2024-02-03T15:00:00Z")), ..Preferences::default() };
    let situation = situation(&opening, asks("daily"), changed, "2024-02-03T15:00:00Z");
    assert_eq!(next_word(&situation, &policy()), Word::Wait(at("2024-02-04T08:00:00Z")));
}

#[test]
fn a_reminder_comes_a_day_before_and_once() {
    let told_at = at("2024-02-01T10:10:00Z");
    let by_date = Closing::Date("2024-02-10".parse().unwrap());
    for (closing, reminds) in [
        (Closing::Instant(at("2024-02-10T09:00:00Z")), Some("2024-02-09T09:00:00Z")),
        (by_date, Some("2024-02-09T12:00:00Z")),
        // They were told less than two days before it shuts.
        (Closing::Instant(at("2024-02-03T10:00:00Z")), None),
        (Closing::OpenUntilFilled, None),
    ] {
        let changes = vec![Change::Closing(closing)];
        let opening = only(Kind::Programme, &[event(1, "2024-02-01T10:00:00Z", Some(Door::Open), changes)]);
        let word = |reminder, reminded, now: DateTime<Utc>| {
            let wish = Wish { reminder, ..registered() };
            let told = Some(Told { truth: &opening.truth, phase: Phase::Open, at: told_at, reminded });
            let preferences = Preferences::default();
            let standing = Standing::Reachable;
            next_word(&Situation { opening: &opening, told, wish, standing, preferences, now }, &policy())
        };
        let later = at("2024-02-01T12:00:00Z");
        assert_eq!(reminder_at(&opening.truth, told_at, &policy()), reminds.map(at), "{closing:?}");
        assert_eq!(word(true, false, later), reminds.map_or(Word::Nothing, |moment| Word::Wait(at(moment))));
        assert_eq!(word(false, false, later), Word::Nothing);
        if let Some(moment) = reminds.map(at) {
            assert_eq!(word(true, false, moment), say(Notice::ClosingSoon), "{closing:?}");
            assert_eq!(word(true, true, moment), Word::Nothing, "{closing:?}");
        }
    }
}
