//! From where on something counts, as data that a user can override.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::{Class, ConditionKind, Level, Severity};
use crate::error::{Error, ErrorKind, Result};

/// From where on something counts. [`Default`] has the figures of NVIDIA, DCGM and gpud where they published one.
///
/// ```
/// use nacp_core::gpu::health::{ConditionKind, Level, Thresholds};
///
/// let thresholds = Thresholds::parse("
/// expected_gpus: 8
/// gpu_max_celsius: 80
/// severity: { persistence_off: ignore }
/// ")?;
/// assert_eq!(thresholds.severity[&ConditionKind::PersistenceOff], Level::Ignore);
/// assert_eq!(thresholds.pcie_replays_per_minute, 8);
/// # Ok::<(), nacp_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Thresholds {
    /// How many GPUs the machine has; nothing to compare with the PCI bus alone.
    pub expected_gpus: Option<u32>,
    /// The highest temperature of the die, in degrees Celsius; nothing for the GPU's own limit (GPU_MAX; gpud).
    pub gpu_max_celsius: Option<u32>,
    /// The highest temperature of the memory, in degrees Celsius; nothing for the GPU's own limit (MEM_MAX; DCGM, gpud).
    pub memory_max_celsius: Option<u32>,
    /// By how many degrees Celsius a temperature must fall below its limit before it counts as cool again (3; NACP's
    /// own).
    pub temperature_hysteresis: u32,
    /// The smallest distance to the temperature at which the GPU slows down, in degrees Celsius; 0 is off (gpud).
    pub thermal_margin: u32,
    /// In which share of the minutes of the window the hardware may not slow the GPU down (0.6; gpud).
    pub slowdown_rate: f64,
    /// The window for it, in minutes (10; gpud).
    pub slowdown_window: u32,
    /// How many corrected errors of the memory a minute are too many; 0 is off, because NVIDIA publishes no figure.
    pub corrected_ecc_per_minute: u32,
    /// How many retired pages are still good (63; DCGM, as NVIDIA's field diagnostic).
    pub retired_pages: u32,
    /// How many PCIe packets a minute may be sent again (8; DCGM).
    pub pcie_replays_per_minute: u32,
    /// How busy the GPU must be before its PCIe link is judged, in percent (50; NACP's own: an idle link slows down).
    pub pcie_load: u32,
    /// How many wrong NVLink checksums a second count (100; DCGM).
    pub nvlink_crc_per_second: u32,
    /// How many NVLinks may be down (0; NVIDIA Health Validation).
    pub max_inactive_nvlinks: u32,
    /// How many NVLinks must be up, instead of the rule above; nothing is off (NVIDIA: 18 for H100, GB200, GB300).
    pub expected_nvlinks: Option<u32>,
    /// The least speed of an NVLink, in megabytes (10^6) a second; nothing is off (NVIDIA: 26562 for H100, 53125 for GB200
    /// and GB300).
    pub nvlink_speed: Option<u32>,
    /// The least power, in watts; nothing for the default (NVIDIA: 65 for GB200 and GB300; off for others).
    pub power_min: Option<u32>,
    /// The most power, in watts; nothing for the default (NVIDIA: 1500 for GB200 and GB300; off for others).
    pub power_max: Option<u32>,
    /// After how many restarts of the machine a grave Xid that comes again calls for an inspection (2; gpud).
    pub reboots_before_inspection: u32,
    /// Xids that never do (94; gpud).
    pub inspection_exempt: Vec<u64>,
    /// How long something must hold before it is raised, and be gone before it is cleared.
    pub timing: Timings,
    /// Other severities than the defaults, by kind.
    pub severity: BTreeMap<ConditionKind, Level>,
    /// Other severities than the catalogue's, by Xid.
    pub xid: BTreeMap<u64, Level>,
}

/// How long something must hold before it is raised, and be gone before it is cleared, by class. All are NACP's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Timings {
    /// What the driver states as a fact: at once, and a minute.
    pub fault: Timing,
    /// What is measured: half a minute, and two minutes.
    pub reading: Timing,
    /// What concerns links: a minute, and a minute.
    pub link: Timing,
    /// How the GPU is set up: a minute, and at once.
    pub setting: Timing,
    /// What happened: at once; ten minutes after the last time, where it does not need a reset.
    pub event: Timing,
}

