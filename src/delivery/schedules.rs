//! What waits, when the schedules are not those by which it was made to wait.

use chrono::{DateTime, Utc};
use sqlx::{Connection, PgConnection};

use crate::config::Config;
use crate::delivery::Delivery;
use crate::stage::Stage;
use crate::store::{self, alerts, settings};

/// When things are due by the clock, in short: differs whenever a schedule, a bank holiday or the quiet
/// hours do.
pub(super) fn fingerprint(config: &Config) -> String {
    let quiet = config.guards.quiet_hours.map_or_else(|| "none".to_owned(), |hours| hours.to_string());
    format!("{}; quiet hours {quiet}", config.rhythm().fingerprint())
}

/// If alerts were made due by other schedules than those of this configuration, has delivery look at all
/// that wait: what is not due yet waits for the right moment.
///
/// # Errors
///
/// When Postgres is away; nothing has changed then.
pub(super) async fn go_by(
    connection: &mut PgConnection,
    config: &Config,
    now: DateTime<Utc>,
) -> store::Result<()> {
    let mut transaction = connection.begin().await?;
    store::take_time(&mut transaction).await?;
    if settings::changed(&mut transaction, settings::SCHEDULES, &fingerprint(config)).await? {
        look_at_all(&mut transaction, now).await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// Has delivery look at all that wait, by whatever schedules they were made due.
///
/// # Errors
///
/// When Postgres is away; nothing has changed then.
pub(super) async fn look_again(
    connection: &mut PgConnection,
    config: &Config,
    now: DateTime<Utc>,
) -> store::Result<()> {
    let mut transaction = connection.begin().await?;
    store::take_time(&mut transaction).await?;
    settings::changed(&mut transaction, settings::SCHEDULES, &fingerprint(config)).await?;
    look_at_all(&mut transaction, now).await?;
    transaction.commit().await?;
    Ok(())
}

async fn look_at_all(connection: &mut PgConnection, now: DateTime<Utc>) -> store::Result<()> {
    let again = alerts::look_again(&mut *connection, None, now).await?;
    if again > 0 {
        store::announce_work(connection, Delivery::NAME).await?;
        tracing::info!(alerts = again, "the schedules have changed; delivery looks again at what waits");
    }
    Ok(())
}
