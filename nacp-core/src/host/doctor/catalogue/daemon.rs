//! What a daemon refuses, or drops without a word: runtimes, versions of its interface, limits.

use super::facts::{
    before, daemons, found, found_among, gpu, has_program, on_docker, on_podman, owned, said, shares_files, together,
    unless_cured,
};
use super::ground::{Engine, Ground, also};
use crate::host::doctor::{Entry, FindingId, Outcome, Remedy, Severity, Symptom, Trace};
use crate::host::survey::ContainerFacts;
use crate::host::{Confidence, DaemonInfo, Survey};

/// The Podman whose Docker-compatible interface passes requests of the driver `cdi` on.
const PODMAN_CDI: &str = "5.4.0";

pub(super) const D33: Entry = Entry {
    id: FindingId(33),
    title: "a container names the runtime `nvidia`, and the daemon has no such runtime",
    symptoms: &[
        Symptom::of(&["unknown or invalid runtime name: nvidia"]),
        Symptom::of(&["Unknown runtime specified nvidia"]),
        Symptom::of(&["default OCI runtime \"nvidia\" not found"]),
        Symptom::of(&["specified default runtime 'nvidia' does not exist"]),
        Symptom::of(&["fork/exec", "nvidia-container-runtime: no such file or directory"]),
    ],
    severity: Severity::Broken,
    cause: "the daemon's configuration does not name the runtime `nvidia`, names it only since the daemon was started, or \
            names a program that is not there",
    links: &["https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/install-guide.html"],
    examine: d33,
    remedy: d33_remedy,
};

pub(super) const D42: Entry = Entry {
    id: FindingId(42),
    title: "a client and the daemon share no version of the Docker API",
    symptoms: &[
        Symptom::of(&["client version", "is too old. Minimum supported API version is"]),
        Symptom::of(&["client version", "is too new. Maximum supported API version is"]),
    ],
    severity: Severity::Broken,
    cause: "a client fixed to one API version meets a daemon that does not speak it: Docker 29.0 to 29.2 refuse everything \
            before 1.44, and each daemon refuses what is newer than itself",
    links: &[
        "https://github.com/testcontainers/testcontainers-java/issues/11210",
        "https://github.com/testcontainers/testcontainers-java/issues/11211",
        "https://github.com/moby/moby/commit/2c59be7",
        "https://github.com/moby/moby/commit/f96921e",
    ],
    examine: d42,
    remedy: d42_remedy,
};

pub(super) const D43: Entry = Entry {
    id: FindingId(43),
    title: "Podman started a container without the GPU that it was asked for, and said nothing",
    symptoms: &[
        Symptom::of(&["crun: executable file `nvidia-smi` not found"]),
        Symptom::of(&["stat nvidia.com/gpu=", "no such file or directory"]),
        Symptom::of(&["podman", "no CUDA-capable device is detected"]),
        Symptom::of(&["podman", "Found no NVIDIA driver on your system"]),
        Symptom::of(&["podman", "CUDA is not available"]),
    ],
    severity: Severity::Broken,
    cause: "Podman's Docker-compatible interface passes on only requests with the driver `cdi`, and those only since 5.4.0; \
            `--gpus`, the driver `nvidia` and the runtime `nvidia` are dropped and the answer is success",
    links: &[
        "https://github.com/containers/podman/issues/19338",
        "https://github.com/containers/podman/issues/28436",
        "https://github.com/lablup/backend.ai/issues/13820",
    ],
    examine: d43,
    remedy: d43_remedy,
};

pub(super) const D48: Entry = Entry {
    id: FindingId(48),
    title: "a container asks for more locked memory than its daemon may give",
    symptoms: &[
        Symptom::of(&["error setting rlimit type 8: operation not permitted"]),
        Symptom::of(&["error setting rlimits", "type 8", "operation not permitted"]),
        Symptom::of(&["setrlimit", "RLIMIT_MEMLOCK", "operation not permitted"]),
    ],
    severity: Severity::Broken,
    cause: "`ulimit memlock=-1` raises a limit, which only a daemon with CAP_SYS_RESOURCE may do: a rootless one, or one in \
            a container, has its own limit and cannot",
    links: &["https://docs.docker.com/engine/security/rootless/"],
    examine: d48,
    remedy: d48_remedy,
};

