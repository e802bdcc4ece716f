//! Simulated machines: node files, and a [`gpu::Source`](crate::gpu::Source) that answers from them.
//!
//! A [`NodeFile`] describes a machine in the words of JSON: each [`GpuFile`] with what it is and what it is doing, in
//! optional groups. A group that is absent is something that the machine does not tell. A [`Timeline`] works out what
//! the file's script changes as time goes on. [`Node`] plays the machine.

mod cuda;
mod file;
mod gpu;
mod health;
mod identity;
mod layers;
mod link;
mod load;
mod mig;
mod numbered;
mod process;
mod script;
mod source;

pub use cuda::{CudaDevice, CudaOrder, newest_ptx};
pub use file::{ExcludedFile, JitterFile, NodeFile, Support};
pub use gpu::{GpuFile, MemoryFile};
pub use health::{
    CountsFile, EccFile, ErrorsFile, HistogramFile, PageFile, RepairFile, RetiredFile, RowsFile, SramFile,
};
pub use identity::{ConfidentialFile, IdentityFile, InforomFile, ModesFile, NumaFile, PciNumber, PlatformFile, Ranges};
pub use link::{
    Bar1File, C2cFile, FabricFile, FabricHealth, Link5File, LinkException, LinkFile, NvLinkFile, NvLinkVersion,
    PcieErrorsFile, PcieFile, PeersFile,
};
pub use load::{
    ClockCountersFile, ClockEventsFile, ClocksFile, DistancesFile, FanFile, GpmFile, GpmMetric, LimitsFile, PairFile,
    SupportedClocksFile, ThermalFile, ViolationsFile,
};
pub use mig::{MigComputeFile, MigDevice, MigFile, MigInstanceFile, MigProfileFile};
pub use numbered::{
    Addressing, Architecture, Brand, ClockReason, ComputeMode, DriverModel, EventKind, FabricConfiguration,
    FabricState, FabricSummary, LinkEnd, PeerStatus, Recovery, Virtualization, bits,
};
pub use process::{Children, Pid, ProcessFile, UsageFile};
pub use script::{EventBits, EventFile, GpuState, ScriptEvent, StepFile, StormFile, TICK, Timeline};
pub use source::Node;
