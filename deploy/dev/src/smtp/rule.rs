//! Rules by which the server misbehaves.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::reply::Reply;

/// The point of a session at which a [`Rule`] acts: the moment the server would give its normal reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// The connection is accepted, before an implicit TLS handshake and before the greeting. Whatever a rule does
    /// here, the connection ends with it.
    Connect,
    /// The 220 greeting.
    Greeting,
    /// EHLO or HELO.
    Ehlo,
    /// STARTTLS; its 220 reply, before the handshake.
    StartTls,
    /// AUTH, when the credentials are known and before they are judged.
    Auth,
    /// MAIL FROM.
    Mail,
    /// RCPT TO.
    Rcpt,
    /// DATA; its 354 reply.
    Data,
    /// The first octets of a mail have come in and its end has not been looked for. For cutting a client off while
    /// it still writes: only [`Rule::close`], [`Rule::reset`], [`Rule::half_close`] and [`Rule::hang`] act here.
    Body,
    /// The final dot has come in: the reply that takes responsibility for the mail.
    EndOfData,
    /// RSET.
    Rset,
    /// NOOP.
    Noop,
    /// QUIT.
    Quit,
}

/// What a rule does.
#[derive(Clone, Debug)]
pub(super) enum Action {
    /// The normal reply.
    Normal,
    /// Another reply.
    Reply(Reply),
    /// These octets, whatever they are.
    Raw(Vec<u8>),
    /// No reply; the connection is closed.
    Close,
    /// No reply; the connection is reset.
    Reset,
    /// No reply; the server's half of the connection is closed, the client's half is still read.
    HalfClose,
    /// No reply, ever.
    Hang,
}

#[derive(Clone)]
enum Recipients {
    Exactly(String),
    LocalPrefix(String),
    Matching(Arc<dyn Fn(&str) -> bool + Send + Sync>),
}

/// How often a rule has met its conditions, and has acted.
#[derive(Debug, Default)]
struct Counts {
    met: usize,
    met_by_recipient: HashMap<String, usize>,
    fired: usize,
}

/// One misbehaviour: where ([`Stage`]), for whom, how often, and what.
///
/// The first rule of the script that fits acts, and everything else goes its normal way. A rule looks only at
/// commands that are well-formed and in order; errors of the client are answered as ever.
///
/// Clones share their counters, so a test can keep a clone and ask [`fired`](Self::fired).
///
/// ```
/// use jobalerts_dev::smtp::{Rule, Stage};
///
/// // Greylisting: every recipient is put off at the first attempt.
/// let greylist = Rule::at(Stage::Rcpt).each_recipient().first(1).reply(450, "4.2.0 Greylisted");
/// // The relay crashes after it has stored the mail and before it says so, once.
/// let unknown = Rule::at(Stage::EndOfData).to_local_prefix("unknown").first(1).storing().close();
/// assert_eq!(greylist.fired() + unknown.fired(), 0);
/// ```
#[derive(Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Rule {
    stage: Stage,
    recipients: Option<Recipients>,
    after: usize,
    first: Option<usize>,
    each_recipient: bool,
    pub(super) storing: bool,
    pub(super) dripping: bool,
    pub(super) closing: bool,
    pub(super) action: Action,
    counts: Arc<Mutex<Counts>>,
}

impl Rule {
    /// A rule for `stage` that fits always and, until told otherwise, lets the normal reply through.
    #[must_use]
    pub fn at(stage: Stage) -> Self {
        Self {
            stage,
            recipients: None,
            after: 0,
            first: None,
            each_recipient: false,
            storing: false,
            dripping: false,
            closing: false,
            action: Action::Normal,
            counts: Arc::default(),
        }
    }

    /// Only for this recipient, compared without regard to case. At [`Stage::Rcpt`] the recipient is the command's;
    /// from [`Stage::Data`] to [`Stage::EndOfData`] one of those accepted for the mail; at other stages there is none
    /// and the rule never fits. The same goes for [`to_local_prefix`](Self::to_local_prefix) and
    /// [`matching`](Self::matching).
    #[must_use]
    pub fn to(mut self, recipient: impl Into<String>) -> Self {
        self.recipients = Some(Recipients::Exactly(recipient.into()));
        self
    }

