//! The health of made-up GPUs.

mod events;
mod over_time;
mod rules;
mod verdicts;

use jiff::{SignedDuration, Timestamp};

use super::{
    Action, Change, Condition, ConditionKind, Facts, Health, Monitor, Severity, Thresholds, Timing, Timings, Verdict,
    assess,
};
use crate::gpu::{
    ClockEvents, Ecc, Event, EventKind, Fabric, FabricState, Gpu, GpuId, GpuState, Hears, LinkCounters, MemoryUse,
    NvLink, Origin, PcieLink, Persistent, Reading, RecoveryAction, RetiredPages, Rows, Sample, Snapshot, SramEcc,
    Unknown, Utilization, Via,
};

const PCI: &str = "00000000:19:00.0";

fn id(number: u32) -> GpuId {
    format!("GPU-{number:08x}-0000-4000-8000-000000000000").parse().unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000).unwrap() + SignedDuration::from_secs(seconds)
}

/// A GPU that answers everything, and with which nothing is wrong.
fn well(number: u32) -> GpuState {
    let mut gpu = Gpu::new(id(number), number, "NVIDIA H100 80GB HBM3");
    gpu.pci = Reading::Known(PCI.into());
    gpu.identity.inforom.image = Reading::Known("G520.0200.00.05".into());
    gpu.modes.persistence = Reading::Known(true);
    gpu.modes.ecc = Reading::Known(mode(true, true));
    gpu.mig.mode = Reading::Known(mode(false, false));
    gpu.limits.temperature.gpu_max = Reading::Known(87);
    gpu.limits.temperature.memory_max = Reading::Known(95);
    gpu.pcie.max_generation = Reading::Known(5);
    gpu.pcie.max_width = Reading::Known(16);
    gpu.nvlinks = Reading::Known((0..18).map(|number| link(number, true)).collect());
    gpu.fabric = Reading::Known(fabric(0));
    let mut sample = Sample::unknown(id(number), Unknown::NotSupported);
    sample.memory = Reading::Known(MemoryUse::default());
    sample.utilization = Reading::Known(Utilization { gpu: 90, memory: 40 });
    sample.temperature = Reading::Known(60);
    sample.memory_temperature = Reading::Known(70);
    sample.margin = Reading::Known(25);
    sample.power = Reading::Known(500_000);
    sample.clock_events = Reading::Known(ClockEvents(0));
    sample.pcie = Reading::Known(PcieLink { generation: 5, width: 16 });
    sample.pcie_replays = Reading::Known(0);
    sample.ecc = Reading::Known(Ecc::default());
    sample.sram = Reading::Known(SramEcc::default());
    sample.rows = Reading::Known(Rows::default());
    sample.retired_pages = Reading::Known(RetiredPages::default());
    sample.recovery = Reading::Known(RecoveryAction::None);
    sample.processes = Reading::Known(Vec::new());
    sample.nvlink = Reading::Known(LinkCounters {
        active: Reading::Known(18),
        crc_flit: Reading::Known(0),
        crc_data: Reading::Known(0),
        ..LinkCounters::default()
    });
    GpuState { gpu, sample }
}

fn mode(current: bool, pending: bool) -> Persistent {
    Persistent { current, pending }
}

fn link(number: u32, active: bool) -> NvLink {
    NvLink { link: number, active: Reading::Known(active), speed: Reading::Known(26562), ..NvLink::default() }
}

/// A GPU's place in a fabric with this mask of health.
fn fabric(mask: u32) -> Fabric {
    let mut fabric = Fabric::new(FabricState::Completed, 0, "c1", 1);
    fabric.health = Reading::Known(mask);
    fabric
}

fn snapshot(seconds: i64, gpus: Vec<GpuState>) -> Snapshot {
    let origin = Origin { simulated: true, name: "made up".into(), driver: Some("580.95.05".into()), cuda: None };
    Snapshot { at: at(seconds), origin, gpus }
}

/// A machine on which everything agrees with one GPU.
fn facts() -> Facts {
    Facts {
        pci_gpus: Reading::Known(1),
        loaded_version: Reading::Known("580.95.05".into()),
        library_version: Reading::Known("580.95.05".into()),
        zombies: Reading::Known(Vec::new()),
        hears: Hears { driver: true, kernel_log: true },
        ..Facts::default()
    }
}

/// One GPU that was well until this was done to it, looked at once.
fn look(change: impl FnOnce(&mut GpuState)) -> Health {
    look_with(&Thresholds::default(), change)
}

fn look_with(thresholds: &Thresholds, change: impl FnOnce(&mut GpuState)) -> Health {
    let mut state = well(1);
    change(&mut state);
    assess(thresholds, &snapshot(0, vec![state]), &facts())
}

/// The only condition that there is.
fn only(health: &Health) -> &Condition {
    assert_eq!(health.conditions.len(), 1, "{:#?}", health.conditions);
    &health.conditions[0]
}

fn kinds(health: &Health) -> Vec<ConditionKind> {
    health.conditions.iter().map(|condition| condition.kind).collect()
}

fn unchecked(health: &Health, kind: ConditionKind) -> Option<&str> {
    health.unchecked.iter().find(|it| it.kind == kind).map(|it| it.reason.as_str())
}

fn xid(seconds: i64, code: u64) -> Event {
    let kind = EventKind::Xid { code, detail: String::new() };
    Event::new(at(seconds), Some(id(1)), kind, Via::Simulated)
}

/// A monitor with these thresholds, and one GPU that it watches.
struct Watch {
    monitor: Monitor,
    state: GpuState,
}

impl Watch {
    fn new(thresholds: Thresholds) -> Self {
        Self { monitor: Monitor::new(thresholds).unwrap(), state: well(1) }
    }

    /// What one observation at this second says: a word and the kind for each change.
    fn see(&mut self, seconds: i64, events: &[Event]) -> Vec<String> {
        let changes = self.changes(seconds, events);
        changes.iter().map(word).collect()
    }

    fn changes(&mut self, seconds: i64, events: &[Event]) -> Vec<Change> {
        self.monitor.observe(at(seconds), &snapshot(seconds, vec![self.state.clone()]), events, &facts())
    }

    fn standing(&self, seconds: i64) -> Health {
        self.monitor.health(&snapshot(seconds, vec![self.state.clone()]))
    }
}

fn word(change: &Change) -> String {
    let word = match change {
        Change::Raised(_) => "raised",
        Change::Updated(_) => "updated",
        Change::Cleared(_) => "cleared",
    };
    format!("{word} {}", change.condition().kind)
}

/// What a case must look like.
fn assert_is(condition: &Condition, kind: ConditionKind, severity: Severity, action: Action) {
    assert_eq!((condition.kind, condition.severity, condition.action), (kind, severity, action), "{condition}");
    assert!(!condition.evidence.is_empty(), "{condition}");
    assert!(!condition.message.contains('\n'), "{condition}");
}
