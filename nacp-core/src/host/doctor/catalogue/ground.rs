//! The commands that are right on the layers of this machine.
//!
//! Where a command is typed, and how a package is installed or a daemon restarted, depends on the stack: in a container
//! nothing can be restarted, Docker Desktop has no unit of systemd, a rootless daemon belongs to its user.

use crate::host::doctor::Remedy;
use crate::host::doctor::remedy::quoted;
use crate::host::{DaemonPlace, Seen, Survey};

/// How to install the toolkit where the distribution is not known.
const TOOLKIT_GUIDE: &str =
    "https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/install-guide.html";

/// Who gives containers their GPUs on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Engine {
    /// Docker Engine of root; also where no daemon answered.
    Docker,
    /// Docker Engine of a user.
    RootlessDocker,
    /// Docker Engine as a snap.
    SnapDocker,
    /// Docker Desktop on Windows or macOS.
    Desktop,
    /// Docker Desktop on Linux.
    DesktopLinux,
    /// Podman.
    Podman,
    /// The runtime of a Kubernetes node.
    Kubernetes,
}

/// What installs packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packages {
    /// Debian, Ubuntu and theirs.
    Apt,
    /// Fedora, Red Hat and theirs, Amazon Linux.
    Dnf,
    /// SUSE.
    Zypper,
    /// Arch.
    Pacman,
    /// It is not known.
    Unknown,
}

/// The layers of a machine, as far as a command depends on them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ground<'s> {
    survey: &'s Survey,
}

impl<'s> Ground<'s> {
    pub(super) fn of(survey: &'s Survey) -> Self {
        Self { survey }
    }

    /// Who gives containers their GPUs here.
    pub(super) fn engine(self) -> Engine {
        let snap = |path: Option<&str>, at: &str| path.is_some_and(|path| path.starts_with(at));
        match self.survey.daemon().and_then(|daemon| Some((daemon, daemon.answer.found()?))) {
            Some((_, info)) if info.podman => Engine::Podman,
            Some((daemon, _)) if matches!(daemon.place, DaemonPlace::DesktopWsl2 | DaemonPlace::DesktopVm) => {
                Engine::Desktop
            }
            Some((daemon, _)) if daemon.place == DaemonPlace::DesktopLinux => Engine::DesktopLinux,
            Some((_, info)) if snap(info.root_dir.as_deref(), "/var/snap/") => Engine::SnapDocker,
            Some((_, info)) if info.rootless() => Engine::RootlessDocker,
            Some(_) => Engine::Docker,
            None if self.survey.kubernetes.node || self.survey.kubernetes.pod => Engine::Kubernetes,
            None if snap(self.survey.toolkit.docker_program.found().map(String::as_str), "/snap/") => {
                Engine::SnapDocker
            }
            None => Engine::Docker,
        }
    }

    /// Whether the daemon's machine is another than the one whose files this process sees.
    pub(super) fn daemon_is_elsewhere(self) -> bool {
        let remote = self.survey.daemon().is_some_and(|daemon| daemon.place == DaemonPlace::Remote);
        remote || super::facts::daemon_is_outside(self.survey) || self.distribution().is_some()
    }

    fn on_windows(self) -> bool {
        self.survey.host.os.as_deref() == Some("windows")
    }

