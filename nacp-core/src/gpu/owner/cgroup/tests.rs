//! Lines as the runtimes and their drivers write them.

use proptest::prelude::*;

use super::*;

const A: &str = "3f2a9c1b04de77e8a1b2c3d4e5f60718293a4b5c6d7e8f900112233445566778";
const B: &str = "d8e0f1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e";
const UID: &str = "83b090de-9676-407c-99aa-d33dc6aa0c0d";

/// A line with `{A}` and `{B}` for the ids of two containers, `{U}` for a pod's UID and `{V}` for the same as systemd
/// writes it.
fn line(pattern: &str) -> String {
    let underscored = UID.replace('-', "_");
    pattern.replace("{A}", A).replace("{B}", B).replace("{U}", UID).replace("{V}", &underscored)
}

fn container_in(pattern: &str) -> Option<(Runtime, String)> {
    let found = container_of(&line(pattern), false);
    found.known().cloned().unwrap_or_else(|| panic!("{pattern}: {found}", found = found.unknown().unwrap())).map(
        |container| {
            assert!(line(pattern).lines().any(|line| line == container.cgroup), "{pattern}: {}", container.cgroup);
            (container.runtime, container.id)
        },
    )
}

#[test]
fn each_runtime_and_driver_names_its_container() {
    use Runtime::{Containerd, CriO, Docker, Podman, Unknown};
    for (runtime, pattern) in [
        (Docker, "0::/system.slice/docker-{A}.scope"),
        (Docker, "0::/docker/{A}"),
        (
            Docker,
            "12:pids:/docker/{A}\n11:memory:/docker/{A}\n1:name=systemd:/docker/{A}\n0::/system.slice/containerd.service",
        ),
        (Docker, "9:memory:/system.slice/docker-{A}.scope\n0::/"),
        (Docker, "0::/user.slice/user-1000.slice/user@1000.service/user.slice/docker-{A}.scope"),
        (Unknown, "0::/my-parent/{A}"),
        (
            Containerd,
            "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{V}.slice/cri-containerd-{A}.scope",
        ),
        (Containerd, "0::/system.slice/containerd.service/kubepods-burstable-pod{V}.slice:cri-containerd:{A}"),
        (Containerd, "0::/system.slice/nerdctl-{A}.scope"),
        (Containerd, "0::/default/{A}"),
        (Containerd, "0::/default/{A}/init.scope"),
        (CriO, "0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{V}.slice/crio-{A}.scope"),
        (CriO, "0::/kubepods.slice/kubepods-pod{V}.slice/crio-{A}.scope/container"),
        (CriO, "7:cpu,cpuacct:/kubepods/besteffort/pod{U}/crio-{A}"),
        (Docker, "0::/kubepods.slice/kubepods-pod{V}.slice/docker-{A}.scope"),
        (Unknown, "4:memory:/kubepods/burstable/pod{U}/{A}"),
        (Unknown, "4:memory:/kubepods/pod{U}/{A}"),
        (Podman, "0::/machine.slice/libpod-{A}.scope"),
        (Podman, "0::/machine.slice/libpod-{A}.scope/container"),
        (Podman, "0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{A}.scope/container"),
        (Podman, "0::/machine.slice/machine-libpod_pod_{B}.slice/libpod-{A}.scope/container"),
        (Podman, "0::/libpod_parent/libpod-{A}"),
        (Podman, "0::/libpod_parent/{B}/libpod-{A}"),
        (Podman, "0::/system.slice/llm.service/libpod-payload-{A}"),
        (Unknown, "3:cpu:/ecs/0123456789abcdef0123456789abcdef/{A}"),
        (Docker, "0::/system.slice/docker-{A}.scope (deleted)"),
    ] {
        assert_eq!(container_in(pattern), Some((runtime, A.to_owned())), "{pattern}");
    }
    let task = "0123456789abcdef0123456789abcdef-2532945184";
    let fargate = container_in(&format!("0::/ecs/0123456789abcdef0123456789abcdef/{task}"));
    assert_eq!(fargate, Some((Unknown, task.to_owned())));
}

#[test]
fn the_innermost_container_wins() {
    for pattern in [
        "0::/docker/{B}/docker/{A}",
        "0::/system.slice/docker-{B}.scope/system.slice/docker-{A}.scope",
        "0::/system.slice/docker-{B}.scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{V}.slice/cri-containerd-{A}.scope",
        "0::/kubepods/burstable/pod{U}/{B}/docker/{A}",
        "0::/lxc.payload.farm/system.slice/docker-{A}.scope",
        "2:cpu:/docker/{B}\n3:memory:/docker/{B}/docker/{A}\n4:pids:/docker/{B}",
    ] {
        assert_eq!(container_in(pattern).map(|(_, id)| id), Some(A.to_owned()), "{pattern}");
    }
}

