//! Text from outside, made harmless for one line of a mail.

/// The text on one line: control characters (also CR, LF and NUL), line and
/// paragraph separators and runs of white space become one space; characters
/// that turn the reading direction or show nothing are dropped.
#[must_use]
pub fn one_line(text: &str) -> String {
    let visible = text
        .chars()
        .filter(|&c| !is_invisible(c))
        .map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c });
    visible.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// At most `limit` characters, cut at a word's end, with an ellipsis where
/// something is missing.
#[must_use]
pub fn shorten(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let kept: String = text.chars().take(limit.saturating_sub(1)).collect();
    let whole_words = match kept.rfind(' ') {
        Some(space) if space > kept.len() / 2 => &kept[..space],
        _ => kept.as_str(),
    };
    format!("{}…", whole_words.trim_end_matches([' ', ',', ';', ':', '-']))
}

/// Whether a template's placeholder stands unfilled in a text: `{{`, `}}` or
/// `{WORD}`.
#[must_use]
pub fn has_placeholder(text: &str) -> bool {
    text.contains("{{")
        || text.contains("}}")
        || text.match_indices('{').any(|(open, _)| {
            let rest = &text[open + 1..];
            rest.find('}').is_some_and(|close| {
                close > 0 && rest[..close].chars().all(|c| c.is_alphanumeric() || c == '_')
            })
        })
}

/// Whether a text is a program's word for nothing.
#[must_use]
pub fn is_no_value(text: &str) -> bool {
    matches!(text.trim(), "null" | "NULL" | "undefined" | "None" | "NaN")
}

/// Zero-width and bidirectional formatting characters (Unicode Standard Annex
/// 9, and the byte order mark), and characters that belong to no text.
const fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}'
        | '\u{FFF9}'..='\u{FFFB}' | '\u{00AD}' | '\u{061C}' | '\u{E0000}'..='\u{E007F}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_header_cannot_be_smuggled_into_a_line() {
        assert_eq!(one_line("Clerk\r\nBcc: all@example.org"), "Clerk Bcc: all@example.org");
        assert_eq!(one_line("a\u{202E}b\u{0}c\u{2028}d\t e"), "ab c d e");
    }

    #[test]
    fn shortening_keeps_whole_words() {
        assert_eq!(shorten("Reward and Benefits volunteer", 40), "Reward and Benefits volunteer");
        assert_eq!(shorten("Reward and Benefits administration volunteer", 30), "Reward and Benefits…");
        assert_eq!(shorten("Donaudampfschifffahrtsgesellschaft", 10), "Donaudamp…");
    }

    #[test]
    fn what_a_program_left_unfilled_is_seen() {
        for text in ["Dear {NAME}", "{{title}}", "x}}", "{first_name} clerk"] {
            assert!(has_placeholder(text), "{text}");
        }
        for text in ["Clerk {see notes below}", "a { b", "{}", "Null space engineer"] {
            assert!(!has_placeholder(text), "{text}");
        }
        assert!(is_no_value(" null ") && !is_no_value("Null space engineer"));
    }

    proptest! {
        #[test]
        fn one_line_is_one_line_and_stays_so(text in any::<String>()) {
            let line = one_line(&text);
            let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
            prop_assert_eq!(line.chars().find(|&c| breaks(c)), None);
            prop_assert_eq!(one_line(&line), line.clone());
        }

        #[test]
        fn shortened_fits(text in any::<String>(), limit in 1_usize..100) {
            prop_assert!(shorten(&text, limit).chars().count() <= limit);
        }
    }
}
