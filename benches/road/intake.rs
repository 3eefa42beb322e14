//! Events through intake: a full queue is taken in by a daemon.

use std::time::{Duration, Instant};

use crate::Sizes;
use crate::adverts::{self, Says};
use crate::daemon::{Program, until};
use crate::ground::{Ground, now};
use crate::report::{Report, grouped, median, megabytes, per_second, rate};

/// A full queue, several times over.
pub(crate) async fn measure(ground: &Ground, sizes: Sizes, report: &mut Report) -> anyhow::Result<()> {
    let mut rates = Vec::new();
    let mut peak = 0;
    for round in 0..sizes.rounds {
        let events = (0..sizes.events)
            .map(|number| adverts::event(&format!("{round}-{number}"), Says::OldNews, now()))
            .collect::<anyhow::Result<Vec<_>>>()?;
        ground.publish(&events).await?;
        ground.settle().await?;
        let before = ground.count("select count(*) from events").await?;
        let intake = Program::start(ground, &["run", "--stages", "intake"], &[])?;
        let done = || async { ground.count("select count(*) from events").await };
        // The program's start is not counted: a daemon runs already.
        until(Duration::from_millis(1), async || Ok(done().await? > before)).await?;
        let (begun, first) = (Instant::now(), done().await?);
        let all = before + sizes.events as u64;
        until(Duration::from_millis(20), async || Ok(done().await? == all)).await?;
        rates.push(rate(all - first, begun.elapsed()));
        peak = intake.stop().await?.max(peak);
    }
    let rate = median(&rates);
    let octets = adverts::event("0-0", Says::OldNews, now())?.1.len();
    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    let what = format!("events through intake, each of {} octets", grouped(octets as f64));
    report.aim(what, per_second(rate), "over 5,000/s", rate > 5_000.0);
    report.aim("  memory of the daemon", megabytes(peak), "under 100 MB", peak < 100_000_000);
    ground.forget().await
}
