//! The containers that want a GPU.

use std::time::Duration;

use serde_json::Value;

use super::environment::kept;
use super::{Given, Put};
use crate::host::root::Root;
use crate::host::survey::{ContainerFacts, DeviceRequest, Gap};
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

pub(super) fn read(given: &Given, daemons: &[Daemon]) -> Put {
    let (containers, gaps) = if given.containers {
        of_daemons(&given.root, daemons, &|| given.left())
    } else {
        (Vec::new(), vec![Gap::of("containers", "the daemons were not asked for them")])
    };
    Box::new(move |survey| {
        survey.containers = containers;
        survey.gaps.extend(gaps);
    })
}

/// The containers that want a GPU, of each daemon that answered, while there is time; and what could not be read of them.
fn of_daemons(root: &Root, daemons: &[Daemon], left: &dyn Fn() -> Duration) -> (Vec<ContainerFacts>, Vec<Gap>) {
    let (mut found, mut gaps) = (Vec::new(), Vec::new());
    for daemon in daemons.iter().filter(|daemon| daemon.answer.found().is_some()) {
        if let Err(why) = of_daemon(root, daemon, left, &mut found) {
            gaps.push(Gap::of(format!("containers of {}", daemon.endpoint), why));
        }
    }
    read_logs(root, &mut found, left);
    (found.into_iter().map(|(_, container)| container).collect(), gaps)
}

/// Adds the containers of a daemon with their ids.
///
/// # Errors
/// Why some may be missing.
fn of_daemon(
    root: &Root,
    daemon: &Daemon,
    left: &dyn Fn() -> Duration,
    found: &mut Vec<(String, ContainerFacts)>,
) -> Result<(), String> {
    let list = match root.ask(&daemon.endpoint, "/containers/json?all=1", left()) {
        Seen::Found(list) => list,
        other => return Err(other.open().unwrap_or("it has no list of containers").to_owned()),
    };
    let ids = ids(&list).ok_or("what it answers is no list of containers")?;
    let mut failed = None;
    for id in ids.iter().take(LOOKED_AT) {
        if left().is_zero() {
            return Err("the time was over before all were read".into());
        }
        if found.len() >= KEPT {
            return Err(format!("only {KEPT} that want a GPU are read"));
        }
        let answer = root.ask(&daemon.endpoint, &format!("/containers/{id}/json"), left());
        match &answer {
            // It was removed since.
            Seen::Unreadable(why) if why.contains(" 404") => continue,
            Seen::Found(_) => {}
            other => failed = Some(format!("one could not be read: {}", other.open().unwrap_or("it is not there"))),
        }
        let Some(mut container) = answer.found().and_then(|text| container(text)) else { continue };
        container.endpoint.clone_from(&daemon.endpoint);
        if daemon.place == DaemonPlace::ThisKernel {
            container.inside = answer.found().and_then(|text| inside(root, text));
        }
        found.push((id.clone(), container));
    }
    match failed {
        Some(why) => Err(why),
        None if ids.len() > LOOKED_AT => Err(format!("only the newest {LOOKED_AT} of {} were read", ids.len())),
        None => Ok(()),
    }
}

/// The last lines of containers since their last start: first of those that ended badly, then of those that run.
fn read_logs(root: &Root, found: &mut [(String, ContainerFacts)], left: &dyn Fn() -> Duration) {
    let mut wanted: Vec<_> = found.iter_mut().filter(|(_, it)| ended_badly(it) || it.state == "running").collect();
    wanted.sort_by_key(|(_, container)| !ended_badly(container));
    for (id, container) in wanted.into_iter().take(LOGS) {
        let since = container.started.unwrap_or_default();
        let lines = root.container_log(&container.endpoint, id, since, LINES, left());
        container.log = lines.found().into_iter().flatten().map(|line| shortened(line)).collect();
    }
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

/// The ids in a daemon's list; none where it is no list.
fn ids(list: &str) -> Option<Vec<String>> {
    let all: Vec<Value> = serde_json::from_str(list).ok()?;
    let safe = |id: &&str| {
        !id.is_empty()
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'/'))
    };
    let ids = all.iter().filter_map(|it| it["Id"].as_str()).filter(safe);
    Some(ids.map(|id| id.trim_start_matches('/').to_owned()).collect())
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
        started: second(&state["StartedAt"]),
        created: second(&value["Created"]),
        finished: second(&state["FinishedAt"]),
        project: label(config, "com.docker.compose.project"),
        service: label(config, "com.docker.compose.service"),
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
    kept(name).then(|| (name.to_owned(), value.to_owned()))
}

