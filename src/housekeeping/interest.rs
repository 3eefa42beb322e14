//! Asks people whether they still want to hear, reminds them once, and ends it
//! for those who do not answer.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::housekeeping::Rules;
use crate::store;
use crate::store::chores::Held;
use crate::store::interest::{self, Round, Silence};
use crate::store::retention::Swept;

/// One part; `None` after the last one. Whoever is to be reminded is, before
/// anybody's silence is taken for an answer.
pub(super) async fn part(
    connection: &mut PgConnection,
    rules: &Rules,
    held: Held,
    now: DateTime<Utc>,
) -> store::Result<Option<Swept>> {
    let (patience, most, tick_at) = (rules.patience, rules.rows_together, held.tick_at);
    let round = Round { today: patience.today(now), most, tick_at, now };
    let (handled, at_most) = match held.part {
        0 => {
            let asked_by = patience.reminded_if_asked_by(now);
            (interest::remind(&mut *connection, round, asked_by).await?, most)
        }
        1 => {
            let silence = Silence {
                asked_before: patience.lapsed_if_asked_before(now),
                reminded_before: patience.lapsed_if_reminded_before(now),
            };
            (interest::lapse(&mut *connection, round, silence).await?, most)
        }
        2 => {
            let asked = interest::asked_at(&mut *connection, tick_at).await?;
            let at_most = most.min(i64::from(rules.settings.ask_at_most) - asked);
            let confirmed_before = patience.asked_if_confirmed_before(now);
            let round = Round { most: at_most.max(0), ..round };
            (interest::ask(&mut *connection, round, confirmed_before).await?, at_most)
        }
        _ => return Ok(None),
    };
    if handled > 0 {
        store::announce_work(connection, "delivery").await?;
    }
    let more = handled > 0 && handled >= at_most.unsigned_abs();
    Ok(Some(Swept { gone: handled, more: more.then_some(0) }))
}
