//! `preview`: mails to look at before anybody gets them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use serde_json::json;

use crate::cli::{check, explain, say};
use crate::clock::Clock;
use crate::compose::preview::{Preview, kinds};
use crate::compose::{Composer, Email};
use crate::config::Config;
use crate::daemon;
use crate::delivery::claim::Rules;
use crate::delivery::preview::{self, Next, Silence};
use crate::delivery::{letters, pen};
use crate::domain::language::Language;
use crate::domain::suggest::nearest;
use crate::store::{self, audit, subscribers};
use crate::templates::escape;

/// What is to be shown, and where.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(super) struct What {
    /// A kind of mail, such as open-now.
    #[arg(value_name = "KIND", value_parser = kind)]
    kind: Option<&'static str>,
    /// Every kind.
    #[arg(long)]
    all: bool,
    /// The mail that this person would get next, if they were due now: an address or a public id; - reads it
    /// from standard input, so that the address does not stand in the list of processes or the shell's history.
    #[arg(long, value_name = "PERSON|-")]
    person: Option<String>,
}

fn kind(name: &str) -> Result<&'static str, String> {
    let found = kinds().into_iter().find(|kind| *kind == name);
    found.ok_or_else(|| format!("there is no such kind of mail; {}", nearest(name, kinds())))
}

/// Shows samples, or a person's next mail.
///
/// # Errors
///
/// When a template or setting is wrong, a file cannot be written, or, for a
/// person, PostgreSQL is away.
pub(super) async fn preview(
    config: &Config,
    what: What,
    out: Option<&Path>,
    language: Option<Language>,
    clock: &Clock,
) -> anyhow::Result<()> {
    let taxonomy = Arc::new(daemon::taxonomy(config)?);
    let mut composer = pen::composer(config, &taxonomy)?;
    if let Some(person) = what.person {
        let rules = Rules::new(config, taxonomy, composer.domain());
        return of_person(config, &rules, &composer, &person, out, clock).await;
    }
    let previews = composer.previews(what.kind, language.unwrap_or_default())?;
    if let Some(folder) = out {
        return write_all(&previews, folder);
    }
    for Preview { name, language, email, .. } in &previews {
        say(format_args!("=== {name} ({language})\nSubject: {}\n\n{}", email.subject, email.text));
    }
    say(format_args!(
        "=== {}; --out DIR writes them as whole mails, as HTML and as text",
        check::counted(previews.len(), "sample")
    ));
    Ok(())
}

/// The mail that a person would get next, or why there is none. Their public id,
/// and that somebody looked, is on record.
async fn of_person(
    config: &Config,
    rules: &Rules,
    composer: &Composer,
    typed: &str,
    out: Option<&Path>,
    clock: &Clock,
) -> anyhow::Result<()> {
    let typed = explain::named(typed)?;
    let now = clock.now();
    let mut connection = store::connect(config.database.url.expose()).await?;
    store::check_schema(&mut connection).await?;
    let found = explain::find(&mut connection, &typed).await?;
    let addressees = subscribers::addressees(&mut connection, &[found.id], false).await?;
    let addressee = addressees.first().context(
        "this person's row cannot be read, so nothing is sent to them; the log line above says what is wrong with it",
    )?;
    let letters = letters::Rules { patience: config.patience(), mails: rules };
    let next = preview::next(&mut connection, letters, composer, found.id, now).await?;
    let kind = match &next {
        Next::Mail { kind, .. } => Some(*kind),
        Next::Nothing(_) => None,
    };
    let looked = audit::Entry {
        actor: "operator",
        action: "previewed",
        subject: addressee.public_id,
        detail: json!({ "kind": kind }),
    };
    audit::write(&mut connection, &[looked], now).await?;
    if !addressee.reachable {
        say(format_args!(
            "Mail may not go to this person: their state is {}, or they agreed to nothing.",
            found.state
        ));
    }
    match next {
        Next::Mail { kind, email: Ok(email) } => {
            say(format_args!("They would get this {kind} now.\n"));
            match out {
                Some(folder) => {
                    write_one(folder, kind, &email)?;
                    say(format_args!("Written to {}: {kind}.eml, {kind}.html, {kind}.txt", folder.display()));
                }
                None => say(format_args!("Subject: {}\n\n{}", email.subject, email.text)),
            }
        }
        Next::Mail { kind, email: Err(why) } => {
            say(format_args!(
                "They would get a mail of the kind {kind}, but our own checks hold it back: {why}"
            ));
        }
        Next::Nothing(silences) => {
            say(format_args!("They would get nothing now:"));
            for silence in silences {
                say(format_args!("  {}", because(&silence)));
            }
            say(format_args!("`jobalerts explain` says why, for each opening that they could be told of."));
        }
    }
    Ok(())
}

fn because(silence: &Silence) -> String {
    match silence {
        Silence::NotDue(None) => "nothing waits for them".to_owned(),
        Silence::NotDue(Some(at)) => format!("nothing is due; the next thing is looked at on {at}"),
        Silence::Waits(until) => format!("something is due, and waits until {until}"),
        Silence::Ends(reason) => format!("something is due, and ends without a word: {reason}"),
    }
}

/// The octets, the HTML and the text of a mail.
fn write_one(folder: &Path, name: &str, email: &Email) -> anyhow::Result<()> {
    let write = |ending: &str, content: &[u8]| {
        let path: PathBuf = folder.join(format!("{name}.{ending}"));
        fs::write(&path, content).with_context(|| format!("{} cannot be written", path.display()))
    };
    fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    write("eml", email.content().as_bytes())?;
    write("html", email.html.as_bytes())?;
    write("txt", email.text.as_bytes())
}

fn write_all(previews: &[Preview], folder: &Path) -> anyhow::Result<()> {
    for Preview { name, email, .. } in previews {
        write_one(folder, name, email)?;
    }
    let index = folder.join("index.html");
    fs::write(&index, contents(previews))
        .with_context(|| format!("{} cannot be written", index.display()))?;
    say(format_args!("{} written; open {}", check::counted(previews.len(), "sample"), index.display()));
    Ok(())
}

/// A page that leads to all of them.
fn contents(previews: &[Preview]) -> String {
    let mut page = "<!DOCTYPE html>\n<html lang=\"en-GB\">\n<head>\n<meta charset=\"utf-8\">\n<title>Mails</title>\n\
                    <style>body{font-family:sans-serif;margin:2rem}td,th{text-align:left;padding:.3rem 1rem .3rem 0}\
                    </style>\n</head>\n<body>\n<h1>Mails</h1>\n<table>\n\
                    <tr><th>Sample</th><th>Language</th><th>Subject</th><th>Look at it as</th></tr>\n"
        .to_owned();
    let rows = previews.iter().map(|Preview { name, language, email, .. }| {
        let (file, subject) = (escape(name), escape(&email.subject));
        format!(
            "<tr><th>{file}</th><td>{language}</td><td lang=\"{language}\">{subject}</td>\
             <td><a href=\"{file}.html\">HTML</a> <a href=\"{file}.txt\">text</a> \
             <a href=\"{file}.eml\">whole mail</a></td></tr>\n"
        )
    });
    page.extend(rows);
    page + "</table>\n</body>\n</html>\n"
}
