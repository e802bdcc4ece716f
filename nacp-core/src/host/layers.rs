//! From facts to layers: container, pod and system.

use super::facts::{Facts, MOUNTS};
use super::stack::{Confidence, ContainerRuntime, Evidence, Host, Layer, LayerKind, Question, Undecided};
use super::{gpu_path, machine};

const CGROUPS: [&str; 2] = ["/proc/1/cgroup", "/proc/self/cgroup"];
const KERNEL: &str = "/proc/sys/kernel/osrelease";

/// The answer to one question: a layer, none, or why it cannot be told.
pub(super) type Verdict = Result<Option<Layer>, String>;

impl Facts {
    /// Decides what these facts mean. Pure: the same facts always give the same stack.
    pub fn decide(&self) -> Host {
        let system = system(self);
        let wsl = system.as_ref().ok().and_then(|layer| layer.as_ref()).map(|layer| layer.kind);
        let pod = pod(self);
        let verdicts = [
            (Question::Container, container(self, pod.as_ref(), wsl)),
            (Question::Container, Ok(pod)),
            (Question::System, system),
            (Question::Machine, machine::machine(self, wsl)),
            (Question::Cloud, machine::cloud(self)),
        ];
        let (mut layers, mut undecided) = (Vec::new(), Vec::new());
        for (question, verdict) in verdicts {
            match verdict {
                Ok(layer) => layers.extend(layer),
                Err(reason) => undecided.push(Undecided { question, reason }),
            }
        }
        let kernel = self.text(KERNEL).map(String::from);
        let os = self.os.clone().or_else(|| kernel.is_some().then(|| "linux".into()));
        let gpu = gpu_path::gpu_path(self, layers.iter().any(|layer| matches!(layer.kind, LayerKind::Container(_))));
        Host { os, kernel, layers, gpu, daemons: Vec::new(), undecided }
    }
}

/// One hint that this is a container.
struct Hint {
    runtime: ContainerRuntime,
    confidence: Confidence,
    evidence: Evidence,
}

fn container(facts: &Facts, pod: Option<&Layer>, system: Option<LayerKind>) -> Verdict {
    let mut hints = declared(facts);
    hints.extend(by_cgroup(facts));
    hints.extend(by_mounts(facts, pod.is_some()));
    let files = [("/.dockerenv", ContainerRuntime::Docker), ("/run/.containerenv", ContainerRuntime::Podman)];
    // A machine whose root was unpacked from an image keeps the engine's mark, and sees the top of the control groups.
    let leftover = hints.is_empty() && at_top_of_cgroups(facts);
    for (source, runtime) in files {
        let confidence = if leftover { Confidence::Possible } else { Confidence::Certain };
        hints.extend(facts.evidence(source).map(|evidence| Hint { runtime, confidence, evidence }));
    }
    if hints.is_empty() {
        if let Some(pod) = pod {
            return Ok(Some(Layer {
                kind: LayerKind::Container(ContainerRuntime::Unknown),
                detail: "a pod's processes run in containers".into(),
                evidence: pod.evidence.clone(),
                confidence: pod.confidence,
            }));
        }
        return nested_cgroups(facts, system);
    }
    // Where several are named, the one that leaves the fewest traces by accident.
    let order = [
        ContainerRuntime::Podman,
        ContainerRuntime::CriO,
        ContainerRuntime::Docker,
        ContainerRuntime::Containerd,
        ContainerRuntime::Lxc,
        ContainerRuntime::Nspawn,
    ];
    let named = |runtime: &ContainerRuntime| hints.iter().any(|hint| hint.runtime == *runtime);
    let runtime = order.into_iter().find(named).unwrap_or(ContainerRuntime::Unknown);
    let strongest = hints.iter().filter(|hint| hint.runtime == runtime).map(|hint| hint.confidence).max();
    let detail =
        if leftover { "or a machine whose root was made from an image: it sees the top of the cgroups" } else { "" };
    Ok(Some(Layer {
        kind: LayerKind::Container(runtime),
        detail: detail.into(),
        evidence: hints.into_iter().map(|hint| hint.evidence).collect(),
        confidence: strongest.unwrap_or(Confidence::Possible),
    }))
}