/// Two times, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timing {
    /// How long it must hold, in seconds.
    pub raise_after: u32,
    /// How long it must be gone, in seconds.
    pub clear_after: u32,
}

impl Timing {
    /// These two, in seconds.
    pub const fn new(raise_after: u32, clear_after: u32) -> Self {
        Self { raise_after, clear_after }
    }

    pub(super) fn raise(self) -> SignedDuration {
        SignedDuration::from_secs(self.raise_after.into())
    }

    pub(super) fn clear(self) -> SignedDuration {
        SignedDuration::from_secs(self.clear_after.into())
    }
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            fault: Timing::new(0, 60),
            reading: Timing::new(30, 120),
            link: Timing::new(60, 60),
            setting: Timing::new(60, 0),
            event: Timing::new(0, 600),
        }
    }
}

impl Timings {
    /// The times of a class.
    pub const fn of(&self, class: Class) -> Timing {
        match class {
            Class::Fault => self.fault,
            Class::Reading => self.reading,
            Class::Link => self.link,
            Class::Setting => self.setting,
            Class::Event => self.event,
        }
    }
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            expected_gpus: None,
            gpu_max_celsius: None,
            memory_max_celsius: None,
            temperature_hysteresis: 3,
            thermal_margin: 0,
            slowdown_rate: 0.6,
            slowdown_window: 10,
            corrected_ecc_per_minute: 0,
            retired_pages: 63,
            pcie_replays_per_minute: 8,
            pcie_load: 50,
            nvlink_crc_per_second: 100,
            max_inactive_nvlinks: 0,
            expected_nvlinks: None,
            nvlink_speed: None,
            power_min: None,
            power_max: None,
            reboots_before_inspection: 2,
            inspection_exempt: vec![94],
            timing: Timings::default(),
            severity: BTreeMap::new(),
            xid: BTreeMap::new(),
        }
    }
}

/// The longest time of a class: a day.
const DAY: u32 = 86_400;
/// The longest window of slowdowns in minutes: it is kept as bits of one number.
const WINDOW: u32 = 60;

impl Thresholds {
    /// The defaults as JSON, to begin a file of one's own with.
    pub const TEMPLATE: &'static str = include_str!("../../../data/health.json");

    /// Reads thresholds from YAML or JSON. What the text does not name keeps its default.
    ///
    /// # Errors
    /// [`InvalidArgument`](ErrorKind::InvalidArgument), with line and column, for an unknown field also the nearest that
    /// there is; and as for [`validate`](Self::validate).
    pub fn parse(text: &str) -> Result<Self> {
        let thresholds = super::parse::thresholds(text)?;
        thresholds.validate()?;
        Ok(thresholds)
    }

    /// Checks that every figure lies where it means something.
    ///
    /// # Errors
    /// [`InvalidArgument`](ErrorKind::InvalidArgument), with the field, its value, and what would do.
    pub fn validate(&self) -> Result<()> {
        for (field, value, least, most) in self.ranges() {
            if !(least..=most).contains(&value) {
                return Err(Error::new(ErrorKind::InvalidArgument, OPERATION, "a threshold is out of range")
                    .with("field", field)
                    .with("value", value)
                    .hint(format!("choose a number from {least} to {most}")));
            }
        }
        if let (Some(least), Some(most)) = (self.power_min, self.power_max)
            && least > most
        {
            return Err(Error::new(ErrorKind::InvalidArgument, OPERATION, "no power lies between the thresholds")
                .with("power_min", least)
                .with("power_max", most)
                .hint("choose power_min below power_max"));
        }
        Ok(())
    }

    /// How bad a condition is for this user, or nothing where it is to be ignored.
    pub(super) fn severity_of(&self, kind: ConditionKind, code: Option<u64>, severity: Severity) -> Option<Severity> {
        let xid = code.filter(|_| kind == ConditionKind::Xid).and_then(|code| self.xid.get(&code));
        xid.or_else(|| self.severity.get(&kind)).map_or(Some(severity), |level| level.severity())
    }

