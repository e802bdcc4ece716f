//! The only unsafe part: memory that belongs to the caller, the plain structures of nvml.h, and the operating system.

use std::cell::Cell;
use std::ffi::{CStr, c_char};
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, Ordering};

use nvml_wrapper_sys::bindings as sys;

/// A return code of the library (`nvmlReturn_t`) other than success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Code(pub(crate) i32);

impl Code {
    pub(crate) const UNINITIALIZED: Self = Self(1);
    pub(crate) const INVALID_ARGUMENT: Self = Self(2);
    pub(crate) const NOT_SUPPORTED: Self = Self(3);
    pub(crate) const NOT_FOUND: Self = Self(6);
    pub(crate) const INSUFFICIENT_SIZE: Self = Self(7);
    pub(crate) const TIMEOUT: Self = Self(10);
    pub(crate) const FUNCTION_NOT_FOUND: Self = Self(13);
    pub(crate) const CORRUPTED_INFOROM: Self = Self(14);
    pub(crate) const GPU_IS_LOST: Self = Self(15);
    pub(crate) const ARGUMENT_VERSION_MISMATCH: Self = Self(25);
    pub(crate) const UNKNOWN: Self = Self(999);
}

/// What a call answers.
pub(crate) type Answer<T = ()> = Result<T, Code>;

/// What the library answers where there is no value (`NVML_VALUE_NOT_AVAILABLE`).
pub(crate) const NOT_AVAILABLE: u64 = u64::MAX;

/// Whether any function is asked to answer with that value.
static SENTINELS: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// Whether the function that runs in this thread is.
    static SENTINEL: Cell<bool> = const { Cell::new(false) };
}

/// From now on functions may be asked to answer [`NOT_AVAILABLE`].
pub(crate) fn expect_sentinels() {
    SENTINELS.store(true, Ordering::Relaxed);
}

/// Asks the function that runs in this thread to answer [`NOT_AVAILABLE`] where it answers 64 bits, or no longer.
pub(crate) fn answer_sentinel(on: bool) {
    SENTINEL.set(on);
}

/// Plain data: any bytes are a value of it.
///
/// # Safety
/// The type holds integers, floating-point numbers, raw pointers, and arrays, structures and unions of those only.
pub(crate) unsafe trait Plain: Copy {
    /// The same value with all its figures not available.
    #[must_use]
    fn unavailable(self) -> Self {
        self
    }
}

macro_rules! plain {
    ($($type:ty,)*) => {
        // SAFETY: integers, and structures of nvml.h that hold nothing but plain data.
        $(unsafe impl Plain for $type {})*
    };
}

plain! {
    i8, u8, u16, u32, i32,
    sys::nvmlPciInfo_t, sys::nvmlPciInfoExt_t, sys::nvmlUtilization_t, sys::nvmlProcessDetailList_t,
    sys::nvmlDeviceAttributes_t, sys::nvmlC2cModeInfo_v1_t, sys::nvmlDeviceAddressingMode_t, sys::nvmlRepairStatus_t,
    sys::nvmlRowRemapperHistogramValues_t, sys::nvmlSample_t, sys::nvmlViolationTime_t, sys::nvmlGpuThermalSettings_t,
    sys::nvmlUUID_t, sys::nvmlValue_t, sys::nvmlMarginTemperature_t, sys::nvmlFanSpeedInfo_t, sys::nvmlProcessUtilizationSample_t,
    sys::nvmlProcessUtilizationInfo_v1_t, sys::nvmlProcessesUtilizationInfo_t, sys::nvmlEccSramErrorStatus_t,
    sys::nvmlEccErrorCounts_t, sys::nvmlPlatformInfo_v1_t, sys::nvmlPlatformInfo_v2_t, sys::nvmlFieldValue_t,
    sys::nvmlEventData_t, sys::nvmlSystemEventSetCreateRequest_t, sys::nvmlSystemEventSetFreeRequest_t,
    sys::nvmlSystemRegisterEventRequest_t, sys::nvmlSystemEventSetWaitRequest_t, sys::nvmlSystemEventData_v1_t,
    sys::nvmlAccountingStats_t, sys::nvmlConfComputeMemSizeInfo_t, sys::nvmlGpuFabricInfo_t,
    sys::nvmlGpuFabricInfo_v2_t, sys::nvmlGpuFabricInfo_v3_t, sys::nvmlSystemDriverBranchInfo_t,
    sys::nvmlTemperature_t, sys::nvmlNvLinkInfo_v1_t, sys::nvmlNvLinkInfo_v2_t, sys::nvmlExcludedDeviceInfo_t,
    sys::nvmlGpuInstancePlacement_t, sys::nvmlGpuInstanceProfileInfo_t, sys::nvmlGpuInstanceProfileInfo_v2_t,
    sys::nvmlGpuInstanceProfileInfo_v3_t, sys::nvmlGpuInstanceInfo_t, sys::nvmlComputeInstancePlacement_t,
    sys::nvmlComputeInstanceProfileInfo_t, sys::nvmlComputeInstanceProfileInfo_v2_t,
    sys::nvmlComputeInstanceProfileInfo_v3_t, sys::nvmlComputeInstanceInfo_t, sys::nvmlGpmMetric_t,
    sys::nvmlGpmSupport_t, sys::nvmlGpuDynamicPstatesInfo_t, sys::nvmlConfComputeSystemState_t,
    crate::calls::ecc::RemappedRows, crate::calls::events::FirstEventData, crate::calls::gpm::Query,
}

