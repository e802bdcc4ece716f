//! NVIDIA Container Toolkit: its programs and its configuration.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Given, Put, packages};
use crate::host::root::Root;
use crate::host::survey::ToolkitConfig;
use crate::host::{CommandOutcome, Seen};

const PROGRAMS: [&str; 5] = [
    "nvidia-ctk",
    "nvidia-cdi-hook",
    "nvidia-container-runtime",
    "nvidia-container-runtime-hook",
    "nvidia-container-cli",
];
/// The search path of a system's services, and the folder of NVIDIA's operator.
const FOLDERS: [&str; 5] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/usr/local/nvidia/toolkit"];
/// The search path of a user who does not say.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin";
/// How long a program may take.
const LIMIT: Duration = Duration::from_secs(2);
/// Where a daemon writes its process's number when it starts.
const STARTED: [&str; 2] = ["/var/run/docker.pid", "/run/docker.pid"];
/// What is kept of the daemon's configuration: none of these can hold a secret or an address.
const KEPT: [&str; 18] = [
    "cdi-spec-dirs",
    "cgroup-parent",
    "containerd-namespace",
    "data-root",
    "default-cgroupns-mode",
    "default-ipc-mode",
    "default-runtime",
    "default-shm-size",
    "default-ulimits",
    "exec-opts",
    "features",
    "init",
    "live-restore",
    "min-api-version",
    "no-new-privileges",
    "runtimes",
    "storage-driver",
    "userns-remap",
];

/// Everything that is a file.
pub(super) fn files(given: &Given) -> Put {
    let root = &given.root;
    let programs: Vec<String> = PROGRAMS.iter().filter_map(|name| find(root, &FOLDERS, name)).collect();
    let config = root.text("/etc/nvidia-container-runtime/config.toml").then(|text| config(&text));
    let (installed, started) = (installed(root), daemon_started(root));
    let younger = younger_than_daemon(root, &programs);
    let docker = docker(root);
    let daemon = daemon_json(root);
    let packages = packages::read(root);
    Box::new(move |survey| {
        if let (Some(version), None) = (packages.found().and_then(packages::toolkit), survey.toolkit.version.found()) {
            survey.toolkit.version = Seen::Found(version);
        } else if survey.toolkit.version == Seen::NotAsked && !programs.iter().any(|path| path.ends_with("/nvidia-ctk"))
        {
            survey.toolkit.version = Seen::Absent;
        }
        survey.packages = packages;
        let toolkit = &mut survey.toolkit;
        (toolkit.programs, toolkit.config, toolkit.younger_than_daemon) = (programs, config, younger);
        (toolkit.docker_program, toolkit.daemon_json) = (docker, daemon);
        (toolkit.installed, toolkit.daemon_started) = (installed, started);
    })
}

/// The version, as the program says it; the package database has it too where it does not.
pub(super) fn version(given: &Given) -> Put {
    let outcome = given.run("nvidia-ctk", &["--version"], LIMIT);
    let version = outcome.then(|outcome| {
        let told = outcome.output.lines().find_map(|line| line.rsplit_once("version "));
        let word = told.and_then(|(_, rest)| rest.split_whitespace().next()).map(|word| word.trim_start_matches('v'));
        match word.filter(|word| word.starts_with(|first: char| first.is_ascii_digit())) {
            Some(version) if outcome.code == Some(0) => Ok(version.to_owned()),
            _ => Err(ended("nvidia-ctk --version", &outcome)),
        }
    });
    Box::new(move |survey| {
        // What the package database has said counts more than that the program says nothing.
        let told = &survey.toolkit.version;
        if version.found().is_some() || (told.found().is_none() && version != Seen::NotAsked) {
            survey.toolkit.version = version;
        }
    })
}

/// Whether a specification can be made, where that may be tried.
pub(super) fn cdi_generate(given: &Given) -> Put {
    let asked = given.cdi_generate || !given.root.is_this_machine();
    let outcome = if asked { given.run("nvidia-ctk", &["cdi", "generate"], given.left()) } else { Seen::NotAsked };
    Box::new(move |survey| survey.toolkit.cdi_generate = outcome)
}

/// How `nvidia-smi` ends, where it may be tried.
pub(super) fn nvidia_smi(given: &Given) -> Put {
    let asked = given.nvidia_smi || !given.root.is_this_machine();
    let outcome = if asked { given.run("nvidia-smi", &["-L"], LIMIT) } else { Seen::NotAsked };
    // Its list names GPUs by their ids, which are in the survey already.
    Box::new(move |survey| survey.toolkit.nvidia_smi = outcome)
}

