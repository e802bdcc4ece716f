//! A simulated `libcuda.so.1`: the functions that NACP's probe asks, answered from a node file. Never installed.

mod ptx;

use std::collections::BTreeMap;
use std::ffi::{c_char, c_int, c_uint};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use nacp_core::sim::{GpuFile, NodeFile};

const SUCCESS: c_int = 0;
const INVALID_VALUE: c_int = 1;
const NOT_INITIALIZED: c_int = 3;
const INVALID_DEVICE: c_int = 101;
const UNKNOWN: c_int = 999;

/// The driver's own names and texts; NUL-terminated, because C reads them.
const ERRORS: [(c_int, &str, &str); 15] = [
    (0, "CUDA_SUCCESS\0", "no error\0"),
    (1, "CUDA_ERROR_INVALID_VALUE\0", "invalid argument\0"),
    (2, "CUDA_ERROR_OUT_OF_MEMORY\0", "out of memory\0"),
    (3, "CUDA_ERROR_NOT_INITIALIZED\0", "initialization error\0"),
    (34, "CUDA_ERROR_STUB_LIBRARY\0", "CUDA driver is a stub library\0"),
    (36, "CUDA_ERROR_CALL_REQUIRES_NEWER_DRIVER\0", "API call requires a newer CUDA driver\0"),
    (46, "CUDA_ERROR_DEVICE_UNAVAILABLE\0", "CUDA-capable device(s) is/are busy or unavailable\0"),
    (100, "CUDA_ERROR_NO_DEVICE\0", "no CUDA-capable device is detected\0"),
    (101, "CUDA_ERROR_INVALID_DEVICE\0", "invalid device ordinal\0"),
    (500, "CUDA_ERROR_NOT_FOUND\0", "named symbol not found\0"),
    (800, "CUDA_ERROR_NOT_PERMITTED\0", "operation not permitted\0"),
    (802, "CUDA_ERROR_SYSTEM_NOT_READY\0", "system not yet initialized\0"),
    (803, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH\0", "system has unsupported display driver / cuda driver combination\0"),
    (804, "CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE\0", "forward compatibility was attempted on non supported HW\0"),
    (999, "CUDA_ERROR_UNKNOWN\0", "unknown error\0"),
];

/// What the environment told when the first function was called.
struct Machine {
    node: NodeFile,
    faults: BTreeMap<String, c_int>,
    started: AtomicBool,
}

fn machine() -> Option<&'static Machine> {
    static MACHINE: OnceLock<Option<Machine>> = OnceLock::new();
    let read = || {
        let node = read_node().inspect_err(|reason| eprintln!("simulated libcuda: {reason}")).ok()?;
        let faults = read_faults().inspect_err(|reason| eprintln!("simulated libcuda: {reason}")).ok()?;
        Some(Machine { node, faults, started: AtomicBool::new(false) })
    };
    MACHINE.get_or_init(read).as_ref()
}

fn read_node() -> Result<NodeFile, String> {
    let wanted = std::env::var("NACP_SIM_NODE").unwrap_or_else(|_| "rtx3050ti-laptop-wsl2".into());
    if wanted.contains('/') || wanted.ends_with(".json") {
        let text = std::fs::read_to_string(&wanted).map_err(|error| format!("{wanted}: {error}"))?;
        return NodeFile::parse(&text).map_err(|error| error.to_string());
    }
    NodeFile::shipped(&wanted).map_err(|error| error.to_string())
}

fn read_faults() -> Result<BTreeMap<String, c_int>, String> {
    let text = std::env::var("NACP_SIM_CUDA_FAULTS").unwrap_or_default();
    let items = text.split(',').filter(|item| !item.trim().is_empty());
    items
        .map(|item| {
            let (call, code) = item.split_once('=').ok_or_else(|| format!("not CALL=CODE: {item}"))?;
            let code = code.trim().parse().map_err(|_| format!("not a number: {item}"))?;
            Ok((call.trim().to_string(), code))
        })
        .collect()
}

