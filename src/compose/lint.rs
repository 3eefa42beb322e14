//! The last look at a mail: one that breaks a rule here is not sent.
//!
//! A mail is a frame, which our templates make, and slots, which are filled for each mail. The two
//! are judged apart. In the frame a "null" is a mistake wherever it stands; in a slot it is one only
//! as the whole of the value, because there are adverts for a "Null space engineer" and a "Midnight
//! shift warden", and what an advert says may be told. The frame is the same in each mail, so it is
//! judged once, at start, in every branch ([`frame`]); the slots in every mail ([`mail`]).

use std::fmt;

use chrono::{DateTime, Datelike as _, Duration, NaiveDate, Utc};

use crate::compose::english::English;
use crate::compose::tongue::{Fact, Lexicon, Tongue as _, tongue};
use crate::domain::language::Language;
use crate::domain::text::{has_placeholder, is_no_value};
use crate::templates::escape;

/// The most octets of a subject.
const LONGEST_SUBJECT: usize = 78;
/// The most octets of either part.
const LARGEST_PART: usize = 60_000;

/// How long a mail may be on its way from the decision to send it.
const ON_ITS_WAY: Duration = Duration::hours(1);
/// What no mail of ours has in its HTML: pictures and what is fetched, and what does something.
const FORBIDDEN: [&str; 9] =
    ["<img", "<script", "<form", "<iframe", "<link", "<object", "url(", " background=", "@import"];

/// Who wrote what stands in a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writer {
    /// This program; the rules about words hold.
    Us,
    /// Whoever wrote the advert, or the configuration.
    Source,
    /// The person that the mail is for: the names of their searches, which are theirs to choose.
    Reader,
}

/// One value in a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot<'a> {
    /// What it is, for the message.
    pub(super) name: &'static str,
    pub(super) text: &'a str,
    pub(super) writer: Writer,
}

/// A mail as it is before anything is done with it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Draft<'a> {
    /// Of our own words in it.
    pub(super) language: Language,
    pub(super) subject: &'a str,
    pub(super) from_name: Option<&'a str>,
    pub(super) text: &'a str,
    pub(super) html: &'a str,
    pub(super) slots: &'a [Slot<'a>],
    /// How to stop, as it must stand in the text and in the HTML.
    pub(super) stop: [&'a str; 2],
    /// The hosts that links may lead to.
    pub(super) hosts: &'a [String],
    /// The name of the force, if nothing at first sight may tell what the mail is about.
    pub(super) hidden: Option<&'a str>,
}

/// A rule that a mail breaks. It quotes nothing of the mail, because it is logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where: `subject`, `text`, `html`, or the name of a value.
    pub place: &'static str,
    /// What is wrong there.
    pub rule: Rule,
}

/// What can be wrong with a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rule {
    /// `{{`, `}}` or `{WORD}`.
    #[error("a placeholder was not filled in")]
    Placeholder,
    /// `null`, `undefined`, `None` or `NaN`.
    #[error("a program's word for nothing stands where people expect a value")]
    NoValue,
    /// Something without which the mail makes no sense.
    #[error("it is missing or empty")]
    Missing,
    /// More than 78 octets.
    #[error("it is longer than {LONGEST_SUBJECT} octets")]
    LongSubject,
    /// A line break, for one.
    #[error("it contains a control character")]
    Control,
    /// A link to anything but a page with https.
    #[error("a link does not begin with https://")]
    NotHttps,
    /// A link to a host that nobody has allowed.
    #[error("a link leads to a host that links.allowed_hosts does not name")]
    UnknownHost,
    /// The same two words twice within six.
    #[error("the same two words stand twice, close to each other")]
    DoubledWords,
    /// A date whose weekday is missing or that of another day.
    #[error("a date lacks its weekday or has that of another day")]
    Weekday,
    /// Something that is told as to come, and was.
    #[error("what is told as to come is past")]
    Past,
    /// Told as open and not open, or told as shut and not shut.
    #[error("the door does not stand as is told")]
    Door,
    /// A door that shuts before it opens.
    #[error("it closes before it opens")]
    ClosesFirst,
    /// Two different days on which one thing closes.
    #[error("two different closings are told of one thing")]
    TwoClosings,
    /// Words that press people.
    #[error("it contains words that press people or promise something")]
    BannedWords,
    /// "here", or nothing.
    #[error("the text of a link does not say where it leads")]
    LinkText,
    /// A link that only readers of the HTML get.
    #[error("a link of the HTML part is missing from the text part")]
    LinkOnlyInHtml,
    /// "midnight", "12am", "12pm" or the like, which people read both ways.
    #[error("a time is written in a way that people read differently")]
    AmbiguousTime,
    /// More octets than a phone should load and a mail program shows.
    #[error("it is larger than {LARGEST_PART} octets")]
    TooLarge,
    /// What a discreet mail must not show at first sight.
    #[error("it shows at first sight what a discreet mail must not")]
    Revealing,
    /// Something that our own style rules out.
    #[error(
        "it breaks the rules of style: no exclamation mark, \"please note\" or \"click here\", in any language"
    )]
    Style,
    /// Not exactly one heading of the first level, or not the language of the words.
    #[error("it needs lang=\"{{{{lang}}}}\" and exactly one h1")]
    Structure,
    /// What people's programs block, or what does more than to be read.
    #[error("it must have no image, script, form or frame, and fetch nothing")]
    Forbidden,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.rule)
    }
}

