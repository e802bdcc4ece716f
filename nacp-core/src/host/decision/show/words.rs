//! The words that every form of a decision shares.

use crate::host::RuntimeOption;
use crate::host::decision::{Cell, Decision, Reach, Value};

/// A heading that fits above a column.
pub(super) const fn short(option: RuntimeOption) -> &'static str {
    match option {
        RuntimeOption::AProcess => "A process",
        RuntimeOption::AContainer => "A contain.",
        RuntimeOption::BProcess => "B process",
        RuntimeOption::BContainer => "B contain.",
        RuntimeOption::NativeLinux => "Linux",
        RuntimeOption::KubernetesNode => "Kubernetes",
        RuntimeOption::CloudVm => "cloud VM",
    }
}

/// What a cell says in a word: a number where it was measured, the document's word where it was rated.
pub(super) fn word(cell: &Cell) -> String {
    match &cell.value {
        Value::Measured(measured) if measured.simulated => format!("{:.2} sim", measured.score),
        Value::Measured(measured) => format!("{:.2}", measured.score),
        Value::Rated(rated) => format!("({})", rated.rating),
        Value::Unknown { .. } => "?".into(),
    }
}

/// How to read the words of the cells.
pub(super) const LEGEND: &str = "0.93: measured here, 1 is best. (good): rated by the founding document, not measured. \
                                 ?: unknown.";
/// What is said wherever something is simulated.
pub(super) const SIMULATED: &str =
    "Simulated: devices in it do not exist, and what is measured on them says nothing of any real one.";

/// A part of a whole in percent; none as a question mark.
pub(super) fn percent(part: f64) -> String {
    format!("{:.0} %", part * 100.0)
}

pub(super) fn score(score: Option<f64>) -> String {
    score.map_or_else(|| "?".into(), |score| format!("{score:.2}"))
}

/// Whether an option is where the machine stands, can be had on it, or neither.
pub(super) const fn reach(reach: &Reach) -> &'static str {
    match reach {
        Reach::Here => "here",
        Reach::Within { .. } => "can be had",
        Reach::Elsewhere { .. } => "elsewhere",
    }
}

/// The recommendation in a sentence.
pub(super) fn headline(decision: &Decision) -> String {
    let Some(recommendation) = &decision.recommendation else {
        return "No recommendation: none of the options can be had on this machine.".into();
    };
    let option = recommendation.option;
    let standing = &decision.standing;
    let stays =
        standing.containers == Some(option) || (standing.containers.is_none() && standing.process == Some(option));
    let verb = if stays { "Stay on" } else { "Take" };
    match recommendation.runner_up {
        Some(other) if recommendation.margin > 0.0 => {
            format!("{verb} {option}; it leads {other} by {:.2}.", recommendation.margin)
        }
        Some(other) => format!("{verb} {option}; {other} is as good by what is known."),
        None => format!("{verb} {option}; no other option can be had on this machine."),
    }
}

/// The parts of a recommendation, each with its heading.
pub(super) fn parts(decision: &Decision) -> Vec<(&'static str, Vec<String>)> {
    let Some(recommendation) = &decision.recommendation else { return Vec::new() };
    let flips = if recommendation.runner_up.is_none() {
        Vec::new()
    } else if recommendation.flips.is_empty() {
        vec!["no single weight changes it".into()]
    } else {
        recommendation.flips.iter().map(ToString::to_string).collect()
    };
    let parts = [
        ("Why", recommendation.reasons.clone()),
        ("To do first", recommendation.first.clone()),
        ("What would change it", flips),
        ("Not known", recommendation.unknown.clone()),
    ];
    parts.into_iter().filter(|(_, lines)| !lines.is_empty()).collect()
}
