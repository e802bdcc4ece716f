//! What a driver answers: one call at a time, with what it said.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{GpuId, Reading};

/// What every call that NACP makes was answered with, on every GPU. It is the evidence behind each unknown reading.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Support {
    /// The calls, first those about the machine, then each GPU's, in the order in which they were made.
    pub calls: Vec<Call>,
}

/// One call and what was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The function, such as `nvmlDeviceGetFanSpeed_v2`.
    pub function: String,
    /// What was asked for, where the function answers several questions, such as `sm` or `field 82`; empty where not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub argument: String,
    /// Which GPU was asked; nothing where the call is about the machine.
    pub gpu: Option<GpuId>,
    /// The value as text, or why there is none.
    pub answer: Reading<String>,
}

impl Support {
    /// How many calls were answered with a value.
    pub fn answered(&self) -> usize {
        self.calls.iter().filter(|call| call.answer.known().is_some()).count()
    }

    /// What a function was answered with on a GPU: the first call of that name.
    pub fn of(&self, gpu: &GpuId, function: &str) -> Option<&Call> {
        self.calls.iter().find(|call| call.function == function && call.gpu.as_ref() == Some(gpu))
    }
}

impl fmt::Display for Support {
    /// One line a call.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Call { function, argument, gpu, answer } in &self.calls {
            let gpu = gpu.as_ref().map_or("", GpuId::short);
            writeln!(f, "{gpu:12}  {function} {argument}  {answer}")?;
        }
        Ok(())
    }
}
