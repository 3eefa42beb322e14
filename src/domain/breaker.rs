//! A circuit breaker: when nothing gets through to a provider, or through a
//! relay, it is left alone for a while, and then asked with one mail.
//!
//! A pure state machine; where it is kept, so that it holds for all processes,
//! is not its business.

use chrono::{DateTime, Duration, Utc};

use crate::domain::reply::Signal;

/// So many different people's mailboxes must have refused us, one after the other, before we take it
/// that their provider does. Fewer may have a rule of their own, or an employer who has.
pub const ENOUGH_PEOPLE: usize = 3;

/// How a breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Breaker {
    /// Whether mails may go.
    pub state: State,
    /// How many were put off in a row, and none taken in between.
    pub run: u16,
    /// How often it opened in a row, and no mail was taken in between.
    pub times: u16,
    /// Whose mailboxes refused us since a mail was taken, or since it last opened.
    pub people: People,
}

/// A few different people, fewer than [`ENOUGH_PEOPLE`], by their keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct People([Option<i64>; ENOUGH_PEOPLE - 1]);

impl People {
    /// Their keys.
    pub fn iter(self) -> impl Iterator<Item = i64> {
        self.0.into_iter().flatten()
    }

    /// These and one more; none if that is enough of them.
    fn with(mut self, person: i64) -> Option<Self> {
        if self.iter().any(|known| known == person) {
            return Some(self);
        }
        *self.0.iter_mut().find(|place| place.is_none())? = Some(person);
        Some(self)
    }
}

impl FromIterator<i64> for People {
    fn from_iter<T: IntoIterator<Item = i64>>(keys: T) -> Self {
        keys.into_iter().fold(Self::default(), |people, person| people.with(person).unwrap_or(people))
    }
}

/// Whether mails may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    /// They may.
    #[default]
    Closed,
    /// None may before this time. After it one may, to find out.
    Open {
        /// That time.
        until: DateTime<Utc>,
    },
    /// One is on its way; if nothing is heard of it by this time, another may go.
    Probing {
        /// That time.
        until: DateTime<Utc>,
    },
}

/// When a breaker opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// After so many mails in a row that the server put off as a whole; never
    /// for that reason if it is 0.
    pub run: u16,
    /// For how long the first time; each time twice as long...
    pub first: Duration,
    /// ...up to this.
    pub longest: Duration,
    /// How long the one mail may take that finds out.
    pub probe: Duration,
}

/// Whether a mail may go now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// It may.
    Granted,
    /// One may, to find out, if nobody else is about to.
    Probe,
    /// Not now.
    Refused,
}

impl Breaker {
    /// Whether a mail may go at `now`.
    #[must_use]
    pub fn leave(self, now: DateTime<Utc>) -> Leave {
        match self.state {
            State::Closed => Leave::Granted,
            State::Open { until } | State::Probing { until } if until <= now => Leave::Probe,
            State::Open { .. } | State::Probing { .. } => Leave::Refused,
        }
    }

    /// How it stands when one mail goes at `now` to find out.
    #[must_use]
    pub fn probing(self, plan: &Plan, now: DateTime<Utc>) -> Self {
        Self { state: State::Probing { until: now + plan.probe }, ..self }
    }

    /// How it stands after a sign. `jitter` is from 0.75 to 1.25: breakers that
    /// opened together are not to ask together.
    #[must_use]
    pub fn after(self, signal: Signal, plan: &Plan, jitter: f64, now: DateTime<Utc>) -> Self {
        match (self.state, signal) {
            (State::Closed | State::Probing { .. }, Signal::Taken) => Self::default(),
            // It answered for one mailbox: that says nothing of the next, who is asked at once.
            (State::Probing { .. }, Signal::Answers) => Self { state: State::Open { until: now }, ..self },
            (State::Probing { .. }, Signal::RejectsFor(person)) => match self.people.with(person) {
                Some(people) => Self { state: State::Open { until: now }, people, ..self },
                None => self.opened(plan, jitter, now),
            },
            (State::Closed, Signal::RejectsFor(person)) => match self.people.with(person) {
                Some(people) => Self { people, ..self },
                None => self.opened(plan, jitter, now),
            },
            (State::Probing { .. }, Signal::Strained | Signal::Rejects)
            | (State::Closed, Signal::Rejects) => self.opened(plan, jitter, now),
            (State::Closed, Signal::Strained) => {
                let counted = Self { run: self.run.saturating_add(1), ..self };
                if plan.run > 0 && counted.run >= plan.run {
                    counted.opened(plan, jitter, now)
                } else {
                    counted
                }
            }
            // Mails that were under way when it opened have no say.
            (State::Closed, Signal::Answers) | (State::Open { .. }, _) => self,
        }
    }

