//! An account of what happens, as people read it: 100 columns, no colours.

/// So wide it is.
pub const WIDTH: usize = 100;

/// The name of the whole.
pub fn title(text: &str) {
    println!("{text}\n{}", "=".repeat(text.chars().count()));
}

/// The name of a part.
pub fn part(text: &str) {
    println!("\n\n{text}\n{}", "-".repeat(text.chars().count()));
}

/// A paragraph.
pub fn say(text: &str) {
    paragraph(0, text);
}

/// A paragraph that begins further to the right.
pub fn paragraph(indent: usize, text: &str) {
    for line in wrapped(text, WIDTH - indent) {
        println!("{:indent$}{line}", "");
    }
}

/// Cells side by side; each but the last has the width given for it, the last is wrapped.
pub fn row(indent: usize, cells: &[&str], widths: &[usize]) {
    let Some((last, firsts)) = cells.split_last() else { return };
    let mut line = " ".repeat(indent);
    for (index, cell) in firsts.iter().enumerate() {
        let width = widths.get(index).copied().unwrap_or(0);
        line.push_str(cell);
        line.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.chars().count()) + 1));
    }
    let begin = line.chars().count();
    for (index, rest) in wrapped(last, WIDTH.saturating_sub(begin).max(20)).iter().enumerate() {
        if index > 0 {
            line = " ".repeat(begin);
        }
        println!("{line}{rest}");
    }
}

/// `1 mail`, `2 mails`.
#[must_use]
pub fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// Lines no longer than this, unless a word is.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last().map_or(0, |line| line.chars().count());
        if line > 0 && line + 1 + word.chars().count() > width {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::wrapped;

    #[test]
    fn lines_are_no_longer_than_asked_unless_a_word_is() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("unbreakable x", 4), ["unbreakable", "x"]);
        assert_eq!(wrapped("", 4), [""]);
    }
}