    /// The distribution of WSL2 in which the daemon runs, where this is Windows and the daemon is in one.
    pub(super) fn distribution(self) -> Option<&'s str> {
        let daemon = self.survey.daemon().filter(|daemon| daemon.place == DaemonPlace::OtherVm)?;
        if !self.on_windows() {
            return None;
        }
        let podman = daemon.answer.found().is_some_and(|info| info.podman);
        let fits = |name: &str| match podman {
            true => name.starts_with("podman-machine"),
            false => !name.starts_with("podman-machine") && !name.starts_with("docker-desktop"),
        };
        let distributions = self.survey.wsl.distributions.found().into_iter().flatten();
        let running = distributions.filter(|it| it.running && it.version == 2 && fits(&it.name));
        Some(running.max_by_key(|it| it.default).map_or("<NAME>", |it| it.name.as_str()))
    }

    /// A command for the machine: typed here, or outside of this container. Windows has none of Linux's.
    pub(super) fn machine(self, remedy: Remedy, line: impl Into<String>) -> Remedy {
        let line = line.into();
        match super::facts::contained(self.survey) {
            true => remedy.on_host(line),
            false if !self.on_windows() => remedy.run(line),
            false if line.starts_with("nvidia-smi") => remedy.on_windows(line),
            false => remedy,
        }
    }

    /// A command for the daemon's machine: typed here, outside of this container, where the remote daemon is, or in the
    /// distribution of WSL2 that has it. On Windows without such a distribution nobody can type it.
    pub(super) fn daemon(self, remedy: Remedy, line: impl Into<String>) -> Remedy {
        let line = line.into();
        if let Some(name) = self.distribution() {
            return remedy.on_windows(within(name, &line));
        }
        match self.daemon_is_elsewhere() {
            true => remedy.on_host(line),
            false if !self.on_windows() => remedy.run(line),
            // The client is there as well.
            false if line.starts_with("docker ") => remedy.on_windows(line),
            false => remedy,
        }
    }

    /// Where Windows has no daemon: how one that gives GPUs comes there.
    fn first_daemon(self, remedy: Remedy) -> Option<Remedy> {
        if !self.on_windows() || self.survey.daemon().is_some() {
            return None;
        }
        let known = remedy.commands.iter().any(|command| command.line.starts_with("wsl.exe --install"));
        if known {
            return Some(remedy);
        }
        let remedy = remedy.on_windows("wsl.exe --install").on_windows("wsl.exe --update");
        Some(also(
            remedy,
            "No daemon is here yet. Docker Desktop with its WSL 2 based engine gives containers the GPU as it is; or install \
             Docker Engine and NVIDIA Container Toolkit in the distribution.",
        ))
    }

    /// What installs packages on the daemon's machine: by its `/etc/os-release` here, by what the daemon says of its
    /// system elsewhere.
    pub(super) fn packages(self) -> Packages {
        self.packages_of(self.daemon_is_elsewhere())
    }

    /// What installs packages on the machine whose kernel this is.
    pub(super) fn machine_packages(self) -> Packages {
        self.packages_of(super::facts::contained(self.survey))
    }

    fn packages_of(self, elsewhere: bool) -> Packages {
        let system = &self.survey.system;
        let answer = self.survey.daemon().and_then(|daemon| daemon.answer.found());
        let said = answer.and_then(|info| info.operating_system.as_deref()).unwrap_or_default().to_lowercase();
        let is = |name: &str| if elsewhere { said.contains(name) } else { system.is_like(name) };
        let any = |names: &[&str]| names.iter().any(|name| is(name));
        if any(&["debian", "ubuntu"]) {
            Packages::Apt
        } else if any(&["fedora", "rhel", "red hat", "centos", "rocky", "alma", "amzn", "amazon linux"]) {
            Packages::Dnf
        } else if any(&["suse", "opensuse", "opensuse-leap", "opensuse-tumbleweed", "sles"]) {
            Packages::Zypper
        } else if any(&["arch"]) {
            Packages::Pacman
        } else {
            Packages::Unknown
        }
    }

    /// Whether the machine's own distribution is this one, where its files are seen.
    pub(super) fn is_distribution(self, name: &str) -> bool {
        !super::facts::contained(self.survey) && self.survey.system.is_like(name)
    }

    /// Whether the machine whose kernel this is has Ubuntu.
    pub(super) fn is_ubuntu(self) -> bool {
        let answer = self.survey.daemon().and_then(|daemon| daemon.answer.found());
        let said = answer.and_then(|info| info.operating_system.as_deref()).unwrap_or_default();
        self.is_distribution("ubuntu") || (super::facts::contained(self.survey) && said.contains("Ubuntu"))
    }

    /// Whether systemd starts the services of the daemon's machine; likely elsewhere, since nobody can look there.
    pub(super) fn systemd(self) -> bool {
        match self.survey.system.systemd {
            _ if self.daemon_is_elsewhere() => true,
            Seen::Found(systemd) => systemd,
            Seen::Absent => false,
            // `service` hands over to systemd where it is there.
            Seen::Unreadable(_) | Seen::NotAsked => !super::facts::on_wsl(self.survey),
        }
    }

    /// The daemon reads its configuration and its device drivers anew. Podman has nothing to restart.
    pub(super) fn restart(self, remedy: Remedy) -> Remedy {
        if let Some(remedy) = self.first_daemon(remedy.clone()) {
            return remedy;
        }
        match self.engine() {
            Engine::Docker if self.systemd() => self.daemon(remedy, "sudo systemctl restart docker"),
            Engine::Docker => self.daemon(remedy, "sudo service docker restart"),
            Engine::RootlessDocker => self.daemon(remedy, "systemctl --user restart docker"),
            Engine::SnapDocker => self.daemon(remedy, "sudo snap restart docker"),
            Engine::Desktop if self.survey.host.os.as_deref() == Some("macos") => remedy.run("docker desktop restart"),
            Engine::Desktop => remedy.on_windows("docker desktop restart"),
            Engine::DesktopLinux => remedy.run("systemctl --user restart docker-desktop"),
            Engine::Podman => remedy,
            Engine::Kubernetes => self.restart_node(remedy),
        }
    }

    /// The runtime of a Kubernetes node reads its configuration anew.
    pub(super) fn restart_node(self, remedy: Remedy) -> Remedy {
        let unit = self.survey.kubernetes.unit.as_deref().unwrap_or("containerd");
        self.daemon(remedy, format!("sudo systemctl restart {unit}"))
    }

    /// The toolkit tells the runtime of a Kubernetes node of the runtime `nvidia`; K3s and RKE2 find it by themselves.
    pub(super) fn configure_node(self, remedy: Remedy) -> Remedy {
        match self.survey.kubernetes.unit.as_deref() {
            Some("crio") => self.daemon(remedy, "sudo nvidia-ctk runtime configure --runtime=crio"),
            Some("containerd") | None => {
                self.daemon(remedy, "sudo nvidia-ctk runtime configure --runtime=containerd --set-as-default=false")
            }
            Some(_) => remedy,
        }
    }

    /// What a restart of the daemon interrupts.
    pub(super) fn restart_cost(self) -> &'static str {
        match self.engine() {
            Engine::Podman => "Nothing that runs is interrupted.",
            Engine::Kubernetes => "Running pods go on; none starts until the runtime of the node is back.",
            Engine::Desktop | Engine::DesktopLinux => "The restart stops every container of Docker Desktop.",
            _ => "The restart stops every container of this daemon, unless its daemon.json sets `live-restore`.",
        }
    }

    /// The toolkit's packages are installed, from NVIDIA's repository, or brought to their newest version.
    pub(super) fn install_toolkit(self, remedy: Remedy) -> Remedy {
        if let Some(remedy) = self.first_daemon(remedy.clone()) {
            return remedy;
        }
        const REPOSITORY: &str = "https://nvidia.github.io/libnvidia-container";
        let lines = match self.packages() {
            Packages::Apt => vec![
                format!(
                    "curl -fsSL {REPOSITORY}/gpgkey | sudo gpg --dearmor --yes -o \
                     /usr/share/keyrings/nvidia-container-toolkit-keyring.gpg"
                ),
                format!(
                    "curl -fsSL {REPOSITORY}/stable/deb/nvidia-container-toolkit.list | sed 's#deb https://#deb \
                     [signed-by=/usr/share/keyrings/nvidia-container-toolkit-keyring.gpg] https://#' | sudo tee \
                     /etc/apt/sources.list.d/nvidia-container-toolkit.list"
                ),
                "sudo apt-get update".into(),
                "sudo apt-get install -y nvidia-container-toolkit".into(),
            ],
            Packages::Dnf => vec![
                format!(
                    "curl -fsSL {REPOSITORY}/stable/rpm/nvidia-container-toolkit.repo | sudo tee \
                     /etc/yum.repos.d/nvidia-container-toolkit.repo"
                ),
                "sudo dnf install -y nvidia-container-toolkit".into(),
            ],
            Packages::Zypper => vec![
                format!("sudo zypper addrepo {REPOSITORY}/stable/rpm/nvidia-container-toolkit.repo"),
                "sudo zypper --gpg-auto-import-keys install -y nvidia-container-toolkit".into(),
            ],
            Packages::Pacman => vec!["sudo pacman -Syu nvidia-container-toolkit".into()],
            Packages::Unknown => return also(remedy, &format!("How the toolkit is installed: {TOOLKIT_GUIDE}")),
        };
        lines.into_iter().fold(remedy, |remedy, line| self.daemon(remedy, line))
    }

    /// The toolkit that is there is brought to the newest version.
    pub(super) fn upgrade_toolkit(self, remedy: Remedy) -> Remedy {
        let packages = "nvidia-container-toolkit nvidia-container-toolkit-base libnvidia-container-tools \
                        libnvidia-container1";
        match self.packages() {
            Packages::Apt => {
                let remedy = self.daemon(remedy, "sudo apt-get update");
                self.daemon(remedy, format!("sudo apt-get install -y --only-upgrade {packages}"))
            }
            Packages::Dnf => self.daemon(remedy, format!("sudo dnf upgrade -y {packages}")),
            Packages::Zypper => self.daemon(remedy, format!("sudo zypper update -y {packages}")),
            Packages::Pacman => self.daemon(remedy, "sudo pacman -Syu nvidia-container-toolkit"),
            Packages::Unknown => also(remedy, &format!("How the toolkit is installed: {TOOLKIT_GUIDE}")),
        }
    }

    /// The toolkit tells the daemon of the runtime `nvidia`. The daemon learns of it when it is restarted.
    pub(super) fn configure(self, remedy: Remedy) -> Remedy {
        if let Some(remedy) = self.first_daemon(remedy.clone()) {
            return remedy;
        }
        match self.engine() {
            Engine::Docker => self.daemon(remedy, "sudo nvidia-ctk runtime configure --runtime=docker"),
            Engine::RootlessDocker => self.daemon(
                remedy,
                "nvidia-ctk runtime configure --runtime=docker --config=$HOME/.config/docker/daemon.json",
            ),
            Engine::Kubernetes => self.configure_node(remedy),
            Engine::Podman => self.specify(remedy, None),
            Engine::SnapDocker | Engine::Desktop | Engine::DesktopLinux => remedy,
        }
    }

    /// The CDI specification is written anew: that of this path, or the one that the toolkit keeps.
    pub(super) fn specify(self, remedy: Remedy, path: Option<&str>) -> Remedy {
        let kept = self.survey.toolkit.refresh_unit.found().is_some() && self.systemd();
        let is_kept = |path: &str| path.starts_with("/var/run/cdi/") || path.starts_with("/run/cdi/");
        let line = match path {
            None if kept => "sudo systemctl restart nvidia-cdi-refresh.service".into(),
            Some(path) if kept && is_kept(path) => "sudo systemctl restart nvidia-cdi-refresh.service".into(),
            path => {
                let format = if path.is_some_and(|path| path.ends_with(".json")) { "--format=json " } else { "" };
                let Some(path) = quoted(path.unwrap_or("/etc/cdi/nvidia.yaml")) else {
                    return also(remedy, "Write the CDI specification anew by hand: its name cannot be typed.");
                };
                format!("sudo nvidia-ctk cdi generate {format}--output={path}")
            }
        };
        let remedy = self.daemon(remedy, line);
        self.daemon(remedy, "nvidia-ctk cdi list")
    }
}

