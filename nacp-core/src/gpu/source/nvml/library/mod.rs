//! The NVIDIA Management Library, function by function.
//!
//! `nvml-wrapper` opens, starts and ends the library. Questions go straight to its functions, because the wrapper's
//! methods do not cover all of them, lose return codes, and allocate; see docs/adr/0006. Each question is one method of
//! [`Calls`] that answers with the value or with the code that came instead.

mod call;
mod code;
mod lists;

use std::fmt;
use std::sync::Arc;

use nvml_wrapper_sys::bindings::{
    NvmlLib, nvmlBAR1Memory_t, nvmlC2cModeInfo_v1_t, nvmlConfComputeMemSizeInfo_t, nvmlDeviceAddressingMode_v1_t,
    nvmlDeviceAttributes_t, nvmlEccSramErrorStatus_v1_t, nvmlGpmSupport_t, nvmlGpuInstanceInfo_t,
    nvmlGpuInstanceProfileInfo_t, nvmlGpuInstanceProfileInfo_v2_t, nvmlMarginTemperature_v1_t, nvmlMemory_t,
    nvmlMemory_v2_t, nvmlPciInfo_t, nvmlReturn_enum_NVML_ERROR_FUNCTION_NOT_FOUND, nvmlReturn_t, nvmlTemperature_v1_t,
    nvmlUtilization_t,
};

use self::call::{In, Out, calls, invoke, often, texts, words};

pub(super) use self::call::{Device, GpmQuery, GpuInstance, RawEventSet, RawGpmSample, Told, text};
pub(super) use self::code::{Answer, Code, available};
pub(super) use self::lists::{Field, ProcessList};

/// The library, opened and started. It is ended when the last part of NACP that uses it is dropped.
pub(super) struct Library {
    wrapper: nvml_wrapper::Nvml,
    often: Often,
}

impl Library {
    pub(super) fn new(wrapper: nvml_wrapper::Nvml) -> Arc<Self> {
        let often = Often::of(wrapper.lib());
        Arc::new(Self { wrapper, often })
    }

    /// Its functions, with nobody listening.
    #[inline]
    pub(super) fn calls(&self) -> Calls<'_, Silent> {
        self.heard_by(Silent)
    }

    /// Its functions, and who hears each answer.
    #[inline]
    pub(super) fn heard_by<E: Ear>(&self, ear: E) -> Calls<'_, E> {
        Calls { functions: self.wrapper.lib(), often: &self.often, ear }
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Library").finish_non_exhaustive()
    }
}

/// Who hears what each function answers.
pub(super) trait Ear: Copy {
    /// A function answered; `argument` tells what it was asked for, where it answers several questions.
    fn heard<T: fmt::Debug>(&self, function: &'static str, argument: impl FnOnce() -> String, answer: &Answer<T>);
}

/// Nobody listens; this costs nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Silent;

impl Ear for Silent {
    #[inline(always)]
    fn heard<T: fmt::Debug>(&self, _: &'static str, _: impl FnOnce() -> String, _: &Answer<T>) {}
}

/// The functions of the library, as methods.
#[derive(Clone, Copy)]
pub(super) struct Calls<'a, E = Silent> {
    functions: &'a NvmlLib,
    often: &'a Often,
    ear: E,
}

/// One of several questions that the same function answers: NVML's number, and its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) code: u32,
    pub(super) name: &'static str,
}

macro_rules! choices {
    ($($name:ident = $code:literal $text:literal,)*) => {
        impl Choice {
            $(pub(super) const $name: Self = Self { code: $code, name: $text };)*
        }
    };
}

choices! {
    CLOCK_GRAPHICS = 0 "graphics",
    CLOCK_SM = 1 "sm",
    CLOCK_MEMORY = 2 "memory",
    CLOCK_VIDEO = 3 "video",
    THRESHOLD_SHUTDOWN = 0 "shutdown",
    THRESHOLD_SLOWDOWN = 1 "slowdown",
    THRESHOLD_MEMORY_MAX = 2 "memory max",
    THRESHOLD_GPU_MAX = 3 "gpu max",
    SENSOR_GPU = 0 "gpu",
    INFOROM_OEM = 0 "oem",
    INFOROM_ECC = 1 "ecc",
    INFOROM_POWER = 2 "power",
    SCOPE_NODE = 0 "node",
    ERRORS_CORRECTED = 0 "corrected",
    ERRORS_UNCORRECTED = 1 "uncorrected",
    COUNTED_VOLATILE = 0 "volatile",
    COUNTED_AGGREGATE = 1 "aggregate",
    RETIRED_SINGLE_BIT = 0 "single bit",
    RETIRED_DOUBLE_BIT = 1 "double bit",
    PEER_READ = 0 "read",
    PEER_WRITE = 1 "write",
    PEER_NVLINK = 2 "nvlink",
    PEER_ATOMICS = 3 "atomics",
    LINK_REPLAYS = 0 "replays",
    LINK_RECOVERIES = 1 "recoveries",
    LINK_CRC_FLIT = 2 "crc flit",
    LINK_CRC_DATA = 3 "crc data",
}