/// What the container's manager wrote for programs to read. WSL with systemd writes `wsl` there, which is no container.
fn declared(facts: &Facts) -> Vec<Hint> {
    let sources = [
        ("/run/host/container-manager", Confidence::Certain),
        ("/run/systemd/container", Confidence::Certain),
        // Some images set it for themselves, wherever they run.
        ("env container", Confidence::Likely),
    ];
    let hints = sources.into_iter().filter_map(|(source, confidence)| {
        let runtime = match facts.text(source)? {
            "docker" => ContainerRuntime::Docker,
            "podman" => ContainerRuntime::Podman,
            "systemd-nspawn" => ContainerRuntime::Nspawn,
            name if name.starts_with("lxc") => ContainerRuntime::Lxc,
            name if name.starts_with("wsl") => return None,
            _ => ContainerRuntime::Unknown,
        };
        Some(Hint { runtime, confidence, evidence: facts.evidence(source)? })
    });
    hints.collect()
}

fn by_cgroup(facts: &Facts) -> Vec<Hint> {
    let mut hints: Vec<Hint> = Vec::new();
    for source in CGROUPS {
        let parts = facts.text(source).unwrap_or_default().lines().flat_map(|line| line.split(['/', ':']));
        for part in parts {
            let runtime = match part {
                "docker" => ContainerRuntime::Docker,
                "lxc" => ContainerRuntime::Lxc,
                "kubepods" | "kubepods.slice" => ContainerRuntime::Unknown,
                _ if part.starts_with("docker-") && part.ends_with(".scope") => ContainerRuntime::Docker,
                _ if part.starts_with("libpod-") || part == "libpod_parent" => ContainerRuntime::Podman,
                _ if part.starts_with("cri-containerd-") || part.starts_with("nerdctl-") => {
                    ContainerRuntime::Containerd
                }
                _ if part.starts_with("crio-") => ContainerRuntime::CriO,
                _ if part.starts_with("lxc.payload") => ContainerRuntime::Lxc,
                _ => continue,
            };
            if !hints.iter().any(|hint| hint.runtime == runtime) {
                let evidence = Evidence { source: source.into(), value: part.into() };
                hints.push(Hint { runtime, confidence: Confidence::Certain, evidence });
            }
        }
    }
    hints
}

/// Engines mount their own files over `/etc/hostname`, `/etc/hosts` and `/etc/resolv.conf`.
fn by_mounts(facts: &Facts, in_pod: bool) -> Vec<Hint> {
    let mut hints: Vec<Hint> = Vec::new();
    for line in facts.text(MOUNTS).unwrap_or_default().lines() {
        let has = |part: &str| line.contains(part);
        let runtime = match in_pod {
            _ if has("/docker/containers/") => ContainerRuntime::Docker,
            true if has("/overlay-containers/") => ContainerRuntime::CriO,
            false if has("/overlay-containers/") => ContainerRuntime::Podman,
            _ if has("/io.containerd.") || has("/nerdctl/") => ContainerRuntime::Containerd,
            _ if has("/lxc/") => ContainerRuntime::Lxc,
            _ => continue,
        };
        if !hints.iter().any(|hint| hint.runtime == runtime) {
            let evidence = Evidence { source: MOUNTS.into(), value: line.into() };
            hints.push(Hint { runtime, confidence: Confidence::Certain, evidence });
        }
    }
    hints
}

fn at_top_of_cgroups(facts: &Facts) -> bool {
    let unified = facts.has("/sys/fs/cgroup/cgroup.controllers");
    facts.has("/sys/fs/cgroup/systemd/release_agent") || (unified && !facts.has("/sys/fs/cgroup/cgroup.events"))
}

/// Nothing names a runtime; only the control groups may tell that this is not the top.
fn nested_cgroups(facts: &Facts, system: Option<LayerKind>) -> Verdict {
    let nested = ["/sys/fs/cgroup/cgroup.events"].into_iter().find(|source| facts.has(source)).or_else(|| {
        let v1 = facts.has("/sys/fs/cgroup/systemd") && !facts.has("/sys/fs/cgroup/systemd/release_agent");
        v1.then_some("/sys/fs/cgroup/systemd")
    });
    let on_wsl = matches!(system, Some(LayerKind::Wsl1 | LayerKind::Wsl2));
    if let Some(evidence) = nested.filter(|_| !on_wsl).and_then(|source| facts.evidence(source)) {
        return Ok(Some(Layer {
            kind: LayerKind::Container(ContainerRuntime::Unknown),
            detail: "this is not the top of the cgroups".into(),
            evidence: vec![evidence],
            confidence: Confidence::Possible,
        }));
    }
    if CGROUPS.iter().any(|source| facts.text(source).is_some()) {
        return Ok(None);
    }
    Err(facts.why_no_text(CGROUPS[0]))
}

