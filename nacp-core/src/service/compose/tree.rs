//! The values of a compose file, each with its place and its path.

use std::fmt;

use serde::{Deserialize, Deserializer, de};
use serde_saphyr::Spanned;

use super::wrong::Wrong;
use crate::error::{Error, Result};
use crate::service::yaml::{self, Kind};

const FILE: Kind = Kind { operation: super::wrong::OPERATION, name: "compose file" };

/// A value of the file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    /// Where it stands.
    pub(super) place: Place,
    /// Its path, such as `services.llm.ports[0]`.
    pub(super) path: String,
    /// What it is.
    pub(super) value: Value,
}

/// A place of the file, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: u64,
    pub(super) column: u64,
}

/// What a [`Node`] is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

/// Reads a file without giving it a meaning.
pub(super) fn read(text: &str) -> Result<Node> {
    let raw: Spanned<Raw> =
        serde_saphyr::from_str(text).map_err(|error| -> Error { yaml::explain(FILE, text, &error) })?;
    Ok(node(raw, String::new()))
}

fn node(raw: Spanned<Raw>, path: String) -> Node {
    let at = if raw.defined.line() == 0 { raw.referenced } else { raw.defined };
    let value = match raw.value {
        Raw::Null => Value::Null,
        Raw::Bool(it) => Value::Bool(it),
        Raw::Int(it) => Value::Int(it),
        Raw::Float(it) => Value::Float(it),
        Raw::Text(it) => Value::Text(it),
        Raw::List(items) => Value::List(
            items.into_iter().enumerate().map(|(index, item)| node(item, format!("{path}[{index}]"))).collect(),
        ),
        Raw::Map(entries) => Value::Map(
            entries
                .into_iter()
                .map(|(key, item)| {
                    let inner = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    (key, node(item, inner))
                })
                .collect(),
        ),
    };
    Node { place: Place { line: at.line(), column: at.column() }, path, value }
}

impl Node {
    /// The last part of its path.
    pub(super) fn name(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or(&self.path)
    }

    /// An entry of a mapping; nothing where it is absent or empty.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        let Value::Map(entries) = &self.value else { return None };
        entries.iter().find(|(name, _)| name == key).map(|(_, node)| node).filter(|node| node.value != Value::Null)
    }

    /// A mapping's entries; nothing for an empty value.
    pub(super) fn entries(&self) -> Result<&[(String, Self)]> {
        match &self.value {
            Value::Map(entries) => Ok(entries),
            Value::Null => Ok(&[]),
            _ => Err(self.wrong("fields are needed, each with its name and its value")),
        }
    }

    /// A list's items; a single value is a list of one.
    pub(super) fn items(&self) -> Result<&[Self]> {
        match &self.value {
            Value::List(items) => Ok(items),
            Value::Null => Ok(&[]),
            Value::Map(_) => Err(self.wrong("a list is needed, for example [one, two]")),
            _ => Ok(std::slice::from_ref(self)),
        }
    }

    /// A single value as text, as Compose writes it.
    pub(super) fn text(&self) -> Result<String> {
        match &self.value {
            Value::Text(text) => Ok(text.clone()),
            Value::Bool(it) => Ok(it.to_string()),
            Value::Int(it) => Ok(it.to_string()),
            Value::Float(it) => Ok(it.to_string()),
            Value::Null => Err(self.wrong("text is needed, and nothing is there")),
            Value::List(_) | Value::Map(_) => Err(self.wrong("a single value is needed")),
        }
    }

    /// `true` or `false`, also as text that a variable gave.
    pub(super) fn flag(&self) -> Result<bool> {
        match &self.value {
            Value::Bool(it) => Ok(*it),
            Value::Text(text) => match text.to_lowercase().as_str() {
                "true" | "yes" | "y" | "on" | "1" => Ok(true),
                "false" | "no" | "n" | "off" | "0" => Ok(false),
                _ => Err(self.wrong("true or false is needed").with("value", format_args!("{text:?}"))),
            },
            _ => Err(self.wrong("true or false is needed")),
        }
    }

    /// A whole number, also as text that a variable gave.
    pub(super) fn number<T: TryFrom<i128>>(&self) -> Result<T> {
        let number = match &self.value {
            Value::Int(number) => Some(*number),
            Value::Text(text) => text.trim().parse().ok(),
            #[expect(clippy::cast_possible_truncation, reason = "it is whole and within the range of exact numbers")]
            Value::Float(it) if it.fract() == 0.0 && it.abs() < 9.0e15 => Some(*it as i128),
            _ => None,
        };
        number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| {
            let wrong = self.wrong("a whole number is needed that fits here");
            match self.text() {
                Ok(text) => wrong.with("value", format_args!("{text:?}")),
                Err(_) => wrong,
            }
        })
    }

    /// The node itself unless it is empty.
    pub(super) fn present(&self) -> Option<&Self> {
        (self.value != Value::Null).then_some(self)
    }

    /// Changes every text in it, from the first to the last.
    pub(super) fn each_text(&mut self, change: &mut dyn FnMut(&str, &Self) -> Result<Option<String>>) -> Result<()> {
        let changed = match &self.value {
            Value::Text(text) => change(text, self)?,
            _ => None,
        };
        if let Some(text) = changed {
            self.value = Value::Text(text);
        }
        match &mut self.value {
            Value::List(items) => items.iter_mut().try_for_each(|item| item.each_text(change)),
            Value::Map(entries) => entries.iter_mut().try_for_each(|(_, item)| item.each_text(change)),
            _ => Ok(()),
        }
    }
}

