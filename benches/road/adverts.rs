//! The vacancies of the events.

use chrono::{DateTime, Duration, NaiveDate, Utc};
use serde_json::{Value, json};

/// What a vacancy is advertised with.
const DESCRIPTION: &str = "Be the first voice that people hear when they need us. As a contact handler in our \
    force control room you will answer emergency and other calls, find out what is happening, judge the \
    threat, harm and risk, and record it so that the right help reaches the right place. You will also answer \
    messages from our web chat and social media. No two shifts are the same: one call may be a lost dog, the \
    next one may save a life. We are looking for people who listen, stay calm, write clearly and make decisions \
    under pressure. You do not need experience in policing; you need good communication, confidence with \
    computers and care for people. Training takes sixteen weeks, full-time and on weekdays, in Birmingham; after \
    that you join a team that works earlies, lates and nights, with an allowance of up to twenty per cent on top \
    of the salary. We offer a career with room to grow, membership of the local government pension, flexible \
    working after your probation, a uniform and free parking. We want our workforce to look like the communities \
    that we serve, and welcome applications from everybody, in particular from people who are under-represented. \
    All appointments depend on vetting, references and a medical examination. The assessment has an online test, \
    a call simulation and an interview; adjustments are made on request.";

/// What an event about a vacancy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Says {
    /// It is open, and about a hundred thousand of a million searches ask for
    /// it.
    Open,
    /// It was open last year: true, and no news to anybody.
    OldNews,
}

/// The event that opens a vacancy: routing key and body.
pub(crate) fn event(reference: &str, says: Says, now: DateTime<Utc>) -> anyhow::Result<(String, Vec<u8>)> {
    let since = match says {
        // So long that the door has settled, and its first word is due.
        Says::Open => now - Duration::minutes(5),
        Says::OldNews => now - Duration::days(365),
    };
    about(reference, 1, "vacancy.opened", since, &data(reference, since))
}

/// An event about a vacancy: routing key and body.
pub(crate) fn about(
    reference: &str,
    version: u32,
    kind: &str,
    time: DateTime<Utc>,
    data: &Value,
) -> anyhow::Result<(String, Vec<u8>)> {
    let event = json!({
        "specversion": "1.0",
        "id": format!("{reference}-{version}"),
        "source": "/careers/ats",
        "type": kind,
        "subject": format!("vacancy/{reference}"),
        "time": time.to_rfc3339(),
        "datacontenttype": "application/json",
        "entityversion": version,
        "deploymentenv": "prod",
        "testevent": false,
        "data": data,
    });
    Ok((kind.to_owned(), serde_json::to_vec(&event)?))
}

/// That it closes at the end of another day.
pub(crate) fn corrected(closes: NaiveDate, time: DateTime<Utc>) -> Value {
    json!({
        "changes": [{ "field": "closing", "to": { "value": closes, "precision": "date" }, "material": true }],
        "effectiveAt": time.to_rfc3339(),
        "observedAt": time.to_rfc3339(),
    })
}

/// That it is shut.
pub(crate) fn closed(time: DateTime<Utc>) -> Value {
    json!({
        "reason": "oversubscribed",
        "closedAt": time.to_rfc3339(),
        "effectiveAt": time.to_rfc3339(),
        "observedAt": time.to_rfc3339(),
    })
}

/// What the event that opens the vacancy says of it, with two weeks to apply.
pub(crate) fn data(reference: &str, since: DateTime<Utc>) -> Value {
    closing_on((since + Duration::days(14)).date_naive(), reference, since)
}

/// The same with another last day.
pub(crate) fn closing_on(closes: NaiveDate, reference: &str, since: DateTime<Utc>) -> Value {
    json!({
        "posting": {
            "@context": "https://schema.org",
            "@type": "JobPosting",
            "identifier": { "@type": "PropertyValue", "name": "requisition", "value": reference },
            "title": "Contact Handler, Force Control Room",
            "description": DESCRIPTION,
            "hiringOrganization": { "@type": "Organization", "name": "West Midlands Police" },
            "datePosted": since.date_naive(),
            "validThrough": closes,
            "employmentType": ["FULL_TIME"],
            "url": format!("https://careers.force.example/jobs/{reference}"),
            "directApply": true,
        },
        "audience": ["public"],
        "roleFamily": "contact-control",
        "rank": null,
        "gradeText": "Scale 5",
        "payText": "£27,600 to £30,300 and shift allowance",
        "pay": { "currency": "GBP", "min": 27_600, "max": 30_300, "unit": "YEAR" },
        "contractKind": ["permanent"],
        "hours": ["full-time", "flexible"],
        "locations": ["birmingham"],
        "siteText": "Lloyd House",
        "closing": {
            "value": closes, "precision": "date", "policy": "end-of-day", "zone": "Europe/London",
        },
        "effectiveAt": since.to_rfc3339(),
        "observedAt": since.to_rfc3339(),
    })
}
