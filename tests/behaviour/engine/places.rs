//! What a container is given: mounts, limits, networks, GPUs.

use std::collections::BTreeMap;
use std::time::Duration;

use nacp_core::engine::{MountSpec, labels, verify};
use nacp_core::gpu::GpuId;
use nacp_core::service::{MountSource, Ulimit};
use nacp_core::{Bytes, ErrorKind};

use super::bench::{Bench, Kind, Volume, spec};
use crate::common::{get, unique};

/// A GPU of the laptop of the founding document, which the test's CDI specification knows.
const GPU: &str = "GPU-";

pub(super) fn mount(path: &str, source: MountSource) -> MountSpec {
    MountSpec { path: path.to_owned(), source, name: None, read_only: false }
}

pub(super) async fn mounts_of_each_kind_are_there(engine: &Bench) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("there"), "from the machine").unwrap();
    let volume = Volume(engine.kind, unique("nacp-volume"));
    let host = folder.path().to_str().unwrap().to_owned();
    let mut first = spec("mounts-a", "mounts");
    first.mounts = vec![
        MountSpec { name: Some(volume.1.clone()), ..mount("/data", MountSource::Volume) },
        MountSpec { read_only: true, ..mount("/host", MountSource::Host(host)) },
        mount("/memory", MountSource::Memory(Bytes::mib(1))),
        mount("/scratch", MountSource::Volume),
    ];
    let id = engine.started(&first).await;
    let found = verify(&first, &engine.inspect(&id).await.unwrap());
    assert!(found.is_exact(), "{found:?}");
    for path in ["/data/x", "/memory/x", "/scratch/x"] {
        let written = engine.tool(&id, &["write", path, "kept"]).await;
        assert_eq!(written.code, 0, "{path} {written:?}");
    }
    assert_eq!(engine.tool(&id, &["write", "/host/x", "no"]).await.code, 1);
    if engine.kind == Kind::Simulated {
        return;
    }
    assert_eq!(engine.tool(&id, &["read", "/host/there"]).await.stdout, "from the machine");
    engine.remove(&id).await.unwrap();
    // The named volume is still there, and another container has it as one that exists outside the app.
    let mut second = spec("mounts-b", "mounts");
    second.mounts = vec![
        MountSpec { read_only: true, ..mount("/old", MountSource::External(volume.1.clone())) },
        mount("/scratch", MountSource::Volume),
    ];
    let id = engine.started(&second).await;
    assert_eq!(engine.tool(&id, &["read", "/old/x"]).await.stdout, "kept");
    assert_eq!(engine.tool(&id, &["write", "/old/x", "no"]).await.code, 1);
    assert_eq!(engine.tool(&id, &["read", "/scratch/x"]).await.code, 1, "a volume without a name is a new one");
    engine.remove(&id).await.unwrap();
}

pub(super) async fn what_a_container_is_to_be_connected_with_must_be_there(engine: &Bench) {
    let mut lonely = spec("nowhere-a", "nowhere");
    lonely.networks.insert("nacp-no-such-network".to_owned());
    let error = engine.try_create(&lonely).await.unwrap_err();
    assert_eq!((error.kind(), error.get("network")), (ErrorKind::NotFound, Some("nacp-no-such-network")), "{error}");
    if !engine.kind.differs("missing volume") {
        let mut without = spec("nowhere-b", "nowhere");
        without.mounts = vec![mount("/data", MountSource::External("nacp-no-such-volume".to_owned()))];
        let error = engine.try_create(&without).await.unwrap_err();
        assert_eq!((error.kind(), error.get("volume")), (ErrorKind::NotFound, Some("nacp-no-such-volume")), "{error}");
    }
    if !engine.kind.differs("missing folder") {
        let mut without = spec("nowhere-c", "nowhere");
        without.mounts = vec![mount("/data", MountSource::Host("/nacp/no/such/folder".to_owned()))];
        let error = engine.try_create(&without).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        assert!(error.hint_text().is_some(), "{error}");
    }
    assert_eq!(engine.list(Some(&unique("nowhere"))).await.unwrap(), []);
}

pub(super) async fn limits_are_those_that_were_asked_for(engine: &Bench) {
    let mut limited = spec("limits", "limits");
    limited.shm = Some(Bytes::mib(128));
    limited.memory = Some(Bytes::mib(256));
    limited.cpus = Some(0.5);
    limited.pids = Some(64);
    limited.ulimits.insert("nofile".to_owned(), Ulimit::both(512));
    if engine.kind.differs("all limits") {
        limited.ulimits.insert("nproc".to_owned(), Ulimit::both(512));
    }
    limited.stop_signal = Some("SIGINT".to_owned());
    let id = engine.started(&limited).await;
    let got = engine.inspect(&id).await.unwrap();
    let found = verify(&limited, &got);
    assert!(found.is_exact(), "{found:?}");
    assert_eq!((got.shm, got.memory, got.cpus, got.pids), (limited.shm, limited.memory, Some(0.5), Some(64)));
}

