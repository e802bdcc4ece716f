//! The readings of a sample that consist of several numbers.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::gpu::{GpuId, Reading};
use crate::units::Bytes;

/// Memory of a GPU, in bytes. `total = used + free + reserved`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryUse {
    /// All of it.
    pub total: Bytes,
    /// Allocated by programs.
    pub used: Bytes,
    /// Not allocated.
    pub free: Bytes,
    /// Kept by the driver and the firmware. Drivers before 510 count it as used and tell zero here.
    pub reserved: Bytes,
}

/// Percent of the last sampling period during which the GPU was at work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Utilization {
    /// At least one kernel was running, in percent.
    pub gpu: u32,
    /// Device memory was being read or written, in percent.
    pub memory: u32,
}

/// Clocks, in MHz.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clocks {
    /// The graphics clock.
    pub graphics: u32,
    /// The clock of the streaming multiprocessors.
    pub sm: u32,
    /// The memory clock.
    pub memory: u32,
}

/// What holds the clocks back: NVML's bits, all of them kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClockEvents(pub u64);

impl ClockEvents {
    /// Nothing runs.
    pub const IDLE: Self = Self(0x1);
    /// The clocks that somebody has set.
    pub const APPLICATION_CLOCKS: Self = Self(0x2);
    /// The power limit.
    pub const POWER_CAP: Self = Self(0x4);
    /// The hardware slows down: hot, or the power supply asks for it.
    pub const HW_SLOWDOWN: Self = Self(0x8);
    /// Clocks in step with other GPUs.
    pub const SYNC_BOOST: Self = Self(0x10);
    /// The driver keeps the temperature down.
    pub const SW_THERMAL: Self = Self(0x20);
    /// The hardware keeps the temperature down: clocks at half or less.
    pub const HW_THERMAL: Self = Self(0x40);
    /// The power supply asks for less: clocks at half or less.
    pub const POWER_BRAKE: Self = Self(0x80);
    /// The clocks of the display.
    pub const DISPLAY: Self = Self(0x100);

    const NAMES: [(&'static str, Self); 9] = [
        ("idle", Self::IDLE),
        ("application clocks", Self::APPLICATION_CLOCKS),
        ("power cap", Self::POWER_CAP),
        ("hardware slowdown", Self::HW_SLOWDOWN),
        ("sync boost", Self::SYNC_BOOST),
        ("software thermal", Self::SW_THERMAL),
        ("hardware thermal", Self::HW_THERMAL),
        ("power brake", Self::POWER_BRAKE),
        ("display", Self::DISPLAY),
    ];

    /// Whether all of `other` hold the clocks back.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl fmt::Display for ClockEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = Self::NAMES.iter().filter(|(_, bit)| self.contains(*bit));
        let mut names: Vec<String> = known.clone().map(|(name, _)| (*name).to_owned()).collect();
        let rest = known.fold(self.0, |rest, (_, bit)| rest & !bit.0);
        if rest != 0 {
            names.push(format!("unknown bits {rest:#x}"));
        }
        f.pad(&if names.is_empty() { "none".to_owned() } else { names.join(", ") })
    }
}

/// For how long the clocks were held back, in nanoseconds since the driver was loaded
/// (`nvmlDeviceGetViolationStatus`, or the fields `NVML_FI_DEV_PERF_POLICY_*`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Slowdown {
    /// By the power limit.
    pub power: Reading<u64>,
    /// By temperature.
    pub thermal: Reading<u64>,
    /// In step with other GPUs.
    pub sync_boost: Reading<u64>,
    /// By the limit of the whole board.
    pub board: Reading<u64>,
    /// Because there was too little to do.
    pub low_utilization: Reading<u64>,
    /// By the reliability of the voltage.
    pub reliability: Reading<u64>,
}

/// One fan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Fan {
    /// How fast it should turn, in percent of the highest speed; above 100 is possible
    /// (`nvmlDeviceGetFanSpeed_v2`).
    pub speed: Reading<u32>,
    /// How fast it should turn, in turns a minute (`nvmlDeviceGetFanSpeedRPM`).
    pub rpm: Reading<u32>,
}

/// The PCIe link as it is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PcieLink {
    /// The generation at which it runs (`nvmlDeviceGetCurrPcieLinkGeneration`).
    pub generation: u32,
    /// Its width, in lanes (`nvmlDeviceGetCurrPcieLinkWidth`).
    pub width: u32,
}

/// Errors of the memory, counted (`nvmlDeviceGetTotalEccErrors`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ecc {
    /// Corrected, since the driver was loaded.
    pub corrected: u64,
    /// Not corrected, since the driver was loaded.
    pub uncorrected: u64,
    /// Corrected, over the life of the GPU.
    pub corrected_total: u64,
    /// Not corrected, over the life of the GPU.
    pub uncorrected_total: u64,
}

/// Errors of the memory within the chip, over the life of the GPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SramEcc {
    /// Uncorrected, found by parity.
    pub uncorrected_parity: u64,
    /// Uncorrected, found by SEC-DED.
    pub uncorrected_secded: u64,
    /// Corrected.
    pub corrected: u64,
    /// Whether there are so many that NVIDIA wants the GPU replaced.
    pub threshold_exceeded: bool,
}

