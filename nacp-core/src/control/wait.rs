//! Waiting for a replica, and what to say when it does not become ready.

use std::time::Duration;

use super::probe::Prober;
use crate::engine::{Container, ContainerId, ContainerState};
use crate::error::{Error, ErrorKind};
use crate::service::{App, Probe};

/// A replica without a probe has this long until its container runs.
const START_LIMIT: Duration = Duration::from_secs(30);

/// A container that is to become ready.
#[derive(Debug)]
pub(super) struct Waiting<'a> {
    pub(super) id: ContainerId,
    pub(super) service: &'a str,
    pub(super) replica: u32,
    pub(super) probe: Option<&'a Probe>,
    /// Whether it ran before this plan.
    pub(super) kept: bool,
}

/// Why a replica is not ready, and whether waiting longer can help.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) fatal: bool,
    pub(super) last: String,
}

impl Waiting<'_> {
    pub(super) fn limit(&self) -> Duration {
        self.probe.map_or(START_LIMIT, |probe| probe.within)
    }

    /// Looks once.
    pub(super) async fn look(&self, containers: &[Container], prober: &Prober) -> Result<(), Trouble> {
        let trouble = |fatal, last: String| Err(Trouble { fatal, last });
        let Some(container) = containers.iter().find(|container| container.id == self.id) else {
            return trouble(true, "its container was removed".to_owned());
        };
        match (container.state, self.probe, container.address) {
            (ContainerState::Exited(_) | ContainerState::Dead, ..) => {
                trouble(true, format!("its container is {}", container.state))
            }
            (ContainerState::Running, None, _) => Ok(()),
            (ContainerState::Running, Some(_), None) => trouble(false, "its port is not published".to_owned()),
            (ContainerState::Running, Some(probe), Some(address)) => {
                prober.ask(address, &probe.http).await.or_else(|last| trouble(false, last))
            }
            (state, ..) => trouble(false, format!("its container is {state}")),
        }
    }

    /// The error that a user reads.
    pub(super) fn failed(&self, app: &App, trouble: &Trouble, log: &[String]) -> Error {
        let (kind, message) = match trouble.fatal {
            true => (ErrorKind::InvalidArgument, "the replica ended before it was ready"),
            false => (ErrorKind::Timeout, "the replica is not ready in time"),
        };
        let error = Error::new(kind, "control.apply", message)
            .with("app", &app.name)
            .with("service", self.service)
            .with("replica", self.replica)
            .with("within", format_args!("{:?}", self.limit()))
            .with("last", format_args!("{:?}", trouble.last));
        let error = match log.is_empty() {
            true => error,
            false => error.with("log", format_args!("{:?}", log.join("\n"))),
        };
        error.hint("look at its log, mend the service and apply again")
    }
}
