//! Eight o'clock: a digest of six for everybody at one tick of a schedule, and
//! one person in the middle of it who is to hear at once.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use serde_json::{Value, json};

use crate::adverts;
use crate::daemon::{LIMIT, Program, until};
use crate::ground::Ground;
use crate::report::{Report, grouped, megabytes, per_second, rate, time};
use crate::sink::Sink;

/// The tick: a Tuesday, in winter.
const TICK: &str = "2026-11-24T08:00:00Z";

/// What each of them is told of.
const ITEMS: u64 = 6;

/// Questions that they ask; each is answered by all that is advertised.
const QUESTIONS: u32 = 200;

/// What only the one in a hurry asks for.
const URGENT: &str = "technology-data";

/// Makes everybody due, and tells them.
pub(crate) async fn measure(ground: &Ground, people: u32, report: &mut Report) -> anyhow::Result<()> {
    everybody(ground, people).await?;
    let tick: DateTime<Utc> = TICK.parse()?;
    advertised(ground, tick).await?;
    let due: i64 = sqlx::query_scalar("select count(*) from alerts where due_at <= $1")
        .bind(tick)
        .fetch_one(ground.pool())
        .await?;
    anyhow::ensure!(u64::try_from(due)? == ITEMS * u64::from(people), "{due} alerts are due at the tick");
    sqlx::query("vacuum analyze").execute(ground.pool()).await?;
    ground.settle().await?;
    let before = claimed(ground).await?;

    let sink = Sink::start().await?;
    let begins = tick + chrono::Duration::seconds(1);
    let daemon = rehearsal(ground, &["run"], begins, &[("JOBALERTS_SMTP__URL", &sink.url())])?;
    let started = Instant::now();
    let all = u64::from(people);
    let mut memory: Vec<u64> = Vec::new();
    until(Duration::from_millis(5), async || Ok(claimed(ground).await? > before)).await?;
    let (begun, first) = (Instant::now(), claimed(ground).await?);
    let mut hurried = None;
    let (mut last, mut moved) = (first, Instant::now());
    loop {
        let so_far = claimed(ground).await?;
        if so_far != last {
            (last, moved) = (so_far, Instant::now());
        }
        anyhow::ensure!(moved.elapsed() < LIMIT, "nothing more happens; see the program's log");
        let done = so_far - before;
        // Early, in the middle, and at the end.
        if memory.len() < 2 && 20 * done >= all * [1, 10][memory.len()] {
            memory.push(daemon.resident()?);
        }
        if hurried.is_none() && 5 * done >= 2 * all {
            let opened = begins + chrono::Duration::from_std(started.elapsed())?;
            hurried = Some(urgent(ground, opened - chrono::Duration::minutes(4)).await?);
        }
        if done > all && left(ground, tick).await? == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let taken = begun.elapsed();
    memory.push(daemon.resident()?);
    let published = Instant::now();
    until(Duration::from_millis(50), async || {
        Ok(ground.count("select count(*) from (select from outcome_events limit 1) e").await? == 0)
    })
    .await?;
    let published = published.elapsed();
    let peak = daemon.stop().await?;
    complete(ground, people, tick).await?;

    let digests = rate(before + all - first, taken);
    let what = format!("{} people due at one tick, with six items each: digests", grouped(people.into()));
    report.add(what, per_second(digests));
    report.add("  from the first to the last, recorded", time(taken));
    report.add("  until all that came of it was published, after the last", time(published));
    let memory: Vec<String> = memory.into_iter().map(megabytes).collect();
    report.add("  memory of the daemon early, in the middle and at the end", memory.join(", "));
    report.aim("  the most of it", megabytes(peak), "under 100 MB", peak < 100_000_000);
    if let Some((from_alert, from_event)) = hurried {
        report.add("  in the middle of it, a mail at once: from its event", time(from_event));
        report.add("  of that, from its alert to the mail server's word, recorded", time(from_alert));
    }
    ground.forget().await?;
    sqlx::query("truncate subscribers cascade").execute(ground.pool()).await?;
    Ok(())
}

/// Imports so many people who hear daily, and one who hears at once.
async fn everybody(ground: &Ground, people: u32) -> anyhow::Result<()> {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("road-tick.jsonl");
    let mut writer = BufWriter::new(File::create(&file)?);
    for number in 0..people {
        let question = json!({
            "roleFamily": { "any": ["contact-control", "police-officer"] },
            "pay": { "atLeast": 10_000 + number % QUESTIONS },
        });
        let line = person(&format!("person.{number}@mail{}.example", number % 20), "daily", &question);
        serde_json::to_writer(&mut writer, &line)?;
        writer.write_all(b"\n")?;
    }
    let question = json!({ "roleFamily": { "any": [URGENT] } });
    serde_json::to_writer(&mut writer, &person("hurried@mail7.example", "immediate", &question))?;
    writer.flush()?;
    drop(writer);
    Program::start(ground, &["import", &file.display().to_string()], &[])?.finished().await?;
    Ok(std::fs::remove_file(&file)?)
}

fn person(address: &str, cadence: &str, question: &Value) -> Value {
    json!({
        "email": address,
        "searches": [{ "name": "My search", "cadence": cadence, "where": question }],
        "consent": {
            "wordingVersion": "2026-01",
            "at": "2026-02-03T10:00:00Z",
            "source": "careers site, job alerts form",
        },
    })
}

/// The day before: one vacancy that they are told of and that changes, one that
/// comes and goes, one that closes soon, and three that are new.
async fn advertised(ground: &Ground, tick: DateTime<Utc>) -> anyhow::Result<()> {
    let ago = |hours: i64| tick - chrono::Duration::hours(hours);
    let closing = |days: i64| (tick + chrono::Duration::days(days)).date_naive();
    let opened = |reference: &str, closes: NaiveDate, at: DateTime<Utc>| {
        adverts::about(reference, 1, "vacancy.opened", at, &adverts::closing_on(closes, reference, at))
    };
    happens(ground, ago(47), vec![opened("CHANGED", closing(20), ago(47))?]).await?;
    // The digest of yesterday, as it would have been sent.
    sqlx::query(
        "with told as (
             insert into mails (subscriber_id, kind, message_id, openings, revisions, unhurried, attempts,
                                claimed_at, outcome, reply, finished_at)
             select subscriber_id, 'digest', '<' || subscriber_id || '@midshire.example>',
                    array[opening_id], array[1], true, 1, due_at, 'accepted', '250 2.0.0 Ok', due_at
             from alerts returning id, subscriber_id, claimed_at),
         had as (
             insert into digests (subscriber_id, schedule, local_date, mail_id)
             select subscriber_id, 'daily', claimed_at::date, id from told)
         update alerts a set due_at = null, told_phase = 'open', told_revision = 1, told_mail_id = t.id,
             told_at = t.claimed_at
         from told t where t.subscriber_id = a.subscriber_id",
    )
    .execute(ground.pool())
    .await?;
    let corrected = adverts::corrected(closing(25), ago(20));
    happens(
        ground,
        ago(20),
        vec![
            opened("SOON", closing(1), ago(20))?,
            opened("NEW-1", closing(20), ago(20))?,
            opened("NEW-2", closing(14), ago(20))?,
            opened("NEW-3", closing(10), ago(20))?,
            opened("GONE", closing(20), ago(20))?,
            adverts::about("CHANGED", 2, "vacancy.corrected", ago(20), &corrected)?,
        ],
    )
    .await?;
    let shut = adverts::about("GONE", 2, "vacancy.closed", ago(15), &adverts::closed(ago(15)))?;
    happens(ground, ago(15), vec![shut]).await
}

