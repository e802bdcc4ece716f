//! What programs have said: the errors of containers and of pods, and the last lines of what failed.

use super::super::{Entry, Symptom, Trace};
use crate::host::Survey;
use crate::host::survey::ContainerFacts;

/// As much of an error as a reader takes in; a longer one has its end left out.
const QUOTE: usize = 300;

/// The first program of this machine that says this in its error or in its last lines, as what a finding rests on.
pub(super) fn told(survey: &Survey, entry: &Entry) -> Option<Trace> {
    by_container(survey, entry)
        .map(|(container, trace)| trace.about(&container.name))
        .or_else(|| by_smi(survey, entry))
        .or_else(|| by_kubernetes(survey, entry))
}

/// The first container that says it, and where.
pub(super) fn by_container<'s>(survey: &'s Survey, entry: &Entry) -> Option<(&'s ContainerFacts, Trace)> {
    survey.containers.iter().find_map(|container| Some((container, in_container(container, entry)?)))
}

/// What this container says of it.
pub(super) fn in_container(container: &ContainerFacts, entry: &Entry) -> Option<Trace> {
    let log = container.log.join("\n");
    let places = [("error", container.error.as_str()), ("log", log.as_str())];
    places.into_iter().find_map(|(place, text)| {
        let quote = quote(entry.symptoms, text)?;
        Some(Trace::of(format!("container {} {place}", container.name), quote))
    })
}

/// What `nvidia-smi` says of it.
fn by_smi(survey: &Survey, entry: &Entry) -> Option<Trace> {
    let outcome = survey.toolkit.nvidia_smi.found()?;
    Some(Trace::of("nvidia-smi", quote(entry.symptoms, &outcome.output)?))
}

/// What Kubernetes says of a pod.
pub(super) fn by_kubernetes(survey: &Survey, entry: &Entry) -> Option<Trace> {
    let said = survey.kubernetes.messages.iter().find_map(|message| quote(entry.symptoms, message))?;
    Some(Trace::of("kubernetes message", said))
}

/// The lines of a text in which a symptom stands, shortened.
pub(super) fn quote(symptoms: &[Symptom], text: &str) -> Option<String> {
    let found = symptoms.iter().find_map(|symptom| symptom.find(text))?;
    let one = found.split_whitespace().collect::<Vec<_>>().join(" ");
    if one.len() <= QUOTE {
        return Some(one);
    }
    Some(format!("{}…", &one[..one.floor_char_boundary(QUOTE)]))
}
