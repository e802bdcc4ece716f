//! How a service's containers are replaced when it changes, and what happens when one ends.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

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
#[serde(rename_all = "snake_case")]
enum Named {
    Rolling,
    BlueGreen,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Long {
    rolling: Rolling,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "`rolling`, `blue_green`, or `rolling` with `surge` and `unavailable`")]
enum Written {
    Named(Named),
    Long(Long),
}

impl<'de> Deserialize<'de> for Strategy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Written::deserialize(deserializer)? {
            Written::Named(Named::Rolling) => Self::default(),
            Written::Named(Named::BlueGreen) => Self::BlueGreen,
            Written::Long(Long { rolling: Rolling { surge, unavailable } }) => Self::Rolling { surge, unavailable },
        })
    }
}

impl Serialize for Strategy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::BlueGreen => Written::Named(Named::BlueGreen),
            Self::Rolling { surge, unavailable } => Written::Long(Long { rolling: Rolling { surge, unavailable } }),
        }
        .serialize(serializer)
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
