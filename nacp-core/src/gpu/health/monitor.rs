//! Watching over time: conditions are raised, kept and cleared with patience.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::assessment::events_unheard;
use super::history::{History, Past};
use super::recent::Recent;
use super::rules::{Finding, GPU_RULES, MACHINE_RULES, Machine, Outcome, View, Why};
use super::{Action, Condition, ConditionKind, Facts, Health, Severity, Thresholds, Unchecked, told};
use crate::error::Result;
use crate::gpu::{Event, Gpu, GpuId, Hears, Partition, RecoveryAction, Snapshot};

/// The most conditions that events have told which are kept at once. Beyond it the mildest and oldest is cleared.
const MOST_TOLD: usize = 512;

/// Watches a node: hand it each snapshot with what happened since the last one, and it tells what changed.
///
/// A snapshot holds the GPUs as the node read them once: [reread](crate::gpu::Node::reread) the node every minute or so,
/// or links, fabric and modes stay as they were.
///
/// It reads no clock and keeps nothing on a disk. What it must know of the past, the caller tells it: that the machine
/// was restarted ([`rebooted`](Self::rebooted)), or what an earlier monitor knew ([`History`]).
///
/// ```
/// # use std::sync::Arc;
/// # use nacp_core::clock::ManualClock;
/// # use nacp_core::gpu::{Node, health::{Facts, Monitor, Thresholds}};
/// # let node = Node::from_source(Arc::new(nacp_core::sim::Node::named("h100x8")?))?;
/// # let clock = ManualClock::default();
/// let mut monitor = Monitor::new(Thresholds::default())?;
/// let snapshot = node.snapshot(&clock)?;
/// for change in monitor.observe(snapshot.at, &snapshot, &[], &Facts::default()) {
///     println!("{change}");
/// }
/// println!("{}", monitor.health(&snapshot).summary());
/// # Ok::<(), nacp_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Monitor {
    thresholds: Thresholds,
    entries: BTreeMap<Key, Entry>,
    recent: BTreeMap<GpuId, Recent>,
    history: History,
    unchecked: Vec<(Option<GpuId>, ConditionKind, Why)>,
    hears: Hears,
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Something is wrong that was not.
    Raised(Condition),
    /// It got better or worse, needs another action, or was told again.
    Updated(Condition),
    /// It is over.
    Cleared(Condition),
}

impl Change {
    /// The condition, as it is now or was last.
    pub fn condition(&self) -> &Condition {
        let (Self::Raised(condition) | Self::Updated(condition) | Self::Cleared(condition)) = self;
        condition
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self {
            Self::Raised(_) => "raised",
            Self::Updated(_) => "updated",
            Self::Cleared(_) => "cleared",
        };
        write!(f, "{word}: {}", self.condition())
    }
}

/// What makes a condition the same one: for what events tell also number and partition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    gpu: Option<GpuId>,
    kind: ConditionKind,
    told: Option<(u64, Option<Partition>)>,
}

#[derive(Clone, Debug)]
struct Entry {
    condition: Condition,
    raised: bool,
    /// Since when it is known to be gone, without a doubt in between.
    gone: Option<Timestamp>,
}

impl Monitor {
    /// A monitor that knows of nothing yet.
    ///
    /// # Errors
    /// As for [`Thresholds::validate`].
    pub fn new(thresholds: Thresholds) -> Result<Self> {
        Self::with_history(thresholds, History::default())
    }

    /// A monitor that knows what an earlier one, or somebody else, knew of Xids and restarts.
    ///
    /// # Errors
    /// As for [`Thresholds::validate`].
    pub fn with_history(thresholds: Thresholds, history: History) -> Result<Self> {
        thresholds.validate()?;
        Ok(Self {
            thresholds,
            entries: BTreeMap::new(),
            recent: BTreeMap::new(),
            history,
            unchecked: Vec::new(),
            hears: Hears::default(),
        })
    }

    /// The thresholds.
    pub fn thresholds(&self) -> &Thresholds {
        &self.thresholds
    }

    /// What it knows of Xids and restarts, to be handed to the next monitor.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Takes in one snapshot, with the events since the last one, and tells what changed. `at` is when the snapshot was
    /// read.
    pub fn observe(&mut self, at: Timestamp, snapshot: &Snapshot, events: &[Event], facts: &Facts) -> Vec<Change> {
        let mut changes = Vec::new();
        self.unchecked.clear();
        self.hears = facts.hears;
        self.recent.retain(|id, _| snapshot.gpus.iter().any(|state| state.gpu.id == *id));
        for (kind, rule) in MACHINE_RULES {
            if !self.thresholds.ignores(kind) {
                let outcome = rule(&Machine { limits: &self.thresholds, facts, snapshot });
                self.settle(at, None, kind, outcome, &mut changes);
            }
        }
        for state in &snapshot.gpus {
            let recent = self.recent.entry(state.gpu.id.clone()).or_default();
            recent.push(at, &state.sample);
            let rates = recent.rates(self.thresholds.slowdown_window);
            let outcomes: Vec<_> = {
                let stands = |kind| self.stands(&state.gpu.id, kind);
                let view = View::of(state, &self.thresholds, facts, Some(rates), &stands);
                let rules = GPU_RULES.into_iter().filter(|(kind, _)| !self.thresholds.ignores(*kind));
                rules.map(|(kind, rule)| (kind, rule(&view))).collect()
            };
            for (kind, outcome) in outcomes {
                self.settle(at, Some(&state.gpu), kind, outcome, &mut changes);
            }
        }
        self.hear(at, snapshot, events, &mut changes);
        self.let_pass(at, snapshot, &mut changes);
        changes
    }

