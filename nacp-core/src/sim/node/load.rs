//! What a GPU is doing: clocks, power limits, temperatures, fans, performance metrics.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::numbered::ClockReason;
use crate::error::{Error, ErrorKind};

/// Clocks, in MHz.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClocksFile {
    /// The graphics clock.
    pub graphics: u32,
    /// The clock of the streaming multiprocessors.
    pub sm: u32,
    /// The memory clock.
    pub memory: u32,
    /// The video clock; absent where the machine does not tell.
    #[serde(default)]
    pub video: Option<u32>,
}

/// A graphics clock with a memory clock, in MHz.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairFile {
    /// The graphics clock.
    pub graphics: u32,
    /// The memory clock.
    pub memory: u32,
}

/// A memory clock with the graphics clocks that go with it, in MHz.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SupportedClocksFile {
    /// The memory clock.
    pub memory: u32,
    /// The graphics clocks, the highest first.
    pub graphics: Vec<u32>,
}

/// Why clocks are where they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClockEventsFile {
    /// The reasons now; none where nothing holds the clocks.
    pub reasons: Vec<ClockReason>,
    /// The reasons that this GPU can give.
    pub supported: Vec<ClockReason>,
    /// For how long each reason has held since the driver was loaded, in nanoseconds; absent where the driver does not
    /// count.
    pub counters: Option<ClockCountersFile>,
}

/// Nanoseconds for which a reason has held the clocks down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClockCountersFile {
    /// Heat, seen by the driver.
    pub sw_thermal: u64,
    /// Heat, seen by the hardware.
    pub hw_thermal: u64,
    /// The machine's power supply.
    pub hw_power_brake: u64,
}

/// Nanoseconds for which a policy has held the clocks down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ViolationsFile {
    /// The power limit.
    pub power: u64,
    /// Heat.
    pub thermal: u64,
    /// Keeping step with other GPUs.
    pub sync_boost: u64,
    /// A limit of the board.
    pub board_limit: u64,
    /// Too little work.
    pub low_utilization: u64,
    /// The board's reliability.
    pub reliability: u64,
    /// All of them, below the application clocks.
    pub application_clocks: u64,
    /// All of them, below the base clocks.
    pub base_clocks: u64,
}

impl ViolationsFile {
    /// By NVML's number (`nvmlPerfPolicyType_t`).
    pub fn by_number(self, policy: u32) -> Option<u64> {
        Some(match policy {
            0 => self.power,
            1 => self.thermal,
            2 => self.sync_boost,
            3 => self.board_limit,
            4 => self.low_utilization,
            5 => self.reliability,
            10 => self.application_clocks,
            11 => self.base_clocks,
            _ => return None,
        })
    }
}

/// The range of power limits, in milliwatts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsFile {
    /// The lowest that can be set.
    pub min: Option<u32>,
    /// The highest that can be set.
    pub max: Option<u32>,
    /// The one that holds after a start.
    pub default: Option<u32>,
    /// The one that was asked for; absent: the one that is enforced.
    pub requested: Option<u32>,
}

/// Further temperatures and thresholds, in degrees Celsius.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ThermalFile {
    /// The memory's temperature.
    pub memory: Option<u32>,
    /// How far the GPU is from its limit.
    pub margin: Option<i32>,
    /// Where it shuts down.
    pub shutdown: Option<u32>,
    /// Where the hardware slows it down.
    pub slowdown: Option<u32>,
    /// The highest that the memory should have.
    pub memory_max: Option<u32>,
    /// The highest that the GPU should have.
    pub gpu_max: Option<u32>,
    /// The same thresholds as distances from the GPU's limit.
    pub distances: Option<DistancesFile>,
}

/// Thresholds as distances from the GPU's thermal limit (T.Limit), in degrees Celsius; below zero: beyond the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DistancesFile {
    /// Where it shuts down.
    pub shutdown: i32,
    /// Where the hardware slows it down.
    pub slowdown: i32,
    /// Where the memory's heat slows it down.
    pub memory_max: i32,
    /// Where it falls below its base clock.
    pub gpu_max: i32,
}

