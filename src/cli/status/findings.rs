//! Is all well, and if not, what is to be done?

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use crate::clock::APART;
use crate::domain::breaker::State;
use crate::store::breakers::Kept;
use crate::store::vitals::Vitals;

/// Whoever asked to hear at once is told within this time.
const AT_ONCE: TimeDelta = TimeDelta::minutes(15);
/// A digest, or what housekeeping does, may be so late.
const UNHURRIED: TimeDelta = TimeDelta::hours(2);

/// Something that is not well, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// What is not well.
    pub(super) what: String,
    /// What is to be done.
    pub(super) remedy: String,
}

impl Finding {
    /// For people.
    pub(super) fn lines(&self) -> [String; 2] {
        [format!("NOT WELL     {}", self.what), format!("             -> {}", self.remedy)]
    }
}

/// What is looked at.
pub(super) struct Sight<'a> {
    pub(super) vitals: &'a Vitals,
    /// Messages that wait, and dead letters; or why nobody knows.
    pub(super) queue: Result<(u32, u32), &'a str>,
    /// Chores whose time has come, and since when.
    pub(super) overdue: Vec<(&'a str, DateTime<Utc>)>,
    /// How far the machine's clock is ahead of the database's.
    pub(super) ahead: TimeDelta,
    pub(super) now: DateTime<Utc>,
}

/// What is not well, the worst first. If it is nothing, all is well.
pub(super) fn findings(sight: &Sight<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut find = |is_so: bool, what: String, remedy: &str| {
        if is_so {
            found.push(Finding { what, remedy: remedy.to_owned() });
        }
    };
    let numbers = &sight.vitals.numbers;
    let paused = sight.vitals.paused;
    find(paused, "all mails are stopped".to_owned(), "`jobalerts resume --look` says what would leave");
    let apart = sight.ahead.abs();
    find(
        apart > APART,
        format!("the clocks of this machine and of the database are {} s apart", apart.num_seconds()),
        "mend the time service; `timedatectl` on both",
    );
    if let Err(error) = sight.queue {
        find(true, error.to_owned(), "start RabbitMQ, or correct amqp.url; events wait there meanwhile");
    }
    find(
        numbers.unaccounted > 0,
        format!("{} alerts about open doors are neither told, due, nor ended", numbers.unaccounted),
        "nobody will tell these people: docs/runbook.md#jobalertsforgets",
    );
    find(
        numbers.missing > 0,
        format!("of {} people who registered for an open programme nothing is known", numbers.missing),
        "`jobalerts ledger` says of which; docs/runbook.md#jobalertsmissespeople",
    );
    find(
        numbers.broken > 0,
        format!("{} promises are broken and not explained", numbers.broken),
        "`jobalerts ledger` says of what; docs/runbook.md#jobalertspromisebroken",
    );
    let late = |since: Option<DateTime<Utc>>, limit| {
        since.map(|since| sight.now - since).filter(|wait| !paused && *wait > limit)
    };
    if let Some(wait) = late(numbers.oldest_at_once, AT_ONCE) {
        find(
            true,
            format!("somebody who asked to hear at once has waited for {}", in_words(wait)),
            "does delivery run, and is it ready? docs/runbook.md#jobalertstellstoolate",
        );
    }
    if let Some(wait) = late(numbers.oldest_unhurried, UNHURRIED) {
        find(
            true,
            format!("a digest is {} late", in_words(wait)),
            "does delivery run, and is it ready? docs/runbook.md#jobalertsdigestslate",
        );
    }
    find(
        numbers.set_aside > 0,
        format!("{} openings cannot be matched", numbers.set_aside),
        "the log says why (set aside); docs/runbook.md#jobalertssetaside",
    );
    for kept in sight.vitals.breakers.iter().filter(|kept| kept.breaker.state != State::Closed) {
        find(true, refuses(kept), "docs/runbook.md#jobalertsproviderrefuses");
    }
    let dead_letters = sight.queue.map_or(0, |(_, dead)| dead);
    find(
        dead_letters > 0,
        format!("{dead_letters} events could not be understood"),
        "the headers of these dead letters say why: docs/runbook.md#jobalertsdeadletters",
    );
    find(
        numbers.unknown > 0,
        format!("of {} mails nobody knows whether they arrived", numbers.unknown),
        "`jobalerts unknown list`, and look into the mail server's log",
    );
    for (chore, since) in &sight.overdue {
        let wait = sight.now - *since;
        find(
            wait > UNHURRIED,
            format!("{chore} should have run {} ago", in_words(wait)),
            "does housekeeping run? docs/runbook.md#jobalertschorelate",
        );
    }
    found
}

