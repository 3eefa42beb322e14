//! `import`: people, from lines of JSON.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sqlx::PgConnection;

use crate::cli::{EXIT_DATA, say};
use crate::clock::Clock;
use crate::config::Config;
use crate::daemon::Program;
use crate::domain::rhythm::Rhythm;
use crate::domain::subscriber::Person;
use crate::domain::suppression::AddressHash;
use crate::store::subscribers::{self, Imported};
use crate::store::{self, StoreError, suppressions};

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
    let mut imported = Imported::default();
    let mut suppressed = 0_usize;
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
            let kept = keep_each(&program, std::mem::take(&mut people)).await?;
            imported += kept.imported;
            suppressed += kept.suppressed;
            for (line, cause) in kept.refused {
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
        imported.people, imported.searches, imported.registrations
    ));
    if suppressed > 0 {
        say(format_args!("{suppressed} of these were left out: nothing is sent to their addresses"));
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
#[derive(Default)]
struct Kept {
    imported: Imported,
    /// How many were left out, because nothing is sent to their addresses.
    suppressed: usize,
    /// The lines that the database objects to, and why.
    refused: Vec<(u64, String)>,
}

/// Keeps people together if the database takes them together; if it objects to
/// what is in one of them, halves until that line is found.
async fn keep_each(program: &Program, people: Vec<(u64, Person)>) -> anyhow::Result<Kept> {
    let mut all = Kept::default();
    let mut parts = vec![people];
    while let Some(mut part) = parts.pop() {
        match keep(program, &part).await {
            Ok((imported, suppressed)) => {
                all.imported += imported;
                all.suppressed += suppressed;
            }
            Err(StoreError::Database(sqlx::Error::Database(error))) if store::is_about_the_data(&*error) => {
                if part.len() == 1 {
                    let cause = format!("the database cannot keep it ({})", error.code().unwrap_or_default());
                    all.refused.extend(part.pop().map(|(line, _)| (line, cause)));
                } else {
                    let rest = part.split_off(part.len() / 2);
                    parts.extend([rest, part]);
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(all)
}

/// Keeps people, but not those whose addresses are suppressed; returns how many these are.
async fn keep(program: &Program, people: &[(u64, Person)]) -> store::Result<(Imported, usize)> {
    let mut transaction = program.pool().begin().await?;
    let people: Vec<&Person> = people.iter().map(|(_, person)| person).collect();
    let all = people.len();
    let people = not_suppressed(&mut transaction, program.config(), people).await?;
    let imported = subscribers::import(&mut transaction, &people, program.clock().now()).await?;
    transaction.commit().await?;
    Ok((imported, all - people.len()))
}

/// Those of these people to whom mail may be sent. Without a key nobody was ever suppressed.
async fn not_suppressed(
    connection: &mut PgConnection,
    config: &Config,
    people: Vec<&Person>,
) -> store::Result<Vec<Person>> {
    let Ok(keys) = config.secrets.keys_of_addresses() else {
        return Ok(people.into_iter().cloned().collect());
    };
    let hashes: Vec<AddressHash> = people.iter().flat_map(|person| keys.hashes(&person.address)).collect();
    let suppressed: HashSet<AddressHash> = suppressions::among(connection, &hashes).await?;
    let may_be_written_to =
        |person: &&Person| !keys.hashes(&person.address).iter().any(|hash| suppressed.contains(hash));
    Ok(people.into_iter().filter(may_be_written_to).cloned().collect())
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
