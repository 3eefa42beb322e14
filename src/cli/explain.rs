//! `explain`: why a person was told of something, or was not.
//!
//! It decides nothing itself: what the comparison says comes of the same code
//! and the same reads as at a claim.

mod conclusion;
mod opening;
mod words;

use std::collections::BTreeSet;
use std::io::BufRead;
use std::sync::Arc;

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::cli::explain::opening::Explained;
use crate::cli::{ledger, say};
use crate::config::Config;
use crate::daemon;
use crate::delivery::asking::{Asker, Library};
use crate::delivery::claim::Rules;
use crate::domain::age::Age;
use crate::domain::alert::Standing;
use crate::domain::breaker::State;
use crate::domain::email::EmailAddress;
use crate::domain::provider::Scope;
use crate::domain::subject::Subject;
use crate::domain::taxonomy::Taxonomy;
use crate::store::alerts::Due;
use crate::store::breakers;
use crate::store::explain::{self, Who};
use crate::store::ledger::Named;
use crate::store::stops::{self, Told};
use crate::store::subscribers::{self, Addressee};
use crate::store::{self, events, openings, retention};

/// Everything that bears on what one person was told of one subject.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    as_of: DateTime<Utc>,
    person: Person,
    subject: String,
    events: Vec<Event>,
    openings: Vec<Explained>,
    /// Why there is nothing, where there is no opening to explain.
    conclusion: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Person {
    public_id: Uuid,
    /// Masked.
    address: String,
    state: String,
    known_since: DateTime<Utc>,
    reachable: bool,
    unreachable_because: Option<&'static str>,
    tester: bool,
    discreet: bool,
    language: &'static str,
    /// Until when nothing that can wait is sent: a mail came back.
    slow_until: Option<DateTime<Utc>>,
    /// The latest first.
    came_back: Vec<Returned>,
    /// That nothing goes to the provider of their mailbox just now.
    provider_left_alone: Option<LeftAlone>,
    consents: Vec<Consent>,
    paused_searches: Vec<String>,
    /// The latest first.
    stops: Vec<Stop>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Returned {
    at: DateTime<Utc>,
    kind: String,
    weight: Option<String>,
    status: Option<String>,
    source: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LeftAlone {
    /// As `status` names it; none where that is the mail domain itself.
    provider: Option<String>,
    since: DateTime<Utc>,
    /// One mail finds out after this whether it takes mails again.
    until: DateTime<Utc>,
    reason: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Stop {
    at: DateTime<Utc>,
    scope: String,
    route: String,
    undone_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Consent {
    at: DateTime<Utc>,
    wording_version: String,
    source: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    version: Option<i64>,
    time: DateTime<Utc>,
    first_seen_at: DateTime<Utc>,
    test: bool,
    counts: Counts,
}

/// What an event did to the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Counts {
    /// It was the highest version when it came, or has none.
    Yes,
    /// A higher version was there; it counts in its place.
    Late,
    /// Its version was there already.
    No,
}

/// Prints the whole chain from the events to the mail, or to the reason why
/// there is none.
///
/// # Errors
///
/// When PostgreSQL is away, or the person or the subject is not known.
pub(super) async fn explain(
    config: &Config,
    person: &str,
    subject: &str,
    as_json: bool,
    now: DateTime<Utc>,
) -> anyhow::Result<()> {
    let taxonomy = Arc::new(daemon::taxonomy(config)?);
    let rules = Rules::new(config, Arc::clone(&taxonomy), config.smtp.from.address().domain());
    let typed = named(person)?;
    let mut connection = store::connect(config.database.url.expose()).await?;
    store::check_schema(&mut connection).await?;
    explain::stand_still(&mut connection).await?;
    let found = find(&mut connection, &typed).await?;
    let (subject, named) = about(&mut connection, subject, &taxonomy).await?;
    let keep_alerts = config.housekeeping.keep_alerts;
    let report = report(&mut connection, &rules, keep_alerts, &found, subject, &named, now).await?;
    if as_json {
        say(format_args!("{:#}", serde_json::to_value(&report)?));
    } else {
        for line in words::lines(&report) {
            say(line);
        }
    }
    Ok(())
}

/// Who is named on the command line, or by the first line of standard input.
pub(super) fn named(person: &str) -> anyhow::Result<String> {
    if person == "-" { first_line() } else { Ok(person.to_owned()) }
}

fn first_line() -> anyhow::Result<String> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).context("standard input cannot be read")?;
    Ok(line.trim().to_owned())
}

/// The person that the operator means. What was typed is not repeated.
pub(super) async fn find(connection: &mut PgConnection, typed: &str) -> anyhow::Result<explain::Person> {
    let lookup;
    let who = if let Ok(id) = typed.parse::<Uuid>() {
        Who::PublicId(id)
    } else {
        let address: EmailAddress = typed
            .parse()
            .map_err(|error| anyhow::anyhow!("PERSON is neither an address nor a public id: {error}"))?;
        lookup = address.lookup();
        Who::Address(&lookup)
    };
    explain::person(connection, who).await?.context(match who {
        Who::PublicId(_) => "nobody has this public id; it is the column public_id of the table subscribers",
        Who::Address(_) => "nobody has this address; they never signed up, or were erased",
    })
}

/// The subject that the operator means, and those of its openings.
async fn about(
    connection: &mut PgConnection,
    typed: &str,
    taxonomy: &Taxonomy,
) -> anyhow::Result<(String, Vec<Named>)> {
    let named = store::ledger::named(&mut *connection, typed).await?;
    if let (Some(first), Some(last)) = (named.first(), named.last()) {
        let subject = first.subject.clone();
        if last.subject != subject {
            bail!(
                "{typed} is the name of several things, such as {subject} and {}; write one of these",
                last.subject
            );
        }
        return Ok((subject, named));
    }
    // There may be events that no opening has come of, or nothing but people who wait for it.
    if let Ok(subject) = typed.parse::<Subject>() {
        let subject = subject.to_string();
        if !events::about(&mut *connection, std::slice::from_ref(&subject)).await?.is_empty() {
            return Ok((subject, vec![]));
        }
    }
    if let Some(node) = taxonomy.programmes().resolve(typed.strip_prefix("programme/").unwrap_or(typed)) {
        return Ok((format!("programme/{}", node.slug), vec![]));
    }
    let known = store::ledger::subjects(connection).await?;
    bail!("{}", ledger::unknown(typed, known.iter(), taxonomy))
}

async fn report(
    connection: &mut PgConnection,
    rules: &Rules,
    keep_alerts: Age,
    found: &explain::Person,
    subject: String,
    named: &[Named],
    now: DateTime<Utc>,
) -> anyhow::Result<Report> {
    let addressees = subscribers::addressees(&mut *connection, &[found.id], true).await?;
    let addressee = addressees.first().context(
        "this person's row cannot be read, so nothing is sent to them; the log line above says what is wrong with it",
    )?;
    let keys: Vec<i64> = named.iter().map(|named| named.id).collect();
    let alerts = explain::alerts(&mut *connection, found.id, &keys).await?;
    let due: Vec<Due> = keys
        .iter()
        .map(|key| {
            let alert = alerts.iter().find(|alert| alert.opening_id == *key);
            Due {
                subscriber_id: found.id,
                opening_id: *key,
                due_at: alert.and_then(|alert| alert.due_at).unwrap_or(now),
                told_revision: alert.and_then(|alert| alert.told_revision),
                told_phase: alert.and_then(|alert| alert.told_phase.clone()),
                told_at: alert.and_then(|alert| alert.told_at),
                told_message_id: alert.and_then(|alert| alert.told_message_id.clone()),
                told_thread: alert.and_then(|alert| alert.told_thread.clone()),
                reminded: alert.is_some_and(|alert| alert.reminded),
            }
        })
        .collect();
    let library = Library::read(&mut *connection, &due, &rules.taxonomy, &rules.shelf).await?;
    let revisions = explain::revisions(&mut *connection, &keys).await?;
    let each: Vec<(i64, i32)> =
        revisions.iter().map(|(opening, revision, _)| (*opening, *revision)).collect();
    let said = person(&mut *connection, rules, found, addressee, now).await?;
    let told = opening::Chain {
        rules,
        person: found.id,
        addressee,
        asker: Asker::new(addressee, rules, now),
        unreachable_because: said.unreachable_because,
        library,
        unmatched: explain::unmatched_registrations(&mut *connection, found.id).await?,
        progress: explain::progress(&mut *connection, &keys).await?,
        truths: openings::truths(&mut *connection, &each).await?,
        revisions,
        mails: explain::mails(&mut *connection, found.id, &keys).await?,
        forgotten: retention::over_before(&mut *connection, &keys, keep_alerts.before(now)).await?,
        keep_alerts,
        alerts,
        now,
    };
    let openings: Vec<Explained> = due.iter().filter_map(|due| told.explain(due)).collect();
    let events = history(events::about(&mut *connection, std::slice::from_ref(&subject)).await?);
    let conclusion = openings.is_empty().then(|| {
        if !named.is_empty() {
            "No mail, because what is kept of it cannot be read; the log lines above say what is wrong with it."
        } else if events.is_empty() {
            "No mail, because no event about it has come."
        } else {
            "No mail, because the events about it have not opened, scheduled or announced anything yet."
        }
        .to_owned()
    });
    Ok(Report { as_of: now, person: said, subject, events, openings, conclusion })
}

async fn person(
    connection: &mut PgConnection,
    rules: &Rules,
    found: &explain::Person,
    addressee: &Addressee,
    now: DateTime<Utc>,
) -> anyhow::Result<Person> {
    let consents = explain::consents(&mut *connection, found.id).await?;
    let unreachable_because = (!addressee.reachable).then_some(match found.state.as_str() {
        "active" if consents.is_empty() => "it is not on record that they agreed to anything",
        "unconfirmed" => "they have not confirmed their address",
        "suppressed" => "mail to them bounced or was complained about, or they are on the list of those never to be written to",
        "lapsed" => "they did not answer when they were asked whether they still want to hear",
        "stopped" => "they said stop to everything",
        _ => "of their state",
    });
    Ok(Person {
        public_id: addressee.public_id,
        address: masked(&addressee.address),
        state: found.state.clone(),
        known_since: found.created_at,
        reachable: addressee.reachable,
        unreachable_because,
        tester: rules.standing(addressee) == Standing::Tester,
        discreet: addressee.discreet,
        language: addressee.language.tag(),
        slow_until: addressee.slow_until.filter(|until| *until > now),
        came_back: explain::returns(&mut *connection, found.id)
            .await?
            .into_iter()
            .map(|it| Returned {
                at: it.at,
                kind: it.kind,
                weight: it.weight,
                status: it.status,
                source: it.source,
            })
            .collect(),
        provider_left_alone: left_alone(&mut *connection, found.id, addressee).await?,
        consents: consents
            .into_iter()
            .map(|consent| Consent {
                at: consent.given_at,
                wording_version: consent.wording_version,
                source: consent.source,
            })
            .collect(),
        paused_searches: explain::paused_searches(&mut *connection, found.id).await?,
        stops: stops::of_person(connection, found.id)
            .await?
            .into_iter()
            .map(|Told { at, scope, route, undone_at }| Stop { at, scope, route, undone_at })
            .collect(),
    })
}

/// Whether nothing goes to the provider of a person's mailbox just now, as far as mails to it tell whose it is.
async fn left_alone(
    connection: &mut PgConnection,
    person: i64,
    addressee: &Addressee,
) -> anyhow::Result<Option<LeftAlone>> {
    let domain = addressee.address.domain();
    let provider = explain::provider(&mut *connection, person).await?.unwrap_or_else(|| domain.to_owned());
    let scope = Scope::Provider(&provider).to_string();
    let breaker = breakers::all(connection).await?.into_iter().find(|kept| kept.scope == scope);
    Ok(breaker.and_then(|kept| match kept.breaker.state {
        State::Closed => None,
        State::Open { until } | State::Probing { until } => Some(LeftAlone {
            // A domain of its own would say who they are.
            provider: (provider != domain).then_some(provider),
            since: kept.changed_at,
            until,
            reason: kept.reason,
        }),
    }))
}

/// `a***@e***.org`: enough to see that it is the right person.
fn masked(address: &EmailAddress) -> String {
    let (name, end) = address.domain().rsplit_once('.').unwrap_or((address.domain(), ""));
    let first = |text: &str| text.chars().next().unwrap_or('*');
    format!("{}***@{}***.{end}", first(address.local()), first(name))
}

/// Which events counted, in order of arrival.
fn history(events: Vec<events::Event>) -> Vec<Event> {
    let mut seen: BTreeSet<i64> = BTreeSet::new();
    events
        .into_iter()
        .map(|event| {
            let counts = match event.version {
                Some(version) if seen.contains(&version) => Counts::No,
                Some(version) if seen.last().is_some_and(|highest| version < *highest) => Counts::Late,
                _ => Counts::Yes,
            };
            seen.extend(event.version);
            Event {
                kind: event.kind,
                version: event.version,
                time: event.time,
                first_seen_at: event.received_at,
                test: event.test,
                counts,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_masked_on_both_sides() {
        assert_eq!(masked(&"ann.lee@mail.example.org".parse().unwrap()), "a***@m***.org");
    }

    #[test]
    fn lower_and_equal_versions_are_told_apart() {
        let event = |version: Option<i64>| events::Event {
            id: 0,
            source: "/s".to_owned(),
            event_id: "1".to_owned(),
            kind: "vacancy.opened".to_owned(),
            subject: "vacancy/1".to_owned(),
            version,
            time: DateTime::UNIX_EPOCH,
            received_at: DateTime::UNIX_EPOCH,
            test: false,
            data: serde_json::Value::Null,
        };
        let counts: Vec<Counts> = history([Some(3), Some(1), Some(3), None, Some(4)].map(event).to_vec())
            .into_iter()
            .map(|event| event.counts)
            .collect();
        assert_eq!(counts, [Counts::Yes, Counts::Late, Counts::No, Counts::Yes, Counts::Yes]);
    }
}
