//! The first act: weeks of vacancies with the clock set.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::ensure;
use chrono::{DateTime, Duration, Utc};
use jobalerts::domain::facts::{Closing, Facts};
use jobalerts::domain::taxonomy::{Dimension, Taxonomy};
use jobalerts::domain::truth::State;
use jobalerts::store::openings::{self, Kept};
use sqlx::PgPool;

use crate::account::{self, counted, moment, paragraph, quoted, row};
use crate::expected::{Asking, Changed, Due, Expected, Matched};
use crate::samples::Sample;
use crate::scene::Scene;
use crate::turn::How;

/// From an event to the moment at which the program looks at it.
const LATER: Duration = Duration::seconds(5);
/// So many people who were not matched are shown, each for another reason.
const NEAR_SHOWN: usize = 6;

/// Plays the samples at the times at which they happened, and every moment between at which somebody is due.
pub(crate) async fn play(
    scene: &Scene,
    samples: &[Sample],
    expected: &mut Expected<'_>,
) -> anyhow::Result<()> {
    account::part("First a rehearsal: what happened in 2023, by a clock that is set");
    account::say(
        "For each event: `jobalerts publish FILE`, then `jobalerts drain --now TIME`, a few seconds after the event's \
         own time, and once more whenever somebody is due. Feeds blink, so a door that opens or shuts settles for 2 \
         minutes before anybody hears of it. People hear at once, but not between 9pm and 8am of what can wait; or in \
         one digest a day or a week, at 8am (the week's on Monday) or when they chose. What closes before somebody's \
         digest goes at once. Who was told of a vacancy is told again when that is no longer so.",
    );
    let mut seen = 0;
    for sample in samples {
        let now = sample.time + LATER;
        while let Some(tick) = next(scene, expected).await?.filter(|tick| *tick <= now) {
            moment_comes(scene, tick, expected, &mut seen).await?;
        }
        event_comes(scene, sample, now, expected, &mut seen).await?;
    }
    let mut last = None;
    while let Some(tick) = next(scene, expected).await? {
        ensure!(last < Some(tick), "somebody is still due after the mails of {}", moment(tick));
        last = Some(tick);
        moment_comes(scene, tick, expected, &mut seen).await?;
    }
    Ok(())
}

async fn event_comes(
    scene: &Scene,
    sample: &Sample,
    now: DateTime<Utc>,
    expected: &mut Expected<'_>,
    seen: &mut usize,
) -> anyhow::Result<()> {
    let path = sample.path.display().to_string();
    account::step(now, &format!("{} {}", sample.text("type"), sample.text("subject")));
    paragraph(4, &format!("event: {path}"));
    let before = revision(&scene.pool, sample.text("subject")).await?;
    scene.publish(&[], std::slice::from_ref(&path)).await?;
    let drained = scene.drain(now).await?;
    let openings = all_openings(&scene.pool).await?;
    let opening = openings.values().rfind(|kept| kept.subject.reference == sample.reference());
    let Some(kept) = opening else {
        expected.problem(format!("{path} has led to no opening"));
        return Ok(());
    };
    if sample.text("type") == "vacancy.opened" {
        paragraph(4, &describe(&kept.opening.truth.facts));
        paragraph(4, &drained);
        let matched = expected.matched(kept, now);
        tell_matched(&matched, expected.people());
    } else {
        paragraph(4, &sample.in_words());
        paragraph(4, &drained);
        tell_changed(kept, before, &expected.changed(kept, now), now);
    }
    let due = expected.due(&openings, now);
    tell_outcome(scene, &openings, due, expected, seen).await
}

