//! One fact of a lock: known, known not to be, or unknown with the reason.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{SeqAccessDeserializer, StrDeserializer};
use serde::de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::host::Seen;

/// One fact of a lock.
///
/// In a file a known one is written as it is, one that is known not to be as `null`, and an unknown one as
/// `{ unknown: why }`. So a fact that is missing is never taken for one that is equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pin<T = String> {
    /// It is known, and this is it.
    Known(T),
    /// It is known that there is none, such as the toolkit's version on a machine without the toolkit.
    None,
    /// It is not known: why.
    Unknown(String),
}

impl<T> Pin<T> {
    /// The value, where it is known.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::None | Self::Unknown(_) => None,
        }
    }

    /// Why it is not known, where it is not.
    pub fn unknown(&self) -> Option<&str> {
        match self {
            Self::Unknown(why) => Some(why),
            Self::Known(_) | Self::None => None,
        }
    }

    /// What somebody may have told, with the reason where nobody has.
    pub fn told(value: Option<T>, why: &str) -> Self {
        value.map_or_else(|| Self::Unknown(why.into()), Self::Known)
    }

    /// The same with what is known made into something else.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Pin<U> {
        match self {
            Self::Known(value) => Pin::Known(make(value)),
            Self::None => Pin::None,
            Self::Unknown(why) => Pin::Unknown(why),
        }
    }
}

impl<T> From<Seen<T>> for Pin<T> {
    fn from(seen: Seen<T>) -> Self {
        match seen {
            Seen::Found(value) => Self::Known(value),
            Seen::Absent => Self::None,
            Seen::Unreadable(why) => Self::Unknown(why),
            Seen::NotAsked => Self::Unknown("nobody looked".into()),
        }
    }
}

/// The value; `none`; or `unknown (why)`.
impl<T: fmt::Display> fmt::Display for Pin<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(value) => value.fmt(f),
            Self::None => f.pad("none"),
            Self::Unknown(why) => f.pad(&format!("unknown ({why})")),
        }
    }
}

impl<T: Serialize> Serialize for Pin<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Known(value) => value.serialize(serializer),
            Self::None => serializer.serialize_unit(),
            Self::Unknown(why) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("unknown", why)?;
                map.end()
            }
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Pin<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PinVisitor(PhantomData))
    }
}

struct PinVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for PinVisitor<T> {
    type Value = Pin<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a fact, null, or { unknown: why }")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        Ok(Pin::None)
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        Ok(Pin::None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
        T::deserialize(StrDeserializer::new(text)).map(Pin::Known)
    }

    // Without its quotes 13.0 is a number, and 13.10 the same as 13.1.
    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Self::Value, E> {
        Err(E::custom(format_args!("text is needed, not the number {number}: write it in quotes")))
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Self::Value, E> {
        Err(E::custom(format_args!("text is needed, not the number {number}: write it in quotes")))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Self::Value, E> {
        Err(E::custom(format_args!("text is needed, not the number {number}: write it in quotes")))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
        T::deserialize(SeqAccessDeserializer::new(items)).map(Pin::Known)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let why = match map.next_key::<String>()? {
            Some(key) if key == "unknown" => map.next_value()?,
            _ => return Err(A::Error::custom("only the field `unknown` can be here: why it is not known")),
        };
        match map.next_entry::<String, IgnoredAny>()? {
            None => Ok(Pin::Unknown(why)),
            Some(_) => Err(A::Error::custom("only the field `unknown` can be here")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Pin, String> {
        serde_saphyr::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn known_none_and_unknown_are_three_things_in_a_file() {
        assert_eq!(read("580.95.05"), Ok(Pin::Known("580.95.05".into())));
        assert_eq!(read("'null'"), Ok(Pin::Known("null".into())));
        assert_eq!(read("null"), Ok(Pin::None));
        assert_eq!(read("{ unknown: nobody looked }"), Ok(Pin::Unknown("nobody looked".into())));
    }

    #[test]
    fn a_version_that_yaml_takes_for_a_number_must_be_quoted() {
        for number in ["13.10", "580", "-1"] {
            let error = read(number).unwrap_err();
            assert!(error.contains("write it in quotes"), "{number}: {error}");
        }
        assert_eq!(read("\"13.10\""), Ok(Pin::Known("13.10".into())));
    }

    #[test]
    fn nothing_else_can_stand_beside_the_reason() {
        assert!(read("{ unknown: a, known: b }").unwrap_err().contains("only the field `unknown`"));
        assert!(read("{ known: b }").unwrap_err().contains("only the field `unknown`"));
        assert!(read("{}").is_err());
    }
}
