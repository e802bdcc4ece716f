//! The containers that want a GPU.

use std::time::Duration;

use serde_json::Value;

use super::environment::is_kept;
use crate::host::root::Root;
use crate::host::survey::{ContainerFacts, DeviceRequest};
use crate::host::{Daemon, DaemonPlace, Seen};

/// So many containers of a daemon are looked at, the newest; so many that want a GPU are kept of all; so many logs are read.
const LOOKED_AT: usize = 256;
const KEPT: usize = 32;
const LOGS: usize = 8;
/// So many lines of a log are kept, and so many bytes of each.
const LINES: usize = 40;
const LINE: usize = 400;
/// The folder of the nodes of MIG devices, and so many nodes of a container are kept.
const CAPS: &str = "/dev/nvidia-caps";
const NODES: usize = 256;

/// The containers that want a GPU, of each daemon that answered, while there is time.
pub(super) fn read(root: &Root, daemons: &[Daemon], left: &dyn Fn() -> Duration) -> Vec<ContainerFacts> {
    let mut found: Vec<ContainerFacts> = Vec::new();
    let mut logs = 0;
    for daemon in daemons.iter().filter(|daemon| daemon.answer.found().is_some()) {
        let Seen::Found(list) = root.ask(&daemon.endpoint, "/containers/json?all=1", left()) else { continue };
        for id in ids(&list).into_iter().take(LOOKED_AT) {
            if found.len() >= KEPT || left().is_zero() {
                return found;
            }
            let answer = root.ask(&daemon.endpoint, &format!("/containers/{id}/json"), left());
            let Some(mut container) = answer.found().and_then(|text| container(text)) else { continue };
            container.endpoint.clone_from(&daemon.endpoint);
            if daemon.place == DaemonPlace::ThisKernel {
                container.inside = answer.found().and_then(|text| inside(root, text));
            }
            if ended_badly(&container) && logs < LOGS {
                logs += 1;
                let lines = root.container_log(&daemon.endpoint, &id, LINES, left());
                container.log = lines.found().into_iter().flatten().map(|line| shortened(line)).collect();
            }
            found.push(container);
        }
    }
    found
}

fn ended_badly(container: &ContainerFacts) -> bool {
    container.state != "running"
        && container.state != "created"
        && (container.exit_code.is_some_and(|code| code != 0) || container.oom_killed)
}

/// The nodes of GPUs in the `/dev` of a container that runs, as its first process sees it; none where this process may not
/// look, or runs among other numbers of processes.
fn inside(root: &Root, text: &str) -> Option<Vec<String>> {
    let value: Value = serde_json::from_str(text).ok()?;
    let process = value["State"]["Pid"].as_u64().filter(|pid| *pid > 0)?;
    let own = format!("/proc/{process}/root");
    // Another process has this number where the daemon counts apart.
    let id = value["Id"].as_str().filter(|id| !id.is_empty())?;
    root.text(&format!("/proc/{process}/cgroup")).found().filter(|groups| groups.contains(id))?;
    let below = |folder: &str| {
        let names = root.list(&format!("{own}{folder}"));
        names.map(|names| names.into_iter().map(|name| format!("{folder}/{name}")).collect::<Vec<_>>())
    };
    let mut nodes = below("/dev").found().cloned()?;
    nodes.retain(|node| (node.starts_with("/dev/nvidia") && node != CAPS) || node == "/dev/dxg");
    nodes.extend(below(CAPS).found().cloned().unwrap_or_default());
    nodes.truncate(NODES);
    Some(nodes)
}

fn shortened(line: &str) -> String {
    line.chars().filter(|it| !it.is_control() || *it == '\t').take(LINE).collect()
}

/// The ids in a daemon's list.
fn ids(list: &str) -> Vec<String> {
    let all: Vec<Value> = serde_json::from_str(list).unwrap_or_default();
    let safe = |id: &&str| {
        !id.is_empty()
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'/'))
    };
    all.iter().filter_map(|it| it["Id"].as_str()).filter(safe).map(|id| id.trim_start_matches('/').to_owned()).collect()
}

