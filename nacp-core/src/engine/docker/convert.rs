//! What NACP asks the daemon for, in the daemon's terms.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, DeviceRequest, HostConfig, Mount, MountType, MountVolumeOptions, NetworkingConfig,
    PortBinding, ResourcesUlimits,
};

use super::gpu::{self, Access};
use super::network;
use super::security::Places;
use crate::engine::{ContainerSpec, labels, plain};
use crate::gpu::GpuId;
use crate::service::{MountSource, Ulimit};
use crate::units::Bytes;

/// From this variable the runtime called `nvidia` reads which GPUs to give.
const RUNTIME_GPUS: &str = "NVIDIA_VISIBLE_DEVICES";

/// The request that creates a container. What NACP says of GPUs in its environment wins over the user's words and the
/// image's: where `nvidia` is the default runtime, an image that asks for all GPUs would get them.
pub(super) fn body(spec: &ContainerSpec, access: Option<&Access>, places: &Places) -> ContainerCreateBody {
    let mut env: HashMap<_, _> = spec.env.clone().into_iter().collect();
    let mut labels: HashMap<_, _> = spec.labels.clone().into_iter().collect();
    labels.insert(labels::ROOT.to_owned(), places.label(spec));
    env.insert(RUNTIME_GPUS.to_owned(), "void".to_owned());
    let mut host = locked(spec, places);
    if let Some(access) = access {
        labels.insert(labels::GPU_INJECTION.to_owned(), access.label().to_owned());
        grant(access, &mut host, &mut env);
    }
    let exposed = spec.port().map(|port| format!("{port}/tcp"));
    host.port_bindings = exposed.clone().zip(spec.publish).map(|(port, publish)| {
        let number = publish.port.map(|port| port.to_string()).unwrap_or_default();
        let binding = PortBinding { host_ip: Some(publish.host.to_string()), host_port: Some(number) };
        HashMap::from([(port, Some(vec![binding]))])
    });
    let mut env: Vec<_> = env.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    env.sort();
    ContainerCreateBody {
        image: Some(spec.image.clone()),
        cmd: words(&spec.command),
        entrypoint: words(&spec.entrypoint),
        working_dir: spec.working_dir.clone(),
        user: spec.user.clone(),
        stop_signal: spec.stop_signal.clone(),
        env: Some(env),
        labels: Some(labels),
        exposed_ports: exposed.map(|port| vec![port]),
        networking_config: spec.networks.first().map(|network| NetworkingConfig {
            endpoints_config: Some(network::endpoints(network, spec.alias.as_deref())),
        }),
        host_config: Some(host),
        ..ContainerCreateBody::default()
    }
}

fn words(words: &[String]) -> Option<Vec<String>> {
    (!words.is_empty()).then(|| words.to_vec())
}

/// The mounts, limits and locks. What is not said is strict.
fn locked(spec: &ContainerSpec, places: &Places) -> HostConfig {
    let memory = spec.memory.map(signed);
    let ulimit = |(name, limit): (&String, &Ulimit)| ResourcesUlimits {
        name: Some(name.clone()),
        soft: Some(limit.soft),
        hard: Some(limit.hard),
    };
    HostConfig {
        mounts: Some(mounts(spec, places)),
        tmpfs: (!places.memory.is_empty()).then(|| places.memory.clone().into_iter().collect()),
        readonly_rootfs: Some(places.read_only),
        cap_drop: Some(vec!["ALL".to_owned()]),
        cap_add: Some(spec.capabilities.iter().map(|name| plain(name)).collect()),
        security_opt: (!spec.new_privileges).then(|| vec!["no-new-privileges".to_owned()]),
        ipc_mode: Some(if spec.host_ipc { "host" } else { "private" }.to_owned()),
        shm_size: spec.shm.filter(|_| !spec.host_ipc).map(signed),
        ulimits: (!spec.ulimits.is_empty()).then(|| spec.ulimits.iter().map(ulimit).collect()),
        nano_cpus: spec.cpus.map(nano_cpus),
        memory,
        // Without it a program that takes more would be moved to the disk instead of ended.
        memory_swap: memory,
        pids_limit: spec.pids.map(i64::from),
        network_mode: spec.networks.first().cloned(),
        ..HostConfig::default()
    }
}

fn signed(bytes: Bytes) -> i64 {
    i64::try_from(bytes.0).unwrap_or(i64::MAX)
}

#[expect(clippy::cast_possible_truncation, reason = "a float becomes the nearest number that there is")]
fn nano_cpus(cpus: f64) -> i64 {
    (cpus * 1e9).round() as i64
}

