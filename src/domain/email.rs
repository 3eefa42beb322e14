//! E-mail addresses and mailboxes: the one place where their text is judged.
//!
//! An [`EmailAddress`] is personal data, so it cannot slip into a log: its `Debug` is the mask and
//! it has no `Display`. The text comes out through [`EmailAddress::as_str`] alone, which is easy to
//! search for. The errors never repeat what was typed either, because they are logged.
//!
//! What is accepted is narrower than RFC 5322: `local@domain` with a dot-atom on the left and a
//! name of two labels or more on the right. Quoted local parts, comments, address literals and
//! names without a dot are refused; people who look for work do not have them, and attackers do.

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use serde::Deserialize;
use unicode_normalization::UnicodeNormalization;

/// The longest address that fits an SMTP path (RFC 5321, 4.5.3.1.3), in octets.
const LONGEST_ADDRESS: usize = 254;
/// The longest local part (RFC 5321, 4.5.3.1.1), in octets.
const LONGEST_LOCAL: usize = 64;

/// An address that mail can be sent to.
///
/// The domain is kept in lower case and as A-labels (`xn--...`). The local part is kept as it was
/// written, because the receiving server decides what its case means; it may hold non-ASCII letters
/// (in normal form C), and then [`needs_smtputf8`](Self::needs_smtputf8) says so.
///
/// Equality is that of the text. To ask whether two people are the same, compare
/// [`lookup`](Self::lookup).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct EmailAddress {
    text: String,
    /// Where the `@` is in `text`.
    at: usize,
}

impl EmailAddress {
    /// The whole address, as it goes into a mail. Never log it; log the value itself (`?address`).
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What stands before the `@`, in the case it was written in.
    #[must_use]
    pub fn local(&self) -> &str {
        &self.text[..self.at]
    }

    /// What stands after the `@`: lower case, A-labels.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.text[self.at + 1..]
    }

    /// The form under which an address is unique: lower case throughout. Dots and `+tag` stay,
    /// because what they mean is the receiving server's own affair.
    #[must_use]
    pub fn lookup(&self) -> String {
        self.text.to_lowercase().nfc().collect()
    }

    /// The form for logs and screens: `z***@example.org`.
    #[must_use]
    pub fn masked(&self) -> String {
        let first = self.local().chars().next().unwrap_or('*');
        format!("{first}***@{}", self.domain())
    }

    /// Whether only a server that offers SMTPUTF8 can take mail for this address.
    #[must_use]
    pub fn needs_smtputf8(&self) -> bool {
        !self.text.is_ascii()
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

/// Why a text is not an address, and what to do. Never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing was written.
    #[error("the address is empty; write one such as name@example.org")]
    Empty,
    /// More than 254 octets.
    #[error("the address is longer than {LONGEST_ADDRESS} octets; no mail server accepts it")]
    TooLong,
    /// No `@`.
    #[error("the address has no @; write it as name@example.org")]
    NoAt,
    /// More than one `@`.
    #[error("the address has more than one @; write a single address")]
    ManyAts,
    /// White space, also at either end.
    #[error("the address contains a space; remove it")]
    Space,
    /// A control character, or one that cannot be seen (zero width, direction marks).
    #[error("the address contains a control or invisible character; type it afresh")]
    Invisible,
    /// Nothing before the `@`.
    #[error("nothing stands before the @; write it as name@example.org")]
    NoLocal,
    /// More than 64 octets before the `@`.
    #[error("more than {LONGEST_LOCAL} octets stand before the @; no mail server accepts that")]
    LocalTooLong,
    /// `"john doe"@example.org`.
    #[error("the part before the @ is in quotes; addresses with quotes are not accepted")]
    Quoted,
    /// `.a@`, `a.@` or `a..b@`.
    #[error("the part before the @ begins or ends with a dot or has two in a row; check the dots")]
    LocalDots,
    /// A comment, a backslash, a comma and the like.
    #[error(
        "the part before the @ contains a character that does not belong there, such as ( ) , : ; < > [ ] or a backslash; remove it"
    )]
    LocalCharacter,
    /// Nothing after the `@`.
    #[error("nothing stands after the @; write it as name@example.org")]
    NoDomain,
    /// `a@[192.0.2.1]` or `a@192.0.2.1`.
    #[error("a number stands after the @ in place of a name; write a domain name such as example.org")]
    AddressLiteral,
    /// `.example.org`, `example.org.` or `example..org`.
    #[error("the domain begins or ends with a dot or has two in a row; check the dots")]
    DomainDots,
    /// `a@localhost`.
    #[error("the domain has no dot; write it in full, such as example.org")]
    SingleLabel,
    /// A label with letters of two of Latin, Greek and Cyrillic.
    #[error("the domain mixes letters of different alphabets; type it afresh")]
    MixedAlphabets,
    /// Anything else that the domain name system or IDNA does not allow.
    #[error("the domain is not a valid name; use letters, digits and hyphens, such as example.org")]
    BadDomain,
    /// `Name <a@b` and the like.
    #[error("the mailbox is not in the form Name <name@example.org>; check the < and >")]
    Brackets,
    /// A control character, a line break or an angle bracket in a display name.
    #[error("the name contains a control character, a line break or an angle bracket; remove it")]
    NameCharacter,
}