fn ended(what: &str, outcome: &CommandOutcome) -> String {
    let how = match (outcome.code, outcome.signal) {
        (Some(code), _) => format!("ended with {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => "did not end in time".into(),
    };
    let last = outcome.output.lines().last().unwrap_or_default();
    if last.is_empty() { format!("{what} {how}") } else { format!("{what} {how}: {last}") }
}

fn find(root: &Root, folders: &[&str], name: &str) -> Option<String> {
    folders
        .iter()
        .map(|folder| format!("{folder}/{name}"))
        .find(|path| root.stat(path).found().is_some_and(|it| !it.folder))
}

/// What the toolkit's configuration says.
fn config(text: &str) -> Result<ToolkitConfig, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct File {
        accept_nvidia_visible_devices_envvar_when_unprivileged: Option<bool>,
        nvidia_container_cli: Option<Cli>,
        nvidia_container_runtime: Option<Runtime>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct Cli {
        no_cgroups: Option<bool>,
    }
    #[derive(Deserialize)]
    struct Runtime {
        mode: Option<String>,
    }
    let file: File = toml::from_str(text).map_err(|error| format!("it is no configuration: {}", error.message()))?;
    Ok(ToolkitConfig {
        no_cgroups: file.nvidia_container_cli.and_then(|cli| cli.no_cgroups),
        accept_env_unprivileged: file.accept_nvidia_visible_devices_envvar_when_unprivileged,
        mode: file.nvidia_container_runtime.and_then(|runtime| runtime.mode),
    })
}

/// Whether a program of the toolkit was installed after the daemon was started. The time in a program's file is that of
/// its making, so that an older one proves nothing; the package database has the time of the installation.
fn younger_than_daemon(root: &Root, programs: &[String]) -> Option<bool> {
    let started = daemon_started(root)?;
    let changed = |path: &str| root.stat(path).found()?.modified;
    match installed(root) {
        Some(installed) => Some(installed > started),
        None => programs.iter().filter_map(|path| changed(path)).any(|made| made > started).then_some(true),
    }
}

/// When the daemon was started.
fn daemon_started(root: &Root) -> Option<i64> {
    STARTED.iter().find_map(|path| root.stat(path).found()?.modified)
}

/// When the packages of the toolkit were installed.
fn installed(root: &Root) -> Option<i64> {
    let lists = ["nvidia-container-toolkit", "nvidia-container-toolkit-base"];
    let changed = |name: &&str| root.stat(&format!("/var/lib/dpkg/info/{name}.list")).found()?.modified;
    lists.iter().filter_map(changed).max()
}

/// The command `docker`. One of a snap is a link to the program of all snaps, and is told by its place.
fn docker(root: &Root) -> Seen<String> {
    let path = root.variable("PATH").unwrap_or_else(|| PATH.into());
    let folders: Vec<&str> = path.split(':').filter(|folder| folder.starts_with('/')).collect();
    match find(root, &folders, "docker") {
        None => Seen::Absent,
        Some(path) if path.starts_with("/snap/") => Seen::Found(path),
        Some(path) => root.canonical(&path),
    }
}

fn daemon_json(root: &Root) -> Seen<String> {
    let own = || {
        let home = root.variable("HOME").filter(|home| home.starts_with('/'))?;
        Some(root.text(&format!("{home}/.config/docker/daemon.json")))
    };
    let text = match root.text("/etc/docker/daemon.json") {
        Seen::Absent => own().unwrap_or(Seen::Absent),
        text => text,
    };
    text.then(|text| kept(&text))
}

/// The keys of the daemon's configuration that are kept.
fn kept(text: &str) -> Result<String, String> {
    let all: Map<String, Value> = match text.trim() {
        // The daemon takes an empty file for no configuration.
        "" => Map::new(),
        text => serde_json::from_str(text).map_err(|error| format!("it is no configuration: {error}"))?,
    };
    let kept: Map<_, _> = all.into_iter().filter(|(key, _)| KEPT.contains(&key.as_str())).collect();
    serde_json::to_string(&kept).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_that_is_not_written_is_none() {
        assert_eq!(config(""), Ok(ToolkitConfig::default()));
        let text = "[nvidia-container-cli]\n#no-cgroups = true\n[nvidia-container-runtime]\nmode = \"cdi\"\n";
        let expected = ToolkitConfig { mode: Some("cdi".into()), ..ToolkitConfig::default() };
        assert_eq!(config(text), Ok(expected));
        let text =
            "accept-nvidia-visible-devices-envvar-when-unprivileged = false\n[nvidia-container-cli]\nno-cgroups = true";
        let read = config(text).unwrap();
        assert_eq!((read.accept_env_unprivileged, read.no_cgroups), (Some(false), Some(true)));
    }

    #[test]
    fn a_configuration_of_another_form_says_why_in_one_line() {
        for broken in ["[", "no-cgroups", "[nvidia-container-cli]\nno-cgroups = \"yes\"", "\0"] {
            let why = config(broken).unwrap_err();
            assert!(why.starts_with("it is no configuration: ") && !why.contains('\n'), "{why}");
        }
    }

    #[test]
    fn addresses_and_secrets_of_the_daemon_are_not_kept() {
        let text = r#"{"runtimes":{"nvidia":{"path":"nvidia-container-runtime"}},"proxies":{"http-proxy":"http://u:secret@p"},"registry-mirrors":["https://m"]}"#;
        assert_eq!(kept(text).unwrap(), r#"{"runtimes":{"nvidia":{"path":"nvidia-container-runtime"}}}"#);
        assert_eq!(kept(" \n").unwrap(), "{}");
        assert!(kept("{,}").is_err());
        assert!(kept("[]").is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "(\\[|\\{|mode = )?\\PC*") {
            let _ = (config(&text), kept(&text));
        }
    }
}