fn pod(facts: &Facts) -> Option<Layer> {
    let mut evidence = Vec::new();
    let mut confidence = Confidence::Likely;
    let secrets = ["/var/run/secrets/kubernetes.io/serviceaccount", "/run/secrets/kubernetes.io/serviceaccount"];
    if let Some(secret) = secrets.iter().find_map(|source| facts.evidence(source)) {
        confidence = Confidence::Certain;
        evidence.push(secret);
    }
    for (source, mark) in [(CGROUPS[0], "kubepods"), (CGROUPS[1], "kubepods"), (MOUNTS, "/kubelet/pods/")] {
        if let Some(line) = facts.text(source).unwrap_or_default().lines().find(|line| line.contains(mark)) {
            confidence = Confidence::Certain;
            evidence.push(Evidence { source: source.into(), value: line.into() });
        }
    }
    evidence.extend(facts.evidence("env KUBERNETES_SERVICE_HOST"));
    let detail = match confidence {
        Confidence::Certain => "",
        _ => "only the environment says so; it can be inherited",
    };
    (!evidence.is_empty()).then(|| Layer { kind: LayerKind::Pod, detail: detail.into(), evidence, confidence })
}

fn system(facts: &Facts) -> Verdict {
    let layer = |kind, detail: &str, evidence: Vec<Evidence>, confidence| {
        Ok(Some(Layer { kind, detail: detail.into(), evidence, confidence }))
    };
    let by_program = |kind, os: &str| {
        let evidence = vec![Evidence { source: "this program".into(), value: format!("built for {os}") }];
        layer(kind, "", evidence, Confidence::Certain)
    };
    match facts.os.as_deref() {
        Some("windows") => return by_program(LayerKind::NativeWindows, "windows"),
        Some("macos") => return by_program(LayerKind::NativeMacos, "macos"),
        _ => {}
    }
    let Some(release) = facts.text(KERNEL) else { return Err(facts.why_no_text(KERNEL)) };
    let kernel: Vec<Evidence> = facts.evidence(KERNEL).into_iter().collect();
    // Case counts: WSL1 writes "Microsoft", WSL2's own kernels "microsoft-standard" and, later, "WSL2".
    if release.contains("WSL") || release.contains("microsoft-standard") {
        return layer(LayerKind::Wsl2, "", kernel, Confidence::Certain);
    }
    if release.contains("Microsoft") {
        return layer(LayerKind::Wsl1, "no GPU: CUDA needs WSL2", kernel, Confidence::Certain);
    }
    // A WSL2 kernel that its user built carries no mark, but WSL's own init leaves these.
    let files = ["/proc/sys/fs/binfmt_misc/WSLInterop", "/proc/sys/fs/binfmt_misc/WSLInterop-late", "/run/WSL"];
    let variables = ["env WSL_INTEROP", "env WSL_DISTRO_NAME"];
    let found = |sources: &[&str]| sources.iter().filter_map(|source| facts.evidence(source)).collect::<Vec<_>>();
    let (files, variables) = (found(&files), found(&variables));
    if !files.is_empty() {
        let evidence = [kernel, files, variables].concat();
        return layer(LayerKind::Wsl2, "a kernel that is not Microsoft's", evidence, Confidence::Likely);
    }
    if variables.len() == 2 {
        let detail = "a kernel that is not Microsoft's; only the environment says WSL2";
        return layer(LayerKind::Wsl2, detail, [kernel, variables].concat(), Confidence::Possible);
    }
    let detail = if release.contains("linuxkit") { "the virtual machine of Docker Desktop" } else { "" };
    layer(LayerKind::NativeLinux, detail, kernel, Confidence::Certain)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::host::{Answer, Root};

    /// Facts of a machine of which nothing is known but these sources.
    fn facts(known: &[(&str, &str)]) -> Facts {
        let mut facts = Facts::gather(&Root::at("/nonexistent", BTreeMap::new()));
        for (source, text) in known {
            assert!(facts.answers.contains_key(*source), "{source} is not a source");
            let answer = if *text == "present" { Answer::Present } else { Answer::Text((*text).into()) };
            facts.answers.insert((*source).into(), answer);
        }
        facts
    }

    fn system_of(release: &str) -> LayerKind {
        system(&facts(&[(KERNEL, release)])).unwrap().unwrap().kind
    }

    #[test]
    fn kernels_by_their_release() {
        for (release, kind) in [
            ("4.4.0-19041-Microsoft", LayerKind::Wsl1),
            ("4.19.84-microsoft-standard", LayerKind::Wsl2),
            ("5.15.167.4-microsoft-standard-WSL2", LayerKind::Wsl2),
            ("6.6.36-custom-WSL2+", LayerKind::Wsl2),
            ("6.8.0-1015-azure", LayerKind::NativeLinux),
            ("5.15.49-linuxkit", LayerKind::NativeLinux),
        ] {
            assert_eq!(system_of(release), kind, "{release}");
        }
    }

    #[test]
    fn a_service_of_the_engine_is_not_a_container() {
        let facts =
            facts(&[("/proc/1/cgroup", "0::/init.scope"), ("/proc/self/cgroup", "0::/system.slice/docker.service")]);
        assert_eq!(container(&facts, None, None), Ok(None));
    }

    #[test]
    fn a_root_made_from_an_image_is_only_possibly_a_container() {
        let top = [("/.dockerenv", "present"), ("/sys/fs/cgroup/systemd/release_agent", "present")];
        let layer = container(&facts(&top), None, None).unwrap().unwrap();
        assert_eq!(layer.confidence, Confidence::Possible);
        assert_eq!(facts(&top).decide().summary(), "possibly a docker container on an unknown system");
        let layer = container(&facts(&top[..1]), None, None).unwrap().unwrap();
        assert_eq!(layer.confidence, Confidence::Certain);
    }

    #[test]
    fn wsl_with_systemd_is_not_a_container() {
        let facts = facts(&[
            ("/proc/1/cgroup", "0::/init.scope"),
            ("/run/systemd/container", "wsl"),
            ("env container", "wsl"),
            ("/sys/fs/cgroup/cgroup.events", "present"),
        ]);
        assert_eq!(container(&facts, None, Some(LayerKind::Wsl2)), Ok(None));
        let plain = container(&facts, None, Some(LayerKind::NativeLinux)).unwrap().unwrap();
        assert_eq!(
            (plain.kind, plain.confidence),
            (LayerKind::Container(ContainerRuntime::Unknown), Confidence::Possible)
        );
    }

    #[test]
    fn the_environment_alone_makes_a_pod_likely_not_certain() {
        let facts = facts(&[("env KUBERNETES_SERVICE_HOST", "present")]);
        assert_eq!(pod(&facts).unwrap().confidence, Confidence::Likely);
    }

    fn any_answer() -> impl Strategy<Value = Answer> {
        prop_oneof![
            Just(Answer::Absent),
            Just(Answer::Present),
            Just(Answer::Unreadable("Permission denied".into())),
            "[a-zA-Z0-9/:.\n -]{0,40}".prop_map(Answer::Text),
            any::<String>().prop_map(Answer::Text),
        ]
    }

    proptest! {
        /// Whatever a machine's files hold, each question is answered once: with at most one layer, or as undecided.
        #[test]
        fn any_facts_give_a_stack(answers in proptest::collection::vec(any_answer(), 60), os in any::<Option<bool>>()) {
            let mut facts = facts(&[]);
            facts.os = os.map(|windows| if windows { "windows".into() } else { "linux".into() });
            for (slot, answer) in facts.answers.values_mut().zip(answers) {
                *slot = answer;
            }
            let host = facts.decide();
            prop_assert!(!host.to_string().is_empty());
            let systems = host.layers.iter().filter(|layer| matches!(
                layer.kind,
                LayerKind::Wsl1 | LayerKind::Wsl2 | LayerKind::NativeLinux | LayerKind::NativeWindows
            ));
            let open = host.undecided.iter().filter(|undecided| undecided.question == Question::System);
            prop_assert_eq!(systems.count() + open.count(), 1);
            prop_assert!(host.layers.iter().all(|layer| !layer.evidence.is_empty()), "{}", host);
            let json = serde_json::to_string(&host).unwrap();
            prop_assert_eq!(serde_json::from_str::<Host>(&json).unwrap(), host);
        }
    }
}
