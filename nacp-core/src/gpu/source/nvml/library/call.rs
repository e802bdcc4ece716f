//! How a function of the library is called: the second of the core's two files that call foreign code by themselves.
//!
//! Every call goes through a function pointer that was looked up when the library was opened, takes what is asked for by
//! value, and gives back by value what the library wrote, or has it written where a reference says. So nothing outside
//! this file sees a pointer.
#![expect(unsafe_code, reason = "calls the functions of a foreign library")]

use std::ffi::{c_char, c_uint};
use std::fmt;

use nvml_wrapper_sys::bindings::{
    nvmlBAR1Memory_t, nvmlC2cModeInfo_v1_t, nvmlConfComputeMemSizeInfo_t, nvmlDevice_t, nvmlDeviceAddressingMode_v1_t,
    nvmlDeviceAttributes_t, nvmlEccSramErrorStatus_v1_t, nvmlEventData_t, nvmlEventSet_t, nvmlFanSpeedInfo_v1_t,
    nvmlFieldValue_t, nvmlGpmMetricsGet_t, nvmlGpmSample_t, nvmlGpmSupport_t, nvmlGpuFabricInfo_t,
    nvmlGpuFabricInfo_v2_t, nvmlGpuFabricInfo_v3_t, nvmlGpuInstance_t, nvmlGpuInstanceInfo_t,
    nvmlGpuInstancePlacement_t, nvmlGpuInstanceProfileInfo_t, nvmlGpuInstanceProfileInfo_v2_t,
    nvmlMarginTemperature_v1_t, nvmlMemory_t, nvmlMemory_v2_t, nvmlPciInfo_t, nvmlPlatformInfo_v1_t,
    nvmlPlatformInfo_v2_t, nvmlProcessInfo_v1_t, nvmlProcessInfo_v2_t, nvmlProcessUtilizationSample_t, nvmlReturn_t,
    nvmlTemperature_v1_t, nvmlUtilization_t, nvmlValue_t,
};

use super::code::{Answer, Code};
use super::{Calls, Choice, Ear};

/// Something that the library is asked with.
pub(super) trait In: Copy {
    type Raw;
    fn raw(self) -> Self::Raw;
    /// What it asks for; nothing for the handle of whom is asked.
    fn text(self) -> Option<String>;
}

/// Something that the library answers with.
pub(super) trait Out: Sized {
    type Raw;
    /// What it is before the library writes it, with the version of the structure where it has one.
    const BLANK: Self::Raw;
    fn from_raw(raw: Self::Raw) -> Self;
}

macro_rules! numbers {
    ($($type:ty),*) => {$(
        impl In for $type {
            type Raw = Self;
            #[inline]
            fn raw(self) -> Self { self }
            fn text(self) -> Option<String> { Some(self.to_string()) }
        }

        impl Out for $type {
            type Raw = Self;
            const BLANK: Self = 0;
            #[inline]
            fn from_raw(raw: Self) -> Self { raw }
        }
    )*};
}

numbers!(u32, i32, u64);

impl In for Choice {
    type Raw = u32;

    #[inline]
    fn raw(self) -> u32 {
        self.code
    }

    fn text(self) -> Option<String> {
        Some(self.name.to_owned())
    }
}

macro_rules! handles {
    ($($(#[$doc:meta])* $name:ident: $raw:ty,)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(transparent)]
        pub(in crate::gpu::source::nvml) struct $name($raw);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("handle")
            }
        }

        #[cfg(test)]
        impl $name {
            /// A handle that no library gave.
            #[allow(dead_code, reason = "not every kind is needed")]
            pub(in crate::gpu::source::nvml) fn number(number: u32) -> Self {
                Self(std::ptr::without_provenance_mut(number.try_into().unwrap()))
            }
        }

        // SAFETY: it is only handed to the library, which NVIDIA documents as safe to call from any thread.
        unsafe impl Send for $name {}
        // SAFETY: as above; nobody reads through it.
        unsafe impl Sync for $name {}

        impl In for $name {
            type Raw = $raw;
            #[inline]
            fn raw(self) -> $raw { self.0 }
            fn text(self) -> Option<String> { None }
        }

        impl Out for $name {
            type Raw = $raw;
            const BLANK: $raw = std::ptr::null_mut();
            #[inline]
            fn from_raw(raw: $raw) -> Self { Self(raw) }
        }
    )*};
}

