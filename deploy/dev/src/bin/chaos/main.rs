//! Faults: several daemons on real servers, of which something fails, and a reckoning of who was told.
//!
//! Each scene has a database and queues of its own, and invented people who registered for a programme. It opens, the
//! fault is played while they are told, and at the end each of them must have been told once. Who was told twice must
//! have been on the list of mails of which nobody knew whether they arrived. `make chaos` runs it.

mod arrivals;
mod cast;
mod feed;
mod ground;
mod here;
mod people;
mod reckoning;
mod rehearsal;
mod room;
mod scene;
mod scenes;
mod services;
mod table;

use std::process::ExitCode;

use anyhow::bail;
use clap::Parser;
use jobalerts_dev::account;
use tokio::signal::unix::{SignalKind, signal};

use crate::ground::Ground;

/// Plays faults against the program, on the servers of `DATABASE_URL` and `AMQP_URL` and on servers of its own, and
/// prints what was lost, repeated and unknown.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// How many people are to be told in each scene
    #[arg(long, value_name = "NUMBER", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(100..))]
    people: u32,
    /// Only this scene; may be given several times
    #[arg(long, value_name = "NAME", value_parser = scenes::NAMES)]
    only: Vec<String>,
    /// Which accidents happen: the same seed, the same choices (not the same moments)
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chaos: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    let ground = Ground::prepare(usize::try_from(arguments.people)?, arguments.seed)?;
    let outcome = tokio::select! {
        played = play(&ground, &arguments.only) => played,
        _ = terminated.recv() => Err(anyhow::anyhow!("stopped before the end")),
        _ = interrupted.recv() => Err(anyhow::anyhow!("stopped before the end")),
    };
    let cleared = ground.clear(outcome.is_ok()).await;
    outcome.and(cleared)
}

async fn play(ground: &Ground, only: &[String]) -> anyhow::Result<()> {
    account::title("jobalerts, while something fails");
    account::say(&format!(
        "In each scene {} people registered for a programme, several daemons run, the programme opens, and something \
         fails while people are told. The clock is rehearsed: it begins on 5 March 2024 at 10:02:30 and goes on. Choices \
         are made by seed {}.",
        ground.people, ground.seed
    ));
    let mut rows = Vec::new();
    for name in scenes::NAMES {
        if only.is_empty() || only.iter().any(|wanted| wanted == name) {
            rows.push(Box::pin(scenes::play(name, ground)).await);
        }
    }
    account::part("In the end");
    table::print(&rows);
    let bad = rows.iter().filter(|row| !row.is_good()).count();
    if bad > 0 {
        bail!("{bad} of {} faults did harm; the logs are in {}", rows.len(), ground.folder().display());
    }
    Ok(())
}
