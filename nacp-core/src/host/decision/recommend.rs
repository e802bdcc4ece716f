//! Which option to take here, why, and what would change that. Pure.
//!
//! Like is compared with like: by one criterion either every candidate is measured, and the measurements are compared, or
//! the document's ratings of all of them are. A criterion that has neither for every candidate decides nothing. So a
//! measurement of the one option on which a machine stands is never held against the document's hope for another.

use serde::{Deserialize, Serialize};

use super::cell::rounded;
use super::{Cell, Criterion, Decision, Figure, Value, Weights};
use crate::host::doctor::Severity;
use crate::host::{Diagnosis, RuntimeOption};

/// Differences that are smaller are none: they are rounded.
const EQUAL: f64 = 1e-9;

/// Which option to take on this machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Recommendation {
    /// Which.
    pub option: RuntimeOption,
    /// The next best one; none where nothing else can be had here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner_up: Option<RuntimeOption>,
    /// By how much it leads, from 0 to 1, over the criteria that are compared.
    pub margin: f64,
    /// The criteria by which the candidates are compared, and on what.
    pub compared: Vec<Compared>,
    /// Why: a sentence for each deciding cell, the weightiest first.
    pub reasons: Vec<String>,
    /// What to do first, so that it works here: what it takes to have it, and what is broken.
    pub first: Vec<String>,
    /// What would raise its lowest measured scores.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub raises: Vec<String>,
    /// What this machine lacks against native Linux, by the measured parity of the option.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lacks: Vec<String>,
    /// Which single weight would change it, and to what; empty where none would.
    pub flips: Vec<Flip>,
    /// What is not known about the recommended option, and why.
    pub unknown: Vec<String>,
}

/// A criterion by which the candidates are compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Compared {
    /// Which.
    pub criterion: Criterion,
    /// Whether measurements are compared; the document's ratings otherwise.
    pub measured: bool,
    /// The score of each candidate.
    pub scores: Vec<(RuntimeOption, f64)>,
}

/// A weight that would change the recommendation, all others as they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Flip {
    /// Whose weight.
    pub criterion: Criterion,
    /// What it is.
    pub from: f64,
    /// Beyond which value another option leads: above it where it is more than `from`, below it otherwise.
    pub beyond: f64,
    /// Which option then leads.
    pub option: RuntimeOption,
}

/// Ranks the candidates of a decision and recommends the first; none where there is no candidate.
pub(super) fn recommend(decision: &mut Decision, diagnosis: &Diagnosis) -> Option<Recommendation> {
    let candidates: Vec<RuntimeOption> =
        decision.options.iter().filter(|column| column.reach.is_candidate()).map(|column| column.option).collect();
    let compared = compared(decision, &candidates);
    let total = |option| total(decision, &compared, option);
    let mut ranked = candidates;
    ranked.sort_by(|one, other| {
        let (a, b) = (total(*one), total(*other));
        b.total_cmp(&a).then_with(|| place(decision, *one).cmp(&place(decision, *other)))
    });
    let (&option, others) = ranked.split_first()?;
    let runner_up = others.first().copied();
    let margin = runner_up.map_or(0.0, |other| rounded((total(option) - total(other)).max(0.0)));
    let known = compared.iter().any(|row| decision.weights.of(row.criterion) > 0.0);
    let scores: Vec<f64> = ranked.iter().map(|option| total(*option)).collect();
    let recommendation = Recommendation {
        option,
        runner_up,
        margin,
        reasons: reasons(decision, &compared, option, runner_up),
        first: first(decision, diagnosis, option),
        raises: raises(decision, option),
        lacks: lacks(decision, option),
        flips: flips(decision, &compared, option, others),
        unknown: unknown(decision, option),
        compared,
    };
    for ((rank, option), score) in (1..).zip(&ranked).zip(scores) {
        if let Some(column) = decision.options.iter_mut().find(|column| column.option == *option) {
            column.rank = Some(rank);
            column.compared = known.then_some(score);
        }
    }
    Some(recommendation)
}

