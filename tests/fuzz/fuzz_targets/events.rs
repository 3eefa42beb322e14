//! From the octets of messages to the truth: several messages, with a zero octet between each.

#![no_main]

use chrono::{DateTime, Duration, Utc};
use jobalerts::domain::history::{self, Event, Position};
use jobalerts::intake::cloudevents::{self, Message};
use jobalerts::intake::wire::{self, Reading};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    let reading = Reading { zone: chrono_tz::Europe::London };
    let now = DateTime::<Utc>::UNIX_EPOCH + Duration::days(20_000);
    let mut events = Vec::new();
    let mut kind_of_all = None;
    for (id, body) in (1..).zip(octets.split(|octet| *octet == 0)) {
        let message = Message { body: body.to_vec(), ..Message::default() };
        let envelope = match cloudevents::read(&message) {
            Ok(envelope) => envelope,
            Err(rejection) => {
                // It stands in a header and in the log.
                assert!(!rejection.detail.contains(['\r', '\n']), "{rejection}");
                continue;
            }
        };
        let Ok(happening) = wire::happening(&envelope.kind, &envelope.data, &reading) else { continue };
        let Ok(effective_at) = wire::effective_at(&envelope.kind, &envelope.data) else { continue };
        let kind = wire::subject_of(&envelope.kind).expect("what is read is about something");
        // Events about one subject are of one kind.
        if *kind_of_all.get_or_insert(kind) != kind {
            continue;
        }
        let time = envelope.time.unwrap_or(now);
        events.push(Event {
            id,
            position: Position { version: envelope.version, time },
            effective_at: effective_at.unwrap_or(time),
            seen_at: now,
            test: envelope.test,
            zone: reading.zone,
            happening,
        });
    }
    if let Some(kind) = kind_of_all {
        let once = history::openings(kind, &events, Duration::minutes(30));
        assert_eq!(once, history::openings(kind, &events, Duration::minutes(30)));
    }
});
