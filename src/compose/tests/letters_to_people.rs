//! Letters: what they must say, and what they must not.

use super::*;
use crate::compose::letters::{Holding, Told, samples};

fn written(letter: Letter, holding: &Holding, discreet: bool) -> Email {
    let day = "2024-01-30".parse().unwrap();
    let told = Told { holding, day };
    composer().letter(letter, &reader(discreet), identity(&message_id(), &[]), told, now()).unwrap()
}

fn holding(registrations: &[&str], searches: &[&str]) -> Holding {
    let on = "2022-12-01T09:00:00Z".parse().unwrap();
    Holding {
        registrations: registrations.iter().map(|slug| ((*slug).to_owned(), on)).collect(),
        searches: searches.iter().map(|name| (*name).to_owned()).collect(),
    }
}

/// M18.
#[test]
fn the_question_asks_about_what_is_held() {
    for (registrations, searches, subject, lines) in [
        (
            &["pc-dhep"][..],
            &[][..],
            "Do you still want to hear when this opens?",
            &["- You registered in December 2022 for: "][..],
        ),
        (
            &["pc-dhep", "pcso"],
            &["Near me"],
            "Do you still want to hear when these open?",
            &["- You registered in December 2022 for: ", "- Your saved search \"Near me\"."],
        ),
        (&[], &["Near me"], "Do you still want these job alerts?", &["- Your saved search \"Near me\"."]),
        (&[], &[""], "Do you still want these job alerts?", &["- A saved search."]),
        (
            &[],
            &["Near me", "Null"],
            "Do you still want these job alerts?",
            &["- Your saved searches \"Near me\" and \"Null\"."],
        ),
    ] {
        let mail = written(Letter::StillInterested, &holding(registrations, searches), false);
        assert_eq!(mail.subject, subject);
        let silence = "If we hear nothing by Tuesday 30 January 2024, we will stop and delete it.";
        for line in lines.iter().chain(&[
            silence,
            "with the word: yes",
            "with the word: stop",
            "A person reads your reply.",
        ]) {
            assert!(mail.text.contains(line), "{line}: {}", mail.text);
        }
        assert!(!mail.text.contains("reminder"), "{}", mail.text);
    }
}

#[test]
fn the_reminder_says_that_it_is_the_only_one() {
    let mail = written(Letter::Reminder, &holding(&["pc-dhep"], &[]), false);
    assert_eq!(mail.subject, "Reminder: do you still want to hear when this opens?");
    assert!(mail.text.contains("This is the only reminder."), "{}", mail.text);
}

/// M19.
#[test]
fn who_lapsed_is_told_what_is_deleted_and_is_not_wooed() {
    let mail = written(Letter::Lapsed, &holding(&["pc-dhep"], &["Near me"]), false);
    assert_eq!(mail.subject, "We have stopped your alerts");
    for line in [
        "We asked you on Tuesday 30 January 2024, and have heard nothing since. So we have stopped. Nothing more will come.",
        "- Your registration of December 2022 for: ",
        "- Your saved search \"Near me\".",
        "register on our pages: https://careers.midshire.example/",
        "If this is a mistake, reply to this email",
    ] {
        assert!(mail.text.contains(line), "{line}: {}", mail.text);
    }
    assert!(!mail.text.contains("Stop receiving these emails"), "{}", mail.text);
}

#[test]
fn no_letter_presses_advertises_or_regrets() {
    for sample in samples() {
        let Told { holding, .. } = sample.told();
        let mail = written(sample.letter, holding, sample.discreet);
        let all = format!("{} {} {}", mail.subject, mail.text, mail.html).to_lowercase();
        for never in
            ["sorry", "miss out", "last chance", "hurry", "survey", "apply", "new roles", "we would love"]
        {
            assert!(!all.contains(never), "{never}: {all}");
        }
        assert!(mail.subject.chars().count() < 60, "{}", mail.subject);
        if sample.discreet {
            let first = mail.text.lines().next().unwrap_or_default();
            let seen = format!("{} {first} {:?}", mail.subject, mail.headers.from.name()).to_lowercase();
            for telling in ["police", "constable", "officer", "recruit", "vacanc", "midshire", "job", "opens"]
            {
                assert!(!seen.contains(telling), "{telling}: {seen}");
            }
        }
    }
}
