//! The shipped templates, and what happens at start when templates or settings are wrong.

use std::collections::BTreeMap;

use super::*;
use crate::templates::SHIPPED;

#[test]
fn settings_and_templates_that_would_spoil_each_mail_are_refused_at_start() {
    let start = |sender: Sender, overrides: &[(&str, &str)]| {
        let composer = Templates::parse(SHIPPED.iter().chain(overrides).copied())
            .and_then(|templates| Composer::with_templates(templates, sender, Arc::new(Taxonomy::shipped())));
        composer.err().unwrap_or_default().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(start(sender(), &[]), [""; 0]);
    let revealing = Sender { discreet_name: "Midshire Police alerts".to_owned(), ..sender() };
    let revealed = start(revealing, &[]);
    // Once for each kind, and once for each that is there in Welsh, too.
    assert_eq!(revealed.len(), MailKind::ALL.len() + Letter::ALL.len() + 5);
    assert!(
        revealed.contains(
            &"vacancy-alert: from: it shows at first sight what a discreet mail must not".to_owned()
        ),
        "{revealed:?}"
    );
    let broken = Sender { discreet_name: "a\r\nBcc: b".to_owned(), ..sender() };
    assert_eq!(start(broken, &[]).len(), 1);
    let oddly_called = Sender { name: "Midnight None Force".to_owned(), ..sender() };
    assert_eq!(start(oddly_called, &[]), [""; 0]);
    for (template, text, expected) in [
        ("layout/as-of.txt", "{{when}}", "layout/as-of.txt:1: {{when}} is not something this mail has"),
        ("layout/as-of.txt", "Soon.", "vacancy-alert: as-of: it is missing or empty"),
        (
            "layout/as-of.txt",
            "{{as_of}}!",
            "vacancy-alert: text: it breaks the rules of style: no exclamation mark, \"please note\" or \"click here\", in any \
             language",
        ),
        ("layout/stop-and-change.html", "", "vacancy-alert: stop-and-change: it is missing or empty"),
        (
            "layout/headline.html",
            "<p>{{headline}}</p>",
            "vacancy-alert: html: it needs lang=\"{{lang}}\" and exactly one h1",
        ),
        (
            "layout/headline.html",
            "<h1>{{headline}}</h1><img src=\"a\">",
            "vacancy-alert: html: it must have no image, script, form or frame, and fetch nothing",
        ),
        (
            "layout/headline.html",
            "<h1>New {{headline}}</h1>",
            "cy-GB/vacancy-alert/body.html:1: layout/headline.html has words in English; write \
             cy-GB/layout/headline.html beside it",
        ),
        (
            "layout/why-you.txt",
            "{{#if wyh}}{{/if}}",
            "layout/why-you.txt:1: {{wyh}} is not something this mail has",
        ),
    ] {
        let problems = start(sender(), &[(template, text)]);
        assert!(problems.iter().any(|problem| problem == expected), "{problems:?}");
    }
}

/// Each `{{#if}}` of each template comes out both ways in the samples.
#[test]
fn samples_take_every_branch() {
    // Marks are no words, so that a block without any stays one.
    let mut branches = BTreeMap::new();
    let mut marked = Vec::new();
    for (name, text) in SHIPPED {
        let mut pieces = text.split("{{#if ");
        let mut with_marks = pieces.next().unwrap().to_owned();
        for piece in pieces {
            let condition = piece.split(['}', '~']).next().unwrap();
            let [yes, no] = ["yes", "no"].map(|way| {
                let mark = format!("[#{}]", branches.len());
                branches.insert(mark.clone(), format!("{name} {condition} {way}"));
                mark
            });
            let mark = format!("{{{{#if {condition}}}}}{yes}{{{{else}}}}{no}{{{{/if}}}}{{{{#if {piece}");
            with_marks.push_str(&mark);
        }
        marked.push((*name, with_marks));
    }
    let templates = Templates::parse(marked.iter().map(|(name, text)| (*name, text.as_str()))).unwrap();
    let sender = sender();
    let mut taken = String::new();
    let composer =
        Composer { templates, ..Composer::new(sender.clone(), Arc::new(Taxonomy::shipped()), None).unwrap() };
    for rehearsal in composer.rehearsals(&sender, &Stop::sample(&sender)) {
        let Rendered { subject, text, html } = rehearsal.rendered(&composer.templates).unwrap();
        taken.push_str(&(subject + &text + &html));
    }
    let missed: Vec<_> = branches.iter().filter(|(mark, _)| !taken.contains(mark.as_str())).collect();
    assert!(branches.len() > 40 && missed.is_empty(), "{missed:?}");
}

/// The relation of luminances by WCAG 2.2, of colours written `#rrggbb`.
fn contrast(one: &str, other: &str) -> f64 {
    let luminance = |colour: &str| {
        let channel = |from: usize| {
            let part = f64::from(u8::from_str_radix(&colour[from..from + 2], 16).unwrap()) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    };
    let (one, other) = (luminance(one) + 0.05, luminance(other) + 0.05);
    one.max(other) / one.min(other)
}

#[test]
fn colours_can_be_read_in_light_and_in_dark() {
    let facts = volunteer();
    let html = compose(&reader(false), &[item("1", &facts, &["s"])]).html;
    for (ink, paper, wanted) in [
        ("#14191f", "#fdfdfd", 7.0),
        ("#47525c", "#fdfdfd", 7.0),
        ("#0b4f8a", "#fdfdfd", 4.5),
        ("#ffffff", "#0b4f8a", 4.5),
        ("#e8ebee", "#1f262e", 7.0),
        ("#b9c2cb", "#1f262e", 7.0),
        ("#8fc7ff", "#1f262e", 4.5),
        ("#10161c", "#8fc7ff", 4.5),
    ] {
        assert!(html.contains(ink) && html.contains(paper), "{ink} on {paper} is not used");
        assert!(contrast(ink, paper) >= wanted, "{ink} on {paper}: {}", contrast(ink, paper));
    }
}

#[test]
fn sentences_are_short() {
    let (volunteer, promotion, handler) = (volunteer(), promotion(), handler());
    let items = [item("1", &volunteer, &["s"]), item("2", &promotion, &["s"]), item("3", &handler, &["s"])];
    let text = compose(&reader(true), &items).text;
    let sentences: Vec<usize> = text
        .split(['\n', ';'])
        .flat_map(|line| line.split(". "))
        .map(|sentence| sentence.split_whitespace().count())
        .filter(|&words| words > 0)
        .collect();
    assert!(sentences.iter().sum::<usize>() / sentences.len() < 12);
    assert!(sentences.iter().all(|&words| words <= 20), "{text}");
}

/// I19: money, titles and dates come from the events, never from a template.
#[test]
fn templates_name_no_money_and_no_date() {
    let months = ["january", "february", "march", "april", "june", "july", "august", "september"];
    for (name, text) in
        SHIPPED.iter().filter(|(name, _)| name.rsplit_once('.').is_some_and(|(_, part)| part == "txt"))
    {
        let lower = text.to_lowercase();
        assert!(!text.contains(|c: char| c.is_ascii_digit() || c == '£'), "{name}");
        assert!(!months.iter().any(|month| lower.contains(month)), "{name}");
    }
}