fn d33(survey: &Survey) -> Outcome {
    let lacks = |info: &DaemonInfo| !info.runtimes.iter().any(|runtime| runtime == "nvidia");
    let has = |endpoint: &str, info: &DaemonInfo| {
        (format!("GET /info of {endpoint}"), format!("runtimes: {}", info.runtimes.join(" ")))
    };
    let asked =
        on_docker(survey).find(|(container, _, info)| container.runtime.as_deref() == Some("nvidia") && lacks(info));
    let machine =
        if let Some((container, daemon, info)) = asked {
            let (source, value) = has(&daemon.endpoint, info);
            let trace = Trace::of(format!("HostConfig.Runtime of container {}", container.name), "nvidia");
            Some(trace.and(source, value).about(&container.name))
        } else {
            // Configured, and not yet known: whoever configured it is about to use it.
            let written = survey.toolkit.daemon_json.found().filter(|text| names_runtime(text));
            written.and_then(|_| {
                let (daemon, info) = daemons(survey).find(|(daemon, info)| {
                    shares_files(survey, daemon) && !info.podman && !info.rootless() && lacks(info)
                })?;
                let (source, value) = has(&daemon.endpoint, info);
                Some(Trace::of("/etc/docker/daemon.json", "runtimes: nvidia").and(source, value).milder(
                    Severity::Risk,
                    "the runtime `nvidia` is configured, and the daemon was not restarted since",
                ))
            })
        };
    let named = |info: &DaemonInfo| info.podman || !lacks(info);
    let cured = machine.is_none()
        && daemons(survey).next().is_some()
        && daemons(survey).all(|(daemon, info)| named(info) && shares_files(survey, daemon))
        && has_program(survey, "nvidia-container-runtime");
    found_among(survey, together(machine, unless_cured(said(survey, D33.symptoms), cured)))
}

/// Whether a daemon.json names the runtime `nvidia`.
fn names_runtime(text: &str) -> bool {
    let parsed = serde_json::from_str::<serde_json::Value>(text).ok();
    parsed.is_some_and(|value| value.get("runtimes").and_then(|runtimes| runtimes.get("nvidia")).is_some())
}

fn d33_remedy(survey: &Survey) -> Remedy {
    let ground = Ground::of(survey);
    let podman = "Podman has no runtime `nvidia`: leave `runtime: nvidia` away and ask with the driver `cdi`";
    match ground.engine() {
        Engine::SnapDocker => return super::snap::out_of_the_snap(survey),
        Engine::Desktop | Engine::DesktopLinux => {
            return Remedy::new("leave `runtime: nvidia` away and ask with `--gpus`: Docker Desktop needs no runtime")
                .run("docker run --rm --gpus all ubuntu nvidia-smi");
        }
        Engine::Podman => {
            return ground.daemon(
                ground.specify(Remedy::new(podman), None),
                "podman run --rm --device nvidia.com/gpu=all ubuntu nvidia-smi",
            );
        }
        _ => {}
    }
    let remedy = Remedy::new("let the toolkit name its runtime in the daemon's configuration, and restart the daemon");
    let installed = !ground.daemon_is_elsewhere() && has_program(survey, "nvidia-container-runtime");
    let remedy = if installed { remedy } else { ground.install_toolkit(remedy) };
    let remedy = ground.restart(ground.configure(remedy));
    let remedy = ground.daemon(remedy, "docker info --format '{{range $name, $_ := .Runtimes}}{{$name}} {{end}}'");
    also(also(remedy, ground.restart_cost()), "Or leave `runtime: nvidia` away and ask with `--gpus` or CDI.")
}

