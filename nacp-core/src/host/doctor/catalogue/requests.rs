//! What a container asks of its daemon, and what the daemon can give.

use crate::host::Survey;
use crate::host::doctor::{Entry, FindingId, Outcome, Remedy, Severity, Symptom, Trace};

pub(super) const D01: Entry = Entry {
    id: FindingId(1),
    title: "the daemon does not know how to give a container a GPU",
    symptoms: &[Symptom::of(&["could not select device driver \"\" with capabilities: [[gpu"])],
    severity: Severity::Broken,
    cause: "neither the toolkit's hook nor a CDI specification was there when the daemon started: it registers its device \
            drivers once, at its start",
    links: &[
        "https://github.com/NVIDIA/nvidia-docker/issues/1034",
        "https://github.com/NVIDIA/nvidia-docker/issues/1243",
    ],
    examine: d01,
    remedy: d01_remedy,
};

fn d01(survey: &Survey) -> Outcome {
    let Some(container) = survey.containers.iter().find(|it| D01.symptoms[0].find(&it.error).is_some()) else {
        return Outcome::Clear;
    };
    Outcome::Found(Trace::of("container's error", &container.error).about(&container.name))
}

fn d01_remedy(_: &Survey) -> Remedy {
    Remedy::new("install NVIDIA Container Toolkit, let it configure the daemon, and restart the daemon")
        .run("sudo nvidia-ctk runtime configure --runtime=docker")
        .run("sudo systemctl restart docker")
}
