//! One value from several JSON texts laid over each other: what a node file says of every GPU, then of one, then what
//! its script changes.
//!
//! Objects are merged key by key; anything else hides what lies below it. The types see one value, so each layer may
//! hold any part of it, and a mistake is found where it stands in the text.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::value::RawValue;

/// Reads a value from `layers`, the lowest first.
pub(super) fn read<'de, T: de::Deserialize<'de>>(layers: &[&'de RawValue]) -> Result<T, Mistake> {
    T::deserialize(Layers(layers.to_vec()))
}

/// What is wrong, and the piece of text in which it is.
#[derive(Debug)]
pub(super) struct Mistake {
    message: String,
    /// The address of the wrong piece of text, once it is known.
    at: Option<usize>,
}

impl Mistake {
    /// The message, with line and column where the mistake stands in `text`.
    pub(super) fn within(&self, text: &str) -> String {
        let offset = self.at.and_then(|at| at.checked_sub(text.as_ptr().addr())).and_then(|offset| text.get(..offset));
        match offset {
            Some(before) => {
                let line = before.matches('\n').count() + 1;
                let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1) + 1;
                format!("{} at line {line} column {column}", self.message)
            }
            None => self.message.clone(),
        }
    }

    /// The mistake that serde_json found in `text`.
    fn found(error: &serde_json::Error, text: &str) -> Self {
        let mut message = error.to_string();
        let (line, column) = (error.line(), error.column());
        if let Some(end) = message.rfind(&format!(" at line {line} column {column}")) {
            message.truncate(end);
        }
        let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        Self { message, at: Some(text.as_ptr().addr() + before + column.saturating_sub(1)) }
    }

    fn or_at(mut self, text: &str) -> Self {
        self.at.get_or_insert_with(|| text.as_ptr().addr());
        self
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Mistake {}

impl de::Error for Mistake {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { message: message.to_string(), at: None }
    }
}

/// The texts of one value, the lowest first; never empty.
struct Layers<'de>(Vec<&'de RawValue>);

impl<'de> Layers<'de> {
    fn top(&self) -> &'de str {
        self.0.last().map_or("null", |layer| layer.get())
    }

    /// The entries of the merged object, in the order in which they are first met, from the lowest layer up.
    fn merged(&self) -> Result<Vec<(String, Layers<'de>)>, Mistake> {
        let objects = self.0.iter().rev().take_while(|layer| layer.get().starts_with('{')).count();
        let mut entries: Vec<(String, Layers<'de>)> = Vec::new();
        for layer in &self.0[self.0.len() - objects..] {
            for (key, value) in members(layer)? {
                match entries.iter_mut().find(|(known, _)| *known == key) {
                    Some((_, layers)) => layers.0.push(value),
                    None => entries.push((key, Layers(vec![value]))),
                }
            }
        }
        Ok(entries)
    }
}

/// The members of one object, with a key that stands there twice as a mistake.
fn members(object: &RawValue) -> Result<Vec<(String, &RawValue)>, Mistake> {
    struct Members;

    impl<'de> Visitor<'de> for Members {
        type Value = Vec<(String, &'de RawValue)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members: Self::Value = Vec::new();
            while let Some((key, value)) = map.next_entry::<String, &'de RawValue>()? {
                if members.iter().any(|(known, _)| *known == key) {
                    return Err(de::Error::custom(format!("duplicate field `{key}`")));
                }
                members.push((key, value));
            }
            Ok(members)
        }
    }

    let mut reader = serde_json::Deserializer::from_str(object.get());
    reader.deserialize_map(Members).map_err(|error| Mistake::found(&error, object.get()))
}

impl<'de> Deserializer<'de> for Layers<'de> {
    type Error = Mistake;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        let text = self.top();
        if text.starts_with('{') {
            return self.deserialize_map(visitor);
        }
        let mut reader = serde_json::Deserializer::from_str(text);
        reader.deserialize_any(visitor).map_err(|error| Mistake::found(&error, text))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        let text = self.top();
        if !text.starts_with('{') {
            let mut reader = serde_json::Deserializer::from_str(text);
            return reader.deserialize_map(visitor).map_err(|error| Mistake::found(&error, text));
        }
        let entries = self.merged()?.into_iter();
        visitor.visit_map(Entries { entries, value: None }).map_err(|mistake| mistake.or_at(text))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        self.deserialize_map(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        if self.top() == "null" { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        let text = self.top();
        let mut reader = serde_json::Deserializer::from_str(text);
        reader.deserialize_enum(name, variants, visitor).map_err(|error| Mistake::found(&error, text))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct identifier ignored_any
    }
}

/// The members of a merged object, one after the other.
struct Entries<'de> {
    entries: std::vec::IntoIter<(String, Layers<'de>)>,
    value: Option<Layers<'de>>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Mistake;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Mistake> {
        let Some((key, value)) = self.entries.next() else { return Ok(None) };
        let text = value.top();
        self.value = Some(value);
        seed.deserialize(key.into_deserializer()).map(Some).map_err(|mistake: Mistake| mistake.or_at(text))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Mistake> {
        let value = self.value.take().ok_or_else(|| de::Error::custom("a value before its key"))?;
        let text = value.top();
        seed.deserialize(value).map_err(|mistake| mistake.or_at(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn merged(layers: &[&str]) -> Value {
        let layers: Vec<&RawValue> = layers.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
        read(&layers).unwrap()
    }

    #[test]
    fn objects_are_merged_and_all_else_is_replaced() {
        let each = r#"{"a": 1, "group": {"x": 1, "y": [1, 2]}, "gone": {"z": 1}}"#;
        let own = r#"{"group": {"y": [3]}, "b": 2, "gone": null}"#;
        assert_eq!(merged(&[each, own]), json!({"a": 1, "group": {"x": 1, "y": [3]}, "gone": null, "b": 2}));
        assert_eq!(
            merged(&[each, own, r#"{"gone": {"q": 5}}"#])["gone"],
            json!({"q": 5}),
            "nothing shines through null"
        );
    }
}
