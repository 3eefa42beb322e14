//! From alerts to mails at the mail server, with everything that the program
//! does running in one daemon.

use std::path::Path;
use std::time::{Duration, Instant};

use jobalerts_dev::secrets;

use crate::Sizes;
use crate::adverts::{self, Says};
use crate::compose::{Signed, Writer};
use crate::daemon::{Program, until};
use crate::ground::{Ground, now};
use crate::matching::published;
use crate::processor::Used;
use crate::report::{Report, grouped, median, megabytes, per_second, rate, time};
use crate::sender::LINES;
use crate::sink::Sink;

/// How the daemon sends.
#[derive(Debug, Clone, Copy)]
struct Way {
    lines: u16,
    signed: Signed,
}

/// What it came to.
struct Sent {
    rate: f64,
    /// From the event to the last mail.
    road: Duration,
    /// Processor time for each mail: of the daemon, PostgreSQL, the mail server
    /// and the rest of the machine.
    each: [Duration; 4],
    mails: u64,
}

/// Vacancies, each to everybody who is to hear at once, over different numbers
/// of lines, signed and unsigned; `smtp-source` in turn with us.
pub(crate) async fn measure(
    ground: &Ground,
    sizes: Sizes,
    searches: u32,
    report: &mut Report,
) -> anyhow::Result<()> {
    let sink = Sink::start().await?;
    let sample = Writer::new(ground.config(), Signed::Not)?.write(1)?;
    old_news(ground, sizes).await?;
    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    let octets = grouped(sample.content().len() as f64);
    report.add(format!("{} searches, octets of a mail", grouped(searches.into())), octets);
    let usual = ground.config().smtp.connections;
    let plain = LINES.map(|lines| Way { lines, signed: Signed::Not });
    let signed = Way { lines: usual, signed: Signed::Rsa };
    for way in plain.into_iter().chain([signed]) {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        let settings = settings(&sink, way)?;
        let settings: Vec<(&str, &str)> =
            settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let daemon = Program::start(ground, &["run"], &settings)?;
        for round in 0..sizes.rounds.min(3) {
            ground.settle().await?;
            let sources =
                [true, false].map(|keep| sink.source_rate(sample.content(), way.lines, sizes.mails, keep));
            for source in sources {
                theirs.extend(source?);
            }
            let reference = format!("MAIL-{}-{:?}-{round}", way.lines, way.signed).to_ascii_uppercase();
            ours.push(sent(ground, &daemon, &sink, &reference).await?);
        }
        let peak = daemon.stop().await?;
        tell(report, way, &ours, theirs.into_iter().fold(0.0, f64::max), usual);
        report.aim("  memory of the daemon, all stages", megabytes(peak), "under 100 MB", peak < 100_000_000);
    }
    ground.forget().await
}

fn settings(sink: &Sink, way: Way) -> anyhow::Result<Vec<(&'static str, String)>> {
    let mut settings =
        vec![("JOBALERTS_SMTP__URL", sink.url()), ("JOBALERTS_SMTP__CONNECTIONS", way.lines.to_string())];
    if way.signed == Signed::Rsa {
        let [key, _] = secrets::dkim_keys(Path::new(env!("CARGO_TARGET_TMPDIR")))?;
        settings.push(("JOBALERTS_DKIM__KEY_FILE", key.display().to_string()));
    }
    Ok(settings)
}

/// What was published long ago, so that the tables are not empty.
async fn old_news(ground: &Ground, sizes: Sizes) -> anyhow::Result<()> {
    let daemon = Program::start(ground, &["run", "--stages", "intake,matching"], &[])?;
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
    daemon.stop().await?;
    Ok(())
}

/// Tells everybody of one vacancy.
async fn sent(ground: &Ground, daemon: &Program, sink: &Sink, reference: &str) -> anyhow::Result<Sent> {
    let used = || Used::so_far(ground, daemon.process(), sink.process());
    let before = used().await?;
    let begun = Instant::now();
    let (mails, taken) = told(ground, reference).await?;
    let road = begun.elapsed();
    let each = used().await?.each_since(&before, mails)?;
    Ok(Sent { rate: rate(mails, taken), road, each, mails })
}

fn tell(report: &mut Report, way: Way, ours: &[Sent], theirs: f64, usual: u16) {
    let middle = |of: fn(&Sent) -> f64| median(&ours.iter().map(of).collect::<Vec<_>>());
    let rate = middle(|sent| sent.rate);
    let signed = match way.signed {
        Signed::Not => "unsigned",
        Signed::Rsa => "signed by RSA 2048",
        Signed::Ed25519 => "signed by Ed25519",
    };
    let what = format!("mails over {} lines, {signed}, durable records on", way.lines);
    let share = format!("{:.0} % of smtp-source's {}", 100.0 * rate / theirs, per_second(theirs));
    if theirs > 0.0 && way.lines == usual {
        report.aim(what, per_second(rate), &format!("{share}, over 80 %"), rate > 0.8 * theirs);
    } else {
        report.note(what, per_second(rate), share);
    }
    let each =
        [0, 1, 2, 3].map(|party| median(&ours.iter().map(|sent| sent.each[party]).collect::<Vec<_>>()));
    report.add(
        "  processor time for each: daemon, PostgreSQL, mail server, everything else",
        each.map(time).join(", "),
    );
    let mails = ours.iter().map(|sent| sent.mails).max().unwrap_or_default();
    let roads: Vec<Duration> = ours.iter().map(|sent| sent.road).collect();
    report.add(format!("  from the event to the last of {mails} mails"), time(median(&roads)));
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
