//! Every kind of mail, from the samples.

use std::path::Path;

use super::*;
use crate::compose::samples::{self, Sample};

fn written(sample: &Sample, discreet: bool) -> Email {
    let items = sample.items();
    let told = items.iter().map(|item| (item.subject.reference.as_str(), 1));
    let id = MessageId::of(Uuid::from_u128(1), sample.kind.name(), told, "midshire.example");
    let thread = ["<first@midshire.example>".to_owned(), "<second@midshire.example>".to_owned()];
    composer()
        .mail(sample.kind, &reader(discreet), &items, &thread, &id, sample.now)
        .unwrap_or_else(|error| panic!("{} {}: {error}", sample.kind.name(), sample.name))
}

fn named() -> Vec<Sample> {
    samples::all().into_iter().filter(|sample| !sample.name.is_empty()).collect()
}

/// `UPDATE_GOLDEN=1` writes the files anew; read the difference before you keep it.
#[test]
fn whole_mails_are_golden() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/mails");
    let mut differences = Vec::new();
    for sample in named() {
        let mail = written(&sample, false);
        let octets = String::from_utf8(mail.to_bytes()).unwrap().replace("\r\n", "\n");
        let headers = octets.split_once("\n\n").unwrap().0.to_owned() + "\n";
        let mut parts = vec![("headers.txt", headers), ("txt", mail.text), ("html", mail.html)];
        if let Some(file) = octets.find("Content-Type: text/calendar") {
            parts.push(("ics.txt", octets[file..].to_owned()));
        }
        for (ending, found) in parts {
            let path = folder.join(format!("{}.{ending}", sample.name));
            if std::env::var_os("UPDATE_GOLDEN").is_some() {
                std::fs::write(&path, found).unwrap();
            } else if std::fs::read_to_string(&path).unwrap_or_default() != found {
                differences.push(format!("{}:\n{found}", path.display()));
            }
        }
    }
    assert!(differences.is_empty(), "differs: {}", differences.join("\n"));
}
