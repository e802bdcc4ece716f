//! What a container may use of the machine beside its GPUs.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::units::Bytes;

/// What a container may use of the machine beside its GPUs; what is not set has no limit of NACP's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Resources {
    /// CPU time, in CPUs: `1.5` is one and a half.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "finite")]
    pub cpus: Option<f64>,
    /// Main memory; a program that takes more is ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Bytes>,
    /// Processes and threads together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids: Option<u32>,
}

// A number of CPUs is compared as it was written; NaN is refused by the validation.
impl Eq for Resources {}

impl Resources {
    /// No limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// Limits CPU time to so many CPUs.
    #[must_use]
    pub fn cpus(mut self, cpus: f64) -> Self {
        self.cpus = Some(cpus);
        self
    }

    /// Limits main memory.
    #[must_use]
    pub fn memory(mut self, memory: Bytes) -> Self {
        self.memory = Some(memory);
        self
    }

    /// Limits the number of processes and threads together.
    #[must_use]
    pub fn pids(mut self, pids: u32) -> Self {
        self.pids = Some(pids);
        self
    }

    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

fn finite<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    match Option::<f64>::deserialize(deserializer)? {
        Some(cpus) if !cpus.is_finite() => Err(de::Error::custom("a number of CPUs is needed, for example 1.5")),
        cpus => Ok(cpus),
    }
}

/// A limit of the kernel's on a process: written as one number, or as `{ soft: 1024, hard: 4096 }`; -1 is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Ulimit {
    /// What counts at first.
    pub soft: i64,
    /// How far the program may raise it.
    pub hard: i64,
}

impl Ulimit {
    /// No limit.
    pub const NONE: i64 = -1;

    /// The same limit, soft and hard.
    pub const fn both(limit: i64) -> Self {
        Self { soft: limit, hard: limit }
    }

    /// A limit that the program may raise so far.
    pub const fn up_to(soft: i64, hard: i64) -> Self {
        Self { soft, hard }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Long {
    soft: i64,
    hard: i64,
}

impl<'de> Deserialize<'de> for Ulimit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Ulimit;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number, or `soft` and `hard`,")
            }

            fn visit_i64<E: de::Error>(self, limit: i64) -> Result<Ulimit, E> {
                Ok(Ulimit::both(limit))
            }

            fn visit_u64<E: de::Error>(self, limit: u64) -> Result<Ulimit, E> {
                let limit =
                    i64::try_from(limit).map_err(|_| E::custom("a limit as large as that is none; write -1"))?;
                Ok(Ulimit::both(limit))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Ulimit, A::Error> {
                let Long { soft, hard } = Long::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Ulimit { soft, hard })
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

impl Serialize for Ulimit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self { soft, hard } if soft == hard => serializer.serialize_i64(*soft),
            Self { soft, hard } => Long { soft: *soft, hard: *hard }.serialize(serializer),
        }
    }
}
