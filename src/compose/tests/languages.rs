//! A mail is in one language from the first word to the last.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::*;
use crate::compose::letters::samples as samples_of_letters;
use crate::compose::rehearsal::Of;
use crate::compose::samples::{self, Sample};
use crate::compose::tongue::TRANSLATED;
use crate::compose::view::body;

/// Words that English sentences are full of, and that stand in nothing that the samples are about.
const ENGLISH: &[&str] = &[
    "the", "you", "your", "this", "is", "are", "we", "not", "from", "if", "why", "check", "reply", "until",
    "apply",
];
/// The same in Welsh.
const WELSH: &[&str] =
    &["yn", "mae", "chi", "hwn", "hyn", "rydym", "gan", "ar", "wedi", "nid", "pam", "tan", "cais"];

fn reads(language: Language, discreet: bool) -> Recipient {
    Recipient { language, ..reader(discreet) }
}

fn written(sample: &Sample, language: Language) -> Email {
    let (items, to) = (sample.items(), reads(language, sample.discreet));
    let mail = match sample.kind {
        MailKind::Digest => {
            let digest = Digest { items, soon: sample.soon, rest: sample.rest };
            composer().digest(&to, identity(&message_id(), &[]), &digest, sample.now)
        }
        kind => composer().mail(kind, &to, identity(&message_id(), &[]), &items, sample.now),
    };
    mail.unwrap_or_else(|error| panic!("{language} {} {}: {error}", sample.kind.name(), sample.name))
}

fn letter(sample: &letters::Sample, language: Language) -> Email {
    let to = reads(language, sample.discreet);
    composer().letter(sample.letter, &to, identity(&message_id(), &[]), sample.told(), now()).unwrap()
}

/// What is said, word by word, without what the samples are about.
fn words(mail: &Email) -> BTreeSet<String> {
    let said = format!("{} {}", mail.subject, mail.text).to_lowercase();
    said.split(|c: char| !c.is_alphabetic()).map(ToOwned::to_owned).collect()
}

fn says_any(words: &BTreeSet<String>, of: &[&str]) -> Vec<String> {
    of.iter().filter(|word| words.contains(**word)).map(|word| (*word).to_owned()).collect()
}

/// L30: every kind in every language.
#[test]
fn no_mail_is_mixed() {
    let mails = samples::all().into_iter().flat_map(|sample| {
        Language::ALL.map(|language| {
            let kind = body(sample.kind).trim_end_matches("/body");
            (kind, language, written(&sample, Language::EnGb), written(&sample, language))
        })
    });
    let of_letters = samples_of_letters().into_iter().flat_map(|sample| {
        Language::ALL.map(|language| {
            let kind = letters::body(sample.letter).trim_end_matches("/body");
            (kind, language, letter(&sample, Language::EnGb), letter(&sample, language))
        })
    });
    for (kind, language, english, mail) in mails.chain(of_letters) {
        let is_there = language == Language::EnGb || TRANSLATED.contains(&kind);
        let expected = if is_there { language } else { Language::EnGb };
        assert!(
            mail.html.contains(&format!("<html lang=\"{expected}\" dir=\"ltr\">")),
            "{kind}: {}",
            mail.html
        );
        let (own, foreign) = match expected {
            Language::EnGb => (ENGLISH, WELSH),
            Language::CyGb => (WELSH, ENGLISH),
        };
        let words = words(&mail);
        assert_eq!(says_any(&words, foreign), [""; 0], "{language} {kind}: {}\n{}", mail.subject, mail.text);
        assert!(says_any(&words, own).len() > 3, "{language} {kind}: {}", mail.text);
        if expected == Language::EnGb {
            assert_eq!(
                (&mail.subject, &mail.text, &mail.html),
                (&english.subject, &english.text, &english.html)
            );
        }
        assert!(mail.subject.chars().count() < 60, "{}", mail.subject);
    }
}

/// A body whose sentences the program has in English only would be a mixed mail.
#[test]
fn a_kind_without_sentences_in_a_language_is_not_taken_in_it() {
    let bodies =
        ["cy-GB/digest/body.txt", "cy-GB/digest/body.html"].map(|name| (name, "<h1>{{headline}}</h1>"));
    let templates = Templates::parse(crate::templates::SHIPPED.iter().copied().chain(bodies)).unwrap();
    let problems = Composer::with_templates(templates, sender(), Arc::new(Taxonomy::shipped())).unwrap_err();
    assert!(
        problems.iter().any(
            |problem| problem.template == "cy-GB/digest/body" && problem.message.contains("English only")
        ),
        "{problems:?}"
    );
}

/// The kinds that are translated are there as templates, and no others.
#[test]
fn translated_kinds_have_templates() {
    let templates = Templates::load(None).unwrap();
    let bodies: BTreeSet<String> = TRANSLATED.iter().map(|kind| format!("{kind}/body")).collect();
    assert_eq!(templates.bodies(Language::CyGb).map(ToOwned::to_owned).collect::<BTreeSet<_>>(), bodies);
}

/// `UPDATE_GOLDEN=1` writes the files anew; read the difference before you keep it.
#[test]
fn whole_welsh_mails_are_golden() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/mails/cy-GB");
    let mut mails: Vec<(String, Email)> = Vec::new();
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    for of in Of::all().filter(|of| TRANSLATED.contains(&of.body().trim_end_matches("/body"))) {
        let name = of.name(numbers.entry(of.kind()).or_default());
        let mail = match &of {
            Of::Mail(sample) => written(sample, Language::CyGb),
            Of::Letter(sample) => letter(sample, Language::CyGb),
        };
        mails.push((name, mail));
    }
    let mut differences = Vec::new();
    for (name, mail) in mails {
        let text = format!("Subject: {}\n\n{}", mail.subject, mail.text);
        for (ending, found) in [("txt", text), ("html", mail.html)] {
            let path = folder.join(format!("{name}.{ending}"));
            if std::env::var_os("UPDATE_GOLDEN").is_some() {
                std::fs::create_dir_all(&folder).unwrap();
                std::fs::write(&path, found).unwrap();
            } else if std::fs::read_to_string(&path).unwrap_or_default() != found {
                differences.push(format!("{}:\n{found}", path.display()));
            }
        }
    }
    assert!(differences.is_empty(), "differs: {}", differences.join("\n"));
}
