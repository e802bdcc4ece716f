//! The functions that write lists, and how much room they are given.
#![expect(unsafe_code, reason = "calls functions of the library; see `invoke`")]

use std::ffi::{c_int, c_uint, c_ulong, c_ulonglong};
use std::fmt;

use nvml_wrapper_sys::bindings::{
    nvmlFieldValue_t, nvmlGpuInstance_t, nvmlGpuInstancePlacement_t, nvmlProcessInfo_t, nvmlProcessInfo_v1_t,
    nvmlProcessInfo_v2_t, nvmlProcessUtilizationSample_t,
};

use super::call::{Device, GpuInstance, In, Out, bytes, invoke};
use super::code::{Answer, Code};
use super::{Calls, Choice, Ear};

/// How often a list that grew between two calls is asked for again, with more room each time.
const GROWTHS: usize = 5;
/// How many entries a list has room for at the first call.
const ROOM: usize = 32;

/// Asks for a list with the room that `buffer` has, and with more while that is not enough. What was written is the
/// first part of the buffer, as long as the answer says.
fn list<T: Out<Raw = T> + Copy>(
    buffer: &mut Vec<T>,
    mut ask: impl FnMut(&mut c_uint, &mut [T]) -> Answer<()>,
) -> Answer<usize> {
    if buffer.is_empty() {
        buffer.resize(ROOM, T::BLANK);
    }
    let mut answer = Err(Code::INSUFFICIENT_SIZE);
    for _ in 0..GROWTHS {
        let mut count = c_uint::try_from(buffer.len()).unwrap_or(c_uint::MAX);
        answer = ask(&mut count, buffer);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        match answer {
            Ok(()) => return Ok(count.min(buffer.len())),
            // A driver that asks for absurdly much is not believed.
            Err(Code::INSUFFICIENT_SIZE) if count < 1 << 20 => {
                buffer.resize(count.max(buffer.len()) + buffer.len() / 2, T::BLANK);
            }
            Err(code) => return Err(code),
        }
    }
    answer.map(|()| 0)
}

/// Which programs are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::gpu::source::nvml) enum ProcessList {
    Compute,
    Mps,
    Graphics,
}

/// The newest version of a list of programs, and each older one when the driver does not know it.
macro_rules! running {
    ($self:ident, $device:ident, $buffer:ident, $v3:ident, $v2:ident, $v1:ident) => {{
        if !$self.has_longer_lines() {
            let newest = list($buffer, |count, all| invoke!($self.$v3(In::raw($device), count, all.as_mut_ptr())));
            $self.ear.heard(stringify!($v3), String::new, &newest);
            if !newest.as_ref().is_err_and(|code| code.is_too_new()) {
                return newest;
            }
        }
        let older = list($buffer, |count, all| invoke!($self.$v2(In::raw($device), count, all.as_mut_ptr())));
        $self.ear.heard(stringify!($v2), String::new, &older);
        if !older.as_ref().is_err_and(|code| code.is_too_new()) {
            return older;
        }
        let mut plain: Vec<nvmlProcessInfo_v1_t> = Vec::new();
        let oldest = list(&mut plain, |count, all| invoke!($self.$v1(In::raw($device), count, all.as_mut_ptr())));
        $self.ear.heard(stringify!($v1), String::new, &oldest);
        // Where none is there, the newest one's answer says so.
        let oldest = oldest.map_err(|code| if code.is_too_new() { Code::FUNCTION_NOT_FOUND } else { code })?;
        $buffer.clear();
        let on_no_partition = |old: &nvmlProcessInfo_v1_t| nvmlProcessInfo_v2_t {
            pid: old.pid,
            usedGpuMemory: old.usedGpuMemory,
            gpuInstanceId: u32::MAX,
            computeInstanceId: u32::MAX,
        };
        $buffer.extend(plain[..oldest].iter().map(on_no_partition));
        Ok(oldest)
    }};
}

