//! Whether the clocks of this machine and of the database agree (OPS-12): what is due by the clock is due by
//! ours, and what others have written down is dated by theirs.

use std::time::Duration;

use chrono::TimeDelta;
use sqlx::{PgConnection, PgPool};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::clock::{APART, Clock, Offset};
use crate::health::Pulse;
use crate::store::{self, vitals};

/// The part of the program that says so.
pub(super) const NAME: &str = "clock";

/// No oftener than this.
const SELDOM: Duration = Duration::from_secs(1);

/// How long the database may take to say what time it is.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// How far the machine's clock is ahead of the database's. A rehearsal moves the time that mails go by, and
/// neither of these.
///
/// # Errors
///
/// When Postgres is away.
pub async fn ahead(connection: &mut PgConnection) -> store::Result<TimeDelta> {
    let asked = Clock::System.now();
    let theirs = vitals::database_time(connection).await?;
    let answered = Clock::System.now();
    Ok(asked + (answered - asked) / 2 - theirs)
}

/// Compares the clocks every so often, until dropped.
pub(super) async fn compare(pool: PgPool, every: Duration, offset: Offset, pulse: Pulse) {
    let mut beat = interval(every.max(SELDOM));
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut apart = false;
    loop {
        beat.tick().await;
        let asked = async { ahead(&mut *pool.acquire().await?).await };
        let measured = timeout(ANSWER_LIMIT, asked).await.ok().and_then(Result::ok);
        offset.set(measured);
        let Some(measured) = measured else {
            pulse.waits_for("the database");
            continue;
        };
        let wrong = measured.abs() > APART;
        if wrong {
            pulse.rests(&in_words(measured));
        } else {
            pulse.is_well();
            pulse.waits_for("its next look at the database's");
        }
        if wrong != apart {
            apart = wrong;
            if apart {
                tracing::error!(ahead_ms = measured.num_milliseconds(), "{}", in_words(measured));
            } else {
                tracing::warn!("the clocks of this machine and of the database agree again");
            }
        }
    }
}

fn in_words(ahead: TimeDelta) -> String {
    let way = if ahead < TimeDelta::zero() { "behind" } else { "ahead of" };
    let seconds = ahead.abs().num_seconds();
    format!(
        "this machine's clock is {seconds} s {way} the database's; mend the time service (timedatectl on both)"
    )
}