handles! {
    /// A GPU, or a partition of one that programs can use.
    Device: nvmlDevice_t,
    /// A part of a GPU's memory and multiprocessors.
    GpuInstance: nvmlGpuInstance_t,
    /// A set of events that are waited for.
    RawEventSet: nvmlEventSet_t,
    /// A sample of the counters within a chip.
    RawGpmSample: nvmlGpmSample_t,
}

macro_rules! structures {
    ($($name:ident $(: $version:expr)?,)*) => {$(
        impl Out for $name {
            type Raw = Self;
            const BLANK: Self = {
                #[allow(unused_mut, reason = "some have no version")]
                // SAFETY: a structure of C with numbers, pointers and arrays of them: all zeros are a value of it.
                let mut blank: Self = unsafe { std::mem::zeroed() };
                $(blank.version = $version(size_of::<Self>());)?
                blank
            };
            #[inline]
            fn from_raw(raw: Self) -> Self { raw }
        }
    )*};
}

/// The version field of a structure: its size, and the version in the highest byte.
const fn versioned<const VERSION: u32>(size: usize) -> u32 {
    assert!(size < 1 << 24);
    #[expect(clippy::cast_possible_truncation, reason = "checked when it is compiled")]
    let size = size as u32;
    size | VERSION << 24
}

/// The version field of the structures of GPM, which do not have their size in it.
const fn plain<const VERSION: u32>(_: usize) -> u32 {
    VERSION
}

structures! {
    nvmlBAR1Memory_t,
    nvmlC2cModeInfo_v1_t,
    nvmlConfComputeMemSizeInfo_t,
    nvmlDeviceAddressingMode_v1_t: versioned::<1>,
    nvmlDeviceAttributes_t,
    nvmlEccSramErrorStatus_v1_t: versioned::<1>,
    nvmlEventData_t,
    nvmlFanSpeedInfo_v1_t: versioned::<1>,
    nvmlFieldValue_t,
    nvmlGpmMetricsGet_t: plain::<1>,
    nvmlGpmSupport_t: plain::<1>,
    nvmlGpuFabricInfo_t,
    nvmlGpuFabricInfo_v2_t: versioned::<2>,
    nvmlGpuFabricInfo_v3_t: versioned::<3>,
    nvmlGpuInstanceInfo_t,
    nvmlGpuInstancePlacement_t,
    nvmlGpuInstanceProfileInfo_t,
    nvmlGpuInstanceProfileInfo_v2_t: versioned::<2>,
    nvmlMarginTemperature_v1_t: versioned::<1>,
    nvmlMemory_t,
    nvmlMemory_v2_t: versioned::<2>,
    nvmlPciInfo_t,
    nvmlPlatformInfo_v1_t: versioned::<1>,
    nvmlPlatformInfo_v2_t: versioned::<2>,
    nvmlProcessInfo_v1_t,
    nvmlProcessInfo_v2_t,
    nvmlProcessUtilizationSample_t,
    nvmlTemperature_v1_t: versioned::<1>,
    nvmlUtilization_t,
}

impl Code {
    /// What a function returned.
    #[inline]
    pub(super) fn answer(code: nvmlReturn_t) -> Answer<()> {
        if code == 0 { Ok(()) } else { Err(Self::of(code)) }
    }

    #[cold]
    fn of(code: nvmlReturn_t) -> Self {
        Self(i32::try_from(code).unwrap_or(i32::MAX))
    }
}

/// Calls a function of the library, which may be missing.
macro_rules! invoke {
    ($self:ident.$symbol:ident($($argument:expr),* $(,)?)) => {
        match &$self.functions.$symbol {
            Ok(function) => {
                // SAFETY: it is the library's function of this name, which has this signature in nvml.h; the library
                // stays loaded while `self` borrows it; every pointer is to a live value of its type, or to as many
                // as the length beside it says. Where libraries differ in the size of what they write under one name,
                // the caller has chosen a name under which they do not.
                Code::answer(unsafe { function($($argument),*) })
            }
            Err(_) => Err(Code::FUNCTION_NOT_FOUND),
        }
    };
}
pub(super) use invoke;

/// One method a line: what is asked with, what is answered, and the function. An answer of several values is a tuple.
macro_rules! calls {
    ($($name:ident($($argument:ident: $type:ty),*) -> [$($out:ident: $value:ty),*] = $symbol:ident;)*) => {$(
        #[expect(unsafe_code, reason = "calls a function of the library; see `invoke`")]
        #[allow(unused_parens, reason = "one value is no tuple")]
        #[inline]
        pub(in crate::gpu::source::nvml) fn $name(&self $(, $argument: $type)*) -> Answer<($($value),*)> {
            $(let mut $out = <$value as Out>::BLANK;)*
            let code = invoke!(self.$symbol($(In::raw($argument),)* $(&raw mut $out),*));
            let answer = code.map(|()| ($(<$value as Out>::from_raw($out)),*));
            self.ear.heard(stringify!($symbol), || words([$(In::text($argument)),*]), &answer);
            answer
        }
    )*};
}
pub(super) use calls;