fn d42(survey: &Survey) -> Outcome {
    let refused = survey.host.daemons.iter().find_map(|daemon| {
        let why = daemon.answer.open().filter(|why| D42.symptoms.iter().any(|symptom| symptom.find(why).is_some()))?;
        Some(Trace::of(format!("daemon {}", daemon.endpoint), why))
    });
    let fixed = survey.environment.get("DOCKER_API_VERSION").and_then(|wanted| {
        let (daemon, info) = daemons(survey).max_by_key(|(daemon, _)| daemon.chosen)?;
        let old = info.min_api.as_deref().and_then(|least| before(wanted, least)) == Some(true);
        let new = info.api.as_deref().and_then(|most| before(most, wanted)) == Some(true);
        let speaks =
            format!("API {} to {}", info.min_api.as_deref().unwrap_or("?"), info.api.as_deref().unwrap_or("?"));
        (old || new).then(|| {
            Trace::of("env DOCKER_API_VERSION", wanted).and(format!("GET /version of {}", daemon.endpoint), speaks)
        })
    });
    // Not wrong by itself: it explains why older programs stopped working.
    let strict = daemons(survey).find_map(|(daemon, info)| {
        let least = info.min_api.as_deref().filter(|least| before(least, "1.44") == Some(false))?;
        let source = format!("GET /version of {}", daemon.endpoint);
        let trace = Trace::of(source, format!("{}: MinAPIVersion {least}", info.version));
        Some(trace.milder(Severity::Note, "the daemon refuses programs that speak a Docker API before 1.44"))
    });
    found(together(refused.or(fixed).or(strict), said(survey, D42.symptoms)))
}

fn d42_remedy(survey: &Survey) -> Remedy {
    let ground = Ground::of(survey);
    let info = survey.daemon().and_then(|daemon| daemon.answer.found());
    if survey.environment.contains_key("DOCKER_API_VERSION") {
        return Remedy::new("let the client choose the version itself")
            .run("unset DOCKER_API_VERSION")
            .run("docker version")
            .note(
                "Nothing is interrupted. Remove the variable also from where it is set: a profile, a unit, a pipeline.",
            );
    }
    let least = info.and_then(|info| info.min_api.as_deref());
    let strict = least.is_some_and(|least| before(least, "1.44") == Some(false));
    let remedy = Remedy::new(
        "upgrade the program that is refused, or let its client negotiate the version; for the time being let the daemon \
         accept older clients",
    );
    let remedy = ground.daemon(remedy, "docker version --format '{{.Server.MinAPIVersion}} to {{.Server.APIVersion}}'");
    if !strict || ground.engine() == Engine::Podman {
        return remedy.note(
            "`too old`: upgrade the program. `too new`: set DOCKER_API_VERSION to the daemon's version for that program, \
             or upgrade the daemon.",
        );
    }
    if matches!(ground.engine(), Engine::Desktop | Engine::DesktopLinux) {
        return ground.restart(remedy).note(
            "Settings, Docker Engine: add `\"min-api-version\": \"1.24\"`, then restart; or update Docker Desktop. The \
             restart stops its containers.",
        );
    }
    let file = match ground.engine() {
        Engine::RootlessDocker => "editor ~/.config/docker/daemon.json",
        _ => "sudoedit /etc/docker/daemon.json",
    };
    let remedy = ground.restart(ground.daemon(remedy, file));
    also(
        remedy.note("In the file, add the key `\"min-api-version\": \"1.24\"`."),
        &format!("Docker 29.3 and later accept clients from 1.40 on by themselves. {}", ground.restart_cost()),
    )
}

/// Why Podman dropped what a container asks, where it did.
fn dropped(container: &ContainerFacts, info: &DaemonInfo) -> Option<Trace> {
    let source = format!("HostConfig.DeviceRequests of container {}", container.name);
    let old = before(&info.version, PODMAN_CDI) == Some(true);
    let request = container.requests.first()?;
    let driver = format!("driver {:?}", request.driver);
    match request.driver.as_str() {
        "cdi" if old => Some(Trace::of(source, driver).and("GET /version of Podman", &info.version)),
        "cdi" => None,
        _ => Some(Trace::of(source, driver)),
    }
}

fn has_gpu(nodes: &[String]) -> bool {
    nodes.iter().any(|node| node.starts_with("/dev/nvidia") || node == "/dev/dxg")
}

