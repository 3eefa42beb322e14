//! JSON that says each thing once: a member that occurs twice is refused,
//! because two readers would believe two different events.

use std::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::intake::verdict::{Reason, Rejection};

const TWICE: &str = "a member occurs twice";

/// Parses one JSON text. Nesting is limited to 128 levels.
///
/// # Errors
///
/// [`Reason::DuplicateKey`] or [`Reason::NotJson`], with line and column.
pub fn parse(text: &[u8]) -> Result<Value, Rejection> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    Once.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value)).map_err(
        |error| {
            let place = format!("line {}, column {}", error.line(), error.column());
            if error.to_string().starts_with(TWICE) {
                Reason::DuplicateKey.because(format!("{TWICE} in one object, at {place}"))
            } else {
                Reason::NotJson.because(format!("the body is not JSON, at {place}"))
            }
        },
    )
}

/// No text that people read has a NUL in it, and Postgres keeps none.
fn without_nul(text: &str) -> String {
    text.replace('\0', "")
}

/// A value all of whose objects have different members.
struct Once;

impl<'de> DeserializeSeed<'de> for Once {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Once {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(without_nul(value).into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(Once)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(Once)?;
            if object.insert(without_nul(&name), value).is_some() {
                return Err(A::Error::custom(TWICE));
            }
        }
        Ok(Value::Object(object))
    }
}