/// Plain data of which some fields can be [`NOT_AVAILABLE`].
macro_rules! figures {
    ($($type:ty { $($field:ident)* })*) => {
        $(
            // SAFETY: structures of nvml.h that hold nothing but integers.
            unsafe impl Plain for $type {
                fn unavailable(mut self) -> Self {
                    $(self.$field = NOT_AVAILABLE;)*
                    self
                }
            }
        )*
    };
}

figures! {
    sys::nvmlMemory_t { total free used }
    sys::nvmlMemory_v2_t { total reserved free used }
    sys::nvmlBAR1Memory_t { bar1Total bar1Free bar1Used }
    sys::nvmlProcessInfo_v1_t { usedGpuMemory }
    sys::nvmlProcessInfo_v2_t { usedGpuMemory }
    sys::nvmlProcessDetail_v1_t { usedGpuMemory usedGpuCcProtectedMemory }
}

// SAFETY: an integer.
unsafe impl Plain for u64 {
    fn unavailable(self) -> Self {
        NOT_AVAILABLE
    }
}

// SAFETY: raw pointers.
unsafe impl<T> Plain for *const T {}
// SAFETY: raw pointers.
unsafe impl<T> Plain for *mut T {}

/// A value of which every byte is zero.
pub(crate) fn blank<T: Plain>() -> T {
    // SAFETY: any bytes are a value of plain data.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

/// A pointer that the caller passed for the answer; null is refused.
///
/// Only a caller from C makes one, and nvml.h asks of that caller that it is null or points at writable memory of the
/// type (or of as many of them as the call's length or count says). All unsafe blocks below stand on that promise.
#[repr(transparent)]
pub(crate) struct Out<T>(*mut T);

impl<T: Plain> Out<T> {
    /// A pointer that the caller passed inside a structure, or a place of the tests.
    pub(crate) fn at(pointer: *mut T) -> Self {
        Self(pointer)
    }

    #[cfg(test)]
    pub(crate) fn to(place: &mut T) -> Self {
        Self(place)
    }

    #[cfg(test)]
    pub(crate) fn null() -> Self {
        Self(std::ptr::null_mut())
    }

    /// The same place as one of another type, which the caller means by the version that it wrote there.
    pub(crate) fn cast<U: Plain>(&self) -> Out<U> {
        Out(self.0.cast())
    }

    /// The place of the value `n` places further on, in a list of the caller's.
    pub(crate) fn nth(&self, n: usize) -> Self {
        Self(if self.0.is_null() { self.0 } else { self.0.wrapping_add(n) })
    }

    pub(crate) fn is_null(&self) -> bool {
        self.0.is_null()
    }

    pub(crate) fn check(&self) -> Answer {
        if self.0.is_null() { Err(Code::INVALID_ARGUMENT) } else { Ok(()) }
    }

    pub(crate) fn get(&self) -> Answer<T> {
        self.check()?;
        // SAFETY: not null, so by the caller's promise it points at a value of this type, which is plain data.
        Ok(unsafe { self.0.read_unaligned() })
    }

    pub(crate) fn set(&self, value: T) -> Answer {
        self.check()?;
        let sentinel = SENTINELS.load(Ordering::Relaxed) && SENTINEL.get();
        let value = if sentinel { value.unavailable() } else { value };
        // SAFETY: not null, so by the caller's promise it points at writable memory of this type.
        unsafe { self.0.write_unaligned(value) };
        Ok(())
    }

    /// The version that the caller wrote at the beginning of a structure.
    pub(crate) fn version(&self) -> Answer<u32> {
        self.cast::<u32>().get()
    }

    /// The structure, if the caller means this generation of it.
    pub(crate) fn versioned(&self, generation: u32) -> Answer<T> {
        if self.version()? == version::<T>(generation) { self.get() } else { Err(Code::ARGUMENT_VERSION_MISMATCH) }
    }

    /// Writes all the values; the caller of this function has compared their number with the room that there is.
    pub(crate) fn fill(&self, values: &[T]) -> Answer {
        for (n, value) in values.iter().enumerate() {
            self.nth(n).set(*value)?;
        }
        self.check()
    }

    /// Answers a list in two calls: too little room answers how much is needed. `count` holds the room, then the
    /// number of values.
    pub(crate) fn list(&self, count: &Out<u32>, values: &[T]) -> Answer {
        let room = count.get()?;
        let needed = u32::try_from(values.len()).map_err(|_| Code::UNKNOWN)?;
        count.set(needed)?;
        match needed {
            0 => Ok(()),
            _ if room < needed => Err(Code::INSUFFICIENT_SIZE),
            _ => self.fill(values),
        }
    }

    /// Answers a list whose number is asked for with a count of zero, which is no error.
    pub(crate) fn list_or_count(&self, count: &Out<u32>, values: &[T]) -> Answer {
        let room = usize::try_from(count.get()?).map_err(|_| Code::UNKNOWN)?;
        let number = u32::try_from(values.len()).map_err(|_| Code::UNKNOWN)?;
        if room == 0 {
            return count.set(number);
        }
        self.check()?;
        let fitting = &values[..values.len().min(room)];
        count.set(u32::try_from(fitting.len()).map_err(|_| Code::UNKNOWN)?)?;
        self.fill(fitting)
    }
}

impl Out<c_char> {
    /// Writes a text with its closing zero.
    pub(crate) fn text(&self, length: u32, text: &str) -> Answer {
        self.check()?;
        if usize::try_from(length).is_ok_and(|room| text.len() < room) {
            self.whole(text)
        } else {
            Err(Code::INSUFFICIENT_SIZE)
        }
    }

    /// Writes a text with its closing zero into a field whose size nvml.h fixes.
    pub(crate) fn whole(&self, text: &str) -> Answer {
        self.check()?;
        let bytes = text.bytes().chain([0]);
        bytes.enumerate().try_for_each(|(n, byte)| self.nth(n).set(byte.cast_signed() as c_char))
    }
}

/// A text that the caller passed; null is refused.
#[repr(transparent)]
pub(crate) struct Text(*const c_char);

impl Text {
    #[cfg(test)]
    pub(crate) fn from(text: &'static CStr) -> Self {
        Self(text.as_ptr())
    }

    pub(crate) fn get(&self) -> Answer<&str> {
        if self.0.is_null() {
            return Err(Code::INVALID_ARGUMENT);
        }
        // SAFETY: not null, so by the promise that nvml.h asks of the caller it points at a text with a closing zero.
        let text = unsafe { CStr::from_ptr(self.0) };
        text.to_str().map_err(|_| Code::INVALID_ARGUMENT)
    }
}

/// The bytes of the UUID that a caller asks for: text or binary.
pub(crate) fn uuid_bytes(uuid: &sys::nvmlUUID_t) -> [u8; 41] {
    // SAFETY: both members of the union are bytes, and the longer one is read, of which the caller has set all or,
    // for the binary form, the first sixteen.
    unsafe { uuid.value.str_ }.map(c_char::cast_unsigned)
}

/// The text of a fixed-size field, cut where it does not fit, always with a closing zero.
pub(crate) fn field<const N: usize>(text: &str) -> [c_char; N] {
    let mut field = [0; N];
    for (place, byte) in field.iter_mut().take(N - 1).zip(text.bytes()) {
        *place = byte.cast_signed() as c_char;
    }
    field
}

/// The version number of a structure: its size and its generation (`NVML_STRUCT_VERSION`).
pub(crate) const fn version<T>(generation: u32) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "the structures of nvml.h have less than 16 MiB")]
    let size = size_of::<T>() as u32;
    size | generation << 24
}

unsafe extern "C" {
    fn atexit(function: extern "C" fn()) -> i32;
    safe fn raise(signal: i32) -> i32;
}

#[cfg_attr(test, expect(dead_code, reason = "the tests end their machine themselves"))]
/// Has a function called when the process ends in an orderly way.
pub(crate) fn at_exit(function: extern "C" fn()) {
    // SAFETY: the function is one of this library, which is not unloaded before the process ends: it holds thread
    // local data with destructors.
    unsafe { atexit(function) };
}

/// Ends the process as a wrong address would.
pub(crate) fn crash() -> ! {
    const SIGSEGV: i32 = 11;
    loop {
        raise(SIGSEGV);
    }
}
