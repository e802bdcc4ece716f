//! One GPU of a node file.

use serde::{Deserialize, Serialize};

use super::health::{EccFile, RepairFile, RetiredFile, RowsFile};
use super::identity::{IdentityFile, ModesFile, NumaFile};
use super::link::{Bar1File, C2cFile, FabricFile, NvLinkFile, PcieFile, PeersFile};
use super::load::{
    ClockEventsFile, ClocksFile, FanFile, GpmFile, LimitsFile, PairFile, SupportedClocksFile, ThermalFile,
    ViolationsFile,
};
use super::mig::{MigDevice, MigFile};
use super::numbered::{EventKind, Recovery};
use super::process::ProcessFile;
use crate::gpu::{ComputeCapability, GpuId, Utilization};
use crate::units::Bytes;

/// One GPU of a [`NodeFile`](super::NodeFile). What is absent is what the machine does not tell: it is "not supported".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GpuFile {
    /// The UUID.
    pub uuid: GpuId,
    /// The product's name.
    pub name: String,
    /// The compute capability.
    pub compute: ComputeCapability,
    /// The PCI address.
    pub pci: String,
    /// The number of streaming multiprocessors.
    pub multiprocessors: u32,
    /// Memory; what is neither used nor reserved is free.
    pub memory: MemoryFile,
    /// Utilisation, in percent.
    pub utilization: Utilization,
    /// Degrees Celsius.
    pub temperature: u32,
    /// Milliwatts.
    pub power: u32,
    /// The limit that is enforced, in milliwatts.
    #[serde(default)]
    pub power_limit: Option<u32>,
    /// MHz.
    pub clocks: ClocksFile,
    /// The highest clocks, in MHz.
    #[serde(default)]
    pub max_clocks: Option<ClocksFile>,
    /// The P-state, 0 for the fastest.
    #[serde(default)]
    pub performance: Option<u32>,
    /// Speed of the fans as one figure, in percent.
    #[serde(default)]
    pub fan: Option<u32>,
    /// Utilisation of the video encoder, in percent.
    #[serde(default)]
    pub encoder: Option<u32>,
    /// Utilisation of the video decoder, in percent.
    #[serde(default)]
    pub decoder: Option<u32>,
    /// Utilisation of the JPEG decoder, in percent.
    #[serde(default)]
    pub jpeg: Option<u32>,
    /// Utilisation of the optical flow accelerator, in percent.
    #[serde(default)]
    pub ofa: Option<u32>,
    /// Programs that use the GPU; those of a partition stand there.
    #[serde(default)]
    pub processes: Vec<ProcessFile>,
    /// Who it is, beside name and UUID.
    #[serde(default)]
    pub identity: Option<IdentityFile>,
    /// How it is set.
    #[serde(default)]
    pub modes: Option<ModesFile>,
    /// Its PCIe link.
    #[serde(default)]
    pub pcie: Option<PcieFile>,
    /// The window through which the processor sees its memory.
    #[serde(default)]
    pub bar1: Option<Bar1File>,
    /// Where it hangs in the machine: `numa/bridge/switches/switch`, each a number. Two GPUs are as near as their
    /// paths are alike from the left.
    #[serde(default)]
    pub path: Option<String>,
    /// Processors and memory near it.
    #[serde(default)]
    pub numa: Option<NumaFile>,
    /// What it can do with other GPUs.
    #[serde(default)]
    pub peers: Option<PeersFile>,
    /// Its NVLinks.
    #[serde(default)]
    pub nvlink: Option<NvLinkFile>,
    /// Its place in an NVLink fabric.
    #[serde(default)]
    pub fabric: Option<FabricFile>,
    /// Its links to an NVIDIA processor on the same board.
    #[serde(default)]
    pub c2c: Option<C2cFile>,
    /// The range of power limits.
    #[serde(default)]
    pub limits: Option<LimitsFile>,
    /// Energy since the driver was loaded, in millijoules.
    #[serde(default)]
    pub energy: Option<u64>,
    /// Further temperatures and thresholds.
    #[serde(default)]
    pub thermal: Option<ThermalFile>,
    /// Each fan.
    #[serde(default)]
    pub fans: Vec<FanFile>,
    /// Clocks that an application asks for, in MHz.
    #[serde(default)]
    pub application_clocks: Option<PairFile>,
    /// Clocks that an application gets without asking, in MHz.
    #[serde(default)]
    pub default_application_clocks: Option<PairFile>,
    /// The highest clocks that a customer may ask for, in MHz.
    #[serde(default)]
    pub boost_clocks: Option<ClocksFile>,
    /// The pairs of clocks that can be asked for.
    #[serde(default)]
    pub supported_clocks: Vec<SupportedClocksFile>,
    /// Why the clocks are where they are.
    #[serde(default)]
    pub clock_events: Option<ClockEventsFile>,
    /// For how long a limit has held the clocks down.
    #[serde(default)]
    pub violations: Option<ViolationsFile>,
    /// Performance metrics of Hopper and later (GPM), by name.
    #[serde(default)]
    pub gpm: Option<GpmFile>,
    /// Error correction.
    #[serde(default)]
    pub ecc: Option<EccFile>,
    /// Rows of memory that were replaced, on Ampere and later.
    #[serde(default)]
    pub rows: Option<RowsFile>,
    /// Pages of memory that were retired, before Ampere.
    #[serde(default)]
    pub retired: Option<RetiredFile>,
    /// Repairs that wait for a reset.
    #[serde(default)]
    pub repair: Option<RepairFile>,
    /// What the driver asks to be done with it.
    #[serde(default)]
    pub recovery: Option<Recovery>,
    /// Its partitions.
    #[serde(default)]
    pub mig: Option<MigFile>,
    /// Kinds of events that it reports.
    #[serde(default)]
    pub events: Vec<EventKind>,
}

