//! Variables in a compose file: `$NAME`, `${NAME:-otherwise}`, `${NAME:?needed}`, `$$`.

use std::collections::BTreeMap;

/// What the texts of a file ask of the environment.
pub(super) struct Variables<'a> {
    environment: &'a dyn Fn(&str) -> Option<String>,
    /// The variables that were asked for, and whether they were set.
    pub(super) asked: BTreeMap<String, bool>,
}

/// Why a text cannot be filled in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is not written rightly; the part.
    Malformed(String),
    /// A variable is needed: its name and the file's own words for it.
    Needed(String, String),
}

impl<'a> Variables<'a> {
    pub(super) fn new(environment: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { environment, asked: BTreeMap::new() }
    }

    /// The text with its variables filled in.
    pub(super) fn fill(&mut self, text: &str) -> Result<String, Refusal> {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            filled.push_str(&rest[..at]);
            let after = &rest[at + 1..];
            if let Some(next) = after.strip_prefix('$') {
                filled.push('$');
                rest = next;
            } else if let Some(braced) = after.strip_prefix('{') {
                let end = closing(braced).ok_or_else(|| Refusal::Malformed(rest[at..].to_owned()))?;
                filled.push_str(&self.braced(&braced[..end])?);
                rest = &braced[end + 1..];
            } else {
                let end = name_end(after);
                if end == 0 {
                    return Err(Refusal::Malformed(rest[at..].to_owned()));
                }
                filled.push_str(&self.plain(&after[..end]));
                rest = &after[end..];
            }
        }
        filled.push_str(rest);
        Ok(filled)
    }

    fn plain(&mut self, name: &str) -> String {
        let value = self.ask(name, false);
        value.unwrap_or_default()
    }

    /// A variable's value. One that has something in its place is not missed.
    fn ask(&mut self, name: &str, replaced: bool) -> Option<String> {
        let value = (self.environment)(name);
        if value.is_some() || !replaced {
            self.asked.insert(name.to_owned(), value.is_some());
        }
        value
    }

    fn braced(&mut self, inner: &str) -> Result<String, Refusal> {
        let malformed = || Refusal::Malformed(format!("${{{inner}}}"));
        let end = name_end(inner);
        let (name, rest) = inner.split_at(end);
        if name.is_empty() {
            return Err(malformed());
        }
        if rest.is_empty() {
            return Ok(self.plain(name));
        }
        let (empty_counts_as_unset, rest) = match rest.strip_prefix(':') {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let operator = rest.chars().next().ok_or_else(malformed)?;
        let word = &rest[operator.len_utf8()..];
        let value = self.ask(name, matches!(operator, '-' | '+' | '?'));
        let set = value.filter(|value| !(empty_counts_as_unset && value.is_empty()));
        match (operator, set) {
            ('-' | '?', Some(value)) => Ok(value),
            ('-', None) | ('+', Some(_)) => self.fill(word),
            ('+', None) => Ok(String::new()),
            ('?', None) => {
                let words = self.fill(word)?;
                Err(Refusal::Needed(name.to_owned(), words))
            }
            _ => Err(malformed()),
        }
    }
}

/// Where the brace closes that was opened before the text; braces of variables within count.
fn closing(text: &str) -> Option<usize> {
    let (mut depth, mut before) = (0u32, ' ');
    for (at, letter) in text.char_indices() {
        match letter {
            '{' if before == '$' => depth += 1,
            '}' if depth == 0 => return Some(at),
            '}' => depth -= 1,
            _ => {}
        }
        before = letter;
    }
    None
}

fn name_end(text: &str) -> usize {
    let is_name =
        |at: usize, letter: char| letter == '_' || letter.is_ascii_alphabetic() || (at > 0 && letter.is_ascii_digit());
    text.char_indices().find(|(at, letter)| !is_name(*at, *letter)).map_or(text.len(), |(at, _)| at)
}

/// A text that means itself when variables are filled in.
pub(super) fn escaped(text: &str) -> String {
    text.replace('$', "$$")
}

