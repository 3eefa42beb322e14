//! The figures of `docs/performance.md`: how fast the road is, and how much
//! memory the program takes on it.
//!
//! ```text
//! deploy/dev/services run -- cargo bench --bench road -- [PART...] [--scale small]
//! ```
//!
//! The daemon and the importer are the real program, built for release, as
//! child processes against a real Postgres and RabbitMQ; only the mail server
//! is one that throws mails away. Everything is in a database and in queues of
//! their own, which are removed at the end. What is measured is in one file
//! for each part; [`population`] is who is there, [`ground`] where it happens.

mod adverts;
mod claims;
mod compose;
mod daemon;
mod ground;
mod import;
mod intake;
mod mails;
mod matching;
mod population;
mod processor;
mod report;
mod sender;
mod sink;
mod stops;
mod tick;
mod upgrade;

use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use crate::ground::Ground;
use crate::population::Population;
use crate::report::Report;

/// Measures the road from an event to a mail.
#[derive(Debug, Parser)]
struct Options {
    /// What to measure; everything if nothing is named.
    #[arg(value_enum)]
    parts: Vec<Part>,
    /// How much of it: `small` only shows that the measuring works.
    #[arg(long, value_enum, default_value_t = Scale::Full)]
    scale: Scale,
    /// How many people are due at the tick, if not as many as the scale says.
    #[arg(long)]
    people: Option<u32>,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Writing a mail, in this process.
    Compose,
    /// Mails over the wire, without tables.
    Sender,
    /// Full tables through every migration.
    Upgrade,
    /// Events through intake.
    Intake,
    /// People and searches through `jobalerts import`.
    Import,
    /// From an event on the queue to an alert for each person.
    Match,
    /// From alerts to mails at the mail server.
    Mails,
    /// A digest for everybody, at one tick of a schedule.
    Tick,
    /// People who stop, on our pages, while mails are sent.
    Stops,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scale {
    /// The figures.
    Full,
    /// Under half a minute.
    Small,
}

/// How much of everything.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    /// Different questions that people ask.
    criteria: usize,
    /// Saved searches, at first and later.
    searches: [u32; 2],
    /// Events through intake.
    events: usize,
    /// How often each thing is done; the median counts.
    rounds: usize,
    /// Mails that `smtp-source` sends each time.
    mails: usize,
    /// People who are due at one tick.
    people: u32,
    /// People who stop.
    stops: u32,
    /// People in the tables that are upgraded.
    subscribers: u32,
}

impl Scale {
    const fn sizes(self) -> Sizes {
        match self {
            Self::Full => Sizes {
                criteria: 50_000,
                searches: [100_000, 1_000_000],
                events: 20_000,
                rounds: 5,
                mails: 20_000,
                people: 300_000,
                stops: 5_000,
                subscribers: 1_000_000,
            },
            Self::Small => Sizes {
                criteria: 1_000,
                searches: [2_000, 10_000],
                events: 3_000,
                rounds: 2,
                mails: 1_000,
                people: 3_000,
                stops: 400,
                subscribers: 10_000,
            },
        }
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(measure(&options))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("road: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(options: &Options) -> anyhow::Result<()> {
    let wanted = |part: Part| options.parts.is_empty() || options.parts.contains(&part);
    let mut report = Report::default();
    if wanted(Part::Compose) {
        compose::measure(&mut report)?;
    }
    if wanted(Part::Sender) {
        sender::measure(options.scale.sizes(), &mut report).await?;
    }
    if [Part::Upgrade, Part::Intake, Part::Import, Part::Match, Part::Mails, Part::Tick, Part::Stops]
        .into_iter()
        .any(wanted)
    {
        let ground = Ground::prepare().await?;
        let mut sizes = options.scale.sizes();
        sizes.people = options.people.unwrap_or(sizes.people);
        let measured = on_the_road(&ground, sizes, wanted, &mut report).await;
        ground.clear().await?;
        measured?;
    }
    report.print();
    Ok(())
}

async fn on_the_road(
    ground: &Ground,
    sizes: Sizes,
    wanted: impl Fn(Part) -> bool,
    report: &mut Report,
) -> anyhow::Result<()> {
    report.machine(&ground.machine().await?);
    if wanted(Part::Upgrade) {
        upgrade::measure(ground, sizes.subscribers, report).await?;
    }
    if wanted(Part::Intake) {
        intake::measure(ground, sizes, report).await?;
    }
    if wanted(Part::Tick) {
        tick::measure(ground, sizes.people, report).await?;
    }
    if ![Part::Import, Part::Match, Part::Mails, Part::Stops].into_iter().any(&wanted) {
        return Ok(());
    }
    let population = Population::new(sizes.criteria, ground.taxonomy());
    let mut present = 0;
    for searches in sizes.searches {
        import::measure(ground, &population, present..searches, report).await?;
        present = searches;
        if wanted(Part::Match) {
            matching::measure(ground, sizes, searches, report).await?;
        }
        if wanted(Part::Mails) {
            claims::measure(ground, searches, report).await?;
            mails::measure(ground, sizes, searches, report).await?;
        }
    }
    // The last: who has stopped gets no mails to be measured.
    if wanted(Part::Stops) {
        stops::measure(ground, sizes, report).await?;
    }
    Ok(())
}
