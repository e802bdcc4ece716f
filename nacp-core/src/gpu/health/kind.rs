//! The table of conditions: what each is called, how bad it is, where it is read and what mends it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Action, Severity};

/// How fast a condition is raised and cleared: see [`Timings`](super::Timings).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// The driver states it as a fact.
    Fault,
    /// It is measured, and measured values waver.
    Reading,
    /// It concerns links, which take a while to come up.
    Link,
    /// It is how somebody has set the GPU up.
    Setting,
    /// It happened, and was told once.
    Event,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident $text:literal $class:ident $severity:ident $action:ident $source:literal $rule:literal;)*) => {
        /// What can be wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum ConditionKind {
            $($(#[$doc])* $name,)*
        }

        impl ConditionKind {
            /// Every kind, in the order of the table in the book.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Its name, the same in Rust, JSON, Python, C and the thresholds of a user.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// How fast it is raised and cleared.
            pub const fn class(self) -> Class {
                match self { $(Self::$name => Class::$class),* }
            }

            /// How bad it is, unless the case is known better or a user says otherwise.
            pub const fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity),* }
            }

            /// What mends it, unless the case is known better.
            pub const fn action(self) -> Action {
                match self { $(Self::$name => Action::$action),* }
            }

            /// Where it is read.
            pub const fn source(self) -> &'static str {
                match self { $(Self::$name => $source),* }
            }

            /// When it is raised; names in backquotes are fields of [`Thresholds`](super::Thresholds).
            pub const fn rule(self) -> &'static str {
                match self { $(Self::$name => $rule),* }
            }
        }
    };
}