/// Publishes events at a time, and has them taken in and matched.
async fn happens(ground: &Ground, at: DateTime<Utc>, events: Vec<(String, Vec<u8>)>) -> anyhow::Result<()> {
    let all = ground.count("select count(*) from events").await? + events.len() as u64;
    let later = at + chrono::Duration::minutes(5);
    let daemon = rehearsal(ground, &["run", "--stages", "intake,matching"], later, &[])?;
    until(Duration::from_millis(100), async || Ok(ground.publish(&events).await.is_ok())).await?;
    until(Duration::from_millis(100), async || {
        let taken = ground.count("select count(*) from events").await? == all;
        let open = "select count(*) from openings where matched_revision < revision";
        Ok(taken && ground.count(open).await? == 0)
    })
    .await?;
    daemon.stop().await?;
    Ok(())
}

/// The program with a clock that begins at a time.
fn rehearsal(
    ground: &Ground,
    arguments: &[&str],
    now: DateTime<Utc>,
    settings: &[(&str, &str)],
) -> anyhow::Result<Program> {
    let now = now.to_rfc3339_opts(SecondsFormat::Secs, true);
    let arguments: Vec<&str> = arguments.iter().copied().chain(["--now", &now]).collect();
    let settings: Vec<(&str, &str)> =
        settings.iter().copied().chain([("JOBALERTS_REHEARSAL", "true")]).collect();
    Program::start(ground, &arguments, &settings)
}

