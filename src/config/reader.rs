//! Reads the layers of the configuration: environment over file over the defaults in the program.
//!
//! A [`Section`] is asked for one key after another. It notes every mistake instead of stopping at
//! the first, and the keys it was asked for *are* the list of known keys, so
//! [`Reader::finish`] can name those that nobody asked for.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::meaning::{Meant, Paths};
use super::problem::{Place, Problem};
use super::show::{Show, Shown};
use super::written::{Written, Wrong};

const PREFIX: &str = "JOBALERTS_";
/// Variables of ours that are no settings.
const NO_SETTINGS: [&str; 2] = ["JOBALERTS_CONFIG", "JOBALERTS_LOG"];
const NO_SETTINGS_PREFIX: &str = "JOBALERTS_DEV_";

/// The name of a setting: section (empty at the top of the file) and key.
pub(super) type Name = (String, String);

/// What a file holds, with the line of each thing.
#[derive(Default)]
struct File {
    path: PathBuf,
    sections: BTreeMap<String, usize>,
    keys: BTreeMap<Name, (Written, usize)>,
}

pub(super) struct Reader<'a> {
    file: File,
    environment: &'a BTreeMap<String, String>,
    paths: Paths,
    /// Every setting asked for.
    known: Vec<Name>,
    shown: Vec<Shown>,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    /// Over the environment alone.
    pub(super) fn new(environment: &'a BTreeMap<String, String>) -> Self {
        let credentials = variable(environment, "CREDENTIALS_DIRECTORY").map(str::to_owned);
        Self {
            file: File::default(),
            environment,
            paths: Paths { base: PathBuf::new(), credentials },
            known: Vec::new(),
            shown: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// With a file underneath. A file that is not TOML is one problem.
    pub(super) fn with_file(mut self, path: &Path, text: &str) -> Result<Self, Problem> {
        self.file = File::parse(path, text)?;
        self.paths.base = path.parent().map(Path::to_owned).unwrap_or_default();
        Ok(self)
    }

    /// The keys under `[name]`, or those at the top of the file when `name` is empty.
    pub(super) fn section(&mut self, name: &'static str) -> Section<'_, 'a> {
        Section { name, reader: self }
    }

    /// Every setting that was asked for.
    #[cfg(test)]
    pub(super) fn known(&self) -> &[Name] {
        &self.known
    }

    /// What was read and where from, once everything has been asked for; or every problem.
    pub(super) fn finish(mut self) -> Result<Vec<Shown>, Vec<Problem>> {
        self.refuse_unknown_in_file();
        self.refuse_unknown_variables();
        if self.problems.is_empty() { Ok(self.shown) } else { Err(self.problems) }
    }

    fn refuse_unknown_in_file(&mut self) {
        let is_section = |name: &str| self.known.iter().any(|(section, _)| section == name);
        let sections: Vec<&str> = self.known.iter().map(|(section, _)| section.as_str()).collect();
        let mut problems = Vec::new();
        for (section, line) in &self.file.sections {
            if !is_section(section) {
                let names = sections.iter().copied().filter(|name| !name.is_empty());
                let hint = nearest(section, names).map(|near| format!("; did you mean [{near}]?"));
                let message = format!("there is no such section{}", hint.unwrap_or_default());
                problems.push(self.file.problem(*line, section.clone(), message));
            }
        }
        for (name, (_, line)) in &self.file.keys {
            let (section, key) = name;
            if self.known.contains(name) || !is_section(section) {
                continue;
            }
            let message = if section.is_empty() && is_section(key) {
                format!("this is a section; write [{key}] and its keys below it")
            } else {
                format!("there is no such key{}", self.near_key(section, key))
            };
            problems.push(self.file.problem(*line, full_name(section, key), message));
        }
        self.problems.extend(problems);
    }

    /// The key that was probably meant: alike in the same section, or of the same name in another.
    fn near_key(&self, section: &str, key: &str) -> String {
        let here = self.known.iter().filter(|name| name.0 == section).map(|name| name.1.as_str());
        if let Some(near) = nearest(key, here) {
            return format!("; did you mean {near}?");
        }
        let elsewhere = self.known.iter().find(|name| name.1 == key);
        let near = elsewhere.map(|(section, key)| full_name(section, key));
        near.map(|near| format!("; did you mean {near}?")).unwrap_or_default()
    }

    /// Names with `__` in them are meant for us. Of the others only those that look like a slip of
    /// the pen are refused: Kubernetes, for one, sets `JOBALERTS_PORT` for a service of that name.
    fn refuse_unknown_variables(&mut self) {
        let known: Vec<String> = self.known.iter().map(|(s, key)| variable_name(s, key)).collect();
        for name in self.environment.keys().filter(|name| name.starts_with(PREFIX)) {
            if known.contains(name)
                || NO_SETTINGS.contains(&name.as_str())
                || name.starts_with(NO_SETTINGS_PREFIX)
            {
                continue;
            }
            let near = nearest(name, known.iter().map(String::as_str));
            if name.contains("__") || near.is_some() {
                let hint = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
                self.problems.push(Problem {
                    place: Place::Variable(name.clone()),
                    key: None,
                    message: format!("there is no such setting{hint}"),
                });
            }
        }
    }

    fn in_file(&self, section: &str, key: &str) -> Option<(Written, Place)> {
        let (written, line) = self.file.keys.get(&(section.to_owned(), key.to_owned()))?;
        Some((written.clone(), self.file.place(*line)))
    }

    fn in_variable(&self, name: &str) -> Option<(Written, Place)> {
        let text = variable(self.environment, name)?;
        Some((Written::bare(text), Place::Variable(name.to_owned())))
    }
}

/// The keys of one section.
pub(super) struct Section<'r, 'a> {
    name: &'static str,
    reader: &'r mut Reader<'a>,
}

impl Section<'_, '_> {
    /// What a key means; where it is absent, its default, which is written as in an environment
    /// variable. A mistake is noted, and reading goes on with the default.
    pub(super) fn get<T: Show>(
        &mut self,
        key: &str,
        default: &str,
        meaning: impl Fn(&Written) -> Meant<T>,
    ) -> T {
        let found = self.find(key);
        self.decide(key, found, default, meaning)
    }

    /// What a key means that may be absent.
    pub(super) fn optional<T: Show>(
        &mut self,
        key: &str,
        meaning: impl Fn(&Written) -> Meant<T>,
    ) -> Option<T> {
        let Some((written, place)) = self.find(key) else {
            self.show(key, None::<&T>, Place::Default);
            return None;
        };
        self.accept(key, &written, place, &meaning)
    }

    /// What a secret key means: `key` itself, or the content of the file that `key_file` names.
    /// `alias` is a variable of another convention, which the key's own variables override.
    pub(super) fn secret<T: Show, E: std::fmt::Display>(
        &mut self,
        key: &str,
        alias: Option<&str>,
        default: &str,
        meaning: impl Fn(&str) -> Result<T, E>,
    ) -> T {
        let key_file = format!("{key}_file");
        let named = self.find(&key_file);
        let direct = self.find(key);
        let alias = alias.and_then(|name| self.reader.in_variable(name));
        let in_environment = |found: &Option<(_, Place)>| matches!(found, Some((_, Place::Variable(_))));
        let (direct, named) = match (in_environment(&direct), in_environment(&named)) {
            (false, false) if alias.is_some() => (alias, None),
            (true, false) => (direct, None),
            (false, true) => (None, named),
            _ => (direct, named),
        };
        let found = match (direct, named) {
            (Some(_), Some((_, place))) => {
                let message = format!("{key} is given as well; keep one of the two");
                self.complain(&key_file, place, message);
                None
            }
            (direct, None) => direct,
            (None, Some((path, place))) => self.read_secret(&key_file, &path, place),
        };
        self.decide(key, found, default, |written| {
            let text = written.text().ok_or_else(|| Wrong::unquoted("expected a text in quotes"))?;
            meaning(text.trim()).map_err(|error| Wrong::unquoted(error.to_string()))
        })
    }

    /// The keys that are given, in the file or in the environment, and that nobody asked for yet: of
    /// a section whose keys are names of the operator's own. They hold no `_`: in the name of a
    /// variable it stands for `-`.
    pub(super) fn further_keys(&self) -> Vec<String> {
        let Reader { file, environment, known, .. } = &*self.reader;
        let in_file = file.keys.keys().filter(|(section, _)| section == self.name);
        let prefix = variable_name(self.name, "");
        let in_variables = environment.keys().filter_map(|variable| {
            let key = variable.strip_prefix(&prefix)?.to_lowercase().replace('_', "-");
            (variable_name(self.name, &key) == *variable).then_some(key)
        });
        let mut keys: Vec<String> = in_file.map(|(_, key)| key.clone()).chain(in_variables).collect();
        keys.retain(|key| !known.contains(&(self.name.to_owned(), key.clone())));
        keys.sort();
        keys.dedup();
        keys
    }

    /// A path: relative ones start at the file's directory.
    pub(super) fn paths(&self) -> impl Fn(&Written) -> Meant<PathBuf> + use<> {
        let paths = self.reader.paths.clone();
        move |written| paths.path(written)
    }

    fn read_secret(&mut self, key: &str, path: &Written, place: Place) -> Option<(Written, Place)> {
        if path.text().is_some_and(|text| text.contains("://")) {
            self.complain(key, place, "expected the path of a file, not the URL itself".to_owned());
            return None;
        }
        let path = self.accept(key, path, place.clone(), &self.paths())?;
        let failed = match fs::read_to_string(&path) {
            Ok(text) if !text.trim().is_empty() => {
                return Some((Written::bare(text.trim()), Place::File { path, line: None, column: None }));
            }
            Ok(_) => "it is empty".to_owned(),
            Err(error) => error.to_string(),
        };
        let message = format!("the secret cannot be read from {}: {failed}", path.display());
        self.complain(key, place, message);
        None
    }

    /// Environment over file; and notes that the key exists.
    fn find(&mut self, key: &str) -> Option<(Written, Place)> {
        self.reader.known.push((self.name.to_owned(), key.to_owned()));
        let variable = self.reader.in_variable(&variable_name(self.name, key));
        variable.or_else(|| self.reader.in_file(self.name, key))
    }

    /// # Panics
    /// When a default has no meaning, which a test rules out.
    fn decide<T: Show>(
        &mut self,
        key: &str,
        found: Option<(Written, Place)>,
        default: &str,
        meaning: impl Fn(&Written) -> Meant<T>,
    ) -> T {
        if let Some((written, place)) = found
            && let Some(value) = self.accept(key, &written, place, &meaning)
        {
            return value;
        }
        match meaning(&Written::bare(default)) {
            Ok(value) => {
                self.show(key, Some(&value), Place::Default);
                value
            }
            Err(wrong) => panic!("{key}: {}", wrong.about(&Written::bare(default))),
        }
    }

    /// The meaning of something written, noted for `check --show`; or a problem.
    fn accept<T: Show>(
        &mut self,
        key: &str,
        written: &Written,
        place: Place,
        meaning: &impl Fn(&Written) -> Meant<T>,
    ) -> Option<T> {
        match meaning(written) {
            Ok(value) => {
                self.show(key, Some(&value), place);
                Some(value)
            }
            Err(wrong) => {
                self.complain(key, place, wrong.about(written));
                None
            }
        }
    }

    fn show<T: Show>(&mut self, key: &str, value: Option<&T>, place: Place) {
        let value = value.map(Show::show);
        self.reader.shown.push(Shown { section: self.name, key: key.to_owned(), value, place });
    }

    /// Notes that two values do not go together, at the first of these keys that is given.
    pub(super) fn refuse_together(&mut self, keys: [&str; 2], message: &str) {
        let given = |key| {
            let variable = self.reader.in_variable(&variable_name(self.name, key));
            Some((key, variable.or_else(|| self.reader.in_file(self.name, key))?.1))
        };
        let (key, place) = keys.into_iter().find_map(given).unwrap_or((keys[0], Place::Default));
        self.complain(key, place, message.to_owned());
    }

    fn complain(&mut self, key: &str, place: Place, message: String) {
        let key = Some(full_name(self.name, key));
        self.reader.problems.push(Problem { place, key, message });
    }
}

impl File {
    fn parse(path: &Path, text: &str) -> Result<Self, Problem> {
        let table = DeTable::parse(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
            let line = Some(line_of(text, before.len()));
            let place = Place::File { path: path.to_owned(), line, column: Some(column) };
            let message = format!("this is not valid TOML: {}", error.message());
            Problem { place, key: None, message }
        })?;
        let mut file = Self { path: path.to_owned(), ..Self::default() };
        for (name, value) in table.get_ref() {
            let line = line_of(text, name.span().start);
            let name = name.get_ref().to_string();
            if let DeValue::Table(keys) = value.get_ref() {
                for (key, value) in keys {
                    let line = line_of(text, key.span().start);
                    let key = (name.clone(), key.get_ref().to_string());
                    file.keys.insert(key, (value.get_ref().into(), line));
                }
                file.sections.insert(name, line);
            } else {
                file.keys.insert((String::new(), name), (value.get_ref().into(), line));
            }
        }
        Ok(file)
    }

    fn place(&self, line: usize) -> Place {
        Place::File { path: self.path.clone(), line: Some(line), column: None }
    }

    fn problem(&self, line: usize, key: String, message: String) -> Problem {
        Problem { place: self.place(line), key: Some(key), message }
    }
}

/// An environment variable; an empty one counts as not set.
pub(super) fn variable<'e>(environment: &'e BTreeMap<String, String>, name: &str) -> Option<&'e str> {
    environment.get(name).map(String::as_str).filter(|text| !text.trim().is_empty())
}

/// The known name that somebody probably meant.
pub(super) fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let (near, distance) = known
        .map(|known| (known, strsim::damerau_levenshtein(&name.to_lowercase(), &known.to_lowercase())))
        .min_by_key(|&(_, distance)| distance)?;
    (distance <= 2 && 2 * distance < name.len()).then_some(near)
}

fn line_of(text: &str, offset: usize) -> usize {
    text[..offset].matches('\n').count() + 1
}

pub(super) fn full_name(section: &str, key: &str) -> String {
    if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") }
}

fn variable_name(section: &str, key: &str) -> String {
    let separator = if section.is_empty() { "" } else { "__" };
    format!("{PREFIX}{section}{separator}{key}").to_uppercase().replace('-', "_")
}
