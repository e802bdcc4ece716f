//! The numbers of a sample, each with its name and unit: what histories, tables and exporters go through.

use std::fmt;
use std::str::FromStr;

use super::{Fields, Sample};
use crate::error::{Error, ErrorKind, nearest};
use crate::gpu::Unknown;
use crate::units::Bytes;

/// How a number behaves over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MetricKind {
    /// It goes up and down: its mean over a time means something.
    Gauge,
    /// It only rises: its difference over a time means something.
    Counter,
}

/// One number of a [`Sample`].
///
/// ```
/// use nacp_core::gpu::Metric;
///
/// let power: Metric = "power".parse()?;
/// assert_eq!((power.name(), power.unit()), ("power", "W"));
/// # Ok::<(), nacp_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Metric {
    /// Percent of the time in which a kernel was running.
    GpuUtilization,
    /// Percent of the time in which memory was read or written.
    MemoryUtilization,
    /// Power drawn by the board, in watts.
    Power,
    /// The limit at which the board is held, in watts.
    PowerLimit,
    /// Energy used since the driver was loaded, in joules.
    Energy,
    /// Temperature of the die, in degrees Celsius.
    Temperature,
    /// Temperature of the memory, in degrees Celsius.
    MemoryTemperature,
    /// Degrees Celsius below the temperature at which it slows down.
    Margin,
    /// Memory allocated by programs, in bytes.
    MemoryUsed,
    /// Memory not allocated, in bytes.
    MemoryFree,
    /// Memory kept by driver and firmware, in bytes.
    MemoryReserved,
    /// The graphics clock, in MHz.
    GraphicsClock,
    /// The clock of the multiprocessors, in MHz.
    SmClock,
    /// The memory clock, in MHz.
    MemoryClock,
    /// The video clock, in MHz.
    VideoClock,
    /// The performance state, from 0.
    Performance,
    /// Percent of the time in which the encoder was at work.
    Encoder,
    /// Percent of the time in which the decoder was at work.
    Decoder,
    /// Percent of the time in which the JPEG decoder was at work.
    Jpeg,
    /// Percent of the time in which the optical-flow unit was at work.
    OpticalFlow,
    /// The fastest fan, in percent.
    Fan,
    /// Memory of the CPU's window in use, in bytes.
    Bar1Used,
    /// The PCIe generation.
    PcieGeneration,
    /// The PCIe width, in lanes.
    PcieWidth,
    /// PCIe packets sent again.
    PcieReplays,
    /// Bytes sent over PCIe.
    PcieSent,
    /// Bytes received over PCIe.
    PcieReceived,
    /// Bytes sent over NVLink.
    NvlinkSent,
    /// Bytes received over NVLink.
    NvlinkReceived,
    /// NVLinks that are up.
    NvlinkActive,
    /// Memory errors corrected since the driver was loaded.
    EccCorrected,
    /// Memory errors not corrected since the driver was loaded.
    EccUncorrected,
    /// Rows remapped because of correctable errors.
    RowsCorrectable,
    /// Rows remapped because of uncorrectable errors.
    RowsUncorrectable,
    /// Programs that use the GPU.
    Processes,
    /// Seconds that the clocks were held back by the power limit.
    SlowdownPower,
    /// Seconds that the clocks were held back by temperature.
    SlowdownThermal,
    /// Share of the time in which any engine was active, 0 to 1.
    GraphicsActive,
    /// Share of the time in which the multiprocessors were active, 0 to 1.
    SmActive,
    /// Warps resident on the multiprocessors, as a share of the most, 0 to 1.
    SmOccupancy,
    /// Share of the time in which the tensor cores were active, 0 to 1.
    TensorActive,
    /// Share of the time in which the memory interface was active, 0 to 1.
    DramActive,
}

use Metric as M;
use MetricKind::{Counter, Gauge};

/// Name, unit, behaviour, and the reading of the sample that it is in.
type Row = (Metric, &'static str, &'static str, MetricKind, Fields);

