//! The explanation in plain words.

use chrono::{DateTime, Utc};

use crate::cli::explain::opening::{Between, Explained, Reach, Registration, Search, Told};
use crate::cli::explain::{Counts, Event, LeftAlone, Person, Report, Returned};
use crate::cli::ledger::{minute, span};
use crate::domain::alert::{Notice, Reason, Word};
use crate::domain::difference::Field;
use crate::domain::truth::Phase;
use crate::store::name_of;

/// A moment, to the minute.
pub(super) fn at(moment: DateTime<Utc>) -> String {
    minute(moment)
}

/// The name of what is to be done.
pub(super) const fn word(word: &Word) -> &'static str {
    match word {
        Word::Say(_) => "say",
        Word::Wait(_) => "wait",
        Word::Nothing => "nothing",
        Word::End(_) => "end",
    }
}

/// What there is to do, as a sentence without its end.
pub(super) fn meaning(word: &Word) -> String {
    match word {
        Word::Say(notice) => format!("tell {}", self::notice(notice)),
        Word::Wait(until) => format!("wait until it opens at {}", at(*until)),
        Word::Nothing => {
            "nothing, because they know all there is to know, or there is nothing to say yet".to_owned()
        }
        Word::End(reason) => format!("nothing ever, because {}", self::reason(*reason)),
    }
}

/// What is told: `that it is open`.
pub(super) fn notice(notice: &Notice) -> String {
    match notice {
        Notice::Announced => "that it will open, without a date".to_owned(),
        Notice::Dated => "the date on which it opens".to_owned(),
        Notice::Open => "that it is open".to_owned(),
        Notice::ClosingSoon => "that it closes soon".to_owned(),
        Notice::Missed => "that it opened and shut before we wrote".to_owned(),
        Notice::ClosedEarly => "that it shut before the time that they were told".to_owned(),
        Notice::CalledOff => "that it will not be".to_owned(),
        Notice::Paused => "that no applications are taken for a while".to_owned(),
        Notice::Withdrawn => "that it is gone".to_owned(),
        Notice::Corrected(fields) => {
            let fields: Vec<&str> = fields.iter().map(|changed| field(*changed)).collect();
            format!("what is not as they were told ({})", fields.join(", "))
        }
    }
}

const fn field(field: Field) -> &'static str {
    match field {
        Field::NotOpen => "it is not open yet",
        Field::Opens => "the opening",
        Field::Closing => "the closing",
        Field::Day => "the day",
        Field::Place => "the place",
        Field::Attendance => "in a place or on the internet",
        Field::Pay => "the pay",
        Field::Grade => "the grade",
        Field::Contract => "the kind of contract",
        Field::Hours => "the hours",
        Field::Audience => "who may apply",
        Field::Rank => "the rank",
        Field::Eligibility => "what one must have",
        Field::Title => "the title",
        Field::Full => "whether there are places",
    }
}

/// Why an alert ends without a word.
pub(super) const fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::Expired => "the door shut before the word was due",
        Reason::Over => "it is over, and there is nothing more to tell",
        Reason::Withdrawn => "it was taken away before the word was due",
        Reason::NoLongerWanted => "none of their searches and registrations asks for it",
        Reason::NotBefore => "they registered and want to hear nothing before a later month",
        Reason::Unreachable => "they may not be written to",
        Reason::Test => "it came of a test event, and they are not in testing.addresses",
    }
}

/// Why an alert ended, by the name in the tables.
pub(super) fn ended(ended: &str) -> String {
    let known = [
        Reason::Expired,
        Reason::Withdrawn,
        Reason::NoLongerWanted,
        Reason::NotBefore,
        Reason::Unreachable,
        Reason::Test,
    ];
    match ended {
        "refused" => "the mail server refused it for good".to_owned(),
        "given-up" => "the mail server put it off for as long as is worth while".to_owned(),
        "summarised" => "a digest had no room for it, and said how many more there are and where".to_owned(),
        "stopped" => "they said stop after it had shut, and before we wrote that it had".to_owned(),
        "withheld" => "only listed addresses get mail here, and this is none of them".to_owned(),
        "held" => "it failed our own checks, and a person has to look".to_owned(),
        other => known
            .into_iter()
            .find(|known| known.name() == other)
            .map_or_else(|| format!("it ended as {other}"), |known| reason(known).to_owned()),
    }
}

/// The whole report, line by line.
pub(super) fn lines(report: &Report) -> Vec<String> {
    let mut lines =
        vec![format!("{} and {}, as of {}", report.person.address, report.subject, at(report.as_of))];
    person(&report.person, &mut lines);
    lines.push(String::new());
    lines.push(
        if report.events.is_empty() { "Events: none." } else { "Events, in order of arrival:" }.to_owned(),
    );
    lines.extend(report.events.iter().map(event));
    for explained in &report.openings {
        opening(explained, &mut lines);
    }
    if let Some(conclusion) = &report.conclusion {
        lines.push(String::new());
        lines.push(format!("=> {conclusion}"));
    }
    lines
}

