//! How much processor time the parties take: as the kernel counts it.

use std::time::Duration;

use anyhow::Context;

use crate::ground::Ground;

/// What the kernel counts in (`USER_HZ`, the same on every Linux that we know).
const TICKS_PER_SECOND: u32 = 100;

/// Processor time so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Used {
    /// Of the program.
    program: Duration,
    /// Of PostgreSQL, with all its processes.
    postgres: Duration,
    /// Of the mail server.
    sink: Duration,
    /// Of everything on this machine, with the system's own work.
    all: Duration,
}

impl Used {
    /// So far, of the program and the mail server with these numbers.
    pub(crate) async fn so_far(ground: &Ground, program: u32, sink: Option<u32>) -> anyhow::Result<Self> {
        let backend: i32 = sqlx::query_scalar("select pg_backend_pid()").fetch_one(ground.pool()).await?;
        Ok(Self {
            program: of(program)?,
            postgres: of_family(u32::try_from(backend)?).unwrap_or_default(),
            sink: sink.map(of).transpose()?.unwrap_or_default(),
            all: of_all()?,
        })
    }

    /// What was used since, for each of so many mails: of the program, of
    /// PostgreSQL, of the mail server, and of everything else (the broker, the
    /// network's work outside the processes, and whoever else is there).
    pub(crate) fn each_since(&self, before: &Self, mails: u64) -> anyhow::Result<[Duration; 4]> {
        let mails = u32::try_from(mails.max(1))?;
        let since = |now: Duration, then: Duration| now.saturating_sub(then) / mails;
        let program = since(self.program, before.program);
        let postgres = since(self.postgres, before.postgres);
        let sink = since(self.sink, before.sink);
        let all = since(self.all, before.all);
        Ok([program, postgres, sink, all.saturating_sub(program + postgres + sink)])
    }
}

/// That of one process, this one too: what it used itself.
pub(crate) fn of(process: u32) -> anyhow::Result<Duration> {
    Ok(Stat::of(process)?.own)
}

/// The fields of `/proc/PID/stat` that count here.
struct Stat {
    parent: u32,
    own: Duration,
    /// Of its children that have ended.
    children: Duration,
}

impl Stat {
    fn of(process: u32) -> anyhow::Result<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
        // The name, in brackets, may have anything in it.
        let fields = stat.rsplit_once(')').context("a process without a name")?.1;
        let field = |number: usize| -> anyhow::Result<u32> {
            let field = fields.split_ascii_whitespace().nth(number);
            Ok(field.context("a process with few figures")?.parse()?)
        };
        let ticks = |ticks: u32| Duration::from_secs(1) * ticks / TICKS_PER_SECOND;
        Ok(Self {
            parent: field(1)?,
            own: ticks(field(11)? + field(12)?),
            children: ticks(field(13)? + field(14)?),
        })
    }
}

/// Of the parent of a process and all its children; an error if they are on
/// another machine.
fn of_family(child: u32) -> anyhow::Result<Duration> {
    let parent = Stat::of(child)?.parent;
    let head = Stat::of(parent)?;
    let mut sum = head.own + head.children;
    for entry in std::fs::read_dir("/proc")? {
        let Ok(process) = entry?.file_name().to_string_lossy().parse::<u32>() else { continue };
        // One that has just ended is among the children that have.
        if let Ok(stat) = Stat::of(process)
            && stat.parent == parent
        {
            sum += stat.own;
        }
    }
    Ok(sum)
}

/// Of the whole machine, except for its waiting.
fn of_all() -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string("/proc/stat")?;
    let first = stat.lines().next().context("/proc/stat is empty")?;
    let ticks = first
        .split_ascii_whitespace()
        .skip(1)
        .take(8)
        .enumerate()
        // The fourth and the fifth are idle and waiting for disks.
        .filter(|(place, _)| ![3, 4].contains(place))
        .map(|(_, ticks)| Ok(ticks.parse::<u64>()?))
        .sum::<anyhow::Result<u64>>()?;
    Ok(Duration::from_millis(ticks * 1_000 / u64::from(TICKS_PER_SECOND)))
}
