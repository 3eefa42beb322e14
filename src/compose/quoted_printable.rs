//! Bodies as lines of at most 76 ASCII characters (RFC 2045, 6.7), in one pass.

/// The longest line, without its end.
const LONGEST: usize = 76;
const HEX: &[u8; 16] = b"0123456789ABCDEF";
/// Which octets stand for themselves; a space only if something follows on the line.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut octet = b' ';
    while octet <= b'~' {
        plain[octet as usize] = octet != b'=';
        octet += 1;
    }
    plain
};

/// The text with its line ends as CR LF. Other control characters, spaces before a line end, the
/// sign `=` and what is not ASCII are written as octets; so is the first letter of a line that a
/// server could take for something else ("From ", or a dot).
pub(super) fn encode(text: &str) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(text.len() + text.len() / 8 + 64);
    for line in text.split_inclusive('\n') {
        let (content, ended) = line.strip_suffix('\n').map_or((line, false), |content| (content, true));
        encode_line(content.as_bytes(), &mut encoded);
        if ended {
            encoded.extend_from_slice(b"\r\n");
        }
    }
    encoded
}

fn encode_line(content: &[u8], encoded: &mut Vec<u8>) {
    let mut rest = content;
    let mut used = 0;
    while let Some(&first) = rest.first() {
        let misread = used == 0 && (first == b'.' || rest.starts_with(b"From "));
        let plain = if misread { 0 } else { plain_at_start(rest) };
        let needed = if plain == 0 { 3 } else { plain };
        // A line that goes on needs room for the sign that says so.
        let ends = plain.max(1) == rest.len() && used + needed <= LONGEST;
        let room = LONGEST - usize::from(!ends) - used;
        let taken = if plain == 0 { usize::from(room >= 3) } else { plain.min(room) };
        if taken == 0 {
            encoded.extend_from_slice(b"=\r\n");
            used = 0;
            continue;
        }
        if plain == 0 {
            encoded.extend([b'=', HEX[usize::from(first >> 4)], HEX[usize::from(first & 15)]]);
            used += 3;
        } else {
            encoded.extend_from_slice(&rest[..taken]);
            used += taken;
        }
        rest = &rest[taken..];
    }
}

/// How many octets can be written as they are, at most a line of them.
fn plain_at_start(rest: &[u8]) -> usize {
    let plain = rest.iter().take(LONGEST).take_while(|&&octet| PLAIN[usize::from(octet)]).count();
    let ends_in_space = plain == rest.len() && rest.ends_with(b" ");
    plain - usize::from(ends_in_space)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mail_parser::decoders::quoted_printable::quoted_printable_decode;
    use proptest::prelude::*;

    fn encoded(text: &str) -> String {
        String::from_utf8(encode(text)).unwrap()
    }

    #[test]
    fn only_what_must_be_is_written_as_octets() {
        for (text, expected) in [
            ("", ""),
            ("a b\n\nc", "a b\r\n\r\nc"),
            ("£5 = €6 ", "=C2=A35 =3D =E2=82=AC6=20"),
            ("a \nb\t\r\n", "a=20\r\nb=09=0D\r\n"),
            (".\n..a.b", "=2E\r\n=2E.a.b"),
            ("From here\nFromage\nwe are From here", "=46rom here\r\nFromage\r\nwe are From here"),
        ] {
            assert_eq!(encoded(text), expected);
        }
    }

    #[test]
    fn long_lines_go_on() {
        let x = |times: usize| "x".repeat(times);
        assert_eq!(encoded(&x(76)), x(76));
        assert_eq!(encoded(&x(77)), format!("{}=\r\nxx", x(75)));
        assert_eq!(encoded(&format!("{}£", x(71))), format!("{}=C2=\r\n=A3", x(71)));
        assert_eq!(encoded(&format!("{}.", x(76))), format!("{}=\r\nx.", x(75)));
        assert_eq!(encoded(&format!("{}.a", x(75))), format!("{}=\r\n=2Ea", x(75)));
    }

    proptest! {
        #[test]
        fn what_is_encoded_reads_back(text in "(\\PC|[ \n.=F])*") {
            let lines = encoded(&text);
            prop_assert!(lines.is_ascii() && lines.split("\r\n").all(|line| line.len() <= LONGEST));
            let read = quoted_printable_decode(lines.as_bytes()).unwrap();
            prop_assert_eq!(String::from_utf8(read).unwrap(), text.replace('\n', "\r\n"));
        }
    }
}
