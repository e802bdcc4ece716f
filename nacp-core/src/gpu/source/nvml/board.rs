//! Who a GPU is, what it computes with, what holds it back, and how it is set up.

use nvml_wrapper_sys::bindings::nvmlPlatformInfo_v2_t;

use super::inventory::{decoded, number, switch, words};
use super::library::{Answer, Calls, Choice, Device, Ear, available, text};
use crate::gpu::inventory::decode;
use crate::gpu::{
    Affinity, Clocks, Gpu, Identity, InfoRom, Limits, Modes, Pcie, Persistent, Platform, Processor, Reading,
    TemperatureLimits, Unknown,
};
use crate::units::Bytes;

/// The PCI address and how the GPU sits on the bus.
pub(super) fn pci<E: Ear>(calls: &Calls<'_, E>, device: Device, gpu: &mut Gpu) {
    let pci = calls.pci(device);
    gpu.pci = match &pci {
        Ok(pci) => words(Ok(text(&pci.busId))),
        Err(code) => Reading::Unknown((*code).into()),
    };
    gpu.pcie = Pcie {
        device: number(pci.map(|pci| pci.pciDeviceId)),
        subsystem: number(pci.map(|pci| pci.pciSubSystemId)),
        max_generation: number(calls.max_pcie_generation(device)),
        gpu_max_generation: number(calls.gpu_max_pcie_generation(device)),
        max_width: number(calls.max_pcie_width(device)),
        max_speed: decoded(calls.pcie_link_max_speed(device), decode::pcie_speed),
    };
}

pub(super) fn identity<E: Ear>(calls: &Calls<'_, E>, device: Device) -> Identity {
    Identity {
        brand: decoded(calls.brand(device), decode::brand),
        serial: words(calls.serial(device)),
        part_number: words(calls.board_part_number(device)),
        board: number(calls.board_id(device)),
        minor: number(calls.minor_number(device)),
        module: number(calls.module_id(device)),
        vbios: words(calls.vbios_version(device)),
        gsp_firmware: words(calls.gsp_firmware_version(device)),
        inforom: InfoRom {
            image: words(calls.inforom_image_version(device)),
            oem: words(calls.inforom_version(device, Choice::INFOROM_OEM)),
            ecc: words(calls.inforom_version(device, Choice::INFOROM_ECC)),
            power: words(calls.inforom_version(device, Choice::INFOROM_POWER)),
        },
        platform: Reading::from(calls.platform(device)).map(|info| platform(&info)),
    }
}

fn platform(info: &nvmlPlatformInfo_v2_t) -> Platform {
    let serial = info.chassisSerialNumber;
    let serial: Vec<u8> = serial.into_iter().take_while(|byte| *byte != 0).collect();
    Platform {
        chassis: String::from_utf8_lossy(&serial).trim().to_owned(),
        slot: info.slotNumber.into(),
        tray: info.trayIndex.into(),
        host: info.hostId.into(),
        module: info.moduleId.into(),
    }
}

/// What it computes with; the multiprocessors follow from it and the compute capability.
pub(super) fn processor<E: Ear>(calls: &Calls<'_, E>, device: Device) -> Processor {
    Processor {
        architecture: decoded(calls.architecture(device), decode::architecture),
        cores: number(calls.cores(device)),
        multiprocessors: Reading::default(),
        memory_bus: number(calls.memory_bus_width(device)),
        bar1: bytes(calls.bar1(device).map(|bar1| bar1.bar1Total)),
    }
}

fn bytes(answer: Answer<u64>) -> Reading<Bytes> {
    match answer {
        Ok(value) => available(value).map(Bytes).into(),
        Err(code) => Reading::Unknown(code.into()),
    }
}

