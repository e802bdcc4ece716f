//! What is broken, how it is known, and the command that mends it.
//!
//! The doctor's [catalogue](CATALOGUE) has the known failures of GPUs in containers, each with the words that a user
//! sees, a rule that looks for it in a [`Survey`], its cause, and how it is mended on the layers where this machine
//! stands. [`diagnose`] is pure; [`explain`] goes the other way, from an error's text to what it means here.

mod catalogue;
mod explain;
mod finding;
mod remedy;
mod render;
mod symptom;
mod whole;

pub use catalogue::CATALOGUE;
pub use explain::{ErrorFamily, ErrorNumber, Explanation, Match, explain};
pub use finding::{Diagnosis, Examined, Finding, FindingId, Outcome, Severity, Trace, Verdict};
pub use remedy::{Command, Remedy};
pub use symptom::Symptom;
pub use whole::Doctor;

use super::Survey;

/// One known failure.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Entry {
    /// Its stable name, such as `D01`.
    pub id: FindingId,
    /// What is wrong, in one line.
    pub title: &'static str,
    /// The texts in which users meet it; any of them.
    pub symptoms: &'static [Symptom],
    /// How bad it is.
    pub severity: Severity,
    /// Why it happens.
    pub cause: &'static str,
    /// Where it was reported and explained.
    pub links: &'static [&'static str],
    /// The rule that looks for it.
    pub(super) examine: fn(&Survey) -> Outcome,
    /// How it is mended on this machine.
    pub(super) remedy: fn(&Survey) -> Remedy,
}

impl Entry {
    /// Looks for it on a machine. Pure.
    pub fn look(&self, survey: &Survey) -> Outcome {
        (self.examine)(survey)
    }

    /// How it is mended on a machine, whether the machine has it or not. Pure.
    pub fn remedy_on(&self, survey: &Survey) -> Remedy {
        (self.remedy)(survey)
    }
}

/// Holds a machine against the whole catalogue. Pure: the same survey always gives the same findings, in the order of
/// their severity.
pub fn diagnose(survey: &Survey) -> Diagnosis {
    let mut diagnosis = Diagnosis::of(survey);
    for entry in CATALOGUE {
        diagnosis.add(entry, (entry.examine)(survey), survey);
    }
    diagnosis.finish();
    diagnosis
}
