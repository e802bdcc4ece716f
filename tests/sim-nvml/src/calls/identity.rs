//! Who a GPU is.

use std::ffi::c_char;

use nacp_core::sim::node::{IdentityFile, InforomFile, PciNumber};
use nvml_wrapper_sys::bindings as sys;

use super::handles::short_domain;
use crate::call::{Gpu, functions, number, signed, told};
use crate::memory::{Answer, Code, Out, field};

/// NVIDIA's number as a maker of PCI devices.
const PCI_VENDOR: u32 = 0x10DE;

functions! { device:
    fn nvmlDeviceGetIndex(value: Out<u32>) = |gpu| value.set(number(gpu.part.map_or(gpu.index, |part| part.index))?);
    fn nvmlDeviceGetName(text: Out<c_char>, length: u32) = |gpu| match gpu.part {
        None => text.text(length, &gpu.name),
        Some(part) => text.text(length, &format!("{} MIG {}", gpu.name, part.profile_name())),
    };
    fn nvmlDeviceGetUUID(text: Out<c_char>, length: u32) =
        |gpu| text.text(length, gpu.part.map_or(&gpu.file.uuid, |part| &part.compute.uuid).as_str());
    fn nvmlDeviceGetCudaComputeCapability(major: Out<i32>, minor: Out<i32>) = |gpu| {
        minor.check()?;
        major.set(signed(gpu.compute.major)?)?;
        minor.set(signed(gpu.compute.minor)?)
    };
    fn nvmlDeviceGetArchitecture(value: Out<u32>) =
        |gpu| value.set(told(identity(gpu)?.architecture)?.number());
    fn nvmlDeviceGetBrand(value: Out<u32>) = |gpu| value.set(told(identity(gpu)?.brand)?.number());
}

