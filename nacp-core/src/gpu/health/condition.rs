//! One thing that is wrong, with the evidence.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Action, ConditionKind, Severity};
use crate::gpu::{GpuId, Partition};

/// Something that is wrong with a GPU or with the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Condition {
    /// Which GPU; nothing where it concerns the machine, or a GPU that the driver does not list.
    pub gpu: Option<GpuId>,
    /// Which partition of it, where only one is concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<Partition>,
    /// What is wrong.
    pub kind: ConditionKind,
    /// The number that came with it: of the Xid or SXid, or the unknown bits of an event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u64>,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong in one line, lower case, with the numbers.
    pub message: String,
    /// What was read, and where.
    pub evidence: Vec<Evidence>,
    /// What has to be done.
    pub action: Action,
    /// The command that does it, where one command does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// When it was seen first.
    pub since: Timestamp,
    /// When it was seen last.
    pub last: Timestamp,
    /// How often it was seen: readings that showed it, or events that told it.
    pub count: u64,
}

/// One thing that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Where: the NVML call, the field, the file or the event.
    pub source: String,
    /// What it said.
    pub value: String,
}

impl Evidence {
    /// What a source said.
    pub fn new(source: impl Into<String>, value: impl fmt::Display) -> Self {
        Self { source: source.into(), value: value.to_string() }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.source, self.value)
    }
}

impl fmt::Display for Condition {
    /// One line: who, what, how bad, why, and what to do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = self.gpu.as_ref().map_or("machine", GpuId::short);
        write!(f, "{who} {} ({}): {}", self.kind, self.severity, self.message)?;
        if self.action != Action::None {
            write!(f, "; {}", self.action)?;
        }
        match &self.command {
            Some(command) => write!(f, ": `{command}`"),
            None => Ok(()),
        }
    }
}
