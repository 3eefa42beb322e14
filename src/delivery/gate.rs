//! Which mails may go to whom now: limits and breakers of providers, held at
//! each claim for all processes together.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use crate::config::InEffect;
use crate::delivery::breakers::Breakers;
use crate::delivery::directory::Directory;
use crate::delivery::in_hand::Errand;
use crate::domain::breaker::Leave;
use crate::domain::provider::Scope;
use crate::store;
use crate::store::allowances;

/// A mail that a provider was to be given and was not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Refund {
    provider: String,
    taken_at: DateTime<Utc>,
}

impl Refund {
    /// Gives all of these back. What cannot be given back is lost until the minute or the day is over.
    pub(super) async fn give_back(refunds: Vec<Self>, pool: &PgPool) {
        let mut counted: BTreeMap<Self, u32> = BTreeMap::new();
        for refund in refunds {
            *counted.entry(refund).or_default() += 1;
        }
        for (Self { provider, taken_at }, count) in counted {
            let scope = Scope::Provider(&provider);
            let given =
                async { allowances::give_back(&mut *pool.acquire().await?, scope, count, taken_at).await };
            if let Err(error) = given.await {
                tracing::debug!(%scope, %error, "what it was not given cannot be given back");
            }
        }
    }
}

/// What holds mails back that are due.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Who runs which mailbox.
    pub(super) directory: Directory,
    /// To whom nothing goes.
    pub(super) breakers: Breakers,
    /// Some wait only until mails that are in hand have ended.
    crowded: AtomicBool,
}

impl Gate {
    /// The gate of the configuration in effect.
    pub(super) fn new(in_effect: &InEffect) -> Self {
        let config = in_effect.now();
        Self {
            directory: Directory::new(in_effect.clone()),
            breakers: Breakers::new(config.providers.breakers(config.smtp.timeouts.one_mail())),
            crowded: AtomicBool::new(false),
        }
    }

    /// The mail domains of providers for whom nothing may be claimed now, and of
    /// these. Who is elsewhere is still to be admitted.
    pub(super) async fn shut(
        &self,
        connection: &mut PgConnection,
        except: &[String],
        now: DateTime<Utc>,
    ) -> store::Result<Vec<String>> {
        let mut shut = self.breakers.shut_providers(now);
        shut.extend_from_slice(except);
        if self.directory.limits_any() {
            for used in allowances::of_providers(connection, now).await? {
                let provider = used.scope.trim_start_matches("provider/");
                let limits = self.directory.limits(provider);
                if used.is_spent(&limits) {
                    if limits.connections.is_some() {
                        self.crowded.store(true, Ordering::Relaxed);
                    }
                    shut.push(provider.to_owned());
                }
            }
        }
        Ok(self.directory.domains_of(&shut))
    }

    /// Admits mails that are to be claimed, in their order: writes on each whose
    /// it is, and drops those that may not go now. Others who ask for the same
    /// provider, if it is limited, wait until the transaction ends.
    pub(super) async fn admit<T>(
        &self,
        connection: &mut PgConnection,
        mails: &mut Vec<T>,
        errand: impl Fn(&mut T) -> &mut Errand,
        now: DateTime<Utc>,
    ) -> store::Result<()> {
        let mut wanted: BTreeMap<String, u32> = BTreeMap::new();
        for mail in mails.iter_mut() {
            let errand = errand(mail);
            errand.provider = self.directory.provider_of(errand.domain(), now);
            *wanted.entry(errand.provider.clone()).or_default() += 1;
        }
        // What each may still be given, and whether that is to find out. They are asked for in the order
        // of their names, so that two claims do not wait for each other.
        let mut places: BTreeMap<String, (u32, bool)> = BTreeMap::new();
        for (provider, wanted) in wanted {
            let place = self.places(&mut *connection, &provider, wanted, now).await?;
            places.insert(provider, place);
        }
        mails.retain_mut(|mail| {
            let errand = errand(mail);
            errand.admitted_at = now;
            let Some((left, probe)) = places.get_mut(&errand.provider) else { return false };
            errand.probe = *probe;
            let admitted = *left > 0;
            *left = left.saturating_sub(1);
            admitted
        });
        Ok(())
    }

    /// How many mails a provider may be given of so many that wait, and whether
    /// that is to find out whether it takes them again.
    async fn places(
        &self,
        connection: &mut PgConnection,
        provider: &str,
        wanted: u32,
        now: DateTime<Utc>,
    ) -> store::Result<(u32, bool)> {
        let scope = Scope::Provider(provider);
        let leave = self.breakers.leave(scope, now);
        let wanted = match leave {
            Leave::Granted => wanted,
            Leave::Probe => 1,
            Leave::Refused => return Ok((0, false)),
        };
        let limits = self.directory.limits(provider);
        let given = if limits.any() {
            allowances::take(&mut *connection, scope, &limits, wanted, now).await?.given
        } else {
            wanted
        };
        if leave == Leave::Granted || given == 0 {
            return Ok((given, false));
        }
        let won = self.breakers.probe(&mut *connection, scope, now).await?;
        if !won && limits.any() {
            allowances::give_back(connection, scope, given, now).await?;
        }
        Ok((u32::from(won), true))
    }

    /// What a mail that ended without its provider having been asked gives back.
    pub(super) fn refund(&self, errand: &Errand) -> Option<Refund> {
        let limits = self.directory.limits(&errand.provider);
        let counted = limits.per_minute.is_some() || limits.per_day.is_some();
        counted.then(|| Refund { provider: errand.provider.clone(), taken_at: errand.admitted_at })
    }

    /// Whether a mail in hand may still go: nothing may go to its provider since
    /// it was claimed, unless it was claimed to find out.
    pub(super) fn is_open_for(&self, errand: &Errand, now: DateTime<Utc>) -> bool {
        errand.probe || self.breakers.leave(Scope::Provider(&errand.provider), now) == Leave::Granted
    }

    /// Whether some waited for mails in hand to end, since this was asked last.
    pub(super) fn was_crowded(&self) -> bool {
        self.crowded.swap(false, Ordering::Relaxed)
    }
}
