//! Which field stands at a place of `nacp.yaml`, and where a field stands: the parser tells line and column only, the
//! validation only the field.

mod guess;

use std::fmt;

use serde::{Deserialize, Deserializer, de};
use serde_saphyr::Spanned;

/// A line and a column, both from 1.
pub(super) type Place = (u64, u64);

/// The path of the field at this line and column, such as `services.llm.port`; for a key, the path of the mapping in
/// which it stands. Nothing where the text is written in a way that does not tell.
pub(super) fn path(text: &str, line: u64, column: u64) -> Option<String> {
    let known = read(text).and_then(|root| root.path_at((line, column), ""));
    match known {
        Some(path) => (!path.is_empty()).then_some(path),
        None => guess::path(text, line, column),
    }
}

/// The field whose key stands at this line and column, and where its value is.
pub(super) fn field(text: &str, line: u64, column: u64) -> Option<(String, Place)> {
    let root = read(text)?;
    root.key_at((line, column), "")
}

/// Where a field stands, or the nearest that is around it when it is not there. Of a list or of names, the one that is
/// `value`.
pub(super) fn of(text: &str, path: &str, value: Option<&str>) -> Option<Place> {
    let root = read(text)?;
    let mut here = (&root, root.place());
    let mut rest = path;
    while !rest.is_empty() {
        let Content::Fields(fields) = &here.0.0.value else { break };
        // A name may itself contain points.
        let next = fields
            .iter()
            .filter_map(|(key, node)| {
                let left = rest.strip_prefix(key.value.as_str())?;
                let left = if left.is_empty() { left } else { left.strip_prefix('.')? };
                Some((key, node, left))
            })
            .min_by_key(|(_, _, left)| left.len());
        let Some((key, node, left)) = next else { break };
        let place = if matches!(node.0.value, Content::Single(_)) { node.place() } else { place(key.referenced) };
        (here, rest) = ((node, place), left);
    }
    if !rest.is_empty() {
        return Some(here.1);
    }
    let inside = value.and_then(|value| match &here.0.0.value {
        Content::Items(items) => items.iter().find(|item| item.is(value)).map(Node::place),
        Content::Fields(fields) => {
            fields.iter().find(|(key, _)| same(&key.value, value)).map(|(key, _)| place(key.referenced))
        }
        Content::Single(_) => None,
    });
    Some(inside.unwrap_or(here.1))
}

/// Reads a text that is nested no deeper than an app can be: what is deeper has no field to name, and takes stack.
fn read(text: &str) -> Option<Node> {
    let options = serde_saphyr::options! { budget: serde_saphyr::budget! { max_depth: 16 } };
    serde_saphyr::from_str_with_options(text, options).ok()
}

/// Anything that stands in a text, and where.
#[derive(Deserialize)]
#[serde(transparent)]
struct Node(Spanned<Content>);

enum Content {
    Single(String),
    Items(Vec<Node>),
    Fields(Vec<(Spanned<String>, Node)>),
}

impl Node {
    fn place(&self) -> Place {
        place(self.0.referenced)
    }

    fn is(&self, value: &str) -> bool {
        matches!(&self.0.value, Content::Single(text) if same(text, value))
    }

    /// The path of what stands exactly there.
    fn path_at(&self, at: Place, path: &str) -> Option<String> {
        if self.place() == at {
            return Some(path.to_owned());
        }
        match &self.0.value {
            Content::Single(_) => None,
            Content::Items(items) => items.iter().find_map(|item| item.path_at(at, path)),
            Content::Fields(fields) => fields.iter().find_map(|(key, node)| {
                if place(key.referenced) == at {
                    return Some(path.to_owned());
                }
                node.path_at(at, &inner(path, &key.value))
            }),
        }
    }

    /// The path of the field whose key stands exactly there, and where its value is.
    fn key_at(&self, at: Place, path: &str) -> Option<(String, Place)> {
        match &self.0.value {
            Content::Single(_) => None,
            Content::Items(items) => items.iter().find_map(|item| item.key_at(at, path)),
            Content::Fields(fields) => fields.iter().find_map(|(key, node)| {
                let inner = inner(path, &key.value);
                if place(key.referenced) == at { Some((inner, node.place())) } else { node.key_at(at, &inner) }
            }),
        }
    }
}

fn inner(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// Messages print some values in quotes.
fn same(text: &str, value: &str) -> bool {
    text == value || format!("{text:?}") == value
}

fn place(location: serde_saphyr::Location) -> Place {
    (location.line(), location.column())
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Content;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }

            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Content, E> {
                Ok(Content::Single(value.to_string()))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Content, E> {
                Ok(Content::Single(value.to_string()))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Content, E> {
                Ok(Content::Single(value.to_string()))
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Content, E> {
                Ok(Content::Single(value.to_string()))
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<Content, E> {
                Ok(Content::Single(value.to_owned()))
            }

            fn visit_unit<E: de::Error>(self) -> Result<Content, E> {
                Ok(Content::Single(String::new()))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Content, A::Error> {
                let mut found = Vec::new();
                while let Some(item) = items.next_element()? {
                    found.push(item);
                }
                Ok(Content::Items(found))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut fields: A) -> Result<Content, A::Error> {
                let mut found = Vec::new();
                while let Some(field) = fields.next_entry()? {
                    found.push(field);
                }
                Ok(Content::Fields(found))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text without its mark `@`, and the place of the mark.
    fn marked(text: &str) -> (String, Place) {
        let before = text.split('@').next().unwrap();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap().chars().count() + 1;
        (text.replacen('@', "", 1), (line as u64, column as u64))
    }

    #[test]
    fn every_way_of_writing_tells_the_field_at_a_place() {
        for (text, expected) in [
            ("services:\n  llm:\n    gpu: { memory: 1GiB,\n      count: @x }", "services.llm.gpu.count"),
            ("services:\n  \"llm\":\n    port: @x", "services.llm.port"),
            ("services: { llm: { port: 1,\n  @prot: 2 } }", "services.llm"),
            ("services:\n  llm:\n    command:\n    - a\n    - @b", "services.llm.command"),
            ("{\n\"services\": {\n\"llm\": {\"port\": @7}}}", "services.llm.port"),
        ] {
            let (text, (line, column)) = marked(text);
            assert_eq!(path(&text, line, column).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_field_is_found_wherever_it_stands() {
        for (text, field, value) in [
            ("services:\n  llm:\n    port: @1", "services.llm.port", None),
            ("services:\n  @llm:\n    image: x", "services.llm", None),
            ("services:\n  @llm:\n    image: x", "services.llm.ready.http", None),
            ("services:\n  llm:\n    @gpu: { memory: 1 }", "services.llm.gpu.count", None),
            ("services: { llm: { labels: { a: x, a.b: @y } } }", "services.llm.labels.a.b", None),
            ("services:\n  llm:\n    depends_on: [a, @b]", "services.llm.depends_on", Some("b")),
            ("services:\n  llm:\n    env: { A: x, @\"B C\": y }", "services.llm.env", Some("\"B C\"")),
            ("services:\n  llm:\n    @env: { A: x }", "services.llm.env", Some("C")),
        ] {
            let (text, place) = marked(text);
            assert_eq!(of(&text, field, value), Some(place), "{text}");
        }
        assert_eq!(of("[", "name", None), None);
    }
}
