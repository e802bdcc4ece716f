//! What comes next, and what need not be tried: pure.

use std::collections::{BTreeMap, BTreeSet};

use super::needs::{needs, of_devices};
use super::{CheckId, Level, Scope, Skip, Status};
use crate::cuda::Fault;
use crate::gpu::GpuId;

/// One check on one device, or on the machine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Step {
    pub(super) id: CheckId,
    pub(super) device: Option<GpuId>,
}

/// The order of the steps, and what their ends mean for those after them.
///
/// First the machine, then level after level, and within a level one device after the other: that all devices work is
/// known before any is measured. What is about all devices comes before the level full, whose minutes come out of
/// nobody else's time.
#[derive(Debug)]
pub(super) struct Schedule {
    wanted: Vec<CheckId>,
    steps: Vec<Step>,
    at: usize,
    devices: Option<Vec<GpuId>>,
    ends: BTreeMap<Step, End>,
    poisoned: BTreeMap<GpuId, CheckId>,
    busy: BTreeMap<GpuId, String>,
}

/// How a step ended, as far as others build on it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    Works,
    Broken,
    Late,
    Skipped(Skip),
    /// It was not tried, for this reason.
    Gated(Status),
}

impl Schedule {
    /// The schedule of these checks, which are in their order and complete.
    pub(super) fn new(wanted: Vec<CheckId>) -> Self {
        let machine = wanted.iter().filter(|id| !of_devices(**id));
        let steps = machine.map(|id| Step { id: *id, device: None }).collect();
        Self {
            wanted,
            steps,
            at: 0,
            devices: None,
            ends: BTreeMap::new(),
            poisoned: BTreeMap::new(),
            busy: BTreeMap::new(),
        }
    }

    /// Tells the devices. Who does not know any tells so too.
    pub(super) fn open(&mut self, devices: Vec<GpuId>) {
        let named: Vec<Option<GpuId>> =
            if devices.is_empty() { vec![None] } else { devices.iter().cloned().map(Some).collect() };
        let of = |scope: Scope, level: Level| {
            let mine = move |id: &&CheckId| id.scope() == scope && id.level() == level;
            self.wanted.iter().filter(mine).copied().collect::<Vec<_>>()
        };
        let mut steps = Vec::new();
        for level in Level::ALL {
            if level == Level::Full {
                let together = Level::ALL.into_iter().flat_map(|level| of(Scope::Devices, level));
                steps.extend(together.map(|id| Step { id, device: None }));
            }
            let checks = of(Scope::Device, level);
            for device in &named {
                steps.extend(checks.iter().map(|id| Step { id: *id, device: device.clone() }));
            }
        }
        self.steps.extend(steps);
        self.devices = Some(devices);
    }

    /// How many steps there are, as far as it is known.
    pub(super) fn total(&self) -> usize {
        match self.devices {
            Some(_) => self.steps.len(),
            None => self.wanted.len(),
        }
    }

    /// The next step, if there is one.
    pub(super) fn next(&mut self) -> Option<Step> {
        let step = self.steps.get(self.at)?.clone();
        self.at += 1;
        Some(step)
    }

    /// How many devices the level of this check is still to be done for, that of the present step included.
    pub(super) fn to_do(&self, id: CheckId) -> usize {
        let left = self.steps.get(self.at.saturating_sub(1)..).unwrap_or(&[]).iter();
        let same = left.filter(|step| step.id.scope() == Scope::Device && step.id.level() == id.level());
        same.map(|step| &step.device).collect::<BTreeSet<_>>().len().max(1)
    }

    /// Why this step need not be tried.
    pub(super) fn gate(&self, step: &Step) -> Option<Status> {
        if of_devices(step.id) && self.devices.as_ref().is_none_or(Vec::is_empty) {
            return Some(self.no_device());
        }
        for device in self.concerned(step) {
            if let Some(by) = self.poisoned.get(device) {
                let reason = format!("{by} made the device unusable for this process; let the checks run in a child");
                return Some(skip(Skip::Poisoned, reason));
            }
            if step.id.level() == Level::Full
                && let Some(reason) = self.busy.get(device)
            {
                return Some(skip(Skip::Busy, format!("it asks for an idle device: {reason}")));
            }
        }
        needs(step.id).iter().find_map(|need| {
            let devices: Vec<Option<&GpuId>> = match need.scope() {
                Scope::Device => self.concerned(step).map(Some).collect(),
                Scope::Machine | Scope::Devices => vec![None],
            };
            devices.into_iter().find_map(|device| self.blocked(*need, device, step.device.is_none()))
        })
    }