impl<E: Ear> Calls<'_, E> {
    /// Whether version 3 of the lists of programs writes lines of 32 bytes, which would go beyond the room for as many of
    /// 24. Some libraries of branches 530 and 535 do: the protected memory that was in each line has had a function of its
    /// own since, and they lack that one while they know of protected memory.
    fn has_longer_lines(&self) -> bool {
        self.functions.nvmlDeviceGetConfComputeMemSizeInfo.is_ok()
            && self.functions.nvmlDeviceGetRunningProcessDetailList.is_err()
    }

    /// The programs of one kind that use a GPU or a partition: how many, at the beginning of `buffer`.
    pub(in crate::gpu::source::nvml) fn running_processes(
        &self,
        device: Device,
        which: ProcessList,
        buffer: &mut Vec<nvmlProcessInfo_t>,
    ) -> Answer<usize> {
        match which {
            ProcessList::Compute => running!(
                self,
                device,
                buffer,
                nvmlDeviceGetComputeRunningProcesses_v3,
                nvmlDeviceGetComputeRunningProcesses_v2,
                nvmlDeviceGetComputeRunningProcesses
            ),
            ProcessList::Graphics => running!(
                self,
                device,
                buffer,
                nvmlDeviceGetGraphicsRunningProcesses_v3,
                nvmlDeviceGetGraphicsRunningProcesses_v2,
                nvmlDeviceGetGraphicsRunningProcesses
            ),
            ProcessList::Mps => running!(
                self,
                device,
                buffer,
                nvmlDeviceGetMPSComputeRunningProcesses_v3,
                nvmlDeviceGetMPSComputeRunningProcesses_v2,
                nvmlDeviceGetMPSComputeRunningProcesses
            ),
        }
    }

    /// How busy each program kept a GPU in the driver's samples after `since` (microseconds since 1970): how many, at
    /// the beginning of `buffer`.
    pub(in crate::gpu::source::nvml) fn process_utilization(
        &self,
        device: Device,
        since: u64,
        buffer: &mut Vec<nvmlProcessUtilizationSample_t>,
    ) -> Answer<usize> {
        let answer = list(buffer, |count, all| {
            invoke!(self.nvmlDeviceGetProcessUtilization(In::raw(device), all.as_mut_ptr(), count, since))
        });
        self.ear.heard("nvmlDeviceGetProcessUtilization", String::new, &answer);
        answer
    }

    /// Asks for all these fields at once; each then has its own answer.
    pub(in crate::gpu::source::nvml) fn field_values(&self, device: Device, fields: &mut [Field]) -> Answer<()> {
        let count = c_int::try_from(fields.len()).map_err(|_| Code::INVALID_ARGUMENT)?;
        let values: *mut nvmlFieldValue_t = fields.as_mut_ptr().cast();
        let answer = invoke!(self.nvmlDeviceGetFieldValues(In::raw(device), count, values));
        for field in fields {
            self.ear.heard("nvmlDeviceGetFieldValues", || field.name(), &answer.and_then(|()| field.answer()));
        }
        answer
    }

    /// The nearest logical processors, as bits of words, the lowest first.
    pub(in crate::gpu::source::nvml) fn cpu_affinity(&self, device: Device, scope: Choice) -> Answer<Vec<c_ulong>> {
        let mut set = [0; 64];
        let mut answer =
            invoke!(self.nvmlDeviceGetCpuAffinityWithinScope(In::raw(device), 64, set.as_mut_ptr(), scope.code));
        self.ear.heard("nvmlDeviceGetCpuAffinityWithinScope", || scope.name.to_owned(), &answer.map(|()| set));
        if answer.is_err_and(Code::is_too_new) {
            answer = invoke!(self.nvmlDeviceGetCpuAffinity(In::raw(device), 64, set.as_mut_ptr()));
            self.ear.heard("nvmlDeviceGetCpuAffinity", String::new, &answer.map(|()| set));
        }
        answer.map(|()| set.to_vec())
    }

    /// The nearest NUMA nodes, as bits of words, the lowest first.
    pub(in crate::gpu::source::nvml) fn memory_affinity(&self, device: Device, scope: Choice) -> Answer<Vec<c_ulong>> {
        let mut set = [0; 16];
        let answer = invoke!(self.nvmlDeviceGetMemoryAffinity(In::raw(device), 16, set.as_mut_ptr(), scope.code))
            .map(|()| set.to_vec());
        self.ear.heard("nvmlDeviceGetMemoryAffinity", || scope.name.to_owned(), &answer);
        answer
    }

    /// The GPU instances of one profile.
    pub(in crate::gpu::source::nvml) fn gpu_instances(&self, device: Device, profile: u32) -> Answer<Vec<GpuInstance>> {
        // The function takes as much room as there can be instances of the profile, and is not told how much there is.
        let mut all: [nvmlGpuInstance_t; 128] = [GpuInstance::BLANK; 128];
        let mut count: c_uint = 128;
        let answer =
            invoke!(self.nvmlDeviceGetGpuInstances(In::raw(device), profile, all.as_mut_ptr(), &raw mut count));
        let answer = answer.map(|()| {
            let count = usize::try_from(count).unwrap_or(usize::MAX).min(all.len());
            all[..count].iter().map(|raw| GpuInstance::from_raw(*raw)).collect::<Vec<_>>()
        });
        self.ear.heard("nvmlDeviceGetGpuInstances", || format!("profile {profile}"), &answer);
        answer
    }

    /// Where a GPU instance of one profile may lie.
    pub(in crate::gpu::source::nvml) fn possible_placements(
        &self,
        device: Device,
        profile: u32,
    ) -> Answer<Vec<nvmlGpuInstancePlacement_t>> {
        let mut all = [nvmlGpuInstancePlacement_t::BLANK; 128];
        let mut count: c_uint = 128;
        let mut function = "nvmlDeviceGetGpuInstancePossiblePlacements_v2";
        let mut code = invoke!(self.nvmlDeviceGetGpuInstancePossiblePlacements_v2(
            In::raw(device),
            profile,
            all.as_mut_ptr(),
            &raw mut count
        ));
        if code.is_err_and(Code::is_too_new) {
            function = "nvmlDeviceGetGpuInstancePossiblePlacements";
            count = 128;
            code = invoke!(self.nvmlDeviceGetGpuInstancePossiblePlacements(
                In::raw(device),
                profile,
                all.as_mut_ptr(),
                &raw mut count
            ));
        }
        let answer = code.map(|()| all[..usize::try_from(count).unwrap_or(usize::MAX).min(all.len())].to_vec());
        self.ear.heard(function, || format!("profile {profile}"), &answer);
        answer
    }
}

