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
