//! `import`: people, from lines of JSON.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use chrono::{DateTime, Utc};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sqlx::PgConnection;

use crate::cli::{EXIT_DATA, say};
use crate::clock::Clock;
use crate::config::Config;
use crate::daemon::Program;
use crate::domain::email::EmailAddress;
use crate::domain::rhythm::Rhythm;
use crate::domain::subscriber::Person;
use crate::domain::suppression::AddressHash;
use crate::store::subscribers::{self, Imported};
use crate::store::suppressions::{self, Suppression};
use crate::store::{self, StoreError};

/// Lines that one transaction keeps.
const LINES_TOGETHER: usize = 1_000;
/// No person asks for so much; what is longer is not read into memory.
const LONGEST_LINE: u64 = 1024 * 1024;

/// Reads the file line by line, in bounded memory.
///
/// # Errors
///
/// When the file cannot be read or PostgreSQL is away; what was imported up to
/// then stays, and importing the file again changes nothing of it.
pub(super) async fn import(config: Config, clock: Clock, file: &Path) -> anyhow::Result<ExitCode> {
    let program = Program::new(config, clock)?;
    program.prepare().await?;
    if let Err(no_key) = program.config().secrets.keys_of_addresses()
        && suppressions::any(&mut *program.pool().acquire().await?).await?
    {
        return Err(no_key.into());
    }
    let standard_input = file.as_os_str() == "-";
    let opened: Box<dyn Read + Send> = if standard_input {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(file).with_context(|| format!("{} cannot be read", file.display()))?)
    };
    let size =
        if standard_input { None } else { std::fs::metadata(file).ok().map(|metadata| metadata.len()) };
    let rhythm = program.config().rhythm();
    let progress = progress(size);
    let mut reader = BufReader::with_capacity(1 << 16, opened);

    let mut people = Vec::with_capacity(LINES_TOGETHER);
    let (mut number, mut read, mut refused) = (0_u64, 0_u64, 0_u64);
    let mut all = Kept::default();
    let mut line = Vec::new();
    loop {
        line.clear();
        let length = reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)?;
        if length > 0 {
            number += 1;
            progress.inc(length as u64);
            match person(&line, &mut reader, &program, &rhythm)? {
                Ok(Some(person)) => people.push((number, person)),
                Ok(None) => {}
                Err(cause) => {
                    refused += 1;
                    progress.suspend(|| eprintln!("line {number}: {cause}"));
                }
            }
        }
        if people.len() == LINES_TOGETHER || (length == 0 && !people.is_empty()) {
            read += people.len() as u64;
            let (kept, objections) = keep_each(&program, std::mem::take(&mut people)).await?;
            all += kept;
            for (line, cause) in objections {
                read -= 1;
                refused += 1;
                progress.suspend(|| eprintln!("line {line}: {cause}"));
            }
        }
        if length == 0 {
            break;
        }
    }
    progress.finish_and_clear();
    say(format_args!(
        "{number} lines: {read} people read, {refused} lines refused; new or changed: {} people, {} searches, \
         {} registrations",
        all.imported.people, all.imported.searches, all.imported.registrations
    ));
    if all.left_out > 0 {
        say(format_args!("{} of these were left out: nothing is sent to their addresses", all.left_out));
    }
    if all.lifted > 0 {
        say(format_args!("{} of these were suppressed and have agreed since: that is lifted", all.lifted));
    }
    Ok(if refused == 0 { ExitCode::SUCCESS } else { ExitCode::from(EXIT_DATA) })
}

/// The person on a line; none on an empty one. The inner error is about the
/// line, the outer one about the file.
fn person(
    line: &[u8],
    reader: &mut impl BufRead,
    program: &Program,
    rhythm: &Rhythm,
) -> std::io::Result<Result<Option<Person>, String>> {
    if line.len() as u64 == LONGEST_LINE && !line.ends_with(b"\n") {
        reader.skip_until(b'\n')?;
        return Ok(Err(format!("longer than {LONGEST_LINE} octets; one person a line")));
    }
    let Ok(text) = std::str::from_utf8(line) else {
        return Ok(Err("not UTF-8; write the file as UTF-8".to_owned()));
    };
    let text = text.trim_start_matches('\u{FEFF}').trim();
    if text.is_empty() {
        return Ok(Ok(None));
    }
    Ok(Person::read(text, program.taxonomy(), rhythm).map(Some).map_err(|error| error.to_string()))
}

