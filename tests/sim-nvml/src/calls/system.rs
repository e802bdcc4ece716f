//! Starting and stopping, versions, the names of errors and processes, and GPUs that are left alone.

use std::ffi::{CStr, c_char};

use nacp_core::sim::{GpuFile, Pid};
use nvml_wrapper_sys::bindings as sys;

use super::identity::pci_info;
use crate::call::{Slot, functions, number, told};
use crate::machine::{init, shutdown};
use crate::memory::{Answer, Code, Out, field};

/// What the version of the management library ends with, so that whoever asks for it sees that it is not NVIDIA's.
const SIMULATED: &str = "+simulated";

#[unsafe(no_mangle)]
extern "C" fn nvmlInit() -> i32 {
    static SLOT: Slot = Slot::new("nvmlInit");
    init(&SLOT)
}

#[unsafe(no_mangle)]
pub(crate) extern "C" fn nvmlInit_v2() -> i32 {
    static SLOT: Slot = Slot::new("nvmlInit_v2");
    init(&SLOT)
}

#[unsafe(no_mangle)]
extern "C" fn nvmlInitWithFlags(_flags: u32) -> i32 {
    static SLOT: Slot = Slot::new("nvmlInitWithFlags");
    init(&SLOT)
}

#[unsafe(no_mangle)]
pub(crate) extern "C" fn nvmlShutdown() -> i32 {
    static SLOT: Slot = Slot::new("nvmlShutdown");
    shutdown(&SLOT)
}

#[unsafe(no_mangle)]
pub(crate) extern "C" fn nvmlErrorString(code: i32) -> *const c_char {
    error_text(code).as_ptr()
}

functions! { system:
    fn nvmlSystemGetDriverVersion(version: Out<c_char>, length: u32) =
        |machine| version.text(length, &machine.file.driver);
    fn nvmlSystemGetNVMLVersion(version: Out<c_char>, length: u32) =
        |machine| version.text(length, &format!("{}{SIMULATED}", machine.file.nvml));
    fn nvmlSystemGetCudaDriverVersion(version: Out<i32>) = |machine| version.set(cuda_version(&machine.file.cuda)?);
    fn nvmlSystemGetCudaDriverVersion_v2(version: Out<i32>) = |machine| version.set(cuda_version(&machine.file.cuda)?);
    fn nvmlSystemGetDriverBranch(info: Out<sys::nvmlSystemDriverBranchInfo_t>, length: u32) = |machine| {
        let asked = info.versioned(1)?;
        let branch = told(machine.file.branch.as_ref())?;
        if usize::try_from(length).is_ok_and(|room| branch.len() < room) {
            info.set(sys::nvmlSystemDriverBranchInfo_t { branch: field(branch), ..asked })
        } else {
            Err(Code::INSUFFICIENT_SIZE)
        }
    };
    fn nvmlSystemGetProcessName(pid: u32, name: Out<c_char>, length: u32) = |machine| {
        name.check()?;
        if length == 0 {
            return Err(Code::INVALID_ARGUMENT);
        }
        let mut listed = machine.file.gpus.iter().flat_map(GpuFile::all_processes);
        let own = listed.find(|(_, _, process)| process.pid == Pid::Number(pid));
        let own = own.and_then(|(_, _, process)| process.name.clone());
        let text = own.or_else(|| command(pid)).ok_or(Code::NOT_FOUND)?;
        // The driver cuts what does not fit.
        let room = usize::try_from(length).map_err(|_| Code::UNKNOWN)?;
        name.text(length, &text[..text.floor_char_boundary(room - 1)])
    };
    fn nvmlGetExcludedDeviceCount(count: Out<u32>) = |machine| count.set(number(machine.file.excluded.len())?);
    fn nvmlGetExcludedDeviceInfoByIndex(index: u32, info: Out<sys::nvmlExcludedDeviceInfo_t>) = |machine| {
        info.check()?;
        let nth = usize::try_from(index).map_err(|_| Code::INVALID_ARGUMENT)?;
        let excluded = machine.file.excluded.get(nth).ok_or(Code::INVALID_ARGUMENT)?;
        info.set(sys::nvmlExcludedDeviceInfo_st {
            pciInfo: pci_info(&excluded.pci, None)?,
            uuid: field(excluded.uuid.as_str()),
        })
    };
    fn nvmlUnitGetCount(count: Out<u32>) = |_| count.set(0);
    fn nvmlSystemGetConfComputeState(state: Out<sys::nvmlConfComputeSystemState_t>) =
        |_| state.set(sys::nvmlConfComputeSystemState_t { environment: 0, ccFeature: 0, devToolsMode: 0 });
}

/// The program of a process of this machine, as its own command line names it.
fn command(pid: u32) -> Option<String> {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let first = line.split(|byte| *byte == 0).next().filter(|first| !first.is_empty())?;
    Some(String::from_utf8_lossy(first).into_owned())
}

/// `13.1` as 13010.
fn cuda_version(text: &str) -> Answer<i32> {
    let (major, minor) = text.split_once('.').ok_or(Code::UNKNOWN)?;
    let number = |digits: &str| digits.parse::<i32>().map_err(|_| Code::UNKNOWN);
    Ok(number(major)? * 1000 + number(minor)? * 10)
}

fn error_text(code: i32) -> &'static CStr {
    match code {
        0 => c"Success",
        1 => c"Uninitialized",
        2 => c"Invalid Argument",
        3 => c"Not Supported",
        4 => c"Insufficient Permissions",
        5 => c"Already Initialized",
        6 => c"Not Found",
        7 => c"Insufficient Size",
        8 => c"Insufficient External Power",
        9 => c"Driver Not Loaded",
        10 => c"Timeout",
        11 => c"Interrupt Request Issue",
        12 => c"NVML Shared Library Not Found",
        13 => c"Function Not Found",
        14 => c"Corrupted infoROM",
        15 => c"GPU is lost",
        16 => c"GPU requires restart",
        17 => c"The operating system has blocked the request.",
        18 => c"Driver/library version mismatch",
        19 => c"In use by another client",
        20 => c"Insufficient Memory",
        21 => c"No data",
        22 => c"The requested vgpu operation is not available on the target device, becasue ECC is enabled",
        23 => c"Insufficient Resources",
        24 => c"Frequency not supported",
        25 => c"Argument version mismatch",
        26 => c"Deprecated",
        27 => c"Not Ready",
        28 => c"GPU Not Found",
        29 => c"Invalid State",
        30 => c"Reset Type Not Supported",
        999 => c"Unknown Error",
        _ => c"Unknown Error Code",
    }
}
