//! What is done next, with everything that whoever does it has to know.

use std::time::Duration;

use super::Step;
use crate::engine::{ContainerId, PullRequest};
use crate::placement::Placement;

/// One thing that can be done now.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::control) struct Job {
    pub(in crate::control) service: String,
    pub(in crate::control) replica: u32,
    pub(in crate::control) act: Act,
    pub(in crate::control) reason: String,
}

/// What a [`Job`] does.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::control) enum Act {
    Pull(PullRequest),
    Network(String),
    Create {
        placement: Placement,
        next: bool,
        /// Whether it is promised its memory beside the one whose place it is to take.
        beside: bool,
        root: Option<String>,
    },
    Start(ContainerId),
    Stop(ContainerId, Duration),
    Remove(ContainerId, Duration),
    Rename(ContainerId, String),
    /// Sends nothing more to the replica of this name.
    Withdraw(ContainerId, String),
}

impl Act {
    pub(in crate::control) fn step(&self) -> Step {
        match self {
            Self::Pull(request) => Step::Pull(request.reference.clone()),
            Self::Network(name) => Step::Network(name.clone()),
            Self::Create { .. } => Step::Create,
            Self::Start(id) => Step::Start(id.clone()),
            Self::Stop(id, _) => Step::Stop(id.clone()),
            Self::Remove(id, _) => Step::Remove(id.clone()),
            Self::Rename(id, _) => Step::Rename(id.clone()),
            Self::Withdraw(id, _) => Step::Withdraw(id.clone()),
        }
    }
}
