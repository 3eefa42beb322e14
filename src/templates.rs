//! The words of the mails and of the pages, as templates: read once, rendered often.
//!
//! A kind of mail is two templates, `<kind>/body.txt` and `<kind>/body.html`, which say which blocks
//! it is made of. The blocks are in `layout/`. A line `{{> facts}}` stands for
//! the lines of `layout/facts.txt` in a text and of `layout/facts.html` in HTML, with the names that
//! are known where it stands; every body goes into `layout/page` where that says `{{> body}}`. A
//! kind may have a block of its own beside its body, which then stands in place of that of `layout/`.
//! Blocks are put in when templates are read, not when a mail is rendered: a block that does not
//! exist is found at once, and a mail costs half the time.
//!
//! A page is one template in HTML, made of blocks in the same way.
//!
//! There are two registries, because escaping belongs to a registry: in the one for texts
//! nothing is escaped, in the one for HTML everything is, and `{{{...}}}` is refused. Both
//! are strict, also about `{{#if name}}`: a name that the view lacks is an error, never an empty
//! place in a mail.

use std::collections::BTreeMap;
use std::fmt;

use handlebars::{
    Context, Handlebars, Helper, HelperDef, HelperResult, JsonTruthy as _, Output, RenderContext,
    RenderError, RenderErrorReason, Renderable as _,
};
use serde::Serialize;

macro_rules! shipped {
    ($name:literal) => {
        ($name, include_str!(concat!("../templates/email/", $name, ".hbs")))
    };
}
/// The templates that ship with the program, by name.
pub(crate) const SHIPPED: &[(&str, &str)] = &[
    shipped!("layout/already-applied.html"),
    shipped!("layout/already-applied.txt"),
    shipped!("layout/announcement.html"),
    shipped!("layout/announcement.txt"),
    shipped!("layout/as-of.html"),
    shipped!("layout/as-of.txt"),
    shipped!("layout/before-you-click.html"),
    shipped!("layout/before-you-click.txt"),
    shipped!("layout/calendar-file.html"),
    shipped!("layout/calendar-file.txt"),
    shipped!("layout/complaint-contact.html"),
    shipped!("layout/complaint-contact.txt"),
    shipped!("layout/correction-box.html"),
    shipped!("layout/correction-box.txt"),
    shipped!("layout/explanation.html"),
    shipped!("layout/explanation.txt"),
    shipped!("layout/facts.html"),
    shipped!("layout/facts.txt"),
    shipped!("layout/headline.html"),
    shipped!("layout/headline.txt"),
    shipped!("layout/lead.html"),
    shipped!("layout/lead.txt"),
    shipped!("layout/look-for.html"),
    shipped!("layout/look-for.txt"),
    shipped!("layout/may-close-early.html"),
    shipped!("layout/may-close-early.txt"),
    shipped!("layout/not-an-application.html"),
    shipped!("layout/not-an-application.txt"),
    shipped!("layout/page.html"),
    shipped!("layout/page.txt"),
    shipped!("layout/receipt.html"),
    shipped!("layout/receipt.txt"),
    shipped!("layout/sender-identity.html"),
    shipped!("layout/sender-identity.txt"),
    shipped!("layout/stop-and-change.html"),
    shipped!("layout/stop-and-change.txt"),
    shipped!("layout/summary.html"),
    shipped!("layout/summary.txt"),
    shipped!("layout/test-banner.html"),
    shipped!("layout/test-banner.txt"),
    shipped!("layout/title.html"),
    shipped!("layout/title.txt"),
    shipped!("layout/what-next.html"),
    shipped!("layout/what-next.txt"),
    shipped!("layout/what-to-do.html"),
    shipped!("layout/what-to-do.txt"),
    shipped!("layout/which-is-for-me.html"),
    shipped!("layout/which-is-for-me.txt"),
    shipped!("layout/why-you-each.html"),
    shipped!("layout/why-you-each.txt"),
    shipped!("layout/why-you.html"),
    shipped!("layout/why-you.txt"),
    shipped!("closed-early/body.html"),
    shipped!("closed-early/body.txt"),
    shipped!("closing-soon/body.html"),
    shipped!("closing-soon/body.txt"),
    shipped!("correction/body.html"),
    shipped!("correction/body.txt"),
    shipped!("digest/body.html"),
    shipped!("digest/body.txt"),
    shipped!("event-day-changed/body.html"),
    shipped!("event-day-changed/body.txt"),
    shipped!("event-day/body.html"),
    shipped!("event-day/body.txt"),
    shipped!("lapsed/body.html"),
    shipped!("lapsed/body.txt"),
    shipped!("lapsed/stop-and-change.html"),
    shipped!("lapsed/stop-and-change.txt"),
    shipped!("missed/body.html"),
    shipped!("missed/body.txt"),
    shipped!("open-now/body.html"),
    shipped!("open-now/body.txt"),
    shipped!("opening-date/body.html"),
    shipped!("opening-date/body.txt"),
    shipped!("programme-changed/body.html"),
    shipped!("programme-changed/body.txt"),
    shipped!("still-interested/body.html"),
    shipped!("still-interested/body.txt"),
    shipped!("vacancy-alert/body.html"),
    shipped!("vacancy-alert/body.txt"),
    shipped!("withdrawn/body.html"),
    shipped!("withdrawn/body.txt"),
];

