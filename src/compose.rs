//! From what is due to a mail that can be sent.
//!
//! [`Composer::mail`] gathers what there is to say into a typed view, renders the two templates of
//! the kind, looks at the result once more, and puts headers on it. It reads no clock and no table,
//! so the same arguments give the same octets.
//!
//! Texts from outside reach a mail only through [`one_line`](crate::domain::text::one_line), and
//! HTML only through the escaping registry of [`crate::templates`]. What still breaks a rule of
//! [`Rule`] becomes [`ComposeError::Lint`] and is not sent.
//!
//! A new kind of mail is a member of [`MailKind`], two functions that say what it tells of all and
//! of each opening (such as those in `shut.rs`), its templates in `templates/email/<kind>/`, and
//! samples.

mod calendar;
mod correction;
mod days;
mod digest;
mod dkim;
mod email;
mod english;
mod kind;
pub mod letters;
mod lint;
mod message_id;
mod names;
mod particulars;
pub mod preview;
mod quoted_printable;
mod rehearsal;
mod routes;
mod samples;
mod shut;
mod stop;
mod subject_line;
mod tongue;
mod unfit;
mod vacancies;
mod view;
mod welsh;
mod words;

use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::Serialize;
use url::Url;
use uuid::Uuid;

use crate::config::{Config, Dkim};
use crate::domain::alert::{Notice, Told};
use crate::domain::dkim::KeyError;
use crate::domain::email::{AddressError, EmailAddress, Mailbox};
use crate::domain::language::Language;
use crate::domain::return_path::ReturnPath;
use crate::domain::subject::Subject;
use crate::domain::taxonomy::Taxonomy;
use crate::domain::token::TokenKeys;
use crate::domain::truth::Truth;
use crate::templates::{Parts, TemplateProblem, Templates};

pub use crate::domain::letter::Letter;
pub use digest::Digest;
pub use dkim::Signer;
pub use email::{Email, Headers, List};
pub use kind::MailKind;
use lint::{Draft, Slot};
pub use lint::{Finding, Rule};
pub use message_id::MessageId;
pub use stop::Stop;
use unfit::unfit;
use view::{Rendered, Setting, View};

/// The block that every alert must contain.
const STOP_BLOCK: &str = "layout/stop-and-change";
/// What a mail says in its place that tells that we have stopped.
const STOPPED_BLOCK: &str = "lapsed/stop-and-change";

/// The most openings in one mail: more than these nobody reads, and the mail grows too large.
pub const MOST_ITEMS: usize = 20;

/// Who the mails are from, as they say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// The header `From`.
    pub from: Mailbox,
    /// The header `Reply-To`.
    pub reply_to: Mailbox,
    /// Where mails come back to.
    pub return_path: ReturnPath,
    /// What mails are signed with; nothing if somebody else does that.
    pub signers: Vec<Signer>,
    /// What the links to stop and the return paths are signed with.
    pub token_keys: TokenKeys,
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
    /// Where an opening can be looked for that has no link, and routes be compared; the page to stop
    /// is below it.
    pub public_url: Url,
    /// The hosts that links in events may lead to.
    pub allowed_hosts: Vec<String>,
    /// By whose clocks a mail is dated.
    pub zone: Tz,
}

impl Sender {
    /// As the configuration has it.
    #[must_use]
    pub fn new(config: &Config, token_keys: TokenKeys) -> Self {
        Self {
            from: config.smtp.from.clone(),
            reply_to: config.smtp.reply_to.clone(),
            return_path: config.smtp.return_path.clone(),
            signers: signers(&config.dkim),
            token_keys,
            discreet_name: config.smtp.discreet_name.clone(),
            name: config.sender.name.clone(),
            team: config.sender.team.clone(),
            postal_address: config.sender.postal_address.clone(),
            privacy_url: config.sender.privacy_url.clone(),
            public_url: config.web.public_url.clone(),
            allowed_hosts: config.links.allowed_hosts.clone(),
            zone: config.time.zone,
        }
    }
}