fn d43(survey: &Survey) -> Outcome {
    if daemons(survey).next().is_some() && daemons(survey).all(|(_, info)| !info.podman) {
        let silent = survey.host.daemons.iter().find_map(|daemon| Some((&daemon.endpoint, daemon.answer.open()?)));
        return match silent {
            Some((endpoint, why)) => Outcome::Unknown(format!("{endpoint} may be Podman: {why}")),
            None => Outcome::NotHere("no daemon here is Podman"),
        };
    }
    let looked = |container: &ContainerFacts| container.inside.as_ref().map(|nodes| has_gpu(nodes));
    let machine =
        on_podman(survey).filter(|(container, ..)| looked(container) != Some(true)).find_map(|(container, _, info)| {
            let inside = || Trace::of(format!("/dev of container {}", container.name), "no device of a GPU");
            if let Some(trace) = dropped(container, info) {
                let trace = if looked(container).is_some() {
                    trace.and(format!("/dev of container {}", container.name), "no device of a GPU")
                } else {
                    trace.only(Confidence::Likely)
                };
                return Some(trace.about(&container.name));
            }
            // Podman does not show what it dropped. The image's variable alone may also mean that nobody asked.
            looked(container)?;
            let named = container.runtime.as_deref() == Some("nvidia");
            let gpu = gpu(survey).found().cloned()?;
            let trace = inside().and(gpu.source, gpu.value).about(&container.name).only(Confidence::Possible);
            let title = "a container of Podman is made for a GPU and has none: if one was asked for, it was dropped";
            Some(if named { trace } else { trace.milder(Severity::Note, title) })
        });
    // The texts are Podman's only where Podman is.
    let said = daemons(survey).any(|(_, info)| info.podman).then(|| said(survey, D43.symptoms)).flatten();
    found_among(survey, together(machine, said))
}

fn d43_remedy(survey: &Survey) -> Remedy {
    let ground = Ground::of(survey);
    let podman = daemons(survey).map(|(_, info)| info).find(|info| info.podman);
    let old = podman.is_none_or(|info| before(&info.version, PODMAN_CDI) != Some(false));
    let remedy = Remedy::new(if old {
        "ask Podman itself for the CDI device, or upgrade to Podman 5.4 or newer and ask with the driver `cdi`"
    } else {
        "ask with the driver `cdi` and the name of a CDI device, and create the container again"
    });
    let remedy = ground.specify(remedy, None);
    let remedy = ground.daemon(remedy, "podman run --rm --device nvidia.com/gpu=all ubuntu nvidia-smi");
    also(
        remedy,
        "In a compose file: `driver: cdi` with `device_ids: [\"nvidia.com/gpu=all\"]` in place of `driver: nvidia`, and no \
         `count`. Only the container that is created again is interrupted. Look into it afterwards: a request that is \
         dropped looks like success.",
    )
}

/// Whether a container wants to lock as much memory as it likes.
fn unlimited(container: &ContainerFacts) -> bool {
    container.ulimits.get("memlock") == Some(&-1)
}

fn d48(survey: &Survey) -> Outcome {
    let machine = owned(survey).find_map(|(container, daemon, info)| {
        // A rootless Podman gives its own limit and does not fail.
        if !unlimited(container) || !info.rootless() || info.podman {
            return None;
        }
        let trace = Trace::of(format!("HostConfig.Ulimits of container {}", container.name), "memlock=-1");
        let trace = trace.and(format!("GET /info of {}", daemon.endpoint), "rootless");
        Some(trace.about(&container.name).only(Confidence::Likely))
    });
    found_among(survey, together(machine, said(survey, D48.symptoms)))
}

fn d48_remedy(survey: &Survey) -> Remedy {
    let ground = Ground::of(survey);
    let remedy = Remedy::new(
        "leave `--ulimit memlock=-1` (in a compose file `ulimits: memlock`) away, and create the container again",
    );
    let remedy = match ground.engine() {
        Engine::RootlessDocker => ground.daemon(remedy, "systemctl --user show docker --property=LimitMEMLOCK"),
        _ => ground.daemon(remedy, "grep 'Max locked' /proc/$(pidof -s dockerd)/limits"),
    };
    also(
        remedy,
        "Only the container that is created again is interrupted. Most programs run without it; where it must be, for \
         InfiniBand, the daemon itself needs it: LimitMEMLOCK=infinity in its unit, or CAP_SYS_RESOURCE.",
    )
}

#[cfg(test)]
mod tests;