/// What is wrong with a mail that is about to be sent.
pub(super) fn mail(draft: &Draft<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut check = |place, rule, wrong| {
        if wrong {
            findings.push(Finding { place, rule });
        }
    };
    let Draft { subject, text, html, .. } = *draft;
    let lexicon = tongue(draft.language).lexicon();
    check("subject", Rule::Missing, subject.is_empty());
    check("subject", Rule::LongSubject, subject.len() > LONGEST_SUBJECT);
    check("subject", Rule::Control, subject.contains(char::is_control));
    check("subject", Rule::Placeholder, has_placeholder(subject));
    check("text", Rule::TooLarge, text.len() > LARGEST_PART);
    check("html", Rule::TooLarge, html.len() > LARGEST_PART);
    for slot in draft.slots {
        check(slot.name, Rule::Missing, slot.text.is_empty());
        if slot.writer != Writer::Reader {
            check(slot.name, Rule::Placeholder, has_placeholder(slot.text));
            check(slot.name, Rule::NoValue, is_no_value(slot.text));
        }
        if slot.writer == Writer::Us {
            check(slot.name, Rule::AmbiguousTime, has_ambiguous_time(lexicon, slot.text));
            check(slot.name, Rule::BannedWords, has_banned_words(lexicon, slot.text));
            check(slot.name, Rule::DoubledWords, has_doubled_words(slot.text));
            check(slot.name, Rule::Weekday, dates(lexicon, slot.text).any(|date| !date.has_its_weekday));
        }
    }
    check("closing", Rule::TwoClosings, has_two_closings(lexicon, draft.slots));
    for (stop, part) in draft.stop.into_iter().zip([text, html]) {
        check("stop-and-change", Rule::Missing, stop.is_empty() || !part.contains(stop));
    }
    for link in links(html) {
        let host = host_of_page(&link.target);
        check("html", Rule::NotHttps, host.is_none());
        check("html", Rule::UnknownHost, host.is_some_and(|host| !draft.hosts.contains(&host)));
        let words = link.text.to_lowercase();
        let says_nothing = words.is_empty() || lexicon.empty_links.contains(&words.as_str());
        check("html", Rule::LinkText, says_nothing);
        check("text", Rule::LinkOnlyInHtml, !text.contains(&link.target));
    }
    if let Some(force) = draft.hidden {
        let first_line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        check("subject", Rule::Revealing, reveals(lexicon, subject, force));
        check("from", Rule::Revealing, draft.from_name.is_none_or(|name| reveals(lexicon, name, force)));
        check("text", Rule::Revealing, reveals(lexicon, first_line, force));
        check("html", Rule::Revealing, reveals(lexicon, first_words(html), force));
    }
    findings
}