const TABLE: [Row; 42] = [
    (M::GpuUtilization, "gpu_utilization", "%", Gauge, Fields::UTILIZATION),
    (M::MemoryUtilization, "memory_utilization", "%", Gauge, Fields::UTILIZATION),
    (M::Power, "power", "W", Gauge, Fields::POWER),
    (M::PowerLimit, "power_limit", "W", Gauge, Fields::POWER_LIMIT),
    (M::Energy, "energy", "J", Counter, Fields::ENERGY),
    (M::Temperature, "temperature", "°C", Gauge, Fields::TEMPERATURE),
    (M::MemoryTemperature, "memory_temperature", "°C", Gauge, Fields::MEMORY_TEMPERATURE),
    (M::Margin, "margin", "°C", Gauge, Fields::MARGIN),
    (M::MemoryUsed, "memory_used", "B", Gauge, Fields::MEMORY),
    (M::MemoryFree, "memory_free", "B", Gauge, Fields::MEMORY),
    (M::MemoryReserved, "memory_reserved", "B", Gauge, Fields::MEMORY),
    (M::GraphicsClock, "graphics_clock", "MHz", Gauge, Fields::CLOCKS),
    (M::SmClock, "sm_clock", "MHz", Gauge, Fields::CLOCKS),
    (M::MemoryClock, "memory_clock", "MHz", Gauge, Fields::CLOCKS),
    (M::VideoClock, "video_clock", "MHz", Gauge, Fields::VIDEO_CLOCK),
    (M::Performance, "performance", "", Gauge, Fields::PERFORMANCE),
    (M::Encoder, "encoder", "%", Gauge, Fields::ENCODER),
    (M::Decoder, "decoder", "%", Gauge, Fields::DECODER),
    (M::Jpeg, "jpeg", "%", Gauge, Fields::JPEG),
    (M::OpticalFlow, "optical_flow", "%", Gauge, Fields::OPTICAL_FLOW),
    (M::Fan, "fan", "%", Gauge, Fields::FANS),
    (M::Bar1Used, "bar1_used", "B", Gauge, Fields::BAR1_USED),
    (M::PcieGeneration, "pcie_generation", "", Gauge, Fields::PCIE),
    (M::PcieWidth, "pcie_width", "", Gauge, Fields::PCIE),
    (M::PcieReplays, "pcie_replays", "", Counter, Fields::PCIE_REPLAYS),
    (M::PcieSent, "pcie_sent", "B", Counter, Fields::PCIE_SENT),
    (M::PcieReceived, "pcie_received", "B", Counter, Fields::PCIE_RECEIVED),
    (M::NvlinkSent, "nvlink_sent", "B", Counter, Fields::NVLINK),
    (M::NvlinkReceived, "nvlink_received", "B", Counter, Fields::NVLINK),
    (M::NvlinkActive, "nvlink_active", "", Gauge, Fields::NVLINK),
    (M::EccCorrected, "ecc_corrected", "", Counter, Fields::ECC),
    (M::EccUncorrected, "ecc_uncorrected", "", Counter, Fields::ECC),
    (M::RowsCorrectable, "rows_correctable", "", Counter, Fields::ROWS),
    (M::RowsUncorrectable, "rows_uncorrectable", "", Counter, Fields::ROWS),
    (M::Processes, "processes", "", Gauge, Fields::PROCESSES),
    (M::SlowdownPower, "slowdown_power", "s", Counter, Fields::SLOWDOWN),
    (M::SlowdownThermal, "slowdown_thermal", "s", Counter, Fields::SLOWDOWN),
    (M::GraphicsActive, "graphics_active", "", Gauge, Fields::PROFILE),
    (M::SmActive, "sm_active", "", Gauge, Fields::PROFILE),
    (M::SmOccupancy, "sm_occupancy", "", Gauge, Fields::PROFILE),
    (M::TensorActive, "tensor_active", "", Gauge, Fields::PROFILE),
    (M::DramActive, "dram_active", "", Gauge, Fields::PROFILE),
];

impl Metric {
    /// How many there are.
    pub const COUNT: usize = TABLE.len();

    /// Every metric, in the order of [`index`](Self::index).
    pub fn all() -> impl ExactSizeIterator<Item = Self> {
        TABLE.iter().map(|row| row.0)
    }

    /// Its position among all, from 0.
    pub const fn index(self) -> usize {
        self as usize
    }

