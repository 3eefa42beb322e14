//! Whom nothing goes to just now, because it would not be taken: what one
//! process finds out, the others know at their next claim.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use rand::Rng;
use sqlx::{PgConnection, PgPool};

use crate::domain::breaker::{Breaker, Leave, Plan, State};
use crate::domain::provider::Scope;
use crate::domain::reply::Signal;
use crate::store;
use crate::store::breakers::{self, Kept};

/// The breakers of providers and relays.
#[derive(Debug)]
pub(crate) struct Breakers {
    plan: Plan,
    /// As of the last look, and what was found out here since.
    known: Mutex<HashMap<String, Breaker>>,
}

impl Breakers {
    /// All closed, until the first look.
    pub(super) fn new(plan: Plan) -> Self {
        Self { plan, known: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Breaker>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks how they stand.
    pub(super) async fn look(&self, connection: &mut PgConnection) -> store::Result<()> {
        let all = breakers::all(connection).await?;
        *self.known() = all.into_iter().map(|Kept { scope, breaker, .. }| (scope, breaker)).collect();
        Ok(())
    }

    /// Whether a mail may go there.
    pub(super) fn leave(&self, scope: Scope<'_>, now: DateTime<Utc>) -> Leave {
        self.of(scope).leave(now)
    }

    fn of(&self, scope: Scope<'_>) -> Breaker {
        let known = self.known();
        // Mostly there are none, and no name needs to be made.
        if known.is_empty() {
            Breaker::default()
        } else {
            known.get(&scope.to_string()).copied().unwrap_or_default()
        }
    }

    /// The providers to whom nothing may go.
    pub(super) fn shut_providers(&self, now: DateTime<Utc>) -> Vec<String> {
        let known = self.known();
        let shut = known.iter().filter(|(_, breaker)| breaker.leave(now) == Leave::Refused);
        shut.filter_map(|(scope, _)| scope.strip_prefix("provider/").map(str::to_owned)).collect()
    }

    /// Asks to be the one who finds out whether mails are taken there again.
    pub(super) async fn probe(
        &self,
        connection: &mut PgConnection,
        scope: Scope<'_>,
        now: DateTime<Utc>,
    ) -> store::Result<bool> {
        let won = breakers::probe(connection, scope, &self.plan, now).await?;
        // Whoever won: it is not for us to ask again before the next look.
        let probing = self.of(scope).probing(&self.plan, now);
        self.known().insert(scope.to_string(), probing);
        Ok(won)
    }

    /// Heeds a sign, for all processes. Without the database it is heeded here
    /// alone, until the next look.
    pub(super) async fn heed(
        &self,
        pool: &PgPool,
        scope: Scope<'_>,
        signal: Signal,
        reason: &str,
        now: DateTime<Utc>,
    ) {
        let before = self.of(scope);
        let jitter = rand::rng().random_range(0.75..=1.25);
        let after = |breaker: Breaker| breaker.after(signal, &self.plan, jitter, now);
        if after(before) == before {
            return;
        }
        let changed =
            async { breakers::change(&mut *pool.acquire().await?, scope, reason, now, after).await };
        let (before, after) = match changed.await {
            Ok(changed) => changed,
            Err(error) => {
                tracing::debug!(%scope, %error, "how it stands cannot be written down");
                (before, after(before))
            }
        };
        self.known().insert(scope.to_string(), after);
        tell(scope, before, after, reason);
    }
}

/// Tells the operator.
fn tell(scope: Scope<'_>, before: Breaker, after: Breaker, reason: &str) {
    match (before.state, after.state) {
        (State::Closed | State::Probing { .. }, State::Open { until }) if after.times != before.times => {
            tracing::warn!(%scope, reason, %until, times = after.times, "it takes nothing from us; mails to it wait");
        }
        (State::Open { .. } | State::Probing { .. }, State::Closed) => {
            tracing::warn!(%scope, reason, "it takes mails from us again");
        }
        _ => {}
    }
}