/// Where two lead alike, one stays where one is, containers before processes, and then in the order of the document.
fn place(decision: &Decision, option: RuntimeOption) -> (bool, bool, RuntimeOption) {
    (decision.standing.containers != Some(option), decision.standing.process != Some(option), option)
}

fn compared(decision: &Decision, candidates: &[RuntimeOption]) -> Vec<Compared> {
    let all = |criterion, score: &dyn Fn(&Cell) -> Option<f64>| -> Option<Vec<(RuntimeOption, f64)>> {
        candidates.iter().map(|option| Some((*option, score(decision.cell(*option, criterion)?)?))).collect()
    };
    let rows = Criterion::ALL.into_iter().filter_map(|criterion| {
        let measured = all(criterion, &|cell| Some(cell.measured()?.score));
        let is_measured = measured.is_some();
        let scores = measured.or_else(|| all(criterion, &|cell| Some(cell.rated.as_ref()?.rating.score())))?;
        Some(Compared { criterion, measured: is_measured, scores })
    });
    rows.collect()
}

impl Compared {
    /// The score of a candidate.
    pub fn score(&self, option: RuntimeOption) -> Option<f64> {
        self.scores.iter().find(|(of, _)| *of == option).map(|(_, score)| *score)
    }
}

impl Recommendation {
    /// On what the candidates are compared, in half a sentence.
    pub(super) fn basis(&self, weights: &Weights) -> String {
        let rows = || self.compared.iter().filter(|row| weights.of(row.criterion) > 0.0);
        match (rows().filter(|row| row.measured).count(), rows().count()) {
            (_, 0) => "on nothing that counts".into(),
            (0, _) => "on the document's ratings, since no criterion is measured for each of them".into(),
            (measured, all) if measured == all => "on measurements".into(),
            (measured, all) => {
                format!("on measurements by {measured} criteria and the document's ratings by {}", all - measured)
            }
        }
    }
}

fn total(decision: &Decision, compared: &[Compared], option: RuntimeOption) -> f64 {
    let weight: f64 = compared.iter().map(|row| decision.weights.of(row.criterion)).sum();
    let sum: f64 =
        compared.iter().map(|row| decision.weights.of(row.criterion) * row.score(option).unwrap_or(0.0)).sum();
    // Rounded, so that the order of two sums is that of the numbers that are shown.
    if weight > 0.0 { rounded(sum / weight) } else { 0.0 }
}

fn reasons(
    decision: &Decision,
    compared: &[Compared],
    option: RuntimeOption,
    runner_up: Option<RuntimeOption>,
) -> Vec<String> {
    let Some(other) = runner_up else {
        let mut reasons = vec![format!("this machine stands on {option}, and no other option can be had on it")];
        let cells = Criterion::ALL.into_iter().filter_map(|criterion| decision.cell(option, criterion));
        reasons.extend(cells.filter_map(|cell| Some(format!("{}: {}", cell.criterion, told(cell)?))));
        return reasons;
    };
    let lead = |row: &Compared| {
        let difference = row.score(option).unwrap_or(0.0) - row.score(other).unwrap_or(0.0);
        difference * decision.weights.of(row.criterion)
    };
    let mut rows: Vec<(&Compared, f64)> = compared.iter().map(|row| (row, lead(row))).collect();
    rows.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
    let mut reasons = Vec::new();
    for (row, lead) in rows.into_iter().filter(|(_, lead)| lead.abs() > EQUAL) {
        let (a, b) = (row.score(option).unwrap_or(0.0), row.score(other).unwrap_or(0.0));
        let word = if row.measured { "measured" } else { "rated, not measured" };
        let side = if lead > 0.0 { "for it" } else { "against it" };
        let (of, against) = (why(decision, row, option), why(decision, row, other));
        let criterion = row.criterion;
        reasons
            .push(format!("{criterion}, {side}, {word}: {a:.2} against {b:.2} of {other}: {of}; {other}: {against}"));
    }
    if reasons.is_empty() {
        let why = alike(decision, compared);
        reasons.push(format!("{why}; this machine stands on {option}, and moving has a price"));
    }
    let shared = compared.iter().filter(|row| {
        let shares = |cell: &Cell| cell.rated.as_ref().is_some_and(|rated| rated.shared_with.contains(&other));
        decision.cell(option, row.criterion).is_some_and(shares)
    });
    let shared: Vec<&str> = shared.map(|row| row.criterion.title()).collect();
    if !shared.is_empty() {
        reasons.push(format!("{} decide nothing between it and {other}: both are on /dev/dxg", shared.join(" and ")));
    }
    reasons
}