/// The second of a time; none for one that never was, which is the year 1.
fn second(time: &Value) -> Option<i64> {
    let time: jiff::Timestamp = time.as_str()?.parse().ok()?;
    Some(time.as_second()).filter(|second| *second > 0)
}

fn label(config: &Value, name: &str) -> Option<String> {
    config["Labels"][name].as_str().filter(|text| !text.is_empty() && text.len() <= LINE).map(str::to_owned)
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
            "Config": {"Image": "vllm:1", "Env": ["HF_TOKEN=secret", "NVIDIA_API_KEY=secret", "CUDA_VERSION=13.0", "LD_LIBRARY_PATH=/x"]},
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
    fn when_a_container_was_made_and_ended_and_whose_service_it_is_are_kept() {
        let labels = json!({"com.docker.compose.project": "stack", "com.docker.compose.service": "llm", "secret": "x"});
        let value = json!({
            "Created": "2026-11-24T09:59:59Z",
            "State": {"Status": "exited", "FinishedAt": "2026-11-24T10:00:01.5Z"},
            "Config": {"Labels": labels},
            "HostConfig": {"Runtime": "nvidia"}
        });
        let facts = read(&value).unwrap();
        assert_eq!((facts.created, facts.finished), (Some(1_795_514_399), Some(1_795_514_401)));
        assert_eq!((facts.project.as_deref(), facts.service.as_deref()), (Some("stack"), Some("llm")));
    }

    /// A machine in a folder whose daemon has these containers.
    fn asked(containers: &str) -> (tempfile::TempDir, Vec<ContainerFacts>, Vec<Gap>) {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("answers/daemons/1");
        std::fs::create_dir_all(at.join("logs")).unwrap();
        std::fs::write(at.join("endpoint"), "unix:///var/run/docker.sock").unwrap();
        std::fs::write(at.join("containers.json"), containers).unwrap();
        for number in 0..20 {
            std::fs::write(at.join("logs").join(format!("c{number}")), "a line").unwrap();
        }
        let root = Root::at(folder.path(), std::collections::BTreeMap::new());
        let daemon = Daemon {
            endpoint: "unix:///var/run/docker.sock".into(),
            found_by: "test".into(),
            chosen: true,
            answer: Seen::Found(crate::host::DaemonInfo::default()),
            place: DaemonPlace::Unknown,
            evidence: Vec::new(),
        };
        let (found, gaps) = of_daemons(&root, &[daemon], &|| Duration::from_secs(5));
        (folder, found, gaps)
    }

    fn several(count: usize, state: impl Fn(usize) -> Value) -> String {
        let one = |number: usize| json!({"Id": format!("c{number}"), "Name": format!("/c{number}"), "State": state(number), "HostConfig": {"Runtime": "nvidia"}});
        Value::from((0..count).map(one).collect::<Vec<_>>()).to_string()
    }

    #[test]
    fn the_last_lines_of_those_that_ended_badly_are_read_before_those_of_running_ones() {
        let state = |number| match number % 2 {
            0 => json!({"Status": "running", "Running": true}),
            _ => json!({"Status": "exited", "ExitCode": 1}),
        };
        let (_folder, found, gaps) = asked(&several(10, state));
        assert_eq!(gaps, []);
        let read: Vec<_> = found.iter().filter(|it| !it.log.is_empty()).map(|it| it.name.as_str()).collect();
        assert_eq!(read, ["c0", "c1", "c2", "c3", "c4", "c5", "c7", "c9"]);
    }

    #[test]
    fn what_is_missing_of_the_containers_is_said() {
        let running = |_| json!({"Status": "running"});
        let (_folder, found, gaps) = asked(&several(KEPT + 1, running));
        assert_eq!(found.len(), KEPT);
        assert_eq!(gaps[0].what, "containers of unix:///var/run/docker.sock");
        assert!(gaps[0].why.contains("32"), "{gaps:?}");
        let (_folder, found, gaps) = asked("{");
        assert!(found.is_empty() && gaps.len() == 1, "{gaps:?}");
        assert_eq!(asked("[]").2, []);
    }

    #[test]
    fn an_id_cannot_lead_elsewhere() {
        let list = r#"[{"Id":"abc"},{"Id":"/web"},{"Id":"a?b"},{"Id":""},{"Id":7},{"Id":"a b"}]"#;
        assert_eq!(ids(list), Some(vec!["abc".into(), "web".into()]));
        assert_eq!((ids("[]"), ids("{}"), ids("")), (Some(Vec::new()), None, None));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "(\\[|\\{\"State\":)?\\PC*") {
            let _ = (container(&text), ids(&text), variable(&text), shortened(&text));
        }
    }
}
