use std::time::Duration;

use super::*;
use crate::clock::ManualClock;
use crate::control::{Phase, ReplicaStatus};
use crate::engine::{ContainerId, ContainerState};
use crate::gpu::health::{Facts, Thresholds, assess};
use crate::gpu::{
    Ecc, EventKind, GpuId, LinkCounters, MemoryUse, MetricKind, MigDevice, MigUse, Node, Process, ProcessKind, Profile,
    Reading, RetiredPages, Rows, Slowdown, Unknown, Via,
};
use crate::sim;
use crate::units::Bytes;

pub(super) fn snapshot(name: &str) -> Snapshot {
    let node = Node::from_source(Arc::new(sim::Node::named(name).unwrap())).unwrap();
    node.snapshot(&ManualClock::default()).unwrap()
}

fn laptop() -> Snapshot {
    snapshot("rtx3050ti-laptop-wsl2")
}

/// A server on which every reading that a metric needs is known.
pub(super) fn everything() -> Snapshot {
    let mut snapshot = snapshot("h100x8");
    for state in &mut snapshot.gpus {
        state.gpu.modes.virtualization = Reading::Known("none".to_owned());
        let sample = &mut state.sample;
        sample.memory_temperature = Reading::Known(41);
        sample.energy = Reading::Known(9_007_199_254_740_993);
        sample.pcie_replays = Reading::Known(3);
        sample.pcie_sent = Reading::Known(Bytes(1));
        sample.pcie_received = Reading::Known(Bytes(2));
        sample.encoder = Reading::Known(4);
        sample.decoder = Reading::Known(5);
        let held = |nanoseconds| Reading::Known(nanoseconds);
        sample.slowdown = Reading::Known(Slowdown {
            power: held(10),
            thermal: held(11),
            sync_boost: held(12),
            board: held(13),
            low_utilization: held(14),
            reliability: held(15),
        });
        sample.ecc = Reading::Known(Ecc { corrected: 20, uncorrected: 21, corrected_total: 22, uncorrected_total: 23 });
        sample.retired_pages = Reading::Known(RetiredPages { single_bit: 24, double_bit: 25, pending: true });
        sample.rows = Reading::Known(Rows { correctable: 26, uncorrectable: 27, pending: false, failed: true });
        sample.nvlink = Reading::Known(LinkCounters {
            sent: Reading::Known(100_000),
            received: Reading::Known(50_000),
            active: Reading::Known(18),
            replays: Reading::Known(30),
            recoveries: Reading::Known(31),
            crc_flit: Reading::Known(32),
            crc_data: Reading::Known(33),
        });
        sample.profile = Reading::Known(Profile {
            graphics: 901,
            sm: 802,
            occupancy: 403,
            tensor: 304,
            dram: 205,
            fp64: 106,
            fp32: 57,
            fp16: 8,
            pcie_sent: 40_000,
            pcie_received: 41_000,
        });
        sample.processes =
            Reading::Known(vec![Process::new(4242, ProcessKind::Compute, Reading::Known(Bytes::gib(9)))]);
    }
    snapshot
}

/// An app with one replica, which runs and is not ready.
fn app() -> AppStatus {
    let replica = ReplicaStatus {
        service: "llm".to_owned(),
        replica: 3,
        name: "nacp-demo-llm-3".to_owned(),
        container: ContainerId("c1".to_owned()),
        image: "example/llm:1".to_owned(),
        model: None,
        simulated: false,
        state: ContainerState::Running,
        ready: false,
        address: None,
        gpus: Vec::new(),
        memory: Bytes::gib(2),
        gpu_injection: None,
        spec_hash: None,
        successor: false,
        serving: false,
        done: false,
        restarts: 0,
        started_at: None,
        last_end: None,
    };
    let (wanted, reason) = (std::collections::BTreeMap::new(), None);
    AppStatus { app: "demo".to_owned(), phase: Phase::Starting, reason, wanted, replicas: vec![replica] }
}