/// What is wrong with the words and the structure that the templates make, given a mail whose slots
/// are filled with harmless values. Every value must stand in both parts.
pub(super) fn frame(draft: &Draft<'_>) -> Vec<Finding> {
    let Draft { subject, text, html, slots, language, .. } = *draft;
    let lexicon = tongue(language).lexicon();
    let absent = slots.iter().filter(|slot| !stands_in(slot.text, text, html));
    let mut findings: Vec<Finding> =
        absent.map(|slot| Finding { place: slot.name, rule: Rule::Missing }).collect();
    let body = visible(html);
    for (place, words) in [("subject", subject), ("text", text), ("html", body.as_str())] {
        let lower = words.to_lowercase();
        let nothing = words.split(|c: char| !c.is_alphanumeric()).any(is_no_value);
        for (rule, wrong) in [
            (Rule::Placeholder, has_placeholder(words)),
            (Rule::NoValue, nothing),
            (Rule::AmbiguousTime, has_ambiguous_time(lexicon, words)),
            (Rule::BannedWords, has_banned_words(lexicon, words)),
            (Rule::DoubledWords, place != "html" && words.lines().any(has_doubled_words)),
            (Rule::Style, lexicon.unstylish.iter().any(|word| lower.contains(word))),
        ] {
            if wrong {
                findings.push(Finding { place, rule });
            }
        }
    }
    let headings = html.matches("<h1").count();
    if headings != 1 || !html.contains(&format!("<html lang=\"{language}\"")) {
        findings.push(Finding { place: "html", rule: Rule::Structure });
    }
    let lower = html.to_lowercase();
    if FORBIDDEN.iter().any(|thing| lower.contains(thing)) {
        findings.push(Finding { place: "html", rule: Rule::Forbidden });
    }
    findings
}

/// Whether a value can be read in both parts.
fn stands_in(value: &str, text: &str, html: &str) -> bool {
    text.contains(value) && html.contains(&escape(value))
}

/// "10:12am" and "12:30pm" are fine; "12am" and "12pm" are not.
fn has_ambiguous_time(lexicon: &Lexicon, text: &str) -> bool {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != ':' && c != '.');
    let words: Vec<String> = words.map(|word| word.trim_end_matches(['.', ':']).to_lowercase()).collect();
    lexicon.ambiguous_times.iter().any(|time| {
        let time: Vec<&str> = time.split(' ').collect();
        words.windows(time.len()).any(|words| words == time)
    })
}

/// The host of a page on the web; without TLS only on this very machine, as the configuration allows.
fn host_of_page(target: &str) -> Option<String> {
    let url = url::Url::parse(target).ok()?;
    let host = url.host_str()?;
    match url.scheme() {
        "https" => Some(host.to_owned()),
        "http" => matches!(host, "localhost" | "127.0.0.1" | "[::1]").then(|| host.to_owned()),
        _ => None,
    }
}

/// What is wrong with the times of an opening, if it is told as to come or as open at `now`. News
/// that is overtaken on its way to the mail server is not wrong.
pub(super) fn times(
    to_come: Option<DateTime<Utc>>,
    opens: Option<DateTime<Utc>>,
    shuts: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    if to_come.is_some_and(|at| at + ON_ITS_WAY < now) {
        findings.push(Finding { place: "times", rule: Rule::Past });
    }
    if matches!((opens, shuts), (Some(opens), Some(shuts)) if shuts <= opens) {
        findings.push(Finding { place: "times", rule: Rule::ClosesFirst });
    }
    findings
}

/// Words that press people, or promise what nobody can.
fn has_banned_words(lexicon: &Lexicon, text: &str) -> bool {
    let lower = text.to_lowercase();
    lexicon.banned.iter().any(|banned| lower.contains(banned))
}

/// Whether a group of two words comes twice within six words. Figures may: two dates have a month
/// and a year in common.
fn has_doubled_words(text: &str) -> bool {
    let words: Vec<&str> =
        text.split_whitespace().map(|word| word.trim_matches(|c: char| !c.is_alphanumeric())).collect();
    let is_word = |word: &str| word.chars().next().is_some_and(char::is_alphabetic);
    let same = |a: usize, b: usize| words[a].eq_ignore_ascii_case(words[b]);
    (0..words.len().saturating_sub(1)).any(|first| {
        let group = is_word(words[first]) && is_word(words[first + 1]);
        let last = (first + 6).min(words.len().saturating_sub(1));
        group && (first + 1..last).any(|again| same(first, again) && same(first + 1, again + 1))
    })
}