/// A container that wants a GPU, from what its daemon says of it; nothing for any other.
fn container(text: &str) -> Option<ContainerFacts> {
    let value: Value = serde_json::from_str(text).ok()?;
    let (state, config, host) = (&value["State"], &value["Config"], &value["HostConfig"]);
    let facts = ContainerFacts {
        name: owned(&value["Name"]).trim_start_matches('/').to_owned(),
        image: owned(&config["Image"]),
        endpoint: String::new(),
        state: owned(&state["Status"]),
        exit_code: state["ExitCode"]
            .as_i64()
            .filter(|_| state["Running"] != true && state["Status"] != "created" || state["ExitCode"] != 0),
        oom_killed: state["OOMKilled"] == true,
        error: owned(&state["Error"]),
        started: started(state),
        requests: list(&host["DeviceRequests"]).map(request).collect(),
        runtime: host["Runtime"].as_str().filter(|it| !it.is_empty()).map(str::to_owned),
        devices: list(&host["Devices"]).filter_map(|it| it["PathOnHost"].as_str().map(str::to_owned)).collect(),
        env: list(&config["Env"]).filter_map(Value::as_str).filter_map(variable).collect(),
        shm_bytes: host["ShmSize"].as_u64(),
        restart: host["RestartPolicy"]["Name"].as_str().map(|it| if it.is_empty() { "no" } else { it }.to_owned()),
        ipc: host["IpcMode"].as_str().filter(|it| !it.is_empty()).map(str::to_owned),
        privileged: host["Privileged"] == true,
        ulimits: list(&host["Ulimits"])
            .filter_map(|it| Some((it["Name"].as_str()?.to_owned(), it["Soft"].as_i64()?)))
            .collect(),
        security: strings(&host["SecurityOpt"]),
        log: Vec::new(),
        inside: None,
    };
    wants_gpu(&facts).then_some(facts)
}

fn wants_gpu(container: &ContainerFacts) -> bool {
    let visible = container
        .env
        .get("NVIDIA_VISIBLE_DEVICES")
        .is_some_and(|value| !matches!(value.as_str(), "" | "void" | "none"));
    let device =
        |path: &String| path.starts_with("/dev/nvidia") || path == "/dev/dxg" || path.starts_with("nvidia.com/");
    !container.requests.is_empty()
        || container.runtime.as_deref() == Some("nvidia")
        || container.devices.iter().any(device)
        || visible
}

fn request(value: &Value) -> DeviceRequest {
    DeviceRequest {
        driver: owned(&value["Driver"]),
        count: value["Count"].as_i64().unwrap_or_default(),
        ids: strings(&value["DeviceIDs"]),
        capabilities: list(&value["Capabilities"]).flat_map(strings).collect(),
    }
}

fn variable(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once('=')?;
    is_kept(name).then(|| (name.to_owned(), value.to_owned()))
}

/// The second in which it was started; none for one that never was, whose time is the year 1.
fn started(state: &Value) -> Option<i64> {
    let time: jiff::Timestamp = state["StartedAt"].as_str()?.parse().ok()?;
    Some(time.as_second()).filter(|second| *second > 0)
}

