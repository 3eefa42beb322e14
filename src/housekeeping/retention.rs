//! Forgets what is kept no longer, table by table.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::domain::stop;
use crate::housekeeping::Rules;
use crate::store;
use crate::store::chores::Held;
use crate::store::retention::{self, Swept};

/// One part; `None` after the last one. Alerts go before the mails that they
/// refer to.
pub(super) async fn part(
    connection: &mut PgConnection,
    rules: &Rules,
    held: Held,
    now: DateTime<Utc>,
) -> store::Result<Option<Swept>> {
    let (settings, most) = (&rules.settings, rules.rows_together);
    let limit = settings.keep_alerts.before(now);
    let swept = match held.part {
        0 => retention::unconfirmed(connection, most, settings.keep_unconfirmed.before(now), now).await?,
        1 => retention::alerts(connection, held.cursor, most, limit, now).await?,
        2 => retention::mails(connection, held.cursor, most, limit).await?,
        3 => retention::letters(connection, most, limit).await?,
        4 => retention::audit(connection, most, settings.keep_audit.before(now)).await?,
        5 => retention::ticks(connection, most, limit).await?,
        6 => match &rules.address_keys {
            Some(keys) => {
                let limit = settings.keep_stopped.before(now);
                retention::stopped(connection, keys, most, limit, now).await?
            }
            None => Swept { gone: 0, more: None },
        },
        7 => retention::held_by_stops(connection, most, stop::undone_if_after(now)).await?,
        8 => retention::stops(connection, most, settings.keep_audit.before(now)).await?,
        9 => retention::returns(connection, most, limit).await?,
        _ => return Ok(None),
    };
    Ok(Some(swept))
}
