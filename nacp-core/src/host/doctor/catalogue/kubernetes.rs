//! Nodes and pods of Kubernetes.

use super::ground::Ground;
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

fn d34_remedy(survey: &Survey) -> Remedy {
    let ground = Ground::of(survey);
    let remedy = Remedy::new("let the node's container runtime know the toolkit's, and start it anew");
    let remedy = ground.restart_node(ground.configure_node(remedy));
    remedy.run("kubectl get runtimeclass nvidia").note(
        "with the GPU Operator the toolkit's own pod does this: see why it is not ready with `kubectl get pods -n \
         gpu-operator`. K3s and RKE2 find the toolkit by themselves when they start. Operators from 25.10 on give GPUs by \
         CDI, and pods need no runtimeClassName",
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
    if node.dra && !node.gpus_registered.found().is_some_and(|count| *count > 0) {
        return Outcome::NotHere("NVIDIA's DRA driver gives the GPUs of this node, without a device plugin");
    }
    let gpus = survey.devices.gpus().count();
    if gpus == 0 {
        return Outcome::NotHere("this node has no GPU of its own to offer");
    }
    let here = |trace: Trace| trace.and("/dev/nvidia*", format!("{gpus} GPUs here"));
    let without = |sockets: &[String]| !sockets.iter().any(|socket| socket.contains("nvidia"));
    // Nobody may have meant this node to offer its GPUs.
    let no_plugin =
        |trace: Trace| trace.milder(Severity::Risk, "this node offers its GPUs to no pod: it has no device plugin");
    match (&node.gpus_registered, &node.plugin_sockets) {
        (Seen::Found(0), sockets) => {
            let trace = here(Trace::of(PLUGINS, "no device of nvidia.com registered"));
            Outcome::Found(if sockets.found().is_some_and(|all| without(all)) { no_plugin(trace) } else { trace })
        }
        (Seen::Found(_), _) => Outcome::Clear,
        (Seen::Absent, Seen::Found(sockets)) if without(sockets) => {
            let value = if sockets.is_empty() { "no socket".into() } else { format!("only {}", sockets.join(", ")) };
            Outcome::Found(no_plugin(here(Trace::of(PLUGINS, value)).only(Confidence::Likely)))
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
             `maxUnavailable: 1`",
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::doctor::catalogue::bench;

    fn node() -> Survey {
        let mut survey = bench::machine();
        survey.host.daemons.clear();
        survey.kubernetes.node = true;
        survey.kubernetes.gpus_registered = Seen::Absent;
        survey.kubernetes.plugin_sockets = Seen::Found(Vec::new());
        survey
    }

    #[test]
    fn a_node_without_a_plugin_is_a_risk_and_one_with_dra_is_none() {
        let mut survey = node();
        let Outcome::Found(trace) = d35(&survey) else { panic!("{:?}", d35(&survey)) };
        assert_eq!(trace.milder.map(|milder| milder.0), Some(Severity::Risk));
        survey.kubernetes.dra = true;
        assert!(matches!(d35(&survey), Outcome::NotHere(_)));
        survey.kubernetes.dra = false;
        survey.kubernetes.gpus_registered = Seen::Found(0);
        survey.kubernetes.plugin_sockets = Seen::Found(vec!["nvidia-gpu.sock".into()]);
        let Outcome::Found(trace) = d35(&survey) else { panic!("{:?}", d35(&survey)) };
        assert_eq!(trace.milder, None);
    }

    #[test]
    fn the_runtime_is_configured_on_the_node_and_in_its_own_way() {
        let mut survey = node();
        survey.kubernetes.unit = Some("rke2-agent".into());
        let lines = |survey: &Survey| {
            d34_remedy(survey).commands.iter().map(|it| format!("{}: {}", it.place, it.line)).collect::<Vec<_>>()
        };
        assert_eq!(lines(&survey)[0], "here: sudo systemctl restart rke2-agent");
        let pod = bench::inside(survey);
        assert_eq!(lines(&pod)[0], "host: sudo systemctl restart rke2-agent");
    }
}
