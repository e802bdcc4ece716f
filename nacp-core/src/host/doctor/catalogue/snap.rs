//! Docker as a snap.

use super::facts::{daemons, found, gpu, said};
use super::ground::{Ground, also};
use crate::host::doctor::{Entry, FindingId, Outcome, Remedy, Severity, Symptom, Trace};
use crate::host::{Confidence, Survey};

pub(super) const D29: Entry = Entry {
    id: FindingId(29),
    title: "Docker is a snap, whose daemon sees neither the toolkit nor the driver's libraries",
    symptoms: &[
        Symptom::of(&["/snap/docker/", "nvidia"]),
        Symptom::of(&["nvidia", "/snap/docker/"]),
        Symptom::of(&["snap.docker.dockerd", "nvidia"]),
    ],
    severity: Severity::Broken,
    cause: "a snap is confined: its daemon does not see /usr/bin with the toolkit's hook, nor the libraries of the driver",
    links: &[
        "https://github.com/NVIDIA/nvidia-docker/issues/1637",
        "https://github.com/NVIDIA/nvidia-docker/issues/1311",
        "https://github.com/NVIDIA/nvidia-docker/issues/1711",
    ],
    examine: d29,
    remedy: out_of_the_snap,
};

fn d29(survey: &Survey) -> Outcome {
    let rooted = daemons(survey).find_map(|(daemon, info)| {
        let root = info.root_dir.as_deref().filter(|root| root.starts_with("/var/snap/"))?;
        Some((Trace::of(format!("GET /info DockerRootDir of {}", daemon.endpoint), root), &daemon.endpoint))
    });
    let program = survey.toolkit.docker_program.found().filter(|path| path.starts_with("/snap/"));
    let trace = match (rooted, program) {
        (Some((trace, endpoint)), _) => {
            let asks = survey.containers.iter().find(|container| container.endpoint == *endpoint);
            asks.map_or(trace.clone(), |container| trace.about(&container.name))
        }
        // The command may be the snap's and talk to another daemon, which answers for itself.
        (None, Some(path)) if daemons(survey).next().is_none() => {
            Trace::of(path, "is the command docker").only(Confidence::Likely)
        }
        _ => return found(said(survey, D29.symptoms)),
    };
    let wanted = trace.subject.is_some();
    match gpu(survey).found() {
        Some(gpu) if wanted => Outcome::Found(trace.and(&gpu.source, &gpu.value)),
        Some(gpu) => Outcome::Found(
            trace
                .and(&gpu.source, &gpu.value)
                .milder(Severity::Risk, "Docker is a snap: its containers will not get the GPU that is here"),
        ),
        None if wanted => Outcome::Found(trace.only(Confidence::Likely)),
        None => Outcome::Clear,
    }
}

/// Docker Engine from Docker's own packages in place of the snap.
pub(super) fn out_of_the_snap(survey: &Survey) -> Remedy {
    let ground = Ground::of(survey);
    let remedy = Remedy::new("replace the snap by Docker's own packages, and install NVIDIA Container Toolkit");
    let remedy = ground.daemon(remedy, "sudo snap save docker");
    let remedy = ground.daemon(remedy, "sudo snap remove docker");
    let remedy = ground.daemon(remedy, "curl -fsSL https://get.docker.com | sudo sh");
    let remedy = ground.install_toolkit(remedy);
    let remedy = ground.daemon(remedy, "sudo nvidia-ctk runtime configure --runtime=docker");
    let remedy = ground.daemon(remedy, "sudo systemctl restart docker");
    also(
        remedy,
        "Removing the snap stops and removes its containers, images and volumes; `snap save` keeps a copy of its data. \
         Push or export what you need before.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Seen;
    use crate::host::doctor::catalogue::bench;

    #[test]
    fn a_confined_daemon_is_found_where_somebody_can_miss_the_gpu() {
        let mut survey = bench::machine();
        assert_eq!(d29(&survey), Outcome::Clear);
        bench::info(&mut survey).root_dir = Some("/var/snap/docker/common/var-lib-docker".into());
        let Outcome::Found(trace) = d29(&survey) else { panic!("{:?}", d29(&survey)) };
        assert_eq!(trace.milder.map(|milder| milder.0), Some(Severity::Risk));
        survey.containers = vec![bench::asking("")];
        let Outcome::Found(trace) = d29(&survey) else { panic!("{:?}", d29(&survey)) };
        assert_eq!((trace.subject.as_deref(), trace.milder), (Some("llm"), None));
    }

    #[test]
    fn a_snap_on_a_machine_without_a_gpu_is_nobodys_trouble() {
        let mut survey = bench::bare();
        survey.toolkit.docker_program = Seen::Found("/snap/bin/docker".into());
        assert_eq!(d29(&survey), Outcome::Clear);
        // Nor is the snap's command that talks to Docker's own daemon.
        let mut survey = bench::machine();
        survey.toolkit.docker_program = Seen::Found("/snap/bin/docker".into());
        assert_eq!(d29(&survey), Outcome::Clear);
        survey.host.daemons.clear();
        assert!(matches!(d29(&survey), Outcome::Found(_)));
    }
}
