//! One opening, and all that is between it and one person.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;

use crate::cli::explain::conclusion::Known;
use crate::cli::explain::words;
use crate::delivery::asking::{Asked, Asker, Library};
use crate::delivery::claim::Rules;
use crate::domain::age::Age;
use crate::domain::alert::{self, Guard, Word};
use crate::domain::criteria::Criteria;
use crate::domain::subject::Kind;
use crate::domain::terms::Terms;
use crate::domain::truth::{CloseReason, Phase, State, Truth};
use crate::store::alerts::Due;
use crate::store::explain::{Alert, Mail, Progress};
use crate::store::openings::Kept;
use crate::store::subscribers::{Addressee, KeptRegistration, SavedSearch};

/// What was read, to explain each opening from.
pub(super) struct Chain<'a> {
    pub(super) rules: &'a Rules,
    pub(super) person: i64,
    pub(super) addressee: &'a Addressee,
    pub(super) asker: Asker<'a>,
    /// Why they may not be written to, if so.
    pub(super) unreachable_because: Option<&'static str>,
    pub(super) library: Library,
    /// The programmes of registrations that matching has not looked at.
    pub(super) unmatched: Vec<String>,
    pub(super) progress: Vec<Progress>,
    pub(super) truths: HashMap<(i64, i32), Truth>,
    pub(super) revisions: Vec<(i64, i32, DateTime<Utc>)>,
    pub(super) mails: Vec<Mail>,
    pub(super) alerts: Vec<Alert>,
    /// What has been over for longer than...
    pub(super) forgotten: Vec<i64>,
    /// ...alerts are kept.
    pub(super) keep_alerts: Age,
    pub(super) now: DateTime<Utc>,
}

/// One opening, explained.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Explained {
    pub(super) opening: String,
    pub(super) cycle: Option<String>,
    pub(super) phase: Phase,
    pub(super) state: State,
    pub(super) close_reason: Option<CloseReason>,
    pub(super) opens_at: Option<DateTime<Utc>>,
    pub(super) closes_at: Option<DateTime<Utc>>,
    /// It was old when it came: only that a door is open is still told.
    pub(super) old_news: bool,
    pub(super) revision: i32,
    pub(super) revisions: Vec<Revision>,
    pub(super) last_move_at: Option<DateTime<Utc>>,
    /// What it says that the taxonomy does not know, and so limits nobody.
    pub(super) unmapped: Vec<String>,
    pub(super) searches: Vec<Search>,
    pub(super) registrations: Vec<Registration>,
    pub(super) alert: Option<Between>,
    pub(super) mails: Vec<Told>,
    pub(super) comparison: Comparison,
    pub(super) conclusion: String,
}

/// What was so at a revision.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Revision {
    #[serde(rename = "revision")]
    pub(super) number: i32,
    pub(super) recorded_at: DateTime<Utc>,
    pub(super) state: State,
    pub(super) close_reason: Option<CloseReason>,
    pub(super) closes_at: Option<DateTime<Utc>>,
}

/// A search, criterion by criterion.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Search {
    pub(super) name: String,
    pub(super) cadence: String,
    pub(super) matches: bool,
    /// It asks for what they were told, whatever it is now.
    pub(super) matched_what_was_told: Option<bool>,
    pub(super) criteria: Vec<Criterion>,
    /// What it names that the taxonomy does not know.
    pub(super) unknown: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Criterion {
    #[serde(rename = "criterion")]
    pub(super) name: &'static str,
    pub(super) asked: String,
    pub(super) found: String,
    pub(super) fits: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Registration {
    pub(super) programme: String,
    pub(super) registered_at: DateTime<Utc>,
    pub(super) not_before: Option<NaiveDate>,
    pub(super) valid_until: Option<NaiveDate>,
    pub(super) standing: Reach,
    /// It is the one that mails name.
    pub(super) answered: bool,
}

/// Whether a registration concerns a programme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Reach {
    /// It is for something else.
    Elsewhere,
    /// It would, and begins later or has ended.
    NotNow,
    /// It does, and matching has not looked at it.
    Unmatched,
    /// It is for this programme.
    ByName,
    /// It is for something that this programme is part of.
    ThroughTheTree,
}

