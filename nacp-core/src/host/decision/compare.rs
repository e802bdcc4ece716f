//! What two decisions differ in.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Cell, Criterion, Decision, Value};
use crate::host::RuntimeOption;

/// What is different between two decisions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DecisionComparison {
    /// What was recommended before and after, where that is not the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recommended: Option<(Option<RuntimeOption>, Option<RuntimeOption>)>,
    /// The cells that say something else, the largest difference first.
    pub changes: Vec<Change>,
}

/// One cell that says something else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Change {
    /// Which option.
    pub option: RuntimeOption,
    /// By which criterion.
    pub criterion: Criterion,
    /// What it said: `measured 0.93`, `rated good`, `unknown`.
    pub before: String,
    /// What it says.
    pub after: String,
    /// The later score less the earlier one, where both are measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub difference: Option<f64>,
}

pub(super) fn compare(earlier: &Decision, later: &Decision) -> DecisionComparison {
    let chosen = |decision: &Decision| decision.recommendation.as_ref().map(|it| it.option);
    let recommended = (chosen(earlier), chosen(later));
    let mut changes: Vec<Change> = Vec::new();
    for cell in &later.cells {
        let Some(before) = earlier.cell(cell.option, cell.criterion) else { continue };
        let (was, is) = (words(before), words(cell));
        if was == is {
            continue;
        }
        let difference = before.measured().zip(cell.measured()).map(|(was, is)| is.score - was.score);
        changes.push(Change { option: cell.option, criterion: cell.criterion, before: was, after: is, difference });
    }
    let size = |change: &Change| change.difference.map_or(f64::INFINITY, f64::abs);
    changes.sort_by(|a, b| size(b).total_cmp(&size(a)));
    DecisionComparison { recommended: (recommended.0 != recommended.1).then_some(recommended), changes }
}

fn words(cell: &Cell) -> String {
    match &cell.value {
        Value::Measured(measured) => {
            let simulated = if measured.simulated { " (simulated)" } else { "" };
            format!("measured {:.2}{simulated}", measured.score)
        }
        Value::Rated(rated) => format!("rated {}", rated.rating),
        Value::Unknown { .. } => "unknown".into(),
    }
}

impl fmt::Display for DecisionComparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((before, after)) = self.recommended {
            let name = |option: Option<RuntimeOption>| option.map_or("nothing", RuntimeOption::title);
            writeln!(f, "recommended: {}, before {}", name(after), name(before))?;
        }
        for change in &self.changes {
            let Change { option, criterion, before, after, .. } = change;
            writeln!(f, "{option}, {criterion}: {after}, before {before}")?;
        }
        if self.recommended.is_none() && self.changes.is_empty() {
            writeln!(f, "no difference")?;
        }
        Ok(())
    }
}
