//! From a message to a CloudEvents 1.0.2 envelope, in both content modes of
//! the AMQP binding. That binding is written for AMQP 1.0; on RabbitMQ's 0-9-1
//! its application properties are the message's headers.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, Utc};
use serde_json::Value;

pub use crate::broker::Message;
use crate::domain::local_time::is_plausible_year;
use crate::intake::json;
use crate::intake::verdict::{Reason, Rejection};

/// What every event has, whatever it is about.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope {
    /// Who says so (a URI reference).
    pub source: String,
    /// Unique within the source.
    pub id: String,
    /// What happened: `vacancy.opened`.
    pub kind: String,
    /// To what: `vacancy/230000P0`.
    pub subject: Option<String>,
    /// When, if the source says.
    pub time: Option<DateTime<Utc>>,
    /// Rises with each event about one subject, if the source counts.
    pub version: Option<i64>,
    /// Which deployment it was made for, if the source says.
    pub environment: Option<String>,
    /// Made only to try the road.
    pub test: bool,
    /// What it says.
    pub data: Value,
}

/// Larger messages are not read.
pub const LARGEST_MESSAGE: usize = 256 * 1024;

const STRUCTURED: &str = "application/cloudevents";
const PREFIXES: [&str; 2] = ["cloudEvents:", "cloudEvents_"];

/// Reads the envelope of a message.
///
/// # Errors
///
/// Why the message is not an event, for the dead-letter queue.
pub fn read(message: &Message) -> Result<Envelope, Rejection> {
    if message.body.len() > LARGEST_MESSAGE {
        return Err(
            Reason::TooLarge.because(format!("{} octets; at most {LARGEST_MESSAGE}", message.body.len()))
        );
    }
    let content_type = message.content_type.as_deref().unwrap_or_default().trim().to_ascii_lowercase();
    if let Some(format) = content_type.strip_prefix(STRUCTURED) {
        if !(format.starts_with("+json") || format.is_empty() || format.starts_with(';')) {
            return Err(Reason::Envelope.because("content type: only application/cloudevents+json is read"));
        }
        return structured(&message.body);
    }
    let binary = message.headers.keys().any(|name| PREFIXES.iter().any(|prefix| name.starts_with(prefix)));
    if binary { in_binary_mode(message, &content_type) } else { structured(&message.body) }
}

fn structured(body: &[u8]) -> Result<Envelope, Rejection> {
    let Value::Object(mut members) = json::parse(body)? else {
        return Err(Reason::Envelope.because("the body is not a JSON object"));
    };
    members.retain(|_, value| !value.is_null());
    if members.contains_key("data_base64") {
        return Err(Reason::Envelope.because("data_base64: data must be JSON in `data`"));
    }
    let data = members.remove("data").unwrap_or(Value::Null);
    let mut attributes = BTreeMap::new();
    for (name, value) in members {
        let text = match value {
            Value::String(text) => text,
            Value::Bool(truth) => truth.to_string(),
            Value::Number(number) => number.to_string(),
            _ => {
                return Err(Reason::Envelope
                    .because(format!("{}: an attribute is a text, a number or a truth value", clip(&name))));
            }
        };
        attributes.insert(name, text);
    }
    envelope(&attributes, data)
}

fn in_binary_mode(message: &Message, content_type: &str) -> Result<Envelope, Rejection> {
    let mut attributes = BTreeMap::new();
    let mut prefixes = Vec::new();
    for (name, value) in &message.headers {
        for prefix in PREFIXES {
            if let Some(attribute) = name.strip_prefix(prefix) {
                attributes.insert(attribute.to_owned(), value.clone());
                prefixes.push(prefix);
            }
        }
    }
    if prefixes.iter().any(|prefix| *prefix != prefixes[0]) {
        return Err(Reason::Envelope.because("headers: both cloudEvents: and cloudEvents_ in one message"));
    }
    if !content_type.is_empty() {
        attributes.insert("datacontenttype".to_owned(), content_type.to_owned());
    }
    envelope(&attributes, json::parse(&message.body)?)
}

fn envelope(attributes: &BTreeMap<String, String>, data: Value) -> Result<Envelope, Rejection> {
    let wrong = |name: &str, expected: &str| Reason::Envelope.because(format!("{name}: expected {expected}"));
    let required = |name: &str| {
        attributes
            .get(name)
            .filter(|value| {
                !value.trim().is_empty() && value.len() <= 512 && !value.contains(char::is_control)
            })
            .cloned()
            .ok_or_else(|| wrong(name, "a text of 1 to 512 octets, without control characters"))
    };
    if required("specversion")? != "1.0" {
        return Err(wrong("specversion", "\"1.0\""));
    }
    if let Some(media) = attributes.get("datacontenttype") {
        let media = media.split(';').next().unwrap_or_default().trim();
        if media != "application/json" && !media.ends_with("+json") {
            return Err(wrong("datacontenttype", "application/json"));
        }
    }
    let time = attributes
        .get("time")
        .map(|time| {
            let time = DateTime::parse_from_rfc3339(time).ok().map(|time| time.with_timezone(&Utc));
            time.filter(|time| is_plausible_year(time.year()))
                .ok_or_else(|| wrong("time", "a time as in RFC 3339"))
        })
        .transpose()?;
    let version = attributes
        .get("entityversion")
        .map(|version| version.parse().ok().filter(|version| *version >= 0))
        .map(|version| version.ok_or_else(|| wrong("entityversion", "a whole number")))
        .transpose()?;
    let test = match attributes.get("testevent").map(String::as_str) {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(wrong("testevent", "true or false")),
    };
    Ok(Envelope {
        source: required("source")?,
        id: required("id")?,
        kind: required("type")?,
        subject: attributes.get("subject").cloned(),
        time,
        version,
        environment: attributes.get("deploymentenv").cloned(),
        test,
        data,
    })
}

