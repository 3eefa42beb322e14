use super::*;
use proptest::prelude::*;

#[test]
fn accepts_and_normalises() {
    let long = format!("{}@example.org", "l".repeat(64));
    for (typed, kept) in [
        ("zoe@example.org", "zoe@example.org"),
        ("Zoe.Khan+jobs@EXAMPLE.Org", "Zoe.Khan+jobs@example.org"),
        ("o'neill@example.org", "o'neill@example.org"),
        ("a!#$%&*-/=?^_`{|}~b@example.org", "a!#$%&*-/=?^_`{|}~b@example.org"),
        ("zoe@bücher.example", "zoe@xn--bcher-kva.example"),
        ("zoe@XN--bcher-kva.example", "zoe@xn--bcher-kva.example"),
        ("zoe@straße.example", "zoe@xn--strae-oqa.example"),
        ("zoe@ab--cd.example", "zoe@ab--cd.example"),
        ("zoe@почта.example", "zoe@xn--80a1acny.example"),
        ("zoe@1and1.example", "zoe@1and1.example"),
        ("zoe@example。org", "zoe@example.org"),
        // Decomposed e + acute becomes one letter.
        ("zoe\u{301}@example.org", "zo\u{e9}@example.org"),
        (&long, &long),
    ] {
        let address: EmailAddress = typed.parse().unwrap();
        assert_eq!(address.as_str(), kept);
        assert_eq!(format!("{}@{}", address.local(), address.domain()), kept);
    }
}

#[test]
fn refuses_and_says_why() {
    use AddressError as E;
    let long_local = format!("{}@example.org", "l".repeat(65));
    let label = "d".repeat(60);
    let long = format!("zoe@{label}.{label}.{label}.{label}.example");
    for (typed, why) in [
        ("", E::Empty),
        ("zoe", E::NoAt),
        ("zoe@a@example.org", E::ManyAts),
        (" zoe@example.org", E::Space),
        ("zoe@example.org ", E::Space),
        ("zoe khan@example.org", E::Space),
        ("zoe@exam\u{a0}ple.org", E::Space),
        ("zoe@example.org\r\nBcc: x@example.org", E::Invisible),
        ("zoe\0@example.org", E::Invisible),
        ("zoe\u{200b}@example.org", E::Invisible),
        ("zoe\u{202e}@example.org", E::Invisible),
        ("@example.org", E::NoLocal),
        (&long_local, E::LocalTooLong),
        ("\"zoe khan\"@example.org", E::Quoted),
        ("\"a@b\"@example.org", E::Quoted),
        (".zoe@example.org", E::LocalDots),
        ("zoe.@example.org", E::LocalDots),
        ("zo..e@example.org", E::LocalDots),
        ("zoe(work)@example.org", E::LocalCharacter),
        ("zoe,tom@example.org", E::LocalCharacter),
        ("zo\\e@example.org", E::LocalCharacter),
        ("zoe@", E::NoDomain),
        ("zoe@[192.0.2.1]", E::AddressLiteral),
        ("zoe@[IPv6:2001:db8::1]", E::AddressLiteral),
        ("zoe@192.0.2.1", E::AddressLiteral),
        ("zoe@.example.org", E::DomainDots),
        ("zoe@example.org.", E::DomainDots),
        ("zoe@example..org", E::DomainDots),
        ("zoe@localhost", E::SingleLabel),
        ("zoe@ex\u{430}mple.org", E::MixedAlphabets),
        ("zoe@\u{3b1}\u{431}.org", E::MixedAlphabets),
        ("zoe@xn--exmple-4nf.org", E::MixedAlphabets),
        ("zoe@exa_mple.org", E::BadDomain),
        ("zoe@-example.org", E::BadDomain),
        ("zoe@xn--a.example", E::BadDomain),
        ("zoe@example.org(work)", E::BadDomain),
        (&long, E::TooLong),
    ] {
        assert_eq!(typed.parse::<EmailAddress>(), Err(why), "{typed:?}");
        let message = why.to_string();
        assert!(message.contains("; ") && !message.contains("zoe"), "{message}");
    }
}

