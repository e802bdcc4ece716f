//! How a service's containers are replaced when it changes, and what happens when one ends.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// How the replicas of a service are replaced when its specification changes. When a new one does not become ready, the
/// old ones come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Strategy {
    /// A few at a time.
    Rolling {
        /// How many new replicas may run beside the old ones; 0 if it is not set, because GPUs are scarce.
        surge: u32,
        /// How many replicas may be missing meanwhile; 1 if it is not set, 0 only with a surge.
        unavailable: u32,
    },
    /// All new ones beside all old ones; the old ones go when all new ones are ready.
    BlueGreen,
}

impl Default for Strategy {
    fn default() -> Self {
        Self::Rolling { surge: 0, unavailable: 1 }
    }
}

impl Strategy {
    /// A few at a time, with so many new ones beside the old ones and so many missing meanwhile.
    pub const fn rolling(surge: u32, unavailable: u32) -> Self {
        Self::Rolling { surge, unavailable }
    }

    /// Whether new replicas run beside the old ones for a time, and so need GPUs, memory and ports of their own.
    pub const fn overlaps(self) -> bool {
        !matches!(self, Self::Rolling { surge: 0, .. })
    }

    /// How many new replicas may run beside old ones.
    pub(crate) const fn surge(self) -> u32 {
        match self {
            Self::BlueGreen => u32::MAX,
            Self::Rolling { surge, .. } => surge,
        }
    }

    /// Whether an old replica that is ready runs on until its new one is.
    pub(crate) const fn allows_no_gap(self) -> bool {
        matches!(self, Self::BlueGreen | Self::Rolling { unavailable: 0, .. })
    }

    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rolling {
    #[serde(default)]
    surge: u32,
    #[serde(default = "one")]
    unavailable: u32,
}

fn one() -> u32 {
    1
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Long {
    rolling: Rolling,
}

const ROLLING: &str = "rolling";
const BLUE_GREEN: &str = "blue_green";

impl<'de> Deserialize<'de> for Strategy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Strategy;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`rolling`, `blue_green`, or `rolling` with `surge` and `unavailable`,")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Strategy, E> {
                match name {
                    ROLLING => Ok(Strategy::default()),
                    BLUE_GREEN => Ok(Strategy::BlueGreen),
                    other => Err(E::unknown_variant(other, &[ROLLING, BLUE_GREEN])),
                }
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Strategy, A::Error> {
                let Long { rolling } = Long::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Strategy::Rolling { surge: rolling.surge, unavailable: rolling.unavailable })
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

impl Serialize for Strategy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::BlueGreen => serializer.serialize_str(BLUE_GREEN),
            Self::Rolling { surge, unavailable } => {
                Long { rolling: Rolling { surge, unavailable } }.serialize(serializer)
            }
        }
    }
}

/// What happens when a replica's program ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Restart {
    /// It is started again, after a pause that grows.
    #[default]
    Always,
    /// It is started again unless it ended with 0.
    OnFailure,
    /// It stays ended.
    Never,
}

impl Restart {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
