//! What a template may say between `{{` and `}}`.
//!
//! It is a short list, so that nothing on it can show a value without escaping, read a file or call
//! anything: a name, `{{#if name}}`, `{{#each name}}`, `{{else}}`, their ends, `{{> block}}` on a
//! line of its own, and `{{! a note}}`. A tag begins and ends on one line.

use super::{Source, TemplateProblem, problem};

/// Where a branch of a template begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The template, as messages call it.
    pub template: String,
    /// The line.
    pub line: usize,
    /// The tag that begins the branch, with its braces.
    pub tag: String,
    /// What a rendering shows that takes it; no words, so that a block without any stays one.
    pub shows: String,
}

/// The block that a line stands for, if it is `{{> block}}`.
pub(super) fn block(line: &str) -> Option<&str> {
    let name = line.trim().strip_prefix("{{> ")?.strip_suffix("}}")?;
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-').then_some(name)
}

/// A tag in a line: where it begins, and what stands in it, if it ends on the line.
fn tags(line: &str) -> impl Iterator<Item = (usize, Option<&str>)> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let begins = from + line[from..].find("{{")?;
        let inside = &line[begins + 2..];
        let ends = inside.find("}}");
        from = begins + 2 + ends.map_or(inside.len(), |ends| ends + 2);
        Some((begins, ends.map(|ends| &inside[..ends])))
    })
}

/// What is wrong with the tags of a template.
pub(super) fn check(name: &str, source: &Source) -> Vec<TemplateProblem> {
    let html = name.rsplit_once('.').is_some_and(|(_, ending)| ending == "html");
    let mut problems = Vec::new();
    for (index, line) in source.text.lines().enumerate() {
        for (begins, inside) in tags(line) {
            if let Err(message) = allowed(line, begins, inside, html) {
                problems.push(problem(&source.shown, Some(index + 1), message));
            }
        }
    }
    problems
}

fn allowed(line: &str, begins: usize, inside: Option<&str>, html: bool) -> Result<(), String> {
    let Some(inside) = inside else {
        return Err("{{ must have its }} on the same line".to_owned());
    };
    let before = &line[..begins];
    match inside.trim_start_matches(['~', ' ', '\t']).chars().next() {
        Some('{' | '&') if html => {
            return Err("a value must be escaped in HTML; write it as {{name}}".to_owned());
        }
        Some('>') if block(line).is_none() => {
            return Err("a block must stand on a line of its own, as {{> name}}".to_owned());
        }
        _ => {}
    }
    if before.ends_with('\\') || !is_known(inside) {
        return Err(format!(
            "{{{{{inside}}}}} is nothing that a template can say; it can say {{{{name}}}}, {{{{#if name}}}}, \
             {{{{else}}}}, {{{{/if}}}}, {{{{#each name}}}}, {{{{/each}}}} and {{{{> block}}}}"
        ));
    }
    if html && before.ends_with('=') {
        return Err(format!("a value of an attribute must stand in quotes: \"{{{{{inside}}}}}\""));
    }
    Ok(())
}

fn is_known(inside: &str) -> bool {
    match inside.split_once(' ') {
        Some(("#if" | "#each", name)) => is_name(name),
        Some((">", _)) => true,
        _ if inside.starts_with("! ") => !inside.contains('{'),
        _ => matches!(inside, "else" | "/if" | "/each") || is_name(inside),
    }
}

/// `title`, `link.url`, `this`, `../several` or `@last`.
fn is_name(name: &str) -> bool {
    let name = name.trim_start_matches("../");
    let name = name.strip_prefix('@').unwrap_or(name);
    let is_part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_lowercase())
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    name.split('.').all(is_part)
}

/// The text with a mark at the beginning of each branch; the marks are added to `marks`.
pub(super) fn marked(source: &Source, marks: &mut Vec<Mark>) -> String {
    let mut text = String::with_capacity(source.text.len() * 2);
    for (index, line) in source.text.lines().enumerate() {
        let mut from = 0;
        for (begins, inside) in tags(line) {
            let Some(inside) = inside else { continue };
            if inside == "else" || inside.starts_with("#if ") || inside.starts_with("#each ") {
                let ends = begins + inside.len() + 4;
                text.push_str(&line[from..ends]);
                from = ends;
                let shows = format!("[#{}]", marks.len());
                text.push_str(&shows);
                let tag = line[begins..ends].to_owned();
                marks.push(Mark { template: source.shown.clone(), line: index + 1, tag, shows });
            }
        }
        text.push_str(&line[from..]);
        text.push('\n');
    }
    text
}