/// By what the candidates are alike, and how much that is not.
fn alike(decision: &Decision, compared: &[Compared]) -> String {
    let counts = |criterion: &Criterion| decision.weights.of(*criterion) > 0.0;
    let known: Vec<&str> = compared.iter().map(|row| row.criterion).filter(counts).map(Criterion::title).collect();
    let all = Criterion::ALL.iter().filter(|criterion| counts(criterion)).count();
    match (known.as_slice(), all - known.len()) {
        ([], _) => "no criterion that counts is known of every candidate".into(),
        (known, 0) => format!("the candidates are alike by {}, which is all that counts", known.join(", ")),
        (known, unknown) => format!(
            "the candidates are alike by {}; the other {unknown} of {all} criteria are not known of each of them",
            known.join(", ")
        ),
    }
}

/// The reason of a cell on the basis on which it is compared. A measurement that is passed over is told.
fn why(decision: &Decision, row: &Compared, option: RuntimeOption) -> String {
    let Some(cell) = decision.cell(option, row.criterion) else { return String::new() };
    match (&cell.rated, row.measured) {
        (Some(rated), false) => match cell.measured() {
            Some(measured) => format!(
                "{} (measured here {:.2}{}, not compared since the other was not measured)",
                rated.reason,
                measured.score,
                if measured.simulated { ", simulated" } else { "" }
            ),
            None => rated.reason.clone(),
        },
        _ => told(cell).unwrap_or_default(),
    }
}

/// What a cell says in half a sentence; none where it says nothing.
fn told(cell: &Cell) -> Option<String> {
    match &cell.value {
        Value::Measured(measured) => {
            let simulated = if measured.simulated { " (simulated)" } else { "" };
            let lacks = match measured.lacks.as_slice() {
                // Those have a heading of their own.
                _ if cell.criterion == Criterion::Parity => String::new(),
                [] => String::new(),
                [one] => format!("; lacks {one}"),
                [one, rest @ ..] => format!("; lacks {one}, and {} more", rest.len()),
            };
            Some(format!("measured {:.2}{simulated}{lacks}", measured.score))
        }
        Value::Rated(rated) => Some(format!("rated {}, not measured: {}", rated.rating, rated.reason)),
        Value::Unknown { .. } => None,
    }
}

/// What it takes to have it, and what is broken here.
fn first(decision: &Decision, diagnosis: &Diagnosis, option: RuntimeOption) -> Vec<String> {
    let mut first = Vec::new();
    if let Some(super::Reach::Within { takes }) = decision.column(option).map(|column| &column.reach) {
        first.push(takes.clone());
    }
    for finding in diagnosis.findings.iter().filter(|finding| finding.severity == Severity::Broken) {
        let mend =
            if finding.remedy.summary.is_empty() { String::new() } else { format!(": {}", finding.remedy.summary) };
        first.push(format!("{}, {}{mend}", finding.id, finding.title));
    }
    first
}