pub(super) async fn what_an_engine_dropped_is_found(engine: &Bench) {
    let plain = spec("dropped", "dropped");
    let id = engine.started(&plain).await;
    let got = engine.inspect(&id).await.unwrap();
    let gpu: GpuId = "GPU-5bd9f9a4-1d2e-4c8f-9a61-0123456789ab".parse().unwrap();
    let mut wanted = plain.clone();
    wanted.gpus = vec![gpu];
    wanted.mounts = vec![mount("/data", MountSource::Volume)];
    wanted.networks.insert("inner".to_owned());
    wanted.memory = Some(Bytes::mib(256));
    let found = verify(&wanted, &got);
    assert_eq!((found.missing.len(), found.weaker.len()), (3, 1), "{found:?}");
}

pub(super) async fn a_gpu_is_handed_out_by_its_uuid_or_refused_with_the_reason(engine: &Bench) {
    if std::env::var("NACP_TEST_CDI").is_ok_and(|value| value == "0") {
        println!("SKIP: the CDI devices are not those of tests/setup/cdi");
        return;
    }
    let laptop =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/nacp-core/nodes/rtx3050ti-laptop-wsl2.json"));
    let text = laptop.unwrap();
    let uuid = text.split('"').find(|word| word.starts_with(GPU)).unwrap();
    let mut wanted = spec("gpu", "gpu");
    wanted.gpus = vec![uuid.parse().unwrap()];
    match engine.kind {
        Kind::Docker => {
            let known = engine.info().await.unwrap().gpu.cdi_devices;
            assert!(known.contains(&format!("nvidia.com/gpu={uuid}")), "tests/setup/cdi has not been run: {known:?}");
            let id = engine.started(&wanted).await;
            let found = verify(&wanted, &engine.inspect(&id).await.unwrap());
            assert!(found.is_exact(), "{found:?}");
            // What CDI sets only the container's own program sees, and none that is run beside it.
            let address = engine.find(&id).await.unwrap().address.unwrap();
            let mut told = String::new();
            for _ in 0..100 {
                told = get(address, "/v1/nacp/gpus").await;
                if !told.is_empty() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            assert!(told.contains(&format!(r#""cdi_device":"{uuid}""#)), "{told}");
            let devices = engine.tool(&id, &["read", "/dev"]).await.stdout;
            assert!(devices.lines().any(|name| name == "nvidia0"), "{devices}");
            let label = engine.find(&id).await.unwrap();
            assert_eq!(label.label(labels::GPU_INJECTION), Some("cdi"));
        }
        Kind::Podman => {
            assert!(engine.kind.differs("gpus"));
            let error = engine.try_create(&wanted).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
            assert!(error.get("version").is_some() && error.hint_text().unwrap().contains("5.4"), "{error}");
            wanted.simulated_gpus = true;
            let id = engine.started(&wanted).await;
            let label = engine.find(&id).await.unwrap();
            assert_eq!(label.label(labels::GPU_INJECTION), Some("none, the GPU is simulated"));
        }
        Kind::Simulated => {
            assert!(engine.kind.differs("gpus"));
            let id = engine.started(&wanted).await;
            let label = engine.find(&id).await.unwrap();
            assert_eq!(label.label(labels::GPU_INJECTION), Some("none, the engine is simulated"));
        }
    }
}

pub(super) async fn a_network_is_made_once_and_removed_when_nobody_is_in_it(engine: &Bench) {
    let name = engine.network("net", "net").await;
    assert_eq!(engine.network("net", "net").await, name, "twice is no error");
    let other = engine.network("net-other", "net-other").await;
    let mut inside = spec("net", "net");
    inside.networks.insert(name.clone());
    let id = engine.created(&inside).await;
    // Stopped or not: it is in the network.
    engine.remove_networks(&unique("net")).await.unwrap();
    engine.start(&id).await.unwrap();
    engine.remove_networks(&unique("net")).await.unwrap();
    assert!(engine.inspect(&id).await.unwrap().networks.contains(&name));
    engine.remove(&id).await.unwrap();
    engine.remove_networks(&unique("net")).await.unwrap();
    let error = engine.try_create(&inside).await.unwrap_err();
    assert_eq!((error.kind(), error.get("network")), (ErrorKind::NotFound, Some(name.as_str())), "{error}");
    let mut elsewhere = spec("net-other", "net-other");
    elsewhere.networks.insert(other);
    let id = engine.created(&elsewhere).await;
    engine.remove(&id).await.unwrap();
    engine.remove_networks(&unique("net")).await.unwrap();
    let strange = BTreeMap::from([(labels::APP.to_owned(), unique("thief"))]);
    if engine.kind != Kind::Simulated {
        let name = engine.network("net-other", "net-other").await;
        let error = engine.create_network(&name, &strange).await.unwrap_err();
        assert_eq!((error.kind(), error.get("network")), (ErrorKind::Conflict, Some(name.as_str())), "{error}");
    }
}