/// What came of some lines.
#[derive(Debug, Clone, Copy, Default)]
struct Kept {
    imported: Imported,
    /// How many were left out, because nothing is sent to their addresses.
    left_out: usize,
    /// How many addresses are written to again.
    lifted: usize,
}

impl std::ops::AddAssign for Kept {
    fn add_assign(&mut self, other: Self) {
        self.imported += other.imported;
        self.left_out += other.left_out;
        self.lifted += other.lifted;
    }
}

/// Keeps people together if the database takes them together; if it objects to
/// what is in one of them, halves until that line is found. Returns also the
/// lines that it objects to, and why.
async fn keep_each(
    program: &Program,
    people: Vec<(u64, Person)>,
) -> anyhow::Result<(Kept, Vec<(u64, String)>)> {
    let (mut all, mut objections) = (Kept::default(), vec![]);
    let mut parts = vec![people];
    while let Some(mut part) = parts.pop() {
        match keep(program, &part).await {
            Ok(kept) => all += kept,
            Err(StoreError::Database(sqlx::Error::Database(error))) if store::is_about_the_data(&*error) => {
                if part.len() == 1 {
                    let cause = format!("the database cannot keep it ({})", error.code().unwrap_or_default());
                    objections.extend(part.pop().map(|(line, _)| (line, cause)));
                } else {
                    let rest = part.split_off(part.len() / 2);
                    parts.extend([rest, part]);
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok((all, objections))
}

/// Keeps people, but not those whose addresses are suppressed.
async fn keep(program: &Program, people: &[(u64, Person)]) -> store::Result<Kept> {
    let now = program.clock().now();
    let mut transaction = program.pool().begin().await?;
    let all: Vec<&Person> = people.iter().map(|(_, person)| person).collect();
    let (people, lifted) = not_suppressed(&mut transaction, program.config(), &all, now).await?;
    let imported = subscribers::import(&mut transaction, &people, now).await?;
    transaction.commit().await?;
    Ok(Kept { imported, left_out: all.len() - people.len(), lifted })
}

/// Those of these people to whom mail may be sent, and how many addresses are written to again because
/// of what they agreed to. Without a key nobody was ever suppressed.
async fn not_suppressed(
    connection: &mut PgConnection,
    config: &Config,
    people: &[&Person],
    now: DateTime<Utc>,
) -> store::Result<(Vec<Person>, usize)> {
    let Ok(keys) = config.secrets.keys_of_addresses() else {
        return Ok((people.iter().copied().cloned().collect(), 0));
    };
    let hashes: Vec<AddressHash> = people.iter().flat_map(|person| keys.hashes(&person.address)).collect();
    let suppressed: HashMap<AddressHash, Suppression> =
        suppressions::among(&mut *connection, &hashes).await?;
    let (mut kept, mut lifted) = (vec![], BTreeMap::new());
    for person in people {
        let hashes = keys.hashes(&person.address);
        let mut standing = hashes.iter().filter_map(|hash| suppressed.get(hash)).peekable();
        if standing.peek().is_some() {
            if !standing.all(|suppression| suppression.ends_by_consent(person.consent.at, now)) {
                continue;
            }
            lifted.insert(person.address.lookup(), &person.address);
        }
        kept.push(Person::clone(person));
    }
    let addresses: Vec<&EmailAddress> = lifted.into_values().collect();
    suppressions::lift_by_consent(connection, keys, &addresses, now).await?;
    Ok((kept, addresses.len()))
}

fn progress(size: Option<u64>) -> ProgressBar {
    let (bar, style) = match size {
        Some(size) => {
            (ProgressBar::new(size), "{bar:40} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} to go")
        }
        None => (ProgressBar::no_length(), "{spinner} {bytes}, {bytes_per_sec}"),
    };
    if !std::io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar
}
