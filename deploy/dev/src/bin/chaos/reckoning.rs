//! The end of each scene: what is on no record is played out, and everybody's mails are counted.

use std::collections::BTreeSet;

use anyhow::Context as _;
use chrono::Duration;
use jobalerts_dev::account::{counted, say};
use jobalerts_dev::promises::{self, Ledger};
use serde::Deserialize;

use crate::cast::Cast;
use crate::people::PROGRAMME;
use crate::scene::Scene;

/// What became of a fault.
#[derive(Debug, Default)]
pub(crate) struct Row {
    /// Its name.
    pub(crate) fault: &'static str,
    /// How often it was played.
    pub(crate) times: usize,
    /// How many people were told nothing.
    pub(crate) lost: usize,
    /// How many mails somebody got once more.
    pub(crate) repeated: usize,
    /// How many mails were on their way at most when it was played.
    pub(crate) in_flight: usize,
    /// Of how many mails nobody knew whether they arrived.
    pub(crate) unknown: usize,
    /// How long it took until all was as before, and what that means.
    pub(crate) back: String,
    /// What is not as it must be.
    pub(crate) problems: Vec<String>,
    /// Why it was not played, if it was not.
    pub(crate) not_played: Option<String>,
}

impl Row {
    /// Whether it did no harm. What was not played is not good, but does no harm.
    pub(crate) fn is_good(&self) -> bool {
        self.problems.is_empty()
    }
}

/// What a scene knows of the fault that it played.
pub(crate) struct Played {
    /// Its name.
    pub(crate) fault: &'static str,
    /// How often.
    pub(crate) times: usize,
    /// How many mails were on their way at most, all times together.
    pub(crate) in_flight: usize,
    /// How long it took until all was as before, and what that means.
    pub(crate) back: String,
}

/// A mail of which nobody knows whether it arrived, as `jobalerts unknown list --json` has it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Unknown {
    mail: i64,
    message_id: String,
}

impl Unknown {
    fn id(&self) -> &str {
        self.message_id.trim_matches(['<', '>'])
    }
}

#[derive(Deserialize)]
struct List {
    mails: Vec<Unknown>,
}

/// Waits until the release is over, plays out what nobody knows, and counts.
pub(crate) async fn reckon(scene: &Scene, mut cast: Cast<'_>, played: Played) -> anyhow::Result<Row> {
    scene.is_done().await?;
    cast.all_live()?;
    cast.stop().await?;
    count_all(scene, played).await
}

/// The same when the release is over and nothing runs any more.
pub(crate) async fn count_all(scene: &Scene, played: Played) -> anyhow::Result<Row> {
    let unknown = unknown(scene).await?;
    say(&format!(
        "{} mails arrived. Of {} nobody knows whether they did.",
        scene.smtp.tally().mails,
        counted(unknown.len(), "mail")
    ));
    if !unknown.is_empty() {
        an_operator_decides(scene, &unknown).await?;
        a_day_later(scene).await?;
    }
    let ledger = scene.program.run(&["ledger", "--json", "--now", &scene.clock.text()]).await?;
    let listed = unknown.iter().map(|unknown| unknown.id().to_owned()).collect();
    let row = count(scene, played, &listed, &promises::read(&serde_json::from_str(&ledger)?));
    say(&format!(
        "Of {} people {} were told nothing. {} mails came twice; at most {} were on their way.",
        scene.people.len(),
        row.lost,
        row.repeated,
        row.in_flight
    ));
    Ok(row)
}

async fn unknown(scene: &Scene) -> anyhow::Result<Vec<Unknown>> {
    let printed = scene.program.run(&["unknown", "list", "--json"]).await?;
    let list: List = serde_json::from_str(&printed).context("`unknown list --json` cannot be read")?;
    Ok(list.mails)
}