often! {
    utilization(device: Device) -> [rates: nvmlUtilization_t] = nvmlDeviceGetUtilizationRates;
    power_usage(device: Device) -> [milliwatts: u32] = nvmlDeviceGetPowerUsage;
    enforced_power_limit(device: Device) -> [milliwatts: u32] = nvmlDeviceGetEnforcedPowerLimit;
    total_energy(device: Device) -> [millijoules: u64] = nvmlDeviceGetTotalEnergyConsumption;
    memory_v2(device: Device) -> [bytes: nvmlMemory_v2_t] = nvmlDeviceGetMemoryInfo_v2;
    temperature_v(device: Device) -> [celsius: nvmlTemperature_v1_t] = nvmlDeviceGetTemperatureV;
    clock(device: Device, domain: Choice) -> [megahertz: u32] = nvmlDeviceGetClockInfo;
    performance_state(device: Device) -> [state: u32] = nvmlDeviceGetPerformanceState;
    encoder(device: Device) -> [percent: u32, period: u32] = nvmlDeviceGetEncoderUtilization;
    decoder(device: Device) -> [percent: u32, period: u32] = nvmlDeviceGetDecoderUtilization;
}

/// Room for what these functions write in a form of their own.
pub(super) struct Scratch {
    pub(super) rates: nvmlUtilization_t,
    pub(super) memory: nvmlMemory_v2_t,
    pub(super) temperature: nvmlTemperature_v1_t,
    pub(super) period: u32,
}

impl Default for Scratch {
    fn default() -> Self {
        Self {
            rates: nvmlUtilization_t::BLANK,
            memory: nvmlMemory_v2_t::BLANK,
            temperature: nvmlTemperature_v1_t::BLANK,
            period: u32::BLANK,
        }
    }
}

/// What is asked at a tick, but less often.
#[rustfmt::skip]
impl<E: Ear> Calls<'_, E> {
    calls! {
        memory_v1(device: Device) -> [bytes: nvmlMemory_t] = nvmlDeviceGetMemoryInfo;
        bar1(device: Device) -> [bytes: nvmlBAR1Memory_t] = nvmlDeviceGetBAR1MemoryInfo;
        temperature(device: Device, sensor: Choice) -> [celsius: u32] = nvmlDeviceGetTemperature;
        margin(device: Device) -> [celsius: nvmlMarginTemperature_v1_t] = nvmlDeviceGetMarginTemperature;
        clock_event_reasons(device: Device) -> [bits: u64] = nvmlDeviceGetCurrentClocksEventReasons;
        clock_throttle_reasons(device: Device) -> [bits: u64] = nvmlDeviceGetCurrentClocksThrottleReasons;
        jpeg(device: Device) -> [percent: u32, period: u32] = nvmlDeviceGetJpgUtilization;
        optical_flow(device: Device) -> [percent: u32, period: u32] = nvmlDeviceGetOfaUtilization;
        fan_speed(device: Device, fan: u32) -> [percent: u32] = nvmlDeviceGetFanSpeed_v2;
        fan_speed_v1(device: Device) -> [percent: u32] = nvmlDeviceGetFanSpeed;
        fan_count(device: Device) -> [fans: u32] = nvmlDeviceGetNumFans;
        pcie_generation(device: Device) -> [generation: u32] = nvmlDeviceGetCurrPcieLinkGeneration;
        pcie_width(device: Device) -> [lanes: u32] = nvmlDeviceGetCurrPcieLinkWidth;
        pcie_replays(device: Device) -> [count: u32] = nvmlDeviceGetPcieReplayCounter;
        ecc_errors(device: Device, kind: Choice, counter: Choice) -> [count: u64] = nvmlDeviceGetTotalEccErrors;
        sram_ecc(device: Device) -> [status: nvmlEccSramErrorStatus_v1_t] = nvmlDeviceGetSramEccErrorStatus;
        remapped_rows(device: Device) -> [corrected: u32, uncorrected: u32, pending: u32, failed: u32] = nvmlDeviceGetRemappedRows;
        retired_pages_pending(device: Device) -> [pending: u32] = nvmlDeviceGetRetiredPagesPendingStatus;
        nvlink_state(device: Device, link: u32) -> [active: u32] = nvmlDeviceGetNvLinkState;
        nvlink_errors(device: Device, link: u32, counter: Choice) -> [count: u64] = nvmlDeviceGetNvLinkErrorCounter;
    }
}

