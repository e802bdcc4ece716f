//! The words that every form of a decision shares.

use crate::host::RuntimeOption;
use crate::host::decision::{Cell, Column, Criterion, Decision, Reach, Value};

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

/// What a cell says in a word: a number where it was measured, with a mark where less than half of it was, the document's
/// word where it was rated.
pub(super) fn word(cell: &Cell) -> String {
    match &cell.value {
        Value::Measured(measured) => {
            let mark = if measured.share < HALF { "†" } else { "" };
            let simulated = if measured.simulated { " sim" } else { "" };
            format!("{:.2}{simulated}{mark}", measured.score)
        }
        Value::Rated(rated) => format!("({})", rated.rating),
        Value::Unknown { .. } => "?".into(),
    }
}

/// How to read the words of the cells.
pub(super) const LEGEND: &str = "0.93: measured here, 1 is best. 0.93†: less than half of the \
                                 criterion was measured. (good): rated by the founding document, not measured. \
                                 ?: unknown. compared: what the \
                                 candidates are ranked by, the mean of measurements where each candidate has one and of \
                                 the document's ratings otherwise. Means over less than half of the weight are none.";
/// What is said wherever something is simulated.
pub(super) const SIMULATED: &str =
    "Simulated: devices in it do not exist, and what is measured on them says nothing of any real one.";

/// A part of a whole in percent; none as a question mark.
pub(super) fn percent(part: f64) -> String {
    // Rounded down, so that what is less than half never reads as half.
    format!("{} %", (part * 100.0 + 1e-9).floor())
}

/// From this part of the weight on, a mean says something of an option, and a score of a criterion.
const HALF: f64 = 0.5;

/// The mean of what is known; where that is less than half of the weight, none, and what it would be of how much.
pub(super) fn mean(column: &Column) -> String {
    match column.score {
        Some(score) if column.known < HALF => format!("? ({score:.2} of {})", percent(column.known)),
        mean => score(mean),
    }
}

/// The same for a narrow column: how much is known stands in a row of its own.
pub(super) fn narrow_mean(column: &Column) -> String {
    if column.known < HALF { "?".into() } else { score(column.score) }
}

/// How much of each measured cell of an option that can be had here was measured, where it is not all.
pub(super) fn shares(decision: &Decision) -> Option<String> {
    let candidate = |option| decision.column(option).is_some_and(|column| column.reach.is_candidate());
    let mut options: Vec<String> = Vec::new();
    for option in RuntimeOption::ALL.into_iter().filter(|option| candidate(*option)) {
        let cells = Criterion::ALL.into_iter().filter_map(|criterion| decision.cell(option, criterion));
        let part = cells.filter_map(|cell| {
            let measured = cell.measured().filter(|measured| measured.share < 1.0)?;
            Some(format!("{} {}", cell.criterion, percent(measured.share)))
        });
        let parts: Vec<String> = part.collect();
        if !parts.is_empty() {
            options.push(format!("{}: {}", option, parts.join(", ")));
        }
    }
    (!options.is_empty()).then(|| format!("Of these criteria only a part was measured. {}.", options.join(". ")))
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
            format!(
                "{verb} {option}; it leads {other} by {:.2} {}.",
                recommendation.margin,
                recommendation.basis(&decision.weights)
            )
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
        ("What would raise it", recommendation.raises.clone()),
        ("What this machine lacks against native Linux", recommendation.lacks.clone()),
        ("What would change it", flips),
        ("Not known", recommendation.unknown.clone()),
    ];
    parts.into_iter().filter(|(_, lines)| !lines.is_empty()).collect()
}