macro_rules! shipped_page {
    ($name:literal) => {
        ($name, include_str!(concat!("../templates/page/", $name, ".hbs")))
    };
}
/// The templates of the pages that ship with the program, by name.
const SHIPPED_PAGES: &[(&str, &str)] = &[
    shipped_page!("layout/foot.html"),
    shipped_page!("layout/head.html"),
    shipped_page!("ask.html"),
    shipped_page!("message.html"),
    shipped_page!("stopped.html"),
    shipped_page!("undo.html"),
];

/// The style sheet of the pages.
pub const STYLE: &str = include_str!("../templates/page/style.css");

/// A mistake in a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateProblem {
    /// Its name: `vacancy-alert/body.html`.
    pub template: String,
    /// The line, counted from 1, where it is known.
    pub line: Option<usize>,
    /// What is wrong and, where that helps, what to do.
    pub message: String,
}

impl fmt::Display for TemplateProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.template, self.message),
            None => write!(f, "{}: {}", self.template, self.message),
        }
    }
}

impl std::error::Error for TemplateProblem {}

/// What a template is written in; the end of its name says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `.txt`: nothing is escaped.
    Text,
    /// `.html`: every value is escaped.
    Html,
}

/// All templates, ready to be rendered.
#[derive(Debug)]
pub struct Templates {
    text: Handlebars<'static>,
    html: Handlebars<'static>,
    /// Where each line of a template comes from, for messages.
    origins: BTreeMap<String, Vec<Origin>>,
}

/// A line in a file.
#[derive(Debug, Clone)]
struct Origin {
    template: String,
    line: usize,
}

/// The two parts of a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// The plain part, for everybody.
    pub text: String,
    /// The HTML part.
    pub html: String,
}

impl Templates {
    /// The templates that ship with the program.
    ///
    /// # Errors
    ///
    /// Every template that cannot be read. What shows only when a template is rendered (a name that
    /// its view lacks) is found by rendering samples.
    pub fn load() -> Result<Self, Vec<TemplateProblem>> {
        Self::parse(SHIPPED.iter().copied())
    }

    /// The templates of the pages that ship with the program.
    ///
    /// # Errors
    ///
    /// As for [`load`](Self::load).
    pub fn pages() -> Result<Self, Vec<TemplateProblem>> {
        Self::parse(SHIPPED_PAGES.iter().copied())
    }

    /// Templates by name and text; a later one replaces an earlier one of the same name.
    ///
    /// # Errors
    ///
    /// As for [`load`](Self::load).
    pub fn parse<'a>(
        sources: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, Vec<TemplateProblem>> {
        let sources: BTreeMap<&str, &str> = sources.into_iter().collect();
        let mut templates =
            Self { text: registry(str::to_owned), html: registry(escape), origins: BTreeMap::new() };
        // A mistake in a block would show again in every template that it is put into.
        let (blocks, kinds): (Vec<&str>, Vec<&str>) =
            sources.keys().partition(|name| name.starts_with("layout/"));
        for names in [blocks, kinds] {
            let add = |name: &str| templates.add(name, &sources).err();
            let problems: Vec<_> = names.into_iter().filter_map(add).collect();
            if !problems.is_empty() {
                return Err(problems);
            }
        }
        Ok(templates)
    }

