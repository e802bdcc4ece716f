//! From facts to layers: is this a container, and whose.

use super::facts::{Facts, MOUNTS};
use super::layers::Verdict;
use super::stack::{Confidence, ContainerRuntime, Evidence, Layer, LayerKind};

pub(super) const CGROUPS: [&str; 2] = ["/proc/1/cgroup", "/proc/self/cgroup"];
/// What WSL's own init leaves in a distribution and in no container.
const DISTRIBUTION: [&str; 3] = ["/run/WSL", "env WSL_INTEROP", "env WSL_DISTRO_NAME"];

/// One hint that this is a container.
struct Hint {
    runtime: ContainerRuntime,
    confidence: Confidence,
    evidence: Evidence,
}

pub(super) fn container(facts: &Facts, pod: Option<&Layer>, system: Option<LayerKind>) -> Verdict {
    let mut hints = declared(facts);
    hints.extend(by_cgroup(facts));
    hints.extend(by_mounts(facts, pod.is_some()));
    let files = [("/.dockerenv", ContainerRuntime::Docker), ("/run/.containerenv", ContainerRuntime::Podman)];
    // A machine whose root was unpacked from an image keeps the engine's mark, and sees the top of the control groups.
    // So does a distribution of WSL that was imported from one, and there the control groups do not tell.
    let on_wsl = matches!(system, Some(LayerKind::Wsl1 | LayerKind::Wsl2));
    let leftover = hints.is_empty() && (at_top_of_cgroups(facts) || on_wsl);
    if leftover && on_wsl && DISTRIBUTION.iter().any(|source| facts.has(source)) {
        return Ok(None);
    }
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
    let runtime = innermost(facts).or_else(|| order.into_iter().find(named)).unwrap_or(ContainerRuntime::Unknown);
    let strongest = hints.iter().filter(|hint| hint.runtime == runtime).map(|hint| hint.confidence).max();
    let detail = match (leftover, on_wsl) {
        (false, _) => "",
        (true, false) => "or a machine whose root was made from an image: it sees the top of the cgroups",
        (true, true) => "or a distribution that was imported from an image: nothing else tells of a container",
    };
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

/// Whose group this part of a path is.
fn owner(part: &str) -> Option<ContainerRuntime> {
    Some(match part {
        "docker" => ContainerRuntime::Docker,
        "lxc" => ContainerRuntime::Lxc,
        "kubepods" | "kubepods.slice" => ContainerRuntime::Unknown,
        _ if part.starts_with("docker-") && part.ends_with(".scope") => ContainerRuntime::Docker,
        _ if part.starts_with("libpod-") || part == "libpod_parent" => ContainerRuntime::Podman,
        _ if part.starts_with("cri-containerd-") || part.starts_with("nerdctl-") => ContainerRuntime::Containerd,
        _ if part.starts_with("crio-") => ContainerRuntime::CriO,
        _ if part.starts_with("lxc.payload") => ContainerRuntime::Lxc,
        _ => return None,
    })
}

fn by_cgroup(facts: &Facts) -> Vec<Hint> {
    let mut hints: Vec<Hint> = Vec::new();
    for source in CGROUPS {
        let parts = facts.text(source).unwrap_or_default().lines().flat_map(|line| line.split(['/', ':']));
        for (part, runtime) in parts.filter_map(|part| Some((part, owner(part)?))) {
            if !hints.iter().any(|hint| hint.runtime == runtime) {
                let evidence = Evidence { source: source.into(), value: part.into() };
                hints.push(Hint { runtime, confidence: Confidence::Certain, evidence });
            }
        }
    }
    hints
}

/// What runs the innermost of several containers, by the path of the control group.
fn innermost(facts: &Facts) -> Option<ContainerRuntime> {
    around(facts)?.evidence.first()?.value.split(['/', ':']).filter_map(owner).next_back()
}

/// The container around this one, where the path of the control group passes through two: a daemon in a container has
/// started this one. A cgroup namespace hides that.
pub(super) fn around(facts: &Facts) -> Option<Layer> {
    let named = |line: &str| -> Vec<ContainerRuntime> {
        let owners = line.split(['/', ':']).filter_map(owner);
        owners.filter(|runtime| *runtime != ContainerRuntime::Unknown).collect()
    };
    CGROUPS.iter().find_map(|source| {
        let line = facts.text(source)?.lines().find(|line| named(line).len() > 1)?;
        let runtime = *named(line).first()?;
        Some(Layer {
            kind: LayerKind::Container(runtime),
            detail: "around the one above".into(),
            evidence: vec![Evidence { source: (*source).into(), value: line.into() }],
            confidence: Confidence::Certain,
        })
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::layers::tests::facts;

    fn of(known: &[(&str, &str)], system: Option<LayerKind>) -> Option<(ContainerRuntime, Confidence)> {
        let layer = container(&facts(known), None, system).unwrap()?;
        let LayerKind::Container(runtime) = layer.kind else { panic!("{layer:?}") };
        Some((runtime, layer.confidence))
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
    fn a_distribution_that_was_imported_from_an_image_is_told_apart() {
        let wsl2 = Some(LayerKind::Wsl2);
        let mark = ("/.dockerenv", "present");
        let mounts = (MOUNTS, "/etc/hosts from /data/docker/containers/…/hosts");
        assert_eq!(of(&[mark, mounts], wsl2), Some((ContainerRuntime::Docker, Confidence::Certain)));
        assert_eq!(of(&[mark], wsl2), Some((ContainerRuntime::Docker, Confidence::Possible)));
        assert_eq!(of(&[mark, ("/run/WSL", "present")], wsl2), None);
        assert_eq!(of(&[mark, ("env WSL_DISTRO_NAME", "mine")], wsl2), None);
        // Elsewhere such a variable is only somebody's.
        assert_eq!(
            of(&[mark, ("env WSL_DISTRO_NAME", "mine")], Some(LayerKind::NativeLinux)).unwrap().1,
            Confidence::Certain
        );
    }

    #[test]
    fn a_container_in_a_container_is_two() {
        for (path, inner, outer) in [
            ("0::/docker/…/docker/…", ContainerRuntime::Docker, Some(ContainerRuntime::Docker)),
            (
                "0::/system.slice/docker-….scope/libpod_parent/libpod-…",
                ContainerRuntime::Podman,
                Some(ContainerRuntime::Docker),
            ),
            (
                "0::/docker/…/kubelet/kubepods.slice/cri-containerd-….scope",
                ContainerRuntime::Containerd,
                Some(ContainerRuntime::Docker),
            ),
            ("0::/lxc.payload.ci/docker/…", ContainerRuntime::Docker, Some(ContainerRuntime::Lxc)),
            ("0::/kubepods.slice/kubepods-pod….slice/crio-….scope", ContainerRuntime::CriO, None),
            ("0::/docker/…", ContainerRuntime::Docker, None),
        ] {
            let facts = facts(&[("/proc/1/cgroup", path)]);
            let around = around(&facts).map(|layer| layer.kind);
            assert_eq!(around, outer.map(LayerKind::Container), "{path}");
            assert_eq!(of(&[("/proc/1/cgroup", path)], None).unwrap().0, inner, "{path}");
        }
    }
}
