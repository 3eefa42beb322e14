//! Replies of the server (RFC 5321, section 4.2).

/// One reply: a three-digit code and one or more lines of text, the enhanced status code (RFC 2034) being part of
/// the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    /// The three-digit code.
    pub(super) code: u16,
    /// The text, lines separated by `\n`.
    pub(super) text: String,
}

impl Reply {
    /// A reply of `code` with `text`; every `\n` in the text begins a further line of a multi-line reply.
    pub(super) fn new(code: u16, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    /// Whether the command was carried out (2xx) or may go on (3xx).
    pub(super) fn is_positive(&self) -> bool {
        (200..400).contains(&self.code)
    }

    /// The lines as they go over the wire, without their CRLF: all but the last have a hyphen after the code
    /// (section 4.2.1).
    pub(super) fn lines(&self) -> Vec<String> {
        let texts: Vec<&str> = self.text.split('\n').collect();
        let last = texts.len() - 1;
        texts
            .iter()
            .enumerate()
            .map(|(index, text)| format!("{:03}{}{text}", self.code, if index == last { ' ' } else { '-' }))
            .collect()
    }

    /// Takes the enhanced status codes out of the text, for a server that does not offer them.
    pub(super) fn without_enhanced_code(mut self) -> Self {
        if let Some((first, rest)) = self.text.split_once(' ') {
            let parts: Vec<&str> = first.split('.').collect();
            if parts.len() == 3 && parts.iter().all(|part| part.parse::<u16>().is_ok()) {
                self.text = rest.to_owned();
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::Reply;

    #[test]
    fn lines_carry_the_code_and_only_the_last_a_space() {
        let reply = Reply::new(250, "one\ntwo\nthree");
        assert_eq!(reply.lines(), ["250-one", "250-two", "250 three"]);
    }

    #[test]
    fn enhanced_codes_can_be_left_out() {
        let plain = |text: &str| Reply::new(250, text).without_enhanced_code().text;
        assert_eq!(plain("2.1.5 Fine"), "Fine");
        assert_eq!(plain("127.0.0.1 greets you"), "127.0.0.1 greets you");
        assert_eq!(plain("Fine"), "Fine");
    }
}
