//! What a container may use of the machine beside its GPUs.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::units::Bytes;

/// What a container may use of the machine beside its GPUs; what is not set has no limit of NACP's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Resources {
    /// CPU time, in CPUs: `1.5` is one and a half.
    #[serde(skip_serializing_if = "Option::is_none")]
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
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
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
    /// The same limit, soft and hard.
    pub const fn both(limit: i64) -> Self {
        Self { soft: limit, hard: limit }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Long {
    soft: i64,
    hard: i64,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a number, or `soft` and `hard`")]
enum Written {
    One(i64),
    Two(Long),
}

impl<'de> Deserialize<'de> for Ulimit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Written::deserialize(deserializer)? {
            Written::One(limit) => Self::both(limit),
            Written::Two(Long { soft, hard }) => Self { soft, hard },
        })
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