    /// The machine was restarted: what events told is over, unless only hands can mend it, and each grave Xid that came
    /// since the restart before counts one more restart.
    pub fn rebooted(&mut self) -> Vec<Change> {
        self.history.rebooted();
        self.recent.clear();
        self.forget_told(|_, action| !action.needs_hands())
    }

    /// A GPU was reset: what events told of it is over, where a reset mends it.
    pub fn reset(&mut self, gpu: &GpuId) -> Vec<Change> {
        self.recent.remove(gpu);
        self.forget_told(|of, action| of == Some(gpu) && action.is_done_by_a_reset())
    }

    /// A GPU was taken out or replaced: everything about it is over.
    pub fn forget(&mut self, gpu: &GpuId) -> Vec<Change> {
        self.recent.remove(gpu);
        self.history.forget(gpu);
        self.drop_entries(|key, _| key.gpu.as_ref() == Some(gpu))
    }

    /// The conditions that stand, the worst first, with what could not be checked at the last observation. `snapshot` is
    /// the one that was observed last.
    pub fn health(&self, snapshot: &Snapshot) -> Health {
        let standing = self.entries.values().filter(|entry| entry.raised);
        let conditions = standing.map(|entry| entry.condition.clone()).collect();
        let unchecked = self.unchecked.iter().map(|(gpu, kind, why)| Unchecked::new(gpu.clone(), *kind, *why));
        let unheard = events_unheard(&self.thresholds, self.hears);
        Health::new(snapshot.at, snapshot, conditions, unchecked.chain(unheard).collect())
    }

    fn stands(&self, gpu: &GpuId, kind: ConditionKind) -> bool {
        let key = Key { gpu: Some(gpu.clone()), kind, told: None };
        self.entries.get(&key).is_some_and(|entry| entry.raised)
    }

    /// What a rule says, in the light of what it said before.
    fn settle(
        &mut self,
        at: Timestamp,
        gpu: Option<&Gpu>,
        kind: ConditionKind,
        outcome: Outcome,
        changes: &mut Vec<Change>,
    ) {
        let key = Key { gpu: gpu.map(|gpu| gpu.id.clone()), kind, told: None };
        let timing = self.thresholds.timing.of(kind.class());
        match outcome {
            Outcome::Holds(finding) => {
                let Some(severity) = self.thresholds.severity_of(kind, None, finding.severity) else { return };
                let now = Condition::found(gpu, kind, finding.severity(severity), at);
                let entry = self.entries.entry(key).or_insert_with(|| Entry::new(&now));
                let changed = entry.seen(now, at);
                if !entry.raised && at.duration_since(entry.condition.since) >= timing.raise() {
                    entry.raised = true;
                    changes.push(Change::Raised(entry.condition.clone()));
                } else if entry.raised && changed {
                    changes.push(Change::Updated(entry.condition.clone()));
                }
            }
            Outcome::Clear => {
                let Some(entry) = self.entries.get_mut(&key) else { return };
                let gone = *entry.gone.get_or_insert(at);
                if !entry.raised {
                    self.entries.remove(&key);
                } else if at.duration_since(gone) >= timing.clear() {
                    changes.extend(self.entries.remove(&key).map(|entry| Change::Cleared(entry.condition)));
                }
            }
            Outcome::Unchecked(why) => {
                self.unchecked.push((key.gpu.clone(), kind, why));
                if let Some(entry) = self.entries.get_mut(&key) {
                    entry.gone = None;
                }
            }
        }
    }

