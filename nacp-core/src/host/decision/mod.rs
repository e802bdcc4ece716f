//! The founding decision, made executable: options by criteria, measured where it can be, rated where it cannot.
//!
//! The founding document compared Windows with Docker Desktop (option A) and WSL2 with Docker and NVIDIA's toolkit
//! (option B) by seven [criteria](Criterion), and chose B on architecture. It did not measure. Here the same table is
//! data: each [`Cell`] is [measured](Value::Measured) on this machine with its figures, its evidence and the rule of its
//! score; or [rated](Value::Rated) as the document rates it, which is no measurement; or [unknown](Value::Unknown) with
//! the reason. What others have [published](Published) stands beside a cell and never counts.
//!
//! [`Evaluation`] gathers, [`decide`] is pure. The [`Recommendation`] compares like with like: measurements where every
//! candidate is measured, the document's ratings otherwise. The containers of A and B and the processes of WSL2 are on
//! one way to the GPU, so what is measured on one of them by [throughput](Criterion::Throughput) and
//! [overhead](Criterion::Overhead) holds for all three.
//!
//! ```no_run
//! use nacp_core::host;
//!
//! let decision = host::evaluate();
//! println!("{decision}");
//! if let Some(recommendation) = &decision.recommendation {
//!     println!("{}: {}", recommendation.option, recommendation.reasons.join("\n"));
//! }
//! ```

mod cell;
mod compare;
mod criterion;
mod decide;
mod document;
mod evaluation;
mod image;
mod observed;
mod profile;
mod reach;
mod recommend;
mod rules;
mod runner;
mod show;
mod weights;

#[cfg(test)]
mod tests;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use cell::{Cell, Figure, Measured, Published, Rated, Rating, Value};
pub use compare::{Change, DecisionComparison};
pub use criterion::Criterion;
pub use decide::decide;
pub use evaluation::{Evaluation, Progress, evaluate};
pub use image::{ImageRun, ImageRuns, Offer, RunOutcome, Way, offers};
pub use observed::{Observed, Pins};
pub use profile::Profile;
pub use reach::Reach;
pub use recommend::{Compared, Flip, Recommendation};
pub use runner::{DaemonRunner, Runner, Trial};
pub use weights::Weights;

use super::{RuntimeOption, Standing};

/// The table: every option by every criterion, and which one to take here.
///
/// `Display` is a table for a terminal of 100 columns, or of as many as the width says: `{decision:140}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Decision {
    /// When it was made.
    pub at: Timestamp,
    /// Where the machine stands, in one line.
    pub machine: String,
    /// Whether something measured is simulated: then it says nothing of any real device.
    pub simulated: bool,
    /// On which options this machine stands.
    pub standing: Standing,
    /// How much each criterion counted.
    pub weights: Weights,
    /// The options, in order, each with its mean over what is known.
    pub options: Vec<Column>,
    /// The cells, criterion by criterion, in the order of the options.
    pub cells: Vec<Cell>,
    /// Which option to take here; none where no option can be had on this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recommendation: Option<Recommendation>,
    /// What was measured of the GPUs, to be the [reference](Evaluation::reference) of another run; none where nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
}

/// One option as a whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Column {
    /// Which.
    pub option: RuntimeOption,
    /// Whether it can be had on this machine.
    pub reach: Reach,
    /// The mean of its known cells by their weights, from 0 to 1; none where no cell that counts is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// Which part of the weight is on cells that are measured or rated.
    pub known: f64,
    /// The mean of the scores on which the candidates are [compared](Recommendation::compared): the difference between two
    /// of them is the lead of the one over the other. None where it is no candidate, or nothing can be compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compared: Option<f64>,
    /// Which part of the weight is measured: that of each measured cell by its [share](Measured::share).
    pub measured: f64,
    /// Its place among the candidates, from 1; none where it is no candidate here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<u32>,
}

impl Decision {
    /// The cell of an option by a criterion; every option has one by every criterion.
    pub fn cell(&self, option: RuntimeOption, criterion: Criterion) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.option == option && cell.criterion == criterion)
    }

    /// An option as a whole.
    pub fn column(&self, option: RuntimeOption) -> Option<&Column> {
        self.options.iter().find(|column| column.option == option)
    }

    /// What is different from an earlier decision.
    pub fn compare(&self, earlier: &Self) -> DecisionComparison {
        compare::compare(earlier, self)
    }

    /// The decision as JSON, indented. Fields keep their names and meanings; new ones may come.
    pub fn to_json(&self) -> String {
        // Its keys are text and its numbers are finite: there is nothing that JSON cannot say.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// The decision as Markdown: the document's table with numbers, the recommendation, and each measured cell.
    pub fn markdown(&self) -> String {
        show::markdown(self)
    }

    /// The decision as a page of HTML with one picture. It needs no other file and runs no script.
    pub fn html(&self) -> String {
        show::html(self)
    }
}
