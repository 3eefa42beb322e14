//! Letters: the mails to a person that are about no opening.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;

use crate::compose::email::Email;
use crate::compose::lint::{self, Slot, Writer};
use crate::compose::names::{label_of_programme, names};
use crate::compose::tongue::tongue;
use crate::compose::view::{Rendered, without_gaps};
use crate::compose::{
    ComposeError, Composer, Headers, Identity, Judge, Recipient, STOP_BLOCK, STOPPED_BLOCK, Sender, Stop,
};
use crate::domain::language::Language;
use crate::domain::letter::Letter;
use crate::domain::taxonomy::Taxonomy;
use crate::templates::{Parts, TemplateProblem, Templates};

/// The most registrations that a letter names.
const MOST_REGISTRATIONS: usize = 20;

/// What somebody asked for, as a letter tells them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Holding {
    /// What they registered for, by its slug, and when.
    pub registrations: Vec<(String, DateTime<Utc>)>,
    /// What they call their searches.
    pub searches: Vec<String>,
}

/// What a letter tells.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// What they asked for: we hold it, or have deleted it.
    pub holding: &'a Holding,
    /// The last day on which an answer counts; or, of what has lapsed, the day
    /// on which the question was sent.
    pub day: NaiveDate,
}

/// What the templates of letters need.
#[derive(Serialize)]
pub(super) struct View<'a> {
    /// The language of the letter, as `lang` has it.
    lang: &'static str,
    page_title: String,
    test: bool,
    discreet: bool,
    headline: String,
    reminder: bool,
    holding: Vec<String>,
    /// What silence will mean, or has meant.
    silence: String,
    force: &'a str,
    team: &'a str,
    postal_address: &'a str,
    public_url: &'a str,
    privacy_url: &'a str,
    stop_url: &'a str,
    #[serde(skip)]
    letter: Letter,
    #[serde(skip)]
    language: Language,
}

impl<'a> View<'a> {
    pub(super) fn new(
        sender: &'a Sender,
        taxonomy: &Taxonomy,
        language: Language,
        stop: &'a Stop,
        letter: Letter,
        told: Told<'_>,
        discreet: bool,
    ) -> Self {
        let Told { holding, day } = told;
        let (tongue, registrations) = (tongue(language), holding.registrations.len());
        Self {
            lang: language.tag(),
            page_title: if discreet {
                tongue.discreet_letter_subject(letter).to_owned()
            } else {
                tongue.letter_subject(letter, registrations)
            },
            test: false,
            discreet,
            headline: tongue.letter_headline(letter, registrations),
            reminder: letter == Letter::Reminder,
            holding: lines(sender, taxonomy, language, letter, holding),
            silence: tongue.silence(letter, day),
            force: &sender.name,
            team: &sender.team,
            postal_address: &sender.postal_address,
            public_url: sender.public_url.as_str(),
            privacy_url: sender.privacy_url.as_str(),
            stop_url: stop.page.as_str(),
            letter,
            language,
        }
    }

    pub(super) fn render(&self, templates: &Templates) -> Result<Rendered, TemplateProblem> {
        let Parts { text, html } = templates.parts(self.language, body(self.letter), self)?;
        Ok(Rendered { subject: self.page_title.clone(), text: without_gaps(&text), html })
    }

    fn slots(&self) -> Vec<Slot<'_>> {
        let slot = |name, text, writer| Slot { name, text, writer };
        let mut slots = vec![
            slot("headline", &*self.headline, Writer::Us),
            slot("silence", &self.silence, Writer::Us),
            slot("sender name", self.force, Writer::Source),
            slot("sender team", self.team, Writer::Source),
            slot("sender postal address", self.postal_address, Writer::Source),
            slot("sender privacy link", self.privacy_url, Writer::Source),
        ];
        slots.extend(self.holding.iter().map(|line| slot("what we hold", line, Writer::Reader)));
        slots
    }
}

/// The template of a letter.
pub(super) const fn body(letter: Letter) -> &'static str {
    match letter {
        Letter::StillInterested | Letter::Reminder => "still-interested/body",
        Letter::Lapsed => "lapsed/body",
    }
}