/// One field of a GPU and its answer (`nvmlFieldValue_t`).
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(in crate::gpu::source::nvml) struct Field(nvmlFieldValue_t);

impl Field {
    /// A question: the field's id, and which part of the GPU; 0 where it has none.
    pub(in crate::gpu::source::nvml) const fn new(id: u32, scope: u32) -> Self {
        Self(nvmlFieldValue_t {
            fieldId: id,
            scopeId: scope,
            nvmlReturn: Code::NO_DATA.0.cast_unsigned(),
            ..nvmlFieldValue_t::BLANK
        })
    }

    fn name(&self) -> String {
        match (self.0.fieldId, self.0.scopeId) {
            (id, 0) => format!("field {id}"),
            (id, u32::MAX) => format!("field {id} of all"),
            (id, scope) => format!("field {id} of {scope}"),
        }
    }

    /// What was answered, as a number; one below zero is none.
    pub(in crate::gpu::source::nvml) fn answer(&self) -> Answer<u64> {
        Code::answer(self.0.nvmlReturn)?;
        let bytes = bytes(self.0.value);
        let [a, b, c, d, ..] = bytes;
        let (short, int) = (u16::from_ne_bytes([a, b]), u32::from_ne_bytes([a, b, c, d]));
        match self.0.valueType {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and NaN is zero")]
            0 => Ok(f64::from_ne_bytes(bytes) as u64),
            1 => Ok(int.into()),
            2 if size_of::<c_ulong>() == 4 => Ok(int.into()),
            2 | 3 => Ok(c_ulonglong::from_ne_bytes(bytes)),
            4 => u64::try_from(i64::from_ne_bytes(bytes)).or(Ok(u64::MAX)),
            5 => u64::try_from(int.cast_signed()).or(Ok(u64::MAX)),
            6 => Ok(short.into()),
            _ => Err(Code::UNKNOWN),
        }
    }
}

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", self.name(), self.answer())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A driver that has so many entries at each call, one more each time.
    fn growing(buffer: &mut Vec<u32>, mut entries: usize, growth: usize) -> (Answer<usize>, usize) {
        let mut calls = 0;
        let answer = list(buffer, |count, room| {
            calls += 1;
            entries += growth;
            *count = u32::try_from(entries).unwrap();
            if entries > room.len() {
                return Err(Code::INSUFFICIENT_SIZE);
            }
            room[..entries].fill(7);
            Ok(())
        });
        (answer, calls)
    }

    #[test]
    fn a_list_that_grows_between_two_calls_is_read_whole() {
        let mut buffer = Vec::new();
        assert_eq!(growing(&mut buffer, 3, 0), (Ok(3), 1));
        assert_eq!(growing(&mut buffer, 100, 1), (Ok(102), 2));
        assert_eq!(buffer.iter().filter(|entry| **entry == 7).count(), 102);
        assert_eq!(growing(&mut buffer, 100, 0), (Ok(100), 1), "the room is kept");
    }

    #[test]
    fn a_driver_that_always_wants_more_is_given_up() {
        let mut calls = 0;
        let answer = list(&mut Vec::<u32>::new(), |count, room| {
            calls += 1;
            *count = u32::try_from(room.len()).unwrap() + 1;
            Err(Code::INSUFFICIENT_SIZE)
        });
        assert_eq!((answer, calls), (Err(Code::INSUFFICIENT_SIZE), GROWTHS));
        let (answer, calls) = growing(&mut Vec::new(), 1 << 30, 0);
        assert_eq!((answer, calls), (Err(Code::INSUFFICIENT_SIZE), 1), "and its number is not believed");
    }

    #[test]
    fn a_count_beyond_the_room_is_cut() {
        let mut buffer: Vec<u32> = Vec::new();
        let answer = list(&mut buffer, |count, _| {
            *count = u32::MAX;
            Ok(())
        });
        assert_eq!(answer, Ok(ROOM));
    }

    fn told(value_type: u32, value: nvml_wrapper_sys::bindings::nvmlValue_t) -> Answer<u64> {
        let mut field = Field::new(82, 0);
        (field.0.nvmlReturn, field.0.valueType, field.0.value) = (0, value_type, value);
        field.answer()
    }

    #[test]
    fn a_field_is_a_number_of_the_type_that_it_says() {
        use nvml_wrapper_sys::bindings::nvmlValue_t;
        // What an earlier answer left in the other bytes does not count.
        let small = |value: u32| nvmlValue_t { ullVal: u64::from(value) | 0xFFFF_FFFF_0000_0000 };
        assert_eq!(told(1, small(54)), Ok(54));
        assert_eq!(told(5, small(54)), Ok(54));
        assert_eq!(told(6, small(0xAB00_0007)), Ok(7));
        assert_eq!(told(0, nvmlValue_t { dVal: 12.9 }), Ok(12));
        assert_eq!(told(3, nvmlValue_t { ullVal: 1 << 40 }), Ok(1 << 40));
        assert_eq!(told(4, nvmlValue_t { sllVal: -1 }), Ok(u64::MAX), "which is none");
        assert_eq!(told(5, nvmlValue_t { siVal: -1 }), Ok(u64::MAX));
        assert_eq!(told(99, small(1)), Err(Code::UNKNOWN));
        assert_eq!(Field::new(82, 0).answer(), Err(Code::NO_DATA), "nothing was answered yet");
    }
}
