//! What one GPU is and what it is doing.

use std::ffi::c_char;

use nacp_core::gpu::Clocks;
use nacp_core::sim::{GpuFile, MemoryFile};

use crate::memory::{Answer, Code, Out, field, version};
use crate::node::{Handle, device};
use crate::system::short_domain;

/// NVIDIA's number as a maker of PCI devices.
const PCI_VENDOR: u32 = 0x10DE;

/// Over how many microseconds an encoder's or decoder's utilisation is taken.
const SAMPLING_PERIOD: u32 = 167_000;

/// `nvmlMemory_t`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct MemoryV1 {
    pub(crate) total: u64,
    pub(crate) free: u64,
    pub(crate) used: u64,
}

/// `nvmlMemory_v2_t`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct MemoryV2 {
    pub(crate) version: u32,
    pub(crate) total: u64,
    pub(crate) reserved: u64,
    pub(crate) free: u64,
    pub(crate) used: u64,
}

/// `nvmlUtilization_t`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct Rates {
    gpu: u32,
    memory: u32,
}

/// `nvmlTemperature_v1_t`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct TemperatureV1 {
    pub(crate) version: u32,
    pub(crate) sensor: u32,
    pub(crate) temperature: i32,
}

/// `nvmlPciInfo_t`, third generation.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct PciInfo {
    short_address: [c_char; 16],
    domain: u32,
    bus: u32,
    device: u32,
    device_id: u32,
    subsystem_id: u32,
    address: [c_char; 32],
}

/// Functions that ask one GPU, each as `fn name(arguments) = answer from the machine, the index and the GPU`.
macro_rules! device_functions {
    ($(fn $name:ident($($argument:ident: $type:ty),*) = $body:expr;)*) => {
        $(
            #[unsafe(no_mangle)]
            pub(crate) extern "C" fn $name(device: *const Handle, $($argument: $type),*) -> i32 {
                self::device(stringify!($name), device, $body)
            }
        )*
    };
}
pub(crate) use device_functions;

device_functions! {
    fn nvmlDeviceGetIndex(value: Out<u32>) = |_, index, _| value.set(u32::try_from(index).map_err(|_| Code::UNKNOWN)?);
    fn nvmlDeviceGetMinorNumber(value: Out<u32>) =
        |_, index, _| value.set(u32::try_from(index).map_err(|_| Code::UNKNOWN)?);
    fn nvmlDeviceGetName(text: Out<c_char>, length: u32) = |_, _, gpu| text.text(length, &gpu.name);
    fn nvmlDeviceGetUUID(text: Out<c_char>, length: u32) = |_, _, gpu| text.text(length, gpu.uuid.as_str());
    fn nvmlDeviceGetPciInfo_v3(value: Out<PciInfo>) = |_, _, gpu| value.set(pci_info(&gpu.pci)?);
    fn nvmlDeviceGetCudaComputeCapability(major: Out<i32>, minor: Out<i32>) = |_, _, gpu| {
        minor.check()?;
        major.set(signed(gpu.compute.major)?)?;
        minor.set(signed(gpu.compute.minor)?)
    };
    fn nvmlDeviceIsMigDeviceHandle(value: Out<u32>) = |_, _, _| value.set(0);

    fn nvmlDeviceGetMemoryInfo(value: Out<MemoryV1>) = |_, _, gpu| {
        // The first generation counts what the driver keeps as used.
        let MemoryFile { total, used, reserved } = gpu.memory;
        value.set(MemoryV1 { total: total.0, free: free(gpu), used: used.0 + reserved.0 })
    };
    fn nvmlDeviceGetMemoryInfo_v2(value: Out<MemoryV2>) = |_, _, gpu| {
        let asked = value.get()?.version;
        if asked != version::<MemoryV2>(2) {
            return Err(Code::ARGUMENT_VERSION_MISMATCH);
        }
        let MemoryFile { total, used, reserved } = gpu.memory;
        value.set(MemoryV2 { version: asked, total: total.0, reserved: reserved.0, free: free(gpu), used: used.0 })
    };

    fn nvmlDeviceGetUtilizationRates(value: Out<Rates>) =
        |_, _, gpu| value.set(Rates { gpu: gpu.utilization.gpu, memory: gpu.utilization.memory });
    fn nvmlDeviceGetEncoderUtilization(value: Out<u32>, period: Out<u32>) = |_, _, gpu| {
        period.check()?;
        value.set(modelled(gpu.encoder)?)?;
        period.set(SAMPLING_PERIOD)
    };
    fn nvmlDeviceGetDecoderUtilization(value: Out<u32>, period: Out<u32>) = |_, _, gpu| {
        period.check()?;
        value.set(modelled(gpu.decoder)?)?;
        period.set(SAMPLING_PERIOD)
    };
    fn nvmlDeviceGetPerformanceState(value: Out<u32>) = |_, _, gpu| value.set(modelled(gpu.performance)?);

    fn nvmlDeviceGetTemperature(sensor: u32, value: Out<u32>) = |_, _, gpu| {
        only_gpu_sensor(sensor)?;
        value.set(gpu.temperature)
    };
    fn nvmlDeviceGetTemperatureV(value: Out<TemperatureV1>) = |_, _, gpu| {
        let asked = value.get()?;
        if asked.version != version::<TemperatureV1>(1) {
            return Err(Code::ARGUMENT_VERSION_MISMATCH);
        }
        only_gpu_sensor(asked.sensor)?;
        value.set(TemperatureV1 { temperature: signed(gpu.temperature)?, ..asked })
    };
    fn nvmlDeviceGetFanSpeed(value: Out<u32>) = |_, _, gpu| value.set(modelled(gpu.fan)?);

    fn nvmlDeviceGetPowerUsage(value: Out<u32>) = |_, _, gpu| value.set(gpu.power);
    fn nvmlDeviceGetEnforcedPowerLimit(value: Out<u32>) = |_, _, gpu| value.set(modelled(gpu.power_limit)?);
    fn nvmlDeviceGetPowerManagementLimit(value: Out<u32>) = |_, _, gpu| value.set(modelled(gpu.power_limit)?);

    fn nvmlDeviceGetClockInfo(domain: u32, value: Out<u32>) = |_, _, gpu| value.set(clock(gpu.clocks, domain)?);
    fn nvmlDeviceGetMaxClockInfo(domain: u32, value: Out<u32>) =
        |_, _, gpu| value.set(clock(modelled(gpu.max_clocks)?, domain)?);
}

