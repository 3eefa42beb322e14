//! What becomes of a configuration that is read while the program runs: which settings are heeded at
//! once, and which wait for the next start.

use std::collections::{BTreeMap, BTreeSet};

use super::sections::{Guards, Log, ProviderSettings, Relay, Relays, Time};
use super::show::Shown;
use super::{Config, reader};

/// The section that is heeded as a whole.
const HEEDED_SECTION: &str = "schedules.";
/// The settings of other sections that are. Of a relay it is what it may be given.
const HEEDED: [&str; 5] =
    ["guards.quiet_hours", "log.level", "providers.file", "templates.folder", "time.calendar"];

/// What a configuration becomes when another one is read.
#[derive(Debug)]
pub struct Change {
    /// The configuration from then on.
    pub config: Config,
    /// The settings that have changed and are heeded, by their names.
    pub heeded: Vec<String>,
    /// Those that wait for the next start.
    pub waiting: Vec<String>,
}

impl Config {
    /// This configuration with what another one says of what can change while the program runs.
    #[must_use]
    pub fn heeding(&self, new: &Self) -> Change {
        let config = Self {
            guards: Guards { quiet_hours: new.guards.quiet_hours, ..self.guards },
            relays: self.relays.sharing_as(&new.relays),
            providers: ProviderSettings {
                providers: new.providers.providers.clone(),
                ..self.providers.clone()
            },
            time: Time { calendar: new.time.calendar.clone(), ..self.time.clone() },
            schedules: new.schedules.clone(),
            templates: new.templates.clone(),
            log: Log { level: new.log.level.clone(), ..self.log.clone() },
            shown: self.shown_heeding(new),
            ..self.clone()
        };
        let heeded = self.differences(&config).into_iter().collect();
        let waiting = config.differences(new).into_iter().collect();
        Change { config, heeded, waiting }
    }

    /// The names of the settings that are not as in another configuration.
    fn differences(&self, other: &Self) -> BTreeSet<String> {
        let (here, there) = (by_name(&self.shown), by_name(&other.shown));
        let names = here.keys().chain(there.keys());
        let value = |all: &BTreeMap<String, &Shown>, name: &String| all.get(name)?.value.clone();
        let mut different: BTreeSet<String> =
            names.filter(|name| value(&here, name) != value(&there, name)).cloned().collect();
        different.extend(self.hidden_differences(other));
        different
    }

    /// The same of what is not shown in full: secrets, addresses, and what files hold.
    fn hidden_differences(&self, other: &Self) -> impl Iterator<Item = String> {
        let Self { database, amqp, smtp, relays, testing, dkim, secrets, providers, time, .. } = self;
        let settings = [
            ("database.url", database.url != other.database.url),
            ("amqp.url", amqp.url != other.amqp.url),
            ("smtp.url", smtp.url != other.smtp.url),
            ("smtp.only_to", smtp.only_to != other.smtp.only_to),
            ("testing.addresses", testing != &other.testing),
            ("dkim.key_file", dkim.key != other.dkim.key),
            ("dkim.ed25519_key_file", dkim.ed25519_key != other.dkim.ed25519_key),
            ("secrets.token_keys_file", secrets.token_keys != other.secrets.token_keys),
            ("secrets.address_key_file", secrets.address_keys != other.secrets.address_keys),
            ("secrets.webhook_key_file", secrets.webhook_keys != other.secrets.webhook_keys),
            ("providers.file", providers.providers != other.providers.providers),
            ("time.calendar", time.calendar != other.time.calendar),
        ];
        let settings = settings.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name.to_owned());
        let relays = relays.others.iter().filter(|(name, relay)| {
            other.relays.others.get(*name).is_some_and(|other| other.url != relay.url)
        });
        settings.chain(relays.map(|(name, _)| format!("relays.{name}")))
    }

    /// What is shown of each setting when those of another configuration are heeded.
    fn shown_heeding(&self, new: &Self) -> Vec<Shown> {
        let is_heeded = |shown: &&Shown| self.heeds(new, &shown.name());
        let stay = self.shown.iter().filter(|shown| !is_heeded(shown));
        stay.chain(new.shown.iter().filter(is_heeded)).cloned().collect()
    }

    fn heeds(&self, new: &Self, name: &str) -> bool {
        match name.strip_prefix("relays.") {
            Some(relay) => relay == Relays::FIRST || self.relays.is_still_at(relay, &new.relays),
            None => name.starts_with(HEEDED_SECTION) || HEEDED.contains(&name),
        }
    }
}

impl Relays {
    /// These mail servers, each with what it may be given as others say, if it is still the same.
    fn sharing_as(&self, new: &Self) -> Self {
        let others = self.others.iter().map(|(name, relay)| {
            let share = match new.others.get(name) {
                Some(new) if new.url == relay.url => new.share,
                _ => relay.share,
            };
            (name.clone(), Relay { url: relay.url.clone(), share })
        });
        Self { smtp: new.smtp, others: others.collect() }
    }

    fn is_still_at(&self, name: &str, new: &Self) -> bool {
        let urls = (self.others.get(name), new.others.get(name));
        matches!(urls, (Some(before), Some(after)) if before.url == after.url)
    }
}

impl Shown {
    fn name(&self) -> String {
        reader::full_name(self.section, &self.key)
    }
}

fn by_name(shown: &[Shown]) -> BTreeMap<String, &Shown> {
    shown.iter().map(|shown| (shown.name(), shown)).collect()
}
