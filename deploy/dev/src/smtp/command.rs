//! Reading of command lines (RFC 5321, section 4.1.1).

use super::reply::Reply;

/// Octets a local part may have (section 4.5.3.1.1).
const MAX_LOCAL_PART: usize = 64;
/// Octets a domain may have (section 4.5.3.1.2).
const MAX_DOMAIN: usize = 255;
/// Octets a path may have, its angle brackets included (section 4.5.3.1.3).
const MAX_PATH: usize = 256;
/// Octets of a command line with its CRLF (section 4.5.3.1.4).
const MAX_LINE: usize = 512;
/// Octets of a MAIL line: SIZE adds 26 (RFC 1870), BODY 17 (RFC 6152), SMTPUTF8 10 (RFC 6531), AUTH 500 (RFC 4954).
const MAX_MAIL_LINE: usize = MAX_LINE + 26 + 17 + 10 + 500;
/// Octets of an AUTH line and of the lines that answer its challenges (RFC 4954, section 4).
pub(super) const MAX_AUTH_LINE: usize = 12_288;

/// A command that is well-formed by itself; whether it is in order is for the session to say.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    Helo(String),
    Ehlo(String),
    Mail { from: String, parameters: Vec<String> },
    Rcpt { to: String, parameters: Vec<String> },
    Data,
    Rset,
    Noop,
    Vrfy,
    Help,
    Quit,
    StartTls,
    Auth { mechanism: String, initial: Option<String> },
}

/// Reads one command line, given without its CRLF.
///
/// # Errors
///
/// The reply to give: 500 for an unknown word or an overlong line, 501 for wrong arguments, 502 for a command that
/// is known and not offered.
pub(super) fn parse(line: &[u8]) -> Result<Command, Reply> {
    let line = std::str::from_utf8(line).map_err(|_| Reply::new(500, "5.5.2 The line is not UTF-8"))?;
    if line.chars().any(char::is_control) {
        return Err(Reply::new(500, "5.5.2 Control characters in the command"));
    }
    let (word, argument) = line.split_once(' ').unwrap_or((line, ""));
    let word = word.to_ascii_uppercase();
    let limit = match word.as_str() {
        "MAIL" => MAX_MAIL_LINE,
        "AUTH" => MAX_AUTH_LINE,
        _ => MAX_LINE,
    };
    if line.len() + 2 > limit {
        return Err(Reply::new(500, "5.5.2 Line too long"));
    }
    match word.as_str() {
        "HELO" => host(argument).map(Command::Helo),
        "EHLO" => host(argument).map(Command::Ehlo),
        "MAIL" => {
            let (from, parameters) = path(argument, "FROM:")?;
            if !from.is_empty() {
                check_address(&from)?;
            }
            Ok(Command::Mail { from, parameters })
        }
        "RCPT" => {
            let (to, parameters) = path(argument, "TO:")?;
            if !to.eq_ignore_ascii_case("postmaster") {
                check_address(&to)?;
            }
            Ok(Command::Rcpt { to, parameters })
        }
        "DATA" => alone(argument, Command::Data),
        "RSET" => alone(argument, Command::Rset),
        "QUIT" => alone(argument, Command::Quit),
        "STARTTLS" => alone(argument, Command::StartTls),
        "NOOP" => Ok(Command::Noop),
        "HELP" => Ok(Command::Help),
        "VRFY" if argument.is_empty() => Err(Reply::new(501, "5.5.4 VRFY needs a name")),
        "VRFY" => Ok(Command::Vrfy),
        "EXPN" => Err(Reply::new(502, "5.5.1 Not implemented")),
        "AUTH" => {
            let mut words = argument.split(' ');
            let mechanism = words.next().unwrap_or_default().to_ascii_uppercase();
            let initial = words.next().map(str::to_owned);
            if mechanism.is_empty() || words.next().is_some() {
                return Err(Reply::new(501, "5.5.4 AUTH takes a mechanism and at most one initial response"));
            }
            Ok(Command::Auth { mechanism, initial })
        }
        _ => Err(Reply::new(500, "5.5.2 Unknown command")),
    }
}

/// A command that takes no argument.
fn alone(argument: &str, command: Command) -> Result<Command, Reply> {
    if argument.trim().is_empty() {
        Ok(command)
    } else {
        Err(Reply::new(501, "5.5.4 No argument is allowed here"))
    }
}

/// The name a client calls itself.
fn host(argument: &str) -> Result<String, Reply> {
    let name = argument.trim();
    if name.is_empty() || name.contains(' ') {
        return Err(Reply::new(501, "5.5.4 One host name or address literal, please"));
    }
    Ok(name.to_owned())
}