#[test]
fn the_replicas_of_an_app_are_told_with_what_was_promised_to_them() {
    let text = metrics(&laptop(), &[app()]).unwrap();
    let labels = "{app=\"demo\",service=\"llm\",replica=\"3\"}";
    for (name, expected) in [("ready", "0"), ("running", "1"), ("gpu_memory_bytes", "2147483648")] {
        assert_eq!(value(&text, &format!("nacp_replica_{name}{labels}")), expected);
    }
}

/// A reading of the same node two seconds later, in which 3 GB went over the NVLinks.
fn later(before: &Snapshot) -> Snapshot {
    let mut later = before.clone();
    later.at += Duration::from_secs(2);
    for state in &mut later.gpus {
        let Reading::Known(links) = &mut state.sample.nvlink else { panic!("{:?}", state.sample.nvlink) };
        links.sent = Reading::Known(2_100_000);
        links.received = Reading::Known(1_050_000);
    }
    later
}

fn xid(snapshot: &Snapshot, gpu: Option<&GpuId>, code: u64) -> Event {
    Event::new(snapshot.at, gpu.cloned(), EventKind::Xid { code, detail: String::new() }, Via::Simulated)
}

/// The value of the one line that begins with this.
pub(super) fn value<'a>(text: &'a str, start: &str) -> &'a str {
    let found: Vec<_> = text.lines().filter(|line| line.starts_with(start)).collect();
    let [line] = found[..] else { panic!("{start} begins {} lines of\n{text}", found.len()) };
    line.rsplit_once(' ').unwrap().1
}

/// The names of the labels of the first line that begins with this, in their order. No value holds a comma.
pub(super) fn label_names<'a>(text: &'a str, start: &str) -> Vec<&'a str> {
    let line = text.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("no {start} in\n{text}"));
    let (_, labels) = line.rsplit_once('}').unwrap().0.split_once('{').unwrap();
    labels.split(',').map(|label| label.split_once('=').unwrap().0).collect()
}

#[test]
fn names_labels_and_units_are_those_of_the_exporter_that_dashboards_know() {
    let text = metrics(&laptop(), &[]).unwrap();
    let labels = "{gpu=\"0\",UUID=\"GPU-3050a701-0000-4000-8000-000000000001\",pci_bus_id=\"00000000:01:00.0\",\
                  device=\"nvidia0\",modelName=\"NVIDIA GeForce RTX 3050 Ti Laptop GPU\",\
                  DCGM_FI_DRIVER_VERSION=\"591.44\",simulated=\"true\"}";
    assert!(text.contains("# TYPE DCGM_FI_DEV_GPU_TEMP gauge"), "{text}");
    for line in ["DCGM_FI_DEV_GPU_TEMP{} 51", "DCGM_FI_DEV_FB_USED{} 412", "DCGM_FI_DEV_POWER_USAGE{} 11.2"] {
        let line = line.replace("{}", labels);
        assert!(text.lines().any(|found| found == line), "{line}\nis not in\n{text}");
    }
}

#[test]
fn an_unknown_reading_is_no_line_at_all_and_is_counted() {
    let mut snapshot = laptop();
    snapshot.gpus[0].sample.temperature = Reading::Unknown(Unknown::GpuLost);
    let text = metrics(&snapshot, &[]).unwrap();
    assert!(!text.contains("GPU_TEMP"), "{text}");
    assert_eq!(value(&text, "nacp_gpu_unknown{reading=\"temperature\",reason=\"gpu lost\","), "1");
}

