//! What a container really got, read from `/containers/ID/json`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use jiff::Timestamp;
use serde::Deserialize;

use super::{CALL_LIMIT, Docker, failure, limited, raw};
use crate::engine::{ContainerId, Details, plain};
use crate::error::Result;
use crate::service::Ulimit;
use crate::units::Bytes;

/// The parts of the answer that NACP reads. Every field may be absent or null.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Answer {
    image: Option<String>,
    state: Option<State>,
    config: Option<Config>,
    host_config: Option<Host>,
    mounts: Option<Vec<Mounted>>,
    network_settings: Option<Networks>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct State {
    running: Option<bool>,
    started_at: Option<String>,
    finished_at: Option<String>,
    exit_code: Option<i64>,
    #[serde(rename = "OOMKilled")]
    oom_killed: Option<bool>,
    error: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Config {
    env: Option<Vec<String>>,
    user: Option<String>,
    tty: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Host {
    cap_add: Option<Vec<String>>,
    cap_drop: Option<Vec<String>>,
    devices: Option<Vec<Device>>,
    device_requests: Option<Vec<Request>>,
    ipc_mode: Option<String>,
    memory: Option<i64>,
    nano_cpus: Option<i64>,
    cpu_quota: Option<i64>,
    cpu_period: Option<i64>,
    pids_limit: Option<i64>,
    privileged: Option<bool>,
    readonly_rootfs: Option<bool>,
    runtime: Option<String>,
    security_opt: Option<Vec<String>>,
    shm_size: Option<i64>,
    tmpfs: Option<BTreeMap<String, String>>,
    ulimits: Option<Vec<Limit>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Device {
    path_on_host: Option<String>,
    path_in_container: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Request {
    driver: Option<String>,
    #[serde(rename = "DeviceIDs")]
    device_ids: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Limit {
    name: Option<String>,
    soft: i64,
    hard: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Mounted {
    destination: Option<String>,
    #[serde(rename = "RW")]
    rw: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Networks {
    networks: Option<BTreeMap<String, serde::de::IgnoredAny>>,
    ports: Option<BTreeMap<String, Option<Vec<Port>>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Port {
    host_ip: Option<String>,
    host_port: Option<String>,
}

impl Answer {
    /// Whether the container has a terminal: then its output is one stream.
    pub(super) fn has_terminal(&self) -> bool {
        self.config.as_ref().and_then(|config| config.tty).unwrap_or_default()
    }
}

/// A time; nothing for the one that stands for never.
fn time(text: Option<String>) -> Option<Timestamp> {
    text?.parse().ok().filter(|at: &Timestamp| at.as_second() > 0)
}

/// A number of bytes that counts: the engines write 0 or -1 for none.
fn bytes(number: Option<i64>) -> Option<Bytes> {
    number.and_then(|number| u64::try_from(number).ok()).filter(|number| *number > 0).map(Bytes)
}

/// What the answer says.
pub(super) fn details(answer: Answer) -> Details {
    let Answer { image, state, config, host_config, mounts, network_settings } = answer;
    let (state, config, host) =
        (state.unwrap_or_default(), config.unwrap_or_default(), host_config.unwrap_or_default());
    let running = state.running.unwrap_or_default();
    let finished_at = time(state.finished_at).filter(|_| !running);
    let mut found = Details {
        image_id: image.unwrap_or_default(),
        started_at: time(state.started_at),
        exit_code: finished_at.and(state.exit_code),
        finished_at,
        out_of_memory: state.oom_killed.unwrap_or_default(),
        error: state.error.filter(|error| !error.is_empty()),
        user: config.user.unwrap_or_default(),
        env: environment(config.env.unwrap_or_default()),
        ..locks(&host)
    };
    (found.cdi_devices, found.driver_gpus) = requests(host.device_requests.unwrap_or_default());
    let devices = host.devices.into_iter().flatten();
    found.devices = devices.filter_map(|it| it.path_in_container.or(it.path_on_host)).collect();
    for mount in mounts.into_iter().flatten() {
        let Some(at) = mount.destination else { continue };
        if mount.rw == Some(false) {
            found.read_only_mounts.insert(at.clone());
        }
        found.mounts.insert(at);
    }
    for (at, options) in host.tmpfs.into_iter().flatten() {
        if options.split(',').any(|option| option == "ro") {
            found.read_only_mounts.insert(at.clone());
        }
        found.mounts.insert(at);
    }
    let Networks { networks, ports } = network_settings.unwrap_or_default();
    found.networks = networks.into_iter().flatten().map(|(name, _)| name).collect();
    found.published =
        ports.into_iter().flatten().flat_map(|(_, ports)| ports.unwrap_or_default()).filter_map(at).collect();
    found
}

fn locks(host: &Host) -> Details {
    let names = |names: &Option<Vec<String>>| names.iter().flatten().map(|name| plain(name)).collect::<BTreeSet<_>>();
    let opened = host.security_opt.iter().flatten().any(|option| {
        matches!(option.as_str(), "no-new-privileges" | "no-new-privileges:true" | "no-new-privileges=true")
    });
    let limit = |limit: &Limit| {
        let name = limit.name.as_ref()?.to_ascii_lowercase();
        let name = name.strip_prefix("rlimit_").unwrap_or(&name).to_owned();
        let mut both = Ulimit::both(limit.soft);
        both.hard = limit.hard;
        Some((name, both))
    };
    Details {
        read_only: host.readonly_rootfs.unwrap_or_default(),
        dropped_capabilities: names(&host.cap_drop),
        added_capabilities: names(&host.cap_add),
        privileged: host.privileged.unwrap_or_default(),
        no_new_privileges: opened,
        host_ipc: host.ipc_mode.as_deref() == Some("host"),
        shm: bytes(host.shm_size),
        memory: bytes(host.memory),
        cpus: cpus(host),
        pids: host.pids_limit.and_then(|limit| u64::try_from(limit).ok()).filter(|limit| *limit > 0),
        ulimits: host.ulimits.iter().flatten().filter_map(limit).collect(),
        runtime: host.runtime.clone().filter(|runtime| !runtime.is_empty()),
        ..Details::default()
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share of CPU time is no exact number")]
fn cpus(host: &Host) -> Option<f64> {
    match (host.nano_cpus, host.cpu_quota, host.cpu_period) {
        (Some(nano), ..) if nano > 0 => Some(nano as f64 / 1e9),
        (_, Some(quota), Some(period)) if quota > 0 && period > 0 => Some(quota as f64 / period as f64),
        _ => None,
    }
}

fn environment(env: Vec<String>) -> BTreeMap<String, String> {
    let pair = |entry: String| match entry.split_once('=') {
        Some((name, value)) => (name.to_owned(), value.to_owned()),
        None => (entry, String::new()),
    };
    env.into_iter().map(pair).collect()
}

/// The devices of the requests: those of CDI, and those of the driver `nvidia`, by whatever they were asked for.
fn requests(requests: Vec<Request>) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut cdi, mut nvidia) = (BTreeSet::new(), BTreeSet::new());
    for Request { driver, device_ids } in requests {
        match driver.as_deref() {
            Some("cdi") => cdi.extend(device_ids.into_iter().flatten()),
            None | Some("" | "nvidia" | "nvidia.cdi" | "nvidia.runtime-hook") => {
                nvidia.extend(device_ids.into_iter().flatten());
            }
            Some(_) => {}
        }
    }
    (cdi, nvidia)
}

/// Where a port is published; an address that is not written is every one.
fn at(port: Port) -> Option<SocketAddr> {
    let ip = match port.host_ip.as_deref() {
        None | Some("") => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        Some(ip) => ip.parse().ok()?,
    };
    Some(SocketAddr::new(ip, port.host_port?.parse().ok().filter(|port| *port > 0)?))
}

impl Docker {
    /// The daemon's whole answer about a container.
    pub(super) async fn look(&self, operation: &'static str, id: &ContainerId) -> Result<Answer> {
        let path = format!("/containers/{}/json", raw::encoded(&id.0));
        let answer = limited(CALL_LIMIT, raw::get(&self.address, &path)).await;
        answer.map_err(|error| failure::call(operation, error).with("container", id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Details {
        details(serde_json::from_str(text).unwrap())
    }

    #[test]
    fn nothing_has_to_be_there_and_new_words_do_no_harm() {
        assert_eq!(read("{}"), Details::default());
        let nulls = r#"{"State":null,"Config":{"Env":null},"HostConfig":{"CapAdd":null,"Tmpfs":null,"New":[1]},
            "Mounts":null,"NetworkSettings":{"Networks":null,"Ports":{"8000/tcp":null}},"New":{}}"#;
        assert_eq!(read(nulls), Details::default());
    }

    #[test]
    fn dockers_answer_is_read() {
        let got = read(
            r#"{"Image":"sha256:1","State":{"Running":true,"StartedAt":"2026-11-24T16:21:28.27Z",
            "FinishedAt":"0001-01-01T00:00:00Z","ExitCode":0,"OOMKilled":false,"Error":""},
            "HostConfig":{"CapAdd":["CHOWN"],"CapDrop":["ALL"],"IpcMode":"private","ReadonlyRootfs":true,
            "SecurityOpt":["no-new-privileges"],"Tmpfs":{"/mem":"ro,size=1","/tmp":"rw"},"ShmSize":134217728,
            "Runtime":"runc","Memory":268435456,"NanoCpus":1500000000,"PidsLimit":64,
            "Ulimits":[{"Name":"nofile","Hard":1024,"Soft":512}],
            "DeviceRequests":[{"Driver":"cdi","Count":0,"DeviceIDs":["nvidia.com/gpu=GPU-1"]},
            {"Driver":"nvidia","DeviceIDs":["GPU-2"]}],"Devices":[{"PathOnHost":"/dev/x","PathInContainer":"/dev/y"}]},
            "Mounts":[{"Type":"volume","Destination":"/data","RW":false}],
            "Config":{"User":"1000:1000","Env":["A=b=c","EMPTY"],"Tty":false},
            "NetworkSettings":{"Ports":{"8000/tcp":[{"HostIp":"127.0.0.1","HostPort":"32768"}]},
            "Networks":{"bridge":{"Aliases":null}}}}"#,
        );
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let mut nofile = Ulimit::both(512);
        nofile.hard = 1024;
        let wanted = Details {
            image_id: "sha256:1".into(),
            started_at: Some("2026-11-24T16:21:28.27Z".parse().unwrap()),
            cdi_devices: set(&["nvidia.com/gpu=GPU-1"]),
            driver_gpus: set(&["GPU-2"]),
            devices: set(&["/dev/y"]),
            runtime: Some("runc".into()),
            env: [("A".to_owned(), "b=c".to_owned()), ("EMPTY".to_owned(), String::new())].into(),
            user: "1000:1000".into(),
            read_only: true,
            dropped_capabilities: set(&["ALL"]),
            added_capabilities: set(&["CHOWN"]),
            no_new_privileges: true,
            shm: Some(Bytes::mib(128)),
            memory: Some(Bytes::mib(256)),
            cpus: Some(1.5),
            pids: Some(64),
            ulimits: [("nofile".to_owned(), nofile)].into(),
            mounts: set(&["/data", "/mem", "/tmp"]),
            read_only_mounts: set(&["/data", "/mem"]),
            networks: set(&["bridge"]),
            published: [([127, 0, 0, 1], 32768).into()].into(),
            ..Details::default()
        };
        assert_eq!(got, wanted);
    }

    #[test]
    fn an_end_is_told_with_its_code_and_podmans_words_are_read() {
        let got = read(
            r#"{"State":{"Running":false,"StartedAt":"2026-11-24T16:00:00Z","FinishedAt":"2026-11-24T16:00:01Z",
            "ExitCode":137,"OOMKilled":true,"Error":"it broke"},
            "HostConfig":{"CapDrop":["CAP_KILL"],"CpuQuota":150000,"CpuPeriod":100000,"PidsLimit":-1,"Memory":0,
            "Ulimits":[{"Name":"RLIMIT_NOFILE","Hard":9,"Soft":9}]},
            "NetworkSettings":{"Ports":{"80/tcp":[{"HostIp":"","HostPort":"9000"}]}}}"#,
        );
        assert_eq!((got.exit_code, got.out_of_memory, got.error.as_deref()), (Some(137), true, Some("it broke")));
        assert_eq!((got.cpus, got.pids, got.memory), (Some(1.5), None, None));
        assert!(got.dropped_capabilities.contains("KILL") && got.ulimits["nofile"] == Ulimit::both(9));
        assert!(got.published.contains(&([0, 0, 0, 0], 9000).into()));
    }
}
