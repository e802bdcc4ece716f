//! The half that answers questions.

use std::time::Duration;

use super::Cuda;
use super::state::{INVALID_VALUE, State};
use crate::cuda::{Attribute, Driver, Loaded};

/// `CUDA_ERROR_NOT_INITIALIZED`.
const NOT_INITIALIZED: i32 = 3;
/// `CUDA_ERROR_NO_DEVICE`.
const NO_DEVICE: i32 = 100;
/// `CUDA_ERROR_INVALID_DEVICE`.
const INVALID_DEVICE: i32 = 101;
/// `CUDA_ERROR_NOT_FOUND`.
const NOT_FOUND: i32 = 500;

impl Cuda {
    /// Whether the driver has this function.
    pub(super) fn has(&self, call: &str) -> Result<(), i32> {
        if self.lacks.contains(&call) { Err(NOT_FOUND) } else { Ok(()) }
    }

    /// Begins a call: hangs, refuses, or goes on, as it was asked to.
    pub(super) fn begin(&self, call: &'static str, device: Option<u32>) -> Result<(), i32> {
        self.has(call)?;
        let nth = {
            let mut state = self.state();
            let nth = state.calls.entry(call).or_default();
            *nth += 1;
            *nth
        };
        if let Some(time) = self.faults.hang(call) {
            self.hang(time);
        }
        self.faults.answer(call, device, nth).map_or(Ok(()), Err)
    }

    /// Waits without looking at a clock.
    fn hang(&self, time: Duration) {
        drop(self.silence.wait_timeout_while(self.state(), time, |_| true));
    }

    /// The device of a handle, which is its position.
    pub(super) fn device(&self, state: &State, device: i32) -> Result<(u32, &super::Device), i32> {
        if !state.started {
            return Err(NOT_INITIALIZED);
        }
        let number = u32::try_from(device).map_err(|_| INVALID_DEVICE)?;
        let found = usize::try_from(number).ok().and_then(|place| self.devices.get(place)).ok_or(INVALID_DEVICE)?;
        Ok((number, found))
    }

    fn asked<T>(&self, call: &'static str, device: i32, answer: impl FnOnce(&super::Device) -> T) -> Result<T, i32> {
        self.begin(call, u32::try_from(device).ok())?;
        let state = self.state();
        self.device(&state, device).map(|(_, device)| answer(device))
    }
}

impl Driver for Cuda {
    fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    fn missing(&self) -> &[&'static str] {
        &[]
    }

    fn init(&self) -> i32 {
        if let Err(code) = self.begin("cuInit", None) {
            return code;
        }
        if self.devices.is_empty() {
            return NO_DEVICE;
        }
        self.state().started = true;
        0
    }

    fn version(&self) -> Result<i32, i32> {
        self.begin("cuDriverGetVersion", None)?;
        Ok(self.version)
    }

    fn device_count(&self) -> Result<i32, i32> {
        self.begin("cuDeviceGetCount", None)?;
        if !self.state().started {
            return Err(NOT_INITIALIZED);
        }
        i32::try_from(self.devices.len()).map_err(|_| INVALID_VALUE)
    }

    fn device(&self, ordinal: i32) -> Result<i32, i32> {
        self.asked("cuDeviceGet", ordinal, |_| ordinal)
    }

    fn name(&self, device: i32) -> Result<String, i32> {
        self.asked("cuDeviceGetName", device, |device| device.name.clone())
    }

    fn uuid(&self, device: i32) -> Result<[u8; 16], i32> {
        self.asked("cuDeviceGetUuid", device, |device| {
            let digits: String =
                device.id.as_str().chars().skip("GPU-".len()).filter(char::is_ascii_hexdigit).collect();
            u128::from_str_radix(&digits, 16).unwrap_or(0).to_be_bytes()
        })
    }

    fn total_memory(&self, device: i32) -> Result<u64, i32> {
        self.asked("cuDeviceTotalMem", device, |device| device.total)
    }

    fn attribute(&self, attribute: Attribute, device: i32) -> Result<i32, i32> {
        let answer = self.asked("cuDeviceGetAttribute", device, |device| device.attribute(attribute))?;
        answer.and_then(|answer| i32::try_from(answer).ok()).ok_or(INVALID_VALUE)
    }

    fn pci(&self, device: i32) -> Result<String, i32> {
        self.asked("cuDeviceGetPCIBusId", device, |device| {
            device.gpu.pci.strip_prefix("0000").unwrap_or(&device.gpu.pci).to_owned()
        })
    }

    fn error_name(&self, _code: i32) -> Option<String> {
        None
    }
}