/// A date in a text: `Tuesday 5 March 2024`.
struct DateFound {
    day: NaiveDate,
    /// Where it stands.
    at: usize,
    has_its_weekday: bool,
}

/// The dates with a year in a text of ours. What cannot be one is none.
fn dates(lexicon: &Lexicon, text: &str) -> impl Iterator<Item = DateFound> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let start = text.as_ptr().addr();
    (0..words.len().saturating_sub(2)).filter_map(move |index| {
        let trimmed = |word: &'_ str| word.trim_matches(|c: char| !c.is_alphanumeric()).to_owned();
        let day: u32 = trimmed(words[index]).parse().ok()?;
        let month = trimmed(words[index + 1]);
        let month = (1..).zip(lexicon.months).find(|(_, name)| name.eq_ignore_ascii_case(&month))?.0;
        let year: i32 = trimmed(words[index + 2]).parse().ok()?;
        let found = NaiveDate::from_ymd_opt(year, month, day)?;
        let weekday = lexicon.weekdays[found.weekday().num_days_from_monday() as usize];
        let before = index.checked_sub(1).map(|index| trimmed(words[index]));
        Some(DateFound {
            day: found,
            at: words[index].as_ptr().addr() - start,
            has_its_weekday: before.as_deref() == Some(weekday),
        })
    })
}

/// Whether two of the closings that are told of one thing are not the same day. With its title
/// begins what is told of a thing.
fn has_two_closings(lexicon: &Lexicon, slots: &[Slot<'_>]) -> bool {
    let closes = [Fact::Closes, Fact::BookingCloses].map(|fact| English.fact(fact));
    let mut closing: Option<NaiveDate> = None;
    slots.iter().any(|slot| {
        if slot.name == "title" {
            closing = None;
        }
        let from = match slot.name {
            "closing" => Some(0),
            name if closes.contains(&name) => Some(0),
            "lead" => lexicon.until.iter().find_map(|word| slot.text.find(word)),
            _ => None,
        };
        let found = from.and_then(|from| dates(lexicon, slot.text).find(|date| date.at >= from));
        match (closing, found) {
            (_, None) => false,
            (None, Some(found)) => {
                closing = Some(found.day);
                false
            }
            (Some(closing), Some(found)) => closing != found.day,
        }
    })
}

fn reveals(lexicon: &Lexicon, text: &str, force: &str) -> bool {
    let lower = text.to_lowercase();
    let force = force.to_lowercase();
    (!force.is_empty() && lower.contains(&force)) || lexicon.telling.iter().any(|word| lower.contains(word))
}

struct Link<'a> {
    target: String,
    text: &'a str,
}

/// The links of an HTML part that our templates made.
fn links(html: &str) -> impl Iterator<Item = Link<'_>> {
    html.split("<a ").skip(1).map(|rest| {
        let (tag, rest) = rest.split_once('>').unwrap_or((rest, ""));
        let target = tag.split("href=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
        Link { target: unescape(target), text: rest.split("</a>").next().unwrap_or_default().trim() }
    })
}

fn unescape(text: &str) -> String {
    if !text.contains('&') {
        return text.to_owned();
    }
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
}

/// The first words that the body shows.
fn first_words(html: &str) -> &str {
    pieces(html).map(str::trim).find(|words| !words.is_empty()).unwrap_or_default()
}

/// What the body shows, without its tags.
fn visible(html: &str) -> String {
    pieces(html).collect::<Vec<_>>().join(" ")
}

/// What stands between the tags of the body; values are escaped, so they hold no tag.
fn pieces(html: &str) -> impl Iterator<Item = &str> {
    let body = html.split_once("<body").map_or(html, |(_, body)| body);
    body.split('>').skip(1).filter_map(|piece| piece.split('<').next())
}

#[cfg(test)]
mod tests;