/// One method a line, as above, for what most ticks ask: the function writes where the caller says. These functions lie
/// side by side in a table of their own, with one that says so in the place of each that the library lacks.
macro_rules! often {
    ($($name:ident($($argument:ident: $type:ty),*) -> [$($out:ident: $value:ty),*] = $symbol:ident;)*) => {
        /// The functions that most ticks call.
        pub(super) struct Often {
            $($name: unsafe extern "C" fn($(<$type as In>::Raw,)* $(*mut $value),*) -> nvmlReturn_t,)*
        }

        impl Often {
            fn of(functions: &NvmlLib) -> Self {
                $(
                    extern "C" fn $name($(_: <$type as In>::Raw,)* $(_: *mut $value),*) -> nvmlReturn_t {
                        nvmlReturn_enum_NVML_ERROR_FUNCTION_NOT_FOUND
                    }
                )*
                Self { $($name: match &functions.$symbol { Ok(found) => *found, Err(_) => $name },)* }
            }
        }

        impl<E: Ear> Calls<'_, E> {
            $(
                #[expect(unsafe_code, reason = "calls a function of the library; see `invoke`")]
                #[allow(unused_parens, reason = "one value is no tuple")]
                #[inline]
                pub(in crate::gpu::source::nvml) fn $name(
                    &self $(, $argument: $type)* $(, $out: &mut $value)*
                ) -> Answer<()> {
                    // SAFETY: as for `invoke`.
                    let answer = Code::answer(unsafe { (self.often.$name)($(In::raw($argument),)* $(&raw mut *$out),*) });
                    let told = answer.map(|()| ($(*$out),*));
                    self.ear.heard(stringify!($symbol), || words([$(In::text($argument)),*]), &told);
                    answer
                }
            )*
        }
    };
}
pub(super) use often;

/// One method a line, for functions that write a text of limited length.
macro_rules! texts {
    ($($name:ident($($argument:ident: $type:ty),*): $length:literal = $symbol:ident;)*) => {$(
        #[expect(unsafe_code, reason = "calls a function of the library; see `invoke`")]
        pub(in crate::gpu::source::nvml) fn $name(&self $(, $argument: $type)*) -> Answer<String> {
            let mut buffer = [0; $length];
            let code = invoke!(self.$symbol($(In::raw($argument),)* buffer.as_mut_ptr(), $length));
            let answer = code.map(|()| text(&buffer));
            self.ear.heard(stringify!($symbol), || words([$(In::text($argument)),*]), &answer);
            answer
        }
    )*};
}
pub(super) use texts;

