//! From facts to layers: container, pod and system.

use super::container::{self, CGROUPS};
use super::facts::{Facts, MOUNTS, NODE};
use super::stack::{Confidence, Evidence, Host, Layer, LayerKind, Question, Undecided};
use super::{gpu_path, machine};

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
            (Question::Container, container::container(self, pod.as_ref(), wsl)),
            (Question::Container, Ok(container::around(self))),
            (Question::Container, Ok(node(self, pod.as_ref()))),
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
    // Files about devices that dynamic resource allocation gave to the pod.
    if let Some(devices) = facts.evidence("/var/run/kubernetes.io/dra-device-attributes") {
        confidence = Confidence::Certain;
        evidence.push(devices);
    }
    evidence.extend(facts.evidence("env KUBERNETES_SERVICE_HOST"));
    let detail = match confidence {
        Confidence::Certain => "",
        _ => "only the environment says so; it can be inherited",
    };
    (!evidence.is_empty()).then(|| Layer { kind: LayerKind::Pod, detail: detail.into(), evidence, confidence })
}

/// A node of Kubernetes by the files of its agent; a pod may be shown them too.
fn node(facts: &Facts, pod: Option<&Layer>) -> Option<Layer> {
    let evidence: Vec<_> = NODE.iter().filter_map(|source| facts.evidence(source)).collect();
    let (kind, confidence) = (LayerKind::KubernetesNode, Confidence::Certain);
    (pod.is_none() && !evidence.is_empty()).then(|| Layer { kind, detail: String::new(), evidence, confidence })
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
        // Its own distribution; everybody's containers and distributions share the kernel.
        let desktop = facts.text("env WSL_DISTRO_NAME") == Some("docker-desktop");
        let detail = if desktop { "the distribution of Docker Desktop" } else { "" };
        let evidence =
            [kernel, facts.evidence("env WSL_DISTRO_NAME").filter(|_| desktop).into_iter().collect()].concat();
        return layer(LayerKind::Wsl2, detail, evidence, Confidence::Certain);
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
pub(super) mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::host::{Answer, Root};

    /// Facts of a machine of which nothing is known but these sources.
    pub(in crate::host) fn facts(known: &[(&str, &str)]) -> Facts {
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