/// What stands between the angle brackets after `keyword`, and the parameters behind them. Source routes are
/// dropped, as section 4.1.1.3 has it.
fn path(argument: &str, keyword: &str) -> Result<(String, Vec<String>), Reply> {
    let wrong = || Reply::new(501, format!("5.5.4 Expected {keyword}<address>"));
    let head = argument.get(..keyword.len()).ok_or_else(wrong)?;
    if !head.eq_ignore_ascii_case(keyword) {
        return Err(wrong());
    }
    let rest = argument[keyword.len()..].strip_prefix('<').ok_or_else(wrong)?;
    let end = closing_bracket(rest).ok_or_else(wrong)?;
    if end + 2 > MAX_PATH {
        return Err(Reply::new(501, "5.1.3 Path too long"));
    }
    let (inside, parameters) = (&rest[..end], &rest[end + 1..]);
    if !parameters.is_empty() && !parameters.starts_with(' ') {
        return Err(wrong());
    }
    let address = match inside.split_once(':') {
        Some((route, address)) if route.starts_with('@') => address,
        _ => inside,
    };
    Ok((address.to_owned(), parameters.split_whitespace().map(str::to_owned).collect()))
}

/// Where the bracket that ends a path is, brackets in a quoted local part aside.
fn closing_bracket(text: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (index, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '>' if !quoted => return Some(index),
            _ => {}
        }
    }
    None
}

/// A mailbox as section 4.1.2 has it, as far as the form goes.
fn check_address(address: &str) -> Result<(), Reply> {
    let wrong = || Reply::new(501, "5.1.3 Not a mailbox");
    let (local, domain) = address.rsplit_once('@').ok_or_else(wrong)?;
    let quoted = local.len() >= 2 && local.starts_with('"') && local.ends_with('"');
    let local_is_fine = quoted
        || (!local.split('.').any(str::is_empty) && !local.contains(|c: char| " \"(),:;<>@[\\]".contains(c)));
    let literal = domain.starts_with('[') && domain.ends_with(']');
    let domain_is_fine = literal
        || !domain.split('.').any(|label| {
            label.is_empty()
                || label.starts_with('-')
                || label.ends_with('-')
                || label.contains(|c: char| c.is_ascii() && !c.is_ascii_alphanumeric() && c != '-')
        });
    let fits = local.len() <= MAX_LOCAL_PART && domain.len() <= MAX_DOMAIN;
    if local_is_fine && domain_is_fine && fits { Ok(()) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::{Command, parse};

    fn code(line: &str) -> u16 {
        parse(line.as_bytes()).expect_err(line).code
    }

    #[test]
    fn paths_and_parameters_are_read() {
        assert_eq!(
            parse(b"mail from:<a@example.org> SIZE=12 BODY=8BITMIME"),
            Ok(Command::Mail {
                from: "a@example.org".into(),
                parameters: vec!["SIZE=12".into(), "BODY=8BITMIME".into()]
            })
        );
        assert_eq!(parse(b"MAIL FROM:<>"), Ok(Command::Mail { from: String::new(), parameters: vec![] }));
        assert_eq!(
            parse(br#"RCPT TO:<"a >b"@example.org>"#),
            Ok(Command::Rcpt { to: r#""a >b"@example.org"#.into(), parameters: vec![] })
        );
        assert_eq!(
            parse(b"RCPT TO:<@relay.example,@b.example:a@example.org>"),
            Ok(Command::Rcpt { to: "a@example.org".into(), parameters: vec![] })
        );
        assert_eq!(
            parse(b"RCPT TO:<Postmaster>"),
            Ok(Command::Rcpt { to: "Postmaster".into(), parameters: vec![] })
        );
    }

    #[test]
    fn wrong_lines_get_their_codes() {
        for line in [
            "MAIL FROM: <a@example.org>",
            "MAIL FROM:a@example.org",
            "MAIL TO:<a@example.org>",
            "RCPT TO:<>",
            "RCPT TO:<a b@example.org>",
            "RCPT TO:<a..b@example.org>",
            "RCPT TO:<a@-example.org>",
            "RCPT TO:<a@example.org>x",
            "RCPT TO:<a>",
            "DATA now",
            "EHLO",
            "VRFY",
            "AUTH",
        ] {
            assert_eq!(code(line), 501, "{line}");
        }
        assert_eq!(code(&format!("RCPT TO:<{}@example.org>", "a".repeat(65))), 501);
        assert_eq!(code("EXPN list"), 502);
        assert_eq!(code("HELLO example.org"), 500);
        assert_eq!(code("NOOP a\rb"), 500);
        assert_eq!(code(&format!("NOOP {}", "a".repeat(600))), 500);
        assert_eq!(parse(b"NOOP \xff").expect_err("not UTF-8").code, 500);
    }
}
