//! Starting the driver, and the devices.

use std::ffi::{c_char, c_int, c_uint};
use std::sync::atomic::Ordering;

use nacp_core::gpu::GpuId;

use crate::call::calls;
use crate::caller::{put, put_text, text, wanted};
use crate::code::{Answer, Code};
use crate::machine::Machine;

fn uuid_bytes(id: &GpuId) -> Answer<[u8; 16]> {
    let digits: String = id.as_str().chars().skip("GPU-".len()).filter(char::is_ascii_hexdigit).collect();
    u128::from_str_radix(&digits, 16).map(u128::to_be_bytes).map_err(|_| Code::UNKNOWN)
}

/// A PCI address with four digits of the domain.
fn pci(address: &str) -> &str {
    address.strip_prefix("0000").unwrap_or(address)
}

fn size(bytes: u64) -> Answer<usize> {
    usize::try_from(bytes).map_err(|_| Code::UNKNOWN)
}

calls! {
    /// Starts the driver.
    cuInit(flags: c_uint) [Nothing] |machine| {
        if flags != 0 {
            return Err(Code::INVALID_VALUE);
        }
        start(machine)
    };

    /// The newest version of CUDA that the driver serves.
    cuDriverGetVersion(version: *mut c_int) [Nothing] |machine| put(version, machine.config.version);

    /// How many devices the process sees.
    cuDeviceGetCount(count: *mut c_int) [Current] |machine| {
        put(count, c_int::try_from(machine.devices.len()).map_err(|_| Code::UNKNOWN)?)
    };

    /// The device at a position; its handle is the position.
    cuDeviceGet(device: *mut c_int, ordinal: c_int) [Device(ordinal)] |machine| {
        wanted(device)?;
        machine.device(ordinal).and_then(|_| put(device, ordinal))
    };

    /// The device's name, cut off where the buffer ends.
    cuDeviceGetName(name: *mut c_char, length: c_int, device: c_int) [Device(device)] |machine| {
        put_text(name, length, &machine.device(device)?.name, false)
    };

    /// The UUID of the GPU, also of a part of one.
    cuDeviceGetUuid(uuid: *mut [u8; 16], device: c_int) [Device(device)] |machine| {
        put(uuid, uuid_bytes(&machine.device(device)?.gpu.uuid)?)
    };

    /// The UUID of the GPU, or of the part.
    cuDeviceGetUuid_v2(uuid: *mut [u8; 16], device: c_int) [Device(device)] |machine| {
        put(uuid, uuid_bytes(machine.device(device)?.uuid())?)
    };

    /// The memory that programs can use: all but what the driver keeps.
    cuDeviceTotalMem_v2(bytes: *mut usize, device: c_int) [Device(device)] |machine| {
        put(bytes, size(machine.device(device)?.total)?)
    };

    /// The PCI address, or that of the GPU around a part.
    cuDeviceGetPCIBusId(address: *mut c_char, length: c_int, device: c_int) [Device(device)] |machine| {
        put_text(address, length, pci(&machine.device(device)?.gpu.pci), true)
    };

    /// The device with a PCI address.
    cuDeviceGetByPCIBusId(device: *mut c_int, address: *const c_char) [Current] |machine| {
        let wanted = text(address)?;
        let same = |own: &str| own.eq_ignore_ascii_case(wanted) || pci(own).eq_ignore_ascii_case(wanted);
        let found = machine.devices.iter().position(|device| same(&device.gpu.pci)).ok_or(Code::INVALID_DEVICE)?;
        put(device, c_int::try_from(found).map_err(|_| Code::UNKNOWN)?)
    };

    /// One attribute.
    cuDeviceGetAttribute(value: *mut c_int, number: c_int, device: c_int) [Device(device)] |machine| {
        put(value, machine.device(device)?.attribute(number, machine.config.version).ok_or(Code::INVALID_VALUE)?)
    };

    /// Whether one device can use the memory of another.
    cuDeviceCanAccessPeer(answer: *mut c_int, device: c_int, peer: c_int) [Device(device)] |machine| {
        put(answer, machine.device(device)?.reaches(machine.device(peer)?).into())
    };
}

/// Starts the driver, where there is a device.
fn start(machine: &Machine) -> Answer {
    if machine.devices.is_empty() {
        return Err(Code::NO_DEVICE);
    }
    machine.started.store(true, Ordering::Release);
    Ok(())
}