/// Functions that clients look for and that no node file models: present, and never supported. A C caller may pass more
/// arguments than are declared here, for it is the caller who clears them away.
macro_rules! unsupported_functions {
    ($($name:ident,)*) => {
        $(
            #[unsafe(no_mangle)]
            extern "C" fn $name(device: *const Handle) -> i32 {
                self::device(stringify!($name), device, |_, _, _| Err(Code::NOT_SUPPORTED))
            }
        )*
    };
}

unsupported_functions! {
    nvmlDeviceGetComputeMode,
    nvmlDeviceGetDisplayActive,
    nvmlDeviceGetDisplayMode,
    nvmlDeviceGetDriverModel,
    nvmlDeviceGetDriverModel_v2,
    nvmlDeviceGetMigMode,
    nvmlDeviceGetPcieThroughput,
    nvmlDeviceGetPersistenceMode,
    nvmlDeviceGetProcessUtilization,
    nvmlDeviceGetTotalEccErrors,
}

/// A value that the node file may leave out.
fn modelled<T>(value: Option<T>) -> Answer<T> {
    value.ok_or(Code::NOT_SUPPORTED)
}

fn signed(value: u32) -> Answer<i32> {
    i32::try_from(value).map_err(|_| Code::UNKNOWN)
}

fn free(gpu: &GpuFile) -> u64 {
    let MemoryFile { total, used, reserved } = gpu.memory;
    total.saturating_sub(used + reserved).0
}

/// The only sensor that there is: `NVML_TEMPERATURE_GPU`.
fn only_gpu_sensor(sensor: u32) -> Answer {
    if sensor == 0 { Ok(()) } else { Err(Code::INVALID_ARGUMENT) }
}

/// The clock of a domain (`nvmlClockType_t`); the video clock is not modelled.
fn clock(clocks: Clocks, domain: u32) -> Answer<u32> {
    match domain {
        0 => Ok(clocks.graphics),
        1 => Ok(clocks.sm),
        2 => Ok(clocks.memory),
        3 => Err(Code::NOT_SUPPORTED),
        _ => Err(Code::INVALID_ARGUMENT),
    }
}

/// The parts of an address such as `00000000:19:00.0`. Of the device's number only the maker is modelled.
fn pci_info(address: &str) -> Answer<PciInfo> {
    let parts: Vec<u32> = address
        .split([':', '.'])
        .map(|part| u32::from_str_radix(part, 16).map_err(|_| Code::UNKNOWN))
        .collect::<Answer<_>>()?;
    let [domain, bus, device, _function] = parts[..] else { return Err(Code::UNKNOWN) };
    Ok(PciInfo {
        short_address: field(short_domain(address)),
        domain,
        bus,
        device,
        device_id: PCI_VENDOR,
        subsystem_id: 0,
        address: field(address),
    })
}
