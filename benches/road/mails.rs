//! From alerts to mails at the mail server, with everything that the program
//! does running in one daemon.

use std::time::{Duration, Instant};

use crate::Sizes;
use crate::adverts::{self, Says};
use crate::compose;
use crate::daemon::{Program, until};
use crate::ground::{Ground, now};
use crate::matching::published;
use crate::report::{Report, grouped, median, megabytes, per_second, rate, time};
use crate::sink::Sink;

/// Vacancies, each to everybody who is to hear at once; `smtp-source` in turn
/// with us.
pub(crate) async fn measure(
    ground: &Ground,
    sizes: Sizes,
    searches: u32,
    report: &mut Report,
) -> anyhow::Result<()> {
    let sink = Sink::start().await?;
    let sample = compose::sample(ground.config())?;
    let sessions = ground.config().smtp.connections;
    let daemon = Program::start(ground, &["run"], &[("JOBALERTS_SMTP__URL", &sink.url())])?;
    published(ground, "FIRST", Says::OldNews).await?;
    let old_news = (0..sizes.events / 20)
        .map(|number| adverts::event(&format!("OLD-{number}"), Says::OldNews, now()))
        .collect::<anyhow::Result<Vec<_>>>()?;
    ground.publish(&old_news).await?;
    let all = old_news.len() as u64;
    until(Duration::from_millis(100), async || {
        let matched = "select count(*) from openings where matched_revision = revision";
        Ok(ground.count(matched).await? > all)
    })
    .await?;

    let (mut ours, mut kept, mut fresh, mut roads) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut mails = 0;
    for round in 0..sizes.rounds.min(3) {
        ground.settle().await?;
        fresh.extend(sink.source_rate(&sample, sessions, sizes.mails, false)?);
        kept.extend(sink.source_rate(&sample, sessions, sizes.mails, true)?);
        let begun = Instant::now();
        let told = told(ground, &format!("MAIL-{round}")).await?;
        roads.push(begun.elapsed());
        ours.push(rate(told.0, told.1));
        mails = told.0;
    }
    let peak = daemon.stop().await?;

    let searches = grouped(searches.into());
    let ours = median(&ours);
    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    let (octets, counted) = (grouped(sample.len() as f64), grouped(mails as f64));
    let what =
        format!("{searches} searches: mails of {octets} octets over {sessions} lines, durable records on");
    report.add(what, per_second(ours));
    for (how, rates) in [("over kept lines", &kept), ("a line for each mail", &fresh)] {
        if !rates.is_empty() {
            let theirs = median(rates);
            report.aim(
                format!("  smtp-source, {how}"),
                per_second(theirs),
                &format!("we send {:.0} % of it, over 70 %", 100.0 * ours / theirs),
                ours > 0.7 * theirs,
            );
        }
    }
    report.add(format!("  from the event to the last of {counted} mails"), time(median(&roads)));
    report.aim("  memory of the daemon, all stages", megabytes(peak), "under 100 MB", peak < 100_000_000);
    ground.forget().await
}

/// Publishes a vacancy and waits until all who are to hear at once are told.
/// Returns how many mails that were, and the time from the first to the last.
async fn told(ground: &Ground, reference: &str) -> anyhow::Result<(u64, Duration)> {
    let last: i64 =
        sqlx::query_scalar("select coalesce(max(id), 0) from mails").fetch_one(ground.pool()).await?;
    let at = now();
    published(ground, reference, Says::Open).await?;
    until(Duration::from_millis(250), async || {
        let due = "select not exists (select from alerts where due_at <= $1)";
        Ok(sqlx::query_scalar(due).bind(at + chrono::Duration::minutes(1)).fetch_one(ground.pool()).await?)
    })
    .await?;
    let (mails, seconds): (i64, f64) = sqlx::query_as(
        "select count(*), coalesce(extract(epoch from max(finished_at) - min(finished_at)), 0)::float8
         from mails where id > $1 and outcome = 'accepted'",
    )
    .bind(last)
    .fetch_one(ground.pool())
    .await?;
    Ok((u64::try_from(mails)?, Duration::from_secs_f64(seconds)))
}
