//! Starting and stopping, versions, and the way from a name to a GPU.

use std::ffi::{CStr, c_char};

use crate::memory::{Answer, Code, Out, Text};
use crate::node::{Handle, Machine, init, shutdown, system};

/// What the version of the management library ends with, so that whoever asks for it sees that it is not NVIDIA's.
const SIMULATED: &str = "+simulated";

/// Functions that ask the machine, each as `fn name(arguments) = answer from the machine`.
macro_rules! system_functions {
    ($(fn $name:ident($($argument:ident: $type:ty),*) = $body:expr;)*) => {
        $(
            #[unsafe(no_mangle)]
            pub(crate) extern "C" fn $name($($argument: $type),*) -> i32 {
                system(stringify!($name), $body)
            }
        )*
    };
}

#[unsafe(no_mangle)]
extern "C" fn nvmlInit() -> i32 {
    init("nvmlInit")
}

#[unsafe(no_mangle)]
pub(crate) extern "C" fn nvmlInit_v2() -> i32 {
    init("nvmlInit_v2")
}

#[unsafe(no_mangle)]
extern "C" fn nvmlInitWithFlags(_flags: u32) -> i32 {
    init("nvmlInitWithFlags")
}

#[unsafe(no_mangle)]
pub(crate) extern "C" fn nvmlShutdown() -> i32 {
    shutdown("nvmlShutdown")
}

#[unsafe(no_mangle)]
pub(crate) extern "C" fn nvmlErrorString(code: i32) -> *const c_char {
    error_text(code).as_ptr()
}

system_functions! {
    fn nvmlSystemGetDriverVersion(version: Out<c_char>, length: u32) = |machine| version.text(length, &machine.file.driver);
    fn nvmlSystemGetNVMLVersion(version: Out<c_char>, length: u32) =
        |machine| version.text(length, &format!("{}{SIMULATED}", machine.file.nvml));
    fn nvmlSystemGetCudaDriverVersion(version: Out<i32>) = |machine| version.set(cuda_version(&machine.file.cuda)?);
    fn nvmlSystemGetCudaDriverVersion_v2(version: Out<i32>) = |machine| version.set(cuda_version(&machine.file.cuda)?);
    fn nvmlDeviceGetCount(count: Out<u32>) = |machine| count.set(gpu_count(machine)?);
    fn nvmlDeviceGetCount_v2(count: Out<u32>) = |machine| count.set(gpu_count(machine)?);
    fn nvmlDeviceGetHandleByIndex(index: u32, device: Out<*const Handle>) =
        |machine| hand_out(machine, "nvmlDeviceGetHandleByIndex", usize::try_from(index).ok(), &device);
    fn nvmlDeviceGetHandleByIndex_v2(index: u32, device: Out<*const Handle>) =
        |machine| hand_out(machine, "nvmlDeviceGetHandleByIndex_v2", usize::try_from(index).ok(), &device);
    fn nvmlDeviceGetHandleByUUID(uuid: Text, device: Out<*const Handle>) = |machine| {
        let uuid = uuid.get()?;
        let index = machine.file.gpus.iter().position(|gpu| gpu.uuid.as_str() == uuid).ok_or(Code::NOT_FOUND)?;
        hand_out(machine, "nvmlDeviceGetHandleByUUID", Some(index), &device)
    };
    fn nvmlDeviceGetHandleByPciBusId_v2(address: Text, device: Out<*const Handle>) = |machine| {
        let address = address.get()?;
        let same = |own: &str| own.eq_ignore_ascii_case(&address) || short_domain(own).eq_ignore_ascii_case(&address);
        let index = machine.file.gpus.iter().position(|gpu| same(&gpu.pci)).ok_or(Code::NOT_FOUND)?;
        hand_out(machine, "nvmlDeviceGetHandleByPciBusId_v2", Some(index), &device)
    };
}

fn hand_out(machine: &Machine, function: &str, index: Option<usize>, device: &Out<*const Handle>) -> Answer {
    device.check()?;
    let index = index.ok_or(Code::INVALID_ARGUMENT)?;
    let handle = machine.handle(index)?;
    machine.faults.check(function, Some(index))?;
    device.set(handle)
}

fn gpu_count(machine: &Machine) -> Answer<u32> {
    u32::try_from(machine.file.gpus.len()).map_err(|_| Code::UNKNOWN)
}

/// `13.1` as 13010.
fn cuda_version(text: &str) -> Answer<i32> {
    let (major, minor) = text.split_once('.').ok_or(Code::UNKNOWN)?;
    let number = |digits: &str| digits.parse::<i32>().map_err(|_| Code::UNKNOWN);
    Ok(number(major)? * 1000 + number(minor)? * 10)
}

/// A PCI address with the four-digit domain of older drivers.
pub(crate) fn short_domain(address: &str) -> &str {
    address.strip_prefix("0000").filter(|rest| rest.find(':') == Some(4)).unwrap_or(address)
}

fn error_text(code: i32) -> &'static CStr {
    match code {
        0 => c"Success",
        1 => c"Uninitialized",
        2 => c"Invalid Argument",
        3 => c"Not Supported",
        4 => c"Insufficient Permissions",
        6 => c"Not Found",
        7 => c"Insufficient Size",
        9 => c"Driver Not Loaded",
        10 => c"Timeout",
        12 => c"NVML Shared Library Not Found",
        13 => c"Function Not Found",
        15 => c"GPU is lost",
        16 => c"GPU requires restart",
        18 => c"Driver/library version mismatch",
        25 => c"Argument version mismatch",
        999 => c"Unknown Error",
        _ => c"Simulated Error",
    }
}