kinds! {
    /// The driver does not answer at all.
    DriverUnavailable "driver_unavailable" Fault Unusable ReloadDriver
        "nvmlInit_v2" "the driver's library is broken or no driver answers it; not on a machine without an NVIDIA GPU";
    /// The driver that is loaded and its library on the disk have different versions.
    LibraryMismatch "library_mismatch" Fault Drain Reboot
        "NVML code 18, /proc/driver/nvidia/version" "the two versions differ: programs that start now cannot use the GPUs";
    /// The driver lists fewer GPUs than there are.
    CountMismatch "count_mismatch" Fault Drain Reboot
        "nvmlDeviceGetCount_v2, /sys/bus/pci/devices" "the driver lists fewer than the PCI bus, or not `expected_gpus`";
    /// The GPU has stopped answering.
    GpuLost "gpu_lost" Fault Unusable Reboot
        "NVML code 15, event 0x4000" "the driver answers any reading with it, or tells that the GPU is unavailable";
    /// The GPU cannot be used before it is reset.
    ResetRequired "reset_required" Fault Unusable ResetGpu
        "NVML code 16" "the driver answers any reading with it";
    /// The driver asks for something to be done.
    RecoveryAsked "recovery_asked" Fault Drain ResetGpu
        "field 230 (GPU_RECOVERY_ACTION)" "anything but none; the action is the driver's";
    /// The driver reported an error by number.
    Xid "xid" Event Watch ContactSupport
        "event 0x8, kernel log" "any; severity and action are those of the Xid, and `xid` overrides one";
    /// An NVSwitch reported an error by number.
    Sxid "sxid" Event Watch CheckFabric
        "kernel log" "any; drain where the log calls it fatal";
    /// The GPU has fallen off the bus.
    FellOffBus "fell_off_bus" Event Unusable Reboot
        "kernel log" "the log says so";
    /// A row of memory is to be replaced at the next reset.
    RowRemapPending "row_remap_pending" Fault Watch ResetGpu
        "nvmlDeviceGetRemappedRows" "pending; programs run on unharmed until then";
    /// Replacing a row of memory has failed.
    RowRemapFailed "row_remap_failed" Fault Drain RunFieldDiagnostic
        "nvmlDeviceGetRemappedRows, event 0x800" "a failure, ever";
    /// A page of memory is to be retired when the driver is loaded next.
    RetiredPagesPending "retired_pages_pending" Fault Watch ReloadDriver
        "nvmlDeviceGetRetiredPagesPendingStatus" "pending";
    /// So many pages of memory are retired that NVIDIA's diagnostic fails the GPU.
    RetiredPagesMany "retired_pages_many" Fault Drain RunFieldDiagnostic
        "nvmlDeviceGetRetiredPages_v2" "more than `retired_pages` together";
    /// Errors of the memory were not corrected.
    UncorrectableEcc "uncorrectable_ecc" Fault Drain ResetGpu
        "nvmlDeviceGetTotalEccErrors, event 0x2" "any since the driver was loaded; watch where field 230 asks for nothing";
    /// So many errors within the chip that NVIDIA wants the GPU replaced.
    SramThreshold "sram_threshold" Fault Drain RunFieldDiagnostic
        "nvmlDeviceGetSramEccErrorStatus" "the driver says that the limit is exceeded";
    /// Corrected errors of the memory come in a storm.
    EccStorm "ecc_storm" Reading Watch RunFieldDiagnostic
        "nvmlDeviceGetTotalEccErrors, event 0x200" "the driver tells of a storm, or more than `corrected_ecc_per_minute` (off by default)";
    /// Poisoned data was found.
    Poison "poison" Event Watch RestartApp
        "events 0x1000, 0x2000" "any; drain where it was used";
    /// The InfoROM is corrupt.
    InforomCorrupt "inforom_corrupt" Fault Watch ContactSupport
        "NVML code 14" "the driver answers any reading with it";
    /// The GPU is too hot.
    Hot "hot" Reading Watch CheckCooling
        "nvmlDeviceGetTemperatureV" "above the GPU's own limit (GPU_MAX), or above `gpu_max_celsius`";
    /// The memory is too hot.
    MemoryHot "memory_hot" Reading Watch CheckCooling
        "field 82" "above the GPU's own limit (MEM_MAX), or above `memory_max_celsius`";
    /// The GPU is close to the temperature at which it slows down.
    ThermalMargin "thermal_margin" Reading Watch CheckCooling
        "nvmlDeviceGetMarginTemperature" "`thermal_margin` or less, and above 0 (off by default)";
    /// The hardware slows the GPU down again and again.
    ClockSlowdown "clock_slowdown" Reading Drain CheckCooling
        "nvmlDeviceGetCurrentClocksEventReasons" "in `slowdown_rate` of the last `slowdown_window` minutes, or more; watch where only one look was taken";
    /// NVLinks are down.
    NvlinkInactive "nvlink_inactive" Link Drain DrainAndReset
        "nvmlDeviceGetNvLinkState" "more than `max_inactive_nvlinks` while others are up, or fewer up than `expected_nvlinks`";
    /// NVLinks are slow.
    NvlinkSlow "nvlink_slow" Link Drain DrainAndReset
        "field NVLINK_GET_SPEED" "a link that is up is slower than `nvlink_speed` (off by default)";
    /// NVLinks count errors.
    NvlinkErrors "nvlink_errors" Reading Info None
        "nvmlDeviceGetNvLinkErrorCounter" "wrong checksums: `nvlink_crc_per_second` or more over a minute";
    /// The GPU is not well in its NVLink fabric.
    FabricUnhealthy "fabric_unhealthy" Link Drain CheckFabric
        "nvmlDeviceGetGpuFabricInfoV" "not registered, registered with an error, or the mask of health says so";
    /// The PCIe link is narrower or slower than it can be.
    PcieDowngraded "pcie_downgraded" Reading Watch CheckMechanicals
        "nvmlDeviceGetCurrPcieLinkGeneration, …Width" "below the most that GPU and slot can, while `pcie_load` percent busy or more";
    /// PCIe packets are sent again too often.
    PcieReplays "pcie_replays" Reading Watch CheckMechanicals
        "nvmlDeviceGetPcieReplayCounter" "more than `pcie_replays_per_minute`";
    /// The board draws less or more than it should.
    PowerOutOfRange "power_out_of_range" Reading Drain CheckPower
        "nvmlDeviceGetPowerUsage" "outside `power_min` to `power_max` watts (65 to 1500 for GB200 and GB300, off for others)";
    /// The driver is unloaded when nobody uses the GPU.
    PersistenceOff "persistence_off" Setting Watch SetPersistence
        "nvmlDeviceGetPersistenceMode" "off; not under WSL2 and Windows, which have none";
    /// The mode of error correction changes at the next reset.
    EccModePending "ecc_mode_pending" Setting Info ResetGpu
        "nvmlDeviceGetEccMode" "the mode after the next reset is another";
    /// Partitioning changes at the next reset.
    MigModePending "mig_mode_pending" Setting Info ResetGpu
        "nvmlDeviceGetMigMode" "the mode after the next reset is another";
    /// A dead process still holds the GPU.
    ZombieProcess "zombie_process" Setting Watch EndParent
        "nvmlDeviceGetComputeRunningProcesses_v3, /proc/PID/stat" "a process that the driver lists is a zombie";
    /// The driver told something that NACP does not know.
    UnknownEvent "unknown_event" Event Info None
        "event bits" "any bit without a meaning in NACP";
}

impl fmt::Display for ConditionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl ConditionKind {
    /// Whether it stops every GPU of the machine; other conditions of the machine leave those that answer usable.
    pub const fn stops_all(self) -> bool {
        matches!(self, Self::DriverUnavailable | Self::LibraryMismatch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_table_use_one_name() {
        for kind in ConditionKind::ALL {
            assert_eq!(serde_json::to_string(kind).unwrap(), format!("\"{}\"", kind.name()));
        }
    }
}
