//! What is mounted into a container, and where.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::units::Bytes;

/// One mount. Written as its path alone, or as `{ path: /data, host: /srv/data, read_only: true }`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mount {
    /// Where in the container, from the root.
    pub path: String,
    /// What is mounted there.
    pub source: MountSource,
    /// Whether the container may only read it.
    pub read_only: bool,
}

/// What a [`Mount`] mounts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MountSource {
    /// A volume of the app's own, kept when its containers go.
    Volume,
    /// The volume of exactly this name, which others may use too.
    External(String),
    /// A folder or file of the engine's machine.
    Host(String),
    /// Memory, of this size at most, gone with the container.
    Memory(Bytes),
}

impl Mount {
    /// A volume of the app's own at this path.
    pub fn volume(path: impl Into<String>) -> Self {
        Self { path: path.into(), source: MountSource::Volume, read_only: false }
    }

    /// A volume that exists outside the app.
    pub fn external(name: impl Into<String>, path: impl Into<String>) -> Self {
        Self { source: MountSource::External(name.into()), ..Self::volume(path) }
    }

    /// A folder of the engine's machine.
    pub fn host(folder: impl Into<String>, path: impl Into<String>) -> Self {
        Self { source: MountSource::Host(folder.into()), ..Self::volume(path) }
    }

    /// Memory of this size.
    pub fn memory(size: Bytes, path: impl Into<String>) -> Self {
        Self { source: MountSource::Memory(size), ..Self::volume(path) }
    }

    /// Lets the container only read it.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }
}

impl From<String> for Mount {
    fn from(path: String) -> Self {
        Self::volume(path)
    }
}

impl From<&str> for Mount {
    fn from(path: &str) -> Self {
        Self::volume(path)
    }
}

/// The long form.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Long {
    path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    external: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    memory: Option<Bytes>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    read_only: bool,
}

impl Long {
    fn mount(self) -> Result<Mount, &'static str> {
        let Self { path, external, host, memory, read_only } = self;
        let source = match (external, host, memory) {
            (None, None, None) => MountSource::Volume,
            (Some(name), None, None) => MountSource::External(name),
            (None, Some(folder), None) => MountSource::Host(folder),
            (None, None, Some(size)) => MountSource::Memory(size),
            _ => return Err("a mount has one source; keep one of `external`, `host` and `memory`"),
        };
        Ok(Mount { path, source, read_only })
    }
}

impl<'de> Deserialize<'de> for Mount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Mount;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a path, or `path` with `host`, `external` or `memory` and `read_only`,")
            }

            fn visit_str<E: de::Error>(self, path: &str) -> Result<Mount, E> {
                Ok(Mount::volume(path))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Mount, A::Error> {
                let long = Long::deserialize(MapAccessDeserializer::new(map))?;
                long.mount().map_err(de::Error::custom)
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

impl Serialize for Mount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { path, source, read_only } = self.clone();
        let none = Long { path, external: None, host: None, memory: None, read_only };
        match source {
            MountSource::Volume if !read_only => return serializer.serialize_str(&none.path),
            MountSource::Volume => none,
            MountSource::External(name) => Long { external: Some(name), ..none },
            MountSource::Host(folder) => Long { host: Some(folder), ..none },
            MountSource::Memory(size) => Long { memory: Some(size), ..none },
        }
        .serialize(serializer)
    }
}
