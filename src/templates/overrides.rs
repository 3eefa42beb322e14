//! Files of an operator's own, in place of templates that ship with the program, or beside them.
//!
//! A file has the name that the template has, below one folder: `layout/sender-identity.txt.hbs`. It
//! may also be a block of a kind's own (`open-now/sender-identity.txt.hbs`), or either in another
//! language (`cy-GB/open-now/body.txt.hbs`). A name that no mail would take is a mistake, because
//! whoever wrote it believes that it is in effect.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::{SHIPPED, Source, TemplateProblem, language_of, problem};
use crate::domain::language::Language;
use crate::domain::suggest::near;

/// The ending of all files.
const ENDING: &str = ".hbs";
/// No template is longer; what is has come here by mistake.
const LARGEST: u64 = 60_000;

/// What was found in a folder.
#[derive(Debug, Default)]
pub(super) struct Overrides {
    /// By the names of the templates.
    pub(super) files: BTreeMap<String, Source>,
}

impl Overrides {
    /// Everything in the folder. What begins with a dot is passed over: editors and Kubernetes put
    /// such things there.
    pub(super) fn read(folder: &Path) -> Result<Self, Vec<TemplateProblem>> {
        let mut problems = Vec::new();
        let mut overrides = Self::default();
        for (name, path) in all_files(folder, &mut problems) {
            match one(&name, &path) {
                Ok((template, source)) => {
                    overrides.files.insert(template, source);
                }
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() { Ok(overrides) } else { Err(problems) }
    }
}

/// Every file below a folder, by its name relative to it.
fn all_files(folder: &Path, problems: &mut Vec<TemplateProblem>) -> BTreeMap<String, PathBuf> {
    let mut files = BTreeMap::new();
    let mut folders = vec![(String::new(), folder.to_owned())];
    while let Some((prefix, inner)) = folders.pop() {
        let entries = fs::read_dir(&inner).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
        let entries = entries.unwrap_or_else(|error| {
            problems.push(unreadable(&inner, &error));
            vec![]
        });
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') {
                continue;
            }
            let (name, path) = (format!("{prefix}{name}"), entry.path());
            match fs::metadata(&path) {
                Ok(found) if found.is_dir() => folders.push((name + "/", path)),
                Ok(found) if found.is_file() && found.len() <= LARGEST => {
                    files.insert(name, path);
                }
                Ok(_) => problems.push(problem(
                    &path.display().to_string(),
                    None,
                    format!("expected a file of at most {LARGEST} octets"),
                )),
                Err(error) => problems.push(unreadable(&path, &error)),
            }
        }
    }
    files
}

fn one(name: &str, path: &Path) -> Result<(String, Source), TemplateProblem> {
    let shown = path.display().to_string();
    let template = name.strip_suffix(ENDING).filter(|template| is_known(template));
    let Some(template) = template else { return Err(problem(&shown, None, unknown(name))) };
    let octets = fs::read(path).map_err(|error| unreadable(path, &error))?;
    let text = String::from_utf8(octets)
        .map_err(|_| problem(&shown, None, "not UTF-8; write the file as UTF-8".to_owned()))?;
    let text = text.trim_start_matches('\u{FEFF}').to_owned();
    Ok((template.to_owned(), Source { text, shown }))
}

fn is_shipped(name: &str) -> bool {
    SHIPPED.iter().any(|(shipped, _)| *shipped == name)
}

/// Whether some mail may take a template of this name.
fn is_known(template: &str) -> bool {
    let (_, name) = language_of(template);
    let Some((folder, file)) = name.rsplit_once('/') else { return false };
    let is_kind = is_shipped(&format!("{folder}/body.txt"));
    is_shipped(name) || is_shipped(template) || (is_kind && is_shipped(&format!("layout/{file}")))
}

fn unknown(name: &str) -> String {
    let (language, rest) = language_of(name);
    let folder = match language {
        Language::EnGb => String::new(),
        Language::CyGb => format!("{language}/"),
    };
    let names: Vec<String> = SHIPPED
        .iter()
        .filter(|(shipped, _)| language_of(shipped).0 == Language::EnGb)
        .map(|(shipped, _)| format!("{shipped}{ENDING}"))
        .collect();
    match near(rest, names.iter().map(String::as_str)) {
        Some(near) => format!("there is no template of this name; did you mean {folder}{near}?"),
        None => "there is no template of this name; docs/templates.md has all names. Take the file out of the folder, \
                 or begin its name with a dot"
            .to_owned(),
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> TemplateProblem {
    problem(&path.display().to_string(), None, format!("cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_no_mail_takes_is_a_mistake() {
        for known in [
            "layout/sender-identity.txt",
            "open-now/body.html",
            "open-now/sender-identity.html",
            "cy-GB/open-now/body.txt",
            "cy-GB/lapsed/stop-and-change.txt",
            "cy-GB/layout/headline.txt",
        ] {
            assert!(is_known(known), "{known}");
        }
        for (name, advice) in [
            ("layout/sender-identiy.txt.hbs", "did you mean layout/sender-identity.txt.hbs?"),
            ("cy-GB/layout/as-off.html.hbs", "did you mean cy-GB/layout/as-of.html.hbs?"),
            ("layout/as-of.txt", "did you mean layout/as-of.txt.hbs?"),
            ("README", "docs/templates.md has all names"),
        ] {
            assert!(!name.strip_suffix(ENDING).is_some_and(is_known), "{name}");
            assert!(unknown(name).contains(advice), "{name}: {}", unknown(name));
        }
        assert!(
            !is_known("de-DE/open-now/body.txt") && !is_known("layout/logo.txt") && !is_known("body.txt")
        );
    }
}
