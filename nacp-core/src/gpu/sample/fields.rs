//! Which values of a sample to read.

use std::fmt;
use std::ops::{BitAnd, BitOr, Not};
use std::str::FromStr;

use crate::error::{Error, ErrorKind, nearest};

/// A set of readings of a [`Sample`](super::Sample), by the names of its fields.
///
/// Reading costs: every call goes through one lock of the driver. So who reads often reads little; the three tiers say
/// what is worth how much.
///
/// ```
/// use nacp_core::gpu::Fields;
///
/// let fields: Fields = "power, temperature".parse()?;
/// assert_eq!(fields, Fields::POWER | Fields::TEMPERATURE);
/// assert!(Fields::FAST.contains(Fields::POWER));
/// # Ok::<(), nacp_core::Error>(())
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Fields(u64);

macro_rules! fields {
    ($($name:ident $text:literal $bit:literal,)*) => {
        impl Fields {
            $(
                #[doc = concat!("`Sample::", $text, "`.")]
                pub const $name: Self = Self(1 << $bit);
            )*
            /// Every reading.
            pub const ALL: Self = Self($(1 << $bit)|*);

            const NAMES: &[(&str, Self)] = &[$(($text, Self::$name)),*];
        }
    };
}

fields! {
    UTILIZATION "utilization" 0,
    POWER "power" 1,
    MEMORY "memory" 2,
    TEMPERATURE "temperature" 3,
    CLOCKS "clocks" 4,
    POWER_LIMIT "power_limit" 5,
    PERFORMANCE "performance" 6,
    CLOCK_EVENTS "clock_events" 7,
    ENERGY "energy" 8,
    MEMORY_TEMPERATURE "memory_temperature" 9,
    ENCODER "encoder" 10,
    DECODER "decoder" 11,
    JPEG "jpeg" 12,
    OPTICAL_FLOW "optical_flow" 13,
    FANS "fans" 14,
    VIDEO_CLOCK "video_clock" 15,
    PCIE "pcie" 16,
    PCIE_REPLAYS "pcie_replays" 17,
    PCIE_SENT "pcie_sent" 18,
    PCIE_RECEIVED "pcie_received" 19,
    BAR1_USED "bar1_used" 20,
    ECC "ecc" 21,
    SRAM "sram" 22,
    ROWS "rows" 23,
    RETIRED_PAGES "retired_pages" 24,
    NVLINK "nvlink" 25,
    RECOVERY "recovery" 26,
    MARGIN "margin" 27,
    SLOWDOWN "slowdown" 28,
    PROFILE "profile" 29,
    PROCESSES "processes" 30,
    MIG "mig" 31,
}

impl Fields {
    /// No reading.
    pub const NONE: Self = Self(0);
    /// What changes within a tenth of a second and is cheap to ask: utilisation and power.
    pub const FAST: Self = Self(Self::UTILIZATION.0 | Self::POWER.0);
    /// What changes within a second: memory, temperatures, clocks and what holds them back, energy.
    pub const MEDIUM: Self = Self(
        Self::MEMORY.0
            | Self::TEMPERATURE.0
            | Self::CLOCKS.0
            | Self::POWER_LIMIT.0
            | Self::PERFORMANCE.0
            | Self::CLOCK_EVENTS.0
            | Self::ENERGY.0
            | Self::MEMORY_TEMPERATURE.0
            | Self::PROFILE.0
            | Self::MIG.0,
    );
    /// What changes slowly, or is slow to ask (fans and processes take the driver milliseconds): all the rest.
    pub const SLOW: Self = Self(Self::ALL.0 & !(Self::FAST.0 | Self::MEDIUM.0));

    /// Every reading with the name that it has in [`Sample`](super::Sample).
    pub fn names() -> impl Iterator<Item = (&'static str, Self)> {
        Self::NAMES.iter().copied()
    }

    /// Whether all of `other` are in this set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether the set is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl BitOr for Fields {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for Fields {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl Not for Fields {
    type Output = Self;

    fn not(self) -> Self {
        Self(!self.0 & Self::ALL.0)
    }
}

impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = Self::names().filter(|(_, field)| self.contains(*field)).map(|(name, _)| name).collect();
        f.pad(&names.join(","))
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fields({self})")
    }
}

impl FromStr for Fields {
    type Err = Error;

    /// Names with commas between them; also `fast`, `medium`, `slow` and `all`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let groups = [("fast", Self::FAST), ("medium", Self::MEDIUM), ("slow", Self::SLOW), ("all", Self::ALL)];
        let mut fields = Self::NONE;
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let known = || Self::names().chain(groups);
            let found = known().find(|(known, _)| *known == name).ok_or_else(|| {
                let error = Error::new(ErrorKind::InvalidArgument, "gpu.fields", "no such reading of a GPU")
                    .with("name", format_args!("{name:?}"));
                match nearest(name, known().map(|(name, _)| name)) {
                    Some(near) => error.hint(format!("did you mean {near}?")),
                    None => error.hint(format!("there are: {}", Self::ALL)),
                }
            })?;
            fields = fields | found.1;
        }
        Ok(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tiers_are_everything_and_have_nothing_in_common() {
        assert_eq!(Fields::FAST | Fields::MEDIUM | Fields::SLOW, Fields::ALL);
        for (one, other) in
            [(Fields::FAST, Fields::MEDIUM), (Fields::FAST, Fields::SLOW), (Fields::MEDIUM, Fields::SLOW)]
        {
            assert!((one & other).is_empty(), "{one} and {other}");
        }
    }

    #[test]
    fn text_round_trip_and_a_misspelt_name_tells_the_nearest() {
        for fields in [Fields::NONE, Fields::FAST, Fields::SLOW, Fields::ALL] {
            assert_eq!(fields.to_string().parse::<Fields>().unwrap(), fields);
        }
        assert_eq!("fast, fans".parse::<Fields>().unwrap(), Fields::FAST | Fields::FANS);
        let error = "temprature".parse::<Fields>().unwrap_err();
        assert_eq!(error.to_string(), "no such reading of a GPU: name=\"temprature\"; did you mean temperature?");
    }
}