#[test]
fn compares_without_case_but_keeps_dots_and_tags() {
    let lookup = |text: &str| text.parse::<EmailAddress>().unwrap().lookup();
    assert_eq!(lookup("Zoe.K+Jobs@Example.ORG"), "zoe.k+jobs@example.org");
    assert_ne!(lookup("zoek@example.org"), lookup("zoe.k@example.org"));
    assert_eq!(lookup("ZOÉ@example.org"), lookup("zoe\u{301}@example.org"));
}

#[test]
fn debug_is_the_mask() {
    let address: EmailAddress = "Zoe.Khan@example.org".parse().unwrap();
    assert_eq!(format!("{address:?}"), "Z***@example.org");
    let mailbox = Mailbox::new(Some("Jobs"), address).unwrap();
    assert!(!format!("{mailbox:?}").contains("Khan"));
}

#[test]
fn non_ascii_local_parts_need_smtputf8() {
    let needs = |text: &str| text.parse::<EmailAddress>().unwrap().needs_smtputf8();
    assert!(needs("zoë@example.org"));
    assert!(!needs("zoe@bücher.example"));
}

#[test]
fn reads_mailboxes() {
    for (typed, name, address) in [
        ("a@example.org", None, "a@example.org"),
        (" <a@example.org> ", None, "a@example.org"),
        ("Ann Lee <a@example.org>", Some("Ann Lee"), "a@example.org"),
        ("\"Lee, Ann\" <a@example.org>", Some("Lee, Ann"), "a@example.org"),
    ] {
        let mailbox: Mailbox = typed.parse().unwrap();
        assert_eq!((mailbox.name(), mailbox.address().as_str()), (name, address));
    }
    for (typed, why) in [
        ("", AddressError::Empty),
        ("Ann <a@example.org", AddressError::Brackets),
        ("Ann <a@example.org> x", AddressError::Brackets),
        ("Ann\r\nBcc: x <a@example.org>", AddressError::NameCharacter),
        ("A>nn <a@example.org>", AddressError::NameCharacter),
        ("Ann\u{2028} x <a@example.org>", AddressError::NameCharacter),
        ("Ann <a>", AddressError::NoAt),
    ] {
        assert_eq!(typed.parse::<Mailbox>(), Err(why), "{typed:?}");
    }
}

#[test]
fn deserialises_with_the_same_rules() {
    use serde::de::IntoDeserializer as _;
    type Text<'a> = serde::de::value::StrDeserializer<'a, serde::de::value::Error>;
    let text: Text<'_> = "Zoe@Example.org".into_deserializer();
    assert_eq!(EmailAddress::deserialize(text).unwrap().as_str(), "Zoe@example.org");
    let text: Text<'_> = "zoe.example.org".into_deserializer();
    let error = EmailAddress::deserialize(text).unwrap_err().to_string();
    assert!(!error.contains("zoe"), "{error}");
}

fn check(text: &str) -> Result<(), TestCaseError> {
    if let Ok(address) = text.parse::<EmailAddress>() {
        prop_assert_eq!(address.as_str().parse::<EmailAddress>(), Ok(address.clone()));
        prop_assert!(address.as_str().len() <= LONGEST_ADDRESS);
        prop_assert!(!address.as_str().contains(|c: char| c.is_control() || c.is_whitespace()));
    }
    let _: Result<Mailbox, _> = text.parse();
    Ok(())
}

proptest! {
    #[test]
    fn any_text_is_judged_without_panic(text in any::<String>()) {
        check(&text)?;
    }

    #[test]
    fn what_is_accepted_reads_back_the_same(text in "\\PC{0,8}@\\PC{1,8}[.。]\\PC{1,5}") {
        check(&text)?;
    }
}
