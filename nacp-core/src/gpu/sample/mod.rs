//! What changes: one reading of one GPU, as plain data.

mod fields;
mod metric;
mod parts;
mod process;
mod update;

use serde::{Deserialize, Serialize};

pub use self::fields::Fields;
pub use self::metric::{Metric, MetricKind};
pub use self::parts::{
    ClockEvents, Clocks, Ecc, Fan, LinkCounters, MemoryUse, MigUse, PcieLink, Profile, RecoveryAction, RetiredPages,
    Rows, Slowdown, SramEcc, Utilization,
};
pub use self::process::{Partition, Process, ProcessKind, ProcessUtilization};

use super::{GpuId, Reading, Unknown};
use crate::units::Bytes;

/// Calls a macro with every field and the reading that it names.
macro_rules! each_reading {
    ($then:ident) => {
        $then! {
            MEMORY = memory, UTILIZATION = utilization, TEMPERATURE = temperature, POWER = power,
            POWER_LIMIT = power_limit, CLOCKS = clocks, PROCESSES = processes, VIDEO_CLOCK = video_clock,
            PERFORMANCE = performance, CLOCK_EVENTS = clock_events, SLOWDOWN = slowdown, ENERGY = energy,
            MEMORY_TEMPERATURE = memory_temperature, MARGIN = margin, FANS = fans, ENCODER = encoder,
            DECODER = decoder, JPEG = jpeg, OPTICAL_FLOW = optical_flow, BAR1_USED = bar1_used, PCIE = pcie,
            PCIE_REPLAYS = pcie_replays, PCIE_SENT = pcie_sent, PCIE_RECEIVED = pcie_received, ECC = ecc,
            SRAM = sram, ROWS = rows, RETIRED_PAGES = retired_pages, NVLINK = nvlink, RECOVERY = recovery,
            PROFILE = profile, MIG = mig,
        }
    };
}

/// What changes: one reading of one GPU.
///
/// Which of the values were read last is the caller's choice of [`Fields`]; the others keep what was read before, and
/// are unknown ([`Unknown::NotRead`]) if they never were.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Sample {
    /// Which GPU.
    pub id: GpuId,
    /// Memory in use (`nvmlDeviceGetMemoryInfo_v2`).
    pub memory: Reading<MemoryUse>,
    /// How busy the GPU was over the driver's last sampling period, in percent (`nvmlDeviceGetUtilizationRates`).
    pub utilization: Reading<Utilization>,
    /// Temperature of the GPU's die, in degrees Celsius (`nvmlDeviceGetTemperatureV`).
    pub temperature: Reading<u32>,
    /// Power drawn by the board, in milliwatts (`nvmlDeviceGetPowerUsage`).
    pub power: Reading<u32>,
    /// The limit at which the board is held, in milliwatts (`nvmlDeviceGetEnforcedPowerLimit`).
    pub power_limit: Reading<u32>,
    /// Current clocks, in MHz (`nvmlDeviceGetClockInfo`).
    pub clocks: Reading<Clocks>,
    /// Programs that use the GPU, by process id.
    pub processes: Reading<Vec<Process>>,
    /// The current video clock, in MHz.
    #[serde(default)]
    pub video_clock: Reading<u32>,
    /// The performance state, from 0 (the fastest) to 15 (`nvmlDeviceGetPerformanceState`).
    #[serde(default)]
    pub performance: Reading<u32>,
    /// What holds the clocks back at this moment (`nvmlDeviceGetCurrentClocksEventReasons`).
    #[serde(default)]
    pub clock_events: Reading<ClockEvents>,
    /// For how long the clocks were held back since the driver was loaded.
    #[serde(default)]
    pub slowdown: Reading<Slowdown>,
    /// Energy used since the driver was loaded, in millijoules (`nvmlDeviceGetTotalEnergyConsumption`).
    #[serde(default)]
    pub energy: Reading<u64>,
    /// Temperature of the memory, in degrees Celsius (field `NVML_FI_DEV_MEMORY_TEMP`).
    #[serde(default)]
    pub memory_temperature: Reading<u32>,
    /// How many degrees the GPU is below the temperature at which it slows down; unreliable where it is not above zero
    /// (`nvmlDeviceGetMarginTemperature`).
    #[serde(default)]
    pub margin: Reading<i32>,
    /// Each fan.
    #[serde(default)]
    pub fans: Reading<Vec<Fan>>,
    /// How busy the video encoder was, in percent (`nvmlDeviceGetEncoderUtilization`).
    #[serde(default)]
    pub encoder: Reading<u32>,
    /// How busy the video decoder was, in percent (`nvmlDeviceGetDecoderUtilization`).
    #[serde(default)]
    pub decoder: Reading<u32>,
    /// How busy the JPEG decoder was, in percent (`nvmlDeviceGetJpgUtilization`).
    #[serde(default)]
    pub jpeg: Reading<u32>,
    /// How busy the optical-flow unit was, in percent (`nvmlDeviceGetOfaUtilization`).
    #[serde(default)]
    pub optical_flow: Reading<u32>,
    /// Use of the window onto the memory that the CPU sees, in bytes (`nvmlDeviceGetBAR1MemoryInfo.bar1Used`).
    #[serde(default)]
    pub bar1_used: Reading<Bytes>,
    /// The PCIe link as it is now: slower when the GPU idles, which is no fault.
    #[serde(default)]
    pub pcie: Reading<PcieLink>,
    /// How often a PCIe packet was sent again (`nvmlDeviceGetPcieReplayCounter`).
    #[serde(default)]
    pub pcie_replays: Reading<u64>,
    /// Bytes sent over PCIe (field `NVML_FI_DEV_PCIE_COUNT_TX_BYTES`).
    #[serde(default)]
    pub pcie_sent: Reading<Bytes>,
    /// Bytes received over PCIe (field `NVML_FI_DEV_PCIE_COUNT_RX_BYTES`).
    #[serde(default)]
    pub pcie_received: Reading<Bytes>,
    /// Errors of the memory that were corrected or not.
    #[serde(default)]
    pub ecc: Reading<Ecc>,
    /// Errors of the memory within the chip (`nvmlDeviceGetSramEccErrorStatus`).
    #[serde(default)]
    pub sram: Reading<SramEcc>,
    /// Rows of memory that were replaced by spare ones (`nvmlDeviceGetRemappedRows`).
    #[serde(default)]
    pub rows: Reading<Rows>,
    /// Pages of memory that are no longer used (`nvmlDeviceGetRetiredPages_v2`; before Ampere).
    #[serde(default)]
    pub retired_pages: Reading<RetiredPages>,
    /// What was sent over all NVLinks together, and which errors they counted.
    #[serde(default)]
    pub nvlink: Reading<LinkCounters>,
    /// What the driver wants to be done to bring the GPU back to health (field `NVML_FI_DEV_GET_GPU_RECOVERY_ACTION`).
    #[serde(default)]
    pub recovery: Reading<RecoveryAction>,
    /// How busy the parts of the chip were since the last reading (GPM; Hopper and later).
    #[serde(default)]
    pub profile: Reading<Profile>,
    /// The partitions of the GPU.
    #[serde(default)]
    pub mig: Reading<Vec<MigUse>>,
}