fn person(person: &Person, lines: &mut Vec<String>) {
    lines.push(format!("  person {}, known since {}", person.public_id, at(person.known_since)));
    lines.push(match person.unreachable_because {
        None => format!("  may be written to ({})", person.state),
        Some(because) => format!("  may not be written to ({}), because {because}", person.state),
    });
    if let Some(consent) = person.consents.first() {
        lines.push(format!(
            "  agreed to wording {} at {}, by {}",
            consent.wording_version,
            at(consent.at),
            consent.source
        ));
    }
    for stop in &person.stops {
        let what = if stop.scope == "all" { "everything" } else { "what a mail was about" };
        let undone = any(stop.undone_at, |at| format!(", and undid it at {}", self::at(at)));
        lines.push(format!("  stopped {what} at {}, by {}{undone}", at(stop.at), stop.route));
    }
    for returned in &person.came_back {
        lines.push(came_back(returned));
    }
    if let Some(until) = person.slow_until {
        lines.push(format!("  gets nothing that can wait before {}, because a mail came back", at(until)));
    }
    if let Some(LeftAlone { provider, since, until, reason }) = &person.provider_left_alone {
        let provider = provider.as_deref().unwrap_or("their mail domain");
        lines.push(format!(
            "  gets nothing just now, because {provider} has been left alone since {}: {reason}; one mail finds out \
             after {}",
            at(*since),
            at(*until)
        ));
    }
    lines.push(format!("  reads {}", person.language));
    if person.discreet {
        lines.push("  asked for discreet mails".to_owned());
    }
    if person.tester {
        lines.push("  hears of test events, too".to_owned());
    }
    if !person.paused_searches.is_empty() {
        lines.push(format!("  paused these searches: {}", person.paused_searches.join("; ")));
    }
}

fn came_back(returned: &Returned) -> String {
    let what = match (returned.kind.as_str(), returned.weight.as_deref()) {
        ("complaint", _) => "a mail was marked as spam",
        ("delayed", _) => "a mail was still on its way",
        (_, Some("gone")) => "a mail came back: there is no such mailbox",
        (_, Some("shut")) => "a mail came back: the mailbox is shut",
        (_, Some("policy")) => "a mail came back: the server has something against us",
        (_, Some("ours")) => "a mail came back: it was wrong",
        _ => "a mail came back: the mailbox was full, or not reached",
    };
    let status = returned.status.as_ref().map_or(String::new(), |status| format!(" ({status})"));
    format!("  {what}{status}, at {}, by {}", at(returned.at), returned.source)
}

fn event(event: &Event) -> String {
    let version =
        event.version.map_or_else(|| "no version".to_owned(), |version| format!("version {version}"));
    let counts = match event.counts {
        Counts::Yes => "counts",
        Counts::Late => "late: counts in its place, and overrides no higher version",
        Counts::No => "does not count: this version was there already",
    };
    let test = if event.test { ", a test" } else { "" };
    format!(
        "  {}, {version}, of {}, first seen at {}{test}: {counts}",
        event.kind,
        at(event.time),
        at(event.first_seen_at)
    )
}

fn opening(explained: &Explained, lines: &mut Vec<String>) {
    let cycle = explained.cycle.as_ref().map_or(String::new(), |cycle| format!(" (cycle {cycle})"));
    lines.push(String::new());
    lines.push(format!("{}{cycle}: {}", explained.opening, phase(explained)));
    let known = |moment: Option<DateTime<Utc>>| moment.map_or_else(|| "not known".to_owned(), at);
    lines.push(format!("  opens {}, closes {}", known(explained.opens_at), known(explained.closes_at)));
    for revision in &explained.revisions {
        let why = revision.close_reason.map_or(String::new(), |reason| format!(" ({})", name_of(&reason)));
        lines.push(format!(
            "  revision {}, written at {}: {}{why}, closes {}",
            revision.number,
            at(revision.recorded_at),
            name_of(&revision.state),
            known(revision.closes_at)
        ));
    }
    if let Some(moved) = explained.last_move_at {
        lines.push(format!("  the door last moved at {}", at(moved)));
    }
    if explained.old_news {
        lines.push("  the last news was old when it came: only that a door is open is still told".to_owned());
    }
    for unmapped in &explained.unmapped {
        lines.push(format!("  says {unmapped}, which the taxonomy does not know: it limits nobody"));
    }
    lines.extend(explained.searches.iter().flat_map(search));
    lines.extend(explained.registrations.iter().map(registration));
    if explained.searches.is_empty() && explained.registrations.is_empty() {
        lines.push("  no search and no registration that could ask for it".to_owned());
    }
    for mail in &explained.mails {
        lines.push(told(mail));
    }
    if let Some(alert) = &explained.alert {
        lines.extend(between(alert));
    }
    lines.push(format!("  the comparison says: {}", explained.comparison.meaning));
    for held in &explained.comparison.guards {
        lines.push(format!("  held until {}: {}", at(held.until), held.guard));
    }
    lines.push(format!("=> {}", explained.conclusion));
}

