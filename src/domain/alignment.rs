//! Whether two domains belong to one organisation: the relaxed alignment of DMARC (RFC 9989).
//!
//! DMARC finds the organisation by questions to the DNS. A configuration is checked without one, so
//! the organisation is taken to be the last two labels of a name, or the last three below those
//! names under `.uk` where the public registers. For other registries that do this it errs on the
//! side of yes.

/// The names under `.uk` that are nobody's own.
const REGISTRIES: [&str; 15] = [
    "ac.uk",
    "co.uk",
    "gov.uk",
    "judiciary.uk",
    "ltd.uk",
    "me.uk",
    "mod.uk",
    "net.uk",
    "nhs.uk",
    "nic.uk",
    "org.uk",
    "parliament.uk",
    "plc.uk",
    "police.uk",
    "sch.uk",
];

/// Whether two domains, in lower case and as A-labels, are of one organisation.
#[must_use]
pub fn aligned(one: &str, other: &str) -> bool {
    organisation(one).is_some_and(|organisation| Some(organisation) == self::organisation(other))
}

/// Whether `parent` is `domain` or stands above it, within one organisation.
#[must_use]
pub fn is_or_is_above(parent: &str, domain: &str) -> bool {
    let above = || domain.strip_suffix(parent).is_some_and(|below| below.ends_with('.'));
    aligned(parent, domain) && (parent == domain || above())
}

/// The part of a name that says whose it is; `None` for the name of a registry.
fn organisation(domain: &str) -> Option<&str> {
    let is_registry = |name: &str| REGISTRIES.contains(&name);
    let last = |labels: usize| {
        let dot = domain.rmatch_indices('.').nth(labels - 1).map(|(at, _)| at + 1);
        dot.map_or(domain, |from| &domain[from..])
    };
    if is_registry(domain) || !domain.contains('.') {
        None
    } else if is_registry(last(2)) {
        Some(last(3))
    } else {
        Some(last(2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A05.
    #[test]
    fn domains_of_one_organisation_are_aligned() {
        for (one, other, expected) in [
            ("midshire.example", "midshire.example", true),
            ("alerts.midshire.example", "midshire.example", true),
            ("alerts.midshire.example", "bounces.midshire.example", true),
            ("midshire.example", "midshire.example.org", false),
            ("midshire.example", "xmidshire.example", false),
            ("midshire.police.uk", "bounces.midshire.police.uk", true),
            ("a.midshire.police.uk", "b.midshire.police.uk", true),
            ("midshire.police.uk", "loamshire.police.uk", false),
            ("midshire.police.uk", "police.uk", false),
            ("police.uk", "police.uk", false),
            ("uk", "uk", false),
        ] {
            assert_eq!((aligned(one, other), aligned(other, one)), (expected, expected), "{one} {other}");
        }
    }

    #[test]
    fn a_parent_is_the_same_or_above_and_never_a_registry() {
        for (parent, domain, expected) in [
            ("midshire.police.uk", "midshire.police.uk", true),
            ("midshire.police.uk", "alerts.midshire.police.uk", true),
            ("alerts.midshire.police.uk", "midshire.police.uk", false),
            ("shire.example", "midshire.example", false),
            ("police.uk", "midshire.police.uk", false),
        ] {
            assert_eq!(is_or_is_above(parent, domain), expected, "{parent} {domain}");
        }
    }
}
