//! What a request to stop says, in either of the encodings that RFC 8058, section 3.1, asks for.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{self, Body, Bytes};
use axum::http::{HeaderMap, header};
use futures_util::stream;
use multer::Multipart;
use url::form_urlencoded;

use crate::domain::stop::Scope;

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// What the button of a mail program means (RFC 8058).
    OneClick,
    /// This much, on our page.
    Scope(Scope),
    /// Nothing that we know.
    Nothing,
}

impl Asked {
    /// By the fields of a form; others are passed over.
    fn of<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut asked = Self::Nothing;
        for (name, value) in fields {
            if name.eq_ignore_ascii_case("List-Unsubscribe") && value.trim().eq_ignore_ascii_case("One-Click")
            {
                return Self::OneClick;
            }
            if name == "scope"
                && let Some(scope) = Scope::named(value)
            {
                asked = Self::Scope(scope);
            }
        }
        asked
    }
}

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    TooLarge,
    TooSlow,
}

/// Reads a body of at most so many octets, within a time.
pub(super) async fn octets(body: Body, most: usize, within: Duration) -> Result<Bytes, Unread> {
    let read = tokio::time::timeout(within, body::to_bytes(body, most)).await;
    // Where the line broke instead, nobody hears the answer.
    read.map_err(|_| Unread::TooSlow)?.map_err(|_| Unread::TooLarge)
}

/// Whether a request says of itself that its body is larger than this.
pub(super) fn says_larger(headers: &HeaderMap, most: usize) -> bool {
    let length =
        headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    length.is_some_and(|length| usize::try_from(length).is_ok_and(|length| length > most))
}

/// What a body asks for. One that is no form asks for nothing.
pub(super) async fn asked(headers: &HeaderMap, octets: Bytes) -> Asked {
    let content_type =
        headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let Ok(boundary) = multer::parse_boundary(content_type) else {
        let fields: Vec<_> = form_urlencoded::parse(&octets).collect();
        return Asked::of(fields.iter().map(|(name, value)| (&**name, &**value)));
    };
    let mut parts = Multipart::new(stream::iter([Ok::<_, Infallible>(octets)]), boundary);
    let mut fields = Vec::new();
    while let Ok(Some(part)) = parts.next_field().await {
        let name = part.name().unwrap_or_default().to_owned();
        let Ok(value) = part.bytes().await else { break };
        fields.push((name, String::from_utf8_lossy(&value).into_owned()));
    }
    Asked::of(fields.iter().map(|(name, value)| (name.as_str(), value.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(content_type: &str, body: &str) -> Asked {
        let mut headers = HeaderMap::new();
        if !content_type.is_empty() {
            headers.insert(header::CONTENT_TYPE, content_type.parse().unwrap());
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(asked(&headers, Bytes::from(body.to_owned())))
    }

    const FORM: &str = "application/x-www-form-urlencoded";
    const PARTS: &str = "multipart/form-data; boundary=\"--x y\"";

    fn part(name: &str, value: &str) -> String {
        format!("----x y\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    }

    /// H05: both encodings, and fields that we do not know.
    #[test]
    fn both_encodings_are_read() {
        for (body, asked) in [
            ("List-Unsubscribe=One-Click", Asked::OneClick),
            ("a=b&list-unsubscribe=one-click&scope=these", Asked::OneClick),
            ("scope=these", Asked::Scope(Scope::These)),
            ("x=1&scope=all&y", Asked::Scope(Scope::All)),
            ("scope=everything", Asked::Nothing),
            ("List-Unsubscribe=Two-Clicks", Asked::Nothing),
            ("", Asked::Nothing),
        ] {
            for content_type in [FORM, "application/x-www-form-urlencoded; charset=UTF-8", ""] {
                assert_eq!(read(content_type, body), asked, "{content_type} {body}");
            }
            let parts: String = form_urlencoded::parse(body.as_bytes()).map(|(n, v)| part(&n, &v)).collect();
            assert_eq!(read(PARTS, &format!("{parts}----x y--\r\n")), asked, "{body}");
        }
    }

    /// What follows the field that says it all is not waited for.
    #[test]
    fn a_form_that_ends_early_still_says_what_it_said() {
        assert_eq!(read(PARTS, &(part("List-Unsubscribe", "One-Click") + "----x y")), Asked::OneClick);
        assert_eq!(read(PARTS, "nonsense"), Asked::Nothing);
        assert_eq!(read("multipart/form-data", "List-Unsubscribe=One-Click"), Asked::OneClick);
    }

    proptest! {
        #[test]
        fn no_body_breaks_it(body: Vec<u8>, multipart: bool) {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, if multipart { PARTS } else { FORM }.parse().unwrap());
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(asked(&headers, Bytes::from(body)));
        }
    }
}
