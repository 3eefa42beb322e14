//! The vacancies of the events.

use chrono::{DateTime, Duration, Utc};
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
    let event = json!({
        "specversion": "1.0",
        "id": format!("{reference}-1"),
        "source": "/careers/ats",
        "type": "vacancy.opened",
        "subject": format!("vacancy/{reference}"),
        "time": since.to_rfc3339(),
        "datacontenttype": "application/json",
        "entityversion": 1,
        "deploymentenv": "prod",
        "testevent": false,
        "data": data(reference, since),
    });
    Ok(("vacancy.opened".to_owned(), serde_json::to_vec(&event)?))
}

/// What the event says of the vacancy.
pub(crate) fn data(reference: &str, since: DateTime<Utc>) -> Value {
    let closes = (since + Duration::days(14)).date_naive();
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