fn phase(explained: &Explained) -> String {
    let why = explained.close_reason.map_or(String::new(), |reason| format!(" ({})", name_of(&reason)));
    match explained.phase {
        Phase::Announced => "will open, nobody says when".to_owned(),
        Phase::Scheduled => "will open".to_owned(),
        Phase::Open => "is open".to_owned(),
        Phase::Closed if explained.close_reason.is_none() => "is closed (its time is up)".to_owned(),
        Phase::Closed => format!("is closed{why}"),
        Phase::Paused => "takes no applications for a while".to_owned(),
        Phase::Withdrawn => format!("is gone{why}"),
    }
}

fn search(search: &Search) -> Vec<String> {
    let verdict = match (search.matches, search.matched_what_was_told) {
        (true, _) => "asks for it",
        (false, Some(true)) => "asked for what they were told, and does not ask for it as it is now",
        (false, _) => "does not ask for it",
    };
    let mut lines = vec![format!("  search {:?} ({}) {verdict}", search.name, search.cadence)];
    for criterion in &search.criteria {
        let fits = if criterion.fits { "fits" } else { "DOES NOT FIT" };
        lines.push(format!(
            "    {}: asks {}; found {}: {fits}",
            criterion.name, criterion.asked, criterion.found
        ));
    }
    for unknown in &search.unknown {
        lines.push(format!("    names {unknown}, which the taxonomy does not know: it limits nothing"));
    }
    lines
}

fn registration(mine: &Registration) -> String {
    let standing = match mine.standing {
        Reach::Elsewhere => "this programme is not part of it",
        Reach::NotNow => "it reaches this programme, and does not hold on this day",
        Reach::Unmatched => "it reaches this programme, and matching has not looked at it yet",
        Reach::ByName => "this programme by name",
        Reach::ThroughTheTree => "this programme is part of it",
    };
    [
        format!("  registered for {} at {}", mine.programme, at(mine.registered_at)),
        any(mine.not_before, |from| format!(", not before {from}")),
        any(mine.valid_until, |last| format!(", until {last}")),
        format!(": {standing}"),
        if mine.answered { "; mails name this one" } else { "" }.to_owned(),
    ]
    .concat()
}

fn told(mail: &Told) -> String {
    let ended = match (&mail.outcome, mail.in_hand) {
        (Some(outcome), _) => outcome.clone(),
        (None, true) => "being sent".to_owned(),
        (None, false) => format!("waiting, after {} tries", mail.attempts),
    };
    [
        format!("  mail {}", mail.kind),
        any(mail.revision, |revision| format!(" of revision {revision}")),
        format!(", {}", mail.message_id),
        any(mail.claimed_at, |claimed| format!(", claimed at {}", at(claimed))),
        format!(": {ended}"),
        any(mail.finished_at, |finished| format!(" at {}", at(finished))),
        any(mail.reply.as_ref(), |reply| format!("; the mail server said: {reply}")),
    ]
    .concat()
}

fn between(alert: &Between) -> Vec<String> {
    let mut lines = Vec::new();
    if let (Some(revision), Some(phase)) = (alert.told_revision, &alert.told_phase) {
        let when = any(alert.told_at, |told| format!(" at {}", at(told)));
        lines.push(format!("  last told{when}: revision {revision}, {phase}"));
    }
    if let Some(outcome) = &alert.outcome {
        let left = |seconds| format!(", {} before the door shut", span(chrono::Duration::seconds(seconds)));
        let said = [
            format!("  promise: {outcome}"),
            any(alert.outcome_reason.as_ref(), |reason| format!(" ({reason})")),
            any(alert.outcome_at, |decided| format!(" at {}", at(decided))),
            any(alert.door_left_seconds, left),
            any(alert.date_told_at, |told| format!("; the date was told at {}", at(told))),
        ];
        lines.push(said.concat());
    }
    match (alert.due_at, &alert.ended) {
        (Some(due), _) => lines.push(format!("  the next word is due at {}", at(due))),
        (None, Some(ended)) => lines.push(format!("  ended without a word: {ended}")),
        (None, None) => {}
    }
    lines
}

/// What is said of something, if it is there.
fn any<T>(thing: Option<T>, say: impl FnOnce(T) -> String) -> String {
    thing.map_or_else(String::new, say)
}