/// The alert between the person and the opening.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Between {
    pub(super) due_at: Option<DateTime<Utc>>,
    pub(super) told_phase: Option<String>,
    pub(super) told_revision: Option<i32>,
    pub(super) told_at: Option<DateTime<Utc>>,
    pub(super) told_in: Option<String>,
    pub(super) ended: Option<String>,
    pub(super) promise: bool,
    pub(super) date_told_at: Option<DateTime<Utc>>,
    /// `owed` or `broken` as long as there is none in the tables.
    pub(super) outcome: Option<String>,
    pub(super) outcome_reason: Option<String>,
    pub(super) outcome_at: Option<DateTime<Utc>>,
    pub(super) door_left_seconds: Option<i64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Told {
    pub(super) kind: String,
    pub(super) message_id: String,
    pub(super) revision: Option<i32>,
    pub(super) claimed_at: Option<DateTime<Utc>>,
    pub(super) attempts: i16,
    pub(super) in_hand: bool,
    pub(super) outcome: Option<String>,
    pub(super) finished_at: Option<DateTime<Utc>>,
    pub(super) reply: Option<String>,
}

/// What the comparison of told and true says now.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Comparison {
    /// `say`, `wait`, `nothing` or `end`.
    pub(super) word: &'static str,
    pub(super) meaning: String,
    pub(super) guards: Vec<Held>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Held {
    pub(super) guard: &'static str,
    pub(super) until: DateTime<Utc>,
}

impl Chain<'_> {
    /// Explains one opening; none if it cannot be read.
    pub(super) fn explain(&self, due: &Due) -> Option<Explained> {
        let (kept, terms) = self.library.kept.get(&due.opening_id)?;
        let alert = self.alerts.iter().find(|alert| alert.opening_id == kept.id);
        let before = self.library.before(due);
        let told_terms = before.as_ref().map(|(_, terms)| *terms);
        let asked = self.asker.asks(kept, terms, told_terms, self.rules);
        let situation =
            self.asker.situation(kept, before.as_ref().map(|(before, _)| before), asked.wish, self.now);
        let policy = &self.rules.policy;
        let bare = alert::word_without_guards(&situation, policy);
        let word = alert::next_word(&situation, policy);
        let guards: Vec<(Guard, DateTime<Utc>)> = match &bare {
            Word::Say(notice) => alert::guards(notice, &situation, policy),
            Word::Wait(until) => vec![(Guard::NotYet, *until)],
            Word::Nothing | Word::End(_) => vec![],
        };
        let mails: Vec<&Mail> = self.mails.iter().filter(|mail| mail.openings.contains(&kept.id)).collect();
        let truth = &kept.opening.truth;
        let (comparison, conclusion) = if due.told_revision.is_some() && before.is_none() {
            // As at a claim: without it, nothing can be compared.
            let comparison = Comparison {
                word: "wait",
                meaning: "nothing, until what was told can be read".to_owned(),
                guards: vec![],
            };
            let conclusion = "No mail for now, because what they were told cannot be read; the log lines above say what \
                 is wrong with it. While it is due, it is tried again every hour.";
            (comparison, conclusion.to_owned())
        } else {
            let comparison = Comparison {
                word: words::word(&word),
                meaning: words::meaning(&bare),
                guards: guards
                    .into_iter()
                    .map(|(guard, until)| Held { guard: guard.name(), until })
                    .collect(),
            };
            let known =
                Known { kept, alert, asked: &asked, situation, bare: &bare, word: &word, mails: &mails };
            (comparison, self.conclusion(&known))
        };
        Some(Explained {
            opening: kept.key(),
            cycle: kept.opening.cycle.clone(),
            phase: truth.phase(self.now),
            state: truth.state,
            close_reason: truth.close_reason,
            opens_at: truth.door_opens_at(),
            closes_at: truth.door_shuts_at(),
            old_news: kept.opening.news.is_old_news(policy.max_age),
            revision: kept.revision,
            revisions: self.history(kept.id),
            last_move_at: kept.opening.moves.last,
            unmapped: terms
                .unmapped
                .iter()
                .map(|unmapped| format!("{} {:?}", unmapped.dimension.key(), unmapped.value))
                .collect(),
            searches: self.asker.searches.iter().map(|(s, c)| search(s, c, terms, told_terms)).collect(),
            registrations: self.registrations(kept, &asked),
            alert: alert.map(|alert| between(alert, truth, self.now)),
            mails: mails.iter().map(|mail| told(mail, kept.id)).collect(),
            comparison,
            conclusion,
        })
    }

    fn history(&self, opening: i64) -> Vec<Revision> {
        let mine = self.revisions.iter().filter(|(id, ..)| *id == opening);
        mine.filter_map(|(id, revision, recorded_at)| {
            let truth = self.truths.get(&(*id, *revision))?;
            Some(Revision {
                number: *revision,
                recorded_at: *recorded_at,
                state: truth.state,
                close_reason: truth.close_reason,
                closes_at: truth.door_shuts_at(),
            })
        })
        .collect()
    }

    fn registrations(&self, kept: &Kept, asked: &Asked<'_>) -> Vec<Registration> {
        if kept.opening.kind != Kind::Programme {
            return vec![];
        }
        let owed = kept.opening.answers(&kept.subject.reference, &self.rules.taxonomy);
        let today = self.asker.today;
        let standing = |mine: &KeptRegistration| {
            let holds = mine.not_before.is_none_or(|from| from <= today)
                && mine.valid_until.is_none_or(|last| today <= last);
            match owed.contains(mine.programme.as_str()) {
                false => Reach::Elsewhere,
                true if !holds => Reach::NotNow,
                true if self.unmatched.contains(&mine.programme) => Reach::Unmatched,
                true if mine.programme == kept.subject.reference => Reach::ByName,
                true => Reach::ThroughTheTree,
            }
        };
        let each = self.addressee.registrations.iter();
        each.map(|registration| Registration {
            programme: registration.programme.clone(),
            registered_at: registration.registered_at,
            not_before: registration.not_before,
            valid_until: registration.valid_until,
            standing: standing(registration),
            answered: asked.registration == Some(registration),
        })
        .collect()
    }
}