/// Enough of a name from outside to find it, and no more.
fn clip(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn structured_message(body: &str) -> Message {
        Message {
            content_type: Some("application/cloudevents+json; charset=utf-8".into()),
            body: body.into(),
            ..Message::default()
        }
    }

    fn binary_message(prefix: &str, headers: &[(&str, &str)], body: &str) -> Message {
        Message {
            content_type: Some("application/json".into()),
            headers: headers
                .iter()
                .map(|(name, value)| (format!("{prefix}{name}"), (*value).to_owned()))
                .collect(),
            body: body.into(),
        }
    }

    const GOOD: [(&str, &str); 8] = [
        ("specversion", "1.0"),
        ("id", "1"),
        ("source", "/ats"),
        ("type", "vacancy.opened"),
        ("subject", "vacancy/1"),
        ("time", "2024-01-01T00:00:00Z"),
        ("entityversion", "7"),
        ("testevent", "true"),
    ];

    #[test]
    fn both_modes_say_the_same() {
        let body = r#"{"specversion":"1.0","id":"1","source":"/ats","type":"vacancy.opened","subject":"vacancy/1",
            "time":"2024-01-01T00:00:00Z","entityversion":7,"testevent":true,"deploymentenv":null,"data":{"a":"1"}}"#;
        let expected = read(&structured_message(body)).unwrap();
        for prefix in PREFIXES {
            assert_eq!(read(&binary_message(prefix, &GOOD, r#"{"a":"1"}"#)).unwrap(), expected);
        }
        assert_eq!(expected.version, Some(7));
        assert!(expected.test);
        let bare = Message { body: body.into(), ..Message::default() };
        assert_eq!(read(&bare).unwrap(), expected, "a plain JSON body is taken as structured");
    }

    #[test]
    fn what_is_no_event_says_why() {
        let without =
            |name: &str| -> Vec<(&str, &str)> { GOOD.into_iter().filter(|(n, _)| *n != name).collect() };
        for missing in ["specversion", "id", "source", "type"] {
            let rejection = read(&binary_message("cloudEvents_", &without(missing), "{}")).unwrap_err();
            assert_eq!(rejection.reason, Reason::Envelope);
            assert!(rejection.detail.starts_with(missing), "{}", rejection.detail);
        }
        let mut mixed = binary_message("cloudEvents_", &GOOD, "{}");
        mixed.headers.insert("cloudEvents:source".into(), "/ats".into());
        assert_eq!(read(&mixed).unwrap_err().reason, Reason::Envelope);
        let avro =
            Message { content_type: Some("application/cloudevents+avro".into()), ..Message::default() };
        assert_eq!(read(&avro).unwrap_err().reason, Reason::Envelope);
        let large = Message { body: vec![b' '; LARGEST_MESSAGE + 1], ..Message::default() };
        assert_eq!(read(&large).unwrap_err().reason, Reason::TooLarge);
        for (body, reason) in [
            ("", Reason::NotJson),
            ("{", Reason::NotJson),
            ("[]", Reason::Envelope),
            (r#"{"id":"1","id":"2"}"#, Reason::DuplicateKey),
            (
                r#"{"specversion":"1.0","id":"1","source":"s","type":"t","data":{"a":{"b":1,"b":2}}}"#,
                Reason::DuplicateKey,
            ),
            (r#"{"specversion":"0.3","id":"1","source":"s","type":"t"}"#, Reason::Envelope),
            (r#"{"specversion":"1.0","id":"1","source":"s","type":"t","time":"today"}"#, Reason::Envelope),
            (
                r#"{"specversion":"1.0","id":"1","source":"s","type":"t","entityversion":"-1"}"#,
                Reason::Envelope,
            ),
            (
                r#"{"specversion":"1.0","id":"1","source":"s","type":"t","data_base64":"aGk="}"#,
                Reason::Envelope,
            ),
        ] {
            assert_eq!(read(&structured_message(body)).unwrap_err().reason, reason, "{body}");
        }
    }

    proptest! {
        #[test]
        fn garbage_is_a_verdict_not_a_panic(body in any::<Vec<u8>>(), content_type in proptest::option::of(".{0,40}"),
            headers in proptest::collection::btree_map("(cloudEvents[:_])?[a-z]{1,12}", ".{0,20}", 0..6)) {
            let _ = read(&Message { content_type, headers, body });
        }
    }
}
