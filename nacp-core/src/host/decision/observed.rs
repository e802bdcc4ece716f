//! Everything that the comparison is computed from.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ImageRuns, Profile, Weights};
use crate::cuda::check::Report;
use crate::host::doctor::diagnose;
use crate::host::{Diagnosis, Lock, Survey};

/// Everything that the comparison is computed from, as data: two that are equal give equal decisions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Observed {
    /// What was read about the machine.
    pub survey: Survey,
    /// What the doctor made of it.
    pub diagnosis: Diagnosis,
    /// What the checks of CUDA found; none where none was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Report>,
    /// What was measured on native Linux with the same GPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Profile>,
    /// What running an image gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageRuns>,
    /// How much of what runs is pinned; what a lock of the machine could hold now where no lock was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pins: Option<Pins>,
    /// How much each criterion counts.
    pub weights: Weights,
    /// When.
    pub at: Timestamp,
}

/// How much of what runs on a machine is pinned, so that it can be run again as it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pins {
    /// Images that are named by their digest.
    pub pinned: u32,
    /// All images.
    pub total: u32,
    /// Which part of what a lock can hold is held: 1 is all.
    pub lock_complete: f64,
}

impl Pins {
    /// What a lock holds: the services whose image has a digest, of all, and its completeness.
    pub fn of(lock: &Lock) -> Self {
        let pinned = lock.services.values().filter(|service| service.digest.known().is_some()).count();
        let lock_complete = lock.completeness().fraction();
        Self { pinned: count(pinned), total: count(lock.services.len()), lock_complete }
    }

    /// What a lock of this machine could hold now, and the containers that want a GPU and name their image by digest.
    pub fn of_survey(survey: &Survey, at: Timestamp) -> Self {
        let pinned = survey.containers.iter().filter(|it| it.image.contains("@sha256:")).count();
        let lock_complete = Lock::of(survey, at).completeness().fraction();
        Self { pinned: count(pinned), total: count(survey.containers.len()), lock_complete }
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl Observed {
    /// A machine that was read, at this time, and nothing measured on it.
    pub fn new(survey: Survey, at: Timestamp) -> Self {
        let diagnosis = diagnose(&survey);
        let weights = Weights::default();
        Self { survey, diagnosis, report: None, reference: None, image: None, pins: None, weights, at }
    }

    /// Whether something of it is simulated.
    pub fn is_simulated(&self) -> bool {
        let report = self.report.as_ref().is_some_and(|report| report.simulated);
        let reference = self.reference.as_ref().is_some_and(|reference| reference.simulated);
        report || reference || self.survey.nvml.simulated || self.survey.cuda.simulated
    }
}
