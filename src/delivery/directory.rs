//! Who runs which mailbox, as far as it is known: by the groups of the
//! configuration, and by what was looked up of a domain's mail servers.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::mpsc;

use crate::config::InEffect;
use crate::domain::provider::{Limits, Providers, Servers};
use crate::store::mail_domains::Known;

/// The most domains that are remembered.
pub(super) const MOST: u32 = 100_000;

/// A look-up that failed is made again after so long.
const FAILED: TimeDelta = TimeDelta::hours(1);

/// Who runs which mailbox.
#[derive(Debug)]
pub(crate) struct Directory {
    in_effect: InEffect,
    /// How long it is believed what was looked up.
    age: TimeDelta,
    learnt: Mutex<Learnt>,
    /// Where domains go that are to be looked up, if any are.
    wanted: OnceLock<mpsc::Sender<String>>,
}

#[derive(Debug, Default)]
struct Learnt {
    domains: HashMap<String, (Option<Servers>, DateTime<Utc>)>,
    /// Asked for, and not answered yet.
    asked: HashSet<String>,
}

impl Directory {
    /// By the groups of the configuration in effect.
    pub(super) fn new(in_effect: InEffect) -> Self {
        let age = TimeDelta::from_std(in_effect.now().providers.mx_age).unwrap_or(TimeDelta::MAX);
        Self { in_effect, age, learnt: Mutex::default(), wanted: OnceLock::new() }
    }

    fn providers(&self) -> Arc<Providers> {
        Arc::clone(&self.in_effect.now().providers.providers.providers)
    }

    fn learnt(&self) -> MutexGuard<'_, Learnt> {
        self.learnt.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has domains looked up from now on whose provider is not known.
    pub(super) fn ask(&self, wanted: mpsc::Sender<String>) {
        // The first who answers is the one who is asked.
        let _ = self.wanted.set(wanted);
    }

    /// Remembers what was looked up.
    pub(super) fn learn(&self, known: Known) {
        let mut learnt = self.learnt();
        learnt.asked.remove(&known.domain);
        let room = u32::try_from(learnt.domains.len()).is_ok_and(|count| count < MOST);
        if room || learnt.domains.contains_key(&known.domain) {
            learnt.domains.insert(known.domain, (known.servers, known.looked_up_at));
        }
    }

    /// Who runs the mailboxes of a domain. Not known, it is looked up for the
    /// next time.
    pub(super) fn provider_of(&self, domain: &str, now: DateTime<Utc>) -> String {
        let groups = self.providers();
        let mut learnt = self.learnt();
        let known = learnt.domains.get(domain);
        let fresh = self.is_fresh(known, now);
        let provider = groups.of(domain, known.and_then(|(servers, _)| servers.as_ref())).to_owned();
        if let Some(wanted) = self.wanted.get()
            && !fresh
            && !groups.knows(domain)
            && !learnt.asked.contains(domain)
            // With too many at once, it is another time's turn.
            && wanted.try_send(domain.to_owned()).is_ok()
        {
            learnt.asked.insert(domain.to_owned());
        }
        provider
    }

    fn is_fresh(&self, known: Option<&(Option<Servers>, DateTime<Utc>)>, now: DateTime<Utc>) -> bool {
        known.is_some_and(|(servers, at)| {
            now - *at < if servers.is_some() { self.age } else { FAILED.min(self.age) }
        })
    }

    /// Whether a domain that was asked for has become known meanwhile: from what
    /// was kept of before the start.
    pub(super) fn needs_no_answer(&self, domain: &str, now: DateTime<Utc>) -> bool {
        let mut learnt = self.learnt();
        let fresh = self.is_fresh(learnt.domains.get(domain), now);
        fresh && learnt.asked.remove(domain)
    }

    /// Whether a domain says that it takes no mail (RFC 7505).
    pub(super) fn takes_none(&self, domain: &str) -> bool {
        matches!(self.learnt().domains.get(domain), Some((Some(Servers::Nobody), _)))
    }

    /// All domains that are known to be these providers'.
    pub(super) fn domains_of<S: AsRef<str>>(&self, providers: &[S]) -> Vec<String> {
        if providers.is_empty() {
            return vec![];
        }
        let groups = self.providers();
        let named = providers.iter().flat_map(|provider| groups.domains_of(provider.as_ref()));
        let mut domains: Vec<String> = named.collect();
        let learnt = self.learnt();
        let looked_up = learnt.domains.iter().filter(|(domain, (servers, _))| {
            let provider = groups.of(domain, servers.as_ref());
            provider != domain.as_str() && providers.iter().any(|one| one.as_ref() == provider)
        });
        domains.extend(looked_up.map(|(domain, _)| domain.clone()));
        domains.sort_unstable();
        domains.dedup();
        domains
    }

    /// The group that a provider is, or else `other`: what can be counted without
    /// saying where anybody has their mailbox.
    pub(super) fn group<'a>(&self, provider: &'a str) -> &'a str {
        if self.providers().is_group(provider) { provider } else { "other" }
    }

    /// How much mail a provider gets.
    pub(super) fn limits(&self, provider: &str) -> Limits {
        self.providers().limits(provider)
    }

    /// Whether any provider is limited.
    pub(super) fn limits_any(&self) -> bool {
        self.providers().limit_any()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::Config;

    fn at(hours: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::hours(hours)
    }

    fn learn(directory: &Directory, domain: &str, servers: Option<Servers>) {
        directory.learn(Known { domain: domain.to_owned(), servers, looked_up_at: at(0) });
    }

    #[test]
    fn what_is_not_known_is_asked_for_once_until_it_is_old() {
        let a_day = BTreeMap::from([("JOBALERTS_PROVIDERS__MX_AGE".to_owned(), "24h".to_owned())]);
        let directory = Directory::new(InEffect::new(Config::load(None, &a_day).unwrap()));
        let (wanted, mut asked) = mpsc::channel(2);
        assert_eq!(directory.provider_of("early.example", at(0)), "early.example");
        directory.ask(wanted);
        for domain in ["gmail.com", "a.example", "a.example", "b.example", "c.example"] {
            directory.provider_of(domain, at(0));
        }
        let mut next = || asked.try_recv().ok();
        assert_eq!([next(), next(), next()].map(Option::unwrap_or_default), ["a.example", "b.example", ""]);

        learn(&directory, "a.example", Some(Servers::Hosts(vec!["aspmx.l.google.com".to_owned()])));
        learn(&directory, "b.example", None);
        learn(&directory, "n.example", Some(Servers::Nobody));
        assert_eq!(directory.provider_of("a.example", at(23)), "google");
        assert_eq!(directory.provider_of("b.example", at(0)), "b.example");
        assert_eq!(next(), None);
        assert_eq!(directory.provider_of("b.example", at(1)), "b.example");
        assert_eq!(directory.provider_of("a.example", at(24)), "google", "while it is looked up again");
        assert_eq!([next(), next()].map(Option::unwrap_or_default), ["b.example", "a.example"]);
        assert!(directory.takes_none("n.example") && !directory.takes_none("a.example"));
        assert_eq!(
            directory.domains_of(&["google", "n.example"]),
            ["a.example", "gmail.com", "googlemail.com", "n.example"]
        );
    }
}