/// Runs one function: its fault if the environment names one, else its body; a panic is `CUDA_ERROR_UNKNOWN`.
fn entry(call: &str, body: impl FnOnce(&Machine) -> Result<(), c_int>) -> c_int {
    let run = || {
        let machine = machine().ok_or(UNKNOWN)?;
        match machine.faults.get(call) {
            Some(code) => Err(*code),
            None => body(machine),
        }
    };
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(())) => SUCCESS,
        Ok(Err(code)) => code,
        Err(_) => UNKNOWN,
    }
}

impl Machine {
    fn started(&self) -> Result<&Self, c_int> {
        if self.started.load(Ordering::Acquire) { Ok(self) } else { Err(NOT_INITIALIZED) }
    }

    /// A device's handle is its position.
    fn gpu(&self, device: c_int) -> Result<&GpuFile, c_int> {
        let position = usize::try_from(device).map_err(|_| INVALID_DEVICE)?;
        self.started()?.node.gpus.get(position).ok_or(INVALID_DEVICE)
    }
}

/// Leaves a value at the caller's address.
fn put<T>(address: *mut T, value: T) -> Result<(), c_int> {
    if address.is_null() {
        return Err(INVALID_VALUE);
    }
    // SAFETY: not null, and by the contract of the driver's API it points to a writable value of this type.
    unsafe { address.write(value) };
    Ok(())
}

/// Leaves text with its end mark in the caller's buffer. What does not fit is cut off, or refused where `whole`.
fn put_text(buffer: *mut c_char, length: c_int, text: &str, whole: bool) -> Result<(), c_int> {
    let room = usize::try_from(length).ok().and_then(|length| length.checked_sub(1)).ok_or(INVALID_VALUE)?;
    if buffer.is_null() || (whole && text.len() > room) {
        return Err(INVALID_VALUE);
    }
    let bytes = &text.as_bytes()[..text.len().min(room)];
    for (offset, byte) in bytes.iter().chain(&[0]).enumerate() {
        // SAFETY: at most `room` + 1 = `length` characters, which the caller says are there.
        let place = unsafe { buffer.add(offset) };
        // SAFETY: as above.
        unsafe { place.write(byte.cast_signed() as c_char) };
    }
    Ok(())
}

/// Starts the simulated driver.
#[unsafe(no_mangle)]
pub extern "C" fn cuInit(flags: c_uint) -> c_int {
    entry("cuInit", |machine| {
        if flags != 0 {
            return Err(INVALID_VALUE);
        }
        machine.started.store(true, Ordering::Release);
        Ok(())
    })
}

/// The node's CUDA version as a number.
///
/// # Safety
/// `version` is null or points to an int.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDriverGetVersion(version: *mut c_int) -> c_int {
    entry("cuDriverGetVersion", |machine| {
        let (major, minor) = machine.node.cuda.split_once('.').ok_or(UNKNOWN)?;
        let number = |text: &str| text.parse::<c_int>().map_err(|_| UNKNOWN);
        put(version, number(major)? * 1000 + number(minor)? * 10)
    })
}

/// How many GPUs the node has.
///
/// # Safety
/// `count` is null or points to an int.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetCount(count: *mut c_int) -> c_int {
    entry("cuDeviceGetCount", |machine| {
        put(count, c_int::try_from(machine.started()?.node.gpus.len()).map_err(|_| UNKNOWN)?)
    })
}

/// The handle of the GPU at a position.
///
/// # Safety
/// `device` is null or points to an int.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGet(device: *mut c_int, ordinal: c_int) -> c_int {
    entry("cuDeviceGet", |machine| machine.gpu(ordinal).and_then(|_| put(device, ordinal)))
}

/// The GPU's name, cut off where the buffer ends.
///
/// # Safety
/// `name` is null or points to `length` characters.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetName(name: *mut c_char, length: c_int, device: c_int) -> c_int {
    entry("cuDeviceGetName", |machine| put_text(name, length, &machine.gpu(device)?.name, false))
}

