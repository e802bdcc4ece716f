//! Between NACP's containers and the daemon's.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use bollard::models::{
    ContainerCreateBody, ContainerSummary, ContainerSummaryStateEnum as State, DeviceRequest, HostConfig, Mount,
    MountType, PortBinding,
};

use super::gpu::Access;
use crate::engine::{Container, ContainerId, ContainerSpec, ContainerState, labels};
use crate::gpu::GpuId;

/// The request that creates a container.
pub(super) fn body(spec: &ContainerSpec, access: Option<&Access>) -> ContainerCreateBody {
    let mut env: HashMap<_, _> = spec.env.clone().into_iter().collect();
    let mut labels: HashMap<_, _> = spec.labels.clone().into_iter().collect();
    let mut host = HostConfig { mounts: Some(mounts(spec)), ..HostConfig::default() };
    if let Some(access) = access {
        labels.insert(labels::GPU_INJECTION.to_owned(), access.label().to_owned());
        grant(access, &mut host, &mut env);
    }
    let exposed = spec.port.map(|port| format!("{port}/tcp"));
    host.port_bindings = exposed.clone().map(|port| {
        let binding = PortBinding { host_ip: Some(Ipv4Addr::LOCALHOST.to_string()), host_port: Some(String::new()) };
        HashMap::from([(port, Some(vec![binding]))])
    });
    ContainerCreateBody {
        image: Some(spec.image.clone()),
        cmd: (!spec.command.is_empty()).then(|| spec.command.clone()),
        env: Some(env.into_iter().map(|(name, value)| format!("{name}={value}")).collect()),
        labels: Some(labels),
        exposed_ports: exposed.map(|port| vec![port]),
        host_config: Some(host),
        ..ContainerCreateBody::default()
    }
}

fn mounts(spec: &ContainerSpec) -> Vec<Mount> {
    let volume = |(name, path): (&String, &String)| Mount {
        typ: Some(MountType::VOLUME),
        source: Some(name.clone()),
        target: Some(path.clone()),
        ..Mount::default()
    };
    spec.volumes.iter().map(volume).collect()
}

fn grant(access: &Access, host: &mut HostConfig, env: &mut HashMap<String, String>) {
    let list = |gpus: &[GpuId]| gpus.iter().map(GpuId::as_str).collect::<Vec<_>>().join(",");
    let cdi = |names: Vec<String>| {
        vec![DeviceRequest { driver: Some("cdi".to_owned()), device_ids: Some(names), ..DeviceRequest::default() }]
    };
    match access {
        Access::Cdi(names) => host.device_requests = Some(cdi(names.clone())),
        Access::CdiAll(gpus) => {
            host.device_requests = Some(cdi(vec!["nvidia.com/gpu=all".to_owned()]));
            env.insert("CUDA_VISIBLE_DEVICES".to_owned(), list(gpus));
        }
        Access::Runtime(gpus) => {
            host.runtime = Some("nvidia".to_owned());
            env.insert("NVIDIA_VISIBLE_DEVICES".to_owned(), list(gpus));
        }
        Access::Simulated(gpus) => {
            env.insert("CUDA_VISIBLE_DEVICES".to_owned(), list(gpus));
        }
    }
}

/// A container as the daemon lists it; nothing for one without an id.
pub(super) fn container(summary: ContainerSummary) -> Option<Container> {
    let id = ContainerId(summary.id?);
    let name = summary.names.into_iter().flatten().next().map(|name| name.trim_start_matches('/').to_owned());
    let ports = summary.ports.into_iter().flatten();
    let address = ports.filter_map(|port| {
        let ip = port.ip.and_then(|ip| ip.parse::<IpAddr>().ok()).filter(IpAddr::is_loopback)?;
        Some(SocketAddr::new(ip, port.public_port?))
    });
    Some(Container {
        name: name.unwrap_or_else(|| id.to_string()),
        id,
        image: summary.image.unwrap_or_default(),
        labels: summary.labels.into_iter().flatten().collect(),
        state: state(summary.state, summary.status.as_deref()),
        address: address.min(),
    })
}

