//! The nodes of `c_gpus.c`, written to its folder.

use std::fs;
use std::path::Path;

use nacp_core::gpu::{Gpu, GpuId, Pair, Support};
use nacp_core::{Bytes, sim};
use serde_json::{Value, json};

/// Writes both nodes. `tick` is when it begins to happen on the scripted one, in tenths of a second.
pub(crate) fn write(folder: &Path, tick: u64) {
    fs::write(folder.join("recorded.jsonl"), recording()).unwrap();
    fs::write(folder.join("gone.jsonl"), gone()).unwrap();
    let mut file = sim::NodeFile::shipped("h100x8").unwrap();
    file.script = serde_json::from_value(json!([
        { "tick": 1, "gpu": 0, "set": { "temperature": 95 } },
        { "tick": tick, "gpu": 1, "xid": 48 },
        { "tick": tick + 1, "gpu": 2, "event": { "kind": 2_097_152, "data": 7, "gpu_instance": 5 } },
        { "tick": tick + 2, "gpu": 2, "event": { "kind": "double_bit_ecc", "gpu_instance": 5, "compute_instance": 1 } },
        { "tick": tick + 2, "gpu": 3, "lost": true },
    ]))
    .unwrap();
    fs::write(folder.join("scripted.json"), serde_json::to_string(&file).unwrap()).unwrap();
}

fn id(number: u32) -> GpuId {
    format!("GPU-00000000-0000-4000-8000-{number:012}").parse().unwrap()
}

fn bytes(gib: u64) -> Value {
    json!(Bytes::gib(gib))
}

/// The first line of a recording: two GPUs, and of the first everything that C can ask is known.
fn header() -> Value {
    let mut first = json!(Gpu::new(id(1), 0, "Recorded GPU"));
    let mut second = json!(Gpu::new(id(2), 1, "Recorded GPU"));
    for (pointer, value) in [
        ("/pci", json!("00000000:01:00.0")),
        ("/identity/serial", json!("1650924666")),
        ("/identity/part_number", json!("692-2G520-0200-000")),
        ("/identity/vbios", json!("96.00.89.00.01")),
        ("/identity/brand", json!("NVIDIA")),
        ("/identity/minor", json!(7)),
        ("/processor/architecture", json!("Hopper")),
        ("/processor/cores", json!(16_896)),
        ("/processor/multiprocessors", json!(132)),
        ("/processor/memory_bus", json!(5120)),
        ("/processor/bar1", bytes(128)),
        ("/pcie/max_generation", json!(5)),
        ("/pcie/max_width", json!(16)),
        ("/limits/power_min", json!(200_000)),
        ("/limits/power_max", json!(700_000)),
        ("/limits/power_default", json!(650_000)),
        ("/limits/clocks", json!({ "graphics": 1980, "sm": 1979, "memory": 2619 })),
        ("/limits/temperature/shutdown", json!(95)),
        ("/limits/temperature/slowdown", json!(89)),
        ("/affinity/numa_node", json!(1)),
        ("/modes/compute", json!("exclusive_process")),
        ("/modes/persistence", json!(true)),
        ("/modes/ecc", json!({ "current": true, "pending": false })),
        ("/mig/mode", json!({ "current": true, "pending": true })),
        ("/mig/devices", json!([partition()])),
        ("/nvlinks", json!([nvlink(0, true, "00000000:02:00.0"), nvlink(1, false, "00000000:02:00.0")])),
        ("/c2c", json!(false)),
    ] {
        *first.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value;
    }
    second["pci"] = json!("00000000:02:00.0");
    second["nvlinks"] = json!([nvlink(0, true, "00000000:01:00.0"), nvlink(1, false, "00000000:01:00.0")]);

    let mut pair = json!(Pair::new(id(1), id(2)));
    pair["ancestor"] = json!("switches");
    pair["peer"]["read"] = json!("ok");
    json!({
        "format": "nacp-gpu-recording", "version": 1, "nacp": "0.1.0", "at": "2026-11-01T12:00:00Z", "scrubbed": true,
        "origin": { "simulated": false, "name": "two", "driver": "580.95.05", "cuda": "13.0" },
        "gpus": [first, second], "pairs": [pair], "support": Support::default(),
    })
}

/// A recording in which the first GPU is no longer told of.
fn gone() -> String {
    let frame = |t: u64| json!({ "frame": { "t": t, "read": "all", "gpus": [null, { "power": 111_000 }] } });
    lines(&[header(), frame(0), frame(1000), json!({ "end": { "frames": 2, "events": 0 } })])
}

fn lines(lines: &[Value]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// A recording as `zstd -dc` shows one.
fn recording() -> String {
    let busy = json!({
        "power": 350_000,
        "mig": [{ "id": partition()["id"], "memory": { "total": bytes(10), "used": bytes(3), "free": bytes(7), "reserved": bytes(0) } }],
        "processes": [
            process(4001, "compute", &bytes(2), &json!({ "sm": 80, "memory": 30, "encoder": 0, "decoder": 0 }), true),
            process(4002, "both", &unknown(), &unknown(), false),
        ],
    });
    lines(&[
        header(),
        json!({ "frame": { "t": 0, "read": "all", "gpus": [busy, {}] } }),
        json!({ "frame": { "t": 1000, "read": "power", "gpus": [{ "power": 420_500 }, {}] } }),
        json!({ "end": { "frames": 2, "events": 0 } }),
    ])
}

fn unknown() -> Value {
    json!({ "unknown": "not available" })
}

fn partition() -> Value {
    json!({
        "id": "MIG-00000000-0000-4000-8000-00000000000a", "index": 0, "name": "Recorded GPU MIG 1g.10gb",
        "profile": "1g.10gb", "gpu_instance": 9, "compute_instance": 2, "memory": bytes(10), "multiprocessors": 16,
    })
}

fn nvlink(link: u32, active: bool, remote: &str) -> Value {
    json!({ "link": link, "active": active, "version": 4, "remote": remote, "remote_device": "gpu", "speed": 26_562 })
}

fn process(pid: u32, kind: &str, memory: &Value, utilization: &Value, on_partition: bool) -> Value {
    let partitions = if on_partition { json!([{ "gpu_instance": 9, "compute_instance": 2 }]) } else { json!([]) };
    json!({ "pid": pid, "kind": kind, "memory": memory, "utilization": utilization, "partitions": partitions })
}
