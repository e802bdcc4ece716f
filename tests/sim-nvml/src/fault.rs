//! Failures that a test asks for: `NACP_SIM_NVML_FAULTS`.
//!
//! A comma-separated list of `function=code`: that function answers with the code instead of doing its work. `*` stands
//! for every function, and a prefix `GPU1:` limits a fault to one GPU: `nvmlInit_v2=9`, `GPU1:*=15`. An end `@3` lets
//! three such calls pass first: `GPU1:*=15@3`. Instead of a code may stand `hang` (the call does not come back), `crash`
//! (the process ends by a segmentation fault) or `sentinel` (success with `NVML_VALUE_NOT_AVAILABLE` where the function
//! answers 64 bits).

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A failure of one function or of all.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    gpu: Option<usize>,
    function: String,
    pub(crate) effect: Effect,
    /// How many calls pass before it; counted together for all functions that it hits.
    passing: Arc<AtomicU32>,
}

/// What a failing function does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It answers this code.
    Code(i32),
    /// It does not come back.
    Hang,
    /// It ends the process.
    Crash,
    /// It succeeds and says that there is no value.
    Sentinel,
}

/// Reads the list; an error says which part is wrong.
pub(crate) fn parse(text: &str) -> Result<Vec<Fault>, String> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.map(|part| Fault::parse(part).ok_or_else(|| format!("not a fault: {part:?}"))).collect()
}

impl Fault {
    fn parse(part: &str) -> Option<Self> {
        let (target, effect) = part.split_once('=')?;
        let (gpu, function) = match target.split_once(':') {
            Some((gpu, function)) => (Some(gpu.strip_prefix("GPU")?.parse().ok()?), function),
            None => (None, target),
        };
        let (effect, passing) = effect.split_once('@').unwrap_or((effect, "0"));
        let effect = match effect {
            "hang" => Effect::Hang,
            "crash" => Effect::Crash,
            "sentinel" => Effect::Sentinel,
            code => Effect::Code(code.parse().ok()?),
        };
        let known = function == "*" || function.starts_with("nvml");
        known.then_some(Self {
            gpu,
            function: function.into(),
            effect,
            passing: Arc::new(passing.parse::<u32>().ok()?.into()),
        })
    }

    /// Whether it concerns this function.
    pub(crate) fn concerns(&self, function: &str) -> bool {
        self.function == "*" || self.function == function
    }

    /// Whether it hits this call of such a function.
    pub(crate) fn hits(&self, gpu: Option<usize>) -> bool {
        (self.gpu.is_none() || self.gpu == gpu)
            && self.passing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_err()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a call of the function meets.
    fn meets(faults: &[Fault], function: &str, gpu: Option<usize>) -> Option<Effect> {
        faults.iter().filter(|fault| fault.concerns(function)).find(|fault| fault.hits(gpu)).map(|fault| fault.effect)
    }

    #[test]
    fn a_fault_hits_its_function_and_its_gpu_only() {
        let faults = parse("nvmlInit_v2=9, GPU1:*=15,GPU0:nvmlDeviceGetUUID=hang").unwrap();
        assert_eq!(meets(&faults, "nvmlInit_v2", None), Some(Effect::Code(9)));
        assert_eq!(meets(&faults, "nvmlInit", None), None);
        assert_eq!(meets(&faults, "nvmlDeviceGetName", Some(1)), Some(Effect::Code(15)));
        assert_eq!(meets(&faults, "nvmlDeviceGetName", Some(0)), None);
        assert_eq!(meets(&faults, "nvmlDeviceGetUUID", Some(0)), Some(Effect::Hang));
    }

    #[test]
    fn a_fault_may_come_later() {
        let faults = parse("GPU1:*=15@2").unwrap();
        let ask = |gpu| meets(&faults, "nvmlDeviceGetUUID", Some(gpu)).is_some();
        assert_eq!([ask(1), ask(0), ask(1), ask(1), ask(1), ask(0)], [false, false, false, true, true, false]);
    }

    #[test]
    fn what_is_not_a_fault_is_named() {
        for (text, wrong) in [
            ("nvmlInit", "nvmlInit"),
            ("nvmlInit=x", "nvmlInit=x"),
            ("a=3,nvmlInit=3", "a=3"),
            ("CPU1:*=3", "CPU1:*=3"),
            ("nvmlInit=3@x", "nvmlInit=3@x"),
            ("nvmlInit=hung", "nvmlInit=hung"),
        ] {
            assert_eq!(parse(text).unwrap_err(), format!("not a fault: {wrong:?}"));
        }
        assert!(parse("").unwrap().is_empty());
    }
}
