//! What a container uses, read from `/containers/ID/stats`.

use std::collections::BTreeMap;
use std::time::Duration;

use bollard::errors::Error as Api;
use serde::Deserialize;

use super::{CALL_LIMIT, Docker, failure, limited, raw};
use crate::engine::{ContainerId, ContainerStats};
use crate::error::{Error, ErrorKind, Result};
use crate::units::Bytes;

const OPERATION: &str = "engine.stats";
/// A limit of main memory above this is none: the kernel writes the largest number that it has, or the engine the size
/// of the machine.
const NO_LIMIT: u64 = 1 << 60;

/// The parts of the answer that NACP reads. Every field may be absent or null, and all are zero where nothing runs.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    read: Option<String>,
    cpu_stats: Option<Cpu>,
    memory_stats: Option<Memory>,
    pids_stats: Option<Pids>,
    networks: Option<BTreeMap<String, Network>>,
    blkio_stats: Option<Disks>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Cpu {
    cpu_usage: Option<CpuUsage>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CpuUsage {
    total_usage: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Memory {
    usage: Option<u64>,
    limit: Option<u64>,
    stats: Option<BTreeMap<String, u64>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Pids {
    current: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Network {
    rx_bytes: Option<u64>,
    tx_bytes: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Disks {
    io_service_bytes_recursive: Option<Vec<Transfer>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Transfer {
    op: String,
    value: u64,
}

/// What the answer says; nothing for a container that does not run, of which everything is zero.
fn stats(answer: Answer) -> Option<ContainerStats> {
    let memory = answer.memory_stats.unwrap_or_default();
    let cpu = answer.cpu_stats.and_then(|cpu| cpu.cpu_usage?.total_usage);
    let pids = answer.pids_stats.and_then(|pids| pids.current);
    let never = answer.read.is_none_or(|read| read.starts_with("0001-"));
    if never || (memory.usage.unwrap_or_default() == 0 && cpu.unwrap_or_default() == 0 && pids.unwrap_or_default() == 0)
    {
        return None;
    }
    let sum = |of: fn(&Network) -> Option<u64>| {
        let networks = answer.networks.as_ref()?;
        Some(Bytes(networks.values().filter_map(of).fold(0, u64::saturating_add)))
    };
    let disks = answer.blkio_stats.and_then(|disks| disks.io_service_bytes_recursive);
    let moved = |word: &str| {
        let same = disks.as_ref()?.iter().filter(|it| it.op.eq_ignore_ascii_case(word));
        Some(Bytes(same.map(|it| it.value).fold(0, u64::saturating_add)))
    };
    Some(ContainerStats {
        cpu: cpu.map(Duration::from_nanos),
        memory: used(&memory),
        memory_limit: memory.limit.filter(|limit| (1..NO_LIMIT).contains(limit)).map(Bytes),
        pids,
        received: sum(|network| network.rx_bytes),
        sent: sum(|network| network.tx_bytes),
        read: moved("read"),
        written: moved("write"),
    })
}

/// Main memory without the pages of files that nobody has used lately, which the kernel drops first: they are named
/// `total_inactive_file` in cgroup v1 and `inactive_file` in v2; Podman tells neither.
fn used(memory: &Memory) -> Option<Bytes> {
    let of = |name: &str| memory.stats.as_ref().and_then(|stats| stats.get(name).copied());
    let droppable = of("total_inactive_file").or_else(|| of("inactive_file")).unwrap_or_default();
    memory.usage.map(|usage| Bytes(if droppable < usage { usage - droppable } else { usage }))
}

impl Docker {
    pub(super) async fn usage(&self, id: &ContainerId) -> Result<ContainerStats> {
        let path = format!("/containers/{}/stats?stream=false&one-shot=true", raw::encoded(&id.0));
        let idle = || {
            Error::new(ErrorKind::Conflict, OPERATION, "the container does not run")
                .with("container", id)
                .hint("start it first")
        };
        match limited(CALL_LIMIT, raw::get::<Answer>(&self.address, &path)).await {
            Ok(answer) => stats(answer).ok_or_else(idle),
            // Podman answers well and with nothing where nothing runs.
            Err(Api::JsonSerdeError { err }) if err.is_eof() => Err(idle()),
            Err(error) => Err(failure::call(OPERATION, error).with("container", id)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<ContainerStats> {
        stats(serde_json::from_str(text).unwrap())
    }

    #[test]
    fn both_versions_of_cgroups_leave_out_what_the_kernel_may_drop() {
        for stats in [r#"{"total_inactive_file":300,"inactive_file":1}"#, r#"{"inactive_file":300,"anon":600}"#] {
            let text = format!(
                r#"{{"read":"2026-11-24T16:21:53Z","memory_stats":{{"usage":1000,"limit":4096,"stats":{stats}}},
                "cpu_stats":{{"cpu_usage":{{"total_usage":32627346}}}},"pids_stats":{{"current":3,"limit":64}},
                "networks":{{"eth0":{{"rx_bytes":5,"tx_bytes":7}},"eth1":{{"rx_bytes":1}}}},"num_procs":0,
                "blkio_stats":{{"io_service_bytes_recursive":[{{"op":"Read","value":9}},{{"op":"write","value":4}},
                {{"op":"read","value":1}}]}}}}"#
            );
            let got = read(&text).unwrap();
            assert_eq!((got.memory, got.memory_limit), (Some(Bytes(700)), Some(Bytes(4096))));
            assert_eq!((got.cpu, got.pids), (Some(Duration::from_nanos(32_627_346)), Some(3)));
            assert_eq!((got.received, got.sent), (Some(Bytes(6)), Some(Bytes(7))));
            assert_eq!((got.read, got.written), (Some(Bytes(10)), Some(Bytes(4))));
        }
    }

    #[test]
    fn podmans_answer_has_less_and_is_read_all_the_same() {
        let got = read(
            r#"{"read":"2026-11-24T16:21:59Z","pids_stats":{"current":1},"memory_stats":{"usage":389120,
            "limit":18446744073709551615},"blkio_stats":{"io_service_bytes_recursive":null},
            "cpu_stats":{"cpu_usage":{"total_usage":5}},"networks":null}"#,
        )
        .unwrap();
        assert_eq!((got.memory, got.memory_limit, got.received), (Some(Bytes(389_120)), None, None));
    }

    #[test]
    fn a_container_that_does_not_run_uses_nothing() {
        for text in [
            "{}",
            r#"{"read":"0001-01-01T00:00:00Z","cpu_stats":{"cpu_usage":{"total_usage":0}},"memory_stats":{},"pids_stats":{}}"#,
            r#"{"read":"2026-11-24T16:21:59Z","cpu_stats":null,"memory_stats":{},"pids_stats":{"current":0}}"#,
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
