//! From one event on the queue to an alert for each person who asked.

use std::time::{Duration, Instant};

use jobalerts::domain::terms::Terms;
use jobalerts::intake::queue::Session;
use jobalerts::store;

use crate::Sizes;
use crate::adverts::{self, Says};
use crate::compose;
use crate::daemon::{Program, until};
use crate::ground::{Ground, now};
use crate::report::{Report, grouped, median, megabytes, time};

/// One vacancy after the other, each for the same people.
pub(crate) async fn measure(
    ground: &Ground,
    sizes: Sizes,
    searches: u32,
    report: &mut Report,
) -> anyhow::Result<()> {
    let daemon = Program::start(ground, &["run", "--stages", "intake,matching"], &[])?;
    // The first event shows that it listens.
    published(ground, "FIRST", Says::OldNews).await?;
    let mut times = Vec::new();
    for round in 0..sizes.rounds {
        times.push(published(ground, &format!("MATCH-{round}"), Says::Open).await?);
    }
    let peak = daemon.stop().await?;
    let alerts = ground.count("select count(*) from alerts").await? / sizes.rounds as u64;
    let middle = median(&times);
    #[expect(clippy::cast_precision_loss, reason = "some millions")]
    let what = format!(
        "{} searches: from an event on the queue to {} durable alerts",
        grouped(searches.into()),
        grouped(alerts as f64)
    );
    report.aim(what, time(middle), "under 1.5 s", middle < Duration::from_millis(1_500));
    report.add("  the slowest of them", time(times.iter().max().copied().unwrap_or_default()));
    report.aim("  memory of the daemon", megabytes(peak), "under 100 MB", peak < 100_000_000);
    statement(ground, report).await?;
    ground.forget().await
}

/// Publishes an event and waits until its vacancy is matched for everybody.
pub(crate) async fn published(ground: &Ground, reference: &str, says: Says) -> anyhow::Result<Duration> {
    let event = adverts::event(reference, says, now())?;
    let subject = format!("vacancy/{reference}");
    ground.settle().await?;
    let session = Session::open(&ground.config().amqp).await?;
    let begun = Instant::now();
    session.publish(&[event]).await?;
    until(Duration::from_millis(2), async || {
        let matched: Option<bool> =
            sqlx::query_scalar("select matched_revision = revision from openings where subject = $1")
                .bind(&subject)
                .fetch_optional(ground.pool())
                .await?;
        Ok(matched == Some(true))
    })
    .await?;
    Ok(begun.elapsed())
}

/// The statement that finds who asks for a vacancy, alone.
async fn statement(ground: &Ground, report: &mut Report) -> anyhow::Result<()> {
    let terms = Terms::of(&compose::truth(ground.config())?.facts, ground.taxonomy());
    let mut connection = ground.pool().acquire().await?;
    let mut times = Vec::new();
    let mut hits = 0;
    // More often than it takes for Postgres to consider a plan for any advert.
    for _ in 0..21 {
        let begun = Instant::now();
        hits = store::criteria::matching(&mut connection, &terms).await?.len();
        times.push(begun.elapsed());
    }
    let middle = median(&times);
    let what = format!("  the match itself ({hits} criteria)");
    report.aim(what, time(middle), "under 50 ms", middle < Duration::from_millis(50));
    Ok(())
}