/// What would raise the measured scores of an option that are low.
fn raises(decision: &Decision, option: RuntimeOption) -> Vec<String> {
    let mut raises = Vec::new();
    for cell in decision.cells.iter().filter(|cell| cell.option == option) {
        // What a way to the GPU lacks against native Linux cannot be mended on it.
        let mendable = cell.criterion != Criterion::Parity;
        let Some(measured) = cell.measured().filter(|measured| mendable && measured.score < 0.5) else { continue };
        let lacks = measured.lacks.first().cloned();
        let what = lacks.or_else(|| worst(&measured.figures)).map(|what| format!(": {what}")).unwrap_or_default();
        raises.push(format!("{} measures {:.2}{what}", cell.criterion, measured.score));
    }
    raises
}

/// What native Linux has and this machine has not; empty where the option was not measured.
fn lacks(decision: &Decision, option: RuntimeOption) -> Vec<String> {
    let parity = decision.cell(option, Criterion::Parity).and_then(Cell::measured);
    parity.map(|measured| measured.lacks.clone()).unwrap_or_default()
}

/// The figure with the lowest score, and how that came about.
fn worst(figures: &[Figure]) -> Option<String> {
    let judged = figures.iter().filter_map(|figure| Some((figure, figure.score?)));
    let (figure, _) = judged.min_by(|a, b| a.1.total_cmp(&b.1))?;
    Some(format!("{}, {}", figure.name, figure.rule))
}

fn unknown(decision: &Decision, option: RuntimeOption) -> Vec<String> {
    let cells = decision.cells.iter().filter(|cell| cell.option == option);
    let told = cells.filter_map(|cell| match (&cell.value, &cell.unmeasured) {
        (Value::Unknown { reason }, _) => Some(format!("{}: {reason}", cell.criterion)),
        (_, Some(why)) => Some(format!("{} was not measured: {why}", cell.criterion)),
        (Value::Measured(measured), None) => {
            let missing = &measured.missing;
            (!missing.is_empty()).then(|| format!("{}, in part: {}", cell.criterion, missing.join("; ")))
        }
        _ => None,
    });
    told.collect()
}

/// For each criterion, the nearest weight at which another candidate leads, all other weights as they are.
fn flips(decision: &Decision, compared: &[Compared], option: RuntimeOption, others: &[RuntimeOption]) -> Vec<Flip> {
    let weight = |row: &Compared| decision.weights.of(row.criterion);
    let difference = |row: &Compared, other| row.score(option).unwrap_or(0.0) - row.score(other).unwrap_or(0.0);
    let mut flips = Vec::new();
    for row in compared {
        let from = weight(row);
        let mut nearest: Option<Flip> = None;
        for other in others {
            let by_this = difference(row, *other);
            let lead: f64 = compared.iter().map(|row| weight(row) * difference(row, *other)).sum();
            let rest = lead - from * by_this;
            if by_this.abs() <= EQUAL {
                continue;
            }
            let beyond = -rest / by_this;
            // More of what speaks against it, or less of what speaks for it; a weight is 0 at least.
            let flips = if by_this < 0.0 { beyond >= from - EQUAL } else { beyond > EQUAL && beyond <= from + EQUAL };
            let flip = Flip { criterion: row.criterion, from, beyond: rounded(beyond), option: *other };
            let distance = |flip: &Flip| (flip.beyond - flip.from).abs();
            if flips && nearest.as_ref().is_none_or(|known| distance(&flip) < distance(known)) {
                nearest = Some(flip);
            }
        }
        flips.extend(nearest);
    }
    flips.sort_by(|a, b| (a.beyond - a.from).abs().total_cmp(&(b.beyond - b.from).abs()));
    flips
}

impl std::fmt::Display for Flip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let side = if self.beyond > self.from { "above" } else { "below" };
        write!(
            f,
            "a weight of {} {side} {:.2} (now {:.2}) makes it {}",
            self.criterion, self.beyond, self.from, self.option
        )
    }
}
