//! What a mail costs in the database: claimed together and recorded together,
//! so many at a time, with nothing sent.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jobalerts::delivery::claim::{self, Claimed, Rules};
use jobalerts::delivery::told;
use jobalerts::domain::taxonomy::Taxonomy;
use jobalerts::store::tries::{self, Outcome, Try};
use jobalerts::store::workers::Life;

use crate::adverts::Says;
use crate::daemon::Program;
use crate::ground::{Ground, now};
use crate::matching::published;
use crate::report::{Report, grouped, median, time};

/// How many are claimed, and recorded, together.
const TOGETHER: [i64; 5] = [8, 16, 32, 64, 128];
const TIMES: usize = 15;

/// Makes alerts due, and claims and records them.
pub(crate) async fn measure(ground: &Ground, searches: u32, report: &mut Report) -> anyhow::Result<()> {
    let daemon = Program::start(ground, &["run", "--stages", "intake,matching"], &[])?;
    for number in 0..3 {
        published(ground, &format!("CLAIM-{number}"), Says::Open).await?;
    }
    daemon.stop().await?;
    let config = ground.config();
    let domain = config.smtp.from.address().domain();
    let rules = Rules::new(config, Arc::new(Taxonomy::shipped()), domain);
    let life = Life::begin(ground.config().database.url.expose()).await?;
    for together in TOGETHER {
        let (mut claims, mut records) = (Vec::new(), Vec::new());
        for _ in 0..TIMES {
            let begun = Instant::now();
            let claimed =
                claim::claim(ground.pool(), &rules, life.number(), together, &[], now()).await?.mails;
            if i64::try_from(claimed.len())? == together {
                claims.push(begun.elapsed());
            }
            records.push(recorded(ground, &rules, &claimed).await?);
        }
        if claims.len() < TIMES {
            // A small population has been told by now.
            break;
        }
        report.add(
            format!(
                "{} searches: a claim of {together} mails with {} alerts, and a record",
                grouped(searches.into()),
                3 * together
            ),
            format!("{}, {}", time(median(&claims)), time(median(&records))),
        );
    }
    ground.forget().await
}

async fn recorded(ground: &Ground, rules: &Rules, claimed: &[Claimed]) -> anyhow::Result<Duration> {
    let at = now();
    let tries: Vec<Try> = claimed
        .iter()
        .map(|mail| Try {
            mail_id: mail.errand.mail_id,
            worker: mail.errand.worker,
            subscriber_id: mail.errand.subscriber_id,
            told: told(mail, &rules.policy, at),
            outcome: Outcome::Accepted,
            verdict: None,
            reply: format!("250 2.0.0 Ok: queued, {}", mail.kind.name()),
        })
        .collect();
    let begun = Instant::now();
    let mut transaction = ground.pool().begin().await?;
    tries::record(&mut transaction, &tries, at).await?;
    transaction.commit().await?;
    Ok(begun.elapsed())
}
