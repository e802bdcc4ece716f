//! What each replica of a service needs of the GPUs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::VersionRange;
use super::spec::{is_one, one};
use crate::error::Error;
use crate::units::Bytes;

/// What each replica of a service needs of the GPUs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct GpuNeed {
    /// Memory on each GPU: a size of at least 1 MiB, or `auto`.
    pub memory: GpuMemory,
    /// How many GPUs.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub count: u32,
    /// Whether other replicas may use the same GPU.
    #[serde(default, skip_serializing_if = "Sharing::is_default")]
    pub sharing: Sharing,
    /// The compute capabilities that will do, written `>=8.0` or `>=8.0 <10.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compute: Option<VersionRange>,
    /// The versions of CUDA that the driver must offer, written `>=12.4`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cuda: Option<VersionRange>,
    /// A partition of this profile, such as `1g.10gb`, instead of a whole GPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mig: Option<String>,
    /// How several GPUs must be connected.
    #[serde(default, skip_serializing_if = "Topology::is_default")]
    pub topology: Topology,
}

impl GpuNeed {
    /// One shared GPU with this much memory.
    pub fn memory(memory: impl Into<GpuMemory>) -> Self {
        Self {
            memory: memory.into(),
            count: 1,
            sharing: Sharing::Shared,
            compute: None,
            cuda: None,
            mig: None,
            topology: Topology::Any,
        }
    }

    /// Asks for several GPUs.
    #[must_use]
    pub fn count(mut self, count: u32) -> Self {
        self.count = count;
        self
    }

    /// Asks for GPUs that no other replica uses.
    #[must_use]
    pub fn exclusive(mut self) -> Self {
        self.sharing = Sharing::Exclusive;
        self
    }

    /// Asks for these compute capabilities.
    #[must_use]
    pub fn compute(mut self, range: VersionRange) -> Self {
        self.compute = Some(range);
        self
    }

    /// Asks for a driver that offers these versions of CUDA.
    #[must_use]
    pub fn cuda(mut self, range: VersionRange) -> Self {
        self.cuda = Some(range);
        self
    }

    /// Asks for partitions of this profile.
    #[must_use]
    pub fn mig(mut self, profile: impl Into<String>) -> Self {
        self.mig = Some(profile.into());
        self
    }

    /// Asks for GPUs that are connected in this way.
    #[must_use]
    pub fn topology(mut self, topology: Topology) -> Self {
        self.topology = topology;
        self
    }
}

/// How much memory a replica needs on each of its GPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GpuMemory {
    /// So many bytes.
    Bytes(Bytes),
    /// Whatever the model needs. Until that is known, the replica is promised all that is free on a GPU.
    Auto,
}

impl GpuMemory {
    /// The bytes, where they are known.
    pub const fn bytes(self) -> Option<Bytes> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Auto => None,
        }
    }
}

impl From<Bytes> for GpuMemory {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl fmt::Display for GpuMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => bytes.fmt(f),
            Self::Auto => f.pad("auto"),
        }
    }
}

impl FromStr for GpuMemory {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.trim() {
            "auto" => Ok(Self::Auto),
            other => other.parse().map(Self::Bytes),
        }
    }
}

impl Serialize for GpuMemory {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bytes(bytes) => bytes.serialize(serializer),
            Self::Auto => serializer.serialize_str("auto"),
        }
    }
}

impl<'de> Deserialize<'de> for GpuMemory {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = GpuMemory;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size such as 3.3GiB, or auto")
            }

            fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<GpuMemory, E> {
                Ok(GpuMemory::Bytes(Bytes(bytes)))
            }

            fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<GpuMemory, E> {
                u64::try_from(bytes).map(|bytes| GpuMemory::Bytes(Bytes(bytes))).map_err(E::custom)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<GpuMemory, E> {
                text.parse().map_err(|error: Error| E::custom(error))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// Whether a replica tolerates others on its GPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Sharing {
    /// It shares the GPU as far as memory allows.
    #[default]
    Shared,
    /// It has the GPU to itself among NACP's replicas.
    Exclusive,
}

impl Sharing {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How the GPUs of one replica must be connected with each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Topology {
    /// In any way.
    #[default]
    Any,
    /// Each with each over NVLink.
    Nvlink,
    /// Each with each without crossing between CPU sockets.
    Numa,
}

impl Topology {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
