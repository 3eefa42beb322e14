//! What must be so for an opening to be told.

use chrono::{DateTime, Duration, Utc};

use crate::compose::lint::{self, Finding, Rule};
use crate::compose::routes::opening;
use crate::compose::{Item, MailKind};
use crate::domain::alert::Notice;
use crate::domain::facts::When;
use crate::domain::truth::Phase;

/// Why an opening cannot be told in a mail of this kind.
pub(super) fn unfit(kind: MailKind, item: &Item<'_>, now: DateTime<Utc>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if item.searches.is_empty() && item.registration.is_none() {
        findings.push(Finding { place: "searches", rule: Rule::Missing });
    }
    let changes = matches!(item.notice, Notice::Corrected(_));
    let corrects = kind == MailKind::Correction || (kind == MailKind::Digest && changes);
    let unchanged = matches!(item.notice, Notice::Corrected(fields) if fields.is_empty());
    let follows = corrects || kind == MailKind::ClosingSoon;
    if (follows && item.told.is_none()) || (corrects && (unchanged || !changes)) {
        findings.push(Finding { place: "what was told", rule: Rule::Missing });
    }
    let (truth, zone) = (item.truth, item.truth.facts.zone);
    let opens = opening(truth);
    let shuts = truth.door_shuts_at();
    let day = truth.facts.day.as_ref().map(|day| day.starts_at);
    if kind == MailKind::ClosingSoon && shuts.is_none() {
        findings.push(Finding { place: "closing", rule: Rule::Missing });
    }
    if kind == MailKind::Digest && !stands(item, now) {
        findings.push(Finding { place: "times", rule: Rule::Door });
    }
    findings.extend(match kind {
        MailKind::OpeningDate => {
            let to_come = opens.map(|when| match when {
                When::Instant(at) => at,
                // Some time on that day.
                When::Date(_) => when.first_moment(zone) + Duration::days(1),
            });
            lint::times(to_come, opens.map(|when| when.first_moment(zone)), shuts, now)
        }
        MailKind::Digest if *item.notice == Notice::Missed => vec![],
        MailKind::EventDay | MailKind::Digest if day.is_some() => lint::times(day, None, None, now),
        MailKind::OpenNow | MailKind::ClosingSoon | MailKind::VacancyAlert | MailKind::Digest => {
            lint::times(shuts, truth.opened_at, shuts, now)
        }
        _ => vec![],
    });
    findings
}

/// Whether the door stands as a digest tells it. What has shut on the way to the mail server is
/// told as open by a time that is said beside it.
fn stands(item: &Item<'_>, now: DateTime<Utc>) -> bool {
    let phase = item.truth.phase(now);
    match item.notice {
        Notice::Open => matches!(phase, Phase::Open | Phase::Closed),
        Notice::Corrected(_) => !matches!(phase, Phase::Paused | Phase::Withdrawn),
        Notice::Missed => matches!(phase, Phase::Closed | Phase::Withdrawn),
        _ => false,
    }
}
