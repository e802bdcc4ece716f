//! How large the work of a check is.

use super::Level;
use crate::cuda::Profile;

/// How large the work of a check is: it grows with the level, and a simulated device gets work that a CPU can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// The size of the suite that is compared bit for bit.
    pub(crate) profile: Profile,
    /// How often something is repeated.
    pub(crate) repeats: u32,
    /// How many bytes a copy has.
    pub(crate) copy: u64,
    /// The part of the free memory that is filled with patterns, in hundredths.
    pub(crate) memory_percent: u32,
    /// The most memory that is filled with patterns, in bytes.
    pub(crate) memory_most: u64,
    /// How many launches are timed.
    pub(crate) launches: u32,
    /// How long a measurement of speed lasts on the device, in milliseconds.
    pub(crate) work_ms: u32,
    /// Whether the device is simulated.
    pub(crate) simulated: bool,
}

impl Sizes {
    /// The sizes of a level.
    pub(crate) fn of(level: Level, simulated: bool) -> Self {
        if simulated {
            return Self {
                profile: Profile::Tiny,
                repeats: 2,
                copy: 1 << 20,
                memory_percent: 1,
                memory_most: 256 << 10,
                launches: 20,
                work_ms: 1,
                simulated,
            };
        }
        let most = u64::MAX;
        match level {
            Level::Quick => Self {
                profile: Profile::Small,
                repeats: 2,
                copy: 16 << 20,
                memory_percent: 1,
                memory_most: 64 << 20,
                launches: 200,
                work_ms: 10,
                simulated,
            },
            Level::Standard => Self {
                profile: Profile::Standard,
                repeats: 10,
                copy: 256 << 20,
                memory_percent: 50,
                memory_most: most,
                launches: 2000,
                work_ms: 200,
                simulated,
            },
            Level::Full => Self {
                profile: Profile::Standard,
                repeats: 50,
                copy: 512 << 20,
                memory_percent: 95,
                memory_most: most,
                launches: 10_000,
                work_ms: 2000,
                simulated,
            },
        }
    }
}