/// Who and how many they are, and what the machine's driver is.
#[rustfmt::skip]
impl<E: Ear> Calls<'_, E> {
    calls! {
        device_count() -> [count: u32] = nvmlDeviceGetCount_v2;
        device_by_index(index: u32) -> [device: Device] = nvmlDeviceGetHandleByIndex_v2;
        cuda_driver_version() -> [version: i32] = nvmlSystemGetCudaDriverVersion_v2;
    }
    texts! {
        driver_version(): 80 = nvmlSystemGetDriverVersion;
        nvml_version(): 80 = nvmlSystemGetNVMLVersion;
        uuid(device: Device): 96 = nvmlDeviceGetUUID;
        name(device: Device): 96 = nvmlDeviceGetName;
    }
}

/// What is asked once: who a GPU is, how it is connected, what holds it back, how it is set up.
#[rustfmt::skip]
impl<E: Ear> Calls<'_, E> {
    calls! {
        brand(device: Device) -> [brand: u32] = nvmlDeviceGetBrand;
        board_id(device: Device) -> [id: u32] = nvmlDeviceGetBoardId;
        minor_number(device: Device) -> [minor: u32] = nvmlDeviceGetMinorNumber;
        module_id(device: Device) -> [module: u32] = nvmlDeviceGetModuleId;
        architecture(device: Device) -> [architecture: u32] = nvmlDeviceGetArchitecture;
        cores(device: Device) -> [cores: u32] = nvmlDeviceGetNumGpuCores;
        compute_capability(device: Device) -> [major: i32, minor: i32] = nvmlDeviceGetCudaComputeCapability;
        memory_bus_width(device: Device) -> [bits: u32] = nvmlDeviceGetMemoryBusWidth;
        pci(device: Device) -> [pci: nvmlPciInfo_t] = nvmlDeviceGetPciInfo_v3;
        max_pcie_generation(device: Device) -> [generation: u32] = nvmlDeviceGetMaxPcieLinkGeneration;
        gpu_max_pcie_generation(device: Device) -> [generation: u32] = nvmlDeviceGetGpuMaxPcieLinkGeneration;
        max_pcie_width(device: Device) -> [lanes: u32] = nvmlDeviceGetMaxPcieLinkWidth;
        pcie_link_max_speed(device: Device) -> [speed: u32] = nvmlDeviceGetPcieLinkMaxSpeed;
        power_limits(device: Device) -> [min: u32, max: u32] = nvmlDeviceGetPowerManagementLimitConstraints;
        default_power_limit(device: Device) -> [milliwatts: u32] = nvmlDeviceGetPowerManagementDefaultLimit;
        max_clock(device: Device, domain: Choice) -> [megahertz: u32] = nvmlDeviceGetMaxClockInfo;
        temperature_threshold(device: Device, which: Choice) -> [celsius: u32] = nvmlDeviceGetTemperatureThreshold;
        compute_mode(device: Device) -> [mode: u32] = nvmlDeviceGetComputeMode;
        persistence_mode(device: Device) -> [on: u32] = nvmlDeviceGetPersistenceMode;
        display_active(device: Device) -> [on: u32] = nvmlDeviceGetDisplayActive;
        display_mode(device: Device) -> [on: u32] = nvmlDeviceGetDisplayMode;
        ecc_mode(device: Device) -> [current: u32, pending: u32] = nvmlDeviceGetEccMode;
        accounting_mode(device: Device) -> [on: u32] = nvmlDeviceGetAccountingMode;
        virtualization_mode(device: Device) -> [mode: u32] = nvmlDeviceGetVirtualizationMode;
        driver_model_v2(device: Device) -> [current: u32, pending: u32] = nvmlDeviceGetDriverModel_v2;
        driver_model_v1(device: Device) -> [current: u32, pending: u32] = nvmlDeviceGetDriverModel;
        addressing_mode(device: Device) -> [mode: nvmlDeviceAddressingMode_v1_t] = nvmlDeviceGetAddressingMode;
        confidential_memory(device: Device) -> [sizes: nvmlConfComputeMemSizeInfo_t] = nvmlDeviceGetConfComputeMemSizeInfo;
        numa_node(device: Device) -> [node: u32] = nvmlDeviceGetNumaNodeId;
        c2c_mode(device: Device) -> [mode: nvmlC2cModeInfo_v1_t] = nvmlDeviceGetC2cModeInfoV;
        nvlink_version(device: Device, link: u32) -> [version: u32] = nvmlDeviceGetNvLinkVersion;
        nvlink_remote(device: Device, link: u32) -> [pci: nvmlPciInfo_t] = nvmlDeviceGetNvLinkRemotePciInfo_v2;
        nvlink_remote_device(device: Device, link: u32) -> [kind: u32] = nvmlDeviceGetNvLinkRemoteDeviceType;
        topology_ancestor(one: Device, other: Device) -> [level: u32] = nvmlDeviceGetTopologyCommonAncestor;
        peer_status(one: Device, other: Device, way: Choice) -> [status: u32] = nvmlDeviceGetP2PStatus;
    }
    texts! {
        serial(device: Device): 30 = nvmlDeviceGetSerial;
        board_part_number(device: Device): 80 = nvmlDeviceGetBoardPartNumber;
        vbios_version(device: Device): 32 = nvmlDeviceGetVbiosVersion;
        inforom_image_version(device: Device): 16 = nvmlDeviceGetInforomImageVersion;
        inforom_version(device: Device, part: Choice): 16 = nvmlDeviceGetInforomVersion;
    }
}

