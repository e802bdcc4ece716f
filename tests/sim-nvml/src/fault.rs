//! Return codes that a test asks for: `NACP_SIM_NVML_FAULTS`.
//!
//! A comma-separated list of `function=code`: that function answers with the code instead of doing its work. `*` stands
//! for every function, and a prefix `GPU1:` limits a fault to one GPU: `nvmlInit_v2=9`, `GPU1:*=15`. An end `@3` lets
//! three such calls pass first: `GPU1:*=15@3`.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::memory::{Answer, Code};

/// The faults of a run; none as a rule.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

#[derive(Debug)]
struct Fault {
    gpu: Option<usize>,
    function: String,
    code: i32,
    /// How many calls pass before it.
    passing: AtomicU32,
}

impl Faults {
    /// Reads the list; an error says which part is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts
            .map(|part| Fault::parse(part).ok_or_else(|| format!("not a fault: {part:?}")))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The fault of this call, as its answer. `gpu` is the index of the GPU that the call asks, if it asks one.
    pub(crate) fn check(&self, function: &str, gpu: Option<usize>) -> Answer {
        let hit = |fault: &&Fault| {
            (fault.function == function || fault.function == "*")
                && (fault.gpu.is_none() || fault.gpu == gpu)
                && fault.passing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_err()
        };
        match self.0.iter().find(hit) {
            Some(fault) if fault.code != 0 => Err(Code(fault.code)),
            _ => Ok(()),
        }
    }
}

impl Fault {
    fn parse(part: &str) -> Option<Self> {
        let (target, code) = part.split_once('=')?;
        let (gpu, function) = match target.split_once(':') {
            Some((gpu, function)) => (Some(gpu.strip_prefix("GPU")?.parse().ok()?), function),
            None => (None, target),
        };
        let (code, passing) = code.split_once('@').unwrap_or((code, "0"));
        let known = function == "*" || function.starts_with("nvml");
        known.then_some(Self {
            gpu,
            function: function.into(),
            code: code.parse().ok()?,
            passing: passing.parse::<u32>().ok()?.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_hits_its_function_and_its_gpu_only() {
        let faults = Faults::parse("nvmlInit_v2=9, GPU1:*=15,GPU0:nvmlDeviceGetUUID=3").unwrap();
        assert_eq!(faults.check("nvmlInit_v2", None), Err(Code(9)));
        assert_eq!(faults.check("nvmlInit", None), Ok(()));
        assert_eq!(faults.check("nvmlDeviceGetName", Some(1)), Err(Code(15)));
        assert_eq!(faults.check("nvmlDeviceGetName", Some(0)), Ok(()));
        assert_eq!(faults.check("nvmlDeviceGetUUID", Some(0)), Err(Code(3)));
    }

    #[test]
    fn a_fault_may_come_later() {
        let faults = Faults::parse("GPU1:*=15@2").unwrap();
        let ask = |gpu| faults.check("nvmlDeviceGetUUID", Some(gpu));
        assert_eq!(
            [ask(1), ask(0), ask(1), ask(1), ask(1), ask(0)],
            [Ok(()), Ok(()), Ok(()), Err(Code(15)), Err(Code(15)), Ok(())]
        );
    }

    #[test]
    fn what_is_not_a_fault_is_named() {
        for (text, wrong) in [
            ("nvmlInit", "nvmlInit"),
            ("nvmlInit=x", "nvmlInit=x"),
            ("a=3,nvmlInit=3", "a=3"),
            ("CPU1:*=3", "CPU1:*=3"),
            ("nvmlInit=3@x", "nvmlInit=3@x"),
        ] {
            assert_eq!(Faults::parse(text).unwrap_err(), format!("not a fault: {wrong:?}"));
        }
        assert!(Faults::parse("").unwrap().0.is_empty());
    }
}