/// The remedy with one more sentence to know.
pub(super) fn also(remedy: Remedy, sentence: &str) -> Remedy {
    let note = format!("{} {sentence}", remedy.note);
    remedy.note(note.trim())
}

/// The line as PowerShell hands it to a distribution of WSL: `wsl.exe` has the distribution's shell read it, so that only
/// what PowerShell itself would read is quoted.
fn within(name: &str, line: &str) -> String {
    let plain = !line.contains(['|', '&', ';', '<', '>', '$', '\'', '"', '(', ')', '#', '@', '*', ',']);
    if plain {
        return format!("wsl.exe -d {name} -- {line}");
    }
    format!("wsl.exe -d {name} -- '{}'", line.replace('\'', "''").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::doctor::catalogue::bench;

    fn lines(remedy: &Remedy) -> Vec<String> {
        remedy.commands.iter().map(|command| format!("{}: {}", command.place, command.line)).collect()
    }

    fn restart(survey: &Survey) -> Vec<String> {
        lines(&Ground::of(survey).restart(Remedy::new("x")))
    }

    #[test]
    fn each_engine_is_restarted_in_its_own_way_and_place() {
        let mut survey = bench::machine();
        assert_eq!(restart(&survey), ["here: sudo systemctl restart docker"]);
        survey.system.systemd = Seen::Found(false);
        assert_eq!(restart(&survey), ["here: sudo service docker restart"]);
        bench::info(&mut survey).security = vec!["name=rootless".into()];
        assert_eq!(restart(&survey), ["here: systemctl --user restart docker"]);
        bench::info(&mut survey).root_dir = Some("/var/snap/docker/common/var-lib-docker".into());
        assert_eq!(restart(&survey), ["here: sudo snap restart docker"]);
        survey.host.daemons[0].place = DaemonPlace::DesktopWsl2;
        assert_eq!(restart(&survey), ["windows: docker desktop restart"]);
        bench::info(&mut survey).podman = true;
        assert_eq!(restart(&survey), Vec::<String>::new());

        assert_eq!(restart(&bench::inside(bench::machine())), ["host: sudo systemctl restart docker"]);
        let mut remote = bench::machine();
        remote.host.daemons[0].place = DaemonPlace::Remote;
        assert_eq!(restart(&remote), ["host: sudo systemctl restart docker"]);
        let mut wsl = bench::wsl2();
        wsl.system.systemd = Seen::NotAsked;
        assert_eq!(restart(&wsl), ["here: sudo service docker restart"]);
    }

    #[test]
    fn packages_are_those_of_the_daemons_machine() {
        let mut survey = bench::machine();
        for (id, like, packages) in [
            ("debian", "", Packages::Apt),
            ("linuxmint", "ubuntu debian", Packages::Apt),
            ("rocky", "rhel centos fedora", Packages::Dnf),
            ("amzn", "fedora", Packages::Dnf),
            ("opensuse-tumbleweed", "opensuse suse", Packages::Zypper),
            ("arch", "", Packages::Pacman),
            ("nixos", "", Packages::Unknown),
        ] {
            survey.system.distribution = Seen::Found(id.into());
            survey.system.like = like.split_whitespace().map(String::from).collect();
            assert_eq!(Ground::of(&survey).packages(), packages, "{id}");
        }
        // From a container of another distribution.
        let mut inside = bench::inside(survey);
        bench::info(&mut inside).operating_system = Some("Red Hat Enterprise Linux 9.4 (Plow)".into());
        assert_eq!(Ground::of(&inside).packages(), Packages::Dnf);
        let remedy = Ground::of(&inside).install_toolkit(Remedy::new("x"));
        assert!(remedy.commands.iter().all(|command| command.place == "host"), "{remedy:?}");
    }

    #[test]
    fn an_unknown_distribution_gets_the_guide_and_no_guess() {
        let mut survey = bench::machine();
        survey.system.distribution = Seen::Absent;
        survey.system.like.clear();
        let remedy = Ground::of(&survey).install_toolkit(Remedy::new("x").note("First."));
        assert!(remedy.commands.is_empty());
        assert_eq!(remedy.note, format!("First. How the toolkit is installed: {TOOLKIT_GUIDE}"));
    }

    #[test]
    fn a_specification_is_written_where_it_was() {
        let mut survey = bench::machine();
        survey.toolkit.refresh_unit = Seen::Absent;
        let first = |survey: &Survey, path| lines(&Ground::of(survey).specify(Remedy::new("x"), path))[0].clone();
        assert_eq!(first(&survey, None), "here: sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml");
        assert_eq!(
            first(&survey, Some("/etc/cdi/nvidia.json")),
            "here: sudo nvidia-ctk cdi generate --format=json --output=/etc/cdi/nvidia.json"
        );
        survey.toolkit.refresh_unit = Seen::Found("active".into());
        assert_eq!(
            first(&survey, Some("/var/run/cdi/nvidia.yaml")),
            "here: sudo systemctl restart nvidia-cdi-refresh.service"
        );
        assert_eq!(
            first(&survey, Some("/etc/cdi/nvidia.yaml")),
            "here: sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml"
        );
    }

    #[test]
    fn the_name_of_a_file_is_one_word_of_a_command() {
        let mut survey = bench::machine();
        survey.toolkit.refresh_unit = Seen::Absent;
        let first = |path| lines(&Ground::of(&survey).specify(Remedy::new("x"), Some(path)));
        let line = "here: sudo nvidia-ctk cdi generate --output='/etc/cdi/a;reboot.yaml'";
        assert_eq!(first("/etc/cdi/a;reboot.yaml")[0], line);
        assert_eq!(first("/etc/cdi/a\nreboot.yaml"), Vec::<String>::new());
    }

    #[test]
    fn without_a_daemon_a_node_is_kubernetes_and_a_machine_is_dockers() {
        let mut survey = bench::machine();
        survey.host.daemons.clear();
        assert_eq!(Ground::of(&survey).engine(), Engine::Docker);
        survey.toolkit.docker_program = Seen::Found("/snap/bin/docker".into());
        assert_eq!(Ground::of(&survey).engine(), Engine::SnapDocker);
        survey.kubernetes.node = true;
        assert_eq!(Ground::of(&survey).engine(), Engine::Kubernetes);
        assert_eq!(restart(&survey), ["here: sudo systemctl restart containerd"]);
    }

    #[test]
    fn on_windows_the_place_is_the_distribution_that_has_the_daemon() {
        let mut survey = bench::machine();
        survey.host.os = Some("windows".into());
        survey.host.daemons[0].place = DaemonPlace::OtherVm;
        let distribution = |name: &str, default| crate::host::WslDistribution {
            name: name.into(),
            running: true,
            version: 2,
            default,
        };
        survey.wsl.distributions =
            Seen::Found(vec![distribution("docker-desktop", true), distribution("Ubuntu-24.04", false)]);
        assert_eq!(restart(&survey), ["windows: wsl.exe -d Ubuntu-24.04 -- sudo systemctl restart docker"]);
        let ground = Ground::of(&survey);
        assert_eq!(
            lines(&ground.daemon(Remedy::new("x"), "echo 'a' | sudo tee b")),
            ["windows: wsl.exe -d Ubuntu-24.04 -- 'echo ''a'' | sudo tee b'"]
        );
        assert_eq!(ground.packages(), Packages::Apt);
        assert_eq!(lines(&ground.machine(Remedy::new("x"), "sudo reboot")), Vec::<String>::new());
        survey.host.daemons[0].place = DaemonPlace::DesktopWsl2;
        let ground = Ground::of(&survey);
        let remedy = ground.daemon(ground.daemon(Remedy::new("x"), "docker restart llm"), "sudo ldconfig");
        assert_eq!(lines(&remedy), ["windows: docker restart llm"]);
        survey.host.daemons.clear();
        let remedy = Ground::of(&survey).restart(Ground::of(&survey).install_toolkit(Remedy::new("x")));
        assert_eq!(lines(&remedy), ["windows: wsl.exe --install", "windows: wsl.exe --update"]);
    }

    #[test]
    fn a_system_container_is_the_machine_of_its_own_daemon_and_not_of_the_driver() {
        for kind in [crate::host::ContainerRuntime::Lxc, crate::host::ContainerRuntime::Nspawn] {
            let mut survey = bench::inside_lxc(bench::machine());
            survey.host.layers[0].kind = crate::host::LayerKind::Container(kind);
            assert_eq!(restart(&survey), ["here: sudo systemctl restart docker"]);
            let note = |survey: &crate::host::Survey| (super::super::requests::D01.remedy)(survey).note;
            assert!(!note(&survey).contains("inside of a container"), "{}", note(&survey));
            assert!(note(&bench::inside(bench::machine())).contains("inside of a container"));
            let ground = Ground::of(&survey);
            assert_eq!(lines(&ground.machine(Remedy::new("x"), "sudo reboot")), ["host: sudo reboot"]);
            survey.host.daemons[0].place = DaemonPlace::Remote;
            assert_eq!(restart(&survey), ["host: sudo systemctl restart docker"]);
        }
    }

    #[test]
    fn the_runtime_of_a_node_is_restarted_by_its_own_unit() {
        let mut survey = bench::machine();
        survey.host.daemons.clear();
        survey.kubernetes.node = true;
        for (unit, expected) in [
            ("k3s-agent", vec!["here: sudo systemctl restart k3s-agent"]),
            (
                "crio",
                vec!["here: sudo nvidia-ctk runtime configure --runtime=crio", "here: sudo systemctl restart crio"],
            ),
        ] {
            survey.kubernetes.unit = Some(unit.into());
            let ground = Ground::of(&survey);
            assert_eq!(lines(&ground.restart(ground.configure(Remedy::new("x")))), expected);
        }
    }
}
