//! What was written, before anybody asks what it means.

use std::collections::BTreeMap;
use std::fmt;

use toml::de::DeValue;

/// One value as it stands in the file, in the environment, or as a default in the program.
#[derive(Clone)]
pub(super) enum Written {
    /// A text without a type, from the environment or a default: whoever reads it decides.
    Bare(String),
    /// A text in quotes.
    Text(String),
    /// A whole number.
    Number(i64),
    /// `true` or `false`.
    Switch(bool),
    /// `[..]`.
    List(Vec<Written>),
    /// `{..}`, or a section.
    Table(BTreeMap<String, Written>),
    /// Something that no setting is: a date, a fraction.
    Other(&'static str),
}

impl Written {
    pub(super) fn bare(text: &str) -> Self {
        Self::Bare(text.to_owned())
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Bare(text) | Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn number(&self) -> Option<i64> {
        match self {
            Self::Bare(text) => text.trim().parse().ok(),
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn switch(&self) -> Option<bool> {
        match self {
            Self::Bare(text) => text.trim().parse().ok(),
            Self::Switch(on) => Some(*on),
            _ => None,
        }
    }

    /// The items of a list. A bare text is TOML's `["a", "b"]` or simply `a, b`.
    pub(super) fn list(&self) -> Option<Vec<Self>> {
        match self {
            Self::List(items) => Some(items.clone()),
            Self::Bare(text) if text.trim_start().starts_with('[') => {
                match DeValue::parse(text.trim()).ok()?.get_ref().into() {
                    Self::List(items) => Some(items),
                    _ => None,
                }
            }
            Self::Bare(text) => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                Some(items.map(Self::bare).collect())
            }
            _ => None,
        }
    }
}

impl Written {
    /// The keys of a table. A bare text is TOML's `{ a = 1 }`.
    pub(super) fn table(&self) -> Option<BTreeMap<String, Self>> {
        match self {
            Self::Table(keys) => Some(keys.clone()),
            Self::Bare(text) if text.trim_start().starts_with('{') => {
                match DeValue::parse(text.trim()).ok()?.get_ref().into() {
                    Self::Table(keys) => Some(keys),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

impl From<&DeValue<'_>> for Written {
    fn from(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.to_string()),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or(Self::Other("a number out of range"), Self::Number),
            DeValue::Boolean(on) => Self::Switch(*on),
            DeValue::Array(items) => Self::List(items.iter().map(|item| item.get_ref().into()).collect()),
            DeValue::Float(_) => Self::Other("a fraction"),
            DeValue::Datetime(_) => Self::Other("a date or time"),
            DeValue::Table(keys) => Self::Table(
                keys.iter().map(|(key, value)| (key.get_ref().to_string(), value.get_ref().into())).collect(),
            ),
        }
    }
}

/// As a message quotes it: short, and on one line.
impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 60;
        match self {
            Self::Bare(text) | Self::Text(text) => match text.char_indices().nth(LONGEST) {
                Some((end, _)) => write!(f, "{:?}...", &text[..end]),
                None => write!(f, "{text:?}"),
            },
            Self::Number(number) => write!(f, "{number}"),
            Self::Switch(on) => write!(f, "{on}"),
            Self::List(_) => f.write_str("a list"),
            Self::Table(_) => f.write_str("a section"),
            Self::Other(kind) => f.write_str(kind),
        }
    }
}

/// Why something written has no meaning.
pub(super) struct Wrong {
    message: String,
    /// Whether the message may repeat what was written; not so for secrets and addresses.
    quotes: bool,
}

impl Wrong {
    /// A mistake in something that must not be repeated in a log, or that the message holds already.
    pub(super) fn unquoted(message: impl Into<String>) -> Self {
        Self { message: message.into(), quotes: false }
    }

    /// The whole message about `written`.
    pub(super) fn about(self, written: &Written) -> String {
        if self.quotes { format!("{}, found {written}", self.message) } else { self.message }
    }
}

impl<T: Into<String>> From<T> for Wrong {
    fn from(message: T) -> Self {
        Self { message: message.into(), quotes: true }
    }
}
