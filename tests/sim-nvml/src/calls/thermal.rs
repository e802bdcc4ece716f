//! Temperatures and fans.

use nacp_core::sim::node::{FanFile, ThermalFile};
use nvml_wrapper_sys::bindings as sys;

use crate::call::{Gpu, functions, number, signed, told};
use crate::memory::{Answer, Code, Out, blank};

functions! { gpu:
    fn nvmlDeviceGetTemperature(sensor: u32, value: Out<u32>) = |gpu| {
        only_gpu_sensor(sensor)?;
        value.set(gpu.temperature)
    };
    fn nvmlDeviceGetTemperatureV(value: Out<sys::nvmlTemperature_t>) = |gpu| {
        let asked = value.versioned(1)?;
        only_gpu_sensor(asked.sensorType)?;
        value.set(sys::nvmlTemperature_t { temperature: signed(gpu.temperature)?, ..asked })
    };
    fn nvmlDeviceGetTemperatureThreshold(threshold: u32, value: Out<u32>) = |gpu| {
        let thermal = thermal(gpu)?;
        value.set(told(match threshold {
            0 => thermal.shutdown,
            1 => thermal.slowdown,
            2 => thermal.memory_max,
            3 => thermal.gpu_max,
            4..=7 => None,
            _ => return Err(Code::INVALID_ARGUMENT),
        })?)
    };
    fn nvmlDeviceGetMarginTemperature(value: Out<sys::nvmlMarginTemperature_t>) = |gpu| {
        let asked = value.versioned(1)?;
        let margin = told(thermal(gpu)?.margin)?;
        value.set(sys::nvmlMarginTemperature_t { marginTemperature: margin, ..asked })
    };
    fn nvmlDeviceGetThermalSettings(sensor: u32, value: Out<sys::nvmlGpuThermalSettings_t>) = |gpu| {
        const ALL: u32 = 15;
        const GPU_INTERNAL: i32 = 1;
        const OF_GPU: i32 = 1;
        const OF_MEMORY: i32 = 2;
        let limits = gpu.thermal.unwrap_or_default();
        let one = |temperature: u32, highest: Option<u32>, target| -> Answer<_> {
            Ok(sys::nvmlGpuThermalSettings_t__bindgen_ty_1 {
                controller: GPU_INTERNAL,
                defaultMinTemp: 0,
                defaultMaxTemp: signed(highest.unwrap_or(0))?,
                currentTemp: signed(temperature)?,
                target,
            })
        };
        let mut sensors = vec![one(gpu.temperature, limits.gpu_max, OF_GPU)?];
        if let Some(memory) = limits.memory {
            sensors.push(one(memory, limits.memory_max, OF_MEMORY)?);
        }
        let chosen = match usize::try_from(sensor) {
            _ if sensor == ALL => sensors,
            Ok(nth) if nth < sensors.len() => vec![sensors[nth]],
            _ => return Err(Code::INVALID_ARGUMENT),
        };
        let mut settings: sys::nvmlGpuThermalSettings_t = blank();
        settings.count = number(chosen.len())?;
        settings.sensor.iter_mut().zip(chosen).for_each(|(place, sensor)| *place = sensor);
        value.set(settings)
    };

    fn nvmlDeviceGetFanSpeed(value: Out<u32>) = |gpu| value.set(told(gpu.fan)?);
    fn nvmlDeviceGetNumFans(value: Out<u32>) = |gpu| value.set(number(gpu.fans.len())?);
    fn nvmlDeviceGetFanSpeed_v2(nth: u32, value: Out<u32>) = |gpu| value.set(fan(gpu, nth)?.speed);
    fn nvmlDeviceGetFanSpeedRPM(value: Out<sys::nvmlFanSpeedInfo_t>) = |gpu| {
        let asked = value.versioned(1)?;
        let speed = told(fan(gpu, asked.fan)?.rpm)?;
        value.set(sys::nvmlFanSpeedInfo_t { speed, ..asked })
    };
    fn nvmlDeviceGetTargetFanSpeed(nth: u32, value: Out<u32>) = |gpu| {
        let fan = fan(gpu, nth)?;
        value.set(fan.target.unwrap_or(fan.speed))
    };
    fn nvmlDeviceGetMinMaxFanSpeed(min: Out<u32>, max: Out<u32>) = |gpu| {
        let fan = told(gpu.fans.first())?;
        max.check()?;
        min.set(fan.min)?;
        max.set(fan.max)
    };
    fn nvmlDeviceGetFanControlPolicy_v2(nth: u32, value: Out<u32>) = |gpu| {
        const AUTOMATIC: u32 = 0;
        fan(gpu, nth)?;
        value.set(AUTOMATIC)
    };
}

fn thermal(gpu: Gpu) -> Answer<ThermalFile> {
    told(gpu.thermal)
}

/// The only sensor that there is: `NVML_TEMPERATURE_GPU`.
fn only_gpu_sensor(sensor: u32) -> Answer {
    if sensor == 0 { Ok(()) } else { Err(Code::INVALID_ARGUMENT) }
}

/// One fan; a GPU without fans of its own does not support the question.
fn fan(gpu: Gpu, nth: u32) -> Answer<&'static FanFile> {
    if gpu.fans.is_empty() {
        return Err(Code::NOT_SUPPORTED);
    }
    usize::try_from(nth).ok().and_then(|nth| gpu.file.fans.get(nth)).ok_or(Code::INVALID_ARGUMENT)
}