impl Sample {
    /// A sample in which every reading is unknown for the same reason.
    pub fn unknown(id: GpuId, reason: Unknown) -> Self {
        let mut sample = Self {
            id,
            memory: Reading::default(),
            utilization: Reading::default(),
            temperature: Reading::default(),
            power: Reading::default(),
            power_limit: Reading::default(),
            clocks: Reading::default(),
            processes: Reading::default(),
            video_clock: Reading::default(),
            performance: Reading::default(),
            clock_events: Reading::default(),
            slowdown: Reading::default(),
            energy: Reading::default(),
            memory_temperature: Reading::default(),
            margin: Reading::default(),
            fans: Reading::default(),
            encoder: Reading::default(),
            decoder: Reading::default(),
            jpeg: Reading::default(),
            optical_flow: Reading::default(),
            bar1_used: Reading::default(),
            pcie: Reading::default(),
            pcie_replays: Reading::default(),
            pcie_sent: Reading::default(),
            pcie_received: Reading::default(),
            ecc: Reading::default(),
            sram: Reading::default(),
            rows: Reading::default(),
            retired_pages: Reading::default(),
            nvlink: Reading::default(),
            recovery: Reading::default(),
            profile: Reading::default(),
            mig: Reading::default(),
        };
        sample.forget(Fields::ALL, reason);
        sample
    }

    /// Makes the readings of these fields unknown for this reason.
    pub fn forget(&mut self, fields: Fields, reason: Unknown) {
        macro_rules! forget {
            ($($field:ident = $name:ident),* $(,)?) => {
                $(if fields.contains(Fields::$field) { self.$name = Reading::Unknown(reason); })*
            };
        }
        each_reading!(forget);
    }

    /// Why the first of these fields that is unknown is so; nothing when all are known.
    pub fn reason(&self, fields: Fields) -> Option<Unknown> {
        macro_rules! reason {
            ($($field:ident = $name:ident),* $(,)?) => {
                $(if fields.contains(Fields::$field) && let Some(reason) = self.$name.unknown() {
                    return Some(reason);
                })*
            };
        }
        each_reading!(reason);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgetting_a_field_forgets_that_one_only() {
        let id: GpuId = "GPU-5bd9f9a4-1d2e-4c8f-9a61-0123456789ab".parse().unwrap();
        let json = |sample: &Sample| serde_json::to_value(sample).unwrap();
        let before = Sample::unknown(id, Unknown::NotSupported);
        let names: Vec<String> =
            json(&before).as_object().unwrap().keys().filter(|key| *key != "id").cloned().collect();
        assert_eq!(names.len(), Fields::names().count(), "each reading has its field");
        for (name, field) in Fields::names() {
            let mut after = before.clone();
            after.forget(field, Unknown::GpuLost);
            let (old, new) = (json(&before), json(&after));
            let changed: Vec<_> = names.iter().filter(|key| old[key.as_str()] != new[key.as_str()]).collect();
            assert_eq!(changed, [name]);
            assert_eq!(
                (before.reason(field), after.reason(field)),
                (Some(Unknown::NotSupported), Some(Unknown::GpuLost))
            );
        }
    }
}