/// What a change means to those who were told, and to those who are still to hear.
fn tell_changed(kept: &Kept, before: Option<i32>, changed: &Changed, now: DateTime<Utc>) {
    let Kept { revision, .. } = kept;
    if before == Some(*revision) {
        paragraph(4, &format!("Nothing that we know has changed: it stays revision {revision}."));
    } else {
        let told = match changed.told {
            0 => "Nobody was told of it before.".to_owned(),
            1 => "1 person was told of it before.".to_owned(),
            told => format!("{told} people were told of it before."),
        };
        paragraph(4, &format!("It is now revision {revision}. {told}"));
        if !changed.again.is_empty() {
            let hears = changed.again.iter().map(|(turn, people)| {
                let when = if turn.at <= now { "now".to_owned() } else { format!("on {}", moment(turn.at)) };
                let how = match turn.how {
                    How::Unhurried => ", in a mail of its own",
                    how if how.is_digest() => ", with their digest",
                    _ => "",
                };
                let hear = if *people == 1 { "hears" } else { "hear" };
                format!("{people} {hear} of it {when}{how}")
            });
            let hears = hears.collect::<Vec<_>>().join("; ");
            paragraph(4, &format!("What they were told is no longer so: {hears}."));
        }
        if changed.told > 0 && changed.again.is_empty() {
            paragraph(4, "What they were told is still so: there is nothing to write.");
        }
    }
    if changed.waiting > 0 {
        paragraph(
            4,
            &format!("{} for their day; what is true by then counts.", waiting_people(changed.waiting)),
        );
    }
}

fn waiting_people(count: usize) -> String {
    if count == 1 { "1 person waits".to_owned() } else { format!("{count} people wait") }
}

async fn moment_comes(
    scene: &Scene,
    now: DateTime<Utc>,
    expected: &mut Expected<'_>,
    seen: &mut usize,
) -> anyhow::Result<()> {
    account::step(now, "mails are due");
    paragraph(4, &scene.drain(now).await?);
    let openings = all_openings(&scene.pool).await?;
    let due = expected.due(&openings, now);
    tell_outcome(scene, &openings, due, expected, seen).await
}

/// The next moment at which somebody is due, by what the demo worked out or by the tables.
async fn next(scene: &Scene, expected: &Expected<'_>) -> anyhow::Result<Option<DateTime<Utc>>> {
    let by_tables: Option<DateTime<Utc>> =
        sqlx::query_scalar("select min(due_at) from alerts").fetch_one(&scene.pool).await?;
    Ok([by_tables, expected.next()].into_iter().flatten().min())
}

/// The revision of the newest posting about a subject.
async fn revision(pool: &PgPool, subject: &str) -> anyhow::Result<Option<i32>> {
    let revision =
        sqlx::query_scalar("select revision from openings where subject = $1 order by posting desc limit 1");
    Ok(revision.bind(subject).fetch_optional(pool).await?)
}

/// All openings as they are now, by key.
pub(crate) async fn all_openings(pool: &PgPool) -> anyhow::Result<BTreeMap<i64, Kept>> {
    let mut connection = pool.acquire().await?;
    let ids: Vec<i64> =
        sqlx::query_scalar("select id from openings order by id").fetch_all(&mut *connection).await?;
    let openings = openings::by_id(&mut connection, &ids).await?;
    Ok(openings.into_iter().map(|kept| (kept.id, kept)).collect())
}

/// Who asks for a new vacancy, when they hear of it, and who is left alone.
pub(crate) fn tell_matched(matched: &Matched, people: usize) {
    let Matched { asking, settled, .. } = matched;
    let at_once = asking.iter().filter(|asking| asking.turn.at <= *settled).count();
    paragraph(
        4,
        &format!(
            "{} of {people} people asked for it, {at_once} of them to hear at once: at {}.",
            asking.len(),
            moment(*settled)
        ),
    );
    for (address, slug) in &matched.unknown {
        paragraph(
            4,
            &format!("{address} named \"{slug}\", which the taxonomy does not know: it limits nothing."),
        );
    }
    let sooner: Vec<&str> = asking
        .iter()
        .filter(|asking| asking.turn.how == How::Sooner)
        .map(|asking| asking.address.as_str())
        .collect();
    if !sooner.is_empty() {
        paragraph(
            4,
            &format!("At once, because their digest would come after it has closed: {}.", sooner.join(", ")),
        );
    }
    for (how, when) in [
        (How::AtOnce, "At once, although others sleep:"),
        (How::AfterTheNight, "To hear at once, but it is night, and it can wait until the morning:"),
        (How::Digest, "To hear with their digest:"),
        (How::AfterThePause, "To hear with a digest when their alerts do not rest any more:"),
    ] {
        let mut later: Vec<&Asking> = asking.iter().filter(|asking| asking.turn.how == how).collect();
        later.retain(|asking| how != How::AtOnce || asking.chosen.is_some());
        later.sort_by_key(|asking| asking.turn.at);
        if !later.is_empty() {
            paragraph(4, when);
        }
        for Asking { address, turn, names, chosen } in later {
            let chosen = chosen.as_ref().map(|chosen| format!(" ({chosen})")).unwrap_or_default();
            let names = quoted(names.iter().map(String::as_str)) + &chosen;
            row(6, &[address, &moment(turn.at), &names], &[24, 21]);
        }
    }
    paragraph(4, "Not asked for, for example:");
    let mut shown: Vec<(&str, &str)> = Vec::new();
    for (address, name, obstacle) in &matched.near {
        let alike = shown.iter().any(|(sort, who)| *sort == obstacle.sort || who == address);
        if shown.len() < NEAR_SHOWN && !alike {
            shown.push((obstacle.sort, address));
            row(6, &[address, &format!("\"{name}\": {}", obstacle.text)], &[24]);
        }
    }
}