/// The mounts that were asked for, memory aside, and the volumes without a name, which tell whose they are: one that a
/// crash has left can be found.
fn mounts(spec: &ContainerSpec, places: &Places) -> Vec<Mount> {
    let asked = spec.mounts.iter().filter_map(|mount| {
        let (kind, source) = match &mount.source {
            MountSource::Volume => (MountType::VOLUME, mount.name.clone()),
            MountSource::External(name) => (MountType::VOLUME, Some(name.clone())),
            MountSource::Host(folder) => (MountType::BIND, Some(folder.clone())),
            MountSource::Memory(_) => return None,
        };
        Some(Mount { source, read_only: Some(mount.read_only), ..mounted(kind, &mount.path) })
    });
    let own = [labels::APP, labels::SERVICE, labels::REPLICA].into_iter();
    let own: HashMap<_, _> = own.filter_map(|name| Some((name.to_owned(), spec.labels.get(name)?.clone()))).collect();
    let unnamed = places.volumes.iter().map(|path| Mount {
        volume_options: (!own.is_empty())
            .then(|| MountVolumeOptions { labels: Some(own.clone()), ..MountVolumeOptions::default() }),
        ..mounted(MountType::VOLUME, path)
    });
    asked.chain(unnamed).collect()
}

fn mounted(kind: MountType, path: &str) -> Mount {
    Mount { typ: Some(kind), target: Some(path.to_owned()), ..Mount::default() }
}