#[test]
fn every_family_of_the_table_is_written_once_where_everything_is_known() {
    let (before, events) = (everything(), []);
    let snapshot = later(&before);
    let health = assess(&Thresholds::default(), &snapshot, &Facts::default());
    let status = PollerStatus {
        last: Some(snapshot.at),
        last_duration: Some(Duration::ZERO),
        longest_duration: Some(Duration::ZERO),
        ..PollerStatus::default()
    };
    let apps = [app()];
    let metrics =
        Metrics::new(&snapshot).before(&before).events(&events).health(&health).telemetry(&status).apps(&apps);
    let text = metrics.render().unwrap();
    let names: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split(' ').next()).collect();
    assert_eq!(names, families().map(|family| family.name).collect::<Vec<_>>());
    for family in families() {
        let kind = if family.kind == MetricKind::Counter { "counter" } else { "gauge" };
        assert!(text.contains(&format!("# TYPE {} {kind}\n{}{{", family.name, family.name)), "{}", family.name);
        assert!(!family.help.contains(['\n', '\\']) && !family.help.ends_with('.'), "{}", family.help);
    }
    assert!(!text.contains("# EOF"), "it is no OpenMetrics");
}

#[test]
fn each_value_is_the_one_that_was_read() {
    let (before, events) = (everything(), []);
    let snapshot = later(&before);
    let text = Metrics::new(&snapshot).before(&before).events(&events).render().unwrap();
    for (name, expected) in [
        ("DEV_SM_CLOCK", "1980"),
        ("DEV_MEM_CLOCK", "2619"),
        ("DEV_MEMORY_TEMP", "41"),
        ("DEV_GPU_TEMP", "44"),
        ("DEV_POWER_USAGE", "245.0"),
        ("DEV_TOTAL_ENERGY_CONSUMPTION", "9007199254740993"),
        ("DEV_PCIE_REPLAY_COUNTER", "3"),
        ("DEV_GPU_UTIL", "38"),
        ("DEV_MEM_COPY_UTIL", "12"),
        ("DEV_ENC_UTIL", "4"),
        ("DEV_DEC_UTIL", "5"),
        ("DEV_XID_ERRORS", "0"),
        ("DEV_POWER_VIOLATION", "10"),
        ("DEV_THERMAL_VIOLATION", "11"),
        ("DEV_SYNC_BOOST_VIOLATION", "12"),
        ("DEV_BOARD_LIMIT_VIOLATION", "13"),
        ("DEV_LOW_UTIL_VIOLATION", "14"),
        ("DEV_RELIABILITY_VIOLATION", "15"),
        ("DEV_FB_FREE", "62576"),
        ("DEV_FB_USED", "18432"),
        ("DEV_FB_RESERVED", "551"),
        ("DEV_ECC_SBE_VOL_TOTAL", "20"),
        ("DEV_ECC_DBE_VOL_TOTAL", "21"),
        ("DEV_ECC_SBE_AGG_TOTAL", "22"),
        ("DEV_ECC_DBE_AGG_TOTAL", "23"),
        ("DEV_RETIRED_SBE", "24"),
        ("DEV_RETIRED_DBE", "25"),
        ("DEV_RETIRED_PENDING", "1"),
        ("DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL", "32"),
        ("DEV_NVLINK_CRC_DATA_ERROR_COUNT_TOTAL", "33"),
        ("DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL", "30"),
        ("DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL", "31"),
        ("DEV_NVLINK_BANDWIDTH_TOTAL", "1500"),
        ("DEV_VGPU_LICENSE_STATUS", "0"),
        ("DEV_UNCORRECTABLE_REMAPPED_ROWS", "27"),
        ("DEV_CORRECTABLE_REMAPPED_ROWS", "26"),
        ("DEV_ROW_REMAP_FAILURE", "1"),
        ("PROF_GR_ENGINE_ACTIVE", "0.901"),
        ("PROF_SM_ACTIVE", "0.802"),
        ("PROF_SM_OCCUPANCY", "0.403"),
        ("PROF_PIPE_TENSOR_ACTIVE", "0.304"),
        ("PROF_DRAM_ACTIVE", "0.205"),
        ("PROF_PIPE_FP64_ACTIVE", "0.106"),
        ("PROF_PIPE_FP32_ACTIVE", "0.057"),
        ("PROF_PIPE_FP16_ACTIVE", "0.008"),
        ("PROF_PCIE_TX_BYTES", "40000"),
        ("PROF_PCIE_RX_BYTES", "41000"),
    ] {
        assert_eq!(value(&text, &format!("DCGM_FI_{name}{{gpu=\"1\",")), expected, "{name}");
    }
    let id = &snapshot.gpus[1].gpu.id;
    for (name, expected) in [
        ("pcie_sent_bytes_total", "1"),
        ("pcie_received_bytes_total", "2"),
        ("nvlink_sent_bytes_total", "2150400000"),
        ("nvlink_received_bytes_total", "1075200000"),
    ] {
        assert_eq!(value(&text, &format!("nacp_gpu_{name}{{gpu=\"1\",UUID=\"{id}\",")), expected, "{name}");
    }
}

