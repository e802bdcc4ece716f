//! Why a replica gets no GPUs, and what would help.

use std::collections::BTreeSet;

use super::fit::Misfit;
use super::suit::Device;
use crate::error::{Error, ErrorKind, nearest};
use crate::service::{GpuMemory, GpuNeed, Topology as Wanted};

/// So many pairs of GPUs are told one by one.
const PAIRS: usize = 8;

/// What is said of a replica that fits nowhere.
pub(super) struct Refusal<'a> {
    pub(super) service: &'a str,
    pub(super) replica: u32,
    pub(super) need: &'a GpuNeed,
    /// How many devices would do.
    pub(super) fitting: usize,
    /// Why each of the others would not.
    pub(super) misfits: &'a [(Device<'a>, Misfit)],
    /// Why two of those that would do are not connected as needed.
    pub(super) apart: Vec<(Device<'a>, Device<'a>, String)>,
}

impl Refusal<'_> {
    pub(super) fn error(&self) -> Error {
        let Self { need, fitting, misfits, .. } = self;
        if misfits.is_empty() && *fitting == 0 {
            return self.start("this node has no GPU").hint("leave out `gpu` for a service that runs without one");
        }
        let told = misfits.iter().filter(|(_, misfit)| misfit.is_told());
        let why: Vec<_> = told.map(|(device, misfit)| format!("{}: {misfit}", name(*device))).collect();
        let gpus = format!("[{}]", why.join("; "));
        if !self.apart.is_empty() {
            let mut pairs: Vec<_> = self.apart.iter().take(PAIRS).map(|(a, b, why)| pair(*a, *b, why)).collect();
            if self.apart.len() > PAIRS {
                pairs.push(format!("{} more", self.apart.len() - PAIRS));
            }
            let error = self.start("no GPUs that have room are connected as the replica needs");
            let error = error.with("topology", word(need.topology)).with("fitting", fitting);
            return error.with("apart", format_args!("[{}]", pairs.join("; "))).with("gpus", gpus).hint(format!(
                "ask for fewer GPUs, or leave out `gpu.topology` where their connection does not matter for {}",
                self.service
            ));
        }
        self.start("no GPU has room for a replica").with("fitting", fitting).with("gpus", gpus).hint(self.mend())
    }

    fn start(&self, message: &str) -> Error {
        Error::new(ErrorKind::ResourceExhausted, "placement.plan", message)
            .with("service", self.service)
            .with("replica", self.replica)
            .with("memory", format_args!("\"{}\"", self.need.memory))
            .with("count", self.need.count)
    }

    fn mend(&self) -> String {
        if let Some(hint) = self.other_profile() {
            return hint;
        }
        let all = |wanted: fn(&Misfit) -> bool| self.fitting == 0 && self.misfits.iter().all(|(_, it)| wanted(it));
        if all(|misfit| matches!(misfit, Misfit::Condemned(_) | Misfit::Part | Misfit::Whole)) {
            return "take a GPU back into use, or mend what it is cordoned for".to_owned();
        }
        if self.need.memory == GpuMemory::Auto && self.misfits.iter().any(|(_, it)| matches!(it, Misfit::Auto(_))) {
            return "write the memory that the service needs, so that it can share a GPU".to_owned();
        }
        let free = self.misfits.iter().filter_map(|(_, misfit)| match misfit {
            Misfit::Memory { free, .. } => Some(*free),
            _ => None,
        });
        match free.max() {
            Some(most) if self.fitting == 0 => {
                format!("lower `gpu.memory` to at most {most}, or free memory on a GPU")
            }
            _ => "lower what the service needs of its GPUs, or stop what holds them".to_owned(),
        }
    }

    /// What to say when no partition has the profile that is needed.
    fn other_profile(&self) -> Option<String> {
        let wanted = self.need.mig.as_deref()?;
        let profiles: BTreeSet<_> =
            self.misfits.iter().filter_map(|(device, _)| Some(device.part?.profile.known()?.as_str())).collect();
        if profiles.contains(wanted) {
            return None;
        }
        if profiles.is_empty() {
            return Some(
                "this node has no partitions; leave out `gpu.mig`, or divide a GPU with nvidia-smi mig".into(),
            );
        }
        let near = nearest(wanted, profiles.iter().copied()).map(|near| format!("did you mean {near}? "));
        let known = profiles.into_iter().collect::<Vec<_>>().join(", ");
        Some(format!("{}the partitions here have the profiles {known}", near.unwrap_or_default()))
    }
}

/// A GPU by its first digits; a partition in full, since partitions of one GPU may begin alike.
fn name(device: Device<'_>) -> &str {
    match device.part {
        None => device.state.gpu.id.short(),
        Some(part) => part.id.as_str(),
    }
}

fn pair(a: Device<'_>, b: Device<'_>, why: &str) -> String {
    format!("{} and {}: {why}", name(a), name(b))
}

fn word(wanted: Wanted) -> &'static str {
    match wanted {
        Wanted::Any => "any",
        Wanted::Nvlink => "nvlink",
        Wanted::Numa => "numa",
    }
}
