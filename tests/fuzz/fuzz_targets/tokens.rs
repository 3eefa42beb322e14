//! What stands in links and return paths: nothing is taken that we did not sign, for nothing but its purpose,
//! and what we signed is taken as it was and not changed in a single bit.

#![no_main]

use arbitrary::Arbitrary;
use chrono::{DateTime, TimeDelta, Utc};
use jobalerts::domain::token::{Purpose, StopToken, TokenKeys};
use libfuzzer_sys::fuzz_target;

const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

#[derive(Debug, Arbitrary)]
struct Tried<'a> {
    purpose: u8,
    subject: &'a [u8],
    expires: u32,
    /// Another character at some place of a good token.
    place: usize,
    character: u8,
    /// Something that nobody signed.
    text: &'a str,
}

fuzz_target!(|tried: Tried<'_>| {
    let keys = TokenKeys::parse(KEY).expect("a key");
    let now = DateTime::<Utc>::UNIX_EPOCH;
    for purpose in Purpose::ALL {
        assert!(keys.verify(purpose, tried.text, now).is_err(), "nobody guesses 128 bits");
    }
    assert!(StopToken::verify(tried.text, &keys, now).is_err());
    assert!(keys.bounced(tried.text, now).is_err() && keys.undone(tried.text, now).is_err());

    let purpose = Purpose::ALL[usize::from(tried.purpose) % Purpose::ALL.len()];
    let expires = now + TimeDelta::seconds(i64::from(tried.expires) + 1);
    let token = keys.sign(purpose, tried.subject, (purpose == Purpose::Undo).then_some(expires));
    assert_eq!(keys.verify(purpose, &token, now).as_deref(), Ok(tried.subject));
    // Mail servers may fold their case.
    assert_eq!(keys.verify(purpose, &token.to_ascii_uppercase(), now).as_deref(), Ok(tried.subject));
    for other in Purpose::ALL.into_iter().filter(|other| *other != purpose) {
        assert!(keys.verify(other, &token, now).is_err(), "{other:?}");
    }
    let mut changed = token.clone().into_bytes();
    let place = tried.place % changed.len();
    changed[place] = tried.character & 0x7f;
    let changed = String::from_utf8(changed).expect("ASCII");
    if !changed.eq_ignore_ascii_case(&token) {
        assert!(keys.verify(purpose, &changed, now).is_err(), "{changed}");
    }
});