    /// Whether a kind is never to be raised.
    pub(super) fn ignores(&self, kind: ConditionKind) -> bool {
        self.severity.get(&kind) == Some(&Level::Ignore)
    }

    /// Each figure with its name and the least and the most that it may be.
    fn ranges(&self) -> Vec<(&'static str, f64, f64, f64)> {
        let mut ranges = vec![
            ("temperature_hysteresis", self.temperature_hysteresis.into(), 0.0, 50.0),
            ("thermal_margin", self.thermal_margin.into(), 0.0, 100.0),
            ("slowdown_rate", self.slowdown_rate, 0.01, 1.0),
            ("slowdown_window", self.slowdown_window.into(), 1.0, WINDOW.into()),
            ("pcie_load", self.pcie_load.into(), 1.0, 100.0),
            ("nvlink_crc_per_second", self.nvlink_crc_per_second.into(), 1.0, u32::MAX.into()),
            ("reboots_before_inspection", self.reboots_before_inspection.into(), 1.0, 1000.0),
        ];
        let mut given = |field, value: Option<u32>, least, most| {
            ranges.extend(value.map(|value| (field, f64::from(value), least, most)));
        };
        given("expected_gpus", self.expected_gpus, 0.0, 1024.0);
        given("gpu_max_celsius", self.gpu_max_celsius, 1.0, 150.0);
        given("memory_max_celsius", self.memory_max_celsius, 1.0, 150.0);
        given("expected_nvlinks", self.expected_nvlinks, 1.0, 1024.0);
        given("nvlink_speed", self.nvlink_speed, 1.0, 10_000_000.0);
        given("power_min", self.power_min, 0.0, 100_000.0);
        given("power_max", self.power_max, 1.0, 100_000.0);
        let Timings { fault, reading, link, setting, event } = self.timing;
        for (raise, clear, timing) in [
            ("timing.fault.raise_after", "timing.fault.clear_after", fault),
            ("timing.reading.raise_after", "timing.reading.clear_after", reading),
            ("timing.link.raise_after", "timing.link.clear_after", link),
            ("timing.setting.raise_after", "timing.setting.clear_after", setting),
            ("timing.event.raise_after", "timing.event.clear_after", event),
        ] {
            ranges.push((raise, timing.raise_after.into(), 0.0, DAY.into()));
            ranges.push((clear, timing.clear_after.into(), 0.0, DAY.into()));
        }
        ranges
    }
}

pub(super) const OPERATION: &str = "gpu.health.thresholds";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_the_default() {
        assert_eq!(Thresholds::parse(Thresholds::TEMPLATE).unwrap(), Thresholds::default());
        let written = serde_json::to_string_pretty(&Thresholds::default()).unwrap();
        assert_eq!(Thresholds::TEMPLATE.trim_end(), written);
    }

    #[test]
    fn a_figure_that_means_nothing_is_refused_with_what_would_do() {
        for (text, message) in [
            (
                "slowdown_rate: 1.5",
                "a threshold is out of range: field=slowdown_rate value=1.5; choose a number from 0.01 to 1",
            ),
            (
                "slowdown_window: 61",
                "a threshold is out of range: field=slowdown_window value=61; choose a number from 1 to 60",
            ),
            (
                "timing: { link: { raise_after: 90000, clear_after: 0 } }",
                "a threshold is out of range: field=timing.link.raise_after value=90000; choose a number from 0 to 86400",
            ),
            (
                "power_min: 500\npower_max: 400",
                "no power lies between the thresholds: power_min=500 power_max=400; choose power_min below power_max",
            ),
        ] {
            let error = Thresholds::parse(text).unwrap_err();
            assert_eq!((error.to_string().as_str(), error.kind()), (message, ErrorKind::InvalidArgument));
        }
        assert!(Thresholds { slowdown_rate: f64::NAN, ..Thresholds::default() }.validate().is_err());
    }
}
