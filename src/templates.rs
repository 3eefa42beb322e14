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
//! What is in English has these names; what is in another language has them in a folder of the
//! language: `cy-GB/open-now/body.txt`. A kind is there in a language if it has both bodies in it. Such
//! a body takes blocks of its own language only, and English ones that have no words of their own, such
//! as one that only lists facts.
//!
//! A page is one template in HTML, made of blocks in the same way.
//!
//! There are two registries, because escaping belongs to a registry: in the one for texts
//! nothing is escaped, in the one for HTML everything is. What a template may say is a short list
//! (`tags`); `{{{...}}}`, for one, is not on it. Both registries
//! are strict, also about `{{#if name}}`: a name that the view lacks is an error, never an empty
//! place in a mail.
//!
//! Files of an operator's own stand in place of those that ship with the program (`overrides`).

mod overrides;
mod shipped;
mod tags;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use handlebars::{
    Context, Handlebars, Helper, HelperDef, HelperResult, JsonTruthy as _, Output, RenderContext,
    RenderError, RenderErrorReason, Renderable as _,
};
use serde::Serialize;

use crate::domain::language::Language;
use overrides::Overrides;
pub use tags::Mark;
use tags::has_words;

pub(crate) use shipped::SHIPPED;
use shipped::SHIPPED_PAGES;
pub use shipped::STYLE;

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
    /// The names of what each template is made of: itself, the page and the blocks.
    made_of: BTreeMap<String, BTreeSet<String>>,
    /// What it was read from, by name.
    sources: BTreeMap<String, Source>,
    /// The names of the files that stand in place of others, or beside them.
    overridden: Vec<String>,
}

/// A template as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its text.
    pub text: String,
    /// What messages call it: its name, or the file of an operator.
    pub shown: String,
}

/// The names of both templates of a body or block in a language, without their endings.
fn named(language: Language, name: &str) -> String {
    match language {
        Language::EnGb => name.to_owned(),
        Language::CyGb => format!("{language}/{name}"),
    }
}

