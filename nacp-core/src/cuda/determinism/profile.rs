//! How large the suite is.

use serde::{Deserialize, Serialize};

/// The size of the suite. It is a constant of its name, never of the device, so that digests of the same profile can be
/// compared across devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// What a simulated device does in a moment: 256 lanes of 16 steps.
    Tiny,
    /// 4,096 lanes of 128 steps.
    Small,
    /// 65,536 lanes of 512 steps: every multiprocessor of every device takes part.
    Standard,
}

impl Profile {
    /// All, the least first.
    pub const ALL: [Self; 3] = [Self::Tiny, Self::Small, Self::Standard];

    /// Its name, as it stands in a certificate.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tiny => "tiny",
            Self::Small => "small",
            Self::Standard => "standard",
        }
    }

    /// How many threads the kernels of lanes have.
    pub fn lanes(self) -> u32 {
        match self {
            Self::Tiny => 256,
            Self::Small => 4096,
            Self::Standard => 65_536,
        }
    }

    /// How many steps each thread does.
    pub fn steps(self) -> u32 {
        match self {
            Self::Tiny => 16,
            Self::Small => 128,
            Self::Standard => 512,
        }
    }

    /// How many chunks are summed.
    pub fn chunks(self) -> u32 {
        match self {
            Self::Tiny => 2,
            Self::Small => 64,
            Self::Standard => 1024,
        }
    }

    /// How many rows are summed.
    pub fn rows(self) -> u32 {
        match self {
            Self::Tiny => 8,
            _ => 64,
        }
    }

    /// How many warps multiply matrices.
    pub fn warps(self) -> u32 {
        match self {
            Self::Tiny => 4,
            Self::Small => 256,
            Self::Standard => 2048,
        }
    }
}
