//! Nodes and pods of Kubernetes.

use super::told::told;
use crate::host::doctor::{Entry, FindingId, Outcome, Remedy, Severity, Symptom, Trace};
use crate::host::{Confidence, Seen, Survey};

const NOT_HERE: &str = "this is neither a node nor a pod of Kubernetes";
const CONTAINERD: &str = "/etc/containerd/config.toml";
const PLUGINS: &str = "/var/lib/kubelet/device-plugins";
const OPERATOR: &str = "https://docs.nvidia.com/datacenter/cloud-native/gpu-operator/latest/index.html";

pub(super) const D34: Entry = Entry {
    id: FindingId(34),
    title: "containerd knows no runtime `nvidia`",
    symptoms: &[
        Symptom::of(&["no runtime for \"nvidia\" is configured"]),
        Symptom::of(&["failed to get sandbox runtime", "nvidia"]),
        Symptom::of(&["RuntimeHandler \"nvidia\" not supported"]),
    ],
    severity: Severity::Broken,
    cause: "the pod asks for the runtime class `nvidia`, and containerd on its node was not told of it, or not started anew \
            since",
    links: &[
        "https://github.com/NVIDIA/gpu-operator/issues/349",
        "https://github.com/NVIDIA/gpu-operator/issues/413",
        "https://github.com/NVIDIA/gpu-operator/issues/730",
        OPERATOR,
    ],
    examine: d34,
    remedy: d34_remedy,
};

fn d34(survey: &Survey) -> Outcome {
    let runtimes = &survey.kubernetes.containerd_runtimes;
    let with_runtimes = |trace: Trace| match runtimes.found() {
        Some(names) => trace.and(CONTAINERD, format!("runtimes: {}", names.join(", "))),
        None => trace,
    };
    if let Some(trace) = told(survey, &D34) {
        return Outcome::Found(with_runtimes(trace));
    }
    if !survey.kubernetes.node {
        return Outcome::NotHere(if survey.kubernetes.pod {
            "a pod does not see its node's containerd"
        } else {
            NOT_HERE
        });
    }
    let Seen::Found(names) = runtimes else {
        let why = runtimes.open().unwrap_or("it has no configuration");
        return Outcome::Unknown(format!("the runtimes of containerd are not known: {why}"));
    };
    let runtime = survey.toolkit.programs.iter().find(|program| program.ends_with("/nvidia-container-runtime"));
    // Pods get GPUs by CDI without a runtime of that name.
    let other_way = names.iter().any(|name| name.contains("nvidia")) || !survey.cdi.nvidia_devices().is_empty();
    match runtime.filter(|_| !other_way && survey.devices.gpus().next().is_some()) {
        Some(program) => {
            let trace = Trace::of(CONTAINERD, format!("runtimes: {}", names.join(", "))).and(program, "present");
            Outcome::Found(trace.only(Confidence::Likely))
        }
        None => Outcome::Clear,
    }
}

fn d34_remedy(_: &Survey) -> Remedy {
    Remedy::new("let the toolkit configure containerd on the node, and start containerd anew")
        .run("sudo nvidia-ctk runtime configure --runtime=containerd --set-as-default=false")
        .run("sudo systemctl restart containerd")
        .run("kubectl get runtimeclass nvidia")
        .note(
            "with the GPU Operator the toolkit's own pod does this: see why it is not ready with `kubectl get pods -n \
             gpu-operator`. Operators from 25.10 on give GPUs by CDI, and pods need no runtimeClassName",
        )
}

pub(super) const D35: Entry = Entry {
    id: FindingId(35),
    title: "no node has a free `nvidia.com/gpu`",
    symptoms: &[
        Symptom::of(&["Insufficient nvidia.com/gpu"]),
        Symptom::of(&["Insufficient nvidia.com/mig"]),
        Symptom::of(&["Allocate failed due to requested number of devices unavailable for nvidia.com/gpu"]),
        Symptom::of(&["no healthy devices present; cannot allocate unhealthy devices nvidia.com/gpu"]),
    ],
    severity: Severity::Broken,
    cause: "all GPUs are allotted to pods, or the node offers none: its device plugin is down, or found no GPU, often because \
            no CDI specification could be made",
    links: &[
        "https://github.com/kaito-project/kaito/issues/2326",
        "https://github.com/NVIDIA/k8s-device-plugin",
        OPERATOR,
    ],
    examine: d35,
    remedy: d35_remedy,
};

fn d35(survey: &Survey) -> Outcome {
    let node = &survey.kubernetes;
    let with_counts = |trace: Trace| match (node.gpus_registered.found(), node.gpus_allotted.found()) {
        (Some(registered), Some(allotted)) => {
            trace.and(PLUGINS, format!("{allotted} of {registered} allotted to pods"))
        }
        (Some(registered), None) => trace.and(PLUGINS, format!("{registered} registered")),
        _ => trace,
    };
    if let Some(trace) = told(survey, &D35) {
        return Outcome::Found(with_counts(trace));
    }
    if !node.node {
        return Outcome::NotHere(if node.pod { "a pod does not see what its node offers" } else { NOT_HERE });
    }
    let gpus = survey.devices.gpus().count();
    if gpus == 0 {
        return Outcome::NotHere("this node has no GPU of its own to offer");
    }
    match (&node.gpus_registered, &node.plugin_sockets) {
        (Seen::Found(0), _) => {
            let trace =
                Trace::of(PLUGINS, "0 nvidia.com/gpu registered").and("/dev/nvidia*", format!("{gpus} GPUs here"));
            Outcome::Found(trace)
        }
        (Seen::Found(_), _) => Outcome::Clear,
        (Seen::Absent, Seen::Found(sockets)) if !sockets.iter().any(|socket| socket.contains("nvidia")) => {
            let value = if sockets.is_empty() { "no socket".into() } else { format!("only {}", sockets.join(", ")) };
            let trace = Trace::of(PLUGINS, value).and("/dev/nvidia*", format!("{gpus} GPUs here"));
            Outcome::Found(trace.only(Confidence::Likely))
        }
        (Seen::Absent, Seen::Found(_)) => Outcome::Clear,
        (registered, sockets) => {
            let why = registered.open().or_else(|| sockets.open()).unwrap_or("no device plugin's folder is here");
            Outcome::Unknown(format!("what the kubelet offers is not known: {why}"))
        }
    }
}

fn d35_remedy(survey: &Survey) -> Remedy {
    let full = survey.kubernetes.gpus_registered.found().is_some_and(|registered| *registered > 0);
    let remedy = Remedy::new(if full {
        "wait for a GPU to become free, or add a node with one"
    } else {
        "bring the device plugin of the node up"
    });
    remedy
        .run("kubectl describe node <NODE> | grep -A8 Allocatable")
        .run("kubectl get pods -A -o wide | grep -E 'nvidia-device-plugin|gpu-operator'")
        .run("kubectl logs -n gpu-operator -l app=nvidia-device-plugin-daemonset --tail=50")
        .note(
            "a rolling update with `maxSurge` above 0 waits for ever where every GPU is taken: set `maxSurge: 0` and \
             `maxUnavailable: 1`. Where the DRA driver gives GPUs there is no device plugin, and this finding is none",
        )
}
