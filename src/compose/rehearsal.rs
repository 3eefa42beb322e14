//! The templates, tried: every sample of every kind in every language that the kind is there in.

use crate::compose::letters::{self, samples as samples_of_letters};
use crate::compose::samples::{self, Sample};
use crate::compose::tongue::TRANSLATED;
use crate::compose::view::{self, Rendered, View};
use crate::compose::{Composer, Finding, Judge, Rule, Sender, Stop};
use crate::domain::language::Language;
use crate::domain::taxonomy::Taxonomy;
use crate::templates::{TemplateProblem, Templates};

/// One sample in one language, in the name of one sender.
pub(super) struct Rehearsal<'a> {
    sender: &'a Sender,
    taxonomy: &'a Taxonomy,
    stop: &'a Stop,
    language: Language,
    of: Of,
}

/// What is rehearsed.
pub(super) enum Of {
    Mail(Sample),
    Letter(letters::Sample),
}

impl Of {
    pub(super) fn all() -> impl Iterator<Item = Self> {
        samples::all().into_iter().map(Self::Mail).chain(samples_of_letters().into_iter().map(Self::Letter))
    }

    pub(super) fn body(&self) -> &'static str {
        match self {
            Self::Mail(sample) => view::body(sample.kind),
            Self::Letter(sample) => letters::body(sample.letter),
        }
    }

    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Mail(sample) => sample.kind.name(),
            Self::Letter(sample) => sample.letter.name(),
        }
    }
}

impl Of {
    pub(super) fn is_discreet(&self) -> bool {
        match self {
            Self::Mail(sample) => sample.discreet,
            Self::Letter(sample) => sample.discreet,
        }
    }

    /// What to call it by: its own name, else that of its kind and what is special about it, or the
    /// next number.
    pub(super) fn name(&self, number: &mut usize) -> String {
        let (own, is_test) = match self {
            Self::Mail(sample) => (sample.name, sample.items().iter().any(|item| item.test)),
            Self::Letter(_) => ("", false),
        };
        let kind = self.kind();
        if !own.is_empty() {
            own.to_owned()
        } else if is_test {
            format!("{kind}-test")
        } else if self.is_discreet() {
            format!("{kind}-discreet")
        } else {
            *number += 1;
            format!("{kind}-{number}")
        }
    }
}

impl Rehearsal<'_> {
    #[cfg(test)]
    pub(super) fn kind(&self) -> &'static str {
        self.of.kind()
    }

    #[cfg(test)]
    pub(super) fn language(&self) -> Language {
        self.language
    }

    pub(super) fn rendered(&self, templates: &Templates) -> Result<Rendered, TemplateProblem> {
        self.with(|view| view.render(templates), |letter| letter.render(templates))
    }

    /// Has something done with what the templates see.
    fn with<T>(&self, mail: impl FnOnce(&View<'_>) -> T, letter: impl FnOnce(&letters::View<'_>) -> T) -> T {
        let Self { sender, taxonomy, stop, language, of } = self;
        match of {
            Of::Mail(sample) => {
                let setting = sample.setting(sender, taxonomy, *language, stop);
                mail(&View::new(setting, sample.kind, &sample.items()))
            }
            Of::Letter(sample) => {
                let letters::Sample { letter: kind, discreet, .. } = *sample;
                letter(&letters::View::new(sender, taxonomy, *language, stop, kind, sample.told(), discreet))
            }
        }
    }
}

impl Composer {
    /// Everything that there is to try, in the name of a sender.
    pub(super) fn rehearsals<'a>(&'a self, sender: &'a Sender, stop: &'a Stop) -> Vec<Rehearsal<'a>> {
        let mut rehearsals = Vec::new();
        for language in Language::ALL {
            let here = Of::all().filter(|of| self.templates.language(of.body(), language) == language);
            rehearsals.extend(here.map(|of| Rehearsal {
                sender,
                taxonomy: &self.taxonomy,
                stop,
                language,
                of,
            }));
        }
        rehearsals
    }

    /// What is wrong with a mail that was rehearsed.
    pub(super) fn found(
        &self,
        rehearsal: &Rehearsal<'_>,
        rendered: &Rendered,
        judge: Judge,
    ) -> Result<Vec<TemplateProblem>, TemplateProblem> {
        let findings = rehearsal.with(
            |view| self.judged(view, rendered, judge),
            |letter| self.judged_letter(letter, rendered, judge),
        )?;
        let Rehearsal { language, of, .. } = rehearsal;
        // The links of the samples lead to no host of anybody.
        let findings = findings.into_iter().filter(|finding| finding.rule != Rule::UnknownHost);
        Ok(findings.map(|finding| self.in_kind(*language, of, &finding)).collect())
    }

    fn in_kind(&self, language: Language, of: &Of, finding: &Finding) -> TemplateProblem {
        let own: Vec<&str> = self.templates.own_files(language, of.body()).into_iter().collect();
        let kind = match language {
            Language::EnGb => of.kind().to_owned(),
            Language::CyGb => format!("{language}/{}", of.kind()),
        };
        let message = match own[..] {
            [] => finding.to_string(),
            _ => format!("{finding}; look at {}", own.join(", ")),
        };
        TemplateProblem { template: kind, line: None, message }
    }

    /// Bodies in a language that the program has no sentences in for that kind of mail.
    pub(super) fn untranslated(&self) -> Vec<TemplateProblem> {
        let others = Language::ALL.into_iter().filter(|language| *language != Language::default());
        let bodies =
            others.flat_map(|language| self.templates.bodies(language).map(move |body| (language, body)));
        let strange = bodies
            .filter(|(_, body)| body.strip_suffix("/body").is_none_or(|kind| !TRANSLATED.contains(&kind)));
        let problem = |(language, body): (Language, &str)| TemplateProblem {
            template: format!("{language}/{body}"),
            line: None,
            message: format!(
                "the sentences that the program itself writes into this kind are there in English only, and a mail is \
                 in one language; take this body away (those that can be in {language}: {})",
                TRANSLATED.join(", ")
            ),
        };
        strange.map(problem).collect()
    }

    /// Branches of an operator's templates that no sample takes: nobody knows what they would say.
    pub(super) fn untaken(&self) -> Vec<TemplateProblem> {
        if self.templates.overridden().is_empty() {
            return vec![];
        }
        let (templates, mut marks) = match self.templates.marked() {
            Ok(marked) => marked,
            Err(problems) => return problems,
        };
        for rehearsal in self.rehearsals(&self.sender, &Stop::sample(&self.sender)) {
            if let Ok(Rendered { text, html, .. }) = rehearsal.rendered(&templates) {
                marks.retain(|mark| !text.contains(&mark.shows) && !html.contains(&mark.shows));
            }
        }
        let problem = |mark: crate::templates::Mark| TemplateProblem {
            template: mark.template,
            line: Some(mark.line),
            message: format!(
                "what follows {} is in no sample mail, so that nobody can look at it beforehand; leave it out, or put it \
                 under another condition",
                mark.tag
            ),
        };
        marks.into_iter().map(problem).collect()
    }
}
