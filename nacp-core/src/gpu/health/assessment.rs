//! The health of a node at one moment.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::rules::{Finding, GPU_RULES, MACHINE_RULES, Machine, Outcome, View, Why};
use super::{Action, Condition, ConditionKind, ConditionKind as K, Facts, Thresholds, Verdict};
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::{Gpu, GpuId, Hears, Origin, Snapshot};

/// How healthy a node is: what is wrong, and what could not be checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Health {
    /// When it was read.
    pub at: Timestamp,
    /// What it was read from, and whether that is simulated.
    pub origin: Origin,
    /// The GPUs, in the driver's order.
    pub gpus: Vec<GpuHealth>,
    /// What is wrong, the worst first.
    pub conditions: Vec<Condition>,
    /// What could not be checked. It counts neither for nor against a GPU.
    pub unchecked: Vec<Unchecked>,
}

/// How healthy one GPU is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GpuHealth {
    /// Which GPU.
    pub id: GpuId,
    /// Its position in the driver's list, for display only.
    #[serde(default)]
    pub index: u32,
    /// Its name.
    pub name: String,
    /// What may be done with it.
    pub verdict: Verdict,
    /// Its partitions that programs can use: what holds for the GPU holds for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partitions: Vec<GpuId>,
}

/// A condition of which nobody can say whether it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Unchecked {
    /// On which GPU; nothing where it concerns the machine.
    pub gpu: Option<GpuId>,
    /// Which condition.
    pub kind: ConditionKind,
    /// Why, in lower case.
    pub reason: String,
}

/// Advice for placement: a GPU that should get no new work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Cordon {
    /// Which GPU.
    pub gpu: GpuId,
    /// [`Drain`](Verdict::Drain): move off what runs; [`Unusable`](Verdict::Unusable): nothing runs any more.
    pub verdict: Verdict,
    /// Why: the message of the worst condition.
    pub reason: String,
    /// What must be done before it may get work again, for the worst condition first; each once.
    pub until: Vec<Action>,
}

/// Looks at one snapshot, without memory of what was before: nothing is raised late, and what only shows over time is
/// unchecked. [`Monitor`](super::Monitor) watches.
pub fn assess(thresholds: &Thresholds, snapshot: &Snapshot, facts: &Facts) -> Health {
    let mut conditions = Vec::new();
    let mut unchecked = Vec::new();
    let mut settle = |gpu: Option<&Gpu>, kind, outcome| match outcome {
        Outcome::Clear => {}
        Outcome::Unchecked(why) => unchecked.push(Unchecked::new(gpu.map(|gpu| gpu.id.clone()), kind, why)),
        Outcome::Holds(finding) => {
            if let Some(severity) = thresholds.severity_of(kind, None, finding.severity) {
                conditions.push(Condition::found(gpu, kind, finding.severity(severity), snapshot.at));
            }
        }
    };
    for (kind, rule) in MACHINE_RULES.into_iter().filter(|(kind, _)| !thresholds.ignores(*kind)) {
        settle(None, kind, rule(&Machine { limits: thresholds, facts, snapshot }));
    }
    for state in &snapshot.gpus {
        let view = View::of(state, thresholds, facts, None, &|_| false);
        for (kind, rule) in GPU_RULES.into_iter().filter(|(kind, _)| !thresholds.ignores(*kind)) {
            settle(Some(&state.gpu), kind, rule(&view));
        }
    }
    unchecked.extend(events_unheard(thresholds, facts.hears));
    Health::new(snapshot.at, snapshot, conditions, unchecked)
}

/// The conditions that only events tell, where nobody listens to those that tell them.
pub(super) fn events_unheard(thresholds: &Thresholds, hears: Hears) -> impl Iterator<Item = Unchecked> {
    let why = move |kind| match kind {
        K::Sxid | K::FellOffBus if !hears.kernel_log => Some("nobody listens to the kernel's log"),
        K::Xid if !hears.driver && !hears.kernel_log => Some("nobody listens to events"),
        K::Poison | K::UnknownEvent if !hears.driver => Some("nobody listens to the driver's events"),
        _ => None,
    };
    let kinds = K::ALL.iter().filter(|kind| !thresholds.ignores(**kind));
    kinds.filter_map(move |kind| Some(Unchecked::new(None, *kind, Why::Because(why(*kind)?))))
}

impl Unchecked {
    pub(super) fn new(gpu: Option<GpuId>, kind: ConditionKind, why: Why) -> Self {
        let reason = match why {
            Why::Unknown(unknown) => unknown.to_string(),
            Why::Because(words) => words.to_owned(),
        };
        Self { gpu, kind, reason }
    }
}

impl Condition {
    /// What a rule has found at a moment.
    pub(super) fn found(gpu: Option<&Gpu>, kind: ConditionKind, finding: Finding, at: Timestamp) -> Self {
        let pci = gpu.and_then(|gpu| gpu.pci.known());
        Self {
            gpu: gpu.map(|gpu| gpu.id.clone()),
            partition: None,
            kind,
            code: None,
            severity: finding.severity,
            message: finding.message,
            evidence: finding.evidence,
            command: finding.action.command(pci.map(String::as_str)),
            action: finding.action,
            since: at,
            last: at,
            count: 1,
        }
    }
}