/// What the parser gives, before paths are known.
enum Raw {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(String, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> de::Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: de::Error>(self) -> std::result::Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E: de::Error>(self) -> std::result::Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<Raw, D::Error> {
        Raw::deserialize(deserializer)
    }

    fn visit_bool<E: de::Error>(self, it: bool) -> std::result::Result<Raw, E> {
        Ok(Raw::Bool(it))
    }

    fn visit_i64<E: de::Error>(self, it: i64) -> std::result::Result<Raw, E> {
        Ok(Raw::Int(it.into()))
    }

    fn visit_u64<E: de::Error>(self, it: u64) -> std::result::Result<Raw, E> {
        Ok(Raw::Int(it.into()))
    }

    fn visit_i128<E: de::Error>(self, it: i128) -> std::result::Result<Raw, E> {
        Ok(Raw::Int(it))
    }

    fn visit_u128<E: de::Error>(self, it: u128) -> std::result::Result<Raw, E> {
        i128::try_from(it).map(Raw::Int).map_err(E::custom)
    }

    fn visit_f64<E: de::Error>(self, it: f64) -> std::result::Result<Raw, E> {
        Ok(Raw::Float(it))
    }

    fn visit_str<E: de::Error>(self, it: &str) -> std::result::Result<Raw, E> {
        Ok(Raw::Text(it.to_owned()))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> std::result::Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut entries: A) -> std::result::Result<Raw, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry::<String, _>()? {
            map.push(entry);
        }
        Ok(Raw::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_knows_its_place_and_its_path_also_through_anchors_and_merges() {
        let text = "\
x-base: &base
  image: a:1
  env: [A=1]
services:
  llm:
    <<: *base
    image: b:1
    ports: [8000, \"9000:9000\"]
  other: *base
";
        let file = read(text).unwrap();
        let services = file.get("services").unwrap();
        let llm = services.get("llm").unwrap();
        let image = llm.get("image").unwrap();
        assert_eq!((image.text().unwrap().as_str(), image.place.line, image.place.column), ("b:1", 7, 12));
        let port = &llm.get("ports").unwrap().items().unwrap()[1];
        assert_eq!((port.path.as_str(), port.place), ("services.llm.ports[1]", Place { line: 8, column: 19 }));
        assert_eq!(llm.get("env").unwrap().items().unwrap()[0].place.line, 3);
        assert_eq!(services.get("other").unwrap().get("image").unwrap().text().unwrap(), "a:1");
    }

    #[test]
    fn a_value_is_read_as_what_is_needed() {
        let file = read("{a: '8', b: 8, c: 8.0, d: 8.5, e: ~, f: 'true', g: yes, h: [x], i: -1}").unwrap();
        let get = |key: &str| file.entries().unwrap().iter().find(|it| it.0 == key).unwrap().1.clone();
        assert_eq!([get("a"), get("b"), get("c")].map(|node| node.number::<u16>().unwrap()), [8; 3]);
        assert!(get("d").number::<u16>().is_err() && get("i").number::<u16>().is_err());
        assert!(get("f").flag().unwrap() && get("g").flag().unwrap() && get("b").flag().is_err());
        assert!(get("e").text().is_err() && get("h").text().is_err());
        assert!(file.get("e").is_none() && get("b").items().unwrap().len() == 1);
    }
}
