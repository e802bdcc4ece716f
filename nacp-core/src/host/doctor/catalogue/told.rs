//! What programs have said that one entry knows: containers, pods and `nvidia-smi`.

use super::facts::{ended_lines, is_past, said, said_where, shortened};
use crate::host::Survey;
use crate::host::doctor::{Entry, Symptom, Trace};
use crate::host::survey::ContainerFacts;

/// What the containers, the pods or `nvidia-smi` of this machine say with the words of this entry.
pub(super) fn told(survey: &Survey, entry: &Entry) -> Option<Trace> {
    let said = said(survey, entry.symptoms);
    let smi = || {
        let outcome = survey.toolkit.nvidia_smi.found()?;
        Some(Trace::of("nvidia-smi -L", quote(entry.symptoms, &outcome.output)?))
    };
    match said {
        // What is so now counts more than what was.
        Some(said) if said.past => Some(smi().unwrap_or(said)),
        said => said.or_else(smi),
    }
}

/// The first container that says it, one of before only where no other does, and where.
pub(super) fn by_container<'s>(survey: &'s Survey, entry: &Entry) -> Option<(&'s ContainerFacts, Trace)> {
    let saying = survey.containers.iter().filter(|container| says(container, entry));
    let container = saying.min_by_key(|container| is_past(survey, container))?;
    let trace =
        said_where(survey, entry.symptoms, |it| it.name == container.name && it.endpoint == container.endpoint)?;
    Some((container, trace))
}

/// Whether a container says it, in its error or in its last lines.
pub(super) fn says(container: &ContainerFacts, entry: &Entry) -> bool {
    let in_text = |text: &str| quote(entry.symptoms, text).is_some();
    in_text(&container.error) || ended_lines(container).iter().any(|line| in_text(line))
}

/// The part of a text in which a symptom stands, on one line.
pub(super) fn quote(symptoms: &[Symptom], text: &str) -> Option<String> {
    symptoms.iter().find_map(|symptom| symptom.find(text)).map(shortened)
}
