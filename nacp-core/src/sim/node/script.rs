//! What happens on a simulated machine as time goes on: GPUs that are lost, hang, count errors or grow hot.
//!
//! The state of a GPU at a tick is a function of the file and the tick alone, so that [`Node`](super::Node) and the
//! simulated management library of the tests tell the same.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::file::{NodeFile, wrong};
use super::gpu::GpuFile;
use super::numbered::{EventKind, bits};
use crate::error::{Error, Result};
use crate::units::Bytes;

/// How long a tick of a script is.
pub const TICK: Duration = Duration::from_millis(100);

/// The most states that the GPUs of a file may pass through.
const STATES: usize = 10_000;

/// A step of a script.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StepFile {
    /// When it happens: so many ticks of 100 ms after the start.
    pub tick: u64,
    /// To which GPU; absent: to every GPU.
    pub gpu: Option<usize>,
    /// Ticks until it happens again; absent: it happens once.
    pub every: Option<u64>,
    /// How often it happens, where it happens again.
    pub times: Option<u64>,
    /// What the GPU says from now on, in the words of [`GpuFile`].
    pub set: Option<Map<String, Value>>,
    /// By how much its figures grow, in the same words.
    pub add: Option<Map<String, Value>>,
    /// Errors in its memory, which are counted and reported as events.
    pub ecc: Option<StormFile>,
    /// An Xid that the driver reports.
    pub xid: Option<u64>,
    /// Another event.
    pub event: Option<EventFile>,
    /// Whether it falls off the bus (`true`) or comes back (`false`).
    pub lost: Option<bool>,
    /// Whether calls that ask it no longer return (`true`) or do again (`false`).
    pub hang: Option<bool>,
}

/// ECC errors in a GPU's memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StormFile {
    /// Corrected.
    pub corrected: u64,
    /// Not corrected.
    pub uncorrected: u64,
}

/// An event of a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventFile {
    /// Its kind: a word, or the bits of one that has none.
    pub kind: EventBits,
    /// What the driver adds, such as the number of an Xid.
    #[serde(default)]
    pub data: u64,
    /// The GPU instance that it concerns; absent: the whole GPU.
    #[serde(default)]
    pub gpu_instance: Option<u32>,
    /// The compute instance that it concerns.
    #[serde(default)]
    pub compute_instance: Option<u32>,
}

/// The kind of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum EventBits {
    /// A kind that has a word.
    Kind(EventKind),
    /// The bits of nvml.h, also such as nobody knows.
    Bits(u64),
}

impl EventBits {
    /// The bits of nvml.h.
    pub fn bits(self) -> u64 {
        match self {
            Self::Kind(kind) => u64::from(kind.number()),
            Self::Bits(bits) => bits,
        }
    }
}

/// An event at its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScriptEvent {
    /// When it happens.
    pub tick: u64,
    /// To which GPU.
    pub gpu: usize,
    /// What.
    pub event: EventFile,
}

/// A GPU from one tick to the next change.
#[derive(Clone, Debug, PartialEq)]
pub struct GpuState {
    /// What it says.
    pub file: GpuFile,
    /// Whether it has fallen off the bus.
    pub lost: bool,
    /// Whether calls that ask it do not return.
    pub hanging: bool,
}

/// A node file's script, worked out.
#[derive(Clone, Debug)]
pub struct Timeline {
    /// For each GPU its states, with the tick at which each begins; the first begins at 0.
    gpus: Vec<Vec<(u64, GpuState)>>,
    events: Vec<ScriptEvent>,
}

impl Timeline {
    /// Works out the script of a node file.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument): the step that makes no sense.
    pub fn new(file: &NodeFile) -> Result<Self> {
        let mut happenings = Vec::new();
        for (nth, step) in file.script.iter().enumerate() {
            if step.gpu.is_some_and(|gpu| gpu >= file.gpus.len()) {
                return Err(wrong("a step for a GPU that there is not").with("step", nth));
            }
            let times = match (step.every, step.times) {
                (None, None) => 1,
                (Some(every), Some(times)) if every > 0 => times,
                _ => return Err(wrong("`every` and `times` go together, `every` from 1 on").with("step", nth)),
            };
            if times.saturating_mul(file.gpus.len() as u64) > STATES as u64 {
                return Err(wrong("a step happens too often").with("step", nth).with("most", STATES));
            }
            happenings.extend((0..times).map(|time| (step.tick + time * step.every.unwrap_or(0), nth, step)));
        }
        happenings.sort_by_key(|(tick, ..)| *tick);
        let mut timeline = Self { gpus: Vec::new(), events: Vec::new() };
        for (index, gpu) in file.gpus.iter().enumerate() {
            let own = happenings.iter().filter(|(_, _, step)| step.gpu.is_none_or(|gpu| gpu == index));
            let mut states = vec![(0, GpuState { file: gpu.clone(), lost: false, hanging: false })];
            for (tick, nth, step) in own {
                let place = |error: Error| error.with("step", nth).with("gpu", index);
                timeline.events.extend(step.events().map(|event| ScriptEvent { tick: *tick, gpu: index, event }));
                let Some((since, last)) = states.last_mut() else { continue };
                let next = step.apply(last).map_err(place)?;
                if *since == *tick { *last = next } else { states.push((*tick, next)) }
            }
            timeline.gpus.push(states);
        }
        timeline.events.sort_by_key(|event| event.tick);
        Ok(timeline)
    }