/// Mail domains stay in the list below: this line may be shown on a wall.
fn refuses(kept: &Kept) -> String {
    let whom = if kept.scope.starts_with("relay/") { &kept.scope } else { "a provider" };
    format!("{whom} takes nothing from us: {}", kept.reason)
}

fn in_words(wait: TimeDelta) -> String {
    match (wait.num_days(), wait.num_hours(), wait.num_minutes()) {
        (days @ 2.., _, _) => format!("{days} days"),
        (_, hours @ 2.., _) => format!("{hours} hours"),
        (_, _, minutes) => format!("{minutes} minutes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::breaker::Breaker;
    use crate::store::vitals::Numbers;

    fn now() -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(20_000)
    }

    fn well() -> Vitals {
        let numbers = Numbers {
            owed: 400_000,
            broken: 0,
            due_at_once: 100_000,
            oldest_at_once: Some(now() - AT_ONCE),
            due_unhurried: 100_000,
            oldest_unhurried: Some(now() - UNHURRIED),
            unaccounted: 0,
            missing: 0,
            to_match: 3,
            set_aside: 0,
            outcome_events: 7,
            unknown: 0,
            deferred: 5_000,
            last_event_at: None,
            lateness: None,
        };
        Vitals { numbers, breakers: vec![], chores: vec![], paused: false }
    }

    type Change = Box<dyn Fn(&mut Vitals)>;

    fn found(change: impl Fn(&mut Vitals)) -> Vec<String> {
        let mut vitals = well();
        change(&mut vitals);
        let overdue = vec![("retention", now() - UNHURRIED)];
        let sight = Sight { vitals: &vitals, queue: Ok((5_000, 0)), overdue, ahead: APART, now: now() };
        findings(&sight).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn to_be_busy_is_to_be_well() {
        assert!(found(|_| {}).is_empty());
    }

    #[test]
    fn each_thing_that_is_not_well_is_found_by_itself() {
        let second = TimeDelta::seconds(1);
        let relay = || Kept {
            scope: "relay/smtp".to_owned(),
            breaker: Breaker { state: State::Open { until: now() }, ..Breaker::default() },
            reason: "550 5.7.1".to_owned(),
            changed_at: now(),
        };
        let cases: Vec<(&str, Change)> = vec![
            ("all mails are stopped", Box::new(|v| v.paused = true)),
            ("2 alerts about open doors", Box::new(|v| v.numbers.unaccounted = 2)),
            ("of 3 people who registered", Box::new(|v| v.numbers.missing = 3)),
            ("1 promises are broken", Box::new(|v| v.numbers.broken = 1)),
            (
                "waited for 15 minutes",
                Box::new(move |v| v.numbers.oldest_at_once = Some(now() - AT_ONCE - second)),
            ),
            (
                "2 hours late",
                Box::new(move |v| v.numbers.oldest_unhurried = Some(now() - UNHURRIED - second)),
            ),
            ("4 openings", Box::new(|v| v.numbers.set_aside = 4)),
            ("relay/smtp takes nothing from us: 550 5.7.1", Box::new(move |v| v.breakers = vec![relay()])),
            ("of 6 mails nobody knows", Box::new(|v| v.numbers.unknown = 6)),
        ];
        for (what, change) in cases {
            let found = found(change);
            assert!(found.len() == 1 && found[0].contains(what), "{what}: {found:?}");
        }
    }

    #[test]
    fn what_waits_because_mails_are_stopped_is_no_second_finding() {
        let stopped = found(|vitals| {
            vitals.paused = true;
            vitals.numbers.oldest_at_once = Some(now() - TimeDelta::days(3));
        });
        assert_eq!(stopped, ["all mails are stopped"]);
    }

    #[test]
    fn queues_and_chores_count() {
        let vitals = well();
        let overdue = vec![("retention", now() - TimeDelta::days(3))];
        let ahead = -APART;
        let sight = Sight { vitals: &vitals, queue: Err("RabbitMQ: refused"), overdue, ahead, now: now() };
        let what: Vec<String> = findings(&sight).into_iter().map(|finding| finding.what).collect();
        assert_eq!(what, ["RabbitMQ: refused", "retention should have run 3 days ago"]);
        let sight = Sight { vitals: &vitals, queue: Ok((0, 2)), overdue: vec![], ahead, now: now() };
        assert_eq!(findings(&sight)[0].what, "2 events could not be understood");
        let ahead = -APART - TimeDelta::seconds(1);
        let sight = Sight { vitals: &vitals, queue: Ok((0, 0)), overdue: vec![], ahead, now: now() };
        assert_eq!(findings(&sight)[0].what, "the clocks of this machine and of the database are 6 s apart");
    }
}