/// The language that a name is in, and the rest of the name.
fn language_of(name: &str) -> (Language, &str) {
    let other = Language::ALL.into_iter().filter(|language| *language != Language::default());
    let mut found =
        other.filter_map(|language| Some((language, name.strip_prefix(language.tag())?.strip_prefix('/')?)));
    found.next().unwrap_or((Language::default(), name))
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
    /// The templates that ship with the program, and those in this folder in place of them.
    ///
    /// # Errors
    ///
    /// Every template that cannot be read. What shows only when a template is rendered (a name that
    /// its view lacks) is found by rendering samples.
    pub fn load(folder: Option<&Path>) -> Result<Self, Vec<TemplateProblem>> {
        let overrides = folder.map(Overrides::read).transpose()?.unwrap_or_default();
        let mut sources = shipped_sources();
        let overridden = overrides.files.keys().cloned().collect();
        sources.extend(overrides.files);
        Ok(Self { overridden, ..Self::read(sources)? })
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
        let source = |(name, text): (&str, &str)| {
            (name.to_owned(), Source { text: text.to_owned(), shown: name.to_owned() })
        };
        Self::read(sources.into_iter().map(source).collect())
    }

    fn read(sources: BTreeMap<String, Source>) -> Result<Self, Vec<TemplateProblem>> {
        let mut templates = Self {
            text: registry(str::to_owned),
            html: registry(escape),
            origins: BTreeMap::new(),
            made_of: BTreeMap::new(),
            sources: BTreeMap::new(),
            overridden: vec![],
        };
        let problems: Vec<_> = sources
            .iter()
            .flat_map(|(name, source)| tags::check(name, source))
            .chain(halves(&sources))
            .collect();
        if !problems.is_empty() {
            return Err(problems);
        }
        // A mistake in a block would show again in every template that it is put into.
        let (blocks, kinds): (Vec<&String>, Vec<&String>) =
            sources.keys().partition(|name| language_of(name).1.starts_with("layout/"));
        for names in [blocks, kinds] {
            let add = |name: &String| templates.add(name, &sources).err();
            let problems: Vec<_> = names.into_iter().filter_map(add).collect();
            if !problems.is_empty() {
                return Err(problems);
            }
        }
        templates.sources = sources;
        Ok(templates)
    }

    fn add(&mut self, name: &str, sources: &BTreeMap<String, Source>) -> Result<(), TemplateProblem> {
        let shown = sources[name].shown.as_str();
        let (stem, registry) = match name.rsplit_once('.') {
            Some((stem, "txt")) => (stem, &mut self.text),
            Some((stem, "html")) => (stem, &mut self.html),
            _ => return Err(problem(shown, None, "the name must end in .txt or .html".to_owned())),
        };
        let ending = &name[stem.len()..];
        if language_of(stem).1 == "layout/page" {
            return Ok(());
        }
        let mut assembled = Assembled {
            sources,
            ending,
            body: name,
            text: String::new(),
            origins: Vec::new(),
            made_of: BTreeSet::new(),
        };
        let page = assembled.block("page").map_err(|message| problem(shown, None, message))?;
        let is_body = stem.ends_with("/body") && sources.contains_key(page.as_str());
        assembled.put(if is_body { &page } else { name }, 0)?;
        let Assembled { text, origins, made_of, .. } = assembled;
        registry.register_template_string(stem, text).map_err(|error| {
            located(shown, &origins, error.pos().map(|(line, _)| line), error.reason().to_string())
        })?;
        self.origins.insert(name.to_owned(), origins);
        self.made_of.insert(name.to_owned(), made_of);
        Ok(())
    }

    /// The language that a body is rendered in for somebody who reads `wanted`: that, if it is there
    /// in it, else English.
    #[must_use]
    pub fn language(&self, body: &str, wanted: Language) -> Language {
        let stem = named(wanted, body);
        let is_there = self.text.has_template(&stem) && self.html.has_template(&stem);
        if is_there { wanted } else { Language::default() }
    }

    /// The bodies that are there in this language, without the language and the ending.
    pub fn bodies(&self, language: Language) -> impl Iterator<Item = &str> {
        let of_language = self.sources.keys().map(|name| language_of(name));
        let names = of_language.filter(move |(found, _)| *found == language);
        let stems = names.filter_map(|(_, name)| name.rsplit_once('.').map(|(stem, _)| stem));
        stems.filter(|stem| stem.ends_with("/body")).collect::<BTreeSet<&str>>().into_iter()
    }

    /// The files that stand in place of those that ship with the program, or beside them.
    #[must_use]
    pub fn overridden(&self) -> &[String] {
        &self.overridden
    }

    /// The files of an operator that a body is made of.
    #[must_use]
    pub fn own_files(&self, language: Language, body: &str) -> BTreeSet<&str> {
        let stem = named(language, body);
        let names = [format!("{stem}.html"), format!("{stem}.txt")];
        let parts = names.iter().filter_map(|name| self.made_of.get(name)).flatten();
        let own = parts.filter(|part| self.overridden.contains(part));
        own.filter_map(|part| Some(self.sources.get(part)?.shown.as_str())).collect()
    }

    /// The same templates with a mark in each branch of the files of an operator; a mark that no
    /// rendering shows is a branch that no rendering takes.
    ///
    /// # Errors
    ///
    /// As for [`load`](Self::load).
    pub fn marked(&self) -> Result<(Self, Vec<Mark>), Vec<TemplateProblem>> {
        let mut sources = self.sources.clone();
        let mut marks = Vec::new();
        for name in &self.overridden {
            if let Some(source) = sources.get_mut(name) {
                source.text = tags::marked(source, &mut marks);
            }
        }
        Ok((Self::read(sources)?, marks))
    }

    /// Renders both templates of a name, given without the ending, in a language; in English, if
    /// they are not there in that.
    ///
    /// # Errors
    ///
    /// When there is no such template, or it asks for what the view does not have.
    pub fn parts(
        &self,
        language: Language,
        name: &str,
        view: &impl Serialize,
    ) -> Result<Parts, TemplateProblem> {
        let stem = named(self.language(name, language), name);
        let context = Context::wraps(view).map_err(|error| self.unrenderable(Format::Text, &stem, &error))?;
        Ok(Parts {
            text: self.render(Format::Text, &stem, &context)?,
            html: self.render(Format::Html, &stem, &context)?,
        })
    }

    /// Renders a template that is HTML, given its name without the ending.
    ///
    /// # Errors
    ///
    /// As for [`parts`](Self::parts).
    pub fn html(&self, name: &str, view: &impl Serialize) -> Result<String, TemplateProblem> {
        let context = Context::wraps(view).map_err(|error| self.unrenderable(Format::Html, name, &error))?;
        self.render(Format::Html, name, &context)
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
    sources: &'a BTreeMap<String, Source>,
    /// `.txt` or `.html`; blocks have the same.
    ending: &'a str,
    /// What `{{> body}}` stands for.
    body: &'a str,
    text: String,
    origins: Vec<Origin>,
    /// The names of all that was put in.
    made_of: BTreeSet<String>,
}

impl Assembled<'_> {
    /// How many blocks may lie within each other.
    const DEEPEST: usize = 8;

    /// The template of a block: the kind's own, else that of all; in the language of the body, else
    /// an English one without words.
    fn block(&self, block: &str) -> Result<String, String> {
        let (language, body) = language_of(self.body);
        let kind = body.rsplit_once('/').map_or("layout", |(folder, _)| folder);
        let in_folder = |language, folder| named(language, &format!("{folder}/{block}{}", self.ending));
        let own_in_english = in_folder(Language::default(), kind);
        let of_all = in_folder(Language::default(), "layout");
        let english = if self.sources.contains_key(&own_in_english) { own_in_english } else { of_all };
        if language == Language::default() {
            return Ok(english);
        }
        let own = in_folder(language, kind);
        if self.sources.contains_key(&own) {
            return Ok(own);
        }
        // A block that is the kind's own in English is so in every language.
        let of_all = in_folder(language, "layout");
        if english.starts_with("layout/") && self.sources.contains_key(&of_all) {
            return Ok(of_all);
        }
        match self.sources.get(&english) {
            Some(source) if has_words(source, self.ending) => {
                Err(format!("{} has words in English; write {language}/{english} beside it", source.shown))
            }
            _ => Ok(english),
        }
    }

    fn put(&mut self, name: &str, depth: usize) -> Result<(), TemplateProblem> {
        let source = &self.sources[name];
        self.made_of.insert(name.to_owned());
        for (index, line) in source.text.lines().enumerate() {
            let wrong = |message: String| Err(problem(&source.shown, Some(index + 1), message));
            if let Some(block) = tags::block(line) {
                let inner = match block {
                    "body" => self.body.to_owned(),
                    block => match self.block(block) {
                        Ok(inner) => inner,
                        Err(message) => return wrong(message),
                    },
                };
                if !self.sources.contains_key(inner.as_str()) {
                    return wrong(format!("there is no block {inner}"));
                }
                if depth == Self::DEEPEST {
                    return wrong(format!("the block {inner} contains itself"));
                }
                self.put(&inner, depth + 1)?;
            } else {
                self.text.push_str(line);
                self.text.push('\n');
                self.origins.push(Origin { template: source.shown.clone(), line: index + 1 });
            }
        }
        Ok(())
    }
}

/// The templates that ship with the program, by name.
fn shipped_sources() -> BTreeMap<String, Source> {
    let source = |(name, text): &(&str, &str)| {
        ((*name).to_owned(), Source { text: (*text).to_owned(), shown: (*name).to_owned() })
    };
    SHIPPED.iter().map(source).collect()
}

/// Bodies in another language than English of which there is only one part: they would never be taken.
fn halves(sources: &BTreeMap<String, Source>) -> Vec<TemplateProblem> {
    let bodies = sources.iter().filter(|(name, _)| language_of(name).0 != Language::default());
    let without_other = bodies.filter_map(|(name, source)| {
        let other = match name.strip_suffix("/body.txt") {
            Some(kind) => format!("{kind}/body.html"),
            None => format!("{}/body.txt", name.strip_suffix("/body.html")?),
        };
        let message = format!("a mail needs both parts; write {other}, too");
        (!sources.contains_key(&other)).then(|| problem(&source.shown, None, message))
    });
    without_other.collect()
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
mod tests;