/// One fan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FanFile {
    /// Its speed, in percent.
    pub speed: u32,
    /// Its speed, in rounds per minute.
    #[serde(default)]
    pub rpm: Option<u32>,
    /// The speed that it should have, in percent; absent: the one that it has.
    #[serde(default)]
    pub target: Option<u32>,
    /// The lowest speed that can be set, in percent.
    #[serde(default)]
    pub min: u32,
    /// The highest speed that can be set, in percent.
    #[serde(default = "all")]
    pub max: u32,
}

fn all() -> u32 {
    100
}

/// Performance metrics by name (`nvmlGpmMetricId_t`): percent, or MiB/s where the name ends in `_per_sec`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GpmFile(BTreeMap<GpmMetric, f64>);

impl GpmFile {
    /// The value of a metric, by NVML's number.
    pub fn by_number(&self, metric: u32) -> Option<f64> {
        self.0.get(&GpmMetric(metric)).copied()
    }
}

/// A performance metric, by its number in nvml.h; in a node file its name there, in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GpmMetric(pub u32);

/// Metrics with a name of their own; those of the NVLinks are counted.
const METRICS: [(u32, &str); 29] = [
    (1, "graphics_util"),
    (2, "sm_util"),
    (3, "sm_occupancy"),
    (4, "integer_util"),
    (5, "any_tensor_util"),
    (6, "dfma_tensor_util"),
    (7, "hmma_tensor_util"),
    (9, "imma_tensor_util"),
    (10, "dram_bw_util"),
    (11, "fp64_util"),
    (12, "fp32_util"),
    (13, "fp16_util"),
    (20, "pcie_tx_per_sec"),
    (21, "pcie_rx_per_sec"),
    (30, "nvdec_0_util"),
    (31, "nvdec_1_util"),
    (32, "nvdec_2_util"),
    (33, "nvdec_3_util"),
    (34, "nvdec_4_util"),
    (35, "nvdec_5_util"),
    (36, "nvdec_6_util"),
    (40, "nvjpg_0_util"),
    (50, "nvofa_0_util"),
    (60, "nvlink_total_rx_per_sec"),
    (61, "nvlink_total_tx_per_sec"),
    (100, "c2c_total_tx_per_sec"),
    (101, "c2c_total_rx_per_sec"),
    (102, "c2c_data_tx_per_sec"),
    (103, "c2c_data_rx_per_sec"),
];

/// The number of the first NVLink's metric, and how many links have one.
const LINKS: (u32, u32) = (62, 18);

impl fmt::Display for GpmMetric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let own = METRICS.iter().find(|(number, _)| *number == self.0);
        let link = self.0.checked_sub(LINKS.0).filter(|nth| *nth < 2 * LINKS.1);
        match (own, link) {
            (Some((_, name)), _) => f.write_str(name),
            (None, Some(nth)) => {
                write!(f, "nvlink_l{}_{}_per_sec", nth / 2, if nth % 2 == 0 { "rx" } else { "tx" })
            }
            (None, None) => write!(f, "metric_{}", self.0),
        }
    }
}

impl FromStr for GpmMetric {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let own = METRICS.iter().find(|(_, name)| *name == text).map(|(number, _)| Self(*number));
        let links = (LINKS.0..LINKS.0 + 2 * LINKS.1).map(Self);
        own.or_else(|| links.into_iter().find(|metric| metric.to_string() == text)).ok_or_else(|| {
            let error = Error::new(ErrorKind::InvalidArgument, "sim.node", "not a performance metric")
                .with("value", format_args!("{text:?}"));
            match crate::error::nearest(text, METRICS.iter().map(|(_, name)| *name)) {
                Some(near) => error.hint(format!("did you mean {near}?")),
                None => error.hint("the names are those of NVML_GPM_METRIC_…, in lower case"),
            }
        })
    }
}

impl TryFrom<String> for GpmMetric {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<GpmMetric> for String {
    fn from(metric: GpmMetric) -> Self {
        metric.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_have_the_names_and_numbers_of_nvml_h() {
        for (name, number) in [("sm_util", 2), ("nvlink_l0_rx_per_sec", 62), ("nvlink_l17_tx_per_sec", 97)] {
            let metric: GpmMetric = name.parse().unwrap();
            assert_eq!((metric, metric.to_string()), (GpmMetric(number), name.to_owned()));
        }
        let error = "sm_utl".parse::<GpmMetric>().unwrap_err();
        assert_eq!(error.to_string(), "not a performance metric: value=\"sm_utl\"; did you mean sm_util?");
    }
}
