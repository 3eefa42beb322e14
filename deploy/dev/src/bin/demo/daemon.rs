//! After the first act: the daemon, by a clock that goes.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use chrono::{DateTime, NaiveTime, Utc};
use jobalerts::clock::Clock;
use jobalerts::store::openings::Kept;
use jobalerts_dev::program::Log;
use serde_json::json;

use crate::account::{self, paragraph, row};
use crate::expected::Expected;
use crate::rehearsal::{all_openings, describe, tell_matched, tell_outcome};
use crate::samples::Sample;
use crate::scene::{Scene, instant};
use crate::turn::{day_of, moment};

/// The vacancy that the daemon is to tell people of.
const REFERENCE: &str = "260000ZZ";
/// The sample it is made from.
const MODEL: &str = "230000IR";
/// The vacancy with the most events.
const CHANGED: &str = "230000P0";
/// So long ago a door must have opened for people to hear of it at once.
const SETTLED: chrono::Duration = chrono::Duration::minutes(3);
/// Far longer than it takes; only when something is wrong is it waited for.
const LIMIT: Duration = Duration::from_mins(1);

/// Starts the daemon, feeds it, waits for the mails, stops it.
pub(crate) async fn play(
    scene: &Scene,
    samples: &[Sample],
    expected: &mut Expected<'_>,
) -> anyhow::Result<()> {
    account::part("Then the daemon, by a clock that goes");
    let now = this_evening()?;
    let as_it_was = revision_of(scene, CHANGED).await?;
    let before = expected.mails();
    let due_at_once = at_once(expected, scene, now).await?;
    let mut seen = before;
    let mut daemon = scene.program.start_daemon(&["--now", &instant(now)], Log::File)?;
    let garbage = feed(scene, samples, now).await?;

    let arrived = scene.smtp.wait_until(|tally| tally.mails >= before + due_at_once);
    tokio::select! {
        ended = daemon.ended() => bail!("the daemon has ended by itself: {}", ended?),
        arrived = tokio::time::timeout(LIMIT, arrived) => arrived.with_context(|| {
            format!("after {} s, not all of the {due_at_once} expected mails have come", LIMIT.as_secs())
        })?,
    };
    let status = daemon.stop().await?;
    ensure!(status.success(), "the daemon was told to stop and ended with {status}");

    account::step(now, &format!("vacancy.opened vacancy/{REFERENCE}"));
    let openings = all_openings(&scene.pool).await?;
    let fresh = about(&openings, REFERENCE).context("the new vacancy has led to no opening")?;
    paragraph(4, &describe(&fresh.opening.truth.facts));
    let matched = expected.matched(fresh, now);
    tell_matched(&matched, expected.people());
    let due = expected.due(&openings, now);
    tell_outcome(scene, &openings, due, expected, &mut seen).await?;
    if revision_of(scene, CHANGED).await? != as_it_was {
        expected.problem(format!("a late event has changed {CHANGED}"));
    }
    tell_the_rest(scene, expected, garbage, samples.len()).await
}

/// Publishes everything again, an event that is late, garbage, and one new vacancy. Returns how much was garbage.
async fn feed(scene: &Scene, samples: &[Sample], now: DateTime<Utc>) -> anyhow::Result<usize> {
    let sample = |reference| {
        let sample = samples.iter().find(|sample| sample.reference() == reference);
        sample.with_context(|| format!("no sample is about {reference}"))
    };
    paragraph(
        0,
        "`jobalerts run --now` is started with its clock at 8pm today, so that neither a digest nor a night comes in \
         between, at whatever hour this is played. Into its queue go, in this order:",
    );
    let files: Vec<String> = samples.iter().map(|sample| sample.path.display().to_string()).collect();
    scene.publish(&[], &files).await?;
    row(2, &["-", "all events of the rehearsal once more, as a feed does that is restarted;"], &[1]);

    let late = scene.write("late.json", &sample(CHANGED)?.said_again().to_string())?;
    scene.publish(&[], &[late]).await?;
    let what = format!("the first event of {CHANGED} under a new id: version 1, when 3 is known;");
    row(2, &["-", &what], &[1]);

    let garbage = garbage(scene, sample(MODEL)?, now)?;
    scene.publish(&["--unchecked"], &garbage).await?;
    row(2, &["-", &format!("{} messages that are no good;", garbage.len())], &[1]);

    let fresh = scene.write("fresh.json", &sample(MODEL)?.made_anew(REFERENCE, now - SETTLED).to_string())?;
    scene.publish(&[], &[fresh]).await?;
    row(
        2,
        &["-", &format!("a new vacancy {REFERENCE}, made from the sample of {MODEL}, open for 3 minutes.")],
        &[1],
    );
    Ok(garbage.len())
}