    /// Takes in what events tell. Many of one kind make one change.
    fn hear(&mut self, at: Timestamp, snapshot: &Snapshot, events: &[Event], changes: &mut Vec<Change>) {
        let timing = self.thresholds.timing.event;
        let mut again = BTreeSet::new();
        for event in events {
            let Some((kind, code, finding)) = told::finding(event) else { continue };
            let Some(severity) = self.thresholds.severity_of(kind, Some(code), finding.severity) else { continue };
            let finding = self.escalate(at, event, kind, code, finding.severity(severity));
            let gpu = snapshot.gpus.iter().map(|state| &state.gpu).find(|gpu| Some(&gpu.id) == event.gpu.as_ref());
            let mut now = Condition::found(gpu, kind, finding, event.at.min(at));
            now.gpu.clone_from(&event.gpu);
            now.partition = event.partition;
            now.code = Some(code);
            let key = Key { gpu: event.gpu.clone(), kind, told: Some((code, event.partition)) };
            let entry = self.entries.entry(key.clone()).or_insert_with(|| Entry::new(&now));
            let then = now.last.max(entry.condition.last);
            entry.seen(now, then);
            if entry.raised {
                again.insert(key);
            }
        }
        for (key, entry) in self.entries.iter_mut().filter(|(key, entry)| key.told.is_some() && !entry.raised) {
            if at.duration_since(entry.condition.since) >= timing.raise() {
                entry.raised = true;
                again.remove(key);
                changes.push(Change::Raised(entry.condition.clone()));
            }
        }
        let updated = again.iter().filter_map(|key| self.entries.get(key));
        changes.extend(updated.map(|entry| Change::Updated(entry.condition.clone())));
        self.make_room(changes);
    }

    /// A grave Xid that restarts of the machine did not end calls for an inspection.
    fn escalate(&mut self, at: Timestamp, event: &Event, kind: ConditionKind, code: u64, finding: Finding) -> Finding {
        if kind != ConditionKind::Xid || finding.severity < Severity::Drain {
            return finding;
        }
        let Past { reboots, .. } = self.history.came(event.gpu.as_ref(), code, event.at.min(at));
        let exempt = self.thresholds.inspection_exempt.contains(&code);
        if exempt || reboots < self.thresholds.reboots_before_inspection {
            return finding;
        }
        let message = format!("{}, again after {reboots} restarts of the machine", finding.message);
        Finding { message, ..finding }.action(Action::InspectHardware)
    }

    /// Ends what events told once: mild conditions after a while, grave ones when the driver says for a while that
    /// nothing needs to be done.
    fn let_pass(&mut self, at: Timestamp, snapshot: &Snapshot, changes: &mut Vec<Change>) {
        let after = self.thresholds.timing.event.clear();
        let well = |gpu: &Option<GpuId>| {
            let state = snapshot.gpus.iter().find(|state| Some(&state.gpu.id) == gpu.as_ref());
            state.is_some_and(|state| state.sample.recovery.known() == Some(&RecoveryAction::None))
        };
        let mut over = Vec::new();
        for (key, entry) in self.entries.iter_mut().filter(|(key, _)| key.told.is_some()) {
            let condition = &entry.condition;
            let since = if condition.severity < Severity::Drain {
                condition.last
            } else if condition.action.is_done_by_a_reset() && well(&key.gpu) {
                *entry.gone.get_or_insert(at)
            } else {
                entry.gone = None;
                continue;
            };
            if at.duration_since(since) >= after {
                over.push(key.clone());
            }
        }
        for key in over {
            let ended = self.entries.remove(&key).filter(|entry| entry.raised);
            changes.extend(ended.map(|entry| Change::Cleared(entry.condition)));
        }
    }

    fn make_room(&mut self, changes: &mut Vec<Change>) {
        let told = self.entries.iter().filter(|(key, _)| key.told.is_some());
        let mut told: Vec<_> =
            told.map(|(key, entry)| (entry.condition.severity, entry.condition.last, key.clone())).collect();
        let excess = told.len().saturating_sub(MOST_TOLD);
        if excess == 0 {
            return;
        }
        told.sort_unstable();
        for (_, _, key) in told.into_iter().take(excess) {
            let ended = self.entries.remove(&key).filter(|entry| entry.raised);
            changes.extend(ended.map(|entry| Change::Cleared(entry.condition)));
        }
    }

    fn forget_told(&mut self, over: impl Fn(Option<&GpuId>, Action) -> bool) -> Vec<Change> {
        self.drop_entries(|key, entry| key.told.is_some() && over(key.gpu.as_ref(), entry.condition.action))
    }

    fn drop_entries(&mut self, over: impl Fn(&Key, &Entry) -> bool) -> Vec<Change> {
        let ended = self.entries.extract_if(.., |key, entry| over(key, entry));
        ended.filter(|(_, entry)| entry.raised).map(|(_, entry)| Change::Cleared(entry.condition)).collect()
    }
}

impl Entry {
    /// An entry for what is about to be seen for the first time.
    fn new(condition: &Condition) -> Self {
        let mut condition = condition.clone();
        condition.count = 0;
        Self { condition, raised: false, gone: None }
    }

    /// It was seen again; whether a user would act differently now.
    fn seen(&mut self, now: Condition, at: Timestamp) -> bool {
        let before = &self.condition;
        let changed = (before.severity, before.action) != (now.severity, now.action);
        self.gone = None;
        self.condition = Condition { since: before.since, last: at, count: before.count.saturating_add(1), ..now };
        changed
    }
}

#[cfg(test)]
impl Monitor {
    /// How many conditions, counters and Xids it keeps.
    pub(super) fn size(&self) -> usize {
        self.entries.len() + self.recent.len() + self.history.xids.len()
    }
}