    fn opened(self, plan: &Plan, jitter: f64, now: DateTime<Utc>) -> Self {
        let doublings = u32::from(self.times.min(20));
        let wait = plan.first.checked_mul(1 << doublings).map_or(plan.longest, |wait| wait.min(plan.longest));
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            reason = "days in milliseconds"
        )]
        let jittered = Duration::milliseconds((wait.num_milliseconds() as f64 * jitter) as i64);
        Self {
            state: State::Open { until: now + jittered },
            run: self.run,
            times: self.times.saturating_add(1),
            people: People::default(),
        }
    }

    /// Its state in the tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self.state {
            State::Closed => "closed",
            State::Open { .. } => "open",
            State::Probing { .. } => "probing",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PLAN: Plan = Plan {
        run: 3,
        first: Duration::minutes(5),
        longest: Duration::minutes(60),
        probe: Duration::minutes(15),
    };

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + Duration::minutes(minutes)
    }

    fn after(breaker: Breaker, signals: &[Signal], now: DateTime<Utc>) -> Breaker {
        signals.iter().fold(breaker, |breaker, signal| breaker.after(*signal, &PLAN, 1.0, now))
    }

    #[test]
    fn a_run_opens_it_and_a_mail_that_is_taken_ends_the_run() {
        let closed = Breaker::default();
        let twice = after(closed, &[Signal::Strained, Signal::Strained], at(0));
        assert_eq!((twice.state, twice.run), (State::Closed, 2));
        assert_eq!(after(twice, &[Signal::Taken], at(0)), closed);
        // One mailbox that is gone says nothing of the others.
        let open = after(twice, &[Signal::Answers, Signal::Strained], at(0));
        assert_eq!(open.state, State::Open { until: at(5) });
        let never = Plan { run: 0, ..PLAN };
        let many = (0..99).fold(closed, |breaker, _| breaker.after(Signal::Strained, &never, 1.0, at(0)));
        assert_eq!(many.state, State::Closed);
    }

    #[test]
    fn a_rejection_opens_it_at_once_and_one_mail_finds_out() {
        let open = after(Breaker::default(), &[Signal::Rejects], at(0));
        assert_eq!(open.state, State::Open { until: at(5) });
        assert_eq!([0, 4].map(|minute| open.leave(at(minute))), [Leave::Refused; 2]);
        assert_eq!(open.leave(at(5)), Leave::Probe);
        // Those that were under way change nothing.
        assert_eq!(after(open, &[Signal::Rejects, Signal::Taken], at(1)), open);

        let probing = open.probing(&PLAN, at(6));
        assert_eq!(probing.leave(at(20)), Leave::Refused);
        assert_eq!(probing.leave(at(21)), Leave::Probe, "nothing was heard of it");
        assert_eq!(after(probing, &[Signal::Taken], at(7)), Breaker::default());
        assert_eq!(after(probing, &[Signal::Answers], at(7)).leave(at(7)), Leave::Probe);
    }

    #[test]
    fn one_mailbox_says_nothing_of_its_provider_and_three_do() {
        let [ann, bob, cee, dan] = [1, 2, 3, 4].map(Signal::RejectsFor);
        let twice = after(Breaker::default(), &[ann, bob, ann, bob, ann], at(0));
        assert_eq!((twice.state, twice.people.iter().collect::<Vec<_>>()), (State::Closed, vec![1, 2]));
        assert_eq!(after(twice, &[Signal::Taken], at(0)), Breaker::default(), "others are taken");
        let open = after(twice, &[Signal::Answers, cee], at(0));
        assert_eq!((open.state, open.times), (State::Open { until: at(5) }, 1));
        // The mail that is to find out goes to one of them: the next may find out at once, and the wait
        // does not grow.
        let again = after(open.probing(&PLAN, at(5)), &[ann], at(6));
        assert_eq!((again.leave(at(6)), again.times), (Leave::Probe, 1));
        let again = after(again.probing(&PLAN, at(6)), &[ann], at(7));
        assert_eq!((again.leave(at(7)), again.times), (Leave::Probe, 1));
        assert_eq!(after(again.probing(&PLAN, at(7)), &[Signal::Taken], at(8)), Breaker::default());
        // Three different ones do.
        let again = after(again.probing(&PLAN, at(7)), &[dan], at(8));
        let open = after(again.probing(&PLAN, at(8)), &[bob], at(9));
        assert_eq!((open.state, open.times), (State::Open { until: at(19) }, 2));
        assert_eq!(open.people, People::default());
        assert_eq!([9, 9, 8, 7].into_iter().collect::<People>().iter().collect::<Vec<_>>(), [9, 8]);
    }

    #[test]
    fn it_opens_for_longer_each_time_up_to_a_bound() {
        let mut breaker = after(Breaker::default(), &[Signal::Rejects], at(0));
        let mut waits = Vec::new();
        let mut now = at(0);
        for _ in 0..30 {
            let State::Open { until } = breaker.state else { panic!("{breaker:?}") };
            waits.push((until - now).num_minutes());
            now = until;
            breaker = after(breaker.probing(&PLAN, now), &[Signal::Strained], now);
        }
        assert_eq!(waits[..6], [5, 10, 20, 40, 60, 60]);
        assert_eq!(waits[29], 60);
    }

    proptest! {
        /// Whatever comes, it lets a mail through again in the end, and stays closed while all is well.
        #[test]
        fn it_never_locks_for_good(
            signals in prop::collection::vec((0_u8..9, 0_i64..200, 0.75..=1.25_f64), 0..60),
        ) {
            let mut breaker = Breaker::default();
            let mut now = at(0);
            for (signal, minutes, jitter) in signals {
                now += Duration::minutes(minutes);
                if breaker.leave(now) == Leave::Probe {
                    breaker = breaker.probing(&PLAN, now);
                }
                let signal = match signal {
                    0 => Signal::Taken,
                    1 => Signal::Answers,
                    2 => Signal::Strained,
                    3 => Signal::Rejects,
                    person => Signal::RejectsFor(person.into()),
                };
                breaker = breaker.after(signal, &PLAN, jitter, now);
                prop_assert_ne!(breaker.leave(now + Duration::minutes(75)), Leave::Refused);
                if breaker.state == State::Closed {
                    prop_assert!(breaker.run < PLAN.run && breaker.times == 0);
                }
            }
            prop_assert_eq!(breaker.probing(&PLAN, now).after(Signal::Taken, &PLAN, 1.0, now), Breaker::default());
        }
    }
}
