//! Invented people who registered for a programme.

use serde_json::json;

/// What all of them registered for.
pub(crate) const PROGRAMME: &str = "pc-dhep";
/// The event that it is open.
pub(crate) const OPENED: &str = "tests/golden/events/10-programme-opened-dhep.json";
/// Their mailboxes are with these providers.
const DOMAINS: [&str; 3] = ["example.org", "example.net", "example.com"];

/// Their addresses.
pub(crate) fn addresses(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("person-{number:06}@{}", DOMAINS[number % DOMAINS.len()])).collect()
}

/// What is imported.
pub(crate) fn lines(addresses: &[String]) -> String {
    let consent =
        json!({ "wordingVersion": "2023-06", "at": "2023-10-02T18:30:00Z", "source": "careers-site" });
    let line = |address: &String| {
        let registrations = [json!({ "programme": PROGRAMME })];
        format!("{}\n", json!({ "email": address, "registrations": registrations, "consent": consent }))
    };
    addresses.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_invented_twice() {
        let mut people = addresses(1_000);
        assert_eq!(lines(&people).lines().count(), 1_000);
        people.dedup();
        assert_eq!(people.len(), 1_000);
    }
}
