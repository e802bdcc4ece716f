//! Which options can be had on the machine where this process runs.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::host::{LayerKind, RuntimeOption, Standing, Survey};

/// Whether an option can be had on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reach", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reach {
    /// This machine stands on it.
    Here,
    /// It can be had on this machine.
    Within {
        /// What it takes.
        takes: String,
    },
    /// It takes another machine, or another system on it.
    Elsewhere {
        /// Why.
        why: String,
    },
}

impl Reach {
    /// Whether it is a candidate here.
    pub fn is_candidate(&self) -> bool {
        !matches!(self, Self::Elsewhere { .. })
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here => f.write_str("here"),
            Self::Within { takes } => write!(f, "within reach: {takes}"),
            Self::Elsewhere { why } => write!(f, "elsewhere: {why}"),
        }
    }
}

/// Whether this option can be had on the machine that was surveyed.
pub(super) fn reach(option: RuntimeOption, standing: &Standing, survey: &Survey) -> Reach {
    if [standing.process, standing.containers].contains(&Some(option)) {
        return Reach::Here;
    }
    let within = |takes: &str| Reach::Within { takes: takes.into() };
    let elsewhere = |why: &str| Reach::Elsewhere { why: why.into() };
    let on = |kinds: &[LayerKind]| survey.host.layers.iter().any(|layer| kinds.contains(&layer.kind));
    let windows = on(&[LayerKind::Wsl1, LayerKind::Wsl2, LayerKind::NativeWindows]);
    match option {
        RuntimeOption::AProcess if windows => within("run the program on Windows itself"),
        RuntimeOption::AContainer if windows => within("install Docker Desktop on Windows"),
        RuntimeOption::BProcess if windows => within("install a WSL2 distribution"),
        RuntimeOption::BContainer if windows => {
            within("install Docker Engine and NVIDIA Container Toolkit in a WSL2 distribution")
        }
        RuntimeOption::NativeLinux if survey.kubernetes.node => within("run an engine on the node beside the kubelet"),
        RuntimeOption::AProcess | RuntimeOption::AContainer | RuntimeOption::BProcess | RuntimeOption::BContainer => {
            elsewhere("there is no Windows underneath")
        }
        RuntimeOption::NativeLinux if windows => elsewhere("it takes Linux in place of Windows"),
        RuntimeOption::NativeLinux => elsewhere("it takes a machine without what is underneath this one"),
        RuntimeOption::KubernetesNode => elsewhere("it takes a cluster"),
        RuntimeOption::CloudVm => elsewhere("it takes a machine of a cloud"),
    }
}
