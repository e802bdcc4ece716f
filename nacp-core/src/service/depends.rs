//! Which services a service waits for, and until what.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

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

    /// The services' names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a list of services, or services with `started`, `ready` or `completed`")]
enum Written {
    List(Vec<String>),
    Map(BTreeMap<String, Condition>),
}

impl<'de> Deserialize<'de> for Dependencies {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(match Written::deserialize(deserializer)? {
            Written::List(names) => names.into_iter().map(|name| (name, Condition::Ready)).collect(),
            Written::Map(map) => map,
        }))
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
