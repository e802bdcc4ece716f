//! Heat, power, and clocks that are held back because of them.

use super::{Finding, K, Outcome, Rates, View, Why, known, when};
use crate::gpu::health::{Action, Evidence, Severity};
use crate::gpu::{ClockEvents, Reading};

pub(super) fn hot(view: &View<'_>) -> Outcome {
    let own = (&view.gpu.limits.temperature.gpu_max, "GPU_MAX");
    let reading = (&view.sample.temperature, "nvmlDeviceGetTemperatureV");
    too_hot(view, K::Hot, "the GPU", reading, view.limits.gpu_max_celsius, own)
}

pub(super) fn memory_hot(view: &View<'_>) -> Outcome {
    let own = (&view.gpu.limits.temperature.memory_max, "MEM_MAX");
    let reading = (&view.sample.memory_temperature, "field 82 (MEMORY_TEMP)");
    too_hot(view, K::MemoryHot, "the memory", reading, view.limits.memory_max_celsius, own)
}

fn too_hot(
    view: &View<'_>,
    kind: K,
    what: &str,
    (reading, call): (&Reading<u32>, &str),
    given: Option<u32>,
    (own, threshold): (&Reading<u32>, &str),
) -> Outcome {
    known(reading, |celsius| {
        let (limit, source) = match (given, own) {
            (Some(limit), _) => (limit, "thresholds"),
            (None, Reading::Known(limit)) => (*limit, threshold),
            (None, Reading::Unknown(_)) => return Outcome::Unchecked(Why::Because("the GPU does not tell its limit")),
        };
        let distance = if (view.stands)(kind) { view.limits.temperature_hysteresis } else { 0 };
        when(*celsius > limit.saturating_sub(distance), || {
            let message = format!("{what} is at {celsius} °C, its limit is {limit} °C");
            let evidence =
                vec![Evidence::new(call, format!("{celsius} °C")), Evidence::new(source, format!("{limit} °C"))];
            Finding::new(kind, message, evidence)
        })
    })
}

pub(super) fn margin(view: &View<'_>) -> Outcome {
    let Some(limit) = i32::try_from(view.limits.thermal_margin).ok().filter(|limit| *limit > 0) else {
        return Outcome::Clear;
    };
    known(&view.sample.margin, |margin| {
        if *margin <= 0 {
            return Outcome::Unchecked(Why::Because("a margin that is not above zero is unreliable"));
        }
        when(*margin <= limit, || {
            let message = format!("{margin} °C below the temperature at which it slows down, at most {limit}");
            Finding::new(K::ThermalMargin, message, vec![Evidence::new("nvmlDeviceGetMarginTemperature", margin)])
        })
    })
}

/// The bits that count, in the order of [`Rates::slow_minutes`]: any, heat, power.
pub(in crate::gpu::health) const SLOW: [u64; 3] = [
    ClockEvents::HW_SLOWDOWN.0 | ClockEvents::HW_THERMAL.0 | ClockEvents::POWER_BRAKE.0,
    ClockEvents::HW_THERMAL.0,
    ClockEvents::POWER_BRAKE.0,
];

pub(super) fn slowdown(view: &View<'_>) -> Outcome {
    known(&view.sample.clock_events, |events| {
        let source = "nvmlDeviceGetCurrentClocksEventReasons";
        let finding = |message, action| {
            let evidence = vec![Evidence::new(source, format!("{:#x} ({events})", events.0))];
            Finding::new(K::ClockSlowdown, message, evidence).action(action)
        };
        let Some(Rates { slow_minutes: [any, heat, brake], .. }) = view.rates else {
            let action =
                if events.contains(ClockEvents::POWER_BRAKE) { Action::CheckPower } else { Action::CheckCooling };
            return when(events.0 & SLOW[0] != 0, || {
                let message = format!("the hardware slows the GPU down at this moment: {events}");
                finding(message, action).severity(Severity::Watch)
            });
        };
        let window = view.limits.slowdown_window;
        // Rounded, because 0.6 times 10 is a little more than 6 for a computer.
        when((f64::from(any) / f64::from(window)) >= view.limits.slowdown_rate - 1e-9, || {
            let action = if brake > heat { Action::CheckPower } else { Action::CheckCooling };
            let message = format!(
                "the hardware slowed the GPU down in {any} of the last {window} minutes ({heat} for heat, {brake} for power)"
            );
            finding(message, action)
        })
    })
}

/// NVIDIA's range for the two products for which it has published one, in watts.
const RANGE: (u32, u32) = (65, 1500);

pub(super) fn power(view: &View<'_>) -> Outcome {
    let published = ["GB200", "GB300"].iter().any(|name| view.gpu.name.contains(name));
    let least = view.limits.power_min.or(published.then_some(RANGE.0));
    let most = view.limits.power_max.or(published.then_some(RANGE.1));
    if least.is_none() && most.is_none() {
        return Outcome::Clear;
    }
    known(&view.sample.power, |milliwatts| {
        let milli = |watts: u32| u64::from(watts) * 1000;
        let power = u64::from(*milliwatts);
        let wrong = least.is_some_and(|least| power < milli(least)) || most.is_some_and(|most| power > milli(most));
        when(wrong, || {
            let bound = |bound: Option<u32>| bound.map_or("any".to_owned(), |watts| format!("{watts} W"));
            let watts = f64::from(*milliwatts) / 1e3;
            let message = format!("the board draws {watts:.1} W, outside {} to {}", bound(least), bound(most));
            let evidence = vec![Evidence::new("nvmlDeviceGetPowerUsage", format!("{watts:.1} W"))];
            Finding::new(K::PowerOutOfRange, message, evidence)
        })
    })
}
