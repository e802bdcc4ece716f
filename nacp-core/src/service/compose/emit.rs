//! Writing YAML: mappings in their order, texts in quotes wherever any reader could take them for something else.

use std::fmt::{self, Write as _};

use serde::{Deserialize, Deserializer, de};

/// A value to be written, with mappings in the order of their keys as they were added.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Yaml {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    List(Vec<Yaml>),
    Map(Vec<(String, Yaml)>),
}

impl From<&str> for Yaml {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Yaml {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Yaml {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}

impl From<u32> for Yaml {
    fn from(number: u32) -> Self {
        Self::Int(number.into())
    }
}

impl<T: Into<Yaml>> FromIterator<T> for Yaml {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

impl Yaml {
    /// A mapping of these.
    pub(super) fn map<K: Into<String>, V: Into<Self>>(entries: impl IntoIterator<Item = (K, V)>) -> Self {
        Self::Map(entries.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }

    /// Changes every text in it; the names of mappings stay.
    pub(super) fn each_text(&mut self, change: &impl Fn(&str) -> String) {
        match self {
            Self::Text(text) => *text = change(text),
            Self::List(items) => items.iter_mut().for_each(|item| item.each_text(change)),
            Self::Map(entries) => entries.iter_mut().for_each(|(_, value)| value.each_text(change)),
            _ => {}
        }
    }

    fn is_short(&self) -> bool {
        !matches!(self, Self::List(items) if !items.is_empty())
            && !matches!(self, Self::Map(entries) if !entries.is_empty())
    }

    fn block(&self, indent: usize, text: &mut String) {
        match self {
            Self::Map(entries) if !entries.is_empty() => {
                for (key, value) in entries {
                    let _never_fails = write!(text, "\n{:indent$}{}:", "", Scalar(key));
                    value.after_key(indent, text);
                }
            }
            Self::List(items) if !items.is_empty() => {
                for item in items {
                    let _never_fails = write!(text, "\n{:indent$}-", "");
                    item.after_dash(indent, text);
                }
            }
            short => {
                let _never_fails = write!(text, "{}", Short(short));
            }
        }
    }

    fn after_key(&self, indent: usize, text: &mut String) {
        match self {
            Self::List(items) if !items.is_empty() && items.iter().all(Self::is_short) && self.width() <= 90 => {
                let items: Vec<String> = items.iter().map(|item| Short(item).to_string()).collect();
                let _never_fails = write!(text, " [{}]", items.join(", "));
            }
            short if short.is_short() => {
                text.push(' ');
                short.block(indent, text);
            }
            long => long.block(indent + 2, text),
        }
    }

    fn after_dash(&self, indent: usize, text: &mut String) {
        match self {
            Self::Map(entries) if !entries.is_empty() => {
                for (index, (key, value)) in entries.iter().enumerate() {
                    let _never_fails = match index {
                        0 => write!(text, " {}:", Scalar(key)),
                        _ => write!(text, "\n{:width$}{}:", "", Scalar(key), width = indent + 2),
                    };
                    value.after_key(indent + 2, text);
                }
            }
            short if short.is_short() => {
                text.push(' ');
                short.block(indent, text);
            }
            long => long.block(indent + 2, text),
        }
    }

    /// How long a list of single values is in one line.
    fn width(&self) -> usize {
        let Self::List(items) = self else { return 0 };
        items.iter().map(|item| Short(item).to_string().chars().count() + 2).sum()
    }
}

impl fmt::Display for Yaml {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.block(0, &mut text);
        text.push('\n');
        f.write_str(text.strip_prefix('\n').unwrap_or(&text))
    }
}

/// A value that fits in a line.
struct Short<'a>(&'a Yaml);

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Yaml::Null => f.write_str("null"),
            Yaml::Bool(it) => it.fmt(f),
            Yaml::Int(it) => it.fmt(f),
            Yaml::Float(it) => write!(f, "{it:?}"),
            Yaml::Text(text) => Scalar(text).fmt(f),
            Yaml::List(_) => f.write_str("[]"),
            Yaml::Map(_) => f.write_str("{}"),
        }
    }
}

/// A text, plain where it can be nothing else, else in double quotes.
struct Scalar<'a>(&'a str);

/// What readers of YAML 1.1 and 1.2 take for no text.
const WORDS: [&str; 11] = ["true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan", "inf"];