/// Which mails left, who was told nothing and why; and whether that is right.
pub(crate) async fn tell_outcome(
    scene: &Scene,
    openings: &BTreeMap<i64, Kept>,
    due: Due,
    expected: &mut Expected<'_>,
    seen: &mut usize,
) -> anyhow::Result<()> {
    let mut letters = scene.letters(*seen).await?;
    *seen += letters.len();
    expected.hold_against(due.owed, &letters);
    letters.sort_by(|a, b| a.to.cmp(&b.to));
    if letters.is_empty() {
        paragraph(4, "No mail left.");
    } else {
        paragraph(4, &format!("{} left:", counted(letters.len(), "mail")));
    }
    for letter in &letters {
        let number = format!("{:04}", letter.number);
        row(6, &[&number, &letter.to, &letter.subject], &[4, 24]);
        for (reference, part) in &letter.places {
            let why = letter.reasons.get(reference).map_or("", String::as_str);
            let matches = if *part == "Opened and closed" { "matched" } else { "matches" };
            let part = if part.is_empty() { String::new() } else { format!("{part}: ") };
            row(36, &[&format!("{part}{reference} {matches} {why}")], &[]);
        }
        if let Some(earlier) = letter.answers.as_ref().and_then(|id| expected.number_of(id)) {
            row(36, &[&format!("in the thread of mail {earlier:04}")], &[]);
        }
    }
    let mut over: BTreeMap<i64, Vec<&str>> = BTreeMap::new();
    for (address, id) in &due.over {
        over.entry(*id).or_default().push(address);
    }
    for (id, addresses) in over {
        let Some(kept) = openings.get(&id) else { continue };
        let why = match kept.opening.truth.state {
            State::Withdrawn => "was withdrawn",
            State::Closed => "was closed",
            _ => "had closed",
        };
        paragraph(
            4,
            &format!(
                "Left out, because {} {why} before their day came: {}.",
                account::named(kept),
                addresses.join(", ")
            ),
        );
    }
    Ok(())
}

/// What an advert says, in one sentence.
pub(crate) fn describe(facts: &Facts) -> String {
    let taxonomy = Taxonomy::shipped();
    let mut parts: Vec<String> = Dimension::ALL
        .into_iter()
        .filter(|dimension| !facts.values(*dimension).is_empty())
        .map(|dimension| {
            let labels = facts.values(dimension).iter().map(|value| taxonomy.label(dimension, value));
            labels.collect::<Vec<_>>().join(", ")
        })
        .collect();
    // "Volunteer" is a kind of work and a kind of contract.
    let mut said = BTreeSet::new();
    parts.retain(|part| said.insert(part.clone()));
    parts.extend(facts.pay_text.clone());
    parts.push(match facts.closing {
        Closing::Instant(at) => format!("closes {}", moment(at)),
        Closing::Date(day) => format!("closes on {day}, no time given"),
        Closing::CloseOfBusiness(day) => format!("closes on {day} at the end of the working day"),
        Closing::OpenUntilFilled => "no closing date".to_owned(),
    });
    format!("\"{}\": {}.", facts.title, parts.join("; "))
}