    /// Only for recipients whose local part begins with `prefix`, compared without regard to case.
    #[must_use]
    pub fn to_local_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.recipients = Some(Recipients::LocalPrefix(prefix.into().to_lowercase()));
        self
    }

    /// Only for recipients for which `fits` is true.
    #[must_use]
    pub fn matching(mut self, fits: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        self.recipients = Some(Recipients::Matching(Arc::new(fits)));
        self
    }

    /// Acts only the first `times` times that it fits.
    #[must_use]
    pub fn first(mut self, times: usize) -> Self {
        self.first = Some(times);
        self
    }

    /// Lets the first `times` times that it fits pass, and begins to act (and to count [`first`](Self::first)) then.
    #[must_use]
    pub fn after(mut self, times: usize) -> Self {
        self.after = times;
        self
    }

    /// Counts [`first`](Self::first) and [`after`](Self::after) for each recipient by itself.
    #[must_use]
    pub fn each_recipient(mut self) -> Self {
        self.each_recipient = true;
        self
    }

    /// Gives this reply. Each `\n` in `text` begins a further line of a multi-line reply; an enhanced status code is
    /// part of the text (`reply(450, "4.2.0 Later")`). With a positive code (354 at [`Stage::Data`], else 2xx) the
    /// command counts as done, else it does not. After a 421 the connection is closed.
    #[must_use]
    pub fn reply(mut self, code: u16, text: impl Into<String>) -> Self {
        self.action = Action::Reply(Reply::new(code, text));
        self
    }

    /// Sends these octets in place of a reply, as they are; the command does not count as done.
    #[must_use]
    pub fn raw(mut self, octets: impl Into<Vec<u8>>) -> Self {
        self.action = Action::Raw(octets.into());
        self
    }

    /// Closes the connection without a reply.
    #[must_use]
    pub fn close(mut self) -> Self {
        self.action = Action::Close;
        self
    }

    /// Resets the connection (RST) without a reply.
    #[must_use]
    pub fn reset(mut self) -> Self {
        self.action = Action::Reset;
        self
    }

    /// Closes the server's half of the connection without a reply, and goes on reading and ignoring what the client
    /// sends until that closes its half: a slow close.
    #[must_use]
    pub fn half_close(mut self) -> Self {
        self.action = Action::HalfClose;
        self
    }

    /// Never answers: what the client sends is read and ignored until the client goes or the server ends.
    #[must_use]
    pub fn hang(mut self) -> Self {
        self.action = Action::Hang;
        self
    }

    /// At [`Stage::EndOfData`]: the mail is kept although the client does not learn that it was; it is among the
    /// mails with [`confirmed`](super::ReceivedMail::confirmed) false. Without this, a mail that is not answered
    /// with 2xx vanishes.
    #[must_use]
    pub fn storing(mut self) -> Self {
        self.storing = true;
        self
    }

    /// Sends the reply one octet per packet.
    #[must_use]
    pub fn dripping(mut self) -> Self {
        self.dripping = true;
        self
    }

    /// Closes the connection right after the reply.
    #[must_use]
    pub fn then_close(mut self) -> Self {
        self.closing = true;
        self
    }

    /// How many times the rule has acted.
    #[must_use]
    pub fn fired(&self) -> usize {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).fired
    }

    /// Whether a command that would get the reply `normal` is carried out all the same.
    pub(super) fn carries_out(&self, normal: &Reply) -> bool {
        match &self.action {
            Action::Normal => normal.is_positive(),
            Action::Reply(reply) if normal.code == 354 => reply.code == 354,
            Action::Reply(reply) => (200..300).contains(&reply.code),
            Action::Raw(_) | Action::Close | Action::Reset | Action::HalfClose | Action::Hang => false,
        }
    }

    /// Whether the rule says nothing and the session does not go on.
    pub(super) fn ends_silently(&self) -> bool {
        matches!(self.action, Action::Close | Action::Reset | Action::HalfClose | Action::Hang)
    }

    /// Whether the rule acts now; counts the question.
    pub(super) fn fires(&self, stage: Stage, recipients: &[String]) -> bool {
        if self.stage != stage {
            return false;
        }
        let recipient = match &self.recipients {
            None => recipients.first(),
            Some(wanted) => match recipients.iter().find(|recipient| wanted.fit(recipient)) {
                None => return false,
                found => found,
            },
        };
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let met = match recipient {
            Some(recipient) if self.each_recipient => {
                counts.met_by_recipient.entry(recipient.to_lowercase()).or_default()
            }
            _ => &mut counts.met,
        };
        let before = *met;
        *met += 1;
        let fires = before >= self.after && self.first.is_none_or(|first| before - self.after < first);
        counts.fired += usize::from(fires);
        fires
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Rule at {:?}: {:?}, fired {} times", self.stage, self.action, self.fired())
    }
}

impl Recipients {
    fn fit(&self, recipient: &str) -> bool {
        match self {
            Self::Exactly(wanted) => wanted.eq_ignore_ascii_case(recipient),
            Self::LocalPrefix(prefix) => {
                let local = recipient.rsplit_once('@').map_or(recipient, |(local, _)| local);
                local.to_lowercase().starts_with(prefix.as_str())
            }
            Self::Matching(fits) => fits(recipient),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Rule, Stage};

    fn fires(rule: &Rule, recipient: &str) -> bool {
        rule.fires(Stage::Rcpt, &[recipient.to_owned()])
    }

    #[test]
    fn recipients_are_chosen_exactly_by_prefix_or_by_a_function() {
        let exact = Rule::at(Stage::Rcpt).to("a@example.org");
        assert!(fires(&exact, "A@example.org") && !fires(&exact, "aa@example.org"));
        let prefix = Rule::at(Stage::Rcpt).to_local_prefix("Defer");
        assert!(fires(&prefix, "deferred@example.org") && !fires(&prefix, "a@defer.example"));
        let function = Rule::at(Stage::Rcpt).matching(|recipient| recipient.ends_with(".example"));
        assert!(fires(&function, "a@b.example") && !fires(&function, "a@example.org"));
        assert!(!exact.fires(Stage::Data, &["a@example.org".to_owned()]));
        assert!(!exact.fires(Stage::Rcpt, &[]));
    }

    #[test]
    fn counts_limit_a_rule() {
        let rule = Rule::at(Stage::Rcpt).after(1).first(2);
        let seen: Vec<bool> = (0..5).map(|_| fires(&rule, "a@example.org")).collect();
        assert_eq!(seen, [false, true, true, false, false]);
        assert_eq!(rule.fired(), 2);
    }

    #[test]
    fn counts_can_be_kept_for_each_recipient() {
        let rule = Rule::at(Stage::Rcpt).each_recipient().first(1);
        let seen: Vec<bool> =
            ["a@x.example", "b@x.example", "A@x.example"].map(|to| fires(&rule, to)).to_vec();
        assert_eq!(seen, [true, true, false]);
    }
}
