//! The last line: why there was a mail, will be one, or is none.

use chrono::{DateTime, Utc};

use crate::cli::explain::opening::Chain;
use crate::cli::explain::words;
use crate::delivery::asking::Asked;
use crate::domain::alert::{self, Reason, Situation, Word};
use crate::domain::cadence::Cadence;
use crate::store::explain::{Alert, Mail};
use crate::store::openings::Kept;

/// What a conclusion is drawn from.
pub(super) struct Known<'a> {
    pub(super) kept: &'a Kept,
    pub(super) alert: Option<&'a Alert>,
    pub(super) asked: &'a Asked<'a>,
    pub(super) situation: Situation<'a>,
    /// What there would be to say if nothing held it back...
    pub(super) bare: &'a Word,
    /// ...and what is to be done.
    pub(super) word: &'a Word,
    pub(super) mails: &'a [&'a Mail],
}

impl Chain<'_> {
    /// Why there was a mail, will be one, or is none.
    pub(super) fn conclusion(&self, known: &Known<'_>) -> String {
        let Known { alert, mails, .. } = known;
        if mails.iter().any(|mail| mail.in_hand) {
            return "A mail about it is being sent now.".to_owned();
        }
        let Some(alert) = alert else { return self.without_alert(known) };
        if let Some(mail) = mails.iter().rev().find(|mail| mail.outcome.is_none() && mail.attempts > 0)
            && let Some(due) = alert.due_at
        {
            let reply = mail.reply.as_deref().unwrap_or("nothing");
            return format!(
                "A mail was tried {} times and is tried again at {}; the mail server said: {reply}",
                mail.attempts,
                words::at(due)
            );
        }
        match (alert.due_at, alert.ended.as_deref()) {
            (Some(due), _) if due > self.now => self.waiting(known, due),
            (Some(_), _) => match known.word {
                Word::Say(notice) => {
                    format!(
                        "A mail is due now, and goes with the next claim: it tells {}.",
                        words::notice(notice)
                    )
                }
                Word::Wait(until) => {
                    format!(
                        "No mail yet, because it waits until {} ({}).",
                        words::at(*until),
                        self.held_by(known)
                    )
                }
                Word::Nothing => "No mail, because they know all there is to know.".to_owned(),
                Word::End(reason) => format!("No mail, because {}.", self.why(*reason)),
            },
            (None, Some(ended)) => {
                let again = if alert.told_revision.is_some() { "No further mail" } else { "No mail" };
                format!("{again}, because {}.", words::ended(ended))
            }
            (None, None) if alert.told_revision.is_some() => match known.bare {
                Word::Say(notice) => format!(
                    "They were told, and are to be told {}; matching has yet to make it due.",
                    words::notice(notice)
                ),
                Word::End(reason) => {
                    format!("They were told; no further mail, because {}.", self.why(*reason))
                }
                Word::Nothing | Word::Wait(_) => {
                    "They were told, and know all there is to know; no further mail is due.".to_owned()
                }
            },
            (None, None) => "No mail, because there is nothing to say as things are.".to_owned(),
        }
    }

    /// Why an alert ends, with what the table of people says.
    fn why(&self, reason: Reason) -> String {
        match (reason, self.unreachable_because) {
            (Reason::Unreachable, Some(because)) => format!("{}: {because}", words::reason(reason)),
            _ => words::reason(reason).to_owned(),
        }
    }

    /// What holds a word back.
    fn held_by(&self, known: &Known<'_>) -> String {
        let Word::Say(notice) = known.bare else { return "the door is not open yet".to_owned() };
        let guards = alert::guards(notice, &known.situation, &self.rules.policy);
        guards.iter().map(|(guard, _)| guard.name()).collect::<Vec<_>>().join(", ")
    }

    /// Why an alert is due later.
    fn waiting(&self, known: &Known<'_>, due: DateTime<Utc>) -> String {
        let asked = known.asked;
        let why = match (known.word, known.bare) {
            (Word::Wait(_), _) => self.held_by(known),
            (Word::End(reason), _) => {
                format!("it ends without a word then, because {}", self.why(*reason))
            }
            (Word::Nothing, _) => {
                "there is nothing to say as things are, and it is looked at again then".to_owned()
            }
            (Word::Say(_), _) => match asked.wish.search {
                Some(Cadence::Scheduled(slot)) if asked.registration.is_none() => {
                    format!("it goes with the {} mail", self.rules.policy.rhythm.in_effect(slot.schedule))
                }
                _ => "it was put off when it was last looked at".to_owned(),
            },
        };
        format!("No mail yet: the next word is due at {} ({why}).", words::at(due))
    }

    /// Why there is not even an alert.
    fn without_alert(&self, known: &Known<'_>) -> String {
        if self.forgotten.contains(&known.kept.id) {
            return format!(
                "It is over for longer than {}, so whether they were told is not known any more.",
                self.keep_alerts
            );
        }
        let progress = self.progress.iter().find(|progress| progress.id == known.kept.id);
        if let Some(fault) = progress.and_then(|progress| progress.fault.as_deref()) {
            return format!(
                "No mail, because matching cannot get past this opening and has set it aside: {fault}."
            );
        }
        if progress.is_some_and(|progress| progress.to_match && self.person > progress.match_cursor) {
            return "No mail yet, because matching has not looked at it for this person.".to_owned();
        }
        match known.bare {
            Word::End(reason) => format!("No mail, because {}.", self.why(*reason)),
            Word::Nothing => "No mail, because there is nothing to say as things are.".to_owned(),
            Word::Say(_) | Word::Wait(_) => {
                let new = known.asked.registration.is_some_and(|r| self.unmatched.contains(&r.programme));
                if new {
                    "No mail yet, because matching has not looked at their registration.".to_owned()
                } else {
                    "No mail, because what they ask for now did not ask for it when it was matched. A search is held \
                     against what opens or changes after it was saved."
                        .to_owned()
                }
            }
        }
    }
}
