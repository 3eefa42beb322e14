//! The bells by which stages hear of each other's work, in this process and in
//! others.

use sqlx::PgPool;
use sqlx::postgres::PgListener;

use crate::delivery::Delivery;
use crate::health::Pulse;
use crate::matching::Matching;
use crate::stage::{Bell, Stage, wait_after};
use crate::store;
use crate::store::servers::Servers;

/// The bells of this process.
#[derive(Debug, Clone, Default)]
pub(super) struct Bells {
    pub(super) matching: Bell,
    pub(super) delivery: Bell,
}

/// Rings the bells when any process says that there is work. Without it the
/// stages look from time to time, so its faults are only noted. Its connection
/// is the one that shows at once when the database goes away, and is back; if it
/// is back on another server, the pool goes there from then on.
pub(super) async fn listen(servers: Servers, pool: PgPool, bells: Bells, pulse: Pulse) {
    let mut faults = 0;
    loop {
        match hear(&servers, &pool, &bells, &mut faults, &pulse).await {
            Ok(()) => {}
            Err(error) => {
                tracing::debug!(faults, %error, "does not hear the other stages; looks from time to time");
                pulse.rests(&error.to_string());
                let wait = wait_after(faults, &mut rand::rng());
                tokio::time::sleep(wait).await;
                faults += 1;
            }
        }
    }
}

async fn hear(
    servers: &Servers,
    pool: &PgPool,
    bells: &Bells,
    faults: &mut u32,
    pulse: &Pulse,
) -> store::Result<()> {
    servers.point(pool).await?;
    let mut listener = PgListener::connect_with(pool).await?;
    // Else it is known that a connection was lost only when there is another.
    listener.eager_reconnect(false);
    listener.listen(store::WORK_CHANNEL).await?;
    *faults = 0;
    pulse.is_well();
    pulse.waits_for("work of the other stages");
    // While nobody listened there may have been work.
    bells.matching.ring();
    bells.delivery.ring();
    while let Some(notification) = listener.try_recv().await? {
        match notification.payload() {
            Matching::NAME => bells.matching.ring(),
            Delivery::NAME => bells.delivery.ring(),
            _ => {}
        }
    }
    pulse.rests("Postgres has ended our connection; see database.url");
    Ok(())
}
