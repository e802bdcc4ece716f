//! Failures that a test asks for: `NACP_SIM_CUDA_FAULTS`.
//!
//! A comma-separated list of `call=effect`. `*` stands for every call, `@1` after the call limits the fault to one
//! device, `#3` to the third such call. An effect is a number of the driver, `hang` (the call does not come back),
//! `crash` (the process ends by a segmentation fault) or `sleep:MS` (the call takes that many milliseconds longer).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A failure of one call or of all.
#[derive(Debug)]
pub(crate) struct Fault {
    call: String,
    device: Option<usize>,
    nth: Option<u64>,
    effect: Effect,
    met: AtomicU64,
}

/// What a failing call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It answers this number.
    Code(i32),
    /// It does not come back.
    Hang,
    /// It ends the process.
    Crash,
    /// It does its work later.
    Sleep(Duration),
}

/// Reads the list; an error says which part is wrong.
pub(crate) fn parse(text: &str) -> Result<Vec<Fault>, String> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.map(|part| Fault::parse(part).ok_or_else(|| format!("not a fault: {part:?}"))).collect()
}

/// What a call of this function meets that asks this device.
pub(crate) fn met(faults: &[Fault], call: &str, device: Option<usize>) -> Option<Effect> {
    let mut effect = None;
    for fault in faults {
        if fault.hits(call, device) {
            effect = effect.or(Some(fault.effect));
        }
    }
    effect
}

impl Fault {
    fn parse(part: &str) -> Option<Self> {
        let (target, effect) = part.split_once('=')?;
        let (target, nth) = match target.split_once('#') {
            Some((target, nth)) => (target, Some(nth.trim().parse().ok().filter(|nth| *nth > 0)?)),
            None => (target, None),
        };
        let (call, device) = match target.split_once('@') {
            Some((call, device)) => (call, Some(device.trim().parse().ok()?)),
            None => (target, None),
        };
        let call = call.trim();
        if call != "*" && !call.starts_with("cu") {
            return None;
        }
        let effect = match effect.trim() {
            "hang" => Effect::Hang,
            "crash" => Effect::Crash,
            other => match other.strip_prefix("sleep:") {
                Some(milliseconds) => Effect::Sleep(Duration::from_millis(milliseconds.parse().ok()?)),
                None => Effect::Code(other.parse().ok()?),
            },
        };
        Some(Self { call: call.into(), device, nth, effect, met: AtomicU64::new(0) })
    }

    /// Whether it hits this call; counts those that it could.
    fn hits(&self, call: &str, device: Option<usize>) -> bool {
        if (self.call != "*" && self.call != call) || (self.device.is_some() && self.device != device) {
            return false;
        }
        let nth = self.met.fetch_add(1, Ordering::Relaxed) + 1;
        self.nth.is_none_or(|wanted| wanted == nth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_hits_its_call_its_device_and_its_turn_only() {
        let faults = parse("cuInit=100, cuMemAlloc_v2@1=2,cuLaunchKernel#3=hang,cuCtxSynchronize=sleep:20").unwrap();
        let met = |call, device| met(&faults, call, device);
        assert_eq!(met("cuInit", None), Some(Effect::Code(100)));
        assert_eq!((met("cuMemAlloc_v2", Some(0)), met("cuMemAlloc_v2", None)), (None, None));
        assert_eq!(met("cuMemAlloc_v2", Some(1)), Some(Effect::Code(2)));
        let launches = [0; 4].map(|_| met("cuLaunchKernel", Some(0)));
        assert_eq!(launches, [None, None, Some(Effect::Hang), None]);
        assert_eq!(met("cuCtxSynchronize", Some(0)), Some(Effect::Sleep(Duration::from_millis(20))));
        assert_eq!(met("cuDeviceGet", Some(0)), None);
    }

    #[test]
    fn the_nth_call_is_counted_on_its_device_and_a_star_is_every_call() {
        let faults = parse("cuMemFree_v2@1#2=crash,*@2=719").unwrap();
        let met = |call, device| met(&faults, call, Some(device));
        assert_eq!((met("cuMemFree_v2", 1), met("cuMemFree_v2", 0)), (None, None));
        assert_eq!(met("cuMemFree_v2", 1), Some(Effect::Crash));
        assert_eq!(met("cuStreamCreate", 2), Some(Effect::Code(719)));
    }

    #[test]
    fn what_is_not_a_fault_is_named() {
        for text in ["cuInit", "cuInit=x", "nvmlInit=3", "cuInit#0=3", "cuInit#x=3", "cuInit@x=3", "cuInit=sleep:x"] {
            assert_eq!(parse(&format!("cuInit=3,{text}")).unwrap_err(), format!("not a fault: {text:?}"));
        }
        assert!(parse(" , ").unwrap().is_empty());
    }
}
