//! Waiting for a replica, and what to say when it does not become ready.

use std::time::Duration;

use super::prober::{Prober, Target};
use crate::engine::{Container, ContainerId, ContainerState, Engine};
use crate::error::{Error, ErrorKind};
use crate::service::{App, Probe};

/// A replica without a probe has this long until its container runs.
const START_LIMIT: Duration = Duration::from_secs(30);

/// A replica without a probe is ready when it has run for so long.
const SETTLED: Duration = Duration::from_millis(500);

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

/// Why a replica is not ready.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It may still become ready.
    NotYet(String),
    /// Its program has ended.
    Ended(String),
    /// Its container is not there any more: somebody removes it.
    Gone,
}

impl Waiting<'_> {
    pub(super) fn limit(&self) -> Duration {
        self.probe.map_or(START_LIMIT, |probe| probe.within)
    }

    /// Looks once, `after` its start.
    pub(super) async fn look(
        &self,
        containers: &[Container],
        engine: &dyn Engine,
        prober: &dyn Prober,
        after: Duration,
    ) -> Result<(), Trouble> {
        let not_yet = |last: String| Err(Trouble::NotYet(last));
        let Some(container) = containers.iter().find(|container| container.id == self.id) else {
            return Err(Trouble::Gone);
        };
        match (container.state, self.probe) {
            (ContainerState::Dead, _) => Err(Trouble::Gone),
            (state @ ContainerState::Exited(_), _) => Err(Trouble::Ended(format!("its container is {state}"))),
            (ContainerState::Running, None) if self.kept || after >= SETTLED => Ok(()),
            (ContainerState::Running, None) => not_yet("it has just been started".to_owned()),
            (ContainerState::Running, Some(probe)) => {
                prober.ask(Target::of(engine, container), probe).await.or_else(not_yet)
            }
            (state, _) => not_yet(format!("its container is {state}")),
        }
    }

    /// The error that a user reads.
    pub(super) fn failed(&self, app: &App, trouble: &Trouble, log: &[String]) -> Error {
        let error = |kind, message: &str| {
            Error::new(kind, "control.apply", message)
                .with("app", &app.name)
                .with("service", self.service)
                .with("replica", self.replica)
        };
        let told = match trouble {
            Trouble::Gone => {
                return error(ErrorKind::Conflict, "the replica was removed while it was waited for")
                    .hint("another program deletes or changes the same app")
                    .retry_later();
            }
            Trouble::Ended(last) => {
                error(ErrorKind::ServiceFailed, "the replica ended before it was ready").with("last", quoted(last))
            }
            Trouble::NotYet(last) => error(ErrorKind::Timeout, "the replica is not ready in time")
                .with("within", format_args!("{:?}", self.limit()))
                .with("last", quoted(last)),
        };
        let told = match log.is_empty() {
            true => told,
            false => told.with("log", quoted(&log.join("\n"))),
        };
        told.hint("look at its log, mend the service and apply again")
    }
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}
