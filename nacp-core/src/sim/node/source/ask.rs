//! What a machine answers to a function of the management library: the file's value, or why there is none.

use crate::gpu::{Reading, Unknown};
use crate::sim::node::{NodeFile, Support};

/// What a function answers.
pub(super) type Answer<T> = Result<T, Unknown>;

impl NodeFile {
    /// What a function answers whose value the file may leave out.
    pub(super) fn ask<T>(&self, function: &str, value: Option<T>) -> Answer<T> {
        match self.support(function) {
            Support::Missing => Err(Unknown::TooOld),
            Support::NotSupported => Err(Unknown::NotSupported),
            Support::Answers => value.ok_or(Unknown::NotSupported),
        }
    }
}

/// The answer as a reading.
pub(super) fn reading<T>(answer: Answer<T>) -> Reading<T> {
    match answer {
        Ok(value) => Reading::Known(value),
        Err(reason) => Reading::Unknown(reason),
    }
}