/// What somebody asked for, line by line.
fn lines(
    sender: &Sender,
    taxonomy: &Taxonomy,
    language: Language,
    letter: Letter,
    holding: &Holding,
) -> Vec<String> {
    let (tongue, registrations) = (tongue(language), &holding.registrations);
    let mut lines: Vec<String> = registrations
        .iter()
        .take(MOST_REGISTRATIONS)
        .map(|(programme, on)| {
            let on = on.with_timezone(&sender.zone).date_naive();
            tongue.held_registration(on, &label_of_programme(taxonomy, programme), letter)
        })
        .collect();
    if registrations.len() > MOST_REGISTRATIONS {
        lines.push(tongue.more_registrations(registrations.len() - MOST_REGISTRATIONS));
    }
    let searches: Vec<&str> = holding.searches.iter().map(String::as_str).collect();
    if !searches.is_empty() {
        let names = names(tongue, &searches, searches.len());
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        lines.push(tongue.saved_searches(searches.len(), &names));
    }
    lines
}

impl Composer {
    /// A letter to one person, in the thread of those before it.
    ///
    /// # Errors
    ///
    /// When the mail breaks a rule.
    pub fn letter(
        &self,
        letter: Letter,
        to: &Recipient,
        identity: Identity<'_>,
        told: Told<'_>,
        now: DateTime<Utc>,
    ) -> Result<Email, ComposeError> {
        let language = self.templates.language(body(letter), to.language);
        // It is about all that they asked for, so there is nothing in it to be stopped alone.
        let stop = Stop::new(&self.sender, to.person, None);
        let view = View::new(&self.sender, &self.taxonomy, language, &stop, letter, told, to.discreet);
        let rendered = view.render(&self.templates)?;
        let findings = self.judged_letter(&view, &rendered, lint::mail)?;
        if !findings.is_empty() {
            return Err(ComposeError::Lint(findings));
        }
        let headers = Headers {
            stop: letter.offers_stop().then(|| stop.clone()),
            ..self.headers(to, identity, letter.name(), now)
        };
        Email::new(headers, &rendered.subject, rendered.text, rendered.html, None)?
            .signed(&self.sender.signers)
    }

    pub(super) fn judged_letter(
        &self,
        view: &View<'_>,
        rendered: &Rendered,
        judge: Judge,
    ) -> Result<Vec<lint::Finding>, TemplateProblem> {
        let block = if view.letter.offers_stop() { STOP_BLOCK } else { STOPPED_BLOCK };
        let stop = self.block(view.language, block, view.stop_url)?;
        Ok(self.judge(rendered, view.language, &view.slots(), &stop, view.discreet, judge))
    }
}

/// The day that the samples name.
pub(super) fn sample_day() -> NaiveDate {
    NaiveDate::from_ymd_opt(2024, 1, 30).unwrap_or_default()
}

/// A letter that takes some branches of the templates.
pub(super) struct Sample {
    pub(super) letter: Letter,
    pub(super) discreet: bool,
    holding: Holding,
}

impl Sample {
    pub(super) fn told(&self) -> Told<'_> {
        Told { holding: &self.holding, day: sample_day() }
    }
}

/// Together they take every branch.
pub(super) fn samples() -> Vec<Sample> {
    let on = DateTime::from_timestamp(1_671_000_000, 0).unwrap_or_default();
    let holding = |registrations: &[&str], searches: &[&str]| Holding {
        registrations: registrations.iter().map(|slug| ((*slug).to_owned(), on)).collect(),
        searches: searches.iter().map(|name| (*name).to_owned()).collect(),
    };
    let several: Vec<String> = (0..=MOST_REGISTRATIONS).map(|number| format!("route-{number}")).collect();
    let several: Vec<&str> = several.iter().map(String::as_str).collect();
    let sample = |letter, discreet, holding| Sample { letter, discreet, holding };
    let mut samples = vec![
        sample(Letter::StillInterested, false, holding(&[], &["Near me"])),
        sample(Letter::StillInterested, false, holding(&[], &[""])),
        sample(Letter::StillInterested, false, holding(&several, &["Near me", "Archives"])),
        sample(Letter::Lapsed, false, holding(&several, &["", ""])),
        sample(Letter::Lapsed, false, Holding::default()),
    ];
    for letter in Letter::ALL {
        samples.push(sample(letter, false, holding(&["a-route"], &[])));
        samples.push(sample(letter, true, holding(&["a-route"], &["Near me"])));
    }
    samples
}