fn grant(access: &Access, host: &mut HostConfig, env: &mut HashMap<String, String>) {
    let list = |gpus: &[GpuId]| gpus.iter().map(GpuId::as_str).collect::<Vec<_>>().join(",");
    let cdi = |names: Vec<String>| {
        vec![DeviceRequest { driver: Some("cdi".to_owned()), device_ids: Some(names), ..DeviceRequest::default() }]
    };
    match access {
        Access::Cdi(names) => host.device_requests = Some(cdi(names.clone())),
        Access::CdiAll(_) => {
            host.device_requests = Some(cdi(vec![gpu::ALL.to_owned()]));
        }
        Access::Runtime(gpus) | Access::RuntimeAll(gpus) => {
            host.runtime = Some("nvidia".to_owned());
            env.insert(RUNTIME_GPUS.to_owned(), list(gpus));
        }
        Access::Driver(gpus) | Access::DriverAll(gpus) => {
            let ids = gpus.iter().map(|gpu| gpu.as_str().to_owned()).collect();
            host.device_requests = Some(vec![DeviceRequest {
                driver: Some("nvidia".to_owned()),
                device_ids: Some(ids),
                capabilities: Some(vec![vec!["gpu".to_owned()]]),
                ..DeviceRequest::default()
            }]);
            env.insert(RUNTIME_GPUS.to_owned(), list(gpus));
        }
        Access::Simulated(_) => {}
    }
    if let Access::CdiAll(gpus) | Access::RuntimeAll(gpus) | Access::DriverAll(gpus) | Access::Simulated(gpus) = access
    {
        env.insert("CUDA_VISIBLE_DEVICES".to_owned(), list(gpus));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::engine::{MountSpec, PublishSpec};

    fn body(spec: &ContainerSpec, access: Option<&Access>) -> ContainerCreateBody {
        super::body(spec, access, &Places::default())
    }

    fn host(spec: &ContainerSpec, places: &Places) -> HostConfig {
        super::body(spec, None, places).host_config.unwrap()
    }

    #[test]
    fn a_port_is_published_where_it_is_asked_for_and_on_loopback_as_a_rule() {
        let spec = ContainerSpec { publish: Some(PublishSpec::loopback(8000)), ..ContainerSpec::new("n", "i") };
        let bindings = body(&spec, None).host_config.unwrap().port_bindings.unwrap();
        let binding = bindings["8000/tcp"].as_ref().unwrap();
        assert_eq!(binding[0].host_ip.as_deref(), Some("127.0.0.1"));
        assert!(body(&ContainerSpec::new("n", "i"), None).host_config.unwrap().port_bindings.is_none());
        let fixed = PublishSpec { container: 80, host: [192, 0, 2, 7].into(), port: Some(9000) };
        let spec = ContainerSpec { publish: Some(fixed), ..spec };
        let bindings = body(&spec, None).host_config.unwrap().port_bindings.unwrap();
        let binding = bindings["80/tcp"].as_ref().unwrap();
        assert_eq!((binding[0].host_ip.as_deref(), binding[0].host_port.as_deref()), (Some("192.0.2.7"), Some("9000")));
    }

    #[test]
    fn each_way_to_a_gpu_asks_by_uuid() {
        let id: GpuId = "GPU-5bd9f9a4-1d2e-4c8f-9a61-0123456789ab".parse().unwrap();
        let spec = ContainerSpec { gpus: vec![id.clone()], ..ContainerSpec::new("n", "i") };
        let cdi = body(&spec, Some(&Access::Cdi(vec![format!("nvidia.com/gpu={id}")])));
        let request = cdi.host_config.unwrap().device_requests.unwrap().remove(0);
        assert_eq!((request.driver.as_deref(), request.count), (Some("cdi"), None));
        assert_eq!(request.device_ids, Some(vec![format!("nvidia.com/gpu={id}")]));
        let runtime = body(&spec, Some(&Access::Runtime(vec![id.clone()])));
        assert_eq!(runtime.host_config.unwrap().runtime.as_deref(), Some("nvidia"));
        assert_eq!(runtime.env.unwrap(), [format!("NVIDIA_VISIBLE_DEVICES={id}")]);
        let all = body(&spec, Some(&Access::CdiAll(vec![id.clone()])));
        assert!(all.env.unwrap().contains(&format!("CUDA_VISIBLE_DEVICES={id}")));
        assert_eq!(all.labels.unwrap()[labels::GPU_INJECTION], "cdi all, isolation is cooperative");
        for access in [Access::RuntimeAll(vec![id.clone()]), Access::DriverAll(vec![id.clone()])] {
            let env = body(&spec, Some(&access)).env.unwrap();
            assert_eq!(env, [format!("CUDA_VISIBLE_DEVICES={id}"), format!("NVIDIA_VISIBLE_DEVICES={id}")]);
        }
        let driver = body(&spec, Some(&Access::Driver(vec![id.clone()])));
        let request = driver.host_config.unwrap().device_requests.unwrap().remove(0);
        assert_eq!((request.driver.as_deref(), request.count), (Some("nvidia"), None));
        assert_eq!(request.device_ids, Some(vec![id.to_string()]));
        let simulated = body(&spec, Some(&Access::Simulated(vec![id])));
        assert!(simulated.host_config.unwrap().device_requests.is_none());
    }

    #[test]
    fn what_is_not_said_is_strict() {
        let strict = host(&ContainerSpec::new("n", "i"), &Places { read_only: true, ..Places::default() });
        assert_eq!(strict.cap_drop, Some(vec!["ALL".to_owned()]));
        assert_eq!(strict.cap_add, Some(vec![]));
        assert_eq!(strict.security_opt, Some(vec!["no-new-privileges".to_owned()]));
        assert_eq!((strict.ipc_mode.as_deref(), strict.readonly_rootfs), (Some("private"), Some(true)));
        assert_eq!((strict.privileged, strict.pid_mode, strict.network_mode), (None, None, None));
    }

    #[test]
    fn each_opening_opens_one_thing() {
        let spec = ContainerSpec {
            capabilities: BTreeSet::from(["cap_chown".to_owned(), "NET_RAW".to_owned()]),
            new_privileges: true,
            host_ipc: true,
            shm: Some(Bytes::gib(1)),
            ..ContainerSpec::new("n", "i")
        };
        let open = host(&spec, &Places::default());
        assert_eq!(open.cap_drop, Some(vec!["ALL".to_owned()]));
        assert_eq!(open.cap_add, Some(vec!["NET_RAW".to_owned(), "CHOWN".to_owned()]));
        assert_eq!((open.security_opt, open.ipc_mode.as_deref(), open.shm_size), (None, Some("host"), None));
    }

    #[test]
    fn limits_are_in_the_daemons_units() {
        let spec = ContainerSpec {
            shm: Some(Bytes::gib(1)),
            memory: Some(Bytes::gib(2)),
            cpus: Some(1.5),
            pids: Some(64),
            ulimits: BTreeMap::from([("nofile".to_owned(), Ulimit::both(9))]),
            ..ContainerSpec::new("n", "i")
        };
        let limits = host(&spec, &Places::default());
        assert_eq!((limits.shm_size, limits.memory, limits.memory_swap), (Some(1 << 30), Some(2 << 30), Some(2 << 30)));
        assert_eq!((limits.nano_cpus, limits.pids_limit), (Some(1_500_000_000), Some(64)));
        let ulimit = limits.ulimits.unwrap().remove(0);
        assert_eq!((ulimit.name.as_deref(), ulimit.soft, ulimit.hard), (Some("nofile"), Some(9), Some(9)));
    }

    #[test]
    fn each_source_of_a_mount_has_its_kind() {
        let mount = |path: &str, source, name: Option<&str>, read_only| MountSpec {
            path: path.to_owned(),
            source,
            name: name.map(str::to_owned),
            read_only,
        };
        let spec = ContainerSpec {
            mounts: vec![
                mount("/own", MountSource::Volume, Some("nacp.a.own"), true),
                mount("/others", MountSource::External("theirs".into()), None, false),
                mount("/host", MountSource::Host("/srv".into()), None, true),
                mount("/mem", MountSource::Memory(Bytes::mib(1)), None, false),
            ],
            ..ContainerSpec::new("n", "i")
        };
        let places = Places { volumes: ["/root".to_owned()].into(), ..Places::default() };
        let mounts = host(&spec, &places).mounts.unwrap();
        let told: Vec<_> =
            mounts.iter().map(|it| (it.typ, it.source.as_deref(), it.target.as_deref(), it.read_only)).collect();
        assert_eq!(
            told,
            [
                (Some(MountType::VOLUME), Some("nacp.a.own"), Some("/own"), Some(true)),
                (Some(MountType::VOLUME), Some("theirs"), Some("/others"), Some(false)),
                (Some(MountType::BIND), Some("/srv"), Some("/host"), Some(true)),
                (Some(MountType::VOLUME), None, Some("/root"), None),
            ]
        );
    }

    #[test]
    fn a_volume_without_a_name_tells_whose_it_is() {
        let mut spec = ContainerSpec::new("n", "i");
        let places = Places { volumes: ["/run/secrets".to_owned()].into(), ..Places::default() };
        assert_eq!(host(&spec, &places).mounts.unwrap()[0].volume_options, None);
        spec.labels.insert(labels::APP.to_owned(), "chat".to_owned());
        spec.labels.insert("team".to_owned(), "x".to_owned());
        let told = host(&spec, &places).mounts.unwrap().remove(0).volume_options.unwrap().labels.unwrap();
        assert_eq!(told, HashMap::from([(labels::APP.to_owned(), "chat".to_owned())]));
    }

    #[test]
    fn program_user_and_networks_are_those_that_were_asked_for() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let spec = ContainerSpec {
            command: words("serve --all"),
            entrypoint: words("/bin/llm"),
            working_dir: Some("/srv".into()),
            user: Some("1000:100".into()),
            stop_signal: Some("SIGINT".into()),
            networks: ["b".to_owned(), "a".to_owned()].into(),
            alias: Some("llm".into()),
            ..ContainerSpec::new("n", "i")
        };
        let body = body(&spec, None);
        assert_eq!((body.cmd, body.entrypoint), (Some(words("serve --all")), Some(words("/bin/llm"))));
        assert_eq!((body.working_dir.as_deref(), body.user.as_deref()), (Some("/srv"), Some("1000:100")));
        assert_eq!(body.stop_signal.as_deref(), Some("SIGINT"));
        let first = body.networking_config.unwrap().endpoints_config.unwrap().remove("a").unwrap();
        assert_eq!((first.aliases, body.host_config.unwrap().network_mode.as_deref()), (Some(words("llm")), Some("a")));
    }

    #[test]
    fn only_the_runtime_is_told_of_gpus() {
        let id: GpuId = "GPU-5bd9f9a4-1d2e-4c8f-9a61-0123456789ab".parse().unwrap();
        let greedy = BTreeMap::from([(RUNTIME_GPUS.to_owned(), "all".to_owned())]);
        let spec = ContainerSpec { env: greedy, ..ContainerSpec::new("greedy", "busybox") };
        let told = |access: Option<Access>| {
            let env = body(&spec, access.as_ref()).env.unwrap().into_iter();
            env.filter(|entry| entry.starts_with(RUNTIME_GPUS)).collect::<Vec<_>>()
        };
        assert_eq!(told(Some(Access::Runtime(vec![id.clone()]))), [format!("NVIDIA_VISIBLE_DEVICES={id}")]);
        assert_eq!(told(Some(Access::Driver(vec![id.clone()]))), [format!("NVIDIA_VISIBLE_DEVICES={id}")]);
        let others = [Access::Cdi(vec![]), Access::CdiAll(vec![id.clone()]), Access::Simulated(vec![id])];
        for access in others.map(Some).into_iter().chain([None]) {
            assert_eq!(told(access), ["NVIDIA_VISIBLE_DEVICES=void"]);
        }
    }
}
