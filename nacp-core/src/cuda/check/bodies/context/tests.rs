//! Every end of the checks of contexts, with its message.

use std::sync::Arc;

use super::super::scripted::{Script, Scripted};
use super::*;
use crate::cuda::check::Facts;
use crate::gpu::ProcessKind;
use crate::gpu::{Events, Origin, Pair, Persistent, Sample, Source, Unknown};

const ID: &str = "GPU-abababab-abab-abab-abab-abababababab";

/// A management library that knows who computes.
#[derive(Debug)]
struct Processes(Origin, Vec<(u32, ProcessKind)>);

impl Source for Processes {
    fn origin(&self) -> &Origin {
        &self.0
    }
    fn inventory(&self) -> crate::Result<Vec<Gpu>> {
        Ok(Vec::new())
    }
    fn pairs(&self) -> crate::Result<Vec<Pair>> {
        Ok(Vec::new())
    }
    fn sample(&self, fields: Fields, samples: &mut Vec<Sample>) -> crate::Result<()> {
        assert_eq!(fields, Fields::PROCESSES);
        let mut sample = Sample::unknown(ID.parse().unwrap(), Unknown::NotRead);
        let process = |(pid, kind): &(u32, ProcessKind)| Process::new(*pid, *kind, Reading::default());
        sample.processes = Reading::Known(self.1.iter().map(process).collect());
        *samples = vec![sample];
        Ok(())
    }
    fn events(&self) -> crate::Result<Box<dyn Events>> {
        unreachable!("a check listens to no events")
    }
}

fn attributes(changes: &[(i32, i32)]) -> Script {
    let mut script = Script::default();
    script.attributes.extend(changes.iter().copied());
    script
}

fn refusing(script: Script, code: i32) -> Script {
    Script { refuses: [("retain", code)].into(), ..script }
}

/// With a management library that knows the device, as `change` has it, and these processes.
fn beside(script: Script, processes: &[(u32, ProcessKind)], change: impl FnOnce(&mut Gpu)) -> Scripted {
    let mut gpus = Scripted::new(Script { refuses: [].into(), ..script.clone() }).gpus();
    change(&mut gpus[0]);
    let facts = Facts { gpus: Some(gpus), ..script.facts.clone() };
    let mut driver = Scripted::new(Script { facts, ..script });
    let origin = Origin { simulated: false, name: "test".into(), driver: None, cuda: None };
    driver.source = Some(Arc::new(Processes(origin, processes.to_vec())));
    driver
}

fn set(variable: &str, value: &str, mut script: Script) -> Script {
    script.facts.environment.insert(variable.into(), value.into());
    script
}

#[test]
fn a_context_is_taken_timed_and_given_back() {
    let took = [("retain", Duration::from_millis(120)), ("release", Duration::from_millis(30))];
    let driver = Scripted::new(Script { takes: took.into(), ..Script::default() });
    let outcome = driver.check(create).unwrap();
    assert_eq!(outcome.status, Status::Pass);
    let metrics: Vec<_> = outcome.metrics.iter().map(|it| (it.name.as_str(), it.value)).collect();
    assert_eq!(metrics, [("create", 0.12), ("release", 0.03)]);
    assert_eq!((driver.called("retain"), driver.called("release")), (1, 1));
}

#[test]
fn a_slow_context_is_told_with_the_likely_cause() {
    let slow = || Script { takes: [("retain", Duration::from_millis(2300))].into(), ..Script::default() };
    assert_eq!(
        Scripted::new(slow()).ends(create),
        "warn: a context took 2.3 s, more than 1.5 s; see whether the machine is short of processors or memory"
    );
    let off = beside(slow(), &[], |gpu| gpu.modes.persistence = Reading::Known(false));
    assert_eq!(
        off.ends(create),
        "warn: a context took 2.3 s, more than 1.5 s; turn persistence mode on (`nvidia-smi -pm 1`), so that the driver stays \
         loaded"
    );
}

