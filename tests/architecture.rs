//! The shape of the program, as tests: which room may use which, and which
//! libraries are named in one place only. `docs/architecture.md` says why.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A room uses only rooms of a strictly lower rank, so no cycle can be written.
const RANKS: [(&str, u32); 23] = [
    ("domain", 0),
    ("clock", 0),
    ("health", 0),
    ("hosts", 0),
    ("config", 1),
    ("store", 1),
    ("templates", 1),
    ("broker", 2),
    ("compose", 2),
    ("metrics", 2),
    ("returns", 2),
    ("stage", 2),
    ("telemetry", 2),
    ("intake", 3),
    ("matching", 3),
    ("delivery", 3),
    ("outcomes", 3),
    ("housekeeping", 3),
    ("web", 3),
    ("daemon", 4),
    ("cli", 5),
    ("lib", 6),
    ("main", 7),
];

/// What may be named, and where alone.
const ONLY_IN: [(&str, &[&str]); 13] = [
    ("prometheus_client::", &["src/metrics.rs"]),
    ("sd_notify::", &["src/daemon/service_manager.rs"]),
    ("ring::signature", &["src/domain/dkim.rs"]),
    ("lapin::", &["src/broker.rs", "src/broker/"]),
    ("lettre::transport", &["src/delivery/smtp.rs", "src/delivery/smtp/"]),
    ("mail_parser::", &["src/returns/incoming.rs"]),
    ("hickory_resolver::", &["src/delivery/mx.rs"]),
    ("sqlx::query", &["src/store.rs", "src/store/"]),
    ("handlebars::", &["src/templates.rs"]),
    ("axum::", &["src/web.rs", "src/web/"]),
    ("hyper", &["src/web/server.rs", "src/telemetry.rs"]),
    ("Utc::now()", &["src/clock.rs"]),
    // A socket of the service manager's is no setting.
    ("std::env::", &["src/config.rs", "src/cli.rs", "src/daemon/service_manager.rs"]),
];

fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
    found
}

fn program() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = sources(&root.join("src"));
    assert!(sources.len() > 20, "the program is where it was");
    sources
        .into_iter()
        .filter(|(path, _)| !path.ends_with("tests.rs") && !path.iter().any(|part| part == "tests"))
        .map(|(path, text)| (path.strip_prefix(root).unwrap().display().to_string(), text))
        .collect()
}

/// The room of a file: `src/store/mails.rs` is in `store`.
fn room(path: &str) -> &str {
    let inside = path.strip_prefix("src/").unwrap();
    inside.split('/').next().unwrap().trim_end_matches(".rs")
}

/// Without the tests at the end of a file, which may use anything.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap()
}

#[test]
fn a_room_uses_only_rooms_below_it() {
    let ranks: BTreeMap<&str, u32> = RANKS.into_iter().collect();
    let mut wrong = Vec::new();
    for (path, text) in program() {
        let here = room(&path);
        let rank = ranks.get(here).unwrap_or_else(|| panic!("{path}: give the room {here:?} a rank"));
        let code = without_tests(&text).lines().filter(|line| !line.trim_start().starts_with("//"));
        for used in code.flat_map(|line| line.split("crate::").skip(1)) {
            let name: String = used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if let Some(other) = ranks.get(name.as_str())
                && name != here
                && other >= rank
            {
                wrong.push(format!("{path} (rank {rank}) uses {name} (rank {other})"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_library_is_named_in_one_room() {
    let mut wrong = Vec::new();
    for (path, text) in program() {
        for (name, allowed) in ONLY_IN {
            let here = allowed.iter().any(|place| path.starts_with(place));
            let code = without_tests(&text).lines().filter(|line| !line.trim_start().starts_with("//"));
            if !here && code.clone().any(|line| line.contains(name)) {
                wrong.push(format!("{path} names {name}, which belongs into {allowed:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_heavy_build_dependency_stays_out() {
    let lock = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock")).unwrap();
    assert!(!lock.contains("\"aws-lc"), "aws-lc-rs takes minutes to build; use ring (see Cargo.toml)");
}

#[test]
fn no_attribute_silences_a_lint_without_a_reason() {
    let silenced = concat!("#[al", "low(");
    let found: Vec<String> =
        program().into_iter().filter(|(_, text)| text.contains(silenced)).map(|(path, _)| path).collect();
    assert!(found.is_empty(), "use #[expect(lint, reason = \"...\")]: {found:?}");
}

/// Whoever is called at night finds what to do.
#[test]
fn every_alert_has_its_section_in_the_runbook() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let rules = fs::read_to_string(root.join("deploy/prometheus/jobalerts.rules.yml")).unwrap();
    let runbook = fs::read_to_string(root.join("docs/runbook.md")).unwrap();
    let named = |text: &str, prefix: &str| -> Vec<String> {
        text.lines().filter_map(|line| Some(line.trim().strip_prefix(prefix)?.to_owned())).collect()
    };
    let alerts = named(&rules, "- alert: ");
    assert!(alerts.len() > 10, "the rules are where they were");
    assert_eq!(named(&runbook, "## "), alerts, "one section each, in the same order");
    let links: Vec<String> =
        alerts.iter().map(|alert| format!("docs/runbook.md#{}", alert.to_lowercase())).collect();
    assert_eq!(named(&rules, "runbook: "), links);
    for section in runbook.split("\n## ").skip(1) {
        assert!(section.contains("- First: "), "{} has a first command", section.lines().next().unwrap());
    }
}
