//! A survey and what it means.

use super::explain::explain_entry;
use super::{Diagnosis, Explanation, FindingId, diagnose, explain};
use crate::host::Survey;

/// A machine that was examined: what was read, and what is wrong.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Doctor {
    /// What was read.
    pub survey: Survey,
    /// What it means.
    pub diagnosis: Diagnosis,
}

impl Doctor {
    /// Judges what was read.
    pub fn of(survey: Survey) -> Self {
        let diagnosis = diagnose(&survey);
        Self { survey, diagnosis }
    }

    /// Explains the text of an error, on this machine.
    pub fn explain(&self, text: &str) -> Explanation {
        explain(text, &self.survey)
    }

    /// Explains an entry of the catalogue, on this machine.
    pub fn explain_entry(&self, id: FindingId) -> Explanation {
        explain_entry(id, &self.survey)
    }
}