    fn row(self) -> &'static Row {
        &TABLE[self.index()]
    }

    /// Its name, the same in Rust, Python and C.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// The unit of its values; empty for plain numbers.
    pub fn unit(self) -> &'static str {
        self.row().2
    }

    /// How it behaves over time.
    pub fn kind(self) -> MetricKind {
        self.row().3
    }

    /// The reading that it comes from: what must be read for it to be known.
    pub fn field(self) -> Fields {
        self.row().4
    }

    /// Its value in a sample, if that is known.
    pub fn read(self, sample: &Sample) -> Option<f64> {
        match self {
            M::GpuUtilization => sample.utilization.known().map(|busy| busy.gpu.into()),
            M::MemoryUtilization => sample.utilization.known().map(|busy| busy.memory.into()),
            M::Power => sample.power.known().copied().map(thousandth),
            M::PowerLimit => sample.power_limit.known().copied().map(thousandth),
            M::Energy => sample.energy.known().map(|millijoules| float(*millijoules) / 1e3),
            M::Temperature => sample.temperature.known().copied().map(f64::from),
            M::MemoryTemperature => sample.memory_temperature.known().copied().map(f64::from),
            M::Margin => sample.margin.known().copied().map(f64::from),
            M::MemoryUsed => sample.memory.known().map(|memory| bytes(memory.used)),
            M::MemoryFree => sample.memory.known().map(|memory| bytes(memory.free)),
            M::MemoryReserved => sample.memory.known().map(|memory| bytes(memory.reserved)),
            M::GraphicsClock => sample.clocks.known().map(|clocks| clocks.graphics.into()),
            M::SmClock => sample.clocks.known().map(|clocks| clocks.sm.into()),
            M::MemoryClock => sample.clocks.known().map(|clocks| clocks.memory.into()),
            M::VideoClock => sample.video_clock.known().copied().map(f64::from),
            M::Performance => sample.performance.known().copied().map(f64::from),
            M::Encoder => sample.encoder.known().copied().map(f64::from),
            M::Decoder => sample.decoder.known().copied().map(f64::from),
            M::Jpeg => sample.jpeg.known().copied().map(f64::from),
            M::OpticalFlow => sample.optical_flow.known().copied().map(f64::from),
            M::Fan => {
                let speeds = sample.fans.known()?.iter().filter_map(|fan| fan.speed.known());
                speeds.max().copied().map(f64::from)
            }
            M::Bar1Used => sample.bar1_used.known().copied().map(bytes),
            M::PcieGeneration => sample.pcie.known().map(|link| link.generation.into()),
            M::PcieWidth => sample.pcie.known().map(|link| link.width.into()),
            M::PcieReplays => sample.pcie_replays.known().copied().map(float),
            M::PcieSent => sample.pcie_sent.known().copied().map(bytes),
            M::PcieReceived => sample.pcie_received.known().copied().map(bytes),
            M::NvlinkSent => sample.nvlink.known()?.sent.known().map(|kibibytes| float(*kibibytes) * 1024.0),
            M::NvlinkReceived => sample.nvlink.known()?.received.known().map(|kibibytes| float(*kibibytes) * 1024.0),
            M::NvlinkActive => sample.nvlink.known()?.active.known().copied().map(f64::from),
            M::EccCorrected => sample.ecc.known().map(|ecc| float(ecc.corrected)),
            M::EccUncorrected => sample.ecc.known().map(|ecc| float(ecc.uncorrected)),
            M::RowsCorrectable => sample.rows.known().map(|rows| rows.correctable.into()),
            M::RowsUncorrectable => sample.rows.known().map(|rows| rows.uncorrectable.into()),
            M::Processes => sample.processes.known().map(|list| float(list.len().try_into().unwrap_or(u64::MAX))),
            M::SlowdownPower => sample.slowdown.known()?.power.known().map(|nanoseconds| float(*nanoseconds) / 1e9),
            M::SlowdownThermal => sample.slowdown.known()?.thermal.known().map(|nanoseconds| float(*nanoseconds) / 1e9),
            M::GraphicsActive => sample.profile.known().map(|profile| thousandth(profile.graphics)),
            M::SmActive => sample.profile.known().map(|profile| thousandth(profile.sm)),
            M::SmOccupancy => sample.profile.known().map(|profile| thousandth(profile.occupancy)),
            M::TensorActive => sample.profile.known().map(|profile| thousandth(profile.tensor)),
            M::DramActive => sample.profile.known().map(|profile| thousandth(profile.dram)),
        }
    }
}