fn owned(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn strings(value: &Value) -> Vec<String> {
    list(value).filter_map(|it| it.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_running_container_is_looked_into_where_its_process_is_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let dev = folder.path().join("proc/42/root/dev");
        std::fs::create_dir_all(dev.join("nvidia-caps")).unwrap();
        for node in ["null", "nvidia0", "nvidiactl", "nvidia-caps/nvidia-cap66"] {
            std::fs::write(dev.join(node), "").unwrap();
        }
        std::fs::write(folder.path().join("proc/42/cgroup"), "0::/system.slice/docker-abc123.scope").unwrap();
        let root = Root::at(folder.path(), std::collections::BTreeMap::new());
        let look = |id: &str, pid: i64| inside(&root, &json!({"Id": id, "State": {"Pid": pid}}).to_string());
        let nodes = ["/dev/nvidia0", "/dev/nvidiactl", "/dev/nvidia-caps/nvidia-cap66"];
        assert_eq!(look("abc123", 42), Some(nodes.map(String::from).into()));
        assert_eq!(look("def456", 42), None, "another process has its number");
        assert_eq!(look("", 42), None);
        assert_eq!(look("abc123", 43), None);
        assert_eq!(look("abc123", 0), None);
    }

    fn read(value: &Value) -> Option<ContainerFacts> {
        container(&value.to_string())
    }

    #[test]
    fn a_container_wants_a_gpu_in_any_of_five_ways() {
        let ways = [
            json!({"HostConfig": {"DeviceRequests": [{"Driver": "", "Count": -1, "Capabilities": [["gpu"]]}]}}),
            json!({"HostConfig": {"Runtime": "nvidia"}}),
            json!({"HostConfig": {"Devices": [{"PathOnHost": "/dev/nvidia0"}]}}),
            json!({"HostConfig": {"Devices": [{"PathOnHost": "/dev/dxg"}]}}),
            json!({"Config": {"Env": ["NVIDIA_VISIBLE_DEVICES=all"]}}),
        ];
        for way in ways {
            assert!(read(&way).is_some(), "{way}");
        }
        let others = [
            json!({"HostConfig": {"Runtime": "runc", "DeviceRequests": null, "Devices": [{"PathOnHost": "/dev/fuse"}]}}),
            json!({"Config": {"Env": ["NVIDIA_VISIBLE_DEVICES=void"]}}),
            json!([]),
            json!(7),
        ];
        for other in others {
            assert_eq!(read(&other), None, "{other}");
        }
        assert_eq!(container("{"), None);
    }

    #[test]
    fn a_container_is_read_whole_and_its_secrets_are_not() {
        let value = json!({
            "Name": "/llm",
            "State": {"Status": "exited", "ExitCode": 137, "OOMKilled": true, "Error": "why", "StartedAt": "2026-11-24T10:00:00.5Z"},
            "Config": {"Image": "vllm:1", "Env": ["HF_TOKEN=secret", "CUDA_VERSION=13.0", "LD_LIBRARY_PATH=/x"]},
            "HostConfig": {
                "DeviceRequests": [{"Driver": "cdi", "Count": 0, "DeviceIDs": ["nvidia.com/gpu=0"], "Capabilities": [["gpu", "compute"]]}],
                "ShmSize": 67_108_864, "IpcMode": "private", "Ulimits": [{"Name": "memlock", "Soft": -1, "Hard": -1}],
                "SecurityOpt": ["label=disable"], "Privileged": true, "Runtime": "runc"
            }
        });
        let facts = read(&value).unwrap();
        assert_eq!(
            (facts.name.as_str(), facts.exit_code, facts.oom_killed, facts.started),
            ("llm", Some(137), true, Some(1_795_514_400))
        );
        assert_eq!(facts.env.keys().collect::<Vec<_>>(), ["CUDA_VERSION", "LD_LIBRARY_PATH"]);
        assert_eq!(
            (facts.requests[0].count, &facts.requests[0].capabilities[..]),
            (0, &["gpu".to_owned(), "compute".to_owned()][..])
        );
        assert_eq!((facts.ulimits["memlock"], facts.privileged, facts.shm_bytes), (-1, true, Some(64 << 20)));
        assert!(ended_badly(&facts) && !serde_json::to_string(&facts).unwrap().contains("secret"));
    }

    #[test]
    fn a_container_that_was_never_started_has_no_time_and_no_end() {
        let state = json!({"Status": "created", "ExitCode": 0, "StartedAt": "0001-01-01T00:00:00Z"});
        let facts = read(&json!({"State": state, "HostConfig": {"Runtime": "nvidia"}})).unwrap();
        assert_eq!((facts.started, facts.exit_code), (None, None));
    }

    #[test]
    fn an_id_cannot_lead_elsewhere() {
        assert_eq!(ids(r#"[{"Id":"abc"},{"Id":"/web"},{"Id":"a?b"},{"Id":""},{"Id":7},{"Id":"a b"}]"#), ["abc", "web"]);
        assert_eq!(ids("{}"), Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "(\\[|\\{\"State\":)?\\PC*") {
            let _ = (container(&text), ids(&text), variable(&text), shortened(&text));
        }
    }
}