    /// A GPU at a tick; nothing for a GPU that there is not.
    pub fn state(&self, gpu: usize, tick: u64) -> Option<&GpuState> {
        let states = self.gpus.get(gpu)?;
        let after = states.partition_point(|(since, _)| *since <= tick);
        states.get(after.checked_sub(1)?).map(|(_, state)| state)
    }

    /// All events, in the order of time, then of the GPUs.
    pub fn events(&self) -> &[ScriptEvent] {
        &self.events
    }

    /// The kinds of events that a GPU reports, as bits of nvml.h: those of `file`, with those of the script, which may be
    /// such as nobody knows. One whose file names none reports none.
    pub fn event_kinds(&self, gpu: usize, file: &GpuFile) -> u64 {
        if file.events.is_empty() {
            return 0;
        }
        let own = self.events.iter().filter(|happening| happening.gpu == gpu);
        own.fold(bits(&file.events, EventKind::number), |kinds, happening| kinds | happening.event.kind.bits())
    }

    /// Whether no GPU ever changes.
    pub fn is_still(&self) -> bool {
        self.gpus.iter().all(|states| states.len() == 1)
    }
}

impl StepFile {
    fn apply(&self, before: &GpuState) -> Result<GpuState> {
        let file = if self.set.is_none() && self.add.is_none() && self.ecc.is_none() {
            before.file.clone()
        } else {
            let mut value = serde_json::to_value(&before.file).map_err(wrong)?;
            if let Some(set) = &self.set {
                merge(&mut value, set);
            }
            for growth in self.add.clone().into_iter().chain(self.ecc.map(StormFile::growth)) {
                grow(&mut value, &growth, "")?;
            }
            serde_json::from_value(value).map_err(wrong)?
        };
        Ok(GpuState { file, lost: self.lost.unwrap_or(before.lost), hanging: self.hang.unwrap_or(before.hanging) })
    }

    fn events(&self) -> impl Iterator<Item = EventFile> {
        let plain =
            |kind, data| EventFile { kind: EventBits::Kind(kind), data, gpu_instance: None, compute_instance: None };
        let storm = self.ecc.unwrap_or_default();
        let corrected = (storm.corrected > 0).then(|| plain(EventKind::SingleBitEcc, storm.corrected));
        let uncorrected = (storm.uncorrected > 0).then(|| plain(EventKind::DoubleBitEcc, storm.uncorrected));
        let xid = self.xid.map(|number| plain(EventKind::Xid, number));
        [corrected, uncorrected, xid, self.event].into_iter().flatten()
    }
}

impl StormFile {
    /// The counters that grow.
    fn growth(self) -> Map<String, Value> {
        let errors = serde_json::json!({
            "corrected": { "dram": self.corrected },
            "uncorrected": { "dram": self.uncorrected },
        });
        let counters = serde_json::json!({ "volatile": errors, "aggregate": errors });
        Map::from_iter([("ecc".to_owned(), counters)])
    }
}

/// Lays `over` over `value`, object by object.
fn merge(value: &mut Value, over: &Map<String, Value>) {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    let Value::Object(members) = value else { return };
    for (key, new) in over {
        match (members.get_mut(key), new) {
            (Some(old), Value::Object(inner)) => merge(old, inner),
            _ => {
                members.insert(key.clone(), new.clone());
            }
        }
    }
}

/// Adds the numbers of `growth` to those of `value`; `path` is where that is.
fn grow(value: &mut Value, growth: &Map<String, Value>, path: &str) -> Result<()> {
    for (key, more) in growth {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let nothing = || wrong("there is no number to add to").with("at", &path);
        let old = value.get_mut(key).ok_or_else(nothing)?;
        match (&*old, more) {
            (_, Value::Object(inner)) => grow(old, inner, &path)?,
            (Value::Number(_), _) => *old = sum(old, more).ok_or_else(nothing)?,
            _ => return Err(nothing()),
        }
    }
    Ok(())
}