fn signers(dkim: &Dkim) -> Vec<Signer> {
    let keys = dkim.keys().map(|(selector, key)| Signer {
        domain: dkim.domain.clone(),
        selector: selector.to_owned(),
        key: key.clone(),
    });
    keys.collect()
}

/// The person that a mail is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// Their public id.
    pub person: Uuid,
    /// Their address.
    pub address: EmailAddress,
    /// Nothing at first sight may tell what the mail is about.
    pub discreet: bool,
    /// What they read; a kind of mail that is not written in it comes in English.
    pub language: Language,
}

/// What tells a mail from all others; the same however often it is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity<'a> {
    /// Its key in the tables.
    pub key: i64,
    /// What it is known by outside.
    pub message_id: &'a MessageId,
    /// The Message-IDs of the mails that it goes on with, oldest first.
    pub thread: &'a [String],
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
    /// A mail may have told them, of which nobody knows whether it arrived.
    pub perhaps_told: bool,
    /// Made only to try the road.
    pub test: bool,
}

/// Why there is no mail. Nothing that is due can be sent until somebody mends the cause.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// No opening, or more than [`MOST_ITEMS`].
    #[error("a mail tells of 1 to {MOST_ITEMS} openings, not of {0}")]
    Items(usize),
    /// A template asks for what there is not.
    #[error("a template could not be rendered: {0}")]
    Template(#[from] TemplateProblem),
    /// The mail breaks rules.
    #[error("the mail was held back: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Lint(Vec<Finding>),
    /// The address of a preview cannot be read.
    #[error("the address of a preview cannot be read")]
    Reader,
    /// An address that cannot stand in a header.
    #[error("an address cannot stand in a header: {0}")]
    Address(#[from] lettre::address::AddressError),
    /// The parts could not be put together.
    #[error("the mail could not be put together: {0}")]
    Message(#[from] lettre::error::Error),
    /// What was put together is no text.
    #[error("the mail is not UTF-8: {0}")]
    Encoding(#[from] std::string::FromUtf8Error),
    /// The key for signatures does not work.
    #[error("the mail could not be signed: {0}")]
    Signature(#[from] KeyError),
    /// A kind of part that the mail library does not know.
    #[error("a part of the mail could not be named: {0}")]
    Part(#[from] lettre::message::header::ContentTypeErr),
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
    /// The hosts that links may lead to.
    hosts: Vec<String>,
}

impl Composer {
    /// A composer with the shipped templates, and those in this folder in place of them, all of
    /// them tried.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with a template, and everything that the sender's settings would
    /// make wrong in each mail.
    pub fn new(
        sender: Sender,
        taxonomy: Arc<Taxonomy>,
        folder: Option<&Path>,
    ) -> Result<Self, Vec<TemplateProblem>> {
        Self::with_templates(Templates::load(folder)?, sender, taxonomy)
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
        let own = [&sender.public_url, &sender.privacy_url];
        let mut hosts = sender.allowed_hosts.clone();
        hosts.extend(own.into_iter().filter_map(|url| url.host_str().map(ToOwned::to_owned)));
        let composer = Self { templates, taxonomy, sender, discreet_from, hosts };
        let problems = composer.check();
        if problems.is_empty() { Ok(composer) } else { Err(problems) }
    }

    /// What is wrong with the templates: every kind is rendered in every language and in every
    /// branch, and looked at.
    #[must_use]
    pub fn check(&self) -> Vec<TemplateProblem> {
        let mut problems = self.untranslated();
        // The frame is judged in the name of a harmless sender: a force may be called anything.
        let harmless = Sender {
            name: "Example Force".to_owned(),
            team: "Example Team".to_owned(),
            postal_address: "1 Example Square".to_owned(),
            ..self.sender.clone()
        };
        let stop = Stop::sample(&self.sender);
        for (sender, judge) in [(&self.sender, lint::mail as Judge), (&harmless, lint::frame)] {
            for rehearsal in self.rehearsals(sender, &stop) {
                let rendered = rehearsal.rendered(&self.templates);
                match rendered.and_then(|rendered| self.found(&rehearsal, &rendered, judge)) {
                    Ok(found) => problems.extend(found),
                    Err(problem) => problems.push(problem),
                }
            }
        }
        if problems.is_empty() {
            problems.extend(self.untaken());
        }
        problems.sort_by(|a, b| (&a.template, a.line, &a.message).cmp(&(&b.template, b.line, &b.message)));
        problems.dedup();
        problems
    }

    /// The templates that are an operator's own, by name.
    #[must_use]
    pub fn own_templates(&self) -> &[String] {
        self.templates.overridden()
    }

    /// The domain of Message-IDs: that of `From`.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.sender.from.address().domain()
    }

    /// The mail of this kind, which is no digest, that tells one person of these openings. Those that close soonest come
    /// first, those without a closing last. A kind that follows up goes on with the thread of its
    /// identity.
    ///
    /// # Errors
    ///
    /// When there is nothing or too much to tell, or the mail breaks a rule.
    pub fn mail(
        &self,
        kind: MailKind,
        to: &Recipient,
        identity: Identity<'_>,
        items: &[Item<'_>],
        now: DateTime<Utc>,
    ) -> Result<Email, ComposeError> {
        let Self { sender, taxonomy, .. } = self;
        let (language, stop) =
            (self.templates.language(view::body(kind), to.language), &self.stop(to, identity));
        let setting =
            Setting { sender, taxonomy, language, stop, discreet: to.discreet, now, soon: now, rest: 0 };
        self.made(setting, kind, to, identity, items)
    }

    /// The mail that tells one person what there is since the last digest: what closes soon, what
    /// is new, what has changed, and what opened and closed.
    ///
    /// # Errors
    ///
    /// As for [`mail`](Self::mail).
    pub fn digest(
        &self,
        to: &Recipient,
        identity: Identity<'_>,
        digest: &Digest<'_>,
        now: DateTime<Utc>,
    ) -> Result<Email, ComposeError> {
        let Self { sender, taxonomy, .. } = self;
        let Digest { items, soon, rest } = digest;
        let language = self.templates.language(view::body(MailKind::Digest), to.language);
        let stop = &self.stop(to, identity);
        let setting = Setting {
            sender,
            taxonomy,
            language,
            stop,
            discreet: to.discreet,
            now,
            soon: *soon,
            rest: *rest,
        };
        self.made(setting, MailKind::Digest, to, identity, items)
    }

    /// How the person stops what this mail is about, or all mails.
    fn stop(&self, to: &Recipient, identity: Identity<'_>) -> Stop {
        Stop::new(&self.sender, to.person, Some(identity.key))
    }

    fn made(
        &self,
        setting: Setting<'_>,
        kind: MailKind,
        to: &Recipient,
        identity: Identity<'_>,
        items: &[Item<'_>],
    ) -> Result<Email, ComposeError> {
        if items.is_empty() || items.len() > MOST_ITEMS {
            return Err(ComposeError::Items(items.len()));
        }
        let now = setting.now;
        let mut findings: Vec<Finding> = items.iter().flat_map(|item| unfit(kind, item, now)).collect();
        if !findings.is_empty() {
            return Err(ComposeError::Lint(findings));
        }
        let view = View::new(setting, kind, items);
        let rendered = view.render(&self.templates)?;
        findings = self.judged(&view, &rendered, lint::mail)?;
        if !findings.is_empty() {
            return Err(ComposeError::Lint(findings));
        }
        let thread = if kind.follows_up() { identity.thread } else { &[] };
        let headers = Headers {
            list: List::of(items.iter().map(|item| item.subject.kind)),
            stop: kind.offers_stop().then(|| setting.stop.clone()),
            ..self.headers(to, Identity { thread, ..identity }, kind.name(), now)
        };
        let calendar =
            (kind == MailKind::OpeningDate).then(|| self.calendar(setting, items, identity.message_id));
        let email = Email::new(
            headers,
            &rendered.subject,
            rendered.text,
            rendered.html,
            calendar.flatten().as_deref(),
        )?;
        email.signed(&self.sender.signers)
    }

    /// When the routes open whose dates are told; `None` if none has a date. Nothing at first sight
    /// tells more than the mail itself does, and a calendar is seen at first sight.
    fn calendar(&self, setting: Setting<'_>, items: &[Item<'_>], message_id: &MessageId) -> Option<String> {
        let entry = |item: &Item<'_>| {
            let url = item.truth.facts.url.as_deref().and_then(|url| url.parse().ok());
            let (summary, url) = if setting.discreet {
                ("Something you asked about opens".to_owned(), None)
            } else {
                (format!("Applications open: {}", names::title(&self.taxonomy, item)), url)
            };
            Some(calendar::Entry { begins: routes::opening(item.truth)?, summary, url })
        };
        let entries: Vec<calendar::Entry> = items.iter().filter_map(entry).collect();
        (!entries.is_empty())
            .then(|| calendar::file(&entries, message_id.local(), self.domain(), setting.now))
    }

    /// Those of a mail of this kind that is about no opening and does not say how to stop.
    fn headers(
        &self,
        to: &Recipient,
        identity: Identity<'_>,
        kind: &'static str,
        now: DateTime<Utc>,
    ) -> Headers {
        let sender = &self.sender;
        let reply_to = &sender.reply_to;
        Headers {
            from: self.from(to.discreet).clone(),
            reply_to: if to.discreet { without_name(reply_to) } else { reply_to.clone() },
            to: to.address.clone(),
            return_path: sender.return_path.bounce(&sender.token_keys.bounce(identity.key)),
            date: now.with_timezone(&sender.zone),
            message_id: identity.message_id.clone(),
            kind,
            list: List::Letters,
            help: sender.privacy_url.clone(),
            stop: None,
            thread: identity.thread.to_vec(),
        }
    }

    fn judged(
        &self,
        view: &View<'_>,
        rendered: &Rendered,
        judge: Judge,
    ) -> Result<Vec<Finding>, TemplateProblem> {
        let stop = self.block(view.language(), STOP_BLOCK, view.stop_url())?;
        Ok(self.judge(rendered, view.language(), &view.slots(), &stop, view.discreet(), judge))
    }

    /// How to stop, in the text and in the HTML, as it must stand in a mail.
    fn block(&self, language: Language, name: &str, stop_url: &str) -> Result<[String; 2], TemplateProblem> {
        #[derive(Serialize)]
        struct Block<'a> {
            stop_url: &'a str,
        }
        let Parts { text, html } = self.templates.parts(language, name, &Block { stop_url })?;
        Ok([text, html].map(|block| block.trim().to_owned()))
    }

    fn judge(
        &self,
        rendered: &Rendered,
        language: Language,
        slots: &[Slot<'_>],
        stop: &[String; 2],
        discreet: bool,
        judge: Judge,
    ) -> Vec<Finding> {
        judge(&Draft {
            language,
            subject: &rendered.subject,
            from_name: self.from(discreet).name(),
            text: &rendered.text,
            html: &rendered.html,
            slots,
            stop: [&stop[0], &stop[1]],
            hosts: &self.hosts,
            hidden: discreet.then_some(&self.sender.name),
        })
    }

    fn from(&self, discreet: bool) -> &Mailbox {
        if discreet { &self.discreet_from } else { &self.sender.from }
    }
}

fn without_name(mailbox: &Mailbox) -> Mailbox {
    Mailbox::new(None, mailbox.address().clone()).unwrap_or_else(|_| mailbox.clone())
}

fn setting(key: &str, error: AddressError) -> TemplateProblem {
    TemplateProblem { template: key.to_owned(), line: None, message: error.to_string() }
}

#[cfg(test)]
mod tests;