    fn add(&mut self, name: &str, sources: &BTreeMap<&str, &str>) -> Result<(), TemplateProblem> {
        let (stem, registry) = match name.rsplit_once('.') {
            Some((stem, "txt")) => (stem, &mut self.text),
            Some((stem, "html")) => (stem, &mut self.html),
            _ => return Err(problem(name, None, "the name must end in .txt or .html".to_owned())),
        };
        let ending = &name[stem.len()..];
        let page = format!("layout/page{ending}");
        if name == page {
            return Ok(());
        }
        let mut assembled =
            Assembled { sources, ending, body: name, text: String::new(), origins: Vec::new() };
        let is_body = stem.ends_with("/body") && sources.contains_key(page.as_str());
        assembled.put(if is_body { &page } else { name }, 0)?;
        let Assembled { text, origins, .. } = assembled;
        registry.register_template_string(stem, text).map_err(|error| {
            located(name, &origins, error.pos().map(|(line, _)| line), error.reason().to_string())
        })?;
        self.origins.insert(name.to_owned(), origins);
        Ok(())
    }

    /// Renders a template that is text, given its name without the ending.
    ///
    /// # Errors
    ///
    /// When there is no such template, or it asks for what the view does not have.
    pub fn text(&self, name: &str, view: &impl Serialize) -> Result<String, TemplateProblem> {
        let context = Context::wraps(view).map_err(|error| self.unrenderable(Format::Text, name, &error))?;
        self.render(Format::Text, name, &context)
    }

    /// Renders a template that is HTML, given its name without the ending.
    ///
    /// # Errors
    ///
    /// As for [`text`](Self::text).
    pub fn html(&self, name: &str, view: &impl Serialize) -> Result<String, TemplateProblem> {
        let context = Context::wraps(view).map_err(|error| self.unrenderable(Format::Html, name, &error))?;
        self.render(Format::Html, name, &context)
    }

    /// Renders both templates of a name, given without the ending.
    ///
    /// # Errors
    ///
    /// As for [`text`](Self::text).
    pub fn parts(&self, name: &str, view: &impl Serialize) -> Result<Parts, TemplateProblem> {
        let context = Context::wraps(view).map_err(|error| self.unrenderable(Format::Text, name, &error))?;
        Ok(Parts {
            text: self.render(Format::Text, name, &context)?,
            html: self.render(Format::Html, name, &context)?,
        })
    }

    fn render(&self, format: Format, name: &str, context: &Context) -> Result<String, TemplateProblem> {
        let registry = match format {
            Format::Text => &self.text,
            Format::Html => &self.html,
        };
        registry.render_with_context(name, context).map_err(|error| self.unrenderable(format, name, &error))
    }

    fn unrenderable(&self, format: Format, name: &str, error: &RenderError) -> TemplateProblem {
        let ending = match format {
            Format::Text => "txt",
            Format::Html => "html",
        };
        let message = match error.reason() {
            RenderErrorReason::MissingVariable(Some(variable)) => {
                format!("{{{{{variable}}}}} is not something this mail has")
            }
            reason => reason.to_string(),
        };
        let name = format!("{name}.{ending}");
        located(&name, self.origins.get(&name).map_or(&[], Vec::as_slice), error.line_no, message)
    }
}

/// A template whose blocks are being put in.
struct Assembled<'a> {
    sources: &'a BTreeMap<&'a str, &'a str>,
    /// `.txt` or `.html`; blocks have the same.
    ending: &'a str,
    /// What `{{> body}}` stands for.
    body: &'a str,
    text: String,
    origins: Vec<Origin>,
}