/// Rows of memory that were replaced by spare ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rows {
    /// Because of errors that could be corrected.
    pub correctable: u32,
    /// Because of errors that could not.
    pub uncorrectable: u32,
    /// Whether one is to be replaced at the next reset.
    pub pending: bool,
    /// Whether replacing one has failed.
    pub failed: bool,
}

/// Pages of memory that are no longer used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetiredPages {
    /// Because of several single-bit errors.
    pub single_bit: u32,
    /// Because of a double-bit error.
    pub double_bit: u32,
    /// Whether one is to be retired at the next start.
    pub pending: bool,
}

/// What was sent over all NVLinks of a GPU together, and which errors they counted.
///
/// Through the driver, the errors only rise as long as a GPU answers: what a link counted stays when it goes down, and a
/// link that tells its errors only later than the others counts from then.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LinkCounters {
    /// Data sent, in KiB (field `NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX`).
    pub sent: Reading<u64>,
    /// Data received, in KiB (field `NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX`).
    pub received: Reading<u64>,
    /// Links that are up.
    pub active: Reading<u32>,
    /// Packets that were sent again (`NVML_NVLINK_ERROR_DL_REPLAY`).
    pub replays: Reading<u64>,
    /// Times that a link was trained anew (`NVML_NVLINK_ERROR_DL_RECOVERY`).
    pub recoveries: Reading<u64>,
    /// Checksums of flow control that were wrong (`NVML_NVLINK_ERROR_DL_CRC_FLIT`).
    pub crc_flit: Reading<u64>,
    /// Checksums of data that were wrong (`NVML_NVLINK_ERROR_DL_CRC_DATA`).
    pub crc_data: Reading<u64>,
}

/// What the driver wants to be done to bring a GPU back to health.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RecoveryAction {
    /// Nothing.
    None,
    /// Reset the GPU.
    ResetGpu,
    /// Restart the machine.
    Reboot,
    /// End the programs that use NVLink, then reset all GPUs of the link together.
    DrainPeers,
    /// End the programs that use the GPU, then reset it.
    DrainAndReset,
    /// Recover the IMEX domain.
    RecoverImex,
    /// A number that NACP does not know.
    #[serde(untagged)]
    Other(u32),
}

impl RecoveryAction {
    /// The action with NVML's number.
    pub const fn from_code(code: u32) -> Self {
        match code {
            0 => Self::None,
            1 => Self::ResetGpu,
            2 => Self::Reboot,
            3 => Self::DrainPeers,
            4 => Self::DrainAndReset,
            5 => Self::RecoverImex,
            other => Self::Other(other),
        }
    }

    /// NVML's number of the action.
    pub const fn code(self) -> u32 {
        match self {
            Self::None => 0,
            Self::ResetGpu => 1,
            Self::Reboot => 2,
            Self::DrainPeers => 3,
            Self::DrainAndReset => 4,
            Self::RecoverImex => 5,
            Self::Other(code) => code,
        }
    }
}

impl fmt::Display for RecoveryAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.pad("none"),
            Self::ResetGpu => f.pad("reset the GPU"),
            Self::Reboot => f.pad("restart the machine"),
            Self::DrainPeers => f.pad("end the programs on its NVLink peers"),
            Self::DrainAndReset => f.pad("end its programs and reset the GPU"),
            Self::RecoverImex => f.pad("recover the IMEX domain"),
            Self::Other(code) => f.pad(&format!("action {code}")),
        }
    }
}

/// How busy the parts of the chip were between two readings, in thousandths of the highest possible (GPM metrics).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Any graphics or compute engine was active, in thousandths of the time.
    pub graphics: u32,
    /// The multiprocessors were active, in thousandths.
    pub sm: u32,
    /// Warps were resident on the multiprocessors, in thousandths of the most that can be.
    pub occupancy: u32,
    /// The tensor cores were active, in thousandths.
    pub tensor: u32,
    /// The memory interface was active, in thousandths.
    pub dram: u32,
    /// The FP64 units were active, in thousandths.
    pub fp64: u32,
    /// The FP32 units were active, in thousandths.
    pub fp32: u32,
    /// The FP16 units were active, in thousandths.
    pub fp16: u32,
    /// Sent over PCIe, in bytes a second.
    pub pcie_sent: u64,
    /// Received over PCIe, in bytes a second.
    pub pcie_received: u64,
}

/// What one partition of a GPU is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MigUse {
    /// The partition's UUID.
    pub id: GpuId,
    /// Its memory in use.
    pub memory: Reading<MemoryUse>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_bits_of_clock_events_are_told() {
        let events = ClockEvents(0x4 | 0x40 | 0x8000);
        assert_eq!(events.to_string(), "power cap, hardware thermal, unknown bits 0x8000");
        assert_eq!(ClockEvents::default().to_string(), "none");
    }

    #[test]
    fn every_recovery_action_keeps_its_number_also_one_that_nobody_knows() {
        for code in 0..9 {
            let action = RecoveryAction::from_code(code);
            assert_eq!(action.code(), code);
            let json = serde_json::to_string(&Reading::Known(action)).unwrap();
            assert_eq!(
                serde_json::from_str::<Reading<RecoveryAction>>(&json).unwrap(),
                Reading::Known(action),
                "{json}"
            );
        }
    }
}
