//! Prose in lines.

/// Writes words in lines of at most `width` columns, and ends the last one. The first line has `used` columns already; each
/// after it begins with `indent` blanks. A word that is longer than a line stands on one of its own, unbroken.
pub(super) fn wrap(out: &mut String, text: &str, width: usize, mut used: usize, indent: usize) {
    let mut begun = false;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if begun && used + 1 + length > width {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            used = indent;
        } else if begun {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += length;
        begun = true;
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_wider_unless_one_word_is() {
        let mut out = String::from("D01  ");
        wrap(&mut out, "some words of an entry and a_word_that_is_longer_than_a_line yes", 20, 5, 5);
        assert_eq!(out, "D01  some words of\n     an entry and\n     a_word_that_is_longer_than_a_line\n     yes\n");
    }
}