functions! { gpu:
    fn nvmlDeviceGetMinorNumber(value: Out<u32>) = |gpu| value.set(told(identity(gpu)?.minor)?);
    fn nvmlDeviceGetModuleId(value: Out<u32>) = |gpu| value.set(told(identity(gpu)?.module)?);
    fn nvmlDeviceGetSerial(text: Out<c_char>, length: u32) =
        |gpu| text.text(length, told(identity(gpu)?.serial.as_ref())?);
    fn nvmlDeviceGetBoardPartNumber(text: Out<c_char>, length: u32) =
        |gpu| text.text(length, told(identity(gpu)?.part.as_ref())?);
    fn nvmlDeviceGetBoardId(value: Out<u32>) = |gpu| value.set(told(identity(gpu)?.board)?);
    fn nvmlDeviceGetMultiGpuBoard(value: Out<u32>) =
        |gpu| value.set(told(identity(gpu)?.multi_gpu_board)?.into());
    fn nvmlDeviceGetVbiosVersion(text: Out<c_char>, length: u32) =
        |gpu| text.text(length, told(identity(gpu)?.vbios.as_ref())?);
    fn nvmlDeviceGetIrqNum(value: Out<u32>) = |gpu| value.set(told(identity(gpu)?.irq)?);
    fn nvmlDeviceGetNumGpuCores(value: Out<u32>) = |gpu| value.set(told(identity(gpu)?.cores)?);
    fn nvmlDeviceGetMemoryBusWidth(value: Out<u32>) = |gpu| value.set(told(identity(gpu)?.bus_width)?);
    fn nvmlDeviceGetBusType(value: Out<u32>) = |gpu| {
        const PCIE: u32 = 2;
        told(gpu.pcie.as_ref())?;
        value.set(PCIE)
    };

    fn nvmlDeviceGetInforomVersion(object: u32, text: Out<c_char>, length: u32) = |gpu| {
        let inforom = inforom(gpu)?;
        let version = match object {
            0 => &inforom.oem,
            1 => &inforom.ecc,
            2 => &inforom.power,
            3 => &None,
            _ => return Err(Code::INVALID_ARGUMENT),
        };
        text.text(length, told(version.as_ref())?)
    };
    fn nvmlDeviceGetInforomImageVersion(text: Out<c_char>, length: u32) =
        |gpu| text.text(length, told(inforom(gpu)?.image.as_ref())?);
    fn nvmlDeviceGetInforomConfigurationChecksum(value: Out<u32>) = |gpu| value.set(told(inforom(gpu)?.checksum)?);
    fn nvmlDeviceValidateInforom() =
        |gpu| if inforom(gpu)?.corrupt { Err(Code::CORRUPTED_INFOROM) } else { Ok(()) };

    fn nvmlDeviceGetGspFirmwareVersion(text: Out<c_char>) =
        |gpu| text.whole(told(identity(gpu)?.firmware.as_ref())?);
    fn nvmlDeviceGetGspFirmwareMode(enabled: Out<u32>, default: Out<u32>) = |gpu| {
        default.check()?;
        let runs = u32::from(identity(gpu)?.firmware.is_some());
        enabled.set(runs)?;
        default.set(runs)
    };

    fn nvmlDeviceGetPciInfo(value: Out<sys::nvmlPciInfo_t>) = |gpu| value.set(pci_info(&gpu.pci, Some(gpu))?);
    fn nvmlDeviceGetPciInfo_v2(value: Out<sys::nvmlPciInfo_t>) = |gpu| value.set(pci_info(&gpu.pci, Some(gpu))?);
    fn nvmlDeviceGetPciInfo_v3(value: Out<sys::nvmlPciInfo_t>) = |gpu| value.set(pci_info(&gpu.pci, Some(gpu))?);
    fn nvmlDeviceGetPciInfoExt(value: Out<sys::nvmlPciInfoExt_t>) = |gpu| {
        let asked = value.versioned(1)?;
        let plain = pci_info(&gpu.pci, Some(gpu))?;
        let class = identity(gpu)?.class.as_deref().unwrap_or_default();
        let digits = |from: usize| u32::from_str_radix(class.get(from..from + 2).unwrap_or("0"), 16).unwrap_or(0);
        value.set(sys::nvmlPciInfoExt_t {
            version: asked.version,
            domain: plain.domain,
            bus: plain.bus,
            device: plain.device,
            pciDeviceId: plain.pciDeviceId,
            pciSubSystemId: plain.pciSubSystemId,
            baseClass: digits(0),
            subClass: digits(2),
            busId: plain.busId,
        })
    };

    fn nvmlDeviceGetPlatformInfo(value: Out<sys::nvmlPlatformInfo_v2_t>) = |gpu| {
        let own = told(identity(gpu)?.platform.as_ref())?;
        let (guid, chassis) = (hexadecimal(&own.ib_guid), text_bytes(&own.chassis));
        let older = value.cast::<sys::nvmlPlatformInfo_v1_t>();
        if let Ok(asked) = older.versioned(1) {
            return older.set(sys::nvmlPlatformInfo_v1_t {
                version: asked.version,
                ibGuid: guid,
                rackGuid: chassis,
                chassisPhysicalSlotNumber: own.slot,
                computeSlotIndex: own.tray,
                nodeIndex: own.host,
                peerType: own.peer_type,
                moduleId: own.module,
            });
        }
        let asked = value.versioned(2)?;
        value.set(sys::nvmlPlatformInfo_v2_t {
            version: asked.version,
            ibGuid: guid,
            chassisSerialNumber: chassis,
            slotNumber: own.slot,
            trayIndex: own.tray,
            hostId: own.host,
            peerType: own.peer_type,
            moduleId: own.module,
        })
    };
}

fn identity(gpu: Gpu) -> Answer<&'static IdentityFile> {
    told(gpu.file.identity.as_ref())
}

fn inforom(gpu: Gpu) -> Answer<&'static InforomFile> {
    told(identity(gpu)?.inforom.as_ref())
}

/// The parts of an address such as `00000000:19:00.0`, with what else is known of the device.
pub(crate) fn pci_info(address: &str, gpu: Option<Gpu>) -> Answer<sys::nvmlPciInfo_t> {
    let parts: Vec<u32> = address
        .split([':', '.'])
        .map(|part| u32::from_str_radix(part, 16).map_err(|_| Code::UNKNOWN))
        .collect::<Answer<_>>()?;
    let [domain, bus, device, _function] = parts[..] else { return Err(Code::UNKNOWN) };
    let identity = gpu.and_then(|gpu| gpu.file.identity.as_ref());
    Ok(sys::nvmlPciInfo_t {
        busIdLegacy: field(short_domain(address)),
        domain,
        bus,
        device,
        pciDeviceId: identity.and_then(|identity| identity.device).map_or(PCI_VENDOR, PciNumber::combined),
        pciSubSystemId: identity.and_then(|identity| identity.subsystem).map_or(0, PciNumber::combined),
        busId: field(address),
    })
}

fn hexadecimal(digits: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    for (nth, byte) in bytes.iter_mut().enumerate() {
        *byte = digits.get(2 * nth..2 * nth + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok()).unwrap_or(0);
    }
    bytes
}

fn text_bytes(text: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(text.bytes()).for_each(|(place, byte)| *place = byte);
    bytes
}