/// What was asked for, in words.
pub(super) fn words<const N: usize>(arguments: [Option<String>; N]) -> String {
    arguments.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// The text in a buffer, up to its end or that of the buffer.
pub(in crate::gpu::source::nvml) fn text(buffer: &[c_char]) -> String {
    let bytes: Vec<u8> = buffer.iter().take_while(|byte| **byte != 0).map(|byte| byte.to_ne_bytes()[0]).collect();
    String::from_utf8_lossy(&bytes).trim().to_owned()
}

impl<E: Ear> Calls<'_, E> {
    /// A fan's speed in turns a minute.
    pub(in crate::gpu::source::nvml) fn fan_rpm(&self, device: Device, fan: u32) -> Answer<u32> {
        let mut info = nvmlFanSpeedInfo_v1_t { fan, ..nvmlFanSpeedInfo_v1_t::BLANK };
        let answer = invoke!(self.nvmlDeviceGetFanSpeedRPM(In::raw(device), &raw mut info)).map(|()| info.speed);
        self.ear.heard("nvmlDeviceGetFanSpeedRPM", || format!("fan {fan}"), &answer);
        answer
    }

    /// How many pages are retired for one cause. The addresses are not asked for.
    pub(in crate::gpu::source::nvml) fn retired_pages(&self, device: Device, cause: Choice) -> Answer<u32> {
        let mut count = 0;
        let (addresses, times) = (std::ptr::null_mut(), std::ptr::null_mut());
        let code =
            invoke!(self.nvmlDeviceGetRetiredPages_v2(In::raw(device), cause.code, &raw mut count, addresses, times));
        let mut answer = retired(code, count);
        self.ear.heard("nvmlDeviceGetRetiredPages_v2", || cause.name.to_owned(), &answer);
        if answer.is_err_and(Code::is_too_new) {
            let code = invoke!(self.nvmlDeviceGetRetiredPages(In::raw(device), cause.code, &raw mut count, addresses));
            answer = retired(code, count);
            self.ear.heard("nvmlDeviceGetRetiredPages", || cause.name.to_owned(), &answer);
        }
        answer
    }

    /// The version of the firmware of a GPU's system processor.
    pub(in crate::gpu::source::nvml) fn gsp_firmware_version(&self, device: Device) -> Answer<String> {
        // NVML_GSP_FIRMWARE_VERSION_BUF_SIZE; the function is not told how much room there is.
        let mut buffer = [0; 64];
        let answer =
            invoke!(self.nvmlDeviceGetGspFirmwareVersion(In::raw(device), buffer.as_mut_ptr())).map(|()| text(&buffer));
        self.ear.heard("nvmlDeviceGetGspFirmwareVersion", String::new, &answer);
        answer
    }

    /// A GPU's place in a fabric: the newest version that the driver knows, with the health that version 1 lacks.
    pub(in crate::gpu::source::nvml) fn fabric(&self, device: Device) -> Answer<nvmlGpuFabricInfo_v3_t> {
        let newest = {
            let mut info = nvmlGpuFabricInfo_v3_t::BLANK;
            invoke!(self.nvmlDeviceGetGpuFabricInfoV(In::raw(device), &raw mut info)).map(|()| info)
        };
        self.ear.heard("nvmlDeviceGetGpuFabricInfoV", || "version 3".to_owned(), &newest);
        if !newest.is_err_and(Code::is_too_new) {
            return newest;
        }
        // Version 2 is the beginning of version 3, and its number says that no more may be written.
        let second = {
            let version = nvmlGpuFabricInfo_v2_t::BLANK.version;
            let mut info = nvmlGpuFabricInfo_v3_t { version, ..nvmlGpuFabricInfo_v3_t::BLANK };
            invoke!(self.nvmlDeviceGetGpuFabricInfoV(In::raw(device), &raw mut info)).map(|()| info)
        };
        self.ear.heard("nvmlDeviceGetGpuFabricInfoV", || "version 2".to_owned(), &second);
        if !second.is_err_and(Code::is_too_new) {
            return second;
        }
        let first = {
            let mut info = nvmlGpuFabricInfo_t::BLANK;
            invoke!(self.nvmlDeviceGetGpuFabricInfo(In::raw(device), &raw mut info)).map(|()| info)
        };
        self.ear.heard("nvmlDeviceGetGpuFabricInfo", String::new, &first);
        first.map(|first| nvmlGpuFabricInfo_v3_t {
            version: 1,
            clusterUuid: first.clusterUuid,
            status: first.status,
            cliqueId: first.cliqueId,
            state: first.state,
            ..nvmlGpuFabricInfo_v3_t::BLANK
        })
    }

    /// Where a GPU stands in a rack: the newest version that the driver knows.
    pub(in crate::gpu::source::nvml) fn platform(&self, device: Device) -> Answer<nvmlPlatformInfo_v2_t> {
        newest_platform(|version, info| {
            let answer = invoke!(self.nvmlDeviceGetPlatformInfo(In::raw(device), &raw mut *info)).map(|()| *info);
            self.ear.heard("nvmlDeviceGetPlatformInfo", || format!("version {version}"), &answer);
            answer
        })
    }

    /// Waits for an event, at most so many milliseconds. The older function tells no partition.
    pub(in crate::gpu::source::nvml) fn event_set_wait(&self, set: RawEventSet, milliseconds: u32) -> Answer<Told> {
        let mut data = nvmlEventData_t::BLANK;
        let mut answer = invoke!(self.nvmlEventSetWait_v2(In::raw(set), &raw mut data, milliseconds));
        if answer.is_err_and(Code::is_too_new) {
            answer = invoke!(self.nvmlEventSetWait(In::raw(set), &raw mut data, milliseconds));
            (data.gpuInstanceId, data.computeInstanceId) = (u32::MAX, u32::MAX);
        }
        answer.map(|()| Told {
            device: Device(data.device),
            bits: data.eventType,
            data: data.eventData,
            gpu_instance: data.gpuInstanceId,
            compute_instance: data.computeInstanceId,
        })
    }

    /// Works out what happened within a chip between two samples.
    pub(in crate::gpu::source::nvml) fn gpm_metrics(&self, query: &mut GpmQuery) -> Answer<()> {
        let answer = invoke!(self.nvmlGpmMetricsGet(&raw mut *query.0));
        self.ear.heard("nvmlGpmMetricsGet", String::new, &answer);
        answer
    }
}

