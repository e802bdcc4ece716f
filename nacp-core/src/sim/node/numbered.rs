//! Words of a node file that stand for numbers of nvml.h.

use serde::{Deserialize, Serialize};

/// An enum whose variants are words in a node file and numbers in nvml.h.
macro_rules! numbered {
    ($($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $number:literal,)* })*) => {
        $(
            $(#[$meta])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
            #[serde(rename_all = "snake_case")]
            pub enum $name {
                $($(#[$doc])* $variant,)*
            }

            impl $name {
                /// The number that nvml.h gives it.
                pub const fn number(self) -> u32 {
                    match self {
                        $(Self::$variant => $number,)*
                    }
                }
            }
        )*
    };
}

numbered! {
    /// Under which name a product is sold (`nvmlBrandType_t`).
    Brand {
        /// None that the driver knows.
        Unknown = 0,
        /// Quadro.
        Quadro = 1,
        /// Tesla.
        Tesla = 2,
        /// GeForce.
        Geforce = 5,
        /// Titan.
        Titan = 6,
        /// Quadro RTX.
        QuadroRtx = 12,
        /// NVIDIA RTX.
        NvidiaRtx = 13,
        /// NVIDIA, without a further name: today's servers.
        Nvidia = 14,
        /// GeForce RTX.
        GeforceRtx = 15,
        /// Titan RTX.
        TitanRtx = 16,
    }

    /// A generation of GPUs (`nvmlDeviceArchitecture_t`).
    Architecture {
        /// Kepler.
        Kepler = 2,
        /// Maxwell.
        Maxwell = 3,
        /// Pascal.
        Pascal = 4,
        /// Volta.
        Volta = 5,
        /// Turing.
        Turing = 6,
        /// Ampere.
        Ampere = 7,
        /// Ada Lovelace.
        Ada = 8,
        /// Hopper.
        Hopper = 9,
        /// Blackwell.
        Blackwell = 10,
        /// Rubin.
        Rubin = 13,
        /// One that the driver does not know.
        Unknown = 0xFFFF_FFFF,
    }

    /// Who may compute (`nvmlComputeMode_t`).
    ComputeMode {
        /// Every process.
        Default = 0,
        /// Nobody.
        Prohibited = 2,
        /// One process at a time.
        ExclusiveProcess = 3,
    }

    /// How the GPU is virtualised (`nvmlGpuVirtualizationMode_t`).
    Virtualization {
        /// Not at all.
        None = 0,
        /// It is passed through to a virtual machine.
        Passthrough = 1,
        /// It is a virtual GPU, seen from inside the virtual machine.
        Vgpu = 2,
        /// It is cut into virtual GPUs, seen from the host.
        HostVgpu = 3,
        /// It serves vSGA, seen from the host.
        HostVsga = 4,
    }

    /// Through which model Windows drives the GPU (`nvmlDriverModel_t`).
    DriverModel {
        /// The display model.
        Wddm = 0,
        /// The compute model, TCC.
        Wdm = 1,
        /// Microsoft's compute model.
        Mcdm = 2,
    }

    /// How the GPU reaches pageable memory of the host (`nvmlDeviceAddressingModeType_t`).
    Addressing {
        /// Not at all.
        None = 0,
        /// By heterogeneous memory management.
        Hmm = 1,
        /// By the processor's own address translation.
        Ats = 2,
    }

    /// Why the clocks are where they are (`nvmlClocksEventReason…`, one bit each).
    ClockReason {
        /// Nothing runs.
        GpuIdle = 0x1,
        /// The application clocks hold it.
        ApplicationsClocks = 0x2,
        /// The power limit holds it.
        SwPowerCap = 0x4,
        /// The hardware slows it down.
        HwSlowdown = 0x8,
        /// It keeps step with other GPUs.
        SyncBoost = 0x10,
        /// The driver slows it down because of heat.
        SwThermalSlowdown = 0x20,
        /// The hardware slows it down because of heat.
        HwThermalSlowdown = 0x40,
        /// The machine's power supply asks for it.
        HwPowerBrake = 0x80,
        /// The display holds it.
        DisplayClockSetting = 0x100,
    }

    /// What the driver asks to be done with a GPU (`nvmlDeviceGpuRecoveryAction_t`).
    Recovery {
        /// Nothing.
        None = 0,
        /// Reset the GPU.
        ResetGpu = 1,
        /// Restart the machine.
        Reboot = 2,
        /// Drain the jobs that use the links to other GPUs.
        DrainP2p = 3,
        /// Drain all jobs, then reset the GPU.
        DrainAndReset = 4,
        /// Mend the IMEX service.
        RecoverImex = 5,
    }

    /// Whether two GPUs can do something with each other (`nvmlGpuP2PStatus_t`).
    PeerStatus {
        /// They can.
        Ok = 0,
        /// The chipset stands between them.
        ChipsetNotSupported = 1,
        /// One of the GPUs cannot.
        GpuNotSupported = 2,
        /// The way over the host's bridges is too long.
        TopologyNotSupported = 3,
        /// The driver is told not to.
        DisabledByRegkey = 4,
        /// They cannot.
        NotSupported = 5,
        /// The driver does not know.
        Unknown = 6,
    }

    /// What stands at the far end of an NVLink (`nvmlIntNvLinkDeviceType_t`).
    LinkEnd {
        /// A GPU.
        Gpu = 0,
        /// An IBM processor.
        IbmNpu = 1,
        /// A switch.
        Switch = 2,
    }

    /// How far a GPU's registration with the fabric has come (`nvmlGpuFabricState_t`).
    FabricState {
        /// There is no fabric.
        NotSupported = 0,
        /// It has not begun.
        NotStarted = 1,
        /// It is under way.
        InProgress = 2,
        /// It has ended, well or with an error.
        Completed = 3,
    }

    /// How healthy the fabric is, in one word.
    FabricSummary {
        /// The driver does not say.
        NotSupported = 0,
        /// It is healthy.
        Healthy = 1,
        /// It is not healthy.
        Unhealthy = 2,
        /// It works with less than it should have.
        LimitedCapacity = 3,
    }

    /// What is wrong in the fabric's configuration.
    FabricConfiguration {
        /// The driver does not say.
        NotSupported = 0,
        /// Nothing.
        None = 1,
        /// The system's identity.
        WrongSystem = 2,
        /// The serial number of the chassis.
        WrongChassis = 3,
        /// There is no partition.
        NoPartition = 4,
        /// Too few NVLinks.
        InsufficientNvlinks = 5,
    }

    /// A kind of event (`nvmlEventType…`, one bit each).
    EventKind {
        /// A corrected ECC error.
        SingleBitEcc = 0x1,
        /// An uncorrected ECC error.
        DoubleBitEcc = 0x2,
        /// The P-state has changed.
        PerformanceState = 0x4,
        /// The driver has reported an Xid.
        Xid = 0x8,
        /// The clocks have changed.
        Clock = 0x10,
        /// The power source has changed.
        PowerSource = 0x80,
        /// The MIG configuration has changed.
        Mig = 0x100,
        /// Many corrected ECC errors in a short time.
        SingleBitEccStorm = 0x200,
        /// A page or row of memory is retired.
        DramRetirement = 0x400,
        /// A page or row of memory could not be retired.
        DramRetirementFailure = 0x800,
        /// Poisoned data, contained.
        NonFatalPoison = 0x1000,
        /// Poisoned data, not contained.
        FatalPoison = 0x2000,
        /// The GPU is not available.
        GpuUnavailable = 0x4000,
        /// The recovery action has changed.
        RecoveryAction = 0x8000,
    }
}

/// The bits of these reasons or kinds together.
pub fn bits<T: Copy>(values: &[T], number: impl Fn(T) -> u32) -> u64 {
    values.iter().fold(0, |bits, value| bits | u64::from(number(*value)))
}
