//! What NACP asks the daemon for, in the daemon's terms.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use bollard::models::{ContainerCreateBody, DeviceRequest, HostConfig, Mount, MountType, PortBinding};

use super::gpu::Access;
use crate::engine::{ContainerSpec, MountSpec, labels};
use crate::gpu::GpuId;

/// From this variable the runtime called `nvidia` reads which GPUs to give.
const RUNTIME_GPUS: &str = "NVIDIA_VISIBLE_DEVICES";

/// The request that creates a container. What NACP says of GPUs in its environment wins over the user's words and the
/// image's: where `nvidia` is the default runtime, an image that asks for all GPUs would get them.
pub(super) fn body(spec: &ContainerSpec, access: Option<&Access>) -> ContainerCreateBody {
    let mut env: HashMap<_, _> = spec.env.clone().into_iter().collect();
    let mut labels: HashMap<_, _> = spec.labels.clone().into_iter().collect();
    env.insert(RUNTIME_GPUS.to_owned(), "void".to_owned());
    let mut host = HostConfig { mounts: Some(mounts(spec)), ..HostConfig::default() };
    if let Some(access) = access {
        labels.insert(labels::GPU_INJECTION.to_owned(), access.label().to_owned());
        grant(access, &mut host, &mut env);
    }
    let exposed = spec.port().map(|port| format!("{port}/tcp"));
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
    let volume = |mount: &MountSpec| Mount {
        typ: Some(MountType::VOLUME),
        source: mount.name.clone(),
        target: Some(mount.path.clone()),
        ..Mount::default()
    };
    spec.mounts.iter().map(volume).collect()
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
            env.insert(RUNTIME_GPUS.to_owned(), list(gpus));
        }
        Access::Simulated(gpus) => {
            env.insert("CUDA_VISIBLE_DEVICES".to_owned(), list(gpus));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::engine::PublishSpec;

    #[test]
    fn a_port_is_published_on_loopback_only() {
        let spec = ContainerSpec { publish: Some(PublishSpec::loopback(8000)), ..ContainerSpec::new("n", "i") };
        let bindings = body(&spec, None).host_config.unwrap().port_bindings.unwrap();
        let binding = bindings["8000/tcp"].as_ref().unwrap();
        assert_eq!(binding[0].host_ip.as_deref(), Some("127.0.0.1"));
        assert!(body(&ContainerSpec::new("n", "i"), None).host_config.unwrap().port_bindings.is_none());
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
        let simulated = body(&spec, Some(&Access::Simulated(vec![id])));
        assert!(simulated.host_config.unwrap().device_requests.is_none());
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
        let others = [Access::Cdi(vec![]), Access::CdiAll(vec![id.clone()]), Access::Simulated(vec![id])];
        for access in others.map(Some).into_iter().chain([None]) {
            assert_eq!(told(access), ["NVIDIA_VISIBLE_DEVICES=void"]);
        }
    }
}