#[test]
fn an_exclusive_device_in_use_is_busy_and_a_prohibited_one_fails() {
    for (mode, code) in [(1, 46), (3, 46), (3, 101)] {
        let driver = beside(refusing(attributes(&[(20, mode)]), code), &[(4711, ProcessKind::Compute)], |_| ());
        let end = driver.ends(create);
        assert!(end.starts_with("skipped, Busy: cuDevicePrimaryCtxRetain: "), "{end}");
        let text = format!(
            "the device is in exclusive mode and another process holds it (process 4711); wait for it, use MPS, or set the \
             default mode with `nvidia-smi -i {ID} -c DEFAULT`"
        );
        assert!(end.ends_with(&text), "{end}");
    }
    for code in [46, 101] {
        assert_eq!(
            Scripted::new(refusing(attributes(&[(20, 2)]), code)).ends(create),
            format!(
                "fail: the compute mode of the device prohibits all programs; allow them with `nvidia-smi -i {ID} -c DEFAULT` \
                 (as root)"
            )
        );
    }
    let busy = "skipped, Busy: cuDevicePrimaryCtxRetain: the GPU is busy or held back (46); see with `nvidia-smi` whether another \
                process holds it in exclusive mode";
    assert_eq!(Scripted::new(refusing(attributes(&[(133, 1)]), 46)).ends(create), busy, "the service holds it");
    let mut silent = refusing(Script::default(), 46);
    silent.attributes.remove(&20);
    assert_eq!(Scripted::new(silent).ends(create), busy, "nobody tells the mode");
    assert_eq!(
        Scripted::new(refusing(attributes(&[(20, 3)]), 2)).ends(create),
        "error: cuDevicePrimaryCtxRetain: not enough memory on the GPU (2); free memory on the GPU, or ask for less"
    );
    assert_eq!(
        Scripted::new(refusing(Script::default(), 500)).ends(create),
        "skipped, Unsupported: this driver has no cuDevicePrimaryCtxRetain"
    );
}

#[test]
fn a_device_that_nobody_can_hold_and_that_refuses_is_broken() {
    assert_eq!(
        Scripted::new(refusing(Script::default(), 46)).ends(create),
        "error: cuDevicePrimaryCtxRetain: the GPU is busy or held back (46); no process can hold it, as its compute mode is the \
         default; reset the GPU (`nvidia-smi -r`), and look for an Xid in the kernel's log"
    );
}

#[test]
fn a_multi_process_service_that_has_all_its_clients_is_busy_and_one_that_is_gone_is_an_error() {
    for (code, begin) in [
        (807, "skipped, Busy: "),
        (808, "skipped, Busy: "),
        (809, "skipped, Busy: "),
        (805, "error: "),
        (806, "error: "),
    ] {
        let end = Scripted::new(refusing(attributes(&[(133, 1)]), code)).ends(create);
        assert!(end.starts_with(begin), "{code}: {end}");
    }
}

#[test]
fn in_a_namespace_nobody_is_accused_by_name() {
    let namespaced = |mut script: Script| {
        script.facts.ours = Ours::Namespaced;
        beside(script, &[(4711, ProcessKind::Compute)], |_| ())
    };
    let end = namespaced(refusing(attributes(&[(20, 3)]), 46)).ends(create);
    assert!(end.contains("another process holds it (which one is hidden by a namespace of this process"), "{end}");
    assert!(!end.contains("4711"), "{end}");
    let driver = namespaced(attributes(&[(20, 3)]));
    assert_eq!(driver.ends(state), "pass");
    assert!(driver.reads(state, "processes").unwrap().starts_with("a namespace hides"));
}

#[test]
fn a_context_that_stays_is_told_and_one_that_was_there_is_no_fault() {
    let stays = Scripted::new(Script { context: (false, true), ..Script::default() });
    assert_eq!(
        stays.ends(create),
        "warn: the context was given back and is still there; another part of this process took it meanwhile, or the driver did \
         not take it back"
    );
    let there = Scripted::new(Script { context: (true, false), ..Script::default() });
    assert_eq!(there.ends(create), "pass");
    assert_eq!(there.reads(create, "context").as_deref(), Some("there was one before: its making was not timed"));
}

#[test]
fn a_plain_device_passes_and_its_state_is_told() {
    let driver = Scripted::new(Script::default());
    assert_eq!(driver.ends(state), "pass");
    for (what, expected) in [
        ("compute_mode", "default (0)"),
        ("mps", "this process is no client (0)"),
        ("ecc", "on"),
        ("driver_model", "not TCC"),
        ("integrated", "has memory of its own"),
        ("watchdog", "none"),
    ] {
        assert_eq!(driver.reads(state, what).as_deref(), Some(expected), "{what}");
    }
    assert_eq!(driver.reads(state, "mig"), None);
    let dumb = Scripted::new(Script { attributes: [(16, 132)].into(), ..Script::default() });
    assert_eq!((dumb.ends(state).as_str(), dumb.reads(state, "ecc")), ("pass", None));
}

#[test]
fn compute_mode_matters_where_it_keeps_somebody_out() {
    let prohibited = Scripted::new(attributes(&[(20, 2)])).ends(state);
    assert!(prohibited.starts_with("fail: the compute mode of the device prohibits all programs"), "{prohibited}");
    let of = |mps, processes: &[(u32, ProcessKind)]| {
        let mut script = attributes(&[(20, 3), (133, mps)]);
        script.facts.ours = Ours::Known([50, 51].into());
        beside(script, processes, |_| ())
    };
    let exclusive = |processes: &[(u32, ProcessKind)]| of(0, processes).ends(state);
    assert_eq!(exclusive(&[]), "pass");
    let ours = [(1, ProcessKind::Graphics), (50, ProcessKind::Compute), (51, ProcessKind::Both)];
    assert_eq!(exclusive(&ours), "pass", "this process and the one that started it");
    assert_eq!(of(1, &[(7, ProcessKind::Compute)]).ends(state), "pass", "the service's own mode");
    assert_eq!(
        exclusive(&[(7, ProcessKind::Compute), (9, ProcessKind::Both)]),
        "warn: the device is in exclusive mode and another process computes on it (process 7, 9): a second one gets no context"
    );
    assert_eq!(Scripted::new(attributes(&[(20, 9)])).reads(state, "compute_mode").as_deref(), Some("unheard of (9)"));
}