/// Partitions.
#[rustfmt::skip]
impl<E: Ear> Calls<'_, E> {
    calls! {
        mig_mode(device: Device) -> [current: u32, pending: u32] = nvmlDeviceGetMigMode;
        max_mig_devices(device: Device) -> [count: u32] = nvmlDeviceGetMaxMigDeviceCount;
        mig_device(device: Device, index: u32) -> [partition: Device] = nvmlDeviceGetMigDeviceHandleByIndex;
        gpu_instance_id(partition: Device) -> [id: u32] = nvmlDeviceGetGpuInstanceId;
        compute_instance_id(partition: Device) -> [id: u32] = nvmlDeviceGetComputeInstanceId;
        attributes(partition: Device) -> [attributes: nvmlDeviceAttributes_t] = nvmlDeviceGetAttributes_v2;
        gpu_instance_profile_v(device: Device, profile: u32) -> [info: nvmlGpuInstanceProfileInfo_v2_t] = nvmlDeviceGetGpuInstanceProfileInfoV;
        gpu_instance_profile(device: Device, profile: u32) -> [info: nvmlGpuInstanceProfileInfo_t] = nvmlDeviceGetGpuInstanceProfileInfo;
        gpu_instances_left(device: Device, profile: u32) -> [count: u32] = nvmlDeviceGetGpuInstanceRemainingCapacity;
        gpu_instance_info(instance: GpuInstance) -> [info: nvmlGpuInstanceInfo_t] = nvmlGpuInstanceGetInfo;
    }
}

/// Events, and the counters within a chip.
#[rustfmt::skip]
impl<E: Ear> Calls<'_, E> {
    calls! {
        supported_events(device: Device) -> [bits: u64] = nvmlDeviceGetSupportedEventTypes;
        event_set_create() -> [set: RawEventSet] = nvmlEventSetCreate;
        register_events(device: Device, bits: u64, set: RawEventSet) -> [] = nvmlDeviceRegisterEvents;
        event_set_free(set: RawEventSet) -> [] = nvmlEventSetFree;
        gpm_support(device: Device) -> [support: nvmlGpmSupport_t] = nvmlGpmQueryDeviceSupport;
        gpm_sample_alloc() -> [sample: RawGpmSample] = nvmlGpmSampleAlloc;
        gpm_sample_get(device: Device, sample: RawGpmSample) -> [] = nvmlGpmSampleGet;
        gpm_sample_free(sample: RawGpmSample) -> [] = nvmlGpmSampleFree;
    }
}