impl FromStr for EmailAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        if text.chars().any(invisible) {
            return Err(AddressError::Invisible);
        }
        let (local, domain) = text.rsplit_once('@').ok_or(AddressError::NoAt)?;
        // In front of the rule on @ and spaces, so that "a b"@c.example is told the real reason.
        if local.starts_with('"') {
            return Err(AddressError::Quoted);
        }
        if local.contains('@') {
            return Err(AddressError::ManyAts);
        }
        if text.contains(char::is_whitespace) {
            return Err(AddressError::Space);
        }
        let local = local_part(local)?;
        let domain = domain_name(domain)?;
        let text = format!("{local}@{domain}");
        if text.len() > LONGEST_ADDRESS {
            return Err(AddressError::TooLong);
        }
        Ok(Self { at: local.len(), text })
    }
}

impl TryFrom<String> for EmailAddress {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

fn local_part(local: &str) -> Result<String, AddressError> {
    let local: String = local.nfc().collect();
    if local.is_empty() {
        Err(AddressError::NoLocal)
    } else if local.len() > LONGEST_LOCAL {
        Err(AddressError::LocalTooLong)
    } else if !local.chars().all(|c| c == '.' || is_atext(c)) {
        Err(AddressError::LocalCharacter)
    } else if misplaced_dots(&local) {
        Err(AddressError::LocalDots)
    } else {
        Ok(local)
    }
}

/// A domain name of two labels or more in the form that DNS and SMTP use: lower case, A-labels
/// (UTS #46, not transitional).
///
/// # Errors
/// When it is an IP address, has a single label, or is no name at all.
pub fn domain_name(domain: &str) -> Result<String, AddressError> {
    if domain.is_empty() {
        return Err(AddressError::NoDomain);
    }
    if domain.starts_with('[') {
        return Err(AddressError::AddressLiteral);
    }
    if misplaced_dots(domain) {
        return Err(AddressError::DomainDots);
    }
    let ascii = Uts46::new()
        .to_ascii(domain.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Verify)
        .map_err(|_| AddressError::BadDomain)?;
    let (_, top) = ascii.rsplit_once('.').ok_or(AddressError::SingleLabel)?;
    if top.bytes().all(|b| b.is_ascii_digit()) {
        return Err(AddressError::AddressLiteral);
    }
    let (unicode, valid) =
        Uts46::new().to_unicode(ascii.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast);
    valid.map_err(|_| AddressError::BadDomain)?;
    if unicode.split('.').any(mixes_alphabets) {
        return Err(AddressError::MixedAlphabets);
    }
    Ok(ascii.into_owned())
}

/// The letters of RFC 5322's `atext`, with RFC 6532's extension to non-ASCII ones.
fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || !c.is_ascii()
}

fn misplaced_dots(text: &str) -> bool {
    text.starts_with('.') || text.ends_with('.') || text.contains("..")
}

/// Characters that a reader cannot see and that have no business in an address.
fn invisible(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// Two of Latin, Greek and Cyrillic in one label: the look-alikes of UTS #39. Other mixtures (Latin
/// with Kana, say) are ordinary.
fn mixes_alphabets(label: &str) -> bool {
    let latin = |c: char| c.is_alphabetic() && c < '\u{250}';
    let greek = |c| matches!(c, '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}');
    let cyrillic = |c| matches!(c, '\u{400}'..='\u{52f}' | '\u{1c80}'..='\u{1c8f}');
    [label.contains(latin), label.contains(greek), label.contains(cyrillic)]
        .into_iter()
        .filter(|has| *has)
        .count()
        > 1
}

/// An address with the name that mail programs show for it; used for From and Reply-To.
///
/// The name is free of control characters, so it can go into a header as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    name: Option<String>,
    address: EmailAddress,
}

impl Mailbox {
    /// An address under the name given; white space around the name is dropped, and an empty name
    /// is none.
    ///
    /// # Errors
    /// When the name contains a control character, a line break or an angle bracket.
    pub fn new(name: Option<&str>, address: EmailAddress) -> Result<Self, AddressError> {
        let name = name.map(str::trim).filter(|name| !name.is_empty());
        let line_break = |c| matches!(c, '\u{2028}' | '\u{2029}');
        if name.is_some_and(|name| {
            name.contains(|c: char| c.is_control() || line_break(c) || matches!(c, '<' | '>'))
        }) {
            return Err(AddressError::NameCharacter);
        }
        Ok(Self { name: name.map(str::to_owned), address })
    }

    /// The name to show, if there is one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The address.
    #[must_use]
    pub fn address(&self) -> &EmailAddress {
        &self.address
    }
}

impl FromStr for Mailbox {
    type Err = AddressError;

    /// Reads `Name <a@b>`, `"Name" <a@b>`, `<a@b>` or `a@b`.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        let Some((name, rest)) = text.split_once('<') else {
            return Self::new(None, text.parse()?);
        };
        let address = rest.strip_suffix('>').ok_or(AddressError::Brackets)?;
        let name = name.trim();
        let quoted = name.strip_prefix('"').and_then(|name| name.strip_suffix('"'));
        Self::new(Some(quoted.unwrap_or(name)), address.parse()?)
    }
}
