//! Text into HTML.

use std::fmt::{Display, Formatter, Result, Write as _};

/// Text for HTML content or a quoted attribute: it can neither begin a tag nor end the attribute.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        for character in self.0.chars() {
            match character {
                '&' => formatter.write_str("&amp;")?,
                '<' => formatter.write_str("&lt;")?,
                '>' => formatter.write_str("&gt;")?,
                '"' => formatter.write_str("&quot;")?,
                '\'' => formatter.write_str("&#39;")?,
                // A lone CR would be normalised away, other control characters are not allowed in HTML.
                control if control.is_control() && !matches!(control, '\n' | '\r' | '\t') => {
                    formatter.write_char(char::REPLACEMENT_CHARACTER)?;
                }
                other => formatter.write_char(other)?,
            }
        }
        Ok(())
    }
}

/// Text like [`Escaped`], with its `http` and `https` addresses as links.
pub(super) struct Linked<'a>(pub(super) &'a str);

impl Display for Linked<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        let mut rest = self.0;
        while let Some(start) = first_link(rest) {
            let (before, link) = rest.split_at(start);
            let end = link
                .find(|character: char| character.is_whitespace() || "<>\"".contains(character))
                .unwrap_or(link.len());
            let address = link[..end].trim_end_matches(['.', ',', ';', ':', '!', '?', ')', '\'']);
            let shown = Escaped(address);
            write!(
                formatter,
                "{}<a href=\"{shown}\" target=\"_blank\" rel=\"noopener noreferrer\">{shown}</a>",
                Escaped(before)
            )?;
            rest = &link[address.len()..];
        }
        Escaped(rest).fmt(formatter)
    }
}

/// Where the first address begins.
fn first_link(text: &str) -> Option<usize> {
    [text.find("http://"), text.find("https://")].into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use super::{Escaped, Linked};

    #[test]
    fn nothing_of_html_is_left() {
        assert_eq!(Escaped("<a b='c'>&\"\0").to_string(), "&lt;a b=&#39;c&#39;&gt;&amp;&quot;\u{fffd}");
    }

    #[test]
    fn addresses_become_links() {
        assert_eq!(
            Linked("See https://a.example/?b=1&c=2. <b>").to_string(),
            "See <a href=\"https://a.example/?b=1&amp;c=2\" target=\"_blank\" rel=\"noopener noreferrer\">\
             https://a.example/?b=1&amp;c=2</a>. &lt;b&gt;"
        );
        assert_eq!(Linked("javascript:alert(1)").to_string(), "javascript:alert(1)");
        assert!(
            Linked("http://a.example/\"onclick=\"x")
                .to_string()
                .starts_with("<a href=\"http://a.example/\" target")
        );
    }
}