/// A moment of today that is far from all digests and from the night, and after which no digest comes today.
fn this_evening() -> anyhow::Result<DateTime<Utc>> {
    let eight = NaiveTime::from_hms_opt(20, 0, 0);
    let evening = eight.and_then(|eight| moment(day_of(Clock::System.now()), eight));
    evening.context("there is no evening today")
}

async fn revision_of(scene: &Scene, reference: &str) -> anyhow::Result<Option<i32>> {
    let openings = all_openings(&scene.pool).await?;
    Ok(about(&openings, reference).map(|kept| kept.revision))
}

/// The opening of a vacancy that was opened once.
fn about<'o>(openings: &'o BTreeMap<i64, Kept>, reference: &str) -> Option<&'o Kept> {
    openings.values().find(|kept| kept.subject.reference == reference)
}

async fn tell_the_rest(
    scene: &Scene,
    expected: &mut Expected<'_>,
    garbage: usize,
    replayed: usize,
) -> anyhow::Result<()> {
    let status = scene.program.look(&["status"]).await?;
    account::command(
        "The daemon was told to stop (SIGTERM) and ended with exit code 0. What it left",
        &["status"],
        &status,
    );
    println!();
    paragraph(
        0,
        &format!(
            "Nobody got a mail about the {replayed} events that came again: they were known. The event that came late \
             was kept and changed nothing: {CHANGED} is closed, as version 3 said. The messages that were no good wait \
             in the dead-letter queue, each with the reason in its header:"
        ),
    );
    let standing: serde_json::Value =
        serde_json::from_str(&scene.program.look(&["status", "--json"]).await?)?;
    for (what, right) in [
        ("alertsDue", 0),
        ("mailsInHand", 0),
        ("mailsDeferred", 0),
        ("mailsAccepted", expected.mails()),
        ("alertsWaiting", expected.waiting()),
    ] {
        if standing["standing"][what] != json!(right) {
            expected.problem(format!("status says {what} = {}, not {right}", standing["standing"][what]));
        }
    }
    let letters = scene.dead_letters().await?;
    for letter in &letters {
        row(2, &[&letter.reason, &letter.about, &letter.detail], &[20, 20]);
    }
    if letters.len() != garbage {
        expected.problem(format!("{} messages were set aside in place of {garbage}", letters.len()));
    }
    Ok(())
}

/// How many people must hear of the new vacancy at once, before it is there: those who would hear of its model at once.
async fn at_once(expected: &Expected<'_>, scene: &Scene, now: DateTime<Utc>) -> anyhow::Result<usize> {
    let openings = all_openings(&scene.pool).await?;
    Ok(about(&openings, MODEL).map_or(0, |model| expected.hearing_at_once(model, now)))
}

/// Files with messages that no good feed sends.
fn garbage(scene: &Scene, model: &Sample, now: DateTime<Utc>) -> anyhow::Result<Vec<String>> {
    let mut elsewhere = model.made_anew("260000XX", now);
    elsewhere["deploymentenv"] = json!("staging");
    let mut strange_link = model.made_anew("260000YY", now);
    strange_link["data"]["posting"]["url"] = json!("https://jobs.example.net/260000YY");
    let trial = model.made_anew("TEST0002", now);
    Ok(vec![
        scene.write("garbage.bin", "this is not an event")?,
        scene.write("elsewhere.json", &elsewhere.to_string())?,
        scene.write("strange-link.json", &strange_link.to_string())?,
        scene.write("trial.json", &trial.to_string())?,
    ])
}
