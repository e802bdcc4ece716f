//! The way from an index, a UUID, an address or a serial number to a GPU.

use nacp_core::sim::node::MigFile;
use nvml_wrapper_sys::bindings as sys;

use crate::call::{Slot, functions, guarded, number};
use crate::machine::{Handle, Machine, started};
use crate::memory::{Answer, Code, Out, Text, uuid_bytes};

/// Functions that find a GPU or a part of one, each as `fn name(argument) = its place on the machine`.
macro_rules! finders {
    ($(fn $name:ident($argument:ident: $type:ty) = $find:expr;)*) => {
        $(
            #[unsafe(no_mangle)]
            pub(crate) extern "C" fn $name($argument: $type, device: Out<Handle>) -> i32 {
                static SLOT: Slot = Slot::new(stringify!($name));
                find(&SLOT, &device, $find)
            }
        )*
    };
}

finders! {
    fn nvmlDeviceGetHandleByIndex(index: u32) = |machine| by_index(machine, index);
    fn nvmlDeviceGetHandleByIndex_v2(index: u32) = |machine| by_index(machine, index);
    fn nvmlDeviceGetHandleByUUID(uuid: Text) = |machine| by_uuid(machine, uuid.get()?);
    fn nvmlDeviceGetHandleByUUIDV(uuid: Out<sys::nvmlUUID_t>) = |machine| {
        let asked = uuid.versioned(1)?;
        let bytes = uuid_bytes(&asked);
        match asked.type_ {
            1 => {
                let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
                by_uuid(machine, str::from_utf8(text).map_err(|_| Code::INVALID_ARGUMENT)?)
            }
            2 => by_digits(machine, &bytes[..16]),
            _ => Err(Code::INVALID_ARGUMENT),
        }
    };
    fn nvmlDeviceGetHandleByPciBusId(address: Text) = |machine| by_address(machine, address.get()?);
    fn nvmlDeviceGetHandleByPciBusId_v2(address: Text) = |machine| by_address(machine, address.get()?);
    fn nvmlDeviceGetHandleBySerial(serial: Text) = |machine| {
        let serial = serial.get()?;
        let same = |own: Option<&str>| own == Some(serial);
        let mut gpus = machine.file.gpus.iter();
        let found = gpus.position(|gpu| same(gpu.identity.as_ref().and_then(|identity| identity.serial.as_deref())));
        found.map(|index| (index, None)).ok_or(Code::NOT_FOUND)
    };
}

functions! { system:
    fn nvmlDeviceGetCount(count: Out<u32>) = |machine| count.set(number(machine.file.gpus.len())?);
    fn nvmlDeviceGetCount_v2(count: Out<u32>) = |machine| count.set(number(machine.file.gpus.len())?);
}

/// A GPU's index, and which of its parts.
type Place = (usize, Option<usize>);

fn find(slot: &Slot, device: &Out<Handle>, find: impl FnOnce(&'static Machine) -> Answer<Place>) -> i32 {
    guarded(|| {
        let machine = started()?;
        let rule = slot.rule(machine);
        let found = device.check().and_then(|()| find(machine));
        rule.enter(found.ok().map(|(gpu, _)| gpu))?;
        let (gpu, part) = found?;
        machine.look(gpu, part)?;
        device.set(match part {
            None => machine.handle(gpu)?,
            Some(part) => machine.part_handle(gpu, part)?,
        })
    })
}

fn by_index(machine: &Machine, index: u32) -> Answer<Place> {
    let index = usize::try_from(index).map_err(|_| Code::INVALID_ARGUMENT)?;
    if index < machine.file.gpus.len() { Ok((index, None)) } else { Err(Code::INVALID_ARGUMENT) }
}

fn by_uuid(machine: &'static Machine, uuid: &str) -> Answer<Place> {
    search(machine, |own| own == uuid)
}

fn by_digits(machine: &'static Machine, bytes: &[u8]) -> Answer<Place> {
    let wanted: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    search(machine, |own| own.chars().skip(4).filter(char::is_ascii_hexdigit).eq(wanted.chars()))
}

/// Looks among all GPUs and their present parts.
fn search(machine: &'static Machine, same: impl Fn(&str) -> bool) -> Answer<Place> {
    for index in 0..machine.file.gpus.len() {
        let file = &machine.state(index)?.file;
        if same(file.uuid.as_str()) {
            return Ok((index, None));
        }
        let mut parts = file.mig.iter().flat_map(MigFile::devices);
        if let Some(part) = parts.position(|part| same(part.compute.uuid.as_str())) {
            return Ok((index, Some(part)));
        }
    }
    Err(Code::NOT_FOUND)
}

fn by_address(machine: &Machine, address: &str) -> Answer<Place> {
    let same = |own: &str| own.eq_ignore_ascii_case(address) || short_domain(own).eq_ignore_ascii_case(address);
    let found = machine.file.gpus.iter().position(|gpu| same(&gpu.pci));
    found.map(|index| (index, None)).ok_or(Code::NOT_FOUND)
}

/// A PCI address with the four-digit domain of older drivers.
pub(crate) fn short_domain(address: &str) -> &str {
    address.strip_prefix("0000").filter(|rest| rest.find(':') == Some(4)).unwrap_or(address)
}