/// The state, with the exit code from the status text, such as `Exited (137) 2 seconds ago`.
fn state(state: Option<State>, status: Option<&str>) -> ContainerState {
    let code = || status?.strip_prefix("Exited (")?.split(')').next()?.parse().ok();
    match state {
        Some(State::CREATED) => ContainerState::Created,
        Some(State::RUNNING | State::STOPPING) => ContainerState::Running,
        Some(State::PAUSED) => ContainerState::Paused,
        Some(State::RESTARTING) => ContainerState::Restarting,
        Some(State::EXITED) => ContainerState::Exited(code()),
        _ => ContainerState::Dead,
    }
}

/// The reference with a tag: without one the daemon would pull every tag of the repository.
pub(super) fn with_tag(reference: &str) -> String {
    let last = reference.rsplit('/').next().unwrap_or(reference);
    if last.contains([':', '@']) { reference.to_owned() } else { format!("{reference}:latest") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_published_on_loopback_only() {
        let spec = ContainerSpec { port: Some(8000), ..ContainerSpec::default() };
        let bindings = body(&spec, None).host_config.unwrap().port_bindings.unwrap();
        let binding = bindings["8000/tcp"].as_ref().unwrap();
        assert_eq!(binding[0].host_ip.as_deref(), Some("127.0.0.1"));
        assert!(body(&ContainerSpec::default(), None).host_config.unwrap().port_bindings.is_none());
    }

    #[test]
    fn each_way_to_a_gpu_asks_by_uuid() {
        let id: GpuId = "GPU-5bd9f9a4-1d2e-4c8f-9a61-0123456789ab".parse().unwrap();
        let spec = ContainerSpec { gpus: vec![id.clone()], ..ContainerSpec::default() };
        let cdi = body(&spec, Some(&Access::Cdi(vec![format!("nvidia.com/gpu={id}")])));
        let request = cdi.host_config.unwrap().device_requests.unwrap().remove(0);
        assert_eq!((request.driver.as_deref(), request.count), (Some("cdi"), None));
        assert_eq!(request.device_ids, Some(vec![format!("nvidia.com/gpu={id}")]));
        let runtime = body(&spec, Some(&Access::Runtime(vec![id.clone()])));
        assert_eq!(runtime.host_config.unwrap().runtime.as_deref(), Some("nvidia"));
        assert_eq!(runtime.env.unwrap(), [format!("NVIDIA_VISIBLE_DEVICES={id}")]);
        let all = body(&spec, Some(&Access::CdiAll(vec![id.clone()])));
        assert_eq!(all.env.unwrap(), [format!("CUDA_VISIBLE_DEVICES={id}")]);
        assert_eq!(all.labels.unwrap()[labels::GPU_INJECTION], "cdi all, isolation is cooperative");
        let simulated = body(&spec, Some(&Access::Simulated(vec![id])));
        assert!(simulated.host_config.unwrap().device_requests.is_none());
    }

    #[test]
    fn exit_code_comes_from_the_status() {
        assert_eq!(state(Some(State::EXITED), Some("Exited (137) 2 seconds ago")), ContainerState::Exited(Some(137)));
        assert_eq!(state(Some(State::EXITED), None), ContainerState::Exited(None));
        assert_eq!(state(Some(State::REMOVING), None), ContainerState::Dead);
    }

    #[test]
    fn only_an_untagged_reference_gets_a_tag() {
        for (given, tagged) in [
            ("busybox", "busybox:latest"),
            ("host:5000/busybox", "host:5000/busybox:latest"),
            ("busybox:1", "busybox:1"),
            ("busybox@sha256:00", "busybox@sha256:00"),
        ] {
            assert_eq!(with_tag(given), tagged);
        }
    }
}
