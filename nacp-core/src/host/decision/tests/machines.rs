//! Machines that are made up.

use std::time::Duration;

use jiff::Timestamp;

use super::super::Observed;
use crate::cuda::check::{CheckReport, Metric, Report, Status, Unit, Verdict};
use crate::cuda::{CheckId, Device, Level, Loaded, Probe, Version};
use crate::host::{
    Confidence, Daemon, DaemonInfo, DaemonPlace, Evidence, GpuPath, GpuPathKind, Host, Layer, LayerKind, Seen, Survey,
};
use crate::units::Bytes;

pub(in crate::host::decision) const ID: &str = "GPU-aaaaaaaa-0000-0000-0000-000000000000";

fn host(kind: LayerKind, gpu: GpuPathKind) -> Host {
    let evidence = vec![Evidence { source: "a test".into(), value: "made up".into() }];
    let layer = Layer { kind, detail: String::new(), evidence, confidence: Confidence::Certain };
    let gpu = GpuPath { kind: gpu, detail: String::new(), evidence: Vec::new(), confidence: Confidence::Certain };
    Host {
        os: Some("linux".into()),
        kernel: Some("6.6.87.2".into()),
        layers: vec![layer],
        gpu,
        daemons: Vec::new(),
        undecided: Vec::new(),
    }
}

/// A daemon that answers.
pub(in crate::host::decision) fn engine(place: DaemonPlace) -> Daemon {
    let info = DaemonInfo {
        name: "Docker Engine".into(),
        version: "28.3.3".into(),
        cgroup_driver: Some("systemd".into()),
        cgroup_version: Some("2".into()),
        cdi_spec_dirs: Some(vec!["/etc/cdi".into()]),
        cdi_devices: Some(vec!["nvidia.com/gpu=all".into()]),
        runtimes: vec!["nvidia".into(), "runc".into()],
        ..DaemonInfo::default()
    };
    Daemon {
        endpoint: "unix:///var/run/docker.sock".into(),
        found_by: "default socket".into(),
        chosen: true,
        answer: Seen::Found(info),
        place,
        evidence: Vec::new(),
    }
}

/// A WSL2 distribution without a daemon.
pub(in crate::host::decision) fn wsl2() -> Survey {
    Survey::of_host(host(LayerKind::Wsl2, GpuPathKind::Paravirtual))
}

/// A Linux machine without a daemon.
pub(in crate::host::decision) fn linux() -> Survey {
    Survey::of_host(host(LayerKind::NativeLinux, GpuPathKind::Native))
}

/// What is known of a machine on 2026-11-24, without findings.
pub(in crate::host::decision) fn observed(survey: Survey) -> Observed {
    let mut observed = Observed::new(survey, Timestamp::from_second(1_795_500_000).unwrap());
    observed.diagnosis.findings.clear();
    observed
}

pub(in crate::host::decision) fn device(name: &str, compute: &str) -> Device {
    Device {
        ordinal: 0,
        id: ID.parse().unwrap(),
        name: name.into(),
        compute: compute.parse().unwrap(),
        memory: Bytes::gib(4),
        pci: "00000000:01:00.0".into(),
        multiprocessors: 20,
    }
}

/// A report of level standard of one device, with these figures.
pub(in crate::host::decision) fn report(device: &Device, figures: &[(CheckId, &str, f64)]) -> Report {
    let probe = Probe {
        library: Loaded::at("/usr/lib/libcuda.so.580.95.05"),
        driver_version: Version { major: 13, minor: 0 },
        devices: vec![device.clone()],
        silent: vec![],
        no_device: None,
    };
    let mut checks: Vec<CheckReport> = Vec::new();
    for (id, name, value) in figures {
        let metric = Metric::once(*name, *value, Unit::Ratio);
        match checks.iter_mut().find(|check| check.id == *id) {
            Some(check) => check.metrics.push(metric),
            None => checks.push(CheckReport {
                id: *id,
                device: Some(device.id.clone()),
                status: Status::Pass,
                metrics: vec![metric],
                evidence: vec![],
                elapsed: Duration::from_millis(1),
            }),
        }
    }
    Report {
        level: Level::Standard,
        verdict: Verdict::Pass,
        simulated: false,
        started: Timestamp::UNIX_EPOCH,
        elapsed: Duration::from_secs(1),
        probe: Some(probe),
        checks,
        certificates: vec![],
    }
}
