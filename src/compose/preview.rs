//! Mails to look at: each sample of each kind, as it would be sent to somebody.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::compose::rehearsal::Of;
use crate::compose::samples::HOST;
use crate::compose::{
    ComposeError, Composer, Digest, Email, Identity, MailKind, MessageId, Recipient, letters,
};
use crate::domain::email::EmailAddress;
use crate::domain::language::Language;
use crate::domain::letter::Letter;

/// Where previews are addressed to.
const READER: &str = "reader@example.org";

/// A sample, written.
#[derive(Debug)]
pub struct Preview {
    /// What to call its files by.
    pub name: String,
    /// The kind of mail.
    pub kind: &'static str,
    /// The language that it is in.
    pub language: Language,
    /// The mail.
    pub email: Email,
}

/// The kinds of mail, those about openings first.
#[must_use]
pub fn kinds() -> Vec<&'static str> {
    MailKind::ALL.map(MailKind::name).into_iter().chain(Letter::ALL.map(Letter::name)).collect()
}

impl Composer {
    /// The samples of this kind, or of all, for somebody who reads `language`. The hosts that the
    /// samples link to count as allowed.
    ///
    /// # Errors
    ///
    /// When a mail breaks a rule; [`check`](Self::check) says why.
    pub fn previews(&mut self, kind: Option<&str>, language: Language) -> Result<Vec<Preview>, ComposeError> {
        if !self.hosts.iter().any(|host| host == HOST) {
            self.hosts.push(HOST.to_owned());
        }
        let mut previews = Vec::new();
        let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
        for of in Of::all().filter(|of| kind.is_none_or(|kind| of.kind() == kind)) {
            let number = numbers.entry(of.kind()).or_default();
            let name = of.name(number);
            let email = self.preview(&of, &name, language)?;
            let language = self.templates.language(of.body(), language);
            previews.push(Preview { name, kind: of.kind(), language, email });
        }
        Ok(previews)
    }

    fn preview(&self, of: &Of, name: &str, language: Language) -> Result<Email, ComposeError> {
        let address: EmailAddress = READER.parse().map_err(|_| ComposeError::Reader)?;
        let to = Recipient { person: Uuid::nil(), address, discreet: of.is_discreet(), language };
        let id = MessageId::of(Uuid::nil(), of.kind(), std::iter::once((name, 1)), self.domain());
        let thread = [format!("<earlier@{}>", self.domain())];
        let identity = Identity { key: 0, message_id: &id, thread: &thread };
        match of {
            Of::Letter(sample) => {
                let identity = Identity { thread: &[], ..identity };
                self.letter(sample.letter, &to, identity, sample.told(), letters_sent_at())
            }
            Of::Mail(sample) if sample.kind == MailKind::Digest => {
                let digest = Digest { items: sample.items(), soon: sample.soon, rest: sample.rest };
                self.digest(&to, identity, &digest, sample.now)
            }
            Of::Mail(sample) => self.mail(sample.kind, &to, identity, &sample.items(), sample.now),
        }
    }
}

/// Before the day that the samples of letters name.
fn letters_sent_at() -> DateTime<Utc> {
    letters::sample_day().and_hms_opt(10, 0, 0).map(|at| at.and_utc()).unwrap_or_default()
        - chrono::Duration::days(28)
}