fn search(search: &SavedSearch, criteria: &Criteria, terms: &Terms, told_terms: Option<&Terms>) -> Search {
    Search {
        name: search.name.clone(),
        cadence: search.cadence.to_string(),
        matches: criteria.matches(terms),
        matched_what_was_told: told_terms.map(|terms| criteria.matches(terms)),
        criteria: criteria
            .judge(terms)
            .into_iter()
            .map(|judged| Criterion {
                name: judged.criterion.name(),
                asked: judged.asked,
                found: judged.found,
                fits: judged.fits,
            })
            .collect(),
        unknown: criteria
            .unknown()
            .iter()
            .map(|(dimension, name)| format!("{} {name:?}", dimension.key()))
            .collect(),
    }
}

fn between(alert: &Alert, truth: &Truth, now: DateTime<Utc>) -> Between {
    let has_shut = truth.opened_at.is_some_and(|opened| opened <= now)
        && (truth.state == State::Withdrawn || truth.door_shuts_at().is_some_and(|shuts| shuts <= now));
    let open_outcome = if has_shut { "broken" } else { "owed" };
    Between {
        due_at: alert.due_at,
        told_phase: alert.told_phase.clone(),
        told_revision: alert.told_revision,
        told_at: alert.told_at,
        told_in: alert.told_message_id.clone(),
        ended: alert.ended.clone(),
        promise: alert.promise,
        date_told_at: alert.advance_told_at,
        outcome: alert.promise.then(|| alert.outcome.clone().unwrap_or_else(|| open_outcome.to_owned())),
        outcome_reason: alert.outcome_reason.clone(),
        outcome_at: alert.outcome_at,
        door_left_seconds: alert.door_left_seconds,
    }
}

fn told(mail: &Mail, opening: i64) -> Told {
    let place = mail.openings.iter().position(|id| *id == opening);
    Told {
        kind: mail.kind.clone(),
        message_id: mail.message_id.clone(),
        revision: place.and_then(|place| mail.revisions.get(place).copied()),
        claimed_at: mail.claimed_at,
        attempts: mail.attempts,
        in_hand: mail.in_hand,
        outcome: mail.outcome.clone(),
        finished_at: mail.finished_at,
        reply: mail.reply.clone(),
    }
}
