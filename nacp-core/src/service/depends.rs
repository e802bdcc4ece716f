//! Which services a service waits for, and until what.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Until when a service waits for one that it depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Condition {
    /// Until its replicas have been started.
    Started,
    /// Until they are ready.
    #[default]
    Ready,
    /// Until they have ended with 0: for a service that prepares something and ends.
    Completed,
}

/// The services that a service waits for: written as a list of names, or as names with conditions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dependencies(pub BTreeMap<String, Condition>);

impl Dependencies {
    /// Whether it waits for nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Until when it waits for this service, if it does.
    pub fn condition(&self, service: &str) -> Option<Condition> {
        self.0.get(service).copied()
    }

    /// The services' names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl<'de> Deserialize<'de> for Dependencies {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Dependencies;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of services, or services with `started`, `ready` or `completed`,")
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut names: A) -> Result<Dependencies, A::Error> {
                let mut found = BTreeMap::new();
                while let Some(name) = names.next_element::<String>()? {
                    found.insert(name, Condition::Ready);
                }
                Ok(Dependencies(found))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Dependencies, A::Error> {
                BTreeMap::deserialize(MapAccessDeserializer::new(map)).map(Dependencies)
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

impl Serialize for Dependencies {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.values().all(|condition| *condition == Condition::Ready) {
            return serializer.collect_seq(self.0.keys());
        }
        serializer.collect_map(&self.0)
    }
}
