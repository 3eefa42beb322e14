use super::*;

#[test]
fn shipped_taxonomy_knows_the_trees() {
    let taxonomy = Taxonomy::shipped();
    let families = taxonomy.tree(Dimension::RoleFamily);
    assert_eq!(families.within("detective"), BTreeSet::from(["detective", "police-officer"]));
    assert_eq!(families.resolve(" pcso ").map(|n| n.slug.as_str()), Some("pcso"));
    assert_eq!(families.resolve("Call Handler").map(|n| n.slug.as_str()), Some("contact-control"));
    let places = taxonomy.tree(Dimension::Place);
    assert_eq!(places.within("dudley"), BTreeSet::from(["black-country", "dudley", "west-midlands"]));
    assert_eq!(places.below("black-country").len(), 5);
    assert!(taxonomy.tree(Dimension::Rank).resolve("inspector").is_some_and(|n| n.named_only));
    assert!(taxonomy.tree(Dimension::Rank).resolve("sergeant").is_some_and(|n| !n.named_only));
    assert_eq!(taxonomy.programmes().within("dc-pcep"), BTreeSet::from(["dc-any", "dc-pcep", "pc-any"]));
}

#[test]
fn every_mistake_is_named_with_its_line() {
    let file = r#"
[[place]]
slug = "Town"
label = "Town"
parent = "county"

[[place]]
slug = "a"
label = "A"
parent = "b"

[[place]]
slug = "b"
label = "B"
parent = "a"
aliases = ["A"]
"#;
    let problems: Vec<String> =
        Taxonomy::parse(&[("t.toml", file)]).unwrap_err().iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            r#"t.toml:3: slug "Town": use at most 40 of the characters a-z, 0-9 and -"#,
            r#"t.toml:13: "A" is the slug or alias of two nodes; keep it on one"#,
            r#"t.toml:3: parent "county" of "Town" does not exist; add it or mend the name"#,
            r#"t.toml:8: "a" lies under itself"#,
            r#"t.toml:13: "b" lies under itself"#,
        ]
    );
}

#[test]
fn an_unknown_key_is_a_mistake() {
    let problems =
        Taxonomy::parse(&[("t.toml", "[[place]]\nslug='x'\nlabel='X'\ncolour='red'\n")]).unwrap_err();
    assert_eq!(problems[0].line, Some(4));
    assert!(problems[0].message.contains("colour"), "{}", problems[0]);
}

fn problems(file: &str) -> Vec<String> {
    Taxonomy::parse(&[("t.toml", file)]).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn shipped_programmes_say_what_they_are() {
    let taxonomy = Taxonomy::shipped();
    let programmes = taxonomy.programmes();
    let day = |text: &str| text.parse::<NaiveDate>().ok();
    let old = programmes.resolve("IPLDP+").unwrap();
    assert_eq!((old.valid_from, old.valid_to), (None, day("2024-03-31")));
    assert_eq!(old.successor.as_deref(), Some("pc-pcep"));
    assert_eq!(programmes.resolve("PCEP").unwrap().valid_from, day("2024-04-01"));
    for (slug, family, rank) in [
        ("pc-any", "police-officer", Some("constable")),
        ("pc-dhep", "police-officer", Some("constable")),
        ("dc-dhep", "detective", Some("constable")),
        ("special-intake", "special-constable", None),
        ("pcso-intake", "pcso", None),
        ("contact-intake", "contact-control", None),
        ("volunteer-intake", "volunteer", None),
    ] {
        let node = programmes.resolve(slug).unwrap();
        assert_eq!(node.default_of(Dimension::RoleFamily), Some(family), "{slug}");
        assert_eq!(node.default_of(Dimension::Rank), rank, "{slug}");
        assert!(node.enabled, "{slug}");
    }
    for node in programmes.nodes() {
        assert!(node.default_of(Dimension::RoleFamily).is_some(), "{}", node.slug);
    }
    assert!(!programmes.resolve("cadets").unwrap().enabled);
}

#[test]
fn shipped_topics_are_those_of_event_days() {
    let taxonomy = Taxonomy::shipped();
    let slugs: Vec<_> = taxonomy.tree(Dimension::Topic).nodes().map(|node| node.slug.as_str()).collect();
    assert_eq!(
        slugs,
        [
            "discovery-day",
            "taster-online",
            "application-workshop",
            "fitness-taster",
            "careers-fair",
            "positive-action-support"
        ]
    );
}

#[test]
fn validity_is_checked() {
    let file = r#"
[[programme]]
slug = "a"
label = "A"
validFrom = "2024-04-01"
validTo = 2024-03-31

[[programme]]
slug = "b"
label = "B"
validFrom = "next year"
successor = "c"

[[place]]
slug = "d"
label = "D"
validTo = 2024
successor = "d"
"#;
    assert_eq!(
        problems(file),
        [
            r#"t.toml:15: validTo of "d": expected a day such as "2024-04-01""#,
            r#"t.toml:15: "d" is its own successor; name another"#,
            r#"t.toml:3: "a" ends (validTo 2024-03-31) before it begins (validFrom 2024-04-01); mend one"#,
            r#"t.toml:9: validFrom of "b": expected a day such as "2024-04-01""#,
            r#"t.toml:9: successor "c" of "b" does not exist; add it or mend the name"#,
        ]
    );
}

#[test]
fn what_a_programme_is_must_exist() {
    let file = r#"
[[roleFamily]]
slug = "pcso"
label = "PCSO"
enabled = false
rank = "constable"

[[programme]]
slug = "a"
label = "A"
roleFamily = "pcso"
rank = "czar"
contractKind = "zero-hours"
"#;
    assert_eq!(
        problems(file),
        [
            r#"t.toml:3: rank of "pcso": only a programme has it; remove it"#,
            r#"t.toml:3: enabled of "pcso": only a programme has it; remove it"#,
            r#"t.toml:9: rank "czar" of "a" does not exist; add a [[rank]] of that slug or mend the name"#,
            r#"t.toml:9: contractKind "zero-hours" of "a" does not exist; add a [[contractKind]] of that slug or mend the name"#,
        ]
    );
}

#[test]
fn a_parent_needs_a_child_that_is_not_switched_off() {
    let file = |parent: bool, second: bool| {
        format!(
            r#"
[[programme]]
slug = "parent"
label = "Parent"
enabled = {parent}

[[programme]]
slug = "first"
label = "First"
parent = "parent"
enabled = false

[[programme]]
slug = "second"
label = "Second"
parent = "parent"
enabled = {second}
"#
        )
    };
    assert_eq!(
        problems(&file(true, false)),
        [r#"t.toml:3: everything under "parent" is switched off; switch it off, too (enabled = false)"#]
    );
    assert!(Taxonomy::parse(&[("t.toml", &file(true, true))]).is_ok());
    assert!(Taxonomy::parse(&[("t.toml", &file(false, false))]).is_ok());
}