/// How many mails were ever claimed; costs nothing.
async fn claimed(ground: &Ground) -> anyhow::Result<u64> {
    let claimed = "select case when is_called then last_value else 0 end from mails_id_seq";
    ground.count(claimed).await
}

async fn left(ground: &Ground, tick: DateTime<Utc>) -> anyhow::Result<i64> {
    let due = "select (exists (select from alerts where due_at <= $1)
                       or exists (select from mails where worker is not null))::int::bigint";
    Ok(sqlx::query_scalar(due).bind(tick + chrono::Duration::hours(1)).fetch_one(ground.pool()).await?)
}

/// Somebody is to hear of a vacancy at once: how long that takes from the
/// alert, and from the event on the queue.
async fn urgent(ground: &Ground, opened: DateTime<Utc>) -> anyhow::Result<(Duration, Duration)> {
    let person: i64 = sqlx::query_scalar("select id from subscribers where lookup = 'hurried@mail7.example'")
        .fetch_one(ground.pool())
        .await?;
    let mut data = adverts::data("URGENT", opened);
    data["roleFamily"] = URGENT.into();
    let event = adverts::about("URGENT", 1, "vacancy.opened", opened, &data)?;
    let told = async |which: &'static str| -> anyhow::Result<bool> {
        let told: Option<bool> = sqlx::query_scalar(which).bind(person).fetch_optional(ground.pool()).await?;
        Ok(told == Some(true))
    };
    ground.publish(&[event]).await?;
    let published = Instant::now();
    until(Duration::from_millis(2), async || told("select true from alerts where subscriber_id = $1").await)
        .await?;
    let alerted = Instant::now();
    until(Duration::from_millis(2), async || {
        told("select told_at is not null from alerts where subscriber_id = $1").await
    })
    .await?;
    Ok((alerted.elapsed(), published.elapsed()))
}

/// Everybody has one digest of all six, and nobody two.
async fn complete(ground: &Ground, people: u32, tick: DateTime<Utc>) -> anyhow::Result<()> {
    let (digests, persons, items): (i64, i64, i64) = sqlx::query_as(
        "select count(*), count(distinct subscriber_id), coalesce(sum(cardinality(openings)), 0)::bigint
         from mails where kind = 'digest' and outcome = 'accepted' and claimed_at >= $1",
    )
    .bind(tick)
    .fetch_one(ground.pool())
    .await?;
    let expected = i64::from(people);
    anyhow::ensure!(
        (digests, persons, items) == (expected, expected, 6 * expected),
        "{digests} digests left for {persons} people, with {items} items"
    );
    Ok(())
}