#[test]
fn a_container_without_an_id_is_told_by_its_name() {
    for (pattern, runtime, name) in [
        ("0::/lxc.payload.trainer/init.scope", Runtime::Lxc, "trainer"),
        ("0::/lxc.payload/trainer/system.slice/x.service", Runtime::Lxc, "trainer"),
        ("4:memory:/lxc/101/init.scope", Runtime::Lxc, "101"),
        ("0::/system.slice/lxc.payload.web-01.scope", Runtime::Lxc, "web-01"),
        ("0::/machine.slice/systemd-nspawn@deb.service/payload", Runtime::Nspawn, "deb"),
        ("0::/machine.slice/machine-my\\x2ddeb.scope/payload", Runtime::Nspawn, "my-deb"),
    ] {
        assert_eq!(container_in(pattern), Some((runtime, name.to_owned())), "{pattern}");
    }
}

#[test]
fn what_is_beside_a_container_is_in_none() {
    for pattern in [
        "0::/",
        "0::/init.scope",
        "0::/user.slice/user-1000.slice/session-3.scope",
        "0::/system.slice/docker.service",
        "12:pids:/\n11:memory:/\n0::/",
        "0::/kubepods.slice/kubepods-pod{V}.slice/crio-conmon-{A}.scope",
        "0::/kubepods/besteffort/pod{U}/crio-conmon-{A}",
        "0::/machine.slice/libpod-conmon-{A}.scope",
        "0::/libpod_parent/{B}/conmon",
        "0::/lxc.monitor.trainer",
        "0::/machine.slice/machine-qemu\\x2d1\\x2dvm.scope/libvirt/emulator",
        "0::/docker/buildkit/abcdefghijklmnopqrstuvwxy",
        "0::/system.slice/docker-3f2a9c1b04de.scope",
        "0::/slurm/uid_1000/job_7/step_0",
    ] {
        assert_eq!(container_in(pattern), None, "{pattern}");
    }
    let monitor_in_a_container = "0::/docker/{A}/machine.slice/libpod-conmon-{B}.scope";
    assert_eq!(container_in(monitor_in_a_container), Some((Runtime::Docker, A.to_owned())));
}

#[test]
fn a_path_seen_from_a_namespace_says_only_what_it_says() {
    for pattern in ["0::/", "0::/../../init.scope", "0::/payload", "9:cpu:/\n0::/"] {
        assert_eq!(container_of(&line(pattern), true), Reading::Unknown(Unknown::Namespaced), "{pattern}");
    }
    let beside = line("0::/../cri-containerd-{A}.scope");
    assert_eq!(container_of(&beside, true).known().unwrap().as_ref().unwrap().id, A);
    // A path above the reader's own tells that the reader is in a namespace, whatever the caller believes.
    assert_eq!(container_of("0::/../x", false), Reading::Unknown(Unknown::Namespaced));
}

#[test]
fn a_text_without_a_path_is_unknown() {
    for text in ["", "\n\n", "nonsense", "0:", "1:name=systemd", "0::relative"] {
        assert_eq!(container_of(text, false), Reading::Unknown(Unknown::NotAvailable), "{text:?}");
        assert_eq!(pod_of(text, false), Reading::Unknown(Unknown::NotAvailable), "{text:?}");
    }
}

#[test]
fn a_pod_is_told_in_either_spelling_and_without_a_container() {
    let kubernetes = Some((PodKind::Kubernetes, UID.to_owned()));
    let podman = Some((PodKind::Podman, B.to_owned()));
    for (pattern, pod) in [
        (
            "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{V}.slice/cri-containerd-{A}.scope",
            &kubernetes,
        ),
        ("0::/kubepods.slice/kubepods-pod{V}.slice/crio-{A}.scope", &kubernetes),
        (
            "0::/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-pod{V}.slice",
            &kubernetes,
        ),
        ("0::/system.slice/containerd.service/kubepods-burstable-pod{V}.slice:cri-containerd:{A}", &kubernetes),
        ("5:memory:/kubepods/besteffort/pod{U}/{A}", &kubernetes),
        ("0::/kubepods/pod{U}/crio-conmon-{A}", &kubernetes),
        ("0::/../../pod{U}/{A}", &kubernetes),
        ("0::/kubepods/burstable/pod{U}/{A}/docker/{B}", &kubernetes),
        ("0::/machine.slice/machine-libpod_pod_{B}.slice/libpod-{A}.scope", &podman),
        (
            "0::/user.slice/user-1000.slice/user@1000.service/user.slice/user-libpod_pod_{B}.slice/libpod-{A}.scope/container",
            &podman,
        ),
        ("0::/libpod_parent/{B}/libpod-{A}", &podman),
        ("0::/docker/{A}", &None),
        ("0::/system.slice/podman.service", &None),
        ("0::/kubepods/besteffort/pod-of-mine", &None),
    ] {
        assert_eq!(pod_of(&line(pattern), false), Reading::Known(pod.clone()), "{pattern}");
    }
    let hash = "e039200acb850c82bb901653cc38ff6e";
    let fixed = pod_of(&format!("0::/kubepods/burstable/pod{hash}/{A}"), false);
    assert_eq!(fixed.known().cloned().flatten(), Some((PodKind::Kubernetes, hash.to_owned())));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[0-9a-f:/.\\-_ \\n]{0,200}|\\PC{0,200}") {
        container_of(&text, false);
        container_of(&text, true);
        pod_of(&text, false);
    }
}
