//! From what is due to a mail that can be sent.
//!
//! [`Composer::vacancy_alert`] gathers what there is to say into a typed view, renders the three
//! templates of the kind, looks at the result once more, and puts headers on it. It reads no clock
//! and no table, so the same arguments give the same octets.
//!
//! Texts from outside reach a mail only through [`one_line`](crate::domain::text::one_line), and
//! HTML only through the escaping registry of [`crate::templates`]. What still breaks a rule of
//! [`Rule`] becomes [`ComposeError::Lint`] and is not sent.
//!
//! A new kind of mail is a file beside `vacancy_alert.rs` with its view and samples, its templates
//! in `templates/email/<kind>/`, and a method here.

mod email;
mod kind;
mod lint;
mod message_id;
mod quoted_printable;
mod vacancy_alert;
mod words;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use url::Url;

use crate::config::Config;
use crate::domain::alert::{Notice, Told};
use crate::domain::email::{AddressError, EmailAddress, Mailbox};
use crate::domain::subject::Subject;
use crate::domain::taxonomy::Taxonomy;
use crate::domain::truth::Truth;
use crate::templates::{Parts, TemplateProblem, Templates};

pub use email::{Email, Headers};
pub use kind::MailKind;
use lint::Draft;
pub use lint::{Finding, Rule};
pub use message_id::MessageId;
use vacancy_alert::{KIND as VACANCY_ALERT, Rendered, View};

/// The block that every alert must contain.
const STOP_BLOCK: &str = "layout/stop-and-change";

/// The most vacancies in one mail: more than these nobody reads, and the mail grows too large.
pub const MOST_ITEMS: usize = 20;

/// Who the mails are from, as they say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// The header `From`.
    pub from: Mailbox,
    /// The header `Reply-To`.
    pub reply_to: Mailbox,
    /// The name shown in `From`, with the same address, to people who asked for discreet mails.
    pub discreet_name: String,
    /// The force.
    pub name: String,
    /// The people who answer.
    pub team: String,
    /// The postal address, on one line.
    pub postal_address: String,
    /// The privacy notice.
    pub privacy_url: Url,
    /// Where a vacancy can be looked for whose advert has no link.
    pub public_url: Url,
    /// By whose clocks a mail is dated.
    pub zone: Tz,
}

impl From<&Config> for Sender {
    fn from(config: &Config) -> Self {
        Self {
            from: config.smtp.from.clone(),
            reply_to: config.smtp.reply_to.clone(),
            discreet_name: config.smtp.discreet_name.clone(),
            name: config.sender.name.clone(),
            team: config.sender.team.clone(),
            postal_address: config.sender.postal_address.clone(),
            privacy_url: config.sender.privacy_url.clone(),
            public_url: config.web.public_url.clone(),
            zone: config.time.zone,
        }
    }
}

/// The person that a mail is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// Their address.
    pub address: EmailAddress,
    /// Nothing at first sight may tell what the mail is about.
    pub discreet: bool,
}

/// Why a person is told: they registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registration<'a> {
    /// The slug they registered for: this programme, or what it is part of.
    pub programme: &'a str,
    /// When.
    pub on: DateTime<Utc>,
    /// They registered when it was announced or open already, so this mail is
    /// their receipt, too.
    pub receipt: bool,
}

/// One opening that a person is told about.
#[derive(Debug, Clone)]
pub struct Item<'a> {
    /// What it is.
    pub subject: &'a Subject,
    /// What is so.
    pub truth: &'a Truth,
    /// What they were last told, if anything.
    pub told: Option<Told<'a>>,
    /// What is to be told.
    pub notice: &'a Notice,
    /// The names of all searches of the person that match what is so or what
    /// was told, as they wrote them.
    pub searches: Vec<&'a str>,
    /// The registration that it answers, if there is one.
    pub registration: Option<Registration<'a>>,
    /// What they asked for matched what was told and does not match any more.
    pub no_longer_matches: bool,
    /// Made only to try the road.
    pub test: bool,
}