impl Metric {
    /// Why it has no value in a sample; nothing when it has one.
    pub fn unknown(self, sample: &Sample) -> Option<Unknown> {
        if self.read(sample).is_some() {
            return None;
        }
        // A reading of several parts may be known without this one.
        let links = sample.nvlink.known();
        let slowdown = sample.slowdown.known();
        let part = match self {
            M::NvlinkSent => links.and_then(|links| links.sent.unknown()),
            M::NvlinkReceived => links.and_then(|links| links.received.unknown()),
            M::NvlinkActive => links.and_then(|links| links.active.unknown()),
            M::SlowdownPower => slowdown.and_then(|slowdown| slowdown.power.unknown()),
            M::SlowdownThermal => slowdown.and_then(|slowdown| slowdown.thermal.unknown()),
            M::Fan => sample.fans.known().and_then(|fans| fans.iter().find_map(|fan| fan.speed.unknown())),
            _ => None,
        };
        part.or_else(|| sample.reason(self.field())).or(Some(Unknown::NotAvailable))
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Metric {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::all().find(|metric| metric.name() == text).ok_or_else(|| {
            let error = Error::new(ErrorKind::InvalidArgument, "gpu.metric", "no such metric of a GPU")
                .with("name", format_args!("{text:?}"));
            match nearest(text, Self::all().map(Self::name)) {
                Some(near) => error.hint(format!("did you mean {near}?")),
                None => {
                    error.hint(format!("there are: {}", Self::all().map(Self::name).collect::<Vec<_>>().join(", ")))
                }
            }
        })
    }
}

fn thousandth(value: u32) -> f64 {
    f64::from(value) / 1e3
}

fn bytes(value: Bytes) -> f64 {
    float(value.0)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "exact up to 2^53; a counter beyond that is off by less than 1e-15 of itself"
)]
fn float(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::{Fan, LinkCounters, Reading};

    #[test]
    fn the_table_is_in_the_order_of_the_indices_and_names_are_found_again() {
        for (at, metric) in Metric::all().enumerate() {
            assert_eq!(metric.index(), at, "{metric}");
            assert_eq!(metric.name().parse::<Metric>().unwrap(), metric);
        }
        let error = "tempreature".parse::<Metric>().unwrap_err();
        assert_eq!(error.to_string(), "no such metric of a GPU: name=\"tempreature\"; did you mean temperature?");
    }

    #[test]
    fn what_is_unknown_has_no_value_and_units_are_converted() {
        let id = "GPU-5bd9f9a4-1d2e-4c8f-9a61-0123456789ab".parse().unwrap();
        let mut sample = Sample::unknown(id, Unknown::NotSupported);
        for metric in Metric::all() {
            assert_eq!(
                (metric.read(&sample), metric.unknown(&sample)),
                (None, Some(Unknown::NotSupported)),
                "{metric}"
            );
        }
        sample.power = Reading::Known(12_500);
        sample.energy = Reading::Known(3_500);
        let fan = |speed| Fan { speed, ..Fan::default() };
        sample.fans = Reading::Known(vec![fan(Reading::Known(30)), fan(Reading::Known(45)), fan(Reading::default())]);
        assert_eq!(Metric::Power.read(&sample), Some(12.5));
        assert_eq!(Metric::Energy.read(&sample), Some(3.5));
        assert_eq!((Metric::Fan.read(&sample), Metric::Fan.unknown(&sample)), (Some(45.0), None));

        sample.nvlink =
            Reading::Known(LinkCounters { sent: Reading::Unknown(Unknown::TooOld), ..LinkCounters::default() });
        assert_eq!(Metric::NvlinkSent.unknown(&sample), Some(Unknown::TooOld));
        sample.fans = Reading::Known(Vec::new());
        assert_eq!(Metric::Fan.unknown(&sample), Some(Unknown::NotAvailable));
    }
}
