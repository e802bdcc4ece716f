//! Cuts a text into words.

use crate::ptx::ParseError;

/// A word of the text, where it stands, and what kind it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::ptx) struct Token<'a> {
    pub(in crate::ptx) kind: Kind,
    pub(in crate::ptx) text: &'a str,
    pub(in crate::ptx) line: u32,
    /// Where it begins in the text, in bytes.
    pub(in crate::ptx) start: usize,
}

/// Kinds of words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ptx) enum Kind {
    /// A name with all its parts: `add.rn.f32`, `%tid.x`, `.reg`, `$L_1`.
    Name,
    /// A number in any of its spellings.
    Number,
    /// What stands between quotes, with them.
    Quoted,
    /// One character.
    Mark,
}

/// Cuts a text into words, without comments and space.
///
/// # Errors
/// A character that no word begins with, a comment or a quotation without end.
pub(in crate::ptx) fn tokens(text: &str) -> Result<Vec<Token<'_>>, ParseError> {
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let (kind, length) = next(rest).map_err(|reason| ParseError { line, reason })?;
        let word = rest.get(..length).unwrap_or(rest);
        if let Some(kind) = kind {
            found.push(Token { kind, text: word, line, start: at });
        }
        line += u32::try_from(word.matches('\n').count()).unwrap_or(0);
        at += word.len();
    }
    Ok(found)
}

/// The kind (none for space and comments) and the length of the first word.
fn next(rest: &str) -> Result<(Option<Kind>, usize), String> {
    let first = rest.chars().next().unwrap_or(' ');
    let while_in = |belongs: fn(char) -> bool| rest.find(|c| !belongs(c)).unwrap_or(rest.len());
    if rest.starts_with("//") {
        return Ok((None, rest.find('\n').unwrap_or(rest.len())));
    }
    if rest.starts_with("/*") {
        let end = rest.find("*/").ok_or("a comment without its end")?;
        return Ok((None, end + 2));
    }
    match first {
        _ if first.is_ascii_whitespace() => Ok((None, while_in(|c| c.is_ascii_whitespace()))),
        '0'..='9' => Ok((Some(Kind::Number), number(rest))),
        'a'..='z' | 'A'..='Z' | '_' | '$' | '%' | '.' => {
            Ok((Some(Kind::Name), while_in(|c| c.is_ascii_alphanumeric() || "_$%.".contains(c))))
        }
        '"' => {
            let end = rest.get(1..).and_then(|rest| rest.find('"')).ok_or("a quotation without its end")?;
            Ok((Some(Kind::Quoted), end + 2))
        }
        '{' | '}' | '[' | ']' | '(' | ')' | '<' | '>' | ',' | ';' | ':' | '@' | '!' | '+' | '-' | '=' | '|' => {
            Ok((Some(Kind::Mark), 1))
        }
        _ => Err(format!("not a character of PTX: {first:?}")),
    }
}

/// The length of a number: a sign belongs to it only in the exponent of a decimal fraction.
fn number(rest: &str) -> usize {
    let plain = !rest.starts_with("0x") && !rest.starts_with("0X");
    let mut before = '0';
    for (at, c) in rest.char_indices() {
        let exponent = plain && matches!(before, 'e' | 'E') && matches!(c, '+' | '-');
        if !(c.is_ascii_alphanumeric() || c == '.' || exponent) {
            return at;
        }
        before = c;
    }
    rest.len()
}