/// Why there is no mail. Nothing that is due can be sent until somebody mends the cause.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// No vacancy, or more than [`MOST_ITEMS`].
    #[error("a mail tells of 1 to {MOST_ITEMS} vacancies, not of {0}")]
    Items(usize),
    /// A template asks for what there is not.
    #[error("a template could not be rendered: {0}")]
    Template(#[from] TemplateProblem),
    /// The mail breaks rules.
    #[error("the mail was held back: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Lint(Vec<Finding>),
    /// An address that cannot stand in a header.
    #[error("an address cannot stand in a header: {0}")]
    Address(#[from] lettre::address::AddressError),
    /// The parts could not be put together.
    #[error("the mail could not be put together: {0}")]
    Message(#[from] lettre::error::Error),
}

/// A look at a mail: [`lint::mail`] or [`lint::frame`].
type Judge = fn(&Draft<'_>) -> Vec<Finding>;

/// Makes mails.
#[derive(Debug)]
pub struct Composer {
    templates: Templates,
    taxonomy: Arc<Taxonomy>,
    sender: Sender,
    discreet_from: Mailbox,
    /// How to stop, in the text and in the HTML.
    stop: [String; 2],
}

impl Composer {
    /// A composer with the shipped templates, all of them tried.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with a template, and everything that the sender's settings would
    /// make wrong in each mail.
    pub fn new(sender: Sender, taxonomy: Arc<Taxonomy>) -> Result<Self, Vec<TemplateProblem>> {
        Self::with_templates(Templates::load()?, sender, taxonomy)
    }

    /// As [`new`](Self::new), with other templates.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn with_templates(
        templates: Templates,
        sender: Sender,
        taxonomy: Arc<Taxonomy>,
    ) -> Result<Self, Vec<TemplateProblem>> {
        let discreet_from = Mailbox::new(Some(&sender.discreet_name), sender.from.address().clone())
            .map_err(|error| vec![setting("smtp.discreet_name", error)])?;
        let Parts { text, html } = templates.parts(STOP_BLOCK, &()).map_err(|problem| vec![problem])?;
        let stop = [text, html].map(|block| block.trim().to_owned());
        let composer = Self { templates, taxonomy, sender, discreet_from, stop };
        let problems = composer.check();
        if problems.is_empty() { Ok(composer) } else { Err(problems) }
    }

    /// What is wrong with the templates: every kind is rendered in every branch and looked at.
    #[must_use]
    pub fn check(&self) -> Vec<TemplateProblem> {
        let mut problems = Vec::new();
        // The frame is judged in the name of a harmless sender: a force may be called anything.
        let harmless = Sender {
            name: "Example Force".to_owned(),
            team: "Example Team".to_owned(),
            postal_address: "1 Example Square".to_owned(),
            ..self.sender.clone()
        };
        for (sender, judge) in [(&self.sender, lint::mail as Judge), (&harmless, lint::frame)] {
            for mut view in View::samples(sender) {
                match view.render(&self.templates) {
                    Ok(rendered) => {
                        let findings = self.judged(&view, &rendered, judge);
                        problems.extend(findings.iter().map(|finding| in_kind(VACANCY_ALERT, finding)));
                    }
                    Err(problem) => problems.push(problem),
                }
            }
        }
        problems.sort_by(|a, b| (&a.template, a.line, &a.message).cmp(&(&b.template, b.line, &b.message)));
        problems.dedup();
        problems
    }

    /// The domain of Message-IDs: that of `From`.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.sender.from.address().domain()
    }

    /// The vacancy alert: tells one person of one vacancy, or of several that are due at once; then
    /// those that close soonest come first, those without a closing last.
    ///
    /// # Errors
    ///
    /// When there is nothing or too much to tell, or the mail breaks a rule.
    pub fn vacancy_alert(
        &self,
        to: &Recipient,
        items: &[Item<'_>],
        message_id: &MessageId,
        now: DateTime<Utc>,
    ) -> Result<Email, ComposeError> {
        if items.is_empty() || items.len() > MOST_ITEMS {
            return Err(ComposeError::Items(items.len()));
        }
        if items.iter().any(|item| item.searches.is_empty()) {
            return Err(ComposeError::Lint(vec![Finding { place: "searches", rule: Rule::Missing }]));
        }
        let mut view = View::new(&self.sender, &self.taxonomy, to.discreet, items, now);
        let rendered = view.render(&self.templates)?;
        let findings = self.judged(&view, &rendered, lint::mail);
        if !findings.is_empty() {
            return Err(ComposeError::Lint(findings));
        }
        let reply_to = &self.sender.reply_to;
        let headers = Headers {
            from: self.from(to.discreet).clone(),
            reply_to: if to.discreet { without_name(reply_to) } else { reply_to.clone() },
            to: to.address.clone(),
            date: now.with_timezone(&self.sender.zone),
            message_id: message_id.clone(),
        };
        Email::new(headers, &rendered.subject, rendered.text, rendered.html)
    }

    /// The mail of this kind that tells one person of these openings.
    ///
    /// # Errors
    ///
    /// When there is nothing or too much to tell, or the mail breaks a rule.
    pub fn mail(
        &self,
        kind: MailKind,
        to: &Recipient,
        items: &[Item<'_>],
        thread: &[String],
        message_id: &MessageId,
        now: DateTime<Utc>,
    ) -> Result<Email, ComposeError> {
        let _ = (kind, thread);
        self.vacancy_alert(to, items, message_id, now)
    }

    fn judged(&self, view: &View<'_>, rendered: &Rendered, judge: Judge) -> Vec<Finding> {
        judge(&Draft {
            subject: &rendered.subject,
            from_name: self.from(view.discreet()).name(),
            text: &rendered.text,
            html: &rendered.html,
            slots: &view.slots(),
            stop: [&self.stop[0], &self.stop[1]],
            hidden: view.discreet().then_some(&self.sender.name),
        })
    }

    fn from(&self, discreet: bool) -> &Mailbox {
        if discreet { &self.discreet_from } else { &self.sender.from }
    }
}

fn without_name(mailbox: &Mailbox) -> Mailbox {
    Mailbox::new(None, mailbox.address().clone()).unwrap_or_else(|_| mailbox.clone())
}

fn in_kind(kind: &str, finding: &Finding) -> TemplateProblem {
    TemplateProblem { template: kind.to_owned(), line: None, message: finding.to_string() }
}

fn setting(key: &str, error: AddressError) -> TemplateProblem {
    TemplateProblem { template: key.to_owned(), line: None, message: error.to_string() }
}

#[cfg(test)]
mod tests;
