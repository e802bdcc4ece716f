//! What happened to a GPU, told by the driver when it happens.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{GpuId, Partition};
use crate::clock::Clock;
use crate::error::Result;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Event {
    /// When it was told; for the kernel log, when it was written.
    pub at: Timestamp,
    /// Which GPU; nothing where the event is not of one, or of one that the driver does not list.
    pub gpu: Option<GpuId>,
    /// Which partition of it, where the driver says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<Partition>,
    /// What happened.
    pub kind: EventKind,
    /// Who told it.
    pub via: Via,
}

impl Event {
    /// An event of a GPU as a whole.
    pub fn new(at: Timestamp, gpu: Option<GpuId>, kind: EventKind, via: Via) -> Self {
        Self { at, gpu, partition: None, kind, via }
    }
}

/// Who told an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Via {
    /// The driver's management library.
    Nvml,
    /// The driver, in the log of the kernel.
    KernelLog,
    /// A simulated node.
    Simulated,
}

/// What happened. The driver tells most of these as bits (`nvmlEventType*`); a bit that NACP does not know is kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// A single-bit memory error was corrected (0x1).
    SingleBitEcc,
    /// A double-bit memory error was not (0x2).
    DoubleBitEcc,
    /// The performance state changed (0x4).
    PerformanceState,
    /// The driver reported an error by number (0x8); the catalogue of Xids knows what it means.
    Xid {
        /// The number.
        code: u64,
        /// What the kernel log adds; empty where NVML told it.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        detail: String,
    },
    /// The clocks changed (0x10).
    Clock,
    /// The power supply changed, for example to the battery (0x80).
    PowerSource,
    /// The partitions changed (0x100).
    MigConfiguration,
    /// Single-bit errors come in a storm (0x200).
    SingleBitStorm,
    /// A page or row of memory is retired (0x400).
    DramRetirement,
    /// Retiring one failed (0x800).
    DramFailure,
    /// Poisoned data that harmed nothing yet (0x1000).
    NonFatalPoison,
    /// Poisoned data was used (0x2000).
    FatalPoison,
    /// The GPU can no longer be used (0x4000).
    Unavailable,
    /// What the driver wants done about the GPU changed (0x8000).
    RecoveryAction,
    /// An NVSwitch reported an error by number (kernel log only).
    Sxid {
        /// The number.
        code: u64,
        /// What the log says.
        detail: String,
    },
    /// The GPU has fallen off the bus (kernel log only).
    FellOffBus,
    /// Bits that NACP does not know.
    Unknown {
        /// The bits, as the driver gave them.
        bits: u64,
        /// The number that came with them.
        data: u64,
    },
}

impl EventKind {
    /// Every kind that has a bit of its own, with that bit.
    pub const BITS: [(u64, EventKind); 14] = [
        (0x1, Self::SingleBitEcc),
        (0x2, Self::DoubleBitEcc),
        (0x4, Self::PerformanceState),
        (0x8, Self::Xid { code: 0, detail: String::new() }),
        (0x10, Self::Clock),
        (0x80, Self::PowerSource),
        (0x100, Self::MigConfiguration),
        (0x200, Self::SingleBitStorm),
        (0x400, Self::DramRetirement),
        (0x800, Self::DramFailure),
        (0x1000, Self::NonFatalPoison),
        (0x2000, Self::FatalPoison),
        (0x4000, Self::Unavailable),
        (0x8000, Self::RecoveryAction),
    ];

    /// What the driver's bits and the number that came with them mean: one kind for each bit, and one for all bits that
    /// nobody knows.
    pub fn from_bits(bits: u64, data: u64) -> impl Iterator<Item = Self> {
        let known = Self::BITS.into_iter().filter(move |(bit, _)| bits & bit != 0).map(move |(_, kind)| match kind {
            Self::Xid { detail, .. } => Self::Xid { code: data, detail },
            kind => kind,
        });
        let rest = Self::BITS.iter().fold(bits, |rest, (bit, _)| rest & !bit);
        known.chain((rest != 0).then_some(Self::Unknown { bits: rest, data }))
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SingleBitEcc => f.write_str("single-bit ECC error"),
            Self::DoubleBitEcc => f.write_str("double-bit ECC error"),
            Self::PerformanceState => f.write_str("performance state changed"),
            Self::Xid { code, detail } if detail.is_empty() => write!(f, "Xid {code}"),
            Self::Xid { code, detail } => write!(f, "Xid {code}: {detail}"),
            Self::Clock => f.write_str("clocks changed"),
            Self::PowerSource => f.write_str("power source changed"),
            Self::MigConfiguration => f.write_str("MIG configuration changed"),
            Self::SingleBitStorm => f.write_str("storm of single-bit ECC errors"),
            Self::DramRetirement => f.write_str("memory retired"),
            Self::DramFailure => f.write_str("memory could not be retired"),
            Self::NonFatalPoison => f.write_str("poisoned data, not used yet"),
            Self::FatalPoison => f.write_str("poisoned data was used"),
            Self::Unavailable => f.write_str("GPU unavailable"),
            Self::RecoveryAction => f.write_str("recovery action changed"),
            Self::Sxid { code, detail } => write!(f, "SXid {code}: {detail}"),
            Self::FellOffBus => f.write_str("GPU has fallen off the bus"),
            Self::Unknown { bits, data } => write!(f, "unknown event {bits:#x}, data {data:#x}"),
        }
    }
}

/// What a wait for events hears. What nobody listens to is unknown, not absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Hears {
    /// What the driver tells by itself, through its library: Xids and all kinds that have a bit.
    pub driver: bool,
    /// What the driver writes into the kernel's log: Xids, and what stands only there, SXids and GPUs that have fallen off
    /// the bus.
    pub kernel_log: bool,
}

/// A wait for events of one source, from the moment when it was made. What happened before is not told.
pub trait Events: Send {
    /// Waits until something happens, at most for `limit`, and appends it to `events`. It may come back earlier without
    /// anything. The caller's thread stands still meanwhile.
    ///
    /// # Errors
    /// [`DriverUnavailable`](crate::ErrorKind::DriverUnavailable) when the driver stops answering.
    fn wait(&mut self, limit: Duration, clock: &dyn Clock, events: &mut Vec<Event>) -> Result<()>;

    /// What it hears: unless it says otherwise what a driver's library tells, and no kernel's log.
    fn hears(&self) -> Hears {
        Hears { driver: true, kernel_log: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_has_its_kind_and_unknown_bits_are_kept_together() {
        for (bit, kind) in EventKind::BITS {
            assert_eq!(EventKind::from_bits(bit, 0).collect::<Vec<_>>(), [kind]);
        }
        let xid = EventKind::Xid { code: 79, detail: String::new() };
        assert_eq!(
            EventKind::from_bits(0x8 | 0x20_0000 | 0x40, 79).collect::<Vec<_>>(),
            [xid, EventKind::Unknown { bits: 0x20_0040, data: 79 }]
        );
        assert_eq!(EventKind::from_bits(0, 7).count(), 0);
    }
}