fn sum(old: &Value, more: &Value) -> Option<Value> {
    if let (Some(old), Some(more)) = (old.as_u64(), more.as_u64()) {
        return Some(old.saturating_add(more).into());
    }
    if let (Some(old), Some(more)) = (old.as_u64(), more.as_i64()) {
        return Some(old.saturating_add_signed(more).into());
    }
    if let (Some(old), Some(more)) = (old.as_i64(), more.as_i64()) {
        return Some(old.saturating_add(more).into());
    }
    if let (Some(old), Some(text)) = (old.as_u64(), more.as_str()) {
        return Some(old.saturating_add(text.parse::<Bytes>().ok()?.0).into());
    }
    Some((old.as_f64()? + more.as_f64()?).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `h100x8` with this script.
    fn scripted(script: Value) -> Result<Timeline> {
        let mut file = NodeFile::shipped("h100x8").unwrap();
        file.script = serde_json::from_value(script).unwrap();
        Timeline::new(&file)
    }

    #[test]
    fn a_file_without_a_script_stands_still() {
        let timeline = scripted(serde_json::json!([])).unwrap();
        assert!(timeline.is_still() && timeline.events().is_empty());
        assert_eq!(timeline.state(0, 0), timeline.state(0, u64::MAX));
        assert_eq!(timeline.state(8, 0), None);
    }

    #[test]
    fn steps_change_their_gpu_at_their_tick() {
        let timeline = scripted(serde_json::json!([
            { "tick": 5, "gpu": 1, "set": { "temperature": 96, "clocks": { "sm": 210 } } },
            { "tick": 9, "gpu": 1, "lost": true, "xid": 79 },
            { "tick": 7, "gpu": 2, "hang": true },
            { "tick": 8, "gpu": 2, "hang": false },
        ]))
        .unwrap();
        let state = |gpu, tick| timeline.state(gpu, tick).unwrap();
        let before = state(1, 4).file.clone();
        let after = &state(1, 5).file;
        assert_eq!((after.temperature, after.clocks.sm), (96, 210));
        assert_eq!((after.clocks.memory, after.power), (before.clocks.memory, before.power), "the rest stays");
        assert!(!state(1, 8).lost && state(1, 9).lost && state(1, 1000).lost);
        assert_eq!([6, 7, 8].map(|tick| state(2, tick).hanging), [false, true, false]);
        assert_eq!(state(0, 1000).file, state(0, 0).file);
        let [event] = timeline.events() else { panic!("one event: {:?}", timeline.events()) };
        assert_eq!((event.tick, event.gpu, event.event.kind.bits(), event.event.data), (9, 1, 8, 79));
    }

    #[test]
    fn an_ecc_storm_counts_and_reports() {
        let timeline = scripted(serde_json::json!([
            { "tick": 10, "gpu": 3, "every": 2, "times": 3, "ecc": { "corrected": 100 } },
            { "tick": 13, "gpu": 3, "ecc": { "uncorrected": 1 } },
        ]))
        .unwrap();
        let counts = |tick| {
            let ecc = timeline.state(3, tick).unwrap().file.ecc.clone().unwrap();
            (ecc.volatile.corrected.dram, ecc.volatile.uncorrected.dram, ecc.aggregate.corrected.dram)
        };
        let start = counts(0);
        let more = |corrected: u64, uncorrected: u64| {
            let plus = |count: Option<u64>, more| count.map(|count| count + more);
            (plus(start.0, corrected), plus(start.1, uncorrected), plus(start.2, corrected))
        };
        assert_eq!(
            [9, 10, 12, 13, 14, 99].map(counts),
            [start, more(100, 0), more(200, 0), more(200, 1), more(300, 1), more(300, 1),]
        );
        let kinds: Vec<_> = timeline.events().iter().map(|event| (event.tick, event.event.kind.bits())).collect();
        assert_eq!(kinds, [(10, 1), (12, 1), (13, 2), (14, 1)]);
    }

    #[test]
    fn figures_grow_as_they_are_told() {
        let timeline = scripted(serde_json::json!([
            { "tick": 1, "every": 1, "times": 4, "add": { "energy": 7000, "memory": { "used": "1MiB" } } },
            { "tick": 3, "gpu": 0, "add": { "temperature": -3 } },
        ]))
        .unwrap();
        let at = |tick| &timeline.state(0, tick).unwrap().file;
        assert_eq!(at(4).energy.unwrap() - at(0).energy.unwrap(), 28_000);
        assert_eq!((at(2).memory.used.as_mib(), at(0).memory.used.as_mib()), (2, 0));
        assert_eq!(at(0).temperature - at(3).temperature, 3);
    }

    #[test]
    fn a_step_that_makes_no_sense_is_named() {
        for (step, words) in [
            (serde_json::json!({ "gpu": 8 }), "a step for a GPU that there is not step=1"),
            (serde_json::json!({ "every": 1 }), "`every` and `times` go together"),
            (serde_json::json!({ "every": 1, "times": 2000 }), "a step happens too often step=1 most=10000"),
            (serde_json::json!({ "add": { "fan": 1 } }), "there is no number to add to at=fan step=1 gpu=0"),
            (serde_json::json!({ "set": { "temperature": "hot" } }), "invalid type: string \"hot\""),
        ] {
            let error = scripted(serde_json::json!([{ "tick": 1 }, step])).unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