/// Of every other mail an operator looks into the log of the mail server.
async fn an_operator_decides(scene: &Scene, unknown: &[Unknown]) -> anyhow::Result<()> {
    let looked_up = unknown.iter().step_by(2);
    let (arrived, lost): (Vec<_>, Vec<_>) = looked_up.partition(|unknown| scene.arrivals.have(unknown.id()));
    for (verdict, mails) in [("settle", &arrived), ("resend", &lost)] {
        if mails.is_empty() {
            continue;
        }
        let keys: Vec<String> = mails.iter().map(|unknown| unknown.mail.to_string()).collect();
        let now = scene.clock.text();
        let mut arguments = vec!["unknown", verdict, "--now", &now];
        arguments.extend(keys.iter().map(String::as_str));
        scene.program.run(&arguments).await?;
    }
    say(&format!(
        "An operator looks up every other one in the mail server's log: {} arrived, {} did not and are sent again.",
        arrived.len(),
        lost.len()
    ));
    Ok(())
}

/// The others come by themselves.
async fn a_day_later(scene: &Scene) -> anyhow::Result<()> {
    scene.clock.leap(Duration::hours(25));
    let before = scene.smtp.tally().mails;
    let cast = Cast::start(scene, &["delivery"])?;
    scene.is_all_done().await?;
    cast.stop().await?;
    let sent = scene.smtp.tally().mails - before;
    say(&format!("A rehearsed day later the rest is sent by itself: {sent} mails arrive."));
    Ok(())
}

fn count(scene: &Scene, played: Played, listed: &BTreeSet<String>, ledger: &Ledger) -> Row {
    let Played { fault, times, in_flight, back } = played;
    let mut arrivals = scene.arrivals.so_far();
    let mut row = Row { fault, times, in_flight, back, unknown: listed.len(), ..Row::default() };
    for address in &scene.people {
        let ids = arrivals.remove(address).unwrap_or_default();
        row.lost += usize::from(ids.is_empty());
        row.repeated += ids.len().saturating_sub(1);
        if ids.iter().any(|id| *id != ids[0]) {
            row.problems.push("a person got two different mails about one thing".to_owned());
        }
        if ids.len() > 1 && !listed.contains(&ids[0]) {
            row.problems.push("a mail came twice that was not listed as unknown".to_owned());
        }
    }
    if !arrivals.is_empty() {
        row.problems.push(format!("{} got mails who are nobody here", counted(arrivals.len(), "person")));
    }
    if row.lost > 0 {
        row.problems.push(format!("{} people were told nothing", row.lost));
    }
    if row.repeated.max(row.unknown) > in_flight {
        row.problems.push(format!("more mails were repeated or unknown than the {in_flight} on their way"));
    }
    row.problems.extend(does_not_add_up(scene.people.len(), ledger));
    row
}

/// What is wrong with the ledger, if each of so many people was told that the programme is open.
fn does_not_add_up(people: usize, ledger: &Ledger) -> Option<String> {
    let Some(entry) = ledger.get(&format!("programme/{PROGRAMME}/1")) else {
        return Some("the ledger has no promise".to_owned());
    };
    let [_owed, kept, kept_late, ..] = entry.outcomes;
    let right = usize::try_from(entry.promises) == Ok(people)
        && usize::try_from(kept + kept_late) == Ok(people)
        && entry.adds_up();
    (!right).then(|| format!("the ledger does not say that {people} promises were kept: {entry:?}"))
}

#[cfg(test)]
mod tests {
    use jobalerts_dev::promises::Entry;

    use super::*;

    #[test]
    fn a_ledger_with_a_promise_that_is_owed_does_not_add_up() {
        let ledger = |promises, outcomes| {
            let entry = Entry { promises, outcomes, date_told: 0 };
            Ledger::from([(format!("programme/{PROGRAMME}/1"), entry)])
        };
        assert_eq!(does_not_add_up(5, &ledger(5, [0, 4, 1, 0, 0, 0])), None);
        assert!(does_not_add_up(5, &ledger(5, [1, 4, 0, 0, 0, 0])).is_some());
        assert!(does_not_add_up(5, &ledger(4, [0, 4, 0, 0, 0, 0])).is_some());
        assert!(does_not_add_up(5, &Ledger::new()).is_some());
    }
}
