//! What a tick of the NVML source asks the driver, and what it makes of the answers: which calls, how often, what is
//! kept, and what happens when a GPU is lost and comes back.

#![cfg(all(target_os = "linux", feature = "nvml", feature = "sim"))]

mod sim_nvml;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use nacp_core::gpu::{Fields, GpuId, Nvml, Reading, Sample, Source, Support, Unknown};
use nacp_core::sim;
use serde_json::{Value, json};

use sim_nvml::alone;

/// The functions that the library was asked, each with how often.
type Trace = BTreeMap<String, u64>;

/// A file in a folder that is named after the test, the same in parent and child.
fn file(test: &str, name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    std::fs::create_dir_all(&folder).unwrap();
    folder.join(name)
}

/// A machine of one's own: a shipped one with changes, in the words of its file.
fn node(test: &str, shipped: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut file_ = serde_json::to_value(sim::NodeFile::shipped(shipped).unwrap()).unwrap();
    change(&mut file_);
    let path = file(test, "node.json");
    std::fs::write(&path, file_.to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Ends the source, and reads what the library was asked by it.
fn trace(nvml: Nvml, path: &Path) -> Trace {
    drop(nvml);
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.map(|(name, count)| (name.to_owned(), count.parse().unwrap())).collect()
}

fn read(nvml: &Nvml, fields: Fields) -> Vec<Sample> {
    let mut samples = Vec::new();
    nvml.sample(fields, &mut samples).unwrap();
    samples
}

#[test]
fn a_tick_asks_exactly_the_calls_of_its_fields() {
    let name = "a_tick_asks_exactly_the_calls_of_its_fields";
    let path = file(name, "trace");
    let environment = [("NACP_SIM_NODE", "h100x8"), ("NACP_SIM_NVML_TRACE", path.to_str().unwrap())];
    let Some(nvml) = alone(name, &environment) else { return };
    let fields = Fields::FAST | Fields::MEMORY | Fields::CLOCKS | Fields::ENERGY;
    let mut samples = Vec::new();
    for _ in 0..10 {
        nvml.sample(fields, &mut samples).unwrap();
    }
    let trace = trace(nvml, &path);
    for (function, calls) in [
        ("nvmlDeviceGetCount_v2", 1),
        ("nvmlDeviceGetHandleByIndex_v2", 8),
        ("nvmlDeviceGetUUID", 8),
        ("nvmlDeviceGetUtilizationRates", 80),
        ("nvmlDeviceGetPowerUsage", 80),
        ("nvmlDeviceGetMemoryInfo_v2", 80),
        ("nvmlDeviceGetClockInfo", 240),
        ("nvmlDeviceGetTotalEnergyConsumption", 80),
    ] {
        assert_eq!(trace.get(function), Some(&calls), "{function}");
    }
    let of_devices = trace.iter().filter(|(function, _)| function.starts_with("nvmlDevice")).count();
    assert_eq!(of_devices, 8, "and no others: {trace:?}");
}

#[test]
fn all_fields_are_one_call_and_pcie_throughput_is_never_asked() {
    let name = "all_fields_are_one_call_and_pcie_throughput_is_never_asked";
    let path = file(name, "trace");
    let environment = [("NACP_SIM_NODE", "h100x8"), ("NACP_SIM_NVML_TRACE", path.to_str().unwrap())];
    let Some(nvml) = alone(name, &environment) else { return };
    nvml.inventory().unwrap();
    let before = read(&nvml, Fields::ALL);
    for sample in &before {
        for known in [
            sample.memory_temperature.known().is_some(),
            sample.pcie_sent.known().is_some(),
            sample.pcie_received.known().is_some(),
            sample.recovery.known().is_some(),
            sample.slowdown.known().is_some_and(|slowdown| slowdown.power.known().is_some()),
            sample.nvlink.known().is_some_and(|links| links.sent.known().is_some()),
        ] {
            assert!(known, "{sample:?}");
        }
    }
    let trace = trace(nvml, &path);
    assert_eq!(trace.get("nvmlDeviceGetPcieThroughput"), None);
    let inventory = trace["nvmlDeviceGetFieldValues"] - 8;
    assert!(inventory.is_multiple_of(8), "one for each GPU, and what the inventory asks: {inventory}");
}

#[test]
fn what_a_gpu_refuses_is_not_asked_again_until_the_next_inventory() {
    let name = "what_a_gpu_refuses_is_not_asked_again_until_the_next_inventory";
    let path = file(name, "trace");
    let refusing = node(name, "h100x8", |node| node["unsupported"] = json!(["nvmlDeviceGetEnforcedPowerLimit"]));
    let environment = [("NACP_SIM_NODE", refusing.as_str()), ("NACP_SIM_NVML_TRACE", path.to_str().unwrap())];
    let Some(nvml) = alone(name, &environment) else { return };
    for _ in 0..2 {
        nvml.inventory().unwrap();
        for _ in 0..10 {
            for sample in read(&nvml, Fields::POWER | Fields::POWER_LIMIT) {
                assert!(sample.power.known().is_some());
                assert_eq!(sample.power_limit, Reading::Unknown(Unknown::NotSupported));
            }
        }
    }
    let trace = trace(nvml, &path);
    assert_eq!((trace["nvmlDeviceGetPowerUsage"], trace["nvmlDeviceGetEnforcedPowerLimit"]), (160, 16));
}

#[test]
fn a_sample_keeps_what_was_not_asked_again() {
    let Some(nvml) = alone("a_sample_keeps_what_was_not_asked_again", &[("NACP_SIM_NODE", "h100x8")]) else { return };
    let mut samples = Vec::new();
    nvml.sample(Fields::POWER, &mut samples).unwrap();
    let power = samples[3].power.clone();
    assert!(power.known().is_some());
    assert_eq!(samples[3].temperature, Reading::Unknown(Unknown::NotRead));

    // In another order, and with a GPU that is none of these.
    samples.swap(0, 3);
    samples.insert(0, Sample::unknown("GPU-00000000-0000-4000-8000-000000000000".parse().unwrap(), Unknown::NotRead));
    nvml.sample(Fields::TEMPERATURE, &mut samples).unwrap();
    let ids: Vec<GpuId> = nvml.inventory().unwrap().into_iter().map(|gpu| gpu.id).collect();
    assert_eq!(samples.iter().map(|sample| sample.id.clone()).collect::<Vec<_>>(), ids);
    assert_eq!(samples[3].power, power);
    assert!(samples.iter().all(|sample| sample.temperature.known().is_some()));
}

#[test]
fn a_lost_gpu_is_unknown_until_it_answers_again() {
    let name = "a_lost_gpu_is_unknown_until_it_answers_again";
    let ticks = file(name, "ticks");
    let scripted = node(name, "h100x8", |node| {
        node["script"] = json!([{ "tick": 5, "gpu": 1, "lost": true }, { "tick": 9, "gpu": 1, "lost": false }]);
    });
    let environment = [("NACP_SIM_NODE", scripted.as_str()), ("NACP_SIM_TICK_FILE", ticks.to_str().unwrap())];
    let at = |tick: u32| std::fs::write(&ticks, tick.to_string()).unwrap();
    at(0);
    let Some(nvml) = alone(name, &environment) else { return };
    let gpus = nvml.inventory().unwrap();
    let mut samples = Vec::new();
    let mut tick = |number| {
        at(number);
        nvml.sample(Fields::FAST, &mut samples).unwrap();
        samples.clone()
    };
    let healthy = tick(4);
    assert!(healthy.iter().all(|sample| sample.power.known().is_some()));
    for number in [5, 6, 8] {
        let samples = tick(number);
        let lost = Sample::unknown(gpus[1].id.clone(), Unknown::GpuLost);
        assert_eq!(samples[1], lost, "tick {number}");
        assert_eq!((samples[0].clone(), samples[2].clone()), (healthy[0].clone(), healthy[2].clone()), "the others");
    }
    assert_eq!(tick(9)[1].power, healthy[1].power, "it is back");
}

#[test]
fn a_single_answer_that_a_gpu_is_lost_harms_no_other_reading() {
    let name = "a_single_answer_that_a_gpu_is_lost_harms_no_other_reading";
    let faults = [("NACP_SIM_NODE", "h100x8"), ("NACP_SIM_NVML_FAULTS", "GPU4:nvmlDeviceGetPowerUsage=15")];
    let Some(nvml) = alone(name, &faults) else { return };
    for _ in 0..3 {
        let samples = read(&nvml, Fields::FAST);
        assert_eq!(samples[4].power, Reading::Unknown(Unknown::GpuLost));
        assert!(samples.iter().all(|sample| sample.utilization.known().is_some()));
        assert_eq!(samples.iter().filter(|sample| sample.power.known().is_some()).count(), 7);
    }
}

#[test]
fn the_driver_s_word_for_no_value_is_unknown() {
    let name = "the_driver_s_word_for_no_value_is_unknown";
    let functions = ["TotalEnergyConsumption", "TotalEccErrors", "MemoryInfo_v2", "BAR1MemoryInfo"];
    let faults = functions.map(|function| format!("nvmlDeviceGet{function}=sentinel")).join(",");
    let environment = [("NACP_SIM_NODE", "h100x8"), ("NACP_SIM_NVML_FAULTS", faults.as_str())];
    let Some(nvml) = alone(name, &environment) else { return };
    for gpu in nvml.inventory().unwrap() {
        assert_eq!(gpu.memory, Reading::Unknown(Unknown::NotAvailable));
    }
    for sample in read(&nvml, Fields::ALL) {
        assert_eq!(sample.energy, Reading::Unknown(Unknown::NotAvailable));
        assert_eq!(sample.ecc, Reading::Unknown(Unknown::NotAvailable));
        assert_eq!(sample.memory, Reading::Unknown(Unknown::NotAvailable));
        assert_eq!(sample.bar1_used, Reading::Unknown(Unknown::NotAvailable));
        assert!(sample.power.known().is_some());
    }
}

#[test]
fn memory_of_partitions_that_is_not_available_is_unknown() {
    let name = "memory_of_partitions_that_is_not_available_is_unknown";
    let environment = [("NACP_SIM_NODE", "a100-mig"), ("NACP_SIM_NVML_FAULTS", "nvmlDeviceGetMemoryInfo_v2=sentinel")];
    let Some(nvml) = alone(name, &environment) else { return };
    let inventory = nvml.inventory().unwrap();
    let described = inventory.iter().filter_map(|gpu| gpu.mig.devices.known()).flatten().map(|part| &part.id);
    let described: Vec<_> = described.cloned().collect();
    assert!(!described.is_empty());
    for part in inventory.iter().filter_map(|gpu| gpu.mig.devices.known()).flatten() {
        assert_eq!(part.memory, Reading::Unknown(Unknown::NotAvailable));
    }
    let samples = read(&nvml, Fields::MIG);
    let used: Vec<_> = samples.iter().filter_map(|sample| sample.mig.known()).flatten().collect();
    assert_eq!(used.iter().map(|part| part.id.clone()).collect::<Vec<_>>(), described);
    for part in used {
        assert_eq!(part.memory, Reading::Unknown(Unknown::NotAvailable));
    }
}

#[test]
fn partitions_that_are_gone_are_left_out_and_all_are_looked_for_anew() {
    let name = "partitions_that_are_gone_are_left_out_and_all_are_looked_for_anew";
    let path = file(name, "trace");
    let file_ = sim::NodeFile::shipped("a100-mig").unwrap();
    let (gpu, parts) = file_
        .gpus
        .iter()
        .map(|gpu| gpu.mig.as_ref().map_or(0, |mig| mig.devices().count()))
        .enumerate()
        .max_by_key(|of| of.1)
        .unwrap();
    assert!(parts > 1);
    // The first tick passes, and at the second the last partition alone answers no more.
    let (memory, instance) = (2 * parts - 1, parts);
    for code in [2, 6, 15] {
        let faults = format!(
            "GPU{gpu}:nvmlDeviceGetMemoryInfo_v2={code}@{memory},GPU{gpu}:nvmlDeviceGetGpuInstanceId={code}@{instance}"
        );
        let environment = [
            ("NACP_SIM_NODE", "a100-mig"),
            ("NACP_SIM_NVML_FAULTS", faults.as_str()),
            ("NACP_SIM_NVML_TRACE", path.to_str().unwrap()),
        ];
        let Some(nvml) = alone(name, &environment) else { continue };
        let mut samples = Vec::new();
        let mut tick = || {
            nvml.sample(Fields::MIG, &mut samples).unwrap();
            samples[gpu].mig.known().unwrap().clone()
        };
        let all = tick();
        assert_eq!(all.len(), parts);
        assert_eq!(tick(), all[..parts - 1]);
        assert_eq!(tick(), [], "nothing of this GPU answers any more");
        let asked = trace(nvml, &path)["nvmlDeviceGetMigDeviceHandleByIndex"];
        let divided = file_.gpus.iter().filter(|gpu| gpu.mig.as_ref().is_some_and(|mig| mig.enabled)).count();
        let looked = u64::try_from(divided + 1).unwrap();
        assert_eq!(asked, 7 * looked, "on each GPU once, and on this one again at the third tick");
        return;
    }
}

#[test]
fn programs_of_partitions_that_are_gone_are_left_out() {
    let name = "programs_of_partitions_that_are_gone_are_left_out";
    let file_ = sim::NodeFile::shipped("a100-mig").unwrap();
    let parts = file_.gpus[0].mig.as_ref().map_or(0, |mig| mig.devices().count());
    // The first tick passes; then no partition of this GPU answers.
    let faults = ["nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetGpuInstanceId"];
    let faults = faults.map(|function| format!("GPU0:{function}=6@{parts}")).join(",");
    let environment = [("NACP_SIM_NODE", "a100-mig"), ("NACP_SIM_NVML_FAULTS", faults.as_str())];
    let Some(nvml) = alone(name, &environment) else { return };
    let mut samples = Vec::new();
    nvml.sample(Fields::PROCESSES, &mut samples).unwrap();
    let all = samples.clone();
    assert!(all[0].processes.known().is_some_and(|processes| !processes.is_empty()));
    nvml.sample(Fields::PROCESSES, &mut samples).unwrap();
    assert_eq!(samples[0].processes, Reading::Known(Vec::new()));
    assert_eq!(samples[1].processes.known().map(Vec::len), all[1].processes.known().map(Vec::len));
}

#[test]
fn a_partition_that_fails_but_is_there_says_why() {
    let name = "a_partition_that_fails_but_is_there_says_why";
    let environment = [("NACP_SIM_NODE", "a100-mig"), ("NACP_SIM_NVML_FAULTS", "nvmlDeviceGetMemoryInfo_v2=6")];
    let Some(nvml) = alone(name, &environment) else { return };
    let samples = read(&nvml, Fields::MIG);
    let parts: Vec<_> = samples.iter().filter_map(|sample| sample.mig.known()).flatten().collect();
    assert!(!parts.is_empty());
    assert!(parts.iter().all(|part| part.memory == Reading::Unknown(Unknown::Code(6))), "{parts:?}");
}

#[test]
fn every_nvlink_up_to_the_last_that_the_driver_knows_is_counted() {
    let name = "every_nvlink_up_to_the_last_that_the_driver_knows_is_counted";
    let path = file(name, "trace");
    let wide = node(name, "h100x8", |node| {
        for gpu in node["gpus"].as_array_mut().unwrap() {
            gpu["nvlink"]["links"] = json!(24);
        }
    });
    let environment = [("NACP_SIM_NODE", wide.as_str()), ("NACP_SIM_NVML_TRACE", path.to_str().unwrap())];
    let Some(nvml) = alone(name, &environment) else { return };
    let links: Vec<_> = nvml.inventory().unwrap().iter().map(|gpu| gpu.nvlinks.known().unwrap().len()).collect();
    let active: Vec<_> =
        read(&nvml, Fields::NVLINK).iter().map(|sample| sample.nvlink.known().unwrap().active.clone()).collect();
    assert_eq!((links, active), (vec![24; 8], vec![Reading::Known(24); 8]));
    let asked = trace(nvml, &path)["nvmlDeviceGetNvLinkState"];
    assert_eq!(asked, 2 * 8 * 25, "both end at the first that is none");
}

#[test]
fn older_functions_answer_where_newer_ones_are_missing() {
    let name = "older_functions_answer_where_newer_ones_are_missing";
    let newer = [
        "MemoryInfo_v2",
        "TemperatureV",
        "CurrentClocksEventReasons",
        "ComputeRunningProcesses_v3",
        "ComputeRunningProcesses_v2",
        "GraphicsRunningProcesses_v3",
    ];
    let faults = newer.map(|function| format!("nvmlDeviceGet{function}=13")).join(",");
    let environment = [("NACP_SIM_NODE", "t4"), ("NACP_SIM_NVML_FAULTS", faults.as_str())];
    let Some(nvml) = alone(name, &environment) else { return };
    for sample in read(&nvml, Fields::ALL) {
        assert_eq!(sample.memory.known().unwrap().reserved.0, 0, "which the older function counts as used");
        assert!(sample.temperature.known().is_some() && sample.clock_events.known().is_some());
        let processes = sample.processes.known().unwrap();
        assert!(processes.iter().all(|process| process.partitions.is_empty()));
    }
}

#[test]
fn the_processes_of_partitions_tell_where_they_run() {
    let name = "the_processes_of_partitions_tell_where_they_run";
    let Some(nvml) = alone(name, &[("NACP_SIM_NODE", "a100-mig")]) else { return };
    let samples = read(&nvml, Fields::MIG | Fields::PROCESSES);
    let partitioned = samples.iter().filter(|sample| sample.mig.known().is_some_and(|parts| !parts.is_empty()));
    let mut places = 0;
    for sample in partitioned {
        for part in sample.mig.known().unwrap() {
            assert!(part.id.as_str().starts_with("MIG-"));
            let memory = part.memory.known().unwrap();
            assert!(memory.total.0 > 0 && memory.used + memory.free + memory.reserved == memory.total, "{part:?}");
        }
        for process in sample.processes.known().unwrap() {
            assert!(!process.partitions.is_empty(), "{process:?}");
            places += process.partitions.len();
        }
    }
    assert!(places > 0, "{samples:?}");
}

#[test]
fn the_counters_within_a_chip_are_compared_with_those_of_the_last_time() {
    let name = "the_counters_within_a_chip_are_compared_with_those_of_the_last_time";
    let Some(nvml) = alone(name, &[("NACP_SIM_NODE", "h100x8")]) else { return };
    for sample in read(&nvml, Fields::PROFILE) {
        assert_eq!(sample.profile, Reading::Unknown(Unknown::NotAvailable), "nothing to compare with yet");
    }
    for sample in read(&nvml, Fields::PROFILE) {
        let profile = sample.profile.known().unwrap();
        assert!(profile.sm <= 1000 && profile.tensor <= 1000, "{profile:?}");
    }
}

#[test]
fn what_is_told_of_support_is_what_was_asked() {
    let name = "what_is_told_of_support_is_what_was_asked";
    let path = file(name, "trace");
    let environment = [("NACP_SIM_NODE", "h100x8"), ("NACP_SIM_NVML_TRACE", path.to_str().unwrap())];
    let Some(nvml) = alone(name, &environment) else { return };
    let support = nvml.support().unwrap();
    let gpus = nvml.inventory().unwrap();
    let power = support.of(&gpus[7].id, "nvmlDeviceGetPowerUsage").unwrap();
    assert!(power.answer.known().unwrap().parse::<u32>().unwrap() > 0);
    let mut seen = std::collections::BTreeSet::new();
    for call in &support.calls {
        let key = (call.gpu.clone(), &call.function, &call.argument);
        assert!(seen.insert(key), "twice: {call:?}");
    }
    // What no GPU is asked by an inventory or a tick.
    let beside = ["nvmlInit", "nvmlShutdown", "nvmlErrorString", "nvmlGpmSampleFree"];
    for function in trace(nvml, &path).keys() {
        let told = support.calls.iter().any(|call| call.function == *function);
        assert!(told || beside.iter().any(|other| function.starts_with(other)), "{function} is not told");
    }
}

/// Which functions gave each GPU a value for none of their questions, and which gave it one. One that found nothing
/// (NVML's code 6), such as a partition at an index, did not refuse.
fn refused_and_answered(support: &Support) -> [BTreeSet<(Option<GpuId>, &str)>; 2] {
    let of = |matches: fn(&Reading<String>) -> bool| -> BTreeSet<_> {
        let calls = support.calls.iter().filter(|call| matches(&call.answer));
        calls.map(|call| (call.gpu.clone(), call.function.as_str())).collect()
    };
    let refused = of(|answer| matches!(answer, Reading::Unknown(reason) if *reason != Unknown::Code(6)));
    let answered = of(|answer| answer.known().is_some());
    [&refused - &answered, answered]
}

#[test]
fn a_simulated_node_answers_and_refuses_the_functions_that_the_library_does() {
    let name = "a_simulated_node_answers_and_refuses_the_functions_that_the_library_does";
    for node in sim::Node::names() {
        let Some(nvml) = alone(name, &[("NACP_SIM_NODE", node)]) else { continue };
        let node = std::env::var("NACP_SIM_NODE").unwrap();
        let [told, simulated] = [nvml.support().unwrap(), sim::Node::named(&node).unwrap().support().unwrap()];
        let ([refused, answered], [sim_refused, sim_answered]) =
            (refused_and_answered(&told), refused_and_answered(&simulated));
        assert!(refused.len() > 10 && answered.len() > 30, "{node}: {told}");
        let differ: Vec<_> = refused.symmetric_difference(&sim_refused).collect();
        assert!(differ.is_empty(), "{node} refuses otherwise: {differ:#?}");
        for (gpu, function) in refused.iter().filter_map(|(gpu, function)| Some((gpu.as_ref()?, function))) {
            let reason = |support: &Support| support.of(gpu, function).unwrap().answer.clone();
            assert_eq!(reason(&told), reason(&simulated), "{node}: {function}");
        }
        // How the library finds its GPUs and partitions before it asks them, and what has nothing to tell just now.
        let search = ["HandleByIndex_v2", "UUID", "MaxMigDeviceCount", "MigDeviceHandleByIndex", "ProcessUtilization"];
        let differ: Vec<_> = answered.symmetric_difference(&sim_answered).collect();
        let differ: Vec<_> =
            differ.iter().filter(|(_, function)| !search.iter().any(|end| function.ends_with(end))).collect();
        assert!(differ.is_empty(), "{node} answers otherwise: {differ:#?}");
        return;
    }
}