pub(super) fn limits<E: Ear>(calls: &Calls<'_, E>, device: Device) -> Limits {
    let power = calls.power_limits(device);
    let clock = |domain| calls.max_clock(device, domain);
    let clocks = || -> Answer<Clocks> {
        Ok(Clocks {
            graphics: clock(Choice::CLOCK_GRAPHICS)?,
            sm: clock(Choice::CLOCK_SM)?,
            memory: clock(Choice::CLOCK_MEMORY)?,
        })
    };
    let threshold = |which| number(calls.temperature_threshold(device, which));
    Limits {
        power_min: number(power.map(|(min, _)| min)),
        power_max: number(power.map(|(_, max)| max)),
        power_default: number(calls.default_power_limit(device)),
        clocks: Reading::from(clocks()),
        video_clock: number(clock(Choice::CLOCK_VIDEO)),
        temperature: TemperatureLimits {
            shutdown: threshold(Choice::THRESHOLD_SHUTDOWN),
            slowdown: threshold(Choice::THRESHOLD_SLOWDOWN),
            gpu_max: threshold(Choice::THRESHOLD_GPU_MAX),
            memory_max: threshold(Choice::THRESHOLD_MEMORY_MAX),
        },
        fans: number(calls.fan_count(device)),
    }
}

pub(super) fn modes<E: Ear>(calls: &Calls<'_, E>, device: Device) -> Modes {
    let model = match calls.driver_model_v2(device) {
        Err(code) if code.is_too_new() => calls.driver_model_v1(device),
        answer => answer,
    };
    let both = |(current, pending): (u32, u32)| Persistent { current: current != 0, pending: pending != 0 };
    Modes {
        compute: decoded(calls.compute_mode(device), decode::compute_mode),
        persistence: switch(calls.persistence_mode(device)),
        display_active: switch(calls.display_active(device)),
        display_connected: switch(calls.display_mode(device)),
        ecc: Reading::from(calls.ecc_mode(device)).map(both),
        accounting: switch(calls.accounting_mode(device)),
        virtualization: Reading::from(calls.virtualization_mode(device)).map(decode::virtualization),
        driver_model: decoded(model.map(|(current, _)| current), decode::driver_model),
        addressing: Reading::from(calls.addressing_mode(device)).map(|mode| decode::addressing(mode.value)),
        confidential_memory: match calls.confidential_memory(device) {
            Ok(sizes) => available(sizes.protectedMemSizeKib).map(|kib| Bytes(kib.saturating_mul(1024))).into(),
            Err(code) => Reading::Unknown(code.into()),
        },
    }
}

pub(super) fn affinity<E: Ear>(calls: &Calls<'_, E>, device: Device) -> Affinity {
    Affinity {
        numa_node: number(calls.numa_node(device)),
        cpus: members(calls.cpu_affinity(device, Choice::SCOPE_NODE)),
        memory_nodes: members(calls.memory_affinity(device, Choice::SCOPE_NODE)),
    }
}

/// The positions of the bits that are set; none set says nothing.
fn members<W: Copy + Into<u64>>(answer: Answer<Vec<W>>) -> Reading<Vec<u32>> {
    let words = match answer {
        Ok(words) => words,
        Err(code) => return Reading::Unknown(code.into()),
    };
    let width = u32::try_from(size_of::<W>() * 8).unwrap_or(64);
    let set = words
        .into_iter()
        .map(Into::<u64>::into)
        .zip(0u32..)
        .flat_map(|(word, at)| (0..width).filter(move |bit| word >> bit & 1 != 0).map(move |bit| at * width + bit));
    let set: Vec<u32> = set.collect();
    if set.is_empty() { Reading::Unknown(Unknown::NotAvailable) } else { Reading::Known(set) }
}

#[cfg(test)]
mod tests {
    use super::super::library::Code;
    use super::*;

    #[test]
    fn a_set_of_processors_is_the_list_of_its_bits_across_words() {
        assert_eq!(members(Ok(vec![0b1011u64, 1 << 63, 1])), Reading::Known(vec![0, 1, 3, 127, 128]));
        assert_eq!(members(Ok(vec![2u32, 1])), Reading::Known(vec![1, 32]), "words of Windows have half the bits");
        assert_eq!(members::<u64>(Ok(vec![0, 0])), Reading::Unknown(Unknown::NotAvailable));
        assert_eq!(members::<u64>(Err(Code::NOT_SUPPORTED)), Reading::Unknown(Unknown::NotSupported));
    }
}