#[test]
fn a_bandwidth_needs_two_readings_in_their_order() {
    let before = everything();
    let after = later(&before);
    let bandwidth = |metrics: Metrics<'_>| metrics.render().unwrap().contains("NVLINK_BANDWIDTH_TOTAL");
    assert!(bandwidth(Metrics::new(&after).before(&before)));
    assert!(!bandwidth(Metrics::new(&after)), "there is none before");
    assert!(!bandwidth(Metrics::new(&after).before(&after)), "no time went by");
    assert!(!bandwidth(Metrics::new(&before).before(&after)), "the counters went back");
}

#[test]
fn the_last_xid_is_told_for_each_gpu_and_none_where_nobody_listens() {
    let snapshot = snapshot("h100x8");
    let [first, second] = [&snapshot.gpus[0].gpu.id, &snapshot.gpus[1].gpu.id];
    let mut events = vec![xid(&snapshot, Some(first), 31), xid(&snapshot, Some(second), 13)];
    events.push(xid(&snapshot, Some(first), 79));
    events.push(Event::new(snapshot.at, Some(first.clone()), EventKind::Clock, Via::Simulated));
    events.push(xid(&snapshot, None, 48));
    events.push(xid(&snapshot, Some(&snapshot.gpus[3].gpu.id), 4711));
    let text = Metrics::new(&snapshot).events(&events).render().unwrap();
    let message = |code| crate::gpu::xid::lookup(code).unwrap().meaning;
    for (gpu, code, message) in
        [(0, "79", message(79)), (1, "13", message(13)), (2, "0", "No Error"), (3, "4711", "Unknown Error")]
    {
        assert_eq!(value(&text, &format!("DCGM_FI_DEV_XID_ERRORS{{gpu=\"{gpu}\",")), code);
        let line = text.lines().find(|line| line.starts_with(&format!("DCGM_FI_DEV_XID_ERRORS{{gpu=\"{gpu}\",")));
        assert!(line.unwrap().contains(&format!("err_code=\"{code}\",err_msg=\"{message}\"")), "{line:?}");
    }
    assert!(!Metrics::new(&snapshot).render().unwrap().contains("XID"));
}

#[test]
fn a_poller_tells_how_it_fares_and_what_it_has_not_measured_is_no_line() {
    let snapshot = laptop();
    let status = PollerStatus {
        ticks: 100,
        missed: 2,
        errors: 3,
        lagged: 4,
        last: Some(snapshot.at),
        last_duration: Some(Duration::from_micros(250)),
        ..PollerStatus::default()
    };
    let text = Metrics::new(&snapshot).telemetry(&status).render().unwrap();
    for (name, expected) in [
        ("ticks_total", "100"),
        ("missed_total", "2"),
        ("errors_total", "3"),
        ("lagged_total", "4"),
        ("failing", "0"),
        ("listening", "0"),
        ("last_timestamp_seconds", "0.0"),
        ("last_duration_seconds", "0.00025"),
    ] {
        assert_eq!(value(&text, &format!("nacp_telemetry_{name}{{simulated=\"true\"}}")), expected, "{name}");
    }
    assert!(!text.contains("nacp_telemetry_longest_duration_seconds"), "{text}");
    assert!(!metrics(&snapshot, &[]).unwrap().contains("nacp_telemetry"));
}

