//! The daemons of other machines, where they run, and on which option each machine stands.

use nacp_core::host::DaemonPlace::{self, DesktopLinux, DesktopVm, DesktopWsl2, OtherVm, Remote, ThisKernel, Unknown};
use nacp_core::host::RuntimeOption::{
    self, AContainer, AProcess, BContainer, BProcess, CloudVm, KubernetesNode, NativeLinux,
};
use nacp_core::host::{self, Daemon, DaemonInfo, Host, LayerKind, Root, Seen};

use super::machine;
use super::machines::TABLE;

/// One row: the machine; of each daemon, the one first that `docker` uses, who it is and where; and what a process and a
/// container are there.
type Row = (&'static str, &'static [(&'static str, DaemonPlace)], Option<RuntimeOption>, Option<RuntimeOption>);

const SILENT: &str = "silent";
const LINUX: Option<RuntimeOption> = Some(NativeLinux);
const A: Option<RuntimeOption> = Some(AContainer);
const B: Option<RuntimeOption> = Some(BContainer);
const WINDOWS: Option<RuntimeOption> = Some(AProcess);
const WSL2: Option<RuntimeOption> = Some(BProcess);
const CLOUD: Option<RuntimeOption> = Some(CloudVm);
const CLUSTER: Option<RuntimeOption> = Some(KubernetesNode);

const ROWS: [Row; 44] = [
    ("arm-vm", &[], LINUX, None),
    ("aws-ec2", &[], CLOUD, None),
    ("aws-ec2-metal", &[], LINUX, None),
    ("azure-vm", &[], CLOUD, None),
    ("docker", &[], LINUX, None),
    ("docker-20-10", &[("Docker Engine 20.10.24+dfsg1 (API 1.12 to 1.41)", ThisKernel)], LINUX, LINUX),
    ("docker-25", &[("Docker Engine 25.0.5 (API 1.24 to 1.44)", ThisKernel)], LINUX, LINUX),
    ("docker-26-1", &[("Docker Engine 26.1.5 (API 1.24 to 1.45)", ThisKernel)], LINUX, LINUX),
    ("docker-28-2", &[("Docker Engine 28.2.2 (API 1.24 to 1.50)", ThisKernel)], LINUX, LINUX),
    ("docker-29", &[("Docker Engine 29.7.2 (API 1.40 to 1.55)", ThisKernel)], LINUX, LINUX),
    ("docker-desktop-container", &[], A, None),
    ("docker-desktop-distribution", &[("Docker Desktop 29.1.5 (API 1.44 to 1.52)", DesktopWsl2)], WSL2, A),
    (
        "docker-desktop-linux",
        &[
            ("Docker Desktop 28.3.2 (API 1.24 to 1.51)", DesktopLinux),
            ("Docker Engine 28.2.2 (API 1.24 to 1.50)", ThisKernel),
        ],
        LINUX,
        None,
    ),
    ("docker-desktop-vm", &[("Docker Desktop 28.3.2 (API 1.24 to 1.51)", ThisKernel)], A, A),
    ("docker-in-docker", &[("Docker Engine 28.2.2 (API 1.24 to 1.50)", ThisKernel)], LINUX, LINUX),
    ("docker-on-wsl2", &[], B, None),
    (
        "docker-remote-ssh",
        &[(SILENT, Remote), (SILENT, Remote), ("Docker Engine 28.2.2 (API 1.24 to 1.50)", ThisKernel)],
        LINUX,
        LINUX,
    ),
    ("docker-remote-tcp", &[("Docker Engine 28.2.2 (API 1.24 to 1.50)", Remote)], LINUX, None),
    (
        "docker-rootless",
        &[("Docker Engine 28.2.2 (API 1.24 to 1.50), rootless", ThisKernel), (SILENT, Unknown)],
        LINUX,
        LINUX,
    ),
    ("docker-snap", &[("Docker Engine 28.1.1 (API 1.24 to 1.49)", ThisKernel)], LINUX, LINUX),
    ("docker-without-permission", &[(SILENT, Unknown)], LINUX, None),
    ("gcp-vm", &[], CLOUD, None),
    ("hyper-v-guest-with-dxg", &[], None, None),
    ("kubernetes-node", &[], CLUSTER, CLUSTER),
    ("kubernetes-pod", &[], CLUSTER, CLUSTER),
    ("kubernetes-pod-dra", &[], CLUSTER, CLUSTER),
    ("oci-bare-metal", &[], LINUX, None),
    ("podman-4-3", &[(SILENT, Unknown), ("Podman 4.3.1 (API 1.24 to 1.41)", ThisKernel)], LINUX, LINUX),
    ("podman-5-4-rootless", &[("Podman 5.4.0 (API 1.24 to 1.41), rootless", ThisKernel)], LINUX, LINUX),
    ("rootless-docker", &[("Docker Engine 28.5.1 (API 1.24 to 1.51), rootless", ThisKernel)], LINUX, LINUX),
    ("vmware-guest", &[], LINUX, None),
    ("windows", &[], WINDOWS, None),
    ("windows-docker-desktop", &[("Docker Desktop 29.1.5 (API 1.44 to 1.52)", DesktopWsl2)], WINDOWS, A),
    ("windows-docker-desktop-hyper-v", &[("Docker Desktop 26.1.1 (API 1.24 to 1.45)", DesktopVm)], WINDOWS, A),
    ("windows-docker-in-wsl2", &[("Docker Engine 28.2.2 (API 1.24 to 1.50)", OtherVm)], WINDOWS, B),
    ("windows-podman", &[(SILENT, Unknown), ("Podman 5.4.0 (API 1.24 to 1.41)", OtherVm)], WINDOWS, B),
    ("wsl1", &[], None, None),
    ("wsl1-docker-desktop", &[("Docker Desktop 29.1.5 (API 1.44 to 1.52)", DesktopWsl2)], None, A),
    ("wsl2", &[], WSL2, None),
    ("wsl2-custom-kernel", &[], WSL2, None),
    ("wsl2-docker", &[("Docker Engine 28.5.1 (API 1.24 to 1.51)", ThisKernel)], WSL2, B),
    ("wsl2-docker-desktop", &[("Docker Desktop 29.1.5 (API 1.44 to 1.52)", DesktopWsl2)], WSL2, A),
    ("wsl2-imported-image", &[], WSL2, None),
    ("wsl2-podman", &[(SILENT, Unknown), ("Podman 5.4.2 (API 1.24 to 1.41), rootless", ThisKernel)], WSL2, B),
];

fn who(daemon: &Daemon) -> String {
    daemon.answer.found().map_or_else(|| SILENT.to_owned(), ToString::to_string)
}

#[test]
fn each_daemon_is_placed_and_each_machine_has_its_option() {
    for (name, daemons, process, containers) in ROWS {
        let host = machine(name);
        let found: Vec<_> = host.daemons.iter().map(|daemon| (who(daemon), daemon.place)).collect();
        let expected: Vec<_> = daemons.iter().map(|(who, place)| ((*who).to_owned(), *place)).collect();
        assert_eq!(found, expected, "{name}: {host}");
        assert_eq!(
            host.daemons.iter().map(|daemon| daemon.chosen).collect::<Vec<_>>(),
            (0..daemons.len()).map(|index| index == 0).collect::<Vec<_>>(),
            "{name}"
        );
        let standing = host.standing();
        assert_eq!((standing.process, standing.containers), (process, containers), "{name}: {}", standing.why);
        for daemon in &host.daemons {
            assert!(!daemon.evidence.is_empty() || daemon.answer.is_absent(), "{name}: {daemon}");
        }
    }
}

#[test]
fn every_place_and_every_option_is_seen_on_some_machine() {
    for place in [ThisKernel, DesktopWsl2, DesktopVm, DesktopLinux, OtherVm, Remote, Unknown] {
        assert!(ROWS.iter().any(|(_, daemons, ..)| daemons.iter().any(|(_, it)| *it == place)), "{place}");
    }
    for option in RuntimeOption::ALL {
        assert!(
            ROWS.iter().any(|(.., process, containers)| [*process, *containers].contains(&Some(option))),
            "{option}"
        );
    }
}

fn daemons(name: &str) -> Vec<Daemon> {
    machine(name).daemons
}

#[test]
fn what_names_a_daemon_and_what_docker_uses_are_told() {
    let by = |name: &str| daemons(name).into_iter().map(|it| (it.endpoint, it.found_by)).collect::<Vec<_>>();
    let own = |list: &[(&str, &str)]| -> Vec<(String, String)> {
        list.iter().map(|(endpoint, by)| ((*endpoint).to_owned(), (*by).to_owned())).collect()
    };
    let docker = "unix:///var/run/docker.sock";
    assert_eq!(by("docker-28-2"), own(&[(docker, "default socket")]));
    assert_eq!(
        by("docker-desktop-linux"),
        own(&[("unix://~/.docker/desktop/docker.sock", "context desktop-linux"), (docker, "default socket")])
    );
    assert_eq!(
        by("docker-rootless"),
        own(&[("unix:///run/user/1000/docker.sock", "context rootless"), (docker, "default socket")])
    );
    // Two pipes, one daemon.
    let pipe = "npipe:////./pipe/dockerDesktopLinuxEngine";
    assert_eq!(by("windows-docker-desktop"), own(&[(pipe, "context desktop-linux, default pipe")]));
    // Docker has put a link to its proxy in place of the socket.
    assert_eq!(by("wsl2-docker-desktop"), own(&[(docker, "default socket")]));
    assert_eq!(by("docker-remote-tcp"), own(&[("tcp://gpu-7.internal:2375", "env DOCKER_HOST")]));
}

#[test]
fn why_a_daemon_does_not_answer_is_told() {
    let why = |name: &str, index: usize| match daemons(name).swap_remove(index).answer {
        Seen::Unreadable(why) => why,
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(why("docker-remote-ssh", 0), "ssh://gpu-7.internal is not asked: it wants a login over ssh");
    assert_eq!(why("docker-remote-ssh", 1), "it is not asked: it wants TLS: its context has certificates");
    let permission = "no permission to use the socket; is this user in its group, such as docker?";
    assert_eq!(why("docker-without-permission", 0), permission);
    // What docker would use is told of also where nothing is.
    assert_eq!(daemons("podman-4-3")[0].answer, Seen::Absent);
}

#[test]
fn what_a_daemon_offers_to_gpus_is_kept() {
    let info = |name: &str| -> DaemonInfo { daemons(name)[0].answer.found().unwrap().clone() };
    let dirs = |name: &str| info(name).cdi_spec_dirs;
    assert_eq!((dirs("docker-20-10"), dirs("docker-25")), (None, Some(Vec::new())));
    assert_eq!(dirs("docker-28-2"), Some(vec!["/etc/cdi".into(), "/var/run/cdi".into()]));
    assert_eq!((info("docker-26-1").cdi_devices, info("docker-29").cdi_devices.map(|all| all.len())), (None, Some(2)));
    assert_eq!(info("docker-26-1").default_runtime.as_deref(), Some("nvidia"));
    assert_eq!(info("docker-25").runtimes, ["io.containerd.runc.v2", "nvidia", "runc"]);
    assert_eq!(info("docker-snap").root_dir.as_deref(), Some("/var/snap/docker/common/var-lib-docker"));
    assert!(info("podman-5-4-rootless").podman && info("podman-5-4-rootless").cdi_spec_dirs.is_none());
    assert!(info("docker-rootless").rootless() && !info("docker-28-2").rootless());
}

#[test]
fn a_person_reads_who_answers_and_where() {
    assert_eq!(
        daemons("wsl2-docker-desktop")[0].to_string(),
        "Docker Desktop 29.1.5 (API 1.44 to 1.52) in Docker Desktop's virtual machine on WSL2 \
         [unix:///var/run/docker.sock; default socket; docker uses it; \
         GET /version Platform.Name: Docker Desktop 4.58.0 (216728); GET /info OperatingSystem: Docker Desktop; \
         GET /info KernelVersion: 6.6.87.2-microsoft-standard-WSL2; \
         /proc/sys/kernel/osrelease: 6.6.87.2-microsoft-standard-WSL2]"
    );
    assert_eq!(
        daemons("podman-4-3")[0].to_string(),
        "no daemon [unix:///var/run/docker.sock; default socket; docker uses it]"
    );
    let text = machine("docker-remote-tcp").to_string();
    assert!(text.contains("\n  Docker Engine 28.2.2 (API 1.24 to 1.50) on another machine [tcp://"), "{text}");
    let standing = machine("wsl2-docker-desktop").standing();
    assert_eq!(
        standing.why,
        "Processes: this is a distribution of WSL2. Containers: docker leads from this distribution to Docker Desktop, \
         so they are option A's."
    );
}

#[test]
fn nothing_of_a_daemon_or_a_user_that_is_nobodys_business_is_kept() {
    for (name, ..) in TABLE {
        let text = serde_json::to_string(&machine(name)).unwrap() + &machine(name).to_string();
        let own = [
            "/ada",
            "ada-laptop",
            "user:secret",
            "proxy.example",
            "mirror.example",
            "rack=12",
            "1111-4222",
            "3333-4444",
            "ops@",
        ];
        for own in own {
            assert!(!text.contains(own), "{own} is kept of {name}: {text}");
        }
    }
}

#[test]
fn a_machine_travels_as_json_with_its_daemons() {
    for (name, ..) in TABLE {
        let host = machine(name);
        let again: Host = serde_json::from_str(&serde_json::to_string(&host).unwrap()).unwrap();
        assert_eq!((again.standing(), &again), (host.standing(), &host), "{name}");
    }
}

/// The machine in the folder with this written over it.
fn changed(name: &str, files: &[(&str, &str)]) -> Host {
    let folder = tempfile::tempdir().unwrap();
    let from = super::fixtures().join(name);
    let copied = std::process::Command::new("cp").arg("-a").arg(from.join(".")).arg(folder.path()).status().unwrap();
    assert!(copied.success());
    for (path, text) in files {
        std::fs::write(folder.path().join(path), text).unwrap();
    }
    host::detect_in(&Root::open(folder.path()).unwrap())
}

#[test]
fn a_host_in_the_environment_counts_more_than_the_context() {
    let host = changed("docker-desktop-linux", &[("env", "HOME=/home/ada\nDOCKER_HOST=unix:///var/run/docker.sock\n")]);
    let chosen: Vec<_> = host.daemons.iter().map(|it| (it.found_by.as_str(), it.chosen)).collect();
    assert_eq!(chosen, [("env DOCKER_HOST", true), ("context desktop-linux", false)]);
    assert_eq!(host.standing().containers, LINUX);
    let host = changed("docker-desktop-linux", &[("env", "HOME=/home/ada\nDOCKER_CONTEXT=default\n")]);
    assert_eq!((host.daemons[0].found_by.as_str(), host.daemons[0].place), ("default socket", ThisKernel));
    // The same socket by another name is the same daemon.
    let host = changed("docker-28-2", &[("env", "DOCKER_HOST=unix:///run/docker.sock\n")]);
    let found: Vec<_> = host.daemons.iter().map(|it| (it.found_by.as_str(), it.place)).collect();
    assert_eq!(found, [("env DOCKER_HOST", ThisKernel)]);
    let host = changed("docker-remote-tcp", &[("env", "DOCKER_HOST=tcp://gpu-7.internal:2375\nDOCKER_TLS_VERIFY=1\n")]);
    assert!(host.daemons[0].answer.open().unwrap().contains("DOCKER_TLS_VERIFY"), "{host}");
}

#[test]
fn a_broken_configuration_or_answer_is_no_panic_and_no_guess() {
    let host = changed("docker-rootless", &[("home/ada/.docker/config.json", "{broken")]);
    assert_eq!(host.daemons[0].found_by, "default socket");
    let host = changed("docker-28-2", &[("answers/daemons/0/info.json", "[]")]);
    let info = host.daemons[0].answer.found().unwrap();
    assert!(info.incomplete.as_deref().unwrap().starts_with("GET /info:"), "{info}");
    // The version alone names the kernel too.
    assert_eq!((host.daemons[0].place, info.cdi_spec_dirs.clone()), (ThisKernel, None));
    let host =
        changed("docker-28-2", &[("answers/daemons/0/info.json", "{}"), ("answers/daemons/0/version.json", "{}")]);
    assert_eq!((host.daemons[0].place, host.standing().containers), (Unknown, None));
}

/// What Docker's own client says of its daemon; nothing where there is no client, or nobody answers it.
fn version_of_docker() -> Option<String> {
    if std::env::var_os("NACP_NO_DOCKER").is_some_and(|value| value == "1") {
        return None;
    }
    let said =
        std::process::Command::new("docker").args(["version", "--format", "{{.Server.Version}}"]).output().ok()?;
    let version = String::from_utf8(said.stdout).unwrap().trim().to_owned();
    (said.status.success() && !version.is_empty()).then_some(version)
}

/// The daemon of this machine, and what it says of itself.
#[test]
fn the_daemon_of_this_machine_is_found_and_placed() {
    let Some(version) = version_of_docker() else {
        println!("SKIP: no Docker daemon answers");
        return;
    };
    let host = host::detect();
    let daemon = host.daemons.iter().find(|daemon| daemon.chosen).unwrap();
    let info = daemon.answer.found().unwrap_or_else(|| panic!("{daemon}"));
    assert_eq!(info.version, version);
    assert_eq!(info.incomplete, None);
    if cfg!(target_os = "linux") && info.name == "Docker Engine" && daemon.endpoint.starts_with("unix://") {
        assert_eq!(daemon.place, ThisKernel, "{daemon}");
        assert!(host.layers.iter().any(|layer| layer.kind == LayerKind::NativeLinux || host.is_wsl2()), "{host}");
    }
}