impl Assembled<'_> {
    /// How many blocks may lie within each other.
    const DEEPEST: usize = 8;

    /// The template of a block: the kind's own, else that of all.
    fn block(&self, block: &str) -> String {
        let kind = self.body.rsplit_once('/').map_or("layout", |(folder, _)| folder);
        let own = format!("{kind}/{block}{}", self.ending);
        if self.sources.contains_key(own.as_str()) { own } else { format!("layout/{block}{}", self.ending) }
    }

    fn put(&mut self, name: &str, depth: usize) -> Result<(), TemplateProblem> {
        for (index, line) in self.sources[name].lines().enumerate() {
            let wrong = |message: String| Err(problem(name, Some(index + 1), message));
            let block = line.trim().strip_prefix("{{> ").and_then(|rest| rest.strip_suffix("}}"));
            if let Some(block) = block {
                let inner = match block {
                    "body" => self.body.to_owned(),
                    block => self.block(block),
                };
                if !self.sources.contains_key(inner.as_str()) {
                    return wrong(format!("there is no block {inner}"));
                }
                if depth == Self::DEEPEST {
                    return wrong(format!("the block {inner} contains itself"));
                }
                self.put(&inner, depth + 1)?;
            } else if line.contains("{{>") || line.contains("{{#>") {
                return wrong("a block must stand on a line of its own, as {{> name}}".to_owned());
            } else if self.ending == ".html" && (line.contains("{{{") || line.contains("{{&")) {
                return wrong("a value must be escaped in HTML; write it as {{name}}".to_owned());
            } else {
                self.text.push_str(line);
                self.text.push('\n');
                self.origins.push(Origin { template: name.to_owned(), line: index + 1 });
            }
        }
        Ok(())
    }
}

fn registry(escape: fn(&str) -> String) -> Handlebars<'static> {
    let mut registry = Handlebars::new();
    registry.set_strict_mode(true);
    registry.set_prevent_indent(true);
    registry.register_escape_fn(escape);
    registry.register_helper("if", Box::new(StrictIf));
    registry.unregister_helper("unless");
    registry
}

/// The text with the characters escaped that mean something in HTML, inside and outside quotes.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// `{{#if}}` as it is, but an unknown name is an error: the one that comes with the library takes
/// it for false, even in strict mode.
#[derive(Clone, Copy)]
struct StrictIf;

impl HelperDef for StrictIf {
    fn call<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        registry: &'reg Handlebars<'reg>,
        context: &'rc Context,
        rc: &mut RenderContext<'reg, 'rc>,
        out: &mut dyn Output,
    ) -> HelperResult {
        let condition = helper.param(0).ok_or(RenderErrorReason::ParamNotFoundForIndex("if", 0))?;
        if condition.is_value_missing() {
            return Err(RenderErrorReason::MissingVariable(condition.relative_path().cloned()).into());
        }
        let holds = condition.value().is_truthy(false);
        let branch = if holds { helper.template() } else { helper.inverse() };
        branch.map_or(Ok(()), |branch| branch.render(registry, context, rc, out))
    }
}

/// A problem in a line of an assembled template, told of the file that the line comes from.
fn located(name: &str, origins: &[Origin], line: Option<usize>, message: String) -> TemplateProblem {
    // What is missing at the end is missed behind the last line.
    match line.and_then(|line| origins.get(line.checked_sub(1)?).or(origins.last())) {
        Some(origin) => problem(&origin.template, Some(origin.line), message),
        None => problem(name, None, message),
    }
}

fn problem(template: &str, line: Option<usize>, message: String) -> TemplateProblem {
    TemplateProblem { template: template.to_owned(), line, message }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rendered(sources: &[(&str, &str)]) -> Result<String, String> {
        let templates = Templates::parse(sources.iter().copied())
            .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
        templates.text("k/body", &json!({ "title": "t", "empty": null })).map_err(|error| error.to_string())
    }

    #[test]
    fn shipped_templates_can_be_read_and_have_short_lines() {
        Templates::load().unwrap();
        Templates::pages().unwrap();
        for (name, text) in SHIPPED.iter().chain(SHIPPED_PAGES) {
            assert!(text.lines().all(|line| line.len() <= 120), "{name}");
        }
    }

    #[test]
    fn html_is_escaped_and_text_is_not() {
        let templates =
            Templates::parse([("k/body.txt", "{{title}}"), ("k/body.html", "{{title}}")]).unwrap();
        let view = json!({ "title": r#"R&D <script> "it's""# });
        assert_eq!(
            templates.parts("k/body", &view).unwrap(),
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
}
