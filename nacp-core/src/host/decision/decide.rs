//! From what was observed to the table. Pure.

use super::cell::rounded;
use super::document::{published, rating, same_way};
use super::reach::reach;
use super::recommend::recommend;
use super::rules::{Side, measure};
use super::{Cell, Column, Criterion, Decision, Observed, Profile, Value};
use crate::host::{RuntimeOption, Standing};

/// Compares the options on what was observed. Pure: the same observation always gives the same decision.
pub fn decide(observed: &Observed) -> Decision {
    let standing = observed.survey.host.standing();
    let mut cells = Vec::with_capacity(Criterion::ALL.len() * RuntimeOption::ALL.len());
    for criterion in Criterion::ALL {
        let mut row: Vec<Cell> = RuntimeOption::ALL.map(|option| cell(observed, &standing, option, criterion)).into();
        carry(&mut row);
        cells.extend(row);
    }
    let mut decision = Decision {
        at: observed.at,
        machine: observed.survey.host.summary(),
        simulated: observed.is_simulated(),
        weights: observed.weights.clone(),
        options: Vec::new(),
        cells,
        recommendation: None,
        profile: profile(observed, &standing),
        standing,
    };
    decision.options = RuntimeOption::ALL
        .map(|option| column(&decision, option, reach(option, &decision.standing, &observed.survey)))
        .into();
    decision.recommendation = recommend(&mut decision, &observed.diagnosis);
    decision
}

fn cell(observed: &Observed, standing: &Standing, option: RuntimeOption, criterion: Criterion) -> Cell {
    let process = standing.process == Some(option);
    // What runs in a cluster runs in containers, whether or not a daemon answers here.
    let pods = option == RuntimeOption::KubernetesNode && process;
    let side = Side { option, process, containers: standing.containers == Some(option) || pods };
    let rated = rating(option, criterion);
    let (value, unmeasured) = match (measure(criterion, observed, side), &rated) {
        (Ok(measured), _) => (Value::Measured(measured), None),
        (Err(why), Ok(rated)) => (Value::Rated(rated.clone()), Some(why)),
        (Err(why), Err(unrated)) => (Value::Unknown { reason: format!("{why}; {unrated}") }, Some(why)),
    };
    Cell { option, criterion, value, rated: rated.ok(), unmeasured, published: published(option, criterion) }
}

/// What was measured on one way to the GPU holds for the other options on the same way.
fn carry(row: &mut [Cell]) {
    for place in 0..row.len() {
        if row[place].measured().is_some() {
            continue;
        }
        let same = same_way(row[place].option, row[place].criterion);
        let found = row
            .iter()
            .filter(|cell| same.contains(&cell.option))
            .find_map(|cell| Some((cell.option, cell.measured()?)));
        let Some((from, measured)) = found else { continue };
        let mut measured = measured.clone();
        measured.from = Some(measured.from.unwrap_or(from));
        row[place].value = Value::Measured(measured);
        row[place].unmeasured = None;
    }
}

fn profile(observed: &Observed, standing: &Standing) -> Option<Profile> {
    let mut profile = Profile::of(observed.report.as_ref()?);
    profile.option = standing.process;
    (!profile.devices.is_empty()).then_some(profile)
}

/// The mean of the known cells of one option, and how much of the weight they have.
fn column(decision: &Decision, option: RuntimeOption, reach: super::Reach) -> Column {
    let (mut sum, mut known, mut measured) = (0.0, 0.0, 0.0);
    for criterion in Criterion::ALL {
        let weight = decision.weights.of(criterion);
        let Some(cell) = decision.cell(option, criterion) else { continue };
        let Some(score) = cell.score() else { continue };
        sum += weight * score;
        known += weight;
        measured += cell.measured().map_or(0.0, |it| weight * it.share);
    }
    let total = decision.weights.total();
    Column {
        option,
        reach,
        score: (known > 0.0).then(|| rounded((sum / known).clamp(0.0, 1.0))),
        compared: None,
        known: rounded((known / total).clamp(0.0, 1.0)),
        measured: rounded((measured / total).clamp(0.0, 1.0)),
        rank: None,
    }
}
