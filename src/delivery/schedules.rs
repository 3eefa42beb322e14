//! What waits, when the schedules are not those by which it was made to wait.

use chrono::{DateTime, Utc};
use sqlx::{Connection, PgConnection};

use crate::config::Config;
use crate::delivery::Delivery;
use crate::stage::Stage;
use crate::store::{self, alerts, settings};

/// Whether what waits is to be looked at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// It is as the schedules have it.
    No,
    /// If it was made to wait by other schedules than ours: at the start.
    IfChanged,
    /// Because the schedules have changed while we ran.
    Again,
}

/// When things are due by the clock, in short: differs whenever a schedule, a bank holiday or the quiet
/// hours do.
pub(super) fn fingerprint(config: &Config) -> String {
    let quiet = config.guards.quiet_hours.map_or_else(|| "none".to_owned(), |hours| hours.to_string());
    format!("{}; quiet hours {quiet}", config.rhythm().fingerprint())
}

/// Goes by the schedules of this configuration: has delivery look at all that waits, if it was made to wait
/// by others, or because these are new to us. What is not due yet waits for the right moment then.
///
/// # Errors
///
/// When Postgres is away; nothing has changed then.
pub(super) async fn go_by(
    connection: &mut PgConnection,
    config: &Config,
    look: Look,
    now: DateTime<Utc>,
) -> store::Result<()> {
    let mut transaction = connection.begin().await?;
    store::take_time(&mut transaction).await?;
    let changed = settings::changed(&mut transaction, settings::SCHEDULES, &fingerprint(config)).await?;
    if changed || look == Look::Again {
        let again = alerts::look_again(&mut transaction, None, now).await?;
        if again > 0 {
            store::announce_work(&mut transaction, Delivery::NAME).await?;
            tracing::info!(alerts = again, "the schedules have changed; delivery looks again at what waits");
        }
    }
    transaction.commit().await?;
    Ok(())
}