/// Asks with version 2, and with version 1 where the driver does not know that. The two differ in the names of their
/// members alone, and the number says which of them is meant.
fn newest_platform(
    mut ask: impl FnMut(u32, &mut nvmlPlatformInfo_v2_t) -> Answer<nvmlPlatformInfo_v2_t>,
) -> Answer<nvmlPlatformInfo_v2_t> {
    const { assert!(size_of::<nvmlPlatformInfo_v1_t>() == size_of::<nvmlPlatformInfo_v2_t>()) };
    let mut info = nvmlPlatformInfo_v2_t::BLANK;
    let newest = ask(2, &mut info);
    if !newest.is_err_and(Code::is_too_new) {
        return newest;
    }
    info = nvmlPlatformInfo_v2_t { version: nvmlPlatformInfo_v1_t::BLANK.version, ..nvmlPlatformInfo_v2_t::BLANK };
    ask(1, &mut info)
}

/// What the driver tells of an event (`nvmlEventData_t`).
#[derive(Clone, Copy, Debug)]
pub(in crate::gpu::source::nvml) struct Told {
    pub(in crate::gpu::source::nvml) device: Device,
    pub(in crate::gpu::source::nvml) bits: u64,
    pub(in crate::gpu::source::nvml) data: u64,
    pub(in crate::gpu::source::nvml) gpu_instance: u32,
    pub(in crate::gpu::source::nvml) compute_instance: u32,
}

/// A question about two samples of a chip's counters, with room for the answers.
pub(in crate::gpu::source::nvml) struct GpmQuery(Box<nvmlGpmMetricsGet_t>);

// SAFETY: its pointers are only handed to the library, which NVIDIA documents as safe to call from any thread.
unsafe impl Send for GpmQuery {}

impl GpmQuery {
    /// Asks for these metrics (`nvmlGpmMetricId_t`).
    pub(in crate::gpu::source::nvml) fn new(metrics: &[u32]) -> Self {
        let mut query = Box::new(nvmlGpmMetricsGet_t::BLANK);
        query.numMetrics = 0;
        for (place, id) in query.metrics.iter_mut().zip(metrics) {
            place.metricId = *id;
            query.numMetrics += 1;
        }
        Self(query)
    }

    /// Between which samples: the earlier one first.
    pub(in crate::gpu::source::nvml) fn between(&mut self, earlier: RawGpmSample, later: RawGpmSample) {
        (self.0.sample1, self.0.sample2) = (earlier.0, later.0);
    }

    /// The answer to the metric at this position.
    pub(in crate::gpu::source::nvml) fn answer(&self, at: usize) -> Answer<f64> {
        let metric = self.0.metrics.get(at).ok_or(Code::INVALID_ARGUMENT)?;
        Code::answer(metric.nvmlReturn).map(|()| metric.value)
    }
}

/// The bytes of a number of any of its types.
pub(super) fn bytes(value: nvmlValue_t) -> [u8; 8] {
    // SAFETY: all members of the union are numbers, and all of its bytes were written, at least by zeros.
    unsafe { value.ullVal }.to_ne_bytes()
}

/// The counting call says that the room of none does not suffice.
fn retired(code: Answer<()>, count: c_uint) -> Answer<u32> {
    match code {
        Ok(()) | Err(Code::INSUFFICIENT_SIZE) => Ok(count),
        Err(code) => Err(code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_that_knows_the_first_version_of_the_platform_alone_tells_it() {
        let first = |_, info: &mut nvmlPlatformInfo_v2_t| match info.version {
            0x0100_002C => {
                (info.slotNumber, info.moduleId) = (7, 3);
                Ok(*info)
            }
            _ => Err(Code::ARGUMENT_VERSION_MISMATCH),
        };
        let told = newest_platform(first).map(|info| (info.slotNumber, info.moduleId));
        assert_eq!(told, Ok((7, 3)));
    }

    #[test]
    fn a_platform_that_is_not_told_is_asked_for_once() {
        let mut versions = Vec::new();
        let answer = newest_platform(|version, _| {
            versions.push(version);
            Err(Code::NOT_SUPPORTED)
        });
        assert_eq!((answer.err(), versions), (Some(Code::NOT_SUPPORTED), vec![2]));
    }
}
