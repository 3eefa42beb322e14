//! The sender alone, without tables: how fast mails go over the wire, and what
//! writing and signing each of them takes of that.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use jobalerts::compose::Email;
use jobalerts::config::Config;
use jobalerts::delivery::smtp::{After, Relay, Verdict};
use tokio::task::JoinSet;

use crate::Sizes;
use crate::compose::{Signed, Writer};
use crate::processor;
use crate::report::{Report, grouped, median, per_second, rate, time};
use crate::sink::Sink;

/// Over how many lines.
pub(crate) const LINES: [u16; 4] = [1, 4, 16, 64];

/// The number of lines that we aim at something with.
const USUAL: u16 = 16;

/// What is done for each mail before it is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    /// Nothing: it is the same mail each time.
    Bare,
    /// It is written.
    Written(Signed),
}

impl Work {
    const fn name(self) -> &'static str {
        match self {
            Self::Bare => "nothing else is done",
            Self::Written(Signed::Not) => "each is written",
            Self::Written(Signed::Rsa) => "each is written and signed by RSA 2048",
            Self::Written(Signed::Ed25519) => "each is written and signed by Ed25519",
        }
    }
}

/// `smtp-source` in turn with us, over different numbers of lines.
pub(crate) async fn measure(sizes: Sizes, report: &mut Report) -> anyhow::Result<()> {
    let sink = Sink::start().await?;
    let environment = BTreeMap::from([("JOBALERTS_SMTP__URL".to_owned(), sink.url())]);
    let config = Config::load(Some(Path::new("config/jobalerts.toml")), &environment)?;
    let sample = Writer::new(&config, Signed::Not)?.write(1)?;
    for lines in LINES {
        let works: &[Work] = if lines == USUAL {
            &[
                Work::Bare,
                Work::Written(Signed::Not),
                Work::Written(Signed::Ed25519),
                Work::Written(Signed::Rsa),
            ]
        } else {
            &[Work::Bare]
        };
        let (mut kept, mut fresh) = (Vec::new(), Vec::new());
        let mut ours = vec![(Vec::new(), Vec::new()); works.len()];
        for _ in 0..sizes.rounds.min(3) {
            fresh.extend(sink.source_rate(sample.content(), lines, sizes.mails, false)?);
            kept.extend(sink.source_rate(sample.content(), lines, sizes.mails, true)?);
            for (work, (rates, each)) in works.iter().zip(&mut ours) {
                let sent = sent(&config, &sample, *work, lines, sizes.mails).await?;
                rates.push(sent.rate);
                each.push(sent.processor);
            }
        }
        let theirs = kept.iter().chain(&fresh).any(|rate| *rate > 0.0);
        let theirs = theirs.then(|| median(&kept).max(median(&fresh)));
        if let Some(theirs) = theirs {
            report.add(format!("smtp-source over {lines} lines, the better of its ways"), per_second(theirs));
        }
        for (work, (rates, each)) in works.iter().zip(&ours) {
            let rate = median(rates);
            #[expect(clippy::cast_precision_loss, reason = "some thousands")]
            let size = grouped(sample.content().len() as f64);
            let what = format!("the sender over {lines} lines, {size} octets a mail; {}", work.name());
            match theirs {
                Some(theirs) if lines == USUAL && *work == Work::Bare => report.aim(
                    what,
                    per_second(rate),
                    &format!("{:.0} % of smtp-source, over 90 %", 100.0 * rate / theirs),
                    rate > 0.9 * theirs,
                ),
                Some(theirs) => {
                    report.note(
                        what,
                        per_second(rate),
                        format!("{:.0} % of smtp-source", 100.0 * rate / theirs),
                    );
                }
                None => report.add(what, per_second(rate)),
            }
            report.add("  processor time for each", time(median(each)));
        }
    }
    Ok(())
}

struct Sent {
    rate: f64,
    /// Of this process, for each mail.
    processor: Duration,
}

/// Sends so many mails on a runtime like the program's.
async fn sent(config: &Config, sample: &Email, work: Work, lines: u16, mails: usize) -> anyhow::Result<Sent> {
    let writer = match work {
        Work::Bare => None,
        Work::Written(signed) => Some(Writer::new(config, signed)?),
    };
    let shared = Arc::new(Shared {
        relay: Relay::new(&config.smtp)?,
        sample: sample.clone(),
        writer,
        left: AtomicUsize::new(mails),
    });
    // The mail server of our tests, if it is that, runs on this thread.
    tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let used = processor::of(std::process::id())?;
        let begun = Instant::now();
        runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for _ in 0..lines {
                tasks.spawn(line(Arc::clone(&shared)));
            }
            while let Some(ended) = tasks.join_next().await {
                ended??;
            }
            anyhow::Ok(())
        })?;
        let taken = begun.elapsed();
        let used = processor::of(std::process::id())?.saturating_sub(used);
        Ok(Sent { rate: rate(mails as u64, taken), processor: used / u32::try_from(mails)? })
    })
    .await?
}

struct Shared {
    relay: Relay,
    sample: Email,
    writer: Option<Writer>,
    left: AtomicUsize,
}

/// Sends over one line after the other, as long as there are mails.
async fn line(shared: Arc<Shared>) -> anyhow::Result<()> {
    let mut line = shared.relay.connect().await?;
    let take = |left: usize| left.checked_sub(1);
    while shared.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok() {
        if line.is_worn() {
            line.quit().await;
            line = shared.relay.connect().await?;
        }
        let written = shared.writer.as_ref().map(|writer| writer.write(1)).transpose()?;
        let email = written.as_ref().unwrap_or(&shared.sample);
        line.offer(email.envelope(), email.content())
            .await
            .map_err(|(refusal, _)| anyhow::anyhow!("a mail was refused: {}", refusal.reply))?;
        let (verdict, after) = line.hand_over(email.content(), email.headers.to.as_str()).await;
        let sent = matches!((verdict, after), (Verdict::Sent(_), After::Usable));
        sent.then_some(()).context("a mail was not taken")?;
    }
    line.quit().await;
    Ok(())
}
