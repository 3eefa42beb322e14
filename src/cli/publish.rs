//! `publish`: events to the exchange.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::cli::check::counted;
use crate::cli::say;
use crate::config::Config;
use crate::intake::queue::Session;

/// Events whose confirms are awaited together.
const PUBLISHED_TOGETHER: usize = 1_000;

/// Publishes the events in the files, in order, as they stand there.
///
/// # Errors
///
/// When a file is not JSON events (then nothing of any file is sent), or the
/// broker does not confirm.
pub(super) async fn publish(config: Config, files: &[PathBuf], unchecked: bool) -> anyhow::Result<()> {
    let mut events = Vec::new();
    for file in files {
        let bytes = read(file).with_context(|| format!("{} cannot be read", file.display()))?;
        if unchecked {
            events.push((routing_key(&bytes).unwrap_or_else(|| "unknown".to_owned()), bytes));
        } else {
            let found = split(&bytes)
                .with_context(|| format!("{}: expected CloudEvents as JSON objects", file.display()))?;
            events.extend(found);
        }
    }
    let session = Session::open(&config.amqp).await?;
    for together in events.chunks(PUBLISHED_TOGETHER) {
        session.publish(together).await?;
    }
    say(format_args!("{} published to {}", counted(events.len(), "event"), config.amqp.exchange));
    Ok(())
}

fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    if file.as_os_str() == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes)?;
        Ok(bytes)
    } else {
        std::fs::read(file)
    }
}

/// The events in a text, with the octets they are written in.
fn split(bytes: &[u8]) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    let mut events = Vec::new();
    for value in serde_json::Deserializer::from_slice(bytes).into_iter::<&RawValue>() {
        let value = value?.get();
        let several: Vec<&RawValue> = if value.starts_with('[') {
            serde_json::from_str(value)?
        } else {
            vec![serde_json::from_str(value)?]
        };
        for event in several {
            let octets = event.get().as_bytes();
            let routing_key = routing_key(octets).context("an event has no \"type\" that is a text")?;
            events.push((routing_key, octets.to_vec()));
        }
    }
    anyhow::ensure!(!events.is_empty(), "there is no event in it");
    Ok(events)
}

/// The routing key of an event is its type.
fn routing_key(event: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Typed {
        r#type: String,
    }
    let typed: Typed = serde_json::from_slice(event).ok()?;
    (1..=255).contains(&typed.r#type.len()).then_some(typed.r#type)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Vec<String> {
        split(text.as_bytes()).unwrap().into_iter().map(|(key, _)| key).collect()
    }

    #[test]
    fn one_several_or_a_list() {
        assert_eq!(keys(r#"{"type":"a"}"#), ["a"]);
        assert_eq!(keys("{\"type\":\"a\"}\n{\"type\":\"b\"}\n"), ["a", "b"]);
        assert_eq!(keys(r#" [ {"type":"a"}, {"type":"b"} ] "#), ["a", "b"]);
        let twice = r#"{"type":"a", "data":{"x":1,"x":2}}"#;
        assert_eq!(split(twice.as_bytes()).unwrap()[0].1, twice.as_bytes(), "as it stands in the file");
    }

    #[test]
    fn what_is_no_event_is_not_sent() {
        for text in ["", "[]", "garbage", "{}", r#"{"type":7}"#, r#"{"type":"a"} garbage"#] {
            assert!(split(text.as_bytes()).is_err(), "{text}");
        }
    }
}