/// Reads a file of variables such as `.env`: `NAME=value` in each line, `#` for comments, quotes around values, `export`
/// before names. A name without a value has none. With `raw`, quotes are kept.
pub(super) fn file(text: &str, raw: bool) -> Result<Vec<(String, Option<String>)>, usize> {
    let mut variables = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let trimmed = trimmed.strip_prefix("export ").unwrap_or(trimmed).trim_start();
        let (name, value) = match trimmed.split_once('=') {
            None => (trimmed, None),
            Some((name, value)) => (name.trim_end(), Some(value.trim_start())),
        };
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(index + 1);
        }
        let value = match value {
            None => None,
            Some(value) if raw => Some(value.to_owned()),
            Some(value) => match value.chars().next() {
                Some(quote @ ('"' | '\'')) => {
                    let mut whole = value[1..].to_owned();
                    while ends(&whole, quote).is_none() {
                        let Some((_, next)) = lines.next() else { return Err(index + 1) };
                        whole.push('\n');
                        whole.push_str(next);
                    }
                    let end = ends(&whole, quote).unwrap_or(whole.len());
                    let inner = &whole[..end];
                    Some(if quote == '"' { unescaped(inner) } else { inner.to_owned() })
                }
                _ => Some(value.split(" #").next().unwrap_or(value).trim_end().to_owned()),
            },
        };
        variables.push((name.to_owned(), value));
    }
    Ok(variables)
}

/// Where the closing quote stands.
fn ends(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, letter) in text.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quote == '"' => escaped = true,
            _ if letter == quote => return Some(at),
            _ => {}
        }
    }
    None
}

fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some('n') => plain.push('\n'),
                Some('r') => plain.push('\r'),
                Some('t') => plain.push('\t'),
                Some(other @ ('"' | '\\' | '$')) => plain.push(other),
                Some(other) => plain.extend(['\\', other]),
                None => plain.push('\\'),
            },
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(name: &str) -> Option<String> {
        match name {
            "SET" => Some("value".into()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    #[test]
    fn each_form_of_a_variable_is_filled_in() {
        for (text, filled) in [
            ("$SET-$EMPTY-$NONE", "value--"),
            ("${SET}x", "valuex"),
            ("${NONE:-a b}", "a b"),
            ("${EMPTY:-a}/${EMPTY-a}", "a/"),
            ("${NONE-${SET:-x}}", "value"),
            ("${SET:+yes}${NONE:+no}", "yes"),
            ("$$SET $${x}", "$SET ${x}"),
            ("${SET:?needed}", "value"),
            ("${NONE:-{\"a\": 1}", "{\"a\": 1"),
            ("plain", "plain"),
        ] {
            assert_eq!(Variables::new(&environment).fill(text).as_deref(), Ok(filled), "{text}");
        }
        assert_eq!(
            Variables::new(&environment).fill("a ${NONE:?write it down}"),
            Err(Refusal::Needed("NONE".into(), "write it down".into()))
        );
        for wrong in ["${", "${}", "$", "a $ b", "${1}", "${A!b}", "$1"] {
            assert!(matches!(Variables::new(&environment).fill(wrong), Err(Refusal::Malformed(_))), "{wrong}");
        }
        let mut variables = Variables::new(&environment);
        variables.fill("$SET ${NONE} ${OTHER:-x}").unwrap();
        assert_eq!(variables.asked, [("NONE".into(), false), ("SET".into(), true)].into());
    }

    #[test]
    fn what_is_escaped_means_itself() {
        for text in ["$A", "${A:-b}", "a$$b", "$", ""] {
            assert_eq!(Variables::new(&environment).fill(&escaped(text)).as_deref(), Ok(text));
        }
    }

    #[test]
    fn a_file_of_variables_is_read_as_compose_does() {
        let text = "# all\nA=1\nexport B = two words # c\nC=\"x\\n\\\"y\\\"\"\nD='a # b'\n\nE\nF=a#b\nG=\"one\ntwo\"\n";
        let some = |text: &str| Some(text.to_owned());
        let expected = [
            ("A", some("1")),
            ("B", some("two words")),
            ("C", some("x\n\"y\"")),
            ("D", some("a # b")),
            ("E", None),
            ("F", some("a#b")),
            ("G", some("one\ntwo")),
        ];
        assert_eq!(file(text, false).unwrap(), expected.map(|(name, value)| (name.to_owned(), value)));
        assert_eq!(file("A=\"x\"", true).unwrap(), [("A".into(), some("\"x\""))]);
        assert_eq!((file("A=1\nB=\"open", false), file("a b=1", false), file("=1", false)), (Err(2), Err(1), Err(1)));
    }
}
