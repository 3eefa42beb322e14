//! What no log may say (OPS-10): whoever a test is about. Each log that a test captures is searched for the
//! addresses and the names of searches that its road has imported, and for the subjects of the mails that
//! its mail server got.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use jobalerts_dev::smtp::SmtpServer;
use serde_json::Value;
use tokio::process::Command;

/// The variable that names the database of a road.
const DATABASE: &str = "JOBALERTS_DATABASE__URL";

/// By the names of their databases.
static ROADS: Mutex<BTreeMap<String, Weak<Unsaid>>> = Mutex::new(BTreeMap::new());

/// What is known of the people of one road.
pub(crate) struct Unsaid {
    people: Mutex<BTreeSet<String>>,
    smtp: Arc<SmtpServer>,
}

/// A line that says something that it must not.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) text: String,
    pub(crate) line: String,
}

impl Unsaid {
    /// Of a new road, which is known by its database from now on.
    pub(super) fn new(database_url: &str, smtp: Arc<SmtpServer>) -> Arc<Self> {
        let unsaid = Arc::new(Self { people: Mutex::default(), smtp });
        let mut roads = held(&ROADS);
        roads.retain(|_, road| road.strong_count() > 0);
        roads.insert(database(database_url), Arc::downgrade(&unsaid));
        unsaid
    }

    /// Of the road on which a command works, if it works on one.
    pub(super) fn of(command: &Command) -> Option<Arc<Self>> {
        let mut variables = command.as_std().get_envs();
        let (_, url) = variables.find(|(name, _)| *name == DATABASE)?;
        held(&ROADS).get(&database(url?.to_str()?))?.upgrade()
    }

    /// Learns of people, by lines of an import, also of those that are refused.
    pub(super) fn learn(&self, lines: &str) {
        let mut known = held(&self.people);
        for line in lines.lines() {
            let Ok(person) = serde_json::from_str::<Value>(line) else { continue };
            if let Some(address) = person["email"].as_str() {
                known.insert(address.to_lowercase());
                // `ann` is in other words, and `ann.secretive` is not.
                known.extend(
                    address.split_once('@').map(|(name, _)| name.to_lowercase()).filter(|n| n.contains('.')),
                );
            }
            let searches = person["searches"].as_array().into_iter().flatten();
            let names = searches.filter_map(|search| search["name"].as_str());
            // One word may be anything's.
            known.extend(names.map(str::trim).filter(|name| name.contains(' ')).map(str::to_lowercase));
        }
    }

    /// Learns of the people in the file that a command imports.
    pub(super) fn learn_of(&self, arguments: &[&str]) {
        if let ["import", file, ..] = arguments
            && let Ok(lines) = std::fs::read_to_string(Path::new(env!("CARGO_TARGET_TMPDIR")).join(file))
        {
            self.learn(&lines);
        }
    }

    /// The first line of a log that says any of it.
    pub(crate) fn said_in(&self, log: &str) -> Option<Said> {
        let mut texts: BTreeSet<String> = held(&self.people).clone();
        let subjects = self.smtp.mails().into_iter().filter_map(|mail| mail.subject());
        texts.extend(subjects.map(|subject| subject.trim().to_lowercase()).filter(|text| !text.is_empty()));
        let escaped: Vec<String> = texts
            .iter()
            .map(|text| Value::from(text.as_str()).to_string().trim_matches('"').to_owned())
            .collect();
        texts.extend(escaped);
        log.lines().find_map(|line| {
            let lower = line.to_lowercase();
            let text = texts.iter().find(|text| lower.contains(text.as_str()))?.clone();
            Some(Said { text, line: line.to_owned() })
        })
    }

    /// Fails the test whose log says any of it.
    pub(super) fn check(&self, log: &str) {
        if let Some(Said { text, line }) = self.said_in(log) {
            panic!("a log says {text:?}, and no log may (OPS-10): {line}");
        }
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The name of the database in a URL, which may name several servers.
fn database(url: &str) -> String {
    let (_, name) = url.rsplit_once('/').expect("a URL with a database");
    name.split('?').next().unwrap_or_default().to_owned()
}