    /// The devices that a step is about.
    pub(super) fn concerned<'a>(&'a self, step: &'a Step) -> impl Iterator<Item = &'a GpuId> {
        let all = (step.id.scope() == Scope::Devices).then_some(self.devices.as_deref()).flatten().unwrap_or(&[]);
        step.device.iter().chain(all)
    }

    fn blocked(&self, need: CheckId, device: Option<&GpuId>, name: bool) -> Option<Status> {
        // What did not pass there still leaves devices to look at, or there are none.
        if need == CheckId::DevEnumerate && self.devices.as_ref().is_some_and(|devices| !devices.is_empty()) {
            return None;
        }
        let end = self.ends.get(&Step { id: need, device: device.cloned() })?;
        let place = match device {
            Some(device) if name => format!("{need} on {device}"),
            _ => need.to_string(),
        };
        match end {
            End::Works | End::Skipped(Skip::Unsupported | Skip::NotAsked) => None,
            End::Gated(status) => Some(status.clone()),
            End::Broken => Some(skip(Skip::Blocked, format!("{place} did not pass"))),
            End::Late => Some(skip(Skip::Blocked, format!("{place} did not end in its time"))),
            End::Skipped(Skip::Busy) => Some(skip(Skip::Busy, format!("{place} found the device busy"))),
            End::Skipped(Skip::Cancelled) => Some(skip(Skip::Cancelled, format!("{place} was given up"))),
            End::Skipped(why) => Some(skip(*why, format!("{place} was not done"))),
        }
    }

    fn no_device(&self) -> Status {
        let first = [CheckId::LibOpen, CheckId::DrvInit, CheckId::DevEnumerate];
        let by = first.iter().find_map(|id| self.blocked(*id, None, false));
        by.unwrap_or_else(|| skip(Skip::Blocked, "there is no device"))
    }

    /// Takes note of how a step ended.
    pub(super) fn record(&mut self, step: Step, status: &Status) {
        let end = match status {
            _ if let Some(gated) = self.gate(&step) => End::Gated(gated),
            Status::Pass | Status::Warn { .. } => End::Works,
            Status::Fail { .. } | Status::Error { .. } => End::Broken,
            Status::Skipped { why: Skip::Deadline, .. } => End::Late,
            Status::Skipped { why, .. } => End::Skipped(*why),
        };
        self.ends.insert(step, end);
    }

    /// Nothing of this device will work any more in this process.
    pub(super) fn poison(&mut self, step: &Step) {
        let devices: BTreeSet<GpuId> = self.concerned(step).cloned().collect();
        for device in devices {
            self.poisoned.entry(device).or_insert(step.id);
        }
    }

    /// What these devices do besides.
    pub(super) fn busy(&mut self, busy: BTreeMap<GpuId, String>) {
        self.busy = busy;
    }

    /// Whether this step has passed or warned.
    pub(super) fn works(&self, id: CheckId, device: &GpuId) -> bool {
        self.ends.get(&Step { id, device: Some(device.clone()) }) == Some(&End::Works)
    }
}

/// Whether no later call of this process can succeed on the device: `cuda.h` says of these numbers that the process
/// must end to use the device again, and an error of the memory or of a link is told again by each call.
pub(super) fn sticky(status: &Status) -> bool {
    let Status::Error { fault: Fault { code, .. }, .. } = status else { return false };
    matches!(code, 214 | 220 | 226 | 700 | 702 | 709 | 710 | 714..=719)
}

pub(super) fn skip(why: Skip, reason: impl Into<String>) -> Status {
    Status::Skipped { why, reason: reason.into() }
}
