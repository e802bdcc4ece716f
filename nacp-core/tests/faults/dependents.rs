//! What comes from which function: all that may change when it fails.

/// What depends on one function.
#[derive(Debug)]
pub(crate) struct Dependent {
    pub(crate) function: &'static str,
    /// Where its answer goes, in a GPU, its sample and its pairs; an empty path is the GPU as a whole.
    pub(crate) paths: &'static [&'static str],
    /// What fails as a whole when it does. With the inventory, no GPU is left to compare.
    pub(crate) operations: &'static [&'static str],
}

/// What depends on this function.
pub(crate) fn of(function: &str) -> Option<&'static Dependent> {
    DEPENDENTS.iter().find(|dependent| dependent.function == function)
}

/// Whether the function is called for one GPU, by its handle. The handle itself, and who the GPU is, are asked of the
/// machine: a GPU that does not tell them is left out.
pub(crate) fn per_gpu(function: &str) -> bool {
    function.starts_with("nvmlDevice")
        && !["nvmlDeviceGetCount_v2", "nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetUUID"].contains(&function)
}

const fn one(function: &'static str, paths: &'static [&'static str]) -> Dependent {
    Dependent { function, paths, operations: &[] }
}

const DEPENDENTS: &[Dependent] = &[
    one("nvmlDeviceGetAccountingMode", &[".gpu.modes.accounting"]),
    one("nvmlDeviceGetAddressingMode", &[".gpu.modes.addressing"]),
    one("nvmlDeviceGetArchitecture", &[".gpu.processor.architecture"]),
    one("nvmlDeviceGetAttributes_v2", &[".gpu.mig.devices.multiprocessors"]),
    one("nvmlDeviceGetBAR1MemoryInfo", &[".gpu.processor.bar1", ".sample.bar1_used"]),
    one("nvmlDeviceGetBoardId", &[".gpu.identity.board"]),
    one("nvmlDeviceGetBoardPartNumber", &[".gpu.identity.part_number"]),
    one("nvmlDeviceGetBrand", &[".gpu.identity.brand"]),
    one("nvmlDeviceGetC2cModeInfoV", &[".gpu.c2c"]),
    one("nvmlDeviceGetClockInfo", &[".sample.clocks", ".sample.video_clock"]),
    one("nvmlDeviceGetComputeInstanceId", &[".gpu.mig.devices.compute_instance", ".sample.processes.partitions"]),
    one("nvmlDeviceGetComputeMode", &[".gpu.modes.compute"]),
    one("nvmlDeviceGetComputeRunningProcesses_v2", &[".sample.processes"]),
    one("nvmlDeviceGetComputeRunningProcesses_v3", &[".sample.processes"]),
    one("nvmlDeviceGetConfComputeMemSizeInfo", &[".gpu.modes.confidential_memory"]),
    Dependent {
        function: "nvmlDeviceGetCount_v2",
        paths: &[],
        operations: &["inventory", "sample", "sample again", "pairs", "events", "support"],
    },
    one("nvmlDeviceGetCpuAffinityWithinScope", &[".gpu.affinity.cpus"]),
    one("nvmlDeviceGetCudaComputeCapability", &[".gpu.compute", ".gpu.processor.multiprocessors"]),
    one("nvmlDeviceGetCurrPcieLinkGeneration", &[".sample.pcie"]),
    one("nvmlDeviceGetCurrPcieLinkWidth", &[".sample.pcie"]),
    one("nvmlDeviceGetCurrentClocksEventReasons", &[".sample.clock_events"]),
    one("nvmlDeviceGetCurrentClocksThrottleReasons", &[".sample.clock_events"]),
    one("nvmlDeviceGetDecoderUtilization", &[".sample.decoder"]),
    one("nvmlDeviceGetDisplayActive", &[".gpu.modes.display_active"]),
    one("nvmlDeviceGetDisplayMode", &[".gpu.modes.display_connected"]),
    one("nvmlDeviceGetDriverModel", &[".gpu.modes.driver_model"]),
    one("nvmlDeviceGetDriverModel_v2", &[".gpu.modes.driver_model"]),
    one("nvmlDeviceGetEccMode", &[".gpu.modes.ecc"]),
    one("nvmlDeviceGetEncoderUtilization", &[".sample.encoder"]),
    one("nvmlDeviceGetEnforcedPowerLimit", &[".sample.power_limit"]),
    one("nvmlDeviceGetFanSpeedRPM", &[".sample.fans.rpm"]),
    one("nvmlDeviceGetFanSpeed_v2", &[".sample.fans.speed"]),
    one(
        "nvmlDeviceGetFieldValues",
        &[
            ".gpu.nvlinks.speed",
            ".sample.memory_temperature",
            ".sample.nvlink.received",
            ".sample.nvlink.sent",
            ".sample.pcie_received",
            ".sample.pcie_sent",
            ".sample.recovery",
            ".sample.slowdown",
        ],
    ),
    one("nvmlDeviceGetGpuFabricInfo", &[".gpu.fabric"]),
    one("nvmlDeviceGetGpuFabricInfoV", &[".gpu.fabric"]),
    one("nvmlDeviceGetGpuInstanceId", &[".gpu.mig.devices.gpu_instance", ".sample.processes.partitions"]),
    one("nvmlDeviceGetGpuInstancePossiblePlacements_v2", &[".gpu.mig.profiles.placements"]),
    one("nvmlDeviceGetGpuInstanceProfileInfoV", &[".gpu.mig.profiles", ".gpu.mig.instances"]),
    one("nvmlDeviceGetGpuInstanceRemainingCapacity", &[".gpu.mig.profiles.remaining"]),
    one("nvmlDeviceGetGpuInstances", &[".gpu.mig.instances"]),
    one("nvmlDeviceGetGpuMaxPcieLinkGeneration", &[".gpu.pcie.gpu_max_generation"]),
    one("nvmlDeviceGetGraphicsRunningProcesses_v2", &[".sample.processes"]),
    one("nvmlDeviceGetGraphicsRunningProcesses_v3", &[".sample.processes"]),
    one("nvmlDeviceGetGspFirmwareVersion", &[".gpu.identity.gsp_firmware"]),
    Dependent { function: "nvmlDeviceGetHandleByIndex_v2", paths: &[""], operations: &["events"] },
    one("nvmlDeviceGetInforomImageVersion", &[".gpu.identity.inforom.image"]),
    one(
        "nvmlDeviceGetInforomVersion",
        &[".gpu.identity.inforom.ecc", ".gpu.identity.inforom.oem", ".gpu.identity.inforom.power"],
    ),
    one("nvmlDeviceGetJpgUtilization", &[".sample.jpeg"]),
    one("nvmlDeviceGetMPSComputeRunningProcesses_v2", &[".sample.processes"]),
    one("nvmlDeviceGetMPSComputeRunningProcesses_v3", &[".sample.processes"]),
    one("nvmlDeviceGetMarginTemperature", &[".sample.margin"]),
    one("nvmlDeviceGetMaxClockInfo", &[".gpu.limits.clocks", ".gpu.limits.video_clock"]),
    one("nvmlDeviceGetMaxMigDeviceCount", &[".gpu.mig.devices", ".sample.mig", ".sample.processes"]),
    one("nvmlDeviceGetMaxPcieLinkGeneration", &[".gpu.pcie.max_generation"]),
    one("nvmlDeviceGetMaxPcieLinkWidth", &[".gpu.pcie.max_width"]),
    one("nvmlDeviceGetMemoryAffinity", &[".gpu.affinity.memory_nodes"]),
    one("nvmlDeviceGetMemoryBusWidth", &[".gpu.processor.memory_bus"]),
    one("nvmlDeviceGetMemoryInfo", &[".gpu.memory", ".sample.memory"]),
    one(
        "nvmlDeviceGetMemoryInfo_v2",
        &[".gpu.memory", ".gpu.mig.devices.memory", ".sample.memory", ".sample.mig.memory"],
    ),
    one("nvmlDeviceGetMigDeviceHandleByIndex", &[".gpu.mig.devices", ".sample.mig", ".sample.processes"]),
    one(
        "nvmlDeviceGetMigMode",
        &[
            ".gpu.mig.devices",
            ".gpu.mig.instances",
            ".gpu.mig.mode",
            ".gpu.mig.profiles",
            ".sample.mig",
            ".sample.processes",
        ],
    ),
    one("nvmlDeviceGetMinorNumber", &[".gpu.identity.minor"]),
    one("nvmlDeviceGetModuleId", &[".gpu.identity.module"]),
    one("nvmlDeviceGetName", &[".gpu.name", ".gpu.mig.devices.name", ".gpu.mig.devices.profile"]),
    one("nvmlDeviceGetNumFans", &[".gpu.limits.fans", ".sample.fans"]),
    one("nvmlDeviceGetNumGpuCores", &[".gpu.processor.cores", ".gpu.processor.multiprocessors"]),
    one("nvmlDeviceGetNumaNodeId", &[".gpu.affinity.numa_node"]),
    one(
        "nvmlDeviceGetNvLinkErrorCounter",
        &[".sample.nvlink.crc_data", ".sample.nvlink.crc_flit", ".sample.nvlink.recoveries", ".sample.nvlink.replays"],
    ),
    one("nvmlDeviceGetNvLinkRemoteDeviceType", &[".gpu.nvlinks.remote_device"]),
    one("nvmlDeviceGetNvLinkRemotePciInfo_v2", &[".gpu.nvlinks.remote"]),
    one("nvmlDeviceGetNvLinkState", &[".gpu.nvlinks", ".sample.nvlink"]),
    one("nvmlDeviceGetNvLinkVersion", &[".gpu.nvlinks.version"]),
    one("nvmlDeviceGetOfaUtilization", &[".sample.optical_flow"]),
    one(
        "nvmlDeviceGetP2PStatus",
        &[".pairs.peer.atomics", ".pairs.peer.nvlink", ".pairs.peer.read", ".pairs.peer.write"],
    ),
    one("nvmlDeviceGetPciInfo_v3", &[".gpu.pci"]),
    one("nvmlDeviceGetPcieLinkMaxSpeed", &[".gpu.pcie.max_speed"]),
    one("nvmlDeviceGetPcieReplayCounter", &[".sample.pcie_replays"]),
    one("nvmlDeviceGetPerformanceState", &[".sample.performance"]),
    one("nvmlDeviceGetPersistenceMode", &[".gpu.modes.persistence"]),
    one("nvmlDeviceGetPlatformInfo", &[".gpu.identity.platform"]),
    one("nvmlDeviceGetPowerManagementDefaultLimit", &[".gpu.limits.power_default"]),
    one("nvmlDeviceGetPowerManagementLimitConstraints", &[".gpu.limits.power_max", ".gpu.limits.power_min"]),
    one("nvmlDeviceGetPowerUsage", &[".sample.power"]),
    one("nvmlDeviceGetProcessUtilization", &[".sample.processes.utilization"]),
    one("nvmlDeviceGetRemappedRows", &[".sample.rows"]),
    one("nvmlDeviceGetRetiredPagesPendingStatus", &[".sample.retired_pages"]),
    one("nvmlDeviceGetRetiredPages_v2", &[".sample.retired_pages"]),
    one("nvmlDeviceGetSerial", &[".gpu.identity.serial"]),
    one("nvmlDeviceGetSramEccErrorStatus", &[".sample.sram"]),
    Dependent { function: "nvmlDeviceGetSupportedEventTypes", paths: &[], operations: &["events"] },
    one("nvmlDeviceGetTemperature", &[".sample.temperature"]),
    one(
        "nvmlDeviceGetTemperatureThreshold",
        &[
            ".gpu.limits.temperature.gpu_max",
            ".gpu.limits.temperature.memory_max",
            ".gpu.limits.temperature.shutdown",
            ".gpu.limits.temperature.slowdown",
        ],
    ),
    one("nvmlDeviceGetTemperatureV", &[".sample.temperature"]),
    one("nvmlDeviceGetTopologyCommonAncestor", &[".pairs.ancestor"]),
    one("nvmlDeviceGetTotalEccErrors", &[".sample.ecc"]),
    one("nvmlDeviceGetTotalEnergyConsumption", &[".sample.energy"]),
    Dependent { function: "nvmlDeviceGetUUID", paths: &[""], operations: &["events"] },
    one("nvmlDeviceGetUtilizationRates", &[".sample.utilization"]),
    one("nvmlDeviceGetVbiosVersion", &[".gpu.identity.vbios"]),
    one("nvmlDeviceGetVirtualizationMode", &[".gpu.modes.virtualization"]),
    Dependent { function: "nvmlDeviceRegisterEvents", paths: &[], operations: &["events"] },
    Dependent { function: "nvmlEventSetCreate", paths: &[], operations: &["events"] },
    one("nvmlEventSetFree", &[]),
    Dependent { function: "nvmlEventSetWait_v2", paths: &[], operations: &["wait"] },
    one("nvmlGpmMetricsGet", &[".sample.profile"]),
    one("nvmlGpmQueryDeviceSupport", &[".sample.profile"]),
    one("nvmlGpmSampleAlloc", &[".sample.profile"]),
    one("nvmlGpmSampleFree", &[]),
    one("nvmlGpmSampleGet", &[".sample.profile"]),
    one("nvmlGpuInstanceGetInfo", &[".gpu.mig.instances"]),
    Dependent { function: "nvmlInit_v2", paths: &[], operations: &["open", "inventory"] },
    Dependent { function: "nvmlShutdown", paths: &[], operations: &["open", "inventory"] },
    one("nvmlSystemGetCudaDriverVersion_v2", &[]),
    one("nvmlSystemGetDriverVersion", &[]),
    one("nvmlSystemGetNVMLVersion", &[]),
];