#[test]
fn the_multi_process_service_matters_where_it_limits_or_does_not_answer() {
    let client = || attributes(&[(133, 1)]);
    assert_eq!(Scripted::new(client()).ends(state), "pass");
    assert_eq!(
        Scripted::new(set("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE", "50", client())).ends(state),
        "warn: MPS limits the multiprocessors of this process: CUDA_MPS_ACTIVE_THREAD_PERCENTAGE=50"
    );
    assert_eq!(
        Scripted::new(set("CUDA_MPS_PINNED_DEVICE_MEM_LIMIT", "0=2G", client())).ends(state),
        "warn: MPS limits the memory of this process: CUDA_MPS_PINNED_DEVICE_MEM_LIMIT=0=2G"
    );
    assert_eq!(
        Scripted::new(set("CUDA_MPS_PIPE_DIRECTORY", "/tmp/mps", Script::default())).ends(state),
        "warn: CUDA_MPS_PIPE_DIRECTORY=/tmp/mps names a multi-process service, and this process is not its client; start \
         nvidia-cuda-mps-control, or unset it"
    );
}

#[test]
fn partitions_and_error_correction_are_told() {
    let part = Script { devices: vec![("NVIDIA H100 MIG 1g.10gb", (9, 0), 0xab)], ..Script::default() };
    assert_eq!(Scripted::new(part).reads(state, "mig").as_deref(), Some("a partition: 132 of its multiprocessors"));
    let changing = Persistent { current: false, pending: true };
    assert_eq!(
        beside(Script::default(), &[], |gpu| gpu.mig.mode = Reading::Known(changing)).ends(state),
        "warn: MIG mode will be on after the next reset of the GPU"
    );
    assert_eq!(
        beside(Script::default(), &[], |gpu| gpu.modes.ecc =
            Reading::Known(Persistent { current: true, pending: false }))
        .ends(state),
        "warn: error correction will be off after the next reset of the GPU"
    );
    assert_eq!(
        Scripted::new(attributes(&[(32, 0)])).ends(state),
        format!(
            "warn: error correction of the memory is off, so wrong bits stay unseen; turn it on with `nvidia-smi -i {ID} -e 1` \
             and reset the GPU"
        )
    );
    let laptop =
        Script { devices: vec![("NVIDIA GeForce RTX 3050 Ti Laptop GPU", (8, 6), 1)], ..attributes(&[(32, 0)]) };
    assert_eq!(Scripted::new(laptop).ends(state), "pass");
}

#[test]
fn variables_that_change_what_happens_are_told_together() {
    let variables = [("CUDA_LAUNCH_BLOCKING", "1"), ("CUDA_CACHE_DISABLE", "1"), ("CUDA_MODULE_LOADING", "EAGER")];
    let script = variables.into_iter().fold(Script::default(), |script, (name, value)| set(name, value, script));
    let driver = Scripted::new(script);
    assert_eq!(
        driver.ends(state),
        "warn: CUDA_CACHE_DISABLE=1: compiled PTX is not kept, so every process compiles it again; CUDA_LAUNCH_BLOCKING=1: every \
         launch waits for its end, so nothing overlaps and no figure of speed means much"
    );
    assert_eq!(driver.reads(state, "CUDA_MODULE_LOADING").as_deref(), Some("EAGER"));
    assert_eq!(Scripted::new(set("CUDA_LAUNCH_BLOCKING", "0", Script::default())).ends(state), "pass");
    for (variable, text) in [
        ("CUDA_FORCE_PTX_JIT", "machine code is passed over and all PTX is compiled"),
        ("CUDA_DISABLE_PTX_JIT", "no PTX is compiled, so NACP's own programs do not load"),
    ] {
        assert_eq!(
            Scripted::new(set(variable, "1", Script::default())).ends(state),
            format!("warn: {variable}=1: {text}")
        );
    }
}

#[test]
fn a_watchdog_matters_to_long_checks_only() {
    let watched = attributes(&[(17, 1)]);
    assert_eq!(Scripted::new(watched.clone()).ends(state), "pass");
    assert_eq!(
        Scripted::new(Script { level: Level::Full, ..watched }).ends(state),
        "warn: the system stops programs on this device that run for seconds (error 702), as it shows a display"
    );
}
