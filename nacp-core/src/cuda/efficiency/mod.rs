//! What the hardware could do at most, computed, so that a measured speed means something.
//!
//! A [`Peak`] comes with its formula, the numbers put into it and the source of each constant. What cannot be computed
//! is [`Unknown`] with the reason, and never zero: a table that does not know a device must not make it look slow.
//!
//! Speed depends on the clock, and a GPU chooses its clock by power and temperature. So there are two ratios, and both
//! are named: to the peak at the highest clock that the device has ([`AT_MAX_CLOCK`]), which tells how far this
//! machine is from the data sheet, and to the peak at the clock that was observed during the work
//! ([`AT_OBSERVED_CLOCK`]), which tells how well the work used what the device gave.
//!
//! ```
//! use nacp_core::cuda::efficiency;
//!
//! let peak = efficiency::fp32("9.0".parse()?, 132, 1980.0).unwrap();
//! assert_eq!(peak.formula, "132 SM x 128 cores x 2 FLOP x 1980 MHz = 66.9 TFLOP/s");
//! let unknown = efficiency::fp32("99.0".parse()?, 132, 1980.0).unwrap_err();
//! assert_eq!(unknown.to_string(), "no table tells how many cores a multiprocessor of compute capability 99.0 has");
//! # Ok::<(), nacp_core::Error>(())
//! ```

mod processor;
#[cfg(test)]
mod tests;
mod transfer;

use std::fmt;

pub use processor::{ProductLine, Share, cores_per_multiprocessor, fp32, mma_sync_share, tensor_f16};
pub use transfer::{memory, nvlink, nvlink_of_version, pcie};

/// The name of the ratio to the peak at the clock that was observed during the work.
pub const AT_OBSERVED_CLOCK: &str = "ratio_at_observed_clock";
/// The name of the ratio to the peak at the highest clock that the device has.
pub const AT_MAX_CLOCK: &str = "ratio_at_max_clock";

/// The most that hardware of a kind can do, computed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Peak {
    /// Floating-point operations or bytes a second, as the function that made it says. Never zero.
    pub value: f64,
    /// The formula with the numbers that were put into it, and the result.
    pub formula: String,
    /// Where the constants of the formula come from.
    pub source: &'static str,
}

impl Peak {
    /// Which part of the peak a measured speed is: 1 is all.
    pub fn ratio(&self, measured: f64) -> f64 {
        measured / self.value
    }
}

/// Why a peak cannot be computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown(String);

impl Unknown {
    /// A reason, as a part of a sentence.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl std::error::Error for Unknown {}

/// A rate in the unit in which people speak of it: `66.9 TFLOP/s`, `25.2 GB/s`. Three digits count.
pub(crate) fn human(value: f64, unit: &str) -> String {
    // What would be rounded to 1000 of a unit is 1.00 of the next.
    let (scaled, prefix) = match value {
        value if value >= 999.5e9 => (value / 1e12, "T"),
        value if value >= 999.5e6 => (value / 1e9, "G"),
        value if value >= 999.5e3 => (value / 1e6, "M"),
        value if value >= 999.5 => (value / 1e3, "k"),
        value => (value, ""),
    };
    match scaled {
        scaled if scaled >= 100.0 => format!("{scaled:.0} {prefix}{unit}"),
        scaled if scaled >= 10.0 => format!("{scaled:.1} {prefix}{unit}"),
        scaled => format!("{scaled:.2} {prefix}{unit}"),
    }
}