#[test]
fn the_name_of_the_machine_stands_under_the_label_that_is_wanted() {
    let snapshot = laptop();
    let names = ["gpu", "UUID", "pci_bus_id", "device", "modelName"];
    for (label, hostname) in [
        (HostnameLabel::None, &[][..]),
        (HostnameLabel::Lower, &["hostname"]),
        (HostnameLabel::Upper, &["Hostname"]),
        (HostnameLabel::Both, &["Hostname", "hostname"]),
    ] {
        let text = Metrics::new(&snapshot).hostname(label, "laptop").render().unwrap();
        let expected = [&names[..], hostname, &["DCGM_FI_DRIVER_VERSION", "simulated"]].concat();
        assert_eq!(label_names(&text, "DCGM_FI_DEV_GPU_TEMP"), expected);
    }
}

#[test]
fn the_memory_of_a_partitioned_gpu_is_told_for_each_gpu_instance() {
    let mut snapshot = snapshot("h100x8");
    let state = &mut snapshot.gpus[0];
    let device = |index: u32, instance, profile: &str| {
        let mut device =
            MigDevice::new(format!("MIG-4100a801-0000-4000-8000-00000000000{index}").parse().unwrap(), index);
        device.gpu_instance = Reading::Known(instance);
        device.profile = Reading::Known(profile.to_owned());
        device
    };
    let devices = [device(0, 1, "1c.3g.40gb"), device(1, 1, "2c.3g.40gb"), device(2, 9, "1g.10gb")];
    let used = |used| MemoryUse { used: Bytes::mib(used), total: Bytes::gib(40), ..MemoryUse::default() };
    let memory = [Reading::Known(used(700)), Reading::Known(used(700)), Reading::Unknown(Unknown::NoPermission)];
    state.sample.mig = Reading::Known(
        devices.iter().zip(memory).map(|(device, memory)| MigUse { id: device.id.clone(), memory }).collect(),
    );
    state.gpu.mig.devices = Reading::Known(devices.to_vec());
    let text = metrics(&snapshot, &[]).unwrap();
    let used: Vec<_> = text.lines().filter(|line| line.starts_with("DCGM_FI_DEV_FB_USED{gpu=\"0\"")).collect();
    let [line] = used[..] else { panic!("{used:?}") };
    assert!(line.contains("GPU_I_PROFILE=\"3g.40gb\",GPU_I_ID=\"1\"") && line.ends_with(" 700"), "{line}");
    assert!(!text.lines().any(|line| line.starts_with("DCGM_FI_DEV_GPU_TEMP") && line.contains("GPU_I_")), "{text}");
    assert_eq!(value(&text, "DCGM_FI_DEV_FB_USED{gpu=\"1\""), "18432", "the others are whole");
}

#[test]
fn quotes_backslashes_and_ends_of_lines_in_names_are_escaped() {
    let mut snapshot = laptop();
    snapshot.gpus[0].gpu.name = "a \"b\" \\ c\nd".to_owned();
    let text = metrics(&snapshot, &[]).unwrap();
    assert!(text.contains("modelName=\"a \\\"b\\\" \\\\ c\\nd\""), "{text}");
}

#[test]
fn a_lost_gpu_is_counted_and_keeps_the_others_lines() {
    let mut snapshot = snapshot("h100x8");
    let id = snapshot.gpus[3].gpu.id.clone();
    snapshot.gpus[3].sample = crate::gpu::Sample::unknown(id, Unknown::GpuLost);
    let text = metrics(&snapshot, &[]).unwrap();
    assert_eq!(text.lines().filter(|line| line.starts_with("DCGM_FI_DEV_GPU_TEMP{")).count(), 7);
    assert_eq!(value(&text, "nacp_gpu_unknown{reading=\"power\",reason=\"gpu lost\","), "1");
}
