//! The demo: the real program on real servers, with mails that go to a catcher in this process.
//!
//! In the first act it plays a few weeks of vacancies as a rehearsal, with the clock set, then starts the daemon,
//! whose clock goes, and feeds it the same events again, new ones and garbage. In the second, two routes get a date,
//! open and shut, and 300 people were promised to hear of it. It tells what happened and why, holds every mail and
//! every promise against what it worked out by itself, and fails if there is a difference. `make demo` runs it.
//!
//! With `--stay` it is a playground in place of a story: the daemon, invented people and a web inbox, until Ctrl-C.
//! `make dev` runs that.

mod account;
mod daemon;
mod expected;
mod ground;
mod letters;
mod news;
mod outage;
mod people;
mod promise;
mod reasons;
mod rehearsal;
mod samples;
mod scene;
mod stay;
mod turn;

use std::process::ExitCode;

use anyhow::bail;
use clap::Parser;
use jobalerts::domain::taxonomy::Taxonomy;
use tokio::signal::unix::{SignalKind, signal};

use crate::account::say;
use crate::expected::Expected;
use crate::ground::Ground;

/// When something is wrong, so much of it is shown.
const PROBLEMS_SHOWN: usize = 40;

/// Plays vacancies and routes to invented people, on the servers of `DATABASE_URL` and `AMQP_URL`, and tells what happened.
///
/// It makes databases and queues of its own there and removes them at the end.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Tell no story: run the daemon and a web inbox until Ctrl-C
    #[arg(long)]
    stay: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    let stopped = async {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
    };
    let (kind, scenes) =
        if arguments.stay { ("inbox", &["jobalerts"][..]) } else { ("demo", &["vacancies", "promises"][..]) };
    let ground = Ground::prepare(kind, scenes).await?;
    let outcome = if arguments.stay {
        stay::stay(ground.scene("jobalerts")?, stopped).await
    } else {
        tokio::select! {
            told = tell(&ground) => told,
            () = stopped => Err(anyhow::anyhow!("stopped before the end")),
        }
    };
    let cleared = ground.clear().await;
    outcome.and(cleared)
}

/// The whole story.
async fn tell(ground: &Ground) -> anyhow::Result<()> {
    let taxonomy = Taxonomy::shipped();
    let people = people::read(&taxonomy)?;
    account::title("jobalerts, from an event to a mail");
    say(
        "Every line below is what the real program did: it took events from RabbitMQ, kept them in PostgreSQL, and \
         handed its mails over SMTP to a catcher in this process. The people are invented.",
    );
    let scene = ground.scene("vacancies")?;
    for (what, arguments) in [
        ("The tables are made", &["migrate"][..]),
        ("Configuration and servers are checked", &["check", "--connect"]),
        ("People are imported", &["import", people::FILE, "--now", people::SINCE]),
    ] {
        account::command(what, arguments, &scene.program.run(arguments).await?);
    }
    let mut expected = Expected::new(&people, &taxonomy);
    let samples = samples::read()?;
    rehearsal::play(scene, &samples, &mut expected).await?;
    daemon::play(scene, &samples, &mut expected).await?;
    let promised = promise::play(ground.scene("promises")?, &ground.outage, expected.mails()).await?;

    account::part("In the end");
    say(&format!(
        "{} mails left. In the first act {}, for {} people, {} of whom heard more than once; in the second {}. The mails \
         are in {}: each as .eml, its text as .txt, and its page as .html, to open in a browser.",
        expected.mails() + promised.mails,
        expected.mails(),
        expected.people_told(),
        expected.people_told_more_than_once(),
        promised.mails,
        ground.mails().display()
    ));
    let problems: Vec<&String> = expected.problems().iter().chain(&promised.problems).collect();
    if !problems.is_empty() {
        for problem in problems.iter().take(PROBLEMS_SHOWN) {
            account::row(2, &["WRONG:", problem], &[]);
        }
        bail!("{} things above are not as they should be", problems.len());
    }
    say(
        "Every mail was held against what the demo worked out by itself from people and events: right people, right \
         moments, right vacancies and routes, all reasons of each person, corrections in the thread of what they correct, \
         and in digests everything once and in its part. So was the ledger, after each step.",
    );
    Ok(())
}
