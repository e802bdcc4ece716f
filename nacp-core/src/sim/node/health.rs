//! What a GPU counts of errors, and what was repaired.

use serde::{Deserialize, Serialize};

/// Error correction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EccFile {
    /// Whether it is on.
    pub enabled: bool,
    /// Whether it will be on after the next start; absent: as now.
    #[serde(default)]
    pub pending: Option<bool>,
    /// Whether it is on from the factory; absent: not told.
    #[serde(default)]
    pub default: Option<bool>,
    /// Errors since the driver was loaded.
    #[serde(default)]
    pub volatile: ErrorsFile,
    /// Errors in the GPU's life.
    #[serde(default)]
    pub aggregate: ErrorsFile,
    /// Errors in the chip's own memories, on Ampere and later.
    #[serde(default)]
    pub sram: Option<SramFile>,
}

/// Errors that were corrected and errors that were not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ErrorsFile {
    /// Corrected: a single bit.
    pub corrected: CountsFile,
    /// Not corrected: two bits or more.
    pub uncorrected: CountsFile,
}

/// Errors by place. A place that is absent is one that the GPU does not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CountsFile {
    /// The first-level cache.
    pub l1: Option<u64>,
    /// The second-level cache.
    pub l2: Option<u64>,
    /// The device's memory.
    pub dram: Option<u64>,
    /// The registers.
    pub registers: Option<u64>,
    /// The texture memory.
    pub texture: Option<u64>,
    /// Shared memory used for textures.
    pub texture_shared: Option<u64>,
    /// The control units.
    pub cbu: Option<u64>,
    /// All memories of the chip, where it does not tell them apart.
    pub sram: Option<u64>,
}

impl CountsFile {
    /// All places together.
    pub fn total(self) -> u64 {
        (0..=7).filter_map(|place| self.by_number(place)).sum()
    }

    /// By NVML's number of the place (`nvmlMemoryLocation_t`).
    pub fn by_number(self, place: u32) -> Option<u64> {
        match place {
            0 => self.l1,
            1 => self.l2,
            2 => self.dram,
            3 => self.registers,
            4 => self.texture,
            5 => self.texture_shared,
            6 => self.cbu,
            7 => self.sram,
            _ => None,
        }
    }
}

impl EccFile {
    /// The counts of one kind, by NVML's numbers: `kind` 0 corrected, 1 uncorrected; `counter` 0 volatile, 1 aggregate.
    pub fn counts(&self, kind: u32, counter: u32) -> Option<CountsFile> {
        let errors = match counter {
            0 => self.volatile,
            1 => self.aggregate,
            _ => return None,
        };
        match kind {
            0 => Some(errors.corrected),
            1 => Some(errors.uncorrected),
            _ => None,
        }
    }
}

/// Errors in the chip's own memories (`nvmlEccSramErrorStatus_v1_t`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SramFile {
    /// Uncorrected in the GPU's life, found by parity.
    pub aggregate_parity: u64,
    /// Uncorrected in the GPU's life, found by error correction.
    pub aggregate_secded: u64,
    /// Corrected in the GPU's life.
    pub aggregate_corrected: u64,
    /// Uncorrected since the driver was loaded, found by parity.
    pub volatile_parity: u64,
    /// Uncorrected since the driver was loaded, found by error correction.
    pub volatile_secded: u64,
    /// Corrected since the driver was loaded.
    pub volatile_corrected: u64,
    /// Uncorrected in the GPU's life, in the second-level cache.
    pub l2: u64,
    /// The same, in the streaming multiprocessors.
    pub sm: u64,
    /// The same, in the PCIe interface.
    pub pcie: u64,
    /// The same, in the microcontrollers.
    pub mcu: u64,
    /// The same, elsewhere.
    pub other: u64,
    /// Whether there are more than the board may have: replace it.
    pub threshold_exceeded: bool,
}

/// Rows of memory that were replaced by spare ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RowsFile {
    /// Because of corrected errors.
    pub corrected: u32,
    /// Because of uncorrected errors.
    pub uncorrected: u32,
    /// Whether a replacement waits for a reset.
    pub pending: bool,
    /// Whether a replacement has failed: replace the board.
    pub failure: bool,
    /// How many banks have how many spare rows left.
    pub histogram: Option<HistogramFile>,
}

/// Banks of memory by the spare rows that are left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HistogramFile {
    /// All of them.
    pub max: u32,
    /// Many.
    pub high: u32,
    /// Some.
    pub partial: u32,
    /// Few.
    pub low: u32,
    /// None.
    pub none: u32,
}

/// Pages of memory that are no longer used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetiredFile {
    /// Because of many corrected errors.
    pub corrected: Vec<PageFile>,
    /// Because of an uncorrected error.
    pub uncorrected: Vec<PageFile>,
    /// Whether a page waits for the next start.
    pub pending: bool,
}

impl RetiredFile {
    /// By NVML's number of the cause (`nvmlPageRetirementCause_t`).
    pub fn by_number(&self, cause: u32) -> Option<&[PageFile]> {
        match cause {
            0 => Some(&self.corrected),
            1 => Some(&self.uncorrected),
            _ => None,
        }
    }
}

/// A page of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageFile {
    /// Its address.
    pub address: u64,
    /// When it was retired, in seconds since 1970.
    pub at: u64,
}

/// Repairs that wait for a reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RepairFile {
    /// Of a memory channel.
    pub channel: bool,
    /// Of a group of streaming multiprocessors.
    pub tpc: bool,
}