/// Whether people read anything in a block besides the values that it is given. What stands in HTML
/// tags and style sheets is not read.
pub(super) fn has_words(source: &Source, ending: &str) -> bool {
    let mut text = without(&source.text, "{{", "}}");
    if ending == ".html" {
        text = without(&text, "<style", "</style>");
        text = without(&text, "<", ">");
        text = without(&text, "&", ";");
    }
    text.contains(char::is_alphabetic)
}

fn without(text: &str, from: &str, to: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(from) {
        kept.push_str(before);
        kept.push(' ');
        rest = after.split_once(to).map_or("", |(_, after)| after);
    }
    kept + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source { text: text.to_owned(), shown: "x".to_owned() }
    }

    fn wrong(name: &str, text: &str) -> Vec<String> {
        check(name, &source(text)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn only_what_is_on_the_list_can_be_said() {
        for fine in [
            "{{title}} {{link.url}} {{this}} {{../several}}",
            "{{#each rows}}{{name}}{{#if @last}}{{else}}; {{/if}}{{/each}}",
            "  {{> what-to-do}}",
            "{{! a note to whoever comes after}}",
            "a } b { c }} d",
        ] {
            assert_eq!(wrong("a.html", fine), [""; 0], "{fine}");
        }
        for unsafe_in_html in
            ["{{{title}}}", "{{&title}}", "{{ &title}}", "{{~{title}}}", "{{ {title} }}", "{{~&title}}"]
        {
            let found = wrong("a.html", unsafe_in_html);
            assert_eq!(
                found,
                ["x:1: a value must be escaped in HTML; write it as {{name}}"],
                "{unsafe_in_html}"
            );
            assert_eq!(wrong("a.txt", unsafe_in_html).len(), 1, "{unsafe_in_html}");
        }
        for unknown in [
            "{{lookup a b}}",
            "{{#with link}}",
            "{{~title}}",
            "{{title~}}",
            "{{*decorate}}",
            "{{#*inline \"a\"}}",
            "{{{{raw}}}}",
            "{{else if a}}",
            "{{^}}",
            "{{#if (a)}}",
            "{{!-- {{title}} --}}",
            "{{! {{{title}}} }}",
            "\\{{title}}",
            "{{\"text\"}}",
            "{{@root.[a b]}}",
            "{{}}",
        ] {
            assert_eq!(wrong("a.txt", unknown).len(), 1, "{unknown}: {:?}", wrong("a.txt", unknown));
        }
        for elsewhere in ["a {{> b}}", "{{~> b}}", "{{#> b}}", "{{>b}}", "{{> b c=d}}", "{{> (b)}}"] {
            assert_eq!(wrong("a.html", elsewhere).len(), 1, "{elsewhere}");
        }
        assert_eq!(wrong("a.txt", "one\n{{title\n}}"), ["x:2: {{ must have its }} on the same line"]);
        assert_eq!(
            wrong("a.html", "<a href={{url}}>"),
            ["x:1: a value of an attribute must stand in quotes: \"{{url}}\""]
        );
    }

    #[test]
    fn every_branch_is_marked() {
        let mut marks = vec![];
        let text =
            marked(&source("{{#if a}}yes{{else}}no{{/if}}\n{{#each b}}\n{{this}}\n{{/each}}"), &mut marks);
        assert_eq!(text, "{{#if a}}[#0]yes{{else}}[#1]no{{/if}}\n{{#each b}}[#2]\n{{this}}\n{{/each}}\n");
        let told: Vec<(usize, &str)> = marks.iter().map(|mark| (mark.line, mark.tag.as_str())).collect();
        assert_eq!(told, [(1, "{{#if a}}"), (1, "{{else}}"), (2, "{{#each b}}")]);
    }

    #[test]
    fn words_are_what_people_read() {
        for (text, html, read) in [
            ("{{#each rows}}{{name}}: {{value}}\n{{/each}}", false, false),
            ("{{name}} not given", false, true),
            ("<p class=\"quiet\"\n style=\"margin:0\">{{this}}&nbsp;</p>", true, false),
            ("<style>\n.page { color: #000 }\n</style><p>{{a}}</p>", true, false),
            ("<p>Hello</p>", true, true),
        ] {
            assert_eq!(has_words(&source(text), if html { ".html" } else { ".txt" }), read, "{text}");
        }
    }
}
