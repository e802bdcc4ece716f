//! What has to be done: the difference between what is wanted and what is there.
//!
//! [`plan`] tells a user what an apply would do as a whole. [`turn`](turn::turn) tells the loop what
//! can be done at this moment; it is asked again after each change.

mod job;
mod ledger;
mod preview;
mod role;
mod turn;
mod update;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::engine::ContainerId;
use crate::placement::Placement;

pub use preview::{PlanOptions, plan};

pub(super) use job::{Act, Job};
pub(super) use turn::{Question, Turn, turn};

/// The actions that bring an app from what is there to what is wanted, in the order in which they are done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Plan {
    /// The app.
    pub app: String,
    /// On which GPUs each replica runs.
    pub placements: Vec<Placement>,
    /// The actions. Those of one wave are done together; a wave begins when everything of the one before is ready.
    pub actions: Vec<Action>,
}

impl Plan {
    /// Whether nothing has to be done.
    pub fn is_empty(&self) -> bool {
        self.actions.iter().all(|action| matches!(action.step, Step::Keep(_)))
    }

    /// The number of waves.
    pub fn waves(&self) -> u32 {
        self.actions.iter().map(|action| action.wave + 1).max().unwrap_or(0)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for action in &self.actions {
            writeln!(f, "{action}")?;
        }
        Ok(())
    }
}

/// One action of a [`Plan`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Action {
    /// The wave in which it is done, from 0.
    pub wave: u32,
    /// The service.
    pub service: String,
    /// The replica's number.
    pub replica: u32,
    /// What is done.
    pub step: Step,
    /// Why.
    pub reason: String,
}

/// What an [`Action`] does, or what happens on the way to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Step {
    /// Remove this container.
    Remove(ContainerId),
    /// Create a container and start it.
    Create,
    /// Start this container, which is there and does not run.
    Start(ContainerId),
    /// Leave this container as it is.
    Keep(ContainerId),
    /// Pull this image; in no plan of a whole app.
    Pull(String),
    /// Make this network; in no plan of a whole app.
    Network(String),
    /// Stop this container; in no plan of a whole app.
    Stop(ContainerId),
    /// Give this container, whose predecessor is gone, its name; in no plan of a whole app.
    Rename(ContainerId),
    /// Send nothing more to this container; in no plan of a whole app.
    Withdraw(ContainerId),
}

impl Step {
    /// The step's name, as in JSON.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Remove(_) => "remove",
            Self::Create => "create",
            Self::Start(_) => "start",
            Self::Keep(_) => "keep",
            Self::Pull(_) => "pull",
            Self::Network(_) => "network",
            Self::Stop(_) => "stop",
            Self::Rename(_) => "rename",
            Self::Withdraw(_) => "withdraw",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}: {}", self.step.name(), self.service, self.replica, self.reason)
    }
}

#[cfg(test)]
mod tests;