fn uuid(machine: &Machine, address: *mut [u8; 16], device: c_int) -> Result<(), c_int> {
    let text = machine.gpu(device)?.uuid.as_str();
    let digits: String = text.chars().skip("GPU-".len()).filter(char::is_ascii_hexdigit).collect();
    let number = u128::from_str_radix(&digits, 16).map_err(|_| UNKNOWN)?;
    put(address, number.to_be_bytes())
}

/// The GPU's UUID.
///
/// # Safety
/// `uuid_bytes` is null or points to sixteen bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetUuid(uuid_bytes: *mut [u8; 16], device: c_int) -> c_int {
    entry("cuDeviceGetUuid", |machine| uuid(machine, uuid_bytes, device))
}

/// The GPU's UUID, or the MIG device's.
///
/// # Safety
/// `uuid_bytes` is null or points to sixteen bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetUuid_v2(uuid_bytes: *mut [u8; 16], device: c_int) -> c_int {
    entry("cuDeviceGetUuid_v2", |machine| uuid(machine, uuid_bytes, device))
}

/// The memory that programs can use: all but what the driver reserves.
///
/// # Safety
/// `bytes` is null or points to a `size_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceTotalMem_v2(bytes: *mut usize, device: c_int) -> c_int {
    entry("cuDeviceTotalMem_v2", |machine| {
        let memory = machine.gpu(device)?.memory;
        put(bytes, usize::try_from(memory.total.saturating_sub(memory.reserved).0).map_err(|_| UNKNOWN)?)
    })
}

/// The GPU's PCI address, with four digits of the domain.
///
/// # Safety
/// `address` is null or points to `length` characters.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetPCIBusId(address: *mut c_char, length: c_int, device: c_int) -> c_int {
    entry("cuDeviceGetPCIBusId", |machine| {
        let pci = &machine.gpu(device)?.pci;
        put_text(address, length, pci.strip_prefix("0000").unwrap_or(pci), true)
    })
}

/// One attribute of a GPU; the few that a node file tells.
///
/// # Safety
/// `value` is null or points to an int.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetAttribute(value: *mut c_int, attribute: c_int, device: c_int) -> c_int {
    entry("cuDeviceGetAttribute", |machine| {
        let gpu = machine.gpu(device)?;
        let answer = match attribute {
            16 => gpu.multiprocessors,
            20 => 0, // compute mode: default
            75 => gpu.compute.major,
            76 => gpu.compute.minor,
            _ => return Err(INVALID_VALUE),
        };
        put(value, c_int::try_from(answer).map_err(|_| UNKNOWN)?)
    })
}

fn put_static(address: *mut *const c_char, text: Option<&'static str>) -> Result<(), c_int> {
    put(address, text.map_or(std::ptr::null(), |text| text.as_ptr().cast()))?;
    text.map(|_| ()).ok_or(INVALID_VALUE)
}

/// The name of an error; null and `CUDA_ERROR_INVALID_VALUE` for a number that the driver does not know.
///
/// # Safety
/// `name` is null or points to a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGetErrorName(code: c_int, name: *mut *const c_char) -> c_int {
    let row = ERRORS.iter().find(|(known, ..)| *known == code);
    entry("cuGetErrorName", |_| put_static(name, row.map(|(_, name, _)| *name)))
}

/// The text of an error; null and `CUDA_ERROR_INVALID_VALUE` for a number that the driver does not know.
///
/// # Safety
/// `text` is null or points to a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGetErrorString(code: c_int, text: *mut *const c_char) -> c_int {
    let row = ERRORS.iter().find(|(known, ..)| *known == code);
    entry("cuGetErrorString", |_| put_static(text, row.map(|(.., text)| *text)))
}

/// By this function NACP knows that nothing here is real.
#[unsafe(no_mangle)]
pub extern "C" fn nacp_simulated_cuda() -> c_int {
    1
}
