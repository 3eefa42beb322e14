use super::*;
use serde_json::json;

fn rendered(sources: &[(&str, &str)]) -> Result<String, String> {
    let templates = Templates::parse(sources.iter().copied())
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
    let view = json!({ "title": "t", "empty": null });
    let context = Context::wraps(&view).unwrap();
    templates.render(Format::Text, "k/body", &context).map_err(|error| error.to_string())
}

#[test]
fn shipped_templates_can_be_read_and_have_short_lines() {
    Templates::load(None).unwrap();
    Templates::pages().unwrap();
    for (name, text) in SHIPPED.iter().chain(SHIPPED_PAGES) {
        assert!(text.lines().all(|line| line.len() <= 120), "{name}");
    }
}

#[test]
fn html_is_escaped_and_text_is_not() {
    let templates = Templates::parse([("k/body.txt", "{{title}}"), ("k/body.html", "{{title}}")]).unwrap();
    let view = json!({ "title": r#"R&D <script> "it's""# });
    assert_eq!(
        templates.parts(Language::EnGb, "k/body", &view).unwrap(),
        Parts {
            text: "R&D <script> \"it's\"\n".to_owned(),
            html: "R&amp;D &lt;script&gt; &quot;it&#39;s&quot;\n".to_owned(),
        }
    );
}

/// I30.
#[test]
fn what_a_view_lacks_is_an_error_everywhere() {
    for (text, line) in [
        ("a\n{{wrong}}", 2),
        ("{{#if wrong}}x{{/if}}", 1),
        ("{{#each wrong}}x{{/each}}", 1),
        ("{{#if title}}\na\n{{wrong}}\n{{/if}}", 3),
    ] {
        let message = format!("k/body.txt:{line}: {{{{wrong}}}} is not something this mail has");
        assert_eq!(rendered(&[("k/body.txt", text)]), Err(message));
    }
    assert!(rendered(&[]).unwrap_err().starts_with("k/body.txt: "));
}

#[test]
fn an_empty_value_is_not_a_missing_one() {
    let text = "{{#if title}}yes{{/if}} {{#if empty}}yes{{else}}no{{/if}}";
    assert_eq!(rendered(&[("k/body.txt", text)]), Ok("yes no\n".to_owned()));
}

#[test]
fn blocks_are_put_in_and_their_mistakes_named() {
    let page = ("layout/page.txt", "top\n{{> body}}\n{{> end}}\n");
    let body = ("k/body.txt", "a\n  {{> a}}\nb\n");
    let (block, end) = (("layout/a.txt", "{{title}}"), ("layout/end.txt", "end"));
    assert_eq!(rendered(&[page, body, block, end]), Ok("top\na\nt\nb\nend\n".to_owned()));
    for (wrong, expected) in [
        (("layout/a.txt", "a\n{{wrong}}"), "layout/a.txt:2: {{wrong}} is not something this mail has"),
        (("layout/a.txt", "a\n{{#if title}}"), "layout/a.txt:2"),
        (("layout/a.txt", "{{> b}}"), "layout/a.txt:1: there is no block layout/b.txt"),
        (
            ("layout/a.txt", "a {{> end}}"),
            "layout/a.txt:1: a block must stand on a line of its own, as {{> name}}",
        ),
        (("layout/a.txt", "{{> a}}"), "layout/a.txt:1: the block layout/a.txt contains itself"),
        (("layout/a.html", "x\n{{{title}}}"), "layout/a.html:2: a value must be escaped in HTML"),
        (("layout/a.md", ""), "layout/a.md: the name must end in .txt or .html"),
    ] {
        let problem = rendered(&[page, body, block, end, wrong]).unwrap_err();
        assert!(problem.starts_with(expected), "{problem}");
    }
}

#[test]
fn a_later_template_replaces_an_earlier_one() {
    let sources = [("layout/a.txt", "old"), ("k/body.txt", "{{> a}}"), ("layout/a.txt", "new")];
    assert_eq!(rendered(&sources), Ok("new\n".to_owned()));
}