/// Memory of a [`GpuFile`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryFile {
    /// All of it.
    pub total: Bytes,
    /// Allocated.
    pub used: Bytes,
    /// Kept by the driver.
    pub reserved: Bytes,
}

impl MemoryFile {
    /// What is neither used nor reserved.
    pub fn free(self) -> Bytes {
        self.total.saturating_sub(self.used + self.reserved)
    }
}

impl GpuFile {
    /// Whether it is divided into partitions, or ready for it.
    pub fn partitioned(&self) -> bool {
        self.mig.as_ref().is_some_and(|mig| mig.enabled)
    }

    /// How near another GPU of the machine is (`nvmlGpuTopologyLevel_t`): 0 on the same board, 50 the other end.
    pub fn nearness(&self, other: &Self) -> Option<u32> {
        let (own, theirs) = (self.path.as_deref()?, other.path.as_deref()?);
        let alike = own.split('/').zip(theirs.split('/')).take_while(|(own, theirs)| own == theirs).count();
        Some(match alike {
            0 => 50,
            1 => 40,
            2 => 30,
            3 => 20,
            4 => 10,
            _ => 0,
        })
    }

    /// All programs that use it, those of its partitions too: a number that tells them apart, and the partition.
    pub fn all_processes(&self) -> impl Iterator<Item = (usize, Option<MigDevice<'_>>, &ProcessFile)> {
        let devices = self.mig.iter().flat_map(MigFile::devices);
        let partitioned =
            devices.flat_map(|device| device.compute.processes.iter().map(move |process| (Some(device), process)));
        let all = self.processes.iter().map(|process| (None, process)).chain(partitioned);
        all.enumerate().map(|(nth, (device, process))| (nth, device, process))
    }

    /// A number that tells a process from all others of the machine: that of its GPU and its own.
    pub fn process_key(gpu: usize, nth: usize) -> usize {
        gpu << 16 | nth
    }
}