impl Scalar<'_> {
    fn is_plain(&self) -> bool {
        let text = self.0;
        if is_measure(text) {
            return true;
        }
        let begins = |letter: char| letter.is_ascii_alphabetic() || letter == '/' || letter == '_';
        let within = |letter: char| letter.is_ascii_alphanumeric() || "_-./+@ :=".contains(letter);
        // A flag of a program: a hyphen that no blank follows begins no list.
        let flag = text.strip_prefix('-').map(|rest| rest.strip_prefix('-').unwrap_or(rest));
        flag.unwrap_or(text).starts_with(begins)
            && text.chars().all(within)
            && !text.ends_with([' ', ':'])
            && !text.contains(": ")
            && !WORDS.contains(&text.to_ascii_lowercase().as_str())
    }
}

/// Whether a text is a size or a time such as `900MiB` or `10m`, which no reader takes for a number.
fn is_measure(text: &str) -> bool {
    let unit = text.trim_start_matches(|letter: char| letter.is_ascii_digit());
    let digits = text.len() - unit.len();
    let is_unit = ["B", "KiB", "MiB", "GiB", "ms", "s", "m", "h", "d", "g", "k", "b"].contains(&unit);
    (1..15).contains(&digits) && is_unit && !text.starts_with('0')
}

impl fmt::Display for Scalar<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_plain() {
            return f.write_str(self.0);
        }
        f.write_char('"')?;
        for letter in self.0.chars() {
            match letter {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '\t' => f.write_str("\\t")?,
                '\r' => f.write_str("\\r")?,
                '\0'..='\u{1f}'
                | '\u{7f}'..='\u{a0}'
                | '\u{2028}'
                | '\u{2029}'
                | '\u{feff}'
                | '\u{fffe}'
                | '\u{ffff}' => {
                    write!(f, "\\u{:04x}", u32::from(letter))?;
                }
                other => f.write_char(other)?,
            }
        }
        f.write_char('"')
    }
}

impl<'de> Deserialize<'de> for Yaml {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Visitor)
    }
}

struct Visitor;

impl<'de> de::Visitor<'de> for Visitor {
    type Value = Yaml;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Yaml, E> {
        Ok(Yaml::Null)
    }

    fn visit_bool<E: de::Error>(self, it: bool) -> Result<Yaml, E> {
        Ok(Yaml::Bool(it))
    }

    fn visit_i64<E: de::Error>(self, it: i64) -> Result<Yaml, E> {
        Ok(Yaml::Int(it.into()))
    }

    fn visit_u64<E: de::Error>(self, it: u64) -> Result<Yaml, E> {
        Ok(Yaml::Int(it.into()))
    }

    fn visit_f64<E: de::Error>(self, it: f64) -> Result<Yaml, E> {
        Ok(Yaml::Float(it))
    }

    fn visit_str<E: de::Error>(self, it: &str) -> Result<Yaml, E> {
        Ok(Yaml::Text(it.to_owned()))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Yaml, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Yaml::List(list))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut entries: A) -> Result<Yaml, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Yaml::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = Yaml> {
        let leaf = prop_oneof![
            Just(Yaml::Null),
            any::<bool>().prop_map(Yaml::Bool),
            any::<i32>().prop_map(|it| Yaml::Int(it.into())),
            (0u32..4000).prop_map(|it| Yaml::Float(f64::from(it) / 8.0 + 0.0625)),
            "[a-zA-Z0-9:#$ \\-\"'\\\\\n~.]{0,9}".prop_map(Yaml::Text),
            any::<String>().prop_map(Yaml::Text),
            "(yes|No|1e3|0x1F|1_000|12:30|2001-01-01|~|\\.5|- a|a: b|a #b|=|<<|!t|&a|\\*a|true )".prop_map(Yaml::Text),
        ];
        leaf.prop_recursive(4, 30, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Yaml::List),
                prop::collection::btree_map("[a-z0-9.\\- ]{1,4}", inner, 0..4)
                    .prop_map(|map| Yaml::Map(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_as_it_was(value in value()) {
            let text = value.to_string();
            let read: Yaml = serde_saphyr::from_str(&text).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
            prop_assert_eq!(read, value, "{}", text);
        }
    }

    #[test]
    fn it_looks_as_people_write_it() {
        let value = Yaml::map([
            ("image", Yaml::from("ollama/ollama:0.16.1")),
            ("command", ["serve", "--port", "80"].into_iter().collect()),
            ("volumes", Yaml::List(vec![Yaml::map([("type", "bind"), ("source", "/srv")])])),
            ("empty", Yaml::List(Vec::new())),
            ("env", Yaml::map([("A", "on"), ("B", "two words")])),
        ]);
        assert_eq!(
            value.to_string(),
            "image: ollama/ollama:0.16.1\ncommand: [serve, --port, \"80\"]\nvolumes:\n  - type: bind\n    source: /srv\n\
             empty: []\nenv:\n  A: \"on\"\n  B: two words\n"
        );
    }
}