impl Health {
    pub(super) fn new(
        at: Timestamp,
        snapshot: &Snapshot,
        mut conditions: Vec<Condition>,
        unchecked: Vec<Unchecked>,
    ) -> Self {
        conditions.sort_by_key(|condition| std::cmp::Reverse(condition.severity));
        let gpus = snapshot.gpus.iter().map(|state| {
            let id = &state.gpu.id;
            let partitions = state.gpu.mig.devices.known().into_iter().flatten();
            GpuHealth {
                id: id.clone(),
                index: state.gpu.index,
                name: state.gpu.name.clone(),
                verdict: worst(conditions.iter().filter(|condition| concerns(condition, id))),
                partitions: partitions.map(|device| device.id.clone()).collect(),
            }
        });
        let gpus = gpus.collect();
        Self { at, origin: snapshot.origin.clone(), gpus, conditions, unchecked }
    }

    /// What may be done with a GPU, or with a partition of one.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound), with the ids that there are.
    pub fn verdict(&self, id: &GpuId) -> Result<Verdict> {
        let found = self.gpus.iter().find(|gpu| gpu.id == *id || gpu.partitions.contains(id));
        found.map(|gpu| gpu.verdict).ok_or_else(|| {
            let known: Vec<_> = self.gpus.iter().map(|gpu| gpu.id.as_str()).collect();
            Error::new(ErrorKind::NotFound, "gpu.health.verdict", "no such GPU on this node")
                .with("id", id)
                .with("known", known.join(","))
        })
    }

    /// What may be done with the node as a whole: the worst of everything.
    pub fn overall(&self) -> Verdict {
        worst(&self.conditions)
    }

    /// What is wrong with one GPU, and with the machine where that stops every GPU; the worst first.
    pub fn of<'a>(&'a self, id: &'a GpuId) -> impl Iterator<Item = &'a Condition> {
        self.conditions.iter().filter(move |condition| concerns(condition, id))
    }

    /// The GPUs that should get no new work, with what must be done first.
    pub fn cordon(&self) -> Vec<Cordon> {
        let ill = self.gpus.iter().filter(|gpu| gpu.verdict >= Verdict::Drain);
        ill.map(|gpu| {
            let grave = || self.of(&gpu.id).filter(|condition| Verdict::from(condition.severity) >= Verdict::Drain);
            let mut until = Vec::new();
            for condition in grave() {
                if !until.contains(&condition.action) {
                    until.push(condition.action);
                }
            }
            let reason = grave().next().map_or_else(String::new, |condition| condition.message.clone());
            Cordon { gpu: gpu.id.clone(), verdict: gpu.verdict, reason, until }
        })
        .collect()
    }

    /// One line: the verdict, and what could not be checked, with why.
    pub fn summary(&self) -> String {
        let simulated = if self.origin.simulated { "simulated: " } else { "" };
        let verdict = match self.overall() {
            Verdict::Healthy if self.unchecked.is_empty() => "healthy".to_owned(),
            Verdict::Healthy => "healthy as far as it can be known".to_owned(),
            verdict => {
                let grave = self.conditions.iter().filter(|it| Verdict::from(it.severity) == verdict);
                let worst: Vec<&str> = grave.map(|condition| condition.message.as_str()).collect();
                format!("{verdict}: {}", worst.join("; "))
            }
        };
        let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for unchecked in &self.unchecked {
            let kinds = reasons.entry(&unchecked.reason).or_default();
            if !kinds.contains(&unchecked.kind.name()) {
                kinds.push(unchecked.kind.name());
            }
        }
        let unchecked: Vec<String> =
            reasons.iter().map(|(reason, kinds)| format!("{} ({reason})", kinds.join(", "))).collect();
        let rest =
            if unchecked.is_empty() { String::new() } else { format!("; not checked: {}", unchecked.join(", ")) };
        format!("{simulated}{verdict}{rest}")
    }
}

fn concerns(condition: &Condition, id: &GpuId) -> bool {
    match &condition.gpu {
        Some(gpu) => gpu == id,
        None => condition.kind.stops_all(),
    }
}

fn worst<'a>(conditions: impl IntoIterator<Item = &'a Condition>) -> Verdict {
    conditions.into_iter().map(|condition| condition.severity.into()).max().unwrap_or_default()
}

impl fmt::Display for Health {
    /// The summary, then one line a GPU and one a condition.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.summary())?;
        for gpu in &self.gpus {
            writeln!(f, "{:12}  {:8}  {}", gpu.id.short(), gpu.verdict, gpu.name)?;
        }
        for condition in &self.conditions {
            writeln!(f, "{condition}")?;
        }
        Ok(())
    }
}
